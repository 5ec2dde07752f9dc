/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * control - commands from any thread of the worker to its polling core.
 *
 * Both sides are this process and trust each other, so this is the place of
 * DPDK's rte_ring: many producers, one consumer. A caller waits until the core
 * has applied its command; the core takes one per turn.
 */
#ifndef MP_REMOTE_WORKER_CONTROL_H
#define MP_REMOTE_WORKER_CONTROL_H

#include <semaphore.h>

enum mp_control_op {
	MP_CONTROL_ATTACH, /* arg: the device's front */
	MP_CONTROL_SET_RAM, /* arg: its table of guest memory, NULL none */
	MP_CONTROL_DETACH, /* let go of front and table */
	MP_CONTROL_RUN, /* arg: struct mp_control_job */
	MP_CONTROL_STOP, /* end the thread */
};

struct mp_core;

/* Something else to do on the core. */
struct mp_control_job {
	void (*run)(struct mp_core *core, void *opaque);
	void *opaque;
};

/* The caller's, on its stack; its fields are the core's until the call returns. */
struct mp_control_cmd {
	enum mp_control_op op;
	unsigned int device;
	void *arg;
	sem_t done;
};

struct mp_control;

/** mp_control_create() - @bell_fd: eventfd that wakes the polling core; borrowed */
int mp_control_create(int bell_fd, struct mp_control **ret_c);
/** mp_control_destroy() - no call may be under way; NULL is fine; returns NULL */
struct mp_control *mp_control_destroy(struct mp_control *c);

/** mp_control_call() - hand over a command, return when it was applied; not on the core */
void mp_control_call(struct mp_control *c, enum mp_control_op op, unsigned int device, void *arg);

/** mp_control_poll() - the core: next command, or NULL; never blocks */
struct mp_control_cmd *mp_control_poll(struct mp_control *c);
/** mp_control_done() - the core: applied; @cmd is gone from here */
void mp_control_done(struct mp_control_cmd *cmd);

#endif
