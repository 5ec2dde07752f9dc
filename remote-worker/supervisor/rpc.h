/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * rpc - calls from the supervisor to its worker, events the other way, over a
 * private stream socket pair. One message is a header and one JSON object:
 *
 *	supervisor -> worker	{"call": NAME, "args": {...}, "id": N}, with fds
 *	worker -> supervisor	{"id": N, "return": VALUE}
 *				{"id": N, "error": {"class": NAME, "desc": TEXT}}
 *				{"event": NAME, "data": {...}}
 *
 * The worker may be a guest's: the supervisor reads at most MP_RPC_MAX_BYTES of
 * a message, takes no fds, waits for no second half of it, ignores answers that
 * nobody waits for, and hands values to callers that check them. The worker
 * trusts the supervisor.
 */
#ifndef MP_REMOTE_WORKER_SUPERVISOR_RPC_H
#define MP_REMOTE_WORKER_SUPERVISOR_RPC_H

#include <jansson.h>
#include <stdint.h>

#include "base/fdpass.h"

/* 64 adapters with 256 disks answer a "snapshot" in less than a megabyte. */
#define MP_RPC_MAX_BYTES (8u << 20)
#define MP_RPC_MAX_FDS   32u

/* Why a call failed, as QMP says it. */
struct mp_rpc_error {
	char klass[32]; /* "GenericError", "DeviceNotFound", "CommandNotFound", "DeviceNotActive" */
	char desc[512];
};

/** mp_rpc_error_set() - a sentence for the user, in class @klass; it becomes UTF-8 that has room */
void mp_rpc_error_set(struct mp_rpc_error *e, const char *klass, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));

/* --- the supervisor's end: struct mp_rpc --- */

struct mp_rpc;

struct mp_rpc_cfg {
	uint64_t timeout_ns; /* of a call; 0: none */
	/* What the worker tells, inside mp_rpc_poll(); @data may be NULL and is borrowed. */
	void (*event)(void *opaque, const char *name, json_t *data);
	void *opaque;
};

/** mp_rpc_create_take() - Return: 0; -ENOMEM. @sock is taken, also on failure */
int mp_rpc_create_take(int sock, const struct mp_rpc_cfg *cfg, struct mp_rpc **ret_rpc);

/** mp_rpc_destroy() - no call may be under way; NULL is fine; returns NULL */
struct mp_rpc *mp_rpc_destroy(struct mp_rpc *rpc);

/** mp_rpc_fd() - readable: call mp_rpc_poll() */
int mp_rpc_fd(const struct mp_rpc *rpc);

/**
 * mp_rpc_poll() - take what has come: wake callers, report events
 *
 * Return: 0; -ECONNRESET the worker has gone; -EPROTO it broke the protocol. After
 * a failure every call fails, those under way too. Context: one thread, always
 * the same; never blocks.
 */
int mp_rpc_poll(struct mp_rpc *rpc);

struct mp_rpc_request {
	const char *name;
	json_t *args; /* borrowed; NULL: none */
	const struct mp_fds *fds; /* travel with it; borrowed; NULL: none */
};

/**
 * mp_rpc_call() - have the worker do something, and wait for it
 * @ret_value:  a new reference; NULL: not wanted. It is the worker's word: check it
 *
 * Return: 0; negative errno, with @ret_error filled in: -EREMOTEIO the worker
 * refuses, -ETIMEDOUT it doesn't answer, -ECONNRESET it has gone, -E2BIG.
 * Context: any thread but the one that polls; blocks at most cfg.timeout_ns.
 */
int mp_rpc_call(struct mp_rpc *rpc, const struct mp_rpc_request *req, json_t **ret_value,
		struct mp_rpc_error *ret_error);

/** mp_rpc_tell() - the same without waiting for an answer: any thread. Return: 0; negative errno */
int mp_rpc_tell(struct mp_rpc *rpc, const char *name, json_t *args);

/* --- the worker's end: its socket --- */

/**
 * mp_rpc_seed() - what jansson would read from /dev/urandom later, when we may not open it
 */
void mp_rpc_seed(void);

/**
 * mp_rpc_recv() - the next call
 * @ret_msg:  a new reference; it is an object with a string "call"
 * @fds:      the caller's room, MP_RPC_MAX_FDS; what came is the caller's
 *
 * Return: 0; -ECONNRESET the supervisor has gone; others. Context: call it when
 * the socket is readable; waits for the rest of a message.
 */
int mp_rpc_recv(int sock, json_t **ret_msg, struct mp_fds *fds);

/**
 * mp_rpc_answer() - @value is stolen; NULL: an empty object
 *
 * What is too large becomes an error. Return: 0; negative errno: the socket is of no more use.
 */
int mp_rpc_answer(int sock, json_int_t id, json_t *value);
/** mp_rpc_answer_error() - the call has failed. Return: as above */
int mp_rpc_answer_error(int sock, json_int_t id, const struct mp_rpc_error *e);
/** mp_rpc_event() - @data is stolen; NULL: none */
int mp_rpc_event(int sock, const char *name, json_t *data);

#endif
