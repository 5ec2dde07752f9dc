/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * When the medium fails: what the initiator hears of it, and the pause.
 *
 * Each unit has two policies, for reads and for all else, with the meaning of
 * QEMU's rerror= and werror=:
 *
 *	report   CHECK CONDITION; the sense says what failed, and at which block
 *	ignore   the command goes on as if nothing had happened
 *	stop     the bus pauses; somebody makes room, replaces the cable, and
 *	         continues: the request is issued again, the guest never knows
 *	enospc   stop when there is no space left, report all else
 *
 * A pause is two gates. Commands that arrive are held before anything has
 * looked at them; tasks under way are kept when they come to their next block
 * request, which is also where a failed one goes back to. Both wait in a queue
 * in state WAITING, so abort and reset end them like any task that waits. What
 * a task does between two block requests (moving data, ending) isn't held:
 * nothing can fail there.
 *
 * A read that is ignored hands out zeros for what it couldn't read. The buffer
 * is shared with others, and what they left in it is nobody's business.
 */
#include <errno.h>
#include <string.h>

#include "scsi-target/bus.h"

static struct mp_scsi_sense error_sense(const struct mp_scsi_side *s)
{
	bool reading = s->req.op == MP_BLK_READ;

	switch (s->req.result) {
	case -EIO:
		return reading ? mp_sense_read_error : mp_sense_write_error;
	case -ENOSPC:
	case -EDQUOT:
	case -EFBIG:
		return mp_sense_no_space;
	case -EROFS:
	case -EPERM:
	case -EACCES:
		return mp_sense_write_protected;
	case -ENOMEDIUM:
	case -ENXIO:
	case -ENODEV:
		return mp_sense_no_medium;
	case -ECANCELED:
		return mp_sense_aborted;
	default:
		return mp_sense_target_failure;
	}
}

static void report(struct mp_scsi_side *s)
{
	struct mp_scsi_sense sense = error_sense(s);

	if (sense.key == mp_sense_read_error.key && s->req.op != MP_BLK_FLUSH) {
		sense.has_info = true;
		sense.info = (s->req.offset + s->req.moved) / s->lun->logical_bytes;
	}
	mp_log_error(s);
	if (s->failed)
		s->failed(s, sense);
	else
		mp_task_fail(s, sense);
}

static void ignore(struct mp_scsi_side *s)
{
	if (s->req.op == MP_BLK_READ)
		memset((uint8_t *)s->req.buf + s->req.moved, 0, s->req.len - s->req.moved);
	s->next(s);
}

static void stop(struct mp_scsi_side *s)
{
	struct mp_scsi_bus *bus = s->bus;
	bool was_paused = bus->paused;
	struct mp_scsi_stop why = {.target = s->t->target,
				   .lun = s->t->lun,
				   .reading = s->req.op == MP_BLK_READ,
				   .error = s->req.result};

	bus->paused = true;
	mp_task_issue(s); /* that is: keep it */
	if (was_paused)
		return;
	bus->last_stop = why;
	if (bus->ops->paused)
		bus->ops->paused(bus->opaque);
}

static enum mp_scsi_on_error policy(const struct mp_scsi_side *s)
{
	uint8_t on_error = s->req.op == MP_BLK_READ ? s->lun->rerror : s->lun->werror;

	if (on_error == MP_SCSI_ON_ERROR_ENOSPC)
		on_error = s->req.result == -ENOSPC ? MP_SCSI_ON_ERROR_STOP
						    : MP_SCSI_ON_ERROR_REPORT;
	if (on_error == MP_SCSI_ON_ERROR_STOP && s->bus->never_stops)
		return MP_SCSI_ON_ERROR_REPORT;
	return (enum mp_scsi_on_error)on_error;
}

void mp_error_tell(struct mp_scsi_bus *bus, const struct mp_scsi_lun *lun,
		   const struct mp_blk_req *req, enum mp_scsi_on_error action)
{
	struct mp_scsi_io_error e = {.target = lun->target,
				     .lun = lun->lun,
				     .op = req->op,
				     .error = req->result,
				     .action = action};

	bus->counters.n_io_errors++;
	if (bus->ops->io_error)
		bus->ops->io_error(bus->opaque, &e);
}

void mp_error_happened(struct mp_scsi_side *s)
{
	enum mp_scsi_on_error action = policy(s);

	mp_error_tell(s->bus, s->lun, &s->req, action);
	switch (action) {
	case MP_SCSI_ON_ERROR_STOP:
		stop(s);
		break;
	case MP_SCSI_ON_ERROR_IGNORE:
		ignore(s);
		break;
	default:
		report(s);
	}
}

/* What waits for a throttle is in flight for us, and whoever pauses waits for that. */
void mp_scsi_pause(struct mp_scsi_bus *bus)
{
	bus->paused = true;
	for (struct mp_scsi_lun *lun = bus->luns; lun; lun = lun->next)
		if (lun->blk)
			mp_blk_rush(lun->blk);
}

struct mp_scsi_stop mp_scsi_last_stop(const struct mp_scsi_bus *bus)
{
	return bus->last_stop;
}

void mp_scsi_may_stop(struct mp_scsi_bus *bus, bool may)
{
	bus->never_stops = !may;
}

/* Whatever starts here may pause the bus again; the rest waits on. */
void mp_scsi_continue(struct mp_scsi_bus *bus)
{
	struct mp_scsi_side *s;

	bus->paused = false;
	while (!bus->paused && (s = mp_queue_pop(&bus->kept)))
		mp_task_issue(s);
	while (!bus->paused && (s = mp_queue_pop(&bus->held)))
		mp_bus_admit(s);
	if (!bus->paused)
		mp_job_resume(bus);
	mp_bus_pump(bus);
}

bool mp_scsi_is_paused(const struct mp_scsi_bus *bus)
{
	return bus->paused;
}
