/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What a stock proxy, or whoever holds its socket, may do wrong: the answer that
 * each gets, that no fd stays behind, and who survives it. And who may speak
 * which protocol on a device's socket.
 */
#include <errno.h>
#include <poll.h>
#include <stddef.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/fdpass.h"
#include "remote-worker/meet.h"
#include "tests/lib/fault.h"
#include "tests/lib/t.h"
#include "tests/unit/remote-worker/rig.h"
#include "tests/unit/remote-worker/rig_stock.h"

#define NULL_DISK                                                                                  \
	"-drive id=d0,driver=null-co,size=8M -device scsi-hd,drive=d0,bus=lsi0.0,scsi-id=0"
#define ALL_ONES   UINT64_MAX
#define NO_ANSWER  (-1)
#define N_PIPELINE 20000u

static struct rig rig;

static void start(const char *options)
{
	rig_start(&rig, 1, options);
	rig_stock_link(&rig);
	rig_stock_settle(&rig, 0);
}

/* Without a proxy's first message: it is the test's. */
static void start_silent(void)
{
	rig_start(&rig, 1, NULL_DISK);
	rig.dev[0].stock = true;
	rig.dev[0].intr_fd = eventfd(0, EFD_CLOEXEC);
	rig.dev[0].resample_fd = eventfd(0, EFD_CLOEXEC);
}

static void send_bytes(const void *bytes, size_t len, unsigned int n_fds)
{
	int fd[16];
	const struct mp_fds fds = {.fd = fd, .n = n_fds};

	for (unsigned int i = 0; i < 16; i++)
		fd[i] = rig.ram_fd;
	/* A worker that has had enough may be gone: EPIPE is its right. */
	(void)mp_fdpass_send(rig.dev[0].sock, bytes, len, &fds, mp_clock_ns() + RIG_WAIT_NS);
}

static void send_header(uint32_t cmd, uint64_t size, unsigned int n_fds)
{
	uint8_t header[16] = {0};

	memcpy(header, &cmd, sizeof(cmd));
	memcpy(header + 8, &size, sizeof(size));
	send_bytes(header, sizeof(header), n_fds);
}

/* Has the worker closed its end? Bounded. */
static bool is_hung_up(void)
{
	struct pollfd pfd = {.fd = rig.dev[0].sock, .events = POLLIN};
	char byte;

	return poll(&pfd, 1, RIG_WAIT_MS) == 1 &&
	       recv(pfd.fd, &byte, 1, MSG_PEEK | MSG_DONTWAIT) <= 0;
}

/* -- well-framed, but not valid ------------------------------------------- */

struct row {
	const char *what;
	uint32_t cmd, size;
	unsigned int n_fds;
	uint32_t word[6]; /* of the payload */
	int size_of_answer;
};

/* Each is answered with all ones, or not at all where nobody waits. */
static const struct row rows[] = {
	{"config read behind the end", 3, 12, 0, {0x100, 0, 1}, 8},
	{"config read over the end", 3, 12, 0, {0xfe, 0, 4}, 8},
	{"config read far away", 3, 12, 0, {0xfffffffc, 0, 4}, 8},
	{"config read of 0 bytes", 3, 12, 0, {0, 0, 0}, 8},
	{"config read of 8 bytes", 3, 12, 0, {0, 0, 8}, 8},
	{"config read of -1 bytes", 3, 12, 0, {0, 0, UINT32_MAX}, 8},
	{"short config read", 3, 8, 0, {0, 0}, 8},
	{"config read without payload", 3, 0, 0, {0}, 8},
	{"config write behind the end", 2, 12, 0, {0x100, 0, 1}, 8},
	{"config write of 3 bytes", 2, 12, 0, {0, 0, 3}, 8},
	{"config write with tail padding", 2, 16, 0, {0, 0, 4}, 8},
	{"bar read of 0 bytes", 5, 24, 0, {RIG_STOCK_MMIO, 0, 0, 0, 0, 1}, 8},
	{"bar read of 3 bytes", 5, 24, 0, {RIG_STOCK_MMIO, 0, 0, 0, 3, 1}, 8},
	{"bar read of 16 bytes", 5, 24, 0, {RIG_STOCK_MMIO, 0, 0, 0, 16, 1}, 8},
	{"bar read with an fd", 5, 24, 1, {RIG_STOCK_MMIO, 0, 0, 0, 4, 1}, 8},
	{"bar read without its tail", 5, 20, 0, {RIG_STOCK_MMIO, 0, 0, 0, 4}, 8},
	{"bar write of 5 bytes", 4, 24, 0, {RIG_STOCK_MMIO, 0, 0, 0, 5, 1}, 8},
	{"bar write with 8 fds", 4, 24, 8, {RIG_STOCK_MMIO, 0, 0, 0, 4, 1}, 8},
	{"reset with a payload", 7, 16, 0, {0}, 0},
	{"table without fds", 0, 192, 0, {0}, NO_ANSWER},
	{"short table", 0, 191, 3, {0}, NO_ANSWER},
	{"table without payload", 0, 0, 7, {0}, NO_ANSWER},
	{"eventfds with a payload", 6, 8, 2, {0}, NO_ANSWER},
	{"one eventfd", 6, 0, 1, {0}, NO_ANSWER},
	{"three eventfds", 6, 0, 3, {0}, NO_ANSWER},
	{"no eventfds", 6, 0, 0, {0}, NO_ANSWER},
	{"memfds for eventfds", 6, 0, 2, {0}, NO_ANSWER},
};

static void send_row(const struct row *row)
{
	uint8_t payload[MP_MPQEMU_MAX_BYTES] = {0};

	memcpy(payload, row->word, sizeof(row->word));
	send_header(row->cmd, row->size, row->n_fds);
	if (row->size)
		send_bytes(payload, row->size, 0);
}

static void check_row(const struct row *row)
{
	struct mp_mpqemu_msg ret;

	send_row(row);
	if (row->size_of_answer != NO_ANSWER) {
		ret = rig_stock_answer(&rig, 0);
		if ((int)ret.size != row->size_of_answer || (ret.size && ret.value != ALL_ONES))
			t_fail(__FILE__, __LINE__, "%s: answer of %u bytes, value %llx", row->what,
			       ret.size, (unsigned long long)ret.value);
	}
	/* In step with the stream: the next answer is the next request's. */
	if (rig_stock_cfg_read(&rig, 0, 0, 4) != 0x00121000)
		t_fail(__FILE__, __LINE__, "%s: out of step", row->what);
}

static void test_invalid_requests_are_answered_and_cost_nothing(void)
{
	unsigned int n;

	start(NULL_DISK);
	n = t_count_fds();
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		check_row(&rows[i]);
	T_EQ(t_count_fds(), n);
	T_EQ(rig_read32(&rig, 0, LSI_SCRATCHA), 0); /* BARs and command are as they were */
	T_EQ(rig_stop(&rig), 0);
}

static void test_requests_with_fds_that_nobody_wants_work_and_leak_none(void)
{
	struct mp_mpqemu_msg msg = {.cmd = MP_MPQEMU_PCI_CFGREAD,
				    .size = sizeof(msg.cfg),
				    .cfg = {.len = 2},
				    .n_fds = 7};
	struct mp_mpqemu_msg reset = {.cmd = MP_MPQEMU_DEVICE_RESET, .n_fds = 3};
	unsigned int n;

	start(NULL_DISK);
	n = t_count_fds();
	for (unsigned int i = 0; i < 8; i++)
		msg.fd[i] = reset.fd[i] = rig.ram_fd;
	T_EQ(rig_stock_call(&rig, 0, &msg), 0x1000);
	rig_stock_send(&rig, 0, &reset);
	T_EQ(rig_stock_answer(&rig, 0).size, 0);
	T_EQ(t_count_fds(), n);
	T_EQ(rig_stop(&rig), 0);
}

/* -- tables that can't be mapped ------------------------------------------ */

static void test_pieces_that_overlap_or_wrap_leave_no_memory(void)
{
	struct mp_mpqemu_msg msg = {.cmd = MP_MPQEMU_SYNC_SYSMEM,
				    .size = sizeof(msg.sysmem),
				    .sysmem = {.gpa = {0, 0x1000}, .len = {0x2000, 0x1000}},
				    .n_fds = 2};
	unsigned int n;

	start(NULL_DISK);
	n = t_count_fds();
	msg.fd[0] = msg.fd[1] = rig.ram_fd;
	rig_stock_send(&rig, 0, &msg);
	msg.sysmem.gpa[1] = UINT64_MAX - 0xffe;
	rig_stock_send(&rig, 0, &msg);
	msg.sysmem.gpa[1] = 0x10000;
	msg.sysmem.len[1] = 0;
	rig_stock_send(&rig, 0, &msg);
	msg.sysmem.len[1] = 0x1000;
	msg.sysmem.offset[1] = -4096;
	rig_stock_send(&rig, 0, &msg);
	rig_stock_settle(&rig, 0);
	T_EQ(t_count_fds(), n);
	rig_write32(&rig, 0, LSI_DSP, RIG_RAM_GPA);
	while (!(rig_read8(&rig, 0, LSI_ISTAT0) & 1))
		;
	T_EQ(rig_read8(&rig, 0, LSI_DSTAT) & 0x20, 0x20); /* bus fault */
	T_EQ(rig_stop(&rig), 0);
}

/* -- streams that can't be trusted ---------------------------------------- */

static void damage_and_expect_the_end(const void *bytes, size_t len, unsigned int n_fds)
{
	unsigned int n = t_count_fds();

	start(NULL_DISK);
	send_bytes(bytes, len, n_fds);
	T_OK(is_hung_up());
	T_EQ(rig_stop(&rig), -EPROTO);
	T_EQ(t_count_fds(), n);
}

static void test_too_large_a_message_ends_the_device(void)
{
	damage_and_expect_the_end("\5\0\0\0\0\0\0\0\xc1\0\0\0\0\0\0\0", 16, 0);
}

static void test_too_many_fds_end_the_device(void)
{
	damage_and_expect_the_end("\6\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0", 16, 9);
}

static void test_unknown_command_ends_the_device(void)
{
	damage_and_expect_the_end("\10\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0", 16, 2);
}

static void test_negative_command_ends_the_device(void)
{
	damage_and_expect_the_end("\xff\xff\xff\xff\0\0\0\0\0\0\0\0\0\0\0\0", 16, 0);
}

static void test_ret_from_the_proxy_ends_the_device(void)
{
	damage_and_expect_the_end("\1\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0", 16, 0);
}

static void test_hello_after_a_stock_message_ends_the_device(void)
{
	damage_and_expect_the_end("\1\0\x50\x4d\0\0\0\0\0\0\0\0\0\0\0\0", 16, 3);
}

static void test_end_inside_a_message_is_an_error(void)
{
	start(NULL_DISK);
	send_bytes("\5\0\0\0\0\0\0\0\x18\0\0\0\0\0\0\0\0", 17, 0);
	T_EQ(rig_stop(&rig), -EPROTO);
}

static void test_end_between_messages_is_none(void)
{
	start(NULL_DISK);
	T_EQ(rig_stop(&rig), 0);
}

static void test_end_with_requests_unanswered_is_none(void)
{
	const struct mp_mpqemu_msg msg = {
		.cmd = MP_MPQEMU_PCI_CFGREAD, .size = sizeof(msg.cfg), .cfg = {.len = 4}};

	start(NULL_DISK);
	for (unsigned int i = 0; i < 100; i++)
		rig_stock_send(&rig, 0, &msg);
	T_EQ(rig_stop(&rig), 0);
}

/* -- how it is cut and piled up ------------------------------------------- */

static void test_request_may_come_byte_by_byte(void)
{
	struct mp_mpqemu_bar bar = {
		.addr = RIG_STOCK_MMIO + LSI_SCRATCHA, .val = 0x55aa, .size = 4, .memory = 1};
	uint8_t bytes[40] = {4, [8] = 24};

	start("-poll sleep " NULL_DISK);
	memcpy(bytes + 16, &bar, sizeof(bar));
	for (unsigned int i = 0; i < sizeof(bytes); i++)
		send_bytes(bytes + i, 1, 0);
	T_EQ(rig_stock_answer(&rig, 0).size, 8);
	T_EQ(rig_read32(&rig, 0, LSI_SCRATCHA), 0x55aa);
	T_EQ(rig_stop(&rig), 0);
}

/* Sends what the socket takes; reads an answer when it takes no more. */
static void pipeline(unsigned int n)
{
	struct mp_mpqemu_msg msg = {.cmd = MP_MPQEMU_BAR_READ,
				    .size = sizeof(msg.bar),
				    .bar = {.size = 4, .memory = 1}};
	unsigned int n_sent = 0, n_got = 0;
	int r;

	while (n_got < n) {
		msg.bar.addr = RIG_STOCK_RAM + n_sent % 2048 * 4;
		r = n_sent < n ? mp_mpqemu_send(rig.dev[0].sock, &msg, 0) : -ETIMEDOUT;
		if (r == 0) {
			n_sent++;
			continue;
		}
		T_EQ(r, -ETIMEDOUT);
		T_EQ(rig_stock_answer(&rig, 0).value, n_got % 2048 + 1);
		n_got++;
	}
}

static void test_pipelined_requests_are_answered_in_order_also_by_a_full_socket(void)
{
	start("-poll sleep " NULL_DISK);
	for (uint32_t i = 0; i < 2048; i++)
		rig_stock_write(&rig, 0, RIG_STOCK_RAM + i * 4, 4, i + 1);
	pipeline(N_PIPELINE);
	rig_stock_settle(&rig, 0);
	T_EQ(rig_stop(&rig), 0);
}

static void test_proxy_that_never_reads_leaves_other_devices_alone(void)
{
	const struct mp_mpqemu_msg msg = {
		.cmd = MP_MPQEMU_PCI_CFGREAD, .size = sizeof(msg.cfg), .cfg = {.len = 4}};
	uint64_t end_ns;

	rig_start(&rig, 2, NULL_DISK);
	rig_stock_link(&rig);
	end_ns = mp_clock_ns() + 200000000;
	while (mp_clock_ns() < end_ns)
		(void)mp_mpqemu_send(rig.dev[0].sock, &msg, 0);
	rig_write32(&rig, 1, LSI_SCRATCHA, 9);
	T_EQ(rig_read32(&rig, 1, LSI_SCRATCHA), 9);
	T_EQ(rig_stop(&rig), 0);
}

/* -- who speaks which protocol -------------------------------------------- */

static struct mp_mpqemu_msg offer(void)
{
	const struct mp_mpqemu_msg msg = {.cmd = MP_MPQEMU_PCI_CFGREAD,
					  .hole = MP_MPQEMU_OFFER,
					  .size = sizeof(msg.cfg),
					  .cfg = {.len = 2}};

	rig_stock_send(&rig, 0, &msg);
	return rig_stock_answer(&rig, 0);
}

static void test_offer_of_rings_is_answered_in_the_hole(void)
{
	struct mp_mpqemu_msg ret;

	start_silent();
	ret = offer();
	T_EQ(ret.hole, MP_MPQEMU_ANSWER);
	T_EQ(ret.value, 0x1000);
	T_EQ(offer().hole, MP_MPQEMU_ANSWER);
	T_EQ(rig_stop(&rig), 0);
}

static void test_hello_after_the_offer_makes_rings(void)
{
	struct rig_io tur = {.dev = 0};

	start_silent();
	offer();
	rig.dev[0].stock = false;
	close(rig.dev[0].intr_fd);
	close(rig.dev[0].resample_fd);
	rig_link(&rig, 0);
	T_EQ(rig_command(&rig, &tur), 2);
	T_EQ(rig_stop(&rig), 0);
}

static void test_stock_requests_after_the_offer_make_a_stock_device(void)
{
	start_silent();
	offer();
	close(rig.dev[0].intr_fd);
	close(rig.dev[0].resample_fd);
	rig_stock_link(&rig);
	T_EQ(offer().hole, 0); /* too late for rings */
	T_EQ(rig_read32(&rig, 0, LSI_SCRATCHA), 0);
	T_EQ(rig_stop(&rig), 0);
}

static void test_stock_answers_have_no_hole(void)
{
	const struct mp_mpqemu_msg msg = {.cmd = MP_MPQEMU_PCI_CFGREAD,
					  .hole = 0xdeadbeef,
					  .size = sizeof(msg.cfg),
					  .cfg = {.len = 2}};

	start_silent();
	rig_stock_send(&rig, 0, &msg);
	T_EQ(rig_stock_answer(&rig, 0).hole, 0);
	T_EQ(rig_stop(&rig), 0);
}

static void test_socket_that_closes_in_silence_is_a_normal_end(void)
{
	start_silent();
	T_EQ(rig_stop(&rig), 0);
}

static void test_first_message_of_no_protocol_is_an_error(void)
{
	start_silent();
	send_header(0x12345, 0, 0);
	T_OK(is_hung_up());
	T_EQ(rig_stop(&rig), -EPROTO);
}

static void test_first_message_that_stops_in_its_middle_is_late_in_time(void)
{
	struct mp_meet meet = {.begun_ns = 0};
	struct mp_mpqemu_msg first;
	const char *why = "";
	int sv[2];

	T_EQ(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, sv), 0);
	T_EQ(mp_meet_go_on(&meet, sv[0], &first, &why), MP_MEET_WAIT);
	T_EQ(mp_meet_deadline_ns(&meet), UINT64_MAX);
	T_EQ(write(sv[1], "\0\0\0\0\0", 5), 5);
	T_EQ(mp_meet_go_on(&meet, sv[0], &first, &why), MP_MEET_WAIT);
	T_OK(mp_meet_deadline_ns(&meet) != UINT64_MAX);
	meet.timeout_ns = MP_SESSION_DEFAULT_TIMEOUT_NS + MP_NS_PER_SEC;
	meet.begun_ns -= MP_SESSION_DEFAULT_TIMEOUT_NS; /* as if it had been so long ago */
	T_EQ(mp_meet_go_on(&meet, sv[0], &first, &why), MP_MEET_WAIT);
	meet.timeout_ns = 0;
	T_EQ(mp_meet_go_on(&meet, sv[0], &first, &why), -ETIMEDOUT);
	T_OK(strstr(why, "stopped in its middle"));
	mp_meet_fini(&meet);
	close(sv[0]);
	close(sv[1]);
}

T_MAIN(T_TEST(test_invalid_requests_are_answered_and_cost_nothing),
       T_TEST(test_requests_with_fds_that_nobody_wants_work_and_leak_none),
       T_TEST(test_pieces_that_overlap_or_wrap_leave_no_memory),
       T_TEST(test_too_large_a_message_ends_the_device), T_TEST(test_too_many_fds_end_the_device),
       T_TEST(test_unknown_command_ends_the_device), T_TEST(test_negative_command_ends_the_device),
       T_TEST(test_ret_from_the_proxy_ends_the_device),
       T_TEST(test_hello_after_a_stock_message_ends_the_device),
       T_TEST(test_end_inside_a_message_is_an_error), T_TEST(test_end_between_messages_is_none),
       T_TEST(test_end_with_requests_unanswered_is_none),
       T_TEST(test_request_may_come_byte_by_byte),
       T_TEST(test_pipelined_requests_are_answered_in_order_also_by_a_full_socket),
       T_TEST(test_proxy_that_never_reads_leaves_other_devices_alone),
       T_TEST(test_offer_of_rings_is_answered_in_the_hole),
       T_TEST(test_hello_after_the_offer_makes_rings),
       T_TEST(test_stock_requests_after_the_offer_make_a_stock_device),
       T_TEST(test_stock_answers_have_no_hole),
       T_TEST(test_socket_that_closes_in_silence_is_a_normal_end),
       T_TEST(test_first_message_of_no_protocol_is_an_error),
       T_TEST(test_first_message_that_stops_in_its_middle_is_late_in_time))
