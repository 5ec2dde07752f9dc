/* SPDX-License-Identifier: BSD-3-Clause */
#include "base/log.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>

/* The program's name is the one thing that is the same for every thread and
 * worker of a process: set once before any thread starts. */
static const char *program_name = "mpring";
static bool verbose_on;

void mp_log_init(const char *program, bool verbose)
{
	program_name = program;
	verbose_on = verbose;
}

/* One write() a line: lines of several processes on one stderr stay whole. Callers
 * name an error and then return it, so errno stays as it was. */
static void say(const char *level, const char *fmt, va_list ap)
{
	char text[1024], line[1200];
	int error = errno, n;

	vsnprintf(text, sizeof(text), fmt, ap);
	n = snprintf(line, sizeof(line), "%s: %s%s\n", program_name, level, text);
	fwrite(line, 1, (size_t)n, stderr);
	errno = error;
}

#define MP_LOG_FUNC(name, level)                                                                   \
	void name(const char *fmt, ...)                                                            \
	{                                                                                          \
		va_list ap;                                                                        \
                                                                                                   \
		va_start(ap, fmt);                                                                 \
		say(level, fmt, ap);                                                               \
		va_end(ap);                                                                        \
	}

MP_LOG_FUNC(mp_error, "error: ")
MP_LOG_FUNC(mp_warn, "warning: ")
MP_LOG_FUNC(mp_info, "")

void mp_debug(const char *fmt, ...)
{
	va_list ap;

	if (!verbose_on)
		return;
	va_start(ap, fmt);
	say("debug: ", fmt, ap);
	va_end(ap);
}
