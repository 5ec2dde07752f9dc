/* SPDX-License-Identifier: BSD-3-Clause */
/* LOAD, STORE and memory moves. */
#include "tests/lib/fake_bus.h"
#include "tests/lib/t.h"

#define R(name) MP_LSI_R_##name
#define PROG    0x1000u
#define HOST    0x2000u
#define STOP(v) 0x98080000u, (v)

static void test_snoop_test_of_the_drivers_passes(void)
{
	struct fake_bus *b = fake_bus_create();

	FAKE_PROG(b, PROG, 0xf1340004, 4, 0xf01c0004, 4, 0xf11c0004, 4, STOP(99));
	fake_put32(b, HOST + 4, 1);
	fake_wr8(b, R(CTEST4), 0x08);
	fake_wr32(b, R(TEMP), 2);
	fake_wr32(b, R(DSA), HOST);
	fake_go(b, PROG);
	T_EQ(fake_rd8(b, R(DSTAT)), DSTAT_DFE | DSTAT_SIR);
	T_EQ(fake_rd32(b, R(DSP)), PROG + 32);
	T_EQ(fake_get32(b, HOST + 4), 2);
	T_EQ(fake_rd32(b, R(SCRATCHA)), 1);
	T_EQ(fake_rd32(b, R(TEMP)), 2);
	fake_bus_destroy(b);
}

static void test_snoop_test_by_memory_moves_through_bar1_passes(void)
{
	struct fake_bus *b = fake_bus_create();

	FAKE_PROG(b, PROG, 0xc0000004, HOST, FAKE_REGS + R(SCRATCHA), 0xc0000004,
		  FAKE_REGS + R(TEMP), HOST, 0xc0000004, HOST, FAKE_REGS + R(TEMP), STOP(99));
	fake_put32(b, HOST, 1);
	fake_wr32(b, R(TEMP), 2);
	fake_go(b, PROG);
	T_EQ(fake_rd8(b, R(DSTAT)), DSTAT_DFE | DSTAT_SIR);
	T_EQ(fake_get32(b, HOST), 2);
	T_EQ(fake_rd32(b, R(SCRATCHA)), 1);
	T_EQ(fake_rd32(b, R(TEMP)), 2);
	fake_bus_destroy(b);
}

static void test_loading_dsa_relative_to_dsa_uses_the_old_base(void)
{
	struct fake_bus *b = fake_bus_create();

	FAKE_PROG(b, PROG, 0xf1100004, 0x00fffffc, STOP(0));
	fake_put32(b, HOST - 4, 0x5000);
	fake_wr32(b, R(DSA), HOST);
	fake_go(b, PROG);
	T_EQ(fake_rd32(b, R(DSA)), 0x5000);
	fake_bus_destroy(b);
}

static void test_single_bytes_keep_their_neighbours(void)
{
	struct fake_bus *b = fake_bus_create();

	FAKE_PROG(b, PROG, 0xe1350001, HOST + 1, 0xe0360002, HOST + 6, STOP(0));
	fake_put32(b, HOST, 0x0000aa00);
	fake_wr32(b, R(SCRATCHA), 0x44332211);
	fake_go(b, PROG);
	T_EQ(fake_rd32(b, R(SCRATCHA)), 0x4433aa11);
	T_EQ(fake_get32(b, HOST + 4), 0x44330000);
	T_EQ(b->written_addr, HOST + 6);
	T_EQ(b->written_len, 2);
	fake_bus_destroy(b);
}

static uint8_t dstat_after(uint32_t insn, uint32_t operand)
{
	struct fake_bus *b = fake_bus_create();
	uint8_t dstat;

	FAKE_PROG(b, PROG, insn, operand, 0x2000, STOP(0));
	fake_go(b, PROG);
	dstat = fake_rd8(b, R(DSTAT)) & (uint8_t)~DSTAT_DFE;
	fake_bus_destroy(b);
	return dstat;
}

static void test_counts_that_cross_a_dword_are_illegal(void)
{
	T_EQ(dstat_after(0xe1340000, HOST), DSTAT_IID);
	T_EQ(dstat_after(0xe1340005, HOST), DSTAT_IID);
	T_EQ(dstat_after(0xe1350004, HOST + 1), DSTAT_IID);
}

static void test_register_and_memory_must_agree_in_low_bits(void)
{
	T_EQ(dstat_after(0xe1340001, HOST + 1), DSTAT_IID);
}

static void test_loadstore_of_own_registers_is_illegal(void)
{
	T_EQ(dstat_after(0xe1340004, FAKE_REGS + R(TEMP)), DSTAT_IID);
}

static void test_loadstore_of_nothing_is_a_bus_fault(void)
{
	T_EQ(dstat_after(0xe1340004, 0xe0000000), DSTAT_BF);
	T_EQ(dstat_after(0xe0340004, 0xe0000000), DSTAT_BF);
}

static void test_memory_move_operands_must_agree_in_low_bits(void)
{
	T_EQ(dstat_after(0xc0000004, HOST + 1), DSTAT_IID);
	T_EQ(dstat_after(0xc0000000, HOST), DSTAT_IID);
	T_EQ(dstat_after(0xc2000004, HOST), DSTAT_IID);
}

static void test_store_to_own_ram_stays_inside(void)
{
	struct fake_bus *b = fake_bus_create();

	FAKE_PROG(b, PROG, 0xe0340004, FAKE_RAM + 0x100, STOP(0));
	fake_wr32(b, R(SCRATCHA), 0xfeedface);
	fake_go(b, PROG);
	T_EQ(mp_lsi_ram_read(&b->chip, 0x100, 4), 0xfeedface);
	T_EQ(b->written_len, 0);
	fake_bus_destroy(b);
}

static void test_ram_moves_with_its_bar(void)
{
	struct fake_bus *b = fake_bus_create();

	mp_lsi_set_bar(&b->chip, MP_LSI_BAR_RAM, 0x80000000);
	FAKE_PROG(b, PROG, 0xe0340004, 0x80000010, STOP(0));
	fake_wr32(b, R(SCRATCHA), 7);
	fake_go(b, PROG);
	T_EQ(mp_lsi_ram_read(&b->chip, 0x10, 4), 7);
	fake_bus_destroy(b);
}

static void test_upper_halves_select_high_memory(void)
{
	struct fake_bus *b = fake_bus_create();

	FAKE_PROG(b, PROG, 0xe1340004, 0x40, 0xe0340004, 0x80, STOP(0));
	mp_put_le32(b->high + 0x40, 0x600d600d);
	fake_wr32(b, R(MMRS), 0x12);
	fake_wr32(b, R(MMWS), 0x12);
	fake_go(b, PROG);
	T_EQ(mp_get_le32(b->high + 0x80), 0x600d600d);
	fake_bus_destroy(b);
}

static void test_ddac_forces_upper_halves_to_zero(void)
{
	struct fake_bus *b = fake_bus_create();

	FAKE_PROG(b, PROG, 0xe1340004, HOST, STOP(0));
	fake_put32(b, HOST, 3);
	fake_wr32(b, R(MMRS), 0x12);
	fake_wr8(b, R(CCNTL1), CCNTL1_DDAC);
	fake_go(b, PROG);
	T_EQ(fake_rd32(b, R(SCRATCHA)), 3);
	fake_bus_destroy(b);
}

static void test_memory_move_copies_across_pages_and_keeps_temp(void)
{
	struct fake_bus *b = fake_bus_create();

	for (unsigned int i = 0; i < 10000; i++)
		b->mem[0x10001 + i] = (uint8_t)(i * 3);
	fake_wr32(b, R(TEMP), 0x1234);
	FAKE_PROG(b, PROG, 0xc0002710, 0x10001, 0x20f01, STOP(0));
	fake_go(b, PROG);
	T_MEM_EQ(b->mem + 0x10001, b->mem + 0x20f01, 10000);
	T_EQ(fake_rd32(b, R(TEMP)), 0x1234);
	T_EQ(fake_rd32(b, R(DNAD)), 0x10001 + 10000);
	fake_bus_destroy(b);
}

static void test_overlapping_memory_move_repeats_the_source(void)
{
	struct fake_bus *b = fake_bus_create();

	fake_put32(b, HOST, 0x04030201);
	FAKE_PROG(b, PROG, 0xc0000010, HOST, HOST + 4, STOP(0));
	fake_go(b, PROG);
	T_EQ(fake_get32(b, HOST + 16), 0x04030201);
	fake_bus_destroy(b);
}

static void test_long_memory_move_yields_between_pieces(void)
{
	struct fake_bus *b = fake_bus_create();

	FAKE_PROG(b, PROG, 0xc0200000, 0x10000, 0x210000 - 0x10000, STOP(0));
	fake_wr32(b, R(DSP), PROG);
	T_OK(mp_lsi_run(&b->chip, 1) > 0);
	T_EQ(mp_lsi_runnable(&b->chip), true);
	T_EQ(b->st->unfinished, 1);
	fake_run(b);
	T_EQ(fake_rd8(b, R(DSTAT)), DSTAT_DFE | DSTAT_SIR);
	fake_bus_destroy(b);
}

static void test_memory_move_may_abort_and_restart_its_own_chip(void)
{
	struct fake_bus *b = fake_bus_create();

	/* ISTAT0 = ABRT, and further on DSP = the same program: no recursion, no second turn. */
	FAKE_PROG(b, FAKE_RAM, 0xc0000024, FAKE_RAM + 0x100, FAKE_REGS + R(ISTAT0), STOP(0));
	FAKE_PROG(b, FAKE_RAM + 0x100, ISTAT0_ABRT, 0, 0, 0, 0, 0, FAKE_RAM, 0, 0);
	fake_wr32(b, R(DSP), FAKE_RAM);
	T_OK(mp_lsi_run(&b->chip, 1000) < 1000);
	T_EQ(fake_rd8(b, R(DSTAT)), DSTAT_DFE | DSTAT_ABRT);
	fake_bus_destroy(b);
}

static void test_memory_move_reset_of_its_own_chip_ends_it(void)
{
	struct fake_bus *b = fake_bus_create();

	FAKE_PROG(b, PROG, 0xc0000008, HOST, FAKE_REGS + R(ISTAT0), STOP(0));
	fake_put32(b, HOST, ISTAT0_SRST);
	fake_put32(b, HOST + 4, 0xffffffff);
	fake_wr32(b, R(DSP), PROG);
	mp_lsi_run(&b->chip, 1000);
	T_EQ(mp_lsi_runnable(&b->chip), false);
	T_EQ(fake_rd8(b, R(DSTAT)), DSTAT_DFE);
	fake_bus_destroy(b);
}

static void test_port_space_moves_reach_own_registers_only(void)
{
	struct fake_bus *b = fake_bus_create();

	fake_wr8(b, R(DMODE), DMODE_DIOM);
	FAKE_PROG(b, PROG, 0xc0000004, HOST, FAKE_IO + R(SCRATCHA), 0xc0000004, HOST, HOST + 64,
		  STOP(0));
	fake_put32(b, HOST, 0x11223344);
	fake_go(b, PROG);
	T_EQ(fake_rd32(b, R(SCRATCHA)), 0x11223344);
	T_EQ(fake_rd8(b, R(DSTAT)), DSTAT_DFE | DSTAT_BF);
	fake_bus_destroy(b);
}

static void test_store_sees_register_read_effects(void)
{
	struct fake_bus *b = fake_bus_create();

	FAKE_PROG(b, PROG, 0xe01a0001, HOST + 2, STOP(0));
	fake_wr8(b, R(ISTAT0), ISTAT0_SIGP);
	fake_go(b, PROG);
	T_EQ(fake_get32(b, HOST), 0x00710000);
	T_EQ(fake_rd8(b, R(ISTAT0)) & ISTAT0_SIGP, 0);
	fake_bus_destroy(b);
}

T_MAIN(T_TEST(test_snoop_test_of_the_drivers_passes),
       T_TEST(test_snoop_test_by_memory_moves_through_bar1_passes),
       T_TEST(test_loading_dsa_relative_to_dsa_uses_the_old_base),
       T_TEST(test_single_bytes_keep_their_neighbours),
       T_TEST(test_counts_that_cross_a_dword_are_illegal),
       T_TEST(test_register_and_memory_must_agree_in_low_bits),
       T_TEST(test_loadstore_of_own_registers_is_illegal),
       T_TEST(test_loadstore_of_nothing_is_a_bus_fault),
       T_TEST(test_memory_move_operands_must_agree_in_low_bits),
       T_TEST(test_store_to_own_ram_stays_inside), T_TEST(test_ram_moves_with_its_bar),
       T_TEST(test_upper_halves_select_high_memory), T_TEST(test_ddac_forces_upper_halves_to_zero),
       T_TEST(test_memory_move_copies_across_pages_and_keeps_temp),
       T_TEST(test_overlapping_memory_move_repeats_the_source),
       T_TEST(test_long_memory_move_yields_between_pieces),
       T_TEST(test_memory_move_may_abort_and_restart_its_own_chip),
       T_TEST(test_memory_move_reset_of_its_own_chip_ends_it),
       T_TEST(test_port_space_moves_reach_own_registers_only),
       T_TEST(test_store_sees_register_read_effects))
