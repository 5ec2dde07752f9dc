/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * rig_stock - the rig's device behind the socket of a stock proxy, message by
 * message. After rig_stock_link() the rig's registers and commands go that way.
 */
#ifndef MP_TESTS_UNIT_REMOTE_WORKER_RIG_STOCK_H
#define MP_TESTS_UNIT_REMOTE_WORKER_RIG_STOCK_H

#include "tests/unit/remote-worker/rig.h"
#include "wire/mpqemu.h"

#define RIG_STOCK_PORT 0xc000u
#define RIG_STOCK_MMIO 0xfe000000u
#define RIG_STOCK_RAM  0xfe002000u

/* What stock QEMU does at realize, and a driver then: memory, eventfds, BARs, command 7. */
void rig_stock_link(struct rig *r);
void rig_stock_close(struct rig *r, unsigned int dev);

/* One message, without waiting; @msg's fds stay the caller's. */
void rig_stock_send(struct rig *r, unsigned int dev, const struct mp_mpqemu_msg *msg);
/* The next answer, within RIG_WAIT_MS; a RET and nothing else. */
struct mp_mpqemu_msg rig_stock_answer(struct rig *r, unsigned int dev);
/* Both; the value. */
uint64_t rig_stock_call(struct rig *r, unsigned int dev, const struct mp_mpqemu_msg *msg);

uint64_t rig_stock_cfg_read(struct rig *r, unsigned int dev, uint32_t off, int len);
void rig_stock_cfg_write(struct rig *r, unsigned int dev, uint32_t off, int len, uint32_t val);
/* Memory space, absolute address. */
uint64_t rig_stock_read(struct rig *r, unsigned int dev, uint64_t addr, unsigned int size);
void rig_stock_write(struct rig *r, unsigned int dev, uint64_t addr, unsigned int size,
		     uint64_t val);
/* The reply's size. */
uint32_t rig_stock_reset(struct rig *r, unsigned int dev);

/* SYNC_SYSMEM of one piece: @len bytes of @fd at @gpa. */
void rig_stock_offer(struct rig *r, unsigned int dev, int fd, uint64_t gpa, uint64_t len);
/* Waits, bounded, until the worker has taken what was sent, tables included. */
void rig_stock_settle(struct rig *r, unsigned int dev);

#endif
