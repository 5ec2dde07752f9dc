/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * One JSON object a line. There is one command at a time; its answer has its id,
 * and whatever comes before is passed by: an event, or the answer of a command that
 * nobody waits for any more. The wait is cut into slices, so that give_up ends it
 * soon.
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

#define FIRST_ROOM  (64u << 10)
#define MAX_LINE    (64u << 20) /* block nodes of a long backing chain */
#define SLICE_MS    200
#define NEGOTIATION 0

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

/* 1 there is something; 0 not yet. */
static int wait_readable(struct mp_qmp_client *q, uint64_t deadline_ns)
{
	struct pollfd pfd = {.fd = q->fd, .events = POLLIN};
	uint64_t now_ns = mp_clock_ns(), ms;
	int r;

	if (now_ns >= deadline_ns)
		return mp_err_origin(-ETIMEDOUT);
	ms = (deadline_ns - now_ns) / 1000000 + 1;
	r = poll(&pfd, 1, (int)(ms < SLICE_MS ? ms : SLICE_MS));
	now_ns = mp_clock_ns();
	/* Events may come, and no answer: then it is never silent for a slice. */
	if (q->give_up && (r == 0 || now_ns - q->asked_ns > SLICE_MS * 1000000ull)) {
		q->asked_ns = now_ns;
		if (q->give_up(q->opaque))
			return mp_err_origin(-EINTR);
	}
	return r < 0 && errno != EINTR ? mp_err_origin(-errno) : r > 0;
}

static int make_room(struct mp_qmp_client *q)
{
	size_t room = q->room ? 2 * q->room : FIRST_ROOM;
	char *more;

	if (q->n < q->room)
		return 0;
	if (room > MAX_LINE)
		return mp_err_origin(-EMSGSIZE);
	more = realloc(q->buf, room);
	if (!more)
		return mp_err_origin(-ENOMEM);
	q->buf = more;
	q->room = room;
	return 0;
}

static int fill(struct mp_qmp_client *q, uint64_t deadline_ns)
{
	int r = make_room(q);
	ssize_t n;

	if (r == 0)
		r = wait_readable(q, deadline_ns);
	if (r <= 0)
		return mp_err_trace(r);
	n = recv(q->fd, q->buf + q->n, q->room - q->n, MSG_DONTWAIT);
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
	size_t seen = 0;
	char *end;
	int r;

	while (!(end = q->n > seen ? memchr(q->buf + seen, '\n', q->n - seen) : NULL)) {
		seen = q->n;
		r = fill(q, deadline_ns);
		if (r < 0)
			return mp_err_trace(r);
	}
	*ret = json_loadb(q->buf, (size_t)(end - q->buf), 0, NULL);
	q->n -= (size_t)(end + 1 - q->buf);
	memmove(q->buf, end + 1, q->n);
	return *ret ? 0 : mp_err_origin(-EPROTO);
}

/* Half a command would spoil all that follow. */
static int send_command(struct mp_qmp_client *q, const struct mp_qmp_call *c, json_int_t id)
{
	json_t *msg = json_pack("{s:s, s:O*, s:I}", "execute", c->name, "arguments", c->args, "id",
				id);
	char *text = msg ? json_dumps(msg, JSON_COMPACT) : NULL;
	int r;

	json_decref(msg);
	if (!text)
		return mp_err_origin(-ENOMEM);
	r = mp_fdpass_send(q->fd, text, strlen(text), NULL, c->deadline_ns);
	free(text);
	if (r < 0)
		mp_fd_close(&q->fd);
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

/* 1 it is the answer with @id; 0 another message. */
static int take_answer(const struct mp_qmp_call *c, json_t *msg, json_int_t id, json_t **ret_value)
{
	json_t *value = json_object_get(msg, "return"), *its_id = json_object_get(msg, "id");

	if (!json_is_integer(its_id) || json_integer_value(its_id) != id)
		return 0;
	if (json_object_get(msg, "error"))
		return take_error(c, msg);
	if (value && ret_value)
		*ret_value = json_incref(value);
	return value ? 1 : mp_err_origin(-EPROTO);
}

static int await_answer(struct mp_qmp_client *q, const struct mp_qmp_call *c, json_int_t id,
			json_t **ret_value)
{
	json_t *msg;
	int r;

	do {
		r = next_message(q, &msg, c->deadline_ns);
		if (r < 0)
			return mp_err_trace(r);
		r = take_answer(c, msg, id, ret_value);
		json_decref(msg);
	} while (r == 0);
	return r < 0 ? mp_err_trace(r) : 0;
}

static int take_greeting(struct mp_qmp_client *q, uint64_t deadline_ns)
{
	json_t *msg;
	int r;

	do {
		r = next_message(q, &msg, deadline_ns);
		if (r < 0)
			return mp_err_trace(r);
		/* QEMU may tell of RESUME while its monitor is still being made. */
		r = json_object_get(msg, "QMP")     ? 1
		    : json_object_get(msg, "event") ? 0
						    : mp_err_origin(-EPROTO);
		json_decref(msg);
	} while (r == 0);
	return r < 0 ? mp_err_trace(r) : 0;
}

/* In steps, each of which is done once, however often a deadline comes between. */
static int negotiate(struct mp_qmp_client *q, const struct mp_qmp_call *c)
{
	struct mp_qmp_call hello = *c;
	int r = 0;

	hello.name = "qmp_capabilities";
	hello.args = NULL;
	if (q->state == MP_QMP_NEW)
		r = take_greeting(q, c->deadline_ns);
	if (r == 0 && q->state == MP_QMP_NEW) {
		q->state = MP_QMP_ASKED;
		r = send_command(q, &hello, NEGOTIATION);
	}
	if (r == 0 && q->state == MP_QMP_ASKED) {
		r = await_answer(q, &hello, NEGOTIATION, NULL);
		if (r == 0)
			q->state = MP_QMP_READY;
	}
	return r == -EREMOTEIO ? mp_err_origin(-EPROTO) : mp_err_trace(r);
}

static const char *reason(int r)
{
	switch (r) {
	case -ECONNRESET:
		return "it has ended";
	case -ETIMEDOUT:
		return "it doesn't answer in time";
	case -EMSGSIZE:
		return "its answer is too long";
	case -EINTR:
		return "interrupted";
	default:
		return strerror(-r);
	}
}

int mp_qmp_client_run(struct mp_qmp_client *q, const struct mp_qmp_call *c, json_t **ret_value)
{
	int r = q->fd < 0 ? mp_err_origin(-ECONNRESET) : 0;

	q->asked_ns = mp_clock_ns();
	if (r == 0 && q->state != MP_QMP_READY)
		r = negotiate(q, c);
	if (r == 0)
		r = send_command(q, c, ++q->id);
	if (r == 0)
		r = await_answer(q, c, q->id, ret_value);
	if (r < 0 && r != -EREMOTEIO && c->error)
		snprintf(c->error, c->error_len, "%s", reason(r));
	if (r < 0 && r != -EREMOTEIO && r != -ETIMEDOUT && r != -EINTR)
		mp_fd_close(&q->fd);
	return mp_err_trace(r);
}
