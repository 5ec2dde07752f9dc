/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * wide - the odd bytes of 16-bit data phases.
 *
 * The bus moves words; block moves and targets count bytes. An even move of an
 * even rest is the same on both widths and doesn't come here. What is left:
 *
 *	IN	a move ends in the middle of a word: its second byte waits in
 *		SWIDE, WSR is set. The next move IN begins with that byte if it
 *		is a CHMOV, and drops it if it is a MOVE.
 *	OUT	a CHMOV ends on the first byte of a word: the byte waits in
 *		SODL, WSS is set, nothing is sent. The next move OUT, of either
 *		kind, completes the word. A MOVE sends it with a filler.
 *	target	its last byte is the first of a word: IN, it adds a filler and
 *		says so (IGNORE WIDE RESIDUE, bus.c); OUT, it drops the second.
 *
 * Fillers are 0. WSR and WSS outlive a phase: the driver finds out by them
 * that a byte was left over. Any transfer that isn't wide drops WSS, as any
 * reception does; the next data move IN drops WSR.
 *
 * A move of wide data is at most three parts: the byte kept from the last
 * move, whole words, the odd end.
 */
#include "lsi-core/state.h"

static bool is_chained(const struct mp_lsi_state *st)
{
	return !(st->insn[0] & INSN_MOVE);
}

/* Byte @off of the chunk in the target's buffer. */
static uint8_t *target_byte(struct mp_lsi *c, uint32_t off)
{
	const struct mp_lsi_state *st = c->st;
	uint32_t len = 1;

	return c->ops->task_buf(c->opaque, st->nexus.task, st->task[st->nexus.task].moved + off,
				&len);
}

/* Whole words behind byte *n of the chunk, up to the end of either side; false: bus fault. */
static bool words(struct mp_lsi *c, uint32_t rest, uint32_t *n)
{
	uint32_t want = mp_lsi_min(c->st->move.left, rest - *n) & ~1u, done = 0;
	bool ok = mp_lsi_move_bulk(c, *n, want, &done);

	*n += done;
	return ok;
}

/* The target's bytes *n and, if there is one, *n + 1 were the last word. */
static void count_word(uint32_t rest, uint32_t *n)
{
	*n += mp_lsi_min(rest - *n, 2);
}

/* The last word of a move, or of the target: one byte of it may be in the way. */
static bool receive_end(struct mp_lsi *c, uint32_t rest, uint32_t *n)
{
	struct mp_lsi_state *st = c->st;
	uint8_t word[2] = {*target_byte(c, *n), 0};
	bool kept = st->move.left == 1;

	if (rest - *n > 1)
		word[1] = *target_byte(c, *n + 1);
	if (!mp_lsi_move_push(c, word, kept ? 1 : 2))
		return false;
	count_word(rest, n);
	mp_put_le16(st->reg + MP_LSI_R_SIDL, (uint16_t)(word[0] | word[1] << 8));
	if (kept) {
		st->reg[MP_LSI_R_SWIDE] = word[1];
		mp_lsi_flag(st, MP_LSI_R_SCNTL2, SCNTL2_WSR, true);
		st->move.extra++;
	}
	return true;
}

static bool send_joined(struct mp_lsi *c, uint32_t rest, uint32_t *n)
{
	uint8_t second;

	if (!mp_lsi_move_pull(c, &second, 1))
		return false;
	*target_byte(c, 0) = c->st->reg[MP_LSI_R_SODL];
	if (rest > 1)
		*target_byte(c, 1) = second;
	count_word(rest, n);
	return true;
}

static bool send_end(struct mp_lsi *c, uint32_t rest, uint32_t *n)
{
	struct mp_lsi_state *st = c->st;
	bool half = st->move.left == 1;
	uint8_t word[2] = {0, 0};

	if (!mp_lsi_move_pull(c, word, half ? 1 : 2))
		return false;
	st->move.extra = half;
	mp_put_le16(st->reg + MP_LSI_R_SODL, (uint16_t)(word[0] | word[1] << 8));
	if (half && is_chained(st)) {
		mp_lsi_flag(st, MP_LSI_R_SCNTL2, SCNTL2_WSS, true);
		return true;
	}
	*target_byte(c, *n) = word[0];
	if (rest - *n > 1)
		*target_byte(c, *n + 1) = word[1];
	count_word(rest, n);
	return true;
}

/* Less than a word is left on one side, and something on both. */
static bool is_end(const struct mp_lsi_state *st, uint32_t rest, uint32_t n)
{
	return mp_lsi_min(st->move.left, rest - n) == 1;
}

bool mp_lsi_wide_residue(struct mp_lsi *c)
{
	struct mp_lsi_state *st = c->st;

	if (!mp_lsi_move_push(c, &st->reg[MP_LSI_R_SWIDE], 1))
		return false;
	mp_lsi_flag(st, MP_LSI_R_SCNTL2, SCNTL2_WSR, false);
	st->move.extra--;
	return true;
}

bool mp_lsi_wide_receive(struct mp_lsi *c, uint32_t rest, uint32_t *n)
{
	struct mp_lsi_state *st = c->st;
	bool kept = st->reg[MP_LSI_R_SCNTL2] & SCNTL2_WSR;

	if (kept && is_chained(st) && st->move.wide && !mp_lsi_wide_residue(c))
		return false;
	mp_lsi_flag(st, MP_LSI_R_SCNTL2, SCNTL2_WSR | SCNTL2_WSS, false);
	if (!st->move.wide)
		return mp_lsi_move_bulk(c, 0, mp_lsi_min(st->move.left, rest), n);
	return words(c, rest, n) && (!is_end(st, rest, *n) || receive_end(c, rest, n));
}

bool mp_lsi_wide_send(struct mp_lsi *c, uint32_t rest, uint32_t *n)
{
	struct mp_lsi_state *st = c->st;
	bool kept = st->reg[MP_LSI_R_SCNTL2] & SCNTL2_WSS;

	if (kept && st->move.wide && !send_joined(c, rest, n))
		return false;
	mp_lsi_flag(st, MP_LSI_R_SCNTL2, SCNTL2_WSS, false);
	if (!st->move.wide)
		return mp_lsi_move_bulk(c, 0, mp_lsi_min(st->move.left, rest), n);
	return words(c, rest, n) && (!is_end(st, rest, *n) || send_end(c, rest, n));
}
