/* SPDX-License-Identifier: BSD-3-Clause */
/* Who is at the other end of a link, and what a stock worker's device is. */
#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/err.h"
#include "tests/lib/t.h"
#include "tests/unit/proxy/rig.h"

#define IO    0
#define MEM   1
#define MEM2  2

#define MS(n) ((n)*1000000ull)

static struct rig *open_default(void)
{
	struct rig_opts opts = RIG_DEFAULTS;
	struct rig *r;

	opts.stock = true;
	r = rig_open(&opts);
	T_OK(r != NULL);
	return r;
}

/* --- what the device is -------------------------------------------------------- */

static void test_device_is_found_by_probing(void)
{
	struct rig *r = open_default();
	const struct mp_session_device *d = &r->l.s.device;

	T_EQ(d->vendor_id, 0x1000);
	T_EQ(d->device_id, 0x0012);
	T_EQ(d->class_revision, 0x01000002);
	T_EQ(d->subsystem_id, 0x1234);
	T_EQ(d->interrupt_pin, 1);
	T_EQ(d->min_gnt, 0x11);
	T_EQ(d->max_lat, 0x40);
	T_EQ(d->bar[IO].bytes, 256);
	T_EQ(d->bar[IO].flags, MP_BAR_IO);
	T_EQ(d->bar[MEM].bytes, 1024);
	T_EQ(d->bar[MEM2].bytes, 8192);
	T_EQ(d->bar[MEM2].flags, MP_BAR_MEM);
	T_EQ(d->bar[3].bytes, 0);
	T_OK(r->f.intr_fd >= 0 && r->f.resample_fd >= 0);
	T_EQ(r->f.n_fatal, 0);
	rig_close(r);
}

/* The first message whose moment of reset makes the device another one; 0: none. */
static unsigned int find_restart_that_matters(void)
{
	struct rig_opts opts = RIG_DEFAULTS;
	struct rig *r;
	bool same;

	opts.stock = true;
	for (unsigned int n = 1; n < 64; n++) {
		opts.n_restart = n;
		r = rig_open(&opts);
		same = r && r->l.s.device.bar[0].bytes == 256 &&
		       r->l.s.device.bar[1].bytes == 1024 && r->l.s.device.bar[2].bytes == 8192 &&
		       r->l.s.device.bar[3].bytes == 0;
		if (r)
			rig_close(r);
		if (!same)
			return n;
	}
	return 0;
}

static void test_worker_that_restarts_while_it_is_probed_is_seen_right(void)
{
	T_EQ(find_restart_that_matters(), 0);
}

/* Answers the read of a BAR register as @bits say, whatever was written. */
static uint32_t bar_bits;

static bool lie_bar(struct fake_stock *f, struct mp_mpqemu_msg *ret)
{
	if (f->last.cmd == MP_MPQEMU_PCI_CFGREAD && f->last.cfg.addr == 0x18)
		ret->value = bar_bits;
	if (f->last.cmd == MP_MPQEMU_PCI_CFGREAD && f->last.cfg.addr == 0 && bar_bits == UINT32_MAX)
		ret->value = UINT64_MAX;
	fake_stock_answer(f, ret);
	return true;
}

/* Attaches to a worker that lies; detaches again. */
static int attach_to_liar(bool (*lie)(struct fake_stock *f, struct mp_mpqemu_msg *ret),
			  uint64_t timeout_ns, const char **ret_error,
			  struct mp_session_device *ret_device)
{
	struct mp_link_cfg cfg = {.transport = MP_LINK_AUTO,
				  .connect_timeout_ns = timeout_ns,
				  .reply_timeout_ns = MS(2000)};
	struct fake_stock_run a = {.stop_fd = eventfd(0, EFD_CLOEXEC)};
	struct mp_link l;
	pthread_t thread;
	int socks[2], r;

	T_EQ(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, socks), 0);
	fake_stock_init(&a.f, socks[1]);
	a.f.lie = lie;
	T_EQ(pthread_create(&thread, NULL, fake_stock_thread, &a), 0);
	r = mp_link_attach_take(&l, socks[0], &cfg, ret_error);
	if (r == 0)
		*ret_device = l.s.device;
	mp_link_detach(&l);
	eventfd_write(a.stop_fd, 1);
	pthread_join(thread, NULL);
	mp_fd_close(&a.stop_fd);
	return r;
}

static int attach_to_bar(uint32_t bits, struct mp_session_device *ret_device)
{
	const char *error;

	bar_bits = bits;
	return attach_to_liar(lie_bar, MS(2000), &error, ret_device);
}

static void test_port_bar_may_leave_its_upper_half_out(void)
{
	struct mp_session_device d;

	T_EQ(attach_to_bar(0x0000ffe1, &d), 0);
	T_EQ(d.bar[2].bytes, 32);
	T_EQ(d.bar[2].flags, MP_BAR_IO);
}

static void test_prefetchable_bar_is_a_bar(void)
{
	struct mp_session_device d;

	T_EQ(attach_to_bar(0xfff00008, &d), 0);
	T_EQ(d.bar[2].bytes, 1 << 20);
}

static void test_impossible_bars_are_refused(void)
{
	struct mp_session_device d;

	T_EQ(attach_to_bar(0xfff00004, &d), -EPROTO); /* 64 bits */
	T_EQ(attach_to_bar(0x00000008, &d), -EPROTO); /* all of the address space */
	T_EQ(attach_to_bar(0x80000000, &d), -EPROTO); /* 2 GiB */
	T_EQ(attach_to_bar(0xf0f00000, &d), -EPROTO); /* holes */
}

static void test_worker_without_a_device_is_refused(void)
{
	struct mp_session_device d;

	T_EQ(attach_to_bar(UINT32_MAX, &d), -ENODEV);
}

static bool lie_silence(struct fake_stock *f, struct mp_mpqemu_msg *ret)
{
	if (f->n_msgs < 5)
		fake_stock_answer(f, ret);
	return true;
}

static bool lie_end(struct fake_stock *f, struct mp_mpqemu_msg *ret)
{
	fake_stock_answer(f, ret);
	return f->n_msgs < 5;
}

static bool lie_cmd_at_once(struct fake_stock *f, struct mp_mpqemu_msg *ret)
{
	ret->cmd = MP_MPQEMU_BAR_READ;
	fake_stock_answer(f, ret);
	return true;
}

static void test_attach_is_bounded_and_says_why(void)
{
	struct mp_session_device d;
	const char *error;

	T_EQ(attach_to_liar(lie_silence, MS(60), &error, &d), -EIO);
	T_STR_EQ(error, "the worker did not answer within reply-timeout");
	T_EQ(attach_to_liar(lie_cmd_at_once, MS(2000), &error, &d), -EPROTO);
	T_STR_EQ(error, "the first answer is of no protocol that is known here");
	T_EQ(attach_to_liar(lie_end, MS(2000), &error, &d), -EIO);
	T_STR_EQ(error, "the worker closed its socket");
}

/* --- who is there ------------------------------------------------------------------------ */

static void test_attach_to_nobody_says_why(void)
{
	struct mp_link_cfg cfg = {.transport = MP_LINK_AUTO, .connect_timeout_ns = MS(50)};
	const char *error = NULL;
	struct mp_link l;
	int socks[2];

	T_EQ(socketpair(AF_UNIX, SOCK_STREAM, 0, socks), 0);
	T_EQ(mp_link_attach_take(&l, socks[0], &cfg, &error), -ETIMEDOUT);
	T_STR_EQ(error, "no answer to the first message: is a worker there, and running?");
	close(socks[1]);
	mp_link_detach(&l);
}

/* Answers the offer, and then meets the proxy for rings. */
static void *ring_thread(void *opaque)
{
	struct fake_stock_run *a = opaque;
	struct mp_mpqemu_msg msg,
		ret = {.cmd = MP_MPQEMU_RET, .hole = MP_MPQEMU_ANSWER, .size = sizeof(ret.value)};
	struct pollfd pfd = {.fd = a->f.sock, .events = POLLIN};
	struct fake_peer *p = calloc(1, sizeof(*p));

	while (mp_mpqemu_recv(a->f.sock, &a->f.rx, &msg) == 0)
		poll(&pfd, 1, -1);
	if (msg.cmd == MP_MPQEMU_PCI_CFGREAD && msg.hole == MP_MPQEMU_OFFER)
		fake_stock_answer(&a->f, &ret);
	if (fake_peer_accept_take(p, mp_fd_steal(&a->f.sock), 16, 0) == 0)
		fake_peer_run(p);
	fake_peer_fini(p);
	free(p);
	return NULL;
}

static void test_worker_that_takes_the_offer_gets_rings(void)
{
	struct mp_link_cfg cfg = {.transport = MP_LINK_AUTO,
				  .connect_timeout_ns = MS(2000),
				  .reply_timeout_ns = MS(2000)};
	struct fake_stock_run a = {.stop_fd = -1};
	const char *error;
	struct mp_link l;
	pthread_t thread;
	int socks[2];

	T_EQ(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, socks), 0);
	fake_stock_init(&a.f, socks[1]);
	T_EQ(pthread_create(&thread, NULL, ring_thread, &a), 0);
	T_EQ(mp_link_attach_take(&l, socks[0], &cfg, &error), 0);
	T_OK(l.socket == NULL);
	mp_link_detach(&l);
	pthread_join(thread, NULL);
}

static bool see_offer(struct fake_stock *f, struct mp_mpqemu_msg *ret)
{
	if (f->last.hole != 0)
		f->n_fatal++;
	ret->hole = f->n_fatal ? MP_MPQEMU_ANSWER : 0;
	fake_stock_answer(f, ret);
	return true;
}

static void test_transport_socket_offers_nothing(void)
{
	struct mp_link_cfg cfg = {.transport = MP_LINK_SOCKET,
				  .connect_timeout_ns = MS(2000),
				  .reply_timeout_ns = MS(2000)};
	struct fake_stock_run a = {.stop_fd = eventfd(0, EFD_CLOEXEC)};
	const char *error;
	struct mp_link l;
	pthread_t thread;
	int socks[2];

	T_EQ(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, socks), 0);
	fake_stock_init(&a.f, socks[1]);
	a.f.lie = see_offer;
	T_EQ(pthread_create(&thread, NULL, fake_stock_thread, &a), 0);
	T_EQ(mp_link_attach_take(&l, socks[0], &cfg, &error), 0);
	mp_link_detach(&l);
	pthread_join(thread, NULL);
	mp_fd_close(&a.stop_fd);
	T_EQ(a.f.n_fatal, 0);
}

static void *listen_thread(void *opaque)
{
	mp_assert(listen(*(int *)opaque, 1) == 0);
	return NULL;
}

static void test_connect_waits_until_somebody_listens(void)
{
	struct sockaddr_un addr = {.sun_family = AF_UNIX};
	int listener = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0), fd;
	pthread_t thread;

	snprintf(addr.sun_path, sizeof(addr.sun_path), "/tmp/mpring-test-connect.%d",
		 (int)getpid());
	T_EQ(mp_link_connect(addr.sun_path, 0), -ENOENT);
	T_EQ(bind(listener, (struct sockaddr *)&addr, sizeof(addr)), 0);
	T_EQ(mp_link_connect(addr.sun_path, MS(30)), -ECONNREFUSED);
	T_EQ(pthread_create(&thread, NULL, listen_thread, &listener), 0);
	fd = mp_link_connect(addr.sun_path, MS(5000));
	T_OK(fd >= 0);
	pthread_join(thread, NULL);
	unlink(addr.sun_path);
	close(fd);
	close(listener);
}

static void test_path_that_is_too_long_is_refused_at_once(void)
{
	char path[200];

	memset(path, 'x', sizeof(path));
	path[sizeof(path) - 1] = 0;
	T_EQ(mp_link_connect(path, MS(5000)), -ENAMETOOLONG);
}

static void test_transport_ring_refuses_a_stock_worker(void)
{
	struct mp_link_cfg cfg = {.transport = MP_LINK_RING, .connect_timeout_ns = MS(2000)};
	const char *error = NULL;
	struct fake_stock f;
	struct mp_link l;
	int socks[2];

	T_EQ(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, socks), 0);
	fake_stock_init(&f, socks[1]);
	T_EQ(shutdown(f.sock, SHUT_WR), 0); /* as one that doesn't know HELLO */
	T_EQ(mp_link_attach_take(&l, socks[0], &cfg, &error), -ECONNRESET);
	T_OK(strstr(error, "mpring worker") != NULL);
	fake_stock_fini(&f);
	mp_link_detach(&l);
}

T_MAIN(T_TEST(test_device_is_found_by_probing),
       T_TEST(test_worker_that_restarts_while_it_is_probed_is_seen_right),
       T_TEST(test_port_bar_may_leave_its_upper_half_out), T_TEST(test_prefetchable_bar_is_a_bar),
       T_TEST(test_impossible_bars_are_refused), T_TEST(test_worker_without_a_device_is_refused),
       T_TEST(test_attach_is_bounded_and_says_why), T_TEST(test_attach_to_nobody_says_why),
       T_TEST(test_worker_that_takes_the_offer_gets_rings),
       T_TEST(test_transport_socket_offers_nothing),
       T_TEST(test_connect_waits_until_somebody_listens),
       T_TEST(test_path_that_is_too_long_is_refused_at_once),
       T_TEST(test_transport_ring_refuses_a_stock_worker))
