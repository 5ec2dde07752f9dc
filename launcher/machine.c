/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Order of a start: workers first (each waits on its end of a socketpair),
 * then QEMU, whose proxies meet them while it builds the machine. Right after
 * that the launcher closes its copies of both ends: from then on the death of
 * one side is an end-of-file for the other, and the launcher is in no data
 * path at all.
 *
 * How it ends. QEMU gets SIGTERM and may write what its own disks lack; then
 * the workers see their sockets close, write what they hold and exit by
 * themselves. QEMU has --end-timeout for that, and the workers have it again:
 * they hear of the end from QEMU's sockets, so they begin when it is done. Who
 * isn't in time is killed. If the launcher itself is killed, the kernel kills
 * its children (spawn.c). A worker under a supervisor hears of that one's end,
 * and ends by itself; its monitors' paths stay. No other path was ever made.
 */
#include "launcher/machine.h"

#include <errno.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/err.h"
#include "base/fdpass.h"
#include "base/log.h"

#define MAX_FDS         1024
#define QEMU_GRACE_NS   (3 * MP_NS_PER_SEC)
#define QEMU_LINGER_NS  MP_NS_PER_SEC
#define WORKER_GRACE_NS (MP_NS_PER_SEC / 2)
#define PATIENCE_NS     MP_NS_PER_SEC

static int take_signals(struct mp_machine *m)
{
	struct rlimit files;
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGINT);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGHUP);
	sigaddset(&set, SIGCHLD);
	signal(SIGPIPE, SIG_IGN);
	if (sigprocmask(SIG_BLOCK, &set, NULL) < 0)
		return mp_err_origin(-errno);
	m->signal_fd = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
	if (m->signal_fd < 0)
		return mp_err_origin(-errno);
	/* What a worker starts (a server for an image format) is ours when the worker dies. */
	prctl(PR_SET_CHILD_SUBREAPER, 1);
	if (getrlimit(RLIMIT_NOFILE, &files) == 0) {
		files.rlim_cur = files.rlim_max;
		setrlimit(RLIMIT_NOFILE, &files);
	}
	return 0;
}

/* "worker of lsi0", "worker of lsi4 to lsi7" */
static void name_worker(struct mp_machine *m, unsigned int w)
{
	unsigned int k = m->plan->opt->devices_per_worker, first = w * k, last = first + k - 1;

	if (last >= m->plan->n_remote)
		last = m->plan->n_remote - 1;
	if (first == last)
		snprintf(m->worker_name[w], sizeof(m->worker_name[w]), "worker of lsi%u", first);
	else
		snprintf(m->worker_name[w], sizeof(m->worker_name[w]), "worker of lsi%u to lsi%u",
			 first, last);
	m->worker[w].what = m->worker_name[w];
}

static int start_worker(struct mp_machine *m, unsigned int w)
{
	MP_CLEANUP(mp_args_fini) struct mp_args args = MP_ARGS_NULL;
	int fds[MAX_FDS], cpu = m->plan->place.worker_cpu[w], r;
	struct mp_spawn_fds pass = {.fds = fds, .stdio_null = 1};
	cpu_set_t cpus;

	name_worker(m, w);
	if (m->plan->opt->stock_remote && cpu >= 0) { /* mpring-worker is told by --cpu */
		CPU_ZERO(&cpus);
		CPU_SET(cpu, &cpus);
		pass.cpus = &cpus;
	}
	mp_plan_worker_args(m->plan, w, &args);
	pass.n = mp_plan_worker_fds(m->plan, w, fds, MAX_FDS);
	r = mp_spawn(&m->worker[w], &args, &pass);
	if (r < 0)
		mp_error("%s: %s: %s", m->worker[w].what, args.v[0], strerror(-r));
	return r;
}

static int start_qemu(struct mp_machine *m)
{
	MP_CLEANUP(mp_args_fini) struct mp_args args = MP_ARGS_NULL;
	int fds[MAX_FDS], r;
	struct mp_spawn_fds pass = {.fds = fds, .stdio_null = m->plan->opt->mode == MP_MODE_PERF};

	m->qemu.what = "QEMU";
	mp_plan_qemu_args(m->plan, &args);
	pass.n = mp_plan_qemu_fds(m->plan, fds, MAX_FDS);
	r = mp_spawn(&m->qemu, &args, &pass);
	if (r < 0)
		mp_error("%s: %s; --qemu names another program", args.v[0], strerror(-r));
	return r;
}

/* On the guest's core it would take its time from the guest; beside a worker it
 * preempts a poll loop for an instant. */
static void pin_main_loop(const struct mp_machine *m)
{
	const struct mp_placement *place = &m->plan->place;
	cpu_set_t set;

	CPU_ZERO(&set);
	for (unsigned int i = place->n_vcpus; i < place->n_cores; i++)
		CPU_SET(place->core[i], &set);
	if (sched_setaffinity(m->qemu.pid, sizeof(set), &set) < 0)
		mp_warn("QEMU's main loop could not be pinned: %s", strerror(errno));
}

static uint64_t start_deadline(const struct mp_machine *m)
{
	unsigned int s = m->plan->opt->start_timeout_s;

	return s ? mp_clock_ns() + s * MP_NS_PER_SEC : MP_FDPASS_FOREVER;
}

static int ask(struct mp_machine *m, const char *what, json_t **ret_value, uint64_t deadline_ns)
{
	const struct mp_qmp_call call = {.name = what, .deadline_ns = deadline_ns};

	return mp_qmp_client_run(&m->qmp, &call, ret_value);
}

static void pin_vcpus(struct mp_machine *m)
{
	const struct mp_placement *place = &m->plan->place;
	json_t *cpus = NULL, *cpu;
	size_t i;

	if (ask(m, "query-cpus-fast", &cpus, start_deadline(m)) < 0)
		return;
	json_array_foreach(cpus, i, cpu)
	{
		pid_t tid = (pid_t)json_integer_value(json_object_get(cpu, "thread-id"));
		cpu_set_t set;

		CPU_ZERO(&set);
		CPU_SET(place->core[i % place->n_vcpus], &set);
		if (i < place->n_vcpus && sched_setaffinity(tid, sizeof(set), &set) < 0)
			mp_warn("guest CPU %zu could not be pinned: %s", i, strerror(errno));
	}
	json_decref(cpus);
}

static bool given_up(void *opaque)
{
	return !mp_machine_check(opaque);
}

/* Somebody else may have asked it to, before we have. */
static bool has_ended_well(struct mp_machine *m)
{
	return mp_child_reap(&m->qemu, mp_clock_ns() + QEMU_LINGER_NS) &&
	       WIFEXITED(m->qemu.status) && WEXITSTATUS(m->qemu.status) == 0;
}

static int meet_qemu(struct mp_machine *m)
{
	int r;

	mp_qmp_client_open_take(&m->qmp, mp_fd_steal(&m->plan->our_qmp));
	m->qmp.give_up = given_up;
	m->qmp.opaque = m;
	r = ask(m, "query-version", NULL, start_deadline(m));
	m->up = r == 0;
	if (r == -ECONNRESET && has_ended_well(m))
		return 0;
	if (r < 0)
		mp_machine_check(m);
	if (r == -ECONNRESET && !m->interrupted)
		mp_error("QEMU did not start; the first message above says why");
	else if (r == -ETIMEDOUT)
		mp_error("QEMU, or a worker that it waits for, took longer to start than "
			 "--start-timeout allows, %u s",
			 m->plan->opt->start_timeout_s);
	else if (r < 0 && !m->interrupted)
		mp_error("QEMU does not answer on its monitor: %s", strerror(-r));
	return r;
}

const char *mp_machine_stopped(struct mp_machine *m)
{
	static const char *const bad[] = {"internal-error", "io-error", "guest-panicked"};
	const char *status, *found = NULL;
	json_t *answer = NULL;

	if (!m->up || ask(m, "query-status", &answer, mp_clock_ns() + MP_NS_PER_SEC) < 0)
		return NULL;
	status = json_string_value(json_object_get(answer, "status"));
	for (size_t i = 0; status && i < sizeof(bad) / sizeof(bad[0]); i++)
		if (strcmp(status, bad[i]) == 0)
			found = bad[i];
	json_decref(answer);
	return found;
}

int mp_machine_start(struct mp_machine *m, struct mp_plan *p)
{
	int r;

	*m = (struct mp_machine){
		.plan = p, .qemu = MP_CHILD_NULL, .qmp = MP_QMP_CLIENT_NULL, .signal_fd = -1};
	for (unsigned int w = 0; w < MP_MAX_DEVICES; w++)
		m->worker[w] = MP_CHILD_NULL;
	r = take_signals(m);
	if (r < 0)
		mp_error("signals: %s", strerror(-r));
	if (r == 0)
		r = mp_plan_open(p);
	for (unsigned int w = 0; r == 0 && w < p->n_workers; w++)
		r = start_worker(m, w);
	if (r == 0)
		r = start_qemu(m);
	mp_plan_close_children_fds(p);
	if (r == 0)
		r = meet_qemu(m);
	if (m->up && p->place.pinned) {
		pin_main_loop(m);
		pin_vcpus(m);
	} else if (r < 0 && m->signal_fd >= 0) {
		mp_machine_check(m); /* interrupted? */
	}
	return mp_err_trace(r);
}

/*
 * A worker ends with status 0 when its proxies have closed. A QEMU that ends closes them a moment
 * before it can be reaped, so such a worker is a dead one only if QEMU is still there later.
 */
static void check_worker(struct mp_machine *m, struct mp_child *c)
{
	bool clean, alone;
	char how[64];

	if (c->pidfd < 0 || !mp_child_reap(c, 0))
		return;
	clean = WIFEXITED(c->status) && WEXITSTATUS(c->status) == 0;
	alone = mp_child_reap(&m->qemu, clean ? mp_clock_ns() + QEMU_LINGER_NS : 0);
	if (!alone || !clean)
		m->n_dead_workers++;
	if (alone)
		return; /* QEMU went first: workers follow */
	mp_child_describe_end(c, how, sizeof(how));
	mp_error("%s (pid %d) ended: %s%s", c->what, (int)c->pid, how,
		 m->up ? "; QEMU goes on, the device's registers read as all ones" : "");
}

static void reap_strangers(const struct mp_machine *m)
{
	siginfo_t info;

	/* Not ours by name: children of a worker that died. WNOWAIT keeps our own for their pidfds. */
	for (;;) {
		info.si_pid = 0;
		if (waitid(P_ALL, 0, &info, WEXITED | WNOHANG | WNOWAIT) < 0 || info.si_pid == 0)
			return;
		if (info.si_pid == m->qemu.pid)
			return;
		for (unsigned int w = 0; w < m->plan->n_workers; w++)
			if (info.si_pid == m->worker[w].pid)
				return;
		waitid(P_PID, (id_t)info.si_pid, &info, WEXITED | WNOHANG);
	}
}

bool mp_machine_check(struct mp_machine *m)
{
	struct signalfd_siginfo si;

	while (read(m->signal_fd, &si, sizeof(si)) == sizeof(si))
		if (si.ssi_signo != SIGCHLD)
			m->interrupted = true;
	mp_child_reap(&m->qemu, 0);
	for (unsigned int w = 0; w < m->plan->n_workers; w++)
		check_worker(m, &m->worker[w]);
	reap_strangers(m);
	return !m->interrupted && m->qemu.pidfd >= 0;
}

static bool told_to_end(const struct mp_machine *m)
{
	struct signalfd_siginfo si;
	bool told = false;

	while (m->signal_fd >= 0 && read(m->signal_fd, &si, sizeof(si)) == sizeof(si))
		told |= si.ssi_signo != SIGCHLD;
	return told;
}

/* 1 @fd has @events or a hang-up, 0 not in time, -EINTR: one more signal of who won't wait. */
static int await(struct mp_machine *m, int fd, short events, uint64_t deadline)
{
	struct pollfd pfd[2] = {{.fd = fd, .events = events},
				{.fd = m->signal_fd, .events = POLLIN}};
	uint64_t now;

	for (;;) {
		now = mp_clock_ns();
		if (now >= deadline)
			return 0;
		poll(pfd, 2, (int)((deadline - now) / 1000000) + 1);
		if (pfd[0].revents)
			return 1;
		if (told_to_end(m))
			return -EINTR;
	}
}

static uint64_t end_deadline(const struct mp_machine *m)
{
	return mp_clock_ns() + m->plan->opt->end_timeout_s * MP_NS_PER_SEC;
}

/* It writes what it holds, and ends. Return: as of await(); the user has been told. */
static int await_writer(struct mp_machine *m, struct mp_child *c, uint64_t patience,
			uint64_t deadline)
{
	int r;

	if (mp_child_reap(c, patience))
		return 1;
	if (deadline > 0)
		mp_info("%s still writes; --end-timeout bounds that, to %u s", c->what,
			m->plan->opt->end_timeout_s);
	r = await(m, c->pidfd, POLLIN, deadline);
	if (r == 1)
		mp_child_reap(c, 0);
	else
		mp_error("%s was ended before it had written all; what the guest hadn't flushed "
			 "may be lost",
			 c->what);
	return r;
}

/* A worker whose proxies have gone is a writer. Return: have all ended? */
static bool await_workers(struct mp_machine *m)
{
	uint64_t patience = mp_clock_ns() + PATIENCE_NS, deadline = end_deadline(m);
	bool all = true;
	int r;

	for (unsigned int w = 0; w < m->plan->n_workers; w++) {
		r = await_writer(m, &m->worker[w], patience, deadline);
		all &= r == 1;
		if (r < 0) /* for those that are left, too */
			patience = deadline = 0;
	}
	return all;
}

static bool stop_workers(struct mp_machine *m)
{
	const struct mp_plan *p = m->plan;
	uint64_t deadline = mp_clock_ns() + WORKER_GRACE_NS;
	/* What is in temporary disks goes away with them. */
	bool all = !p->opt->n_disks || await_workers(m);

	for (unsigned int w = 0; w < p->n_workers; w++)
		mp_child_reap(&m->worker[w], deadline);
	for (unsigned int w = 0; w < p->n_workers; w++)
		mp_child_stop(&m->worker[w], 0);
	return all;
}

/* With run QEMU may have any disk, by its own arguments. Return: false: it hadn't written all. */
static bool stop_qemu(struct mp_machine *m)
{
	const struct mp_options *o = m->plan->opt;
	bool all = true;

	if (m->qemu.pidfd >= 0 && (o->mode == MP_MODE_RUN || o->n_disks)) {
		mp_child_signal(&m->qemu, SIGTERM);
		all = await_writer(m, &m->qemu, mp_clock_ns() + PATIENCE_NS, end_deadline(m)) == 1;
		mp_child_stop(&m->qemu, 0);
	}
	mp_child_stop(&m->qemu, QEMU_GRACE_NS);
	return all;
}

/* One whose wrapper (--qemu) has ended: nobody else would end it, and its workers wait for it. */
static void quit_survivor(struct mp_machine *m)
{
	struct pollfd pfd = {.fd = m->qmp.fd};

	if (!m->up || pfd.fd < 0 || poll(&pfd, 1, 0) > 0) /* only a hang-up is looked for */
		return;
	m->qmp.give_up = NULL;
	if (ask(m, "quit", NULL, mp_clock_ns() + QEMU_GRACE_NS) < 0 ||
	    await(m, pfd.fd, 0, end_deadline(m)) != 1)
		mp_warn("the program of --qemu has ended, but a QEMU that it started has not");
}

bool mp_machine_stop(struct mp_machine *m)
{
	bool all;

	if (!m->plan)
		return true;
	all = stop_qemu(m);
	quit_survivor(m);
	all &= stop_workers(m);
	mp_qmp_client_fini(&m->qmp);
	mp_fd_close(&m->signal_fd);
	return all;
}

static unsigned int devices_of(const struct mp_plan *p, unsigned int w)
{
	unsigned int k = p->opt->devices_per_worker, left = p->n_remote - w * k;

	return left < k ? left : k;
}

void mp_machine_transport(const struct mp_machine *m, unsigned int i, struct mp_transport *ret)
{
	const struct mp_plan_dev *d = &m->plan->dev[i];

	*ret = (struct mp_transport){0};
	if (d->kind != MP_DEV_REMOTE)
		return;
	for (unsigned int c = 0; c < MP_STAT_COUNT; c++)
		ret->counter[c] = mp_stat_get(mp_stat_page(&d->stat_proxy), c) +
				  mp_stat_get(mp_stat_page(&d->stat_worker), c);
	/* Of the whole process; shared evenly by its devices. */
	ret->worker_cpu_ns = mp_child_cpu_ns(&m->worker[d->worker]) /
			     devices_of(m->plan, d->worker);
}
