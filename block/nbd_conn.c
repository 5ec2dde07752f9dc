/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * One connection to a server.
 *
 *	GONE -> start() -> SHAKING -> drive() -> READY -> drive(), give_up() -> GONE
 *
 * libnbd is a state machine that never blocks: it moves when it is told that
 * its socket may be readable or writable, and being told so in vain costs it
 * one system call. So a core that is awake tells it at each poll while
 * something is in flight; a core that wants to sleep arms a watch in the
 * direction that libnbd names.
 *
 * A server that comes back has to be the one that we know: writable, with the
 * block sizes that requests were cut to, still able to flush. Its size may be
 * another one: so a resize is seen. What it can do beside that may change from
 * connection to connection.
 */
#include "block/nbd.h"

#include <errno.h>
#include <limits.h>
#include <poll.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/err.h"

static const struct mp_nbd_lib *lib_of(const struct mp_nbd_conn *c)
{
	return &c->nbd->lib;
}

static struct nbd_handle *new_handle(const struct mp_nbd_conn *c)
{
	struct nbd_handle *h = lib_of(c)->create();

	if (!h)
		return NULL;
	if (lib_of(c)->set_export_name(h, c->nbd->export_name) < 0 ||
	    lib_of(c)->add_meta_context(h, LIBNBD_CONTEXT_BASE_ALLOCATION) < 0) {
		lib_of(c)->close(h);
		return NULL;
	}
	return h;
}

int mp_nbd_conn_start(struct mp_nbd_conn *c, int sock)
{
	struct mp_nbd *n = c->nbd;
	uint64_t ns = n->cfg.connect_timeout_ns;
	int r = mp_blk_watch_open(n->blk->engine, sock, &c->watch);

	c->why = r == -EMFILE ? "there are more connections than a worker can watch"
		 : r < 0      ? strerror(-r)
			      : NULL;
	c->h = r < 0 ? NULL : new_handle(c);
	if (!c->h) {
		c->watch = mp_blk_watch_close(c->watch);
		close(sock);
		return r < 0 ? mp_err_trace(r) : mp_err_origin(-ENOMEM);
	}
	c->round++;
	c->state = MP_NBD_SHAKING;
	c->deadline_ns = ns ? mp_clock_ns() + ns : UINT64_MAX;
	/* Where it fails it is over, and the next look at it will see that; the socket is closed. */
	if (lib_of(c)->aio_connect_socket(c->h, sock) < 0 && !mp_nbd_conn_is_over(c)) {
		mp_nbd_conn_give_up(c);
		return mp_err_origin(-EIO);
	}
	return 0;
}

bool mp_nbd_conn_is_over(const struct mp_nbd_conn *c)
{
	return lib_of(c)->aio_is_dead(c->h) || lib_of(c)->aio_is_closed(c->h);
}

const char *mp_nbd_conn_why(const struct mp_nbd_conn *c)
{
	const char *text = c->why ? c->why : lib_of(c)->get_error();

	return text ? text : "the server closed the connection";
}

static int refuse(struct mp_nbd_conn *c, int r, const char *why)
{
	c->why = why;
	return mp_err_origin(r);
}

static uint64_t positive(int64_t value, uint64_t otherwise)
{
	return value > 0 ? (uint64_t)value : otherwise;
}

static void learn_abilities(struct mp_nbd_conn *c)
{
	c->can_fua = lib_of(c)->can_fua(c->h) > 0;
	c->can_zero = lib_of(c)->can_zero(c->h) > 0;
	c->can_trim = lib_of(c)->can_trim(c->h) > 0;
	c->can_cache = lib_of(c)->can_cache(c->h) > 0;
	c->has_status = lib_of(c)->can_meta_context(c->h, LIBNBD_CONTEXT_BASE_ALLOCATION) > 0;
}

static int learn_sizes(struct mp_nbd_conn *c)
{
	struct mp_nbd *n = c->nbd;
	struct mp_blk *b = n->blk;
	uint64_t least = positive(lib_of(c)->get_block_size(c->h, LIBNBD_SIZE_MINIMUM), 1);
	uint64_t most = positive(lib_of(c)->get_block_size(c->h, LIBNBD_SIZE_MAXIMUM),
				 MP_NBD_DEFAULT_MAX);
	int64_t bytes = lib_of(c)->get_size(c->h);
	bool first = n->export_bytes == 0;

	if (first)
		b->block_bytes = least <= 512 ? 512 : 4096;
	if (least > b->block_bytes)
		return refuse(c, -ENOTSUP, "its smallest block is larger than 4096 bytes");
	if (most > MP_NBD_LIBRARY_MAX)
		most = MP_NBD_LIBRARY_MAX;
	most -= most % b->block_bytes;
	if (most == 0)
		return refuse(c, -ENOTSUP, "its largest block is smaller than a sector");
	if (bytes < (int64_t)b->block_bytes)
		return refuse(c, -EINVAL, "it is smaller than one sector");
	n->export_bytes = (uint64_t)bytes;
	n->most_bytes = first || most < n->most_bytes ? most : n->most_bytes;
	return 0;
}

static int learn(struct mp_nbd_conn *c)
{
	struct mp_nbd *n = c->nbd;
	bool first = n->export_bytes == 0, can_flush = lib_of(c)->can_flush(c->h) > 0;
	bool can_multi_conn = lib_of(c)->can_multi_conn(c->h) > 0;
	int r;

	if (lib_of(c)->is_read_only(c->h) != 0 && !n->blk->read_only)
		return refuse(c, -EROFS, "the server lets it be read only");
	if (!first && n->can_flush && !can_flush)
		return refuse(c, -ENOTSUP, "it could flush, and can't any more");
	if (!first && n->n_conns > 1 && !can_multi_conn)
		return refuse(c, -ENOTSUP, "it no longer lets several connections serve");
	r = learn_sizes(c);
	if (r < 0)
		return mp_err_trace(r);
	if (first) {
		n->can_flush = can_flush;
		n->can_multi_conn = can_multi_conn;
	}
	learn_abilities(c);
	return 0;
}

/* Return: 0 not ready yet; 1 ready; negative errno: given up. */
static int shake(struct mp_nbd_conn *c)
{
	int r;

	if (!lib_of(c)->aio_is_ready(c->h))
		return 0;
	r = learn(c);
	if (r < 0) {
		mp_nbd_conn_give_up(c);
		return mp_err_trace(r);
	}
	c->state = MP_NBD_READY;
	c->nbd->n_ready++;
	c->nbd->again = true;
	return 1;
}

/* A handshake may end in any call; told of its socket then, libnbd would wait for an answer. */
static bool has_shaken(const struct mp_nbd_conn *c)
{
	return c->state == MP_NBD_SHAKING && lib_of(c)->aio_is_ready(c->h);
}

static void step(struct mp_nbd_conn *c)
{
	if (has_shaken(c))
		return;
	if (lib_of(c)->aio_get_direction(c->h) & LIBNBD_AIO_DIRECTION_READ)
		(void)lib_of(c)->aio_notify_read(c->h);
	if (!has_shaken(c) && lib_of(c)->aio_get_direction(c->h) & LIBNBD_AIO_DIRECTION_WRITE)
		(void)lib_of(c)->aio_notify_write(c->h);
}

/*
 * All answers that are there, however many: those of a server that has died have
 * to be in the log before another connection's end lets it be written again.
 */
bool mp_nbd_conn_drive(struct mp_nbd_conn *c)
{
	bool any = false;

	for (;;) {
		unsigned int n_inflight = c->n_inflight;

		step(c);
		if (mp_unlikely(mp_nbd_conn_is_over(c))) {
			mp_nbd_conn_give_up(c);
			return true;
		}
		if (mp_unlikely(c->state == MP_NBD_SHAKING))
			return shake(c) != 0;
		any |= c->n_inflight != n_inflight;
		if (c->n_inflight == n_inflight || c->n_inflight == 0)
			return any;
	}
}

static short poll_events(const struct mp_nbd_conn *c)
{
	unsigned int dir = lib_of(c)->aio_get_direction(c->h);

	return (short)((dir & LIBNBD_AIO_DIRECTION_READ ? POLLIN : 0) |
		       (dir & LIBNBD_AIO_DIRECTION_WRITE ? POLLOUT : 0));
}

int mp_nbd_conn_try(struct mp_nbd_conn *c)
{
	int r;

	step(c);
	if (mp_nbd_conn_is_over(c))
		return mp_err_origin(-ECONNREFUSED);
	r = shake(c);
	if (r == 0 && mp_clock_ns() >= c->deadline_ns)
		return refuse(c, -ETIMEDOUT, "the server doesn't answer");
	return r < 0 ? mp_err_trace(r) : r;
}

int mp_nbd_conn_await(const struct mp_nbd_conn *c)
{
	struct pollfd fd = {.fd = c->watch->fd, .events = poll_events(c)};
	uint64_t now_ns = mp_clock_ns();
	uint64_t ms = c->deadline_ns > now_ns ? (c->deadline_ns - now_ns) / 1000000 + 1 : 0;

	return poll(&fd, 1, ms < INT_MAX ? (int)ms : -1) < 0 && errno != EINTR
		       ? mp_err_origin(-errno)
		       : 0;
}

void mp_nbd_conn_give_up(struct mp_nbd_conn *c)
{
	struct mp_nbd *n = c->nbd;

	bool was_ready = c->state == MP_NBD_READY;

	n->n_ready -= was_ready;
	c->state = MP_NBD_GONE;
	c->tell = true;
	c->watch = mp_blk_watch_close(c->watch);
	/* From here on it calls nothing back and touches no buffer. */
	n->lib.close(c->h);
	c->h = NULL;
	while (c->newest) {
		struct mp_nbd_cmd *cmd = c->newest;

		c->newest = cmd->prev;
		n->n_inflight--;
		mp_nbd_cmd_take_back(n, cmd);
	}
	c->oldest = NULL;
	c->n_inflight = 0;
	n->again = true;
	/* Also if the log is empty: answers may have come that aren't in it yet. */
	if (was_ready && mp_nbd_log_is_on(&n->log))
		mp_nbd_replay_start(n);
}

static uint64_t deadline(const struct mp_nbd_conn *c)
{
	if (c->state == MP_NBD_SHAKING)
		return c->deadline_ns;
	if (c->state == MP_NBD_READY && c->oldest && c->nbd->cfg.request_timeout_ns)
		return c->oldest->issued_ns + c->nbd->cfg.request_timeout_ns;
	return UINT64_MAX;
}

void mp_nbd_conn_check_time(struct mp_nbd_conn *c, uint64_t now_ns)
{
	if (deadline(c) <= now_ns)
		mp_nbd_conn_give_up(c);
}

uint64_t mp_nbd_conn_before_wait(struct mp_nbd_conn *c)
{
	if (c->state == MP_NBD_GONE)
		return UINT64_MAX;
	if (mp_nbd_conn_is_over(c))
		return 0;
	mp_blk_watch_arm(c->watch, poll_events(c));
	return deadline(c);
}
