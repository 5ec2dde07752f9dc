/* SPDX-License-Identifier: BSD-3-Clause */
/* probe - is a file an image of a format that a raw disk must not be made of by mistake? */
#ifndef MP_BLOCK_PROBE_H
#define MP_BLOCK_PROBE_H

#include <stddef.h>

/* What is looked at: the first sector, as QEMU does. */
#define MP_PROBE_BYTES 512u

/** mp_probe_bytes() - name of the format whose header @head begins with; NULL: none known */
const char *mp_probe_bytes(const void *head, size_t len);

/** mp_probe_fd() - the same for an open file, whose offset stays; NULL also when it can't be read */
const char *mp_probe_fd(int fd);

/** mp_probe_file() - the same for a file; NULL also when it can't be read, its opening will say why */
const char *mp_probe_file(const char *filename);

#endif
