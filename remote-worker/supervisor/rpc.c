/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Why a stream: a kernel bounds a packet by its socket's buffer, and an answer
 * about many disks is larger than that. The header says how long the JSON is.
 *
 * A caller puts itself into a list, sends, and sleeps until the polling thread
 * finds its answer or its time is over; so several threads may call at once, and
 * answers may come in any order. Whoever waits owns its struct waiter, on its
 * stack; the list is the lock's.
 *
 * The polling thread never waits for the worker: it keeps what it has of a
 * message until the rest comes. A sender does wait while the socket is full, but
 * within its time, and sends under a lock of its own, so that a worker that
 * doesn't read can't hold up the polling thread.
 */
#include "remote-worker/supervisor/rpc.h"

#include <errno.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/err.h"
#include "monitor/unicode.h"

#define HEADER_BYTES 8u
#define MAGIC        0x6370726du /* "mrpc" */
#define SEND_NS      (10 * MP_NS_PER_SEC) /* the supervisor always reads */
#define MAX_READS    16 /* of one mp_rpc_poll(): others want the thread too */
#define READ_BYTES   65536u
#define NO_ANSWER    0 /* the id of a call that wants none */

struct header {
	uint32_t magic, len;
};

struct waiter {
	struct waiter *next;
	json_int_t id;
	json_t *answer; /* NULL: not yet, or broken */
};

struct mp_rpc {
	struct mp_rpc_cfg cfg;
	int sock;
	pthread_mutex_t send_lock; /* one message after the other */
	pthread_mutex_t lock; /* of what follows */
	pthread_cond_t answered;
	struct waiter *waiters;
	json_int_t last_id;
	int broken; /* negative errno, for good */
	/* The polling thread's: a message as far as it is there. */
	struct header head;
	size_t n_head, n_body;
	char *body;
};

void mp_rpc_error_set(struct mp_rpc_error *e, const char *klass, const char *fmt, ...)
{
	char raw[sizeof(e->desc) + 4]; /* a character that is cut here lies behind what has room */
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(raw, sizeof(raw), fmt, ap);
	va_end(ap);
	mp_utf8_copy(e->klass, sizeof(e->klass), klass);
	mp_utf8_copy(e->desc, sizeof(e->desc), raw);
}

/* -- messages ------------------------------------------------------------ */

static void drop(json_t **j)
{
	json_decref(*j);
}

#define MP_CLEANUP_JSON MP_CLEANUP(drop)

/* Header and text in one piece, so that fds ride with the first byte of the message. */
static int encode(json_t *msg, char **ret_bytes, size_t *ret_len)
{
	size_t n = msg ? json_dumpb(msg, NULL, 0, JSON_COMPACT) : 0;
	struct header h = {.magic = MAGIC, .len = (uint32_t)n};
	char *bytes;

	if (n == 0)
		return mp_err_origin(-ENOMEM);
	if (n > MP_RPC_MAX_BYTES)
		return mp_err_origin(-E2BIG);
	bytes = malloc(HEADER_BYTES + n);
	if (!bytes)
		return mp_err_origin(-ENOMEM);
	memcpy(bytes, &h, HEADER_BYTES);
	json_dumpb(msg, bytes + HEADER_BYTES, n, JSON_COMPACT);
	*ret_bytes = bytes;
	*ret_len = HEADER_BYTES + n;
	return 0;
}

/* @msg is stolen. */
static int send_message(int sock, json_t *msg, const struct mp_fds *fds, uint64_t deadline_ns)
{
	MP_CLEANUP_JSON json_t *mine = msg;
	MP_CLEANUP_FREE char *bytes = NULL;
	size_t len;
	int r = encode(mine, &bytes, &len);

	if (r < 0)
		return mp_err_trace(r);
	return mp_err_trace(mp_fdpass_send(sock, bytes, len, fds, deadline_ns));
}

/* -- the supervisor's end -------------------------------------------------- */

int mp_rpc_create_take(int sock, const struct mp_rpc_cfg *cfg, struct mp_rpc **ret_rpc)
{
	struct mp_rpc *rpc = calloc(1, sizeof(*rpc));
	pthread_condattr_t attr;

	if (!rpc) {
		close(sock);
		return mp_err_origin(-ENOMEM);
	}
	rpc->cfg = *cfg;
	rpc->sock = sock;
	rpc->last_id = NO_ANSWER;
	pthread_mutex_init(&rpc->send_lock, NULL);
	pthread_mutex_init(&rpc->lock, NULL);
	pthread_condattr_init(&attr);
	pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
	pthread_cond_init(&rpc->answered, &attr);
	pthread_condattr_destroy(&attr);
	*ret_rpc = rpc;
	return 0;
}

struct mp_rpc *mp_rpc_destroy(struct mp_rpc *rpc)
{
	if (!rpc)
		return NULL;
	mp_assert(!rpc->waiters);
	close(rpc->sock);
	pthread_cond_destroy(&rpc->answered);
	pthread_mutex_destroy(&rpc->lock);
	pthread_mutex_destroy(&rpc->send_lock);
	free(rpc->body);
	free(rpc);
	return NULL;
}

int mp_rpc_fd(const struct mp_rpc *rpc)
{
	return rpc->sock;
}

static int break_off(struct mp_rpc *rpc, int r)
{
	pthread_mutex_lock(&rpc->lock);
	if (!rpc->broken)
		rpc->broken = r;
	pthread_cond_broadcast(&rpc->answered);
	pthread_mutex_unlock(&rpc->lock);
	return r;
}

/* Given away, not shared: jansson's counts of references aren't for two threads. */
static void take_answer(struct mp_rpc *rpc, json_int_t id, json_t **msg)
{
	pthread_mutex_lock(&rpc->lock);
	for (struct waiter *w = rpc->waiters; w && *msg; w = w->next) {
		if (w->id != id || w->answer)
			continue;
		w->answer = *msg;
		*msg = NULL;
	}
	pthread_cond_broadcast(&rpc->answered);
	pthread_mutex_unlock(&rpc->lock);
}

static int take_message(struct mp_rpc *rpc)
{
	MP_CLEANUP_JSON json_t *msg = json_loadb(rpc->body, rpc->head.len, 0, NULL);
	const char *event = json_string_value(json_object_get(msg, "event"));
	json_t *id = json_object_get(msg, "id");

	if (!json_is_object(msg))
		return mp_err_origin(-EPROTO);
	if (event)
		rpc->cfg.event(rpc->cfg.opaque, event, json_object_get(msg, "data"));
	else if (json_is_integer(id))
		take_answer(rpc, json_integer_value(id), &msg);
	return 0;
}

static int begin_body(struct mp_rpc *rpc)
{
	if (rpc->head.magic != MAGIC || rpc->head.len == 0 || rpc->head.len > MP_RPC_MAX_BYTES)
		return mp_err_origin(-EPROTO);
	rpc->body = malloc(rpc->head.len);
	rpc->n_body = 0;
	return rpc->body ? 0 : mp_err_origin(-ENOMEM);
}

static int end_body(struct mp_rpc *rpc)
{
	int r = take_message(rpc);

	free(rpc->body);
	rpc->body = NULL;
	rpc->n_head = 0;
	return r;
}

static size_t min_size(size_t a, size_t b)
{
	return a < b ? a : b;
}

/* Without room for them the kernel closes fds that come along. 1 more may be there; 0 not now. */
static int read_some(struct mp_rpc *rpc)
{
	bool in_head = rpc->n_head < HEADER_BYTES;
	char *to = in_head ? (char *)&rpc->head + rpc->n_head : rpc->body + rpc->n_body;
	size_t want = in_head ? HEADER_BYTES - rpc->n_head
			      : min_size(rpc->head.len - rpc->n_body, READ_BYTES);
	ssize_t n = recv(rpc->sock, to, want, MSG_DONTWAIT);
	int r = 1;

	if (n == 0)
		return mp_err_origin(-ECONNRESET);
	if (n < 0)
		return errno == EAGAIN || errno == EINTR ? 0 : mp_err_origin(-errno);
	if (in_head) {
		rpc->n_head += (size_t)n;
		if (rpc->n_head == HEADER_BYTES)
			r = begin_body(rpc);
	} else {
		rpc->n_body += (size_t)n;
		if (rpc->n_body == rpc->head.len)
			r = end_body(rpc);
	}
	return r < 0 ? mp_err_trace(r) : 1;
}

int mp_rpc_poll(struct mp_rpc *rpc)
{
	int r = 1;

	for (int i = 0; r > 0 && i < MAX_READS; i++)
		r = read_some(rpc);
	return r < 0 ? mp_err_trace(break_off(rpc, r)) : 0;
}

static uint64_t deadline_of(const struct mp_rpc *rpc)
{
	return rpc->cfg.timeout_ns ? mp_clock_ns() + rpc->cfg.timeout_ns : MP_FDPASS_FOREVER;
}

static json_t *make_call(const char *name, json_t *args, json_int_t id)
{
	return json_pack("{s:s, s:O*, s:I}", "call", name, "args", args, "id", id);
}

static json_int_t enter(struct mp_rpc *rpc, struct waiter *w)
{
	pthread_mutex_lock(&rpc->lock);
	w->id = ++rpc->last_id;
	w->next = rpc->waiters;
	rpc->waiters = w;
	pthread_mutex_unlock(&rpc->lock);
	return w->id;
}

static void leave(struct mp_rpc *rpc, struct waiter *w)
{
	struct waiter **p = &rpc->waiters;

	while (*p != w)
		p = &(*p)->next;
	*p = w->next;
}

/* Also takes @w off the list: what comes later is nobody's. */
static int wait_for(struct mp_rpc *rpc, struct waiter *w, uint64_t deadline_ns)
{
	struct timespec ts = {.tv_sec = (time_t)(deadline_ns / MP_NS_PER_SEC),
			      .tv_nsec = (long)(deadline_ns % MP_NS_PER_SEC)};
	int r = 0;

	pthread_mutex_lock(&rpc->lock);
	while (!w->answer && !rpc->broken && r == 0)
		r = deadline_ns == MP_FDPASS_FOREVER
			    ? -pthread_cond_wait(&rpc->answered, &rpc->lock)
			    : -pthread_cond_timedwait(&rpc->answered, &rpc->lock, &ts);
	leave(rpc, w);
	if (w->answer)
		r = 0;
	else if (rpc->broken)
		r = rpc->broken;
	pthread_mutex_unlock(&rpc->lock);
	return r < 0 ? mp_err_origin(r) : 0;
}

static int send_call(struct mp_rpc *rpc, json_t *msg, const struct mp_fds *fds,
		     uint64_t deadline_ns)
{
	int r;

	pthread_mutex_lock(&rpc->send_lock);
	r = send_message(rpc->sock, msg, fds, deadline_ns);
	pthread_mutex_unlock(&rpc->send_lock);
	/* A part of a message may be out: nobody can send after it. */
	if (r < 0 && r != -E2BIG && r != -ENOMEM)
		break_off(rpc, r);
	return mp_err_trace(r);
}

static void explain(struct mp_rpc_error *e, const char *name, int r)
{
	if (r == -ETIMEDOUT)
		mp_rpc_error_set(e, "GenericError", "The worker did not answer '%s' in time", name);
	else if (r == -ECONNRESET || r == -EPIPE || r == -EPROTO)
		mp_rpc_error_set(e, "GenericError", "The worker has ended");
	else if (r == -E2BIG)
		mp_rpc_error_set(e, "GenericError", "'%s': the arguments are too large", name);
	else
		mp_rpc_error_set(e, "GenericError", "'%s': %s", name, strerror(-r));
}

/* The texts are the worker's word: any length, but a JSON string is valid UTF-8. */
static int take_error(json_t *error, struct mp_rpc_error *ret_error)
{
	const char *klass = json_string_value(json_object_get(error, "class"));
	const char *desc = json_string_value(json_object_get(error, "desc"));

	mp_rpc_error_set(ret_error, klass && *klass ? klass : "GenericError", "%s",
			 desc ? desc : "The worker gave no reason");
	return mp_err_origin(-EREMOTEIO);
}

int mp_rpc_call(struct mp_rpc *rpc, const struct mp_rpc_request *req, json_t **ret_value,
		struct mp_rpc_error *ret_error)
{
	uint64_t deadline_ns = deadline_of(rpc);
	struct waiter w = {.answer = NULL};
	json_t *value, *error;
	int r;

	enter(rpc, &w);
	r = send_call(rpc, make_call(req->name, req->args, w.id), req->fds, deadline_ns);
	/* Having failed it waits for nothing, but leaves the list. */
	if (r < 0)
		wait_for(rpc, &w, 0);
	else
		r = wait_for(rpc, &w, deadline_ns);
	if (r < 0) {
		json_decref(w.answer);
		explain(ret_error, req->name, r);
		return mp_err_trace(r);
	}
	error = json_object_get(w.answer, "error");
	value = json_object_get(w.answer, "return");
	if (error || !value)
		r = take_error(error, ret_error);
	else if (ret_value)
		*ret_value = json_incref(value);
	json_decref(w.answer);
	return r;
}

int mp_rpc_tell(struct mp_rpc *rpc, const char *name, json_t *args)
{
	return send_call(rpc, make_call(name, args, NO_ANSWER), NULL, deadline_of(rpc));
}

/* -- the worker's end -------------------------------------------------------- */

void mp_rpc_seed(void)
{
	json_object_seed(0);
}

int mp_rpc_recv(int sock, json_t **ret_msg, struct mp_fds *fds)
{
	MP_CLEANUP_FREE char *body = NULL;
	struct header h;
	json_t *msg = NULL;
	int r;

	r = mp_fdpass_recv(sock, &h, sizeof(h), fds, mp_clock_ns() + SEND_NS);
	if (r < 0)
		return mp_err_trace(r);
	if (h.magic == MAGIC && h.len <= MP_RPC_MAX_BYTES)
		body = malloc(h.len);
	if (body)
		r = mp_fdpass_recv(sock, body, h.len, NULL, mp_clock_ns() + SEND_NS);
	if (body && r == 0)
		msg = json_loadb(body, h.len, 0, NULL);
	if (!json_is_string(json_object_get(msg, "call"))) {
		json_decref(msg);
		mp_fds_close(fds);
		return mp_err_origin(r < 0 ? r : -EPROTO);
	}
	*ret_msg = msg;
	return 0;
}

static json_t *error_answer(json_int_t id, const struct mp_rpc_error *e)
{
	return json_pack("{s:I, s:{s:s, s:s}}", "id", id, "error", "class", e->klass, "desc",
			 e->desc);
}

/* @msg is stolen. What can't be said as it is becomes an error, for the socket is well. */
static int send_answer(int sock, json_int_t id, json_t *msg)
{
	MP_CLEANUP_JSON json_t *mine = msg, *instead = NULL;
	MP_CLEANUP_FREE char *bytes = NULL;
	struct mp_rpc_error e;
	size_t len;
	int r = encode(mine, &bytes, &len);

	if (r < 0) {
		mp_rpc_error_set(&e, "GenericError", "%s",
				 r == -E2BIG ? "The answer is too large"
					     : "The worker has no memory for its answer");
		instead = error_answer(id, &e);
		/* Who has no memory for that either: the caller's time ends it. */
		if (encode(instead, &bytes, &len) < 0)
			return 0;
	}
	return mp_err_trace(mp_fdpass_send(sock, bytes, len, NULL, mp_clock_ns() + SEND_NS));
}

int mp_rpc_answer(int sock, json_int_t id, json_t *value)
{
	if (id == NO_ANSWER) {
		json_decref(value);
		return 0;
	}
	return mp_err_trace(send_answer(
		sock, id,
		json_pack("{s:I, s:o}", "id", id, "return", value ? value : json_object())));
}

int mp_rpc_answer_error(int sock, json_int_t id, const struct mp_rpc_error *e)
{
	return id == NO_ANSWER ? 0 : mp_err_trace(send_answer(sock, id, error_answer(id, e)));
}

int mp_rpc_event(int sock, const char *name, json_t *data)
{
	json_t *msg = json_pack("{s:s, s:o*}", "event", name, "data", data);

	return mp_err_trace(send_message(sock, msg, NULL, mp_clock_ns() + SEND_NS));
}
