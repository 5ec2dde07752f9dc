/* SPDX-License-Identifier: BSD-3-Clause */
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
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

static void dial_tcp(struct rig_client *client, int listening)
{
	struct sockaddr_in addr;
	socklen_t len = sizeof(addr);

	T_EQ(getsockname(listening, (struct sockaddr *)&addr, &len), 0);
	client->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	client->n = 0;
	T_EQ(connect(client->fd, (struct sockaddr *)&addr, len), 0);
}

static void test_addresses_of_one_monitor_share_its_limit(void)
{
	struct mp_mon_port p = {.is_qmp = true, .label = "m", .filename = "tcp:m,server=on"};
	struct pollfd pfd = {.events = POLLIN};
	int a[MP_MON_MAX_ADDRESSES], b[MP_MON_MAX_ADDRESSES];

	rig_init(&r);
	r.cfg.max_clients = 1;
	T_EQ(mp_mon_create(&r.cfg, &r.mon), 0);
	T_EQ(listen_tcp(&loopback, a), 1);
	T_EQ(listen_tcp(&loopback, b), 1);
	T_EQ(mp_mon_add_listener_take(r.mon, a[0], &p), 0);
	T_EQ(mp_mon_add_address_take(r.mon, 0, b[0]), 0);
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
	struct mp_mon_port p = {.is_qmp = true, .label = "m", .filename = "tcp:m,server=on"};
	struct pollfd pfd[2];
	int a[MP_MON_MAX_ADDRESSES], b[MP_MON_MAX_ADDRESSES];

	rig_init(&r);
	r.cfg.max_clients = 1;
	T_EQ(mp_mon_create(&r.cfg, &r.mon), 0);
	T_EQ(listen_tcp(&loopback, a), 1);
	T_EQ(listen_tcp(&loopback, b), 1);
	T_EQ(mp_mon_add_listener_take(r.mon, a[0], &p), 0);
	T_EQ(mp_mon_add_address_take(r.mon, 0, b[0]), 0);
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

static void test_a_name_of_this_machine_listens_at_each_of_its_addresses(void)
{
	const struct mp_mon_tcp at = {.host = "localhost", .port = "0"};
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
		n_v4 += strcmp(name, "127.0.0.1") == 0;
		T_OK(strcmp(name, "127.0.0.1") == 0 || strcmp(name, "[::1]") == 0);
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
       T_TEST(test_addresses_of_one_monitor_share_its_limit),
       T_TEST(test_a_port_with_both_addresses_waiting_takes_one_client),
       T_TEST(test_a_name_of_this_machine_listens_at_each_of_its_addresses),
       T_TEST(test_no_name_is_every_address_of_the_families_wanted),
       T_TEST(test_a_port_in_use_and_an_unknown_service_are_refused),
       T_TEST(test_pipes_serve_as_well), T_TEST(test_tidy))
