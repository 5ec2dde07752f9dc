/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Requests and commands.
 *
 * A request has at most one command on the wire, so where it is fits into the
 * request itself: req->moved and req->phase. What is too large for a server
 * goes piece by piece. FUA that a server doesn't have is a FLUSH after the last
 * piece; zeros that it can't make by itself are written.
 *
 *	submit -> waiting -> get, prepare, issue -> [server] -> ended -> done -+-> end
 *	             ^                                             |          |
 *	             +----- connection lost; more pieces; SYNC ----+----------+
 *
 * libnbd calls back from inside of its own calls and holds its lock meanwhile,
 * so a callback only moves the command to the list "ended".
 */
#include "block/nbd.h"

#include <errno.h>

#include "base/clock.h"
#include "base/err.h"

#define MAX_STATUS (1u << 30)

static const uint8_t zeros[MP_NBD_ZEROS_BYTES] __attribute__((aligned(64)));

struct mp_nbd_cmd *mp_nbd_cmd_get(struct mp_nbd *n)
{
	struct mp_nbd_cmd *cmd = n->free;

	if (!cmd)
		return NULL;
	n->free = cmd->next;
	*cmd = (struct mp_nbd_cmd){0};
	return cmd;
}

void mp_nbd_cmd_put(struct mp_nbd *n, struct mp_nbd_cmd *cmd)
{
	cmd->next = n->free;
	n->free = cmd;
}

void mp_nbd_wait_first(struct mp_nbd *n, struct mp_blk_req *req)
{
	req->next = n->waiting.head;
	if (!n->waiting.head)
		n->waiting.tail = req;
	n->waiting.head = req;
	n->again = true;
}

void mp_nbd_req_end(struct mp_nbd *n, struct mp_blk_req *req, int result)
{
	if (req != &n->own) {
		mp_blk_end_later(req, result);
		return;
	}
	n->own_busy = false;
	n->own_failed = result < 0;
	n->own_error = result;
	n->again = true;
}

static bool prepare_zeros(const struct mp_nbd *n, struct mp_nbd_cmd *cmd)
{
	if (!cmd->conn->can_zero || n->no_zero) {
		cmd->op = MP_NBD_WRITE;
		cmd->data = zeros;
		cmd->len = mp_nbd_least(cmd->len, mp_nbd_least(n->most_bytes, sizeof(zeros)));
		return true;
	}
	cmd->op = MP_NBD_ZERO;
	cmd->len = mp_nbd_least(cmd->len, MP_NBD_MAX_CHANGE);
	if (cmd->change == MP_NBD_ZEROS)
		cmd->wire_flags |= LIBNBD_CMD_FLAG_NO_HOLE;
	return true;
}

static bool prepare_change(const struct mp_nbd *n, struct mp_nbd_cmd *cmd)
{
	switch (cmd->change) {
	case MP_NBD_DATA:
		cmd->op = MP_NBD_WRITE;
		cmd->len = mp_nbd_least(cmd->len, n->most_bytes);
		return true;
	case MP_NBD_TRIM:
		cmd->op = MP_NBD_DISCARD;
		cmd->len = mp_nbd_least(cmd->len, MP_NBD_MAX_CHANGE);
		return cmd->conn->can_trim;
	default:
		return prepare_zeros(n, cmd);
	}
}

static bool prepare_entry(const struct mp_nbd *n, struct mp_nbd_cmd *cmd)
{
	const struct mp_nbd_entry *entry = mp_nbd_log_at(&n->log, cmd->entry);

	cmd->change = entry->change;
	cmd->span_offset = entry->offset;
	cmd->span_len = entry->len;
	cmd->offset = entry->offset + cmd->moved;
	cmd->len = entry->len - cmd->moved;
	cmd->data = entry->data ? entry->data + cmd->moved : NULL;
	cmd->wire_flags = 0;
	return prepare_change(n, cmd);
}

static enum mp_nbd_change change_of(const struct mp_blk_req *req)
{
	if (req->op == MP_BLK_WRITE && req->phase != MP_NBD_PHASE_MOVE_ZEROS)
		return MP_NBD_DATA;
	if (req->op == MP_BLK_DISCARD)
		return MP_NBD_TRIM;
	return (req->flags & MP_BLK_UNMAP) && req->blk->discard ? MP_NBD_ZEROS_UNMAP : MP_NBD_ZEROS;
}

static bool wants_fua(const struct mp_nbd *n, const struct mp_blk_req *req)
{
	if (n->blk->no_flush || !n->can_flush)
		return false;
	return (req->flags & MP_BLK_FUA) || !mp_nbd_log_is_on(&n->log);
}

static bool prepare_change_of(const struct mp_nbd *n, struct mp_nbd_cmd *cmd)
{
	const struct mp_blk_req *req = cmd->req;
	bool r;

	cmd->change = change_of(req);
	cmd->data = cmd->change == MP_NBD_DATA ? (const uint8_t *)req->buf + req->moved : NULL;
	r = prepare_change(n, cmd);
	if (wants_fua(n, req) && cmd->conn->can_fua)
		cmd->wire_flags |= LIBNBD_CMD_FLAG_FUA;
	return r;
}

static bool prepare_req(const struct mp_nbd *n, struct mp_nbd_cmd *cmd)
{
	switch (cmd->req->op) {
	case MP_BLK_READ:
		cmd->op = MP_NBD_READ;
		cmd->len = mp_nbd_least(cmd->len, n->most_bytes);
		return true;
	case MP_BLK_PREFETCH:
		cmd->op = MP_NBD_CACHE;
		cmd->len = mp_nbd_least(cmd->len, n->most_bytes);
		return cmd->conn->can_cache;
	case MP_BLK_STATUS:
		cmd->op = MP_NBD_STATUS;
		cmd->len = mp_nbd_least(cmd->len, MAX_STATUS);
		return cmd->conn->has_status;
	default:
		return prepare_change_of(n, cmd);
	}
}

bool mp_nbd_cmd_prepare(struct mp_nbd *n, struct mp_nbd_cmd *cmd)
{
	const struct mp_blk_req *req = cmd->req;
	bool r;

	if (!req)
		return prepare_entry(n, cmd);
	cmd->offset = req->offset + req->moved;
	cmd->len = req->len - req->moved;
	if (mp_nbd_req_flushes(req)) {
		cmd->op = MP_NBD_FLUSH;
		cmd->mark = n->log.tail;
		cmd->replay_round = n->replay_round;
		return true;
	}
	r = prepare_req(n, cmd);
	cmd->span_offset = cmd->offset;
	cmd->span_len = cmd->len;
	return r;
}

static void unlink_cmd(struct mp_nbd_conn *c, struct mp_nbd_cmd *cmd)
{
	if (cmd->prev)
		cmd->prev->next = cmd->next;
	else
		c->oldest = cmd->next;
	if (cmd->next)
		cmd->next->prev = cmd->prev;
	else
		c->newest = cmd->prev;
	c->n_inflight--;
	c->nbd->n_inflight--;
}

static void link_cmd(struct mp_nbd_conn *c, struct mp_nbd_cmd *cmd)
{
	cmd->next = NULL;
	cmd->prev = c->newest;
	if (c->newest)
		c->newest->next = cmd;
	else
		c->oldest = cmd;
	c->newest = cmd;
	cmd->in_flight = true;
	c->n_inflight++;
	c->nbd->n_inflight++;
}

/*
 * Inside of a call to libnbd. It isn't let go of the command here (1), for where
 * issuing it finds the connection dead, libnbd 1.14 still reads it afterwards. And
 * where it hasn't been let go of when the connection closes, 1.22 says it again.
 */
static int on_ended(void *opaque, int *error)
{
	struct mp_nbd_cmd *cmd = opaque;
	struct mp_nbd *n = cmd->conn->nbd;

	if (!cmd->in_flight)
		return 0;
	cmd->in_flight = false;
	unlink_cmd(cmd->conn, cmd);
	cmd->error = *error;
	cmd->next = NULL;
	if (n->ended)
		n->last_ended->next = cmd;
	else
		n->ended = cmd;
	n->last_ended = cmd;
	return 0;
}

static void retire(struct mp_nbd_cmd *cmd)
{
	struct mp_nbd_conn *c = cmd->conn;

	if (cmd->cookie > 0 && c->h && cmd->round == c->round)
		(void)c->nbd->lib.aio_command_completed(c->h, (uint64_t)cmd->cookie);
	cmd->cookie = 0;
}

static int64_t call(struct mp_nbd_cmd *cmd)
{
	const struct mp_nbd_lib *lib = &cmd->conn->nbd->lib;
	struct nbd_handle *h = cmd->conn->h;
	nbd_completion_callback done = {.callback = on_ended, .user_data = cmd};
	nbd_extent_callback extents = {.callback = mp_nbd_on_extents, .user_data = cmd};

	switch (cmd->op) {
	case MP_NBD_READ:
		return lib->aio_pread(h, (uint8_t *)cmd->req->buf + cmd->req->moved, cmd->len,
				      cmd->offset, done, 0);
	case MP_NBD_WRITE:
		return lib->aio_pwrite(h, cmd->data, cmd->len, cmd->offset, done, cmd->wire_flags);
	case MP_NBD_ZERO:
		return lib->aio_zero(h, cmd->len, cmd->offset, done, cmd->wire_flags);
	case MP_NBD_DISCARD:
		return lib->aio_trim(h, cmd->len, cmd->offset, done, cmd->wire_flags);
	case MP_NBD_FLUSH:
		return lib->aio_flush(h, done, 0);
	case MP_NBD_CACHE:
		return lib->aio_cache(h, cmd->len, cmd->offset, done, 0);
	default:
		return lib->aio_block_status(h, cmd->len, cmd->offset, extents, done, 0);
	}
}

void mp_nbd_cmd_issue(struct mp_nbd *n, struct mp_nbd_cmd *cmd)
{
	int error;

	cmd->round = cmd->conn->round;
	if (n->cfg.request_timeout_ns)
		cmd->issued_ns = mp_clock_ns();
	n->n_flushing += cmd->op == MP_NBD_FLUSH;
	link_cmd(cmd->conn, cmd);
	cmd->cookie = call(cmd);
	if (mp_likely(cmd->cookie >= 0))
		return;
	error = mp_nbd_conn_is_over(cmd->conn) ? ENOTCONN : n->lib.get_errno();
	on_ended(cmd, &(int){error ? error : EIO});
}

static void leave(struct mp_nbd *n, struct mp_nbd_cmd *cmd)
{
	n->n_flushing -= cmd->op == MP_NBD_FLUSH;
	n->n_replays -= !cmd->req;
	if (cmd->reserved)
		mp_nbd_log_unreserve(&n->log, cmd->change, cmd->len);
	cmd->reserved = false;
}

void mp_nbd_cmd_take_back(struct mp_nbd *n, struct mp_nbd_cmd *cmd)
{
	leave(n, cmd);
	if (cmd->req)
		mp_nbd_wait_first(n, cmd->req);
	mp_nbd_cmd_put(n, cmd);
}

/* NBD knows eight errors; what isn't about room or rights is the disk's. */
static int blk_errno(const struct mp_nbd_cmd *cmd)
{
	switch (cmd->error) {
	case ENOSPC:
		return mp_err_origin(-ENOSPC);
	case EPERM:
		return mp_err_origin(cmd->op == MP_NBD_READ ? -EIO : -EROFS);
	default:
		return mp_err_origin(-EIO);
	}
}

static bool is_change(const struct mp_nbd_cmd *cmd)
{
	return cmd->op == MP_NBD_WRITE || cmd->op == MP_NBD_ZERO || cmd->op == MP_NBD_DISCARD;
}

/* It said that it can make zeros, and can't: they are written from now on. */
static bool cannot_zero(struct mp_nbd *n, const struct mp_nbd_cmd *cmd)
{
	if (cmd->op != MP_NBD_ZERO || (cmd->error != ENOTSUP && cmd->error != EOPNOTSUPP))
		return false;
	n->no_zero = true;
	return true;
}

static void keep(struct mp_nbd *n, struct mp_nbd_cmd *cmd)
{
	struct mp_nbd_entry entry = {
		.offset = cmd->offset, .len = cmd->len, .change = cmd->change, .data = cmd->data};

	mp_nbd_log_superseded(&n->log, n->log.tail, cmd->offset, cmd->len);
	if (cmd->reserved)
		mp_nbd_log_append(&n->log, &entry);
	cmd->reserved = false;
}

/* Return: false: it may have caught an old state that was being written again; once more. */
static bool flushed(struct mp_nbd *n, const struct mp_nbd_cmd *cmd)
{
	if (cmd->replay_round != n->replay_round)
		return false;
	n->own_failed = false;
	mp_nbd_log_release(&n->log, cmd->mark);
	return true;
}

static void advance(struct mp_nbd *n, struct mp_blk_req *req, const struct mp_nbd_cmd *cmd)
{
	bool is_whole = cmd->op == MP_NBD_FLUSH || cmd->op == MP_NBD_STATUS;

	req->moved += is_whole ? 0 : cmd->len;
	if (!is_whole && req->moved < req->len) {
		mp_nbd_wait_first(n, req);
	} else if (is_change(cmd) && wants_fua(n, req) && !cmd->conn->can_fua) {
		req->phase = MP_NBD_PHASE_SYNC;
		mp_nbd_wait_first(n, req);
	} else {
		mp_nbd_req_end(n, req, 0);
	}
}

static void succeeded(struct mp_nbd *n, struct mp_nbd_cmd *cmd)
{
	struct mp_blk_req *req = cmd->req;

	if (is_change(cmd))
		keep(n, cmd);
	if (mp_likely(cmd->op != MP_NBD_FLUSH || flushed(n, cmd))) {
		leave(n, cmd);
		advance(n, req, cmd);
	} else {
		leave(n, cmd);
		mp_nbd_wait_first(n, req);
	}
	mp_nbd_cmd_put(n, cmd);
}

static void failed(struct mp_nbd *n, struct mp_nbd_cmd *cmd)
{
	struct mp_blk_req *req = cmd->req;

	/* After it nobody knows what is on the medium: all is written again before the next. */
	if (cmd->op == MP_NBD_FLUSH || (cmd->wire_flags & LIBNBD_CMD_FLAG_FUA))
		n->rewrite = mp_nbd_log_is_on(&n->log);
	leave(n, cmd);
	if (cannot_zero(n, cmd))
		mp_nbd_wait_first(n, req);
	else
		mp_nbd_req_end(n, req, cmd->op == MP_NBD_CACHE ? 0 : blk_errno(cmd));
	mp_nbd_cmd_put(n, cmd);
}

static void replay_failed(struct mp_nbd *n, const struct mp_nbd_cmd *cmd)
{
	int error = blk_errno(cmd);

	mp_nbd_log_set_error(&n->log, cmd->entry, error);
	if (n->cfg.replay_failed)
		n->cfg.replay_failed(n->cfg.opaque, cmd->span_offset, cmd->span_len, error);
}

static void replay_done(struct mp_nbd *n, struct mp_nbd_cmd *cmd)
{
	bool again = cannot_zero(n, cmd);

	if (cmd->error == 0)
		cmd->moved += cmd->len;
	/* Where the connection has gone meanwhile, all begins from the front. */
	if ((again || (cmd->error == 0 && cmd->moved < cmd->span_len)) &&
	    cmd->conn->state == MP_NBD_READY) {
		mp_nbd_cmd_prepare(n, cmd);
		mp_nbd_cmd_issue(n, cmd);
		return;
	}
	if (cmd->error && !again) {
		replay_failed(n, cmd);
	} else if (cmd->moved == cmd->span_len) {
		mp_nbd_log_set_error(&n->log, cmd->entry, 0);
		mp_nbd_log_superseded(&n->log, cmd->entry, cmd->span_offset, cmd->span_len);
	}
	leave(n, cmd);
	mp_nbd_cmd_put(n, cmd);
}

void mp_nbd_cmd_done(struct mp_nbd *n, struct mp_nbd_cmd *cmd)
{
	n->again = true;
	if (mp_unlikely(!cmd->req))
		replay_done(n, cmd);
	else if (mp_likely(cmd->error == 0))
		succeeded(n, cmd);
	else
		failed(n, cmd);
}

/* A server that shuts down has refused the command; it isn't an answer, but the end. */
static bool is_lost(const struct mp_nbd_cmd *cmd)
{
	return cmd->error == ENOTCONN || cmd->error == ESHUTDOWN;
}

unsigned int mp_nbd_cmd_finish_all(struct mp_nbd *n)
{
	unsigned int n_done = 0;

	while (n->ended) {
		struct mp_nbd_cmd *cmd = n->ended;
		struct mp_nbd_conn *c = cmd->conn;

		n->ended = cmd->next;
		n_done++;
		retire(cmd);
		if (mp_likely(!is_lost(cmd))) {
			mp_nbd_cmd_done(n, cmd);
			continue;
		}
		mp_nbd_cmd_take_back(n, cmd);
		if (cmd->error == ESHUTDOWN && c->state == MP_NBD_READY)
			mp_nbd_conn_give_up(c);
	}
	return n_done;
}
