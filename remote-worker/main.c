/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * mpring-worker. Set-up order, each step needing what is before it:
 *
 *	command line -> supervisor, if one is needed -> signals
 *	-> disks, devices, polling thread
 *	-> close what was inherited and isn't ours -> sandbox
 *	-> proxies -> narrower sandbox -> work
 *
 * Nothing of a guest is looked at before the sandbox stands.
 *
 * Exit status: 0 the proxies closed, or a signal asked to end; 1 an error; 2 a
 * wrong command line. A supervisor ends as its worker has ended, by a signal too.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/err.h"
#include "base/log.h"
#include "remote-worker/options/cmdline.h"
#include "remote-worker/listen.h"
#include "remote-worker/monitor/monitor.h"
#include "remote-worker/office.h"
#include "remote-worker/process.h"
#include "remote-worker/supervisor/rpc.h"
#include "remote-worker/sandbox.h"
#include "remote-worker/serve.h"
#include "remote-worker/supervisor/signals.h"
#include "remote-worker/supervisor/supervisor.h"
#include "remote-worker/worker.h"

#define EXIT_USAGE 2
#define ERROR_LEN  2048

/* File descriptors that were open when the program started. */
struct inherited {
	int *fd;
	size_t n, room;
};

static void inherited_fini(struct inherited *in)
{
	free(in->fd);
	*in = (struct inherited){.fd = NULL};
}

static int remember(struct inherited *in, int fd)
{
	size_t room = in->room ? 2 * in->room : 64;
	int *more;

	if (in->n == in->room) {
		more = realloc(in->fd, room * sizeof(*more));
		if (!more)
			return mp_err_origin(-ENOMEM);
		in->fd = more;
		in->room = room;
	}
	in->fd[in->n++] = fd;
	return 0;
}

static int find_inherited(struct inherited *in)
{
	DIR *dir = opendir("/proc/self/fd");
	const struct dirent *e;
	int fd, r = 0;

	while (r == 0 && dir && (e = readdir(dir))) {
		fd = atoi(e->d_name);
		if (fd > STDERR_FILENO && fd != dirfd(dir))
			r = remember(in, fd);
	}
	if (dir)
		closedir(dir);
	return mp_err_trace(r);
}

static bool was_inherited(const struct inherited *in, int fd)
{
	for (size_t i = 0; i < in->n; i++)
		if (in->fd[i] == fd)
			return true;
	return false;
}

static bool is_ours(const struct mp_cmdline *cmd, int fd)
{
	for (unsigned int i = 0; i < cmd->n_hbas; i++)
		if (cmd->hba[i].fd == fd || cmd->hba[i].stats_fd == fd)
			return true;
	for (unsigned int i = 0; i < cmd->n_drives; i++)
		for (unsigned int k = 0; k < cmd->drive[i].n_socks; k++)
			if (cmd->drive[i].sock[k] == fd)
				return true;
	return false;
}

static bool is_unix_stream(int fd)
{
	int domain = 0, type = 0;
	socklen_t len = sizeof(int);

	return getsockopt(fd, SOL_SOCKET, SO_DOMAIN, &domain, &len) == 0 && domain == AF_UNIX &&
	       getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &len) == 0 && type == SOCK_STREAM;
}

static int check_passed(int fd, bool is_socket)
{
	if (fd <= STDERR_FILENO) /* none, or none that could be ours */
		return 0;
	if (fcntl(fd, F_GETFD) < 0) {
		mp_error("descriptor %d isn't open: whoever starts the worker passes it on", fd);
		return mp_err_origin(-EBADF);
	}
	if (is_socket && !is_unix_stream(fd)) {
		mp_error("descriptor %d is no unix stream socket", fd);
		return mp_err_origin(-ENOTSOCK);
	}
	return 0;
}

/* Before we open any: or one of ours would be taken for one that nobody passed. */
static int check_all_passed(const struct mp_cmdline *cmd)
{
	int r = 0;

	for (unsigned int i = 0; r == 0 && i < cmd->n_hbas; i++) {
		if (!cmd->hba[i].socket_path)
			r = check_passed(cmd->hba[i].fd, true);
		if (r == 0)
			r = check_passed(cmd->hba[i].stats_fd, false);
	}
	for (unsigned int i = 0; r == 0 && i < cmd->n_monitors; i++)
		r = check_passed(cmd->monitor[i].fd, false);
	return r;
}

/* A parent's fds that leaked into us would be what a broken worker could reach. */
static void close_inherited(const struct inherited *in, const struct mp_cmdline *cmd)
{
	for (size_t i = 0; i < in->n; i++)
		if (!is_ours(cmd, in->fd[i]))
			close(in->fd[i]);
}

/* What a supervisor had opened for itself before the worker was forked off; @kept: but these. */
static void close_supervisors(const struct inherited *in, const struct mp_cmdline *cmd,
			      const int kept[2])
{
	MP_CLEANUP(inherited_fini) struct inherited now = {.fd = NULL};

	find_inherited(&now);
	for (size_t i = 0; i < now.n; i++)
		if (now.fd[i] != kept[0] && now.fd[i] != kept[1] && !is_ours(cmd, now.fd[i]) &&
		    !was_inherited(in, now.fd[i]))
			close(now.fd[i]);
}

/*
 * A monitor may be on them, and then what comes in is a user's commands. Messages
 * of the worker's go to standard error.
 */
static void leave_stdio(void)
{
	MP_CLEANUP_FD int null = open("/dev/null", O_RDWR | O_CLOEXEC);

	if (null >= 0) {
		dup2(null, STDIN_FILENO);
		dup2(null, STDOUT_FILENO);
	} else {
		close(STDIN_FILENO);
		close(STDOUT_FILENO);
	}
}

/* One that has waited ends us here. */
static void let_signals_through(void)
{
	sigset_t none;

	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
}

static int make_signal_fd(bool is_supervised)
{
	sigset_t set = mp_signals_to_end();
	int fd;

	if (is_supervised)
		sigaddset(&set, MP_SUPERVISOR_DEATH_SIGNAL);
	if (sigprocmask(SIG_BLOCK, &set, NULL) < 0)
		return mp_err_origin(-errno);
	fd = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
	return fd < 0 ? mp_err_origin(-errno) : fd;
}

static int narrow(void)
{
	return mp_sandbox_enter(MP_SANDBOX_WORK);
}

static void say_backend(const struct mp_worker *w)
{
	if (mp_worker_uring_errno(w))
		mp_info("io_uring is not permitted here (%s): disks are read and written by "
			"threads",
			strerror(-mp_worker_uring_errno(w)));
}

static int restrict_process(const struct mp_cmdline *cmd)
{
	int r = cmd->no_sandbox ? 0 : mp_sandbox_enter(MP_SANDBOX_MEET);

	if (r < 0)
		mp_error("cannot restrict system calls: %s; --no-sandbox goes without",
			 strerror(-r));
	return r;
}

/* The supervisor hears that we are set up; what it asks is done in mp_serve(). */
static int open_office(struct mp_serve_cfg *cfg, int rpc)
{
	int r = mp_office_create(cfg->worker, rpc, &cfg->office);

	return r == 0 ? mp_err_trace(mp_rpc_event(rpc, "ready", NULL)) : mp_err_trace(r);
}

static void say_warnings(const struct mp_cmdline *cmd)
{
	for (unsigned int i = 0; i < cmd->warnings.n; i++)
		mp_warn("%s", cmd->warnings.text[i]);
}

/* @rpc: to the supervisor, -1 none */
static int run(const struct mp_cmdline *cmd, const struct inherited *in, struct mp_process *process,
	       int rpc)
{
	MP_CLEANUP_FD int signal_fd = -1;
	struct mp_serve_cfg cfg = {.cmd = cmd};
	char error[ERROR_LEN];
	int r, r_end;

	mp_signals_ignore();
	/* Nobody has given us anything to write, and a server may let us wait: it just ends us. */
	let_signals_through();
	r = mp_worker_start(cmd, &cfg.worker, error, sizeof(error));
	if (r < 0) {
		mp_error("%s", error);
		return r;
	}
	signal_fd = cfg.signal_fd = make_signal_fd(rpc >= 0);
	if (signal_fd < 0) {
		mp_error("cannot take signals: %s", strerror(-signal_fd));
		mp_worker_stop(cfg.worker, NULL);
		return signal_fd;
	}
	say_backend(cfg.worker);
	close_inherited(in, cmd);
	mp_process_ready(process);
	/* A monitor's client may want one later; without libnbd he will be told so. */
	if (rpc >= 0)
		mp_blk_nbd_load(error, sizeof(error));
	r = restrict_process(cmd);
	if (r == 0 && rpc >= 0)
		r = open_office(&cfg, rpc);
	if (r == 0) {
		cfg.all_met = cmd->no_sandbox ? NULL : narrow;
		r = mp_serve(&cfg);
	}
	mp_office_end(cfg.office);
	mp_worker_stop(cfg.worker, &r_end);
	mp_office_destroy(cfg.office);
	return r < 0 ? r : r_end;
}

static int exit_status(int r)
{
	return r < 0 ? EXIT_FAILURE : EXIT_SUCCESS;
}

/* As the worker ended: whoever waits for us sees what he would have seen of it. */
static int end_as(int status)
{
	int sig = WTERMSIG(status);
	sigset_t set;

	if (WIFEXITED(status))
		return WEXITSTATUS(status);
	/* By SIGTERM only as long as it was starting, and then it was us who was asked to end. */
	if (sig != SIGTERM)
		mp_error("the worker was killed by signal %d (%s)", sig, strsignal(sig));
	signal(sig, SIG_DFL);
	sigemptyset(&set);
	sigaddset(&set, sig);
	sigprocmask(SIG_UNBLOCK, &set, NULL);
	raise(sig);
	return 128 + sig;
}

/* What a supervisor tells. */
struct overseer {
	const struct mp_monitor_cfg *cfg;
	struct mp_process *process;
	struct mp_monitor *monitor;
};

static int started(void *opaque, struct mp_supervisor *s)
{
	struct overseer *o = opaque;
	int r = mp_monitor_started(o->monitor, s);

	if (r == 0)
		mp_process_ready(o->process);
	return r;
}

static void event(void *opaque, const char *name, json_t *data)
{
	mp_monitor_event(((struct overseer *)opaque)->monitor, name, data);
}

static void signalled(void *opaque, int sig)
{
	mp_monitor_signalled(((struct overseer *)opaque)->monitor, sig);
}

static void ended(void *opaque)
{
	mp_monitor_ended(((struct overseer *)opaque)->monitor);
}

static int begin_supervision(struct mp_cmdline *cmd, struct overseer *o,
			     struct mp_supervisor **ret_s)
{
	const sigset_t held = mp_signals_to_end();
	char error[ERROR_LEN];
	int r = 0;

	/* Sockets of monitors don't outlive us. */
	sigprocmask(SIG_BLOCK, &held, NULL);
	if (cmd->n_monitors > 0)
		r = mp_monitor_create(o->cfg, &o->monitor, error, sizeof(error));
	if (r == 0)
		r = mp_supervisor_create(cmd, ret_s, error, sizeof(error));
	if (r < 0)
		mp_error("%s", error);
	return r;
}

static int supervise(struct mp_cmdline *cmd, const struct inherited *in, struct mp_process *process,
		     const struct mp_monitor_cfg *monitor)
{
	static const struct mp_supervisor_ops ops = {
		.started = started, .event = event, .signalled = signalled, .ended = ended};
	struct overseer o = {.cfg = monitor, .process = process};
	struct mp_supervisor *s;
	int rpc = -1, r, status;

	if (begin_supervision(cmd, &o, &s) < 0) {
		mp_monitor_destroy(o.monitor);
		let_signals_through();
		return EXIT_FAILURE;
	}
	r = mp_supervisor_fork(s, &rpc);
	if (r == 1) {
		mp_process_leave(process);
		leave_stdio();
		close_supervisors(in, cmd, (const int[2]){rpc, process->log_fd});
		r = run(cmd, in, process, rpc);
		/* What the parent had made is shared with it; to free it here would copy it. */
		fflush(NULL);
		_exit(exit_status(r));
	}
	if (r < 0) {
		mp_error("cannot start the worker: %s", strerror(-r));
		mp_supervisor_destroy(s);
		mp_monitor_destroy(o.monitor);
		return EXIT_FAILURE;
	}
	status = mp_supervisor_run(s, &ops, &o);
	mp_monitor_destroy(o.monitor);
	mp_supervisor_destroy(s);
	return end_as(status);
}

int main(int argc, char **argv)
{
	MP_CLEANUP(mp_cmdline_fini) struct mp_cmdline cmd;
	MP_CLEANUP(inherited_fini) struct inherited in = {.fd = NULL};
	MP_CLEANUP(mp_process_fini) struct mp_process process = MP_PROCESS_NULL;
	int r, r_inherited = find_inherited(&in);
	char error[ERROR_LEN];

	mp_log_init("mpring-worker", false);
	r = mp_cmdline_parse(&cmd, argc, argv, error, sizeof(error));
	if (r == MP_CMDLINE_HELP) {
		mp_cmdline_help(stdout);
		return EXIT_SUCCESS;
	}
	if (r == MP_CMDLINE_VERSION) {
		printf("mpring-worker %s\n", MPRING_VERSION);
		return EXIT_SUCCESS;
	}
	if (r < 0) {
		mp_error("%s", error);
		return EXIT_USAGE;
	}
	mp_log_init("mpring-worker", cmd.verbose);
	say_warnings(&cmd);
	mp_rpc_seed();
	if (r_inherited < 0) {
		mp_error("cannot list the open files: %s", strerror(-r_inherited));
		return EXIT_FAILURE;
	}
	if (check_all_passed(&cmd) < 0)
		return EXIT_USAGE;
	if (mp_cmdline_probe(&cmd) < 0) {
		mp_error("out of memory");
		return EXIT_FAILURE;
	}
	if (mp_listen_open(&cmd, error, sizeof(error)) < 0) {
		mp_error("%s", error);
		return EXIT_FAILURE;
	}
	r = mp_process_begin(&cmd, &process, error, sizeof(error));
	if (r < 0) {
		mp_error("%s", error);
		return EXIT_FAILURE;
	}
	process.stay = mp_supervisor_needed(&cmd);
	if (process.stay)
		return supervise(&cmd, &in, &process,
				 &(struct mp_monitor_cfg){.cmd = &cmd, .argc = argc, .argv = argv});
	return exit_status(run(&cmd, &in, &process, -1));
}
