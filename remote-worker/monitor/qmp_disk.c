/* SPDX-License-Identifier: BSD-3-Clause */
#include "remote-worker/monitor/qmp.h"

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
	struct mp_rpc_error error;

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

/* A name is one disk's alone: the disks of a group would share its limits. */
const char *mp_qmp_group(struct mp_monitor *m, const json_t *unit, char room[64])
{
	const json_t *medium = json_object_get(unit, "medium"), *limit;
	const struct mp_opt_drive *d = mp_qmp_drive(m, mp_qmp_text(medium, "node"));
	const char *name, *given;
	char key[32];
	bool any = false;

	json_object_foreach(json_object_get(medium, "throttle"), name, limit)
		any |= strstr(name, ".avg") != NULL && json_integer_value(limit) != 0;
	if (!any)
		return NULL;
	snprintf(key, sizeof(key), "%d", (int)mp_qmp_int(unit, "unit"));
	given = mp_qmp_text(m->groups, key);
	if (*given)
		return given;
	if (d && d->throttle.group)
		return d->throttle.group;
	return d && d->id[0] ? d->id : mp_qmp_qdev(unit, room);
}

static void name_group(struct mp_monitor *m, const json_t *unit, const char *name)
{
	char key[32];

	snprintf(key, sizeof(key), "%d", (int)mp_qmp_int(unit, "unit"));
	json_object_set_new(m->groups, key, json_string(name));
}

void mp_qmp_forget_group(struct mp_monitor *m, json_int_t unit)
{
	char key[32];

	snprintf(key, sizeof(key), "%d", (int)unit);
	json_object_del(m->groups, key);
}

/* The unit that has a group of this name, but for @self; NULL. */
static const json_t *group_user(struct mp_monitor *m, const json_t *snapshot, const json_t *self,
				const char *name)
{
	const char *group;
	char room[64];
	json_t *unit;
	size_t i;

	json_array_foreach(mp_qmp_list(snapshot, "units"), i, unit)
	{
		group = mp_qmp_group(m, unit, room);
		if (unit != self && group && strcmp(group, name) == 0)
			return unit;
	}
	return NULL;
}

static bool check_group(struct mp_mon_call *call, const json_t *snapshot, const json_t *unit,
			const char *name)
{
	const json_t *other = *name ? group_user(call->opaque, snapshot, unit, name) : NULL;
	char room[64];

	if (!other)
		return true;
	mp_mon_fail(call, MP_MON_GENERIC,
		    "Throttle group '%s' is that of device '%s'; limits that disks share aren't "
		    "supported: give another 'group', or none",
		    name, mp_qmp_qdev(other, room));
	return false;
}

static json_t *set_limits(struct mp_mon_call *call, const json_t *unit, const json_t *args,
			  const struct mp_blk_throttle *t)
{
	const struct mp_opt_throttle limits = mp_throttle_opt_of(t);
	char room[64];
	struct mp_monitor *m = call->opaque;
	bool had_any = mp_qmp_group(m, unit, room) != NULL;
	const char *group = mp_qmp_text(args, "group");
	json_t *value = mp_qmp_worker(call, "throttle",
				      json_pack("{s:I, s:o}", "unit", mp_qmp_int(unit, "unit"),
						"throttle", mp_throttle_to_json(&limits)));

	if (!*group && !had_any)
		group = mp_qmp_text(args, *mp_qmp_text(args, "id") ? "id" : "device");
	if (value && *group)
		name_group(m, unit, group);
	return value;
}

json_t *mp_qmp_set_io_throttle(struct mp_mon_call *call, const json_t *args)
{
	struct mp_blk_throttle t = throttle_of(args);
	json_t *snapshot = mp_qmp_snapshot(call), *unit, *value = NULL;
	const char *why;

	unit = snapshot ? mp_qmp_find_unit(call, snapshot, args) : NULL;
	if (unit && !json_is_object(json_object_get(unit, "medium")))
		mp_mon_fail(call, MP_MON_GENERIC, "Device '%s' has no medium",
			    mp_qmp_text(args, *mp_qmp_text(args, "id") ? "id" : "device"));
	else if (unit && mp_throttle_check(&t, &why) < 0)
		mp_mon_fail(call, MP_MON_GENERIC, "%s", why);
	else if (unit && check_group(call, snapshot, unit, mp_qmp_text(args, "group")))
		value = set_limits(call, unit, args, &t);
	json_decref(snapshot);
	return mp_qmp_done(value);
}
