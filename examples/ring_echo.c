/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * ring_echo - the smallest complete pair: two processes, a ring each way, a
 * bell each way. The parent sends 1000 numbers, the child sends each back.
 *
 *	1. each side makes its memfd: header, credit, armed word, slots
 *	2. the fds cross on a socket; each maps the other's read-only
 *	3. send:  reserve, fill, commit, kick
 *	4. receive: peek, copy, next, release; nothing there: arm, look once
 *	   more, sleep on the eventfd, drain, disarm
 *
 * Between programs that don't know each other wire/session.h does 1 and 2,
 * with versions and time limits; here both ends are one program.
 */
#include <errno.h>
#include <inttypes.h>
#include <poll.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/err.h"
#include "base/fdpass.h"
#include "base/shm.h"
#include "doorbell/bell.h"
#include "ring/ring.h"

#define N_MESSAGES 1000u
#define N_SLOTS    64u
#define WAIT_MS    5000

/* A slot: the ring owns the first word. */
struct slot {
	uint32_t seq;
	uint32_t unused;
	uint64_t number;
};

struct side {
	struct mp_shm own, peer;
	struct mp_ring_prod prod;
	struct mp_ring_cons cons;
	struct mp_bell_ringer ringer;
	struct mp_bell_sleeper sleeper;
	int own_bell, peer_bell;
};

#define SIDE_NULL                                                                                  \
	((struct side){.own = MP_SHM_NULL, .peer = MP_SHM_NULL, .own_bell = -1, .peer_bell = -1})

static void side_fini(struct side *s)
{
	mp_shm_fini(&s->own);
	mp_shm_fini(&s->peer);
	mp_fd_close(&s->own_bell);
	mp_fd_close(&s->peer_bell);
}

/* Make our half and give it to the peer: memory and the bell that wakes us. */
static int offer(struct side *s, int sock, uint64_t deadline_ns)
{
	size_t len = mp_ring_memfd_len(N_SLOTS, sizeof(struct slot));
	int fds[2], r;
	const struct mp_fds out = {.fd = fds, .n = 2};

	s->own_bell = mp_bell_fd_create();
	if (s->own_bell < 0)
		return mp_err_trace(s->own_bell);
	r = mp_shm_create("ring_echo", len, &s->own);
	if (r < 0)
		return mp_err_trace(r);
	r = mp_ring_page_format(s->own.addr, N_SLOTS, sizeof(struct slot));
	if (r < 0)
		return mp_err_trace(r);
	fds[0] = s->own.fd;
	fds[1] = s->own_bell;
	return mp_err_trace(mp_fdpass_send(sock, "h", 1, &out, deadline_ns));
}

/* Take the peer's half: seals and length are checked by attach, the header by us. */
static int accept_peer(struct side *s, int sock, uint64_t deadline_ns)
{
	size_t len = mp_ring_memfd_len(N_SLOTS, sizeof(struct slot));
	int fds[2] = {-1, -1};
	struct mp_fds in = {.fd = fds, .max = 2};
	char hello;
	int r;

	r = mp_fdpass_recv(sock, &hello, 1, &in, deadline_ns);
	if (r < 0)
		return mp_err_trace(r);
	s->peer_bell = fds[1];
	r = mp_shm_attach_take(fds[0], len, &s->peer);
	if (r < 0)
		return mp_err_trace(r);
	return mp_err_trace(mp_ring_page_check(s->peer.addr, N_SLOTS, sizeof(struct slot)));
}

static int side_init(struct side *s, int sock)
{
	uint64_t deadline_ns = mp_clock_ns() + 5 * MP_NS_PER_SEC;
	const struct mp_ring_page *peer;
	struct mp_ring_page *own;
	int r;

	r = offer(s, sock, deadline_ns);
	if (r == 0)
		r = accept_peer(s, sock, deadline_ns);
	if (r < 0)
		return mp_err_trace(r);
	own = s->own.addr;
	peer = s->peer.addr;
	mp_ring_prod_init(&s->prod, own, peer, N_SLOTS, sizeof(struct slot));
	mp_ring_cons_init(&s->cons, own, peer, N_SLOTS, sizeof(struct slot));
	mp_bell_ringer_init(&s->ringer, &peer->armed, s->peer_bell);
	mp_bell_sleeper_init(&s->sleeper, &own->armed);
	return 0;
}

/* Return: 1 sent; 0 full; negative errno. */
static int send_number(struct side *s, uint64_t number)
{
	void *slot;
	int r;

	r = mp_ring_reserve(&s->prod, &slot);
	if (r <= 0)
		return mp_err_trace(r);
	((struct slot *)slot)->number = number;
	mp_ring_commit(&s->prod);
	mp_bell_kick(&s->ringer);
	return 1;
}

/* Return: true and the number; false when there is none. */
static bool take_number(struct side *s, uint64_t *ret_number)
{
	const void *slot;

	if (!mp_ring_peek(&s->cons, &slot))
		return false;
	memcpy(ret_number, (const uint8_t *)slot + offsetof(struct slot, number),
	       sizeof(*ret_number)); /* once: the slot is the peer's memory */
	mp_ring_next(&s->cons);
	mp_ring_release(&s->cons);
	return true;
}

/* Sleeps until there is a number. Return: 0; -ETIMEDOUT. */
static int wait_number(struct side *s, uint64_t *ret_number)
{
	struct pollfd pfd = {.fd = s->own_bell, .events = POLLIN};
	int n;

	while (!take_number(s, ret_number)) {
		const void *slot;

		n = 1;
		mp_bell_arm(&s->sleeper);
		if (!mp_ring_peek(&s->cons, &slot)) /* the last look, after arming */
			n = poll(&pfd, 1, WAIT_MS);
		mp_bell_drain(s->own_bell);
		mp_bell_disarm(&s->sleeper);
		if (n == 0)
			return mp_err_origin(-ETIMEDOUT);
	}
	return 0;
}

static int echo(struct side *s)
{
	uint64_t number;
	uint32_t i;
	int r;

	for (i = 0; i < N_MESSAGES; i++) {
		r = wait_number(s, &number);
		if (r < 0)
			return mp_err_trace(r);
		do
			r = send_number(s, number);
		while (r == 0);
		if (r < 0)
			return mp_err_trace(r);
	}
	return 0;
}

/* Sends ahead as far as the ring takes it, then collects: both rings fill and drain. */
static int ask(struct side *s)
{
	uint64_t sent = 0, back = 0, number;
	int r;

	while (back < N_MESSAGES) {
		while (sent < N_MESSAGES && sent - back < N_SLOTS) {
			r = send_number(s, sent);
			if (r < 0)
				return mp_err_trace(r);
			if (r == 0)
				break;
			sent++;
		}
		r = wait_number(s, &number);
		if (r < 0)
			return mp_err_trace(r);
		if (number != back)
			return mp_err_origin(-EBADMSG);
		back++;
	}
	return 0;
}

static int run(int sock, int (*part)(struct side *))
{
	MP_CLEANUP(side_fini) struct side s = SIDE_NULL;
	int r;

	r = side_init(&s, sock);
	if (r == 0)
		r = part(&s);
	if (r == 0)
		printf("%s: %u messages, %" PRIu64 " wake-ups sent\n",
		       part == echo ? "child" : "parent", N_MESSAGES, s.ringer.n_rings);
	else
		fprintf(stderr, "ring_echo: %s\n", strerror(-r));
	fflush(stdout);
	return r;
}

int main(void)
{
	int sock[2], status;
	pid_t child;
	int r;

	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, sock) < 0)
		return 1;
	child = fork();
	if (child < 0)
		return 1;
	if (child == 0) {
		close(sock[0]);
		_exit(run(sock[1], echo) < 0);
	}
	close(sock[1]);
	r = run(sock[0], ask);
	close(sock[0]);
	if (waitpid(child, &status, 0) != child)
		return 1;
	return r < 0 || status != 0;
}
