/* SPDX-License-Identifier: BSD-3-Clause */
/* Events, masks, the second level, and the line. */
#include "tests/lib/fake_bus.h"
#include "tests/lib/t.h"

#define R(name) MP_LSI_R_##name
#define PROG    0x1000u

static void test_abort_of_an_idle_chip_sets_dip(void)
{
	struct fake_bus *b = fake_bus_create();

	fake_wr8(b, R(ISTAT0), ISTAT0_ABRT);
	T_EQ(fake_rd8(b, R(ISTAT0)), ISTAT0_ABRT | ISTAT0_DIP);
	T_EQ(fake_rd8(b, R(DSTAT)), DSTAT_DFE | DSTAT_ABRT);
	T_EQ(fake_rd8(b, R(DSTAT)), DSTAT_DFE);
	T_EQ(fake_rd8(b, R(ISTAT0)), 0);
	fake_bus_destroy(b);
}

static void test_reading_dstat_drops_the_line(void)
{
	struct fake_bus *b = fake_bus_create();

	fake_wr8(b, R(DIEN), DSTAT_ABRT);
	fake_wr8(b, R(ISTAT0), ISTAT0_ABRT);
	T_EQ(mp_lsi_irq_level(&b->chip), 1);
	(void)fake_rd8(b, R(DSTAT));
	T_EQ(mp_lsi_irq_level(&b->chip), 0);
	T_EQ(b->chip.counters.n_irq_asserts, 1);
	fake_bus_destroy(b);
}

static void test_abort_stops_an_endless_loop(void)
{
	struct fake_bus *b = fake_bus_create();

	FAKE_PROG(b, PROG, 0x80080000, PROG);
	fake_wr32(b, R(DSP), PROG);
	T_EQ(mp_lsi_run(&b->chip, 100), 100);
	fake_wr8(b, R(ISTAT0), ISTAT0_ABRT);
	T_EQ(mp_lsi_run(&b->chip, 100), 0);
	T_EQ(fake_rd8(b, R(ISTAT1)), 0);
	fake_bus_destroy(b);
}

static void test_endless_loop_leaves_registers_and_reset_to_the_cpu(void)
{
	struct fake_bus *b = fake_bus_create();

	FAKE_PROG(b, PROG, 0x80080000, PROG);
	fake_wr32(b, R(DSP), PROG);
	T_EQ(mp_lsi_run(&b->chip, 10), 10);
	T_EQ(fake_rd32(b, R(DSP)), PROG);
	fake_wr8(b, R(ISTAT0), ISTAT0_SRST);
	T_EQ(mp_lsi_runnable(&b->chip), false);
	fake_bus_destroy(b);
}

static void test_intfly_is_acknowledged_apart_from_int(void)
{
	struct fake_bus *b = fake_bus_create();

	fake_wr8(b, R(DIEN), DSTAT_SIR);
	FAKE_PROG(b, PROG, 0x98180000, 0, 0x98080000, 0xabcd);
	fake_go(b, PROG);
	T_EQ(fake_rd8(b, R(ISTAT0)), ISTAT0_INTF | ISTAT0_DIP);
	fake_wr8(b, R(ISTAT0), ISTAT0_INTF);
	T_EQ(fake_rd8(b, R(ISTAT0)), ISTAT0_DIP);
	T_EQ(fake_rd32(b, R(DSPS)), 0xabcd);
	T_EQ(mp_lsi_irq_level(&b->chip), 1);
	fake_bus_destroy(b);
}

static void test_dstat_clears_on_read_while_intf_is_set(void)
{
	struct fake_bus *b = fake_bus_create();

	FAKE_PROG(b, PROG, 0x98180000, 0, 0x98080000, 0);
	fake_go(b, PROG);
	T_EQ(fake_rd8(b, R(DSTAT)), DSTAT_DFE | DSTAT_SIR);
	T_EQ(fake_rd8(b, R(ISTAT0)), ISTAT0_INTF);
	fake_bus_destroy(b);
}

static void test_masked_int_halts_without_the_line(void)
{
	struct fake_bus *b = fake_bus_create();

	FAKE_PROG(b, PROG, 0x98080000, 0x77);
	fake_go(b, PROG);
	T_EQ(fake_rd8(b, R(ISTAT0)), ISTAT0_DIP);
	T_EQ(mp_lsi_irq_level(&b->chip), 0);
	T_EQ(fake_rd32(b, R(DSPS)), 0x77);
	T_EQ(fake_rd32(b, R(DSP)), PROG + 8);
	T_EQ(fake_rd8(b, R(ISTAT1)), 0);
	fake_bus_destroy(b);
}

static void test_unmasking_a_pending_event_raises_the_line(void)
{
	struct fake_bus *b = fake_bus_create();

	FAKE_PROG(b, PROG, 0x98080000, 0);
	fake_go(b, PROG);
	fake_wr8(b, R(DIEN), DSTAT_SIR);
	T_EQ(mp_lsi_irq_level(&b->chip), 1);
	fake_bus_destroy(b);
}

static void test_irqd_silences_the_pin_only(void)
{
	struct fake_bus *b = fake_bus_create();

	fake_wr8(b, R(DIEN), DSTAT_ABRT);
	fake_wr8(b, R(DCNTL), DCNTL_IRQD);
	fake_wr8(b, R(ISTAT0), ISTAT0_ABRT);
	T_EQ(mp_lsi_irq_level(&b->chip), 0);
	T_OK(fake_rd8(b, R(ISTAT0)) & ISTAT0_DIP);
	fake_wr8(b, R(DCNTL), 0);
	T_EQ(mp_lsi_irq_level(&b->chip), 1);
	fake_bus_destroy(b);
}

static void test_si_holds_back_a_new_interrupt(void)
{
	struct fake_bus *b = fake_bus_create();

	fake_wr8(b, R(DIEN), DSTAT_ABRT);
	fake_wr8(b, R(ISTAT1), ISTAT1_SI);
	fake_wr8(b, R(ISTAT0), ISTAT0_ABRT);
	T_EQ(mp_lsi_irq_level(&b->chip), 0);
	fake_wr8(b, R(ISTAT1), 0);
	T_EQ(mp_lsi_irq_level(&b->chip), 1);
	fake_bus_destroy(b);
}

static void test_si_keeps_an_asserted_line(void)
{
	struct fake_bus *b = fake_bus_create();

	fake_wr8(b, R(DIEN), DSTAT_ABRT);
	fake_wr8(b, R(ISTAT0), ISTAT0_ABRT);
	fake_wr8(b, R(ISTAT1), ISTAT1_SI);
	T_EQ(mp_lsi_irq_level(&b->chip), 1);
	fake_bus_destroy(b);
}

static void test_bus_reset_interrupts_once_an_edge(void)
{
	struct fake_bus *b = fake_bus_create();

	fake_wr8(b, R(SCNTL1), SCNTL1_RST);
	fake_wr8(b, R(SCNTL1), SCNTL1_RST);
	T_EQ(mp_lsi_read(&b->chip, R(SIST0), 2), SIST0_RST);
	T_EQ(mp_lsi_read(&b->chip, R(SIST0), 2), 0);
	T_EQ(b->n_tms, 1);
	fake_bus_destroy(b);
}

static void test_second_event_shows_after_the_read_of_the_first(void)
{
	struct fake_bus *b = fake_bus_create();

	fake_wr8(b, R(SCNTL1), SCNTL1_RST);
	fake_wr8(b, R(SCNTL1), 0);
	fake_wr8(b, R(SCNTL1), SCNTL1_RST);
	T_EQ(fake_rd8(b, R(SIST0)), SIST0_RST);
	T_EQ(fake_rd8(b, R(ISTAT0)), ISTAT0_SIP);
	T_EQ(fake_rd8(b, R(SIST0)), SIST0_RST);
	T_EQ(fake_rd8(b, R(ISTAT0)), 0);
	fake_bus_destroy(b);
}

static void expire_gen(struct fake_bus *b)
{
	fake_wr8(b, R(STIME1), 0x01);
	T_EQ(mp_lsi_deadline_ns(&b->chip), 0);
	mp_lsi_tick(&b->chip, 1000000);
	T_EQ(mp_lsi_deadline_ns(&b->chip), 1125000);
	mp_lsi_tick(&b->chip, 1124999);
	T_EQ(fake_rd8(b, R(SIST1)), 0);
	mp_lsi_tick(&b->chip, 1125000);
	T_EQ(mp_lsi_deadline_ns(&b->chip), UINT64_MAX);
}

static void test_masked_timer_sets_its_bit_and_nothing_else(void)
{
	struct fake_bus *b = fake_bus_create();

	FAKE_PROG(b, PROG, 0x80080000, PROG);
	fake_wr32(b, R(DSP), PROG);
	expire_gen(b);
	T_EQ(fake_rd8(b, R(ISTAT0)), 0);
	T_EQ(mp_lsi_irq_level(&b->chip), 0);
	T_EQ(mp_lsi_runnable(&b->chip), true);
	T_EQ(fake_rd8(b, R(SIST1)), SIST1_GEN);
	fake_bus_destroy(b);
}

static void test_unmasked_timer_halts_and_raises_the_line(void)
{
	struct fake_bus *b = fake_bus_create();

	fake_wr8(b, R(SIEN1), SIST1_GEN);
	FAKE_PROG(b, PROG, 0x80080000, PROG);
	fake_wr32(b, R(DSP), PROG);
	expire_gen(b);
	T_EQ(fake_rd8(b, R(ISTAT0)), ISTAT0_SIP);
	T_EQ(mp_lsi_irq_level(&b->chip), 1);
	T_EQ(mp_lsi_runnable(&b->chip), false);
	fake_bus_destroy(b);
}

static void test_timer_stops_when_zero_is_written(void)
{
	struct fake_bus *b = fake_bus_create();

	fake_wr8(b, R(STIME1), 0x0f);
	fake_wr8(b, R(STIME1), 0x00);
	T_EQ(mp_lsi_deadline_ns(&b->chip), UINT64_MAX);
	fake_bus_destroy(b);
}

static void test_clock_calibration_finds_forty_megahertz(void)
{
	struct fake_bus *b = fake_bus_create();
	uint64_t ms;

	/* (1 << 11) * 4340 / ms is the clock in kHz; below 45000 counts as 40 MHz. */
	fake_wr8(b, R(SCNTL3), 0x04);
	fake_wr8(b, R(STIME1), 0x0b);
	mp_lsi_tick(&b->chip, 0);
	ms = mp_lsi_deadline_ns(&b->chip) / 1000000;
	T_OK((1u << 11) * 4340u / ms < 45000);
	fake_bus_destroy(b);
}

static void test_single_step_stops_behind_each_instruction(void)
{
	struct fake_bus *b = fake_bus_create();

	FAKE_PROG(b, PROG, 0x80000000, 0, 0x80000000, 0);
	fake_wr8(b, R(DCNTL), DCNTL_SSM);
	fake_go(b, PROG);
	T_EQ(fake_rd8(b, R(DSTAT)), DSTAT_DFE | DSTAT_SSI);
	T_EQ(fake_rd32(b, R(DSP)), PROG + 8);
	fake_wr8(b, R(DCNTL), DCNTL_SSM | DCNTL_STD);
	fake_run(b);
	T_EQ(fake_rd8(b, R(DSTAT)), DSTAT_DFE | DSTAT_SSI);
	T_EQ(fake_rd32(b, R(DSP)), PROG + 16);
	fake_bus_destroy(b);
}

static void test_manual_mode_starts_at_std_only(void)
{
	struct fake_bus *b = fake_bus_create();

	FAKE_PROG(b, PROG, 0x98080000, 0);
	fake_wr8(b, R(DMODE), DMODE_MAN);
	fake_wr32(b, R(DSP), PROG);
	T_EQ(mp_lsi_runnable(&b->chip), false);
	fake_wr8(b, R(DCNTL), DCNTL_STD);
	fake_run(b);
	T_EQ(fake_rd8(b, R(DSTAT)), DSTAT_DFE | DSTAT_SIR);
	fake_bus_destroy(b);
}

static void test_parked_engine_goes_on_at_a_new_dsp(void)
{
	struct fake_bus *b = fake_bus_create();

	FAKE_PROG(b, PROG, 0x50000000, 0);
	FAKE_PROG(b, PROG + 64, 0x80000000, 0, 0x98080000, 5);
	fake_go(b, PROG);
	T_EQ(fake_rd8(b, R(ISTAT1)), ISTAT1_SRUN);
	/* It used to execute one instruction and park again. */
	fake_go(b, PROG + 64);
	T_EQ(fake_rd32(b, R(DSPS)), 5);
	T_EQ(fake_rd8(b, R(DSTAT)), DSTAT_DFE | DSTAT_SIR);
	fake_bus_destroy(b);
}

static void test_abort_behind_an_int_shows_after_it(void)
{
	struct fake_bus *b = fake_bus_create();

	FAKE_PROG(b, PROG, 0x98080000, 0);
	fake_go(b, PROG);
	fake_wr8(b, R(ISTAT0), ISTAT0_ABRT);
	T_EQ(fake_rd8(b, R(DSTAT)), DSTAT_DFE | DSTAT_SIR);
	T_EQ(fake_rd8(b, R(DSTAT)), DSTAT_DFE | DSTAT_ABRT);
	fake_bus_destroy(b);
}

T_MAIN(T_TEST(test_abort_of_an_idle_chip_sets_dip), T_TEST(test_reading_dstat_drops_the_line),
       T_TEST(test_abort_stops_an_endless_loop),
       T_TEST(test_endless_loop_leaves_registers_and_reset_to_the_cpu),
       T_TEST(test_intfly_is_acknowledged_apart_from_int),
       T_TEST(test_dstat_clears_on_read_while_intf_is_set),
       T_TEST(test_masked_int_halts_without_the_line),
       T_TEST(test_unmasking_a_pending_event_raises_the_line),
       T_TEST(test_irqd_silences_the_pin_only), T_TEST(test_si_holds_back_a_new_interrupt),
       T_TEST(test_si_keeps_an_asserted_line), T_TEST(test_bus_reset_interrupts_once_an_edge),
       T_TEST(test_second_event_shows_after_the_read_of_the_first),
       T_TEST(test_masked_timer_sets_its_bit_and_nothing_else),
       T_TEST(test_unmasked_timer_halts_and_raises_the_line),
       T_TEST(test_timer_stops_when_zero_is_written),
       T_TEST(test_clock_calibration_finds_forty_megahertz),
       T_TEST(test_single_step_stops_behind_each_instruction),
       T_TEST(test_manual_mode_starts_at_std_only), T_TEST(test_parked_engine_goes_on_at_a_new_dsp),
       T_TEST(test_abort_behind_an_int_shows_after_it))
