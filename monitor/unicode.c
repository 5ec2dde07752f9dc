/* SPDX-License-Identifier: BSD-3-Clause */
#include "monitor/unicode.h"

#include <stdlib.h>
#include <string.h>

#define REPLACEMENT       "\xef\xbf\xbd"
#define REPLACEMENT_BYTES 3u
#define LAST_CODE         0x10ffffu

bool mp_unicode_is_valid(uint32_t code)
{
	if (code > LAST_CODE || (code >= 0xd800 && code <= 0xdfff))
		return false;
	return !(code >= 0xfdd0 && code <= 0xfdef) && (code & 0xfffe) != 0xfffe;
}

static size_t sequence_bytes(unsigned char first)
{
	if (first < 0x80)
		return 1;
	if (first >= 0xc0 && first < 0xe0)
		return 2;
	if (first >= 0xe0 && first < 0xf0)
		return 3;
	return first >= 0xf0 && first < 0xf8 ? 4 : 0;
}

size_t mp_utf8_get(const char *text, size_t len, uint32_t *ret_code)
{
	/* The least code that needs so many bytes. */
	static const uint32_t least[] = {0, 0, 0x80, 0x800, 0x10000};
	size_t n = len > 0 ? sequence_bytes((unsigned char)text[0]) : 0;
	uint32_t code;

	if (n == 0 || n > len)
		return 0;
	code = n == 1 ? (unsigned char)text[0] : (unsigned char)text[0] & (0x7fu >> n);
	for (size_t i = 1; i < n; i++) {
		if (((unsigned char)text[i] & 0xc0) != 0x80)
			return 0;
		code = code << 6 | ((unsigned char)text[i] & 0x3f);
	}
	if (!mp_unicode_is_valid(code) || (code < least[n] && !(n == 2 && code == 0)))
		return 0;
	*ret_code = code;
	return n;
}

bool mp_utf8_is_valid(const char *text)
{
	size_t len = strlen(text), step;
	uint32_t code;

	for (size_t at = 0; at < len; at += step) {
		step = mp_utf8_get(text + at, len - at, &code);
		if (step == 0 || code == 0)
			return false;
	}
	return true;
}

int32_t mp_hex4(const char *text)
{
	static const char digits[] = "0123456789abcdef";
	int32_t v = 0;
	const char *at;

	for (unsigned int i = 0; i < 4; i++) {
		at = text[i] ? strchr(digits, text[i] | 0x20) : NULL;
		if (!at || text[i] < '0')
			return -1;
		v = v << 4 | (int32_t)(at - digits);
	}
	return v;
}

void mp_utf8_copy(char *to, size_t room, const char *text)
{
	size_t len = strlen(text), n = 0, step, put;
	uint32_t code;

	for (size_t at = 0; at < len; at += step, n += put) {
		step = mp_utf8_get(text + at, len - at, &code);
		put = step > 0 && code != 0 ? step : REPLACEMENT_BYTES;
		if (put >= room - n)
			break;
		memcpy(to + n, put == step ? text + at : REPLACEMENT, put);
		step = step ? step : 1;
	}
	to[n] = 0;
}

char *mp_utf8_clean(const char *text)
{
	size_t room = strlen(text) * REPLACEMENT_BYTES + 1;
	char *clean = malloc(room);

	if (clean)
		mp_utf8_copy(clean, room, text);
	return clean;
}

json_t *mp_utf8_json(const char *text)
{
	char *clean = text ? mp_utf8_clean(text) : NULL;
	json_t *json = clean ? json_string(clean) : NULL;

	free(clean);
	return json;
}
