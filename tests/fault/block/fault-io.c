/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Kernels and file systems that do less than they could: short transfers,
 * interruptions, no way to punch holes, no io_uring. Through the threads
 * engine, where the calls can be intercepted; what they mean is decided in
 * code that both engines share.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/falloc.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <sys/uio.h>
#include <unistd.h>

#include "base/clock.h"
#include "block/blk.h"
#include "block/uring.h"
#include "tests/lib/t.h"

#define DISK_BYTES (1u << 20)
#define BUF_BYTES  (256u << 10)

/* What the calls do now; set before the request, read by the threads. */
static struct {
	size_t most_bytes; /* a transfer moves at most so much; 0: no limit */
	int interrupts; /* so many transfers fail with EINTR first */
	bool no_punch, no_zero;
	int sync_errno, seek_errno;
	int init_errno[8]; /* one a call; 0: works */
	unsigned int n_inits, n_punches, n_zeros, n_syncs, n_writes;
	bool no_register;
} k;

static struct {
	struct mp_blk_engine *engine;
	struct mp_blk *disk;
	uint8_t *buf;
	char path[64];
} x;

ssize_t __real_pread64(int fd, void *buf, size_t n, off_t off);
ssize_t __wrap_pread64(int fd, void *buf, size_t n, off_t off);
ssize_t __real_pwritev64v2(int fd, const struct iovec *iov, int n, off_t off, int flags);
ssize_t __wrap_pwritev64v2(int fd, const struct iovec *iov, int n, off_t off, int flags);
off_t __real_lseek64(int fd, off_t off, int whence);
off_t __wrap_lseek64(int fd, off_t off, int whence);
int __real_fdatasync(int fd);
int __wrap_fdatasync(int fd);
int __real_fallocate64(int fd, int mode, off_t off, off_t len);
int __wrap_fallocate64(int fd, int mode, off_t off, off_t len);
int __real_io_uring_queue_init_params(unsigned int n, struct io_uring *r,
				      struct io_uring_params *p);
int __wrap_io_uring_queue_init_params(unsigned int n, struct io_uring *r,
				      struct io_uring_params *p);
int __real_io_uring_register_buffers(struct io_uring *r, const struct iovec *iov, unsigned int n);
int __wrap_io_uring_register_buffers(struct io_uring *r, const struct iovec *iov, unsigned int n);
int __real_io_uring_register_files_sparse(struct io_uring *r, unsigned int n);
int __wrap_io_uring_register_files_sparse(struct io_uring *r, unsigned int n);

static bool interrupted(void)
{
	if (k.interrupts == 0)
		return false;
	k.interrupts--;
	errno = EINTR;
	return true;
}

static size_t cut(size_t n)
{
	return k.most_bytes && n > k.most_bytes ? k.most_bytes : n;
}

ssize_t __wrap_pread64(int fd, void *buf, size_t n, off_t off)
{
	return interrupted() ? -1 : __real_pread64(fd, buf, cut(n), off);
}

ssize_t __wrap_pwritev64v2(int fd, const struct iovec *iov, int n, off_t off, int flags)
{
	struct iovec less = {iov->iov_base, cut(iov->iov_len)};

	k.n_writes++;
	return interrupted() ? -1 : __real_pwritev64v2(fd, &less, n, off, flags);
}

off_t __wrap_lseek64(int fd, off_t off, int whence)
{
	errno = k.seek_errno;
	return k.seek_errno ? -1 : __real_lseek64(fd, off, whence);
}

int __wrap_fdatasync(int fd)
{
	k.n_syncs++;
	errno = k.sync_errno;
	return k.sync_errno ? -1 : __real_fdatasync(fd);
}

int __wrap_fallocate64(int fd, int mode, off_t off, off_t len)
{
	bool is_punch = mode & FALLOC_FL_PUNCH_HOLE;

	k.n_punches += is_punch;
	k.n_zeros += !is_punch;
	if (is_punch ? k.no_punch : k.no_zero) {
		errno = EOPNOTSUPP;
		return -1;
	}
	return __real_fallocate64(fd, mode, off, len);
}

int __wrap_io_uring_queue_init_params(unsigned int n, struct io_uring *r, struct io_uring_params *p)
{
	int e = k.n_inits < 8 ? k.init_errno[k.n_inits] : 0;

	k.n_inits++;
	return e ? -e : __real_io_uring_queue_init_params(n, r, p);
}

int __wrap_io_uring_register_buffers(struct io_uring *r, const struct iovec *iov, unsigned int n)
{
	return k.no_register ? -ENOMEM : __real_io_uring_register_buffers(r, iov, n);
}

int __wrap_io_uring_register_files_sparse(struct io_uring *r, unsigned int n)
{
	return k.no_register ? -EINVAL : __real_io_uring_register_files_sparse(r, n);
}

static void setup_with(struct mp_blk_engine_cfg cfg)
{
	struct mp_blk_open how = {.driver = "raw", .discard = true, .filename = x.path};
	char error[512];
	int fd;

	strcpy(x.path, "/tmp/mpring-fault-XXXXXX");
	fd = mkstemp(x.path);
	T_OK(fd >= 0 && ftruncate(fd, DISK_BYTES) == 0);
	close(fd);
	x.buf = aligned_alloc(4096, BUF_BYTES);
	cfg.pool = x.buf;
	cfg.pool_len = BUF_BYTES;
	T_EQ(mp_blk_engine_create(&cfg, &x.engine), 0);
	T_EQ(mp_blk_open(x.engine, &how, &x.disk, error, sizeof(error)), 0);
}

static void setup(void)
{
	struct mp_blk_engine_cfg cfg = {.aio = MP_BLK_AIO_THREADS, .n_threads = 1, .wake_fd = -1};

	memset(&k, 0, sizeof(k));
	setup_with(cfg);
}

static void teardown(void)
{
	mp_blk_close(x.disk);
	mp_blk_engine_destroy(x.engine);
	free(x.buf);
	unlink(x.path);
}

static void on_done(struct mp_blk_req *req)
{
	*(bool *)req->opaque = true;
}

static int run(enum mp_blk_op op, uint32_t flags, uint64_t offset, uint64_t len)
{
	bool done = false;
	struct mp_blk_req req = {.op = op,
				 .flags = flags,
				 .offset = offset,
				 .len = len,
				 .buf = x.buf,
				 .done = on_done,
				 .opaque = &done};

	mp_blk_submit(x.disk, &req);
	while (!done)
		if (mp_blk_engine_poll(x.engine) == 0)
			mp_blk_engine_wait(x.engine, MP_NS_PER_SEC);
	return req.result;
}

static void fill(void)
{
	for (size_t i = 0; i < BUF_BYTES; i++)
		x.buf[i] = (uint8_t)(i * 31 + (i >> 9));
}

static void test_short_transfers_are_continued(void)
{
	uint8_t *expected = malloc(BUF_BYTES);

	setup();
	k.most_bytes = 5000;
	fill();
	memcpy(expected, x.buf, BUF_BYTES);
	T_EQ(run(MP_BLK_WRITE, 0, 512, BUF_BYTES), 0);
	T_EQ(k.n_writes, (BUF_BYTES + 4999) / 5000);
	memset(x.buf, 0, BUF_BYTES);
	T_EQ(run(MP_BLK_READ, 0, 512, BUF_BYTES), 0);
	T_MEM_EQ(x.buf, expected, BUF_BYTES);
	teardown();
	free(expected);
}

static void test_interrupted_calls_are_repeated(void)
{
	setup();
	k.interrupts = 3;
	fill();
	T_EQ(run(MP_BLK_WRITE, 0, 0, 4096), 0);
	T_EQ(k.n_writes, 4);
	teardown();
}

static void check_zeros(void)
{
	static const uint8_t zeros[BUF_BYTES];

	T_EQ(run(MP_BLK_READ, 0, 0, BUF_BYTES), 0);
	T_MEM_EQ(x.buf, zeros, BUF_BYTES);
}

static void test_write_zeroes_takes_the_next_way_when_one_is_refused(void)
{
	setup();
	fill();
	T_EQ(run(MP_BLK_WRITE, 0, 0, BUF_BYTES), 0);
	k.no_punch = true;
	T_EQ(run(MP_BLK_WRITE_ZEROES, MP_BLK_UNMAP, 0, BUF_BYTES), 0);
	check_zeros();
	T_EQ(k.n_punches, 1);
	T_EQ(k.n_zeros, 1);
	fill();
	T_EQ(run(MP_BLK_WRITE, 0, 0, BUF_BYTES), 0);
	k.no_zero = true;
	T_EQ(run(MP_BLK_WRITE_ZEROES, MP_BLK_UNMAP | MP_BLK_FUA, 0, BUF_BYTES), 0);
	check_zeros();
	/* Punching wasn't tried again. */
	T_EQ(k.n_punches, 1);
	T_EQ(k.n_zeros, 2);
	teardown();
}

static void test_write_zeroes_without_unmap_never_punches(void)
{
	setup();
	T_EQ(run(MP_BLK_WRITE_ZEROES, 0, 0, 4096), 0);
	T_EQ(k.n_punches, 0);
	T_EQ(k.n_syncs, 0);
	T_EQ(run(MP_BLK_WRITE_ZEROES, MP_BLK_FUA, 0, 4096), 0);
	T_EQ(k.n_syncs, 1);
	teardown();
}

static void test_refused_discard_is_a_success_and_not_tried_again(void)
{
	setup();
	k.no_punch = true;
	T_EQ(run(MP_BLK_DISCARD, 0, 0, 4096), 0);
	T_EQ(run(MP_BLK_DISCARD, 0, 0, 4096), 0);
	T_EQ(k.n_punches, 1);
	teardown();
}

static void test_failed_flush_is_reported(void)
{
	setup();
	k.sync_errno = EIO;
	T_EQ(run(MP_BLK_FLUSH, 0, 0, 0), -EIO);
	teardown();
}

static int status(struct mp_blk_extent *ret_extent)
{
	uint8_t *buf = x.buf;
	int r = run(MP_BLK_STATUS, 0, 4096, 8192);

	memcpy(ret_extent, buf, sizeof(*ret_extent));
	return r;
}

static void test_file_system_without_holes_is_all_data(void)
{
	struct mp_blk_extent extent;

	setup();
	k.seek_errno = EINVAL;
	T_EQ(status(&extent), 0);
	T_OK(!extent.is_hole);
	T_EQ(extent.len, 8192);
	k.seek_errno = ENXIO; /* no data from there on */
	T_EQ(status(&extent), 0);
	T_OK(extent.is_hole);
	T_EQ(extent.len, 8192);
	k.seek_errno = EIO;
	T_EQ(status(&extent), -EIO);
	T_EQ(mp_blk_refresh_size(x.disk), -EIO);
	/* Used to be asked again for ever; behind io_uring it was forgotten instead. */
	k.seek_errno = EINTR;
	T_EQ(status(&extent), -EIO);
	teardown();
}

static void test_older_kernels_get_a_ring_with_fewer_flags(void)
{
	struct mp_blk_engine_cfg cfg = {.aio = MP_BLK_AIO_AUTO, .wake_fd = -1};

	memset(&k, 0, sizeof(k));
	k.init_errno[0] = k.init_errno[1] = k.init_errno[2] = EINVAL;
	setup_with(cfg);
	if (mp_blk_engine_is_threads(x.engine)) {
		teardown();
		t_skip("this kernel gives us no io_uring");
	}
	T_EQ(k.n_inits, 4);
	fill();
	T_EQ(run(MP_BLK_WRITE, MP_BLK_FUA, 0, BUF_BYTES), 0);
	T_EQ(run(MP_BLK_READ, 0, 0, BUF_BYTES), 0);
	teardown();
}

static void check_refusal(int e)
{
	struct mp_blk_engine_cfg cfg = {.aio = MP_BLK_AIO_AUTO, .wake_fd = -1};
	struct mp_blk_engine *unused;

	memset(&k, 0, sizeof(k));
	for (int i = 0; i < 8; i++)
		k.init_errno[i] = e;
	setup_with(cfg);
	T_OK(mp_blk_engine_is_threads(x.engine));
	T_EQ(mp_blk_engine_uring_errno(x.engine), -e);
	T_EQ(run(MP_BLK_READ, 0, 0, 4096), 0);
	teardown();
	cfg.aio = MP_BLK_AIO_URING;
	k.n_inits = 0;
	T_EQ(mp_blk_engine_create(&cfg, &unused), -e);
}

static void test_refused_io_uring_means_threads(void)
{
	check_refusal(ENOSYS);
	check_refusal(EPERM);
	check_refusal(EACCES);
	check_refusal(ENOMEM);
}

static void test_ring_works_without_registered_files_and_buffers(void)
{
	struct mp_blk_engine_cfg cfg = {.aio = MP_BLK_AIO_AUTO};

	memset(&k, 0, sizeof(k));
	k.no_register = true;
	cfg.wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	setup_with(cfg);
	fill();
	T_EQ(run(MP_BLK_WRITE, 0, 0, BUF_BYTES), 0);
	T_EQ(run(MP_BLK_FLUSH, 0, 0, 0), 0);
	T_EQ(eventfd_write(cfg.wake_fd, 1), 0);
	T_EQ(mp_blk_engine_wait(x.engine, UINT64_MAX), 0);
	mp_blk_engine_poll(x.engine);
	T_EQ(mp_blk_engine_wait(x.engine, 1000000), -ETIME);
	T_EQ(run(MP_BLK_STATUS, 0, 4096, 8192), 0);
	teardown();
	close(cfg.wake_fd);
}

T_MAIN(T_TEST(test_short_transfers_are_continued), T_TEST(test_interrupted_calls_are_repeated),
       T_TEST(test_write_zeroes_takes_the_next_way_when_one_is_refused),
       T_TEST(test_write_zeroes_without_unmap_never_punches),
       T_TEST(test_refused_discard_is_a_success_and_not_tried_again),
       T_TEST(test_failed_flush_is_reported), T_TEST(test_file_system_without_holes_is_all_data),
       T_TEST(test_older_kernels_get_a_ring_with_fewer_flags),
       T_TEST(test_refused_io_uring_means_threads),
       T_TEST(test_ring_works_without_registered_files_and_buffers))
