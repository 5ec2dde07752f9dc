/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * core - what the polling core owns and others want something done with: the
 * engine, the devices, the units on their buses, their media. The control thread
 * gets at it through mp_worker_run() only.
 */
#ifndef MP_REMOTE_WORKER_CORE_H
#define MP_REMOTE_WORKER_CORE_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "remote-worker/options/cmdline.h"
#include "remote-worker/device.h"

#define MP_CORE_UNITS MP_CMDLINE_MAX_DISKS
/* One in each unit, and as many that were taken out and wait for their last request. */
#define MP_CORE_MEDIA (2 * MP_CORE_UNITS)

struct mp_core;
struct mp_ending;

struct mp_medium {
	const struct mp_opt_drive *drive; /* NULL: the place is free */
	struct mp_core *core;
	struct mp_blk *blk;
	struct mp_blk *opening; /* while its server is asked what it has; no blk yet */
	unsigned int hba;
	bool closing; /* in no unit any more */
	void *owned; /* the control thread's: holds the drive, if it isn't the command line's */
	/* Set by the core, taken by the control thread: bit n, the NBD connection n is lost. */
	_Atomic uint32_t lost;
	/* The same: negative errno of a write that its server had acknowledged and then lost. */
	_Atomic int write_lost;
};

/* A disk or CD-ROM drive: of the command line, or added since. */
struct mp_unit {
	const struct mp_opt_disk *disk; /* NULL: the place is free */
	struct mp_medium *medium; /* NULL: it is empty */
	bool leaving; /* the bus has forgotten it; its medium may still be in use */
	void *owned; /* as of the medium */
};

struct mp_core {
	const struct mp_cmdline *cmd;
	int notify_fd; /* wakes the control thread */
	struct mp_blk_engine *engine;
	struct mp_device *device; /* cmd->n_hbas */
	struct mp_unit unit[MP_CORE_UNITS];
	struct mp_medium medium[MP_CORE_MEDIA];
	bool stopped; /* by the user: every device is held */
	bool prelaunch; /* since the start, by -S */
	struct mp_ending *ending; /* NULL: not yet; see mp_units_end() */
	bool unflushed; /* it has ended, and a drive may lack what was written last */
	uint64_t n_turns, n_idle_turns, n_sleeps;
	uint64_t cpu_ns, cpu_read_ns; /* CPU time, and when it was read */
};

/** mp_core_unit_at() - NULL: none is there */
static inline struct mp_unit *mp_core_unit_at(struct mp_core *core, unsigned int hba,
					      unsigned int target, unsigned int lun)
{
	const struct mp_opt_disk *d;

	for (unsigned int i = 0; i < MP_CORE_UNITS; i++) {
		d = core->unit[i].disk;
		if (d && !core->unit[i].leaving && d->hba == hba && d->scsi_id == target &&
		    d->lun == lun)
			return &core->unit[i];
	}
	return NULL;
}

#endif
