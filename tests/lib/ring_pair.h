/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * ring_pair - both ends of one ring direction over plain memory, for tests of
 * the ring alone: no memfd, no session, and positions of our choice.
 */
#ifndef MP_TESTS_LIB_RING_PAIR_H
#define MP_TESTS_LIB_RING_PAIR_H

#include <stdlib.h>
#include <string.h>

#include "ring/ring.h"

struct ring_pair {
	void *prod_mem, *cons_mem;
	struct mp_ring_prod p;
	struct mp_ring_cons c;
};

static inline void ring_pair_init(struct ring_pair *rp, uint32_t n_slots, uint32_t slot_bytes)
{
	size_t len = mp_ring_memfd_len(n_slots, slot_bytes);

	rp->prod_mem = aligned_alloc(MP_RING_PAGE_BYTES, len);
	rp->cons_mem = aligned_alloc(MP_RING_PAGE_BYTES, len);
	mp_assert(rp->prod_mem && rp->cons_mem);
	memset(rp->prod_mem, 0, len);
	memset(rp->cons_mem, 0, len);
	mp_assert(mp_ring_page_format(rp->prod_mem, n_slots, slot_bytes) == 0);
	mp_assert(mp_ring_page_format(rp->cons_mem, n_slots, slot_bytes) == 0);
	mp_ring_prod_init(&rp->p, rp->prod_mem, rp->cons_mem, n_slots, slot_bytes);
	mp_ring_cons_init(&rp->c, rp->cons_mem, rp->prod_mem, n_slots, slot_bytes);
}

static inline void ring_pair_fini(struct ring_pair *rp)
{
	free(rp->prod_mem);
	free(rp->cons_mem);
}

/* The consumer's head, which a test may forge. */
static inline _Atomic uint32_t *ring_pair_head(struct ring_pair *rp)
{
	return rp->c.head;
}

static inline _Atomic uint32_t *ring_pair_seq(struct ring_pair *rp, uint32_t index)
{
	return (_Atomic uint32_t *)(void *)(rp->p.slots +
					    (size_t)(index & rp->p.mask) * rp->p.slot_bytes);
}

/* As if @pos messages had passed: each slot carries the number of its last use. */
static inline void ring_pair_start_at(struct ring_pair *rp, uint32_t pos)
{
	for (uint32_t s = pos - rp->p.mask; s != pos + 1; s++)
		atomic_store_explicit(ring_pair_seq(rp, s - 1), s, memory_order_relaxed);
	rp->p.tail = rp->p.head_seen = pos;
	rp->c.next = rp->c.published = pos;
	atomic_store_explicit(rp->c.head, pos, memory_order_relaxed);
}

/* Post one message of a recognisable value; reserve's answer. */
static inline int ring_pair_put(struct ring_pair *rp, uint32_t value)
{
	void *slot;
	int r = mp_ring_reserve(&rp->p, &slot);

	if (r != 1)
		return r;
	memcpy((uint8_t *)slot + 4, &value, sizeof(value));
	mp_ring_commit(&rp->p);
	return 1;
}

/* Take one message, without giving its credit back; peek's answer. */
static inline int ring_pair_get(struct ring_pair *rp, uint32_t *ret_value)
{
	const void *slot;
	int r = mp_ring_peek(&rp->c, &slot);

	if (r != 1)
		return r;
	memcpy(ret_value, (const uint8_t *)slot + 4, sizeof(*ret_value));
	mp_ring_next(&rp->c);
	return 1;
}

#endif
