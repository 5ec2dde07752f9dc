/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The socket protocol of stock multi-process QEMU as a front: wire/mpqemu.h has
 * the messages. A stock proxy sends one request and lets its vCPU wait for the
 * answer, but nothing says so, so any number may be on the way; they are
 * answered in order.
 *
 * All of it runs on the polling core, so nothing here waits for the peer. What
 * can't go on makes the front look away from its socket until it can:
 *
 *	stalled		the socket takes no answer: tried again, as with a full ring
 *	ram		a new table of guest memory, which the control thread maps;
 *			until then no request is taken, because those behind the
 *			table may count on it, but SCRIPTS run on with the old one
 *
 * The same table comes again at every change of QEMU's memory map, and nearly
 * always it is the one that is in use: then only its fds are closed. Files are
 * compared, not fds, which are new each time; a file that is mapped keeps its
 * inode number from being another's.
 *
 * The interrupt is an eventfd for "asserted" and one that KVM writes at the
 * guest's end of interrupt ("resample"): the first is written when the level
 * rises, and again when the second is found written while the level is still 1.
 * A level that falls tells nobody. The level is the chip's, behind the command
 * register's interrupt disable bit, since QEMU's own copy of it is not asked.
 *
 * What the peer may not do falls in two. A request whose frame is sound gets an
 * answer, as every vCPU that waits must; all ones, and the control thread says
 * so now and then. A stream that can't be trusted any more ends the device.
 */
#include "remote-worker/device.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/err.h"
#include "block/blk.h"
#include "wire/mpqemu.h"

/* An fd that ends the core's sleep. */
struct ear {
	int fd; /* owned; -1 none */
	struct mp_blk_watch *watch;
	bool blocking; /* its other end didn't ask for O_NONBLOCK */
};

struct file_id {
	dev_t dev;
	ino_t ino;
};

struct front_mpqemu {
	struct mp_front front;
	struct mp_blk_engine *engine;
	struct ear sock, resample;
	int irq_fd;
	bool irq_blocking;
	bool look_at_resample; /* it may have ended a sleep */
	bool level; /* as the peer knows it */
	struct mp_mpqemu_rx rx;
	struct mp_mpqemu_msg first; /* not handled yet */
	bool have_first, is_open; /* is_open: the core has looked for the first time */
	struct mp_mpqemu_msg reply;
	bool have_reply; /* not sent yet */
	/* Of the table in use, n_ram 0: none; and of the one that is being mapped. */
	struct mp_mpqemu_sysmem ram;
	struct file_id ram_file[MP_MPQEMU_MAX_FDS];
	unsigned int n_ram;
	struct mp_mpqemu_msg new_ram;
	bool ram_busy; /* new_ram is the control thread's */
	uint64_t n_requests, n_replies, n_refused, n_irq_kicks, n_rises, n_tables, n_repeats;
};

static struct front_mpqemu *mpqemu_of(struct mp_front *f)
{
	return (struct front_mpqemu *)f;
}

/* -- ears ---------------------------------------------------------------- */

static void ear_open(struct front_mpqemu *f, struct ear *ear, int fd)
{
	ear->fd = fd;
	/* Without a watch arm() keeps the core awake: slow, but nothing is missed. */
	if (mp_blk_watch_open(f->engine, fd, &ear->watch) < 0)
		ear->watch = NULL;
}

static void ear_close(struct ear *ear)
{
	ear->watch = mp_blk_watch_close(ear->watch);
	mp_fd_close(&ear->fd);
}

/* Returns whether it would not be heard. */
static bool ear_arm(struct ear *ear)
{
	if (ear->fd < 0)
		return false;
	if (!ear->watch)
		return true;
	mp_blk_watch_arm(ear->watch, POLLIN);
	return false;
}

static bool is_ready(int fd, short events)
{
	struct pollfd pfd = {.fd = fd, .events = events};

	return poll(&pfd, 1, 0) == 1;
}

/* -- the interrupt ------------------------------------------------------- */

static void kick(struct front_mpqemu *f)
{
	uint64_t one = 1;
	ssize_t n;

	if (f->irq_fd < 0 || (f->irq_blocking && !is_ready(f->irq_fd, POLLOUT)))
		return;
	/* EAGAIN: the count is full, so whoever listens has been told. */
	n = write(f->irq_fd, &one, sizeof(one));
	(void)n;
	f->n_irq_kicks++;
}

static void update_level(struct front_mpqemu *f)
{
	struct mp_device *d = f->front.dev;
	bool asserted = mp_lsi_irq_level(&d->lsi) != 0;
	bool level = asserted && !(mp_pci_config_command(&d->config) & MP_PCI_COMMAND_NO_INTX);

	mp_pci_config_set_intx(&d->config, asserted);
	if (level == f->level)
		return;
	f->level = level;
	f->n_rises += level;
	if (level)
		kick(f);
}

/* The guest has ended an interrupt. Returns how much there was to do. */
static unsigned int take_resample(struct front_mpqemu *f)
{
	struct ear *ear = &f->resample;
	uint64_t count;
	ssize_t n;

	if (ear->fd < 0 || !(f->level || f->look_at_resample))
		return 0;
	f->look_at_resample = false;
	if (ear->blocking && !is_ready(ear->fd, POLLIN))
		return 0;
	n = read(ear->fd, &count, sizeof(count));
	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return 0;
	if (n != sizeof(count)) {
		ear_close(ear); /* no eventfd: it would keep the core awake for nothing */
		return 0;
	}
	update_level(f);
	if (f->level)
		kick(f);
	return 1;
}

/* -- answers ------------------------------------------------------------- */

static void send_reply(struct front_mpqemu *f)
{
	int r;

	if (!f->have_reply)
		return;
	r = mp_mpqemu_send(f->sock.fd, &f->reply, 0);
	f->front.stalled = r == -ETIMEDOUT;
	if (f->front.stalled)
		return;
	f->have_reply = false;
	f->n_replies += r == 0;
	if (r < 0) {
		f->front.broken = true;
		f->front.closed = r == -EPIPE || r == -ECONNRESET;
	}
}

static void publish(struct mp_front *front)
{
	struct front_mpqemu *f = mpqemu_of(front);

	if (front->broken)
		return;
	update_level(f);
	send_reply(f);
}

static void reply(struct front_mpqemu *f, uint64_t value, uint32_t size)
{
	f->reply = (struct mp_mpqemu_msg){.cmd = MP_MPQEMU_RET, .size = size, .value = value};
	f->have_reply = true;
	publish(&f->front);
}

static void refuse(struct front_mpqemu *f, const struct mp_mpqemu_msg *msg, enum mp_refusal why)
{
	f->n_refused++;
	f->front.refusal = (struct mp_notice_refusal){.why = why, .cmd = msg->cmd};
	/* Nobody waits for those two, and an answer would be taken for the next one's. */
	if (msg->cmd == MP_MPQEMU_SYNC_SYSMEM || msg->cmd == MP_MPQEMU_SET_IRQFD)
		return;
	reply(f, UINT64_MAX, msg->cmd == MP_MPQEMU_DEVICE_RESET ? 0 : sizeof(uint64_t));
}

/* -- requests ------------------------------------------------------------ */

static void config_access(struct front_mpqemu *f, const struct mp_mpqemu_msg *msg)
{
	struct mp_device *d = f->front.dev;
	const struct mp_wire_req req = {.op = MP_REQ_CFG_WRITE,
					.off = msg->cfg.addr,
					.size = (unsigned int)msg->cfg.len,
					.data = msg->cfg.val};

	if (req.off > MP_WIRE_CFG_BYTES - req.size) {
		refuse(f, msg, MP_REFUSED_CONFIG);
		return;
	}
	if (msg->cmd == MP_MPQEMU_PCI_CFGWRITE) {
		reply(f, mp_device_apply(d, &req), sizeof(uint64_t));
		return;
	}
	update_level(f); /* its status bit may be what is read */
	reply(f, mp_pci_config_read(&d->config, req.off, req.size), sizeof(uint64_t));
}

static void bar_access(struct front_mpqemu *f, const struct mp_mpqemu_msg *msg)
{
	bool writes = msg->cmd == MP_MPQEMU_BAR_WRITE;
	struct mp_wire_req req = {.op = writes ? MP_REQ_BAR_WRITE_WAIT : MP_REQ_BAR_READ,
				  .size = msg->bar.size};
	int bar;

	bar = mp_pci_config_decode(&f->front.dev->config, msg->bar.addr, req.size,
				   msg->bar.memory != 0, &req.off);
	if (bar < 0) {
		/* As on a bus where nobody answers. The guest's doing, and no news. */
		reply(f, writes ? 0 : UINT64_MAX, sizeof(uint64_t));
		return;
	}
	req.bar = (unsigned int)bar;
	req.data = msg->bar.val & UINT64_MAX >> (64 - 8 * req.size);
	reply(f, mp_device_apply(f->front.dev, &req), sizeof(uint64_t));
}

static void reset(struct front_mpqemu *f)
{
	const struct mp_wire_req req = {.op = MP_REQ_RESET, .size = 1};

	reply(f, mp_device_apply(f->front.dev, &req), 0);
}

/* An eventfd is a file without a place in any file system; what else is that does no harm. */
static bool is_anonymous(int fd)
{
	struct stat st;

	return fstat(fd, &st) == 0 && (st.st_mode & S_IFMT) == 0;
}

static int steal_fd(struct mp_mpqemu_msg *msg, unsigned int i)
{
	return mp_fd_steal(&msg->fd[i]);
}

static void set_irq_fds(struct front_mpqemu *f, struct mp_mpqemu_msg *msg)
{
	if (!is_anonymous(msg->fd[0]) || !is_anonymous(msg->fd[1])) {
		refuse(f, msg, MP_REFUSED_EVENTFD);
		return;
	}
	mp_fd_close(&f->irq_fd);
	ear_close(&f->resample);
	f->irq_fd = steal_fd(msg, 0);
	f->irq_blocking = !(fcntl(f->irq_fd, F_GETFL) & O_NONBLOCK);
	ear_open(f, &f->resample, steal_fd(msg, 1));
	f->resample.blocking = !(fcntl(f->resample.fd, F_GETFL) & O_NONBLOCK);
	/* Whoever listens from now on hasn't heard of a level that is 1 already. */
	if (f->level)
		kick(f);
}

/* -- guest memory -------------------------------------------------------- */

/* False: it can't be told what they are, so they are no files in use. */
static bool identify(const struct mp_mpqemu_msg *msg, struct file_id *id)
{
	struct stat st;

	for (unsigned int i = 0; i < msg->n_fds; i++) {
		if (fstat(msg->fd[i], &st) < 0)
			return false;
		id[i].dev = st.st_dev;
		id[i].ino = st.st_ino;
	}
	return true;
}

static bool is_in_use(const struct front_mpqemu *f, const struct mp_mpqemu_msg *msg,
		      const struct file_id *id)
{
	size_t len = msg->n_fds * sizeof(uint64_t);
	bool same = msg->n_fds == f->n_ram && memcmp(msg->sysmem.gpa, f->ram.gpa, len) == 0 &&
		    memcmp(msg->sysmem.len, f->ram.len, len) == 0 &&
		    memcmp(msg->sysmem.offset, f->ram.offset, len) == 0;

	for (unsigned int i = 0; same && i < msg->n_fds; i++)
		same = id[i].dev == f->ram_file[i].dev && id[i].ino == f->ram_file[i].ino;
	return same;
}

static void sync_sysmem(struct front_mpqemu *f, struct mp_mpqemu_msg *msg)
{
	struct file_id id[MP_MPQEMU_MAX_FDS] = {{.dev = 0}};
	bool known = identify(msg, id);

	if (known && is_in_use(f, msg, id)) {
		f->n_repeats++;
		return;
	}
	f->ram = msg->sysmem;
	f->n_ram = known ? msg->n_fds : 0;
	memcpy(f->ram_file, id, sizeof(id));
	f->new_ram = *msg;
	msg->n_fds = 0; /* they are new_ram's */
	f->ram_busy = true;
	f->front.ram = &f->new_ram;
}

static void ram_set(struct mp_front *front, bool mapped)
{
	struct front_mpqemu *f = mpqemu_of(front);

	f->ram_busy = false;
	f->n_tables++;
	if (!mapped)
		f->n_ram = 0;
}

/* -- what the core calls -------------------------------------------------- */

static void handle(struct front_mpqemu *f, struct mp_mpqemu_msg *msg)
{
	int r = mp_mpqemu_check(msg);

	/* Before an answer: who has it may count on it that they are gone. */
	if (msg->cmd != MP_MPQEMU_SYNC_SYSMEM && msg->cmd != MP_MPQEMU_SET_IRQFD)
		mp_mpqemu_close_fds(msg);
	if (r == -EPROTO || msg->cmd == MP_MPQEMU_RET)
		/* Whether somebody waits for an answer isn't known. */
		f->front.broken = true;
	else if (r < 0)
		refuse(f, msg, MP_REFUSED_FORM);
	else if (msg->cmd == MP_MPQEMU_SYNC_SYSMEM)
		sync_sysmem(f, msg);
	else if (msg->cmd == MP_MPQEMU_SET_IRQFD)
		set_irq_fds(f, msg);
	else if (msg->cmd == MP_MPQEMU_DEVICE_RESET)
		reset(f);
	else if (msg->cmd == MP_MPQEMU_PCI_CFGREAD || msg->cmd == MP_MPQEMU_PCI_CFGWRITE)
		config_access(f, msg);
	else
		bar_access(f, msg);
	mp_mpqemu_close_fds(msg);
}

/* 1 a message; 0 none. */
static bool next_message(struct front_mpqemu *f, struct mp_mpqemu_msg *msg)
{
	int r;

	if (mp_unlikely(f->have_first)) {
		*msg = f->first;
		f->have_first = false;
		return true;
	}
	r = mp_mpqemu_recv(f->sock.fd, &f->rx, msg);
	if (mp_unlikely(r < 0)) {
		f->front.broken = true;
		f->front.closed = r == -ECONNRESET;
	}
	return r > 0;
}

static unsigned int drain(struct mp_front *front, unsigned int budget)
{
	struct front_mpqemu *f = mpqemu_of(front);
	struct mp_mpqemu_msg msg;
	unsigned int n = 0;

	if (mp_unlikely(!f->is_open)) {
		ear_open(f, &f->sock, f->sock.fd); /* here, because it must happen on the core */
		f->is_open = true;
	}
	while (n < budget && !front->stalled && !front->broken && !f->ram_busy &&
	       next_message(f, &msg)) {
		n++;
		handle(f, &msg);
	}
	f->n_requests += n;
	return n + take_resample(f);
}

static void idle(struct mp_front *front, bool sleeping)
{
}

/* Whoever makes it go on wakes the core: the control thread by a command, a full socket by time. */
static bool deaf(const struct front_mpqemu *f)
{
	return f->front.broken || f->front.stalled || f->ram_busy;
}

static bool arm(struct mp_front *front)
{
	struct front_mpqemu *f = mpqemu_of(front);
	bool busy = ear_arm(&f->resample);

	if (!deaf(f))
		busy |= f->have_first || ear_arm(&f->sock);
	return busy;
}

static void disarm(struct mp_front *front)
{
	mpqemu_of(front)->look_at_resample = true;
}

static void stats(struct mp_front *front)
{
	struct front_mpqemu *f = mpqemu_of(front);
	struct mp_stat_page *page = mp_stat_page(&front->dev->stats);

	mp_stat_set(page, MP_STAT_WORKER_REQUESTS, f->n_requests);
	mp_stat_set(page, MP_STAT_WORKER_REPLIES, f->n_replies);
	mp_stat_set(page, MP_STAT_WORKER_IRQ_KICKS, f->n_irq_kicks);
	mp_stat_set(page, MP_STAT_WORKER_IRQ_ASSERTS, f->n_rises);
	mp_stat_set(page, MP_STAT_WORKER_REFUSED, f->n_refused);
	mp_stat_set(page, MP_STAT_WORKER_RAM_TABLES, f->n_tables);
	mp_stat_set(page, MP_STAT_WORKER_RAM_REPEATS, f->n_repeats);
}

static void detach(struct mp_front *front)
{
	struct front_mpqemu *f = mpqemu_of(front);

	ear_close(&f->sock);
	ear_close(&f->resample);
}

static void destroy(struct mp_front *front)
{
	struct front_mpqemu *f = mpqemu_of(front);

	mp_fd_close(&f->sock.fd);
	mp_fd_close(&f->irq_fd);
	mp_mpqemu_rx_fini(&f->rx);
	mp_mpqemu_close_fds(&f->new_ram);
	if (f->have_first)
		mp_mpqemu_close_fds(&f->first);
	free(f);
}

static const struct mp_front_ops ops = {
	.drain = drain,
	.publish = publish,
	.idle = idle,
	.arm = arm,
	.disarm = disarm,
	.stats = stats,
	.ram_set = ram_set,
	.detach = detach,
	.destroy = destroy,
};

int mp_front_mpqemu_create(struct mp_device *dev, struct mp_blk_engine *engine, int sock,
			   struct mp_mpqemu_msg *first, struct mp_front **ret_f)
{
	struct front_mpqemu *f = calloc(1, sizeof(*f));

	if (!f)
		return mp_err_origin(-ENOMEM);
	f->front.ops = &ops;
	f->front.dev = dev;
	f->front.gates_dma = true;
	f->engine = engine;
	f->sock.fd = sock;
	f->resample.fd = -1;
	f->irq_fd = -1;
	f->first = *first;
	f->have_first = true;
	first->n_fds = 0;
	*ret_f = &f->front;
	return 0;
}
