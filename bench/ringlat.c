/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * ringlat - what a message costs between two processes on two cores: the ring,
 * the bare cache lines under it, and its rivals, in one run.
 *
 *	call/NAME	a round trip: request there, answer back
 *	post/NAME	a message one way, taken and checked by the receiver
 *
 * Each run of a benchmark forks a fresh partner, pins both, warms up, measures
 * and checks every answer. Busy machines and changing clocks shift all times,
 * so each call/ run also measures the bare ping-pong of the same two processes
 * just before and just after: "floor" is the mean of the two (ns), "x_floor"
 * is the time as a multiple of it. Compare those, or medians of interleaved
 * repetitions, not times of two runs:
 *
 *	ringlat --benchmark_repetitions=9 --benchmark_enable_random_interleaving=true \
 *		--benchmark_report_aggregates_only=true
 */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/err.h"
#include "bench/pin.h"
#include "bench/program.h"
#include "bench/rivals/rival.h"
#include "bench/shim/gbench.h"

enum job { CALL, POST };

/* Operations; where two processes share one core, each may cost a time slice. */
struct amount {
	uint32_t batch[2]; /* by job */
	uint32_t floor_calls;
};

static const struct amount in_full = {{1000, 16384}, 5000};
static const struct amount at_least = {{4, 2048}, 5}; /* posts: more than there are slots */

struct bench {
	const struct rival *rival;
	enum job job;
	const struct amount *amount;
	struct program *program;
};

/* A run: the floor's transport before and after, the measured one between. */
struct pair {
	const struct rival *rival;
	void *floor, *t;
	pid_t child;
};

static const struct rival *const rivals[] = {
	&rival_pingpong, &rival_ring,           &rival_ring_bell,
	&rival_rte_ring, &rival_rte_ring_burst, &rival_ring_sleep,
	&rival_eventfd,  &rival_socketpair,     &rival_pipe,
};

#define N_RIVALS (sizeof(rivals) / sizeof(rivals[0]))

/* Each transport is served until its stop: the floor, the measured one, the floor. */
static void partner(struct pair *p, int cpu, pid_t parent)
{
	if (prctl(PR_SET_PDEATHSIG, SIGKILL) < 0 || getppid() != parent || pin_self(cpu) < 0)
		_exit(1);
	if (rival_pingpong.join(p->floor, RIVAL_SERVER, parent) < 0 ||
	    p->rival->join(p->t, RIVAL_SERVER, parent) < 0)
		_exit(1);
	rival_pingpong.serve(p->floor);
	p->rival->serve(p->t);
	rival_pingpong.serve(p->floor);
	_exit(0);
}

static void pair_fini(struct pair *p)
{
	if (p->child > 0)
		waitpid(p->child, NULL, 0);
	if (p->t)
		p->rival->destroy(p->t);
	if (p->floor)
		rival_pingpong.destroy(p->floor);
}

static int pair_init(struct pair *p, const struct bench *b)
{
	pid_t self = getpid();
	int r;

	*p = (struct pair){.rival = b->rival};
	r = rival_pingpong.create(&p->floor);
	if (r < 0)
		return mp_err_trace(r);
	r = b->rival->create(&p->t);
	if (r < 0)
		return mp_err_trace(r);
	p->child = fork();
	if (p->child < 0)
		return mp_err_origin(-errno);
	if (p->child == 0)
		partner(p, b->program->pin.cpu[1], self);
	r = rival_pingpong.join(p->floor, RIVAL_CLIENT, p->child);
	if (r < 0)
		return mp_err_trace(r);
	return mp_err_trace(b->rival->join(p->t, RIVAL_CLIENT, p->child));
}

/* Nanoseconds of one bare round trip of @n; @first differs from what the lines hold. */
static double measure_floor(struct pair *p, uint64_t first, uint32_t n)
{
	uint64_t start_ns;

	rival_pingpong.call(p->floor, first, n / 5); /* warm up */
	start_ns = mp_clock_ns();
	rival_pingpong.call(p->floor, first + n, n);
	start_ns = mp_clock_ns() - start_ns;
	rival_pingpong.stop(p->floor);
	return (double)start_ns / n;
}

/* The measured loop; returns nanoseconds an operation, negative for wrong results. */
static double measure(struct gb_state *s, const struct bench *b, struct pair *p)
{
	bool (*work)(void *, uint64_t, uint32_t) = b->job == CALL ? b->rival->call : b->rival->post;
	uint32_t batch = b->amount->batch[b->job];
	uint64_t next = 0, start_ns;
	bool ok;

	ok = work(p->t, next, batch); /* warm up */
	next += batch;
	start_ns = mp_clock_ns();
	while (gb_keep_running(s, batch)) {
		ok &= work(p->t, next, batch);
		next += batch;
	}
	start_ns = mp_clock_ns() - start_ns;
	p->rival->stop(p->t);
	return ok ? (double)start_ns / (double)(next - batch) : -1;
}

static void run(struct gb_state *s, void *opaque)
{
	const struct bench *b = opaque;
	MP_CLEANUP(pair_fini) struct pair p;
	double floor_ns, ns;
	int r;

	r = pair_init(&p, b);
	if (r < 0) {
		if (p.child > 0)
			kill(p.child, SIGKILL);
		b->program->failed = true;
		gb_fail(s, strerror(-r));
		return;
	}
	floor_ns = measure_floor(&p, 0, b->amount->floor_calls);
	ns = measure(s, b, &p);
	floor_ns = (floor_ns + measure_floor(&p, 1ull << 32, b->amount->floor_calls)) / 2;
	if (ns < 0) {
		b->program->failed = true;
		gb_fail(s, "an answer was wrong");
		return;
	}
	if (b->job == CALL) {
		gb_counter(s, "floor", floor_ns);
		gb_counter(s, "x_floor", ns / floor_ns);
	}
}

static void register_all(struct bench benches[2][N_RIVALS], struct program *program)
{
	const struct amount *amount = program->smoke ? &at_least : &in_full;
	char name[64];
	size_t i;
	int job;

	for (job = CALL; job <= POST; job++) {
		for (i = 0; i < N_RIVALS; i++) {
			if (job == POST && !rivals[i]->post)
				continue;
			benches[job][i] = (struct bench){rivals[i], (enum job)job, amount, program};
			snprintf(name, sizeof(name), "%s/%s", job == CALL ? "call" : "post",
				 rivals[i]->name);
			gb_register(name, run, &benches[job][i]);
		}
	}
}

int main(int argc, char **argv)
{
	struct bench benches[2][N_RIVALS];
	struct program program;
	int r;

	r = program_begin("ringlat", &argc, argv, &program);
	if (r != 0)
		return r;
	gb_context("slots", "16 bytes; requests 1024, replies 4096");
	register_all(benches, &program);
	return program_end(&program);
}
