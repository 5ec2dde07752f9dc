/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * irq - status bits become a level.
 *
 * Three registers hold events (DSTAT, SIST0, SIST1), three mask them, and
 * ISTAT0 sums them up (DIP, SIP) beside INTF, which is independent. Behind
 * the three visible registers is a second level: a bit that arrives while its
 * summary bit is set waits there, and moves up when a read has cleared the
 * visible ones.
 *
 *	fatal		sets its bit and DIP or SIP and stops SCRIPTS, masked or not
 *	non-fatal	(CMP SEL RSL GEN HTH) masked: its bit and nothing else;
 *			unmasked: as a fatal one
 *
 * mp_lsi_irq_update() derives SIP, DIP and the line from the registers; every
 * function that changes one of those ends with it. The line is a level: what
 * it is when a register access returns is what the guest sees next.
 */
#include "lsi-core/state.h"

#define NON_FATAL0 (SIST0_CMP | SIST0_SEL | SIST0_RSL)
#define NON_FATAL1 (SIST1_GEN | SIST1_HTH)

static unsigned int sip(const struct mp_lsi_state *st)
{
	const uint8_t *reg = st->reg;

	return (reg[MP_LSI_R_SIST0] & (reg[MP_LSI_R_SIEN0] | (uint8_t)~NON_FATAL0)) |
	       (reg[MP_LSI_R_SIST1] & (reg[MP_LSI_R_SIEN1] | (uint8_t)~NON_FATAL1));
}

static bool dip(const struct mp_lsi_state *st)
{
	return st->reg[MP_LSI_R_DSTAT] & DSTAT_EVENTS;
}

static bool unmasked(const struct mp_lsi_state *st)
{
	const uint8_t *reg = st->reg;

	return reg[MP_LSI_R_ISTAT0] & ISTAT0_INTF ||
	       reg[MP_LSI_R_DSTAT] & reg[MP_LSI_R_DIEN] & DSTAT_EVENTS ||
	       reg[MP_LSI_R_SIST0] & reg[MP_LSI_R_SIEN0] ||
	       reg[MP_LSI_R_SIST1] & reg[MP_LSI_R_SIEN1];
}

/* The second level moves up into registers that a read has emptied. */
static void promote(struct mp_lsi_state *st)
{
	if (st->dstat_next && !dip(st)) {
		st->reg[MP_LSI_R_DSTAT] |= st->dstat_next;
		st->dstat_next = 0;
	}
	if ((st->sist0_next || st->sist1_next) && !sip(st)) {
		st->reg[MP_LSI_R_SIST0] |= st->sist0_next;
		st->reg[MP_LSI_R_SIST1] |= st->sist1_next;
		st->sist0_next = 0;
		st->sist1_next = 0;
	}
}

void mp_lsi_irq_update(struct mp_lsi *c)
{
	struct mp_lsi_state *st = c->st;
	bool level;

	promote(st);
	mp_lsi_flag(st, MP_LSI_R_ISTAT0, ISTAT0_SIP, sip(st));
	mp_lsi_flag(st, MP_LSI_R_ISTAT0, ISTAT0_DIP, dip(st));
	level = unmasked(st) && !(st->reg[MP_LSI_R_DCNTL] & DCNTL_IRQD);
	/* SI holds back new interrupts, not the one already asserted. */
	if (st->reg[MP_LSI_R_ISTAT1] & ISTAT1_SI)
		level = level && st->level;
	c->counters.n_irq_asserts += level && !st->level;
	st->level = level;
}

void mp_lsi_raise_dma(struct mp_lsi *c, unsigned int dstat)
{
	struct mp_lsi_state *st = c->st;

	if (dip(st))
		st->dstat_next |= (uint8_t)dstat;
	else
		st->reg[MP_LSI_R_DSTAT] |= (uint8_t)dstat;
	mp_lsi_halt(c);
	mp_lsi_irq_update(c);
}

void mp_lsi_raise_scsi(struct mp_lsi *c, unsigned int sist0, unsigned int sist1)
{
	struct mp_lsi_state *st = c->st;
	unsigned int stop0 = sist0 & (st->reg[MP_LSI_R_SIEN0] | ~NON_FATAL0);
	unsigned int stop1 = sist1 & (st->reg[MP_LSI_R_SIEN1] | ~NON_FATAL1);

	if (!stop0 && !stop1) {
		st->reg[MP_LSI_R_SIST0] |= (uint8_t)sist0;
		st->reg[MP_LSI_R_SIST1] |= (uint8_t)sist1;
		return;
	}
	if (sip(st)) {
		st->sist0_next |= (uint8_t)sist0;
		st->sist1_next |= (uint8_t)sist1;
	} else {
		st->reg[MP_LSI_R_SIST0] |= (uint8_t)sist0;
		st->reg[MP_LSI_R_SIST1] |= (uint8_t)sist1;
	}
	mp_lsi_halt(c);
	mp_lsi_irq_update(c);
}

void mp_lsi_intfly(struct mp_lsi *c)
{
	mp_lsi_flag(c->st, MP_LSI_R_ISTAT0, ISTAT0_INTF, true);
	mp_lsi_irq_update(c);
}

int mp_lsi_irq_level(const struct mp_lsi *c)
{
	return c->st->level;
}
