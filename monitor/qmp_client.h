/* SPDX-License-Identifier: BSD-3-Clause */
/* qmp_client - QMP as a client speaks it: one command at a time, events are passed by. */
#ifndef MP_MONITOR_QMP_CLIENT_H
#define MP_MONITOR_QMP_CLIENT_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/** Asked several times a second while waiting: true ends the wait with -EINTR. */
typedef bool mp_qmp_give_up_fn(void *opaque);

/* NEW: the greeting hasn't come; ASKED: the answer of qmp_capabilities. */
enum mp_qmp_state { MP_QMP_NEW, MP_QMP_ASKED, MP_QMP_READY };

struct mp_qmp_client {
	int fd; /* -1: none, or not to be used any more */
	mp_qmp_give_up_fn *give_up; /* NULL: never; the caller's to set, as opaque */
	void *opaque;
	uint64_t asked_ns; /* give_up, last */
	enum mp_qmp_state state;
	json_int_t id; /* of the last command */
	char *buf;
	size_t n, room;
};

#define MP_QMP_CLIENT_NULL ((struct mp_qmp_client){.fd = -1})

/** mp_qmp_client_open_take() - @fd: connected stream socket; fini() closes it */
void mp_qmp_client_open_take(struct mp_qmp_client *q, int fd);
/** mp_qmp_client_fini() - leaves MP_QMP_CLIENT_NULL */
void mp_qmp_client_fini(struct mp_qmp_client *q);

struct mp_qmp_call {
	const char *name;
	json_t *args; /* borrowed; NULL: none */
	uint64_t deadline_ns;
	char *error; /* the server's reason, or ours; NULL: not wanted */
	size_t error_len;
};

/**
 * mp_qmp_client_run() - the greeting first, if it hasn't come yet
 * @ret_value:  a new reference; may be NULL
 *
 * Return: 0; -EREMOTEIO refused; -ETIMEDOUT; -EINTR given up; -ECONNRESET; -EPROTO;
 * -EMSGSIZE an answer of more than 64 MiB. After the last three, or when not even the
 * command could be sent, nothing else can be asked: -ECONNRESET.
 */
int mp_qmp_client_run(struct mp_qmp_client *q, const struct mp_qmp_call *c, json_t **ret_value);

#endif
