/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * pingpong - the floor: two cache lines, one written by each side.
 *
 * Nothing that two cores tell each other through memory can be faster: one
 * line there, one back. A line is one word, which counts; there is no payload,
 * no credit and no ring, so there are no posts either.
 */
#include <errno.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/mman.h>

#include "base/err.h"
#include "bench/rivals/rival.h"

/* Each stop is another word, so that the next serve doesn't take an old one for its own. */
#define STOP_FLAG (1ull << 63)

/* 128 bytes apart: adjacent lines are fetched in pairs. */
struct shared {
	_Atomic uint64_t ping; /* written by the client */
	uint8_t gap0[120];
	_Atomic uint64_t pong; /* written by the server */
	uint8_t gap1[120];
};

struct pingpong {
	struct shared *shared;
	struct rival_spin spin;
	uint64_t seen; /* server: the last word of the client's */
	uint64_t n_stops; /* client */
};

static int create(void **ret_t)
{
	struct pingpong *t = calloc(1, sizeof(*t));
	void *addr;

	if (!t)
		return mp_err_origin(-ENOMEM);
	addr = mmap(NULL, sizeof(*t->shared), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS,
		    -1, 0);
	if (addr == MAP_FAILED) {
		free(t);
		return mp_err_origin(-errno);
	}
	t->shared = addr;
	*ret_t = t;
	return 0;
}

static int join(void *opaque, enum rival_side side, pid_t peer)
{
	struct pingpong *t = opaque;

	t->spin.peer = peer;
	return 0;
}

static bool call(void *opaque, uint64_t first, uint32_t n)
{
	struct pingpong *t = opaque;
	uint64_t i;

	/* release, acquire: as a transport with a payload would need them. */
	for (i = first; i < first + n; i++) {
		atomic_store_explicit(&t->shared->ping, i + 1, memory_order_release);
		while (atomic_load_explicit(&t->shared->pong, memory_order_acquire) != i + 1)
			rival_spin(&t->spin);
	}
	return true;
}

static void stop(void *opaque)
{
	struct pingpong *t = opaque;

	atomic_store_explicit(&t->shared->ping, STOP_FLAG | ++t->n_stops, memory_order_release);
}

static void serve(void *opaque)
{
	struct pingpong *t = opaque;

	for (;;) {
		uint64_t ping = atomic_load_explicit(&t->shared->ping, memory_order_acquire);

		if (ping == t->seen) {
			rival_spin(&t->spin);
			continue;
		}
		t->seen = ping;
		if (ping & STOP_FLAG)
			return;
		atomic_store_explicit(&t->shared->pong, ping, memory_order_release);
	}
}

static void destroy(void *opaque)
{
	struct pingpong *t = opaque;

	munmap(t->shared, sizeof(*t->shared));
	free(t);
}

const struct rival rival_pingpong = {
	.name = "pingpong",
	.create = create,
	.join = join,
	.call = call,
	.stop = stop,
	.serve = serve,
	.destroy = destroy,
};
