/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Random accesses through a link against an array of bytes.
 *
 * The fake worker's 32 shadowed and 32 other scratch bytes are plain memory,
 * so the model is plain memory too: whatever mixture of posted and waited
 * accesses of any size, by port or by memory, a read gives what was written
 * last. Once with the worker in this thread, which it leaves at every point
 * where the link blocks, and once in its own, with waits that spin, block, and
 * find it asleep.
 */
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <time.h>

#include "base/bytes.h"
#include "tests/lib/t.h"
#include "tests/unit/proxy/rig.h"

#define SCRATCH_BYTES   64u
#define N_STEPS         20000u
#define N_THREADS_STEPS 6000u
#define N_TELLS         2000u

/* Of this program's one run. */
static uint64_t seed;

static uint64_t model_read(const uint8_t *model, uint32_t off, unsigned int size)
{
	uint64_t value = 0;

	for (unsigned int i = 0; i < size; i++)
		value |= (uint64_t)model[off + i] << 8 * i;
	return value;
}

static void model_write(uint8_t *model, uint32_t off, unsigned int size, uint64_t value)
{
	for (unsigned int i = 0; i < size; i++)
		model[off + i] = (uint8_t)(value >> 8 * i);
}

/* One random access by both; @rng's state is in the message, to replay. */
static void step(struct rig *r, uint8_t *model, uint64_t *rng, unsigned int nth)
{
	uint64_t value = t_rand(rng), got;
	unsigned int size = 1u << t_rand(rng) % 4, bar = t_rand(rng) % 2;
	uint32_t off = (uint32_t)(t_rand(rng) % (SCRATCH_BYTES - size + 1));

	switch (t_rand(rng) % 3) {
	case 0:
		mp_link_post(&r->l, bar, off, size, value);
		model_write(model, off, size, value);
		break;
	case 1:
		mp_link_write(&r->l, bar, off, size, value);
		model_write(model, off, size, value);
		break;
	default:
		got = mp_link_read(&r->l, bar, off, size);
		if (got != model_read(model, off, size))
			t_fail(__FILE__, __LINE__,
			       "step %u: %u bytes at 0x%x are 0x%llx, not 0x%llx", nth, size, off,
			       (unsigned long long)got,
			       (unsigned long long)model_read(model, off, size));
	}
}

static void test_reads_give_what_was_written_last(void)
{
	struct rig_opts opts = RIG_DEFAULTS;
	uint8_t model[SCRATCH_BYTES] = {0};
	uint64_t rng = seed;
	struct rig *r = rig_open(&opts);

	T_OK(r != NULL);
	for (unsigned int i = 0; i < N_STEPS; i++) {
		step(r, model, &rng, i);
		if (t_rand(&rng) % 8 == 0)
			fake_peer_turn(&r->p);
	}
	T_OK(!r->l.dead);
	T_OK(rig_stat(r, MP_STAT_PROXY_SHADOW_READS) > 0);
	T_OK(rig_stat(r, MP_STAT_PROXY_WAITED_READS) > 0);
	rig_close(r);
}

static void *run_worker(void *opaque)
{
	struct rig *r = opaque;

	fake_peer_run(&r->p);
	return NULL;
}

static void walk_with_thread(uint64_t spin_ns)
{
	struct rig_opts opts = RIG_DEFAULTS;
	const struct timespec nap = {.tv_nsec = 200000};
	uint8_t model[SCRATCH_BYTES] = {0};
	uint64_t rng = seed;
	pthread_t thread;
	struct rig *r;

	opts.spin_ns = spin_ns;
	r = rig_open(&opts);
	T_OK(r != NULL);
	r->serves = false;
	T_EQ(pthread_create(&thread, NULL, run_worker, r), 0);
	for (unsigned int i = 0; i < N_THREADS_STEPS; i++) {
		step(r, model, &rng, i);
		/* Long enough for the worker to fall asleep. */
		if (t_rand(&rng) % 128 == 0)
			nanosleep(&nap, NULL);
	}
	T_OK(!r->l.dead);
	T_EQ(rig_stat(r, MP_STAT_PROXY_TIMEOUTS), 0);
	mp_link_detach(&r->l);
	pthread_join(thread, NULL);
	rig_close(r);
}

static void test_threads_that_block_agree(void)
{
	walk_with_thread(0);
}

static void test_threads_that_spin_agree(void)
{
	walk_with_thread(MP_LINK_DEFAULT_SPIN_NS);
}

/* A status bit is never seen before the report of the DMA that it tells of. */
static void test_a_shadow_value_never_overtakes_its_report(void)
{
	struct rig_opts opts = RIG_DEFAULTS;
	pthread_t thread;
	struct rig *r;

	opts.spin_ns = MP_LINK_DEFAULT_SPIN_NS;
	r = rig_open(&opts);
	T_OK(r != NULL);
	r->serves = false;
	/* DMA goes to this rig's counter page; what lands there is not looked at. */
	r->p.n_regions = 1;
	r->p.region[0] = (struct mp_session_region){.gpa = 0x1000, .len = 0x1000};
	r->p.fds[0] = r->stats.fd;
	mp_put_le32(r->p.regs + FAKE_DMA_ADDR, 0x1800);
	T_EQ(pthread_create(&thread, NULL, run_worker, r), 0);
	for (unsigned int i = 0; i < 500; i++) {
		r->log[0] = '\0';
		mp_link_post(&r->l, 1, FAKE_DMA_GO, 4, i);
		while (!mp_link_read(&r->l, 1, FAKE_IRQ, 1))
			;
		T_STR_EQ(r->log, "D1800+40 I1 ");
		mp_link_write(&r->l, 1, FAKE_IRQ, 1, 0);
	}
	mp_link_detach(&r->l);
	pthread_join(thread, NULL);
	r->p.n_fds = 0;
	rig_close(r);
}

/*
 * What W1 to W4 order: plain memory, as the guest's is, which the worker writes
 * before it tells. Each round has its own word, so nothing orders on the way
 * back. Both sides look at one mapping: ThreadSanitizer knows addresses only.
 */
struct telling {
	struct rig *r;
	void (*tell)(struct fake_peer *p, unsigned int round);
	uint64_t memory[N_TELLS];
	_Atomic uint32_t n_seen;
};

static void tell_by_shadow(struct fake_peer *p, unsigned int round)
{
	mp_put_le32(p->regs, round + 1);
	fake_peer_publish_shadow(p);
}

static void tell_by_level(struct fake_peer *p, unsigned int round)
{
	fake_peer_publish_irq(p, !(round & 1));
}

static void *tell_rounds(void *opaque)
{
	struct telling *t = opaque;

	for (unsigned int i = 0; i < N_TELLS; i++) {
		t->memory[i] = i + 1;
		t->tell(&t->r->p, i);
		/* relaxed: only says when to go on; memory[] has a word for each round. */
		while (atomic_load_explicit(&t->n_seen, memory_order_relaxed) == i)
			sched_yield();
	}
	return NULL;
}

static bool told_by_shadow(struct rig *r, unsigned int round)
{
	return mp_link_read(&r->l, 1, 0, 4) == round + 1;
}

static bool told_by_level(struct rig *r, unsigned int round)
{
	return mp_link_irq_now(&r->l) == !(round & 1);
}

/* Returns how many rounds found memory as it was before the worker wrote it. */
static unsigned int count_stale(void (*tell)(struct fake_peer *, unsigned int),
				bool (*told)(struct rig *, unsigned int))
{
	struct rig_opts opts = RIG_DEFAULTS;
	struct telling t = {.r = rig_open(&opts), .tell = tell};
	unsigned int n_stale = 0;
	pthread_t thread;

	T_OK(t.r != NULL);
	t.r->l.s.peer_page = t.r->p.s.own_page;
	T_EQ(pthread_create(&thread, NULL, tell_rounds, &t), 0);
	for (unsigned int i = 0; i < N_TELLS; i++) {
		while (!told(t.r, i))
			sched_yield();
		n_stale += t.memory[i] != i + 1;
		atomic_store_explicit(&t.n_seen, i + 1, memory_order_relaxed);
	}
	pthread_join(thread, NULL);
	rig_close(t.r);
	return n_stale;
}

static void test_shadow_never_shows_before_the_memory_it_tells_of(void)
{
	T_EQ(count_stale(tell_by_shadow, told_by_shadow), 0);
}

static void test_level_never_shows_before_the_memory_it_tells_of(void)
{
	T_EQ(count_stale(tell_by_level, told_by_level), 0);
}

int main(int argc, char **argv)
{
	static const struct t_test tests[] = {
		T_TEST(test_reads_give_what_was_written_last),
		T_TEST(test_threads_that_block_agree),
		T_TEST(test_threads_that_spin_agree),
		T_TEST(test_a_shadow_value_never_overtakes_its_report),
		T_TEST(test_shadow_never_shows_before_the_memory_it_tells_of),
		T_TEST(test_level_never_shows_before_the_memory_it_tells_of),
	};

	seed = t_seed(argc, argv);
	return t_run(tests, sizeof(tests) / sizeof(tests[0]), argc, argv);
}
