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
 * The control mode page bends them (SPC-4 7.5.8). With TST = 1 each initiator has
 * a task set of its own, and only tasks of one set wait for each other. A task
 * stays in the set that it came into, also when TST changes meanwhile. With
 * QUEUE ALGORITHM MODIFIER = 0 a SIMPLE task that writes waits and is waited for
 * like an ORDERED one, so that the blocks end up as if all had run in order;
 * reads still run side by side.
 *
 * INQUIRY, REPORT LUNS and REQUEST SENSE pass by all that, as the standard
 * allows. And a task that holds the bus while it waits ("fast") goes first,
 * because the tasks in its way could need that very bus to end.
 *
 * A task that was aborted with its block request in flight may still write.
 * Until it has ended nothing new becomes active, in no set, so that a write
 * after the abort can't be overtaken by the one before it.
 */
#include "base/err.h"
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
	struct mp_scsi_taskset *set = s->set;

	set->n_active += (unsigned int)step;
	if (s->ordered)
		set->n_ordered += (unsigned int)step;
	if (s->t->attr == MP_SCSI_HEAD_OF_QUEUE)
		set->n_head += (unsigned int)step;
	s->active = step > 0;
}

static bool is_ordered(const struct mp_scsi_side *s)
{
	if (s->t->attr == MP_SCSI_ORDERED)
		return true;
	return mp_unlikely(s->lun->control.qam == 0) && s->op && (s->op->flags & MP_OP_WRITES);
}

static bool may_run(const struct mp_scsi_side *s)
{
	const struct mp_scsi_taskset *set = s->set;

	if (s->lun->n_aborting > 0)
		return false;
	if (s->t->fast || s->t->attr == MP_SCSI_HEAD_OF_QUEUE)
		return true;
	if (s->ordered)
		return set->n_active == 0;
	return set->n_ordered == 0 && set->n_head == 0;
}

static unsigned int set_index(const struct mp_scsi_side *s)
{
	return (unsigned int)(s->set - s->lun->sets);
}

static void fall_asleep(struct mp_scsi_side *s, bool goes_first)
{
	if (goes_first)
		mp_queue_push_front(&s->set->dormant, s);
	else
		mp_queue_push(&s->set->dormant, s);
	s->dormant = true;
	s->lun->waiting |= (uint16_t)(1u << set_index(s));
	s->bus->n_dormant++;
}

static void wake(struct mp_scsi_side *s)
{
	mp_queue_remove(s);
	s->dormant = false;
	if (!s->set->dormant.head)
		s->lun->waiting &= (uint16_t) ~(1u << set_index(s));
	s->bus->n_dormant--;
}

bool mp_taskset_enter(struct mp_scsi_side *s)
{
	bool goes_first = s->t->attr == MP_SCSI_HEAD_OF_QUEUE || s->t->fast;
	struct mp_scsi_lun *lun = s->lun;

	if (s->op && (s->op->flags & MP_OP_ALWAYS))
		return true;
	s->set = &lun->sets[lun->control.tst ? s->t->initiator : 0];
	s->ordered = is_ordered(s);
	if ((goes_first || !s->set->dormant.head) && may_run(s)) {
		activate(s, 1);
		return true;
	}
	fall_asleep(s, goes_first);
	return false;
}

void mp_taskset_leave(struct mp_scsi_side *s)
{
	if (s->dormant)
		wake(s);
	if (s->active)
		activate(s, -1);
}

void mp_taskset_hurry(struct mp_scsi_side *s)
{
	if (!s->dormant)
		return;
	wake(s);
	fall_asleep(s, true);
}

struct mp_scsi_side *mp_taskset_next(struct mp_scsi_lun *lun)
{
	for (uint32_t sets = lun->waiting; sets; sets &= sets - 1) {
		struct mp_scsi_side *s = lun->sets[__builtin_ctz(sets)].dormant.head;

		if (may_run(s)) {
			wake(s);
			activate(s, 1);
			return s;
		}
	}
	return NULL;
}
