/* SPDX-License-Identifier: BSD-3-Clause */
/* Register read/write instructions: operators, carry, read effects. */
#include "tests/lib/fake_bus.h"
#include "tests/lib/t.h"

#define R(name) MP_LSI_R_##name
#define PROG    0x1000u
#define STOP    0x98080000u, 0
#define SET_C   0x58000400u, 0
#define CLR_C   0x60000400u, 0

/* Run "SCRATCHA = value; carry = c; SCRATCHA op data -> SCRATCHA". */
static void run_rmw(struct fake_bus *b, unsigned int op, uint8_t value, uint8_t data, bool c)
{
	fake_wr8(b, R(SCRATCHA), value);
	FAKE_PROG(b, PROG, c ? 0x58000400u : 0x60000400u, 0,
		  0x78000000u | op << 24 | (uint32_t)R(SCRATCHA) << 16 | (uint32_t)data << 8, 0,
		  STOP);
	fake_go(b, PROG);
	(void)fake_rd8(b, R(DSTAT));
}

#define EXPECT_RMW(op, value, data, c, result, carry_after)                                        \
	do {                                                                                       \
		struct fake_bus *b = fake_bus_create();                                            \
                                                                                                   \
		run_rmw(b, op, value, data, c);                                                    \
		T_EQ(fake_rd8(b, R(SCRATCHA)), result);                                            \
		T_EQ(b->st->carry, carry_after);                                                   \
		fake_bus_destroy(b);                                                               \
	} while (0)

static void test_shl_moves_bit_7_to_carry(void)
{
	EXPECT_RMW(1, 0x80, 0, 0, 0x00, 1);
}

static void test_shl_takes_carry_into_bit_0(void)
{
	EXPECT_RMW(1, 0x01, 0, 1, 0x03, 0);
}

static void test_shr_moves_bit_0_to_carry(void)
{
	EXPECT_RMW(5, 0x01, 0, 0, 0x00, 1);
}

static void test_shr_takes_carry_into_bit_7(void)
{
	EXPECT_RMW(5, 0x00, 0, 1, 0x80, 0);
}

static void test_add_carries_out_and_ignores_carry_in(void)
{
	EXPECT_RMW(6, 0xff, 0x01, 0, 0x00, 1);
	EXPECT_RMW(6, 0x01, 0x01, 1, 0x02, 0);
}

static void test_addc_adds_the_carry(void)
{
	EXPECT_RMW(7, 0xff, 0x00, 1, 0x00, 1);
	EXPECT_RMW(7, 0xff, 0xff, 1, 0xff, 1);
	EXPECT_RMW(7, 0xff, 0xff, 0, 0xfe, 1);
}

static void test_logic_leaves_the_carry(void)
{
	EXPECT_RMW(2, 0x0f, 0x30, 1, 0x3f, 1);
	EXPECT_RMW(3, 0x0f, 0x3c, 1, 0x33, 1);
	EXPECT_RMW(4, 0x0f, 0x3c, 1, 0x0c, 1);
	EXPECT_RMW(0, 0x0f, 0x3c, 1, 0x3c, 1);
}

static void test_sfbr_can_be_the_operand_of_read_modify_write(void)
{
	struct fake_bus *b = fake_bus_create();

	/* SFBR = 0x21; SCRATCHA+1 |= SFBR */
	fake_wr32(b, R(SCRATCHA), 0x00000800);
	FAKE_PROG(b, PROG, 0x78082100, 0, 0x7ab50000, 0, STOP);
	fake_go(b, PROG);
	T_EQ(fake_rd32(b, R(SCRATCHA)), 0x00002900);
	fake_bus_destroy(b);
}

static void test_bit_7_of_the_instruction_reaches_the_upper_registers(void)
{
	struct fake_bus *b = fake_bus_create();

	/* CSBC is DC: address bits 6:0 = 5C, A7 in bit 7. */
	FAKE_PROG(b, PROG, 0x785c4280, 0, STOP);
	fake_go(b, PROG);
	T_EQ(fake_rd32(b, R(CSBC)), 0x42);
	fake_bus_destroy(b);
}

static void test_reading_ctest2_copies_and_clears_sigp(void)
{
	struct fake_bus *b = fake_bus_create();

	fake_wr8(b, R(ISTAT0), ISTAT0_SIGP);
	FAKE_PROG(b, PROG, 0x721a0000, 0, STOP);
	fake_go(b, PROG);
	T_EQ(fake_rd8(b, R(SFBR)) & 0x40, 0x40);
	T_EQ(fake_rd8(b, R(ISTAT0)) & ISTAT0_SIGP, 0);
	fake_bus_destroy(b);
}

static void test_move_to_a_register_does_not_read_it(void)
{
	struct fake_bus *b = fake_bus_create();

	fake_wr8(b, R(ISTAT0), ISTAT0_SIGP);
	FAKE_PROG(b, PROG, 0x781a0000, 0, STOP);
	fake_go(b, PROG);
	T_EQ(fake_rd8(b, R(ISTAT0)) & ISTAT0_SIGP, ISTAT0_SIGP);
	fake_bus_destroy(b);
}

static void test_carry_survives_an_interrupt(void)
{
	struct fake_bus *b = fake_bus_create();

	FAKE_PROG(b, PROG, SET_C, STOP, 0x98280000, 9, STOP);
	fake_go(b, PROG);
	fake_wr8(b, R(DCNTL), DCNTL_STD);
	fake_run(b);
	T_EQ(fake_rd32(b, R(DSPS)), 9);
	fake_bus_destroy(b);
}

static void test_writing_own_dsp_goes_on_there(void)
{
	struct fake_bus *b = fake_bus_create();

	FAKE_PROG(b, PROG, 0x782d2000, 0, STOP);
	FAKE_PROG(b, 0x2008, 0x98080000, 6);
	fake_go(b, PROG);
	T_EQ(fake_rd32(b, R(DSPS)), 6);
	fake_bus_destroy(b);
}

T_MAIN(T_TEST(test_shl_moves_bit_7_to_carry), T_TEST(test_shl_takes_carry_into_bit_0),
       T_TEST(test_shr_moves_bit_0_to_carry), T_TEST(test_shr_takes_carry_into_bit_7),
       T_TEST(test_add_carries_out_and_ignores_carry_in), T_TEST(test_addc_adds_the_carry),
       T_TEST(test_logic_leaves_the_carry),
       T_TEST(test_sfbr_can_be_the_operand_of_read_modify_write),
       T_TEST(test_bit_7_of_the_instruction_reaches_the_upper_registers),
       T_TEST(test_reading_ctest2_copies_and_clears_sigp),
       T_TEST(test_move_to_a_register_does_not_read_it), T_TEST(test_carry_survives_an_interrupt),
       T_TEST(test_writing_own_dsp_goes_on_there))
