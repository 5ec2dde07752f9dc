/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Requests on a temporary file: each claim is checked with io_uring and with
 * threads, for both must behave alike.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "block/blk.h"
#include "tests/lib/t.h"

#define DISK_BYTES (1u << 20)
#define POOL_BYTES (1u << 16)

static struct {
	struct mp_blk_engine *engine;
	struct mp_blk *disk;
	uint8_t *pool;
	int wake_fd;
	char path[64];
	char error[512];
} x;

static void setup(enum mp_blk_aio aio, struct mp_blk_open how)
{
	struct mp_blk_engine_cfg cfg = {.aio = aio, .pool_len = POOL_BYTES, .entries = 8};
	int fd;

	x.wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	x.pool = mmap(NULL, POOL_BYTES, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	cfg.pool = x.pool;
	cfg.wake_fd = x.wake_fd;
	strcpy(x.path, "/tmp/mpring-blk-XXXXXX");
	fd = mkstemp(x.path);
	T_OK(fd >= 0);
	T_OK(ftruncate(fd, DISK_BYTES) == 0);
	close(fd);
	if (mp_blk_engine_create(&cfg, &x.engine) < 0) {
		unlink(x.path);
		t_skip("this kernel gives us no io_uring");
	}
	how.driver = "raw";
	how.filename = x.path;
	T_EQ(mp_blk_open(x.engine, &how, &x.disk, x.error, sizeof(x.error)), 0);
}

static void teardown(void)
{
	x.disk = mp_blk_close(x.disk);
	x.engine = mp_blk_engine_destroy(x.engine);
	munmap(x.pool, POOL_BYTES);
	close(x.wake_fd);
	unlink(x.path);
}

static void count_done(struct mp_blk_req *req)
{
	(*(unsigned int *)req->opaque)++;
}

static void wait_for(const unsigned int *n_done, unsigned int n)
{
	while (*n_done < n)
		if (mp_blk_engine_poll(x.engine) == 0)
			mp_blk_engine_wait(x.engine, MP_NS_PER_SEC);
}

static int run(enum mp_blk_op op, uint32_t flags, uint64_t offset, uint64_t len, void *buf)
{
	unsigned int n_done = 0;
	struct mp_blk_req req = {.op = op,
				 .flags = flags,
				 .offset = offset,
				 .len = len,
				 .buf = buf,
				 .done = count_done,
				 .opaque = &n_done};

	mp_blk_submit(x.disk, &req);
	T_EQ(n_done, 0);
	wait_for(&n_done, 1);
	T_EQ(n_done, 1);
	return req.result;
}

static void check_write_then_read(enum mp_blk_aio aio, void *buf)
{
	uint8_t back[8192];

	setup(aio, (struct mp_blk_open){0});
	if (!buf)
		buf = x.pool;
	memset(buf, 0xa5, 8192);
	T_EQ(run(MP_BLK_WRITE, MP_BLK_FUA, 4096, 8192, buf), 0);
	T_EQ(run(MP_BLK_FLUSH, 0, 0, 0, NULL), 0);
	memset(buf, 0, 8192);
	T_EQ(run(MP_BLK_READ, 0, 4096, 8192, buf), 0);
	memset(back, 0xa5, sizeof(back));
	T_MEM_EQ(buf, back, sizeof(back));
	T_EQ(mp_blk_engine_n_inflight(x.engine), 0);
	teardown();
}

static void test_uring_reads_back_through_the_pool(void)
{
	check_write_then_read(MP_BLK_AIO_URING, NULL);
}

static void test_uring_reads_back_outside_the_pool(void)
{
	uint8_t buf[8192];

	check_write_then_read(MP_BLK_AIO_URING, buf);
}

static void test_threads_read_back(void)
{
	check_write_then_read(MP_BLK_AIO_THREADS, NULL);
}

/* 64 KiB of data in the middle of a sparse file: hole, data, hole. */
static void check_status(enum mp_blk_aio aio)
{
	struct mp_blk_extent extent;

	setup(aio, (struct mp_blk_open){.discard = true});
	T_EQ(run(MP_BLK_WRITE, 0, 1 << 18, 1 << 16, x.pool), 0);
	T_EQ(run(MP_BLK_STATUS, 0, 0, DISK_BYTES, &extent), 0);
	if (!extent.is_hole) {
		teardown();
		t_skip("this file system shows no holes");
	}
	T_EQ(extent.len, 1 << 18);
	T_EQ(run(MP_BLK_STATUS, 0, 4096, 8192, &extent), 0);
	T_OK(extent.is_hole);
	T_EQ(extent.len, 8192);
	T_EQ(run(MP_BLK_STATUS, 0, (1 << 18) + 4096, DISK_BYTES / 2, &extent), 0);
	T_OK(!extent.is_hole);
	T_EQ(extent.len, (1 << 16) - 4096);
	T_EQ(run(MP_BLK_STATUS, 0, DISK_BYTES / 2, DISK_BYTES / 2, &extent), 0);
	T_OK(extent.is_hole);
	T_EQ(extent.len, DISK_BYTES / 2);
	T_EQ(run(MP_BLK_DISCARD, 0, 1 << 18, 1 << 16, NULL), 0);
	T_EQ(run(MP_BLK_STATUS, 0, 1 << 18, 1 << 16, &extent), 0);
	T_OK(extent.is_hole);
	teardown();
}

static void test_uring_status_tells_holes_from_data(void)
{
	check_status(MP_BLK_AIO_URING);
}

static void test_threads_status_tells_holes_from_data(void)
{
	check_status(MP_BLK_AIO_THREADS);
}

/* Nobody else may be asking: the sleep must end by this alone. */
static void test_uring_sleeps_until_a_status_is_there(void)
{
	struct mp_blk_extent extent = {0};
	unsigned int n_done = 0, n_waits = 0;
	struct mp_blk_req req = {.op = MP_BLK_STATUS,
				 .len = DISK_BYTES,
				 .buf = &extent,
				 .done = count_done,
				 .opaque = &n_done};

	setup(MP_BLK_AIO_URING, (struct mp_blk_open){.discard = true});
	mp_blk_submit(x.disk, &req);
	mp_blk_cancel(&req);
	mp_blk_engine_poll(x.engine);
	while (n_done == 0 && ++n_waits < 4) {
		T_EQ(mp_blk_engine_wait(x.engine, 10 * MP_NS_PER_SEC), 0);
		mp_blk_engine_poll(x.engine);
	}
	T_EQ(n_done, 1);
	T_EQ(req.result, 0);
	T_EQ(mp_blk_engine_n_inflight(x.engine), 0);
	teardown();
}

static void test_status_without_discard_is_all_data(void)
{
	struct mp_blk_extent extent;

	setup(MP_BLK_AIO_AUTO, (struct mp_blk_open){0});
	T_EQ(run(MP_BLK_STATUS, 0, 512, DISK_BYTES - 512, &extent), 0);
	T_OK(!extent.is_hole);
	T_EQ(extent.len, DISK_BYTES - 512);
	teardown();
}

static void check_detect(enum mp_blk_aio aio)
{
	struct mp_blk_extent extent;

	setup(aio, (struct mp_blk_open){.discard = true, .detect_zeroes = MP_BLK_DETECT_UNMAP});
	memset(x.pool, 0xee, POOL_BYTES);
	T_EQ(run(MP_BLK_WRITE, 0, 0, POOL_BYTES, x.pool), 0);
	memset(x.pool, 0, POOL_BYTES);
	T_EQ(run(MP_BLK_WRITE, MP_BLK_FUA, 4096, 8192, x.pool), 0);
	x.pool[1023] = 1; /* the last byte counts */
	T_EQ(run(MP_BLK_WRITE, 0, 32768, 1024, x.pool), 0);
	T_EQ(run(MP_BLK_STATUS, 0, 4096, 8192, &extent), 0);
	T_OK(extent.is_hole);
	T_EQ(extent.len, 8192);
	T_EQ(run(MP_BLK_READ, 0, 0, 512, x.pool), 0);
	T_EQ(x.pool[0], 0xee);
	T_EQ(run(MP_BLK_READ, 0, 4096, 512, x.pool), 0);
	T_EQ(x.pool[0], 0);
	T_EQ(run(MP_BLK_READ, 0, 32768, 1024, x.pool), 0);
	T_EQ(x.pool[1022], 0);
	T_EQ(x.pool[1023], 1);
	teardown();
}

static void test_uring_makes_holes_of_zeros_that_are_written(void)
{
	check_detect(MP_BLK_AIO_URING);
}

static void test_threads_make_holes_of_zeros_that_are_written(void)
{
	check_detect(MP_BLK_AIO_THREADS);
}

static void test_zeros_are_not_unmapped_without_discard(void)
{
	struct mp_blk_open how = {
		.driver = "raw",
		.filename = x.path,
		.no_lock = true,
		.detect_zeroes = MP_BLK_DETECT_UNMAP,
	};
	struct mp_blk *unused;

	setup(MP_BLK_AIO_AUTO, (struct mp_blk_open){0});
	T_EQ(mp_blk_open(x.engine, &how, &unused, x.error, sizeof(x.error)), -EINVAL);
	T_OK(strstr(x.error, "discard=unmap"));
	teardown();
}

/* LBPRZ leans on this: what was discarded is zeros, be it ever so small. */
static void check_small_discard(enum mp_blk_aio aio)
{
	static const uint8_t zeros[512];

	setup(aio, (struct mp_blk_open){.discard = true});
	memset(x.pool, 0xee, 8192);
	T_EQ(run(MP_BLK_WRITE, 0, 0, 8192, x.pool), 0);
	T_EQ(run(MP_BLK_DISCARD, 0, 1024, 512, NULL), 0);
	T_EQ(run(MP_BLK_READ, 0, 512, 1536, x.pool), 0);
	T_EQ(x.pool[511], 0xee);
	T_MEM_EQ(x.pool + 512, zeros, 512);
	T_EQ(x.pool[1024], 0xee);
	teardown();
}

static void test_uring_discards_less_than_a_page(void)
{
	check_small_discard(MP_BLK_AIO_URING);
}

static void test_threads_discard_less_than_a_page(void)
{
	check_small_discard(MP_BLK_AIO_THREADS);
}

static void check_prefetch(enum mp_blk_aio aio)
{
	setup(aio, (struct mp_blk_open){.read_only = true});
	T_OK(mp_blk_has_cache(x.disk));
	T_EQ(run(MP_BLK_PREFETCH, 0, 0, DISK_BYTES, NULL), 0);
	T_EQ(run(MP_BLK_PREFETCH, 0, 512, 0, NULL), 0);
	T_EQ(run(MP_BLK_PREFETCH, 0, DISK_BYTES, 512, NULL), -EINVAL);
	teardown();
}

static void test_uring_prefetches(void)
{
	check_prefetch(MP_BLK_AIO_URING);
}

static void test_threads_prefetch(void)
{
	check_prefetch(MP_BLK_AIO_THREADS);
}

static void test_size_follows_the_file_when_it_is_asked_for(void)
{
	setup(MP_BLK_AIO_AUTO, (struct mp_blk_open){0});
	T_EQ(mp_blk_refresh_size(x.disk), 0);
	T_OK(truncate(x.path, 2 * DISK_BYTES + 100) == 0);
	T_EQ(mp_blk_size_bytes(x.disk), DISK_BYTES);
	T_EQ(mp_blk_refresh_size(x.disk), 1);
	T_EQ(mp_blk_size_bytes(x.disk), 2 * DISK_BYTES + 512);
	T_EQ(run(MP_BLK_READ, 0, 2 * DISK_BYTES, 512, x.pool), 0);
	T_OK(truncate(x.path, 0) == 0);
	T_EQ(mp_blk_refresh_size(x.disk), -ENOMEDIUM);
	T_EQ(mp_blk_size_bytes(x.disk), 2 * DISK_BYTES + 512);
	T_EQ(run(MP_BLK_READ, 0, 4096, 512, x.pool), -EIO);
	teardown();
}

static off_t file_bytes(void)
{
	struct stat st;

	T_EQ(stat(x.path, &st), 0);
	return st.st_size;
}

static void test_a_disk_grows_and_shrinks(void)
{
	static const uint8_t zeros[512];

	setup(MP_BLK_AIO_AUTO, (struct mp_blk_open){0});
	memset(x.pool, 0x5a, 1024);
	T_EQ(run(MP_BLK_WRITE, 0, DISK_BYTES - 512, 512, x.pool), 0);
	T_EQ(mp_blk_truncate(x.path, 2 * DISK_BYTES), 0);
	T_EQ(mp_blk_refresh_size(x.disk), 1);
	T_EQ(mp_blk_size_bytes(x.disk), 2 * DISK_BYTES);
	T_EQ(file_bytes(), 2 * DISK_BYTES);
	T_EQ(run(MP_BLK_WRITE, 0, 2 * DISK_BYTES - 512, 512, x.pool), 0);
	T_EQ(mp_blk_truncate(x.path, DISK_BYTES / 2), 0);
	T_EQ(mp_blk_refresh_size(x.disk), 1);
	T_EQ(file_bytes(), DISK_BYTES / 2);
	T_EQ(run(MP_BLK_READ, 0, DISK_BYTES / 2, 512, x.pool), -EINVAL);
	T_EQ(mp_blk_truncate(x.path, DISK_BYTES), 0);
	T_EQ(mp_blk_refresh_size(x.disk), 1);
	T_EQ(run(MP_BLK_READ, 0, DISK_BYTES - 512, 512, x.pool), 0);
	T_MEM_EQ(x.pool, zeros, 512);
	teardown();
}

static void test_a_size_that_cannot_be_changes_nothing(void)
{
	setup(MP_BLK_AIO_AUTO, (struct mp_blk_open){0});
	T_EQ(mp_blk_truncate(x.path, 0), -EINVAL);
	T_EQ(mp_blk_truncate(x.path, UINT64_MAX), -EINVAL);
	T_EQ(mp_blk_truncate("/dev/null", DISK_BYTES), -ENOTSUP);
	T_EQ(mp_blk_truncate("/dev/null/none", DISK_BYTES), -ENOTDIR);
	T_EQ(file_bytes(), DISK_BYTES);
	teardown();
}

static void test_what_is_to_go_is_out_of_reach_before_it_goes(void)
{
	setup(MP_BLK_AIO_AUTO, (struct mp_blk_open){0});
	mp_blk_cap(x.disk, DISK_BYTES / 2);
	T_EQ(mp_blk_refresh_size(x.disk), 1);
	T_EQ(mp_blk_size_bytes(x.disk), DISK_BYTES / 2);
	T_EQ(run(MP_BLK_WRITE, 0, DISK_BYTES / 2, 512, x.pool), -EINVAL);
	mp_blk_cap(x.disk, 2 * DISK_BYTES);
	T_EQ(mp_blk_refresh_size(x.disk), 1);
	T_EQ(mp_blk_size_bytes(x.disk), DISK_BYTES);
	mp_blk_cap(x.disk, 512);
	mp_blk_cap(x.disk, 0);
	T_EQ(mp_blk_refresh_size(x.disk), 0);
	teardown();
}

static void check_bad_requests(enum mp_blk_aio aio)
{
	setup(aio, (struct mp_blk_open){0});
	T_EQ(run(MP_BLK_READ, 0, 100, 512, x.pool), -EINVAL);
	T_EQ(run(MP_BLK_READ, 0, 0, 100, x.pool), -EINVAL);
	T_EQ(run(MP_BLK_READ, 0, DISK_BYTES, 512, x.pool), -EINVAL);
	T_EQ(run(MP_BLK_READ, 0, UINT64_MAX - 511, 1024, x.pool), -EINVAL);
	T_EQ(run((enum mp_blk_op)99, 0, 0, 512, x.pool), -EINVAL);
	T_EQ(run(MP_BLK_READ, 0, DISK_BYTES - 512, 512, x.pool), 0);
	teardown();
}

static void test_uring_refuses_bad_requests_at_the_next_poll(void)
{
	check_bad_requests(MP_BLK_AIO_URING);
}

static void test_threads_refuse_bad_requests_at_the_next_poll(void)
{
	check_bad_requests(MP_BLK_AIO_THREADS);
}

static void test_read_only_disk_refuses_writes(void)
{
	setup(MP_BLK_AIO_AUTO, (struct mp_blk_open){.read_only = true});
	T_EQ(run(MP_BLK_WRITE, 0, 0, 512, x.pool), -EROFS);
	T_EQ(run(MP_BLK_DISCARD, 0, 0, 512, NULL), -EROFS);
	T_EQ(run(MP_BLK_READ, 0, 0, 512, x.pool), 0);
	T_EQ(run(MP_BLK_FLUSH, 0, 0, 0, NULL), 0);
	teardown();
}

static uint64_t allocated_bytes(void)
{
	struct stat st;

	T_OK(stat(x.path, &st) == 0);
	return (uint64_t)st.st_blocks * 512;
}

static void check_zeroes(enum mp_blk_aio aio)
{
	static const uint8_t zeros[POOL_BYTES];

	setup(aio, (struct mp_blk_open){.discard = true});
	memset(x.pool, 0xff, POOL_BYTES);
	T_EQ(run(MP_BLK_WRITE, 0, 0, POOL_BYTES, x.pool), 0);
	T_EQ(run(MP_BLK_WRITE_ZEROES, MP_BLK_FUA, 512, POOL_BYTES / 2, NULL), 0);
	T_EQ(run(MP_BLK_READ, 0, 512, POOL_BYTES / 2, x.pool), 0);
	T_MEM_EQ(x.pool, zeros, POOL_BYTES / 2);
	T_EQ(run(MP_BLK_READ, 0, 512 + POOL_BYTES / 2, 512, x.pool), 0);
	T_EQ(x.pool[0], 0xff);
	T_EQ(run(MP_BLK_WRITE_ZEROES, MP_BLK_UNMAP, 0, POOL_BYTES, NULL), 0);
	T_EQ(run(MP_BLK_READ, 0, 0, POOL_BYTES, x.pool), 0);
	T_MEM_EQ(x.pool, zeros, POOL_BYTES);
	teardown();
}

static void test_uring_write_zeroes_covers_exactly_its_range(void)
{
	check_zeroes(MP_BLK_AIO_URING);
}

static void test_threads_write_zeroes_covers_exactly_its_range(void)
{
	check_zeroes(MP_BLK_AIO_THREADS);
}

static void test_discard_gives_space_back_only_when_asked_to(void)
{
	setup(MP_BLK_AIO_AUTO, (struct mp_blk_open){.discard = true});
	memset(x.pool, 0xff, POOL_BYTES);
	T_EQ(run(MP_BLK_WRITE, MP_BLK_FUA, 0, POOL_BYTES, x.pool), 0);
	T_OK(allocated_bytes() >= POOL_BYTES);
	T_EQ(run(MP_BLK_DISCARD, 0, 0, POOL_BYTES, NULL), 0);
	T_EQ(allocated_bytes(), 0);
	T_OK(mp_blk_can_discard(x.disk));
	teardown();
	setup(MP_BLK_AIO_AUTO, (struct mp_blk_open){.discard = false});
	T_EQ(run(MP_BLK_WRITE, MP_BLK_FUA, 0, POOL_BYTES, x.pool), 0);
	T_EQ(run(MP_BLK_DISCARD, 0, 0, POOL_BYTES, NULL), 0);
	T_OK(allocated_bytes() >= POOL_BYTES);
	T_OK(!mp_blk_can_discard(x.disk));
	teardown();
}

/* 8 submission entries, 100 requests: the rest must wait, in order, not fail. */
static void check_many(enum mp_blk_aio aio)
{
	struct mp_blk_req reqs[100];
	unsigned int n_done = 0;

	setup(aio, (struct mp_blk_open){0});
	memset(reqs, 0, sizeof(reqs));
	for (unsigned int i = 0; i < 100; i++) {
		reqs[i] = (struct mp_blk_req){.op = MP_BLK_READ,
					      .offset = i * 512,
					      .len = 512,
					      .buf = x.pool + i * 512,
					      .done = count_done,
					      .opaque = &n_done};
		mp_blk_submit(x.disk, &reqs[i]);
	}
	T_EQ(mp_blk_engine_n_inflight(x.engine), 100);
	wait_for(&n_done, 100);
	T_EQ(n_done, 100);
	T_EQ(mp_blk_engine_n_requests(x.engine), 100);
	teardown();
}

static void test_uring_takes_more_than_its_queue_holds(void)
{
	check_many(MP_BLK_AIO_URING);
}

static void test_threads_take_more_than_there_are_threads(void)
{
	check_many(MP_BLK_AIO_THREADS);
}

static void check_cancel(enum mp_blk_aio aio)
{
	struct mp_blk_req reqs[32];
	unsigned int n_done = 0, n_canceled = 0;

	setup(aio, (struct mp_blk_open){0});
	memset(reqs, 0, sizeof(reqs));
	for (unsigned int i = 0; i < 32; i++) {
		reqs[i] = (struct mp_blk_req){.op = MP_BLK_READ,
					      .len = 512,
					      .buf = x.pool,
					      .done = count_done,
					      .opaque = &n_done};
		mp_blk_submit(x.disk, &reqs[i]);
	}
	for (unsigned int i = 0; i < 32; i++)
		mp_blk_cancel(&reqs[i]);
	wait_for(&n_done, 32);
	for (unsigned int i = 0; i < 32; i++) {
		T_OK(reqs[i].result == 0 || reqs[i].result == -ECANCELED);
		n_canceled += reqs[i].result == -ECANCELED;
	}
	T_EQ(n_done, 32);
	T_OK(n_canceled > 0);
	mp_blk_cancel(&reqs[0]); /* ended: nothing happens */
	T_EQ(mp_blk_engine_poll(x.engine), 0);
	teardown();
}

static void test_uring_cancel_ends_each_request_once(void)
{
	check_cancel(MP_BLK_AIO_URING);
}

static void test_threads_cancel_ends_each_request_once(void)
{
	check_cancel(MP_BLK_AIO_THREADS);
}

static void test_idle_poll_makes_no_system_call(void)
{
	uint64_t n_enters;

	setup(MP_BLK_AIO_URING, (struct mp_blk_open){0});
	T_EQ(run(MP_BLK_READ, 0, 0, 512, x.pool), 0);
	n_enters = mp_blk_engine_n_enters(x.engine);
	for (int i = 0; i < 1000; i++)
		T_EQ(mp_blk_engine_poll(x.engine), 0);
	T_EQ(mp_blk_engine_n_enters(x.engine), n_enters);
	teardown();
}

static void test_a_batch_is_one_system_call(void)
{
	struct mp_blk_req reqs[8];
	unsigned int n_done = 0;

	setup(MP_BLK_AIO_URING, (struct mp_blk_open){0});
	memset(reqs, 0, sizeof(reqs));
	for (unsigned int i = 0; i < 8; i++) {
		reqs[i] = (struct mp_blk_req){.op = MP_BLK_READ,
					      .len = 512,
					      .buf = x.pool,
					      .done = count_done,
					      .opaque = &n_done};
		mp_blk_submit(x.disk, &reqs[i]);
	}
	T_EQ(mp_blk_engine_n_enters(x.engine), 0);
	mp_blk_engine_poll(x.engine);
	T_EQ(mp_blk_engine_n_enters(x.engine), 1);
	wait_for(&n_done, 8);
	teardown();
}

static void check_wait(enum mp_blk_aio aio)
{
	eventfd_t count;
	uint64_t before;

	setup(aio, (struct mp_blk_open){0});
	before = mp_clock_ns();
	T_EQ(mp_blk_engine_wait(x.engine, 2000000), -ETIME);
	T_OK(mp_clock_ns() - before >= 2000000);
	for (int i = 0; i < 3; i++) {
		T_EQ(eventfd_write(x.wake_fd, 1), 0);
		T_EQ(mp_blk_engine_wait(x.engine, UINT64_MAX), 0);
		mp_blk_engine_poll(x.engine);
		/* The count was taken: nothing is left to read. */
		T_OK(eventfd_read(x.wake_fd, &count) < 0);
	}
	T_EQ(mp_blk_engine_wait(x.engine, 1000000), -ETIME);
	teardown();
}

static void test_uring_wait_ends_by_bell_or_deadline(void)
{
	check_wait(MP_BLK_AIO_URING);
}

static void test_threads_wait_ends_by_bell_or_deadline(void)
{
	check_wait(MP_BLK_AIO_THREADS);
}

static void test_shrunk_file_is_an_io_error(void)
{
	setup(MP_BLK_AIO_AUTO, (struct mp_blk_open){0});
	T_OK(truncate(x.path, 4096) == 0);
	T_EQ(run(MP_BLK_READ, 0, 0, 8192, x.pool), -EIO);
	T_EQ(run(MP_BLK_READ, 0, 0, 4096, x.pool), 0);
	teardown();
}

static void test_direct_io_works_or_says_why_not(void)
{
	struct mp_blk_open how = {.driver = "raw", .cache_direct = true};
	struct mp_blk *b;
	int r;

	setup(MP_BLK_AIO_AUTO, (struct mp_blk_open){0});
	x.disk = mp_blk_close(x.disk);
	how.filename = x.path;
	r = mp_blk_open(x.engine, &how, &b, x.error, sizeof(x.error));
	if (r == 0) {
		x.disk = b;
		T_EQ(run(MP_BLK_WRITE, 0, 0, 4096, x.pool), 0);
		T_EQ(run(MP_BLK_READ, 0, 0, 4096, x.pool), 0);
	} else {
		T_EQ(r, -EINVAL);
		T_OK(strstr(x.error, "cache=writeback"));
	}
	teardown();
}

/* 1000 bytes, all of them set. */
static int open_within_a_sector(enum mp_blk_aio aio, bool direct)
{
	struct mp_blk_open how = {
		.driver = "raw", .filename = x.path, .cache_direct = direct, .discard = true};
	int r;

	setup(aio, (struct mp_blk_open){0});
	memset(x.pool, 0x5a, 4096);
	T_EQ(run(MP_BLK_WRITE, 0, 0, 4096, x.pool), 0);
	x.disk = mp_blk_close(x.disk);
	T_OK(truncate(x.path, 1000) == 0);
	r = mp_blk_open(x.engine, &how, &x.disk, x.error, sizeof(x.error));
	x.disk = r < 0 ? NULL : x.disk;
	return r;
}

static void check_end_within_a_sector(enum mp_blk_aio aio, bool direct)
{
	static const uint8_t zeros[24];
	uint64_t block, bytes;

	if (open_within_a_sector(aio, direct) < 0) {
		T_OK(direct); /* a file system without O_DIRECT */
		teardown();
		return;
	}
	block = mp_blk_block_bytes(x.disk);
	bytes = mp_blk_size_bytes(x.disk);
	T_EQ(bytes, block == 512 ? 1024 : 4096);
	memset(x.pool, 0xff, 8192);
	T_EQ(run(MP_BLK_READ, 0, 0, bytes, x.pool), 0);
	T_EQ(x.pool[0], 0x5a);
	T_EQ(x.pool[999], 0x5a);
	T_MEM_EQ(x.pool + 1000, zeros, 24);
	T_EQ(x.pool[bytes], 0xff);
	T_EQ(file_bytes(), 1000);
	T_EQ(run(MP_BLK_WRITE, 0, bytes - block, block, x.pool), 0);
	T_EQ(file_bytes(), (off_t)bytes);
	T_EQ(mp_blk_refresh_size(x.disk), 0);
	teardown();
}

static void test_a_file_may_end_within_a_sector(void)
{
	check_end_within_a_sector(MP_BLK_AIO_URING, false);
	check_end_within_a_sector(MP_BLK_AIO_URING, true);
	check_end_within_a_sector(MP_BLK_AIO_THREADS, false);
	check_end_within_a_sector(MP_BLK_AIO_THREADS, true);
}

static void test_extents_of_a_file_end_with_a_sector(void)
{
	struct mp_blk_extent extent = {0};

	T_EQ(open_within_a_sector(MP_BLK_AIO_AUTO, false), 0);
	T_EQ(run(MP_BLK_STATUS, 0, 512, 512, &extent), 0);
	T_EQ(extent.len, 512);
	T_OK(!extent.is_hole);
	teardown();
}

/* A sector that has gone is no end within one. */
static void test_a_file_that_lost_its_last_sector_is_an_error(void)
{
	T_EQ(open_within_a_sector(MP_BLK_AIO_AUTO, false), 0);
	T_OK(truncate(x.path, 512) == 0);
	T_EQ(run(MP_BLK_READ, 0, 0, 1024, x.pool), -EIO);
	T_OK(truncate(x.path, 300) == 0);
	T_EQ(run(MP_BLK_READ, 0, 0, 1024, x.pool), -EIO);
	teardown();
}

static void refuse(struct mp_blk_open how, int r, const char *text)
{
	struct mp_blk *b;

	T_EQ(mp_blk_open(x.engine, &how, &b, x.error, sizeof(x.error)), r);
	T_STR_EQ(x.error, text);
}

static void test_open_errors_are_sentences(void)
{
	setup(MP_BLK_AIO_AUTO, (struct mp_blk_open){0});
	refuse((struct mp_blk_open){.driver = "raw", .filename = "/nonexistent/disk"}, -ENOENT,
	       "cannot open /nonexistent/disk: No such file or directory; check the path, or "
	       "create it with qemu-img create -f raw FILE SIZE");
	refuse((struct mp_blk_open){.driver = "raw", .filename = "nbd:host:10809"}, -ENOENT,
	       "cannot open nbd:host:10809: No such file or directory; only files and block "
	       "devices can be; qemu-nbd makes a block device of what QEMU can open");
	refuse((struct mp_blk_open){.driver = "raw", .filename = "/tmp", .read_only = true},
	       -EINVAL, "cannot open /tmp: Invalid argument; give a file or a block device");
	refuse((struct mp_blk_open){.driver = "raw"}, -EINVAL, "a raw disk needs a file name");
	refuse((struct mp_blk_open){.driver = "qcow2"}, -EINVAL,
	       "unknown block driver \"qcow2\"; valid: raw, null, nbd");
	refuse((struct mp_blk_open){.driver = "null"}, -EINVAL,
	       "a null disk needs a size of at least 512 bytes");
	teardown();
}

static void test_null_disk_reads_zeros_at_the_next_poll(void)
{
	struct mp_blk_open how = {.driver = "null", .size_bytes = 1ull << 40};

	setup(MP_BLK_AIO_AUTO, (struct mp_blk_open){0});
	x.disk = mp_blk_close(x.disk);
	T_EQ(mp_blk_open(x.engine, &how, &x.disk, x.error, sizeof(x.error)), 0);
	T_EQ(mp_blk_size_bytes(x.disk), 1ull << 40);
	x.pool[0] = 1;
	T_EQ(run(MP_BLK_READ, 0, (1ull << 40) - 512, 512, x.pool), 0);
	T_EQ(x.pool[0], 0);
	T_EQ(run(MP_BLK_WRITE, MP_BLK_FUA, 0, 512, x.pool), 0);
	T_EQ(run(MP_BLK_FLUSH, 0, 0, 0, NULL), 0);
	T_EQ(mp_blk_engine_n_enters(x.engine), 0);
	teardown();
}

static void test_destroy_waits_for_what_is_in_flight(void)
{
	unsigned int n_done = 0;
	struct mp_blk_req req = {.op = MP_BLK_READ, .len = 512, .done = count_done};

	setup(MP_BLK_AIO_AUTO, (struct mp_blk_open){0});
	req.buf = x.pool;
	req.opaque = &n_done;
	mp_blk_submit(x.disk, &req);
	x.engine = mp_blk_engine_destroy(x.engine);
	T_EQ(n_done, 1);
	munmap(x.pool, POOL_BYTES);
	unlink(x.path);
	/* The disk outlives its engine only here: give its memory back by hand. */
	free(x.disk);
	x.disk = NULL;
	close(x.wake_fd);
}

T_MAIN(T_TEST(test_uring_discards_less_than_a_page), T_TEST(test_threads_discard_less_than_a_page),
       T_TEST(test_uring_makes_holes_of_zeros_that_are_written),
       T_TEST(test_threads_make_holes_of_zeros_that_are_written),
       T_TEST(test_zeros_are_not_unmapped_without_discard),
       T_TEST(test_uring_status_tells_holes_from_data),
       T_TEST(test_threads_status_tells_holes_from_data),
       T_TEST(test_uring_sleeps_until_a_status_is_there),
       T_TEST(test_status_without_discard_is_all_data), T_TEST(test_uring_prefetches),
       T_TEST(test_threads_prefetch), T_TEST(test_size_follows_the_file_when_it_is_asked_for),
       T_TEST(test_a_disk_grows_and_shrinks), T_TEST(test_a_size_that_cannot_be_changes_nothing),
       T_TEST(test_what_is_to_go_is_out_of_reach_before_it_goes),
       T_TEST(test_uring_reads_back_through_the_pool),
       T_TEST(test_uring_reads_back_outside_the_pool), T_TEST(test_threads_read_back),
       T_TEST(test_uring_refuses_bad_requests_at_the_next_poll),
       T_TEST(test_threads_refuse_bad_requests_at_the_next_poll),
       T_TEST(test_read_only_disk_refuses_writes),
       T_TEST(test_uring_write_zeroes_covers_exactly_its_range),
       T_TEST(test_threads_write_zeroes_covers_exactly_its_range),
       T_TEST(test_discard_gives_space_back_only_when_asked_to),
       T_TEST(test_uring_takes_more_than_its_queue_holds),
       T_TEST(test_threads_take_more_than_there_are_threads),
       T_TEST(test_uring_cancel_ends_each_request_once),
       T_TEST(test_threads_cancel_ends_each_request_once),
       T_TEST(test_idle_poll_makes_no_system_call), T_TEST(test_a_batch_is_one_system_call),
       T_TEST(test_uring_wait_ends_by_bell_or_deadline),
       T_TEST(test_threads_wait_ends_by_bell_or_deadline), T_TEST(test_shrunk_file_is_an_io_error),
       T_TEST(test_direct_io_works_or_says_why_not), T_TEST(test_a_file_may_end_within_a_sector),
       T_TEST(test_extents_of_a_file_end_with_a_sector),
       T_TEST(test_a_file_that_lost_its_last_sector_is_an_error),
       T_TEST(test_open_errors_are_sentences), T_TEST(test_null_disk_reads_zeros_at_the_next_poll),
       T_TEST(test_destroy_waits_for_what_is_in_flight))
