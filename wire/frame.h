/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * frame - one message on the session's socket: header, fds, payload. Internal
 * to wire/: session.c and ram.c know what the messages mean.
 *
 * Every call takes a deadline on mp_clock_ns(). After a failure the stream is
 * out of step, whatever the errno: close it.
 */
#ifndef MP_WIRE_FRAME_H
#define MP_WIRE_FRAME_H

#include <stddef.h>
#include <stdint.h>

#include "base/fdpass.h"
#include "wire/session.h"

/** mp_frame_deadline() - from now on; saturates to "for ever" */
uint64_t mp_frame_deadline(uint64_t timeout_ns);

/** mp_frame_send_header() - @size: of the payload that follows; @fds borrowed, ride with it */
int mp_frame_send_header(int sock, uint32_t cmd, size_t size, const struct mp_fds *fds,
			 uint64_t deadline_ns);
/** mp_frame_send_payload() - all of it */
int mp_frame_send_payload(int sock, const void *payload, size_t size, uint64_t deadline_ns);

/**
 * mp_frame_recv_header() - header and fds; the hole is checked, the rest is the caller's
 * @fds:  the caller owns what has come, nothing after a failure; NULL: none may come
 *
 * Return: 0; -ECONNRESET peer closed; -EPROTO more fds than fds->max, or the hole isn't 0.
 */
int mp_frame_recv_header(int sock, struct mp_session_header *ret_header, struct mp_fds *fds,
			 uint64_t deadline_ns);

/** mp_frame_recv_payload() - exactly @size bytes; an fd among them is -EPROTO */
int mp_frame_recv_payload(int sock, void *payload, size_t size, uint64_t deadline_ns);

/** mp_frame_send_ack() - @status 0 or negative errno */
int mp_frame_send_ack(int sock, int status, uint64_t deadline_ns);

/** mp_frame_recv_ack() - Return: 0; the peer's negative errno; -EPROTO not an ACK */
int mp_frame_recv_ack(int sock, uint64_t deadline_ns);

/** mp_frame_recv_ack_payload() - the same when the header was read already */
int mp_frame_recv_ack_payload(int sock, uint64_t raw_size, uint64_t deadline_ns);

#endif
