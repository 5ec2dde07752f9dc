/* SPDX-License-Identifier: BSD-3-Clause */
/* clock - monotonic nanoseconds, and the TSC for short spins. */
#ifndef MP_BASE_CLOCK_H
#define MP_BASE_CLOCK_H

#include <stdint.h>
#include <time.h>

#define MP_NS_PER_SEC 1000000000ull

/** mp_clock_ns() - CLOCK_MONOTONIC in nanoseconds; vDSO, no system call */
static inline uint64_t mp_clock_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * MP_NS_PER_SEC + (uint64_t)ts.tv_nsec;
}

/** mp_clock_tsc() - a counter that only grows, cheaper than mp_clock_ns(); unit: see mp_clock_tsc_hz() */
static inline uint64_t mp_clock_tsc(void)
{
#if defined(__x86_64__) || defined(__i386__)
	return __builtin_ia32_rdtsc();
#else
	return mp_clock_ns();
#endif
}

/**
 * mp_clock_tsc_hz() - ticks of mp_clock_tsc() a second
 *
 * Measured against CLOCK_MONOTONIC for about a millisecond at each call: call
 * once at start and keep the result.
 */
uint64_t mp_clock_tsc_hz(void);

/** mp_clock_tsc_mult() - for mp_clock_tsc_to_ns(): nanoseconds a tick, times 2^32; @hz of mp_clock_tsc_hz() */
static inline uint64_t mp_clock_tsc_mult(uint64_t hz)
{
	return (MP_NS_PER_SEC << 32) / hz;
}

/** mp_clock_tsc_to_ns() - one multiplication; for any number of ticks that a machine lives to see */
static inline uint64_t mp_clock_tsc_to_ns(uint64_t ticks, uint64_t mult)
{
	return (uint64_t)((unsigned __int128)ticks * mult >> 32);
}

#endif
