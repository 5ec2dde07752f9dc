/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The engine for places where io_uring is forbidden: threads that run one
 * system call at a time.
 *
 *	start() -> batch (poller only) -> poll() -> queue -> a thread -> done
 *	                                                     list -> poll()
 *
 * The queue and the done list are under one lock, taken once per poll for
 * either. A thread runs a step and stores its result; what that means is
 * decided on the polling thread (mp_raw_advance()), so all other state has one
 * user. The eventfd tells a poller that sleeps in wait() that the done list
 * isn't empty any more.
 */
#include "block/engine.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <sys/uio.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/err.h"
#include "base/thread.h"

#define DEFAULT_THREADS 4u
#define MAX_THREADS     64u

struct threads {
	struct mp_blk_engine base;
	/* The poller's. */
	struct mp_blk_list batch;
	unsigned int n_threads;
	pthread_t ids[MAX_THREADS];
	int event_fd;
	/* Under the lock. */
	pthread_mutex_t lock;
	pthread_cond_t work;
	struct mp_blk_list queue, done;
	bool stop;
	/* Mirrors "done isn't empty", so that an idle poll takes no lock. */
	_Atomic bool any_done;
};

static ssize_t run_write(int fd, const struct mp_blk_step *st)
{
	struct iovec iov = {st->buf, st->len};

	return pwritev2(fd, &iov, 1, (off_t)st->offset, st->dsync ? RWF_DSYNC : 0);
}

static int run_step(const struct mp_blk_req *req)
{
	struct mp_blk_step st;
	int fd = req->blk->fd;
	ssize_t n;

	mp_raw_step(req, &st);
	switch (st.call) {
	case MP_BLK_CALL_READ:
		n = pread(fd, st.buf, st.len, (off_t)st.offset);
		break;
	case MP_BLK_CALL_WRITE:
		n = run_write(fd, &st);
		break;
	case MP_BLK_CALL_SYNC:
		n = fdatasync(fd);
		break;
	case MP_BLK_CALL_ADVISE:
		return -posix_fadvise(fd, (off_t)st.offset, (off_t)st.len, POSIX_FADV_WILLNEED);
	case MP_BLK_CALL_SEEK:
		return mp_raw_seek(fd, &st);
	default:
		n = fallocate(fd, st.mode, (off_t)st.offset, (off_t)st.len);
	}
	return n < 0 ? -errno : (int)n;
}

/* With the lock held. */
static void publish(struct threads *t, struct mp_blk_req *req)
{
	bool first = !t->done.head;

	mp_blk_list_push(&t->done, req);
	/* Relaxed: only a hint to take the lock, which orders everything. */
	atomic_store_explicit(&t->any_done, true, memory_order_relaxed);
	if (first)
		eventfd_write(t->event_fd, 1);
}

static void *thread_main(void *arg)
{
	struct threads *t = arg;
	struct mp_blk_req *req;

	pthread_mutex_lock(&t->lock);
	for (;;) {
		while (!t->queue.head && !t->stop)
			pthread_cond_wait(&t->work, &t->lock);
		req = mp_blk_list_pop(&t->queue);
		if (!req)
			break;
		pthread_mutex_unlock(&t->lock);
		req->result = run_step(req);
		pthread_mutex_lock(&t->lock);
		publish(t, req);
	}
	pthread_mutex_unlock(&t->lock);
	return NULL;
}

static void threads_start(struct mp_blk_engine *e, struct mp_blk_req *req)
{
	mp_blk_list_push(&((struct threads *)e)->batch, req);
}

static void flush_batch(struct threads *t)
{
	struct mp_blk_req *req;

	if (!t->batch.head)
		return;
	t->base.n_enters++;
	pthread_mutex_lock(&t->lock);
	while ((req = mp_blk_list_pop(&t->batch)))
		mp_blk_list_push(&t->queue, req);
	pthread_cond_broadcast(&t->work);
	pthread_mutex_unlock(&t->lock);
}

static struct mp_blk_list take_done(struct threads *t)
{
	struct mp_blk_list done = {NULL, NULL};

	/* Relaxed: see publish(). A miss is seen at the next poll. */
	if (!atomic_load_explicit(&t->any_done, memory_order_relaxed))
		return done;
	pthread_mutex_lock(&t->lock);
	done = t->done;
	t->done = (struct mp_blk_list){NULL, NULL};
	atomic_store_explicit(&t->any_done, false, memory_order_relaxed);
	pthread_mutex_unlock(&t->lock);
	return done;
}

static unsigned int threads_poll(struct mp_blk_engine *e)
{
	struct threads *t = (struct threads *)e;
	struct mp_blk_list done;
	unsigned int n = 0;

	flush_batch(t);
	done = take_done(t);
	if (done.head)
		e->now_tsc = mp_clock_tsc();
	for (struct mp_blk_req *req; (req = mp_blk_list_pop(&done)); n++) {
		if (mp_raw_advance(req, req->result))
			mp_blk_end(req);
		else
			mp_blk_list_push(&t->batch, req);
	}
	return n;
}

/* A system call that runs can't be called back; one that waits can. */
static void threads_cancel(struct mp_blk_engine *e, struct mp_blk_req *req)
{
	struct threads *t = (struct threads *)e;
	bool found = mp_blk_list_remove(&t->batch, req);

	if (!found) {
		pthread_mutex_lock(&t->lock);
		found = mp_blk_list_remove(&t->queue, req);
		pthread_mutex_unlock(&t->lock);
	}
	if (found)
		mp_blk_end_later(req, -ECANCELED);
}

static void drain_event(int fd)
{
	eventfd_t n;

	if (fd >= 0)
		eventfd_read(fd, &n);
}

/* What the sleep is to be ended by: ours first, then the watches. Return: how many. */
static nfds_t collect_fds(const struct threads *t, struct pollfd *fds)
{
	nfds_t n = 2;

	fds[0] = (struct pollfd){.fd = t->event_fd, .events = POLLIN};
	/* poll() skips a negative fd. */
	fds[1] = (struct pollfd){.fd = t->base.wake_fd, .events = POLLIN};
	for (const struct mp_blk_watch *w = t->base.watches; w; w = w->next)
		fds[n++] = (struct pollfd){.fd = w->wanted ? w->fd : -1, .events = w->wanted};
	return n;
}

/* An end of file or an error has fired both directions. */
static void take_watches(const struct threads *t, const struct pollfd *fds)
{
	for (struct mp_blk_watch *w = t->base.watches; w; w = w->next, fds++)
		if (fds->revents)
			w->wanted &= (short)~(fds->revents & (POLLIN | POLLOUT) ? fds->revents
										: -1);
}

static int threads_wait(struct mp_blk_engine *e, uint64_t timeout_ns)
{
	struct threads *t = (struct threads *)e;
	struct pollfd fds[2 + MP_BLK_MAX_WATCHES];
	struct timespec ts = {.tv_sec = (time_t)(timeout_ns / MP_NS_PER_SEC),
			      .tv_nsec = (long)(timeout_ns % MP_NS_PER_SEC)};
	int n;

	flush_batch(t);
	e->n_enters++;
	n = ppoll(fds, collect_fds(t, fds), timeout_ns == UINT64_MAX ? NULL : &ts, NULL);
	if (n < 0)
		return errno == EINTR ? 0 : mp_err_origin(-errno);
	if (n == 0)
		return -ETIME;
	if (fds[0].revents)
		drain_event(t->event_fd);
	if (fds[1].revents)
		drain_event(e->wake_fd);
	take_watches(t, fds + 2);
	return 0;
}

static int threads_attach(struct mp_blk_engine *e, struct mp_blk *b)
{
	(void)e;
	(void)b;
	return 0;
}

static void threads_detach(struct mp_blk_engine *e, struct mp_blk *b)
{
	(void)e;
	(void)b;
}

static void threads_destroy(struct mp_blk_engine *e)
{
	struct threads *t = (struct threads *)e;

	pthread_mutex_lock(&t->lock);
	t->stop = true;
	pthread_cond_broadcast(&t->work);
	pthread_mutex_unlock(&t->lock);
	for (unsigned int i = 0; i < t->n_threads; i++)
		pthread_join(t->ids[i], NULL);
	pthread_cond_destroy(&t->work);
	pthread_mutex_destroy(&t->lock);
	close(t->event_fd);
	free(t);
}

static const struct mp_blk_engine_ops threads_ops = {
	.destroy = threads_destroy,
	.attach = threads_attach,
	.detach = threads_detach,
	.start = threads_start,
	.help = threads_start,
	.cancel = threads_cancel,
	.poll = threads_poll,
	.wait = threads_wait,
};

static int spawn(struct threads *t, unsigned int n)
{
	int r = 0;

	while (r == 0 && t->n_threads < n) {
		r = mp_thread_create(&t->ids[t->n_threads], 0, thread_main, t);
		t->n_threads += r == 0;
	}
	return mp_err_trace(r);
}

int mp_threads_event_fd(const struct mp_blk_engine *e)
{
	return ((const struct threads *)e)->event_fd;
}

int mp_threads_create(const struct mp_blk_engine_cfg *cfg, struct mp_blk_engine **ret_e)
{
	unsigned int n = cfg->n_threads ? cfg->n_threads : DEFAULT_THREADS;
	struct threads *t = calloc(1, sizeof(*t));
	int r;

	if (!t)
		return mp_err_origin(-ENOMEM);
	t->base.ops = &threads_ops;
	t->base.is_threads = true;
	t->base.wake_fd = cfg->wake_fd;
	t->event_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (t->event_fd < 0) {
		r = mp_err_origin(-errno);
		free(t);
		return r;
	}
	pthread_mutex_init(&t->lock, NULL);
	pthread_cond_init(&t->work, NULL);
	r = spawn(t, n < MAX_THREADS ? n : MAX_THREADS);
	if (r < 0) {
		threads_destroy(&t->base);
		return mp_err_trace(r);
	}
	*ret_e = &t->base;
	return 0;
}
