/* SPDX-License-Identifier: BSD-3-Clause */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/pidfd.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "launcher/spawn.h"
#include "tests/lib/t.h"

static const struct mp_spawn_fds no_fds = {.stdio_null = 1};

static int spawn2(struct mp_child *c, const char *program, const char *arg,
		  const struct mp_spawn_fds *fds)
{
	struct mp_args args = MP_ARGS_NULL;
	int r;

	*c = MP_CHILD_NULL;
	mp_args_add(&args, "%s", program);
	mp_args_add(&args, "%s", arg);
	r = mp_spawn(c, &args, fds);
	mp_args_fini(&args);
	return r;
}

static void test_missing_program_is_an_error_not_an_exit_status(void)
{
	struct mp_child c;

	T_EQ(spawn2(&c, "/no/such/program", "x", &no_fds), -ENOENT);
	T_EQ(c.pidfd, -1);
}

static void test_end_is_seen_with_its_status(void)
{
	struct mp_child c;
	char how[64];

	T_EQ(spawn2(&c, "false", "x", &no_fds), 0);
	T_OK(mp_child_reap(&c, mp_clock_ns() + 10 * MP_NS_PER_SEC));
	mp_child_describe_end(&c, how, sizeof(how));
	T_STR_EQ(how, "exit status 1");
}

static void test_stop_ends_a_child_that_would_go_on(void)
{
	struct mp_child c;
	char how[64];

	T_EQ(spawn2(&c, "sleep", "1000", &no_fds), 0);
	T_OK(!mp_child_reap(&c, 0));
	mp_child_stop(&c, MP_NS_PER_SEC);
	mp_child_describe_end(&c, how, sizeof(how));
	T_STR_EQ(how, "killed by signal 15 (Terminated)");
}

static void test_only_promised_descriptors_are_inherited(void)
{
	int kept[2], other[2], status;
	char command[128];
	struct mp_child c;
	struct mp_spawn_fds fds = {.fds = &kept[1], .n = 1, .stdio_null = 1};
	struct mp_args args = MP_ARGS_NULL;

	T_EQ(pipe2(kept, O_CLOEXEC), 0);
	T_EQ(pipe2(other, O_CLOEXEC), 0);
	snprintf(command, sizeof(command), "test -e /proc/self/fd/%d && ! test -e /proc/self/fd/%d",
		 kept[1], other[1]);
	c = MP_CHILD_NULL;
	mp_args_add(&args, "sh");
	mp_args_add2(&args, "-c", "%s", command);
	T_EQ(mp_spawn(&c, &args, &fds), 0);
	mp_args_fini(&args);
	T_OK(mp_child_reap(&c, mp_clock_ns() + 10 * MP_NS_PER_SEC));
	status = c.status;
	close(kept[0]);
	close(kept[1]);
	close(other[0]);
	close(other[1]);
	T_EQ(status, 0);
}

/* The parent is killed, so it can't clean up; the kernel must. */
static void test_child_dies_with_a_killed_parent(void)
{
	struct pollfd pfd = {.events = POLLIN};
	struct mp_child c;
	int fds[2];
	pid_t parent, child;

	T_EQ(pipe2(fds, O_CLOEXEC), 0);
	fflush(NULL);
	parent = fork();
	if (parent == 0) {
		if (spawn2(&c, "sleep", "1000", &no_fds) == 0)
			(void)!write(fds[1], &c.pid, sizeof(c.pid));
		pause();
	}
	T_EQ(read(fds[0], &child, sizeof(child)), (ssize_t)sizeof(child));
	pfd.fd = pidfd_open(child, 0);
	T_OK(pfd.fd >= 0);
	kill(parent, SIGKILL);
	waitpid(parent, NULL, 0);
	T_EQ(poll(&pfd, 1, 10000), 1);
	close(pfd.fd);
	close(fds[0]);
	close(fds[1]);
}

static void test_cpu_time_has_that_of_children(void)
{
	static const char burn[] = "( i=0; while :; do i=$((i + 1)); done ) & echo; wait";
	const uint64_t deadline = mp_clock_ns() + 20 * MP_NS_PER_SEC;
	struct mp_args args = MP_ARGS_NULL;
	struct mp_child c = MP_CHILD_NULL;

	mp_args_add(&args, "sh");
	mp_args_add2(&args, "-c", "%s", burn);
	T_EQ(mp_spawn(&c, &args, &no_fds), 0);
	mp_args_fini(&args);
	/* The shell itself only waits. */
	while (mp_child_cpu_ns(&c) < MP_NS_PER_SEC / 5 && mp_clock_ns() < deadline)
		;
	T_OK(mp_child_cpu_ns(&c) >= MP_NS_PER_SEC / 5);
	kill(-c.pid, SIGKILL); /* its group: the child in the background too */
	T_OK(mp_child_reap(&c, mp_clock_ns() + 10 * MP_NS_PER_SEC));
}

static void test_child_runs_only_where_it_may(void)
{
	struct mp_spawn_fds fds = {.stdio_null = 1};
	struct mp_child c;
	cpu_set_t mine, one, of_child;
	int cpu = 0;

	T_EQ(sched_getaffinity(0, sizeof(mine), &mine), 0);
	while (!CPU_ISSET(cpu, &mine))
		cpu++;
	CPU_ZERO(&one);
	CPU_SET(cpu, &one);
	fds.cpus = &one;
	T_EQ(spawn2(&c, "sleep", "1000", &fds), 0);
	T_EQ(sched_getaffinity(c.pid, sizeof(of_child), &of_child), 0);
	T_OK(CPU_EQUAL(&one, &of_child));
	mp_child_stop(&c, 0);
}

T_MAIN(T_TEST(test_missing_program_is_an_error_not_an_exit_status),
       T_TEST(test_end_is_seen_with_its_status), T_TEST(test_stop_ends_a_child_that_would_go_on),
       T_TEST(test_only_promised_descriptors_are_inherited),
       T_TEST(test_child_dies_with_a_killed_parent), T_TEST(test_cpu_time_has_that_of_children),
       T_TEST(test_child_runs_only_where_it_may))
