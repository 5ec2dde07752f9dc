/* SPDX-License-Identifier: BSD-3-Clause */
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
