/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * insn_io - SELECT, WAIT DISCONNECT, WAIT RESELECT, SET and CLEAR.
 *
 * SELECT loads SCNTL3, SXFER and SDID first, connected or not: one driver uses
 * it for just that. Then, in this order: SCSI RST is waited out; a connection
 * that is over, or that its program forgot (bus.c), is dropped; any other
 * connection, or a reselection whose turn it is, sends SCRIPTS to the alternate
 * address; else the target is selected, or the time-out falls due.
 *
 * WAIT RESELECT looks at a reselection not yet consumed, then at SIGP, then at
 * waiting tasks, and parks. A parked engine with SIGP clear has seen every
 * doorbell: "owed" starts again at 0.
 *
 * With SCNTL0.TRG the chip is a target that nobody selects, because there is no
 * other initiator. Its SELECT is RESELECT and times out; WAIT RESELECT is WAIT
 * SELECT and ends by SIGP or by a reselection, at the alternate address; WAIT
 * DISCONNECT is DISCONNECT and lets go of the signals; block moves need to be
 * connected as a target and are illegal (insn_move.c). Programs do this only
 * by mistake, and must not hang by it for ever without a word.
 */
#include "lsi-core/state.h"

#define SELECT_RELATIVE (1u << 26)
#define SELECT_TABLE    (1u << 25)
#define SELECT_ATN      (1u << 24)
#define SET_CARRY       (1u << 10)
#define SET_TARGET      (1u << 9)
#define SET_ACK         (1u << 6)
#define SET_ATN         (1u << 3)

static uint32_t alternate(const struct mp_lsi_state *st)
{
	uint32_t alt = st->insn[1];

	if (st->insn[0] & SELECT_RELATIVE)
		alt = mp_lsi_get(st, MP_LSI_R_DSP) + mp_lsi_sext24(alt);
	return alt;
}

/* Only SELECT may have the ATN bit. */
static bool refuse_atn(struct mp_lsi *c)
{
	if (mp_likely(!(c->st->insn[0] & SELECT_ATN)))
		return false;
	mp_lsi_raise_dma(c, DSTAT_IID);
	return true;
}

/* Transfer parameters and id, from the instruction or the table; false: bus fault. */
static bool load_destination(struct mp_lsi *c)
{
	struct mp_lsi_state *st = c->st;
	uint32_t insn = st->insn[0], raw;
	uint64_t addr;

	mp_lsi_put(st, MP_LSI_R_DNAD, alternate(st));
	if (!(insn & SELECT_TABLE)) {
		st->reg[MP_LSI_R_SDID] = insn >> 16 & 0xf;
		return true;
	}
	addr = mp_lsi_addr(st, MP_LSI_R_DRS, mp_lsi_get(st, MP_LSI_R_DSA) + mp_lsi_sext24(insn));
	if (!mp_lsi_mem_get(c, addr, &raw, sizeof(raw)))
		return false;
	raw = le32toh(raw);
	st->reg[MP_LSI_R_SCNTL3] = (uint8_t)(raw >> 24);
	st->reg[MP_LSI_R_SDID] = raw >> 16 & 0xf;
	st->reg[MP_LSI_R_SXFER] = (uint8_t)(raw >> 8);
	return true;
}

static bool is_target(const struct mp_lsi_state *st)
{
	return st->reg[MP_LSI_R_SCNTL0] & SCNTL0_TRG;
}

enum mp_lsi_step mp_lsi_insn_select(struct mp_lsi *c)
{
	struct mp_lsi_state *st = c->st;

	if (mp_lsi_take_sto(c))
		return MP_LSI_DONE;
	if (!load_destination(c)) {
		mp_lsi_raise_dma(c, DSTAT_BF);
		return MP_LSI_DONE;
	}
	if (st->reg[MP_LSI_R_SCNTL1] & SCNTL1_RST)
		return MP_LSI_PARK;
	if (mp_lsi_bus_is_ours(c))
		mp_lsi_bus_select(c, st->reg[MP_LSI_R_SDID], st->insn[0] & SELECT_ATN);
	else if (st->run == MP_LSI_RUNNING)
		mp_lsi_put(st, MP_LSI_R_DSP, mp_lsi_get(st, MP_LSI_R_DNAD));
	return MP_LSI_DONE;
}

/* In the target's role: lets go of all that it drives. */
static enum mp_lsi_step disconnect(struct mp_lsi *c)
{
	mp_lsi_bus_set_atn(c, false);
	mp_lsi_bus_clear_ack(c);
	return MP_LSI_DONE;
}

enum mp_lsi_step mp_lsi_insn_wait_disconnect(struct mp_lsi *c)
{
	struct mp_lsi_state *st = c->st;

	if (refuse_atn(c) || mp_lsi_take_sto(c))
		return MP_LSI_DONE;
	if (mp_unlikely(is_target(st)))
		return disconnect(c);
	if (mp_lsi_bus_is_over(st))
		mp_lsi_bus_drop(c);
	return st->nexus.conn == MP_LSI_BUS_FREE ? MP_LSI_DONE : MP_LSI_PARK;
}

static bool already_reselected(const struct mp_lsi_nexus *n)
{
	return n->conn == MP_LSI_RESELECTED && n->phase == MP_LSI_MSG_IN_PHASE && !n->pos_in;
}

/* WAIT SELECT has waited for something else. */
static enum mp_lsi_step reselected(struct mp_lsi *c)
{
	struct mp_lsi_state *st = c->st;

	if (mp_unlikely(is_target(st)) && st->run == MP_LSI_RUNNING)
		mp_lsi_put(st, MP_LSI_R_DSP, mp_lsi_get(st, MP_LSI_R_DNAD));
	return MP_LSI_DONE;
}

enum mp_lsi_step mp_lsi_insn_wait_reselect(struct mp_lsi *c)
{
	struct mp_lsi_state *st = c->st;

	if (refuse_atn(c) || mp_lsi_take_sto(c))
		return MP_LSI_DONE;
	mp_lsi_put(st, MP_LSI_R_DNAD, alternate(st));
	if (already_reselected(&st->nexus))
		return reselected(c);
	if (mp_lsi_bus_is_over(st))
		mp_lsi_bus_drop(c);
	if (mp_lsi_bus_resel_first(c) && mp_lsi_bus_reselect(c))
		return reselected(c);
	if (st->reg[MP_LSI_R_ISTAT0] & ISTAT0_SIGP) {
		mp_lsi_put(st, MP_LSI_R_DSP, mp_lsi_get(st, MP_LSI_R_DNAD));
		return MP_LSI_DONE;
	}
	st->owed = 0;
	if (mp_lsi_bus_resel_wanted(c) && mp_lsi_bus_reselect(c))
		return reselected(c);
	return MP_LSI_PARK;
}

enum mp_lsi_step mp_lsi_insn_set(struct mp_lsi *c)
{
	struct mp_lsi_state *st = c->st;
	uint32_t insn = st->insn[0];

	if (refuse_atn(c))
		return MP_LSI_DONE;
	if (insn & SET_CARRY)
		st->carry = 1;
	if (insn & SET_TARGET)
		mp_lsi_flag(st, MP_LSI_R_SCNTL0, SCNTL0_TRG, true);
	if (insn & SET_ATN)
		mp_lsi_bus_set_atn(c, true);
	return MP_LSI_DONE;
}

enum mp_lsi_step mp_lsi_insn_clear(struct mp_lsi *c)
{
	struct mp_lsi_state *st = c->st;
	uint32_t insn = st->insn[0];

	if (refuse_atn(c))
		return MP_LSI_DONE;
	if (insn & SET_CARRY)
		st->carry = 0;
	if (insn & SET_TARGET)
		mp_lsi_flag(st, MP_LSI_R_SCNTL0, SCNTL0_TRG, false);
	/* ATN first: the target looks at it when ACK goes away. */
	if (insn & SET_ATN)
		mp_lsi_bus_set_atn(c, false);
	if (insn & SET_ACK)
		mp_lsi_bus_clear_ack(c);
	return MP_LSI_DONE;
}
