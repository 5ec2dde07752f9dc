/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * insn_jump - transfer control: JUMP, CALL, RETURN, INT and INTFLY, each under
 * up to two tests.
 *
 *	carry		alone; with another test it is illegal
 *	phase, data	both selected: sense 1 acts if both hold, sense 0 if neither
 *	none		always true: sense 1 acts always, sense 0 is the NOP
 *
 * Illegal: the carry beside another test, bit 22 (JUMP64) where there is no
 * address to widen, and waiting for a phase in the target role, where there is
 * nobody to choose one.
 *
 * With the wait bit the instruction first waits for a REQ. Without it the
 * phase test compares the phase latched last - except right after a command
 * has gone out and the target hasn't answered: then the latch still says
 * COMMAND, and a program that tests it there (boot firmware does, and has
 * forbidden to disconnect) means the phase which comes; so it waits too.
 */
#include "lsi-core/state.h"

#define JUMP_NO_TARGET (1u << 28) /* of the opcode: RETURN, INT */
#define JUMP_64        (1u << 22)
#define JUMP_RELATIVE  (1u << 23)
#define JUMP_CARRY     (1u << 21)
#define JUMP_FLY       (1u << 20)
#define JUMP_SENSE     (1u << 19)
#define JUMP_DATA      (1u << 18)
#define JUMP_PHASE     (1u << 17)
#define JUMP_WAIT      (1u << 16)
/* Without any of these the instruction is unconditional. */
#define TESTS (JUMP_64 | JUMP_CARRY | JUMP_DATA | JUMP_PHASE | JUMP_WAIT)

enum verdict { ACT, PASS, WAIT, STOPPED };

static bool phase_is(const struct mp_lsi_state *st, uint32_t insn)
{
	return (st->reg[MP_LSI_R_SSTAT1] & 7u) == (insn >> 24 & 7);
}

static bool data_is(const struct mp_lsi_state *st, uint32_t insn)
{
	unsigned int care = ~(insn >> 8) & 0xff;

	return (st->reg[MP_LSI_R_SFBR] & care) == (insn & care);
}

static bool tests_want_action(const struct mp_lsi_state *st, uint32_t insn)
{
	bool sense = insn & JUMP_SENSE;

	if (insn & JUMP_CARRY)
		return st->carry == sense;
	if (insn & JUMP_PHASE && phase_is(st, insn) != sense)
		return false;
	if (insn & JUMP_DATA && data_is(st, insn) != sense)
		return false;
	return sense || insn & (JUMP_PHASE | JUMP_DATA);
}

static bool must_wait(const struct mp_lsi_state *st, uint32_t insn)
{
	if (insn & JUMP_WAIT)
		return true;
	return insn & JUMP_PHASE && st->nexus.fresh && st->nexus.phase == MP_LSI_NO_PHASE;
}

static bool is_illegal(const struct mp_lsi_state *st, uint32_t insn)
{
	if (insn & JUMP_CARRY && insn & (JUMP_DATA | JUMP_PHASE))
		return true;
	if (insn & JUMP_64 && insn & JUMP_NO_TARGET)
		return true;
	return insn & JUMP_WAIT && st->reg[MP_LSI_R_SCNTL0] & SCNTL0_TRG;
}

static enum verdict judge(struct mp_lsi *c)
{
	struct mp_lsi_state *st = c->st;
	uint32_t insn = st->insn[0];

	if (!(insn & TESTS))
		return insn & JUMP_SENSE ? ACT : PASS;
	if (insn & (JUMP_CARRY | JUMP_64 | JUMP_WAIT) && mp_unlikely(is_illegal(st, insn))) {
		mp_lsi_raise_dma(c, DSTAT_IID);
		return STOPPED;
	}
	if (must_wait(st, insn)) {
		if (mp_lsi_take_sto(c))
			return STOPPED;
		if (mp_lsi_bus_req(c, insn >> 24 & 7) == MP_LSI_NO_PHASE)
			return WAIT;
	}
	return tests_want_action(st, insn) ? ACT : PASS;
}

/* The third dword of JUMP64; false: bus fault. */
static bool far_operand(struct mp_lsi *c)
{
	struct mp_lsi_state *st = c->st;

	if (mp_likely(!(st->insn[0] & JUMP_64)))
		return true;
	return st->unfinished || mp_lsi_fetch_third(c);
}

static void jump(struct mp_lsi_state *st)
{
	uint32_t target = st->insn[1];

	if (st->insn[0] & JUMP_RELATIVE) {
		target = mp_lsi_get(st, MP_LSI_R_DSP) + mp_lsi_sext24(target);
		mp_lsi_put(st, MP_LSI_R_ADDER, target);
	}
	mp_lsi_put(st, MP_LSI_R_DSP, target);
	if (st->insn[0] & JUMP_64)
		mp_lsi_put(st, MP_LSI_R_SFS, st->insn[2]);
}

enum mp_lsi_step mp_lsi_insn_jump(struct mp_lsi *c)
{
	enum verdict v;

	if (!far_operand(c))
		return MP_LSI_DONE;
	v = judge(c);
	if (v == ACT)
		jump(c->st);
	return v == WAIT ? MP_LSI_PARK : MP_LSI_DONE;
}

enum mp_lsi_step mp_lsi_insn_call(struct mp_lsi *c)
{
	enum verdict v;

	if (!far_operand(c))
		return MP_LSI_DONE;
	v = judge(c);
	if (v == ACT) {
		mp_lsi_put(c->st, MP_LSI_R_TEMP, mp_lsi_get(c->st, MP_LSI_R_DSP));
		jump(c->st);
	}
	return v == WAIT ? MP_LSI_PARK : MP_LSI_DONE;
}

enum mp_lsi_step mp_lsi_insn_return(struct mp_lsi *c)
{
	enum verdict v = judge(c);

	if (v == ACT)
		mp_lsi_put(c->st, MP_LSI_R_DSP, mp_lsi_get(c->st, MP_LSI_R_TEMP));
	return v == WAIT ? MP_LSI_PARK : MP_LSI_DONE;
}

enum mp_lsi_step mp_lsi_insn_int(struct mp_lsi *c)
{
	enum verdict v = judge(c);

	if (v == ACT && c->st->insn[0] & JUMP_FLY)
		mp_lsi_intfly(c);
	else if (v == ACT)
		mp_lsi_raise_dma(c, DSTAT_SIR);
	return v == WAIT ? MP_LSI_PARK : MP_LSI_DONE;
}
