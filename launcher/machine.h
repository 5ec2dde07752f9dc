/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * machine - a plan that runs: the workers, then QEMU, and how all of it ends.
 */
#ifndef MP_LAUNCHER_MACHINE_H
#define MP_LAUNCHER_MACHINE_H

#include "launcher/plan.h"
#include "launcher/results.h"
#include "launcher/spawn.h"
#include "monitor/qmp_client.h"

struct mp_machine {
	struct mp_plan *plan; /* borrowed */
	struct mp_child qemu, worker[MP_MAX_DEVICES];
	char worker_name[MP_MAX_DEVICES][48];
	struct mp_qmp_client qmp;
	int signal_fd; /* SIGINT, SIGTERM, SIGHUP, SIGCHLD are read here */
	bool interrupted;
	bool up; /* QEMU has built its machine */
	unsigned int n_dead_workers;
};

/** mp_machine_start() - signals, descriptors, workers, QEMU, pinned vCPUs; a message on failure */
int mp_machine_start(struct mp_machine *m, struct mp_plan *p);

/**
 * mp_machine_check() - after signal_fd was readable
 *
 * Reaps what ended, says so once for each worker, sets interrupted.
 *
 * Return: true while QEMU runs and nobody interrupted us.
 */
bool mp_machine_check(struct mp_machine *m);

/**
 * mp_machine_stopped() - has QEMU stopped the guest for good, and why?
 *
 * Asks QEMU; up to a second when it doesn't answer.
 *
 * Return: NULL the guest runs, or nobody knows; else a static word for the user.
 */
const char *mp_machine_stopped(struct mp_machine *m);

/**
 * mp_machine_stop() - end everything; takes a machine that never started
 *
 * Return: false: QEMU or a worker was ended before it had written all, as the user has been told.
 */
bool mp_machine_stop(struct mp_machine *m);

/** mp_machine_transport() - counters of device @i since it started */
void mp_machine_transport(const struct mp_machine *m, unsigned int i, struct mp_transport *ret);

#endif
