/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * mpqemu - the messages of multi-process QEMU's own socket protocol, as a stock
 * x-pci-proxy-dev sends and a stock -machine x-remote takes them.
 *
 *	command			direction	payload		fds	answer
 *	SYNC_SYSMEM		to worker	sysmem, 192	1..8	none
 *	RET			to proxy	value, 8; 0 after DEVICE_RESET
 *	PCI_CFGWRITE, _CFGREAD	to worker	cfg, 12			RET
 *	BAR_WRITE, BAR_READ	to worker	bar, 24		0	RET
 *	SET_IRQFD		to worker	0		2	none
 *	DEVICE_RESET		to worker	0			RET, size 0
 *
 * A message is a header of 16 bytes (command, a hole, size), then its payload;
 * fds ride with the first byte. Numbers are in host order. There is no handshake
 * and no version, so the hole, which stock QEMU sends as 0 and ignores, carries
 * the one thing that both sides of ours must know of each other: an offer of
 * rings in the proxy's first request, and the answer to it. Then the session
 * protocol of wire/session.h goes on, whose messages look the same from outside.
 *
 * This file frames and checks; it knows nothing of devices and never blocks,
 * but for mp_mpqemu_send(), as long as its caller allows.
 */
#ifndef MP_WIRE_MPQEMU_H
#define MP_WIRE_MPQEMU_H

#include <assert.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum mp_mpqemu_cmd {
	MP_MPQEMU_SYNC_SYSMEM = 0,
	MP_MPQEMU_RET = 1,
	MP_MPQEMU_PCI_CFGWRITE = 2,
	MP_MPQEMU_PCI_CFGREAD = 3,
	MP_MPQEMU_BAR_WRITE = 4,
	MP_MPQEMU_BAR_READ = 5,
	MP_MPQEMU_SET_IRQFD = 6,
	MP_MPQEMU_DEVICE_RESET = 7,
};

/* In the hole of PCI_CFGREAD(0, 2): "we could use rings"; of its RET: "so could we". */
#define MP_MPQEMU_OFFER        0x4d505131u
#define MP_MPQEMU_ANSWER       0x4d505141u

#define MP_MPQEMU_HEADER_BYTES 16u
#define MP_MPQEMU_MAX_BYTES    192u /* of payload */
#define MP_MPQEMU_MAX_FDS      8u
/* A stock worker dies of a message with more: who sends to one keeps to this. */
#define MP_MPQEMU_STOCK_FDS 7u

/* Entry i belongs to fd i; entries without an fd are 0. */
struct mp_mpqemu_sysmem {
	uint64_t gpa[MP_MPQEMU_MAX_FDS];
	uint64_t len[MP_MPQEMU_MAX_FDS];
	int64_t offset[MP_MPQEMU_MAX_FDS]; /* of the piece in its file */
};

struct mp_mpqemu_cfg {
	uint32_t addr;
	uint32_t val;
	int32_t len; /* bytes: 1, 2 or 4 */
};

struct mp_mpqemu_bar {
	uint64_t addr; /* absolute, not an offset in the BAR */
	uint64_t val;
	uint32_t size; /* bytes: 1, 2, 4 or 8 */
	uint8_t memory; /* 0: I/O ports */
	uint8_t pad[3];
};

static_assert(sizeof(struct mp_mpqemu_sysmem) == MP_MPQEMU_MAX_BYTES, "wire format");
static_assert(sizeof(struct mp_mpqemu_cfg) == 12, "wire format");
static_assert(sizeof(struct mp_mpqemu_bar) == 24, "wire format");
static_assert(offsetof(struct mp_mpqemu_bar, memory) == 20, "wire format");

/* One message. Whoever received it owns its fds. */
struct mp_mpqemu_msg {
	uint32_t cmd;
	uint32_t hole;
	uint32_t size; /* bytes of payload that count */
	union {
		struct mp_mpqemu_sysmem sysmem;
		struct mp_mpqemu_cfg cfg;
		struct mp_mpqemu_bar bar;
		uint64_t value;
		uint8_t bytes[MP_MPQEMU_MAX_BYTES];
	};
	int fd[MP_MPQEMU_MAX_FDS];
	unsigned int n_fds;
};

/* A message on its way in; all zeros is the start. Its fields are mpqemu.c's. */
struct mp_mpqemu_rx {
	uint8_t header[MP_MPQEMU_HEADER_BYTES];
	unsigned int n_header, n_payload; /* bytes that have come */
	struct mp_mpqemu_msg msg;
};

/**
 * mp_mpqemu_recv() - go on with the next message, as far as it has come
 * @ret_msg:  bytes behind its size are 0
 *
 * Reads header and payload apart, and never a byte of the message after it: the
 * fds of that one would come with it.
 *
 * Return: 1 a whole message, its fds are the caller's; 0 not yet; -ECONNRESET
 * the peer closed between two messages; -EPROTO the stream can't be trusted any
 * more: too large, more fds than MP_MPQEMU_MAX_FDS, or it ends inside a message;
 * others from recvmsg(). After a failure @rx holds no fd.
 * Context: one thread; never blocks.
 */
int mp_mpqemu_recv(int sock, struct mp_mpqemu_rx *rx, struct mp_mpqemu_msg *ret_msg);

/** mp_mpqemu_rx_begun() - has a message begun that isn't whole? */
bool mp_mpqemu_rx_begun(const struct mp_mpqemu_rx *rx);
/** mp_mpqemu_rx_fini() - close the fds of a message that isn't whole; all zeros again */
void mp_mpqemu_rx_fini(struct mp_mpqemu_rx *rx);

/** mp_mpqemu_close_fds() - of a message, all that are left; -1 in their places */
void mp_mpqemu_close_fds(struct mp_mpqemu_msg *msg);

/**
 * mp_mpqemu_check() - is a received message one that its command allows?
 *
 * Size, number of fds, lengths of accesses. Which addresses exist is not asked.
 * RET may be shorter than 8 bytes: what is missing is 0.
 *
 * Return: 0; -EINVAL well-framed, but not valid; -EPROTO there is no such command.
 */
int mp_mpqemu_check(const struct mp_mpqemu_msg *msg);

/**
 * mp_mpqemu_send() - a whole message with one sendmsg(), fds with its first byte
 * @msg:          @size bytes of payload; its fds stay the caller's
 * @deadline_ns:  on mp_clock_ns(); 0 doesn't wait
 *
 * A message is smaller than any unix socket's buffer, so it goes out whole or
 * not at all. Return: 0; -ETIMEDOUT the buffer was full until the deadline;
 * -EPIPE and others from sendmsg().
 */
int mp_mpqemu_send(int sock, const struct mp_mpqemu_msg *msg, uint64_t deadline_ns);

#endif
