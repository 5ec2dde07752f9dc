/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A disk on a server that is killed at random and forgets, drops connections,
 * answers in any order, and fails now and then; against what must be readable.
 *
 * The model has for each sector the stamps that it may show. A write that ends
 * well leaves its own; writes that were under way together leave one of theirs,
 * always the same; a write that failed adds its own to what was there, and so
 * does a discard. After a flush that succeeded the server's medium, which is
 * what a killed server comes back with, has to show one of them too.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/bytes.h"
#include "base/clock.h"
#include "tests/lib/t.h"
#include "tests/unit/block/nbd_rig.h"

#define SECTOR      512u
#define N_SECTORS   512u
#define MAX_SECTORS 24u
#define N_REQS      24u
#define N_STEPS     40000u
#define MAX_STAMPS  32u

struct sector {
	uint64_t may[MAX_STAMPS];
	unsigned int n_may;
	/* Of the writes that are under way now, and those that were with them. */
	uint64_t group[MAX_STAMPS];
	unsigned int n_group, n_writing;
	bool keeps_old; /* one of the group failed, or may do nothing */
	bool in_doubt; /* one that failed may still go away */
	uint64_t changed_at; /* step number */
};

struct slot {
	struct mp_blk_req req;
	uint32_t first, n;
	uint64_t stamp, begun_at;
	uint8_t buf[MAX_SECTORS * SECTOR];
};

static struct {
	struct rig rig;
	struct sector sectors[N_SECTORS];
	struct slot slots[N_REQS];
	uint64_t seed, step, next_stamp;
	bool may_fail; /* the server has refused something */
	unsigned int n_done, n_failed, n_kills, n_drops, n_compared, n_flushes;
} x;

static uint32_t below(uint32_t n)
{
	return (uint32_t)(t_rand(&x.seed) % n);
}

static bool may_show(const struct sector *s, uint64_t stamp)
{
	for (unsigned int i = 0; i < s->n_may; i++)
		if (s->may[i] == stamp)
			return true;
	return false;
}

static void check_stamp(uint32_t at, uint64_t stamp, const char *where)
{
	const struct sector *s = &x.sectors[at];

	if (!may_show(s, stamp))
		t_fail(__FILE__, __LINE__,
		       "sector %u shows %llu %s; last written: %llu (step %llu)", at,
		       (unsigned long long)stamp, where, (unsigned long long)s->may[s->n_may - 1],
		       (unsigned long long)x.step);
}

static void add(uint64_t *stamps, unsigned int *n, uint64_t stamp)
{
	T_OK(*n < MAX_STAMPS);
	stamps[(*n)++] = stamp;
}

static bool is_change(enum mp_blk_op op)
{
	return op == MP_BLK_WRITE || op == MP_BLK_WRITE_ZEROES || op == MP_BLK_DISCARD;
}

static void begin_change(const struct slot *s)
{
	for (uint32_t i = s->first; i < s->first + s->n; i++)
		x.sectors[i].n_writing++;
}

static void close_group(struct sector *s)
{
	unsigned int n = s->keeps_old ? s->n_may : 0;

	if (n + s->n_group > MAX_STAMPS)
		t_skip("a sector may show more than %u stamps", MAX_STAMPS);
	memcpy(s->may + n, s->group, s->n_group * sizeof(s->group[0]));
	s->n_may = n + s->n_group;
	s->n_group = 0;
	s->keeps_old = false;
}

static void end_change(const struct slot *s)
{
	bool failed = s->req.result < 0;

	for (uint32_t i = s->first; i < s->first + s->n; i++) {
		struct sector *to = &x.sectors[i];

		add(to->group, &to->n_group, s->req.op == MP_BLK_WRITE ? s->stamp : 0);
		to->keeps_old |= failed || s->req.op == MP_BLK_DISCARD;
		if (!failed && s->req.op != MP_BLK_DISCARD && to->n_writing == 1 &&
		    to->n_group == 1)
			to->in_doubt = false;
		to->in_doubt |= failed;
		to->changed_at = x.step;
		if (--to->n_writing == 0)
			close_group(to);
	}
}

static void end_read(struct slot *s)
{
	for (uint32_t i = 0; i < s->n && s->req.result == 0; i++) {
		struct sector *sector = &x.sectors[s->first + i];
		uint64_t stamp = mp_get_le64(s->buf + (size_t)i * SECTOR);

		if (sector->n_writing > 0 || sector->changed_at >= s->begun_at)
			continue;
		x.n_compared++;
		check_stamp(s->first + i, stamp, "when read");
		if (sector->in_doubt)
			continue;
		sector->may[0] = stamp;
		sector->n_may = 1;
	}
}

/* What was acknowledged before the flush began, and not touched since, lies on the medium. */
static void end_flush(const struct slot *s)
{
	x.n_flushes++;
	for (uint32_t i = 0; i < N_SECTORS; i++)
		if (x.sectors[i].n_writing == 0 && x.sectors[i].changed_at < s->begun_at)
			check_stamp(i, mp_get_le64(x.rig.server.medium + (size_t)i * SECTOR),
				    "on the medium after a flush");
}

static void on_done(struct mp_blk_req *req)
{
	struct slot *s = req->opaque;

	x.n_done++;
	x.n_failed += req->result < 0;
	if (req->result != 0 && req->result != -ECANCELED && !x.may_fail)
		t_fail(__FILE__, __LINE__, "a request failed: %d", req->result);
	if (is_change(req->op))
		end_change(s);
	else if (req->op == MP_BLK_READ)
		end_read(s);
	else if (req->op == MP_BLK_FLUSH && req->result == 0)
		end_flush(s);
}

static void submit_one(void)
{
	static const enum mp_blk_op ops[] = {MP_BLK_READ,  MP_BLK_READ,         MP_BLK_READ,
					     MP_BLK_WRITE, MP_BLK_WRITE,        MP_BLK_WRITE,
					     MP_BLK_WRITE, MP_BLK_WRITE_ZEROES, MP_BLK_DISCARD};
	struct slot *s = &x.slots[below(N_REQS)];
	enum mp_blk_op op = below(40) == 0 ? MP_BLK_FLUSH : ops[below(9)];

	if (s->req.busy)
		return;
	s->n = op == MP_BLK_FLUSH ? 0 : 1 + below(MAX_SECTORS);
	s->first = below(N_SECTORS - s->n);
	s->stamp = ++x.next_stamp;
	s->begun_at = x.step;
	for (uint32_t i = 0; op == MP_BLK_WRITE && i < s->n * SECTOR; i += 8)
		mp_put_le64(s->buf + i, s->stamp);
	s->req = (struct mp_blk_req){.op = op,
				     .flags = below(5) == 0 ? MP_BLK_FUA | MP_BLK_UNMAP : 0,
				     .offset = op == MP_BLK_FLUSH ? 0 : (uint64_t)s->first * SECTOR,
				     .len = (uint64_t)s->n * SECTOR,
				     .buf = s->buf,
				     .done = on_done,
				     .opaque = s};
	if (is_change(op))
		begin_change(s);
	mp_blk_submit(x.rig.disk, &s->req);
}

/* A connection comes back some time after it went. */
static void reconnect_some(void)
{
	for (unsigned int i = 0; i < mp_blk_nbd_n_conns(x.rig.disk); i++)
		if ((x.rig.lost_conns & 1u << i) && below(4) == 0) {
			x.rig.lost_conns &= ~(1u << i);
			rig_reconnect(&x.rig, i);
		}
}

static void kill_server(void)
{
	x.n_kills++;
	fake_nbd_kill(&x.rig.server);
}

static void set_faults(bool on)
{
	x.may_fail |= on;
	x.rig.server.fail_write = on && below(2) ? 28 : 0;
	x.rig.server.fail_flush = on && below(2) ? 5 : 0;
}

static void step(bool faults)
{
	unsigned int dice = below(1000);

	x.step++;
	if (dice < 350)
		submit_one();
	else if (dice < 650)
		mp_blk_engine_poll(x.rig.engine);
	else if (dice < 950)
		fake_nbd_step(&x.rig.server);
	else if (dice < 970)
		reconnect_some();
	else if (dice < 980)
		mp_blk_cancel(&x.slots[below(N_REQS)].req);
	else if (dice < 984)
		kill_server();
	else if (dice < 988 && x.rig.server.conns[below(4)].fd >= 0)
		fake_nbd_drop(&x.rig.server, below(4));
	else if (dice < 994)
		mp_blk_engine_wait(x.rig.engine, 1000);
	else if (faults)
		set_faults(dice < 996);
}

static void drain(void)
{
	uint64_t until_ns = mp_clock_ns() + 20 * MP_NS_PER_SEC;

	x.rig.reconnects = true;
	for (unsigned int i = 0; i < mp_blk_nbd_n_conns(x.rig.disk); i++)
		if (x.rig.lost_conns & 1u << i)
			rig_reconnect(&x.rig, i);
	x.rig.lost_conns = 0;
	while (mp_blk_engine_n_inflight(x.rig.engine) > 0) {
		T_OK(mp_clock_ns() < until_ns);
		x.step++;
		rig_turn(&x.rig);
	}
}

static void run_alone(enum mp_blk_op op, uint32_t first, uint32_t n)
{
	struct slot *s = &x.slots[0];

	x.step++;
	s->first = first;
	s->n = n;
	s->begun_at = x.step;
	s->req = (struct mp_blk_req){.op = op,
				     .offset = (uint64_t)first * SECTOR,
				     .len = (uint64_t)n * SECTOR,
				     .buf = s->buf,
				     .done = on_done,
				     .opaque = s};
	mp_blk_submit(x.rig.disk, &s->req);
	drain();
}

/* In the end the server works: nothing is left that a flush can't bring to the medium. */
static void finish(void)
{
	set_faults(false);
	drain();
	run_alone(MP_BLK_FLUSH, 0, 0);
	T_EQ(x.slots[0].req.result, 0);
	for (uint32_t at = 0; at < N_SECTORS; at += 16)
		run_alone(MP_BLK_READ, at, 16);
	kill_server();
	for (uint32_t at = 0; at < N_SECTORS; at++)
		check_stamp(at, mp_get_le64(x.rig.server.medium + (size_t)at * SECTOR),
			    "in the end");
}

static void walk(struct rig_cfg cfg, bool faults)
{
	uint64_t seed = x.seed;

	memset(&x, 0, sizeof(x));
	x.seed = seed;
	cfg.server.bytes = N_SECTORS * SECTOR;
	cfg.how.discard = true;
	cfg.nbd.reconnect_ns = 1000 * MP_NS_PER_SEC;
	for (uint32_t i = 0; i < N_SECTORS; i++)
		x.sectors[i].n_may = 1;
	T_EQ(rig_open(&x.rig, &cfg), 0);
	x.rig.server.seed = t_rand(&x.seed) | 1;
	for (unsigned int i = 0; i < N_STEPS; i++)
		step(faults);
	finish();
	T_EQ(x.rig.server.n_overlaps, 0);
	T_OK(x.n_compared > 1000 && x.n_flushes > 10 && x.n_kills > 20);
	t_diag("%u requests, %u failed, %u kills, %u sectors compared, %u flushes", x.n_done,
	       x.n_failed, x.n_kills, x.n_compared, x.n_flushes);
	rig_close(&x.rig);
	x.seed = seed + 1;
}

#define LOG .nbd.unstable_bytes = 256 << 10

static void test_one_connection_loses_nothing(void)
{
	walk((struct rig_cfg){LOG}, false);
}

static void test_four_connections_lose_nothing(void)
{
	walk((struct rig_cfg){LOG, .n_conns = 4, .server.multi_conn = true}, false);
}

static void test_a_server_that_can_do_little_loses_nothing(void)
{
	walk((struct rig_cfg){LOG, .n_conns = 4,
			      .server = {.multi_conn = true,
					 .no_fua = true,
					 .no_zero = true,
					 .no_trim = true,
					 .no_structured = true}},
	     false);
}

static void test_a_large_log_that_is_rarely_flushed_loses_nothing(void)
{
	walk((struct rig_cfg){.nbd.unstable_bytes = 64 << 20}, false);
}

static void test_writing_through_loses_nothing(void)
{
	walk((struct rig_cfg){.n_conns = 2, .server.multi_conn = true}, false);
}

static void test_a_server_that_fails_now_and_then_loses_nothing_in_silence(void)
{
	walk((struct rig_cfg){LOG, .n_conns = 2, .server.multi_conn = true}, true);
}

int main(int argc, char **argv)
{
	static const struct t_test tests[] = {
		T_TEST(test_one_connection_loses_nothing),
		T_TEST(test_four_connections_lose_nothing),
		T_TEST(test_a_server_that_can_do_little_loses_nothing),
		T_TEST(test_a_large_log_that_is_rarely_flushed_loses_nothing),
		T_TEST(test_writing_through_loses_nothing),
		T_TEST(test_a_server_that_fails_now_and_then_loses_nothing_in_silence),
	};

	x.seed = t_seed(argc, argv);
	return t_run(tests, sizeof(tests) / sizeof(tests[0]), argc, argv);
}
