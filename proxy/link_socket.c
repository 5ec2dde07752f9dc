/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * link_socket.c - the link to a stock worker: one message of multi-process
 * QEMU's protocol for each access, on the socket.
 *
 * Answers have no number; they come in the order of the requests. "expect" is
 * the queue of those that are due. A memory write only leaves an entry there
 * and returns; whoever waits later takes its answer off the socket too, so that
 * everything that was sent before has been answered when a wait returns. At
 * most WINDOW answers are due, which keeps both socket buffers from filling: a
 * send never waits for a worker that keeps to the rules.
 *
 * An answer that is waited for goes where its entry points. The thread that
 * takes it off the socket need not be the one that waits: while a vCPU is
 * blocked without the owner's lock, mp_link_set_ram() may need an answer of its
 * own, and takes those before it. Then the wake eventfd, which nobody else has,
 * ends the other's poll(). Who gives up leaves an entry that points nowhere.
 *
 * The worker decodes absolute addresses by its own copy of BARs and command
 * register, and a stock one ends when an address hits nothing. So "bar" and
 * "command" are what it has been seen to hold, addresses are made from them,
 * and an access that it wouldn't decode isn't sent. A write to its config
 * space is read back, and repeated: while a stock worker starts, it may answer
 * a message and then forget what it said.
 *
 * The interrupt has no level here: the worker writes to irq_fd when its line
 * rises, and again when "resample" is written and it is still high. So each
 * access after an interrupt lowers the line and asks, as the end of interrupt
 * would; KVM does both by itself where it has these eventfds. A write that
 * follows an interrupt waits for its answer, because the worker might see the
 * question before the write.
 */
#include "proxy/link_priv.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/err.h"
#include "doorbell/idle.h"
#include "wire/mpqemu.h"

#define WINDOW        64u
#define EXPECT_MAX    128u /* power of two; WINDOW, and what may be sent beside it */
#define CFG_COMMAND   0x04u
#define CFG_BAR       0x10u
#define CFG_LINE      0x3cu
#define CMD_IO        1u
#define CMD_MEM       2u
#define CMD_MASTER    4u
#define AGAIN_NS      1000000ull
#define PCI_VENDOR_ID 0x00u

static const char why_cfg[] = "the worker doesn't keep what is written to its config space";
static const char why_full[] = "the worker doesn't read its socket";
static const char why_talk[] = "the worker talks out of turn on its socket";

struct answer {
	bool done;
	uint64_t value;
};

struct expect {
	bool reset; /* whose answer may be empty */
	struct answer *to; /* NULL: nobody waits for it */
};

struct mp_link_socket {
	struct mp_mpqemu_rx rx;
	struct expect expect[EXPECT_MAX];
	uint32_t first, n; /* of expect */
	int resample_fd; /* shared with the worker, as l->s.irq_fd is */
	int wake_fd; /* ours alone */
	int hup_fd; /* epoll: readable when the worker has closed */
	uint64_t deadline_ns; /* of all waits of a call that has several; 0: each has its own */
	const char *why_late; /* what it means when that has passed; NULL: no answer came */
	bool intr_seen; /* it wrote to irq_fd while somebody else had the link */
	uint32_t bar[MP_WIRE_MAX_BARS]; /* base addresses; 0: none */
	uint16_t command;
};

/* --- messages ------------------------------------------------------------ */

static bool send_msg(struct mp_link *l, const struct mp_mpqemu_msg *msg)
{
	int r = mp_mpqemu_send(l->s.sock, msg, mp_clock_ns() + l->cfg.reply_timeout_ns);

	mp_stat_add(l->cfg.stats, MP_STAT_PROXY_SOCKET_MESSAGES, 1);
	if (r < 0)
		mp_link_set_closed(l, r == -ETIMEDOUT ? why_full : mp_link_why_gone);
	return r == 0;
}

static bool request(struct mp_link *l, const struct mp_mpqemu_msg *msg, struct answer *to)
{
	struct mp_link_socket *s = l->socket;

	if (l->closed || s->n == EXPECT_MAX || !send_msg(l, msg))
		return false;
	s->expect[(s->first + s->n) % EXPECT_MAX] =
		(struct expect){.reset = msg->cmd == MP_MPQEMU_DEVICE_RESET, .to = to};
	s->n++;
	return true;
}

static void take_ret(struct mp_link *l, struct mp_mpqemu_msg *raw_msg, const struct answer *self)
{
	struct mp_link_socket *s = l->socket;
	struct expect *e = &s->expect[s->first % EXPECT_MAX];
	bool ok = raw_msg->cmd == MP_MPQEMU_RET && raw_msg->n_fds == 0 &&
		  (raw_msg->size == sizeof(raw_msg->value) || (e->reset && raw_msg->size == 0));

	mp_mpqemu_close_fds(raw_msg);
	if (!ok) {
		mp_link_set_closed(l, mp_link_why_reply);
		return;
	}
	s->first++;
	s->n--;
	if (!e->to)
		return;
	e->to->value = raw_msg->value;
	e->to->done = true;
	if (e->to != self)
		eventfd_write(s->wake_fd, 1);
}

/* What has come, up to the answer that @self waits for. */
static void receive(struct mp_link *l, const struct answer *self)
{
	struct mp_link_socket *s = l->socket;
	struct mp_mpqemu_msg msg;
	int r;

	while (s->n > 0 && !l->closed && !(self && self->done)) {
		r = mp_mpqemu_recv(l->s.sock, &s->rx, &msg);
		if (r == 0)
			return;
		if (r > 0)
			take_ret(l, &msg, self);
		else
			mp_link_set_closed(l, r == -EPROTO ? mp_link_why_reply : mp_link_why_gone);
	}
}

/* --- waiting -------------------------------------------------------------- */

/* @silent: the owner's lock is kept, nobody is told of the wait, and the wake
 * eventfd may be another's. */
static void block(struct mp_link *l, uint64_t until_ns, bool silent)
{
	struct pollfd pfd[] = {{.fd = l->s.sock, .events = POLLIN},
			       {.fd = l->socket->wake_fd, .events = POLLIN}};
	const struct mp_link_ops *ops = l->cfg.ops;
	struct timespec ts;
	uint64_t now_ns;
	int r = -1;

	mp_stat_add(l->cfg.stats, MP_STAT_PROXY_SLEEPS, 1);
	if (!silent && ops->blocking_begin)
		ops->blocking_begin(l->cfg.opaque);
	do {
		now_ns = mp_clock_ns();
		if (now_ns >= until_ns)
			break;
		ts.tv_sec = (time_t)((until_ns - now_ns) / MP_NS_PER_SEC);
		ts.tv_nsec = (long)((until_ns - now_ns) % MP_NS_PER_SEC);
		r = ppoll(pfd, silent ? 1 : 2, &ts, NULL);
	} while (r < 0 && errno == EINTR);
	if (!silent && ops->blocking_end)
		ops->blocking_end(l->cfg.opaque);
	/* With the lock: whoever rings it holds that. */
	if (!silent)
		mp_bell_drain(l->socket->wake_fd);
}

static void forget(struct mp_link_socket *s, const struct answer *a)
{
	for (uint32_t i = 0; i < s->n; i++) {
		struct expect *e = &s->expect[(s->first + i) % EXPECT_MAX];

		if (e->to == a)
			e->to = NULL;
	}
}

static bool await(struct mp_link *l, struct answer *a, bool silent)
{
	uint64_t begin_tsc = mp_clock_tsc(), deadline_ns = l->socket->deadline_ns, now_ns;
	const char *why;

	for (;;) {
		receive(l, a);
		if (a->done || l->closed)
			break;
		if (mp_clock_tsc() - begin_tsc < l->spin_tsc) {
			mp_pause();
			continue;
		}
		now_ns = mp_clock_ns();
		if (deadline_ns == 0)
			deadline_ns = now_ns + l->cfg.reply_timeout_ns;
		if (now_ns >= deadline_ns) {
			mp_stat_add(l->cfg.stats, MP_STAT_PROXY_TIMEOUTS, 1);
			why = l->socket->why_late;
			mp_link_set_dead(l, why ? why : mp_link_why_timeout);
			break;
		}
		block(l, deadline_ns, silent);
	}
	if (!a->done)
		forget(l->socket, a);
	mp_stat_add(l->cfg.stats, MP_STAT_PROXY_WAIT_NS,
		    (mp_clock_tsc() - begin_tsc) * l->ns_per_tick_q20 >> 20);
	return a->done;
}

static bool ask(struct mp_link *l, const struct mp_mpqemu_msg *msg, uint64_t *ret_value)
{
	struct answer a = {.done = false};

	if (!request(l, msg, &a) || !await(l, &a, false))
		return false;
	*ret_value = a.value;
	return true;
}

/* Until at most @n_left answers are due. Nobody else waits for one of them. */
static bool drain_to(struct mp_link *l, uint32_t n_left)
{
	struct mp_link_socket *s = l->socket;
	struct answer a = {.done = false};

	if (s->n <= n_left)
		return true;
	s->expect[(s->first + s->n - n_left - 1) % EXPECT_MAX].to = &a;
	return await(l, &a, false);
}

void mp_link_socket_nap(struct mp_link *l, uint64_t ns)
{
	block(l, mp_clock_ns() + ns, false);
}

/* --- interrupts ------------------------------------------------------------ */

/* Its flags belong to the worker too: never write where that could block. */
static void ask_level(struct mp_link *l)
{
	struct pollfd pfd = {.fd = l->socket->resample_fd, .events = POLLOUT};

	mp_stat_add(l->cfg.stats, MP_STAT_PROXY_RESAMPLES, 1);
	if (poll(&pfd, 1, 0) == 1 && (pfd.revents & POLLOUT))
		eventfd_write(l->socket->resample_fd, 1);
}

void mp_link_socket_irq_again(struct mp_link *l)
{
	if (l->closed)
		return;
	/* In this order: a rise from here on is another one. */
	mp_bell_drain(l->s.irq_fd);
	l->socket->intr_seen = false;
	mp_link_tell_irq(l, 0);
	ask_level(l);
}

void mp_link_socket_irq_ready(struct mp_link *l)
{
	struct mp_link_socket *s = l->socket;
	bool rose = mp_bell_drain(l->s.irq_fd) || s->intr_seen;

	s->intr_seen = false;
	if (rose && !l->dead)
		mp_link_tell_irq(l, 1);
}

void mp_link_socket_irq_missed(struct mp_link *l)
{
	if (mp_bell_drain(l->s.irq_fd))
		l->socket->intr_seen = true;
}

/* After an access of the guest: has it dealt with the interrupt? */
static void acknowledge(struct mp_link *l)
{
	if (l->irq_level && !l->dead)
		mp_link_socket_irq_again(l);
}

/* --- BARs ------------------------------------------------------------------ */

static bool is_io(const struct mp_link *l, unsigned int bar)
{
	return l->s.device.bar[bar].flags & MP_BAR_IO;
}

static bool decodes(const struct mp_link *l, const struct mp_wire_req *req)
{
	const struct mp_link_socket *s = l->socket;

	return s->bar[req->bar] != 0 && (s->command & (is_io(l, req->bar) ? CMD_IO : CMD_MEM)) &&
	       req->off < l->s.device.bar[req->bar].bytes;
}

static struct mp_mpqemu_msg bar_msg(const struct mp_link *l, const struct mp_wire_req *req,
				    enum mp_mpqemu_cmd cmd)
{
	return (struct mp_mpqemu_msg){
		.cmd = cmd,
		.size = sizeof(struct mp_mpqemu_bar),
		.bar = {.addr = (uint64_t)l->socket->bar[req->bar] + req->off,
			.val = cmd == MP_MPQEMU_BAR_WRITE ? req->data & mp_link_all_ones(req->size)
							  : 0,
			.size = req->size,
			.memory = !is_io(l, req->bar)},
	};
}

void mp_link_socket_write(struct mp_link *l, const struct mp_wire_req *req)
{
	struct mp_mpqemu_msg msg = bar_msg(l, req, MP_MPQEMU_BAR_WRITE);
	uint64_t unused;

	if (l->dead || !decodes(l, req))
		return;
	mp_stat_add(l->cfg.stats, MP_STAT_PROXY_WAITED_WRITES, 1);
	ask(l, &msg, &unused);
	acknowledge(l);
}

void mp_link_socket_post(struct mp_link *l, const struct mp_wire_req *req)
{
	struct mp_mpqemu_msg msg = bar_msg(l, req, MP_MPQEMU_BAR_WRITE);
	struct mp_link_socket *s = l->socket;

	if (l->irq_level) {
		mp_link_socket_write(l, req);
		return;
	}
	if (l->dead || !decodes(l, req))
		return;
	if (s->n >= WINDOW / 2)
		receive(l, NULL);
	if (s->n >= WINDOW) {
		mp_stat_add(l->cfg.stats, MP_STAT_PROXY_FULL, 1);
		if (!drain_to(l, WINDOW / 2))
			return;
	}
	if (request(l, &msg, NULL))
		mp_stat_add(l->cfg.stats, MP_STAT_PROXY_POSTED_WRITES, 1);
}

uint64_t mp_link_socket_read(struct mp_link *l, const struct mp_wire_req *req)
{
	struct mp_mpqemu_msg msg = bar_msg(l, req, MP_MPQEMU_BAR_READ);
	uint64_t value = UINT64_MAX;
	bool ok = false;

	if (!l->dead && decodes(l, req)) {
		mp_stat_add(l->cfg.stats, MP_STAT_PROXY_WAITED_READS, 1);
		ok = ask(l, &msg, &value);
		acknowledge(l);
	}
	if (!ok)
		mp_stat_add(l->cfg.stats, MP_STAT_PROXY_LOCAL_READS, 1);
	return value & mp_link_all_ones(req->size);
}

/* --- config space ---------------------------------------------------------- */

static struct mp_mpqemu_msg cfg_msg(enum mp_mpqemu_cmd cmd, uint32_t off, int size, uint32_t value)
{
	return (struct mp_mpqemu_msg){.cmd = cmd,
				      .size = sizeof(struct mp_mpqemu_cfg),
				      .cfg = {.addr = off, .val = value, .len = size}};
}

bool mp_link_socket_cfg_get(struct mp_link *l, uint32_t off, int size, uint32_t *ret_value)
{
	struct mp_mpqemu_msg msg = cfg_msg(MP_MPQEMU_PCI_CFGREAD, off, size, 0);
	uint64_t value;

	if (!ask(l, &msg, &value))
		return false;
	*ret_value = (uint32_t)(value & mp_link_all_ones((unsigned int)size));
	return true;
}

bool mp_link_socket_cfg_put(struct mp_link *l, uint32_t off, int size, uint32_t value)
{
	struct mp_mpqemu_msg msg = cfg_msg(MP_MPQEMU_PCI_CFGWRITE, off, size, value);
	uint64_t unused;

	return ask(l, &msg, &unused);
}

/* Which BAR the register is; MP_WIRE_MAX_BARS none that the device has. */
static unsigned int bar_at(const struct mp_link *l, uint32_t off)
{
	unsigned int bar = (off - CFG_BAR) / 4;

	if (off < CFG_BAR || bar >= MP_WIRE_MAX_BARS || off % 4 || !l->s.device.bar[bar].bytes)
		return MP_WIRE_MAX_BARS;
	return bar;
}

/* The bits of a register that our messages depend on. */
static uint32_t bits_that_matter(const struct mp_link *l, uint32_t off)
{
	unsigned int bar = bar_at(l, off);
	uint32_t bits = CMD_MASTER;

	if (bar < MP_WIRE_MAX_BARS)
		return ~(l->s.device.bar[bar].bytes - 1);
	if (off != CFG_COMMAND)
		return 0;
	for (unsigned int i = 0; i < MP_WIRE_MAX_BARS; i++)
		if (l->s.device.bar[i].bytes)
			bits |= is_io(l, i) ? CMD_IO : CMD_MEM;
	return bits;
}

static void note_cfg(struct mp_link *l, uint32_t off, uint32_t value)
{
	unsigned int bar = bar_at(l, off);

	if (bar < MP_WIRE_MAX_BARS)
		l->socket->bar[bar] = value & ~(l->s.device.bar[bar].bytes - 1);
	else if (off == CFG_COMMAND)
		l->socket->command = (uint16_t)value;
}

void mp_link_socket_bound(struct mp_link *l, bool begin)
{
	l->socket->why_late = NULL;
	l->socket->deadline_ns = begin ? mp_clock_ns() + l->cfg.reply_timeout_ns : 0;
}

/* Within mp_link_socket_bound(). */
static bool cfg_settle(struct mp_link *l, uint32_t off, int size, uint32_t value)
{
	uint32_t bits = bits_that_matter(l, off), seen = value;

	for (;;) {
		mp_stat_add(l->cfg.stats, MP_STAT_PROXY_WAITED_WRITES, 1);
		if (!mp_link_socket_cfg_put(l, off, size, value))
			return false;
		if (bits && !mp_link_socket_cfg_get(l, off, size, &seen))
			return false;
		if (((seen ^ value) & bits) == 0)
			break;
		if (mp_clock_ns() >= l->socket->deadline_ns) {
			mp_link_set_dead(l, why_cfg);
			return false;
		}
		/* Or a question ends at the deadline: that is why, too. */
		l->socket->why_late = why_cfg;
		mp_link_socket_nap(l, AGAIN_NS);
	}
	note_cfg(l, off, value);
	return true;
}

void mp_link_socket_cfg_write(struct mp_link *l, uint32_t off, unsigned int size, uint32_t value)
{
	if (l->dead)
		return;
	mp_link_socket_bound(l, true);
	cfg_settle(l, off, (int)size, value);
	mp_link_socket_bound(l, false);
}

/* --- reset, pause, memory --------------------------------------------------- */

/* A stock worker resets the device alone; the PCI core has cleared all of it. */
static bool clear_cfg(struct mp_link *l)
{
	bool ok = cfg_settle(l, CFG_COMMAND, 2, 0) && cfg_settle(l, CFG_LINE, 1, 0);

	for (unsigned int i = 0; ok && i < MP_WIRE_MAX_BARS; i++)
		if (l->s.device.bar[i].bytes)
			ok = cfg_settle(l, CFG_BAR + 4 * i, 4, 0);
	return ok;
}

static int reset(struct mp_link *l)
{
	struct mp_mpqemu_msg msg = {.cmd = MP_MPQEMU_DEVICE_RESET};
	uint64_t unused;

	/* What a dead worker still owes comes first, or nothing more is sent to it. */
	if (l->dead && !drain_to(l, 0))
		return mp_err_origin(-EIO);
	mp_stat_add(l->cfg.stats, MP_STAT_PROXY_WAITED_WRITES, 1);
	if (!ask(l, &msg, &unused))
		return mp_err_origin(-EIO);
	if (l->dead) {
		l->dead = false;
		l->cfg.ops->state(l->cfg.opaque, false, mp_link_why_answers);
	}
	if (!clear_cfg(l))
		return mp_err_origin(-EIO);
	mp_link_socket_irq_again(l);
	return 0;
}

int mp_link_socket_reset(struct mp_link *l)
{
	int r;

	mp_link_socket_bound(l, true);
	r = reset(l);
	mp_link_socket_bound(l, false);
	return mp_err_trace(r);
}

/* There is no message for it; but what has been sent has been applied. */
int mp_link_socket_pause(struct mp_link *l)
{
	if (l->dead || !drain_to(l, 0))
		return mp_err_origin(-EIO);
	return 0;
}

/*
 * The largest pieces that the device may write to, by address. A stock worker
 * maps all that it is given for writing, so read-only ones stay out. Returns how
 * many writable ones were left out.
 */
static unsigned int pick(const struct mp_session_region *region, uint32_t n_regions,
			 const struct mp_session_region **picked, unsigned int *ret_n)
{
	unsigned int n = 0, n_out = 0, smallest;

	for (uint32_t i = 0; i < n_regions; i++) {
		if (region[i].flags & MP_RAM_READONLY)
			continue;
		picked[n++] = &region[i];
		if (n <= MP_MPQEMU_STOCK_FDS)
			continue;
		smallest = 0;
		for (unsigned int j = 1; j < n; j++)
			if (picked[j]->len < picked[smallest]->len)
				smallest = j;
		n--;
		n_out++;
		for (unsigned int j = smallest; j < n; j++)
			picked[j] = picked[j + 1];
	}
	*ret_n = n;
	return n_out;
}

static bool round_trip(struct mp_link *l)
{
	struct mp_mpqemu_msg msg = cfg_msg(MP_MPQEMU_PCI_CFGREAD, PCI_VENDOR_ID, 2, 0);
	struct answer a = {.done = false};

	return request(l, &msg, &a) && await(l, &a, true);
}

int mp_link_socket_set_ram(struct mp_link *l, const struct mp_session_region *region,
			   uint32_t n_regions, const int *fds)
{
	const struct mp_session_region *picked[MP_MPQEMU_STOCK_FDS + 1];
	struct mp_mpqemu_msg msg = {.cmd = MP_MPQEMU_SYNC_SYSMEM, .size = sizeof(msg.sysmem)};
	unsigned int n, n_out = pick(region, n_regions, picked, &n);

	/* No table can be empty. It is when bus mastering is off, which the worker
	 * is told next, or was. */
	if (n == 0)
		return 0;
	for (unsigned int i = 0; i < n; i++) {
		msg.sysmem.gpa[i] = picked[i]->gpa;
		msg.sysmem.len[i] = picked[i]->len;
		msg.sysmem.offset[i] = (int64_t)picked[i]->fd_offset;
		msg.fd[i] = fds[picked[i]->fd_index];
	}
	msg.n_fds = n;
	/* It has no answer; that of a request behind it says that it was taken. */
	if (!send_msg(l, &msg) || !round_trip(l)) {
		mp_link_set_closed(l, mp_link_why_ram);
		return mp_err_origin(-EIO);
	}
	return n_out > 0;
}

/* --- its end ----------------------------------------------------------------- */

int mp_link_socket_hup_fd(const struct mp_link *l)
{
	return l->socket->hup_fd;
}

int mp_link_socket_resample_fd(const struct mp_link *l)
{
	return l->socket->resample_fd;
}

void mp_link_socket_hup(struct mp_link *l)
{
	ssize_t n;
	char byte;

	receive(l, NULL);
	if (l->closed)
		return;
	n = recv(l->s.sock, &byte, 1, MSG_PEEK | MSG_DONTWAIT);
	if (n > 0 && l->socket->n == 0)
		mp_link_set_closed(l, why_talk);
	else if (n == 0 || (n < 0 && errno != EAGAIN && errno != EINTR))
		mp_link_set_closed(l, mp_link_why_gone);
}

/* Not the socket itself: each answer would wake QEMU's main loop, too. */
static int make_hup_fd(int sock)
{
	struct epoll_event event = {.events = EPOLLRDHUP};
	MP_CLEANUP_FD int fd = epoll_create1(EPOLL_CLOEXEC);

	if (fd < 0 || epoll_ctl(fd, EPOLL_CTL_ADD, sock, &event) < 0)
		return mp_err_origin(-errno);
	return mp_fd_steal(&fd);
}

int mp_link_socket_open(struct mp_link *l)
{
	struct mp_link_socket *s = calloc(1, sizeof(*s));

	if (!s)
		return mp_err_origin(-ENOMEM);
	s->resample_fd = s->wake_fd = s->hup_fd = -1;
	l->socket = s;
	l->s.irq_fd = mp_bell_fd_create();
	if (l->s.irq_fd < 0)
		return mp_err_trace(l->s.irq_fd);
	s->resample_fd = mp_bell_fd_create();
	if (s->resample_fd < 0)
		return mp_err_trace(s->resample_fd);
	s->wake_fd = mp_bell_fd_create();
	if (s->wake_fd < 0)
		return mp_err_trace(s->wake_fd);
	s->hup_fd = make_hup_fd(l->s.sock);
	return mp_err_trace(s->hup_fd < 0 ? s->hup_fd : 0);
}

bool mp_link_socket_send_irqfds(struct mp_link *l)
{
	struct mp_mpqemu_msg msg = {.cmd = MP_MPQEMU_SET_IRQFD,
				    .fd = {l->s.irq_fd, l->socket->resample_fd},
				    .n_fds = 2};

	return send_msg(l, &msg);
}

void mp_link_socket_close(struct mp_link *l)
{
	struct mp_link_socket *s = l->socket;

	if (!s)
		return;
	mp_mpqemu_rx_fini(&s->rx);
	mp_fd_close(&s->resample_fd);
	mp_fd_close(&s->wake_fd);
	mp_fd_close(&s->hup_fd);
	free(s);
	l->socket = NULL;
}
