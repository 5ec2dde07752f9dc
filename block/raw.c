/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The raw disk: a regular file or a block device, byte for byte.
 *
 * A request is a short chain of system calls. req->phase says which comes
 * next, req->moved how far it got:
 *
 *	READ, WRITE    PHASE_IO, again until all has moved; a WRITE in which zeros
 *	               are detected goes the way of WRITE_ZEROES
 *	FLUSH          PHASE_SYNC
 *	DISCARD        PHASE_PUNCH
 *	WRITE_ZEROES   PHASE_PUNCH (if it may unmap) -> PHASE_ZERO -> PHASE_PAGES,
 *	               each only if the file system refuses the one before;
 *	               then PHASE_SYNC if FUA
 *	PREFETCH       PHASE_ADVISE
 *	STATUS         PHASE_SEEK, with the engine's help: no kernel does it in
 *	               the background
 *
 * What a file system has refused once is remembered in the disk. On block
 * devices the kernel turns fallocate() into discard and write-zeroes, so files
 * and devices need no two ways. A discard that nobody supports is a success:
 * it is a hint.
 *
 * A file may end within a block: the disk has that block, as in QEMU. What the
 * file lacks of it reads as zeros, and is there once the block has been written.
 */
#include "block/engine.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/falloc.h>
#include <linux/fs.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/bytes.h"
#include "base/cleanup.h"
#include "base/err.h"
#include "block/probe.h"

/* The kernel moves at most 2 GiB less a page in one call. */
#define MAX_STEP_BYTES (1ull << 30)
#define ZEROS_BYTES    65536u

enum { PHASE_IO, PHASE_SYNC, PHASE_PUNCH, PHASE_ZERO, PHASE_PAGES, PHASE_ADVISE, PHASE_SEEK };

static const uint8_t zeros[ZEROS_BYTES] __attribute__((aligned(4096)));

static uint64_t min_u64(uint64_t a, uint64_t b)
{
	return a < b ? a : b;
}

static uint64_t round_up(uint64_t bytes, uint64_t unit)
{
	return bytes + (unit - bytes % unit) % unit;
}

static void io_step(const struct mp_blk_req *req, struct mp_blk_step *st)
{
	st->call = req->op == MP_BLK_READ ? MP_BLK_CALL_READ : MP_BLK_CALL_WRITE;
	st->len = min_u64(st->len, MAX_STEP_BYTES);
	st->buf = (uint8_t *)req->buf + req->moved;
	st->dsync = (req->flags & MP_BLK_FUA) && !req->blk->no_flush;
}

static void pages_step(const struct mp_blk_req *req, struct mp_blk_step *st)
{
	union {
		const void *from;
		void *to;
	} buf = {.from = zeros}; /* a step's buffer serves reads too, hence not const */

	st->call = MP_BLK_CALL_WRITE;
	st->len = min_u64(st->len, ZEROS_BYTES);
	st->buf = buf.to;
	st->dsync = (req->flags & MP_BLK_FUA) && !req->blk->no_flush;
}

void mp_raw_step(const struct mp_blk_req *req, struct mp_blk_step *ret_step)
{
	struct mp_blk_step st = {
		.offset = req->offset + req->moved,
		.len = req->len - req->moved,
	};

	switch (req->phase) {
	case PHASE_IO:
		io_step(req, &st);
		break;
	case PHASE_SYNC:
		st.call = MP_BLK_CALL_SYNC;
		break;
	case PHASE_PAGES:
		pages_step(req, &st);
		break;
	case PHASE_ADVISE:
		st.call = MP_BLK_CALL_ADVISE;
		st.len = min_u64(st.len, MAX_STEP_BYTES);
		break;
	case PHASE_SEEK:
		st.call = MP_BLK_CALL_SEEK;
		st.buf = req->buf;
		break;
	default:
		st.call = MP_BLK_CALL_FALLOCATE;
		st.mode = FALLOC_FL_KEEP_SIZE |
			  (req->phase == PHASE_PUNCH ? FALLOC_FL_PUNCH_HOLE : FALLOC_FL_ZERO_RANGE);
	}
	*ret_step = st;
}

/*
 * Runs in a thread that takes no signals, so nothing is interrupted; a file
 * system in user space that says so all the same isn't asked again.
 * A hole has no end where no data follows (ENXIO). A file system or a device
 * that can't tell (EINVAL) has no holes.
 */
int mp_raw_seek(int fd, const struct mp_blk_step *step)
{
	struct mp_blk_extent *extent = step->buf;
	off_t at = (off_t)step->offset, end = at + (off_t)step->len;
	off_t next = lseek(fd, at, SEEK_DATA);
	bool is_hole = next > at || (next < 0 && errno == ENXIO);

	if (next == at)
		next = lseek(fd, at, SEEK_HOLE);
	if (next < 0 && (errno == EINTR || errno == EAGAIN))
		return -EIO;
	if (next < 0 && errno != ENXIO && errno != EINVAL && errno != EOPNOTSUPP)
		return -errno;
	/* Where a file ends within a sector, so does what is known of it. */
	if (next > at)
		next = (off_t)round_up((uint64_t)next, MP_BLK_SECTOR_BYTES);
	if (next <= at || next > end)
		next = end;
	*extent = (struct mp_blk_extent){(uint64_t)(next - at), is_hole};
	return 0;
}

static uint32_t zero_phase(const struct mp_blk *b, uint32_t flags)
{
	if ((flags & MP_BLK_UNMAP) && b->discard && !b->no_punch_hole)
		return PHASE_PUNCH;
	return b->no_zero_range ? PHASE_PAGES : PHASE_ZERO;
}

static bool ended(struct mp_blk_req *req, int result)
{
	req->result = result;
	return true;
}

static bool is_unsupported(int res)
{
	return res == -EOPNOTSUPP || res == -ENOSYS || res == -ENOTTY || res == -ENODEV;
}

/* The file system can't do that: remember, and try the next way. */
static bool unsupported(struct mp_blk_req *req)
{
	if (req->phase == PHASE_PUNCH)
		req->blk->no_punch_hole = true;
	else
		req->blk->no_zero_range = true;
	if (req->op == MP_BLK_DISCARD)
		return ended(req, 0);
	req->phase = zero_phase(req->blk, req->flags);
	return false;
}

static bool fallocate_done(struct mp_blk_req *req)
{
	if (!(req->flags & MP_BLK_FUA) || req->op == MP_BLK_DISCARD || req->blk->no_flush)
		return ended(req, 0);
	req->phase = PHASE_SYNC;
	return false;
}

/* The kernel stops within a sector only where the file ends. */
static bool is_end_of_file(const struct mp_blk_req *req)
{
	uint64_t at = req->offset + req->moved;

	return req->op == MP_BLK_READ && at % MP_BLK_SECTOR_BYTES != 0 &&
	       at > req->blk->size_bytes - req->blk->block_bytes;
}

static bool moved(struct mp_blk_req *req, int res)
{
	/* Nothing moved, though it is within the size that we opened: the file shrank. */
	if (res == 0)
		return ended(req, mp_err_origin(-EIO));
	req->moved += (uint64_t)res;
	if (req->moved >= req->len)
		return ended(req, 0);
	if (!is_end_of_file(req))
		return false;
	memset((uint8_t *)req->buf + req->moved, 0, req->len - req->moved);
	return ended(req, 0);
}

bool mp_raw_advance(struct mp_blk_req *req, int res)
{
	bool is_fallocate = req->phase == PHASE_PUNCH || req->phase == PHASE_ZERO;

	if (mp_unlikely(res == -EINTR || res == -EAGAIN))
		return false;
	if (mp_unlikely(res < 0 && req->phase == PHASE_ADVISE))
		return ended(req, 0);
	if (mp_unlikely(res < 0))
		return is_fallocate && is_unsupported(res) ? unsupported(req)
							   : ended(req, mp_err_origin(res));
	if (is_fallocate)
		return fallocate_done(req);
	if (req->phase != PHASE_IO && req->phase != PHASE_PAGES)
		return ended(req, 0);
	return moved(req, res);
}

static bool nothing_to_do(const struct mp_blk *b, const struct mp_blk_req *req)
{
	switch (req->op) {
	case MP_BLK_FLUSH:
		return b->no_flush || b->read_only;
	case MP_BLK_DISCARD:
		return req->len == 0 || !b->discard || b->no_punch_hole;
	case MP_BLK_PREFETCH:
		return req->len == 0 || b->direct;
	default:
		return req->len == 0;
	}
}

/* Without thin provisioning nobody punches holes, and nobody is here to look for them. */
static void status_submit(struct mp_blk *b, struct mp_blk_req *req)
{
	*(struct mp_blk_extent *)req->buf = (struct mp_blk_extent){req->len, false};
	req->phase = PHASE_SEEK;
	if (b->discard && req->len > 0)
		b->engine->ops->help(b->engine, req);
	else
		mp_blk_end_later(req, 0);
}

/* Offsets are multiples of a sector, so what touches the first one has all of it. */
static bool forges_header(const struct mp_blk *b, const struct mp_blk_req *req)
{
	return b->probed && req->offset == 0 && mp_probe_bytes(req->buf, MP_PROBE_BYTES);
}

static void write_submit(struct mp_blk *b, struct mp_blk_req *req)
{
	req->phase = PHASE_IO;
	if (mp_unlikely(b->detect_zeroes) && mp_is_zero(req->buf, req->len)) {
		if (b->detect_zeroes == MP_BLK_DETECT_UNMAP)
			req->flags |= MP_BLK_UNMAP;
		req->phase = zero_phase(b, req->flags);
	}
}

static void raw_submit(struct mp_blk *b, struct mp_blk_req *req)
{
	if (mp_unlikely(nothing_to_do(b, req))) {
		mp_blk_end_later(req, 0);
		return;
	}
	switch (req->op) {
	case MP_BLK_WRITE:
		if (mp_unlikely(forges_header(b, req))) {
			mp_blk_end_later(req, mp_err_origin(-EPERM));
			return;
		}
		write_submit(b, req);
		break;
	case MP_BLK_FLUSH:
		req->phase = PHASE_SYNC;
		break;
	case MP_BLK_DISCARD:
		req->phase = PHASE_PUNCH;
		break;
	case MP_BLK_WRITE_ZEROES:
		req->phase = zero_phase(b, req->flags);
		break;
	case MP_BLK_PREFETCH:
		req->phase = PHASE_ADVISE;
		break;
	case MP_BLK_STATUS:
		status_submit(b, req);
		return;
	default:
		req->phase = PHASE_IO;
	}
	b->engine->ops->start(b->engine, req);
}

/* Devices have an end too; and this call is among those that the sandbox leaves us. */
static int64_t raw_measure(const struct mp_blk *b)
{
	off_t end = lseek(b->fd, 0, SEEK_END);

	return end < 0 ? -errno : (int64_t)round_up((uint64_t)end, b->block_bytes);
}

int mp_blk_truncate(const char *filename, uint64_t bytes)
{
	MP_CLEANUP_FD int fd = -1;
	struct stat st;
	off_t end;

	if (bytes == 0 || bytes > (uint64_t)INT64_MAX)
		return mp_err_origin(-EINVAL);
	/* O_NONBLOCK: the name may lead to something else by now. */
	fd = open(filename, O_WRONLY | O_CLOEXEC | O_NONBLOCK);
	if (fd < 0 || fstat(fd, &st) < 0)
		return mp_err_origin(-errno);
	if (S_ISBLK(st.st_mode)) {
		end = lseek(fd, 0, SEEK_END);
		return end < 0 || bytes > (uint64_t)end ? mp_err_origin(-ENOTSUP) : 0;
	}
	if (!S_ISREG(st.st_mode))
		return mp_err_origin(-ENOTSUP);
	return ftruncate(fd, (off_t)bytes) < 0 ? mp_err_origin(-errno) : 0;
}

static const struct mp_blk_driver raw_driver = {
	.submit = raw_submit,
	.measure = raw_measure,
};

/* Where opening a disk goes wrong, the user reads why and what to do. */
struct complaint {
	const char *filename;
	char *text;
	size_t len;
};

static int complain(const struct complaint *c, int r, const char *hint)
{
	snprintf(c->text, c->len, "cannot open %s: %s; %s", c->filename, strerror(-r), hint);
	return mp_err_trace(r);
}

/* "nbd:host:port": QEMU's name for a file elsewhere. */
static bool names_protocol(const char *filename)
{
	return filename[strcspn(filename, ":/")] == ':';
}

static const char *open_hint(const char *filename, int r, bool read_only)
{
	switch (r) {
	case -ENOENT:
		if (names_protocol(filename))
			return "only files and block devices can be; qemu-nbd makes a block device "
			       "of what QEMU can open";
		return "check the path, or create it with qemu-img create -f raw FILE SIZE";
	case -EACCES:
	case -EPERM:
		return read_only ? "check the owner and mode of the file and its folders"
				 : "check the owner and mode of the file, or use readonly=on";
	case -EROFS:
		return "use readonly=on";
	case -EINVAL:
		return "the file system may not support cache=none; try cache=writeback";
	case -EISDIR:
		return "give a file or a block device";
	default:
		return "nothing was changed";
	}
}

static int size_from_medium(int fd, const struct stat *st, uint64_t *ret_bytes)
{
	uint64_t bytes = (uint64_t)st->st_size;

	if (S_ISBLK(st->st_mode) && ioctl(fd, BLKGETSIZE64, &bytes) < 0)
		return mp_err_origin(-errno);
	*ret_bytes = bytes;
	return 0;
}

/* With O_DIRECT: the smallest read that the medium takes; 512 or 4096. */
static uint32_t probe_alignment(int fd)
{
	uint32_t bytes = 512;
	void *page = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (page == MAP_FAILED)
		return 4096;
	if (pread(fd, page, 512, 512) < 0 && errno == EINVAL)
		bytes = 4096;
	munmap(page, 4096);
	return bytes;
}

static int measure(struct mp_blk_medium *m, const struct mp_blk_open *how,
		   const struct complaint *c)
{
	struct stat st;
	int r;

	if (fstat(m->fd, &st) < 0)
		return complain(c, mp_err_origin(-errno), "nothing was changed");
	if (!S_ISREG(st.st_mode) && !S_ISBLK(st.st_mode))
		return complain(c, mp_err_origin(-EINVAL), "give a file or a block device");
	r = size_from_medium(m->fd, &st, &m->size_bytes);
	if (r < 0)
		return complain(c, r, "its size is unknown");
	if (how->cache_direct)
		m->block_bytes = probe_alignment(m->fd);
	m->size_bytes = round_up(m->size_bytes, m->block_bytes);
	if (m->size_bytes == 0)
		return complain(c, mp_err_origin(-EINVAL),
				"it is empty; give it a size with truncate -s SIZE");
	return 0;
}

static int lock(int fd, bool read_only, const struct complaint *c)
{
	int r = mp_lock_image(fd, read_only);

	if (r == -EAGAIN)
		snprintf(c->text, c->len,
			 "%s is in use by another disk or process (image lock); close it or use "
			 "locking=off",
			 c->filename);
	else if (r < 0)
		return complain(c, r, "its file system can't lock it; use locking=off");
	return mp_err_trace(r);
}

static int check_how(const struct mp_blk_open *how, char *ret_error, size_t error_len)
{
	if (!how->filename || !how->filename[0]) {
		snprintf(ret_error, error_len, "a raw disk needs a file name");
		return mp_err_origin(-EINVAL);
	}
	if (how->detect_zeroes == MP_BLK_DETECT_UNMAP && !how->discard) {
		snprintf(ret_error, error_len,
			 "cannot open %s: detect-zeroes=unmap needs discard=unmap; give both, "
			 "or detect-zeroes=on",
			 how->filename);
		return mp_err_origin(-EINVAL);
	}
	return 0;
}

int mp_blk_prepare(const struct mp_blk_open *how, struct mp_blk_medium *ret_medium, char *ret_error,
		   size_t error_len)
{
	struct complaint c = {how->filename, ret_error, error_len};
	struct mp_blk_medium m = {.block_bytes = MP_BLK_SECTOR_BYTES};
	/* O_NONBLOCK: opening a FIFO by mistake must not hang; disks ignore it. */
	int flags = O_CLOEXEC | O_NONBLOCK | (how->read_only ? O_RDONLY : O_RDWR) |
		    (how->cache_direct ? O_DIRECT : 0);
	int r = check_how(how, ret_error, error_len);

	if (r < 0)
		return mp_err_trace(r);
	m.fd = open(how->filename, flags);
	if (m.fd < 0) {
		r = mp_err_origin(-errno);
		return complain(&c, r, open_hint(how->filename, r, how->read_only));
	}
	r = measure(&m, how, &c);
	if (r >= 0 && !how->no_lock)
		r = lock(m.fd, how->read_only, &c);
	/* io_uring gives up early on an O_NONBLOCK file; we want it to wait. */
	if (r >= 0 && fcntl(m.fd, F_SETFL, flags & O_DIRECT) < 0)
		r = complain(&c, mp_err_origin(-errno), "nothing was changed");
	if (r < 0) {
		close(m.fd);
		return r;
	}
	*ret_medium = m;
	return 0;
}

int mp_raw_open(struct mp_blk *b, const struct mp_blk_open *how, char *ret_error, size_t error_len)
{
	struct mp_blk_medium m;
	int r = how->medium ? check_how(how, ret_error, error_len)
			    : mp_blk_prepare(how, &m, ret_error, error_len);

	if (r < 0)
		return mp_err_trace(r);
	if (how->medium)
		m = *how->medium;
	b->fd = m.fd;
	b->size_bytes = m.size_bytes;
	b->block_bytes = m.block_bytes;
	b->driver = &raw_driver;
	return 0;
}
