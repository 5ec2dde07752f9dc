/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Any 16 bytes are a slot that a peer may write. Whatever passes a check must
 * lie within the limits; what fails must leave the output alone.
 */
#include <errno.h>
#include <string.h>

#include "base/err.h"
#include "wire/msg.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const struct mp_wire_limits limits = {
	.bar_bytes = {256, 1024, 8192, 0, 16, MP_WIRE_BAR_MAX},
};

static void try_request(const struct mp_wire_slot *slot)
{
	struct mp_wire_req req = {.off = 0xdeadbeef};
	uint32_t end;
	int r = mp_wire_check_req(slot, &limits, &req);

	mp_assert(r == 0 || r == -EPROTO);
	if (r < 0) {
		mp_assert(req.off == 0xdeadbeef);
		return;
	}
	end = req.op >= MP_REQ_RESET       ? 1
	      : req.op == MP_REQ_CFG_WRITE ? MP_WIRE_CFG_BYTES
					   : limits.bar_bytes[req.bar];
	mp_assert(req.size == 1 || req.size == 2 || req.size == 4 || req.size == 8);
	mp_assert(req.bar < MP_WIRE_MAX_BARS && req.off < end && end - req.off >= req.size);
	mp_assert(req.size == 8 || req.data >> 8 * req.size == 0);
}

static void try_reply(const struct mp_wire_slot *slot)
{
	struct mp_wire_rep rep = {.arg = 0xdeadbeef};
	int r = mp_wire_check_rep(slot, &rep);

	mp_assert(r == 0 || r == -EPROTO);
	if (r < 0) {
		mp_assert(rep.arg == 0xdeadbeef);
		return;
	}
	mp_assert(rep.op == MP_REP_DONE || rep.op == MP_REP_DMA);
	mp_assert(rep.arg < 1u << 28);
	if (rep.op == MP_REP_DMA)
		mp_assert(rep.arg > 0 && rep.data + rep.arg > rep.data);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct mp_wire_slot slot;

	for (; size >= sizeof(slot); data += sizeof(slot), size -= sizeof(slot)) {
		memcpy(&slot, data, sizeof(slot));
		try_request(&slot);
		try_reply(&slot);
	}
	return 0;
}
