/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * hotplug - what monitors have added to a worker: the command line as it is now,
 * and the drives that were opened since. Commands in order alone use it, but
 * where it says so.
 */
#ifndef MP_REMOTE_WORKER_MONITOR_HOTPLUG_H
#define MP_REMOTE_WORKER_MONITOR_HOTPLUG_H

#include <jansson.h>
#include <pthread.h>
#include <stdbool.h>

#include "monitor/mon.h"
#include "remote-worker/options/line.h"
#include "remote-worker/supervisor/supervisor.h"

/* A medium that was opened for a unit. */
struct mp_live {
	struct mp_live *next;
	json_int_t unit;
	struct mp_cmdline *cmd; /* that has its drive; owned */
	const struct mp_opt_drive *drive; /* NULL: none, an empty CD-ROM drive */
	struct mp_opened opened;
	bool over; /* the worker doesn't use it any more */
};

struct mp_hotplug {
	struct mp_supervisor *sup;
	struct mp_line line;
	unsigned int n_media; /* that were inserted by name of file, so far */
	pthread_mutex_t lock; /* of the list, and what is over in it */
	struct mp_live *live;
};

int mp_hotplug_init(struct mp_hotplug *h, int argc, char *const argv[]);
void mp_hotplug_fini(struct mp_hotplug *h);

/**
 * mp_hotplug_open() - the drive of the last disk that @more adds to the line
 * @more:  as for mp_line_try()
 *
 * Return: in no list yet; NULL after mp_mon_fail().
 */
struct mp_live *mp_hotplug_open(struct mp_mon_call *call, const char *const more[]);
/** mp_hotplug_abandon() - the worker didn't take it; NULL is fine */
void mp_hotplug_abandon(struct mp_hotplug *h, struct mp_live *live);
/** mp_hotplug_keep() - the worker has it, in this unit; what was in it before is over */
void mp_hotplug_keep(struct mp_hotplug *h, struct mp_live *live, json_int_t unit);

/** mp_hotplug_gone() - the unit is there no more, or empty; any thread */
void mp_hotplug_gone(struct mp_hotplug *h, json_int_t unit);
/** mp_hotplug_sweep() - close what is over */
void mp_hotplug_sweep(struct mp_hotplug *h);

/**
 * mp_hotplug_call() - a call to the worker that brings @live
 * @args:  stolen; "drive" and "opened" are added
 *
 * Return: its value, a new reference; NULL after mp_mon_fail().
 */
json_t *mp_hotplug_call(struct mp_mon_call *call, const char *name, json_t *args,
			struct mp_live *live);

/** mp_hotplug_has_drive() - is a -drive with this id open since? Any thread */
bool mp_hotplug_has_drive(struct mp_hotplug *h, const char *id);
/** mp_hotplug_drive() - the drive of a node that was opened since; NULL. Any of the commands */
const struct mp_opt_drive *mp_hotplug_drive(struct mp_hotplug *h, const char *node);

#endif
