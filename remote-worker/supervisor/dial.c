/* SPDX-License-Identifier: BSD-3-Clause */
#include "remote-worker/supervisor/dial.h"

#include <errno.h>
#include <netdb.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/err.h"
#include "base/tcp.h"

#define NBD_PORT "10809"

static int await(int fd, uint64_t deadline_ns)
{
	struct pollfd pfd = {.fd = fd, .events = POLLOUT};
	socklen_t len = sizeof(int);
	uint64_t now_ns;
	int failure = 0, r;

	do {
		now_ns = mp_clock_ns();
		if (now_ns >= deadline_ns)
			return mp_err_origin(-ETIMEDOUT);
		r = poll(&pfd, 1, deadline_ns - now_ns < 1000000000ull ? 100 : 1000);
	} while (r == 0 || (r < 0 && errno == EINTR));
	if (r < 0 || getsockopt(fd, SOL_SOCKET, SO_ERROR, &failure, &len) < 0)
		return mp_err_origin(-errno);
	return failure ? mp_err_origin(-failure) : 0;
}

static int connect_to(const struct sockaddr *addr, socklen_t len, uint64_t deadline_ns)
{
	MP_CLEANUP_FD int fd = socket(addr->sa_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK,
				      0);
	int r;

	if (fd < 0)
		return mp_err_origin(-errno);
	r = connect(fd, addr, len) < 0 ? -errno : 0;
	/* A unix socket whose queue is full says EAGAIN, and isn't on its way. */
	if (r == -EINPROGRESS)
		r = await(fd, deadline_ns);
	return r < 0 ? mp_err_origin(r) : mp_fd_steal(&fd);
}

static int dial_tcp(const struct mp_opt_nbd *to, uint64_t deadline_ns, char *error,
		    size_t error_len)
{
	const struct addrinfo hints = {.ai_socktype = SOCK_STREAM};
	const char *port = to->port && to->port[0] ? to->port : NBD_PORT;
	struct addrinfo *list;
	int r;

	r = getaddrinfo(to->host, port, &hints, &list);
	if (r != 0) {
		snprintf(error, error_len, "cannot find NBD server %s: %s", to->host,
			 gai_strerror(r));
		return mp_err_origin(-EHOSTUNREACH);
	}
	r = -EHOSTUNREACH;
	for (struct addrinfo *a = list; a && r < 0; a = a->ai_next)
		r = connect_to(a->ai_addr, a->ai_addrlen, deadline_ns);
	freeaddrinfo(list);
	if (r < 0)
		snprintf(error, error_len, "cannot reach NBD server %s, port %s: %s", to->host,
			 port, strerror(-r));
	else
		mp_tcp_tune(r);
	return mp_err_trace(r);
}

static int dial_unix(const struct mp_opt_nbd *to, uint64_t deadline_ns, char *error,
		     size_t error_len)
{
	struct sockaddr_un addr = {.sun_family = AF_UNIX};
	int r;

	if (strlen(to->path) >= sizeof(addr.sun_path)) {
		snprintf(error, error_len, "%s is too long for a socket's path", to->path);
		return mp_err_origin(-ENAMETOOLONG);
	}
	memcpy(addr.sun_path, to->path, strlen(to->path));
	r = connect_to((const struct sockaddr *)&addr, sizeof(addr), deadline_ns);
	if (r < 0)
		snprintf(error, error_len, "cannot reach NBD server at %s: %s", to->path,
			 strerror(-r));
	return mp_err_trace(r);
}

int mp_dial(const struct mp_opt_nbd *to, uint64_t deadline_ns, char *error, size_t error_len)
{
	return to->path ? dial_unix(to, deadline_ns, error, error_len)
			: dial_tcp(to, deadline_ns, error, error_len);
}
