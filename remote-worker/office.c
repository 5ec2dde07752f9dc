/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A call is looked up in a table, done, answered, one after the other. Nothing
 * here waits for block I/O, or the proxies' sockets would wait too: what must
 * is kept, and looked at again every few milliseconds until it is through.
 *
 *	stop		until no block request is in flight; then it is answered
 *	a medium	that was taken out, until its last request is back; then it
 *			is closed
 *	a new one	until its server has said what it has; then the call goes on
 *
 * At the end there is nothing else to do, and mp_office_end() waits until all is
 * flushed; but a server that is lost then still has to come back first.
 *
 * Units and media are filled in and freed here, and used by the core in between;
 * what their options point into, the JSON of the call that brought them, is kept
 * with them.
 */
#include "remote-worker/office.h"

#include <errno.h>
#include <poll.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/err.h"
#include "base/log.h"
#include "doorbell/bell.h"
#include "remote-worker/core.h"
#include "remote-worker/supervisor/rpc.h"
#include "remote-worker/snapshot.h"
#include "remote-worker/tell.h"
#include "remote-worker/unit.h"
#include "remote-worker/options/unit_json.h"

#define LOOK_AGAIN_NS 5000000ull
#define MAX_STOPS     64u
#define MAX_OPENINGS  16u

/* A call that waits for a server. */
struct opening {
	json_int_t id;
	struct mp_unit_job job;
	struct owned *disk; /* disk-add; NULL: medium-change, and: */
	const struct mp_opt_disk *unit; /* that must still be in its place */
	uint64_t give_up_ns; /* before who called does */
};

struct mp_office {
	struct mp_worker *w;
	struct mp_core *core;
	int sock;
	unsigned int n_closing; /* media that wait */
	json_int_t stop[MAX_STOPS]; /* ids of calls that wait */
	unsigned int n_stops;
	struct opening opening[MAX_OPENINGS];
	unsigned int n_openings;
	struct owned *owned; /* all of them: the core is gone before we are */
	bool over, orphaned;
	bool ending; /* in mp_office_end() */
};

/* One call. A handler answers by value, error, or later. */
struct call {
	struct mp_office *o;
	json_int_t id;
	json_t *args;
	struct mp_fds *fds;
	json_t *value;
	struct mp_rpc_error *error;
	bool later;
};

/* The options of a disk or a drive that a call has brought. */
struct owned {
	struct owned *next;
	json_t *json;
	union {
		struct mp_opt_disk disk;
		struct mp_opt_drive drive;
	};
};

static void owned_free(struct mp_office *o, struct owned *own)
{
	struct owned **p = &o->owned;

	if (!own)
		return;
	while (*p != own)
		p = &(*p)->next;
	*p = own->next;
	json_decref(own->json);
	free(own);
}

static int refuse(struct call *c, const char *klass, const char *why)
{
	mp_rpc_error_set(c->error, klass, "%s", why);
	return mp_err_origin(-EREMOTEIO);
}

/* A part of the answer may be out: nobody could read another one. */
static void sent(struct mp_office *o, int r)
{
	if (r < 0)
		o->over = true;
}

/* -- units and media ----------------------------------------------------------- */

static void free_medium(struct mp_office *o, struct mp_medium *m)
{
	mp_assert(!m->blk && !m->opening);
	owned_free(o, m->owned);
	memset(m, 0, sizeof(*m));
}

static struct mp_medium *spare_medium(struct mp_office *o)
{
	for (unsigned int i = 0; i < MP_CORE_MEDIA; i++)
		if (!o->core->medium[i].drive)
			return &o->core->medium[i];
	return NULL;
}

static struct mp_unit *spare_unit(struct mp_office *o)
{
	for (unsigned int i = 0; i < MP_CORE_UNITS; i++)
		if (!o->core->unit[i].disk)
			return &o->core->unit[i];
	return NULL;
}

static void free_unit(struct mp_office *o, struct mp_unit *u)
{
	const struct mp_opt_disk *d = u->disk;

	mp_rpc_event(o->sock, "disk-gone",
		     json_pack("{s:i, s:s, s:s}", "unit", (int)(u - o->core->unit), "id", d->id,
			       "device", o->core->cmd->hba[d->hba].id));
	owned_free(o, u->owned);
	memset(u, 0, sizeof(*u));
}

static void sweep(struct mp_office *o)
{
	struct mp_medium *m;
	struct mp_unit *u;

	mp_worker_run(o->w, mp_unit_sweep, &o->n_closing);
	for (unsigned int i = 0; i < MP_CORE_UNITS; i++) {
		u = &o->core->unit[i];
		if (u->leaving && !(u->medium && u->medium->blk))
			free_unit(o, u);
	}
	for (unsigned int i = 0; i < MP_CORE_MEDIA; i++) {
		m = &o->core->medium[i];
		if (m->closing && !m->blk)
			free_medium(o, m);
	}
}

static struct owned *own(struct call *c, const char *member)
{
	json_t *json = json_object_get(c->args, member);
	struct owned *own = json ? calloc(1, sizeof(*own)) : NULL;

	if (!own)
		return NULL;
	own->json = json_incref(json);
	own->next = c->o->owned;
	c->o->owned = own;
	return own;
}

static void give_socks(const struct mp_fds *fds, struct mp_opt_drive *drive)
{
	if (drive->kind != MP_DRIVE_NBD && drive->kind != MP_DRIVE_DAEMON)
		return;
	for (; drive->n_socks < fds->n && drive->n_socks < MP_CMDLINE_MAX_CONNECTIONS;
	     drive->n_socks++)
		drive->sock[drive->n_socks] = fds->fd[drive->n_socks];
}

/* 0 with *ret_m NULL: the call names no drive. */
static int new_medium(struct call *c, unsigned int hba, struct mp_medium **ret_m)
{
	struct mp_medium *m = spare_medium(c->o);
	struct owned *own_drive = own(c, "drive");

	*ret_m = NULL;
	if (!own_drive)
		return json_object_get(c->args, "drive")
			       ? refuse(c, "GenericError", "out of memory")
			       : 0;
	if (!m || mp_drive_from_json(own_drive->json, &own_drive->drive) < 0) {
		owned_free(c->o, own_drive);
		return refuse(c, "GenericError", m ? "bad options of a drive" : "too many disks");
	}
	give_socks(c->fds, &own_drive->drive);
	m->core = c->o->core;
	m->drive = &own_drive->drive;
	m->owned = own_drive;
	m->hba = hba;
	*ret_m = m;
	return 0;
}

/* A raw drive comes with its fd; the others with sockets, or with nothing. */
static const struct mp_blk_medium *opened(struct call *c, struct mp_blk_medium *room)
{
	json_t *size = json_object_get(c->args, "opened");

	if (!size || c->fds->n != 1)
		return NULL;
	room->fd = c->fds->fd[0];
	room->size_bytes = (uint64_t)json_integer_value(json_object_get(size, "size"));
	room->block_bytes = (uint32_t)json_integer_value(json_object_get(size, "block-size"));
	return room->block_bytes ? room : NULL;
}

static void forget_fds(struct mp_fds *fds)
{
	for (size_t i = 0; i < fds->n; i++)
		fds->fd[i] = -1;
	fds->n = 0;
}

static int find_unit(struct call *c, struct mp_unit_job *job)
{
	json_t *unit = json_object_get(c->args, "unit");
	json_int_t i = json_integer_value(unit);

	if (!json_is_integer(unit) || i < 0 || i >= MP_CORE_UNITS || !c->o->core->unit[i].disk ||
	    c->o->core->unit[i].leaving)
		return refuse(c, "DeviceNotFound", "No such unit");
	*job = (struct mp_unit_job){.unit = (unsigned int)i,
				    .force = json_is_true(json_object_get(c->args, "force"))};
	return 0;
}

static int refuse_job(struct call *c, const struct mp_unit_job *job)
{
	return refuse(c, "GenericError", job->error[0] ? job->error : strerror(-job->result));
}

static int run(struct call *c, void (*what)(struct mp_core *core, void *job),
	       struct mp_unit_job *job)
{
	mp_worker_run(c->o->w, what, job);
	return job->result >= 0 ? 0 : refuse_job(c, job);
}

/* -- calls ------------------------------------------------------------------------ */

static int do_snapshot(struct call *c)
{
	c->value = mp_snapshot_take(c->o->w);
	return c->value ? 0 : refuse(c, "GenericError", "out of memory");
}

static void hold(struct mp_core *core, void *n_busy)
{
	*(uint64_t *)n_busy = mp_units_hold(core);
}

static void release(struct mp_core *core, void *nothing)
{
	mp_units_release(core);
}

static void reset(struct mp_core *core, void *nothing)
{
	for (unsigned int i = 0; i < core->cmd->n_hbas; i++)
		mp_device_reset(&core->device[i]);
}

static int do_stop(struct call *c)
{
	struct mp_office *o = c->o;
	uint64_t n_busy;

	mp_worker_run(o->w, hold, &n_busy);
	if (n_busy == 0)
		return 0;
	if (o->n_stops == MAX_STOPS)
		return refuse(c, "GenericError", "too many wait for block I/O to end");
	o->stop[o->n_stops++] = c->id;
	c->later = true;
	return 0;
}

static void end_stops(struct mp_office *o)
{
	for (unsigned int i = 0; i < o->n_stops; i++)
		sent(o, mp_rpc_answer(o->sock, o->stop[i], NULL));
	o->n_stops = 0;
}

static void look_at_stops(struct mp_office *o)
{
	uint64_t n_busy;

	if (o->n_stops == 0)
		return;
	mp_worker_run(o->w, hold, &n_busy);
	if (n_busy == 0)
		end_stops(o);
}

static int do_cont(struct call *c)
{
	mp_worker_run(c->o->w, release, NULL);
	/* Whoever waited for quiet waits in vain; the other client has won. */
	end_stops(c->o);
	return 0;
}

static int do_reset(struct call *c)
{
	mp_worker_run(c->o->w, reset, NULL);
	return 0;
}

static int do_quit(struct call *c)
{
	c->o->over = true;
	return 0;
}

static int new_disk(struct call *c, struct owned **ret_own)
{
	struct owned *d = own(c, "disk");

	if (!d || mp_disk_from_json(d->json, &d->disk) < 0 ||
	    d->disk.hba >= c->o->core->cmd->n_hbas) {
		owned_free(c->o, d);
		return refuse(c, "GenericError", "bad options of a disk");
	}
	*ret_own = d;
	return 0;
}

/* -- what takes a new medium, which may take its time -- */

/* The job is done: what it brought is the unit's, or nobody's. */
static void end_add(struct mp_office *o, const struct mp_unit_job *job, struct owned *disk)
{
	if (job->result >= 0) {
		o->core->unit[job->unit].owned = disk;
		return;
	}
	if (job->medium)
		free_medium(o, job->medium);
	owned_free(o, disk);
}

static void end_change(struct mp_office *o, const struct mp_unit_job *job)
{
	if (job->result >= 0) {
		sweep(o);
		mp_tell_tray(o->core, o->sock, job->unit, job->medium == NULL);
	} else if (job->medium) {
		free_medium(o, job->medium);
	}
}

static json_t *added(const struct mp_unit_job *job)
{
	return json_pack("{s:i}", "unit", (int)job->unit);
}

static int check_openings(struct call *c)
{
	return c->o->n_openings < MAX_OPENINGS
		       ? 0
		       : refuse(c, "GenericError", "too many wait for their servers");
}

static int wait_for_server(struct call *c, const struct mp_unit_job *job, struct owned *disk)
{
	struct mp_office *o = c->o;
	uint64_t limit_ns = o->core->cmd->rpc_timeout_ns;

	o->opening[o->n_openings++] = (struct opening){
		.id = c->id,
		.job = *job,
		.disk = disk,
		.unit = disk ? NULL : o->core->unit[job->unit].disk,
		.give_up_ns = limit_ns ? mp_clock_ns() + limit_ns / 2 : UINT64_MAX,
	};
	c->later = true;
	return 0;
}

static void start(struct call *c, void (*what)(struct mp_core *core, void *job),
		  struct mp_unit_job *job)
{
	mp_worker_run(c->o->w, what, job);
	if (job->took_socks || job->result >= 0)
		forget_fds(c->fds);
}

/* Is there a place for it? */
static bool find_place(struct mp_office *o, struct opening *p)
{
	const struct mp_unit *u = p->disk ? spare_unit(o) : &o->core->unit[p->job.unit];

	if (!u || (!p->disk && (u->disk != p->unit || u->leaving)))
		return false;
	p->job.unit = (unsigned int)(u - o->core->unit);
	return true;
}

static void answer_opening(struct mp_office *o, const struct opening *p)
{
	const struct mp_unit_job *job = &p->job;
	struct mp_rpc_error error;

	if (job->result >= 0) {
		sent(o, mp_rpc_answer(o->sock, p->id, p->disk ? added(job) : NULL));
		return;
	}
	mp_rpc_error_set(&error, "GenericError", "%s",
			 job->error[0] ? job->error : strerror(-job->result));
	sent(o, mp_rpc_answer_error(o->sock, p->id, &error));
}

/* Return: is it over? */
static bool go_on(struct mp_office *o, struct opening *p)
{
	void (*what)(struct mp_core * core, void *job) = p->disk ? mp_unit_add : mp_unit_change;

	p->job.gives_up = mp_clock_ns() >= p->give_up_ns;
	mp_worker_run(o->w, find_place(o, p) ? what : mp_unit_abandon, &p->job);
	if (p->job.result == 1)
		return false;
	if (p->disk)
		end_add(o, &p->job, p->disk);
	else
		end_change(o, &p->job);
	answer_opening(o, p);
	return true;
}

static void look_at_openings(struct mp_office *o)
{
	for (unsigned int i = 0; i < o->n_openings;) {
		if (go_on(o, &o->opening[i]))
			o->opening[i] = o->opening[--o->n_openings];
		else
			i++;
	}
}

static int do_disk_add(struct call *c)
{
	const struct mp_unit *u = spare_unit(c->o);
	struct mp_unit_job job = {.unit = 0};
	struct mp_blk_medium room;
	struct owned *d;
	int r = check_openings(c);

	if (r < 0)
		return r;
	if (!u)
		return refuse(c, "GenericError", "there are as many disks as a worker can have");
	r = new_disk(c, &d);
	if (r < 0)
		return r;
	r = new_medium(c, d->disk.hba, &job.medium);
	if (r < 0) {
		owned_free(c->o, d);
		return r;
	}
	job.unit = (unsigned int)(u - c->o->core->unit);
	job.disk = &d->disk;
	job.opened = opened(c, &room);
	start(c, mp_unit_add, &job);
	if (job.result == 1)
		return wait_for_server(c, &job, d);
	end_add(c->o, &job, d);
	if (job.result < 0)
		return refuse_job(c, &job);
	c->value = added(&job);
	return 0;
}

static int do_disk_del(struct call *c)
{
	struct mp_unit_job job;
	int r = find_unit(c, &job);

	if (r == 0)
		r = run(c, mp_unit_remove, &job);
	/* What is closed at once is told of before the answer. */
	if (r == 0)
		sweep(c->o);
	return r;
}

static int do_medium_change(struct call *c)
{
	struct mp_unit_job job;
	struct mp_blk_medium room;
	int r = find_unit(c, &job);

	if (r == 0)
		r = check_openings(c);
	if (r == 0)
		r = new_medium(c, c->o->core->unit[job.unit].disk->hba, &job.medium);
	if (r < 0)
		return r;
	job.opened = opened(c, &room);
	start(c, mp_unit_change, &job);
	if (job.result == 1)
		return wait_for_server(c, &job, NULL);
	end_change(c->o, &job);
	return job.result < 0 ? refuse_job(c, &job) : 0;
}

static int do_eject(struct call *c)
{
	json_object_del(c->args, "drive");
	return do_medium_change(c);
}

static int move_tray(struct call *c, bool open)
{
	struct mp_unit_job job;
	int r = find_unit(c, &job);

	if (r == 0)
		r = run(c, open ? mp_unit_open_tray : mp_unit_close_tray, &job);
	if (r == 0)
		mp_tell_tray(c->o->core, c->o->sock, job.unit, open);
	return r;
}

static int do_open_tray(struct call *c)
{
	return move_tray(c, true);
}

static int do_close_tray(struct call *c)
{
	return move_tray(c, false);
}

static int do_resize(struct call *c)
{
	struct mp_unit_job job;
	int r = find_unit(c, &job);

	job.bytes = (uint64_t)json_integer_value(json_object_get(c->args, "size"));
	if (r == 0)
		r = run(c, mp_unit_resize, &job);
	if (r == 0)
		c->value = json_pack("{s:b, s:I, s:I}", "changed", job.result == 1, "size",
				     (json_int_t)job.bytes, "block-size",
				     (json_int_t)job.block_bytes);
	return r;
}

static int do_throttle(struct call *c)
{
	struct mp_opt_throttle limits;
	struct mp_unit_job job;
	int r = find_unit(c, &job);

	if (r < 0)
		return r;
	if (mp_throttle_from_json(json_object_get(c->args, "throttle"), &limits) < 0)
		return refuse(c, "GenericError", "bad limits");
	job.throttle = &limits;
	return run(c, mp_unit_throttle, &job);
}

static int do_nbd_socket(struct call *c)
{
	const char *node = json_string_value(json_object_get(c->args, "node"));
	json_int_t conn = json_integer_value(json_object_get(c->args, "connection"));
	struct mp_unit_job job = {.connection = (unsigned int)conn};
	struct mp_medium *m;

	for (unsigned int i = 0; i < MP_CORE_MEDIA && node && !job.medium; i++) {
		m = &c->o->core->medium[i];
		if (m->blk && strcmp(m->drive->node_name, node) == 0)
			job.medium = m;
	}
	if (!job.medium || c->fds->n != 1 || conn < 0 || conn >= MP_CMDLINE_MAX_CONNECTIONS)
		return refuse(c, "DeviceNotFound", "No such node, or no socket for it");
	job.sock = c->fds->fd[0];
	forget_fds(c->fds);
	return run(c, mp_unit_connect, &job);
}

static const struct {
	const char *name;
	int (*run)(struct call *c);
} calls[] = {
	{"snapshot", do_snapshot},
	{"stop", do_stop},
	{"cont", do_cont},
	{"reset", do_reset},
	{"quit", do_quit},
	{"disk-add", do_disk_add},
	{"disk-del", do_disk_del},
	{"medium-change", do_medium_change},
	{"eject", do_eject},
	{"open-tray", do_open_tray},
	{"close-tray", do_close_tray},
	{"resize", do_resize},
	{"throttle", do_throttle},
	{"nbd-socket", do_nbd_socket},
};

static int dispatch(struct call *c, const char *name)
{
	if (c->o->ending && strcmp(name, "nbd-socket") != 0)
		return refuse(c, "GenericError", "The worker is ending");
	for (size_t i = 0; i < sizeof(calls) / sizeof(calls[0]); i++)
		if (strcmp(calls[i].name, name) == 0)
			return calls[i].run(c);
	return refuse(c, "CommandNotFound", "The worker has no such call");
}

static void answer(struct mp_office *o, json_t *msg, struct mp_fds *fds)
{
	struct mp_rpc_error error;
	struct call c = {.o = o,
			 .id = json_integer_value(json_object_get(msg, "id")),
			 .args = json_object_get(msg, "args"),
			 .fds = fds,
			 .error = &error};

	if (dispatch(&c, json_string_value(json_object_get(msg, "call"))) < 0)
		sent(o, mp_rpc_answer_error(o->sock, c.id, &error));
	else if (!c.later)
		sent(o, mp_rpc_answer(o->sock, c.id, c.value));
}

/* -- what the control thread calls -------------------------------------------------- */

int mp_office_create(struct mp_worker *w, int sock, struct mp_office **ret_o)
{
	struct mp_office *o = calloc(1, sizeof(*o));

	if (!o)
		return mp_err_origin(-ENOMEM);
	o->w = w;
	o->core = mp_worker_core(w);
	o->sock = sock;
	*ret_o = o;
	return 0;
}

struct mp_office *mp_office_destroy(struct mp_office *o)
{
	if (!o)
		return NULL;
	mp_rpc_event(o->sock, "end", NULL);
	while (o->owned)
		owned_free(o, o->owned);
	free(o);
	return NULL;
}

int mp_office_fd(const struct mp_office *o)
{
	return o ? o->sock : -1;
}

uint64_t mp_office_deadline_ns(const struct mp_office *o)
{
	return o && (o->n_stops || o->n_closing || o->n_openings) ? mp_clock_ns() + LOOK_AGAIN_NS
								  : UINT64_MAX;
}

void mp_office_orphan(struct mp_office *o)
{
	mp_worker_run(o->w, mp_units_orphan, NULL);
}

int mp_office_poll(struct mp_office *o, bool readable)
{
	int room[MP_RPC_MAX_FDS];
	struct mp_fds fds = {.fd = room, .max = MP_RPC_MAX_FDS};
	json_t *msg;

	if (!o)
		return 0;
	if (!o->ending) {
		look_at_stops(o);
		look_at_openings(o);
		if (o->n_closing)
			sweep(o);
	}
	if (!readable)
		return o->over;
	if (mp_rpc_recv(o->sock, &msg, &fds) < 0) {
		o->orphaned = true;
		mp_office_orphan(o);
		return 1;
	}
	answer(o, msg, &fds);
	mp_fds_close(&fds);
	json_decref(msg);
	return o->over;
}

void mp_office_end(struct mp_office *o)
{
	struct pollfd pfd[2] = {{.events = POLLIN}, {.events = POLLIN}};
	bool over;

	if (!o)
		return;
	o->ending = true;
	for (;;) {
		mp_worker_run(o->w, mp_units_end, &over);
		if (over)
			return;
		pfd[0].fd = mp_worker_notify_fd(o->w);
		pfd[1].fd = o->orphaned ? -1 : o->sock;
		poll(pfd, 2, (int)(LOOK_AGAIN_NS / 1000000));
		mp_bell_drain(pfd[0].fd);
		mp_office_tell(o);
		mp_office_poll(o, pfd[1].revents != 0);
	}
}

void mp_office_tell(struct mp_office *o)
{
	if (o)
		mp_tell_news(o->w, o->sock);
}
