/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Messages of multi-process QEMU's protocol, byte by byte, as the bytes that
 * travel were written down from stock QEMU; and all that can be wrong with them.
 */
#include "wire/mpqemu.h"

#include <errno.h>
#include <stddef.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/fdpass.h"
#include "tests/lib/fault.h"
#include "tests/lib/t.h"

#define MANY_FDS 20u

static struct {
	int sock, peer;
	int fd[MANY_FDS];
	unsigned int n_before;
	struct mp_mpqemu_rx rx;
	struct mp_mpqemu_msg msg;
} rig;

static void open_rig(void)
{
	int sv[2];

	memset(&rig, 0, sizeof(rig));
	rig.n_before = t_count_fds();
	T_EQ(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, sv), 0);
	rig.sock = sv[0];
	rig.peer = sv[1];
	for (unsigned int i = 0; i < MANY_FDS; i++)
		rig.fd[i] = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
}

/* Nothing may be left but what was there before. */
static void close_rig(void)
{
	for (unsigned int i = 0; i < MANY_FDS; i++)
		close(rig.fd[i]);
	if (rig.peer >= 0)
		close(rig.peer);
	close(rig.sock);
	T_EQ(t_count_fds(), rig.n_before);
}

static void say(const void *bytes, size_t len, unsigned int n_fds)
{
	const struct mp_fds fds = {.fd = rig.fd, .n = n_fds};

	T_EQ(mp_fdpass_send(rig.peer, bytes, len, &fds, mp_clock_ns() + MP_NS_PER_SEC), 0);
}

static void say_header(uint32_t cmd, uint64_t size, unsigned int n_fds)
{
	uint8_t header[16] = {0};

	memcpy(header, &cmd, sizeof(cmd));
	memcpy(header + 8, &size, sizeof(size));
	say(header, sizeof(header), n_fds);
}

static int hear(void)
{
	return mp_mpqemu_recv(rig.sock, &rig.rx, &rig.msg);
}

static void hang_up(void)
{
	close(rig.peer);
	rig.peer = -1;
}

/* BAR_READ of 4 bytes at memory address 0xfebf0010. */
static const uint8_t bar_read[40] = {5, 0, 0, 0,    0xef, 0xbe, 0xad, 0xde, 24, 0, 0, 0, 0,
				     0, 0, 0, 0x10, 0,    0xbf, 0xfe, 0,    0,  0, 0, 0, 0,
				     0, 0, 0, 0,    0,    0,    4,    0,    0,  0, 1};

static void test_message_of_stock_qemu_is_taken_apart(void)
{
	open_rig();
	say(bar_read, sizeof(bar_read), 0);
	T_EQ(hear(), 1);
	T_EQ(rig.msg.cmd, MP_MPQEMU_BAR_READ);
	T_EQ(rig.msg.size, 24);
	T_EQ(rig.msg.bar.addr, 0xfebf0010);
	T_EQ(rig.msg.bar.size, 4);
	T_EQ(rig.msg.bar.memory, 1);
	T_EQ(mp_mpqemu_check(&rig.msg), 0);
	T_EQ(hear(), 0);
	close_rig();
}

static void test_hole_is_handed_up_and_decides_nothing(void)
{
	open_rig();
	say(bar_read, sizeof(bar_read), 0);
	T_EQ(hear(), 1);
	T_EQ(rig.msg.hole, 0xdeadbeef);
	T_EQ(mp_mpqemu_check(&rig.msg), 0);
	close_rig();
}

static void test_message_that_comes_byte_by_byte_is_one_message(void)
{
	open_rig();
	for (size_t i = 0; i < sizeof(bar_read) - 1; i++) {
		say(bar_read + i, 1, 0);
		if (hear() != 0)
			t_fail(__FILE__, __LINE__, "a message after %zu bytes", i + 1);
		T_OK(mp_mpqemu_rx_begun(&rig.rx));
	}
	say(bar_read + sizeof(bar_read) - 1, 1, 0);
	T_EQ(hear(), 1);
	T_OK(!mp_mpqemu_rx_begun(&rig.rx));
	T_EQ(rig.msg.bar.addr, 0xfebf0010);
	T_EQ(rig.msg.bar.memory, 1);
	close_rig();
}

static void test_two_messages_in_one_write_are_two(void)
{
	uint8_t both[2 * sizeof(bar_read)];

	open_rig();
	memcpy(both, bar_read, sizeof(bar_read));
	memcpy(both + sizeof(bar_read), bar_read, sizeof(bar_read));
	both[sizeof(bar_read) + 16] = 0x14;
	say(both, sizeof(both), 0);
	T_EQ(hear(), 1);
	T_EQ(rig.msg.bar.addr, 0xfebf0010);
	T_EQ(hear(), 1);
	T_EQ(rig.msg.bar.addr, 0xfebf0014);
	close_rig();
}

static void test_fds_of_the_next_message_stay_with_it(void)
{
	open_rig();
	say(bar_read, sizeof(bar_read), 0);
	say_header(MP_MPQEMU_SET_IRQFD, 0, 2);
	T_EQ(hear(), 1);
	T_EQ(rig.msg.n_fds, 0);
	T_EQ(hear(), 1);
	T_EQ(rig.msg.n_fds, 2);
	T_EQ(mp_mpqemu_check(&rig.msg), 0);
	mp_mpqemu_close_fds(&rig.msg);
	close_rig();
}

static void test_fds_behind_the_first_byte_are_dropped(void)
{
	open_rig();
	say(bar_read, 7, 0);
	T_EQ(hear(), 0);
	say(bar_read + 7, sizeof(bar_read) - 7, 3);
	T_EQ(hear(), 1);
	T_EQ(rig.msg.n_fds, 0);
	close_rig();
}

static void test_eight_fds_are_handed_up(void)
{
	static const uint8_t sysmem[MP_MPQEMU_MAX_BYTES];

	open_rig();
	say_header(MP_MPQEMU_SYNC_SYSMEM, sizeof(sysmem), 8);
	say(sysmem, sizeof(sysmem), 0);
	T_EQ(hear(), 1);
	T_EQ(rig.msg.n_fds, 8);
	T_EQ(mp_mpqemu_check(&rig.msg), 0);
	mp_mpqemu_close_fds(&rig.msg);
	T_EQ(rig.msg.fd[7], -1);
	close_rig();
}

static void test_fds_that_find_no_room_damage_the_stream_and_none_is_left(void)
{
	struct rlimit before, tight;
	int lowest;

	open_rig();
	say_header(MP_MPQEMU_SET_IRQFD, 0, 2);
	T_EQ(getrlimit(RLIMIT_NOFILE, &before), 0);
	lowest = dup(rig.sock);
	close(lowest);
	tight = (struct rlimit){.rlim_cur = (rlim_t)lowest + 1, .rlim_max = before.rlim_max};
	T_EQ(setrlimit(RLIMIT_NOFILE, &tight), 0);
	/* One of the two: which one is not known. */
	T_EQ(hear(), -EPROTO);
	T_EQ(setrlimit(RLIMIT_NOFILE, &before), 0);
	close_rig();
}

static void test_nine_fds_damage_the_stream_and_are_closed(void)
{
	open_rig();
	say_header(MP_MPQEMU_SET_IRQFD, 0, 9);
	T_EQ(hear(), -EPROTO);
	close_rig();
}

static void test_more_fds_than_stock_qemu_has_room_for_are_closed(void)
{
	open_rig();
	say_header(MP_MPQEMU_SET_IRQFD, 0, MANY_FDS);
	T_EQ(hear(), -EPROTO);
	close_rig();
}

static void test_size_of_193_damages_the_stream(void)
{
	open_rig();
	say_header(MP_MPQEMU_BAR_READ, 193, 2);
	T_EQ(hear(), -EPROTO);
	close_rig();
}

static void test_size_that_only_its_upper_half_makes_large_damages_the_stream(void)
{
	open_rig();
	say_header(MP_MPQEMU_BAR_READ, 1ull << 32 | 24, 0);
	T_EQ(hear(), -EPROTO);
	close_rig();
}

static void test_end_between_messages_is_a_clean_end(void)
{
	open_rig();
	say(bar_read, sizeof(bar_read), 0);
	hang_up();
	T_EQ(hear(), 1);
	T_EQ(hear(), -ECONNRESET);
	close_rig();
}

static void test_end_inside_a_header_is_damage(void)
{
	open_rig();
	say(bar_read, 15, 2);
	hang_up();
	T_EQ(hear(), -EPROTO);
	close_rig();
}

static void test_end_inside_a_payload_is_damage(void)
{
	open_rig();
	say(bar_read, 39, 0);
	hang_up();
	T_EQ(hear(), -EPROTO);
	close_rig();
}

static void test_end_behind_a_header_that_wants_more_is_damage(void)
{
	open_rig();
	say_header(MP_MPQEMU_BAR_READ, 24, 1);
	hang_up();
	T_EQ(hear(), -EPROTO);
	close_rig();
}

static void test_fini_closes_the_fds_of_half_a_message(void)
{
	open_rig();
	say_header(MP_MPQEMU_SYNC_SYSMEM, 192, 4);
	T_EQ(hear(), 0);
	mp_mpqemu_rx_fini(&rig.rx);
	T_OK(!mp_mpqemu_rx_begun(&rig.rx));
	close_rig();
}

/* -- mp_mpqemu_check() --------------------------------------------------- */

struct row {
	const char *what;
	uint32_t cmd, size;
	unsigned int n_fds;
	int32_t len; /* of a config access, or of a BAR access */
	int r;
};

static const struct row rows[] = {
	{"sysmem", MP_MPQEMU_SYNC_SYSMEM, 192, 1, 0, 0},
	{"sysmem, 7 fds", MP_MPQEMU_SYNC_SYSMEM, 192, 7, 0, 0},
	{"sysmem without fd", MP_MPQEMU_SYNC_SYSMEM, 192, 0, 0, -EINVAL},
	{"short sysmem", MP_MPQEMU_SYNC_SYSMEM, 184, 1, 0, -EINVAL},
	{"empty sysmem", MP_MPQEMU_SYNC_SYSMEM, 0, 1, 0, -EINVAL},
	{"ret", MP_MPQEMU_RET, 8, 0, 0, 0},
	{"ret of a reset", MP_MPQEMU_RET, 0, 0, 0, 0},
	{"short ret", MP_MPQEMU_RET, 4, 0, 0, 0},
	{"long ret", MP_MPQEMU_RET, 9, 0, 0, -EINVAL},
	{"cfgwrite", MP_MPQEMU_PCI_CFGWRITE, 12, 0, 4, 0},
	{"cfgwrite of 1", MP_MPQEMU_PCI_CFGWRITE, 12, 0, 1, 0},
	{"cfgwrite of 2, 3 fds", MP_MPQEMU_PCI_CFGWRITE, 12, 3, 2, 0},
	{"cfgwrite of 0", MP_MPQEMU_PCI_CFGWRITE, 12, 0, 0, -EINVAL},
	{"cfgwrite of 3", MP_MPQEMU_PCI_CFGWRITE, 12, 0, 3, -EINVAL},
	{"cfgwrite of 8", MP_MPQEMU_PCI_CFGWRITE, 12, 0, 8, -EINVAL},
	{"cfgwrite of -1", MP_MPQEMU_PCI_CFGWRITE, 12, 0, -1, -EINVAL},
	{"cfgwrite of INT32_MIN", MP_MPQEMU_PCI_CFGWRITE, 12, 0, INT32_MIN, -EINVAL},
	{"short cfgwrite", MP_MPQEMU_PCI_CFGWRITE, 8, 0, 4, -EINVAL},
	{"padded cfgwrite", MP_MPQEMU_PCI_CFGWRITE, 16, 0, 4, -EINVAL},
	{"cfgread", MP_MPQEMU_PCI_CFGREAD, 12, 0, 4, 0},
	{"cfgread of 8", MP_MPQEMU_PCI_CFGREAD, 12, 0, 8, -EINVAL},
	{"empty cfgread", MP_MPQEMU_PCI_CFGREAD, 0, 0, 0, -EINVAL},
	{"bar write", MP_MPQEMU_BAR_WRITE, 24, 0, 1, 0},
	{"bar write of 8", MP_MPQEMU_BAR_WRITE, 24, 0, 8, 0},
	{"bar write with fd", MP_MPQEMU_BAR_WRITE, 24, 1, 4, -EINVAL},
	{"bar write of 0", MP_MPQEMU_BAR_WRITE, 24, 0, 0, -EINVAL},
	{"bar write of 3", MP_MPQEMU_BAR_WRITE, 24, 0, 3, -EINVAL},
	{"bar write of 16", MP_MPQEMU_BAR_WRITE, 24, 0, 16, -EINVAL},
	{"bar write without its tail", MP_MPQEMU_BAR_WRITE, 21, 0, 4, -EINVAL},
	{"bar read", MP_MPQEMU_BAR_READ, 24, 0, 2, 0},
	{"bar read of 2^31", MP_MPQEMU_BAR_READ, 24, 0, INT32_MIN, -EINVAL},
	{"bar read, 16 bytes", MP_MPQEMU_BAR_READ, 16, 0, 4, -EINVAL},
	{"irqfd", MP_MPQEMU_SET_IRQFD, 0, 2, 0, 0},
	{"irqfd, 1 fd", MP_MPQEMU_SET_IRQFD, 0, 1, 0, -EINVAL},
	{"irqfd, 3 fds", MP_MPQEMU_SET_IRQFD, 0, 3, 0, -EINVAL},
	{"irqfd with payload", MP_MPQEMU_SET_IRQFD, 8, 2, 0, -EINVAL},
	{"reset", MP_MPQEMU_DEVICE_RESET, 0, 0, 0, 0},
	{"reset as long as a ret", MP_MPQEMU_DEVICE_RESET, 8, 0, 0, 0},
	{"reset of 192", MP_MPQEMU_DEVICE_RESET, 192, 0, 0, -EINVAL},
	{"command 8", 8, 0, 0, 0, -EPROTO},
	{"command -1", UINT32_MAX, 8, 0, 0, -EPROTO},
};

static void test_each_command_allows_what_the_table_says(void)
{
	struct mp_mpqemu_msg msg;
	const struct row *row;
	int r;

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		row = &rows[i];
		msg = (struct mp_mpqemu_msg){
			.cmd = row->cmd, .size = row->size, .n_fds = row->n_fds};
		if (row->cmd == MP_MPQEMU_BAR_READ || row->cmd == MP_MPQEMU_BAR_WRITE)
			msg.bar.size = (uint32_t)row->len;
		else
			msg.cfg.len = row->len;
		r = mp_mpqemu_check(&msg);
		if (r != row->r)
			t_fail(__FILE__, __LINE__, "%s: %d, expected %d", row->what, r, row->r);
	}
}

/* -- mp_mpqemu_send() ---------------------------------------------------- */

static void test_sent_message_has_the_bytes_of_stock_qemu(void)
{
	static const uint8_t ret[24] = {1, 0, 0, 0, 0, 0, 0, 0, 8, 0, 0, 0, 0, 0, 0, 0, 0x34, 0x12};
	const struct mp_mpqemu_msg msg = {.cmd = MP_MPQEMU_RET, .size = 8, .value = 0x1234};
	uint8_t got[32];

	open_rig();
	T_EQ(mp_mpqemu_send(rig.peer, &msg, 0), 0);
	T_EQ(recv(rig.sock, got, sizeof(got), 0), sizeof(ret));
	T_MEM_EQ(got, ret, sizeof(ret));
	close_rig();
}

static void test_sent_fds_arrive_with_their_message(void)
{
	struct mp_mpqemu_msg msg = {.cmd = MP_MPQEMU_SYNC_SYSMEM,
				    .size = sizeof(msg.sysmem),
				    .sysmem = {.len = {4096}},
				    .n_fds = 1};

	open_rig();
	msg.fd[0] = rig.fd[0];
	T_EQ(mp_mpqemu_send(rig.peer, &msg, 0), 0);
	T_EQ(hear(), 1);
	T_EQ(rig.msg.n_fds, 1);
	T_EQ(rig.msg.sysmem.len[0], 4096);
	mp_mpqemu_close_fds(&rig.msg);
	close_rig();
}

static void test_full_socket_takes_a_message_whole_or_not_at_all(void)
{
	const struct mp_mpqemu_msg msg = {.cmd = MP_MPQEMU_RET, .size = 8, .value = 7};
	unsigned int n_sent = 0, n_got = 0;
	int r;

	open_rig();
	while ((r = mp_mpqemu_send(rig.peer, &msg, 0)) == 0)
		n_sent++;
	T_EQ(r, -ETIMEDOUT);
	while (hear() == 1)
		n_got++;
	T_EQ(n_got, n_sent);
	T_EQ(mp_mpqemu_send(rig.peer, &msg, 0), 0);
	close_rig();
}

static void test_send_to_a_closed_peer_is_epipe_and_no_signal(void)
{
	const struct mp_mpqemu_msg msg = {.cmd = MP_MPQEMU_DEVICE_RESET};

	open_rig();
	hang_up();
	T_EQ(mp_mpqemu_send(rig.sock, &msg, 0), -EPIPE);
	close_rig();
}

T_MAIN(T_TEST(test_message_of_stock_qemu_is_taken_apart),
       T_TEST(test_hole_is_handed_up_and_decides_nothing),
       T_TEST(test_message_that_comes_byte_by_byte_is_one_message),
       T_TEST(test_two_messages_in_one_write_are_two),
       T_TEST(test_fds_of_the_next_message_stay_with_it),
       T_TEST(test_fds_behind_the_first_byte_are_dropped), T_TEST(test_eight_fds_are_handed_up),
       T_TEST(test_fds_that_find_no_room_damage_the_stream_and_none_is_left),
       T_TEST(test_nine_fds_damage_the_stream_and_are_closed),
       T_TEST(test_more_fds_than_stock_qemu_has_room_for_are_closed),
       T_TEST(test_size_of_193_damages_the_stream),
       T_TEST(test_size_that_only_its_upper_half_makes_large_damages_the_stream),
       T_TEST(test_end_between_messages_is_a_clean_end), T_TEST(test_end_inside_a_header_is_damage),
       T_TEST(test_end_inside_a_payload_is_damage),
       T_TEST(test_end_behind_a_header_that_wants_more_is_damage),
       T_TEST(test_fini_closes_the_fds_of_half_a_message),
       T_TEST(test_each_command_allows_what_the_table_says),
       T_TEST(test_sent_message_has_the_bytes_of_stock_qemu),
       T_TEST(test_sent_fds_arrive_with_their_message),
       T_TEST(test_full_socket_takes_a_message_whole_or_not_at_all),
       T_TEST(test_send_to_a_closed_peer_is_epipe_and_no_signal))
