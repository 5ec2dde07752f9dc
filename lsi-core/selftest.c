/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * selftest - what diagnostics do to the chip by register accesses alone: fill
 * and empty its two FIFOs, clock its counters, look at the shadow registers.
 *
 * Data moves never pass through these FIFOs (insn_move.c), so they hold only
 * what a test puts there, and their flags say "empty" to everybody else.
 *
 *	DMA FIFO	eight byte lanes; CTEST4.FBL3 opens the lane in FBL2..0
 *			to CTEST6: a write goes in at the top, a read takes from
 *			the bottom. CTEST5.DFS sets the depth. Flags: CTEST0 (a
 *			lane is empty), CTEST1 (full), DSTAT.DFE (all empty).
 *			CTEST3.CLF empties it.
 *	SCSI FIFO	31 words; with STEST3.STW a write of SODL's low byte
 *			loads one, with STR a read of it unloads one. Count in
 *			SSTAT1 and SSTAT2. One too many either way is a gross
 *			error. STEST3.CSF empties it.
 *	counters	CTEST5.ADCK and BBCK clock DNAD up and DBC down, by a
 *			dword or up to the next one.
 *	shadows		CTEST4.SRTM shows what stands behind DSA and TEMP.
 *	timers		STEST3.TTM starts GEN and HTH with a period of no time.
 *
 *	loopback	with STEST2.SLB on a free bus, what is written to SOCL
 *			shows in SBCL and, with SCNTL1.ADB, SODL in SBDL: the
 *			pins, without a bus behind them. No target sees it.
 *
 * Outside its test mode a FIFO takes nothing and CTEST6 reads 0.
 */
#include "lsi-core/state.h"

#include <string.h>

#define CTEST4_FBL3 0x40u
#define CTEST5_DFS  0x20u
#define SSTAT1_FF   0xf0u
#define SSTAT2_FF4  0x10u

static unsigned int lane_depth(const struct mp_lsi_state *st)
{
	return st->reg[MP_LSI_R_CTEST5] & CTEST5_DFS ? MP_LSI_LANE_BYTES : MP_LSI_LANE_SMALL;
}

/* The lane open to CTEST6, or NULL. */
static struct mp_lsi_lane *open_lane(struct mp_lsi_state *st)
{
	unsigned int ctest4 = st->reg[MP_LSI_R_CTEST4];

	return ctest4 & CTEST4_FBL3 ? &st->lane[ctest4 & 7] : NULL;
}

static void show_lanes(struct mp_lsi_state *st)
{
	unsigned int empty = 0, full = 0;

	for (unsigned int i = 0; i < MP_LSI_N_LANES; i++) {
		empty |= (unsigned int)!st->lane[i].n << i;
		full |= (unsigned int)(st->lane[i].n >= lane_depth(st)) << i;
	}
	st->reg[MP_LSI_R_CTEST0] = (uint8_t)empty;
	st->reg[MP_LSI_R_CTEST1] = (uint8_t)full;
	mp_lsi_flag(st, MP_LSI_R_DSTAT, DSTAT_DFE, empty == 0xff);
}

static void push_byte(struct mp_lsi_state *st, uint8_t v)
{
	struct mp_lsi_lane *l = open_lane(st);

	if (!l || l->n >= lane_depth(st))
		return;
	l->byte[(l->head + l->n) % MP_LSI_LANE_BYTES] = v;
	l->n++;
	show_lanes(st);
}

static uint8_t pop_byte(struct mp_lsi_state *st)
{
	struct mp_lsi_lane *l = open_lane(st);
	uint8_t v;

	if (!l || !l->n)
		return 0;
	v = l->byte[l->head];
	l->head = (uint8_t)((l->head + 1) % MP_LSI_LANE_BYTES);
	l->n--;
	show_lanes(st);
	return v;
}

static void clear_lanes(struct mp_lsi_state *st)
{
	memset(st->lane, 0, sizeof(st->lane));
	show_lanes(st);
}

static void show_words(struct mp_lsi_state *st)
{
	unsigned int n = st->words.n;

	mp_lsi_flag(st, MP_LSI_R_SSTAT1, SSTAT1_FF, false);
	mp_lsi_flag(st, MP_LSI_R_SSTAT1, n << 4 & SSTAT1_FF, true);
	mp_lsi_flag(st, MP_LSI_R_SSTAT2, SSTAT2_FF4, n & 0x10);
}

static void load_word(struct mp_lsi *c)
{
	struct mp_lsi_state *st = c->st;
	struct mp_lsi_words *w = &st->words;

	if (!(st->reg[MP_LSI_R_STEST3] & STEST3_STW))
		return;
	if (w->n == MP_LSI_FIFO_WORDS) {
		mp_lsi_raise_scsi(c, SIST0_SGE, 0);
		return;
	}
	w->word[(w->head + w->n++) % MP_LSI_FIFO_WORDS] = mp_get_le16(st->reg + MP_LSI_R_SODL);
	show_words(st);
}

void mp_lsi_test_amend(struct mp_lsi_state *st)
{
	struct mp_lsi_words *w = &st->words;

	if (st->reg[MP_LSI_R_STEST3] & STEST3_STW && w->n)
		w->word[(w->head + w->n - 1) % MP_LSI_FIFO_WORDS] =
			mp_get_le16(st->reg + MP_LSI_R_SODL);
}

/* The word under SODL's low byte, which is being read; its high byte is read behind it. */
static void unload_word(struct mp_lsi *c)
{
	struct mp_lsi_state *st = c->st;
	struct mp_lsi_words *w = &st->words;

	if (!(st->reg[MP_LSI_R_STEST3] & STEST3_STR))
		return;
	if (!w->n) {
		mp_lsi_raise_scsi(c, SIST0_SGE, 0);
		return;
	}
	mp_put_le16(st->reg + MP_LSI_R_SODL, w->word[w->head]);
	w->head = (uint8_t)((w->head + 1) % MP_LSI_FIFO_WORDS);
	w->n--;
	show_words(st);
}

static void clear_words(struct mp_lsi_state *st)
{
	st->words = (struct mp_lsi_words){0};
	show_words(st);
}

/* Bytes to the next dword of memory, or what is left to count. */
static uint32_t one_clock(const struct mp_lsi_state *st)
{
	uint32_t left = mp_lsi_get(st, MP_LSI_R_DBC) & 0xffffff;
	uint32_t n = 4 - (mp_lsi_get(st, MP_LSI_R_DNAD) & 3);

	return n < left ? n : left;
}

static void clock_counters(struct mp_lsi_state *st, uint8_t ctest5)
{
	uint32_t n = one_clock(st);

	if (ctest5 & CTEST5_ADCK)
		mp_lsi_put(st, MP_LSI_R_DNAD, mp_lsi_get(st, MP_LSI_R_DNAD) + n);
	/* DCMD, above it, stays: no more is taken away than there is. */
	if (ctest5 & CTEST5_BBCK)
		mp_lsi_put(st, MP_LSI_R_DBC, mp_lsi_get(st, MP_LSI_R_DBC) - n);
}

/* CTEST4.SRTM: DSA and TEMP show their shadows while it is set. */
static void swap_shadows(struct mp_lsi_state *st)
{
	static const uint8_t reg[2] = {MP_LSI_R_DSA, MP_LSI_R_TEMP};

	for (unsigned int i = 0; i < 2; i++) {
		uint32_t v = mp_lsi_get(st, reg[i]);

		mp_lsi_put(st, reg[i], st->hidden[i]);
		st->hidden[i] = v;
	}
}

/* TTM: all timers at once, and soon; without it they have their own periods, or none. */
static void write_stest3(struct mp_lsi_state *st, uint8_t was, uint8_t v)
{
	if (v & STEST3_CSF)
		clear_words(st);
	if ((v ^ was) & STEST3_TTM) {
		mp_lsi_timer_arm(st, MP_LSI_TIMER_GEN,
				 v & STEST3_TTM || st->reg[MP_LSI_R_STIME1] & 0xf);
		mp_lsi_timer_arm(st, MP_LSI_TIMER_HTH,
				 v & STEST3_TTM || st->reg[MP_LSI_R_STIME0] >> 4);
	}
}

static bool is_looped(const struct mp_lsi_state *st)
{
	return st->reg[MP_LSI_R_STEST2] & STEST2_SLB && st->nexus.conn == MP_LSI_BUS_FREE;
}

void mp_lsi_test_loopback(struct mp_lsi_state *st)
{
	bool drives = st->reg[MP_LSI_R_SCNTL1] & SCNTL1_ADB;

	if (!is_looped(st))
		return;
	st->reg[MP_LSI_R_SBCL] = st->reg[MP_LSI_R_SOCL];
	mp_put_le16(st->reg + MP_LSI_R_SBDL, drives ? mp_get_le16(st->reg + MP_LSI_R_SODL) : 0);
}

/* The bus as it is again, once loopback ends. */
static void write_stest2(struct mp_lsi_state *st, uint8_t was, uint8_t v)
{
	if (was & STEST2_SLB && !(v & STEST2_SLB)) {
		mp_put_le16(st->reg + MP_LSI_R_SBDL, 0);
		mp_lsi_bus_show(st);
	}
	mp_lsi_test_loopback(st);
}

void mp_lsi_test_write(struct mp_lsi *c, unsigned int off, uint8_t was, uint8_t v)
{
	struct mp_lsi_state *st = c->st;

	switch (off) {
	case MP_LSI_R_CTEST3:
		if (v & CTEST3_CLF)
			clear_lanes(st);
		break;
	case MP_LSI_R_CTEST4:
		if ((was ^ v) & CTEST4_SRTM)
			swap_shadows(st);
		break;
	case MP_LSI_R_CTEST5:
		clock_counters(st, v);
		show_lanes(st);
		break;
	case MP_LSI_R_CTEST6:
		push_byte(st, v);
		break;
	case MP_LSI_R_SOCL:
		if (is_looped(st))
			st->reg[off] = v;
		mp_lsi_test_loopback(st);
		break;
	case MP_LSI_R_STEST2:
		write_stest2(st, was, v);
		break;
	case MP_LSI_R_STEST3:
		write_stest3(st, was, v);
		break;
	case MP_LSI_R_SODL:
		load_word(c);
		mp_lsi_test_loopback(st);
		break;
	case MP_LSI_R_SODL + 1:
		mp_lsi_test_loopback(st);
		break;
	}
}

uint8_t mp_lsi_test_read(struct mp_lsi *c, unsigned int off)
{
	if (off == MP_LSI_R_CTEST6)
		return pop_byte(c->st);
	unload_word(c);
	return c->st->reg[off];
}
