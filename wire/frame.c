/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A message is a header of 16 bytes, with which all fds travel, and a payload of
 * the size that it names. Header and payload are received apart: who reads a
 * header knows what it may be and how large, and asks for exactly that; no
 * length of the peer's is ever used to allocate or to read.
 *
 * An ACK's status is 0 or a negative errno, in the range that errnos have;
 * anything else is a broken peer, not a status to hand up.
 */
#include "wire/frame.h"

#include <errno.h>

#include "base/clock.h"
#include "base/err.h"
#include "base/fdpass.h"

#define ERRNO_MAX 4095

struct ack {
	int32_t status;
	uint32_t zero;
};

static_assert(sizeof(struct mp_session_header) == 16, "wire format");
static_assert(sizeof(struct ack) == 8, "wire format");

uint64_t mp_frame_deadline(uint64_t timeout_ns)
{
	uint64_t now_ns = mp_clock_ns();

	return timeout_ns > UINT64_MAX - now_ns ? MP_FDPASS_FOREVER : now_ns + timeout_ns;
}

int mp_frame_send_header(int sock, uint32_t cmd, size_t size, const struct mp_fds *fds,
			 uint64_t deadline_ns)
{
	struct mp_session_header header = {.cmd = cmd, .size = size};
	int r;

	r = mp_fdpass_send(sock, &header, sizeof(header), fds, deadline_ns);
	return mp_err_trace(r);
}

int mp_frame_send_payload(int sock, const void *payload, size_t size, uint64_t deadline_ns)
{
	return mp_err_trace(mp_fdpass_send(sock, payload, size, NULL, deadline_ns));
}

int mp_frame_recv_header(int sock, struct mp_session_header *ret_header, struct mp_fds *fds,
			 uint64_t deadline_ns)
{
	struct mp_session_header raw_header;
	int r;

	r = mp_fdpass_recv(sock, &raw_header, sizeof(raw_header), fds, deadline_ns);
	if (r < 0)
		return mp_err_trace(r);
	if (raw_header.hole != 0) {
		if (fds)
			mp_fds_close(fds);
		return mp_err_origin(-EPROTO);
	}

	*ret_header = raw_header;
	return 0;
}

int mp_frame_recv_payload(int sock, void *payload, size_t size, uint64_t deadline_ns)
{
	return mp_err_trace(mp_fdpass_recv(sock, payload, size, NULL, deadline_ns));
}

int mp_frame_send_ack(int sock, int status, uint64_t deadline_ns)
{
	struct ack ack = {.status = status};
	int r;

	r = mp_frame_send_header(sock, MP_CMD_ACK, sizeof(ack), NULL, deadline_ns);
	if (r < 0)
		return mp_err_trace(r);
	return mp_frame_send_payload(sock, &ack, sizeof(ack), deadline_ns);
}

int mp_frame_recv_ack(int sock, uint64_t deadline_ns)
{
	struct mp_session_header raw_header;
	int r;

	r = mp_frame_recv_header(sock, &raw_header, NULL, deadline_ns);
	if (r < 0)
		return mp_err_trace(r);
	if (raw_header.cmd != MP_CMD_ACK)
		return mp_err_origin(-EPROTO);
	return mp_frame_recv_ack_payload(sock, raw_header.size, deadline_ns);
}

int mp_frame_recv_ack_payload(int sock, uint64_t raw_size, uint64_t deadline_ns)
{
	struct ack raw_ack;
	int r;

	if (raw_size != sizeof(raw_ack))
		return mp_err_origin(-EPROTO);
	r = mp_frame_recv_payload(sock, &raw_ack, sizeof(raw_ack), deadline_ns);
	if (r < 0)
		return mp_err_trace(r);
	if (raw_ack.status > 0 || raw_ack.status < -ERRNO_MAX || raw_ack.zero != 0)
		return mp_err_origin(-EPROTO);
	return mp_err_origin(raw_ack.status);
}
