/* SPDX-License-Identifier: BSD-3-Clause */
/* What is counted of a disk's requests; how long they took is the machine's business. */
#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/clock.h"
#include "block/blk.h"
#include "tests/lib/t.h"

#define DISK_BYTES 65536u

static struct {
	struct mp_blk_engine *engine;
	struct mp_blk *disk;
	uint8_t buf[8192];
	char path[64];
} x;

static void setup(bool read_only)
{
	struct mp_blk_engine_cfg cfg = {.aio = MP_BLK_AIO_THREADS, .wake_fd = -1};
	struct mp_blk_open how = {.driver = "raw", .filename = x.path, .read_only = read_only};
	char error[512];
	int fd;

	strcpy(x.path, "/tmp/mpring-stats-XXXXXX");
	fd = mkstemp(x.path);
	T_OK(fd >= 0 && ftruncate(fd, DISK_BYTES) == 0);
	close(fd);
	T_EQ(mp_blk_engine_create(&cfg, &x.engine), 0);
	T_EQ(mp_blk_open(x.engine, &how, &x.disk, error, sizeof(error)), 0);
}

static void teardown(void)
{
	x.disk = mp_blk_close(x.disk);
	x.engine = mp_blk_engine_destroy(x.engine);
	unlink(x.path);
}

static void on_done(struct mp_blk_req *req)
{
	*(bool *)req->opaque = true;
}

static int run(enum mp_blk_op op, uint64_t offset, uint64_t len)
{
	bool is_done = false;
	struct mp_blk_req req = {.op = op,
				 .offset = offset,
				 .len = len,
				 .buf = x.buf,
				 .done = on_done,
				 .opaque = &is_done};

	mp_blk_submit(x.disk, &req);
	while (!is_done)
		if (mp_blk_engine_poll(x.engine) == 0)
			mp_blk_engine_wait(x.engine, MP_NS_PER_SEC);
	return req.result;
}

static const struct mp_blk_kind_stats *of(enum mp_blk_kind kind)
{
	return &mp_blk_stats(x.disk)->kind[kind];
}

static uint64_t n_in(const struct mp_hist *h)
{
	uint64_t n = 0;

	for (unsigned int i = 0; i < MP_HIST_BUCKETS; i++)
		n += mp_hist_get(h, i);
	return n;
}

static void test_each_kind_counts_its_operations_and_bytes(void)
{
	setup(false);
	T_EQ(run(MP_BLK_READ, 0, 4096), 0);
	T_EQ(run(MP_BLK_READ, 512, 512), 0);
	T_EQ(run(MP_BLK_WRITE, 8192, 1024), 0);
	T_EQ(run(MP_BLK_WRITE_ZEROES, 0, 2048), 0);
	T_EQ(run(MP_BLK_FLUSH, 0, 0), 0);
	T_EQ(run(MP_BLK_DISCARD, 0, 512), 0);
	T_EQ(mp_count_get(&of(MP_BLK_KIND_READ)->n_ops), 2);
	T_EQ(mp_count_get(&of(MP_BLK_KIND_READ)->n_bytes), 4608);
	T_EQ(mp_count_get(&of(MP_BLK_KIND_WRITE)->n_ops), 2);
	T_EQ(mp_count_get(&of(MP_BLK_KIND_WRITE)->n_bytes), 3072);
	T_EQ(mp_count_get(&of(MP_BLK_KIND_FLUSH)->n_ops), 1);
	T_EQ(mp_count_get(&of(MP_BLK_KIND_UNMAP)->n_ops), 1);
	T_EQ(mp_count_get(&of(MP_BLK_KIND_UNMAP)->n_bytes), 512);
	T_EQ(n_in(&of(MP_BLK_KIND_READ)->latency), 2);
	T_OK(mp_count_get(&of(MP_BLK_KIND_READ)->total_ns) > 0);
	T_EQ(mp_count_get(&mp_blk_stats(x.disk)->write_end), 9216);
	teardown();
}

static void test_hints_and_questions_count_nowhere(void)
{
	uint64_t ns;

	setup(false);
	T_EQ(run(MP_BLK_PREFETCH, 0, 4096), 0);
	T_EQ(run(MP_BLK_STATUS, 0, 4096), 0);
	for (unsigned int i = 0; i < MP_BLK_N_KINDS; i++)
		T_EQ(mp_count_get(&of(i)->n_ops), 0);
	T_OK(!mp_blk_idle_ns(x.disk, &ns));
	teardown();
}

static void test_what_is_refused_is_invalid_and_not_failed(void)
{
	uint64_t ns = UINT64_MAX;

	setup(true);
	T_EQ(run(MP_BLK_READ, DISK_BYTES, 512), -EINVAL);
	T_EQ(run(MP_BLK_WRITE, 0, 512), -EROFS);
	T_EQ(mp_count_get(&of(MP_BLK_KIND_READ)->n_invalid), 1);
	T_EQ(mp_count_get(&of(MP_BLK_KIND_WRITE)->n_invalid), 1);
	T_EQ(mp_count_get(&of(MP_BLK_KIND_READ)->n_failed), 0);
	T_EQ(mp_count_get(&of(MP_BLK_KIND_WRITE)->n_ops), 0);
	T_EQ(n_in(&of(MP_BLK_KIND_READ)->latency), 0);
	T_OK(mp_blk_idle_ns(x.disk, &ns));
	T_OK(ns < UINT64_MAX);
	teardown();
}

static void test_a_failure_takes_time_and_moves_no_bytes(void)
{
	setup(false);
	T_EQ(truncate(x.path, 512), 0);
	T_EQ(run(MP_BLK_READ, 4096, 4096), -EIO);
	T_EQ(mp_count_get(&of(MP_BLK_KIND_READ)->n_failed), 1);
	T_EQ(mp_count_get(&of(MP_BLK_KIND_READ)->n_ops), 0);
	T_EQ(mp_count_get(&of(MP_BLK_KIND_READ)->n_bytes), 0);
	T_EQ(n_in(&of(MP_BLK_KIND_READ)->latency), 1);
	teardown();
}

static void test_what_is_cancelled_counts_nowhere(void)
{
	bool is_done = false;
	struct mp_blk_req req = {
		.op = MP_BLK_READ, .len = 4096, .buf = x.buf, .done = on_done, .opaque = &is_done};

	setup(false);
	mp_blk_submit(x.disk, &req);
	mp_blk_cancel(&req); /* no poll has begun it */
	T_EQ(mp_blk_engine_poll(x.engine), 1);
	T_OK(is_done);
	T_EQ(req.result, -ECANCELED);
	T_EQ(mp_count_get(&of(MP_BLK_KIND_READ)->n_failed), 0);
	T_EQ(n_in(&of(MP_BLK_KIND_READ)->latency), 0);
	teardown();
}

T_MAIN(T_TEST(test_each_kind_counts_its_operations_and_bytes),
       T_TEST(test_hints_and_questions_count_nowhere),
       T_TEST(test_what_is_refused_is_invalid_and_not_failed),
       T_TEST(test_a_failure_takes_time_and_moves_no_bytes),
       T_TEST(test_what_is_cancelled_counts_nowhere))
