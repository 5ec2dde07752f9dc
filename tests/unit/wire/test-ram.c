/* SPDX-License-Identifier: BSD-3-Clause */
/* The table of guest memory, over a socketpair; sent by us, or by hand. */
#include <errno.h>
#include <pthread.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/fdpass.h"
#include "doorbell/bell.h"
#include "tests/lib/fault.h"
#include "tests/lib/t.h"
#include "wire/session.h"

#define STEP_NS 1000000000ull
#define MIB     0x100000ull

static int sv[2] = {-1, -1};
static int files[2];
static unsigned int n_fds_before;
static struct mp_session_region got[MP_SESSION_MAX_REGIONS];
static int got_fds[MP_SESSION_MAX_RAM_FDS];
static uint32_t n_got, n_got_fds;
static const struct mp_fds one_file = {.fd = files, .n = 1};

static void open_pair(void)
{
	n_fds_before = t_count_fds();
	T_EQ(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, sv), 0);
	files[0] = mp_bell_fd_create(); /* any files do */
	files[1] = mp_bell_fd_create();
	n_got = n_got_fds = 0;
}

static void close_pair(void)
{
	for (uint32_t i = 0; i < n_got_fds; i++)
		close(got_fds[i]);
	close(sv[0]);
	close(sv[1]);
	close(files[0]);
	close(files[1]);
	T_EQ(t_count_fds(), n_fds_before);
}

static int receive_within(uint64_t ns)
{
	struct mp_fds in = {.fd = got_fds, .max = MP_SESSION_MAX_RAM_FDS};
	int r = mp_session_recv_ram(sv[1], got, &n_got, &in, ns);

	n_got_fds = (uint32_t)in.n;
	return r;
}

static int receive(void)
{
	return receive_within(STEP_NS);
}

static void say(const void *buf, size_t len, unsigned int n_fds)
{
	const struct mp_fds out = {.fd = files, .n = n_fds};

	T_EQ(mp_fdpass_send(sv[0], buf, len, &out, mp_clock_ns() + STEP_NS), 0);
}

static void say_table(const struct mp_session_region *region, uint32_t n, unsigned int n_fds)
{
	struct mp_session_ram ram = {.n_regions = n};
	struct mp_session_header header = {.cmd = MP_CMD_RAM,
					   .size = sizeof(ram) + n * sizeof(*region)};

	say(&header, sizeof(header), n_fds);
	say(&ram, sizeof(ram), 0);
	if (n > 0)
		say(region, n * sizeof(*region), 0);
}

/* The receiver's verdict on one table that comes with two files. */
static int verdict(const struct mp_session_region *region, uint32_t n)
{
	int r;

	open_pair();
	say_table(region, n, 2);
	r = receive();
	close_pair();
	return r;
}

static int verdict_on(struct mp_session_region region)
{
	return verdict(&region, 1);
}

static void test_table_arrives_sorted(void)
{
	const struct mp_session_region table[] = {
		{.gpa = 4096 * MIB, .len = MIB, .fd_index = 1, .fd_offset = 2 * MIB},
		{.gpa = 0, .len = MIB},
		{.gpa = MIB, .len = MIB, .flags = MP_RAM_READONLY},
	};

	open_pair();
	say_table(table, 3, 2);
	T_EQ(receive(), 1);
	T_EQ(n_got, 3);
	T_EQ(n_got_fds, 2);
	T_EQ(got[0].gpa, 0);
	T_EQ(got[1].gpa, MIB);
	T_EQ(got[1].flags, MP_RAM_READONLY);
	T_EQ(got[2].gpa, 4096 * MIB);
	T_EQ(got[2].fd_index, 1);
	T_EQ(got[2].fd_offset, 2 * MIB);
	close_pair();
}

static void test_empty_table_is_a_table(void)
{
	open_pair();
	say_table(NULL, 0, 0);
	T_EQ(receive(), 1);
	T_EQ(n_got, 0);
	T_EQ(n_got_fds, 0);
	close_pair();
}

static void test_region_may_end_with_the_address_space(void)
{
	T_EQ(verdict_on((struct mp_session_region){.gpa = 0 - MIB, .len = MIB}), 1);
}

static void test_region_past_the_address_space_is_refused(void)
{
	T_EQ(verdict_on((struct mp_session_region){.gpa = 0 - MIB, .len = MIB + 1}), -EPROTO);
	T_EQ(verdict_on((struct mp_session_region){.gpa = 1, .len = UINT64_MAX}), -EPROTO);
}

static void test_file_range_beyond_off_t_is_refused(void)
{
	T_EQ(verdict_on((struct mp_session_region){.len = MIB, .fd_offset = INT64_MAX}), -EPROTO);
	T_EQ(verdict_on((struct mp_session_region){.len = MIB, .fd_offset = 0 - MIB}), -EPROTO);
}

static void test_region_of_no_bytes_is_refused(void)
{
	T_EQ(verdict_on((struct mp_session_region){.gpa = MIB}), -EPROTO);
}

static void test_file_index_beyond_the_fds_is_refused(void)
{
	T_EQ(verdict_on((struct mp_session_region){.len = MIB, .fd_index = 2}), -EPROTO);
}

static void test_unknown_flag_is_refused(void)
{
	T_EQ(verdict_on((struct mp_session_region){.len = MIB, .flags = 2}), -EPROTO);
}

static void test_regions_that_overlap_are_refused_in_any_order(void)
{
	const struct mp_session_region up[] = {{.gpa = 0, .len = MIB + 1}, {.gpa = MIB, .len = 1}};
	const struct mp_session_region down[] = {{.gpa = MIB, .len = 1},
						 {.gpa = 0, .len = MIB + 1}};
	const struct mp_session_region same[] = {{.gpa = MIB, .len = 1}, {.gpa = MIB, .len = 1}};

	T_EQ(verdict(up, 2), -EPROTO);
	T_EQ(verdict(down, 2), -EPROTO);
	T_EQ(verdict(same, 2), -EPROTO);
}

static void test_regions_that_touch_are_fine(void)
{
	const struct mp_session_region table[] = {{.gpa = MIB, .len = 1}, {.gpa = 0, .len = MIB}};

	T_EQ(verdict(table, 2), 1);
}

static void test_count_that_disagrees_with_the_size_is_refused(void)
{
	struct mp_session_header header = {.cmd = MP_CMD_RAM, .size = 8 + 32};
	struct mp_session_ram ram = {.n_regions = 2};

	open_pair();
	say(&header, sizeof(header), 1);
	say(&ram, sizeof(ram), 0);
	T_EQ(receive(), -EPROTO);
	close_pair();
}

static void test_count_beyond_the_limit_is_refused(void)
{
	struct mp_session_ram ram = {.n_regions = MP_SESSION_MAX_REGIONS + 1};
	struct mp_session_header header = {.cmd = MP_CMD_RAM, .size = 8 + 32ull * ram.n_regions};

	open_pair();
	say(&header, sizeof(header), 1);
	say(&ram, sizeof(ram), 0);
	T_EQ(receive(), -EPROTO);
	close_pair();
}

static void test_other_command_is_refused(void)
{
	struct mp_session_header header = {.cmd = MP_CMD_READY};

	open_pair();
	say(&header, sizeof(header), 1);
	T_EQ(receive(), -EPROTO);
	close_pair();
}

static void test_closed_socket_is_the_end(void)
{
	open_pair();
	shutdown(sv[0], SHUT_RDWR);
	T_EQ(receive(), 0);
	close_pair();
}

static void test_close_inside_a_table_is_the_end_and_closes_its_fds(void)
{
	struct mp_session_header header = {.cmd = MP_CMD_RAM, .size = 8 + 32};

	open_pair();
	say(&header, sizeof(header), 2);
	shutdown(sv[0], SHUT_RDWR);
	T_EQ(receive(), 0);
	close_pair();
}

static void test_silence_times_out(void)
{
	open_pair();
	T_EQ(receive_within(20000000), -ETIMEDOUT);
	close_pair();
}

/* The worker's half of send_ram: one table, one answer. */
static void *answer(void *status)
{
	if (receive() == 1)
		(void)mp_session_send_ack(sv[1], *(int *)status, STEP_NS);
	return NULL;
}

static int send_with_answer(int status)
{
	const struct mp_session_region region = {.gpa = MIB, .len = MIB};
	pthread_t t;
	int r;

	T_EQ(pthread_create(&t, NULL, answer, &status), 0);
	r = mp_session_send_ram(sv[0], &region, 1, &one_file, STEP_NS);
	pthread_join(t, NULL);
	return r;
}

static void test_send_waits_for_the_answer(void)
{
	open_pair();
	T_EQ(send_with_answer(0), 0);
	T_EQ(n_got, 1);
	T_EQ(got[0].gpa, MIB);
	T_EQ(n_got_fds, 1);
	close_pair();
}

static void test_send_returns_the_workers_errno(void)
{
	open_pair();
	T_EQ(send_with_answer(-ENOMEM), -ENOMEM);
	close_pair();
}

static void test_send_without_an_answer_times_out(void)
{
	open_pair();
	T_EQ(mp_session_send_ram(sv[0], NULL, 0, NULL, 20000000), -ETIMEDOUT);
	close_pair();
}

static void test_send_over_a_limit_says_so_and_sends_nothing(void)
{
	const struct mp_fds many = {.fd = files, .n = MP_SESSION_MAX_RAM_FDS + 1};

	open_pair();
	T_EQ(mp_session_send_ram(sv[0], got, MP_SESSION_MAX_REGIONS + 1, &one_file, STEP_NS),
	     -E2BIG);
	T_EQ(mp_session_send_ram(sv[0], got, 1, &many, STEP_NS), -E2BIG);
	T_EQ(receive_within(1000000), -ETIMEDOUT);
	close_pair();
}

T_MAIN(T_TEST(test_table_arrives_sorted), T_TEST(test_empty_table_is_a_table),
       T_TEST(test_region_may_end_with_the_address_space),
       T_TEST(test_region_past_the_address_space_is_refused),
       T_TEST(test_file_range_beyond_off_t_is_refused), T_TEST(test_region_of_no_bytes_is_refused),
       T_TEST(test_file_index_beyond_the_fds_is_refused), T_TEST(test_unknown_flag_is_refused),
       T_TEST(test_regions_that_overlap_are_refused_in_any_order),
       T_TEST(test_regions_that_touch_are_fine),
       T_TEST(test_count_that_disagrees_with_the_size_is_refused),
       T_TEST(test_count_beyond_the_limit_is_refused), T_TEST(test_other_command_is_refused),
       T_TEST(test_closed_socket_is_the_end),
       T_TEST(test_close_inside_a_table_is_the_end_and_closes_its_fds),
       T_TEST(test_silence_times_out), T_TEST(test_send_waits_for_the_answer),
       T_TEST(test_send_returns_the_workers_errno), T_TEST(test_send_without_an_answer_times_out),
       T_TEST(test_send_over_a_limit_says_so_and_sends_nothing))
