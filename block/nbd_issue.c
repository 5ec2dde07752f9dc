/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What may go out now, and what has to be written again.
 *
 * A server that dies forgets what it has acknowledged since the last flush, so
 * of all that there are copies (nbd_log.c), and after a connection was lost
 * they are written again, oldest first, before anything else goes out. Whether
 * the server has died, or only a connection has, isn't asked: the same bytes
 * written twice are the same bytes. That holds because
 *
 *	- what overlaps is never in flight together, so the order of the
 *	  acknowledgements, which is that of the log, is the order on the medium;
 *	- FUA writes are in the log too: an older copy could undo them;
 *	- while the log is being written nothing else is sent, and an entry waits for
 *	  reads of its place that are on their way, so nobody reads an old state;
 *	- a flush that was on its way meanwhile is sent once more, and releases nothing.
 *
 * If the server refuses to take something again, reading there fails, and so
 * does every flush, which writes all of the log again first. A flush that fails
 * asks for the same, for a kernel that has failed to write a page may call it
 * clean. For the same reason only one flush is on its way at a time: the success
 * of one could hide what the failure of another has dropped. So nothing is lost
 * until it is on the medium or written over.
 *
 * At half of its room the log asks for a flush of our own. Writes that find no
 * room wait for it, and fail with its error.
 */
#include "block/nbd.h"

#include <errno.h>

#include "base/err.h"

#define MAX_REPLAYS 64u

/* Where the least is in flight. Return: NULL: nobody is there. */
static struct mp_nbd_conn *pick(struct mp_nbd *n)
{
	struct mp_nbd_conn *best = NULL;

	for (struct mp_nbd_conn *c = n->conns; c < n->conns + n->n_conns; c++)
		if (c->state == MP_NBD_READY && (!best || c->n_inflight < best->n_inflight))
			best = c;
	return best;
}

static bool changes(const struct mp_nbd_cmd *cmd)
{
	return cmd->op == MP_NBD_WRITE || cmd->op == MP_NBD_ZERO || cmd->op == MP_NBD_DISCARD;
}

static bool overlap(const struct mp_nbd_cmd *a, const struct mp_nbd_cmd *b)
{
	return a->span_offset < b->span_offset + b->span_len &&
	       b->span_offset < a->span_offset + a->span_len;
}

static bool looks(const struct mp_nbd_cmd *cmd)
{
	return cmd->op == MP_NBD_READ || cmd->op == MP_NBD_STATUS;
}

/*
 * Commands that have ended, but aren't done, are among those that nobody may
 * meet. A read that is on its way may see what was there or what will be; but an
 * entry of the log brings back for a while what was there before that.
 */
static bool meets_another(const struct mp_nbd *n, const struct mp_nbd_cmd *cmd)
{
	bool is_entry = !cmd->req;

	for (const struct mp_nbd_cmd *i = n->ended; i; i = i->next)
		if (changes(i) && overlap(i, cmd))
			return true;
	for (unsigned int c = 0; c < n->n_conns; c++)
		for (const struct mp_nbd_cmd *i = n->conns[c].oldest; i; i = i->next)
			if ((changes(i) || (is_entry && looks(i))) && overlap(i, cmd))
				return true;
	return false;
}

void mp_nbd_replay_start(struct mp_nbd *n)
{
	n->replaying = true;
	n->rewrite = false; /* unless something fails from here on */
	n->replay_next = n->log.head;
	n->replay_round++;
	n->again = true;
}

/* Return: did the next entry go out? */
static bool replay_one(struct mp_nbd *n)
{
	struct mp_nbd_conn *c = pick(n);
	struct mp_nbd_cmd *cmd = c && n->n_replays < MAX_REPLAYS ? mp_nbd_cmd_get(n) : NULL;

	if (!cmd)
		return false;
	cmd->conn = c;
	cmd->entry = n->replay_next;
	if (!mp_nbd_cmd_prepare(n, cmd)) { /* it can't trim any more */
		mp_nbd_cmd_put(n, cmd);
	} else if (meets_another(n, cmd)) {
		mp_nbd_cmd_put(n, cmd);
		return false;
	} else {
		n->n_replays++;
		mp_nbd_cmd_issue(n, cmd);
	}
	n->replay_next++;
	return true;
}

static void replay(struct mp_nbd *n)
{
	while (n->replay_next != n->log.tail)
		if (!replay_one(n))
			return;
	if (n->n_replays > 0 || n->n_ready == 0)
		return;
	n->replaying = false;
	n->rewrite |= n->log.n_failed > 0;
	n->again = true;
}

/* STAY: later ones may go before it. STOP: nobody may. */
enum verdict { GONE, STAY, STOP };

/* A flush that has to write the log again first. */
static enum verdict flush_after_replay(struct mp_nbd *n, struct mp_blk_req *req)
{
	if (req->phase == MP_NBD_PHASE_SYNC_REWRITTEN && n->log.n_failed > 0) {
		mp_nbd_req_end(n, req, mp_nbd_log_error_in(&n->log, 0, UINT64_MAX));
		return GONE;
	}
	req->phase = MP_NBD_PHASE_SYNC_REWRITTEN;
	mp_nbd_replay_start(n);
	return STOP;
}

/* Return: GONE: it may go out; STAY. */
static enum verdict admit_change(struct mp_nbd *n, struct mp_nbd_cmd *cmd, bool *lacks_room)
{
	if (meets_another(n, cmd))
		return STAY;
	if (!mp_nbd_log_is_on(&n->log))
		return GONE;
	cmd->reserved = mp_nbd_log_reserve(&n->log, cmd->change, cmd->len);
	*lacks_room |= !cmd->reserved;
	return cmd->reserved ? GONE : STAY;
}

static enum verdict send_next(struct mp_nbd *n, struct mp_blk_req *req, bool *lacks_room)
{
	struct mp_nbd_conn *c = pick(n);
	struct mp_nbd_cmd *cmd = c ? mp_nbd_cmd_get(n) : NULL;
	bool room_lacks = false;

	if (!cmd)
		return STOP;
	cmd->conn = c;
	cmd->req = req;
	if (!mp_nbd_cmd_prepare(n, cmd)) {
		mp_nbd_cmd_put(n, cmd);
		mp_nbd_req_end(n, req, 0);
		return GONE;
	}
	if (!changes(cmd) || admit_change(n, cmd, &room_lacks) == GONE) {
		mp_nbd_cmd_issue(n, cmd);
		return GONE;
	}
	mp_nbd_cmd_put(n, cmd);
	if (room_lacks && n->own_error) {
		mp_nbd_req_end(n, req, n->own_error);
		return GONE;
	}
	*lacks_room |= room_lacks;
	return STAY;
}

static enum verdict issue_one(struct mp_nbd *n, struct mp_blk_req *req, bool *lacks_room)
{
	bool looks = req->op == MP_BLK_READ || req->op == MP_BLK_STATUS;
	int r = looks ? mp_nbd_log_error_in(&n->log, req->offset, req->len) : 0;

	if (mp_unlikely(r < 0)) {
		mp_nbd_req_end(n, req, r);
		return GONE;
	}
	if (mp_nbd_req_flushes(req) && mp_nbd_log_is_on(&n->log)) {
		if (n->n_flushing > 0)
			return STAY;
		if (mp_unlikely(n->rewrite))
			return flush_after_replay(n, req);
	}
	return send_next(n, req, lacks_room);
}

/* Return: does somebody wait for room in the log? */
static bool issue_waiting(struct mp_nbd *n)
{
	struct mp_blk_list todo = n->waiting;
	enum verdict verdict = GONE;
	bool lacks_room = false;

	n->waiting = (struct mp_blk_list){NULL, NULL};
	for (struct mp_blk_req *req; (req = mp_blk_list_pop(&todo));) {
		if (verdict != STOP)
			verdict = issue_one(n, req, &lacks_room);
		if (verdict != GONE)
			mp_blk_list_push(&n->waiting, req);
	}
	n->own_error = 0;
	return lacks_room;
}

static void flush_ourselves(struct mp_nbd *n, bool lacks_room)
{
	bool wanted = lacks_room || (!n->own_failed && mp_nbd_log_is_half_full(&n->log));

	if (!wanted || n->own_busy || n->n_flushing > 0 || n->replaying ||
	    mp_nbd_log_is_empty(&n->log))
		return;
	n->own = (struct mp_blk_req){.op = MP_BLK_FLUSH, .blk = n->blk, .phase = MP_NBD_PHASE_SYNC};
	n->own_busy = true;
	mp_nbd_wait_first(n, &n->own);
}

void mp_nbd_issue(struct mp_nbd *n)
{
	while (n->again) {
		bool lacks_room = false;

		n->again = false;
		if (n->replaying)
			replay(n);
		if (n->replaying || n->n_ready == 0)
			continue;
		lacks_room = issue_waiting(n);
		if (mp_nbd_log_is_on(&n->log))
			flush_ourselves(n, lacks_room);
	}
}
