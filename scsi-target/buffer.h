/* SPDX-License-Identifier: BSD-3-Clause */
/* buffer - runs of 4 KiB pages from a pool; who gets one when is target.c's business. */
#ifndef MP_SCSI_TARGET_BUFFER_H
#define MP_SCSI_TARGET_BUFFER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define MP_BUFFER_PAGE_BYTES 4096u

struct mp_scsi_buffers {
	uint64_t *used; /* a bit a page; pages behind the end are used for ever */
	unsigned int n_words;
	unsigned int n_reserved; /* first pages: for fast tasks only */
	unsigned int hint; /* word where the last run was found */
	uint32_t chunk_bytes; /* largest run, a multiple of the page */
};

/** mp_buffers_init() - @pool_len: bytes to lend, whole pages count; -EINVAL, -ENOMEM */
int mp_buffers_init(struct mp_scsi_buffers *b, size_t pool_len);
/** mp_buffers_fini() - takes zeroed ones too */
void mp_buffers_fini(struct mp_scsi_buffers *b);

/** mp_buffers_take() - Return: first page of a run of @n_pages; -1 no room now */
int mp_buffers_take(struct mp_scsi_buffers *b, unsigned int n_pages, bool fast);
/** mp_buffers_give() - give back what mp_buffers_take() lent */
void mp_buffers_give(struct mp_scsi_buffers *b, unsigned int page, unsigned int n_pages);

/** mp_buffers_n_used() - pages lent; for tests */
unsigned int mp_buffers_n_used(const struct mp_scsi_buffers *b, size_t pool_len);

#endif
