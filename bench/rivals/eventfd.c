/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * eventfd - one blocking eventfd each way: the cheapest wake-up that the
 * kernel has, and nothing else. The count carries the message; two unread
 * counts add up, so there are no posts.
 */
#include <errno.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "base/err.h"
#include "bench/rivals/stream.h"

/* The operation is in bits 63:60, the value below; neither all ones nor 0 is a count. */
#define OP_SHIFT   60
#define VALUE_MASK ((1ull << OP_SHIFT) - 1)

static int create(void **ret_t)
{
	struct stream *t;
	int r;

	r = stream_create(&t);
	if (r < 0)
		return mp_err_trace(r);
	t->fd[RIVAL_CLIENT][0] = eventfd(0, EFD_CLOEXEC);
	t->fd[RIVAL_CLIENT][1] = eventfd(0, EFD_CLOEXEC);
	t->fd[RIVAL_SERVER][0] = t->fd[RIVAL_CLIENT][1];
	t->fd[RIVAL_SERVER][1] = t->fd[RIVAL_CLIENT][0];
	if (t->fd[RIVAL_CLIENT][0] < 0 || t->fd[RIVAL_CLIENT][1] < 0) {
		r = mp_err_origin(-errno);
		stream_destroy(t);
		return r;
	}
	*ret_t = t;
	return 0;
}

/* Both fds are used by both sides. */
static int join(void *opaque, enum rival_side side, pid_t peer)
{
	struct stream *t = opaque;

	t->side = side;
	return 0;
}

static void send_count(void *opaque, struct rival_msg m)
{
	struct stream *t = opaque;
	uint64_t count = (uint64_t)m.op << OP_SHIFT | (m.value & VALUE_MASK);

	mp_assert(write(t->fd[t->side][1], &count, sizeof(count)) == sizeof(count));
}

static struct rival_msg recv_count(void *opaque)
{
	struct stream *t = opaque;
	uint64_t count;

	mp_assert(read(t->fd[t->side][0], &count, sizeof(count)) == sizeof(count));
	return (struct rival_msg){(uint32_t)(count >> OP_SHIFT), count & VALUE_MASK};
}

static const struct rival_io io = {send_count, recv_count};

static bool call(void *t, uint64_t first, uint32_t n)
{
	bool ok = true;
	uint64_t i;

	for (i = first; i < first + n; i++) {
		send_count(t, (struct rival_msg){RIVAL_CALL, i});
		ok &= recv_count(t).value == (RIVAL_ANSWER(i) & VALUE_MASK);
	}
	return ok;
}

static void stop(void *t)
{
	send_count(t, (struct rival_msg){RIVAL_STOP, 0});
}

static void serve(void *t)
{
	rival_do_serve(&io, t);
}

const struct rival rival_eventfd = {
	.name = "eventfd",
	.create = create,
	.join = join,
	.call = call,
	.stop = stop,
	.serve = serve,
	.destroy = stream_destroy,
};
