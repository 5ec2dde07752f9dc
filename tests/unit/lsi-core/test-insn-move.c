/* SPDX-License-Identifier: BSD-3-Clause */
/* Block moves: address forms, phases, mismatch, the registers left behind. */
#include "tests/lib/fake_bus.h"
#include "tests/lib/t.h"

#define R(name) MP_LSI_R_##name
#define PROG    0x1000u
#define MSG     0x3000u
#define CDB     0x3010u
#define TABLE   0x3100u
#define DATA    0x4000u
#define BYTES   0x3080u
#define STOP(v) 0x98080000u, (v)

/* SELECT ATN 0, IDENTIFY, READ(10): the next instruction meets the data phase. */
#define CONNECT       0x41000000u, 0, 0x0e000001u, MSG, 0x0a00000au, CDB
#define CONNECT_BYTES 24u

static struct fake_bus *target_with(enum mp_lsi_dir dir, uint32_t len)
{
	struct fake_bus *b = fake_bus_create();

	b->prompt = true;
	b->dir = dir;
	b->xfer_len = len;
	b->mem[MSG] = 0x80;
	b->mem[CDB] = dir == MP_LSI_DATA_OUT ? 0x2a : 0x28;
	return b;
}

static uint8_t sir_or_what(struct fake_bus *b)
{
	return fake_rd8(b, R(DSTAT)) & (uint8_t)~DSTAT_DFE;
}

static void test_direct_move_takes_count_and_address_from_the_words(void)
{
	struct fake_bus *b = target_with(MP_LSI_DATA_IN, 100);

	FAKE_PROG(b, PROG, CONNECT, 0x09000064, DATA, STOP(1));
	fake_go(b, PROG);
	T_EQ(sir_or_what(b), DSTAT_SIR);
	T_EQ(b->mem[DATA + 99], fake_pattern(0, 99));
	fake_bus_destroy(b);
}

static void test_indirect_move_takes_its_address_from_memory(void)
{
	struct fake_bus *b = target_with(MP_LSI_DATA_IN, 4);

	FAKE_PROG(b, PROG, CONNECT, 0x29000004, TABLE, STOP(1));
	fake_put32(b, TABLE, DATA);
	fake_go(b, PROG);
	T_EQ(b->mem[DATA + 3], fake_pattern(0, 3));
	fake_bus_destroy(b);
}

static void test_table_of_odd_segments_fills_them_in_order(void)
{
	struct fake_bus *b = target_with(MP_LSI_DATA_IN, 1000);

	FAKE_PROG(b, PROG, CONNECT, 0x11000000, 0, 0x11000000, 8, 0x11000000, 0x00fffff8, STOP(1));
	FAKE_PROG(b, TABLE - 8, 1000 - 333 - 1, DATA + 0x1200, 333, DATA, 1, DATA + 0xfff);
	fake_wr32(b, R(DSA), TABLE);
	fake_wr32(b, R(TEMP), 0x7e57);
	b->frag_len = 100;
	fake_go(b, PROG);
	T_EQ(sir_or_what(b), DSTAT_SIR);
	T_EQ(b->mem[DATA + 332], fake_pattern(0, 332));
	T_EQ(b->mem[DATA + 0xfff], fake_pattern(0, 333));
	T_EQ(b->mem[DATA + 0x1200 + 665], fake_pattern(0, 999));
	T_EQ(fake_rd32(b, R(TEMP)), 0x7e57);
	T_EQ(fake_rd32(b, R(CSBC)), 1000);
	fake_bus_destroy(b);
}

static void test_completed_move_leaves_its_end_in_the_registers(void)
{
	struct fake_bus *b = target_with(MP_LSI_DATA_IN, 96);

	FAKE_PROG(b, PROG, CONNECT, 0x11000000, 0, STOP(1));
	FAKE_PROG(b, TABLE, 0x05000060, DATA);
	fake_wr32(b, R(DSA), TABLE);
	fake_go(b, PROG);
	T_EQ(fake_rd32(b, R(RBC)), 0x05000000);
	T_EQ(fake_rd32(b, R(UA)), DATA + 96);
	T_EQ(fake_rd32(b, R(ESA)), TABLE);
	T_EQ(fake_rd32(b, R(IA)), PROG + CONNECT_BYTES);
	T_EQ(fake_rd32(b, R(SBC)), 96);
	T_EQ(fake_rd8(b, R(SFBR)), fake_pattern(0, 0));
	fake_bus_destroy(b);
}

static void test_short_data_jumps_with_exact_mismatch_registers(void)
{
	struct fake_bus *b = target_with(MP_LSI_DATA_IN, 300);

	FAKE_PROG(b, PROG, CONNECT, 0x11000000, 0, STOP(1));
	FAKE_PROG(b, TABLE, 0x07000200, DATA);
	FAKE_PROG(b, 0x2000, STOP(2));
	fake_wr32(b, R(DSA), TABLE);
	fake_wr8(b, R(CCNTL0), CCNTL0_ENPMJ);
	fake_wr32(b, R(PMJAD1), 0x2000);
	fake_go(b, PROG);
	T_EQ(fake_rd32(b, R(DSPS)), 2);
	T_EQ(fake_rd32(b, R(RBC)), 0x07000000 | (0x200 - 300));
	T_EQ(fake_rd32(b, R(UA)), DATA + 300);
	T_EQ(fake_rd32(b, R(IA)), PROG + CONNECT_BYTES);
	T_EQ(fake_rd32(b, R(ESA)), TABLE);
	T_EQ(fake_rd32(b, R(SBC)), 300);
	T_EQ(fake_rd8(b, R(SSTAT1)) & 7, MP_LSI_STATUS_PHASE);
	fake_bus_destroy(b);
}

static void test_short_data_interrupts_without_the_jump_enabled(void)
{
	struct fake_bus *b = target_with(MP_LSI_DATA_IN, 300);

	FAKE_PROG(b, PROG, CONNECT, 0x09000800, DATA, STOP(1));
	fake_go(b, PROG);
	T_EQ(mp_lsi_read(&b->chip, R(SIST0), 2), SIST0_MA);
	T_EQ(fake_rd32(b, R(DBC)), 0x09000000 | (0x800 - 300));
	T_EQ(fake_rd32(b, R(DNAD)), DATA + 300);
	T_EQ(fake_rd8(b, R(DFIFO)), (0x800 - 300) & 0xff);
	T_EQ(fake_rd8(b, R(CTEST5)) & 3, (0x800 - 300) >> 8 & 3);
	T_EQ(fake_rd32(b, R(DSP)), PROG + CONNECT_BYTES + 8);
	T_EQ(fake_rd8(b, R(SSTAT0)) & 0xe0, 0);
	fake_bus_destroy(b);
}

static void test_mismatch_before_the_first_byte_jumps_too(void)
{
	struct fake_bus *b = target_with(MP_LSI_NO_DATA, 0);

	FAKE_PROG(b, PROG, CONNECT, 0x09000100, DATA, STOP(1));
	FAKE_PROG(b, 0x2000, STOP(2));
	fake_wr8(b, R(CCNTL0), CCNTL0_ENPMJ);
	fake_wr32(b, R(PMJAD1), 0x2000);
	fake_go(b, PROG);
	T_EQ(fake_rd32(b, R(DSPS)), 2);
	T_EQ(fake_rd32(b, R(RBC)), 0x09000100);
	T_EQ(fake_rd32(b, R(UA)), DATA);
	fake_bus_destroy(b);
}

/* Mismatch of a move in @insn's phase with CCNTL0 = @ccntl0: vector reached, 0 for MA. */
static uint32_t mismatch_goes_to(uint32_t insn, uint8_t ccntl0)
{
	struct fake_bus *b = target_with(MP_LSI_DATA_OUT, 64);
	uint32_t vector;

	FAKE_PROG(b, PROG, CONNECT, insn, DATA, STOP(1));
	FAKE_PROG(b, 0x2000, STOP(2));
	FAKE_PROG(b, 0x2100, STOP(3));
	fake_wr8(b, R(CCNTL0), ccntl0);
	fake_wr32(b, R(PMJAD1), 0x2000);
	fake_wr32(b, R(PMJAD2), 0x2100);
	fake_go(b, PROG);
	vector = fake_rd8(b, R(SIST0)) & SIST0_MA ? 0 : fake_rd32(b, R(DSPS));
	fake_bus_destroy(b);
	return vector;
}

static void test_jump_needs_enndj_outside_data_phases(void)
{
	T_EQ(mismatch_goes_to(0x0b000001, CCNTL0_ENPMJ), 0);
	T_EQ(mismatch_goes_to(0x0b000001, CCNTL0_ENPMJ | CCNTL0_ENNDJ), 2);
	T_EQ(mismatch_goes_to(0x09000001, CCNTL0_ENPMJ), 2);
}

static void test_pmjctl_picks_the_address_by_the_coded_direction(void)
{
	T_EQ(mismatch_goes_to(0x09000001, CCNTL0_ENPMJ | CCNTL0_PMJCTL), 3);
	T_EQ(mismatch_goes_to(0x0a000001, CCNTL0_ENPMJ | CCNTL0_PMJCTL | CCNTL0_ENNDJ), 2);
}

static uint8_t dstat_of_move(uint32_t insn, uint8_t ccntl1)
{
	struct fake_bus *b = target_with(MP_LSI_DATA_IN, 16);
	uint8_t dstat;

	FAKE_PROG(b, PROG, CONNECT, insn, 0, STOP(1));
	FAKE_PROG(b, TABLE, 0x16000010, DATA);
	fake_wr32(b, R(DSA), TABLE);
	fake_wr8(b, R(CCNTL1), ccntl1);
	fake_go(b, PROG);
	dstat = sir_or_what(b);
	fake_bus_destroy(b);
	return dstat;
}

static void test_impossible_moves_are_illegal(void)
{
	T_EQ(dstat_of_move(0x30000000, 0), DSTAT_IID);
	T_EQ(dstat_of_move(0x08000000, 0), DSTAT_IID);
	T_EQ(dstat_of_move(0x11000000, CCNTL1_TIBMV), DSTAT_IID);
}

static void test_all_zero_opcode_is_stepped_over_by_four(void)
{
	struct fake_bus *b = fake_bus_create();

	FAKE_PROG(b, PROG, 0, STOP(6));
	fake_go(b, PROG);
	T_EQ(fake_rd32(b, R(DSPS)), 6);
	fake_bus_destroy(b);
}

static void test_forty_bit_table_entry_reaches_high_memory(void)
{
	struct fake_bus *b = target_with(MP_LSI_DATA_IN, 16);

	FAKE_PROG(b, PROG, CONNECT, 0x11000000, 0, STOP(1));
	FAKE_PROG(b, TABLE, 0x12000010, 0x200);
	fake_wr32(b, R(DSA), TABLE);
	fake_wr8(b, R(CCNTL1), CCNTL1_TIMOD | CCNTL1_TIBMV);
	fake_go(b, PROG);
	T_EQ(b->high[0x200 + 15], fake_pattern(0, 15));
	T_EQ(fake_rd32(b, R(DNAD64)), 0x12);
	T_EQ(fake_rd32(b, R(RBC)), 0x12000000);
	fake_bus_destroy(b);
}

static void test_selector_names_the_register_with_the_upper_half(void)
{
	struct fake_bus *b = target_with(MP_LSI_DATA_IN, 16);

	FAKE_PROG(b, PROG, CONNECT, 0x11000000, 0, STOP(1));
	FAKE_PROG(b, TABLE, 0x03000010, 0x300);
	fake_wr32(b, R(DSA), TABLE);
	fake_wr32(b, R(SCRATCHF), 0x12);
	fake_wr8(b, R(CCNTL1), CCNTL1_TIBMV);
	fake_go(b, PROG);
	T_EQ(b->high[0x300 + 15], fake_pattern(0, 15));
	fake_bus_destroy(b);
}

static void test_direct_move_with_64_bits_has_three_words(void)
{
	struct fake_bus *b = target_with(MP_LSI_DATA_IN, 16);

	/* Every direct move has three words in this mode. */
	FAKE_PROG(b, PROG, 0x41000000u, 0, 0x0e000001u, MSG, 0, 0x0a00000au, CDB, 0, 0x09000010,
		  0x400, 0x12, STOP(1));
	fake_wr8(b, R(CCNTL1), CCNTL1_DBMV);
	fake_go(b, PROG);
	T_EQ(sir_or_what(b), DSTAT_SIR);
	T_EQ(b->high[0x400 + 15], fake_pattern(0, 15));
	T_EQ(fake_rd32(b, R(IA)), PROG + 32);
	T_EQ(fake_rd32(b, R(DBMS)), 0x12);
	fake_bus_destroy(b);
}

static void test_data_move_on_a_free_bus_stalls(void)
{
	struct fake_bus *b = fake_bus_create();

	FAKE_PROG(b, PROG, 0x08001000, DATA, STOP(1));
	fake_go(b, PROG);
	T_EQ(fake_rd8(b, R(ISTAT1)), ISTAT1_SRUN);
	T_EQ(fake_rd8(b, R(ISTAT0)), 0);
	fake_bus_destroy(b);
}

static void test_move_abandoned_by_a_new_dsp_leaves_nothing_to_the_next(void)
{
	struct fake_bus *b = target_with(MP_LSI_NO_DATA, 0);

	b->mem[BYTES] = 0xff;
	FAKE_PROG(b, PROG, 0x08001000, DATA);
	FAKE_PROG(b, 0x2000, CONNECT, 0x0b000001, BYTES, STOP(1));
	fake_go(b, PROG);
	/* The next move used to go on with the parked one's address. */
	fake_go(b, 0x2000);
	T_EQ(sir_or_what(b), DSTAT_SIR);
	T_EQ(b->mem[BYTES], 0);
	T_EQ(b->n_commands, 1);
	fake_bus_destroy(b);
}

static void test_data_from_nowhere_is_a_bus_fault(void)
{
	struct fake_bus *b = target_with(MP_LSI_DATA_OUT, 512);

	FAKE_PROG(b, PROG, CONNECT, 0x08000200, 0xe0000000, STOP(1));
	fake_go(b, PROG);
	T_EQ(sir_or_what(b), DSTAT_BF);
	fake_bus_destroy(b);
}

static void test_chmov_sets_chained_mode_and_move_clears_it(void)
{
	struct fake_bus *b = target_with(MP_LSI_DATA_IN, 16);

	FAKE_PROG(b, PROG, CONNECT, 0x01000008, DATA, STOP(1), 0x09000008, DATA, STOP(2));
	fake_go(b, PROG);
	T_EQ(fake_rd8(b, R(SCNTL2)) & SCNTL2_CHM, SCNTL2_CHM);
	fake_wr8(b, R(DCNTL), DCNTL_STD);
	fake_run(b);
	T_EQ(fake_rd8(b, R(SCNTL2)) & SCNTL2_CHM, 0);
	fake_bus_destroy(b);
}

static void test_chunks_of_the_target_are_joined_in_one_move(void)
{
	struct fake_bus *b = target_with(MP_LSI_DATA_IN, 1000);

	b->chunk_len = 64;
	FAKE_PROG(b, PROG, CONNECT, 0x090003e8, DATA, STOP(1));
	fake_go(b, PROG);
	T_EQ(sir_or_what(b), DSTAT_SIR);
	T_EQ(b->mem[DATA + 999], fake_pattern(0, 999));
	T_EQ(b->n_moved, 1000);
	fake_bus_destroy(b);
}

static void test_status_and_message_end_the_command(void)
{
	struct fake_bus *b = target_with(MP_LSI_NO_DATA, 0);

	b->status = 2;
	FAKE_PROG(b, PROG, CONNECT, 0x0b000001, BYTES, 0x0f000001, BYTES + 1, 0x7c027f00, 0,
		  0x60000040, 0, 0x48000000, 0, STOP(1));
	b->mem[BYTES + 1] = 0xff;
	fake_go(b, PROG);
	T_EQ(sir_or_what(b), DSTAT_SIR);
	T_EQ(b->mem[BYTES], 2);
	T_EQ(b->mem[BYTES + 1], 0);
	T_EQ(b->n_done, 1);
	T_EQ(fake_rd8(b, R(SCNTL1)) & SCNTL1_CON, 0);
	T_EQ(fake_rd8(b, R(ISTAT0)) & ISTAT0_CON, 0);
	T_EQ(fake_rd8(b, R(SSTAT2)), SSTAT2_LDSC);
	fake_bus_destroy(b);
}

static void test_second_command_in_a_connection_is_a_mismatch(void)
{
	struct fake_bus *b = target_with(MP_LSI_NO_DATA, 0);

	FAKE_PROG(b, PROG, CONNECT, 0x0a00000a, CDB, STOP(1));
	fake_go(b, PROG);
	T_EQ(fake_rd8(b, R(SIST0)), SIST0_MA);
	T_EQ(b->n_commands, 1);
	fake_bus_destroy(b);
}

static void test_short_command_move_waits_for_the_rest(void)
{
	struct fake_bus *b = target_with(MP_LSI_NO_DATA, 0);

	FAKE_PROG(b, PROG, 0x41000000u, 0, 0x0e000001u, MSG, 0x0a000004, CDB, 0x0a000006, CDB + 4,
		  STOP(1));
	fake_go(b, PROG);
	T_EQ(sir_or_what(b), DSTAT_SIR);
	T_EQ(b->n_commands, 1);
	fake_bus_destroy(b);
}

static void test_command_bytes_beyond_any_cdb_are_swallowed(void)
{
	struct fake_bus *b = target_with(MP_LSI_NO_DATA, 0);

	FAKE_PROG(b, PROG, 0x41000000u, 0, 0x0e000001u, MSG, 0x0a000030, CDB, STOP(1));
	fake_go(b, PROG);
	T_EQ(sir_or_what(b), DSTAT_SIR);
	T_EQ(fake_rd32(b, R(RBC)) & 0xffffff, 0);
	T_EQ(b->task[b->last_task].cmd.cdb_len, 10);
	fake_bus_destroy(b);
}

static void test_status_move_of_four_is_satisfied_by_one(void)
{
	struct fake_bus *b = target_with(MP_LSI_NO_DATA, 0);

	FAKE_PROG(b, PROG, CONNECT, 0x0b000004, BYTES, STOP(1));
	fake_go(b, PROG);
	T_EQ(sir_or_what(b), DSTAT_SIR);
	T_EQ(fake_rd32(b, R(DNAD)), BYTES + 1);
	fake_bus_destroy(b);
}

T_MAIN(T_TEST(test_direct_move_takes_count_and_address_from_the_words),
       T_TEST(test_indirect_move_takes_its_address_from_memory),
       T_TEST(test_table_of_odd_segments_fills_them_in_order),
       T_TEST(test_completed_move_leaves_its_end_in_the_registers),
       T_TEST(test_short_data_jumps_with_exact_mismatch_registers),
       T_TEST(test_short_data_interrupts_without_the_jump_enabled),
       T_TEST(test_mismatch_before_the_first_byte_jumps_too),
       T_TEST(test_jump_needs_enndj_outside_data_phases),
       T_TEST(test_pmjctl_picks_the_address_by_the_coded_direction),
       T_TEST(test_impossible_moves_are_illegal),
       T_TEST(test_all_zero_opcode_is_stepped_over_by_four),
       T_TEST(test_forty_bit_table_entry_reaches_high_memory),
       T_TEST(test_selector_names_the_register_with_the_upper_half),
       T_TEST(test_direct_move_with_64_bits_has_three_words),
       T_TEST(test_data_move_on_a_free_bus_stalls),
       T_TEST(test_move_abandoned_by_a_new_dsp_leaves_nothing_to_the_next),
       T_TEST(test_data_from_nowhere_is_a_bus_fault),
       T_TEST(test_chmov_sets_chained_mode_and_move_clears_it),
       T_TEST(test_chunks_of_the_target_are_joined_in_one_move),
       T_TEST(test_status_and_message_end_the_command),
       T_TEST(test_second_command_in_a_connection_is_a_mismatch),
       T_TEST(test_short_command_move_waits_for_the_rest),
       T_TEST(test_command_bytes_beyond_any_cdb_are_swallowed),
       T_TEST(test_status_move_of_four_is_satisfied_by_one))
