/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The options of QEMU that a worker doesn't have. Scripts that started QEMU's own
 * remote process are full of them; what only describes the guest's machine is
 * accepted, and what somebody would miss is refused.
 */
#include "remote-worker/options/parser.h"

#include <errno.h>
#include <string.h>

#include "base/err.h"

enum argument { ARG_NONE, ARG_ONE, ARG_ONE_OR_NONE };

static const struct rest {
	const char *name;
	enum argument argument;
	const char *way_out; /* NULL: accepted */
} rest[] = {
#define MP_QEMU_IDLE(option, n)          {option, (enum argument)(n), NULL},
#define MP_QEMU_REFUSED(option, n, text) {option, (enum argument)(n), text},
#include "remote-worker/options/qemu_rest.def"
#undef MP_QEMU_IDLE
#undef MP_QEMU_REFUSED
};
#define N_REST (sizeof(rest) / sizeof(rest[0]))

/* Is it there already? Then once is enough. */
static bool warned(const struct mp_cmdline *c, const char *text)
{
	for (unsigned int i = 0; i < c->warnings.n; i++)
		if (strcmp(c->warnings.text[i], text) == 0)
			return true;
	return false;
}

static int warn_once(struct mp_parser *p, const char *name)
{
	char text[64];

	snprintf(text, sizeof(text), "-%s has no meaning here", name);
	return warned(p->c, text) ? 0 : mp_err_trace(mp_parser_warn(p, "%s", text));
}

int mp_parser_rest(struct mp_parser *p, const char *name, const char *arg)
{
	const struct rest *o = rest;

	while (o < rest + N_REST && strcmp(o->name, name) != 0)
		o++;
	if (o == rest + N_REST)
		return -ENOENT;
	if (o->way_out)
		return mp_parser_fail(p, "-%s isn't supported: %s", name, o->way_out);
	if (o->argument != ARG_NONE && !arg)
		return mp_parser_fail(p, "-%s needs an argument", name);
	if (o->argument != ARG_ONE_OR_NONE || strcmp(arg, "none") != 0) {
		int r = warn_once(p, name);

		if (r < 0)
			return mp_err_trace(r);
	}
	return o->argument != ARG_NONE;
}

static void list(bool refused, FILE *to)
{
	unsigned int column = 80;

	for (size_t i = 0; i < N_REST; i++) {
		if (!rest[i].way_out == refused)
			continue;
		if (column + strlen(rest[i].name) + 2 > 76) {
			fputs("\n     ", to);
			column = 5;
		}
		column += (unsigned int)fprintf(to, " -%s", rest[i].name);
	}
	fputc('\n', to);
}

void mp_parser_rest_help(FILE *to)
{
	fputs("\nOptions of QEMU that are accepted with a warning:", to);
	list(false, to);
	fputs("\nOptions of QEMU that are refused, with the way out:", to);
	list(true, to);
}
