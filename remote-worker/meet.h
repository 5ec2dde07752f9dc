/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * meet - the first messages on a device's socket: which protocol is it?
 *
 *	HELLO				rings: the session's handshake follows
 *	PCI_CFGREAD(0, 2) with OFFER	our proxy asks whether we are we: answered,
 *					and looked again
 *	another stock command		a stock proxy; this was its first request
 *
 * A proxy may take any time until its first byte, and between its offer and
 * HELLO. A message that has begun must be whole in time.
 */
#ifndef MP_REMOTE_WORKER_MEET_H
#define MP_REMOTE_WORKER_MEET_H

#include <stdbool.h>
#include <stdint.h>

#include "wire/mpqemu.h"

/* All zeros: nothing has come yet. */
struct mp_meet {
	struct mp_mpqemu_rx rx;
	uint64_t timeout_ns; /* for the rest of a message; 0: MP_SESSION_DEFAULT_TIMEOUT_NS */
	uint64_t begun_ns; /* when the message began that isn't whole; 0 none has */
	bool offered; /* it is a proxy of ours, that has something else to say */
};

enum mp_meet_result { MP_MEET_WAIT, MP_MEET_RINGS, MP_MEET_STOCK };

/**
 * mp_meet_go_on() - the socket is readable, or a deadline has come
 * @ret_first:  the message that decided, its fds the caller's; not with MP_MEET_WAIT
 * @ret_why:    static text for the user, after a failure
 *
 * Return: enum mp_meet_result; -ECONNRESET closed before it said anything, or
 * after an offer; -EPROTO neither protocol; -ETIMEDOUT. Context: never blocks.
 */
int mp_meet_go_on(struct mp_meet *m, int sock, struct mp_mpqemu_msg *ret_first,
		  const char **ret_why);

/** mp_meet_deadline_ns() - when to go on at the latest, UINT64_MAX: no hurry */
uint64_t mp_meet_deadline_ns(const struct mp_meet *m);

/** mp_meet_fini() - forget what has come */
void mp_meet_fini(struct mp_meet *m);

#endif
