/* SPDX-License-Identifier: BSD-3-Clause */
#include "bench/rivals/stream.h"

#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/err.h"

int stream_create(struct stream **ret_t)
{
	struct stream *t = malloc(sizeof(*t));

	if (!t)
		return mp_err_origin(-ENOMEM);
	*t = (struct stream){.fd = {{-1, -1}, {-1, -1}}};
	*ret_t = t;
	return 0;
}

/* A side keeps its own ends only, so that a dead peer is the end of the stream. */
int stream_join(void *opaque, enum rival_side side, pid_t peer)
{
	struct stream *t = opaque;
	int other = side == RIVAL_CLIENT ? RIVAL_SERVER : RIVAL_CLIENT;

	t->side = side;
	if (t->fd[other][0] != t->fd[other][1])
		mp_fd_close(&t->fd[other][0]);
	mp_fd_close(&t->fd[other][1]);
	t->fd[other][0] = -1;
	return 0;
}

void stream_send(void *opaque, struct rival_msg m)
{
	struct stream *t = opaque;

	mp_assert(write(t->fd[t->side][1], &m, sizeof(m)) == sizeof(m));
}

/* Whole messages only are written, so a short read has a rest that is on its way. */
struct rival_msg stream_recv(void *opaque)
{
	struct stream *t = opaque;
	struct rival_msg m = {0};
	size_t have = 0;

	while (have < sizeof(m)) {
		ssize_t n = read(t->fd[t->side][0], (uint8_t *)&m + have, sizeof(m) - have);

		mp_assert(n > 0);
		have += (size_t)n;
	}
	return m;
}

void stream_destroy(void *opaque)
{
	struct stream *t = opaque;

	if (t->fd[t->side][0] != t->fd[t->side][1])
		mp_fd_close(&t->fd[t->side][0]);
	mp_fd_close(&t->fd[t->side][1]);
	free(t);
}
