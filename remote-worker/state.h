/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * state - the memfd with everything that a guest could observe of the devices.
 *
 * Plain data without pointers, so that a later process may take it over:
 *
 *	page 0		struct mp_state_header
 *	per device	chip, SCSI tasks; whole pages
 *	at the end	the buffer pools of all devices, in one piece, because a block
 *			engine registers one piece of memory
 */
#ifndef MP_REMOTE_WORKER_STATE_H
#define MP_REMOTE_WORKER_STATE_H

#include <assert.h>
#include <stddef.h>
#include <stdint.h>

#include "base/shm.h"
#include "lsi-core/lsi.h"
#include "scsi-target/scsi.h"

#define MP_STATE_MAGIC   0x3154415453504d00ull
#define MP_STATE_VERSION 1u

/* Written once by the process that makes it. */
struct mp_state_header {
	uint64_t magic;
	uint32_t version;
	uint32_t n_devices;
	uint64_t lsi_bytes; /* of one chip, whole pages */
	uint64_t device_bytes; /* from one device to the next */
	uint64_t pool_off; /* of the first pool */
	uint64_t pool_bytes; /* of one pool */
};

static_assert(offsetof(struct mp_state_header, lsi_bytes) == 16, "layout");
static_assert(sizeof(struct mp_state_header) == 48, "layout");
static_assert(MP_LSI_MAX_TASKS == MP_SCSI_MAX_TASKS, "one number for chip and bus");

struct mp_state {
	struct mp_shm shm;
};

#define MP_STATE_NULL ((struct mp_state){.shm = MP_SHM_NULL})

/** mp_state_create() - @pool_bytes a multiple of 4096, for each device */
int mp_state_create(unsigned int n_devices, uint64_t pool_bytes, struct mp_state *ret_state);
/** mp_state_fini() - takes MP_STATE_NULL too */
void mp_state_fini(struct mp_state *s);

/* A device's chip, its tasks (MP_SCSI_MAX_TASKS) and its pool; they live as long as @s. */
void *mp_state_lsi(const struct mp_state *s, unsigned int device);
struct mp_scsi_task *mp_state_tasks(const struct mp_state *s, unsigned int device);
uint8_t *mp_state_pool(const struct mp_state *s, unsigned int device);

/** mp_state_pools() - all pools as one piece; *ret_len its length */
void *mp_state_pools(const struct mp_state *s, size_t *ret_len);

#endif
