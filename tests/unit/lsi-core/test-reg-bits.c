/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Every bit of every register, by a table of its own that repeats the manual
 * and not regs.def: the value after reset, and which bits a write stores. All
 * other bits are read-only, reserved, clear themselves or act when written,
 * and in any case don't read back.
 */
#include "tests/lib/fake_bus.h"
#include "tests/lib/t.h"

#include <stdlib.h>

#define R(name) MP_LSI_R_##name

struct reg_row {
	uint8_t off, width, reset, stored;
	const char *name;
};

static const struct reg_row rows[] = {
	{0x00, 1, 0xc0, 0xdb, "SCNTL0"},   {0x01, 1, 0x00, 0xee, "SCNTL1"},
	{0x02, 1, 0x00, 0xf2, "SCNTL2"},   {0x03, 1, 0x00, 0xff, "SCNTL3"},
	{0x04, 1, 0x07, 0x6f, "SCID"},     {0x05, 1, 0x00, 0xff, "SXFER"},
	{0x06, 1, 0x00, 0x0f, "SDID"},     {0x07, 1, 0x7f, 0x10, "GPREG"},
	{0x08, 1, 0x00, 0x00, "SFBR"},     {0x09, 1, 0x00, 0x00, "SOCL"},
	{0x0a, 1, 0x00, 0x00, "SSID"},     {0x0b, 1, 0x00, 0x00, "SBCL"},
	{0x0c, 1, 0x80, 0x00, "DSTAT"},    {0x0d, 1, 0x00, 0x00, "SSTAT0"},
	{0x0e, 1, 0x00, 0x00, "SSTAT1"},   {0x0f, 1, 0x02, 0x00, "SSTAT2"},
	{0x10, 4, 0x00, 0xff, "DSA"},      {0x15, 1, 0x00, 0x01, "ISTAT1"},
	{0x16, 1, 0x00, 0xff, "MBOX0"},    {0x17, 1, 0x00, 0xff, "MBOX1"},
	{0x18, 1, 0xff, 0x00, "CTEST0"},   {0x19, 1, 0x00, 0x00, "CTEST1"},
	{0x1a, 1, 0x31, 0x08, "CTEST2"},   {0x1b, 1, 0x00, 0x03, "CTEST3"},
	{0x1c, 4, 0x00, 0xff, "TEMP"},     {0x20, 1, 0x00, 0xff, "DFIFO"},
	{0x21, 1, 0x00, 0xff, "CTEST4"},   {0x22, 1, 0x00, 0x3f, "CTEST5"},
	{0x23, 1, 0x00, 0x00, "CTEST6"},   {0x24, 3, 0x00, 0xff, "DBC"},
	{0x27, 1, 0x40, 0xff, "DCMD"},     {0x28, 4, 0x00, 0xff, "DNAD"},
	{0x2c, 4, 0x00, 0xff, "DSP"},      {0x30, 4, 0x00, 0xff, "DSPS"},
	{0x34, 4, 0x00, 0xff, "SCRATCHA"}, {0x38, 1, 0x00, 0xff, "DMODE"},
	{0x39, 1, 0x00, 0x7d, "DIEN"},     {0x3a, 1, 0x00, 0xff, "SBR"},
	{0x3b, 1, 0x00, 0xbb, "DCNTL"},    {0x3c, 4, 0x00, 0x00, "ADDER"},
	{0x40, 1, 0x00, 0xff, "SIEN0"},    {0x41, 1, 0x00, 0x17, "SIEN1"},
	{0x42, 1, 0x00, 0x00, "SIST0"},    {0x43, 1, 0x00, 0x00, "SIST1"},
	{0x44, 1, 0x00, 0x00, "SLPAR"},    {0x45, 1, 0x00, 0xff, "SWIDE"},
	{0x46, 1, 0x00, 0x0f, "MACNTL"},   {0x47, 1, 0x0f, 0xff, "GPCNTL"},
	{0x48, 1, 0x00, 0xff, "STIME0"},   {0x49, 1, 0x00, 0x7f, "STIME1"},
	{0x4a, 1, 0x00, 0xff, "RESPID0"},  {0x4b, 1, 0x00, 0xff, "RESPID1"},
	{0x4c, 1, 0x03, 0x00, "STEST0"},   {0x4d, 1, 0x00, 0xcc, "STEST1"},
	{0x4e, 1, 0x00, 0xbf, "STEST2"},   {0x4f, 1, 0x00, 0xfd, "STEST3"},
	{0x50, 2, 0x00, 0x00, "SIDL"},     {0x52, 1, 0xe0, 0x00, "STEST4"},
	{0x53, 1, 0x00, 0x00, "reserved"}, {0x54, 2, 0x00, 0xff, "SODL"},
	{0x56, 1, 0x00, 0xf3, "CCNTL0"},   {0x57, 1, 0x00, 0x8f, "CCNTL1"},
	{0x58, 2, 0x00, 0x00, "SBDL"},     {0x5a, 2, 0x00, 0x00, "reserved"},
	{0x5c, 4, 0x00, 0xff, "SCRATCHB"}, {0x60, 64, 0x00, 0xff, "SCRATCHC..R"},
	{0xa0, 4, 0x00, 0xff, "MMRS"},     {0xa4, 4, 0x00, 0xff, "MMWS"},
	{0xa8, 4, 0x00, 0xff, "SFS"},      {0xac, 4, 0x00, 0xff, "DRS"},
	{0xb0, 4, 0x00, 0xff, "SBMS"},     {0xb4, 4, 0x00, 0xff, "DBMS"},
	{0xb8, 4, 0x00, 0xff, "DNAD64"},   {0xbc, 4, 0x00, 0x00, "reserved"},
	{0xc0, 4, 0x00, 0xff, "PMJAD1"},   {0xc4, 4, 0x00, 0xff, "PMJAD2"},
	{0xc8, 4, 0x00, 0xff, "RBC"},      {0xcc, 4, 0x00, 0xff, "UA"},
	{0xd0, 4, 0x00, 0xff, "ESA"},      {0xd4, 4, 0x00, 0xff, "IA"},
	{0xd8, 3, 0x00, 0x00, "SBC"},      {0xdb, 1, 0x00, 0x00, "reserved"},
	{0xdc, 4, 0x00, 0xff, "CSBC"},     {0xe0, 32, 0x00, 0x00, "reserved"},
};

#define N_ROWS (sizeof(rows) / sizeof(rows[0]))

/* The row of a byte; ISTAT0, of which each bit is its own story, has none. */
static const struct reg_row *row_of(unsigned int off)
{
	for (unsigned int i = 0; i < N_ROWS; i++)
		if (off - rows[i].off < rows[i].width)
			return &rows[i];
	return NULL;
}

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
		T_EQ(row_of(off) == NULL, off == R(ISTAT0));
}

static void test_each_byte_has_its_reset_value(void)
{
	struct fake_bus *b = fake_bus_create();

	for (unsigned int off = 0; off < 256; off++)
		if (row_of(off))
			expect(row_of(off), off, 0, fake_rd8(b, off), row_of(off)->reset);
	fake_bus_destroy(b);
}

static void test_each_stored_bit_reads_back_alone(void)
{
	for (unsigned int n = 0; n < 256 * 8; n++) {
		const struct reg_row *row = row_of(n / 8);
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
		const struct reg_row *row = row_of(off);

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
		if (row_of(off))
			fake_wr8(b, off, row_of(off)->stored);
	fake_wr8(b, R(ISTAT0), ISTAT0_SRST);
	for (unsigned int off = 0; off < 256; off++)
		if (row_of(off))
			expect(row_of(off), off, row_of(off)->stored, fake_rd8(b, off),
			       row_of(off)->reset | (off == R(DCNTL) ? DCNTL_COM : 0u));
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
