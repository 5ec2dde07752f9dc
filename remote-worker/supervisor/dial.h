/* SPDX-License-Identifier: BSD-3-Clause */
/* dial - connections to NBD servers, with a time limit. */
#ifndef MP_REMOTE_WORKER_SUPERVISOR_DIAL_H
#define MP_REMOTE_WORKER_SUPERVISOR_DIAL_H

#include <stddef.h>
#include <stdint.h>

#include "remote-worker/options/cmdline.h"

/**
 * mp_dial() - to whatever address of the host answers first, in the resolver's order
 * @error:  on failure a sentence for the user
 *
 * Returns a non-blocking socket; negative errno. Blocks until @deadline_ns at most,
 * and for as long as the resolver does.
 */
int mp_dial(const struct mp_opt_nbd *to, uint64_t deadline_ns, char *error, size_t error_len);

#endif
