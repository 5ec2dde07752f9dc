/* SPDX-License-Identifier: BSD-3-Clause */
/* Two honest sides: what a session is when it stands. */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>

#include "base/cleanup.h"
#include "tests/lib/fault.h"
#include "tests/lib/session_pair.h"
#include "tests/lib/t.h"

static struct session_side proxy, worker;
static unsigned int n_fds_before;

static void both_sides(int sv[2])
{
	n_fds_before = t_count_fds();
	T_EQ(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, sv), 0);
	session_side_init(&proxy, false, sv[0]);
	session_side_init(&worker, true, sv[1]);
}

static void run_both(void)
{
	session_side_start(&worker);
	session_side_run(&proxy);
	session_side_join(&worker);
}

static void meet(void)
{
	int sv[2];

	both_sides(sv);
	run_both();
	T_EQ(proxy.r, 0);
	T_EQ(worker.r, 0);
}

static void part(void)
{
	session_pair_fini(&proxy, &worker);
	T_EQ(t_count_fds(), n_fds_before);
}

static void test_both_sides_agree_on_the_device(void)
{
	meet();
	T_MEM_EQ(&proxy.s.device, &session_pair_device, sizeof(session_pair_device));
	T_MEM_EQ(&worker.s.device, &session_pair_device, sizeof(session_pair_device));
	part();
}

static void test_messages_cross_both_ways(void)
{
	const void *slot;
	void *free_slot;
	struct mp_wire_rep rep;

	meet();
	T_EQ(mp_ring_reserve(&proxy.s.prod, &free_slot), 1);
	mp_ring_commit(&proxy.s.prod);
	mp_ring_cons_rebind(&worker.s.cons);
	T_EQ(mp_ring_peek(&worker.s.cons, &slot), 1);
	mp_ring_next(&worker.s.cons);
	mp_ring_release(&worker.s.cons);
	T_EQ(mp_ring_drained(&proxy.s.prod), 1);

	T_EQ(mp_ring_reserve(&worker.s.prod, &free_slot), 1);
	mp_wire_put_rep(free_slot, MP_REP_DONE, 1, 99);
	mp_ring_commit(&worker.s.prod);
	T_EQ(mp_ring_peek(&proxy.s.cons, &slot), 1);
	T_EQ(mp_wire_check_rep(slot, &rep), 0);
	T_EQ(rep.data, 99);
	part();
}

static void test_bells_ring_both_ways(void)
{
	meet();
	mp_bell_arm(&worker.s.sleep_own);
	T_EQ(mp_bell_kick(&proxy.s.ring_peer), true);
	T_EQ(mp_bell_drain(worker.s.own_bell_fd), true);
	mp_bell_arm(&proxy.s.sleep_own);
	T_EQ(mp_bell_kick(&worker.s.ring_peer), true);
	T_EQ(mp_bell_drain(proxy.s.own_bell_fd), true);
	part();
}

static void test_irq_eventfd_reaches_the_proxy(void)
{
	uint64_t one = 1;

	meet();
	T_EQ(write(worker.s.irq_fd, &one, sizeof(one)), sizeof(one));
	T_EQ(mp_bell_drain(proxy.s.irq_fd), true);
	part();
}

static void test_user_page_of_one_side_is_seen_by_the_other(void)
{
	struct mp_wire_worker_page *page;
	const struct mp_wire_worker_page *seen;

	meet();
	page = worker.s.own_page;
	seen = proxy.s.peer_page;
	atomic_store_explicit(&page->irq_level, 1, memory_order_release);
	T_EQ(atomic_load_explicit(&seen->irq_level, memory_order_acquire), 1);
	part();
}

static void test_peer_memory_cannot_be_mapped_writable(void)
{
	meet();
	T_OK(mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, proxy.s.peer.fd, 0) ==
	     MAP_FAILED);
	T_OK(mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, worker.s.peer.fd, 0) ==
	     MAP_FAILED);
	part();
}

static void test_features_are_those_that_both_want(void)
{
	int sv[2];

	both_sides(sv);
	proxy.cfg.features = MP_FEAT_DMA_REPORT | 1u << 31;
	worker.cfg.features = MP_FEAT_DMA_REPORT | 1u << 30;
	run_both();
	T_EQ(proxy.s.features, MP_FEAT_DMA_REPORT);
	T_EQ(worker.s.features, MP_FEAT_DMA_REPORT);
	part();
}

static void meet_with(uint32_t features)
{
	int sv[2];

	both_sides(sv);
	proxy.cfg.features = features;
	worker.cfg.features = MP_FEAT_PAUSE | MP_FEAT_IO_STOP;
	run_both();
	T_EQ(proxy.r, 0);
	T_EQ(worker.r, 0);
}

static void test_stop_eventfd_reaches_the_proxy(void)
{
	uint64_t one = 1;

	meet_with(MP_FEAT_PAUSE | MP_FEAT_IO_STOP);
	T_EQ(write(worker.s.stop_fd, &one, sizeof(one)), sizeof(one));
	T_EQ(mp_bell_drain(proxy.s.stop_fd), true);
	part();
}

static void test_without_io_stop_there_is_no_stop_eventfd(void)
{
	meet_with(MP_FEAT_PAUSE);
	T_EQ(proxy.s.features, MP_FEAT_PAUSE);
	T_EQ(proxy.s.stop_fd, -1);
	T_EQ(worker.s.stop_fd, -1);
	part();
}

static void test_io_stop_is_not_granted_without_pause(void)
{
	meet_with(MP_FEAT_IO_STOP);
	T_EQ(proxy.s.features, 0);
	T_EQ(worker.s.features, 0);
	T_EQ(worker.s.stop_fd, -1);
	part();
}

static void test_each_side_chooses_its_ring_size(void)
{
	int sv[2];

	both_sides(sv);
	proxy.cfg.n_slots = 8;
	worker.cfg.n_slots = 65536;
	run_both();
	T_EQ(proxy.r, 0);
	T_EQ(worker.s.cons.mask, 7);
	T_EQ(proxy.s.cons.mask, 65535);
	part();
}

static void test_shared_bell_survives_the_session(void)
{
	MP_CLEANUP_FD int bell = mp_bell_fd_create();
	int sv[2];

	both_sides(sv);
	worker.cfg.bell_fd = bell;
	run_both();
	T_EQ(worker.r, 0);
	T_EQ(worker.s.own_bell_fd, bell);
	mp_bell_arm(&worker.s.sleep_own);
	T_EQ(mp_bell_kick(&proxy.s.ring_peer), true);
	part();
	T_EQ(mp_bell_drain(bell), true);
}

static void test_fds_are_close_on_exec(void)
{
	meet();
	T_OK(fcntl(proxy.s.peer.fd, F_GETFD) & FD_CLOEXEC);
	T_OK(fcntl(proxy.s.peer_bell_fd, F_GETFD) & FD_CLOEXEC);
	T_OK(fcntl(worker.s.irq_fd, F_GETFD) & FD_CLOEXEC);
	part();
}

static void test_stolen_session_leaves_nothing_behind(void)
{
	struct mp_session moved;

	meet();
	moved = mp_session_steal(&proxy.s);
	T_EQ(proxy.s.sock, -1);
	T_EQ(proxy.s.own_bell_fd, -1);
	proxy.s = moved;
	part();
}

static void test_fini_takes_the_null_session(void)
{
	struct mp_session s = MP_SESSION_NULL;

	n_fds_before = t_count_fds();
	mp_session_fini(&s);
	mp_session_fini(&s);
	T_EQ(t_count_fds(), n_fds_before);
}

static void test_ring_size_of_ours_out_of_limits_is_refused_early(void)
{
	int sv[2];

	both_sides(sv);
	proxy.cfg.n_slots = 100;
	session_side_run(&proxy);
	T_EQ(proxy.r, -EINVAL);
	T_OK(strstr(proxy.error, "ring size"));
	close(sv[1]);
	part();
}

static void test_device_of_ours_that_is_unsound_is_refused_early(void)
{
	int sv[2];

	both_sides(sv);
	worker.device.bar[0].bytes = 100;
	run_both();
	T_EQ(worker.r, -EINVAL);
	T_EQ(proxy.r, -ECONNRESET);
	part();
}

T_MAIN(T_TEST(test_both_sides_agree_on_the_device), T_TEST(test_messages_cross_both_ways),
       T_TEST(test_bells_ring_both_ways), T_TEST(test_irq_eventfd_reaches_the_proxy),
       T_TEST(test_user_page_of_one_side_is_seen_by_the_other),
       T_TEST(test_peer_memory_cannot_be_mapped_writable),
       T_TEST(test_features_are_those_that_both_want), T_TEST(test_stop_eventfd_reaches_the_proxy),
       T_TEST(test_without_io_stop_there_is_no_stop_eventfd),
       T_TEST(test_io_stop_is_not_granted_without_pause),
       T_TEST(test_each_side_chooses_its_ring_size), T_TEST(test_shared_bell_survives_the_session),
       T_TEST(test_fds_are_close_on_exec), T_TEST(test_stolen_session_leaves_nothing_behind),
       T_TEST(test_fini_takes_the_null_session),
       T_TEST(test_ring_size_of_ours_out_of_limits_is_refused_early),
       T_TEST(test_device_of_ours_that_is_unsound_is_refused_early))
