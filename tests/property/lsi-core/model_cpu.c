/* SPDX-License-Identifier: BSD-3-Clause */
#include "tests/property/lsi-core/model.h"

#include "tests/lib/reg_table.h"

/* ---- memory ---------------------------------------------------------- */

uint8_t *model_byte(struct model *m, uint32_t addr)
{
	if (addr >= FAKE_RAM && addr < FAKE_RAM + MP_LSI_RAM_BYTES)
		return &m->ram[addr - FAKE_RAM];
	return addr < FAKE_MEM_BYTES ? &m->mem[addr] : NULL;
}

bool model_load(struct model *m, uint32_t addr, uint32_t *ret)
{
	uint32_t v = 0;

	for (unsigned int i = 0; i < 4; i++) {
		const uint8_t *p = model_byte(m, addr + i);

		if (!p)
			return false;
		v += (uint32_t)*p << (8 * i);
	}
	*ret = v;
	return true;
}

/* ---- registers ------------------------------------------------------- */

uint32_t model_word(const struct model *m, unsigned int r)
{
	return m->reg[r] + (m->reg[r + 1] << 8) + (m->reg[r + 2] << 16) +
	       ((uint32_t)m->reg[r + 3] << 24);
}

void model_set_word(struct model *m, unsigned int r, uint32_t v)
{
	for (unsigned int i = 0; i < 4; i++)
		m->reg[r + i] = (uint8_t)(v >> (8 * i));
}

uint32_t model_signed24(uint32_t v)
{
	v &= 0xffffff;
	return v < 0x800000 ? v : v - 0x1000000;
}

static bool any_dma(const struct model *m)
{
	return m->reg[R(DSTAT)] & 0x7d;
}

/* Events that stop: all but CMP, SEL, RSL, GEN, HTH, and those too if unmasked. */
static bool any_scsi(const struct model *m)
{
	return m->reg[R(SIST0)] & (m->reg[R(SIEN0)] | 0x8f) ||
	       m->reg[R(SIST1)] & (m->reg[R(SIEN1)] | 0xfc);
}

void model_settle(struct model *m)
{
	bool cause;

	if (!any_dma(m)) {
		m->reg[R(DSTAT)] |= m->next[0];
		m->next[0] = 0;
	}
	if (!any_scsi(m)) {
		m->reg[R(SIST0)] |= m->next[1];
		m->reg[R(SIST1)] |= m->next[2];
		m->next[1] = m->next[2] = 0;
	}
	model_set_bit(m, R(ISTAT0), 1, any_dma(m));
	model_set_bit(m, R(ISTAT0), 2, any_scsi(m));
	cause = m->reg[R(ISTAT0)] & 4 || m->reg[R(DSTAT)] & m->reg[R(DIEN)] & 0x7d ||
		m->reg[R(SIST0)] & m->reg[R(SIEN0)] || m->reg[R(SIST1)] & m->reg[R(SIEN1)];
	m->level = cause;
}

static void halt(struct model *m)
{
	m->running = false;
	m->parked = false;
	m->fatal = true;
	model_set_bit(m, R(ISTAT1), 2, false);
	(void)model_take_sto(m);
}

void model_stop_dma(struct model *m, uint8_t why)
{
	if (any_dma(m))
		m->next[0] |= why;
	else
		m->reg[R(DSTAT)] |= why;
	halt(m);
	model_settle(m);
}

void model_stop_scsi(struct model *m, uint8_t sist0, uint8_t sist1)
{
	uint8_t *to0 = any_scsi(m) ? &m->next[1] : &m->reg[R(SIST0)];
	uint8_t *to1 = any_scsi(m) ? &m->next[2] : &m->reg[R(SIST1)];

	*to0 |= sist0;
	*to1 |= sist1;
	halt(m);
	model_settle(m);
}

bool model_take_sto(struct model *m)
{
	if (!m->sto)
		return false;
	m->sto = false;
	model_stop_scsi(m, 0, 4);
	return true;
}

uint8_t model_read(struct model *m, unsigned int r)
{
	uint8_t v = m->reg[r];

	if (r == R(CTEST2)) {
		v = (uint8_t)(v + (m->reg[R(ISTAT0)] & 0x20 ? 0x40 : 0));
		m->reg[R(ISTAT0)] &= 0xdf;
	}
	if (r == R(DSTAT)) {
		m->reg[r] &= 0x80;
		m->reg[R(ISTAT0)] &= 0x7f;
	}
	if (r == R(SIST0) || r == R(SIST1))
		m->reg[r] = 0;
	return v;
}

static void write_istat0(struct model *m, uint8_t v)
{
	uint8_t *to = &m->reg[R(ISTAT0)];

	*to = (uint8_t)((*to & 0x0f) | (v & 0xb0));
	if (v & 4)
		*to &= 0xfb;
	if (v & 0x80)
		model_stop_dma(m, 0x10);
	model_settle(m);
}

void model_write(struct model *m, unsigned int r, uint8_t v)
{
	const struct reg_row *row = reg_row_of(r);
	uint8_t inputs;

	if (!row) {
		write_istat0(m, v);
		return;
	}
	m->reg[r] = (uint8_t)((m->reg[r] & ~row->stored) | (v & row->stored));
	if (r == R(SFBR))
		m->reg[r] = v;
	if (r == R(GPREG))
		m->latch = v & 0x1f;
	inputs = m->reg[R(GPCNTL)] & 0x1f;
	m->reg[R(GPREG)] = (uint8_t)(0x60 | inputs | (m->latch & ~inputs));
	if (r == R(DIEN) || r == R(SIEN0) || r == R(SIEN1))
		model_settle(m);
}

void model_start(struct model *m, uint32_t dsp)
{
	if (!m->running && m->fatal && m->bus.connected)
		m->bus.stale = true;
	model_set_word(m, R(DSP), dsp);
	m->running = true;
	m->parked = false;
	m->fatal = false;
	model_set_bit(m, R(ISTAT1), 2, true);
}

/* ---- instructions ---------------------------------------------------- */

static bool fetch_next(struct model *m, uint32_t *ret)
{
	uint32_t dsp = model_word(m, R(DSP));

	if (!model_load(m, dsp, ret))
		return false;
	model_set_word(m, R(DSP), dsp + 4);
	return true;
}

static uint8_t read_settled(struct model *m, unsigned int r)
{
	uint8_t v = model_read(m, r);

	model_settle(m);
	return v;
}

static unsigned int operate(struct model *m, unsigned int op, unsigned int left, unsigned int data)
{
	unsigned int sum = left + data + (op == 7 && m->carry), was = m->carry;

	if (op == 1) {
		m->carry = left > 127;
		return left * 2 + was;
	}
	if (op == 5) {
		m->carry = left % 2;
		return left / 2 + was * 128;
	}
	if (op >= 6) {
		m->carry = sum > 255;
		return sum;
	}
	return op == 0 ? data : op == 2 ? left | data : op == 3 ? left ^ data : left & data;
}

static void model_alu(struct model *m, uint32_t w)
{
	unsigned int opcode = w >> 27 & 7, op = w >> 24 & 7, r = (w >> 16 & 127) + (w & 128);
	unsigned int data = w >> 8 & 255, left = 0;

	if (opcode == 7 && w >> 23 & 1)
		data = m->reg[R(SFBR)];
	if (op)
		left = read_settled(m, opcode == 5 ? R(SFBR) : r);
	model_write(m, opcode == 6 ? R(SFBR) : r, (uint8_t)operate(m, op, left, data));
}

static bool condition(const struct model *m, uint32_t w)
{
	bool sense = w >> 19 & 1, phase = w >> 17 & 1, data = w >> 18 & 1;
	bool p = (w >> 24 & 7) == (m->reg[R(SSTAT1)] & 7u);
	bool d = ((m->reg[R(SFBR)] ^ w) & ~(w >> 8) & 255) == 0;

	if (w >> 21 & 1)
		return m->carry == sense;
	if (!phase && !data)
		return sense;
	return (!phase || p == sense) && (!data || d == sense);
}

static void take_jump(struct model *m, uint32_t w, uint32_t operand)
{
	unsigned int op = w >> 27 & 7;
	uint32_t next = model_word(m, R(DSP));
	uint32_t target = w >> 23 & 1 ? next + model_signed24(operand) : operand;

	if (op == 3 && w >> 20 & 1)
		m->reg[R(ISTAT0)] |= 4;
	else if (op == 3)
		model_stop_dma(m, 4);
	if (op == 1)
		model_set_word(m, R(TEMP), next);
	if (op < 2 && w >> 23 & 1)
		model_set_word(m, R(ADDER), target);
	if (op < 2)
		model_set_word(m, R(DSP), target);
	if (op == 2)
		model_set_word(m, R(DSP), model_word(m, R(TEMP)));
}

static void model_jump(struct model *m, uint32_t w, uint32_t operand)
{
	if ((w >> 27 & 7) > 3 || (w >> 21 & 1 && w >> 17 & 3)) {
		model_stop_dma(m, 1);
		return;
	}
	if (w >> 16 & 1) {
		if (model_take_sto(m))
			return;
		if (model_req(m, w >> 24 & 7) == NO_PHASE) {
			m->parked = true;
			return;
		}
	}
	if (condition(m, w))
		take_jump(m, w, operand);
}

static void model_loadstore(struct model *m, uint32_t w, uint32_t operand)
{
	unsigned int n = w & 7, r = w >> 16 & 255;
	uint32_t addr = w >> 28 & 1 ? model_word(m, R(DSA)) + model_signed24(operand) : operand;
	uint8_t bytes[4];

	if (w >> 26 & 3 || n < 1 || n > 4 || r % 4 + n > 4 || r % 4 != addr % 4 ||
	    (addr >= FAKE_REGS && addr < FAKE_REGS + 1024)) {
		model_stop_dma(m, 1);
		return;
	}
	model_set_word(m, R(DNAD), addr);
	if (!model_byte(m, addr)) {
		model_stop_dma(m, 0x20);
		return;
	}
	for (unsigned int i = 0; i < n; i++)
		bytes[i] = w >> 24 & 1 ? *model_byte(m, addr + i) : model_read(m, r + i);
	for (unsigned int i = 0; i < n; i++)
		if (w >> 24 & 1)
			model_write(m, r + i, bytes[i]);
		else
			*model_byte(m, addr + i) = bytes[i];
}

/* One byte from anywhere to anywhere; false: nothing there. */
static bool move_byte(struct model *m, uint32_t from, uint32_t to)
{
	bool from_reg = from >= FAKE_REGS && from < FAKE_REGS + 1024;
	bool to_reg = to >= FAKE_REGS && to < FAKE_REGS + 1024;
	uint8_t v;

	if (!from_reg && !model_byte(m, from))
		return false;
	v = from_reg ? read_settled(m, from % 256) : *model_byte(m, from);
	if (to_reg)
		model_write(m, to % 256, v);
	else if (model_byte(m, to))
		*model_byte(m, to) = v;
	else
		return false;
	return true;
}

static void model_memmove(struct model *m, uint32_t w, uint32_t from)
{
	uint32_t to, n = w & 0xffffff;

	if (!fetch_next(m, &to)) {
		model_stop_dma(m, 0x20);
		return;
	}
	if (w >> 25 & 15 || !n || (from ^ to) & 3) {
		model_stop_dma(m, 1);
		return;
	}
	for (; n; n--) {
		if (!move_byte(m, from++, to++)) {
			model_stop_dma(m, 0x20);
			return;
		}
		model_set_word(m, R(DNAD), from);
		model_set_word(m, R(DBC), (w & 0xff000000) + n - 1);
	}
}

static bool model_fetch(struct model *m, uint32_t at, uint32_t *w, uint32_t *operand)
{
	if (!model_load(m, at, w) || !model_load(m, at + 4, operand)) {
		model_stop_dma(m, 0x20);
		return false;
	}
	model_set_word(m, R(DSP), at + 8);
	model_set_word(m, R(DBC), *w);
	model_set_word(m, R(DSPS), *operand);
	return true;
}

void model_step(struct model *m)
{
	uint32_t at = model_word(m, R(DSP)) & ~3u, w, operand;

	if (!model_fetch(m, at, &w, &operand))
		return;
	if (w >> 30 == 0)
		model_move(m, at, w, operand);
	else if (w >> 30 == 1 && (w >> 27 & 7) < 5)
		model_io(m, w, operand);
	else if (w >> 30 == 1)
		model_alu(m, w);
	else if (w >> 30 == 2)
		model_jump(m, w, operand);
	else if (w >> 29 == 6)
		model_memmove(m, w, operand);
	else
		model_loadstore(m, w, operand);
	model_settle(m);
}
