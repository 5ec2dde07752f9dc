/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The idle ladder. A turn with work starts it again from the bottom:
 *
 *	spin	the first idle turns: the peer is probably just about to post
 *	pause	until the budget is spent: leave the execution units to the
 *		hyperthread, and the memory bus to the peer
 *	block	the caller arms its bells, looks once more, sleeps
 *
 * busy stays on pause, sleep goes straight to block. The budget counts from
 * the first idle turn, in TSC ticks, so that a ladder costs no clock_gettime().
 */
#include "doorbell/idle.h"

#include <errno.h>
#include <string.h>

#include "base/clock.h"
#include "base/err.h"

/* Idle turns before the first pause instruction, which takes 40 to 140 cycles. */
#define SPIN_TURNS 8

static uint64_t ns_to_tsc(uint64_t ns, uint64_t tsc_hz)
{
	uint64_t s = ns / MP_NS_PER_SEC;

	if (tsc_hz != 0 && s >= UINT64_MAX / tsc_hz)
		return UINT64_MAX;
	return s * tsc_hz + ns % MP_NS_PER_SEC * tsc_hz / MP_NS_PER_SEC;
}

void mp_idle_init(struct mp_idle *i, enum mp_idle_mode mode, uint64_t spin_ns, uint64_t tsc_hz)
{
	*i = (struct mp_idle){.mode = mode, .spin_tsc = ns_to_tsc(spin_ns, tsc_hz)};
}

static bool budget_spent(struct mp_idle *i)
{
	uint64_t now_tsc = mp_clock_tsc();

	/* 0 means "not idle yet"; a tick more or less doesn't matter. */
	if (i->idle_since_tsc == 0)
		i->idle_since_tsc = now_tsc | 1;
	/* The | 1 and another core's TSC can be ahead of now: not spent. */
	return now_tsc >= i->idle_since_tsc ? now_tsc - i->idle_since_tsc >= i->spin_tsc
					    : i->spin_tsc == 0;
}

enum mp_idle_step mp_idle_turn(struct mp_idle *i, unsigned int work)
{
	if (mp_likely(work > 0)) {
		mp_idle_woke(i);
		return MP_IDLE_SPIN;
	}
	if (i->mode == MP_IDLE_SLEEP)
		return MP_IDLE_BLOCK;
	if (i->mode == MP_IDLE_ADAPTIVE && budget_spent(i))
		return MP_IDLE_BLOCK;
	if (i->n_idle_turns >= SPIN_TURNS)
		return MP_IDLE_PAUSE;
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
