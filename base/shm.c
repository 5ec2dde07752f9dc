/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A mapping goes through three states: made (fd, length), mapped, sealed. It is
 * sealed last, because F_SEAL_FUTURE_WRITE would forbid our own writable mapping
 * as well. Who attaches looks at the seals first and at the length after: only
 * then can the length no longer change under us, and no later load can end in
 * SIGBUS.
 *
 * F_SEAL_WRITE is accepted in place of F_SEAL_FUTURE_WRITE: it says more. A
 * private one has neither, because a later process of the same trust is to map
 * it writable.
 */
#include "base/shm.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/err.h"

#define SEALS_SIZE  (F_SEAL_SHRINK | F_SEAL_GROW)
#define SEALS_FINAL (SEALS_SIZE | F_SEAL_SEAL)

static int create(const char *name, size_t len, int seals, struct mp_shm *ret_shm)
{
	MP_CLEANUP(mp_shm_fini) struct mp_shm shm = MP_SHM_NULL;
	size_t page = (size_t)sysconf(_SC_PAGESIZE);
	void *addr;

	if (len == 0 || len > SIZE_MAX - page)
		return mp_err_origin(-EINVAL);
	shm.len = (len + page - 1) / page * page;
	shm.fd = memfd_create(name, MFD_CLOEXEC | MFD_ALLOW_SEALING);
	if (shm.fd < 0)
		return mp_err_origin(-errno);
	if (ftruncate(shm.fd, (off_t)shm.len) < 0)
		return mp_err_origin(-errno);
	addr = mmap(NULL, shm.len, PROT_READ | PROT_WRITE, MAP_SHARED, shm.fd, 0);
	if (addr == MAP_FAILED)
		return mp_err_origin(-errno);
	shm.addr = addr;
	/* Sealed after our own mapping: now the peer can neither shrink the file,
	 * which would turn our next load into SIGBUS, nor map it writable. */
	if (fcntl(shm.fd, F_ADD_SEALS, seals) < 0)
		return mp_err_origin(-errno);

	*ret_shm = mp_shm_steal(&shm);
	return 0;
}

int mp_shm_create(const char *name, size_t len, struct mp_shm *ret_shm)
{
	return mp_err_trace(create(name, len, SEALS_FINAL | F_SEAL_FUTURE_WRITE, ret_shm));
}

int mp_shm_create_private(const char *name, size_t len, struct mp_shm *ret_shm)
{
	return mp_err_trace(create(name, len, SEALS_FINAL, ret_shm));
}

/* The length is checked after the seals: only then can it no longer change. */
static int check_sealed(int fd, size_t len, bool need_write_seal)
{
	int raw_seals = fcntl(fd, F_GET_SEALS);
	struct stat st;

	if (raw_seals < 0 || (raw_seals & SEALS_FINAL) != SEALS_FINAL)
		return mp_err_origin(-EPROTO);
	if (need_write_seal && !(raw_seals & (F_SEAL_FUTURE_WRITE | F_SEAL_WRITE)))
		return mp_err_origin(-EPROTO);
	if (fstat(fd, &st) < 0)
		return mp_err_origin(-errno);
	if (st.st_size < 0 || (size_t)st.st_size != len)
		return mp_err_origin(-EPROTO);
	return 0;
}

static int map_taken(int fd, size_t len, bool readonly, struct mp_shm *ret_shm)
{
	MP_CLEANUP(mp_shm_fini) struct mp_shm shm = MP_SHM_NULL;
	void *addr;
	int r;

	shm.fd = fd;
	shm.len = len;
	r = check_sealed(fd, len, readonly);
	if (r < 0)
		return mp_err_trace(r);
	addr = mmap(NULL, len, readonly ? PROT_READ : PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	if (addr == MAP_FAILED)
		return mp_err_origin(-errno);
	shm.addr = addr;

	*ret_shm = mp_shm_steal(&shm);
	return 0;
}

int mp_shm_attach_take(int fd, size_t len, struct mp_shm *ret_shm)
{
	return mp_err_trace(map_taken(fd, len, true, ret_shm));
}

int mp_shm_adopt_take(int fd, size_t len, struct mp_shm *ret_shm)
{
	return mp_err_trace(map_taken(fd, len, false, ret_shm));
}

void mp_shm_fini(struct mp_shm *shm)
{
	if (shm->addr)
		munmap(shm->addr, shm->len);
	mp_fd_close(&shm->fd);
	*shm = MP_SHM_NULL;
}

struct mp_shm mp_shm_steal(struct mp_shm *shm)
{
	struct mp_shm taken = *shm;

	*shm = MP_SHM_NULL;
	return taken;
}
