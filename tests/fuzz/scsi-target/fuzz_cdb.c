/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Any commands of two initiators, any data, in any order with completions,
 * failures, aborts, resets and task management; to two disks, of which one stops the bus at an
 * error, and to a CD-ROM whose operator changes the disc; and units are pulled out
 * and plugged in again. The input is a list
 * of steps: one byte that says what, then what it needs. The media behind the
 * targets assert that no request leaves them; in the end every task that wasn't
 * aborted must have a status, and no page may be lent any more.
 */
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
#define CD_TARGET  2u
#define N_DISCS    2u
#define N_MEDIA    (1 + N_DISCS)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct input {
	const uint8_t *at, *end;
};

struct world {
	struct fake_hba h;
	struct mp_blk disc[N_DISCS];
	uint8_t memory[N_SLOTS][DATA_BYTES];
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

static void address(struct mp_scsi_task *t, unsigned int flags)
{
	static const uint8_t target[4] = {0, 0, CD_TARGET, 1}, lun[4] = {0, 0, 1, 65};

	t->target = target[flags >> 4 & 3];
	t->lun = lun[flags >> 6];
	t->fast = (flags & 0x04) != 0;
}

/* Most CDBs of chance end at a bit that means nothing: drop such bits, to get beyond. */
static void tidy(const struct world *w, const struct mp_scsi_task *t, uint8_t *cdb)
{
	const struct mp_scsi_lun *lun = NULL;
	const struct mp_scsi_op *op;
	struct mp_scsi_sense unused;

	if (t->lun < MP_SCSI_MAX_LUNS)
		lun = w->h.bus->by_id[t->target][t->lun];
	op = lun ? mp_cdb_decode(lun, cdb, MP_SCSI_CDB_MAX, &unused) : NULL;
	for (unsigned int i = 0; op && i < op->cdb_len; i++)
		cdb[i] &= op->usage[i];
}

/* slot, initiator and tidiness, flags, CDB; then 32 bytes that the initiator's memory is made of */
static void submit(struct world *w, struct input *in)
{
	unsigned int who = byte(in), slot = who % N_SLOTS, flags = byte(in);
	uint8_t cdb[MP_SCSI_CDB_MAX], pattern[32];
	size_t cdb_len = 1 + byte(in) % MP_SCSI_CDB_MAX;
	struct fake_hba *h = &w->h;

	bytes(in, cdb, cdb_len);
	bytes(in, pattern, sizeof(pattern));
	if (h->tasks[slot].state != MP_SCSI_FREE)
		return;
	for (size_t i = 0; i < DATA_BYTES; i += sizeof(pattern))
		memcpy(w->memory[slot] + i, pattern, sizeof(pattern));
	address(&h->tasks[slot], flags);
	if (who & 0x40)
		tidy(w, &h->tasks[slot], cdb);
	h->initiator = who & 0x80 ? 6 : 7;
	hba_give(h, slot, w->memory[slot], flags & 0x08 ? DATA_BYTES : pattern[31] * 16u);
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

static struct mp_blk *medium(struct world *w, unsigned int i)
{
	return i == 0 ? &w->h.blk : &w->disc[i - 1];
}

static void finish_one(struct world *w, unsigned int which, int result)
{
	for (unsigned int i = 0; i < N_MEDIA; i++) {
		struct mp_blk *b = medium(w, i);

		if (b->n_reqs == 0)
			continue;
		fake_blk_finish(b, which % b->n_reqs, result);
		return;
	}
}

static int plug_in(struct world *w, unsigned int target, unsigned int lun)
{
	struct mp_scsi_disk_cfg disk = {.target = target,
					.lun = lun,
					.blk = &w->h.blk,
					.logical_bytes = lun ? 4096 : 512,
					.removable = lun > 0,
					.rerror = MP_SCSI_ON_ERROR_STOP,
					.werror = MP_SCSI_ON_ERROR_ENOSPC};
	struct mp_scsi_cd_cfg cd = {
		.target = target, .blk = &w->disc[0], .rerror = MP_SCSI_ON_ERROR_STOP};

	return target == CD_TARGET ? mp_scsi_cd_add(w->h.bus, &cd)
				   : mp_scsi_disk_add(w->h.bus, &disk);
}

static void pull_or_plug_in(struct world *w, unsigned int target, unsigned int lun)
{
	if (plug_in(w, target, lun) < 0)
		mp_assert(mp_scsi_unit_remove(w->h.bus, target, lun) == 0);
}

static void operate(struct world *w, unsigned int what)
{
	struct mp_scsi_bus *bus = w->h.bus;

	switch (what % 8) {
	case 0:
		mp_scsi_reset(bus, what / 8, 0, 0);
		break;
	case 1:
		if (what / 8 == 0)
			mp_scsi_continue(bus);
		else
			pull_or_plug_in(w, what / 8 == 3 ? CD_TARGET : 0, what / 8 == 2);
		break;
	case 2:
		if (what / 8 == 0)
			mp_scsi_pause(bus);
		else
			mp_scsi_manage(bus, what / 8 - 1, w->h.initiator, 0, 0);
		break;
	case 3:
		mp_scsi_cd_change(bus, CD_TARGET, 0, &w->disc[what / 8 % N_DISCS]);
		break;
	case 4:
		mp_scsi_cd_change(bus, CD_TARGET, 0, NULL);
		break;
	case 5:
		mp_scsi_cd_eject_request(bus, CD_TARGET, 0);
		break;
	case 6:
		mp_scsi_cd_close_tray(bus, CD_TARGET, 0);
		break;
	default:
		mp_scsi_reset(bus, what / 8, CD_TARGET, 0);
	}
	free_finished(&w->h);
}

static void step(struct world *w, struct input *in)
{
	uint8_t what = byte(in);

	switch (what % 8) {
	case 0:
	case 1:
	case 2:
		submit(w, in);
		break;
	case 3:
		finish_one(w, what / 8, 0);
		break;
	case 4:
		finish_one(w, what / 8, -(int)byte(in) - 1);
		break;
	case 5:
		move_one(&w->h, what / 8 % N_SLOTS);
		break;
	case 6:
		mp_scsi_abort_task(w->h.bus, what / 8 % N_SLOTS);
		break;
	default:
		operate(w, what / 8);
	}
}

/* Each initiator has heard of its failure, so that the next can be told. */
static void hear(struct fake_hba *h)
{
	for (struct mp_scsi_lun *lun = h->bus->luns; lun; lun = lun->next)
		for (unsigned int i = 0; i < MP_INITIATORS; i++)
			mp_lun_drop_sense(lun, i);
	mp_bus_pump(h->bus);
}

static bool go_on(struct world *w)
{
	bool any = mp_scsi_is_paused(w->h.bus);

	any = any || w->h.bus->n_failed > 0;
	mp_scsi_continue(w->h.bus);
	free_finished(&w->h);
	hear(&w->h);
	for (unsigned int i = 0; i < N_MEDIA; i++) {
		any = any || medium(w, i)->n_reqs > 0;
		fake_blk_finish_all(medium(w, i));
	}
	for (unsigned int i = 0; i < N_SLOTS; i++) {
		any = any || w->h.tasks[i].state == MP_SCSI_XFER;
		move_one(&w->h, i);
	}
	return any;
}

static void build(struct world *w)
{
	hba_init(&w->h, DISK_BYTES, POOL_BYTES);
	fake_blk_init(&w->disc[0], DISK_BYTES + 1536);
	fake_blk_init(&w->disc[1], 20 * 2048);
	mp_assert(plug_in(w, 0, 1) == 0);
	mp_assert(plug_in(w, CD_TARGET, 0) == 0);
}

static void check_and_fini(struct world *w)
{
	for (unsigned int i = 0; i < N_SLOTS; i++)
		mp_assert(w->h.tasks[i].state == MP_SCSI_FREE);
	mp_assert(mp_buffers_n_used(&w->h.bus->buffers, POOL_BYTES) == 0);
	for (unsigned int i = 0; i < N_MEDIA; i++)
		mp_assert(!mp_scsi_uses(w->h.bus, medium(w, i)));
	hba_fini(&w->h);
	for (unsigned int i = 0; i < N_DISCS; i++)
		fake_blk_fini(&w->disc[i]);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct world w;
	struct input in = {data, data + size};

	build(&w);
	w.h.hold_xfers = byte(&in) & 1;
	w.h.blk.can_discard = byte(&in) & 1;
	while (in.at < in.end)
		step(&w, &in);
	while (go_on(&w))
		continue;
	free_finished(&w.h);
	check_and_fini(&w);
	return 0;
}
