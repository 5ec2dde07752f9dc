/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * -drive: a block node in an older dress. Its own properties are in a table; what
 * else a format or a protocol has goes to it under the name that -blockdev knows,
 * such as file.driver or lazy-refcounts. In the end all of it is one node, and
 * blockdev.c says who serves it.
 *
 * Nobody has said the format? Then a file is looked at (mp_cmdline_probe()), as
 * QEMU does, and one that looks like none is raw with its first sector watched. A
 * server's image isn't looked at: that would be too late, after all was set up.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include "block/probe.h"
#include "remote-worker/options/blockdev.h"
#include "remote-worker/options/node.h"

#define DRIVE(f) offsetof(struct mp_opt_drive, f)
#define LIMIT(names, f)                                                                            \
	{names, MP_PROP_SIZE, DRIVE(throttle.f.avg), 0, 0, NULL, "a second; default no limit"},    \
		{names "-max", MP_PROP_SIZE,         DRIVE(throttle.f.max), 0, 0,                  \
		 NULL,         "a second, in bursts"},                                             \
	{                                                                                          \
		names "-max-length", MP_PROP_SIZE, DRIVE(throttle.f.max_length), 0, 0, NULL,       \
			"seconds of a burst; default 1"                                            \
	}
#define OLD_LIMIT(name, f)                                                                         \
	{name, MP_PROP_SIZE, DRIVE(throttle.f.avg), 0, 0, NULL, MP_PROP_OLDER},                    \
		{name "_max", MP_PROP_SIZE, DRIVE(throttle.f.max), 0, 0, NULL, MP_PROP_OLDER},     \
	{                                                                                          \
		name "_max_length", MP_PROP_SIZE, DRIVE(throttle.f.max_length), 0, 0, NULL,        \
			MP_PROP_OLDER                                                              \
	}

const struct mp_prop mp_props_drive[] = {
	{"id", MP_PROP_STRING, DRIVE(id), 0, 63, NULL, "name; default none0 and so on"},
	{"file", MP_PROP_STRING, DRIVE(file), 0, 4095, NULL,
	 "file, block device, /dev/fd/N, URI or json:{...}; also file.KEY=VALUE as of -blockdev"},
	{"format", MP_PROP_STRING, DRIVE(format), 0, 31, NULL,
	 "raw, qcow2, vmdk ...; default: what a file looks like"},
	{"driver", MP_PROP_STRING, DRIVE(driver), 0, 31, NULL,
	 "the same, or file, host_device, or null-co, which moves no data"},
	{"node-name", MP_PROP_STRING, DRIVE(node_name), 0, 31, NULL, "for monitors; default id"},
	{"if", MP_PROP_STRING, DRIVE(interface), 0, 31, NULL, "none"},
	{"index", MP_PROP_IGNORED, 0, 0, 0, NULL, "ignored"},
	{"media", MP_PROP_CHOICE, DRIVE(media), 0, 0, "disk|cdrom",
	 "default disk; a cdrom is read-only, and may go without a file"},
	{"size", MP_PROP_SIZE, DRIVE(size), 0, 0, NULL, "bytes, of null-co; default 1G"},
	{"readonly", MP_PROP_BOOL, DRIVE(read_only), 0, 0, NULL, "default off"},
	{"read-only", MP_PROP_BOOL, DRIVE(read_only), 0, 0, NULL, "the same"},
	{"cache", MP_PROP_CHOICE, DRIVE(cache), 0, 0,
	 "none|writeback|unsafe|writethrough|directsync",
	 "O_DIRECT: none, directsync; no flush: unsafe; no write cache: writethrough, directsync; "
	 "default writeback"},
	{"cache.direct", MP_PROP_BOOL, DRIVE(direct), 0, 0, NULL, "on: O_DIRECT, as cache=none"},
	{"cache.no-flush", MP_PROP_BOOL, DRIVE(no_flush), 0, 0, NULL, "on: as cache=unsafe"},
	{"cache.writeback", MP_PROP_CHOICE, DRIVE(writeback), 0, 0, "on|off",
	 "off: as cache=writethrough"},
	{"discard", MP_PROP_CHOICE, DRIVE(discard), 0, 0, "unmap|on|ignore|off",
	 "does UNMAP reach the file? default ignore"},
	{"rerror", MP_PROP_CHOICE, DRIVE(rerror), 0, 0, "report|ignore|stop",
	 "after a read error: tell the guest, pretend, or stop it; default report"},
	{"werror", MP_PROP_CHOICE, DRIVE(werror), 0, 0, "report|ignore|enospc|stop",
	 "after a write error; enospc, the default: stop if the disk is full, else report"},
	{"detect-zeroes", MP_PROP_CHOICE, DRIVE(detect_zeroes), 0, 0, "off|on|unmap",
	 "write zeros as such; unmap, with discard=unmap: as holes; default off"},
	{"auto-read-only", MP_PROP_IGNORED, 0, 0, 0, NULL, "ignored"},
	{"account-failed", MP_PROP_IGNORED, 0, 0, 0, NULL, "ignored"},
	{"account-invalid", MP_PROP_IGNORED, 0, 0, 0, NULL, "ignored"},
	{"snapshot", MP_PROP_CHOICE, DRIVE(snapshot), 0, 0, "off",
	 "off; for a throw-away copy: qemu-img create -f qcow2 -b FILE -F FORMAT OVERLAY"},
	{"copy-on-read", MP_PROP_CHOICE, DRIVE(copy_on_read), 0, 0, "off",
	 "off; else -blockdev driver=copy-on-read"},
	{"locking", MP_PROP_BOOL, DRIVE(locking), 0, 0, NULL,
	 "image lock, as QEMU takes it; default on"},
	{"aio", MP_PROP_CHOICE, DRIVE(aio), 0, 0, "io_uring|threads|native",
	 "as --aio, for the whole worker; native is io_uring"},
	LIMIT("throttling.bps-total", bps_total),
	LIMIT("throttling.bps-read", bps_read),
	LIMIT("throttling.bps-write", bps_write),
	LIMIT("throttling.iops-total", iops_total),
	LIMIT("throttling.iops-read", iops_read),
	LIMIT("throttling.iops-write", iops_write),
	{"throttling.iops-size", MP_PROP_SIZE, DRIVE(throttle.iops_size), 0, 0, NULL,
	 "bytes that count as one operation; default any"},
	{"throttling.group", MP_PROP_STRING, DRIVE(throttle.group), 0, 63, NULL,
	 "drives of one name share the limits; default id"},
	OLD_LIMIT("bps", bps_total),
	OLD_LIMIT("bps_rd", bps_read),
	OLD_LIMIT("bps_wr", bps_write),
	OLD_LIMIT("iops", iops_total),
	OLD_LIMIT("iops_rd", iops_read),
	OLD_LIMIT("iops_wr", iops_write),
	{"iops_size", MP_PROP_SIZE, DRIVE(throttle.iops_size), 0, 0, NULL, MP_PROP_OLDER},
	{"group", MP_PROP_STRING, DRIVE(throttle.group), 0, 63, NULL, MP_PROP_OLDER},
	{NULL, 0, 0, 0, 0, NULL, NULL},
};

static const char *const formats[] = {
	"bochs", "cloop", "dmg", "luks", "parallels", "qcow", "qcow2",
	"qed",   "raw",   "vdi", "vhdx", "vmdk",      "vpc",
};

#define N(list) (sizeof(list) / sizeof((list)[0]))

/* One -drive while it becomes a node. */
struct making {
	struct mp_opt_drive *d;
	json_t *extra; /* what isn't in the table */
	const struct mp_keyval_item *first; /* of those, but for file.* */
	json_t *objects; /* that its file name needs */
};

static void making_fini(struct making *m)
{
	json_decref(m->extra);
	json_decref(m->objects);
}

static int set_props(struct mp_parser *p, const struct mp_keyval *kv, struct making *m)
{
	char why[2048];
	int r = 0;

	for (unsigned int i = 0; r == 0 && i < kv->n; i++) {
		if (!mp_prop_is_one(mp_props_drive, kv->item[i].key)) {
			r = mp_node_set(m->extra, kv->item[i].key, kv->item[i].value);
			if (strncmp(kv->item[i].key, "file.", 5) != 0 && !m->first)
				m->first = &kv->item[i];
			if (r == -EINVAL)
				return mp_parser_fail(p,
						      "-drive: '%s' is no name, or has both a "
						      "value and members",
						      kv->item[i].key);
		} else if (mp_prop_set(mp_props_drive, m->d, &kv->item[i], why, sizeof(why)) < 0) {
			return mp_parser_fail(p, "-drive: %s", why);
		}
	}
	return mp_err_trace(r);
}

/* Which of driver= and format= says the format, and is it one? */
static int settle_format(struct mp_parser *p, struct mp_opt_drive *d)
{
	char list[160] = "";
	size_t n = 0;

	if (d->driver && d->format && strcmp(d->driver, d->format) != 0)
		return mp_parser_fail(p, "-drive: driver=%s and format=%s exclude each other",
				      d->driver, d->format);
	if (d->driver && !d->format && strcmp(d->driver, "file") != 0 &&
	    strcmp(d->driver, "host_device") != 0)
		d->format = d->driver;
	if (!d->format || strcmp(d->format, "null-co") == 0 || strcmp(d->format, "null-aio") == 0)
		return 0;
	for (size_t i = 0; i < N(formats); i++) {
		if (strcmp(formats[i], d->format) == 0)
			return 0;
		n += (size_t)snprintf(list + n, sizeof(list) - n, "%s%s", i ? ", " : "",
				      formats[i]);
	}
	return mp_parser_fail(p, "-drive: unknown format '%s'; valid are %s", d->format, list);
}

static int check_props(struct mp_parser *p, struct making *m)
{
	struct mp_opt_drive *d = m->d;
	char why[2048];

	if (d->interface && strcmp(d->interface, "none") != 0)
		return mp_parser_fail(p,
				      "-drive if=%s: a drive has no device of its own here; use "
				      "if=none,id=ID with -device scsi-hd,drive=ID",
				      d->interface);
	if (d->node_name && !mp_node_name_is_valid(d->node_name))
		return mp_parser_fail(p,
				      "-drive: node-name '%s' is none: it takes a letter, then "
				      "letters, digits, '-', '.', '_', at most 31 in all",
				      d->node_name);
	if (m->first && (!d->format || mp_node_is_ours(d->format)) &&
	    mp_prop_set(mp_props_drive, d, m->first, why, sizeof(why)) < 0)
		return mp_parser_fail(p, "-drive%s: %s",
				      d->format ? "" : " (a format's own need format=)", why);
	d->direct |= strcmp(d->cache, "none") == 0 || strcmp(d->cache, "directsync") == 0;
	d->no_flush |= strcmp(d->cache, "unsafe") == 0;
	d->write_through = strncmp(d->cache, "writet", 6) == 0 ||
			   strcmp(d->cache, "directsync") == 0 ||
			   (d->writeback && strcmp(d->writeback, "off") == 0);
	d->read_only |= strcmp(d->media, "cdrom") == 0;
	return 0;
}

/* json:{...} is a node as it is, or what lies below one of the format that was said. */
static int from_json(struct mp_parser *p, const struct mp_opt_drive *d, json_t **ret_node)
{
	char why[256];
	int r = mp_node_load(d->file + strlen("json:"), ret_node, why);

	return r == -EINVAL ? mp_parser_fail(p, "-drive id=%s: file=json:...: %s", d->id, why)
			    : mp_err_trace(r);
}

/* The node that has the data; NULL: there is no medium. */
static int make_file(struct mp_parser *p, struct making *m, json_t **ret_node)
{
	json_t *more = json_object_get(m->extra, "file");
	struct mp_opt_drive *d = m->d;
	struct mp_node_source source = {.node = NULL};
	char why[256];
	int r = 0;

	if (d->file && strncmp(d->file, "json:", 5) == 0)
		return mp_err_trace(from_json(p, d, ret_node));
	if (d->file)
		r = mp_node_from_name(d->file, &source, why);
	else if (d->format && strncmp(d->format, "null-", 5) == 0)
		r = mp_node_put_text(source.node = json_object(), "driver", d->format);
	else if (more)
		r = mp_node_put_text(source.node = json_object(), "driver", "file");
	m->objects = source.objects;
	*ret_node = source.node;
	if (r == -EINVAL)
		return mp_parser_fail(p, "-drive id=%s: %s", d->id, why);
	if (r == 0 && more && json_object_update(source.node, more) < 0)
		return mp_err_origin(-ENOMEM);
	return mp_err_trace(r);
}

static int put_options(const struct mp_opt_drive *d, json_t *file)
{
	const char *driver = mp_node_text(file, "driver");
	bool is_file = strcmp(driver, "file") == 0 || strcmp(driver, "host_device") == 0;
	int r = 0;

	if (is_file && d->aio)
		r = mp_node_put_text(file, "aio", d->aio);
	if (r == 0 && is_file && !d->locking)
		r = mp_node_put_text(file, "locking", "off");
	if (r == 0 && d->size)
		r = mp_node_put(file, "size", json_integer((json_int_t)d->size));
	return mp_err_trace(r);
}

/* The node of the format over the node of the file. */
static int put_format(const struct mp_opt_drive *d, json_t *top, json_t *file)
{
	int r = mp_node_put_text(top, "driver", d->format ? d->format : "raw");

	return r == 0 ? mp_err_trace(mp_node_put(top, "file", json_incref(file))) : mp_err_trace(r);
}

static int put_cache(const struct mp_opt_drive *d, json_t *top)
{
	int r = 0;

	if (d->direct)
		r = mp_node_set(top, "cache.direct", "on");
	if (r == 0 && d->no_flush)
		r = mp_node_set(top, "cache.no-flush", "on");
	if (r == 0 && (strcmp(d->discard, "unmap") == 0 || strcmp(d->discard, "on") == 0))
		r = mp_node_put_text(top, "discard", "unmap");
	return mp_err_trace(r);
}

/* Without format=: what may we take for granted? */
static int guess_format(struct mp_parser *p, struct mp_opt_drive *d, const char *driver)
{
	bool is_file = strcmp(driver, "file") == 0 || strcmp(driver, "host_device") == 0;

	if (d->format)
		return 0;
	d->probed = is_file;
	if (is_file || strcmp(driver, "nbd") == 0 || strncmp(driver, "null-", 5) == 0 ||
	    strcmp(d->media, "cdrom") == 0)
		return 0;
	return mp_parser_fail(p,
			      "-drive id=%s: %s: which format? Only files are looked at; add "
			      "format=raw or format=qcow2",
			      d->id, d->file ? d->file : driver);
}

/* -blockdev wants to know how an image is encrypted; -drive sees it in the image, where LUKS is all that is made. */
static int settle_encryption(json_t *top)
{
	const char *driver = mp_node_text(top, "driver");
	json_t *encrypt = json_object_get(top, "encrypt");

	if (!encrypt || !driver || strcmp(driver, "qcow2") != 0 ||
	    json_object_get(encrypt, "format"))
		return 0;
	return mp_err_trace(mp_node_put_text(encrypt, "format", "luks"));
}

/* @file is the node below, or the node itself, if that is all. */
static int make_node(struct mp_parser *p, struct making *m, json_t *file, json_t **ret_top)
{
	const char *driver = mp_node_text(file, "driver");
	struct mp_opt_drive *d = m->d;
	bool whole;
	int r;

	if (!driver)
		return mp_parser_fail(p, "-drive id=%s: driver=NAME is missing in file", d->id);
	whole = strncmp(driver, "null-", 5) == 0 || (!d->format && json_object_get(file, "file"));
	if (d->size && strncmp(driver, "null-", 5) != 0)
		return mp_parser_fail(
			p, "-drive id=%s: size is of null-co only; a file's is its own", d->id);
	r = whole ? 0 : guess_format(p, d, driver);
	if (r == 0)
		r = put_options(d, file);
	*ret_top = whole ? json_incref(file) : json_object();
	if (r == 0 && !whole)
		r = put_format(d, *ret_top, file);
	if (r == 0)
		r = put_cache(d, *ret_top);
	json_object_del(m->extra, "file");
	if (r == 0 &&
	    (json_object_update(*ret_top, m->extra) < 0 || mp_node_fold_lists(*ret_top) < 0))
		r = mp_err_origin(-ENOMEM);
	if (r == 0)
		r = settle_encryption(*ret_top);
	return mp_err_trace(r);
}

/* The lists of the command line own what was made, whatever comes next. */
static int keep(struct mp_parser *p, json_t *node)
{
	return node && json_array_append_new(p->c->made, node) < 0 ? mp_err_origin(-ENOMEM) : 0;
}

static int make(struct mp_parser *p, struct making *m, const struct mp_keyval *kv,
		struct mp_parser_top *ret_top)
{
	json_t *file = NULL, *top = NULL;
	int r;

	r = set_props(p, kv, m);
	if (r == 0)
		r = settle_format(p, m->d);
	if (r == 0)
		r = check_props(p, m);
	if (r == 0)
		r = make_file(p, m, &file);
	if (r == 0 && file)
		r = make_node(p, m, file, &top);
	if (r == 0)
		*ret_top = (struct mp_parser_top){.node = top, .objects = m->objects};
	if (keep(p, top) < 0 || keep(p, file) < 0)
		r = mp_err_origin(-ENOMEM);
	if (m->objects && json_array_append(p->c->made, m->objects) < 0)
		r = mp_err_origin(-ENOMEM);
	return mp_err_trace(r);
}

int mp_drive_make(struct mp_parser *p, const struct mp_keyval *kv, struct mp_opt_drive *d,
		  struct mp_parser_top *ret_top)
{
	struct making m = {.d = d, .extra = json_object()};
	int r = m.extra ? make(p, &m, kv, ret_top) : mp_err_origin(-ENOMEM);

	making_fini(&m);
	return mp_err_trace(r);
}

/* As QEMU names drives that nobody has named. */
static int make_id(struct mp_parser *p, struct mp_opt_drive *d, unsigned int number)
{
	char *id = NULL;

	if (asprintf(&id, "none%u", number) < 0)
		return mp_err_origin(-ENOMEM);
	d->id = id;
	return mp_err_trace(mp_texts_take(p->texts, id));
}

int mp_parse_drive(struct mp_parser *p, const struct mp_option *o, const char *arg)
{
	unsigned int i = p->c->n_drives;
	struct mp_opt_drive *d = &p->c->drive[i];
	struct mp_keyval kv = MP_KEYVAL_NULL;
	int r;

	if (i == MP_CMDLINE_MAX_DISKS)
		return mp_parser_fail(p, "more than %u drives in one worker", MP_CMDLINE_MAX_DISKS);
	r = mp_parser_split(p, o->name, arg, NULL, &kv);
	if (r < 0)
		return mp_err_trace(r);
	mp_drive_init(d);
	if (!mp_keyval_get(&kv, "id"))
		r = make_id(p, d, i);
	if (r == 0)
		r = mp_drive_make(p, &kv, d, &p->top[i]);
	if (r == 0)
		p->c->n_drives++;
	return mp_err_trace(r);
}

/* -- what else is found out ------------------------------------------------------ */

/* Becomes a storage daemon's drive; its nodes were written down in case of this. */
static int give_away(struct mp_parser *p, struct mp_opt_drive *d, const char *format)
{
	json_t *nodes = json_loads(d->blockdev, 0, NULL);
	json_t *top = json_array_get(nodes, json_array_size(nodes) - 1);
	char *blockdev = NULL, *objects = NULL;
	int r = mp_node_put_text(top, "driver", format);

	if (r == 0)
		r = mp_texts_take(p->texts, blockdev = json_dumps(nodes, JSON_COMPACT));
	if (r == 0 && json_array_size(p->c->objects) > 0)
		r = mp_texts_take(p->texts, objects = json_dumps(p->c->objects, JSON_COMPACT));
	json_decref(nodes);
	if (r < 0)
		return mp_err_trace(r);
	d->kind = MP_DRIVE_DAEMON;
	d->blockdev = blockdev;
	d->objects = objects;
	d->format = format;
	d->probed = false;
	return 0;
}

int mp_drive_probe(struct mp_parser *p, struct mp_opt_drive *d)
{
	const char *format = d->probed ? mp_probe_file(d->file) : NULL;

	return format ? mp_err_trace(give_away(p, d, format)) : 0;
}

int mp_cmdline_probe(struct mp_cmdline *c)
{
	struct mp_parser p = {.c = c, .texts = &c->texts};
	int r = 0;

	for (unsigned int i = 0; r == 0 && i < c->n_drives; i++)
		r = mp_drive_probe(&p, &c->drive[i]);
	return mp_err_trace(r);
}
