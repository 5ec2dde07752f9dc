/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * parser - inside of cmdline: what the first pass collects for the second, and
 * how both say what is wrong with the line.
 *
 *   cmdline.c       the list of all options, the first pass, the help
 *   own_opts.c      our own options
 *   monitor_opts.c  -monitor, -qmp, -chardev, -mon
 *   process_opts.c  -name, -d, -sandbox ...
 *   qemu_rest.c     QEMU's options that we don't have
 *   qemu_opts.c     QEMU's forms: -machine, -device, -global
 *   drive_opts.c    -drive, as a block node
 *   blockdev.c      -blockdev; who serves a node
 *   object_opts.c   -object
 *   resolve.c       the second pass: names to indices, places on the bus
 */
#ifndef MP_REMOTE_WORKER_OPTIONS_PARSER_H
#define MP_REMOTE_WORKER_OPTIONS_PARSER_H

#include <jansson.h>

#include "remote-worker/options/cmdline.h"
#include "remote-worker/options/keyval.h"

#define MP_PARSER_NO_ID        UINT32_MAX
#define MP_PARSER_MAX_CHARDEVS 32u
#define MP_PARSER_MAX_GROUPS   64u
#define MP_PARSER_MAX_GLOBALS  64u

/* -object x-remote-object; a bare socket or -listen: then without devid. */
struct mp_parser_object {
	const char *id, *devid;
	const char *path; /* or: */
	uint32_t fd;
};

struct mp_parser_stats {
	const char *devid;
	uint32_t fd;
};

enum mp_chardev_kind { MP_CHARDEV_SOCKET, MP_CHARDEV_STDIO, MP_CHARDEV_NULL };

struct mp_parser_chardev {
	enum mp_chardev_kind kind;
	const char *id, *path, *host, *port, *ipv4, *ipv6; /* ipv4, ipv6: on, off; NULL */
	const char *abstract, *telnet, *websocket;
	uint32_t fd;
	bool server, wait, nowait, used;
};

/* -mon, or a short form, which has its device in itself. */
struct mp_parser_mon {
	const char *chardev, *mode;
	bool pretty;
	struct mp_parser_chardev own;
};

/* -object throttle-group */
struct mp_parser_group {
	const char *id;
	struct mp_opt_throttle limits;
};

/* -global DRIVER.PROPERTY=VALUE */
struct mp_parser_global {
	const char *driver;
	struct mp_keyval_item item;
};

/* What a drive is as a node, until it is known who serves it. Owned by the command line. */
struct mp_parser_top {
	json_t *node; /* NULL: no medium */
	json_t *objects; /* that it needs; NULL: none */
};

struct mp_parser {
	struct mp_cmdline *c;
	struct mp_texts *texts; /* what strings are kept in */
	struct mp_parser_top top[MP_CMDLINE_MAX_DISKS]; /* of each drive */
	struct mp_parser_group group[MP_PARSER_MAX_GROUPS];
	unsigned int n_groups;
	struct mp_parser_global global[MP_PARSER_MAX_GLOBALS];
	unsigned int n_globals;
	struct mp_parser_object object[MP_CMDLINE_MAX_HBAS];
	unsigned int n_objects;
	struct mp_parser_stats stats[MP_CMDLINE_MAX_HBAS];
	unsigned int n_stats;
	struct mp_parser_chardev chardev[MP_PARSER_MAX_CHARDEVS];
	unsigned int n_chardevs;
	struct mp_parser_mon mon[MP_CMDLINE_MAX_MONITORS];
	unsigned int n_mons;
	int asked; /* MP_CMDLINE_HELP, MP_CMDLINE_VERSION */
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

/** mp_parser_warn() - a sentence for the user who goes on; 0 or -ENOMEM */
int mp_parser_warn(struct mp_parser *p, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

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
int mp_parse_cpu(struct mp_parser *p, const struct mp_option *o, const char *arg);
int mp_parse_poll(struct mp_parser *p, const struct mp_option *o, const char *arg);
int mp_parse_aio(struct mp_parser *p, const struct mp_option *o, const char *arg);
int mp_parse_pool(struct mp_parser *p, const struct mp_option *o, const char *arg);
int mp_parse_unstable(struct mp_parser *p, const struct mp_option *o, const char *arg);
int mp_parse_listen(struct mp_parser *p, const struct mp_option *o, const char *arg);
int mp_parse_stats(struct mp_parser *p, const struct mp_option *o, const char *arg);

/* Of QEMU, about monitors and the process. */
int mp_parse_monitor(struct mp_parser *p, const struct mp_option *o, const char *arg);
int mp_parse_chardev(struct mp_parser *p, const struct mp_option *o, const char *arg);
int mp_parse_mon(struct mp_parser *p, const struct mp_option *o, const char *arg);
int mp_parse_name(struct mp_parser *p, const struct mp_option *o, const char *arg);
int mp_parse_uuid(struct mp_parser *p, const struct mp_option *o, const char *arg);
int mp_parse_log_items(struct mp_parser *p, const struct mp_option *o, const char *arg);
int mp_parse_sandbox(struct mp_parser *p, const struct mp_option *o, const char *arg);

/**
 * mp_parser_rest() - an option of QEMU that we don't have
 * @arg:  the word behind it; NULL: there is none
 *
 * Return: 0 accepted; 1 accepted with its argument; -ENOENT it isn't one; -EINVAL refused; -ENOMEM.
 */
int mp_parser_rest(struct mp_parser *p, const char *name, const char *arg);
/** mp_parser_rest_help() - their names */
void mp_parser_rest_help(FILE *to);

/* QEMU's forms, and the properties that the help lists. */
int mp_parse_machine(struct mp_parser *p, const struct mp_option *o, const char *arg);
int mp_parse_device(struct mp_parser *p, const struct mp_option *o, const char *arg);
int mp_parse_drive(struct mp_parser *p, const struct mp_option *o, const char *arg);
int mp_parse_blockdev(struct mp_parser *p, const struct mp_option *o, const char *arg);
int mp_parse_global(struct mp_parser *p, const struct mp_option *o, const char *arg);
int mp_parse_object(struct mp_parser *p, const struct mp_option *o, const char *arg);
extern const struct mp_prop mp_props_hba[], mp_props_disk[], mp_props_cd[], mp_props_drive[],
	mp_props_object[], mp_props_group[], mp_props_blockdev[], mp_props_chardev[],
	mp_props_mon[];

/**
 * mp_drive_make() - from the properties of a -drive
 * @d:        initialised, with its id if it isn't among them
 * @ret_top:  for mp_drive_finish()
 */
int mp_drive_make(struct mp_parser *p, const struct mp_keyval *kv, struct mp_opt_drive *d,
		  struct mp_parser_top *ret_top);
/** mp_drive_finish() - all of it is known now: its name, who serves it, its limits */
int mp_drive_finish(struct mp_parser *p, struct mp_opt_drive *d, const struct mp_parser_top *top);

/** mp_drive_probe() - mp_cmdline_probe() for one drive */
int mp_drive_probe(struct mp_parser *p, struct mp_opt_drive *d);

/** mp_disk_inherit() - what -device leaves to its drive; NULL: an empty scsi-cd has none to ask */
void mp_disk_inherit(struct mp_opt_disk *d, const struct mp_opt_drive *drive);

/** mp_parser_resolve_monitors() - monitors with their character devices */
int mp_parser_resolve_monitors(struct mp_parser *p);

/** mp_parser_resolve() - does all of it fit together? Fills in what was left open */
int mp_parser_resolve(struct mp_parser *p);

#endif
