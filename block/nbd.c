/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The NBD disk: a server on the other end of one or several sockets.
 *
 * There is no thread. mp_blk_engine_poll() drives the connections on which
 * something is in flight, ends what has ended, and sends what may go out; before
 * a sleep each connection arms its watch. Sockets come from outside, connected:
 * a worker opens none. When one is lost the owner hears of it and brings
 * another; requests wait meanwhile, each for reconnect_ns at most, and what the
 * server may have forgotten is written again (nbd_issue.c).
 *
 * A connection that an idle core doesn't poll is noticed to be gone by the next
 * request, or at once if the core sleeps.
 */
#include "block/nbd.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/bytes.h"
#include "base/cleanup.h"
#include "base/clock.h"
#include "base/err.h"

static bool nothing_to_do(const struct mp_blk *b, const struct mp_blk_req *req)
{
	const struct mp_nbd *n = b->nbd;

	switch (req->op) {
	case MP_BLK_FLUSH:
		return b->no_flush || b->read_only || !n->can_flush;
	case MP_BLK_DISCARD:
		return req->len == 0 || !b->discard;
	default:
		return req->len == 0;
	}
}

static void detect_zeroes(const struct mp_blk *b, struct mp_blk_req *req)
{
	if (!mp_is_zero(req->buf, req->len))
		return;
	req->phase = MP_NBD_PHASE_MOVE_ZEROS;
	if (b->detect_zeroes == MP_BLK_DETECT_UNMAP)
		req->flags |= MP_BLK_UNMAP;
}

static void submit(struct mp_blk *b, struct mp_blk_req *req)
{
	struct mp_nbd *n = b->nbd;

	if (req->op == MP_BLK_STATUS) /* until the server knows better */
		*(struct mp_blk_extent *)req->buf = (struct mp_blk_extent){req->len, false};
	if (mp_unlikely(nothing_to_do(b, req))) {
		mp_blk_end_later(req, 0);
		return;
	}
	if (mp_unlikely(b->detect_zeroes) && req->op == MP_BLK_WRITE)
		detect_zeroes(b, req);
	if (req->op == MP_BLK_FLUSH)
		req->phase = MP_NBD_PHASE_SYNC;
	mp_blk_list_push(&n->waiting, req);
	n->again = true;
}

/* What a server has got it can't be asked to forget. */
static void cancel(struct mp_blk_req *req)
{
	if (mp_blk_list_remove(&req->blk->nbd->waiting, req))
		mp_blk_end_later(req, -ECANCELED);
}

static int64_t measure(const struct mp_blk *b)
{
	return (int64_t)b->nbd->export_bytes;
}

static unsigned int drive_all(struct mp_nbd *n)
{
	unsigned int n_done = 0;

	for (struct mp_nbd_conn *c = n->conns; c < n->conns + n->n_conns; c++)
		if (c->state == MP_NBD_SHAKING ||
		    (c->state == MP_NBD_READY &&
		     (n->woken || c->n_inflight > 0 || mp_nbd_conn_is_over(c))))
			n_done += mp_nbd_conn_drive(c);
	n->woken = false;
	return n_done;
}

static void check_times(struct mp_nbd *n)
{
	uint64_t now_ns;

	if (n->cfg.request_timeout_ns == 0 && n->n_ready == n->n_conns)
		return;
	now_ns = mp_clock_ns();
	for (struct mp_nbd_conn *c = n->conns; c < n->conns + n->n_conns; c++)
		mp_nbd_conn_check_time(c, now_ns);
}

/* While no connection is there the time of those that wait runs. */
static void expire(struct mp_nbd *n)
{
	struct mp_blk_list todo = n->waiting;
	uint64_t now_ns;

	if (mp_likely(n->n_ready > 0 || !n->waiting.head))
		return;
	now_ns = mp_clock_ns();
	n->waiting = (struct mp_blk_list){NULL, NULL};
	for (struct mp_blk_req *req; (req = mp_blk_list_pop(&todo));) {
		if (req->give_up_ns == 0)
			req->give_up_ns = now_ns + n->cfg.reconnect_ns;
		if (req != &n->own && req->give_up_ns <= now_ns)
			mp_blk_end_later(req, mp_err_origin(-EIO));
		else
			mp_blk_list_push(&n->waiting, req);
	}
}

static void tell_losses(struct mp_nbd *n)
{
	for (unsigned int i = 0; i < n->n_conns; i++) {
		if (mp_likely(!n->conns[i].tell))
			continue;
		n->conns[i].tell = false;
		if (n->cfg.lost)
			n->cfg.lost(n->cfg.opaque, i);
	}
}

static bool is_idle(const struct mp_nbd *n)
{
	return n->n_inflight == 0 && !n->again && !n->ended && !n->woken &&
	       n->n_ready == n->n_conns;
}

static unsigned int poll_disk(struct mp_blk *b)
{
	struct mp_nbd *n = b->nbd;
	unsigned int n_done;

	if (is_idle(n))
		return 0;
	n_done = drive_all(n);
	n_done += mp_nbd_cmd_finish_all(n);
	check_times(n);
	mp_nbd_issue(n);
	expire(n);
	tell_losses(n);
	return n_done;
}

static uint64_t before_wait(struct mp_blk *b)
{
	struct mp_nbd *n = b->nbd;
	uint64_t at_ns = n->again || n->ended ? 0 : UINT64_MAX;

	n->woken = true;
	for (struct mp_nbd_conn *c = n->conns; c < n->conns + n->n_conns; c++)
		at_ns = mp_nbd_least(at_ns, c->tell ? 0 : mp_nbd_conn_before_wait(c));
	if (n->n_ready > 0)
		return at_ns;
	for (const struct mp_blk_req *req = n->waiting.head; req; req = req->next)
		if (req != &n->own)
			at_ns = mp_nbd_least(at_ns, req->give_up_ns);
	return at_ns;
}

static void destroy(struct mp_nbd **pn)
{
	struct mp_nbd *n = *pn;

	if (!n)
		return;
	for (struct mp_nbd_conn *c = n->conns; c < n->conns + MP_BLK_NBD_MAX_CONNS; c++) {
		if (!c->h)
			continue;
		if (c->state == MP_NBD_READY)
			(void)n->lib.aio_disconnect(c->h, 0);
		mp_nbd_conn_give_up(c);
	}
	mp_nbd_log_fini(&n->log);
	free(n->export_name);
	free(n);
}

static void close_disk(struct mp_blk *b)
{
	destroy(&b->nbd);
}

static const struct mp_blk_driver nbd_driver = {
	.submit = submit,
	.measure = measure,
	.cancel = cancel,
	.close = close_disk,
	.poll = poll_disk,
	.before_wait = before_wait,
};

/* The sockets that no connection has taken yet. */
struct socks {
	int fd[MP_BLK_NBD_MAX_CONNS];
	unsigned int n;
};

static void socks_fini(struct socks *s)
{
	for (unsigned int i = 0; i < s->n; i++)
		mp_fd_close(&s->fd[i]);
}

/* Where opening a disk goes wrong, the user reads why and what to do. */
struct complaint {
	const char *name;
	char *text;
	size_t len;
};

static const char *open_hint(int r)
{
	switch (r) {
	case -EROFS:
		return "use readonly=on";
	case -ETIMEDOUT:
	case -ECONNREFUSED:
		return "check the server and the export's name (nbdinfo --list shows them); "
		       "one that requires TLS is nbds://";
	default:
		return "nothing was changed";
	}
}

static int complain(const struct complaint *c, int r, const char *why)
{
	snprintf(c->text, c->len, "cannot open %s: %s; %s", c->name, why, open_hint(r));
	return mp_err_trace(r);
}

static int connect_one(struct mp_nbd *n, struct socks *s, unsigned int i, const struct complaint *c)
{
	int r = mp_nbd_conn_start(&n->conns[i], mp_fd_steal(&s->fd[i]));

	if (r >= 0)
		r = mp_nbd_conn_shake(&n->conns[i]);
	return r < 0 ? complain(c, r, mp_nbd_conn_why(&n->conns[i])) : 0;
}

/* The first connection tells whether there may be others. */
static int connect_all(struct mp_nbd *n, struct socks *s, const struct complaint *c)
{
	int r;

	n->n_conns = 1;
	r = connect_one(n, s, 0, c);
	if (r < 0 || !n->can_multi_conn)
		return mp_err_trace(r);
	n->n_conns = s->n;
	for (unsigned int i = 1; i < s->n && r >= 0; i++)
		r = connect_one(n, s, i, c);
	return mp_err_trace(r);
}

static int create(struct mp_blk *b, const struct mp_blk_nbd *cfg, struct mp_nbd **ret_n)
{
	MP_CLEANUP(destroy) struct mp_nbd *n = calloc(1, sizeof(*n));

	if (!n)
		return mp_err_origin(-ENOMEM);
	n->blk = b;
	n->cfg = *cfg;
	n->export_name = strdup(cfg->export_name ? cfg->export_name : "");
	if (!n->export_name)
		return mp_err_origin(-ENOMEM);
	for (unsigned int i = 0; i < MP_BLK_NBD_MAX_CONNS; i++)
		n->conns[i].nbd = n;
	for (unsigned int i = 0; i < MP_NBD_N_CMDS; i++)
		mp_nbd_cmd_put(n, &n->cmds[i]);
	*ret_n = n;
	n = NULL;
	return 0;
}

/* Without a flush, or without writes, there is nothing that a server might forget. */
static int start_log(struct mp_nbd *n)
{
	bool wanted = n->can_flush && !n->blk->read_only;
	int r = mp_nbd_log_init(&n->log, wanted ? n->cfg.unstable_bytes : 0);

	if (r < 0)
		return mp_err_trace(r);
	if (mp_nbd_log_is_on(&n->log)) {
		n->most_bytes = mp_nbd_least(n->most_bytes, mp_nbd_log_most(&n->log));
		n->most_bytes -= n->most_bytes % n->blk->block_bytes;
	}
	return 0;
}

int mp_nbd_open(struct mp_blk *b, const struct mp_blk_open *how, char *ret_error, size_t error_len)
{
	const struct mp_blk_nbd *cfg = how->nbd;
	struct complaint c = {how->filename ? how->filename : "the NBD export", ret_error,
			      error_len};
	MP_CLEANUP(destroy) struct mp_nbd *n = NULL;
	const char *why;
	MP_CLEANUP(socks_fini) struct socks s = {.n = 0};
	int r;

	if (!cfg || cfg->n_socks == 0 || cfg->n_socks > MP_BLK_NBD_MAX_CONNS)
		return complain(&c, mp_err_origin(-EINVAL), "it needs 1 to 16 connections");
	s.n = cfg->n_socks;
	memcpy(s.fd, cfg->socks, s.n * sizeof(s.fd[0]));
	if (how->detect_zeroes == MP_BLK_DETECT_UNMAP && !how->discard)
		return complain(&c, mp_err_origin(-EINVAL),
				"detect-zeroes=unmap needs discard=unmap; give both, or "
				"detect-zeroes=on");
	r = create(b, cfg, &n);
	if (r < 0)
		return complain(&c, r, strerror(-r));
	why = mp_nbd_lib_load(&n->lib);
	if (why)
		return complain(&c, mp_err_origin(-ENOTSUP), why);
	r = connect_all(n, &s, &c);
	if (r < 0)
		return mp_err_trace(r);
	r = start_log(n);
	if (r < 0)
		return complain(&c, r, strerror(-r));
	b->size_bytes = n->export_bytes - n->export_bytes % b->block_bytes;
	b->driver = &nbd_driver;
	b->nbd = n;
	n = NULL;
	return 0;
}

int mp_blk_nbd_reconnect_take(struct mp_blk *b, unsigned int conn, int sock)
{
	struct mp_nbd_conn *c;

	if (!b->nbd || conn >= b->nbd->n_conns) {
		close(sock);
		return mp_err_origin(-EINVAL);
	}
	c = &b->nbd->conns[conn];
	if (c->state != MP_NBD_GONE)
		mp_nbd_conn_give_up(c);
	c->tell = false;
	return mp_err_trace(mp_nbd_conn_start(c, sock));
}

unsigned int mp_blk_nbd_n_conns(const struct mp_blk *b)
{
	return b->nbd ? b->nbd->n_conns : 0;
}

void mp_blk_nbd_set_reconnect(struct mp_blk *b, uint64_t reconnect_ns)
{
	struct mp_nbd *n = b->nbd;

	if (!n)
		return;
	n->cfg.reconnect_ns = reconnect_ns;
	for (struct mp_blk_req *req = n->waiting.head; req; req = req->next)
		req->give_up_ns = 0; /* as if its waiting began now */
	n->again = true;
}

unsigned int mp_blk_nbd_n_ready(const struct mp_blk *b)
{
	return b->nbd ? b->nbd->n_ready : 0;
}
