/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Sizes and offsets are computed once, when the file is made, and kept in its
 * header, so they are the same in every process that maps it. A device's part starts on a page of its own;
 * the pools come last and in one piece. All of it is zero when it is new, which
 * is what a chip at power-on and a free task are.
 */
#include "remote-worker/state.h"

#include "base/err.h"

#define PAGE_BYTES 4096ull

static uint64_t whole_pages(uint64_t bytes)
{
	return (bytes + PAGE_BYTES - 1) & ~(PAGE_BYTES - 1);
}

static const struct mp_state_header *header(const struct mp_state *s)
{
	return s->shm.addr;
}

int mp_state_create(unsigned int n_devices, uint64_t pool_bytes, struct mp_state *ret_state)
{
	struct mp_state_header h = {.magic = MP_STATE_MAGIC,
				    .version = MP_STATE_VERSION,
				    .n_devices = n_devices,
				    .pool_bytes = pool_bytes};
	struct mp_state s = MP_STATE_NULL;
	int r;

	h.lsi_bytes = whole_pages(mp_lsi_state_bytes());
	h.device_bytes = h.lsi_bytes + whole_pages(MP_SCSI_MAX_TASKS * sizeof(struct mp_scsi_task));
	h.pool_off = PAGE_BYTES + n_devices * h.device_bytes;
	r = mp_shm_create_private("mpring-state", h.pool_off + n_devices * pool_bytes, &s.shm);
	if (r < 0)
		return mp_err_trace(r);
	*(struct mp_state_header *)s.shm.addr = h;
	*ret_state = s;
	return 0;
}

void mp_state_fini(struct mp_state *s)
{
	mp_shm_fini(&s->shm);
}

void *mp_state_lsi(const struct mp_state *s, unsigned int device)
{
	return (uint8_t *)s->shm.addr + PAGE_BYTES + device * header(s)->device_bytes;
}

struct mp_scsi_task *mp_state_tasks(const struct mp_state *s, unsigned int device)
{
	return (void *)((uint8_t *)mp_state_lsi(s, device) + header(s)->lsi_bytes);
}

uint8_t *mp_state_pool(const struct mp_state *s, unsigned int device)
{
	return (uint8_t *)s->shm.addr + header(s)->pool_off + device * header(s)->pool_bytes;
}

void *mp_state_pools(const struct mp_state *s, size_t *ret_len)
{
	*ret_len = header(s)->n_devices * header(s)->pool_bytes;
	return mp_state_pool(s, 0);
}
