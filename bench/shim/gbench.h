/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * gbench - google-benchmark for C: a name and a callback.
 *
 * It takes all of google-benchmark's flags and writes its formats. It knows
 * nothing of what is measured. Times are real (wall clock) time.
 */
#ifndef MP_BENCH_SHIM_GBENCH_H
#define MP_BENCH_SHIM_GBENCH_H

#include <stdbool.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/* One run of one benchmark; lives as long as the callback. */
struct gb_state;

/** The callback sets up, loops while gb_keep_running(), checks, tears down; only the loop is timed. */
typedef void gb_fn(struct gb_state *s, void *opaque);

/** gb_init() - take google-benchmark's flags out of argv; false when one is left over (it is named) */
bool gb_init(int *argc, char **argv);

/** gb_context() - a line of the report's head: on what it was measured */
void gb_context(const char *key, const char *value);

/** gb_register() - @fn and @opaque stay in use until gb_run() returns; @name is copied */
void gb_register(const char *name, gb_fn *fn, void *opaque);

/** gb_run() - run what the flags select; returns how many benchmarks that was */
unsigned int gb_run(void);

/** gb_keep_running() - true: now do @n_ops operations; the time shown is that of one */
bool gb_keep_running(struct gb_state *s, uint32_t n_ops);

/** gb_counter() - a number of ours beside the time */
void gb_counter(struct gb_state *s, const char *name, double value);

/** gb_label() - a word beside the time; copied */
void gb_label(struct gb_state *s, const char *text);

/** gb_fail() - the results are wrong: no time is shown; before or after the loop, then return */
void gb_fail(struct gb_state *s, const char *why);

#ifdef __cplusplus
}
#endif

#endif
