/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * msg - what travels in the slots between proxy and worker.
 *
 * Both directions use 16-byte slots, four to a cache line:
 *
 *	bytes 0..3	the ring's sequence number
 *	bytes 4..7	head: operation in bits 31:28, the rest by operation
 *	bytes 8..15	data
 *
 * Requests, proxy to worker (struct mp_wire_req after the check):
 *	head 27:26 log2 of the access size, 25:23 BAR, 22:0 byte offset in the BAR
 *	BAR_WRITE	posted, no reply	BAR_READ	reply carries the value
 *	BAR_WRITE_WAIT	reply when applied	CFG_WRITE	offset is in config space, reply
 *	RESET		PCI reset of the device, reply when no more DMA or interrupt can come
 *	PAUSE		the machine stands still: reply when no more DMA can come and no new block
 *			I/O begins; its value is how much of that is still in flight
 *	CONTINUE	it runs again; what failed and stopped it is tried again
 *			PAUSE and CONTINUE only if MP_FEAT_PAUSE
 * Replies, worker to proxy:
 *	DONE		head 27:0 low bits of the request's position (1, 2, ...); data the value
 *	DMA		head 27:0 length in bytes, data guest address: "I wrote there".
 *			Only if MP_FEAT_DMA_REPORT; ahead of whatever tells the guest of it.
 *
 * Values are little-endian numbers in host order; bits above the access size
 * are zero, and are cut off by the check, not trusted.
 */
#ifndef MP_WIRE_MSG_H
#define MP_WIRE_MSG_H

#include <assert.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "ring/layout.h"

#define MP_WIRE_VERSION    1u
#define MP_WIRE_SLOT_BYTES 16u
#define MP_WIRE_MAX_BARS   6u
#define MP_WIRE_BAR_MAX    (1u << 23)
#define MP_WIRE_CFG_BYTES  256u

enum mp_wire_op {
	MP_REQ_BAR_WRITE = 1,
	MP_REQ_BAR_READ = 2,
	MP_REQ_BAR_WRITE_WAIT = 3,
	MP_REQ_CFG_WRITE = 4,
	MP_REQ_RESET = 5,
	MP_REQ_PAUSE = 6,
	MP_REQ_CONTINUE = 7,
	MP_REP_DONE = 8,
	MP_REP_DMA = 9,
};

/* A slot as it lies in the ring. */
struct mp_wire_slot {
	uint32_t seq; /* the ring's */
	uint32_t head;
	uint64_t data;
};

static_assert(sizeof(struct mp_wire_slot) == MP_WIRE_SLOT_BYTES, "four slots a cache line");
static_assert(offsetof(struct mp_wire_slot, head) == 4, "layout");
static_assert(offsetof(struct mp_wire_slot, data) == 8, "layout");

/* A request that passed mp_wire_check_req(): every field is within its limits. */
struct mp_wire_req {
	enum mp_wire_op op;
	unsigned int bar;
	unsigned int size; /* 1, 2, 4 or 8 bytes */
	uint32_t off; /* off + size <= size of the BAR (or of config space) */
	uint64_t data; /* value, cut to size */
};

/* A reply that passed mp_wire_check_rep(). */
struct mp_wire_rep {
	enum mp_wire_op op;
	uint32_t arg; /* DONE: ticket; DMA: length, 1 .. 2^28 - 1 */
	uint64_t data;
};

/* What a check needs to know of a device: agreed in the session, private. */
struct mp_wire_limits {
	uint32_t bar_bytes[MP_WIRE_MAX_BARS]; /* 0: no such BAR */
};

/** mp_wire_put_req() - fill a reserved slot; @req is our own and within the limits */
void mp_wire_put_req(void *slot, const struct mp_wire_req *req);
/** mp_wire_put_rep() - the same for a reply; @arg: low 28 bits count */
void mp_wire_put_rep(void *slot, enum mp_wire_op op, uint32_t arg, uint64_t data);

/**
 * mp_wire_check_req() - the only way from a slot to a request
 * @slot:  in the peer's memory; each word is loaded once
 *
 * Return: 0; -EPROTO unknown operation, unknown BAR, size or offset outside it.
 * Source: tests/unit/wire/test-check.c, tests/fuzz/transport/fuzz_wire.c.
 */
int mp_wire_check_req(const void *slot, const struct mp_wire_limits *limits,
		      struct mp_wire_req *ret_req);
/** mp_wire_check_rep() - the only way from a slot to a reply; as mp_wire_check_req() */
int mp_wire_check_rep(const void *slot, struct mp_wire_rep *ret_rep);

/*
 * The worker's user page (page 1 of its memfd): what the proxy may know
 * without asking. Written by the polling core before R1 and before replies.
 *
 * | label | where                         | kind    | pairs with | orders                              |
 * |-------|-------------------------------|---------|------------|-------------------------------------|
 * | W1    | worker publishes shadow words | release | W2         | DMA and DMA reports before the status bit that tells of them |
 * | W2    | proxy reads a shadow word     | acquire | W1         | the status bit before the guest's look at memory |
 * | W3    | worker stores irq_level       | release | W4         | DMA, DMA reports, shadow before the level |
 * | W4    | proxy loads irq_level         | acquire | W3         | the level before what it announces  |
 *
 * Without them the guest is told of data that it can't see yet. Under TSan
 * tests/property/proxy/prop-link.c sees each of the four missing.
 */
#define MP_WIRE_SHADOW_BYTES 256u

/* io_stopped: that it is, and by what; other bits are ignored. */
#define MP_IO_STOPPED  (1u << 0)
#define MP_IO_READING  (1u << 1) /* else writing */
#define MP_IO_NO_SPACE (1u << 2)

struct mp_wire_worker_page {
	_Atomic uint32_t irq_level; /* 0 or 1 (W3) */
	_Atomic uint32_t io_stopped; /* not 0: an I/O error stopped the device, until CONTINUE */
	uint8_t gap0[120];
	_Atomic uint64_t shadow[MP_WIRE_SHADOW_BYTES / 8]; /* register bytes, little-endian (W1) */
	uint8_t gap1[128];
	uint8_t reserved[MP_RING_USER_BYTES - 512];
};

static_assert(offsetof(struct mp_wire_worker_page, irq_level) == 0, "layout");
static_assert(offsetof(struct mp_wire_worker_page, io_stopped) == 4, "layout");
static_assert(offsetof(struct mp_wire_worker_page, shadow) == 128, "layout");
static_assert(sizeof(struct mp_wire_worker_page) == MP_RING_USER_BYTES, "layout");

/* The proxy's user page. irq_edge_only: KVM's irqfd listens on the interrupt
 * eventfd, so only a rise of the level may ring it. */
struct mp_wire_proxy_page {
	_Atomic uint32_t irq_edge_only;
	uint8_t gap0[124];
	uint8_t reserved[MP_RING_USER_BYTES - 128];
};

static_assert(sizeof(struct mp_wire_proxy_page) == MP_RING_USER_BYTES, "layout");

#endif
