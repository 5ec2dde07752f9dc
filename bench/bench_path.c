/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * bench_path - what a guest's access to the device costs, without a guest.
 *
 *	path/read-shadow	a register without side effects, all writes applied: no message
 *	path/read		a register with side effects: a message, and its answer
 *	path/write		a posted write, of a thousand behind each other
 *	path/write-read		a posted write, and a read that waits until it is applied
 *	path/command		a READ(10) of 4 KiB from a null disk, as SeaBIOS does it
 *
 * A whole worker with its polling core on one CPU, and the product's link, as
 * the proxy in QEMU uses it, on the other. What comes back is checked.
 */
#include <setjmp.h>
#include <stdio.h>

#include "bench/program.h"
#include "bench/shim/gbench.h"
#include "tests/lib/t.h"
#include "tests/unit/remote-worker/rig.h"

#define BATCH      1000u
#define FEW        100u
#define DATA_OFF   0x100000u
#define N_SECTORS  8u
#define N_ATTEMPTS 3u /* the first commands of a unit hear of its power on */

struct job {
	const char *name;
	uint32_t n_ops;
	bool (*batch)(struct rig *r); /* false: something was wrong */
};

struct bench {
	const struct job *job;
	struct program *program;
};

static bool read_shadow(struct rig *r)
{
	uint32_t all = 0;

	for (unsigned int i = 0; i < BATCH; i++)
		all |= rig_read8(r, 0, LSI_ISTAT0);
	return all == 0;
}

static bool read_waited(struct rig *r)
{
	uint32_t all = 0;

	for (unsigned int i = 0; i < FEW; i++)
		all |= rig_read8(r, 0, LSI_SIST0);
	return all == 0;
}

static bool write_posted(struct rig *r)
{
	for (uint32_t i = 0; i < BATCH; i++)
		rig_write32(r, 0, LSI_SCRATCHA, i);
	return rig_read32(r, 0, LSI_SCRATCHA) == BATCH - 1;
}

static bool write_read(struct rig *r)
{
	bool ok = true;

	for (uint32_t i = 0; i < FEW; i++) {
		rig_write32(r, 0, LSI_SCRATCHA, i);
		ok &= rig_read32(r, 0, LSI_SCRATCHA) == i;
	}
	return ok;
}

/* The disk's zeros must have come: what lies there before is something else. */
static bool command(struct rig *r)
{
	uint8_t *data = r->ram + DATA_OFF;

	data[0] = data[N_SECTORS * 512 - 1] = 0xff;
	return rig_read(r, 0, 0, N_SECTORS, DATA_OFF) == 0 && data[0] == 0 &&
	       data[N_SECTORS * 512 - 1] == 0;
}

static const struct job jobs[] = {
	{"read-shadow", BATCH, read_shadow},
	{"read", FEW, read_waited},
	{"write", BATCH, write_posted},
	{"write-read", FEW, write_read},
	{"command", 1, command},
};

#define N_JOBS (sizeof(jobs) / sizeof(jobs[0]))

static bool warm_up(const struct bench *b, struct rig *rig)
{
	bool ok = false;

	for (unsigned int i = 0; i < N_ATTEMPTS; i++)
		ok = b->job->batch(rig);
	return ok;
}

static void measure(struct gb_state *s, const struct bench *b, struct rig *rig)
{
	bool ok = warm_up(b, rig);

	while (gb_keep_running(s, b->job->n_ops))
		ok = ok && b->job->batch(rig);
	if (!ok) {
		b->program->failed = true;
		gb_fail(s, "an answer was wrong");
	}
}

static void run(struct gb_state *s, void *opaque)
{
	const struct bench *b = opaque;
	char options[128];
	struct rig rig;

	snprintf(
		options, sizeof(options),
		"-poll busy -cpu %d -drive id=d0,driver=null-co -device scsi-hd,drive=d0,scsi-id=0",
		b->program->pin.cpu[1]);
	/* What the rig finds wrong it tells the way that a test does. */
	if (setjmp(t_jump)) {
		b->program->failed = true;
		gb_fail(s, "no worker, or it has gone");
		return;
	}
	rig_start(&rig, 1, options);
	rig_link(&rig, 0);
	measure(s, b, &rig);
	rig_stop(&rig);
}

int main(int argc, char **argv)
{
	struct bench benches[N_JOBS];
	char name[64];
	struct program program;
	int r;

	r = program_begin("bench_path", &argc, argv, &program);
	if (r != 0)
		return r;
	for (size_t i = 0; i < N_JOBS; i++) {
		benches[i] = (struct bench){&jobs[i], &program};
		snprintf(name, sizeof(name), "path/%s", jobs[i].name);
		gb_register(name, run, &benches[i]);
	}
	return program_end(&program);
}
