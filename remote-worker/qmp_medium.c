/* SPDX-License-Identifier: BSD-3-Clause */
#include "remote-worker/qmp.h"

#include <stdio.h>
#include <string.h>

/* A removable unit, with the snapshot that it is in; NULL after a failure. */
static json_t *find_cd(struct mp_mon_call *call, const json_t *args, json_t **ret_snapshot)
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
static json_t *ask_guest(struct mp_mon_call *call, const json_t *unit, const char *what,
			 const json_t *args)
{
	struct mp_mon_call quiet = *call;

	json_decref(mp_qmp_worker(&quiet, what, unit_args(unit, args)));
	check_lock(call, unit, args);
	return NULL;
}

static json_t *move(struct mp_mon_call *call, const char *what, const json_t *args)
{
	json_t *snapshot, *unit = find_cd(call, args, &snapshot), *value = NULL;
	bool locked;

	if (!unit)
		return NULL;
	locked = mp_qmp_bool(unit, "locked") && !mp_qmp_bool(args, "force");
	if (locked && strcmp(what, "close-tray") != 0)
		value = ask_guest(call, unit, what, args);
	else
		value = mp_qmp_worker(call, what, unit_args(unit, args));
	json_decref(snapshot);
	return mp_qmp_done(value);
}

json_t *mp_qmp_eject(struct mp_mon_call *call, const json_t *args)
{
	return move(call, "eject", args);
}

json_t *mp_qmp_open_tray(struct mp_mon_call *call, const json_t *args)
{
	return move(call, "open-tray", args);
}

json_t *mp_qmp_close_tray(struct mp_mon_call *call, const json_t *args)
{
	return move(call, "close-tray", args);
}

json_t *mp_qmp_remove_medium(struct mp_mon_call *call, const json_t *args)
{
	json_t *snapshot, *unit = find_cd(call, args, &snapshot), *value = NULL;

	if (!unit)
		return NULL;
	if (!mp_qmp_bool(unit, "tray-open"))
		mp_mon_fail(call, MP_MON_GENERIC, "Tray of device '%s' is not open",
			    mp_qmp_text(args, *mp_qmp_text(args, "id") ? "id" : "device"));
	else
		value = mp_qmp_worker(call, "eject", unit_args(unit, args));
	json_decref(snapshot);
	return mp_qmp_done(value);
}
