/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The producer's slow path. mp_ring_reserve() works from head_seen, a private
 * copy of the consumer's head, until the ring looks full; only then is the
 * shared word loaded, so a busy pair doesn't bounce that cache line.
 *
 *	head_seen <= head <= tail <= head_seen + n_slots	(as free-running
 *	counters: the differences, taken as uint32_t, are what is compared)
 *
 * A head outside head_seen .. tail was never released to us: one that is too
 * far would let us overwrite slots under their reader, one that went back
 * contradicts what the peer published before. Either breaks the ring for good.
 * A broken ring keeps head_seen one whole ring behind tail, so it looks full,
 * every reserve comes here, and the fast path needs no check of its own.
 */
#include "ring/ring.h"

#include <errno.h>
#include <pthread.h>
#include <stddef.h>

void mp_ring_prod_init(struct mp_ring_prod *p, void *own, const void *peer, uint32_t n_slots,
		       uint32_t slot_bytes)
{
	const struct mp_ring_page *peer_page = peer;

	*p = (struct mp_ring_prod){
		.slots = (uint8_t *)own + MP_RING_SLOT_OFFSET,
		.head = &peer_page->head,
		.mask = n_slots - 1,
		.slot_bytes = slot_bytes,
	};
}

int mp_ring_refresh_head(struct mp_ring_prod *p)
{
	/* R2: acquire, pairs with R1 in mp_ring_release(): the consumer is done
	 * with every slot below raw_head, so we may overwrite them. */
	uint32_t raw_head = atomic_load_explicit(p->head, memory_order_acquire);

	if (p->broken || raw_head - p->head_seen > p->tail - p->head_seen) {
		p->broken = true;
		p->head_seen = p->tail - p->mask - 1;
		return mp_err_origin(-EPROTO);
	}
	p->head_seen = raw_head;
	return 0;
}

/* pthread_self() is never 0 and costs no system call. */
void mp_ring_own(uint64_t *owner)
{
	uint64_t self = (uint64_t)pthread_self();

	if (*owner == 0)
		*owner = self;
	mp_assert(*owner == self);
}
