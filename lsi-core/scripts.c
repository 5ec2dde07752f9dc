/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * scripts - the SCRIPTS processor: fetch, decode, budget, resume.
 *
 *	HALTED	 DSP written or STD -->	RUNNING	-- interrupt --> HALTED
 *	RUNNING	 fetch, dispatch by the five opcode bits, then one of
 *		 DONE	 the next step fetches
 *		 AGAIN	 the instruction is unfinished and goes on at the next step
 *		 PARK	 unfinished, and nothing to do until mp_lsi_wake()
 *
 * One flat loop, mp_lsi_run(); nothing that an instruction does can call it.
 * Parking keeps no record of what was waited for: whoever changes something
 * that an instruction could wait for wakes the engine, and the instruction
 * looks again. A needless wake costs one look; a guest's endless loop costs
 * its budget, turn by turn, and no other state.
 *
 * DSP shows the next instruction already while one is under way, as on the
 * chip. A write to DSP abandons an instruction that waits, also one that has
 * been woken and hasn't looked yet; a move under way is finished first.
 *
 * Failed selection. SELECT of an absent target retires at once; the
 * time-out is due (sto) and is taken by the first instruction that needs the
 * bus, instead of executing it: drivers compare DSP with that place. The
 * period in STIME0 is not awaited, nor does 0 mean for ever: a boot
 * firmware that never writes STIME0 scans the bus by time-outs.
 *
 * Fetch order: opcode before or together with its operand, so that a CPU which
 * patches operand first, opcode second is never seen half-way.
 */
#include "lsi-core/state.h"

static mp_lsi_insn_fn *const insn_table[32] = {
#define INSN(first, last, run, print, name) [(first)...(last)] = mp_lsi_insn_##run,
#include "lsi-core/insn.def"
#undef INSN
};

/* The instruction under way, and its move, come to nothing. */
static void abandon(struct mp_lsi_state *st)
{
	st->unfinished = 0;
	st->parked = 0;
	st->move.started = 0;
}

void mp_lsi_start(struct mp_lsi *c, bool new_dsp)
{
	struct mp_lsi_state *st = c->st;

	if (st->run == MP_LSI_HALTED) {
		/* See "stale" in bus.c: the program's idea of the bus may be outdated. */
		if (new_dsp && st->fatal && st->nexus.conn == MP_LSI_SELECTED)
			st->nexus.stale = 1;
		st->run = MP_LSI_RUNNING;
		st->fatal = 0;
		mp_lsi_flag(st, MP_LSI_R_ISTAT1, ISTAT1_SRUN, true);
	} else if (st->unfinished && st->waits) {
		abandon(st);
	}
}

void mp_lsi_halt(struct mp_lsi *c)
{
	struct mp_lsi_state *st = c->st;

	st->run = MP_LSI_HALTED;
	st->fatal = 1;
	abandon(st);
	mp_lsi_flag(st, MP_LSI_R_ISTAT1, ISTAT1_SRUN, false);
	/* The selection goes on without SCRIPTS: its time-out comes anyhow. */
	mp_lsi_take_sto(c);
}

bool mp_lsi_take_sto(struct mp_lsi *c)
{
	if (mp_likely(!c->st->sto))
		return false;
	c->st->sto = 0;
	mp_lsi_raise_scsi(c, 0, SIST1_STO);
	return true;
}

static void load_insn(struct mp_lsi_state *st, const uint32_t *p)
{
	/* L2: acquire, pairs with the driver's stores: an operand is at least as
	 * new as the opcode in front of it. */
	uint32_t op = atomic_load_explicit((const _Atomic uint32_t *)p, memory_order_acquire);

	st->insn[0] = le32toh(op);
	/* relaxed: ordered behind the opcode by its acquire. */
	st->insn[1] = le32toh(
		atomic_load_explicit((const _Atomic uint32_t *)(p + 1), memory_order_relaxed));
}

/* An instruction that straddles two pages, or own RAM's end. */
static bool fetch_split(struct mp_lsi *c, uint64_t addr)
{
	uint8_t raw[8];

	if (!mp_lsi_mem_get(c, addr, raw, 4) || !mp_lsi_mem_get(c, addr + 4, raw + 4, 4))
		return false;
	c->st->insn[0] = mp_get_le32(raw);
	c->st->insn[1] = mp_get_le32(raw + 4);
	return true;
}

static bool fetch_elsewhere(struct mp_lsi *c, uint64_t addr)
{
	uint32_t len = 8;
	const void *p = mp_lsi_mem(c, addr, &len, false);

	if (mp_unlikely(!p))
		return false;
	if (mp_unlikely(len < 8 || (uintptr_t)p % 4))
		return fetch_split(c, addr);
	load_insn(c->st, p);
	return true;
}

static bool fetch(struct mp_lsi *c, struct mp_lsi_state *st)
{
	uint32_t dsp = mp_lsi_get(st, MP_LSI_R_DSP) & ~3u;
	uint64_t addr = mp_lsi_addr(st, MP_LSI_R_SFS, dsp);
	uint64_t off = addr - st->bar[MP_LSI_BAR_RAM];

	/* Nearly always: a program in own RAM. A BAR that isn't decoded is all ones,
	 * so what is aligned is not aligned in it. */
	if (mp_likely(off <= MP_LSI_RAM_BYTES - 8 && off % 4 == 0)) {
		load_insn(st, (const uint32_t *)(const void *)(st->ram + off));
	} else if (mp_unlikely(!fetch_elsewhere(c, addr))) {
		mp_lsi_raise_dma(c, DSTAT_BF);
		return false;
	}
	st->ia = dsp;
	mp_lsi_put(st, MP_LSI_R_DBC, st->insn[0]);
	mp_lsi_put(st, MP_LSI_R_DSPS, st->insn[1]);
	mp_lsi_put(st, MP_LSI_R_DSP, dsp + 8);
	return true;
}

bool mp_lsi_fetch_third(struct mp_lsi *c)
{
	struct mp_lsi_state *st = c->st;
	uint32_t dsp = mp_lsi_get(st, MP_LSI_R_DSP);
	uint8_t raw[4];

	if (!mp_lsi_mem_get(c, mp_lsi_addr(st, MP_LSI_R_SFS, dsp), raw, sizeof(raw))) {
		mp_lsi_raise_dma(c, DSTAT_BF);
		return false;
	}
	st->insn[2] = mp_get_le32(raw);
	mp_lsi_put(st, MP_LSI_R_DSP, dsp + 4);
	return true;
}

enum mp_lsi_step mp_lsi_insn_illegal(struct mp_lsi *c)
{
	mp_lsi_raise_dma(c, DSTAT_IID);
	return MP_LSI_DONE;
}

/* One dispatch; returns what it took from the budget. */
static unsigned int step(struct mp_lsi *c, struct mp_lsi_state *st)
{
	enum mp_lsi_step r;

	st->cost = 1;
	if (!st->unfinished && mp_unlikely(!fetch(c, st)))
		return 1;
	r = insn_table[st->insn[0] >> 27](c);
	if (mp_likely(r == MP_LSI_DONE)) {
		st->unfinished = 0;
		c->counters.n_insns++;
		if (mp_unlikely(st->reg[MP_LSI_R_DCNTL] & DCNTL_SSM) && st->run == MP_LSI_RUNNING)
			mp_lsi_raise_dma(c, DSTAT_SSI);
	} else if (mp_likely(st->run == MP_LSI_RUNNING)) {
		/* Not after an interrupt: who halts the engine abandons the instruction. */
		st->unfinished = 1;
		st->waits = r == MP_LSI_PARK;
		st->parked = st->waits;
	}
	return st->cost;
}

/* A halted engine doesn't keep a driver that uses the RSL interrupt from being reselected. */
static bool resel_by_interrupt(const struct mp_lsi *c)
{
	const struct mp_lsi_state *st = c->st;

	return st->run == MP_LSI_HALTED && st->reg[MP_LSI_R_SIEN0] & SIST0_RSL &&
	       !(st->reg[MP_LSI_R_ISTAT0] & (ISTAT0_SIP | ISTAT0_DIP)) &&
	       mp_lsi_bus_resel_wanted(c);
}

bool mp_lsi_runnable(const struct mp_lsi *c)
{
	if (c->st->run == MP_LSI_RUNNING)
		return !c->st->parked;
	return resel_by_interrupt(c);
}

unsigned int mp_lsi_run(struct mp_lsi *c, unsigned int budget)
{
	struct mp_lsi_state *st = c->st;
	unsigned int n = 0;
	uint32_t was;

	if (!mp_lsi_runnable(c) || !budget)
		return 0;
	was = mp_lsi_enter(st);
	if (st->run == MP_LSI_HALTED)
		n = mp_lsi_bus_reselect(c);
	while (n < budget && st->run == MP_LSI_RUNNING && !st->parked)
		n += step(c, st);
	mp_lsi_leave(st, was);
	return n;
}
