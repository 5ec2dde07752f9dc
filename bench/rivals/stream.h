/* SPDX-License-Identifier: BSD-3-Clause */
/* stream - what pipe.c and socketpair.c share: 16-byte messages on blocking fds. */
#ifndef MP_BENCH_RIVALS_STREAM_H
#define MP_BENCH_RIVALS_STREAM_H

#include "bench/rivals/rival.h"

/* The end that side i uses: fd[i][0] reads, fd[i][1] writes. */
struct stream {
	int fd[2][2];
	enum rival_side side;
};

int stream_create(struct stream **ret_t);
int stream_join(void *t, enum rival_side side, pid_t peer);
void stream_send(void *t, struct rival_msg m);
struct rival_msg stream_recv(void *t);
void stream_destroy(void *t);

#endif
