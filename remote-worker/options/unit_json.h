/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * unit_json - disks and drives as the supervisor sends them to its worker: an
 * object with a member for each field that isn't zero, named as the field.
 */
#ifndef MP_REMOTE_WORKER_OPTIONS_UNIT_JSON_H
#define MP_REMOTE_WORKER_OPTIONS_UNIT_JSON_H

#include <jansson.h>

#include "remote-worker/options/cmdline.h"

/** mp_disk_to_json() - a new reference; NULL: out of memory */
json_t *mp_disk_to_json(const struct mp_opt_disk *disk);
json_t *mp_drive_to_json(const struct mp_opt_drive *drive);
json_t *mp_throttle_to_json(const struct mp_opt_throttle *t);

/** mp_disk_from_json() - strings point into @json. Return: 0; -EPROTO not what the other one made */
int mp_disk_from_json(json_t *json, struct mp_opt_disk *ret_disk);
int mp_drive_from_json(json_t *json, struct mp_opt_drive *ret_drive);
int mp_throttle_from_json(json_t *json, struct mp_opt_throttle *ret_throttle);

/** mp_throttle_of() - what the block layer takes */
struct mp_blk_throttle mp_throttle_of(const struct mp_opt_throttle *t);
/** mp_throttle_opt_of() - and back */
struct mp_opt_throttle mp_throttle_opt_of(const struct mp_blk_throttle *t);

#endif
