/* SPDX-License-Identifier: BSD-3-Clause */
/* Clients that don't behave: half messages, floods, and ends that are not read. */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/clock.h"
#include "tests/lib/t.h"
#include "tests/unit/monitor/rig.h"

#define SMALL_UNREAD 8192u

static struct rig r;
static struct rig_client bad, good;

static void open_two(size_t max_unread_bytes)
{
	rig_init(&r);
	r.cfg.max_unread_bytes = max_unread_bytes;
	rig_connect(&r, &bad, true);
	rig_connect(&r, &good, true);
	rig_start(&r);
	rig_negotiate(&bad);
	rig_negotiate(&good);
	fcntl(bad.fd, F_SETFL, O_NONBLOCK);
}

static void good_is_served(void)
{
	T_STR_EQ(rig_ask(&good, "{'execute':'echo','arguments':{'text':'y'}}"),
		 "{\"return\": \"y\"}");
}

static void test_half_a_message_and_the_end(void)
{
	open_two(0);
	rig_send(&bad, "{'execute':'echo','arguments':{'te");
	rig_close(&bad);
	good_is_served();
	rig_done(&r, &good);
}

static void test_the_end_while_a_command_runs(void)
{
	open_two(0);
	rig_send(&bad, "{'execute':'wait'}{'execute':'now'}");
	rig_wait_until_running(&r, 1);
	rig_close(&bad);
	T_STR_EQ(rig_ask(&good, "{'exec-oob':'now'}"), "{\"return\": {}}");
	rig_let_go(&r);
	good_is_served();
	rig_done(&r, &good);
}

/* Send until nobody takes it any more; returns how much was taken. */
static size_t flood(struct rig_client *c, const char *text)
{
	struct pollfd pfd = {.fd = c->fd, .events = POLLOUT};
	size_t len = strlen(text), total = 0, at = 0;
	ssize_t n;

	while (poll(&pfd, 1, 300) == 1 && total < 64u << 20) {
		n = send(c->fd, text + at, len - at, MSG_NOSIGNAL | MSG_DONTWAIT);
		if (n < 0 && errno != EAGAIN)
			return total;
		at = (at + (n > 0 ? (size_t)n : 0)) % len;
		total += n > 0 ? (size_t)n : 0;
	}
	return total;
}

static void test_who_reads_no_answers_is_not_read_and_stops_nobody(void)
{
	open_two(SMALL_UNREAD);
	T_OK(flood(&bad, "{'execute':'query-commands'}") < 16u << 20);
	good_is_served();
	rig_close(&bad);
	good_is_served();
	rig_done(&r, &good);
}

static void test_a_flood_behind_a_running_command_is_left_unread(void)
{
	open_two(0);
	rig_send(&bad, "{'execute':'wait'}");
	rig_wait_until_running(&r, 1);
	T_OK(flood(&bad, "{'execute':'now'}") < 16u << 20);
	T_STR_EQ(rig_ask(&good, "{'exec-oob':'now'}"), "{\"return\": {}}");
	rig_let_go(&r);
	good_is_served();
	rig_close(&bad);
	rig_done(&r, &good);
}

static void test_a_queue_holds_up_another_client_for_one_command(void)
{
	open_two(0);
	rig_send(&good, "{'execute':'wait'}");
	rig_wait_until_running(&r, 1);
	/* What came before an answer out of band has been queued. */
	rig_send(&bad, "{'execute':'announce','arguments':{'n':1}}");
	T_STR_EQ(rig_ask(&bad, "{'exec-oob':'now'}"), "{\"return\": {}}");
	rig_send(&good, "{'execute':'now'}{'execute':'now'}");
	T_STR_EQ(rig_ask(&good, "{'exec-oob':'now'}"), "{\"return\": {}}");
	rig_let_go(&r);
	T_STR_EQ(rig_line(&good), "{\"return\": {}}");
	T_OK(strstr(rig_line(&good), "\"event\"") != NULL);
	T_STR_EQ(rig_line(&good), "{\"return\": {}}");
	T_STR_EQ(rig_line(&good), "{\"return\": {}}");
	rig_close(&bad);
	rig_done(&r, &good);
}

static void test_answers_come_when_reading_goes_on(void)
{
	open_two(SMALL_UNREAD);
	fcntl(bad.fd, F_SETFL, 0);
	for (unsigned int i = 0; i < 200; i++)
		rig_send(&bad, "{'execute':'big','arguments':{'bytes':20000}}");
	good_is_served();
	for (unsigned int i = 0; i < 200; i++)
		T_EQ(strlen(rig_line(&bad)), strlen("{\"return\": \"\"}") + 20000);
	rig_close(&bad);
	rig_done(&r, &good);
}

static void test_who_reads_no_events_is_disconnected(void)
{
	char text[80];
	const char *line;

	open_two(SMALL_UNREAD);
	snprintf(text, sizeof(text), "{'execute':'announce','arguments':{'n':%u}}", 50);
	for (unsigned int i = 0; i < 400; i++) {
		rig_send(&good, text);
		for (unsigned int k = 0; k < 51; k++)
			T_OK(strncmp(rig_line(&good), "(", 1) != 0);
	}
	do {
		line = rig_line(&bad);
		T_OK(strcmp(line, "(nothing)") != 0);
	} while (strcmp(line, "(eof)") != 0);
	good_is_served();
	rig_close(&bad);
	rig_done(&r, &good);
}

static void test_deep_and_long_input_is_answered_and_gone(void)
{
	static char deep[3000];

	open_two(0);
	fcntl(bad.fd, F_SETFL, 0);
	memset(deep, '[', 1025);
	T_STR_EQ(rig_ask(&bad, deep), "{\"error\": {\"class\": \"GenericError\", "
				      "\"desc\": \"JSON nesting depth limit exceeded\"}}");
	T_STR_EQ(rig_ask(&bad, "\xff"), "{\"error\": {\"class\": \"GenericError\", "
					"\"desc\": \"JSON parse error, stray '\\uFFFD'\"}}");
	T_STR_EQ(rig_ask(&bad, "{'execute':'now'}"), "{\"return\": {}}");
	rig_close(&bad);
	rig_done(&r, &good);
}

static void test_a_request_longer_than_allowed_is_refused(void)
{
	char *text = malloc(1u << 16);

	rig_init(&r);
	r.cfg.max_request_bytes = 1u << 15;
	rig_connect(&r, &bad, true);
	rig_start(&r);
	rig_negotiate(&bad);
	memset(text, 'x', 1u << 16);
	text[0] = '"';
	text[(1u << 16) - 1] = '\n';
	rig_send_bytes(&bad, text, 1u << 16);
	T_STR_EQ(rig_line(&bad), "{\"error\": {\"class\": \"GenericError\", "
				 "\"desc\": \"JSON token size limit exceeded\"}}");
	T_STR_EQ(rig_ask(&bad, "{'execute':'now'}"), "{\"return\": {}}");
	free(text);
	rig_done(&r, &bad);
}

static void *come_and_go(void *opaque)
{
	struct rig_client *c = opaque;

	/* Only sends: what happens with it, the main thread doesn't wait for. */
	send(c->fd, "{'execute':'qmp_capabilities'}{'execute':'query-qmp-schema'}", 60,
	     MSG_NOSIGNAL);
	send(c->fd, "{'execute':'announce','arguments':{'n':20}}[[[", 46, MSG_NOSIGNAL);
	close(c->fd);
	return NULL;
}

static void test_many_come_and_go_while_events_fly(void)
{
	static struct rig_client crowd[40];
	pthread_t thread[40];

	rig_init(&r);
	rig_connect(&r, &good, true);
	for (unsigned int i = 0; i < 40; i++)
		rig_connect(&r, &crowd[i], true);
	rig_start(&r);
	rig_negotiate(&good);
	for (unsigned int i = 0; i < 40; i++)
		T_EQ(pthread_create(&thread[i], NULL, come_and_go, &crowd[i]), 0);
	for (unsigned int i = 0; i < 200; i++)
		mp_mon_event(r.mon, "TICK", NULL);
	for (unsigned int i = 0; i < 40; i++)
		pthread_join(thread[i], NULL);
	rig_send(&good, "{'execute':'now','id':'end'}");
	while (!strstr(rig_line(&good), "\"id\": \"end\""))
		T_OK(good.line[0] != '(');
	rig_done(&r, &good);
}

T_MAIN(T_TEST(test_half_a_message_and_the_end), T_TEST(test_the_end_while_a_command_runs),
       T_TEST(test_who_reads_no_answers_is_not_read_and_stops_nobody),
       T_TEST(test_a_flood_behind_a_running_command_is_left_unread),
       T_TEST(test_a_queue_holds_up_another_client_for_one_command),
       T_TEST(test_answers_come_when_reading_goes_on),
       T_TEST(test_who_reads_no_events_is_disconnected),
       T_TEST(test_deep_and_long_input_is_answered_and_gone),
       T_TEST(test_a_request_longer_than_allowed_is_refused),
       T_TEST(test_many_come_and_go_while_events_fly))
