/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * msg - messages: what the initiator sends is parsed here, what the target
 * answers is queued here.
 *
 * The parser takes single bytes and keeps its state in the nexus, so a message
 * may be split over moves, and a move may hold many messages or end in the
 * middle of one; no length is believed. Messages act in order as they are
 * completed; answers wait in the queue until the target leaves MSG OUT.
 *
 * The queue is a line of bytes, not a ring: the last message stays readable
 * after it was sent, for MESSAGE PARITY ERROR. If an initiator provokes more
 * answers than fit, its connection is dropped.
 *
 * What ends a connection without a message of farewell, as the standard has it:
 * task management; a first message that names no unit and manages nothing; a
 * second IDENTIFY for another unit. From then on the target is DEAF: it throws
 * the rest away, so one connection manages tasks once. That is also the dearest
 * thing to be had for a byte, so it takes more than one from the budget. A message for the other direction only (pointers, wide
 * residue, COMPLETE), and one for what targets of today no longer have, is
 * refused, and the connection goes on.
 */
#include "lsi-core/state.h"

#define MANAGE_COST 16u

enum {
	MSG_COMPLETE = 0x00,
	MSG_EXTENDED = 0x01,
	MSG_RESTORE = 0x03,
	MSG_DISCONNECT = 0x04,
	MSG_ERROR = 0x05,
	MSG_ABORT = 0x06,
	MSG_REJECT = 0x07,
	MSG_NOP = 0x08,
	MSG_PARITY = 0x09,
	MSG_TARGET_RESET = 0x0c,
	MSG_ABORT_TAG = 0x0d,
	MSG_CLEAR_QUEUE = 0x0e,
	MSG_LUN_RESET = 0x17,
	MSG_SIMPLE = 0x20,
	MSG_ORDERED = 0x22,
	MSG_IDENTIFY = 0x80,
};

static void queue(struct mp_lsi_nexus *n, const uint8_t *msg, unsigned int len, unsigned int flags)
{
	if (n->pos_in == n->n_in)
		n->pos_in = n->n_in = n->last_in = 0;
	if (n->n_in + len > MP_LSI_MSG_BYTES) {
		n->pos_in = n->n_in = n->last_in = 0;
		n->after = MP_LSI_ABORTED;
		return;
	}
	for (unsigned int i = 0; i < len; i++)
		n->in[n->n_in++] = msg[i];
	n->in[n->n_in - 1] |= (uint16_t)(MP_LSI_MSG_END | flags);
}

void mp_lsi_msg_queue(struct mp_lsi_nexus *n, const uint8_t *msg, unsigned int len)
{
	queue(n, msg, len, 0);
}

void mp_lsi_msg_final(struct mp_lsi_nexus *n)
{
	static const uint8_t complete[] = {MSG_COMPLETE};

	queue(n, complete, sizeof(complete), MP_LSI_MSG_FINAL);
}

static void reject(struct mp_lsi_nexus *n)
{
	static const uint8_t msg[] = {MSG_REJECT};

	mp_lsi_msg_queue(n, msg, sizeof(msg));
}

/* The target has no more to say to this initiator, and to hear from it. */
static void turn_deaf(struct mp_lsi_nexus *n)
{
	n->opened = MP_LSI_DEAF;
	n->after = MP_LSI_ABORTED;
	n->pos_in = n->n_in;
}

/* Once given to a task it can be taken back, but not be given again. */
static void take_privilege(struct mp_lsi *c)
{
	unsigned int i = c->st->nexus.task;

	if (i >= MP_LSI_FULL_TASK || !c->st->task[i].can_disconnect)
		return;
	c->st->task[i].can_disconnect = 0;
	if (c->ops->keeps_bus)
		c->ops->keeps_bus(c->opaque, i);
}

/* Again during a connection it may change the privilege to disconnect, not the unit. */
static void take_identify(struct mp_lsi *c, uint8_t b)
{
	struct mp_lsi_nexus *n = &c->st->nexus;
	uint8_t lun = b & 0x3f;

	if ((n->identified || n->task != MP_LSI_NO_TASK) && lun != n->lun) {
		turn_deaf(n);
		return;
	}
	n->lun = lun;
	n->can_disconnect = b >> 6 & 1;
	n->identified = 1;
	if (!n->can_disconnect)
		take_privilege(c);
}

static void take_tag(struct mp_lsi_nexus *n, const uint8_t *msg)
{
	if (!n->identified || n->task != MP_LSI_NO_TASK) {
		reject(n);
		return;
	}
	n->attr = (uint8_t)(MP_LSI_SIMPLE + (msg[0] - MSG_SIMPLE));
	n->tag = msg[1];
}

/*
 * The last message was refused. An answer to a negotiation: that isn't agreed
 * then. DISCONNECT, or SAVE DATA POINTER before it: the target keeps the bus.
 * Others it needs no leave for.
 */
static void take_reject(struct mp_lsi *c)
{
	struct mp_lsi_nexus *n = &c->st->nexus;

	if (n->pos_in > n->last_in + 2u && n->in[n->last_in] == MSG_EXTENDED)
		mp_lsi_nego_refused(c->st, n->in[n->last_in + 2] & 0xff);
	if (n->after != MP_LSI_DISCONNECT)
		return;
	n->after = MP_LSI_GO_ON;
	n->pos_in = n->n_in;
	take_privilege(c);
}

static void take_disconnect(struct mp_lsi *c)
{
	struct mp_lsi_nexus *n = &c->st->nexus;

	if (n->task >= MP_LSI_FULL_TASK || n->after != MP_LSI_GO_ON ||
	    !c->st->task[n->task].can_disconnect)
		reject(n);
	else
		mp_lsi_bus_disconnect(c);
}

/* The initiator lost something: the status is sent again, a command ends with sense data. */
static void take_error(struct mp_lsi *c)
{
	static const uint8_t msg_restore[] = {MSG_RESTORE};
	struct mp_lsi_nexus *n = &c->st->nexus;

	if (n->task == MP_LSI_NO_TASK) {
		reject(n);
	} else if (c->st->task[n->task].state == MP_LSI_TASK_COMPLETE) {
		c->st->task[n->task].state = MP_LSI_TASK_STATUS;
		n->after = MP_LSI_GO_ON;
		n->pos_in = n->n_in;
		mp_lsi_msg_queue(n, msg_restore, sizeof(msg_restore));
	} else {
		n->pos_in = n->n_in;
		n->after = MP_LSI_GO_ON;
		mp_lsi_task_fail(c, MP_LSI_ASC_INITIATOR_SAID);
	}
}

/* The last message again, if one was sent in the phase before. */
static void take_parity(struct mp_lsi_nexus *n)
{
	if (n->pos_in > n->last_in)
		n->pos_in = n->last_in;
	else
		reject(n);
}

static void abort_tag(struct mp_lsi *c)
{
	struct mp_lsi_nexus *n = &c->st->nexus;
	unsigned int i = n->task;

	if (i == MP_LSI_NO_TASK)
		i = mp_lsi_task_find(
			c->st, mp_lsi_key(n->target, n->lun, n->attr != MP_LSI_UNTAGGED, n->tag));
	if (i != MP_LSI_NO_TASK)
		mp_lsi_task_abort(c, i);
}

static void reset_target(struct mp_lsi *c)
{
	struct mp_lsi_state *st = c->st;

	st->agreed[st->nexus.target] = (struct mp_lsi_agreement){0};
	mp_lsi_task_abort_set(c, MP_LSI_TM_TARGET_RESET, true);
}

/* Task management ends the connection; what doesn't exist needs no ending. */
static void manage(struct mp_lsi *c, uint8_t msg)
{
	struct mp_lsi_nexus *n = &c->st->nexus;

	turn_deaf(n);
	c->st->cost += MANAGE_COST;
	if (msg == MSG_TARGET_RESET)
		reset_target(c);
	else if (!n->identified)
		return;
	else if (msg == MSG_ABORT)
		mp_lsi_task_abort_set(c, MP_LSI_TM_ABORT_TASK_SET, false);
	else if (msg == MSG_CLEAR_QUEUE)
		mp_lsi_task_abort_set(c, MP_LSI_TM_CLEAR_TASK_SET, false);
	else if (msg == MSG_LUN_RESET)
		mp_lsi_task_abort_set(c, MP_LSI_TM_LUN_RESET, false);
	else
		abort_tag(c);
}

static void dispatch(struct mp_lsi *c, const uint8_t *msg)
{
	struct mp_lsi_nexus *n = &c->st->nexus;

	switch (msg[0]) {
	case MSG_EXTENDED:
		if (!mp_lsi_nego_ask(c->st, msg))
			reject(n);
		break;
	case MSG_DISCONNECT:
		take_disconnect(c);
		break;
	case MSG_ERROR:
		take_error(c);
		break;
	case MSG_REJECT:
		take_reject(c);
		break;
	case MSG_NOP:
		break;
	case MSG_PARITY:
		take_parity(n);
		break;
	case MSG_ABORT:
	case MSG_TARGET_RESET:
	case MSG_ABORT_TAG:
	case MSG_CLEAR_QUEUE:
	case MSG_LUN_RESET:
		manage(c, msg[0]);
		break;
	case MSG_SIMPLE ... MSG_ORDERED:
		take_tag(n, msg);
		break;
	default:
		if (msg[0] >= MSG_IDENTIFY)
			take_identify(c, msg[0]);
		else
			reject(n);
		break;
	}
}

/* A selected target must be told first for which unit this is, or be managed. */
static bool may_open(uint8_t msg)
{
	return msg >= MSG_IDENTIFY || msg == MSG_ABORT || msg == MSG_TARGET_RESET || msg == MSG_NOP;
}

/* Bytes of the message that starts with @out; more than there is while unknown. */
static unsigned int message_length(const uint8_t *out, unsigned int n_out)
{
	if (out[0] == MSG_EXTENDED)
		return n_out < 2 ? 3 : 2 + (out[1] ? out[1] : 256u);
	return out[0] >= 0x20 && out[0] <= 0x2f ? 2 : 1;
}

void mp_lsi_msg_byte(struct mp_lsi *c, uint8_t b)
{
	struct mp_lsi_nexus *n = &c->st->nexus;
	unsigned int len;

	if (n->opened == MP_LSI_SILENT) {
		n->opened = MP_LSI_HEARD;
		if (n->conn == MP_LSI_SELECTED && !may_open(b))
			turn_deaf(n);
	}
	if (n->opened == MP_LSI_DEAF)
		return;
	if (n->skip_out) {
		if (!--n->skip_out)
			reject(n);
		return;
	}
	n->out[n->n_out++] = b;
	len = message_length(n->out, n->n_out);
	if (n->n_out < len && len <= sizeof(n->out))
		return;
	/* Longer than any message we know: thrown away, then refused. */
	if (len > sizeof(n->out))
		n->skip_out = len - n->n_out;
	else
		dispatch(c, n->out);
	n->n_out = 0;
}
