/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * err - negative errno, raised once and passed up unchanged.
 *
 * mp_err_origin() marks the place where an error is born, mp_err_trace() a
 * place that hands it on. Both return their argument; the first time a
 * failure passes, and only with MPRING_ERR_TRACE=1 in the environment, they
 * print file, line and function to stderr, which gives a stack of an errno
 * without a debugger. On success they cost one comparison.
 *
 * mp_assert() is for our own bugs only. It stays on in release builds; never
 * use it on a value that came from guest or peer.
 */
#ifndef MP_BASE_ERR_H
#define MP_BASE_ERR_H

#define mp_unlikely(x) __builtin_expect(!!(x), 0)
#define mp_likely(x)   __builtin_expect(!!(x), 1)

/** mp_err_note() - print one step of an error's way; used by the macros below */
void mp_err_note(const char *how, int r, const char *file, int line, const char *func);

#define mp_err_origin(r) mp_err_pass("raised", (r), __FILE__, __LINE__, __func__)
#define mp_err_trace(r)  mp_err_pass("passed", (r), __FILE__, __LINE__, __func__)

static inline int mp_err_pass(const char *how, int r, const char *file, int line, const char *func)
{
	if (mp_unlikely(r < 0))
		mp_err_note(how, r, file, line, func);
	return r;
}

/** mp_assert_fail() - say which of our own assumptions broke, then abort() */
void mp_assert_fail(const char *expr, const char *file, int line, const char *func)
	__attribute__((noreturn, cold));

#define mp_assert(expr)                                                                            \
	do {                                                                                       \
		if (mp_unlikely(!(expr)))                                                          \
			mp_assert_fail(#expr, __FILE__, __LINE__, __func__);                       \
	} while (0)

#endif
