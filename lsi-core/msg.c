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
 */
#include "lsi-core/state.h"

enum {
	MSG_COMPLETE = 0x00,
	MSG_EXTENDED = 0x01,
	MSG_DISCONNECT = 0x04,
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

#define EXT_SDTR   0x01u
#define EXT_WDTR   0x03u
#define MAX_OFFSET 31u

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

static void take_identify(struct mp_lsi_nexus *n, uint8_t b)
{
	/* A reselecting task has said already which LUN this is about. */
	if (n->task != MP_LSI_NO_TASK)
		return;
	n->lun = b & 0x3f;
	n->can_disconnect = b >> 6 & 1;
	n->identified = 1;
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

/* The target refuses to be refused, except that it then keeps the bus. */
static void take_reject(struct mp_lsi *c)
{
	struct mp_lsi_nexus *n = &c->st->nexus;

	if (n->after != MP_LSI_DISCONNECT)
		return;
	n->after = MP_LSI_GO_ON;
	n->pos_in = n->n_in;
	if (n->task != MP_LSI_NO_TASK)
		c->st->task[n->task].can_disconnect = 0;
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

/* Task management ends the connection; what doesn't exist needs no ending. */
static void manage(struct mp_lsi *c, uint8_t msg)
{
	struct mp_lsi_nexus *n = &c->st->nexus;

	n->after = MP_LSI_ABORTED;
	n->pos_in = n->n_in;
	if (msg == MSG_TARGET_RESET)
		mp_lsi_task_abort_set(c, MP_LSI_TM_TARGET_RESET, true);
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

/* SDTR: agreed as asked. WDTR: narrow. Everything else: refused. */
static void negotiate(struct mp_lsi_nexus *n, const uint8_t *msg)
{
	uint8_t answer[5] = {MSG_EXTENDED, msg[1], msg[2], 0, 0};

	if (msg[1] == 3 && msg[2] == EXT_SDTR) {
		answer[3] = msg[3];
		answer[4] = msg[4] < MAX_OFFSET ? msg[4] : MAX_OFFSET;
		mp_lsi_msg_queue(n, answer, 5);
	} else if (msg[1] == 2 && msg[2] == EXT_WDTR) {
		mp_lsi_msg_queue(n, answer, 4);
	} else {
		reject(n);
	}
}

static void dispatch(struct mp_lsi *c, const uint8_t *msg)
{
	struct mp_lsi_state *st = c->st;
	struct mp_lsi_nexus *n = &st->nexus;

	switch (msg[0]) {
	case MSG_EXTENDED:
		negotiate(n, msg);
		break;
	case MSG_DISCONNECT:
		st->timer[MP_LSI_TIMER_LAZY].state = MP_LSI_TIMER_UP;
		break;
	case MSG_REJECT:
		take_reject(c);
		break;
	case MSG_NOP:
		break;
	case MSG_PARITY:
		n->pos_in = n->last_in;
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
			take_identify(n, msg[0]);
		else
			reject(n);
		break;
	}
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
