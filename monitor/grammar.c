/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Tokens are checked as they come and written, as strict JSON, into one text;
 * when all brackets are closed, jansson makes the value out of it. So the wide
 * parts of the input language (single quotes, integers beyond 64 bits) end here,
 * and so do all errors that deserve words of their own.
 *
 * An error doesn't end the value: the rest of it is counted bracket by bracket
 * and dropped, so that one fault gives one message.
 */
#include "monitor/grammar.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/err.h"
#include "monitor/unicode.h"

/* A value needs more memory than its text: at most a token for each 32 bytes of the limit. */
#define BYTES_PER_TOKEN 32u
#define MIN_TOKENS      1024u
#define ERROR_LEN       256

enum { WANT_VALUE, WANT_VALUE_OR_END, WANT_KEY, WANT_KEY_OR_END, WANT_COLON, WANT_COMMA };
enum { ID_NONE, ID_KEY, ID_VALUE, ID_DONE };

void mp_message_fini(struct mp_message *msg)
{
	json_decref(msg->value);
	free(msg->id);
	free(msg->error);
	*msg = MP_MESSAGE_NULL;
}

void mp_grammar_init(struct mp_grammar *g, size_t max_bytes, unsigned int max_nesting)
{
	mp_assert(max_nesting <= MP_MON_MAX_NESTING);
	*g = (struct mp_grammar){.max_bytes = max_bytes, .max_nesting = max_nesting};
}

void mp_grammar_fini(struct mp_grammar *g)
{
	mp_mon_buf_fini(&g->text);
	mp_mon_buf_fini(&g->id);
	free(g->error);
	*g = (struct mp_grammar){.max_bytes = 0};
}

static void set_error(struct mp_grammar *g, const char *fmt, ...)
	__attribute__((format(printf, 2, 3)));

static void set_error(struct mp_grammar *g, const char *fmt, ...)
{
	char text[ERROR_LEN];
	va_list args;

	if (g->error)
		return;
	va_start(args, fmt);
	vsnprintf(text, sizeof(text), fmt, args);
	va_end(args);
	g->error = mp_utf8_clean(text);
	g->no_memory |= !g->error;
}

static void parse_error(struct mp_grammar *g, const char *what)
{
	set_error(g, "JSON parse error, %s", what);
}

/* Forget the value; its error, if it has one, is the caller's. */
static char *start_over(struct mp_grammar *g)
{
	char *error = g->error;

	mp_mon_buf_clear(&g->text);
	mp_mon_buf_clear(&g->id);
	g->text.error = 0;
	g->id.error = 0;
	g->error = NULL;
	g->n_tokens = 0;
	g->n_bytes = 0;
	g->braces = 0;
	g->brackets = 0;
	g->depth = 0;
	g->expect = WANT_VALUE;
	g->id_state = ID_NONE;
	g->no_memory = false;
	return error;
}

static const char *words_of(const json_error_t *error)
{
	switch (json_error_code(error)) {
	case json_error_duplicate_key:
		return "duplicate key";
	case json_error_null_byte_in_key:
		return "character 0 in the name of a member";
	case json_error_numeric_overflow:
		return "number out of range";
	default:
		return "expecting value";
	}
}

static int load(struct mp_grammar *g, struct mp_message *msg)
{
	json_error_t error;

	msg->value = json_loadb(mp_mon_buf_data(&g->text), mp_mon_buf_len(&g->text),
				JSON_DECODE_ANY | JSON_ALLOW_NUL | JSON_REJECT_DUPLICATES, &error);
	if (!msg->value) {
		if (json_error_code(&error) == json_error_out_of_memory)
			return mp_err_origin(-ENOMEM);
		parse_error(g, words_of(&error));
		return g->no_memory ? mp_err_origin(-ENOMEM) : 0;
	}
	if (g->id_state == ID_DONE) {
		msg->id = strndup(mp_mon_buf_data(&g->id), mp_mon_buf_len(&g->id));
		return msg->id ? 0 : mp_err_origin(-ENOMEM);
	}
	return 0;
}

static int finish(struct mp_grammar *g, struct mp_message *ret_msg)
{
	MP_CLEANUP(mp_message_fini) struct mp_message msg = MP_MESSAGE_NULL;
	int r = g->no_memory || g->text.error < 0 || g->id.error < 0 ? mp_err_origin(-ENOMEM) : 0;

	if (r == 0 && !g->error)
		r = load(g, &msg);
	msg.error = start_over(g);
	if (r < 0)
		return mp_err_trace(r);
	*ret_msg = msg;
	msg = MP_MESSAGE_NULL;
	return 1;
}

/* Drop the value for this one reason. */
static int abandon(struct mp_grammar *g, const char *why, struct mp_message *ret_msg)
{
	free(start_over(g));
	set_error(g, "%s", why);
	return finish(g, ret_msg);
}

static void push(struct mp_grammar *g, bool object)
{
	uint8_t bit = (uint8_t)(1u << g->depth % 8);

	if (object)
		g->in_object[g->depth / 8] |= bit;
	else
		g->in_object[g->depth / 8] &= (uint8_t)~bit;
	g->depth++;
}

static bool in_object(const struct mp_grammar *g)
{
	return g->depth > 0 && g->in_object[(g->depth - 1) / 8] >> (g->depth - 1) % 8 & 1;
}

static void keep_id(struct mp_grammar *g)
{
	size_t end = mp_mon_buf_len(&g->text);

	if (g->id_state != ID_VALUE)
		return;
	mp_mon_buf_add(&g->id, mp_mon_buf_data(&g->text) + g->id_at, end - g->id_at);
	g->id_at = end;
}

static void value_ended(struct mp_grammar *g)
{
	g->expect = g->depth > 0 ? WANT_COMMA : WANT_VALUE;
	if (g->id_state == ID_VALUE && g->depth == 1) {
		keep_id(g);
		g->id_state = ID_DONE;
	}
}

/* --- strings --- */

static void put_code(struct mp_grammar *g, uint32_t code)
{
	char text[16];

	if (code >= 0x10000)
		snprintf(text, sizeof(text), "\\u%04x\\u%04x", 0xd800 + ((code - 0x10000) >> 10),
			 0xdc00 + ((code - 0x10000) & 0x3ff));
	else
		snprintf(text, sizeof(text), "\\u%04x", code);
	mp_mon_buf_add_text(&g->text, text);
}

/* @at is at "\u". Returns its bytes, or 0 after an error. */
static size_t unicode_escape(struct mp_grammar *g, const char *at)
{
	int32_t high = mp_hex4(at + 2), low;
	uint32_t code = (uint32_t)high;
	size_t n = 6;

	if (high >= 0xd800 && high <= 0xdbff && at[6] == '\\' && at[7] == 'u') {
		low = mp_hex4(at + 8);
		if (low >= 0xdc00 && low <= 0xdfff) {
			code = 0x10000 + ((uint32_t)(high - 0xd800) << 10) +
			       (uint32_t)(low - 0xdc00);
			n = 12;
		}
	}
	if (high < 0 || !mp_unicode_is_valid(code)) {
		set_error(g, "JSON parse error, %.6s is not a valid Unicode character", at);
		return 0;
	}
	put_code(g, code);
	return n;
}

static size_t escape(struct mp_grammar *g, const char *at)
{
	if (at[1] == 'u')
		return unicode_escape(g, at);
	if (at[1] == '\'') {
		mp_mon_buf_add_char(&g->text, '\'');
		return 2;
	}
	if (!strchr("\"\\/bfnrt", at[1])) {
		parse_error(g, "invalid escape sequence in string");
		return 0;
	}
	mp_mon_buf_add(&g->text, at, 2);
	return 2;
}

static size_t plain_character(struct mp_grammar *g, const char *at, size_t len)
{
	uint32_t code;
	size_t n = mp_utf8_get(at, len, &code);

	if (n == 0)
		parse_error(g, "invalid UTF-8 sequence in string");
	else if (code == '"' || code == 0)
		put_code(g, code);
	else
		mp_mon_buf_add(&g->text, at, n);
	return n;
}

/* Strict JSON for a string with either quote. */
static void put_string(struct mp_grammar *g, const char *token, size_t len)
{
	size_t n = 1;

	mp_mon_buf_add_char(&g->text, '"');
	for (size_t at = 1; n > 0 && at < len - 1; at += n)
		n = token[at] == '\\' ? escape(g, token + at)
				      : plain_character(g, token + at, len - 1 - at);
	mp_mon_buf_add_char(&g->text, '"');
}

/* --- tokens --- */

static bool is_keyword(const char *token)
{
	return strcmp(token, "true") == 0 || strcmp(token, "false") == 0 ||
	       strcmp(token, "null") == 0;
}

/* What 64 bits can't hold, goes on as a real number; but not in an id. */
static void make_real(struct mp_grammar *g)
{
	keep_id(g);
	mp_mon_buf_add_text(&g->text, "e0");
	g->id_at = mp_mon_buf_len(&g->text);
}

/* A value that is one token. */
static void put_scalar(struct mp_grammar *g, enum mp_token kind, const char *token, size_t len)
{
	if (kind == MP_TOKEN_STRING) {
		put_string(g, token, len);
		return;
	}
	if (kind == MP_TOKEN_KEYWORD && !is_keyword(token)) {
		set_error(g, "JSON parse error, invalid keyword '%s'", token);
		return;
	}
	mp_mon_buf_add(&g->text, token, len);
	errno = 0;
	if (kind == MP_TOKEN_INTEGER && (strtoll(token, NULL, 10), errno == ERANGE))
		make_real(g);
}

static void key(struct mp_grammar *g, const char *token, size_t len)
{
	size_t at = mp_mon_buf_len(&g->text);

	put_string(g, token, len);
	g->expect = WANT_COLON;
	if (g->depth == 1 && g->id_state == ID_NONE && mp_mon_buf_len(&g->text) - at == 4 &&
	    memcmp(mp_mon_buf_data(&g->text) + at, "\"id\"", 4) == 0)
		g->id_state = ID_KEY;
}

static void open_bracket(struct mp_grammar *g, char c)
{
	mp_mon_buf_add_char(&g->text, c);
	push(g, c == '{');
	g->expect = c == '{' ? WANT_KEY_OR_END : WANT_VALUE_OR_END;
}

static bool closes(const struct mp_grammar *g, char c)
{
	return g->depth > 0 && c == (in_object(g) ? '}' : ']');
}

static void close_bracket(struct mp_grammar *g, char c)
{
	mp_mon_buf_add_char(&g->text, c);
	g->depth--;
	value_ended(g);
}

static void want_value(struct mp_grammar *g, enum mp_token kind, const char *token, size_t len)
{
	if (kind == MP_TOKEN_MARK && g->expect == WANT_VALUE_OR_END && closes(g, token[0])) {
		close_bracket(g, token[0]);
		return;
	}
	if (g->id_state == ID_KEY) {
		g->id_state = ID_VALUE;
		g->id_at = mp_mon_buf_len(&g->text);
	}
	if (kind == MP_TOKEN_MARK && (token[0] == '{' || token[0] == '[')) {
		open_bracket(g, token[0]);
	} else if (kind == MP_TOKEN_MARK) {
		parse_error(g, "expecting value");
	} else {
		put_scalar(g, kind, token, len);
		value_ended(g);
	}
}

static void want_key(struct mp_grammar *g, enum mp_token kind, const char *token, size_t len)
{
	if (kind == MP_TOKEN_STRING)
		key(g, token, len);
	else if (kind == MP_TOKEN_MARK && g->expect == WANT_KEY_OR_END && closes(g, token[0]))
		close_bracket(g, token[0]);
	else if (kind == MP_TOKEN_MARK && token[0] != '{' && token[0] != '[')
		parse_error(g, "expecting value");
	else if (kind == MP_TOKEN_KEYWORD && !is_keyword(token))
		set_error(g, "JSON parse error, invalid keyword '%s'", token);
	else
		parse_error(g, "key is not a string in object");
}

static void want_comma(struct mp_grammar *g, enum mp_token kind, const char *token)
{
	bool object = in_object(g);

	if (kind == MP_TOKEN_MARK && token[0] == ',') {
		mp_mon_buf_add_text(&g->text, ", ");
		g->expect = object ? WANT_KEY : WANT_VALUE;
	} else if (kind == MP_TOKEN_MARK && closes(g, token[0])) {
		close_bracket(g, token[0]);
	} else {
		parse_error(g,
			    object ? "expected separator in dict" : "expected separator in list");
	}
}

static void want_colon(struct mp_grammar *g, enum mp_token kind, const char *token)
{
	if (kind != MP_TOKEN_MARK || token[0] != ':') {
		parse_error(g, "missing : in object pair");
		return;
	}
	mp_mon_buf_add_text(&g->text, ": ");
	g->expect = WANT_VALUE;
}

static void check(struct mp_grammar *g, enum mp_token kind, const char *token, size_t len)
{
	switch (g->expect) {
	case WANT_VALUE:
	case WANT_VALUE_OR_END:
		want_value(g, kind, token, len);
		break;
	case WANT_KEY:
	case WANT_KEY_OR_END:
		want_key(g, kind, token, len);
		break;
	case WANT_COLON:
		want_colon(g, kind, token);
		break;
	default:
		want_comma(g, kind, token);
	}
}

static void count_brackets(struct mp_grammar *g, char c)
{
	g->braces += (c == '{') - (c == '}');
	g->brackets += (c == '[') - (c == ']');
}

bool mp_grammar_fits(const struct mp_grammar *g, size_t len)
{
	return len < g->max_bytes && g->n_bytes < g->max_bytes - len;
}

int mp_grammar_too_long(struct mp_grammar *g, struct mp_message *ret_msg)
{
	return abandon(g, "JSON token size limit exceeded", ret_msg);
}

static size_t max_tokens(const struct mp_grammar *g)
{
	size_t n = g->max_bytes / BYTES_PER_TOKEN;

	return n > MIN_TOKENS ? n : MIN_TOKENS;
}

int mp_grammar_token(struct mp_grammar *g, enum mp_token kind, const char *token, size_t len,
		     struct mp_message *ret_msg)
{
	char text[ERROR_LEN];

	if (kind == MP_TOKEN_STRAY) {
		snprintf(text, sizeof(text), "JSON parse error, stray '%s'", token);
		return abandon(g, text, ret_msg);
	}
	g->n_bytes += len;
	g->n_tokens++;
	if (kind == MP_TOKEN_MARK)
		count_brackets(g, token[0]);
	if (g->n_tokens > max_tokens(g))
		return abandon(g, "JSON token count limit exceeded", ret_msg);
	if (g->braces + g->brackets > (int)g->max_nesting)
		return abandon(g, "JSON nesting depth limit exceeded", ret_msg);
	if (!g->error)
		check(g, kind, token, len);
	if (g->text.error < 0 || g->no_memory) {
		free(start_over(g));
		return mp_err_origin(-ENOMEM);
	}
	if ((g->braces > 0 || g->brackets > 0) && g->braces >= 0 && g->brackets >= 0)
		return 0;
	return finish(g, ret_msg);
}
