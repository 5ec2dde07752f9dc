/* SPDX-License-Identifier: BSD-3-Clause */
/* The program mpring-worker with adapters whose proxies connect to a path. */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "tests/lib/t.h"
#include "tests/unit/remote-worker/rig.h"
#include "tests/unit/remote-worker/rig_stock.h"

#define HBA       "-device lsi53c895a,id=lsi0 "
#define DISK      "-drive id=d0,driver=null-co -device scsi-hd,drive=d0,bus=lsi0.0,scsi-id=0 "
#define DSTAT_DFE 0x80 /* the DMA FIFO is empty: what an idle chip says */

static const char *exe;
static struct rig rig;
static char dir[64], path[128], options[1024];

static void setup(void)
{
	snprintf(dir, sizeof(dir), "/tmp/mpring-test-XXXXXX");
	T_OK(mkdtemp(dir) != NULL);
	snprintf(path, sizeof(path), "%s/lsi0", dir);
}

static void teardown(void)
{
	(void)!unlink(path);
	T_EQ(rmdir(dir), 0);
}

/* Starts a worker; "%s" in the options is the path. */
static void spawn(const char *fmt)
{
	snprintf(options, sizeof(options), fmt, path);
	rig_spawn_bare(&rig, exe, options);
}

static void link_and_look(void)
{
	rig_connect(&rig, path);
	rig_link(&rig, 0);
	T_EQ(rig_read8(&rig, 0, LSI_DSTAT), DSTAT_DFE);
	T_EQ(rig_command(&rig, &(struct rig_io){.dev = 0}), 2); /* unit attention */
}

static int open_listener(void)
{
	struct sockaddr_un addr = {.sun_family = AF_UNIX};
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	snprintf(addr.sun_path, sizeof(addr.sun_path), "%.100s", path);
	T_EQ(bind(fd, (struct sockaddr *)&addr, sizeof(addr)), 0);
	T_EQ(listen(fd, 4), 0);
	return fd;
}

/* Exit status of a worker that can't start. */
static int wait_for_end(void)
{
	int status;

	T_EQ(waitpid(rig.pid, &status, 0), rig.pid);
	close(rig.ram_fd);
	return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

static void test_object_with_a_path_is_met_there_and_ends_with_its_proxy(void)
{
	setup();
	spawn(HBA DISK "-object x-remote-object,id=o,devid=lsi0,socket=%s");
	link_and_look();
	T_EQ(rig_stop(&rig), 0);
	teardown();
}

static void test_listen_option_is_for_the_next_adapter(void)
{
	setup();
	spawn(HBA DISK "--listen %s");
	link_and_look();
	T_EQ(rig_stop(&rig), 0);
	teardown();
}

static void test_proxy_may_be_there_before_its_worker(void)
{
	pid_t connector;
	int status;

	setup();
	connector = fork();
	if (connector == 0)
		_exit(mp_link_connect(path, RIG_WAIT_NS) < 0);
	/* It finds nobody at first, if it is fast; either way it ends well. */
	spawn(HBA DISK "--listen %s");
	T_EQ(waitpid(connector, &status, 0), connector);
	T_EQ(status, 0);
	T_EQ(kill(rig.pid, SIGTERM), 0);
	T_EQ(rig_stop(&rig), 0);
	teardown();
}

/* As a second worker does before it listens, or a script that waits for the path. */
static void test_who_only_looks_is_no_proxy(void)
{
	setup();
	spawn(HBA DISK "--listen %s");
	for (unsigned int i = 0; i < 3; i++) {
		rig_connect(&rig, path);
		close(rig.dev[0].sock);
	}
	link_and_look();
	T_EQ(rig_stop(&rig), 0);
	teardown();
}

static void test_one_that_stays_meets_one_proxy_after_the_other(void)
{
	setup();
	spawn("-machine x-remote,auto-shutdown=off " HBA DISK "--listen %s");
	for (unsigned int i = 0; i < 3; i++) {
		link_and_look();
		rig_unlink(&rig);
	}
	T_EQ(kill(rig.pid, SIGTERM), 0);
	T_EQ(rig_stop(&rig), 0);
	teardown();
}

static uint64_t cpu_ns(void)
{
	struct timespec ts;
	clockid_t clock;

	T_EQ(clock_getcpuclockid(rig.pid, &clock), 0);
	T_EQ(clock_gettime(clock, &ts), 0);
	return (uint64_t)ts.tv_sec * MP_NS_PER_SEC + (uint64_t)ts.tv_nsec;
}

/* Used to try again and again, as fast as it could. */
static void test_who_has_no_descriptor_for_a_proxy_waits_for_one(void)
{
	const struct timespec while_ns = {.tv_nsec = 400000000};
	struct rlimit before, few;
	uint64_t begun_ns;

	setup();
	spawn("-machine x-remote,auto-shutdown=off --poll sleep " HBA DISK "--listen %s");
	link_and_look();
	rig_unlink(&rig);
	T_EQ(prlimit(rig.pid, RLIMIT_NOFILE, NULL, &before), 0);
	few = (struct rlimit){5, before.rlim_max};
	T_EQ(prlimit(rig.pid, RLIMIT_NOFILE, &few, NULL), 0);
	rig_connect(&rig, path);
	begun_ns = cpu_ns();
	nanosleep(&while_ns, NULL);
	T_OK(cpu_ns() - begun_ns < 40000000);
	T_EQ(prlimit(rig.pid, RLIMIT_NOFILE, &before, NULL), 0);
	rig_link(&rig, 0);
	T_EQ(rig_read8(&rig, 0, LSI_DSTAT), DSTAT_DFE);
	T_EQ(kill(rig.pid, SIGTERM), 0);
	T_EQ(rig_stop(&rig), 0);
	teardown();
}

/* It is the core that sees a stock proxy leave, and it tells it once. */
static void test_one_that_stays_meets_stock_proxies_too(void)
{
	setup();
	spawn("-machine x-remote,auto-shutdown=off " HBA DISK "--listen %s");
	for (unsigned int i = 0; i < 3; i++) {
		rig_connect(&rig, path);
		rig_stock_link(&rig);
		rig_stock_settle(&rig, 0);
		T_EQ(rig_command(&rig, &(struct rig_io){.dev = 0}), 2);
		rig_stock_close(&rig, 0);
		rig.dev[0].stock = false;
	}
	link_and_look();
	T_EQ(kill(rig.pid, SIGTERM), 0);
	T_EQ(rig_stop(&rig), 0);
	teardown();
}

/* Nobody is served twice: the second one waits until the first has left. */
static void test_second_proxy_waits_for_the_first_to_leave(void)
{
	int second;

	setup();
	spawn("-machine x-remote,auto-shutdown=off " HBA DISK "--listen %s");
	link_and_look();
	second = mp_link_connect(path, RIG_WAIT_NS);
	T_OK(second >= 0);
	T_EQ(rig_read8(&rig, 0, LSI_DSTAT), DSTAT_DFE);
	rig_unlink(&rig);
	rig.dev[0].sock = second;
	rig_link(&rig, 0);
	T_EQ(rig_command(&rig, &(struct rig_io){.dev = 0}), 2);
	T_EQ(kill(rig.pid, SIGTERM), 0);
	T_EQ(rig_stop(&rig), 0);
	teardown();
}

static void test_one_that_stays_outlives_a_proxy_that_talks_nonsense(void)
{
	static const char nonsense[64] = "GET / HTTP/1.1\r\n\r\n";
	struct pollfd pfd;
	char byte;

	setup();
	spawn("-machine x-remote,auto-shutdown=off " HBA DISK "--listen %s");
	rig_connect(&rig, path);
	T_EQ(send(rig.dev[0].sock, nonsense, sizeof(nonsense), MSG_NOSIGNAL), sizeof(nonsense));
	pfd = (struct pollfd){.fd = rig.dev[0].sock, .events = POLLIN};
	T_EQ(poll(&pfd, 1, RIG_WAIT_MS), 1);
	T_OK(recv(rig.dev[0].sock, &byte, 1, 0) <= 0);
	close(rig.dev[0].sock);
	link_and_look();
	T_EQ(kill(rig.pid, SIGTERM), 0);
	T_EQ(rig_stop(&rig), 0);
	teardown();
}

static void test_socket_file_that_nobody_answers_on_is_replaced(void)
{
	setup();
	close(open_listener());
	spawn(HBA DISK "--listen %s");
	link_and_look();
	T_EQ(rig_stop(&rig), 0);
	teardown();
}

static void test_path_that_somebody_listens_on_is_left_alone(void)
{
	int fd;

	setup();
	fd = open_listener();
	spawn(HBA DISK "--listen %s");
	T_EQ(wait_for_end(), 1);
	T_EQ(access(path, F_OK), 0);
	close(fd);
	teardown();
}

/* A connection that can't be made now is no sign of death. */
static void test_listener_with_a_full_queue_is_left_alone(void)
{
	struct sockaddr_un addr = {.sun_family = AF_UNIX};
	int fd, client[16], n = 0;

	setup();
	fd = open_listener();
	T_EQ(listen(fd, 0), 0);
	snprintf(addr.sun_path, sizeof(addr.sun_path), "%.100s", path);
	do
		client[n] = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	while (connect(client[n++], (struct sockaddr *)&addr, sizeof(addr)) == 0 && n < 16);
	T_EQ(errno, EAGAIN);
	spawn(HBA DISK "--listen %s");
	T_EQ(wait_for_end(), 1);
	while (n > 0)
		close(client[--n]);
	close(fd);
	teardown();
}

static void test_file_that_is_no_socket_is_left_alone(void)
{
	int fd;

	setup();
	fd = open(path, O_CREAT | O_WRONLY | O_CLOEXEC, 0600);
	T_EQ(write(fd, "x", 1), 1);
	close(fd);
	spawn(HBA DISK "--listen %s");
	T_EQ(wait_for_end(), 1);
	T_EQ(access(path, F_OK), 0);
	teardown();
}

static void test_listening_socket_may_be_inherited(void)
{
	int fd;

	setup();
	fd = open_listener();
	T_EQ(fcntl(fd, F_SETFD, 0), 0);
	snprintf(options, sizeof(options), "%d " HBA DISK, fd);
	rig_spawn_bare(&rig, exe, options);
	close(fd);
	link_and_look();
	T_EQ(rig_stop(&rig), 0);
	teardown();
}

/* As systemd does it: file 3, and a note for the process. */
static void test_service_managers_socket_is_taken(void)
{
	int third = fcntl(3, F_DUPFD_CLOEXEC, 4), fd;

	setup();
	fd = open_listener();
	if (fd != 3)
		T_EQ(dup2(fd, 3), 3);
	T_EQ(fcntl(3, F_SETFD, 0), 0);
	T_EQ(setenv("LISTEN_FDS", "1", 1), 0);
	rig_spawn_bare(&rig, exe, HBA DISK);
	T_EQ(unsetenv("LISTEN_FDS"), 0);
	close(fd);
	if (third >= 0)
		T_EQ(dup2(third, 3), 3);
	else
		close(3);
	link_and_look();
	T_EQ(rig_stop(&rig), 0);
	teardown();
}

int main(int argc, char **argv)
{
	static const struct t_test tests[] = {
		T_TEST(test_object_with_a_path_is_met_there_and_ends_with_its_proxy),
		T_TEST(test_listen_option_is_for_the_next_adapter),
		T_TEST(test_proxy_may_be_there_before_its_worker),
		T_TEST(test_who_only_looks_is_no_proxy),
		T_TEST(test_one_that_stays_meets_one_proxy_after_the_other),
		T_TEST(test_who_has_no_descriptor_for_a_proxy_waits_for_one),
		T_TEST(test_one_that_stays_meets_stock_proxies_too),
		T_TEST(test_second_proxy_waits_for_the_first_to_leave),
		T_TEST(test_one_that_stays_outlives_a_proxy_that_talks_nonsense),
		T_TEST(test_socket_file_that_nobody_answers_on_is_replaced),
		T_TEST(test_path_that_somebody_listens_on_is_left_alone),
		T_TEST(test_listener_with_a_full_queue_is_left_alone),
		T_TEST(test_file_that_is_no_socket_is_left_alone),
		T_TEST(test_listening_socket_may_be_inherited),
		T_TEST(test_service_managers_socket_is_taken),
	};

	exe = argv[1];
	return t_run(tests, sizeof(tests) / sizeof(tests[0]), argc, argv);
}
