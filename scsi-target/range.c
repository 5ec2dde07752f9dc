/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Ranges of blocks that one task has for itself, for commands that must not be
 * interrupted between their block requests (SBC-3 4.27, COMPARE AND WRITE).
 *
 *	mp_range_hold()  waits until no other request of the unit that touches
 *	                 the range is in flight, then nobody else's can start
 *	mp_range_drop()  lets them; the end of the task does so too
 *
 * It is a matter of block requests, not of tasks: a range is held only while
 * its holder works on the medium, never while it moves data on the bus. So who
 * waits here waits for the disk alone, also when it has the bus, and nothing
 * can wait in a circle. What is wanted before a range is held (the data of the
 * initiator, a buffer) has to be there already.
 *
 * Who waits, for a range or to work in one that is held, stands in lun->range_waiters,
 * oldest first, and waits for its elders too: a stream of small reads can't
 * keep a holder out.
 *
 * A job (job.c) may have the medium for hours. Nobody waits for that, least of
 * all with the bus in its hands: who was under way when it began, or waited for
 * a range then, fails and hears of the job, like each command that comes later.
 *
 * Nearly always nobody holds anything: then the price is one look at n_holds
 * for each request.
 */
#include "scsi-target/bus.h"

struct range {
	uint64_t lba, n;
};

static bool overlap(struct range a, struct range b)
{
	return a.n > 0 && b.n > 0 && a.lba < b.lba + b.n && b.lba < a.lba + a.n;
}

static struct range hold_of(const struct mp_scsi_side *s)
{
	return (struct range){s->hold_lba, s->hold_n};
}

static struct range request_of(const struct mp_scsi_side *s)
{
	uint32_t block = s->lun->logical_bytes;

	return (struct range){s->req.offset / block, s->req.len / block};
}

static struct range wish_of(const struct mp_scsi_side *s)
{
	return s->wants_range ? hold_of(s) : request_of(s);
}

static bool in_flight(const struct mp_scsi_side *s)
{
	return s->t->state == MP_SCSI_MEDIUM || s->t->state == MP_SCSI_ABORTING;
}

static bool is_in_the_way(const struct mp_scsi_side *other, const struct mp_scsi_side *s)
{
	if (other == s || other->lun != s->lun)
		return false;
	if (other->has_range && overlap(hold_of(other), wish_of(s)))
		return true;
	return s->wants_range && in_flight(other) && overlap(request_of(other), wish_of(s));
}

static bool can_go(const struct mp_scsi_side *s)
{
	const struct mp_scsi_bus *bus = s->bus;

	if (mp_job_holds_medium(s->lun) && wish_of(s).n > 0)
		return false;
	for (unsigned int i = 0; i < bus->n_tasks; i++)
		if (is_in_the_way(&bus->sides[i], s))
			return false;
	for (const struct mp_scsi_side *i = s->lun->range_waiters.head; i && i != s; i = i->link)
		if ((i->wants_range || s->wants_range) && overlap(wish_of(i), wish_of(s)))
			return false;
	return true;
}

static void wait(struct mp_scsi_side *s)
{
	s->t->state = MP_SCSI_WAITING;
	mp_queue_push(&s->lun->range_waiters, s);
	s->lun->n_holds++;
	s->bus->n_range_waits++;
}

static void stop_waiting(struct mp_scsi_side *s)
{
	mp_queue_remove(s);
	s->lun->n_holds--;
	s->bus->n_range_waits--;
}

/* Return: true: a job has the medium, and the task has ended */
static bool job_refuses(struct mp_scsi_side *s)
{
	struct mp_scsi_sense sense;

	if (wish_of(s).n == 0 || !mp_job_sense(s->lun, &sense))
		return false;
	s->wants_range = false;
	if (s->failed)
		s->failed(s, sense);
	else
		mp_task_fail(s, sense);
	return true;
}

static void take(struct mp_scsi_side *s)
{
	s->wants_range = false;
	s->has_range = true;
	s->lun->n_holds++;
	s->next(s);
}

void mp_range_hold(struct mp_scsi_side *s, uint64_t n_blocks, void (*next)(struct mp_scsi_side *))
{
	s->hold_lba = s->t->lba;
	s->hold_n = n_blocks;
	s->wants_range = true;
	s->next = next;
	if (can_go(s))
		take(s);
	else if (!job_refuses(s))
		wait(s);
}

void mp_range_forget(struct mp_scsi_side *s)
{
	if (s->queue && s->queue == &s->lun->range_waiters)
		stop_waiting(s);
	s->wants_range = false;
	mp_range_drop(s);
}

bool mp_range_detains(struct mp_scsi_side *s)
{
	/* Who holds a range works in it; behind who waits for it, it would wait for itself. */
	if (s->has_range || s->let_through || can_go(s))
		return false;
	if (!job_refuses(s))
		wait(s);
	return true;
}

static void let_through(struct mp_scsi_side *s)
{
	s->let_through = true;
	mp_task_issue(s);
	s->let_through = false; /* now, for a paused bus may have kept it */
}

static struct mp_scsi_side *find_free(struct mp_scsi_lun *lun)
{
	struct mp_scsi_side *s = lun->range_waiters.head;

	while (s && !can_go(s) && !mp_job_holds_medium(lun))
		s = s->link;
	return s;
}

/* From the start after each one: what it does may change all that was seen. */
void mp_range_pump(struct mp_scsi_bus *bus)
{
	struct mp_scsi_side *s;

	for (struct mp_scsi_lun *lun = bus->luns; lun; lun = lun->next) {
		while ((s = find_free(lun))) {
			stop_waiting(s);
			if (job_refuses(s))
				continue;
			if (s->wants_range)
				take(s);
			else
				let_through(s);
		}
	}
}
