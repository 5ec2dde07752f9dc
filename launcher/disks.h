/* SPDX-License-Identifier: BSD-3-Clause */
/* disks - what the devices store their data in: files of the user's, temporary ones. */
#ifndef MP_LAUNCHER_DISKS_H
#define MP_LAUNCHER_DISKS_H

#include "launcher/plan.h"

/** mp_disks_default_bytes() - size of each of @n_disks temporary disks, by the memory there is */
uint64_t mp_disks_default_bytes(unsigned int n_disks);

/** mp_disks_check() - can the user's disks be opened, each once? negative errno after a message */
int mp_disks_check(const struct mp_options *o);

/** mp_disk_temp() - a file without a name, of the plan's size; negative errno after a message */
int mp_disk_temp(struct mp_plan *p, int *ret_fd);

#endif
