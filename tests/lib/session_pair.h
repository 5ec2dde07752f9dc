/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * session_pair - both sides of a session in one process. One side runs in a
 * thread while the test plays, or checks, the other one.
 */
#ifndef MP_TESTS_LIB_SESSION_PAIR_H
#define MP_TESTS_LIB_SESSION_PAIR_H

#include <pthread.h>
#include <stdbool.h>

#include "wire/session.h"

/* One side, and what came of it after session_side_join(). */
struct session_side {
	int sock;
	bool is_worker;
	struct mp_session_cfg cfg;
	struct mp_session_device device; /* worker: offered */
	struct mp_session s;
	const char *error;
	int r;
	pthread_t thread;
};

/* A device that every check likes: I/O BAR 0, memory BARs 1 and 2, all of the shadow. */
extern const struct mp_session_device session_pair_device;

/* Fields that most tests keep: 64 slots, two seconds a step, its own bell. */
void session_side_init(struct session_side *side, bool is_worker, int sock);

void session_side_run(struct session_side *side); /* in this thread */
void session_side_start(struct session_side *side); /* in its own */
void session_side_join(struct session_side *side);

/* Both sides, connected; both r are 0, or what went wrong. */
void session_pair_init(struct session_side *proxy, struct session_side *worker);
void session_pair_fini(struct session_side *proxy, struct session_side *worker);

#endif
