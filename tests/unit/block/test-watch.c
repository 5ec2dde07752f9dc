/* SPDX-License-Identifier: BSD-3-Clause */
/* Fds of others that end a sleep: each claim is checked with io_uring and with threads. */
#include <errno.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "block/engine.h"
#include "tests/lib/t.h"

/* Long enough never to pass in a test that works; short where it has to pass. */
#define LONG_NS  (20 * MP_NS_PER_SEC)
#define SHORT_NS 1000000u

static struct {
	struct mp_blk_engine *engine;
	struct mp_blk_watch *watch;
	int near, far, wake_fd;
} x;

static void setup(enum mp_blk_aio aio)
{
	struct mp_blk_engine_cfg cfg = {.aio = aio, .entries = 8};
	int fd[2];

	x.wake_fd = cfg.wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	T_EQ(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, fd), 0);
	x.near = fd[0];
	x.far = fd[1];
	if (mp_blk_engine_create(&cfg, &x.engine) < 0)
		t_skip("this kernel gives us no io_uring");
	T_EQ(mp_blk_watch_open(x.engine, x.near, &x.watch), 0);
}

static void teardown(void)
{
	x.watch = mp_blk_watch_close(x.watch);
	mp_blk_engine_destroy(x.engine);
	close(x.near);
	close(x.far);
	close(x.wake_fd);
}

/* A sleep, and what follows each: the turn in which completions are taken. */
static int sleep_for(uint64_t ns)
{
	int r = mp_blk_engine_wait(x.engine, ns);

	mp_blk_engine_poll(x.engine);
	return r;
}

/* What the engine has to say to itself, about polls that it took back. */
static void settle(void)
{
	while (mp_blk_engine_poll(x.engine) > 0)
		;
}

static void say(void)
{
	T_EQ(write(x.far, "x", 1), 1);
}

static void check_fires(enum mp_blk_aio aio)
{
	setup(aio);
	say();
	T_EQ(sleep_for(SHORT_NS), -ETIME); /* nobody armed it */
	mp_blk_watch_arm(x.watch, POLLIN);
	T_EQ(sleep_for(LONG_NS), 0);
	T_EQ(sleep_for(SHORT_NS), -ETIME); /* it has fired */
	mp_blk_watch_arm(x.watch, POLLIN);
	mp_blk_watch_arm(x.watch, POLLIN);
	T_EQ(sleep_for(LONG_NS), 0);
	T_EQ(sleep_for(SHORT_NS), -ETIME); /* twice is once */
	teardown();
}

static void test_uring_watch_fires_once_when_armed(void)
{
	check_fires(MP_BLK_AIO_URING);
}

static void test_threads_watch_fires_once_when_armed(void)
{
	check_fires(MP_BLK_AIO_THREADS);
}

static void check_lasts(enum mp_blk_aio aio)
{
	setup(aio);
	mp_blk_watch_arm(x.watch, POLLIN);
	T_EQ(sleep_for(SHORT_NS), -ETIME);
	T_EQ(eventfd_write(x.wake_fd, 1), 0);
	T_EQ(sleep_for(LONG_NS), 0);
	T_EQ(sleep_for(SHORT_NS), -ETIME);
	say();
	T_EQ(sleep_for(LONG_NS), 0);
	teardown();
}

static void test_uring_watch_lasts_while_others_end_the_sleep(void)
{
	check_lasts(MP_BLK_AIO_URING);
}

static void test_threads_watch_lasts_while_others_end_the_sleep(void)
{
	check_lasts(MP_BLK_AIO_THREADS);
}

static void fill(int fd)
{
	static const char block[65536];

	while (write(fd, block, sizeof(block)) > 0)
		;
	T_EQ(errno, EAGAIN);
}

static void empty(int fd)
{
	char block[65536];

	while (read(fd, block, sizeof(block)) > 0)
		;
	T_EQ(errno, EAGAIN);
}

static void check_directions(enum mp_blk_aio aio)
{
	setup(aio);
	fill(x.near);
	mp_blk_watch_arm(x.watch, POLLOUT);
	T_EQ(sleep_for(SHORT_NS), -ETIME);
	say();
	T_EQ(sleep_for(SHORT_NS), -ETIME); /* reading isn't what it waits for */
	mp_blk_watch_arm(x.watch, POLLIN);
	T_EQ(sleep_for(LONG_NS), 0);
	T_EQ(sleep_for(SHORT_NS), -ETIME);
	empty(x.far);
	T_EQ(sleep_for(LONG_NS), 0); /* POLLOUT has lasted through it all */
	teardown();
}

static void test_uring_watch_knows_its_directions(void)
{
	check_directions(MP_BLK_AIO_URING);
}

static void test_threads_watch_knows_its_directions(void)
{
	check_directions(MP_BLK_AIO_THREADS);
}

static void check_end(enum mp_blk_aio aio)
{
	setup(aio);
	fill(x.near);
	mp_blk_watch_arm(x.watch, POLLOUT);
	T_EQ(sleep_for(SHORT_NS), -ETIME);
	T_EQ(shutdown(x.far, SHUT_RDWR), 0);
	T_EQ(sleep_for(LONG_NS), 0);
	teardown();
}

static void test_uring_watch_fires_when_the_peer_has_gone(void)
{
	check_end(MP_BLK_AIO_URING);
}

static void test_threads_watch_fires_when_the_peer_has_gone(void)
{
	check_end(MP_BLK_AIO_THREADS);
}

static void check_close(enum mp_blk_aio aio)
{
	struct pollfd far;

	setup(aio);
	fill(x.near);
	mp_blk_watch_arm(x.watch, POLLIN | POLLOUT);
	T_EQ(sleep_for(SHORT_NS), -ETIME);
	x.watch = mp_blk_watch_close(x.watch);
	close(x.near);
	far = (struct pollfd){x.far, POLLRDHUP, 0};
	T_EQ(poll(&far, 1, 20000), 1);
	settle();
	T_EQ(sleep_for(SHORT_NS), -ETIME);
	x.near = -1;
	teardown();
}

static void test_uring_lets_go_of_the_fd_of_a_closed_watch(void)
{
	check_close(MP_BLK_AIO_URING);
}

static void test_threads_let_go_of_the_fd_of_a_closed_watch(void)
{
	check_close(MP_BLK_AIO_THREADS);
}

/* As many sleeps as there are slots, and each slot's old poll is cancelled on the way. */
static void check_reuse(enum mp_blk_aio aio)
{
	unsigned int n_deaf = 0;

	setup(aio);
	for (unsigned int i = 0; i < MP_BLK_MAX_WATCHES + 100; i++) {
		mp_blk_watch_arm(x.watch, POLLIN);
		T_EQ(eventfd_write(x.wake_fd, 1), 0);
		sleep_for(LONG_NS);
		mp_blk_watch_close(x.watch);
		T_EQ(mp_blk_watch_open(x.engine, x.near, &x.watch), 0);
		mp_blk_watch_arm(x.watch, POLLOUT);
		n_deaf += sleep_for(LONG_NS) != 0;
	}
	T_EQ(n_deaf, 0);
	teardown();
}

static void test_uring_slots_serve_again(void)
{
	check_reuse(MP_BLK_AIO_URING);
}

static void test_threads_watches_serve_again(void)
{
	check_reuse(MP_BLK_AIO_THREADS);
}

/* poll() takes no more fds than a process may have open. */
static void allow_files(rlim_t n)
{
	struct rlimit files;

	getrlimit(RLIMIT_NOFILE, &files);
	if (files.rlim_max < n)
		t_skip("a process may have too few files here");
	files.rlim_cur = files.rlim_max;
	setrlimit(RLIMIT_NOFILE, &files);
}

static void check_limit(enum mp_blk_aio aio)
{
	struct mp_blk_watch *more[MP_BLK_MAX_WATCHES], *one;
	unsigned int n = 0;

	allow_files(2 * MP_BLK_MAX_WATCHES);
	setup(aio);
	while (n < MP_BLK_MAX_WATCHES - 1) {
		T_EQ(mp_blk_watch_open(x.engine, x.near, &more[n]), 0);
		mp_blk_watch_arm(more[n++], POLLIN);
	}
	T_EQ(mp_blk_watch_open(x.engine, x.near, &one), -EMFILE);
	T_EQ(sleep_for(SHORT_NS), -ETIME);
	say();
	T_EQ(sleep_for(LONG_NS), 0);
	while (n > 0)
		mp_blk_watch_close(more[--n]);
	settle();
	T_EQ(sleep_for(SHORT_NS), -ETIME);
	teardown();
}

static void test_uring_has_room_for_the_documented_number(void)
{
	check_limit(MP_BLK_AIO_URING);
}

static void test_threads_have_room_for_the_documented_number(void)
{
	check_limit(MP_BLK_AIO_THREADS);
}

/* Returns how many it has; 0 without io_uring. */
static unsigned int count_watches(rlim_t n_files)
{
	struct mp_blk_engine_cfg cfg = {.aio = MP_BLK_AIO_URING, .wake_fd = -1};
	const struct rlimit files = {n_files, n_files};
	struct mp_blk_engine *e;
	struct mp_blk_watch *w;
	unsigned int n = 0;

	if (setrlimit(RLIMIT_NOFILE, &files) < 0 || mp_blk_engine_create(&cfg, &e) < 0)
		return 0;
	while (mp_blk_watch_open(e, 0, &w) == 0)
		n++;
	return n;
}

/* In a process of its own, which never may have more files again. */
static void test_uring_that_may_have_few_files_has_fewer_watches(void)
{
	pid_t pid = fork();
	unsigned int n;
	int status;

	if (pid == 0) {
		n = count_watches(4096);
		_exit(n == 0 ? 77 : n != 1024);
	}
	T_EQ(waitpid(pid, &status, 0), pid);
	T_OK(WIFEXITED(status));
	if (WEXITSTATUS(status) == 77)
		t_skip("this kernel gives us no io_uring");
	T_EQ(WEXITSTATUS(status), 0);
}

static void test_an_armed_watch_costs_a_core_that_is_awake_nothing(void)
{
	uint64_t n_enters;

	setup(MP_BLK_AIO_URING);
	n_enters = mp_blk_engine_n_enters(x.engine);
	for (unsigned int i = 0; i < 10; i++) {
		mp_blk_watch_arm(x.watch, POLLIN | POLLOUT);
		T_EQ(mp_blk_engine_poll(x.engine), 0);
	}
	T_EQ(mp_blk_engine_n_enters(x.engine), n_enters);
	T_EQ(mp_blk_engine_wait(x.engine, LONG_NS), 0);
	T_EQ(mp_blk_engine_n_enters(x.engine), n_enters + 1);
	teardown();
}

T_MAIN(T_TEST(test_uring_watch_fires_once_when_armed),
       T_TEST(test_threads_watch_fires_once_when_armed),
       T_TEST(test_uring_watch_lasts_while_others_end_the_sleep),
       T_TEST(test_threads_watch_lasts_while_others_end_the_sleep),
       T_TEST(test_uring_watch_knows_its_directions),
       T_TEST(test_threads_watch_knows_its_directions),
       T_TEST(test_uring_watch_fires_when_the_peer_has_gone),
       T_TEST(test_threads_watch_fires_when_the_peer_has_gone),
       T_TEST(test_uring_lets_go_of_the_fd_of_a_closed_watch),
       T_TEST(test_threads_let_go_of_the_fd_of_a_closed_watch),
       T_TEST(test_uring_slots_serve_again), T_TEST(test_threads_watches_serve_again),
       T_TEST(test_uring_has_room_for_the_documented_number),
       T_TEST(test_threads_have_room_for_the_documented_number),
       T_TEST(test_uring_that_may_have_few_files_has_fewer_watches),
       T_TEST(test_an_armed_watch_costs_a_core_that_is_awake_nothing))
