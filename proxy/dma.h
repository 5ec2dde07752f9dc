/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * dma - the table of guest memory that a device may reach.
 *
 * Built anew at each change of the guest's memory map, one section after the
 * other; neighbours that also adjoin in their file become one region, and each
 * file is listed once, as the session's RAM message wants it. Knows files and
 * addresses, nothing of who owns them.
 */
#ifndef MP_PROXY_DMA_H
#define MP_PROXY_DMA_H

#include <stdbool.h>
#include <stdint.h>

#include "wire/session.h"

struct mp_dma_table {
	struct mp_session_region region[MP_SESSION_MAX_REGIONS]; /* by gpa */
	int fds[MP_SESSION_MAX_RAM_FDS]; /* borrowed */
	uint32_t n_regions, n_fds;
};

/** mp_dma_clear() - no regions, no files; also makes a fresh table */
void mp_dma_clear(struct mp_dma_table *t);

/**
 * mp_dma_add() - add a section
 * @region:  its gpa, len, fd_offset and flags; fd_index is set here
 *
 * Return: the index of @fd in t->fds; -E2BIG the table is full: nothing changed.
 */
int mp_dma_add(struct mp_dma_table *t, const struct mp_session_region *region, int fd);

/** mp_dma_equal() - do both say the same, files in the same order? */
bool mp_dma_equal(const struct mp_dma_table *a, const struct mp_dma_table *b);

#endif
