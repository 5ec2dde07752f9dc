/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * fuzz_regs - a driver that has read no manual: register and RAM accesses of
 * every size at every offset, between slices of SCRIPTS, ticks, resets, BARs
 * that move and targets that speak.
 *
 * After each record the chip is checked against what its manual says of any
 * moment (chip_check): consistent state, a shadow equal to a read, a line that
 * follows from status and masks, and no task that only one side knows. Each
 * access is checked too:
 *
 *	read	its bytes are the shadow's, or the status with the read effect
 *	write	a byte without an action takes the bits of its mask, and
 *		nothing else in the file changes
 *	tick	leaves no deadline in the past
 */
#include "tests/fuzz/lsi-core/input.h"
#include "tests/fuzz/lsi-core/steps.h"
#include "tests/lib/chip_check.h"

#include <string.h>

#define MAX_RECORDS 400u
#define PROG        0x1000u

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Masks of the bytes whose write is nothing but a store; -1: there is more to it. */
static const int16_t plain_mask[MP_LSI_REG_BYTES] = {
#define REG(off, name, width, reset, mask, action, shadow)                                         \
	[(off)...(off) + (width)-1] = MP_LSI_A_##action == MP_LSI_A_PLAIN ? (mask) : -1,
#include "lsi-core/regs.def"
#undef REG
};

static const uint8_t sizes[4] = {1, 2, 4, 4};

static uint8_t expected_read(const struct mp_lsi_state *st, unsigned int off)
{
	uint8_t v = st->reg[off];

	if (off == MP_LSI_R_CTEST2 && st->reg[MP_LSI_R_ISTAT0] & ISTAT0_SIGP)
		v |= CTEST2_SIGP;
	return v;
}

/* What a test of the FIFOs reads is for the unit tests to say. */
static bool in_fifo(unsigned int off)
{
	return off == MP_LSI_R_CTEST6 || off / 2 == MP_LSI_R_SODL / 2;
}

static void read_regs(struct fake_bus *b, struct input *in, unsigned int size)
{
	unsigned int off = take8(in);
	uint32_t want = 0, known = 0;

	for (unsigned int i = 0; i < size; i++) {
		want |= (uint32_t)expected_read(b->st, (off + i) % 256) << 8 * i;
		known |= in_fifo((off + i) % 256) ? 0 : 0xffu << 8 * i;
	}
	mp_assert(((mp_lsi_read(&b->chip, off, size) ^ want) & known) == 0);
}

static bool all_plain(unsigned int off, unsigned int size)
{
	for (unsigned int i = 0; i < size; i++)
		if (plain_mask[(off + i) % 256] < 0)
			return false;
	return true;
}

static void write_regs(struct fake_bus *b, struct input *in, unsigned int size)
{
	unsigned int off = take8(in);
	uint32_t v = take32(in);
	uint8_t want[MP_LSI_REG_BYTES];

	memcpy(want, b->st->reg, sizeof(want));
	mp_lsi_write(&b->chip, off, size, v);
	if (!all_plain(off, size))
		return;
	for (unsigned int i = 0; i < size; i++) {
		uint8_t *to = &want[(off + i) % 256];
		unsigned int mask = (unsigned int)plain_mask[(off + i) % 256];

		*to = (uint8_t)((*to & ~mask) | (v >> 8 * i & mask));
	}
	mp_assert(memcmp(want, b->st->reg, sizeof(want)) == 0);
}

static void access_ram(struct fake_bus *b, struct input *in, unsigned int size)
{
	unsigned int off = (take8(in) | (unsigned int)take8(in) << 8) % (MP_LSI_RAM_BYTES - 8);
	uint64_t v = take32(in) * 0x100000001ull, mask = ~0ull >> (64 - 8 * size);

	mp_lsi_ram_write(&b->chip, off, size, v);
	mp_assert(mp_lsi_ram_read(&b->chip, off, size) == (v & mask));
}

static void tick(struct fake_bus *b, uint64_t by, uint64_t *now)
{
	*now += by;
	mp_lsi_tick(&b->chip, *now);
	mp_assert(mp_lsi_deadline_ns(&b->chip) > *now);
}

static void set_bar(struct fake_bus *b, struct input *in)
{
	static const uint64_t base[4] = {FAKE_IO, FAKE_REGS, FAKE_RAM, PROG};
	unsigned int what = take8(in);

	if (what & 0x80)
		mp_lsi_set_bar(&b->chip, what % 3, UINT64_MAX);
	else if (what & 0x40)
		mp_lsi_set_bar(&b->chip, what % 3, take32(in) & ~0xffull);
	else
		mp_lsi_set_bar(&b->chip, what % 3, base[what >> 2 & 3]);
}

static void configure(struct fake_bus *b, struct input *in)
{
	unsigned int bits = take8(in);

	b->present = take8(in);
	b->prompt = bits & 1;
	b->dir = bits & 2 ? MP_LSI_DATA_IN : MP_LSI_DATA_OUT;
	b->frag_len = bits & 4 ? 3 : FAKE_CHUNK_BYTES;
	b->chunk_len = 1 + take8(in) * 16u;
	b->xfer_len = take8(in) * 37u;
	b->busy_tasks = bits & 8 ? ~0ull : 0;
}

static void record(struct fake_bus *b, struct input *in, uint64_t *now)
{
	uint8_t op = take8(in);
	unsigned int size = sizes[op >> 6];

	switch (op % 16) {
	case 0 ... 3:
		write_regs(b, in, size);
		break;
	case 4 ... 5:
		read_regs(b, in, size);
		break;
	case 6:
		access_ram(b, in, op & 0x10 ? 8 : size);
		break;
	case 7 ... 8:
		put_words(b, in, PROG, 12);
		break;
	case 9:
		fake_wr32(b, MP_LSI_R_DSP, (op & 0x40 ? FAKE_RAM : PROG) + take8(in) * 8);
		break;
	case 10 ... 11:
		run(b, take8(in));
		break;
	case 12:
		tick(b, op & 0x10 ? 1ull << (take8(in) & 31) : take8(in) * 1000u, now);
		break;
	case 13:
		speak(b, in);
		break;
	case 14:
		configure(b, in);
		break;
	default:
		if (op & 0x80)
			mp_lsi_reset(&b->chip);
		else
			set_bar(b, in);
		break;
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct fake_bus *b = fake_bus_create();
	struct input in = {data, size};
	uint64_t now = 0;

	for (unsigned int i = 0; i < MAX_RECORDS && in.left; i++) {
		record(b, &in, &now);
		chip_check(b);
	}
	/* Whatever was done to it: a software reset makes it work. */
	fake_wr8(b, MP_LSI_R_ISTAT0, ISTAT0_SRST);
	mp_assert(memcmp(b->st->reg, mp_lsi_reg_reset, MP_LSI_R_CTEST2) == 0);
	mp_assert(!mp_lsi_irq_level(&b->chip) && !mp_lsi_runnable(&b->chip));
	chip_check(b);
	fake_bus_destroy(b);
	return 0;
}
