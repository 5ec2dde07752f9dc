/* SPDX-License-Identifier: BSD-3-Clause */
/* What serves a drive: real storage daemons, and sockets that stand for servers elsewhere. */
#include "remote-worker/supervisor/server.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "tests/lib/t.h"

#define WAIT_NS (60 * MP_NS_PER_SEC)
#define MAX_DIR 64

static struct mp_cmdline cmd;
static struct mp_opt_drive drive;
static char dir[MAX_DIR], blockdev[512], error[1024];
static struct mp_server *server;
static int again_sock = -1; /* of the last cfg.again() */
static unsigned int again_conn, n_again;
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t came = PTHREAD_COND_INITIALIZER;

static int again(void *opaque, const char *node, unsigned int conn, int sock)
{
	pthread_mutex_lock(&lock);
	if (again_sock >= 0)
		close(again_sock);
	again_sock = sock;
	again_conn = conn;
	n_again++;
	pthread_cond_signal(&came);
	pthread_mutex_unlock(&lock);
	return strcmp(node, drive.node_name) == 0 ? 0 : -EINVAL;
}

static int wait_again(unsigned int n)
{
	struct timespec end;
	int r = 0, sock;

	clock_gettime(CLOCK_REALTIME, &end);
	end.tv_sec += 60;
	pthread_mutex_lock(&lock);
	while (n_again < n && r == 0)
		r = pthread_cond_timedwait(&came, &lock, &end);
	sock = again_sock;
	again_sock = -1;
	pthread_mutex_unlock(&lock);
	T_EQ(r, 0);
	return sock;
}

static void run(const char *fmt, const char *what)
{
	char line[512];

	snprintf(line, sizeof(line), fmt, what);
	if (system(line) != 0)
		t_skip("cannot run '%s'", line);
}

static void begin(void)
{
	memset(&cmd, 0, sizeof(cmd));
	cmd.cpu = cmd.storage_daemon_cpu = -1;
	cmd.storage_daemon = "qemu-storage-daemon";
	cmd.storage_daemon_start_ns = WAIT_NS;
	cmd.nbd_connections = 2;
	memset(&drive, 0, sizeof(drive));
	drive.id = "d0";
	drive.node_name = "n0";
	n_again = 0;
	snprintf(dir, sizeof(dir), "/tmp/test-server.XXXXXX");
	T_OK(mkdtemp(dir));
	setenv("XDG_RUNTIME_DIR", dir, 1);
}

/* A drive whose image is @file, in the folder of the test. */
static void use_image(const char *file)
{
	drive.kind = MP_DRIVE_DAEMON;
	snprintf(blockdev, sizeof(blockdev),
		 "[{\"driver\":\"file\",\"filename\":\"%s/%s\",\"node-name\":\"f0\"},"
		 "{\"driver\":\"qcow2\",\"file\":\"f0\",\"node-name\":\"n0\"}]",
		 dir, file);
	drive.blockdev = blockdev;
}

static void begin_qcow2(void)
{
	run("%s --version >/dev/null 2>&1", "qemu-storage-daemon");
	begin();
	run("qemu-img create -q -f qcow2 %s/disk.qcow2 8M", dir);
	use_image("disk.qcow2");
}

static int open_server(int *socks)
{
	struct mp_server_cfg cfg = {.cmd = &cmd, .drive = &drive, .again = again};
	int r;

	error[0] = '\0';
	r = mp_server_create(&cfg, &server, error, sizeof(error));
	if (r == 0)
		r = mp_server_spawn(server, error, sizeof(error));
	return r < 0 ? r : mp_server_open(server, socks, error, sizeof(error));
}

static void end(void)
{
	server = mp_server_destroy(server);
	if (again_sock >= 0)
		close(again_sock);
	again_sock = -1;
	run("rm -r %s", dir);
}

static void check_says(const char *what)
{
	if (!strstr(error, what))
		t_fail(__FILE__, __LINE__, "\"%s\" doesn't say \"%s\"", error, what);
}

/* Does an NBD server speak at the other end? Closes @sock. */
static bool greets(int sock)
{
	struct pollfd pfd = {.fd = sock, .events = POLLIN};
	char hello[8] = "";

	T_EQ(poll(&pfd, 1, 60000), 1);
	T_OK(recv(sock, hello, sizeof(hello), 0) >= 0);
	close(sock);
	return memcmp(hello, "NBDMAGIC", 8) == 0;
}

/* One turn of who watches the daemon. */
static void turn(void)
{
	struct pollfd pfd[MP_DAEMON_N_FDS];
	struct mp_daemon *d = mp_server_daemon(server);

	mp_daemon_poll_fds(d, pfd);
	poll(pfd, MP_DAEMON_N_FDS, 10);
	mp_daemon_poll(d, pfd);
}

static void end_daemon(int signal)
{
	struct mp_daemon *d = mp_server_daemon(server);
	uint64_t end_ns = mp_clock_ns() + WAIT_NS;
	int old = mp_daemon_pid(d);

	kill(old, signal);
	while ((mp_daemon_pid(d) == old || mp_daemon_pid(d) == 0) && mp_clock_ns() < end_ns)
		turn();
	T_OK(mp_daemon_pid(d) > 0 && mp_daemon_pid(d) != old);
}

static void kill_daemon(void)
{
	end_daemon(SIGKILL);
}

/* Used to name no drive, if that was a node, and no reason. */
static void test_a_daemon_without_a_socket_says_whose_and_why(void)
{
	struct rlimit files, none;

	begin();
	drive.id = "";
	drive.kind = MP_DRIVE_DAEMON;
	getrlimit(RLIMIT_NOFILE, &files);
	none = (struct rlimit){0, files.rlim_max};
	setrlimit(RLIMIT_NOFILE, &none);
	T_EQ(open_server(NULL), -EMFILE);
	setrlimit(RLIMIT_NOFILE, &files);
	T_STR_EQ(error, "drive n0: cannot make a socket for its storage daemon, in XDG_RUNTIME_DIR "
			"or /tmp: Too many open files");
	end();
}

static void test_daemon_opens_an_image_and_serves_it(void)
{
	int sock[2];

	begin_qcow2();
	T_EQ(open_server(sock), 2);
	T_OK(greets(sock[0]));
	T_OK(greets(sock[1]));
	end();
}

static void test_image_that_is_not_there_is_named(void)
{
	int sock[2];

	begin_qcow2();
	use_image("none.qcow2");
	T_OK(open_server(sock) < 0);
	check_says("drive d0: Could not open");
	check_says("none.qcow2");
	end();
}

static void test_program_that_is_not_there_is_named_with_the_way_out(void)
{
	int sock[2];

	begin();
	use_image("disk.qcow2");
	cmd.storage_daemon = "no-such-daemon";
	T_EQ(open_server(sock), -ENOENT);
	check_says("cannot start no-such-daemon");
	check_says("--storage-daemon");
	end();
}

static int first_cpu(void)
{
	cpu_set_t ours;
	int cpu = 0;

	sched_getaffinity(0, sizeof(ours), &ours);
	while (!CPU_ISSET(cpu, &ours))
		cpu++;
	return cpu;
}

static void check_daemon_is_on(int cpu, int policy)
{
	pid_t pid = mp_daemon_pid(mp_server_daemon(server));
	cpu_set_t set;

	T_EQ(sched_getaffinity(pid, sizeof(set), &set), 0);
	T_EQ(CPU_COUNT(&set), 1);
	T_OK(CPU_ISSET(cpu, &set));
	T_EQ(sched_getscheduler(pid), policy);
}

static void test_daemon_runs_on_its_cpu(void)
{
	int sock[2];

	begin_qcow2();
	cmd.storage_daemon_cpu = first_cpu();
	T_EQ(open_server(sock), 2);
	check_daemon_is_on(first_cpu(), SCHED_OTHER);
	T_OK(greets(sock[0]));
	close(sock[1]);
	end();
}

static void test_daemon_beside_the_poller_lets_it_run_and_so_does_the_next(void)
{
	int sock[2];

	begin_qcow2();
	cmd.cpu = cmd.storage_daemon_cpu = first_cpu();
	T_EQ(open_server(sock), 2);
	check_daemon_is_on(first_cpu(), SCHED_BATCH);
	kill_daemon();
	check_daemon_is_on(first_cpu(), SCHED_BATCH);
	close(sock[0]);
	close(sock[1]);
	end();
}

static void check_no_such_cpu(int cpu, const char *named)
{
	int sock[2];

	begin_qcow2();
	cmd.storage_daemon_cpu = cpu;
	T_EQ(open_server(sock), -EINVAL);
	check_says(named);
	check_says("--storage-daemon-cpu names another");
	end();
}

static void test_cpu_that_is_not_there_is_named(void)
{
	check_no_such_cpu(CPU_SETSIZE - 1, "on CPU 1023: Invalid argument");
	check_no_such_cpu(65535, "on CPU 65535: Invalid argument");
}

static void test_program_that_never_serves_costs_its_time(void)
{
	int sock[2];

	begin();
	use_image("disk.qcow2");
	cmd.storage_daemon = "./mute";
	T_EQ(chdir(dir), 0);
	run("printf '#!/bin/sh\\nexec sleep 1000\\n' >%s/mute", dir);
	run("chmod +x %s/mute", dir);
	cmd.storage_daemon_start_ns = MP_NS_PER_SEC / 10;
	T_EQ(open_server(sock), -ETIMEDOUT);
	check_says("isn't ready in time; --storage-daemon-start");
	T_EQ(chdir("/"), 0);
	end();
}

static void test_killed_daemon_comes_back_on_the_same_socket(void)
{
	int sock[2];

	begin_qcow2();
	T_EQ(open_server(sock), 2);
	close(sock[0]);
	close(sock[1]);
	kill_daemon();
	T_OK(greets(mp_daemon_dial(mp_server_daemon(server))));
	end();
}

static void test_daemon_that_was_asked_to_end_comes_back_too(void)
{
	int sock[2];

	begin_qcow2();
	T_EQ(open_server(sock), 2);
	close(sock[0]);
	close(sock[1]);
	end_daemon(SIGTERM);
	T_OK(greets(mp_daemon_dial(mp_server_daemon(server))));
	end();
}

static void test_connection_made_while_no_daemon_lives_is_served_later(void)
{
	int sock[2], early;

	begin_qcow2();
	T_EQ(open_server(sock), 2);
	close(sock[0]);
	close(sock[1]);
	kill(mp_daemon_pid(mp_server_daemon(server)), SIGKILL);
	waitid(P_PID, (id_t)mp_daemon_pid(mp_server_daemon(server)), NULL, WEXITED | WNOWAIT);
	early = mp_daemon_dial(mp_server_daemon(server));
	T_OK(early >= 0);
	kill_daemon();
	T_OK(greets(early));
	end();
}

static void test_lost_connection_is_handed_over_again(void)
{
	int sock[2];

	begin_qcow2();
	T_EQ(open_server(sock), 2);
	close(sock[0]);
	close(sock[1]);
	mp_server_lost(server, 1);
	T_OK(greets(wait_again(1)));
	T_EQ(again_conn, 1);
	mp_server_lost(server, 0);
	T_OK(greets(wait_again(2)));
	T_EQ(again_conn, 0);
	mp_server_lost(server, 1000); /* a hostile worker's word */
	end();
}

/* A worker that was taken over could have its supervisor connect as fast as it can. */
static void test_connections_lost_all_the_time_come_back_ever_more_slowly(void)
{
	uint64_t end_ns = mp_clock_ns() + MP_NS_PER_SEC;
	unsigned int n;
	int sock[2];

	begin_qcow2();
	T_EQ(open_server(sock), 2);
	close(sock[0]);
	close(sock[1]);
	while (mp_clock_ns() < end_ns) {
		mp_server_lost(server, 0);
		mp_server_lost(server, 1);
		mp_server_lost(server, 31);
		usleep(100);
	}
	pthread_mutex_lock(&lock);
	n = n_again;
	pthread_mutex_unlock(&lock);
	/* At once, and after 50, 100, 200, 400 ms; each time both. */
	if (n > 12)
		t_fail(__FILE__, __LINE__, "%u connections in a second", n);
	end();
}

static void test_daemon_answers_commands_and_refuses_with_a_reason(void)
{
	json_t *nodes = NULL;
	char why[512];
	int sock[2];

	begin_qcow2();
	T_EQ(open_server(sock), 2);
	close(sock[0]);
	close(sock[1]);
	T_EQ(mp_daemon_command(mp_server_daemon(server), "query-named-block-nodes", NULL, &nodes,
			       why),
	     0);
	T_EQ(json_array_size(nodes), 2);
	json_decref(nodes);
	T_EQ(mp_daemon_command(mp_server_daemon(server), "block_resize",
			       json_pack("{s:s, s:i}", "node-name", "none", "size", 4096), NULL,
			       why),
	     -EREMOTEIO);
	T_OK(strstr(why, "none"));
	kill_daemon();
	T_EQ(mp_daemon_resize(mp_server_daemon(server), 16 << 20, why), 0);
	T_OK(greets(mp_daemon_dial(mp_server_daemon(server))));
	run("qemu-img info -U %s/disk.qcow2 | grep -q '16 MiB'", dir);
	T_EQ(mp_daemon_resize(mp_server_daemon(server), 1, why), -EREMOTEIO);
	T_OK(greets(mp_daemon_dial(mp_server_daemon(server))));
	end();
}

static void test_an_image_that_is_in_use_is_named(void)
{
	struct mp_server *other;
	int sock[2];

	begin_qcow2();
	T_EQ(open_server(sock), 2);
	other = server;
	T_EQ(open_server(sock), -ECONNRESET);
	check_says("drive d0: Failed to get \"write\" lock: Is another process using the image [");
	check_says("disk.qcow2]?");
	mp_server_destroy(other);
	end();
}

static void *watch(void *opaque)
{
	atomic_bool *over = opaque;

	while (!atomic_load_explicit(over, memory_order_relaxed))
		turn();
	return NULL;
}

/* It may still do what it was asked for, later: nobody knows whether it exports the image. */
static void test_a_daemon_that_does_not_answer_a_resize_is_started_again(void)
{
	atomic_bool over = false;
	pthread_t watcher;
	int sock[2], old;
	char why[512];

	begin_qcow2();
	cmd.storage_daemon_answer_ns = MP_NS_PER_SEC / 10;
	T_EQ(open_server(sock), 2);
	T_OK(greets(sock[0]));
	close(sock[1]);
	old = mp_daemon_pid(mp_server_daemon(server));
	kill(old, SIGSTOP);
	T_EQ(pthread_create(&watcher, NULL, watch, &over), 0);
	T_EQ(mp_daemon_resize(mp_server_daemon(server), 16 << 20, why), -ETIMEDOUT);
	T_STR_EQ(why, "it doesn't answer in time");
	T_OK(greets(mp_daemon_dial(mp_server_daemon(server))));
	T_OK(mp_daemon_pid(mp_server_daemon(server)) != old);
	cmd.storage_daemon_answer_ns = 0;
	T_EQ(mp_daemon_resize(mp_server_daemon(server), 16 << 20, why), 0);
	T_OK(greets(mp_daemon_dial(mp_server_daemon(server))));
	atomic_store_explicit(&over, true, memory_order_relaxed);
	pthread_join(watcher, NULL);
	end();
}

static bool gives_up(void *opaque)
{
	return true;
}

static void test_nobody_waits_for_a_daemon_any_more(void)
{
	struct mp_server_cfg cfg = {
		.cmd = &cmd, .drive = &drive, .again = again, .give_up = gives_up};
	char mute[128];
	int sock[2];

	begin_qcow2();
	cmd.storage_daemon_start_ns = 0;
	snprintf(mute, sizeof(mute), "%s/mute", dir);
	run("printf '#!/bin/sh\ntrap \"\" TERM; exec sleep 1000\n' >%s && chmod +x %1$s", mute);
	cmd.storage_daemon = mute;
	T_EQ(mp_server_create(&cfg, &server, error, sizeof(error)), 0);
	T_EQ(mp_server_spawn(server, error, sizeof(error)), 0);
	T_EQ(mp_server_open(server, sock, error, sizeof(error)), -EINTR);
	check_says("isn't waited for any more");
	end();
}

/* It may be in the middle of a resize, and goes on with that. */
static void test_a_daemon_that_is_not_waited_for_any_more_is_not_killed(void)
{
	struct mp_server_cfg cfg = {
		.cmd = &cmd, .drive = &drive, .again = again, .give_up = gives_up};
	char why[512];
	int sock[2], pid;

	begin_qcow2();
	T_EQ(mp_server_create(&cfg, &server, error, sizeof(error)), 0);
	T_EQ(mp_server_spawn(server, error, sizeof(error)), 0);
	while (mp_server_open(server, sock, error, sizeof(error)) == -EINTR)
		continue;
	close(sock[0]);
	close(sock[1]);
	pid = mp_daemon_pid(mp_server_daemon(server));
	kill(pid, SIGSTOP);
	T_EQ(mp_daemon_resize(mp_server_daemon(server), 16 << 20, why), -EINTR);
	T_STR_EQ(why, "interrupted");
	kill(pid, SIGCONT);
	T_EQ(mp_daemon_resize(mp_server_daemon(server), 16 << 20, why), 0);
	T_EQ(mp_daemon_pid(mp_server_daemon(server)), pid);
	T_OK(greets(mp_daemon_dial(mp_server_daemon(server))));
	end();
}

static void check_no_folder(void)
{
	char line[128];

	snprintf(line, sizeof(line), "ls -d %s/mpring.* 2>/dev/null", dir);
	T_OK(system(line) != 0);
}

static void test_nothing_is_left_of_a_daemon(void)
{
	int sock[2], pid;

	begin_qcow2();
	T_EQ(open_server(sock), 2);
	close(sock[0]);
	close(sock[1]);
	pid = mp_daemon_pid(mp_server_daemon(server));
	/* Nor could be, should nobody be left to remove it. */
	check_no_folder();
	server = mp_server_destroy(server);
	T_EQ(kill(pid, 0), -1);
	check_no_folder();
	end();
}

/* A listening TCP socket on this machine, with its port in @port. */
static int listen_tcp(char port[8])
{
	struct sockaddr_in addr = {.sin_family = AF_INET,
				   .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	socklen_t len = sizeof(addr);
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	T_EQ(bind(fd, (struct sockaddr *)&addr, len), 0);
	T_EQ(getsockname(fd, (struct sockaddr *)&addr, &len), 0);
	T_EQ(listen(fd, 8), 0);
	snprintf(port, 8, "%u", ntohs(addr.sin_port));
	return fd;
}

static void use_tcp(const char *host, const char *port)
{
	drive.kind = MP_DRIVE_NBD;
	drive.nbd.host = host;
	drive.nbd.port = port;
	drive.nbd.export_name = "";
}

static void test_server_elsewhere_is_dialled_as_often_as_wanted(void)
{
	int sock[2], fd;
	char port[8];

	begin();
	fd = listen_tcp(port);
	use_tcp("127.0.0.1", port);
	T_EQ(open_server(sock), 2);
	close(sock[0]);
	close(sock[1]);
	end();
	close(fd);
}

static void test_server_that_refuses_is_named(void)
{
	int sock[2];
	char port[8];

	begin();
	close(listen_tcp(port));
	use_tcp("127.0.0.1", port);
	T_EQ(open_server(sock), -ECONNREFUSED);
	check_says("drive d0: cannot reach NBD server 127.0.0.1, port ");
	end();
	begin();
	drive.kind = MP_DRIVE_NBD;
	drive.nbd.path = "/nonexistent/socket";
	T_EQ(open_server(sock), -ENOENT);
	check_says("cannot reach NBD server at /nonexistent/socket");
	end();
}

static void test_server_that_comes_back_later_is_found(void)
{
	struct sockaddr_un addr = {.sun_family = AF_UNIX};
	int sock[2], fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0), taken;

	begin();
	snprintf(addr.sun_path, sizeof(addr.sun_path), "%s/later", dir);
	drive.kind = MP_DRIVE_NBD;
	drive.nbd.path = addr.sun_path;
	T_EQ(bind(fd, (struct sockaddr *)&addr, sizeof(addr)), 0);
	T_EQ(listen(fd, 8), 0);
	T_EQ(open_server(sock), 2);
	close(sock[0]);
	close(sock[1]);
	close(fd);
	unlink(addr.sun_path);
	mp_server_lost(server, 0);
	usleep(200000); /* nothing hangs on it: so that some attempts fail first */
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	T_EQ(bind(fd, (struct sockaddr *)&addr, sizeof(addr)), 0);
	T_EQ(listen(fd, 8), 0);
	taken = wait_again(1);
	T_OK(taken >= 0);
	close(taken);
	close(fd);
	end();
}

T_MAIN(T_TEST(test_a_daemon_without_a_socket_says_whose_and_why),
       T_TEST(test_daemon_opens_an_image_and_serves_it),
       T_TEST(test_image_that_is_not_there_is_named),
       T_TEST(test_program_that_is_not_there_is_named_with_the_way_out),
       T_TEST(test_daemon_runs_on_its_cpu),
       T_TEST(test_daemon_beside_the_poller_lets_it_run_and_so_does_the_next),
       T_TEST(test_cpu_that_is_not_there_is_named),
       T_TEST(test_program_that_never_serves_costs_its_time),
       T_TEST(test_killed_daemon_comes_back_on_the_same_socket),
       T_TEST(test_daemon_that_was_asked_to_end_comes_back_too),
       T_TEST(test_connection_made_while_no_daemon_lives_is_served_later),
       T_TEST(test_lost_connection_is_handed_over_again),
       T_TEST(test_connections_lost_all_the_time_come_back_ever_more_slowly),
       T_TEST(test_daemon_answers_commands_and_refuses_with_a_reason),
       T_TEST(test_a_daemon_that_does_not_answer_a_resize_is_started_again),
       T_TEST(test_an_image_that_is_in_use_is_named),
       T_TEST(test_nobody_waits_for_a_daemon_any_more),
       T_TEST(test_a_daemon_that_is_not_waited_for_any_more_is_not_killed),
       T_TEST(test_nothing_is_left_of_a_daemon),
       T_TEST(test_server_elsewhere_is_dialled_as_often_as_wanted),
       T_TEST(test_server_that_refuses_is_named),
       T_TEST(test_server_that_comes_back_later_is_found))
