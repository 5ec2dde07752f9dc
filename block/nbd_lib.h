/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * nbd_lib - libnbd, loaded by the first disk that needs it.
 *
 * It brings TLS and XML with it, 18 libraries in all, which would double what a
 * worker without NBD disks takes. After mp_blk_nbd_load() loading it again
 * opens no file, so a worker in its sandbox can.
 */
#ifndef MP_BLOCK_NBD_LIB_H
#define MP_BLOCK_NBD_LIB_H

#include <libnbd.h>

struct mp_nbd_lib {
#define MP_NBD_CALL(name) __typeof__(nbd_##name) *name;
#include "block/nbd_calls.def"
#undef MP_NBD_CALL
};

/** mp_nbd_lib_load() - Return: NULL; a sentence that says what is missing */
const char *mp_nbd_lib_load(struct mp_nbd_lib *ret_lib);

#endif
