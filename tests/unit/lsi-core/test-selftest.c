/* SPDX-License-Identifier: BSD-3-Clause */
/* What diagnostics and drivers' probes do at attach: FIFOs, counters, clock, absent EEPROMs. */
#include "tests/lib/fake_bus.h"
#include "tests/lib/t.h"

#include <errno.h>

#define R(name)      MP_LSI_R_##name
#define FBL3         0x40u
#define LARGE        0x20u /* CTEST5.DFS */
#define SCSI_FIFO_IN 0x01u /* STEST3.STW */
#define SCSI_FIFO_RD 0x40u /* STEST3.STR */

static void fill_lane(struct fake_bus *b, unsigned int lane, unsigned int n)
{
	fake_wr8(b, R(CTEST4), (uint8_t)(FBL3 | lane));
	for (unsigned int i = 0; i < n; i++)
		fake_wr8(b, R(CTEST6), (uint8_t)(lane * 16 + i));
}

static void test_dma_fifo_gives_back_each_lane_in_order(void)
{
	struct fake_bus *b = fake_bus_create();
	unsigned int n_wrong = 0;

	for (unsigned int lane = 0; lane < 8; lane++)
		fill_lane(b, lane, 14);
	for (unsigned int lane = 0; lane < 8; lane++) {
		fake_wr8(b, R(CTEST4), (uint8_t)(FBL3 | lane));
		for (unsigned int i = 0; i < 14; i++)
			n_wrong += fake_rd8(b, R(CTEST6)) != lane * 16 + i;
	}
	T_EQ(n_wrong, 0);
	T_EQ(fake_rd8(b, R(DSTAT)), DSTAT_DFE);
	fake_bus_destroy(b);
}

static void test_dma_fifo_flags_say_empty_and_full_by_lane(void)
{
	struct fake_bus *b = fake_bus_create();

	fill_lane(b, 2, 1);
	T_EQ(fake_rd8(b, R(CTEST0)), 0xfb);
	T_EQ(fake_rd8(b, R(CTEST1)), 0x00);
	T_EQ(fake_rd8(b, R(DSTAT)), 0);
	fill_lane(b, 5, 14);
	T_EQ(fake_rd8(b, R(CTEST0)), 0xdb);
	T_EQ(fake_rd8(b, R(CTEST1)), 0x20);
	fake_bus_destroy(b);
}

static void test_large_dma_fifo_holds_118_bytes_a_lane(void)
{
	struct fake_bus *b = fake_bus_create();

	fake_wr8(b, R(CTEST5), LARGE);
	fill_lane(b, 7, 117);
	T_EQ(fake_rd8(b, R(CTEST1)), 0x00);
	fill_lane(b, 7, 20);
	T_EQ(fake_rd8(b, R(CTEST1)), 0x80);
	T_EQ(b->st->lane[7].n, 118);
	fake_bus_destroy(b);
}

static void test_clf_empties_the_dma_fifo(void)
{
	struct fake_bus *b = fake_bus_create();

	fill_lane(b, 0, 5);
	fake_wr8(b, R(CTEST3), CTEST3_CLF);
	T_EQ(fake_rd8(b, R(CTEST3)), 0);
	T_EQ(fake_rd8(b, R(CTEST0)), 0xff);
	T_EQ(fake_rd8(b, R(CTEST6)), 0);
	T_EQ(fake_rd8(b, R(DSTAT)), DSTAT_DFE);
	fake_bus_destroy(b);
}

static void test_ctest6_outside_the_test_mode_is_no_fifo(void)
{
	struct fake_bus *b = fake_bus_create();

	fake_wr8(b, R(CTEST6), 0x5a);
	T_EQ(fake_rd8(b, R(CTEST6)), 0);
	T_EQ(fake_rd8(b, R(CTEST0)), 0xff);
	fake_bus_destroy(b);
}

static unsigned int words_in_fifo(struct fake_bus *b)
{
	return fake_rd8(b, R(SSTAT1)) >> 4 | (fake_rd8(b, R(SSTAT2)) & 0x10u);
}

static void test_scsi_fifo_counts_and_gives_back_31_words(void)
{
	struct fake_bus *b = fake_bus_create();
	unsigned int n_wrong = 0;

	fake_wr8(b, R(STEST3), SCSI_FIFO_IN);
	for (unsigned int i = 0; i < 31; i++) {
		n_wrong += words_in_fifo(b) != i;
		mp_lsi_write(&b->chip, R(SODL), 2, 0x4000 + i);
	}
	T_EQ(words_in_fifo(b), 31);
	fake_wr8(b, R(STEST3), SCSI_FIFO_RD);
	for (unsigned int i = 0; i < 31; i++)
		n_wrong += mp_lsi_read(&b->chip, R(SODL), 2) != 0x4000 + i;
	T_EQ(n_wrong, 0);
	T_EQ(words_in_fifo(b), 0);
	fake_bus_destroy(b);
}

static void test_scsi_fifo_loads_with_the_low_byte_alone(void)
{
	struct fake_bus *b = fake_bus_create();

	fake_wr8(b, R(STEST3), SCSI_FIFO_IN);
	fake_wr8(b, R(SODL) + 1, 0x12);
	T_EQ(words_in_fifo(b), 0);
	fake_wr8(b, R(SODL), 0x34);
	fake_wr8(b, R(SODL) + 1, 0x56);
	T_EQ(words_in_fifo(b), 1);
	fake_wr8(b, R(STEST3), SCSI_FIFO_RD);
	T_EQ(fake_rd8(b, R(SODL)), 0x34);
	T_EQ(fake_rd8(b, R(SODL) + 1), 0x12);
	fake_bus_destroy(b);
}

static void test_overfilling_the_scsi_fifo_is_a_gross_error(void)
{
	struct fake_bus *b = fake_bus_create();

	fake_wr8(b, R(STEST3), SCSI_FIFO_IN);
	for (unsigned int i = 0; i < 31; i++)
		fake_wr8(b, R(SODL), (uint8_t)i);
	T_EQ(fake_rd8(b, R(SIST0)), 0);
	fake_wr8(b, R(SODL), 31);
	T_EQ(fake_rd8(b, R(ISTAT0)), ISTAT0_SIP);
	T_EQ(fake_rd8(b, R(SIST0)), SIST0_SGE);
	fake_bus_destroy(b);
}

static void test_reading_an_empty_scsi_fifo_is_a_gross_error(void)
{
	struct fake_bus *b = fake_bus_create();

	fake_wr8(b, R(STEST3), SCSI_FIFO_RD);
	(void)fake_rd8(b, R(SODL));
	T_EQ(fake_rd8(b, R(SIST0)), SIST0_SGE);
	fake_bus_destroy(b);
}

static void test_csf_empties_the_scsi_fifo(void)
{
	struct fake_bus *b = fake_bus_create();

	fake_wr8(b, R(STEST3), SCSI_FIFO_IN);
	fake_wr8(b, R(SODL), 1);
	fake_wr8(b, R(STEST3), SCSI_FIFO_IN | STEST3_CSF);
	T_EQ(fake_rd8(b, R(STEST3)), SCSI_FIFO_IN);
	T_EQ(words_in_fifo(b), 0);
	fake_bus_destroy(b);
}

static void test_counters_clock_by_a_dword_and_clear_their_bits(void)
{
	struct fake_bus *b = fake_bus_create();

	fake_wr32(b, R(DNAD), 0x1001);
	fake_wr32(b, R(DBC), 0x48000009);
	fake_wr8(b, R(CTEST5), CTEST5_ADCK);
	T_EQ(fake_rd32(b, R(DNAD)), 0x1004);
	fake_wr8(b, R(CTEST5), CTEST5_BBCK);
	T_EQ(fake_rd32(b, R(DBC)), 0x48000005);
	T_EQ(fake_rd8(b, R(CTEST5)), 0);
	fake_bus_destroy(b);
}

static void test_byte_counter_stops_at_zero(void)
{
	struct fake_bus *b = fake_bus_create();

	fake_wr32(b, R(DBC), 0x48000003);
	fake_wr8(b, R(CTEST5), CTEST5_BBCK);
	T_EQ(fake_rd32(b, R(DBC)), 0x48000000);
	fake_wr8(b, R(CTEST5), CTEST5_BBCK);
	T_EQ(fake_rd32(b, R(DBC)), 0x48000000);
	fake_bus_destroy(b);
}

static void test_srtm_shows_the_shadows_of_dsa_and_temp(void)
{
	struct fake_bus *b = fake_bus_create();

	fake_wr32(b, R(DSA), 0x1111);
	fake_wr32(b, R(TEMP), 0x2222);
	fake_wr8(b, R(CTEST4), CTEST4_SRTM);
	T_EQ(fake_rd32(b, R(DSA)), 0);
	fake_wr32(b, R(TEMP), 0x3333);
	fake_wr8(b, R(CTEST4), 0);
	T_EQ(fake_rd32(b, R(DSA)), 0x1111);
	T_EQ(fake_rd32(b, R(TEMP)), 0x2222);
	fake_wr8(b, R(CTEST4), CTEST4_SRTM);
	T_EQ(fake_rd32(b, R(TEMP)), 0x3333);
	fake_bus_destroy(b);
}

static void test_timer_test_mode_expires_both_timers_soon(void)
{
	struct fake_bus *b = fake_bus_create();

	fake_wr8(b, R(STEST3), STEST3_TTM);
	mp_lsi_tick(&b->chip, 1000000);
	mp_lsi_tick(&b->chip, 1002000);
	T_EQ(fake_rd8(b, R(SIST1)), SIST1_GEN | SIST1_HTH);
	fake_bus_destroy(b);
}

/* Used to go off at the next tick, with a period of none. */
static void test_timers_without_a_period_end_with_their_test_mode(void)
{
	struct fake_bus *b = fake_bus_create();

	fake_wr8(b, R(STIME0), 0x10);
	fake_wr8(b, R(STEST3), STEST3_TTM);
	fake_wr8(b, R(STEST3), 0);
	T_OK(mp_lsi_deadline_ns(&b->chip) == UINT64_MAX);
	mp_lsi_tick(&b->chip, 1000000);
	mp_lsi_tick(&b->chip, 1002000);
	T_EQ(fake_rd8(b, R(SIST1)), 0);
	fake_bus_destroy(b);
}

static void test_clock_multiplier_sequence_of_the_drivers_finds_a_lock(void)
{
	struct fake_bus *b = fake_bus_create();

	fake_wr8(b, R(STEST1), 0x08); /* power up */
	T_EQ(fake_rd8(b, R(STEST4)) & 0x20, 0x20);
	fake_wr8(b, R(STEST3), 0x20); /* halt the SCSI clock */
	fake_wr8(b, R(SCNTL3), 0x05);
	fake_wr8(b, R(STEST1), 0x0c); /* select */
	fake_wr8(b, R(STEST3), 0x00);
	T_EQ(fake_rd8(b, R(STEST1)), 0x0c);
	T_EQ(fake_rd8(b, R(STEST3)), 0);
	fake_bus_destroy(b);
}

static void test_loopback_shows_each_signal_that_is_driven(void)
{
	struct fake_bus *b = fake_bus_create();

	fake_wr8(b, R(STEST2), STEST2_SLB);
	for (unsigned int bit = 1; bit < 0x100; bit <<= 1) {
		fake_wr8(b, R(SOCL), (uint8_t)bit);
		T_EQ(fake_rd8(b, R(SOCL)), bit);
		T_EQ(fake_rd8(b, R(SBCL)), bit);
	}
	fake_wr8(b, R(SCNTL1), SCNTL1_ADB);
	for (unsigned int bit = 1; bit < 0x10000; bit <<= 1) {
		mp_lsi_write(&b->chip, R(SODL), 2, bit);
		T_EQ(mp_lsi_read(&b->chip, R(SBDL), 2), bit);
	}
	fake_wr8(b, R(SCNTL1), 0);
	T_EQ(mp_lsi_read(&b->chip, R(SBDL), 2), 0);
	fake_bus_destroy(b);
}

static void test_loopback_ends_with_a_free_bus(void)
{
	struct fake_bus *b = fake_bus_create();

	fake_wr8(b, R(STEST2), STEST2_SLB);
	fake_wr8(b, R(SCNTL1), SCNTL1_ADB);
	fake_wr8(b, R(SOCL), 0xff);
	mp_lsi_write(&b->chip, R(SODL), 2, 0xffff);
	fake_wr8(b, R(STEST2), 0);
	T_EQ(fake_rd8(b, R(SBCL)), 0);
	T_EQ(fake_rd8(b, R(SOCL)), 0);
	T_EQ(mp_lsi_read(&b->chip, R(SBDL), 2), 0);
	fake_bus_destroy(b);
}

static void test_connection_ends_what_loopback_shows(void)
{
	struct fake_bus *b = fake_bus_create();

	fake_wr8(b, R(STEST2), STEST2_SLB);
	fake_wr8(b, R(SCNTL1), SCNTL1_ADB);
	mp_lsi_write(&b->chip, R(SODL), 2, 0xffff);
	FAKE_PROG(b, 0x1000, 0x41000000, 0, 0x98080000, 0);
	fake_go(b, 0x1000);
	T_EQ(fake_rd8(b, R(SBCL)), SBCL_REQ | SBCL_BSY | SBCL_ATN | MP_LSI_MSG_OUT_PHASE);
	T_EQ(mp_lsi_read(&b->chip, R(SBDL), 2), 0);
	fake_bus_destroy(b);
}

/* ---- EEPROMs on the GPIO pins, none there ---------------------------- */

/* 24C16: data on pin 0, clock on pin 1, both driven but for the acknowledge. */
static void set_wires(struct fake_bus *b, unsigned int data, unsigned int clock)
{
	fake_wr8(b, R(GPREG), (uint8_t)(data | clock << 1));
	(void)fake_rd8(b, R(MBOX1));
}

static bool send_byte_is_acknowledged(struct fake_bus *b, uint8_t v)
{
	bool ack;

	fake_wr8(b, R(GPCNTL), 0x0c);
	for (int bit = 7; bit >= 0; bit--) {
		set_wires(b, v >> bit & 1, 0);
		set_wires(b, v >> bit & 1, 1);
		set_wires(b, v >> bit & 1, 0);
	}
	fake_wr8(b, R(GPCNTL), 0x0d); /* data is an input now */
	set_wires(b, 1, 1);
	ack = !(fake_rd8(b, R(GPREG)) & 1);
	set_wires(b, 1, 0);
	return ack;
}

static void test_no_24c16_acknowledges_its_address(void)
{
	struct fake_bus *b = fake_bus_create();

	fake_wr8(b, R(GPCNTL), 0x0c);
	set_wires(b, 1, 1);
	set_wires(b, 0, 1); /* start */
	set_wires(b, 0, 0);
	T_EQ(send_byte_is_acknowledged(b, 0xa0), false);
	T_EQ(send_byte_is_acknowledged(b, 0xa1), false);
	fake_bus_destroy(b);
}

/* 93C46: data to us on pin 0, from us on pin 1, clock on 2, select on 4. */
static unsigned int read_93c46_word(struct fake_bus *b)
{
	unsigned int word = 0;

	for (unsigned int i = 0; i < 16; i++) {
		fake_wr8(b, R(GPREG), 0x10);
		fake_wr8(b, R(GPREG), 0x14);
		word = word << 1 | (fake_rd8(b, R(GPREG)) & 1);
	}
	return word;
}

static void test_no_93c46_has_a_valid_checksum(void)
{
	struct fake_bus *b = fake_bus_create();
	unsigned int sum = 0;

	fake_wr8(b, R(GPCNTL), 0x09);
	for (unsigned int i = 0; i < 64; i++)
		sum += read_93c46_word(b);
	T_EQ(sum & 0xffff, 64 * 0xffff & 0xffff);
	T_OK((sum & 0xffff) != 0x1234);
	fake_bus_destroy(b);
}

static void test_attach_refuses_a_fifo_that_runs_over(void)
{
	struct fake_bus *b = fake_bus_create();

	b->st->lane[3].head = MP_LSI_LANE_BYTES;
	T_EQ(mp_lsi_attach(&b->chip, b->st, b->chip.ops, b), -EPROTO);
	b->st->lane[3].head = 0;
	b->st->words.n = MP_LSI_FIFO_WORDS + 1;
	T_EQ(mp_lsi_attach(&b->chip, b->st, b->chip.ops, b), -EPROTO);
	fake_bus_destroy(b);
}

T_MAIN(T_TEST(test_dma_fifo_gives_back_each_lane_in_order),
       T_TEST(test_dma_fifo_flags_say_empty_and_full_by_lane),
       T_TEST(test_large_dma_fifo_holds_118_bytes_a_lane), T_TEST(test_clf_empties_the_dma_fifo),
       T_TEST(test_ctest6_outside_the_test_mode_is_no_fifo),
       T_TEST(test_scsi_fifo_counts_and_gives_back_31_words),
       T_TEST(test_scsi_fifo_loads_with_the_low_byte_alone),
       T_TEST(test_overfilling_the_scsi_fifo_is_a_gross_error),
       T_TEST(test_reading_an_empty_scsi_fifo_is_a_gross_error),
       T_TEST(test_csf_empties_the_scsi_fifo),
       T_TEST(test_counters_clock_by_a_dword_and_clear_their_bits),
       T_TEST(test_byte_counter_stops_at_zero), T_TEST(test_srtm_shows_the_shadows_of_dsa_and_temp),
       T_TEST(test_timer_test_mode_expires_both_timers_soon),
       T_TEST(test_timers_without_a_period_end_with_their_test_mode),
       T_TEST(test_clock_multiplier_sequence_of_the_drivers_finds_a_lock),
       T_TEST(test_loopback_shows_each_signal_that_is_driven),
       T_TEST(test_loopback_ends_with_a_free_bus), T_TEST(test_connection_ends_what_loopback_shows),
       T_TEST(test_no_24c16_acknowledges_its_address), T_TEST(test_no_93c46_has_a_valid_checksum),
       T_TEST(test_attach_refuses_a_fifo_that_runs_over))
