/* SPDX-License-Identifier: BSD-3-Clause */
#include "tests/lib/fake_peer.h"

#include <endian.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/bytes.h"
#include "base/cleanup.h"

#define TICKET_MASK   0x0fffffffu
#define DMA_BYTES     64u
#define RAM_TIMEOUT   (5ull * 1000000000ull)
#define LOOK_AGAIN_MS 1000

struct mp_session_device fake_device(void)
{
	struct mp_session_device d = {
		.vendor_id = 0x1000,
		.device_id = 0x0012,
		.subsystem_vendor_id = 0x1000,
		.subsystem_id = 0x1234,
		.class_revision = 0x01000002,
		.interrupt_pin = 1,
		.min_gnt = 0x11,
		.max_lat = 0x40,
		.bar = {{.bytes = 256, .flags = MP_BAR_IO},
			{.bytes = 1024, .flags = MP_BAR_MEM},
			{.bytes = 4096, .flags = MP_BAR_MEM}},
		.shadow_bar_mask = 3,
		.shadow_window = 256,
		.shadowable = {(1ull << FAKE_SHADOW_BYTES) - 1, 1ull << (FAKE_IRQ - 64)},
	};

	snprintf(d.name, sizeof(d.name), "fake");
	return d;
}

int fake_peer_accept_take(struct fake_peer *p, int sock, uint32_t n_slots, uint32_t features)
{
	struct mp_session_cfg cfg = {.features = features,
				     .n_slots = n_slots,
				     .timeout_ns = MP_SESSION_DEFAULT_TIMEOUT_NS,
				     .bell_fd = -1};
	struct mp_session_device d = fake_device();
	const char *error = "";
	int r;

	*p = (struct fake_peer){.s = MP_SESSION_NULL};
	r = mp_session_accept_take(sock, &cfg, &d, &p->s, &error);
	if (r < 0) {
		fprintf(stderr, "fake_peer: %s: %s\n", error, strerror(-r));
		return r;
	}
	for (unsigned int i = 0; i < MP_WIRE_MAX_BARS; i++)
		p->limits.bar_bytes[i] = d.bar[i].bytes;
	fake_peer_publish_shadow(p);
	return 0;
}

static void drop_ram(struct fake_peer *p)
{
	for (uint32_t i = 0; i < p->n_fds; i++)
		mp_fd_close(&p->fds[i]);
	p->n_fds = 0;
	p->n_regions = 0;
}

void fake_peer_fini(struct fake_peer *p)
{
	drop_ram(p);
	mp_session_fini(&p->s);
}

static bool put(struct fake_peer *p, enum mp_wire_op op, uint32_t arg, uint64_t data)
{
	void *slot;

	if (mp_ring_reserve(&p->s.prod, &slot) != 1)
		return false;
	mp_wire_put_rep(slot, op, arg, data);
	mp_ring_commit(&p->s.prod);
	mp_bell_kick(&p->s.ring_peer);
	return true;
}

bool fake_peer_report(struct fake_peer *p, uint64_t gpa, uint32_t len)
{
	return !(p->s.features & MP_FEAT_DMA_REPORT) || put(p, MP_REP_DMA, len, gpa);
}

bool fake_peer_answer(struct fake_peer *p, uint32_t ticket, uint64_t value)
{
	return put(p, MP_REP_DONE, ticket & TICKET_MASK, value);
}

void fake_peer_publish_shadow(struct fake_peer *p)
{
	struct mp_wire_worker_page *page = p->s.own_page;
	uint64_t word;

	for (unsigned int i = 0; i < MP_WIRE_SHADOW_BYTES / 8; i++) {
		memcpy(&word, p->regs + 8 * i, 8);
		/* W1: release, pairs with W2 in proxy/link.c. */
		atomic_store_explicit(&page->shadow[i], word, memory_order_release);
	}
}

void fake_peer_publish_irq(struct fake_peer *p, int level)
{
	struct mp_wire_worker_page *page = p->s.own_page;
	const struct mp_wire_proxy_page *peer = p->s.peer_page;

	if (level == p->irq_level)
		return;
	p->irq_level = level;
	/* W3: release, pairs with W4 in proxy/link.c. */
	atomic_store_explicit(&page->irq_level, (uint32_t)level, memory_order_release);
	/* relaxed: a hint; see struct mp_wire_proxy_page. */
	if (level || !atomic_load_explicit(&peer->irq_edge_only, memory_order_relaxed))
		eventfd_write(p->s.irq_fd, 1);
}

void fake_peer_stop(struct fake_peer *p, bool stopped)
{
	struct mp_wire_worker_page *page = p->s.own_page;

	/* relaxed: the eventfd orders it. */
	atomic_store_explicit(&page->io_stopped, stopped ? MP_IO_STOPPED | MP_IO_NO_SPACE : 0,
			      memory_order_relaxed);
	if (stopped && p->s.stop_fd >= 0)
		eventfd_write(p->s.stop_fd, 1);
}

/* Stores to guest memory by way of the file, as a worker does by its mapping. */
static bool dma_store(struct fake_peer *p, uint64_t gpa, uint8_t fill)
{
	uint8_t bytes[DMA_BYTES];

	memset(bytes, fill, sizeof(bytes));
	for (uint32_t i = 0; i < p->n_regions; i++) {
		const struct mp_session_region *g = &p->region[i];

		if (gpa < g->gpa || gpa - g->gpa + DMA_BYTES > g->len ||
		    (g->flags & MP_RAM_READONLY))
			continue;
		return pwrite(p->fds[g->fd_index], bytes, sizeof(bytes),
			      (off_t)(g->fd_offset + gpa - g->gpa)) == (ssize_t)sizeof(bytes);
	}
	return false;
}

static void show_region(struct fake_peer *p, uint64_t i)
{
	const struct mp_session_region *g;

	if (i >= p->n_regions)
		return;
	g = &p->region[i];
	mp_put_le32(p->regs + FAKE_REGION_GPA, (uint32_t)(g->gpa >> 12));
	mp_put_le32(p->regs + FAKE_REGION_LEN, (uint32_t)(g->len >> 12));
	mp_put_le32(p->regs + FAKE_REGION_FLAGS, g->flags);
}

static void go(struct fake_peer *p, uint64_t value)
{
	uint64_t gpa = mp_get_le32(p->regs + FAKE_DMA_ADDR);
	bool ok = dma_store(p, gpa, (uint8_t)value);

	mp_put_le32(p->regs + FAKE_DMA_OK, ok);
	if (ok)
		fake_peer_report(p, gpa, DMA_BYTES);
	p->regs[FAKE_IRQ] = 1;
}

static void write_reg(struct fake_peer *p, uint32_t off, unsigned int size, uint64_t value)
{
	uint64_t le = htole64(value);

	mp_put_le32(p->regs + FAKE_N_WRITES, mp_get_le32(p->regs + FAKE_N_WRITES) + 1);
	off &= 0xff;
	if (off + size <= sizeof(p->regs))
		memcpy(p->regs + off, &le, size);
	if (off == FAKE_DMA_GO)
		go(p, value);
	if (off == FAKE_LIE)
		fake_peer_report(p, mp_get_le32(p->regs + FAKE_DMA_ADDR), (uint32_t)value);
	if (off == FAKE_STOP)
		fake_peer_stop(p, true);
	if (off == FAKE_IN_FLIGHT)
		p->n_in_flight = (uint32_t)value;
	if (off == FAKE_EXIT)
		p->closing = true;
	if (off == FAKE_REGION)
		show_region(p, value);
}

static uint64_t read_reg(const struct fake_peer *p, uint32_t off, unsigned int size)
{
	uint64_t le = 0;

	off &= 0xff;
	if (off == FAKE_PAUSED)
		return p->paused;
	if (off + size <= sizeof(p->regs))
		memcpy(&le, p->regs + off, size);
	return le64toh(le);
}

static void reset(struct fake_peer *p)
{
	uint32_t n = mp_get_le32(p->regs + FAKE_N_RESETS) + 1;
	uint32_t n_regions = p->n_regions;

	memset(p->regs, 0, sizeof(p->regs));
	mp_put_le32(p->regs + FAKE_N_RESETS, n);
	mp_put_le32(p->regs + FAKE_N_REGIONS, n_regions);
}

/* Returns the value for a reply; *ret_waited says whether one is due. */
static uint64_t apply(struct fake_peer *p, const struct mp_wire_req *req, bool *ret_waited)
{
	*ret_waited = req->op != MP_REQ_BAR_WRITE;
	switch (req->op) {
	case MP_REQ_BAR_WRITE:
	case MP_REQ_BAR_WRITE_WAIT:
		write_reg(p, req->off, req->size, req->data);
		return 0;
	case MP_REQ_BAR_READ:
		return read_reg(p, req->off, req->size);
	case MP_REQ_CFG_WRITE:
		if (req->off < 64)
			memcpy(p->regs + FAKE_CFG + req->off, &(uint64_t){htole64(req->data)},
			       req->size);
		return 0;
	case MP_REQ_PAUSE:
		p->paused = true;
		return p->n_in_flight ? p->n_in_flight-- : 0;
	case MP_REQ_CONTINUE:
		p->paused = false;
		fake_peer_stop(p, false);
		return 0;
	case MP_REQ_RESET:
	default:
		reset(p);
		return 0;
	}
}

static void publish(struct fake_peer *p)
{
	fake_peer_publish_shadow(p);
	fake_peer_publish_irq(p, p->regs[FAKE_IRQ] & 1);
}

unsigned int fake_peer_turn(struct fake_peer *p)
{
	struct mp_wire_req req;
	unsigned int n = 0;
	const void *slot;
	uint64_t value;
	bool waited;

	while (!p->closing && mp_ring_peek(&p->s.cons, &slot) == 1) {
		if (mp_wire_check_req(slot, &p->limits, &req) < 0) {
			p->closing = true;
			break;
		}
		mp_ring_next(&p->s.cons);
		n++;
		value = apply(p, &req, &waited);
		if (waited) {
			publish(p);
			fake_peer_answer(p, p->s.cons.next, value);
		}
	}
	publish(p);
	mp_ring_release(&p->s.cons);
	return n;
}

int fake_peer_serve_ram(struct fake_peer *p)
{
	struct mp_fds fds = {.fd = p->fds, .max = MP_SESSION_MAX_RAM_FDS};
	int r;

	drop_ram(p);
	r = mp_session_recv_ram(p->s.sock, p->region, &p->n_regions, &fds, RAM_TIMEOUT);
	p->n_fds = (uint32_t)fds.n;
	mp_put_le32(p->regs + FAKE_N_REGIONS, p->n_regions);
	if (r == 1)
		mp_session_send_ack(p->s.sock, 0, RAM_TIMEOUT);
	return r;
}

/* Sleeps until there is something to do; false when the proxy is gone. */
static bool sleep_and_serve(struct fake_peer *p)
{
	struct pollfd pfd[] = {{.fd = p->s.own_bell_fd, .events = POLLIN},
			       {.fd = p->s.sock, .events = POLLIN}};
	const void *slot;

	mp_bell_arm(&p->s.sleep_own);
	if (mp_ring_peek(&p->s.cons, &slot) == 0)
		poll(pfd, 2, LOOK_AGAIN_MS);
	mp_bell_disarm(&p->s.sleep_own);
	mp_bell_drain(p->s.own_bell_fd);
	return !pfd[1].revents || fake_peer_serve_ram(p) == 1;
}

void fake_peer_run(struct fake_peer *p)
{
	while (!p->closing) {
		if (fake_peer_turn(p) == 0 && !sleep_and_serve(p))
			break;
	}
}
