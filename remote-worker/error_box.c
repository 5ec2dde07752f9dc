/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * An error fits into 64 bits, so a slot is its own message: it needs no index
 * that is published after it, and no ordering. Slots are filled and emptied in
 * the same order round the box, so the errors come out as they went in.
 *
 *	63      the slot is full
 *	48..55  target     40..47  unit
 *	36..39  operation  32..35  action
 *	 0..31  errno, positive
 */
#include "remote-worker/error_box.h"

#define FULL (1ull << 63)

static uint64_t pack(const struct mp_scsi_io_error *e)
{
	return FULL | (uint64_t)e->target << 48 | (uint64_t)e->lun << 40 | (uint64_t)e->op << 36 |
	       (uint64_t)e->action << 32 | (uint32_t)-e->error;
}

static struct mp_scsi_io_error unpack(uint64_t packed)
{
	return (struct mp_scsi_io_error){
		.target = packed >> 48 & 0xff,
		.lun = packed >> 40 & 0xff,
		.op = (enum mp_blk_op)(packed >> 36 & 0xf),
		.action = (enum mp_scsi_on_error)(packed >> 32 & 0xf),
		.error = -(int)(uint32_t)packed,
	};
}

bool mp_error_box_put(struct mp_error_box *b, const struct mp_scsi_io_error *e)
{
	_Atomic uint64_t *slot = &b->slot[b->next_put];

	/* relaxed: all that there is to see is in the word itself. */
	if (atomic_load_explicit(slot, memory_order_relaxed)) {
		mp_count_add(&b->n_dropped, 1);
		return false;
	}
	atomic_store_explicit(slot, pack(e), memory_order_relaxed);
	b->next_put = (b->next_put + 1) % MP_ERROR_BOX_SLOTS;
	return true;
}

bool mp_error_box_take(struct mp_error_box *b, struct mp_scsi_io_error *ret_error)
{
	/* relaxed: see mp_error_box_put(). */
	uint64_t packed = atomic_exchange_explicit(&b->slot[b->next_take], 0, memory_order_relaxed);

	if (!packed)
		return false;
	b->next_take = (b->next_take + 1) % MP_ERROR_BOX_SLOTS;
	*ret_error = unpack(packed);
	return true;
}
