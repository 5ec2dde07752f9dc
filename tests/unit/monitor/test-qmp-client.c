/* SPDX-License-Identifier: BSD-3-Clause */
/* Our client asks our server, and peers that are none. */
#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/fdpass.h"
#include "monitor/qmp_client.h"
#include "tests/lib/t.h"
#include "tests/unit/monitor/rig.h"

#define GREETING "{\"QMP\":{}}\r\n"
#define READY    GREETING "{\"return\":{},\"id\":0}\r\n"

static struct rig r;
static struct rig_client c;
static struct mp_qmp_client q;
static char error[256];

static int ask_within(const char *name, json_t *args, json_t **ret_value, uint64_t ms)
{
	const struct mp_qmp_call call = {.name = name,
					 .args = args,
					 .deadline_ns = mp_clock_ns() + ms * 1000000,
					 .error = error,
					 .error_len = sizeof(error)};
	int ret;

	error[0] = '\0';
	ret = mp_qmp_client_run(&q, &call, ret_value);
	json_decref(args);
	return ret;
}

static int ask(const char *name, json_t *args, json_t **ret_value)
{
	return ask_within(name, args, ret_value, RIG_DEADLINE_MS);
}

static void open_client(void)
{
	rig_init(&r);
	rig_connect(&r, &c, true);
	rig_start(&r);
	mp_qmp_client_open_take(&q, dup(c.fd));
}

static void close_client(void)
{
	mp_qmp_client_fini(&q);
	rig_done(&r, &c);
}

static void say(int peer, const char *text)
{
	T_EQ(mp_fdpass_send(peer, text, strlen(text), NULL, MP_FDPASS_FOREVER), 0);
}

/* A peer, that says nothing by itself; its end. */
static int open_silent_peer(void)
{
	int sv[2];

	T_EQ(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, sv), 0);
	mp_qmp_client_open_take(&q, sv[0]);
	return sv[1];
}

static int open_peer(const char *text)
{
	int peer = open_silent_peer();

	say(peer, text);
	return peer;
}

static void check_lost(void)
{
	T_EQ(q.fd, -1);
	T_EQ(ask("now", NULL, NULL), -ECONNRESET);
	T_STR_EQ(error, "it has ended");
	mp_qmp_client_fini(&q);
}

static void test_the_greeting_comes_by_itself_and_answers_are_given_back(void)
{
	json_t *value = NULL;

	open_client();
	T_EQ(ask("echo", json_pack("{ss}", "text", "\"\n"), &value), 0);
	T_STR_EQ(json_string_value(value), "\"\n");
	json_decref(value);
	T_EQ(ask("add", json_pack("{sisi}", "a", 2, "b", 3), &value), 0);
	T_EQ(json_integer_value(value), 5);
	json_decref(value);
	T_EQ(ask("now", NULL, NULL), 0);
	close_client();
}

static void test_an_error_is_the_servers_own_and_no_end(void)
{
	open_client();
	T_EQ(ask("fail", NULL, NULL), -EREMOTEIO);
	T_STR_EQ(error, "Device 'x' not found");
	T_EQ(ask("bogus", NULL, NULL), -EREMOTEIO);
	T_STR_EQ(error, "The command bogus has not been found");
	T_EQ(ask("now", NULL, NULL), 0);
	close_client();
}

static void test_events_are_passed_by(void)
{
	json_t *value = NULL;

	open_client();
	T_EQ(ask("announce", json_pack("{si}", "n", 5), NULL), 0);
	T_EQ(ask("echo", json_pack("{ss}", "text", "after"), &value), 0);
	T_STR_EQ(json_string_value(value), "after");
	json_decref(value);
	close_client();
}

static void test_a_late_answer_is_nobodys(void)
{
	json_t *value = NULL;

	open_client();
	T_EQ(ask_within("wait", NULL, NULL, 20), -ETIMEDOUT);
	T_STR_EQ(error, "it doesn't answer in time");
	rig_let_go(&r);
	T_EQ(ask("echo", json_pack("{ss}", "text", "x"), &value), 0);
	T_STR_EQ(json_string_value(value), "x");
	json_decref(value);
	close_client();
}

/* However often the wait for it ends too early, each step of it is done once. */
static void test_a_slow_greeting_is_waited_for_again(void)
{
	char text[256] = "";
	int peer = open_silent_peer();

	T_EQ(ask_within("now", NULL, NULL, 1), -ETIMEDOUT);
	say(peer, "{\"QMP\":");
	T_EQ(ask_within("now", NULL, NULL, 1), -ETIMEDOUT);
	say(peer, "{}}\r\n");
	T_EQ(ask_within("now", NULL, NULL, 1), -ETIMEDOUT);
	T_EQ(ask_within("now", NULL, NULL, 1), -ETIMEDOUT);
	T_OK(read(peer, text, sizeof(text) - 1) > 0);
	T_STR_EQ(text, "{\"execute\":\"qmp_capabilities\",\"id\":0}");
	say(peer, "{\"return\":{},\"id\":0}\r\n");
	say(peer, "{\"return\":{},\"id\":1}\r\n");
	T_EQ(ask("now", NULL, NULL), 0);
	mp_qmp_client_fini(&q);
	close(peer);
}

static void test_an_event_may_come_before_the_greeting(void)
{
	int peer = open_peer("{\"event\":\"RESUME\"}\r\n" READY "{\"return\":{},\"id\":1}\r\n");

	T_EQ(ask("now", NULL, NULL), 0);
	mp_qmp_client_fini(&q);
	close(peer);
}

static bool after_three(void *opaque)
{
	unsigned int *n = opaque;

	return ++*n >= 3;
}

static void test_the_wait_can_be_given_up(void)
{
	unsigned int n_asked = 0;
	int peer = open_peer(GREETING);

	q.give_up = after_three;
	q.opaque = &n_asked;
	T_EQ(ask("now", NULL, NULL), -EINTR);
	T_STR_EQ(error, "interrupted");
	T_EQ(n_asked, 3);
	mp_qmp_client_fini(&q);
	close(peer);
}

static bool always(void *opaque)
{
	return true;
}

static void test_what_has_come_is_read_before_anybody_gives_up(void)
{
	int peer = open_peer(READY "{\"return\":7,\"id\":1}\r\n");

	q.give_up = always;
	T_EQ(ask("now", NULL, NULL), 0);
	mp_qmp_client_fini(&q);
	close(peer);
}

static void test_the_end_of_a_peer_comes_before_giving_up(void)
{
	close(open_silent_peer());
	q.give_up = always;
	T_EQ(ask("now", NULL, NULL), -ECONNRESET);
	check_lost();
}

static void test_a_long_answer_is_read(void)
{
	json_t *value = NULL;

	open_client();
	T_EQ(ask("big", json_pack("{si}", "bytes", 1 << 20), &value), 0);
	T_EQ(json_string_length(value), 1 << 20);
	json_decref(value);
	close_client();
}

static void test_a_peer_that_ends_is_named(void)
{
	close(open_peer(READY "{\"retu"));
	T_EQ(ask("now", NULL, NULL), -ECONNRESET);
	check_lost();
}

static void test_what_is_no_qmp_ends_it(void)
{
	static const char *const texts[] = {
		"\r\n",
		"{}\r\n",
		"[1]\r\n",
		"{\"return\":{}}\r\n",
		"HTTP/1.1 400 Bad Request\r\n",
		GREETING "{\"error\":{},\"id\":0}\r\n",
		READY "{\"return\":\r\n",
		READY "{\"id\":1}\r\n",
		READY "{\"return\":\"\xff\"}\r\n",
	};

	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
		int peer = open_peer(texts[i]);

		T_EQ(ask("now", NULL, NULL), -EPROTO);
		check_lost();
		close(peer);
	}
}

static void test_an_error_without_words_is_one_all_the_same(void)
{
	int peer = open_peer(READY "{\"error\":7,\"id\":1}\r\n");

	T_EQ(ask("now", NULL, NULL), -EREMOTEIO);
	T_STR_EQ(error, "refused without a reason");
	mp_qmp_client_fini(&q);
	close(peer);
}

static void test_a_line_without_end_ends_it(void)
{
	static char flood[4096];
	int peer = open_peer(READY);
	pid_t child = fork();

	if (child == 0) {
		mp_qmp_client_fini(&q);
		memset(flood, 'x', sizeof(flood));
		while (mp_fdpass_send(peer, flood, sizeof(flood), NULL, MP_FDPASS_FOREVER) == 0)
			;
		_exit(0);
	}
	T_OK(child > 0);
	close(peer);
	T_EQ(ask("now", NULL, NULL), -EMSGSIZE);
	T_STR_EQ(error, "its answer is too long");
	check_lost();
}

T_MAIN(T_TEST(test_the_greeting_comes_by_itself_and_answers_are_given_back),
       T_TEST(test_an_error_is_the_servers_own_and_no_end), T_TEST(test_events_are_passed_by),
       T_TEST(test_a_late_answer_is_nobodys), T_TEST(test_the_wait_can_be_given_up),
       T_TEST(test_a_slow_greeting_is_waited_for_again),
       T_TEST(test_an_event_may_come_before_the_greeting),
       T_TEST(test_what_has_come_is_read_before_anybody_gives_up),
       T_TEST(test_the_end_of_a_peer_comes_before_giving_up), T_TEST(test_a_long_answer_is_read),
       T_TEST(test_a_peer_that_ends_is_named), T_TEST(test_what_is_no_qmp_ends_it),
       T_TEST(test_an_error_without_words_is_one_all_the_same),
       T_TEST(test_a_line_without_end_ends_it))
