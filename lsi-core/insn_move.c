/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * insn_move - block moves: MOVE and CHMOV in every phase.
 *
 *	load	operand by address form (direct, indirect, table), once
 *	wait	for a REQ; not connected or nothing to come: parked
 *	compare	the coded phase; another one is a phase mismatch
 *	move	a piece, at most PIECE bytes a step, then wait again
 *
 * The loop is the mismatch rule: after each piece the target shows the phase
 * it wants next, and a move that isn't satisfied meets the new phase at
 * "compare", whether it has moved bytes or none. What is left lives in
 * struct mp_lsi_move, so a move may park or lose its turn at any byte.
 *
 * Data goes straight between the target's buffer and guest memory; no FIFO
 * holds bytes back, so DFIFO mirrors DBC and every driver's residual formula
 * comes out right. On a wide bus an odd count may leave a byte in SWIDE or
 * SODL, and the next move begins with it: wide.c. Else MOVE and CHMOV differ
 * only in SCNTL2.CHM.
 *
 * SCNTL1.AESP spoils the parity of all that the chip sends. The target throws
 * such bytes away and asks again (messages, bus.c) or ends the command (CDB,
 * data). What the chip receives always has good parity.
 *
 * Leniency, where boot firmware relies on it: COMMAND swallows bytes behind
 * the CDB; STATUS takes one byte and is satisfied; MSG IN is satisfied by one
 * complete message.
 */
#include "lsi-core/state.h"

#include <string.h>

#define PIECE         (64u * 1024u)

#define MOVE_INDIRECT (1u << 29)
#define MOVE_TABLE    (1u << 28)
#define SELECTORS     0x16u
#define SELECT_MMRS   0x10u

static unsigned int coded_phase(const struct mp_lsi_state *st)
{
	return st->insn[0] >> 24 & 7;
}

/* The registers that count along with a move. */
static void show_counters(struct mp_lsi_state *st)
{
	const struct mp_lsi_move *mv = &st->move;
	uint32_t on_bus = mv->done + (uint32_t)mv->extra;
	uint8_t *reg = st->reg;

	mp_lsi_put(st, MP_LSI_R_DBC, (st->insn[0] & 0xff000000u) | mv->left);
	mp_lsi_put(st, MP_LSI_R_DNAD, (uint32_t)mv->addr);
	mp_lsi_put(st, MP_LSI_R_DNAD64, (uint32_t)(mv->addr >> 32));
	mp_put_le16(reg + MP_LSI_R_SBC, (uint16_t)on_bus);
	reg[MP_LSI_R_SBC + 2] = (uint8_t)(on_bus >> 16);
	reg[MP_LSI_R_DFIFO] = (uint8_t)mv->left;
	reg[MP_LSI_R_CTEST5] = (uint8_t)((reg[MP_LSI_R_CTEST5] & ~3u) | (mv->left >> 8 & 3));
}

/* And those that a driver needs to go on with a move that was cut. */
static void show_progress(struct mp_lsi_state *st)
{
	const struct mp_lsi_move *mv = &st->move;

	show_counters(st);
	mp_lsi_put(st, MP_LSI_R_RBC, (uint32_t)mv->top << 24 | mv->left);
	mp_lsi_put(st, MP_LSI_R_UA, (uint32_t)mv->addr);
	mp_lsi_put(st, MP_LSI_R_ESA, mv->esa);
	mp_lsi_put(st, MP_LSI_R_IA, st->ia);
}

static uint64_t static_upper(const struct mp_lsi_state *st, uint32_t low)
{
	return mp_lsi_addr(st, MP_LSI_R_SBMS, low);
}

static bool load_direct(struct mp_lsi *c)
{
	struct mp_lsi_state *st = c->st;

	st->move.addr = static_upper(st, st->insn[1]);
	if (!(st->reg[MP_LSI_R_CCNTL1] & CCNTL1_DBMV))
		return true;
	if (!mp_lsi_fetch_third(c))
		return false;
	mp_lsi_put(st, MP_LSI_R_DBMS, st->insn[2]);
	st->move.addr = mp_lsi_addr(st, MP_LSI_R_DBMS, st->insn[1]);
	return true;
}

static bool load_indirect(struct mp_lsi *c)
{
	struct mp_lsi_state *st = c->st;
	uint32_t raw;

	if (!mp_lsi_mem_get(c, mp_lsi_addr(st, MP_LSI_R_SFS, st->insn[1]), &raw, sizeof(raw))) {
		mp_lsi_raise_dma(c, DSTAT_BF);
		return false;
	}
	st->move.addr = static_upper(st, le32toh(raw));
	return true;
}

/* Upper half of a table entry's address; false: illegal selector. */
static bool entry_upper(struct mp_lsi_state *st, uint32_t count, uint32_t low)
{
	unsigned int sel = count >> 24 & 0x1f;
	enum mp_lsi_reg from = MP_LSI_R_SBMS;

	if (!(st->reg[MP_LSI_R_CCNTL1] & CCNTL1_TIBMV)) {
		st->move.addr = static_upper(st, low);
		return true;
	}
	if (st->reg[MP_LSI_R_CCNTL1] & CCNTL1_TIMOD) {
		st->move.addr = low;
		if (!(st->reg[MP_LSI_R_CCNTL1] & CCNTL1_DDAC))
			st->move.addr |= (uint64_t)(count >> 24) << 32;
		return true;
	}
	if (sel >= SELECTORS)
		return false;
	from = sel < SELECT_MMRS ? MP_LSI_R_SCRATCHC + 4 * sel
				 : MP_LSI_R_MMRS + 4 * (sel - SELECT_MMRS);
	st->move.addr = mp_lsi_addr(st, from, low);
	return true;
}

static bool load_table(struct mp_lsi *c)
{
	struct mp_lsi_state *st = c->st;
	uint32_t entry = mp_lsi_get(st, MP_LSI_R_DSA) + mp_lsi_sext24(st->insn[1]);
	uint32_t raw[2], count;

	if (!mp_lsi_mem_get(c, mp_lsi_addr(st, MP_LSI_R_DRS, entry), raw, sizeof(raw))) {
		mp_lsi_raise_dma(c, DSTAT_BF);
		return false;
	}
	count = le32toh(raw[0]);
	st->move.left = count & 0xffffff;
	st->move.top = (uint8_t)(count >> 24);
	st->move.esa = entry;
	if (entry_upper(st, count, le32toh(raw[1])))
		return true;
	mp_lsi_raise_dma(c, DSTAT_IID);
	return false;
}

static bool load_operand(struct mp_lsi *c)
{
	struct mp_lsi_state *st = c->st;
	uint32_t insn = st->insn[0];
	bool ok;

	st->move = (struct mp_lsi_move){
		.left = insn & 0xffffff, .top = (uint8_t)(insn >> 24), .esa = st->ia};
	if (insn & MOVE_TABLE && insn & MOVE_INDIRECT) {
		mp_lsi_raise_dma(c, DSTAT_IID);
		return false;
	}
	if (insn & MOVE_TABLE)
		ok = load_table(c);
	else
		ok = insn & MOVE_INDIRECT ? load_indirect(c) : load_direct(c);
	if (!ok)
		return false;
	if (!st->move.left || mp_unlikely(st->reg[MP_LSI_R_SCNTL0] & SCNTL0_TRG)) {
		mp_lsi_raise_dma(c, DSTAT_IID);
		return false;
	}
	mp_lsi_flag(st, MP_LSI_R_SCNTL2, SCNTL2_CHM, !(insn & INSN_MOVE));
	mp_lsi_flag(st, MP_LSI_R_CTEST2, CTEST2_DDIR, insn & 1u << 24);
	st->move.started = 1;
	return true;
}

/* Guest memory of the move's next bytes; NULL: bus fault. */
static void *span(struct mp_lsi *c, uint32_t *len, bool write)
{
	unsigned int io = write ? DMODE_DIOM : DMODE_SIOM;

	/* Block moves to or from port space reach nothing. */
	if (mp_unlikely(c->st->reg[MP_LSI_R_DMODE] & io))
		return NULL;
	return mp_lsi_mem(c, c->st->move.addr, len, write);
}

static void moved(struct mp_lsi_state *st, uint32_t n)
{
	st->move.addr += n;
	st->move.left -= n;
	st->move.done += n;
}

/* SIDL holds the last byte, or word, that came over the bus. */
static void latch(struct mp_lsi_state *st, const uint8_t *p, uint32_t len)
{
	uint16_t word = p[len - 1];

	if (mp_unlikely(st->move.wide && len > 1))
		word = (uint16_t)(word << 8 | p[len - 2]);
	mp_put_le16(st->reg + MP_LSI_R_SIDL, word);
}

bool mp_lsi_move_push(struct mp_lsi *c, const void *from, uint32_t n)
{
	struct mp_lsi_state *st = c->st;
	const uint8_t *p = from;

	if (!st->move.done)
		st->reg[MP_LSI_R_SFBR] = *p;
	while (n) {
		uint32_t len = n;
		void *to = span(c, &len, true);

		if (!to)
			return false;
		memcpy(to, p, len);
		latch(st, p, len);
		mp_lsi_mem_written(c, st->move.addr, len);
		moved(st, len);
		p += len;
		n -= len;
	}
	return true;
}

bool mp_lsi_move_pull(struct mp_lsi *c, void *to, uint32_t n)
{
	uint8_t *p = to;

	while (n) {
		uint32_t len = n;
		const void *from = span(c, &len, false);

		if (!from)
			return false;
		memcpy(p, from, len);
		moved(c->st, len);
		p += len;
		n -= len;
	}
	return true;
}

bool mp_lsi_move_bulk(struct mp_lsi *c, uint32_t from, uint32_t want, uint32_t *ret_n)
{
	struct mp_lsi_state *st = c->st;
	const struct mp_lsi_task *t = &st->task[st->nexus.task];
	uint32_t before = st->move.done;
	bool ok = true;

	want = mp_lsi_min(want, PIECE);
	while (ok && st->move.done - before < want) {
		uint32_t at = st->move.done - before, len = want - at;
		void *buf = c->ops->task_buf(c->opaque, st->nexus.task, t->moved + from + at, &len);

		ok = t->dir == MP_LSI_DATA_IN ? mp_lsi_move_push(c, buf, len)
					      : mp_lsi_move_pull(c, buf, len);
	}
	*ret_n = st->move.done - before;
	return ok;
}

/* Up to PIECE bytes of one chunk; in *n how many went over the bus, also on a fault. */
static bool data_piece(struct mp_lsi *c, const struct mp_lsi_task *t, uint32_t *n)
{
	struct mp_lsi_move *mv = &c->st->move;
	uint32_t rest = t->len - t->moved;

	mv->wide = mp_lsi_bus_is_wide(c->st);
	if (mp_likely(!((mv->left | rest) & mv->wide) &&
		      !(c->st->reg[MP_LSI_R_SCNTL2] & (SCNTL2_WSS | SCNTL2_WSR))))
		return mp_lsi_move_bulk(c, 0, mp_lsi_min(mv->left, rest), n);
	return t->dir == MP_LSI_DATA_IN ? mp_lsi_wide_receive(c, rest, n)
					: mp_lsi_wide_send(c, rest, n);
}

static bool has_bad_parity(const struct mp_lsi_state *st)
{
	return st->reg[MP_LSI_R_SCNTL1] & SCNTL1_AESP;
}

static bool move_data(struct mp_lsi *c)
{
	struct mp_lsi_state *st = c->st;
	const struct mp_lsi_task *t = &st->task[st->nexus.task];
	uint32_t n = 0;
	bool ok = data_piece(c, t, &n);

	/* A word with a filler in it is two bytes all the same. */
	mp_lsi_put(st, MP_LSI_R_CSBC, mp_lsi_get(st, MP_LSI_R_CSBC) + n + (n & st->move.wide));
	st->cost += n / 4096;
	if (mp_unlikely(st->sums))
		mp_lsi_slpar_add(c, n);
	if (mp_unlikely(has_bad_parity(st)) && t->dir == MP_LSI_DATA_OUT) {
		mp_lsi_task_fail(c, MP_LSI_ASC_PARITY);
		mp_lsi_bus_choose(c);
		return ok;
	}
	mp_lsi_bus_data_moved(c, n);
	if (ok && !st->move.left)
		mp_lsi_bus_block_end(c);
	return ok;
}

static bool move_command(struct mp_lsi *c)
{
	struct mp_lsi_state *st = c->st;
	struct mp_lsi_nexus *n = &st->nexus;
	uint32_t take = mp_lsi_min(st->move.left, MP_LSI_CDB_MAX - n->n_cdb);

	if (!mp_lsi_move_pull(c, n->cdb + n->n_cdb, take))
		return false;
	n->bad |= has_bad_parity(st);
	n->n_cdb = (uint8_t)(n->n_cdb + take);
	moved(st, st->move.left);
	mp_lsi_bus_cdb_end(c);
	return true;
}

static bool move_msg_out(struct mp_lsi *c)
{
	struct mp_lsi_state *st = c->st;
	uint8_t buf[256];
	uint32_t n = mp_lsi_min(st->move.left, sizeof(buf));

	st->cost += n / 16;
	if (!mp_lsi_move_pull(c, buf, n))
		return false;
	st->nexus.bad |= has_bad_parity(st);
	for (uint32_t i = 0; i < n && !st->nexus.bad; i++)
		mp_lsi_msg_byte(c, buf[i]);
	if (!st->move.left)
		mp_lsi_bus_msg_out_end(c);
	return true;
}

static bool move_status(struct mp_lsi *c)
{
	struct mp_lsi_state *st = c->st;

	if (!mp_lsi_move_push(c, &st->task[st->nexus.task].status, 1))
		return false;
	st->move.left = 0;
	mp_lsi_bus_status_taken(c);
	return true;
}

/* Byte by byte; ends at the count, or when the target has no more to say. */
static bool move_msg_in(struct mp_lsi *c, bool *ret_end)
{
	struct mp_lsi_state *st = c->st;
	struct mp_lsi_nexus *n = &st->nexus;
	bool more = true;

	while (more && st->move.left) {
		uint8_t b = (uint8_t)n->in[n->pos_in];

		if (!mp_lsi_move_push(c, &b, 1))
			return false;
		mp_lsi_bus_msg_taken(c);
		more = mp_lsi_bus_msg_more(n);
	}
	*ret_end = true;
	return true;
}

/* A CHMOV IN that takes its first byte from SWIDE. */
static bool begins_with_residue(const struct mp_lsi_state *st)
{
	return st->reg[MP_LSI_R_SCNTL2] & SCNTL2_WSR && mp_lsi_bus_is_wide(st) &&
	       !(st->insn[0] & INSN_MOVE) && coded_phase(st) == MP_LSI_DATA_IN_PHASE;
}

/*
 * ... and needs no other: done without the bus, in whatever phase that is. A
 * driver does this between a mismatch and its look at RBC, UA, ESA and IA,
 * which therefore still tell of the move that was cut.
 */
static enum mp_lsi_step move_residue(struct mp_lsi *c)
{
	struct mp_lsi_state *st = c->st;

	if (!mp_lsi_wide_residue(c))
		mp_lsi_raise_dma(c, DSTAT_BF);
	show_counters(st);
	st->move.started = 0;
	return MP_LSI_DONE;
}

static enum mp_lsi_step mismatch(struct mp_lsi *c)
{
	struct mp_lsi_state *st = c->st;
	unsigned int coded = coded_phase(st), ccntl0 = st->reg[MP_LSI_R_CCNTL0];
	bool data = coded <= MP_LSI_DATA_IN_PHASE;
	bool second;

	show_progress(st);
	/* For whom RBC is, the byte in SWIDE has arrived already. */
	if (begins_with_residue(st))
		mp_lsi_put(st, MP_LSI_R_RBC, mp_lsi_get(st, MP_LSI_R_RBC) - 1);
	st->move.started = 0;
	if (!(ccntl0 & CCNTL0_ENPMJ) || !(data || ccntl0 & CCNTL0_ENNDJ)) {
		mp_lsi_raise_scsi(c, SIST0_MA, 0);
		return MP_LSI_DONE;
	}
	second = ccntl0 & CCNTL0_PMJCTL ? coded & 1 : st->reg[MP_LSI_R_SCNTL2] & SCNTL2_WSR;
	mp_lsi_put(st, MP_LSI_R_DSP, mp_lsi_get(st, second ? MP_LSI_R_PMJAD2 : MP_LSI_R_PMJAD1));
	return MP_LSI_DONE;
}

static enum mp_lsi_step move_piece(struct mp_lsi *c, enum mp_lsi_phase phase)
{
	struct mp_lsi_state *st = c->st;
	bool ok, end = false;

	/* Only wide data keeps what waits in SODL. */
	if (mp_unlikely(st->reg[MP_LSI_R_SCNTL2] & SCNTL2_WSS) && phase > MP_LSI_DATA_IN_PHASE)
		mp_lsi_flag(st, MP_LSI_R_SCNTL2, SCNTL2_WSS, false);
	if (phase <= MP_LSI_DATA_IN_PHASE)
		ok = move_data(c);
	else if (phase == MP_LSI_COMMAND_PHASE)
		ok = move_command(c);
	else if (phase == MP_LSI_STATUS_PHASE)
		ok = move_status(c);
	else if (phase == MP_LSI_MSG_OUT_PHASE)
		ok = move_msg_out(c);
	else
		ok = move_msg_in(c, &end);
	st->n_shakes++;
	show_progress(st);
	if (!ok)
		mp_lsi_raise_dma(c, DSTAT_BF);
	/* An unexpected disconnect has halted the engine, and the move with it. */
	if (ok && st->move.left && !end && st->run == MP_LSI_RUNNING)
		return MP_LSI_AGAIN;
	st->move.started = 0;
	return MP_LSI_DONE;
}

enum mp_lsi_step mp_lsi_insn_move(struct mp_lsi *c)
{
	struct mp_lsi_state *st = c->st;
	enum mp_lsi_phase phase;

	/* All-zero opcode: boot firmware leaves it where a command has no data. */
	if (!st->insn[0]) {
		mp_lsi_put(st, MP_LSI_R_DSP, st->ia + 4);
		return MP_LSI_DONE;
	}
	if (!st->move.started && (mp_lsi_take_sto(c) || !load_operand(c)))
		return MP_LSI_DONE;
	if (mp_unlikely(st->reg[MP_LSI_R_SCNTL2] & SCNTL2_WSR) && st->move.left == 1 &&
	    begins_with_residue(st))
		return move_residue(c);
	/* A further MSG IN move acknowledges the byte that the last one held. */
	if (coded_phase(st) == MP_LSI_MSG_IN_PHASE)
		mp_lsi_bus_clear_ack(c);
	if (st->run == MP_LSI_HALTED)
		return MP_LSI_DONE;
	phase = mp_lsi_bus_req(c, coded_phase(st));
	if (phase == MP_LSI_NO_PHASE)
		return MP_LSI_PARK;
	if (phase != coded_phase(st))
		return mismatch(c);
	return move_piece(c, phase);
}
