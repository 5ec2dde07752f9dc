/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * log - messages of programs (never of libraries) on stderr, one line each:
 * "PROGRAM: level: text". Safe from any thread; never called on a hot path.
 */
#ifndef MP_BASE_LOG_H
#define MP_BASE_LOG_H

#include <stdbool.h>

/** mp_log_init() - program name for the prefix (kept, not copied), and whether mp_debug() prints */
void mp_log_init(const char *program, bool verbose);

void mp_error(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
void mp_warn(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
void mp_info(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
void mp_debug(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

#endif
