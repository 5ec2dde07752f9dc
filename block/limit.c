/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Disks with limits: where the throttle meets clock, engine and requests.
 *
 * A disk is on the engine's list while requests wait for its throttle. Each poll
 * lets go what may go by then, one of each disk in turn, since disks of a group take
 * from the same buckets; a sleep ends when the next one may. Without such a disk
 * neither costs more than a look at the list.
 */
#include "block/engine.h"

#include <errno.h>
#include <string.h>

#include "base/clock.h"
#include "base/err.h"

static void enlist(struct mp_blk *b)
{
	struct mp_blk_engine *e = b->engine;

	if (b->is_holding)
		return;
	b->is_holding = true;
	b->next_holding = NULL;
	if (e->holding)
		e->holding_last->next_holding = b;
	else
		e->holding = b;
	e->holding_last = b;
}

static void unlist(struct mp_blk *b)
{
	struct mp_blk_engine *e = b->engine;
	struct mp_blk *before = NULL;

	for (struct mp_blk *i = e->holding; i != b; i = i->next_holding)
		before = i;
	if (before)
		before->next_holding = b->next_holding;
	else
		e->holding = b->next_holding;
	if (e->holding_last == b)
		e->holding_last = before;
	b->is_holding = false;
}

bool mp_limit_holds(struct mp_blk *b, struct mp_blk_req *req)
{
	if (mp_throttle_admit(&b->throttle, req, mp_clock_ns()))
		return false;
	enlist(b);
	return true;
}

static bool waits(const struct mp_throttle *t)
{
	return t->reads.head || t->writes.head;
}

/* Of the disk whose turn it is; NULL: none may go. That disk is the last of the list then. */
static struct mp_blk_req *take_turn(struct mp_blk_engine *e, uint64_t now_ns)
{
	struct mp_blk_req *req = NULL;
	struct mp_blk *b = e->holding;

	while (b && !(req = mp_throttle_next(&b->throttle, now_ns)))
		b = b->next_holding;
	if (!req)
		return NULL;
	unlist(b);
	if (waits(&b->throttle))
		enlist(b);
	return req;
}

/* Those whose last one was cancelled, or went in a hurry. */
static void unlist_idle(struct mp_blk_engine *e)
{
	struct mp_blk *b = e->holding, *next;

	for (; b; b = next) {
		next = b->next_holding;
		if (!waits(&b->throttle))
			unlist(b);
	}
}

unsigned int mp_limit_poll(struct mp_blk_engine *e)
{
	uint64_t now_ns = mp_clock_ns();
	struct mp_blk_req *req;
	unsigned int n = 0;

	for (; (req = take_turn(e, now_ns)); n++)
		req->blk->driver->submit(req->blk, req);
	unlist_idle(e);
	return n;
}

uint64_t mp_limit_wait_ns(const struct mp_blk_engine *e)
{
	uint64_t now_ns = mp_clock_ns(), first = UINT64_MAX, ns;

	for (struct mp_blk *b = e->holding; b; b = b->next_holding) {
		ns = mp_throttle_wait_ns(&b->throttle, now_ns);
		first = ns < first ? ns : first;
	}
	return first;
}

void mp_limit_leave(struct mp_blk *b)
{
	mp_assert(!waits(&b->throttle));
	if (b->is_holding)
		unlist(b);
	mp_throttle_leave(&b->engine->throttled, &b->throttle);
}

void mp_blk_rush(struct mp_blk *b)
{
	struct mp_blk_req *req;

	while ((req = mp_throttle_rush(&b->throttle)))
		b->driver->submit(b, req);
}

int mp_blk_set_throttle(struct mp_blk *b, const char *group, const struct mp_blk_throttle *cfg)
{
	struct mp_throttle **members = &b->engine->throttled;
	const char *unused;
	int r = mp_throttle_check(cfg, &unused);

	if (r == 0 && mp_throttle_limits(cfg) && strlen(group) > MP_THROTTLE_NAME_MAX)
		r = mp_err_origin(-ENAMETOOLONG);
	if (r < 0)
		return mp_err_trace(r);
	if (mp_throttle_limits(cfg)) {
		mp_throttle_join(members, &b->throttle, group);
		mp_throttle_set(&b->throttle, cfg, mp_clock_ns());
	} else {
		mp_throttle_leave(members, &b->throttle);
	}
	return 0;
}

const struct mp_blk_throttle *mp_blk_throttle(const struct mp_blk *b, const char **ret_group)
{
	static const struct mp_blk_throttle none;

	*ret_group = b->throttle.group ? b->throttle.group->name : NULL;
	return b->throttle.group ? &b->throttle.group->cfg : &none;
}
