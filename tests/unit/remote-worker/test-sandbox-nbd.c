/* SPDX-License-Identifier: BSD-3-Clause */
/* What an NBD disk does while it works is what the sandbox of a worker lets it do. */
#include <errno.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "remote-worker/sandbox.h"
#include "tests/lib/t.h"
#include "tests/unit/block/nbd_rig.h"

#define BYTES (256u << 10)

static uint8_t buf[BYTES];

/* Requests of each kind, a connection that ends, one in its place that was there before. */
static void work(struct rig *rig, int sock)
{
	struct mp_blk_req req = {.len = BYTES, .buf = buf};
	static const enum mp_blk_op ops[] = {MP_BLK_WRITE,        MP_BLK_READ,    MP_BLK_STATUS,
					     MP_BLK_WRITE_ZEROES, MP_BLK_DISCARD, MP_BLK_PREFETCH};

	for (unsigned int i = 0; i < sizeof(ops) / sizeof(ops[0]); i++) {
		req.op = ops[i];
		T_EQ(rig_run(rig, req), 0);
	}
	fake_nbd_drop(&rig->server, 0);
	T_EQ(mp_blk_engine_wait(rig->engine, 20 * MP_NS_PER_SEC), 0);
	mp_blk_engine_poll(rig->engine);
	T_EQ(mp_blk_nbd_reconnect_take(rig->disk, 0, sock), 0);
	T_EQ(rig_run(rig, (struct mp_blk_req){.op = MP_BLK_FLUSH}), 0);
	rig->disk = mp_blk_close(rig->disk);
}

static void child(enum mp_blk_aio aio)
{
	struct rig_cfg cfg = {
		.aio = aio,
		.how.discard = true,
		.nbd = {.unstable_bytes = 1 << 20, .reconnect_ns = MP_NS_PER_SEC * 20}};
	static struct rig rig;
	int sock;

	T_EQ(rig_open(&rig, &cfg), 0);
	sock = fake_nbd_connect(&rig.server);
	T_EQ(mp_sandbox_enter(MP_SANDBOX_MEET), 0);
	T_EQ(mp_sandbox_enter(MP_SANDBOX_WORK), 0);
	work(&rig, sock);
}

static void check(enum mp_blk_aio aio)
{
	int status;
	pid_t pid = fork();

	if (pid == 0) {
		child(aio);
		_exit(0);
	}
	T_EQ(waitpid(pid, &status, 0), pid);
	if (WIFSIGNALED(status))
		T_EQ(WTERMSIG(status), 0);
	T_EQ(WEXITSTATUS(status), 0);
}

static void test_all_requests_and_a_reconnection_pass_on_uring(void)
{
	check(MP_BLK_AIO_AUTO);
}

static void test_all_requests_and_a_reconnection_pass_on_threads(void)
{
	check(MP_BLK_AIO_THREADS);
}

T_MAIN(T_TEST(test_all_requests_and_a_reconnection_pass_on_uring),
       T_TEST(test_all_requests_and_a_reconnection_pass_on_threads))
