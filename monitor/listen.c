/* SPDX-License-Identifier: BSD-3-Clause */
#include "monitor/mon.h"

#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/err.h"

#define BACKLOG    16
#define PORT_TRIES 16

int mp_mon_listen_unix(const char *path, int *ret_fd)
{
	struct sockaddr_un addr = {.sun_family = AF_UNIX};
	MP_CLEANUP_FD int fd = -1;
	struct stat st;

	if (strlen(path) >= sizeof(addr.sun_path))
		return mp_err_origin(-ENAMETOOLONG);
	memcpy(addr.sun_path, path, strlen(path) + 1);
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0)
		return mp_err_origin(-errno);
	/* Whoever made it may be gone; a file of another kind is not ours to remove. */
	if (lstat(path, &st) == 0 && S_ISSOCK(st.st_mode) && unlink(path) < 0)
		return mp_err_origin(-errno);
	if (bind(fd, (struct sockaddr *)&addr, sizeof(addr)) < 0 || listen(fd, BACKLOG) < 0)
		return mp_err_origin(-errno);
	*ret_fd = mp_fd_steal(&fd);
	return 0;
}

/* -- TCP --------------------------------------------------------------------------- */

static bool is_same(const struct sockaddr_storage *a, const struct addrinfo *b)
{
	return a->ss_family == b->ai_family && memcmp(a, b->ai_addr, b->ai_addrlen) == 0;
}

/* A name may stand for one address twice. */
static bool is_bound(const int *fd, int n, const struct addrinfo *a)
{
	struct sockaddr_storage at;
	socklen_t len;

	for (int i = 0; i < n; i++) {
		len = sizeof(at);
		if (getsockname(fd[i], (struct sockaddr *)&at, &len) == 0 && is_same(&at, a))
			return true;
	}
	return false;
}

static int listen_at(const struct addrinfo *a)
{
	MP_CLEANUP_FD int fd = socket(a->ai_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	int on = 1;

	if (fd < 0)
		return -errno;
	/* Connections of a worker before us may not be quite over. */
	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
	/* IPv4 has a socket of its own. */
	if (a->ai_family == AF_INET6)
		setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &on, sizeof(on));
	if (bind(fd, a->ai_addr, a->ai_addrlen) < 0 || listen(fd, BACKLOG) < 0)
		return -errno;
	return mp_fd_steal(&fd);
}

/* The port stands at the same place for both. */
static in_port_t *port_of(struct sockaddr *at)
{
	return at->sa_family == AF_INET6 ? &((struct sockaddr_in6 *)(void *)at)->sin6_port
					 : &((struct sockaddr_in *)(void *)at)->sin_port;
}

static void set_port(struct addrinfo *list, in_port_t port)
{
	for (; list; list = list->ai_next)
		*port_of(list->ai_addr) = port;
}

/* "0" became a number with the first socket: the others get the same. */
static void settle_port(int fd, struct addrinfo *list)
{
	struct sockaddr_storage at;
	socklen_t len = sizeof(at);

	if (getsockname(fd, (struct sockaddr *)&at, &len) == 0)
		set_port(list, *port_of((struct sockaddr *)&at));
}

static bool is_lacking(int r)
{
	return r == -EADDRNOTAVAIL || r == -EAFNOSUPPORT;
}

static int listen_at_all(struct addrinfo *list, int *ret_fd)
{
	int n = 0, r, failure = -EADDRNOTAVAIL;

	for (struct addrinfo *a = list; a && n < (int)MP_MON_MAX_ADDRESSES; a = a->ai_next) {
		if (is_bound(ret_fd, n, a))
			continue;
		r = listen_at(a);
		if (r >= 0 && n == 0)
			settle_port(r, list);
		if (r >= 0) {
			ret_fd[n++] = r;
		} else if (is_lacking(r)) {
			failure = r;
		} else {
			while (n > 0)
				mp_fd_close(&ret_fd[--n]);
			return mp_err_origin(r);
		}
	}
	return n > 0 ? n : mp_err_origin(failure);
}

/* What the kernel chose for the first address may be taken at another. */
static int listen_at_any_port(struct addrinfo *list, int *ret_fd)
{
	int r = -EADDRINUSE;

	for (unsigned int i = 0; r == -EADDRINUSE && i < PORT_TRIES; i++) {
		set_port(list, 0);
		r = listen_at_all(list, ret_fd);
	}
	return mp_err_trace(r);
}

int mp_mon_listen_tcp(const struct mp_mon_tcp *at, int ret_fd[MP_MON_MAX_ADDRESSES], char *error,
		      size_t error_len)
{
	const struct addrinfo hints = {.ai_flags = AI_PASSIVE,
				       .ai_socktype = SOCK_STREAM,
				       .ai_family = at->no_ipv6   ? AF_INET
						    : at->no_ipv4 ? AF_INET6
								  : AF_UNSPEC};
	struct addrinfo *list;
	int r = getaddrinfo(at->host[0] ? at->host : NULL, at->port, &hints, &list);

	if (r != 0) {
		snprintf(error, error_len, "%s", gai_strerror(r));
		return mp_err_origin(-EHOSTUNREACH);
	}
	r = strcmp(at->port, "0") == 0 ? listen_at_any_port(list, ret_fd)
				       : listen_at_all(list, ret_fd);
	freeaddrinfo(list);
	if (r < 0)
		snprintf(error, error_len, "%s", strerror(-r));
	return mp_err_trace(r);
}

void mp_mon_tcp_name(int fd, char *name, size_t len)
{
	char host[NI_MAXHOST] = "?", port[NI_MAXSERV] = "?";
	struct sockaddr_storage at = {.ss_family = AF_UNSPEC};
	socklen_t at_len = sizeof(at);
	bool is_v6;

	getsockname(fd, (struct sockaddr *)&at, &at_len);
	getnameinfo((struct sockaddr *)&at, at_len, host, sizeof(host), port, sizeof(port),
		    NI_NUMERICHOST | NI_NUMERICSERV);
	is_v6 = at.ss_family == AF_INET6;
	snprintf(name, len, "%s%s%s:%s", is_v6 ? "[" : "", host, is_v6 ? "]" : "", port);
}
