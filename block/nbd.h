/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * nbd - inside of the NBD driver.
 *
 *	nbd.c         the disk: open, submit, poll, close
 *	nbd_issue.c   which request may go out now, and the writing again after a loss
 *	nbd_cmd.c     request -> commands on the wire -> request
 *	nbd_extents.c what a server says of its holes
 *	nbd_conn.c    one connection: libnbd's handle, its handshake, its end
 *	nbd_log.c     copies of what the server may forget
 */
#ifndef MP_BLOCK_NBD_H
#define MP_BLOCK_NBD_H

#include "block/engine.h"
#include "block/nbd_lib.h"
#include "block/nbd_log.h"

#define MP_NBD_N_CMDS      256u
#define MP_NBD_MAX_CHANGE  (128u << 20) /* bytes that one command zeroes or trims */
#define MP_NBD_DEFAULT_MAX (32u << 20) /* bytes that one command moves, if the server doesn't say */
#define MP_NBD_LIBRARY_MAX (64u << 20) /* more libnbd refuses */
#define MP_NBD_ZEROS_BYTES 65536u

enum mp_nbd_op {
	MP_NBD_READ,
	MP_NBD_WRITE,
	MP_NBD_ZERO,
	MP_NBD_DISCARD,
	MP_NBD_FLUSH,
	MP_NBD_CACHE,
	MP_NBD_STATUS
};

/* Where a request is: req->phase. */
enum {
	MP_NBD_PHASE_MOVE, /* pieces, until all has moved */
	MP_NBD_PHASE_MOVE_ZEROS, /* the same of a WRITE in which zeros were detected */
	MP_NBD_PHASE_SYNC, /* FLUSH; FUA, for a server that has none */
	MP_NBD_PHASE_SYNC_REWRITTEN, /* and what had failed was written again */
};

struct mp_nbd;
struct mp_nbd_conn;

/* One command on the wire: a piece of a request, or an entry of the log. */
struct mp_nbd_cmd {
	struct mp_nbd_cmd *prev, *next; /* in flight: oldest first; next alone: free, ended */
	struct mp_nbd_conn *conn;
	struct mp_blk_req *req; /* NULL: an entry of the log */
	enum mp_nbd_op op;
	enum mp_nbd_change change; /* WRITE, ZERO, DISCARD: what it does to the range */
	uint32_t wire_flags;
	uint64_t offset, len;
	const void *data; /* WRITE */
	uint64_t span_offset, span_len; /* what nobody else may change meanwhile */
	uint32_t entry; /* of the log */
	uint64_t moved; /* of the entry */
	uint32_t mark; /* FLUSH: the log's tail when it was issued */
	uint32_t replay_round; /* FLUSH: the disk's then */
	int64_t cookie; /* libnbd's name for it, while conn->round is the command's */
	uint32_t round;
	uint64_t issued_ns; /* only with a request time-out */
	bool in_flight; /* is in the connection's list */
	bool reserved; /* room in the log */
	int error; /* when it has ended: 0, or libnbd's positive errno */
};

enum mp_nbd_state { MP_NBD_GONE, MP_NBD_SHAKING, MP_NBD_READY };

struct mp_nbd_conn {
	struct mp_nbd *nbd;
	enum mp_nbd_state state;
	bool tell; /* the owner hasn't heard yet that it is gone */
	struct nbd_handle *h; /* NULL: gone */
	uint32_t round; /* how many handles there have been */
	struct mp_blk_watch *watch;
	struct mp_nbd_cmd *oldest, *newest; /* in flight */
	unsigned int n_inflight;
	uint64_t deadline_ns; /* SHAKING */
	const char *why; /* the handshake succeeded, but the server won't do; NULL: ask libnbd */
	bool can_fua, can_zero, can_trim, can_cache, has_status;
};

struct mp_nbd {
	struct mp_blk *blk;
	struct mp_nbd_lib lib;
	struct mp_blk_nbd cfg; /* socks and export_name aren't ours to look at */
	char *export_name;
	/* While it opens. */
	char *name; /* for the user */
	int socks[MP_BLK_NBD_MAX_CONNS];
	unsigned int n_socks, n_begun; /* connections that have taken theirs */
	unsigned int n_conns, n_ready, n_inflight;
	struct mp_nbd_conn conns[MP_BLK_NBD_MAX_CONNS];
	uint64_t export_bytes; /* as the last handshake had it */
	uint64_t most_bytes; /* of a READ or WRITE */
	bool can_flush, no_zero, can_multi_conn;

	struct mp_blk_list waiting;
	struct mp_nbd_cmd *free;
	struct mp_nbd_cmd *ended, *last_ended;
	unsigned int n_flushing; /* FLUSH in flight */
	bool woken; /* a sleep has ended: look at idle connections too */
	bool again; /* something changed for requests that wait */

	struct mp_nbd_log log;
	bool replaying;
	uint32_t replay_next;
	uint32_t replay_round; /* how many have begun */
	unsigned int n_replays; /* in flight */
	bool rewrite; /* a flush failed, or a replay: the next flush writes all again first */
	/* Our own flush, when the log is half full. */
	struct mp_blk_req own;
	bool own_busy;
	bool own_failed; /* the last one did: not again until somebody needs it */
	int own_error; /* for those that wait for room */

	struct mp_nbd_cmd cmds[MP_NBD_N_CMDS];
};

/* nbd_conn.c */

/** mp_nbd_conn_start() - begin the handshake on @sock, which is taken */
int mp_nbd_conn_start(struct mp_nbd_conn *c, int sock);
/** mp_nbd_conn_try() - go on with the handshake. Return: 1 it has ended; 0 not yet; negative errno */
int mp_nbd_conn_try(struct mp_nbd_conn *c);
/** mp_nbd_conn_await() - block until trying again is worth while. Return: 0; negative errno */
int mp_nbd_conn_await(const struct mp_nbd_conn *c);
/** mp_nbd_conn_why() - what the last failure of a handshake was, for the user */
const char *mp_nbd_conn_why(const struct mp_nbd_conn *c);
/** mp_nbd_conn_drive() - let libnbd move what the socket takes and gives; Return: did anything happen? */
bool mp_nbd_conn_drive(struct mp_nbd_conn *c);
/** mp_nbd_conn_give_up() - close it; what was in flight waits again */
void mp_nbd_conn_give_up(struct mp_nbd_conn *c);
/** mp_nbd_conn_check_time() - give up what takes too long */
void mp_nbd_conn_check_time(struct mp_nbd_conn *c, uint64_t now_ns);
/** mp_nbd_conn_before_wait() - arm the watch; Return: when to look at the time again */
uint64_t mp_nbd_conn_before_wait(struct mp_nbd_conn *c);
/** mp_nbd_conn_is_over() - libnbd has ended it */
bool mp_nbd_conn_is_over(const struct mp_nbd_conn *c);

/* nbd_cmd.c */

/**
 * mp_nbd_cmd_prepare() - the next command of @cmd->req, or of the entry, on @cmd->conn
 *
 * Return: false: the server can't, and needn't: it is as good as done.
 */
bool mp_nbd_cmd_prepare(struct mp_nbd *n, struct mp_nbd_cmd *cmd);
/** mp_nbd_cmd_issue() - send it; it ends on the list "ended", also where libnbd refuses it */
void mp_nbd_cmd_issue(struct mp_nbd *n, struct mp_nbd_cmd *cmd);
/** mp_nbd_cmd_take_back() - it was on a connection that is gone: its request waits again */
void mp_nbd_cmd_take_back(struct mp_nbd *n, struct mp_nbd_cmd *cmd);
/** mp_nbd_cmd_finish_all() - what has ended means something for requests; Return: how many ended */
unsigned int mp_nbd_cmd_finish_all(struct mp_nbd *n);
struct mp_nbd_cmd *mp_nbd_cmd_get(struct mp_nbd *n);
void mp_nbd_cmd_put(struct mp_nbd *n, struct mp_nbd_cmd *cmd);
/** mp_nbd_cmd_done() - @cmd has ended, well if its error is 0 */
void mp_nbd_cmd_done(struct mp_nbd *n, struct mp_nbd_cmd *cmd);
/** mp_nbd_wait_first() - @req waits, before all others */
void mp_nbd_wait_first(struct mp_nbd *n, struct mp_blk_req *req);
/** mp_nbd_req_end() - @req, which may be our own flush, has ended */
void mp_nbd_req_end(struct mp_nbd *n, struct mp_blk_req *req, int result);

static inline uint64_t mp_nbd_least(uint64_t a, uint64_t b)
{
	return a < b ? a : b;
}

/** mp_nbd_req_flushes() - is the next command of @req a FLUSH? */
static inline bool mp_nbd_req_flushes(const struct mp_blk_req *req)
{
	return req->phase >= MP_NBD_PHASE_SYNC;
}

/* nbd_extents.c */

/** mp_nbd_on_extents() - libnbd's callback of a STATUS; @opaque is the command */
int mp_nbd_on_extents(void *opaque, const char *context, uint64_t offset, uint32_t *raw_entries,
		      size_t n_entries, int *error);

/* nbd_issue.c */

/** mp_nbd_issue() - send all that may go out */
void mp_nbd_issue(struct mp_nbd *n);
/** mp_nbd_replay_start() - all of the log has to be written again, before anything else */
void mp_nbd_replay_start(struct mp_nbd *n);

#endif
