/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * mem - memory as the chip sees it: its own SCRIPTS RAM, which it recognises by
 * the bus address in BAR2 and serves itself, and the guest's memory behind
 * ops->dma(). Its own registers are not memory: only memory moves reach them
 * (insn_mem.c).
 *
 * Ordering. SCRIPTS share queues with the CPU in guest memory. What SCRIPTS
 * stored becomes visible in program order (S1: a dword store releases), and
 * what SCRIPTS load after they saw a doorbell includes what the CPU wrote
 * before ringing it (L1: a dword load acquires; the doorbell itself arrives
 * through the caller's transport, on this thread). A cleared SIGP can't hide a
 * queue entry: a doorbell applied after the clear sets SIGP again, and one
 * applied before it was acquired before this load.
 */
#include "lsi-core/state.h"

#include <string.h>

void *mp_lsi_mem(struct mp_lsi *c, uint64_t addr, uint32_t *len, bool write)
{
	struct mp_lsi_state *st = c->st;

	if (mp_lsi_in_ram(st, addr)) {
		uint32_t off = (uint32_t)(addr - st->bar[MP_LSI_BAR_RAM]);

		if (*len > MP_LSI_RAM_BYTES - off)
			*len = MP_LSI_RAM_BYTES - off;
		return st->ram + off;
	}
	/* A range that runs into own RAM stops in front of it. */
	if (mp_unlikely(addr < st->bar[MP_LSI_BAR_RAM] && st->bar[MP_LSI_BAR_RAM] - addr < *len))
		*len = (uint32_t)(st->bar[MP_LSI_BAR_RAM] - addr);
	return c->ops->dma(c->opaque, addr, len, write);
}

void mp_lsi_mem_written(struct mp_lsi *c, uint64_t addr, uint32_t len)
{
	if (!mp_lsi_in_ram(c->st, addr))
		c->ops->dma_written(c->opaque, addr, len);
}

static bool is_dword(const void *a, const void *b, uint32_t len)
{
	return len == 4 && ((uintptr_t)a | (uintptr_t)b) % 4 == 0;
}

void mp_lsi_mem_copy(void *dst, const void *src, uint32_t len)
{
	uint8_t *d = dst;
	const uint8_t *s = src;

	if (is_dword(dst, src, len)) {
		/* L1: acquire, S1: release, pair with the driver's accesses to its
		 * queues; whichever side is guest memory. */
		uint32_t v = atomic_load_explicit((const _Atomic uint32_t *)src,
						  memory_order_acquire);

		atomic_store_explicit((_Atomic uint32_t *)dst, v, memory_order_release);
	} else if ((uintptr_t)d - (uintptr_t)s < len) {
		/* Overlap: the ascending copy of the chip repeats the source. */
		for (uint32_t i = 0; i < len; i++)
			d[i] = s[i];
	} else {
		memmove(dst, src, len);
	}
}

bool mp_lsi_mem_get(struct mp_lsi *c, uint64_t addr, void *buf, uint32_t len)
{
	uint8_t *to = buf;

	while (len) {
		uint32_t n = len;
		const void *p = mp_lsi_mem(c, addr, &n, false);

		if (!p)
			return false;
		mp_lsi_mem_copy(to, p, n);
		addr += n;
		to += n;
		len -= n;
	}
	return true;
}

bool mp_lsi_mem_put(struct mp_lsi *c, uint64_t addr, const void *buf, uint32_t len)
{
	const uint8_t *from = buf;

	while (len) {
		uint32_t n = len;
		void *p = mp_lsi_mem(c, addr, &n, true);

		if (!p)
			return false;
		mp_lsi_mem_copy(p, from, n);
		mp_lsi_mem_written(c, addr, n);
		addr += n;
		from += n;
		len -= n;
	}
	return true;
}
