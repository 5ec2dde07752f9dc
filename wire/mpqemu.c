/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The fds of a message come with its first byte, so only the read that gets that
 * byte has a control buffer. What rides with a later byte is dropped by the
 * kernel, as with stock QEMU, so it can't leak; unless it is a byte of the header
 * that the same read gets, which only a peer can bring about that cuts a header
 * in two: then it counts as the message's, or too much.
 *
 * The control buffer has room for the most that the kernel passes at once, so
 * that all there is can be counted and closed, and MSG_CTRUNC means that an fd
 * could not be installed: then it isn't known whose fds the others are.
 */
#include "wire/mpqemu.h"

#include <errno.h>
#include <stdbool.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/err.h"
#include "base/fdpass.h"
#include "wire/session.h"

static_assert(sizeof(struct mp_session_header) == MP_MPQEMU_HEADER_BYTES, "one header for both");

union control {
	char space[CMSG_SPACE(sizeof(int) * MP_FDPASS_MAX)];
	struct cmsghdr align;
};

void mp_mpqemu_close_fds(struct mp_mpqemu_msg *msg)
{
	for (unsigned int i = 0; i < msg->n_fds; i++) {
		if (msg->fd[i] >= 0)
			close(msg->fd[i]);
		msg->fd[i] = -1;
	}
	msg->n_fds = 0;
}

void mp_mpqemu_rx_fini(struct mp_mpqemu_rx *rx)
{
	mp_mpqemu_close_fds(&rx->msg);
	memset(rx, 0, sizeof(*rx));
}

bool mp_mpqemu_rx_begun(const struct mp_mpqemu_rx *rx)
{
	return rx->n_header > 0;
}

static int take_fds(struct msghdr *msg, struct mp_mpqemu_msg *to)
{
	struct mp_fds fds = {.fd = to->fd, .n = to->n_fds, .max = MP_MPQEMU_MAX_FDS};
	int r = mp_fds_collect(&fds, msg);

	to->n_fds = (unsigned int)fds.n;
	return mp_err_trace(r);
}

/* 1 some bytes; 0 not yet; -ECONNRESET the end. @to: where fds go, NULL none are taken. */
static int recv_some(int sock, void *buf, size_t len, struct mp_mpqemu_msg *to,
		     unsigned int *n_done)
{
	union control ctl;
	struct iovec iov = {.iov_base = buf, .iov_len = len};
	struct msghdr msg = {.msg_iov = &iov, .msg_iovlen = 1};
	ssize_t n;
	int r;

	if (to) {
		msg.msg_control = ctl.space;
		msg.msg_controllen = sizeof(ctl.space);
	}
	n = recvmsg(sock, &msg, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
	if (n < 0)
		return errno == EAGAIN || errno == EINTR ? 0 : -errno;
	if (n == 0)
		return -ECONNRESET;
	r = to ? take_fds(&msg, to) : 0;
	*n_done += (unsigned int)n;
	return r < 0 ? r : 1;
}

static int take_header(struct mp_mpqemu_rx *rx)
{
	struct mp_session_header raw_header;

	memcpy(&raw_header, rx->header, sizeof(raw_header));
	if (raw_header.size > MP_MPQEMU_MAX_BYTES)
		return -EPROTO;
	rx->msg.cmd = raw_header.cmd;
	rx->msg.hole = raw_header.hole;
	rx->msg.size = (uint32_t)raw_header.size;
	return 1;
}

/* 1 all of it is there, 0 not yet. */
static int recv_header(int sock, struct mp_mpqemu_rx *rx)
{
	int r = 1;

	while (r > 0 && rx->n_header < MP_MPQEMU_HEADER_BYTES) {
		r = recv_some(sock, rx->header + rx->n_header,
			      MP_MPQEMU_HEADER_BYTES - rx->n_header,
			      rx->n_header == 0 ? &rx->msg : NULL, &rx->n_header);
		if (r > 0 && rx->n_header == MP_MPQEMU_HEADER_BYTES)
			return take_header(rx);
	}
	return r;
}

static int recv_payload(int sock, struct mp_mpqemu_rx *rx)
{
	int r = 1;

	while (r > 0 && rx->n_payload < rx->msg.size)
		r = recv_some(sock, rx->msg.bytes + rx->n_payload, rx->msg.size - rx->n_payload,
			      NULL, &rx->n_payload);
	return r;
}

int mp_mpqemu_recv(int sock, struct mp_mpqemu_rx *rx, struct mp_mpqemu_msg *ret_msg)
{
	bool begun;
	int r;

	r = recv_header(sock, rx);
	if (r > 0)
		r = recv_payload(sock, rx);
	if (r == 0)
		return 0;
	if (r < 0) {
		begun = rx->n_header > 0;
		mp_mpqemu_rx_fini(rx);
		return mp_err_origin(r == -ECONNRESET && begun ? -EPROTO : r);
	}

	*ret_msg = rx->msg;
	memset(rx, 0, sizeof(*rx));
	return 1;
}

static bool is_access_size(int64_t n, int64_t max)
{
	return n > 0 && n <= max && (n & (n - 1)) == 0;
}

static bool cfg_ok(const struct mp_mpqemu_msg *msg)
{
	return msg->size == sizeof(msg->cfg) && is_access_size(msg->cfg.len, 4);
}

static bool bar_ok(const struct mp_mpqemu_msg *msg)
{
	return msg->size == sizeof(msg->bar) && msg->n_fds == 0 && is_access_size(msg->bar.size, 8);
}

int mp_mpqemu_check(const struct mp_mpqemu_msg *msg)
{
	bool ok;

	switch (msg->cmd) {
	case MP_MPQEMU_SYNC_SYSMEM:
		ok = msg->size == sizeof(msg->sysmem) && msg->n_fds > 0;
		break;
	case MP_MPQEMU_RET:
		ok = msg->size <= sizeof(msg->value);
		break;
	case MP_MPQEMU_PCI_CFGWRITE:
	case MP_MPQEMU_PCI_CFGREAD:
		ok = cfg_ok(msg);
		break;
	case MP_MPQEMU_BAR_WRITE:
	case MP_MPQEMU_BAR_READ:
		ok = bar_ok(msg);
		break;
	case MP_MPQEMU_SET_IRQFD:
		ok = msg->size == 0 && msg->n_fds == 2;
		break;
	case MP_MPQEMU_DEVICE_RESET:
		/* Stock QEMU asks no more of it, and some senders fill it up to a RET's size. */
		ok = msg->size == 0 || msg->size == sizeof(msg->value);
		break;
	default:
		return mp_err_origin(-EPROTO);
	}
	return ok ? 0 : mp_err_origin(-EINVAL);
}

int mp_mpqemu_send(int sock, const struct mp_mpqemu_msg *msg, uint64_t deadline_ns)
{
	struct mp_session_header header = {.cmd = msg->cmd, .hole = msg->hole, .size = msg->size};
	uint8_t bytes[MP_MPQEMU_HEADER_BYTES + MP_MPQEMU_MAX_BYTES];
	int fd[MP_MPQEMU_MAX_FDS];
	const struct mp_fds fds = {.fd = fd, .n = msg->n_fds};
	int r;

	if (msg->size > MP_MPQEMU_MAX_BYTES || msg->n_fds > MP_MPQEMU_MAX_FDS)
		return mp_err_origin(-EINVAL);
	memcpy(fd, msg->fd, sizeof(fd));
	memcpy(bytes, &header, sizeof(header));
	memcpy(bytes + sizeof(header), msg->bytes, msg->size);
	r = mp_fdpass_send(sock, bytes, sizeof(header) + msg->size, &fds, deadline_ns);
	return mp_err_trace(r);
}
