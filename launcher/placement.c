/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Placement in two steps, so that the second can be tested without a machine.
 *
 * Step one lists the cores we may use: hwloc knows which logical CPUs are
 * siblings (only the first of a core is taken: two pollers on one core slow
 * each other) and which share a last-level cache and a NUMA node (logical
 * order keeps those together, so a prefix of the list is the closest set).
 *
 * Step two deals them out: guest CPUs first, each alone on its core; workers
 * on the others, with QEMU's main loop beside them. Workers may spin for a
 * millisecond: a translated guest takes 50 to 300 us from one access to the
 * next, and a worker that fell asleep meanwhile makes the next read wait for
 * its wake-up. Those that share a core don't take it from each other, because
 * an idle adaptive worker yields. A storage daemon finds a free core by itself;
 * where there is none it runs on its worker's, which waits for it anyway, and not
 * on the guest's, which goes on meanwhile. With a single core the guest is what it
 * would yield to, all the time: then workers sleep.
 */
#include "launcher/placement.h"

#include <errno.h>
#include <hwloc.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/err.h"

#define SPIN_US   1000
#define MAX_VCPUS 4

/* hwloc_topology_load() leaves out what our cpuset forbids. */
static int cores_auto(struct mp_placement *p)
{
	hwloc_topology_t topo;
	cpu_set_t ours;

	if (sched_getaffinity(0, sizeof(ours), &ours) < 0)
		return mp_err_origin(-errno);
	if (hwloc_topology_init(&topo) < 0)
		return mp_err_origin(-ENOMEM);
	if (hwloc_topology_load(topo) < 0) {
		hwloc_topology_destroy(topo);
		return mp_err_origin(-EIO);
	}
	for (hwloc_obj_t core = NULL;
	     (core = hwloc_get_next_obj_by_type(topo, HWLOC_OBJ_CORE, core));) {
		int cpu = -1;

		while ((cpu = hwloc_bitmap_next(core->cpuset, cpu)) >= 0 && !CPU_ISSET(cpu, &ours))
			;
		if (cpu >= 0 && p->n_cores < MP_MAX_CORES)
			p->core[p->n_cores++] = (unsigned int)cpu;
	}
	hwloc_topology_destroy(topo);
	return p->n_cores ? 0 : mp_err_origin(-EIO);
}

static bool has_core(const struct mp_placement *p, unsigned long cpu)
{
	for (unsigned int i = 0; i < p->n_cores; i++)
		if (p->core[i] == cpu)
			return true;
	return false;
}

static int cores_range(struct mp_placement *p, const char *text, const char **ret_end)
{
	unsigned long lo, hi;
	cpu_set_t ours;
	char *end;

	lo = hi = strtoul(text, &end, 10);
	if (end == text)
		return -EINVAL;
	if (*end == '-') {
		text = end + 1;
		hi = strtoul(text, &end, 10);
		if (end == text)
			return -EINVAL;
	}
	if (sched_getaffinity(0, sizeof(ours), &ours) < 0)
		return mp_err_origin(-errno);
	if (hi < lo || hi >= CPU_SETSIZE)
		return -EINVAL;
	for (; lo <= hi; lo++) {
		if (!CPU_ISSET(lo, &ours) || p->n_cores == MP_MAX_CORES || has_core(p, lo))
			return -EINVAL;
		p->core[p->n_cores++] = (unsigned int)lo;
	}
	*ret_end = end;
	return 0;
}

int mp_placement_cores(struct mp_placement *p, const char *cores)
{
	int r;

	p->n_cores = 0;
	if (strcmp(cores, "auto") == 0)
		return mp_err_trace(cores_auto(p));
	for (;;) {
		r = cores_range(p, cores, &cores);
		if (r < 0)
			return r;
		if (*cores == '\0')
			return 0;
		if (*cores++ != ',')
			return -EINVAL;
	}
}

static unsigned int clamp(long v, long lo, long hi)
{
	return (unsigned int)(v < lo ? lo : v > hi ? hi : v);
}

void mp_placement_assign(struct mp_placement *p, unsigned int n_workers, unsigned int n_devices,
			 int spin_us)
{
	/* One core stays free of polling for QEMU's main loop and the kernel, if there is one. */
	long for_vcpus = (long)p->n_cores - (long)n_workers - 1;
	unsigned int n_free;

	p->n_workers = n_workers;
	p->n_vcpus = clamp(for_vcpus, 1, n_devices < MAX_VCPUS ? n_devices : MAX_VCPUS);
	p->pinned = p->n_cores >= 2;
	p->daemons_beside = p->pinned && p->n_cores <= p->n_vcpus + n_workers;
	n_free = p->pinned ? p->n_cores - p->n_vcpus : 1;
	p->max_sharing = (n_workers + n_free - 1) / n_free;
	for (unsigned int i = 0; i < n_workers; i++)
		p->worker_cpu[i] = p->pinned ? (int)p->core[p->n_vcpus + i % n_free] : -1;
	if (spin_us >= 0)
		p->spin_us = (unsigned int)spin_us;
	else
		p->spin_us = p->pinned ? SPIN_US : 0;
}

void mp_placement_describe(const struct mp_placement *p, char *buf, unsigned int len)
{
	if (p->n_workers == 0)
		snprintf(buf, len, "guest CPU on core %u, no workers", p->core[0]);
	else if (!p->pinned)
		snprintf(buf, len, "one core: nothing is pinned");
	else if (p->max_sharing > 1)
		snprintf(buf, len,
			 "guest CPU%s on core%s %u%s; %u workers on %u core%s, up to %u on one",
			 p->n_vcpus > 1 ? "s" : "", p->n_vcpus > 1 ? "s from" : "", p->core[0],
			 p->n_vcpus > 1 ? " on" : "", p->n_workers, p->n_cores - p->n_vcpus,
			 p->n_cores - p->n_vcpus > 1 ? "s" : "", p->max_sharing);
	else
		snprintf(buf, len, "%u guest CPU%s from core %u, %u worker%s alone on core %d%s",
			 p->n_vcpus, p->n_vcpus > 1 ? "s" : "", p->core[0], p->n_workers,
			 p->n_workers > 1 ? "s" : "", p->worker_cpu[0],
			 p->n_workers > 1 ? " on" : "");
}
