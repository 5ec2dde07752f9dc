/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * engine - inside of block: what an engine and a driver owe each other.
 *
 * A driver (raw, null) knows what a request means; an engine (io_uring,
 * threads) knows how to run one system call of it without blocking. They meet
 * in the step: mp_raw_step() says which call comes next, the engine runs it,
 * and mp_raw_advance() looks at its result and says whether the request ended.
 */
#ifndef MP_BLOCK_ENGINE_H
#define MP_BLOCK_ENGINE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "block/blk.h"

/* Disks that an engine can have open at a time: size of the registered file table. */
#define MP_BLK_MAX_DISKS 1024u

struct mp_blk_list {
	struct mp_blk_req *head, *tail;
};

struct mp_blk_engine_ops {
	void (*destroy)(struct mp_blk_engine *e);
	int (*attach)(struct mp_blk_engine *e, struct mp_blk *b);
	void (*detach)(struct mp_blk_engine *e, struct mp_blk *b);
	/* Run the next step of @req; its result arrives in poll(). */
	void (*start)(struct mp_blk_engine *e, struct mp_blk_req *req);
	/* The same for a step that the kernel does only while its caller waits. */
	void (*help)(struct mp_blk_engine *e, struct mp_blk_req *req);
	void (*cancel)(struct mp_blk_engine *e, struct mp_blk_req *req);
	unsigned int (*poll)(struct mp_blk_engine *e);
	int (*wait)(struct mp_blk_engine *e, uint64_t timeout_ns);
	/* A watch joins, leaves; both NULL: the list of watches is enough. */
	int (*watch_open)(struct mp_blk_watch *w);
	void (*watch_close)(struct mp_blk_watch *w);
};

/* An fd of somebody else that ends our sleep. */
struct mp_blk_watch {
	struct mp_blk_engine *engine;
	struct mp_blk_watch *next;
	int fd;
	int slot; /* the engine's */
	short wanted; /* POLLIN, POLLOUT: armed since the last sleep that they ended */
};

struct mp_blk_engine {
	const struct mp_blk_engine_ops *ops;
	/* Disks with requests that wait for their throttle: whose turn is longest ago comes first. */
	struct mp_blk *holding, *holding_last;
	struct mp_throttle *throttled; /* members of throttle groups */
	struct mp_blk_list ready; /* ended; done() is called at the next poll */
	unsigned int n_inflight; /* from submit to done() */
	uint64_t n_enters, n_requests;
	uint64_t tsc_mult; /* of mp_clock_tsc_to_ns() */
	uint64_t now_tsc; /* what is ended now ended then: read once for all that a poll reaps */
	int uring_errno; /* AUTO: why it isn't io_uring */
	bool is_threads;
	uint8_t *pool;
	size_t pool_len;
	int wake_fd;
	struct mp_blk_watch *watches;
	unsigned int n_watches;
	struct mp_blk *polled; /* disks whose drivers poll */
};

struct mp_blk_driver {
	void (*submit)(struct mp_blk *b, struct mp_blk_req *req);
	/* Size of the medium now, or negative errno; NULL: it never changes. */
	int64_t (*measure)(const struct mp_blk *b);
	/* Of a driver that does its own I/O; all NULL: the engine does it. */
	void (*cancel)(struct mp_blk_req *req);
	void (*close)(struct mp_blk *b);
	unsigned int (*poll)(struct mp_blk *b);
	/* Before a sleep: arm watches; Return: the time at which to be polled again, UINT64_MAX none. */
	uint64_t (*before_wait)(struct mp_blk *b);
};

struct mp_blk {
	const struct mp_blk_driver *driver;
	struct mp_blk_engine *engine;
	uint64_t size_bytes, cap_bytes;
	uint32_t block_bytes;
	int fd; /* raw; -1 otherwise */
	int slot; /* in the engine's registered file table; -1: none */
	bool read_only, no_flush, discard, direct, probed;
	uint8_t detect_zeroes; /* enum mp_blk_detect */
	/* Learned: the file system refused that way of zeroing or discarding. */
	bool no_punch_hole, no_zero_range;
	struct mp_blk_stats stats;
	struct mp_throttle throttle;
	bool is_holding; /* is in the engine's list */
	struct mp_blk *next_holding;
	struct mp_nbd *nbd;
	bool is_polled; /* is in the engine's list */
	struct mp_blk *next_polled;
};

enum mp_blk_call {
	MP_BLK_CALL_READ,
	MP_BLK_CALL_WRITE,
	MP_BLK_CALL_SYNC, /* fdatasync */
	MP_BLK_CALL_FALLOCATE,
	MP_BLK_CALL_ADVISE, /* posix_fadvise(WILLNEED) */
	MP_BLK_CALL_SEEK, /* mp_raw_seek() */
};

/* One system call. */
struct mp_blk_step {
	enum mp_blk_call call;
	uint64_t offset, len;
	void *buf;
	int mode; /* FALLOCATE */
	bool dsync; /* WRITE: RWF_DSYNC */
};

/** mp_raw_step() - which call comes next; reads only @req and what never changes of its disk */
void mp_raw_step(const struct mp_blk_req *req, struct mp_blk_step *ret_step);

/** mp_raw_seek() - fill in the extent at step->buf; Return: 0; negative errno; may block */
int mp_raw_seek(int fd, const struct mp_blk_step *step);

/**
 * mp_raw_advance() - take the result of a step: bytes moved, 0, or negative errno
 *
 * Return: true: the request ended, req->result is set; false: start it again.
 */
bool mp_raw_advance(struct mp_blk_req *req, int res);

/** mp_blk_end_later() - @req has ended with @result; done() comes at the next poll */
void mp_blk_end_later(struct mp_blk_req *req, int result);

/** mp_blk_end() - call done(); inside poll only */
void mp_blk_end(struct mp_blk_req *req);

/** mp_limit_holds() - Return: true: @req waits for the throttle of @b, which is on */
bool mp_limit_holds(struct mp_blk *b, struct mp_blk_req *req);
/** mp_limit_poll() - let go what may go now; returns how many. Asked where e->holding */
unsigned int mp_limit_poll(struct mp_blk_engine *e);
/** mp_limit_wait_ns() - until the next one may go */
uint64_t mp_limit_wait_ns(const struct mp_blk_engine *e);
/** mp_limit_leave() - @b, for which nothing waits any more, is closed; it leaves its group, too */
void mp_limit_leave(struct mp_blk *b);

/** mp_blk_count_ended() - into the statistics, before done() */
void mp_blk_count_ended(struct mp_blk_req *req);

void mp_blk_list_push(struct mp_blk_list *l, struct mp_blk_req *req);
struct mp_blk_req *mp_blk_list_pop(struct mp_blk_list *l);
/** mp_blk_list_remove() - Return: was it there? */
bool mp_blk_list_remove(struct mp_blk_list *l, struct mp_blk_req *req);

int mp_uring_create(const struct mp_blk_engine_cfg *cfg, struct mp_blk_engine **ret_e);
int mp_threads_create(const struct mp_blk_engine_cfg *cfg, struct mp_blk_engine **ret_e);
/** mp_threads_event_fd() - readable when requests have ended; for an engine that has this one inside */
int mp_threads_event_fd(const struct mp_blk_engine *e);

int mp_raw_open(struct mp_blk *b, const struct mp_blk_open *how, char *ret_error, size_t error_len);
int mp_null_open(struct mp_blk *b, const struct mp_blk_open *how, char *ret_error,
		 size_t error_len);
int mp_nbd_open(struct mp_blk *b, const struct mp_blk_open *how, char *ret_error, size_t error_len);
/** mp_nbd_go_on() - of a disk for which that returned 1. Return: 0 open; 1 not yet; negative errno */
int mp_nbd_go_on(struct mp_blk *b, char *ret_error, size_t error_len);

/**
 * mp_lock_image() - take the image locks that QEMU takes for a disk
 *
 * May wait a quarter of a second for the locks of a process that has just died.
 * Return: 0; -EAGAIN another process holds what excludes us; others. The locks
 * belong to the open file and go with it.
 */
int mp_lock_image(int fd, bool read_only);

#endif
