/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef MP_LAUNCHER_PERF_H
#define MP_LAUNCHER_PERF_H

#include "launcher/plan.h"

/** mp_perf() - `mpring perf` with a plan that was made; returns the exit status */
int mp_perf(struct mp_plan *plan);
/** mp_run() - `mpring run`, the same */
int mp_run(struct mp_plan *plan);

#endif
