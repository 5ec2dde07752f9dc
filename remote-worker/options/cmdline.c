/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Two passes. The first reads the options in their order; an -object may stand
 * before the -device that it names, so objects are only collected. The second
 * (resolve.c) resolves every name: disk to drive, disk to HBA, object and
 * statistics page to HBA. So every mistake in the line is found before anything
 * is opened.
 */
#include "remote-worker/options/cmdline.h"

#include <errno.h>
#include <jansson.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/err.h"
#include "remote-worker/options/id.h"
#include "remote-worker/options/node.h"
#include "remote-worker/options/parser.h"

int mp_parser_fail(struct mp_parser *p, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(p->error, p->error_len, fmt, ap);
	va_end(ap);
	return mp_err_origin(-EINVAL);
}

int mp_parser_warn(struct mp_parser *p, const char *fmt, ...)
{
	char *text = NULL;
	va_list ap;
	int r;

	va_start(ap, fmt);
	r = vasprintf(&text, fmt, ap);
	va_end(ap);
	if (r < 0)
		return mp_err_origin(-ENOMEM);
	return mp_err_trace(mp_texts_take(&p->c->warnings, text));
}

static int split_json(struct mp_parser *p, const char *opt, const char *text,
		      struct mp_keyval *ret_kv)
{
	char why[256];
	int r = mp_node_split(text, p->texts, ret_kv, why);

	if (r == -EINVAL)
		return mp_parser_fail(p, "-%s %s: %s", opt, text, why);
	return mp_err_trace(r);
}

/* In JSON as in text they have the same properties; -blockdev reads its own. */
static bool takes_json(const char *opt)
{
	return strcmp(opt, "device") == 0 || strcmp(opt, "object") == 0;
}

/* As QEMU: in text, and not in JSON. */
static int check_id(struct mp_parser *p, const char *opt, const struct mp_keyval *kv)
{
	static const char *const with_id[] = {"device", "drive", "object", "chardev", "mon"};
	const char *id = mp_keyval_get(kv, "id");

	if (!id || mp_id_is_wellformed(id) ||
	    !mp_word_is_in(with_id, sizeof(with_id) / sizeof(with_id[0]), opt))
		return 0;
	return mp_parser_fail(
		p, "-%s id=%s: an id is a letter, then letters, digits, '-', '.', '_'", opt, id);
}

int mp_parser_split(struct mp_parser *p, const char *opt, const char *text, const char *implied,
		    struct mp_keyval *ret_kv)
{
	int r;

	if (text[0] == '{' && takes_json(opt))
		return mp_err_trace(split_json(p, opt, text, ret_kv));
	r = mp_keyval_parse(text, implied, ret_kv);
	if (r == -ENOMEM)
		return mp_err_trace(r);
	if (r < 0)
		return mp_parser_fail(p, "-%s %s: %s", opt, text,
				      r == -E2BIG ? "too many properties" : "a key is empty");
	r = mp_texts_take(p->texts, ret_kv->text);
	return r < 0 ? mp_err_trace(r) : mp_err_trace(check_id(p, opt, ret_kv));
}

static int parse_nothing(struct mp_parser *p, const struct mp_option *o, const char *arg)
{
	return 0;
}

static int parse_help(struct mp_parser *p, const struct mp_option *o, const char *arg)
{
	p->asked = MP_CMDLINE_HELP;
	return 0;
}

static int parse_version(struct mp_parser *p, const struct mp_option *o, const char *arg)
{
	p->asked = MP_CMDLINE_VERSION;
	return 0;
}

#define AT(field) offsetof(struct mp_cmdline, field)
static const struct mp_option options[] = {
	{"machine", "x-remote", mp_parse_machine, NULL,
	 "accepted, as QEMU needs it; with auto-shutdown=off the worker doesn't end\n"
	 "      with the last proxy, but listens for the next",
	 0, 0, 0},
	{"device", "lsi53c895a,KEY=VALUE...", mp_parse_device, mp_props_hba,
	 "a SCSI adapter; more than one may be given", 0, 0, 0},
	{"device", "scsi-hd,KEY=VALUE...", mp_parse_device, mp_props_disk, "a disk on its bus", 0,
	 0, 0},
	{"device", "scsi-cd,KEY=VALUE...", mp_parse_device, mp_props_cd, "a CD-ROM drive", 0, 0, 0},
	{"drive", "KEY=VALUE...", mp_parse_drive, mp_props_drive, "what a disk stores its data in",
	 0, 0, 0},
	{"blockdev", "KEY=VALUE...", mp_parse_blockdev, mp_props_blockdev,
	 "a block node, as text or JSON; drive= of a disk takes its name", 0, 0, 0},
	{"object", "throttle-group,KEY=VALUE...", mp_parse_object, mp_props_group,
	 "limits of one -blockdev driver=throttle", 0, 0, 0},
	{"object", "secret,KEY=VALUE...", mp_parse_object, NULL,
	 "for storage daemons, as are tls-creds-x509, tls-creds-psk, tls-creds-anon", 0, 0, 0},
	{"global", "DEVICE.KEY=VALUE", parse_nothing, NULL, "a default for -device", 0, 0, 0},
	{"object", "x-remote-object,KEY=VALUE...", mp_parse_object, mp_props_object,
	 "connects an adapter with its proxy", 0, 0, 0},
	{"listen", "PATH", mp_parse_listen, NULL,
	 "unix socket of the next adapter without one; the same as socket=PATH", 0, 0, 0},
	{"nographic", NULL, parse_nothing, NULL, "accepted, no effect", 0, 0, 0},
	{"nodefaults", NULL, parse_nothing, NULL, "accepted, no effect", 0, 0, 0},
	{"no-user-config", NULL, parse_nothing, NULL, "accepted, no effect", 0, 0, 0},
	{"monitor", "PLACE", mp_parse_monitor, NULL,
	 "HMP, for people, at unix:PATH,server=on,wait=off, stdio, chardev:ID or none;\n"
	 "      default none",
	 0, 0, 0},
	{"qmp", "PLACE", mp_parse_monitor, NULL, "QMP, for programs", 0, 0, 0},
	{"qmp-pretty", "PLACE", mp_parse_monitor, NULL, "the same with line breaks", 0, 0, 0},
	{"chardev", "socket,KEY=VALUE...", mp_parse_chardev, mp_props_chardev,
	 "a place for -mon; stdio and null are others", 0, 0, 0},
	{"mon", "KEY=VALUE...", mp_parse_mon, mp_props_mon, "a monitor at a -chardev", 0, 0, 0},
	{"name", "TEXT", mp_parse_name, NULL, "for query-name; default none", 0, 0, 0},
	{"uuid", "UUID", mp_parse_uuid, NULL, "for query-uuid; default zeros", 0, 0, 0},
	{"pidfile", "FILE", mp_parse_text, NULL,
	 "write the process id there, and keep it locked; default none", AT(pidfile), 0, 0},
	{"daemonize", NULL, mp_parse_flag, NULL, "go on in the background when all is ready",
	 AT(daemonize), 0, 0},
	{"D", "FILE", mp_parse_text, NULL,
	 "once all is ready, append messages to this file; default standard error", AT(log_file), 0,
	 0},
	{"d", "ITEM,...", mp_parse_log_items, NULL, "debug: as -verbose; QEMU's are accepted", 0, 0,
	 0},
	{"S", NULL, mp_parse_flag, NULL, "stand still until a monitor says cont", AT(start_stopped),
	 0, 0},
	{"sandbox", "on|off", mp_parse_sandbox, NULL,
	 "off is -no-sandbox; QEMU's properties are accepted", 0, 0, 0},
	{"poll", "busy|adaptive|sleep", mp_parse_poll, NULL,
	 "how the polling thread idles: never sleep, spin then sleep, sleep at\n"
	 "      once; default adaptive",
	 0, 0, 0},
	{"spin-us", "N", mp_parse_u32, NULL,
	 "microseconds of spinning after the last work, in adaptive mode; default 50", AT(spin_us),
	 0, 1000000},
	{"cpu", "N", mp_parse_cpu, NULL, "pin the polling thread to this CPU; default not pinned",
	 AT(cpu), 0, 65535},
	{"aio", "auto|io_uring|threads", mp_parse_aio, NULL,
	 "how disks are read and written; auto takes threads where the kernel\n"
	 "      refuses io_uring, and says so; default auto",
	 0, 0, 0},
	{"requests-budget", "N", mp_parse_u32, NULL,
	 "most register accesses of one device in one turn; default 64", AT(request_budget), 1,
	 65536},
	{"insn-budget", "N", mp_parse_u32, NULL,
	 "most SCRIPTS instructions of one device in one turn; default 256", AT(insn_budget), 1,
	 1000000},
	{"pool-bytes", "SIZE", mp_parse_pool, NULL,
	 "buffer memory of each device, a multiple of 4096 bytes, at least 256k;\n"
	 "      default 2M",
	 0, 0, 0},
	{"proxy-timeout", "SECONDS", mp_parse_seconds, NULL,
	 "longest wait for the rest of a message from a proxy, or until it takes one;\n"
	 "      default 5",
	 AT(proxy_timeout_ns), 1, 86400},
	{"rpc-timeout", "SECONDS", mp_parse_seconds, NULL,
	 "longest wait of a monitor's command for the polling thread; 0 is none;\n"
	 "      default 10",
	 AT(rpc_timeout_ns), 0, 86400},
	{"monitor-clients", "N", mp_parse_u32, NULL,
	 "most clients at one monitor's socket; further ones wait; default 16", AT(monitor_clients),
	 1, 1024},
	{"monitor-request-mib", "N", mp_parse_u32, NULL,
	 "longest request of a QMP client, in MiB; default 64", AT(monitor_request_mib), 1, 1024},
	{"monitor-nesting", "N", mp_parse_u32, NULL,
	 "deepest nesting of a QMP client's request; default 1024", AT(monitor_nesting), 16, 2000},
	{"monitor-unread-kib", "N", mp_parse_u32, NULL,
	 "a monitor's client that leaves so many KiB unread gets no further\n"
	 "      answers until it reads, and at 8 times as many is disconnected; default 1024",
	 AT(monitor_unread_kib), 64, 1048576},
	{"monitor-farewell", "SECONDS", mp_parse_seconds, NULL,
	 "a monitor's clients have so long to read their last answers when the worker\n"
	 "      has ended; default 2",
	 AT(monitor_farewell_ns), 0, 3600},
	{"storage-daemon", "FILE", mp_parse_text, NULL,
	 "program that serves what isn't raw; default qemu-storage-daemon", AT(storage_daemon), 0,
	 0},
	{"storage-daemon-start", "SECONDS", mp_parse_seconds, NULL,
	 "longest wait until a storage daemon is ready; 0 is none; default 30",
	 AT(storage_daemon_start_ns), 0, 86400},
	{"storage-daemon-answer", "SECONDS", mp_parse_seconds, NULL,
	 "longest wait for what a storage daemon's monitor answers, but to a resize;\n"
	 "      0 is none; default 10",
	 AT(storage_daemon_answer_ns), 0, 86400},
	{"storage-daemon-cpu", "N", mp_parse_u32, NULL,
	 "pin storage daemons to this CPU; that of --cpu: they run while the polling\n"
	 "      thread waits for them; default not pinned",
	 AT(storage_daemon_cpu), 0, 65535},
	{"nbd-connections", "N", mp_parse_u32, NULL,
	 "connections to one server, if it takes several; default 4", AT(nbd_connections), 1, 16},
	{"reconnect-delay", "SECONDS", mp_parse_seconds, NULL,
	 "how long requests wait for a server that is gone, before they fail; 0:\n"
	 "      not at all; default 30",
	 AT(reconnect_ns), 0, 86400},
	{"request-timeout", "SECONDS", mp_parse_seconds, NULL,
	 "a server that answers no request for so long counts as gone; 0: never;\n"
	 "      default 0",
	 AT(request_timeout_ns), 0, 86400},
	{"unstable-bytes", "SIZE", mp_parse_unstable, NULL,
	 "most data of one drive that is kept until the server has flushed it, to\n"
	 "      be written again if it dies, 1M to 1G; default 32M",
	 0, 1 << 20, 1 << 30},
	{"stats-fd", "DEVICE=FD", mp_parse_stats, NULL,
	 "counters page of a device, see mpring-stat(1); default none", 0, 0, 0},
	{"no-sandbox", NULL, mp_parse_flag, NULL,
	 "don't restrict system calls after set-up; default restricted", AT(no_sandbox), 0, 0},
	{"verbose", NULL, mp_parse_flag, NULL, "say more on standard error", AT(verbose), 0, 0},
	{"h", NULL, parse_help, NULL, "as -help", 0, 0, 0},
	{"help", NULL, parse_help, NULL, "this text", 0, 0, 0},
	{"version", NULL, parse_version, NULL, "version", 0, 0, 0},
};

#define N_OPTIONS (sizeof(options) / sizeof(options[0]))

static const struct mp_option *find_option(const char *name)
{
	for (size_t i = 0; i < N_OPTIONS; i++)
		if (strcmp(options[i].name, name) == 0)
			return &options[i];
	return NULL;
}

static int unknown_option(struct mp_parser *p, const char *arg)
{
	char list[1024];
	size_t n = 0;

	list[0] = '\0';
	for (size_t i = 0; i < N_OPTIONS && n < sizeof(list); i++)
		if (find_option(options[i].name) == &options[i])
			n += (size_t)snprintf(list + n, sizeof(list) - n, "%s -%s", i ? "," : "",
					      options[i].name);
	return mp_parser_fail(p, "unknown option '%s'; valid are%s", arg, list);
}

static const char *name_of(const char *word)
{
	return word + 1 + (word[1] == '-');
}

/* The oldest form, "PROGRAM 4 -device ...": the socket of the next adapter without one. */
static int parse_bare_word(struct mp_parser *p, const char *word)
{
	uint64_t fd;

	if (mp_parse_uint(word, 0, INT32_MAX, &fd) < 0)
		return mp_parser_fail(p,
				      "'%s' is no option, and no number of a socket; a disk is "
				      "-drive id=d0,file=FILE -device scsi-hd,drive=d0",
				      word);
	if (p->n_objects == MP_CMDLINE_MAX_HBAS)
		return mp_parser_fail(p, "more than %u sockets", MP_CMDLINE_MAX_HBAS);
	p->object[p->n_objects++] = (struct mp_parser_object){.fd = (uint32_t)fd};
	return 0;
}

/* "-device help", "-device scsi-hd,help": what QEMU's users type. It is in our help, all of it. */
static bool asks_for_help(const struct mp_option *o, const char *arg)
{
	const char *last = strrchr(arg, ',');

	last = last ? last + 1 : arg;
	return o->props && (strcmp(last, "help") == 0 || strcmp(last, "?") == 0);
}

/* @next: the word behind it, or NULL. Returns how many words that was, or as parse() does. */
static int parse_word(struct mp_parser *p, const char *word, const char *next)
{
	const struct mp_option *o = word[0] == '-' ? find_option(name_of(word)) : NULL;
	int r;

	if (word[0] != '-') {
		r = parse_bare_word(p, word);
		return r < 0 ? mp_err_trace(r) : 1;
	}
	if (o && o->arg && !next)
		return mp_parser_fail(p, "%s needs an argument: %s", word, o->arg);
	if (o) {
		if (o->arg && asks_for_help(o, next))
			return parse_help(p, o, next) + 2;
		r = o->parse(p, o, next);
		return r < 0 ? mp_err_trace(r) : 1 + (o->arg != NULL);
	}
	r = mp_parser_rest(p, name_of(word), next);
	if (r == -ENOENT)
		return unknown_option(p, word);
	return r < 0 ? mp_err_trace(r) : 1 + r;
}

static int parse_options(struct mp_parser *p, int argc, char *const argv[])
{
	int r;

	for (int i = 1; i < argc; i += r) {
		r = parse_word(p, argv[i], i + 1 < argc ? argv[i + 1] : NULL);
		if (r < 0)
			return mp_err_trace(r);
		if (p->asked)
			return p->asked;
	}
	return 0;
}

/* They are defaults of devices, wherever they stand. */
static int parse_globals(struct mp_parser *p, int argc, char *const argv[])
{
	const struct mp_option *o;
	int r = 0;

	for (int i = 1; r == 0 && i + 1 < argc; i++) {
		o = argv[i][0] == '-' ? find_option(name_of(argv[i])) : NULL;
		if (o && strcmp(o->name, "global") == 0)
			r = mp_parse_global(p, o, argv[i + 1]);
		i += o && o->arg;
	}
	return mp_err_trace(r);
}

static void set_defaults(struct mp_cmdline *c)
{
	memset(c, 0, offsetof(struct mp_cmdline, hba));
	c->poll = MP_IDLE_ADAPTIVE;
	c->spin_us = MP_CMDLINE_DEFAULT_SPIN_US;
	c->cpu = c->storage_daemon_cpu = -1;
	c->auto_shutdown = true;
	c->request_budget = MP_CMDLINE_DEFAULT_REQUESTS;
	c->insn_budget = MP_CMDLINE_DEFAULT_INSNS;
	c->pool_bytes = MP_CMDLINE_DEFAULT_POOL;
	c->monitor_clients = MP_CMDLINE_DEFAULT_CLIENTS;
	c->monitor_request_mib = MP_CMDLINE_DEFAULT_REQUEST_MIB;
	c->monitor_nesting = MP_CMDLINE_DEFAULT_NESTING;
	c->monitor_unread_kib = MP_CMDLINE_DEFAULT_UNREAD_KIB;
	c->monitor_farewell_ns = MP_CMDLINE_DEFAULT_FAREWELL_S * MP_NS_PER_SEC;
	c->proxy_timeout_ns = MP_CMDLINE_DEFAULT_PROXY_S * MP_NS_PER_SEC;
	c->rpc_timeout_ns = MP_CMDLINE_DEFAULT_RPC_S * MP_NS_PER_SEC;
	c->storage_daemon_start_ns = MP_CMDLINE_DEFAULT_DAEMON_START_S * MP_NS_PER_SEC;
	c->storage_daemon_answer_ns = MP_CMDLINE_DEFAULT_DAEMON_ANSWER_S * MP_NS_PER_SEC;
	c->reconnect_ns = MP_CMDLINE_DEFAULT_RECONNECT_S * MP_NS_PER_SEC;
	c->request_timeout_ns = MP_CMDLINE_DEFAULT_REQUEST_S * MP_NS_PER_SEC;
	c->nbd_connections = MP_CMDLINE_DEFAULT_CONNECTIONS;
	c->unstable_bytes = MP_CMDLINE_DEFAULT_UNSTABLE;
	c->storage_daemon = MP_CMDLINE_DEFAULT_DAEMON;
}

int mp_cmdline_parse(struct mp_cmdline *c, int argc, char *const argv[], char *error,
		     size_t error_len)
{
	struct mp_parser p = {.c = c, .texts = &c->texts, .error = error, .error_len = error_len};
	int r;

	set_defaults(c);
	snprintf(error, error_len, "out of memory");
	c->nodes = json_object();
	c->objects = json_array();
	c->made = json_array();
	r = c->nodes && c->objects && c->made ? 0 : mp_err_origin(-ENOMEM);
	if (r == 0)
		r = parse_globals(&p, argc, argv);
	if (r == 0)
		r = parse_options(&p, argc, argv);
	if (r == 0)
		r = mp_parser_resolve(&p);
	return mp_err_trace(r);
}

void mp_cmdline_fini(struct mp_cmdline *c)
{
	mp_texts_fini(&c->texts);
	mp_texts_fini(&c->warnings);
	json_decref(c->nodes);
	json_decref(c->objects);
	json_decref(c->made);
	memset(c, 0, offsetof(struct mp_cmdline, hba));
}

const struct mp_opt_drive *mp_cmdline_drive(const struct mp_cmdline *c, const struct mp_opt_disk *d)
{
	const struct mp_opt_drive *drive;

	if (d->drive_no == MP_CMDLINE_NO_DRIVE)
		return NULL;
	drive = &c->drive[d->drive_no];
	return drive->file || drive->kind != MP_DRIVE_RAW ? drive : NULL;
}

static enum mp_blk_detect detect_of(const char *name)
{
	if (strcmp(name, "unmap") == 0)
		return MP_BLK_DETECT_UNMAP;
	return strcmp(name, "on") == 0 ? MP_BLK_DETECT_ON : MP_BLK_DETECT_OFF;
}

struct mp_blk_open mp_cmdline_blk_open(const struct mp_opt_drive *d)
{
	static const char *const drivers[] = {[MP_DRIVE_RAW] = "raw",
					      [MP_DRIVE_NULL] = "null",
					      [MP_DRIVE_NBD] = "nbd",
					      [MP_DRIVE_DAEMON] = "nbd"};

	return (struct mp_blk_open){
		.driver = drivers[d->kind],
		.filename = d->file,
		.size_bytes = d->size,
		.read_only = d->read_only,
		.cache_direct = d->direct || strcmp(d->cache, "none") == 0,
		.no_flush = d->no_flush || strcmp(d->cache, "unsafe") == 0,
		.discard = strcmp(d->discard, "unmap") == 0 || strcmp(d->discard, "on") == 0,
		.detect_zeroes = detect_of(d->detect_zeroes),
		.no_lock = !d->locking || strcmp(d->file_locking, "off") == 0,
		.probed = d->probed,
	};
}

void mp_cmdline_help(FILE *to)
{
	fputs("usage: mpring-worker [OPTION]...\n"
	      "       mpring-worker SOCKET-FD [OPTION]...\n\n"
	      "Emulates LSI53C895A SCSI adapters for a QEMU that has their proxy devices.\n"
	      "Options take one dash or two. \",,\" in a value stands for a comma.\n"
	      "-device, -object and -blockdev take JSON, too.\n\n",
	      to);
	for (size_t i = 0; i < N_OPTIONS; i++) {
		fprintf(to, "  -%s%s%s\n      %s\n", options[i].name, options[i].arg ? " " : "",
			options[i].arg ? options[i].arg : "", options[i].help);
		if (options[i].props)
			mp_prop_help(options[i].props, to);
	}
	mp_parser_rest_help(to);
	fputs("\nExit status: 0 the proxies closed or a signal asked to end; 1 an error; "
	      "2 a wrong\ncommand line.\n",
	      to);
}
