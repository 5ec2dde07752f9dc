/* SPDX-License-Identifier: BSD-3-Clause */
/* The program with a drive that makes it two processes, and a daemon: how they end. */
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/bytes.h"
#include "base/clock.h"
#include "tests/lib/t.h"
#include "tests/unit/remote-worker/rig.h"

#define DATA_OFF 0x100000u

static const char *exe;
static struct rig rig;
static char dir[64];
static pid_t worker, daemon_pid;

static void run(const char *fmt)
{
	char line[512];

	snprintf(line, sizeof(line), fmt, dir, dir);
	if (system(line) != 0)
		t_fail(__FILE__, __LINE__, "'%s' fails", line);
}

static bool is_called(int pid, const char *name)
{
	char path[64], comm[32] = "";
	FILE *f;

	snprintf(path, sizeof(path), "/proc/%d/comm", pid);
	f = fopen(path, "re");
	if (f && !fgets(comm, sizeof(comm), f))
		comm[0] = '\0';
	if (f)
		fclose(f);
	return strncmp(comm, name, strlen(name)) == 0;
}

/* The child of the supervisor with that name; waits for it. */
static pid_t child(const char *name)
{
	uint64_t end_ns = mp_clock_ns() + RIG_WAIT_NS;
	char path[64];
	int pid, found = 0;
	FILE *f;

	snprintf(path, sizeof(path), "/proc/%d/task/%d/children", rig.pid, rig.pid);
	while (!found && mp_clock_ns() < end_ns) {
		f = fopen(path, "re");
		while (f && !found && fscanf(f, "%d", &pid) == 1)
			if (is_called(pid, name))
				found = pid;
		if (f)
			fclose(f);
	}
	T_OK(found > 0);
	return found;
}

static void start(void)
{
	struct rig_io io = {.dev = 0};
	char options[256];

	if (system("qemu-storage-daemon --version >/dev/null 2>&1") != 0)
		t_skip("no qemu-storage-daemon; install qemu-utils");
	snprintf(dir, sizeof(dir), "/tmp/test-supervised.XXXXXX");
	T_OK(mkdtemp(dir));
	setenv("XDG_RUNTIME_DIR", dir, 1);
	run("qemu-img create -q -f qcow2 %s/disk.qcow2 4M");
	snprintf(options, sizeof(options),
		 "-drive id=d0,file=%s/disk.qcow2,format=qcow2 -device scsi-hd,drive=d0", dir);
	rig_spawn(&rig, exe, 1, options);
	rig_link(&rig, MP_FEAT_PAUSE);
	while (rig_command(&rig, &io) == 2)
		;
	worker = child("mpring-worker");
	daemon_pid = child("qemu-storage-da");
}

static void check_gone(pid_t pid)
{
	uint64_t end_ns = mp_clock_ns() + RIG_WAIT_NS;

	while (kill(pid, 0) == 0 && mp_clock_ns() < end_ns)
		usleep(1000);
	T_EQ(kill(pid, 0), -1);
}

/* Returns the wait status of the one that was started. */
static int stop(void)
{
	int status = rig_stop(&rig);

	check_gone(worker);
	check_gone(daemon_pid);
	run("rmdir %s/mpring.* 2>/dev/null; qemu-img check -q %s/disk.qcow2");
	return status;
}

static void write_something(void)
{
	memset(rig.ram + DATA_OFF, 0x5a, 4096);
	T_EQ(rig_write(&rig, 0, 8, 8, DATA_OFF), 0);
}

/* In the image, where no process has it open any more. */
static void check_written(void)
{
	run("qemu-img convert -O raw %s/disk.qcow2 %s/out.raw");
	run("test $(tr -d '\\0' <%s/out.raw | wc -c) = 4096");
}

static void clean(void)
{
	run("rm -r %s");
}

static void test_proxy_that_leaves_ends_all_of_them(void)
{
	start();
	write_something();
	T_EQ(stop(), 0);
	check_written();
	clean();
}

static void test_signal_to_end_ends_all_of_them_in_order(void)
{
	start();
	write_something();
	kill(rig.pid, SIGTERM);
	T_OK(rig_worker_hung_up(&rig, 0));
	T_EQ(stop(), 0);
	check_written();
	clean();
}

static void test_killed_worker_shows_in_the_status_of_the_supervisor(void)
{
	int status;

	start();
	kill(worker, SIGKILL);
	status = stop();
	T_OK(WIFSIGNALED(status));
	T_EQ(WTERMSIG(status), SIGKILL);
	clean();
}

static void test_supervisor_holds_no_socket_of_a_proxy(void)
{
	start();
	kill(rig.pid, SIGSTOP);
	kill(worker, SIGKILL);
	T_OK(rig_worker_hung_up(&rig, 0));
	kill(rig.pid, SIGCONT);
	T_OK(WIFSIGNALED(stop()));
	clean();
}

static void test_killed_supervisor_takes_nothing_that_was_written_with_it(void)
{
	start();
	write_something();
	kill(rig.pid, SIGKILL);
	T_OK(rig_worker_hung_up(&rig, 0));
	T_OK(WIFSIGNALED(stop()));
	check_written();
	clean();
}

static void test_killed_daemon_is_replaced_and_loses_nothing(void)
{
	start();
	write_something();
	kill(daemon_pid, SIGKILL);
	check_gone(daemon_pid);
	T_EQ(rig_read(&rig, 0, 8, 8, DATA_OFF), 0);
	T_EQ(rig.ram[DATA_OFF + 4095], 0x5a);
	daemon_pid = child("qemu-storage-da");
	T_EQ(stop(), 0);
	check_written();
	clean();
}

/* As a service manager does it. Used to wait for half a minute, and then to give up what wasn't flushed. */
static void test_daemon_and_worker_that_are_ended_together_lose_nothing(void)
{
	start();
	write_something();
	kill(daemon_pid, SIGKILL);
	kill(worker, SIGTERM);
	kill(rig.pid, SIGTERM);
	T_OK(rig_worker_hung_up(&rig, 0));
	T_EQ(stop(), 0);
	check_written();
	clean();
}

static int run_program(const char *options)
{
	char line[512];

	snprintf(line, sizeof(line), "%s -device lsi53c895a,id=lsi0 --listen %s/lsi0 %s 2>%s/err",
		 exe, dir, options, dir);
	return system(line);
}

static void test_image_that_cannot_be_opened_is_an_error_that_names_it(void)
{
	int status;

	start();
	T_EQ(stop(), 0);
	status = run_program("-drive id=d0,file=/nonexistent/x.qcow2,format=qcow2 "
			     "-device scsi-hd,drive=d0");
	T_EQ(WEXITSTATUS(status), 1);
	run("grep -q 'drive d0: .*/nonexistent/x.qcow2.*No such file' %s/err");
	status = run_program("-drive id=d0,file=nbd+unix:///e?socket=/nonexistent/s "
			     "-device scsi-hd,drive=d0");
	T_EQ(WEXITSTATUS(status), 1);
	run("grep -q 'drive d0: cannot reach NBD server at /nonexistent/s' %s/err");
	clean();
}

int main(int argc, char **argv)
{
	static const struct t_test tests[] = {
		T_TEST(test_proxy_that_leaves_ends_all_of_them),
		T_TEST(test_signal_to_end_ends_all_of_them_in_order),
		T_TEST(test_killed_worker_shows_in_the_status_of_the_supervisor),
		T_TEST(test_supervisor_holds_no_socket_of_a_proxy),
		T_TEST(test_killed_supervisor_takes_nothing_that_was_written_with_it),
		T_TEST(test_killed_daemon_is_replaced_and_loses_nothing),
		T_TEST(test_daemon_and_worker_that_are_ended_together_lose_nothing),
		T_TEST(test_image_that_cannot_be_opened_is_an_error_that_names_it),
	};

	if (argc < 2)
		return 2;
	exe = argv[1];
	return t_run(tests, sizeof(tests) / sizeof(tests[0]), argc - 1, argv + 1);
}
