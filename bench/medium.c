/* SPDX-License-Identifier: BSD-3-Clause */
#include "bench/medium.h"

#include <errno.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/bytes.h"
#include "base/err.h"

static int fill(int fd)
{
	uint8_t block[MEDIUM_BLOCK_BYTES] = {0};

	for (uint64_t i = 0; i < MEDIUM_BLOCKS; i++) {
		mp_put_le64(block, i);
		mp_put_le64(block + sizeof(block) - 8, ~i);
		if (write(fd, block, sizeof(block)) != (ssize_t)sizeof(block))
			return mp_err_origin(-EIO);
	}
	return 0;
}

static int make_file(char *path, size_t len)
{
	const char *dir = getenv("TMPDIR");
	int fd, r;

	snprintf(path, len, "%s/mpring-bench-XXXXXX", dir ? dir : "/tmp");
	fd = mkstemp(path);
	if (fd < 0)
		return mp_err_origin(-errno);
	r = fill(fd);
	close(fd);
	if (r < 0)
		unlink(path);
	return r;
}

/* In the child: stdin and stdout are the connection, the benchmark's core isn't for us. */
static void exec_server(int sock, const char *path)
{
	cpu_set_t all;

	memset(&all, 0xff, sizeof(all));
	sched_setaffinity(0, sizeof(all), &all);
	dup2(sock, STDIN_FILENO);
	dup2(sock, STDOUT_FILENO);
	execlp("nbdkit", "nbdkit", "-s", "file", path, (char *)NULL);
	dprintf(STDERR_FILENO, "nbdkit: %s\n", strerror(errno));
	_exit(127);
}

static int open_nbd(struct medium *m, const char *path, char ret_error[512])
{
	struct mp_blk_nbd nbd = {.n_socks = 1, .unstable_bytes = 32u << 20};
	struct mp_blk_open how = {.driver = "nbd", .filename = "nbdkit", .nbd = &nbd};
	int sv[2], r;

	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, sv) < 0)
		return mp_err_origin(-errno);
	m->server = fork();
	if (m->server == 0)
		exec_server(sv[1], path);
	r = -errno;
	close(sv[1]);
	if (m->server < 0) {
		close(sv[0]);
		snprintf(ret_error, 512, "no process for nbdkit: %s", strerror(-r));
		return mp_err_origin(r);
	}
	nbd.socks = &sv[0];
	return mp_err_trace(mp_blk_open(m->engine, &how, &m->blk, ret_error, 512));
}

static int open_blk(struct medium *m, char ret_error[512])
{
	struct mp_blk_open how = {.driver = "null"};
	char path[256];
	int r;

	how.size_bytes = (uint64_t)MEDIUM_BLOCKS * MEDIUM_BLOCK_BYTES;
	if (m->kind == MEDIUM_NULL)
		return mp_blk_open(m->engine, &how, &m->blk, ret_error, 512);
	r = make_file(path, sizeof(path));
	if (r < 0) {
		snprintf(ret_error, 512, "%s: %s", path, strerror(-r));
		return r;
	}
	how.driver = "raw";
	how.filename = path;
	r = m->kind == MEDIUM_NBD ? open_nbd(m, path, ret_error)
				  : mp_blk_open(m->engine, &how, &m->blk, ret_error, 512);
	unlink(path);
	return r;
}

int medium_init(struct medium *m, enum medium_kind kind, void *pool, size_t pool_len,
		char ret_error[512])
{
	struct mp_blk_engine_cfg cfg = {.pool = pool, .pool_len = pool_len, .wake_fd = -1};
	int r;

	*m = (struct medium){.kind = kind};
	cfg.aio = kind == MEDIUM_THREADS ? MP_BLK_AIO_THREADS : MP_BLK_AIO_URING;
	if (kind == MEDIUM_NULL || kind == MEDIUM_NBD)
		cfg.aio = MP_BLK_AIO_AUTO;
	r = mp_blk_engine_create(&cfg, &m->engine);
	if (r < 0) {
		snprintf(ret_error, 512, "no engine: %s", strerror(-r));
		return mp_err_trace(r);
	}
	r = open_blk(m, ret_error);
	if (r < 0)
		medium_fini(m);
	return mp_err_trace(r);
}

void medium_fini(struct medium *m)
{
	m->blk = mp_blk_close(m->blk);
	if (m->server > 0)
		waitpid(m->server, NULL, 0);
	m->engine = mp_blk_engine_destroy(m->engine);
}

const char *medium_name(enum medium_kind kind)
{
	static const char *const names[] = {"null", "uring", "threads", "nbd"};

	return names[kind];
}

bool medium_block_ok(const struct medium *m, uint64_t number, const void *data)
{
	const uint8_t *p = data;
	bool zero = m->kind == MEDIUM_NULL;

	return mp_get_le64(p) == (zero ? 0 : number) &&
	       mp_get_le64(p + MEDIUM_BLOCK_BYTES - 8) == (zero ? 0 : ~number);
}
