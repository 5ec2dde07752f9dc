/* SPDX-License-Identifier: BSD-3-Clause */
#include "block/nbd_log.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "base/err.h"

#define MIN_BYTES       ((size_t)256 << 10)
#define BYTES_PER_ENTRY 2048u /* writes that are smaller, on average, fill the entries first */
/* A change may need two: see append. */
#define ENTRIES_EACH 2u

int mp_nbd_log_init(struct mp_nbd_log *log, size_t len)
{
	void *data;

	memset(log, 0, sizeof(*log));
	if (len == 0)
		return 0;
	if (len < MIN_BYTES)
		len = MIN_BYTES;
	/* Pages that nobody needs are never there. */
	data = mmap(NULL, len, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE,
		    -1, 0);
	if (data == MAP_FAILED)
		return mp_err_origin(-errno);
	for (log->n_entries = 1; log->n_entries < len / BYTES_PER_ENTRY;)
		log->n_entries *= 2;
	log->entries = calloc(log->n_entries, sizeof(log->entries[0]));
	if (!log->entries) {
		munmap(data, len);
		return mp_err_origin(-ENOMEM);
	}
	log->data = data;
	log->data_len = len;
	return 0;
}

void mp_nbd_log_fini(struct mp_nbd_log *log)
{
	free(log->entries);
	if (log->data)
		munmap(log->data, log->data_len);
	memset(log, 0, sizeof(*log));
}

size_t mp_nbd_log_most(const struct mp_nbd_log *log)
{
	return log->data_len / 4;
}

static uint64_t bytes_of(enum mp_nbd_change change, uint64_t len)
{
	return change == MP_NBD_DATA ? len : 0;
}

static uint64_t used_bytes(const struct mp_nbd_log *log)
{
	return log->data_tail - log->data_head + log->reserved_bytes;
}

static uint32_t used_entries(const struct mp_nbd_log *log)
{
	return log->tail - log->head + log->reserved_entries;
}

bool mp_nbd_log_reserve(struct mp_nbd_log *log, enum mp_nbd_change change, uint64_t len)
{
	uint64_t bytes = bytes_of(change, len);

	if (bytes > log->data_len - used_bytes(log) ||
	    ENTRIES_EACH > log->n_entries - used_entries(log))
		return false;
	log->reserved_bytes += bytes;
	log->reserved_entries += ENTRIES_EACH;
	return true;
}

void mp_nbd_log_unreserve(struct mp_nbd_log *log, enum mp_nbd_change change, uint64_t len)
{
	mp_assert(log->reserved_entries >= ENTRIES_EACH);
	log->reserved_bytes -= bytes_of(change, len);
	log->reserved_entries -= ENTRIES_EACH;
}

struct mp_nbd_entry *mp_nbd_log_at(const struct mp_nbd_log *log, uint32_t i)
{
	return &log->entries[i & (log->n_entries - 1)];
}

static void append_piece(struct mp_nbd_log *log, const struct mp_nbd_entry *what)
{
	struct mp_nbd_entry *to = mp_nbd_log_at(log, log->tail++);
	uint8_t *data = log->data + log->data_tail % log->data_len;

	*to = *what;
	to->error = 0;
	to->data = NULL;
	if (what->change != MP_NBD_DATA)
		return;
	memcpy(data, what->data, what->len);
	to->data = data;
	log->data_tail += what->len;
}

void mp_nbd_log_append(struct mp_nbd_log *log, const struct mp_nbd_entry *what)
{
	uint64_t to_end = log->data_len - log->data_tail % log->data_len;
	struct mp_nbd_entry first = *what, second = *what;

	mp_nbd_log_unreserve(log, what->change, what->len);
	if (what->change != MP_NBD_DATA || what->len <= to_end) {
		append_piece(log, what);
		return;
	}
	first.len = to_end;
	second.offset += to_end;
	second.len -= to_end;
	second.data += to_end;
	append_piece(log, &first);
	append_piece(log, &second);
}

void mp_nbd_log_release(struct mp_nbd_log *log, uint32_t mark)
{
	while (log->head != log->tail && (int32_t)(mark - log->head) > 0) {
		const struct mp_nbd_entry *entry = mp_nbd_log_at(log, log->head++);

		log->data_head += bytes_of(entry->change, entry->len);
		log->n_failed -= entry->error != 0;
	}
}

bool mp_nbd_log_is_half_full(const struct mp_nbd_log *log)
{
	return used_bytes(log) >= log->data_len / 2 || used_entries(log) >= log->n_entries / 2;
}

void mp_nbd_log_set_error(struct mp_nbd_log *log, uint32_t i, int error)
{
	struct mp_nbd_entry *entry = mp_nbd_log_at(log, i);

	log->n_failed += (error != 0) - (entry->error != 0);
	entry->error = error;
}

void mp_nbd_log_superseded(struct mp_nbd_log *log, uint32_t before, uint64_t offset, uint64_t len)
{
	if (mp_likely(log->n_failed == 0))
		return;
	for (uint32_t i = log->head; i != before; i++) {
		const struct mp_nbd_entry *entry = mp_nbd_log_at(log, i);

		if (entry->error && entry->offset >= offset &&
		    entry->offset + entry->len <= offset + len)
			mp_nbd_log_set_error(log, i, 0);
	}
}

int mp_nbd_log_error_in(const struct mp_nbd_log *log, uint64_t offset, uint64_t len)
{
	if (mp_likely(log->n_failed == 0))
		return 0;
	for (uint32_t i = log->head; i != log->tail; i++) {
		const struct mp_nbd_entry *entry = mp_nbd_log_at(log, i);

		if (entry->error && entry->offset < offset + len &&
		    offset < entry->offset + entry->len)
			return entry->error;
	}
	return 0;
}
