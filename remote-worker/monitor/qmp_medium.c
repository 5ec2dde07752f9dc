/* SPDX-License-Identifier: BSD-3-Clause */
#include "remote-worker/monitor/qmp.h"

#include <stdio.h>
#include <string.h>

json_t *mp_qmp_find_cd(struct mp_mon_call *call, const json_t *args, json_t **ret_snapshot)
{
	json_t *snapshot = mp_qmp_snapshot(call);
	json_t *unit = snapshot ? mp_qmp_find_unit(call, snapshot, args) : NULL;
	const char *name = mp_qmp_text(args, *mp_qmp_text(args, "id") ? "id" : "device");

	if (unit && !mp_qmp_bool(unit, "cd")) {
		mp_mon_fail(call, MP_MON_GENERIC, "Device '%s' is not removable", name);
		unit = NULL;
	}
	if (!unit) {
		json_decref(snapshot);
		return NULL;
	}
	*ret_snapshot = snapshot;
	return unit;
}

static bool check_lock(struct mp_mon_call *call, const json_t *unit, const json_t *args)
{
	if (!mp_qmp_bool(unit, "locked") || mp_qmp_bool(args, "force"))
		return true;
	mp_mon_fail(call, MP_MON_GENERIC,
		    "Device '%s' is locked and force was not specified, wait for tray to open and "
		    "try again",
		    mp_qmp_text(args, *mp_qmp_text(args, "id") ? "id" : "device"));
	return false;
}

static json_t *unit_args(const json_t *unit, const json_t *args)
{
	return json_pack("{s:I, s:b}", "unit", mp_qmp_int(unit, "unit"), "force",
			 mp_qmp_bool(args, "force"));
}

/*
 * A locked tray: the guest hears of the wish, as from the button, and may open it
 * by itself. The worker refuses then, which is its way to press the button.
 */
json_t *mp_qmp_ask_guest(struct mp_mon_call *call, const json_t *unit, const char *what,
			 const json_t *args)
{
	struct mp_mon_call quiet = *call;

	json_decref(mp_qmp_worker(&quiet, what, unit_args(unit, args)));
	check_lock(call, unit, args);
	return NULL;
}

/* The node that a -device began with is free for other drives, or to be deleted. */
void mp_qmp_forget_first(struct mp_monitor *m, const json_t *unit)
{
	const char *drive = mp_qmp_text(unit, "drive");

	if (*drive && !*mp_qmp_drive_name(m, unit))
		mp_line_drop(&m->hotplug.line, "-device", "drive", drive);
}

/* The worker has taken the medium out. */
static json_t *emptied(struct mp_mon_call *call, const json_t *unit, json_t *value)
{
	struct mp_monitor *m = call->opaque;

	if (!value)
		return NULL;
	mp_qmp_forget_insertion(m, unit);
	mp_qmp_forget_first(m, unit);
	mp_hotplug_gone(&m->hotplug, mp_qmp_int(unit, "unit"));
	mp_hotplug_sweep(&m->hotplug);
	return value;
}

/* The tray is open already, and has nothing to tell. */
static json_t *take_out(struct mp_mon_call *call, const json_t *unit, const json_t *args)
{
	json_t *value;

	if (!json_is_object(json_object_get(unit, "medium")))
		return json_object();
	mp_qmp_quiet(call->opaque, unit, true);
	value = mp_qmp_worker(call, "eject", unit_args(unit, args));
	mp_qmp_quiet(call->opaque, unit, false);
	return value;
}

static bool is_kept(const json_t *unit, const json_t *args)
{
	return mp_qmp_bool(unit, "locked") && !mp_qmp_bool(args, "force");
}

json_t *mp_qmp_eject(struct mp_mon_call *call, const json_t *args)
{
	json_t *snapshot, *unit = mp_qmp_find_cd(call, args, &snapshot), *value;

	if (!unit)
		return NULL;
	if (is_kept(unit, args))
		value = mp_qmp_ask_guest(call, unit, "eject", args);
	else
		value = emptied(call, unit,
				mp_qmp_bool(unit, "tray-open")
					? take_out(call, unit, args)
					: mp_qmp_worker(call, "eject", unit_args(unit, args)));
	json_decref(snapshot);
	return mp_qmp_done(value);
}

json_t *mp_qmp_open_tray(struct mp_mon_call *call, const json_t *args)
{
	json_t *snapshot, *unit = mp_qmp_find_cd(call, args, &snapshot), *value;

	if (!unit)
		return NULL;
	if (is_kept(unit, args))
		value = mp_qmp_ask_guest(call, unit, "open-tray", args);
	else if (mp_qmp_bool(unit, "tray-open"))
		value = json_object();
	else
		value = mp_qmp_worker(call, "open-tray", unit_args(unit, args));
	json_decref(snapshot);
	return mp_qmp_done(value);
}

json_t *mp_qmp_close_tray(struct mp_mon_call *call, const json_t *args)
{
	json_t *snapshot, *unit = mp_qmp_find_cd(call, args, &snapshot), *value;

	if (!unit)
		return NULL;
	if (!mp_qmp_bool(unit, "tray-open"))
		value = json_object();
	else if (mp_qmp_is_inserting(call->opaque, unit))
		value = mp_qmp_insert_waiting(call, unit);
	else
		value = mp_qmp_worker(call, "close-tray", unit_args(unit, args));
	json_decref(snapshot);
	return mp_qmp_done(value);
}

json_t *mp_qmp_remove_medium(struct mp_mon_call *call, const json_t *args)
{
	json_t *snapshot, *unit = mp_qmp_find_cd(call, args, &snapshot), *value = NULL;

	if (!unit)
		return NULL;
	if (!mp_qmp_bool(unit, "tray-open"))
		mp_mon_fail(call, MP_MON_GENERIC, "Tray of device '%s' is not open",
			    mp_qmp_text(args, "id"));
	else
		value = emptied(call, unit, take_out(call, unit, args));
	json_decref(snapshot);
	return mp_qmp_done(value);
}
