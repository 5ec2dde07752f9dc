/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * disasm - one SCRIPTS instruction as text, for traces and tests. Only what
 * the words say: a table move prints its offset, not what the table holds.
 */
#include "lsi-core/state.h"

#include <stdio.h>

static const char *const phases[8] = {"DATA_OUT", "DATA_IN", "COMMAND", "STATUS",
				      "ILG_OUT",  "ILG_IN",  "MSG_OUT", "MSG_IN"};

static const char *const reg_names[MP_LSI_REG_BYTES] = {
#define REG(off, name, width, reset, mask, action, shadow) [off] = #name,
#include "lsi-core/regs.def"
#undef REG
};

/* "SCRATCHA" or, inside a wider register, "SCRATCHA+1". */
static const char *reg_text(unsigned int off, char *buf, size_t len)
{
	unsigned int base = off;

	while (base % 4 && !reg_names[base])
		base--;
	if (!reg_names[base])
		snprintf(buf, len, "0x%02x", off);
	else if (base == off)
		snprintf(buf, len, "%s", reg_names[base]);
	else
		snprintf(buf, len, "%s+%u", reg_names[base], off - base);
	return buf;
}

static void move_text(const uint32_t *insn, char *text, size_t len)
{
	const char *verb = insn[0] & 1u << 27 ? "MOVE" : "CHMOV";
	const char *phase = phases[insn[0] >> 24 & 7];

	if (insn[0] & 1u << 28)
		snprintf(text, len, "%s FROM 0x%06x, WHEN %s", verb, insn[1] & 0xffffff, phase);
	else
		snprintf(text, len, "%s %u, %s0x%08x, WHEN %s", verb, insn[0] & 0xffffff,
			 insn[0] & 1u << 29 ? "PTR " : "", insn[1], phase);
}

static void io_text(const uint32_t *insn, char *text, size_t len)
{
	static const char *const verbs[] = {"SELECT", "WAIT DISCONNECT", "WAIT RESELECT", "SET",
					    "CLEAR"};
	unsigned int op = insn[0] >> 27 & 7;
	const char *rel = insn[0] & 1u << 26 ? "REL " : "";

	if (op == 0 && insn[0] & 1u << 25)
		snprintf(text, len, "SELECT%s FROM 0x%06x, %s0x%x",
			 insn[0] & 1u << 24 ? " ATN" : "", insn[0] & 0xffffff, rel, insn[1]);
	else if (op == 0)
		snprintf(text, len, "SELECT%s %u, %s0x%x", insn[0] & 1u << 24 ? " ATN" : "",
			 insn[0] >> 16 & 0xf, rel, insn[1]);
	else if (op < 3)
		snprintf(text, len, op == 1 ? "%s" : "%s %s0x%x", verbs[op], rel, insn[1]);
	else
		snprintf(text, len, "%s%s%s%s%s", verbs[op], insn[0] & 0x40 ? " ACK" : "",
			 insn[0] & 0x08 ? " ATN" : "", insn[0] & 0x200 ? " TARGET" : "",
			 insn[0] & 0x400 ? " CARRY" : "");
}

static void alu_text(const uint32_t *insn, char *text, size_t len)
{
	static const char *const ops[] = {"=", "SHL", "|", "^", "&", "SHR", "+", "+C"};
	unsigned int opcode = insn[0] >> 27 & 7;
	char buf[16], right[8];
	const char *reg = reg_text((insn[0] >> 16 & 0x7f) | (insn[0] & 0x80), buf, sizeof(buf));

	if (opcode == 7 && insn[0] & 1u << 23)
		snprintf(right, sizeof(right), "SFBR");
	else
		snprintf(right, sizeof(right), "0x%02x", insn[0] >> 8 & 0xff);
	snprintf(text, len, "MOVE %s %s %s TO %s", opcode == 5 ? "SFBR" : reg,
		 ops[insn[0] >> 24 & 7], right, opcode == 6 ? "SFBR" : reg);
}

static size_t put(char *text, size_t len, size_t at, const char *more)
{
	int n = at < len ? snprintf(text + at, len - at, "%s", more) : 0;

	return at + (size_t)(n > 0 ? n : 0);
}

static void jump_text(const uint32_t *insn, char *text, size_t len)
{
	static const char *const verbs[] = {"JUMP", "CALL", "RETURN", "INT"};
	unsigned int op = insn[0] >> 27 & 3;
	bool sense = insn[0] & 1u << 19, tests = insn[0] & (1u << 21 | 1u << 18 | 1u << 17);
	char buf[32];
	size_t at;

	if (!tests && !sense) {
		snprintf(text, len, "NOP");
		return;
	}
	at = put(text, len, 0, op == 3 && insn[0] & 1u << 20 ? "INTFLY" : verbs[op]);
	if (op < 2 && insn[0] & 1u << 22)
		at = put(text, len, at, "64");
	snprintf(buf, sizeof(buf), " %s0x%x", insn[0] & 1u << 23 ? "REL " : "", insn[1]);
	at = put(text, len, at, op == 2 ? "" : buf);
	if (tests)
		at = put(text, len, at, insn[0] & 1u << 16 ? ", WHEN" : ", IF");
	if (tests && !sense)
		at = put(text, len, at, " NOT");
	if (insn[0] & 1u << 21)
		at = put(text, len, at, " CARRY");
	snprintf(buf, sizeof(buf), " %s", phases[insn[0] >> 24 & 7]);
	if (insn[0] & 1u << 17)
		at = put(text, len, at, buf);
	snprintf(buf, sizeof(buf), " 0x%02x MASK 0x%02x", insn[0] & 0xff, insn[0] >> 8 & 0xff);
	if (insn[0] & 1u << 18)
		put(text, len, at, buf);
}

static void mem_text(const uint32_t *insn, char *text, size_t len)
{
	char buf[16];

	if (!(insn[0] & 1u << 29))
		snprintf(text, len, "MOVE MEMORY %u, 0x%08x, 0x%08x", insn[0] & 0xffffff, insn[1],
			 insn[2]);
	else
		snprintf(text, len, "%s %s, %u, %s0x%x", insn[0] & 1u << 24 ? "LOAD" : "STORE",
			 reg_text(insn[0] >> 16 & 0xff, buf, sizeof(buf)), insn[0] & 7,
			 insn[0] & 1u << 28 ? "DSA + " : "", insn[1]);
}

static void illegal_text(const uint32_t *insn, char *text, size_t len)
{
	snprintf(text, len, "ILLEGAL 0x%08x 0x%08x", insn[0], insn[1]);
}

typedef void print_fn(const uint32_t *insn, char *text, size_t len);

static print_fn *const print_table[32] = {
#define INSN(first, last, run, print, name) [(first)...(last)] = print##_text,
#include "lsi-core/insn.def"
#undef INSN
};

static bool is_long(uint32_t insn)
{
	/* MEMORY MOVE, JUMP64 and CALL64. */
	return insn >> 29 == 6 || (insn >> 28 == 8 && insn & 1u << 22);
}

unsigned int mp_lsi_disasm(const uint32_t insn[3], char *text, size_t text_len)
{
	print_table[insn[0] >> 27](insn, text, text_len);
	return is_long(insn[0]) ? 12 : 8;
}
