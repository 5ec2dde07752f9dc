/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * link - the QEMU-free half of the proxy: one remote device, as a register
 * file that can be read and written.
 *
 * Memory-BAR writes are posted: they return when they are in the ring. Reads
 * of registers without side effects are answered from the shadow page when
 * everything posted has been applied; other reads wait for their reply. Waits
 * are bounded: a worker that is dead or doesn't answer in time makes the
 * device dead (all-ones reads, ignored writes) until mp_link_reset() finds it
 * answering again; a closed socket makes it dead for good.
 *
 * A link goes by one of two ways, and few callers need to know by which: rings
 * in shared memory, to a worker of ours, or the stock socket protocol, to a
 * -machine x-remote. The latter has no shadow, no reports of DMA, no pause and
 * no stop for I/O errors, and needs to be told what is in config space before
 * its BARs answer.
 *
 * Every call belongs to one thread at a time (the owner's lock: the BQL in
 * QEMU). A wait that must block calls blocking_begin() first and
 * blocking_end() after; the owner may drop its lock between them, but then must
 * keep others out of this link.
 */
#ifndef MP_PROXY_LINK_H
#define MP_PROXY_LINK_H

#include <stdbool.h>
#include <stdint.h>

#include "stats/stats.h"
#include "wire/session.h"

struct mp_link_ops {
	/* The device wrote guest memory: called before anything that tells the guest of it. */
	void (*dma_written)(void *opaque, uint64_t gpa, uint32_t len);
	/* INTx level changed. */
	void (*irq)(void *opaque, int level);
	/* Around a wait that blocks; may be NULL. */
	void (*blocking_begin)(void *opaque);
	void (*blocking_end)(void *opaque);
	/* Once for each change: @why is a static sentence; @dead false: answering again. */
	void (*state)(void *opaque, bool dead, const char *why);
	/* An I/O error has stopped the device: stop the machine; mp_link_continue() ends it.
	 * May come again for the same stop. Needed with MP_FEAT_IO_STOP only. */
	void (*io_stopped)(void *opaque, bool reading, bool no_space);
};

enum mp_link_transport {
	MP_LINK_RING, /* only rings: a stock worker is refused */
	MP_LINK_SOCKET, /* only the stock protocol: rings aren't offered */
	MP_LINK_AUTO, /* rings are offered; the stock protocol if nobody takes them */
};

struct mp_link_cfg {
	const struct mp_link_ops *ops;
	void *opaque;
	enum mp_link_transport transport;
	uint32_t features; /* of rings */
	uint64_t connect_timeout_ns; /* each step of the handshake */
	uint64_t reply_timeout_ns; /* bound of one wait */
	uint64_t spin_ns; /* of a wait, before it blocks */
	struct mp_stat_page *stats; /* may be NULL; outlives the link */
};

#define MP_LINK_DEFAULT_REPLY_TIMEOUT_NS (5ull * 1000000000ull)
#define MP_LINK_DEFAULT_SPIN_NS          50000ull

struct mp_link_socket;

struct mp_link {
	struct mp_session s; /* by socket: sock, irq_fd and device only */
	struct mp_link_socket *socket; /* NULL: by rings */
	struct mp_link_cfg cfg;
	uint64_t spin_tsc, limit_tsc; /* spin_ns and reply_timeout_ns in ticks */
	uint64_t ns_per_tick_q20; /* nanoseconds a tick, times 2^20 */
	int irq_level; /* as last told to ops->irq */
	bool dead, closed;
	bool paused; /* between mp_link_pause() and mp_link_continue() */
};

/**
 * mp_link_connect() - to the unix socket at @path
 *
 * Nobody there yet is no failure before @timeout_ns have passed. Return: a
 * connected socket, close-on-exec; negative errno, -ENOENT and -ECONNREFUSED
 * among them.
 */
int mp_link_connect(const char *path, uint64_t timeout_ns);

/**
 * mp_link_attach_take() - meet the worker on @sock (owned from here)
 *
 * See mp_session_connect_take(). A stock worker's device is found by probing it.
 */
int mp_link_attach_take(struct mp_link *l, int sock, const struct mp_link_cfg *cfg,
			const char **ret_error);
/** mp_link_detach() - end the session and release it; takes one with s = MP_SESSION_NULL, too */
void mp_link_detach(struct mp_link *l);

/** mp_link_post() - posted write; waits (bounded) only while the ring is full */
void mp_link_post(struct mp_link *l, unsigned int bar, uint32_t off, unsigned int size,
		  uint64_t value);
/** mp_link_read() - value of a register; all ones if the device is dead */
uint64_t mp_link_read(struct mp_link *l, unsigned int bar, uint32_t off, unsigned int size);
/** mp_link_write() - non-posted write (port I/O): returns when applied, interrupt level included */
void mp_link_write(struct mp_link *l, unsigned int bar, uint32_t off, unsigned int size,
		   uint64_t value);
/** mp_link_cfg_write() - a new value of config space, little-endian; returns when applied */
void mp_link_cfg_write(struct mp_link *l, uint32_t off, unsigned int size, uint64_t value);
/** mp_link_reset() - PCI reset; on return no DMA and no interrupt of before can come. 0, or -EIO dead */
int mp_link_reset(struct mp_link *l);
/**
 * mp_link_pause() - the machine stands still
 *
 * On return the worker writes no guest memory and begins no block I/O; what was
 * in flight has ended. Return: 0, also if the worker can't pause; -EIO dead;
 * -EBUSY there is still block I/O in flight after reply_timeout_ns.
 */
int mp_link_pause(struct mp_link *l);
/** mp_link_continue() - the machine runs again; what an I/O error stopped is tried again */
void mp_link_continue(struct mp_link *l);

/**
 * mp_link_set_ram() - replace the table of guest memory; on return the old one is out of use
 *
 * Doesn't touch the rings, and shares the socket: it may also be called, with the owner's lock, while
 * another call is between blocking_begin() and blocking_end(). A worker that
 * refuses or doesn't answer is closed. Return: 0; 1 a stock worker got only the
 * largest seven pieces; negative errno.
 */
int mp_link_set_ram(struct mp_link *l, const struct mp_session_region *region, uint32_t n_regions,
		    const int *fds, uint32_t n_fds);

/** mp_link_irq_fd() - readable when the worker has something to tell that nobody waits for */
int mp_link_irq_fd(const struct mp_link *l);
/** mp_link_irq_ready() - drain that fd, take DMA reports, report the interrupt level */
void mp_link_irq_ready(struct mp_link *l);
/** mp_link_irq_missed() - drain that fd while another call is blocked; mp_link_irq_ready() comes later */
void mp_link_irq_missed(struct mp_link *l);
/** mp_link_irq_now() - the level at this moment; reads shared memory only, at any time
 *
 * By socket it is the level as last told to ops->irq.
 */
int mp_link_irq_now(const struct mp_link *l);
/** mp_link_resample_fd() - by socket: KVM writes to it when the guest is done; by rings: -1 */
int mp_link_resample_fd(const struct mp_link *l);
/**
 * mp_link_irq_again() - the owner hasn't listened to ops->irq for a while, and does again
 *
 * By rings it is told the level of this moment; by socket 0, and the worker will say if it isn't.
 */
void mp_link_irq_again(struct mp_link *l);
/** mp_link_set_irq_edge_only() - KVM listens on the irq fd: only a rise may ring it */
void mp_link_set_irq_edge_only(struct mp_link *l, bool on);
/** mp_link_stop_fd() - readable when an I/O error may have stopped the device; -1: it never will */
int mp_link_stop_fd(const struct mp_link *l);
/** mp_link_stop_ready() - drain that fd, tell ops->io_stopped if it is so; touches no ring */
void mp_link_stop_ready(struct mp_link *l);
/** mp_link_sock_fd() - readable when the worker has closed; then call mp_link_hup() */
int mp_link_sock_fd(const struct mp_link *l);
/** mp_link_hup() - the socket was readable: close the device, unless that is over
 *
 * An ACK that another thread has taken since poll() returned is nothing.
 */
void mp_link_hup(struct mp_link *l);

#endif
