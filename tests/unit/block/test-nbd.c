/* SPDX-License-Identifier: BSD-3-Clause */
/* The NBD disk against a server that does as it is told: what each request becomes, what opening refuses. */
#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/clock.h"
#include "tests/lib/t.h"
#include "tests/unit/block/nbd_rig.h"

static struct rig x;
static uint8_t data[RIG_BYTES], back[RIG_BYTES];

#define WRITE_AT(at, n)                                                                            \
	((struct mp_blk_req){.op = MP_BLK_WRITE, .offset = (at), .len = (n), .buf = data + (at)})
#define READ_AT(at, n)                                                                             \
	((struct mp_blk_req){.op = MP_BLK_READ, .offset = (at), .len = (n), .buf = back + (at)})
#define FLUSH ((struct mp_blk_req){.op = MP_BLK_FLUSH})

static void fill(uint8_t seed)
{
	for (size_t i = 0; i < sizeof(data); i++)
		data[i] = (uint8_t)(seed + i * 31 + (i >> 9));
	memset(back, 0xee, sizeof(back));
}

static void setup(struct rig_cfg cfg)
{
	fill(1);
	if (!cfg.nbd.unstable_bytes)
		cfg.nbd.unstable_bytes = 1 << 20;
	T_EQ(rig_open(&x, &cfg), 0);
}

static void check_write_then_read(enum mp_blk_aio aio, unsigned int n_conns)
{
	setup((struct rig_cfg){.aio = aio, .n_conns = n_conns, .server.multi_conn = true});
	T_EQ(mp_blk_nbd_n_conns(x.disk), n_conns);
	T_EQ(mp_blk_size_bytes(x.disk), RIG_BYTES);
	T_EQ(rig_run(&x, WRITE_AT(4096, 8192)), 0);
	T_EQ(rig_run(&x, FLUSH), 0);
	T_EQ(x.server.n_flushes, 1);
	T_EQ(rig_run(&x, READ_AT(4096, 8192)), 0);
	T_MEM_EQ(back + 4096, data + 4096, 8192);
	T_EQ(mp_blk_engine_n_inflight(x.engine), 0);
	rig_close(&x);
}

static void test_reads_back_on_uring(void)
{
	check_write_then_read(MP_BLK_AIO_URING, 1);
}

static void test_reads_back_on_threads(void)
{
	check_write_then_read(MP_BLK_AIO_THREADS, 1);
}

static void test_reads_back_on_four_connections(void)
{
	check_write_then_read(MP_BLK_AIO_AUTO, 4);
}

static void test_connections_that_the_server_does_not_allow_are_closed(void)
{
	unsigned int n_open = 0;

	setup((struct rig_cfg){.n_conns = 4});
	T_EQ(mp_blk_nbd_n_conns(x.disk), 1);
	fake_nbd_step(&x.server);
	for (unsigned int i = 0; i < FAKE_NBD_MAX_CONNS; i++)
		n_open += x.server.conns[i].fd >= 0;
	T_EQ(n_open, 1);
	rig_close(&x);
}

/* Used to say that the server had closed the connection. */
static void test_a_connection_that_cannot_be_watched_says_so(void)
{
	struct mp_blk_watch *w, *watches[MP_BLK_MAX_WATCHES];
	struct mp_blk_open how = {.driver = "nbd", .filename = "nbd://other/disk"};
	struct mp_blk_nbd nbd = {.n_socks = 1};
	struct mp_blk *other;
	unsigned int n = 0;
	char error[512];
	int sock;

	setup((struct rig_cfg){.n_conns = 1});
	sock = fake_nbd_connect(&x.server);
	while (mp_blk_watch_open(x.engine, sock, &w) == 0)
		watches[n++] = w;
	nbd.socks = &sock;
	how.nbd = &nbd;
	T_EQ(mp_blk_open(x.engine, &how, &other, error, sizeof(error)), -EMFILE);
	T_STR_EQ(error, "cannot open nbd://other/disk: there are more connections than a worker "
			"can watch; --nbd-connections allows fewer");
	while (n > 0)
		mp_blk_watch_close(watches[--n]);
	rig_close(&x);
}

static void test_requests_spread_over_the_connections(void)
{
	struct mp_blk_req req[4];
	bool done[4];

	setup((struct rig_cfg){.n_conns = 4, .server.multi_conn = true});
	x.server.hold = true;
	for (unsigned int i = 0; i < 4; i++) {
		req[i] = READ_AT(i * 4096u, 4096);
		rig_submit(&x, &req[i], &done[i]);
	}
	rig_turn(&x);
	fake_nbd_step(&x.server);
	for (unsigned int i = 0; i < 4; i++)
		T_EQ(x.server.conns[i].n_pending, 1);
	x.server.hold = false;
	for (unsigned int i = 0; i < 4; i++)
		rig_turn_until(&x, &done[i]);
	rig_close(&x);
}

static void test_fua_is_passed_on(void)
{
	struct mp_blk_req req = WRITE_AT(0, 4096);

	setup((struct rig_cfg){0});
	req.flags = MP_BLK_FUA;
	T_EQ(rig_run(&x, req), 0);
	T_EQ(x.server.n_fua, 1);
	T_EQ(x.server.n_flushes, 0);
	T_MEM_EQ(x.server.medium, data, 4096);
	rig_close(&x);
}

static void test_fua_without_the_servers_is_a_write_and_a_flush(void)
{
	struct mp_blk_req req = WRITE_AT(0, 4096);

	setup((struct rig_cfg){.server.no_fua = true});
	req.flags = MP_BLK_FUA;
	T_EQ(rig_run(&x, req), 0);
	T_EQ(x.server.n_writes, 1);
	T_EQ(x.server.n_flushes, 1);
	T_MEM_EQ(x.server.medium, data, 4096);
	rig_close(&x);
}

static void test_nothing_is_flushed_where_the_server_can_not(void)
{
	setup((struct rig_cfg){.server.no_flush = true, .server.no_fua = true});
	T_EQ(rig_run(&x, WRITE_AT(0, 4096)), 0);
	T_EQ(rig_run(&x, FLUSH), 0);
	T_EQ(x.server.n_flushes, 0);
	rig_close(&x);
}

static void test_without_copies_each_write_is_fua(void)
{
	struct rig_cfg cfg = {0};

	fill(1);
	T_EQ(rig_open(&x, &cfg), 0);
	T_EQ(rig_run(&x, WRITE_AT(0, 4096)), 0);
	T_EQ(x.server.n_fua, 1);
	rig_close(&x);
}

static int discard(uint64_t offset, uint64_t len)
{
	return rig_run(&x, (struct mp_blk_req){.op = MP_BLK_DISCARD, .offset = offset, .len = len});
}

static void test_discard_is_a_trim(void)
{
	setup((struct rig_cfg){.how.discard = true});
	T_EQ(discard(4096, 4096), 0);
	T_EQ(x.server.n_trims, 1);
	rig_close(&x);
}

static void test_discard_is_nothing_unless_it_is_wanted_and_possible(void)
{
	setup((struct rig_cfg){0});
	T_EQ(discard(4096, 4096), 0);
	T_EQ(x.server.n_trims, 0);
	rig_close(&x);
	setup((struct rig_cfg){.how.discard = true, .server.no_trim = true});
	T_EQ(discard(4096, 4096), 0);
	T_EQ(x.server.n_trims, 0);
	rig_close(&x);
}

static void check_zeroes(struct rig_cfg cfg, unsigned int n_zeroes, unsigned int n_writes)
{
	static const uint8_t zeros[100 * 1024];
	struct mp_blk_req req = {.op = MP_BLK_WRITE_ZEROES, .offset = 512, .len = sizeof(zeros)};

	setup(cfg);
	T_EQ(rig_run(&x, WRITE_AT(0, 200 * 1024)), 0);
	x.server.fail_zero = cfg.server.no_cache ? 95 : 0; /* ENOTSUP, by NBD's number */
	T_EQ(rig_run(&x, req), 0);
	T_EQ(x.server.n_zeroes, n_zeroes);
	T_EQ(x.server.n_writes, 1 + n_writes);
	T_EQ(rig_run(&x, READ_AT(0, 200 * 1024)), 0);
	T_MEM_EQ(back, data, 512);
	T_MEM_EQ(back + 512, zeros, sizeof(zeros));
	T_MEM_EQ(back + 512 + sizeof(zeros), data + 512 + sizeof(zeros), 512);
	rig_close(&x);
}

static void test_zeroes_are_one_command(void)
{
	check_zeroes((struct rig_cfg){0}, 1, 0);
}

static void test_zeroes_that_the_server_does_not_know_are_written(void)
{
	check_zeroes((struct rig_cfg){.server.no_zero = true}, 0, 2);
}

static void test_zeroes_that_the_server_refuses_are_written(void)
{
	check_zeroes((struct rig_cfg){.server.no_cache = true}, 1, 2);
}

static void test_written_zeros_are_detected(void)
{
	setup((struct rig_cfg){.how.detect_zeroes = MP_BLK_DETECT_ON});
	memset(data, 0, 4096);
	T_EQ(rig_run(&x, WRITE_AT(0, 4096)), 0);
	T_EQ(rig_run(&x, WRITE_AT(4096, 4096)), 0);
	T_EQ(x.server.n_zeroes, 1);
	T_EQ(x.server.n_writes, 1);
	rig_close(&x);
}

static void test_prefetch_is_a_hint(void)
{
	struct mp_blk_req req = {.op = MP_BLK_PREFETCH, .len = 8192};

	setup((struct rig_cfg){0});
	T_EQ(rig_run(&x, req), 0);
	T_EQ(x.server.n_caches, 1);
	rig_close(&x);
	setup((struct rig_cfg){.server.no_cache = true});
	T_EQ(rig_run(&x, req), 0);
	T_EQ(x.server.n_caches, 0);
	rig_close(&x);
}

static struct mp_blk_extent status(uint64_t offset, uint64_t len)
{
	struct mp_blk_extent extent = {0};

	T_EQ(rig_run(&x,
		     (struct mp_blk_req){
			     .op = MP_BLK_STATUS, .offset = offset, .len = len, .buf = &extent}),
	     0);
	return extent;
}

static void test_status_shows_the_servers_holes(void)
{
	setup((struct rig_cfg){0});
	T_EQ(rig_run(&x, WRITE_AT(65536, 4096)), 0);
	T_OK(status(0, RIG_BYTES).is_hole);
	T_EQ(status(0, RIG_BYTES).len, 65536);
	T_OK(!status(65536, RIG_BYTES - 65536).is_hole);
	T_EQ(status(65536, RIG_BYTES - 65536).len, 4096);
	T_EQ(status(0, 4096).len, 4096);
	rig_close(&x);
}

static void test_status_is_all_data_where_the_server_can_not_tell(void)
{
	setup((struct rig_cfg){.server.no_structured = true});
	T_OK(!status(0, RIG_BYTES).is_hole);
	T_EQ(status(0, RIG_BYTES).len, RIG_BYTES);
	rig_close(&x);
}

static void test_requests_are_cut_to_the_servers_size(void)
{
	setup((struct rig_cfg){.server.least_bytes = 1,
			       .server.most_bytes = 1 << 20, /* less libnbd doesn't believe */
			       .nbd.unstable_bytes = 64 << 20});
	T_EQ(rig_run(&x, WRITE_AT(512, 3 << 20)), 0);
	T_EQ(rig_run(&x, READ_AT(512, 3 << 20)), 0);
	T_MEM_EQ(back + 512, data + 512, 3 << 20);
	T_EQ(x.server.largest_bytes, 1 << 20);
	T_EQ(x.server.n_writes, 3);
	rig_close(&x);
}

static void test_the_servers_smallest_block_is_the_disks(void)
{
	setup((struct rig_cfg){.server.least_bytes = 4096, .server.most_bytes = 1 << 20});
	T_EQ(mp_blk_block_bytes(x.disk), 4096);
	T_EQ(rig_run(&x, WRITE_AT(512, 512)), -EINVAL);
	T_EQ(rig_run(&x, WRITE_AT(4096, 4096)), 0);
	rig_close(&x);
}

static void check_refused(struct rig_cfg cfg, int error, const char *why)
{
	T_EQ(rig_open(&x, &cfg), error);
	if (!strstr(x.error, why) || !strstr(x.error, "nbd://test/disk"))
		t_fail(__FILE__, __LINE__, "the message is \"%s\"", x.error);
	rig_close(&x);
}

static void test_blocks_that_are_too_large_are_refused(void)
{
	check_refused((struct rig_cfg){.server.least_bytes = 65536, .server.most_bytes = 1 << 20},
		      -ENOTSUP, "larger than 4096");
}

static void test_a_wrong_name_is_named(void)
{
	check_refused((struct rig_cfg){.server.export_name = "right", .nbd.export_name = "wrong"},
		      -ECONNREFUSED, "nbdinfo --list");
	setup((struct rig_cfg){.server.export_name = "right", .nbd.export_name = "right"});
	rig_close(&x);
}

static void test_a_silent_server_is_given_up(void)
{
	struct rig_cfg cfg = {.nbd.connect_timeout_ns = MP_NS_PER_SEC / 50};
	struct mp_blk_engine_cfg engine = {.wake_fd = -1};
	struct fake_nbd_cfg server = {.bytes = RIG_BYTES};
	int sock;

	fake_nbd_init(&x.server, &server);
	sock = fake_nbd_connect(&x.server);
	cfg.how.driver = "nbd";
	cfg.how.nbd = &cfg.nbd;
	cfg.nbd.n_socks = 1;
	cfg.nbd.socks = &sock;
	T_EQ(mp_blk_engine_create(&engine, &x.engine), 0);
	x.disk = NULL;
	T_EQ(mp_blk_open(x.engine, &cfg.how, &x.disk, x.error, sizeof(x.error)), -ETIMEDOUT);
	rig_close(&x);
}

static void test_a_size_that_is_odd_is_rounded_down(void)
{
	setup((struct rig_cfg){.server.bytes = 100 * 512 + 311});
	T_EQ(mp_blk_size_bytes(x.disk), 100 * 512);
	T_EQ(rig_run(&x, READ_AT(99 * 512, 512)), 0);
	rig_close(&x);
	check_refused((struct rig_cfg){.server.bytes = 311}, -EINVAL, "smaller than one sector");
}

static void test_what_can_be_read_only_has_to_be_opened_so(void)
{
	check_refused((struct rig_cfg){.server.read_only = true}, -EROFS, "readonly=on");
	setup((struct rig_cfg){.server.read_only = true, .how.read_only = true});
	T_EQ(rig_run(&x, READ_AT(0, 4096)), 0);
	T_EQ(rig_run(&x, WRITE_AT(0, 4096)), -EROFS);
	T_EQ(x.server.n_writes, 0);
	rig_close(&x);
}

static void test_errors_are_the_servers(void)
{
	setup((struct rig_cfg){0});
	x.server.fail_write = 28;
	T_EQ(rig_run(&x, WRITE_AT(0, 4096)), -ENOSPC);
	x.server.fail_write = 5;
	T_EQ(rig_run(&x, WRITE_AT(0, 4096)), -EIO);
	x.server.fail_write = 1;
	T_EQ(rig_run(&x, WRITE_AT(0, 4096)), -EROFS);
	x.server.fail_read = 12;
	T_EQ(rig_run(&x, READ_AT(0, 4096)), -EIO);
	rig_close(&x);
}

static void test_writes_that_overlap_are_never_at_the_server_together(void)
{
	struct mp_blk_req req[40];
	bool done[40];

	setup((struct rig_cfg){.n_conns = 4, .server.multi_conn = true});
	x.server.seed = 7;
	for (unsigned int i = 0; i < 40; i++) {
		req[i] = WRITE_AT((i % 5) * 512u, 4096);
		rig_submit(&x, &req[i], &done[i]);
	}
	for (unsigned int i = 0; i < 40; i++)
		rig_turn_until(&x, &done[i]);
	T_EQ(x.server.n_writes, 40);
	T_EQ(x.server.n_overlaps, 0);
	rig_close(&x);
}

static void test_more_requests_than_commands_all_end(void)
{
	static struct mp_blk_req req[600];
	static bool done[600];

	setup((struct rig_cfg){0});
	for (unsigned int i = 0; i < 600; i++) {
		req[i] = READ_AT(i * 512u, 512);
		rig_submit(&x, &req[i], &done[i]);
	}
	for (unsigned int i = 0; i < 600; i++)
		rig_turn_until(&x, &done[i]);
	T_EQ(x.server.n_reads, 600);
	rig_close(&x);
}

T_MAIN(T_TEST(test_reads_back_on_uring), T_TEST(test_reads_back_on_threads),
       T_TEST(test_reads_back_on_four_connections),
       T_TEST(test_connections_that_the_server_does_not_allow_are_closed),
       T_TEST(test_a_connection_that_cannot_be_watched_says_so),
       T_TEST(test_requests_spread_over_the_connections), T_TEST(test_fua_is_passed_on),
       T_TEST(test_fua_without_the_servers_is_a_write_and_a_flush),
       T_TEST(test_nothing_is_flushed_where_the_server_can_not),
       T_TEST(test_without_copies_each_write_is_fua), T_TEST(test_discard_is_a_trim),
       T_TEST(test_discard_is_nothing_unless_it_is_wanted_and_possible),
       T_TEST(test_zeroes_are_one_command),
       T_TEST(test_zeroes_that_the_server_does_not_know_are_written),
       T_TEST(test_zeroes_that_the_server_refuses_are_written),
       T_TEST(test_written_zeros_are_detected), T_TEST(test_prefetch_is_a_hint),
       T_TEST(test_status_shows_the_servers_holes),
       T_TEST(test_status_is_all_data_where_the_server_can_not_tell),
       T_TEST(test_requests_are_cut_to_the_servers_size),
       T_TEST(test_the_servers_smallest_block_is_the_disks),
       T_TEST(test_blocks_that_are_too_large_are_refused), T_TEST(test_a_wrong_name_is_named),
       T_TEST(test_a_silent_server_is_given_up), T_TEST(test_a_size_that_is_odd_is_rounded_down),
       T_TEST(test_what_can_be_read_only_has_to_be_opened_so), T_TEST(test_errors_are_the_servers),
       T_TEST(test_writes_that_overlap_are_never_at_the_server_together),
       T_TEST(test_more_requests_than_commands_all_end))
