/* SPDX-License-Identifier: BSD-3-Clause */
/* buf - bytes that grow at one end and leave at the other. */
#ifndef MP_MONITOR_BUF_H
#define MP_MONITOR_BUF_H

#include <stddef.h>

struct mp_mon_buf {
	char *data;
	size_t at, n, room; /* data[at..n) is what there is */
	int error; /* negative errno of an addition that failed; sticky */
};

#define MP_MON_BUF_NULL ((struct mp_mon_buf){.data = NULL})

void mp_mon_buf_fini(struct mp_mon_buf *b);

/** mp_mon_buf_add() - at the end; return: 0 or -ENOMEM, which also stays in b->error */
int mp_mon_buf_add(struct mp_mon_buf *b, const void *data, size_t len);
int mp_mon_buf_add_char(struct mp_mon_buf *b, char c);
int mp_mon_buf_add_text(struct mp_mon_buf *b, const char *text);

/** mp_mon_buf_add_crlf() - text whose lines end in "\n", with "\r\n" in their place */
int mp_mon_buf_add_crlf(struct mp_mon_buf *b, const char *text, size_t len);

/** mp_mon_buf_text() - all of it with a 0 behind; NULL without memory */
const char *mp_mon_buf_text(struct mp_mon_buf *b);

/** mp_mon_buf_eat() - the first @len bytes are done with */
void mp_mon_buf_eat(struct mp_mon_buf *b, size_t len);

/** mp_mon_buf_clear() - empty; gives back memory that one large message needed */
void mp_mon_buf_clear(struct mp_mon_buf *b);

static inline size_t mp_mon_buf_len(const struct mp_mon_buf *b)
{
	return b->n - b->at;
}

static inline const char *mp_mon_buf_data(const struct mp_mon_buf *b)
{
	return b->data ? b->data + b->at : "";
}

#endif
