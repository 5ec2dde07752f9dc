/* SPDX-License-Identifier: BSD-3-Clause */
/* counted - functions whose instructions insn-gate.sh counts: found by name, so nobody's inlines. */
#ifndef MP_BENCH_COUNTED_H
#define MP_BENCH_COUNTED_H

#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#if defined(__clang__)
#define COUNTED __attribute__((noinline))
#else
#define COUNTED __attribute__((noinline, noclone))
#endif

/* --compiler: who compiled it, as counts differ by compiler; --operations: what to count. */
static inline bool counted_asked(int argc, char **argv, const char *operations)
{
	if (argc == 2 && strcmp(argv[1], "--compiler") == 0)
#if defined(__clang__)
		printf("clang-%d\n", __clang_major__);
#else
		printf("gcc-%d\n", __GNUC__);
#endif
	else if (argc == 2 && strcmp(argv[1], "--operations") == 0)
		puts(operations);
	else
		return false;
	return true;
}

#endif
