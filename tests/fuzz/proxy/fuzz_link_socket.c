/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A proxy whose stock worker lies. An input is a list of steps, one byte each
 * and what it needs after it; even steps are the guest's, odd ones the
 * worker's. Whenever the link blocks, the worker's next steps run: it may
 * behave, send answers that nobody asked for, messages of any shape, raw bytes,
 * fds, rises of its line, or end. The first byte may ask for a probe of the
 * device first.
 *
 * Asserted: no callback while the link blocks (in rig.c), values no wider than
 * their access, a closed device stays closed and reads as all ones, no fd
 * leaks, every call ends, and a worker that has only behaved is alive.
 */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/err.h"
#include "proxy/link_priv.h"
#include "tests/fuzz/proxy/input.h"
#include "tests/unit/proxy/rig.h"

#define MAX_STEPS       64u
#define REPLY_LIMIT_NS  200000ull
#define STEPS_PER_BLOCK 2u
#define PROBE           0xa5u
#define SILENT_BITS     0x30u /* of a worker's step that takes its turn: answers are kept back */

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static bool honest; /* the worker has only behaved so far, and answered all */

static bool keep_back(struct fake_stock *f, struct mp_mpqemu_msg *ret)
{
	return true;
}

/* A message of any shape; often enough a RET. */
static void send_message(struct rig *r)
{
	uint8_t shape = next8();
	struct mp_mpqemu_msg msg = {.cmd = shape & 1 ? MP_MPQEMU_RET : next32(),
				    .hole = shape & 2 ? next32() : 0,
				    .size = shape & 4 ? next8() % 200 : sizeof(msg.value),
				    .value = shape & 8 ? UINT64_MAX : next32()};

	if (msg.size > MP_MPQEMU_MAX_BYTES)
		msg.size = MP_MPQEMU_MAX_BYTES;
	msg.n_fds = shape & 0x10 ? next8() % (MP_MPQEMU_MAX_FDS + 1) : 0;
	for (unsigned int i = 0; i < msg.n_fds; i++)
		msg.fd[i] = r->stats.fd;
	fake_stock_answer(&r->f, &msg);
}

static void send_bytes(struct rig *r)
{
	uint8_t bytes[32] = {0};
	size_t n = next8() % sizeof(bytes), have = n < in.left ? n : in.left;

	if (have)
		memcpy(bytes, in.at, have);
	in.at += have;
	in.left -= have;
	(void)!send(r->f.sock, bytes, n, MSG_DONTWAIT | MSG_NOSIGNAL);
}

static void ring_irq(struct rig *r, uint8_t what)
{
	if (r->f.intr_fd >= 0 && (what & 0x10))
		eventfd_write(r->f.intr_fd, next8());
	else
		fake_stock_set_level(&r->f, what & 0x20);
}

static void worker_step(struct rig *r)
{
	uint8_t what = next8();

	switch (what % 8) {
	case 0:
		honest = false;
		send_message(r);
		break;
	case 1:
		honest = false;
		send_bytes(r);
		break;
	case 2:
		if (what >= 0xf0) {
			honest = false;
			shutdown(r->f.sock, SHUT_RDWR);
		}
		break;
	case 3:
		ring_irq(r, what);
		break;
	default:
		r->f.lie = (what & SILENT_BITS) == SILENT_BITS ? keep_back : NULL;
		fake_stock_turn(&r->f);
	}
	/* One that was late may be dead by now, and rightly so. */
	if (r->f.lie || (what % 8 != 3 && what % 8 < 4))
		honest = false;
}

static void blocked(struct rig *r)
{
	for (unsigned int i = 0; i < STEPS_PER_BLOCK; i++)
		worker_step(r);
	if (in.left == 0)
		fake_stock_turn(&r->f);
}

static void check_read(struct rig *r)
{
	unsigned int size = 1u << next8() % 4;
	bool closed = r->l.closed;
	uint64_t v = mp_link_read(&r->l, next8() % 3, next8(), size);
	uint64_t ones = size == 8 ? UINT64_MAX : (1ull << 8 * size) - 1;

	mp_assert((v & ~ones) == 0);
	mp_assert(!closed || (v == ones && r->l.closed && r->l.dead));
}

static void cfg_write(struct rig *r, uint8_t what)
{
	static const uint32_t bars[] = {RIG_IO | 1, RIG_MEM, RIG_MEM2};
	unsigned int bar = what / 8 % 4;

	if (bar < 3)
		mp_link_cfg_write(&r->l, 0x10 + 4 * bar, 4, bars[bar]);
	else
		mp_link_cfg_write(&r->l, 0x04, 2, what & 0x80 ? next8() : 7);
}

static void set_ram(struct rig *r)
{
	struct mp_session_region g[9];
	uint32_t n = next8() % 10;
	int ret;

	for (uint32_t i = 0; i < n; i++)
		g[i] = (struct mp_session_region){
			.gpa = i << 20, .len = next8() + 1u, .flags = next8() & MP_RAM_READONLY};
	/* It tells nobody that it waits: what it needs is sent before, or it ends in its limit. */
	worker_step(r);
	ret = mp_link_set_ram(&r->l, g, n, &r->stats.fd, 1);
	mp_assert(ret >= 0 || r->l.closed);
	honest = false;
}

static void guest_step(struct rig *r)
{
	uint8_t what = next8();

	switch (what % 8) {
	case 0:
		mp_link_post(&r->l, next8() % 3, next8(), 4, next32());
		break;
	case 1:
		for (unsigned int i = next8(); i > 0; i--)
			mp_link_post(&r->l, 1, STOCK_IRQ, 4, i);
		break;
	case 2:
		mp_link_write(&r->l, 0, next8(), 1, next8());
		break;
	case 3:
		cfg_write(r, what);
		break;
	case 4:
		if (what & 0x80)
			set_ram(r);
		else
			mp_link_reset(&r->l);
		break;
	case 5:
		mp_link_irq_ready(&r->l);
		mp_link_hup(&r->l);
		break;
	case 6:
		if (what & 0x80)
			mp_link_pause(&r->l);
		else
			mp_link_irq_again(&r->l);
		break;
	default:
		check_read(r);
	}
}

/* Fds are numbered from below: one that has leaked shifts the next. */
static int next_fd(void)
{
	int fd = dup(0);

	close(fd);
	return fd;
}

static void run(struct rig *r)
{
	const char *error;

	r->on_block = blocked;
	mp_link_socket_send_irqfds(&r->l);
	honest = true;
	if (next8() == PROBE)
		(void)mp_link_probe(&r->l, &error);
	for (unsigned int i = 0; in.left > 0 && i < MAX_STEPS; i++) {
		if (next8() & 1)
			worker_step(r);
		else
			guest_step(r);
		mp_assert(!r->l.closed || r->l.dead);
		mp_assert(!honest || !r->l.closed);
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct rig_opts opts = RIG_DEFAULTS;
	int fd = next_fd();
	struct rig *r;

	in.at = data;
	in.left = size;
	opts.bare = true;
	opts.reply_timeout_ns = REPLY_LIMIT_NS;
	r = rig_open(&opts);
	if (!r)
		return 0;
	run(r);
	rig_close(r);
	mp_assert(next_fd() == fd);
	return 0;
}
