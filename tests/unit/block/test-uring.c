/* SPDX-License-Identifier: BSD-3-Clause */
/* The ring itself: what it refuses, and how few system calls it makes. */
#include <errno.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include "block/uring.h"
#include "tests/lib/t.h"

#define POOL_BYTES (1u << 16)

static struct {
	struct mp_blk_engine *engine;
	struct mp_uring *uring;
	void *pool;
	int wake_fd;
} x;

static void setup(void)
{
	struct mp_blk_engine_cfg cfg = {.aio = MP_BLK_AIO_URING, .pool_len = POOL_BYTES};

	x.wake_fd = cfg.wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	x.pool = cfg.pool = aligned_alloc(4096, POOL_BYTES);
	if (mp_blk_engine_create(&cfg, &x.engine) < 0)
		t_skip("this kernel gives us no io_uring");
	x.uring = (struct mp_uring *)x.engine;
}

static void teardown(void)
{
	mp_blk_engine_destroy(x.engine);
	free(x.pool);
	close(x.wake_fd);
}

static int result_of_next(void)
{
	struct io_uring_cqe *cqe;
	int res;

	T_OK(io_uring_submit_and_wait(&x.uring->ring, 1) >= 0);
	T_EQ(io_uring_peek_cqe(&x.uring->ring, &cqe), 0);
	res = cqe->res;
	io_uring_cqe_seen(&x.uring->ring, cqe);
	return res;
}

static void test_restricted_ring_opens_no_socket(void)
{
	setup();
	if (!x.uring->fixed_files)
		t_skip("this kernel has no sparse file table, so the ring isn't restricted");
	io_uring_prep_socket(io_uring_get_sqe(&x.uring->ring), AF_UNIX, SOCK_STREAM, 0, 0);
	T_EQ(result_of_next(), -EACCES);
	teardown();
}

static void test_restricted_ring_takes_registered_files_only(void)
{
	uint64_t count;

	setup();
	if (!x.uring->fixed_files)
		t_skip("this kernel has no sparse file table, so the ring isn't restricted");
	T_EQ(eventfd_write(x.wake_fd, 1), 0);
	io_uring_prep_read(io_uring_get_sqe(&x.uring->ring), x.wake_fd, &count, 8, 0);
	T_EQ(result_of_next(), -EACCES);
	teardown();
}

static void test_ring_of_the_bell_costs_one_enter(void)
{
	uint64_t n_enters;

	setup();
	T_EQ(mp_blk_engine_wait(x.engine, 100000), -ETIME); /* arms the bell */
	n_enters = mp_blk_engine_n_enters(x.engine);
	T_EQ(eventfd_write(x.wake_fd, 1), 0);
	T_EQ(mp_blk_engine_wait(x.engine, UINT64_MAX), 0);
	mp_blk_engine_poll(x.engine);
	T_EQ(mp_blk_engine_n_enters(x.engine), n_enters + 1);
	teardown();
}

T_MAIN(T_TEST(test_restricted_ring_opens_no_socket),
       T_TEST(test_restricted_ring_takes_registered_files_only),
       T_TEST(test_ring_of_the_bell_costs_one_enter))
