/* SPDX-License-Identifier: BSD-3-Clause */
#include "remote-worker/monitor/qmp.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "block/throttle.h"
#include "remote-worker/options/unit_json.h"

/* The drive that is in the unit, if it is the one that was named. */
static const struct mp_opt_drive *named_drive(struct mp_monitor *m, const json_t *unit,
					      const json_t *args)
{
	const char *device = mp_qmp_text(args, "device");
	const struct mp_opt_drive *drive =
		mp_qmp_drive(m, mp_qmp_text(json_object_get(unit, "medium"), "node"));

	return drive && (!*device || strcmp(drive->id, device) == 0) ? drive : NULL;
}

static json_t *resize(struct mp_mon_call *call, const json_t *unit,
		      const struct mp_opt_drive *drive, uint64_t bytes)
{
	struct mp_monitor *m = call->opaque;
	uint64_t block_bytes = (uint64_t)mp_qmp_int(unit, "logical-block-size");
	struct mp_rpc_error error;

	if (bytes < block_bytes)
		return mp_mon_fail(call, MP_MON_GENERIC,
				   "The disk has blocks of %" PRIu64
				   " bytes; less than one can't be",
				   block_bytes);
	if (mp_supervisor_resize(m->sup, (unsigned int)mp_qmp_int(unit, "unit"), drive, bytes,
				 &error) < 0)
		return mp_mon_fail(call, mp_mon_class_of(error.klass), "%s", error.desc);
	return json_object();
}

json_t *mp_qmp_block_resize(struct mp_mon_call *call, const json_t *args)
{
	const char *device = mp_qmp_text(args, "device"), *node = mp_qmp_text(args, "node-name");
	json_t *snapshot = mp_qmp_snapshot(call), *unit, *value = NULL;
	const struct mp_opt_drive *drive;

	if (!snapshot)
		return NULL;
	unit = mp_qmp_find_node(call->opaque, snapshot, device, node);
	drive = unit ? named_drive(call->opaque, unit, args) : NULL;
	if (!drive)
		mp_mon_fail(call, MP_MON_GENERIC, "Cannot find device='%s' nor node-name='%s'",
			    device, node);
	else if (mp_qmp_int(args, "size") < 0)
		mp_mon_fail(call, MP_MON_GENERIC, "Parameter 'size' expects a >0 size");
	else
		value = resize(call, unit, drive, (uint64_t)mp_qmp_int(args, "size"));
	json_decref(snapshot);
	return mp_qmp_done(value);
}

/* -- limits ---------------------------------------------------------------------- */

struct limit_names {
	const char *avg, *max, *length;
};

static const struct limit_names bps_names[] = {
	[MP_THROTTLE_TOTAL] = {"bps", "bps_max", "bps_max_length"},
	[MP_THROTTLE_READ] = {"bps_rd", "bps_rd_max", "bps_rd_max_length"},
	[MP_THROTTLE_WRITE] = {"bps_wr", "bps_wr_max", "bps_wr_max_length"},
};
static const struct limit_names iops_names[] = {
	[MP_THROTTLE_TOTAL] = {"iops", "iops_max", "iops_max_length"},
	[MP_THROTTLE_READ] = {"iops_rd", "iops_rd_max", "iops_rd_max_length"},
	[MP_THROTTLE_WRITE] = {"iops_wr", "iops_wr_max", "iops_wr_max_length"},
};

static struct mp_blk_limit limit_of(const struct limit_names *names, const json_t *args)
{
	return (struct mp_blk_limit){
		.avg = (uint64_t)mp_qmp_int(args, names->avg),
		.max = (uint64_t)mp_qmp_int(args, names->max),
		.max_length = (uint64_t)mp_qmp_int(args, names->length),
	};
}

static struct mp_blk_throttle throttle_of(const json_t *args)
{
	struct mp_blk_throttle t = {.iops_size = (uint64_t)mp_qmp_int(args, "iops_size")};

	for (unsigned int i = 0; i < MP_THROTTLE_N_SCOPES; i++) {
		t.bps[i] = limit_of(&bps_names[i], args);
		t.iops[i] = limit_of(&iops_names[i], args);
	}
	return t;
}

/* One that isn't given is a second. */
static bool has_empty_burst(const json_t *args)
{
	bool has = false;

	for (unsigned int i = 0; i < MP_THROTTLE_N_SCOPES; i++) {
		const json_t *bps = json_object_get(args, bps_names[i].length);
		const json_t *iops = json_object_get(args, iops_names[i].length);

		has |= (bps && json_integer_value(bps) == 0) ||
		       (iops && json_integer_value(iops) == 0);
	}
	return has;
}

const char *mp_qmp_group(const json_t *unit)
{
	const json_t *medium = json_object_get(unit, "medium");

	return mp_qmp_text(json_object_get(medium, "throttle"), "group");
}

/* The group that was asked for, or is it already, or else one of its own by QEMU's name. */
static json_t *set_limits(struct mp_mon_call *call, const json_t *unit, const json_t *args,
			  const struct mp_blk_throttle *t)
{
	struct mp_opt_throttle limits = mp_throttle_opt_of(t);
	const char *group = mp_qmp_text(args, "group");

	if (!*group)
		group = mp_qmp_group(unit);
	if (!*group)
		group = mp_qmp_text(args, *mp_qmp_text(args, "id") ? "id" : "device");
	limits.group = group;
	return mp_qmp_worker(call, "throttle",
			     json_pack("{s:I, s:o}", "unit", mp_qmp_int(unit, "unit"), "throttle",
				       mp_throttle_to_json(&limits)));
}

json_t *mp_qmp_set_io_throttle(struct mp_mon_call *call, const json_t *args)
{
	struct mp_blk_throttle t = throttle_of(args);
	json_t *snapshot = mp_qmp_snapshot(call), *unit, *value = NULL;
	const char *why;

	unit = snapshot ? mp_qmp_find_unit(call, snapshot, args) : NULL;
	if (unit && !json_is_object(json_object_get(unit, "medium")))
		mp_mon_fail(call, MP_MON_GENERIC, "Device has no medium");
	else if (unit && mp_throttle_check(&t, &why) < 0)
		mp_mon_fail(call, MP_MON_GENERIC, "%s", why);
	else if (unit && has_empty_burst(args))
		mp_mon_fail(call, MP_MON_GENERIC, "the burst length cannot be 0");
	else if (unit)
		value = set_limits(call, unit, args, &t);
	json_decref(snapshot);
	return mp_qmp_done(value);
}
