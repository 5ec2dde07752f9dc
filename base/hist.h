/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * hist - how long something took, as a histogram whose bounds are powers of two
 * nanoseconds; and plain counters of the same kind.
 *
 * One thread writes, any may read. Nothing is ordered by it: a reader sees
 * each number as it was at some moment, not all of them at the same.
 */
#ifndef MP_BASE_HIST_H
#define MP_BASE_HIST_H

#include <stdatomic.h>
#include <stdint.h>

#define MP_HIST_BUCKETS 40u

/* n[i] counts what took at least mp_hist_floor_ns(i) and less than that of i + 1; the last has no end. */
struct mp_hist {
	_Atomic uint64_t n[MP_HIST_BUCKETS];
};

/** mp_count_add() - by the one thread that writes @c */
static inline void mp_count_add(_Atomic uint64_t *c, uint64_t n)
{
	/* relaxed: the number stands for itself; and with one writer no lock prefix is needed. */
	uint64_t was = atomic_load_explicit(c, memory_order_relaxed);

	atomic_store_explicit(c, was + n, memory_order_relaxed);
}

/** mp_count_set() - by the one thread that writes @c */
static inline void mp_count_set(_Atomic uint64_t *c, uint64_t n)
{
	/* relaxed: the number stands for itself. */
	atomic_store_explicit(c, n, memory_order_relaxed);
}

/** mp_count_get() - any thread */
static inline uint64_t mp_count_get(const _Atomic uint64_t *c)
{
	/* relaxed: the number stands for itself. */
	return atomic_load_explicit(c, memory_order_relaxed);
}

static inline unsigned int mp_hist_bucket(uint64_t ns)
{
	unsigned int bit = 63u - (unsigned int)__builtin_clzll(ns | 1);

	return bit < MP_HIST_BUCKETS ? bit : MP_HIST_BUCKETS - 1;
}

/** mp_hist_floor_ns() - the least that bucket @i counts: 0, 2, 4, 8 ... */
static inline uint64_t mp_hist_floor_ns(unsigned int i)
{
	return i == 0 ? 0 : 1ull << i;
}

/** mp_hist_add() - the writer */
static inline void mp_hist_add(struct mp_hist *h, uint64_t ns)
{
	mp_count_add(&h->n[mp_hist_bucket(ns)], 1);
}

/** mp_hist_get() - how many are in bucket @i; any thread */
static inline uint64_t mp_hist_get(const struct mp_hist *h, unsigned int i)
{
	return mp_count_get(&h->n[i]);
}

#endif
