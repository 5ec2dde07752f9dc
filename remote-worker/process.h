/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * process - what a service manager sees: -pidfile, -daemonize, -D.
 *
 * Mistakes go to the standard error of who started us, as long as we start. Then
 * messages go to the log file, and the one that -daemonize left waiting ends.
 */
#ifndef MP_REMOTE_WORKER_PROCESS_H
#define MP_REMOTE_WORKER_PROCESS_H

#include "remote-worker/options/cmdline.h"

struct mp_process {
	bool daemonize;
	bool stay; /* in the folder: names of files are used later, too */
	int log_fd; /* -1: messages stay where they are */
	int ready_fd; /* to the waiting parent; -1: none */
	int pid_fd; /* locked as long as it is open; -1 */
};

#define MP_PROCESS_NULL ((struct mp_process){.log_fd = -1, .ready_fd = -1, .pid_fd = -1})

/**
 * mp_process_begin() - open the log, go to the background, write the pid file
 * @error:  on failure a sentence for the user
 *
 * With -daemonize only a child returns; call it before there are threads. The
 * parent waits for mp_process_ready() and ends with status 0, or with the child's.
 * Return: 0; negative errno.
 */
int mp_process_begin(const struct mp_cmdline *cmd, struct mp_process *ret_p, char *error,
		     size_t error_len);

/** mp_process_leave() - in a process that was forked off: pid file and parent are the other's */
void mp_process_leave(struct mp_process *p);

/** mp_process_ready() - all is set up: messages go to the log, the parent may end */
void mp_process_ready(struct mp_process *p);

/** mp_process_fini() - unlocks the pid file, which stays. Without ready() the parent fails */
void mp_process_fini(struct mp_process *p);

#endif
