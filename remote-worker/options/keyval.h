/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * keyval - "key=value,key=value", the text form of QEMU's options, and tables
 * that say which keys an option has, of what type, and what they do. The same
 * table parses, lists the valid keys after a mistake, and prints the help.
 */
#ifndef MP_REMOTE_WORKER_OPTIONS_KEYVAL_H
#define MP_REMOTE_WORKER_OPTIONS_KEYVAL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#define MP_KEYVAL_MAX 64u

struct mp_keyval_item {
	const char *key, *value;
};

struct mp_keyval {
	char *text; /* heap; the items point into it */
	unsigned int n;
	struct mp_keyval_item item[MP_KEYVAL_MAX];
};

#define MP_KEYVAL_NULL ((struct mp_keyval){.text = NULL})

/**
 * mp_keyval_parse() - split an option's text
 * @implied_key:  of a first item without "=" before its first ",", may be NULL
 *
 * ",," in a value stands for a comma. A key without "=" has the value "on". An
 * empty item (a comma at the end) is skipped. Return: 0; -EINVAL empty key; -E2BIG;
 * -ENOMEM.
 */
int mp_keyval_parse(const char *text, const char *implied_key, struct mp_keyval *ret_kv);
void mp_keyval_fini(struct mp_keyval *kv);

/** mp_keyval_get() - value of the last @key; NULL: not there */
const char *mp_keyval_get(const struct mp_keyval *kv, const char *key);

enum mp_prop_type {
	MP_PROP_STRING, /* const char *, at most @max characters */
	MP_PROP_BOOL, /* bool: on, off, yes, no, true, false */
	MP_PROP_UINT, /* uint32_t, min..max */
	MP_PROP_SIZE, /* uint64_t bytes, suffix k M G T */
	MP_PROP_HEX64, /* uint64_t, base 0 */
	MP_PROP_CHOICE, /* const char *, one of @choices */
	MP_PROP_IGNORED, /* accepted, because QEMU has it; no meaning here */
};

/* The help of a property that has a newer name: it isn't listed after a mistake. */
#define MP_PROP_OLDER "older name"

struct mp_prop {
	const char *name;
	enum mp_prop_type type;
	size_t off; /* of the field in the caller's struct */
	uint64_t min, max;
	const char *choices; /* "a|b|c" */
	const char *help; /* with default and unit */
};

/**
 * mp_prop_set() - one property by its table
 * @props:  ends with a NULL name
 * @error:  on failure a sentence that names the valid keys or values
 *
 * Return: 0; -EINVAL.
 */
int mp_prop_set(const struct mp_prop *props, void *object, const struct mp_keyval_item *item,
		char *error, size_t error_len);

/** mp_prop_is_one() - does the table have @key? */
bool mp_prop_is_one(const struct mp_prop *props, const char *key);

/** mp_prop_help() - the table as lines of a help text */
void mp_prop_help(const struct mp_prop *props, FILE *to);

/** mp_parse_size() - "64k", "1G"; -EINVAL */
int mp_parse_size(const char *text, uint64_t *ret_bytes);

/** mp_parse_bool() - on, off, yes, no, true, false, y, n; -EINVAL */
int mp_parse_bool(const char *text, bool *ret_v);

/** mp_parse_uint() - decimal or 0x, nothing behind it, min..max; -EINVAL */
int mp_parse_uint(const char *text, uint64_t min, uint64_t max, uint64_t *ret_v);

/** mp_word_is_in() - is @word one of the @n of @list? */
bool mp_word_is_in(const char *const *list, size_t n, const char *word);

#endif
