/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Random programs of register, transfer control, LOAD/STORE and memory move
 * instructions, run by the chip and by the naive model. After each instruction
 * both must agree on registers, carry, memory and why they stopped. prop-all.c
 * makes up each instruction when it is its turn; here they lie in memory, jump
 * to each other and write over each other.
 */
#include "tests/lib/t.h"
#include "tests/property/lsi-core/model.h"

#include <stdlib.h>

#define PROG       0x1000u
#define N_SLOTS    48u /* an instruction and a NOP, or a memory move and a zero word */
#define SLOT       16u
#define NOP        0x80000000u
#define WINDOW     0x4000u /* programs and most operands */
#define N_PROGRAMS 400u
#define N_STEPS    150u

/* ---- random programs ------------------------------------------------- */

static uint32_t pick(uint64_t *seed, uint32_t n)
{
	return (uint32_t)(t_rand(seed) % n);
}

/* A byte register that is storage, for reading and writing. */
static unsigned int any_reg(uint64_t *seed)
{
	static const uint8_t base[] = {R(TEMP), R(DSA),  R(SCRATCHA), R(SCRATCHB),
				       R(UA),   R(CSBC), R(SCRATCHC), R(SCRATCHR)};

	if (pick(seed, 6) == 0)
		return R(SFBR);
	return base[pick(seed, sizeof(base))] + pick(seed, 4);
}

static uint32_t any_addr(uint64_t *seed)
{
	switch (pick(seed, 12)) {
	case 0:
		return (uint32_t)t_rand(seed);
	case 1:
	case 2:
		return FAKE_RAM + pick(seed, MP_LSI_RAM_BYTES);
	case 3:
		return FAKE_RAM + MP_LSI_RAM_BYTES - 1 - pick(seed, 8);
	default:
		return 0x2000 + pick(seed, WINDOW - 0x2000);
	}
}

static uint32_t any_alu(uint64_t *seed)
{
	unsigned int r = any_reg(seed), opcode = 5 + pick(seed, 3);

	if (opcode == 6 && pick(seed, 4) == 0)
		r = R(CTEST2);
	return 1u << 30 | opcode << 27 | pick(seed, 8) << 24 |
	       (opcode == 7 && pick(seed, 3) == 0 ? 1u << 23 : 0) | (r & 127) << 16 |
	       pick(seed, 256) << 8 | (r & 128);
}

/* Conditions without the wait bit; mostly legal, targets mostly inside the program. */
static uint32_t any_jump(uint64_t *seed, uint32_t *operand)
{
	uint32_t tests = pick(seed, 5) == 0 ? pick(seed, 16) << 18 | pick(seed, 2) << 17
					    : pick(seed, 2) << 19 | pick(seed, 4) << 17;
	uint32_t op = pick(seed, 20) == 0 ? pick(seed, 8) : pick(seed, 3);
	uint32_t relative = op < 2 ? pick(seed, 2) << 23 : 0;

	*operand = PROG + SLOT * pick(seed, N_SLOTS);
	if (relative)
		*operand = (SLOT * pick(seed, 16) - 136) & 0xffffff;
	return 2u << 30 | op << 27 | pick(seed, 8) << 24 | relative | tests | pick(seed, 65536);
}

static uint32_t any_loadstore(uint64_t *seed, uint32_t *operand)
{
	uint32_t r = any_reg(seed), addr = any_addr(seed), n = 1 + pick(seed, 4 - (r & 3));

	*operand = pick(seed, 10) ? (addr & ~3u) | (r & 3) : addr;
	/* Its neighbours are status, not storage. */
	if (r == R(SFBR))
		n = 1;
	else if (pick(seed, 30) == 0)
		n = pick(seed, 8);
	return 7u << 29 | pick(seed, 3) % 2 << 28 | pick(seed, 2) << 24 | r << 16 | n;
}

static void put_insn(struct fake_bus *b, uint64_t *seed, uint32_t at)
{
	uint32_t w, operand = (uint32_t)t_rand(seed), third = NOP;

	switch (pick(seed, 8)) {
	case 0:
		w = pick(seed, 2) ? 0x58000400 : 0x60000400;
		break;
	case 1:
	case 2:
		w = any_jump(seed, &operand);
		break;
	case 3:
	case 4:
		w = any_loadstore(seed, &operand);
		break;
	case 5:
		w = 0xc0000000u | (1 + pick(seed, pick(seed, 4) ? 64 : 9000));
		operand = any_addr(seed);
		third = (any_addr(seed) & ~3u) | (operand & 3);
		break;
	default:
		w = any_alu(seed);
		break;
	}
	fake_put32(b, at, w);
	fake_put32(b, at + 4, operand);
	fake_put32(b, at + 8, third);
	fake_put32(b, at + 12, 0);
}

/* ---- comparison ------------------------------------------------------ */

static void check_same(const struct fake_bus *b, const struct model *m)
{
	static const uint8_t words[] = {R(DSA),      R(TEMP),     R(DSP),      R(DSPS),
					R(SCRATCHA), R(ADDER),    R(SCRATCHB), R(UA),
					R(CSBC),     R(SCRATCHC), R(SCRATCHR)};

	for (unsigned int i = 0; i < sizeof(words); i++)
		T_EQ(mp_get_le32(b->st->reg + words[i]), model_word(m, words[i]));
	T_EQ(b->st->reg[R(SFBR)], m->reg[R(SFBR)]);
	T_EQ(b->st->reg[R(ISTAT0)] & 0x24, m->reg[R(ISTAT0)] & 0x24);
	T_EQ(b->st->carry, m->carry);
	T_EQ(b->st->reg[R(DSTAT)], m->reg[R(DSTAT)]);
	T_EQ(b->st->run == MP_LSI_RUNNING, m->running);
	T_MEM_EQ(b->mem, m->mem, WINDOW);
	T_MEM_EQ(b->st->ram, m->ram, MP_LSI_RAM_BYTES);
}

/*
 * Random data is not a program: it could be any instruction, one that waits for
 * ever too. Nor is an operand, where a RETURN to a computed TEMP may lead; inside
 * a slot only what puts an end to it is code.
 */
static bool in_program(const struct model *m)
{
	uint32_t dsp = model_word(m, R(DSP)), w;

	if (dsp - PROG >= SLOT * N_SLOTS || dsp % 4 != 0)
		return false;
	w = mp_get_le32(m->mem + dsp);
	return dsp % SLOT == 0 || w == NOP || w == 0;
}

/* Say what was executed last, if that is what the check will fail on. */
static void explain(const struct fake_bus *b, const struct model *m, unsigned int step)
{
	char text[96];

	if (memcmp(b->mem, m->mem, WINDOW) == 0 &&
	    memcmp(b->st->ram, m->ram, sizeof(m->ram)) == 0 &&
	    memcmp(b->st->reg + R(SCRATCHA), m->reg + R(SCRATCHA), 4) == 0)
		return;
	(void)mp_lsi_disasm(b->st->insn, text, sizeof(text));
	t_diag("step %u, at 0x%x: %s", step, b->st->ia, text);
}

static void compare_program(uint64_t *seed)
{
	struct fake_bus *b = fake_bus_create();
	struct model m = {.mem = malloc(FAKE_MEM_BYTES)};

	for (uint32_t i = 0; i < WINDOW; i++)
		b->mem[i] = (uint8_t)t_rand(seed);
	for (uint32_t at = PROG; at < PROG + SLOT * N_SLOTS; at += SLOT)
		put_insn(b, seed, at);
	fake_wr32(b, R(DSA), 0x2000 + 4 * pick(seed, 64));
	fake_wr32(b, R(TEMP), PROG + SLOT * pick(seed, N_SLOTS));
	fake_wr8(b, R(ISTAT0), pick(seed, 2) ? ISTAT0_SIGP : 0);
	memcpy(m.mem, b->mem, FAKE_MEM_BYTES);
	memcpy(m.reg, b->st->reg, sizeof(m.reg));
	fake_wr32(b, R(DSP), PROG);
	model_start(&m, PROG);
	for (unsigned int i = 0; i < N_STEPS && m.running && in_program(&m); i++) {
		model_step(&m);
		do
			mp_lsi_run(&b->chip, 1);
		while (b->st->unfinished);
		explain(b, &m, i);
		check_same(b, &m);
	}
	T_MEM_EQ(b->mem, m.mem, FAKE_MEM_BYTES);
	free(m.mem);
	fake_bus_destroy(b);
}

static uint64_t walk;

static void test_chip_and_naive_model_agree_after_each_instruction(void)
{
	for (unsigned int i = 0; i < N_PROGRAMS; i++)
		compare_program(&walk);
}

int main(int argc, char **argv)
{
	static const struct t_test tests[] = {
		T_TEST(test_chip_and_naive_model_agree_after_each_instruction)};

	walk = t_seed(argc, argv);
	return t_run(tests, 1, argc, argv);
}
