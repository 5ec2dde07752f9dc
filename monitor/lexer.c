/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A state machine over bytes:
 *
 *	START	   between tokens
 *	STRING	   in a string; ESCAPE behind its backslash
 *	KEYWORD	   lower case letters
 *	MINUS ZERO DIGITS POINT FRACTION E E_SIGN EXPONENT	in a number
 *	RECOVER	   after bytes that are no token: skip until a mark, or a control
 *		   character (a line's end is one), or 0xFE or 0xFF, which no UTF-8
 *		   text has and by which a client can always get back to START
 *
 * Each step either eats its byte, or ends a token before it and is asked again
 * with the same byte; so a byte ends at most one message.
 */
#include "monitor/lexer.h"

#include <errno.h>
#include <stdbool.h>
#include <string.h>

#include "base/err.h"

enum {
	START,
	STRING,
	ESCAPE,
	KEYWORD,
	MINUS,
	ZERO,
	DIGITS,
	POINT,
	FRACTION,
	E,
	E_SIGN,
	EXPONENT,
	RECOVER,
};

/* What a byte does: go to the state, or one of these. */
enum {
	SKIP = 32, /* the byte is nothing */
	MARK, /* is a token */
	END, /* the token ended before it */
	LAST, /* and with it ends the token */
	STRAY, /* doesn't fit */
	AGAIN, /* to START, with the same byte */
};

static bool is_digit(unsigned char c)
{
	return c >= '0' && c <= '9';
}

static bool is_letter(unsigned char c)
{
	return c >= 'a' && c <= 'z';
}

static bool is_mark(unsigned char c)
{
	return c && strchr("{}[]:,", c);
}

/* Bytes that can't be part of a string. */
static bool is_impossible(unsigned char c)
{
	return c < 0x20 || c >= 0xfe;
}

static int at_start(struct mp_lexer *lx, unsigned char c)
{
	if (c && strchr(" \t\r\n", c))
		return SKIP;
	if (is_mark(c))
		return MARK;
	if (c == '"' || c == '\'') {
		lx->quote = (char)c;
		return STRING;
	}
	if (is_letter(c))
		return KEYWORD;
	if (c == '-')
		return MINUS;
	if (is_digit(c))
		return c == '0' ? ZERO : DIGITS;
	return STRAY;
}

static int in_number(unsigned int state, unsigned char c)
{
	bool is_e = c == 'e' || c == 'E';

	switch (state) {
	case MINUS:
		return !is_digit(c) ? STRAY : c == '0' ? ZERO : DIGITS;
	case ZERO:
		return is_digit(c) ? STRAY : c == '.' ? POINT : is_e ? E : END;
	case DIGITS:
		return is_digit(c) ? DIGITS : c == '.' ? POINT : is_e ? E : END;
	case POINT:
		return is_digit(c) ? FRACTION : STRAY;
	case FRACTION:
		return is_digit(c) ? FRACTION : is_e ? E : END;
	case E:
		return is_digit(c) ? EXPONENT : c == '+' || c == '-' ? E_SIGN : STRAY;
	case E_SIGN:
		return is_digit(c) ? EXPONENT : STRAY;
	default:
		return is_digit(c) ? EXPONENT : END;
	}
}

static int decide(struct mp_lexer *lx, unsigned char c)
{
	switch (lx->state) {
	case START:
		return at_start(lx, c);
	case STRING:
		if (c == (unsigned char)lx->quote)
			return LAST;
		return is_impossible(c) ? STRAY : c == '\\' ? ESCAPE : STRING;
	case ESCAPE:
		return is_impossible(c) ? STRAY : STRING;
	case KEYWORD:
		return is_letter(c) ? KEYWORD : END;
	case RECOVER:
		return is_mark(c) || (is_impossible(c) && c != '\t') ? AGAIN : SKIP;
	default:
		return in_number(lx->state, c);
	}
}

static enum mp_token kind_of(unsigned int state)
{
	switch (state) {
	case STRING:
		return MP_TOKEN_STRING;
	case KEYWORD:
		return MP_TOKEN_KEYWORD;
	case ZERO:
	case DIGITS:
		return MP_TOKEN_INTEGER;
	default:
		return MP_TOKEN_REAL;
	}
}

static int emit(struct mp_lexer *lx, enum mp_token kind, struct mp_message *ret_msg)
{
	const char *token = mp_mon_buf_text(&lx->token);
	int r;

	lx->state = kind == MP_TOKEN_STRAY ? RECOVER : START;
	if (!token)
		return mp_err_origin(-ENOMEM);
	r = mp_grammar_token(&lx->grammar, kind, token, mp_mon_buf_len(&lx->token), ret_msg);
	mp_mon_buf_clear(&lx->token);
	return mp_err_trace(r);
}

/* One byte; *ret_ate says whether it is done with. Returns as mp_lexer_feed(). */
static int step(struct mp_lexer *lx, char c, bool *ret_ate, struct mp_message *ret_msg)
{
	int to = decide(lx, (unsigned char)c);
	int r;

	*ret_ate = to != END && to != AGAIN;
	if (to == SKIP)
		return 0;
	if (to == AGAIN) {
		lx->state = START;
		return 0;
	}
	if (to == END)
		return emit(lx, kind_of(lx->state), ret_msg);
	if (!mp_grammar_fits(&lx->grammar, mp_mon_buf_len(&lx->token))) {
		mp_mon_buf_clear(&lx->token);
		lx->state = RECOVER;
		return mp_grammar_too_long(&lx->grammar, ret_msg);
	}
	r = mp_mon_buf_add_char(&lx->token, c);
	if (r < 0)
		return mp_err_trace(r);
	if (to == MARK || to == LAST || to == STRAY)
		return emit(lx,
			    to == MARK   ? MP_TOKEN_MARK
			    : to == LAST ? MP_TOKEN_STRING
					 : MP_TOKEN_STRAY,
			    ret_msg);
	lx->state = (uint8_t)to;
	return 0;
}

void mp_lexer_init(struct mp_lexer *lx, size_t max_bytes, unsigned int max_nesting)
{
	*lx = (struct mp_lexer){.state = START};
	mp_grammar_init(&lx->grammar, max_bytes, max_nesting);
}

void mp_lexer_fini(struct mp_lexer *lx)
{
	mp_mon_buf_fini(&lx->token);
	mp_grammar_fini(&lx->grammar);
}

int mp_lexer_feed(struct mp_lexer *lx, const char *data, size_t len, size_t *ret_eaten,
		  struct mp_message *ret_msg)
{
	size_t at = 0;
	bool ate;
	int r = 0;

	while (r == 0 && at < len) {
		r = step(lx, data[at], &ate, ret_msg);
		at += ate;
	}
	*ret_eaten = at;
	return r;
}
