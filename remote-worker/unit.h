/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * unit - a -device scsi-hd or scsi-cd becomes a unit on its bus, with its medium
 * open: at the start all of the command line, later one at a time.
 *
 * All of this runs on the polling core.
 */
#ifndef MP_REMOTE_WORKER_UNIT_H
#define MP_REMOTE_WORKER_UNIT_H

#include <stddef.h>

#include "remote-worker/core.h"

/** mp_units_create() - all of the command line; mp_units_close() releases, also after a failure */
int mp_units_create(struct mp_core *core, char *error, size_t error_len);
/**
 * mp_units_end() - the worker shall end: block I/O that is in flight ends, then all is flushed
 * @ret_over:  bool; false: not yet; call it again
 *
 * For mp_worker_run(), when no device has a proxy any more. Each time it goes on as
 * far as it can without waiting, so that the core serves the control thread meanwhile.
 */
void mp_units_end(struct mp_core *core, void *ret_over);
/** mp_units_finish() - mp_units_end() until it is over, and the user is told what failed; blocks */
void mp_units_finish(struct mp_core *core);
/** mp_units_close() - the media of all units; no block I/O may be in flight, the buses are gone */
void mp_units_close(struct mp_core *core);

/** mp_units_hold() - halt every device for the user; returns how many block requests are in flight */
uint64_t mp_units_hold(struct mp_core *core);
/** mp_units_release() - and let them go on */
void mp_units_release(struct mp_core *core);

/* What the control thread wants done with one unit; it fills in what is needed, and keeps it. */
struct mp_unit_job {
	unsigned int unit; /* index */
	const struct mp_opt_disk *disk; /* add */
	struct mp_medium *medium; /* add, change: drive set, not open yet; NULL: none */
	const struct mp_blk_medium *opened; /* of a raw drive */
	bool force; /* eject: whatever the guest has locked */
	uint64_t
		bytes; /* resize: the most that it may have, 0 any; on success the size that it has */
	uint32_t block_bytes; /* resize: of which it is a multiple */
	const struct mp_opt_throttle *throttle;
	unsigned int connection; /* connect, of the medium */
	int sock; /* connect: taken */
	bool gives_up; /* add, change: don't ask the server again */
	bool took_socks; /* add, change: those of an NBD drive aren't the caller's any more */
	int result; /* 0, negative errno, or as the function has it */
	char error[512]; /* on failure a sentence for the user */
};

/*
 * For mp_worker_run(), with a struct mp_unit_job. Add and change: result 1: the
 * server hasn't answered yet; nothing has changed; once more, later, with the same job.
 */
void mp_unit_add(struct mp_core *core, void *job);
/* The unit is leaving, and its medium closing. */
void mp_unit_remove(struct mp_core *core, void *job);
/* result: -ENOENT no CD-ROM drive; -EPERM locked, and the guest was told of the wish. */
void mp_unit_change(struct mp_core *core, void *job);
/* Add or change, for which there is no place any more. */
void mp_unit_abandon(struct mp_core *core, void *job);
void mp_unit_open_tray(struct mp_core *core, void *job);
void mp_unit_close_tray(struct mp_core *core, void *job);
/* Looks at the size. result: 1 it has changed */
void mp_unit_resize(struct mp_core *core, void *job);
void mp_unit_throttle(struct mp_core *core, void *job);

void mp_unit_connect(struct mp_core *core, void *job);

/** mp_units_orphan() - nobody will connect to servers again; @nothing is NULL */
void mp_units_orphan(struct mp_core *core, void *nothing);

/** mp_unit_sweep() - close what nobody uses any more; @n_left: unsigned int, how much waits */
void mp_unit_sweep(struct mp_core *core, void *n_left);

#endif
