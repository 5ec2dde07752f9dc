/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Random instructions of every group, run by the chip and by the model of
 * model.h. There is no program: each instruction is made up when it is about
 * to be fetched, at whatever address DSP has come to, so that the walk stays
 * in protocol half of the time and does something silly the other half. After
 * each instruction all 256 registers, RAM, memory around the program, the
 * carry and the line must agree; now and then the CPU reads or writes some
 * register in between, and when the program stops or parks, it reads the
 * status registers of both and starts them elsewhere.
 */
#include "tests/lib/t.h"
#include "tests/property/lsi-core/model.h"

#include <stdlib.h>
#include <string.h>

#define PROG    0x1000u
#define WINDOW  0x8000u /* compared after each step; the rest at the end */
#define MESSAGE 0x1800u
#define N_WALKS 60u
#define N_STEPS 1500u

struct pair {
	struct fake_bus *b;
	struct model m;
	uint64_t *seed;
	uint32_t at; /* of the instruction under way */
};

static uint32_t pick(struct pair *p, uint32_t n)
{
	return (uint32_t)(t_rand(p->seed) % n);
}

static bool chance(struct pair *p, uint32_t percent)
{
	return pick(p, 100) < percent;
}

/* A byte or dword into the memory of both, if there is any. */
static void put8(struct pair *p, uint32_t addr, uint8_t v)
{
	uint8_t *in_model = model_byte(&p->m, addr);

	if (!in_model)
		return;
	*in_model = v;
	if (addr >= FAKE_RAM)
		p->b->st->ram[addr - FAKE_RAM] = v;
	else
		p->b->mem[addr] = v;
}

static void put32(struct pair *p, uint32_t addr, uint32_t v)
{
	for (unsigned int i = 0; i < 4; i++)
		put8(p, addr + i, (uint8_t)(v >> (8 * i)));
}

/* ---- operands -------------------------------------------------------- */

/* Registers that are storage, or settle interrupts, and steer no other group. */
static const struct {
	uint8_t off, width;
} written[] = {
	{R(DSA), 4},      {R(MBOX0), 2},    {R(TEMP), 4},   {R(DFIFO), 1},    {R(DNAD), 4},
	{R(DSPS), 4},     {R(SCRATCHA), 4}, {R(DIEN), 1},   {R(SBR), 1},      {R(SIEN0), 1},
	{R(SIEN1), 1},    {R(GPCNTL), 1},   {R(GPREG), 1},  {R(RESPID0), 2},  {R(CCNTL0), 1},
	{R(SCRATCHB), 4}, {R(SCRATCHC), 4}, {R(DBMS), 4},   {R(SCRATCHR), 4}, {R(DNAD64), 4},
	{R(PMJAD1), 4},   {R(PMJAD2), 4},   {R(RBC), 4},    {R(UA), 4},       {R(ESA), 4},
	{R(IA), 4},       {R(CSBC), 4},     {R(SXFER), 1},  {R(SDID), 1},     {R(SFBR), 1},
	{R(ADDER), 4},    {R(MACNTL), 1},   {R(STEST4), 1}, {R(SBC), 3},      {R(SIDL), 2},
};

static unsigned int writable(struct pair *p, unsigned int *ret_left)
{
	unsigned int i = pick(p, sizeof(written) / sizeof(written[0]));
	unsigned int at = pick(p, written[i].width);

	*ret_left = written[i].width - at;
	return written[i].off + at;
}

/* Any but the two whose reads depend on a test mode. */
static unsigned int readable(struct pair *p)
{
	unsigned int r = pick(p, 256);

	return r == R(CTEST6) || r == R(SODL) ? R(CTEST2) : r;
}

static uint32_t any_addr(struct pair *p)
{
	switch (pick(p, 14)) {
	case 0:
		return (uint32_t)t_rand(p->seed);
	case 1:
	case 2:
		return FAKE_RAM + pick(p, MP_LSI_RAM_BYTES);
	case 3:
		return FAKE_RAM + MP_LSI_RAM_BYTES - 1 - pick(p, 8);
	case 4:
		return FAKE_MEM_BYTES - 1 - pick(p, 16);
	default:
		return 0x2000 + pick(p, WINDOW - 0x2000);
	}
}

static uint32_t any_target(struct pair *p)
{
	if (chance(p, 5))
		return any_addr(p);
	return (chance(p, 30) ? FAKE_RAM : PROG) + 4 * pick(p, 256);
}

/* ---- instructions ---------------------------------------------------- */

struct words {
	uint32_t w[3];
};

static struct words make_alu(struct pair *p)
{
	unsigned int opcode = 5 + pick(p, 3), left, r;

	if (chance(p, 5))
		return (struct words){{0x78140000 | (pick(p, 256) & 0xb4) << 8}};
	r = opcode == 6 ? readable(p) : writable(p, &left);
	return (struct words){{1u << 30 | opcode << 27 | pick(p, 8) << 24 |
				       (chance(p, 30) ? 1u << 23 : 0) | (r & 127) << 16 |
				       pick(p, 256) << 8 | (r & 128),
			       (uint32_t)t_rand(p->seed)}};
}

static struct words make_jump(struct pair *p)
{
	uint32_t tests = chance(p, 10) ? pick(p, 32) << 17 : pick(p, 2) << 19 | pick(p, 4) << 17;
	uint32_t op = chance(p, 3) ? pick(p, 8) : pick(p, 4);
	uint32_t wait = chance(p, 30) ? 1u << 16 : 0;
	uint32_t relative = op < 2 ? pick(p, 2) << 23 : 0;
	uint32_t phase = chance(p, 50) ? p->m.bus.phase & 7 : pick(p, 8);

	return (struct words){
		{2u << 30 | op << 27 | phase << 24 | relative | tests | wait | pick(p, 65536),
		 relative ? (4 * pick(p, 128) - 256) & 0xffffff : any_target(p)}};
}

static struct words make_loadstore(struct pair *p)
{
	unsigned int left, r = writable(p, &left), n;
	bool load = chance(p, 50);
	uint32_t addr = any_addr(p);

	if (!load && chance(p, 30)) {
		r = 0x5c + pick(p, 0x80);
		left = 4;
	}
	n = 1 + pick(p, left < 4 - (r & 3) ? left : 4 - (r & 3));
	if (chance(p, 3))
		n = chance(p, 30) ? 0 : 5 + pick(p, 3);
	if (chance(p, 95))
		addr = (addr & ~3u) | (r & 3);
	return (struct words){
		{7u << 29 | pick(p, 2) << 28 | (uint32_t)load << 24 | r << 16 | n, addr}};
}

static struct words make_memmove(struct pair *p)
{
	uint32_t n = chance(p, 95) ? 1 + pick(p, 64) : pick(p, 9000);
	uint32_t from = any_addr(p), to = (any_addr(p) & ~3u) | (from & 3);

	if (chance(p, 15))
		from = (from & 3) | (FAKE_REGS + R(SCRATCHB) + 4 * pick(p, 24));
	if (chance(p, 15)) {
		to = (from & 3) | (FAKE_REGS + 0x100 * pick(p, 4) + R(SCRATCHC) + 4 * pick(p, 8));
		n = 1 + pick(p, 29);
	}
	return (struct words){{6u << 29 | (chance(p, 2) ? pick(p, 32) << 24 : 0) | n, from, to}};
}

static struct words make_select(struct pair *p)
{
	uint32_t off = (4 * pick(p, 64) - 128) & 0xffffff, id = pick(p, 16);
	uint32_t w = 1u << 30 | pick(p, 2) << 24, alternate = any_target(p);

	if (chance(p, 20)) {
		w |= 1u << 26;
		alternate = 4 * pick(p, 64);
	}
	if (chance(p, 50))
		return (struct words){{w | id << 16, alternate}};
	/* Byte 3 goes to SCNTL3, where EWS would ask for words. */
	put32(p, model_word(&p->m, R(DSA)) + model_signed24(off),
	      ((uint32_t)t_rand(p->seed) & 0x7700ffff) | id << 16);
	return (struct words){{w | 1u << 25 | off, alternate}};
}

static struct words make_wait_or_signal(struct pair *p)
{
	uint32_t w = chance(p, 50) ? 0x58000000 : 0x60000000;

	if (chance(p, 15))
		return (struct words){{0x48000000, any_target(p)}};
	if (chance(p, 15))
		return (struct words){{0x50000000 | pick(p, 2) << 26, 4 * pick(p, 64)}};
	if (chance(p, 5))
		return (struct words){{w | 1u << 24}};
	return (struct words){{w | pick(p, 2) << 10 | pick(p, 2) << 6 | pick(p, 2) << 3}};
}

/* What the target expects to hear: IDENTIFY, a tag, something harmless or unknown. */
static struct words make_messages_out(struct pair *p)
{
	static const uint8_t more[] = {0x08, 0x10, 0x0f, 0x08};
	uint32_t at = p->at - MESSAGE + 16 < 32 ? MESSAGE + 32 : MESSAGE;
	unsigned int n = 0;

	if (!p->m.bus.identified) {
		/* A command without IDENTIFY has named its unit in the CDB. */
		put8(p, at + n++,
		     (uint8_t)(0x80 | (p->m.bus.task == NO_TASK ? pick(p, 8) : p->m.bus.lun)));
		if (p->m.bus.task == NO_TASK && chance(p, 50)) {
			put8(p, at + n++, (uint8_t)(0x20 + pick(p, 3)));
			put8(p, at + n++, (uint8_t)pick(p, 256));
		}
	}
	if (!n || chance(p, 20))
		put8(p, at + n++, more[pick(p, sizeof(more))]);
	return (struct words){{0x0e000000 | n, at}};
}

static uint32_t any_count(struct pair *p, unsigned int phase)
{
	if (chance(p, 2))
		return 0;
	if (phase <= MP_LSI_DATA_IN_PHASE)
		return 1 + pick(p, 400);
	return phase == MP_LSI_COMMAND_PHASE ? 1 + pick(p, 40) : 1 + pick(p, 3);
}

static struct words make_move(struct pair *p)
{
	unsigned int phase = chance(p, 85) ? p->m.bus.phase & 7 : pick(p, 8), form = pick(p, 4);
	uint32_t addr = any_addr(p), n = any_count(p, phase), entry;
	uint32_t w = pick(p, 2) << 27 | phase << 24;

	if (phase == MP_LSI_MSG_OUT_PHASE)
		return make_messages_out(p);
	if (form == 1) {
		entry = (4 * pick(p, 256)) & 0xffffff;
		put32(p, model_word(&p->m, R(DSA)) + entry, pick(p, 256) << 24 | n);
		put32(p, model_word(&p->m, R(DSA)) + entry + 4, addr);
		return (struct words){{w | 1u << 28 | pick(p, 0x1000000), entry}};
	}
	if (form == 2) {
		entry = any_addr(p);
		put32(p, entry, addr);
		return (struct words){{w | 1u << 29 | n, entry}};
	}
	return (struct words){{w | (chance(p, 2) ? 3u << 28 : 0) | n, addr}};
}

/* In protocol: the next thing that a driver would do. */
static struct words make_next(struct pair *p)
{
	if (!p->m.bus.connected)
		return make_select(p);
	if (p->m.bus.ack)
		return (struct words){{chance(p, 80) ? 0x60000040u : 0x60000048u}};
	return make_move(p);
}

static struct words make_any(struct pair *p)
{
	switch (pick(p, 9)) {
	case 0:
		return make_select(p);
	case 1:
		return make_wait_or_signal(p);
	case 2:
	case 3:
		return make_jump(p);
	case 4:
		return make_loadstore(p);
	case 5:
		return make_memmove(p);
	case 6:
		return make_move(p);
	default:
		return make_alu(p);
	}
}

static void make_instruction(struct pair *p)
{
	struct words v;

	p->at = model_word(&p->m, R(DSP)) & ~3u;
	v = chance(p, 45) ? make_next(p) : make_any(p);
	for (unsigned int i = 0; i < 3; i++)
		if (i < 2 || v.w[0] >> 29 == 6)
			put32(p, p->at + 4 * i, v.w[i]);
}

/* ---- comparison ------------------------------------------------------ */

static void check_registers(const struct pair *p)
{
	char text[96];

	for (unsigned int r = 0; r < MP_LSI_REG_BYTES; r++) {
		if (p->b->st->reg[r] == p->m.reg[r])
			continue;
		(void)mp_lsi_disasm(p->b->st->insn, text, sizeof(text));
		t_fail(__FILE__, __LINE__,
		       "register 0x%02x is 0x%02x, the model has 0x%02x; after 0x%x: %s", r,
		       p->b->st->reg[r], p->m.reg[r], p->at, text);
	}
}

static void check_same(const struct pair *p)
{
	const struct mp_lsi_state *st = p->b->st;
	const struct model *m = &p->m;

	check_registers(p);
	T_EQ(st->carry, m->carry);
	T_EQ(st->run == MP_LSI_RUNNING, m->running);
	T_EQ(mp_lsi_irq_level(&p->b->chip), m->level);
	T_EQ(p->b->n_commands, m->n_commands);
	T_MEM_EQ(p->b->mem, m->mem, WINDOW);
	T_MEM_EQ(st->ram, m->ram, MP_LSI_RAM_BYTES);
	if (m->bus.task != NO_TASK && !m->data_in)
		T_MEM_EQ(p->b->pool + m->bus.index * FAKE_CHUNK_BYTES, m->out, m->bus.moved);
}

static void check_command(const struct pair *p)
{
	const struct mp_lsi_command *c = &p->b->task[p->b->last_task].cmd, *d = &p->m.last;

	if (!p->m.n_commands)
		return;
	T_EQ(c->lun, d->lun);
	T_EQ(c->attr, d->attr);
	T_EQ(c->attr != MP_LSI_UNTAGGED ? c->tag : d->tag, d->tag);
	T_EQ(c->cdb_len, d->cdb_len);
	T_MEM_EQ(c->cdb, d->cdb, d->cdb_len);
}

/* ---- the CPU --------------------------------------------------------- */

static void cpu_read(struct pair *p, unsigned int r, unsigned int size)
{
	uint32_t v = 0;

	for (unsigned int i = 0; i < size; i++)
		v |= (uint32_t)model_read(&p->m, r + i) << 8 * i;
	model_settle(&p->m);
	T_EQ(mp_lsi_read(&p->b->chip, r, size), v);
}

static void cpu_write(struct pair *p, unsigned int r, uint8_t v)
{
	fake_wr8(p->b, r, v);
	model_write(&p->m, r, v);
	model_settle(&p->m);
}

static void cpu_start(struct pair *p, uint32_t dsp)
{
	fake_wr32(p->b, R(DSP), dsp);
	model_start(&p->m, dsp);
}

/* Accesses between two instructions, of any size at any offset. */
static void poke(struct pair *p)
{
	unsigned int size = 1u << pick(p, 3), r = pick(p, 253), left;

	/* Not over the two bytes whose reads depend on a test mode. */
	if ((r > R(CTEST6) || r + size <= R(CTEST6)) && (r > R(SODL) || r + size <= R(SODL)))
		cpu_read(p, r, size);
	r = writable(p, &left);
	if (chance(p, 30) && r != R(SFBR))
		cpu_write(p, r, (uint8_t)pick(p, 256));
	check_same(p);
}

/* The program stopped or parked: see why, and go on elsewhere. */
static void serve(struct pair *p)
{
	for (unsigned int i = 0; i < 2; i++) {
		if (chance(p, 90))
			cpu_read(p, R(SIST0), 2);
		if (chance(p, 90))
			cpu_read(p, R(DSTAT), 1);
	}
	if (chance(p, 30))
		cpu_write(p, R(ISTAT0), pick(p, 256) & 0x34);
	if (chance(p, 30)) {
		cpu_write(p, R(DIEN), (uint8_t)pick(p, 256));
		cpu_write(p, R(SIEN0), (uint8_t)pick(p, 256));
	}
	cpu_write(p, R(CCNTL0), chance(p, 50) ? (uint8_t)pick(p, 256) & 0xe0 : 0);
	for (unsigned int i = 0; i < 4; i++)
		cpu_write(p, R(DSA) + i, (uint8_t)((0x2000 + 4 * pick(p, 64)) >> 8 * i));
	check_same(p);
	cpu_start(p, PROG + 8 * pick(p, 64));
}

static void run_one(struct pair *p)
{
	make_instruction(p);
	model_step(&p->m);
	do
		(void)mp_lsi_run(&p->b->chip, 1);
	while (p->b->st->unfinished && !p->b->st->parked);
	T_EQ(p->b->st->parked, p->m.parked);
	check_same(p);
	check_command(p);
	if (chance(p, 10))
		poke(p);
	if (!p->m.running || p->m.parked || chance(p, 1))
		serve(p);
}

static void set_up(struct pair *p)
{
	struct fake_bus *b = p->b;
	struct model *m = &p->m;

	b->prompt = true;
	b->present = m->present = (uint32_t)t_rand(p->seed) | 1;
	b->xfer_len = m->xfer_len = chance(p, 30) ? 0 : 1 + pick(p, OUT_BYTES);
	m->data_in = chance(p, 50);
	b->dir = m->data_in ? MP_LSI_DATA_IN : MP_LSI_DATA_OUT;
	b->frag_len = chance(p, 50) ? FAKE_CHUNK_BYTES : 1 + pick(p, 100);
	b->status = m->status = (uint8_t)(pick(p, 16) << 1);
	for (uint32_t i = 0; i < WINDOW; i++)
		b->mem[i] = (uint8_t)t_rand(p->seed);
	fake_wr8(b, R(SCNTL0), 0xc0);
	memcpy(m->mem, b->mem, FAKE_MEM_BYTES);
	memcpy(m->reg, b->st->reg, sizeof(m->reg));
	m->latch = 0x1f;
	m->bus.phase = NO_PHASE;
	cpu_start(p, PROG);
}

static void walk_once(uint64_t *seed)
{
	struct pair *p = calloc(1, sizeof(*p));

	p->seed = seed;
	p->b = fake_bus_create();
	p->m.mem = malloc(FAKE_MEM_BYTES);
	set_up(p);
	for (unsigned int i = 0; i < N_STEPS; i++)
		run_one(p);
	T_MEM_EQ(p->b->mem, p->m.mem, FAKE_MEM_BYTES);
	fake_bus_destroy(p->b);
	free(p->m.mem);
	free(p);
}

static uint64_t walk;

static void test_chip_and_model_agree_on_everything_after_each_instruction(void)
{
	for (unsigned int i = 0; i < N_WALKS; i++)
		walk_once(&walk);
}

int main(int argc, char **argv)
{
	static const struct t_test tests[] = {
		T_TEST(test_chip_and_model_agree_on_everything_after_each_instruction)};

	walk = t_seed(argc, argv);
	return t_run(tests, 1, argc, argv);
}
