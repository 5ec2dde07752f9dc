/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What is measured here is the chip: fetch, decode, registers, phases, the
 * queues in guest memory. So the targets answer at once and touch no data; the
 * driver's share is the few words that it writes for each command.
 *
 * With depth 1 a target answers while it has the bus, as the worker's does for
 * a fast disk. Above that none answers before all have their command: each
 * disconnects for the next, and all reselect, which is the longest way through
 * the driver's SCRIPTS that has no error in it.
 */
#include "bench/scripts_load.h"

#include "base/err.h"

#define ONE_SEGMENT 24u /* the entry for the last segment, in the list of moves and of segments */
#define RUN_BUDGET  1000u
#define MAX_BUDGETS 100u

static void answer(struct fake_bus *b, unsigned int task)
{
	if (b->xfer_len)
		mp_lsi_target_data(&b->chip, task, b->dir, b->xfer_len);
	else
		mp_lsi_target_status(&b->chip, task, 0);
}

static void on_command(void *opaque, unsigned int task, const struct mp_lsi_command *cmd)
{
	struct fake_bus *b = opaque;

	b->task[task].live = true;
	b->task[task].cmd.tag = cmd->tag;
	if (b->prompt)
		answer(b, task);
}

static void on_data_moved(void *opaque, unsigned int task, uint32_t n_moved, bool more)
{
	struct fake_bus *b = opaque;

	(void)more;
	b->n_moved += n_moved;
	mp_lsi_target_status(&b->chip, task, 0);
}

static uint32_t list(const struct scripts_kind *kind)
{
	return (kind->dir == MP_LSI_DATA_OUT ? S_OUTLIST : S_INLIST) + ONE_SEGMENT;
}

static void prepare(struct scripts_load *l, unsigned int i)
{
	drv_prepare(&l->d, i, l->kind->dir == MP_LSI_DATA_OUT, 0);
	FAKE_PROG(l->d.b, drv_ccb(i) + C_SEGS + ONE_SEGMENT, l->kind->xfer_len,
		  M_DATA + 0x10000 * i);
}

void scripts_load_init(struct scripts_load *l, const struct scripts_kind *kind)
{
	struct fake_bus *b;

	l->kind = kind;
	l->d = drv_attach();
	b = l->d.b;
	l->ops = *b->chip.ops;
	l->ops.command = on_command;
	l->ops.data_moved = on_data_moved;
	b->chip.ops = &l->ops;
	b->prompt = kind->depth == 1;
	b->dir = kind->dir;
	b->xfer_len = kind->xfer_len;
	mp_assert(kind->depth <= SCRIPTS_MAX_DEPTH);
	for (unsigned int i = 0; i < kind->depth; i++)
		prepare(l, i);
}

void scripts_load_fini(struct scripts_load *l)
{
	fake_bus_destroy(l->d.b);
}

/* What SCRIPTS have changed in a control block, as it was. */
static void submit(struct scripts_load *l, unsigned int i)
{
	fake_put32(l->d.b, drv_ccb(i) + C_STATUS, 0);
	fake_put32(l->d.b, drv_ccb(i) + C_LASTP, list(l->kind));
	drv_enqueue(&l->d, i);
	drv_ring(&l->d);
}

static bool run(struct scripts_load *l)
{
	for (unsigned int n = 0; n < MAX_BUDGETS; n++)
		if (mp_lsi_run(&l->d.b->chip, RUN_BUDGET) == 0)
			return true;
	return false;
}

/* Each of the tasks speaks now; the chip lets them reselect, one after the other. */
static void answer_all(struct scripts_load *l)
{
	for (unsigned int task = 0; task < MP_LSI_MAX_TASKS; task++)
		if (l->d.b->task[task].live)
			answer(l->d.b, task);
}

static bool reap_all(struct scripts_load *l)
{
	unsigned int n = 0;

	while (drv_reap(&l->d) >= 0)
		n++;
	return n == l->kind->depth;
}

bool scripts_load_round(struct scripts_load *l)
{
	struct fake_bus *b = l->d.b;
	unsigned int n_done = b->n_done, n_moved = b->n_moved;
	bool ok = true;

	for (unsigned int i = 0; i < l->kind->depth; i++) {
		submit(l, i);
		ok &= run(l);
	}
	if (!b->prompt) {
		answer_all(l);
		ok &= run(l);
	}
	return ok && reap_all(l) && b->n_done - n_done == l->kind->depth &&
	       b->n_moved - n_moved == l->kind->depth * l->kind->xfer_len;
}

uint64_t scripts_load_n_insns(const struct scripts_load *l)
{
	return l->d.b->chip.counters.n_insns;
}
