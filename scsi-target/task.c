/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The verbs that commands are written in (see bus.h), and the way back from
 * block requests and transfers into the command.
 *
 *	WAITING --buffer--> (handler) --io--> MEDIUM --done--> (handler)
 *	                        |                                  |
 *	                        +--xfer--> XFER --moved--> (handler)
 *	                        +--end---> STATUS --free--> FREE
 *
 * A task that somebody else ends (manage.c) is doomed: what it waits for comes
 * back here and finds that out.
 *
 * A task holds at most one run of pages and keeps it until it ends: what has
 * started never waits for a second one. Who finds no room waits, oldest first;
 * tasks that hold the bus have their own queue, and pages in reserve.
 */
#include "base/err.h"
#include "scsi-target/bus.h"

static bool take_buffer(struct mp_scsi_side *s)
{
	int page = mp_buffers_take(&s->bus->buffers, s->want_pages, s->t->fast);

	if (page < 0)
		return false;
	s->t->buf_off = (uint32_t)page * MP_BUFFER_PAGE_BYTES;
	s->t->buf_pages = s->want_pages;
	return true;
}

void mp_task_buffer(struct mp_scsi_side *s, uint64_t bytes, void (*next)(struct mp_scsi_side *))
{
	struct mp_scsi_bus *bus = s->bus;
	struct mp_scsi_queue *q = s->t->fast ? &bus->wait_fast : &bus->wait;

	if (bytes > bus->buffers.chunk_bytes)
		bytes = bus->buffers.chunk_bytes;
	s->want_pages = (uint32_t)((bytes + MP_BUFFER_PAGE_BYTES - 1) / MP_BUFFER_PAGE_BYTES);
	s->next = next;
	if (!q->head && take_buffer(s)) {
		next(s);
		return;
	}
	s->t->state = MP_SCSI_WAITING;
	mp_queue_push(q, s);
}

void mp_task_drop_buffer(struct mp_scsi_side *s)
{
	if (s->t->buf_pages)
		mp_buffers_give(&s->bus->buffers, s->t->buf_off / MP_BUFFER_PAGE_BYTES,
				s->t->buf_pages);
	s->t->buf_pages = 0;
}

static void give_buffers_to(struct mp_scsi_queue *q)
{
	struct mp_scsi_side *s;

	while ((s = q->head) && take_buffer(s)) {
		mp_queue_pop(q);
		s->next(s);
	}
}

static void give_turns(struct mp_scsi_bus *bus)
{
	struct mp_scsi_side *s;

	for (struct mp_scsi_lun *lun = bus->luns; lun; lun = lun->next)
		while ((s = mp_taskset_next(lun)))
			mp_bus_begin(s);
}

static struct mp_scsi_side *next_failure(struct mp_scsi_lun *lun)
{
	struct mp_scsi_side *s = lun->failed.head;

	while (s && !mp_lun_owe_sense(s, &s->sense))
		s = s->link;
	return s;
}

static void tell_failures(struct mp_scsi_bus *bus)
{
	struct mp_scsi_side *s;

	for (struct mp_scsi_lun *lun = bus->luns; lun; lun = lun->next)
		while ((s = next_failure(lun))) {
			mp_queue_remove(s);
			bus->n_failed--;
			mp_task_end(s, MP_SCSI_CHECK_CONDITION);
		}
}

/*
 * Something was given back: who waits for it? What starts here may end here, and
 * so call us again; then the outer call goes round once more instead.
 */
void mp_bus_pump(struct mp_scsi_bus *bus)
{
	bus->again = true;
	if (bus->pumping)
		return;
	bus->pumping = true;
	while (bus->again) {
		bus->again = false;
		give_buffers_to(&bus->wait_fast);
		give_buffers_to(&bus->wait);
		if (bus->n_range_waits)
			mp_range_pump(bus);
		if (bus->n_dormant && !bus->paused)
			give_turns(bus);
		if (mp_unlikely(bus->n_failed))
			tell_failures(bus);
	}
	bus->pumping = false;
}

/* For the unit's log: commands that moved data to or from the medium. */
static void count_command(const struct mp_scsi_side *s)
{
	struct mp_scsi_log *log = &s->lun->log;

	if (!s->op || (s->op->flags & (MP_OP_MEDIUM | MP_OP_PAGE)) != MP_OP_MEDIUM)
		return;
	if (s->t->dir == MP_SCSI_DATA_IN) {
		log->n_in++;
		log->n_in_bytes += s->t->xfer_done;
	} else if (s->t->dir == MP_SCSI_DATA_OUT) {
		log->n_out++;
		log->n_out_bytes += s->t->xfer_done;
	}
}

static void give_back(struct mp_scsi_side *s)
{
	mp_task_drop_buffer(s);
	mp_taskset_leave(s);
	mp_range_drop(s);
}

void mp_task_end(struct mp_scsi_side *s, uint8_t status)
{
	struct mp_scsi_bus *bus = s->bus;

	count_command(s);
	if (mp_likely(bus->tsc_mult))
		mp_bus_took(bus, &bus->stages.command, mp_clock_tsc() - s->accepted_tsc);
	give_back(s);
	s->t->status = status;
	s->t->state = MP_SCSI_STATUS;
	bus->ops->complete(bus->opaque, mp_task_index(s));
	mp_bus_pump(bus);
}

void mp_task_refuse(struct mp_scsi_side *s, const struct mp_scsi_sense *sense)
{
	if (mp_likely(mp_lun_owe_sense(s, sense))) {
		mp_task_end(s, MP_SCSI_CHECK_CONDITION);
		return;
	}
	give_back(s);
	s->sense = *sense;
	s->t->state = MP_SCSI_WAITING;
	mp_queue_push(&s->lun->failed, s);
	s->bus->n_failed++;
	mp_bus_pump(s->bus);
}

void mp_task_good(struct mp_scsi_side *s)
{
	if (mp_unlikely(s->lun->exception_pending))
		mp_exceptions_end(s);
	else
		mp_task_end(s, MP_SCSI_GOOD);
}

void mp_task_perish(struct mp_scsi_side *s)
{
	struct mp_scsi_bus *bus = s->bus;
	bool silent = s->doom == MP_DOOM_SILENT && bus->ops->aborted;

	if (s->doom != MP_DOOM_FORGET && !silent) {
		mp_task_end(s, MP_SCSI_TASK_ABORTED);
		return;
	}
	mp_bus_let_go(s);
	/* Before anything else may start: an upcall in between could find the slot free. */
	if (silent)
		bus->ops->aborted(bus->opaque, mp_task_index(s));
	mp_bus_pump(bus);
}

/* Whose tasks end with one that has failed (QERR). */
static uint16_t condemned(const struct mp_scsi_side *s)
{
	switch (s->lun->control.qerr) {
	case 1:
		return mp_manage_sharers(s->lun, s->t->initiator);
	case 3:
		return (uint16_t)(1u << s->t->initiator);
	default:
		return 0;
	}
}

void mp_task_fail(struct mp_scsi_side *s, struct mp_scsi_sense sense)
{
	mp_manage_end(s, &sense, condemned(s));
}

void mp_task_bad_field(struct mp_scsi_side *s, unsigned int byte, unsigned int bit)
{
	mp_task_fail(s, mp_sense_cdb_field(byte, bit));
}

static void io_ended_badly(struct mp_scsi_side *s)
{
	if (!s->doom) {
		mp_error_happened(s);
		return;
	}
	s->lun->n_aborting--;
	mp_task_perish(s);
}

static void go_on(struct mp_scsi_side *s)
{
	if (mp_unlikely(s->req.result < 0 || s->doom)) {
		io_ended_badly(s);
	} else {
		mp_log_medium(s);
		s->next(s);
	}
}

static void io_done(struct mp_blk_req *req)
{
	struct mp_scsi_side *s = req->opaque;
	struct mp_scsi_bus *bus = s->bus;

	bus->n_busy--;
	if (mp_likely(bus->tsc_mult))
		mp_bus_took(bus, &bus->stages.block, req->ended_tsc - req->begun_tsc);
	if (mp_likely(!bus->n_range_waits)) {
		go_on(s);
	} else {
		go_on(s);
		mp_bus_pump(bus); /* the task may not have ended, but its request has */
	}
}

void mp_task_issue(struct mp_scsi_side *s)
{
	struct mp_scsi_bus *bus = s->bus;

	if (mp_unlikely(bus->paused)) {
		s->t->state = MP_SCSI_WAITING;
		mp_queue_push(&bus->kept, s);
		return;
	}
	if (mp_unlikely(s->lun->type == MP_SCSI_CDROM) && !mp_cd_same_disc(s))
		return;
	if (mp_unlikely(s->lun->n_holds && mp_range_detains(s)))
		return;
	s->t->state = MP_SCSI_MEDIUM;
	bus->n_busy++;
	mp_blk_submit(s->lun->blk, &s->req);
	if (mp_likely(bus->tsc_mult) && !s->issued)
		mp_bus_took(bus, &bus->stages.queue, s->req.begun_tsc - s->accepted_tsc);
	s->issued = true;
}

static void submit(struct mp_scsi_side *s, void (*next)(struct mp_scsi_side *))
{
	s->req.done = io_done;
	s->req.opaque = s;
	s->next = next;
	mp_task_issue(s);
}

void mp_task_io(struct mp_scsi_side *s, enum mp_blk_op op, uint32_t flags, uint32_t n_blocks,
		void (*next)(struct mp_scsi_side *))
{
	s->req.op = op;
	s->req.flags = flags;
	s->req.offset = s->t->lba * s->lun->logical_bytes;
	s->req.len = (uint64_t)n_blocks * s->lun->logical_bytes;
	s->req.buf = mp_task_buf(s) + s->io_off;
	submit(s, next);
}

void mp_task_range_io(struct mp_scsi_side *s, enum mp_blk_op op, uint32_t flags,
		      void (*next)(struct mp_scsi_side *))
{
	s->req.op = op;
	s->req.flags = flags;
	s->req.offset = s->t->lba * s->lun->logical_bytes;
	s->req.len = s->t->n_blocks * s->lun->logical_bytes;
	s->req.buf = NULL;
	submit(s, next);
}

void mp_task_flush(struct mp_scsi_side *s, void (*next)(struct mp_scsi_side *))
{
	s->req.op = MP_BLK_FLUSH;
	s->req.flags = 0;
	s->req.offset = 0;
	s->req.len = 0;
	s->req.buf = NULL;
	submit(s, next);
}

void mp_task_xfer(struct mp_scsi_side *s, enum mp_scsi_dir dir, uint32_t bytes,
		  void (*next)(struct mp_scsi_side *))
{
	struct mp_scsi_bus *bus = s->bus;

	mp_assert(bytes > 0 && bytes <= s->t->buf_pages * MP_BUFFER_PAGE_BYTES);
	s->t->dir = (uint8_t)dir;
	s->t->buf_len = bytes;
	s->t->state = MP_SCSI_XFER;
	s->next = next;
	bus->ops->xfer(bus->opaque, mp_task_index(s));
}

void mp_scsi_moved(struct mp_scsi_bus *bus, unsigned int task, uint32_t n_bytes, bool more)
{
	struct mp_scsi_side *s;

	mp_assert(task < bus->n_tasks);
	s = &bus->sides[task];
	mp_assert(s->t->state == MP_SCSI_XFER && n_bytes <= s->t->buf_len);
	if (mp_unlikely(s->doom)) {
		mp_task_perish(s);
		return;
	}
	s->n_moved = n_bytes;
	s->t->xfer_done += n_bytes;
	/* All that the command has to move has moved: what the initiator wants more
	 * or not makes no difference. */
	s->cut_short = n_bytes < s->t->buf_len || (!more && s->t->xfer_done < s->t->xfer_len);
	s->next(s);
}

void mp_task_reply(struct mp_scsi_side *s, uint32_t len, uint32_t alloc_len)
{
	uint32_t n = len < alloc_len ? len : alloc_len;

	if (n == 0) {
		mp_task_good(s);
		return;
	}
	s->t->xfer_len = n;
	mp_task_xfer(s, MP_SCSI_DATA_IN, n, mp_task_good);
}
