/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Leaky buckets, with the rules of QEMU (docs/throttle.txt there).
 *
 * Each limit is a bucket that leaks avg a second. A request may go when no
 * bucket that concerns it is fuller than its size, and then is poured into all
 * of them, whole: so a large request goes when a small one would, and those
 * behind it wait the longer.
 *
 *	size of the bucket     max * max_length; without max the tenth of avg,
 *	                       or every other request would wait
 *	a second one (burst)   where max_length > 1: leaks max a second and holds
 *	                       the tenth of max, so that a burst goes at max and
 *	                       not all at once
 *
 * Reads and writes wait in queues of their own, for a limit on writes is no
 * reason for a read to wait; within a queue the order stays. Where both may
 * go the older one does. Nobody overtakes: while a read of one member waits, a new
 * read of another waits too, and whose turn it is limit.c says.
 *
 * FLUSH is never held: it moves nothing. DISCARD counts as a write of its size.
 */
#include "block/throttle.h"

#include <errno.h>
#include <string.h>

#include "base/clock.h"
#include "base/err.h"
#include "block/blk.h"

#define MOST_WAIT_NS 1e18

/* --- what a user may say --- */

static const char *limit_fault(const struct mp_blk_limit *l)
{
	if (l->avg > MP_THROTTLE_MOST || l->max > MP_THROTTLE_MOST)
		return "bps/iops/max values must be within [0, 1000000000000000]";
	if (l->max && !l->avg)
		return "bps_max/iops_max require corresponding bps/iops values";
	if (l->max_length > 1 && !l->max)
		return "burst length set without burst rate";
	if (l->max && l->max < l->avg)
		return "bps_max/iops_max cannot be lower than bps/iops";
	if (l->max && l->max_length > MP_THROTTLE_MOST / l->max)
		return "burst length too high for this burst rate";
	return NULL;
}

static bool has_both(const struct mp_blk_limit l[MP_THROTTLE_N_SCOPES])
{
	const struct mp_blk_limit *r = &l[MP_THROTTLE_READ], *w = &l[MP_THROTTLE_WRITE];

	return (l[MP_THROTTLE_TOTAL].avg && (r->avg || w->avg)) ||
	       (l[MP_THROTTLE_TOTAL].max && (r->max || w->max));
}

static bool any_avg(const struct mp_blk_limit l[MP_THROTTLE_N_SCOPES])
{
	return l[MP_THROTTLE_TOTAL].avg || l[MP_THROTTLE_READ].avg || l[MP_THROTTLE_WRITE].avg;
}

int mp_throttle_check(const struct mp_blk_throttle *cfg, const char **ret_why)
{
	const char *why = NULL;

	if (has_both(cfg->bps) || has_both(cfg->iops))
		why = "bps/iops/max total values and read/write values cannot be used at the same "
		      "time";
	else if (cfg->iops_size && !any_avg(cfg->iops))
		why = "iops size requires an iops value to be set";
	for (unsigned int i = 0; !why && i < MP_THROTTLE_N_SCOPES; i++) {
		why = limit_fault(&cfg->bps[i]);
		why = why ? why : limit_fault(&cfg->iops[i]);
	}
	if (!why)
		return 0;
	*ret_why = why;
	return mp_err_origin(-EINVAL);
}

bool mp_throttle_limits(const struct mp_blk_throttle *cfg)
{
	return any_avg(cfg->bps) || any_avg(cfg->iops);
}

void mp_throttle_set(struct mp_throttle *t, const struct mp_blk_throttle *cfg, uint64_t now_ns)
{
	struct mp_throttle_group *g = t->group;

	g->cfg = *cfg;
	g->leaked_ns = now_ns;
	for (unsigned int i = 0; i < MP_THROTTLE_N_SCOPES; i++) {
		g->bucket[MP_THROTTLE_BPS][i] = (struct mp_throttle_bucket){.limit = cfg->bps[i]};
		g->bucket[MP_THROTTLE_IOPS][i] = (struct mp_throttle_bucket){.limit = cfg->iops[i]};
	}
}

/* --- groups --- */

/*
 * A group lives in the room of one of its members, and only a member's own group is
 * ever in its room: who leaves while others stay finds the room of any of those free.
 */
static void hand_on(struct mp_throttle *members, struct mp_throttle *t)
{
	struct mp_throttle_group *heir = NULL;

	for (struct mp_throttle *m = members; m; m = m->next) {
		if (m->group != &t->room)
			continue;
		if (!heir) {
			heir = &m->room;
			*heir = t->room;
		}
		m->group = heir;
	}
}

void mp_throttle_leave(struct mp_throttle **members, struct mp_throttle *t)
{
	struct mp_throttle **at = members;

	if (!t->group)
		return;
	t->group->n_reads -= t->reads.n;
	t->group->n_writes -= t->writes.n;
	while (*at != t)
		at = &(*at)->next;
	*at = t->next;
	if (t->group == &t->room)
		hand_on(*members, t);
	t->group = NULL;
}

static struct mp_throttle_group *find_group(struct mp_throttle *members, const char *name)
{
	for (struct mp_throttle *m = members; m; m = m->next)
		if (strcmp(m->group->name, name) == 0)
			return m->group;
	return NULL;
}

void mp_throttle_join(struct mp_throttle **members, struct mp_throttle *t, const char *name)
{
	struct mp_throttle_group *g;

	if (t->group && strcmp(t->group->name, name) == 0)
		return;
	mp_throttle_leave(members, t);
	g = find_group(*members, name);
	if (!g) {
		g = &t->room;
		*g = (struct mp_throttle_group){.n_reads = 0};
		mp_assert(strlen(name) <= MP_THROTTLE_NAME_MAX);
		memcpy(g->name, name, strlen(name) + 1);
	}
	g->n_reads += t->reads.n;
	g->n_writes += t->writes.n;
	t->group = g;
	t->next = *members;
	*members = t;
}

/* --- buckets --- */

static double larger(double a, double b)
{
	return a > b ? a : b;
}

static bool bursts(const struct mp_throttle_bucket *b)
{
	return b->limit.max_length > 1;
}

static void leak(struct mp_throttle_group *g, uint64_t now_ns)
{
	double s = now_ns > g->leaked_ns ? (double)(now_ns - g->leaked_ns) / MP_NS_PER_SEC : 0;
	struct mp_throttle_bucket *b = &g->bucket[0][0];

	g->leaked_ns = now_ns > g->leaked_ns ? now_ns : g->leaked_ns;
	for (unsigned int i = 0; i < MP_THROTTLE_N_UNITS * MP_THROTTLE_N_SCOPES; i++, b++) {
		b->level = larger(b->level - (double)b->limit.avg * s, 0);
		b->burst = larger(b->burst - (double)b->limit.max * s, 0);
	}
}

static double size_of(const struct mp_throttle_bucket *b)
{
	double length = bursts(b) ? (double)b->limit.max_length : 1;

	return b->limit.max ? (double)b->limit.max * length : (double)b->limit.avg / 10;
}

/* Until @extra has leaked at @rate a second; a nanosecond more, so that it has by then. */
static double leak_ns(double extra, uint64_t rate)
{
	return extra > 0 ? extra * MP_NS_PER_SEC / (double)rate + 1 : 0;
}

static double bucket_wait_ns(const struct mp_throttle_bucket *b)
{
	double ns;

	if (!b->limit.avg)
		return 0;
	ns = leak_ns(b->level - size_of(b), b->limit.avg);
	if (bursts(b))
		ns = larger(ns, leak_ns(b->burst - (double)b->limit.max / 10, b->limit.max));
	return ns;
}

static uint64_t scope_wait_ns(const struct mp_throttle_group *g, unsigned int scope)
{
	double ns = 0;

	for (unsigned int unit = 0; unit < MP_THROTTLE_N_UNITS; unit++) {
		ns = larger(ns, bucket_wait_ns(&g->bucket[unit][MP_THROTTLE_TOTAL]));
		ns = larger(ns, bucket_wait_ns(&g->bucket[unit][scope]));
	}
	return ns < MOST_WAIT_NS ? (uint64_t)ns : (uint64_t)MOST_WAIT_NS;
}

static void pour(struct mp_throttle_bucket *b, double amount)
{
	b->level += amount;
	if (bursts(b))
		b->burst += amount;
}

static unsigned int scope_of(const struct mp_blk_req *req)
{
	switch (req->op) {
	case MP_BLK_READ:
		return MP_THROTTLE_READ;
	case MP_BLK_WRITE:
	case MP_BLK_WRITE_ZEROES:
	case MP_BLK_DISCARD:
		return MP_THROTTLE_WRITE;
	default:
		return MP_THROTTLE_N_SCOPES;
	}
}

static void count(struct mp_throttle_group *g, const struct mp_blk_req *req)
{
	unsigned int scope = scope_of(req);
	double bytes = (double)req->len, n = 1;

	if (g->cfg.iops_size && req->len > g->cfg.iops_size)
		n = bytes / (double)g->cfg.iops_size;
	pour(&g->bucket[MP_THROTTLE_BPS][MP_THROTTLE_TOTAL], bytes);
	pour(&g->bucket[MP_THROTTLE_BPS][scope], bytes);
	pour(&g->bucket[MP_THROTTLE_IOPS][MP_THROTTLE_TOTAL], n);
	pour(&g->bucket[MP_THROTTLE_IOPS][scope], n);
}

/* --- queues --- */

static struct mp_throttle_queue *queue_of(struct mp_throttle *t, unsigned int scope)
{
	return scope == MP_THROTTLE_READ ? &t->reads : &t->writes;
}

static unsigned int *waiting(struct mp_throttle_group *g, unsigned int scope)
{
	return scope == MP_THROTTLE_READ ? &g->n_reads : &g->n_writes;
}

static void push(struct mp_throttle *t, struct mp_blk_req *req)
{
	struct mp_throttle_queue *q = queue_of(t, scope_of(req));

	req->next = NULL;
	req->throttled = true;
	if (q->head)
		q->tail->next = req;
	else
		q->head = req;
	q->tail = req;
	q->n++;
	++*waiting(t->group, scope_of(req));
}

/* It waits no more; out of the list already. */
static void left(struct mp_throttle *t, struct mp_blk_req *req)
{
	req->throttled = false;
	queue_of(t, scope_of(req))->n--;
	if (t->group)
		--*waiting(t->group, scope_of(req));
}

static struct mp_blk_req *pop(struct mp_throttle *t, struct mp_throttle_queue *q)
{
	struct mp_blk_req *req = q->head;

	q->head = req->next;
	left(t, req);
	if (t->group)
		count(t->group, req);
	return req;
}

bool mp_throttle_admit(struct mp_throttle *t, struct mp_blk_req *req, uint64_t now_ns)
{
	unsigned int scope = scope_of(req);

	if (!t->group || scope == MP_THROTTLE_N_SCOPES)
		return true;
	leak(t->group, now_ns);
	if (*waiting(t->group, scope) > 0 || scope_wait_ns(t->group, scope) > 0) {
		push(t, req);
		return false;
	}
	count(t->group, req);
	return true;
}

static struct mp_throttle_queue *older(struct mp_throttle *t)
{
	if (!t->writes.head)
		return &t->reads;
	if (!t->reads.head)
		return &t->writes;
	return t->reads.head->begun_tsc <= t->writes.head->begun_tsc ? &t->reads : &t->writes;
}

static uint64_t queue_wait_ns(struct mp_throttle *t, const struct mp_throttle_queue *q)
{
	if (!q->head)
		return UINT64_MAX;
	if (!t->group)
		return 0;
	return scope_wait_ns(t->group, q == &t->reads ? MP_THROTTLE_READ : MP_THROTTLE_WRITE);
}

struct mp_blk_req *mp_throttle_next(struct mp_throttle *t, uint64_t now_ns)
{
	struct mp_throttle_queue *first = older(t);
	struct mp_throttle_queue *second = first == &t->reads ? &t->writes : &t->reads;

	if (t->group)
		leak(t->group, now_ns);
	if (queue_wait_ns(t, first) == 0)
		return pop(t, first);
	return queue_wait_ns(t, second) == 0 ? pop(t, second) : NULL;
}

struct mp_blk_req *mp_throttle_rush(struct mp_throttle *t)
{
	struct mp_throttle_queue *q = older(t);

	return q->head ? pop(t, q) : NULL;
}

bool mp_throttle_remove(struct mp_throttle *t, struct mp_blk_req *req)
{
	struct mp_throttle_queue *q;
	struct mp_blk_req *prev = NULL;

	if (!req->throttled)
		return false;
	q = queue_of(t, scope_of(req));
	for (struct mp_blk_req *i = q->head; i != req; i = i->next)
		prev = i;
	if (prev)
		prev->next = req->next;
	else
		q->head = req->next;
	if (q->tail == req)
		q->tail = prev;
	left(t, req);
	return true;
}

uint64_t mp_throttle_wait_ns(struct mp_throttle *t, uint64_t now_ns)
{
	uint64_t reads, writes;

	if (t->group)
		leak(t->group, now_ns);
	reads = queue_wait_ns(t, &t->reads);
	writes = queue_wait_ns(t, &t->writes);
	return reads < writes ? reads : writes;
}
