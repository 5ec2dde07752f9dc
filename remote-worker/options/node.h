/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * node - block nodes as -blockdev describes them, as JSON: built from dotted keys,
 * flattened to them, and made of the names that -drive file= takes.
 */
#ifndef MP_REMOTE_WORKER_OPTIONS_NODE_H
#define MP_REMOTE_WORKER_OPTIONS_NODE_H

#include <jansson.h>

#include "remote-worker/options/keyval.h"
#include "remote-worker/options/texts.h"

/** mp_node_put() - set a member; @value is stolen, NULL is out of memory. Return: 0; -ENOMEM */
int mp_node_put(json_t *node, const char *key, json_t *value);
/** mp_node_put_text() - the same with a string; nothing if @text is NULL */
int mp_node_put_text(json_t *node, const char *key, const char *text);
/** mp_node_text() - a member that is a string, or NULL */
const char *mp_node_text(const json_t *node, const char *key);

/** mp_node_foreign() - a text in it that is no UTF-8, so that it isn't JSON; NULL: there is none */
const char *mp_node_foreign(json_t *json);

/** mp_node_load() - from JSON. Return: 0; -EINVAL with a sentence; -ENOMEM */
int mp_node_load(const char *text, json_t **ret_node, char why[256]);

/**
 * mp_node_set() - "cache.direct" = "on" becomes {"cache": {"direct": true}}
 *
 * Text becomes a boolean or a number where QEMU's block drivers want one.
 * Return: 0; -EINVAL the key is no name, or has a value and members; -ENOMEM.
 */
int mp_node_set(json_t *node, const char *key, const char *value);
/** mp_node_fold_lists() - members "0", "1", ... become a list; in place, all the way down */
int mp_node_fold_lists(json_t *node);

/**
 * mp_node_flatten() - members as dotted keys with text; a member "file" is left out
 * @texts:  keeps what the items point into
 *
 * Return: 0; -E2BIG; -ENOMEM.
 */
int mp_node_flatten(json_t *node, struct mp_texts *texts, struct mp_keyval *ret_kv);

/**
 * mp_node_split() - an option that is a JSON object into items, as mp_keyval_parse() does text
 * @texts:  keeps what the items point into
 * @why:    on -EINVAL a sentence for the user
 *
 * Members of members have dotted keys. Return: 0; -EINVAL; -ENOMEM.
 */
int mp_node_split(const char *text, struct mp_texts *texts, struct mp_keyval *ret_kv,
		  char why[256]);

#define MP_NODE_NUMBER_LEN 24u

/** mp_node_as_text() - a string, "5", "on" or "off"; NULL: it is nothing of that kind */
const char *mp_node_as_text(const json_t *value, char number[MP_NODE_NUMBER_LEN]);

/* What a file name of -drive means. */
struct mp_node_source {
	json_t *node; /* a reference of the caller's */
	json_t *objects; /* list that it needs, or NULL; the caller's too */
};

/**
 * mp_node_from_name() - a path, a URI, or one of QEMU's older PROTOCOL:WHATEVER
 * @ret_source:  the caller releases both, also after a failure
 * @why:         on -EINVAL a sentence for the user
 *
 * Return: 0; -EINVAL; -ENOMEM.
 */
int mp_node_from_name(const char *name, struct mp_node_source *ret_source, char why[256]);

#endif
