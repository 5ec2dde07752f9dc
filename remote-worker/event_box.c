/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * An event fits into 64 bits, so a slot is its own message: it needs no index
 * that is published after it, and no ordering. Slots are filled and emptied in
 * the same order round the box, so the events come out as they went in.
 *
 *	63      the slot is full
 *	62      it is a tray: bit 0 says that it is open now; else an error:
 *	48..55  target     40..47  unit
 *	36..39  operation  32..35  action
 *	 0..31  errno, positive
 */
#include "remote-worker/event_box.h"

#define FULL (1ull << 63)
#define TRAY (1ull << 62)

static uint64_t place(unsigned int target, unsigned int lun)
{
	return (uint64_t)target << 48 | (uint64_t)lun << 40;
}

static uint64_t pack(const struct mp_event *e)
{
	const struct mp_scsi_io_error *error = &e->error;

	if (e->kind == MP_EVENT_TRAY)
		return FULL | TRAY | place(e->tray.target, e->tray.lun) | e->tray.open;
	return FULL | place(error->target, error->lun) | (uint64_t)error->op << 36 |
	       (uint64_t)error->action << 32 | (uint32_t)-error->error;
}

static struct mp_event unpack(uint64_t packed)
{
	uint8_t target = packed >> 48 & 0xff, lun = packed >> 40 & 0xff;

	if (packed & TRAY)
		return (struct mp_event){
			.kind = MP_EVENT_TRAY,
			.tray = {.target = target, .lun = lun, .open = packed & 1}};
	return (struct mp_event){.kind = MP_EVENT_IO_ERROR,
				 .error = {.target = target,
					   .lun = lun,
					   .op = (enum mp_blk_op)(packed >> 36 & 0xf),
					   .action = (enum mp_scsi_on_error)(packed >> 32 & 0xf),
					   .error = -(int)(uint32_t)packed}};
}

bool mp_event_box_put(struct mp_event_box *b, const struct mp_event *e)
{
	_Atomic uint64_t *slot = &b->slot[b->next_put];

	/* relaxed: all that there is to see is in the word itself. */
	if (atomic_load_explicit(slot, memory_order_relaxed)) {
		mp_count_add(&b->n_dropped, 1);
		return false;
	}
	atomic_store_explicit(slot, pack(e), memory_order_relaxed);
	b->next_put = (b->next_put + 1) % MP_EVENT_BOX_SLOTS;
	return true;
}

bool mp_event_box_take(struct mp_event_box *b, struct mp_event *ret_event)
{
	/* relaxed: see mp_event_box_put(). */
	uint64_t packed = atomic_exchange_explicit(&b->slot[b->next_take], 0, memory_order_relaxed);

	if (!packed)
		return false;
	b->next_take = (b->next_take + 1) % MP_EVENT_BOX_SLOTS;
	*ret_event = unpack(packed);
	return true;
}
