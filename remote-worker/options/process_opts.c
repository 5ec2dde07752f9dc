/* SPDX-License-Identifier: BSD-3-Clause */
/* Options of QEMU that are about the process: its name, its log, its sandbox. */
#include "remote-worker/options/parser.h"

#include <string.h>

#include "base/err.h"

struct name_props {
	const char *guest;
};

#define IGNORED(name)                                                                              \
	{                                                                                          \
		name, MP_PROP_IGNORED, 0, 0, 0, NULL, "ignored"                                    \
	}
static const struct mp_prop name_table[] = {
	{"guest", MP_PROP_STRING, offsetof(struct name_props, guest), 0, 255, NULL, "name"},
	IGNORED("process"),
	IGNORED("debug-threads"),
	{NULL, 0, 0, 0, 0, NULL, NULL},
};

struct sandbox_props {
	bool enable;
};

static const struct mp_prop sandbox_table[] = {
	{"enable", MP_PROP_BOOL, offsetof(struct sandbox_props, enable), 0, 0, NULL, "on or off"},
	IGNORED("obsolete"),
	IGNORED("elevateprivileges"),
	IGNORED("spawn"),
	IGNORED("resourcecontrol"),
	{NULL, 0, 0, 0, 0, NULL, NULL},
};

/* What QEMU logs; none of it happens here, but for what it calls guest errors. */
static const char *const log_items[] = {
	"out_asm", "in_asm",  "op",  "op_opt", "op_ind",    "int",   "exec",
	"cpu",     "fpu",     "mmu", "pcall",  "cpu_reset", "unimp", "guest_errors",
	"page",    "nochain", "vpu", "plugin", "strace",    "tid",
};

static int set_props(struct mp_parser *p, const struct mp_option *o, const char *arg, void *object)
{
	bool is_name = o->name[0] == 'n';
	struct mp_keyval kv = MP_KEYVAL_NULL;
	char why[768];
	int r = mp_parser_split(p, o->name, arg, is_name ? "guest" : "enable", &kv);

	if (r < 0)
		return mp_err_trace(r);
	for (unsigned int i = 0; i < kv.n; i++)
		if (mp_prop_set(is_name ? name_table : sandbox_table, object, &kv.item[i], why,
				sizeof(why)) < 0)
			return mp_parser_fail(p, "-%s: %s", o->name, why);
	return 0;
}

int mp_parse_name(struct mp_parser *p, const struct mp_option *o, const char *arg)
{
	struct name_props props = {.guest = NULL};
	int r = set_props(p, o, arg, &props);

	if (r == 0 && props.guest)
		p->c->name = props.guest;
	return mp_err_trace(r);
}

int mp_parse_sandbox(struct mp_parser *p, const struct mp_option *o, const char *arg)
{
	struct sandbox_props props = {.enable = true};
	int r = set_props(p, o, arg, &props);

	if (r == 0)
		p->c->no_sandbox = !props.enable;
	return mp_err_trace(r);
}

static bool is_hex(char c)
{
	return c && strchr("0123456789abcdefABCDEF", c);
}

int mp_parse_uuid(struct mp_parser *p, const struct mp_option *o, const char *arg)
{
	static const char form[] = "00000000-0000-0000-0000-000000000000";
	size_t i = 0;

	while (form[i] && (form[i] == '-' ? arg[i] == '-' : is_hex(arg[i])))
		i++;
	if (form[i] || arg[i])
		return mp_parser_fail(p, "-uuid takes %s with hexadecimal digits, not '%s'", form,
				      arg);
	p->c->uuid = arg;
	return 0;
}

static int log_item(struct mp_parser *p, const char *item)
{
	if (strcmp(item, "debug") == 0) {
		p->c->verbose = true;
		return 0;
	}
	if (strncmp(item, "trace:", 6) == 0)
		return mp_err_trace(mp_parser_warn(p, "-d %s has no meaning here", item));
	for (size_t i = 0; i < sizeof(log_items) / sizeof(log_items[0]); i++)
		if (strcmp(log_items[i], item) == 0)
			return mp_err_trace(mp_parser_warn(
				p, "-d %s has no meaning here; debug says more", item));
	return mp_parser_fail(p, "-d %s: unknown item; valid is debug, and QEMU's are accepted",
			      item);
}

int mp_parse_log_items(struct mp_parser *p, const struct mp_option *o, const char *arg)
{
	struct mp_keyval kv = MP_KEYVAL_NULL;
	int r = mp_parser_split(p, o->name, arg, NULL, &kv);

	for (unsigned int i = 0; r == 0 && i < kv.n; i++)
		r = log_item(p, kv.item[i].key);
	return mp_err_trace(r);
}
