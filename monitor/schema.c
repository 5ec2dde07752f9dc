/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A schema is an array of descriptions, each with a "name" and a "meta-type":
 *
 *	command    arg-type names an object
 *	object     members [{name, type, default?}]; with tag and variants
 *		   [{case, type}] it has the members of one more object, picked by
 *		   the value of a member
 *	enum       members [{name}]
 *	array      element-type
 *	alternate  members [{type}]: the first one of fitting JSON type
 *	builtin    json-type string, integer, number, boolean, null, value
 *
 * Arguments are walked in the order of the description, then what is left over
 * is unexpected: the order in which QEMU finds faults.
 */
#include "monitor/schema.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/err.h"

#define PATH_MAX_LEN 512

/* A walk, and where it is. */
struct walk {
	const struct mp_schema *s;
	struct mp_mon_call *call;
	char path[PATH_MAX_LEN]; /* "file.driver", "enable[0]" */
	size_t len;
	bool open; /* more members of the outermost object are fine */
};

static bool check_value(struct walk *w, const char *type, const json_t *v, const char *name);

int mp_schema_init(struct mp_schema *s, const char *text)
{
	json_t *info;
	size_t i;

	s->infos = json_loads(text, JSON_REJECT_DUPLICATES, NULL);
	s->by_name = json_object();
	json_array_foreach(s->infos, i, info)
	{
		if (json_object_set(s->by_name, json_string_value(json_object_get(info, "name")),
				    info) < 0)
			break;
	}
	if (json_is_array(s->infos) && s->by_name && i == json_array_size(s->infos))
		return 0;
	mp_schema_fini(s);
	return mp_err_origin(-EINVAL);
}

void mp_schema_fini(struct mp_schema *s)
{
	json_decref(s->infos);
	json_decref(s->by_name);
	*s = MP_SCHEMA_NULL;
}

static const char *text_of(const json_t *info, const char *member)
{
	const char *text = json_string_value(json_object_get(info, member));

	return text ? text : "";
}

static bool is(const json_t *info, const char *meta)
{
	return strcmp(text_of(info, "meta-type"), meta) == 0;
}

static const json_t *find(const struct walk *w, const char *type)
{
	return json_object_get(w->s->by_name, type);
}

/* Go to a member, "" for an element; returns where to come back to. */
static size_t enter(struct walk *w, const char *name, size_t element)
{
	size_t back = w->len, room = sizeof(w->path) - w->len;
	int n = *name ? snprintf(w->path + w->len, room, "%s%s", w->len ? "." : "", name)
		      : snprintf(w->path + w->len, room, "[%zu]", element);

	if (n > 0 && (size_t)n < room)
		w->len += (size_t)n;
	else
		w->path[w->len] = 0;
	return back;
}

static void leave(struct walk *w, size_t back)
{
	w->len = back;
	w->path[back] = 0;
}

static bool wrong_type(struct walk *w, const char *expected)
{
	mp_mon_fail(w->call, MP_MON_GENERIC, "Invalid parameter type for '%s', expected: %s",
		    w->path, expected);
	return false;
}

static bool fits_json_type(const char *json_type, const json_t *v)
{
	switch (json_typeof(v)) {
	case JSON_STRING:
		return strcmp(json_type, "string") == 0;
	case JSON_INTEGER:
		return strcmp(json_type, "integer") == 0 || strcmp(json_type, "int") == 0 ||
		       strcmp(json_type, "number") == 0;
	case JSON_REAL:
		return strcmp(json_type, "number") == 0;
	case JSON_TRUE:
	case JSON_FALSE:
		return strcmp(json_type, "boolean") == 0;
	case JSON_NULL:
		return strcmp(json_type, "null") == 0;
	default:
		return false;
	}
}

static bool check_builtin(struct walk *w, const json_t *info, const json_t *v)
{
	const char *type = text_of(info, "json-type");

	if (strcmp(type, "value") == 0 || fits_json_type(type, v))
		return true;
	return wrong_type(w, strcmp(type, "int") == 0 ? "integer" : type);
}

static bool check_enum(struct walk *w, const json_t *info, const json_t *v, const char *name)
{
	const json_t *member;
	size_t i;

	if (!json_is_string(v))
		return wrong_type(w, "string");
	json_array_foreach(json_object_get(info, "members"), i,
			   member) if (strcmp(text_of(member, "name"), json_string_value(v)) ==
				       0) return true;
	/* An element has no name, and this is what QEMU calls it then. */
	mp_mon_fail(w->call, MP_MON_GENERIC, "Parameter '%s' does not accept value '%s'",
		    *name ? name : "null", json_string_value(v));
	return false;
}

static bool check_array(struct walk *w, const json_t *info, const json_t *v)
{
	const json_t *element;
	size_t i, back;
	bool ok = true;

	if (!json_is_array(v))
		return wrong_type(w, "array");
	json_array_foreach(v, i, element)
	{
		back = enter(w, "", i);
		ok = check_value(w, text_of(info, "element-type"), element, "");
		leave(w, back);
		if (!ok)
			break;
	}
	return ok;
}

static bool check_members(struct walk *w, const json_t *info, const json_t *v, size_t *n_known)
{
	const json_t *member, *value;
	const char *name;
	size_t i, back;
	bool ok = true;

	json_array_foreach(json_object_get(info, "members"), i, member)
	{
		name = text_of(member, "name");
		value = json_object_get(v, name);
		back = enter(w, name, 0);
		*n_known += value != NULL;
		if (value)
			ok = check_value(w, text_of(member, "type"), value, name);
		else if (!json_object_get(member, "default"))
			ok = mp_mon_fail(w->call, MP_MON_GENERIC, "Parameter '%s' is missing",
					 w->path);
		leave(w, back);
		if (!ok)
			return false;
	}
	return true;
}

/* The object that the tag's value adds, or NULL. */
static const json_t *variant_of(const struct walk *w, const json_t *info, const json_t *v)
{
	const char *tag = json_string_value(json_object_get(v, text_of(info, "tag")));
	const json_t *variant;
	size_t i;

	json_array_foreach(json_object_get(info, "variants"), i,
			   variant) if (tag && strcmp(text_of(variant, "case"), tag) ==
						       0) return find(w, text_of(variant, "type"));
	return NULL;
}

static bool has_member(const json_t *info, const char *name)
{
	const json_t *member;
	size_t i;

	json_array_foreach(json_object_get(info, "members"), i,
			   member) if (strcmp(text_of(member, "name"), name) == 0) return true;
	return false;
}

static bool check_object(struct walk *w, const json_t *info, const json_t *v)
{
	const json_t *variant = variant_of(w, info, v), *value;
	size_t n_known = 0, back;
	const char *name;

	if (!json_is_object(v))
		return wrong_type(w, "object");
	if (!check_members(w, info, v, &n_known) ||
	    (variant && !check_members(w, variant, v, &n_known)))
		return false;
	if (n_known == json_object_size(v) || (w->open && w->len == 0))
		return true;
	json_object_foreach((json_t *)(uintptr_t)v, name, value)
	{
		if (has_member(info, name) || has_member(variant, name))
			continue;
		back = enter(w, name, 0);
		mp_mon_fail(w->call, MP_MON_GENERIC, "Parameter '%s' is unexpected", w->path);
		leave(w, back);
		break;
	}
	return false;
}

/* Whether the JSON type alone speaks for this one of an alternate. */
static bool suits(const struct walk *w, const char *type, const json_t *v)
{
	const json_t *info = find(w, type);

	if (is(info, "object"))
		return json_is_object(v);
	if (is(info, "array"))
		return json_is_array(v);
	if (is(info, "enum"))
		return json_is_string(v);
	return fits_json_type(text_of(info, "json-type"), v);
}

static bool check_alternate(struct walk *w, const json_t *info, const json_t *v, const char *name)
{
	const json_t *member;
	size_t i;

	json_array_foreach(json_object_get(info, "members"), i,
			   member) if (suits(w, text_of(member, "type"),
					     v)) return check_value(w, text_of(member, "type"), v,
								    name);
	return wrong_type(w, text_of(info, "name"));
}

static bool check_value(struct walk *w, const char *type, const json_t *v, const char *name)
{
	const json_t *info = find(w, type);

	if (is(info, "object"))
		return check_object(w, info, v);
	if (is(info, "array"))
		return check_array(w, info, v);
	if (is(info, "enum"))
		return check_enum(w, info, v, name);
	if (is(info, "alternate"))
		return check_alternate(w, info, v, name);
	return check_builtin(w, info, v);
}

bool mp_schema_has(const struct mp_schema *s, const char *command)
{
	return is(json_object_get(s->by_name, command), "command");
}

bool mp_schema_check(const struct mp_schema *s, const struct mp_mon_command *command,
		     const json_t *args, struct mp_mon_call *call)
{
	struct walk w = {.s = s, .call = call, .open = command->flags & MP_MON_OPEN};
	const json_t *info = json_object_get(s->by_name, command->name);

	return check_value(&w, text_of(info, "arg-type"), args, "");
}
