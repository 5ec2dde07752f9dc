/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * bench_bell - what waking costs, and what not having to wake costs.
 *
 *	bell/kick-awake		a ringer looks at a peer that is awake
 *	bell/kick-rung		at one that sleeps and was rung for already
 *	bell/arm-disarm		a sleeper goes to sleep, and finds work instead
 *	bell/ring		a sleeper arms, is rung for, drains: two system calls
 *	bell/idle-spin		a turn without work asks what to do
 *
 * All in one thread: the cost of the calls, not of cache lines that travel
 * (ringlat has those) nor of the scheduler.
 */
#include <stdio.h>
#include <unistd.h>

#include "base/clock.h"
#include "bench/program.h"
#include "bench/shim/gbench.h"
#include "doorbell/bell.h"
#include "doorbell/idle.h"

#define BATCH      1000u
#define RING_BATCH 100u

struct bells {
	_Atomic uint32_t armed;
	struct mp_bell_sleeper sleeper;
	struct mp_bell_ringer ringer;
	struct mp_idle idle;
	int fd;
};

struct job {
	const char *name;
	uint32_t n_ops;
	bool (*batch)(struct bells *b); /* false: something was wrong */
};

struct bench {
	const struct job *job;
	struct program *program;
};

static bool kick_awake(struct bells *b)
{
	unsigned int n = 0;

	mp_bell_disarm(&b->sleeper);
	for (unsigned int i = 0; i < BATCH; i++)
		n += mp_bell_kick(&b->ringer);
	return n == 0;
}

static bool drain(struct bells *b)
{
	uint64_t count = 0;

	return read(b->fd, &count, sizeof(count)) == (ssize_t)sizeof(count) && count == 1;
}

static bool kick_rung(struct bells *b)
{
	unsigned int n = 0;

	mp_bell_arm(&b->sleeper);
	for (unsigned int i = 0; i < BATCH; i++)
		n += mp_bell_kick(&b->ringer);
	mp_bell_disarm(&b->sleeper);
	return n == 1 && drain(b);
}

static bool arm_disarm(struct bells *b)
{
	for (unsigned int i = 0; i < BATCH; i++) {
		mp_bell_arm(&b->sleeper);
		mp_bell_disarm(&b->sleeper);
	}
	return true;
}

static bool ring(struct bells *b)
{
	bool ok = true;

	for (unsigned int i = 0; i < RING_BATCH; i++) {
		mp_bell_arm(&b->sleeper);
		ok &= mp_bell_kick(&b->ringer);
		mp_bell_disarm(&b->sleeper);
		ok &= drain(b);
	}
	return ok;
}

static bool idle_spin(struct bells *b)
{
	unsigned int n = 0;

	mp_idle_turn(&b->idle, 1);
	for (unsigned int i = 0; i < BATCH; i++)
		n += mp_idle_turn(&b->idle, 0) == MP_IDLE_BLOCK;
	return n == 0;
}

static const struct job jobs[] = {
	{"kick-awake", BATCH, kick_awake}, {"kick-rung", BATCH, kick_rung},
	{"arm-disarm", BATCH, arm_disarm}, {"ring", RING_BATCH, ring},
	{"idle-spin", BATCH, idle_spin},
};

#define N_JOBS (sizeof(jobs) / sizeof(jobs[0]))

static void run(struct gb_state *s, void *opaque)
{
	const struct bench *bench = opaque;
	struct bells b = {.fd = mp_bell_fd_create()};
	bool ok;

	if (b.fd < 0) {
		bench->program->failed = true;
		gb_fail(s, "no eventfd");
		return;
	}
	mp_bell_sleeper_init(&b.sleeper, &b.armed);
	mp_bell_ringer_init(&b.ringer, &b.armed, b.fd);
	mp_idle_init(&b.idle, MP_IDLE_BUSY, 0, mp_clock_tsc_hz());
	ok = bench->job->batch(&b); /* warm up */
	while (gb_keep_running(s, bench->job->n_ops))
		ok &= bench->job->batch(&b);
	close(b.fd);
	if (!ok) {
		bench->program->failed = true;
		gb_fail(s, "a bell rang too often or not at all");
	}
}

int main(int argc, char **argv)
{
	struct bench benches[N_JOBS];
	char name[64];
	struct program program;
	int r;

	r = program_begin("bench_bell", &argc, argv, &program);
	if (r != 0)
		return r;
	for (size_t i = 0; i < N_JOBS; i++) {
		benches[i] = (struct bench){&jobs[i], &program};
		snprintf(name, sizeof(name), "bell/%s", jobs[i].name);
		gb_register(name, run, &benches[i]);
	}
	return program_end(&program);
}
