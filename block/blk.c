/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Requests and their one rule: submitted once, done() once, never inside
 * submit.
 *
 *	submit -> [driver] -> engine->start -> kernel -> advance -+-> end
 *	   |                       ^                              |
 *	   |                       +------- short, retry ---------+
 *	   +-> end_later (refused, or nothing to do) -> ready list -> poll -> end
 *
 * Everything here runs on the polling thread; a thread of the threads engine
 * runs single system calls and touches nothing else. n_inflight counts from
 * submit to done(), so "nothing in flight" is one comparison and the poll of an
 * idle engine costs no system call.
 */
#include "block/engine.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/err.h"

void mp_blk_list_push(struct mp_blk_list *l, struct mp_blk_req *req)
{
	req->next = NULL;
	if (l->head)
		l->tail->next = req;
	else
		l->head = req;
	l->tail = req;
}

struct mp_blk_req *mp_blk_list_pop(struct mp_blk_list *l)
{
	struct mp_blk_req *req = l->head;

	if (req)
		l->head = req->next;
	return req;
}

bool mp_blk_list_remove(struct mp_blk_list *l, struct mp_blk_req *req)
{
	struct mp_blk_req *prev = NULL;

	for (struct mp_blk_req *i = l->head; i; prev = i, i = i->next) {
		if (i != req)
			continue;
		if (prev)
			prev->next = i->next;
		else
			l->head = i->next;
		if (l->tail == i)
			l->tail = prev;
		return true;
	}
	return false;
}

void mp_blk_end(struct mp_blk_req *req)
{
	mp_assert(req->busy);
	mp_blk_count_ended(req);
	req->busy = false;
	req->blk->engine->n_inflight--;
	req->done(req);
}

void mp_blk_end_later(struct mp_blk_req *req, int result)
{
	req->result = result;
	mp_blk_list_push(&req->blk->engine->ready, req);
}

/* Only what was there at the start: a done() that submits can't keep us here. */
static unsigned int end_ready(struct mp_blk_engine *e)
{
	struct mp_blk_list now = e->ready;
	unsigned int n = 0;

	if (!now.head)
		return 0;
	e->now_tsc = mp_clock_tsc();
	e->ready = (struct mp_blk_list){NULL, NULL};
	for (struct mp_blk_req *req; (req = mp_blk_list_pop(&now)); n++)
		mp_blk_end(req);
	return n;
}

static bool range_ok(const struct mp_blk *b, const struct mp_blk_req *req)
{
	if (req->op == MP_BLK_FLUSH)
		return req->len == 0;
	if ((req->offset | req->len) % b->block_bytes != 0)
		return false;
	return req->len <= b->size_bytes && req->offset <= b->size_bytes - req->len;
}

static bool changes_medium(enum mp_blk_op op)
{
	return op == MP_BLK_WRITE || op == MP_BLK_DISCARD || op == MP_BLK_WRITE_ZEROES;
}

static int check(const struct mp_blk *b, const struct mp_blk_req *req)
{
	if ((unsigned int)req->op >= MP_BLK_N_OPS || !range_ok(b, req))
		return mp_err_origin(-EINVAL);
	if (mp_unlikely(b->read_only) && changes_medium(req->op))
		return mp_err_origin(-EROFS);
	return 0;
}

void mp_blk_submit(struct mp_blk *b, struct mp_blk_req *req)
{
	int r;

	mp_assert(!req->busy);
	req->busy = true;
	req->blk = b;
	req->result = 0;
	req->moved = 0;
	req->phase = 0;
	req->throttled = false;
	req->give_up_ns = 0;
	req->begun_tsc = mp_clock_tsc();
	b->engine->n_inflight++;
	b->engine->n_requests++;

	r = check(b, req);
	req->refused = r < 0;
	if (mp_unlikely(r < 0))
		mp_blk_end_later(req, r);
	else if (mp_likely(!b->throttle.group) || !mp_limit_holds(b, req))
		b->driver->submit(b, req);
}

void mp_blk_cancel(struct mp_blk_req *req)
{
	struct mp_blk_engine *e;

	if (!req->busy)
		return;
	e = req->blk->engine;
	if (mp_throttle_remove(&req->blk->throttle, req)) {
		mp_blk_end_later(req, -ECANCELED);
		return;
	}
	/* On the ready list it has ended already: its result stands. */
	for (const struct mp_blk_req *i = e->ready.head; i; i = i->next)
		if (i == req)
			return;
	if (req->blk->driver->cancel)
		req->blk->driver->cancel(req);
	else
		e->ops->cancel(e, req);
}

/* Where the kernel has no io_uring, or forbids it to us, threads serve as well. */
static bool is_refusal(int r)
{
	return r == -ENOSYS || r == -EPERM || r == -EACCES || r == -ENOMEM || r == -EINVAL;
}

static int create_any(const struct mp_blk_engine_cfg *cfg, struct mp_blk_engine **ret_e)
{
	int why, r;

	if (cfg->aio == MP_BLK_AIO_THREADS)
		return mp_threads_create(cfg, ret_e);
	why = mp_uring_create(cfg, ret_e);
	if (why >= 0 || cfg->aio == MP_BLK_AIO_URING || !is_refusal(why))
		return why;
	r = mp_threads_create(cfg, ret_e);
	if (r >= 0)
		(*ret_e)->uring_errno = why;
	return r;
}

int mp_blk_engine_create(const struct mp_blk_engine_cfg *cfg, struct mp_blk_engine **ret_e)
{
	struct mp_blk_engine *e = NULL;
	int r;

	if (cfg->entries & (cfg->entries - 1))
		return mp_err_origin(-EINVAL);
	r = create_any(cfg, &e);
	if (r < 0)
		return mp_err_trace(r);
	e->tsc_mult = mp_clock_tsc_mult(cfg->tsc_hz ? cfg->tsc_hz : mp_clock_tsc_hz());
	e->pool = cfg->pool;
	e->pool_len = cfg->pool_len;
	*ret_e = e;
	return 0;
}

struct mp_blk_engine *mp_blk_engine_destroy(struct mp_blk_engine *e)
{
	if (!e)
		return NULL;
	for (struct mp_blk *b = e->holding; b; b = b->next_holding)
		mp_blk_rush(b);
	while (e->n_inflight > 0) {
		mp_blk_engine_poll(e);
		if (e->n_inflight > 0)
			mp_blk_engine_wait(e, UINT64_MAX);
	}
	e->ops->destroy(e);
	return NULL;
}

bool mp_blk_engine_is_threads(const struct mp_blk_engine *e)
{
	return e->is_threads;
}

int mp_blk_engine_uring_errno(const struct mp_blk_engine *e)
{
	return e->uring_errno;
}

unsigned int mp_blk_engine_poll(struct mp_blk_engine *e)
{
	unsigned int n = end_ready(e);

	if (mp_unlikely(e->holding))
		n += mp_limit_poll(e);
	for (struct mp_blk *b = e->polled; b; b = b->next_polled)
		n += b->driver->poll(b);
	return n + e->ops->poll(e);
}

/* What drivers wait for: how long until the earliest of their deadlines. */
static uint64_t drivers_wait_ns(struct mp_blk_engine *e)
{
	uint64_t at_ns = UINT64_MAX, now_ns;

	for (struct mp_blk *b = e->polled; b; b = b->next_polled) {
		uint64_t ns = b->driver->before_wait(b);

		at_ns = ns < at_ns ? ns : at_ns;
	}
	if (at_ns == UINT64_MAX)
		return UINT64_MAX;
	now_ns = mp_clock_ns();
	return at_ns > now_ns ? at_ns - now_ns : 0;
}

int mp_blk_engine_wait(struct mp_blk_engine *e, uint64_t timeout_ns)
{
	uint64_t held_ns = mp_unlikely(e->holding) ? mp_limit_wait_ns(e) : UINT64_MAX;
	uint64_t drivers_ns = mp_unlikely(e->polled) ? drivers_wait_ns(e) : UINT64_MAX;
	uint64_t ns = drivers_ns < held_ns ? drivers_ns : held_ns;
	int r;

	if (e->ready.head || ns == 0)
		return 0;
	if (ns >= timeout_ns)
		return e->ops->wait(e, timeout_ns);
	/* Ends like a completion: there is something to do. */
	r = e->ops->wait(e, ns);
	return r == -ETIME ? 0 : r;
}

unsigned int mp_blk_engine_n_inflight(const struct mp_blk_engine *e)
{
	return e->n_inflight;
}

uint64_t mp_blk_engine_n_enters(const struct mp_blk_engine *e)
{
	return e->n_enters;
}

uint64_t mp_blk_engine_n_requests(const struct mp_blk_engine *e)
{
	return e->n_requests;
}

static int open_driver(struct mp_blk *b, const struct mp_blk_open *how, char *ret_error,
		       size_t error_len)
{
	if (how->driver && strcmp(how->driver, "raw") == 0)
		return mp_raw_open(b, how, ret_error, error_len);
	if (how->driver && strcmp(how->driver, "null") == 0)
		return mp_null_open(b, how, ret_error, error_len);
	if (how->driver && strcmp(how->driver, "nbd") == 0)
		return mp_nbd_open(b, how, ret_error, error_len);
	snprintf(ret_error, error_len, "unknown block driver \"%s\"; valid: raw, null, nbd",
		 how->driver ? how->driver : "");
	return mp_err_origin(-EINVAL);
}

static void free_blk(struct mp_blk **pb)
{
	if (*pb)
		mp_fd_close(&(*pb)->fd);
	free(*pb);
}

static void join_polled(struct mp_blk *b)
{
	b->next_polled = b->engine->polled;
	b->engine->polled = b;
	b->is_polled = true;
}

int mp_blk_open(struct mp_blk_engine *e, const struct mp_blk_open *how, struct mp_blk **ret_blk,
		char *ret_error, size_t error_len)
{
	MP_CLEANUP(free_blk) struct mp_blk *b = calloc(1, sizeof(*b));
	bool is_opening;
	int r;

	if (!b) {
		snprintf(ret_error, error_len, "out of memory");
		return mp_err_origin(-ENOMEM);
	}
	b->engine = e;
	b->fd = -1;
	b->slot = -1;
	b->block_bytes = MP_BLK_SECTOR_BYTES;
	b->read_only = how->read_only;
	b->no_flush = how->no_flush;
	b->discard = how->discard;
	b->probed = how->probed;
	b->detect_zeroes = (uint8_t)how->detect_zeroes;
	b->direct = how->cache_direct;
	r = open_driver(b, how, ret_error, error_len);
	if (r < 0)
		return mp_err_trace(r);
	is_opening = r == 1;
	r = b->fd >= 0 ? e->ops->attach(e, b) : 0;
	if (r < 0) {
		if (how->medium)
			b->fd = -1; /* still the caller's */
		snprintf(ret_error, error_len, "cannot use %s: %s; open fewer disks in one process",
			 how->filename, strerror(-r));
		return mp_err_trace(r);
	}
	if (b->driver->poll && !is_opening)
		join_polled(b);
	*ret_blk = b;
	b = NULL;
	return is_opening;
}

int mp_blk_open_go_on(struct mp_blk *b, char *ret_error, size_t error_len)
{
	int r = mp_nbd_go_on(b, ret_error, error_len);

	if (r == 0)
		join_polled(b);
	return r < 0 ? mp_err_trace(r) : r;
}

static void leave_polled(struct mp_blk *b)
{
	struct mp_blk **pb = &b->engine->polled;

	while (*pb != b)
		pb = &(*pb)->next_polled;
	*pb = b->next_polled;
}

struct mp_blk *mp_blk_close(struct mp_blk *b)
{
	if (!b)
		return NULL;
	mp_limit_leave(b);
	if (b->fd >= 0)
		b->engine->ops->detach(b->engine, b);
	if (b->is_polled)
		leave_polled(b);
	if (b->driver->close)
		b->driver->close(b);
	free_blk(&b);
	return NULL;
}

uint64_t mp_blk_size_bytes(const struct mp_blk *b)
{
	return b->size_bytes;
}

uint32_t mp_blk_block_bytes(const struct mp_blk *b)
{
	return b->block_bytes;
}

bool mp_blk_read_only(const struct mp_blk *b)
{
	return b->read_only;
}

bool mp_blk_can_discard(const struct mp_blk *b)
{
	return b->discard && !b->read_only;
}

bool mp_blk_has_cache(const struct mp_blk *b)
{
	return !b->direct;
}

int mp_blk_refresh_size(struct mp_blk *b)
{
	int64_t now;

	if (!b->driver->measure)
		return 0;
	now = b->driver->measure(b);
	if (now < 0)
		return mp_err_origin((int)now);
	if (b->cap_bytes && (uint64_t)now > b->cap_bytes)
		now = (int64_t)b->cap_bytes;
	now -= now % b->block_bytes;
	if (now == 0)
		return mp_err_origin(-ENOMEDIUM);
	if ((uint64_t)now == b->size_bytes)
		return 0;
	b->size_bytes = (uint64_t)now;
	return 1;
}

void mp_blk_cap(struct mp_blk *b, uint64_t bytes)
{
	b->cap_bytes = bytes;
}
