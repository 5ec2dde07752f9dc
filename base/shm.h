/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * shm - sealed memfds: the only memory that crosses a process border.
 *
 * The side that writes makes the memfd, maps it, seals it and passes the fd;
 * the other side checks the seals and maps it read-only. After that the
 * kernel guarantees that neither can change the size (no SIGBUS) and that
 * nobody but the creator can ever write (F_SEAL_FUTURE_WRITE).
 */
#ifndef MP_BASE_SHM_H
#define MP_BASE_SHM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct mp_shm {
	int fd;
	void *addr;
	size_t len; /* bytes, a multiple of the page size */
};

#define MP_SHM_NULL ((struct mp_shm){.fd = -1, .addr = NULL, .len = 0})

/**
 * mp_shm_create() - make, map and seal zeroed shared memory
 * @name:     shows in /proc/PID/maps; no meaning
 * @len:      bytes; rounded up to whole pages
 * @ret_shm:  mapped read-write; the caller owns it, mp_shm_fini() releases
 *
 * Return: 0 or negative errno (EMFILE, ENOMEM, EINVAL for a zero length).
 */
int mp_shm_create(const char *name, size_t len, struct mp_shm *ret_shm);

/**
 * mp_shm_create_private() - the same without F_SEAL_FUTURE_WRITE
 *
 * For memory that a later process of the same trust maps writable again: the
 * device state that outlives a worker, the statistics page of a child.
 */
int mp_shm_create_private(const char *name, size_t len, struct mp_shm *ret_shm);

/**
 * mp_shm_attach_take() - map what a peer made, read-only
 * @fd:       the peer's memfd; owned by the callee from here, also on failure
 * @len:      bytes that must be there; a multiple of the page size
 *
 * Return: 0; -EPROTO not a memfd with all seals (SHRINK, GROW, FUTURE_WRITE or
 * WRITE, SEAL) or not exactly @len bytes; other negative errno.
 */
int mp_shm_attach_take(int fd, size_t len, struct mp_shm *ret_shm);

/**
 * mp_shm_adopt_take() - map a memfd of our own kind read-write (see create_private)
 *
 * Return: 0; -EPROTO when shrinking isn't sealed off or the length differs.
 */
int mp_shm_adopt_take(int fd, size_t len, struct mp_shm *ret_shm);

/** mp_shm_fini() - unmap and close; takes MP_SHM_NULL and half-made objects */
void mp_shm_fini(struct mp_shm *shm);

/** mp_shm_steal() - take the object out of *shm, leaving MP_SHM_NULL */
struct mp_shm mp_shm_steal(struct mp_shm *shm);

#endif
