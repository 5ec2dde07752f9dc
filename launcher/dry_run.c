/* SPDX-License-Identifier: BSD-3-Clause */
#include "launcher/plan.h"

#include <stdio.h>

void mp_plan_show(const struct mp_plan *p)
{
	char sentence[200];
	struct mp_args args = MP_ARGS_NULL;

	mp_plan_describe(p, sentence, sizeof(sentence));
	printf("# placement: %s\n", sentence);
	printf("# descriptors: %d QMP", p->fd_qmp);
	if (p->opt->mode == MP_MODE_PERF)
		printf(", %d report, %d console, %d plan, from %d jobs", p->fd_report,
		       p->fd_console, p->fd_cfg, p->fd_job[0]);
	printf("; per device: disk, sockets, counters\n");
	for (unsigned int w = 0; w < p->n_workers; w++) {
		mp_plan_worker_args(p, w, &args);
		mp_args_print(&args, stdout);
		mp_args_fini(&args);
	}
	mp_plan_qemu_args(p, &args);
	mp_args_print(&args, stdout);
	mp_args_fini(&args);
}
