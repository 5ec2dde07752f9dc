/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Slots, there and back: whatever put may write, check gives back unchanged;
 * whatever else a slot holds, check refuses or gives back within the limits,
 * by the second, stupid opinion of in_limits().
 */
#include <errno.h>

#include "tests/lib/t.h"
#include "wire/msg.h"

#define N_WALKS 500000

static uint64_t seed;
static struct mp_wire_slot slot;

static const struct mp_wire_limits limits = {
	.bar_bytes = {256, 1024, 8192, 0, 16, MP_WIRE_BAR_MAX},
};

static void test_requests_survive_the_slot(void)
{
	static const unsigned int bars[] = {0, 1, 2, 4, 5};
	struct mp_wire_req in, out;

	for (unsigned int i = 0; i < N_WALKS; i++) {
		in.op = MP_REQ_BAR_WRITE + t_rand(&seed) % 3;
		in.bar = bars[t_rand(&seed) % 5];
		in.size = 1u << t_rand(&seed) % 4;
		in.off = (uint32_t)(t_rand(&seed) % (limits.bar_bytes[in.bar] - in.size + 1));
		in.data = t_rand(&seed);

		mp_wire_put_req(&slot, &in);
		T_EQ(mp_wire_check_req(&slot, &limits, &out), 0);
		T_EQ(out.op, in.op);
		T_EQ(out.bar, in.bar);
		T_EQ(out.off, in.off);
		T_EQ(out.size, in.size);
		for (unsigned int b = 0; b < 8; b++)
			T_EQ(out.data >> 8 * b & 0xff, b < in.size ? in.data >> 8 * b & 0xff : 0);
	}
}

static bool in_limits(uint32_t head)
{
	uint32_t op = head / (1u << 28), size = 1u << head / (1u << 26) % 4;
	uint32_t bar = head / (1u << 23) % 8, off = head % (1u << 23);

	if (op == MP_REQ_RESET || op == MP_REQ_PAUSE || op == MP_REQ_CONTINUE)
		return true;
	if (op == MP_REQ_CFG_WRITE)
		return bar == 0 && off + size <= 256;
	if (op < MP_REQ_BAR_WRITE || op > MP_REQ_BAR_WRITE_WAIT || bar > 5)
		return false;
	return limits.bar_bytes[bar] >= size && off <= limits.bar_bytes[bar] - size;
}

static void test_garbage_is_refused_or_within_limits(void)
{
	struct mp_wire_req req;

	for (unsigned int i = 0; i < N_WALKS; i++) {
		slot.head = (uint32_t)t_rand(&seed);
		/* Small offsets, or nearly all would be out of the small BARs. */
		if (i % 2)
			slot.head &= ~0x007ffe00u;
		slot.data = t_rand(&seed);
		T_EQ(mp_wire_check_req(&slot, &limits, &req), in_limits(slot.head) ? 0 : -EPROTO);
	}
}

static void test_replies_survive_the_slot(void)
{
	struct mp_wire_rep rep;

	for (unsigned int i = 0; i < N_WALKS; i++) {
		uint32_t arg = (uint32_t)t_rand(&seed);
		uint64_t data = t_rand(&seed);

		mp_wire_put_rep(&slot, MP_REP_DONE, arg, data);
		T_EQ(mp_wire_check_rep(&slot, &rep), 0);
		T_EQ(rep.arg, arg % (1u << 28));
		T_EQ(rep.data, data);
	}
}

int main(int argc, char **argv)
{
	static const struct t_test tests[] = {
		T_TEST(test_requests_survive_the_slot),
		T_TEST(test_garbage_is_refused_or_within_limits),
		T_TEST(test_replies_survive_the_slot),
	};

	seed = t_seed(argc, argv);
	return t_run(tests, 3, argc, argv);
}
