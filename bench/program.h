/* SPDX-License-Identifier: BSD-3-Clause */
/* program - what every benchmark program does before its first benchmark. */
#ifndef MP_BENCH_PROGRAM_H
#define MP_BENCH_PROGRAM_H

#include <stdbool.h>

#include "bench/pin.h"

/**
 * program_begin() - take --smoke and google-benchmark's flags, pin the caller
 *
 * --smoke runs each benchmark for an instant. @ret_pin: the caller runs on its
 * first CPU; the second is for a partner. Return: 0; else an exit status, and
 * the reason was printed.
 */
int program_begin(const char *name, int *argc, char **argv, struct pin *ret_pin);

/** program_end() - run what the flags select; @failed: a check did. Return: exit status */
int program_end(const char *name, const bool *failed);

#endif
