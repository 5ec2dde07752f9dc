/* SPDX-License-Identifier: BSD-3-Clause */
#include "tests/unit/remote-worker/rig_stock.h"

#include <errno.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "tests/lib/t.h"

void rig_stock_send(struct rig *r, unsigned int dev, const struct mp_mpqemu_msg *msg)
{
	T_EQ(mp_mpqemu_send(r->dev[dev].sock, msg, mp_clock_ns() + RIG_WAIT_NS), 0);
}

struct mp_mpqemu_msg rig_stock_answer(struct rig *r, unsigned int dev)
{
	struct pollfd pfd = {.fd = r->dev[dev].sock, .events = POLLIN};
	struct mp_mpqemu_rx rx = {.n_header = 0};
	struct mp_mpqemu_msg msg;
	int n;

	do {
		if (poll(&pfd, 1, RIG_WAIT_MS) != 1)
			t_fail(__FILE__, __LINE__, "no answer");
		n = mp_mpqemu_recv(pfd.fd, &rx, &msg);
	} while (n == 0);
	T_EQ(n, 1);
	T_EQ(msg.cmd, MP_MPQEMU_RET);
	T_EQ(msg.n_fds, 0);
	return msg;
}

uint64_t rig_stock_call(struct rig *r, unsigned int dev, const struct mp_mpqemu_msg *msg)
{
	struct mp_mpqemu_msg ret;

	rig_stock_send(r, dev, msg);
	ret = rig_stock_answer(r, dev);
	T_EQ(ret.size, 8);
	return ret.value;
}

static uint64_t cfg(struct rig *r, unsigned int dev, uint32_t cmd, const struct mp_mpqemu_cfg *c)
{
	const struct mp_mpqemu_msg msg = {.cmd = cmd, .size = sizeof(*c), .cfg = *c};

	return rig_stock_call(r, dev, &msg);
}

uint64_t rig_stock_cfg_read(struct rig *r, unsigned int dev, uint32_t off, int len)
{
	return cfg(r, dev, MP_MPQEMU_PCI_CFGREAD, &(struct mp_mpqemu_cfg){.addr = off, .len = len});
}

void rig_stock_cfg_write(struct rig *r, unsigned int dev, uint32_t off, int len, uint32_t val)
{
	T_EQ(cfg(r, dev, MP_MPQEMU_PCI_CFGWRITE,
		 &(struct mp_mpqemu_cfg){.addr = off, .val = val, .len = len}),
	     0);
}

uint64_t rig_stock_read(struct rig *r, unsigned int dev, uint64_t addr, unsigned int size)
{
	const struct mp_mpqemu_msg msg = {.cmd = MP_MPQEMU_BAR_READ,
					  .size = sizeof(msg.bar),
					  .bar = {.addr = addr, .size = size, .memory = 1}};

	return rig_stock_call(r, dev, &msg);
}

void rig_stock_write(struct rig *r, unsigned int dev, uint64_t addr, unsigned int size,
		     uint64_t val)
{
	const struct mp_mpqemu_msg msg = {
		.cmd = MP_MPQEMU_BAR_WRITE,
		.size = sizeof(msg.bar),
		.bar = {.addr = addr, .val = val, .size = size, .memory = 1}};

	T_EQ(rig_stock_call(r, dev, &msg), 0);
}

uint32_t rig_stock_reset(struct rig *r, unsigned int dev)
{
	const struct mp_mpqemu_msg msg = {.cmd = MP_MPQEMU_DEVICE_RESET};

	rig_stock_send(r, dev, &msg);
	return rig_stock_answer(r, dev).size;
}

void rig_stock_offer(struct rig *r, unsigned int dev, int fd, uint64_t gpa, uint64_t len)
{
	const struct mp_mpqemu_msg msg = {.cmd = MP_MPQEMU_SYNC_SYSMEM,
					  .size = sizeof(msg.sysmem),
					  .sysmem = {.gpa = {gpa}, .len = {len}},
					  .fd = {fd},
					  .n_fds = 1};

	rig_stock_send(r, dev, &msg);
}

void rig_stock_settle(struct rig *r, unsigned int dev)
{
	/* It answers in order, and nothing behind a table before that is in use. */
	T_EQ(rig_stock_cfg_read(r, dev, 0, 2), 0x1000);
}

static void link_one(struct rig *r, unsigned int dev)
{
	struct rig_device *d = &r->dev[dev];
	struct mp_mpqemu_msg irq = {.cmd = MP_MPQEMU_SET_IRQFD, .n_fds = 2};

	d->stock = true;
	d->intr_fd = irq.fd[0] = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	d->resample_fd = irq.fd[1] = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	rig_stock_offer(r, dev, r->ram_fd, RIG_RAM_GPA, RIG_RAM_BYTES);
	rig_stock_send(r, dev, &irq);
	rig_stock_cfg_write(r, dev, 0x10, 4, RIG_STOCK_PORT);
	rig_stock_cfg_write(r, dev, 0x14, 4, RIG_STOCK_MMIO);
	rig_stock_cfg_write(r, dev, 0x18, 4, RIG_STOCK_RAM);
	rig_stock_cfg_write(r, dev, 0x04, 2, 7);
}

void rig_stock_link(struct rig *r)
{
	for (unsigned int i = 0; i < r->n_devices; i++)
		link_one(r, i);
}

void rig_stock_close(struct rig *r, unsigned int dev)
{
	close(r->dev[dev].sock);
	close(r->dev[dev].intr_fd);
	close(r->dev[dev].resample_fd);
}
