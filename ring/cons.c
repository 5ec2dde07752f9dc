/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The consumer has no slow path: a slot's own number says whether it is there, so
 * nothing of the peer's but the slot is ever loaded. What peek and release do
 * stands in ring.h, inline; here is only how a consumer starts: at position 0, and
 * in fresh memory every slot is numbered 0, while the first messages are 1, 2, 3.
 */
#include "ring/ring.h"

#include <stddef.h>

void mp_ring_cons_init(struct mp_ring_cons *c, void *own, const void *peer, uint32_t n_slots,
		       uint32_t slot_bytes)
{
	struct mp_ring_page *own_page = own;

	*c = (struct mp_ring_cons){
		.slots = (const uint8_t *)peer + MP_RING_SLOT_OFFSET,
		.head = &own_page->head,
		.mask = n_slots - 1,
		.slot_bytes = slot_bytes,
	};
}
