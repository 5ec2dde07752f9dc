/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A tree of objects is made out of the snapshot for each question: an object
 * here is an object of JSON, with a member for each property:
 *
 *	{NAME: {"type": TYPE, "value": VALUE}}		a property
 *	{NAME: {"type": "child<TYPE>", "object": {...}}}	another object
 */
#include "remote-worker/monitor/qmp.h"

#include <stdio.h>
#include <string.h>

#include "base/cleanup.h"
#include "remote-worker/options/keyval.h"
#include "scsi-target/scsi.h"

static void put(json_t *object, const char *name, const char *type, json_t *value)
{
	json_object_set_new(object, name, json_pack("{s:s, s:o}", "type", type, "value", value));
}

static json_t *new_object(const char *type)
{
	json_t *object = json_object();

	put(object, "type", "string", json_string(type));
	return object;
}

static json_t *add_child(json_t *parent, const char *name, const char *type)
{
	json_t *object = new_object(type);
	char child[64];

	snprintf(child, sizeof(child), "child<%s>", type);
	json_object_set_new(parent, name, json_pack("{s:s, s:o}", "type", child, "object", object));
	return object;
}

static void put_link(json_t *object, const char *name, const char *type, const char *target)
{
	char link[64];

	snprintf(link, sizeof(link), "link<%s>", type);
	put(object, name, link, json_string(target));
}

static void put_device(json_t *object)
{
	put(object, "realized", "bool", json_true());
	put(object, "hotplugged", "bool", json_false());
	put(object, "hotpluggable", "bool", json_true());
}

static const char *type_of(const json_t *unit)
{
	return mp_qmp_bool(unit, "cd") ? "scsi-cd" : "scsi-hd";
}

/* -- disks ----------------------------------------------------------------------------- */

/* What a -device said of itself, or would have: its options, not what came of them. */
static json_t *given(const struct mp_monitor *m, const json_t *unit, const char *name,
		     json_t *otherwise)
{
	const char *id = mp_qmp_text(unit, "id");
	MP_CLEANUP_FREE char *text = *id ? mp_line_get(&m->hotplug.line, "-device", "id", id, name)
					 : NULL;
	uint64_t number;
	json_t *value;
	bool on;

	if (!text)
		return otherwise;
	if (json_is_boolean(otherwise))
		value = mp_parse_bool(text, &on) == 0 ? json_boolean(on) : NULL;
	else if (json_is_integer(otherwise))
		value = mp_parse_uint(text, 0, INT32_MAX, &number) == 0
				? json_integer((json_int_t)number)
				: NULL;
	else
		value = json_string(text);
	if (!value)
		return otherwise;
	json_decref(otherwise);
	return value;
}

const char *mp_qmp_identity(const json_t *unit, const char *name)
{
	const char *text = mp_qmp_text(unit, name);

	if (*text)
		return text;
	if (strcmp(name, "vendor") == 0)
		return MP_SCSI_VENDOR;
	if (strcmp(name, "product") == 0)
		return mp_qmp_bool(unit, "cd") ? MP_SCSI_CD_PRODUCT : MP_SCSI_DISK_PRODUCT;
	return strcmp(name, "version") == 0 ? MP_SCSI_REVISION : "";
}

static void put_identity(struct mp_monitor *m, const json_t *unit, json_t *o)
{
	static const char *const texts[][2] = {{"serial", "serial"},
					       {"vendor", "vendor"},
					       {"product", "product"},
					       {"ver", "version"}};
	const char *name = mp_qmp_identity(unit, "serial");

	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++)
		put(o, texts[i][0], "str", json_string(mp_qmp_identity(unit, texts[i][1])));
	put(o, "wwn", "uint64", json_integer(mp_qmp_int(unit, "wwn")));
	put(o, "device_id", "str",
	    given(m, unit, "device_id", json_string(*name ? name : mp_qmp_drive_name(m, unit))));
}

static void put_policy(const struct mp_monitor *m, const json_t *unit, json_t *o)
{
	static const char *const policies[][2] = {{"rerror", "BlockdevOnError"},
						  {"werror", "BlockdevOnError"},
						  {"write-cache", "OnOffAuto"}};

	for (size_t i = 0; i < sizeof(policies) / sizeof(policies[0]); i++)
		put(o, policies[i][0], policies[i][1],
		    given(m, unit, policies[i][0], json_string("auto")));
	put(o, "bootindex", "int32", given(m, unit, "bootindex", json_integer(-1)));
	put(o, "share-rw", "bool", given(m, unit, "share-rw", json_false()));
}

static void add_disk(struct mp_monitor *m, json_t *parent, const json_t *unit, const char *name)
{
	json_t *o = add_child(parent, name, type_of(unit));
	const json_t *medium = json_object_get(unit, "medium");
	bool is_cd = mp_qmp_bool(unit, "cd");
	char bus[160];

	snprintf(bus, sizeof(bus), "/machine/peripheral/%s/%s.0", mp_qmp_text(unit, "device"),
		 mp_qmp_text(unit, "device"));
	put_device(o);
	put_link(o, "parent_bus", "bus", bus);
	put(o, "drive", "str", json_string(mp_qmp_text(unit, "drive")));
	put(o, "scsi-id", "uint32", json_integer(mp_qmp_int(unit, "scsi-id")));
	put(o, "lun", "uint32", json_integer(mp_qmp_int(unit, "lun")));
	put(o, "channel", "uint32", json_integer(0));
	if (!is_cd)
		put(o, "removable", "bool", json_boolean(mp_qmp_bool(unit, "removable")));
	put(o, "logical_block_size", "size",
	    json_integer(is_cd ? 2048 : mp_qmp_int(medium, "block-size")));
	put_identity(m, unit, o);
	put_policy(m, unit, o);
}

/* -- the tree --------------------------------------------------------------------------- */

/* The bus of an adapter, with a link to each unit on it. */
static void add_bus(json_t *adapter, const char *id, const json_t *units)
{
	char name[80], child[32], target[160], room[64];
	json_t *bus, *unit;
	unsigned int n = 0;
	size_t i;

	snprintf(name, sizeof(name), "%s.0", id);
	bus = add_child(adapter, name, "SCSI");
	put(bus, "realized", "bool", json_true());
	json_array_foreach(units, i, unit)
	{
		const char *unit_id = mp_qmp_text(unit, "id");

		if (strcmp(mp_qmp_text(unit, "device"), id) != 0)
			continue;
		snprintf(child, sizeof(child), "child[%u]", n++);
		snprintf(target, sizeof(target), "%s%s", *unit_id ? "/machine/peripheral/" : "",
			 mp_qmp_qdev(unit, room));
		put_link(bus, child, type_of(unit), target);
	}
}

static void add_adapters(json_t *peripheral, const json_t *snapshot)
{
	json_t *device, *o;
	char addr[32];
	size_t i;

	json_array_foreach(mp_qmp_list(snapshot, "devices"), i, device)
	{
		const char *id = mp_qmp_text(device, "id");

		o = add_child(peripheral, id, "lsi53c895a");
		put_device(o);
		snprintf(addr, sizeof(addr), "%02zu.0", i);
		put(o, "addr", "int32", json_integer((json_int_t)(i << 3)));
		put(o, "legacy-addr", "str", json_string(addr));
		put(o, "multifunction", "bool", json_false());
		put(o, "romfile", "str", json_string(""));
		put(o, "rombar", "uint32", json_integer(0));
		add_bus(o, id, mp_qmp_list(snapshot, "units"));
	}
}

static void add_disks(struct mp_monitor *m, json_t *peripheral, json_t *anonymous,
		      const json_t *snapshot)
{
	json_t *unit;
	char name[32];
	size_t i;

	json_array_foreach(mp_qmp_list(snapshot, "units"), i, unit)
	{
		snprintf(name, sizeof(name), "device[%d]", (int)mp_qmp_int(unit, "unit"));
		if (mp_qmp_bool(unit, "leaving"))
			continue;
		if (*mp_qmp_text(unit, "id"))
			add_disk(m, peripheral, unit, mp_qmp_text(unit, "id"));
		else
			add_disk(m, anonymous, unit, name);
	}
}

static void add_chardevs(json_t *chardevs, const struct mp_cmdline *cmd)
{
	for (unsigned int i = 0; i < cmd->n_monitors; i++)
		add_child(chardevs, cmd->monitor[i].id,
			  cmd->monitor[i].is_stdio ? "chardev-stdio" : "chardev-socket");
}

static json_t *make_tree(struct mp_monitor *m, const json_t *snapshot)
{
	json_t *root = new_object("container"), *machine, *peripheral, *anonymous;

	machine = add_child(root, "machine", "x-remote-machine");
	peripheral = add_child(machine, "peripheral", "container");
	anonymous = add_child(machine, "peripheral-anon", "container");
	add_child(machine, "unattached", "container");
	add_adapters(peripheral, snapshot);
	add_disks(m, peripheral, anonymous, snapshot);
	add_child(root, "objects", "container");
	add_chardevs(add_child(root, "chardevs", "container"), m->cmd);
	return root;
}

/* Down from an object; "" is the object itself. */
static json_t *walk(json_t *object, const char *path)
{
	char name[128];
	size_t n;

	for (path += strspn(path, "/"); object && *path; path += strspn(path, "/")) {
		n = strcspn(path, "/");
		if (n >= sizeof(name))
			return NULL;
		memcpy(name, path, n);
		name[n] = 0;
		path += n;
		object = json_object_get(json_object_get(object, name), "object");
	}
	return object;
}

/* Every object from which the path goes on; counts them, and keeps one. */
static void search(json_t *object, const char *path, unsigned int *n, json_t **found)
{
	json_t *at = walk(object, path), *property;
	const char *name;

	if (at && at != object) {
		(*n)++;
		*found = at;
	}
	json_object_foreach(object, name, property) if (json_object_get(property, "object"))
		search(json_object_get(property, "object"), path, n, found);
}

static json_t *resolve(struct mp_mon_call *call, json_t *root, const char *path)
{
	json_t *found = NULL;
	unsigned int n = 0;

	if (path[0] == '/')
		found = walk(root, path);
	else
		search(root, path, &n, &found);
	if (n > 1)
		return mp_mon_fail(call, MP_MON_GENERIC,
				   "Path '%s' does not uniquely identify an object", path);
	if (!found)
		mp_mon_fail(call, MP_MON_DEVICE_NOT_FOUND, "Device '%s' not found", path);
	return found;
}

static json_t *list(struct mp_mon_call *call, json_t *object, const json_t *args)
{
	json_t *names = json_array(), *property;
	const char *name;

	json_object_foreach(object, name, property)
		json_array_append_new(names, json_pack("{s:s, s:s}", "name", name, "type",
						       mp_qmp_text(property, "type")));
	return names;
}

static json_t *get(struct mp_mon_call *call, json_t *object, const json_t *args)
{
	const char *name = mp_qmp_text(args, "property");
	json_t *property = json_object_get(object, name);
	json_t *type = json_object_get(json_object_get(object, "type"), "value");

	if (!property)
		return mp_mon_fail(call, MP_MON_GENERIC, "Property '%s.%s' not found",
				   json_string_value(type), name);
	if (!json_object_get(property, "value"))
		return json_sprintf("%s/%s", mp_qmp_text(args, "path"), name);
	return json_incref(json_object_get(property, "value"));
}

static json_t *with_object(struct mp_mon_call *call, const json_t *args,
			   json_t *(*answer)(struct mp_mon_call *call, json_t *object,
					     const json_t *args))
{
	json_t *snapshot = mp_qmp_snapshot(call), *root, *object, *value = NULL;

	if (!snapshot)
		return NULL;
	root = make_tree(call->opaque, snapshot);
	object = resolve(call, root, mp_qmp_text(args, "path"));
	if (object)
		value = answer(call, object, args);
	json_decref(root);
	json_decref(snapshot);
	return value;
}

json_t *mp_qmp_qom_list(struct mp_mon_call *call, const json_t *args)
{
	return with_object(call, args, list);
}

json_t *mp_qmp_qom_get(struct mp_mon_call *call, const json_t *args)
{
	return with_object(call, args, get);
}
