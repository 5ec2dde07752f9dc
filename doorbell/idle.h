/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * idle - how a poll loop behaves when a turn did nothing: spin, pause, yield, sleep.
 *
 * It only counts and tells; the caller sleeps. Modes:
 *	busy		never sleeps (pause instruction only)
 *	adaptive	spins for spin_ns after the last work, then sleeps
 *	sleep		sleeps at the first turn without work
 */
#ifndef MP_DOORBELL_IDLE_H
#define MP_DOORBELL_IDLE_H

#include <stdbool.h>
#include <stdint.h>

enum mp_idle_mode { MP_IDLE_BUSY, MP_IDLE_ADAPTIVE, MP_IDLE_SLEEP };
enum mp_idle_step { MP_IDLE_SPIN, MP_IDLE_PAUSE, MP_IDLE_YIELD, MP_IDLE_BLOCK };

struct mp_idle {
	enum mp_idle_mode mode;
	uint64_t spin_tsc; /* budget after the last work */
	uint64_t yield_tsc; /* of it: before the first yield */
	uint64_t idle_since_tsc; /* 0: the last turn had work */
	bool hands_over; /* somebody on this very core is to do what we wait for */
	unsigned int n_idle_turns;
};

/** mp_idle_init() - @spin_ns: budget of adaptive mode in nanoseconds; @tsc_hz: mp_clock_tsc_hz() */
void mp_idle_init(struct mp_idle *i, enum mp_idle_mode mode, uint64_t spin_ns, uint64_t tsc_hz);

/**
 * mp_idle_turn() - tell it what a turn did, learn what to do next
 * @work:  what the turn returned; 0 is idle
 *
 * Return: SPIN look again at once; PAUSE the same after mp_pause(); YIELD the same
 * after sched_yield(), so that whoever else wants the core gets it; BLOCK arm the
 * bells, look once more, sleep. After a sleep call mp_idle_woke(). In adaptive
 * mode, while i->hands_over, the first idle turn yields already.
 */
enum mp_idle_step mp_idle_turn(struct mp_idle *i, unsigned int work);
/** mp_idle_woke() - a sleep is over: the budget starts anew */
void mp_idle_woke(struct mp_idle *i);

/** mp_idle_mode_parse() - "busy", "adaptive", "sleep"; -EINVAL for others */
int mp_idle_mode_parse(const char *text, enum mp_idle_mode *ret_mode);

/** mp_pause() - tell the core that we spin; pause_x86.c or pause_generic.c */
void mp_pause(void);

#endif
