/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Order of things, each needing what is before it:
 *
 *	what the worker's drives need -> fork -> [worker: opens its drives, then
 *	the sandbox] -> "ready" -> the monitor's threads -> ...
 *	-> the worker ends -> threads end -> helpers end
 *
 * So helpers outlive the worker, which may have something left to write, and
 * nobody is forked off a process with threads but helpers, who exec at once.
 *
 * The two processes hold each other: the worker gets SIGTERM when its parent
 * dies, and sees its socket close; a worker that is gone is a readable pidfd
 * here. Signals that ask to end are handed on as SIGTERM, which is what a worker
 * without a supervisor gets: it flushes what it has, and ends.
 */
#include "remote-worker/supervisor.h"

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <semaphore.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/pidfd.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/err.h"
#include "base/log.h"

/* What another thread wants done on the main thread; on its stack. */
struct errand {
	struct errand *next;
	void (*what)(void *opaque);
	void *opaque;
	sem_t done;
};

struct mp_supervisor {
	struct mp_cmdline *cmd;
	int signal_fd, worker_fd; /* signalfd; pidfd of the worker */
	pid_t pid;
	struct mp_rpc *rpc;
	const struct mp_supervisor_ops *ops;
	void *opaque;
	bool started, over;
	bool closed; /* to errands */
	int errand_fds[2]; /* a pipe: a byte an errand */
	pthread_mutex_t lock; /* of the errands */
	struct errand *errands;
};

bool mp_supervisor_needed(const struct mp_cmdline *cmd)
{
	for (unsigned int i = 0; i < cmd->n_drives; i++)
		if (cmd->drive[i].used &&
		    (cmd->drive[i].kind == MP_DRIVE_NBD || cmd->drive[i].kind == MP_DRIVE_DAEMON))
			return true;
	return cmd->n_monitors > 0;
}

/* Also in force in the worker, until it has a signalfd of its own. */
static int take_signals(struct mp_supervisor *s)
{
	sigset_t set;

	signal(SIGPIPE, SIG_IGN);
	sigemptyset(&set);
	sigaddset(&set, SIGINT);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGHUP);
	if (sigprocmask(SIG_BLOCK, &set, NULL) < 0)
		return mp_err_origin(-errno);
	s->signal_fd = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
	return s->signal_fd < 0 ? mp_err_origin(-errno) : 0;
}

int mp_supervisor_create(struct mp_cmdline *cmd, struct mp_supervisor **ret_s, char *error,
			 size_t error_len)
{
	struct mp_supervisor *s = calloc(1, sizeof(*s));
	int r;

	snprintf(error, error_len, "cannot make a supervisor: out of memory or files");
	if (!s)
		return mp_err_origin(-ENOMEM);
	s->cmd = cmd;
	s->signal_fd = s->worker_fd = -1;
	s->errand_fds[0] = s->errand_fds[1] = -1;
	pthread_mutex_init(&s->lock, NULL);
	r = take_signals(s);
	if (r == 0 && pipe2(s->errand_fds, O_CLOEXEC) < 0)
		r = mp_err_origin(-errno);
	if (r < 0) {
		mp_supervisor_destroy(s);
		return mp_err_trace(r);
	}
	*ret_s = s;
	return 0;
}

struct mp_supervisor *mp_supervisor_destroy(struct mp_supervisor *s)
{
	if (!s)
		return NULL;
	s->rpc = mp_rpc_destroy(s->rpc);
	mp_fd_close(&s->worker_fd);
	mp_fd_close(&s->signal_fd);
	mp_fd_close(&s->errand_fds[0]);
	mp_fd_close(&s->errand_fds[1]);
	pthread_mutex_destroy(&s->lock);
	free(s);
	return NULL;
}

struct mp_rpc *mp_supervisor_rpc(struct mp_supervisor *s)
{
	return s->rpc;
}

/* -- two processes --------------------------------------------------------- */

/* A device's sockets are the worker's alone: only then does its proxy see it die. */
static void close_workers(struct mp_supervisor *s)
{
	for (unsigned int i = 0; i < s->cmd->n_hbas; i++) {
		mp_fd_close(&s->cmd->hba[i].fd);
		mp_fd_close(&s->cmd->hba[i].stats_fd);
	}
}

static void worker_event(void *opaque, const char *name, json_t *data)
{
	struct mp_supervisor *s = opaque;
	int r;

	if (strcmp(name, "ready") == 0 && !s->started) {
		s->started = true;
		r = s->ops->started ? s->ops->started(s->opaque, s) : 0;
		if (r < 0)
			pidfd_send_signal(s->worker_fd, SIGTERM, NULL, 0);
	} else if (s->started && s->ops->event) {
		s->ops->event(s->opaque, name, data);
	}
}

static int adopt(struct mp_supervisor *s, pid_t pid, int sock)
{
	const struct mp_rpc_cfg cfg = {
		.timeout_ns = s->cmd->rpc_timeout_ns, .event = worker_event, .opaque = s};

	s->pid = pid;
	s->worker_fd = pidfd_open(pid, 0);
	close_workers(s);
	if (s->worker_fd < 0) {
		close(sock);
		return mp_err_origin(-errno);
	}
	return mp_err_trace(mp_rpc_create_take(sock, &cfg, &s->rpc));
}

int mp_supervisor_fork(struct mp_supervisor *s, int *ret_sock)
{
	pid_t parent = getpid(), pid;
	int sock[2], r;

	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, sock) < 0)
		return mp_err_origin(-errno);
	fflush(NULL);
	pid = fork();
	r = pid < 0 ? mp_err_origin(-errno) : 0;
	if (pid == 0) {
		close(sock[0]);
		if (prctl(PR_SET_PDEATHSIG, SIGTERM) < 0 || getppid() != parent)
			_exit(EXIT_FAILURE);
		*ret_sock = sock[1];
		return 1;
	}
	close(sock[1]);
	if (pid < 0) {
		close(sock[0]);
		return r;
	}
	r = adopt(s, pid, sock[0]);
	if (r < 0) {
		kill(pid, SIGKILL);
		waitpid(pid, NULL, 0);
	}
	return r;
}

/* -- the main thread's loop -------------------------------------------------- */

static bool put_errand(struct mp_supervisor *s, struct errand *e)
{
	struct errand **last = &s->errands;
	bool closed;
	ssize_t n;

	pthread_mutex_lock(&s->lock);
	closed = s->closed;
	while (*last)
		last = &(*last)->next;
	if (!closed)
		*last = e;
	pthread_mutex_unlock(&s->lock);
	if (closed)
		return false;
	n = write(s->errand_fds[1], "", 1);
	mp_assert(n == 1);
	return true;
}

bool mp_supervisor_do(struct mp_supervisor *s, void (*what)(void *opaque), void *opaque)
{
	struct errand e = {.what = what, .opaque = opaque};

	sem_init(&e.done, 0, 0);
	if (!put_errand(s, &e)) {
		sem_destroy(&e.done);
		return false;
	}
	while (sem_wait(&e.done) < 0)
		mp_assert(errno == EINTR);
	sem_destroy(&e.done);
	return true;
}

static void run_errand(struct mp_supervisor *s)
{
	struct errand *e;
	char byte;

	if (read(s->errand_fds[0], &byte, 1) != 1)
		return;
	pthread_mutex_lock(&s->lock);
	e = s->errands;
	s->errands = e->next;
	pthread_mutex_unlock(&s->lock);
	e->what(e->opaque);
	sem_post(&e->done);
}

static void handle_signal(struct mp_supervisor *s)
{
	struct signalfd_siginfo info;

	if (read(s->signal_fd, &info, sizeof(info)) != sizeof(info))
		return;
	if (s->started && s->ops->signalled)
		s->ops->signalled(s->opaque, (int)info.ssi_signo);
	pidfd_send_signal(s->worker_fd, SIGTERM, NULL, 0);
}

static void handle_rpc(struct mp_supervisor *s)
{
	int r = mp_rpc_poll(s->rpc);

	if (r == 0)
		return;
	s->over = true;
	if (r == -ECONNRESET)
		return; /* its end comes next */
	mp_error("the worker broke the protocol with its supervisor; it is killed");
	pidfd_send_signal(s->worker_fd, SIGKILL, NULL, 0);
}

enum { AT_WORKER, AT_RPC, AT_SIGNAL, AT_ERRAND, N_FDS };

/* Returns whether the worker still lives. */
static bool wait_and_handle(struct mp_supervisor *s)
{
	struct pollfd pfd[N_FDS] = {
		[AT_WORKER] = {.fd = s->worker_fd, .events = POLLIN},
		[AT_RPC] = {.fd = s->over ? -1 : mp_rpc_fd(s->rpc), .events = POLLIN},
		[AT_SIGNAL] = {.fd = s->signal_fd, .events = POLLIN},
		[AT_ERRAND] = {.fd = s->errand_fds[0], .events = POLLIN},
	};

	if (poll(pfd, N_FDS, -1) < 0)
		return true; /* EINTR; look again */
	if (pfd[AT_RPC].revents)
		handle_rpc(s);
	if (pfd[AT_SIGNAL].revents)
		handle_signal(s);
	if (pfd[AT_ERRAND].revents)
		run_errand(s);
	return !pfd[AT_WORKER].revents;
}

/* Nobody waits for the main thread any more, which will wait for them. */
static void close_errands(struct mp_supervisor *s)
{
	struct errand *e;

	pthread_mutex_lock(&s->lock);
	s->closed = true;
	e = s->errands;
	pthread_mutex_unlock(&s->lock);
	while (e) {
		struct errand *next = e->next;

		e->what(e->opaque);
		sem_post(&e->done);
		e = next;
	}
}

/* Takes what the worker has said last; then every call fails. */
static void close_rpc(struct mp_supervisor *s)
{
	shutdown(mp_rpc_fd(s->rpc), SHUT_RDWR);
	while (!s->over)
		handle_rpc(s);
}

int mp_supervisor_run(struct mp_supervisor *s, const struct mp_supervisor_ops *ops, void *opaque)
{
	int status = 0;

	s->ops = ops;
	s->opaque = opaque;
	while (wait_and_handle(s))
		;
	close_rpc(s);
	close_errands(s);
	if (s->started && ops->ended)
		ops->ended(opaque);
	while (waitpid(s->pid, &status, 0) < 0)
		mp_assert(errno == EINTR);
	return status;
}
