/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Disks of the user's are only looked at here: workers and QEMU open them. What
 * can't work is refused before anything starts, by a message that names the
 * option. Temporary disks have no name from the beginning, so nothing is left,
 * however the launcher ends.
 */
#include "launcher/disks.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/err.h"
#include "base/log.h"

#define COPY_BYTES   (1 << 20)
#define SAY_EVERY_NS (5 * MP_NS_PER_SEC)

/* 256 MiB a disk, less where all together would take over 2 GiB or an eighth of the free memory. */
uint64_t mp_disks_default_bytes(unsigned int n_disks)
{
	uint64_t each = 256ull << 20, room = 0;
	char line[128];
	FILE *f = fopen("/proc/meminfo", "re");

	while (f && fgets(line, sizeof(line), f))
		if (sscanf(line, "MemAvailable: %lu kB", &room) == 1)
			break;
	if (f)
		fclose(f);
	room = room * 1024 / 8;
	if (room > 2ull << 30)
		room = 2ull << 30;
	if (room / n_disks < each)
		each = room / n_disks;
	each &= ~((16ull << 20) - 1);
	return each ? each : 16ull << 20;
}

/* Signals are blocked, and read from a descriptor later on. */
static bool interrupted(void)
{
	sigset_t set;

	return sigpending(&set) == 0 && (sigismember(&set, SIGINT) || sigismember(&set, SIGTERM) ||
					 sigismember(&set, SIGHUP));
}

/* Holes read as zeros; reading once puts all pages into the page cache, so
 * that every later read costs the same, whoever runs first. */
static int warm(int fd, uint64_t bytes)
{
	MP_CLEANUP_FREE char *buf = malloc(1 << 20);

	mp_assert(buf);
	for (uint64_t at = 0; at < bytes; at += 1 << 20) {
		if (interrupted())
			return mp_err_origin(-EINTR);
		if (pread(fd, buf, 1 << 20, (off_t)at) < 0)
			return mp_err_origin(-errno);
	}
	return 0;
}

static const char *temp_dir(void)
{
	const char *dir = getenv("TMPDIR");

	return dir && *dir ? dir : "/var/tmp";
}

/* Not there, or a file system without O_TMPFILE: then in memory, which counts twice there. */
static void say_tmpdir(struct mp_plan *p, const char *dir)
{
	if (!p->said_tmpdir)
		mp_warn("no temporary disks in %s (%s); they are in memory; TMPDIR names another "
			"folder",
			dir, strerror(errno));
	p->said_tmpdir = true;
}

static const char *way_out(int err, const char *other)
{
	return err == EMFILE ? "raise ulimit -n" : other;
}

int mp_disk_temp(struct mp_plan *p, int *ret_fd)
{
	const char *dir = temp_dir();
	MP_CLEANUP_FD int fd = -1;
	int r;

	fd = open(dir, O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
	if (fd < 0 && errno != EMFILE) {
		say_tmpdir(p, dir);
		fd = memfd_create("mpring-disk", MFD_CLOEXEC);
	}
	if (fd < 0 || ftruncate(fd, (off_t)p->disk_bytes) < 0) {
		r = -errno;
		mp_error("temporary disk in %s: %s; %s", dir, strerror(-r),
			 way_out(-r, "set TMPDIR or give --disk"));
		return mp_err_origin(r);
	}
	*ret_fd = mp_fd_steal(&fd);
	return mp_err_trace(warm(*ret_fd, p->disk_bytes));
}

/* pwrite() of less than all is no error yet: the next call says what it was. */
static int put_all(int fd, const char *buf, size_t len, off_t at)
{
	ssize_t n;

	for (size_t done = 0; done < len; done += (size_t)n) {
		n = pwrite(fd, buf + done, len - done, at + (off_t)done);
		if (n < 0)
			return mp_err_origin(-errno);
	}
	return 0;
}

struct copy {
	int from_fd, to_fd; /* @to_fd has no data yet, or is none: then @from_fd is only read */
	off_t bytes;
	const char *what, *file; /* for the user who waits */
	uint64_t said_ns;
	bool to_failed; /* an error was @to_fd's */
};

static void say_progress(struct copy *c, off_t at)
{
	uint64_t now = mp_clock_ns();

	if (now < c->said_ns + SAY_EVERY_NS)
		return;
	c->said_ns = now;
	mp_info("%s %s: at %lld of %lld MiB", c->what, c->file, (long long)at >> 20,
		(long long)c->bytes >> 20);
}

/* One stretch of data. */
static int copy_range(struct copy *c, off_t at, off_t end)
{
	MP_CLEANUP_FREE char *buf = malloc(COPY_BYTES);
	ssize_t n;
	int r;

	mp_assert(buf);
	for (; at < end; at += n) {
		n = pread(c->from_fd, buf, end - at < COPY_BYTES ? (size_t)(end - at) : COPY_BYTES,
			  at);
		if (n < 0)
			return mp_err_origin(-errno);
		if (n == 0 || interrupted())
			return mp_err_origin(n == 0 ? -EIO : -EINTR);
		say_progress(c, at);
		r = c->to_fd < 0 ? 0 : put_all(c->to_fd, buf, (size_t)n, at);
		c->to_failed = r < 0;
		if (r < 0)
			return mp_err_trace(r);
	}
	return 0;
}

/* All stretches between the holes. */
static int copy_data(struct copy *c)
{
	off_t at = 0, end;
	int r;

	while (at < c->bytes) {
		at = lseek(c->from_fd, at, SEEK_DATA);
		if (at < 0 && errno == ENXIO) /* a hole up to the end */
			break;
		end = at < 0 ? -1 : lseek(c->from_fd, at, SEEK_HOLE);
		if (end < 0)
			return mp_err_origin(-errno);
		r = copy_range(c, at, end);
		if (r < 0)
			return mp_err_trace(r);
		at = end;
	}
	return 0;
}

/*
 * What a write costs depends on how the page cache holds the file: into a large folio
 * of ext4 it takes 50 us more than into a page (Linux 6.18). So it is read in anew.
 */
static int settle(int fd, const struct copy *c)
{
	struct copy anew = *c;

	anew.from_fd = fd;
	anew.to_fd = -1;
	anew.what = fd == c->from_fd ? "reading anew" : "reading the copy of";

	if (fdatasync(fd) < 0)
		return mp_err_origin(-errno);
	posix_fadvise(fd, 0, 0, POSIX_FADV_DONTNEED); /* which leaves what isn't written yet */
	return mp_err_trace(copy_data(&anew));
}

/* The page cache has both alike then: they shall cost the same. */
static int copy_and_settle(struct copy *c)
{
	int r;

	c->to_failed = ftruncate(c->to_fd, c->bytes) < 0;
	if (c->to_failed)
		return mp_err_origin(-errno);
	r = copy_data(c);
	if (r == 0)
		r = settle(c->from_fd, c);
	if (r < 0)
		return mp_err_trace(r);
	r = settle(c->to_fd, c);
	c->to_failed = r < 0;
	return mp_err_trace(r);
}

/* A qcow2 file may say where its backing file is, seen from its own folder: the copy is elsewhere. */
static bool backing_is_relative(int fd)
{
	uint8_t head[16], first = 0;
	uint64_t at = 0;

	if (pread(fd, head, sizeof(head), 0) != sizeof(head) || memcmp(head, "QFI\xfb", 4) != 0)
		return false;
	for (unsigned int i = 8; i < 16; i++)
		at = at << 8 | head[i];
	return at > 0 && at <= INT64_MAX && pread(fd, &first, 1, (off_t)at) == 1 && first != '/';
}

static void say_failed_copy(const struct copy *c, int r)
{
	if (r == -EINTR)
		return;
	if (c->to_failed)
		mp_error("copy of %s in %s: %s; %s", c->file, temp_dir(), strerror(-r),
			 way_out(-r, "TMPDIR names another folder"));
	else
		mp_error("--disk %s: %s, when it was copied for --compare", c->file, strerror(-r));
}

int mp_disk_copy(const char *file, int *ret_fd)
{
	MP_CLEANUP_FD int from_fd = open(file, O_RDONLY | O_CLOEXEC);
	MP_CLEANUP_FD int to_fd = -1;
	struct copy copy;
	struct stat st;
	int r;

	if (from_fd < 0 || fstat(from_fd, &st) < 0) {
		mp_error("--disk %s: %s", file, strerror(errno));
		return mp_err_origin(-errno);
	}
	if (!S_ISREG(st.st_mode) || backing_is_relative(from_fd)) {
		mp_error("--disk %s: --compare needs a copy of it, and can't make one: %s", file,
			 S_ISREG(st.st_mode)
				 ? "its backing file is named from its own folder; give that an "
				   "absolute name with qemu-img rebase -u"
				 : "it is no file; format=raw needs no copy");
		return mp_err_origin(-EINVAL);
	}
	mp_info("copying %s to %s, for QEMU's own controller", file, temp_dir());
	to_fd = open(temp_dir(), O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
	copy = (struct copy){.from_fd = from_fd,
			     .to_fd = to_fd,
			     .bytes = st.st_size,
			     .what = "copying",
			     .file = file,
			     .said_ns = mp_clock_ns(),
			     .to_failed = to_fd < 0};
	r = to_fd < 0 ? mp_err_origin(-errno) : copy_and_settle(&copy);
	if (r < 0) {
		say_failed_copy(&copy, r);
		return mp_err_trace(r);
	}
	*ret_fd = mp_fd_steal(&to_fd);
	return 0;
}

/* "nbd://host", "json:{...}": a colon before any slash, as QEMU has it. */
bool mp_disk_is_uri(const char *file)
{
	return file[strcspn(file, ":/")] == ':';
}

bool mp_disk_is_copied(const struct mp_options *o, const struct mp_opt_disk *d)
{
	return o->compare && d && !d->readonly && strcmp(d->format, "raw") != 0 &&
	       !mp_disk_is_uri(d->file);
}

static bool may(const char *file, int how)
{
	return faccessat(AT_FDCWD, file, how, AT_EACCESS) == 0;
}

static int check_disk(const struct mp_opt_disk *d)
{
	int err;

	if (mp_disk_is_uri(d->file) || may(d->file, d->readonly ? R_OK : R_OK | W_OK))
		return 0;
	err = errno;
	mp_error("--disk %s: %s; %s", d->file, strerror(err),
		 err == ENOENT        ? "create it with qemu-img create -f FORMAT FILE SIZE"
		 : may(d->file, R_OK) ? "check its owner and mode, or add ,readonly=on"
				      : "check its owner and mode");
	return mp_err_origin(-err);
}

static int check_cdrom(const char *file)
{
	int err;

	if (may(file, R_OK))
		return 0;
	err = errno;
	mp_error("--cdrom %s: %s; %s", file, strerror(err),
		 err == ENOENT ? "genisoimage -R -o FILE FOLDER makes an image"
			       : "check its owner and mode");
	return mp_err_origin(-err);
}

static bool same_file(const char *a, const char *b)
{
	struct stat x, y;

	return stat(a, &x) == 0 && stat(b, &y) == 0 && S_ISREG(x.st_mode) && x.st_dev == y.st_dev &&
	       x.st_ino == y.st_ino;
}

/* A worker would find these too, but QEMU would complain beside it. */
int mp_disks_check(const struct mp_options *o)
{
	int r = 0;

	for (unsigned int i = 0; r == 0 && i < o->n_disks; i++)
		r = check_disk(&o->disk[i]);
	for (unsigned int i = 0; r == 0 && i < o->n_cdroms; i++)
		r = check_cdrom(o->cdrom[i]);
	for (unsigned int i = 1; r == 0 && i < o->n_disks; i++)
		for (unsigned int k = 0; k < i; k++)
			if (!(o->disk[i].readonly && o->disk[k].readonly) &&
			    same_file(o->disk[i].file, o->disk[k].file)) {
				mp_error("--disk %s stands there twice; each device needs its own, "
					 "or readonly=on for both",
					 o->disk[i].file);
				return mp_err_origin(-EBUSY);
			}
	return mp_err_trace(r);
}
