/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * regs - the register file, as a table.
 *
 * regs.def says for each byte what a write stores, what else it does and
 * whether a read has an effect. From it come the offsets (state.h), the reset
 * values, the masks, the actions and the two bitmaps: which bytes a shadow
 * page may serve, and which dwords are plain storage, so that SCRIPTS load and
 * store them in one access.
 *
 * The CPU and SCRIPTS come through the same two functions. A write never runs
 * SCRIPTS: it changes state and at most marks the engine runnable; the loop is
 * mp_lsi_run(), so that a program which writes its own DSP can't recurse.
 *
 * Reads with an effect: DSTAT, SIST0 and SIST1 clear themselves, CTEST2 clears
 * SIGP; CTEST6 and SODL empty a FIFO under test (selftest.c). The second
 * interrupt level moves up only at the end of a CPU access, so that a 16-bit
 * read of SIST is one event.
 */
#include "lsi-core/state.h"

#include <string.h>

#define SPAN(off, width) [(off)...(off) + (width)-1]

const uint8_t mp_lsi_reg_reset[MP_LSI_REG_BYTES] = {
#define REG(off, name, width, reset, mask, action, shadow) SPAN(off, width) = (reset),
#include "lsi-core/regs.def"
#undef REG
};

static const uint8_t reg_mask[MP_LSI_REG_BYTES] = {
#define REG(off, name, width, reset, mask, action, shadow) SPAN(off, width) = (mask),
#include "lsi-core/regs.def"
#undef REG
};

static const uint8_t reg_action[MP_LSI_REG_BYTES] = {
#define REG(off, name, width, reset, mask, action, shadow) SPAN(off, width) = MP_LSI_A_##action,
#include "lsi-core/regs.def"
#undef REG
};

#define BIT_IN(word, n) ((n) / 64 == (word) ? 1ull << ((n) % 64) : 0)

/* Bytes with a read effect, of word 0..3 of the bitmap. */
static const uint64_t effect[4] = {
#define REG(off, name, width, reset, mask, action, shadow) | ((shadow) ? 0 : BIT_IN(0, off))
	0
#include "lsi-core/regs.def"
#undef REG
	,
#define REG(off, name, width, reset, mask, action, shadow) | ((shadow) ? 0 : BIT_IN(1, off))
	0
#include "lsi-core/regs.def"
#undef REG
};

const uint64_t mp_lsi_shadowable[4] = {
#define REG(off, name, width, reset, mask, action, shadow) &((shadow) ? ~0ull : ~BIT_IN(0, off))
	~0ull
#include "lsi-core/regs.def"
#undef REG
	,
#define REG(off, name, width, reset, mask, action, shadow) &((shadow) ? ~0ull : ~BIT_IN(1, off))
	~0ull
#include "lsi-core/regs.def"
#undef REG
	,
	~0ull, ~0ull};

/* Dwords with a line for four plain bytes. */
const uint64_t mp_lsi_plain_dwords = 0
#define REG(off, name, width, reset, mask, action, shadow)                                         \
	| ((width) == 4 && (mask) == 0xff && MP_LSI_A_##action == MP_LSI_A_PLAIN                   \
		   ? 1ull << ((off) / 4)                                                           \
		   : 0)
#include "lsi-core/regs.def"
#undef REG
	;

static bool has_effect(unsigned int off)
{
	return effect[off / 64] >> (off % 64) & 1;
}

uint8_t mp_lsi_reg_read(struct mp_lsi *c, unsigned int off)
{
	struct mp_lsi_state *st = c->st;
	uint8_t v = st->reg[off];

	if (mp_likely(!has_effect(off)))
		return v;
	switch (off) {
	case MP_LSI_R_DSTAT:
		st->reg[off] &= DSTAT_DFE;
		mp_lsi_flag(st, MP_LSI_R_ISTAT0, ISTAT0_ABRT, false);
		break;
	case MP_LSI_R_CTEST2:
		if (st->reg[MP_LSI_R_ISTAT0] & ISTAT0_SIGP)
			v |= CTEST2_SIGP;
		mp_lsi_flag(st, MP_LSI_R_ISTAT0, ISTAT0_SIGP, false);
		break;
	case MP_LSI_R_CTEST6:
	case MP_LSI_R_SODL:
		return mp_lsi_test_read(c, off);
	default: /* SIST0, SIST1 */
		st->reg[off] = 0;
		break;
	}
	return v;
}

/* Inputs read their pull-ups, outputs the latch. */
void mp_lsi_show_gpio(struct mp_lsi_state *st)
{
	unsigned int inputs = st->reg[MP_LSI_R_GPCNTL] & 0x1fu;

	st->reg[MP_LSI_R_GPREG] = (uint8_t)(0x60u | inputs | (st->gpreg & ~inputs & 0x1fu));
}

/* CTEST2: in which spaces the registers are. */
void mp_lsi_show_config(struct mp_lsi_state *st)
{
	mp_lsi_flag(st, MP_LSI_R_CTEST2, CTEST2_CIO, st->bar[MP_LSI_BAR_IO] != UINT64_MAX);
	mp_lsi_flag(st, MP_LSI_R_CTEST2, CTEST2_CM, st->bar[MP_LSI_BAR_MMIO] != UINT64_MAX);
}

/* CTEST2.PCICIE: SCRATCHA and SCRATCHB show BAR1 and BAR2 while it is set. */
static void show_bars(struct mp_lsi_state *st, bool on)
{
	bool was = st->reg[MP_LSI_R_CTEST2] & CTEST2_PCICIE;

	if (on && !was) {
		st->scratch_saved[0] = mp_lsi_get(st, MP_LSI_R_SCRATCHA);
		st->scratch_saved[1] = mp_lsi_get(st, MP_LSI_R_SCRATCHB);
	}
	if (on) {
		mp_lsi_put(st, MP_LSI_R_SCRATCHA, (uint32_t)st->bar[MP_LSI_BAR_MMIO]);
		mp_lsi_put(st, MP_LSI_R_SCRATCHB, (uint32_t)st->bar[MP_LSI_BAR_RAM]);
	} else if (was) {
		mp_lsi_put(st, MP_LSI_R_SCRATCHA, st->scratch_saved[0]);
		mp_lsi_put(st, MP_LSI_R_SCRATCHB, st->scratch_saved[1]);
	}
}

static void write_istat0(struct mp_lsi *c, uint8_t v, bool engine)
{
	struct mp_lsi_state *st = c->st;
	uint8_t *istat0 = &st->reg[MP_LSI_R_ISTAT0];

	if (v & ISTAT0_SRST) {
		mp_lsi_soft_reset(c);
		return;
	}
	*istat0 &= ISTAT0_CON | ISTAT0_INTF | ISTAT0_SIP | ISTAT0_DIP;
	*istat0 |= v & (ISTAT0_ABRT | ISTAT0_SIGP | ISTAT0_SEM);
	if (v & ISTAT0_INTF)
		*istat0 &= (uint8_t)~ISTAT0_INTF;
	if (v & ISTAT0_SIGP) {
		if (!engine && st->owed < UINT8_MAX)
			st->owed++;
		mp_lsi_wake(c);
	}
	if (v & ISTAT0_ABRT)
		mp_lsi_raise_dma(c, DSTAT_ABRT);
	mp_lsi_irq_update(c);
}

static void write_scntl1(struct mp_lsi *c, uint8_t was, uint8_t v)
{
	if (v & SCNTL1_RST && !(was & SCNTL1_RST))
		mp_lsi_bus_reset(c);
	mp_lsi_flag(c->st, MP_LSI_R_SSTAT0, SSTAT0_RST, v & SCNTL1_RST);
	if ((was ^ v) & SCNTL1_ADB)
		mp_lsi_test_loopback(c->st);
	mp_lsi_wake(c);
}

static void write_scntl2(struct mp_lsi_state *st, uint8_t v)
{
	mp_lsi_flag(st, MP_LSI_R_SCNTL2, v & (SCNTL2_WSS | SCNTL2_WSR), false);
	if (mp_unlikely(st->sums))
		mp_lsi_slpar_show(st);
}

static void write_ctest2(struct mp_lsi_state *st, uint8_t was, uint8_t v)
{
	st->reg[MP_LSI_R_CTEST2] = was;
	show_bars(st, v & CTEST2_PCICIE);
	mp_lsi_flag(st, MP_LSI_R_CTEST2, CTEST2_PCICIE, v & CTEST2_PCICIE);
}

static void write_action(struct mp_lsi *c, unsigned int off, uint8_t was, uint8_t v, bool engine)
{
	struct mp_lsi_state *st = c->st;

	switch ((enum mp_lsi_action)reg_action[off]) {
	case MP_LSI_A_PLAIN:
		break;
	case MP_LSI_A_SCNTL0:
		if (v & SCNTL0_START)
			mp_lsi_bus_start(c);
		break;
	case MP_LSI_A_SCNTL1:
		write_scntl1(c, was, v);
		break;
	case MP_LSI_A_SCNTL2:
		write_scntl2(st, v);
		break;
	case MP_LSI_A_WAKE:
		mp_lsi_wake(c);
		break;
	case MP_LSI_A_GPIO:
		if (off == MP_LSI_R_GPREG)
			st->gpreg = v;
		mp_lsi_show_gpio(st);
		break;
	case MP_LSI_A_SFBR:
		if (engine)
			st->reg[off] = v;
		break;
	case MP_LSI_A_ISTAT0:
		write_istat0(c, v, engine);
		break;
	case MP_LSI_A_CTEST2:
		write_ctest2(st, was, v);
		break;
	case MP_LSI_A_START:
		if (!(st->reg[MP_LSI_R_DMODE] & DMODE_MAN) || st->run == MP_LSI_RUNNING)
			mp_lsi_start(c, true);
		break;
	case MP_LSI_A_DCNTL:
		if (v & DCNTL_STD && st->run == MP_LSI_HALTED)
			mp_lsi_start(c, false);
		mp_lsi_irq_update(c);
		break;
	case MP_LSI_A_IRQ:
		mp_lsi_irq_update(c);
		break;
	case MP_LSI_A_SLPAR:
		mp_lsi_slpar_clear(st);
		break;
	case MP_LSI_A_STIME0:
		mp_lsi_timer_arm(st, MP_LSI_TIMER_HTH, v >> 4);
		break;
	case MP_LSI_A_STIME1:
		mp_lsi_timer_arm(st, MP_LSI_TIMER_GEN, v & 0xf);
		break;
	case MP_LSI_A_TEST:
		mp_lsi_test_write(c, off, was, v);
		break;
	}
}

void mp_lsi_reg_write(struct mp_lsi *c, unsigned int off, uint8_t v, bool engine)
{
	struct mp_lsi_state *st = c->st;
	uint8_t was = st->reg[off];

	st->reg[off] = (uint8_t)((was & ~reg_mask[off]) | (v & reg_mask[off]));
	if (reg_action[off] != MP_LSI_A_PLAIN)
		write_action(c, off, was, v, engine);
}

uint32_t mp_lsi_read(struct mp_lsi *c, unsigned int off, unsigned int size)
{
	uint32_t was = mp_lsi_enter(c->st);
	uint32_t v = 0;

	for (unsigned int i = 0; i < size; i++)
		v |= (uint32_t)mp_lsi_reg_read(c, (off + i) % MP_LSI_REG_BYTES) << 8 * i;
	mp_lsi_irq_update(c);
	mp_lsi_leave(c->st, was);
	return v;
}

void mp_lsi_write(struct mp_lsi *c, unsigned int off, unsigned int size, uint32_t value)
{
	uint32_t was = mp_lsi_enter(c->st);

	for (unsigned int i = 0; i < size; i++)
		mp_lsi_reg_write(c, (off + i) % MP_LSI_REG_BYTES, (uint8_t)(value >> 8 * i), false);
	if (mp_unlikely(off <= MP_LSI_R_SODL && off + size > MP_LSI_R_SODL + 1))
		mp_lsi_test_amend(c->st);
	mp_lsi_leave(c->st, was);
}

uint64_t mp_lsi_ram_read(struct mp_lsi *c, unsigned int off, unsigned int size)
{
	uint64_t v = 0;

	mp_assert(off + size <= MP_LSI_RAM_BYTES && size <= sizeof(v));
	memcpy(&v, c->st->ram + off, size);
	return le64toh(v);
}

void mp_lsi_ram_write(struct mp_lsi *c, unsigned int off, unsigned int size, uint64_t value)
{
	mp_assert(off + size <= MP_LSI_RAM_BYTES && size <= sizeof(value));
	value = htole64(value);
	memcpy(c->st->ram + off, &value, size);
}

void mp_lsi_set_bar(struct mp_lsi *c, unsigned int bar, uint64_t addr)
{
	struct mp_lsi_state *st = c->st;

	mp_assert(bar < 3);
	st->bar[bar] = addr;
	mp_lsi_show_config(st);
	if (st->reg[MP_LSI_R_CTEST2] & CTEST2_PCICIE)
		show_bars(st, true);
}

const uint64_t *mp_lsi_shadow(const struct mp_lsi *c)
{
	return (const void *)c->st->reg;
}
