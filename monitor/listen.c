/* SPDX-License-Identifier: BSD-3-Clause */
#include "monitor/mon.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/err.h"

#define BACKLOG 16

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
