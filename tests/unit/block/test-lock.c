/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Image locks: two openers of one disk. OFD locks belong to an open file
 * description, so a second open in this process is as foreign as QEMU.
 */
#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "block/blk.h"
#include "tests/lib/t.h"

static char path[] = "/tmp/mpring-lock-XXXXXX";
static char error[512];
static struct mp_blk_engine *engine;

static int open_disk(bool read_only, bool no_lock, struct mp_blk **ret_b)
{
	struct mp_blk_open how = {
		.driver = "raw", .filename = path, .read_only = read_only, .no_lock = no_lock};

	return mp_blk_open(engine, &how, ret_b, error, sizeof(error));
}

static void setup(void)
{
	struct mp_blk_engine_cfg cfg = {.wake_fd = -1};
	int fd;

	strcpy(path, "/tmp/mpring-lock-XXXXXX");
	fd = mkstemp(path);
	T_OK(fd >= 0);
	T_OK(ftruncate(fd, 1 << 20) == 0);
	close(fd);
	T_EQ(mp_blk_engine_create(&cfg, &engine), 0);
}

static void teardown(void)
{
	engine = mp_blk_engine_destroy(engine);
	unlink(path);
}

static void test_second_writer_is_refused_with_a_way_out(void)
{
	struct mp_blk *a, *b = NULL;
	char expected[512];

	setup();
	T_EQ(open_disk(false, false, &a), 0);
	T_EQ(open_disk(false, false, &b), -EAGAIN);
	snprintf(
		expected, sizeof(expected),
		"%s is in use by another disk or process (image lock); close it or use locking=off",
		path);
	T_STR_EQ(error, expected);
	T_OK(!b);
	mp_blk_close(a);
	teardown();
}

static void *close_soon(void *b)
{
	const struct timespec soon = {.tv_nsec = 50000000};

	nanosleep(&soon, NULL);
	mp_blk_close(b);
	return NULL;
}

/* Used to be refused: a killed worker's io_uring keeps its files for a moment. */
static void test_lock_that_goes_away_soon_is_waited_for(void)
{
	struct mp_blk_engine_cfg cfg = {.aio = MP_BLK_AIO_THREADS, .wake_fd = -1};
	struct mp_blk_open how = {.driver = "raw", .filename = path};
	struct mp_blk_engine *other;
	struct mp_blk *a, *b;
	pthread_t thread;

	setup();
	T_EQ(mp_blk_engine_create(&cfg, &other), 0);
	T_EQ(mp_blk_open(other, &how, &a, error, sizeof(error)), 0);
	T_EQ(pthread_create(&thread, NULL, close_soon, a), 0);
	T_EQ(open_disk(false, false, &b), 0);
	T_EQ(pthread_join(thread, NULL), 0);
	mp_blk_close(b);
	mp_blk_engine_destroy(other);
	teardown();
}

static void hold_until_killed(int tell_fd)
{
	struct mp_blk_engine_cfg cfg = {.wake_fd = -1};
	struct mp_blk_open how = {.driver = "raw", .filename = path};
	struct mp_blk_engine *e;
	struct mp_blk *b;

	if (mp_blk_engine_create(&cfg, &e) == 0 &&
	    mp_blk_open(e, &how, &b, error, sizeof(error)) == 0 && write(tell_fd, "", 1) == 1)
		pause();
	_exit(1);
}

static void test_disk_of_a_process_that_was_killed_opens(void)
{
	struct mp_blk *b;
	int fds[2];
	pid_t pid;
	char told;

	setup();
	T_EQ(pipe(fds), 0);
	pid = fork();
	if (pid == 0)
		hold_until_killed(fds[1]);
	close(fds[1]);
	T_EQ(read(fds[0], &told, 1), 1);
	close(fds[0]);
	T_EQ(kill(pid, SIGKILL), 0);
	T_EQ(waitpid(pid, NULL, 0), pid);
	T_EQ(open_disk(false, false, &b), 0);
	mp_blk_close(b);
	teardown();
}

static void test_reader_beside_a_writer_is_refused(void)
{
	struct mp_blk *a, *b;

	setup();
	T_EQ(open_disk(false, false, &a), 0);
	T_EQ(open_disk(true, false, &b), -EAGAIN);
	mp_blk_close(a);
	teardown();
}

static void test_writer_beside_a_reader_is_refused(void)
{
	struct mp_blk *a, *b;

	setup();
	T_EQ(open_disk(true, false, &a), 0);
	T_EQ(open_disk(false, false, &b), -EAGAIN);
	mp_blk_close(a);
	teardown();
}

static void test_two_readers_are_fine(void)
{
	struct mp_blk *a, *b;

	setup();
	T_EQ(open_disk(true, false, &a), 0);
	T_EQ(open_disk(true, false, &b), 0);
	mp_blk_close(a);
	mp_blk_close(b);
	teardown();
}

static void test_locking_off_ignores_the_lock(void)
{
	struct mp_blk *a, *b;

	setup();
	T_EQ(open_disk(false, false, &a), 0);
	T_EQ(open_disk(false, true, &b), 0);
	mp_blk_close(a);
	mp_blk_close(b);
	teardown();
}

static void test_close_lets_the_next_one_in(void)
{
	struct mp_blk *a, *b;

	setup();
	T_EQ(open_disk(false, false, &a), 0);
	mp_blk_close(a);
	T_EQ(open_disk(false, false, &b), 0);
	mp_blk_close(b);
	teardown();
}

static int qemu_io(const char *command)
{
	char line[512];

	snprintf(line, sizeof(line), "qemu-io -f raw -c '%s' %s >/dev/null 2>&1", command, path);
	return system(line);
}

static void test_qemu_io_is_kept_out_while_we_write(void)
{
	struct mp_blk *a;

	if (system("command -v qemu-io >/dev/null 2>&1") != 0)
		t_skip("qemu-io is not installed (Debian: qemu-utils)");
	setup();
	T_EQ(qemu_io("write 0 512"), 0);
	T_EQ(open_disk(false, false, &a), 0);
	T_OK(qemu_io("write 0 512") != 0);
	mp_blk_close(a);
	T_EQ(qemu_io("write 0 512"), 0);
	teardown();
}

static void test_qemu_io_keeps_us_out_while_it_writes(void)
{
	struct mp_blk *a = NULL;
	FILE *qemu;
	char line[512];
	int r = 0;

	if (system("command -v qemu-io >/dev/null 2>&1") != 0)
		t_skip("qemu-io is not installed (Debian: qemu-utils)");
	setup();
	snprintf(line, sizeof(line), "qemu-io -f raw %s >/dev/null 2>&1", path);
	qemu = popen(line, "w");
	T_OK(qemu);
	/* It opens when it gets there: ask until it has, within the harness's deadline. */
	while ((r = open_disk(false, false, &a)) == 0) {
		mp_blk_close(a);
		usleep(1000);
	}
	T_EQ(r, -EAGAIN);
	fputs("quit\n", qemu);
	pclose(qemu);
	teardown();
}

T_MAIN(T_TEST(test_lock_that_goes_away_soon_is_waited_for),
       T_TEST(test_disk_of_a_process_that_was_killed_opens),
       T_TEST(test_second_writer_is_refused_with_a_way_out),
       T_TEST(test_reader_beside_a_writer_is_refused),
       T_TEST(test_writer_beside_a_reader_is_refused), T_TEST(test_two_readers_are_fine),
       T_TEST(test_locking_off_ignores_the_lock), T_TEST(test_close_lets_the_next_one_in),
       T_TEST(test_qemu_io_is_kept_out_while_we_write),
       T_TEST(test_qemu_io_keeps_us_out_while_it_writes))
