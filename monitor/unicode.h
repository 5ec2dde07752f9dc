/* SPDX-License-Identifier: BSD-3-Clause */
/* unicode - UTF-8 and the escapes of JSON strings. */
#ifndef MP_MONITOR_UNICODE_H
#define MP_MONITOR_UNICODE_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/** mp_unicode_is_valid() - a character: no half of a pair, none of the noncharacters */
bool mp_unicode_is_valid(uint32_t code);

/**
 * mp_utf8_get() - the first character of @text
 *
 * 0xC0 0x80 is U+0000. Return: its bytes, with *ret_code; 0 when these bytes are none.
 */
size_t mp_utf8_get(const char *text, size_t len, uint32_t *ret_code);

/** mp_utf8_is_valid() - all of @text is, so that JSON can have it */
bool mp_utf8_is_valid(const char *text);

/** mp_hex4() - four hexadecimal digits, of which there may be fewer before the 0; or -1 */
int32_t mp_hex4(const char *text);

/**
 * mp_utf8_copy() - as much of @text as has room, in whole characters
 * @room:  bytes at @to, at least 1; a 0 is the last
 *
 * In place of each byte that is no UTF-8 there is U+FFFD.
 */
void mp_utf8_copy(char *to, size_t room, const char *text);

/** mp_utf8_clean() - all of it, on the heap; or NULL */
char *mp_utf8_clean(const char *text);

/** mp_utf8_json() - the same as a new JSON string; NULL is NULL, too */
json_t *mp_utf8_json(const char *text);

#endif
