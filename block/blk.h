/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * blk - asynchronous block back ends behind one request type.
 *
 * An engine (struct mp_blk_engine) belongs to one polling core: io_uring, or a
 * pool of threads where io_uring is not permitted. Disks (struct mp_blk) are
 * opened on an engine. A request is submitted once and completes exactly once,
 * through its done() callback, which runs inside mp_blk_engine_poll() on the
 * same core (never inside mp_blk_submit()). Submissions are collected and go
 * to the kernel in one batch at the next poll.
 *
 * It knows bytes, not SCSI: offsets and lengths are bytes, multiples of the
 * disk's block_bytes. It never logs, never allocates after open.
 */
#ifndef MP_BLOCK_BLK_H
#define MP_BLOCK_BLK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "block/stats.h"
#include "block/throttle.h"

#define MP_BLK_SECTOR_BYTES 512u

enum mp_blk_op {
	MP_BLK_READ,
	MP_BLK_WRITE,
	MP_BLK_FLUSH,
	MP_BLK_DISCARD,
	MP_BLK_WRITE_ZEROES,
	MP_BLK_PREFETCH, /* into the host's cache; a hint */
	MP_BLK_STATUS, /* what is at offset? buf is a struct mp_blk_extent */
	MP_BLK_N_OPS,
};

#define MP_BLK_FUA   (1u << 0) /* WRITE, WRITE_ZEROES: durable when done */
#define MP_BLK_UNMAP (1u << 1) /* WRITE_ZEROES: the range may be deallocated */

/* From the request's offset on, len bytes (at most the request's) are alike. */
struct mp_blk_extent {
	uint64_t len;
	bool is_hole; /* has no space of its own, reads as zeros; false: has, or nobody knows */
};

struct mp_blk;
struct mp_blk_engine;
struct mp_blk_watch;

/* Owned by the submitter; must stay where it is until done() was called. */
struct mp_blk_req {
	/* By the submitter. */
	enum mp_blk_op op;
	uint32_t flags;
	uint64_t offset; /* bytes */
	uint64_t len; /* bytes; 0 for FLUSH */
	void *buf; /* READ, WRITE: len bytes; fastest inside the engine's pool; STATUS: see there */
	void (*done)(struct mp_blk_req *req);
	void *opaque;
	/* By the back end. */
	int result; /* valid in done(): 0, or negative errno (-EIO, -ENOSPC, -EROFS, -EINVAL, -ECANCELED ...) */
	struct mp_blk *blk;
	struct mp_blk_req *next;
	uint64_t moved; /* bytes so far: short transfers are continued, never reported */
	uint32_t phase;
	bool busy;
	bool refused; /* never given to the driver */
	bool throttled; /* waits for the throttle */
	uint64_t begun_tsc, ended_tsc; /* submit, and just before done() */
	uint64_t give_up_ns; /* nbd: until when it waits for a connection; 0: it hasn't had to */
};

enum mp_blk_aio { MP_BLK_AIO_AUTO, MP_BLK_AIO_URING, MP_BLK_AIO_THREADS };

struct mp_blk_engine_cfg {
	enum mp_blk_aio aio; /* AUTO: io_uring, or threads where the kernel refuses it */
	unsigned int entries; /* submission queue size, power of two; 0: 256 */
	void *pool; /* registered as fixed buffer, may be NULL */
	size_t pool_len;
	unsigned int n_threads; /* of the threads engine; 0: 4 */
	int wake_fd; /* eventfd that also ends mp_blk_engine_wait(); borrowed; -1 none */
	uint64_t tsc_hz; /* of mp_clock_tsc_hz(); 0: measured here, which takes a millisecond */
};

/**
 * mp_blk_engine_create() - the engine of one polling core
 * @ret_e:  heap; mp_blk_engine_destroy() releases
 *
 * The thread that calls it must be the one that polls (SINGLE_ISSUER).
 * Return: 0; negative errno. With AUTO a refused io_uring is not an error:
 * mp_blk_engine_is_threads() tells, mp_blk_engine_uring_errno() says why.
 */
int mp_blk_engine_create(const struct mp_blk_engine_cfg *cfg, struct mp_blk_engine **ret_e);

/** mp_blk_engine_destroy() - waits for what is in flight; NULL is fine; returns NULL */
struct mp_blk_engine *mp_blk_engine_destroy(struct mp_blk_engine *e);

/** mp_blk_engine_is_threads() - it isn't io_uring */
bool mp_blk_engine_is_threads(const struct mp_blk_engine *e);
/** mp_blk_uring_works() - does the kernel give this process a ring? For programs that we start */
bool mp_blk_uring_works(void);

/** mp_blk_engine_uring_errno() - why AUTO took threads: negative errno; 0: it didn't */
int mp_blk_engine_uring_errno(const struct mp_blk_engine *e);

/** mp_blk_engine_poll() - submit what was collected, reap what is ready; returns work done; never blocks */
unsigned int mp_blk_engine_poll(struct mp_blk_engine *e);

/**
 * mp_blk_engine_wait() - sleep until a completion, the wake_fd, a watch, or the deadline
 * @timeout_ns:  relative; UINT64_MAX none
 *
 * One io_uring_enter (or one poll() with threads). Calls no done(): poll
 * afterwards. The wake_fd's count is taken. Return: 0; -ETIME; -EINTR is 0.
 */
int mp_blk_engine_wait(struct mp_blk_engine *e, uint64_t timeout_ns);

/* Most watches of an engine; where a process may have too few files, they are fewer. */
#define MP_BLK_MAX_WATCHES 8448u

/**
 * mp_blk_watch_open() - let @fd end a sleep too
 * @fd:     what poll() takes; borrowed, open until mp_blk_watch_close()
 * @ret_w:  heap; mp_blk_watch_close() releases
 *
 * Return: 0; -EMFILE, -ENOMEM, others. Context: polling core.
 */
int mp_blk_watch_open(struct mp_blk_engine *e, int fd, struct mp_blk_watch **ret_w);

/**
 * mp_blk_watch_arm() - the next mp_blk_engine_wait() also ends when the fd is ready
 * @events:  POLLIN, POLLOUT; end of file and errors count as both
 *
 * Lasts until it fires, so the caller arms before each sleep; doing it twice is
 * doing it once. Context: polling core; no system call.
 */
void mp_blk_watch_arm(struct mp_blk_watch *w, short events);

/** mp_blk_watch_close() - forget the fd, which may be closed afterwards; NULL is fine; returns NULL */
struct mp_blk_watch *mp_blk_watch_close(struct mp_blk_watch *w);

/** mp_blk_engine_n_inflight() - requests submitted whose done() hasn't been called */
unsigned int mp_blk_engine_n_inflight(const struct mp_blk_engine *e);
/** mp_blk_engine_n_enters() - io_uring_enter calls so far */
uint64_t mp_blk_engine_n_enters(const struct mp_blk_engine *e);
/** mp_blk_engine_n_requests() - requests submitted so far */
uint64_t mp_blk_engine_n_requests(const struct mp_blk_engine *e);

/* A WRITE of nothing but zeros becomes WRITE_ZEROES, which may unmap. */
enum mp_blk_detect { MP_BLK_DETECT_OFF, MP_BLK_DETECT_ON, MP_BLK_DETECT_UNMAP };

/* A raw disk that is open already: see mp_blk_prepare(). */
struct mp_blk_medium {
	int fd; /* locked, unless locking is off */
	uint64_t size_bytes;
	uint32_t block_bytes;
};

#define MP_BLK_NBD_MAX_CONNS 16u

/* A disk that a server has. Connections are made by somebody else: a worker may not. */
struct mp_blk_nbd {
	const char *export_name; /* NULL: "" */
	const int *socks; /* connected; taken, also on failure */
	unsigned int n_socks; /* 1 to MP_BLK_NBD_MAX_CONNS */
	uint64_t connect_timeout_ns; /* for the handshake of a connection; 0: none */
	/* A request waits so long, in all, for connections to come back; then -EIO. 0: not at all. */
	uint64_t reconnect_ns;
	/* A connection on which an answer takes longer is given up. 0: never. */
	uint64_t request_timeout_ns;
	/*
	 * Copies of acknowledged writes are kept until a flush, for a server that dies
	 * and forgets them; at half of this we flush ourselves. At least 256 KiB;
	 * 0: nothing is kept, and each write goes to the server's medium (FUA).
	 */
	size_t unstable_bytes;
	/* Connection @conn is gone: mp_blk_nbd_reconnect_take(). Polling core, inside poll. */
	void (*lost)(void *opaque, unsigned int conn);
	/* A server that came back doesn't take again what one had acknowledged. Flushes fail while it is so. */
	void (*replay_failed)(void *opaque, uint64_t offset, uint64_t len, int error);
	void *opaque;
	bool no_wait; /* for the handshake: mp_blk_open_go_on() */
};

struct mp_blk_open {
	const char *driver; /* "raw", "null" or "nbd" */
	const char *filename; /* raw; nbd: its name in messages */
	const struct mp_blk_nbd *nbd;
	uint64_t size_bytes; /* null only */
	bool read_only;
	bool cache_direct; /* O_DIRECT (cache=none) */
	bool no_flush; /* cache=unsafe */
	bool discard; /* discard=unmap: DISCARD reaches the file; else it is a no-op */
	enum mp_blk_detect detect_zeroes; /* raw, nbd; UNMAP only with discard */
	bool no_lock; /* locking=off */
	/* raw: nobody said so, the first sector looked like nothing else. It must stay so: -EPERM. */
	bool probed;
	const struct mp_blk_medium
		*medium; /* raw: no call opens anything; the fd is taken on success */
};

/**
 * mp_blk_prepare() - all of opening a raw disk that needs rights, and no engine
 * @ret_medium:  for mp_blk_open() of another process, too: the lock goes with the fd
 * @ret_error:   as for mp_blk_open(), which says the rest
 */
int mp_blk_prepare(const struct mp_blk_open *how, struct mp_blk_medium *ret_medium, char *ret_error,
		   size_t error_len);

/**
 * mp_blk_open() - open a disk on an engine
 * @ret_error:  on failure: a sentence for the user that names the file and the way out,
 *              in a buffer of at least 512 bytes
 *
 * raw: regular file or block device; size from the medium (rounded down to
 * 512); image locking by OFD locks on the bytes that QEMU uses (100 + bit shared
 * permissions, 200 + bit), so that QEMU and we exclude each other; it may take a
 * quarter of a second to find that the other lives.
 *
 * nbd: size, read-only and what it can do from the server. Several connections
 * serve only if the server says that they may; the others are closed. The
 * handshake blocks, for connect_timeout_ns at most.
 *
 * Return: 0; 1 with nbd.no_wait: it opens, mp_blk_open_go_on() tells when it is open, and
 * until then nothing else may be done with it but to close it; -EAGAIN locked by
 * another; -ENOTSUP built without it; others.
 */
int mp_blk_open(struct mp_blk_engine *e, const struct mp_blk_open *how, struct mp_blk **ret_blk,
		char *ret_error, size_t error_len);

/**
 * mp_blk_open_go_on() - what a server has answered meanwhile
 * @ret_error:  as for mp_blk_open()
 *
 * Return: 0 it is open; 1 not yet; negative errno: it won't be, close it. Context:
 * polling core; never blocks.
 */
int mp_blk_open_go_on(struct mp_blk *b, char *ret_error, size_t error_len);

/** mp_blk_close() - nothing may be in flight, what should last is flushed; NULL is fine; returns NULL */
struct mp_blk *mp_blk_close(struct mp_blk *b);

/**
 * mp_blk_nbd_load() - load what an NBD disk needs, for a process that soon can't open files
 *
 * A disk that is opened before does it by itself. Return: 0; -ENOTSUP, and why.
 */
int mp_blk_nbd_load(char *ret_error, size_t error_len);

/**
 * mp_blk_nbd_reconnect_take() - serve connection @conn through @sock from now on
 * @sock:  connected; taken, also on failure
 *
 * The handshake goes on in mp_blk_engine_poll(). If it fails, lost() is called
 * again. A connection that lives is given up for the new one. Return: 0;
 * -EINVAL no such connection; others. Context: polling core.
 */
int mp_blk_nbd_reconnect_take(struct mp_blk *b, unsigned int conn, int sock);

/** mp_blk_nbd_set_reconnect() - another reconnect_ns, also for requests that wait already. Polling core */
void mp_blk_nbd_set_reconnect(struct mp_blk *b, uint64_t reconnect_ns);

/** mp_blk_nbd_n_conns() - how many connections the server lets us use */
unsigned int mp_blk_nbd_n_conns(const struct mp_blk *b);
/** mp_blk_nbd_n_ready() - how many of them are there */
unsigned int mp_blk_nbd_n_ready(const struct mp_blk *b);

/** mp_blk_size_bytes() - of the medium, a multiple of mp_blk_block_bytes() */
uint64_t mp_blk_size_bytes(const struct mp_blk *b);
/** mp_blk_block_bytes() - alignment of requests: 512, or 4096 with O_DIRECT on 4Kn */
uint32_t mp_blk_block_bytes(const struct mp_blk *b);
/** mp_blk_read_only() - what writes completes with -EROFS */
bool mp_blk_read_only(const struct mp_blk *b);
/** mp_blk_can_discard() - does DISCARD reach the medium? What it took away reads as zeros */
bool mp_blk_can_discard(const struct mp_blk *b);
/** mp_blk_has_cache() - does the host keep what was read or prefetched? */
bool mp_blk_has_cache(const struct mp_blk *b);

/**
 * mp_blk_refresh_size() - look again how large the medium is
 *
 * Return: 1 it has changed, and mp_blk_size_bytes() with it; 0 it hasn't; negative
 * errno: -ENOMEDIUM nothing is left. Context: polling core; one system call.
 */
int mp_blk_refresh_size(struct mp_blk *b);

/**
 * mp_blk_cap() - whatever the medium has, mp_blk_refresh_size() finds at most @bytes
 * @bytes:  0: all of it again
 *
 * For who makes a medium smaller: first nobody may ask for what goes.
 * Context: polling core.
 */
void mp_blk_cap(struct mp_blk *b, uint64_t bytes);

/**
 * mp_blk_truncate() - make a raw disk's file larger or smaller, whoever has it open
 * @bytes:  a multiple of its mp_blk_block_bytes()
 *
 * What is cut off is gone; what is added reads as zeros. A write in flight that
 * lies beyond the new end may still make the file larger than that. A block
 * device has the size that it has, and may be asked for less.
 *
 * Return: 0, and mp_blk_refresh_size() will find it; -EINVAL; -ENOTSUP no file, or a
 * device that is smaller; others. Context: any thread, for it may block; a process
 * that may open files.
 */
int mp_blk_truncate(const char *filename, uint64_t bytes);

/** mp_blk_stats() - for as long as the disk is open; any thread may read */
const struct mp_blk_stats *mp_blk_stats(const struct mp_blk *b);
/** mp_blk_idle_ns() - since the last request ended; false: there was none. Any thread */
bool mp_blk_idle_ns(const struct mp_blk *b, uint64_t *ret_ns);
/** mp_blk_count_invalid() - a request wasn't even made, because it made no sense */
void mp_blk_count_invalid(struct mp_blk *b, enum mp_blk_op op);

/**
 * mp_blk_set_throttle() - limits of the disks of @group, to which @b belongs from now on
 * @group:  name; disks of one engine that give the same share the limits
 * @cfg:    zeroed: @b is in no group any more, and has no limits; the others keep theirs
 *
 * What waits for the old ones is measured against the new. Return: 0; -EINVAL,
 * mp_throttle_check() says why; -ENAMETOOLONG. Context: polling core.
 */
int mp_blk_set_throttle(struct mp_blk *b, const char *group, const struct mp_blk_throttle *cfg);
/** mp_blk_throttle() - the limits in force, zeroed: none; @ret_group: until they change, NULL: none */
const struct mp_blk_throttle *mp_blk_throttle(const struct mp_blk *b, const char **ret_group);
/** mp_blk_rush() - requests that wait for the throttle go now; for who waits for all to end */
void mp_blk_rush(struct mp_blk *b);

/** mp_blk_submit() - queue @req; wrong offset, length or op completes with -EINVAL at the next poll */
void mp_blk_submit(struct mp_blk *b, struct mp_blk_req *req);

/** mp_blk_cancel() - try to end @req early; done() still comes, once, with -ECANCELED or its result */
void mp_blk_cancel(struct mp_blk_req *req);

#endif
