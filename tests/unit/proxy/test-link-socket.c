/* SPDX-License-Identifier: BSD-3-Clause */
/* The link to a stock worker, tests/lib/fake_stock.h, which takes its turn when the link blocks. */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "base/bytes.h"
#include "base/cleanup.h"
#include "base/clock.h"
#include "base/err.h"
#include "tests/lib/t.h"
#include "tests/unit/proxy/rig.h"

#define IO    0
#define MEM   1
#define MEM2  2

#define MS(n) ((n)*1000000ull)

static struct rig *open_with(uint64_t reply_timeout_ns)
{
	struct rig_opts opts = RIG_DEFAULTS;
	struct rig *r;

	opts.stock = true;
	opts.reply_timeout_ns = reply_timeout_ns;
	r = rig_open(&opts);
	T_OK(r != NULL);
	return r;
}

static struct rig *open_default(void)
{
	return open_with(MS(2000));
}

static bool readable(int fd)
{
	struct pollfd pfd = {.fd = fd, .events = POLLIN};

	return poll(&pfd, 1, 0) == 1;
}

/* --- accesses ------------------------------------------------------------------- */

static void test_write_returns_before_it_is_answered(void)
{
	struct rig *r = open_default();

	mp_link_post(&r->l, MEM, 0x20, 4, 0x11223344);
	T_EQ(r->n_blocks, 0);
	T_EQ(mp_get_le32(r->f.regs + 0x20), 0);
	T_OK(fake_stock_turn(&r->f));
	T_EQ(mp_get_le32(r->f.regs + 0x20), 0x11223344);
	T_EQ(rig_stat(r, MP_STAT_PROXY_POSTED_WRITES), 1);
	rig_close(r);
}

static void test_read_sees_all_earlier_writes_and_its_own_answer(void)
{
	struct rig *r = open_default();

	mp_link_post(&r->l, MEM, 0x20, 4, 1);
	mp_link_post(&r->l, MEM, 0x20, 4, 2);
	mp_link_post(&r->l, MEM, 0x24, 2, 0xabcd);
	T_EQ(mp_link_read(&r->l, MEM, 0x20, 4), 2);
	T_EQ(mp_link_read(&r->l, MEM, 0x24, 1), 0xcd);
	T_EQ(mp_link_read(&r->l, IO, STOCK_N_WRITES, 4), 3);
	rig_close(r);
}

static void test_address_is_the_bar_and_the_offset(void)
{
	struct rig *r = open_default();

	mp_link_read(&r->l, MEM, 0x24, 2);
	T_EQ(r->f.last.bar.addr, RIG_MEM + 0x24);
	T_EQ(r->f.last.bar.memory, 1);
	T_EQ(r->f.last.bar.size, 2);
	mp_link_write(&r->l, IO, 0x30, 1, 0xffab);
	T_EQ(r->f.last.bar.addr, RIG_IO + 0x30);
	T_EQ(r->f.last.bar.memory, 0);
	T_EQ(r->f.last.bar.val, 0xab);
	mp_link_cfg_write(&r->l, 0x14, 4, 0xe0000000);
	mp_link_read(&r->l, MEM, 0x24, 2);
	T_EQ(r->f.last.bar.addr, 0xe0000024);
	T_EQ(r->f.n_fatal, 0);
	rig_close(r);
}

/* It would end a stock worker. */
static void test_access_that_nobody_decodes_is_not_sent(void)
{
	struct rig *r = open_default();
	unsigned int n_msgs;

	mp_link_cfg_write(&r->l, 0x04, 2, 1);
	n_msgs = r->f.n_msgs;
	T_EQ(mp_link_read(&r->l, MEM, 0x20, 4), 0xffffffff);
	mp_link_post(&r->l, MEM, 0x20, 4, 1);
	mp_link_write(&r->l, MEM, 0x20, 4, 1);
	fake_stock_turn(&r->f);
	T_EQ(r->f.n_msgs, n_msgs);
	T_EQ(mp_link_read(&r->l, IO, 0x20, 4), 0);
	mp_link_cfg_write(&r->l, 0x10, 4, 1);
	T_EQ(mp_link_read(&r->l, IO, 0x20, 4), 0xffffffff);
	T_EQ(r->f.n_fatal, 0);
	T_OK(!r->l.dead);
	rig_close(r);
}

static unsigned int unread_answers(struct rig *r, unsigned int n_posts)
{
	unsigned int most = 0;

	for (unsigned int i = 0; i < n_posts; i++) {
		unsigned int n;

		mp_link_post(&r->l, MEM, 0x20, 4, i);
		n = i + 1 - mp_get_le32(r->f.regs + STOCK_N_WRITES);
		most = n > most ? n : most;
	}
	return most;
}

static void test_writes_under_way_are_bounded_and_none_is_lost(void)
{
	struct rig *r = open_default();

	T_EQ(unread_answers(r, 1000), 64);
	T_EQ(mp_link_read(&r->l, MEM, STOCK_N_WRITES, 4), 1000);
	T_EQ(mp_link_read(&r->l, MEM, 0x20, 4), 999);
	T_OK(rig_stat(r, MP_STAT_PROXY_FULL) > 0);
	rig_close(r);
}

static void test_writes_to_a_stuck_worker_are_bounded(void)
{
	struct rig *r = open_with(MS(20));

	r->serves = false;
	unread_answers(r, 100);
	T_STR_EQ(r->log, "dead ");
	T_STR_EQ(r->why, "the worker did not answer within reply-timeout");
	T_EQ(rig_stat(r, MP_STAT_PROXY_TIMEOUTS), 1);
	rig_close(r);
}

static void test_pause_returns_when_all_is_applied(void)
{
	struct rig *r = open_default();

	mp_link_post(&r->l, MEM, 0x20, 4, 1);
	T_EQ(mp_link_pause(&r->l), 0);
	T_EQ(mp_get_le32(r->f.regs + 0x20), 1);
	mp_link_continue(&r->l);
	rig_close(r);
}

/* --- config space and reset ------------------------------------------------------- */

static void test_config_write_that_is_forgotten_is_repeated(void)
{
	struct rig *r = open_default();

	r->f.n_forget = 3;
	mp_link_cfg_write(&r->l, 0x14, 4, 0xe0000000);
	T_EQ(mp_get_le32(r->f.cfg + 0x14), 0xe0000000);
	r->f.n_forget = 1;
	mp_link_cfg_write(&r->l, 0x04, 2, 3);
	T_EQ(r->f.cfg[4], 3);
	T_STR_EQ(r->log, "");
	rig_close(r);
}

static void test_config_that_is_never_kept_makes_the_device_dead(void)
{
	struct rig *r = open_with(MS(20));

	r->f.n_forget = UINT32_MAX;
	mp_link_cfg_write(&r->l, 0x14, 4, 0xe0000000);
	T_STR_EQ(r->log, "dead ");
	T_STR_EQ(r->why, "the worker doesn't keep what is written to its config space");
	r->f.n_forget = 0;
	T_EQ(mp_link_reset(&r->l), 0);
	T_STR_EQ(r->log, "dead alive ");
	rig_close(r);
}

static void test_reset_clears_the_header_that_the_worker_keeps(void)
{
	struct rig *r = open_default();

	mp_link_cfg_write(&r->l, 0x3c, 1, 11);
	T_EQ(mp_link_reset(&r->l), 0);
	T_EQ(r->f.n_resets, 1);
	T_EQ(mp_get_le32(r->f.cfg + 0x10), 1);
	T_EQ(mp_get_le32(r->f.cfg + 0x14), 0);
	T_EQ(mp_get_le32(r->f.cfg + 0x18), 0);
	T_EQ(r->f.cfg[4], 0);
	T_EQ(r->f.cfg[0x3c], 0);
	T_EQ(mp_link_read(&r->l, MEM, 0x20, 4), 0xffffffff);
	T_EQ(r->f.n_fatal, 0);
	rig_close(r);
}

/* Each answer alone would be in time. */
static void answer_late(struct rig *r)
{
	const struct timespec ts = {.tv_nsec = MS(15)};

	nanosleep(&ts, NULL);
	fake_stock_turn(&r->f);
}

static void test_reset_as_a_whole_is_bounded(void)
{
	struct rig *r = open_with(MS(40));

	r->on_block = answer_late;
	T_EQ(mp_link_reset(&r->l), -EIO);
	T_STR_EQ(r->why, "the worker did not answer within reply-timeout");
	T_EQ(r->f.n_resets, 1);
	r->on_block = NULL;
	T_EQ(mp_link_reset(&r->l), 0);
	rig_close(r);
}

/* --- interrupts -------------------------------------------------------------------- */

static void test_rise_raises_the_line_and_an_access_lowers_it(void)
{
	struct rig *r = open_default();

	fake_stock_set_level(&r->f, 1);
	T_OK(readable(mp_link_irq_fd(&r->l)));
	mp_link_irq_ready(&r->l);
	T_STR_EQ(r->log, "I1 ");
	mp_link_write(&r->l, IO, STOCK_IRQ, 1, 0);
	T_STR_EQ(r->log, "I1 I0 ");
	T_OK(readable(mp_link_resample_fd(&r->l)));
	fake_stock_turn(&r->f);
	T_OK(!readable(mp_link_irq_fd(&r->l)));
	rig_close(r);
}

static void test_line_that_is_still_high_rises_again(void)
{
	struct rig *r = open_default();

	fake_stock_set_level(&r->f, 1);
	mp_link_irq_ready(&r->l);
	mp_link_read(&r->l, MEM, 0x20, 4);
	T_STR_EQ(r->log, "I1 I0 ");
	fake_stock_turn(&r->f);
	mp_link_irq_ready(&r->l);
	T_STR_EQ(r->log, "I1 I0 I1 ");
	T_EQ(rig_stat(r, MP_STAT_PROXY_RESAMPLES), 1);
	rig_close(r);
}

/* Else the worker may see the question first, and raise the line for nothing. */
static void test_write_after_an_interrupt_is_applied_before_the_line_is_asked_for(void)
{
	struct rig *r = open_default();

	fake_stock_set_level(&r->f, 1);
	mp_link_irq_ready(&r->l);
	mp_link_post(&r->l, MEM, STOCK_IRQ, 1, 0);
	T_EQ(r->f.level, 0);
	T_STR_EQ(r->log, "I1 I0 ");
	rig_close(r);
}

static void miss_an_interrupt(struct rig *r)
{
	fake_stock_set_level(&r->f, 1);
	mp_link_irq_missed(&r->l);
	fake_stock_turn(&r->f);
}

static void test_rise_while_another_call_is_blocked_is_not_lost(void)
{
	struct rig *r = open_default();

	r->on_block = miss_an_interrupt;
	mp_link_read(&r->l, MEM, 0x20, 4);
	T_OK(!readable(mp_link_irq_fd(&r->l)));
	mp_link_irq_ready(&r->l);
	T_STR_EQ(r->log, "I1 ");
	rig_close(r);
}

static void test_wake_up_without_a_rise_raises_nothing(void)
{
	struct rig *r = open_default();

	mp_link_irq_ready(&r->l);
	T_STR_EQ(r->log, "");
	rig_close(r);
}

static void test_dead_device_lowers_its_interrupt(void)
{
	struct rig *r = open_with(MS(20));

	fake_stock_set_level(&r->f, 1);
	mp_link_irq_ready(&r->l);
	r->serves = false;
	T_EQ(mp_link_read(&r->l, MEM, 0x20, 4), 0xffffffff);
	T_STR_EQ(r->log, "I1 I0 dead ");
	rig_close(r);
}

/* --- guest memory -------------------------------------------------------------------- */

/* set_ram tells nobody that it waits, so the worker has a thread meanwhile. */
static int set_ram(struct rig *r, const struct mp_session_region *region, uint32_t n)
{
	struct fake_stock_run a = {.f = r->f, .stop_fd = eventfd(0, EFD_CLOEXEC)};
	int fds[2] = {r->stats.fd, a.stop_fd}, ret;
	pthread_t thread;

	a.f.sock = dup(r->f.sock);
	a.f.intr_fd = dup(r->f.intr_fd);
	a.f.resample_fd = dup(r->f.resample_fd);
	T_EQ(pthread_create(&thread, NULL, fake_stock_thread, &a), 0);
	ret = mp_link_set_ram(&r->l, region, n, fds, 2);
	eventfd_write(a.stop_fd, 1);
	pthread_join(thread, NULL);
	mp_fd_close(&a.stop_fd);
	r->f.table = a.f.table;
	r->f.n_table = a.f.n_table;
	r->f.n_tables = a.f.n_tables;
	r->f.n_fatal = a.f.n_fatal;
	return ret;
}

static void test_table_is_in_use_when_the_call_returns(void)
{
	struct rig *r = open_default();
	struct mp_session_region g[] = {
		{.gpa = 0, .len = 0xa0000},
		{.gpa = 0xc0000, .len = 0x8000, .fd_offset = 0xc0000, .flags = MP_RAM_READONLY},
		{.gpa = 0x100000, .len = 0x700000, .fd_offset = 0x100000, .fd_index = 1}};

	T_EQ(set_ram(r, g, 3), 0);
	T_EQ(r->f.n_tables, 1);
	T_EQ(r->f.n_table, 2);
	T_EQ(r->f.table.gpa[1], 0x100000);
	T_EQ(r->f.table.len[1], 0x700000);
	T_EQ(r->f.table.offset[1], 0x100000);
	T_EQ(r->f.table.len[2], 0);
	rig_close(r);
}

static void test_empty_table_is_not_sent(void)
{
	struct rig *r = open_default();
	struct mp_session_region rom = {.gpa = 0xc0000, .len = 0x8000, .flags = MP_RAM_READONLY};

	T_EQ(set_ram(r, NULL, 0), 0);
	T_EQ(set_ram(r, &rom, 1), 0);
	T_EQ(r->f.n_tables, 0);
	T_EQ(r->f.n_fatal, 0);
	rig_close(r);
}

static void test_of_more_than_seven_pieces_the_largest_are_sent(void)
{
	struct rig *r = open_default();
	struct mp_session_region g[9];

	for (unsigned int i = 0; i < 9; i++)
		g[i] = (struct mp_session_region){.gpa = i << 20, .len = (i + 1) << 12};
	g[0].len = 1 << 20;
	T_EQ(set_ram(r, g, 9), 1);
	T_EQ(r->f.n_table, 7);
	T_EQ(r->f.table.gpa[0], 0);
	T_EQ(r->f.table.gpa[1], 3 << 20);
	T_EQ(r->f.table.gpa[6], 8 << 20);
	T_EQ(r->f.n_fatal, 0);
	T_EQ(set_ram(r, g, 7), 0);
	rig_close(r);
}

static void test_table_that_is_not_taken_closes_the_device(void)
{
	struct rig *r = open_with(MS(20));
	struct mp_session_region g = {.gpa = 0, .len = 0xa0000};

	T_EQ(mp_link_set_ram(&r->l, &g, 1, &r->stats.fd, 1), -EIO);
	T_OK(r->l.closed);
	T_EQ(mp_link_set_ram(&r->l, &g, 1, &r->stats.fd, 1), -EIO);
	rig_close(r);
}

static void set_ram_in_a_wait(struct rig *r)
{
	struct mp_session_region g = {.gpa = 0, .len = 0xa0000};

	r->on_block = NULL;
	r->serves = false;
	mp_assert(set_ram(r, &g, 1) == 0);
}

/* It takes the other's answer off the socket; that one must not sleep on, for an hour. */
static void test_table_is_sent_while_another_call_is_blocked(void)
{
	struct rig *r = open_with(MS(3600000));

	mp_link_post(&r->l, MEM, 0x20, 4, 77);
	r->on_block = set_ram_in_a_wait;
	T_EQ(mp_link_read(&r->l, MEM, 0x20, 4), 77);
	T_EQ(r->n_blocks, 1);
	T_STR_EQ(r->log, "");
	T_EQ(r->f.n_table, 1);
	rig_close(r);
}

/* --- its end --------------------------------------------------------------------------- */

static void test_answers_do_not_wake_who_waits_for_the_end(void)
{
	struct rig *r = open_default();

	mp_link_post(&r->l, MEM, 0x20, 4, 1);
	fake_stock_turn(&r->f);
	T_OK(!readable(mp_link_sock_fd(&r->l)));
	mp_link_hup(&r->l);
	T_OK(!r->l.closed);
	mp_fd_close(&r->f.sock);
	T_OK(readable(mp_link_sock_fd(&r->l)));
	mp_link_hup(&r->l);
	T_OK(r->l.closed);
	T_STR_EQ(r->why, "the worker closed its socket");
	T_EQ(mp_link_reset(&r->l), -EIO);
	rig_close(r);
}

static void die(struct rig *r)
{
	mp_fd_close(&r->f.sock);
}

static void test_hang_up_during_a_wait_is_noticed_at_once(void)
{
	struct rig *r = open_default();
	uint64_t begin_ns = mp_clock_ns();

	r->on_block = die;
	T_EQ(mp_link_read(&r->l, MEM, 0x20, 4), 0xffffffff);
	T_OK(mp_clock_ns() - begin_ns < MS(1000));
	T_OK(r->l.closed);
	rig_close(r);
}

static void test_answer_that_comes_late_is_not_taken_for_another(void)
{
	struct rig *r = open_with(MS(20));

	r->serves = false;
	mp_link_post(&r->l, MEM, 0x20, 4, 5);
	T_EQ(mp_link_read(&r->l, MEM, 0x20, 4), 0xffffffff);
	T_STR_EQ(r->log, "dead ");
	T_EQ(mp_link_reset(&r->l), -EIO); /* still silent: nothing more is sent */
	r->serves = true;
	T_EQ(mp_link_reset(&r->l), 0);
	T_EQ(r->f.n_resets, 1);
	T_STR_EQ(r->log, "dead alive ");
	mp_link_cfg_write(&r->l, 0x14, 4, RIG_MEM);
	mp_link_cfg_write(&r->l, 0x04, 2, 7);
	mp_link_post(&r->l, MEM, 0x24, 4, 6);
	T_EQ(mp_link_read(&r->l, MEM, 0x24, 4), 6);
	rig_close(r);
}

/* --- answers that no worker should send; docs/threats.md has the table ------------------ */

static bool lie_cmd(struct fake_stock *f, struct mp_mpqemu_msg *ret)
{
	ret->cmd = 99;
	fake_stock_answer(f, ret);
	return true;
}

static bool lie_empty(struct fake_stock *f, struct mp_mpqemu_msg *ret)
{
	ret->size = 0;
	fake_stock_answer(f, ret);
	return true;
}

static bool lie_short(struct fake_stock *f, struct mp_mpqemu_msg *ret)
{
	ret->size = 4;
	fake_stock_answer(f, ret);
	return true;
}

static bool lie_large(struct fake_stock *f, struct mp_mpqemu_msg *ret)
{
	struct mp_session_header header = {.cmd = MP_MPQEMU_RET, .size = 193};

	return write(f->sock, &header, sizeof(header)) == sizeof(header);
}

static bool lie_fds(struct fake_stock *f, struct mp_mpqemu_msg *ret)
{
	ret->fd[0] = ret->fd[1] = f->sock;
	ret->n_fds = 2;
	fake_stock_answer(f, ret);
	return true;
}

static bool lie_half(struct fake_stock *f, struct mp_mpqemu_msg *ret)
{
	struct mp_session_header header = {.cmd = MP_MPQEMU_RET, .size = 8};

	if (write(f->sock, &header, sizeof(header)) != sizeof(header))
		return false;
	shutdown(f->sock, SHUT_RDWR);
	return true;
}

static bool lie_eof(struct fake_stock *f, struct mp_mpqemu_msg *ret)
{
	shutdown(f->sock, SHUT_RDWR);
	return true;
}

static bool lie_nothing(struct fake_stock *f, struct mp_mpqemu_msg *ret)
{
	return true;
}

static bool lie_ones(struct fake_stock *f, struct mp_mpqemu_msg *ret)
{
	ret->value = UINT64_MAX;
	fake_stock_answer(f, ret);
	return true;
}

static bool lie_wide(struct fake_stock *f, struct mp_mpqemu_msg *ret)
{
	ret->value = 0x1122334455667788;
	fake_stock_answer(f, ret);
	return true;
}

static bool lie_twice(struct fake_stock *f, struct mp_mpqemu_msg *ret)
{
	fake_stock_answer(f, ret);
	fake_stock_answer(f, ret);
	return true;
}

static unsigned int n_open_fds(void)
{
	unsigned int n = 0;

	for (int fd = 0; fd < 256; fd++)
		n += fcntl(fd, F_GETFD) >= 0;
	return n;
}

/* One read, and what came of it: "value outcome why". */
static const char *read_from_liar(bool (*lie)(struct fake_stock *f, struct mp_mpqemu_msg *ret))
{
	static char text[128];
	struct rig *r = open_with(MS(30));
	unsigned int n_fds = n_open_fds();
	uint64_t value;

	r->f.lie = lie;
	value = mp_link_read(&r->l, MEM, 0x20, 2);
	snprintf(text, sizeof(text), "%x %s %s", (unsigned int)value,
		 r->l.closed ? "closed"
		 : r->l.dead ? "dead"
			     : "alive",
		 r->why ? r->why : "");
	if (n_open_fds() != n_fds)
		snprintf(text, sizeof(text), "%u fds were %u", n_open_fds(), n_fds);
	rig_close(r);
	return text;
}

#define MALFORMED "ffff closed the worker sent a malformed reply"

static void test_answers_of_no_protocol_close_the_device(void)
{
	T_STR_EQ(read_from_liar(lie_cmd), MALFORMED);
	T_STR_EQ(read_from_liar(lie_empty), MALFORMED);
	T_STR_EQ(read_from_liar(lie_short), MALFORMED);
	T_STR_EQ(read_from_liar(lie_large), MALFORMED);
	T_STR_EQ(read_from_liar(lie_fds), MALFORMED);
	T_STR_EQ(read_from_liar(lie_half), MALFORMED);
}

static void test_end_and_silence_in_place_of_an_answer(void)
{
	T_STR_EQ(read_from_liar(lie_eof), "ffff closed the worker closed its socket");
	T_STR_EQ(read_from_liar(lie_nothing),
		 "ffff dead the worker did not answer within reply-timeout");
}

static void test_values_are_cut_to_the_access(void)
{
	T_STR_EQ(read_from_liar(lie_ones), "ffff alive ");
	T_STR_EQ(read_from_liar(lie_wide), "7788 alive ");
}

static void test_answer_to_a_reset_may_have_a_value(void)
{
	struct rig *r = open_default();

	r->f.lie = lie_wide;
	/* All config reads say the same too: it is never as it was written. */
	r->l.cfg.reply_timeout_ns = MS(20);
	T_EQ(mp_link_reset(&r->l), -EIO);
	T_STR_EQ(r->why, "the worker doesn't keep what is written to its config space");
	rig_close(r);
}

static void test_answer_without_a_request_closes_the_device(void)
{
	struct rig *r = open_default();

	r->f.lie = lie_twice;
	T_EQ(mp_link_read(&r->l, MEM, 0x20, 2), 0);
	mp_link_hup(&r->l);
	T_OK(r->l.closed);
	T_STR_EQ(r->why, "the worker talks out of turn on its socket");
	rig_close(r);
}

static void test_full_resample_eventfd_blocks_nobody(void)
{
	struct rig *r = open_default();
	int fd = mp_fd_steal(&r->f.resample_fd); /* so that it stays full */

	T_EQ(eventfd_write(fd, UINT64_MAX - 1), 0);
	T_EQ(fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) & ~O_NONBLOCK), 0);
	fake_stock_set_level(&r->f, 1);
	mp_link_irq_ready(&r->l);
	mp_link_read(&r->l, MEM, 0x20, 4);
	T_STR_EQ(r->log, "I1 I0 ");
	close(fd);
	rig_close(r);
}

T_MAIN(T_TEST(test_write_returns_before_it_is_answered),
       T_TEST(test_read_sees_all_earlier_writes_and_its_own_answer),
       T_TEST(test_address_is_the_bar_and_the_offset),
       T_TEST(test_access_that_nobody_decodes_is_not_sent),
       T_TEST(test_writes_under_way_are_bounded_and_none_is_lost),
       T_TEST(test_writes_to_a_stuck_worker_are_bounded),
       T_TEST(test_pause_returns_when_all_is_applied),
       T_TEST(test_config_write_that_is_forgotten_is_repeated),
       T_TEST(test_config_that_is_never_kept_makes_the_device_dead),
       T_TEST(test_reset_clears_the_header_that_the_worker_keeps),
       T_TEST(test_reset_as_a_whole_is_bounded),
       T_TEST(test_rise_raises_the_line_and_an_access_lowers_it),
       T_TEST(test_line_that_is_still_high_rises_again),
       T_TEST(test_write_after_an_interrupt_is_applied_before_the_line_is_asked_for),
       T_TEST(test_rise_while_another_call_is_blocked_is_not_lost),
       T_TEST(test_wake_up_without_a_rise_raises_nothing),
       T_TEST(test_dead_device_lowers_its_interrupt),
       T_TEST(test_table_is_in_use_when_the_call_returns), T_TEST(test_empty_table_is_not_sent),
       T_TEST(test_of_more_than_seven_pieces_the_largest_are_sent),
       T_TEST(test_table_that_is_not_taken_closes_the_device),
       T_TEST(test_table_is_sent_while_another_call_is_blocked),
       T_TEST(test_answers_do_not_wake_who_waits_for_the_end),
       T_TEST(test_hang_up_during_a_wait_is_noticed_at_once),
       T_TEST(test_answer_that_comes_late_is_not_taken_for_another),
       T_TEST(test_answers_of_no_protocol_close_the_device),
       T_TEST(test_end_and_silence_in_place_of_an_answer),
       T_TEST(test_values_are_cut_to_the_access), T_TEST(test_answer_to_a_reset_may_have_a_value),
       T_TEST(test_answer_without_a_request_closes_the_device),
       T_TEST(test_full_resample_eventfd_blocks_nobody))
