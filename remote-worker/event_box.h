/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * event_box - what happened to a device's disks, on its way from the polling core
 * to whoever tells the user: failed block requests, trays that the guest moved.
 *
 * The core puts, one other thread takes. The core never waits for it: when the
 * box is full, events are dropped and counted.
 */
#ifndef MP_REMOTE_WORKER_EVENT_BOX_H
#define MP_REMOTE_WORKER_EVENT_BOX_H

#include <stdbool.h>
#include <stdint.h>

#include "base/hist.h"
#include "scsi-target/scsi.h"

#define MP_EVENT_BOX_SLOTS 32u

enum mp_event_kind { MP_EVENT_IO_ERROR, MP_EVENT_TRAY };

struct mp_event {
	enum mp_event_kind kind;
	union {
		struct mp_scsi_io_error error;
		struct mp_scsi_tray tray;
	};
};

struct mp_event_box {
	/* Both write here: 0 is empty, the core fills, the taker empties. */
	_Atomic uint64_t slot[MP_EVENT_BOX_SLOTS];
	/* The core's. */
	unsigned int next_put;
	_Atomic uint64_t n_dropped;
	/* The taker's. */
	unsigned int next_take;
};

/** mp_event_box_put() - the core; Return: false: full, it is dropped */
bool mp_event_box_put(struct mp_event_box *b, const struct mp_event *e);
/** mp_event_box_take() - the other thread; Return: false: empty */
bool mp_event_box_take(struct mp_event_box *b, struct mp_event *ret_event);

#endif
