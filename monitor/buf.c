/* SPDX-License-Identifier: BSD-3-Clause */
#include "monitor/buf.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/err.h"

#define FIRST_BYTES 256u
#define KEEP_BYTES  65536u /* more than this is given back when nothing needs it */

void mp_mon_buf_fini(struct mp_mon_buf *b)
{
	free(b->data);
	*b = MP_MON_BUF_NULL;
}

static int make_room(struct mp_mon_buf *b, size_t len)
{
	size_t room = b->room ? b->room : FIRST_BYTES;
	char *more;

	if (b->error < 0)
		return b->error;
	if (b->room - b->n >= len)
		return 0;
	if (b->at > 0) {
		memmove(b->data, b->data + b->at, b->n - b->at);
		b->n -= b->at;
		b->at = 0;
	}
	while (room - b->n < len)
		room *= 2;
	more = room == b->room ? b->data : realloc(b->data, room);
	if (!more) {
		b->error = -ENOMEM;
		return mp_err_origin(-ENOMEM);
	}
	b->data = more;
	b->room = room;
	return 0;
}

int mp_mon_buf_add(struct mp_mon_buf *b, const void *data, size_t len)
{
	int r = make_room(b, len);

	if (r < 0)
		return mp_err_trace(r);
	if (len > 0)
		memcpy(b->data + b->n, data, len);
	b->n += len;
	return 0;
}

int mp_mon_buf_add_char(struct mp_mon_buf *b, char c)
{
	return mp_mon_buf_add(b, &c, 1);
}

int mp_mon_buf_add_text(struct mp_mon_buf *b, const char *text)
{
	return mp_mon_buf_add(b, text, strlen(text));
}

int mp_mon_buf_add_crlf(struct mp_mon_buf *b, const char *text, size_t len)
{
	const char *end = text + len, *line_end;
	int r = 0;

	while (r == 0 && text < end) {
		line_end = memchr(text, '\n', (size_t)(end - text));
		r = mp_mon_buf_add(b, text, (size_t)((line_end ? line_end : end) - text));
		if (r == 0 && line_end)
			r = mp_mon_buf_add(b, "\r\n", 2);
		text = line_end ? line_end + 1 : end;
	}
	return mp_err_trace(r);
}

const char *mp_mon_buf_text(struct mp_mon_buf *b)
{
	if (make_room(b, 1) < 0)
		return NULL;
	b->data[b->n] = 0;
	return b->data + b->at;
}

void mp_mon_buf_eat(struct mp_mon_buf *b, size_t len)
{
	mp_assert(len <= mp_mon_buf_len(b));
	b->at += len;
	if (b->at == b->n)
		mp_mon_buf_clear(b);
}

void mp_mon_buf_clear(struct mp_mon_buf *b)
{
	int error = b->error;

	b->at = 0;
	b->n = 0;
	if (b->room > KEEP_BYTES)
		mp_mon_buf_fini(b);
	b->error = error;
}
