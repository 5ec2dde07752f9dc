/* SPDX-License-Identifier: BSD-3-Clause */
/* The register file: reset values, masks, read and write effects, the shadow. */
#include "tests/lib/fake_bus.h"
#include "tests/lib/t.h"

#include <errno.h>

#define R(name) MP_LSI_R_##name

static void test_register_0c_dword_is_not_all_ones_after_writing_ones(void)
{
	struct fake_bus *b = fake_bus_create();

	fake_wr32(b, R(DSTAT), 0xffffffff);
	T_EQ(fake_rd32(b, R(DSTAT)), 0x02000080);
	fake_bus_destroy(b);
}

static void test_reset_values_are_the_manuals(void)
{
	struct fake_bus *b = fake_bus_create();

	T_EQ(fake_rd8(b, R(SCNTL0)), 0xc0);
	T_EQ(fake_rd8(b, R(DSTAT)), 0x80);
	T_EQ(fake_rd8(b, R(SSTAT2)), 0x02);
	T_EQ(fake_rd8(b, R(CTEST0)), 0xff);
	T_EQ(fake_rd8(b, R(DCMD)), 0x40);
	T_EQ(fake_rd8(b, R(GPCNTL)), 0x0f);
	T_EQ(fake_rd8(b, R(STEST0)), 0x03);
	T_EQ(fake_rd8(b, R(STEST4)), 0xe0);
	fake_bus_destroy(b);
}

static void test_software_reset_restores_all_but_com_and_ram(void)
{
	struct fake_bus *b = fake_bus_create();

	fake_wr8(b, R(SCNTL3), 0x55);
	fake_wr32(b, R(SCRATCHA), 0x12345678);
	fake_wr8(b, R(DCNTL), 0x81);
	mp_lsi_ram_write(&b->chip, 0x1ff0, 4, 0xcafef00d);
	fake_wr8(b, R(ISTAT0), ISTAT0_SRST);
	T_EQ(fake_rd8(b, R(ISTAT0)), 0);
	T_EQ(fake_rd8(b, R(SCNTL3)), 0);
	T_EQ(fake_rd32(b, R(SCRATCHA)), 0);
	T_EQ(fake_rd8(b, R(DCNTL)), DCNTL_COM);
	T_EQ(mp_lsi_ram_read(&b->chip, 0x1ff0, 4), 0xcafef00d);
	T_EQ(b->tm[0].tm, MP_LSI_TM_CANCEL_ALL);
	fake_bus_destroy(b);
}

static void test_pci_reset_clears_com_too_and_keeps_ram(void)
{
	struct fake_bus *b = fake_bus_create();

	fake_wr8(b, R(DCNTL), DCNTL_COM);
	mp_lsi_ram_write(&b->chip, 8, 8, 0x1122334455667788);
	mp_lsi_reset(&b->chip);
	T_EQ(fake_rd8(b, R(DCNTL)), 0);
	T_EQ(mp_lsi_ram_read(&b->chip, 8, 8), 0x1122334455667788);
	fake_bus_destroy(b);
}

static void test_ram_is_zero_at_power_on(void)
{
	struct fake_bus *b = fake_bus_create();

	T_EQ(mp_lsi_ram_read(&b->chip, 0x1ff0, 4), 0);
	fake_bus_destroy(b);
}

static void test_reserved_bytes_read_zero(void)
{
	struct fake_bus *b = fake_bus_create();

	fake_wr32(b, 0xe0, 0xffffffff);
	T_EQ(fake_rd32(b, 0xe0), 0);
	fake_wr8(b, 0x53, 0xff);
	T_EQ(fake_rd8(b, 0x53), 0);
	fake_bus_destroy(b);
}

static void test_unaligned_dword_is_four_ascending_bytes(void)
{
	struct fake_bus *b = fake_bus_create();

	fake_wr32(b, R(SCRATCHB) + 2, 0x44332211);
	T_EQ(fake_rd32(b, R(SCRATCHB)), 0x22110000);
	T_EQ(fake_rd32(b, R(SCRATCHC)), 0x00004433);
	T_EQ(fake_rd32(b, R(SCRATCHB) + 2), 0x44332211);
	fake_bus_destroy(b);
}

static void test_fifo_clear_bits_read_back_zero(void)
{
	struct fake_bus *b = fake_bus_create();

	fake_wr8(b, R(CTEST3), 0x0f);
	T_EQ(fake_rd8(b, R(CTEST3)), 0x03);
	fake_wr8(b, R(STEST3), 0x82);
	T_EQ(fake_rd8(b, R(STEST3)), 0x80);
	fake_bus_destroy(b);
}

static void test_start_bits_of_dcntl_read_back_zero(void)
{
	struct fake_bus *b = fake_bus_create();

	fake_wr8(b, R(DMODE), DMODE_MAN);
	fake_wr8(b, R(DCNTL), 0x61);
	T_EQ(fake_rd8(b, R(DCNTL)), 0x21);
	fake_bus_destroy(b);
}

static void test_wide_residue_bits_clear_when_written_one(void)
{
	struct fake_bus *b = fake_bus_create();

	b->st->reg[R(SCNTL2)] = SCNTL2_SDU | SCNTL2_WSS | SCNTL2_WSR;
	fake_wr8(b, R(SCNTL2), 0x09);
	T_EQ(fake_rd8(b, R(SCNTL2)), 0);
	fake_bus_destroy(b);
}

static void test_wide_residue_bits_stay_when_written_zero(void)
{
	struct fake_bus *b = fake_bus_create();

	b->st->reg[R(SCNTL2)] = SCNTL2_WSS | SCNTL2_WSR;
	fake_wr8(b, R(SCNTL2), 0x80);
	T_EQ(fake_rd8(b, R(SCNTL2)), SCNTL2_SDU | SCNTL2_WSS | SCNTL2_WSR);
	fake_bus_destroy(b);
}

static void test_reading_ctest2_shows_and_clears_sigp(void)
{
	struct fake_bus *b = fake_bus_create();

	fake_wr8(b, R(ISTAT0), ISTAT0_SIGP);
	T_EQ(fake_rd8(b, R(CTEST2)), 0x71);
	T_EQ(fake_rd8(b, R(ISTAT0)), 0);
	T_EQ(fake_rd8(b, R(CTEST2)), 0x31);
	fake_bus_destroy(b);
}

static void test_istat0_write_sets_and_clears_sigp_and_sem(void)
{
	struct fake_bus *b = fake_bus_create();

	fake_wr8(b, R(ISTAT0), ISTAT0_SIGP | ISTAT0_SEM);
	T_EQ(fake_rd8(b, R(ISTAT0)), ISTAT0_SIGP | ISTAT0_SEM);
	fake_wr8(b, R(ISTAT0), ISTAT0_SEM);
	T_EQ(fake_rd8(b, R(ISTAT0)), ISTAT0_SEM);
	fake_bus_destroy(b);
}

static void test_cpu_cannot_write_sfbr(void)
{
	struct fake_bus *b = fake_bus_create();

	fake_wr8(b, R(SFBR), 0xaa);
	T_EQ(fake_rd8(b, R(SFBR)), 0);
	fake_bus_destroy(b);
}

static void test_gpio_inputs_read_pulled_up_and_outputs_the_latch(void)
{
	struct fake_bus *b = fake_bus_create();

	/* A 24C16 that isn't there: data is an input and reads 1, no acknowledge. */
	fake_wr8(b, R(GPCNTL), 0x1d);
	fake_wr8(b, R(GPREG), 0x00);
	T_EQ(fake_rd8(b, R(GPREG)) & 0x03, 0x01);
	fake_wr8(b, R(GPREG), 0x02);
	T_EQ(fake_rd8(b, R(GPREG)) & 0x03, 0x03);
	fake_bus_destroy(b);
}

static void test_bus_reset_check_sees_a_quiet_bus_in_reset(void)
{
	struct fake_bus *b = fake_bus_create();

	fake_wr8(b, R(SCNTL1), SCNTL1_RST);
	T_EQ(fake_rd8(b, R(SSTAT0)), SSTAT0_RST);
	T_EQ(fake_rd8(b, R(SSTAT2)), SSTAT2_LDSC);
	T_EQ(mp_lsi_read(&b->chip, R(SBDL), 2), 0);
	T_EQ(fake_rd8(b, R(SBCL)), 0);
	fake_wr8(b, R(SCNTL1), 0);
	T_EQ(fake_rd8(b, R(SSTAT0)), 0);
	fake_bus_destroy(b);
}

static void test_pcicie_shows_the_bars_in_scratch_registers(void)
{
	struct fake_bus *b = fake_bus_create();

	fake_wr32(b, R(SCRATCHA), 1);
	fake_wr32(b, R(SCRATCHB), 2);
	fake_wr8(b, R(CTEST2), CTEST2_PCICIE);
	T_EQ(fake_rd32(b, R(SCRATCHA)), FAKE_REGS);
	T_EQ(fake_rd32(b, R(SCRATCHB)), FAKE_RAM);
	fake_wr8(b, R(CTEST2), 0);
	T_EQ(fake_rd32(b, R(SCRATCHA)), 1);
	T_EQ(fake_rd32(b, R(SCRATCHB)), 2);
	fake_bus_destroy(b);
}

static void test_only_the_six_reads_with_effects_are_not_shadowable(void)
{
	T_EQ(mp_lsi_shadowable[0], ~(1ull << 0x0c | 1ull << 0x1a | 1ull << 0x23));
	T_EQ(mp_lsi_shadowable[1], ~(1ull << 0x02 | 1ull << 0x03 | 1ull << 0x14));
	T_EQ(mp_lsi_shadowable[2], ~0ull);
	T_EQ(mp_lsi_shadowable[3], ~0ull);
}

static void test_shadow_is_what_a_read_returns(void)
{
	struct fake_bus *b = fake_bus_create();

	fake_wr8(b, R(ISTAT0), ISTAT0_SIGP);
	T_EQ(mp_lsi_shadow(&b->chip)[2] >> 32 & 0xff, ISTAT0_SIGP);
	fake_wr32(b, R(SCRATCHR), 0x01020304);
	T_EQ(mp_lsi_shadow(&b->chip)[19] >> 32, 0x01020304);
	fake_bus_destroy(b);
}

static void test_attach_continues_its_own_state(void)
{
	struct fake_bus *b = fake_bus_create();

	fake_wr8(b, R(MBOX0), 0x5a);
	T_EQ(mp_lsi_attach(&b->chip, b->st, b->chip.ops, b), 1);
	T_EQ(fake_rd8(b, R(MBOX0)), 0x5a);
	fake_bus_destroy(b);
}

static void test_attach_refuses_a_foreign_state(void)
{
	struct fake_bus *b = fake_bus_create();

	b->st->version++;
	T_EQ(mp_lsi_attach(&b->chip, b->st, b->chip.ops, b), -EPROTO);
	fake_bus_destroy(b);
}

static void test_attach_refuses_an_index_out_of_range(void)
{
	struct fake_bus *b = fake_bus_create();

	b->st->nexus.conn = MP_LSI_SELECTED;
	b->st->nexus.task = 4000;
	T_EQ(mp_lsi_attach(&b->chip, b->st, b->chip.ops, b), -EPROTO);
	fake_bus_destroy(b);
}

static void test_attach_refuses_a_ready_queue_with_an_index_twice(void)
{
	struct fake_bus *b = fake_bus_create();

	b->st->task[3].queued = 1;
	b->st->task[4].queued = 1;
	b->st->ready[0] = 3;
	b->st->ready[1] = 3;
	b->st->n_ready = 2;
	T_EQ(mp_lsi_attach(&b->chip, b->st, b->chip.ops, b), -EPROTO);
	fake_bus_destroy(b);
}

static void test_attach_refuses_a_task_of_target_200(void)
{
	struct fake_bus *b = fake_bus_create();

	b->st->task[0].key = 200u << 24;
	T_EQ(mp_lsi_attach(&b->chip, b->st, b->chip.ops, b), -EPROTO);
	fake_bus_destroy(b);
}

static void test_state_left_inside_a_call_becomes_a_bus_reset(void)
{
	struct fake_bus *b = fake_bus_create();

	(void)mp_lsi_enter(b->st);
	T_EQ(mp_lsi_attach(&b->chip, b->st, b->chip.ops, b), 2);
	T_EQ(fake_rd8(b, R(SIST0)), SIST0_RST);
	T_EQ(b->tm[0].tm, MP_LSI_TM_BUS_RESET);
	fake_bus_destroy(b);
}

T_MAIN(T_TEST(test_register_0c_dword_is_not_all_ones_after_writing_ones),
       T_TEST(test_reset_values_are_the_manuals),
       T_TEST(test_software_reset_restores_all_but_com_and_ram),
       T_TEST(test_pci_reset_clears_com_too_and_keeps_ram), T_TEST(test_ram_is_zero_at_power_on),
       T_TEST(test_reserved_bytes_read_zero), T_TEST(test_unaligned_dword_is_four_ascending_bytes),
       T_TEST(test_fifo_clear_bits_read_back_zero), T_TEST(test_start_bits_of_dcntl_read_back_zero),
       T_TEST(test_wide_residue_bits_clear_when_written_one),
       T_TEST(test_wide_residue_bits_stay_when_written_zero),
       T_TEST(test_reading_ctest2_shows_and_clears_sigp),
       T_TEST(test_istat0_write_sets_and_clears_sigp_and_sem), T_TEST(test_cpu_cannot_write_sfbr),
       T_TEST(test_gpio_inputs_read_pulled_up_and_outputs_the_latch),
       T_TEST(test_bus_reset_check_sees_a_quiet_bus_in_reset),
       T_TEST(test_pcicie_shows_the_bars_in_scratch_registers),
       T_TEST(test_only_the_six_reads_with_effects_are_not_shadowable),
       T_TEST(test_shadow_is_what_a_read_returns), T_TEST(test_attach_continues_its_own_state),
       T_TEST(test_attach_refuses_a_foreign_state),
       T_TEST(test_attach_refuses_an_index_out_of_range),
       T_TEST(test_attach_refuses_a_ready_queue_with_an_index_twice),
       T_TEST(test_attach_refuses_a_task_of_target_200),
       T_TEST(test_state_left_inside_a_call_becomes_a_bus_reset))
