/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * rte_ring - DPDK's ring, single producer and single consumer, 16-byte
 * elements, one ring each way, in memory that both processes share. It needs
 * no EAL on memory of our own.
 *
 * Sends are one by one, because a register write is. The receiver takes one
 * element at a time (rte_ring), or as many as there are, up to 32, as a DPDK
 * program would (rte_ring_burst).
 */
#include <errno.h>
#include <stdlib.h>
#include <sys/mman.h>

#include <rte_ring.h>
#include <rte_ring_elem.h>

#include "base/err.h"
#include "bench/rivals/rival.h"

#define SLOTS 1024u /* as mpring's request ring */
#define BURST 32u

/* rte_ring moves 16-byte elements as one vector. */
struct elem {
	uint64_t op, value;
} __attribute__((aligned(16)));

struct rte_pair {
	void *mem;
	size_t ring_len; /* bytes of one ring, whole pages */
	struct rte_ring *tx, *rx;
	struct rival_spin spin;
	unsigned int n_taken, next; /* of burst */
	struct elem burst[BURST];
};

static struct rte_ring *ring_at(const struct rte_pair *t, unsigned int i)
{
	return (struct rte_ring *)(void *)((uint8_t *)t->mem + i * t->ring_len);
}

static int create(void **ret_t)
{
	struct rte_pair *t = aligned_alloc(64, (sizeof(*t) + 63) / 64 * 64);
	unsigned int i;

	if (!t)
		return mp_err_origin(-ENOMEM);
	*t = (struct rte_pair){0};
	t->ring_len = ((size_t)rte_ring_get_memsize_elem(sizeof(struct elem), SLOTS) + 4095) /
		      4096 * 4096;
	t->mem = mmap(NULL, 2 * t->ring_len, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1,
		      0);
	if (t->mem == MAP_FAILED) {
		free(t);
		return mp_err_origin(-errno);
	}
	for (i = 0; i < 2; i++)
		mp_assert(rte_ring_init(ring_at(t, i), i ? "reply" : "request", SLOTS,
					RING_F_SP_ENQ | RING_F_SC_DEQ) == 0);
	*ret_t = t;
	return 0;
}

static int join(void *opaque, enum rival_side side, pid_t peer)
{
	struct rte_pair *t = opaque;

	t->spin.peer = peer;
	t->tx = ring_at(t, side == RIVAL_CLIENT ? 0 : 1);
	t->rx = ring_at(t, side == RIVAL_CLIENT ? 1 : 0);
	return 0;
}

RIVAL_INLINE void send_one(void *opaque, struct rival_msg m)
{
	struct rte_pair *t = opaque;
	struct elem e = {m.op, m.value};

	while (rte_ring_sp_enqueue_elem(t->tx, &e, sizeof(e)) != 0)
		rival_spin(&t->spin);
}

RIVAL_INLINE struct rival_msg recv_one(void *opaque)
{
	struct rte_pair *t = opaque;
	struct elem e;

	while (rte_ring_sc_dequeue_elem(t->rx, &e, sizeof(e)) != 0)
		rival_spin(&t->spin);
	return (struct rival_msg){(uint32_t)e.op, e.value};
}

RIVAL_INLINE struct rival_msg recv_burst(void *opaque)
{
	struct rte_pair *t = opaque;
	const struct elem *e;

	while (t->next == t->n_taken) {
		t->next = 0;
		t->n_taken = rte_ring_sc_dequeue_burst_elem(t->rx, t->burst, sizeof(struct elem),
							    BURST, NULL);
		if (t->n_taken == 0)
			rival_spin(&t->spin);
	}
	e = &t->burst[t->next++];
	return (struct rival_msg){(uint32_t)e->op, e->value};
}

static const struct rival_io io_one = {send_one, recv_one};
static const struct rival_io io_burst = {send_one, recv_burst};

RIVAL_LOOPS(one)
RIVAL_LOOPS(burst)

static void destroy(void *opaque)
{
	struct rte_pair *t = opaque;

	munmap(t->mem, 2 * t->ring_len);
	free(t);
}

const struct rival rival_rte_ring = RIVAL_CONTRACT(one, "rte_ring", create, join, destroy);
const struct rival rival_rte_ring_burst = RIVAL_CONTRACT(burst, "rte_ring_burst", create, join,
							 destroy);
