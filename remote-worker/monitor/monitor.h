/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * monitor - QMP and HMP of a worker, in its supervisor. docs/monitor.md has the
 * commands.
 */
#ifndef MP_REMOTE_WORKER_MONITOR_MONITOR_H
#define MP_REMOTE_WORKER_MONITOR_MONITOR_H

#include <stddef.h>

#include "remote-worker/options/cmdline.h"
#include "remote-worker/supervisor/supervisor.h"

struct mp_monitor;

struct mp_monitor_cfg {
	const struct mp_cmdline *cmd; /* outlives it */
	int argc;
	char *const *argv; /* what it was made of; copied */
};

/**
 * mp_monitor_create() - listen, and wait for the clients that shall come first
 * @error:  on failure a sentence for the user
 *
 * Before there are threads; none is started yet. Return: 0; negative errno.
 */
int mp_monitor_create(const struct mp_monitor_cfg *cfg, struct mp_monitor **ret_m, char *error,
		      size_t error_len);
/** mp_monitor_destroy() - NULL is fine; returns NULL */
struct mp_monitor *mp_monitor_destroy(struct mp_monitor *m);

/* As those of struct mp_supervisor_ops; @m may be NULL: no monitor. */
int mp_monitor_started(struct mp_monitor *m, struct mp_supervisor *s);
void mp_monitor_event(struct mp_monitor *m, const char *name, const json_t *data);
void mp_monitor_signalled(struct mp_monitor *m, int sig);
/** mp_monitor_ended() - its threads are gone when this returns */
void mp_monitor_ended(struct mp_monitor *m);

#endif
