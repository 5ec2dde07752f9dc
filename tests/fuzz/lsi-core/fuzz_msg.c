/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * fuzz_msg - an initiator that knows the phases and nothing else: any bytes in
 * MESSAGE OUT, split over moves as it likes, tags used twice, task management
 * at any point, commands cut short, ATN and ACK out of turn; beside targets
 * that answer when they like, so that tasks disconnect, queue for reselection
 * and are aborted in every state.
 *
 * The input is a list of single instructions and events; each becomes a
 * program of one instruction and an INT. After each one a task exists for the
 * chip exactly if it does for the targets (chip_check): none is lost, none
 * ends twice, and tm() covered what it ended. In the end a patient driver
 * follows the targets through their phases, and every task that is left must
 * reach its COMMAND COMPLETE in bounded time.
 */
#include "tests/fuzz/lsi-core/input.h"
#include "tests/fuzz/lsi-core/steps.h"
#include "tests/lib/chip_check.h"

#include <string.h>

#define MAX_RECORDS  300u
#define PROG         0x1000u
#define ALTERNATE    0x1800u
#define BUFFER       0x2000u
#define BUFFER_BYTES 0x8000u
#define INT          0x98080000u
#define TURN_NS      1000000u /* more than any wait of the chip's own */
#define MAX_FOLLOWS  20000u
#define PHASE(n)     ((uint32_t)(n) << 24)
#define MOVE_DIRECT  0x08000000u

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct world {
	struct fake_bus *b;
	uint64_t now;
};

/* One instruction, then INT; the CPU reads away what it is told. */
static void execute(struct world *w, uint32_t insn, uint32_t operand)
{
	struct fake_bus *b = w->b;

	FAKE_PROG(b, PROG, insn, operand, INT, 1);
	FAKE_PROG(b, ALTERNATE, INT, 2);
	fake_wr32(b, MP_LSI_R_PMJAD1, ALTERNATE);
	fake_wr32(b, MP_LSI_R_PMJAD2, ALTERNATE);
	fake_wr32(b, MP_LSI_R_DSP, PROG);
	for (unsigned int i = 0; mp_lsi_run(&b->chip, 50); i++)
		mp_assert(i < 100);
	(void)mp_lsi_read(&b->chip, MP_LSI_R_SIST0, 2);
	(void)fake_rd8(b, MP_LSI_R_DSTAT);
	(void)mp_lsi_read(&b->chip, MP_LSI_R_SIST0, 2);
}

static void move(struct world *w, unsigned int phase, uint32_t len)
{
	execute(w, MOVE_DIRECT | PHASE(phase) | len, BUFFER);
}

static void take_bytes(struct world *w, struct input *in, unsigned int n)
{
	for (unsigned int i = 0; i < n; i++)
		w->b->mem[BUFFER + i] = take8(in);
}

/* ---- what the initiator does ----------------------------------------- */

static void do_select(struct world *w, struct input *in)
{
	unsigned int what = take8(in);

	execute(w, 0x40000000 | (what & 0x10 ? PHASE(1) : 0) | (what & 0xfu) << 16, ALTERNATE);
}

/* IDENTIFY and, by chance, a tag and one more message: most commands begin so. */
static void do_identify(struct world *w, struct input *in)
{
	static const uint8_t last[] = {0x06, 0x0c, 0x0d, 0x0e, 0x17, 0x08, 0x04, 0x05};
	uint8_t what = take8(in), tag = take8(in), *to = w->b->mem + BUFFER;
	unsigned int n = 0;

	to[n++] = (uint8_t)(0x80 | (what & 0x43));
	if (what & 0x0c) {
		to[n++] = (uint8_t)(0x1f + (what >> 2 & 3));
		to[n++] = tag & 7;
	}
	if (what & 0x10)
		to[n++] = last[tag >> 3 & 7];
	move(w, MP_LSI_MSG_OUT_PHASE, n);
}

static void do_messages(struct world *w, struct input *in)
{
	unsigned int n = 1 + take8(in) % 24;

	take_bytes(w, in, n);
	move(w, MP_LSI_MSG_OUT_PHASE, n);
}

static void do_command(struct world *w, struct input *in)
{
	static const uint8_t len[8] = {6, 10, 16, 12, 32, 5, 1, 40};
	unsigned int what = take8(in), n = len[what & 7];

	memset(w->b->mem + BUFFER, 0, 64);
	w->b->mem[BUFFER] = what & 0x80 ? take8(in) : 0;
	w->b->mem[BUFFER + 7] = (uint8_t)what;
	move(w, MP_LSI_COMMAND_PHASE, n);
}

static void do_data(struct world *w, struct input *in)
{
	unsigned int what = take8(in);
	uint32_t len = 1 + take8(in) * (what & 0x40 ? 97u : 1u);
	uint32_t insn = (what & 0x20 ? 0 : MOVE_DIRECT) | PHASE(what & 1) | len;

	execute(w, insn, BUFFER + (what >> 1 & 7));
}

static void do_signal(struct world *w, struct input *in)
{
	static const uint32_t insn[8] = {0x60000040, 0x60000048, 0x58000008, 0x60000008,
					 0x48000000, 0x50000000, 0x58000040, 0x7c027f00};

	execute(w, insn[take8(in) & 7], ALTERNATE);
}

/* Parameters that steer the bus: own id, width, parity, the jump on mismatch. */
static void do_register(struct world *w, struct input *in)
{
	static const uint8_t reg[8] = {MP_LSI_R_SCID,   MP_LSI_R_SCNTL3, MP_LSI_R_SCNTL2,
				       MP_LSI_R_SIEN0,  MP_LSI_R_DCNTL,  MP_LSI_R_CCNTL0,
				       MP_LSI_R_SCNTL0, MP_LSI_R_SCNTL1};
	unsigned int r = reg[take8(in) & 7];
	uint8_t v = take8(in);

	/* A SCSI RST that stays, or single steps, would end every other experiment. */
	if (r == MP_LSI_R_DCNTL)
		v &= DCNTL_COM | DCNTL_IRQD;
	if (r == MP_LSI_R_SCNTL1)
		v &= SCNTL1_AESP;
	fake_wr8(w->b, r, v);
}

/* ---- what the others do ---------------------------------------------- */

static void configure(struct world *w, struct input *in)
{
	unsigned int bits = take8(in);

	w->b->present = take8(in) | (bits & 0xfcu) << 8;
	w->b->prompt = bits & 1;
	w->b->dir = bits & 2 ? MP_LSI_DATA_IN : MP_LSI_DATA_OUT;
	w->b->chunk_len = 1 + (bits >> 2 & 0x1f) * 3;
	w->b->xfer_len = take8(in);
}

static void event(struct world *w, struct input *in)
{
	struct fake_bus *b = w->b;
	unsigned int what = take8(in);

	if (what < 0x60) {
		fake_wr8(b, MP_LSI_R_ISTAT0, what & 1 ? ISTAT0_SIGP : 0);
	} else if (what < 0xc0) {
		w->now += TURN_NS;
		mp_lsi_tick(&b->chip, w->now);
	} else if (what < 0xd0) {
		fake_wr8(b, MP_LSI_R_ISTAT0, ISTAT0_ABRT);
		(void)fake_rd8(b, MP_LSI_R_DSTAT);
	} else if (what < 0xe0) {
		fake_wr8(b, MP_LSI_R_SCNTL1, SCNTL1_RST);
		fake_wr8(b, MP_LSI_R_SCNTL1, 0);
	} else if (what < 0xf0) {
		fake_wr8(b, MP_LSI_R_ISTAT0, ISTAT0_SRST);
	} else if (what < 0xf8) {
		b->busy_tasks = what & 1 ? ~0ull : 0;
	} else {
		mp_lsi_bus_reset_seen(&b->chip);
	}
}

/* ---- a patient driver ------------------------------------------------ */

/* Connected and REQ: do what the target asks for. */
static void serve(struct world *w, unsigned int phase)
{
	static const uint8_t msg_nop = 0x08;

	memset(w->b->mem + BUFFER, 0, 16);
	if (phase == MP_LSI_MSG_OUT_PHASE)
		w->b->mem[BUFFER] = msg_nop;
	move(w, phase, phase > MP_LSI_DATA_IN_PHASE ? 1 : BUFFER_BYTES);
}

static void follow(struct world *w)
{
	struct fake_bus *b = w->b;
	uint8_t sbcl = fake_rd8(b, MP_LSI_R_SBCL);

	if (!(sbcl & SBCL_BSY))
		execute(w, 0x50000000, ALTERNATE);
	else if (sbcl & SBCL_ACK)
		execute(w, 0x60000048, 0);
	else if (sbcl & SBCL_REQ)
		serve(w, sbcl & 7);
	else
		execute(w, 0x830b0000, ALTERNATE); /* the target thinks: wait for any phase */
	for (unsigned int i = 0; i < MP_LSI_MAX_TASKS; i++)
		act(w->b, i, 0, 0);
	w->now += TURN_NS;
	mp_lsi_tick(&b->chip, w->now);
}

static bool any_live(const struct fake_bus *b)
{
	for (unsigned int i = 0; i < MP_LSI_MAX_TASKS; i++)
		if (b->task[i].live)
			return true;
	return false;
}

static void drain(struct world *w)
{
	struct fake_bus *b = w->b;

	b->prompt = false;
	fake_wr8(b, MP_LSI_R_SCID, SCID_RRE | 7);
	fake_wr8(b, MP_LSI_R_SCNTL0, 0xc0);
	fake_wr8(b, MP_LSI_R_SCNTL1, 0);
	fake_wr8(b, MP_LSI_R_SCNTL3, 0);
	fake_wr8(b, MP_LSI_R_SIEN0, 0);
	fake_wr8(b, MP_LSI_R_DCNTL, DCNTL_COM);
	fake_wr8(b, MP_LSI_R_CCNTL0, 0);
	fake_wr8(b, MP_LSI_R_ISTAT0, 0);
	for (unsigned int i = 0; any_live(b); i++) {
		mp_assert(i < MAX_FOLLOWS);
		follow(w);
	}
	chip_check(b);
}

static void record(struct world *w, struct input *in)
{
	unsigned int op = take8(in), task;

	switch (op % 12) {
	case 0:
		do_select(w, in);
		break;
	case 1:
		do_identify(w, in);
		break;
	case 2:
		do_messages(w, in);
		break;
	case 3:
		do_command(w, in);
		break;
	case 4:
		move(w, MP_LSI_MSG_IN_PHASE, 1 + take8(in) % 8);
		break;
	case 5:
		move(w, MP_LSI_STATUS_PHASE, 1 + (op >= 0x80));
		break;
	case 6:
		do_data(w, in);
		break;
	case 7:
		do_signal(w, in);
		break;
	case 8:
		do_register(w, in);
		break;
	case 9:
		task = take8(in);
		act(w->b, task, op >> 4, 1 + take8(in) * 3u);
		break;
	case 10:
		if (op & 0x80)
			configure(w, in);
		else
			follow(w);
		break;
	default:
		event(w, in);
		break;
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct world w = {.b = fake_bus_create()};
	struct input in = {data, size};

	w.b->present = 0xff7f;
	fake_wr8(w.b, MP_LSI_R_SCID, SCID_RRE | 7);
	fake_wr8(w.b, MP_LSI_R_DCNTL, DCNTL_COM);
	for (unsigned int i = 0; i < MAX_RECORDS && in.left; i++) {
		record(&w, &in);
		chip_check(w.b);
	}
	drain(&w);
	fake_bus_destroy(w.b);
	return 0;
}
