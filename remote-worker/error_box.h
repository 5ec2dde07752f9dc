/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * error_box - failed block requests on their way from the polling core to
 * whoever tells the user.
 *
 * The core puts, one other thread takes. The core never waits for it: when the
 * box is full, errors are dropped and counted.
 */
#ifndef MP_REMOTE_WORKER_ERROR_BOX_H
#define MP_REMOTE_WORKER_ERROR_BOX_H

#include <stdbool.h>
#include <stdint.h>

#include "base/hist.h"
#include "scsi-target/scsi.h"

#define MP_ERROR_BOX_SLOTS 32u

struct mp_error_box {
	/* Both write here: 0 is empty, the core fills, the taker empties. */
	_Atomic uint64_t slot[MP_ERROR_BOX_SLOTS];
	/* The core's. */
	unsigned int next_put;
	_Atomic uint64_t n_dropped;
	/* The taker's. */
	unsigned int next_take;
};

/** mp_error_box_put() - the core; Return: false: full, it is dropped */
bool mp_error_box_put(struct mp_error_box *b, const struct mp_scsi_io_error *e);
/** mp_error_box_take() - the other thread; Return: false: empty */
bool mp_error_box_take(struct mp_error_box *b, struct mp_scsi_io_error *ret_error);

#endif
