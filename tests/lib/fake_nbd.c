/* SPDX-License-Identifier: BSD-3-Clause */
#include "tests/lib/fake_nbd.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/bytes.h"
#include "base/err.h"
#include "tests/lib/t.h"

#define BUF_BYTES     ((size_t)48 << 20)
#define SECTOR        512u
#define REQUEST_MAGIC 0x25609513u
#define REPLY_MAGIC   0x67446698u
#define CHUNK_MAGIC   0x668e33efu
#define OPTION_MAGIC  0x49484156454f5054ull
#define OPT_REPLY     0x3e889045565a9ull

enum { STAGE_FLAGS, STAGE_OPTIONS, STAGE_SERVE };
enum { OPT_GO = 7, OPT_STRUCTURED = 8, OPT_SET_META = 10 };
enum { REP_ACK = 1, REP_INFO = 3, REP_META = 4 };
#define REP_UNSUPPORTED 0x80000001u
#define REP_UNKNOWN     0x80000006u
enum { CMD_READ, CMD_WRITE, CMD_DISC, CMD_FLUSH, CMD_TRIM, CMD_CACHE, CMD_ZERO, CMD_STATUS };
#define FLAG_FUA     1u
#define FLAG_NO_HOLE 2u
#define CHUNK_DONE   1u
enum { CHUNK_NONE, CHUNK_DATA, CHUNK_STATUS = 5, CHUNK_ERROR = 0x8001 };
#define NBD_EINVAL 22u
#define NBD_EPERM  1u

void fake_nbd_init(struct fake_nbd *f, const struct fake_nbd_cfg *cfg)
{
	memset(f, 0, sizeof(*f));
	f->cfg = *cfg;
	f->cache = calloc(1, cfg->bytes);
	f->medium = calloc(1, cfg->bytes);
	f->dirty = calloc(cfg->bytes / SECTOR + 1, sizeof(bool));
	for (unsigned int i = 0; i < FAKE_NBD_MAX_CONNS; i++)
		f->conns[i].fd = -1;
}

static void put_bytes(struct fake_nbd_conn *c, const void *bytes, size_t len)
{
	mp_assert(c->out_len + len <= BUF_BYTES);
	memcpy(c->out + c->out_len, bytes, len);
	c->out_len += len;
}

static void put(struct fake_nbd_conn *c, uint64_t value, unsigned int n)
{
	uint8_t bytes[8];

	for (unsigned int i = 0; i < n; i++)
		bytes[i] = (uint8_t)(value >> (8 * (n - 1 - i)));
	put_bytes(c, bytes, n);
}

static uint64_t get(const uint8_t *p, unsigned int n)
{
	uint64_t value = 0;

	for (unsigned int i = 0; i < n; i++)
		value = value << 8 | p[i];
	return value;
}

/* Mapped, so that what nobody touches costs nothing. */
static uint8_t *map_buffer(void)
{
	void *buf = mmap(NULL, BUF_BYTES, PROT_READ | PROT_WRITE,
			 MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

	T_OK(buf != MAP_FAILED);
	return buf;
}

int fake_nbd_connect(struct fake_nbd *f)
{
	int fd[2];

	for (struct fake_nbd_conn *c = f->conns; c < f->conns + FAKE_NBD_MAX_CONNS; c++) {
		if (c->fd >= 0)
			continue;
		T_EQ(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, fd), 0);
		*c = (struct fake_nbd_conn){.fd = fd[0]};
		c->in = map_buffer();
		c->out = map_buffer();
		put_bytes(c, "NBDMAGICIHAVEOPT", 16);
		put(c, 3, 2); /* fixed newstyle, no zeroes */
		return fd[1];
	}
	t_fail(__FILE__, __LINE__, "more than %u connections", FAKE_NBD_MAX_CONNS);
}

static void end(struct fake_nbd_conn *c)
{
	if (c->fd < 0)
		return;
	close(c->fd);
	c->fd = -1;
	for (unsigned int i = 0; i < c->n_pending; i++)
		free(c->pending[i].data);
	c->n_pending = 0;
	munmap(c->in, BUF_BYTES);
	munmap(c->out, BUF_BYTES);
}

static void option_reply(struct fake_nbd_conn *c, uint32_t option, uint32_t type, uint32_t len)
{
	put(c, OPT_REPLY, 8);
	put(c, option, 4);
	put(c, type, 4);
	put(c, len, 4);
}

static uint16_t export_flags(const struct fake_nbd *f)
{
	const struct fake_nbd_cfg *cfg = &f->cfg;

	return (uint16_t)(1u | (cfg->read_only ? 2u : 0) | (cfg->no_flush ? 0 : 4u) |
			  (cfg->no_fua ? 0 : 8u) | (cfg->no_trim ? 0 : 32u) |
			  (cfg->no_zero ? 0 : 64u) | (cfg->multi_conn ? 256u : 0) |
			  (cfg->no_cache ? 0 : 1024u));
}

static void option_go(struct fake_nbd *f, struct fake_nbd_conn *c, const uint8_t *data)
{
	const char *name = f->cfg.export_name;
	uint32_t len = (uint32_t)get(data, 4);

	if (name && (len != strlen(name) || memcmp(data + 4, name, len) != 0)) {
		option_reply(c, OPT_GO, REP_UNKNOWN, 0);
		return;
	}
	option_reply(c, OPT_GO, REP_INFO, 12);
	put(c, 0, 2);
	put(c, f->cfg.bytes, 8);
	put(c, export_flags(f), 2);
	if (f->cfg.most_bytes) {
		option_reply(c, OPT_GO, REP_INFO, 14);
		put(c, 3, 2);
		put(c, f->cfg.least_bytes, 4);
		put(c, f->cfg.least_bytes > 4096 ? f->cfg.least_bytes : 4096, 4);
		put(c, f->cfg.most_bytes, 4);
	}
	option_reply(c, OPT_GO, REP_ACK, 0);
	c->stage = STAGE_SERVE;
}

static void option(struct fake_nbd *f, struct fake_nbd_conn *c, uint32_t opt, const uint8_t *data)
{
	if (opt == OPT_GO) {
		option_go(f, c, data);
	} else if (opt == OPT_STRUCTURED && !f->cfg.no_structured) {
		c->structured = true;
		option_reply(c, opt, REP_ACK, 0);
	} else if (opt == OPT_SET_META && c->structured) {
		c->has_context = true;
		option_reply(c, opt, REP_META, 4 + 15);
		put(c, 1, 4);
		put_bytes(c, "base:allocation", 15);
		option_reply(c, opt, REP_ACK, 0);
	} else {
		option_reply(c, opt, REP_UNSUPPORTED, 0);
	}
}

static void note_overlaps(struct fake_nbd *f, const struct fake_nbd_request *new)
{
	for (struct fake_nbd_conn *c = f->conns; c < f->conns + FAKE_NBD_MAX_CONNS; c++)
		for (unsigned int i = 0; i < c->n_pending; i++) {
			const struct fake_nbd_request *old = &c->pending[i];
			bool change = old->type == CMD_WRITE || old->type == CMD_TRIM ||
				      old->type == CMD_ZERO;

			if (change && old != new &&
			    old->offset < new->offset + new->len &&new->offset <
				    old->offset + old->len)
				f->n_overlaps++;
		}
}

/* Return: bytes of the input that were used; 0: more have to come. */
static size_t take_request(struct fake_nbd *f, struct fake_nbd_conn *c)
{
	struct fake_nbd_request *r = &c->pending[c->n_pending];
	size_t used = 28;

	if (c->in_len < used || c->n_pending == FAKE_NBD_MAX_PENDING)
		return 0;
	T_EQ(get(c->in, 4), REQUEST_MAGIC);
	*r = (struct fake_nbd_request){.flags = (uint16_t)get(c->in + 4, 2),
				       .type = (uint16_t)get(c->in + 6, 2),
				       .cookie = get(c->in + 8, 8),
				       .offset = get(c->in + 16, 8),
				       .len = (uint32_t)get(c->in + 24, 4)};
	if (r->type == CMD_WRITE) {
		used += r->len;
		if (c->in_len < used)
			return 0;
		r->data = malloc(r->len);
		memcpy(r->data, c->in + 28, r->len);
	}
	c->n_pending++;
	if (r->type == CMD_WRITE || r->type == CMD_TRIM || r->type == CMD_ZERO)
		note_overlaps(f, r);
	return used;
}

static size_t take(struct fake_nbd *f, struct fake_nbd_conn *c)
{
	size_t len;

	if (c->stage == STAGE_SERVE)
		return take_request(f, c);
	if (c->stage == STAGE_FLAGS) {
		if (c->in_len < 4)
			return 0;
		c->stage = STAGE_OPTIONS;
		return 4;
	}
	if (c->in_len < 16)
		return 0;
	T_OK(get(c->in, 8) == OPTION_MAGIC);
	len = 16 + get(c->in + 12, 4);
	if (c->in_len < len)
		return 0;
	option(f, c, (uint32_t)get(c->in + 8, 4), c->in + 16);
	return len;
}

/* What the request does to the cache, and with FUA to the medium. Return: NBD's error. */
static uint32_t apply(struct fake_nbd *f, const struct fake_nbd_request *r)
{
	if (f->cfg.read_only)
		return NBD_EPERM;
	if (r->type == CMD_WRITE)
		memcpy(f->cache + r->offset, r->data, r->len);
	else
		memset(f->cache + r->offset, 0, r->len);
	for (uint64_t i = r->offset / SECTOR; i <= (r->offset + r->len - 1) / SECTOR; i++)
		f->dirty[i] = true;
	f->n_fua += (r->flags & FLAG_FUA) != 0;
	if (r->flags & FLAG_FUA)
		memcpy(f->medium + r->offset, f->cache + r->offset, r->len);
	return 0;
}

static bool is_ok(const struct fake_nbd *f, const struct fake_nbd_request *r)
{
	uint32_t least = f->cfg.least_bytes ? f->cfg.least_bytes : 1;

	if (r->type == CMD_FLUSH)
		return r->len == 0;
	if (f->cfg.most_bytes && (r->type == CMD_READ || r->type == CMD_WRITE) &&
	    r->len > f->cfg.most_bytes)
		return false;
	return r->len > 0 && (r->len | r->offset) % least == 0 &&
	       r->offset + r->len <= f->cfg.bytes;
}

static uint64_t below(struct fake_nbd *f, uint64_t n)
{
	return f->seed ? t_rand(&f->seed) % n : 0;
}

static size_t sector_len(const struct fake_nbd *f, uint64_t at)
{
	return f->cfg.bytes - at < SECTOR ? f->cfg.bytes - at : SECTOR;
}

static uint32_t flush(struct fake_nbd *f)
{
	for (uint64_t at = 0; at < f->cfg.bytes; at += SECTOR) {
		bool *dirty = &f->dirty[at / SECTOR];

		if (!f->fail_flush && *dirty)
			memcpy(f->medium + at, f->cache + at, sector_len(f, at));
		*dirty = f->fail_flush && *dirty && below(f, 2) == 0;
	}
	return f->fail_flush;
}

static uint32_t execute(struct fake_nbd *f, const struct fake_nbd_request *r)
{
	if (!is_ok(f, r))
		return NBD_EINVAL;
	if ((r->type == CMD_READ || r->type == CMD_WRITE) && r->len > f->largest_bytes)
		f->largest_bytes = r->len;
	switch (r->type) {
	case CMD_READ:
		f->n_reads++;
		return f->fail_read;
	case CMD_WRITE:
		f->n_writes++;
		return f->fail_write ? f->fail_write : apply(f, r);
	case CMD_ZERO:
		f->n_zeroes++;
		return f->fail_zero ? f->fail_zero : apply(f, r);
	case CMD_TRIM:
		f->n_trims++;
		return apply(f, r);
	case CMD_FLUSH:
		f->n_flushes++;
		return flush(f);
	case CMD_CACHE:
		f->n_caches++;
		return 0;
	default:
		f->n_statuses++;
		return 0;
	}
}

static void chunk(struct fake_nbd_conn *c, const struct fake_nbd_request *r, unsigned int type,
		  uint32_t len)
{
	put(c, CHUNK_MAGIC, 4);
	put(c, CHUNK_DONE, 2);
	put(c, type, 2);
	put(c, r->cookie, 8);
	put(c, len, 4);
}

/* As far as all is zeros, or nothing is, a hole or data. */
static void status(const struct fake_nbd *f, struct fake_nbd_conn *c,
		   const struct fake_nbd_request *r)
{
	bool hole = mp_is_zero(f->cache + r->offset, SECTOR);
	uint32_t len = SECTOR;

	while (len < r->len && mp_is_zero(f->cache + r->offset + len, SECTOR) == hole)
		len += SECTOR;
	chunk(c, r, CHUNK_STATUS, 12);
	put(c, 1, 4);
	put(c, len, 4);
	put(c, hole ? 3 : 0, 4);
}

static void answer(const struct fake_nbd *f, struct fake_nbd_conn *c,
		   const struct fake_nbd_request *r, uint32_t error)
{
	bool needs_chunk = c->structured && (r->type == CMD_READ || r->type == CMD_STATUS);

	if (needs_chunk && error) {
		chunk(c, r, CHUNK_ERROR, 6);
		put(c, error, 4);
		put(c, 0, 2);
	} else if (needs_chunk && r->type == CMD_STATUS) {
		status(f, c, r);
	} else if (needs_chunk) {
		chunk(c, r, CHUNK_DATA, 8 + r->len);
		put(c, r->offset, 8);
		put_bytes(c, f->cache + r->offset, r->len);
	} else {
		put(c, REPLY_MAGIC, 4);
		put(c, error, 4);
		put(c, r->cookie, 8);
		if (r->type == CMD_READ && !error)
			put_bytes(c, f->cache + r->offset, r->len);
	}
}

static void remove_pending(struct fake_nbd_conn *c, unsigned int i)
{
	free(c->pending[i].data);
	c->n_pending--;
	memmove(&c->pending[i], &c->pending[i + 1], (c->n_pending - i) * sizeof(c->pending[0]));
}

static bool serve(struct fake_nbd *f, struct fake_nbd_conn *c)
{
	unsigned int i = c->n_pending ? (unsigned int)below(f, c->n_pending) : 0;
	struct fake_nbd_request r;

	/* With a seed it is slow now and then, so that there is something to choose from. */
	if (c->n_pending == 0 || f->hold || (f->seed && below(f, 3) == 0))
		return false;
	r = c->pending[i];
	if (r.type == CMD_DISC) {
		end(c);
		return true;
	}
	answer(f, c, &r, execute(f, &r));
	remove_pending(c, i);
	return true;
}

static bool receive(struct fake_nbd *f, struct fake_nbd_conn *c)
{
	ssize_t n = recv(c->fd, c->in + c->in_len, BUF_BYTES - c->in_len, 0);
	size_t used;

	if (n == 0 || (n < 0 && errno != EAGAIN)) {
		end(c);
		return true;
	}
	if (n > 0)
		c->in_len += (size_t)n;
	while ((used = take(f, c)) > 0) {
		memmove(c->in, c->in + used, c->in_len - used);
		c->in_len -= used;
	}
	return n > 0;
}

static bool transmit(struct fake_nbd_conn *c)
{
	ssize_t n = c->out_len ? send(c->fd, c->out, c->out_len, MSG_NOSIGNAL) : 0;

	if (n <= 0)
		return false;
	memmove(c->out, c->out + n, c->out_len - (size_t)n);
	c->out_len -= (size_t)n;
	return true;
}

bool fake_nbd_step(struct fake_nbd *f)
{
	bool any = false;

	for (struct fake_nbd_conn *c = f->conns; c < f->conns + FAKE_NBD_MAX_CONNS; c++) {
		if (c->fd >= 0)
			any |= receive(f, c);
		while (c->fd >= 0 && serve(f, c))
			any = true;
		if (c->fd >= 0)
			any |= transmit(c);
	}
	return any;
}

void fake_nbd_drop(struct fake_nbd *f, unsigned int conn)
{
	end(&f->conns[conn]);
}

/* What was received may have been done, though nobody was told. */
static void apply_some(struct fake_nbd *f, const struct fake_nbd_conn *c)
{
	for (unsigned int i = 0; i < c->n_pending; i++) {
		const struct fake_nbd_request *r = &c->pending[i];
		bool change = r->type == CMD_WRITE || r->type == CMD_TRIM || r->type == CMD_ZERO;

		if (change && is_ok(f, r) && below(f, 2))
			apply(f, r);
	}
}

void fake_nbd_kill(struct fake_nbd *f)
{
	for (struct fake_nbd_conn *c = f->conns; c < f->conns + FAKE_NBD_MAX_CONNS; c++) {
		apply_some(f, c);
		end(c);
	}
	for (uint64_t at = 0; at < f->cfg.bytes; at += SECTOR) {
		if (f->dirty[at / SECTOR] && below(f, 2))
			memcpy(f->medium + at, f->cache + at, sector_len(f, at));
		f->dirty[at / SECTOR] = false;
	}
	memcpy(f->cache, f->medium, f->cfg.bytes);
}

void fake_nbd_fini(struct fake_nbd *f)
{
	for (unsigned int i = 0; i < FAKE_NBD_MAX_CONNS; i++)
		end(&f->conns[i]);
	free(f->cache);
	free(f->medium);
	free(f->dirty);
	memset(f, 0, sizeof(*f));
}
