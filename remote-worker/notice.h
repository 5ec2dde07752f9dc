/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * notice - what the polling core tells the control thread of a device.
 *
 * Each kind has one place, which the core fills and the control thread empties;
 * an eventfd says that there is something. So telling never waits and needs no
 * memory, and what is told faster than it is taken is told once.
 */
#ifndef MP_REMOTE_WORKER_NOTICE_H
#define MP_REMOTE_WORKER_NOTICE_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "scsi-target/scsi.h"
#include "wire/mpqemu.h"

/* Why a device has no proxy any more. */
enum mp_notice_end { MP_NOTICE_NO_END, MP_NOTICE_CLOSED, MP_NOTICE_BROKEN };

/* Why a request of a stock proxy was answered with an error, or ignored. */
enum mp_refusal {
	MP_REFUSED_NOTHING,
	MP_REFUSED_FORM, /* size, fds or length of access that its command doesn't allow */
	MP_REFUSED_CONFIG, /* outside of config space */
	MP_REFUSED_EVENTFD, /* an interrupt that isn't an eventfd */
};

struct mp_notice_refusal {
	enum mp_refusal why;
	uint32_t cmd; /* MP_MPQEMU_* */
};

/* One device's. All zeros: nothing to tell. */
struct mp_notice {
	_Atomic uint32_t end;
	_Atomic uint64_t stop; /* packed */
	_Atomic uint64_t refusal; /* packed */
	_Atomic(struct mp_mpqemu_msg *) ram;
};

/* -- the core; @fd is the eventfd. None of it blocks -------------------- */

/** mp_notice_end() - once is enough: it is remembered */
void mp_notice_end(struct mp_notice *n, int fd, enum mp_notice_end end);
/** mp_notice_stop() - an I/O error stopped the device */
void mp_notice_stop(struct mp_notice *n, int fd, const struct mp_scsi_stop *stop);
/** mp_notice_refusal() - of several the last */
void mp_notice_refusal(struct mp_notice *n, int fd, const struct mp_notice_refusal *refusal);
/** mp_notice_ram() - @msg is a SYNC_SYSMEM to be mapped; the control thread's until it set the table */
void mp_notice_ram(struct mp_notice *n, int fd, struct mp_mpqemu_msg *msg);

/* -- the control thread ------------------------------------------------- */

/** mp_notice_clear() - forget it all: the device has no proxy, so the core tells nothing */
void mp_notice_clear(struct mp_notice *n);
enum mp_notice_end mp_notice_ended(const struct mp_notice *n);
/* Those say whether there was one, and take it. */
bool mp_notice_take_stop(struct mp_notice *n, struct mp_scsi_stop *ret_stop);
bool mp_notice_take_refusal(struct mp_notice *n, struct mp_notice_refusal *ret_refusal);
struct mp_mpqemu_msg *mp_notice_take_ram(struct mp_notice *n);

#endif
