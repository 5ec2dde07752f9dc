/* SPDX-License-Identifier: BSD-3-Clause */
/* Each event bit with and without its mask; each timer period. */
#include "tests/lib/chip_check.h"
#include "tests/lib/t.h"

#define R(name) MP_LSI_R_##name
#define PROG    0x1000u

/* Where an event shows and what masks it; all that the manual says of its kind. */
struct event_row {
	uint8_t status, mask, bit, summary;
	bool fatal;
	const char *name;
};

static const struct event_row events[] = {
	{R(DSTAT), R(DIEN), 0x40, ISTAT0_DIP, true, "MDPE"},
	{R(DSTAT), R(DIEN), 0x20, ISTAT0_DIP, true, "BF"},
	{R(DSTAT), R(DIEN), 0x10, ISTAT0_DIP, true, "ABRT"},
	{R(DSTAT), R(DIEN), 0x08, ISTAT0_DIP, true, "SSI"},
	{R(DSTAT), R(DIEN), 0x04, ISTAT0_DIP, true, "SIR"},
	{R(DSTAT), R(DIEN), 0x01, ISTAT0_DIP, true, "IID"},
	{R(SIST0), R(SIEN0), 0x80, ISTAT0_SIP, true, "MA"},
	{R(SIST0), R(SIEN0), 0x40, ISTAT0_SIP, false, "CMP"},
	{R(SIST0), R(SIEN0), 0x20, ISTAT0_SIP, false, "SEL"},
	{R(SIST0), R(SIEN0), 0x10, ISTAT0_SIP, false, "RSL"},
	{R(SIST0), R(SIEN0), 0x08, ISTAT0_SIP, true, "SGE"},
	{R(SIST0), R(SIEN0), 0x04, ISTAT0_SIP, true, "UDC"},
	{R(SIST0), R(SIEN0), 0x02, ISTAT0_SIP, true, "RST"},
	{R(SIST0), R(SIEN0), 0x01, ISTAT0_SIP, true, "PAR"},
	{R(SIST1), R(SIEN1), 0x10, ISTAT0_SIP, true, "SBMC"},
	{R(SIST1), R(SIEN1), 0x04, ISTAT0_SIP, true, "STO"},
	{R(SIST1), R(SIEN1), 0x02, ISTAT0_SIP, false, "GEN"},
	{R(SIST1), R(SIEN1), 0x01, ISTAT0_SIP, false, "HTH"},
};

#define N_EVENTS (sizeof(events) / sizeof(events[0]))

static void raise_event(struct fake_bus *b, const struct event_row *e)
{
	if (e->status == R(DSTAT))
		mp_lsi_raise_dma(&b->chip, e->bit);
	else if (e->status == R(SIST0))
		mp_lsi_raise_scsi(&b->chip, e->bit, 0);
	else
		mp_lsi_raise_scsi(&b->chip, 0, e->bit);
}

/* A running program that an event finds. */
static struct fake_bus *running(void)
{
	struct fake_bus *b = fake_bus_create();

	FAKE_PROG(b, PROG, 0x80080000, PROG);
	fake_wr32(b, R(DSP), PROG);
	return b;
}

static void expect(const struct event_row *e, const char *what, unsigned int got, unsigned int want)
{
	if (got != want)
		t_fail(__FILE__, __LINE__, "%s: %s is %u, expected %u", e->name, what, got, want);
}

static void check_effects(struct fake_bus *b, const struct event_row *e, bool stops, bool line)
{
	expect(e, "status bit", b->st->reg[e->status] & e->bit, e->bit);
	expect(e, "summary", b->st->reg[R(ISTAT0)] & 3u, stops ? e->summary : 0u);
	expect(e, "halt", b->st->run == MP_LSI_HALTED, stops);
	expect(e, "line", (unsigned int)mp_lsi_irq_level(&b->chip), line);
	chip_check(b);
}

static void test_masked_fatal_event_halts_and_unmasked_raises_the_line_too(void)
{
	for (unsigned int i = 0; i < 2 * N_EVENTS; i++) {
		const struct event_row *e = &events[i / 2];
		struct fake_bus *b = running();

		if (!e->fatal) {
			fake_bus_destroy(b);
			continue;
		}
		fake_wr8(b, e->mask, i % 2 ? e->bit : 0);
		raise_event(b, e);
		check_effects(b, e, true, i % 2);
		fake_bus_destroy(b);
	}
}

static void test_masked_non_fatal_event_sets_its_bit_and_unmasked_acts(void)
{
	for (unsigned int i = 0; i < 2 * N_EVENTS; i++) {
		const struct event_row *e = &events[i / 2];
		struct fake_bus *b = running();

		if (e->fatal) {
			fake_bus_destroy(b);
			continue;
		}
		fake_wr8(b, e->mask, i % 2 ? e->bit : 0);
		raise_event(b, e);
		check_effects(b, e, i % 2, i % 2);
		fake_bus_destroy(b);
	}
}

static void test_mask_of_another_event_is_no_mask(void)
{
	for (unsigned int i = 0; i < N_EVENTS; i++) {
		const struct event_row *e = &events[i];
		struct fake_bus *b = running();

		fake_wr8(b, e->mask, (uint8_t)~e->bit);
		raise_event(b, e);
		check_effects(b, e, e->fatal, false);
		fake_bus_destroy(b);
	}
}

static void test_reading_the_status_takes_the_event_and_the_line(void)
{
	for (unsigned int i = 0; i < N_EVENTS; i++) {
		const struct event_row *e = &events[i];
		struct fake_bus *b = running();

		fake_wr8(b, e->mask, e->bit);
		raise_event(b, e);
		expect(e, "read", fake_rd8(b, e->status) & e->bit, e->bit);
		expect(e, "read again", fake_rd8(b, e->status) & e->bit, 0);
		expect(e, "line", (unsigned int)mp_lsi_irq_level(&b->chip), 0);
		expect(e, "summary", fake_rd8(b, R(ISTAT0)), 0);
		fake_bus_destroy(b);
	}
}

static void test_second_event_of_a_group_waits_for_the_first(void)
{
	for (unsigned int n = 0; n < N_EVENTS * N_EVENTS; n++) {
		const struct event_row *e = &events[n / N_EVENTS], *f = &events[n % N_EVENTS];
		struct fake_bus *b = running();

		fake_wr8(b, R(DIEN), 0xff);
		mp_lsi_write(&b->chip, R(SIEN0), 2, 0xffff);
		raise_event(b, e);
		raise_event(b, f);
		if (e->summary == f->summary && e != f)
			expect(f, "early", b->st->reg[f->status] & f->bit, 0);
		chip_check(b);
		/* By the word: one read of a group is one event. */
		(void)(e->status == R(DSTAT) ? fake_rd8(b, R(DSTAT))
					     : mp_lsi_read(&b->chip, R(SIST0), 2));
		if (e->summary == f->summary)
			expect(f, "late", b->st->reg[f->status] & f->bit, f->bit);
		expect(f, "line", (unsigned int)mp_lsi_irq_level(&b->chip), 1);
		chip_check(b);
		fake_bus_destroy(b);
	}
}

/* ---- timers ---------------------------------------------------------- */

#define US 1000ull
#define MS 1000000ull

static const uint64_t period_ns[16] = {
	0,       125 * US, 250 * US, 500 * US, 1 * MS,   2 * MS,   4 * MS,    8 * MS,
	16 * MS, 32 * MS,  64 * MS,  128 * MS, 256 * MS, 512 * MS, 1024 * MS, 2048 * MS,
};

/* Ticks around the end of a period; returns SIST1 before and, << 8, after. */
static unsigned int around(struct fake_bus *b, uint64_t period)
{
	unsigned int before;

	mp_lsi_tick(&b->chip, MS);
	T_EQ(mp_lsi_deadline_ns(&b->chip), MS + period);
	mp_lsi_tick(&b->chip, MS + period - 1);
	before = fake_rd8(b, R(SIST1));
	mp_lsi_tick(&b->chip, MS + period);
	return before | (unsigned int)fake_rd8(b, R(SIST1)) << 8;
}

static void test_gen_goes_off_after_each_period_of_the_table(void)
{
	for (unsigned int code = 1; code < 16; code++) {
		struct fake_bus *b = fake_bus_create();

		fake_wr8(b, R(STIME1), (uint8_t)code);
		T_EQ(around(b, period_ns[code]), SIST1_GEN << 8);
		T_EQ(mp_lsi_deadline_ns(&b->chip), UINT64_MAX);
		fake_bus_destroy(b);
	}
}

static void test_scale_factor_makes_gen_sixteen_times_longer(void)
{
	for (unsigned int code = 1; code < 16; code++) {
		struct fake_bus *b = fake_bus_create();

		fake_wr8(b, R(STIME1), (uint8_t)(0x20 | code));
		T_EQ(around(b, 16 * period_ns[code]), SIST1_GEN << 8);
		fake_bus_destroy(b);
	}
}

static void select_target_0(struct fake_bus *b)
{
	FAKE_PROG(b, PROG, 0x41000000, PROG, 0x98080000, 0);
	fake_go(b, PROG);
	(void)fake_rd8(b, R(DSTAT));
	T_EQ(fake_rd8(b, R(ISTAT0)), ISTAT0_CON);
}

static void test_hth_goes_off_after_each_period_on_a_silent_connection(void)
{
	for (unsigned int n = 2; n < 32; n++) {
		struct fake_bus *b = fake_bus_create();
		unsigned int code = n / 2;

		fake_wr8(b, R(STIME1), n & 1 ? 0x10 : 0);
		select_target_0(b);
		fake_wr8(b, R(STIME0), (uint8_t)(code << 4));
		T_EQ(around(b, period_ns[code] * (n & 1 ? 16 : 1)), SIST1_HTH << 8);
		fake_bus_destroy(b);
	}
}

static void test_hth_does_not_count_on_a_free_bus(void)
{
	struct fake_bus *b = fake_bus_create();

	fake_wr8(b, R(STIME0), 0x10);
	mp_lsi_tick(&b->chip, MS);
	mp_lsi_tick(&b->chip, 1000 * MS);
	T_EQ(fake_rd8(b, R(SIST1)), 0);
	T_EQ(mp_lsi_deadline_ns(&b->chip), UINT64_MAX);
	fake_bus_destroy(b);
}

static void test_rewriting_a_period_starts_it_again(void)
{
	struct fake_bus *b = fake_bus_create();

	fake_wr8(b, R(STIME1), 4);
	mp_lsi_tick(&b->chip, MS);
	mp_lsi_tick(&b->chip, MS + MS / 2);
	fake_wr8(b, R(STIME1), 0);
	fake_wr8(b, R(STIME1), 4);
	mp_lsi_tick(&b->chip, 2 * MS);
	mp_lsi_tick(&b->chip, 3 * MS - 1);
	T_EQ(fake_rd8(b, R(SIST1)), 0);
	mp_lsi_tick(&b->chip, 3 * MS);
	T_EQ(fake_rd8(b, R(SIST1)), SIST1_GEN);
	fake_bus_destroy(b);
}

T_MAIN(T_TEST(test_masked_fatal_event_halts_and_unmasked_raises_the_line_too),
       T_TEST(test_masked_non_fatal_event_sets_its_bit_and_unmasked_acts),
       T_TEST(test_mask_of_another_event_is_no_mask),
       T_TEST(test_reading_the_status_takes_the_event_and_the_line),
       T_TEST(test_second_event_of_a_group_waits_for_the_first),
       T_TEST(test_gen_goes_off_after_each_period_of_the_table),
       T_TEST(test_scale_factor_makes_gen_sixteen_times_longer),
       T_TEST(test_hth_goes_off_after_each_period_on_a_silent_connection),
       T_TEST(test_hth_does_not_count_on_a_free_bus),
       T_TEST(test_rewriting_a_period_starts_it_again))
