/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * office - where the supervisor's calls (rpc.h) are done, on the control thread.
 *
 * Calls and their arguments; a unit is named as "snapshot" does. Each answers
 * {} unless another value is given.
 *
 *	snapshot	answers as snapshot.h has it
 *	stop		answers when no block I/O is in flight
 *	cont
 *	reset		as the machine's reset does to every device
 *	quit		the worker ends, in order
 *	disk-add	{"disk", "drive"} (unit_json.h), without "drive" a CD-ROM drive is
 *			empty; "opened": {"size", "block-size"} with its fd for a raw
 *			drive, or the sockets of an NBD one; answers {"unit": N}
 *	disk-del	{"unit"}; the event disk-gone follows
 *	medium-change	{"unit", "drive", "force"}, "opened" and fds as with disk-add
 *	eject		{"unit", "force"}: the medium is taken out, the tray stays open
 *	open-tray	{"unit", "force"}: the medium stays in it
 *	close-tray	{"unit"}
 *	resize		{"unit", "size"}: look how large the medium is now, and use no
 *			more of it than "size", 0 all; answers {"changed": bool, "size",
 *			"block-size"}
 *	throttle	{"unit", "throttle"}
 *	nbd-socket	{"node", "connection"} with a connected socket
 *
 * Events: io-error {"unit", "id", "drive", "node", "operation": "read" | "write",
 * "action": "report" | "ignore" | "stop", "nospace", "reason"}; stopped {} an
 * I/O error has halted a device; disk-gone {"unit", "id", "device"}; tray-moved
 * {"unit", "id", "drive", "open"}; nbd-lost {"node", "connection"}; attached and detached
 * {"device"}; end {}.
 */
#ifndef MP_REMOTE_WORKER_OFFICE_H
#define MP_REMOTE_WORKER_OFFICE_H

#include "remote-worker/worker.h"

struct mp_office;

/** mp_office_create() - @sock: to the supervisor; borrowed. Return: 0; -ENOMEM */
int mp_office_create(struct mp_worker *w, int sock, struct mp_office **ret_o);
/** mp_office_destroy() - after the worker has stopped; says "end"; NULL is fine; returns NULL */
struct mp_office *mp_office_destroy(struct mp_office *o);

/** mp_office_fd() - readable: mp_office_poll(); -1 when @o is NULL */
int mp_office_fd(const struct mp_office *o);
/** mp_office_deadline_ns() - call mp_office_poll() then at the latest; UINT64_MAX none */
uint64_t mp_office_deadline_ns(const struct mp_office *o);

/** mp_office_orphan() - there is no supervisor any more: nobody will connect to servers again */
void mp_office_orphan(struct mp_office *o);

/** mp_office_poll() - do what was asked for. Return: 0; 1 the worker shall end: quit, or no supervisor */
int mp_office_poll(struct mp_office *o, bool readable);

/**
 * mp_office_end() - the worker is about to be stopped: wait until all is flushed; NULL is fine
 *
 * Servers that are lost meanwhile are still connected to again: what they haven't
 * flushed has to be written again. All other calls are refused.
 */
void mp_office_end(struct mp_office *o);

/** mp_office_tell() - the core had something to tell: pass it on; NULL is fine */
void mp_office_tell(struct mp_office *o);

#endif
