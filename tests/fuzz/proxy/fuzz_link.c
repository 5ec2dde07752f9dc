/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A proxy whose worker lies. An input is a list of steps, one byte each and
 * what it needs after it; even steps are the guest's, odd ones the worker's.
 * Whenever the link blocks, the worker's next steps run: it may forge replies
 * and reports, move its head, its armed word, its level and its shadow as it
 * likes, or behave.
 *
 * Asserted: no callback while the link blocks (in rig.c), values no wider
 * than their access, a closed device stays closed and reads as all ones, every
 * call ends.
 */
#include <errno.h>

#include "base/bytes.h"
#include "base/err.h"
#include "tests/fuzz/proxy/input.h"
#include "tests/unit/proxy/rig.h"

#define MAX_STEPS       48u
#define REPLY_LIMIT_NS  200000ull
#define STEPS_PER_BLOCK 2u
#define RARE            0xf0u /* of the byte that picks a step: about pause and stop */

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void forge_reply(struct rig *r)
{
	uint32_t head = next32();
	uint64_t value = next32();
	void *slot;

	if (mp_ring_reserve(&r->p.s.prod, &slot) != 1)
		return;
	/* Half of them for the request that waits. */
	if (next8() & 1)
		head = (uint32_t)MP_REP_DONE << 28 | (r->l.s.prod.tail & 0x0fffffff);
	mp_put_le32((uint8_t *)slot + 4, head);
	mp_put_le64((uint8_t *)slot + 8, value << 32 | value);
	mp_ring_commit(&r->p.s.prod);
}

/* relaxed, all of them: nothing that a liar stores is ordered. */
static void worker_step(struct rig *r)
{
	struct mp_ring_page *ring_page = r->p.s.own.addr;
	struct mp_wire_worker_page *page = r->p.s.own_page;
	uint8_t what = next8();

	switch (what % 8) {
	case 0:
		atomic_store_explicit(&ring_page->head, r->l.s.prod.tail + next8() - 4,
				      memory_order_relaxed);
		break;
	case 1:
		atomic_store_explicit(&ring_page->armed, next32(), memory_order_relaxed);
		break;
	case 2:
		atomic_store_explicit(&page->irq_level, next32(), memory_order_relaxed);
		break;
	case 3:
		atomic_store_explicit(&page->shadow[next8() % 32], next32(), memory_order_relaxed);
		break;
	case 4:
	case 5:
		forge_reply(r);
		break;
	default:
		if (what >= RARE)
			fake_peer_stop(&r->p, what & 0x10);
		else
			fake_peer_turn(&r->p);
	}
}

static void blocked(struct rig *r)
{
	for (unsigned int i = 0; i < STEPS_PER_BLOCK; i++)
		worker_step(r);
}

static void check_read(struct rig *r)
{
	unsigned int size = 1u << next8() % 4;
	bool closed = r->l.closed;
	uint64_t v = mp_link_read(&r->l, next8() % 3, next8(), size);
	uint64_t ones = size == 8 ? UINT64_MAX : (1ull << 8 * size) - 1;

	mp_assert((v & ~ones) == 0);
	mp_assert(!closed || (v == ones && r->l.closed && r->l.dead));
}

static void runstate_step(struct rig *r, uint8_t what)
{
	bool dead = r->l.dead;
	int ret;

	if (what & 0x08) {
		mp_link_stop_ready(&r->l);
	} else if (what & 0x10) {
		mp_link_continue(&r->l);
	} else {
		ret = mp_link_pause(&r->l);
		mp_assert(!dead || ret == -EIO);
	}
}

static void guest_step(struct rig *r)
{
	uint8_t what = next8();

	switch (what % 8) {
	case 0:
	case 1:
		mp_link_post(&r->l, 1, next8(), 4, next32());
		break;
	case 2:
		mp_link_write(&r->l, 0, next8(), 1, next8());
		break;
	case 3:
		mp_link_cfg_write(&r->l, 4, 2, next8());
		break;
	case 4:
		mp_link_reset(&r->l);
		break;
	case 5:
		mp_link_irq_ready(&r->l);
		break;
	default:
		if (what >= RARE)
			runstate_step(r, what);
		else
			check_read(r);
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct rig_opts opts = RIG_DEFAULTS;
	struct rig *r;

	in.at = data;
	in.left = size;
	opts.reply_timeout_ns = REPLY_LIMIT_NS;
	opts.features |= MP_FEAT_PAUSE | MP_FEAT_IO_STOP;
	r = rig_open(&opts);
	if (!r)
		return 0;
	r->on_block = blocked;
	for (unsigned int i = 0; in.left > 0 && i < MAX_STEPS; i++) {
		if (next8() & 1)
			worker_step(r);
		else
			guest_step(r);
	}
	rig_close(r);
	return 0;
}
