/* SPDX-License-Identifier: BSD-3-Clause */
#include <errno.h>

#include "base/clock.h"
#include "doorbell/idle.h"
#include "tests/lib/t.h"

#define HZ 1000000000ull

static struct mp_idle idle;

/* Idle turns until the ladder says @step, at most 1000. */
static unsigned int turns_until(enum mp_idle_step step)
{
	unsigned int n = 1;

	while (mp_idle_turn(&idle, 0) != step && n < 1000)
		n++;
	return n;
}

static void test_work_always_spins(void)
{
	mp_idle_init(&idle, MP_IDLE_SLEEP, 0, HZ);
	T_EQ(mp_idle_turn(&idle, 1), MP_IDLE_SPIN);
	mp_idle_init(&idle, MP_IDLE_ADAPTIVE, 0, HZ);
	T_EQ(mp_idle_turn(&idle, 1), MP_IDLE_SPIN);
}

static void test_sleep_mode_blocks_at_the_first_idle_turn(void)
{
	mp_idle_init(&idle, MP_IDLE_SLEEP, 1000000, HZ);
	T_EQ(mp_idle_turn(&idle, 0), MP_IDLE_BLOCK);
}

static void test_busy_mode_never_blocks(void)
{
	mp_idle_init(&idle, MP_IDLE_BUSY, 0, HZ);
	T_EQ(turns_until(MP_IDLE_BLOCK), 1000);
	T_EQ(mp_idle_turn(&idle, 0), MP_IDLE_PAUSE);
}

static void test_adaptive_mode_spins_then_pauses(void)
{
	/* A budget that doesn't end in a test: 100 years. */
	mp_idle_init(&idle, MP_IDLE_ADAPTIVE, 100ull * 365 * 86400 * HZ, HZ);
	T_EQ(mp_idle_turn(&idle, 0), MP_IDLE_SPIN);
	T_OK(turns_until(MP_IDLE_PAUSE) < 100);
	T_EQ(turns_until(MP_IDLE_BLOCK), 1000);
}

static void test_adaptive_mode_yields_after_some_microseconds(void)
{
	uint64_t start_ns = mp_clock_ns();

	mp_idle_init(&idle, MP_IDLE_ADAPTIVE, 100ull * 365 * 86400 * HZ, mp_clock_tsc_hz());
	while (mp_idle_turn(&idle, 0) != MP_IDLE_YIELD)
		mp_pause();
	T_OK(mp_clock_ns() - start_ns >= 4500);
	mp_idle_turn(&idle, 1);
	T_EQ(mp_idle_turn(&idle, 0), MP_IDLE_SPIN);
}

static void test_adaptive_mode_hands_its_core_over_at_once(void)
{
	mp_idle_init(&idle, MP_IDLE_ADAPTIVE, 100ull * 365 * 86400 * HZ, HZ);
	idle.hands_over = true;
	T_EQ(mp_idle_turn(&idle, 1), MP_IDLE_SPIN);
	T_EQ(mp_idle_turn(&idle, 0), MP_IDLE_YIELD);
	idle.hands_over = false;
	T_EQ(mp_idle_turn(&idle, 0), MP_IDLE_SPIN);
}

static void test_busy_mode_never_yields(void)
{
	mp_idle_init(&idle, MP_IDLE_BUSY, 0, HZ);
	idle.yield_tsc = 0;
	idle.hands_over = true;
	T_EQ(turns_until(MP_IDLE_YIELD), 1000);
}

static void test_adaptive_mode_blocks_when_the_budget_is_spent(void)
{
	uint64_t start_ns = mp_clock_ns();

	mp_idle_init(&idle, MP_IDLE_ADAPTIVE, 2000000, mp_clock_tsc_hz());
	while (mp_idle_turn(&idle, 0) != MP_IDLE_BLOCK)
		mp_pause();
	/* Not before its time; the TSC's rate is measured, hence the margin. */
	T_OK(mp_clock_ns() - start_ns >= 1800000);
}

static void test_adaptive_mode_without_budget_blocks_at_once(void)
{
	mp_idle_init(&idle, MP_IDLE_ADAPTIVE, 0, HZ);
	T_EQ(mp_idle_turn(&idle, 0), MP_IDLE_BLOCK);
}

static void test_work_starts_the_ladder_again(void)
{
	mp_idle_init(&idle, MP_IDLE_BUSY, 0, HZ);
	turns_until(MP_IDLE_PAUSE);
	mp_idle_turn(&idle, 1);
	T_EQ(mp_idle_turn(&idle, 0), MP_IDLE_SPIN);
}

static void test_waking_starts_the_ladder_again(void)
{
	mp_idle_init(&idle, MP_IDLE_BUSY, 0, HZ);
	turns_until(MP_IDLE_PAUSE);
	mp_idle_woke(&idle);
	T_EQ(mp_idle_turn(&idle, 0), MP_IDLE_SPIN);
}

static void test_budget_beyond_64_bits_of_ticks_is_for_ever(void)
{
	mp_idle_init(&idle, MP_IDLE_ADAPTIVE, UINT64_MAX, 4 * HZ);
	T_OK(idle.spin_tsc == UINT64_MAX);
}

static void test_modes_parse_by_name(void)
{
	enum mp_idle_mode mode = MP_IDLE_BUSY;

	T_EQ(mp_idle_mode_parse("adaptive", &mode), 0);
	T_EQ(mode, MP_IDLE_ADAPTIVE);
	T_EQ(mp_idle_mode_parse("sleep", &mode), 0);
	T_EQ(mode, MP_IDLE_SLEEP);
	T_EQ(mp_idle_mode_parse("busy", &mode), 0);
	T_EQ(mode, MP_IDLE_BUSY);
}

static void test_unknown_mode_is_refused(void)
{
	enum mp_idle_mode mode = MP_IDLE_SLEEP;

	T_EQ(mp_idle_mode_parse("Busy", &mode), -EINVAL);
	T_EQ(mp_idle_mode_parse("", &mode), -EINVAL);
	T_EQ(mode, MP_IDLE_SLEEP);
}

T_MAIN(T_TEST(test_work_always_spins), T_TEST(test_sleep_mode_blocks_at_the_first_idle_turn),
       T_TEST(test_busy_mode_never_blocks), T_TEST(test_adaptive_mode_spins_then_pauses),
       T_TEST(test_adaptive_mode_yields_after_some_microseconds),
       T_TEST(test_adaptive_mode_hands_its_core_over_at_once), T_TEST(test_busy_mode_never_yields),
       T_TEST(test_adaptive_mode_blocks_when_the_budget_is_spent),
       T_TEST(test_adaptive_mode_without_budget_blocks_at_once),
       T_TEST(test_work_starts_the_ladder_again), T_TEST(test_waking_starts_the_ladder_again),
       T_TEST(test_budget_beyond_64_bits_of_ticks_is_for_ever), T_TEST(test_modes_parse_by_name),
       T_TEST(test_unknown_mode_is_refused))
