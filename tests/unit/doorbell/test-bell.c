/* SPDX-License-Identifier: BSD-3-Clause */
#include <fcntl.h>
#include <poll.h>

#include "base/cleanup.h"
#include "doorbell/bell.h"
#include "tests/lib/t.h"

static _Atomic uint32_t armed;
static struct mp_bell_ringer ringer;
static struct mp_bell_sleeper sleeper;
static int fd = -1;

static void fresh(void)
{
	mp_fd_close(&fd);
	fd = mp_bell_fd_create();
	T_OK(fd >= 0);
	mp_bell_ringer_init(&ringer, &armed, fd);
	mp_bell_sleeper_init(&sleeper, &armed);
}

static bool readable(void)
{
	struct pollfd pfd = {.fd = fd, .events = POLLIN};

	return poll(&pfd, 1, 0) == 1;
}

static void test_fd_is_nonblocking_and_close_on_exec(void)
{
	fresh();
	T_OK(fcntl(fd, F_GETFL) & O_NONBLOCK);
	T_OK(fcntl(fd, F_GETFD) & FD_CLOEXEC);
}

static void test_kick_of_an_awake_sleeper_makes_no_system_call(void)
{
	fresh();
	T_EQ(mp_bell_kick(&ringer), false);
	T_EQ(ringer.n_rings, 0);
	T_OK(!readable());
}

static void test_kick_of_an_armed_sleeper_rings_once(void)
{
	fresh();
	mp_bell_arm(&sleeper);
	T_EQ(mp_bell_kick(&ringer), true);
	T_EQ(mp_bell_kick(&ringer), false);
	T_EQ(ringer.n_rings, 1);
	T_OK(readable());
}

static void test_kick_after_disarm_is_silent(void)
{
	fresh();
	mp_bell_arm(&sleeper);
	mp_bell_disarm(&sleeper);
	T_EQ(mp_bell_kick(&ringer), false);
}

static void test_next_sleep_is_rung_again(void)
{
	fresh();
	mp_bell_arm(&sleeper);
	T_EQ(mp_bell_kick(&ringer), true);
	mp_bell_disarm(&sleeper);
	mp_bell_arm(&sleeper);
	T_EQ(mp_bell_kick(&ringer), true);
}

/* A sleeper that drains and sleeps on must be woken by the next message. */
static void test_arm_twice_without_disarm_is_rung_twice(void)
{
	fresh();
	mp_bell_arm(&sleeper);
	T_EQ(mp_bell_kick(&ringer), true);
	T_OK(mp_bell_drain(fd));
	mp_bell_arm(&sleeper);
	T_EQ(mp_bell_kick(&ringer), true);
	T_OK(readable());
}

static void test_disarm_of_an_unarmed_bell_does_nothing(void)
{
	fresh();
	mp_bell_disarm(&sleeper);
	T_EQ(atomic_load_explicit(&armed, memory_order_relaxed), 0);
}

static void test_count_wraps(void)
{
	fresh();
	sleeper.count = UINT32_MAX - 1;
	mp_bell_arm(&sleeper);
	T_EQ(mp_bell_kick(&ringer), true);
	mp_bell_disarm(&sleeper);
	T_EQ(atomic_load_explicit(&armed, memory_order_relaxed), 0);
	mp_bell_arm(&sleeper);
	T_EQ(mp_bell_kick(&ringer), true);
}

static void test_full_eventfd_counts_as_rung(void)
{
	uint64_t most = UINT64_MAX - 1;

	fresh();
	T_EQ(write(fd, &most, sizeof(most)), sizeof(most));
	mp_bell_arm(&sleeper);
	/* Returns, though a write of one more would block. */
	T_EQ(mp_bell_kick(&ringer), true);
	T_EQ(mp_bell_kick(&ringer), false);
	T_OK(readable());
}

static void test_drain_takes_all_rings_at_once(void)
{
	fresh();
	mp_bell_ring_now(&ringer, 1);
	mp_bell_ring_now(&ringer, 3);
	T_EQ(mp_bell_drain(fd), true);
	T_EQ(mp_bell_drain(fd), false);
	T_OK(!readable());
}

/* A peer shares the open file, so it can clear O_NONBLOCK and take the count first. */
static void test_drain_does_not_block_when_the_peer_cleared_nonblock(void)
{
	fresh();
	T_EQ(fcntl(fd, F_SETFL, 0), 0);
	alarm(5); /* in the place of a hang */
	T_EQ(mp_bell_drain(fd), false);
	mp_bell_ring_now(&ringer, 1);
	T_EQ(mp_bell_drain(fd), true);
	T_EQ(mp_bell_drain(fd), false);
	alarm(0);
}

T_MAIN(T_TEST(test_fd_is_nonblocking_and_close_on_exec),
       T_TEST(test_kick_of_an_awake_sleeper_makes_no_system_call),
       T_TEST(test_kick_of_an_armed_sleeper_rings_once), T_TEST(test_kick_after_disarm_is_silent),
       T_TEST(test_next_sleep_is_rung_again), T_TEST(test_arm_twice_without_disarm_is_rung_twice),
       T_TEST(test_disarm_of_an_unarmed_bell_does_nothing), T_TEST(test_count_wraps),
       T_TEST(test_full_eventfd_counts_as_rung), T_TEST(test_drain_takes_all_rings_at_once),
       T_TEST(test_drain_does_not_block_when_the_peer_cleared_nonblock))
