/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A random walk through the task set: three initiators, every kind of tag,
 * failures, aborts, task management, pauses, with each setting of the control
 * mode page that bears on them. The model is the list of live commands, oldest
 * first, and asks after each step:
 *
 *	order     may what runs run, by what is older and still there?
 *	fence     did nothing start while an aborted request was on its way?
 *	progress  has what waits a reason to?
 *	one end   each command ends once, in a way that something has caused
 *	errors    what a failure condemned (QERR) never ends well
 *
 * The control page changes only while nothing is there.
 */
#include <errno.h>

#include "scsi-target/bus.h"
#include "tests/lib/fake_hba.h"
#include "tests/lib/t.h"

#define N_STEPS 30000u
#define FIRST   5u /* initiators 5, 6, 7 */

struct command {
	bool live, runs, writes, condemned, failed;
	uint8_t attr, initiator;
	uint64_t age;
};

static struct {
	struct fake_hba hba;
	struct mp_scsi_lun *lun;
	struct mp_scsi_control *control;
	struct command commands[HBA_TASKS];
	uint8_t data[HBA_TASKS][512];
	uint64_t seed, age;
	uint64_t fence_age; /* who is younger came after the abort */
	bool buffers_suffice;
	bool was_managed; /* since the last quiet moment */
	unsigned int n_ended[4], n_managed, n_quiet;
} x;

enum { ENDED_WELL, ENDED_BADLY, ENDED_TOLD, ENDED_SILENT };

static uint32_t below(uint32_t n)
{
	return (uint32_t)(t_rand(&x.seed) % n);
}

static void ended(unsigned int i, unsigned int how)
{
	struct command *c = &x.commands[i];

	T_OK(c->live);
	T_OK(how != ENDED_WELL || !c->condemned);
	if (how == ENDED_TOLD || how == ENDED_SILENT)
		T_OK(x.was_managed || x.control->qerr);
	if (how == ENDED_TOLD)
		T_OK(x.control->tas);
	c->live = false;
	x.n_ended[how]++;
}

static unsigned int end_of(int status)
{
	if (status == MP_SCSI_GOOD)
		return ENDED_WELL;
	return status == MP_SCSI_TASK_ABORTED ? ENDED_TOLD : ENDED_BADLY;
}

static void on_aborted(void *opaque, unsigned int task)
{
	(void)opaque;
	ended(task, ENDED_SILENT);
}

static bool same_set(const struct command *a, const struct command *b)
{
	return x.control->tst == 0 || a->initiator == b->initiator;
}

static bool acts_ordered(const struct command *c)
{
	return c->attr == MP_SCSI_ORDERED || (c->writes && x.control->qam == 0);
}

/* May @c run beside @older? */
static bool may_pass(const struct command *c, const struct command *older)
{
	if (c->attr == MP_SCSI_HEAD_OF_QUEUE)
		return true;
	return !acts_ordered(c) && !acts_ordered(older) && older->attr != MP_SCSI_HEAD_OF_QUEUE;
}

/* It has failed, and waits until its initiator has heard of an earlier failure. */
static bool is_parked(unsigned int i)
{
	return x.hba.bus->sides[i].queue == &x.lun->failed;
}

static void check_order(const struct command *c)
{
	for (unsigned int i = 1; i < HBA_TASKS; i++) {
		const struct command *older = &x.commands[i];

		if (older->live && !is_parked(i) && older->age < c->age && same_set(c, older))
			T_OK(may_pass(c, older));
	}
}

/* Marks what a failure has condemned: all that was there before this step and still is. */
static void failed(const struct command *c, uint64_t age_before)
{
	for (unsigned int i = 1; i < HBA_TASKS; i++) {
		struct command *other = &x.commands[i];

		if (!other->live || other->age >= age_before)
			continue;
		if ((x.control->qerr == 1 && same_set(c, other)) ||
		    (x.control->qerr == 3 && c->initiator == other->initiator))
			other->condemned = true;
	}
}

static void harvest(uint64_t age_before)
{
	struct command failures[HBA_TASKS];
	unsigned int n_failures = 0;

	for (unsigned int i = 1; i < HBA_TASKS; i++) {
		struct command *c = &x.commands[i];

		if (!c->live || (x.hba.tasks[i].state != MP_SCSI_STATUS && !is_parked(i)))
			continue;
		if (!c->failed &&
		    (is_parked(i) || x.hba.slots[i].status == MP_SCSI_CHECK_CONDITION))
			failures[n_failures++] = *c;
		c->failed = true;
		if (is_parked(i))
			continue;
		ended(i, end_of(x.hba.slots[i].status));
		mp_scsi_free(x.hba.bus, i);
	}
	/* Now: what has ended well in this step did so before the failure. */
	for (unsigned int i = 0; i < n_failures; i++)
		failed(&failures[i], age_before);
}

static unsigned int n_running(void)
{
	unsigned int n = 0;

	for (unsigned int i = 1; i < HBA_TASKS; i++)
		n += x.commands[i].live && x.commands[i].runs;
	return n;
}

/* Who waits does so for one that runs, for an aborted one, for the end of a pause, or to be heard. */
static void check_progress(void)
{
	if (n_running() || x.hba.blk.n_reqs || x.hba.bus->n_failed || mp_scsi_is_paused(x.hba.bus))
		return;
	for (unsigned int i = 1; i < HBA_TASKS; i++)
		T_OK(!x.commands[i].live);
}

/*
 * A task may have become active before the abort and only then get its buffer;
 * where buffers are short that is no news, and only who came later tells.
 */
static bool fence_holds(const struct command *c)
{
	return x.buffers_suffice || c->age >= x.fence_age;
}

static void check_started(bool fenced, bool paused)
{
	for (unsigned int i = 1; i < HBA_TASKS; i++) {
		struct command *c = &x.commands[i];

		if (!c->live || c->runs || x.hba.tasks[i].state != MP_SCSI_MEDIUM)
			continue;
		T_OK(!paused);
		T_OK(!fenced || !fence_holds(c));
		c->runs = true;
		check_order(c);
	}
}

static void start_one(void)
{
	static const uint8_t cdbs[4][10] = {{0x28, [8] = 1}, {0x2a, [8] = 1}, {0x00}, {0xff}};
	unsigned int i = 1 + below(HBA_TASKS - 1), kind = below(30);
	struct command *c = &x.commands[i];

	if (x.hba.tasks[i].state != MP_SCSI_FREE)
		return;
	kind = kind < 14 ? 0 : kind < 28 ? 1 : kind - 26;
	*c = (struct command){.live = true,
			      .writes = kind == 1,
			      .attr = (uint8_t)(MP_SCSI_SIMPLE + below(3)),
			      .initiator = (uint8_t)(FIRST + below(3)),
			      .age = x.age++};
	x.hba.initiator = c->initiator;
	hba_give(&x.hba, i, x.data[i], 512);
	hba_start_tagged(&x.hba, i, (enum mp_scsi_attr)c->attr, cdbs[kind], 10);
}

static void finish_one(void)
{
	if (x.hba.blk.n_reqs)
		fake_blk_finish(&x.hba.blk, below(x.hba.blk.n_reqs), below(40) ? 0 : -EIO);
}

static void forget(unsigned int target_initiator)
{
	for (unsigned int i = 1; i < HBA_TASKS; i++)
		if (target_initiator == MP_SCSI_EVERYBODY ||
		    x.commands[i].initiator == target_initiator)
			x.commands[i].live = false;
}

static void abort_one(void)
{
	unsigned int i = 1 + below(HBA_TASKS - 1);

	x.commands[i].live = false;
	mp_scsi_abort_task(x.hba.bus, i);
}

static void manage(void)
{
	unsigned int who = below(8) ? FIRST + below(3) : MP_SCSI_EVERYBODY;

	/* The adapter forgets first: an upcall for these would be a fault. */
	forget(who);
	x.was_managed = true;
	x.n_managed++;
	mp_scsi_manage(x.hba.bus, MP_SCSI_TM_ABORT_TASK_SET + below(3), who, 0, 0);
}

static void reset(void)
{
	struct mp_scsi_control kept = *x.control;

	forget(MP_SCSI_EVERYBODY);
	mp_scsi_reset(x.hba.bus, MP_SCSI_RESET_BUS, 0, 0);
	*x.control = kept; /* the model's settings outlive resets */
}

static void pause_or_continue(void)
{
	if (mp_scsi_is_paused(x.hba.bus))
		mp_scsi_continue(x.hba.bus);
	else if (below(4) == 0)
		mp_scsi_pause(x.hba.bus);
}

static void step(void)
{
	unsigned int dice = below(1000);
	bool fenced = x.lun->n_aborting > 0, finishes = dice >= 480 && dice < 930;
	bool paused = mp_scsi_is_paused(x.hba.bus);
	uint64_t age = x.age;
	struct mp_scsi_control kept = *x.control;

	if (dice < 480)
		start_one();
	else if (finishes)
		finish_one();
	else if (dice < 965)
		abort_one();
	else if (dice < 975)
		manage();
	else if (dice < 977)
		reset();
	else
		pause_or_continue();
	*x.control = kept;
	harvest(age);
	/* Only the end of a block request can lift the fence; it may fall again in the same step. */
	check_started(fenced && !finishes, paused && mp_scsi_is_paused(x.hba.bus));
	if (!fenced || finishes)
		x.fence_age = x.age;
	check_progress();
}

/* Everything ends; then nobody has anything, and the control page may change. */
static void quiet(void)
{
	for (unsigned int i = 0; i < 3 * HBA_TASKS; i++) {
		mp_scsi_continue(x.hba.bus);
		fake_blk_finish_all(&x.hba.blk);
		harvest(x.age);
		x.hba.initiator = (uint8_t)(FIRST + i % 3);
		hba_sense(&x.hba);
	}
	for (unsigned int i = 1; i < HBA_TASKS; i++) {
		T_OK(!x.commands[i].live);
		T_EQ(x.hba.tasks[i].state, MP_SCSI_FREE);
	}
	for (unsigned int i = 0; i < MP_INITIATORS; i++) {
		T_EQ(x.lun->sets[i].n_active, 0);
		T_EQ(x.lun->sets[i].n_ordered, 0);
		T_EQ(x.lun->sets[i].n_head, 0);
	}
	T_EQ(x.lun->waiting, 0);
	T_EQ(x.lun->n_aborting, 0);
	T_EQ(x.hba.bus->n_dormant, 0);
	T_EQ(mp_buffers_n_used(&x.hba.bus->buffers, x.hba.pool_len), 0);
	x.was_managed = false;
	x.n_quiet++;
}

static void new_settings(void)
{
	static const uint8_t qerr[] = {0, 0, 1, 3};

	x.control->tst = (uint8_t)below(2);
	x.control->qam = (uint8_t)below(2);
	x.control->qerr = qerr[below(4)];
	x.control->tas = below(2);
}

static void walk(size_t pool_len)
{
	struct mp_scsi_ops ops = hba_ops;

	ops.aborted = on_aborted;
	x.buffers_suffice = pool_len > HBA_TASKS * 4096u;
	memset(&x.commands, 0, sizeof(x.commands));
	memset(x.n_ended, 0, sizeof(x.n_ended));
	x.n_managed = x.n_quiet = 0;
	hba_init(&x.hba, 1 << 20, pool_len);
	hba_remake(
		&x.hba, &ops,
		(struct mp_scsi_disk_cfg){.logical_bytes = 512, .werror = MP_SCSI_ON_ERROR_STOP});
	x.lun = x.hba.bus->by_id[0][0];
	x.control = &x.lun->control;
	for (unsigned int i = 0; i < N_STEPS; i++) {
		step();
		if (below(300) == 0) {
			quiet();
			new_settings();
		}
	}
	quiet();
	T_OK(x.n_ended[ENDED_WELL] > 1000 && x.n_ended[ENDED_BADLY] > 100);
	T_OK(x.n_ended[ENDED_TOLD] > 10 && x.n_ended[ENDED_SILENT] > 10 && x.n_managed > 50);
	hba_fini(&x.hba);
}

static void test_random_walk_with_a_large_pool_keeps_order(void)
{
	walk(1 << 20);
}

static void test_random_walk_with_the_smallest_pool_keeps_order(void)
{
	walk(MP_SCSI_CHUNK_BYTES);
}

int main(int argc, char **argv)
{
	static const struct t_test tests[] = {
		T_TEST(test_random_walk_with_a_large_pool_keeps_order),
		T_TEST(test_random_walk_with_the_smallest_pool_keeps_order),
	};

	x.seed = t_seed(argc, argv);
	return t_run(tests, 2, argc, argv);
}
