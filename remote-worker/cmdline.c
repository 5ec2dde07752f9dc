/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Two passes. The first reads the options in their order; an -object may stand
 * before the -device that it names, so objects are only collected. The second
 * (resolve.c) resolves every name: disk to drive, disk to HBA, object and
 * statistics page to HBA. So every mistake in the line is found before anything
 * is opened.
 */
#include "remote-worker/cmdline.h"

#include <errno.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include "remote-worker/parser.h"

#define MAX_CPU 65535u

int mp_parser_fail(struct mp_parser *p, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(p->error, p->error_len, fmt, ap);
	va_end(ap);
	return mp_err_origin(-EINVAL);
}

/* The strings that the options point into live as long as the command line. */
static int keep(struct mp_parser *p, struct mp_keyval *kv)
{
	if (p->c->n_texts == MP_CMDLINE_MAX_TEXTS) {
		mp_keyval_fini(kv);
		return mp_parser_fail(p, "more than %u options", MP_CMDLINE_MAX_TEXTS);
	}
	p->c->text[p->c->n_texts++] = kv->text;
	return 0;
}

int mp_parser_split(struct mp_parser *p, const char *opt, const char *text, const char *implied,
		    struct mp_keyval *ret_kv)
{
	int r = mp_keyval_parse(text, implied, ret_kv);

	if (r == -ENOMEM)
		return mp_err_trace(r);
	if (r < 0)
		return mp_parser_fail(p, "-%s %s: %s", opt, text,
				      r == -E2BIG ? "too many properties" : "a key is empty");
	return keep(p, ret_kv);
}

static int parse_poll(struct mp_parser *p, const char *arg)
{
	if (mp_idle_mode_parse(arg, &p->c->poll) < 0)
		return mp_parser_fail(p, "--poll takes one of busy|adaptive|sleep, not '%s'", arg);
	return 0;
}

static int parse_aio(struct mp_parser *p, const char *arg)
{
	if (strcmp(arg, "auto") == 0)
		p->c->aio = MP_BLK_AIO_AUTO;
	else if (strcmp(arg, "io_uring") == 0)
		p->c->aio = MP_BLK_AIO_URING;
	else if (strcmp(arg, "threads") == 0)
		p->c->aio = MP_BLK_AIO_THREADS;
	else
		return mp_parser_fail(p, "--aio takes one of auto|io_uring|threads, not '%s'", arg);
	return 0;
}

static int parse_number(struct mp_parser *p, const char *opt, const char *arg, uint64_t min,
			uint64_t max)
{
	uint64_t v;

	if (mp_parse_uint(arg, min, max, &v) < 0)
		return mp_parser_fail(p, "--%s takes a number from %llu to %llu, not '%s'", opt,
				      (unsigned long long)min, (unsigned long long)max, arg);
	return (int)v;
}

static int parse_spin(struct mp_parser *p, const char *arg)
{
	int r = parse_number(p, "spin-us", arg, 0, 1000000);

	if (r < 0)
		return mp_err_trace(r);
	p->c->spin_us = (uint32_t)r;
	return 0;
}

static int parse_cpu(struct mp_parser *p, const char *arg)
{
	int r = parse_number(p, "cpu", arg, 0, MAX_CPU);

	if (r < 0)
		return mp_err_trace(r);
	p->c->cpu = r;
	return 0;
}

static int parse_request_budget(struct mp_parser *p, const char *arg)
{
	int r = parse_number(p, "requests-budget", arg, 1, 65536);

	if (r < 0)
		return mp_err_trace(r);
	p->c->request_budget = (uint32_t)r;
	return 0;
}

static int parse_insn_budget(struct mp_parser *p, const char *arg)
{
	int r = parse_number(p, "insn-budget", arg, 1, 1000000);

	if (r < 0)
		return mp_err_trace(r);
	p->c->insn_budget = (uint32_t)r;
	return 0;
}

static int parse_pool(struct mp_parser *p, const char *arg)
{
	uint64_t v;

	if (mp_parse_size(arg, &v) < 0 || v < MP_CMDLINE_MIN_POOL || v > MP_CMDLINE_MAX_POOL ||
	    v % 4096)
		return mp_parser_fail(
			p, "--pool-bytes takes a multiple of 4096 from 256k to 1G, not '%s'", arg);
	p->c->pool_bytes = v;
	return 0;
}

static int parse_stats(struct mp_parser *p, const char *arg)
{
	struct mp_parser_stats *s = &p->stats[p->n_stats];
	struct mp_keyval kv = MP_KEYVAL_NULL;
	uint64_t fd;
	int r;

	r = mp_parser_split(p, "-stats-fd", arg, NULL, &kv);
	if (r < 0)
		return mp_err_trace(r);
	if (kv.n != 1 || mp_parse_uint(kv.item[0].value, 0, INT32_MAX, &fd) < 0)
		return mp_parser_fail(p, "--stats-fd takes DEVICE=FD, not '%s'", arg);
	if (p->n_stats == MP_CMDLINE_MAX_HBAS)
		return mp_parser_fail(p, "more than %u --stats-fd", MP_CMDLINE_MAX_HBAS);
	*s = (struct mp_parser_stats){.devid = kv.item[0].key, .fd = (uint32_t)fd};
	p->n_stats++;
	return 0;
}

static int parse_no_sandbox(struct mp_parser *p, const char *arg)
{
	p->c->no_sandbox = true;
	return 0;
}

static int parse_verbose(struct mp_parser *p, const char *arg)
{
	p->c->verbose = true;
	return 0;
}

static int parse_nothing(struct mp_parser *p, const char *arg)
{
	return 0;
}

static int parse_help(struct mp_parser *p, const char *arg)
{
	return MP_CMDLINE_HELP;
}

static int parse_version(struct mp_parser *p, const char *arg)
{
	return MP_CMDLINE_VERSION;
}

struct option {
	const char *name;
	const char *arg; /* NULL: takes none */
	int (*parse)(struct mp_parser *p, const char *arg);
	const struct mp_prop *props; /* shown in the help */
	const char *help;
};

static const struct option options[] = {
	{"machine", "x-remote", mp_parse_machine, NULL, "accepted, as QEMU needs it"},
	{"device", "lsi53c895a,KEY=VALUE...", mp_parse_device, mp_props_hba,
	 "a SCSI adapter; more than one may be given"},
	{"device", "scsi-hd,KEY=VALUE...", mp_parse_device, mp_props_disk, "a disk on its bus"},
	{"device", "scsi-cd,KEY=VALUE...", mp_parse_device, mp_props_cd, "a CD-ROM drive"},
	{"drive", "KEY=VALUE...", mp_parse_drive, mp_props_drive, "what a disk stores its data in"},
	{"object", "x-remote-object,KEY=VALUE...", mp_parse_object, mp_props_object,
	 "connects an adapter with its proxy"},
	{"nographic", NULL, parse_nothing, NULL, "accepted, no effect"},
	{"nodefaults", NULL, parse_nothing, NULL, "accepted, no effect"},
	{"no-user-config", NULL, parse_nothing, NULL, "accepted, no effect"},
	{"display", "none", parse_nothing, NULL, "accepted, no effect"},
	{"name", "TEXT", parse_nothing, NULL, "accepted, no effect"},
	{"poll", "busy|adaptive|sleep", parse_poll, NULL,
	 "how the polling thread idles: never sleep, spin then sleep, sleep at\n"
	 "      once; default adaptive"},
	{"spin-us", "N", parse_spin, NULL,
	 "microseconds of spinning after the last work, in adaptive mode; default 50"},
	{"cpu", "N", parse_cpu, NULL, "pin the polling thread to this CPU; default not pinned"},
	{"aio", "auto|io_uring|threads", parse_aio, NULL,
	 "how disks are read and written; auto takes threads where the kernel\n"
	 "      refuses io_uring, and says so; default auto"},
	{"requests-budget", "N", parse_request_budget, NULL,
	 "most register accesses of one device in one turn; default 64"},
	{"insn-budget", "N", parse_insn_budget, NULL,
	 "most SCRIPTS instructions of one device in one turn; default 256"},
	{"pool-bytes", "SIZE", parse_pool, NULL,
	 "buffer memory of each device, a multiple of 4096 bytes, at least 256k;\n"
	 "      default 2M"},
	{"stats-fd", "DEVICE=FD", parse_stats, NULL,
	 "counters page of a device, see mpring-stat(1); default none"},
	{"no-sandbox", NULL, parse_no_sandbox, NULL,
	 "don't restrict system calls after set-up; default restricted"},
	{"verbose", NULL, parse_verbose, NULL, "say more on standard error"},
	{"help", NULL, parse_help, NULL, "this text"},
	{"version", NULL, parse_version, NULL, "version"},
};

#define N_OPTIONS (sizeof(options) / sizeof(options[0]))

static int unknown_option(struct mp_parser *p, const char *arg)
{
	char list[512];
	size_t n = 0;

	list[0] = '\0';
	for (size_t i = 0; i < N_OPTIONS && n < sizeof(list); i++)
		if (i == 0 || strcmp(options[i].name, options[i - 1].name) != 0)
			n += (size_t)snprintf(list + n, sizeof(list) - n, "%s -%s", i ? "," : "",
					      options[i].name);
	return mp_parser_fail(p, "unknown option '%s'; valid are%s", arg, list);
}

static const struct option *find_option(const char *arg)
{
	const char *name = arg + 1 + (arg[1] == '-');

	for (size_t i = 0; arg[0] == '-' && i < N_OPTIONS; i++)
		if (strcmp(options[i].name, name) == 0)
			return &options[i];
	return NULL;
}

/* The oldest form, "PROGRAM 4 -device ...": the socket of the next adapter without one. */
static int parse_bare_fd(struct mp_parser *p, const char *arg)
{
	uint64_t fd;

	if (mp_parse_uint(arg, 0, INT32_MAX, &fd) < 0)
		return unknown_option(p, arg);
	if (p->n_objects == MP_CMDLINE_MAX_HBAS)
		return mp_parser_fail(p, "more than %u sockets", MP_CMDLINE_MAX_HBAS);
	p->object[p->n_objects++] = (struct mp_parser_object){.fd = (uint32_t)fd};
	return 0;
}

static int parse_options(struct mp_parser *p, int argc, char *const argv[])
{
	const struct option *o;
	const char *arg;
	int r;

	for (int i = 1; i < argc; i++) {
		o = find_option(argv[i]);
		arg = NULL;
		if (o && o->arg) {
			if (i + 1 == argc)
				return mp_parser_fail(p, "%s needs an argument: %s", argv[i],
						      o->arg);
			arg = argv[++i];
		}
		r = o ? o->parse(p, arg) : parse_bare_fd(p, argv[i]);
		if (r != 0)
			return mp_err_trace(r);
	}
	return 0;
}

int mp_cmdline_parse(struct mp_cmdline *c, int argc, char *const argv[], char *error,
		     size_t error_len)
{
	struct mp_parser p = {.c = c, .error = error, .error_len = error_len};
	int r;

	memset(c, 0, sizeof(*c));
	c->poll = MP_IDLE_ADAPTIVE;
	c->spin_us = MP_CMDLINE_DEFAULT_SPIN_US;
	c->cpu = -1;
	c->request_budget = MP_CMDLINE_DEFAULT_REQUESTS;
	c->insn_budget = MP_CMDLINE_DEFAULT_INSNS;
	c->pool_bytes = MP_CMDLINE_DEFAULT_POOL;
	snprintf(error, error_len, "out of memory");
	r = parse_options(&p, argc, argv);
	return r == 0 ? mp_err_trace(mp_parser_resolve(&p)) : mp_err_trace(r);
}

void mp_cmdline_fini(struct mp_cmdline *c)
{
	for (unsigned int i = 0; i < c->n_texts; i++)
		free(c->text[i]);
	memset(c, 0, sizeof(*c));
}

const struct mp_opt_drive *mp_cmdline_drive(const struct mp_cmdline *c, const struct mp_opt_disk *d)
{
	const struct mp_opt_drive *drive;

	if (d->drive_no == MP_CMDLINE_NO_DRIVE)
		return NULL;
	drive = &c->drive[d->drive_no];
	return drive->file || drive->is_null ? drive : NULL;
}

static enum mp_blk_detect detect_of(const char *name)
{
	if (strcmp(name, "unmap") == 0)
		return MP_BLK_DETECT_UNMAP;
	return strcmp(name, "on") == 0 ? MP_BLK_DETECT_ON : MP_BLK_DETECT_OFF;
}

struct mp_blk_open mp_cmdline_blk_open(const struct mp_opt_drive *d)
{
	return (struct mp_blk_open){
		.driver = d->is_null ? "null" : "raw",
		.filename = d->file,
		.size_bytes = d->size,
		.read_only = d->read_only,
		.cache_direct = d->direct || strcmp(d->cache, "none") == 0,
		.no_flush = d->no_flush || strcmp(d->cache, "unsafe") == 0,
		.discard = strcmp(d->discard, "unmap") == 0 || strcmp(d->discard, "on") == 0,
		.detect_zeroes = detect_of(d->detect_zeroes),
		.no_lock = !d->locking || strcmp(d->file_locking, "off") == 0,
	};
}

void mp_cmdline_help(FILE *to)
{
	fputs("usage: mpring-worker [OPTION]...\n"
	      "       mpring-worker SOCKET-FD [OPTION]...\n\n"
	      "Emulates LSI53C895A SCSI adapters for a QEMU that has their proxy devices.\n"
	      "Options take one dash or two. \",,\" in a value stands for a comma.\n\n",
	      to);
	for (size_t i = 0; i < N_OPTIONS; i++) {
		fprintf(to, "  -%s%s%s\n      %s\n", options[i].name, options[i].arg ? " " : "",
			options[i].arg ? options[i].arg : "", options[i].help);
		if (options[i].props)
			mp_prop_help(options[i].props, to);
	}
	fputs("\nExit status: 0 the proxies closed or a signal asked to end; 1 an error; "
	      "2 a wrong\ncommand line.\n",
	      to);
}
