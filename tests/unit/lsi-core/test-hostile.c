/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Programs that broke other models of this chip, or would: SCRIPTS that write
 * their own chip's registers, never end, patch themselves, run from nowhere.
 * Each is defined, bounded and leaves the chip usable.
 */
#include "tests/lib/fake_bus.h"
#include "tests/lib/t.h"

#define R(name) MP_LSI_R_##name
#define PROG    0x1000u
#define DATA    0x2000u
#define INT     0x98080000u
#define JUMP    0x80080000u
#define STOP(v) INT, (v)

/* ---- re-entrancy ----------------------------------------------------- */

static void test_memory_move_that_aborts_and_restarts_itself_just_stops(void)
{
	struct fake_bus *b = fake_bus_create();

	/* 36 bytes over ISTAT0 .. DNAD and on: ABRT, and the address of this program in DSP. */
	FAKE_PROG(b, FAKE_RAM, 0xc0000024, FAKE_RAM + 0x40, FAKE_REGS + 0x14);
	FAKE_PROG(b, FAKE_RAM + 0x40, 0x80, 0, 0, 0, 0, 0, FAKE_RAM, 0, 0);
	fake_go(b, FAKE_RAM);
	T_EQ(fake_rd8(b, R(DSTAT)), DSTAT_DFE | DSTAT_ABRT);
	T_EQ(fake_rd8(b, R(ISTAT1)), 0);
	fake_bus_destroy(b);
}

static void test_memory_move_onto_own_dsp_loops_within_its_budget(void)
{
	struct fake_bus *b = fake_bus_create();

	fake_put32(b, DATA, PROG);
	FAKE_PROG(b, PROG, 0xc0000004, DATA, FAKE_REGS + R(DSP), STOP(1));
	fake_wr32(b, R(DSP), PROG);
	for (unsigned int i = 0; i < 100; i++)
		T_EQ(mp_lsi_run(&b->chip, 50), 50);
	T_EQ(fake_rd8(b, R(DSTAT)), DSTAT_DFE);
	fake_wr8(b, R(ISTAT0), ISTAT0_ABRT);
	T_EQ(mp_lsi_runnable(&b->chip), false);
	fake_bus_destroy(b);
}

static void test_load_into_own_dsp_goes_on_there(void)
{
	struct fake_bus *b = fake_bus_create();

	fake_put32(b, DATA, PROG + 0x100);
	FAKE_PROG(b, PROG, 0xe12c0004, DATA, STOP(1));
	FAKE_PROG(b, PROG + 0x100, STOP(2));
	fake_go(b, PROG);
	T_EQ(fake_rd32(b, R(DSPS)), 2);
	fake_bus_destroy(b);
}

static void test_start_bit_written_by_a_running_program_is_ignored(void)
{
	struct fake_bus *b = fake_bus_create();

	FAKE_PROG(b, PROG, 0x783b0000 | DCNTL_STD << 8, 0, STOP(7));
	fake_go(b, PROG);
	T_EQ(fake_rd32(b, R(DSPS)), 7);
	T_EQ(fake_rd32(b, R(DSP)), PROG + 16);
	fake_bus_destroy(b);
}

/* ---- ISTAT0, written by SCRIPTS byte by byte -------------------------- */

static struct fake_bus *after_writing_istat0(uint8_t v)
{
	struct fake_bus *b = fake_bus_create();

	FAKE_PROG(b, PROG, 0x78140000 | (uint32_t)v << 8, 0, STOP(5));
	fake_go(b, PROG);
	return b;
}

static void test_program_sets_sigp_and_sem_for_itself(void)
{
	struct fake_bus *b = after_writing_istat0(ISTAT0_SIGP | ISTAT0_SEM);

	T_EQ(fake_rd8(b, R(ISTAT0)), ISTAT0_SIGP | ISTAT0_SEM | ISTAT0_DIP);
	T_EQ(fake_rd32(b, R(DSPS)), 5);
	fake_bus_destroy(b);
}

static void test_program_that_aborts_itself_stops_behind_the_write(void)
{
	struct fake_bus *b = after_writing_istat0(ISTAT0_ABRT);

	T_EQ(fake_rd8(b, R(DSTAT)), DSTAT_DFE | DSTAT_ABRT);
	T_EQ(fake_rd32(b, R(DSP)), PROG + 8);
	fake_bus_destroy(b);
}

static void test_program_that_resets_its_chip_is_gone(void)
{
	struct fake_bus *b = after_writing_istat0(ISTAT0_SRST);

	T_EQ(fake_rd8(b, R(ISTAT0)), 0);
	T_EQ(fake_rd32(b, R(DSP)), 0);
	T_EQ(mp_lsi_runnable(&b->chip), false);
	T_EQ(b->n_tms, 1);
	fake_bus_destroy(b);
}

static void test_program_acknowledges_its_own_intfly(void)
{
	struct fake_bus *b = fake_bus_create();

	FAKE_PROG(b, PROG, 0x98180000, 0, 0x78140400, 0, STOP(5));
	fake_go(b, PROG);
	T_EQ(fake_rd8(b, R(ISTAT0)), ISTAT0_DIP);
	fake_bus_destroy(b);
}

static void test_program_that_reads_sist_takes_the_event_away(void)
{
	struct fake_bus *b = fake_bus_create();

	b->st->reg[R(SIST1)] = SIST1_GEN;
	FAKE_PROG(b, PROG, 0x72430000, 0, STOP(5));
	fake_go(b, PROG);
	T_EQ(fake_rd8(b, R(SFBR)), SIST1_GEN);
	T_EQ(fake_rd8(b, R(SIST1)), 0);
	fake_bus_destroy(b);
}

/* ---- endless, and waiting for the CPU --------------------------------- */

static void test_loop_on_a_memory_word_ends_when_the_cpu_writes_it(void)
{
	struct fake_bus *b = fake_bus_create();

	FAKE_PROG(b, PROG, 0xe1340004, DATA, 0x72340000, 0, 0x800c0000, PROG, STOP(4));
	fake_wr32(b, R(DSP), PROG);
	/* No time passes and none is waited for: the next turn goes on at once. */
	for (unsigned int i = 0; i < 1000; i++)
		T_EQ(mp_lsi_run(&b->chip, 100), 100);
	T_EQ(mp_lsi_runnable(&b->chip), true);
	T_EQ(mp_lsi_deadline_ns(&b->chip), UINT64_MAX);
	fake_put32(b, DATA, 1);
	fake_run(b);
	T_EQ(fake_rd32(b, R(DSPS)), 4);
	fake_bus_destroy(b);
}

static void test_zero_memory_is_endless_and_bounded(void)
{
	struct fake_bus *b = fake_bus_create();

	fake_wr32(b, R(DSP), 0x3000);
	T_EQ(mp_lsi_run(&b->chip, 1000), 1000);
	T_EQ(fake_rd32(b, R(DSP)), 0x3000 + 4 * 1000);
	fake_bus_destroy(b);
}

static void test_calls_without_return_need_no_stack(void)
{
	struct fake_bus *b = fake_bus_create();

	FAKE_PROG(b, PROG, 0x88880000, 0xfffff8);
	fake_wr32(b, R(DSP), PROG);
	T_EQ(mp_lsi_run(&b->chip, 100000), 100000);
	T_EQ(fake_rd32(b, R(TEMP)), PROG + 8);
	fake_bus_destroy(b);
}

/* ---- self-modification ----------------------------------------------- */

static void test_patched_next_instruction_runs_as_patched(void)
{
	struct fake_bus *b = fake_bus_create();
	const uint32_t at[2] = {PROG, FAKE_RAM};

	for (unsigned int i = 0; i < 2; i++) {
		FAKE_PROG(b, DATA, INT);
		FAKE_PROG(b, at[i], 0xc0000004, DATA, at[i] + 12, 0x80000000, 11, STOP(12));
		fake_go(b, at[i]);
		T_EQ(fake_rd32(b, R(DSPS)), 11);
		(void)fake_rd8(b, R(DSTAT));
	}
	fake_bus_destroy(b);
}

static void test_store_patches_the_operand_of_the_next_instruction(void)
{
	struct fake_bus *b = fake_bus_create();

	fake_wr32(b, R(SCRATCHA), 0xbeef);
	FAKE_PROG(b, FAKE_RAM, 0xe0340004, FAKE_RAM + 12, STOP(1));
	fake_go(b, FAKE_RAM);
	T_EQ(fake_rd32(b, R(DSPS)), 0xbeef);
	fake_bus_destroy(b);
}

static void test_slot_patched_by_the_cpu_between_turns_is_taken(void)
{
	struct fake_bus *b = fake_bus_create();

	/* A scheduler of one slot: NOP now, JUMP later. */
	FAKE_PROG(b, FAKE_RAM, 0x80000000, 0, JUMP, FAKE_RAM);
	FAKE_PROG(b, PROG, STOP(9));
	fake_wr32(b, R(DSP), FAKE_RAM);
	T_EQ(mp_lsi_run(&b->chip, 50), 50);
	mp_lsi_ram_write(&b->chip, 4, 4, PROG);
	mp_lsi_ram_write(&b->chip, 0, 4, JUMP);
	fake_run(b);
	T_EQ(fake_rd32(b, R(DSPS)), 9);
	fake_bus_destroy(b);
}

/* ---- addresses -------------------------------------------------------- */

static uint8_t dstat_at(struct fake_bus *b, uint32_t dsp)
{
	fake_go(b, dsp);
	return fake_rd8(b, R(DSTAT)) & DSTAT_EVENTS;
}

static void test_fetch_from_own_registers_is_a_bus_fault(void)
{
	struct fake_bus *b = fake_bus_create();

	T_EQ(dstat_at(b, FAKE_REGS + R(SCRATCHC)), DSTAT_BF);
	T_EQ(fake_rd32(b, R(DSP)), FAKE_REGS + R(SCRATCHC));
	fake_bus_destroy(b);
}

static void test_fetch_at_the_end_of_memory_is_a_bus_fault(void)
{
	struct fake_bus *b = fake_bus_create();

	fake_put32(b, FAKE_MEM_BYTES - 4, 0x80000000);
	T_EQ(dstat_at(b, FAKE_MEM_BYTES - 4), DSTAT_BF);
	T_EQ(dstat_at(b, FAKE_RAM + MP_LSI_RAM_BYTES - 4), DSTAT_BF);
	fake_bus_destroy(b);
}

static void test_third_dword_that_is_not_there_is_a_bus_fault(void)
{
	struct fake_bus *b = fake_bus_create();

	FAKE_PROG(b, FAKE_MEM_BYTES - 8, 0xc0000004, DATA);
	T_EQ(dstat_at(b, FAKE_MEM_BYTES - 8), DSTAT_BF);
	fake_bus_destroy(b);
}

static void test_memory_move_from_nowhere_or_to_nowhere_is_a_bus_fault(void)
{
	struct fake_bus *b = fake_bus_create();

	FAKE_PROG(b, PROG, 0xc0000004, 0xe0000000, DATA);
	T_EQ(dstat_at(b, PROG), DSTAT_BF);
	FAKE_PROG(b, PROG, 0xc0000004, DATA, 0xe0000000);
	T_EQ(dstat_at(b, PROG), DSTAT_BF);
	fake_bus_destroy(b);
}

static void test_memory_move_past_the_end_keeps_what_fitted(void)
{
	struct fake_bus *b = fake_bus_create();

	memset(b->mem + DATA, 0x5a, 16);
	FAKE_PROG(b, PROG, 0xc0000010, DATA, FAKE_MEM_BYTES - 8);
	T_EQ(dstat_at(b, PROG), DSTAT_BF);
	T_EQ(fake_get32(b, FAKE_MEM_BYTES - 4), 0x5a5a5a5a);
	T_EQ(fake_rd32(b, R(DBC)) & 0xffffff, 8);
	fake_bus_destroy(b);
}

static void test_memory_move_runs_from_memory_into_own_registers(void)
{
	struct fake_bus *b = fake_bus_create();

	/* BAR1 in the middle of memory: the chip serves its own addresses itself. */
	mp_lsi_set_bar(&b->chip, MP_LSI_BAR_MMIO, DATA);
	memset(b->mem + 0x3000, 0x77, 0x20);
	FAKE_PROG(b, PROG, 0xc0000004 + 4, 0x3000, DATA - 4, STOP(1));
	fake_go(b, PROG);
	T_EQ(fake_get32(b, DATA - 4), 0x77777777);
	T_EQ(fake_rd8(b, R(SCNTL3)), 0x77);
	T_EQ(fake_get32(b, DATA), 0);
	fake_bus_destroy(b);
}

static void test_memory_move_through_the_end_of_own_ram_goes_on_behind_it(void)
{
	struct fake_bus *b = fake_bus_create();

	mp_lsi_set_bar(&b->chip, MP_LSI_BAR_RAM, 0x10000);
	memset(b->mem + DATA, 0x33, 8);
	FAKE_PROG(b, PROG, 0xc0000008, DATA, 0x10000 + MP_LSI_RAM_BYTES - 4, STOP(1));
	fake_go(b, PROG);
	T_EQ(mp_lsi_ram_read(&b->chip, MP_LSI_RAM_BYTES - 4, 4), 0x33333333);
	T_EQ(fake_get32(b, 0x10000 + MP_LSI_RAM_BYTES), 0x33333333);
	fake_bus_destroy(b);
}

/* INQUIRY without disconnection, its data to @addr; returns SIST0 << 8 | DSTAT's events. */
static unsigned int read_data_to(struct fake_bus *b, uint32_t addr)
{
	b->prompt = true;
	b->dir = MP_LSI_DATA_IN;
	b->xfer_len = 16;
	b->mem[DATA] = 0x80;
	FAKE_PROG(b, PROG, 0x41000000, 0, 0x0e000001, DATA, 0x0a000006, DATA + 8, 0x09000010, addr,
		  STOP(1));
	fake_go(b, PROG);
	return (unsigned int)fake_rd8(b, R(SIST0)) << 8 | (fake_rd8(b, R(DSTAT)) & DSTAT_EVENTS);
}

static void test_data_may_go_into_own_ram(void)
{
	struct fake_bus *b = fake_bus_create();

	T_EQ(read_data_to(b, FAKE_RAM + 0x100), DSTAT_SIR);
	T_EQ(mp_lsi_ram_read(&b->chip, 0x105, 1), fake_pattern(0, 5));
	fake_bus_destroy(b);
}

static void test_data_into_own_registers_is_a_bus_fault(void)
{
	struct fake_bus *b = fake_bus_create();

	T_EQ(read_data_to(b, FAKE_REGS + R(SCRATCHC)), DSTAT_BF);
	T_EQ(fake_rd32(b, R(SCRATCHC)), 0);
	fake_bus_destroy(b);
}

static void test_dsp_wraps_at_four_gigabytes(void)
{
	struct fake_bus *b = fake_bus_create();

	mp_lsi_set_bar(&b->chip, MP_LSI_BAR_RAM, 0xffffe000);
	mp_lsi_ram_write(&b->chip, MP_LSI_RAM_BYTES - 8, 4, 0x80000000);
	FAKE_PROG(b, 0, STOP(3));
	fake_go(b, 0xfffffff8);
	T_EQ(fake_rd32(b, R(DSPS)), 3);
	fake_bus_destroy(b);
}

/* ---- more than one chip, more than one start -------------------------- */

static void test_two_chips_share_nothing(void)
{
	struct fake_bus *a = fake_bus_create(), *b = fake_bus_create();

	fake_wr8(a, R(DIEN), DSTAT_SIR);
	FAKE_PROG(a, PROG, STOP(1));
	FAKE_PROG(b, PROG, JUMP, PROG);
	fake_go(a, PROG);
	fake_wr32(b, R(DSP), PROG);
	(void)mp_lsi_run(&b->chip, 10);
	T_EQ(mp_lsi_irq_level(&a->chip), 1);
	T_EQ(mp_lsi_irq_level(&b->chip), 0);
	T_EQ(mp_lsi_runnable(&b->chip), true);
	fake_bus_destroy(a);
	fake_bus_destroy(b);
}

static void test_new_dsp_of_a_parked_engine_runs_on_to_its_end(void)
{
	struct fake_bus *b = fake_bus_create();

	FAKE_PROG(b, PROG, 0x50000000, 0);
	FAKE_PROG(b, DATA, 0x80000000, 0, 0x80000000, 0, STOP(8));
	fake_go(b, PROG);
	/* Not just one instruction, as in a model that resumes its parked loop. */
	fake_go(b, DATA);
	T_EQ(fake_rd32(b, R(DSPS)), 8);
	fake_bus_destroy(b);
}

static void test_doorbell_in_front_of_a_new_dsp_does_not_revive_the_old_wait(void)
{
	struct fake_bus *b = fake_bus_create();

	FAKE_PROG(b, PROG, 0x50000000, PROG + 0x100);
	FAKE_PROG(b, PROG + 0x100, STOP(1));
	FAKE_PROG(b, DATA, STOP(2));
	fake_go(b, PROG);
	fake_wr8(b, R(ISTAT0), ISTAT0_SIGP);
	/* Used to take the alternate address of the WAIT RESELECT. */
	fake_go(b, DATA);
	T_EQ(fake_rd32(b, R(DSPS)), 2);
	fake_bus_destroy(b);
}

/* What one turn of 256 leaves of a move of 64 KiB. */
static uint32_t left_after_a_turn(struct fake_bus *b)
{
	fake_wr32(b, R(DSP), PROG);
	mp_lsi_run(&b->chip, 256);
	return fake_rd32(b, R(DBC)) & 0xffffff;
}

/* A step used to cost one, with 256 messages or register accesses in it. */
static void test_long_way_round_costs_a_turn_what_it_takes(void)
{
	struct fake_bus *b = fake_bus_create();

	memset(b->mem + 0x10000, 0x08, 0x10000); /* NO OPERATION */
	b->mem[0x10000] = 0xc0;
	FAKE_PROG(b, PROG, 0x41000000, 0, 0x0e010000, 0x10000, STOP(1));
	T_OK(left_after_a_turn(b) > 0xe000);
	fake_bus_destroy(b);

	b = fake_bus_create();
	FAKE_PROG(b, PROG, 0xc0000100, FAKE_REGS, DATA, 0x80080000, PROG);
	fake_wr32(b, R(DSP), PROG);
	mp_lsi_run(&b->chip, 256);
	T_OK(b->chip.counters.n_insns < 32);
	fake_bus_destroy(b);
}

T_MAIN(T_TEST(test_memory_move_that_aborts_and_restarts_itself_just_stops),
       T_TEST(test_memory_move_onto_own_dsp_loops_within_its_budget),
       T_TEST(test_load_into_own_dsp_goes_on_there),
       T_TEST(test_start_bit_written_by_a_running_program_is_ignored),
       T_TEST(test_program_sets_sigp_and_sem_for_itself),
       T_TEST(test_program_that_aborts_itself_stops_behind_the_write),
       T_TEST(test_program_that_resets_its_chip_is_gone),
       T_TEST(test_program_acknowledges_its_own_intfly),
       T_TEST(test_program_that_reads_sist_takes_the_event_away),
       T_TEST(test_loop_on_a_memory_word_ends_when_the_cpu_writes_it),
       T_TEST(test_zero_memory_is_endless_and_bounded),
       T_TEST(test_calls_without_return_need_no_stack),
       T_TEST(test_patched_next_instruction_runs_as_patched),
       T_TEST(test_store_patches_the_operand_of_the_next_instruction),
       T_TEST(test_slot_patched_by_the_cpu_between_turns_is_taken),
       T_TEST(test_fetch_from_own_registers_is_a_bus_fault),
       T_TEST(test_fetch_at_the_end_of_memory_is_a_bus_fault),
       T_TEST(test_third_dword_that_is_not_there_is_a_bus_fault),
       T_TEST(test_memory_move_from_nowhere_or_to_nowhere_is_a_bus_fault),
       T_TEST(test_memory_move_past_the_end_keeps_what_fitted),
       T_TEST(test_memory_move_runs_from_memory_into_own_registers),
       T_TEST(test_memory_move_through_the_end_of_own_ram_goes_on_behind_it),
       T_TEST(test_data_may_go_into_own_ram), T_TEST(test_data_into_own_registers_is_a_bus_fault),
       T_TEST(test_dsp_wraps_at_four_gigabytes), T_TEST(test_two_chips_share_nothing),
       T_TEST(test_new_dsp_of_a_parked_engine_runs_on_to_its_end),
       T_TEST(test_doorbell_in_front_of_a_new_dsp_does_not_revive_the_old_wait),
       T_TEST(test_long_way_round_costs_a_turn_what_it_takes))
