/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Ranges in the order in which they were first written; a new one is merged into
 * one of the last LOOK_BACK if it touches it or shares a page with it. That finds
 * what SCRIPTS do, scatter lists and queues, without a search. Merging covers the
 * gap inside a page as well, which is harmless: a report may say too much.
 *
 *	n <= MP_DMA_LOG_ENTRIES, always: a full log is folded to one range a
 *	region, and there are fewer regions than entries.
 *
 * Each range lies in memory whose table was checked, so no end can wrap.
 */
#include "remote-worker/dma_log.h"

#include "base/err.h"

#define PAGE_BYTES 4096ull
#define LOOK_BACK  4u /* a scatter list and a done queue: few ranges are warm */

static bool same_page(uint64_t a, uint64_t b)
{
	return a / PAGE_BYTES == b / PAGE_BYTES;
}

/* Do the ranges touch, overlap, or meet in a page? No sum can wrap: recv_ram checked regions. */
static bool near(const struct mp_dma_range *r, uint64_t gpa, uint64_t last)
{
	uint64_t r_last = r->gpa + (r->len - 1);

	if (gpa <= r_last)
		return last >= r->gpa || same_page(last, r->gpa) || last + 1 == r->gpa;
	return same_page(gpa, r_last) || gpa == r_last + 1;
}

static void cover(struct mp_dma_range *r, uint64_t gpa, uint64_t last)
{
	uint64_t r_last = r->gpa + (r->len - 1);

	if (gpa < r->gpa)
		r->gpa = gpa;
	if (last > r_last)
		r_last = last;
	r->len = r_last - r->gpa + 1;
}

void mp_dma_log_add(struct mp_dma_log *log, struct mp_guest_view *v, uint64_t gpa, uint32_t len)
{
	uint64_t last = gpa + (len - 1);

	if (!log->on || len == 0)
		return;
	for (uint32_t i = log->n; i > 0 && log->n - i < LOOK_BACK; i--) {
		if (near(&log->range[i - 1], gpa, last)) {
			cover(&log->range[i - 1], gpa, last);
			return;
		}
	}
	if (mp_unlikely(log->n == MP_DMA_LOG_ENTRIES))
		mp_dma_log_fold(log, v);
	mp_assert(log->n < MP_DMA_LOG_ENTRIES);
	log->range[log->n++] = (struct mp_dma_range){.gpa = gpa, .len = len};
}

static bool cover_in(struct mp_dma_log *log, uint32_t n, const struct mp_guest_region *region,
		     const struct mp_dma_range *r)
{
	for (uint32_t i = 0; i < n; i++) {
		if (log->range[i].gpa - region->gpa < region->len) {
			cover(&log->range[i], r->gpa, r->gpa + (r->len - 1));
			return true;
		}
	}
	return false;
}

void mp_dma_log_fold(struct mp_dma_log *log, struct mp_guest_view *v)
{
	const struct mp_guest_region *region;
	uint32_t n = 0;

	for (uint32_t i = 0; i < log->n; i++) {
		struct mp_dma_range r = log->range[i];

		region = mp_guest_view_find(v, r.gpa);
		if (region && !cover_in(log, n, region, &r))
			log->range[n++] = r;
	}
	log->n = n;
}

bool mp_dma_log_take(struct mp_dma_log *log, uint32_t max, uint64_t *ret_gpa, uint32_t *ret_len)
{
	struct mp_dma_range *r;

	if (log->n == 0)
		return false;
	/* The order of the reports among themselves tells nobody anything: only
	 * that all of them come before the level, the shadow and the reply. */
	r = &log->range[log->n - 1];
	*ret_gpa = r->gpa;
	*ret_len = r->len > max ? max : (uint32_t)r->len;
	r->gpa += *ret_len;
	r->len -= *ret_len;
	if (r->len == 0)
		log->n--;
	return true;
}
