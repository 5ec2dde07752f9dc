/* SPDX-License-Identifier: BSD-3-Clause */
#include "block/nbd_lib.h"

#include <dlfcn.h>
#include <errno.h>
#include <stddef.h>
#include <stdio.h>

#include "base/err.h"
#include "block/blk.h"

static const struct {
	const char *name;
	size_t at; /* of the pointer in struct mp_nbd_lib */
} calls[] = {
#define MP_NBD_CALL(name) {"nbd_" #name, offsetof(struct mp_nbd_lib, name)},
#include "block/nbd_calls.def"
#undef MP_NBD_CALL
};

const char *mp_nbd_lib_load(struct mp_nbd_lib *ret_lib)
{
	void *lib = dlopen("libnbd.so.0", RTLD_NOW | RTLD_LOCAL | RTLD_NODELETE);

	if (!lib)
		return "libnbd.so.0 can't be loaded; install libnbd0";
	for (size_t i = 0; i < sizeof(calls) / sizeof(calls[0]); i++) {
		void **to = (void **)((char *)ret_lib + calls[i].at);

		*to = dlsym(lib, calls[i].name);
		if (!*to)
			return "libnbd.so.0 is too old; 1.14 is needed";
	}
	return NULL;
}

int mp_blk_nbd_load(char *ret_error, size_t error_len)
{
	struct mp_nbd_lib lib;
	const char *why = mp_nbd_lib_load(&lib);

	if (!why)
		return 0;
	snprintf(ret_error, error_len, "no NBD disks: %s", why);
	return mp_err_origin(-ENOTSUP);
}
