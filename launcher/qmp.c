/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * One JSON object a line. The socket is read into one buffer until a line is
 * whole; answers come in the order of commands, and an object that is no answer
 * is an event and passed by. There is one command at a time, so no ids.
 *
 * The wait is cut into slices, so that a signal to the launcher (give_up) ends it
 * soon, although the signal itself is read from a signalfd elsewhere.
 */
#include "launcher/qmp.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "base/clock.h"
#include "base/err.h"

#define MAX_LINE (1u << 20)
#define SLICE_MS 200

static int fill(struct mp_qmp *q, uint64_t deadline_ns)
{
	struct pollfd pfd = {.fd = q->fd, .events = POLLIN};
	uint64_t now = mp_clock_ns();
	ssize_t n;

	if (q->n == MAX_LINE)
		return mp_err_origin(-EPROTO);
	if (now >= deadline_ns)
		return mp_err_origin(-ETIMEDOUT);
	if (poll(&pfd, 1, SLICE_MS) == 0)
		return q->give_up(q->opaque) ? mp_err_origin(-EINTR) : 0;
	n = recv(q->fd, q->buf + q->n, MAX_LINE - q->n, MSG_DONTWAIT);
	if (n == 0)
		return mp_err_origin(-ECONNRESET);
	if (n < 0)
		return errno == EAGAIN || errno == EINTR ? 0 : mp_err_origin(-errno);
	q->n += (size_t)n;
	return 0;
}

/* The next line as JSON, a new reference. */
static int next_message(struct mp_qmp *q, json_t **ret, uint64_t deadline_ns)
{
	char *end;
	int r;

	while (!(end = memchr(q->buf, '\n', q->n))) {
		r = fill(q, deadline_ns);
		if (r < 0)
			return r;
	}
	*ret = json_loadb(q->buf, (size_t)(end - q->buf), 0, NULL);
	q->n -= (size_t)(end + 1 - q->buf);
	memmove(q->buf, end + 1, q->n);
	return *ret ? 0 : mp_err_origin(-EPROTO);
}

int mp_qmp_command(struct mp_qmp *q, const char *name, json_t **ret_value, uint64_t deadline_ns)
{
	char line[160];
	int n = snprintf(line, sizeof(line), "{\"execute\":\"%s\"}\r\n", name);
	json_t *msg, *value;
	int r;

	if (send(q->fd, line, (size_t)n, MSG_NOSIGNAL) != n)
		return mp_err_origin(-ECONNRESET);
	for (;;) {
		r = next_message(q, &msg, deadline_ns);
		if (r < 0)
			return r;
		value = json_object_get(msg, "return");
		if (value || json_object_get(msg, "error"))
			break;
		json_decref(msg); /* an event */
	}
	if (value && ret_value)
		*ret_value = json_incref(value);
	json_decref(msg);
	return value ? 0 : mp_err_origin(-EREMOTEIO);
}

int mp_qmp_attach(struct mp_qmp *q, uint64_t deadline_ns)
{
	json_t *greeting;
	int r;

	q->buf = malloc(MAX_LINE);
	q->n = 0;
	mp_assert(q->buf);
	r = next_message(q, &greeting, deadline_ns);
	if (r < 0)
		return mp_err_trace(r);
	r = json_object_get(greeting, "QMP") ? 0 : mp_err_origin(-EPROTO);
	json_decref(greeting);
	return r < 0 ? r : mp_err_trace(mp_qmp_command(q, "qmp_capabilities", NULL, deadline_ns));
}

void mp_qmp_detach(struct mp_qmp *q)
{
	free(q->buf);
	*q = MP_QMP_NULL;
}
