/* SPDX-License-Identifier: BSD-3-Clause */
#include "remote-worker/options/line.h"

#include <errno.h>
#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/err.h"
#include "remote-worker/options/keyval.h"
#include "remote-worker/options/node.h"

static int add_word(struct mp_line *l, const char *word)
{
	int room = l->room ? 2 * l->room : 64;
	char **more, *copy = strdup(word);

	if (copy && l->n == l->room) {
		more = reallocarray(l->word, (size_t)room, sizeof(*more));
		if (more) {
			l->word = more;
			l->room = room;
		}
	}
	if (!copy || l->n == l->room) {
		free(copy);
		return mp_err_origin(-ENOMEM);
	}
	l->word[l->n++] = copy;
	return 0;
}

int mp_line_init(struct mp_line *l, int argc, char *const argv[])
{
	int r = 0;

	*l = MP_LINE_NULL;
	for (int i = 0; r == 0 && i < argc; i++)
		r = add_word(l, argv[i]);
	return mp_err_trace(r);
}

void mp_line_fini(struct mp_line *l)
{
	for (int i = 0; i < l->n; i++)
		free(l->word[i]);
	free(l->word);
	*l = MP_LINE_NULL;
}

static void drop_words(struct mp_line *l, int at, int n)
{
	for (int i = 0; i < n; i++)
		free(l->word[at + i]);
	memmove(l->word + at, l->word + at + n, (size_t)(l->n - at - n) * sizeof(*l->word));
	l->n -= n;
}

int mp_line_add(struct mp_line *l, const char *option, const char *arg)
{
	int r = add_word(l, option);

	if (r == 0) {
		r = add_word(l, arg);
		if (r < 0)
			drop_words(l, l->n - 1, 1);
	}
	return mp_err_trace(r);
}

/* "-device" is "--device" too. */
static bool is_option(const char *word, const char *option)
{
	return strcmp(word, option) == 0 || (word[0] == '-' && strcmp(word + 1, option) == 0);
}

static char *copy(const char *text)
{
	return text ? strdup(text) : NULL;
}

static char *json_value(const char *arg, const char *key)
{
	json_t *json = json_loads(arg, 0, NULL);
	char number[MP_NODE_NUMBER_LEN];
	char *value = copy(mp_node_as_text(json_object_get(json, key), number));

	json_decref(json);
	return value;
}

static char *value_of(const char *arg, const char *key)
{
	MP_CLEANUP(mp_keyval_fini) struct mp_keyval kv = MP_KEYVAL_NULL;

	if (arg[0] == '{')
		return json_value(arg, key);
	return mp_keyval_parse(arg, "driver", &kv) < 0 ? NULL : copy(mp_keyval_get(&kv, key));
}

static bool has(const char *arg, const char *key, const char *value)
{
	MP_CLEANUP_FREE char *text = value_of(arg, key);

	return text && strcmp(text, value) == 0;
}

char *mp_line_get(const struct mp_line *l, const char *option, const char *key, const char *value,
		  const char *wanted)
{
	for (int i = 0; i + 1 < l->n; i++)
		if (is_option(l->word[i], option) && has(l->word[i + 1], key, value))
			return value_of(l->word[i + 1], wanted);
	return NULL;
}

bool mp_line_has(const struct mp_line *l, const char *option, const char *key, const char *value)
{
	for (int i = 0; i + 1 < l->n; i++)
		if (is_option(l->word[i], option) && has(l->word[i + 1], key, value))
			return true;
	return false;
}

int mp_line_remove(struct mp_line *l, const char *option, const char *key, const char *value)
{
	int n = 0;

	for (int i = 0; i + 1 < l->n;) {
		if (is_option(l->word[i], option) && has(l->word[i + 1], key, value)) {
			drop_words(l, i, 2);
			n++;
		} else {
			i++;
		}
	}
	return n;
}

static char *json_without(const char *arg, const char *key)
{
	json_t *json = json_loads(arg, 0, NULL);
	char *text;

	json_object_del(json, key);
	text = json_dumps(json, JSON_COMPACT);
	json_decref(json);
	return text;
}

static char *without(const char *arg, const char *key)
{
	MP_CLEANUP(mp_keyval_fini) struct mp_keyval kv = MP_KEYVAL_NULL;
	char *text = NULL;
	size_t len;
	FILE *to;

	if (arg[0] == '{')
		return json_without(arg, key);
	if (mp_keyval_parse(arg, "driver", &kv) < 0)
		return NULL;
	to = open_memstream(&text, &len);
	for (unsigned int i = 0; to && i < kv.n; i++) {
		if (strcmp(kv.item[i].key, key) == 0)
			continue;
		fprintf(to, "%s%s=", ftell(to) > 0 ? "," : "", kv.item[i].key);
		for (const char *c = kv.item[i].value; *c; c++)
			fprintf(to, *c == ',' ? ",," : "%c", *c);
	}
	if (to)
		fclose(to);
	return text;
}

int mp_line_drop(struct mp_line *l, const char *option, const char *key, const char *value)
{
	char *arg;

	for (int i = 0; i + 1 < l->n; i++) {
		if (!is_option(l->word[i], option) || !has(l->word[i + 1], key, value))
			continue;
		arg = without(l->word[i + 1], key);
		if (!arg)
			return mp_err_origin(-ENOMEM);
		free(l->word[i + 1]);
		l->word[i + 1] = arg;
	}
	return 0;
}

int mp_line_try(const struct mp_line *l, const char *const more[], struct mp_cmdline **ret_c,
		char *error, size_t error_len)
{
	MP_CLEANUP(mp_line_fini) struct mp_line line = MP_LINE_NULL;
	struct mp_cmdline *c = calloc(1, sizeof(*c));
	int r = c ? mp_line_init(&line, l->n, l->word) : mp_err_origin(-ENOMEM);

	snprintf(error, error_len, "out of memory");
	for (int i = 0; r == 0 && more[i]; i++)
		r = add_word(&line, more[i]);
	if (r == 0) {
		r = mp_cmdline_parse(c, line.n, line.word, error, error_len);
		if (r == 0)
			r = mp_cmdline_probe(c);
		/* Help, or the version, from within an argument. */
		r = r > 0 ? mp_err_origin(-EINVAL) : r;
	}
	if (r < 0) {
		mp_line_forget(c);
		return mp_err_trace(r);
	}
	*ret_c = c;
	return 0;
}

struct mp_cmdline *mp_line_forget(struct mp_cmdline *c)
{
	if (c)
		mp_cmdline_fini(c);
	free(c);
	return NULL;
}

bool mp_line_has_drive(const struct mp_line *l, const char *name)
{
	static const char *const nothing[] = {NULL};
	struct mp_cmdline *c;
	char error[256];
	bool found;

	/* Whoever adds to it will be told why. */
	if (mp_line_try(l, nothing, &c, error, sizeof(error)) < 0)
		return true;
	found = json_object_get(c->nodes, name) != NULL;
	for (unsigned int i = 0; !found && i < c->n_drives; i++)
		found = strcmp(c->drive[i].id, name) == 0;
	mp_line_forget(c);
	return found;
}
