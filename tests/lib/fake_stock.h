/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * fake_stock - a worker that speaks multi-process QEMU's socket protocol, with
 * a tiny device, for tests of the proxy.
 *
 * Like a stock one it keeps its config space when it is reset, decodes absolute
 * addresses by it, and counts what would have ended a stock one. It takes one
 * step at a time, on the test's thread. A test makes it lie by a hook.
 *
 * The device: I/O BAR 0 and memory BAR 1 show the same 256 bytes, plain memory
 * but for the registers below; BAR 2 is 8 KiB of memory that reads as 0.
 */
#ifndef MP_TESTS_LIB_FAKE_STOCK_H
#define MP_TESTS_LIB_FAKE_STOCK_H

#include <stdbool.h>
#include <stdint.h>

#include "wire/mpqemu.h"

enum fake_stock_reg {
	STOCK_IRQ = 0x40, /* write: interrupt level */
	STOCK_N_WRITES = 0x44, /* BAR writes applied so far */
};

#define STOCK_CFG_BYTES 256u

struct fake_stock {
	int sock;
	struct mp_mpqemu_rx rx;
	uint8_t cfg[STOCK_CFG_BYTES], regs[256];
	int intr_fd, resample_fd;
	int level;
	struct mp_mpqemu_msg last; /* request; its fds are closed, but for n_fds */
	struct mp_mpqemu_sysmem table;
	unsigned int n_table, n_tables; /* sections of the last; how many have come */
	unsigned int n_msgs, n_resets;
	unsigned int n_fatal; /* messages that would have ended a stock worker */
	unsigned int n_forget; /* config writes to answer and then not keep */
	unsigned int n_restart; /* messages until it forgets its config space; 0 never */
	/* Instead of sending @ret, which answers @f->last; false: the worker is through. */
	bool (*lie)(struct fake_stock *f, struct mp_mpqemu_msg *ret);
};

/** fake_stock_init() - @sock is owned from here */
void fake_stock_init(struct fake_stock *f, int sock);
void fake_stock_fini(struct fake_stock *f);

/** fake_stock_turn() - do what is there, without waiting; false: the proxy or a lie has ended it */
bool fake_stock_turn(struct fake_stock *f);
/** fake_stock_run() - take turns until @stop_fd is readable, or it has ended */
void fake_stock_run(struct fake_stock *f, int stop_fd);
/* For a thread of its own. */
struct fake_stock_run {
	struct fake_stock f;
	int stop_fd;
};
/** fake_stock_thread() - run a struct fake_stock_run to its end, then close its socket */
void *fake_stock_thread(void *opaque);
/** fake_stock_answer() - send one, by no hook */
void fake_stock_answer(struct fake_stock *f, struct mp_mpqemu_msg *ret);
void fake_stock_set_level(struct fake_stock *f, int level);

#endif
