/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Image locks, the way QEMU takes them, so that QEMU, qemu-img and we keep one
 * another from opening a disk twice by mistake.
 *
 * Two rows of bytes in the image file carry read locks of its open file
 * description, one byte a permission. Byte 100 + n locked: "I use permission
 * n". Byte 200 + n locked: "I can't live with others who use n". Who opens
 * locks his bytes first, and then asks for each permission that he uses
 * whether somebody else forbids it, and for each that he forbids whether
 * somebody else uses it. As the locks come first, of two who open at the same
 * time at least one sees the other.
 *
 * A disk of a guest uses consistent-read (and write), and forbids write.
 *
 * A process that has died may hold its locks a little longer: the kernel takes
 * an io_uring with its registered files apart in the background. Who restarts
 * a killed worker at once would find the disk in use, so a lock that is refused
 * is tried again for a quarter of a second.
 */
#include "block/engine.h"

#include <errno.h>
#include <fcntl.h>
#include <time.h>
#include <unistd.h>

#include "base/err.h"

#define USED_BASE      100
#define FORBIDDEN_BASE 200
#define PERM_READ      0
#define PERM_WRITE     1

#define TRIES          25u
#define PAUSE_NS       10000000L

static int take(int fd, off_t byte)
{
	struct flock fl = {.l_type = F_RDLCK, .l_whence = SEEK_SET, .l_start = byte, .l_len = 1};

	if (fcntl(fd, F_OFD_SETLK, &fl) < 0)
		return mp_err_origin(errno == EACCES ? -EAGAIN : -errno);
	return 0;
}

/* Would a write lock collide? Then somebody else holds a read lock there. */
static int check_free(int fd, off_t byte)
{
	struct flock fl = {.l_type = F_WRLCK, .l_whence = SEEK_SET, .l_start = byte, .l_len = 1};

	if (fcntl(fd, F_OFD_GETLK, &fl) < 0)
		return mp_err_origin(-errno);
	return fl.l_type == F_UNLCK ? 0 : mp_err_origin(-EAGAIN);
}

static int lock_once(int fd, bool read_only)
{
	int r = take(fd, USED_BASE + PERM_READ);

	if (r >= 0 && !read_only)
		r = take(fd, USED_BASE + PERM_WRITE);
	if (r >= 0)
		r = take(fd, FORBIDDEN_BASE + PERM_WRITE);
	if (r >= 0)
		r = check_free(fd, FORBIDDEN_BASE + PERM_READ);
	if (r >= 0 && !read_only)
		r = check_free(fd, FORBIDDEN_BASE + PERM_WRITE);
	if (r >= 0)
		r = check_free(fd, USED_BASE + PERM_WRITE);
	return mp_err_trace(r);
}

int mp_lock_image(int fd, bool read_only)
{
	const struct timespec pause = {.tv_nsec = PAUSE_NS};
	int r = lock_once(fd, read_only);

	for (unsigned int i = 1; i < TRIES && r == -EAGAIN; i++) {
		nanosleep(&pause, NULL);
		r = lock_once(fd, read_only);
	}
	return mp_err_trace(r);
}
