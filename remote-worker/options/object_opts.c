/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * -object: the one that connects an adapter with its proxy; limits that several
 * options name; what storage daemons need to get at an image. Objects that only
 * QEMU's machine uses are accepted.
 */
#include <errno.h>
#include <string.h>

#include "base/err.h"
#include "remote-worker/options/blockdev.h"
#include "remote-worker/options/node.h"

#define OBJECT(f) offsetof(struct mp_parser_object, f)
const struct mp_prop mp_props_object[] = {
	{"id", MP_PROP_STRING, OBJECT(id), 0, 63, NULL, "name"},
	{"devid", MP_PROP_STRING, OBJECT(devid), 0, 63, NULL, "id of the -device; needed"},
	{"fd", MP_PROP_UINT, OBJECT(fd), 0, INT32_MAX, NULL,
	 "socket to the proxy, or one that listens for it"},
	{"socket", MP_PROP_STRING, OBJECT(path), 0, 107, NULL,
	 "instead of fd: listen there for the proxy"},
	{NULL, 0, 0, 0, 0, NULL, NULL},
};

#define GROUP(f) offsetof(struct mp_parser_group, f)
#define LIMIT(name, f)                                                                              \
	{"x-" name, MP_PROP_SIZE, GROUP(limits.f.avg), 0, 0, NULL, "a second; default no limit"},   \
		{"x-" name "-max",     MP_PROP_SIZE, GROUP(limits.f.max), 0, 0, NULL,               \
		 "a second, in bursts"},                                                            \
		{"x-" name "-max-length",                                                           \
		 MP_PROP_SIZE,                                                                      \
		 GROUP(limits.f.max_length),                                                        \
		 0,                                                                                 \
		 0,                                                                                 \
		 NULL,                                                                              \
		 "seconds of a burst; default 1"},                                                  \
		{"limits." name, MP_PROP_SIZE, GROUP(limits.f.avg), 0, 0, NULL, "the same"},        \
		{"limits." name "-max", MP_PROP_SIZE, GROUP(limits.f.max), 0, 0, NULL, "the same"}, \
	{                                                                                           \
		"limits." name "-max-length", MP_PROP_SIZE, GROUP(limits.f.max_length), 0, 0,       \
			NULL, "the same"                                                            \
	}

const struct mp_prop mp_props_group[] = {
	{"id", MP_PROP_STRING, GROUP(id), 0, 63, NULL,
	 "for throttle-group= of -blockdev driver=throttle; needed"},
	LIMIT("bps-total", bps_total),
	LIMIT("bps-read", bps_read),
	LIMIT("bps-write", bps_write),
	LIMIT("iops-total", iops_total),
	LIMIT("iops-read", iops_read),
	LIMIT("iops-write", iops_write),
	{"x-iops-size", MP_PROP_SIZE, GROUP(limits.iops_size), 0, 0, NULL,
	 "bytes that count as one operation; default any"},
	{"limits.iops-size", MP_PROP_SIZE, GROUP(limits.iops_size), 0, 0, NULL, "the same"},
	{NULL, 0, 0, 0, 0, NULL, NULL},
};

/* For storage daemons, who check them. */
static const char *const for_daemons[] = {"secret", "secret_keyring", "tls-creds-x509",
					  "tls-creds-psk", "tls-creds-anon"};
/* Of the machine. */
static const char *const idle[] = {
	"iothread",           "main-loop",  "memory-backend-file", "memory-backend-memfd",
	"memory-backend-ram", "rng-random", "rng-builtin",         "thread-context",
};

#define N(list) (sizeof(list) / sizeof((list)[0]))

static int set_all(struct mp_parser *p, const struct mp_prop *props, const struct mp_keyval *kv,
		   void *object)
{
	const char *type = mp_keyval_get(kv, "qom-type");
	char why[1536];

	for (unsigned int i = 0; i < kv->n; i++)
		if (strcmp(kv->item[i].key, "qom-type") != 0 &&
		    mp_prop_set(props, object, &kv->item[i], why, sizeof(why)) < 0)
			return mp_parser_fail(p, "-object %s: %s", type, why);
	return 0;
}

static int parse_remote(struct mp_parser *p, const struct mp_keyval *kv)
{
	struct mp_parser_object *o = &p->object[p->n_objects];
	int r;

	if (p->n_objects == MP_CMDLINE_MAX_HBAS)
		return mp_parser_fail(p, "more than %u objects in one worker", MP_CMDLINE_MAX_HBAS);
	*o = (struct mp_parser_object){.fd = MP_PARSER_NO_ID};
	r = set_all(p, mp_props_object, kv, o);
	if (r < 0)
		return mp_err_trace(r);
	if (!o->devid || (o->fd == MP_PARSER_NO_ID) == !o->path)
		return mp_parser_fail(p, "-object x-remote-object: devid=ID is needed, and one of "
					 "fd=N and socket=PATH");
	p->n_objects++;
	return 0;
}

static int parse_group(struct mp_parser *p, const struct mp_keyval *kv)
{
	struct mp_parser_group *g = &p->group[p->n_groups];
	int r;

	if (p->n_groups == MP_PARSER_MAX_GROUPS)
		return mp_parser_fail(p, "more than %u throttle groups", MP_PARSER_MAX_GROUPS);
	*g = (struct mp_parser_group){.id = NULL};
	r = set_all(p, mp_props_group, kv, g);
	if (r < 0)
		return mp_err_trace(r);
	if (!g->id)
		return mp_parser_fail(p, "-object throttle-group: id=NAME is missing");
	for (unsigned int i = 0; i < p->n_groups; i++)
		if (strcmp(p->group[i].id, g->id) == 0)
			return mp_parser_fail(p, "two throttle groups have the id '%s'", g->id);
	p->n_groups++;
	return 0;
}

static int parse_other(struct mp_parser *p, const struct mp_keyval *kv)
{
	json_t *object = json_object();
	const char *foreign;
	int r = object ? 0 : mp_err_origin(-ENOMEM);

	for (unsigned int i = 0; r == 0 && i < kv->n; i++) {
		r = mp_node_set(object, kv->item[i].key, kv->item[i].value);
		if (r == -EINVAL)
			r = mp_parser_fail(p, "-object: '%s' is no name", kv->item[i].key);
	}
	foreign = mp_node_foreign(object);
	if (r == 0 && foreign)
		r = mp_parser_fail(p, "-object %s: '%s' isn't UTF-8", mp_keyval_get(kv, "qom-type"),
				   foreign);
	if (r == 0 && !mp_node_text(object, "id"))
		r = mp_parser_fail(p, "-object %s: id=NAME is missing",
				   mp_keyval_get(kv, "qom-type"));
	if (r == 0 && json_array_append(p->c->objects, object) < 0)
		r = mp_err_origin(-ENOMEM);
	json_decref(object);
	return mp_err_trace(r);
}

int mp_parse_object(struct mp_parser *p, const struct mp_option *o, const char *arg)
{
	struct mp_keyval kv = MP_KEYVAL_NULL;
	const char *type;
	int r;

	r = mp_parser_split(p, o->name, arg, "qom-type", &kv);
	if (r < 0)
		return mp_err_trace(r);
	type = mp_keyval_get(&kv, "qom-type");
	if (type && strcmp(type, "x-remote-object") == 0)
		return mp_err_trace(parse_remote(p, &kv));
	if (type && strcmp(type, "throttle-group") == 0)
		return mp_err_trace(parse_group(p, &kv));
	if (type && mp_word_is_in(for_daemons, N(for_daemons), type))
		return mp_err_trace(parse_other(p, &kv));
	if (type && mp_word_is_in(idle, N(idle), type))
		return mp_err_trace(mp_parser_warn(p, "-object %s has no meaning here", type));
	return mp_parser_fail(p,
			      "-object %s: unknown object; valid are x-remote-object, "
			      "throttle-group, secret, tls-creds-x509, tls-creds-psk, "
			      "tls-creds-anon",
			      arg);
}
