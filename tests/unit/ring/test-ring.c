/* SPDX-License-Identifier: BSD-3-Clause */
#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/lib/ring_pair.h"
#include "tests/lib/t.h"

#define N 8u

static struct ring_pair rp;

static void fresh(void)
{
	ring_pair_fini(&rp);
	ring_pair_init(&rp, N, 16);
}

static void fill(unsigned int n)
{
	for (unsigned int i = 0; i < n; i++)
		T_EQ(ring_pair_put(&rp, i), 1);
}

static void drain(unsigned int n)
{
	uint32_t v;

	for (unsigned int i = 0; i < n; i++)
		T_EQ(ring_pair_get(&rp, &v), 1);
	mp_ring_release(&rp.c);
}

static void test_fresh_ring_is_empty(void)
{
	const void *slot;

	fresh();
	T_EQ(mp_ring_peek(&rp.c, &slot), 0);
}

static void test_message_arrives_as_it_was_posted(void)
{
	uint32_t v = 0;

	fresh();
	T_EQ(ring_pair_put(&rp, 0xdecade), 1);
	T_EQ(ring_pair_get(&rp, &v), 1);
	T_EQ(v, 0xdecade);
}

static void test_reserved_slot_is_invisible_until_commit(void)
{
	const void *seen;
	void *slot;

	fresh();
	T_EQ(mp_ring_reserve(&rp.p, &slot), 1);
	T_EQ(mp_ring_peek(&rp.c, &seen), 0);
	mp_ring_commit(&rp.p);
	T_EQ(mp_ring_peek(&rp.c, &seen), 1);
}

static void test_reserve_again_without_commit_lends_the_same_slot(void)
{
	void *a, *b;

	fresh();
	T_EQ(mp_ring_reserve(&rp.p, &a), 1);
	T_EQ(mp_ring_reserve(&rp.p, &b), 1);
	T_OK(a == b);
}

static void test_peek_again_without_next_lends_the_same_slot(void)
{
	const void *a, *b;

	fresh();
	fill(2);
	T_EQ(mp_ring_peek(&rp.c, &a), 1);
	T_EQ(mp_ring_peek(&rp.c, &b), 1);
	T_OK(a == b);
}

static void test_ring_takes_exactly_n_slots(void)
{
	fresh();
	fill(N);
	T_EQ(ring_pair_put(&rp, 0), 0);
}

static void test_reserve_when_full_leaves_the_output_alone(void)
{
	void *slot = &rp;

	fresh();
	fill(N);
	T_EQ(mp_ring_reserve(&rp.p, &slot), 0);
	T_OK(slot == &rp);
}

static void test_passed_slots_are_no_credit_before_release(void)
{
	uint32_t v;

	fresh();
	fill(N);
	T_EQ(ring_pair_get(&rp, &v), 1);
	T_EQ(ring_pair_put(&rp, 0), 0);
	mp_ring_release(&rp.c);
	T_EQ(ring_pair_put(&rp, 0), 1);
	T_EQ(ring_pair_put(&rp, 0), 0);
}

static void test_drained_only_after_release_of_everything(void)
{
	fresh();
	T_EQ(mp_ring_drained(&rp.p), 1);
	fill(3);
	T_EQ(mp_ring_drained(&rp.p), 0);
	drain(2);
	T_EQ(mp_ring_drained(&rp.p), 0);
	drain(1);
	T_EQ(mp_ring_drained(&rp.p), 1);
}

static void test_counters_wrap_at_32_bits(void)
{
	uint32_t v = 0;

	fresh();
	/* Slot numbers 0xfffffffe, 0xffffffff, 0, 1, 2: all five arrive in order. */
	ring_pair_start_at(&rp, UINT32_MAX - 2);
	fill(5);
	for (uint32_t i = 0; i < 5; i++) {
		T_EQ(ring_pair_get(&rp, &v), 1);
		T_EQ(v, i);
	}
	T_EQ(ring_pair_get(&rp, &v), 0);
	mp_ring_release(&rp.c);
	T_EQ(mp_ring_drained(&rp.p), 1);
}

static void test_full_across_the_32_bit_wrap(void)
{
	fresh();
	ring_pair_start_at(&rp, UINT32_MAX - 3);
	fill(N);
	T_EQ(ring_pair_put(&rp, 0), 0);
	drain(N);
	fill(N);
	T_EQ(ring_pair_put(&rp, 0), 0);
}

static void test_slot_of_the_last_round_is_not_a_message(void)
{
	uint32_t v;

	fresh();
	fill(N);
	drain(N);
	T_EQ(ring_pair_get(&rp, &v), 0);
}

static void test_any_wrong_sequence_number_is_no_message(void)
{
	uint32_t v;

	fresh();
	atomic_store_explicit(ring_pair_seq(&rp, 0), 2, memory_order_relaxed);
	T_EQ(ring_pair_get(&rp, &v), 0);
	atomic_store_explicit(ring_pair_seq(&rp, 0), UINT32_MAX, memory_order_relaxed);
	T_EQ(ring_pair_get(&rp, &v), 0);
}

static void test_head_beyond_tail_breaks_the_ring(void)
{
	fresh();
	fill(N);
	atomic_store_explicit(ring_pair_head(&rp), N + 1, memory_order_relaxed);
	T_EQ(ring_pair_put(&rp, 0), -EPROTO);
	T_OK(rp.p.broken);
}

static void test_head_that_goes_back_breaks_the_ring(void)
{
	fresh();
	fill(N);
	drain(4);
	T_EQ(ring_pair_put(&rp, 0), 1);
	atomic_store_explicit(ring_pair_head(&rp), 3, memory_order_relaxed);
	T_EQ(mp_ring_drained(&rp.p), -EPROTO);
}

static void test_broken_ring_stays_broken(void)
{
	fresh();
	fill(1);
	atomic_store_explicit(ring_pair_head(&rp), 77, memory_order_relaxed);
	T_EQ(mp_ring_drained(&rp.p), -EPROTO);
	/* The peer mends its ways, and there would be room: too late. */
	atomic_store_explicit(ring_pair_head(&rp), 1, memory_order_relaxed);
	T_EQ(ring_pair_put(&rp, 0), -EPROTO);
	T_EQ(mp_ring_drained(&rp.p), -EPROTO);
}

static void test_ring_that_breaks_between_reserve_and_commit_stays_broken(void)
{
	void *slot;

	fresh();
	fill(1);
	T_EQ(mp_ring_reserve(&rp.p, &slot), 1);
	atomic_store_explicit(ring_pair_head(&rp), 77, memory_order_relaxed);
	T_EQ(mp_ring_drained(&rp.p), -EPROTO);
	mp_ring_commit(&rp.p);
	T_EQ(ring_pair_put(&rp, 0), -EPROTO);
}

static void test_head_is_looked_at_only_when_the_ring_seems_full(void)
{
	fresh();
	/* A lie that is not looked at is no lie: the fast path has no load. */
	atomic_store_explicit(ring_pair_head(&rp), 77, memory_order_relaxed);
	fill(N);
	T_EQ(ring_pair_put(&rp, 0), -EPROTO);
}

static void *post_one(void *opaque)
{
	(void)!freopen("/dev/null", "w", stderr);
	(void)ring_pair_put(opaque, 1);
	return NULL;
}

/* Posts from a second thread in a child; whether the child died of it. */
static bool second_thread_aborts(void)
{
	pid_t pid = fork();
	pthread_t t;
	int status = 0;

	if (pid == 0) {
		if (pthread_create(&t, NULL, post_one, &rp) == 0)
			pthread_join(t, NULL);
		_exit(0);
	}
	waitpid(pid, &status, 0);
	return WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT;
}

static void test_second_thread_on_a_handle_is_caught_in_debug_builds(void)
{
#ifdef NDEBUG
	T_OK(!second_thread_aborts());
	t_skip("NDEBUG build: handles don't remember their thread");
#endif
	fresh();
	fill(1);
	T_OK(second_thread_aborts());
}

static void test_rebind_hands_the_handle_over(void)
{
	fresh();
	fill(1);
	mp_ring_prod_rebind(&rp.p);
	mp_ring_cons_rebind(&rp.c);
	T_OK(!second_thread_aborts());
}

T_MAIN(T_TEST(test_fresh_ring_is_empty), T_TEST(test_message_arrives_as_it_was_posted),
       T_TEST(test_reserved_slot_is_invisible_until_commit),
       T_TEST(test_reserve_again_without_commit_lends_the_same_slot),
       T_TEST(test_peek_again_without_next_lends_the_same_slot),
       T_TEST(test_ring_takes_exactly_n_slots),
       T_TEST(test_reserve_when_full_leaves_the_output_alone),
       T_TEST(test_passed_slots_are_no_credit_before_release),
       T_TEST(test_drained_only_after_release_of_everything), T_TEST(test_counters_wrap_at_32_bits),
       T_TEST(test_full_across_the_32_bit_wrap),
       T_TEST(test_slot_of_the_last_round_is_not_a_message),
       T_TEST(test_any_wrong_sequence_number_is_no_message),
       T_TEST(test_head_beyond_tail_breaks_the_ring),
       T_TEST(test_head_that_goes_back_breaks_the_ring), T_TEST(test_broken_ring_stays_broken),
       T_TEST(test_ring_that_breaks_between_reserve_and_commit_stays_broken),
       T_TEST(test_head_is_looked_at_only_when_the_ring_seems_full),
       T_TEST(test_second_thread_on_a_handle_is_caught_in_debug_builds),
       T_TEST(test_rebind_hands_the_handle_over))
