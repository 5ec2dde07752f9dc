/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A scheduler as a tagged-queueing driver writes it, with the same steps in
 * the same order: start queue and done queue in guest memory, SIGP as the
 * doorbell, disconnection, reselection by tag, phase-mismatch jump, INTFLY.
 */
#include "tests/lib/fake_bus.h"
#include "tests/lib/t.h"

#include <stdlib.h>

/* Routines in SCRIPTS RAM. */
#define S_START    (FAKE_RAM + 0x000)
#define S_SELECT   (FAKE_RAM + 0x080)
#define S_DISPATCH (FAKE_RAM + 0x0c0)
#define S_DATAIN   (FAKE_RAM + 0x100)
#define S_DATAOUT  (FAKE_RAM + 0x120)
#define S_INLIST   (FAKE_RAM + 0x140)
#define S_OUTLIST  (FAKE_RAM + 0x180)
#define S_DATAEND  (FAKE_RAM + 0x1c0)
#define S_STATUS   (FAKE_RAM + 0x200)
#define S_MSGIN    (FAKE_RAM + 0x240)
#define S_COMPLETE (FAKE_RAM + 0x280)
#define S_DISC     (FAKE_RAM + 0x340)
#define S_SAVEDP   (FAKE_RAM + 0x380)
#define S_RESEL    (FAKE_RAM + 0x3c0)
#define S_PM       (FAKE_RAM + 0x600)
#define S_PMIN     (FAKE_RAM + 0x680)
#define S_IDLE     (FAKE_RAM + 0x4e0)
#define S_UNGET    (FAKE_RAM + 0x500)

/* Its variables, and three message bytes. */
#define V_STARTPOS (FAKE_RAM + 0x1000)
#define V_DONEPOS  (FAKE_RAM + 0x1004)
#define V_TARGTBL  (FAKE_RAM + 0x1008)
#define V_DONEDSA  (FAKE_RAM + 0x100c)
#define V_MSG      (FAKE_RAM + 0x1010)

/* Guest memory. */
#define M_TARGTBL 0x1000u /* 16 pointers */
#define M_TASKTBL 0x1100u /* 64 pointers, by tag index */
#define M_TARGET  0x1200u /* +4: the LUN, whose +0 is M_TASKTBL */
#define M_LUN     0x1300u
#define M_IDLE    0x1400u
#define M_SQUEUE  0x2000u /* 64 slots of 8 bytes */
#define M_DQUEUE  0x3000u
#define M_CCB     0x10000u /* 256 bytes each */
#define M_DATA    0x100000u /* 64 KiB each */
#define N_SLOTS   64u
#define N_SEGS    4u

/* A command's control block. */
#define C_START           0x00u
#define C_SELECT          0x08u
#define C_STATUS          0x0cu
#define C_LASTP           0x10u
#define C_SAVEP           0x14u
#define C_SMSG            0x18u
#define C_CMD             0x20u
#define C_PMSIZE          0x28u
#define C_PMADDR          0x2cu
#define C_PMRET           0x30u
#define C_PMPTR           0x34u
#define C_SEGS            0x40u
#define C_MSG             0x90u
#define C_CDB             0xa0u

#define LOAD_ABS(reg, a)  0xe1000004u | (reg) << 16, (a)
#define STORE_ABS(reg, a) 0xe0000004u | (reg) << 16, (a)
#define LOAD_REL(reg, o)  0xf1000004u | (reg) << 16, (o)
#define STORE_REL(reg, o) 0xf0000004u | (reg) << 16, (o)
#define JUMP(a)           0x80080000u, (a)
#define INT(v)            0x98080000u, (v)
#define NOP               0x80000000u, 0
#define R(name)           MP_LSI_R_##name

struct driver {
	struct fake_bus *b;
	unsigned int put, done; /* slots */
};

static void put_scheduler(struct fake_bus *b)
{
	FAKE_PROG(b, S_START, NOP, 0x721a0000, 0, 0x72140000, 0, LOAD_ABS(R(SCRATCHA), V_STARTPOS),
		  0x980cef10, 99, LOAD_ABS(R(DSA), V_STARTPOS), LOAD_REL(R(TEMP), 4),
		  STORE_ABS(R(TEMP), V_STARTPOS), LOAD_REL(R(DSA), 0), LOAD_REL(R(TEMP), C_START),
		  0x90080000, 0);
	FAKE_PROG(b, S_SELECT, 0x43000000u | C_SELECT, S_UNGET, LOAD_REL(R(SCRATCHB), C_STATUS),
		  0x9e030000, 1, NOP, 0x1e000000, C_SMSG, 0x82030000, S_DISPATCH, 0x1a000000, C_CMD,
		  JUMP(S_DISPATCH));
	FAKE_PROG(b, S_DISPATCH, 0x870b0000, S_MSGIN, 0x800a0000, S_DATAOUT, 0x810a0000, S_DATAIN,
		  0x830a0000, S_STATUS, INT(2));
	FAKE_PROG(b, S_IDLE, STORE_ABS(R(SCRATCHA), V_STARTPOS), JUMP(S_RESEL));
	FAKE_PROG(b, S_UNGET, STORE_ABS(R(SCRATCHA), V_STARTPOS), JUMP(S_RESEL + 8));
}

static void put_data_routines(struct fake_bus *b)
{
	FAKE_PROG(b, S_DATAIN, LOAD_REL(R(TEMP), C_LASTP), 0x90080000, 0);
	FAKE_PROG(b, S_DATAOUT, LOAD_REL(R(TEMP), C_LASTP), 0x90080000, 0);
	FAKE_PROG(b, S_INLIST, 0x11000000, C_SEGS, 0x11000000, C_SEGS + 8, 0x11000000, C_SEGS + 16,
		  0x11000000, C_SEGS + 24, 0x88080000, S_DATAEND, INT(7));
	FAKE_PROG(b, S_OUTLIST, 0x10000000, C_SEGS, 0x10000000, C_SEGS + 8, 0x10000000, C_SEGS + 16,
		  0x10000000, C_SEGS + 24, 0x88080000, S_DATAEND, INT(7));
	FAKE_PROG(b, S_DATAEND, STORE_REL(R(TEMP), C_LASTP), 0x72020000, 0, 0x800cfe01,
		  S_DATAEND + 40, 0x830b0000, S_STATUS, JUMP(S_DISPATCH), INT(8));
	/* The rest of a segment becomes a table entry of its own. */
	FAKE_PROG(b, S_PM, 0x7e540880, 0, 0x7f550080, 0, STORE_REL(R(IA), C_PMRET),
		  STORE_REL(R(RBC), C_PMSIZE), STORE_REL(R(UA), C_PMADDR),
		  LOAD_REL(R(TEMP), C_PMPTR), STORE_REL(R(TEMP), C_LASTP), JUMP(S_DISPATCH));
	FAKE_PROG(b, S_PMIN, 0x11000000, C_PMSIZE, LOAD_REL(R(TEMP), C_PMRET), 0x90080000, 0);
}

static void put_end_routines(struct fake_bus *b)
{
	FAKE_PROG(b, S_STATUS, 0x0b000001, V_MSG, 0x6a5e0000, 0, 0x785d0400, 0, 0x870b0000, S_MSGIN,
		  INT(4));
	FAKE_PROG(b, S_MSGIN, 0x0f000001, V_MSG, 0x800c0000, S_COMPLETE, 0x800c0004, S_DISC,
		  0x800c0002, S_SAVEDP, INT(5));
	FAKE_PROG(b, S_COMPLETE, 0x7c027f00, 0, 0x60000048, 0, 0x48000000, 0,
		  STORE_REL(R(SCRATCHB), C_STATUS), LOAD_REL(R(SCRATCHB), C_STATUS), 0x725e0000, 0,
		  0x98040000, 10, STORE_ABS(R(DSA), V_DONEDSA), LOAD_ABS(R(DSA), V_DONEPOS),
		  LOAD_ABS(R(SCRATCHA), V_DONEDSA), STORE_REL(R(SCRATCHA), 0),
		  LOAD_REL(R(SCRATCHA), 4), 0x98180000, 0, STORE_ABS(R(SCRATCHA), V_DONEPOS),
		  JUMP(S_START));
	FAKE_PROG(b, S_DISC, 0x7c027f00, 0, 0x60000048, 0, 0x48000000, 0, 0x785d0200, 0,
		  STORE_REL(R(SCRATCHB), C_STATUS), JUMP(S_START));
	FAKE_PROG(b, S_SAVEDP, LOAD_REL(R(TEMP), C_LASTP), STORE_REL(R(TEMP), C_SAVEP), 0x60000040,
		  0, JUMP(S_DISPATCH));
}

static void put_reselection(struct fake_bus *b)
{
	FAKE_PROG(b, S_RESEL, 0x50000000, S_START, NOP, 0x740a8f00, 0, 0x6a060000, 0,
		  LOAD_ABS(R(DSA), V_TARGTBL), 0x69080000, 0, 0x69080000, 0, 0x6c083c00, 0,
		  0x6a100000, 0, LOAD_REL(R(DSA), 0), 0x0f000001, V_MSG, 0x980c7f00, 11, 0x98044080,
		  6, LOAD_REL(R(DSA), 4), 0x60000040, 0, 0x0f000002, V_MSG, 0x72500000, 0,
		  0x69080000, 0, 0x6c08fc00, 0, LOAD_REL(R(DSA), 0), 0x6a100000, 0,
		  LOAD_REL(R(DSA), 0), 0x60000040, 0, LOAD_REL(R(SCRATCHB), C_STATUS),
		  JUMP(S_DISPATCH));
}

static void put_queues(struct fake_bus *b)
{
	fake_put32(b, M_IDLE + C_START, S_IDLE);
	for (unsigned int i = 0; i < N_SLOTS; i++) {
		fake_put32(b, M_SQUEUE + 8 * i, M_IDLE);
		fake_put32(b, M_SQUEUE + 8 * i + 4, M_SQUEUE + 8 * ((i + 1) % N_SLOTS));
		fake_put32(b, M_DQUEUE + 8 * i + 4, M_DQUEUE + 8 * ((i + 1) % N_SLOTS));
	}
	for (unsigned int i = 0; i < 16; i++)
		fake_put32(b, M_TARGTBL + 4 * i, M_TARGET);
	fake_put32(b, M_TARGET + 4, M_LUN);
	fake_put32(b, M_LUN, M_TASKTBL);
	fake_put32(b, V_STARTPOS, M_SQUEUE);
	fake_put32(b, V_DONEPOS, M_DQUEUE);
	fake_put32(b, V_TARGTBL, M_TARGTBL);
}

static void put_registers(struct fake_bus *b)
{
	fake_wr8(b, R(ISTAT0), ISTAT0_SRST);
	fake_wr8(b, R(ISTAT0), 0);
	fake_wr8(b, R(SCNTL0), 0xca);
	fake_wr8(b, R(SCID), 0x47);
	fake_wr8(b, R(ISTAT0), ISTAT0_SIGP);
	fake_wr8(b, R(DCNTL), DCNTL_COM);
	fake_wr8(b, R(STIME0), 0x0c);
	fake_wr8(b, R(CCNTL0), CCNTL0_ENPMJ);
	fake_wr32(b, R(PMJAD1), S_PM);
	fake_wr32(b, R(PMJAD2), S_PM);
	fake_wr8(b, R(SIEN0), 0x8f);
	fake_wr8(b, R(SIEN1), 0x05);
	fake_wr8(b, R(DIEN), 0x6d);
}

static struct driver attach(void)
{
	struct driver d = {.b = fake_bus_create()};

	put_scheduler(d.b);
	put_data_routines(d.b);
	put_end_routines(d.b);
	put_reselection(d.b);
	put_registers(d.b);
	put_queues(d.b);
	fake_go(d.b, S_START);
	return d;
}

static uint32_t ccb(unsigned int i)
{
	return M_CCB + 256 * i;
}

/* Command @i: tag 2i + 1, N_SEGS segments of @seg bytes at M_DATA + 64 KiB i. */
static void prepare(struct driver *d, unsigned int i, bool write, uint32_t seg)
{
	struct fake_bus *b = d->b;
	uint32_t c = ccb(i);

	FAKE_PROG(b, c + C_START, S_SELECT, 0, 0x13000000u | (i / 16) << 16, 0);
	fake_put32(b, c + C_LASTP, write ? S_OUTLIST : S_INLIST);
	FAKE_PROG(b, c + C_SMSG, 3, c + C_MSG, 10, c + C_CDB);
	fake_put32(b, c + C_PMPTR, S_PMIN);
	for (unsigned int k = 0; k < N_SEGS; k++)
		FAKE_PROG(b, c + C_SEGS + 8 * k, seg, M_DATA + 0x10000 * i + seg * k);
	fake_put32(b, c + C_MSG, 0xc0 | 0x20 << 8 | (2 * i + 1) << 16);
	b->mem[c + C_CDB] = write ? 0x2a : 0x28;
	b->mem[c + C_CDB + 9] = (uint8_t)i;
	fake_put32(b, M_TASKTBL + 4 * i, c);
}

static void enqueue(struct driver *d, unsigned int i)
{
	unsigned int next = (d->put + 1) % N_SLOTS;

	fake_put32(d->b, M_SQUEUE + 8 * next, M_IDLE);
	fake_put32(d->b, M_SQUEUE + 8 * d->put, ccb(i));
	d->put = next;
}

static void ring(struct driver *d)
{
	fake_wr8(d->b, R(ISTAT0), ISTAT0_SIGP);
}

static void submit(struct driver *d, unsigned int i)
{
	prepare(d, i, false, 512);
	enqueue(d, i);
	ring(d);
}

/* The interrupt handler: acknowledge INTF, then return finished commands' index, or -1. */
static int reap(struct driver *d)
{
	uint32_t slot = M_DQUEUE + 8 * d->done, c = fake_get32(d->b, slot);
	uint8_t istat = fake_rd8(d->b, R(ISTAT0));

	if (istat & ISTAT0_INTF)
		fake_wr8(d->b, R(ISTAT0), (istat & ISTAT0_SIGP) | ISTAT0_INTF);
	if (!c)
		return -1;
	fake_put32(d->b, slot, 0);
	d->done = (d->done + 1) % N_SLOTS;
	return (int)((c - M_CCB) / 256);
}

/* The chip's task of the command with tag index @i. */
static unsigned int task_of(const struct driver *d, unsigned int i)
{
	for (unsigned int t = 0; t < MP_LSI_MAX_TASKS; t++)
		if (d->b->task[t].live && d->b->task[t].cmd.tag == 2 * i + 1)
			return t;
	return MP_LSI_MAX_TASKS - 1;
}

static bool data_right(const struct driver *d, unsigned int i, unsigned int task, uint32_t len)
{
	for (uint32_t k = 0; k < len; k++)
		if (d->b->mem[M_DATA + 0x10000 * i + k] != fake_pattern(task, k))
			return false;
	return true;
}

static void test_idle_scheduler_parks_in_wait_reselect(void)
{
	struct driver d = attach();

	T_EQ(fake_rd32(d.b, R(DSP)), S_RESEL + 8);
	T_EQ(fake_rd8(d.b, R(ISTAT1)), ISTAT1_SRUN);
	T_EQ(fake_rd8(d.b, R(ISTAT0)), 0);
	T_EQ(mp_lsi_runnable(&d.b->chip), false);
	T_EQ(mp_lsi_deadline_ns(&d.b->chip), UINT64_MAX);
	fake_bus_destroy(d.b);
}

static void test_doorbell_runs_a_read_to_intfly(void)
{
	struct driver d = attach();

	d.b->prompt = true;
	d.b->dir = MP_LSI_DATA_IN;
	d.b->xfer_len = 2048;
	submit(&d, 0);
	T_EQ(mp_lsi_runnable(&d.b->chip), true);
	fake_run(d.b);
	T_EQ(mp_lsi_irq_level(&d.b->chip), 1);
	T_EQ(reap(&d), 0);
	T_EQ(mp_lsi_irq_level(&d.b->chip), 0);
	T_EQ(fake_get32(d.b, ccb(0) + C_STATUS) >> 16 & 0xff, 0);
	T_OK(data_right(&d, 0, d.b->last_task, 2048));
	T_EQ(d.b->n_done, 1);
	fake_bus_destroy(d.b);
}

static void test_command_carries_nexus_and_cdb(void)
{
	struct driver d = attach();
	const struct mp_lsi_command *cmd;

	submit(&d, 5);
	fake_run(d.b);
	cmd = &d.b->task[d.b->last_task].cmd;
	T_EQ(cmd->attr, MP_LSI_SIMPLE);
	T_EQ(cmd->tag, 11);
	T_EQ(cmd->initiator, 7);
	T_EQ(cmd->cdb_len, 10);
	T_EQ(cmd->cdb[9], 5);
	T_EQ(cmd->can_disconnect, true);
	fake_bus_destroy(d.b);
}

static void test_write_moves_all_segments_out(void)
{
	struct driver d = attach();

	memset(d.b->mem + M_DATA, 0x77, 2048);
	prepare(&d, 0, true, 512);
	enqueue(&d, 0);
	ring(&d);
	fake_run(d.b);
	fake_data(d.b, d.b->last_task, MP_LSI_DATA_OUT, 2048);
	fake_run(d.b);
	T_EQ(d.b->n_moved, 2048);
	T_EQ(d.b->pool[d.b->last_task * FAKE_CHUNK_BYTES + 2047], 0x77);
	fake_status(d.b, d.b->last_task, 0);
	fake_run(d.b);
	T_EQ(reap(&d), 0);
	fake_bus_destroy(d.b);
}

static void test_alone_on_the_bus_a_slow_command_never_disconnects(void)
{
	struct driver d = attach();

	submit(&d, 0);
	fake_run(d.b);
	fake_data(d.b, d.b->last_task, MP_LSI_DATA_IN, 1024);
	fake_run(d.b);
	fake_data(d.b, d.b->last_task, MP_LSI_DATA_IN, 1024);
	fake_run(d.b);
	fake_status(d.b, d.b->last_task, 0);
	fake_run(d.b);
	T_EQ(reap(&d), 0);
	T_EQ(d.b->chip.counters.n_disconnects, 0);
	fake_bus_destroy(d.b);
}

static void test_doorbell_makes_a_thinking_target_disconnect(void)
{
	struct driver d = attach();

	submit(&d, 0);
	fake_run(d.b);
	T_EQ(d.b->chip.counters.n_disconnects, 0);
	submit(&d, 1);
	fake_run(d.b);
	T_EQ(d.b->n_commands, 2);
	T_EQ(d.b->chip.counters.n_disconnects, 1);
	/* Nothing moved yet: no SAVE DATA POINTERS. */
	T_EQ(fake_get32(d.b, ccb(0) + C_SAVEP), 0);
	fake_bus_destroy(d.b);
}

static void test_second_command_behind_one_sigp_gets_the_bus(void)
{
	struct driver d = attach();

	/* Both doorbells ring before SCRIPTS look: SIGP is cleared once, for both. */
	submit(&d, 0);
	submit(&d, 1);
	fake_run(d.b);
	T_EQ(d.b->n_commands, 2);
	fake_bus_destroy(d.b);
}

static void test_command_without_a_doorbell_waits_a_bounded_time(void)
{
	struct driver d = attach();

	submit(&d, 0);
	prepare(&d, 1, false, 512);
	enqueue(&d, 1);
	fake_run(d.b);
	T_EQ(d.b->n_commands, 1);
	T_EQ(mp_lsi_deadline_ns(&d.b->chip), 0);
	mp_lsi_tick(&d.b->chip, 5000000);
	T_EQ(mp_lsi_deadline_ns(&d.b->chip), 5200000);
	mp_lsi_tick(&d.b->chip, 5200000);
	fake_run(d.b);
	T_EQ(d.b->n_commands, 2);
	fake_bus_destroy(d.b);
}

static void test_ready_tasks_reselect_in_order_of_readiness(void)
{
	struct driver d = attach();

	for (unsigned int i = 0; i < 3; i++)
		submit(&d, i);
	fake_run(d.b);
	fake_status(d.b, task_of(&d, 2), 0);
	fake_status(d.b, task_of(&d, 0), 0);
	fake_status(d.b, task_of(&d, 1), 0);
	fake_run(d.b);
	T_EQ(reap(&d), 2);
	T_EQ(reap(&d), 0);
	T_EQ(reap(&d), 1);
	fake_bus_destroy(d.b);
}

static void test_disconnect_after_data_saves_pointers(void)
{
	struct driver d = attach();

	submit(&d, 0);
	fake_run(d.b);
	fake_data(d.b, d.b->last_task, MP_LSI_DATA_IN, 512);
	fake_run(d.b);
	submit(&d, 1);
	fake_run(d.b);
	/* The pointers were saved when the list stood at its second entry. */
	T_OK(fake_get32(d.b, ccb(0) + C_SAVEP) != 0);
	T_EQ(d.b->n_commands, 2);
	fake_bus_destroy(d.b);
}

static void test_segment_cut_by_a_disconnect_is_resumed_by_the_mismatch_jump(void)
{
	struct driver d = attach();
	unsigned int task;

	submit(&d, 0);
	fake_run(d.b);
	task = d.b->last_task;
	fake_data(d.b, task, MP_LSI_DATA_IN, 700);
	fake_run(d.b);
	submit(&d, 1);
	fake_run(d.b);
	T_EQ(fake_get32(d.b, ccb(0) + C_PMSIZE), 0x00000000 | (1024 - 700));
	T_EQ(fake_get32(d.b, ccb(0) + C_PMADDR), M_DATA + 700);
	T_EQ(fake_get32(d.b, ccb(0) + C_PMRET), S_INLIST + 16);
	fake_data(d.b, task, MP_LSI_DATA_IN, 2048 - 700);
	fake_run(d.b);
	fake_status(d.b, task, 0);
	fake_run(d.b);
	T_EQ(reap(&d), 0);
	T_OK(data_right(&d, 0, task, 2048));
	fake_bus_destroy(d.b);
}

static void test_bad_status_stops_in_the_drivers_interrupt(void)
{
	struct driver d = attach();

	submit(&d, 0);
	fake_run(d.b);
	fake_status(d.b, d.b->last_task, 2);
	fake_run(d.b);
	T_EQ(fake_rd32(d.b, R(DSPS)), 10);
	T_EQ(fake_rd8(d.b, R(DSTAT)), DSTAT_DFE | DSTAT_SIR);
	T_EQ(fake_get32(d.b, ccb(0) + C_STATUS) >> 16 & 0xff, 2);
	fake_bus_destroy(d.b);
}

static void test_absent_target_stops_behind_the_first_wait(void)
{
	struct driver d = attach();

	d.b->present = 0;
	submit(&d, 0);
	fake_run(d.b);
	T_EQ(fake_rd8(d.b, R(ISTAT0)), ISTAT0_SIP);
	T_EQ(mp_lsi_read(&d.b->chip, R(SIST0), 2), SIST1_STO << 8);
	/* SELECT and LOAD ran; INT IF NOT WHEN MSG OUT was fetched, not executed. */
	T_EQ(fake_rd32(d.b, R(DSP)), S_SELECT + 24);
	T_EQ(fake_rd32(d.b, R(DSA)), ccb(0));
	T_EQ(fake_rd8(d.b, R(SDID)), 0);
	T_EQ(fake_rd8(d.b, R(DSTAT)), DSTAT_DFE);
	fake_bus_destroy(d.b);
}

static void test_constant_submission_does_not_starve_reselection(void)
{
	struct driver d = attach();

	submit(&d, 0);
	submit(&d, 1);
	fake_run(d.b);
	fake_status(d.b, task_of(&d, 0), 0);
	/* More commands than the engine can take in: it never sees its queue empty. */
	for (unsigned int i = 2; i < 40; i++)
		submit(&d, i);
	for (unsigned int i = 0; i < 20 && !d.b->n_done; i++) {
		ring(&d);
		mp_lsi_run(&d.b->chip, 30);
	}
	T_OK(d.b->n_commands < 20);
	T_EQ(d.b->n_done, 1);
	fake_bus_destroy(d.b);
}

static void test_sixteen_deep_random_completion_finishes_all(void)
{
	struct driver d = attach();
	unsigned int n_reaped = 0;
	uint64_t seed = 42;

	for (unsigned int i = 0; i < 16; i++)
		submit(&d, i);
	for (unsigned int n = 0; n < 1000 && n_reaped < 16; n++) {
		unsigned int i = (unsigned int)(t_rand(&seed) % 16);
		unsigned int t = task_of(&d, i);

		if (d.b->task[t].live && d.b->st->task[t].state == MP_LSI_TASK_RUNNING) {
			if (d.b->task[t].done < 2048)
				fake_data(d.b, t, MP_LSI_DATA_IN, 512);
			else
				fake_status(d.b, t, 0);
		}
		mp_lsi_run(&d.b->chip, 1 + (unsigned int)(t_rand(&seed) % 100));
		while (reap(&d) >= 0)
			n_reaped++;
	}
	T_EQ(n_reaped, 16);
	T_EQ(d.b->n_moved, 16 * 2048);
	fake_bus_destroy(d.b);
}

static void test_another_process_continues_a_state_in_flight(void)
{
	struct driver d = attach();
	const struct mp_lsi_ops *ops = d.b->chip.ops;

	submit(&d, 0);
	submit(&d, 1);
	fake_run(d.b);
	fake_status(d.b, task_of(&d, 0), 0);
	T_EQ(mp_lsi_attach(&d.b->chip, d.b->st, ops, d.b), 1);
	fake_run(d.b);
	T_EQ(reap(&d), 0);
	fake_bus_destroy(d.b);
}

static void test_depth_one_read_takes_no_more_instructions_than_the_driver_needs(void)
{
	struct driver d = attach();
	uint64_t before = d.b->chip.counters.n_insns;

	d.b->prompt = true;
	d.b->dir = MP_LSI_DATA_IN;
	d.b->xfer_len = 2048;
	submit(&d, 0);
	fake_run(d.b);
	/* This scheduler's own count, from wake-up to parked again: no re-execution is counted. */
	T_EQ(d.b->chip.counters.n_insns - before, 68);
	fake_bus_destroy(d.b);
}

T_MAIN(T_TEST(test_idle_scheduler_parks_in_wait_reselect),
       T_TEST(test_doorbell_runs_a_read_to_intfly), T_TEST(test_command_carries_nexus_and_cdb),
       T_TEST(test_write_moves_all_segments_out),
       T_TEST(test_alone_on_the_bus_a_slow_command_never_disconnects),
       T_TEST(test_doorbell_makes_a_thinking_target_disconnect),
       T_TEST(test_second_command_behind_one_sigp_gets_the_bus),
       T_TEST(test_command_without_a_doorbell_waits_a_bounded_time),
       T_TEST(test_ready_tasks_reselect_in_order_of_readiness),
       T_TEST(test_disconnect_after_data_saves_pointers),
       T_TEST(test_segment_cut_by_a_disconnect_is_resumed_by_the_mismatch_jump),
       T_TEST(test_bad_status_stops_in_the_drivers_interrupt),
       T_TEST(test_absent_target_stops_behind_the_first_wait),
       T_TEST(test_constant_submission_does_not_starve_reselection),
       T_TEST(test_sixteen_deep_random_completion_finishes_all),
       T_TEST(test_another_process_continues_a_state_in_flight),
       T_TEST(test_depth_one_read_takes_no_more_instructions_than_the_driver_needs))
