/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * insn_alu - register read/write instructions: one byte through an eight-way
 * operator, with a carry that outlives the instruction.
 *
 *	opcode 5	SFBR op data -> register
 *	opcode 6	register op data -> SFBR
 *	opcode 7	register op data (or SFBR, bit 23) -> the same register
 *
 * A MOVE doesn't read its register, so it has no read effect; every other
 * operator reads the left operand with the effects that a CPU read has
 * (reading CTEST2 clears SIGP: that is how drivers do it).
 */
#include "lsi-core/state.h"

enum operator{ OP_MOVE, OP_SHL, OP_OR, OP_XOR, OP_AND, OP_SHR, OP_ADD, OP_ADDC };

#define OPC_FROM_SFBR 5u
#define OPC_TO_SFBR   6u

static uint8_t operate(struct mp_lsi_state *st, enum operator op, unsigned int left,
		       unsigned int right)
{
	unsigned int r = right;

	switch (op) {
	case OP_MOVE:
		break;
	case OP_SHL:
		r = left << 1 | st->carry;
		st->carry = left >> 7 & 1;
		break;
	case OP_OR:
		r = left | right;
		break;
	case OP_XOR:
		r = left ^ right;
		break;
	case OP_AND:
		r = left & right;
		break;
	case OP_SHR:
		r = left >> 1 | (unsigned int)st->carry << 7;
		st->carry = left & 1;
		break;
	case OP_ADD:
	case OP_ADDC:
		r = left + right + (op == OP_ADDC ? st->carry : 0u);
		st->carry = (uint8_t)(r >> 8);
		break;
	}
	return (uint8_t)r;
}

/* As a CPU read, and interrupts settle behind it. */
static uint8_t engine_read(struct mp_lsi *c, unsigned int reg)
{
	uint8_t v;

	if (mp_likely(mp_lsi_shadowable[reg / 64] >> (reg % 64) & 1))
		return c->st->reg[reg];
	v = mp_lsi_reg_read(c, reg);
	if (mp_unlikely(reg == MP_LSI_R_DSTAT || reg == MP_LSI_R_SIST0 || reg == MP_LSI_R_SIST1))
		mp_lsi_irq_update(c);
	return v;
}

enum mp_lsi_step mp_lsi_insn_alu(struct mp_lsi *c)
{
	struct mp_lsi_state *st = c->st;
	uint32_t insn = st->insn[0];
	unsigned int opcode = insn >> 27 & 7, op = insn >> 24 & 7;
	unsigned int reg = (insn >> 16 & 0x7f) | (insn & 0x80);
	unsigned int left = 0, right = insn >> 8 & 0xff;
	unsigned int from = opcode == OPC_FROM_SFBR ? MP_LSI_R_SFBR : reg;
	unsigned int to = opcode == OPC_TO_SFBR ? MP_LSI_R_SFBR : reg;

	if (opcode > OPC_TO_SFBR && insn & 1u << 23)
		right = st->reg[MP_LSI_R_SFBR];
	if (op != OP_MOVE)
		left = engine_read(c, from);
	right = operate(st, (enum operator)op, left, right);
	if (mp_likely(to == MP_LSI_R_SFBR || mp_lsi_plain_dwords >> (to / 4) & 1))
		st->reg[to] = (uint8_t)right;
	else
		mp_lsi_reg_write(c, to, (uint8_t)right, true);
	return MP_LSI_DONE;
}
