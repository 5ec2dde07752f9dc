/* SPDX-License-Identifier: BSD-3-Clause */
/* uring - one io_uring for one polling core; uring.c alone runs it, uring_setup.c makes it. */
#ifndef MP_BLOCK_URING_H
#define MP_BLOCK_URING_H

#include <liburing.h>

#include "block/engine.h"

/* Slot 0 of the registered files is the wake_fd, disks follow. */
#define MP_URING_WAKE_SLOT  0
#define MP_URING_FILE_SLOTS (1u + MP_BLK_MAX_DISKS)

struct mp_uring {
	struct mp_blk_engine base;
	struct io_uring ring;
	struct mp_blk_list overflow; /* found no room in the submission queue; oldest first */
	bool fixed_buf; /* the pool is registered as buffer 0 */
	bool fixed_files; /* the table is there */
	bool wake_armed;
	uint64_t wake_count; /* the armed read of wake_fd lands here */
	bool slot_used[MP_URING_FILE_SLOTS];
};

/** mp_uring_setup() - make the ring with the best flags that the kernel takes, register, restrict */
int mp_uring_setup(struct mp_uring *u, const struct mp_blk_engine_cfg *cfg);

/** mp_uring_set_file() - put @fd (-1: nothing) at @slot of the registered files */
int mp_uring_set_file(struct mp_uring *u, int slot, int fd);

#endif
