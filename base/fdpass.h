/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * fdpass - bytes with file descriptors over a unix stream socket.
 *
 * File descriptors ride with the first byte of a message. Every call is
 * bounded by a deadline on CLOCK_MONOTONIC; no call ever returns with fds
 * leaked, also not when the peer sends more than were asked for.
 */
#ifndef MP_BASE_FDPASS_H
#define MP_BASE_FDPASS_H

#include <stddef.h>
#include <stdint.h>

/** Most fds in one message: the kernel's SCM_MAX_FD */
#define MP_FDPASS_MAX 253

/** No deadline */
#define MP_FDPASS_FOREVER UINT64_MAX

struct msghdr;

/* Fds that travel with a message. */
struct mp_fds {
	int *fd;
	size_t n; /* of them, to send; that have come */
	size_t max; /* room in fd[], to receive */
};

/**
 * mp_fdpass_send() - send all of @buf, @fds with its first byte
 * @sock:         connected AF_UNIX SOCK_STREAM
 * @fds:          borrowed; NULL: none
 * @deadline_ns:  on mp_clock_ns(); MP_FDPASS_FOREVER waits for ever
 *
 * Return: 0; -ETIMEDOUT; -EPIPE and others from sendmsg(). Never SIGPIPE.
 */
int mp_fdpass_send(int sock, const void *buf, size_t len, const struct mp_fds *fds,
		   uint64_t deadline_ns);

/**
 * mp_fds_close() - all that have come; leaves none, and -1 in their places
 */
void mp_fds_close(struct mp_fds *fds);

/**
 * mp_fds_collect() - those of a message that recvmsg() has filled in
 *
 * Adds as many as there is room for, and closes the others. For who reads a socket by
 * himself; mp_fdpass_recv() does it by itself.
 *
 * Return: 0; -EPROTO some were closed, or the kernel had to drop some (MSG_CTRUNC).
 */
int mp_fds_collect(struct mp_fds *fds, struct msghdr *msg);

/**
 * mp_fdpass_recv() - receive exactly @len bytes, and the fds that come with them
 * @fds:  filled with close-on-exec fds that the caller owns; after a failure none,
 *        and -1 where they were; NULL: none are wanted
 *
 * Return: 0; -ECONNRESET the peer closed, before or inside the message; -EPROTO
 * more fds than fds->max came (all are closed); -ETIMEDOUT; others.
 */
int mp_fdpass_recv(int sock, void *buf, size_t len, struct mp_fds *fds, uint64_t deadline_ns);

#endif
