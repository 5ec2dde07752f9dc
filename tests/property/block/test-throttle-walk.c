/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Random requests through the throttles of a group with random limits, with a
 * clock that the test turns, against a model that remembers every request that
 * went and pours all of them again into its buckets whenever it is asked. Members
 * leave and come back, and the group, with what is in its buckets, stays.
 *
 * After each step:
 *
 *	fair      did what went be allowed to, and was what waits not?
 *	order     did a member's reads, and writes, go in the order in which they came?
 *	deadline  is mp_throttle_wait_ns() the moment from which one may go?
 *
 * And at the end, from the outside, without buckets: in no span of time more
 * went than its limit allows for that span, and a burst, and the last request.
 */
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "block/blk.h"
#include "tests/lib/t.h"

#define N_WALKS    150u
#define N_REQS     300u
#define N_MEMBERS  3u
#define SLACK_NS   3u /* for rounding */
#define SLACK      1e-6
#define MAX_LENGTH 5u

struct gone {
	uint64_t at_ns, len;
	bool is_read;
};

static struct {
	struct mp_throttle t[N_MEMBERS], *members;
	struct mp_blk_throttle cfg;
	struct mp_blk_req reqs[N_REQS];
	unsigned int owner[N_REQS];
	struct gone gone[N_REQS];
	unsigned int n_reqs, n_gone, next_read[N_MEMBERS], next_write[N_MEMBERS];
	uint64_t now_ns, seed;
	unsigned int n_waited, n_at_once, n_bursts, n_handed_on;
} x;

static uint64_t below(uint64_t n)
{
	return t_rand(&x.seed) % n;
}

/* --- the model --- */

struct pool {
	double level, burst;
};

static double amount_of(const struct gone *g, bool bytes)
{
	if (bytes)
		return (double)g->len;
	if (x.cfg.iops_size && g->len > x.cfg.iops_size)
		return (double)g->len / (double)x.cfg.iops_size;
	return 1;
}

static bool concerns(unsigned int scope, bool is_read)
{
	return scope == MP_THROTTLE_TOTAL || (scope == MP_THROTTLE_READ) == is_read;
}

static double drained(double level, double rate, uint64_t ns)
{
	double left = level - rate * (double)ns / 1e9;

	return left > 0 ? left : 0;
}

/* What is in a bucket now. */
static struct pool pour_again(const struct mp_blk_limit *l, unsigned int scope, bool bytes)
{
	struct pool p = {0, 0};
	uint64_t then_ns = 0;

	for (unsigned int i = 0; i < x.n_gone; i++) {
		const struct gone *g = &x.gone[i];

		if (!concerns(scope, g->is_read))
			continue;
		p.level = drained(p.level, (double)l->avg, g->at_ns - then_ns);
		p.burst = drained(p.burst, (double)l->max, g->at_ns - then_ns);
		p.level += amount_of(g, bytes);
		p.burst += amount_of(g, bytes);
		then_ns = g->at_ns;
	}
	p.level = drained(p.level, (double)l->avg, x.now_ns - then_ns);
	p.burst = drained(p.burst, (double)l->max, x.now_ns - then_ns);
	return p;
}

static double burst_of(const struct mp_blk_limit *l)
{
	if (!l->max)
		return (double)l->avg / 10;
	return (double)l->max * (double)(l->max_length > 1 ? l->max_length : 1);
}

/* @slack: a millionth more or less than the size counts as the size. */
static bool is_full(const struct mp_blk_limit *l, const struct pool *p, double slack)
{
	if (p->level > burst_of(l) * (1 + slack))
		return true;
	return l->max_length > 1 && p->burst > (double)l->max / 10 * (1 + slack);
}

static bool may_go(bool is_read, double slack)
{
	for (unsigned int scope = 0; scope < MP_THROTTLE_N_SCOPES; scope++) {
		const struct mp_blk_limit *bps = &x.cfg.bps[scope], *iops = &x.cfg.iops[scope];
		struct pool bytes = pour_again(bps, scope, true);
		struct pool ops = pour_again(iops, scope, false);

		if (!concerns(scope, is_read))
			continue;
		if ((bps->avg && is_full(bps, &bytes, slack)) ||
		    (iops->avg && is_full(iops, &ops, slack)))
			return false;
	}
	return true;
}

/* --- the walk --- */

static bool is_read(const struct mp_blk_req *req)
{
	return req->op == MP_BLK_READ;
}

/* The next of its kind and member that hasn't gone. */
static void check_order(const struct mp_blk_req *req)
{
	unsigned int m = x.owner[req - x.reqs];
	unsigned int *next = is_read(req) ? &x.next_read[m] : &x.next_write[m];

	while (x.owner[*next] != m || is_read(&x.reqs[*next]) != is_read(req))
		(*next)++;
	T_OK(&x.reqs[*next] == req);
	(*next)++;
}

static void went(const struct mp_blk_req *req)
{
	check_order(req);
	T_OK(may_go(is_read(req), SLACK));
	x.gone[x.n_gone++] = (struct gone){x.now_ns, req->len, is_read(req)};
}

static void arrive(void)
{
	static const enum mp_blk_op ops[] = {MP_BLK_READ, MP_BLK_READ, MP_BLK_WRITE,
					     MP_BLK_WRITE_ZEROES, MP_BLK_DISCARD};
	struct mp_blk_req *req = &x.reqs[x.n_reqs];
	unsigned int m = (unsigned int)below(N_MEMBERS);

	x.owner[x.n_reqs] = m;
	*req = (struct mp_blk_req){.op = ops[below(5)],
				   .len = (1 + below(below(8) ? 8 : 256)) * 512,
				   .begun_tsc = x.n_reqs++};
	if (mp_throttle_admit(&x.t[m], req, x.now_ns)) {
		went(req);
		x.n_at_once++;
	} else {
		x.n_waited++;
	}
}

/* Of a member that changes with each call, as long as one of them may. */
static struct mp_blk_req *next(void)
{
	unsigned int first = (unsigned int)below(N_MEMBERS);
	struct mp_blk_req *req = NULL;

	for (unsigned int i = 0; !req && i < N_MEMBERS; i++)
		req = mp_throttle_next(&x.t[(first + i) % N_MEMBERS], x.now_ns);
	return req;
}

static uint64_t least_wait_ns(void)
{
	uint64_t least = UINT64_MAX, ns;

	for (unsigned int m = 0; m < N_MEMBERS; m++) {
		ns = mp_throttle_wait_ns(&x.t[m], x.now_ns);
		least = ns < least ? ns : least;
	}
	return least;
}

static void let_go(void)
{
	unsigned int n_reads = 0, n_writes = 0;
	struct mp_blk_req *req;

	while ((req = next()))
		went(req);
	for (unsigned int m = 0; m < N_MEMBERS; m++) {
		n_reads += x.t[m].reads.n;
		n_writes += x.t[m].writes.n;
	}
	T_EQ(x.t[0].group->n_reads, n_reads);
	T_EQ(x.t[0].group->n_writes, n_writes);
	/* What waits now has a reason to. */
	if (n_reads)
		T_OK(!may_go(true, -SLACK));
	if (n_writes)
		T_OK(!may_go(false, -SLACK));
}

static void turn_clock(void)
{
	uint64_t wait_ns = least_wait_ns();

	if (wait_ns == UINT64_MAX || below(3) == 0) {
		x.now_ns += below(100000000);
		return;
	}
	/* Shortly before the deadline nobody may go, then somebody may. */
	if (wait_ns > 1000 && below(2)) {
		x.now_ns += wait_ns - wait_ns / 1000 - SLACK_NS;
		T_OK(!next());
		wait_ns = least_wait_ns();
	}
	x.now_ns += wait_ns + SLACK_NS;
	T_EQ(least_wait_ns(), 0);
}

/* One for which nothing waits: what waits of a member that leaves would go at once. */
static void leave_and_come_back(void)
{
	struct mp_throttle *t = &x.t[below(N_MEMBERS)];

	if (t->reads.n || t->writes.n)
		return;
	x.n_handed_on += t->group == &t->room;
	mp_throttle_leave(&x.members, t);
	if (below(2))
		mp_throttle_join(&x.members, t, "other");
	mp_throttle_join(&x.members, t, "g");
}

static void random_limit(struct mp_blk_limit *l, uint64_t typical)
{
	if (below(3) == 0)
		return;
	l->avg = 1 + below(2 * typical);
	if (below(2))
		l->max = l->avg + below(3 * typical);
	if (l->max && below(2))
		l->max_length = 1 + below(MAX_LENGTH);
	x.n_bursts += l->max_length > 1;
}

static void random_limits(struct mp_blk_limit l[MP_THROTTLE_N_SCOPES], uint64_t typical)
{
	if (below(2)) {
		random_limit(&l[MP_THROTTLE_TOTAL], typical);
		return;
	}
	random_limit(&l[MP_THROTTLE_READ], typical);
	random_limit(&l[MP_THROTTLE_WRITE], typical);
}

static void random_cfg(void)
{
	const char *why = NULL;

	memset(&x.cfg, 0, sizeof(x.cfg));
	random_limits(x.cfg.bps, 1000000);
	random_limits(x.cfg.iops, 100);
	if (below(2) && (x.cfg.iops[0].avg || x.cfg.iops[1].avg || x.cfg.iops[2].avg))
		x.cfg.iops_size = 512 * (1 + below(64));
	T_EQ(mp_throttle_check(&x.cfg, &why), 0);
}

/* --- from the outside --- */

static void check_spans(const struct mp_blk_limit *l, unsigned int scope, bool bytes)
{
	for (unsigned int from = 0; from < x.n_gone; from++) {
		double sum = 0, s;

		for (unsigned int i = from; i < x.n_gone; i++) {
			if (!concerns(scope, x.gone[i].is_read))
				continue;
			/* Before it, no more had gone than was allowed; it may exceed that itself. */
			s = (double)(x.gone[i].at_ns - x.gone[from].at_ns) / 1e9;
			T_OK(sum <= ((double)l->avg * s + burst_of(l)) * (1 + SLACK));
			sum += amount_of(&x.gone[i], bytes);
		}
	}
}

static void walk(void)
{
	memset(x.t, 0, sizeof(x.t));
	memset(x.next_read, 0, sizeof(x.next_read));
	memset(x.next_write, 0, sizeof(x.next_write));
	x.members = NULL;
	x.n_reqs = x.n_gone = 0;
	x.now_ns = 1 + below(1ull << 40);
	random_cfg();
	for (unsigned int m = 0; m < N_MEMBERS; m++)
		mp_throttle_join(&x.members, &x.t[m], "g");
	mp_throttle_set(&x.t[0], &x.cfg, x.now_ns);
	while (x.n_reqs < N_REQS) {
		if (below(3))
			arrive();
		else
			turn_clock();
		if (below(8) == 0)
			leave_and_come_back();
		if (below(4))
			let_go();
	}
	while (x.n_gone < N_REQS) {
		turn_clock();
		let_go();
	}
	T_EQ(least_wait_ns(), UINT64_MAX);
	for (unsigned int scope = 0; scope < MP_THROTTLE_N_SCOPES; scope++) {
		if (x.cfg.bps[scope].avg)
			check_spans(&x.cfg.bps[scope], scope, true);
		if (x.cfg.iops[scope].avg)
			check_spans(&x.cfg.iops[scope], scope, false);
	}
}

static void test_random_requests_go_when_the_model_lets_them(void)
{
	for (unsigned int i = 0; i < N_WALKS; i++)
		walk();
	t_diag("%u waited, %u went at once, %u limits with bursts, %u groups handed on", x.n_waited,
	       x.n_at_once, x.n_bursts, x.n_handed_on);
	T_OK(x.n_waited > 1000 && x.n_at_once > 1000 && x.n_bursts > 20 && x.n_handed_on > 100);
}

int main(int argc, char **argv)
{
	static const struct t_test tests[] = {
		T_TEST(test_random_requests_go_when_the_model_lets_them),
	};

	x.seed = t_seed(argc, argv);
	return t_run(tests, 1, argc, argv);
}
