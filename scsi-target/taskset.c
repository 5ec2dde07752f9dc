/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The task set of a logical unit: who may run, in which order (SAM-5 8).
 *
 * A task is dormant, then active, then gone. Dormant ones queue in the order
 * in which they came, so it is enough to look at the first:
 *
 *	HEAD OF QUEUE     runs at once
 *	SIMPLE, untagged  when no ORDERED and no HEAD OF QUEUE task is active
 *	ORDERED           when no task at all is active
 *
 * Everything older than the first dormant task is active or gone, which makes
 * these the rules of the standard; with only SIMPLE tasks the queue stays empty.
 *
 * INQUIRY, REPORT LUNS and REQUEST SENSE pass by all that, as the standard
 * allows. And a task that holds the bus while it waits ("fast") goes first,
 * because the tasks in its way could need that very bus to end.
 *
 * A task that was aborted with its block request in flight may still write.
 * Until it has ended nothing new becomes active, so that a write after the
 * abort can't be overtaken by the one before it.
 */
#include "scsi-target/bus.h"

#define UNTAGGED_SLOT 256u

static unsigned int tag_slot(const struct mp_scsi_task *t)
{
	return t->attr == MP_SCSI_UNTAGGED ? UNTAGGED_SLOT : t->tag & 0xff;
}

static bool same_nexus(const struct mp_scsi_side *a, const struct mp_scsi_side *b)
{
	if (a->lun != b->lun || a->t->initiator != b->t->initiator)
		return false;
	if (a->t->attr == MP_SCSI_UNTAGGED || b->t->attr == MP_SCSI_UNTAGGED)
		return a->t->attr == b->t->attr;
	return a->t->tag == b->t->tag;
}

bool mp_taskset_has_duplicate(const struct mp_scsi_side *s)
{
	const struct mp_scsi_bus *bus = s->bus;

	if (s->lun->tag_count[tag_slot(s->t)] == 0)
		return false;
	for (unsigned int i = 0; i < bus->n_tasks; i++)
		if (bus->sides[i].holds_tag && same_nexus(&bus->sides[i], s))
			return true;
	return false;
}

void mp_taskset_hold_tag(struct mp_scsi_side *s)
{
	s->lun->tag_count[tag_slot(s->t)]++;
	s->holds_tag = true;
}

void mp_taskset_drop_tag(struct mp_scsi_side *s)
{
	if (s->holds_tag)
		s->lun->tag_count[tag_slot(s->t)]--;
	s->holds_tag = false;
}

static void activate(struct mp_scsi_side *s, int step)
{
	struct mp_scsi_lun *lun = s->lun;

	lun->n_active += (unsigned int)step;
	if (s->t->attr == MP_SCSI_ORDERED)
		lun->n_active_ordered += (unsigned int)step;
	if (s->t->attr == MP_SCSI_HEAD_OF_QUEUE)
		lun->n_active_head += (unsigned int)step;
	s->active = step > 0;
}

static bool may_run(const struct mp_scsi_side *s)
{
	const struct mp_scsi_lun *lun = s->lun;

	if (lun->n_aborting > 0)
		return false;
	if (s->t->fast)
		return true;
	switch (s->t->attr) {
	case MP_SCSI_HEAD_OF_QUEUE:
		return true;
	case MP_SCSI_ORDERED:
		return lun->n_active == 0;
	default:
		return lun->n_active_ordered == 0 && lun->n_active_head == 0;
	}
}

bool mp_taskset_enter(struct mp_scsi_side *s)
{
	bool goes_first = s->t->attr == MP_SCSI_HEAD_OF_QUEUE || s->t->fast;

	if (s->op && (s->op->flags & MP_OP_ALWAYS))
		return true;
	if ((goes_first || !s->lun->dormant.head) && may_run(s)) {
		activate(s, 1);
		return true;
	}
	if (goes_first)
		mp_queue_push_front(&s->lun->dormant, s);
	else
		mp_queue_push(&s->lun->dormant, s);
	s->bus->n_dormant++;
	return false;
}

void mp_taskset_leave(struct mp_scsi_side *s)
{
	if (s->queue == &s->lun->dormant) {
		mp_queue_remove(s);
		s->bus->n_dormant--;
	}
	if (s->active)
		activate(s, -1);
}

struct mp_scsi_side *mp_taskset_next(struct mp_scsi_lun *lun)
{
	struct mp_scsi_side *s = lun->dormant.head;

	if (!s || !may_run(s))
		return NULL;
	mp_queue_pop(&lun->dormant);
	s->bus->n_dormant--;
	activate(s, 1);
	return s;
}
