/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * lexer - a stream of bytes becomes JSON values.
 *
 * The stream needs no separators: a value ends where its brackets do. What is
 * wrong with it is said in the words of QEMU's parser, once for each place, and
 * the stream goes on behind it.
 */
#ifndef MP_MONITOR_LEXER_H
#define MP_MONITOR_LEXER_H

#include <stddef.h>
#include <stdint.h>

#include "monitor/buf.h"
#include "monitor/grammar.h"

struct mp_lexer {
	uint8_t state;
	char quote; /* that ends the string */
	struct mp_mon_buf token; /* being read, as it came */
	struct mp_grammar grammar;
};

/** mp_lexer_init() - @max_nesting: at most MP_MON_MAX_NESTING */
void mp_lexer_init(struct mp_lexer *lx, size_t max_bytes, unsigned int max_nesting);
void mp_lexer_fini(struct mp_lexer *lx);

/**
 * mp_lexer_feed() - read until one message is whole
 * @data:       what has come
 * @ret_eaten:  bytes of it that are done with; always written
 * @ret_msg:    the caller's; written when 1 is returned
 *
 * Return: 1 a message; 0 @data was used up without one; -ENOMEM.
 */
int mp_lexer_feed(struct mp_lexer *lx, const char *data, size_t len, size_t *ret_eaten,
		  struct mp_message *ret_msg);

#endif
