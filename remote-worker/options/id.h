/* SPDX-License-Identifier: BSD-3-Clause */
/* id - names that users give to devices and drives. */
#ifndef MP_REMOTE_WORKER_OPTIONS_ID_H
#define MP_REMOTE_WORKER_OPTIONS_ID_H

#include <stdbool.h>

/** mp_id_is_wellformed() - QEMU's rule: a letter, then letters, digits, "-", "." and "_" */
bool mp_id_is_wellformed(const char *id);

#endif
