/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * link.c - one guest access becomes a message, and waits for its reply or not.
 * Here by rings; link_socket.c has the same calls for a stock worker.
 *
 * A link is in one of three states:
 *
 *	alive	--a wait ran into its limit-->		dead
 *	dead	--mp_link_reset() was answered-->	alive
 *	any	--hang-up, or a broken promise-->	closed (and dead), for good
 *
 * While it is dead, reads give all ones, writes are dropped, and the interrupt
 * level is 0, as of a device that was pulled out. Answers that arrive after
 * their request was given up are recognised by their ticket, the request's
 * position in the ring, and ignored.
 *
 * A wait first spins, then blocks on the bell and on the socket, so that a
 * worker which dies is noticed at once. Only poll() runs between
 * blocking_begin() and blocking_end(); everything that touches the rings or
 * calls back runs with the owner's lock. The worker doesn't ring when it only
 * gives back credit, so a wait on a full ring naps for a growing time instead;
 * it also takes replies meanwhile: two full rings can't wait for each other.
 *
 * What the guest learns, it learns after the DMA that it tells of: each value
 * is loaded first (R4, W2, W4), then the reports that were committed before it
 * are taken from the ring, then it is handed on. All reports that precede a
 * value are among the next n_slots messages, so one bounded pass is enough.
 */
#include "proxy/link_priv.h"

#include <endian.h>
#include <errno.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/err.h"
#include "doorbell/idle.h"

#define TICKET_MASK  0x0fffffffu
#define NAP_FIRST_NS 20000ull
#define NAP_MAX_NS   1000000ull

const char mp_link_why_timeout[] = "the worker did not answer within reply-timeout";
const char mp_link_why_gone[] = "the worker closed its socket";
static const char why_talk[] = "the worker talks out of turn on its socket";
static const char why_head[] = "the worker claims requests that were never sent";
const char mp_link_why_reply[] = "the worker sent a malformed reply";
static const char why_flood[] = "the worker reports more memory writes than can be handled";
const char mp_link_why_ram[] = "the worker did not take the new table of guest memory";
const char mp_link_why_answers[] = "the worker answers again";

/* What a wait is for. */
struct answer {
	uint32_t ticket;
	bool done;
	uint64_t value;
};

struct wait {
	uint64_t begin_tsc;
	uint64_t deadline_ns; /* 0 while it spins: most waits never ask the time */
	uint64_t nap_ns; /* 0: the bell will ring */
};

uint64_t mp_link_all_ones(unsigned int size)
{
	return size >= 8 ? UINT64_MAX : (1ull << (size * 8)) - 1;
}

static const struct mp_wire_worker_page *worker_page(const struct mp_link *l)
{
	return l->s.peer_page;
}

/* The owner's lock orders the threads that play the ring roles in turn. */
static void enter(struct mp_link *l)
{
	mp_ring_prod_rebind(&l->s.prod);
	mp_ring_cons_rebind(&l->s.cons);
}

void mp_link_tell_irq(struct mp_link *l, int level)
{
	if (level == l->irq_level)
		return;
	l->irq_level = level;
	mp_stat_add(l->cfg.stats, level ? MP_STAT_PROXY_IRQ_RAISED : MP_STAT_PROXY_IRQ_LOWERED, 1);
	l->cfg.ops->irq(l->cfg.opaque, level);
}

void mp_link_set_dead(struct mp_link *l, const char *why)
{
	if (l->dead)
		return;
	l->dead = true;
	/* A dead device must not hold a line that others may share. */
	mp_link_tell_irq(l, 0);
	l->cfg.ops->state(l->cfg.opaque, true, why);
}

/* Closing the socket for both directions also tells the worker to stop its DMA. */
void mp_link_set_closed(struct mp_link *l, const char *why)
{
	if (l->closed)
		return;
	l->closed = true;
	shutdown(l->s.sock, SHUT_RDWR);
	if (l->dead)
		l->cfg.ops->state(l->cfg.opaque, true, why);
	mp_link_set_dead(l, why);
}

static void take_report(struct mp_link *l, const struct mp_wire_rep *rep)
{
	if (!(l->s.features & MP_FEAT_DMA_REPORT)) {
		mp_link_set_closed(l, mp_link_why_reply);
		return;
	}
	mp_stat_add(l->cfg.stats, MP_STAT_PROXY_DMA_REPORTS, 1);
	mp_stat_add(l->cfg.stats, MP_STAT_PROXY_DMA_REPORT_BYTES, rep->arg);
	l->cfg.ops->dma_written(l->cfg.opaque, rep->data, rep->arg);
}

/* One message; @want is NULL when nobody waits. */
static void take_reply(struct mp_link *l, const void *slot, struct answer *want)
{
	struct mp_wire_rep rep;

	if (mp_wire_check_rep(slot, &rep) < 0) {
		mp_link_set_closed(l, mp_link_why_reply);
		return;
	}
	if (rep.op == MP_REP_DMA) {
		take_report(l, &rep);
	} else if (want && rep.arg == want->ticket) {
		want->value = rep.data;
		want->done = true;
	}
}

/*
 * Takes what has arrived, up to the answer that is wanted and at most a full
 * ring of it. Returns whether it stopped for the latter. A worker that keeps
 * us busy with reports for longer than a wait may last is closed.
 */
static bool take_replies(struct mp_link *l, struct answer *want)
{
	uint32_t n_left = l->s.cons.mask + 1;
	uint64_t begin_tsc = 0;
	const void *slot;

	while (n_left > 0 && !l->closed && !(want && want->done)) {
		if (mp_ring_peek(&l->s.cons, &slot) == 0)
			break;
		take_reply(l, slot, want);
		mp_ring_next(&l->s.cons);
		n_left--;
		if (begin_tsc == 0)
			begin_tsc = mp_clock_tsc();
		else if (mp_clock_tsc() - begin_tsc > l->limit_tsc)
			mp_link_set_closed(l, why_flood);
	}
	mp_ring_release(&l->s.cons);
	return n_left == 0;
}

int mp_link_irq_now(const struct mp_link *l)
{
	if (l->socket)
		return l->irq_level;
	/* W4: acquire, pairs with W3: the DMA and the reports that the level
	 * announces are visible before it. */
	return atomic_load_explicit(&worker_page(l)->irq_level, memory_order_acquire) != 0;
}

/* The level last of all: what it announces has been reported by then. */
static bool sync_irq(struct mp_link *l)
{
	int level = mp_link_irq_now(l);
	const void *slot;
	bool more = mp_ring_peek(&l->s.cons, &slot) == 1 && take_replies(l, NULL);

	if (!l->dead)
		mp_link_tell_irq(l, level);
	return more;
}

static void kick(struct mp_link *l)
{
	if (mp_bell_kick(&l->s.ring_peer))
		mp_stat_add(l->cfg.stats, MP_STAT_PROXY_DOORBELLS, 1);
}

/* Until the bell, the worker's end, or @until_ns; returns whether the worker hung up. */
static bool poll_until(struct mp_link *l, uint64_t until_ns)
{
	/* Not POLLIN on the socket: a worker that talks out of turn must not
	 * turn this into a spin. Hang-up and error need no asking. */
	struct pollfd pfd[] = {{.fd = l->s.own_bell_fd, .events = POLLIN},
			       {.fd = l->s.sock, .events = POLLRDHUP}};
	uint64_t now_ns;
	struct timespec ts;
	int r;

	do {
		now_ns = mp_clock_ns();
		if (now_ns >= until_ns)
			return false;
		ts.tv_sec = (time_t)((until_ns - now_ns) / MP_NS_PER_SEC);
		ts.tv_nsec = (long)((until_ns - now_ns) % MP_NS_PER_SEC);
		r = ppoll(pfd, 2, &ts, NULL);
	} while (r < 0 && errno == EINTR);
	return r > 0 && pfd[1].revents != 0;
}

static void block_until(struct mp_link *l, uint64_t until_ns)
{
	const struct mp_link_ops *ops = l->cfg.ops;
	bool hung_up = false;
	const void *slot;

	mp_stat_add(l->cfg.stats, MP_STAT_PROXY_SLEEPS, 1);
	if (ops->blocking_begin)
		ops->blocking_begin(l->cfg.opaque);
	mp_bell_arm(&l->s.sleep_own);
	/* The last look, after B2. */
	if (mp_ring_peek(&l->s.cons, &slot) == 0)
		hung_up = poll_until(l, until_ns);
	mp_bell_disarm(&l->s.sleep_own);
	mp_bell_drain(l->s.own_bell_fd);
	if (ops->blocking_end)
		ops->blocking_end(l->cfg.opaque);
	if (hung_up)
		mp_link_set_closed(l, mp_link_why_gone);
}

static struct wait wait_begin(uint64_t nap_ns)
{
	return (struct wait){.begin_tsc = mp_clock_tsc(), .nap_ns = nap_ns};
}

static void wait_end(struct mp_link *l, const struct wait *w)
{
	uint64_t ticks = mp_clock_tsc() - w->begin_tsc;

	mp_stat_add(l->cfg.stats, MP_STAT_PROXY_WAIT_NS, ticks * l->ns_per_tick_q20 >> 20);
}

/* Passes a little time; false when there is no more to wait for. */
static bool wait_on(struct mp_link *l, struct wait *w)
{
	uint64_t now_ns, until_ns;

	if (l->closed)
		return false;
	if (mp_clock_tsc() - w->begin_tsc < l->spin_tsc) {
		mp_pause();
		return true;
	}
	now_ns = mp_clock_ns();
	if (w->deadline_ns == 0)
		w->deadline_ns = now_ns + l->cfg.reply_timeout_ns;
	if (now_ns >= w->deadline_ns) {
		mp_stat_add(l->cfg.stats, MP_STAT_PROXY_TIMEOUTS, 1);
		mp_link_set_dead(l, mp_link_why_timeout);
		return false;
	}
	until_ns = w->deadline_ns;
	if (w->nap_ns && until_ns - now_ns > w->nap_ns)
		until_ns = now_ns + w->nap_ns;
	if (w->nap_ns && w->nap_ns < NAP_MAX_NS)
		w->nap_ns *= 2;
	block_until(l, until_ns);
	return true;
}

static int wait_for_credit(struct mp_link *l, void **ret_slot)
{
	struct wait w = wait_begin(NAP_FIRST_NS);
	int r;

	mp_stat_add(l->cfg.stats, MP_STAT_PROXY_FULL, 1);
	do {
		kick(l);
		take_replies(l, NULL);
		r = mp_ring_reserve(&l->s.prod, ret_slot);
	} while (r == 0 && wait_on(l, &w));
	wait_end(l, &w);
	return r;
}

/* Puts a request into the ring; false when the device is (now) dead. */
static bool post(struct mp_link *l, const struct mp_wire_req *req)
{
	void *slot;
	int r;

	r = mp_ring_reserve(&l->s.prod, &slot);
	if (mp_unlikely(r == 0))
		r = wait_for_credit(l, &slot);
	if (mp_unlikely(r < 0))
		mp_link_set_closed(l, why_head);
	if (mp_unlikely(r != 1 || l->closed))
		return false;
	mp_wire_put_req(slot, req);
	mp_ring_commit(&l->s.prod);
	kick(l);
	return true;
}

/* Posts a request and waits for its answer; false when the device is (now) dead. */
static bool ask(struct mp_link *l, const struct mp_wire_req *req, uint64_t *ret_value)
{
	struct answer a = {.done = false};
	struct wait w;

	if (!post(l, req))
		return false;
	a.ticket = l->s.prod.tail & TICKET_MASK;
	w = wait_begin(0);
	do
		take_replies(l, &a);
	while (!a.done && wait_on(l, &w));
	wait_end(l, &w);
	if (!a.done)
		return false;
	*ret_value = a.value;
	return true;
}

static void ask_and_sync(struct mp_link *l, const struct mp_wire_req *req)
{
	uint64_t unused;

	if (l->dead)
		return;
	enter(l);
	mp_stat_add(l->cfg.stats, MP_STAT_PROXY_WAITED_WRITES, 1);
	if (ask(l, req, &unused))
		sync_irq(l);
}

/* Are all bytes of the access in the shadow? Then @ret_at is where. */
static bool is_shadowed(const struct mp_session_device *d, const struct mp_wire_req *req,
			uint32_t *ret_at)
{
	uint32_t at = req->off & (d->shadow_window - 1);
	uint64_t bits = (1ull << req->size) - 1;

	if (!(d->shadow_bar_mask >> req->bar & 1) || req->off >= MP_WIRE_SHADOW_BYTES)
		return false;
	if (at / 8 >= MP_WIRE_SHADOW_BYTES / 8 || (at & 7) + req->size > 8)
		return false;
	*ret_at = at;
	return (d->shadowable[at / 64] >> (at & 63) & bits) == bits;
}

/* The value without a message, if everything posted has been applied. */
static bool read_shadow(struct mp_link *l, const struct mp_wire_req *req, uint64_t *ret_value)
{
	uint64_t raw_word;
	uint32_t at;
	int r;

	if (!is_shadowed(&l->s.device, req, &at))
		return false;
	r = mp_ring_drained(&l->s.prod);
	if (r < 0)
		mp_link_set_closed(l, why_head);
	if (r != 1)
		return false;
	/* W2: acquire, pairs with W1: the DMA and its reports before the status
	 * bit that tells of them. */
	raw_word = atomic_load_explicit(&worker_page(l)->shadow[at / 8], memory_order_acquire);
	*ret_value = le64toh(raw_word) >> (at & 7) * 8;
	mp_stat_add(l->cfg.stats, MP_STAT_PROXY_SHADOW_READS, 1);
	return true;
}

uint64_t mp_link_read(struct mp_link *l, unsigned int bar, uint32_t off, unsigned int size)
{
	struct mp_wire_req req = {.op = MP_REQ_BAR_READ, .bar = bar, .size = size, .off = off};
	uint64_t value = UINT64_MAX;
	bool ok;

	if (l->socket)
		return mp_link_socket_read(l, &req);
	enter(l);
	ok = !l->dead && read_shadow(l, &req, &value);
	if (!ok && !l->dead) {
		mp_stat_add(l->cfg.stats, MP_STAT_PROXY_WAITED_READS, 1);
		ok = ask(l, &req, &value);
	}
	if (ok)
		sync_irq(l);
	if (!ok || l->closed) {
		mp_stat_add(l->cfg.stats, MP_STAT_PROXY_LOCAL_READS, 1);
		return mp_link_all_ones(size);
	}
	return value & mp_link_all_ones(size);
}

void mp_link_post(struct mp_link *l, unsigned int bar, uint32_t off, unsigned int size,
		  uint64_t value)
{
	struct mp_wire_req req = {
		.op = MP_REQ_BAR_WRITE, .bar = bar, .size = size, .off = off, .data = value};

	if (l->dead)
		return;
	if (l->socket) {
		mp_link_socket_post(l, &req);
		return;
	}
	enter(l);
	if (post(l, &req))
		mp_stat_add(l->cfg.stats, MP_STAT_PROXY_POSTED_WRITES, 1);
}

void mp_link_write(struct mp_link *l, unsigned int bar, uint32_t off, unsigned int size,
		   uint64_t value)
{
	struct mp_wire_req req = {
		.op = MP_REQ_BAR_WRITE_WAIT, .bar = bar, .size = size, .off = off, .data = value};

	if (l->socket)
		mp_link_socket_write(l, &req);
	else
		ask_and_sync(l, &req);
}

void mp_link_cfg_write(struct mp_link *l, uint32_t off, unsigned int size, uint64_t value)
{
	struct mp_wire_req req = {.op = MP_REQ_CFG_WRITE, .size = size, .off = off, .data = value};

	if (l->socket)
		mp_link_socket_cfg_write(l, off, size, (uint32_t)value);
	else
		ask_and_sync(l, &req);
}

/* A wait that nobody shortens: the worker doesn't tell when I/O ends, it is asked. */
static void nap(struct mp_link *l, uint64_t ns, uint64_t deadline_ns)
{
	uint64_t until_ns = mp_clock_ns() + ns;

	block_until(l, until_ns < deadline_ns ? until_ns : deadline_ns);
}

int mp_link_pause(struct mp_link *l)
{
	uint64_t deadline_ns = mp_clock_ns() + l->cfg.reply_timeout_ns;
	struct mp_wire_req req = {.op = MP_REQ_PAUSE, .size = 4};
	uint64_t n_in_flight;

	l->paused = true;
	if (l->socket)
		return mp_err_trace(mp_link_socket_pause(l));
	if (!(l->s.features & MP_FEAT_PAUSE))
		return 0;
	if (l->dead)
		return mp_err_origin(-EIO);
	enter(l);
	for (;;) {
		mp_stat_add(l->cfg.stats, MP_STAT_PROXY_WAITED_WRITES, 1);
		if (!ask(l, &req, &n_in_flight))
			return mp_err_origin(-EIO);
		sync_irq(l);
		if (n_in_flight == 0)
			return 0;
		if (mp_clock_ns() >= deadline_ns)
			return mp_err_origin(-EBUSY);
		nap(l, NAP_MAX_NS, deadline_ns);
	}
}

void mp_link_continue(struct mp_link *l)
{
	struct mp_wire_req req = {.op = MP_REQ_CONTINUE, .size = 4};

	l->paused = false;
	if (l->s.features & MP_FEAT_PAUSE)
		ask_and_sync(l, &req);
}

/* A worker that was dead may have missed either. */
static void say_runstate(struct mp_link *l)
{
	struct mp_wire_req req = {.op = l->paused ? MP_REQ_PAUSE : MP_REQ_CONTINUE, .size = 4};
	uint64_t unused;

	if (l->s.features & MP_FEAT_PAUSE)
		ask(l, &req, &unused);
}

int mp_link_reset(struct mp_link *l)
{
	struct mp_wire_req req = {.op = MP_REQ_RESET, .size = 4};
	uint64_t unused;

	if (l->closed)
		return mp_err_origin(-EIO);
	if (l->socket)
		return mp_err_trace(mp_link_socket_reset(l));
	enter(l);
	mp_stat_add(l->cfg.stats, MP_STAT_PROXY_WAITED_WRITES, 1);
	if (!ask(l, &req, &unused))
		return mp_err_origin(-EIO);
	if (l->dead) {
		l->dead = false;
		l->cfg.ops->state(l->cfg.opaque, false, mp_link_why_answers);
		say_runstate(l);
	}
	sync_irq(l);
	return 0;
}

int mp_link_set_ram(struct mp_link *l, const struct mp_session_region *region, uint32_t n_regions,
		    const int *fds, uint32_t n_fds)
{
	const struct mp_fds out = {.fd = (int *)(uintptr_t)fds, .n = n_fds};
	int r;

	if (l->closed)
		return mp_err_origin(-EIO);
	if (l->socket)
		return mp_err_trace(mp_link_socket_set_ram(l, region, n_regions, fds));
	r = mp_session_send_ram(l->s.sock, region, n_regions, &out, l->cfg.reply_timeout_ns);
	/* A late ACK would be taken for the next one's: the socket is of no more use. */
	if (r < 0)
		mp_link_set_closed(l, mp_link_why_ram);
	return mp_err_trace(r);
}

int mp_link_irq_fd(const struct mp_link *l)
{
	return l->s.irq_fd;
}

void mp_link_irq_ready(struct mp_link *l)
{
	mp_stat_add(l->cfg.stats, MP_STAT_PROXY_IRQ_WAKES, 1);
	if (l->socket) {
		mp_link_socket_irq_ready(l);
		return;
	}
	enter(l);
	mp_bell_drain(l->s.irq_fd);
	/* A dead device's reports still count; its interrupts don't. */
	if (!l->closed && sync_irq(l))
		eventfd_write(l->s.irq_fd, 1);
}

void mp_link_irq_missed(struct mp_link *l)
{
	/* By rings the level stays where it is; by socket there are only rises. */
	if (l->socket)
		mp_link_socket_irq_missed(l);
	else
		mp_bell_drain(l->s.irq_fd);
}

int mp_link_resample_fd(const struct mp_link *l)
{
	return l->socket ? mp_link_socket_resample_fd(l) : -1;
}

void mp_link_irq_again(struct mp_link *l)
{
	if (l->socket) {
		mp_link_socket_irq_again(l);
	} else if (!l->dead) {
		l->irq_level = mp_link_irq_now(l);
		l->cfg.ops->irq(l->cfg.opaque, l->irq_level);
	}
}

void mp_link_set_irq_edge_only(struct mp_link *l, bool on)
{
	struct mp_wire_proxy_page *page = l->s.own_page;

	if (l->socket)
		return;
	/* relaxed: a hint that orders nothing; a late reader rings once too often. */
	atomic_store_explicit(&page->irq_edge_only, on, memory_order_relaxed);
}

int mp_link_stop_fd(const struct mp_link *l)
{
	return l->s.stop_fd;
}

void mp_link_stop_ready(struct mp_link *l)
{
	uint32_t raw;

	mp_bell_drain(l->s.stop_fd);
	/* relaxed: the eventfd orders it; what is seen too early or twice stops a
	 * machine that is about to stop, or has. */
	raw = atomic_load_explicit(&worker_page(l)->io_stopped, memory_order_relaxed);
	if (!l->dead && (raw & MP_IO_STOPPED))
		l->cfg.ops->io_stopped(l->cfg.opaque, raw & MP_IO_READING, raw & MP_IO_NO_SPACE);
}

int mp_link_sock_fd(const struct mp_link *l)
{
	return l->socket ? mp_link_socket_hup_fd(l) : l->s.sock;
}

void mp_link_hup(struct mp_link *l)
{
	ssize_t n;
	char byte;

	if (l->closed)
		return;
	if (l->socket) {
		mp_link_socket_hup(l);
		return;
	}
	n = recv(l->s.sock, &byte, 1, MSG_PEEK | MSG_DONTWAIT);
	if (n > 0)
		mp_link_set_closed(l, why_talk);
	else if (n == 0 || (errno != EAGAIN && errno != EINTR))
		mp_link_set_closed(l, mp_link_why_gone);
}

/* --- both ways -------------------------------------------------------------- */

static void ignore_irq(void *opaque, int level)
{
}

static void keep_why(void *opaque, bool dead, const char *why)
{
	*(const char **)opaque = why;
}

static int meet_rings(struct mp_link *l, int sock, const char **ret_error)
{
	struct mp_session_cfg scfg = {.features = l->cfg.features,
				      .n_slots = MP_SESSION_DEFAULT_REQ_SLOTS,
				      .timeout_ns = l->cfg.connect_timeout_ns,
				      .bell_fd = -1};
	int r = mp_session_connect_take(sock, &scfg, &l->s, ret_error);

	if (r < 0)
		return mp_err_trace(r);
	l->dead = false;
	l->closed = false;
	return 0;
}

/* While it is probed it has no owner yet whom its death could concern. */
static int meet_stock(struct mp_link *l, int sock, const char **ret_error)
{
	static const struct mp_link_ops ops = {.irq = ignore_irq, .state = keep_why};
	const struct mp_link_cfg cfg = l->cfg;
	const char *why = NULL;
	int r;

	l->cfg.ops = &ops;
	l->cfg.opaque = &why;
	l->cfg.reply_timeout_ns = cfg.connect_timeout_ns;
	l->s.sock = sock;
	l->dead = false;
	l->closed = false;
	*ret_error = "no eventfds for the stock protocol: check the limit on open files";
	r = mp_link_socket_open(l);
	if (r == 0) {
		mp_link_socket_bound(l, true);
		r = mp_link_probe(l, ret_error);
		mp_link_socket_bound(l, false);
	}
	if (r < 0)
		mp_link_detach(l);
	l->cfg = cfg;
	if (why)
		*ret_error = why;
	return mp_err_trace(r);
}

static int meet(struct mp_link *l, int sock, const char **ret_error)
{
	uint64_t deadline_ns = mp_clock_ns() + l->cfg.connect_timeout_ns;
	int r;

	if (l->cfg.transport == MP_LINK_RING)
		return mp_err_trace(meet_rings(l, sock, ret_error));
	if (l->cfg.transport == MP_LINK_SOCKET)
		return mp_err_trace(meet_stock(l, sock, ret_error));
	r = mp_link_offer(sock, deadline_ns, ret_error);
	if (r < 0) {
		mp_fd_close(&sock);
		return mp_err_trace(r);
	}
	return mp_err_trace(r ? meet_rings(l, sock, ret_error) : meet_stock(l, sock, ret_error));
}

int mp_link_attach_take(struct mp_link *l, int sock, const struct mp_link_cfg *cfg,
			const char **ret_error)
{
	uint64_t hz = mp_clock_tsc_hz();

	*l = (struct mp_link){.s = MP_SESSION_NULL, .cfg = *cfg, .dead = true, .closed = true};
	/* A spin doesn't look at the clock, so it must not outlast the limit. */
	if (l->cfg.spin_ns > cfg->reply_timeout_ns)
		l->cfg.spin_ns = cfg->reply_timeout_ns;
	l->spin_tsc = (uint64_t)((double)l->cfg.spin_ns * (double)hz / 1e9);
	l->limit_tsc = (uint64_t)((double)cfg->reply_timeout_ns * (double)hz / 1e9);
	l->ns_per_tick_q20 = (uint64_t)(1e9 * (double)(1 << 20) / (double)hz);
	return mp_err_trace(meet(l, sock, ret_error));
}

void mp_link_detach(struct mp_link *l)
{
	mp_link_socket_close(l);
	mp_session_fini(&l->s);
	l->dead = true;
	l->closed = true;
}
