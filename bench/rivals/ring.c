/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * ring - mpring's own transport, as proxy and worker use it.
 *
 * Each side makes its memfd in its own process, seals it, and maps the other's
 * read-only; 16-byte slots of sequence number, head and data (wire/msg.h), the
 * default ring sizes of a session. The receiver copies a slot, passes it, and
 * gives credit back when it finds nothing more or RELEASE_EVERY have gathered,
 * as a turn of the poll loop does. Three ways to wait:
 *
 *	ring		both sides poll, no bell
 *	ring_bell	both sides poll, every message looks at the bell (B1)
 *	ring_sleep	a side that finds nothing arms its bell and sleeps at once
 */
#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/err.h"
#include "base/fdpass.h"
#include "base/shm.h"
#include "bench/rivals/rival.h"
#include "doorbell/bell.h"
#include "ring/ring.h"
#include "wire/session.h"

#define RELEASE_EVERY 64u
#define JOIN_NS       (5ull * MP_NS_PER_SEC)

struct ring_pair {
	struct mp_ring_prod prod;
	struct mp_ring_cons cons;
	struct mp_bell_ringer ringer;
	struct mp_bell_sleeper sleeper;
	struct rival_spin spin;
	enum rival_side side;
	int bell_fd[2]; /* by sleeping side */
	int sock[2]; /* the server's memfd comes to the client */
	struct mp_shm own, peer;
};

static uint32_t n_slots(enum rival_side producer)
{
	return producer == RIVAL_CLIENT ? MP_SESSION_DEFAULT_REQ_SLOTS
					: MP_SESSION_DEFAULT_REP_SLOTS;
}

static size_t memfd_len(enum rival_side owner)
{
	return mp_ring_memfd_len(n_slots(owner), MP_WIRE_SLOT_BYTES);
}

static int make_own(struct ring_pair *t, enum rival_side side)
{
	int r;

	r = mp_shm_create("ringlat", memfd_len(side), &t->own);
	if (r < 0)
		return mp_err_trace(r);
	return mp_err_trace(mp_ring_page_format(t->own.addr, n_slots(side), MP_WIRE_SLOT_BYTES));
}

static void destroy(void *opaque)
{
	struct ring_pair *t = opaque;

	mp_shm_fini(&t->own);
	mp_shm_fini(&t->peer);
	mp_fd_close(&t->bell_fd[0]);
	mp_fd_close(&t->bell_fd[1]);
	mp_fd_close(&t->sock[0]);
	mp_fd_close(&t->sock[1]);
	free(t);
}

static int create(void **ret_t)
{
	struct ring_pair *t = aligned_alloc(128, (sizeof(*t) + 127) / 128 * 128);
	int r;

	if (!t)
		return mp_err_origin(-ENOMEM);
	*t = (struct ring_pair){.bell_fd = {mp_bell_fd_create(), mp_bell_fd_create()},
				.sock = {-1, -1},
				.own = MP_SHM_NULL,
				.peer = MP_SHM_NULL};
	r = make_own(t, RIVAL_CLIENT);
	if (r == 0 && socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, t->sock) < 0)
		r = mp_err_origin(-errno);
	if (r < 0 || t->bell_fd[0] < 0 || t->bell_fd[1] < 0) {
		destroy(t);
		return r < 0 ? r : mp_err_origin(-EMFILE);
	}
	*ret_t = t;
	return 0;
}

/* The server drops the writable mapping that the fork gave it, as if it never had one. */
static int join_server(struct ring_pair *t)
{
	const struct mp_fds out = {.fd = &t->own.fd, .n = 1};
	int fd = dup(t->own.fd);
	uint8_t hello = 1;
	int r;

	if (fd < 0)
		return mp_err_origin(-errno);
	mp_shm_fini(&t->own);
	r = mp_shm_attach_take(fd, memfd_len(RIVAL_CLIENT), &t->peer);
	if (r < 0)
		return mp_err_trace(r);
	r = make_own(t, RIVAL_SERVER);
	if (r < 0)
		return mp_err_trace(r);
	return mp_err_trace(
		mp_fdpass_send(t->sock[RIVAL_SERVER], &hello, 1, &out, mp_clock_ns() + JOIN_NS));
}

static int join_client(struct ring_pair *t)
{
	uint8_t hello;
	int fd, r;
	struct mp_fds in = {.fd = &fd, .max = 1};

	r = mp_fdpass_recv(t->sock[RIVAL_CLIENT], &hello, 1, &in, mp_clock_ns() + JOIN_NS);
	if (r < 0)
		return mp_err_trace(r);
	if (in.n != 1)
		return mp_err_origin(-EPROTO);
	return mp_err_trace(mp_shm_attach_take(fd, memfd_len(RIVAL_SERVER), &t->peer));
}

static int join(void *opaque, enum rival_side side, pid_t peer_pid)
{
	struct ring_pair *t = opaque;
	enum rival_side other = side == RIVAL_CLIENT ? RIVAL_SERVER : RIVAL_CLIENT;
	const struct mp_ring_page *peer;
	struct mp_ring_page *own;
	int r;

	t->side = side;
	t->spin.peer = peer_pid;
	r = side == RIVAL_CLIENT ? join_client(t) : join_server(t);
	if (r < 0)
		return mp_err_trace(r);
	own = t->own.addr;
	peer = t->peer.addr;
	r = mp_ring_page_check(peer, n_slots(other), MP_WIRE_SLOT_BYTES);
	if (r < 0)
		return mp_err_trace(r);
	mp_ring_prod_init(&t->prod, own, peer, n_slots(side), MP_WIRE_SLOT_BYTES);
	mp_ring_cons_init(&t->cons, own, peer, n_slots(other), MP_WIRE_SLOT_BYTES);
	mp_bell_ringer_init(&t->ringer, &peer->armed, t->bell_fd[other]);
	mp_bell_sleeper_init(&t->sleeper, &own->armed);
	return 0;
}

RIVAL_INLINE void send_ring(void *opaque, struct rival_msg m)
{
	struct ring_pair *t = opaque;
	struct mp_wire_slot *slot;
	void *raw_slot;
	int r;

	for (;;) {
		r = mp_ring_reserve(&t->prod, &raw_slot);
		if (mp_likely(r == 1))
			break;
		mp_assert(r == 0);
		rival_spin(&t->spin);
	}
	slot = raw_slot;
	slot->head = m.op;
	slot->data = m.value;
	mp_ring_commit(&t->prod);
}

RIVAL_INLINE void send_bell(void *opaque, struct rival_msg m)
{
	struct ring_pair *t = opaque;

	send_ring(t, m);
	mp_bell_kick(&t->ringer);
}

/* Copy, pass, and give credit back now and then. */
RIVAL_INLINE bool take(struct ring_pair *t, struct rival_msg *ret_m)
{
	const struct mp_wire_slot *slot;
	const void *raw_slot;

	if (mp_ring_peek(&t->cons, &raw_slot) == 0)
		return false;
	slot = raw_slot;
	*ret_m = (struct rival_msg){slot->head, slot->data};
	mp_ring_next(&t->cons);
	if (t->cons.next - t->cons.published >= RELEASE_EVERY)
		mp_ring_release(&t->cons);
	return true;
}

RIVAL_INLINE struct rival_msg recv_poll(void *opaque)
{
	struct ring_pair *t = opaque;
	struct rival_msg m;

	while (!take(t, &m)) {
		mp_ring_release(&t->cons);
		rival_spin(&t->spin);
	}
	return m;
}

static struct rival_msg recv_sleep(void *opaque)
{
	struct ring_pair *t = opaque;
	struct pollfd pfd = {.fd = t->bell_fd[t->side], .events = POLLIN};
	struct rival_msg m;

	while (!take(t, &m)) {
		const void *slot;

		mp_ring_release(&t->cons);
		mp_bell_arm(&t->sleeper);
		if (mp_ring_peek(&t->cons, &slot) == 0 && poll(&pfd, 1, -1) == 1)
			mp_bell_drain(pfd.fd);
		mp_bell_disarm(&t->sleeper);
	}
	return m;
}

static const struct rival_io io_ring = {send_ring, recv_poll};
static const struct rival_io io_bell = {send_bell, recv_poll};
static const struct rival_io io_sleep = {send_bell, recv_sleep};

RIVAL_LOOPS(ring)
RIVAL_LOOPS(bell)
RIVAL_LOOPS(sleep)

const struct rival rival_ring = RIVAL_CONTRACT(ring, "ring", create, join, destroy);
const struct rival rival_ring_bell = RIVAL_CONTRACT(bell, "ring_bell", create, join, destroy);
const struct rival rival_ring_sleep = RIVAL_CONTRACT(sleep, "ring_sleep", create, join, destroy);
