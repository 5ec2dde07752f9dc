/* SPDX-License-Identifier: BSD-3-Clause */
/* disks - what the devices store their data in: files of the user's, temporary ones. */
#ifndef MP_LAUNCHER_DISKS_H
#define MP_LAUNCHER_DISKS_H

#include "launcher/plan.h"

/** mp_disks_default_bytes() - size of each of @n_disks temporary disks, by the memory there is */
uint64_t mp_disks_default_bytes(unsigned int n_disks);

/** mp_disk_is_uri() - not a file here, but "nbd://host" or another of QEMU's protocols */
bool mp_disk_is_uri(const char *file);

/** mp_disk_is_copied() - with --compare: does QEMU's own controller get a copy? (Raw files are shared.) */
bool mp_disk_is_copied(const struct mp_options *o, const struct mp_opt_disk *d);

/** mp_disks_check() - can the user's disks be opened, each once? negative errno after a message */
int mp_disks_check(const struct mp_options *o);

/** mp_disk_temp() - a file without a name, of the plan's size; negative errno after a message */
int mp_disk_temp(struct mp_plan *p, int *ret_fd);

/**
 * mp_disk_copy() - all of a file of the user's, in a file without a name
 *
 * Holes stay holes. The copy is on the disk when this returns, so that nobody writes it back while
 * something is measured.
 *
 * Return: 0; negative errno after a message.
 */
int mp_disk_copy(const char *file, int *ret_fd);

#endif
