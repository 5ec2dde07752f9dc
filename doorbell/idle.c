/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The idle ladder. A turn with work starts it again from the bottom:
 *
 *	spin	the first idle turns: the peer is probably just about to post
 *	pause	for some microseconds: leave the execution units to the
 *		hyperthread, and the memory bus to the peer
 *	yield	until the budget is spent: the core may be wanted by another
 *		worker or by a thread of QEMU, which would otherwise wait until
 *		the scheduler takes it from us, a millisecond later
 *	block	the caller arms its bells, looks once more, sleeps
 *
 * Who waits for a process on its own core has nothing to spin for: it yields at once.
 *
 * busy stays on pause, never yields, sleep goes straight to block. The budget counts from
 * the first idle turn, in TSC ticks, so that a ladder costs no clock_gettime().
 */
#include "doorbell/idle.h"

#include <errno.h>
#include <string.h>

#include "base/clock.h"
#include "base/err.h"

/* Idle turns before the first pause instruction, which takes 40 to 140 cycles. */
#define SPIN_TURNS 8

/* Longer than a busy peer's gap between two messages, shorter than anybody notices. */
#define YIELD_AFTER_NS 5000

static uint64_t ns_to_tsc(uint64_t ns, uint64_t tsc_hz)
{
	uint64_t s = ns / MP_NS_PER_SEC;

	if (tsc_hz != 0 && s >= UINT64_MAX / tsc_hz)
		return UINT64_MAX;
	return s * tsc_hz + ns % MP_NS_PER_SEC * tsc_hz / MP_NS_PER_SEC;
}

void mp_idle_init(struct mp_idle *i, enum mp_idle_mode mode, uint64_t spin_ns, uint64_t tsc_hz)
{
	*i = (struct mp_idle){.mode = mode,
			      .spin_tsc = ns_to_tsc(spin_ns, tsc_hz),
			      .yield_tsc = ns_to_tsc(YIELD_AFTER_NS, tsc_hz)};
}

/* Ticks since the first idle turn. */
static uint64_t idle_tsc(struct mp_idle *i)
{
	uint64_t now_tsc = mp_clock_tsc();

	/* 0 means "not idle yet"; a tick more or less doesn't matter. */
	if (i->idle_since_tsc == 0)
		i->idle_since_tsc = now_tsc | 1;
	/* The | 1 and another core's TSC can be ahead of now. */
	return now_tsc >= i->idle_since_tsc ? now_tsc - i->idle_since_tsc : 0;
}

static enum mp_idle_step adaptive_step(struct mp_idle *i)
{
	uint64_t ticks = idle_tsc(i);

	if (ticks >= i->spin_tsc)
		return MP_IDLE_BLOCK;
	return ticks >= i->yield_tsc || i->hands_over ? MP_IDLE_YIELD : MP_IDLE_PAUSE;
}

enum mp_idle_step mp_idle_turn(struct mp_idle *i, unsigned int work)
{
	enum mp_idle_step step;

	if (mp_likely(work > 0)) {
		mp_idle_woke(i);
		return MP_IDLE_SPIN;
	}
	if (i->mode == MP_IDLE_SLEEP)
		return MP_IDLE_BLOCK;
	step = i->mode == MP_IDLE_ADAPTIVE ? adaptive_step(i) : MP_IDLE_PAUSE;
	if (step != MP_IDLE_PAUSE || i->n_idle_turns >= SPIN_TURNS)
		return step;
	i->n_idle_turns++;
	return MP_IDLE_SPIN;
}

void mp_idle_woke(struct mp_idle *i)
{
	i->idle_since_tsc = 0;
	i->n_idle_turns = 0;
}

int mp_idle_mode_parse(const char *text, enum mp_idle_mode *ret_mode)
{
	static const char *const name[] = {
		[MP_IDLE_BUSY] = "busy",
		[MP_IDLE_ADAPTIVE] = "adaptive",
		[MP_IDLE_SLEEP] = "sleep",
	};

	for (size_t m = 0; m < sizeof(name) / sizeof(name[0]); m++) {
		if (strcmp(text, name[m]) == 0) {
			*ret_mode = (enum mp_idle_mode)m;
			return 0;
		}
	}
	return mp_err_origin(-EINVAL);
}
