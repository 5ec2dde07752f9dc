/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A scheduler of another kind than test-linux-path's, with the same steps as
 * the driver that has it: slots in SCRIPTS RAM that are a NOP or a JUMP to a
 * script per command in host memory, which erases its own slot by a memory
 * move and sets DSA byte by byte; one INT a command; mismatches by interrupt
 * and residuals from DBC and the FIFO counter.
 */
#include "tests/lib/fake_bus.h"
#include "tests/lib/t.h"

#define R(name) MP_LSI_R_##name
#define JUMP(a) 0x80080000u, (a)
#define INT(v)  0x98080000u, (v)
#define N_SLOTS 4u

/* Routines in SCRIPTS RAM. */
#define S_RESEL    (FAKE_RAM + 0x000)
#define S_SCHED    (FAKE_RAM + 0x020)
#define S_SLOTS    (FAKE_RAM + 0x028)
#define S_MSGOUT   (FAKE_RAM + 0x080)
#define S_PHASES   (FAKE_RAM + 0x0c0)
#define S_DATAIN   (FAKE_RAM + 0x100)
#define S_DATAOUT  (FAKE_RAM + 0x120)
#define S_STATUS   (FAKE_RAM + 0x140)
#define S_MSGIN    (FAKE_RAM + 0x180)
#define S_DISC     (FAKE_RAM + 0x1c0)
#define S_COMPLETE (FAKE_RAM + 0x200)

/* Host memory: for each command a script, a table, its bytes. */
#define M_NOP     0x0ff0u
#define M_SCRIPT  0x1000u
#define M_TABLE   0x2000u
#define M_BYTES   0x3000u
#define M_DATA    0x10000u
#define SEG_BYTES 64u
#define T_MSGOUT  8u
#define T_CMD     16u
#define T_STATUS  24u
#define T_MSGIN   32u
#define T_DATA    40u

/* Vectors. */
#define V_DONE  0xff00u
#define V_RESEL 0xff02u

static void put_scripts(struct fake_bus *b)
{
	FAKE_PROG(b, S_RESEL, 0x50000000, S_SCHED, INT(V_RESEL));
	FAKE_PROG(b, S_SCHED, 0x721a0000, 0);
	for (unsigned int i = 0; i < N_SLOTS; i++)
		FAKE_PROG(b, S_SLOTS + 8 * i, 0x80000000, 0);
	FAKE_PROG(b, S_SLOTS + 8 * N_SLOTS, JUMP(S_RESEL));
	FAKE_PROG(b, S_MSGOUT, 0x9e030000, 0xff01, 0x1e000000, T_MSGOUT, 0x9a030000, 0xff03,
		  0x1a000000, T_CMD, JUMP(S_PHASES));
	FAKE_PROG(b, S_PHASES, 0x810b0000, S_DATAIN, 0x800a0000, S_DATAOUT, 0x830a0000, S_STATUS,
		  0x870a0000, S_MSGIN, INT(0xff04));
	FAKE_PROG(b, S_DATAIN, 0x19000000, T_DATA, JUMP(S_PHASES));
	FAKE_PROG(b, S_DATAOUT, 0x18000000, T_DATA, JUMP(S_PHASES));
	FAKE_PROG(b, S_STATUS, 0x1b000000, T_STATUS, 0x870b0000, S_MSGIN, INT(0xff05));
	FAKE_PROG(b, S_MSGIN, 0x1f000000, T_MSGIN, 0x800c0000, S_COMPLETE, 0x800c0004, S_DISC,
		  0x60000040, 0, JUMP(S_PHASES));
	FAKE_PROG(b, S_DISC, 0x7c027f00, 0, 0x60000040, 0, 0x48000000, 0, JUMP(S_RESEL));
	FAKE_PROG(b, S_COMPLETE, 0x7c027f00, 0, 0x60000040, 0, 0x48000000, 0, INT(V_DONE));
}

static struct fake_bus *attach(void)
{
	struct fake_bus *b = fake_bus_create();

	fake_wr8(b, R(ISTAT0), ISTAT0_SRST);
	fake_wr8(b, R(ISTAT0), 0);
	fake_wr8(b, R(SCNTL0), 0xc8);
	fake_wr8(b, R(SIEN0), 0x8f);
	fake_wr8(b, R(SIEN1), 0xfc);
	fake_wr8(b, R(DIEN), 0xff);
	fake_wr8(b, R(STIME0), 0x0b);
	fake_wr8(b, R(SCID), SCID_RRE | 7);
	fake_wr8(b, R(RESPID0), 0x80);
	fake_wr8(b, R(DCNTL), 0x20 | DCNTL_COM);
	fake_wr8(b, R(CTEST5), 0x20);
	put_scripts(b);
	fake_put32(b, M_NOP, 0x80000000);
	fake_go(b, S_RESEL);
	return b;
}

static uint32_t table(unsigned int i)
{
	return M_TABLE + 0x100 * i;
}

/* Command @i: one segment of SEG_BYTES, tag 0x30 + i. */
static void prepare(struct fake_bus *b, unsigned int i)
{
	uint32_t bytes = M_BYTES + 0x40 * i, dsa = table(i), at = M_SCRIPT + 0x100 * i;

	at = FAKE_PROG(b, at, 0xc0000004, M_NOP, S_SLOTS + 8 * i);
	for (unsigned int k = 0; k < 4; k++)
		at = FAKE_PROG(b, at, 0x78100000 + (k << 16) + ((dsa >> 8 * k & 0xff) << 8), 0);
	FAKE_PROG(b, at, 0x43000000, S_RESEL + 8, JUMP(S_MSGOUT));
	FAKE_PROG(b, dsa, 0x03000000, 0, 3, bytes, 6, bytes + 8, 1, bytes + 16, 1, bytes + 20,
		  SEG_BYTES, M_DATA + SEG_BYTES * i);
	fake_put32(b, bytes, 0xc0 | 0x20 << 8 | (0x30 + i) << 16);
	b->mem[bytes + 8] = 0x08;
}

/* The operand first, then the opcode, then the doorbell. */
static void submit(struct fake_bus *b, unsigned int i)
{
	uint32_t slot = S_SLOTS - FAKE_RAM + 8 * i;

	prepare(b, i);
	mp_lsi_ram_write(&b->chip, slot + 4, 4, M_SCRIPT + 0x100 * i);
	mp_lsi_ram_write(&b->chip, slot, 4, 0x80080000);
	fake_wr8(b, R(ISTAT0), ISTAT0_SIGP);
	fake_run(b);
}

/* The interrupt handler, up to the vector; DSA in *ret_dsa. */
static uint32_t interrupt(struct fake_bus *b, uint32_t *ret_dsa)
{
	T_EQ(fake_rd8(b, R(ISTAT0)) & ISTAT0_DIP, ISTAT0_DIP);
	*ret_dsa = fake_rd32(b, R(DSA));
	T_EQ(fake_rd8(b, R(DSTAT)), DSTAT_DFE | DSTAT_SIR);
	T_EQ(mp_lsi_irq_level(&b->chip), 0);
	return fake_rd32(b, R(DSPS));
}

static void test_command_runs_from_its_slot_to_its_interrupt(void)
{
	struct fake_bus *b = attach();
	uint32_t dsa;

	b->prompt = true;
	b->dir = MP_LSI_DATA_IN;
	b->xfer_len = SEG_BYTES;
	submit(b, 2);
	T_EQ(interrupt(b, &dsa), V_DONE);
	T_EQ(dsa, table(2));
	T_EQ(b->mem[M_DATA + 2 * SEG_BYTES + 5], fake_pattern(0, 5));
	T_EQ(b->task[0].cmd.tag, 0x32);
	/* The script has erased its slot; the address is still there. */
	T_EQ(mp_lsi_ram_read(&b->chip, S_SLOTS - FAKE_RAM + 16, 4), 0x80000000);
	fake_bus_destroy(b);
}

static void test_slots_filled_together_run_one_after_the_other(void)
{
	struct fake_bus *b = attach();
	uint32_t dsa;

	b->prompt = true;
	for (unsigned int i = 0; i < N_SLOTS; i++) {
		prepare(b, i);
		mp_lsi_ram_write(&b->chip, S_SLOTS - FAKE_RAM + 8 * i + 4, 4, M_SCRIPT + 0x100 * i);
		mp_lsi_ram_write(&b->chip, S_SLOTS - FAKE_RAM + 8 * i, 4, 0x80080000);
	}
	fake_wr8(b, R(ISTAT0), ISTAT0_SIGP);
	fake_run(b);
	for (unsigned int i = 0; i < N_SLOTS; i++) {
		T_EQ(interrupt(b, &dsa), V_DONE);
		T_EQ(dsa, table(i));
		fake_go(b, S_SCHED);
	}
	T_EQ(b->n_done, N_SLOTS);
	T_EQ(fake_rd8(b, R(ISTAT1)), ISTAT1_SRUN);
	fake_bus_destroy(b);
}

static void test_second_command_waits_for_the_first_to_disconnect(void)
{
	struct fake_bus *b = attach();
	uint32_t dsa;

	submit(b, 0);
	submit(b, 1);
	T_EQ(b->n_commands, 2);
	T_EQ(b->chip.counters.n_disconnects, 1);
	fake_status(b, 1, 0);
	fake_run(b);
	T_EQ(interrupt(b, &dsa), V_DONE);
	T_EQ(dsa, table(1));
	fake_status(b, 0, 0);
	fake_go(b, S_SCHED);
	/* Reselected: the driver finds the command by IDENTIFY and tag. */
	T_EQ(interrupt(b, &dsa), V_RESEL);
	T_EQ(fake_rd8(b, R(SSID)), 0x80);
	FAKE_PROG(b, 0x800, 0x0f000001, M_BYTES, 0x60000040, 0, 0x0f000002, M_BYTES + 4, 0x60000040,
		  0, JUMP(S_PHASES));
	fake_wr32(b, R(DSA), table(0));
	fake_go(b, 0x800);
	T_EQ(fake_get32(b, M_BYTES + 4) >> 8 & 0xff, 0x30);
	T_EQ(interrupt(b, &dsa), V_DONE);
	T_EQ(dsa, table(0));
	fake_bus_destroy(b);
}

static void test_residual_comes_from_the_counter_and_an_empty_fifo(void)
{
	struct fake_bus *b = attach();
	uint32_t dsa, in_fifo;

	b->prompt = true;
	b->dir = MP_LSI_DATA_OUT;
	b->xfer_len = 20;
	submit(b, 0);
	T_EQ(fake_rd8(b, R(ISTAT0)), ISTAT0_CON | ISTAT0_SIP);
	T_EQ(mp_lsi_read(&b->chip, R(SIST0), 2), SIST0_MA);
	T_EQ(fake_rd32(b, R(DBC)), 0x18000000 | (SEG_BYTES - 20));
	in_fifo = fake_rd8(b, R(DFIFO)) | (fake_rd8(b, R(CTEST5)) & 3u) << 8;
	T_EQ((in_fifo - fake_rd32(b, R(DBC))) & 0x3ff, 0);
	T_EQ(fake_rd8(b, R(SSTAT0)) & 0xe0, 0);
	fake_wr8(b, R(CTEST3), CTEST3_CLF);
	T_EQ(fake_rd8(b, R(CTEST3)) & CTEST3_CLF, 0);
	T_EQ(fake_rd8(b, R(SSTAT1)) & 7, MP_LSI_STATUS_PHASE);
	fake_go(b, S_PHASES);
	T_EQ(interrupt(b, &dsa), V_DONE);
	fake_bus_destroy(b);
}

static void test_absent_target_interrupts_in_front_of_the_message(void)
{
	struct fake_bus *b = attach();

	b->present = 0;
	submit(b, 1);
	T_EQ(fake_rd8(b, R(ISTAT0)), ISTAT0_SIP);
	T_EQ(mp_lsi_read(&b->chip, R(SIST0), 2), SIST1_STO << 8);
	T_EQ(fake_rd32(b, R(DSA)), table(1));
	T_EQ(fake_rd32(b, R(DSP)), S_MSGOUT + 8);
	fake_go(b, S_SCHED);
	T_EQ(fake_rd8(b, R(ISTAT1)), ISTAT1_SRUN);
	fake_bus_destroy(b);
}

T_MAIN(T_TEST(test_command_runs_from_its_slot_to_its_interrupt),
       T_TEST(test_slots_filled_together_run_one_after_the_other),
       T_TEST(test_second_command_waits_for_the_first_to_disconnect),
       T_TEST(test_residual_comes_from_the_counter_and_an_empty_fifo),
       T_TEST(test_absent_target_interrupts_in_front_of_the_message))
