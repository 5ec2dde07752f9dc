/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Random commands on the same few blocks at the same time, against a model
 * that is an array of bytes.
 *
 * Each command here is one write to the medium at most, and the fake disk
 * carries a request out when it ends, with the command's status in the same
 * step. So the order of the statuses is the order of the effects, and the
 * model is exact: a GOOD write is applied to it, a GOOD read or comparison must
 * agree with it, a MISCOMPARE must not. A command that reads before it writes
 * agrees with the model only if nobody came between.
 *
 * Now and then the whole medium is sanitized: its job answers at once and works
 * on behind that, so the model follows its one request to the medium instead.
 * Meanwhile, and after it has failed, commands are refused. And now and then the
 * bus is paused.
 *
 * What an aborted command leaves is looked up when its slot is free again: all
 * of it or nothing.
 */
#include <errno.h>

#include "base/bytes.h"
#include "tests/lib/fake_hba.h"
#include "tests/lib/t.h"

#define N_BLOCKS   24u
#define MAX_BLOCKS 8u
#define N_STEPS    20000u
#define N_TASKS    16u /* task 0 is for REQUEST SENSE */

enum kind {
	READ,
	WRITE,
	COMPARE,
	OR,
	ATOMIC,
	VERIFY_EACH,
	VERIFY_SAME,
	SAME,
	UNMAP,
	ERASE,
	N_KINDS
};

struct command {
	bool live, doomed; /* aborted, and not yet gone */
	enum kind kind;
	uint32_t lba, n;
	uint8_t data[2 * MAX_BLOCKS * 512];
};

static struct {
	struct fake_hba hba;
	struct command commands[N_TASKS];
	uint8_t model[N_BLOCKS * 512];
	uint64_t seed;
	unsigned int n_seen, n_good[N_KINDS], n_miscompares, n_errors, n_refused, n_whole,
		n_nothing;
} x;

static uint32_t below(uint32_t n)
{
	return (uint32_t)(t_rand(&x.seed) % n);
}

/* Few different blocks, so that comparisons often find what they expect. */
static void fill(uint8_t *p, uint32_t n)
{
	for (uint32_t i = 0; i < n; i++)
		memset(p + (size_t)i * 512, (int)below(3), 512);
}

static const uint8_t *expected(const struct command *c)
{
	return x.model + (size_t)c->lba * 512;
}

static bool is_alike(const struct command *c)
{
	for (uint32_t i = 0; i < c->n; i++)
		if (memcmp(expected(c) + (size_t)i * 512,
			   c->data + (c->kind == VERIFY_SAME ? 0 : (size_t)i * 512), 512) != 0)
			return false;
	return true;
}

/* What the command makes of the blocks @at. */
static void apply(const struct command *c, uint8_t *at)
{
	size_t len = (size_t)c->n * 512;

	switch (c->kind) {
	case WRITE:
	case ATOMIC:
		memcpy(at, c->data, len);
		break;
	case COMPARE:
		memcpy(at, c->data + len, len);
		break;
	case OR:
		for (size_t i = 0; i < len; i++)
			at[i] |= c->data[i];
		break;
	case SAME:
		for (uint32_t i = 0; i < c->n; i++)
			memcpy(at + (size_t)i * 512, c->data, 512);
		break;
	case UNMAP:
		memset(at, 0, len);
		break;
	default:
		break;
	}
}

static void good(const struct command *c)
{
	if (c->kind == READ || c->kind == COMPARE || c->kind == VERIFY_EACH ||
	    c->kind == VERIFY_SAME)
		T_OK(is_alike(c));
	apply(c, x.model + (size_t)c->lba * 512);
	x.n_good[c->kind]++;
}

/* Each task has an initiator of its own, or a failure would hide another's sense. */
static unsigned int sense_now(unsigned int task)
{
	mp_scsi_continue(x.hba.bus); /* a paused bus has no answer */
	x.hba.initiator = (uint8_t)task;
	return hba_sense(&x.hba);
}

static void bad(const struct command *c)
{
	unsigned int sense = sense_now((unsigned int)(c - x.commands));

	if (sense == 0x0e1d00) {
		T_OK(!is_alike(c));
		x.n_miscompares++;
	} else if (sense == 0x02041b || sense == 0x033103) { /* sanitizes, or failed to */
		x.n_refused++;
	} else {
		T_OK(sense == 0x031100 || sense == 0x030c00);
		x.n_errors++;
	}
}

static void harvest(void)
{
	for (; x.n_seen < x.hba.n_finished; x.n_seen++) {
		unsigned int i = x.hba.finished[x.n_seen % 1024];
		struct command *c = &x.commands[i];

		if (i == 0 || !c->live)
			continue;
		c->live = false;
		mp_scsi_free(x.hba.bus, i);
		if (x.hba.slots[i].status == MP_SCSI_GOOD)
			good(c);
		else
			bad(c);
	}
}

static void bury(void)
{
	for (unsigned int i = 1; i < N_TASKS; i++) {
		struct command *c = &x.commands[i];
		const uint8_t *disk = x.hba.blk.data + (size_t)c->lba * 512;
		uint8_t whole[MAX_BLOCKS * 512];
		size_t len = (size_t)c->n * 512;

		if (!c->doomed || x.hba.tasks[i].state != MP_SCSI_FREE)
			continue;
		c->doomed = false;
		memcpy(whole, expected(c), len);
		apply(c, whole);
		if (memcmp(disk, expected(c), len) == 0) {
			x.n_nothing++;
			continue;
		}
		T_MEM_EQ(disk, whole, len);
		memcpy(x.model + (size_t)c->lba * 512, whole, len);
		x.n_whole++;
	}
}

static size_t make_cdb(struct command *c, uint8_t cdb[16])
{
	static const uint8_t opcodes[N_KINDS] = {
		[READ] = 0x88,   [WRITE] = 0x8a,       [COMPARE] = 0x89,     [OR] = 0x8b,
		[ATOMIC] = 0x9c, [VERIFY_EACH] = 0x8f, [VERIFY_SAME] = 0x8f, [SAME] = 0x93,
		[UNMAP] = 0x42,  [ERASE] = 0x48,
	};
	size_t len = (size_t)c->n * 512;

	fill(c->data, 2 * MAX_BLOCKS);
	cdb[0] = opcodes[c->kind];
	cdb[1] = c->kind == VERIFY_EACH ? 0x02 : c->kind == VERIFY_SAME ? 0x06 : 0;
	mp_put_be64(cdb + 2, c->lba);
	mp_put_be32(cdb + 10, c->n);
	/* Often what is there, or the comparison would mostly fail. */
	if ((c->kind == COMPARE || c->kind == VERIFY_EACH) && below(4))
		memcpy(c->data, expected(c), len);
	if (c->kind == UNMAP) {
		memset(cdb + 1, 0, 15);
		cdb[8] = 24;
		mp_put_be16(c->data, 22);
		mp_put_be16(c->data + 2, 16);
		mp_put_be64(c->data + 8, c->lba);
		mp_put_be32(c->data + 16, c->n);
		return 24;
	}
	if (c->kind == ERASE) {
		memset(cdb + 1, 0, 15);
		cdb[1] = 0x82; /* IMMED, BLOCK ERASE */
		return 0;
	}
	if (c->kind == SAME || c->kind == VERIFY_SAME)
		return 512;
	return c->kind == COMPARE ? 2 * len : len;
}

static void start_one(void)
{
	unsigned int i = 1 + below(N_TASKS - 1);
	struct command *c = &x.commands[i];
	uint8_t cdb[16] = {0};
	size_t len;

	if (x.hba.tasks[i].state != MP_SCSI_FREE)
		return;
	c->live = true;
	c->kind = below(50) ? (enum kind)below(ERASE) : ERASE;
	c->n = 1 + below(MAX_BLOCKS);
	c->lba = below(N_BLOCKS - c->n + 1);
	len = make_cdb(c, cdb);
	x.hba.initiator = (uint8_t)i;
	hba_give(&x.hba, i, c->data, len);
	hba_start_tagged(&x.hba, i, MP_SCSI_SIMPLE + below(8) / 6, cdb, c->kind >= UNMAP ? 10 : 16);
}

/* Data for the initiator at once: it is a picture of this moment. */
static void move(enum mp_scsi_dir dir)
{
	unsigned int first = below(N_TASKS);

	for (unsigned int n = 0; n < N_TASKS; n++) {
		unsigned int i = (first + n) % N_TASKS;

		if (x.hba.tasks[i].state != MP_SCSI_XFER || x.hba.tasks[i].dir != dir ||
		    !x.hba.slots[i].xfer_waits)
			continue;
		hba_move(&x.hba, i);
		if (dir == MP_SCSI_DATA_OUT)
			return;
	}
}

static void finish_one(void)
{
	unsigned int i = x.hba.blk.n_reqs ? below(x.hba.blk.n_reqs) : 0;
	const struct mp_blk_req *req = x.hba.blk.reqs[i];
	bool fails = below(50) == 0;

	if (x.hba.blk.n_reqs) {
		if (req->op == MP_BLK_WRITE_ZEROES && req->len == sizeof(x.model) && !fails)
			memset(x.model, 0, sizeof(x.model));
		fake_blk_finish(&x.hba.blk, i, fails ? -EIO : 0);
	}
	move(MP_SCSI_DATA_IN);
}

static void doom(unsigned int i)
{
	struct command *c = &x.commands[i];

	c->doomed = c->doomed || c->live;
	c->live = false;
}

static void abort_one(void)
{
	unsigned int i = 1 + below(N_TASKS - 1);

	mp_scsi_abort_task(x.hba.bus, i);
	doom(i);
}

static void reset(void)
{
	mp_scsi_reset(x.hba.bus, MP_SCSI_RESET_LUN, 0, 0);
	for (unsigned int i = 1; i < N_TASKS; i++)
		doom(i);
	for (unsigned int i = 1; i < N_TASKS; i++)
		T_EQ(sense_now(i) >> 8, 0x0629);
}

static bool somebody_can_go_on(void)
{
	bool any = false;

	for (unsigned int i = 1; i < N_TASKS; i++) {
		any = any || x.commands[i].live;
		if (x.hba.tasks[i].state == MP_SCSI_XFER)
			return true;
	}
	return !any || x.hba.blk.n_reqs > 0 || mp_scsi_is_paused(x.hba.bus);
}

static void settle(void)
{
	bury();
	harvest();
	T_OK(somebody_can_go_on());
}

static void step(void)
{
	unsigned int dice = below(1000);

	if (dice < 300)
		start_one();
	else if (dice < 700)
		finish_one();
	else if (dice < 960)
		move(MP_SCSI_DATA_OUT);
	else if (dice < 985)
		abort_one();
	else if (dice < 990)
		mp_scsi_pause(x.hba.bus);
	else if (dice < 998)
		mp_scsi_continue(x.hba.bus);
	else
		reset();
	settle();
}

static void drain(void)
{
	unsigned int busy = 1;

	mp_scsi_continue(x.hba.bus);
	while (busy) {
		finish_one();
		move(MP_SCSI_DATA_OUT);
		settle();
		busy = x.hba.blk.n_reqs;
		for (unsigned int i = 1; i < N_TASKS; i++)
			busy += x.hba.tasks[i].state != MP_SCSI_FREE;
	}
}

static void test_commands_that_meet_on_the_same_blocks_agree_with_the_model(void)
{
	hba_init(&x.hba, N_BLOCKS * 512, 1 << 20);
	x.hba.blk.can_discard = true;
	x.hba.hold_xfers = true;
	for (unsigned int i = 1; i < N_TASKS; i++)
		sense_now(i);
	for (unsigned int i = 0; i < N_STEPS; i++)
		step();
	drain();
	T_MEM_EQ(x.hba.blk.data, x.model, sizeof(x.model));
	/* Far below the least that 1500 seeds gave (20 of a kind, 6 whole, 41 of the rest). */
	for (unsigned int i = 0; i < N_KINDS; i++)
		T_OK(x.n_good[i] > 3);
	T_OK(x.n_miscompares > 3 && x.n_errors > 3 && x.n_whole > 0 && x.n_nothing > 3);
	T_OK(x.n_refused > 3);
	hba_fini(&x.hba);
}

int main(int argc, char **argv)
{
	static const struct t_test tests[] = {
		T_TEST(test_commands_that_meet_on_the_same_blocks_agree_with_the_model),
	};

	x.seed = t_seed(argc, argv);
	return t_run(tests, 1, argc, argv);
}
