/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * QEMU takes its block options as text with dotted keys or as JSON, and wants
 * JSON with types. Text doesn't have them: for the options whose type isn't text
 * there are lists here. One that is missing there fails with QEMU's own "Invalid
 * parameter type", and can be given as JSON.
 *
 * A text may be the name of a file, which is bytes. A node can have those, as long
 * as nobody else gets it as JSON: mp_node_foreign() finds them.
 */
#include "remote-worker/options/node.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/err.h"
#include "monitor/unicode.h"

#define MAX_DEPTH 16u

/* By their last component. */
static const char *const bools[] = {
	"read-only",
	"auto-read-only",
	"force-share",
	"direct",
	"no-flush",
	"lazy-refcounts",
	"pass-discard-other",
	"pass-discard-request",
	"pass-discard-snapshot",
	"discard-no-unref",
	"sslverify",
	"ipv4",
	"ipv6",
	"numeric",
	"keep-alive",
	"mptcp",
	"drop-cache",
	"x-check-cache-dropped",
	"verify-peer",
	"sanity-check",
	"rewrite-corrupted",
	"abstract",
	"tight",
	"loaded",
};
static const char *const numbers[] = {
	"size",
	"offset",
	"l2-cache-size",
	"l2-cache-entry-size",
	"refcount-cache-size",
	"cache-size",
	"cache-clean-interval",
	"readahead",
	"timeout",
	"open-timeout",
	"reconnect-delay",
	"lun",
	"page-cache-size",
	"aio-max-batch",
	"vote-threshold",
	"latency-ns",
	"prealloc-size",
	"prealloc-align",
	"readahead-size",
	"debug",
};

#define N(list) (sizeof(list) / sizeof((list)[0]))

int mp_node_put(json_t *node, const char *key, json_t *value)
{
	return json_object_set_new(node, key, value) < 0 ? mp_err_origin(-ENOMEM) : 0;
}

int mp_node_put_text(json_t *node, const char *key, const char *text)
{
	return text ? mp_err_trace(mp_node_put(node, key, json_string_nocheck(text))) : 0;
}

const char *mp_node_text(const json_t *node, const char *key)
{
	return json_string_value(json_object_get(node, key));
}

const char *mp_node_foreign(json_t *json)
{
	const char *text = json_string_value(json), *key;
	json_t *value;
	size_t i;

	if (text)
		return mp_utf8_is_valid(text) ? NULL : text;
	json_array_foreach(json, i, value)
	{
		if (!text)
			text = mp_node_foreign(value);
	}
	json_object_foreach(json, key, value)
	{
		if (!text)
			text = mp_node_foreign(value);
	}
	return text;
}

static int load(const char *text, json_t **ret_json, json_error_t *where)
{
	*ret_json = json_loads(text, JSON_REJECT_DUPLICATES, where);
	if (*ret_json)
		return 0;
	/* Out of memory it says nothing, but in some places. */
	if (where->text[0] == '\0' || json_error_code(where) == json_error_out_of_memory)
		return mp_err_origin(-ENOMEM);
	return mp_err_origin(-EINVAL);
}

int mp_node_load(const char *text, json_t **ret_node, char why[256])
{
	json_error_t where;
	json_t *node = NULL;
	int r = load(text, &node, &where);

	if (r == -ENOMEM)
		return mp_err_trace(r);
	if (!node || !json_is_object(node)) {
		snprintf(why, 256, "no JSON object: %s",
			 node ? "it is something else" : where.text);
		json_decref(node);
		return mp_err_origin(-EINVAL);
	}
	*ret_node = node;
	return 0;
}

static json_t *typed(const char *name, const char *text)
{
	uint64_t v;
	bool on;

	if (mp_word_is_in(bools, N(bools), name) && mp_parse_bool(text, &on) == 0)
		return json_boolean(on);
	if (mp_word_is_in(numbers, N(numbers), name) && mp_parse_size(text, &v) == 0 &&
	    v <= INT64_MAX)
		return json_integer((json_int_t)v);
	return json_string_nocheck(text);
}

int mp_node_set(json_t *node, const char *key, const char *value)
{
	char name[64];
	json_t *next;
	size_t len;

	if (!mp_utf8_is_valid(key))
		return mp_err_origin(-EINVAL);
	for (;; key += len + 1) {
		len = strcspn(key, ".");
		if (len == 0 || len >= sizeof(name))
			return mp_err_origin(-EINVAL);
		snprintf(name, sizeof(name), "%.*s", (int)len, key);
		next = json_object_get(node, name);
		if (key[len] == '\0')
			break;
		if (!next) {
			next = json_object();
			if (mp_node_put(node, name, next) < 0)
				return mp_err_origin(-ENOMEM);
		}
		if (!json_is_object(next))
			return mp_err_origin(-EINVAL);
		node = next;
	}
	if (json_is_object(next))
		return mp_err_origin(-EINVAL);
	return mp_err_trace(mp_node_put(node, name, typed(name, value)));
}

static json_t *nth(json_t *node, size_t i)
{
	char name[24];

	snprintf(name, sizeof(name), "%zu", i);
	return json_object_get(node, name);
}

/* Are the members "0" to "n-1"? */
static bool is_list(json_t *node)
{
	size_t n = json_object_size(node), i = 0;

	while (i < n && nth(node, i))
		i++;
	return n > 0 && i == n;
}

/* A list of them; NULL: out of memory. */
static json_t *as_list(json_t *node)
{
	json_t *list = json_array();

	for (size_t i = 0; list && i < json_object_size(node); i++) {
		if (json_array_append(list, nth(node, i)) < 0) {
			json_decref(list);
			list = NULL;
		}
	}
	return list;
}

int mp_node_fold_lists(json_t *node)
{
	const char *key;
	json_t *value;
	void *next;
	int r = 0;

	json_object_foreach_safe(node, next, key, value)
	{
		if (!json_is_object(value))
			continue;
		r = mp_node_fold_lists(value);
		if (r == 0 && is_list(value))
			r = mp_node_put(node, key, as_list(value));
		if (r < 0)
			return mp_err_trace(r);
	}
	return 0;
}

/* -- and back ---------------------------------------------------------------- */

const char *mp_node_as_text(const json_t *value, char number[MP_NODE_NUMBER_LEN])
{
	if (json_is_boolean(value))
		return json_is_true(value) ? "on" : "off";
	if (!json_is_integer(value))
		return json_string_value(value);
	snprintf(number, MP_NODE_NUMBER_LEN, "%" JSON_INTEGER_FORMAT, json_integer_value(value));
	return number;
}

static const char *as_text(const json_t *value, struct mp_texts *texts)
{
	char number[MP_NODE_NUMBER_LEN];
	const char *plain = mp_node_as_text(value, number);
	char *text = plain ? strdup(plain) : json_dumps(value, JSON_COMPACT | JSON_ENCODE_ANY);

	return mp_texts_take(texts, text) == 0 ? text : NULL;
}

struct flatten {
	struct mp_texts *texts;
	struct mp_keyval *kv;
	bool is_node; /* its "file" is left out, and what has no text is JSON */
	char *why; /* of an option: the sentence about what has no text */
};

static int refuse(struct flatten *f, const char *prefix, const char *key, const json_t *value)
{
	const char *what = json_is_array(value)  ? "a list"
			   : json_is_null(value) ? "null"
						 : "no whole number";

	snprintf(f->why, 256, "'%s%s' is %s; it takes text, a whole number, true or false", prefix,
		 key, what);
	return mp_err_origin(-EINVAL);
}

static int add_item(struct flatten *f, const char *prefix, const char *key, const json_t *value)
{
	char number[MP_NODE_NUMBER_LEN], *name = NULL;

	if (!f->is_node && !mp_node_as_text(value, number))
		return refuse(f, prefix, key, value);
	if (f->kv->n == MP_KEYVAL_MAX)
		return mp_err_origin(-E2BIG);
	if (asprintf(&name, "%s%s", prefix, key) < 0)
		return mp_err_origin(-ENOMEM);
	if (mp_texts_take(f->texts, name) < 0)
		return mp_err_origin(-ENOMEM);
	f->kv->item[f->kv->n].key = name;
	f->kv->item[f->kv->n].value = as_text(value, f->texts);
	return f->kv->item[f->kv->n++].value ? 0 : mp_err_origin(-ENOMEM);
}

static int flatten(struct flatten *f, json_t *node, const char *prefix, unsigned int depth)
{
	char inner[128];
	const char *key;
	json_t *value;
	int r = 0;

	if (depth == MAX_DEPTH)
		return mp_err_origin(-E2BIG);
	json_object_foreach(node, key, value)
	{
		if (f->is_node && depth == 0 && strcmp(key, "file") == 0)
			continue;
		if (json_is_object(value)) {
			if ((size_t)snprintf(inner, sizeof(inner), "%s%s.", prefix, key) >=
			    sizeof(inner))
				return mp_err_origin(-E2BIG);
			r = flatten(f, value, inner, depth + 1);
		} else {
			r = add_item(f, prefix, key, value);
		}
		if (r < 0)
			return mp_err_trace(r);
	}
	return 0;
}

int mp_node_flatten(json_t *node, struct mp_texts *texts, struct mp_keyval *ret_kv)
{
	struct flatten f = {.texts = texts, .kv = ret_kv, .is_node = true};

	*ret_kv = MP_KEYVAL_NULL;
	return mp_err_trace(flatten(&f, node, "", 0));
}

int mp_node_split(const char *text, struct mp_texts *texts, struct mp_keyval *ret_kv, char why[256])
{
	struct flatten f = {.texts = texts, .kv = ret_kv, .why = why};
	json_error_t where;
	json_t *json = NULL;
	int r = load(text, &json, &where);

	*ret_kv = MP_KEYVAL_NULL;
	if (r == -EINVAL)
		snprintf(why, 256, "not JSON: %s at column %d", where.text, where.column);
	if (r == 0)
		r = flatten(&f, json, "", 0);
	json_decref(json);
	if (r == -E2BIG) {
		snprintf(why, 256, "more than %u properties, or nested too deep", MP_KEYVAL_MAX);
		return mp_err_origin(-EINVAL);
	}
	return mp_err_trace(r);
}
