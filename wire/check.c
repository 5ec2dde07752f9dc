/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * From a slot to a message: the only way in. The slot lies in the peer's
 * memory and may change at any moment, so each of its two words is loaded
 * exactly once, by an atomic load, which the compiler can't repeat; what is
 * checked is what is used. After a check no field can lead out of a BAR, out
 * of config space, or past the end of the address space.
 *
 * No order is needed between the two loads: R4 in mp_ring_peek() has put both
 * behind the sequence number, and a peer that changes them later only lies
 * about its own message.
 */
#include "wire/msg.h"

#include <errno.h>

#include "base/err.h"

#define DMA_LEN_MAX 0x0fffffffu

struct raw_msg {
	uint32_t head;
	uint64_t data;
};

static inline struct raw_msg load_once(const void *slot)
{
	const uint8_t *p = slot;
	const _Atomic uint32_t *head =
		(const _Atomic uint32_t *)(const void *)(p + offsetof(struct mp_wire_slot, head));
	const _Atomic uint64_t *data =
		(const _Atomic uint64_t *)(const void *)(p + offsetof(struct mp_wire_slot, data));

	/* relaxed: R4 orders both, see above. */
	return (struct raw_msg){
		.head = atomic_load_explicit(head, memory_order_relaxed),
		.data = atomic_load_explicit(data, memory_order_relaxed),
	};
}

/* How many bytes the message's target has; 0: there is none. */
static inline uint32_t target_bytes(const struct mp_wire_req *req,
				    const struct mp_wire_limits *limits)
{
	switch (req->op) {
	case MP_REQ_BAR_WRITE:
	case MP_REQ_BAR_READ:
	case MP_REQ_BAR_WRITE_WAIT:
		return req->bar < MP_WIRE_MAX_BARS ? limits->bar_bytes[req->bar] : 0;
	case MP_REQ_CFG_WRITE:
		return req->bar == 0 ? MP_WIRE_CFG_BYTES : 0;
	default:
		return 0;
	}
}

static inline bool has_no_operands(enum mp_wire_op op)
{
	return op == MP_REQ_RESET || op == MP_REQ_PAUSE || op == MP_REQ_CONTINUE;
}

int mp_wire_check_req(const void *slot, const struct mp_wire_limits *limits,
		      struct mp_wire_req *ret_req)
{
	struct raw_msg raw = load_once(slot);
	unsigned int size_log2 = raw.head >> 26 & 3;
	struct mp_wire_req req = {
		.op = raw.head >> 28,
		.bar = raw.head >> 23 & 7,
		.size = 1u << size_log2,
		.off = raw.head & (MP_WIRE_BAR_MAX - 1),
		.data = raw.data & UINT64_MAX >> (64 - (8u << size_log2)),
	};

	if (has_no_operands(req.op)) {
		/* What the slot says there is not passed on. */
		*ret_req = (struct mp_wire_req){.op = req.op, .size = 1};
		return 0;
	}
	/* off < 2^23, size <= 8: the sum can't overflow. */
	if (mp_unlikely(req.off + req.size > target_bytes(&req, limits)))
		return mp_err_origin(-EPROTO);

	*ret_req = req;
	return 0;
}

int mp_wire_check_rep(const void *slot, struct mp_wire_rep *ret_rep)
{
	struct raw_msg raw = load_once(slot);
	struct mp_wire_rep rep = {
		.op = raw.head >> 28,
		.arg = raw.head & DMA_LEN_MAX,
		.data = raw.data,
	};

	if (rep.op != MP_REP_DONE && rep.op != MP_REP_DMA)
		return mp_err_origin(-EPROTO);
	if (rep.op == MP_REP_DMA && (rep.arg == 0 || rep.data > UINT64_MAX - rep.arg))
		return mp_err_origin(-EPROTO);

	*ret_rep = rep;
	return 0;
}
