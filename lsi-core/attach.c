/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * attach - power-on, resets, and taking over a state that another process left.
 *
 * A state outlives its process. It is checked here like guest data: every
 * enumeration, index and count that steers memory access must be in range, so
 * that a damaged state is refused, not followed. Register contents need no
 * check: the chip works with any. If the last owner died inside a call
 * (busy), ranges hold but the story may not; then the guest is told by the
 * event that every driver recovers from, a reset of the SCSI bus.
 *
 * Resets keep what the chip keeps: SCRIPTS RAM, the BARs, time; a software
 * reset also DCNTL.COM.
 */
#include "lsi-core/state.h"

#include <errno.h>
#include <string.h>

size_t mp_lsi_state_bytes(void)
{
	return sizeof(struct mp_lsi_state);
}

static void clear(struct mp_lsi_state *st)
{
	const size_t from = offsetof(struct mp_lsi_state, run);

	memset((uint8_t *)st + from, 0, offsetof(struct mp_lsi_state, ram) - from);
	memcpy(st->reg, mp_lsi_reg_reset, sizeof(st->reg));
	st->nexus.phase = MP_LSI_NO_PHASE;
	st->nexus.task = MP_LSI_NO_TASK;
	st->gpreg = 0x1f;
	mp_lsi_show_gpio(st);
	mp_lsi_show_config(st);
}

static void power_on(struct mp_lsi_state *st)
{
	memset(st, 0, sizeof(*st));
	st->version = MP_LSI_STATE_VERSION;
	st->bytes = sizeof(*st);
	for (unsigned int i = 0; i < 3; i++)
		st->bar[i] = UINT64_MAX;
	clear(st);
	st->magic = MP_LSI_STATE_MAGIC;
}

void mp_lsi_soft_reset(struct mp_lsi *c)
{
	uint8_t com = c->st->reg[MP_LSI_R_DCNTL] & DCNTL_COM;

	clear(c->st);
	c->st->reg[MP_LSI_R_DCNTL] = com;
	c->ops->tm(c->opaque, MP_LSI_TM_CANCEL_ALL, 0, 0, 0);
}

void mp_lsi_reset(struct mp_lsi *c)
{
	uint32_t was = mp_lsi_enter(c->st);

	for (unsigned int i = 0; i < 3; i++)
		c->st->bar[i] = UINT64_MAX;
	clear(c->st);
	c->ops->tm(c->opaque, MP_LSI_TM_CANCEL_ALL, 0, 0, 0);
	mp_lsi_leave(c->st, was);
}

static bool key_ok(uint32_t key)
{
	return key >> 24 <= 15 && (key >> 16 & 0xff) <= 0x3f && !(key & 0xfe00);
}

static bool task_ok(const struct mp_lsi_state *st, unsigned int i)
{
	const struct mp_lsi_task *t = &st->task[i];
	bool used = i < MP_LSI_MAX_TASKS && st->used[i / 64] >> (i % 64) & 1;

	if (t->state > MP_LSI_TASK_COMPLETE || t->dir > MP_LSI_DATA_OUT || t->queued > 1 ||
	    t->moved > t->len || !key_ok(t->key))
		return false;
	if (i == MP_LSI_FULL_TASK)
		return t->state != MP_LSI_TASK_DATA && t->state != MP_LSI_TASK_RUNNING &&
		       !t->disconnected && !t->queued;
	if (t->state == MP_LSI_TASK_DATA && (t->dir == MP_LSI_NO_DATA || t->moved == t->len))
		return false;
	return used == (t->state != MP_LSI_TASK_FREE) && (used || !t->disconnected);
}

static bool tasks_ok(const struct mp_lsi_state *st)
{
	for (unsigned int i = 0; i <= MP_LSI_MAX_TASKS; i++)
		if (!task_ok(st, i))
			return false;
	return st->next_task < MP_LSI_MAX_TASKS;
}

/* Each entry's task says so, and no other task says so: no index is there twice. */
static bool queue_ok(const struct mp_lsi_state *st)
{
	bool seen[MP_LSI_MAX_TASKS] = {false};
	unsigned int n_queued = 0;

	if (st->ready_head >= MP_LSI_MAX_TASKS || st->n_ready > MP_LSI_MAX_TASKS)
		return false;
	for (unsigned int i = 0; i < st->n_ready; i++) {
		unsigned int task = st->ready[(st->ready_head + i) % MP_LSI_MAX_TASKS];

		if (seen[task] || !st->task[task].queued)
			return false;
		seen[task] = true;
	}
	for (unsigned int i = 0; i < MP_LSI_MAX_TASKS; i++)
		n_queued += st->task[i].queued;
	return n_queued == st->n_ready;
}

/* Does the task on the bus want the phase that is shown? */
static bool phase_ok(const struct mp_lsi_state *st)
{
	const struct mp_lsi_nexus *n = &st->nexus;
	const struct mp_lsi_task *t = n->task == MP_LSI_NO_TASK ? NULL : &st->task[n->task];

	switch (n->phase) {
	case MP_LSI_DATA_OUT_PHASE:
		return t && t->state == MP_LSI_TASK_DATA && t->dir == MP_LSI_DATA_OUT;
	case MP_LSI_DATA_IN_PHASE:
		return t && t->state == MP_LSI_TASK_DATA && t->dir == MP_LSI_DATA_IN;
	case MP_LSI_COMMAND_PHASE:
		return !t;
	case MP_LSI_STATUS_PHASE:
		return t && t->state == MP_LSI_TASK_STATUS;
	case MP_LSI_MSG_IN_PHASE:
		return n->ack || n->pos_in < n->n_in;
	default:
		return n->phase == MP_LSI_MSG_OUT_PHASE || n->phase == MP_LSI_NO_PHASE;
	}
}

static bool messages_ok(const struct mp_lsi_nexus *n)
{
	return n->n_in <= MP_LSI_MSG_BYTES && n->pos_in <= n->n_in && n->last_in <= n->pos_in &&
	       n->n_out < sizeof(n->out) && n->n_cdb <= MP_LSI_CDB_MAX;
}

static bool nexus_ok(const struct mp_lsi_state *st)
{
	const struct mp_lsi_nexus *n = &st->nexus;

	if (n->conn > MP_LSI_RESELECTED || n->after > MP_LSI_ABORTED || n->target > 15 ||
	    n->lun > 0x3f || n->attr > MP_LSI_ORDERED || n->phase > MP_LSI_NO_PHASE || n->ack > 1 ||
	    n->atn > 1)
		return false;
	if (n->conn == MP_LSI_BUS_FREE)
		return n->task == MP_LSI_NO_TASK && n->phase == MP_LSI_NO_PHASE && !n->ack;
	if (n->task != MP_LSI_NO_TASK &&
	    (n->task > MP_LSI_FULL_TASK || st->task[n->task].state == MP_LSI_TASK_FREE ||
	     st->task[n->task].disconnected))
		return false;
	return messages_ok(n) && phase_ok(st);
}

static bool fifos_ok(const struct mp_lsi_state *st)
{
	for (unsigned int i = 0; i < MP_LSI_N_LANES; i++)
		if (st->lane[i].head >= MP_LSI_LANE_BYTES || st->lane[i].n > MP_LSI_LANE_BYTES)
			return false;
	return st->words.head < MP_LSI_FIFO_WORDS && st->words.n <= MP_LSI_FIFO_WORDS;
}

static bool engine_ok(const struct mp_lsi_state *st)
{
	if (st->run > MP_LSI_RUNNING || st->parked > 1 || st->unfinished > 1 || st->waits > 1 ||
	    st->carry > 1 || st->move.started > 1 || st->level > 1 || st->move.left > 0xffffff)
		return false;
	if (st->run == MP_LSI_HALTED && (st->unfinished || st->parked))
		return false;
	/* Only a move under way goes on without loading its operands. */
	if (st->move.started && (!st->unfinished || !st->move.left))
		return false;
	for (unsigned int id = 0; id < MP_LSI_N_TIMERS; id++)
		if (st->timer[id].state > MP_LSI_TIMER_UP)
			return false;
	return fifos_ok(st);
}

int mp_lsi_attach(struct mp_lsi *c, void *state, const struct mp_lsi_ops *ops, void *opaque)
{
	struct mp_lsi_state *st = state;

	*c = (struct mp_lsi){.st = st, .ops = ops, .opaque = opaque};
	if (!st->magic) {
		power_on(st);
		return 0;
	}
	if (st->magic != MP_LSI_STATE_MAGIC || st->version != MP_LSI_STATE_VERSION ||
	    st->bytes != sizeof(*st))
		return mp_err_origin(-EPROTO);
	/* relaxed: the last owner is gone. */
	if (atomic_load_explicit(&st->busy, memory_order_relaxed)) {
		atomic_store_explicit(&st->busy, 0, memory_order_relaxed);
		/* next_task is all that a bus reset leaves of tasks and nexus. */
		st->next_task %= MP_LSI_MAX_TASKS;
		st->move.started = 0;
		mp_lsi_bus_reset(c);
		return engine_ok(st) ? 2 : mp_err_origin(-EPROTO);
	}
	if (!tasks_ok(st) || !queue_ok(st) || !nexus_ok(st) || !engine_ok(st))
		return mp_err_origin(-EPROTO);
	return 1;
}
