/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * session - how proxy and worker meet on a socket, and what they say there later.
 *
 *	proxy				worker
 *	HELLO  version, features,
 *	       its memfd, 2 eventfds -->
 *				<--	WELCOME  version, features, the device,
 *					its memfd, its eventfd
 *	each checks seals, length, header of the other's memfd, or closes
 *	READY  [1 eventfd]	-->
 *				<--	ACK
 *	RAM table, memfds	-->	(again at every change of guest memory)
 *				<--	ACK, when no DMA into the old table can come
 *
 * Messages have the 16-byte header of multi-process QEMU's socket protocol
 * (command, a hole of 4 bytes, size), so that a socket may begin with either;
 * commands above 0x4d500000 are ours. A message whose size is not exactly the
 * right one, or that has more or fewer fds, ends the session. All waits are
 * bounded. A worker that doesn't speak HELLO's version says so with an ACK of
 * -EPROTONOSUPPORT in WELCOME's place, and closes; so the first word of HELLO
 * and WELCOME is their version, in every version. tests/model/session.pml has
 * the states and their mutants.
 *
 * A feature that WELCOME grants may add to what follows: with MP_FEAT_IO_STOP
 * READY carries the eventfd by which the worker asks to stop the machine.
 *
 * Seals and sizes are checked before the first use of the peer's memory; the
 * eventfds are checked to be eventfds.
 */
#ifndef MP_WIRE_SESSION_H
#define MP_WIRE_SESSION_H

#include <stdbool.h>
#include <stdint.h>

#include "base/fdpass.h"
#include "base/shm.h"
#include "doorbell/bell.h"
#include "ring/ring.h"
#include "wire/mpqemu.h"
#include "wire/msg.h"

enum mp_session_cmd {
	MP_CMD_HELLO = 0x4d500001,
	MP_CMD_WELCOME = 0x4d500002,
	MP_CMD_READY = 0x4d500003,
	MP_CMD_ACK = 0x4d500004, /* payload: int32 status (0 or negative errno), uint32 zero */
	MP_CMD_RAM = 0x4d500005,
};

struct mp_session_header {
	uint32_t cmd;
	uint32_t hole; /* 0 */
	uint64_t size; /* of the payload */
};

#define MP_FEAT_DMA_REPORT (1u << 0) /* proxy wants MP_REP_DMA messages */
#define MP_FEAT_PAUSE      (1u << 1) /* proxy sends PAUSE and CONTINUE */
#define MP_FEAT_IO_STOP    (1u << 2) /* worker may stop the machine; not without PAUSE */

/* What the device is; the worker tells, the proxy puts it into config space. */
struct mp_session_device {
	uint16_t vendor_id, device_id, subsystem_vendor_id, subsystem_id;
	uint32_t class_revision; /* class code in 31:8, revision in 7:0 */
	uint8_t interrupt_pin; /* 0 none, 1 INTA */
	uint8_t min_gnt, max_lat, reserved;
	struct {
		uint32_t bytes; /* 0 none; power of two, 16 .. MP_WIRE_BAR_MAX */
		uint32_t flags; /* MP_BAR_* */
	} bar[MP_WIRE_MAX_BARS];
	uint8_t shadow_bar_mask; /* BARs whose first 256-byte window the shadow mirrors */
	uint8_t reserved2[7];
	uint32_t shadow_window; /* bytes; offset modulo it indexes the shadow; 256 */
	uint32_t reserved3;
	uint64_t shadowable[4]; /* bit n: byte n may be read from the shadow */
	char name[32]; /* of the device model, NUL-terminated: "lsi53c895a" */
};

#define MP_BAR_IO  (1u << 0)
#define MP_BAR_MEM (1u << 1)

struct mp_session_hello {
	uint32_t version;
	uint32_t features;
	uint32_t n_slots, slot_bytes; /* of the ring that the proxy produces: requests */
};

struct mp_session_welcome {
	uint32_t version;
	uint32_t features; /* those of HELLO that are granted */
	uint32_t n_slots, slot_bytes; /* of the ring that the worker produces: replies */
	struct mp_session_device device;
};

/* One piece of guest memory. The table is replaced as a whole. */
struct mp_session_region {
	uint64_t gpa; /* guest (bus) address */
	uint64_t len; /* bytes, not 0 */
	uint64_t fd_offset; /* of its first byte in the file */
	uint32_t fd_index; /* in this message's fds */
	uint32_t flags; /* MP_RAM_* */
};

#define MP_RAM_READONLY        (1u << 0)

#define MP_SESSION_MAX_REGIONS 1024u
#define MP_SESSION_MAX_RAM_FDS 64u

struct mp_session_ram {
	uint32_t n_regions;
	uint32_t reserved;
	struct mp_session_region region[]; /* n_regions */
};

/*
 * One side of an established session: both rings, both bells, all mapped.
 * peer_page / own_page are the user pages (mp_wire_worker_page, mp_wire_proxy_page).
 */
struct mp_session {
	int sock; /* owned */
	uint32_t features; /* agreed */
	struct mp_session_device device;
	struct mp_shm own, peer;
	void *own_page;
	const void *peer_page;
	struct mp_ring_prod prod; /* proxy: requests; worker: replies */
	struct mp_ring_cons cons;
	struct mp_bell_ringer ring_peer; /* wakes the peer's poll loop or waiting vCPU */
	struct mp_bell_sleeper sleep_own;
	int own_bell_fd; /* we wait on it. Worker: may be shared by its devices, then not owned */
	bool own_bell_shared;
	int peer_bell_fd;
	int irq_fd; /* proxy: created, listened to; worker: written on level changes */
	int stop_fd; /* the same, when io_stopped becomes 1; -1 without MP_FEAT_IO_STOP */
};

#define MP_SESSION_NULL                                                                            \
	((struct mp_session){.sock = -1,                                                           \
			     .own = MP_SHM_NULL,                                                   \
			     .peer = MP_SHM_NULL,                                                  \
			     .own_bell_fd = -1,                                                    \
			     .peer_bell_fd = -1,                                                   \
			     .irq_fd = -1,                                                         \
			     .stop_fd = -1})

struct mp_session_cfg {
	uint32_t features; /* proxy: wanted; worker: granted at most */
	uint32_t n_slots; /* of the ring that this side produces; power of two */
	uint64_t timeout_ns; /* of each step of the handshake */
	int bell_fd; /* worker: eventfd to share among devices, borrowed; -1: make one */
	/* First content of our user page, MP_RING_USER_BYTES, there before the peer
	 * can look; NULL: zeros. */
	const void *user_page;
	/* Worker: HELLO, if it has been read already, whose fds are taken over then; NULL: it
	 * is still to come. */
	struct mp_mpqemu_msg *hello;
};

#define MP_SESSION_DEFAULT_REQ_SLOTS  1024u
#define MP_SESSION_DEFAULT_REP_SLOTS  4096u
#define MP_SESSION_DEFAULT_TIMEOUT_NS (5ull * 1000000000ull)

/**
 * mp_session_connect_take() - the proxy's side: HELLO, WELCOME, READY, ACK
 * @sock:        connected stream socket; owned by the callee, also on failure
 * @ret_error:   static text that says which step failed and what to do, on failure
 *
 * Return: 0; -EPROTO peer said something wrong; -EPROTONOSUPPORT other version;
 * -ETIMEDOUT; -ECONNRESET; others.
 */
int mp_session_connect_take(int sock, const struct mp_session_cfg *cfg,
			    struct mp_session *ret_session, const char **ret_error);

/** mp_session_accept_take() - the worker's side; @device is what it offers */
int mp_session_accept_take(int sock, const struct mp_session_cfg *cfg,
			   const struct mp_session_device *device, struct mp_session *ret_session,
			   const char **ret_error);

/** mp_session_fini() - unmap, close all it owns; takes MP_SESSION_NULL and half-made ones */
void mp_session_fini(struct mp_session *s);

/** mp_session_steal() - move a session; the rings' handles move with it */
struct mp_session mp_session_steal(struct mp_session *s);

/**
 * mp_session_send_ram() - proxy: replace the worker's table of guest memory, wait for its ACK
 * @fds:  borrowed, distinct files; region[].fd_index points into them
 *
 * Return: 0; the worker's negative errno; -ETIMEDOUT; -E2BIG over a limit.
 */
int mp_session_send_ram(int sock, const struct mp_session_region *region, uint32_t n_regions,
			const struct mp_fds *fds, uint64_t timeout_ns);

/**
 * mp_session_recv_ram() - worker: the next message on the socket, checked
 * @region:     array of MP_SESSION_MAX_REGIONS
 * @fds:        with room for MP_SESSION_MAX_RAM_FDS; the caller owns what has come
 *
 * Checks: sizes, counts, fd_index, no overflow of gpa + len or fd_offset + len,
 * no overlap of regions, sorted by gpa on return. Whether a file is long enough
 * is checked by whoever maps it. Return: 1 a table; 0 peer closed; -EPROTO; -ETIMEDOUT.
 */
int mp_session_recv_ram(int sock, struct mp_session_region *region, uint32_t *ret_n_regions,
			struct mp_fds *fds, uint64_t timeout_ns);

/** mp_session_check_ram() - those checks of regions, and sorts them; Return: 0; -EPROTO */
int mp_session_check_ram(struct mp_session_region *region, uint32_t n, size_t n_fds);

/** mp_session_send_ack() - worker: answer a table; @status 0 or negative errno */
int mp_session_send_ack(int sock, int status, uint64_t timeout_ns);

#endif
