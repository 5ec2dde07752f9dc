/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What a unit does over its whole medium by itself: the work of FORMAT UNIT and
 * SANITIZE, which goes on after the command's status when IMMED was set.
 *
 *	none --begin--> working --last piece, flush--> none
 *	                   |  \---error---> failed --(a new job, EXIT FAILURE MODE)--> none
 *	                   \---power on, the worker ends---> none
 *
 * A job is a chain of block requests in pieces of a bounded size, one at a
 * time, made with a request of the unit's own, so no task has to stay. A
 * command without IMMED waits for its end in job->waiter. It may be aborted:
 * the job goes on, as in a disk that has begun to format.
 *
 *	ZEROES     WRITE_ZEROES, may unmap         then FLUSH
 *	PATTERN    WRITE of a buffer, n_passes times, the pattern inverted in
 *	           between if that was asked for    then FLUSH
 *
 * It begins when no other request of the unit is in flight, and holds the
 * medium (range.c) until it ends. Commands that come meanwhile learn how far it
 * is; after a failure, that the medium has no use until a job succeeds. Its
 * errors are always reported, whatever rerror and werror say: nobody waits who
 * could be stopped. While the bus is paused it makes no new requests.
 *
 * A pattern lies in pages of the pool that belong to the job. They are few, and
 * never those in reserve (buffer.c): a job is long.
 */

#include "scsi-target/bus.h"

#define ZEROES_PIECE_BYTES    (256ull << 20)

#define OPCODE_FORMAT_UNIT    0x04u
#define OPCODE_SANITIZE       0x48u
#define OPCODE_LOG_SENSE      0x4du
#define OPCODE_MAINTENANCE_IN 0xa3u

static void step(struct mp_scsi_job *job);

static uint8_t *pattern(const struct mp_scsi_job *job)
{
	return job->bus->pool + job->buf_off;
}

static struct mp_scsi_sense failure(const struct mp_scsi_job *job)
{
	return job->kind == MP_JOB_SANITIZE ? mp_sense_sanitize_failed : mp_sense_format_corrupted;
}

static void end(struct mp_scsi_job *job, int result)
{
	struct mp_scsi_lun *lun = job->lun;
	struct mp_scsi_bus *bus = job->bus;
	struct mp_scsi_side *s = mp_queue_pop(&job->waiter);

	if (job->buf_pages)
		mp_buffers_give(&bus->buffers, job->buf_off / MP_BUFFER_PAGE_BYTES, job->buf_pages);
	job->buf_pages = 0;
	job->working = false;
	job->failed = result < 0;
	lun->engaged = job->failed;
	lun->n_holds--;
	if (s && result == 0)
		mp_task_good(s);
	else if (s)
		mp_task_fail(s, job->kind == MP_JOB_FORMAT ? mp_sense_format_failed : failure(job));
	mp_bus_pump(bus);
}

static void invert(const struct mp_scsi_job *job)
{
	uint8_t *p = pattern(job);

	for (uint32_t i = 0; i < job->buf_pages * MP_BUFFER_PAGE_BYTES; i++)
		p[i] = (uint8_t)~p[i];
}

/* The present pass is over: the next one, or the flush at the end. */
static bool next_pass(struct mp_scsi_job *job)
{
	if (++job->pass >= job->n_passes)
		return false;
	job->lba = 0;
	if (job->inverts)
		invert(job);
	return true;
}

static void done(struct mp_blk_req *req)
{
	struct mp_scsi_job *job = req->opaque;

	job->bus->n_busy--;
	job->lba += req->len / job->lun->logical_bytes;
	if (req->result < 0)
		mp_error_tell(job->bus, job->lun, req, MP_SCSI_ON_ERROR_REPORT);
	if (req->result < 0 || req->op == MP_BLK_FLUSH || job->stop)
		end(job, req->result);
	else
		step(job);
}

static void fill_request(struct mp_scsi_job *job)
{
	uint32_t block = job->lun->logical_bytes;
	uint64_t left, most;

	job->req = (struct mp_blk_req){.done = done, .opaque = job};
	if (job->lba >= job->lun->n_blocks && !next_pass(job)) {
		job->req.op = MP_BLK_FLUSH;
		return;
	}
	left = (job->lun->n_blocks - job->lba) * block;
	most = ZEROES_PIECE_BYTES;
	job->req.op = MP_BLK_WRITE_ZEROES;
	job->req.flags = MP_BLK_UNMAP;
	if (job->buf_pages) {
		most = job->buf_pages * MP_BUFFER_PAGE_BYTES;
		job->req.op = MP_BLK_WRITE;
		job->req.flags = 0;
		job->req.buf = pattern(job);
	}
	job->req.offset = job->lba * block;
	job->req.len = left < most ? left : most;
}

static void step(struct mp_scsi_job *job)
{
	struct mp_scsi_bus *bus = job->bus;

	job->kept = bus->paused;
	if (job->kept) {
		bus->n_jobs_kept++;
		return;
	}
	fill_request(job);
	bus->n_busy++;
	mp_blk_submit(job->lun->blk, &job->req);
}

void mp_job_begin(struct mp_scsi_side *s, const struct mp_scsi_job *how)
{
	struct mp_scsi_job *job = &s->lun->job;

	*job = *how;
	job->lun = s->lun;
	job->bus = s->bus;
	job->working = true;
	job->n_passes = how->n_passes ? how->n_passes : 1;
	s->lun->engaged = true;
	s->lun->n_holds++;
	mp_range_drop(s);
	if (job->immediate) {
		step(job);
		mp_task_good(s);
		return;
	}
	mp_task_drop_buffer(s);
	s->t->state = MP_SCSI_WAITING;
	mp_queue_push(&job->waiter, s);
	step(job);
}

bool mp_job_in_flight(const struct mp_scsi_lun *lun)
{
	return lun->job.working && !lun->job.kept;
}

bool mp_job_holds_medium(const struct mp_scsi_lun *lun)
{
	return lun->job.working;
}

/* In 65536ths; SPC-4 4.5.2.4.4. */
static uint16_t progress(const struct mp_scsi_job *job)
{
	uint64_t all = job->lun->n_blocks * job->n_passes;
	uint64_t so_far = job->lun->n_blocks * job->pass + job->lba;
	/* Where the product would overflow the quotient is exact enough. */
	uint64_t part = all >> 47 ? so_far / (all >> 16) : so_far * 65536 / all;

	return part > UINT16_MAX ? UINT16_MAX : (uint16_t)part;
}

bool mp_job_sense(const struct mp_scsi_lun *lun, struct mp_scsi_sense *ret_sense)
{
	const struct mp_scsi_job *job = &lun->job;

	if (!job->working)
		return false;
	*ret_sense = job->kind == MP_JOB_SANITIZE ? mp_sense_sanitizing : mp_sense_formatting;
	ret_sense->field_flags = MP_SENSE_SKSV;
	ret_sense->field = progress(job);
	return true;
}

bool mp_job_objects(const struct mp_scsi_side *s, struct mp_scsi_sense *ret_sense)
{
	const struct mp_scsi_job *job = &s->lun->job;
	uint8_t opcode = s->t->cdb[0];
	bool may_mend = opcode == OPCODE_SANITIZE ||
			(opcode == OPCODE_FORMAT_UNIT && job->kind == MP_JOB_FORMAT);

	if ((s->op->flags & MP_OP_ALWAYS) || opcode == OPCODE_LOG_SENSE ||
	    opcode == OPCODE_MAINTENANCE_IN)
		return false;
	if (!job->working && (may_mend || !(s->op->flags & MP_OP_MEDIUM)))
		return false;
	if (!mp_job_sense(s->lun, ret_sense))
		*ret_sense = failure(job);
	return true;
}

void mp_job_resume(struct mp_scsi_bus *bus)
{
	for (struct mp_scsi_lun *lun = bus->luns; lun && bus->n_jobs_kept; lun = lun->next) {
		if (!lun->job.kept)
			continue;
		bus->n_jobs_kept--;
		lun->job.kept = false;
		if (lun->job.stop)
			end(&lun->job, 0);
		else
			step(&lun->job);
	}
}

void mp_job_exit_failure(struct mp_scsi_lun *lun)
{
	lun->job.failed = false;
	lun->engaged = lun->job.working;
}

void mp_job_stop(struct mp_scsi_lun *lun)
{
	struct mp_scsi_job *job = &lun->job;

	if (!job->working)
		return;
	job->stop = true;
	mp_blk_rush(job->lun->blk);
	if (!job->kept)
		return;
	job->bus->n_jobs_kept--;
	job->kept = false;
	end(job, 0);
}

void mp_scsi_stop_jobs(struct mp_scsi_bus *bus)
{
	for (struct mp_scsi_lun *lun = bus->luns; lun; lun = lun->next)
		mp_job_stop(lun);
}
