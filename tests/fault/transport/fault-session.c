/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The handshake, the RAM table and the stats page with their Nth call failing,
 * N = 1, 2, ... until they get through. Every failure must come out as the
 * errno that went in and leave the number of open fds as it was.
 */
#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "stats/stats.h"
#include "tests/lib/fault.h"
#include "tests/lib/session_pair.h"
#include "tests/lib/t.h"

/* An errno that no call gives by itself. */
#define INJECTED ENOANO
#define MANY     1000u

static struct session_side under_test, peer;

static void meet_with_fault(bool worker, unsigned int nth, const char **ret_hit)
{
	int sv[2];

	T_EQ(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, sv), 0);
	session_side_init(&under_test, worker, sv[0]);
	session_side_init(&peer, !worker, sv[1]);
	session_side_start(&peer);
	t_fault_arm(nth, INJECTED);
	session_side_run(&under_test);
	*ret_hit = t_fault_disarm();
	session_side_join(&peer);
}

/* A file that doesn't tell its seals is taken for one that has none. */
static bool errno_is_right(int r, const char *hit)
{
	return r == -INJECTED || (strcmp(hit, "fcntl") == 0 && r == -EPROTO);
}

/* How many calls can fail. */
static unsigned int fail_each_call(bool worker)
{
	unsigned int n_fds = t_count_fds();
	const char *hit;

	for (unsigned int nth = 1; nth < MANY; nth++) {
		meet_with_fault(worker, nth, &hit);
		if (!hit) {
			T_EQ(under_test.r, 0);
			T_EQ(peer.r, 0);
			session_pair_fini(&under_test, &peer);
			T_EQ(t_count_fds(), n_fds);
			return nth - 1;
		}
		if (!errno_is_right(under_test.r, hit))
			t_fail(__FILE__, __LINE__, "call %u, %s, came out as %d", nth, hit,
			       under_test.r);
		T_OK(under_test.error && under_test.error[0]);
		T_EQ(under_test.s.sock, -1);
		mp_session_fini(&peer.s);
		if (t_count_fds() != n_fds)
			t_fail(__FILE__, __LINE__, "call %u, %s, left fds open", nth, hit);
	}
	t_fail(__FILE__, __LINE__, "still failing after %u calls", MANY);
}

static void test_proxy_survives_each_failing_call(void)
{
	/* At least memfd, size, map, seals, two bells, four messages, checks. */
	T_OK(fail_each_call(false) >= 15);
}

static void test_worker_survives_each_failing_call(void)
{
	T_OK(fail_each_call(true) >= 15);
}

static void test_peer_of_a_failing_side_fails_too_and_leaks_nothing(void)
{
	unsigned int n_fds = t_count_fds();
	const char *hit;

	meet_with_fault(false, 1, &hit);
	T_STR_EQ(hit, "memfd_create");
	T_EQ(peer.r, -ECONNRESET);
	T_EQ(t_count_fds(), n_fds);
}

static void test_stats_page_survives_each_failing_call(void)
{
	unsigned int n_fds = t_count_fds(), nth;
	struct mp_shm shm;
	int r = -1;

	for (nth = 1; r < 0 && nth < MANY; nth++) {
		t_fault_arm(nth, INJECTED);
		r = mp_stat_create(&shm);
		t_fault_disarm();
		T_OK(r == 0 || r == -INJECTED);
		T_EQ(t_count_fds(), n_fds + (r == 0));
	}
	T_OK(nth > 4);
	mp_shm_fini(&shm);
}

static struct mp_session_region got[MP_SESSION_MAX_REGIONS];

static void test_receiving_ram_survives_each_failing_call(void)
{
	const struct mp_session_region region = {.len = 4096};
	unsigned int n_fds = t_count_fds(), nth;
	int sv[2], fd[MP_SESSION_MAX_RAM_FDS], r = -1;
	const struct mp_fds out = {.fd = sv, .n = 1};
	struct mp_fds in = {.fd = fd, .max = MP_SESSION_MAX_RAM_FDS};
	uint32_t n;

	for (nth = 1; r < 0 && nth < MANY; nth++) {
		T_EQ(socketpair(AF_UNIX, SOCK_STREAM, 0, sv), 0);
		/* Nobody answers, so this times out, after the table is sent. */
		T_EQ(mp_session_send_ram(sv[0], &region, 1, &out, 1000), -ETIMEDOUT);
		t_fault_arm(nth, INJECTED);
		r = mp_session_recv_ram(sv[1], got, &n, &in, 1000000000);
		t_fault_disarm();
		T_OK(r == 1 || r == -INJECTED);
		if (r == 1)
			close(fd[0]);
		close(sv[0]);
		close(sv[1]);
		T_EQ(t_count_fds(), n_fds);
	}
	T_OK(nth > 3);
}

T_MAIN(T_TEST(test_proxy_survives_each_failing_call),
       T_TEST(test_worker_survives_each_failing_call),
       T_TEST(test_peer_of_a_failing_side_fails_too_and_leaks_nothing),
       T_TEST(test_stats_page_survives_each_failing_call),
       T_TEST(test_receiving_ram_survives_each_failing_call))
