/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * guest_mem - guest (bus) addresses to bounded spans of our own mapping.
 *
 * A table is made by the control thread from what the proxy sent, handed to the
 * polling core, and unmapped by the control thread when the core has let go of
 * it. A view is the polling core's: a table and the region that was hit last.
 */
#ifndef MP_REMOTE_WORKER_GUEST_MEM_H
#define MP_REMOTE_WORKER_GUEST_MEM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "wire/session.h"

struct mp_guest_region {
	uint64_t gpa;
	uint64_t len;
	uint8_t *hva;
	bool read_only;
	void *map; /* what munmap() gets */
	size_t map_len;
};

/* Sorted by gpa, no overlap. */
struct mp_guest_table {
	uint32_t n;
	struct mp_guest_region region[];
};

struct mp_guest_view {
	const struct mp_guest_table *table; /* NULL: no memory at all */
	const struct mp_guest_region *last; /* never NULL */
};

/**
 * mp_guest_table_create() - map every region
 * @region:  checked by mp_session_recv_ram(): sorted, no overlap, no overflow
 * @fds:     borrowed; the mappings don't need them
 *
 * Return: 0; -ERANGE a file ends before its region does; errno of mmap().
 */
int mp_guest_table_create(const struct mp_session_region *region, uint32_t n_regions,
			  const int *fds, struct mp_guest_table **ret_table);

/** mp_guest_table_destroy() - unmap; NULL is fine; returns NULL */
struct mp_guest_table *mp_guest_table_destroy(struct mp_guest_table *t);

/** mp_guest_view_init() - @table may be NULL: every address is a bus fault then */
void mp_guest_view_init(struct mp_guest_view *v, const struct mp_guest_table *table);

/** mp_guest_view_find() - slow path of span: the region of @gpa, or NULL */
const struct mp_guest_region *mp_guest_view_find(struct mp_guest_view *v, uint64_t gpa);

/**
 * mp_guest_view_span() - pointer to guest memory at @gpa
 * @len:  in: bytes wanted; out: bytes that lie in one piece, 1 .. wanted
 *
 * Return: NULL when @gpa is in no region, or @write and it is read-only.
 * Context: the polling core; no syscall.
 */
static inline void *mp_guest_view_span(struct mp_guest_view *v, uint64_t gpa, uint32_t *len,
				       bool write)
{
	const struct mp_guest_region *r = v->last;
	uint64_t off = gpa - r->gpa;

	if (mp_unlikely(off >= r->len)) {
		r = mp_guest_view_find(v, gpa);
		if (!r)
			return NULL;
		off = gpa - r->gpa;
	}
	if (mp_unlikely(write && r->read_only))
		return NULL;
	if (mp_unlikely(*len > r->len - off))
		*len = (uint32_t)(r->len - off);
	return r->hva + off;
}

#endif
