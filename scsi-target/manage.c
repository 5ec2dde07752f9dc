/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * How tasks end before their time: abort, clear, reset, and errors that
 * condemn others (SAM-5 5.6).
 *
 * There are two ways. What the adapter asks for itself it has forgotten
 * already: the task is gone at once. If its block request is in flight, slot
 * and buffer stay ours (ABORTING) until that has ended.
 *
 * What others cause, the adapter doesn't know yet. Such a task is doomed: if it
 * waits it ends at once; if its block request is in flight or its data moves
 * it ends when that is over, and does nothing more. Whose doing it is hears
 * nothing of its own tasks; the others get TASK ABORTED or, without TAS in the
 * control mode page, silence and a unit attention.
 *
 * While many tasks end nothing may start, or what one gives back would go to
 * one that ends next: the pump is held, and runs once at the end. And who
 * causes the end of others has ended itself by then, so that no upcall can
 * find a task half-way; "older than" tells the condemned from what came since.
 */
#include "base/err.h"
#include "scsi-target/bus.h"

#define ALL_INITIATORS ((uint16_t)((1u << MP_INITIATORS) - 1))

static uint16_t bit_of(unsigned int initiator)
{
	return (uint16_t)(initiator < MP_INITIATORS ? 1u << initiator : 0);
}

static bool hold_pump(struct mp_scsi_bus *bus)
{
	bool was_held = bus->pumping;

	bus->pumping = true;
	return was_held;
}

static void let_pump(struct mp_scsi_bus *bus, bool was_held)
{
	bus->pumping = was_held;
	mp_bus_pump(bus);
}

/* --- at once --- */

void mp_bus_let_go(struct mp_scsi_side *s)
{
	mp_task_drop_buffer(s);
	mp_taskset_leave(s);
	mp_taskset_drop_tag(s);
	s->t->state = MP_SCSI_FREE;
	mp_range_drop(s);
}

static void forget(struct mp_scsi_side *s)
{
	mp_bus_let_go(s);
	mp_bus_pump(s->bus);
}

static void leave_queue(struct mp_scsi_side *s)
{
	mp_range_forget(s);
	if (s->queue == &s->lun->failed)
		s->bus->n_failed--;
	if (s->queue && !s->dormant)
		mp_queue_remove(s);
}

void mp_scsi_abort_task(struct mp_scsi_bus *bus, unsigned int task)
{
	struct mp_scsi_side *s;

	mp_assert(task < bus->n_tasks);
	s = &bus->sides[task];
	switch (s->t->state) {
	case MP_SCSI_FREE:
	case MP_SCSI_ABORTING:
		return;
	case MP_SCSI_MEDIUM:
		/* The buffer stays: the kernel may still write to it. */
		mp_taskset_leave(s);
		mp_taskset_drop_tag(s);
		s->t->state = MP_SCSI_ABORTING;
		if (!s->doom) {
			s->lun->n_aborting++;
			mp_blk_cancel(&s->req);
		}
		s->doom = MP_DOOM_FORGET;
		return;
	case MP_SCSI_STATUS:
		if (s->t->status == MP_SCSI_CHECK_CONDITION)
			mp_lun_told_failure(s->lun, s->t->initiator, false);
		forget(s);
		return;
	default:
		leave_queue(s);
		forget(s);
	}
}

struct scope {
	enum mp_scsi_reset kind;
	unsigned int target, lun;
};

static bool in_scope(const struct scope *sc, unsigned int target, unsigned int lun)
{
	switch (sc->kind) {
	case MP_SCSI_RESET_LUN:
		return target == sc->target && lun == sc->lun;
	case MP_SCSI_RESET_TARGET:
		return target == sc->target;
	default:
		return true;
	}
}

static void forget_scope(struct mp_scsi_bus *bus, const struct scope *sc, uint16_t initiators)
{
	bool was_held = hold_pump(bus);

	for (unsigned int i = 0; i < bus->n_tasks; i++) {
		const struct mp_scsi_task *t = &bus->tasks[i];

		if (in_scope(sc, t->target, t->lun) && (initiators >> t->initiator & 1))
			mp_scsi_abort_task(bus, i);
	}
	let_pump(bus, was_held);
}

static enum mp_scsi_ua ua_of(enum mp_scsi_reset kind)
{
	switch (kind) {
	case MP_SCSI_RESET_LUN:
		return MP_UA_LUN_RESET;
	case MP_SCSI_RESET_TARGET:
		return MP_UA_TARGET_RESET;
	case MP_SCSI_RESET_BUS:
		return MP_UA_BUS_RESET;
	default:
		return MP_UA_POWER_ON;
	}
}

static void reset_units(struct mp_scsi_bus *bus, const struct scope *sc)
{
	for (struct mp_scsi_lun *l = bus->luns; l; l = l->next) {
		if (!in_scope(sc, l->target, l->lun))
			continue;
		mp_lun_reset(l);
		if (sc->kind == MP_SCSI_RESET_POWER) {
			mp_reserve_power_on(l);
			mp_job_stop(l);
		}
		mp_lun_attention(l, ua_of(sc->kind), MP_NOBODY);
	}
}

void mp_scsi_reset(struct mp_scsi_bus *bus, enum mp_scsi_reset kind, unsigned int target,
		   unsigned int lun)
{
	struct scope sc = {.kind = kind, .target = target, .lun = lun};

	forget_scope(bus, &sc, ALL_INITIATORS);
	reset_units(bus, &sc);
}

void mp_scsi_cancel_all(struct mp_scsi_bus *bus)
{
	forget_scope(bus, &(struct scope){.kind = MP_SCSI_RESET_BUS}, ALL_INITIATORS);
}

/* --- as soon as it can --- */

struct condemned {
	struct mp_scsi_lun *lun;
	uint8_t target, lun_number;
	uint16_t initiators; /* whose tasks, bits */
	unsigned int by; /* whose doing it is */
	uint64_t before; /* only older ones */
	const struct mp_scsi_side *cause; /* not itself */
};

static bool can_be_doomed(const struct mp_scsi_side *s)
{
	return s->t->state != MP_SCSI_FREE && s->t->state != MP_SCSI_ABORTING &&
	       s->t->state != MP_SCSI_STATUS && !s->doom;
}

static bool is_condemned(const struct mp_scsi_side *s, const struct condemned *c)
{
	const struct mp_scsi_task *t = s->t;

	if (!can_be_doomed(s) || s == c->cause)
		return false;
	return t->target == c->target && t->lun == c->lun_number &&
	       (c->initiators >> t->initiator & 1) && t->order < c->before;
}

static void doom(struct mp_scsi_side *s, enum mp_scsi_doom how)
{
	s->doom = (uint8_t)how;
	/* Who expects its end may use the tag again, for REQUEST SENSE for one. */
	if (how == MP_DOOM_SILENT)
		mp_taskset_drop_tag(s);
	if (s->t->state == MP_SCSI_MEDIUM) {
		s->lun->n_aborting++;
		mp_blk_cancel(&s->req);
	} else if (s->t->state == MP_SCSI_WAITING) {
		leave_queue(s);
		mp_task_perish(s);
	}
}

void mp_manage_evict(struct mp_scsi_bus *bus, struct mp_scsi_lun *lun)
{
	bool was_held = hold_pump(bus);

	for (unsigned int i = 0; i < bus->n_tasks; i++) {
		struct mp_scsi_side *s = &bus->sides[i];

		if (s->lun == lun && can_be_doomed(s))
			doom(s, MP_DOOM_TELL);
	}
	let_pump(bus, was_held);
}

static void doom_all(struct mp_scsi_bus *bus, const struct condemned *c)
{
	bool tell = c->lun->control.tas;

	for (unsigned int i = 0; i < bus->n_tasks; i++) {
		struct mp_scsi_side *s = &bus->sides[i];
		bool own = s->t->initiator == c->by;

		if (!is_condemned(s, c))
			continue;
		if (!own && !tell)
			mp_lun_attention_of(c->lun, MP_UA_COMMANDS_CLEARED, s->t->initiator);
		doom(s, !own && tell ? MP_DOOM_TELL : MP_DOOM_SILENT);
	}
}

uint16_t mp_manage_sharers(const struct mp_scsi_lun *lun, unsigned int initiator)
{
	return lun->control.tst ? bit_of(initiator) : ALL_INITIATORS;
}

static void end(struct mp_scsi_side *s, const struct mp_scsi_sense *sense)
{
	if (sense)
		mp_task_refuse(s, sense);
	else
		mp_task_good(s);
}

void mp_manage_end(struct mp_scsi_side *s, const struct mp_scsi_sense *sense, uint16_t initiators)
{
	struct mp_scsi_bus *bus = s->bus;
	struct condemned c = {.lun = s->lun,
			      .target = s->t->target,
			      .lun_number = s->t->lun,
			      .initiators = initiators,
			      .by = s->t->initiator,
			      .before = bus->order,
			      .cause = s};
	bool was_held;

	if (mp_likely(!initiators)) {
		end(s, sense);
		return;
	}
	was_held = hold_pump(bus);
	end(s, sense);
	doom_all(bus, &c);
	let_pump(bus, was_held);
}

static void end_others(struct mp_scsi_bus *bus, const struct scope *sc, uint16_t initiators,
		       unsigned int by)
{
	struct mp_scsi_lun *lun = mp_bus_lun(bus, sc->target, sc->lun);
	struct condemned c = {.lun = lun,
			      .target = (uint8_t)sc->target,
			      .lun_number = (uint8_t)sc->lun,
			      .initiators = initiators,
			      .by = by,
			      .before = bus->order};
	bool was_held = hold_pump(bus);

	doom_all(bus, &c);
	let_pump(bus, was_held);
}

void mp_scsi_manage(struct mp_scsi_bus *bus, enum mp_scsi_tm tm, unsigned int initiator,
		    unsigned int target, unsigned int lun)
{
	struct scope sc = {.kind = MP_SCSI_RESET_LUN, .target = target, .lun = lun};

	forget_scope(bus, &sc, initiator == MP_SCSI_EVERYBODY ? ALL_INITIATORS : bit_of(initiator));
	if (tm == MP_SCSI_TM_CLEAR_TASK_SET)
		end_others(bus, &sc, mp_manage_sharers(mp_bus_lun(bus, target, lun), initiator),
			   initiator);
	if (tm == MP_SCSI_TM_LUN_RESET) {
		end_others(bus, &sc, ALL_INITIATORS, initiator);
		reset_units(bus, &sc);
	}
}
