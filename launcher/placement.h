/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * placement - which core each polling thread and each guest CPU gets.
 *
 * The cores come from the machine (one logical CPU of each physical core,
 * those that share a cache first) or from the user's list. The head of the
 * list is for the guest's CPUs, the rest for workers. On one core nothing is
 * pinned.
 */
#ifndef MP_LAUNCHER_PLACEMENT_H
#define MP_LAUNCHER_PLACEMENT_H

#include "launcher/options.h"

#define MP_MAX_CORES 1024

struct mp_placement {
	unsigned int n_cores, core[MP_MAX_CORES]; /* logical CPU numbers, in order of use */
	unsigned int n_vcpus; /* the guest's; vCPU i runs on core[i] if pinned */
	unsigned int n_workers;
	int worker_cpu[MP_MAX_DEVICES]; /* -1: not pinned */
	unsigned int max_sharing; /* most workers on one core */
	unsigned int spin_us; /* for adaptive polling */
	bool pinned;
	bool daemons_beside; /* no core is left: storage daemons have their worker's */
};

/** mp_placement_cores() - fill core[] from "auto" or "0,2-5"; -EINVAL: names a CPU that isn't ours */
int mp_placement_cores(struct mp_placement *p, const char *cores);

/**
 * mp_placement_assign() - share core[] among the guest and @n_workers
 * @n_devices:  the guest gets no more CPUs than it has devices, nor more than 4
 * @spin_us:    the user's choice; -1: 1000, or 0 on a single core
 */
void mp_placement_assign(struct mp_placement *p, unsigned int n_workers, unsigned int n_devices,
			 int spin_us);

/** mp_placement_describe() - one sentence into @buf */
void mp_placement_describe(const struct mp_placement *p, char *buf, unsigned int len);

#endif
