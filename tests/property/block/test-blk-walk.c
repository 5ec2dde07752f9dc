/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Random requests, many in flight, with and without the pool, cancelled now and
 * then, with limits that come and go, against an array; the same walk on io_uring
 * and on threads.
 *
 * Requests that overlap in time don't overlap in place. A write that was
 * cancelled leaves its sectors in doubt: they are rewritten before they count.
 * Zeros that are written become holes, and what was discarded or is a hole has to
 * read as zeros.
 */
#include <errno.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/clock.h"
#include "block/blk.h"
#include "tests/lib/t.h"

#define N_SECTORS   1024u
#define MAX_SECTORS 16u
#define N_REQS      48u
#define SLOT_BYTES  (MAX_SECTORS * 512u)
#define N_STEPS     10000u

struct slot {
	struct mp_blk_req req;
	uint32_t first, n;
	uint8_t *buf;
};

static struct {
	struct mp_blk_engine *engine;
	struct mp_blk *disk;
	uint8_t *pool, model[N_SECTORS * 512], plain[N_REQS * SLOT_BYTES];
	bool in_doubt[N_SECTORS], used[N_SECTORS];
	struct slot slots[N_REQS];
	uint64_t seed;
	unsigned int n_done, n_reads, n_canceled, n_holes, n_limits;
} x;

static uint32_t below(uint32_t n)
{
	return (uint32_t)(t_rand(&x.seed) % n);
}

static void compare_sectors(const struct slot *s)
{
	for (uint32_t i = 0; i < s->n; i++)
		if (!x.in_doubt[s->first + i])
			T_MEM_EQ(s->buf + (size_t)i * 512, x.model + (size_t)(s->first + i) * 512,
				 512);
	x.n_reads++;
}

static void check_extent(const struct slot *s)
{
	static const uint8_t zeros[SLOT_BYTES];
	struct mp_blk_extent extent;
	uint32_t n;

	memcpy(&extent, s->buf, sizeof(extent));
	T_OK(extent.len > 0 && extent.len <= s->req.len);
	n = extent.is_hole ? (uint32_t)(extent.len / 512) : 0;
	for (uint32_t i = s->first; i < s->first + n; i++)
		if (!x.in_doubt[i])
			T_MEM_EQ(x.model + (size_t)i * 512, zeros, 512);
	x.n_holes += n > 0;
}

static bool changes(enum mp_blk_op op)
{
	return op == MP_BLK_WRITE || op == MP_BLK_WRITE_ZEROES || op == MP_BLK_DISCARD;
}

static void take_over(const struct slot *s)
{
	uint8_t *at = x.model + (size_t)s->first * 512;

	if (s->req.op == MP_BLK_WRITE)
		memcpy(at, s->buf, s->req.len);
	else
		memset(at, 0, s->req.len);
}

static void on_done(struct mp_blk_req *req)
{
	struct slot *s = req->opaque;
	bool canceled = req->result == -ECANCELED;

	T_OK(req->result == 0 || canceled);
	x.n_done++;
	x.n_canceled += canceled;
	for (uint32_t i = 0; i < s->n; i++)
		x.used[s->first + i] = false;
	if (req->op == MP_BLK_READ && !canceled)
		compare_sectors(s);
	if (req->op == MP_BLK_STATUS && !canceled)
		check_extent(s);
	if (!changes(req->op))
		return;
	for (uint32_t i = 0; i < s->n; i++)
		x.in_doubt[s->first + i] = canceled;
	if (!canceled)
		take_over(s);
}

static bool claim(uint32_t first, uint32_t n)
{
	for (uint32_t i = first; i < first + n; i++)
		if (x.used[i])
			return false;
	for (uint32_t i = first; i < first + n; i++)
		x.used[i] = true;
	return true;
}

static void submit_one(void)
{
	static const enum mp_blk_op ops[] = {
		MP_BLK_READ,  MP_BLK_READ,         MP_BLK_WRITE,    MP_BLK_WRITE,  MP_BLK_WRITE,
		MP_BLK_FLUSH, MP_BLK_WRITE_ZEROES, MP_BLK_PREFETCH, MP_BLK_STATUS, MP_BLK_DISCARD};
	unsigned int i = below(N_REQS);
	struct slot *s = &x.slots[i];
	enum mp_blk_op op = ops[below(10)];
	bool has_buf = op == MP_BLK_READ || op == MP_BLK_WRITE || op == MP_BLK_STATUS;
	bool zeros = below(4) == 0;

	if (s->req.busy)
		return;
	s->n = op == MP_BLK_FLUSH ? 0 : 1 + below(MAX_SECTORS);
	s->first = below(N_SECTORS - s->n);
	if (!claim(s->first, s->n))
		return;
	s->buf = (below(2) ? x.pool : x.plain) + (size_t)i * SLOT_BYTES;
	for (uint32_t b = 0; op == MP_BLK_WRITE && b < s->n * 512; b += 8)
		memcpy(s->buf + b, &(uint64_t){zeros ? 0 : t_rand(&x.seed)}, 8);
	s->req = (struct mp_blk_req){.op = op,
				     .flags = below(4) == 0 ? MP_BLK_FUA | MP_BLK_UNMAP : 0,
				     .offset = op == MP_BLK_FLUSH ? 0 : (uint64_t)s->first * 512,
				     .len = (uint64_t)s->n * 512,
				     .buf = has_buf ? s->buf : NULL,
				     .done = on_done,
				     .opaque = s};
	mp_blk_submit(x.disk, &s->req);
}

static void set_limits(void)
{
	struct mp_blk_throttle limits = {0};
	unsigned int scope = below(MP_THROTTLE_N_SCOPES);

	if (below(4) == 0)
		limits.iops[scope].avg = 1000 + below(20000);
	if (below(4) == 0)
		limits.bps[scope].avg = 1000000 + below(100000000);
	T_EQ(mp_blk_set_throttle(x.disk, "g", &limits), 0);
	x.n_limits++;
}

static void step(void)
{
	unsigned int dice = below(100);

	if (dice < 60)
		submit_one();
	else if (dice < 95)
		mp_blk_engine_poll(x.engine);
	else if (dice < 97)
		mp_blk_cancel(&x.slots[below(N_REQS)].req);
	else if (dice < 98 && below(2))
		set_limits();
	else if (dice < 98)
		mp_blk_rush(x.disk);
	else
		mp_blk_engine_wait(x.engine, 1000000);
}

static void drain(void)
{
	while (mp_blk_engine_n_inflight(x.engine) > 0)
		if (mp_blk_engine_poll(x.engine) == 0)
			mp_blk_engine_wait(x.engine, MP_NS_PER_SEC);
}

static void read_all(void)
{
	for (uint32_t first = 0; first < N_SECTORS; first += MAX_SECTORS) {
		struct slot *s = &x.slots[0];

		s->first = first;
		s->n = MAX_SECTORS;
		s->buf = x.pool;
		s->req = (struct mp_blk_req){.op = MP_BLK_READ,
					     .offset = (uint64_t)first * 512,
					     .len = SLOT_BYTES,
					     .buf = x.pool,
					     .done = on_done,
					     .opaque = s};
		mp_blk_submit(x.disk, &s->req);
		drain();
	}
}

static void open_all(enum mp_blk_aio aio, char *path)
{
	struct mp_blk_engine_cfg cfg = {
		.aio = aio, .pool_len = N_REQS * SLOT_BYTES, .entries = 16, .wake_fd = -1};
	struct mp_blk_open how = {
		.driver = "raw", .discard = true, .detect_zeroes = MP_BLK_DETECT_UNMAP};
	char error[512];
	int fd = mkstemp(path);

	T_OK(fd >= 0 && ftruncate(fd, N_SECTORS * 512) == 0);
	close(fd);
	x.pool = mmap(NULL, cfg.pool_len, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1,
		      0);
	cfg.pool = x.pool;
	how.filename = path;
	memset(x.slots, 0, sizeof(x.slots));
	memset(x.model, 0, sizeof(x.model));
	memset(x.in_doubt, 0, sizeof(x.in_doubt));
	memset(x.used, 0, sizeof(x.used));
	if (mp_blk_engine_create(&cfg, &x.engine) < 0) {
		unlink(path);
		t_skip("this kernel gives us no io_uring");
	}
	T_EQ(mp_blk_open(x.engine, &how, &x.disk, error, sizeof(error)), 0);
}

static void walk(enum mp_blk_aio aio)
{
	char path[] = "/tmp/mpring-walk-XXXXXX";

	open_all(aio, path);
	x.n_done = x.n_reads = x.n_canceled = x.n_holes = 0;
	for (unsigned int i = 0; i < N_STEPS; i++)
		step();
	drain();
	read_all();
	T_EQ(mp_blk_engine_n_requests(x.engine), x.n_done);
	T_OK(x.n_reads > 10); /* of about 160 */
	/* How many were still to be caught is the machine's business. */
	t_diag("%u of %u requests were cancelled, %u holes seen", x.n_canceled, x.n_done,
	       x.n_holes);
	mp_blk_close(x.disk);
	mp_blk_engine_destroy(x.engine);
	munmap(x.pool, N_REQS * SLOT_BYTES);
	unlink(path);
}

static void test_walk_on_uring_agrees_with_the_array(void)
{
	walk(MP_BLK_AIO_URING);
}

static void test_walk_on_threads_agrees_with_the_array(void)
{
	walk(MP_BLK_AIO_THREADS);
}

int main(int argc, char **argv)
{
	static const struct t_test tests[] = {
		T_TEST(test_walk_on_uring_agrees_with_the_array),
		T_TEST(test_walk_on_threads_agrees_with_the_array),
	};

	x.seed = t_seed(argc, argv);
	return t_run(tests, 2, argc, argv);
}
