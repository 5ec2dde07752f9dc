/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * stats - what a disk's requests were, how long they took, how they ended.
 *
 * Time is from mp_blk_submit() to done(), so waiting for a throttle and for the
 * poll that reaps is in it. Cancelled requests count nowhere: nobody has waited
 * for them. Any thread may read; see base/hist.h for what it sees.
 */
#ifndef MP_BLOCK_STATS_H
#define MP_BLOCK_STATS_H

#include <stdint.h>

#include "base/hist.h"

/* PREFETCH and STATUS aren't counted: they move no data that anyone asked for. */
enum mp_blk_kind {
	MP_BLK_KIND_READ,
	MP_BLK_KIND_WRITE, /* WRITE_ZEROES too */
	MP_BLK_KIND_FLUSH,
	MP_BLK_KIND_UNMAP, /* DISCARD */
	MP_BLK_N_KINDS,
};

struct mp_blk_kind_stats {
	_Atomic uint64_t n_ops, n_bytes; /* that succeeded */
	_Atomic uint64_t n_failed;
	_Atomic uint64_t n_invalid; /* refused before anything was tried */
	_Atomic uint64_t total_ns; /* of those that succeeded or failed */
	struct mp_hist latency; /* the same ones */
};

struct mp_blk_stats {
	struct mp_blk_kind_stats kind[MP_BLK_N_KINDS];
	_Atomic uint64_t last_tsc; /* end of the last one; 0: there was none */
	_Atomic uint64_t write_end; /* the highest byte that was written lies before it */
};

#endif
