/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * front - how register accesses reach a device and how its outputs leave: the
 * rings of wire/, or another protocol. The polling core only sees these calls.
 */
#ifndef MP_REMOTE_WORKER_FRONT_H
#define MP_REMOTE_WORKER_FRONT_H

#include <stdbool.h>
#include <stdint.h>

#include "remote-worker/notice.h"

struct mp_blk_engine;
struct mp_device;
struct mp_front;
struct mp_mpqemu_msg;

struct mp_front_ops {
	/* Apply at most @budget requests and answer them; returns how many. */
	unsigned int (*drain)(struct mp_front *f, unsigned int budget);
	/* Tell the peer what changed: written memory, registers, interrupt level. */
	void (*publish)(struct mp_front *f);
	/* A turn passed without work for this device; @sleeping: the next one may be far. */
	void (*idle)(struct mp_front *f, bool sleeping);
	/* The peer shall ring from now on; is there something to do already? */
	bool (*arm)(struct mp_front *f);
	void (*disarm)(struct mp_front *f);
	/* Copy counters to the device's page. */
	void (*stats)(struct mp_front *f);
	/* The core uses the table of front.ram now, or it couldn't be mapped and there is none.
	 * NULL: this front hands none in. */
	void (*ram_set)(struct mp_front *f, bool mapped);
	/* Let go of what is the core's. NULL: nothing is. Then, on the control thread: destroy. */
	void (*detach)(struct mp_front *f);
	void (*destroy)(struct mp_front *f);
};

struct mp_front {
	const struct mp_front_ops *ops;
	struct mp_device *dev;
	bool wants_reports; /* of guest memory written: MP_FEAT_DMA_REPORT */
	bool may_stop; /* after an I/O error somebody can continue: MP_FEAT_IO_STOP, or a monitor */
	bool gates_dma; /* no guest memory for the device unless its command register says so */
	bool broken; /* sticky: the peer broke the protocol; the device stands still */
	bool closed; /* with broken: no, it closed the connection in good order */
	bool stalled; /* the peer doesn't take what we have to tell; the device stands still */
	/* What the control thread shall be told; worker.c clears it. */
	struct mp_notice_refusal refusal;
	struct mp_mpqemu_msg *ram; /* SYNC_SYSMEM to be mapped */
};

struct mp_session;

/**
 * mp_front_ring_create() - a front over an established session
 * @s:  stolen on success
 *
 * Return: 0; -ENOMEM.
 */
int mp_front_ring_create(struct mp_device *dev, struct mp_session *s, struct mp_front **ret_f);

/**
 * mp_front_mpqemu_create() - a front for a stock proxy on its socket
 * @sock:    owned by the front on success
 * @first:   the message that has been read already; its fds are taken over on success
 * @engine:  lets the socket end the core's sleep
 *
 * Return: 0; -ENOMEM.
 */
int mp_front_mpqemu_create(struct mp_device *dev, struct mp_blk_engine *engine, int sock,
			   struct mp_mpqemu_msg *first, struct mp_front **ret_f);

#endif
