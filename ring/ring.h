/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * ring - a single-producer single-consumer ring of fixed slots between two
 * processes that need not trust each other.
 *
 * It moves slots, it doesn't know what is in them; it never sleeps, never
 * makes a system call. Waking a sleeper is doorbell/, meaning is wire/. Each
 * role is a type of its own with private positions; the struct belongs to the
 * one thread that plays the role. In debug builds (without NDEBUG) a handle
 * remembers its first thread and asserts on the second, unless the owner
 * hands it over with mp_ring_*_rebind() (a lock then orders the two).
 *
 *	producer: reserve -> fill -> commit	consumer: peek -> copy -> release
 */
#ifndef MP_RING_RING_H
#define MP_RING_RING_H

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"
#include "ring/layout.h"

struct mp_ring_prod {
	uint8_t *slots; /* own memfd */
	const _Atomic uint32_t *head; /* peer's memfd: credit */
	uint32_t mask;
	uint32_t slot_bytes;
	uint32_t tail; /* slots committed so far, free-running */
	uint32_t head_seen; /* last checked value of *head */
	bool broken; /* sticky: the peer published an impossible head */
#ifndef NDEBUG
	uint64_t owner;
#endif
};

struct mp_ring_cons {
	const uint8_t *slots; /* peer's memfd */
	_Atomic uint32_t *head; /* own memfd: what we publish (R1) */
	uint32_t mask;
	uint32_t slot_bytes;
	uint32_t next; /* slots peeked and passed so far, free-running */
	uint32_t published; /* last value stored to *head */
#ifndef NDEBUG
	uint64_t owner;
#endif
};

/**
 * mp_ring_prod_init() - become the producer of a pair
 * @own:   our memfd's mapping, formatted by mp_ring_page_format()
 * @peer:  the peer's memfd, mapped read-only and checked
 *
 * Both must outlive @p. Sizes are the agreed ones, never read from shared
 * memory. Context: any thread; the first mp_ring_reserve() binds the handle.
 */
void mp_ring_prod_init(struct mp_ring_prod *p, void *own, const void *peer, uint32_t n_slots,
		       uint32_t slot_bytes);

/** mp_ring_cons_init() - become the consumer; @n_slots and @slot_bytes are of the peer's ring */
void mp_ring_cons_init(struct mp_ring_cons *c, void *own, const void *peer, uint32_t n_slots,
		       uint32_t slot_bytes);

/** mp_ring_prod_rebind() - the next caller may be another thread; a lock of the caller orders them */
static inline void mp_ring_prod_rebind(struct mp_ring_prod *p)
{
	(void)p;
#ifndef NDEBUG
	p->owner = 0;
#endif
}

/** mp_ring_cons_rebind() - the same for a consumer */
static inline void mp_ring_cons_rebind(struct mp_ring_cons *c)
{
	(void)c;
#ifndef NDEBUG
	c->owner = 0;
#endif
}

/** mp_ring_refresh_head() - slow path of reserve: look at the peer's credit again
 *
 * Return: 0; -EPROTO and p->broken set when the peer claims more than was sent.
 * Order: R2.
 */
int mp_ring_refresh_head(struct mp_ring_prod *p);

/* Debug builds only: does this thread own the handle? Out of line on purpose. */
void mp_ring_own(uint64_t *owner);

/**
 * mp_ring_reserve() - borrow the next free slot for writing
 * @p:         producer; the caller is its only user
 * @ret_slot:  slot_bytes bytes, aligned to slot_bytes; untouched unless 1 is returned.
 *             The first four bytes belong to the ring: write from byte 4 on.
 *
 * The slot is the caller's until mp_ring_commit(); reserving again without a
 * commit returns the same slot.
 *
 * Return:  1 slot lent; 0 full, which is not an error; -EPROTO peer broke the ring.
 * Context: producer thread; wait-free; no syscall, allocation or log.
 * Order:   R2 when the cached head is stale; see the table in ring/layout.h.
 * Source:  docs/ring.md "Full and empty"; tests/model/ring.pml.
 */
static inline int mp_ring_reserve(struct mp_ring_prod *p, void **ret_slot)
{
	int r;

#ifndef NDEBUG
	mp_ring_own(&p->owner);
#endif
	if (mp_unlikely(p->tail - p->head_seen > p->mask)) {
		r = mp_ring_refresh_head(p);
		if (r < 0)
			return mp_err_trace(r);
		if (p->tail - p->head_seen > p->mask)
			return 0;
	}
	*ret_slot = p->slots + (size_t)(p->tail & p->mask) * p->slot_bytes;
	return 1;
}

/**
 * mp_ring_commit() - give the reserved slot to the consumer
 *
 * Context: producer thread; wait-free. Order: R3.
 */
static inline void mp_ring_commit(struct mp_ring_prod *p)
{
	_Atomic uint32_t *seq =
		(_Atomic uint32_t *)(void *)(p->slots +
					     (size_t)(p->tail & p->mask) * p->slot_bytes);

	p->tail++;
	/* R3: release, pairs with R4 in mp_ring_peek(): the payload is complete
	 * before the number that announces it. */
	atomic_store_explicit(seq, p->tail, memory_order_release);
}

/**
 * mp_ring_drained() - has the consumer applied and released all that was committed?
 *
 * Return: 1 yes, and all that it published before (R1) is visible; 0 no;
 * -EPROTO peer broke the ring. Order: R2.
 */
static inline int mp_ring_drained(struct mp_ring_prod *p)
{
	int r;

	if (p->head_seen == p->tail)
		return 1;
	r = mp_ring_refresh_head(p);
	if (r < 0)
		return mp_err_trace(r);
	return p->head_seen == p->tail;
}

/**
 * mp_ring_peek() - borrow the oldest slot that was not peeked yet
 * @ret_slot:  slot_bytes bytes in the PEER'S memory, which may change while
 *             being read: copy each byte once, check the copy, use the copy.
 *
 * Peeking again without mp_ring_next() returns the same slot.
 *
 * Return:  1 slot lent; 0 empty. There is no error: any content is a content.
 * Context: consumer thread; wait-free. Order: R4.
 */
static inline int mp_ring_peek(struct mp_ring_cons *c, const void **ret_slot)
{
	const uint8_t *slot = c->slots + (size_t)(c->next & c->mask) * c->slot_bytes;
	const _Atomic uint32_t *seq = (const _Atomic uint32_t *)(const void *)slot;

#ifndef NDEBUG
	mp_ring_own(&c->owner);
#endif
	/* R4: acquire, pairs with R3 in mp_ring_commit(). */
	if (atomic_load_explicit(seq, memory_order_acquire) != c->next + 1)
		return 0;
	*ret_slot = slot;
	return 1;
}

/** mp_ring_next() - done with the peeked slot; its credit goes back with mp_ring_release() */
static inline void mp_ring_next(struct mp_ring_cons *c)
{
	uint32_t ahead;

	c->next++;
	/* A consumer that lags would pay a miss for each line of slots. A quarter of
	 * the ring ahead they are filled by then; for a consumer that keeps up they
	 * are its own copies of the last lap, and nothing happens. */
	ahead = c->next + ((c->mask + 1) >> 2);
	__builtin_prefetch(c->slots + (size_t)(ahead & c->mask) * c->slot_bytes);
}

/**
 * mp_ring_release() - give back all slots passed by mp_ring_next()
 *
 * Publishes "applied": whoever sees it also sees all that this thread stored
 * before. Context: consumer thread; wait-free. Order: R1.
 */
static inline void mp_ring_release(struct mp_ring_cons *c)
{
	if (c->published == c->next)
		return;
	c->published = c->next;
	/* R1: release, pairs with R2 in mp_ring_refresh_head(). */
	atomic_store_explicit(c->head, c->next, memory_order_release);
}

#endif
