/* SPDX-License-Identifier: BSD-3-Clause */
/* program - what every benchmark program does before and after its benchmarks. */
#ifndef MP_BENCH_PROGRAM_H
#define MP_BENCH_PROGRAM_H

#include <stdbool.h>

#include "bench/pin.h"

struct program {
	const char *name;
	struct pin pin; /* the caller runs on the first CPU; the second is for a partner */
	bool smoke; /* few operations will do */
	bool failed; /* set by a benchmark that did not run, or whose results are wrong */
};

/**
 * program_begin() - take --smoke and google-benchmark's flags, pin the caller
 *
 * --smoke runs each benchmark once, for one batch: that is a number of
 * operations and no time, so that it ends on a busy machine too.
 * Return: 0; else an exit status, and the reason was printed.
 */
int program_begin(const char *name, int *argc, char **argv, struct program *ret_program);

/** program_end() - run what the flags select. Return: exit status */
int program_end(const struct program *p);

#endif
