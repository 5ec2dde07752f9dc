/* SPDX-License-Identifier: BSD-3-Clause */
#include "tests/unit/block/nbd_rig.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>

#include "base/clock.h"
#include "tests/lib/t.h"

#define LIMIT_NS (20 * MP_NS_PER_SEC)

/* Opening blocks in the handshake, so the server needs a thread that long, and no longer. */
struct server_thread {
	struct fake_nbd *server;
	_Atomic bool stop;
	pthread_t id;
};

static void *serve(void *arg)
{
	struct server_thread *t = arg;

	/* Relaxed: nothing but the flag; joining orders the rest. */
	while (!atomic_load_explicit(&t->stop, memory_order_relaxed))
		fake_nbd_step(t->server);
	return NULL;
}

void rig_reconnect(struct rig *rig, unsigned int conn)
{
	T_EQ(mp_blk_nbd_reconnect_take(rig->disk, conn, fake_nbd_connect(&rig->server)), 0);
}

static void on_lost(void *opaque, unsigned int conn)
{
	struct rig *rig = opaque;

	rig->n_lost++;
	rig->lost_conns |= 1u << conn;
	if (rig->reconnects)
		rig_reconnect(rig, conn);
}

static void on_replay_failed(void *opaque, uint64_t offset, uint64_t len, int error)
{
	struct rig *rig = opaque;

	(void)offset;
	(void)len;
	rig->n_replay_failed++;
	rig->replay_error = error;
}

static int open_disk(struct rig *rig, const struct rig_cfg *cfg)
{
	struct server_thread t = {.server = &rig->server};
	struct mp_blk_open how = cfg->how;
	struct mp_blk_nbd nbd = cfg->nbd;
	int socks[MP_BLK_NBD_MAX_CONNS], r;

	nbd.n_socks = cfg->n_conns ? cfg->n_conns : 1;
	for (unsigned int i = 0; i < nbd.n_socks; i++)
		socks[i] = fake_nbd_connect(&rig->server);
	nbd.socks = socks;
	nbd.lost = on_lost;
	nbd.replay_failed = on_replay_failed;
	nbd.opaque = rig;
	how.driver = "nbd";
	how.filename = "nbd://test/disk";
	how.nbd = &nbd;
	T_EQ(pthread_create(&t.id, NULL, serve, &t), 0);
	r = mp_blk_open(rig->engine, &how, &rig->disk, rig->error, sizeof(rig->error));
	atomic_store_explicit(&t.stop, true, memory_order_relaxed);
	pthread_join(t.id, NULL);
	return r;
}

int rig_open(struct rig *rig, const struct rig_cfg *cfg)
{
	struct mp_blk_engine_cfg engine = {.aio = cfg->aio, .wake_fd = -1, .n_threads = 1};
	struct fake_nbd_cfg server = cfg->server;

	memset(rig, 0, sizeof(*rig));
	if (!server.bytes)
		server.bytes = RIG_BYTES;
	rig->reconnects = cfg->reconnects;
	if (mp_blk_engine_create(&engine, &rig->engine) < 0)
		t_skip("this kernel gives us no io_uring");
	fake_nbd_init(&rig->server, &server);
	return open_disk(rig, cfg);
}

void rig_close(struct rig *rig)
{
	rig->disk = mp_blk_close(rig->disk);
	rig->engine = mp_blk_engine_destroy(rig->engine);
	fake_nbd_fini(&rig->server);
}

void rig_turn(struct rig *rig)
{
	unsigned int n_done = mp_blk_engine_poll(rig->engine);

	/* A sleep with nobody to wake us: only as long as the disk's own deadlines ask for. */
	if (!fake_nbd_step(&rig->server) && n_done == 0)
		mp_blk_engine_wait(rig->engine, 1000000);
}

static void set_done(struct mp_blk_req *req)
{
	*(bool *)req->opaque = true;
}

void rig_submit(struct rig *rig, struct mp_blk_req *req, bool *ret_done)
{
	*ret_done = false;
	req->done = set_done;
	req->opaque = ret_done;
	mp_blk_submit(rig->disk, req);
}

void rig_turn_until(struct rig *rig, const bool *done)
{
	uint64_t until_ns = mp_clock_ns() + LIMIT_NS;

	while (!*done) {
		T_OK(mp_clock_ns() < until_ns);
		rig_turn(rig);
	}
}

int rig_run(struct rig *rig, struct mp_blk_req req)
{
	bool done;

	rig_submit(rig, &req, &done);
	T_OK(!done);
	rig_turn_until(rig, &done);
	return req.result;
}
