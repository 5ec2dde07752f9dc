/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * worker - the polling core: one thread that owns the devices, their disks and
 * the block engine, and runs them in bounded turns.
 *
 * Everything here but the thread itself is called from the control thread,
 * which talks to the core through control.h and waits until it has obeyed.
 */
#ifndef MP_REMOTE_WORKER_WORKER_H
#define MP_REMOTE_WORKER_WORKER_H

#include <stdbool.h>
#include <stddef.h>

#include "base/hist.h"
#include "remote-worker/options/cmdline.h"
#include "remote-worker/event_box.h"
#include "remote-worker/guest_mem.h"
#include "remote-worker/notice.h"
#include "scsi-target/scsi.h"
#include "wire/session.h"

struct mp_worker;

/**
 * mp_worker_start() - open the disks, start the polling thread
 * @cmd:    parsed and resolved; outlives the worker. Takes over the stats_fd of each HBA.
 * @error:  on failure a sentence for the user
 *
 * Return: 0, all disks open, all devices at power-on; negative errno.
 */
int mp_worker_start(const struct mp_cmdline *cmd, struct mp_worker **ret_w, char *error,
		    size_t error_len);

/**
 * mp_worker_stop() - let go of all devices, finish block I/O, end the thread; NULL is fine; returns NULL
 * @ret_result:  0; -EIO a drive could not be flushed, as the user has been told. NULL: not wanted
 */
struct mp_worker *mp_worker_stop(struct mp_worker *w, int *ret_result);

/** mp_worker_bell_fd() - eventfd that wakes the core; mp_session_cfg.bell_fd. Borrowed */
int mp_worker_bell_fd(const struct mp_worker *w);

/**
 * mp_worker_notify_fd() - readable when the core has something to tell
 *
 * See mp_worker_notice() and mp_worker_take_event().
 */
int mp_worker_notify_fd(const struct mp_worker *w);
/** mp_worker_notice() - what the core tells of @device; for the control thread's half of notice.h */
struct mp_notice *mp_worker_notice(struct mp_worker *w, unsigned int device);

/**
 * mp_worker_take_event() - what happened to @device's disks, oldest first
 *
 * As many as MP_EVENT_BOX_SLOTS wait; what happens while nobody takes them isn't
 * told. Return: false: there is none. Context: one thread at a time, any.
 */
bool mp_worker_take_event(struct mp_worker *w, unsigned int device, struct mp_event *ret_event);

/** mp_worker_uring_errno() - 0, or the negative errno for which block I/O runs on threads */
int mp_worker_uring_errno(const struct mp_worker *w);

/** mp_worker_turns() - how long turns took in which there was something to do. Any thread */
const struct mp_hist *mp_worker_turns(const struct mp_worker *w);

/** mp_worker_first_page() - a device's first user page, for mp_session_cfg; before it is attached */
void mp_worker_first_page(struct mp_worker *w, unsigned int device,
			  struct mp_wire_worker_page *ret_page);

/** mp_worker_attach() - connect a device with its proxy; @s is stolen on success */
int mp_worker_attach(struct mp_worker *w, unsigned int device, struct mp_session *s);

/**
 * mp_worker_attach_stock() - connect a device with a stock proxy; the core reads @sock from now on
 * @sock, @first:  as mp_front_mpqemu_create()
 */
int mp_worker_attach_stock(struct mp_worker *w, unsigned int device, int sock,
			   struct mp_mpqemu_msg *first);

/** mp_worker_set_ram() - on return the core uses @table (NULL: none) and no other */
void mp_worker_set_ram(struct mp_worker *w, unsigned int device,
		       const struct mp_guest_table *table);

struct mp_core;

/**
 * mp_worker_run() - call @run on the core, between two turns, and wait until it has returned
 *
 * It must not block. Counters pages are current when it is called.
 */
void mp_worker_run(struct mp_worker *w, void (*run)(struct mp_core *core, void *opaque),
		   void *opaque);

/**
 * mp_worker_core() - for the control thread: what it has filled in itself, units and media, it
 * may read
 */
struct mp_core *mp_worker_core(struct mp_worker *w);

/** mp_worker_detach() - on return the core touches neither session nor guest memory; closes the session */
void mp_worker_detach(struct mp_worker *w, unsigned int device);

#endif
