/* SPDX-License-Identifier: BSD-3-Clause */
/* The NBD disk when connections end, servers die and forget, or refuse what they had taken. */
#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/clock.h"
#include "tests/lib/t.h"
#include "tests/unit/block/nbd_rig.h"

#define NEVER_NS (1000 * MP_NS_PER_SEC)
#define SOON_NS  (MP_NS_PER_SEC / 50)
#define N        4096u

static struct rig x;
static uint8_t a[N], b[N], back[N];

static struct mp_blk_req write_req(const uint8_t *data, uint64_t at)
{
	union {
		const void *from;
		void *to;
	} buf = {.from = data}; /* a request's buffer serves reads too, hence not const */

	return (struct mp_blk_req){.op = MP_BLK_WRITE, .offset = at, .len = N, .buf = buf.to};
}

#define READ  ((struct mp_blk_req){.op = MP_BLK_READ, .len = N, .buf = back})
#define FLUSH ((struct mp_blk_req){.op = MP_BLK_FLUSH})

static void setup(struct rig_cfg cfg)
{
	memset(a, 0xaa, N);
	memset(b, 0xbb, N);
	memset(back, 0xee, N);
	if (!cfg.nbd.unstable_bytes)
		cfg.nbd.unstable_bytes = 1 << 20;
	if (!cfg.nbd.reconnect_ns)
		cfg.nbd.reconnect_ns = NEVER_NS;
	T_EQ(rig_open(&x, &cfg), 0);
}

/* A request that the server has and doesn't answer. */
static void submit_held(struct mp_blk_req *req, bool *done)
{
	x.server.hold = true;
	rig_submit(&x, req, done);
	rig_turn(&x);
	fake_nbd_step(&x.server);
	T_EQ(x.server.conns[0].n_pending, 1);
}

static void test_a_request_waits_for_the_next_connection(void)
{
	struct mp_blk_req req;
	bool done;

	setup((struct rig_cfg){0});
	memcpy(x.server.cache, a, N);
	req = READ;
	submit_held(&req, &done);
	fake_nbd_drop(&x.server, 0);
	x.server.hold = false;
	for (unsigned int i = 0; i < 10; i++)
		rig_turn(&x);
	T_OK(!done);
	T_EQ(x.n_lost, 1);
	T_EQ(mp_blk_nbd_n_ready(x.disk), 0);
	rig_reconnect(&x, 0);
	rig_turn_until(&x, &done);
	T_EQ(req.result, 0);
	T_MEM_EQ(back, a, N);
	T_EQ(mp_blk_nbd_n_ready(x.disk), 1);
	rig_close(&x);
}

static void test_one_of_two_connections_serves_both_ones_requests(void)
{
	struct mp_blk_req req;
	bool done;

	setup((struct rig_cfg){.n_conns = 2, .server.multi_conn = true});
	req = READ;
	submit_held(&req, &done);
	fake_nbd_drop(&x.server, 0);
	x.server.hold = false;
	rig_turn_until(&x, &done);
	T_EQ(req.result, 0);
	T_EQ(x.lost_conns, 1);
	T_EQ(mp_blk_nbd_n_ready(x.disk), 1);
	rig_close(&x);
}

static void test_waiting_ends_after_its_time(void)
{
	setup((struct rig_cfg){.nbd.reconnect_ns = SOON_NS});
	fake_nbd_drop(&x.server, 0);
	T_EQ(rig_run(&x, READ), -EIO);
	rig_reconnect(&x, 0);
	while (mp_blk_nbd_n_ready(x.disk) == 0)
		rig_turn(&x);
	T_EQ(rig_run(&x, READ), 0);
	rig_close(&x);
}

/* A server that dies of one request. */
static void test_waiting_ends_also_for_a_request_that_kills_each_server(void)
{
	struct mp_blk_req req;
	bool done;

	setup((struct rig_cfg){.nbd.reconnect_ns = SOON_NS, .reconnects = true});
	req = READ;
	x.server.hold = true;
	rig_submit(&x, &req, &done);
	while (!done) {
		rig_turn(&x);
		for (unsigned int i = 0; i < FAKE_NBD_MAX_CONNS; i++)
			if (x.server.conns[i].n_pending > 0)
				fake_nbd_drop(&x.server, i);
	}
	T_EQ(req.result, -EIO);
	rig_close(&x);
}

static void test_a_server_that_hangs_is_given_up(void)
{
	struct mp_blk_req req;
	bool done;

	setup((struct rig_cfg){.nbd.request_timeout_ns = SOON_NS});
	req = READ;
	submit_held(&req, &done);
	while (x.n_lost == 0)
		rig_turn(&x);
	T_OK(!done);
	x.server.hold = false;
	x.reconnects = true; /* a machine that is slow may take it for hung again */
	rig_reconnect(&x, 0);
	rig_turn_until(&x, &done);
	T_EQ(req.result, 0);
	rig_close(&x);
}

static void test_an_idle_sleep_ends_with_its_connection(void)
{
	setup((struct rig_cfg){0});
	mp_blk_engine_poll(x.engine);
	fake_nbd_drop(&x.server, 0);
	T_EQ(mp_blk_engine_wait(x.engine, 20 * MP_NS_PER_SEC), 0);
	mp_blk_engine_poll(x.engine);
	T_EQ(x.n_lost, 1);
	/* And the next isn't ended by what has been. */
	T_EQ(mp_blk_engine_wait(x.engine, 1000000), -ETIME);
	rig_close(&x);
}

static void test_what_waits_can_be_cancelled(void)
{
	struct mp_blk_req req;
	bool done;

	setup((struct rig_cfg){0});
	req = READ;
	submit_held(&req, &done);
	fake_nbd_drop(&x.server, 0);
	while (x.n_lost == 0)
		rig_turn(&x);
	mp_blk_cancel(&req);
	rig_turn_until(&x, &done);
	T_EQ(req.result, -ECANCELED);
	rig_close(&x);
}

static void test_a_server_that_changed_is_not_taken(void)
{
	setup((struct rig_cfg){.nbd.reconnect_ns = SOON_NS});
	fake_nbd_drop(&x.server, 0);
	T_EQ(rig_run(&x, READ), -EIO);
	x.server.cfg.read_only = true;
	x.n_lost = 0;
	rig_reconnect(&x, 0);
	while (x.n_lost == 0)
		rig_turn(&x);
	T_EQ(rig_run(&x, READ), -EIO);
	T_EQ(mp_blk_nbd_n_ready(x.disk), 0);
	rig_close(&x);
}

/* Used to go unnoticed for as long as somebody asked so often that the core never slept. */
static void test_who_asks_for_the_size_has_a_loss_seen_without_a_sleep(void)
{
	setup((struct rig_cfg){0});
	mp_blk_engine_poll(x.engine);
	fake_nbd_drop(&x.server, 0);
	mp_blk_engine_poll(x.engine);
	T_EQ(x.n_lost, 0);
	T_EQ(mp_blk_refresh_size(x.disk), 0);
	mp_blk_engine_poll(x.engine);
	T_EQ(x.n_lost, 1);
	rig_close(&x);
}

static void test_a_new_size_comes_with_a_new_connection(void)
{
	setup((struct rig_cfg){.server.bytes = 1 << 20});
	T_EQ(mp_blk_refresh_size(x.disk), 0);
	x.server.cfg.bytes = 1 << 19;
	rig_reconnect(&x, 0);
	T_EQ(rig_run(&x, READ), 0);
	T_EQ(x.n_lost, 0); /* we did that ourselves */
	T_EQ(mp_blk_refresh_size(x.disk), 1);
	T_EQ(mp_blk_size_bytes(x.disk), 1 << 19);
	rig_close(&x);
}

static void kill_and_reconnect(void)
{
	fake_nbd_kill(&x.server);
	rig_reconnect(&x, 0);
}

static void test_what_a_server_forgot_is_there_again(void)
{
	struct mp_blk_req zeroes = {.op = MP_BLK_WRITE_ZEROES, .offset = 512, .len = 512};

	setup((struct rig_cfg){0});
	T_EQ(rig_run(&x, write_req(a, 0)), 0);
	T_EQ(rig_run(&x, zeroes), 0);
	kill_and_reconnect();
	T_EQ(rig_run(&x, READ), 0);
	memset(a + 512, 0, 512);
	T_MEM_EQ(back, a, N);
	rig_close(&x);
}

static void test_what_was_flushed_is_not_written_again(void)
{
	setup((struct rig_cfg){0});
	T_EQ(rig_run(&x, write_req(a, 0)), 0);
	T_EQ(rig_run(&x, FLUSH), 0);
	T_EQ(rig_run(&x, write_req(b, N)), 0);
	kill_and_reconnect();
	T_EQ(rig_run(&x, READ), 0);
	T_EQ(x.server.n_writes, 3);
	T_MEM_EQ(back, a, N);
	rig_close(&x);
}

static void test_older_copies_do_not_undo_a_fua_write(void)
{
	struct mp_blk_req fua;

	setup((struct rig_cfg){0});
	T_EQ(rig_run(&x, write_req(a, 0)), 0);
	fua = write_req(b, 0);
	fua.flags = MP_BLK_FUA;
	T_EQ(rig_run(&x, fua), 0);
	kill_and_reconnect();
	T_EQ(rig_run(&x, READ), 0);
	T_MEM_EQ(back, b, N);
	rig_close(&x);
}

/* Room is made after a flush has said that there is none. */
static void test_what_a_server_refuses_to_take_again_is_no_lost_write(void)
{
	setup((struct rig_cfg){0});
	T_EQ(rig_run(&x, write_req(a, 0)), 0);
	x.server.fail_write = 28;
	kill_and_reconnect();
	T_EQ(rig_run(&x, READ), -ENOSPC);
	T_EQ(x.n_replay_failed, 1);
	T_EQ(x.replay_error, -ENOSPC);
	T_EQ(rig_run(&x, FLUSH), -ENOSPC);
	T_EQ(rig_run(&x, FLUSH), -ENOSPC);
	x.server.fail_write = 0;
	T_EQ(rig_run(&x, FLUSH), 0);
	T_EQ(rig_run(&x, READ), 0);
	T_MEM_EQ(back, a, N);
	T_MEM_EQ(x.server.medium, a, N);
	rig_close(&x);
}

static void test_a_new_write_makes_a_refused_one_moot(void)
{
	setup((struct rig_cfg){0});
	T_EQ(rig_run(&x, write_req(a, 0)), 0);
	x.server.fail_write = 28;
	kill_and_reconnect();
	T_EQ(rig_run(&x, READ), -ENOSPC);
	x.server.fail_write = 0;
	T_EQ(rig_run(&x, write_req(b, 0)), 0);
	T_EQ(rig_run(&x, READ), 0);
	T_MEM_EQ(back, b, N);
	T_EQ(rig_run(&x, FLUSH), 0);
	T_MEM_EQ(x.server.medium, b, N);
	rig_close(&x);
}

/* A kernel whose flush failed may have dropped the page: the second flush alone would succeed. */
static void test_after_a_failed_flush_all_is_written_again(void)
{
	setup((struct rig_cfg){0});
	T_EQ(rig_run(&x, write_req(a, 0)), 0);
	x.server.fail_flush = 5;
	T_EQ(rig_run(&x, FLUSH), -EIO);
	memset(x.server.cache, 0, N);
	x.server.fail_flush = 0;
	T_EQ(rig_run(&x, FLUSH), 0);
	T_MEM_EQ(x.server.medium, a, N);
	rig_close(&x);
}

static void test_a_log_that_is_half_full_is_flushed(void)
{
	setup((struct rig_cfg){.nbd.unstable_bytes = 256 << 10});
	for (unsigned int i = 0; i < 31; i++)
		T_EQ(rig_run(&x, write_req(a, i * N)), 0);
	T_EQ(x.server.n_flushes, 0);
	for (unsigned int i = 0; i < 200; i++)
		T_EQ(rig_run(&x, write_req(a, i * N)), 0);
	T_OK(x.server.n_flushes >= 6 && x.server.n_flushes <= 8);
	rig_close(&x);
}

static void test_writes_without_room_fail_as_the_flush_does(void)
{
	unsigned int n_ok = 0;
	int r;

	setup((struct rig_cfg){.nbd.unstable_bytes = 256 << 10});
	x.server.fail_flush = 28;
	while ((r = rig_run(&x, write_req(a, n_ok * N))) == 0)
		n_ok++;
	T_EQ(n_ok, 64);
	T_EQ(r, -ENOSPC);
	T_EQ(rig_run(&x, READ), 0);
	x.server.fail_flush = 0;
	T_EQ(rig_run(&x, write_req(a, n_ok * N)), 0);
	rig_close(&x);
}

/* It held the log's head when the connection went, and an answer that came before it. */
static void test_a_loss_in_the_middle_of_a_replay_begins_it_again(void)
{
	setup((struct rig_cfg){0});
	for (unsigned int i = 0; i < 100; i++)
		T_EQ(rig_run(&x, write_req(i % 2 ? a : b, (i % 7) * 512)), 0);
	T_EQ(rig_run(&x, READ), 0);
	memcpy(a, back, N);
	for (unsigned int i = 0; i < 20; i++) {
		kill_and_reconnect();
		for (unsigned int turn = 0; turn < i; turn++)
			rig_turn(&x);
	}
	T_EQ(rig_run(&x, READ), 0);
	T_MEM_EQ(back, a, N);
	T_EQ(rig_run(&x, FLUSH), 0);
	T_MEM_EQ(x.server.medium, a, N);
	T_EQ(x.server.n_overlaps, 0);
	rig_close(&x);
}

T_MAIN(T_TEST(test_a_request_waits_for_the_next_connection),
       T_TEST(test_one_of_two_connections_serves_both_ones_requests),
       T_TEST(test_waiting_ends_after_its_time),
       T_TEST(test_waiting_ends_also_for_a_request_that_kills_each_server),
       T_TEST(test_a_server_that_hangs_is_given_up),
       T_TEST(test_an_idle_sleep_ends_with_its_connection),
       T_TEST(test_who_asks_for_the_size_has_a_loss_seen_without_a_sleep),
       T_TEST(test_what_waits_can_be_cancelled), T_TEST(test_a_server_that_changed_is_not_taken),
       T_TEST(test_a_new_size_comes_with_a_new_connection),
       T_TEST(test_what_a_server_forgot_is_there_again),
       T_TEST(test_what_was_flushed_is_not_written_again),
       T_TEST(test_older_copies_do_not_undo_a_fua_write),
       T_TEST(test_what_a_server_refuses_to_take_again_is_no_lost_write),
       T_TEST(test_a_new_write_makes_a_refused_one_moot),
       T_TEST(test_after_a_failed_flush_all_is_written_again),
       T_TEST(test_a_log_that_is_half_full_is_flushed),
       T_TEST(test_writes_without_room_fail_as_the_flush_does),
       T_TEST(test_a_loss_in_the_middle_of_a_replay_begins_it_again))
