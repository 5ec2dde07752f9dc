/* SPDX-License-Identifier: BSD-3-Clause */
/* qmp - QEMU's monitor protocol, the client's side: one command at a time, events passed by. */
#ifndef MP_LAUNCHER_QMP_H
#define MP_LAUNCHER_QMP_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/** Asked several times a second while waiting: true ends the wait with -EINTR. */
typedef bool mp_qmp_give_up_fn(void *opaque);

struct mp_qmp {
	int fd; /* borrowed */
	mp_qmp_give_up_fn *give_up;
	void *opaque;
	char *buf;
	size_t n;
};

#define MP_QMP_NULL ((struct mp_qmp){.fd = -1})

/**
 * mp_qmp_attach() - greeting and capabilities
 * @q:  fd, give_up and opaque are set by the caller
 *
 * Return: 0; -ETIMEDOUT; -EINTR given up; -ECONNRESET QEMU is gone; -EPROTO.
 */
int mp_qmp_attach(struct mp_qmp *q, uint64_t deadline_ns);
void mp_qmp_detach(struct mp_qmp *q);

/**
 * mp_qmp_command() - run one command without arguments and wait for its answer
 * @ret_value:  "return" of the answer, a new reference; NULL if not wanted
 *
 * Return: 0; -EREMOTEIO QEMU answered with an error; as mp_qmp_attach().
 */
int mp_qmp_command(struct mp_qmp *q, const char *name, json_t **ret_value, uint64_t deadline_ns);

#endif
