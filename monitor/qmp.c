/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * QMP on one request: what its members say, which command it is, its answer.
 *
 * Faults are found in QEMU's order, with QEMU's words: members first, when the
 * request is read (mp_qmp_check()), then negotiation, name, arguments, when its
 * turn comes. So a wrong request is answered in its place among the others.
 *
 * An id is kept as the text that it was, and comes back as that: parsed and printed
 * again a number could be another one.
 */
#include "monitor/internal.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include "monitor/unicode.h"

#define DUMP_FLAGS (JSON_ENSURE_ASCII | JSON_REAL_PRECISION(17) | JSON_ENCODE_ANY)

static const char *const class_names[] = {
	[MP_MON_GENERIC] = "GenericError",
	[MP_MON_COMMAND_NOT_FOUND] = "CommandNotFound",
	[MP_MON_DEVICE_NOT_FOUND] = "DeviceNotFound",
	[MP_MON_DEVICE_NOT_ACTIVE] = "DeviceNotActive",
	[MP_MON_KVM_MISSING_CAP] = "KVMMissingCap",
};

const char *mp_mon_class_name(enum mp_mon_class class)
{
	return class_names[class];
}

enum mp_mon_class mp_mon_class_of(const char *name)
{
	for (unsigned int i = 0; i < sizeof(class_names) / sizeof(class_names[0]); i++)
		if (strcmp(class_names[i], name) == 0)
			return (enum mp_mon_class)i;
	return MP_MON_GENERIC;
}

void *mp_mon_fail(struct mp_mon_call *call, enum mp_mon_class class, const char *fmt, ...)
{
	va_list args;

	if (call->error.is_set)
		return NULL;
	call->error.is_set = true;
	call->error.class = class;
	va_start(args, fmt);
	vsnprintf(call->error.desc, sizeof(call->error.desc), fmt, args);
	va_end(args);
	return NULL;
}

/* --- output --- */

static int dump_into(const char *text, size_t len, void *opaque)
{
	return mp_mon_buf_add(opaque, text, len);
}

static void dump(struct mp_mon_buf *out, const json_t *value, size_t flags)
{
	/* Its only failure beside memory is a value that isn't JSON, which we never make. */
	if (json_dump_callback(value, dump_into, out, DUMP_FLAGS | flags) < 0)
		out->error = -ENOMEM;
}

void mp_qmp_put(struct mp_mon_buf *out, const json_t *object, bool pretty)
{
	dump(out, object, pretty ? JSON_INDENT(4) : 0);
	mp_mon_buf_add_text(out, "\r\n");
}

/* {"return": value, "id": id}, without a look into the text of id. */
static void put_answer(struct mp_mon_buf *out, const char *what, json_t *value, const char *id,
		       bool pretty)
{
	json_t *object;

	if (pretty) {
		object = json_pack("{sOso*}", what, value, "id",
				   id ? json_loads(id, JSON_DECODE_ANY | JSON_ALLOW_NUL, NULL)
				      : NULL);
		mp_qmp_put(out, object, true);
		json_decref(object);
		return;
	}
	mp_mon_buf_add_text(out, "{\"");
	mp_mon_buf_add_text(out, what);
	mp_mon_buf_add_text(out, "\": ");
	dump(out, value, 0);
	if (id) {
		mp_mon_buf_add_text(out, ", \"id\": ");
		mp_mon_buf_add_text(out, id);
	}
	mp_mon_buf_add_text(out, "}\r\n");
}

static json_t *error_value(enum mp_mon_class class, const char *desc)
{
	char *clean = mp_utf8_clean(desc);
	json_t *value = clean ? json_pack("{ssss}", "class", mp_mon_class_name(class), "desc",
					  clean)
			      : NULL;

	free(clean);
	return value;
}

static void put_error(struct mp_mon_client *c, const struct mp_mon_request *req,
		      const struct mp_mon_error *error, struct mp_mon_buf *out)
{
	json_t *value = error_value(error->class, error->desc);

	put_answer(out, "error", value, req->msg.id, c->from->port.pretty);
	json_decref(value);
}

void mp_qmp_greet(struct mp_mon_client *c, struct mp_mon_buf *out)
{
	const struct mp_mon_version *v = &c->mon->cfg.version;
	json_t *greeting = json_pack("{s{s{s{sisisi}ss}s[s]}}", "QMP", "version", "qemu", "micro",
				     v->micro, "minor", v->minor, "major", v->major, "package",
				     v->package, "capabilities", "oob");

	mp_qmp_put(out, greeting, c->from->port.pretty);
	json_decref(greeting);
}

/* --- input --- */

static void wrong(struct mp_mon_request *req, enum mp_mon_class class, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));

static void wrong(struct mp_mon_request *req, enum mp_mon_class class, const char *fmt, ...)
{
	va_list args;

	if (req->error[0])
		return;
	req->class = class;
	va_start(args, fmt);
	vsnprintf(req->error, sizeof(req->error), fmt, args);
	va_end(args);
}

static void check_name(struct mp_mon_request *req, const char *member, const json_t *value)
{
	if (req->name)
		wrong(req, MP_MON_GENERIC, "QMP input member 'execute' clashes with 'exec-oob'");
	else if (!json_is_string(value))
		wrong(req, MP_MON_GENERIC, "QMP input member '%s' must be a string", member);
	else
		req->name = json_string_value(value);
}

static void check_member(struct mp_mon_request *req, const char *member, const json_t *value,
			 bool oob_enabled)
{
	if (strcmp(member, "execute") == 0) {
		check_name(req, member, value);
	} else if (strcmp(member, "exec-oob") == 0 && oob_enabled) {
		check_name(req, member, value);
		req->oob = true;
	} else if (strcmp(member, "arguments") == 0) {
		req->args = value;
		if (!json_is_object(value))
			wrong(req, MP_MON_GENERIC, "QMP input member '%s' must be an object",
			      member);
	} else if (strcmp(member, "id") != 0) {
		wrong(req, MP_MON_GENERIC, "QMP input member '%s' is unexpected", member);
	}
}

void mp_qmp_check(struct mp_mon_request *req, bool oob_enabled)
{
	json_t *value = req->msg.value, *member;
	const char *name;

	if (req->msg.error) {
		wrong(req, MP_MON_GENERIC, "%s", req->msg.error);
		return;
	}
	if (!json_is_object(value)) {
		wrong(req, MP_MON_GENERIC, "QMP input must be a JSON object");
		return;
	}
	/* A name that was written with escapes. */
	if (!req->msg.id && json_object_get(value, "id"))
		req->msg.id = json_dumps(json_object_get(value, "id"), DUMP_FLAGS);
	json_object_foreach(value, name, member) check_member(req, name, member, oob_enabled);
	if (!req->name)
		wrong(req, MP_MON_GENERIC, "QMP input lacks member 'execute'");
}

/* --- running --- */

static bool is_negotiation(const char *name)
{
	return strcmp(name, "qmp_capabilities") == 0;
}

static bool check_mode(struct mp_mon_client *c, const char *name, struct mp_mon_call *call)
{
	bool negotiated;

	pthread_mutex_lock(&c->mon->lock);
	negotiated = c->negotiated;
	pthread_mutex_unlock(&c->mon->lock);
	if (!negotiated && !is_negotiation(name))
		mp_mon_fail(call, MP_MON_COMMAND_NOT_FOUND,
			    "Expecting capabilities negotiation with 'qmp_capabilities'");
	else if (negotiated && is_negotiation(name))
		mp_mon_fail(call, MP_MON_COMMAND_NOT_FOUND,
			    "Capabilities negotiation is already complete, command ignored");
	return !call->error.is_set;
}

static json_t *call_handler(struct mp_mon_call *call, const struct mp_mon_command *cmd,
			    const json_t *args)
{
	json_t *value;

	if (!mp_schema_check(&call->mon->schema, cmd, args, call))
		return NULL;
	value = cmd->fn(call, args);
	if (!value && !call->error.is_set)
		mp_mon_fail(call, MP_MON_GENERIC, "No memory for the answer of %s", cmd->name);
	return value;
}

static json_t *run_command(struct mp_mon_call *call, const struct mp_mon_request *req)
{
	const struct mp_mon_command *cmd = mp_mon_find_command(call->mon, req->name);
	json_t *empty, *value;

	if (!check_mode(call->client, req->name, call))
		return NULL;
	if (!cmd)
		return mp_mon_fail(call, MP_MON_COMMAND_NOT_FOUND,
				   "The command %s has not been found", req->name);
	if (req->oob && !(cmd->flags & MP_MON_OOB))
		return mp_mon_fail(call, MP_MON_GENERIC, "The command %s does not support OOB",
				   req->name);
	if (req->args)
		return call_handler(call, cmd, req->args);
	empty = json_object();
	value = call_handler(call, cmd, empty);
	json_decref(empty);
	return value;
}

void mp_qmp_run(struct mp_mon_client *c, struct mp_mon_request *req, struct mp_mon_buf *out)
{
	struct mp_mon_call call = {.opaque = c->mon->cfg.opaque,
				   .mon = c->mon,
				   .client = c,
				   .fd = req->fd,
				   .n_fds = req->n_fds};
	json_t *value = NULL;

	if (req->error[0])
		mp_mon_fail(&call, req->class, "%s", req->error);
	else
		value = run_command(&call, req);
	if (call.error.is_set)
		put_error(c, req, &call.error, out);
	else
		put_answer(out, "return", value, req->msg.id, c->from->port.pretty);
	json_decref(value);
}
