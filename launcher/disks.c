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
#include "base/err.h"
#include "base/log.h"

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

/* Not there, or a file system without O_TMPFILE: then in memory, which counts twice there. */
static void say_tmpdir(struct mp_plan *p, const char *dir)
{
	if (!p->said_tmpdir)
		mp_warn("no temporary disks in %s (%s); they are in memory; TMPDIR names another "
			"folder",
			dir, strerror(errno));
	p->said_tmpdir = true;
}

int mp_disk_temp(struct mp_plan *p, int *ret_fd)
{
	const char *dir = getenv("TMPDIR");
	MP_CLEANUP_FD int fd = -1;

	if (!dir || !*dir)
		dir = "/var/tmp";
	fd = open(dir, O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
	if (fd < 0) {
		say_tmpdir(p, dir);
		fd = memfd_create("mpring-disk", MFD_CLOEXEC);
	}
	if (fd < 0 || ftruncate(fd, (off_t)p->disk_bytes) < 0) {
		mp_error("temporary disk in %s: %s; set TMPDIR or give --disk", dir,
			 strerror(errno));
		return mp_err_origin(-errno);
	}
	*ret_fd = mp_fd_steal(&fd);
	return mp_err_trace(warm(*ret_fd, p->disk_bytes));
}

static int check_disk(const struct mp_opt_disk *d)
{
	if (strncmp(d->file, "null-co://", 10) == 0)
		return 0;
	if (faccessat(AT_FDCWD, d->file, d->readonly ? R_OK : R_OK | W_OK, AT_EACCESS) == 0)
		return 0;
	mp_error("--disk %s: %s; %s", d->file, strerror(errno),
		 errno == ENOENT ? "create it with truncate -s SIZE FILE"
		 : d->readonly   ? "check its owner and mode"
				 : "check its owner and mode, or add ,readonly=on");
	return mp_err_origin(-errno);
}

static int check_cdrom(const char *file)
{
	if (faccessat(AT_FDCWD, file, R_OK, AT_EACCESS) == 0)
		return 0;
	mp_error("--cdrom %s: %s", file, strerror(errno));
	return mp_err_origin(-errno);
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
