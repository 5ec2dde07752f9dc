/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * nbd_log - copies of what a server has acknowledged and may still forget.
 *
 * A queue: writes are appended as they are acknowledged, and released from the
 * oldest on when a flush has succeeded. Bounded in bytes and in entries;
 * whoever wants to append later reserves first. It knows no server and does no
 * I/O. Each entry's data is one piece of memory; a write that would wrap around
 * the end of the ring becomes two entries.
 */
#ifndef MP_BLOCK_NBD_LOG_H
#define MP_BLOCK_NBD_LOG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum mp_nbd_change { MP_NBD_DATA, MP_NBD_ZEROS, MP_NBD_ZEROS_UNMAP, MP_NBD_TRIM };

struct mp_nbd_entry {
	uint64_t offset;
	uint64_t len;
	const uint8_t *data; /* DATA */
	enum mp_nbd_change change;
	int error; /* 0; negative errno: the server refused to take it again */
};

struct mp_nbd_log {
	struct mp_nbd_entry *entries; /* NULL: nothing is kept */
	uint32_t n_entries; /* power of two */
	uint32_t head, tail; /* free-running; the oldest entry, one after the newest */
	uint8_t *data;
	size_t data_len;
	uint64_t data_head, data_tail; /* free-running */
	uint64_t reserved_bytes;
	uint32_t reserved_entries;
	unsigned int n_failed; /* entries with an error */
};

/** mp_nbd_log_init() - room for @len bytes, 256 KiB at least; 0: nothing is kept; Return: 0; -ENOMEM */
int mp_nbd_log_init(struct mp_nbd_log *log, size_t len);
void mp_nbd_log_fini(struct mp_nbd_log *log);

static inline bool mp_nbd_log_is_on(const struct mp_nbd_log *log)
{
	return log->entries != NULL;
}

static inline bool mp_nbd_log_is_empty(const struct mp_nbd_log *log)
{
	return log->head == log->tail;
}

/** mp_nbd_log_most() - largest change with data that one append takes */
size_t mp_nbd_log_most(const struct mp_nbd_log *log);

/** mp_nbd_log_reserve() - room for one change; Return: is there any? */
bool mp_nbd_log_reserve(struct mp_nbd_log *log, enum mp_nbd_change change, uint64_t len);
/** mp_nbd_log_unreserve() - it isn't needed after all */
void mp_nbd_log_unreserve(struct mp_nbd_log *log, enum mp_nbd_change change, uint64_t len);
/** mp_nbd_log_append() - keep a copy of *@what, for which there is a reservation */
void mp_nbd_log_append(struct mp_nbd_log *log, const struct mp_nbd_entry *what);

/** mp_nbd_log_at() - entry @i, head <= i < tail; stays until it is released */
struct mp_nbd_entry *mp_nbd_log_at(const struct mp_nbd_log *log, uint32_t i);
/** mp_nbd_log_release() - forget the entries before @mark, a tail that was */
void mp_nbd_log_release(struct mp_nbd_log *log, uint32_t mark);
/** mp_nbd_log_is_half_full() - reservations count */
bool mp_nbd_log_is_half_full(const struct mp_nbd_log *log);

/** mp_nbd_log_set_error() - the outcome of writing entry @i again: 0 or negative errno */
void mp_nbd_log_set_error(struct mp_nbd_log *log, uint32_t i, int error);
/** mp_nbd_log_superseded() - the server has taken this range: errors of older entries inside are moot */
void mp_nbd_log_superseded(struct mp_nbd_log *log, uint32_t before, uint64_t offset, uint64_t len);
/** mp_nbd_log_error_in() - Return: 0; the error of an entry that overlaps with the range */
int mp_nbd_log_error_in(const struct mp_nbd_log *log, uint64_t offset, uint64_t len);

#endif
