/* SPDX-License-Identifier: BSD-3-Clause */
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/clock.h"
#include "tests/lib/t.h"
#include "tests/unit/monitor/rig.h"

static struct rig r;
static struct rig_client c[3];
static char folder[] = "/tmp/mpring-mon-XXXXXX", path[64];
static int port;

static void make_folder(void)
{
	if (path[0])
		return;
	T_OK(mkdtemp(folder));
	snprintf(path, sizeof(path), "%s/s", folder);
}

static void listen_qmp(unsigned int max_clients)
{
	struct mp_mon_port p = {.is_qmp = true, .label = "m", .filename = "unix:s,server=on"};
	int fd;

	make_folder();
	rig_init(&r);
	r.cfg.max_clients = max_clients;
	T_EQ(mp_mon_create(&r.cfg, &r.mon), 0);
	T_EQ(mp_mon_listen_unix(path, &fd), 0);
	port = mp_mon_add_listener_take(r.mon, fd, &p);
	T_EQ(port, 0);
	rig_start(&r);
}

static void dial(struct rig_client *client)
{
	struct sockaddr_un addr = {.sun_family = AF_UNIX};

	strncpy(addr.sun_path, path, sizeof(addr.sun_path) - 1);
	client->fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	client->n = 0;
	T_EQ(connect(client->fd, (struct sockaddr *)&addr, sizeof(addr)), 0);
}

static bool is_greeting(const char *line)
{
	return strncmp(line, "{\"QMP\"", 6) == 0;
}

static void test_many_clients_are_served_at_once(void)
{
	listen_qmp(0);
	dial(&c[0]);
	rig_negotiate(&c[0]);
	dial(&c[1]);
	rig_negotiate(&c[1]);
	rig_send(&c[0], "{'execute':'wait'}");
	rig_wait_until_running(&r, 1);
	T_STR_EQ(rig_ask(&c[1], "{'exec-oob':'now'}"), "{\"return\": {}}");
	rig_let_go(&r);
	T_STR_EQ(rig_line(&c[0]), "{\"return\": {}}");
	rig_close(&c[1]);
	rig_done(&r, &c[0]);
}

static void test_with_one_client_allowed_the_next_waits_for_its_end(void)
{
	struct pollfd pfd = {.events = POLLIN};

	listen_qmp(1);
	dial(&c[0]);
	rig_negotiate(&c[0]);
	dial(&c[1]);
	/* All that was there is handled before this is answered. */
	T_STR_EQ(rig_ask(&c[0], "{'execute':'now'}"), "{\"return\": {}}");
	pfd.fd = c[1].fd;
	T_EQ(poll(&pfd, 1, 0), 0);
	rig_close(&c[0]);
	T_OK(is_greeting(rig_line(&c[1])));
	rig_done(&r, &c[1]);
}

static void test_a_new_client_negotiates_anew(void)
{
	listen_qmp(1);
	dial(&c[0]);
	rig_negotiate(&c[0]);
	rig_close(&c[0]);
	dial(&c[0]);
	T_OK(is_greeting(rig_line(&c[0])));
	T_OK(strstr(rig_ask(&c[0], "{'execute':'now'}"), "Expecting capabilities negotiation"));
	rig_done(&r, &c[0]);
}

static void test_the_first_connection_can_be_waited_for(void)
{
	struct pollfd pfd = {.events = POLLIN};

	listen_qmp(0);
	pfd.fd = mp_mon_met_fd(r.mon, port);
	T_EQ(poll(&pfd, 1, 0), 0);
	dial(&c[0]);
	T_EQ(poll(&pfd, 1, RIG_DEADLINE_MS), 1);
	rig_done(&r, &c[0]);
}

static void test_a_socket_that_was_left_is_replaced(void)
{
	int fd, again;

	make_folder();
	T_EQ(mp_mon_listen_unix(path, &fd), 0);
	close(fd);
	T_EQ(mp_mon_listen_unix(path, &again), 0);
	close(again);
}

static void test_a_file_in_the_way_is_not_removed(void)
{
	char file[80];
	int fd;

	make_folder();
	snprintf(file, sizeof(file), "%s/file", folder);
	close(open(file, O_CREAT | O_WRONLY | O_CLOEXEC, 0600));
	T_EQ(mp_mon_listen_unix(file, &fd), -EADDRINUSE);
	T_EQ(access(file, F_OK), 0);
	unlink(file);
}

static void test_a_path_too_long_for_a_socket_is_refused(void)
{
	char file[200];
	int fd;

	memset(file, 'x', sizeof(file) - 1);
	file[sizeof(file) - 1] = 0;
	T_EQ(mp_mon_listen_unix(file, &fd), -ENAMETOOLONG);
}

/* -- TCP --- */

static const struct mp_mon_tcp loopback = {.host = "127.0.0.1", .port = "0"};
static char why[256];

static int listen_tcp(const struct mp_mon_tcp *at, int fd[MP_MON_MAX_ADDRESSES])
{
	why[0] = '\0';
	return mp_mon_listen_tcp(at, fd, why, sizeof(why));
}

/* As many ports that were asked for by number are somebody else's. */
static unsigned int n_taken;

int __real_bind(int fd, const struct sockaddr *at, socklen_t len);
int __wrap_bind(int fd, const struct sockaddr *at, socklen_t len);

int __wrap_bind(int fd, const struct sockaddr *at, socklen_t len)
{
	in_port_t number = at->sa_family == AF_INET
				   ? ((const struct sockaddr_in *)(const void *)at)->sin_port
				   : ((const struct sockaddr_in6 *)(const void *)at)->sin6_port;

	if (at->sa_family == AF_UNIX || number == 0 || n_taken == 0)
		return __real_bind(fd, at, len);
	n_taken--;
	errno = EADDRINUSE;
	return -1;
}

static void dial_tcp(struct rig_client *client, int listening)
{
	struct sockaddr_in addr;
	socklen_t len = sizeof(addr);
	int bytes = 4096;

	T_EQ(getsockname(listening, (struct sockaddr *)&addr, &len), 0);
	client->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	client->n = 0;
	/* Answers that aren't read stay at the other end. */
	T_EQ(setsockopt(client->fd, SOL_SOCKET, SO_RCVBUF, &bytes, sizeof(bytes)), 0);
	T_EQ(connect(client->fd, (struct sockaddr *)&addr, len), 0);
}

static void open_tcp(void)
{
	struct mp_mon_port p = {.is_qmp = true, .label = "m", .filename = "tcp:m,server=on"};
	int fd[MP_MON_MAX_ADDRESSES];

	rig_init(&r);
	T_EQ(mp_mon_create(&r.cfg, &r.mon), 0);
	T_EQ(listen_tcp(&loopback, fd), 1);
	T_EQ(mp_mon_add_listener_take(r.mon, fd[0], &p), 0);
	rig_start(&r);
	dial_tcp(&c[0], fd[0]);
	rig_negotiate(&c[0]);
}

/* Long answers, a command that runs, and requests that stay in the socket. */
static void ask_more_than_is_read(struct rig_client *client)
{
	rig_send(client, "{'execute':'big','arguments':{'bytes':100000}}"
			 "{'execute':'big','arguments':{'bytes':100000}}{'execute':'wait'}");
	for (unsigned int i = 0; i < 4000; i++)
		rig_send(client, "{'execute':'now'}");
	rig_wait_until_running(&r, 1);
	rig_let_go(&r);
}

/* In seconds: how long it took, and how long it may take. */
static struct {
	uint64_t most, took;
} end;

static void *end_it(void *unused)
{
	uint64_t start_ns = mp_clock_ns();

	r.mon = mp_mon_destroy(r.mon, start_ns + end.most * MP_NS_PER_SEC);
	end.took = (mp_clock_ns() - start_ns) / MP_NS_PER_SEC;
	return unused;
}

static void test_on_tcp_the_end_waits_for_answers_to_be_read(void)
{
	pthread_t thread;
	const char *line;

	open_tcp();
	ask_more_than_is_read(&c[0]);
	end.most = 30;
	T_EQ(pthread_create(&thread, NULL, end_it, NULL), 0);
	/* These were lost with the reset that the unread requests caused. */
	T_EQ(strlen(rig_line(&c[0])), strlen("{\"return\": \"\"}") + 100000);
	T_EQ(strlen(rig_line(&c[0])), strlen("{\"return\": \"\"}") + 100000);
	T_STR_EQ(rig_line(&c[0]), "{\"return\": {}}");
	do
		line = rig_line(&c[0]);
	while (strcmp(line, "{\"return\": {}}") == 0);
	T_STR_EQ(line, "(eof)");
	T_EQ(c[0].n, 0);
	T_EQ(recv(c[0].fd, c[0].buf, 1, 0), 0);
	pthread_join(thread, NULL);
	T_OK(end.took < 15);
	rig_done(&r, &c[0]);
}

static void test_on_tcp_the_end_does_not_wait_for_who_has_read_all_or_is_gone(void)
{
	open_tcp();
	T_STR_EQ(rig_ask(&c[0], "{'execute':'now'}"), "{\"return\": {}}");
	end.most = 30;
	end_it(NULL);
	T_OK(end.took < 15);
	rig_done(&r, &c[0]);

	open_tcp();
	ask_more_than_is_read(&c[0]);
	rig_close(&c[0]);
	end_it(NULL);
	T_OK(end.took < 15);
	rig_fini(&r);
}

static void test_on_tcp_the_end_waits_no_longer_than_allowed(void)
{
	open_tcp();
	ask_more_than_is_read(&c[0]);
	end.most = 1;
	end_it(NULL);
	T_EQ(end.took, 1);
	rig_done(&r, &c[0]);
}

static int option(int fd, int name)
{
	socklen_t len = sizeof(int);
	int value = -1;

	T_EQ(getsockopt(fd, IPPROTO_TCP, name, &value, &len), 0);
	return value;
}

/* The server's end of a connection. */
static int other_end(const struct rig_client *client)
{
	struct sockaddr_in ours, peer = {.sin_port = 0};
	socklen_t len = sizeof(ours);
	int fd;

	T_EQ(getsockname(client->fd, (struct sockaddr *)&ours, &len), 0);
	for (fd = 3; fd < 1000; fd++) {
		len = sizeof(peer);
		if (getpeername(fd, (struct sockaddr *)&peer, &len) == 0 &&
		    peer.sin_family == AF_INET && peer.sin_port == ours.sin_port)
			break;
	}
	return fd;
}

static void test_a_tcp_client_that_has_vanished_goes_in_a_minute(void)
{
	int fd;

	open_tcp();
	fd = other_end(&c[0]);
	/* Was two hours: the system's default. */
	T_EQ(option(fd, TCP_KEEPIDLE) + option(fd, TCP_KEEPINTVL) * option(fd, TCP_KEEPCNT), 60);
	/* With it, who is there and doesn't read would go as well. */
	T_EQ(option(fd, TCP_USER_TIMEOUT), 0);
	rig_done(&r, &c[0]);
}

static void test_a_port_that_is_taken_at_another_address_is_chosen_anew(void)
{
	const struct mp_mon_tcp at = {.host = "", .port = "0"};
	int fd[MP_MON_MAX_ADDRESSES], n;

	n_taken = 3;
	n = listen_tcp(&at, fd);
	if (n_taken == 3)
		t_skip("this machine has addresses of one family only");
	/* Was refused at the first. */
	T_EQ(n, 2);
	close(fd[0]);
	close(fd[1]);
	n_taken = 100;
	T_EQ(listen_tcp(&at, fd), -EADDRINUSE);
	T_EQ(n_taken, 100 - 16);
	n_taken = 0;
}

/* One port with two addresses, for one client. */
static void listen_at_two(int a[MP_MON_MAX_ADDRESSES], int b[MP_MON_MAX_ADDRESSES])
{
	struct mp_mon_port p = {.is_qmp = true, .label = "m", .filename = "tcp:m,server=on"};

	rig_init(&r);
	r.cfg.max_clients = 1;
	T_EQ(mp_mon_create(&r.cfg, &r.mon), 0);
	T_EQ(listen_tcp(&loopback, a), 1);
	T_EQ(listen_tcp(&loopback, b), 1);
	T_EQ(mp_mon_add_listener_take(r.mon, a[0], &p), 0);
	T_EQ(mp_mon_add_address_take(r.mon, 0, b[0]), 0);
}

static void test_addresses_of_one_monitor_share_its_limit(void)
{
	struct pollfd pfd = {.events = POLLIN};
	int a[MP_MON_MAX_ADDRESSES], b[MP_MON_MAX_ADDRESSES];

	listen_at_two(a, b);
	rig_start(&r);
	dial_tcp(&c[0], b[0]);
	rig_negotiate(&c[0]);
	dial_tcp(&c[1], a[0]);
	T_STR_EQ(rig_ask(&c[0], "{'execute':'query-chardev'}"),
		 "{\"return\": [{\"frontend-open\": true, \"filename\": \"tcp:m,server=on\", "
		 "\"label\": \"m\"}]}");
	pfd.fd = c[1].fd;
	T_EQ(poll(&pfd, 1, 0), 0);
	rig_close(&c[0]);
	T_OK(is_greeting(rig_line(&c[1])));
	rig_done(&r, &c[1]);
}

static void test_a_port_with_both_addresses_waiting_takes_one_client(void)
{
	struct pollfd pfd[2];
	int a[MP_MON_MAX_ADDRESSES], b[MP_MON_MAX_ADDRESSES];

	listen_at_two(a, b);
	dial_tcp(&c[0], a[0]);
	dial_tcp(&c[1], b[0]);
	rig_start(&r);
	for (unsigned int i = 0; i < 2; i++)
		pfd[i] = (struct pollfd){.fd = c[i].fd, .events = POLLIN};
	T_EQ(poll(pfd, 2, RIG_DEADLINE_MS), 1);
	rig_negotiate(&c[pfd[0].revents ? 0 : 1]);
	T_EQ(poll(&pfd[pfd[0].revents ? 1 : 0], 1, 0), 0);
	rig_close(&c[1]);
	rig_done(&r, &c[0]);
}

static void test_no_name_listens_at_each_address_of_one_port(void)
{
	const struct mp_mon_tcp at = {.host = "", .port = "0"};
	int fd[MP_MON_MAX_ADDRESSES], n = listen_tcp(&at, fd);
	unsigned int n_v4 = 0;
	char name[128], *port_text = NULL, first[16] = "";

	T_OK(n >= 1);
	for (int i = 0; i < n; i++) {
		mp_mon_tcp_name(fd[i], name, sizeof(name));
		port_text = strrchr(name, ':');
		T_OK(port_text && strcmp(port_text, ":0") != 0);
		if (i == 0)
			snprintf(first, sizeof(first), "%s", port_text);
		T_STR_EQ(port_text, first);
		*port_text = '\0';
		n_v4 += strcmp(name, "0.0.0.0") == 0;
		T_OK(strcmp(name, "0.0.0.0") == 0 || strcmp(name, "[::]") == 0);
		close(fd[i]);
	}
	T_EQ(n_v4, 1);
}

static void test_no_name_is_every_address_of_the_families_wanted(void)
{
	const struct mp_mon_tcp at = {.host = "", .port = "0", .no_ipv6 = true};
	int fd[MP_MON_MAX_ADDRESSES];
	char name[128];

	T_EQ(listen_tcp(&at, fd), 1);
	mp_mon_tcp_name(fd[0], name, sizeof(name));
	T_OK(strncmp(name, "0.0.0.0:", 8) == 0);
	close(fd[0]);
}

static void test_a_port_in_use_and_an_unknown_service_are_refused(void)
{
	struct mp_mon_tcp at = loopback;
	int fd[MP_MON_MAX_ADDRESSES], other[MP_MON_MAX_ADDRESSES];
	char name[128];

	T_EQ(listen_tcp(&at, fd), 1);
	mp_mon_tcp_name(fd[0], name, sizeof(name));
	at.port = strrchr(name, ':') + 1;
	T_EQ(listen_tcp(&at, other), -EADDRINUSE);
	T_STR_EQ(why, "Address already in use");
	at.port = "no-such-service";
	T_EQ(listen_tcp(&at, other), -EHOSTUNREACH);
	T_OK(why[0]);
	close(fd[0]);
}

static void test_pipes_serve_as_well(void)
{
	struct mp_mon_port p = {.is_qmp = false, .label = "stdio", .filename = "stdio"};
	char text[200] = "";
	int in[2], out[2];
	size_t n = 0;

	T_EQ(pipe2(in, O_CLOEXEC), 0);
	T_EQ(pipe2(out, O_CLOEXEC), 0);
	rig_init(&r);
	T_EQ(mp_mon_create(&r.cfg, &r.mon), 0);
	T_EQ(mp_mon_add_client_take(r.mon, in[0], out[1], &p), 0);
	T_EQ(write(in[1], "stop\n", 5), 5);
	close(in[1]);
	rig_start(&r);
	for (ssize_t got = 1; got > 0; n += (size_t)got)
		got = read(out[0], text + n, sizeof(text) - 1 - n);
	T_STR_EQ(text, "QEMU 7.2.22 monitor - type 'help' for more information\r\n"
		       "(qemu) {}\r\n(qemu) ");
	close(out[0]);
	rig_fini(&r);
}

static void test_tidy(void)
{
	T_EQ(unlink(path), 0);
	T_EQ(rmdir(folder), 0);
}

T_MAIN(T_TEST(test_many_clients_are_served_at_once),
       T_TEST(test_with_one_client_allowed_the_next_waits_for_its_end),
       T_TEST(test_a_new_client_negotiates_anew),
       T_TEST(test_the_first_connection_can_be_waited_for),
       T_TEST(test_a_socket_that_was_left_is_replaced),
       T_TEST(test_a_file_in_the_way_is_not_removed),
       T_TEST(test_a_path_too_long_for_a_socket_is_refused),
       T_TEST(test_on_tcp_the_end_waits_for_answers_to_be_read),
       T_TEST(test_on_tcp_the_end_does_not_wait_for_who_has_read_all_or_is_gone),
       T_TEST(test_on_tcp_the_end_waits_no_longer_than_allowed),
       T_TEST(test_a_tcp_client_that_has_vanished_goes_in_a_minute),
       T_TEST(test_a_port_that_is_taken_at_another_address_is_chosen_anew),
       T_TEST(test_addresses_of_one_monitor_share_its_limit),
       T_TEST(test_a_port_with_both_addresses_waiting_takes_one_client),
       T_TEST(test_no_name_listens_at_each_address_of_one_port),
       T_TEST(test_no_name_is_every_address_of_the_families_wanted),
       T_TEST(test_a_port_in_use_and_an_unknown_service_are_refused),
       T_TEST(test_pipes_serve_as_well), T_TEST(test_tidy))
