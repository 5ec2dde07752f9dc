/* SPDX-License-Identifier: BSD-3-Clause */
/* schema - what arguments a command takes, from the same table that clients are shown. */
#ifndef MP_MONITOR_SCHEMA_H
#define MP_MONITOR_SCHEMA_H

#include <stdbool.h>

#include "monitor/mon.h"

struct mp_schema {
	json_t *infos; /* array, as it is returned to clients */
	json_t *by_name;
};

#define MP_SCHEMA_NULL ((struct mp_schema){.infos = NULL})

/** mp_schema_init() - from JSON text; return: 0, -EINVAL, -ENOMEM */
int mp_schema_init(struct mp_schema *s, const char *text);
void mp_schema_fini(struct mp_schema *s);

/** mp_schema_check() - whether @args fit the command; if not, call->error says why */
bool mp_schema_check(const struct mp_schema *s, const struct mp_mon_command *command,
		     const json_t *args, struct mp_mon_call *call);

/** mp_schema_has() - whether it knows the command */
bool mp_schema_has(const struct mp_schema *s, const char *command);

#endif
