/* SPDX-License-Identifier: BSD-3-Clause */
#include <errno.h>
#include <pthread.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/bytes.h"
#include "base/clock.h"
#include "tests/lib/t.h"
#include "tests/unit/proxy/rig.h"

#define IO    0
#define MEM   1

#define MS(n) ((n)*1000000ull)

static struct rig *open_default(void)
{
	struct rig_opts opts = RIG_DEFAULTS;
	struct rig *r = rig_open(&opts);

	T_OK(r != NULL);
	return r;
}

/* A rig whose worker never answers, and whose link gives up soon. */
static struct rig *open_stuck(void)
{
	struct rig_opts opts = RIG_DEFAULTS;
	struct rig *r;

	opts.reply_timeout_ns = MS(20);
	r = rig_open(&opts);
	T_OK(r != NULL);
	r->serves = false;
	return r;
}

static void test_posted_write_returns_before_it_is_applied(void)
{
	struct rig *r = open_default();

	mp_link_post(&r->l, MEM, 0x20, 4, 0x11223344);
	T_EQ(r->n_blocks, 0);
	T_EQ(mp_get_le32(r->p.regs + 0x20), 0);
	T_EQ(fake_peer_turn(&r->p), 1);
	T_EQ(mp_get_le32(r->p.regs + 0x20), 0x11223344);
	T_EQ(rig_stat(r, MP_STAT_PROXY_POSTED_WRITES), 1);
	rig_close(r);
}

static void test_read_sees_all_earlier_posted_writes(void)
{
	struct rig *r = open_default();

	mp_link_post(&r->l, MEM, 0x20, 4, 1);
	mp_link_post(&r->l, MEM, 0x20, 4, 2);
	mp_link_post(&r->l, MEM, 0x24, 2, 0xabcd);
	T_EQ(mp_link_read(&r->l, MEM, 0x20, 4), 2);
	T_EQ(mp_link_read(&r->l, MEM, 0x24, 1), 0xcd);
	T_EQ(mp_link_read(&r->l, MEM, FAKE_N_WRITES, 4), 3);
	T_EQ(rig_stat(r, MP_STAT_PROXY_WAITED_READS), 3);
	T_EQ(rig_stat(r, MP_STAT_PROXY_SHADOW_READS), 0);
	rig_close(r);
}

static void test_read_cuts_the_reply_to_its_size(void)
{
	struct rig *r = open_default();

	/* The worker's answer to the next request (position 1), with too many bits. */
	T_OK(fake_peer_answer(&r->p, 1, 0x1122334455667788));
	r->serves = false;
	T_EQ(mp_link_read(&r->l, MEM, 0x20, 2), 0x7788);
	rig_close(r);
}

static void test_non_posted_write_returns_applied_with_its_irq_level(void)
{
	struct rig *r = open_default();

	mp_link_write(&r->l, IO, FAKE_IRQ, 1, 1);
	T_EQ(r->p.regs[FAKE_IRQ], 1);
	T_STR_EQ(r->log, "I1 ");
	mp_link_write(&r->l, IO, FAKE_IRQ, 1, 0);
	T_STR_EQ(r->log, "I1 I0 ");
	T_EQ(rig_stat(r, MP_STAT_PROXY_WAITED_WRITES), 2);
	T_EQ(rig_stat(r, MP_STAT_PROXY_IRQ_RAISED), 1);
	T_EQ(rig_stat(r, MP_STAT_PROXY_IRQ_LOWERED), 1);
	rig_close(r);
}

static void test_config_write_reaches_the_worker(void)
{
	struct rig *r = open_default();

	mp_link_cfg_write(&r->l, 0x10, 4, 0xc001);
	T_EQ(mp_get_le32(r->p.regs + FAKE_CFG + 0x10), 0xc001);
	rig_close(r);
}

static void test_shadow_read_sends_no_message(void)
{
	struct rig *r = open_default();

	mp_link_post(&r->l, MEM, 4, 4, 0x99aabbcc);
	fake_peer_turn(&r->p);
	r->serves = false;
	T_EQ(mp_link_read(&r->l, MEM, 4, 4), 0x99aabbcc);
	T_EQ(mp_link_read(&r->l, IO, 6, 1), 0xaa);
	T_EQ(rig_stat(r, MP_STAT_PROXY_SHADOW_READS), 2);
	T_EQ(r->n_blocks, 0);
	rig_close(r);
}

static void test_shadow_is_not_used_while_a_posted_write_is_in_flight(void)
{
	struct rig *r = open_default();

	mp_link_post(&r->l, MEM, 4, 4, 5);
	/* Applied only when the read blocks: the shadow still says 0. */
	T_EQ(mp_link_read(&r->l, MEM, 4, 4), 5);
	T_EQ(rig_stat(r, MP_STAT_PROXY_SHADOW_READS), 0);
	T_EQ(r->n_blocks, 1);
	rig_close(r);
}

static void test_shadow_needs_every_byte_in_it(void)
{
	struct rig *r = open_default();

	/* Byte 0x1f is in the shadow, 0x20 is not; 6..9 straddles two words. */
	mp_link_read(&r->l, MEM, 0x1f, 2);
	mp_link_read(&r->l, MEM, 6, 4);
	/* BAR 2 has none; offset 256 of BAR 1 is past the window. */
	mp_link_read(&r->l, 2, 0, 4);
	mp_link_read(&r->l, MEM, 256, 4);
	T_EQ(rig_stat(r, MP_STAT_PROXY_SHADOW_READS), 0);
	T_EQ(rig_stat(r, MP_STAT_PROXY_WAITED_READS), 4);
	mp_link_read(&r->l, MEM, 0x1e, 2);
	T_EQ(rig_stat(r, MP_STAT_PROXY_SHADOW_READS), 1);
	rig_close(r);
}

static void test_reports_come_before_the_reply_and_the_level(void)
{
	struct rig *r = open_default();

	fake_peer_report(&r->p, 0x1000, 0x40);
	fake_peer_report(&r->p, 0x2000, 0x80);
	mp_link_write(&r->l, IO, FAKE_IRQ, 1, 1);
	T_STR_EQ(r->log, "D1000+40 D2000+80 I1 ");
	T_EQ(rig_stat(r, MP_STAT_PROXY_DMA_REPORTS), 2);
	T_EQ(rig_stat(r, MP_STAT_PROXY_DMA_REPORT_BYTES), 0xc0);
	rig_close(r);
}

static void test_reports_come_before_a_shadow_value(void)
{
	struct rig *r = open_default();

	fake_peer_report(&r->p, 0x1000, 0x40);
	r->p.regs[0] = 7;
	fake_peer_publish_shadow(&r->p);
	T_EQ(mp_link_read(&r->l, MEM, 0, 1), 7);
	T_STR_EQ(r->log, "D1000+40 ");
	rig_close(r);
}

static void test_reports_come_before_the_level_in_the_main_loop(void)
{
	struct rig *r = open_default();

	fake_peer_report(&r->p, 0x3000, 1);
	fake_peer_publish_irq(&r->p, 1);
	mp_link_irq_ready(&r->l);
	T_STR_EQ(r->log, "D3000+1 I1 ");
	mp_link_irq_ready(&r->l);
	T_STR_EQ(r->log, "D3000+1 I1 ");
	T_EQ(rig_stat(r, MP_STAT_PROXY_IRQ_WAKES), 2);
	rig_close(r);
}

static void test_edge_only_keeps_a_fall_from_ringing(void)
{
	struct rig *r = open_default();

	mp_link_set_irq_edge_only(&r->l, true);
	fake_peer_publish_irq(&r->p, 1);
	T_OK(mp_bell_drain(mp_link_irq_fd(&r->l)));
	T_EQ(mp_link_irq_now(&r->l), 1);
	fake_peer_publish_irq(&r->p, 0);
	T_OK(!mp_bell_drain(mp_link_irq_fd(&r->l)));
	T_EQ(mp_link_irq_now(&r->l), 0);
	rig_close(r);
}

/* Used to be kept from an owner that KVM had listened for: the link had told a 1 before. */
static void test_level_is_told_again_to_who_has_not_listened(void)
{
	struct rig *r = open_default();

	fake_peer_publish_irq(&r->p, 1);
	mp_link_irq_ready(&r->l);
	fake_peer_publish_irq(&r->p, 0);
	mp_link_irq_again(&r->l);
	T_STR_EQ(r->log, "I1 I0 ");
	mp_link_irq_again(&r->l);
	T_STR_EQ(r->log, "I1 I0 I0 ");
	fake_peer_publish_irq(&r->p, 1);
	mp_link_irq_ready(&r->l);
	T_STR_EQ(r->log, "I1 I0 I0 I1 ");
	rig_close(r);
}

static void test_reply_for_a_request_that_was_given_up_is_ignored(void)
{
	struct rig *r = open_default();

	fake_peer_answer(&r->p, 0, 0xdead);
	fake_peer_answer(&r->p, 0x0fffffff, 0xdead);
	r->p.regs[0x20] = 0x33;
	T_EQ(mp_link_read(&r->l, MEM, 0x20, 1), 0x33);
	rig_close(r);
}

static void test_ticket_counts_on_past_28_bits(void)
{
	struct rig *r = open_default();

	/* Both sides at position 2^28 - 1; it is a multiple of the ring's size, less one. */
	r->l.s.prod.tail = r->l.s.prod.head_seen = 0x0fffffff;
	r->p.s.cons.next = r->p.s.cons.published = 0x0fffffff;
	r->p.regs[0x20] = 0x44;
	T_EQ(mp_link_read(&r->l, MEM, 0x20, 1), 0x44);
	T_EQ(mp_link_read(&r->l, MEM, 0x20, 1), 0x44);
	T_EQ(r->l.s.prod.tail, 0x10000001);
	rig_close(r);
}

static void test_read_of_a_stuck_worker_gives_ones_within_the_limit(void)
{
	struct rig *r = open_stuck();
	uint64_t begin_ns = mp_clock_ns(), took_ns;

	T_EQ(mp_link_read(&r->l, MEM, 0x20, 2), 0xffff);
	took_ns = mp_clock_ns() - begin_ns;
	T_OK(took_ns >= MS(20) && took_ns < MS(2000));
	T_STR_EQ(r->log, "dead ");
	T_EQ(rig_stat(r, MP_STAT_PROXY_TIMEOUTS), 1);

	/* From now on at once, and silently. */
	T_EQ(mp_link_read(&r->l, MEM, 0x20, 8), -1);
	mp_link_post(&r->l, MEM, 0x20, 4, 1);
	mp_link_write(&r->l, IO, 0x20, 4, 1);
	T_EQ(rig_stat(r, MP_STAT_PROXY_TIMEOUTS), 1);
	T_EQ(r->l.s.prod.tail, 1);
	T_STR_EQ(r->log, "dead ");
	rig_close(r);
}

static void test_spin_is_bounded_by_the_limit(void)
{
	struct rig_opts opts = RIG_DEFAULTS;
	uint64_t begin_ns;
	struct rig *r;

	opts.reply_timeout_ns = MS(10);
	opts.spin_ns = MS(60000);
	r = rig_open(&opts);
	T_OK(r != NULL);
	r->serves = false;
	begin_ns = mp_clock_ns();
	T_EQ(mp_link_read(&r->l, MEM, 0x20, 4), 0xffffffff);
	T_OK(mp_clock_ns() - begin_ns < MS(5000));
	rig_close(r);
}

static void test_dead_device_lowers_its_interrupt(void)
{
	struct rig *r = open_stuck();

	fake_peer_publish_irq(&r->p, 1);
	mp_link_irq_ready(&r->l);
	mp_link_read(&r->l, MEM, 0x20, 4);
	T_STR_EQ(r->log, "I1 I0 dead ");
	/* The level in the page is still 1. */
	mp_link_irq_ready(&r->l);
	T_STR_EQ(r->log, "I1 I0 dead ");
	rig_close(r);
}

static void test_reports_of_a_dead_device_still_count(void)
{
	struct rig *r = open_stuck();

	mp_link_read(&r->l, MEM, 0x20, 4);
	fake_peer_report(&r->p, 0x5000, 8);
	mp_link_irq_ready(&r->l);
	T_STR_EQ(r->log, "dead D5000+8 ");
	rig_close(r);
}

static void test_reset_revives_a_worker_that_answers_again(void)
{
	struct rig *r = open_stuck();

	mp_link_read(&r->l, MEM, 0x20, 4);
	T_EQ(mp_link_reset(&r->l), -EIO);
	r->serves = true;
	/* The answers to the lost read and the lost reset come first. */
	T_EQ(mp_link_reset(&r->l), 0);
	T_STR_EQ(r->log, "dead alive ");
	T_EQ(mp_link_read(&r->l, MEM, FAKE_N_RESETS, 4), 2);
	rig_close(r);
}

static void test_hang_up_during_a_wait_is_noticed_at_once(void)
{
	struct rig *r = open_default();
	uint64_t begin_ns = mp_clock_ns();

	r->serves = false;
	shutdown(r->p.s.sock, SHUT_RDWR);
	T_EQ(mp_link_read(&r->l, MEM, 0x20, 4), 0xffffffff);
	T_OK(mp_clock_ns() - begin_ns < MS(1000));
	T_OK(r->l.closed);
	T_STR_EQ(r->log, "dead ");
	T_STR_EQ(r->why, "the worker closed its socket");
	T_EQ(mp_link_reset(&r->l), -EIO);
	rig_close(r);
}

static void test_hang_up_is_said_once_more_if_it_was_only_stuck(void)
{
	struct rig *r = open_stuck();

	mp_link_read(&r->l, MEM, 0x20, 4);
	shutdown(r->p.s.sock, SHUT_RDWR);
	mp_link_hup(&r->l);
	mp_link_hup(&r->l);
	T_STR_EQ(r->log, "dead dead ");
	rig_close(r);
}

static void test_hup_with_nothing_on_the_socket_is_ignored(void)
{
	struct rig *r = open_default();

	/* Used to close the device: the main loop's poll() had seen an ACK that a
	 * vCPU then took. */
	mp_link_hup(&r->l);
	T_OK(!r->l.closed);
	T_EQ(write(r->p.s.sock, "x", 1), 1);
	mp_link_hup(&r->l);
	T_OK(r->l.closed);
	T_STR_EQ(r->why, "the worker talks out of turn on its socket");
	rig_close(r);
}

static void test_talk_on_the_socket_does_not_end_or_burn_a_wait(void)
{
	struct rig *r = open_stuck();

	T_EQ(write(r->p.s.sock, "x", 1), 1);
	mp_link_read(&r->l, MEM, 0x20, 4);
	T_OK(!r->l.closed);
	T_EQ(rig_stat(r, MP_STAT_PROXY_SLEEPS), 1);
	rig_close(r);
}

static void fill_request_ring(struct rig *r)
{
	for (unsigned int i = 0; i < MP_SESSION_DEFAULT_REQ_SLOTS; i++)
		mp_link_post(&r->l, MEM, 0x20, 4, i);
}

static void test_full_ring_waits_for_credit_and_loses_nothing(void)
{
	struct rig *r = open_default();

	fill_request_ring(r);
	T_EQ(r->n_blocks, 0);
	mp_link_post(&r->l, MEM, 0x20, 4, 0x5555);
	T_EQ(r->n_blocks, 1);
	T_EQ(rig_stat(r, MP_STAT_PROXY_FULL), 1);
	T_EQ(mp_link_read(&r->l, MEM, 0x20, 4), 0x5555);
	T_EQ(mp_link_read(&r->l, MEM, FAKE_N_WRITES, 4), MP_SESSION_DEFAULT_REQ_SLOTS + 1);
	rig_close(r);
}

static void test_full_ring_of_a_stuck_worker_is_bounded(void)
{
	struct rig *r = open_stuck();

	fill_request_ring(r);
	T_STR_EQ(r->log, "");
	mp_link_post(&r->l, MEM, 0x20, 4, 1);
	T_STR_EQ(r->log, "dead ");
	T_EQ(rig_stat(r, MP_STAT_PROXY_TIMEOUTS), 1);
	rig_close(r);
}

/* A worker that takes no request before its reports have found room. */
static void report_first(struct rig *r)
{
	if (fake_peer_report(&r->p, 0x1000, 1))
		fake_peer_turn(&r->p);
}

static void test_two_full_rings_do_not_wait_for_each_other(void)
{
	struct rig *r = open_default();
	unsigned int n = 0;

	fill_request_ring(r);
	while (fake_peer_report(&r->p, 0x1000, 1))
		n++;
	T_EQ(n, 16);
	r->on_block = report_first;
	mp_link_post(&r->l, MEM, 0x20, 4, 1);
	T_OK(!r->l.dead);
	T_OK(rig_stat(r, MP_STAT_PROXY_DMA_REPORTS) >= 16);
	rig_close(r);
}

static void test_ready_comes_back_for_more_than_one_ring_of_reports(void)
{
	struct rig *r = open_default();

	while (fake_peer_report(&r->p, 0x1000, 1))
		;
	mp_link_irq_ready(&r->l);
	/* It took a full ring, so there may be more: it rings for itself. */
	T_OK(mp_bell_drain(mp_link_irq_fd(&r->l)));
	mp_link_irq_ready(&r->l);
	T_OK(!mp_bell_drain(mp_link_irq_fd(&r->l)));
	rig_close(r);
}

static void test_malformed_reply_closes_the_device(void)
{
	struct rig *r = open_default();
	void *slot;

	T_EQ(mp_ring_reserve(&r->p.s.prod, &slot), 1);
	mp_put_le32((char *)slot + 4, 0x30000000);
	mp_ring_commit(&r->p.s.prod);
	T_EQ(mp_link_read(&r->l, MEM, 0x20, 4), 0xffffffff);
	T_OK(r->l.closed);
	T_STR_EQ(r->why, "the worker sent a malformed reply");
	rig_close(r);
}

static void test_report_that_was_not_agreed_closes_the_device(void)
{
	struct rig_opts opts = RIG_DEFAULTS;
	struct rig *r;

	opts.features = 0;
	r = rig_open(&opts);
	T_OK(r != NULL);
	r->p.s.features = MP_FEAT_DMA_REPORT;
	fake_peer_report(&r->p, 0x1000, 1);
	mp_link_irq_ready(&r->l);
	T_OK(r->l.closed);
	T_STR_EQ(r->log, "dead ");
	rig_close(r);
}

static void test_impossible_head_closes_the_device(void)
{
	struct rig *r = open_default();
	struct mp_ring_page *page = r->p.s.own.addr;

	r->serves = false;
	mp_link_post(&r->l, MEM, 0x20, 4, 1);
	atomic_store_explicit(&page->head, 77, memory_order_relaxed);
	T_EQ(mp_link_read(&r->l, MEM, 0, 4), 0xffffffff);
	T_OK(r->l.closed);
	T_STR_EQ(r->why, "the worker claims requests that were never sent");
	rig_close(r);
}

static void *serve_ram_thread(void *opaque)
{
	struct rig *r = opaque;

	fake_peer_serve_ram(&r->p);
	return NULL;
}

static void test_set_ram_returns_when_the_worker_has_it(void)
{
	struct rig *r = open_default();
	struct mp_session_region g = {.gpa = 0x100000, .len = 0x4000};
	pthread_t thread;

	T_EQ(pthread_create(&thread, NULL, serve_ram_thread, r), 0);
	T_EQ(mp_link_set_ram(&r->l, &g, 1, &r->stats.fd, 1), 0);
	pthread_join(thread, NULL);
	T_EQ(r->p.n_regions, 1);
	T_EQ(r->p.region[0].gpa, 0x100000);
	rig_close(r);
}

static void test_set_ram_without_an_answer_closes_the_device(void)
{
	struct rig *r = open_stuck();

	T_EQ(mp_link_set_ram(&r->l, NULL, 0, NULL, 0), -ETIMEDOUT);
	T_OK(r->l.closed);
	T_STR_EQ(r->log, "dead ");
	T_EQ(mp_link_set_ram(&r->l, NULL, 0, NULL, 0), -EIO);
	rig_close(r);
}

static struct rig *open_pausing(uint64_t reply_timeout_ns)
{
	struct rig_opts opts = RIG_DEFAULTS;
	struct rig *r;

	opts.features |= MP_FEAT_PAUSE | MP_FEAT_IO_STOP;
	opts.reply_timeout_ns = reply_timeout_ns;
	r = rig_open(&opts);
	T_OK(r != NULL);
	return r;
}

static void test_pause_returns_when_nothing_is_in_flight(void)
{
	struct rig *r = open_pausing(MS(2000));

	r->p.n_in_flight = 3;
	T_EQ(mp_link_pause(&r->l), 0);
	T_EQ(r->p.n_in_flight, 0);
	T_OK(r->p.paused);
	mp_link_continue(&r->l);
	T_OK(!r->p.paused);
	rig_close(r);
}

static void test_pause_with_io_that_never_ends_is_bounded(void)
{
	struct rig *r = open_pausing(MS(20));

	r->p.n_in_flight = UINT32_MAX;
	T_EQ(mp_link_pause(&r->l), -EBUSY);
	T_OK(!r->l.dead && r->p.paused);
	rig_close(r);
}

static void test_pause_of_a_stuck_worker_is_bounded(void)
{
	struct rig *r = open_pausing(MS(20));

	r->serves = false;
	T_EQ(mp_link_pause(&r->l), -EIO);
	T_STR_EQ(r->log, "dead ");
	T_EQ(mp_link_pause(&r->l), -EIO);
	rig_close(r);
}

/* Used to leave the worker paused for good: it took the PAUSE late, and missed the end. */
static void test_reset_that_revives_a_worker_also_continues_it(void)
{
	struct rig *r = open_pausing(MS(20));

	r->serves = false;
	T_EQ(mp_link_pause(&r->l), -EIO);
	mp_link_continue(&r->l);
	r->serves = true;
	T_EQ(mp_link_reset(&r->l), 0);
	T_OK(!r->p.paused && !r->l.dead);
	r->serves = false;
	T_EQ(mp_link_pause(&r->l), -EIO);
	r->serves = true;
	T_EQ(mp_link_reset(&r->l), 0);
	T_OK(r->p.paused);
	rig_close(r);
}

static void test_pause_is_not_sent_to_a_worker_that_has_not_agreed(void)
{
	struct rig *r = open_default();

	T_EQ(mp_link_pause(&r->l), 0);
	mp_link_continue(&r->l);
	T_EQ(rig_stat(r, MP_STAT_PROXY_WAITED_WRITES), 0);
	T_EQ(mp_link_stop_fd(&r->l), -1);
	rig_close(r);
}

static void test_io_error_is_told_once_until_continued(void)
{
	struct rig *r = open_pausing(MS(2000));

	mp_link_stop_ready(&r->l); /* woken for nothing */
	T_STR_EQ(r->log, "");
	fake_peer_stop(&r->p, true);
	T_EQ(mp_bell_drain(mp_link_stop_fd(&r->l)), true);
	mp_link_stop_ready(&r->l);
	T_STR_EQ(r->log, "stop ");
	mp_link_continue(&r->l);
	mp_link_stop_ready(&r->l); /* late: it was over */
	T_STR_EQ(r->log, "stop ");
	rig_close(r);
}

static void test_flood_of_stops_is_one_wake_up(void)
{
	struct rig *r = open_pausing(MS(2000));

	for (unsigned int i = 0; i < 100000; i++)
		fake_peer_stop(&r->p, true);
	mp_link_stop_ready(&r->l);
	T_STR_EQ(r->log, "stop ");
	T_EQ(mp_bell_drain(mp_link_stop_fd(&r->l)), false);
	rig_close(r);
}

static void test_dead_device_stops_no_machine(void)
{
	struct rig *r = open_pausing(MS(20));

	r->serves = false;
	mp_link_read(&r->l, MEM, 0x24, 4);
	fake_peer_stop(&r->p, true);
	mp_link_stop_ready(&r->l);
	T_STR_EQ(r->log, "dead ");
	rig_close(r);
}

static void test_detached_link_is_a_dead_device(void)
{
	struct rig *r = open_default();

	mp_link_detach(&r->l);
	T_EQ(mp_link_read(&r->l, MEM, 0, 4), 0xffffffff);
	mp_link_post(&r->l, MEM, 0, 4, 1);
	mp_link_write(&r->l, IO, 0, 4, 1);
	T_EQ(mp_link_reset(&r->l), -EIO);
	rig_close(r);
}

static void test_attach_to_nobody_says_why(void)
{
	struct mp_link_cfg cfg = {.connect_timeout_ns = MS(50)};
	const char *error = NULL;
	struct mp_link l;
	int socks[2];

	T_EQ(socketpair(AF_UNIX, SOCK_STREAM, 0, socks), 0);
	T_EQ(mp_link_attach_take(&l, socks[0], &cfg, &error), -ETIMEDOUT);
	T_OK(error != NULL);
	close(socks[1]);
	mp_link_detach(&l);
}

T_MAIN(T_TEST(test_posted_write_returns_before_it_is_applied),
       T_TEST(test_read_sees_all_earlier_posted_writes),
       T_TEST(test_read_cuts_the_reply_to_its_size),
       T_TEST(test_non_posted_write_returns_applied_with_its_irq_level),
       T_TEST(test_config_write_reaches_the_worker), T_TEST(test_shadow_read_sends_no_message),
       T_TEST(test_shadow_is_not_used_while_a_posted_write_is_in_flight),
       T_TEST(test_shadow_needs_every_byte_in_it),
       T_TEST(test_reports_come_before_the_reply_and_the_level),
       T_TEST(test_reports_come_before_a_shadow_value),
       T_TEST(test_reports_come_before_the_level_in_the_main_loop),
       T_TEST(test_edge_only_keeps_a_fall_from_ringing),
       T_TEST(test_level_is_told_again_to_who_has_not_listened),
       T_TEST(test_reply_for_a_request_that_was_given_up_is_ignored),
       T_TEST(test_ticket_counts_on_past_28_bits),
       T_TEST(test_read_of_a_stuck_worker_gives_ones_within_the_limit),
       T_TEST(test_spin_is_bounded_by_the_limit), T_TEST(test_dead_device_lowers_its_interrupt),
       T_TEST(test_reports_of_a_dead_device_still_count),
       T_TEST(test_reset_revives_a_worker_that_answers_again),
       T_TEST(test_hang_up_during_a_wait_is_noticed_at_once),
       T_TEST(test_hang_up_is_said_once_more_if_it_was_only_stuck),
       T_TEST(test_hup_with_nothing_on_the_socket_is_ignored),
       T_TEST(test_talk_on_the_socket_does_not_end_or_burn_a_wait),
       T_TEST(test_full_ring_waits_for_credit_and_loses_nothing),
       T_TEST(test_full_ring_of_a_stuck_worker_is_bounded),
       T_TEST(test_two_full_rings_do_not_wait_for_each_other),
       T_TEST(test_ready_comes_back_for_more_than_one_ring_of_reports),
       T_TEST(test_malformed_reply_closes_the_device),
       T_TEST(test_report_that_was_not_agreed_closes_the_device),
       T_TEST(test_impossible_head_closes_the_device),
       T_TEST(test_set_ram_returns_when_the_worker_has_it),
       T_TEST(test_set_ram_without_an_answer_closes_the_device),
       T_TEST(test_pause_returns_when_nothing_is_in_flight),
       T_TEST(test_pause_with_io_that_never_ends_is_bounded),
       T_TEST(test_pause_of_a_stuck_worker_is_bounded),
       T_TEST(test_reset_that_revives_a_worker_also_continues_it),
       T_TEST(test_pause_is_not_sent_to_a_worker_that_has_not_agreed),
       T_TEST(test_io_error_is_told_once_until_continued),
       T_TEST(test_flood_of_stops_is_one_wake_up), T_TEST(test_dead_device_stops_no_machine),
       T_TEST(test_detached_link_is_a_dead_device), T_TEST(test_attach_to_nobody_says_why))
