/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * stock - what the control thread does for a device with a stock proxy: map its
 * guest memory, and say what it did wrong.
 */
#ifndef MP_REMOTE_WORKER_STOCK_H
#define MP_REMOTE_WORKER_STOCK_H

#include <stdbool.h>
#include <stdint.h>

#include "remote-worker/guest_mem.h"
#include "remote-worker/notice.h"
#include "wire/mpqemu.h"

/** At most one line in this time for what one device refuses, and for what it can't map */
#define MP_STOCK_SAY_NS 1000000000ull

/* Lines of one kind about one device; all zeros at first. */
struct mp_stock_log {
	uint64_t said_ns;
	uint64_t n_unsaid;
};

/**
 * mp_stock_map() - a table of guest memory from SYNC_SYSMEM, whose fds are closed
 * @msg:  passed mp_mpqemu_check()
 *
 * Return: 0; -EPROTO pieces that are empty, overlap or wrap around; -ERANGE a
 * file ends too early; errno of mmap().
 */
int mp_stock_map(struct mp_mpqemu_msg *msg, struct mp_guest_table **ret_table);

/** mp_stock_may_say() - is it time for a line? If not, it is counted; *@ret_n_unsaid: how often so far */
bool mp_stock_may_say(struct mp_stock_log *log, uint64_t *ret_n_unsaid);

/** mp_stock_say() - tell the user of a refused request, or count it if it is too soon */
void mp_stock_say(struct mp_stock_log *log, const char *id,
		  const struct mp_notice_refusal *refusal);

#endif
