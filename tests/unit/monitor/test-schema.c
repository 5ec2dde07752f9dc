/* SPDX-License-Identifier: BSD-3-Clause */
#include <errno.h>

#include "monitor/schema.h"
#include "tests/lib/t.h"
#include "tests/unit/monitor/rig.h"

static struct rig r;
static struct mp_schema schema;

/* "" if they fit, else the error. */
static const char *check_with(const char *name, unsigned int flags, const char *args)
{
	const struct mp_mon_command command = {.name = name, .flags = flags};
	static struct mp_mon_call call;
	json_t *value = json_loads(args, 0, NULL);

	if (!schema.infos) {
		rig_init(&r);
		T_EQ(mp_schema_init(&schema, r.cfg.schema), 0);
	}
	call = (struct mp_mon_call){.opaque = NULL};
	T_EQ(mp_schema_check(&schema, &command, value, &call), !call.error.is_set);
	json_decref(value);
	return call.error.desc;
}

static const char *check(const char *name, const char *args)
{
	return check_with(name, 0, args);
}

static void test_members_must_be_there_unless_they_have_a_default(void)
{
	T_STR_EQ(check("add", "{\"a\":1,\"b\":2}"), "");
	T_STR_EQ(check("add", "{\"a\":1}"), "");
	T_STR_EQ(check("add", "{\"b\":1}"), "Parameter 'a' is missing");
}

static void test_members_must_be_known(void)
{
	T_STR_EQ(check("add", "{\"a\":1,\"c\":2}"), "Parameter 'c' is unexpected");
	T_STR_EQ(check("build", "{\"node\":{\"kind\":\"null\",\"filename\":\"x\"}}"),
		 "Parameter 'node.filename' is unexpected");
}

static void test_an_open_command_takes_more_members_but_not_below(void)
{
	T_STR_EQ(check_with("add", MP_MON_OPEN, "{\"a\":1,\"c\":2}"), "");
	T_STR_EQ(check_with("add", MP_MON_OPEN, "{\"c\":2}"), "Parameter 'a' is missing");
	T_STR_EQ(check_with("build", MP_MON_OPEN, "{\"node\":{\"kind\":\"null\",\"x\":1}}"),
		 "Parameter 'node.x' is unexpected");
}

static void test_types_are_named(void)
{
	T_STR_EQ(check("add", "{\"a\":\"x\"}"),
		 "Invalid parameter type for 'a', expected: integer");
	T_STR_EQ(check("add", "{\"a\":1.5}"), "Invalid parameter type for 'a', expected: integer");
	T_STR_EQ(check("echo", "{\"text\":1}"),
		 "Invalid parameter type for 'text', expected: string");
	T_STR_EQ(check("build", "{\"node\":1}"),
		 "Invalid parameter type for 'node', expected: object");
	T_STR_EQ(check("build", "{\"node\":{\"kind\":\"null\",\"size\":true}}"),
		 "Invalid parameter type for 'node.size', expected: number");
	T_STR_EQ(check("build", "{\"node\":{\"kind\":\"null\"},\"flags\":[true,0]}"),
		 "Invalid parameter type for 'flags[1]', expected: boolean");
	T_STR_EQ(check("build", "{\"node\":{\"kind\":\"null\"},\"flags\":{}}"),
		 "Invalid parameter type for 'flags', expected: array");
}

static void test_a_number_may_be_whole(void)
{
	T_STR_EQ(check("build", "{\"node\":{\"kind\":\"null\",\"size\":1}}"), "");
	T_STR_EQ(check("build", "{\"node\":{\"kind\":\"null\",\"size\":1.5}}"), "");
}

static void test_enums_take_their_values_only(void)
{
	T_STR_EQ(check("build", "{\"node\":{\"kind\":\"x\"}}"),
		 "Parameter 'kind' does not accept value 'x'");
	T_STR_EQ(check("build", "{\"node\":{\"kind\":1}}"),
		 "Invalid parameter type for 'node.kind', expected: string");
}

static void test_a_variant_adds_its_members(void)
{
	T_STR_EQ(check("build", "{\"node\":{\"kind\":\"file\"}}"),
		 "Parameter 'node.filename' is missing");
	T_STR_EQ(check("build", "{\"node\":{\"kind\":\"file\",\"filename\":\"x\"}}"), "");
}

static void test_an_alternate_goes_by_the_type(void)
{
	const char *ok = "{\"node\":{\"kind\":\"file\",\"filename\":\"x\",\"below\":\"y\"}}";

	T_STR_EQ(check("build", ok), "");
	T_STR_EQ(check("build", "{\"node\":{\"kind\":\"file\",\"filename\":\"x\",\"below\":null}}"),
		 "");
	T_STR_EQ(check("build", "{\"node\":{\"kind\":\"file\",\"filename\":\"x\",\"below\":"
				"{\"kind\":\"file\"}}}"),
		 "Parameter 'node.below.filename' is missing");
	T_STR_EQ(check("build", "{\"node\":{\"kind\":\"file\",\"filename\":\"x\",\"below\":1}}"),
		 "Invalid parameter type for 'node.below', expected: NodeOrName");
}

static void test_anything_may_be_anything(void)
{
	T_STR_EQ(check("build", "{\"node\":{\"kind\":\"null\"},\"extra\":[{\"x\":null}]}"), "");
}

static void test_a_path_longer_than_its_room_is_cut(void)
{
	struct mp_mon_buf text = MP_MON_BUF_NULL;

	mp_mon_buf_add_text(&text, "{\"node\":");
	for (unsigned int i = 0; i < 300; i++)
		mp_mon_buf_add_text(&text, "{\"kind\":\"file\",\"filename\":\"x\",\"below\":");
	mp_mon_buf_add_text(&text, "1");
	for (unsigned int i = 0; i < 301; i++)
		mp_mon_buf_add_text(&text, "}");
	T_OK(strstr(check("build", mp_mon_buf_text(&text)), "expected: NodeOrName"));
	mp_mon_buf_fini(&text);
}

static void test_what_is_no_schema_is_refused(void)
{
	struct mp_schema s = MP_SCHEMA_NULL;

	T_EQ(mp_schema_init(&s, "[{\"name\": 1}]"), -EINVAL);
	T_EQ(mp_schema_init(&s, "[1]"), -EINVAL);
	T_EQ(mp_schema_init(&s, "{}"), -EINVAL);
	T_EQ(mp_schema_init(&s, "["), -EINVAL);
}

static void test_memory_is_given_back(void)
{
	mp_schema_fini(&schema);
	rig_fini(&r);
	T_OK(!schema.infos);
}

T_MAIN(T_TEST(test_members_must_be_there_unless_they_have_a_default),
       T_TEST(test_members_must_be_known),
       T_TEST(test_an_open_command_takes_more_members_but_not_below), T_TEST(test_types_are_named),
       T_TEST(test_a_number_may_be_whole), T_TEST(test_enums_take_their_values_only),
       T_TEST(test_a_variant_adds_its_members), T_TEST(test_an_alternate_goes_by_the_type),
       T_TEST(test_anything_may_be_anything), T_TEST(test_a_path_longer_than_its_room_is_cut),
       T_TEST(test_what_is_no_schema_is_refused), T_TEST(test_memory_is_given_back))
