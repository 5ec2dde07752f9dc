/* SPDX-License-Identifier: BSD-3-Clause */
/* Every bit of every register, by a table that repeats the manual and not regs.def. */
#include "tests/lib/fake_bus.h"
#include "tests/lib/reg_table.h"
#include "tests/lib/t.h"

#define R(name) MP_LSI_R_##name

static void expect(const struct reg_row *row, unsigned int off, unsigned int wrote,
		   unsigned int got, unsigned int want)
{
	if (got != want)
		t_fail(__FILE__, __LINE__, "%s+%u reads 0x%02x after 0x%02x, expected 0x%02x",
		       row->name, off - row->off, got, wrote, want);
}

/* A fresh chip, one byte write, one read. */
static unsigned int echo(unsigned int off, uint8_t v)
{
	struct fake_bus *b = fake_bus_create();
	unsigned int got;

	fake_wr8(b, off, v);
	got = fake_rd8(b, off);
	fake_bus_destroy(b);
	return got;
}

static void test_table_covers_every_byte_but_istat0(void)
{
	for (unsigned int off = 0; off < 256; off++)
		T_EQ(reg_row_of(off) == NULL, off == R(ISTAT0));
}

static void test_each_byte_has_its_reset_value(void)
{
	struct fake_bus *b = fake_bus_create();

	for (unsigned int off = 0; off < 256; off++)
		if (reg_row_of(off))
			expect(reg_row_of(off), off, 0, fake_rd8(b, off), reg_row_of(off)->reset);
	fake_bus_destroy(b);
}

static void test_each_stored_bit_reads_back_alone(void)
{
	for (unsigned int n = 0; n < 256 * 8; n++) {
		const struct reg_row *row = reg_row_of(n / 8);
		uint8_t bit = (uint8_t)(1u << n % 8);

		if (row)
			expect(row, n / 8, bit, echo(n / 8, bit),
			       (row->reset & ~row->stored) | (bit & row->stored));
	}
}

static void test_each_byte_reads_back_all_its_stored_bits(void)
{
	/* SRST, in ISTAT0, isn't among them; RST and STD are, and do no harm. */
	for (unsigned int off = 0; off < 256; off++) {
		const struct reg_row *row = reg_row_of(off);

		if (row)
			expect(row, off, row->stored, echo(off, row->stored),
			       row->reset | row->stored);
	}
}

static void test_words_and_dwords_store_what_bytes_store(void)
{
	struct fake_bus *b = fake_bus_create(), *c = fake_bus_create();

	fake_wr8(b, R(DMODE), DMODE_MAN);
	fake_wr8(c, R(DMODE), DMODE_MAN);
	for (unsigned int off = 0x5c; off < 256; off += 4) {
		fake_wr32(b, off, 0x11223344u * (off | 1));
		for (unsigned int i = 0; i < 4; i++)
			fake_wr8(c, off + i, (uint8_t)(0x11223344u * (off | 1) >> 8 * i));
	}
	mp_lsi_write(&b->chip, R(MBOX0), 2, 0xa5c3);
	fake_wr8(c, R(MBOX0), 0xc3);
	fake_wr8(c, R(MBOX1), 0xa5);
	T_MEM_EQ(b->st->reg, c->st->reg, MP_LSI_REG_BYTES);
	fake_bus_destroy(b);
	fake_bus_destroy(c);
}

static void test_software_reset_restores_each_byte_but_com(void)
{
	struct fake_bus *b = fake_bus_create();

	for (unsigned int off = 0; off < 256; off++)
		if (reg_row_of(off))
			fake_wr8(b, off, reg_row_of(off)->stored);
	fake_wr8(b, R(ISTAT0), ISTAT0_SRST);
	for (unsigned int off = 0; off < 256; off++)
		if (reg_row_of(off))
			expect(reg_row_of(off), off, reg_row_of(off)->stored, fake_rd8(b, off),
			       reg_row_of(off)->reset | (off == R(DCNTL) ? DCNTL_COM : 0u));
	fake_bus_destroy(b);
}

static void test_registers_repeat_behind_their_end(void)
{
	struct fake_bus *b = fake_bus_create();

	fake_wr8(b, R(SCNTL3), 0x31);
	T_EQ(mp_lsi_read(&b->chip, 0xfe, 4), 0x00c00000);
	mp_lsi_write(&b->chip, 0xff, 4, 0x7700c000);
	T_EQ(fake_rd8(b, R(SCNTL2)) & 0x70, 0x70);
	T_EQ(fake_rd8(b, R(SCNTL3)), 0x31);
	fake_bus_destroy(b);
}

/* ---- ISTAT0, bit by bit ---------------------------------------------- */

static void test_istat0_stores_sigp_and_sem_only(void)
{
	T_EQ(echo(R(ISTAT0), ISTAT0_SIGP), ISTAT0_SIGP);
	T_EQ(echo(R(ISTAT0), ISTAT0_SEM), ISTAT0_SEM);
	T_EQ(echo(R(ISTAT0), ISTAT0_CON | ISTAT0_SIP | ISTAT0_DIP | ISTAT0_INTF), 0);
	T_EQ(echo(R(ISTAT0), ISTAT0_SRST), 0);
}

static void test_abort_bit_reads_back_until_dstat_is_read(void)
{
	struct fake_bus *b = fake_bus_create();

	fake_wr8(b, R(ISTAT0), ISTAT0_ABRT);
	T_EQ(fake_rd8(b, R(ISTAT0)), ISTAT0_ABRT | ISTAT0_DIP);
	(void)fake_rd8(b, R(DSTAT));
	T_EQ(fake_rd8(b, R(ISTAT0)), 0);
	fake_bus_destroy(b);
}

static void test_intf_stays_until_one_is_written(void)
{
	struct fake_bus *b = fake_bus_create();

	FAKE_PROG(b, 0x1000, 0x98180000, 0, 0x98080000, 0);
	fake_go(b, 0x1000);
	(void)fake_rd8(b, R(DSTAT));
	fake_wr8(b, R(ISTAT0), 0);
	T_EQ(fake_rd8(b, R(ISTAT0)), ISTAT0_INTF);
	fake_wr8(b, R(ISTAT0), ISTAT0_INTF);
	T_EQ(fake_rd8(b, R(ISTAT0)), 0);
	fake_bus_destroy(b);
}

static void test_configuration_bits_follow_the_bars(void)
{
	struct fake_bus *b = fake_bus_create();

	mp_lsi_set_bar(&b->chip, MP_LSI_BAR_IO, UINT64_MAX);
	T_EQ(fake_rd8(b, R(CTEST2)), CTEST2_CM | 1);
	mp_lsi_set_bar(&b->chip, MP_LSI_BAR_MMIO, UINT64_MAX);
	T_EQ(fake_rd8(b, R(CTEST2)), 1);
	mp_lsi_set_bar(&b->chip, MP_LSI_BAR_IO, FAKE_IO);
	T_EQ(fake_rd8(b, R(CTEST2)), CTEST2_CIO | 1);
	fake_bus_destroy(b);
}

T_MAIN(T_TEST(test_table_covers_every_byte_but_istat0), T_TEST(test_each_byte_has_its_reset_value),
       T_TEST(test_each_stored_bit_reads_back_alone),
       T_TEST(test_each_byte_reads_back_all_its_stored_bits),
       T_TEST(test_words_and_dwords_store_what_bytes_store),
       T_TEST(test_software_reset_restores_each_byte_but_com),
       T_TEST(test_registers_repeat_behind_their_end), T_TEST(test_istat0_stores_sigp_and_sem_only),
       T_TEST(test_abort_bit_reads_back_until_dstat_is_read),
       T_TEST(test_intf_stays_until_one_is_written),
       T_TEST(test_configuration_bits_follow_the_bars))
