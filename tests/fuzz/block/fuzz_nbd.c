/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * All that an NBD server says. An input is three bytes and the rest:
 *
 *	byte 0	bit 0: read only, bit 1: no copies are kept, bit 2: threads
 *	byte 1,2	how long the first connection lasts (little-endian); what
 *		follows is what the second says, which takes its place
 *
 * Each connection says its bytes at once and hangs up, so nothing here waits for
 * long. Asserted: each request ends once, an extent is inside of what was asked
 * for, and no fd is left.
 */
#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/bytes.h"
#include "base/err.h"
#include "block/blk.h"

#define MAX_BYTES 65536u
#define WAIT_NS   2000000u
#define N_REQS    6u
#define LEN       4096u

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct speech {
	const uint8_t *data;
	size_t len;
};

struct fuzz {
	struct mp_blk_engine *engine;
	struct mp_blk *disk;
	struct speech second;
	bool is_second;
	int server[2];
	unsigned int n_servers;
	unsigned int n_done;
	struct mp_blk_req req[N_REQS];
	struct mp_blk_extent extent;
	uint8_t buf[N_REQS][LEN];
};

/* Return: the client's end of a connection whose server has said all that it will say. */
static int connect_to(struct fuzz *f, struct speech s)
{
	int sv[2];

	mp_assert(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, sv) == 0);
	mp_assert(send(sv[1], s.data, s.len, MSG_DONTWAIT | MSG_NOSIGNAL) == (ssize_t)s.len);
	mp_assert(shutdown(sv[1], SHUT_WR) == 0);
	/* It stays open, with what the client says unread in its buffer. */
	f->server[f->n_servers++] = sv[1];
	return sv[0];
}

static void on_lost(void *opaque, unsigned int conn)
{
	struct fuzz *f = opaque;

	if (f->is_second)
		return;
	f->is_second = true;
	(void)mp_blk_nbd_reconnect_take(f->disk, conn, connect_to(f, f->second));
}

static void on_done(struct mp_blk_req *req)
{
	struct fuzz *f = req->opaque;

	f->n_done++;
	mp_assert(req->result <= 0);
	if (req->op == MP_BLK_STATUS)
		mp_assert(req->result < 0 || (f->extent.len > 0 && f->extent.len <= req->len));
}

static void submit_all(struct fuzz *f)
{
	static const enum mp_blk_op ops[N_REQS] = {MP_BLK_READ,         MP_BLK_WRITE,
						   MP_BLK_WRITE_ZEROES, MP_BLK_STATUS,
						   MP_BLK_DISCARD,      MP_BLK_FLUSH};

	for (unsigned int i = 0; i < N_REQS; i++) {
		f->req[i] = (struct mp_blk_req){.op = ops[i],
						.len = ops[i] == MP_BLK_FLUSH ? 0 : LEN,
						.buf = f->buf[i],
						.done = on_done,
						.opaque = f};
		if (ops[i] == MP_BLK_STATUS)
			f->req[i].buf = &f->extent;
		mp_blk_submit(f->disk, &f->req[i]);
	}
}

static void run(struct fuzz *f)
{
	submit_all(f);
	while (f->n_done < N_REQS)
		if (mp_blk_engine_poll(f->engine) == 0)
			mp_blk_engine_wait(f->engine, WAIT_NS);
	mp_assert(mp_blk_engine_n_inflight(f->engine) == 0);
	(void)mp_blk_refresh_size(f->disk);
}

static void fuzz_disk(struct fuzz *f, unsigned int flags, struct speech first)
{
	int sock = connect_to(f, first);
	struct mp_blk_nbd nbd = {.socks = &sock,
				 .n_socks = 1,
				 .connect_timeout_ns = WAIT_NS,
				 .reconnect_ns = WAIT_NS,
				 .request_timeout_ns = WAIT_NS,
				 .unstable_bytes = flags & 2 ? 0 : 1,
				 .lost = on_lost,
				 .opaque = f};
	struct mp_blk_open how = {
		.driver = "nbd", .nbd = &nbd, .read_only = flags & 1, .discard = true};
	char error[512] = "";
	int r = mp_blk_open(f->engine, &how, &f->disk, error, sizeof(error));

	mp_assert(r == 0 || (r < 0 && error[0]));
	if (r == 0)
		run(f);
	f->disk = mp_blk_close(f->disk);
	while (f->n_servers > 0)
		close(f->server[--f->n_servers]);
}

/* The lowest free fd: a leak moves it. */
static int lowest_free_fd(void)
{
	int fd = dup(STDERR_FILENO);

	close(fd);
	return fd;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct mp_blk_engine_cfg cfg = {.wake_fd = -1, .n_threads = 1, .tsc_hz = 1000000000};
	static struct fuzz f;
	struct speech first;
	char error[512];
	int before;

	if (size < 3 || size > MAX_BYTES || mp_blk_nbd_load(error, sizeof(error)) < 0)
		return 0;
	memset(&f, 0, sizeof(f));
	first = (struct speech){data + 3, mp_get_le16(data + 1)};
	if (first.len > size - 3)
		first.len = size - 3;
	f.second = (struct speech){first.data + first.len, size - 3 - first.len};
	cfg.aio = data[0] & 4 ? MP_BLK_AIO_THREADS : MP_BLK_AIO_AUTO;
	before = lowest_free_fd();
	mp_assert(mp_blk_engine_create(&cfg, &f.engine) == 0);
	fuzz_disk(&f, data[0], first);
	f.engine = mp_blk_engine_destroy(f.engine);
	mp_assert(lowest_free_fd() == before);
	return 0;
}
