/* SPDX-License-Identifier: BSD-3-Clause */
/* Watches: what both engines do alike. */
#include "block/engine.h"

#include <errno.h>
#include <stdlib.h>

#include "base/err.h"

int mp_blk_watch_open(struct mp_blk_engine *e, int fd, struct mp_blk_watch **ret_w)
{
	struct mp_blk_watch *w;
	int r;

	if (e->n_watches == MP_BLK_MAX_WATCHES)
		return mp_err_origin(-EMFILE);
	w = calloc(1, sizeof(*w));
	if (!w)
		return mp_err_origin(-ENOMEM);
	w->engine = e;
	w->fd = fd;
	r = e->ops->watch_open ? e->ops->watch_open(w) : 0;
	if (r < 0) {
		free(w);
		return mp_err_trace(r);
	}
	w->next = e->watches;
	e->watches = w;
	e->n_watches++;
	*ret_w = w;
	return 0;
}

void mp_blk_watch_arm(struct mp_blk_watch *w, short events)
{
	w->wanted |= events;
}

struct mp_blk_watch *mp_blk_watch_close(struct mp_blk_watch *w)
{
	struct mp_blk_engine *e;
	struct mp_blk_watch **pw;

	if (!w)
		return NULL;
	e = w->engine;
	for (pw = &e->watches; *pw != w; pw = &(*pw)->next)
		;
	*pw = w->next;
	e->n_watches--;
	if (e->ops->watch_close)
		e->ops->watch_close(w);
	free(w);
	return NULL;
}
