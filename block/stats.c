/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A reading of the TSC for each request that comes, one for all that a poll reaps,
 * and some additions: no lock, and no cache line that another core writes. Time is kept in ticks until it is counted.
 */
#include "block/stats.h"

#include <errno.h>

#include "base/clock.h"
#include "base/err.h"
#include "block/engine.h"

static unsigned int kind_of(enum mp_blk_op op)
{
	static const uint8_t kinds[MP_BLK_N_OPS] = {
		[MP_BLK_READ] = MP_BLK_KIND_READ,          [MP_BLK_WRITE] = MP_BLK_KIND_WRITE,
		[MP_BLK_FLUSH] = MP_BLK_KIND_FLUSH,        [MP_BLK_DISCARD] = MP_BLK_KIND_UNMAP,
		[MP_BLK_WRITE_ZEROES] = MP_BLK_KIND_WRITE, [MP_BLK_PREFETCH] = MP_BLK_N_KINDS,
		[MP_BLK_STATUS] = MP_BLK_N_KINDS,
	};

	return (unsigned int)op < MP_BLK_N_OPS ? kinds[op] : MP_BLK_N_KINDS;
}

void mp_blk_count_invalid(struct mp_blk *b, enum mp_blk_op op)
{
	unsigned int kind = kind_of(op);

	if (kind == MP_BLK_N_KINDS)
		return;
	mp_count_add(&b->stats.kind[kind].n_invalid, 1);
	mp_count_set(&b->stats.last_tsc, mp_clock_tsc());
}

static void count_written(struct mp_blk_stats *st, const struct mp_blk_req *req)
{
	uint64_t end = req->offset + req->len;

	if (end > mp_count_get(&st->write_end))
		mp_count_set(&st->write_end, end);
}

static void count(struct mp_blk *b, const struct mp_blk_req *req, unsigned int kind)
{
	struct mp_blk_kind_stats *k = &b->stats.kind[kind];
	uint64_t ns = mp_clock_tsc_to_ns(req->ended_tsc - req->begun_tsc, b->engine->tsc_mult);

	if (mp_unlikely(req->result < 0)) {
		mp_count_add(&k->n_failed, 1);
	} else {
		mp_count_add(&k->n_ops, 1);
		mp_count_add(&k->n_bytes, req->len);
		if (kind == MP_BLK_KIND_WRITE)
			count_written(&b->stats, req);
	}
	mp_count_add(&k->total_ns, ns);
	mp_hist_add(&k->latency, ns);
	mp_count_set(&b->stats.last_tsc, req->ended_tsc);
}

void mp_blk_count_ended(struct mp_blk_req *req)
{
	const struct mp_blk_engine *e = req->blk->engine;
	unsigned int kind = kind_of(req->op);

	/* Time doesn't run backwards for what was submitted in a done() of the same poll. */
	req->ended_tsc = e->now_tsc > req->begun_tsc ? e->now_tsc : req->begun_tsc;
	if (mp_unlikely(req->refused))
		mp_blk_count_invalid(req->blk, req->op);
	else if (kind != MP_BLK_N_KINDS && req->result != -ECANCELED)
		count(req->blk, req, kind);
}

const struct mp_blk_stats *mp_blk_stats(const struct mp_blk *b)
{
	return &b->stats;
}

bool mp_blk_idle_ns(const struct mp_blk *b, uint64_t *ret_ns)
{
	uint64_t last = mp_count_get(&b->stats.last_tsc), now = mp_clock_tsc();

	if (!last)
		return false;
	*ret_ns = now > last ? mp_clock_tsc_to_ns(now - last, b->engine->tsc_mult) : 0;
	return true;
}
