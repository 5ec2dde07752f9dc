/* SPDX-License-Identifier: BSD-3-Clause */
/* pipe - two pipes, blocking: a system call a message, a wake-up a message. */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/err.h"
#include "bench/rivals/stream.h"

static int create(void **ret_t)
{
	struct stream *t;
	int request[2], reply[2];
	int r;

	r = stream_create(&t);
	if (r < 0)
		return mp_err_trace(r);
	if (pipe2(request, O_CLOEXEC) < 0 || pipe2(reply, O_CLOEXEC) < 0) {
		free(t);
		return mp_err_origin(-errno);
	}
	t->fd[RIVAL_CLIENT][0] = reply[0];
	t->fd[RIVAL_CLIENT][1] = request[1];
	t->fd[RIVAL_SERVER][0] = request[0];
	t->fd[RIVAL_SERVER][1] = reply[1];
	*ret_t = t;
	return 0;
}

static const struct rival_io io_pipe = {stream_send, stream_recv};

RIVAL_LOOPS(pipe)

const struct rival rival_pipe = RIVAL_CONTRACT(pipe, "pipe", create, stream_join, stream_destroy);
