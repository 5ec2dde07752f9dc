/* SPDX-License-Identifier: BSD-3-Clause */
/* daemon_qmp - QMP as a client speaks it: one command at a time, events are passed by. */
#ifndef MP_REMOTE_WORKER_SUPERVISOR_DAEMON_QMP_H
#define MP_REMOTE_WORKER_SUPERVISOR_DAEMON_QMP_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct mp_daemon_qmp {
	int fd;
	bool greeted;
	char *buf;
	size_t n;
};

#define MP_DAEMON_QMP_NULL ((struct mp_daemon_qmp){.fd = -1})

/** mp_daemon_qmp_open_take() - @fd: connected stream socket; fini() closes it */
void mp_daemon_qmp_open_take(struct mp_daemon_qmp *q, int fd);
/** mp_daemon_qmp_fini() - leaves MP_DAEMON_QMP_NULL */
void mp_daemon_qmp_fini(struct mp_daemon_qmp *q);

struct mp_daemon_qmp_call {
	const char *name;
	json_t *args; /* borrowed; NULL: none */
	uint64_t deadline_ns;
	char *error; /* the server's reason, or ours */
	size_t error_len;
};

/**
 * mp_daemon_qmp_run() - the greeting first, if it hasn't come yet
 * @ret_value:  a new reference; may be NULL
 *
 * Return: 0; -EREMOTEIO refused; -ETIMEDOUT; -ECONNRESET; -EPROTO. After all but
 * the first two nothing else can be asked.
 */
int mp_daemon_qmp_run(struct mp_daemon_qmp *q, const struct mp_daemon_qmp_call *c,
		      json_t **ret_value);

#endif
