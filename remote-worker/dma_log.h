/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * dma_log - which guest ranges the device wrote since they were last reported.
 *
 * Translated code in QEMU is stale until QEMU hears of a write, so no range may
 * ever be lost; reporting more than was written only costs time. The log merges
 * what touches or shares a page. When it is full it folds each region of guest
 * memory into one covering range, so its size is bounded by the number of
 * regions, and adding never fails, whatever the guest does.
 */
#ifndef MP_REMOTE_WORKER_DMA_LOG_H
#define MP_REMOTE_WORKER_DMA_LOG_H

#include <stdbool.h>
#include <stdint.h>

#include "remote-worker/guest_mem.h"

#define MP_DMA_LOG_ROOM    64u
#define MP_DMA_LOG_ENTRIES (MP_SESSION_MAX_REGIONS + MP_DMA_LOG_ROOM)

struct mp_dma_range {
	uint64_t gpa, len;
};

struct mp_dma_log {
	uint32_t n;
	bool on; /* does anybody want reports? */
	struct mp_dma_range range[MP_DMA_LOG_ENTRIES];
};

/** mp_dma_log_add() - @len bytes at @gpa were written; inside one region of @v */
void mp_dma_log_add(struct mp_dma_log *log, struct mp_guest_view *v, uint64_t gpa, uint32_t len);

/** mp_dma_log_fold() - one covering range for each region of @v; ranges in no region are dropped */
void mp_dma_log_fold(struct mp_dma_log *log, struct mp_guest_view *v);

/** mp_dma_log_take() - next piece to report, at most @max bytes, out of the log; false: empty */
bool mp_dma_log_take(struct mp_dma_log *log, uint32_t max, uint64_t *ret_gpa, uint32_t *ret_len);

#endif
