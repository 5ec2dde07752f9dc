/* SPDX-License-Identifier: BSD-3-Clause */
/* Which encodings are illegal, bit by bit, and how instructions read as text. */
#include "tests/lib/fake_bus.h"
#include "tests/lib/t.h"

#define R(name) MP_LSI_R_##name
#define PROG    0x1000u
#define TABLE   0x2000u

/* Status after one instruction in front of an INT; DSA points at a table entry. */
static uint8_t dstat_of(uint32_t w0, uint32_t w1, uint32_t w2, uint8_t ccntl1)
{
	struct fake_bus *b = fake_bus_create();
	uint8_t dstat;

	FAKE_PROG(b, PROG, w0, w1, w2, 0, 0x98080000, 0);
	FAKE_PROG(b, TABLE, 0x16000004, 0x3000);
	fake_wr32(b, R(DSA), TABLE);
	fake_wr8(b, R(CCNTL1), ccntl1);
	fake_go(b, PROG);
	dstat = fake_rd8(b, R(DSTAT)) & DSTAT_EVENTS;
	fake_bus_destroy(b);
	return dstat;
}

static bool is_illegal(uint32_t w0, uint32_t w1, uint32_t w2)
{
	return dstat_of(w0, w1, w2, 0) == DSTAT_IID;
}

static void test_block_move_both_indirect_and_table_is_illegal(void)
{
	T_OK(is_illegal(0x38000001, 0, 0));
	T_OK(is_illegal(0x30000000, 0, 0));
	T_OK(!is_illegal(0x18000001, 0, 0));
	T_OK(!is_illegal(0x28000001, 0x3000, 0));
}

static void test_block_move_of_no_bytes_is_illegal(void)
{
	T_OK(is_illegal(0x08000000, 0x3000, 0));
	T_OK(is_illegal(0x01000000, 0x3000, 0));
	T_OK(is_illegal(0x28000000, 0x3000, 0));
}

static void test_table_entry_with_a_selector_above_15_hex_is_illegal(void)
{
	T_EQ(dstat_of(0x19000000, 0, 0, CCNTL1_TIBMV), DSTAT_IID);
	T_EQ(dstat_of(0x19000000, 0, 0, CCNTL1_TIBMV | CCNTL1_TIMOD), 0);
	T_EQ(dstat_of(0x19000000, 0, 0, 0), 0);
}

static void test_atn_bit_of_other_io_instructions_is_illegal(void)
{
	T_OK(is_illegal(0x49000000, 0, 0));
	T_OK(is_illegal(0x51000000, 0, 0));
	T_OK(is_illegal(0x59000000, 0, 0));
	T_OK(is_illegal(0x61000000, 0, 0));
	T_OK(!is_illegal(0x41000000, 0, 0));
}

static void test_every_register_instruction_is_legal(void)
{
	unsigned int n_illegal = 0;

	/* Opcodes 5..7 with each operator; on SCRATCHA, so that nothing else happens. */
	for (uint32_t op = 0x68; op < 0x80; op++) {
		n_illegal += is_illegal(op << 24 | 0x340000, 0, 0);
		n_illegal += is_illegal(op << 24 | 0xb4ffff, 0xffffffff, 0);
	}
	T_EQ(n_illegal, 0);
}

static void test_carry_beside_phase_or_data_is_illegal(void)
{
	for (uint32_t op = 0x80; op < 0xa0; op += 8) {
		T_OK(is_illegal(op << 24 | 0x220000, 0, 0));
		T_OK(is_illegal(op << 24 | 0x240000, 0, 0));
		T_OK(is_illegal(op << 24 | 0x260000, 0, 0));
	}
}

static void test_bit_22_widens_jump_and_call_and_is_illegal_elsewhere(void)
{
	T_OK(!is_illegal(0x80400000, 0, 0));
	T_OK(!is_illegal(0x88400000, 0, 0));
	T_OK(is_illegal(0x90400000, 0, 0));
	T_OK(is_illegal(0x98400000, 0, 0));
}

static void test_far_jump_not_taken_skips_its_third_dword(void)
{
	struct fake_bus *b = fake_bus_create();

	FAKE_PROG(b, PROG, 0x80400000, 0x5000, 7, 0x98080000, 3);
	fake_go(b, PROG);
	T_EQ(fake_rd32(b, R(DSPS)), 3);
	T_EQ(fake_rd32(b, R(SFS)), 0);
	fake_bus_destroy(b);
}

static void test_far_call_saves_the_address_behind_three_dwords(void)
{
	struct fake_bus *b = fake_bus_create();

	FAKE_PROG(b, PROG, 0x88480000, TABLE, 0, 0x98080000, 3);
	FAKE_PROG(b, TABLE, 0x90080000, 0);
	fake_go(b, PROG);
	T_EQ(fake_rd32(b, R(TEMP)), PROG + 12);
	T_EQ(fake_rd32(b, R(DSPS)), 3);
	fake_bus_destroy(b);
}

static void test_waiting_for_a_phase_as_a_target_is_illegal(void)
{
	struct fake_bus *b = fake_bus_create();

	FAKE_PROG(b, PROG, 0x58000200, 0, 0x87030000, 0);
	fake_go(b, PROG);
	T_EQ(fake_rd8(b, R(DSTAT)), DSTAT_DFE | DSTAT_IID);
	fake_bus_destroy(b);
}

static void test_transfer_opcodes_4_to_7_are_illegal(void)
{
	for (uint32_t op = 0xa0; op < 0xc0; op++)
		T_OK(is_illegal(op << 24 | 0x80000, 0, 0));
}

static void test_reserved_bits_of_memory_move_are_illegal(void)
{
	T_OK(!is_illegal(0xc0000004, 0x3000, 0x3100));
	T_OK(!is_illegal(0xc1000004, 0x3000, 0x3100));
	for (unsigned int bit = 25; bit < 29; bit++)
		T_OK(is_illegal(0xc0000004 | 1u << bit, 0x3000, 0x3100));
}

static void test_memory_move_of_no_bytes_is_illegal(void)
{
	T_OK(is_illegal(0xc0000000, 0x3000, 0x3100));
}

static void test_reserved_bits_and_counts_of_loadstore_are_illegal(void)
{
	T_OK(!is_illegal(0xe1340004, 0x3000, 0));
	T_OK(!is_illegal(0xe2340004, 0x3000, 0)); /* no flush */
	T_OK(is_illegal(0xe5340004, 0x3000, 0));
	T_OK(is_illegal(0xe9340004, 0x3000, 0));
	T_OK(is_illegal(0xe1340000, 0x3000, 0));
	for (uint32_t n = 5; n < 8; n++)
		T_OK(is_illegal(0xe1340000 | n, 0x3000, 0));
}

static void test_zero_opcode_is_skipped_by_one_dword(void)
{
	struct fake_bus *b = fake_bus_create();

	FAKE_PROG(b, PROG, 0, 0, 0, 0x98080000, 6);
	fake_go(b, PROG);
	T_EQ(fake_rd32(b, R(DSPS)), 6);
	fake_bus_destroy(b);
}

/* ---- text ------------------------------------------------------------ */

static const char *text_of(uint32_t w0, uint32_t w1, uint32_t w2, char *text, size_t len)
{
	const uint32_t insn[3] = {w0, w1, w2};

	(void)mp_lsi_disasm(insn, text, len);
	return text;
}

#define TEXT(w0, w1, w2) text_of((w0), (w1), (w2), text, sizeof(text))

static void test_text_names_the_instruction_and_its_operands(void)
{
	char text[96];

	T_STR_EQ(TEXT(0x11000000, 0x10, 0), "CHMOV FROM 0x000010, WHEN DATA_IN");
	T_STR_EQ(TEXT(0x0e000001, 0x2000, 0), "MOVE 1, 0x00002000, WHEN MSG_OUT");
	T_STR_EQ(TEXT(0x43000018, 0x100, 0), "SELECT ATN FROM 0x000018, 0x100");
	T_STR_EQ(TEXT(0x60000048, 0, 0), "CLEAR ACK ATN");
	T_STR_EQ(TEXT(0x721a0000, 0, 0), "MOVE CTEST2 | 0x00 TO SFBR");
	T_STR_EQ(TEXT(0x80000000, 0, 0), "NOP");
	T_STR_EQ(TEXT(0x870b0000, 0x44, 0), "JUMP 0x44, WHEN MSG_IN");
	T_STR_EQ(TEXT(0x98180000, 0, 0), "INTFLY 0x0");
	T_STR_EQ(TEXT(0x80480000, 0x44, 0x12), "JUMP64 0x44");
	T_STR_EQ(TEXT(0xa0000000, 1, 0), "ILLEGAL 0xa0000000 0x00000001");
	T_STR_EQ(TEXT(0xc0000004, 0x10, 0x20), "MOVE MEMORY 4, 0x00000010, 0x00000020");
	T_STR_EQ(TEXT(0xf1340004, 8, 0), "LOAD SCRATCHA, 4, DSA + 0x8");
}

static void test_text_of_any_word_fits_and_its_length_is_8_or_12(void)
{
	unsigned int n_wrong = 0;
	char text[96];

	for (uint32_t n = 0; n < 65536; n++) {
		const uint32_t insn[3] = {n << 16 | (n * 40503 & 0xffff), ~n, n};
		unsigned int len = mp_lsi_disasm(insn, text, sizeof(text));

		n_wrong += (len != 8 && len != 12) || strlen(text) < 3 || strlen(text) > 80;
	}
	T_EQ(n_wrong, 0);
}

T_MAIN(T_TEST(test_block_move_both_indirect_and_table_is_illegal),
       T_TEST(test_block_move_of_no_bytes_is_illegal),
       T_TEST(test_table_entry_with_a_selector_above_15_hex_is_illegal),
       T_TEST(test_atn_bit_of_other_io_instructions_is_illegal),
       T_TEST(test_every_register_instruction_is_legal),
       T_TEST(test_carry_beside_phase_or_data_is_illegal),
       T_TEST(test_bit_22_widens_jump_and_call_and_is_illegal_elsewhere),
       T_TEST(test_far_jump_not_taken_skips_its_third_dword),
       T_TEST(test_far_call_saves_the_address_behind_three_dwords),
       T_TEST(test_waiting_for_a_phase_as_a_target_is_illegal),
       T_TEST(test_transfer_opcodes_4_to_7_are_illegal),
       T_TEST(test_reserved_bits_of_memory_move_are_illegal),
       T_TEST(test_memory_move_of_no_bytes_is_illegal),
       T_TEST(test_reserved_bits_and_counts_of_loadstore_are_illegal),
       T_TEST(test_zero_opcode_is_skipped_by_one_dword),
       T_TEST(test_text_names_the_instruction_and_its_operands),
       T_TEST(test_text_of_any_word_fits_and_its_length_is_8_or_12))
