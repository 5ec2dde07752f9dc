/* SPDX-License-Identifier: BSD-3-Clause */
/* grammar - tokens of JSON, one by one, become a value or the first thing wrong with it. */
#ifndef MP_MONITOR_GRAMMAR_H
#define MP_MONITOR_GRAMMAR_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "monitor/buf.h"

/** Deepest nesting that a limit may allow: the parser of jansson refuses more than 2048 */
#define MP_MON_MAX_NESTING 2000u

enum mp_token {
	MP_TOKEN_MARK, /* one of {}[]:, */
	MP_TOKEN_STRING, /* with its quotes, which may be single ones */
	MP_TOKEN_INTEGER,
	MP_TOKEN_REAL,
	MP_TOKEN_KEYWORD,
	MP_TOKEN_STRAY, /* no token */
};

/* One value, or what was wrong in its place. */
struct mp_message {
	json_t *value; /* a new reference; NULL if there is an error */
	char *id; /* text of the outermost object's member "id"; NULL none */
	char *error; /* what was wrong */
};

#define MP_MESSAGE_NULL ((struct mp_message){.value = NULL})

void mp_message_fini(struct mp_message *msg);

struct mp_grammar {
	size_t max_bytes; /* of one value */
	unsigned int max_nesting;
	struct mp_mon_buf text; /* the value so far, as strict JSON */
	size_t n_tokens, n_bytes;
	int braces, brackets; /* open ones */
	uint8_t expect; /* what may come next */
	uint8_t in_object[MP_MON_MAX_NESTING / 8]; /* a bit for each level; else an array */
	unsigned int depth;
	char *error; /* the first one in this value */
	bool no_memory;
	/* The outermost member "id" as it came; what of it isn't there yet begins here in text. */
	uint8_t id_state;
	struct mp_mon_buf id;
	size_t id_at;
};

void mp_grammar_init(struct mp_grammar *g, size_t max_bytes, unsigned int max_nesting);
void mp_grammar_fini(struct mp_grammar *g);

/**
 * mp_grammar_token() - the next token
 * @token:  its text; a 0 is behind it
 *
 * Return: 1 with @ret_msg, the caller's, when that ends a value; 0; -ENOMEM.
 */
int mp_grammar_token(struct mp_grammar *g, enum mp_token kind, const char *token, size_t len,
		     struct mp_message *ret_msg);

/** mp_grammar_fits() - whether a token that has @len bytes already may be part of the value */
bool mp_grammar_fits(const struct mp_grammar *g, size_t len);

/** mp_grammar_too_long() - give up the value, as its token doesn't fit; return as for a token */
int mp_grammar_too_long(struct mp_grammar *g, struct mp_message *ret_msg);

#endif
