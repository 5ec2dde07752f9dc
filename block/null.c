/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The null disk: of any size, reads as zeros, forgets what is written. It ends
 * each request at the next poll, so that a benchmark sees the path and not the
 * medium.
 */
#include "block/engine.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/err.h"

static void null_submit(struct mp_blk *b, struct mp_blk_req *req)
{
	(void)b;
	if (req->op == MP_BLK_READ)
		memset(req->buf, 0, req->len);
	if (req->op == MP_BLK_STATUS)
		*(struct mp_blk_extent *)req->buf = (struct mp_blk_extent){req->len, true};
	mp_blk_end_later(req, 0);
}

static const struct mp_blk_driver null_driver = {
	.submit = null_submit,
};

int mp_null_open(struct mp_blk *b, const struct mp_blk_open *how, char *ret_error, size_t error_len)
{
	if (how->size_bytes < b->block_bytes) {
		snprintf(ret_error, error_len, "a null disk needs a size of at least %u bytes",
			 b->block_bytes);
		return mp_err_origin(-EINVAL);
	}
	b->driver = &null_driver;
	b->size_bytes = how->size_bytes - how->size_bytes % b->block_bytes;
	return 0;
}
