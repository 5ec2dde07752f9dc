/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A child between fork() and exec() does only what is safe there. It learns
 * of a parent that died before PR_SET_PDEATHSIG took effect by comparing
 * getppid(). A close-on-exec pipe tells the parent how exec() went: closed
 * without a byte means that the program runs.
 *
 * Descriptors keep their numbers, so a number on a command line is the same
 * in the launcher, in the child and in --dry-run. All ours are close-on-exec;
 * the child clears that flag on the ones it was promised.
 */
#include "launcher/spawn.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/pidfd.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/err.h"

#define MAX_GENERATIONS 3

static void child_stdio(void)
{
	int fd = open("/dev/null", O_RDWR);

	if (fd < 0)
		return;
	dup2(fd, STDIN_FILENO);
	dup2(fd, STDOUT_FILENO);
	if (fd > STDERR_FILENO)
		close(fd);
}

static void child_run(const struct mp_args *args, const struct mp_spawn_fds *fds, pid_t parent,
		      int report)
{
	sigset_t none;
	int r = 0;

	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	if (prctl(PR_SET_PDEATHSIG, SIGKILL) < 0 || getppid() != parent)
		_exit(127);
	if (fds->stdio_null) {
		/* Ctrl-C on the terminal is for the launcher, which then ends us. */
		setpgid(0, 0);
		child_stdio();
	}
	if (fds->cpus && sched_setaffinity(0, sizeof(*fds->cpus), fds->cpus) < 0)
		r = errno;
	for (unsigned int i = 0; i < fds->n; i++)
		if (fcntl(fds->fds[i], F_SETFD, 0) < 0)
			r = errno;
	if (r == 0) {
		execvp(args->v[0], args->v);
		r = errno;
	}
	(void)!write(report, &r, sizeof(r));
	_exit(127);
}

static int pidfd_of(pid_t pid)
{
	int fd = pidfd_open(pid, 0);

	return fd < 0 ? mp_err_origin(-errno) : fd;
}

int mp_spawn(struct mp_child *c, const struct mp_args *args, const struct mp_spawn_fds *fds)
{
	MP_CLEANUP_FD int readable = -1;
	MP_CLEANUP_FD int writable = -1;
	int pipe_fds[2], failure = 0, pidfd;
	pid_t parent = getpid(), pid;

	if (pipe2(pipe_fds, O_CLOEXEC) < 0)
		return mp_err_origin(-errno);
	readable = pipe_fds[0];
	writable = pipe_fds[1];
	fflush(NULL);
	pid = fork();
	if (pid < 0)
		return mp_err_origin(-errno);
	if (pid == 0)
		child_run(args, fds, parent, writable);
	mp_fd_close(&writable);
	pidfd = pidfd_of(pid);
	if (read(readable, &failure, sizeof(failure)) != sizeof(failure))
		failure = 0;
	if (failure || pidfd < 0) {
		kill(pid, SIGKILL); /* not reaped yet, so the number is still its own */
		waitpid(pid, NULL, 0);
		mp_fd_close(&pidfd);
		return mp_err_origin(failure ? -failure : -EMFILE);
	}
	c->pid = pid;
	c->pidfd = pidfd;
	c->status = 0;
	return 0;
}

bool mp_child_reap(struct mp_child *c, uint64_t deadline_ns)
{
	struct pollfd pfd = {.fd = c->pidfd, .events = POLLIN};
	uint64_t now = mp_clock_ns();
	int ms = deadline_ns > now ? (int)((deadline_ns - now) / 1000000) + 1 : 0;

	if (c->pidfd < 0)
		return true;
	if (poll(&pfd, 1, ms) <= 0)
		return false;
	waitpid(c->pid, &c->status, 0);
	mp_fd_close(&c->pidfd);
	return true;
}

void mp_child_signal(const struct mp_child *c, int sig)
{
	if (c->pidfd >= 0)
		pidfd_send_signal(c->pidfd, sig, NULL, 0);
}

void mp_child_stop(struct mp_child *c, uint64_t grace_ns)
{
	if (c->pidfd < 0)
		return;
	if (grace_ns > 0) {
		mp_child_signal(c, SIGTERM);
		if (mp_child_reap(c, mp_clock_ns() + grace_ns))
			return;
	}
	mp_child_signal(c, SIGKILL);
	while (!mp_child_reap(c, mp_clock_ns() + MP_NS_PER_SEC))
		;
}

static uint64_t process_cpu_ns(pid_t pid)
{
	struct timespec ts;
	clockid_t clock;

	if (clock_getcpuclockid(pid, &clock) != 0 || clock_gettime(clock, &ts) < 0)
		return 0;
	return (uint64_t)ts.tv_sec * MP_NS_PER_SEC + (uint64_t)ts.tv_nsec;
}

static uint64_t family_cpu_ns(pid_t pid, unsigned int generations);

/* The kernel lists children with the thread that started them. */
static uint64_t thread_children_cpu_ns(pid_t pid, const char *tid, unsigned int generations)
{
	char path[64];
	uint64_t sum = 0;
	FILE *f;
	int child;

	snprintf(path, sizeof(path), "/proc/%d/task/%.12s/children", (int)pid, tid);
	f = fopen(path, "re");
	while (f && fscanf(f, "%d", &child) == 1)
		sum += family_cpu_ns(child, generations);
	if (f)
		fclose(f);
	return sum;
}

static uint64_t family_cpu_ns(pid_t pid, unsigned int generations)
{
	uint64_t sum = process_cpu_ns(pid);
	struct dirent *thread;
	char path[32];
	DIR *dir;

	if (generations == 0)
		return sum;
	snprintf(path, sizeof(path), "/proc/%d/task", (int)pid);
	dir = opendir(path);
	while (dir && (thread = readdir(dir)))
		if (thread->d_name[0] != '.')
			sum += thread_children_cpu_ns(pid, thread->d_name, generations - 1);
	if (dir)
		closedir(dir);
	return sum;
}

/* A worker with a monitor or a storage daemon has these as children, or is its supervisor's child. */
uint64_t mp_child_cpu_ns(const struct mp_child *c)
{
	return c->pidfd < 0 ? 0 : family_cpu_ns(c->pid, MAX_GENERATIONS);
}

void mp_child_describe_end(const struct mp_child *c, char *buf, unsigned int len)
{
	if (WIFSIGNALED(c->status))
		snprintf(buf, len, "killed by signal %d (%s)", WTERMSIG(c->status),
			 strsignal(WTERMSIG(c->status)));
	else
		snprintf(buf, len, "exit status %d", WEXITSTATUS(c->status));
}
