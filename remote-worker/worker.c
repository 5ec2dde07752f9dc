/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The polling core. One turn gives each device the same three things, in the
 * order in which a command travels, each with a bound, none of which blocks:
 *
 *	requests from its proxy -> SCRIPTS -> (all devices:) block I/O
 *
 * and then publishes what came of it. So a guest whose SCRIPTS loop for ever, or
 * whose driver floods the ring, takes its share of the turn and no more, and a
 * register access waits for at most one turn.
 *
 * When turns find nothing to do, the idle ladder says when to stop spinning. The
 * core then arms the bell of each device, looks at each ring once more, and
 * sleeps in one place, mp_blk_engine_wait(), where a completion, a doorbell (one
 * eventfd for all devices and for control.h), and a chip's deadline all wake it.
 *
 * Who owns what: after setup() has run on the core, everything in struct
 * mp_worker is the core's, except what is marked. The control thread hands in
 * fronts and tables of guest memory, and gets them back when a command returns.
 * A device is left alone (no requests, no SCRIPTS) while it has no front, while
 * its front is broken, and while its front is stalled. While the machine stands
 * still it is halted: requests, but no SCRIPTS.
 */
#include "remote-worker/worker.h"

#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <semaphore.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/err.h"
#include "base/thread.h"
#include "remote-worker/control.h"
#include "remote-worker/core.h"
#include "remote-worker/device.h"
#include "remote-worker/unit.h"

#define STATS_TURNS    1024u /* power of two */
#define CLOCK_TURNS    16u /* power of two: how often a deadline is looked at while busy */
#define CPU_TIME_NS    10000000ull
#define STALL_RETRY_NS 1000000ull

struct mp_worker {
	/* Read-only after mp_worker_start(). */
	const struct mp_cmdline *cmd;
	int bell_fd, notify_fd;
	struct mp_control *control;
	pthread_t thread;
	/* The control thread's: what it must destroy after a detach. */
	struct mp_front *front[MP_CMDLINE_MAX_HBAS];
	/* Set by setup(), read by the control thread after it. */
	sem_t is_set_up;
	int setup_result, uring_errno;
	char *error;
	size_t error_len;
	/* From the core to the control thread. */
	struct mp_notice notice[MP_CMDLINE_MAX_HBAS];
	/* The core's. */
	struct mp_state state;
	struct mp_core core;
	struct mp_device device[MP_CMDLINE_MAX_HBAS];
	struct mp_idle idle;
	bool stopping;
	struct mp_control_cmd *ran; /* done, and not told yet */
	uint64_t tsc_hz, tsc_mult;
	struct mp_hist turns; /* busy ones; read by any thread */
};

/* -- statistics -------------------------------------------------------- */

static void read_cpu_time(struct mp_worker *w)
{
	uint64_t now_ns = mp_clock_ns();
	struct timespec ts;

	if (now_ns - w->core.cpu_read_ns < CPU_TIME_NS)
		return;
	w->core.cpu_read_ns = now_ns;
	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &ts);
	w->core.cpu_ns = (uint64_t)ts.tv_sec * MP_NS_PER_SEC + (uint64_t)ts.tv_nsec;
}

static void device_stats(const struct mp_device *d, struct mp_stat_page *page)
{
	const struct mp_scsi_counters *scsi = mp_scsi_bus_counters(d->bus);
	const struct mp_lsi_counters *lsi = &d->lsi.counters;

	mp_stat_set(page, MP_STAT_WORKER_INSNS, lsi->n_insns);
	mp_stat_set(page, MP_STAT_WORKER_DISCONNECTS, lsi->n_disconnects);
	mp_stat_set(page, MP_STAT_WORKER_COMMANDS, scsi->n_commands);
	mp_stat_set(page, MP_STAT_WORKER_READ_BYTES, scsi->n_read_bytes);
	mp_stat_set(page, MP_STAT_WORKER_WRITE_BYTES, scsi->n_write_bytes);
	mp_stat_set(page, MP_STAT_WORKER_IO_ERRORS, scsi->n_io_errors);
	if (d->front)
		d->front->ops->stats(d->front);
}

static void worker_stats(const struct mp_worker *w, struct mp_stat_page *page)
{
	mp_stat_set(page, MP_STAT_WORKER_TURNS, w->core.n_turns);
	mp_stat_set(page, MP_STAT_WORKER_IDLE_TURNS, w->core.n_idle_turns);
	mp_stat_set(page, MP_STAT_WORKER_SLEEPS, w->core.n_sleeps);
	mp_stat_set(page, MP_STAT_WORKER_CPU_NS, w->core.cpu_ns);
	mp_stat_set(page, MP_STAT_WORKER_URING_ENTERS, mp_blk_engine_n_enters(w->core.engine));
	mp_stat_set(page, MP_STAT_WORKER_BLK_REQUESTS, mp_blk_engine_n_requests(w->core.engine));
	mp_stat_set(page, MP_STAT_WORKER_BACKEND_THREADS, mp_blk_engine_is_threads(w->core.engine));
}

static void publish_stats(struct mp_worker *w)
{
	struct mp_stat_page *page;
	bool wanted = false;

	for (unsigned int i = 0; i < w->cmd->n_hbas; i++)
		wanted |= w->device[i].stats.addr != NULL;
	if (!wanted)
		return;
	read_cpu_time(w);
	for (unsigned int i = 0; i < w->cmd->n_hbas; i++) {
		page = mp_stat_page(&w->device[i].stats);
		if (!page)
			continue;
		worker_stats(w, page);
		device_stats(&w->device[i], page);
	}
}

/* -- one turn ---------------------------------------------------------- */

static bool is_running(const struct mp_device *d)
{
	return d->front && !d->front->broken && !d->front->stalled;
}

static bool runs_scripts(const struct mp_device *d)
{
	return is_running(d) && !d->halted;
}

/* A halted chip's timers stand still too; what they missed comes when it goes on. */
static uint64_t deadline_ns(const struct mp_device *d)
{
	return d->front && !d->halted ? mp_lsi_deadline_ns(&d->lsi) : UINT64_MAX;
}

static void notify(struct mp_worker *w)
{
	uint64_t one = 1;
	ssize_t n = write(w->notify_fd, &one, sizeof(one));

	(void)n; /* EAGAIN: it has been told already */
}

/* So that it is in the worker's messages which disk it was. */
static void report_stop(struct mp_worker *w, unsigned int device)
{
	struct mp_device *d = &w->device[device];
	struct mp_scsi_stop stop = mp_scsi_last_stop(d->bus);

	d->stop_untold = false;
	mp_notice_stop(&w->notice[device], w->notify_fd, &stop);
}

static void report_front(struct mp_worker *w, unsigned int device)
{
	struct mp_notice *notice = &w->notice[device];
	struct mp_front *f = w->device[device].front;

	if (f->refusal.why != MP_REFUSED_NOTHING)
		mp_notice_refusal(notice, w->notify_fd, &f->refusal);
	f->refusal.why = MP_REFUSED_NOTHING;
	if (f->ram)
		mp_notice_ram(notice, w->notify_fd, f->ram);
	f->ram = NULL;
	if (f->broken)
		mp_notice_end(notice, w->notify_fd,
			      f->closed ? MP_NOTICE_CLOSED : MP_NOTICE_BROKEN);
}

static bool has_news(const struct mp_front *f)
{
	return f && (f->broken || f->ram || f->refusal.why != MP_REFUSED_NOTHING);
}

static unsigned int device_turn(struct mp_worker *w, unsigned int i)
{
	struct mp_device *d = &w->device[i];
	unsigned int done = 0;

	if (mp_unlikely(d->front && d->front->stalled))
		d->front->ops->publish(d->front);
	if (is_running(d))
		done += d->front->ops->drain(d->front, w->cmd->request_budget);
	if (runs_scripts(d))
		done += mp_lsi_run(&d->lsi, w->cmd->insn_budget);
	if (mp_unlikely(has_news(d->front)))
		report_front(w, i);
	if (mp_unlikely(d->stop_untold))
		report_stop(w, i);
	if (mp_unlikely(d->events_untold)) {
		d->events_untold = false;
		notify(w);
	}
	return done;
}

static void publish_all(struct mp_worker *w)
{
	for (unsigned int i = 0; i < w->cmd->n_hbas; i++)
		if (is_running(&w->device[i]))
			w->device[i].front->ops->publish(w->device[i].front);
}

static uint64_t next_deadline_ns(const struct mp_worker *w)
{
	uint64_t first = UINT64_MAX, ns;

	for (unsigned int i = 0; i < w->cmd->n_hbas; i++) {
		ns = deadline_ns(&w->device[i]);
		if (ns < first)
			first = ns;
	}
	return first;
}

/* Chips whose deadline has come. The clock is only read while one has a deadline. */
static unsigned int tick_all(struct mp_worker *w)
{
	unsigned int n = 0;
	uint64_t now_ns;

	if (next_deadline_ns(w) == UINT64_MAX)
		return 0;
	now_ns = mp_clock_ns();
	for (unsigned int i = 0; i < w->cmd->n_hbas; i++) {
		if (deadline_ns(&w->device[i]) > now_ns)
			continue;
		mp_lsi_tick(&w->device[i].lsi, now_ns);
		n++;
	}
	return n;
}

static void run_job(struct mp_worker *w, const struct mp_control_job *job)
{
	job->run(&w->core, job->opaque);
}

static void obey(struct mp_worker *w, struct mp_control_cmd *cmd)
{
	struct mp_device *d = &w->device[cmd->device];

	switch (cmd->op) {
	case MP_CONTROL_ATTACH:
		mp_device_attach(d, cmd->arg);
		break;
	case MP_CONTROL_SET_RAM:
		mp_device_set_ram(d, cmd->arg);
		if (d->front && d->front->ops->ram_set)
			d->front->ops->ram_set(d->front, cmd->arg != NULL);
		break;
	case MP_CONTROL_DETACH:
		publish_stats(w);
		if (d->front && d->front->ops->detach)
			d->front->ops->detach(d->front);
		mp_device_attach(d, NULL);
		break;
	case MP_CONTROL_RUN:
		publish_stats(w);
		run_job(w, cmd->arg);
		w->ran = cmd; /* what it changed is published first */
		return;
	case MP_CONTROL_STOP:
		w->stopping = true;
		break;
	}
	mp_control_done(cmd);
}

static unsigned int take_command(struct mp_worker *w)
{
	struct mp_control_cmd *cmd = mp_control_poll(w->control);

	if (mp_likely(!cmd))
		return 0;
	obey(w, cmd);
	return 1;
}

static void end_job(struct mp_worker *w)
{
	if (mp_unlikely(w->ran))
		mp_control_done(w->ran);
	w->ran = NULL;
}

/* One turn follows requests down the stack and completions back up. */
static unsigned int worker_turn(struct mp_worker *w)
{
	uint64_t begun_tsc = mp_clock_tsc();
	unsigned int done = 0;

	w->core.n_turns++;
	for (unsigned int i = 0; i < w->cmd->n_hbas; i++)
		done += device_turn(w, i); /* ring -> registers -> SCRIPTS */
	done += mp_blk_engine_poll(w->core.engine); /* SCRIPTS -> SCSI -> block, and back */
	done += take_command(w);
	if (done == 0 || (w->core.n_turns & (CLOCK_TURNS - 1)) == 0)
		done += tick_all(w);
	if (done) {
		publish_all(w);
		end_job(w);
		mp_hist_add(&w->turns, mp_clock_tsc_to_ns(mp_clock_tsc() - begun_tsc, w->tsc_mult));
	}
	return done;
}

/* -- idling ------------------------------------------------------------ */

static void idle_fronts(struct mp_worker *w, bool sleeping)
{
	for (unsigned int i = 0; i < w->cmd->n_hbas; i++)
		if (w->device[i].front)
			w->device[i].front->ops->idle(w->device[i].front, sleeping);
}

/* Arms every bell; returns whether there is something to do after all. */
static bool arm_all(struct mp_worker *w)
{
	bool busy = false;
	struct mp_device *d;

	for (unsigned int i = 0; i < w->cmd->n_hbas; i++) {
		d = &w->device[i];
		if (d->front)
			busy |= d->front->ops->arm(d->front);
		if (runs_scripts(d))
			busy |= mp_lsi_runnable(&d->lsi);
	}
	return busy;
}

static void disarm_all(struct mp_worker *w)
{
	for (unsigned int i = 0; i < w->cmd->n_hbas; i++)
		if (w->device[i].front)
			w->device[i].front->ops->disarm(w->device[i].front);
}

/* A proxy that takes replies doesn't ring for it, so a stalled front looks again soon. */
static uint64_t sleep_ns(const struct mp_worker *w)
{
	uint64_t until_ns = next_deadline_ns(w), now_ns, ns = UINT64_MAX;

	if (until_ns != UINT64_MAX) {
		now_ns = mp_clock_ns();
		ns = until_ns > now_ns ? until_ns - now_ns : 0;
	}
	for (unsigned int i = 0; i < w->cmd->n_hbas; i++)
		if (w->device[i].front && w->device[i].front->stalled && ns > STALL_RETRY_NS)
			ns = STALL_RETRY_NS;
	return ns;
}

static void worker_sleep(struct mp_worker *w)
{
	idle_fronts(w, true);
	publish_stats(w);
	if (!arm_all(w)) {
		w->core.n_sleeps++;
		mp_blk_engine_wait(w->core.engine, sleep_ns(w));
	}
	disarm_all(w);
	mp_idle_woke(&w->idle);
}

/* Or for a file of another drive, which doesn't mind. */
static bool waits_for_daemon(const struct mp_worker *w)
{
	return mp_cmdline_daemons_beside(w->cmd) && mp_blk_engine_n_inflight(w->core.engine) > 0;
}

static void worker_loop(struct mp_worker *w)
{
	unsigned int done;

	while (!w->stopping) {
		done = worker_turn(w);
		if (done == 0) {
			w->core.n_idle_turns++;
			idle_fronts(w, false);
			w->idle.hands_over = waits_for_daemon(w);
		}
		if (mp_unlikely((w->core.n_turns & (STATS_TURNS - 1)) == 0))
			publish_stats(w);
		switch (mp_idle_turn(&w->idle, done)) {
		case MP_IDLE_SPIN:
			break;
		case MP_IDLE_PAUSE:
			mp_pause();
			break;
		case MP_IDLE_YIELD:
			sched_yield();
			break;
		case MP_IDLE_BLOCK:
			worker_sleep(w);
			break;
		}
	}
}

/* -- set-up and end, on the core ---------------------------------------- */

static int setup_error(struct mp_worker *w, int r, const char *what, const char *why)
{
	snprintf(w->error, w->error_len, "%s: %s", what, why);
	return mp_err_origin(r);
}

static int pin(struct mp_worker *w)
{
	char what[64];
	cpu_set_t set;

	if (w->cmd->cpu < 0)
		return 0;
	snprintf(what, sizeof(what), "cannot pin the polling thread to CPU %d", w->cmd->cpu);
	if (w->cmd->cpu >= CPU_SETSIZE)
		return setup_error(w, -EINVAL, what, "there is no such CPU");
	CPU_ZERO(&set);
	CPU_SET((unsigned int)w->cmd->cpu, &set);
	if (sched_setaffinity(0, sizeof(set), &set) < 0)
		return setup_error(w, -errno, what, strerror(errno));
	return 0;
}

static int create_engine(struct mp_worker *w)
{
	struct mp_blk_engine_cfg cfg = {
		.aio = w->cmd->aio, .wake_fd = w->bell_fd, .tsc_hz = w->tsc_hz};
	int r;

	cfg.pool = mp_state_pools(&w->state, &cfg.pool_len);
	r = mp_blk_engine_create(&cfg, &w->core.engine);
	if (r < 0)
		return setup_error(w, r,
				   w->cmd->aio == MP_BLK_AIO_URING
					   ? "cannot use io_uring; --aio threads needs none"
					   : "cannot start block I/O",
				   strerror(-r));
	w->uring_errno = mp_blk_engine_is_threads(w->core.engine)
				 ? mp_blk_engine_uring_errno(w->core.engine)
				 : 0;
	return 0;
}

static int create_device(struct mp_worker *w, unsigned int i)
{
	const struct mp_opt_hba *hba = &w->cmd->hba[i];
	const struct mp_device_cfg how = {
		.id = hba->id, .pool_bytes = w->cmd->pool_bytes, .tsc_hz = w->tsc_hz};
	int r;

	r = mp_device_init(&w->device[i], &how, &w->state, i);
	if (r < 0)
		return setup_error(w, r, hba->id, strerror(-r));
	if (hba->stats_fd < 0)
		return w->cmd->n_monitors ? mp_err_trace(mp_stat_create(&w->device[i].stats)) : 0;
	r = mp_stat_adopt_take(hba->stats_fd, &w->device[i].stats);
	return r < 0 ? setup_error(w, r, "--stats-fd", "the fd holds no counters page") : 0;
}

static int setup(struct mp_worker *w)
{
	int r;

	r = pin(w);
	w->tsc_hz = mp_clock_tsc_hz();
	w->tsc_mult = mp_clock_tsc_mult(w->tsc_hz);
	if (r == 0)
		r = create_engine(w);
	for (unsigned int i = 0; r == 0 && i < w->cmd->n_hbas; i++)
		r = create_device(w, i);
	if (r == 0)
		r = mp_units_create(&w->core, w->error, w->error_len);
	w->core.prelaunch = w->cmd->start_stopped;
	if (r == 0 && w->core.prelaunch)
		mp_units_hold(&w->core);
	mp_idle_init(&w->idle, w->cmd->poll, (uint64_t)w->cmd->spin_us * 1000, w->tsc_hz);
	return r;
}

static void teardown(struct mp_worker *w)
{
	if (w->setup_result == 0)
		mp_units_finish(&w->core);
	for (unsigned int i = 0; i < w->cmd->n_hbas; i++)
		mp_device_fini(&w->device[i]);
	mp_units_close(&w->core);
	w->core.engine = mp_blk_engine_destroy(w->core.engine);
}

static void *thread_main(void *arg)
{
	struct mp_worker *w = arg;
	int r;

	pthread_setname_np(pthread_self(), "mpring-poll");
	r = setup(w);
	w->setup_result = r;
	sem_post(&w->is_set_up);
	if (r == 0) {
		worker_loop(w);
		publish_stats(w);
	}
	teardown(w);
	return NULL;
}

/* -- the control thread's side ------------------------------------------ */

static void release(struct mp_worker *w)
{
	w->control = mp_control_destroy(w->control);
	mp_fd_close(&w->bell_fd);
	mp_fd_close(&w->notify_fd);
	mp_state_fini(&w->state);
	sem_destroy(&w->is_set_up);
	free(w);
}

static int prepare(struct mp_worker *w)
{
	int r;

	sem_init(&w->is_set_up, 0, 0);
	w->bell_fd = mp_bell_fd_create();
	if (w->bell_fd < 0)
		return mp_err_trace(w->bell_fd);
	w->notify_fd = mp_bell_fd_create();
	if (w->notify_fd < 0)
		return mp_err_trace(w->notify_fd);
	r = mp_control_create(w->bell_fd, &w->control);
	if (r < 0)
		return mp_err_trace(r);
	for (unsigned int i = 0; i < MP_CMDLINE_MAX_HBAS; i++)
		w->device[i].stats = MP_SHM_NULL;
	r = mp_state_create(w->cmd->n_hbas, w->cmd->pool_bytes, &w->state);
	return mp_err_trace(r);
}

static int run_thread(struct mp_worker *w)
{
	int r;

	r = mp_thread_create(&w->thread, 0, thread_main, w);
	if (r < 0)
		return mp_err_trace(r);
	while (sem_wait(&w->is_set_up) < 0)
		mp_assert(errno == EINTR);
	if (w->setup_result < 0)
		pthread_join(w->thread, NULL);
	return w->setup_result;
}

int mp_worker_start(const struct mp_cmdline *cmd, struct mp_worker **ret_w, char *error,
		    size_t error_len)
{
	struct mp_worker *w;
	int r;

	snprintf(error, error_len, "cannot make memory or file descriptors for the worker");
	w = calloc(1, sizeof(*w));
	if (!w)
		return mp_err_origin(-ENOMEM);
	w->cmd = cmd;
	w->core.cmd = cmd;
	w->core.device = w->device;
	w->error = error;
	w->error_len = error_len;
	w->bell_fd = w->notify_fd = -1;
	w->state = MP_STATE_NULL;
	r = prepare(w);
	w->core.notify_fd = w->notify_fd;
	if (r == 0)
		r = run_thread(w);
	if (r < 0) {
		release(w);
		return mp_err_trace(r);
	}
	*ret_w = w;
	return 0;
}

struct mp_worker *mp_worker_stop(struct mp_worker *w, int *ret_result)
{
	if (ret_result)
		*ret_result = 0;
	if (!w)
		return NULL;
	for (unsigned int i = 0; i < w->cmd->n_hbas; i++)
		mp_worker_detach(w, i);
	mp_control_call(w->control, MP_CONTROL_STOP, 0, NULL);
	pthread_join(w->thread, NULL);
	if (ret_result && w->core.unflushed)
		*ret_result = mp_err_origin(-EIO);
	release(w);
	return NULL;
}

int mp_worker_bell_fd(const struct mp_worker *w)
{
	return w->bell_fd;
}

int mp_worker_notify_fd(const struct mp_worker *w)
{
	return w->notify_fd;
}

struct mp_notice *mp_worker_notice(struct mp_worker *w, unsigned int device)
{
	return &w->notice[device];
}

bool mp_worker_take_event(struct mp_worker *w, unsigned int device, struct mp_event *ret_event)
{
	return mp_event_box_take(&w->device[device].events, ret_event);
}

int mp_worker_uring_errno(const struct mp_worker *w)
{
	return w->uring_errno;
}

const struct mp_hist *mp_worker_turns(const struct mp_worker *w)
{
	return &w->turns;
}

void mp_worker_first_page(struct mp_worker *w, unsigned int device,
			  struct mp_wire_worker_page *ret_page)
{
	/* The core leaves a device without a front alone, so its chip stands still. */
	const uint64_t *shadow = mp_lsi_shadow(&w->device[device].lsi);

	memset(ret_page, 0, sizeof(*ret_page));
	/* relaxed: the page is still private. */
	for (unsigned int i = 0; i < MP_WIRE_SHADOW_BYTES / 8; i++)
		atomic_store_explicit(&ret_page->shadow[i], shadow[i], memory_order_relaxed);
}

static void attach(struct mp_worker *w, unsigned int device, struct mp_front *front)
{
	w->front[device] = front;
	mp_control_call(w->control, MP_CONTROL_ATTACH, device, front);
}

int mp_worker_attach(struct mp_worker *w, unsigned int device, struct mp_session *s)
{
	struct mp_front *front;
	int r;

	r = mp_front_ring_create(&w->device[device], s, &front);
	if (r < 0)
		return mp_err_trace(r);
	attach(w, device, front);
	return 0;
}

int mp_worker_attach_stock(struct mp_worker *w, unsigned int device, int sock,
			   struct mp_mpqemu_msg *first)
{
	struct mp_front *front;
	int r;

	r = mp_front_mpqemu_create(&w->device[device], w->core.engine, sock, first, &front);
	if (r < 0)
		return mp_err_trace(r);
	/* Its machine can't be stopped; but where somebody can say cont, the disks can wait. */
	front->may_stop = w->cmd->n_monitors > 0;
	attach(w, device, front);
	return 0;
}

void mp_worker_set_ram(struct mp_worker *w, unsigned int device, const struct mp_guest_table *table)
{
	mp_control_call(w->control, MP_CONTROL_SET_RAM, device, (void *)(uintptr_t)table);
}

void mp_worker_run(struct mp_worker *w, void (*run)(struct mp_core *core, void *opaque),
		   void *opaque)
{
	struct mp_control_job job = {.run = run, .opaque = opaque};

	mp_control_call(w->control, MP_CONTROL_RUN, 0, &job);
}

struct mp_core *mp_worker_core(struct mp_worker *w)
{
	return &w->core;
}

void mp_worker_detach(struct mp_worker *w, unsigned int device)
{
	struct mp_front *front = w->front[device];

	if (!front)
		return;
	w->front[device] = NULL;
	mp_control_call(w->control, MP_CONTROL_DETACH, device, NULL);
	front->ops->destroy(front);
}
