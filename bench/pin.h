/* SPDX-License-Identifier: BSD-3-Clause */
/* pin - two cores that share as much cache as they can, and are two. */
#ifndef MP_BENCH_PIN_H
#define MP_BENCH_PIN_H

#include <stdbool.h>

struct pin {
	int cpu[2]; /* client's, server's: the kernel's numbers; equal with one CPU */
	char text[96]; /* what they share, for the report */
};

/** pin_choose() - among the CPUs that we may use; negative errno */
int pin_choose(struct pin *ret_pin);

/** pin_self() - the calling thread runs on @cpu from here; negative errno */
int pin_self(int cpu);

#endif
