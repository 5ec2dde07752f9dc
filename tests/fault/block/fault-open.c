/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Each call on the way to an open disk fails once: the caller hears of it, a
 * sentence is there, and nothing stays open. What is missing without being
 * needed (an alignment that can't be probed) is no failure.
 */
#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

#include "block/blk.h"
#include "tests/lib/fault.h"
#include "tests/lib/t.h"

static char path[] = "/tmp/mpring-fault-XXXXXX";

static void make_file(void)
{
	int fd;

	strcpy(path, "/tmp/mpring-fault-XXXXXX");
	fd = mkstemp(path);
	T_OK(fd >= 0 && ftruncate(fd, 1 << 20) == 0);
	close(fd);
}

static int open_and_close(enum mp_blk_aio aio, bool *ret_complained)
{
	struct mp_blk_engine_cfg cfg = {.aio = aio, .wake_fd = -1};
	struct mp_blk_open how = {
		.driver = "raw", .filename = path, .cache_direct = true, .discard = true};
	struct mp_blk_engine *e = NULL;
	struct mp_blk *b = NULL;
	char error[512] = "";
	int r = mp_blk_engine_create(&cfg, &e);

	*ret_complained = true;
	if (r < 0)
		return r;
	r = mp_blk_open(e, &how, &b, error, sizeof(error));
	*ret_complained = error[0] != '\0';
	mp_blk_close(b);
	mp_blk_engine_destroy(e);
	return r;
}

static void fail_each(enum mp_blk_aio aio)
{
	unsigned int n_fds = t_count_fds(), n_failed = 0;
	bool complained;
	const char *what;
	int r;

	make_file();
	for (unsigned int n = 1;; n++) {
		t_fault_arm(n, ENFILE);
		r = open_and_close(aio, &complained);
		what = t_fault_disarm();
		T_EQ(t_count_fds(), n_fds);
		T_OK(r == 0 || complained);
		T_OK(r == 0 || r == -ENFILE || r == -ENOMEM);
		if (!what)
			break;
		n_failed += r < 0;
	}
	T_EQ(r, 0);
	/* open, fstat, five lock calls, F_SETFL, memory for engine and disk: at least. */
	T_OK(n_failed >= 8);
	unlink(path);
}

static void test_open_on_uring_fails_cleanly_at_every_call(void)
{
	fail_each(MP_BLK_AIO_AUTO);
}

static void test_open_on_threads_fails_cleanly_at_every_call(void)
{
	fail_each(MP_BLK_AIO_THREADS);
}

T_MAIN(T_TEST(test_open_on_uring_fails_cleanly_at_every_call),
       T_TEST(test_open_on_threads_fails_cleanly_at_every_call))
