/* SPDX-License-Identifier: BSD-3-Clause */
/* dial - connections to NBD servers, with a time limit. */
#ifndef MP_REMOTE_WORKER_SUPERVISOR_DIAL_H
#define MP_REMOTE_WORKER_SUPERVISOR_DIAL_H

#include <stddef.h>
#include <stdint.h>

#include "monitor/qmp_client.h"
#include "remote-worker/options/cmdline.h"

struct mp_dial_cfg {
	uint64_t deadline_ns; /* UINT64_MAX: none */
	mp_qmp_give_up_fn *give_up; /* NULL: never */
	void *opaque;
};

/**
 * mp_dial() - to the address of the host that answers first
 * @error:  on failure a sentence for the user
 *
 * The next address has its turn when one has failed or said nothing for a quarter of a
 * second (RFC 8305), in the resolver's order. Returns a non-blocking socket; negative
 * errno: -EINTR given up.
 */
int mp_dial(const struct mp_opt_nbd *to, const struct mp_dial_cfg *cfg, char *error,
	    size_t error_len);

#endif
