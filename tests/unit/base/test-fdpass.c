/* SPDX-License-Identifier: BSD-3-Clause */
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/fdpass.h"
#include "tests/lib/fault.h"
#include "tests/lib/t.h"

#define BIG 1000000u

static int sv[2] = {-1, -1};
static int many[8];
static unsigned int n_fds_open;
static char big[BIG], big_got[BIG];
static int fds[8]; /* that receive() got, */
static size_t n_fds; /* and how many */

static uint64_t soon(void)
{
	return mp_clock_ns() + 30000000;
}

static uint64_t later(void)
{
	return mp_clock_ns() + 5 * MP_NS_PER_SEC;
}

static void fresh(void)
{
	close(sv[0]);
	close(sv[1]);
	T_EQ(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, sv), 0);
	for (unsigned int i = 0; i < 8; i++)
		if (many[i] == 0)
			many[i] = eventfd(i, EFD_CLOEXEC);
	n_fds_open = t_count_fds();
}

static int receive(int sock, void *buf, size_t len, size_t max_fds, uint64_t deadline_ns)
{
	struct mp_fds in = {.fd = fds, .max = max_fds};
	int r = mp_fdpass_recv(sock, buf, len, &in, deadline_ns);

	n_fds = in.n;
	return r;
}

static void test_bytes_and_fds_arrive_together(void)
{
	uint64_t count;
	char buf[5];

	fresh();
	T_EQ(mp_fdpass_send(sv[0], "hello", 5, &(struct mp_fds){.fd = &many[4], .n = 1}, later()),
	     0);
	T_EQ(receive(sv[1], buf, 5, 2, later()), 0);
	T_MEM_EQ(buf, "hello", 5);
	T_EQ(n_fds, 1);
	T_OK(fcntl(fds[0], F_GETFD) & FD_CLOEXEC);
	T_EQ(read(fds[0], &count, sizeof(count)), 8);
	T_EQ(count, 4);
	close(fds[0]);
}

static void test_message_in_pieces_is_put_together(void)
{
	char buf[6];

	fresh();
	T_EQ(mp_fdpass_send(sv[0], "abc", 3, NULL, later()), 0);
	T_EQ(mp_fdpass_send(sv[0], "def", 3, NULL, later()), 0);
	T_EQ(mp_fdpass_recv(sv[1], buf, 6, NULL, later()), 0);
	T_MEM_EQ(buf, "abcdef", 6);
}

static void test_more_fds_than_asked_for_are_all_closed(void)
{
	char c;

	fresh();
	T_EQ(mp_fdpass_send(sv[0], "x", 1, &(struct mp_fds){.fd = many, .n = 8}, later()), 0);
	T_EQ(receive(sv[1], &c, 1, 7, later()), -EPROTO);
	T_EQ(t_count_fds(), n_fds_open);
}

static void test_fds_in_two_pieces_that_are_too_many_together_are_closed(void)
{
	char buf[2];

	fresh();
	T_EQ(mp_fdpass_send(sv[0], "x", 1, &(struct mp_fds){.fd = many, .n = 2}, later()), 0);
	T_EQ(mp_fdpass_send(sv[0], "y", 1, &(struct mp_fds){.fd = many, .n = 2}, later()), 0);
	T_EQ(receive(sv[1], buf, 2, 3, later()), -EPROTO);
	T_EQ(t_count_fds(), n_fds_open);
}

static void test_close_inside_a_message_closes_its_fds(void)
{
	char buf[2];

	fresh();
	T_EQ(mp_fdpass_send(sv[0], "x", 1, &(struct mp_fds){.fd = many, .n = 2}, later()), 0);
	shutdown(sv[0], SHUT_WR);
	T_EQ(receive(sv[1], buf, 2, 2, later()), -ECONNRESET);
	T_EQ(t_count_fds(), n_fds_open);
}

static void test_timeout_inside_a_message_closes_its_fds(void)
{
	char buf[2];

	fresh();
	T_EQ(mp_fdpass_send(sv[0], "x", 1, &(struct mp_fds){.fd = many, .n = 2}, later()), 0);
	T_EQ(receive(sv[1], buf, 2, 2, soon()), -ETIMEDOUT);
	T_EQ(t_count_fds(), n_fds_open);
	/* Used to leave the numbers there; a session closed such a one again. */
	T_EQ(n_fds, 0);
	T_EQ(fds[0], -1);
	T_EQ(fds[1], -1);
}

static void test_send_to_a_peer_that_does_not_read_times_out(void)
{
	fresh();
	T_EQ(mp_fdpass_send(sv[0], big, BIG, NULL, soon()), -ETIMEDOUT);
}

static void *read_big(void *opaque)
{

	*(int *)opaque = mp_fdpass_recv(sv[1], big_got, BIG, NULL, later());
	return NULL;
}

static void test_message_larger_than_the_socket_buffer_arrives(void)
{
	pthread_t t;
	int r = -1;

	fresh();
	memset(big, 7, BIG);
	T_EQ(pthread_create(&t, NULL, read_big, &r), 0);
	T_EQ(mp_fdpass_send(sv[0], big, BIG, NULL, later()), 0);
	pthread_join(t, NULL);
	T_EQ(r, 0);
	T_MEM_EQ(big, big_got, BIG);
}

static void test_send_to_a_closed_peer_is_an_error_not_a_signal(void)
{
	fresh();
	shutdown(sv[1], SHUT_RDWR);
	T_EQ(mp_fdpass_send(sv[0], "x", 1, NULL, later()), -EPIPE);
}

static void test_empty_message_is_our_mistake(void)
{

	fresh();
	T_EQ(mp_fdpass_send(sv[0], "", 0, NULL, later()), -EINVAL);
	T_EQ(mp_fdpass_recv(sv[1], big_got, 0, NULL, later()), -EINVAL);
}

T_MAIN(T_TEST(test_bytes_and_fds_arrive_together), T_TEST(test_message_in_pieces_is_put_together),
       T_TEST(test_more_fds_than_asked_for_are_all_closed),
       T_TEST(test_fds_in_two_pieces_that_are_too_many_together_are_closed),
       T_TEST(test_close_inside_a_message_closes_its_fds),
       T_TEST(test_timeout_inside_a_message_closes_its_fds),
       T_TEST(test_send_to_a_peer_that_does_not_read_times_out),
       T_TEST(test_message_larger_than_the_socket_buffer_arrives),
       T_TEST(test_send_to_a_closed_peer_is_an_error_not_a_signal),
       T_TEST(test_empty_message_is_our_mistake))
