/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * t.h - TAP for tests: a list of functions whose names are claims.
 *
 *	static void test_reserve_when_full_returns_zero(void) { ... T_EQ(r, 0); }
 *	T_MAIN(T_TEST(test_reserve_when_full_returns_zero), ...)
 *
 * A failed check prints both values and ends its test, not the program. Exit
 * status 1 when a test failed, 77 when all were skipped. t_skip() says why.
 */
#ifndef MP_TESTS_LIB_T_H
#define MP_TESTS_LIB_T_H

#include <setjmp.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

struct t_test {
	const char *name;
	void (*fn)(void);
};

/* The harness's own state: one test program, one thread that checks. */
extern jmp_buf t_jump;

int t_run(const struct t_test *tests, size_t n, int argc, char **argv);
void t_fail(const char *file, int line, const char *fmt, ...)
	__attribute__((noreturn, format(printf, 3, 4)));
void t_skip(const char *fmt, ...) __attribute__((noreturn, format(printf, 1, 2)));
void t_diag(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

#define T_TEST(f)                                                                                  \
	{                                                                                          \
#f, f                                                                              \
	}
#define T_MAIN(...)                                                                                \
	int main(int argc, char **argv)                                                            \
	{                                                                                          \
		static const struct t_test tests[] = {__VA_ARGS__};                                \
                                                                                                   \
		return t_run(tests, sizeof(tests) / sizeof(tests[0]), argc, argv);                 \
	}

#define T_OK(cond)                                                                                 \
	do {                                                                                       \
		if (!(cond))                                                                       \
			t_fail(__FILE__, __LINE__, "%s does not hold", #cond);                     \
	} while (0)

/* Integers, compared as 64 bits; both are printed in decimal and hex. */
#define T_EQ(a, b)                                                                                 \
	do {                                                                                       \
		long long t_a = (long long)(a), t_b = (long long)(b);                              \
                                                                                                   \
		if (t_a != t_b)                                                                    \
			t_fail(__FILE__, __LINE__,                                                 \
			       "%s is %lld (0x%llx), expected %s = %lld (0x%llx)", #a, t_a, t_a,   \
			       #b, t_b, t_b);                                                      \
	} while (0)

#define T_STR_EQ(a, b)                                                                             \
	do {                                                                                       \
		const char *t_a = (a), *t_b = (b);                                                 \
                                                                                                   \
		if (strcmp(t_a, t_b) != 0)                                                         \
			t_fail(__FILE__, __LINE__, "%s is \"%s\", expected \"%s\"", #a, t_a, t_b); \
	} while (0)

#define T_MEM_EQ(a, b, len)                                                                        \
	do {                                                                                       \
		if (memcmp((a), (b), (len)) != 0)                                                  \
			t_fail(__FILE__, __LINE__, "%s and %s differ within %zu bytes", #a, #b,    \
			       (size_t)(len));                                                     \
	} while (0)

/* splitmix64: the generator of property tests; same seed, same walk. */
static inline uint64_t t_rand(uint64_t *seed)
{
	uint64_t z = (*seed += 0x9e3779b97f4a7c15ull);

	z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9ull;
	z = (z ^ (z >> 27)) * 0x94d049bb133111ebull;
	return z ^ (z >> 31);
}

/** t_seed() - from --seed N, else from the clock; printed, so that a failure can be replayed */
uint64_t t_seed(int argc, char **argv);

#endif
