/* SPDX-License-Identifier: BSD-3-Clause */
/* socketpair - a unix stream socket, blocking: what multi-process QEMU uses. */
#include <errno.h>
#include <stdlib.h>
#include <sys/socket.h>

#include "base/err.h"
#include "bench/rivals/stream.h"

static int create(void **ret_t)
{
	struct stream *t;
	int sock[2];
	int r;

	r = stream_create(&t);
	if (r < 0)
		return mp_err_trace(r);
	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, sock) < 0) {
		free(t);
		return mp_err_origin(-errno);
	}
	t->fd[RIVAL_CLIENT][0] = t->fd[RIVAL_CLIENT][1] = sock[0];
	t->fd[RIVAL_SERVER][0] = t->fd[RIVAL_SERVER][1] = sock[1];
	*ret_t = t;
	return 0;
}

static const struct rival_io io_socketpair = {stream_send, stream_recv};

RIVAL_LOOPS(socketpair)

const struct rival rival_socketpair = RIVAL_CONTRACT(socketpair, "socketpair", create, stream_join,
						     stream_destroy);
