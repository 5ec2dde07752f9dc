/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * spawn - child processes that cannot outlive us.
 *
 * The kernel kills a child when its parent goes (PR_SET_PDEATHSIG), also
 * when the parent is killed; a pidfd names each, so that no other process
 * can be hit, and becomes readable when the child ends.
 */
#ifndef MP_LAUNCHER_SPAWN_H
#define MP_LAUNCHER_SPAWN_H

#include <sched.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "launcher/args.h"

struct mp_child {
	const char *what; /* "worker of lsi0", static or owned by the caller */
	pid_t pid;
	int pidfd; /* -1: not started, or reaped */
	int status; /* as waitpid() gives it, once reaped */
};

#define MP_CHILD_NULL ((struct mp_child){.pidfd = -1})

struct mp_spawn_fds {
	const int *fds; /* inherited under their own numbers; everything else is closed */
	unsigned int n;
	int stdio_null; /* 1: standard input and output are /dev/null */
	const cpu_set_t *cpus; /* where it may run; NULL: anywhere */
};

/**
 * mp_spawn() - start a program
 *
 * Returns once the program runs, or could not be started: a missing program
 * is reported here, not as an exit status.
 *
 * Return: 0; negative errno.
 * Context: the thread that calls is the one whose end kills the child.
 */
int mp_spawn(struct mp_child *c, const struct mp_args *args, const struct mp_spawn_fds *fds);

/** mp_child_reap() - true if it has ended (then pidfd is -1); waits until @deadline_ns, 0: doesn't wait */
bool mp_child_reap(struct mp_child *c, uint64_t deadline_ns);

void mp_child_signal(const struct mp_child *c, int sig);

/** mp_child_stop() - SIGTERM, after @grace_ns SIGKILL, and reap; takes a child that isn't there */
void mp_child_stop(struct mp_child *c, uint64_t grace_ns);

/** mp_child_cpu_ns() - CPU time of all its threads, and of the processes that it has; 0 if it is gone */
uint64_t mp_child_cpu_ns(const struct mp_child *c);

/** mp_child_describe_end() - "exit status 1", "killed by signal 9 (Killed)" */
void mp_child_describe_end(const struct mp_child *c, char *buf, unsigned int len);

#endif
