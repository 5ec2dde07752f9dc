/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Disks with limits: where the throttle meets clock, engine and requests.
 *
 * A disk is on the engine's list while requests wait for its throttle. Each poll
 * lets go what may go by then, and a sleep ends when the next one may. Without
 * such a disk neither costs more than a look at the list.
 */
#include "block/engine.h"

#include "base/clock.h"
#include "base/err.h"

static void enlist(struct mp_blk *b)
{
	if (b->is_holding)
		return;
	b->is_holding = true;
	b->next_holding = b->engine->holding;
	b->engine->holding = b;
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

unsigned int mp_limit_poll(struct mp_blk_engine *e)
{
	struct mp_blk **at = &e->holding, *b;
	uint64_t now_ns = mp_clock_ns();
	struct mp_blk_req *req;
	unsigned int n = 0;

	while ((b = *at)) {
		for (; (req = mp_throttle_next(&b->throttle, now_ns)); n++)
			b->driver->submit(b, req);
		if (waits(&b->throttle)) {
			at = &b->next_holding;
			continue;
		}
		b->is_holding = false;
		*at = b->next_holding;
	}
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
	struct mp_blk **at = &b->engine->holding;

	if (!b->is_holding)
		return;
	mp_assert(!waits(&b->throttle));
	while (*at != b)
		at = &(*at)->next_holding;
	*at = b->next_holding;
}

void mp_blk_rush(struct mp_blk *b)
{
	struct mp_blk_req *req;

	while ((req = mp_throttle_rush(&b->throttle)))
		b->driver->submit(b, req);
}

int mp_blk_set_throttle(struct mp_blk *b, const struct mp_blk_throttle *cfg)
{
	const char *unused;
	int r = mp_throttle_check(cfg, &unused);

	if (r < 0)
		return mp_err_trace(r);
	mp_throttle_set(&b->throttle, cfg, mp_clock_ns());
	return 0;
}

const struct mp_blk_throttle *mp_blk_throttle(const struct mp_blk *b)
{
	return &b->throttle.cfg;
}
