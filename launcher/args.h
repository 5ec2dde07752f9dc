/* SPDX-License-Identifier: BSD-3-Clause */
/* args - a growing argv, and how a shell would spell it. */
#ifndef MP_LAUNCHER_ARGS_H
#define MP_LAUNCHER_ARGS_H

#include <stddef.h>
#include <stdio.h>

struct mp_args {
	char **v; /* NULL-terminated once something was added */
	size_t n;
};

#define MP_ARGS_NULL ((struct mp_args){.v = NULL, .n = 0})

/** mp_args_add() - append one word, printf-style; memory that runs out ends the program */
void mp_args_add(struct mp_args *a, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

/** mp_args_add2() - append an option word as it is and its value, printf-style */
void mp_args_add2(struct mp_args *a, const char *option, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));

void mp_args_fini(struct mp_args *a);

/** mp_args_print() - on one line, each word quoted so that a POSIX shell reads back the same argv */
void mp_args_print(const struct mp_args *a, FILE *out);

/** mp_args_escape() - @text with each comma doubled, as QEMU's option values want it; caller frees */
char *mp_args_escape(const char *text);

#endif
