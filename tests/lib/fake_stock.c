/* SPDX-License-Identifier: BSD-3-Clause */
#include "tests/lib/fake_stock.h"

#include <endian.h>
#include <poll.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/socket.h>

#include "base/bytes.h"
#include "base/cleanup.h"

#define COMMAND 0x04u
#define BARS    0x10u
#define N_BARS  3u

static const struct {
	uint32_t bytes, flags; /* flags as the register has them */
} bars[N_BARS] = {{256, 1}, {1024, 0}, {8192, 0}};

static void start_cfg(struct fake_stock *f)
{
	memset(f->cfg, 0, sizeof(f->cfg));
	mp_put_le32(f->cfg, 0x00121000);
	mp_put_le32(f->cfg + 0x08, 0x01000002);
	mp_put_le32(f->cfg + 0x2c, 0x12341000);
	mp_put_le32(f->cfg + 0x3c, 0x40110100);
	for (unsigned int i = 0; i < N_BARS; i++)
		mp_put_le32(f->cfg + BARS + 4 * i, bars[i].flags);
}

void fake_stock_init(struct fake_stock *f, int sock)
{
	*f = (struct fake_stock){.sock = sock, .intr_fd = -1, .resample_fd = -1};
	start_cfg(f);
}

void fake_stock_fini(struct fake_stock *f)
{
	mp_mpqemu_rx_fini(&f->rx);
	mp_fd_close(&f->intr_fd);
	mp_fd_close(&f->resample_fd);
	mp_fd_close(&f->sock);
}

void fake_stock_set_level(struct fake_stock *f, int level)
{
	if (level && !f->level && f->intr_fd >= 0)
		eventfd_write(f->intr_fd, 1);
	f->level = level;
}

static void resample(struct fake_stock *f)
{
	eventfd_t unused;

	if (f->resample_fd >= 0 && eventfd_read(f->resample_fd, &unused) == 0 && f->level)
		eventfd_write(f->intr_fd, 1);
}

static void write_cfg(struct fake_stock *f, uint32_t off, uint32_t val, unsigned int len)
{
	uint32_t le = htole32(val);
	unsigned int bar = (off - BARS) / 4;

	if (off >= BARS && bar < 6) {
		if (bar < N_BARS && len == 4)
			mp_put_le32(f->cfg + off, (val & ~(bars[bar].bytes - 1)) | bars[bar].flags);
	} else if (off == COMMAND || off == 0x3c) {
		memcpy(f->cfg + off, &le, len);
	}
}

static uint64_t cfg_access(struct fake_stock *f, const struct mp_mpqemu_msg *msg)
{
	uint32_t off = msg->cfg.addr;
	uint64_t le = 0;

	/* Whatever the length. */
	if (off + 4 > sizeof(f->cfg)) {
		f->n_fatal++;
		return UINT64_MAX;
	}
	if (msg->cmd == MP_MPQEMU_PCI_CFGWRITE) {
		if (f->n_forget > 0)
			f->n_forget--;
		else
			write_cfg(f, off, msg->cfg.val, (unsigned int)msg->cfg.len);
		return 0;
	}
	memcpy(&le, f->cfg + off, (size_t)msg->cfg.len);
	return le64toh(le);
}

/* Which BAR decodes it, and where in it; N_BARS none. */
static unsigned int decode(const struct fake_stock *f, const struct mp_mpqemu_bar *bar,
			   uint64_t *ret_off)
{
	for (unsigned int i = 0; i < N_BARS; i++) {
		uint64_t base = mp_get_le32(f->cfg + BARS + 4 * i) & ~(bars[i].bytes - 1);
		bool memory = !(bars[i].flags & 1);

		if ((bar->memory != 0) != memory || !(f->cfg[COMMAND] & (memory ? 2 : 1)) ||
		    bar->addr < base || bar->addr - base + bar->size > bars[i].bytes)
			continue;
		*ret_off = bar->addr - base;
		return i;
	}
	return N_BARS;
}

static uint64_t bar_access(struct fake_stock *f, const struct mp_mpqemu_msg *msg)
{
	uint64_t off = 0, le = htole64(msg->bar.val);
	unsigned int bar = decode(f, &msg->bar, &off);

	if (bar == N_BARS) {
		f->n_fatal++;
		return UINT64_MAX;
	}
	if (bar == 2)
		return 0;
	off &= 0xff;
	if (off + msg->bar.size > sizeof(f->regs))
		return 0;
	if (msg->cmd == MP_MPQEMU_BAR_READ) {
		le = 0;
		memcpy(&le, f->regs + off, msg->bar.size);
		return le64toh(le);
	}
	memcpy(f->regs + off, &le, msg->bar.size);
	mp_put_le32(f->regs + STOCK_N_WRITES, mp_get_le32(f->regs + STOCK_N_WRITES) + 1);
	if (off == STOCK_IRQ)
		fake_stock_set_level(f, msg->bar.val & 1);
	return 0;
}

static void reset(struct fake_stock *f)
{
	f->n_resets++;
	memset(f->regs, 0, sizeof(f->regs));
	fake_stock_set_level(f, 0);
}

static void take_irqfds(struct fake_stock *f, struct mp_mpqemu_msg *msg)
{
	mp_fd_close(&f->intr_fd);
	mp_fd_close(&f->resample_fd);
	f->intr_fd = mp_fd_steal(&msg->fd[0]);
	f->resample_fd = mp_fd_steal(&msg->fd[1]);
}

void fake_stock_answer(struct fake_stock *f, struct mp_mpqemu_msg *ret)
{
	mp_mpqemu_send(f->sock, ret, 0);
}

/* False: no answer is due. */
static bool apply(struct fake_stock *f, struct mp_mpqemu_msg *msg, struct mp_mpqemu_msg *ret)
{
	*ret = (struct mp_mpqemu_msg){.cmd = MP_MPQEMU_RET, .size = sizeof(ret->value)};
	switch (msg->cmd) {
	case MP_MPQEMU_SYNC_SYSMEM:
		f->table = msg->sysmem;
		f->n_table = msg->n_fds;
		f->n_tables++;
		if (msg->n_fds > MP_MPQEMU_STOCK_FDS)
			f->n_fatal++;
		return false;
	case MP_MPQEMU_SET_IRQFD:
		take_irqfds(f, msg);
		return false;
	case MP_MPQEMU_PCI_CFGREAD:
	case MP_MPQEMU_PCI_CFGWRITE:
		ret->value = cfg_access(f, msg);
		return true;
	case MP_MPQEMU_DEVICE_RESET:
		reset(f);
		ret->size = 0;
		return true;
	default:
		ret->value = bar_access(f, msg);
		return true;
	}
}

static bool serve(struct fake_stock *f, struct mp_mpqemu_msg *msg)
{
	struct mp_mpqemu_msg ret;
	bool go_on = true;

	f->n_msgs++;
	f->last = *msg;
	if (mp_mpqemu_check(msg) < 0)
		f->n_fatal++;
	else if (apply(f, msg, &ret) && f->lie)
		go_on = f->lie(f, &ret);
	else if (msg->cmd != MP_MPQEMU_SYNC_SYSMEM && msg->cmd != MP_MPQEMU_SET_IRQFD)
		fake_stock_answer(f, &ret);
	mp_mpqemu_close_fds(msg);
	if (f->n_restart > 0 && --f->n_restart == 0)
		start_cfg(f);
	return go_on;
}

bool fake_stock_turn(struct fake_stock *f)
{
	struct mp_mpqemu_msg msg;
	int r;

	resample(f);
	while ((r = mp_mpqemu_recv(f->sock, &f->rx, &msg)) == 1)
		if (!serve(f, &msg))
			return false;
	return r == 0;
}

void fake_stock_run(struct fake_stock *f, int stop_fd)
{
	struct pollfd pfd[] = {{.fd = f->sock, .events = POLLIN},
			       {.fd = stop_fd, .events = POLLIN}};

	while (fake_stock_turn(f)) {
		poll(pfd, 2, -1);
		if (pfd[1].revents)
			return;
	}
}

void *fake_stock_thread(void *opaque)
{
	struct fake_stock_run *run = opaque;

	fake_stock_run(&run->f, run->stop_fd);
	fake_stock_fini(&run->f);
	return NULL;
}
