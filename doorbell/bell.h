/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * bell - wakes a side that sleeps, and costs nothing while it doesn't.
 *
 * The sleeper owns an armed word in memory that the ringer can only read, and
 * an eventfd. The word counts: odd means armed, even means awake. A ringer
 * posts its message, fences (B1), looks at the word, and writes the eventfd
 * only if it is odd and it hasn't rung for this very value yet. A sleeper
 * stores the next odd value, fences (B2), looks for messages once more, and
 * only then blocks. Without either fence both can miss each other and the
 * sleeper sleeps for ever: tests/model/bell.pml shows it.
 *
 * | label | where             | kind          | pairs with | orders                        |
 * |-------|-------------------|---------------|------------|-------------------------------|
 * | B1    | mp_bell_kick()    | seq_cst fence | B2         | message published, then armed read |
 * | B2    | mp_bell_arm()     | seq_cst fence | B1         | armed published, then the last look |
 *
 * Both fences live in this folder and nowhere else. The bell doesn't know what
 * a message is; it blocks nowhere itself: the sleeper waits on the eventfd by
 * poll(), epoll or io_uring, as it likes.
 */
#ifndef MP_DOORBELL_BELL_H
#define MP_DOORBELL_BELL_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"

/* The ringer's half. */
struct mp_bell_ringer {
	const _Atomic uint32_t *armed; /* in the sleeper's memory */
	int fd; /* the sleeper's eventfd; borrowed */
	uint32_t rung; /* value of *armed that was rung for */
	uint64_t n_rings; /* eventfd writes so far */
};

/* The sleeper's half. */
struct mp_bell_sleeper {
	_Atomic uint32_t *armed; /* in our own memory */
	uint32_t count; /* last value stored */
};

/** mp_bell_fd_create() - a non-blocking, close-on-exec eventfd, or negative errno */
int mp_bell_fd_create(void);

/** mp_bell_ringer_init() - @armed is the sleeper's word, mapped read-only; @fd its eventfd, borrowed */
void mp_bell_ringer_init(struct mp_bell_ringer *b, const _Atomic uint32_t *armed, int fd);
/** mp_bell_sleeper_init() - @armed is our own word; it becomes 0, awake */
void mp_bell_sleeper_init(struct mp_bell_sleeper *b, _Atomic uint32_t *armed);

/** mp_bell_ring_now() - slow path of kick: write the eventfd; retries on EINTR, a full counter is rung */
void mp_bell_ring_now(struct mp_bell_ringer *b, uint32_t armed);

/*
 * mp_bell_full_fence() - what B1 and B2 are made of; internal
 *
 * ThreadSanitizer doesn't know stand-alone fences (gcc refuses them): its
 * build makes them a read-modify-write of a private word, which every machine
 * that it runs on executes as a full barrier.
 */
#if defined(__has_feature)
#if __has_feature(thread_sanitizer)
#define MP_BELL_TSAN 1
#endif
#elif defined(__SANITIZE_THREAD__)
#define MP_BELL_TSAN 1
#endif

static inline void mp_bell_full_fence(void)
{
#ifdef MP_BELL_TSAN
	_Atomic uint32_t word = 0;

	atomic_fetch_add_explicit(&word, 1, memory_order_seq_cst);
#else
	atomic_thread_fence(memory_order_seq_cst);
#endif
}

/** mp_bell_fence_b1() - B1, the ringer's fence */
static inline void mp_bell_fence_b1(void)
{
	/* B1: full fence, pairs with B2 in mp_bell_arm(): our message is visible
	 * before we look whether the peer sleeps. */
	mp_bell_full_fence();
}

/**
 * mp_bell_kick() - after a message was published: wake the peer if it sleeps
 *
 * Return:  true when the eventfd was written.
 * Context: the ringer's thread; one fence and one load while the peer is awake,
 *          one eventfd write for each time that it fell asleep.
 * Order:   B1.
 */
static inline bool mp_bell_kick(struct mp_bell_ringer *b)
{
	uint32_t raw_armed;

	mp_bell_fence_b1();
	/* relaxed: B1 above orders it; the value steers nothing but a wake-up. */
	raw_armed = atomic_load_explicit(b->armed, memory_order_relaxed);
	if (mp_likely(!(raw_armed & 1) || raw_armed == b->rung))
		return false;
	mp_bell_ring_now(b, raw_armed);
	return true;
}

/**
 * mp_bell_arm() - "I'm about to sleep": after it, look for messages once more, then block
 *
 * Context: the sleeper's thread. Order: B2.
 */
void mp_bell_arm(struct mp_bell_sleeper *b);

/** mp_bell_disarm() - "I'm awake"; takes an unarmed bell too */
void mp_bell_disarm(struct mp_bell_sleeper *b);

/**
 * mp_bell_drain() - take the eventfd's count; returns whether there was one
 *
 * Before mp_bell_arm() or after the sleep, never between arming and blocking: a ring
 * for this sleep would be taken away, and won't be repeated.
 */
bool mp_bell_drain(int fd);

#endif
