/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The text is copied once and cut in place: items are pointers into the copy,
 * with ",," folded as it is cut, so a command line of any size costs one
 * allocation.
 *
 * A property goes from its table into a field of the caller's struct by offset
 * and type. Both ways to fail are explained from the same table: an unknown key
 * by the list of keys, a bad value by what the type or the choices allow.
 */
#include "remote-worker/options/keyval.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/err.h"

/* Ends the value at @in, with ",," folded to ","; returns where the next item starts. */
static char *cut_value(char *in)
{
	char *out = in;

	for (; *in; in++) {
		if (*in == ',') {
			if (in[1] != ',')
				break;
			in++;
		}
		*out++ = *in;
	}
	if (*in == ',')
		in++;
	*out = '\0';
	return in;
}

/* A key goes to the first "=" or ",", as QEMU has it; only values have commas. */
static char *cut_item(char *text, const char *implied_key, struct mp_keyval_item *ret_item)
{
	char *end = text + strcspn(text, "=,"), *next;

	if (*end != '=' && implied_key) {
		*ret_item = (struct mp_keyval_item){.key = implied_key, .value = text};
		return cut_value(text);
	}
	*ret_item = (struct mp_keyval_item){.key = text, .value = *end == '=' ? end + 1 : "on"};
	next = *end == '=' ? cut_value(end + 1) : end + (*end == ',');
	*end = '\0';
	return next;
}

/* Nothing before a comma, unless a value starts with that. */
static bool is_empty(const char *text, const char *implied_key)
{
	return text[0] == ',' && !(implied_key && text[1] == ',');
}

static int add_item(struct mp_keyval *kv, const struct mp_keyval_item *item)
{
	if (kv->n == MP_KEYVAL_MAX)
		return mp_err_origin(-E2BIG);
	if (*item->key == '\0')
		return mp_err_origin(-EINVAL);
	kv->item[kv->n++] = *item;
	return 0;
}

int mp_keyval_parse(const char *text, const char *implied_key, struct mp_keyval *ret_kv)
{
	struct mp_keyval kv = MP_KEYVAL_NULL;
	struct mp_keyval_item item;
	char *at;
	int r = 0;

	kv.text = calloc(1, strlen(text) + 1);
	if (!kv.text)
		return mp_err_origin(-ENOMEM);
	memcpy(kv.text, text, strlen(text));
	for (at = kv.text; r == 0 && *at;) {
		if (is_empty(at, implied_key)) {
			at++;
			continue;
		}
		at = cut_item(at, implied_key, &item);
		implied_key = NULL;
		r = add_item(&kv, &item);
	}
	if (r < 0) {
		mp_keyval_fini(&kv);
		return mp_err_trace(r);
	}
	*ret_kv = kv;
	return 0;
}

void mp_keyval_fini(struct mp_keyval *kv)
{
	free(kv->text);
	*kv = MP_KEYVAL_NULL;
}

const char *mp_keyval_get(const struct mp_keyval *kv, const char *key)
{
	for (unsigned int i = kv->n; i > 0; i--)
		if (strcmp(kv->item[i - 1].key, key) == 0)
			return kv->item[i - 1].value;
	return NULL;
}

int mp_parse_uint(const char *text, uint64_t min, uint64_t max, uint64_t *ret_v)
{
	unsigned long long v;
	char *end;

	if (*text < '0' || *text > '9')
		return -EINVAL;
	errno = 0;
	v = strtoull(text, &end, 0);
	if (errno || *end || v < min || v > max)
		return -EINVAL;
	*ret_v = v;
	return 0;
}

int mp_parse_size(const char *text, uint64_t *ret_bytes)
{
	static const char suffixes[] = "kmgtpe";
	unsigned long long v;
	unsigned int shift = 0;
	const char *s;
	char *end;

	if (*text < '0' || *text > '9')
		return -EINVAL;
	errno = 0;
	v = strtoull(text, &end, 0);
	if (errno)
		return -EINVAL;
	s = *end ? strchr(suffixes, *end | 0x20) : NULL;
	if (s) {
		shift = 10 * (unsigned int)(s - suffixes + 1);
		end++;
	}
	if ((*end | 0x20) == 'b')
		end++;
	if (*end || v << shift >> shift != v)
		return -EINVAL;
	*ret_bytes = v << shift;
	return 0;
}

int mp_parse_bool(const char *text, bool *ret_v)
{
	static const char *const yes[] = {"on", "yes", "true", "y"};
	static const char *const no[] = {"off", "no", "false", "n"};

	for (size_t i = 0; i < sizeof(yes) / sizeof(yes[0]); i++) {
		if (strcmp(text, yes[i]) == 0 || strcmp(text, no[i]) == 0) {
			*ret_v = strcmp(text, yes[i]) == 0;
			return 0;
		}
	}
	return -EINVAL;
}

static bool is_choice(const char *choices, const char *value)
{
	size_t len = strlen(value), n;

	for (; *choices; choices += n + (choices[n] == '|')) {
		n = strcspn(choices, "|");
		if (n == len && memcmp(choices, value, n) == 0)
			return true;
	}
	return false;
}

static int store(const struct mp_prop *p, void *field, const char *value)
{
	uint64_t v = 0;
	int r;

	switch (p->type) {
	case MP_PROP_STRING:
		if (p->max && strlen(value) > p->max)
			return -EINVAL;
		*(const char **)field = value;
		return 0;
	case MP_PROP_CHOICE:
		if (!is_choice(p->choices, value))
			return -EINVAL;
		*(const char **)field = value;
		return 0;
	case MP_PROP_BOOL:
		return mp_parse_bool(value, field);
	case MP_PROP_SIZE:
		return mp_parse_size(value, field);
	case MP_PROP_HEX64:
		return mp_parse_uint(value, 0, UINT64_MAX, field);
	case MP_PROP_UINT:
		r = mp_parse_uint(value, p->min, p->max, &v);
		if (r == 0)
			*(uint32_t *)field = (uint32_t)v;
		return r;
	case MP_PROP_IGNORED:
		return 0;
	}
	return -EINVAL;
}

static void explain_value(const struct mp_prop *p, const char *value, char *error, size_t len)
{
	static const char *const wanted[] = {
		[MP_PROP_BOOL] = "on or off",
		[MP_PROP_SIZE] = "a size such as 512, 64k or 1G",
		[MP_PROP_HEX64] = "a number such as 0x5000c50012345678",
	};

	switch (p->type) {
	case MP_PROP_STRING:
		snprintf(error, len, "%s takes at most %u characters, '%s' is longer", p->name,
			 (unsigned int)p->max, value);
		break;
	case MP_PROP_UINT:
		snprintf(error, len, "%s takes a number from %llu to %llu, not '%s'", p->name,
			 (unsigned long long)p->min, (unsigned long long)p->max, value);
		break;
	case MP_PROP_CHOICE:
		snprintf(error, len, "%s takes one of %s, not '%s' (%s)", p->name, p->choices,
			 value, p->help);
		break;
	default:
		snprintf(error, len, "%s takes %s, not '%s'", p->name, wanted[p->type], value);
		break;
	}
}

static void explain_key(const struct mp_prop *props, const char *key, char *error, size_t len)
{
	int n = snprintf(error, len, "unknown property '%s'; valid are", key);
	const char *comma = "";

	for (; props->name && n > 0 && (size_t)n < len; props++) {
		if (strcmp(props->help, MP_PROP_OLDER) == 0)
			continue;
		n += snprintf(error + n, len - (size_t)n, "%s %s", comma, props->name);
		comma = ",";
	}
}

bool mp_prop_is_one(const struct mp_prop *props, const char *key)
{
	while (props->name && strcmp(props->name, key) != 0)
		props++;
	return props->name != NULL;
}

int mp_prop_set(const struct mp_prop *props, void *object, const struct mp_keyval_item *item,
		char *error, size_t error_len)
{
	const struct mp_prop *p;

	for (p = props; p->name && strcmp(p->name, item->key) != 0; p++)
		;
	if (!p->name) {
		explain_key(props, item->key, error, error_len);
		return mp_err_origin(-EINVAL);
	}
	if (store(p, (char *)object + p->off, item->value) < 0) {
		explain_value(p, item->value, error, error_len);
		return mp_err_origin(-EINVAL);
	}
	return 0;
}

void mp_prop_help(const struct mp_prop *props, FILE *to)
{
	for (; props->name; props++) {
		fprintf(to, "      %-20s  %s", props->name, props->help);
		if (props->choices)
			fprintf(to, " (%s)", props->choices);
		fputc('\n', to);
	}
}

bool mp_word_is_in(const char *const *list, size_t n, const char *word)
{
	for (size_t i = 0; i < n; i++)
		if (strcmp(list[i], word) == 0)
			return true;
	return false;
}
