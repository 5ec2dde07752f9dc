/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A stream of lines, some of which announce a blob of so many bytes. Bytes are
 * kept until one event is whole, so the callback sees whole events only, however
 * the socket cuts them. The state is in_blob: outside of one the next thing is a
 * line, inside it is blob_len bytes.
 *
 * The buffer grows with what has come, a blob is bounded by MP_REPORT_MAX_BLOB, a
 * line by MAX_LINE; more is an error, not a reason to keep reading.
 */
#include "launcher/guest_report.h"

#include <errno.h>
#include <fnmatch.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/err.h"

#define MAX_LINE 4096

static const struct {
	const char *key;
	enum mp_report_kind kind;
	bool round, blob;
} keys[] = {
	{"boot", MP_REPORT_BOOT, false, false},  {"disks", MP_REPORT_DISKS, false, false},
	{"begin", MP_REPORT_BEGIN, true, false}, {"end", MP_REPORT_END, true, false},
	{"log", MP_REPORT_LOG, true, true},      {"result", MP_REPORT_RESULT, true, true},
	{"dmesg", MP_REPORT_DMESG, false, true}, {"error", MP_REPORT_ERROR, false, false},
	{"done", MP_REPORT_DONE, false, false},
};

void mp_report_init(struct mp_report *r, mp_report_fn *fn, void *opaque)
{
	*r = (struct mp_report){.fn = fn, .opaque = opaque};
}

void mp_report_fini(struct mp_report *r)
{
	free(r->buf);
	*r = (struct mp_report){0};
}

/* "KEY REST": an event, or the head of one whose blob follows. */
static int take_line(struct mp_report *r, char *line)
{
	char *rest = line + strcspn(line, " ");
	struct mp_report_event *e = &r->pending;
	size_t i, n_keys = sizeof(keys) / sizeof(keys[0]);

	if (*rest)
		*rest++ = '\0';
	for (i = 0; i < n_keys && strcmp(keys[i].key, line) != 0; i++)
		;
	if (i == n_keys) {
		r->n_unknown++;
		return 0;
	}
	*e = (struct mp_report_event){.kind = keys[i].kind};
	if (keys[i].round)
		e->round = (unsigned int)strtoul(rest, &rest, 10);
	else if (keys[i].blob)
		rest += strcspn(rest, " ");
	if (keys[i].blob) {
		r->blob_len = strtoul(rest, NULL, 10);
		r->in_blob = true;
		return r->blob_len > MP_REPORT_MAX_BLOB ? mp_err_origin(-EPROTO) : 0;
	}
	e->text = rest + strspn(rest, " ");
	e->len = strlen(e->text);
	r->fn(r->opaque, e);
	return 0;
}

/* One event out of the bytes from @at on; how many bytes it was, 0: not whole yet. */
static long take_one(struct mp_report *r, size_t at)
{
	char *from = r->buf + at, *end, saved;
	int status;

	if (r->in_blob) {
		if (r->n - at < r->blob_len)
			return 0;
		saved = from[r->blob_len]; /* the buffer has one byte more than it holds */
		from[r->blob_len] = '\0';
		r->pending.text = from;
		r->pending.len = r->blob_len;
		r->in_blob = false;
		r->fn(r->opaque, &r->pending);
		from[r->pending.len] = saved;
		return (long)r->pending.len;
	}
	end = memchr(from, '\n', r->n - at);
	if (!end)
		return r->n - at > MAX_LINE ? mp_err_origin(-EPROTO) : 0;
	*end = '\0';
	status = take_line(r, from);
	return status < 0 ? status : end + 1 - from;
}

int mp_report_feed(struct mp_report *r, const char *bytes, size_t n)
{
	bool was_blob;
	size_t at = 0;
	long used;

	if (r->n + n + 1 > r->size) {
		r->size = 2 * (r->n + n + 1);
		r->buf = realloc(r->buf, r->size);
		mp_assert(r->buf);
	}
	memcpy(r->buf + r->n, bytes, n);
	r->n += n;
	do {
		was_blob = r->in_blob;
		used = take_one(r, at);
		if (used < 0)
			return (int)used;
		at += (size_t)used;
	} while (used > 0 || was_blob != r->in_blob); /* an empty blob uses no byte */
	memmove(r->buf, r->buf + at, r->n - at);
	r->n -= at;
	return 0;
}

const char *mp_report_next_line(const char *text, char *buf, size_t len)
{
	size_t n;

	text += strspn(text, "\r\n");
	n = strcspn(text, "\r\n");
	snprintf(buf, len, "%.*s", (int)n, text);
	return n > 0 ? text + n : NULL;
}

bool mp_guest_line_is_bad(const char *line)
{
	static const char *const patterns[] = {
		"*I/O error*",
		"*Call Trace:*",
		"*Kernel panic*",
		"*BUG: *",
		"*: nobody cared*",
		"*blocked for more than*",
		"*rejecting I/O*",
		"*DID_*",
		"*sym[0-9]*: *ABORT*",
		"*ABORT operation*",
		"*BUS RESET operation*",
		"*HOST RESET operation*",
		"*DEVICE RESET operation*",
		"*sym[0-9]*: *unexpected*",
		"*sym[0-9]*: *parity error*",
		"*sym[0-9]*: *PARITY ERROR*",
		"*sym[0-9]*: *phase error*",
		"*sym[0-9]*: *timed*out*",
		"*sym[0-9]*: *TEST FAILED*",
		"*sym[0-9]*: *ERROR*",
		"*sym[0-9]*: *unable to*",
		"*sym[0-9]*: *unknown interrupt*",
		"*sym[0-9]*: *FAILED*",
		"*sym[0-9]*: *PCI bus error*",
		"*CACHE TEST FAILED*",
		"*Sense Key : *Error*",
		"*Aborted Command*",
		"*mpring-guest: *",
	};

	for (size_t i = 0; i < sizeof(patterns) / sizeof(patterns[0]); i++)
		if (fnmatch(patterns[i], line, 0) == 0)
			return true;
	return false;
}
