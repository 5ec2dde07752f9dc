/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * rival - the contract that every measured transport fills, ours included.
 *
 * A transport joins two processes, a client (the one that measures) and a
 * server (its fork). It has two jobs:
 *
 *	call	round trips: one message there, its answer back, n times
 *	post	n messages one way, then one answer that says that all came
 *
 * A transport's file defines how one message is sent and received, and gets
 * the loops of both jobs from here: they are inlined with its send and recv,
 * so that no indirect call is part of what is measured, and they are the same
 * for all. Every message carries a number that the receiver checks.
 */
#ifndef MP_BENCH_RIVALS_RIVAL_H
#define MP_BENCH_RIVALS_RIVAL_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

enum rival_side { RIVAL_CLIENT, RIVAL_SERVER };

enum rival_op { RIVAL_CALL = 1, RIVAL_POST, RIVAL_FLUSH, RIVAL_STOP };

/* What travels: as much as a ring slot's payload; padded to 16 bytes on the way. */
struct rival_msg {
	uint32_t op;
	uint64_t value;
};

struct rival {
	const char *name;
	/* In the client, before the fork. */
	int (*create)(void **ret_t);
	/* After the fork, in both; @peer is the other process. */
	int (*join)(void *t, enum rival_side side, pid_t peer);
	/* Client: @n calls or posts that carry first, first + 1, ...; false: a wrong answer. */
	bool (*call)(void *t, uint64_t first, uint32_t n);
	bool (*post)(void *t, uint64_t first, uint32_t n); /* NULL: can't */
	void (*stop)(void *t);
	/* Server: answer until it is told to stop. */
	void (*serve)(void *t);
	/* In both. */
	void (*destroy)(void *t);
};

extern const struct rival rival_eventfd, rival_pingpong, rival_pipe, rival_ring, rival_ring_bell,
	rival_ring_sleep, rival_rte_ring, rival_rte_ring_burst, rival_socketpair;

/* The answer to a call: not what was sent, so that an echo by accident shows. */
#define RIVAL_ANSWER(value) (~(value))

/* A spin that ends: it lets others run, and notices a peer that died. */
struct rival_spin {
	pid_t peer;
	uint32_t n_polls;
};

void rival_spin_slow(struct rival_spin *s);

/* No pause instruction: on current cores it costs more than a cache line's way. */
static inline void rival_spin(struct rival_spin *s)
{
	if ((++s->n_polls & 0xfff) == 0)
		rival_spin_slow(s);
}

struct rival_io {
	void (*send)(void *t, struct rival_msg m);
	struct rival_msg (*recv)(void *t);
};

#define RIVAL_INLINE static inline __attribute__((always_inline))

RIVAL_INLINE bool rival_do_call(const struct rival_io *io, void *t, uint64_t first, uint32_t n)
{
	bool ok = true;
	uint64_t i;

	for (i = first; i < first + n; i++) {
		io->send(t, (struct rival_msg){RIVAL_CALL, i});
		ok &= io->recv(t).value == RIVAL_ANSWER(i);
	}
	return ok;
}

RIVAL_INLINE bool rival_do_post(const struct rival_io *io, void *t, uint64_t first, uint32_t n)
{
	uint64_t i;

	for (i = first; i < first + n; i++)
		io->send(t, (struct rival_msg){RIVAL_POST, i});
	io->send(t, (struct rival_msg){RIVAL_FLUSH, first + n});
	return io->recv(t).value == RIVAL_ANSWER(first + n);
}

/* A post that isn't the next number spoils the answer to the flush. */
RIVAL_INLINE void rival_do_serve(const struct rival_io *io, void *t)
{
	uint64_t expected = 0;
	bool ok = true;

	for (;;) {
		struct rival_msg m = io->recv(t);

		switch (m.op) {
		case RIVAL_POST:
			ok &= m.value == expected;
			expected = m.value + 1;
			break;
		case RIVAL_CALL:
			io->send(t, (struct rival_msg){RIVAL_CALL, RIVAL_ANSWER(m.value)});
			break;
		case RIVAL_FLUSH:
			ok &= m.value == expected;
			m.value = ok ? RIVAL_ANSWER(m.value) : 0;
			io->send(t, (struct rival_msg){RIVAL_FLUSH, m.value});
			break;
		default:
			return;
		}
	}
}

/* The four functions of a contract, from a transport's send and recv: io_WAY. */
#define RIVAL_LOOPS(way)                                                                           \
	static bool call_##way(void *t, uint64_t first, uint32_t n)                                \
	{                                                                                          \
		return rival_do_call(&io_##way, t, first, n);                                      \
	}                                                                                          \
	static bool post_##way(void *t, uint64_t first, uint32_t n)                                \
	{                                                                                          \
		return rival_do_post(&io_##way, t, first, n);                                      \
	}                                                                                          \
	static void stop_##way(void *t)                                                            \
	{                                                                                          \
		io_##way.send(t, (struct rival_msg){RIVAL_STOP, 0});                               \
	}                                                                                          \
	static void serve_##way(void *t)                                                           \
	{                                                                                          \
		rival_do_serve(&io_##way, t);                                                      \
	}

/* The contract that these four make with a transport's other three. */
#define RIVAL_CONTRACT(way, title, create_fn, join_fn, destroy_fn)                                 \
	{                                                                                          \
		.name = title, .create = create_fn, .join = join_fn, .call = call_##way,           \
		.post = post_##way, .stop = stop_##way, .serve = serve_##way,                      \
		.destroy = destroy_fn                                                              \
	}

#endif
