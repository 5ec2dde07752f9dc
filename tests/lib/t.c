/* SPDX-License-Identifier: BSD-3-Clause */
#include "tests/lib/t.h"

#include <stdarg.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/clock.h"

/* A test that hangs is killed by SIGALRM. */
#define DEADLINE_S 120

jmp_buf t_jump;

enum { T_PASSED, T_FAILED, T_SKIPPED };

void t_diag(const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	printf("# ");
	vprintf(fmt, ap);
	printf("\n");
	va_end(ap);
}

void t_fail(const char *file, int line, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	printf("# %s:%d: ", file, line);
	vprintf(fmt, ap);
	printf("\n");
	va_end(ap);
	longjmp(t_jump, T_FAILED);
}

void t_skip(const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	printf("# skipped: ");
	vprintf(fmt, ap);
	printf("\n");
	va_end(ap);
	longjmp(t_jump, T_SKIPPED);
}

uint64_t t_seed(int argc, char **argv)
{
	uint64_t seed = mp_clock_ns();

	for (int i = 1; i + 1 < argc; i++)
		if (strcmp(argv[i], "--seed") == 0)
			seed = strtoull(argv[i + 1], NULL, 0);
	t_diag("seed %llu (replay with --seed)", (unsigned long long)seed);
	return seed;
}

static int run_one(const struct t_test *test)
{
	int r;

	alarm(DEADLINE_S);
	r = setjmp(t_jump);
	if (r == T_PASSED)
		test->fn();
	return r;
}

int t_run(const struct t_test *tests, size_t n, int argc, char **argv)
{
	size_t n_failed = 0, n_skipped = 0;
	int r;

	(void)argc;
	(void)argv;
	setvbuf(stdout, NULL, _IOLBF, 0);
	/* No version line: it would have to come before the seed's diagnostic. */
	printf("1..%zu\n", n);
	for (size_t i = 0; i < n; i++) {
		r = run_one(&tests[i]);
		printf("%s %zu - %s%s\n", r == T_FAILED ? "not ok" : "ok", i + 1, tests[i].name,
		       r == T_SKIPPED ? " # SKIP" : "");
		n_failed += r == T_FAILED;
		n_skipped += r == T_SKIPPED;
	}
	return n_failed ? 1 : n_skipped == n ? 77 : 0;
}
