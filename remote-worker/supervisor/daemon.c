/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The socket is made here and listens for ever; the daemon inherits it. So a
 * connection that is made while no daemon lives waits in the socket's queue until
 * the next one takes it, and nobody has to poll for a path to appear. It has no
 * name: it gets one to be bound, in a folder that only this user may enter, and
 * loses it at once; we reach it by our fd of its inode. So nothing is left of it
 * however we end.
 *
 *	created -> spawned -> ready -> (died -> a pause -> spawned) ...
 *
 * Ready is when QMP answers: the daemon does its options first, images included,
 * and only then looks at its monitor. One that ends before that has printed why,
 * and isn't tried again. Later it is, each time after a pause that doubles while
 * it doesn't live for long.
 *
 * It is in a process group of its own: who interrupts us on a terminal interrupts
 * the worker too, and that may have something to write before it ends.
 */
#include "remote-worker/supervisor/daemon.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/close_range.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/pidfd.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/err.h"
#include "base/log.h"
#include "remote-worker/supervisor/printout.h"

#define EXPORT_ID    "disk"
#define MAX_ARGS     256u
#define BACKLOG      64
#define FIRST_WAIT   (MP_NS_PER_SEC / 10)
#define LONGEST_WAIT (10 * MP_NS_PER_SEC)
#define GRACE_NS     MP_NS_PER_SEC
#define LONG_LIFE    (10 * MP_NS_PER_SEC) /* forgets what was before */

struct mp_daemon {
	const struct mp_cmdline *cmd;
	const struct mp_opt_drive *drive;
	struct sockaddr_un addr;
	int listen_fd, path_fd; /* path_fd: the socket's inode; addr leads to it */
	/* The spawning thread's, but for mp_daemon_wait(). */
	pid_t pid;
	int pidfd;
	struct mp_printout print;
	uint64_t spawned_ns, retry_ns, pause_ns;
	uint64_t end_ns; /* it was asked to end, and has until then; 0: it wasn't */
	pthread_mutex_t state_lock; /* of ready; of pid, for others than the spawning thread */
	bool ready;
	pthread_mutex_t lock; /* of the monitor */
	struct mp_qmp_client qmp;
	mp_qmp_give_up_fn *give_up;
	void *opaque; /* of give_up */
};

/* From then on the spawning thread alone reads what it prints, and starts it again. */
static bool is_ready(struct mp_daemon *d)
{
	bool ready;

	pthread_mutex_lock(&d->state_lock);
	ready = d->ready;
	pthread_mutex_unlock(&d->state_lock);
	return ready;
}

static void set_pid(struct mp_daemon *d, pid_t pid)
{
	pthread_mutex_lock(&d->state_lock);
	d->pid = pid;
	pthread_mutex_unlock(&d->state_lock);
}

/* -- socket ------------------------------------------------------------------ */

#define MAX_PATH sizeof(((struct sockaddr_un *)NULL)->sun_path)
#define NAME     "/nbd"

static int make_dir(char dir[MAX_PATH])
{
	const char *base = getenv("XDG_RUNTIME_DIR");

	for (int i = 0; i < 2; i++, base = NULL) {
		if (!base || !base[0])
			base = "/tmp";
		if ((size_t)snprintf(dir, MAX_PATH, "%s/mpring.XXXXXX", base) <
			    MAX_PATH - sizeof(NAME) &&
		    mkdtemp(dir))
			return 0;
	}
	return mp_err_origin(-errno);
}

static int bind_and_listen(struct mp_daemon *d, const struct sockaddr_un *addr)
{
	d->listen_fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (d->listen_fd < 0 ||
	    bind(d->listen_fd, (const struct sockaddr *)addr, sizeof(*addr)) < 0)
		return mp_err_origin(-errno);
	d->path_fd = open(addr->sun_path, O_PATH | O_CLOEXEC);
	unlink(addr->sun_path);
	if (d->path_fd < 0 || listen(d->listen_fd, BACKLOG) < 0)
		return mp_err_origin(-errno);
	return 0;
}

static int make_socket(struct mp_daemon *d)
{
	struct sockaddr_un named = {.sun_family = AF_UNIX};
	char dir[MAX_PATH];
	int r = make_dir(dir);

	if (r < 0)
		return mp_err_trace(r);
	snprintf(named.sun_path, sizeof(named.sun_path), "%.100s" NAME, dir);
	r = bind_and_listen(d, &named);
	rmdir(dir);
	d->addr.sun_family = AF_UNIX;
	snprintf(d->addr.sun_path, sizeof(d->addr.sun_path), "/proc/self/fd/%d", d->path_fd);
	return mp_err_trace(r);
}

int mp_daemon_dial(const struct mp_daemon *d)
{
	MP_CLEANUP_FD int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

	if (fd < 0 || connect(fd, (const struct sockaddr *)&d->addr, sizeof(d->addr)) < 0)
		return mp_err_origin(-errno);
	return mp_fd_steal(&fd);
}

/* -- arguments ------------------------------------------------------------------ */

struct args {
	char *v[MAX_ARGS + 1];
	unsigned int n;
};

static void args_fini(struct args *a)
{
	for (unsigned int i = 0; i < a->n; i++)
		free(a->v[i]);
}

/* @text is stolen; a NULL, or one too many, ends the list. */
static void add_take(struct args *a, char *text)
{
	if (text && a->n < MAX_ARGS)
		a->v[a->n++] = text;
	else
		free(text);
}

static void add(struct args *a, const char *text)
{
	add_take(a, strdup(text));
}

static void addf(struct args *a, const char *fmt, int n)
{
	char text[64];

	snprintf(text, sizeof(text), fmt, n);
	add(a, text);
}

static bool is_file_node(const json_t *node)
{
	const char *driver = json_string_value(json_object_get(node, "driver"));

	return driver && (strcmp(driver, "file") == 0 || strcmp(driver, "host_device") == 0);
}

/* QEMU 7.2 waits for ever for a read by io_uring that meets the end of a file. */
static bool has_whole_sectors(const json_t *node)
{
	const char *name = json_string_value(json_object_get(node, "filename"));
	struct stat st;

	return name && stat(name, &st) == 0 && st.st_size % MP_BLK_SECTOR_BYTES == 0;
}

/* Files that don't say how they are read, however deep they are in a node. */
static void use_uring(json_t *node)
{
	const char *key;
	json_t *child;

	if (is_file_node(node) && !json_object_get(node, "aio") && has_whole_sectors(node))
		json_object_set_new(node, "aio", json_string("io_uring"));
	json_object_foreach(node, key, child) if (json_is_object(child)) use_uring(child);
}

/* Each member of a JSON array, as an argument of @option. */
static void add_members(struct args *a, const char *option, const char *array, bool uring)
{
	json_t *json = array ? json_loads(array, 0, NULL) : NULL;

	for (size_t i = 0; i < json_array_size(json); i++) {
		if (uring)
			use_uring(json_array_get(json, i));
		add(a, option);
		add_take(a, json_dumps(json_array_get(json, i), JSON_COMPACT));
	}
	json_decref(json);
}

/* No iothread: QEMU 7.2 ends with a failed assertion when a client leaves one (PERF.md). */
static json_t *export_of(const struct mp_opt_drive *drive)
{
	return json_pack("{s:s, s:s, s:s, s:s, s:b}", "type", "nbd", "id", EXPORT_ID, "node-name",
			 drive->node_name, "name", MP_CMDLINE_DAEMON_EXPORT, "writable",
			 !drive->read_only);
}

static void make_args(const struct mp_daemon *d, int qmp_fd, struct args *a)
{
	const struct mp_opt_drive *drive = d->drive;
	bool uring = d->cmd->aio != MP_BLK_AIO_THREADS && mp_blk_uring_works();
	json_t *export = export_of(drive);

	add(a, d->cmd->storage_daemon);
	add(a, "--chardev");
	addf(a, "socket,id=monitor,fd=%d", qmp_fd);
	add(a, "--monitor");
	add(a, "chardev=monitor,mode=control");
	add_members(a, "--object", drive->objects, false);
	add_members(a, "--blockdev", drive->blockdev, uring);
	add(a, "--nbd-server");
	addf(a, "addr.type=fd,addr.str=%d,max-connections=0", d->listen_fd);
	add(a, "--export");
	add_take(a, export ? json_dumps(export, JSON_COMPACT) : NULL);
	json_decref(export);
}

/* -- what it prints ------------------------------------------------------------------ */

/* Kept until it serves, for the error. */
static const char *warn_as(struct mp_daemon *d)
{
	return is_ready(d) ? mp_opt_drive_name(d->drive) : NULL;
}

/*
 * By who waits for an answer, several times a second. Until it serves, nobody else reads
 * what it prints, and one whose words fill the pipe stands still.
 */
static bool look_around(void *opaque)
{
	struct mp_daemon *d = opaque;

	if (!is_ready(d))
		mp_printout_read(&d->print, NULL);
	return d->give_up && d->give_up(d->opaque);
}

/* -- process ----------------------------------------------------------------------- */

/* Files that were given to us by number are given on. */
static void keep_named_fds(const char *blockdev)
{
	static const char prefix[] = "/dev/fd/";
	const char *at = blockdev;

	while (at && (at = strstr(at, prefix))) {
		at += sizeof(prefix) - 1;
		fcntl(atoi(at), F_SETFD, 0);
	}
}

/* What a child couldn't do. */
struct failure {
	int error; /* errno; 0: all is well */
	bool pinning; /* else: exec() */
};

struct child {
	struct args args;
	int qmp_fd, print_fd, report_fd;
	pid_t parent;
	struct failure failure; /* as the parent has read it */
};

/*
 * Beside the polling thread a batch task: it doesn't take the core as soon as
 * there is something to do, but when the poller yields. Else it would wake up
 * for a write's header, find that the data isn't there yet, and sleep again.
 */
static bool take_place(const struct mp_cmdline *cmd)
{
	const struct sched_param param = {.sched_priority = 0};
	cpu_set_t set;

	if (cmd->storage_daemon_cpu < 0)
		return true;
	if (cmd->storage_daemon_cpu >= CPU_SETSIZE) {
		errno = EINVAL;
		return false;
	}
	CPU_ZERO(&set);
	CPU_SET((unsigned int)cmd->storage_daemon_cpu, &set);
	if (sched_setaffinity(0, sizeof(set), &set) < 0)
		return false;
	/* Without the right to it, only slower. */
	if (mp_cmdline_daemons_beside(cmd))
		(void)sched_setscheduler(0, SCHED_BATCH, &param);
	return true;
}

/* Between fork() and exec(): only what is safe there. */
static void run_child(const struct mp_daemon *d, const struct child *c)
{
	struct failure failure = {.error = 0};
	sigset_t none;
	int null_fd = open("/dev/null", O_RDONLY | O_CLOEXEC);

	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	signal(SIGPIPE, SIG_DFL);
	setpgid(0, 0);
	if (prctl(PR_SET_PDEATHSIG, SIGTERM) < 0 || getppid() != c->parent)
		_exit(127);
	dup2(null_fd, STDIN_FILENO);
	dup2(c->print_fd, STDOUT_FILENO);
	dup2(c->print_fd, STDERR_FILENO);
	close_range(STDERR_FILENO + 1, ~0u, CLOSE_RANGE_CLOEXEC);
	fcntl(c->qmp_fd, F_SETFD, 0);
	fcntl(d->listen_fd, F_SETFD, 0);
	keep_named_fds(d->drive->blockdev);
	failure.pinning = !take_place(d->cmd);
	if (!failure.pinning)
		execvp(c->args.v[0], c->args.v);
	failure.error = errno;
	(void)!write(c->report_fd, &failure, sizeof(failure));
	_exit(127);
}

/* The pipe closes without a byte when exec() has worked. */
static int fork_child(struct mp_daemon *d, struct child *c)
{
	int report[2];
	pid_t pid;

	if (pipe2(report, O_CLOEXEC) < 0)
		return mp_err_origin(-errno);
	c->report_fd = report[1];
	c->parent = getpid();
	pid = fork();
	if (pid == 0)
		run_child(d, c);
	close(report[1]);
	if (pid > 0 && read(report[0], &c->failure, sizeof(c->failure)) != sizeof(c->failure))
		c->failure.error = 0;
	close(report[0]);
	if (pid < 0)
		return mp_err_origin(-EAGAIN);
	if (!c->failure.error)
		d->pidfd = pidfd_open(pid, 0);
	if (d->pidfd < 0) {
		kill(pid, SIGKILL);
		waitpid(pid, NULL, 0);
		return mp_err_origin(c->failure.error ? -c->failure.error : -EMFILE);
	}
	set_pid(d, pid);
	d->spawned_ns = mp_clock_ns();
	return 0;
}

int mp_daemon_spawn(struct mp_daemon *d, char *error, size_t error_len)
{
	MP_CLEANUP_FD int qmp_theirs = -1;
	MP_CLEANUP_FD int print_theirs = -1;
	struct child c = {.args.n = 0};
	int qmp[2], print[2], r;

	snprintf(error, error_len, "drive %s: no descriptors for its storage daemon",
		 mp_opt_drive_name(d->drive));
	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, qmp) < 0)
		return mp_err_origin(-errno);
	qmp_theirs = qmp[1];
	pthread_mutex_lock(&d->lock);
	mp_qmp_client_fini(&d->qmp);
	mp_qmp_client_open_take(&d->qmp, qmp[0]);
	d->qmp.give_up = look_around;
	d->qmp.opaque = d;
	pthread_mutex_unlock(&d->lock);
	if (pipe2(print, O_CLOEXEC) < 0)
		return mp_err_origin(-errno);
	mp_printout_open_take(&d->print, print[0], d->cmd->storage_daemon);
	print_theirs = print[1];
	if (fcntl(d->print.fd, F_SETFL, O_NONBLOCK) < 0)
		return mp_err_origin(-errno);
	c.qmp_fd = qmp_theirs;
	c.print_fd = print_theirs;
	make_args(d, c.qmp_fd, &c.args);
	r = fork_child(d, &c);
	args_fini(&c.args);
	if (r < 0 && c.failure.error && c.failure.pinning)
		snprintf(
			error, error_len,
			"drive %s: cannot run %s on CPU %d: %s; --storage-daemon-cpu names another",
			mp_opt_drive_name(d->drive), d->cmd->storage_daemon,
			d->cmd->storage_daemon_cpu, strerror(-r));
	else if (r < 0)
		snprintf(error, error_len,
			 "drive %s: cannot start %s: %s; Debian has it in qemu-system-common; "
			 "--storage-daemon names another",
			 mp_opt_drive_name(d->drive), d->cmd->storage_daemon, strerror(-r));
	return mp_err_trace(r);
}

/* -- life ------------------------------------------------------------------------------ */

static uint64_t deadline_after_ns(uint64_t limit_ns)
{
	return limit_ns ? mp_clock_ns() + limit_ns : UINT64_MAX;
}

static uint64_t start_deadline_ns(const struct mp_daemon *d)
{
	return deadline_after_ns(d->cmd->storage_daemon_start_ns);
}

static uint64_t answer_deadline_ns(const struct mp_daemon *d)
{
	return deadline_after_ns(d->cmd->storage_daemon_answer_ns);
}

static const char *way_out(const struct mp_daemon *d)
{
	const char *first = mp_printout_first(&d->print);

	if (!d->drive->read_only &&
	    (strstr(first, "Permission denied") || strstr(first, "does not support writes")))
		return "; readonly=on needs no right to write";
	return "";
}

int mp_daemon_wait(struct mp_daemon *d, char *error, size_t error_len)
{
	const char *said;
	char why[512];
	struct mp_qmp_call call = {.name = "query-version",
				   .deadline_ns = start_deadline_ns(d),
				   .error = why,
				   .error_len = sizeof(why)};
	int r;

	pthread_mutex_lock(&d->lock);
	r = mp_qmp_client_run(&d->qmp, &call, NULL);
	pthread_mutex_unlock(&d->lock);
	if (r == 0) {
		pthread_mutex_lock(&d->state_lock);
		d->ready = true;
		pthread_mutex_unlock(&d->state_lock);
		return 0;
	}
	if (r == -ETIMEDOUT || r == -EINTR)
		mp_printout_read(&d->print, NULL);
	else
		mp_printout_read_rest(&d->print, NULL);
	said = mp_printout_first(&d->print);
	if (r == -EINTR)
		snprintf(error, error_len, "drive %s: %s isn't waited for any more",
			 mp_opt_drive_name(d->drive), d->cmd->storage_daemon);
	else if (r == -ETIMEDOUT)
		snprintf(error, error_len,
			 "drive %s: %s isn't ready in time; --storage-daemon-start allows more%s%s",
			 mp_opt_drive_name(d->drive), d->cmd->storage_daemon,
			 said[0] ? ". It has said: " : "", said);
	else
		snprintf(error, error_len, "drive %s: %s%s", mp_opt_drive_name(d->drive),
			 said[0] ? said : "its storage daemon ended without a reason", way_out(d));
	return mp_err_trace(r);
}

static void bury(struct mp_daemon *d)
{
	uint64_t now_ns = mp_clock_ns();
	int status = 0;

	pthread_mutex_lock(&d->state_lock);
	waitpid(d->pid, &status, 0);
	d->pid = 0; /* the number may be another's from now on */
	pthread_mutex_unlock(&d->state_lock);
	mp_fd_close(&d->pidfd);
	if (now_ns - d->spawned_ns > LONG_LIFE || d->pause_ns == 0)
		d->pause_ns = FIRST_WAIT;
	else
		d->pause_ns *= 2;
	if (d->pause_ns > LONGEST_WAIT)
		d->pause_ns = LONGEST_WAIT;
	d->retry_ns = now_ns + d->pause_ns;
	mp_printout_end(&d->print, warn_as(d));
	if (WIFSIGNALED(status))
		mp_warn("drive %s: its storage daemon was killed by signal %d (%s); it is "
			"started again",
			mp_opt_drive_name(d->drive), WTERMSIG(status), strsignal(WTERMSIG(status)));
	else
		mp_warn("drive %s: its storage daemon ended with status %d; it is started again",
			mp_opt_drive_name(d->drive), WEXITSTATUS(status));
}

static void respawn(struct mp_daemon *d)
{
	char error[512];

	d->retry_ns = 0;
	if (mp_daemon_spawn(d, error, sizeof(error)) == 0)
		return;
	mp_warn("%s", error);
	d->retry_ns = mp_clock_ns() + LONGEST_WAIT;
}

void mp_daemon_poll_fds(struct mp_daemon *d, struct pollfd *ret_pfd)
{
	ret_pfd[0] = (struct pollfd){.fd = is_ready(d) ? d->pidfd : -1, .events = POLLIN};
	ret_pfd[1] = (struct pollfd){.fd = is_ready(d) ? d->print.fd : -1, .events = POLLIN};
}

uint64_t mp_daemon_deadline_ns(struct mp_daemon *d)
{
	return is_ready(d) && d->retry_ns ? d->retry_ns : UINT64_MAX;
}

void mp_daemon_poll(struct mp_daemon *d, const struct pollfd *pfd)
{
	if (pfd[1].revents)
		mp_printout_read(&d->print, warn_as(d));
	if (pfd[0].revents)
		bury(d);
	if (mp_daemon_deadline_ns(d) <= mp_clock_ns())
		respawn(d);
}

static int command(struct mp_daemon *d, const struct mp_qmp_call *call, json_t **ret_value)
{
	int r;

	pthread_mutex_lock(&d->lock);
	r = mp_qmp_client_run(&d->qmp, call, ret_value);
	pthread_mutex_unlock(&d->lock);
	json_decref(call->args);
	return mp_err_trace(r);
}

int mp_daemon_command(struct mp_daemon *d, const char *name, json_t *args, json_t **ret_value,
		      char error[512])
{
	const struct mp_qmp_call call = {.name = name,
					 .args = args,
					 .deadline_ns = answer_deadline_ns(d),
					 .error = error,
					 .error_len = 512};

	return mp_err_trace(command(d, &call, ret_value));
}

/* Its connections end first, which may take a moment. */
static int wait_for_no_export(struct mp_daemon *d, char error[512])
{
	const struct timespec pause = {.tv_nsec = 2000000};
	uint64_t end_ns = answer_deadline_ns(d);
	json_t *exports;
	size_t n;
	int r;

	while (mp_clock_ns() < end_ns) {
		r = mp_daemon_command(d, "query-block-exports", NULL, &exports, error);
		if (r < 0)
			return mp_err_trace(r);
		n = json_array_size(exports);
		json_decref(exports);
		if (n == 0)
			return 0;
		if (d->give_up && d->give_up(d->opaque)) {
			snprintf(error, 512, "interrupted");
			return mp_err_origin(-EINTR);
		}
		nanosleep(&pause, NULL);
	}
	snprintf(error, 512, "its connections don't end");
	return mp_err_origin(-ETIMEDOUT);
}

static bool refuses_half_sectors(const struct mp_opt_drive *drive)
{
	json_t *nodes = json_loads(drive->blockdev, 0, NULL), *node;
	bool is_qcow2 = false;
	size_t i;

	json_array_foreach(nodes, i, node)
	{
		const char *name = json_string_value(json_object_get(node, "node-name"));
		const char *driver = json_string_value(json_object_get(node, "driver"));

		is_qcow2 |= name && driver && strcmp(name, drive->node_name) == 0 &&
			    strcmp(driver, "qcow2") == 0;
	}
	json_decref(nodes);
	return is_qcow2;
}

/* QEMU shows whole sectors; a file that has no more is a trap, see has_whole_sectors(). */
static uint64_t sectors_for(const struct mp_opt_drive *drive, uint64_t bytes)
{
	if (bytes % MP_BLK_SECTOR_BYTES == 0 || refuses_half_sectors(drive))
		return bytes;
	return bytes + MP_BLK_SECTOR_BYTES - bytes % MP_BLK_SECTOR_BYTES;
}

/* Much may have to be discarded, and a file system is as slow as it is: no deadline. */
static int resize(struct mp_daemon *d, uint64_t bytes, char error[512])
{
	const struct mp_qmp_call call = {
		.name = "block_resize",
		.args = json_pack("{s:s, s:I}", "node-name", d->drive->node_name, "size",
				  (json_int_t)sectors_for(d->drive, bytes)),
		.deadline_ns = UINT64_MAX,
		.error = error,
		.error_len = 512};

	return mp_err_trace(command(d, &call, NULL));
}

/* The spawning thread sees its end, and starts it again. */
static void kill_it(struct mp_daemon *d)
{
	pthread_mutex_lock(&d->state_lock);
	if (d->pid > 0)
		kill(d->pid, SIGKILL);
	pthread_mutex_unlock(&d->state_lock);
}

/* What the last step but one came to, and the last: its connection was there, and ended. */
static bool has_died(int before, int last)
{
	return last == -ECONNRESET && (before == 0 || before == -EREMOTEIO ||
				       before == -ETIMEDOUT || before == -ECONNRESET);
}

int mp_daemon_resize(struct mp_daemon *d, uint64_t bytes, char error[512])
{
	char why[512];
	int add, r = mp_daemon_command(d, "block-export-del",
				       json_pack("{s:s, s:s}", "id", EXPORT_ID, "mode", "hard"),
				       NULL, error);

	/* It may have gone by a command whose answer nobody waited for. */
	if (r == 0 || r == -EREMOTEIO)
		r = wait_for_no_export(d, error);
	if (r == 0)
		r = resize(d, bytes, error);
	if (r == -EINTR) /* nobody needs the export any more */
		return mp_err_trace(r);
	/* Whatever came of it. One that has died exports it again by itself, as will this one. */
	add = mp_daemon_command(d, "block-export-add", export_of(d->drive), NULL, why);
	if (add < 0 && add != -EINTR && !has_died(r, add)) {
		mp_warn("drive %s: its storage daemon doesn't export the image again (%s) and is "
			"killed",
			mp_opt_drive_name(d->drive), why);
		kill_it(d);
	}
	return mp_err_trace(r);
}

int mp_daemon_pid(struct mp_daemon *d)
{
	pid_t pid;

	pthread_mutex_lock(&d->state_lock);
	pid = d->pid;
	pthread_mutex_unlock(&d->state_lock);
	return pid;
}

int mp_daemon_create(const struct mp_daemon_cfg *cfg, struct mp_daemon **ret_d, char *error,
		     size_t error_len)
{
	struct mp_daemon *d = calloc(1, sizeof(*d));
	int r;

	snprintf(error, error_len, "drive %s: out of memory", mp_opt_drive_name(cfg->drive));
	if (!d)
		return mp_err_origin(-ENOMEM);
	d->cmd = cfg->cmd;
	d->drive = cfg->drive;
	d->give_up = cfg->give_up;
	d->opaque = cfg->opaque;
	d->listen_fd = d->path_fd = d->pidfd = -1;
	d->print = MP_PRINTOUT_NULL;
	d->qmp = MP_QMP_CLIENT_NULL;
	pthread_mutex_init(&d->lock, NULL);
	pthread_mutex_init(&d->state_lock, NULL);
	r = make_socket(d);
	if (r < 0) {
		snprintf(error, error_len,
			 "drive %s: cannot make a socket for its storage daemon, in "
			 "XDG_RUNTIME_DIR or /tmp: %s",
			 mp_opt_drive_name(d->drive), strerror(-r));
		mp_daemon_destroy(d);
		return mp_err_trace(r);
	}
	*ret_d = d;
	return 0;
}

void mp_daemon_ask_to_end(struct mp_daemon *d)
{
	if (d->pidfd < 0 || d->end_ns)
		return;
	d->end_ns = is_ready(d) ? start_deadline_ns(d) : mp_clock_ns() + GRACE_NS;
	pidfd_send_signal(d->pidfd, SIGTERM, NULL, 0);
}

static void end_process(struct mp_daemon *d)
{
	struct pollfd pfd = {.fd = d->pidfd, .events = POLLIN};
	uint64_t now_ns;

	if (d->pidfd < 0)
		return;
	mp_daemon_ask_to_end(d);
	do {
		now_ns = mp_clock_ns();
		mp_printout_read(&d->print, warn_as(d)); /* or it would wait for room */
		if (poll(&pfd, 1, 100) > 0) {
			waitpid(d->pid, NULL, 0);
			mp_printout_end(&d->print, warn_as(d)); /* its last words */
			return;
		}
	} while (now_ns < d->end_ns);
	/* Nobody has given it anything to write. */
	if (!is_ready(d)) {
		pidfd_send_signal(d->pidfd, SIGKILL, NULL, 0);
		waitpid(d->pid, NULL, 0);
		return;
	}
	mp_warn("drive %s: its storage daemon (pid %d) still writes; it goes on alone",
		mp_opt_drive_name(d->drive), d->pid);
}

struct mp_daemon *mp_daemon_destroy(struct mp_daemon *d)
{
	if (!d)
		return NULL;
	end_process(d);
	mp_qmp_client_fini(&d->qmp);
	mp_fd_close(&d->pidfd);
	mp_printout_fini(&d->print);
	mp_fd_close(&d->listen_fd);
	mp_fd_close(&d->path_fd);
	pthread_mutex_destroy(&d->lock);
	pthread_mutex_destroy(&d->state_lock);
	free(d);
	return NULL;
}
