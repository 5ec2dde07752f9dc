/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * stats - a page of counters that another process may read at any time.
 *
 * One page per writer: the proxy of a device, or a device in a worker. The
 * page is a memfd that the launcher makes and passes to the writer by fd; the
 * reader maps it too. A counter has one writer, so adding is a load and a
 * store, no locked instruction. Values are free-running; readers take
 * differences. counters.def lists them all.
 */
#ifndef MP_STATS_STATS_H
#define MP_STATS_STATS_H

#include <stdatomic.h>
#include <stdint.h>

#include "base/shm.h"

enum mp_stat_id {
#define MP_COUNTER(id, name, unit, meaning) MP_STAT_##id,
#include "stats/counters.def"
#undef MP_COUNTER
	MP_STAT_COUNT
};

struct mp_stat_desc {
	const char *name, *unit, *meaning;
};

extern const struct mp_stat_desc mp_stat_desc[MP_STAT_COUNT];

#define MP_STAT_MAGIC 0x3154415453504d00ull
#define MP_STAT_BYTES 4096u

/* Written by one thread of one process. */
struct mp_stat_page {
	uint64_t magic;
	uint64_t n_counters;
	_Atomic uint64_t counter[MP_STAT_COUNT];
};

_Static_assert(sizeof(struct mp_stat_page) <= MP_STAT_BYTES, "one page");

/** mp_stat_create() - a page of zeros in a memfd that may be passed on; negative errno */
int mp_stat_create(struct mp_shm *ret_shm);

/** mp_stat_adopt_take() - map such a page from an fd, for writing or reading; -EPROTO not one */
int mp_stat_adopt_take(int fd, struct mp_shm *ret_shm);

/** mp_stat_page() - the page in @shm; NULL for MP_SHM_NULL */
static inline struct mp_stat_page *mp_stat_page(const struct mp_shm *shm)
{
	return (struct mp_stat_page *)shm->addr;
}

/** mp_stat_add() - one writer only; @page NULL counts nothing */
static inline void mp_stat_add(struct mp_stat_page *page, enum mp_stat_id id, uint64_t n)
{
	uint64_t v;

	if (!page)
		return;
	/* relaxed: a counter orders nothing; readers want a recent value, whole. */
	v = atomic_load_explicit(&page->counter[id], memory_order_relaxed);
	atomic_store_explicit(&page->counter[id], v + n, memory_order_relaxed);
}

/** mp_stat_set() - as mp_stat_add(), for values that are counted elsewhere */
static inline void mp_stat_set(struct mp_stat_page *page, enum mp_stat_id id, uint64_t v)
{
	if (page)
		atomic_store_explicit(&page->counter[id], v, memory_order_relaxed);
}

/** mp_stat_get() - a recent value; any process, any time */
static inline uint64_t mp_stat_get(const struct mp_stat_page *page, enum mp_stat_id id)
{
	return atomic_load_explicit(&page->counter[id], memory_order_relaxed);
}

#endif
