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

/* Of an idle server nobody hears anything before the core sleeps, which it may never do. */
static int64_t measure(const struct mp_blk *b)
{
	b->nbd->woken = true;
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

static void close_unused(struct mp_nbd *n)
{
	for (unsigned int i = n->n_begun; i < n->n_socks; i++)
		mp_fd_close(&n->socks[i]);
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
	close_unused(n);
	mp_nbd_log_fini(&n->log);
	free(n->export_name);
	free(n->name);
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
	case -EMFILE:
		return "--nbd-connections allows fewer";
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

static int begin_next(struct mp_nbd *n)
{
	unsigned int i = n->n_begun++;

	return mp_err_trace(mp_nbd_conn_start(&n->conns[i], mp_fd_steal(&n->socks[i])));
}

static int create(struct mp_blk *b, const struct mp_blk_nbd *cfg, const char *name,
		  struct mp_nbd **ret_n)
{
	MP_CLEANUP(destroy) struct mp_nbd *n = calloc(1, sizeof(*n));

	if (!n)
		return mp_err_origin(-ENOMEM);
	n->blk = b;
	n->cfg = *cfg;
	n->export_name = strdup(cfg->export_name ? cfg->export_name : "");
	n->name = strdup(name);
	if (!n->export_name || !n->name)
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

static int finish(struct mp_blk *b, const struct complaint *c)
{
	struct mp_nbd *n = b->nbd;
	int r = start_log(n);

	if (r < 0)
		return complain(c, r, strerror(-r));
	close_unused(n);
	b->size_bytes = n->export_bytes - n->export_bytes % b->block_bytes;
	return 0;
}

int mp_nbd_go_on(struct mp_blk *b, char *ret_error, size_t error_len)
{
	struct mp_nbd *n = b->nbd;
	struct complaint c = {n->name, ret_error, error_len};
	struct mp_nbd_conn *conn;
	int r;

	for (;;) {
		conn = &n->conns[n->n_begun - 1];
		r = mp_nbd_conn_try(conn);
		if (r == 0)
			return 1;
		/* The first connection tells whether there may be others. */
		if (r > 0 && n->n_begun == 1)
			n->n_conns = n->can_multi_conn ? n->n_socks : 1;
		if (r > 0 && n->n_begun == n->n_conns)
			return mp_err_trace(finish(b, &c));
		if (r > 0)
			r = begin_next(n);
		if (r < 0)
			return complain(&c, r, mp_nbd_conn_why(&n->conns[n->n_begun - 1]));
	}
}

static int open_now(struct mp_blk *b, char *ret_error, size_t error_len)
{
	struct mp_nbd *n = b->nbd;
	int r = 1;

	while (r == 1) {
		r = mp_nbd_go_on(b, ret_error, error_len);
		if (r == 1 && mp_nbd_conn_await(&n->conns[n->n_begun - 1]) < 0)
			r = mp_err_origin(-EIO);
	}
	return mp_err_trace(r);
}

static int check_how(const struct mp_blk_open *how, const struct complaint *c)
{
	const struct mp_blk_nbd *cfg = how->nbd;

	if (!cfg || cfg->n_socks == 0 || cfg->n_socks > MP_BLK_NBD_MAX_CONNS)
		return complain(c, mp_err_origin(-EINVAL), "it needs 1 to 16 connections");
	if (how->detect_zeroes == MP_BLK_DETECT_UNMAP && !how->discard)
		return complain(c, mp_err_origin(-EINVAL),
				"detect-zeroes=unmap needs discard=unmap; give both, or "
				"detect-zeroes=on");
	return 0;
}

static void close_socks(const struct mp_blk_nbd *cfg)
{
	for (unsigned int i = 0; cfg && i < cfg->n_socks; i++)
		close(cfg->socks[i]);
}

int mp_nbd_open(struct mp_blk *b, const struct mp_blk_open *how, char *ret_error, size_t error_len)
{
	struct complaint c = {how->filename ? how->filename : "the NBD export", ret_error,
			      error_len};
	MP_CLEANUP(destroy) struct mp_nbd *n = NULL;
	const char *why;
	int r = check_how(how, &c);

	if (r == 0) {
		r = create(b, how->nbd, c.name, &n);
		if (r < 0)
			complain(&c, r, strerror(-r));
	}
	if (r < 0) {
		close_socks(how->nbd);
		return mp_err_trace(r);
	}
	n->n_socks = how->nbd->n_socks;
	memcpy(n->socks, how->nbd->socks, n->n_socks * sizeof(n->socks[0]));
	why = mp_nbd_lib_load(&n->lib);
	if (why)
		return complain(&c, mp_err_origin(-ENOTSUP), why);
	n->n_conns = 1;
	r = begin_next(n);
	if (r < 0)
		return complain(&c, r, mp_nbd_conn_why(&n->conns[0]));
	b->nbd = n;
	r = how->nbd->no_wait ? 1 : open_now(b, ret_error, error_len);
	if (r < 0) {
		b->nbd = NULL;
		return mp_err_trace(r);
	}
	b->driver = &nbd_driver;
	n = NULL;
	return r;
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
