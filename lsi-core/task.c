/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * task - commands between COMMAND phase and COMMAND COMPLETE, by index.
 *
 *	FREE -> RUNNING -> DATA -> RUNNING ... -> STATUS -> COMPLETE -> FREE
 *
 * The target moves a task to DATA and STATUS (mp_lsi_target_*), the initiator
 * moves it on by moving bytes. A disconnected task that becomes ready enters
 * the ready queue, in order. A freed task may leave its entry behind; the entry
 * is skipped when its turn comes, and "queued" keeps it the only one of its
 * index, so the queue can't overflow.
 *
 * No pointer to a task survives a call to the targets: they may end it.
 * Indices go round robin, and one that the other side still needs for an
 * aborted I/O (ops->task_busy) is passed over.
 */
#include "lsi-core/state.h"

#include <string.h>

#define STATUS_CHECK_CONDITION 0x02u
#define STATUS_TASK_SET_FULL   0x28u
#define SENSE_ABORTED_COMMAND  0x0bu

static bool is_used(const struct mp_lsi_state *st, unsigned int i)
{
	return st->used[i / 64] >> (i % 64) & 1;
}

unsigned int mp_lsi_task_find(const struct mp_lsi_state *st, uint32_t key)
{
	for (unsigned int w = 0; w < MP_LSI_MAX_TASKS / 64; w++)
		for (uint64_t bits = st->used[w]; bits; bits &= bits - 1) {
			unsigned int i = w * 64 + (unsigned int)__builtin_ctzll(bits);

			if (st->task[i].key == key)
				return i;
		}
	return MP_LSI_NO_TASK;
}

static bool is_allocatable(struct mp_lsi *c, unsigned int i)
{
	return !is_used(c->st, i) && !(c->ops->task_busy && c->ops->task_busy(c->opaque, i));
}

static unsigned int allocate(struct mp_lsi *c)
{
	struct mp_lsi_state *st = c->st;

	for (unsigned int n = 0; n < MP_LSI_MAX_TASKS; n++) {
		unsigned int i = (st->next_task + n) % MP_LSI_MAX_TASKS;

		if (is_allocatable(c, i)) {
			st->next_task = (i + 1) % MP_LSI_MAX_TASKS;
			st->used[i / 64] |= 1ull << (i % 64);
			return i;
		}
	}
	return MP_LSI_FULL_TASK;
}

/* A nexus used twice: everything of this initiator on this LUN ends but task @keep. */
static void abort_overlapped(struct mp_lsi *c, uint32_t key, unsigned int keep)
{
	struct mp_lsi_state *st = c->st;

	for (unsigned int i = 0; i < MP_LSI_MAX_TASKS; i++)
		if (i != keep && is_used(st, i) && st->task[i].key >> 16 == key >> 16)
			mp_lsi_task_abort(c, i);
}

static void hand_over(struct mp_lsi *c, unsigned int i, unsigned int cdb_len)
{
	const struct mp_lsi_state *st = c->st;
	const struct mp_lsi_nexus *n = &st->nexus;
	struct mp_lsi_command cmd = {
		.target = n->target,
		.lun = n->lun,
		.attr = n->attr,
		.initiator = st->reg[MP_LSI_R_SCID] & 0xf,
		.tag = n->tag,
		.cdb_len = (uint8_t)cdb_len,
		.can_disconnect = n->can_disconnect,
	};

	memcpy(cmd.cdb, n->cdb, cdb_len);
	c->counters.n_commands++;
	c->ops->command(c->opaque, i, &cmd);
}

/* A status that the target gives by itself: no unit behind it knows the command. */
static void answer(struct mp_lsi_state *st, uint32_t key, uint8_t status)
{
	st->task[MP_LSI_FULL_TASK] =
		(struct mp_lsi_task){.state = MP_LSI_TASK_STATUS, .status = status, .key = key};
	st->nexus.task = MP_LSI_FULL_TASK;
}

void mp_lsi_task_fail(struct mp_lsi *c, uint8_t asc)
{
	struct mp_lsi_state *st = c->st;
	struct mp_lsi_nexus *n = &st->nexus;
	uint32_t key = mp_lsi_key(n->target, n->lun, n->attr != MP_LSI_UNTAGGED, n->tag);

	if (n->task != MP_LSI_NO_TASK) {
		key = st->task[n->task].key;
		mp_lsi_task_abort(c, n->task);
	}
	answer(st, key, STATUS_CHECK_CONDITION);
	if (c->ops->sense)
		c->ops->sense(c->opaque, n->target, n->lun, st->reg[MP_LSI_R_SCID] & 0xf,
			      SENSE_ABORTED_COMMAND << 8 | asc);
}

void mp_lsi_task_submit(struct mp_lsi *c, unsigned int cdb_len)
{
	struct mp_lsi_state *st = c->st;
	struct mp_lsi_nexus *n = &st->nexus;
	uint32_t key = mp_lsi_key(n->target, n->lun, n->attr != MP_LSI_UNTAGGED, n->tag);
	unsigned int twin = mp_lsi_task_find(st, key);
	unsigned int i = allocate(c);
	uint8_t queued = st->task[i].queued;

	if (mp_unlikely(i == MP_LSI_FULL_TASK)) {
		answer(st, key, STATUS_TASK_SET_FULL);
		return;
	}
	st->task[i] = (struct mp_lsi_task){.state = MP_LSI_TASK_RUNNING,
					   .queued = queued,
					   .can_disconnect = n->can_disconnect,
					   .key = key};
	n->task = (uint16_t)i;
	hand_over(c, i, cdb_len);
	if (mp_unlikely(twin != MP_LSI_NO_TASK))
		abort_overlapped(c, key, i);
}

void mp_lsi_task_free(struct mp_lsi_state *st, unsigned int i)
{
	st->task[i].state = MP_LSI_TASK_FREE;
	st->task[i].disconnected = 0;
	if (i != MP_LSI_FULL_TASK)
		st->used[i / 64] &= ~(1ull << (i % 64));
	if (st->nexus.task == i)
		st->nexus.task = MP_LSI_NO_TASK;
}

void mp_lsi_task_abort(struct mp_lsi *c, unsigned int i)
{
	uint32_t key = c->st->task[i].key;

	mp_lsi_task_free(c->st, i);
	if (i != MP_LSI_FULL_TASK)
		c->ops->tm(c->opaque, MP_LSI_TM_ABORT_TASK, key >> 24, key >> 16 & 0xff, i);
}

void mp_lsi_task_abort_set(struct mp_lsi *c, enum mp_lsi_tm tm, bool all_luns)
{
	struct mp_lsi_state *st = c->st;
	unsigned int target = st->nexus.target, lun = st->nexus.lun;

	for (unsigned int i = 0; i <= MP_LSI_MAX_TASKS; i++) {
		const struct mp_lsi_task *t = &st->task[i];

		if (t->state != MP_LSI_TASK_FREE && t->key >> 24 == target &&
		    (all_luns || (t->key >> 16 & 0xff) == lun))
			mp_lsi_task_free(st, i);
	}
	c->ops->tm(c->opaque, tm, target, lun, 0);
}

void mp_lsi_task_push(struct mp_lsi_state *st, unsigned int i)
{
	if (st->task[i].queued)
		return;
	st->task[i].queued = 1;
	st->ready[(st->ready_head + st->n_ready) % MP_LSI_MAX_TASKS] = (uint8_t)i;
	st->n_ready++;
}

unsigned int mp_lsi_task_pop(struct mp_lsi_state *st)
{
	while (st->n_ready) {
		unsigned int i = st->ready[st->ready_head];
		const struct mp_lsi_task *t = &st->task[i];

		st->ready_head = (st->ready_head + 1) % MP_LSI_MAX_TASKS;
		st->n_ready--;
		st->task[i].queued = 0;
		if (t->disconnected && mp_lsi_task_ready(t))
			return i;
	}
	return MP_LSI_NO_TASK;
}

/* The target is ready with task @i: on the bus it goes on, off the bus it queues. */
static void arrived(struct mp_lsi *c, unsigned int i)
{
	struct mp_lsi_state *st = c->st;
	const struct mp_lsi_nexus *n = &st->nexus;

	if (st->task[i].disconnected)
		mp_lsi_task_push(st, i);
	else if (n->task == i && n->phase == MP_LSI_NO_PHASE)
		mp_lsi_bus_choose(c);
	mp_lsi_wake(c);
}

void mp_lsi_target_data(struct mp_lsi *c, unsigned int task, enum mp_lsi_dir dir, uint32_t len)
{
	struct mp_lsi_state *st = c->st;
	uint32_t was = mp_lsi_enter(st);
	struct mp_lsi_task *t;

	mp_assert(task < MP_LSI_MAX_TASKS && len && dir != MP_LSI_NO_DATA);
	t = &st->task[task];
	mp_assert(t->state == MP_LSI_TASK_RUNNING);
	t->state = MP_LSI_TASK_DATA;
	t->dir = (uint8_t)dir;
	t->len = len;
	t->moved = 0;
	arrived(c, task);
	mp_lsi_leave(st, was);
}

void mp_lsi_target_status(struct mp_lsi *c, unsigned int task, uint8_t status)
{
	struct mp_lsi_state *st = c->st;
	uint32_t was = mp_lsi_enter(st);

	mp_assert(task < MP_LSI_MAX_TASKS && st->task[task].state == MP_LSI_TASK_RUNNING);
	st->task[task].state = MP_LSI_TASK_STATUS;
	st->task[task].status = status;
	arrived(c, task);
	mp_lsi_leave(st, was);
}
