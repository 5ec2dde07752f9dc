/* SPDX-License-Identifier: BSD-3-Clause */
#include "tests/lib/fake_blk.h"

#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/err.h"

void fake_blk_init(struct mp_blk *b, uint64_t size_bytes)
{
	memset(b, 0, sizeof(*b));
	b->data = calloc(1, size_bytes);
	b->size_bytes = size_bytes;
	b->block_bytes = 512;
}

void fake_blk_fini(struct mp_blk *b)
{
	mp_assert(b->n_reqs == 0);
	free(b->data);
	b->data = NULL;
}

static void find_extent(const struct mp_blk *b, const struct mp_blk_req *req)
{
	struct mp_blk_extent *extent = req->buf;
	uint64_t left = b->extent_bytes ? b->extent_bytes - req->offset % b->extent_bytes
					: req->len;

	extent->is_hole = b->extent_bytes && req->offset / b->extent_bytes % 2;
	extent->len = left < req->len ? left : req->len;
}

static void carry_out(struct mp_blk *b, const struct mp_blk_req *req)
{
	uint8_t *at = b->data + req->offset;

	switch (req->op) {
	case MP_BLK_READ:
		memcpy(req->buf, at, req->len);
		break;
	case MP_BLK_WRITE:
		memcpy(at, req->buf, req->len);
		break;
	case MP_BLK_FLUSH:
	case MP_BLK_PREFETCH:
		break;
	case MP_BLK_STATUS:
		find_extent(b, req);
		break;
	default:
		memset(at, 0, req->len);
	}
}

void fake_blk_finish(struct mp_blk *b, unsigned int i, int result)
{
	struct mp_blk_req *req = b->reqs[i];

	mp_assert(i < b->n_reqs && req->busy);
	b->n_reqs--;
	memmove(&b->reqs[i], &b->reqs[i + 1], (b->n_reqs - i) * sizeof(b->reqs[0]));
	if (result == 0)
		carry_out(b, req);
	req->result = result;
	req->ended_tsc = mp_clock_tsc();
	req->busy = false;
	req->done(req);
}

void fake_blk_finish_all(struct mp_blk *b)
{
	while (b->n_reqs > 0)
		fake_blk_finish(b, 0, 0);
}

uint64_t mp_blk_size_bytes(const struct mp_blk *b)
{
	return b->size_bytes;
}

uint32_t mp_blk_block_bytes(const struct mp_blk *b)
{
	return b->block_bytes;
}

bool mp_blk_read_only(const struct mp_blk *b)
{
	return b->read_only;
}

bool mp_blk_can_discard(const struct mp_blk *b)
{
	return b->can_discard;
}

bool mp_blk_has_cache(const struct mp_blk *b)
{
	return !b->no_cache;
}

int mp_blk_refresh_size(struct mp_blk *b)
{
	if (b->new_size_bytes == 0 || b->new_size_bytes == b->size_bytes)
		return 0;
	b->size_bytes = b->new_size_bytes;
	return 1;
}

void mp_blk_submit(struct mp_blk *b, struct mp_blk_req *req)
{
	/* The target must not lean on our checks: here they are assertions. */
	mp_assert(!req->busy && b->n_reqs < FAKE_BLK_MAX_REQS);
	mp_assert(req->offset <= b->size_bytes && req->len <= b->size_bytes - req->offset);
	mp_assert((req->offset | req->len) % b->block_bytes == 0);
	mp_assert(!b->read_only || (req->op != MP_BLK_WRITE && req->op != MP_BLK_DISCARD &&
				    req->op != MP_BLK_WRITE_ZEROES));
	req->busy = true;
	req->blk = b;
	req->moved = 0;
	req->begun_tsc = mp_clock_tsc();
	b->reqs[b->n_reqs++] = req;
	b->n_op[req->op]++;
	b->n_fua += (req->flags & MP_BLK_FUA) != 0;
	b->n_unmap += (req->flags & MP_BLK_UNMAP) != 0;
}

void mp_blk_cancel(struct mp_blk_req *req)
{
	req->blk->n_cancels++;
}

void mp_blk_count_invalid(struct mp_blk *b, enum mp_blk_op op)
{
	b->n_invalid[op]++;
}

void mp_blk_rush(struct mp_blk *b)
{
	b->n_rushes++;
}
