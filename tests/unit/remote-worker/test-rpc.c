/* SPDX-License-Identifier: BSD-3-Clause */
/* Calls to a worker that is honest, and to one that a guest has taken over. */
#include "remote-worker/supervisor/rpc.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/clock.h"
#include "tests/lib/t.h"

#define LONG_NS  (60 * MP_NS_PER_SEC)
#define SHORT_NS (2 * MP_NS_PER_SEC) /* a whole call must fit, on a busy machine */

static struct mp_rpc *rpc;
static int theirs; /* the worker's end */
static pthread_t poller;
static _Atomic int poll_result;
static char events[256];
static pthread_mutex_t events_lock = PTHREAD_MUTEX_INITIALIZER;

static struct mp_rpc_error e; /* of the last call */

static void event(void *opaque, const char *name, json_t *data)
{
	size_t n = strlen(events);

	pthread_mutex_lock(&events_lock);
	snprintf(events + n, sizeof(events) - n, "%s(%lld);", name,
		 (long long)json_integer_value(json_object_get(data, "n")));
	pthread_mutex_unlock(&events_lock);
}

static void *poll_loop(void *arg)
{
	struct pollfd pfd = {.fd = mp_rpc_fd(rpc), .events = POLLIN};
	int r = 0;

	while (r == 0 && poll(&pfd, 1, 60000) == 1)
		r = mp_rpc_poll(rpc);
	atomic_store_explicit(&poll_result, r, memory_order_relaxed);
	return NULL;
}

static void begin(uint64_t timeout_ns)
{
	struct mp_rpc_cfg cfg = {.timeout_ns = timeout_ns, .event = event};
	int sock[2];

	T_EQ(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, sock), 0);
	events[0] = '\0';
	T_EQ(mp_rpc_create_take(sock[0], &cfg, &rpc), 0);
	theirs = sock[1];
	T_EQ(pthread_create(&poller, NULL, poll_loop, NULL), 0);
}

/* Returns what the polling thread saw last. */
static int end(void)
{
	if (theirs >= 0)
		close(theirs);
	theirs = -1;
	pthread_join(poller, NULL);
	rpc = mp_rpc_destroy(rpc);
	return atomic_load_explicit(&poll_result, memory_order_relaxed);
}

/* Answers one call: with its arguments, or with what @reply says. */
static void *answer_one(void *reply)
{
	int room[MP_RPC_MAX_FDS];
	struct mp_fds fds = {.fd = room, .max = MP_RPC_MAX_FDS};
	struct pollfd pfd = {.fd = theirs, .events = POLLIN};
	json_t *msg, *args;
	struct mp_rpc_error refusal;
	json_int_t id;

	if (poll(&pfd, 1, 60000) != 1 || mp_rpc_recv(theirs, &msg, &fds) < 0)
		return NULL;
	id = json_integer_value(json_object_get(msg, "id"));
	args = json_object_get(msg, "args");
	if (reply) {
		mp_rpc_error_set(&refusal, "DeviceNotFound", "%s", (const char *)reply);
		mp_rpc_answer_error(theirs, id, &refusal);
	} else {
		mp_rpc_answer(theirs, id,
			      json_pack("{s:O*, s:i}", "args", args, "fds", (int)fds.n));
	}
	mp_fds_close(&fds);
	json_decref(msg);
	return NULL;
}

static pthread_t serve_one(const char *reply)
{
	pthread_t t;

	T_EQ(pthread_create(&t, NULL, answer_one, (void *)(uintptr_t)reply), 0);
	return t;
}

static int call(const char *name, json_t *args, const struct mp_fds *fds, json_t **ret_value)
{
	struct mp_rpc_request req = {.name = name, .args = args, .fds = fds};

	return mp_rpc_call(rpc, &req, ret_value, &e);
}

static void send_raw(uint32_t magic, uint32_t len, const char *text)
{
	uint32_t head[2] = {magic, len};

	T_EQ(send(theirs, head, sizeof(head), MSG_NOSIGNAL), sizeof(head));
	T_EQ(send(theirs, text, strlen(text), MSG_NOSIGNAL), strlen(text));
}

#define MAGIC 0x6370726du

static void send_text(const char *text)
{
	send_raw(MAGIC, (uint32_t)strlen(text), text);
}

static void test_call_carries_arguments_and_fds_and_brings_the_value(void)
{
	int null_fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
	int pair[2] = {null_fd, null_fd};
	struct mp_fds fds = {.fd = pair, .n = 2};
	json_t *args = json_pack("{s:s}", "disk", "d0"), *value = NULL;
	pthread_t t;

	begin(LONG_NS);
	t = serve_one(NULL);
	T_EQ(call("eject", args, &fds, &value), 0);
	pthread_join(t, NULL);
	T_EQ(json_integer_value(json_object_get(value, "fds")), 2);
	T_OK(json_equal(json_object_get(value, "args"), args));
	json_decref(value);
	json_decref(args);
	close(null_fd);
	T_EQ(end(), -ECONNRESET);
}

static void test_message_larger_than_a_socket_buffer_passes(void)
{
	size_t len = 3u << 20;
	char *big = calloc(1, len + 1);
	json_t *args, *value = NULL;
	pthread_t t;

	memset(big, 'x', len);
	args = json_pack("{s:s}", "text", big);
	begin(LONG_NS);
	t = serve_one(NULL);
	T_EQ(call("snapshot", args, NULL, &value), 0);
	pthread_join(t, NULL);
	T_OK(json_equal(json_object_get(value, "args"), args));
	json_decref(value);
	json_decref(args);
	free(big);
	end();
}

static void test_message_above_the_limit_is_refused_before_it_is_sent(void)
{
	size_t len = MP_RPC_MAX_BYTES;
	char *big = calloc(1, len + 1);
	json_t *args;
	pthread_t t;

	memset(big, 'x', len);
	args = json_pack("{s:s}", "text", big);
	begin(LONG_NS);
	T_EQ(call("snapshot", args, NULL, NULL), -E2BIG);
	T_STR_EQ(e.desc, "'snapshot': the arguments are too large");
	json_decref(args);
	free(big);
	t = serve_one(NULL);
	T_EQ(call("snapshot", NULL, NULL, NULL), 0);
	pthread_join(t, NULL);
	end();
}

static void test_refusal_brings_class_and_reason(void)
{
	pthread_t t;

	begin(LONG_NS);
	t = serve_one("Device 'x' not found");
	T_EQ(call("eject", NULL, NULL, NULL), -EREMOTEIO);
	pthread_join(t, NULL);
	T_STR_EQ(e.klass, "DeviceNotFound");
	T_STR_EQ(e.desc, "Device 'x' not found");
	end();
}

/* Used to end the worker: what is no UTF-8 is no JSON, and a message wasn't sent. */
static void test_a_reason_is_cut_between_characters(void)
{
	char text[1024] = "x";
	pthread_t t;

	for (size_t i = 1; i + 2 < sizeof(text); i += 2)
		memcpy(text + i, "\xc3\xa9", 3);
	for (int odd = 0; odd < 2; odd++) {
		begin(LONG_NS);
		t = serve_one(text + odd);
		T_EQ(call("disk-add", NULL, NULL, NULL), -EREMOTEIO);
		pthread_join(t, NULL);
		T_OK(strlen(e.desc) >= sizeof(e.desc) - 2);
		T_OK(strncmp(e.desc, text + odd, strlen(e.desc)) == 0);
		end();
	}
}

static void test_a_reason_that_is_no_utf8_arrives_marked(void)
{
	pthread_t t;

	begin(LONG_NS);
	t = serve_one("cannot open caf\xe9.img");
	T_EQ(call("disk-add", NULL, NULL, NULL), -EREMOTEIO);
	pthread_join(t, NULL);
	T_STR_EQ(e.desc, "cannot open caf\xef\xbf\xbd.img");
	end();
}

static void *answer_much(void *arg)
{
	int room[MP_RPC_MAX_FDS];
	struct mp_fds fds = {.fd = room, .max = MP_RPC_MAX_FDS};
	size_t len = MP_RPC_MAX_BYTES;
	char *big = calloc(1, len + 1);
	json_t *msg;

	memset(big, 'x', len);
	T_EQ(mp_rpc_recv(theirs, &msg, &fds), 0);
	T_EQ(mp_rpc_answer(theirs, json_integer_value(json_object_get(msg, "id")),
			   json_pack("{s:s}", "text", big)),
	     0);
	json_decref(msg);
	free(big);
	return NULL;
}

static void test_an_answer_above_the_limit_becomes_an_error(void)
{
	pthread_t t;

	begin(LONG_NS);
	T_EQ(pthread_create(&t, NULL, answer_much, NULL), 0);
	T_EQ(call("snapshot", NULL, NULL, NULL), -EREMOTEIO);
	pthread_join(t, NULL);
	T_STR_EQ(e.desc, "The answer is too large");
	end();
}

static void test_mute_worker_costs_a_call_its_time_and_no_more(void)
{
	pthread_t t;

	begin(SHORT_NS);
	T_EQ(call("stop", NULL, NULL, NULL), -ETIMEDOUT);
	T_STR_EQ(e.desc, "The worker did not answer 'stop' in time");
	/* The late answer is nobody's, also not the next caller's. */
	answer_one((void *)(uintptr_t) "too late");
	t = serve_one(NULL);
	T_EQ(call("cont", NULL, NULL, NULL), 0);
	pthread_join(t, NULL);
	end();
}

/* 0 is no limit: also for a message that the worker takes its time to read. */
static void test_without_a_time_limit_a_call_waits(void)
{
	const size_t len = 4u << 20;
	char *text = malloc(len + 1);
	json_t *args;
	pthread_t t;

	memset(text, 'x', len);
	text[len] = '\0';
	args = json_pack("{s:s}", "text", text);
	begin(0);
	t = serve_one(NULL);
	T_EQ(call("stop", args, NULL, NULL), 0);
	pthread_join(t, NULL);
	json_decref(args);
	free(text);
	end();
}

static void test_events_come_in_order_between_answers(void)
{
	pthread_t t;

	begin(LONG_NS);
	T_EQ(mp_rpc_event(theirs, "tray-moved", json_pack("{s:i}", "n", 1)), 0);
	T_EQ(mp_rpc_event(theirs, "end", NULL), 0);
	t = serve_one(NULL);
	T_EQ(call("cont", NULL, NULL, NULL), 0);
	pthread_join(t, NULL);
	end();
	T_STR_EQ(events, "tray-moved(1);end(0);");
}

static void test_answers_that_nobody_asked_for_are_ignored(void)
{
	pthread_t t;

	begin(LONG_NS);
	send_text("{\"id\": 77, \"return\": {}}");
	send_text("{\"id\": -1, \"return\": {}}");
	send_text("{\"id\": \"1\", \"return\": {}}");
	send_text("{\"return\": {}}");
	send_text("{}");
	send_text("{\"event\": 5}");
	t = serve_one(NULL);
	T_EQ(call("cont", NULL, NULL, NULL), 0);
	pthread_join(t, NULL);
	T_EQ(end(), -ECONNRESET);
}

/* A caller that waits ends with the connection, whatever it was that ended it. */
static void check_breaks(void (*what)(void), int expected)
{

	begin(LONG_NS);
	what();
	T_EQ(call("stop", NULL, NULL, NULL), expected);
	T_STR_EQ(e.desc, "The worker has ended");
	T_EQ(call("stop", NULL, NULL, NULL), expected);
	T_EQ(end(), expected);
}

static void wrong_magic(void)
{
	send_raw(MAGIC + 1, 2, "{}");
}

static void too_long(void)
{
	send_raw(MAGIC, MP_RPC_MAX_BYTES + 1, "{}");
}

static void empty(void)
{
	send_raw(MAGIC, 0, "");
}

static void no_json(void)
{
	send_text("{]");
}

static void no_object(void)
{
	send_text("[1]");
}

static void nested(void)
{
	static char text[100001];

	memset(text, '[', sizeof(text) - 1);
	send_text(text);
}

static void half(void)
{
	send_raw(MAGIC, 20, "{\"id\":");
	shutdown(theirs, SHUT_WR);
}

static void test_framing_damage_ends_the_connection(void)
{
	check_breaks(wrong_magic, -EPROTO);
	check_breaks(too_long, -EPROTO);
	check_breaks(empty, -EPROTO);
	check_breaks(no_json, -EPROTO);
	check_breaks(no_object, -EPROTO);
	check_breaks(nested, -EPROTO);
	check_breaks(half, -ECONNRESET);
}

static void test_half_a_message_holds_up_only_its_own_connection(void)
{

	begin(SHORT_NS);
	send_raw(MAGIC, 20, "{\"id\":");
	T_EQ(call("stop", NULL, NULL, NULL), -ETIMEDOUT);
	T_EQ(end(), -ECONNRESET);
}

static void test_fds_from_the_worker_are_not_taken(void)
{
	int before = dup(0), after, pair[2] = {0, 0};
	struct mp_fds fds = {.fd = pair, .n = 2};
	uint32_t head[2] = {MAGIC, 2};
	pthread_t t;

	close(before);
	begin(LONG_NS);
	T_EQ(mp_fdpass_send(theirs, head, sizeof(head), &fds, MP_FDPASS_FOREVER), 0);
	T_EQ(send(theirs, "{}", 2, MSG_NOSIGNAL), 2);
	t = serve_one(NULL);
	T_EQ(call("cont", NULL, NULL, NULL), 0);
	pthread_join(t, NULL);
	end();
	after = dup(0);
	close(after);
	T_EQ(after, before);
}

T_MAIN(T_TEST(test_call_carries_arguments_and_fds_and_brings_the_value),
       T_TEST(test_message_larger_than_a_socket_buffer_passes),
       T_TEST(test_message_above_the_limit_is_refused_before_it_is_sent),
       T_TEST(test_refusal_brings_class_and_reason),
       T_TEST(test_a_reason_is_cut_between_characters),
       T_TEST(test_a_reason_that_is_no_utf8_arrives_marked),
       T_TEST(test_an_answer_above_the_limit_becomes_an_error),
       T_TEST(test_mute_worker_costs_a_call_its_time_and_no_more),
       T_TEST(test_without_a_time_limit_a_call_waits),
       T_TEST(test_events_come_in_order_between_answers),
       T_TEST(test_answers_that_nobody_asked_for_are_ignored),
       T_TEST(test_framing_damage_ends_the_connection),
       T_TEST(test_half_a_message_holds_up_only_its_own_connection),
       T_TEST(test_fds_from_the_worker_are_not_taken))
