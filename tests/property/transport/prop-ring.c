/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The ring against the plainest queue there is: three counts. A walk takes
 * random sizes and a start near the 32-bit wrap, then random batches of posts,
 * takes and releases, and compares after each step; every payload byte is a
 * function of the message's number.
 */
#include <errno.h>

#include "tests/lib/ring_pair.h"
#include "tests/lib/t.h"

#define N_WALKS 200
#define N_STEPS 400

/* The model: numbers of the next message posted, taken, and free again. */
struct model {
	uint64_t posted, taken, released;
};

static uint64_t seed;
static struct ring_pair rp;
static struct model m;

static uint8_t payload_byte(uint64_t number, uint32_t i)
{
	return (uint8_t)(number * 131 + i);
}

static void post_one(void)
{
	uint32_t n_slots = rp.p.mask + 1;
	bool room = m.posted - m.released < n_slots;
	void *slot = NULL;

	T_EQ(mp_ring_reserve(&rp.p, &slot), room);
	if (!room)
		return;
	T_EQ((uintptr_t)slot % rp.p.slot_bytes, 0);
	for (uint32_t i = 4; i < rp.p.slot_bytes; i++)
		((uint8_t *)slot)[i] = payload_byte(m.posted, i);
	/* A reservation may be left lying: the next one is the same slot. */
	if (t_rand(&seed) % 8 == 0)
		return;
	mp_ring_commit(&rp.p);
	m.posted++;
}

static void take_one(void)
{
	const void *slot = NULL;

	T_EQ(mp_ring_peek(&rp.c, &slot), m.taken < m.posted);
	if (m.taken == m.posted)
		return;
	for (uint32_t i = 4; i < rp.c.slot_bytes; i++)
		T_EQ(((const uint8_t *)slot)[i], payload_byte(m.taken, i));
	if (t_rand(&seed) % 8 == 0)
		return;
	mp_ring_next(&rp.c);
	m.taken++;
}

static void step(void)
{
	uint64_t batch = t_rand(&seed) % (2 * (rp.p.mask + 1));
	uint64_t what = t_rand(&seed) % 5;

	for (uint64_t i = 0; what < 2 && i < batch; i++)
		post_one();
	for (uint64_t i = 0; (what == 2 || what == 3) && i < batch; i++)
		take_one();
	if (what == 4) {
		mp_ring_release(&rp.c);
		m.released = m.taken;
	}
	T_EQ(mp_ring_drained(&rp.p), m.released == m.posted);
	T_EQ(rp.p.broken, false);
}

static void test_ring_is_a_queue(void)
{
	for (unsigned int walk = 0; walk < N_WALKS; walk++) {
		uint32_t n_slots = MP_RING_MIN_SLOTS << t_rand(&seed) % 4;
		uint32_t slot_bytes = MP_RING_MIN_SLOT_BYTES << t_rand(&seed) % 6;

		ring_pair_init(&rp, n_slots, slot_bytes);
		ring_pair_start_at(&rp, 0u - (uint32_t)(t_rand(&seed) % 1000));
		m = (struct model){0};
		for (unsigned int i = 0; i < N_STEPS; i++)
			step();
		ring_pair_fini(&rp);
	}
}

/* Any head outside what was seen .. sent breaks the ring, any other doesn't. */
static void test_only_heads_between_seen_and_sent_are_believed(void)
{
	for (unsigned int walk = 0; walk < 20000; walk++) {
		uint32_t pos = (uint32_t)t_rand(&seed), head;
		uint64_t n_posted = t_rand(&seed) % (MP_RING_MIN_SLOTS + 1);
		bool sound;

		ring_pair_init(&rp, MP_RING_MIN_SLOTS, 16);
		ring_pair_start_at(&rp, pos);
		for (uint64_t i = 0; i < n_posted; i++)
			T_EQ(ring_pair_put(&rp, 0), 1);
		head = pos + (uint32_t)(t_rand(&seed) % 32) - 16;
		/* In 64 bits there is no wrap to be clever about. */
		sound = (int32_t)(head - pos) >= 0 && (int32_t)(head - pos) <= (int64_t)n_posted;
		atomic_store_explicit(ring_pair_head(&rp), head, memory_order_relaxed);
		T_EQ(mp_ring_refresh_head(&rp.p), sound ? 0 : -EPROTO);
		ring_pair_fini(&rp);
	}
}

int main(int argc, char **argv)
{
	static const struct t_test tests[] = {
		T_TEST(test_ring_is_a_queue),
		T_TEST(test_only_heads_between_seen_and_sent_are_believed),
	};

	seed = t_seed(argc, argv);
	return t_run(tests, 2, argc, argv);
}
