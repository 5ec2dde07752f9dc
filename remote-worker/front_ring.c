/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The rings of wire/ as a front: requests in, replies, shadow and level out.
 *
 * What the guest learns must never overtake what the device did. Everything
 * that tells the guest something leaves through publish(), in this order:
 *
 *	1. reports of guest memory written (MP_REP_DMA), if the proxy wants them
 *	2. shadow words that changed		W1 each
 *	3. the interrupt level			W3
 *	   and whether an I/O error asks to stop the machine
 *	4. "applied": the request ring's head	R1
 *	5. the reply of a waited request	R3
 *	6. doorbells: a vCPU that sleeps in its wait; QEMU's irq thread
 *
 * When the reply ring has no room for 1 or 5 the front is stalled: nothing
 * later in the list happens, the device takes no request and runs no SCRIPTS,
 * until a later turn finds room. Nothing is dropped and nothing blocks.
 *
 * QEMU's irq thread is rung at once when the level rises. When it falls, the
 * guest has usually just cleared the cause and will soon read or write again,
 * and the proxy looks at the level in each of its own calls: so the ring is put
 * off for FALL_GRACE turns, or until the core would sleep, and left out if a
 * reply carried the news. An eventfd that KVM's irqfd listens on
 * (irq_edge_only) means "interrupt", so it is rung for a rise and nothing else.
 */
#include "remote-worker/device.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/err.h"

#define FALL_GRACE  64u
#define N_SHADOW    (MP_WIRE_SHADOW_BYTES / 8)
#define REPORT_MAX  ((1u << 28) - 4096u)
#define TICKET_MASK ((1u << 28) - 1)

struct front_ring {
	struct mp_front front;
	struct mp_session s;
	struct mp_wire_limits limits;
	uint64_t shadow[N_SHADOW]; /* as last published */
	uint32_t level;
	uint32_t io_stopped; /* as last published */
	unsigned int fall_turns; /* 0: no fall to tell; else turns left */
	uint32_t n_unseen; /* reports since the irq thread was last rung */
	bool have_reply; /* not sent yet */
	uint32_t ticket;
	uint64_t value;
	uint64_t n_requests, n_replies, n_reports, n_irq_kicks, n_rises, n_shadow_words, n_io_stops;
};

static struct front_ring *ring_of(struct mp_front *f)
{
	return (struct front_ring *)f;
}

static struct mp_wire_worker_page *own_page(const struct front_ring *f)
{
	return f->s.own_page;
}

static bool edge_only(const struct front_ring *f)
{
	const struct mp_wire_proxy_page *page = f->s.peer_page;

	/* relaxed: set before the first interrupt, orders nothing; any value is valid. */
	return atomic_load_explicit(&page->irq_edge_only, memory_order_relaxed) != 0;
}

static void ring_irq_thread(struct front_ring *f)
{
	uint64_t one = 1;
	ssize_t n;

	/* EAGAIN: the count is full, so the irq thread has been rung already. */
	n = write(f->s.irq_fd, &one, sizeof(one));
	(void)n;
	f->n_irq_kicks++;
	f->n_unseen = 0;
	f->fall_turns = 0;
}

/* 1 lent, 0 full or broken. */
static bool reserve(struct front_ring *f, void **ret_slot)
{
	int r = mp_ring_reserve(&f->s.prod, ret_slot);

	if (mp_unlikely(r < 0))
		f->front.broken = true;
	return r == 1;
}

static bool send_reports(struct front_ring *f)
{
	struct mp_dma_log *log = &f->front.dev->log;
	uint64_t gpa;
	uint32_t len;
	void *slot;

	while (log->n > 0) {
		if (!reserve(f, &slot))
			return false;
		mp_dma_log_take(log, REPORT_MAX, &gpa, &len);
		mp_wire_put_rep(slot, MP_REP_DMA, len, gpa);
		mp_ring_commit(&f->s.prod);
		f->n_reports++;
		f->n_unseen++;
	}
	return true;
}

static void send_shadow(struct front_ring *f)
{
	const uint64_t *now = mp_lsi_shadow(&f->front.dev->lsi);
	struct mp_wire_worker_page *page = own_page(f);

	if (memcmp(now, f->shadow, sizeof(f->shadow)) == 0)
		return;
	for (unsigned int i = 0; i < N_SHADOW; i++) {
		if (now[i] == f->shadow[i])
			continue;
		f->shadow[i] = now[i];
		/* W1: release, pairs with W2 in the proxy: DMA and its reports before
		 * the status bit that tells of them. */
		atomic_store_explicit(&page->shadow[i], now[i], memory_order_release);
		f->n_shadow_words++;
	}
}

/* Returns whether the level rose. */
static bool send_level(struct front_ring *f)
{
	uint32_t level = (uint32_t)mp_lsi_irq_level(&f->front.dev->lsi);
	bool rose = level && !f->level;

	if (level == f->level)
		return false;
	f->level = level;
	/* W3: release, pairs with W4 in the proxy: memory, reports and shadow before the level. */
	atomic_store_explicit(&own_page(f)->irq_level, level, memory_order_release);
	f->fall_turns = level ? 0 : FALL_GRACE;
	f->n_rises += rose;
	return rose;
}

/* A level too: the proxy looks when it likes, and finds what holds then. */
static void send_io_stopped(struct front_ring *f)
{
	uint32_t now = f->front.dev->io_stopped;
	uint64_t one = 1;
	ssize_t n;

	if (mp_likely(now == f->io_stopped))
		return;
	f->io_stopped = now;
	/* relaxed: it orders nothing but itself, and the eventfd does that. */
	atomic_store_explicit(&own_page(f)->io_stopped, now, memory_order_relaxed);
	if (!now || f->s.stop_fd < 0)
		return;
	n = write(f->s.stop_fd, &one, sizeof(one));
	(void)n;
	f->n_io_stops++;
}

static bool send_reply(struct front_ring *f)
{
	void *slot;

	if (!f->have_reply)
		return true;
	if (!reserve(f, &slot))
		return false;
	mp_wire_put_rep(slot, MP_REP_DONE, f->ticket, f->value);
	mp_ring_commit(&f->s.prod);
	f->have_reply = false;
	f->fall_turns = 0;
	f->n_replies++;
	return true;
}

/* The peer must take something before we can go on: wake whoever could. */
static void stall(struct front_ring *f)
{
	mp_bell_kick(&f->s.ring_peer);
	if (!f->front.stalled && !edge_only(f))
		ring_irq_thread(f);
	f->front.stalled = true;
}

static void publish(struct mp_front *front)
{
	struct front_ring *f = ring_of(front);
	uint64_t n_replies = f->n_replies;
	bool rose;

	if (front->broken)
		return;
	if (mp_unlikely(!send_reports(f))) {
		stall(f);
		return;
	}
	send_shadow(f);
	rose = send_level(f);
	send_io_stopped(f);
	mp_ring_release(&f->s.cons);
	if (mp_unlikely(!send_reply(f)))
		stall(f);
	else
		front->stalled = false;
	/* Credit alone rings nobody: a proxy whose ring is full naps, it doesn't sleep. */
	if (f->n_replies != n_replies)
		mp_bell_kick(&f->s.ring_peer);
	if (rose || (f->n_unseen > f->s.prod.mask / 2 && !edge_only(f)))
		ring_irq_thread(f);
}

static bool is_waited(const struct mp_wire_req *req)
{
	return req->op != MP_REQ_BAR_WRITE;
}

static void apply(struct front_ring *f, const struct mp_wire_req *req)
{
	uint64_t value = mp_device_apply(f->front.dev, req);

	if (!is_waited(req))
		return;
	f->have_reply = true;
	f->ticket = f->s.cons.next & TICKET_MASK;
	f->value = value;
	publish(&f->front);
}

static unsigned int drain(struct mp_front *front, unsigned int budget)
{
	struct front_ring *f = ring_of(front);
	struct mp_wire_req req;
	unsigned int n = 0;
	const void *slot;

	while (n < budget && !front->stalled && !front->broken && mp_ring_peek(&f->s.cons, &slot)) {
		if (mp_unlikely(mp_wire_check_req(slot, &f->limits, &req) < 0)) {
			front->broken = true;
			return n;
		}
		mp_ring_next(&f->s.cons);
		n++;
		apply(f, &req);
	}
	f->n_requests += n;
	if (f->s.cons.published != f->s.cons.next)
		publish(front);
	return n;
}

static void idle(struct mp_front *front, bool sleeping)
{
	struct front_ring *f = ring_of(front);

	if (mp_likely(f->fall_turns == 0) || front->broken)
		return;
	f->fall_turns = sleeping ? 0 : f->fall_turns - 1;
	if (f->fall_turns == 0 && !edge_only(f))
		ring_irq_thread(f);
}

static bool arm(struct mp_front *front)
{
	struct front_ring *f = ring_of(front);
	const void *slot;

	mp_bell_arm(&f->s.sleep_own);
	return !front->broken && !front->stalled && mp_ring_peek(&f->s.cons, &slot);
}

static void disarm(struct mp_front *front)
{
	mp_bell_disarm(&ring_of(front)->s.sleep_own);
}

static void stats(struct mp_front *front)
{
	struct front_ring *f = ring_of(front);
	struct mp_stat_page *page = mp_stat_page(&front->dev->stats);

	mp_stat_set(page, MP_STAT_WORKER_REQUESTS, f->n_requests);
	mp_stat_set(page, MP_STAT_WORKER_REPLIES, f->n_replies);
	mp_stat_set(page, MP_STAT_WORKER_DMA_REPORTS, f->n_reports);
	mp_stat_set(page, MP_STAT_WORKER_DOORBELLS, f->s.ring_peer.n_rings);
	mp_stat_set(page, MP_STAT_WORKER_IRQ_KICKS, f->n_irq_kicks);
	mp_stat_set(page, MP_STAT_WORKER_IRQ_ASSERTS, f->n_rises);
	mp_stat_set(page, MP_STAT_WORKER_SHADOW_UPDATES, f->n_shadow_words);
	mp_stat_set(page, MP_STAT_WORKER_IO_STOPS, f->n_io_stops);
}

static void destroy(struct mp_front *front)
{
	struct front_ring *f = ring_of(front);

	mp_session_fini(&f->s);
	free(f);
}

static const struct mp_front_ops ops = {
	.drain = drain,
	.publish = publish,
	.idle = idle,
	.arm = arm,
	.disarm = disarm,
	.stats = stats,
	.destroy = destroy,
};

int mp_front_ring_create(struct mp_device *dev, struct mp_session *s, struct mp_front **ret_f)
{
	struct front_ring *f = calloc(1, sizeof(*f));

	if (!f)
		return mp_err_origin(-ENOMEM);
	f->front.ops = &ops;
	f->front.dev = dev;
	for (unsigned int i = 0; i < MP_WIRE_MAX_BARS; i++)
		f->limits.bar_bytes[i] = s->device.bar[i].bytes;
	f->s = mp_session_steal(s);
	f->front.wants_reports = f->s.features & MP_FEAT_DMA_REPORT;
	f->front.may_stop = f->s.features & MP_FEAT_IO_STOP;
	/* What mp_worker_first_page() put there before the proxy could look;
	 * relaxed: nobody but us writes it. */
	for (unsigned int i = 0; i < N_SHADOW; i++)
		f->shadow[i] = atomic_load_explicit(&own_page(f)->shadow[i], memory_order_relaxed);
	*ret_f = &f->front;
	return 0;
}
