/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * layout - the shared bytes of a ring pair.
 *
 * Two sides, two memfds, one direction of slots each. A side's memfd is
 * written by that side only and mapped read-only by the other:
 *
 *	page 0	struct mp_ring_page: header, and one 128-byte group for each
 *		word that the side publishes as consumer of the other's slots
 *	page 1	MP_RING_USER_BYTES for the layer above (status, shadow); the
 *		ring never looks at it
 *	page 2	the slots that this side produces
 *
 * A slot's first word is its sequence number: slot (s - 1) % n_slots carries
 * s = 1, 2, 3, ... as a free-running uint32_t. The producer fills the payload
 * and stores the word with release (R3); the consumer polls the word with
 * acquire (R4). So a message crosses in one cache line, and nothing that
 * steers memory access (size, mask, positions) is shared at all. What the
 * consumer publishes, its head, is only credit.
 *
 * Ordering labels of this protocol (the two ends name each other):
 *
 * | label | where                        | kind    | pairs with | orders                               |
 * |-------|------------------------------|---------|------------|--------------------------------------|
 * | R1    | mp_ring_release(), head      | release | R2         | our reads of the slot before its reuse; what we applied and published before "applied" |
 * | R2    | mp_ring_refresh_head(), head | acquire | R1         | the peer is done with the slot before we overwrite it |
 * | R3    | mp_ring_commit(), slot word  | release | R4         | the payload before its sequence number |
 * | R4    | mp_ring_peek(), slot word    | acquire | R3         | the sequence number before the payload |
 *
 * Without R1/R2 a producer overwrites a slot under its reader; without R3/R4 a
 * reader takes an old payload for a new one. tests/model/ring.pml has a mutant
 * for each.
 */
#ifndef MP_RING_LAYOUT_H
#define MP_RING_LAYOUT_H

#include <assert.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>

#define MP_RING_MAGIC       0x31474e4952504d00ull /* "\0MPRING1" */
#define MP_RING_VERSION     1u
#define MP_RING_PAGE_BYTES  4096u
#define MP_RING_USER_BYTES  4096u
#define MP_RING_USER_OFFSET MP_RING_PAGE_BYTES
#define MP_RING_SLOT_OFFSET (MP_RING_PAGE_BYTES + MP_RING_USER_BYTES)

/* Limits of what an attach accepts; both numbers are powers of two. */
#define MP_RING_MIN_SLOTS      8u
#define MP_RING_MAX_SLOTS      65536u
#define MP_RING_MIN_SLOT_BYTES 8u
#define MP_RING_MAX_SLOT_BYTES 256u

/* Written by the side that owns the memfd, all of it. */
struct mp_ring_page {
	/* Once, before the fd is passed on; checked at attach, never read again. */
	uint64_t magic;
	uint32_t version;
	uint32_t slot_bytes;
	uint32_t n_slots;
	uint32_t user_bytes;
	uint8_t gap0[104];
	/* As consumer of the peer's slots: how many it has applied (R1). */
	_Atomic uint32_t head;
	uint8_t gap1[124];
	/* As sleeper: the doorbell's armed word, see doorbell/bell.h (B1, B2). */
	_Atomic uint32_t armed;
	uint8_t gap2[124];
	uint8_t reserved[3712];
};

static_assert(offsetof(struct mp_ring_page, magic) == 0, "layout");
static_assert(offsetof(struct mp_ring_page, version) == 8, "layout");
static_assert(offsetof(struct mp_ring_page, slot_bytes) == 12, "layout");
static_assert(offsetof(struct mp_ring_page, n_slots) == 16, "layout");
static_assert(offsetof(struct mp_ring_page, user_bytes) == 20, "layout");
static_assert(offsetof(struct mp_ring_page, head) == 128, "layout");
static_assert(offsetof(struct mp_ring_page, armed) == 256, "layout");
static_assert(sizeof(struct mp_ring_page) == MP_RING_PAGE_BYTES, "layout");

/** mp_ring_memfd_len() - bytes of a side's memfd; a multiple of 4096 */
size_t mp_ring_memfd_len(uint32_t n_slots, uint32_t slot_bytes);

/**
 * mp_ring_page_format() - write the header of a fresh, zeroed memfd of our own
 *
 * Return: 0; -EINVAL when a number is out of its limits or no power of two.
 */
int mp_ring_page_format(void *addr, uint32_t n_slots, uint32_t slot_bytes);

/**
 * mp_ring_page_check() - does a peer's memfd hold what was agreed on the socket?
 * @addr:  the peer's memfd, mapped read-only, mp_ring_memfd_len() bytes, seals checked
 *
 * The numbers come from the session, not from the page: the page only has to
 * agree. Return: 0; -EPROTO.
 */
int mp_ring_page_check(const void *addr, uint32_t n_slots, uint32_t slot_bytes);

#endif
