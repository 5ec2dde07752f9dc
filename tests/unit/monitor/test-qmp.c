/* SPDX-License-Identifier: BSD-3-Clause */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/fdpass.h"
#include "tests/lib/t.h"
#include "tests/unit/monitor/rig.h"

#define OK "{\"return\": {}}"

static struct rig r;
static struct rig_client c, c2;

static const char *error(const char *class, const char *desc)
{
	static char text[2000];

	snprintf(text, sizeof(text), "{\"error\": {\"class\": \"%s\", \"desc\": \"%s\"}}", class,
		 desc);
	return text;
}

static void test_greeting_comes_first(void)
{
	rig_init(&r);
	rig_connect(&r, &c, true);
	rig_start(&r);
	T_STR_EQ(rig_line(&c),
		 "{\"QMP\": {\"version\": {\"qemu\": {\"micro\": 22, \"minor\": 2, \"major\": 7}, "
		 "\"package\": \"pkg\"}, \"capabilities\": [\"oob\"]}}");
	rig_done(&r, &c);
}

static void test_nothing_but_negotiation_comes_before_it(void)
{
	const char *expecting = error("CommandNotFound",
				      "Expecting capabilities negotiation with 'qmp_capabilities'");

	rig_init(&r);
	rig_connect(&r, &c, true);
	rig_start(&r);
	rig_line(&c);
	T_STR_EQ(rig_ask(&c, "{'execute':'echo'}"), expecting);
	T_STR_EQ(rig_ask(&c, "{'execute':'nonexist'}"), expecting);
	rig_done(&r, &c);
}

static void test_negotiation_refuses_what_it_does_not_know(void)
{
	rig_init(&r);
	rig_connect(&r, &c, true);
	rig_start(&r);
	rig_line(&c);
	T_STR_EQ(rig_ask(&c, "{'execute':'qmp_capabilities','arguments':{'enable':['foo']}}"),
		 error("GenericError", "Parameter 'null' does not accept value 'foo'"));
	T_STR_EQ(rig_ask(&c, "{'execute':'qmp_capabilities','arguments':{'enable':'oob'}}"),
		 error("GenericError", "Invalid parameter type for 'enable', expected: array"));
	T_STR_EQ(rig_ask(&c, "{'execute':'qmp_capabilities','arguments':{'enable':[1]}}"),
		 error("GenericError", "Invalid parameter type for 'enable[0]', expected: string"));
	T_STR_EQ(rig_ask(&c, "{'execute':'qmp_capabilities','arguments':{'bar':1}}"),
		 error("GenericError", "Parameter 'bar' is unexpected"));
	T_STR_EQ(rig_ask(&c, "{'execute':'qmp_capabilities'}"), OK);
	T_STR_EQ(rig_ask(&c, "{'execute':'qmp_capabilities'}"),
		 error("CommandNotFound",
		       "Capabilities negotiation is already complete, command ignored"));
	rig_done(&r, &c);
}

static void test_each_malformed_request_has_the_documented_answer(void)
{
	rig_open(&r, &c);
	T_STR_EQ(rig_ask(&c, "bogus\n"),
		 error("GenericError", "JSON parse error, invalid keyword 'bogus'"));
	T_STR_EQ(rig_ask(&c, "[1]"), error("GenericError", "QMP input must be a JSON object"));
	T_STR_EQ(rig_ask(&c, "\"x\""), error("GenericError", "QMP input must be a JSON object"));
	T_STR_EQ(rig_ask(&c, "{'execute':1}"),
		 error("GenericError", "QMP input member 'execute' must be a string"));
	T_STR_EQ(rig_ask(&c, "{'exec-oob':1}"),
		 error("GenericError", "QMP input member 'exec-oob' must be a string"));
	T_STR_EQ(rig_ask(&c, "{'execute':'now','foo':1}"),
		 error("GenericError", "QMP input member 'foo' is unexpected"));
	T_STR_EQ(rig_ask(&c, "{'execute':'now','arguments':{'x':1}}"),
		 error("GenericError", "Parameter 'x' is unexpected"));
	T_STR_EQ(rig_ask(&c, "{'execute':'nonexist'}"),
		 error("CommandNotFound", "The command nonexist has not been found"));
	T_STR_EQ(rig_ask(&c, "{'execute':'now','arguments':[]}"),
		 error("GenericError", "QMP input member 'arguments' must be an object"));
	T_STR_EQ(rig_ask(&c, "{'execute':'now','exec-oob':'now'}"),
		 error("GenericError", "QMP input member 'execute' clashes with 'exec-oob'"));
	T_STR_EQ(rig_ask(&c, "{'exec-oob':'now','execute':'now'}"),
		 error("GenericError", "QMP input member 'execute' clashes with 'exec-oob'"));
	T_STR_EQ(rig_ask(&c, "{}"), error("GenericError", "QMP input lacks member 'execute'"));
	T_STR_EQ(rig_ask(&c, "{'exec-oob':'echo'}"),
		 error("GenericError", "The command echo does not support OOB"));
	T_STR_EQ(rig_ask(&c, "{'execute':'now'}"), OK);
	rig_done(&r, &c);
}

static void test_answers_carry_the_id_or_none(void)
{
	rig_open(&r, &c);
	T_STR_EQ(rig_ask(&c, "{'execute':'now','id':{'a':[1.50,null,'\xc3\xa9']}}"),
		 "{\"return\": {}, \"id\": {\"a\": [1.50, null, \"\xc3\xa9\"]}}");
	T_STR_EQ(rig_ask(&c, "{'id':7,'execute':'nonexist'}"),
		 "{\"error\": {\"class\": \"CommandNotFound\", \"desc\": "
		 "\"The command nonexist has not been found\"}, \"id\": 7}");
	T_STR_EQ(rig_ask(&c, "{'id':8}"), "{\"error\": {\"class\": \"GenericError\", \"desc\": "
					  "\"QMP input lacks member 'execute'\"}, \"id\": 8}");
	T_STR_EQ(rig_ask(&c, "{'execute':'now','\\u0069d':'x'}"),
		 "{\"return\": {}, \"id\": \"x\"}");
	T_STR_EQ(rig_ask(&c, "{'execute':'now'}"), OK);
	rig_done(&r, &c);
}

static void test_commands_answer_in_the_order_of_requests(void)
{
	rig_open(&r, &c);
	rig_send(&c, "{'execute':'echo','arguments':{'text':'1'}}"
		     "{'execute':'fail'}[]"
		     "{'execute':'echo','arguments':{'text':'2'}}");
	T_STR_EQ(rig_line(&c), "{\"return\": \"1\"}");
	T_STR_EQ(rig_line(&c), error("DeviceNotFound", "Device 'x' not found"));
	T_STR_EQ(rig_line(&c), error("GenericError", "QMP input must be a JSON object"));
	T_STR_EQ(rig_line(&c), "{\"return\": \"2\"}");
	rig_done(&r, &c);
}

static void test_out_of_band_overtakes(void)
{
	rig_open(&r, &c);
	rig_send(&c, "{'execute':'wait','id':1}");
	rig_wait_until_running(&r, 1);
	T_STR_EQ(rig_ask(&c, "{'exec-oob':'now','id':2}"), "{\"return\": {}, \"id\": 2}");
	rig_let_go(&r);
	T_STR_EQ(rig_line(&c), "{\"return\": {}, \"id\": 1}");
	rig_done(&r, &c);
}

static void test_out_of_band_must_have_been_enabled(void)
{
	rig_init(&r);
	rig_connect(&r, &c, true);
	rig_start(&r);
	rig_line(&c);
	T_STR_EQ(rig_ask(&c, "{'execute':'qmp_capabilities'}"), OK);
	T_STR_EQ(rig_ask(&c, "{'exec-oob':'now'}"),
		 error("GenericError", "QMP input member 'exec-oob' is unexpected"));
	rig_done(&r, &c);
}

static void test_a_blocked_command_leaves_other_clients_their_connection(void)
{
	rig_init(&r);
	rig_connect(&r, &c, true);
	rig_connect(&r, &c2, true);
	rig_start(&r);
	rig_negotiate(&c);
	rig_negotiate(&c2);
	rig_send(&c, "{'execute':'wait'}");
	rig_wait_until_running(&r, 1);
	T_STR_EQ(rig_ask(&c2, "{'exec-oob':'now'}"), OK);
	rig_send(&c2, "{'execute':'now','id':9}");
	rig_let_go(&r);
	T_STR_EQ(rig_line(&c2), "{\"return\": {}, \"id\": 9}");
	rig_close(&c2);
	rig_done(&r, &c);
}

static const char *without_time(const char *line)
{
	static char text[4096];
	const char *from = strstr(line, "{\"timestamp\": {\"seconds\": "), *to;

	if (!from)
		return line;
	to = strstr(line, "}, ");
	snprintf(text, sizeof(text), "{%s", to ? to + 3 : "");
	return text;
}

static void test_events_go_to_all_who_have_negotiated(void)
{
	rig_init(&r);
	rig_connect(&r, &c, true);
	rig_connect(&r, &c2, true);
	rig_start(&r);
	rig_negotiate(&c);
	rig_line(&c2);
	mp_mon_event(r.mon, "STOP", NULL);
	T_STR_EQ(without_time(rig_line(&c)), "{\"event\": \"STOP\"}");
	T_STR_EQ(rig_ask(&c2, "{'execute':'qmp_capabilities'}"), OK);
	mp_mon_event(r.mon, "RESET", json_pack("{sb}", "guest", 0));
	T_STR_EQ(without_time(rig_line(&c)),
		 "{\"event\": \"RESET\", \"data\": {\"guest\": false}}");
	T_STR_EQ(without_time(rig_line(&c2)),
		 "{\"event\": \"RESET\", \"data\": {\"guest\": false}}");
	rig_close(&c2);
	rig_done(&r, &c);
}

static void test_events_of_a_command_come_before_its_answer(void)
{
	rig_open(&r, &c);
	T_STR_EQ(without_time(rig_ask(&c, "{'execute':'announce','arguments':{'n':1}}")),
		 "{\"event\": \"TICK\", \"data\": {\"i\": 0}}");
	T_STR_EQ(rig_line(&c), OK);
	rig_done(&r, &c);
}

static void test_time_of_events_has_seconds_and_microseconds(void)
{
	json_t *event, *stamp;
	time_t now = time(NULL);

	rig_open(&r, &c);
	mp_mon_event(r.mon, "STOP", NULL);
	event = json_loads(rig_line(&c), 0, NULL);
	stamp = json_object_get(event, "timestamp");
	T_OK(json_integer_value(json_object_get(stamp, "seconds")) >= now);
	T_OK(json_integer_value(json_object_get(stamp, "seconds")) <= now + 60);
	T_OK(json_integer_value(json_object_get(stamp, "microseconds")) < 1000000);
	json_decref(event);
	rig_done(&r, &c);
}

static void send_fd(const char *text, int fd)
{
	struct mp_fds fds = {.fd = &fd, .n = 1};

	T_EQ(mp_fdpass_send(c.fd, text, strlen(text), &fds, mp_clock_ns() + MP_NS_PER_SEC), 0);
}

/* All copies of a pipe's writing end, wherever they are, get closed. */
static void check_no_writer_is_left(int fd)
{
	struct pollfd pfd = {.fd = fd};

	T_EQ(poll(&pfd, 1, RIG_DEADLINE_MS), 1);
	T_EQ(pfd.revents, POLLHUP);
}

static void test_a_passed_fd_has_its_name_until_it_is_closed(void)
{
	int p[2];
	char byte;

	T_EQ(pipe2(p, O_CLOEXEC), 0);
	rig_open(&r, &c);
	T_STR_EQ(rig_ask(&c, "{'execute':'getfd','arguments':{'fdname':'a'}}"),
		 error("GenericError", "No file descriptor supplied via SCM_RIGHTS"));
	send_fd("{'execute':'getfd','arguments':{'fdname':'1a'}}", p[1]);
	T_STR_EQ(rig_line(&c),
		 error("GenericError",
		       "Parameter 'fdname' expects a name not starting with a digit"));
	send_fd("{'execute':'getfd','arguments':{'fdname':'a'}}", p[1]);
	T_STR_EQ(rig_line(&c), OK);
	send_fd("{'execute':'getfd','arguments':{'fdname':'b'}}", p[1]);
	T_STR_EQ(rig_line(&c), OK);
	T_STR_EQ(rig_ask(&c, "{'execute':'take','arguments':{'fdname':'a'}}"),
		 "{\"return\": true}");
	T_EQ(read(p[0], &byte, 1), 1);
	T_STR_EQ(rig_ask(&c, "{'execute':'closefd','arguments':{'fdname':'a'}}"),
		 error("GenericError", "File descriptor named 'a' not found"));
	T_STR_EQ(rig_ask(&c, "{'execute':'closefd','arguments':{'fdname':'b'}}"), OK);
	close(p[1]);
	check_no_writer_is_left(p[0]);
	close(p[0]);
	rig_done(&r, &c);
}

static void test_fds_that_no_command_wants_are_closed(void)
{
	int p[2];

	T_EQ(pipe2(p, O_CLOEXEC), 0);
	rig_open(&r, &c);
	send_fd("{'execute':'now'}", p[1]);
	T_STR_EQ(rig_line(&c), OK);
	close(p[1]);
	check_no_writer_is_left(p[0]);
	close(p[0]);
	rig_done(&r, &c);
}

static void test_fds_beyond_sixteen_in_one_request_are_closed(void)
{
	int p[2];

	T_EQ(pipe2(p, O_CLOEXEC), 0);
	rig_open(&r, &c);
	/* Each comes with a byte of its own: no single read has too many. */
	for (unsigned int i = 0; i < 20; i++)
		send_fd(" ", p[1]);
	T_STR_EQ(rig_ask(&c, "{'execute':'now'}"), OK);
	close(p[1]);
	check_no_writer_is_left(p[0]);
	close(p[0]);
	rig_done(&r, &c);
}

static void test_pretty_is_indented(void)
{
	struct mp_mon_port port = {.is_qmp = true, .pretty = true, .label = "", .filename = ""};
	int sv[2];

	T_EQ(socketpair(AF_UNIX, SOCK_STREAM, 0, sv), 0);
	rig_init(&r);
	T_EQ(mp_mon_create(&r.cfg, &r.mon), 0);
	T_EQ(mp_mon_add_client_take(r.mon, sv[0], sv[0], &port), 0);
	c.fd = sv[1];
	c.n = 0;
	rig_start(&r);
	T_STR_EQ(
		rig_ask(&c, "{'execute':'qmp_capabilities','id':1}"),
		"{\n    \"QMP\": {\n        \"version\": {\n            \"qemu\": {\n                "
		"\"micro\": 22,\n                \"minor\": 2,\n                \"major\": 7\n"
		"            },\n            \"package\": \"pkg\"\n        },\n        "
		"\"capabilities\": [\n            \"oob\"\n        ]\n    }\n}");
	T_STR_EQ(rig_line(&c), "{\n    \"return\": {},\n    \"id\": 1\n}");
	rig_done(&r, &c);
}

static void test_commands_are_listed_from_the_table_that_runs_them(void)
{
	json_t *list, *names;

	rig_open(&r, &c);
	list = json_loads(rig_ask(&c, "{'execute':'query-commands'}"), 0, NULL);
	names = json_object_get(list, "return");
	T_STR_EQ(json_string_value(json_object_get(json_array_get(names, 0), "name")),
		 "qmp_capabilities");
	T_EQ(json_array_size(names), 8 + 9);
	json_decref(list);
	rig_done(&r, &c);
}

static void test_human_commands_run_inside_qmp(void)
{
	rig_open(&r, &c);
	T_STR_EQ(rig_ask(&c, "{'execute':'human-monitor-command','arguments':"
			     "{'command-line':'bogus'}}"),
		 "{\"return\": \"unknown command: 'bogus'\\r\\n\"}");
	T_STR_EQ(rig_ask(&c, "{'execute':'human-monitor-command','arguments':"
			     "{'command-line':'fail'}}"),
		 "{\"return\": \"Error: no such thing\\r\\n\"}");
	T_STR_EQ(rig_ask(&c, "{'execute':'human-monitor-command','arguments':"
			     "{'command-line':''}}"),
		 "{\"return\": \"\"}");
	rig_done(&r, &c);
}

static void test_chardevs_say_whether_somebody_is_connected(void)
{
	rig_open(&r, &c);
	T_STR_EQ(rig_ask(&c, "{'execute':'query-chardev'}"),
		 "{\"return\": [{\"frontend-open\": true, \"filename\": \"unix:x\", "
		 "\"label\": \"label\"}]}");
	rig_done(&r, &c);
}

static void test_what_was_asked_is_answered_though_the_client_said_it_is_done(void)
{
	rig_open(&r, &c);
	rig_send(&c, "{'execute':'echo','arguments':{'text':'last'}}");
	shutdown(c.fd, SHUT_WR);
	T_STR_EQ(rig_line(&c), "{\"return\": \"last\"}");
	T_STR_EQ(rig_line(&c), "(eof)");
	rig_done(&r, &c);
}

static void test_the_end_writes_what_waits(void)
{
	rig_open(&r, &c);
	rig_send(&c, "{'execute':'wait'}");
	rig_wait_until_running(&r, 1);
	rig_let_go(&r);
	r.mon = mp_mon_destroy(r.mon, mp_clock_ns() + 5 * MP_NS_PER_SEC);
	T_STR_EQ(rig_line(&c), OK);
	T_STR_EQ(rig_line(&c), "(eof)");
	rig_done(&r, &c);
}

T_MAIN(T_TEST(test_greeting_comes_first), T_TEST(test_nothing_but_negotiation_comes_before_it),
       T_TEST(test_negotiation_refuses_what_it_does_not_know),
       T_TEST(test_each_malformed_request_has_the_documented_answer),
       T_TEST(test_answers_carry_the_id_or_none),
       T_TEST(test_commands_answer_in_the_order_of_requests), T_TEST(test_out_of_band_overtakes),
       T_TEST(test_out_of_band_must_have_been_enabled),
       T_TEST(test_a_blocked_command_leaves_other_clients_their_connection),
       T_TEST(test_events_go_to_all_who_have_negotiated),
       T_TEST(test_events_of_a_command_come_before_its_answer),
       T_TEST(test_time_of_events_has_seconds_and_microseconds),
       T_TEST(test_a_passed_fd_has_its_name_until_it_is_closed),
       T_TEST(test_fds_that_no_command_wants_are_closed),
       T_TEST(test_fds_beyond_sixteen_in_one_request_are_closed), T_TEST(test_pretty_is_indented),
       T_TEST(test_commands_are_listed_from_the_table_that_runs_them),
       T_TEST(test_human_commands_run_inside_qmp),
       T_TEST(test_chardevs_say_whether_somebody_is_connected),
       T_TEST(test_what_was_asked_is_answered_though_the_client_said_it_is_done),
       T_TEST(test_the_end_writes_what_waits))
