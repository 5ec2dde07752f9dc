/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * fake_peer - a worker with a tiny device, for tests of the proxy.
 *
 * It keeps every rule of wire/ and publishes in the right order, on one
 * thread, one step at a time, so that a test can put something between any
 * two steps. Tests of a hostile worker use its session directly.
 *
 * The device: I/O BAR 0 and memory BAR 1 show the same 256 bytes, little
 * endian, plain memory but for these; BAR 2 is 4 KiB of memory of which only
 * the last write is kept.
 */
#ifndef MP_TESTS_LIB_FAKE_PEER_H
#define MP_TESTS_LIB_FAKE_PEER_H

#include "wire/session.h"

enum fake_reg {
	FAKE_SCRATCH = 0x00, /* 32 bytes in the shadow, 32 that are not */
	FAKE_UNSHADOWED = 0x20,
	FAKE_IRQ = 0x40, /* write: interrupt level */
	FAKE_N_WRITES = 0x44, /* BAR writes applied so far */
	FAKE_DMA_ADDR = 0x48,
	FAKE_DMA_GO = 0x4c, /* write v: store 64 bytes of v at DMA_ADDR, report it, raise IRQ */
	FAKE_DMA_OK = 0x50, /* 1: that address was in the RAM table */
	FAKE_EXIT = 0x54, /* write: close the session */
	FAKE_N_RESETS = 0x58,
	FAKE_LIE = 0x5c, /* write v: report v bytes at DMA_ADDR, wherever that is, written or not */
	FAKE_STOP = 0x60, /* write: stop the machine, as an I/O error does */
	FAKE_IN_FLIGHT = 0x64, /* write v: v answers to PAUSE say that I/O is in flight */
	FAKE_PAUSED = 0x68, /* between PAUSE and CONTINUE */
	FAKE_CFG = 0x80, /* 64 bytes: config space as CFG_WRITE told it */
	FAKE_N_REGIONS = 0xc0,
	FAKE_REGION = 0xc4, /* write: which region the next registers show */
	FAKE_REGION_GPA = 0xc8, /* in 4 KiB pages */
	FAKE_REGION_LEN = 0xcc, /* in 4 KiB pages */
	FAKE_REGION_FLAGS = 0xd0,
};

#define FAKE_SHADOW_BYTES 32u

struct fake_peer {
	struct mp_session s;
	struct mp_wire_limits limits;
	uint8_t regs[256];
	bool closing, paused;
	uint32_t n_in_flight;
	int irq_level;
	struct mp_session_region region[MP_SESSION_MAX_REGIONS];
	uint32_t n_regions;
	int fds[MP_SESSION_MAX_RAM_FDS];
	uint32_t n_fds;
};

/** fake_device() - what it says it is */
struct mp_session_device fake_device(void);

/** fake_peer_accept_take() - meet the proxy; @n_slots of the reply ring */
int fake_peer_accept_take(struct fake_peer *p, int sock, uint32_t n_slots, uint32_t features);
void fake_peer_fini(struct fake_peer *p);

/** fake_peer_turn() - apply what is in the ring, publish, answer; returns how many requests */
unsigned int fake_peer_turn(struct fake_peer *p);

/** fake_peer_serve_ram() - one message on the socket; 1 done, 0 the proxy closed, negative errno */
int fake_peer_serve_ram(struct fake_peer *p);

/** fake_peer_run() - serve until the proxy closes or writes FAKE_EXIT */
void fake_peer_run(struct fake_peer *p);

/* Single steps of publishing. */
bool fake_peer_report(struct fake_peer *p, uint64_t gpa, uint32_t len);
void fake_peer_publish_shadow(struct fake_peer *p);
void fake_peer_publish_irq(struct fake_peer *p, int level);
void fake_peer_stop(struct fake_peer *p, bool stopped);
bool fake_peer_answer(struct fake_peer *p, uint32_t ticket, uint64_t value);

#endif
