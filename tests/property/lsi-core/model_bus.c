/* SPDX-License-Identifier: BSD-3-Clause */
#include "tests/property/lsi-core/model.h"

#include <string.h>

enum { DATA_OUT, DATA_IN, COMMAND, STATUS, MSG_OUT = 6, MSG_IN = 7 };

void model_bus_show(struct model *m)
{
	const struct model_bus *n = &m->bus;

	m->reg[R(SOCL)] = (uint8_t)((n->ack ? 0x40 : 0) + (n->atn ? 8 : 0));
	m->reg[R(SBCL)] = (uint8_t)(n->connected ? 0x20 + m->reg[R(SOCL)] : 0);
	m->reg[R(SBDL)] = 0;
	if (n->phase == NO_PHASE)
		return;
	m->reg[R(SBCL)] |= (uint8_t)(n->phase + (n->ack ? 0 : 0x80));
	m->reg[R(SSTAT1)] = (uint8_t)((m->reg[R(SSTAT1)] & 0xf8) + n->phase);
	if (n->phase == MSG_IN && !n->ack && n->pos_in < n->n_in)
		m->reg[R(SBDL)] = n->in[n->pos_in];
}

static void show_connection(struct model *m, bool on)
{
	model_set_bit(m, R(SCNTL1), 0x10, on);
	model_set_bit(m, R(ISTAT0), 8, on);
	model_set_bit(m, R(SSTAT2), 2, !on);
}

static void bus_free(struct model *m)
{
	m->bus = (struct model_bus){.phase = NO_PHASE};
	show_connection(m, false);
	model_set_bit(m, R(SSTAT0), 4, false);
	model_bus_show(m);
}

/* ---- the target ------------------------------------------------------ */

static void choose(struct model *m)
{
	struct model_bus *n = &m->bus;

	if (!n->connected || n->ack)
		return;
	/* All messages are single bytes: ATN is looked at before each. */
	if (n->atn)
		n->phase = MSG_OUT;
	else if (n->pos_in < n->n_in)
		n->phase = MSG_IN;
	else if (n->ends)
		bus_free(m);
	else if (n->task == NO_TASK)
		n->phase = COMMAND;
	else if (n->task == IN_STATUS)
		n->phase = STATUS;
	else
		n->phase = m->data_in ? DATA_IN : DATA_OUT;
	model_bus_show(m);
}

static void say(struct model_bus *n, uint8_t msg)
{
	if (n->pos_in == n->n_in)
		n->pos_in = n->n_in = 0;
	n->in[n->n_in++] = msg;
}

static void hear(struct model_bus *n, const uint8_t *msg, unsigned int len)
{
	for (unsigned int i = 0; i < len; i++) {
		if (msg[i] >= 0x80) {
			n->identified = true;
			n->lun = msg[i] & 0x3f;
		} else if (msg[i] >= 0x20 && msg[i] <= 0x22) {
			n->attr = (uint8_t)(MP_LSI_SIMPLE + (msg[i] & 3));
			n->tag = msg[++i];
		} else if (msg[i] != 0x08) {
			say(n, 0x07);
		}
	}
}

static unsigned int cdb_length(const struct model_bus *n)
{
	static const uint8_t len[8] = {6, 10, 10, 6, 16, 12, 0, 0};

	unsigned int n_all = len[n->cdb[0] >> 5] ? len[n->cdb[0] >> 5] : n->n_cdb;

	if (n->cdb[0] == 0x7f)
		n_all = n->n_cdb < 8 ? 8 : n->cdb[7] + 8u;
	return n_all < sizeof(n->cdb) ? n_all : sizeof(n->cdb);
}

static void take_command(struct model *m)
{
	struct model_bus *n = &m->bus;

	if (!n->identified)
		n->lun = n->cdb[1] >> 5;
	m->last = (struct mp_lsi_command){
		.lun = n->lun, .attr = n->attr, .tag = n->tag, .cdb_len = (uint8_t)cdb_length(n)};
	memcpy(m->last.cdb, n->cdb, m->last.cdb_len);
	m->n_commands++;
	n->index = m->next_index++ % MP_LSI_MAX_TASKS;
	n->task = m->xfer_len ? IN_DATA : IN_STATUS;
	n->moved = 0;
}

/* ---- I/O instructions ------------------------------------------------ */

static bool is_over(const struct model_bus *n)
{
	return n->connected && n->ack && !n->atn && n->ends && n->pos_in == n->n_in;
}

static void connect(struct model *m, unsigned int id, bool atn)
{
	m->reg[R(SCNTL1)] &= 0xfd;
	m->reg[R(SSTAT0)] |= 4;
	if (id == (m->reg[R(SCID)] & 15u) || !(m->present >> id & 1)) {
		m->sto = true;
		return;
	}
	m->reg[R(SSID)] &= 0x7f;
	m->reg[R(SCNTL2)] |= 0x80;
	m->bus =
		(struct model_bus){.connected = true, .atn = atn, .silent = !atn, .phase = MSG_OUT};
	show_connection(m, true);
	model_bus_show(m);
}

static void model_select(struct model *m, uint32_t w, uint32_t alternate)
{
	uint32_t entry;

	if (model_take_sto(m))
		return;
	model_set_word(m, R(DNAD), alternate);
	if (!(w >> 25 & 1)) {
		m->reg[R(SDID)] = w >> 16 & 15;
	} else if (model_load(m, model_word(m, R(DSA)) + model_signed24(w), &entry)) {
		m->reg[R(SCNTL3)] = (uint8_t)(entry >> 24);
		m->reg[R(SDID)] = entry >> 16 & 15;
		m->reg[R(SXFER)] = (uint8_t)(entry >> 8);
	} else {
		model_stop_dma(m, 0x20);
		return;
	}
	if (m->bus.connected && (m->bus.stale || is_over(&m->bus)))
		bus_free(m);
	if (m->bus.connected)
		model_set_word(m, R(DSP), alternate);
	else
		connect(m, m->reg[R(SDID)], w >> 24 & 1);
}

static void model_set_clear(struct model *m, uint32_t w, bool set)
{
	struct model_bus *n = &m->bus;

	if (w >> 10 & 1)
		m->carry = set;
	if (w >> 3 & 1 && n->connected) {
		n->atn = set;
		if (set && n->phase == COMMAND && !n->n_cdb)
			choose(m);
		model_bus_show(m);
	}
	if (w >> 6 & 1 && !set && n->ack) {
		n->ack = false;
		n->phase = NO_PHASE;
		choose(m);
	}
}

static void model_wait(struct model *m, bool for_disconnect, uint32_t alternate)
{
	if (model_take_sto(m))
		return;
	if (!for_disconnect)
		model_set_word(m, R(DNAD), alternate);
	if (is_over(&m->bus))
		bus_free(m);
	if (for_disconnect)
		m->parked = m->bus.connected;
	else if (m->reg[R(ISTAT0)] & 0x20)
		model_set_word(m, R(DSP), alternate);
	else
		m->parked = true;
}

void model_io(struct model *m, uint32_t w, uint32_t operand)
{
	unsigned int op = w >> 27 & 7;
	uint32_t alternate = operand;

	if (w >> 26 & 1)
		alternate = model_word(m, R(DSP)) + model_signed24(operand);
	if (op && w >> 24 & 1)
		model_stop_dma(m, 1);
	else if (op == 0)
		model_select(m, w, alternate);
	else if (op < 3)
		model_wait(m, op == 1, alternate);
	else
		model_set_clear(m, w, op == 3);
}

/* ---- block moves ----------------------------------------------------- */

struct move {
	uint32_t addr, left, done, esa, at;
	uint8_t top;
};

static void show_move(struct model *m, const struct move *v)
{
	uint8_t dcmd = m->reg[R(DCMD)];

	model_set_word(m, R(DBC), v->left);
	m->reg[R(DCMD)] = dcmd;
	model_set_word(m, R(DNAD), v->addr);
	model_set_word(m, R(DNAD64), 0);
	model_set_word(m, R(RBC), v->left + ((uint32_t)v->top << 24));
	model_set_word(m, R(UA), v->addr);
	model_set_word(m, R(ESA), v->esa);
	model_set_word(m, R(IA), v->at);
	model_set_word(m, R(SBC), v->done);
	m->reg[R(DFIFO)] = (uint8_t)v->left;
	m->reg[R(CTEST5)] = (uint8_t)((m->reg[R(CTEST5)] & 0xfc) + (v->left >> 8 & 3));
}

/* Operand by address form; false: it has stopped the program. */
static bool load_move(struct model *m, uint32_t w, uint32_t operand, struct move *v)
{
	uint32_t entry = model_word(m, R(DSA)) + model_signed24(operand), first;

	v->left = w & 0xffffff;
	v->top = (uint8_t)(w >> 24);
	v->esa = v->at;
	v->addr = operand;
	if ((w >> 28 & 3) == 3) {
		model_stop_dma(m, 1);
		return false;
	}
	if (w >> 28 & 1) {
		if (!model_load(m, entry, &first) || !model_load(m, entry + 4, &v->addr)) {
			model_stop_dma(m, 0x20);
			return false;
		}
		v->left = first & 0xffffff;
		v->top = (uint8_t)(first >> 24);
		v->esa = entry;
	} else if (w >> 29 & 1 && !model_load(m, operand, &v->addr)) {
		model_stop_dma(m, 0x20);
		return false;
	}
	if (!v->left)
		model_stop_dma(m, 1);
	return v->left != 0;
}

static bool receive(struct model *m, struct move *v, uint8_t b)
{
	uint8_t *to = model_byte(m, v->addr);

	if (!v->done)
		m->reg[R(SFBR)] = b;
	if (!to)
		return false;
	*to = b;
	m->reg[R(SIDL)] = b;
	v->addr++;
	v->left--;
	v->done++;
	return true;
}

static bool send(struct model *m, struct move *v, uint8_t *ret)
{
	const uint8_t *from = model_byte(m, v->addr);

	if (!from)
		return false;
	*ret = *from;
	v->addr++;
	v->left--;
	v->done++;
	return true;
}

static bool move_data(struct model *m, struct move *v)
{
	struct model_bus *n = &m->bus;
	bool ok = true;

	while (ok && v->left && n->moved < m->xfer_len) {
		ok = m->data_in ? receive(m, v, fake_pattern(n->index, n->moved))
				: send(m, v, &m->out[n->moved]);
		if (!ok)
			break;
		n->moved++;
		model_set_word(m, R(CSBC), model_word(m, R(CSBC)) + 1);
	}
	if (n->moved == m->xfer_len)
		n->task = IN_STATUS;
	/* The target looks at ATN behind a block, and when it goes to another phase. */
	if (n->task == IN_STATUS || (ok && n->atn && !v->left))
		choose(m);
	return ok;
}

static bool move_command(struct model *m, struct move *v)
{
	struct model_bus *n = &m->bus;
	unsigned int n_before = n->n_cdb;

	while (v->left && n->n_cdb < sizeof(n->cdb)) {
		if (!send(m, v, &n->cdb[n->n_cdb])) {
			n->n_cdb = n_before;
			return false;
		}
		n->n_cdb++;
	}
	/* What is too long for any command is swallowed. */
	v->addr += v->left;
	v->done += v->left;
	v->left = 0;
	n->silent = false;
	if (n->n_cdb < cdb_length(n))
		return true;
	take_command(m);
	choose(m);
	return true;
}

static bool move_messages_out(struct model *m, struct move *v)
{
	uint8_t msg[8];
	unsigned int len = 0;

	while (v->left)
		if (!send(m, v, &msg[len++]))
			return false;
	hear(&m->bus, msg, len);
	m->bus.atn = false;
	m->bus.silent = false;
	choose(m);
	return true;
}

static bool move_status(struct model *m, struct move *v)
{
	if (!receive(m, v, m->status))
		return false;
	v->left = 0;
	m->bus.task = IN_COMPLETE;
	say(&m->bus, 0x00);
	m->bus.ends = true;
	choose(m);
	return true;
}

static bool move_messages_in(struct model *m, struct move *v)
{
	struct model_bus *n = &m->bus;

	do {
		if (!receive(m, v, n->in[n->pos_in]))
			return false;
		n->ack = true;
		n->pos_in++;
		if (n->ends && n->pos_in == n->n_in)
			n->task = NO_TASK;
		model_bus_show(m);
	} while (v->left && n->pos_in < n->n_in && !n->atn);
	return true;
}

unsigned int model_req(struct model *m, unsigned int coded)
{
	struct model_bus *n = &m->bus;

	if (!n->connected || n->ack)
		return NO_PHASE;
	if (n->silent && n->phase == MSG_OUT && coded == COMMAND) {
		n->phase = COMMAND;
		model_bus_show(m);
	}
	return n->phase;
}

static void mismatch(struct model *m, uint32_t w)
{
	unsigned int ccntl0 = m->reg[R(CCNTL0)], coded = w >> 24 & 7;
	bool second = ccntl0 & 0x40 ? coded & 1 : m->reg[R(SCNTL2)] & 1;

	if (ccntl0 & 0x80 && (coded < 2 || ccntl0 & 0x20))
		model_set_word(m, R(DSP), model_word(m, second ? R(PMJAD2) : R(PMJAD1)));
	else
		model_stop_scsi(m, 0x80, 0);
}

static bool move_phase(struct model *m, struct move *v)
{
	switch (m->bus.phase) {
	case COMMAND:
		return move_command(m, v);
	case STATUS:
		return move_status(m, v);
	case MSG_OUT:
		return move_messages_out(m, v);
	case MSG_IN:
		return move_messages_in(m, v);
	default:
		return move_data(m, v);
	}
}

void model_move(struct model *m, uint32_t at, uint32_t w, uint32_t operand)
{
	struct move v = {.at = at};
	unsigned int coded = w >> 24 & 7, phase;
	bool ok = true;

	if (w == 0) {
		model_set_word(m, R(DSP), at + 4);
		return;
	}
	if (model_take_sto(m) || !load_move(m, w, operand, &v))
		return;
	model_set_bit(m, R(SCNTL2), 0x40, !(w >> 27 & 1));
	model_set_bit(m, R(CTEST2), 0x80, w >> 24 & 1);
	if (coded == MSG_IN)
		model_set_clear(m, 0x40, false);
	while (ok) {
		phase = model_req(m, coded);
		m->parked = phase == NO_PHASE;
		if (m->parked)
			return;
		if (phase != coded) {
			show_move(m, &v);
			mismatch(m, w);
			return;
		}
		ok = move_phase(m, &v);
		show_move(m, &v);
		if (!ok)
			model_stop_dma(m, 0x20);
		if (!v.left || phase == MSG_IN)
			return;
	}
}
