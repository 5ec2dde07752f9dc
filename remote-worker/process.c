/* SPDX-License-Identifier: BSD-3-Clause */
#include "remote-worker/process.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/err.h"

struct message {
	char *text;
	size_t len;
};

static int fail(const struct message *m, const char *what, const char *name, int r)
{
	snprintf(m->text, m->len, "%s %s: %s", what, name, strerror(-r));
	return mp_err_origin(r);
}

/* Ends with the child's word, or with its end. */
static void wait_for_child(int fd, pid_t pid)
{
	int status = 0;
	ssize_t n;
	char byte;

	do
		n = read(fd, &byte, 1);
	while (n < 0 && errno == EINTR);
	if (n == 1)
		_exit(EXIT_SUCCESS);
	while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
		;
	_exit(WIFEXITED(status) && WEXITSTATUS(status) ? WEXITSTATUS(status) : EXIT_FAILURE);
}

static int go_to_background(struct mp_process *p)
{
	int fds[2];
	pid_t pid;

	if (pipe2(fds, O_CLOEXEC) < 0)
		return mp_err_origin(-errno);
	pid = fork();
	if (pid < 0) {
		close(fds[0]);
		close(fds[1]);
		return mp_err_origin(-errno);
	}
	if (pid > 0) {
		close(fds[1]);
		wait_for_child(fds[0], pid);
	}
	close(fds[0]);
	p->ready_fd = fds[1];
	/* The one way to fail, being a leader already, can't be: we are a new child. */
	setsid();
	return 0;
}

/* As QEMU does it: who finds the file unlocked knows that its process is gone. */
static int write_pid(int fd)
{
	struct flock lock = {.l_type = F_WRLCK, .l_whence = SEEK_SET};
	char text[32];
	int n;

	if (fcntl(fd, F_SETLK, &lock) < 0)
		return mp_err_origin(-errno);
	n = snprintf(text, sizeof(text), "%d\n", getpid());
	if (ftruncate(fd, 0) < 0 || write(fd, text, (size_t)n) != n)
		return mp_err_origin(errno ? -errno : -EIO);
	return 0;
}

int mp_process_begin(const struct mp_cmdline *cmd, struct mp_process *ret_p, char *error,
		     size_t error_len)
{
	MP_CLEANUP(mp_process_fini) struct mp_process p = MP_PROCESS_NULL;
	struct message m = {.text = error, .len = error_len};
	int r;

	p.daemonize = cmd->daemonize;
	if (cmd->log_file) {
		p.log_fd = open(cmd->log_file, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644);
		if (p.log_fd < 0)
			return fail(&m, "cannot open the log", cmd->log_file, -errno);
	}
	r = cmd->daemonize ? go_to_background(&p) : 0;
	if (r < 0)
		return fail(&m, "cannot go to", "the background", r);
	if (cmd->pidfile) {
		p.pid_fd = open(cmd->pidfile, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
		if (p.pid_fd < 0)
			return fail(&m, "cannot open the pid file", cmd->pidfile, -errno);
		r = write_pid(p.pid_fd);
		if (r == -EACCES || r == -EAGAIN)
			return fail(&m, "another process has the pid file", cmd->pidfile, r);
		if (r < 0)
			return fail(&m, "cannot write the pid file", cmd->pidfile, r);
	}
	*ret_p = p;
	p = MP_PROCESS_NULL;
	return 0;
}

void mp_process_leave(struct mp_process *p)
{
	mp_fd_close(&p->ready_fd);
	mp_fd_close(&p->pid_fd);
}

static void detach(const struct mp_process *p)
{
	MP_CLEANUP_FD int null = p->daemonize ? open("/dev/null", O_RDWR | O_CLOEXEC) : -1;

	if (null >= 0) {
		dup2(null, STDIN_FILENO);
		dup2(null, STDOUT_FILENO);
		dup2(null, STDERR_FILENO);
	}
	/* Nothing that is mounted is to be held by us. */
	if (p->daemonize && !p->stay)
		(void)!chdir("/");
	if (p->log_fd >= 0)
		dup2(p->log_fd, STDERR_FILENO);
}

void mp_process_ready(struct mp_process *p)
{
	detach(p);
	if (p->ready_fd >= 0)
		(void)!write(p->ready_fd, "", 1);
	mp_fd_close(&p->ready_fd);
	mp_fd_close(&p->log_fd);
}

void mp_process_fini(struct mp_process *p)
{
	mp_fd_close(&p->log_fd);
	mp_fd_close(&p->ready_fd);
	mp_fd_close(&p->pid_fd);
}
