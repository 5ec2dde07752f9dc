/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * bench_turn - what the worker's core does for a command, without a guest.
 *
 *	turn/idle		a turn that finds nothing to do
 *	turn/ENGINE/DEPTH	4 KiB reads in random order, DEPTH at a time
 *
 * A whole device (chip, SCSI target, block engine, guest memory) is driven by
 * fake_driver's SCRIPTS in one thread: what a worker does in its turns, but for
 * the ring. The time is that of one read, from the doorbell to the interrupt
 * handler, the driver's part included. bench_blk has the same reads without the
 * device: the difference is the device's share.
 *
 * fake_driver drives a fake_bus. Here that is a shell around the device: its
 * chip is a second handle of the device's state, its memory the guest's.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/bytes.h"
#include "base/clock.h"
#include "base/err.h"
#include "bench/medium.h"
#include "bench/program.h"
#include "bench/shim/gbench.h"
#include "remote-worker/device.h"
#include "tests/lib/fake_driver.h"

#define POOL_BYTES   (1u << 20)
#define INSN_BUDGET  1000u
#define MAX_DEPTH    16u
#define IDLE_TURNS   1000u
#define SECTOR_BYTES 512u
#define PATIENCE_NS  10000000000ull
#define SEGMENT      24u /* the last of the list's */

struct job {
	enum medium_kind kind;
	unsigned int depth; /* 0: idle */
};

struct bench {
	struct job job;
	struct program *program;
};

struct rig {
	const struct job *job;
	struct mp_state state;
	struct mp_device d;
	struct medium m;
	struct mp_guest_table *table;
	struct fake_bus *shell;
	struct fake_driver drv;
	uint64_t block[MAX_DEPTH], next;
};

static const struct job jobs[] = {
	{MEDIUM_NULL, 0},  {MEDIUM_NULL, 1},   {MEDIUM_NULL, 16},
	{MEDIUM_URING, 1}, {MEDIUM_URING, 16},
};

#define N_JOBS (sizeof(jobs) / sizeof(jobs[0]))

static void make_memory(struct rig *r)
{
	r->shell->mem = aligned_alloc(4096, FAKE_MEM_BYTES);
	r->table = calloc(1, sizeof(*r->table) + sizeof(r->table->region[0]));
	mp_assert(r->shell->mem && r->table);
	memset(r->shell->mem, 0, FAKE_MEM_BYTES);
	r->table->n = 1;
	r->table->region[0] = (struct mp_guest_region){.len = FAKE_MEM_BYTES, .hva = r->shell->mem};
	mp_guest_view_init(&r->d.mem, r->table);
}

static void join_shell(struct rig *r)
{
	r->shell->st = r->d.lsi.st;
	r->shell->chip = r->d.lsi;
	mp_lsi_set_bar(&r->d.lsi, MP_LSI_BAR_MMIO, FAKE_REGS);
	mp_lsi_set_bar(&r->d.lsi, MP_LSI_BAR_RAM, FAKE_RAM);
	r->drv = drv_attach_to(r->shell);
}

static int open_disk(struct rig *r, char error[512])
{
	struct mp_scsi_disk_cfg cfg = {.logical_bytes = SECTOR_BYTES};
	size_t pool_len;
	void *pool = mp_state_pools(&r->state, &pool_len);
	int ret = medium_init(&r->m, r->job->kind, pool, pool_len, error);

	if (ret < 0)
		return mp_err_trace(ret);
	cfg.blk = r->m.blk;
	return mp_err_trace(mp_scsi_disk_add(r->d.bus, &cfg));
}

static int rig_init(struct rig *r, const struct job *job, char error[512])
{
	const struct mp_device_cfg how = {
		.id = "bench", .pool_bytes = POOL_BYTES, .tsc_hz = mp_clock_tsc_hz()};
	int ret;

	*r = (struct rig){.job = job, .state = MP_STATE_NULL};
	r->shell = calloc(1, sizeof(*r->shell));
	mp_assert(r->shell);
	ret = mp_state_create(1, POOL_BYTES, &r->state);
	if (ret == 0)
		ret = mp_device_init(&r->d, &how, &r->state, 0);
	if (ret < 0)
		snprintf(error, 512, "no device: %s", strerror(-ret));
	else
		ret = open_disk(r, error);
	if (ret < 0)
		return mp_err_trace(ret);
	make_memory(r);
	join_shell(r);
	return 0;
}

static void rig_fini(struct rig *r)
{
	if (r->d.bus)
		mp_device_fini(&r->d);
	medium_fini(&r->m);
	mp_state_fini(&r->state);
	free(r->shell->mem);
	free(r->shell);
	free(r->table);
}

static unsigned int turn(struct rig *r)
{
	unsigned int done = 0;

	done += mp_lsi_run(&r->d.lsi, INSN_BUDGET);
	done += mp_blk_engine_poll(r->m.engine);
	return done;
}

/* Turns until @n commands have ended, well or not. */
static bool await(struct rig *r, unsigned int n)
{
	uint64_t until_ns = 0;

	for (uint32_t turns = 1; n > 0; turns++) {
		turn(r);
		if (mp_lsi_irq_level(&r->d.lsi))
			while (drv_reap(&r->drv) >= 0)
				n--;
		if (turns % 65536)
			continue;
		if (until_ns == 0)
			until_ns = mp_clock_ns() + PATIENCE_NS;
		else if (mp_clock_ns() > until_ns)
			return false; /* SCRIPTS have stopped in an interrupt of the driver */
	}
	return true;
}

static void submit(struct rig *r, unsigned int i, const uint8_t *cdb, uint32_t len)
{
	uint32_t c = drv_ccb(i);

	fake_put32(r->shell, c + C_STATUS, 0);
	fake_put32(r->shell, c + C_LASTP, S_INLIST + SEGMENT);
	fake_put32(r->shell, c + C_SEGS + SEGMENT, len);
	memcpy(r->shell->mem + c + C_CDB, cdb, 10);
	drv_enqueue(&r->drv, i);
	drv_ring(&r->drv);
}

/* The unit attention of power on is in the way of the first read. */
static bool prepare(struct rig *r)
{
	static const uint8_t request_sense[10] = {0x03, 0, 0, 0, 18};

	for (unsigned int i = 0; i < MAX_DEPTH; i++) {
		drv_prepare(&r->drv, i, false, 0);
		fake_put32(r->shell, drv_ccb(i) + C_SEGS + SEGMENT + 4, M_DATA + 0x10000 * i);
	}
	submit(r, 0, request_sense, 18);
	return await(r, 1);
}

static void submit_read(struct rig *r, unsigned int i)
{
	uint8_t cdb[10] = {0x28};

	r->next = medium_next(r->next);
	r->block[i] = r->next;
	mp_put_be32(cdb + 2, (uint32_t)(r->next * (MEDIUM_BLOCK_BYTES / SECTOR_BYTES)));
	mp_put_be16(cdb + 7, MEDIUM_BLOCK_BYTES / SECTOR_BYTES);
	submit(r, i, cdb, MEDIUM_BLOCK_BYTES);
}

static bool batch(struct rig *r)
{
	bool ok;

	for (unsigned int i = 0; i < r->job->depth; i++)
		submit_read(r, i);
	ok = await(r, r->job->depth);
	for (unsigned int i = 0; i < r->job->depth; i++)
		ok &= medium_block_ok(&r->m, r->block[i], r->shell->mem + M_DATA + 0x10000 * i);
	return ok;
}

static bool idle(struct rig *r)
{
	unsigned int done = 0;

	for (unsigned int i = 0; i < IDLE_TURNS; i++)
		done += turn(r);
	return done == 0;
}

static bool measure(struct gb_state *s, struct rig *r)
{
	bool ok = prepare(r);

	if (r->job->depth == 0) {
		while (gb_keep_running(s, IDLE_TURNS))
			ok = ok && idle(r);
		return ok;
	}
	ok = ok && batch(r); /* warm up */
	while (gb_keep_running(s, r->job->depth))
		ok = ok && batch(r);
	return ok;
}

static void run(struct gb_state *s, void *opaque)
{
	const struct bench *b = opaque;
	char error[512] = "";
	struct rig r;

	/* The kernel may forbid io_uring: that is no fault of the benchmark. */
	if (rig_init(&r, &b->job, error) < 0) {
		gb_fail(s, error);
	} else if (!measure(s, &r)) {
		b->program->failed = true;
		gb_fail(s, "a command failed or read another block");
	}
	rig_fini(&r);
}

int main(int argc, char **argv)
{
	struct bench benches[N_JOBS];
	char name[64];
	struct program program;
	int r;

	r = program_begin("bench_turn", &argc, argv, &program);
	if (r != 0)
		return r;
	for (size_t i = 0; i < N_JOBS; i++) {
		benches[i] = (struct bench){jobs[i], &program};
		if (jobs[i].depth)
			snprintf(name, sizeof(name), "turn/%s/%u", medium_name(jobs[i].kind),
				 jobs[i].depth);
		else
			snprintf(name, sizeof(name), "turn/idle");
		gb_register(name, run, &benches[i]);
	}
	return program_end(&program);
}
