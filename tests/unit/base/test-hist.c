/* SPDX-License-Identifier: BSD-3-Clause */
#include "base/hist.h"

#include "base/clock.h"
#include "tests/lib/t.h"

static void test_a_bucket_holds_what_lies_between_two_powers_of_two(void)
{
	struct mp_hist h = {0};

	mp_hist_add(&h, 0);
	mp_hist_add(&h, 1);
	mp_hist_add(&h, 2);
	mp_hist_add(&h, 1023);
	mp_hist_add(&h, 1024);
	T_EQ(mp_hist_get(&h, 0), 2);
	T_EQ(mp_hist_get(&h, 1), 1);
	T_EQ(mp_hist_get(&h, 9), 1);
	T_EQ(mp_hist_get(&h, 10), 1);
	T_EQ(mp_hist_floor_ns(0), 0);
	T_EQ(mp_hist_floor_ns(10), 1024);
}

static void test_the_last_bucket_has_no_end(void)
{
	struct mp_hist h = {0};

	mp_hist_add(&h, mp_hist_floor_ns(MP_HIST_BUCKETS - 1) - 1);
	mp_hist_add(&h, mp_hist_floor_ns(MP_HIST_BUCKETS - 1));
	mp_hist_add(&h, UINT64_MAX);
	T_EQ(mp_hist_get(&h, MP_HIST_BUCKETS - 2), 1);
	T_EQ(mp_hist_get(&h, MP_HIST_BUCKETS - 1), 2);
}

static void test_ticks_become_nanoseconds_without_overflow(void)
{
	uint64_t mult = mp_clock_tsc_mult(2500000000ull);

	T_EQ(mp_clock_tsc_to_ns(2500, mult), 999); /* rounds down, in the ratio too */
	/* A hundred years of ticks, to a millionth. */
	T_OK(mp_clock_tsc_to_ns(3155760000ull * 2500000000ull, mult) / 1000000 >= 3155759996842ull);
	T_OK(mp_clock_tsc_to_ns(3155760000ull * 2500000000ull, mult) / 1000000 <= 3155760000000ull);
}

T_MAIN(T_TEST(test_a_bucket_holds_what_lies_between_two_powers_of_two),
       T_TEST(test_the_last_bucket_has_no_end),
       T_TEST(test_ticks_become_nanoseconds_without_overflow))
