/* SPDX-License-Identifier: BSD-3-Clause */
#include "remote-worker/monitor/qmp.h"

#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "remote-worker/supervisor/daemon.h"

#define BYTES_PER_STAT_BLOCK 512

/* -- which disk? ---------------------------------------------------------------- */

const char *mp_qmp_drive_name(struct mp_monitor *m, const json_t *unit)
{
	const char *name = mp_qmp_text(unit, "drive");

	for (unsigned int i = 0; i < m->cmd->n_drives; i++)
		if (*name && strcmp(m->cmd->drive[i].id, name) == 0)
			return name;
	return *name && mp_hotplug_has_drive(&m->hotplug, name) ? name : "";
}

const char *mp_qmp_qdev(const json_t *unit, char room[64])
{
	const char *id = mp_qmp_text(unit, "id");

	if (*id)
		return id;
	snprintf(room, 64, "/machine/peripheral-anon/device[%d]", (int)mp_qmp_int(unit, "unit"));
	return room;
}

static bool has_id(const json_t *unit, const char *id)
{
	static const char path[] = "/machine/peripheral/";
	char room[64];

	if (strncmp(id, path, sizeof(path) - 1) == 0)
		id += sizeof(path) - 1;
	return strcmp(mp_qmp_qdev(unit, room), id) == 0;
}

static bool is_there(const json_t *unit)
{
	return !mp_qmp_bool(unit, "leaving");
}

static json_t *no_such_unit(struct mp_mon_call *call, const json_t *snapshot, const char *name)
{
	json_t *adapter;
	size_t i;

	json_array_foreach(mp_qmp_list(snapshot, "devices"), i, adapter)
	{
		if (has_id(adapter, name))
			return mp_mon_fail(call, MP_MON_GENERIC,
					   "Device does not have a block device backend");
	}
	return mp_mon_fail(call, MP_MON_DEVICE_NOT_FOUND, "Device '%s' not found", name);
}

json_t *mp_qmp_find_unit(struct mp_mon_call *call, const json_t *snapshot, const json_t *args)
{
	const char *device = json_string_value(json_object_get(args, "device"));
	const char *id = json_string_value(json_object_get(args, "id"));
	json_t *unit;
	size_t i;

	if (!device == !id)
		return mp_mon_fail(call, MP_MON_GENERIC, "Need exactly one of 'device' and 'id'");
	json_array_foreach(mp_qmp_list(snapshot, "units"), i, unit)
	{
		if (!is_there(unit))
			continue;
		if (device && *device && strcmp(mp_qmp_drive_name(call->opaque, unit), device) == 0)
			return unit;
		if (id && has_id(unit, id))
			return unit;
	}
	return id ? no_such_unit(call, snapshot, id)
		  : mp_mon_fail(call, MP_MON_DEVICE_NOT_FOUND, "Device '%s' not found", device);
}

json_t *mp_qmp_find_node(struct mp_monitor *m, const json_t *snapshot, const char *device,
			 const char *node)
{
	json_t *unit, *medium;
	size_t i;

	json_array_foreach(mp_qmp_list(snapshot, "units"), i, unit)
	{
		medium = json_object_get(unit, "medium");
		if (!is_there(unit) || !json_is_object(medium))
			continue;
		if (device && *device && strcmp(mp_qmp_drive_name(m, unit), device) == 0)
			return unit;
		if (node && *node &&
		    (strcmp(mp_qmp_text(medium, "node"), node) == 0 ||
		     strcmp(mp_qmp_node_name(m, mp_qmp_text(medium, "node")), node) == 0))
			return unit;
	}
	return NULL;
}

/* -- query-block -------------------------------------------------------------------- */

/* Of our own command line, or a monitor's: its file is one that we may look at. */
const struct mp_opt_drive *mp_qmp_drive(struct mp_monitor *m, const char *node)
{
	const struct mp_opt_drive *live = mp_hotplug_drive(&m->hotplug, node);

	/* A node of our own command line may have gone, and this one has its name. */
	for (unsigned int i = 0; !live && i < m->cmd->n_drives; i++)
		if (m->cmd->drive[i].node_name && strcmp(m->cmd->drive[i].node_name, node) == 0)
			return &m->cmd->drive[i];
	return live;
}

const char *mp_qmp_node_name(struct mp_monitor *m, const char *node)
{
	const struct mp_opt_drive *d = mp_qmp_drive(m, node);

	return d ? mp_opt_drive_node(d) : node;
}

static const char *format_of(const struct mp_opt_drive *d, const json_t *medium)
{
	if (strcmp(mp_qmp_text(medium, "kind"), "null") == 0)
		return "null-co";
	return d && d->format ? d->format : "raw";
}

/* What a storage daemon says of its nodes; NULL: nothing, which is no reason to fail. */
static json_t *served_nodes(struct mp_monitor *m, const char *top)
{
	struct mp_daemon *daemon = mp_supervisor_daemon(m->sup, top);
	json_t *nodes = NULL;
	char error[512];

	if (!daemon ||
	    mp_daemon_command(daemon, "query-named-block-nodes", NULL, &nodes, error) < 0)
		return NULL;
	return nodes;
}

static json_t *image(const struct mp_opt_drive *d, const json_t *medium)
{
	json_t *j = json_pack("{s:I, s:s, s:s, s:b}", "virtual-size", mp_qmp_int(medium, "size"),
			      "filename", mp_qmp_text(medium, "file"), "format",
			      format_of(d, medium), "dirty-flag", 0);
	struct stat st;

	if (d && d->kind == MP_DRIVE_RAW && d->file && stat(d->file, &st) == 0 &&
	    S_ISREG(st.st_mode))
		json_object_set_new(j, "actual-size",
				    json_integer((json_int_t)st.st_blocks * BYTES_PER_STAT_BLOCK));
	return j;
}

/* A node has nothing of a write cache: that is its disk's. */
static json_t *cache(const json_t *medium)
{
	return json_pack("{s:b, s:b, s:b}", "no-flush", mp_qmp_bool(medium, "no-flush"), "direct",
			 mp_qmp_bool(medium, "direct"), "writeback", 1);
}

/* What is only there when it was set: QEMU's rule, too. */
static void put_bursts(json_t *j, const json_t *throttle)
{
	static const struct {
		const char *ours, *max, *length;
	} limits[] = {
		{"bps_total", "bps_max", "bps_max_length"},
		{"bps_read", "bps_rd_max", "bps_rd_max_length"},
		{"bps_write", "bps_wr_max", "bps_wr_max_length"},
		{"iops_total", "iops_max", "iops_max_length"},
		{"iops_read", "iops_rd_max", "iops_rd_max_length"},
		{"iops_write", "iops_wr_max", "iops_wr_max_length"},
	};
	char name[48];
	json_int_t length;

	for (size_t i = 0; i < sizeof(limits) / sizeof(limits[0]); i++) {
		snprintf(name, sizeof(name), "%s.max", limits[i].ours);
		if (mp_qmp_int(throttle, name) == 0)
			continue;
		json_object_set_new(j, limits[i].max, json_integer(mp_qmp_int(throttle, name)));
		snprintf(name, sizeof(name), "%s.max_length", limits[i].ours);
		length = mp_qmp_int(throttle, name);
		json_object_set_new(j, limits[i].length, json_integer(length ? length : 1));
	}
	if (mp_qmp_int(throttle, "iops_size"))
		json_object_set_new(j, "iops_size",
				    json_integer(mp_qmp_int(throttle, "iops_size")));
}

static void put_throttle(json_t *j, const json_t *throttle)
{
	static const char *const names[][2] = {
		{"bps", "bps_total.avg"},     {"bps_rd", "bps_read.avg"},
		{"bps_wr", "bps_write.avg"},  {"iops", "iops_total.avg"},
		{"iops_rd", "iops_read.avg"}, {"iops_wr", "iops_write.avg"},
	};

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		json_object_set_new(j, names[i][0],
				    json_integer(mp_qmp_int(throttle, names[i][1])));
	put_bursts(j, throttle);
}

/* Members that are there, of the same names. */
static void copy_members(json_t *to, const json_t *from, const char *const *names, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (json_object_get(from, names[i]))
			json_object_set(to, names[i], json_object_get(from, names[i]));
}

/* A storage daemon knows better. */
static void put_served(struct mp_monitor *m, const char *node, json_t *j)
{
	static const char *const members[] = {
		"file",          "drv",       "backing_file", "backing_file_depth",
		"dirty-bitmaps", "encrypted", "image"};
	static const char *const of_cache[] = {"direct", "no-flush"};
	json_t *nodes = served_nodes(m, node), *n;
	size_t i;

	json_array_foreach(nodes, i, n)
	{
		if (strcmp(mp_qmp_text(n, "node-name"), node) != 0)
			continue;
		copy_members(j, n, members, sizeof(members) / sizeof(members[0]));
		copy_members(json_object_get(j, "cache"), json_object_get(n, "cache"), of_cache, 2);
		/* Else it is done before the daemon. */
		if (strcmp(mp_qmp_text(j, "detect_zeroes"), "off") == 0)
			json_object_set(j, "detect_zeroes", json_object_get(n, "detect_zeroes"));
	}
	json_decref(nodes);
}

/* Without limits, which aren't the node's. */
static json_t *node(struct mp_monitor *m, const json_t *unit)
{
	const json_t *medium = json_object_get(unit, "medium");
	const char *name = mp_qmp_text(medium, "node");
	const struct mp_opt_drive *d = mp_qmp_drive(m, name);
	json_t *j;

	j = json_pack("{s:s, s:s, s:s, s:b, s:s, s:i, s:b, s:i, s:o, s:o}", "file",
		      mp_qmp_text(medium, "file"), "node-name", name, "drv", format_of(d, medium),
		      "ro", mp_qmp_bool(medium, "read-only"), "detect_zeroes",
		      mp_qmp_text(medium, "detect-zeroes"), "backing_file_depth", 0, "encrypted", 0,
		      "write_threshold", 0, "cache", cache(medium), "image", image(d, medium));
	if (d && d->kind == MP_DRIVE_DAEMON)
		put_served(m, name, j);
	return j;
}

/* A filter has its own name; the rest is as of the node that it shows. */
static void put_filter(struct mp_monitor *m, json_t *j)
{
	const struct mp_opt_drive *d = mp_qmp_drive(m, mp_qmp_text(j, "node-name"));

	if (!d || !d->filter)
		return;
	json_object_set_new(j, "node-name", json_string(d->filter));
	json_object_set_new(j, "drv", json_string("throttle"));
}

/* A unit's medium as "inserted" of query-block; its top node. */
static json_t *inserted(struct mp_monitor *m, const json_t *unit)
{
	json_t *j = node(m, unit);

	put_filter(m, j);
	put_throttle(j, json_object_get(json_object_get(unit, "medium"), "throttle"));
	if (*mp_qmp_group(unit))
		json_object_set_new(j, "group", json_string(mp_qmp_group(unit)));
	return j;
}

static const char *io_status(struct mp_monitor *m, const json_t *unit)
{
	static const char *const names[] = {
		[MP_IO_OK] = "ok", [MP_IO_FAILED] = "failed", [MP_IO_NOSPACE] = "nospace"};
	json_int_t n = mp_qmp_int(unit, "unit");
	uint8_t status = MP_IO_OK;

	pthread_mutex_lock(&m->lock);
	if (n >= 0 && n < (json_int_t)MP_MONITOR_MAX_UNITS)
		status = m->io_status[n];
	pthread_mutex_unlock(&m->lock);
	return names[status];
}

/* QEMU's rule, too: the status is of those that an error can stop. */
static bool has_io_status(const json_t *unit)
{
	const char *werror = mp_qmp_text(unit, "werror");

	return strcmp(werror, "enospc") == 0 || strcmp(werror, "stop") == 0 ||
	       strcmp(mp_qmp_text(unit, "rerror"), "stop") == 0;
}

static void add_block(struct mp_monitor *m, const json_t *unit, json_t *list)
{
	const json_t *medium = json_object_get(unit, "medium");
	char room[64];
	json_t *j, *in;

	j = json_pack("{s:s, s:s, s:s, s:b, s:b}", "device", mp_qmp_drive_name(m, unit), "qdev",
		      mp_qmp_qdev(unit, room), "type", "unknown", "locked",
		      mp_qmp_bool(unit, "locked"), "removable", mp_qmp_bool(unit, "removable"));
	if (has_io_status(unit))
		json_object_set_new(j, "io-status", json_string(io_status(m, unit)));
	if (mp_qmp_bool(unit, "cd"))
		json_object_set_new(j, "tray_open", json_boolean(mp_qmp_bool(unit, "tray-open")));
	if (json_is_object(medium)) {
		in = inserted(m, unit);
		json_object_set_new(json_object_get(in, "cache"), "writeback",
				    json_boolean(mp_qmp_bool(unit, "write-cache")));
		json_object_set_new(j, "inserted", in);
	}
	json_array_append_new(list, j);
}

/* A list of what each unit adds. */
static json_t *for_each(struct mp_mon_call *call,
			void (*add)(struct mp_monitor *m, const json_t *unit, json_t *list))
{
	json_t *snapshot = mp_qmp_snapshot(call), *list, *unit;
	size_t i;

	if (!snapshot)
		return NULL;
	list = json_array();
	json_array_foreach(mp_qmp_list(snapshot, "units"), i, unit)
	{
		if (is_there(unit))
			add(call->opaque, unit, list);
	}
	json_decref(snapshot);
	return list;
}

json_t *mp_qmp_query_block(struct mp_mon_call *call, const json_t *args)
{
	return for_each(call, add_block);
}

/* -- nodes ----------------------------------------------------------------------------- */

/* What a raw node has below it: its driver; NULL: nothing, or a storage daemon knows it. */
static const char *driver_below(struct mp_monitor *m, const json_t *unit)
{
	const json_t *medium = json_object_get(unit, "medium");
	const struct mp_opt_drive *d = mp_qmp_drive(m, mp_qmp_text(medium, "node"));
	struct stat st;

	if (!d || (d->kind != MP_DRIVE_RAW && d->kind != MP_DRIVE_NBD))
		return NULL;
	if (d->below)
		return d->below;
	if (d->kind != MP_DRIVE_RAW || !d->id[0] || !d->file)
		return NULL;
	return stat(d->file, &st) == 0 && S_ISBLK(st.st_mode) ? "host_device" : "file";
}

/* The name that nobody gave begins as QEMU's do. */
static const char *name_below(struct mp_monitor *m, const json_t *unit, char room[64])
{
	const char *name = mp_qmp_text(json_object_get(unit, "medium"), "node");
	const struct mp_opt_drive *d = mp_qmp_drive(m, name);

	if (d && d->below_name)
		return d->below_name;
	snprintf(room, 64, "#%.31s.file", name);
	return room;
}

static json_t *node_below(struct mp_monitor *m, const json_t *unit)
{
	const char *driver = driver_below(m, unit);
	char room[64];
	json_t *j = node(m, unit);

	json_object_set_new(j, "node-name", json_string(name_below(m, unit, room)));
	json_object_set_new(j, "drv", json_string(driver));
	json_object_set_new(json_object_get(j, "image"), "format", json_string(driver));
	json_object_set_new(j, "detect_zeroes", json_string("off"));
	put_throttle(j, NULL);
	return j;
}

/* Those below the one on top. */
static void add_served(struct mp_monitor *m, const char *top, json_t *list)
{
	json_t *nodes = served_nodes(m, top), *n;
	size_t i;

	json_array_foreach(nodes, i, n) if (strcmp(mp_qmp_text(n, "node-name"), top) != 0)
		json_array_append(list, n);
	json_decref(nodes);
}

static void add_nodes(struct mp_monitor *m, const json_t *unit, json_t *list)
{
	const json_t *medium = json_object_get(unit, "medium");

	json_t *top, *filter;

	if (!json_is_object(medium))
		return;
	top = node(m, unit);
	put_throttle(top, NULL);
	filter = json_copy(top);
	put_filter(m, filter);
	json_array_append(list, filter);
	if (strcmp(mp_qmp_text(filter, "node-name"), mp_qmp_text(top, "node-name")) != 0)
		json_array_append(list, top);
	json_decref(filter);
	json_decref(top);
	if (driver_below(m, unit))
		json_array_append_new(list, node_below(m, unit));
	add_served(m, mp_qmp_text(medium, "node"), list);
}

json_t *mp_qmp_query_nodes(struct mp_mon_call *call, const json_t *args)
{
	json_t *list = for_each(call, add_nodes), *n;
	size_t i;

	json_array_foreach(list, i, n)
	{
		if (!mp_qmp_bool(args, "flat"))
			continue;
		json_object_del(json_object_get(n, "image"), "backing-image");
		json_object_set_new(n, "backing_file_depth", json_integer(0));
	}
	return list;
}

/* -- query-blockstats ------------------------------------------------------------------ */

static void put_kind(json_t *j, const char *prefix, const json_t *k)
{
	static const char *const names[][2] = {
		{"%s_operations", "ops"},
		{"%s_total_time_ns", "ns"},
		{"failed_%s_operations", "failed"},
		{"invalid_%s_operations", "invalid"},
	};
	char name[48];

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		const char *gap = strchr(names[i][0], '%');

		snprintf(name, sizeof(name), "%.*s%s%s", (int)(gap - names[i][0]), names[i][0],
			 prefix, gap + 2);
		json_object_set_new(j, name, json_integer(mp_qmp_int(k, names[i][1])));
	}
	if (strcmp(prefix, "flush") == 0)
		return;
	snprintf(name, sizeof(name), "%s_bytes", prefix);
	json_object_set_new(j, name, json_integer(mp_qmp_int(k, "bytes")));
	/* Nothing is merged here. */
	snprintf(name, sizeof(name), "%s_merged", prefix);
	json_object_set_new(j, name, json_integer(0));
}

static json_t *device_stats(const json_t *medium)
{
	const json_t *stats = json_object_get(medium, "stats");
	json_t *j = json_pack("{s:b, s:b, s:[], s:I}", "account_invalid", 1, "account_failed", 1,
			      "timed_stats", "wr_highest_offset", mp_qmp_int(stats, "write-end"));

	put_kind(j, "rd", json_object_get(stats, "read"));
	put_kind(j, "wr", json_object_get(stats, "write"));
	put_kind(j, "flush", json_object_get(stats, "flush"));
	put_kind(j, "unmap", json_object_get(stats, "unmap"));
	if (json_object_get(medium, "idle-ns"))
		json_object_set_new(j, "idle_time_ns", json_integer(mp_qmp_int(medium, "idle-ns")));
	return j;
}

/* As QEMU's: a node counts nothing but how far it was written. */
static json_t *node_stats(const json_t *medium)
{
	json_int_t end = mp_qmp_int(json_object_get(medium, "stats"), "write-end");
	json_t *j = device_stats(NULL);

	json_object_update_new(j, json_pack("{s:b, s:b, s:I}", "account_invalid", 0,
					    "account_failed", 0, "wr_highest_offset", end));
	return j;
}

/* What a driver counts of its own. */
static void put_specific(json_t *j, const json_t *unit, const char *driver)
{
	const json_t *stats = json_object_get(json_object_get(unit, "medium"), "stats");
	const json_t *unmap = json_object_get(stats, "unmap");

	if (strcmp(driver, "file") != 0 && strcmp(driver, "host_device") != 0)
		return;
	json_object_set_new(j, "driver-specific",
			    json_pack("{s:s, s:I, s:I, s:I}", "driver", driver, "discard-nb-ok",
				      mp_qmp_int(unmap, "ops"), "discard-nb-failed",
				      mp_qmp_int(unmap, "failed"), "discard-bytes-ok",
				      mp_qmp_int(unmap, "bytes")));
}

static json_t *stats_below(struct mp_monitor *m, const json_t *unit)
{
	char room[64];
	json_t *j = json_pack("{s:s, s:o}", "node-name", name_below(m, unit, room), "stats",
			      node_stats(json_object_get(unit, "medium")));

	put_specific(j, unit, driver_below(m, unit));
	return j;
}

/* What belongs to the node on top, wherever it is shown. */
static void put_top(struct mp_monitor *m, const json_t *unit, json_t *j)
{
	const json_t *medium = json_object_get(unit, "medium");
	const char *name = mp_qmp_text(medium, "node");

	json_object_set_new(j, "node-name", json_string(mp_qmp_node_name(m, name)));
	put_specific(j, unit, format_of(mp_qmp_drive(m, name), medium));
	if (driver_below(m, unit))
		json_object_set_new(j, "parent", stats_below(m, unit));
}

static void add_node_stats(struct mp_monitor *m, const json_t *unit, json_t *list)
{
	const json_t *medium = json_object_get(unit, "medium");
	json_t *j;

	if (!json_is_object(medium))
		return;
	if (driver_below(m, unit))
		json_array_append_new(list, stats_below(m, unit));
	j = json_pack("{s:o}", "stats", node_stats(medium));
	put_top(m, unit, j);
	json_array_append_new(list, j);
}

static void add_stats(struct mp_monitor *m, const json_t *unit, json_t *list)
{
	const json_t *medium = json_object_get(unit, "medium");
	char room[64];
	json_t *j;

	j = json_pack("{s:s, s:s, s:o}", "device", mp_qmp_drive_name(m, unit), "qdev",
		      mp_qmp_qdev(unit, room), "stats", device_stats(medium));
	if (json_is_object(medium))
		put_top(m, unit, j);
	json_array_append_new(list, j);
}

json_t *mp_qmp_query_blockstats(struct mp_mon_call *call, const json_t *args)
{
	return for_each(call, mp_qmp_bool(args, "query-nodes") ? add_node_stats : add_stats);
}
