/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A link whose Nth system call fails, N = 1, 2, ...: attaching gives the errno
 * back and leaks nothing; an access that is interrupted, or whose wait fails,
 * still gives the right value, because the worker does answer.
 */
#include <errno.h>
#include <pthread.h>
#include <sys/socket.h>

#include "tests/lib/fault.h"
#include "tests/lib/t.h"
#include "tests/unit/proxy/rig.h"

/* An errno that no call gives by itself. */
#define INJECTED ENOANO
#define MANY     1000u

static void ignore_irq(void *opaque, int level)
{
}

static void ignore_state(void *opaque, bool dead, const char *why)
{
}

static const struct mp_link_ops quiet_ops = {.irq = ignore_irq, .state = ignore_state};

struct side {
	struct fake_peer p;
	int sock, r;
	pthread_t thread;
};

static void *accept_and_run(void *opaque)
{
	struct side *w = opaque;

	w->r = fake_peer_accept_take(&w->p, w->sock, 16, 0);
	if (w->r == 0)
		fake_peer_run(&w->p);
	fake_peer_fini(&w->p);
	return NULL;
}

static int attach(struct mp_link *l, struct side *w, unsigned int nth, const char **ret_hit)
{
	struct mp_link_cfg cfg = {.ops = &quiet_ops,
				  .connect_timeout_ns = 2000000000ull,
				  .reply_timeout_ns = 2000000000ull};
	const char *error;
	int socks[2], r;

	T_EQ(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, socks), 0);
	w->sock = socks[1];
	T_EQ(pthread_create(&w->thread, NULL, accept_and_run, w), 0);
	t_fault_arm(nth, INJECTED);
	r = mp_link_attach_take(l, socks[0], &cfg, &error);
	*ret_hit = t_fault_disarm();
	return r;
}

static void test_attach_fails_cleanly_at_each_call(void)
{
	static struct side w;
	unsigned int n_fds = t_count_fds(), nth;
	const char *hit = "";
	struct mp_link l;
	int r;

	for (nth = 1; nth < MANY && hit; nth++) {
		r = attach(&l, &w, nth, &hit);
		mp_link_detach(&l);
		pthread_join(w.thread, NULL);
		T_EQ(r == 0, hit == NULL);
		T_EQ(t_count_fds(), n_fds);
	}
	t_diag("%u calls", nth - 2);
	T_OK(nth > 5 && nth < MANY);
}

static int attach_stock(struct mp_link *l, struct fake_stock_run *w, unsigned int nth,
			const char **ret_hit)
{
	struct mp_link_cfg cfg = {.ops = &quiet_ops,
				  .transport = MP_LINK_AUTO,
				  .connect_timeout_ns = 2000000000ull,
				  .reply_timeout_ns = 2000000000ull};
	const char *error;
	int socks[2], r;
	pthread_t thread;

	T_EQ(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, socks), 0);
	w->stop_fd = -1;
	fake_stock_init(&w->f, socks[1]);
	T_EQ(pthread_create(&thread, NULL, fake_stock_thread, w), 0);
	t_fault_arm(nth, INJECTED);
	r = mp_link_attach_take(l, socks[0], &cfg, &error);
	*ret_hit = t_fault_disarm();
	mp_link_detach(l);
	pthread_join(thread, NULL);
	return r;
}

/* A wait that fails is a wait that was too short. */
static void test_attach_to_a_stock_worker_fails_cleanly_at_each_call(void)
{
	static struct fake_stock_run w;
	unsigned int n_fds = t_count_fds(), nth;
	const char *hit = "";
	struct mp_link l;
	int r;

	for (nth = 1; nth < MANY && hit; nth++) {
		r = attach_stock(&l, &w, nth, &hit);
		T_OK(r == 0 || hit);
		T_OK(r < 0 || !hit || strcmp(hit, "ppoll") == 0);
		T_EQ(t_count_fds(), n_fds);
	}
	t_diag("%u calls", nth - 2);
	T_OK(nth > 100 && nth < MANY);
}

static void test_interrupted_calls_change_nothing(void)
{
	static struct side w;
	const char *hit;
	struct mp_link l;

	T_EQ(attach(&l, &w, MANY, &hit), 0);
	for (uint32_t i = 0; i < 150; i++) {
		t_fault_arm(1 + i % 3, EINTR);
		mp_link_post(&l, 1, FAKE_UNSHADOWED, 4, i);
		T_EQ(mp_link_read(&l, 1, FAKE_UNSHADOWED, 4), i);
		t_fault_disarm();
	}
	T_OK(!l.dead);
	mp_link_detach(&l);
	pthread_join(w.thread, NULL);
}

/* The first wait fails; the worker answers during the second. */
static void fail_then_answer(struct rig *r)
{
	if (r->n_blocks == 1) {
		t_fault_arm(1, ENOMEM);
		return;
	}
	T_STR_EQ(t_fault_disarm(), "ppoll");
	fake_peer_turn(&r->p);
}

static void test_a_wait_that_fails_is_tried_again(void)
{
	struct rig_opts opts = RIG_DEFAULTS;
	struct rig *r = rig_open(&opts);

	T_OK(r != NULL);
	r->on_block = fail_then_answer;
	r->p.regs[FAKE_UNSHADOWED] = 0x42;
	T_EQ(mp_link_read(&r->l, 1, FAKE_UNSHADOWED, 1), 0x42);
	T_EQ(r->n_blocks, 2);
	rig_close(r);
}

T_MAIN(T_TEST(test_attach_fails_cleanly_at_each_call),
       T_TEST(test_attach_to_a_stock_worker_fails_cleanly_at_each_call),
       T_TEST(test_interrupted_calls_change_nothing), T_TEST(test_a_wait_that_fails_is_tried_again))
