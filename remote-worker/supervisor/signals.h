/* SPDX-License-Identifier: BSD-3-Clause */
/* signals - what a worker and its supervisor make of them. */
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

/** mp_signals_ignore() - those that would end us in the midst of a write */
static inline void mp_signals_ignore(void)
{
	/* Whoever read our messages may be gone; the disks must not follow. */
	signal(SIGPIPE, SIG_IGN);
	/* A file that meets ulimit -f: an error, as on a full file system. */
	signal(SIGXFSZ, SIG_IGN);
}

#endif
