/* SPDX-License-Identifier: BSD-3-Clause */
/* parse - a command line from one string, for the tests of options. */
#ifndef MP_TESTS_UNIT_REMOTE_WORKER_PARSE_H
#define MP_TESTS_UNIT_REMOTE_WORKER_PARSE_H

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "remote-worker/options/cmdline.h"
#include "tests/lib/t.h"

#define ADAPTER "3 -device lsi53c895a,id=lsi0 " /* and its socket */

static struct mp_cmdline cmd;
static char error[4096];

/* Parses "A B C" split at blanks, behind @head; the words live until the next call. */
static int parse_behind(const char *head, const char *line)
{
	static char words[4096];
	char *argv[128], *save, *w;
	int argc = 0;

	mp_cmdline_fini(&cmd);
	snprintf(words, sizeof(words), "mpring-worker %s%s", head, line);
	error[0] = '\0';
	for (w = strtok_r(words, " ", &save); w; w = strtok_r(NULL, " ", &save))
		argv[argc++] = w;
	return mp_cmdline_parse(&cmd, argc, argv, error, sizeof(error));
}

#define T_SAYS(text, what)                                                                         \
	do {                                                                                       \
		if (!strstr(text, what))                                                           \
			t_fail(__FILE__, __LINE__, "\"%s\" doesn't say \"%s\"", text, what);       \
	} while (0)

/* By parse(), which is the test's own. */
#define T_REFUSED(line, what)                                                                      \
	do {                                                                                       \
		T_EQ(parse(line), -EINVAL);                                                        \
		T_SAYS(error, what);                                                               \
	} while (0)

#endif
