/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Who serves a node? What -drive has said is a node too by now, so there is one
 * answer for both:
 *
 *	raw over file, or file			the worker: MP_DRIVE_RAW
 *	null-co, null-aio			MP_DRIVE_NULL
 *	raw over nbd, or nbd, without TLS	the worker, over a socket: MP_DRIVE_NBD
 *	anything else, and whatever of these
 *	has an option that the worker hasn't	a storage daemon: MP_DRIVE_DAEMON
 *
 * A daemon gets the node as it was given, and before it every node that it
 * names. Filters of limits on top are taken off first: limits are kept by the
 * worker, whoever has the data.
 */
#include "remote-worker/options/blockdev.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include "block/probe.h"
#include "remote-worker/options/id.h"
#include "remote-worker/options/node.h"

#define MAX_DEPTH 32u

/* The options that we have ourselves, of the drivers that we have ourselves. */
struct node_opts {
	const char *driver, *name, *filename, *discard, *detect_zeroes, *locking, *aio;
	const char *type, *host, *port, *path, *export_name;
	uint64_t size;
	bool read_only, direct, no_flush;
};

#define NODE(f) offsetof(struct node_opts, f)
const struct mp_prop mp_props_blockdev[] = {
	{"driver", MP_PROP_STRING, NODE(driver), 0, 0, NULL,
	 "raw, file, host_device, null-co, nbd; others: a storage daemon's, with all\n"
	 "                            the options that it has; needed"},
	{"node-name", MP_PROP_STRING, NODE(name), 0, 31, NULL, "name, for drive=; needed"},
	{"file", MP_PROP_IGNORED, 0, 0, 0, NULL, "name of the node below, or file.KEY=VALUE"},
	{"filename", MP_PROP_STRING, NODE(filename), 0, 4095, NULL, "of file and host_device"},
	{"read-only", MP_PROP_BOOL, NODE(read_only), 0, 0, NULL, "default off"},
	{"auto-read-only", MP_PROP_IGNORED, 0, 0, 0, NULL, "ignored"},
	{"cache.direct", MP_PROP_BOOL, NODE(direct), 0, 0, NULL, "O_DIRECT; default off"},
	{"cache.no-flush", MP_PROP_BOOL, NODE(no_flush), 0, 0, NULL, "don't flush; default off"},
	{"discard", MP_PROP_CHOICE, NODE(discard), 0, 0, "unmap|ignore",
	 "does UNMAP reach the file? default ignore"},
	{"detect-zeroes", MP_PROP_CHOICE, NODE(detect_zeroes), 0, 0, "off|on|unmap",
	 "as of -drive; default off"},
	{"aio", MP_PROP_CHOICE, NODE(aio), 0, 0, "io_uring|threads|native", "as of -drive"},
	{"locking", MP_PROP_CHOICE, NODE(locking), 0, 0, "auto|on|off",
	 "image lock; default auto, which is on"},
	{"size", MP_PROP_SIZE, NODE(size), 0, 0, NULL, "bytes, of null-co; default 1G"},
	{"export", MP_PROP_STRING, NODE(export_name), 0, 4095, NULL, "of nbd; default none"},
	{"server.type", MP_PROP_CHOICE, NODE(type), 0, 0, "inet|unix", "of nbd"},
	{"server.host", MP_PROP_STRING, NODE(host), 0, 255, NULL, "of nbd"},
	{"server.port", MP_PROP_STRING, NODE(port), 0, 31, NULL, "of nbd"},
	{"server.path", MP_PROP_STRING, NODE(path), 0, 107, NULL, "of nbd: a unix socket"},
	{NULL, 0, 0, 0, 0, NULL, NULL},
};

/* Of our drivers too, but a storage daemon does it. */
static const char *const for_daemon[] = {
	"force-share",           "offset",          "pr-manager",   "drop-cache",
	"x-check-cache-dropped", "aio-max-batch",   "tls-creds",    "tls-hostname",
	"x-dirty-bitmap",        "reconnect-delay", "open-timeout", "latency-ns",
	"read-zeroes",           "server.ipv4",     "server.ipv6",  "server.numeric",
	"server.keep-alive",     "server.mptcp",    "server.to",    "server.abstract",
	"server.tight",
};

/* Members that name another node; in rbd "image" is something else. */
static const char *const links[] = {"file", "backing", "data-file", "image", "test", "raw"};
static const char no_links[] = "rbd";

#define N(list) (sizeof(list) / sizeof((list)[0]))

static const char *driver_of(const json_t *node)
{
	const char *driver = mp_node_text(node, "driver");

	return driver ? driver : "";
}

static bool is_file(const char *driver)
{
	return strcmp(driver, "file") == 0 || strcmp(driver, "host_device") == 0 ||
	       strcmp(driver, "host_cdrom") == 0;
}

static bool is_null(const char *driver)
{
	return strcmp(driver, "null-co") == 0 || strcmp(driver, "null-aio") == 0;
}

bool mp_node_is_ours(const char *driver)
{
	return is_file(driver) || is_null(driver) || strcmp(driver, "raw") == 0 ||
	       strcmp(driver, "nbd") == 0;
}

/* The node below, inline or by its name; NULL with a sentence. */
static json_t *child_of(struct mp_parser *p, json_t *node)
{
	json_t *file = json_object_get(node, "file"), *child = NULL;
	const char *name = json_string_value(file);

	if (json_is_object(file))
		return file;
	if (name)
		child = json_object_get(p->c->nodes, name);
	if (!name)
		mp_parser_fail(p, "a block node with driver=%s has no file", driver_of(node));
	else if (!child)
		mp_parser_fail(p, "no block node '%s'; add -blockdev node-name=%s,...", name, name);
	return child;
}

/* -- limits on top ------------------------------------------------------------- */

static int take_limits(struct mp_parser *p, json_t *filter, struct mp_opt_drive *d)
{
	const char *group = mp_node_text(filter, "throttle-group");

	if (d->throttle.group)
		return mp_parser_fail(p, "one throttle filter over another isn't supported");
	if (!group)
		return mp_parser_fail(p, "-blockdev driver=throttle: throttle-group=ID is missing");
	for (unsigned int i = 0; i < p->n_groups; i++) {
		if (strcmp(p->group[i].id, group) != 0)
			continue;
		d->throttle = p->group[i].limits;
		d->throttle.group = group;
		return 0;
	}
	return mp_parser_fail(p, "no throttle group '%s'; add -object throttle-group,id=%s,...",
			      group, group);
}

static int take_filters_off(struct mp_parser *p, json_t **node, struct mp_opt_drive *d)
{
	int r;

	if (strcmp(driver_of(*node), "throttle") == 0)
		d->filter = mp_node_text(*node, "node-name");
	while (strcmp(driver_of(*node), "throttle") == 0) {
		r = take_limits(p, *node, d);
		if (r < 0)
			return mp_err_trace(r);
		*node = child_of(p, *node);
		if (!*node)
			return mp_err_origin(-EINVAL);
	}
	return 0;
}

/* -- nodes that the worker has itself ---------------------------------------------- */

/* Returns 0, 1 if only a storage daemon can do it, or negative errno. */
static int read_node(struct mp_parser *p, json_t *node, struct node_opts *o)
{
	struct mp_keyval kv;
	char why[1024];
	int r;

	r = mp_node_flatten(node, p->texts, &kv);
	if (r == -E2BIG)
		return mp_parser_fail(p, "a block node has too many options");
	if (r < 0)
		return mp_err_trace(r);
	for (unsigned int i = 0; i < kv.n; i++)
		if (mp_word_is_in(for_daemon, N(for_daemon), kv.item[i].key))
			return 1;
	for (unsigned int i = 0; i < kv.n; i++)
		if (mp_prop_set(mp_props_blockdev, o, &kv.item[i], why, sizeof(why)) < 0)
			return mp_parser_fail(p, "block node with driver=%s: %s", driver_of(node),
					      why);
	/* A raw node that shows a part of its file. */
	return o->size && !is_null(driver_of(node));
}

static void take_opts(struct mp_opt_drive *d, const struct node_opts *o)
{
	d->read_only |= o->read_only;
	d->direct |= o->direct;
	d->no_flush |= o->no_flush;
	if (o->discard)
		d->discard = o->discard;
	if (o->detect_zeroes)
		d->detect_zeroes = o->detect_zeroes;
	if (o->locking)
		d->file_locking = o->locking;
	if (o->aio)
		d->aio = o->aio;
}

static int take_nbd(struct mp_parser *p, struct mp_opt_drive *d, const struct node_opts *o)
{
	bool is_unix = o->type && strcmp(o->type, "unix") == 0;

	if (is_unix ? !o->path : !o->host)
		return mp_parser_fail(p, "block node with driver=nbd: server.type=inet,server.host="
					 "NAME or server.type=unix,server.path=NAME is missing");
	d->kind = MP_DRIVE_NBD;
	d->nbd = (struct mp_opt_nbd){.host = is_unix ? NULL : o->host,
				     .port = is_unix   ? NULL
					     : o->port ? o->port
						       : "10809",
				     .path = is_unix ? o->path : NULL,
				     .export_name = o->export_name ? o->export_name : ""};
	return 0;
}

static int take_node(struct mp_parser *p, struct mp_opt_drive *d, const struct node_opts *o)
{
	if (strcmp(o->driver, "nbd") == 0)
		return mp_err_trace(take_nbd(p, d, o));
	if (is_null(o->driver)) {
		d->kind = MP_DRIVE_NULL;
		d->size = o->size ? o->size : 1ull << 30;
		return 0;
	}
	if (!o->filename)
		return mp_parser_fail(p, "block node with driver=%s: filename=NAME is missing",
				      o->driver);
	d->kind = MP_DRIVE_RAW;
	d->file = o->filename;
	return 0;
}

/* Returns 0, 1 if it is for a storage daemon, or negative errno. */
static int try_ourselves(struct mp_parser *p, json_t *top, struct mp_opt_drive *d)
{
	struct node_opts o = {.driver = NULL}, below = {.driver = NULL};
	json_t *child = NULL;
	int r;

	if (!mp_node_is_ours(driver_of(top)))
		return 1;
	r = read_node(p, top, &o);
	if (r != 0)
		return r;
	if (strcmp(o.driver, "raw") != 0) {
		take_opts(d, &o);
		return mp_err_trace(take_node(p, d, &o));
	}
	child = child_of(p, top);
	if (!child)
		return mp_err_origin(-EINVAL);
	if (!mp_node_is_ours(driver_of(child)) || strcmp(driver_of(child), "raw") == 0)
		return 1;
	r = read_node(p, child, &below);
	if (r != 0)
		return r;
	d->below = driver_of(child);
	d->below_name = mp_node_text(child, "node-name");
	/* What the node below was told by itself holds; what it wasn't, an inline one inherits. */
	take_opts(d, &below);
	take_opts(d, &o);
	if (json_is_string(json_object_get(top, "file")) && !below.discard)
		d->discard = "ignore";
	return mp_err_trace(take_node(p, d, &below));
}

/* -- nodes for a storage daemon ------------------------------------------------------ */

static bool has_node(json_t *list, const json_t *node)
{
	for (size_t i = 0; i < json_array_size(list); i++)
		if (json_array_get(list, i) == node)
			return true;
	return false;
}

static int add_nodes(struct mp_parser *p, json_t *node, json_t *list, unsigned int depth);

/* A member that may name a node, or have one in it. */
static int follow(struct mp_parser *p, const char *key, json_t *value, json_t *list,
		  unsigned int depth)
{
	bool is_link = mp_word_is_in(links, N(links), key);
	const char *name = is_link ? json_string_value(value) : NULL;
	json_t *other = name && *name ? json_object_get(p->c->nodes, name) : NULL;
	int r = 0;

	if (name && *name && !other)
		return mp_parser_fail(p, "no block node '%s'; add -blockdev node-name=%s,...", name,
				      name);
	if (other)
		r = add_nodes(p, other, list, depth + 1);
	if (r == 0 && other && !has_node(list, other) && json_array_append(list, other) < 0)
		return mp_err_origin(-ENOMEM);
	if (json_is_object(value))
		r = add_nodes(p, value, list, depth + 1);
	/* "children" of quorum: each is what "file" may be. */
	for (size_t i = 0; r == 0 && strcmp(key, "children") == 0 && i < json_array_size(value);
	     i++)
		r = follow(p, "file", json_array_get(value, i), list, depth + 1);
	return mp_err_trace(r);
}

/* All nodes that @node names, those that they name before them. */
static int add_nodes(struct mp_parser *p, json_t *node, json_t *list, unsigned int depth)
{
	const char *key;
	json_t *value;
	int r;

	if (depth >= MAX_DEPTH)
		return mp_parser_fail(p, "block nodes are nested too deep, or name each other in a "
					 "circle");
	if (strcmp(driver_of(node), no_links) == 0)
		return 0;
	json_object_foreach(node, key, value)
	{
		r = follow(p, key, value, list, depth);
		if (r < 0)
			return mp_err_trace(r);
	}
	return 0;
}

static int dump(struct mp_parser *p, json_t *json, const char **ret_text)
{
	char *text = json_dumps(json, JSON_COMPACT);

	*ret_text = text;
	return mp_err_trace(mp_texts_take(p->texts, text));
}

/* The name of a file, for people: the first that is found on the way down. */
static const char *find_filename(struct mp_parser *p, json_t *node)
{
	static const char *const keys[] = {"filename", "url", "image", "path"};
	const char *name = NULL, *below;

	for (unsigned int depth = 0; node && !name && depth < MAX_DEPTH; depth++) {
		for (size_t i = 0; !name && i < N(keys); i++)
			name = mp_node_text(node, keys[i]);
		below = mp_node_text(node, "file");
		node = below ? json_object_get(p->c->nodes, below) : json_object_get(node, "file");
	}
	return name;
}

static int refuse_foreign(struct mp_parser *p, const struct mp_opt_drive *d, const char *text)
{
	return mp_parser_fail(
		p,
		"%s%s: '%s' isn't UTF-8, and its storage daemon takes nothing else; "
		"give it another name, or a link that has one",
		d->id[0] ? "-drive id=" : "-blockdev node-name=", mp_opt_drive_name(d), text);
}

static int for_storage_daemon(struct mp_parser *p, json_t *top, struct mp_opt_drive *d)
{
	json_t *list = json_array();
	const char *foreign;
	int r = list ? add_nodes(p, top, list, 0) : mp_err_origin(-ENOMEM);

	if (r == 0 && json_array_append(list, top) < 0)
		r = mp_err_origin(-ENOMEM);
	foreign = mp_node_foreign(list);
	if (r == 0 && foreign)
		r = refuse_foreign(p, d, foreign);
	if (r == 0)
		r = dump(p, list, &d->blockdev);
	if (!d->file)
		d->file = find_filename(p, top);
	json_decref(list);
	return mp_err_trace(r);
}

/* Raw as it seems, but it may turn out to be something else. Which can't be if JSON can't have its name. */
static int prepare_for_daemon(struct mp_parser *p, json_t *top, struct mp_opt_drive *d)
{
	const char *foreign = mp_node_foreign(top);

	if (!foreign)
		return mp_err_trace(for_storage_daemon(p, top, d));
	return mp_probe_file(d->file) ? refuse_foreign(p, d, foreign) : 0;
}

static int add_objects(struct mp_parser *p, json_t *own, struct mp_opt_drive *d)
{
	json_t *list = json_copy(p->c->objects);
	int r = list ? 0 : mp_err_origin(-ENOMEM);

	if (r == 0 && own && json_array_extend(list, own) < 0)
		r = mp_err_origin(-ENOMEM);
	if (r == 0 && json_array_size(list) > 0)
		r = dump(p, list, &d->objects);
	json_decref(list);
	return mp_err_trace(r);
}

static int give_to_daemon(struct mp_parser *p, json_t *top, json_t *objects, struct mp_opt_drive *d)
{
	int r = for_storage_daemon(p, top, d);

	if (r < 0)
		return mp_err_trace(r);
	d->kind = MP_DRIVE_DAEMON;
	d->read_only |= json_is_true(json_object_get(top, "read-only"));
	if (strcmp(mp_node_text(top, "discard") ? mp_node_text(top, "discard") : "", "unmap") == 0)
		d->discard = "unmap";
	return mp_err_trace(add_objects(p, objects, d));
}

/* -- the whole ------------------------------------------------------------------------ */

int mp_drive_of_node(struct mp_parser *p, json_t *node, json_t *objects, struct mp_opt_drive *d)
{
	const char *name;
	int r;

	r = take_filters_off(p, &node, d);
	if (r < 0)
		return mp_err_trace(r);
	/* One that is written inside its filter may have no name, and gets this. */
	if (d->filter && !mp_node_text(node, "node-name"))
		r = mp_node_put_text(node, "node-name", d->filter);
	if (r < 0)
		return mp_err_trace(r);
	d->format = driver_of(node);
	name = mp_node_text(node, "node-name");
	if (name)
		d->node_name = name;
	r = try_ourselves(p, node, d);
	if (r == 1)
		r = give_to_daemon(p, node, objects, d);
	else if (r == 0 && d->probed)
		r = prepare_for_daemon(p, node, d);
	return mp_err_trace(r);
}

void mp_drive_init(struct mp_opt_drive *d)
{
	*d = (struct mp_opt_drive){.id = "",
				   .locking = true,
				   .media = "disk",
				   .cache = "writeback",
				   .file_locking = "auto",
				   .discard = "ignore",
				   .detect_zeroes = "off",
				   .rerror = "report",
				   .werror = "enospc"};
}

bool mp_node_name_is_valid(const char *name)
{
	return strlen(name) <= 31 && mp_id_is_wellformed(name);
}

int mp_blockdev_add(struct mp_parser *p, json_t *node)
{
	const char *name = mp_node_text(node, "node-name");

	if (!mp_node_text(node, "driver"))
		return mp_parser_fail(p, "-blockdev: driver=NAME is missing");
	if (!name)
		return mp_parser_fail(p, "-blockdev: node-name=NAME is missing");
	if (!mp_node_name_is_valid(name))
		return mp_parser_fail(p,
				      "-blockdev: node-name '%s': it takes a letter, then letters, "
				      "digits, '-', '.', '_', at most 31 in all",
				      name);
	if (json_object_get(p->c->nodes, name))
		return mp_parser_fail(p, "two block nodes have the name '%s'", name);
	return json_object_set(p->c->nodes, name, node) < 0 ? mp_err_origin(-ENOMEM) : 0;
}

static int node_from_text(struct mp_parser *p, const struct mp_option *o, const char *arg,
			  json_t *node)
{
	struct mp_keyval kv = MP_KEYVAL_NULL;
	int r = mp_parser_split(p, o->name, arg, "driver", &kv);

	for (unsigned int i = 0; r == 0 && i < kv.n; i++) {
		r = mp_node_set(node, kv.item[i].key, kv.item[i].value);
		if (r == -EINVAL)
			return mp_parser_fail(p,
					      "-blockdev: '%s' is no name, or has both a value "
					      "and members",
					      kv.item[i].key);
	}
	return r == 0 ? mp_err_trace(mp_node_fold_lists(node)) : mp_err_trace(r);
}

int mp_parse_blockdev(struct mp_parser *p, const struct mp_option *o, const char *arg)
{
	json_t *node = NULL;
	char why[256];
	int r;

	if (arg[0] == '{') {
		r = mp_node_load(arg, &node, why);
		if (r == -EINVAL)
			return mp_parser_fail(p, "-blockdev %s: %s", arg, why);
	} else {
		node = json_object();
		r = node ? node_from_text(p, o, arg, node) : mp_err_origin(-ENOMEM);
	}
	if (r == 0)
		r = mp_blockdev_add(p, node);
	json_decref(node);
	return mp_err_trace(r);
}
