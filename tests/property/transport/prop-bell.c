/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * B1 and B2 on the real machine, as the store-buffering litmus test that they
 * are made for: two threads meet, then at once
 *
 *	ringer: publish i, mp_bell_kick()	sleeper: mp_bell_arm(), look for i
 *
 * "Not rung and not seen" is a sleeper that sleeps for ever. Without either
 * fence an x86 shows it within some thousand rounds. Needs two cores to mean
 * anything; with one it passes idly. Time-boxed, as rounds are slow when the
 * cores are busy with other things.
 */
#include <pthread.h>
#include <sched.h>

#include "base/clock.h"
#include "doorbell/bell.h"
#include "tests/lib/t.h"

#define N_ROUNDS 400000u
#define TIME_NS  (8 * MP_NS_PER_SEC)

/* Each word has one writer and a cache line of its own. */
struct word {
	_Alignas(128) _Atomic uint32_t v;
};

static struct word message, armed, round_of[2], stop;
static uint8_t rung[N_ROUNDS + 1], seen[N_ROUNDS + 1];
static uint64_t seeds[2];

/* Both threads leave together, up to a few random pauses. */
static void meet(unsigned int me, uint32_t round)
{
	uint64_t delay = t_rand(&seeds[me]) % 64;
	unsigned int spins = 0;

	atomic_store_explicit(&round_of[me].v, round, memory_order_release);
	while (atomic_load_explicit(&round_of[!me].v, memory_order_acquire) < round)
		if (++spins % 4096 == 0)
			sched_yield();
	for (uint64_t i = 0; i < delay; i++)
		(void)atomic_load_explicit(&round_of[me].v, memory_order_relaxed);
}

static void *ringer(void *opaque)
{
	uint64_t end_ns = mp_clock_ns() + TIME_NS;
	struct mp_bell_ringer b;
	uint32_t i;

	/* No eventfd: what counts is whether it would be written. */
	mp_bell_ringer_init(&b, &armed.v, -1);
	for (i = 1; i <= N_ROUNDS; i++) {
		if (i == N_ROUNDS || (i % 1024 == 0 && mp_clock_ns() > end_ns))
			atomic_store_explicit(&stop.v, i, memory_order_relaxed);
		meet(0, 2 * i);
		atomic_store_explicit(&message.v, i, memory_order_release);
		rung[i] = mp_bell_kick(&b);
		meet(0, 2 * i + 1);
		if (atomic_load_explicit(&stop.v, memory_order_relaxed) == i)
			break;
	}
	return opaque;
}

static void *sleeper(void *opaque)
{
	struct mp_bell_sleeper b;
	uint32_t i;

	mp_bell_sleeper_init(&b, &armed.v);
	for (i = 1; i <= N_ROUNDS; i++) {
		meet(1, 2 * i);
		mp_bell_arm(&b);
		seen[i] = atomic_load_explicit(&message.v, memory_order_acquire) == i;
		meet(1, 2 * i + 1);
		mp_bell_disarm(&b);
		if (atomic_load_explicit(&stop.v, memory_order_relaxed) == i)
			break;
	}
	return opaque;
}

static void test_message_is_seen_or_rung_for(void)
{
	unsigned int n_rung = 0, n_seen = 0, n_both = 0, n_lost = 0;
	pthread_t t[2];
	uint32_t n;

	T_EQ(pthread_create(&t[0], NULL, ringer, NULL), 0);
	T_EQ(pthread_create(&t[1], NULL, sleeper, NULL), 0);
	pthread_join(t[0], NULL);
	pthread_join(t[1], NULL);
	n = atomic_load_explicit(&stop.v, memory_order_relaxed);
	for (uint32_t i = 1; i <= n; i++) {
		n_both += rung[i] && seen[i];
		n_rung += rung[i] && !seen[i];
		n_seen += !rung[i] && seen[i];
		n_lost += !rung[i] && !seen[i];
	}
	t_diag("%u rounds: rung %u, seen %u, both %u, lost %u", n, n_rung, n_seen, n_both, n_lost);
	T_EQ(n_lost, 0);
}

int main(int argc, char **argv)
{
	static const struct t_test tests[] = {T_TEST(test_message_is_seen_or_rung_for)};

	seeds[0] = t_seed(argc, argv);
	seeds[1] = ~seeds[0];
	return t_run(tests, 1, argc, argv);
}
