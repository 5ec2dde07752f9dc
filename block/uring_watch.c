/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Watches on io_uring: a one-shot poll a direction, in the ring like all else
 * that ends a sleep, so that sleeping stays one system call.
 *
 * An entry is filled in only right before a sleep: a core that is awake looks
 * at the fd itself and pays nothing for having armed. It stays pending when
 * something else ends the sleep, and the next sleep finds it there.
 *
 * The kernel's answer names a slot, not an address. A watch that closes asks
 * for what is pending to be cancelled; its slot is free when the answer has
 * come, so that an answer never meets a stranger.
 */
#include "block/uring.h"

#include <errno.h>
#include <poll.h>

#include "base/err.h"

static const short directions[] = {POLLIN, POLLOUT};

static uint64_t tag_of(int slot, unsigned int dir)
{
	return MP_URING_TAG_WATCH + 2u * (unsigned int)slot + dir;
}

static int free_slot(const struct mp_uring *u)
{
	for (int i = 0; i < (int)u->n_watch_slots; i++)
		if (!u->watch_used[i] && !u->watch_pending[i])
			return i;
	return mp_err_origin(-EMFILE);
}

int mp_uring_watch_open(struct mp_blk_watch *w)
{
	struct mp_uring *u = (struct mp_uring *)w->engine;
	int slot = free_slot(u), r = 0;

	if (slot < 0)
		return mp_err_trace(slot);
	if (u->fixed_files)
		r = mp_uring_set_file(u, (int)MP_URING_WATCH_SLOT + slot, w->fd);
	if (r < 0)
		return mp_err_trace(r);
	u->watch_used[slot] = true;
	w->slot = slot;
	return 0;
}

static struct io_uring_sqe *get_sqe(struct mp_uring *u)
{
	if (io_uring_sq_space_left(&u->ring) == 0)
		io_uring_submit(&u->ring);
	return io_uring_get_sqe(&u->ring);
}

static bool arm(struct mp_uring *u, struct mp_blk_watch *w, unsigned int dir)
{
	struct io_uring_sqe *sqe = get_sqe(u);

	if (!sqe)
		return false;
	io_uring_prep_poll_add(sqe, w->fd, (unsigned int)directions[dir]);
	if (u->fixed_files) {
		sqe->fd = (int)MP_URING_WATCH_SLOT + w->slot;
		sqe->flags |= IOSQE_FIXED_FILE;
	}
	io_uring_sqe_set_data64(sqe, tag_of(w->slot, dir));
	u->watch_pending[w->slot] |= (uint8_t)(1u << dir);
	return true;
}

bool mp_uring_watch_arm_all(struct mp_uring *u)
{
	for (struct mp_blk_watch *w = u->base.watches; w; w = w->next)
		for (unsigned int dir = 0; dir < 2; dir++)
			if ((w->wanted & directions[dir]) &&
			    !(u->watch_pending[w->slot] & (1u << dir)) && !arm(u, w, dir))
				return false;
	return true;
}

void mp_uring_watch_fired(struct mp_uring *u, uint64_t tag)
{
	unsigned int slot = (unsigned int)(tag - MP_URING_TAG_WATCH) / 2;
	unsigned int dir = (unsigned int)(tag - MP_URING_TAG_WATCH) % 2;

	u->watch_pending[slot] &= (uint8_t) ~(1u << dir);
	for (struct mp_blk_watch *w = u->base.watches; w; w = w->next)
		if (w->slot == (int)slot)
			w->wanted &= (short)~directions[dir];
}

static void cancel(struct mp_uring *u, int slot, unsigned int dir)
{
	struct io_uring_sqe *sqe = get_sqe(u);

	/* No room: the poll ends with its file, or the slot is never used again. */
	if (!sqe)
		return;
	io_uring_prep_cancel64(sqe, tag_of(slot, dir), 0);
	if (u->fixed_files)
		sqe->flags |= IOSQE_FIXED_FILE; /* the ring's restriction asks for it */
	io_uring_sqe_set_data64(sqe, MP_URING_TAG_IGNORE);
}

/* The kernel lets go of the file before this returns: its peer sees the end when the caller closes it. */
void mp_uring_watch_close(struct mp_blk_watch *w)
{
	struct mp_uring *u = (struct mp_uring *)w->engine;

	for (unsigned int dir = 0; dir < 2; dir++)
		if (u->watch_pending[w->slot] & (1u << dir))
			cancel(u, w->slot, dir);
	if (u->watch_pending[w->slot]) {
		u->base.n_enters++;
		io_uring_submit_and_get_events(&u->ring);
	}
	if (u->fixed_files)
		(void)mp_uring_set_file(u, (int)MP_URING_WATCH_SLOT + w->slot, -1);
	u->watch_used[w->slot] = false;
}
