/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The header of a side's memfd: written once before the fd is passed on, and
 * compared once by the peer. It is a guard against two programs that disagree
 * (another slot size, another version, the wrong file), not a source of
 * numbers: those come from the session, are checked there, and stay private.
 * So a header that changes after the check changes nothing.
 */
#include "ring/layout.h"

#include <errno.h>
#include <stdbool.h>

#include "base/err.h"

static bool is_power_of_two_within(uint32_t n, uint32_t min, uint32_t max)
{
	return n >= min && n <= max && (n & (n - 1)) == 0;
}

static bool sizes_ok(uint32_t n_slots, uint32_t slot_bytes)
{
	return is_power_of_two_within(n_slots, MP_RING_MIN_SLOTS, MP_RING_MAX_SLOTS) &&
	       is_power_of_two_within(slot_bytes, MP_RING_MIN_SLOT_BYTES, MP_RING_MAX_SLOT_BYTES);
}

size_t mp_ring_memfd_len(uint32_t n_slots, uint32_t slot_bytes)
{
	size_t slots_len = (size_t)n_slots * slot_bytes;

	slots_len = (slots_len + MP_RING_PAGE_BYTES - 1) & ~(size_t)(MP_RING_PAGE_BYTES - 1);
	return MP_RING_SLOT_OFFSET + slots_len;
}

int mp_ring_page_format(void *addr, uint32_t n_slots, uint32_t slot_bytes)
{
	struct mp_ring_page *page = addr;

	if (!sizes_ok(n_slots, slot_bytes))
		return mp_err_origin(-EINVAL);
	page->magic = MP_RING_MAGIC;
	page->version = MP_RING_VERSION;
	page->slot_bytes = slot_bytes;
	page->n_slots = n_slots;
	page->user_bytes = MP_RING_USER_BYTES;
	return 0;
}

int mp_ring_page_check(const void *addr, uint32_t n_slots, uint32_t slot_bytes)
{
	const struct mp_ring_page *raw_page = addr;

	/* Each word is read once, and only compared. */
	if (!sizes_ok(n_slots, slot_bytes) || raw_page->magic != MP_RING_MAGIC ||
	    raw_page->version != MP_RING_VERSION || raw_page->slot_bytes != slot_bytes ||
	    raw_page->n_slots != n_slots || raw_page->user_bytes != MP_RING_USER_BYTES)
		return mp_err_origin(-EPROTO);
	return 0;
}
