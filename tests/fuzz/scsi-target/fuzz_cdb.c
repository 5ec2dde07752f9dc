/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Any commands, any data, in any order with completions, failures, aborts and
 * resets. The input is a list of steps: one byte that says what, then what it
 * needs. The disk behind the target asserts that no request leaves it; in the
 * end every task that wasn't aborted must have a status, and no page may be
 * lent any more.
 */
#include <errno.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "base/err.h"
#include "scsi-target/bus.h"
#include "tests/lib/fake_hba.h"

#define DISK_BYTES (256u << 10)
#define POOL_BYTES (128u << 10)
#define N_SLOTS    16u
#define DATA_BYTES 4096u

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct input {
	const uint8_t *at, *end;
};

static uint8_t byte(struct input *in)
{
	return in->at < in->end ? *in->at++ : 0;
}

static void bytes(struct input *in, uint8_t *out, size_t n)
{
	size_t left = (size_t)(in->end - in->at), take = n < left ? n : left;

	memset(out, 0, n);
	memcpy(out, in->at, take);
	in->at += take;
}

/* slot, flags, CDB; then 32 bytes that the initiator's memory is made of */
static void submit(struct fake_hba *h, uint8_t memory[N_SLOTS][DATA_BYTES], struct input *in)
{
	unsigned int slot = byte(in) % N_SLOTS, flags = byte(in);
	uint8_t cdb[MP_SCSI_CDB_MAX], pattern[32];
	size_t cdb_len = 1 + byte(in) % MP_SCSI_CDB_MAX;

	bytes(in, cdb, cdb_len);
	bytes(in, pattern, sizeof(pattern));
	if (h->tasks[slot].state != MP_SCSI_FREE)
		return;
	for (size_t i = 0; i < DATA_BYTES; i += sizeof(pattern))
		memcpy(memory[slot] + i, pattern, sizeof(pattern));
	h->tasks[slot].target = (flags & 0x30) == 0x30 ? 1 : 0;
	h->tasks[slot].lun = (flags & 0xc0) == 0xc0 ? 65 : 0;
	h->tasks[slot].fast = (flags & 0x04) != 0;
	hba_give(h, slot, memory[slot], flags & 0x08 ? DATA_BYTES : pattern[31] * 16u);
	hba_start_tagged(h, slot, flags & 0x03, cdb, cdb_len);
}

static void free_finished(struct fake_hba *h)
{
	for (unsigned int i = 0; i < N_SLOTS; i++)
		if (h->tasks[i].state == MP_SCSI_STATUS)
			mp_scsi_free(h->bus, i);
}

static void move_one(struct fake_hba *h, unsigned int slot)
{
	if (h->tasks[slot].state == MP_SCSI_XFER)
		hba_move(h, slot);
}

static void step(struct fake_hba *h, uint8_t memory[N_SLOTS][DATA_BYTES], struct input *in)
{
	uint8_t what = byte(in);

	switch (what % 8) {
	case 0:
	case 1:
	case 2:
		submit(h, memory, in);
		break;
	case 3:
		if (h->blk.n_reqs)
			fake_blk_finish(&h->blk, what / 8u % h->blk.n_reqs, 0);
		break;
	case 4:
		if (h->blk.n_reqs)
			fake_blk_finish(&h->blk, what / 8u % h->blk.n_reqs, -(int)byte(in) - 1);
		break;
	case 5:
		move_one(h, what / 8 % N_SLOTS);
		break;
	case 6:
		mp_scsi_abort_task(h->bus, what / 8 % N_SLOTS);
		break;
	default:
		if (what / 8 % 8 == 0)
			mp_scsi_reset(h->bus, what / 64u, 0, 0);
		free_finished(h);
	}
}

static bool go_on(struct fake_hba *h)
{
	bool any = h->blk.n_reqs > 0;

	fake_blk_finish_all(&h->blk);
	for (unsigned int i = 0; i < N_SLOTS; i++) {
		any = any || h->tasks[i].state == MP_SCSI_XFER;
		move_one(h, i);
	}
	return any;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static uint8_t memory[N_SLOTS][DATA_BYTES];
	static struct fake_hba h;
	struct input in = {data, data + size};

	hba_init(&h, DISK_BYTES, POOL_BYTES);
	h.hold_xfers = byte(&in) & 1;
	h.blk.can_discard = byte(&in) & 1;
	while (in.at < in.end)
		step(&h, memory, &in);
	while (go_on(&h))
		continue;
	free_finished(&h);
	for (unsigned int i = 0; i < N_SLOTS; i++)
		mp_assert(h.tasks[i].state == MP_SCSI_FREE);
	mp_assert(mp_buffers_n_used(&h.bus->buffers, POOL_BYTES) == 0);
	hba_fini(&h);
	return 0;
}
