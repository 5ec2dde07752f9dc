/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * fake_blk - a disk in memory in place of block/: link it instead of the
 * library. Requests wait until the test completes them, in the order it
 * likes, with the result it likes.
 */
#ifndef MP_TESTS_LIB_FAKE_BLK_H
#define MP_TESTS_LIB_FAKE_BLK_H

#include "block/blk.h"

#define FAKE_BLK_MAX_REQS 512u

struct mp_blk {
	uint8_t *data;
	uint64_t size_bytes;
	uint32_t block_bytes;
	bool read_only, can_discard, no_cache;
	uint64_t new_size_bytes; /* what mp_blk_refresh_size() will find; 0: as before */
	uint64_t
		extent_bytes; /* what MP_BLK_STATUS sees: data, hole, data ... of that size; 0: all data */
	struct mp_blk_req *reqs[FAKE_BLK_MAX_REQS]; /* waiting, oldest first */
	unsigned int n_reqs;
	/* What was asked, since the start. */
	unsigned int n_op[MP_BLK_N_OPS], n_invalid[MP_BLK_N_OPS], n_fua, n_unmap, n_cancels,
		n_rushes;
};

/** fake_blk_init() - zeroed disk of @size_bytes, sectors of 512 */
void fake_blk_init(struct mp_blk *b, uint64_t size_bytes);
void fake_blk_fini(struct mp_blk *b);

/** fake_blk_finish() - complete request @i; @result 0 also does it, negative leaves the disk alone */
void fake_blk_finish(struct mp_blk *b, unsigned int i, int result);

/** fake_blk_finish_all() - complete, oldest first, until none is left */
void fake_blk_finish_all(struct mp_blk *b);

#endif
