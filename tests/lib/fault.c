/* SPDX-License-Identifier: BSD-3-Clause */
#include "tests/lib/fault.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/types.h>
#include <unistd.h>

/* Per thread: the peer in the other thread must go on working. */
static _Thread_local struct {
	unsigned int left; /* 0: not armed */
	int err;
	const char *hit;
} fault;

void t_fault_arm(unsigned int nth, int err)
{
	fault.left = nth;
	fault.err = err;
	fault.hit = NULL;
}

const char *t_fault_disarm(void)
{
	fault.left = 0;
	return fault.hit;
}

unsigned int t_count_fds(void)
{
	DIR *dir = opendir("/proc/self/fd");
	unsigned int n = 0;

	if (!dir)
		abort();
	while (readdir(dir))
		n++;
	closedir(dir);
	return n - 3; /* ".", "..", and the directory itself */
}

static bool fails(const char *what)
{
	if (fault.left == 0 || --fault.left > 0)
		return false;
	fault.hit = what;
	errno = fault.err;
	return true;
}

/* type, name, parameters, arguments, value that means failure */
#define WRAP(type, name, params, args, failure)                                                    \
	type __real_##name params;                                                                 \
	type __wrap_##name params;                                                                 \
	type __wrap_##name params                                                                  \
	{                                                                                          \
		return fails(#name) ? (failure) : __real_##name args;                              \
	}

/* clang-format off */
WRAP(void *, malloc, (size_t n), (n), NULL)
WRAP(void *, calloc, (size_t n, size_t size), (n, size), NULL)
WRAP(void *, realloc, (void *p, size_t n), (p, n), NULL)
WRAP(int, posix_memalign, (void **p, size_t align, size_t n), (p, align, n), fault.err)
WRAP(void *, aligned_alloc, (size_t align, size_t n), (align, n), NULL)
WRAP(int, memfd_create, (const char *name, unsigned int flags), (name, flags), -1)
WRAP(int, ftruncate64, (int fd, off_t len), (fd, len), -1)
WRAP(void *, mmap64, (void *a, size_t n, int prot, int flags, int fd, off_t off),
     (a, n, prot, flags, fd, off), MAP_FAILED)
WRAP(int, fstat64, (int fd, struct stat *st), (fd, st), -1)
WRAP(int, eventfd, (unsigned int count, int flags), (count, flags), -1)
WRAP(ssize_t, sendmsg, (int fd, const struct msghdr *msg, int flags), (fd, msg, flags), -1)
WRAP(ssize_t, recvmsg, (int fd, struct msghdr *msg, int flags), (fd, msg, flags), -1)
WRAP(int, ppoll, (struct pollfd *p, nfds_t n, const struct timespec *ts, const sigset_t *set),
     (p, n, ts, set), -1)
WRAP(ssize_t, read, (int fd, void *buf, size_t n), (fd, buf, n), -1)
WRAP(ssize_t, write, (int fd, const void *buf, size_t n), (fd, buf, n), -1)
WRAP(ssize_t, pread64, (int fd, void *buf, size_t n, off_t off), (fd, buf, n, off), -1)
WRAP(ssize_t, pwrite64, (int fd, const void *buf, size_t n, off_t off), (fd, buf, n, off), -1)
WRAP(ssize_t, readlink, (const char *path, char *buf, size_t n), (path, buf, n), -1)
/* clang-format on */

int __real_fcntl64(int fd, int cmd, ...);
int __wrap_fcntl64(int fd, int cmd, ...);
int __wrap_fcntl64(int fd, int cmd, ...)
{
	va_list ap;
	void *arg;

	va_start(ap, cmd);
	arg = va_arg(ap, void *);
	va_end(ap);
	return fails("fcntl") ? -1 : __real_fcntl64(fd, cmd, arg);
}

int __real_open64(const char *path, int flags, ...);
int __wrap_open64(const char *path, int flags, ...);
int __wrap_open64(const char *path, int flags, ...)
{
	va_list ap;
	mode_t mode;

	va_start(ap, flags);
	mode = va_arg(ap, mode_t);
	va_end(ap);
	return fails("open") ? -1 : __real_open64(path, flags, mode);
}
