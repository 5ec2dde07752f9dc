/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * bench_ring_insns - the hot paths, alone, for an instruction count.
 *
 * Times drift with the machine, counts do not: insn-gate.sh runs this under
 * callgrind, which counts inside one function, and compares with a stored
 * number. Each function does its operation N times on a warm ring, and the
 * program checks that it did.
 *
 *	bench_ring_insns --compiler	prints who compiled it: counts differ by compiler
 *	bench_ring_insns --operations	prints what can be counted
 *	bench_ring_insns		runs all
 */
#include "base/clock.h"
#include "base/err.h"
#include "base/shm.h"
#include "bench/counted.h"
#include "doorbell/bell.h"
#include "ring/ring.h"
#include "wire/msg.h"

#define N 1024u /* one lap: credit is never refreshed */

void insn_reserve_commit(struct mp_ring_prod *p);
void insn_peek_release(struct mp_ring_cons *c, uint64_t *sum);
void insn_kick_unarmed(struct mp_bell_ringer *b, unsigned int *n_rings);

COUNTED void insn_reserve_commit(struct mp_ring_prod *p)
{
	struct mp_wire_slot *slot;
	void *raw_slot;
	uint32_t i;

	for (i = 0; i < N; i++) {
		if (mp_ring_reserve(p, &raw_slot) != 1)
			return;
		slot = raw_slot;
		slot->head = i;
		slot->data = i;
		mp_ring_commit(p);
	}
}

COUNTED void insn_peek_release(struct mp_ring_cons *c, uint64_t *sum)
{
	const void *raw_slot;

	while (mp_ring_peek(c, &raw_slot) == 1) {
		*sum += ((const struct mp_wire_slot *)raw_slot)->data;
		mp_ring_next(c);
		mp_ring_release(c);
	}
}

COUNTED void insn_kick_unarmed(struct mp_bell_ringer *b, unsigned int *n_rings)
{
	uint32_t i;

	for (i = 0; i < N; i++)
		*n_rings += mp_bell_kick(b);
}

static void format(struct mp_shm *shm)
{
	mp_assert(mp_shm_create("insns", mp_ring_memfd_len(N, MP_WIRE_SLOT_BYTES), shm) == 0);
	mp_assert(mp_ring_page_format(shm->addr, N, MP_WIRE_SLOT_BYTES) == 0);
}

int main(int argc, char **argv)
{
	struct mp_shm a = MP_SHM_NULL, b = MP_SHM_NULL;
	struct mp_ring_page *page;
	struct mp_bell_ringer ringer;
	struct mp_ring_prod prod;
	struct mp_ring_cons cons;
	unsigned int n_rings = 0;
	uint64_t sum = 0;

	if (counted_asked(argc, argv, "reserve_commit peek_release kick_unarmed"))
		return 0;
	format(&a);
	format(&b);
	page = b.addr;
	mp_ring_prod_init(&prod, a.addr, b.addr, N, MP_WIRE_SLOT_BYTES);
	mp_ring_cons_init(&cons, b.addr, a.addr, N, MP_WIRE_SLOT_BYTES);
	mp_bell_ringer_init(&ringer, &page->armed, -1);

	insn_reserve_commit(&prod);
	insn_peek_release(&cons, &sum);
	insn_kick_unarmed(&ringer, &n_rings);
	mp_assert(prod.tail == N && cons.next == N && sum == (uint64_t)N * (N - 1) / 2);
	mp_assert(n_rings == 0);

	mp_shm_fini(&a);
	mp_shm_fini(&b);
	return 0;
}
