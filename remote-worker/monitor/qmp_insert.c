/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Media of CD-ROM drives. blockdev-insert-medium puts one into an open tray, where
 * the guest doesn't see it: so it is opened and handed over when the tray closes.
 */
#include "remote-worker/monitor/qmp.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"

static json_t *change(struct mp_mon_call *call, const json_t *unit, bool force,
		      const char *const more[])
{
	struct mp_monitor *m = call->opaque;
	struct mp_hotplug *h = &m->hotplug;
	struct mp_live *live;
	json_t *value;

	mp_hotplug_sweep(h);
	live = mp_hotplug_open(call, more);
	if (!live)
		return NULL;
	mp_qmp_quiet(m, unit, true);
	value = mp_hotplug_call(
		call, "medium-change",
		json_pack("{s:I, s:b}", "unit", mp_qmp_int(unit, "unit"), "force", force), live);
	mp_qmp_quiet(m, unit, false);
	if (value) {
		mp_qmp_forget_first(m, unit);
		mp_hotplug_keep(h, live, mp_qmp_int(unit, "unit"));
	} else {
		mp_hotplug_abandon(h, live);
	}
	if (value && !mp_qmp_bool(unit, "tray-open"))
		mp_qmp_say_tray(m, unit, true);
	if (value)
		mp_qmp_say_tray(m, unit, false);
	mp_hotplug_sweep(h);
	return value;
}

/* -- by node -------------------------------------------------------------------------- */

static const char *key_of(const json_t *unit, char room[32])
{
	snprintf(room, 32, "%d", (int)mp_qmp_int(unit, "unit"));
	return room;
}

bool mp_qmp_is_inserting(const struct mp_monitor *m, const json_t *unit)
{
	char room[32];

	return json_object_get(m->inserting, key_of(unit, room)) != NULL;
}

void mp_qmp_forget_insertion(struct mp_monitor *m, const json_t *unit)
{
	char room[32];

	json_object_del(m->inserting, key_of(unit, room));
}

json_t *mp_qmp_insert_waiting(struct mp_mon_call *call, const json_t *unit)
{
	struct mp_monitor *m = call->opaque;
	char room[32], option[128];
	const char *const more[] = {"-device", option, NULL};
	json_t *value;

	snprintf(option, sizeof(option), MP_QMP_NOWHERE "%s",
		 mp_qmp_text(m->inserting, key_of(unit, room)));
	value = change(call, unit, true, more);
	if (value)
		mp_qmp_forget_insertion(m, unit);
	return value;
}

static bool check_node(struct mp_mon_call *call, const json_t *snapshot, const char *node)
{
	char option[128], error[512];
	struct mp_monitor *m = call->opaque;
	const char *const more[] = {"-device", option, NULL};
	struct mp_cmdline *c;

	if (mp_qmp_is_in_use(m, snapshot, node)) {
		mp_mon_fail(call, MP_MON_GENERIC, "Node '%s' is already in use", node);
		return false;
	}
	snprintf(option, sizeof(option), MP_QMP_NOWHERE "%s", node);
	if (strchr(node, ',') ||
	    mp_line_try(&m->hotplug.line, more, &c, error, sizeof(error)) < 0) {
		mp_mon_fail(call, MP_MON_GENERIC, "Node '%s' not found", node);
		return false;
	}
	mp_line_forget(c);
	return true;
}

/* In QEMU's order: the node comes before the tray. */
static json_t *insert(struct mp_mon_call *call, const json_t *snapshot, const json_t *unit,
		      const char *node)
{
	struct mp_monitor *m = call->opaque;
	char room[32];

	if (!check_node(call, snapshot, node))
		return NULL;
	if (!mp_qmp_bool(unit, "cd"))
		return mp_mon_fail(call, MP_MON_GENERIC, "Device is not removable");
	if (!mp_qmp_bool(unit, "tray-open"))
		return mp_mon_fail(call, MP_MON_GENERIC, "Tray of the device is not open");
	if (json_is_object(json_object_get(unit, "medium")) || mp_qmp_is_inserting(m, unit))
		return mp_mon_fail(call, MP_MON_GENERIC, "There already is a medium in the device");
	if (json_object_set_new(m->inserting, key_of(unit, room), json_string(node)) < 0)
		return NULL;
	return json_object();
}

json_t *mp_qmp_insert_medium(struct mp_mon_call *call, const json_t *args)
{
	json_t *snapshot = mp_qmp_snapshot(call), *value = NULL;
	json_t *unit = snapshot ? mp_qmp_find_unit(call, snapshot, args) : NULL;

	if (unit)
		value = insert(call, snapshot, unit, mp_qmp_text(args, "node-name"));
	json_decref(snapshot);
	return value;
}

/* -- by file ---------------------------------------------------------------------------- */

/* A comma in a name is written twice. */
static void put_name(struct mp_mon_buf *out, const char *name)
{
	for (; *name; name++) {
		if (*name == ',')
			mp_mon_buf_add_char(out, ',');
		mp_mon_buf_add_char(out, *name);
	}
}

static json_t *change_to_file(struct mp_mon_call *call, const json_t *unit, const json_t *args)
{
	MP_CLEANUP(mp_mon_buf_fini) struct mp_mon_buf drive = MP_MON_BUF_NULL;
	struct mp_hotplug *h = &((struct mp_monitor *)call->opaque)->hotplug;
	const char *format = mp_qmp_text(args, "format");
	char device[128];
	const char *more[] = {"-drive", NULL, "-device", device, NULL};

	h->n_media++;
	mp_mon_printf(&drive,
		      "id=mpring-medium%u,if=none,media=cdrom,readonly=on,file=", h->n_media);
	put_name(&drive, mp_qmp_text(args, "filename"));
	if (*format) {
		mp_mon_printf(&drive, ",format=");
		put_name(&drive, format);
	}
	more[1] = mp_mon_buf_text(&drive);
	snprintf(device, sizeof(device), MP_QMP_NOWHERE "mpring-medium%u", h->n_media);
	return more[1] ? change(call, unit, mp_qmp_bool(args, "force"), more) : NULL;
}

json_t *mp_qmp_change_medium(struct mp_mon_call *call, const json_t *args)
{
	json_t *snapshot, *unit = mp_qmp_find_cd(call, args, &snapshot), *value = NULL;

	if (!unit)
		return NULL;
	if (strcmp(mp_qmp_text(args, "read-only-mode"), "read-write") == 0)
		mp_mon_fail(call, MP_MON_GENERIC,
			    "A scsi-cd is read-only: read-only-mode=read-write is not possible");
	else if (mp_qmp_bool(unit, "locked") && !mp_qmp_bool(args, "force"))
		value = mp_qmp_ask_guest(call, unit, "eject", args);
	else
		value = change_to_file(call, unit, args);
	if (value)
		mp_qmp_forget_insertion(call->opaque, unit);
	json_decref(snapshot);
	return mp_qmp_done(value);
}
