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
 * The two processes hold each other: the worker gets a signal when its parent
 * dies, and sees its socket close; a worker that is gone is a readable pidfd
 * here. Signals that ask to end are handed on as SIGTERM, which is what a worker
 * without a supervisor gets: it flushes what it has, and ends.
 */
#include "remote-worker/supervisor/supervisor.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <semaphore.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/pidfd.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/err.h"
#include "base/log.h"
#include "remote-worker/supervisor/signals.h"

#define MAX_BLOCK 4096u /* of a medium: one or the other */

/* What another thread wants done on the main thread; on its stack. */
struct errand {
	struct errand *next;
	void (*what)(void *opaque);
	void *opaque;
	sem_t done;
};

struct serving {
	struct serving *next;
	struct mp_server *server;
};

struct mp_supervisor {
	struct mp_cmdline *cmd;
	struct serving *serving; /* the main thread changes it, with the lock of errands */
	unsigned int n_serving;
	int signal_fd, worker_fd; /* signalfd; pidfd of the worker */
	pid_t pid;
	struct mp_rpc *rpc;
	const struct mp_supervisor_ops *ops;
	void *opaque;
	bool started, over;
	bool opening; /* the first drives: a signal ends every wait */
	bool closed; /* to errands */
	atomic_bool ended; /* the worker has: nobody needs a daemon's answers */
	int errand_fds[2]; /* a pipe: a byte an errand */
	pthread_mutex_t lock; /* of the errands */
	struct errand *errands;
};

static bool needs_server(const struct mp_opt_drive *drive)
{
	return drive->used && (drive->kind == MP_DRIVE_NBD || drive->kind == MP_DRIVE_DAEMON);
}

bool mp_supervisor_needed(const struct mp_cmdline *cmd)
{
	for (unsigned int i = 0; i < cmd->n_drives; i++)
		if (needs_server(&cmd->drive[i]))
			return true;
	return cmd->n_monitors > 0;
}

/* A daemon that doesn't serve yet takes no notice of SIGTERM: it can't be left to its fate. */
static int take_signals(struct mp_supervisor *s)
{
	const sigset_t set = mp_signals_to_end();

	if (sigprocmask(SIG_BLOCK, &set, NULL) < 0)
		return mp_err_origin(-errno);
	s->signal_fd = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
	return s->signal_fd < 0 ? mp_err_origin(-errno) : 0;
}

/* -- what serves the drives -------------------------------------------------- */

static struct mp_server *find_server(struct mp_supervisor *s, const char *node)
{
	struct mp_server *server = NULL;

	pthread_mutex_lock(&s->lock);
	for (const struct serving *i = s->serving; i && !server; i = i->next)
		if (strcmp(mp_server_node(i->server), node) == 0)
			server = i->server;
	pthread_mutex_unlock(&s->lock);
	return server;
}

/* From a server's thread: the worker gets a new connection for the one that it lost. */
static int hand_over(void *opaque, const char *node, unsigned int conn, int sock)
{
	struct mp_supervisor *s = opaque;
	struct mp_fds fds = {.fd = &sock, .n = 1};
	json_t *args = json_pack("{s:s, s:i}", "node", node, "connection", (int)conn);
	struct mp_rpc_request req = {.name = "nbd-socket", .args = args, .fds = &fds};
	struct mp_rpc_error error;
	int r = mp_rpc_call(s->rpc, &req, NULL, &error);

	json_decref(args);
	close(sock);
	return mp_err_trace(r);
}

static bool has_signal(const struct mp_supervisor *s)
{
	struct pollfd pfd = {.fd = s->signal_fd, .events = POLLIN};

	return poll(&pfd, 1, 0) > 0;
}

/* Asked by who waits for a daemon or a server. */
static bool is_over(void *opaque)
{
	struct mp_supervisor *s = opaque;

	if (s->opening)
		return has_signal(s);
	return atomic_load_explicit(&s->ended,
				    memory_order_relaxed); /* relaxed: it orders nothing */
}

static int add_server(struct mp_supervisor *s, const struct mp_opt_drive *drive,
		      struct mp_server **ret_server, char *error, size_t error_len)
{
	const struct mp_server_cfg cfg = {
		.cmd = s->cmd, .drive = drive, .again = hand_over, .give_up = is_over, .opaque = s};
	struct serving *i = calloc(1, sizeof(*i));
	int r = i ? 0 : mp_err_origin(-ENOMEM);

	if (r == 0)
		r = mp_server_create(&cfg, &i->server, error, error_len);
	if (r == 0)
		r = mp_server_spawn(i->server, error, error_len);
	if (r < 0) {
		if (i)
			mp_server_destroy(i->server);
		free(i);
		return mp_err_trace(r);
	}
	pthread_mutex_lock(&s->lock);
	i->next = s->serving;
	s->serving = i;
	s->n_serving++;
	pthread_mutex_unlock(&s->lock);
	*ret_server = i->server;
	return 0;
}

static void unlist(struct mp_supervisor *s, const struct mp_server *server)
{
	struct serving **p = &s->serving, *i;

	pthread_mutex_lock(&s->lock);
	while ((*p)->server != server)
		p = &(*p)->next;
	i = *p;
	*p = i->next;
	s->n_serving--;
	pthread_mutex_unlock(&s->lock);
	free(i);
}

/* All are started before one is waited for. */
static int serve_drives(struct mp_supervisor *s, char *error, size_t error_len)
{
	struct mp_server *server[MP_CMDLINE_MAX_DISKS];
	struct mp_opt_drive *drive;
	unsigned int n = 0;
	int r = 0;

	s->opening = true;
	for (unsigned int i = 0; r == 0 && i < s->cmd->n_drives; i++)
		if (needs_server(&s->cmd->drive[i]))
			r = add_server(s, &s->cmd->drive[i], &server[n++], error, error_len);
	n = 0;
	for (unsigned int i = 0; r >= 0 && i < s->cmd->n_drives; i++) {
		drive = &s->cmd->drive[i];
		if (!needs_server(drive))
			continue;
		r = mp_server_open(server[n++], drive->sock, error, error_len);
		drive->n_socks = r > 0 ? (unsigned int)r : 0;
	}
	s->opening = false;
	return r < 0 ? mp_err_trace(r) : 0;
}

struct mp_daemon *mp_supervisor_daemon(struct mp_supervisor *s, const char *node)
{
	struct mp_server *server = find_server(s, node);

	return server ? mp_server_daemon(server) : NULL;
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
	mp_signals_ignore();
	r = pipe2(s->errand_fds, O_CLOEXEC) < 0 ? mp_err_origin(-errno) : 0;
	if (r == 0)
		r = take_signals(s);
	if (r == 0)
		r = serve_drives(s, error, error_len);
	if (r < 0) {
		mp_supervisor_destroy(s);
		return mp_err_trace(r);
	}
	*ret_s = s;
	return 0;
}

struct mp_supervisor *mp_supervisor_destroy(struct mp_supervisor *s)
{
	struct mp_server *server;

	if (!s)
		return NULL;
	/* They take their time side by side. */
	for (const struct serving *i = s->serving; i; i = i->next)
		if (mp_server_daemon(i->server))
			mp_daemon_ask_to_end(mp_server_daemon(i->server));
	while (s->serving) {
		server = s->serving->server;
		unlist(s, server);
		mp_server_destroy(server);
	}
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
	for (unsigned int i = 0; i < s->cmd->n_drives; i++) {
		for (unsigned int k = 0; k < s->cmd->drive[i].n_socks; k++)
			close(s->cmd->drive[i].sock[k]);
		s->cmd->drive[i].n_socks = 0;
	}
}

static void reconnect(struct mp_supervisor *s, json_t *data)
{
	const char *node = json_string_value(json_object_get(data, "node"));
	json_int_t conn = json_integer_value(json_object_get(data, "connection"));
	struct mp_server *server = node ? find_server(s, node) : NULL;

	if (server && conn >= 0 && conn < MP_CMDLINE_MAX_CONNECTIONS)
		mp_server_lost(server, (unsigned int)conn);
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
	} else if (strcmp(name, "nbd-lost") == 0) {
		reconnect(s, data);
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
		if (prctl(PR_SET_PDEATHSIG, MP_SUPERVISOR_DEATH_SIGNAL) < 0 || getppid() != parent)
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

/* Returns when the first of the daemons is due. */
static uint64_t poll_fds_of_daemons(struct mp_supervisor *s, struct pollfd *pfd)
{
	uint64_t due_ns = UINT64_MAX, ns;
	struct mp_daemon *d;

	for (const struct serving *i = s->serving; i; i = i->next, pfd += MP_DAEMON_N_FDS) {
		d = mp_server_daemon(i->server);
		pfd[0].fd = pfd[1].fd = -1;
		if (!d)
			continue;
		mp_daemon_poll_fds(d, pfd);
		ns = mp_daemon_deadline_ns(d);
		due_ns = ns < due_ns ? ns : due_ns;
	}
	return due_ns;
}

static void handle_daemons(struct mp_supervisor *s, const struct pollfd *pfd)
{
	for (const struct serving *i = s->serving; i; i = i->next, pfd += MP_DAEMON_N_FDS)
		if (mp_server_daemon(i->server))
			mp_daemon_poll(mp_server_daemon(i->server), pfd);
}

static int ms_until(uint64_t due_ns)
{
	uint64_t now_ns = mp_clock_ns();

	if (due_ns == UINT64_MAX)
		return -1;
	return due_ns > now_ns ? (int)((due_ns - now_ns) / 1000000 + 1) : 0;
}

static struct pollfd *make_pfd(const struct mp_supervisor *s)
{
	struct pollfd *pfd = calloc(N_FDS + MP_DAEMON_N_FDS * s->n_serving, sizeof(*pfd));

	mp_assert(pfd);
	pfd[AT_WORKER] = (struct pollfd){.fd = s->worker_fd, .events = POLLIN};
	pfd[AT_RPC] = (struct pollfd){.fd = s->over ? -1 : mp_rpc_fd(s->rpc), .events = POLLIN};
	pfd[AT_SIGNAL] = (struct pollfd){.fd = s->signal_fd, .events = POLLIN};
	pfd[AT_ERRAND] = (struct pollfd){.fd = s->errand_fds[0], .events = POLLIN};
	return pfd;
}

/* Returns whether the worker still lives. */
static bool wait_and_handle(struct mp_supervisor *s)
{
	MP_CLEANUP_FREE struct pollfd *pfd = make_pfd(s);
	uint64_t due_ns = poll_fds_of_daemons(s, pfd + N_FDS);
	unsigned int n = N_FDS + MP_DAEMON_N_FDS * s->n_serving;

	if (poll(pfd, n, ms_until(due_ns)) < 0)
		return true; /* EINTR; look again */
	handle_daemons(s, pfd + N_FDS);
	if (pfd[AT_RPC].revents)
		handle_rpc(s);
	if (pfd[AT_SIGNAL].revents)
		handle_signal(s);
	if (pfd[AT_ERRAND].revents)
		run_errand(s); /* may change what serves */
	return !pfd[AT_WORKER].revents;
}

/* -- for a monitor, while the worker works --------------------------------------- */

struct opening {
	struct mp_supervisor *s;
	const struct mp_opt_drive *drive;
	struct mp_server *server;
	char *error;
	size_t error_len;
	int r;
};

static void begin_opening(void *opaque)
{
	struct opening *o = opaque;

	o->r = add_server(o->s, o->drive, &o->server, o->error, o->error_len);
}

static void end_serving(void *opaque)
{
	struct opening *o = opaque;

	unlist(o->s, o->server);
}

static int open_served(struct mp_supervisor *s, const struct mp_opt_drive *drive,
		       struct mp_opened *o, char *error, size_t error_len)
{
	struct opening job = {.s = s, .drive = drive, .error = error, .error_len = error_len};
	int r;

	snprintf(error, error_len, "The worker has ended");
	if (!mp_supervisor_do(s, begin_opening, &job))
		return mp_err_origin(-ECONNRESET);
	if (job.r < 0)
		return mp_err_trace(job.r);
	o->server = job.server;
	r = mp_server_open(o->server, o->fd, error, error_len);
	if (r < 0) {
		mp_supervisor_close(s, o);
		return mp_err_trace(r);
	}
	o->fds.n = (size_t)r;
	return 0;
}

static int open_raw(const struct mp_opt_drive *drive, struct mp_opened *o, char *error,
		    size_t error_len)
{
	const struct mp_blk_open how = mp_cmdline_blk_open(drive);
	struct mp_blk_medium m;
	int r = mp_blk_prepare(&how, &m, error, error_len);

	if (r < 0)
		return mp_err_trace(r);
	o->fd[0] = m.fd;
	o->fds.n = 1;
	o->args = json_pack("{s:I, s:I}", "size", (json_int_t)m.size_bytes, "block-size",
			    (json_int_t)m.block_bytes);
	return 0;
}

int mp_supervisor_open(struct mp_supervisor *s, const struct mp_opt_drive *drive,
		       struct mp_opened *ret_o, char *error, size_t error_len)
{
	*ret_o = (struct mp_opened){.server = NULL};
	ret_o->fds = (struct mp_fds){.fd = ret_o->fd, .max = MP_CMDLINE_MAX_CONNECTIONS};
	switch (drive->kind) {
	case MP_DRIVE_NULL:
		return 0;
	case MP_DRIVE_RAW:
		return mp_err_trace(open_raw(drive, ret_o, error, error_len));
	default:
		return mp_err_trace(open_served(s, drive, ret_o, error, error_len));
	}
}

void mp_opened_close_fds(struct mp_opened *o)
{
	mp_fds_close(&o->fds);
}

void mp_supervisor_close(struct mp_supervisor *s, struct mp_opened *o)
{
	struct opening job = {.s = s, .server = o->server};

	mp_opened_close_fds(o);
	json_decref(o->args);
	o->args = NULL;
	/* After the worker's end the main thread looks at none of them until other threads are gone. */
	if (o->server && !mp_supervisor_do(s, end_serving, &job))
		end_serving(&job);
	/* A daemon may have a lot to write: the main thread doesn't wait for that. */
	o->server = mp_server_destroy(o->server);
}

/* What the worker makes of its size, which is its word. */
struct sight {
	uint64_t bytes, block_bytes;
};

/* @most: it may use no more of it; 0: all. */
static int look(struct mp_supervisor *s, unsigned int unit, uint64_t most, struct sight *ret_sight,
		struct mp_rpc_error *ret_error)
{
	json_t *args = json_pack("{s:i, s:I}", "unit", (int)unit, "size", (json_int_t)most);
	struct mp_rpc_request req = {.name = "resize", .args = args};
	json_t *value = NULL;
	int r = mp_rpc_call(s->rpc, &req, &value, ret_error);
	json_int_t bytes = json_integer_value(json_object_get(value, "size"));
	json_int_t block_bytes = json_integer_value(json_object_get(value, "block-size"));

	json_decref(args);
	json_decref(value);
	if (r < 0)
		return mp_err_trace(r);
	ret_sight->bytes = bytes > 0 ? (uint64_t)bytes : 0;
	ret_sight->block_bytes = block_bytes == MAX_BLOCK ? MAX_BLOCK : MP_BLK_SECTOR_BYTES;
	return 0;
}

/* The worker sees the new size when it is connected again. A size that it refuses is the old one. */
static int wait_for_size(struct mp_supervisor *s, unsigned int unit, uint64_t bytes,
			 struct mp_rpc_error *ret_error)
{
	const struct timespec pause = {.tv_nsec = 5000000};
	uint64_t limit_ns = s->cmd->storage_daemon_answer_ns;
	uint64_t end_ns = limit_ns ? mp_clock_ns() + limit_ns : UINT64_MAX;
	struct sight sight;
	int r;

	bytes = (bytes + MP_BLK_SECTOR_BYTES - 1) / MP_BLK_SECTOR_BYTES *
		MP_BLK_SECTOR_BYTES; /* as a storage daemon exports it */
	do {
		r = look(s, unit, 0, &sight, ret_error);
		if (r < 0 && r != -EREMOTEIO)
			return mp_err_trace(r);
		if (r == 0 && sight.bytes == bytes - bytes % sight.block_bytes)
			return 0;
		nanosleep(&pause, NULL);
	} while (mp_clock_ns() < end_ns);
	mp_rpc_error_set(ret_error, "GenericError",
			 "The image has its new size, but the worker isn't connected to it again "
			 "in time; --storage-daemon-answer allows more");
	return mp_err_origin(-ETIMEDOUT);
}

static int resize_served(struct mp_supervisor *s, unsigned int unit, struct mp_daemon *d,
			 uint64_t bytes, struct mp_rpc_error *ret_error)
{
	char error[512];
	int r = mp_daemon_resize(d, bytes, error);

	if (r < 0) {
		mp_rpc_error_set(ret_error, "GenericError", "%s", error);
		return mp_err_trace(r);
	}
	return mp_err_trace(wait_for_size(s, unit, bytes, ret_error));
}

/*
 * A worker that could do it by itself could cut the guest's memory off, too. It stops
 * to use what goes before that goes, or a write would bring it back.
 */
static int resize_raw(struct mp_supervisor *s, unsigned int unit, const char *file, uint64_t bytes,
		      struct mp_rpc_error *ret_error)
{
	struct sight sight;
	int r = look(s, unit, bytes, &sight, ret_error), cut;

	if (r < 0)
		return mp_err_trace(r);
	bytes = (bytes + sight.block_bytes - 1) / sight.block_bytes * sight.block_bytes;
	cut = mp_blk_truncate(file, bytes);
	r = look(s, unit, 0, &sight, ret_error);
	if (cut < 0) {
		mp_rpc_error_set(ret_error, "GenericError", "Could not resize %s: %s", file,
				 strerror(-cut));
		return mp_err_trace(cut);
	}
	return mp_err_trace(r);
}

static int cannot_resize(const char *why, struct mp_rpc_error *ret_error)
{
	mp_rpc_error_set(ret_error, "GenericError", "%s", why);
	return mp_err_origin(-EINVAL);
}

int mp_supervisor_resize(struct mp_supervisor *s, unsigned int unit,
			 const struct mp_opt_drive *drive, uint64_t bytes,
			 struct mp_rpc_error *ret_error)
{
	struct mp_daemon *d = mp_supervisor_daemon(s, drive->node_name);

	if (d)
		return mp_err_trace(resize_served(s, unit, d, bytes, ret_error));
	if (drive->kind != MP_DRIVE_RAW)
		return cannot_resize("Image format driver does not support resize", ret_error);
	if (drive->read_only)
		return cannot_resize("Image is read-only", ret_error);
	if (bytes > (uint64_t)INT64_MAX - MAX_BLOCK)
		return cannot_resize("Image size cannot exceed 9223372036854771711 bytes",
				     ret_error);
	return mp_err_trace(resize_raw(s, unit, drive->file, bytes, ret_error));
}

/* -- the end ------------------------------------------------------------------------- */

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
	atomic_store_explicit(&s->ended, true, memory_order_relaxed); /* relaxed: as above */
	close_rpc(s);
	close_errands(s);
	if (s->started && ops->ended)
		ops->ended(opaque);
	for (const struct serving *i = s->serving; i; i = i->next)
		mp_server_hush(i->server);
	while (waitpid(s->pid, &status, 0) < 0)
		mp_assert(errno == EINTR);
	return status;
}
