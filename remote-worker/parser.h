/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * parser - inside of cmdline: what the first pass collects for the second, and
 * how both say what is wrong with the line.
 *
 *   cmdline.c       the list of all options, the first pass, the help
 *   own_opts.c      our own options
 *   qemu_opts.c     QEMU's forms: -machine, -device, -drive, -object
 *   resolve.c       the second pass: names to indices, places on the bus
 */
#ifndef MP_REMOTE_WORKER_PARSER_H
#define MP_REMOTE_WORKER_PARSER_H

#include "remote-worker/cmdline.h"
#include "remote-worker/keyval.h"

#define MP_PARSER_NO_ID UINT32_MAX

/* -object x-remote-object, or a bare socket: then without devid. */
struct mp_parser_object {
	const char *id, *devid;
	uint32_t fd;
};

struct mp_parser_stats {
	const char *devid;
	uint32_t fd;
};

struct mp_parser {
	struct mp_cmdline *c;
	struct mp_parser_object object[MP_CMDLINE_MAX_HBAS];
	unsigned int n_objects;
	struct mp_parser_stats stats[MP_CMDLINE_MAX_HBAS];
	unsigned int n_stats;
	char *error;
	size_t error_len;
};

/* One option; the help shows them all. What parse() needs beside the argument is here too. */
struct mp_option {
	const char *name;
	const char *arg; /* NULL: takes none */
	int (*parse)(struct mp_parser *p, const struct mp_option *o, const char *arg);
	const struct mp_prop *props; /* shown in the help */
	const char *help;
	size_t off; /* of a field of struct mp_cmdline */
	uint64_t min, max;
};

/** mp_parser_fail() - the sentence for the user; returns -EINVAL */
int mp_parser_fail(struct mp_parser *p, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

/** mp_parser_keep() - @text, on the heap, lives as long as the command line; freed on failure */
int mp_parser_keep(struct mp_parser *p, char *text);

/**
 * mp_parser_split() - an option's text into items; they live as long as the command line
 * @opt:  the option's name, for messages
 */
int mp_parser_split(struct mp_parser *p, const char *opt, const char *text, const char *implied,
		    struct mp_keyval *ret_kv);

/* Fields of struct mp_cmdline from a number, seconds to nanoseconds, a flag, a text. */
int mp_parse_u32(struct mp_parser *p, const struct mp_option *o, const char *arg);
int mp_parse_seconds(struct mp_parser *p, const struct mp_option *o, const char *arg);
int mp_parse_flag(struct mp_parser *p, const struct mp_option *o, const char *arg);
int mp_parse_text(struct mp_parser *p, const struct mp_option *o, const char *arg);

/* Our own. */
int mp_parse_poll(struct mp_parser *p, const struct mp_option *o, const char *arg);
int mp_parse_aio(struct mp_parser *p, const struct mp_option *o, const char *arg);
int mp_parse_pool(struct mp_parser *p, const struct mp_option *o, const char *arg);
int mp_parse_unstable(struct mp_parser *p, const struct mp_option *o, const char *arg);
int mp_parse_stats(struct mp_parser *p, const struct mp_option *o, const char *arg);

/* QEMU's forms, and the properties that the help lists. */
int mp_parse_machine(struct mp_parser *p, const struct mp_option *o, const char *arg);
int mp_parse_device(struct mp_parser *p, const struct mp_option *o, const char *arg);
int mp_parse_drive(struct mp_parser *p, const struct mp_option *o, const char *arg);
int mp_parse_object(struct mp_parser *p, const struct mp_option *o, const char *arg);
extern const struct mp_prop mp_props_hba[], mp_props_disk[], mp_props_cd[], mp_props_drive[],
	mp_props_object[];

/** mp_parser_resolve() - does all of it fit together? Fills in what was left open */
int mp_parser_resolve(struct mp_parser *p);

#endif
