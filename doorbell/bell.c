/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The slow half of the doorbell. States of one sleeper, by its armed word:
 *
 *	even	awake, or about to look at its messages again: no need to ring
 *	odd	sleeps, or is between arm and block: ring once for this value
 *
 * Each arm stores a value that was not there before, also when the sleeper
 * arms twice without a disarm between, because a ringer that has rung for a
 * value stays silent until it sees another one. A ring for a value that is
 * already stale costs one spurious wake-up, never a lost one: the eventfd
 * keeps its count until mp_bell_drain().
 *
 * The word is 32 bits: a ringer mistakes a new sleep for the one it has rung
 * for only after exactly 2^31 sleeps that it rang for none of. Such a sleep
 * ends with the next event or the sleeper's time limit.
 */
#include "doorbell/bell.h"

#include <errno.h>
#include <stddef.h>
#include <sys/eventfd.h>
#include <sys/uio.h>
#include <unistd.h>

int mp_bell_fd_create(void)
{
	int fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);

	return fd < 0 ? mp_err_origin(-errno) : fd;
}

void mp_bell_ringer_init(struct mp_bell_ringer *b, const _Atomic uint32_t *armed, int fd)
{
	/* 0 is even, so nothing counts as rung for. */
	*b = (struct mp_bell_ringer){.armed = armed, .fd = fd};
}

void mp_bell_sleeper_init(struct mp_bell_sleeper *b, _Atomic uint32_t *armed)
{
	*b = (struct mp_bell_sleeper){.armed = armed};
	/* relaxed: nobody rings before the session has passed the fds on. */
	atomic_store_explicit(armed, 0, memory_order_relaxed);
}

void mp_bell_ring_now(struct mp_bell_ringer *b, uint32_t armed)
{
	uint64_t one = 1;
	ssize_t n;

	b->rung = armed;
	b->n_rings++;
	/* EAGAIN: the counter is full, so it is readable, so the sleeper wakes.
	 * Nothing else can be done about other errors here; the sleeper's wait
	 * is bounded, and ours for its answer too. */
	do
		n = write(b->fd, &one, sizeof(one));
	while (n < 0 && errno == EINTR);
}

void mp_bell_arm(struct mp_bell_sleeper *b)
{
	/* The next odd value, past the current one if that is odd too. */
	b->count += 1 + (b->count & 1);
	/* relaxed: B2 below orders it. */
	atomic_store_explicit(b->armed, b->count, memory_order_relaxed);
	/* B2: full fence, pairs with B1 in mp_bell_kick(): the ringer sees us
	 * armed, or our last look sees its message. */
	mp_bell_full_fence();
}

void mp_bell_disarm(struct mp_bell_sleeper *b)
{
	if (!(b->count & 1))
		return;
	b->count++;
	/* relaxed: a ringer that still sees the old value rings in vain, once. */
	atomic_store_explicit(b->armed, b->count, memory_order_relaxed);
}

bool mp_bell_drain(int fd)
{
	uint64_t count;
	struct iovec iov = {&count, sizeof(count)};
	ssize_t n;

	/* O_NONBLOCK is a flag of the open file, which the peer shares and may
	 * have cleared; RWF_NOWAIT is ours. Kernels before 5.7 don't know it. */
	do
		n = preadv2(fd, &iov, 1, -1, RWF_NOWAIT);
	while (n < 0 && errno == EINTR);
	if (n < 0 && errno == EOPNOTSUPP)
		n = read(fd, &count, sizeof(count));
	return n == (ssize_t)sizeof(count);
}
