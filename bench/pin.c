/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The closest pair of hardware threads that are not siblings of one core: their
 * lowest common ancestor in the machine's tree (cache, package, NUMA node) is
 * the deepest. Siblings are taken only when there is nothing else, one CPU
 * alone only when there is one; the report says so.
 */
#include "bench/pin.h"

#include <errno.h>
#include <hwloc.h>
#include <sched.h>
#include <stdio.h>

#include "base/err.h"

static void describe(hwloc_obj_t common, hwloc_obj_t a, hwloc_obj_t b, struct pin *ret_pin)
{
	char type[32] = "nothing";

	if (a == b) {
		snprintf(ret_pin->text, sizeof(ret_pin->text),
			 "%u and %u: ONE CPU, the times are the scheduler's", a->os_index,
			 b->os_index);
		return;
	}
	hwloc_obj_type_snprintf(type, sizeof(type), common, 0);
	snprintf(ret_pin->text, sizeof(ret_pin->text), "%u and %u, share: %s%s", a->os_index,
		 b->os_index, type, common->type == HWLOC_OBJ_CORE ? " (SMT siblings)" : "");
}

/* Deeper is closer, but two threads of one core are the last choice. */
static int closeness(hwloc_obj_t common)
{
	return common->type == HWLOC_OBJ_CORE || common->type == HWLOC_OBJ_PU ? -1 : common->depth;
}

static void choose(hwloc_topology_t topo, struct pin *ret_pin)
{
	hwloc_obj_t first = hwloc_get_obj_by_type(topo, HWLOC_OBJ_PU, 0);
	hwloc_obj_t a = NULL, b, best_a = first, best_b = first;
	int best = -2;

	while ((a = hwloc_get_next_obj_by_type(topo, HWLOC_OBJ_PU, a)) != NULL) {
		b = a;
		while ((b = hwloc_get_next_obj_by_type(topo, HWLOC_OBJ_PU, b)) != NULL) {
			int c = closeness(hwloc_get_common_ancestor_obj(topo, a, b));

			if (c <= best)
				continue;
			best = c;
			best_a = a;
			best_b = b;
		}
	}
	ret_pin->cpu[0] = (int)best_a->os_index;
	ret_pin->cpu[1] = (int)best_b->os_index;
	describe(hwloc_get_common_ancestor_obj(topo, best_a, best_b), best_a, best_b, ret_pin);
}

int pin_choose(struct pin *ret_pin)
{
	hwloc_topology_t topo;
	hwloc_bitmap_t allowed;

	if (hwloc_topology_init(&topo) < 0)
		return mp_err_origin(-ENOMEM);
	if (hwloc_topology_load(topo) < 0) {
		hwloc_topology_destroy(topo);
		return mp_err_origin(-EIO);
	}
	allowed = hwloc_bitmap_alloc();
	if (allowed && hwloc_get_cpubind(topo, allowed, HWLOC_CPUBIND_THREAD) == 0)
		hwloc_topology_restrict(topo, allowed, 0);
	hwloc_bitmap_free(allowed);
	choose(topo, ret_pin);
	hwloc_topology_destroy(topo);
	return 0;
}

int pin_self(int cpu)
{
	cpu_set_t set;

	CPU_ZERO(&set);
	CPU_SET((unsigned int)cpu, &set);
	if (sched_setaffinity(0, sizeof(set), &set) < 0)
		return mp_err_origin(-errno);
	return 0;
}
