/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A whole device (chip, glue, SCSI target, guest memory, DMA log) against a
 * guest that does anything in any order: register, RAM and config accesses,
 * writes to memory that SCRIPTS are running from, resets, disks that answer
 * late or with errors, memory that comes and goes, a machine that is stopped and
 * goes on. Guest memory begins with the program that SeaBIOS uses, so that
 * commands are easy to reach. Target 0 reports errors, target 1 stops for them.
 *
 * Checked beside what the sanitizers see: no report leaves guest memory, guest
 * bytes that changed were reported, no block request leaves a halted device, and
 * after a reset nothing stays in flight.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/bytes.h"
#include "base/err.h"
#include "remote-worker/device.h"
#include "tests/fuzz/remote-worker/program.h"
#include "tests/lib/fake_blk.h"

#define DISK_BYTES     (64u << 10)
#define POOL_BYTES     (256u << 10)
#define RAM_BYTES      (32u << 10)
#define ROM_BYTES      4096u
#define ROM_GPA        (RAM_GPA + RAM_BYTES)
#define PAGE_BYTES     4096u
#define N_PAGES        (RAM_BYTES / PAGE_BYTES)
#define MAX_STEPS      400u
#define FIRST_RUNSTATE 0xf0u /* of the byte behind step 11 */

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct input {
	const uint8_t *at, *end;
};

struct world {
	struct mp_device d;
	struct mp_state state;
	struct mp_blk disk;
	struct mp_guest_table *table;
	uint8_t *ram, *before, *rom;
	bool told[N_PAGES];
};

static uint32_t take(struct input *in, unsigned int n_bytes)
{
	uint32_t v = 0;

	for (unsigned int i = 0; i < n_bytes; i++)
		v |= (uint32_t)(in->at < in->end ? *in->at++ : 0) << (8 * i);
	return v;
}

static void add_region(struct mp_guest_table *t, uint64_t gpa, uint8_t *hva, uint64_t len, bool ro)
{
	t->region[t->n++] =
		(struct mp_guest_region){.gpa = gpa, .len = len, .hva = hva, .read_only = ro};
}

static void set_table(struct world *w, unsigned int which)
{
	w->table->n = 0;
	if (which & 1)
		add_region(w->table, RAM_GPA, w->ram, RAM_BYTES, false);
	if (which & 2)
		add_region(w->table, ROM_GPA, w->rom, ROM_BYTES, true);
	mp_guest_view_init(&w->d.mem, w->table);
	/* Memory that is taken away needs no report any more. */
	if (!(which & 1))
		memcpy(w->before, w->ram, RAM_BYTES);
	mp_dma_log_fold(&w->d.log, &w->d.mem);
}

static void start(struct world *w)
{
	static const struct mp_device_cfg how = {.id = "fuzz", .pool_bytes = POOL_BYTES};
	struct mp_scsi_disk_cfg disk = {.blk = &w->disk, .logical_bytes = 512};
	struct mp_scsi_disk_cfg stops = {.target = 1,
					 .blk = &w->disk,
					 .logical_bytes = 512,
					 .rerror = MP_SCSI_ON_ERROR_STOP,
					 .werror = MP_SCSI_ON_ERROR_STOP};
	int r;

	/* Exactly as long as they are, so that a sanitizer sees a byte more. */
	w->ram = calloc(1, RAM_BYTES);
	w->before = calloc(1, RAM_BYTES);
	w->rom = calloc(1, ROM_BYTES);
	w->table = calloc(1, sizeof(*w->table) + 2 * sizeof(w->table->region[0]));
	mp_assert(w->ram && w->before && w->rom && w->table);
	put_program(w->ram);
	memcpy(w->before, w->ram, RAM_BYTES);
	fake_blk_init(&w->disk, DISK_BYTES);
	r = mp_state_create(1, POOL_BYTES, &w->state);
	mp_assert(r == 0);
	r = mp_device_init(&w->d, &how, &w->state, 0);
	mp_assert(r == 0);
	r = mp_scsi_disk_add(w->d.bus, &disk);
	mp_assert(r == 0);
	r = mp_scsi_disk_add(w->d.bus, &stops);
	mp_assert(r == 0);
	w->d.log.on = true;
	set_table(w, 3);
}

static void take_reports(struct world *w)
{
	uint64_t gpa;
	uint32_t len;

	while (mp_dma_log_take(&w->d.log, UINT32_MAX, &gpa, &len)) {
		mp_assert(gpa >= RAM_GPA && len <= RAM_BYTES && gpa - RAM_GPA <= RAM_BYTES - len);
		for (uint64_t p = gpa / PAGE_BYTES; p <= (gpa + len - 1) / PAGE_BYTES; p++)
			w->told[p - RAM_GPA / PAGE_BYTES] = true;
	}
	for (unsigned int p = 0; p < N_PAGES; p++) {
		size_t off = (size_t)p * PAGE_BYTES;

		mp_assert(w->told[p] || !memcmp(w->ram + off, w->before + off, PAGE_BYTES));
		w->told[p] = false;
	}
	memcpy(w->before, w->ram, RAM_BYTES);
}

/* The guest's own stores: no report is due for them. */
static void guest_write(struct world *w, struct input *in)
{
	uint32_t off = take(in, 2) % (RAM_BYTES - 4) & ~3u, v = take(in, 4);

	mp_put_le32(w->ram + off, v);
	mp_put_le32(w->before + off, v);
}

/* One access as the front would have let it through. */
static void request(struct world *w, enum mp_wire_op op, struct input *in)
{
	static const uint32_t bar_bytes[] = {256, 1024, 8192};
	struct mp_wire_req req = {.op = op, .size = 1u << take(in, 1) % 4};
	uint32_t limit;

	req.bar = take(in, 1) % 3;
	limit = op == MP_REQ_CFG_WRITE ? MP_WIRE_CFG_BYTES : bar_bytes[req.bar];
	req.off = take(in, 2) % (limit - req.size + 1);
	req.data = take(in, 4);
	if (req.size < 4)
		req.data &= (1u << (8 * req.size)) - 1;
	mp_device_apply(&w->d, &req);
}

static void finish_one(struct world *w, struct input *in)
{
	static const int results[] = {0, 0, 0, -EIO, -ENOSPC, -EROFS};
	unsigned int i = take(in, 1), r = take(in, 1) % 6;

	if (w->disk.n_reqs)
		fake_blk_finish(&w->disk, i % w->disk.n_reqs, results[r]);
}

/* The machine stops or goes on; an I/O error asks for the former. */
static void runstate(struct world *w, bool pause)
{
	const struct mp_wire_req req = {.op = pause ? MP_REQ_PAUSE : MP_REQ_CONTINUE, .size = 1};
	uint64_t n_in_flight = mp_device_apply(&w->d, &req);

	mp_assert(w->d.halted == pause);
	mp_assert(!pause || n_in_flight == mp_scsi_bus_n_busy(w->d.bus));
	mp_assert(pause || (!w->d.io_stopped && !mp_scsi_is_paused(w->d.bus)));
}

static void step(struct world *w, struct input *in)
{
	unsigned int n_reqs = w->disk.n_reqs, n;
	bool was_halted = w->d.halted;

	switch (take(in, 1) % 12) {
	case 0:
	case 1:
		request(w, MP_REQ_BAR_WRITE, in);
		break;
	case 2:
		request(w, MP_REQ_BAR_READ, in);
		break;
	case 3:
		request(w, MP_REQ_CFG_WRITE, in);
		break;
	case 4:
		mp_lsi_write(&w->d.lsi, 0x2c, 4, RAM_GPA + take(in, 1) % 64 * 4);
		break;
	case 5:
	case 6:
		n = take(in, 1) + 1;
		if (!w->d.halted)
			mp_lsi_run(&w->d.lsi, n);
		break;
	case 7:
		finish_one(w, in);
		break;
	case 8:
		guest_write(w, in);
		break;
	case 9:
		take_reports(w);
		break;
	case 10:
		mp_lsi_tick(&w->d.lsi, (uint64_t)take(in, 4) << 8);
		break;
	case 11:
		n = take(in, 1);
		if (n >= FIRST_RUNSTATE)
			runstate(w, n & 1);
		else if (n % 8 == 0)
			mp_device_reset(&w->d);
		else
			set_table(w, take(in, 1));
		break;
	}
	mp_assert(!was_halted || !w->d.halted || w->disk.n_reqs <= n_reqs);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct input in = {data, data + size};
	struct world *w = calloc(1, sizeof(*w));

	mp_assert(w);
	start(w);
	for (unsigned int i = 0; in.at < in.end && i < MAX_STEPS; i++)
		step(w, &in);
	mp_device_reset(&w->d);
	mp_assert(mp_lsi_irq_level(&w->d.lsi) == 0 && !mp_lsi_runnable(&w->d.lsi));
	fake_blk_finish_all(&w->disk);
	mp_assert(mp_scsi_bus_n_busy(w->d.bus) == 0);
	take_reports(w);
	mp_device_fini(&w->d);
	mp_state_fini(&w->state);
	fake_blk_fini(&w->disk);
	free(w->table);
	free(w->rom);
	free(w->before);
	free(w->ram);
	free(w);
	return 0;
}
