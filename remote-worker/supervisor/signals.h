/* SPDX-License-Identifier: BSD-3-Clause */
/* signals - those that ask a worker, or its supervisor, to end. */
#ifndef MP_REMOTE_WORKER_SUPERVISOR_SIGNALS_H
#define MP_REMOTE_WORKER_SUPERVISOR_SIGNALS_H

#include <signal.h>

/** mp_signals_to_end() - SIGINT, SIGTERM, SIGHUP */
static inline sigset_t mp_signals_to_end(void)
{
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGINT);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGHUP);
	return set;
}

#endif
