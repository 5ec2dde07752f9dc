/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A socket file outlives its process. Whether there still is one shows when one
 * connects: refused means that nobody listens, and the file may go. Somebody who
 * does is left alone.
 */
#include "remote-worker/listen.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/err.h"

/* Proxies that wait while another one is there. */
#define BACKLOG 8

static bool is_stale(const struct sockaddr_un *addr)
{
	MP_CLEANUP_FD int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	struct stat st;

	/* Files that are no sockets refuse, too. */
	return lstat(addr->sun_path, &st) == 0 && S_ISSOCK(st.st_mode) && fd >= 0 &&
	       connect(fd, (const struct sockaddr *)addr, sizeof(*addr)) < 0 &&
	       errno == ECONNREFUSED;
}

static int bind_to(int fd, const struct sockaddr_un *addr)
{
	int r = bind(fd, (const struct sockaddr *)addr, sizeof(*addr));

	if (r < 0 && errno == EADDRINUSE && is_stale(addr) && unlink(addr->sun_path) == 0)
		r = bind(fd, (const struct sockaddr *)addr, sizeof(*addr));
	return r < 0 ? mp_err_origin(-errno) : 0;
}

static int open_path(const char *path)
{
	struct sockaddr_un addr = {.sun_family = AF_UNIX};
	MP_CLEANUP_FD int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	int r;

	if (fd < 0)
		return mp_err_origin(-errno);
	if ((size_t)snprintf(addr.sun_path, sizeof(addr.sun_path), "%s", path) >=
	    sizeof(addr.sun_path))
		return mp_err_origin(-ENAMETOOLONG);
	r = bind_to(fd, &addr);
	if (r < 0)
		return mp_err_trace(r);
	if (listen(fd, BACKLOG) < 0)
		return mp_err_origin(-errno);
	return mp_fd_steal(&fd);
}

static bool listens(int fd)
{
	socklen_t len = sizeof(int);
	int on = 0;

	return getsockopt(fd, SOL_SOCKET, SO_ACCEPTCONN, &on, &len) == 0 && on;
}

int mp_listen_open(struct mp_cmdline *cmd, char *error, size_t error_len)
{
	struct mp_opt_hba *hba;

	for (unsigned int i = 0; i < cmd->n_hbas; i++) {
		hba = &cmd->hba[i];
		if (hba->socket_path)
			hba->fd = open_path(hba->socket_path);
		if (hba->fd < 0) {
			snprintf(error, error_len, "cannot listen on %s: %s", hba->socket_path,
				 hba->fd == -EADDRINUSE ? "another process does, or it is no socket"
				 : hba->fd == -ENAMETOOLONG
					 ? "a socket's path has at most 107 characters"
					 : strerror(-hba->fd));
			return mp_err_trace(hba->fd);
		}
		hba->listens = listens(hba->fd);
	}
	return 0;
}

int mp_listen_accept(int listen_fd)
{
	int fd = accept4(listen_fd, NULL, NULL, SOCK_CLOEXEC);

	return fd < 0 ? mp_err_origin(-errno) : fd;
}
