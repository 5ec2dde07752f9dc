/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * timer - the general purpose timer, the handshake timer, and the bound on a
 * lazy disconnection (bus.c). The chip has no clock: a timer is armed by a
 * register write or a wait, gets its deadline at the next mp_lsi_tick(), and
 * goes off at a later one. While one is armed without a deadline,
 * mp_lsi_deadline_ns() says "now".
 *
 * GEN: period by the code in STIME1. One driver measures its SCSI clock with
 * it, with SCNTL3's divisor at 4, where the silicon is slower than its table:
 * 1.74 times, which makes that driver find the 40 MHz of a real board.
 * HTH: connected and no byte moved for the period.
 * STEST3.TTM shortens both to next to nothing, bus or no bus.
 */
#include "lsi-core/state.h"

#define LAZY_NS (200u * 1000u)
#define TEST_NS 1000u

static uint64_t period_ns(const struct mp_lsi_state *st, unsigned int code, bool scale)
{
	uint64_t ns = code ? 125000ull << (code - 1) : 0;

	if (scale)
		ns *= 16;
	if ((st->reg[MP_LSI_R_SCNTL3] & 7) == 4)
		ns = ns * 174 / 100;
	return ns;
}

static uint64_t timer_ns(const struct mp_lsi_state *st, enum mp_lsi_timer_id id)
{
	unsigned int stime0 = st->reg[MP_LSI_R_STIME0], stime1 = st->reg[MP_LSI_R_STIME1];

	if (id != MP_LSI_TIMER_LAZY && st->reg[MP_LSI_R_STEST3] & STEST3_TTM)
		return TEST_NS;
	if (id == MP_LSI_TIMER_GEN)
		return period_ns(st, stime1 & 0xf, stime1 & 0x20);
	if (id == MP_LSI_TIMER_HTH)
		return period_ns(st, stime0 >> 4, stime1 & 0x10);
	return LAZY_NS;
}

void mp_lsi_timer_arm(struct mp_lsi_state *st, enum mp_lsi_timer_id id, bool on)
{
	st->timer[id].state = on ? MP_LSI_TIMER_ARM : MP_LSI_TIMER_OFF;
}

static void go_off(struct mp_lsi *c, enum mp_lsi_timer_id id)
{
	struct mp_lsi_timer *t = &c->st->timer[id];

	if (id == MP_LSI_TIMER_LAZY) {
		t->state = MP_LSI_TIMER_UP;
		mp_lsi_wake(c);
		return;
	}
	/* One shot; HTH starts again with the next handshake. */
	t->state = MP_LSI_TIMER_OFF;
	if (id == MP_LSI_TIMER_GEN)
		mp_lsi_raise_scsi(c, 0, SIST1_GEN);
	else
		mp_lsi_raise_scsi(c, 0, SIST1_HTH);
}

/* HTH counts while connected, from the last handshake. */
static void watch_handshakes(struct mp_lsi_state *st)
{
	struct mp_lsi_timer *t = &st->timer[MP_LSI_TIMER_HTH];

	if (!(st->reg[MP_LSI_R_STIME0] >> 4) || st->n_shakes == st->n_shakes_seen)
		return;
	st->n_shakes_seen = st->n_shakes;
	t->state = MP_LSI_TIMER_ARM;
}

static bool counts(const struct mp_lsi_state *st, enum mp_lsi_timer_id id)
{
	return id != MP_LSI_TIMER_HTH || st->nexus.conn != MP_LSI_BUS_FREE ||
	       st->reg[MP_LSI_R_STEST3] & STEST3_TTM;
}

void mp_lsi_tick(struct mp_lsi *c, uint64_t now_ns)
{
	struct mp_lsi_state *st = c->st;
	uint32_t was = mp_lsi_enter(st);

	st->now_ns = now_ns;
	watch_handshakes(st);
	for (unsigned int id = 0; id < MP_LSI_N_TIMERS; id++) {
		struct mp_lsi_timer *t = &st->timer[id];

		if (!counts(st, id))
			continue;
		if (t->state == MP_LSI_TIMER_ARM) {
			t->deadline_ns = now_ns + timer_ns(st, id);
			t->state = MP_LSI_TIMER_ON;
		} else if (t->state == MP_LSI_TIMER_ON && now_ns >= t->deadline_ns) {
			go_off(c, id);
		}
	}
	mp_lsi_leave(st, was);
}

uint64_t mp_lsi_deadline_ns(const struct mp_lsi *c)
{
	const struct mp_lsi_state *st = c->st;
	uint64_t first = UINT64_MAX;

	for (unsigned int id = 0; id < MP_LSI_N_TIMERS; id++) {
		const struct mp_lsi_timer *t = &st->timer[id];
		uint64_t due = t->state == MP_LSI_TIMER_ARM  ? 0
			       : t->state == MP_LSI_TIMER_ON ? t->deadline_ns
							     : UINT64_MAX;

		if (counts(st, id) && due < first)
			first = due;
	}
	return first;
}
