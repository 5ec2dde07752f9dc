/* SPDX-License-Identifier: BSD-3-Clause */
/* tcp - how connections of short messages are set. */
#ifndef MP_BASE_TCP_H
#define MP_BASE_TCP_H

/**
 * mp_tcp_tune() - messages go at once, and a peer whose machine is off is lost in a minute
 *
 * Keepalive does that while nothing is unacknowledged. TCP_USER_TIMEOUT would do the rest,
 * but it also ends peers that only don't read. On a socket of another kind nothing happens.
 */
void mp_tcp_tune(int fd);

#endif
