/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The io_uring engine: at most one system call a poll, none when there is
 * nothing to say or to hear, and one place to sleep.
 *
 *	start()  fills a submission entry; full: the overflow list, oldest first
 *	poll()   enters the kernel only to submit, or because the kernel shows
 *	         (IORING_SQ_TASKRUN) that completions wait for us to come in
 *	wait()   submits and sleeps in the same call, with its deadline
 *
 * The doorbell (wake_fd) is part of the ring, so that a completion and a ring
 * of the bell end the same sleep. It is armed as a pair, poll then read: the
 * read takes the count without a system call of its own, and its completion
 * says that the pair must be armed again, which the next wait() does.
 *
 * What the kernel can only do while somebody waits (where are a file's holes?)
 * goes to a helper: an engine of one thread, inside of this one. It has an
 * eventfd too, armed in the same way while it has something to do. It starts
 * with the first disk that may ask such a thing, before the sandbox closes.
 *
 * Fds of others that end a sleep (watches) are uring_watch.c's.
 */
#include "block/uring.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>

#include "base/clock.h"
#include "base/err.h"

#define REAP_BATCH 64u

static struct mp_uring *to_uring(struct mp_blk_engine *e)
{
	return (struct mp_uring *)e;
}

static bool in_pool(const struct mp_uring *u, const void *buf, uint64_t len)
{
	const uint8_t *p = buf;

	return u->fixed_buf && p >= u->base.pool &&
	       (uint64_t)(p - u->base.pool) + len <= u->base.pool_len;
}

static void prep_rw(const struct mp_uring *u, struct io_uring_sqe *sqe,
		    const struct mp_blk_step *st, int fd)
{
	bool fixed = in_pool(u, st->buf, st->len);
	unsigned int len = (unsigned int)st->len;

	if (st->call == MP_BLK_CALL_READ) {
		if (fixed)
			io_uring_prep_read_fixed(sqe, fd, st->buf, len, st->offset, 0);
		else
			io_uring_prep_read(sqe, fd, st->buf, len, st->offset);
		return;
	}
	if (fixed)
		io_uring_prep_write_fixed(sqe, fd, st->buf, len, st->offset, 0);
	else
		io_uring_prep_write(sqe, fd, st->buf, len, st->offset);
	sqe->rw_flags = st->dsync ? RWF_DSYNC : 0;
}

static void prep(const struct mp_uring *u, struct io_uring_sqe *sqe, struct mp_blk_req *req)
{
	const struct mp_blk *b = req->blk;
	int fd = b->slot >= 0 ? b->slot : b->fd;
	struct mp_blk_step st;

	mp_raw_step(req, &st);
	switch (st.call) {
	case MP_BLK_CALL_SYNC:
		io_uring_prep_fsync(sqe, fd, IORING_FSYNC_DATASYNC);
		break;
	case MP_BLK_CALL_FALLOCATE:
		io_uring_prep_fallocate(sqe, fd, st.mode, (off_t)st.offset, (off_t)st.len);
		break;
	case MP_BLK_CALL_ADVISE:
		/* The kernel's length has 32 bits, and it is advice. */
		io_uring_prep_fadvise(sqe, fd, st.offset,
				      (uint32_t)(st.len < UINT32_MAX ? st.len : UINT32_MAX),
				      POSIX_FADV_WILLNEED);
		break;
	default:
		prep_rw(u, sqe, &st, fd);
	}
	if (b->slot >= 0)
		sqe->flags |= IOSQE_FIXED_FILE;
	io_uring_sqe_set_data(sqe, req);
}

static void uring_start(struct mp_blk_engine *e, struct mp_blk_req *req)
{
	struct mp_uring *u = to_uring(e);
	struct io_uring_sqe *sqe = u->overflow.head ? NULL : io_uring_get_sqe(&u->ring);

	if (mp_likely(sqe))
		prep(u, sqe, req);
	else
		mp_blk_list_push(&u->overflow, req);
}

static void uring_help(struct mp_blk_engine *e, struct mp_blk_req *req)
{
	struct mp_uring *u = to_uring(e);

	u->n_helped++;
	u->helper->ops->start(u->helper, req);
}

static unsigned int poll_helper(struct mp_uring *u)
{
	unsigned int n;

	u->base.now_tsc = mp_clock_tsc();
	n = u->helper->ops->poll(u->helper);

	u->n_helped -= n;
	return n;
}

static void start_overflow(struct mp_uring *u)
{
	while (u->overflow.head && io_uring_sq_space_left(&u->ring) > 0) {
		struct mp_blk_req *req = mp_blk_list_pop(&u->overflow);

		prep(u, io_uring_get_sqe(&u->ring), req);
	}
}

static void uring_cancel(struct mp_blk_engine *e, struct mp_blk_req *req)
{
	struct mp_uring *u = to_uring(e);
	struct io_uring_sqe *sqe;

	if (req->op == MP_BLK_STATUS)
		return; /* short, and its thread may be at it */
	if (mp_blk_list_remove(&u->overflow, req)) {
		mp_blk_end_later(req, -ECANCELED);
		return;
	}
	/* No room: the request runs to its end, which is allowed. */
	sqe = io_uring_get_sqe(&u->ring);
	if (!sqe)
		return;
	io_uring_prep_cancel(sqe, req, 0);
	if (u->fixed_files)
		sqe->flags |= IOSQE_FIXED_FILE; /* the ring's restriction asks for it */
	io_uring_sqe_set_data64(sqe, MP_URING_TAG_IGNORE);
}

static bool kernel_has_news(const struct mp_uring *u)
{
	/* U1: acquire, pairs with the kernel's stores, as liburing has it; the
	 * completions themselves are ordered by the CQ tail, which liburing loads. */
	unsigned int flags = __atomic_load_n(u->ring.sq.kflags, __ATOMIC_ACQUIRE);

	return flags & (IORING_SQ_TASKRUN | IORING_SQ_CQ_OVERFLOW);
}

static void end_one(struct mp_uring *u, uint64_t tag, int res)
{
	struct mp_blk_req *req;

	if (tag == MP_URING_TAG_WAKE)
		u->wake.armed = false;
	if (tag == MP_URING_TAG_HELPER)
		u->helper_wake.armed = false;
	if (tag >= MP_URING_TAG_WATCH && tag <= MP_URING_TAG_LAST)
		mp_uring_watch_fired(u, tag);
	if (tag <= MP_URING_TAG_LAST)
		return;
	req = (struct mp_blk_req *)(uintptr_t)tag;
	if (mp_raw_advance(req, res))
		mp_blk_end(req);
	else
		uring_start(&u->base, req);
}

/* Copied out before the first done(), which may submit and so need the room. */
static unsigned int reap(struct mp_uring *u)
{
	struct io_uring_cqe *cqes[REAP_BATCH];
	struct {
		uint64_t tag;
		int res;
	} got[REAP_BATCH];
	unsigned int n = io_uring_peek_batch_cqe(&u->ring, cqes, REAP_BATCH);

	for (unsigned int i = 0; i < n; i++) {
		got[i].tag = cqes[i]->user_data;
		got[i].res = cqes[i]->res;
	}
	io_uring_cq_advance(&u->ring, n);
	u->base.now_tsc = mp_clock_tsc();
	for (unsigned int i = 0; i < n; i++)
		end_one(u, got[i].tag, got[i].res);
	return n;
}

static unsigned int uring_poll(struct mp_blk_engine *e)
{
	struct mp_uring *u = to_uring(e);
	unsigned int n = mp_unlikely(u->n_helped > 0) ? poll_helper(u) : 0;

	if (mp_unlikely(u->overflow.head != NULL))
		start_overflow(u);
	if (io_uring_sq_ready(&u->ring) > 0 || kernel_has_news(u)) {
		e->n_enters++;
		/* EAGAIN, EBUSY: the entries stay and go with the next poll. */
		io_uring_submit_and_get_events(&u->ring);
	}
	return n + (io_uring_cq_ready(&u->ring) > 0 ? reap(u) : 0);
}

/* An alarm's file, as an entry names it, and the tag of its completion. */
struct bell {
	int fd;
	uint64_t tag;
};

/* Return: false: no room for the pair, so sleeping would be deaf. */
static bool arm(struct mp_uring *u, struct mp_uring_alarm *alarm, struct bell bell)
{
	struct io_uring_sqe *poll_sqe, *read_sqe;
	unsigned int fixed = u->fixed_files ? IOSQE_FIXED_FILE : 0;

	if (alarm->armed)
		return true;
	if (io_uring_sq_space_left(&u->ring) < 2)
		io_uring_submit(&u->ring);
	if (io_uring_sq_space_left(&u->ring) < 2)
		return false;
	poll_sqe = io_uring_get_sqe(&u->ring);
	io_uring_prep_poll_add(poll_sqe, bell.fd, POLLIN);
	poll_sqe->flags |= (uint8_t)(fixed | IOSQE_IO_LINK | IOSQE_CQE_SKIP_SUCCESS);
	io_uring_sqe_set_data64(poll_sqe, MP_URING_TAG_IGNORE);
	read_sqe = io_uring_get_sqe(&u->ring);
	io_uring_prep_read(read_sqe, bell.fd, &alarm->count, sizeof(alarm->count), 0);
	read_sqe->flags |= (uint8_t)fixed;
	io_uring_sqe_set_data64(read_sqe, bell.tag);
	alarm->armed = true;
	return true;
}

static bool arm_alarms(struct mp_uring *u)
{
	struct bell wake = {u->fixed_files ? MP_URING_WAKE_SLOT : u->base.wake_fd,
			    MP_URING_TAG_WAKE};
	struct bell help = {MP_URING_HELPER_SLOT, MP_URING_TAG_HELPER};

	if (u->base.wake_fd >= 0 && !arm(u, &u->wake, wake))
		return false;
	if (mp_likely(u->n_helped == 0))
		return true;
	if (!u->fixed_files)
		help.fd = mp_threads_event_fd(u->helper);
	return arm(u, &u->helper_wake, help);
}

static int uring_wait(struct mp_blk_engine *e, uint64_t timeout_ns)
{
	struct mp_uring *u = to_uring(e);
	struct __kernel_timespec ts = {.tv_sec = (long long)(timeout_ns / MP_NS_PER_SEC),
				       .tv_nsec = (long long)(timeout_ns % MP_NS_PER_SEC)};
	struct io_uring_cqe *cqe;
	int r;

	start_overflow(u);
	if (!arm_alarms(u) || !mp_uring_watch_arm_all(u) || io_uring_cq_ready(&u->ring) > 0)
		return 0;
	e->n_enters++;
	r = io_uring_submit_and_wait_timeout(&u->ring, &cqe, 1,
					     timeout_ns == UINT64_MAX ? NULL : &ts, NULL);
	if (r == -EINTR || r == -EAGAIN || r == -EBUSY)
		return 0;
	if (r == -ETIME || (r >= 0 && io_uring_cq_ready(&u->ring) == 0))
		return -ETIME; /* a call that also submitted says how much, not that it is late */
	return r < 0 ? mp_err_trace(r) : 0;
}

static int start_helper(struct mp_uring *u)
{
	struct mp_blk_engine_cfg cfg = {.n_threads = 1, .wake_fd = -1};
	struct mp_blk_engine *helper = NULL;
	int r = mp_threads_create(&cfg, &helper);

	if (r < 0)
		return mp_err_trace(r);
	if (u->fixed_files)
		r = mp_uring_set_file(u, MP_URING_HELPER_SLOT, mp_threads_event_fd(helper));
	if (r < 0) {
		helper->ops->destroy(helper);
		return mp_err_trace(r);
	}
	u->helper = helper;
	return 0;
}

static int uring_attach(struct mp_blk_engine *e, struct mp_blk *b)
{
	struct mp_uring *u = to_uring(e);
	int r = b->discard && !u->helper ? start_helper(u) : 0;

	if (r < 0)
		return mp_err_trace(r);
	if (!u->fixed_files)
		return 0;
	for (int slot = MP_URING_HELPER_SLOT + 1; slot < (int)MP_URING_WATCH_SLOT; slot++) {
		if (u->slot_used[slot])
			continue;
		r = mp_uring_set_file(u, slot, b->fd);
		if (r < 0)
			return mp_err_trace(r);
		u->slot_used[slot] = true;
		b->slot = slot;
		return 0;
	}
	return mp_err_origin(-EMFILE);
}

static void uring_detach(struct mp_blk_engine *e, struct mp_blk *b)
{
	if (b->slot < 0)
		return;
	(void)mp_uring_set_file(to_uring(e), b->slot, -1);
	to_uring(e)->slot_used[b->slot] = false;
}

static void uring_destroy(struct mp_blk_engine *e)
{
	struct mp_uring *u = to_uring(e);

	if (u->helper)
		u->helper->ops->destroy(u->helper);
	io_uring_queue_exit(&u->ring);
	free(u);
}

static const struct mp_blk_engine_ops uring_ops = {
	.destroy = uring_destroy,
	.attach = uring_attach,
	.detach = uring_detach,
	.start = uring_start,
	.help = uring_help,
	.cancel = uring_cancel,
	.poll = uring_poll,
	.wait = uring_wait,
	.watch_open = mp_uring_watch_open,
	.watch_close = mp_uring_watch_close,
};

int mp_uring_create(const struct mp_blk_engine_cfg *cfg, struct mp_blk_engine **ret_e)
{
	struct mp_uring *u = calloc(1, sizeof(*u));
	int r;

	if (!u)
		return mp_err_origin(-ENOMEM);
	u->base.ops = &uring_ops;
	u->base.wake_fd = cfg->wake_fd;
	r = mp_uring_setup(u, cfg);
	if (r < 0) {
		free(u);
		return mp_err_trace(r);
	}
	*ret_e = &u->base;
	return 0;
}
