/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * serve - the control thread: sockets, tables of guest memory, signals.
 */
#ifndef MP_REMOTE_WORKER_SERVE_H
#define MP_REMOTE_WORKER_SERVE_H

#include <stdbool.h>

#include "remote-worker/options/cmdline.h"
#include "remote-worker/office.h"
#include "remote-worker/worker.h"

struct mp_serve_cfg {
	const struct mp_cmdline *cmd;
	struct mp_worker *worker;
	int signal_fd; /* signalfd that asks to end; borrowed; -1 none */
	struct mp_office *office; /* for a supervisor's calls; borrowed; NULL: there is none */
	/* Called once, when every device has met its proxy; may be NULL. */
	int (*all_met)(void);
};

/**
 * mp_serve() - meet the proxies, keep their guest memory mapped, until the last one is gone
 *
 * Takes the sockets of @cfg->cmd. Return: 0 all proxies closed, or a signal
 * came; -EPROTO when one broke the protocol; other negative errno.
 */
int mp_serve(const struct mp_serve_cfg *cfg);

#endif
