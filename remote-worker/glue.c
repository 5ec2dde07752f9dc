/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Introduces the chip to the SCSI bus; neither knows the other.
 *
 * A command has one number for both: the chip's index is the bus's task slot.
 * They part only when a command is aborted while its block I/O is in flight:
 * the chip has forgotten it, the bus keeps slot and buffer until the I/O is back
 * (ABORTING). task_busy() tells the chip, which gives such a number to nobody.
 *
 * Upcalls of the bus may come inside the chip's own call: command() can end in
 * complete() before it returns. Both sides allow it.
 *
 * Guest memory: the chip gets pointers of one contiguous piece each and reports
 * what it wrote; this file keeps no pointer.
 */
#include "remote-worker/device.h"

#include <errno.h>
#include <string.h>

#include "base/err.h"

static void *dma(void *opaque, uint64_t addr, uint32_t *len, bool write)
{
	struct mp_device *d = opaque;

	return mp_guest_view_span(&d->mem, addr, len, write);
}

static void dma_written(void *opaque, uint64_t addr, uint32_t len)
{
	struct mp_device *d = opaque;

	mp_dma_log_add(&d->log, &d->mem, addr, len);
}

static bool target_present(void *opaque, unsigned int target)
{
	struct mp_device *d = opaque;

	return mp_scsi_target_present(d->bus, target);
}

static uint8_t scsi_attr(uint8_t lsi_attr)
{
	static const uint8_t map[] = {
		[MP_LSI_UNTAGGED] = MP_SCSI_UNTAGGED,
		[MP_LSI_SIMPLE] = MP_SCSI_SIMPLE,
		[MP_LSI_HEAD_OF_QUEUE] = MP_SCSI_HEAD_OF_QUEUE,
		[MP_LSI_ORDERED] = MP_SCSI_ORDERED,
	};

	return map[lsi_attr];
}

static void command(void *opaque, unsigned int task, const struct mp_lsi_command *cmd)
{
	struct mp_device *d = opaque;
	struct mp_scsi_task *t = &d->tasks[task];

	mp_assert(t->state == MP_SCSI_FREE);
	memset(t, 0, sizeof(*t));
	t->target = cmd->target;
	t->lun = cmd->lun;
	t->attr = scsi_attr(cmd->attr);
	t->initiator = cmd->initiator;
	t->tag = cmd->tag;
	t->fast = !cmd->can_disconnect;
	t->cdb_len = cmd->cdb_len;
	memcpy(t->cdb, cmd->cdb, sizeof(t->cdb));
	mp_scsi_submit(d->bus, task);
}

static void *task_buf(void *opaque, unsigned int task, uint32_t off, uint32_t *len)
{
	struct mp_device *d = opaque;
	const struct mp_scsi_task *t = &d->tasks[task];

	mp_assert(t->state == MP_SCSI_XFER && off < t->buf_len);
	if (*len > t->buf_len - off)
		*len = t->buf_len - off;
	return d->pool + t->buf_off + off;
}

static void data_moved(void *opaque, unsigned int task, uint32_t n_moved, bool more)
{
	struct mp_device *d = opaque;

	mp_scsi_moved(d->bus, task, n_moved, more);
}

static void task_done(void *opaque, unsigned int task)
{
	struct mp_device *d = opaque;

	mp_scsi_free(d->bus, task);
}

static void keeps_bus(void *opaque, unsigned int task)
{
	struct mp_device *d = opaque;

	mp_scsi_keeps_bus(d->bus, task);
}

static bool task_busy(void *opaque, unsigned int task)
{
	const struct mp_device *d = opaque;

	return d->tasks[task].state != MP_SCSI_FREE;
}

static void tm(void *opaque, enum mp_lsi_tm tm, unsigned int target, unsigned int lun,
	       unsigned int task)
{
	struct mp_device *d = opaque;

	switch (tm) {
	case MP_LSI_TM_ABORT_TASK:
		mp_scsi_abort_task(d->bus, task);
		break;
	/* The chip forgets the tasks of a unit whatever its own id was when it sent them. */
	case MP_LSI_TM_ABORT_TASK_SET:
		mp_scsi_manage(d->bus, MP_SCSI_TM_ABORT_TASK_SET, MP_SCSI_EVERYBODY, target, lun);
		break;
	case MP_LSI_TM_CLEAR_TASK_SET:
		mp_scsi_manage(d->bus, MP_SCSI_TM_CLEAR_TASK_SET, MP_SCSI_EVERYBODY, target, lun);
		break;
	case MP_LSI_TM_LUN_RESET:
		mp_scsi_manage(d->bus, MP_SCSI_TM_LUN_RESET, MP_SCSI_EVERYBODY, target, lun);
		break;
	case MP_LSI_TM_TARGET_RESET:
		mp_scsi_reset(d->bus, MP_SCSI_RESET_TARGET, target, 0);
		break;
	case MP_LSI_TM_BUS_RESET:
		mp_scsi_reset(d->bus, MP_SCSI_RESET_BUS, 0, 0);
		break;
	case MP_LSI_TM_CANCEL_ALL:
		mp_scsi_cancel_all(d->bus);
		break;
	}
}

static void xfer(void *opaque, unsigned int task)
{
	struct mp_device *d = opaque;
	const struct mp_scsi_task *t = &d->tasks[task];

	mp_lsi_target_data(&d->lsi, task,
			   t->dir == MP_SCSI_DATA_IN ? MP_LSI_DATA_IN : MP_LSI_DATA_OUT,
			   t->buf_len);
}

static void complete(void *opaque, unsigned int task)
{
	struct mp_device *d = opaque;

	mp_lsi_target_status(&d->lsi, task, d->tasks[task].status);
}

static void sense(void *opaque, unsigned int target, unsigned int lun, unsigned int initiator,
		  unsigned int what)
{
	struct mp_device *d = opaque;

	mp_scsi_bus_failed(d->bus, target, lun, initiator, (uint16_t)what);
}

static void paused(void *opaque)
{
	struct mp_device *d = opaque;
	struct mp_scsi_stop why = mp_scsi_last_stop(d->bus);

	d->io_stopped = MP_IO_STOPPED | (why.reading ? MP_IO_READING : 0) |
			(why.error == -ENOSPC ? MP_IO_NO_SPACE : 0);
	d->stop_untold = true;
}

static void tell(struct mp_device *d, const struct mp_event *e)
{
	if (mp_event_box_put(&d->events, e))
		d->events_untold = true;
}

static void io_error(void *opaque, const struct mp_scsi_io_error *e)
{
	tell(opaque, &(struct mp_event){.kind = MP_EVENT_IO_ERROR, .error = *e});
}

static void tray_moved(void *opaque, const struct mp_scsi_tray *tray)
{
	tell(opaque, &(struct mp_event){.kind = MP_EVENT_TRAY, .tray = *tray});
}

const struct mp_lsi_ops mp_glue_lsi_ops = {
	.dma = dma,
	.dma_written = dma_written,
	.target_present = target_present,
	.command = command,
	.task_buf = task_buf,
	.data_moved = data_moved,
	.task_done = task_done,
	.tm = tm,
	.keeps_bus = keeps_bus,
	.task_busy = task_busy,
	.sense = sense,
};

const struct mp_scsi_ops mp_glue_scsi_ops = {
	.xfer = xfer,
	.complete = complete,
	.paused = paused,
	.io_error = io_error,
	.tray_moved = tray_moved,
};
