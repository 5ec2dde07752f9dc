/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * insn_mem - LOAD and STORE between a register dword and memory, and memory
 * moves of up to 16 MiB between any two places.
 *
 * LOAD and STORE never cross a dword, so they are one access; four bytes at
 * once are one atomic access in guest memory, because drivers share queue
 * words with the CPU this way. They may not name the chip's own registers.
 *
 * A memory move may: bytes then move one by one with all register effects, in
 * ascending order, and the move ends early if one of them stopped the engine.
 * A long move is cut into pieces of MEM_PIECE bytes, one a step, so that neither
 * other devices nor the CPU's register accesses wait for 16 MiB.
 */
#include "lsi-core/state.h"

#include <string.h>

#define MEM_PIECE        (64u * 1024u)

#define BIT_DSA_RELATIVE (1u << 28)
#define BIT_LOAD         (1u << 24)

static bool operands_fit(const struct mp_lsi_state *st, uint64_t addr)
{
	uint32_t insn = st->insn[0];
	unsigned int n = insn & 7, reg = insn >> 16 & 0xff;

	return !(insn >> 26 & 3) && n >= 1 && (reg & 3) + n <= 4 && !((reg ^ addr) & 3) &&
	       !mp_lsi_in_regs(st, addr);
}

static void load_bytes(struct mp_lsi *c, unsigned int reg, uint32_t v, unsigned int n)
{
	if (mp_likely(n == 4 && mp_lsi_plain_dwords >> (reg / 4) & 1)) {
		mp_put_le32(c->st->reg + reg, v);
		return;
	}
	for (unsigned int i = 0; i < n; i++)
		mp_lsi_reg_write(c, reg + i, (uint8_t)(v >> 8 * i), true);
}

static uint32_t store_bytes(struct mp_lsi *c, unsigned int reg, unsigned int n)
{
	uint32_t v = 0;

	if (mp_likely(n == 4 && mp_lsi_plain_dwords >> (reg / 4) & 1))
		return mp_get_le32(c->st->reg + reg);
	for (unsigned int i = 0; i < n; i++)
		v |= (uint32_t)mp_lsi_reg_read(c, reg + i) << 8 * i;
	mp_lsi_irq_update(c);
	return v;
}

static uint64_t operand_addr(const struct mp_lsi_state *st)
{
	uint32_t insn = st->insn[0];

	if (insn & BIT_DSA_RELATIVE)
		return mp_lsi_addr(st, MP_LSI_R_DRS,
				   mp_lsi_get(st, MP_LSI_R_DSA) + mp_lsi_sext24(st->insn[1]));
	return mp_lsi_addr(st, insn & BIT_LOAD ? MP_LSI_R_MMRS : MP_LSI_R_MMWS, st->insn[1]);
}

/* An aligned dword is one access. */
static uint32_t get_operand(const void *p, unsigned int n)
{
	uint32_t v = 0;

	/* L1: acquire, pairs with the driver's stores to its queues. */
	if (mp_likely(n == 4 && (uintptr_t)p % 4 == 0))
		return le32toh(
			atomic_load_explicit((const _Atomic uint32_t *)p, memory_order_acquire));
	memcpy(&v, p, n);
	return le32toh(v);
}

static void put_operand(void *p, unsigned int n, uint32_t v)
{
	v = htole32(v);
	/* S1: release, pairs with the driver's loads from its queues. */
	if (mp_likely(n == 4 && (uintptr_t)p % 4 == 0))
		atomic_store_explicit((_Atomic uint32_t *)p, v, memory_order_release);
	else
		memcpy(p, &v, n);
}

enum mp_lsi_step mp_lsi_insn_loadstore(struct mp_lsi *c)
{
	struct mp_lsi_state *st = c->st;
	unsigned int n = st->insn[0] & 7, reg = st->insn[0] >> 16 & 0xff;
	uint64_t addr = operand_addr(st);
	bool load = st->insn[0] & BIT_LOAD;
	uint32_t len = n;
	void *p;

	if (mp_unlikely(!operands_fit(st, addr)))
		return mp_lsi_insn_illegal(c);
	mp_lsi_put(st, MP_LSI_R_DNAD, (uint32_t)addr);
	p = mp_lsi_mem(c, addr, &len, !load);
	if (mp_unlikely(!p || len < n)) {
		mp_lsi_raise_dma(c, DSTAT_BF);
	} else if (load) {
		load_bytes(c, reg, get_operand(p, n), n);
	} else {
		put_operand(p, n, store_bytes(c, reg, n));
		mp_lsi_mem_written(c, addr, n);
	}
	return MP_LSI_DONE;
}

/* Is @addr one of our own registers, in memory or (@io) port space? */
static bool own_reg(const struct mp_lsi_state *st, uint64_t addr, bool io)
{
	if (!io)
		return mp_lsi_in_regs(st, addr);
	return addr - st->bar[MP_LSI_BAR_IO] < MP_LSI_REG_BYTES &&
	       st->bar[MP_LSI_BAR_IO] != UINT64_MAX;
}

static bool src_io(const struct mp_lsi_state *st)
{
	return st->reg[MP_LSI_R_DMODE] & DMODE_SIOM;
}

static bool dst_io(const struct mp_lsi_state *st)
{
	return st->reg[MP_LSI_R_DMODE] & DMODE_DIOM;
}

/* The registers' base is aligned to their size in both spaces. */
static bool get_byte(struct mp_lsi *c, uint64_t addr, uint8_t *b)
{
	if (own_reg(c->st, addr, src_io(c->st))) {
		*b = mp_lsi_reg_read(c, addr & 0xff);
		mp_lsi_irq_update(c);
		return true;
	}
	return !src_io(c->st) && mp_lsi_mem_get(c, addr, b, 1);
}

static bool put_byte(struct mp_lsi *c, uint64_t addr, uint8_t b)
{
	if (own_reg(c->st, addr, dst_io(c->st))) {
		mp_lsi_reg_write(c, addr & 0xff, b, true);
		return true;
	}
	return !dst_io(c->st) && mp_lsi_mem_put(c, addr, &b, 1);
}

static void advance(struct mp_lsi_state *st, uint32_t n)
{
	st->move.addr += n;
	st->move.dst += n;
	st->move.left -= n;
	mp_lsi_put(st, MP_LSI_R_DNAD, (uint32_t)st->move.addr);
	mp_put_le16(st->reg + MP_LSI_R_DBC, (uint16_t)st->move.left);
	st->reg[MP_LSI_R_DBC + 2] = (uint8_t)(st->move.left >> 16);
}

/* Up to the end of a page of registers, byte by byte. */
static bool move_registers(struct mp_lsi *c)
{
	struct mp_lsi_state *st = c->st;
	uint32_t n = st->move.left < MP_LSI_REG_BYTES ? st->move.left : MP_LSI_REG_BYTES;
	uint8_t b;

	st->cost += n / 16;
	/* A register write may have stopped or reset the chip: then no more. */
	while (n-- && st->run == MP_LSI_RUNNING && st->move.started) {
		if (!get_byte(c, st->move.addr, &b) || !put_byte(c, st->move.dst, b))
			return false;
		if (st->run == MP_LSI_RUNNING)
			advance(st, 1);
	}
	return true;
}

/* Bytes in front of our registers, if a range of @n from @addr would run into them. */
static uint32_t before_regs(const struct mp_lsi_state *st, uint64_t addr, uint32_t n)
{
	uint64_t gap = st->bar[MP_LSI_BAR_MMIO] - addr;

	return addr < st->bar[MP_LSI_BAR_MMIO] && gap < n ? (uint32_t)gap : n;
}

/* A piece between two ranges that hold no registers. */
static bool move_memory(struct mp_lsi *c)
{
	struct mp_lsi_state *st = c->st;
	uint32_t n = st->move.left < MEM_PIECE ? st->move.left : MEM_PIECE;
	const void *from;
	void *to;

	n = before_regs(st, st->move.dst, before_regs(st, st->move.addr, n));
	from = mp_lsi_mem(c, st->move.addr, &n, false);
	if (!from)
		return false;
	to = mp_lsi_mem(c, st->move.dst, &n, true);
	if (!to)
		return false;
	mp_lsi_mem_copy(to, from, n);
	mp_lsi_mem_written(c, st->move.dst, n);
	advance(st, n);
	st->cost += n / 4096;
	return true;
}

static bool start_memmove(struct mp_lsi *c)
{
	struct mp_lsi_state *st = c->st;
	uint32_t n = st->insn[0] & 0xffffff;

	if (!mp_lsi_fetch_third(c))
		return false;
	if (st->insn[0] >> 25 & 0xf || !n || (st->insn[1] ^ st->insn[2]) & 3) {
		mp_lsi_raise_dma(c, DSTAT_IID);
		return false;
	}
	st->move.addr = mp_lsi_addr(st, MP_LSI_R_MMRS, st->insn[1]);
	st->move.dst = mp_lsi_addr(st, MP_LSI_R_MMWS, st->insn[2]);
	st->move.left = n;
	st->move.started = 1;
	return true;
}

enum mp_lsi_step mp_lsi_insn_memmove(struct mp_lsi *c)
{
	struct mp_lsi_state *st = c->st;
	bool bytewise, ok;

	if (!st->move.started && !start_memmove(c))
		return MP_LSI_DONE;
	bytewise = src_io(st) || dst_io(st) || mp_lsi_in_regs(st, st->move.addr) ||
		   mp_lsi_in_regs(st, st->move.dst);
	ok = bytewise ? move_registers(c) : move_memory(c);
	if (!ok)
		mp_lsi_raise_dma(c, DSTAT_BF);
	if (ok && st->move.left && st->run == MP_LSI_RUNNING && st->move.started)
		return MP_LSI_AGAIN;
	st->move.started = 0;
	return MP_LSI_DONE;
}
