/* SPDX-License-Identifier: BSD-3-Clause */
/* Transfer control: tests, senses, targets, waiting. */
#include "tests/lib/fake_bus.h"
#include "tests/lib/t.h"

#define R(name) MP_LSI_R_##name
#define PROG    0x1000u
#define TARGET  0x2000u

/* Does "JUMP TARGET" with these condition bits jump? SFBR is 0x42, the latched phase @phase. */
static bool jumps(uint32_t insn, unsigned int phase, bool carry)
{
	struct fake_bus *b = fake_bus_create();
	uint32_t vector;

	b->st->reg[R(SFBR)] = 0x42;
	b->st->reg[R(SSTAT1)] = (uint8_t)phase;
	b->st->carry = carry;
	FAKE_PROG(b, PROG, 0x80000000 | insn, TARGET, 0x98080000, 1);
	FAKE_PROG(b, TARGET, 0x98080000, 2);
	fake_go(b, PROG);
	vector = fake_rd32(b, R(DSPS));
	fake_bus_destroy(b);
	return vector == 2;
}

static void test_no_test_jumps_by_its_sense(void)
{
	T_EQ(jumps(0x00080000, 0, 0), true);
	T_EQ(jumps(0x00000000, 0, 0), false);
}

static void test_phase_test_compares_the_latched_phase(void)
{
	T_EQ(jumps(0x030a0000, 3, 0), true);
	T_EQ(jumps(0x030a0000, 7, 0), false);
	T_EQ(jumps(0x03020000, 3, 0), false);
	T_EQ(jumps(0x03020000, 7, 0), true);
}

static void test_data_test_compares_sfbr_under_the_mask(void)
{
	T_EQ(jumps(0x000c0042, 0, 0), true);
	T_EQ(jumps(0x000c0043, 0, 0), false);
	T_EQ(jumps(0x000c0143, 0, 0), true);
	T_EQ(jumps(0x00040042, 0, 0), false);
	T_EQ(jumps(0x00040043, 0, 0), true);
}

static void test_both_tests_with_sense_1_need_both_true(void)
{
	T_EQ(jumps(0x030e0042, 3, 0), true);
	T_EQ(jumps(0x030e0042, 7, 0), false);
	T_EQ(jumps(0x030e0000, 3, 0), false);
	T_EQ(jumps(0x030e0000, 7, 0), false);
}

static void test_both_tests_with_sense_0_need_both_false(void)
{
	T_EQ(jumps(0x03060042, 3, 0), false);
	T_EQ(jumps(0x03060042, 7, 0), false);
	T_EQ(jumps(0x03060000, 3, 0), false);
	T_EQ(jumps(0x03060000, 7, 0), true);
}

static void test_carry_test_follows_the_carry(void)
{
	T_EQ(jumps(0x00280000, 0, 1), true);
	T_EQ(jumps(0x00280000, 0, 0), false);
	T_EQ(jumps(0x00200000, 0, 1), false);
	T_EQ(jumps(0x00200000, 0, 0), true);
}

static uint8_t dstat_after(uint32_t insn)
{
	struct fake_bus *b = fake_bus_create();
	uint8_t dstat;

	FAKE_PROG(b, PROG, insn, TARGET, 0x98080000, 1);
	fake_go(b, PROG);
	dstat = fake_rd8(b, R(DSTAT));
	fake_bus_destroy(b);
	return dstat;
}

static void test_carry_with_another_test_is_illegal(void)
{
	T_EQ(dstat_after(0x802a0000), DSTAT_DFE | DSTAT_IID);
	T_EQ(dstat_after(0x802c0000), DSTAT_DFE | DSTAT_IID);
}

static void test_reserved_opcodes_are_illegal(void)
{
	T_EQ(dstat_after(0xa0000000), DSTAT_DFE | DSTAT_IID);
	T_EQ(dstat_after(0xb8080000), DSTAT_DFE | DSTAT_IID);
}

static void test_relative_jump_counts_from_the_next_instruction(void)
{
	struct fake_bus *b = fake_bus_create();

	FAKE_PROG(b, PROG, 0x80880000, 8, 0x98080000, 1, 0x98080000, 2);
	fake_go(b, PROG);
	T_EQ(fake_rd32(b, R(DSPS)), 2);
	T_EQ(fake_rd32(b, R(ADDER)), PROG + 16);
	fake_bus_destroy(b);
}

static void test_relative_jump_goes_backwards(void)
{
	struct fake_bus *b = fake_bus_create();

	FAKE_PROG(b, PROG, 0x98080000, 3, 0x80880000, 0x00fffff0);
	fake_go(b, PROG + 8);
	T_EQ(fake_rd32(b, R(DSPS)), 3);
	fake_bus_destroy(b);
}

static void test_call_saves_and_return_restores_through_temp(void)
{
	struct fake_bus *b = fake_bus_create();

	FAKE_PROG(b, PROG, 0x88080000, TARGET, 0x98080000, 4);
	FAKE_PROG(b, TARGET, 0x90080000, 0);
	fake_go(b, PROG);
	T_EQ(fake_rd32(b, R(DSPS)), 4);
	T_EQ(fake_rd32(b, R(TEMP)), PROG + 8);
	fake_bus_destroy(b);
}

static void test_far_jump_loads_the_upper_half(void)
{
	struct fake_bus *b = fake_bus_create();

	FAKE_PROG(b, PROG, 0x80480000, 0x100, 0x12);
	mp_put_le32(b->high + 0x100, 0x98080000);
	mp_put_le32(b->high + 0x104, 8);
	fake_go(b, PROG);
	T_EQ(fake_rd32(b, R(DSPS)), 8);
	T_EQ(fake_rd32(b, R(SFS)), 0x12);
	fake_bus_destroy(b);
}

static void test_wait_on_a_free_bus_parks(void)
{
	struct fake_bus *b = fake_bus_create();

	FAKE_PROG(b, PROG, 0x870b0000, TARGET);
	fake_go(b, PROG);
	T_EQ(fake_rd8(b, R(ISTAT1)), ISTAT1_SRUN);
	T_EQ(mp_lsi_run(&b->chip, 10), 0);
	T_EQ(fake_rd32(b, R(DSP)), PROG + 8);
	fake_bus_destroy(b);
}

static void test_fetch_from_nowhere_is_a_bus_fault(void)
{
	struct fake_bus *b = fake_bus_create();

	fake_go(b, 0xffff0000);
	T_EQ(fake_rd8(b, R(DSTAT)), DSTAT_DFE | DSTAT_BF);
	T_EQ(fake_rd32(b, R(DSP)), 0xffff0000);
	fake_bus_destroy(b);
}

static void test_fetch_ignores_the_low_bits_of_dsp(void)
{
	struct fake_bus *b = fake_bus_create();

	FAKE_PROG(b, PROG, 0x98080000, 5);
	fake_go(b, PROG + 3);
	T_EQ(fake_rd32(b, R(DSPS)), 5);
	fake_bus_destroy(b);
}

static void test_instruction_across_a_page_is_fetched_whole(void)
{
	struct fake_bus *b = fake_bus_create();

	FAKE_PROG(b, 0x1ffc, 0x98080000, 0x1234);
	fake_go(b, 0x1ffc);
	T_EQ(fake_rd32(b, R(DSPS)), 0x1234);
	fake_bus_destroy(b);
}

static void test_unaligned_start_through_2d_starts_once_at_2f(void)
{
	struct fake_bus *b = fake_bus_create();

	FAKE_PROG(b, 0x1100, 0x98080000, 0x99);
	fake_wr32(b, R(DSP) + 1, 0x42000011);
	T_EQ(fake_rd8(b, R(DSPS)), 0x42);
	fake_run(b);
	T_EQ(fake_rd32(b, R(DSPS)), 0x99);
	fake_bus_destroy(b);
}

T_MAIN(T_TEST(test_no_test_jumps_by_its_sense), T_TEST(test_phase_test_compares_the_latched_phase),
       T_TEST(test_data_test_compares_sfbr_under_the_mask),
       T_TEST(test_both_tests_with_sense_1_need_both_true),
       T_TEST(test_both_tests_with_sense_0_need_both_false),
       T_TEST(test_carry_test_follows_the_carry), T_TEST(test_carry_with_another_test_is_illegal),
       T_TEST(test_reserved_opcodes_are_illegal),
       T_TEST(test_relative_jump_counts_from_the_next_instruction),
       T_TEST(test_relative_jump_goes_backwards),
       T_TEST(test_call_saves_and_return_restores_through_temp),
       T_TEST(test_far_jump_loads_the_upper_half), T_TEST(test_wait_on_a_free_bus_parks),
       T_TEST(test_fetch_from_nowhere_is_a_bus_fault),
       T_TEST(test_fetch_ignores_the_low_bits_of_dsp),
       T_TEST(test_instruction_across_a_page_is_fetched_whole),
       T_TEST(test_unaligned_start_through_2d_starts_once_at_2f))
