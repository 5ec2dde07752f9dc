/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * One JSON object a line. Answers come in the order of commands, and an object
 * that is no answer is an event and passed by. There is one command at a time, so
 * no ids. The wait is cut into slices, so that give_up ends it soon.
 */
#include "monitor/qmp_client.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/err.h"
#include "base/fdpass.h"

#define MAX_LINE (1u << 20)
#define SLICE_MS 200

void mp_qmp_client_open_take(struct mp_qmp_client *q, int fd)
{
	*q = MP_QMP_CLIENT_NULL;
	q->fd = fd;
}

void mp_qmp_client_fini(struct mp_qmp_client *q)
{
	mp_fd_close(&q->fd);
	free(q->buf);
	*q = MP_QMP_CLIENT_NULL;
}

static int wait_readable(const struct mp_qmp_client *q, uint64_t deadline_ns)
{
	struct pollfd pfd = {.fd = q->fd, .events = POLLIN};
	uint64_t now_ns = mp_clock_ns(), ms;
	int r;

	if (now_ns >= deadline_ns)
		return mp_err_origin(-ETIMEDOUT);
	if (q->give_up && q->give_up(q->opaque))
		return mp_err_origin(-EINTR);
	ms = (deadline_ns - now_ns) / 1000000 + 1;
	r = poll(&pfd, 1, (int)(ms < SLICE_MS ? ms : SLICE_MS));
	return r < 0 && errno != EINTR ? mp_err_origin(-errno) : 0;
}

static int fill(struct mp_qmp_client *q, uint64_t deadline_ns)
{
	ssize_t n;
	int r;

	if (q->n == MAX_LINE)
		return mp_err_origin(-EPROTO);
	r = wait_readable(q, deadline_ns);
	if (r < 0)
		return mp_err_trace(r);
	n = recv(q->fd, q->buf + q->n, MAX_LINE - q->n, MSG_DONTWAIT);
	if (n == 0)
		return mp_err_origin(-ECONNRESET);
	if (n < 0)
		return errno == EAGAIN || errno == EINTR ? 0 : mp_err_origin(-errno);
	q->n += (size_t)n;
	return 0;
}

/* A new reference. */
static int next_message(struct mp_qmp_client *q, json_t **ret, uint64_t deadline_ns)
{
	char *end;
	int r;

	if (!q->buf)
		q->buf = malloc(MAX_LINE);
	if (!q->buf)
		return mp_err_origin(-ENOMEM);
	while (!(end = memchr(q->buf, '\n', q->n))) {
		r = fill(q, deadline_ns);
		if (r < 0)
			return mp_err_trace(r);
	}
	*ret = json_loadb(q->buf, (size_t)(end - q->buf), 0, NULL);
	q->n -= (size_t)(end + 1 - q->buf);
	memmove(q->buf, end + 1, q->n);
	return *ret ? 0 : mp_err_origin(-EPROTO);
}

static int send_command(struct mp_qmp_client *q, const struct mp_qmp_call *c)
{
	json_t *msg = json_pack("{s:s, s:O*}", "execute", c->name, "arguments", c->args);
	char *text = msg ? json_dumps(msg, JSON_COMPACT) : NULL;
	int r;

	json_decref(msg);
	if (!text)
		return mp_err_origin(-ENOMEM);
	r = mp_fdpass_send(q->fd, text, strlen(text), NULL, c->deadline_ns);
	free(text);
	return r == -EPIPE ? mp_err_origin(-ECONNRESET) : mp_err_trace(r);
}

static int take_error(const struct mp_qmp_call *c, json_t *msg)
{
	const char *desc =
		json_string_value(json_object_get(json_object_get(msg, "error"), "desc"));

	if (c->error)
		snprintf(c->error, c->error_len, "%s", desc ? desc : "refused without a reason");
	return mp_err_origin(-EREMOTEIO);
}

static int exchange(struct mp_qmp_client *q, const struct mp_qmp_call *c, json_t **ret_value)
{
	json_t *msg, *value;
	int r = send_command(q, c);

	while (r == 0) {
		r = next_message(q, &msg, c->deadline_ns);
		if (r < 0)
			break;
		value = json_object_get(msg, "return");
		if (!value && json_object_get(msg, "error"))
			r = take_error(c, msg);
		if (value && ret_value)
			*ret_value = json_incref(value);
		json_decref(msg);
		if (value)
			return 0;
	}
	return mp_err_trace(r);
}

static int greet(struct mp_qmp_client *q, const struct mp_qmp_call *c)
{
	struct mp_qmp_call hello = *c;
	json_t *greeting;
	int r = next_message(q, &greeting, c->deadline_ns);

	if (r < 0)
		return mp_err_trace(r);
	r = json_object_get(greeting, "QMP") ? 0 : mp_err_origin(-EPROTO);
	json_decref(greeting);
	hello.name = "qmp_capabilities";
	hello.args = NULL;
	if (r == 0)
		r = exchange(q, &hello, NULL);
	q->greeted = r == 0;
	return mp_err_trace(r);
}

int mp_qmp_client_run(struct mp_qmp_client *q, const struct mp_qmp_call *c, json_t **ret_value)
{
	int r = q->fd < 0 ? mp_err_origin(-ECONNRESET) : 0;

	if (r == 0 && !q->greeted)
		r = greet(q, c);
	if (r == 0)
		r = exchange(q, c, ret_value);
	if (r < 0 && r != -EREMOTEIO && c->error)
		snprintf(c->error, c->error_len, "%s",
			 r == -ECONNRESET ? "it has ended" : strerror(-r));
	/* A late answer would be taken for that of the next command. */
	if (r < 0 && r != -EREMOTEIO)
		mp_fd_close(&q->fd);
	return mp_err_trace(r);
}
