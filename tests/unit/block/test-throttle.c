/* SPDX-License-Identifier: BSD-3-Clause */
/* Limits: what may be said, single cases with a clock of the test's own, and the way through an engine. */
#include <errno.h>
#include <string.h>

#include "base/clock.h"
#include "block/blk.h"
#include "tests/lib/t.h"

#define N_REQS 8u
#define SEC    MP_NS_PER_SEC

static struct {
	struct mp_throttle t, other, third;
	struct mp_throttle *members;
	struct mp_blk_engine *engine;
	struct mp_blk *disk;
	struct mp_blk_req reqs[N_REQS];
	uint8_t buf[4096];
	unsigned int n_done;
	uint64_t n_begun;
} x;

/* --- what may be said --- */

static const char *fault(struct mp_blk_throttle cfg)
{
	const char *why = "";

	T_EQ(mp_throttle_check(&cfg, &why), why[0] ? -EINVAL : 0);
	return why;
}

static void test_configurations_without_a_meaning_are_refused(void)
{
	struct mp_blk_throttle c = {.bps = {{100, 0, 0}, {1, 0, 0}}};

	T_OK(strstr(fault(c), "cannot be used at the same time"));
	c = (struct mp_blk_throttle){.iops = {{100, 0, 0}, {0}, {100, 0, 0}}};
	T_OK(strstr(fault(c), "cannot be used at the same time"));
	c = (struct mp_blk_throttle){.bps = {{100, 0, 0}}, .iops_size = 4096};
	T_OK(strstr(fault(c), "iops size requires an iops value"));
	c = (struct mp_blk_throttle){.bps = {{0, 100, 0}}};
	T_OK(strstr(fault(c), "require corresponding"));
	c = (struct mp_blk_throttle){.bps = {{100, 0, 2}}};
	T_OK(strstr(fault(c), "burst length set without burst rate"));
	c = (struct mp_blk_throttle){.bps = {{100, 99, 0}}};
	T_OK(strstr(fault(c), "cannot be lower than"));
	c = (struct mp_blk_throttle){.iops = {{100, MP_THROTTLE_MOST, 2}}};
	T_OK(strstr(fault(c), "burst length too high"));
	c = (struct mp_blk_throttle){.iops = {{MP_THROTTLE_MOST + 1, 0, 0}}};
	T_OK(strstr(fault(c), "within [0, 1000000000000000]"));
}

static void test_the_rest_is_taken(void)
{
	struct mp_blk_throttle c = {0};

	T_EQ(fault(c)[0], 0);
	c.bps[MP_THROTTLE_READ] = (struct mp_blk_limit){MP_THROTTLE_MOST, MP_THROTTLE_MOST, 1};
	c.bps[MP_THROTTLE_WRITE] = (struct mp_blk_limit){1, 2, 60};
	c.iops[MP_THROTTLE_TOTAL] = (struct mp_blk_limit){100, 2000, 60};
	c.iops_size = 1;
	T_EQ(fault(c)[0], 0);
}

/* --- single cases --- */

static void limit(struct mp_blk_throttle cfg)
{
	memset(&x, 0, sizeof(x));
	mp_throttle_join(&x.members, &x.t, "g");
	mp_throttle_set(&x.t, &cfg, 0);
}

static bool goes_of(struct mp_throttle *t, unsigned int i, enum mp_blk_op op, uint64_t len,
		    uint64_t at_ns)
{
	x.reqs[i] = (struct mp_blk_req){.op = op, .len = len, .begun_tsc = x.n_begun++};
	return mp_throttle_admit(t, &x.reqs[i], at_ns);
}

static bool goes(unsigned int i, enum mp_blk_op op, uint64_t len, uint64_t at_ns)
{
	return goes_of(&x.t, i, op, len, at_ns);
}

/* The tenth of a second's worth at once, then one by one. */
static void test_without_max_a_tenth_goes_at_once(void)
{
	limit((struct mp_blk_throttle){.iops = {{20, 0, 0}}});
	T_OK(goes(0, MP_BLK_READ, 512, 0));
	T_OK(goes(1, MP_BLK_READ, 512, 0));
	T_OK(goes(2, MP_BLK_READ, 512, 0)); /* finds two, which is not more than two */
	T_OK(!goes(3, MP_BLK_READ, 512, 0));
	T_EQ(mp_throttle_wait_ns(&x.t, 0), SEC / 20 + 1);
	T_OK(!mp_throttle_next(&x.t, SEC / 20 - 10));
	T_OK(mp_throttle_next(&x.t, SEC / 20 + 1) == &x.reqs[3]);
}

/* The example of QEMU's manual: 100 a second, or 2000 for a minute. */
static void test_a_burst_lasts_as_long_as_it_is_told(void)
{
	uint64_t at_ns = SEC, n = 0;

	limit((struct mp_blk_throttle){.iops = {{100, 2000, 60}}});
	while (at_ns < 100 * SEC) {
		if (!goes(0, MP_BLK_READ, 512, at_ns)) {
			at_ns += mp_throttle_wait_ns(&x.t, at_ns);
			T_OK(mp_throttle_next(&x.t, at_ns) == &x.reqs[0]);
		}
		n++;
		if (n ==
		    100000) /* at 2000 a second all the time, but for the first tenth at once */
			T_OK(at_ns > SEC + 99700 * SEC / 2000 && at_ns < SEC + 100001 * SEC / 2000);
	}
	/* 120000 that the bucket holds, and what has leaked in those 99 seconds. */
	T_OK(n > 120000 + 9800 && n < 120000 + 10000);
}

static void test_a_large_request_counts_as_many(void)
{
	limit((struct mp_blk_throttle){.iops = {{10, 0, 0}}, .iops_size = 4096});
	T_OK(goes(0, MP_BLK_READ, 40960, 0));
	T_OK(!goes(1, MP_BLK_READ, 512, 0));
	T_EQ(mp_throttle_wait_ns(&x.t, 0) / 1000, SEC * 9 / 10 / 1000); /* ten, of which one fits */
}

static void test_a_limit_on_writes_holds_no_read(void)
{
	limit((struct mp_blk_throttle){.bps = {[MP_THROTTLE_WRITE] = {1000, 0, 0}}});
	T_OK(goes(0, MP_BLK_WRITE, 4096, 0));
	T_OK(!goes(1, MP_BLK_DISCARD, 512, 0));
	T_OK(goes(2, MP_BLK_READ, 4096, 0));
	T_OK(goes(3, MP_BLK_FLUSH, 0, 0));
	T_OK(!goes(4, MP_BLK_WRITE_ZEROES, 512, 5 * SEC)); /* behind the other */
	T_OK(mp_throttle_next(&x.t, 5 * SEC) == &x.reqs[1]);
	T_OK(mp_throttle_next(&x.t, 10 * SEC) == &x.reqs[4]);
	T_OK(!mp_throttle_next(&x.t, 100 * SEC));
}

static void test_flush_is_never_held(void)
{
	limit((struct mp_blk_throttle){.iops = {{1, 0, 0}}});
	T_OK(goes(0, MP_BLK_WRITE, 512, 0));
	T_OK(!goes(1, MP_BLK_WRITE, 512, 0));
	for (unsigned int i = 2; i < N_REQS; i++)
		T_OK(goes(i, MP_BLK_FLUSH, 0, 0));
}

static void test_of_reads_and_writes_the_older_goes(void)
{
	limit((struct mp_blk_throttle){.iops = {{10, 0, 0}}});
	T_OK(goes(0, MP_BLK_READ, 512, 0));
	T_OK(goes(1, MP_BLK_READ, 512, 0));
	T_OK(!goes(2, MP_BLK_WRITE, 512, 0));
	T_OK(!goes(3, MP_BLK_READ, 512, 0));
	T_OK(!goes(4, MP_BLK_WRITE, 512, 0));
	for (unsigned int i = 2; i < 5; i++)
		T_OK(mp_throttle_next(&x.t, i * SEC) == &x.reqs[i]);
}

static void test_what_is_removed_leaves_the_others_in_order(void)
{
	limit((struct mp_blk_throttle){.iops = {{10, 0, 0}}});
	goes(0, MP_BLK_READ, 512, 0);
	goes(1, MP_BLK_READ, 512, 0);
	for (unsigned int i = 2; i < 6; i++)
		T_OK(!goes(i, MP_BLK_READ, 512, 0));
	T_OK(!mp_throttle_remove(&x.t, &x.reqs[0]));
	T_OK(mp_throttle_remove(&x.t, &x.reqs[3]));
	T_OK(!mp_throttle_remove(&x.t, &x.reqs[3]));
	T_OK(mp_throttle_remove(&x.t, &x.reqs[5])); /* the last */
	T_OK(!goes(6, MP_BLK_READ, 512, 0));
	T_OK(mp_throttle_remove(&x.t, &x.reqs[2])); /* the first */
	T_OK(mp_throttle_rush(&x.t) == &x.reqs[4]);
	T_OK(mp_throttle_rush(&x.t) == &x.reqs[6]);
	T_OK(!mp_throttle_rush(&x.t));
}

static void test_who_was_rushed_is_counted_all_the_same(void)
{
	limit((struct mp_blk_throttle){.iops = {{10, 0, 0}}});
	goes(0, MP_BLK_READ, 512, 0);
	goes(1, MP_BLK_READ, 512, 0);
	for (unsigned int i = 2; i < 6; i++)
		T_OK(!goes(i, MP_BLK_READ, 512, 0));
	while (mp_throttle_rush(&x.t))
		continue;
	T_OK(!goes(0, MP_BLK_READ, 512, SEC / 10 + 1));
	T_EQ(mp_throttle_wait_ns(&x.t, 0) / 1000, SEC * 4 / 10 / 1000);
}

static void test_new_limits_hold_for_who_waits(void)
{
	struct mp_blk_throttle more = {.iops = {{1000, 0, 0}}};

	limit((struct mp_blk_throttle){.iops = {{1, 0, 0}}});
	goes(0, MP_BLK_READ, 512, 0);
	T_OK(!goes(1, MP_BLK_READ, 512, 0));
	T_OK(!goes(2, MP_BLK_WRITE, 512, 0));
	mp_throttle_set(&x.t, &more, 0);
	T_OK(mp_throttle_next(&x.t, 0) == &x.reqs[1]);
	mp_throttle_leave(&x.members, &x.t);
	T_EQ(mp_throttle_wait_ns(&x.t, 0), 0);
	T_OK(mp_throttle_next(&x.t, 0) == &x.reqs[2]);
	T_OK(goes(3, MP_BLK_READ, 512, 0));
	T_OK(!x.members);
}

/* --- groups --- */

static void test_members_take_from_the_same_buckets(void)
{
	limit((struct mp_blk_throttle){.iops = {{10, 0, 0}}});
	mp_throttle_join(&x.members, &x.other, "g");
	mp_throttle_join(&x.members, &x.third, "h");
	mp_throttle_set(&x.third, &(struct mp_blk_throttle){.iops = {{10, 0, 0}}}, 0);
	T_OK(goes(0, MP_BLK_READ, 512, 0));
	T_OK(goes_of(&x.other, 1, MP_BLK_READ, 512, 0));
	T_OK(!goes(2, MP_BLK_READ, 512, 0));
	T_OK(!goes_of(&x.other, 3, MP_BLK_WRITE, 512, 0));
	T_OK(goes_of(&x.third, 4, MP_BLK_READ, 512, 0));
	T_EQ(mp_throttle_wait_ns(&x.t, 0), mp_throttle_wait_ns(&x.other, 0));
	T_OK(mp_throttle_next(&x.other, SEC / 10 + 1) == &x.reqs[3]);
	T_OK(!mp_throttle_next(&x.t, SEC / 10 + 1));
	T_OK(mp_throttle_next(&x.t, SEC / 5 + 1) == &x.reqs[2]);
}

static void test_who_comes_later_overtakes_no_other_member(void)
{
	limit((struct mp_blk_throttle){.iops = {{10, 0, 0}}});
	mp_throttle_join(&x.members, &x.other, "g");
	goes(0, MP_BLK_READ, 512, 0);
	goes(1, MP_BLK_READ, 512, 0);
	T_OK(!goes(2, MP_BLK_READ, 512, 0));
	T_OK(!goes_of(&x.other, 3, MP_BLK_READ, 512, 10 * SEC)); /* though there is room */
	T_OK(goes_of(&x.other, 4, MP_BLK_WRITE, 512, 10 * SEC)); /* no write waits */
	T_OK(mp_throttle_remove(&x.t, &x.reqs[2]));
	T_OK(mp_throttle_next(&x.other, 20 * SEC) == &x.reqs[3]);
	T_OK(goes_of(&x.other, 5, MP_BLK_READ, 512, 20 * SEC));
}

static void test_a_group_outlives_the_member_that_made_it(void)
{
	limit((struct mp_blk_throttle){.iops = {{10, 0, 0}}});
	mp_throttle_join(&x.members, &x.other, "g");
	mp_throttle_join(&x.members, &x.third, "g");
	goes(0, MP_BLK_READ, 512, 0);
	goes(1, MP_BLK_READ, 512, 0);
	T_OK(!goes(2, MP_BLK_READ, 512, 0));
	T_OK(!goes_of(&x.third, 3, MP_BLK_READ, 512, 0));
	mp_throttle_leave(&x.members, &x.t);
	T_OK(mp_throttle_next(&x.t, 0) == &x.reqs[2]); /* free, and counted nowhere */
	T_OK(x.other.group == x.third.group);
	T_STR_EQ(x.other.group->name, "g");
	T_EQ(x.other.group->n_reads, 1);
	T_OK(!mp_throttle_next(&x.third, SEC / 20));
	T_OK(!goes_of(&x.other, 4, MP_BLK_READ, 512, SEC / 20));
	/* Back again, under the name that is there: no new buckets. */
	mp_throttle_join(&x.members, &x.t, "g");
	T_OK(x.t.group == x.other.group);
	mp_throttle_leave(&x.members, &x.other);
	mp_throttle_leave(&x.members, &x.third);
	T_OK(x.t.group == &x.t.room);
	T_EQ(x.t.group->cfg.iops[0].avg, 10);
	T_EQ(x.t.group->n_reads, 0);
	mp_throttle_leave(&x.members, &x.t);
	mp_throttle_leave(&x.members, &x.t);
	T_OK(!x.members);
}

static void test_who_changes_groups_takes_along_what_waits(void)
{
	limit((struct mp_blk_throttle){.iops = {{10, 0, 0}}});
	mp_throttle_join(&x.members, &x.other, "h");
	mp_throttle_set(&x.other, &(struct mp_blk_throttle){.iops = {{1, 0, 0}}}, 0);
	for (unsigned int i = 0; i < 4; i++)
		goes(i, MP_BLK_READ, 512, 0);
	mp_throttle_join(&x.members, &x.t, "h");
	T_EQ(x.other.group->n_reads, 2);
	T_OK(!goes_of(&x.other, 4, MP_BLK_READ, 512, 0));
	T_OK(mp_throttle_next(&x.t, 0) == &x.reqs[2]);
	T_OK(!mp_throttle_next(&x.t, 0));
	T_EQ(x.other.group->n_reads, 2);
}

/* --- through an engine --- */

static void on_done(struct mp_blk_req *req)
{
	(void)req;
	x.n_done++;
}

static void begin(enum mp_blk_aio aio, uint64_t iops)
{
	struct mp_blk_engine_cfg cfg = {.aio = aio, .wake_fd = -1};
	struct mp_blk_open how = {.driver = "null", .size_bytes = 65536};
	struct mp_blk_throttle limits = {.iops = {{iops, 0, 0}}};
	const char *group;
	char error[512];

	if (mp_blk_engine_create(&cfg, &x.engine) < 0)
		t_skip("this kernel gives us no io_uring");
	T_EQ(mp_blk_open(x.engine, &how, &x.disk, error, sizeof(error)), 0);
	T_EQ(mp_blk_set_throttle(x.disk, "g", &limits), 0);
	T_EQ(mp_blk_throttle(x.disk, &group)->iops[0].avg, iops);
	T_STR_EQ(group, "g");
	x.n_done = 0;
	for (unsigned int i = 0; i < N_REQS; i++) {
		x.reqs[i] = (struct mp_blk_req){
			.op = MP_BLK_READ, .len = 512, .buf = x.buf, .done = on_done};
		mp_blk_submit(x.disk, &x.reqs[i]);
	}
	while (mp_blk_engine_poll(x.engine) > 0)
		continue;
}

static void end(void)
{
	x.disk = mp_blk_close(x.disk);
	x.engine = mp_blk_engine_destroy(x.engine);
}

static void check_sleep_ends_when_the_next_may_go(enum mp_blk_aio aio)
{
	unsigned int n_waits = 0;

	begin(aio, 30); /* four at once, one each 33 ms */
	while (x.n_done < N_REQS) {
		/* Nothing else is there that could end it. */
		T_EQ(mp_blk_engine_wait(x.engine, UINT64_MAX), 0);
		mp_blk_engine_poll(x.engine);
		T_OK(++n_waits < 1000);
	}
	T_EQ(mp_blk_engine_n_inflight(x.engine), 0);
	end();
}

static void test_uring_sleeps_until_the_next_may_go(void)
{
	check_sleep_ends_when_the_next_may_go(MP_BLK_AIO_URING);
}

static void test_threads_sleep_until_the_next_may_go(void)
{
	check_sleep_ends_when_the_next_may_go(MP_BLK_AIO_THREADS);
}

static void test_a_shorter_timeout_is_still_one(void)
{
	begin(MP_BLK_AIO_THREADS, 1);
	T_EQ(mp_blk_engine_wait(x.engine, 1000), -ETIME);
	mp_blk_rush(x.disk);
	while (x.n_done < N_REQS)
		mp_blk_engine_poll(x.engine);
	end();
}

static void test_who_waits_can_be_cancelled(void)
{
	begin(MP_BLK_AIO_THREADS, 1);
	T_OK(x.n_done < N_REQS);
	for (unsigned int i = 0; i < N_REQS; i++)
		mp_blk_cancel(&x.reqs[i]);
	mp_blk_engine_poll(x.engine);
	T_EQ(x.n_done, N_REQS);
	T_EQ(x.reqs[N_REQS - 1].result, -ECANCELED);
	T_EQ(mp_blk_engine_n_inflight(x.engine), 0);
	end();
}

static void test_no_limits_any_more_let_all_go(void)
{
	struct mp_blk_throttle bad = {.iops_size = 1}, none = {0};
	const char *group;

	begin(MP_BLK_AIO_THREADS, 1);
	T_EQ(mp_blk_set_throttle(x.disk, "g", &bad), -EINVAL);
	T_EQ(mp_blk_throttle(x.disk, &group)->iops[0].avg, 1);
	T_EQ(mp_blk_set_throttle(x.disk, "g", &none), 0);
	T_EQ(mp_blk_throttle(x.disk, &group)->iops[0].avg, 0);
	T_OK(!group);
	T_EQ(mp_blk_engine_wait(x.engine, UINT64_MAX), 0);
	while (mp_blk_engine_poll(x.engine) > 0)
		continue;
	T_EQ(x.n_done, N_REQS);
	end();
}

static void test_the_end_of_the_engine_waits_for_no_limit(void)
{
	begin(MP_BLK_AIO_THREADS, 1);
	T_OK(x.n_done < N_REQS);
	x.engine = mp_blk_engine_destroy(x.engine);
	T_EQ(x.n_done, N_REQS);
}

static unsigned int n_ended(const struct mp_blk_req *reqs)
{
	unsigned int n = 0;

	for (unsigned int i = 0; i < N_REQS; i++)
		n += !reqs[i].busy;
	return n;
}

/* One disk has submitted all of its requests before the other, which doesn't wait for all of them. */
static void test_disks_of_a_group_take_turns(void)
{
	struct mp_blk_open how = {.driver = "null", .size_bytes = 65536};
	struct mp_blk_throttle limits = {.iops = {{30, 0, 0}}};
	unsigned int n_first, n_second;
	struct mp_blk_req reqs[N_REQS];
	struct mp_blk *second;
	char error[512];

	begin(MP_BLK_AIO_THREADS, 1);
	T_EQ(x.n_done, 1);
	T_EQ(mp_blk_open(x.engine, &how, &second, error, sizeof(error)), 0);
	T_EQ(mp_blk_set_throttle(second, "g", &limits), 0);
	for (unsigned int i = 0; i < N_REQS; i++) {
		reqs[i] = (struct mp_blk_req){
			.op = MP_BLK_READ, .len = 512, .buf = x.buf, .done = on_done};
		mp_blk_submit(second, &reqs[i]);
	}
	while (x.n_done < 2 * N_REQS) {
		mp_blk_engine_wait(x.engine, UINT64_MAX);
		mp_blk_engine_poll(x.engine);
		n_first = n_ended(x.reqs) - 1; /* before there were two */
		n_second = n_ended(reqs);
		if (n_first < N_REQS - 1)
			T_OK(n_first == n_second || n_first == n_second + 1);
	}
	mp_blk_close(second);
	end();
}

T_MAIN(T_TEST(test_configurations_without_a_meaning_are_refused), T_TEST(test_the_rest_is_taken),
       T_TEST(test_without_max_a_tenth_goes_at_once),
       T_TEST(test_a_burst_lasts_as_long_as_it_is_told),
       T_TEST(test_a_large_request_counts_as_many), T_TEST(test_a_limit_on_writes_holds_no_read),
       T_TEST(test_flush_is_never_held), T_TEST(test_of_reads_and_writes_the_older_goes),
       T_TEST(test_what_is_removed_leaves_the_others_in_order),
       T_TEST(test_who_was_rushed_is_counted_all_the_same),
       T_TEST(test_new_limits_hold_for_who_waits), T_TEST(test_members_take_from_the_same_buckets),
       T_TEST(test_who_comes_later_overtakes_no_other_member),
       T_TEST(test_a_group_outlives_the_member_that_made_it),
       T_TEST(test_who_changes_groups_takes_along_what_waits),
       T_TEST(test_disks_of_a_group_take_turns), T_TEST(test_uring_sleeps_until_the_next_may_go),
       T_TEST(test_threads_sleep_until_the_next_may_go),
       T_TEST(test_a_shorter_timeout_is_still_one), T_TEST(test_who_waits_can_be_cancelled),
       T_TEST(test_no_limits_any_more_let_all_go),
       T_TEST(test_the_end_of_the_engine_waits_for_no_limit))
