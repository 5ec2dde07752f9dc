/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A monitor with a few commands, and clients of it.
 *
 *	echo {text}		returns the text
 *	add {a, b?}		returns the sum
 *	fail			is an error
 *	wait			returns when rig_let_go() was called
 *	big {bytes}		returns so long a string
 *	now			allowed out of band
 *	announce {n}		sends n events, then returns
 *	take {fdname}		writes a byte into the fd of that name
 */
#ifndef MP_TESTS_UNIT_MONITOR_RIG_H
#define MP_TESTS_UNIT_MONITOR_RIG_H

#include <pthread.h>

#include "monitor/mon.h"

#define RIG_DEADLINE_MS 10000
#define RIG_LINE_MAX    (1u << 20)

extern const char rig_schema[];

struct rig {
	struct mp_mon_cfg cfg;
	struct mp_mon *mon;
	pthread_mutex_t lock;
	pthread_cond_t changed;
	bool go;
	unsigned int n_waiting;
};

struct rig_client {
	int fd;
	char buf[RIG_LINE_MAX];
	size_t n;
	char line[RIG_LINE_MAX];
};

/* Changes to the configuration may be made between init and start. */
void rig_init(struct rig *r);
void rig_start(struct rig *r);
void rig_fini(struct rig *r);

/* A port with one client, before the start. */
void rig_connect(struct rig *r, struct rig_client *c, bool is_qmp);
void rig_close(struct rig_client *c);

void rig_send(struct rig_client *c, const char *text);
void rig_send_bytes(struct rig_client *c, const void *bytes, size_t n);
/* The next line, without its CR LF; "(eof)", "(nothing)". */
const char *rig_line(struct rig_client *c);
/* Up to the end of a prompt. */
const char *rig_until_prompt(struct rig_client *c);
const char *rig_ask(struct rig_client *c, const char *text);
/* Greeting and negotiation are behind it. */
void rig_negotiate(struct rig_client *c);

void rig_wait_until_running(struct rig *r, unsigned int n);
void rig_let_go(struct rig *r);

/* A whole server with one QMP client that has negotiated. */
void rig_open(struct rig *r, struct rig_client *c);
void rig_done(struct rig *r, struct rig_client *c);

#endif
