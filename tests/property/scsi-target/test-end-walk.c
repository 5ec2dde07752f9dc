/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A random walk over two units with all that can hold a command up: formats
 * and sanitizes, held ranges, a small pool, pauses, errors that stop, failures
 * that wait to be told, aborts and resets, units that are pulled out and plugged
 * in again in between. One bus: while a command
 * that can't disconnect is there, nobody else moves data or ends.
 *
 * Asked after each step: do the counts of the bus agree with its tasks? And
 * now and then, when all requests end and the initiators ask for sense: does
 * each command end, with nothing left behind?
 */
#include <errno.h>
#include <stdlib.h>

#include "base/bytes.h"
#include "scsi-target/bus.h"
#include "tests/lib/fake_blk.h"
#include "tests/lib/t.h"

#define N_WALKS    300u
#define N_STEPS    600u
#define N_TASKS    24u
#define POOL_BYTES (128u << 10)
#define DISK_BYTES (256u << 10)
#define N_ROUNDS   20000u
#define N_ASKED    300u

static struct {
	struct mp_scsi_bus *bus;
	struct mp_scsi_task tasks[N_TASKS];
	struct mp_blk blk[2];
	uint8_t *pool;
	bool moves[N_TASKS], ends[N_TASKS]; /* an upcall has come, and no answer was given */
	uint64_t seed;
	unsigned int n_jobs, n_stops, n_ended, n_removed, n_removed_busy;
} x;

static uint32_t below(uint32_t n)
{
	return (uint32_t)(t_rand(&x.seed) % n);
}

static void on_xfer(void *opaque, unsigned int i)
{
	(void)opaque;
	T_OK(!x.moves[i]);
	x.moves[i] = true;
}

static void on_complete(void *opaque, unsigned int i)
{
	(void)opaque;
	T_OK(!x.moves[i] && !x.ends[i]);
	x.ends[i] = true;
	x.n_ended++;
}

static void on_paused(void *opaque)
{
	(void)opaque;
	x.n_stops++;
}

static bool is_live(unsigned int i)
{
	return x.tasks[i].state != MP_SCSI_FREE && x.tasks[i].state != MP_SCSI_ABORTING;
}

/* The task that has the bus for itself; N_TASKS: none. */
static unsigned int keeper(void)
{
	unsigned int i = 0;

	while (i < N_TASKS && !(is_live(i) && x.tasks[i].fast))
		i++;
	return i;
}

static bool has_bus(unsigned int i)
{
	return keeper() == N_TASKS || keeper() == i;
}

static void forget(unsigned int i)
{
	x.moves[i] = x.ends[i] = false;
}

/* A parameter list that is taken, where the command has one. */
static void fill(const struct mp_scsi_task *t)
{
	uint8_t *p = x.pool + t->buf_off;

	memset(p, 0, t->buf_len);
	if (t->cdb[0] == 0x04)
		p[1] = below(2) ? 0x82 : 0; /* IMMED */
	if (t->cdb[0] == 0x48) {
		p[0] = (uint8_t)(1 + below(3));
		mp_put_be16(p + 2, (uint16_t)(t->buf_len - 4));
	}
	if (t->cdb[0] == 0x15) {
		p[4] = 0x0a;
		p[5] = 10;
		p[6] = (uint8_t)(below(2) << 5); /* TST */
		p[7] = (uint8_t)(below(2) << 4 | (below(2) ? 0 : below(2) ? 2 : 6)); /* QAM, QERR */
		p[9] = below(2) ? 0x40 : 0; /* TAS */
		p[15] = 1;
	}
}

static void move(unsigned int i)
{
	uint32_t n = x.tasks[i].buf_len;

	x.moves[i] = false;
	if (x.tasks[i].dir == MP_SCSI_DATA_OUT)
		fill(&x.tasks[i]);
	mp_scsi_moved(x.bus, i, below(20) ? n : below(n), true);
}

static void end(unsigned int i)
{
	x.ends[i] = false;
	mp_scsi_free(x.bus, i);
}

static void choose_cdb(struct mp_scsi_task *t)
{
	static const struct {
		uint8_t cdb[16], len, range_at;
	} kinds[] = {
		{{0x28, [8] = 3}, 10, 5},
		{{0x28, [8] = 200}, 10, 5},
		{{0x2a, [8] = 3}, 10, 5},
		{{0x2a, [8] = 200}, 10, 5},
		{{0x2f, 2, [8] = 9}, 10, 5},
		{{0x35}, 10, 5},
		{{0x41, [8] = 60}, 10, 5},
		{{0x89, [13] = 2}, 16, 9},
		{{0x8b, [13] = 90}, 16, 9},
		{{0x9c, [13] = 8}, 16, 9},
		{{0x15, 0x10, [4] = 16}, 6, 0},
		{{0x1d, 0x04}, 6, 0},
		{{0x04, 0x10}, 6, 0},
		{{0x48, 0x82}, 10, 0},
		{{0x48, 0x81, [8] = 6}, 10, 0},
		{{0x48, 0x01, [8] = 6}, 10, 0},
		{{0x00}, 6, 0},
		{{0x2a, [5] = 1, 0, 0, 9}, 10, 5},
	};
	unsigned int k = below(sizeof(kinds) / sizeof(kinds[0]));

	memset(t->cdb, 0, sizeof(t->cdb));
	memcpy(t->cdb, kinds[k].cdb, 16);
	t->cdb_len = kinds[k].len;
	if (kinds[k].range_at)
		t->cdb[kinds[k].range_at] = (uint8_t)below(40);
	x.n_jobs += t->cdb[0] == 0x04 || t->cdb[0] == 0x48;
}

static void submit(unsigned int i)
{
	struct mp_scsi_task *t = &x.tasks[i];

	if (t->state != MP_SCSI_FREE || keeper() != N_TASKS)
		return;
	t->target = (uint8_t)below(2);
	t->attr = (uint8_t)(below(4) ? MP_SCSI_SIMPLE : below(4));
	t->tag = (uint16_t)below(60);
	t->initiator = (uint8_t)(below(3) ? 7 : 3);
	t->fast = below(5) == 0;
	choose_cdb(t);
	mp_scsi_submit(x.bus, i);
}

static void finish(unsigned int k)
{
	static const int errors[] = {-EIO, -ENOSPC, -ECANCELED};

	if (x.blk[k].n_reqs)
		fake_blk_finish(&x.blk[k], below(x.blk[k].n_reqs), below(8) ? 0 : errors[below(3)]);
}

static void reset(void)
{
	enum mp_scsi_reset kind = (enum mp_scsi_reset)below(4);

	for (unsigned int i = 0; i < N_TASKS; i++)
		if (kind > MP_SCSI_RESET_TARGET || x.tasks[i].target == 0)
			forget(i);
	mp_scsi_reset(x.bus, kind, 0, 0);
}

static void plug_in(unsigned int k)
{
	struct mp_scsi_disk_cfg disk = {.target = k, .blk = &x.blk[k], .logical_bytes = 512};

	disk.rerror = k ? MP_SCSI_ON_ERROR_STOP : MP_SCSI_ON_ERROR_REPORT;
	disk.werror = k ? MP_SCSI_ON_ERROR_ENOSPC : MP_SCSI_ON_ERROR_REPORT;
	T_EQ(mp_scsi_disk_add(x.bus, &disk), 0);
}

/* The disk of a unit that has left may be used by another one before its requests are back. */
static void pull_or_plug_in(void)
{
	unsigned int k = x.blk[1].n_reqs ? 1 : x.blk[0].n_reqs ? 0 : below(2);

	if (!mp_scsi_target_present(x.bus, k)) {
		plug_in(k);
		return;
	}
	T_EQ(mp_scsi_unit_remove(x.bus, k, 0), 0);
	T_OK(!mp_scsi_target_present(x.bus, k));
	T_EQ(mp_scsi_uses(x.bus, &x.blk[k]), x.blk[k].n_reqs > 0);
	x.n_removed++;
	x.n_removed_busy += x.blk[k].n_reqs > 0;
	/* What came before there was a unit is the stand-in's. */
	for (unsigned int i = 0; i < N_TASKS; i++)
		if (x.tasks[i].target == k && is_live(i) && !x.bus->sides[i].lun->absent)
			T_OK(x.moves[i] || x.ends[i] || x.tasks[i].state == MP_SCSI_MEDIUM);
}

static void step(void)
{
	unsigned int i = below(N_TASKS), what = below(100);

	if (what < 40)
		submit(i);
	else if (what < 55 && x.moves[i] && has_bus(i))
		move(i);
	else if (what < 70 && x.ends[i] && has_bus(i))
		end(i);
	else if (what < 90)
		finish(below(2));
	else if (what < 92 && is_live(i)) {
		forget(i);
		mp_scsi_abort_task(x.bus, i);
	} else if (what < 94 && is_live(i) && keeper() == N_TASKS)
		mp_scsi_keeps_bus(x.bus, i);
	else if (what < 95)
		mp_scsi_pause(x.bus);
	else if (what < 99)
		mp_scsi_continue(x.bus);
	else if (below(4) == 0)
		reset();
	else
		pull_or_plug_in();
}

static void check_unit(const struct mp_scsi_lun *lun, uint32_t *n_busy, uint32_t *n_pages)
{
	unsigned int n_aborting = 0, n_holds = lun->job.working;

	for (unsigned int i = 0; i < N_TASKS; i++) {
		const struct mp_scsi_side *s = &x.bus->sides[i];
		bool in_flight = s->t->state == MP_SCSI_MEDIUM || s->t->state == MP_SCSI_ABORTING;

		if (s->lun != lun || s->t->state == MP_SCSI_FREE)
			continue;
		n_aborting += in_flight && s->doom;
		n_holds += s->has_range + (s->queue == &lun->range_waiters);
		*n_busy += in_flight;
		*n_pages += s->t->buf_pages;
	}
	*n_busy += lun->job.working && !lun->job.kept;
	*n_pages += lun->job.working ? lun->job.buf_pages : 0;
	T_EQ(lun->n_aborting, n_aborting);
	T_EQ(lun->n_holds, n_holds);
}

static void check(void)
{
	uint32_t n_busy = 0, n_pages = 0;

	for (const struct mp_scsi_lun *lun = x.bus->luns; lun; lun = lun->next)
		check_unit(lun, &n_busy, &n_pages);
	for (const struct mp_scsi_lun *lun = x.bus->leaving; lun; lun = lun->next)
		check_unit(lun, &n_busy, &n_pages);
	T_EQ(x.bus->n_busy, n_busy);
	T_EQ(mp_buffers_n_used(&x.bus->buffers, POOL_BYTES), n_pages);
}

/* What a driver does whose command has failed. */
static void ask_for_sense(unsigned int n)
{
	struct mp_scsi_task *t = x.tasks;

	while (t < x.tasks + N_TASKS && t->state != MP_SCSI_FREE)
		t++;
	if (t == x.tasks + N_TASKS || keeper() != N_TASKS)
		return;
	*t = (struct mp_scsi_task){
		.target = n & 1, .initiator = n & 2 ? 7 : 3, .cdb = {0x03, [4] = 18}, .cdb_len = 6};
	mp_scsi_submit(x.bus, (unsigned int)(t - x.tasks));
}

/* Return: whether anything went on */
static bool let_go_on(void)
{
	bool did = mp_scsi_is_paused(x.bus) || x.blk[0].n_reqs || x.blk[1].n_reqs;

	mp_scsi_continue(x.bus);
	fake_blk_finish_all(&x.blk[0]);
	fake_blk_finish_all(&x.blk[1]);
	for (unsigned int i = 0; i < N_TASKS; i++) {
		did |= x.moves[i] || x.ends[i];
		if (x.moves[i] && has_bus(i))
			move(i);
		if (x.ends[i] && has_bus(i))
			end(i);
	}
	return did;
}

static void check_all_has_ended(void)
{
	unsigned int n_asked = 0;

	for (unsigned int i = 0; i < N_ROUNDS && n_asked <= N_ASKED; i++)
		if (!let_go_on() && n_asked++ < N_ASKED)
			ask_for_sense(n_asked);
	check();
	for (unsigned int i = 0; i < N_TASKS; i++)
		T_EQ(x.tasks[i].state, MP_SCSI_FREE);
	T_EQ(x.bus->n_busy, 0);
	T_EQ(x.bus->n_dormant + x.bus->n_failed + x.bus->n_range_waits + x.bus->n_jobs_kept, 0);
}

static void make(void)
{
	static const struct mp_scsi_ops ops = {
		.xfer = on_xfer, .complete = on_complete, .paused = on_paused};
	const struct mp_scsi_bus_cfg cfg = {.ops = &ops,
					    .tasks = x.tasks,
					    .n_tasks = N_TASKS,
					    .pool = x.pool,
					    .pool_len = POOL_BYTES};

	T_EQ(mp_scsi_bus_create(&cfg, &x.bus), 0);
	for (unsigned int k = 0; k < 2; k++) {
		fake_blk_init(&x.blk[k], DISK_BYTES);
		plug_in(k);
	}
}

static void test_each_command_ends_and_leaves_nothing_behind(void)
{
	x.pool = aligned_alloc(4096, POOL_BYTES);
	for (unsigned int n = 0; n < N_WALKS; n++) {
		make();
		for (unsigned int i = 0; i < N_STEPS; i++) {
			step();
			check();
		}
		check_all_has_ended();
		x.bus = mp_scsi_bus_destroy(x.bus);
		fake_blk_fini(&x.blk[0]);
		fake_blk_fini(&x.blk[1]);
	}
	T_OK(x.n_jobs > 100 && x.n_stops > 10 && x.n_ended > 1000);
	t_diag("%u units removed, %u of them busy", x.n_removed, x.n_removed_busy);
	T_OK(x.n_removed > 100 && x.n_removed_busy > 10);
	free(x.pool);
}

int main(int argc, char **argv)
{
	static const struct t_test tests[] = {
		T_TEST(test_each_command_ends_and_leaves_nothing_behind),
	};

	x.seed = t_seed(argc, argv);
	return t_run(tests, 1, argc, argv);
}
