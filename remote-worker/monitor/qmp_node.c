/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The types of a node's members, of drivers that we have ourselves: what comes as
 * JSON is not as lenient as a command line. What other drivers take, their storage
 * daemon knows.
 */
#include "remote-worker/monitor/qmp.h"

#include <stdio.h>
#include <string.h>

#include "remote-worker/options/blockdev.h"

#define MAX_DEPTH 32u
#define NAME_LEN  256u

struct member {
	const char *name, *expected;
};

static const struct member members[] = {
	{"aio", "string"},           {"aio-max-batch", "integer"}, {"auto-read-only", "boolean"},
	{"cache", "object"},         {"cache.direct", "boolean"},  {"cache.no-flush", "boolean"},
	{"detect-zeroes", "string"}, {"discard", "string"},        {"drop-cache", "boolean"},
	{"export", "string"},        {"file", "BlockdevRef"},      {"filename", "string"},
	{"force-share", "boolean"},  {"locking", "string"},        {"node-name", "string"},
	{"offset", "integer"},       {"pr-manager", "string"},     {"read-only", "boolean"},
	{"read-zeroes", "boolean"},  {"server", "object"},         {"server.host", "string"},
	{"server.path", "string"},   {"server.port", "string"},    {"server.type", "string"},
	{"size", "integer"},         {"throttle-group", "string"}, {"tls-creds", "string"},
	{"tls-hostname", "string"},
};

static bool fits(const json_t *value, const char *expected)
{
	if (strcmp(expected, "string") == 0)
		return json_is_string(value);
	if (strcmp(expected, "integer") == 0)
		return json_is_integer(value);
	if (strcmp(expected, "boolean") == 0)
		return json_is_boolean(value);
	return json_is_object(value) ||
	       (json_is_string(value) && strcmp(expected, "BlockdevRef") == 0);
}

/* @name is "direct" in "cache."; NULL: right, or nothing that we know. */
static const char *expected_of(const char *inside, const char *name, const json_t *value)
{
	char full[NAME_LEN];

	snprintf(full, sizeof(full), "%s%s", inside, name);
	for (size_t i = 0; i < sizeof(members) / sizeof(members[0]); i++)
		if (strcmp(members[i].name, full) == 0)
			return fits(value, members[i].expected) ? NULL : members[i].expected;
	return NULL;
}

/* @inside: what the members of @object have before their names in the table. */
static bool check_members(struct mp_mon_call *call, const char *path, const char *inside,
			  json_t *object)
{
	const char *name, *expected;
	json_t *value;

	json_object_foreach(object, name, value)
	{
		expected = expected_of(inside, name, value);
		if (!expected)
			continue;
		mp_mon_fail(call, MP_MON_GENERIC,
			    "Invalid parameter type for '%s%s%s', expected: %s", path, inside, name,
			    expected);
		return false;
	}
	return true;
}

bool mp_qmp_check_node(struct mp_mon_call *call, const json_t *node)
{
	char path[NAME_LEN] = "";

	for (unsigned int depth = 0; json_is_object(node) && depth < MAX_DEPTH; depth++) {
		const char *driver = mp_qmp_text(node, "driver");
		bool is_ours = mp_node_is_ours(driver) || strcmp(driver, "throttle") == 0;

		if (is_ours &&
		    !(check_members(call, path, "", (json_t *)(uintptr_t)node) &&
		      check_members(call, path, "cache.", json_object_get(node, "cache")) &&
		      check_members(call, path, "server.", json_object_get(node, "server"))))
			return false;
		node = json_object_get(node, "file");
		snprintf(path + strlen(path), sizeof(path) - strlen(path), "file.");
	}
	return true;
}
