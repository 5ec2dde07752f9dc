/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * bench_blk - what a block request costs the polling core.
 *
 *	blk/ENGINE/JOB/DEPTH	4 KiB requests, DEPTH at a time, in random order
 *
 * A batch of DEPTH requests is submitted, then the engine is polled until all
 * have ended, as a worker's turns do; the time is that of one request, with
 * what the kernel does for it on this core. With a server (nbd) it sleeps while
 * that is at work, so that CPU time is what the request costs here. "enters" is
 * how many system calls io_uring takes for each. Every block that was read is
 * checked; what is written is what was there.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/bytes.h"
#include "base/err.h"
#include "bench/medium.h"
#include "bench/program.h"
#include "bench/shim/gbench.h"

#define MAX_DEPTH 16u

struct job {
	enum medium_kind kind;
	enum mp_blk_op op;
	unsigned int depth;
};

struct bench {
	struct job job;
	struct program *program;
};

struct run {
	const struct job *job;
	struct medium m;
	struct mp_blk_req req[MAX_DEPTH];
	uint64_t block[MAX_DEPTH];
	uint8_t *pool;
	uint64_t next;
	unsigned int n_done;
	bool ok;
};

static const struct job jobs[] = {
	{MEDIUM_NULL, MP_BLK_READ, 1},    {MEDIUM_NULL, MP_BLK_READ, 16},
	{MEDIUM_URING, MP_BLK_READ, 1},   {MEDIUM_URING, MP_BLK_READ, 16},
	{MEDIUM_URING, MP_BLK_WRITE, 1},  {MEDIUM_URING, MP_BLK_WRITE, 16},
	{MEDIUM_THREADS, MP_BLK_READ, 1}, {MEDIUM_THREADS, MP_BLK_READ, 16},
	{MEDIUM_NBD, MP_BLK_READ, 1},     {MEDIUM_NBD, MP_BLK_READ, 16},
	{MEDIUM_NBD, MP_BLK_WRITE, 1},    {MEDIUM_NBD, MP_BLK_WRITE, 16},
};

#define N_JOBS (sizeof(jobs) / sizeof(jobs[0]))

static uint8_t *buffer(const struct run *r, unsigned int i)
{
	return r->pool + (size_t)i * MEDIUM_BLOCK_BYTES;
}

static void done(struct mp_blk_req *req)
{
	struct run *r = req->opaque;
	unsigned int i = (unsigned int)(req - r->req);

	r->n_done++;
	if (req->result < 0)
		r->ok = false;
	else if (req->op == MP_BLK_READ)
		r->ok &= medium_block_ok(&r->m, r->block[i], buffer(r, i));
}

static void submit(struct run *r, unsigned int i)
{
	struct mp_blk_req *req = &r->req[i];

	r->next = medium_next(r->next);
	r->block[i] = r->next;
	req->op = r->job->op;
	req->flags = 0;
	req->offset = r->next * MEDIUM_BLOCK_BYTES;
	req->len = MEDIUM_BLOCK_BYTES;
	req->buf = buffer(r, i);
	req->done = done;
	req->opaque = r;
	if (req->op == MP_BLK_WRITE) {
		mp_put_le64(req->buf, r->next);
		mp_put_le64((uint8_t *)req->buf + MEDIUM_BLOCK_BYTES - 8, ~r->next);
	}
	mp_blk_submit(r->m.blk, req);
}

static void batch(struct run *r)
{
	r->n_done = 0;
	for (unsigned int i = 0; i < r->job->depth; i++)
		submit(r, i);
	while (r->n_done < r->job->depth)
		if (mp_blk_engine_poll(r->m.engine) == 0 && r->job->kind == MEDIUM_NBD)
			mp_blk_engine_wait(r->m.engine, UINT64_MAX);
}

static void measure(struct gb_state *s, struct run *r)
{
	uint64_t enters, requests;

	batch(r); /* warm up */
	enters = mp_blk_engine_n_enters(r->m.engine);
	requests = mp_blk_engine_n_requests(r->m.engine);
	while (gb_keep_running(s, r->job->depth))
		batch(r);
	enters = mp_blk_engine_n_enters(r->m.engine) - enters;
	requests = mp_blk_engine_n_requests(r->m.engine) - requests;
	if (r->job->kind == MEDIUM_URING && requests)
		gb_counter(s, "enters", (double)enters / (double)requests);
}

static void run(struct gb_state *s, void *opaque)
{
	const struct bench *b = opaque;
	struct run r = {.job = &b->job, .ok = true};
	size_t len = (size_t)MAX_DEPTH * MEDIUM_BLOCK_BYTES;
	char error[512] = "";

	r.pool = aligned_alloc(MEDIUM_BLOCK_BYTES, len);
	mp_assert(r.pool);
	memset(r.pool, 0, len);
	if (medium_init(&r.m, b->job.kind, r.pool, len, error) < 0) {
		/* The kernel may forbid io_uring: that is no fault of the benchmark. */
		b->program->failed |= b->job.kind != MEDIUM_URING;
		gb_fail(s, error);
	} else {
		measure(s, &r);
		medium_fini(&r.m);
		if (!r.ok) {
			b->program->failed = true;
			gb_fail(s, "a request failed or read another block");
		}
	}
	free(r.pool);
}

int main(int argc, char **argv)
{
	struct bench benches[N_JOBS];
	char name[64];
	struct program program;
	int r;

	r = program_begin("bench_blk", &argc, argv, &program);
	if (r != 0)
		return r;
	for (size_t i = 0; i < N_JOBS; i++) {
		benches[i] = (struct bench){jobs[i], &program};
		snprintf(name, sizeof(name), "blk/%s/%s/%u", medium_name(jobs[i].kind),
			 jobs[i].op == MP_BLK_READ ? "read" : "write", jobs[i].depth);
		gb_register(name, run, &benches[i]);
	}
	return program_end(&program);
}
