/* SPDX-License-Identifier: BSD-3-Clause */
#include "base/err.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void mp_err_note(const char *how, int r, const char *file, int line, const char *func)
{
	const char *on = getenv("MPRING_ERR_TRACE");

	if (on && on[0] == '1')
		fprintf(stderr, "mpring: %s %s (%d) at %s:%d %s()\n", how, strerror(-r), r, file,
			line, func);
}

void mp_assert_fail(const char *expr, const char *file, int line, const char *func)
{
	fprintf(stderr, "mpring: bug: \"%s\" does not hold at %s:%d %s()\n", expr, file, line,
		func);
	abort();
}
