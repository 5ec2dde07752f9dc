/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Runs of pages, first fit, in a bitmap.
 *
 * A run never crosses a word of 64 pages, so finding one is a few shifts a
 * word. The longest run is a chunk: 16 pages, or half of a smaller pool.
 *
 * The first chunk of the pool is kept for "fast" tasks, those that hold the
 * bus while they wait. Without it the pool could fill up with tasks that have
 * data for the initiator and wait for the bus, while the task that holds the
 * bus waits for a page: nobody would ever move. There is one bus, hence one
 * such task, so one chunk is enough.
 */
#include "scsi-target/buffer.h"

#include <errno.h>
#include <stdlib.h>

#include "base/err.h"
#include "scsi-target/scsi.h"

#define WORD_PAGES 64u

int mp_buffers_init(struct mp_scsi_buffers *b, size_t pool_len)
{
	unsigned int n_pages = (unsigned int)(pool_len / MP_BUFFER_PAGE_BYTES);
	unsigned int chunk = MP_SCSI_CHUNK_BYTES / MP_BUFFER_PAGE_BYTES;

	if (pool_len < MP_SCSI_CHUNK_BYTES || pool_len > UINT32_MAX)
		return mp_err_origin(-EINVAL);
	if (n_pages / 2 < chunk)
		chunk = n_pages / 2;
	b->n_words = (n_pages + WORD_PAGES - 1) / WORD_PAGES;
	b->n_reserved = chunk;
	b->chunk_bytes = chunk * MP_BUFFER_PAGE_BYTES;
	b->hint = 0;
	b->used = calloc(b->n_words, sizeof(*b->used));
	if (!b->used)
		return mp_err_origin(-ENOMEM);
	if (n_pages % WORD_PAGES)
		b->used[b->n_words - 1] = ~0ull << (n_pages % WORD_PAGES);
	return 0;
}

void mp_buffers_fini(struct mp_scsi_buffers *b)
{
	free(b->used);
	b->used = NULL;
}

/* @n ones; 1 <= @n < 64 */
static uint64_t ones(unsigned int n)
{
	return (1ull << n) - 1;
}

/* Bit n is set where n .. n + n_pages - 1 are all set in @free_pages. */
static uint64_t runs(uint64_t free_pages, unsigned int n_pages)
{
	uint64_t found = free_pages;

	for (unsigned int i = 1; i < n_pages; i++)
		found &= free_pages >> i;
	return found;
}

static int take_in_word(struct mp_scsi_buffers *b, unsigned int word, unsigned int n_pages,
			uint64_t forbidden)
{
	uint64_t found = runs(~(b->used[word] | forbidden), n_pages);
	unsigned int bit;

	if (!found)
		return -1;
	bit = (unsigned int)__builtin_ctzll(found);
	b->used[word] |= ones(n_pages) << bit;
	b->hint = word;
	return (int)(word * WORD_PAGES + bit);
}

int mp_buffers_take(struct mp_scsi_buffers *b, unsigned int n_pages, bool fast)
{
	int page = -1;

	mp_assert(n_pages > 0 && n_pages * MP_BUFFER_PAGE_BYTES <= b->chunk_bytes);
	for (unsigned int i = 0; i < b->n_words && page < 0; i++) {
		unsigned int word = (b->hint + i) % b->n_words;

		page = take_in_word(b, word, n_pages, word == 0 ? ones(b->n_reserved) : 0);
	}
	if (page < 0 && fast)
		page = take_in_word(b, 0, n_pages, 0);
	return page;
}

void mp_buffers_give(struct mp_scsi_buffers *b, unsigned int page, unsigned int n_pages)
{
	uint64_t run = ones(n_pages) << page % WORD_PAGES;

	mp_assert((b->used[page / WORD_PAGES] & run) == run);
	b->used[page / WORD_PAGES] &= ~run;
}

unsigned int mp_buffers_n_used(const struct mp_scsi_buffers *b, size_t pool_len)
{
	unsigned int n_pages = (unsigned int)(pool_len / MP_BUFFER_PAGE_BYTES), n = 0;

	for (unsigned int i = 0; i < n_pages; i++)
		n += (unsigned int)(b->used[i / WORD_PAGES] >> i % WORD_PAGES) & 1;
	return n;
}
