/* SPDX-License-Identifier: BSD-3-Clause */
/* A plan without a machine: options in, addresses and command lines out. */
#ifndef MP_TESTS_MAKE_PLAN_H
#define MP_TESTS_MAKE_PLAN_H

#include <string.h>

#include "launcher/plan.h"

/* Two cores, 0 and 1; descriptors as mp_plan_make() leaves them, -1. */
static inline void make_plan(struct mp_plan *p, const struct mp_options *o)
{
	*p = (struct mp_plan){.opt = o, .disk_bytes = 64ull << 20, .uring = true};
	p->place = (struct mp_placement){.n_cores = 2, .core = {0, 1}};
	mp_plan_layout(p);
	mp_placement_assign(&p->place, p->n_workers, o->n_devices, o->spin_us);
	p->job_kind[0] = MP_DEV_REMOTE;
	p->job_kind[1] = MP_DEV_STOCK;
	p->n_jobs = o->compare ? 2 : 1;
	p->fd_cfg = p->fd_qmp = p->fd_report = p->fd_console = -1;
	strcpy(p->qemu, "qemu");
	strcpy(p->worker, "mpring-worker");
	strcpy(p->plugin, "/p.so");
	strcpy(p->guest_dir, "/g");
	strcpy(p->mem_size, "1024M");
}

/* Options as the command line has them by default. */
static inline struct mp_options make_options(unsigned int n_devices)
{
	return (struct mp_options){.n_devices = n_devices,
				   .runtime_s = 10,
				   .iodepth = 16,
				   .rounds = 1,
				   .rw = "randread",
				   .bs = "4k",
				   .poll = "adaptive",
				   .spin_us = -1,
				   .start_timeout_s = 60,
				   .devices_per_worker = 1,
				   .cores = "auto",
				   .accel = "tcg"};
}

#endif
