/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Ring and bells between two threads that sleep whenever they can: the
 * consumer at every empty ring, the producer at every full one, without any
 * spinning, so that most messages meet the narrow window between arm and
 * block. A sleep that ends by its time limit while there was something to do
 * is a lost wake-up. Built with ThreadSanitizer this is the evidence for R1
 * to R4; on real hardware it is a probe for B1 and B2.
 */
#include <poll.h>
#include <pthread.h>

#include "base/cleanup.h"
#include "doorbell/bell.h"
#include "tests/lib/ring_pair.h"
#include "tests/lib/t.h"

#define N_MESSAGES   1000000u
#define LOST_AFTER_S 20

struct side {
	struct mp_bell_sleeper sleeper;
	struct mp_bell_ringer ringer; /* rings the other side */
	int fd; /* own */
	uint64_t seed;
	unsigned int n_sleeps;
	bool lost;
};

static struct ring_pair rp;
static struct side producer, consumer;
static uint32_t n_wrong;

/* Blocks until rung; false when nobody rang in a time that no test takes. */
static bool sleep_once(struct side *s)
{
	struct pollfd pfd = {.fd = s->fd, .events = POLLIN};

	s->n_sleeps++;
	s->lost = poll(&pfd, 1, LOST_AFTER_S * 1000) != 1;
	mp_bell_drain(s->fd);
	return !s->lost;
}

static bool wait_for_room(void **slot)
{
	while (mp_ring_reserve(&rp.p, slot) != 1) {
		mp_bell_arm(&producer.sleeper);
		if (mp_ring_reserve(&rp.p, slot) != 1 && !sleep_once(&producer))
			return false;
		mp_bell_disarm(&producer.sleeper);
	}
	return true;
}

static bool wait_for_message(const void **slot)
{
	while (mp_ring_peek(&rp.c, slot) != 1) {
		mp_bell_arm(&consumer.sleeper);
		if (mp_ring_peek(&rp.c, slot) != 1 && !sleep_once(&consumer))
			return false;
		mp_bell_disarm(&consumer.sleeper);
	}
	return true;
}

static void *produce(void *opaque)
{
	uint64_t value;
	void *slot;

	for (uint32_t n = 0; n < N_MESSAGES; n++) {
		if (!wait_for_room(&slot))
			break;
		value = (uint64_t)n * n;
		memcpy((uint8_t *)slot + 4, &n, 4);
		memcpy((uint8_t *)slot + 8, &value, 8);
		mp_ring_commit(&rp.p);
		/* One kick serves a few messages, as in the programs. */
		if (t_rand(&producer.seed) % 4 == 0 || n == N_MESSAGES - 1 ||
		    rp.p.tail - rp.p.head_seen > rp.p.mask)
			mp_bell_kick(&producer.ringer);
	}
	return opaque;
}

static void *consume(void *opaque)
{
	const void *slot;
	uint64_t value;
	uint32_t n_got;

	for (uint32_t n = 0; n < N_MESSAGES; n++) {
		if (!wait_for_message(&slot))
			break;
		memcpy(&n_got, (const uint8_t *)slot + 4, 4);
		memcpy(&value, (const uint8_t *)slot + 8, 8);
		n_wrong += n_got != n || value != (uint64_t)n * n;
		mp_ring_next(&rp.c);
		mp_ring_release(&rp.c);
		mp_bell_kick(&consumer.ringer);
	}
	return opaque;
}

static void run_threads(uint32_t n_slots, uint32_t start)
{
	struct mp_ring_page *prod_page, *cons_page;
	pthread_t t[2];

	ring_pair_init(&rp, n_slots, 16);
	ring_pair_start_at(&rp, start);
	prod_page = rp.prod_mem;
	cons_page = rp.cons_mem;
	producer = (struct side){.fd = mp_bell_fd_create(), .seed = start};
	consumer = (struct side){.fd = mp_bell_fd_create()};
	n_wrong = 0;
	mp_bell_sleeper_init(&producer.sleeper, &prod_page->armed);
	mp_bell_sleeper_init(&consumer.sleeper, &cons_page->armed);
	mp_bell_ringer_init(&producer.ringer, &cons_page->armed, consumer.fd);
	mp_bell_ringer_init(&consumer.ringer, &prod_page->armed, producer.fd);
	T_EQ(pthread_create(&t[0], NULL, produce, NULL), 0);
	T_EQ(pthread_create(&t[1], NULL, consume, NULL), 0);
	pthread_join(t[0], NULL);
	pthread_join(t[1], NULL);
	t_diag("%u slots: producer slept %u times, rang %llu; consumer %u, %llu", n_slots,
	       producer.n_sleeps, (unsigned long long)producer.ringer.n_rings, consumer.n_sleeps,
	       (unsigned long long)consumer.ringer.n_rings);
	mp_fd_close(&producer.fd);
	mp_fd_close(&consumer.fd);
	ring_pair_fini(&rp);
	T_EQ(producer.lost, false);
	T_EQ(consumer.lost, false);
	T_EQ(n_wrong, 0);
}

static void test_small_ring_loses_no_message_and_no_wakeup(void)
{
	run_threads(8, 0);
}

static void test_large_ring_loses_no_message_and_no_wakeup_across_the_wrap(void)
{
	run_threads(1024, 0u - N_MESSAGES / 2);
}

T_MAIN(T_TEST(test_small_ring_loses_no_message_and_no_wakeup),
       T_TEST(test_large_ring_loses_no_message_and_no_wakeup_across_the_wrap))
