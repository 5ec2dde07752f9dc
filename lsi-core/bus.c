/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * bus - the SCSI bus: connection, phases, disconnection, reselection.
 *
 * There is one initiator (the chip) and at most one connection, the nexus. Its
 * other end is the target's sequencer, which lives here too: it shows a phase,
 * the initiator moves bytes, the target chooses again (mp_lsi_bus_choose):
 *
 *	messages to send	MSG IN, unless ATN is up at a message's end
 *	ATN			MSG OUT
 *	done with the bus	bus free (after)
 *	no command yet		COMMAND
 *	task has data, status	DATA IN, DATA OUT, STATUS
 *	task runs		no phase: the target keeps the bus and thinks
 *
 * MSG IN holds ACK after the last byte of each move; the target stays until
 * ACK goes. SET ATN shows at the next such point, except that a COMMAND phase
 * of which no byte has moved gives way at once.
 *
 * Lazy disconnection. A target that thinks and may disconnect keeps the bus
 * until somebody wants it: at queue depth 1 nobody does, and the program is
 * saved about fifty instructions. "Somebody" is
 *	- SIGP, or a doorbell that no SELECT has answered yet (owed): SCRIPTS
 *	  clear SIGP before they look at their queue, so one SIGP may announce
 *	  several commands, but each doorbell announces at most one;
 *	- another task that wants to reselect;
 *	- LAZY_NS without either (timer.c): a program with other means to submit.
 * So a command that waits for the bus waits for a bounded time.
 *
 * Turns. While tasks want to reselect, SELECT and doorbells go first, up to
 * FAVOURS times in a row; then one reselection goes first. Submission keeps the
 * queue full and neither side starves.
 *
 * A connection that ends itself. Boot firmware neither clears ACK behind
 * COMMAND COMPLETE nor waits for the disconnect; its next program begins with
 * SELECT. A connection is over once its last message has been taken, and a
 * SELECT, WAIT RESELECT or WAIT DISCONNECT then frees the bus first. And after
 * a fatal interrupt such firmware starts anew with nothing reset: a connection
 * made by SELECT is stale when the CPU has written DSP since, and a SELECT
 * drops it, task and all.
 *
 * What the target does about trouble on the cable, of which only the bad parity
 * that software can make is left: in MSG OUT it stays there for all of it
 * again, RETRIES times, and then goes away; a CDB or data ends the command with
 * a status of its own (mp_lsi_task_fail). An odd end of wide DATA IN is told by
 * IGNORE WIDE RESIDUE, ahead of all other messages.
 */
#include "lsi-core/state.h"

#include <string.h>

#define FAVOURS 8u
#define RETRIES 3u

/* Several times a command: no more than loads, shifts and three stores on the usual path. */
void mp_lsi_bus_show(struct mp_lsi_state *st)
{
	const struct mp_lsi_nexus *n = &st->nexus;
	unsigned int driven = n->atn * SBCL_ATN + n->ack * SBCL_ACK;
	unsigned int sbcl = n->conn == MP_LSI_BUS_FREE ? 0 : SBCL_BSY | driven;
	uint8_t *reg = st->reg;

	mp_put_le16(reg + MP_LSI_R_SBDL, 0);
	if (n->phase != MP_LSI_NO_PHASE) {
		sbcl |= n->phase | (n->ack ? 0 : SBCL_REQ);
		reg[MP_LSI_R_SSTAT1] = (uint8_t)((reg[MP_LSI_R_SSTAT1] & ~7u) | n->phase);
		if (n->phase == MP_LSI_MSG_IN_PHASE && !n->ack && n->pos_in < n->n_in)
			reg[MP_LSI_R_SBDL] = (uint8_t)n->in[n->pos_in];
	}
	reg[MP_LSI_R_SBCL] = (uint8_t)sbcl;
	reg[MP_LSI_R_SOCL] = (uint8_t)driven;
}

static void set_phase(struct mp_lsi_state *st, enum mp_lsi_phase phase)
{
	st->nexus.phase = (uint8_t)phase;
	/* What was said before another phase can't be repeated: MESSAGE PARITY ERROR is too late. */
	if (phase != MP_LSI_MSG_IN_PHASE && phase != MP_LSI_MSG_OUT_PHASE)
		st->nexus.n_in = st->nexus.pos_in = st->nexus.last_in = 0;
	if (phase != MP_LSI_NO_PHASE) {
		st->nexus.fresh = 0;
		mp_lsi_timer_arm(st, MP_LSI_TIMER_LAZY, false);
	}
	mp_lsi_bus_show(st);
}

static void show_connected(struct mp_lsi_state *st, bool on)
{
	mp_lsi_flag(st, MP_LSI_R_SCNTL1, SCNTL1_CON, on);
	mp_lsi_flag(st, MP_LSI_R_ISTAT0, ISTAT0_CON, on);
	mp_lsi_flag(st, MP_LSI_R_SSTAT2, SSTAT2_LDSC, !on);
}

static void connect(struct mp_lsi_state *st, enum mp_lsi_conn how, unsigned int target)
{
	st->nexus = (struct mp_lsi_nexus){
		.conn = (uint8_t)how, .target = (uint8_t)target, .task = MP_LSI_NO_TASK};
	show_connected(st, true);
	mp_lsi_flag(st, MP_LSI_R_SCNTL2, SCNTL2_SDU, true);
	st->n_shakes++;
}

void mp_lsi_bus_free(struct mp_lsi *c)
{
	struct mp_lsi_state *st = c->st;

	st->nexus = (struct mp_lsi_nexus){.phase = MP_LSI_NO_PHASE, .task = MP_LSI_NO_TASK};
	show_connected(st, false);
	mp_lsi_flag(st, MP_LSI_R_SSTAT0, SSTAT0_WOA, false);
	mp_lsi_timer_arm(st, MP_LSI_TIMER_LAZY, false);
	mp_lsi_bus_show(st);
	mp_lsi_wake(c);
}

/* The target releases the bus for the reason in "after". */
static void leave(struct mp_lsi *c)
{
	struct mp_lsi_state *st = c->st;
	struct mp_lsi_nexus *n = &st->nexus;
	enum mp_lsi_after after = (enum mp_lsi_after)n->after;
	unsigned int i = n->task;

	if (i != MP_LSI_NO_TASK && after != MP_LSI_DISCONNECT)
		mp_lsi_task_abort(c, i);
	mp_lsi_bus_free(c);
	if (i != MP_LSI_NO_TASK && after == MP_LSI_DISCONNECT) {
		st->task[i].disconnected = 1;
		if (mp_lsi_task_ready(&st->task[i]))
			mp_lsi_task_push(st, i);
	}
	if (after == MP_LSI_ABORTED && st->reg[MP_LSI_R_SCNTL2] & SCNTL2_SDU)
		mp_lsi_raise_scsi(c, SIST0_UDC, 0);
}

static bool at_message_end(const struct mp_lsi_nexus *n)
{
	return !n->pos_in || n->in[n->pos_in - 1] & MP_LSI_MSG_END;
}

static enum mp_lsi_phase task_phase(const struct mp_lsi_task *t)
{
	if (t->state == MP_LSI_TASK_STATUS)
		return MP_LSI_STATUS_PHASE;
	if (t->state != MP_LSI_TASK_DATA)
		return MP_LSI_NO_PHASE;
	return t->dir == MP_LSI_DATA_IN ? MP_LSI_DATA_IN_PHASE : MP_LSI_DATA_OUT_PHASE;
}

void mp_lsi_bus_choose(struct mp_lsi *c)
{
	struct mp_lsi_state *st = c->st;
	struct mp_lsi_nexus *n = &st->nexus;

	if (n->conn == MP_LSI_BUS_FREE || n->ack)
		return;
	if (n->pos_in < n->n_in && !(n->atn && at_message_end(n)))
		set_phase(st, MP_LSI_MSG_IN_PHASE);
	else if (n->atn)
		set_phase(st, MP_LSI_MSG_OUT_PHASE);
	else if (n->after != MP_LSI_GO_ON)
		leave(c);
	else if (n->task == MP_LSI_NO_TASK)
		set_phase(st, MP_LSI_COMMAND_PHASE);
	else
		set_phase(st, task_phase(&st->task[n->task]));
}

static bool bus_is_wanted(const struct mp_lsi_state *st)
{
	return st->reg[MP_LSI_R_ISTAT0] & ISTAT0_SIGP || st->owed || st->n_ready ||
	       st->timer[MP_LSI_TIMER_LAZY].state == MP_LSI_TIMER_UP;
}

void mp_lsi_bus_disconnect(struct mp_lsi *c)
{
	static const uint8_t msg_save[] = {0x02}, msg_disconnect[] = {0x04};
	struct mp_lsi_nexus *n = &c->st->nexus;
	struct mp_lsi_task *t = &c->st->task[n->task];

	if (t->unsaved)
		mp_lsi_msg_queue(n, msg_save, sizeof(msg_save));
	t->unsaved = 0;
	mp_lsi_msg_queue(n, msg_disconnect, sizeof(msg_disconnect));
	n->after = MP_LSI_DISCONNECT;
	c->counters.n_disconnects++;
}

/* The target thinks, and SCRIPTS wait for it: keep the bus or give it away. */
static void idle(struct mp_lsi *c)
{
	struct mp_lsi_state *st = c->st;
	const struct mp_lsi_task *t;

	if (st->nexus.task == MP_LSI_NO_TASK)
		return;
	t = &st->task[st->nexus.task];
	if (!t->can_disconnect || t->state != MP_LSI_TASK_RUNNING)
		return;
	if (bus_is_wanted(st)) {
		mp_lsi_bus_disconnect(c);
		set_phase(st, MP_LSI_MSG_IN_PHASE);
	} else if (st->timer[MP_LSI_TIMER_LAZY].state == MP_LSI_TIMER_OFF) {
		mp_lsi_timer_arm(st, MP_LSI_TIMER_LAZY, true);
	}
}

enum mp_lsi_phase mp_lsi_bus_req(struct mp_lsi *c, unsigned int coded)
{
	struct mp_lsi_state *st = c->st;
	struct mp_lsi_nexus *n = &st->nexus;

	if (n->conn == MP_LSI_BUS_FREE || n->ack)
		return MP_LSI_NO_PHASE;
	if (n->phase == MP_LSI_NO_PHASE)
		idle(c);
	/* Selected without ATN: the program's first move tells what it meant. */
	if (n->silent && n->phase == MP_LSI_MSG_OUT_PHASE && coded == MP_LSI_COMMAND_PHASE)
		set_phase(st, MP_LSI_COMMAND_PHASE);
	return (enum mp_lsi_phase)n->phase;
}

void mp_lsi_bus_select(struct mp_lsi *c, unsigned int target, bool atn)
{
	struct mp_lsi_state *st = c->st;
	bool own_id = (st->reg[MP_LSI_R_SCID] & 0xfu) == target;
	bool reselects = st->reg[MP_LSI_R_SCNTL0] & SCNTL0_TRG;

	mp_lsi_flag(st, MP_LSI_R_SCNTL1, SCNTL1_IARB, false);
	mp_lsi_flag(st, MP_LSI_R_SSTAT0, SSTAT0_WOA, true);
	if (st->owed)
		st->owed--;
	/* In the target's role: there is no other initiator who would answer. */
	if (own_id || reselects || !c->ops->target_present(c->opaque, target)) {
		st->sto = 1;
		return;
	}
	mp_lsi_flag(st, MP_LSI_R_SSID, 0x80, false);
	connect(st, MP_LSI_SELECTED, target);
	st->nexus.atn = atn;
	st->nexus.silent = !atn;
	set_phase(st, MP_LSI_MSG_OUT_PHASE);
}

bool mp_lsi_bus_is_ours(struct mp_lsi *c)
{
	struct mp_lsi_state *st = c->st;

	if (st->nexus.conn != MP_LSI_BUS_FREE && (st->nexus.stale || mp_lsi_bus_is_over(st)))
		mp_lsi_bus_drop(c);
	if (st->nexus.conn != MP_LSI_BUS_FREE)
		return false;
	return !(mp_lsi_bus_resel_first(c) && mp_lsi_bus_reselect(c));
}

/*
 * Full arbitration and selection, over when the write is. Simple arbitration has
 * no effect: its winner would go on by hand, with SOCL, which reaches no target.
 */
void mp_lsi_bus_start(struct mp_lsi *c)
{
	struct mp_lsi_state *st = c->st;
	unsigned int scntl0 = st->reg[MP_LSI_R_SCNTL0];

	if (st->reg[MP_LSI_R_SCNTL1] & (SCNTL1_RST | SCNTL1_CON) ||
	    (scntl0 & SCNTL0_ARB) != SCNTL0_ARB || !mp_lsi_bus_is_ours(c))
		return;
	mp_lsi_bus_select(c, st->reg[MP_LSI_R_SDID], scntl0 & SCNTL0_WATN);
	if (mp_lsi_take_sto(c))
		return;
	mp_lsi_raise_scsi(c, SIST0_CMP, 0);
	mp_lsi_wake(c);
}

bool mp_lsi_bus_resel_wanted(const struct mp_lsi *c)
{
	const struct mp_lsi_state *st = c->st;

	return st->n_ready && st->nexus.conn == MP_LSI_BUS_FREE &&
	       st->reg[MP_LSI_R_SCID] & SCID_RRE && !(st->reg[MP_LSI_R_SCNTL1] & SCNTL1_RST);
}

bool mp_lsi_bus_resel_first(struct mp_lsi *c)
{
	if (mp_likely(!mp_lsi_bus_resel_wanted(c)))
		return false;
	if (c->st->favoured >= FAVOURS)
		return true;
	c->st->favoured++;
	return false;
}

static void identify(struct mp_lsi_state *st, const struct mp_lsi_task *t)
{
	const uint8_t who[] = {(uint8_t)(0x80 | (t->key >> 16 & 0x3f))};
	const uint8_t tag[] = {0x20, (uint8_t)t->key};

	st->nexus.lun = t->key >> 16 & 0x3f;
	st->nexus.identified = 1;
	mp_lsi_msg_queue(&st->nexus, who, sizeof(who));
	if (t->key & 0x100)
		mp_lsi_msg_queue(&st->nexus, tag, sizeof(tag));
}

bool mp_lsi_bus_reselect(struct mp_lsi *c)
{
	struct mp_lsi_state *st = c->st;
	unsigned int i = mp_lsi_task_pop(st), target;

	if (i == MP_LSI_NO_TASK)
		return false;
	target = st->task[i].key >> 24;
	st->favoured = 0;
	st->task[i].disconnected = 0;
	connect(st, MP_LSI_RESELECTED, target);
	st->nexus.task = (uint16_t)i;
	identify(st, &st->task[i]);
	st->reg[MP_LSI_R_SSID] = (uint8_t)(0x80 | target);
	if (!(st->reg[MP_LSI_R_DCNTL] & DCNTL_COM))
		st->reg[MP_LSI_R_SFBR] = (uint8_t)(1u << target);
	c->counters.n_reselects++;
	set_phase(st, MP_LSI_MSG_IN_PHASE);
	if (st->reg[MP_LSI_R_SIEN0] & SIST0_RSL)
		mp_lsi_raise_scsi(c, SIST0_RSL, 0);
	return true;
}

void mp_lsi_bus_set_atn(struct mp_lsi *c, bool on)
{
	struct mp_lsi_state *st = c->st;
	struct mp_lsi_nexus *n = &st->nexus;

	if (n->conn == MP_LSI_BUS_FREE)
		return;
	n->atn = on;
	if (on && (n->phase == MP_LSI_NO_PHASE || (n->phase == MP_LSI_COMMAND_PHASE && !n->n_cdb)))
		mp_lsi_bus_choose(c);
	mp_lsi_bus_show(st);
}

void mp_lsi_bus_clear_ack(struct mp_lsi *c)
{
	struct mp_lsi_nexus *n = &c->st->nexus;

	if (!n->ack)
		return;
	n->ack = 0;
	n->phase = MP_LSI_NO_PHASE;
	mp_lsi_bus_choose(c);
}

bool mp_lsi_bus_is_over(const struct mp_lsi_state *st)
{
	const struct mp_lsi_nexus *n = &st->nexus;

	return n->conn != MP_LSI_BUS_FREE && n->ack && !n->atn && n->after != MP_LSI_GO_ON &&
	       n->pos_in == n->n_in;
}

void mp_lsi_bus_drop(struct mp_lsi *c)
{
	struct mp_lsi_nexus *n = &c->st->nexus;

	if (!mp_lsi_bus_is_over(c->st))
		n->after = MP_LSI_COMPLETE;
	leave(c);
}

void mp_lsi_bus_forget(struct mp_lsi *c, enum mp_lsi_tm tm)
{
	struct mp_lsi_state *st = c->st;

	memset(st->task, 0, sizeof(st->task));
	memset(st->used, 0, sizeof(st->used));
	memset(st->agreed, 0, sizeof(st->agreed));
	st->ready_head = 0;
	st->n_ready = 0;
	st->sto = 0;
	mp_lsi_bus_free(c);
	c->ops->tm(c->opaque, tm, 0, 0, 0);
}

void mp_lsi_bus_reset(struct mp_lsi *c)
{
	mp_lsi_bus_forget(c, MP_LSI_TM_BUS_RESET);
	mp_lsi_raise_scsi(c, SIST0_RST, 0);
}

void mp_lsi_bus_reset_seen(struct mp_lsi *c)
{
	uint32_t was = mp_lsi_enter(c->st);

	mp_lsi_bus_reset(c);
	mp_lsi_leave(c->st, was);
}

/* The last word of DATA IN held one byte and a filler. */
static void ignore_residue(struct mp_lsi_nexus *n)
{
	static const uint8_t msg[] = {0x23, 1};

	mp_lsi_msg_queue(n, msg, sizeof(msg));
}

void mp_lsi_bus_data_moved(struct mp_lsi *c, uint32_t n)
{
	struct mp_lsi_state *st = c->st;
	unsigned int i = st->nexus.task;
	struct mp_lsi_task *t = &st->task[i];

	t->moved += n;
	t->unsaved |= n != 0;
	if (t->moved < t->len)
		return;
	t->state = MP_LSI_TASK_RUNNING;
	set_phase(st, MP_LSI_NO_PHASE);
	if (mp_unlikely(n & 1) && t->dir == MP_LSI_DATA_IN && mp_lsi_bus_is_wide(st))
		ignore_residue(&st->nexus);
	c->ops->data_moved(c->opaque, i, t->len, true);
	if (st->nexus.phase == MP_LSI_NO_PHASE)
		mp_lsi_bus_choose(c);
}

void mp_lsi_bus_block_end(struct mp_lsi *c)
{
	/* Between two blocks the target looks at ATN. */
	if (c->st->nexus.atn)
		mp_lsi_bus_choose(c);
}

static unsigned int cdb_length(const struct mp_lsi_nexus *n)
{
	static const uint8_t by_group[8] = {6, 10, 10, 6, 16, 12, 0, 0};
	unsigned int len = by_group[n->cdb[0] >> 5];

	if (n->cdb[0] == 0x7f)
		len = n->n_cdb < 8 ? 8 : n->cdb[7] + 8u;
	/* Vendor groups: as many as came. Longer than we keep: the target will refuse it. */
	if (!len)
		len = n->n_cdb;
	return len < MP_LSI_CDB_MAX ? len : MP_LSI_CDB_MAX;
}

void mp_lsi_bus_cdb_end(struct mp_lsi *c)
{
	struct mp_lsi_state *st = c->st;
	struct mp_lsi_nexus *n = &st->nexus;
	unsigned int len = cdb_length(n);

	n->silent = 0;
	if (n->n_cdb < len)
		return;
	set_phase(st, MP_LSI_NO_PHASE);
	n->fresh = 1;
	if (!n->identified)
		n->lun = n->cdb[1] >> 5;
	if (mp_unlikely(n->bad))
		mp_lsi_task_fail(c, MP_LSI_ASC_PARITY);
	else
		mp_lsi_task_submit(c, len);
	n->bad = 0;
	mp_lsi_bus_choose(c);
}

/* Bad parity in MSG OUT: the target stays there for all of it again, a few times. */
static void ask_again(struct mp_lsi *c)
{
	struct mp_lsi_nexus *n = &c->st->nexus;

	n->bad = 0;
	n->n_out = 0;
	n->skip_out = 0;
	mp_lsi_bus_show(c->st);
	if (++n->retries <= RETRIES)
		return;
	n->after = MP_LSI_ABORTED;
	leave(c);
}

void mp_lsi_bus_msg_out_end(struct mp_lsi *c)
{
	struct mp_lsi_state *st = c->st;
	struct mp_lsi_nexus *n = &st->nexus;

	n->atn = 0;
	n->silent = 0;
	if (mp_unlikely(n->bad)) {
		ask_again(c);
		return;
	}
	n->retries = 0;
	/* In the middle of a message: the rest comes with the next move. */
	if (n->n_out || n->skip_out)
		mp_lsi_bus_show(st);
	else
		mp_lsi_bus_choose(c);
}

void mp_lsi_bus_status_taken(struct mp_lsi *c)
{
	struct mp_lsi_state *st = c->st;

	st->task[st->nexus.task].state = MP_LSI_TASK_COMPLETE;
	mp_lsi_msg_final(&st->nexus);
	st->nexus.after = MP_LSI_COMPLETE;
	mp_lsi_bus_choose(c);
}

void mp_lsi_bus_msg_taken(struct mp_lsi *c)
{
	struct mp_lsi_state *st = c->st;
	struct mp_lsi_nexus *n = &st->nexus;
	unsigned int i = n->task, word = n->in[n->pos_in];

	if (at_message_end(n))
		n->last_in = n->pos_in;
	n->pos_in++;
	n->ack = 1;
	mp_lsi_bus_show(st);
	if (!(word & MP_LSI_MSG_FINAL) || i == MP_LSI_NO_TASK)
		return;
	mp_lsi_task_free(st, i);
	if (i != MP_LSI_FULL_TASK)
		c->ops->task_done(c->opaque, i);
}

bool mp_lsi_bus_msg_more(const struct mp_lsi_nexus *n)
{
	return n->pos_in < n->n_in && !(n->atn && at_message_end(n));
}
