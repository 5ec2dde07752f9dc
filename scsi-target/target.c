/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The bus: its units, and the admission of commands.
 *
 * A command is looked at twice. On arrival, against its nexus: is the tag in
 * use, is it its turn? When its turn comes, against the unit, in the order
 * that the standard gives: is there a unit, does it have a unit attention to
 * report, is the command known, are its bits, does a reservation, the missing medium or the
 * write protection forbid it? Then its handler runs.
 *
 * A unit that isn't there is a real object too (bus->absent), so that INQUIRY
 * and REPORT LUNS can answer for it and no code asks "is there a unit".
 *
 * How tasks end before their time is manage.c's business.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include "scsi-target/bus.h"

#define OPCODE_REQUEST_SENSE 0x03u

int mp_scsi_bus_create(const struct mp_scsi_bus_cfg *cfg, struct mp_scsi_bus **ret_bus)
{
	struct mp_scsi_bus *bus;
	int r;

	if (cfg->n_tasks == 0 || cfg->n_tasks > MP_SCSI_MAX_TASKS)
		return mp_err_origin(-EINVAL);
	bus = calloc(1, sizeof(*bus));
	if (!bus)
		return mp_err_origin(-ENOMEM);
	bus->sides = calloc(cfg->n_tasks, sizeof(*bus->sides));
	r = mp_buffers_init(&bus->buffers, cfg->pool_len);
	if (r < 0 || !bus->sides) {
		mp_scsi_bus_destroy(bus);
		return r < 0 ? mp_err_trace(r) : mp_err_origin(-ENOMEM);
	}
	bus->ops = cfg->ops;
	bus->opaque = cfg->opaque;
	bus->tasks = cfg->tasks;
	bus->n_tasks = cfg->n_tasks;
	bus->pool = cfg->pool;
	bus->tsc_mult = cfg->tsc_hz ? mp_clock_tsc_mult(cfg->tsc_hz) : 0;
	for (unsigned int i = 0; i < MP_SCSI_N_TYPES; i++)
		mp_cdb_index(bus->ops_of[i], (enum mp_scsi_type)i);
	bus->absent.absent = true;
	bus->absent.ops = bus->ops_of[MP_SCSI_DISK];
	mp_lun_reset(&bus->absent);
	for (unsigned int i = 0; i < cfg->n_tasks; i++) {
		memset(&cfg->tasks[i], 0, sizeof(cfg->tasks[i]));
		bus->sides[i].bus = bus;
		bus->sides[i].t = &cfg->tasks[i];
	}
	*ret_bus = bus;
	return 0;
}

static void free_units(struct mp_scsi_lun *lun)
{
	struct mp_scsi_lun *next;

	for (; lun; lun = next) {
		next = lun->next;
		free(lun);
	}
}

struct mp_scsi_bus *mp_scsi_bus_destroy(struct mp_scsi_bus *bus)
{
	if (!bus)
		return NULL;
	mp_assert(bus->n_busy == 0);
	free_units(bus->luns);
	free_units(bus->leaving);
	mp_buffers_fini(&bus->buffers);
	free(bus->sides);
	free(bus);
	return NULL;
}

bool mp_scsi_target_present(const struct mp_scsi_bus *bus, unsigned int target)
{
	for (const struct mp_scsi_lun *lun = bus->luns; lun; lun = lun->next)
		if (lun->target == target)
			return true;
	return false;
}

struct mp_scsi_lun *mp_bus_lun(struct mp_scsi_bus *bus, unsigned int target, unsigned int lun)
{
	struct mp_scsi_lun *found = NULL;

	if (target < MP_SCSI_MAX_TARGETS && lun < MP_SCSI_MAX_LUNS)
		found = bus->by_id[target][lun];
	return found ? found : &bus->absent;
}

/* What the unit has against the command; false: nothing. */
static bool unit_objects(struct mp_scsi_side *s, struct mp_scsi_sense *ret_sense)
{
	struct mp_scsi_lun *lun = s->lun;
	uint16_t flags = s->op->flags;

	if (mp_cdb_has_stray(s, ret_sense))
		return true;
	if (mp_unlikely(lun->engaged) && mp_job_objects(s, ret_sense))
		return true;
	if ((flags & MP_OP_MEDIUM) && !lun->blk)
		*ret_sense = mp_cd_no_medium(lun);
	else if ((flags & MP_OP_MEDIUM) && lun->stopped)
		*ret_sense = mp_sense_stopped;
	else if ((flags & MP_OP_WRITES) && mp_blk_read_only(lun->blk))
		*ret_sense = mp_sense_write_protected;
	else if ((flags & MP_OP_WRITES) && lun->control.swp)
		*ret_sense = mp_sense_software_protected;
	else
		return false;
	return true;
}

static void start_with_page(struct mp_scsi_side *s)
{
	memset(mp_task_buf(s), 0, MP_BUFFER_PAGE_BYTES);
	s->op->start(s);
}

static void start_op(struct mp_scsi_side *s)
{
	struct mp_scsi_sense sense;

	if (mp_unlikely(s->lun->guarded) && mp_reserve_forbids(s))
		mp_task_end(s, MP_SCSI_RESERVATION_CONFLICT);
	else if (unit_objects(s, &sense))
		mp_task_fail(s, sense);
	else if (s->op->flags & MP_OP_PAGE)
		mp_task_buffer(s, MP_BUFFER_PAGE_BYTES, start_with_page);
	else
		s->op->start(s);
}

/* Its turn has come. */
void mp_bus_begin(struct mp_scsi_side *s)
{
	struct mp_scsi_lun *lun = s->lun;
	struct mp_scsi_sense sense = mp_sense_none;
	unsigned int flags;

	/* Once more, for the reason. */
	if (mp_unlikely(!s->op))
		s->op = mp_cdb_decode(lun, s->t->cdb, s->t->cdb_len, &sense);
	flags = s->op ? s->op->flags : 0;
	if (lun->absent && !(flags & MP_OP_NO_LUN)) {
		mp_task_fail(s, mp_sense_no_lun);
	} else if (!(flags & MP_OP_ALWAYS) && mp_lun_take_attention(lun, s->t->initiator, &sense)) {
		mp_task_fail(s, sense);
	} else if (!s->op) {
		mp_task_fail(s, sense);
	} else {
		start_op(s);
	}
}

static struct mp_scsi_side *side_of(struct mp_scsi_bus *bus, unsigned int task)
{
	mp_assert(task < bus->n_tasks);
	return &bus->sides[task];
}

static void clear_private(struct mp_scsi_bus *bus, struct mp_scsi_side *s)
{
	struct mp_scsi_task *t = s->t;

	t->state = MP_SCSI_WAITING;
	t->dir = MP_SCSI_NO_DATA;
	t->status = MP_SCSI_GOOD;
	t->op_flags = 0;
	t->buf_off = 0;
	t->buf_len = 0;
	t->buf_pages = 0;
	t->lba = 0;
	t->n_blocks = 0;
	t->xfer_len = 0;
	t->xfer_done = 0;
	t->order = bus->order++;
	s->cursor = 0;
	s->io_off = 0;
	s->failed = NULL;
	s->cut_short = false;
	s->doom = MP_DOOM_NONE;
	s->issued = false;
	if (mp_likely(bus->tsc_mult))
		s->accepted_tsc = mp_clock_tsc();
}

/* Initiator and unit disagree on what is queued: all that the initiator has here ends. */
static void overlapped(struct mp_scsi_side *s)
{
	struct mp_scsi_sense sense = mp_sense_overlapped;

	if (s->t->attr != MP_SCSI_UNTAGGED)
		sense = mp_sense_overlapped_tag((uint8_t)s->t->tag);
	mp_manage_end(s, &sense, (uint16_t)(1u << s->t->initiator));
}

void mp_bus_admit(struct mp_scsi_side *s)
{
	struct mp_scsi_sense unused;

	s->op = mp_cdb_decode(s->lun, s->t->cdb, s->t->cdb_len, &unused);
	if (s->lun->absent) {
		mp_bus_begin(s); /* no unit, no task set */
	} else if (mp_unlikely(mp_taskset_has_duplicate(s))) {
		overlapped(s);
	} else {
		mp_taskset_hold_tag(s);
		if (mp_taskset_enter(s))
			mp_bus_begin(s);
	}
}

void mp_scsi_submit(struct mp_scsi_bus *bus, unsigned int task)
{
	struct mp_scsi_side *s = side_of(bus, task);

	mp_assert(s->t->state == MP_SCSI_FREE && s->t->initiator < MP_INITIATORS);
	clear_private(bus, s);
	bus->counters.n_commands++;
	s->lun = mp_bus_lun(bus, s->t->target, s->t->lun);
	/* Here and not when its turn comes: what was queued before the error
	 * must not lose the sense data that the initiator is about to fetch. */
	if (s->t->cdb[0] != OPCODE_REQUEST_SENSE)
		mp_lun_drop_sense(s->lun, s->t->initiator);
	if (mp_unlikely(bus->paused || bus->held.head))
		mp_queue_push(&bus->held, s);
	else
		mp_bus_admit(s);
	if (mp_unlikely(bus->n_failed))
		mp_bus_pump(bus);
}

void mp_scsi_keeps_bus(struct mp_scsi_bus *bus, unsigned int task)
{
	struct mp_scsi_side *s = side_of(bus, task);

	if (s->t->state == MP_SCSI_FREE || s->t->state == MP_SCSI_ABORTING)
		return;
	s->t->fast = true;
	mp_taskset_hurry(s);
	if (s->queue == &bus->wait) {
		mp_queue_remove(s);
		mp_queue_push(&bus->wait_fast, s);
	}
	mp_bus_pump(bus);
}

void mp_scsi_free(struct mp_scsi_bus *bus, unsigned int task)
{
	struct mp_scsi_side *s = side_of(bus, task);

	mp_assert(s->t->state == MP_SCSI_STATUS);
	mp_taskset_drop_tag(s);
	s->t->state = MP_SCSI_FREE;
	if (mp_unlikely(s->t->status == MP_SCSI_CHECK_CONDITION)) {
		mp_lun_told_failure(s->lun, s->t->initiator, true);
		if (bus->n_failed)
			mp_bus_pump(bus);
	}
}

unsigned int mp_scsi_bus_n_busy(const struct mp_scsi_bus *bus)
{
	return bus->n_busy;
}

const struct mp_scsi_counters *mp_scsi_bus_counters(const struct mp_scsi_bus *bus)
{
	return &bus->counters;
}

const struct mp_scsi_stages *mp_scsi_bus_stages(const struct mp_scsi_bus *bus)
{
	return &bus->stages;
}
