/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Partial transfers are the normal case: a stream socket may take or give any
 * part of a message. The sender attaches its fds to the first part that goes
 * out, and to no other; the kernel keeps them with that part's first byte. The
 * receiver takes fds from every part, because it can't know how the peer cut
 * its message, and counts them against the caller's room.
 *
 * Who owns what, on every path: sent fds stay the caller's; received ones are
 * ours until the whole message is there, and are all closed if it doesn't come,
 * if there are more than the caller has room for, or if the kernel had to drop
 * some (MSG_CTRUNC). The control buffer holds the most that the kernel passes
 * at once, so a greedy peer can't make it truncate.
 *
 * Calls don't block: each tries first, and only then waits in ppoll() for what
 * is left of the deadline. A signal restarts the wait, not the deadline.
 */
#include "base/fdpass.h"

#include <errno.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/err.h"

union control {
	char space[CMSG_SPACE(sizeof(int) * MP_FDPASS_MAX)];
	struct cmsghdr align;
};

static int wait_for(int sock, short events, uint64_t deadline_ns)
{
	struct pollfd pfd = {.fd = sock, .events = events};
	uint64_t now_ns, left_ns;
	struct timespec ts;
	int r;

	for (;;) {
		now_ns = mp_clock_ns();
		if (now_ns >= deadline_ns)
			return mp_err_origin(-ETIMEDOUT);
		left_ns = deadline_ns - now_ns;
		ts.tv_sec = (time_t)(left_ns / MP_NS_PER_SEC);
		ts.tv_nsec = (long)(left_ns % MP_NS_PER_SEC);
		r = ppoll(&pfd, 1, deadline_ns == MP_FDPASS_FOREVER ? NULL : &ts, NULL);
		if (r > 0)
			return 0;
		if (r < 0 && errno != EINTR)
			return mp_err_origin(-errno);
	}
}

static void put_fds(struct msghdr *msg, union control *ctl, const struct mp_fds *fds)
{
	struct cmsghdr *cmsg;

	memset(ctl, 0, sizeof(*ctl));
	msg->msg_control = ctl->space;
	msg->msg_controllen = CMSG_SPACE(sizeof(int) * fds->n);
	cmsg = CMSG_FIRSTHDR(msg);
	cmsg->cmsg_level = SOL_SOCKET;
	cmsg->cmsg_type = SCM_RIGHTS;
	cmsg->cmsg_len = CMSG_LEN(sizeof(int) * fds->n);
	memcpy(CMSG_DATA(cmsg), fds->fd, sizeof(int) * fds->n);
}

int mp_fdpass_send(int sock, const void *buf, size_t len, const struct mp_fds *fds,
		   uint64_t deadline_ns)
{
	union control ctl;
	size_t done = 0;
	ssize_t n;
	int r;

	if (len == 0 || (fds && fds->n > MP_FDPASS_MAX))
		return mp_err_origin(-EINVAL);
	while (done < len) {
		struct iovec iov = {.iov_base = (char *)(uintptr_t)buf + done,
				    .iov_len = len - done};
		struct msghdr msg = {.msg_iov = &iov, .msg_iovlen = 1};

		if (done == 0 && fds && fds->n > 0)
			put_fds(&msg, &ctl, fds);
		n = sendmsg(sock, &msg, MSG_NOSIGNAL | MSG_DONTWAIT);
		if (n >= 0) {
			done += (size_t)n;
			continue;
		}
		if (errno != EAGAIN && errno != EINTR)
			return mp_err_origin(-errno);
		r = wait_for(sock, POLLOUT, deadline_ns);
		if (r < 0)
			return mp_err_trace(r);
	}
	return 0;
}

void mp_fds_close(struct mp_fds *fds)
{
	/* -1: who finds a number there may close it a second time, and by then it is another's. */
	for (size_t i = 0; i < fds->n; i++) {
		close(fds->fd[i]);
		fds->fd[i] = -1;
	}
	fds->n = 0;
}

int mp_fds_collect(struct mp_fds *fds, struct msghdr *msg)
{
	struct cmsghdr *cmsg;
	int raw_fd;
	size_t n;
	int r = msg->msg_flags & MSG_CTRUNC ? -EPROTO : 0;

	for (cmsg = CMSG_FIRSTHDR(msg); cmsg; cmsg = CMSG_NXTHDR(msg, cmsg)) {
		if (cmsg->cmsg_level != SOL_SOCKET || cmsg->cmsg_type != SCM_RIGHTS)
			continue;
		n = (cmsg->cmsg_len - CMSG_LEN(0)) / sizeof(int);
		for (size_t i = 0; i < n; i++) {
			memcpy(&raw_fd, CMSG_DATA(cmsg) + i * sizeof(int), sizeof(raw_fd));
			if (fds->n < fds->max) {
				fds->fd[fds->n++] = raw_fd;
				continue;
			}
			close(raw_fd);
			r = -EPROTO;
		}
	}
	return mp_err_origin(r);
}

static int recv_some(int sock, void *buf, size_t len, struct mp_fds *fds, size_t *ret_got)
{
	union control ctl;
	struct iovec iov = {.iov_base = buf, .iov_len = len};
	struct msghdr msg = {.msg_iov = &iov,
			     .msg_iovlen = 1,
			     .msg_control = ctl.space,
			     .msg_controllen = sizeof(ctl.space)};
	ssize_t n = recvmsg(sock, &msg, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);

	if (n < 0)
		return -errno;
	if (n == 0)
		return mp_err_origin(-ECONNRESET);
	*ret_got = (size_t)n;
	return mp_err_trace(mp_fds_collect(fds, &msg));
}

int mp_fdpass_recv(int sock, void *buf, size_t len, struct mp_fds *fds, uint64_t deadline_ns)
{
	struct mp_fds none = {.fd = NULL};
	size_t done = 0, got;
	int r = len == 0 ? -EINVAL : 0;

	fds = fds ? fds : &none;
	fds->n = 0;
	while (r == 0 && done < len) {
		got = 0;
		r = recv_some(sock, (char *)buf + done, len - done, fds, &got);
		done += got;
		if (r == -EAGAIN || r == -EINTR)
			r = wait_for(sock, POLLIN, deadline_ns);
	}
	if (r < 0)
		mp_fds_close(fds);
	return mp_err_trace(r);
}
