/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Nodes and disks of a running worker. A node is an option -blockdev, a disk an
 * option -device, each checked together with all others (line.h); only when a disk
 * takes it, a node is opened and handed to the worker.
 */
#include "remote-worker/monitor/qmp.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/err.h"
#include "remote-worker/options/id.h"
#include "remote-worker/options/unit_json.h"

#define ERROR_LEN 2048

static struct mp_hotplug *hotplug_of(struct mp_mon_call *call)
{
	struct mp_hotplug *h = &((struct mp_monitor *)call->opaque)->hotplug;

	mp_hotplug_sweep(h);
	return h;
}

/* -- nodes ------------------------------------------------------------------------ */

/* The node in a drive where nothing else is, which says what it means. */
static struct mp_cmdline *try_node(struct mp_mon_call *call, const char *json, const char *node)
{
	struct mp_hotplug *h = hotplug_of(call);
	char device[128];
	const char *const more[] = {"-blockdev", json, "-device", device, NULL};
	struct mp_cmdline *c;
	char error[ERROR_LEN];

	snprintf(device, sizeof(device), MP_QMP_NOWHERE "%s", node);
	if (mp_line_try(&h->line, more, &c, error, sizeof(error)) < 0)
		return mp_mon_fail(call, MP_MON_GENERIC, "%s", error);
	return c;
}

/* The files of a node, all the way down: a name that leads nowhere is told at once. */
static bool check_files(struct mp_mon_call *call, const json_t *node)
{
	const char *name = json_string_value(json_object_get(node, "filename"));
	const char *driver = mp_qmp_text(node, "driver"), *key;
	bool is_local = strcmp(driver, "file") == 0 || strcmp(driver, "host_device") == 0 ||
			strcmp(driver, "host_cdrom") == 0;
	json_t *below;
	int fd;

	if (name && is_local) {
		fd = open(name, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
		if (fd < 0) {
			mp_mon_fail(call, MP_MON_GENERIC, "Could not open '%s': %s", name,
				    strerror(errno));
			return false;
		}
		close(fd);
	}
	json_object_foreach((json_t *)(uintptr_t)node, key,
			    below) if (json_is_object(below) &&
				       !check_files(call, below)) return false;
	return true;
}

json_t *mp_qmp_blockdev_add(struct mp_mon_call *call, const json_t *args)
{
	const char *node = mp_qmp_text(args, "node-name");
	struct mp_hotplug *h = hotplug_of(call);
	MP_CLEANUP_FREE char *json = NULL;
	struct mp_cmdline *c;
	int r;

	if (!*node)
		return mp_mon_fail(call, MP_MON_GENERIC,
				   "'node-name' must be specified for the root node");
	json = json_dumps(args, JSON_COMPACT);
	if (!json)
		return NULL;
	if (!mp_qmp_check_node(call, args) || !check_files(call, args))
		return NULL;
	c = try_node(call, json, node);
	if (!c)
		return NULL;
	mp_line_forget(c);
	r = mp_line_add(&h->line, "-blockdev", json);
	return r < 0 ? NULL : json_object();
}

bool mp_qmp_is_in_use(struct mp_monitor *m, const json_t *snapshot, const char *node)
{
	const json_t *user = mp_qmp_find_node(m, snapshot, NULL, node);
	const char *medium = mp_qmp_text(json_object_get(user, "medium"), "node");
	json_t *waiting;
	const char *unit;

	json_object_foreach(m->inserting, unit,
			    waiting) if (strcmp(json_string_value(waiting), node) == 0) return true;
	return user && strcmp(mp_qmp_node_name(m, medium), node) == 0;
}

/* The line without it, if nothing else in it needs it. */
static json_t *remove_node(struct mp_mon_call *call, const char *node)
{
	MP_CLEANUP(mp_line_fini) struct mp_line without = MP_LINE_NULL;
	static const char *const nothing[] = {NULL};
	struct mp_hotplug *h = hotplug_of(call);
	struct mp_cmdline *c;
	char error[ERROR_LEN];

	if (mp_line_init(&without, h->line.n, h->line.word) < 0)
		return NULL;
	if (mp_line_remove(&without, "-blockdev", "node-name", node) == 0)
		return mp_mon_fail(call, MP_MON_GENERIC, "Failed to find node with node-name='%s'",
				   node);
	if (mp_line_try(&without, nothing, &c, error, sizeof(error)) < 0)
		return mp_mon_fail(call, MP_MON_GENERIC, "Block device %s is in use", node);
	mp_line_forget(c);
	mp_line_remove(&h->line, "-blockdev", "node-name", node);
	return json_object();
}

json_t *mp_qmp_blockdev_del(struct mp_mon_call *call, const json_t *args)
{
	const char *node = mp_qmp_text(args, "node-name");
	json_t *snapshot = mp_qmp_snapshot(call), *value = NULL;

	if (!snapshot)
		return NULL;
	if (mp_qmp_is_in_use(call->opaque, snapshot, node))
		mp_mon_fail(call, MP_MON_GENERIC, "Node %s is in use", node);
	else
		value = remove_node(call, node);
	json_decref(snapshot);
	return value;
}

/* -- disks -------------------------------------------------------------------------- */

/* A value as the command line has it; NULL: it has none for that. */
static char *option_value(const json_t *value)
{
	char number[32], *text;
	size_t n = 0;

	if (json_is_boolean(value))
		return strdup(json_is_true(value) ? "on" : "off");
	if (json_is_integer(value)) {
		snprintf(number, sizeof(number), "%" JSON_INTEGER_FORMAT,
			 json_integer_value(value));
		return strdup(number);
	}
	if (!json_is_string(value))
		return NULL;
	text = malloc(2 * strlen(json_string_value(value)) + 1);
	for (const char *c = json_string_value(value); text && *c; c++) {
		if (*c == ',')
			text[n++] = ',';
		text[n++] = *c;
	}
	if (text)
		text[n] = 0;
	return text;
}

/* "scsi-hd,id=d0,drive=n0"; NULL after a failure. */
static char *device_option(struct mp_mon_call *call, const json_t *args)
{
	struct mp_mon_buf text = MP_MON_BUF_NULL;
	const char *name;
	json_t *member;
	char *value;

	mp_mon_buf_add_text(&text, mp_qmp_text(args, "driver"));
	json_object_foreach((json_t *)(uintptr_t)args, name, member)
	{
		if (strcmp(name, "driver") == 0)
			continue;
		value = option_value(member);
		if (!value || strchr(name, ',') || strchr(name, '=')) {
			free(value);
			mp_mon_buf_fini(&text);
			return mp_mon_fail(call, MP_MON_GENERIC,
					   "Invalid parameter type for '%s', expected: string",
					   name);
		}
		mp_mon_printf(&text, ",%s=%s", name, value);
		free(value);
	}
	mp_mon_buf_text(&text);
	return text.error < 0 ? NULL : text.data;
}

static bool is_adapter(const struct mp_cmdline *cmd, const char *id, size_t len)
{
	for (unsigned int i = 0; i < cmd->n_hbas; i++)
		if (strlen(cmd->hba[i].id) == len && memcmp(cmd->hba[i].id, id, len) == 0)
			return true;
	return false;
}

static bool is_id_taken(const struct mp_cmdline *cmd, const json_t *snapshot, const char *id)
{
	json_t *unit;
	size_t i;

	json_array_foreach(mp_qmp_list(snapshot, "units"), i,
			   unit) if (*id && strcmp(mp_qmp_text(unit, "id"), id) == 0) return true;
	return is_adapter(cmd, id, strlen(id));
}

static bool is_used_by(struct mp_monitor *m, const json_t *unit, const char *drive)
{
	const char *node = mp_qmp_text(json_object_get(unit, "medium"), "node");

	return strcmp(mp_qmp_drive_name(m, unit), drive) == 0 || strcmp(node, drive) == 0 ||
	       strcmp(mp_qmp_node_name(m, node), drive) == 0;
}

static bool is_used(struct mp_monitor *m, const json_t *snapshot, const char *drive)
{
	json_t *unit;
	size_t i;

	json_array_foreach(mp_qmp_list(snapshot, "units"), i,
			   unit) if (*drive && is_used_by(m, unit, drive)) return true;
	return false;
}

/* Without any, a disk has no name. */
static bool is_id_wrong(const json_t *args)
{
	const char *id = json_string_value(json_object_get(args, "id"));

	return id && !mp_id_is_wellformed(id);
}

/* What QEMU says before it looks at properties. */
static bool check_device(struct mp_mon_call *call, const json_t *snapshot, const json_t *args)
{
	const struct mp_monitor *m = call->opaque;
	const struct mp_cmdline *cmd = m->cmd;
	const char *driver = mp_qmp_text(args, "driver"), *bus = mp_qmp_text(args, "bus");
	const char *drive = mp_qmp_text(args, "drive"), *id = mp_qmp_text(args, "id");
	const char *dot = strrchr(bus, '.');

	if (is_id_wrong(args))
		mp_mon_fail(call, MP_MON_GENERIC, "Parameter 'id' expects an identifier");
	else if (strcmp(driver, "lsi53c895a") == 0)
		mp_mon_fail(call, MP_MON_GENERIC, "Bus 'remote-pci' does not support hotplugging");
	else if (strcmp(driver, "scsi-hd") != 0 && strcmp(driver, "scsi-cd") != 0)
		mp_mon_fail(call, MP_MON_GENERIC, "'%s' is not a valid device model name", driver);
	else if (*bus && !(dot && is_adapter(cmd, bus, (size_t)(dot - bus))))
		mp_mon_fail(call, MP_MON_GENERIC, "Bus '%s' not found", bus);
	else if (is_id_taken(cmd, snapshot, id))
		mp_mon_fail(call, MP_MON_GENERIC, "Duplicate device ID '%s'", id);
	else if (strcmp(driver, "scsi-hd") == 0 && !*drive)
		mp_mon_fail(call, MP_MON_GENERIC, "drive property not set");
	else if (is_used(call->opaque, snapshot, drive))
		mp_mon_fail(call, MP_MON_GENERIC, "Drive '%s' is already in use by another device",
			    drive);
	else if (*drive && !mp_line_has_drive(&m->hotplug.line, drive))
		mp_mon_fail(call, MP_MON_GENERIC,
			    "no drive '%s'; blockdev-add makes one, or drive_add of HMP", drive);
	return !call->error.is_set;
}

static json_t *add_device(struct mp_mon_call *call, const json_t *args)
{
	struct mp_hotplug *h = hotplug_of(call);
	MP_CLEANUP_FREE char *option = device_option(call, args);
	const char *const more[] = {"-device", option, NULL};
	struct mp_live *live = option ? mp_hotplug_open(call, more) : NULL;
	json_t *value;

	if (!live)
		return NULL;
	value = json_pack("{s:o}", "disk",
			  mp_disk_to_json(&live->cmd->disk[live->cmd->n_disks - 1]));
	value = mp_hotplug_call(call, "disk-add", value, live);
	if (!value) {
		mp_hotplug_abandon(h, live);
		return NULL;
	}
	mp_hotplug_keep(h, live, mp_qmp_int(value, "unit"));
	/* Without memory the place counts as free, and the worker will know better. */
	mp_line_add(&h->line, "-device", option);
	return mp_qmp_done(value);
}

json_t *mp_qmp_device_add(struct mp_mon_call *call, const json_t *args)
{
	json_t *snapshot = mp_qmp_snapshot(call), *value = NULL;

	if (!snapshot)
		return NULL;
	if (check_device(call, snapshot, args))
		value = add_device(call, args);
	json_decref(snapshot);
	return value;
}

json_t *mp_qmp_device_del(struct mp_mon_call *call, const json_t *args)
{
	struct mp_monitor *m = call->opaque;
	struct mp_hotplug *h = hotplug_of(call);
	const char *id = mp_qmp_text(args, "id");
	json_t *snapshot = mp_qmp_snapshot(call), *unit, *value;

	if (!snapshot)
		return NULL;
	unit = is_adapter(m->cmd, id, strlen(id))
		       ? mp_mon_fail(call, MP_MON_GENERIC,
				     "Bus 'remote-pci' does not support hotplugging")
		       : mp_qmp_find_unit(call, snapshot, args);
	value = unit ? mp_qmp_worker(call, "disk-del",
				     json_pack("{s:I}", "unit", mp_qmp_int(unit, "unit")))
		     : NULL;
	if (value) {
		mp_line_remove(&h->line, "-device", "id", mp_qmp_text(unit, "id"));
		/* A -drive goes with its disk; a node stays. */
		mp_line_remove(&h->line, "-drive", "id", mp_qmp_text(unit, "drive"));
	}
	json_decref(snapshot);
	mp_hotplug_sweep(h);
	return mp_qmp_done(value);
}
