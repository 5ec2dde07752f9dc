/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Making an io_uring: ask for the best, take what the kernel has.
 *
 * Flags, best first. DEFER_TASKRUN lets completions wait until we enter the
 * kernel anyway, instead of interrupting us; TASKRUN_FLAG shows in shared
 * memory that some wait, so that polling needs no system call. What the
 * kernel does not know it answers with EINVAL, and we ask for less.
 *
 * The ring starts disabled. In that state the file table and the buffer pool
 * are registered and the ring is restricted, for good, to registered files
 * and the operations that uring.c uses. Then it is enabled. A process whose
 * memory was taken over by a hostile guest can't open a file or a socket
 * through this ring. Registering and restricting may be refused (RLIMIT_MEMLOCK,
 * older kernels); the ring then works without.
 */
#include "block/uring.h"

#include <errno.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/err.h"

#define DEFAULT_ENTRIES 256u
#define CQ_FACTOR       4u

static const unsigned int flag_sets[] = {
	IORING_SETUP_SINGLE_ISSUER | IORING_SETUP_DEFER_TASKRUN | IORING_SETUP_COOP_TASKRUN |
		IORING_SETUP_TASKRUN_FLAG,
	IORING_SETUP_SINGLE_ISSUER | IORING_SETUP_COOP_TASKRUN | IORING_SETUP_TASKRUN_FLAG,
	IORING_SETUP_COOP_TASKRUN | IORING_SETUP_TASKRUN_FLAG,
	0,
};

#define N_FLAG_SETS (sizeof(flag_sets) / sizeof(flag_sets[0]))

static const uint8_t allowed_ops[] = {
	IORING_OP_READ,        IORING_OP_WRITE,        IORING_OP_READ_FIXED,
	IORING_OP_WRITE_FIXED, IORING_OP_FSYNC,        IORING_OP_FALLOCATE,
	IORING_OP_POLL_ADD,    IORING_OP_ASYNC_CANCEL, IORING_OP_FADVISE,
};

#define N_OPS (sizeof(allowed_ops))

static int init_ring(struct mp_uring *u, unsigned int entries)
{
	int r = -EINVAL;

	for (size_t i = 0; i < N_FLAG_SETS && r == -EINVAL; i++) {
		struct io_uring_params p = {
			.flags = flag_sets[i] | IORING_SETUP_CQSIZE | IORING_SETUP_R_DISABLED,
			.cq_entries = entries * CQ_FACTOR,
		};

		r = io_uring_queue_init_params(entries, &u->ring, &p);
	}
	if (r < 0)
		return mp_err_origin(r);
	/* Sleeping needs a deadline in the call itself (5.11). */
	if (!(u->ring.features & IORING_FEAT_EXT_ARG)) {
		io_uring_queue_exit(&u->ring);
		return mp_err_origin(-ENOSYS);
	}
	return 0;
}

static bool make_table(struct mp_uring *u, unsigned int n_watches)
{
	u->n_watch_slots = n_watches;
	return io_uring_register_files_sparse(&u->ring, MP_URING_WATCH_SLOT + n_watches) >= 0;
}

static void register_files(struct mp_uring *u)
{
	u->fixed_files = make_table(u, MP_BLK_MAX_WATCHES) || make_table(u, MP_URING_FEW_WATCHES);
	if (!u->fixed_files)
		u->n_watch_slots = MP_BLK_MAX_WATCHES;
	if (u->fixed_files && u->base.wake_fd >= 0)
		u->fixed_files = mp_uring_set_file(u, MP_URING_WAKE_SLOT, u->base.wake_fd) >= 0;
}

static void register_pool(struct mp_uring *u, const struct mp_blk_engine_cfg *cfg)
{
	struct iovec iov = {cfg->pool, cfg->pool_len};

	u->fixed_buf = cfg->pool && cfg->pool_len &&
		       io_uring_register_buffers(&u->ring, &iov, 1) >= 0;
}

/* liburing 2.3 declares, but does not export, its own calls for the two uses below. */
static int register_call(const struct mp_uring *u, unsigned int op, void *arg, unsigned int n)
{
	long r = syscall(SYS_io_uring_register, u->ring.ring_fd, op, arg, n);

	return r < 0 ? mp_err_origin(-errno) : 0;
}

static void restrict_ring(struct mp_uring *u)
{
	struct io_uring_restriction res[N_OPS + 3];
	unsigned int n = 0;

	if (!u->fixed_files)
		return;
	memset(res, 0, sizeof(res));
	for (; n < N_OPS; n++) {
		res[n].opcode = IORING_RESTRICTION_SQE_OP;
		res[n].sqe_op = allowed_ops[n];
	}
	res[n].opcode = IORING_RESTRICTION_SQE_FLAGS_ALLOWED;
	res[n++].sqe_flags = IOSQE_FIXED_FILE | IOSQE_IO_LINK | IOSQE_CQE_SKIP_SUCCESS;
	res[n].opcode = IORING_RESTRICTION_SQE_FLAGS_REQUIRED;
	res[n++].sqe_flags = IOSQE_FIXED_FILE;
	res[n].opcode = IORING_RESTRICTION_REGISTER_OP;
	res[n++].register_op = IORING_REGISTER_FILES_UPDATE;
	/* Refused by kernels before 5.10: hardening that is missing, not an error. */
	(void)register_call(u, IORING_REGISTER_RESTRICTIONS, res, n);
}

int mp_uring_set_file(struct mp_uring *u, int slot, int fd)
{
	int r = io_uring_register_files_update(&u->ring, (unsigned int)slot, &fd, 1);

	return r < 0 ? mp_err_origin(r) : 0;
}

int mp_uring_setup(struct mp_uring *u, const struct mp_blk_engine_cfg *cfg)
{
	int r = init_ring(u, cfg->entries ? cfg->entries : DEFAULT_ENTRIES);

	if (r < 0)
		return mp_err_trace(r);
	register_files(u);
	register_pool(u, cfg);
	restrict_ring(u);
	r = register_call(u, IORING_REGISTER_ENABLE_RINGS, NULL, 0);
	if (r < 0) {
		io_uring_queue_exit(&u->ring);
		return mp_err_trace(r);
	}
	return 0;
}

bool mp_blk_uring_works(void)
{
	struct io_uring ring;

	if (io_uring_queue_init(1, &ring, 0) < 0)
		return false;
	io_uring_queue_exit(&ring);
	return true;
}
