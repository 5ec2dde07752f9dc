/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * cleanup - locals that undo themselves.
 *
 * MP_CLEANUP(f) calls f(&local) when the local leaves scope, on every path.
 * What must outlive the scope is stolen last: mp_fd_steal() hands the fd out
 * and leaves -1, which mp_fd_close() takes as "nothing to do".
 */
#ifndef MP_BASE_CLEANUP_H
#define MP_BASE_CLEANUP_H

#include <stdlib.h>
#include <unistd.h>

#define MP_CLEANUP(f) __attribute__((cleanup(f)))

/** mp_fd_close() - close *fd unless it is negative, and leave -1 there */
static inline void mp_fd_close(int *fd)
{
	if (*fd >= 0)
		close(*fd);
	*fd = -1;
}

/** mp_fd_steal() - take the fd out of *fd, leaving -1 */
static inline int mp_fd_steal(int *fd)
{
	int taken = *fd;

	*fd = -1;
	return taken;
}

/** mp_free() - free what the pointer at @pp points to; @pp is a pointer's address */
static inline void mp_free(void *pp)
{
	free(*(void **)pp);
}

#define MP_CLEANUP_FD   MP_CLEANUP(mp_fd_close)
#define MP_CLEANUP_FREE MP_CLEANUP(mp_free)

#endif
