/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * guest_report - what the guest says: lines on the report port, and its
 * console. launcher/guest/init describes the lines. The guest is not trusted:
 * lengths are bounded, unknown lines are counted and passed over.
 */
#ifndef MP_LAUNCHER_GUEST_REPORT_H
#define MP_LAUNCHER_GUEST_REPORT_H

#include <stdbool.h>
#include <stddef.h>

#define MP_REPORT_MAX_BLOB (64u << 20)

enum mp_report_kind {
	MP_REPORT_BOOT, /* text: kernel, fio, seconds */
	MP_REPORT_DISKS, /* text: found, wanted, seconds */
	MP_REPORT_BEGIN, /* round */
	MP_REPORT_END, /* round; text: exit status of fio, seconds */
	MP_REPORT_LOG, /* round; blob: what fio complained of */
	MP_REPORT_RESULT, /* round; blob: fio's JSON */
	MP_REPORT_DMESG, /* blob */
	MP_REPORT_ERROR, /* text */
	MP_REPORT_DONE,
};

struct mp_report_event {
	enum mp_report_kind kind;
	unsigned int round;
	/* The rest of the line, or the blob: NUL-terminated, valid in the callback. */
	const char *text;
	size_t len;
};

typedef void mp_report_fn(void *opaque, const struct mp_report_event *event);

struct mp_report {
	mp_report_fn *fn;
	void *opaque;
	char *buf;
	size_t n, size;
	size_t blob_len; /* > 0: that many bytes belong to @pending */
	struct mp_report_event pending;
	bool in_blob;
	unsigned int n_unknown;
};

/** mp_report_init() - @fn is called back by mp_report_feed(), on its thread */
void mp_report_init(struct mp_report *r, mp_report_fn *fn, void *opaque);
/** mp_report_fini() - takes zeroed ones too */
void mp_report_fini(struct mp_report *r);
/** mp_report_feed() - bytes as they come; calls back once for each whole event; -EPROTO too long */
int mp_report_feed(struct mp_report *r, const char *bytes, size_t n);

/**
 * mp_report_next_line() - the next line of a blob's text that isn't empty
 * @buf:  takes as much of it as fits
 *
 * Return: where to go on; NULL: there was none.
 */
const char *mp_report_next_line(const char *text, char *buf, size_t len);

/** mp_guest_line_is_bad() - does a line of console or dmesg tell of an error that a disk or driver made? */
bool mp_guest_line_is_bad(const char *line);

#endif
