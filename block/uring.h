/* SPDX-License-Identifier: BSD-3-Clause */
/* uring - one io_uring for one polling core; uring.c alone runs it, uring_setup.c makes it. */
#ifndef MP_BLOCK_URING_H
#define MP_BLOCK_URING_H

#include <liburing.h>

#include "block/engine.h"

/* The first slots of the registered files are eventfds, disks follow, then watches. */
#define MP_URING_WAKE_SLOT   0
#define MP_URING_HELPER_SLOT 1
#define MP_URING_WATCH_SLOT  (2u + MP_BLK_MAX_DISKS)
/* A table of files is no larger than RLIMIT_NOFILE: these will do for nearly everybody. */
#define MP_URING_FEW_WATCHES 1024u

/*
 * An entry's user_data: the address of its request, or a small number for what
 * isn't a request. A watch has two, one a direction.
 */
#define MP_URING_TAG_WAKE   1u
#define MP_URING_TAG_IGNORE 2u
#define MP_URING_TAG_HELPER 3u
#define MP_URING_TAG_WATCH  4u
#define MP_URING_TAG_LAST   (MP_URING_TAG_WATCH + 2u * MP_BLK_MAX_WATCHES - 1u)

/* An eventfd that ends our sleep. */
struct mp_uring_alarm {
	bool armed;
	uint64_t count; /* the armed read lands here */
};

struct mp_uring {
	struct mp_blk_engine base;
	struct io_uring ring;
	struct mp_blk_list overflow; /* found no room in the submission queue; oldest first */
	bool fixed_buf; /* the pool is registered as buffer 0 */
	bool fixed_files; /* the table is there */
	struct mp_uring_alarm wake, helper_wake;
	/* One thread for calls that io_uring doesn't have; NULL until a disk may need it. */
	struct mp_blk_engine *helper;
	unsigned int n_helped; /* requests that it has */
	bool slot_used[MP_URING_WATCH_SLOT];
	unsigned int n_watch_slots;
	/* By slot of a watch; pending: a bit a direction, outlives a watch that was closed. */
	bool watch_used[MP_BLK_MAX_WATCHES];
	uint8_t watch_pending[MP_BLK_MAX_WATCHES];
};

/** mp_uring_setup() - make the ring with the best flags that the kernel takes, register, restrict */
int mp_uring_setup(struct mp_uring *u, const struct mp_blk_engine_cfg *cfg);

/** mp_uring_set_file() - put @fd (-1: nothing) at @slot of the registered files */
int mp_uring_set_file(struct mp_uring *u, int slot, int fd);

/** mp_uring_watch_open() - a slot for the watch; Return: 0; -EMFILE none is free; others */
int mp_uring_watch_open(struct mp_blk_watch *w);
void mp_uring_watch_close(struct mp_blk_watch *w);

/** mp_uring_watch_arm_all() - before a sleep; Return: false: no room, so sleeping would be deaf */
bool mp_uring_watch_arm_all(struct mp_uring *u);

/** mp_uring_watch_fired() - take the completion of a watch's tag */
void mp_uring_watch_fired(struct mp_uring *u, uint64_t tag);

#endif
