/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * parser - inside of cmdline: what the first pass collects for the second, and
 * how both say what is wrong with the line.
 *
 *   cmdline.c    our own options, the list of all, the help
 *   qemu_opts.c  QEMU's forms: -machine, -device, -drive, -object
 *   resolve.c    the second pass: names to indices, places on the bus
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

/** mp_parser_fail() - the sentence for the user; returns -EINVAL */
int mp_parser_fail(struct mp_parser *p, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

/**
 * mp_parser_split() - an option's text into items; they live as long as the command line
 * @opt:  the option's name, for messages
 */
int mp_parser_split(struct mp_parser *p, const char *opt, const char *text, const char *implied,
		    struct mp_keyval *ret_kv);

/* QEMU's forms, and the properties that the help lists. */
int mp_parse_machine(struct mp_parser *p, const char *arg);
int mp_parse_device(struct mp_parser *p, const char *arg);
int mp_parse_drive(struct mp_parser *p, const char *arg);
int mp_parse_object(struct mp_parser *p, const char *arg);
extern const struct mp_prop mp_props_hba[], mp_props_disk[], mp_props_cd[], mp_props_drive[],
	mp_props_object[];

/** mp_parser_resolve() - does all of it fit together? Fills in what was left open */
int mp_parser_resolve(struct mp_parser *p);

#endif
