/* SPDX-License-Identifier: BSD-3-Clause */
#include "remote-worker/unit.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/err.h"
#include "base/log.h"
#include "block/throttle.h"
#include "remote-worker/options/unit_json.h"
#include "block/probe.h"

#define FINISH_LOOK_NS 1000000ull

/* Where one unit is made. */
struct place {
	struct mp_core *core;
	struct mp_scsi_bus *bus;
	char *error; /* on failure a sentence for the user */
	size_t error_len;
};

/* Each medium with all its connections, each adapter with the socket of a stock proxy. */
static_assert(MP_BLK_MAX_WATCHES >=
		      MP_CORE_MEDIA * MP_CMDLINE_MAX_CONNECTIONS + MP_CMDLINE_MAX_HBAS,
	      "every connection that a command line allows can end a sleep");

static int fail(const struct place *place, int r, const char *what, const char *why)
{
	snprintf(place->error, place->error_len, "%s: %s", what, why);
	return mp_err_origin(r);
}

static void copy_text(char *to, size_t len, const char *from)
{
	snprintf(to, len, "%s", from);
}

/* As QEMU does it: a unit without a serial number is told from others by its drive. */
static const char *name_of(const struct mp_opt_disk *disk)
{
	if (disk->device_id[0] || disk->serial[0] || !disk->drive)
		return disk->device_id;
	return disk->drive;
}

static struct mp_scsi_identity identity_of(const struct mp_opt_disk *disk)
{
	struct mp_scsi_identity id = {.wwn = disk->wwn};

	copy_text(id.vendor, sizeof(id.vendor), disk->vendor);
	copy_text(id.product, sizeof(id.product), disk->product);
	copy_text(id.revision, sizeof(id.revision), disk->version);
	copy_text(id.serial, sizeof(id.serial), disk->serial);
	copy_text(id.device_id, sizeof(id.device_id), name_of(disk));
	return id;
}

static enum mp_scsi_on_error on_error(const char *word)
{
	switch (word[0]) {
	case 's':
		return MP_SCSI_ON_ERROR_STOP;
	case 'i':
		return MP_SCSI_ON_ERROR_IGNORE;
	case 'e':
		return MP_SCSI_ON_ERROR_ENOSPC;
	default:
		return MP_SCSI_ON_ERROR_REPORT;
	}
}

static int check_format(const struct place *place, const struct mp_opt_drive *drive)
{
	const char *format;

	if (!drive->probed)
		return 0;
	format = mp_probe_file(drive->file);
	if (!format)
		return 0;
	snprintf(place->error, place->error_len,
		 "%s is a %s image: say format=%s, or format=raw if the guest shall see the image "
		 "file itself",
		 drive->file, format, format);
	return mp_err_origin(-EMEDIUMTYPE);
}

static int set_limits(const struct mp_medium *m, const struct mp_opt_throttle *t,
		      const char **ret_why)
{
	const struct mp_blk_throttle limits = mp_throttle_of(t);
	int r = mp_throttle_check(&limits, ret_why);

	if (r < 0)
		return mp_err_trace(r);
	r = mp_blk_set_throttle(m->blk, t->group ? t->group : m->drive->node_name, &limits);
	*ret_why = r == -ENAMETOOLONG ? "the throttle group's name is too long" : *ret_why;
	return mp_err_trace(r);
}

static int limit(const struct place *place, struct mp_medium *m)
{
	const char *why = "";
	int r = set_limits(m, &m->drive->throttle, &why);

	if (r < 0)
		fail(place, r, m->drive->node_name, why);
	return mp_err_trace(r);
}

/* -- media on servers ------------------------------------------------------- */

static void ring(const struct mp_core *core)
{
	uint64_t one = 1;
	ssize_t n = write(core->notify_fd, &one, sizeof(one));

	(void)n; /* EAGAIN: it has been told already */
}

static void nbd_lost(void *opaque, unsigned int conn)
{
	struct mp_medium *m = opaque;

	/* relaxed: the eventfd orders it. */
	atomic_fetch_or_explicit(&m->lost, 1u << conn, memory_order_relaxed);
	ring(m->core);
}

static void nbd_replay_failed(void *opaque, uint64_t offset, uint64_t len, int error)
{
	struct mp_medium *m = opaque;

	/* relaxed: the eventfd orders it, and one of several errors is enough. */
	atomic_store_explicit(&m->write_lost, error, memory_order_relaxed);
	ring(m->core);
}

static bool is_served(const struct mp_opt_drive *drive)
{
	return drive->kind == MP_DRIVE_NBD || drive->kind == MP_DRIVE_DAEMON;
}

static struct mp_blk_nbd nbd_of(struct mp_medium *m, bool no_wait)
{
	const struct mp_opt_drive *drive = m->drive;
	const struct mp_cmdline *cmd = m->core->cmd;

	return (struct mp_blk_nbd){
		.export_name = drive->kind == MP_DRIVE_DAEMON ? MP_CMDLINE_DAEMON_EXPORT
							      : drive->nbd.export_name,
		.socks = drive->sock,
		.n_socks = drive->n_socks,
		.connect_timeout_ns = cmd->storage_daemon_start_ns,
		.reconnect_ns = cmd->reconnect_ns,
		.request_timeout_ns = cmd->request_timeout_ns,
		.unstable_bytes = cmd->unstable_bytes,
		.lost = nbd_lost,
		.replay_failed = nbd_replay_failed,
		.no_wait = no_wait,
		.opaque = m,
	};
}

/* @ret_blk: open, or with @no_wait and 1 not yet. */
static int open_blk(const struct place *place, struct mp_blk_open *how, struct mp_medium *m,
		    bool no_wait, struct mp_blk **ret_blk)
{
	const struct mp_blk_nbd nbd = nbd_of(m, no_wait);

	if (is_served(m->drive)) {
		if (nbd.n_socks == 0)
			return fail(place, -ENOTCONN, m->drive->node_name,
				    "nobody has connected to its server");
		how->driver = "nbd";
		how->filename = m->drive->file ? m->drive->file : m->drive->node_name;
		how->nbd = &nbd;
	}
	return mp_err_trace(
		mp_blk_open(place->core->engine, how, ret_blk, place->error, place->error_len));
}

static int open_medium(const struct place *place, struct mp_medium *m, bool is_cd)
{
	struct mp_blk_open how = mp_cmdline_blk_open(m->drive);
	int r = is_served(m->drive) ? 0 : check_format(place, m->drive);

	if (r < 0)
		return mp_err_trace(r);
	how.read_only |= is_cd;
	r = open_blk(place, &how, m, false, &m->blk);
	return r < 0 ? mp_err_trace(r) : limit(place, m);
}

static int add_disk(const struct place *place, const struct mp_opt_disk *disk, struct mp_blk *blk)
{
	struct mp_scsi_disk_cfg cfg = {.target = disk->scsi_id,
				       .lun = disk->lun,
				       .blk = blk,
				       .logical_bytes = disk->logical_bytes,
				       .physical_bytes = disk->physical_bytes,
				       .identity = identity_of(disk),
				       .removable = disk->removable,
				       .write_through = disk->write_through,
				       .rerror = on_error(disk->rerror),
				       .werror = on_error(disk->werror)};
	int r = mp_scsi_disk_add(place->bus, &cfg);

	return r < 0 ? fail(place, r, disk->drive,
			    "the file doesn't fit the disk's block sizes: it needs whole "
			    "blocks, and at least one")
		     : 0;
}

static int add_cd(const struct place *place, const struct mp_opt_disk *disk, struct mp_blk *blk)
{
	struct mp_scsi_cd_cfg cfg = {.target = disk->scsi_id,
				     .lun = disk->lun,
				     .blk = blk,
				     .identity = identity_of(disk),
				     .rerror = on_error(disk->rerror)};
	int r = mp_scsi_cd_add(place->bus, &cfg);

	return r < 0 ? fail(place, r, blk ? disk->drive : disk->form,
			    r == -EINVAL ? "the file is no disc: it needs at least one block of "
					   "2048 bytes"
					 : strerror(-r))
		     : 0;
}

static struct place place_of(struct mp_core *core, const struct mp_opt_disk *disk, char *error,
			     size_t error_len)
{
	return (struct place){.core = core,
			      .bus = core->device[disk->hba].bus,
			      .error = error,
			      .error_len = error_len};
}

static int add_unit(const struct place *place, const struct mp_opt_disk *disk,
		    const struct mp_medium *m)
{
	struct mp_blk *blk = m ? m->blk : NULL;

	return disk->is_cd ? add_cd(place, disk, blk) : add_disk(place, disk, blk);
}

static int create(const struct place *place, unsigned int i)
{
	struct mp_core *core = place->core;
	const struct mp_opt_disk *disk = &core->cmd->disk[i];
	const struct mp_opt_drive *drive = mp_cmdline_drive(core->cmd, disk);
	struct mp_unit *u = &core->unit[i];
	int r = 0;

	u->disk = disk;
	if (drive) {
		u->medium = &core->medium[i];
		*u->medium = (struct mp_medium){.drive = drive, .core = core, .hba = disk->hba};
		r = open_medium(place, u->medium, disk->is_cd);
	}
	return r < 0 ? mp_err_trace(r) : add_unit(place, disk, u->medium);
}

int mp_units_create(struct mp_core *core, char *error, size_t error_len)
{
	struct place place;
	int r = 0;

	for (unsigned int i = 0; r == 0 && i < core->cmd->n_disks; i++) {
		place = place_of(core, &core->cmd->disk[i], error, error_len);
		r = create(&place, i);
	}
	return r;
}

/* -- the end ---------------------------------------------------------------- */

/* Of the core, from when it shall end until it has. */
struct mp_ending {
	struct mp_core *core;
	bool flushing;
	unsigned int n_left; /* flushes */
	struct mp_blk_req req[MP_CORE_MEDIA];
};

static bool is_busy(const struct mp_core *core)
{
	for (unsigned int i = 0; i < core->cmd->n_hbas; i++)
		if (core->device[i].bus && mp_scsi_bus_n_busy(core->device[i].bus) > 0)
			return true;
	return core->engine && mp_blk_engine_n_inflight(core->engine) > 0;
}

static bool begin_end(struct mp_core *core)
{
	core->ending = calloc(1, sizeof(*core->ending));
	if (!core->ending)
		return false;
	core->ending->core = core;
	for (unsigned int i = 0; i < core->cmd->n_hbas; i++)
		if (core->device[i].bus)
			mp_scsi_stop_jobs(core->device[i].bus);
	return true;
}

static void flushed(struct mp_blk_req *req)
{
	struct mp_ending *e = req->opaque;

	if (--e->n_left == 0)
		ring(e->core);
}

static void begin_flush(struct mp_core *core)
{
	struct mp_ending *e = core->ending;

	e->flushing = true;
	for (unsigned int i = 0; i < MP_CORE_MEDIA; i++) {
		struct mp_blk *blk = core->medium[i].blk;

		if (!blk || mp_blk_read_only(blk))
			continue;
		e->req[i] = (struct mp_blk_req){.op = MP_BLK_FLUSH, .done = flushed, .opaque = e};
		e->n_left++;
		mp_blk_submit(blk, &e->req[i]);
	}
}

void mp_units_end(struct mp_core *core, void *ret_over)
{
	bool *over = ret_over;

	*over = false;
	if (!core->ending && !begin_end(core))
		return;
	/* What was aborted may still be on its way to or from the disk. */
	if (!core->ending->flushing && !is_busy(core))
		begin_flush(core);
	*over = core->ending->flushing && core->ending->n_left == 0;
}

static void say_unflushed(struct mp_core *core)
{
	const struct mp_blk_req *req = core->ending->req;

	for (unsigned int i = 0; i < MP_CORE_MEDIA; i++) {
		if (req[i].result >= 0)
			continue;
		core->unflushed = true;
		mp_error("drive %s: cannot flush it at the end: %s; what was written last may be "
			 "lost",
			 mp_opt_drive_name(core->medium[i].drive), strerror(-req[i].result));
	}
}

void mp_units_finish(struct mp_core *core)
{
	bool over;

	for (mp_units_end(core, &over); !over; mp_units_end(core, &over)) {
		mp_blk_engine_wait(core->engine, FINISH_LOOK_NS);
		mp_blk_engine_poll(core->engine);
	}
	say_unflushed(core);
	free(core->ending);
	core->ending = NULL;
}

void mp_units_close(struct mp_core *core)
{
	for (unsigned int i = 0; i < MP_CORE_MEDIA; i++) {
		core->medium[i].blk = mp_blk_close(core->medium[i].blk);
		core->medium[i].opening = mp_blk_close(core->medium[i].opening);
	}
}

uint64_t mp_units_hold(struct mp_core *core)
{
	uint64_t n_busy = 0;

	core->stopped = true;
	for (unsigned int i = 0; i < core->cmd->n_hbas; i++)
		n_busy += mp_device_hold(&core->device[i], MP_HOLD_USER);
	return n_busy;
}

void mp_units_release(struct mp_core *core)
{
	core->stopped = core->prelaunch = false;
	for (unsigned int i = 0; i < core->cmd->n_hbas; i++)
		mp_device_release(&core->device[i], MP_HOLD_USER);
}

/* -- one at a time, while the others work ----------------------------------- */

static void abandon(struct mp_medium *m)
{
	if (!m)
		return;
	m->blk = mp_blk_close(m->blk);
	m->opening = mp_blk_close(m->opening);
}

static int go_on(const struct place *place, struct mp_unit_job *job)
{
	if (job->gives_up)
		return fail(place, -ETIMEDOUT, job->medium->drive->node_name,
			    "its server doesn't answer");
	return mp_err_trace(
		mp_blk_open_go_on(job->medium->opening, place->error, place->error_len));
}

static int begin(const struct place *place, struct mp_unit_job *job, bool is_cd)
{
	struct mp_medium *m = job->medium;
	struct mp_blk_open how = mp_cmdline_blk_open(m->drive);
	int r = job->opened || is_served(m->drive) ? 0 : check_format(place, m->drive);

	m->core = place->core;
	m->blk = NULL;
	job->took_socks = is_served(m->drive);
	how.read_only |= is_cd;
	how.medium = job->opened;
	return r < 0 ? mp_err_trace(r) : mp_err_trace(open_blk(place, &how, m, true, &m->opening));
}

/*
 * What was given in with a job is open, as the disk needs it; the caller closes it on failure.
 * The other disks don't wait for a server, which may be slow, or not one at all.
 */
static int open_new(const struct place *place, struct mp_unit_job *job, bool is_cd)
{
	struct mp_medium *m = job->medium;
	int r;

	if (!m)
		return 0;
	r = m->opening ? go_on(place, job) : begin(place, job, is_cd);
	if (r != 0)
		return mp_err_trace(r);
	m->blk = m->opening;
	m->opening = NULL;
	return mp_err_trace(limit(place, m));
}

void mp_unit_add(struct mp_core *core, void *opaque)
{
	struct mp_unit_job *job = opaque;
	struct mp_unit *u = &core->unit[job->unit];
	struct place place = place_of(core, job->disk, job->error, sizeof(job->error));

	job->result = open_new(&place, job, job->disk->is_cd);
	if (job->result == 0)
		job->result = add_unit(&place, job->disk, job->medium);
	if (job->result < 0)
		abandon(job->medium);
	if (job->result != 0)
		return;
	u->disk = job->disk;
	u->medium = job->medium;
}

void mp_unit_remove(struct mp_core *core, void *opaque)
{
	struct mp_unit_job *job = opaque;
	struct mp_unit *u = &core->unit[job->unit];

	job->result = mp_scsi_unit_remove(core->device[u->disk->hba].bus, u->disk->scsi_id,
					  u->disk->lun);
	if (job->result < 0)
		return;
	u->leaving = true;
	if (u->medium)
		u->medium->closing = true;
}

static bool is_locked(const struct mp_core *core, const struct mp_opt_disk *disk)
{
	return mp_scsi_cd_is_locked(core->device[disk->hba].bus, disk->scsi_id, disk->lun);
}

void mp_unit_abandon(struct mp_core *core, void *opaque)
{
	struct mp_unit_job *job = opaque;

	abandon(job->medium);
	job->result = mp_err_origin(-ENODEV);
}

static struct mp_scsi_bus *cd_of(struct mp_core *core, struct mp_unit_job *job)
{
	const struct mp_opt_disk *disk = core->unit[job->unit].disk;

	if (disk->is_cd)
		return core->device[disk->hba].bus;
	snprintf(job->error, sizeof(job->error), "'%s' is not removable",
		 disk->id ? disk->id : disk->drive);
	job->result = mp_err_origin(-ENOENT);
	return NULL;
}

static bool refuses(struct mp_core *core, struct mp_unit_job *job)
{
	const struct mp_opt_disk *disk = core->unit[job->unit].disk;
	struct mp_scsi_bus *bus = core->device[disk->hba].bus;

	if (job->force || !is_locked(core, disk))
		return false;
	mp_scsi_cd_eject_request(bus, disk->scsi_id, disk->lun);
	snprintf(job->error, sizeof(job->error),
		 "'%s' is locked by the guest; it was asked to let go, force=true doesn't ask",
		 disk->id ? disk->id : disk->drive);
	job->result = mp_err_origin(-EPERM);
	return true;
}

void mp_unit_change(struct mp_core *core, void *opaque)
{
	struct mp_unit_job *job = opaque;
	struct mp_unit *u = &core->unit[job->unit];
	struct mp_scsi_bus *bus = cd_of(core, job);
	struct place place = place_of(core, u->disk, job->error, sizeof(job->error));

	if (!bus || refuses(core, job)) {
		abandon(job->medium);
		return;
	}
	job->result = open_new(&place, job, true);
	if (job->result == 0)
		job->result = mp_scsi_cd_change(bus, u->disk->scsi_id, u->disk->lun,
						job->medium ? job->medium->blk : NULL);
	if (job->result < 0) {
		if (job->result == -EINVAL && !job->error[0])
			fail(&place, -EINVAL, job->medium ? job->medium->drive->node_name : "",
			     "the file is no disc: it needs at least one block of 2048 bytes");
		abandon(job->medium);
		return;
	}
	if (job->result == 1)
		return;
	if (u->medium)
		u->medium->closing = true;
	u->medium = job->medium;
}

void mp_unit_open_tray(struct mp_core *core, void *opaque)
{
	struct mp_unit_job *job = opaque;
	const struct mp_opt_disk *disk = core->unit[job->unit].disk;
	struct mp_scsi_bus *bus = cd_of(core, job);

	if (!bus || refuses(core, job))
		return;
	job->result = mp_scsi_cd_open_tray(bus, disk->scsi_id, disk->lun);
}

void mp_unit_close_tray(struct mp_core *core, void *opaque)
{
	struct mp_unit_job *job = opaque;
	const struct mp_opt_disk *disk = core->unit[job->unit].disk;
	struct mp_scsi_bus *bus = cd_of(core, job);

	if (bus)
		job->result = mp_scsi_cd_close_tray(bus, disk->scsi_id, disk->lun);
}

static struct mp_medium *medium_of(const struct mp_core *core, struct mp_unit_job *job)
{
	const struct mp_unit *u = &core->unit[job->unit];

	if (u->medium)
		return u->medium;
	snprintf(job->error, sizeof(job->error), "'%s' has no medium", u->disk->id);
	job->result = mp_err_origin(-ENOMEDIUM);
	return NULL;
}

void mp_unit_resize(struct mp_core *core, void *opaque)
{
	struct mp_unit_job *job = opaque;
	const struct mp_opt_disk *disk = core->unit[job->unit].disk;
	const struct mp_medium *m = medium_of(core, job);

	if (!m)
		return;
	mp_blk_cap(m->blk, job->bytes);
	job->result = mp_scsi_disk_resized(core->device[disk->hba].bus, disk->scsi_id, disk->lun);
	/* Nothing has become of it: what the disk had it has. */
	if (job->result < 0) {
		mp_blk_cap(m->blk, 0);
		mp_blk_refresh_size(m->blk);
	}
	job->bytes = mp_blk_size_bytes(m->blk);
	job->block_bytes = mp_blk_block_bytes(m->blk);
}

void mp_unit_throttle(struct mp_core *core, void *opaque)
{
	struct mp_unit_job *job = opaque;
	const struct mp_medium *m = medium_of(core, job);
	const char *why = "";

	if (!m)
		return;
	job->result = set_limits(m, job->throttle, &why);
	if (job->result < 0)
		snprintf(job->error, sizeof(job->error), "%s", why);
}

void mp_unit_connect(struct mp_core *core, void *opaque)
{
	struct mp_unit_job *job = opaque;

	job->result = mp_blk_nbd_reconnect_take(job->medium->blk, job->connection, job->sock);
}

void mp_units_orphan(struct mp_core *core, void *nothing)
{
	for (unsigned int i = 0; i < MP_CORE_MEDIA; i++)
		if (core->medium[i].blk)
			mp_blk_nbd_set_reconnect(core->medium[i].blk, 0);
}

static bool is_used(const struct mp_core *core, const struct mp_medium *m)
{
	return mp_scsi_uses(core->device[m->hba].bus, m->blk);
}

void mp_unit_sweep(struct mp_core *core, void *n_left)
{
	unsigned int *n = n_left;

	*n = 0;
	for (unsigned int i = 0; i < MP_CORE_MEDIA; i++) {
		struct mp_medium *m = &core->medium[i];

		if (!m->closing || !m->blk)
			continue;
		if (is_used(core, m))
			++*n;
		else
			m->blk = mp_blk_close(m->blk);
	}
}
