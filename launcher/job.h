/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * job - the fio job that runs on all devices of one kind at once.
 *
 * Each section of the job becomes one section per device, "SECTION@DEVICE",
 * so that results can be told apart by name.
 */
#ifndef MP_LAUNCHER_JOB_H
#define MP_LAUNCHER_JOB_H

#include "launcher/plan.h"

/**
 * mp_job_text() - the job for the devices of @kind: from --job, or made from --rw and the like
 * @ret_text:  the caller frees
 *
 * Return: 0; negative errno after a message (no such file, names a file of its own, no section).
 */
int mp_job_text(const struct mp_plan *p, enum mp_dev_kind kind, char **ret_text);

/**
 * mp_job_check() - can --bs and --iodepth be had on these disks, in this memory?
 *
 * Return: 0; -EINVAL after a message.
 */
int mp_job_check(const struct mp_plan *p);

/** mp_job_expand() - the same, from the text of a job file; -EINVAL and *ret_error says why */
int mp_job_expand(const struct mp_plan *p, enum mp_dev_kind kind, const char *text, char **ret_text,
		  const char **ret_error);

#endif
