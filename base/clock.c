/* SPDX-License-Identifier: BSD-3-Clause */
#include "base/clock.h"

#define MEASURE_NS 1000000ull

uint64_t mp_clock_tsc_hz(void)
{
	uint64_t start_ns = mp_clock_ns();
	uint64_t start_tsc = mp_clock_tsc();
	uint64_t now_ns, now_tsc;

	do {
		now_ns = mp_clock_ns();
		now_tsc = mp_clock_tsc();
	} while (now_ns - start_ns < MEASURE_NS);
	return (now_tsc - start_tsc) * MP_NS_PER_SEC / (now_ns - start_ns);
}
