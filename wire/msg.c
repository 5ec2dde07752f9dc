/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Filling a slot. The slot is ours until commit, so these are plain stores;
 * bytes 0..3 stay the ring's. Positions in the head word are in msg.h; the way
 * back is check.c, and tests/property walks both together.
 */
#include "wire/msg.h"

static const uint64_t data_mask[] = {0xff, 0xffff, 0xffffffff, UINT64_MAX};

void mp_wire_put_req(void *slot, const struct mp_wire_req *req)
{
	struct mp_wire_slot *s = slot;
	/* | 8: a RESET may say size 0. */
	unsigned int size_log2 = (unsigned int)__builtin_ctz(req->size | 8);

	assert(req->bar < MP_WIRE_MAX_BARS && req->off < MP_WIRE_BAR_MAX && req->size <= 8);
	s->head = (uint32_t)req->op << 28 | (uint32_t)size_log2 << 26 | req->bar << 23 | req->off;
	s->data = req->data & data_mask[size_log2];
}

void mp_wire_put_rep(void *slot, enum mp_wire_op op, uint32_t arg, uint64_t data)
{
	struct mp_wire_slot *s = slot;

	s->head = (uint32_t)op << 28 | (arg & 0x0fffffffu);
	s->data = data;
}
