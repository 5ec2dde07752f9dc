/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A peer that lies. The test plays it by hand, message by message; the honest
 * side runs in a thread. Each lie must end the session with the right errno
 * and a text, and leave no fd behind.
 */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/fdpass.h"
#include "tests/lib/fault.h"
#include "tests/lib/session_pair.h"
#include "tests/lib/t.h"

#define N_SLOTS 64u
#define SOON_NS 50000000ull

/* What the liar sends; each test spoils one thing. */
static struct {
	int sock;
	struct mp_shm shm;
	int fds[8];
	unsigned int n_fds;
	struct mp_session_header header;
	struct mp_session_hello hello;
	struct mp_session_welcome welcome;
} liar;

static struct session_side victim;
static unsigned int n_fds_before;

static void open_liar(bool victim_is_worker)
{
	int sv[2];

	n_fds_before = t_count_fds();
	T_EQ(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, sv), 0);
	session_side_init(&victim, victim_is_worker, sv[0]);
	memset(&liar, 0, sizeof(liar));
	liar.sock = sv[1];
	T_EQ(mp_shm_create("liar", mp_ring_memfd_len(N_SLOTS, 16), &liar.shm), 0);
	T_EQ(mp_ring_page_format(liar.shm.addr, N_SLOTS, 16), 0);
	liar.fds[0] = liar.shm.fd;
	for (int i = 1; i < 8; i++)
		liar.fds[i] = mp_bell_fd_create();
}

static void play_proxy(void)
{
	open_liar(true);
	liar.n_fds = 3;
	liar.header = (struct mp_session_header){.cmd = MP_CMD_HELLO, .size = sizeof(liar.hello)};
	liar.hello = (struct mp_session_hello){
		.version = MP_WIRE_VERSION, .n_slots = N_SLOTS, .slot_bytes = 16};
}

static void play_worker(void)
{
	open_liar(false);
	liar.n_fds = 2;
	liar.header = (struct mp_session_header){.cmd = MP_CMD_WELCOME,
						 .size = sizeof(liar.welcome)};
	liar.welcome = (struct mp_session_welcome){.version = MP_WIRE_VERSION,
						   .n_slots = N_SLOTS,
						   .slot_bytes = 16,
						   .device = session_pair_device};
}

static void say(const void *buf, size_t len, unsigned int n_fds)
{
	/* A victim that has had enough may be gone: EPIPE is its right. */
	(void)mp_fdpass_send(liar.sock, buf, len, &(struct mp_fds){.fd = liar.fds, .n = n_fds},
			     mp_clock_ns() + 1000000000ull);
}

static void say_greeting(void)
{
	bool hello = victim.is_worker;
	const void *payload = hello ? (const void *)&liar.hello : (const void *)&liar.welcome;

	say(&liar.header, sizeof(liar.header), liar.n_fds);
	say(payload, hello ? sizeof(liar.hello) : sizeof(liar.welcome), 0);
}

static void say_header(uint32_t cmd, uint64_t size)
{
	struct mp_session_header header = {.cmd = cmd, .size = size};

	say(&header, sizeof(header), 0);
}

static void close_liar(void)
{
	mp_shm_fini(&liar.shm);
	for (int i = 1; i < 8; i++)
		close(liar.fds[i]);
	close(liar.sock);
}

/* The victim's verdict, then everything must be closed again. */
static void expect(int r)
{
	session_side_join(&victim);
	T_EQ(victim.r, r);
	if (r < 0)
		T_OK(victim.error && victim.error[0]);
	mp_session_fini(&victim.s);
	close_liar();
	T_EQ(t_count_fds(), n_fds_before);
}

static void greet_and_expect(int r)
{
	session_side_start(&victim);
	say_greeting();
	expect(r);
}

/* -- the player itself: what it says is fine unless a test spoils it ------ */

static void test_worker_accepts_an_honest_player(void)
{
	play_proxy();
	session_side_start(&victim);
	say_greeting();
	say_header(MP_CMD_READY, 0);
	expect(0);
}

static void test_proxy_accepts_an_honest_player(void)
{
	uint64_t status_ok = 0;

	play_worker();
	session_side_start(&victim);
	say_greeting();
	say_header(MP_CMD_ACK, 8);
	say(&status_ok, 8, 0);
	expect(0);
}

/* -- memory ---------------------------------------------------------------- */

static void use_memfd(int seals, size_t len)
{
	size_t right_len = liar.shm.len;

	mp_shm_fini(&liar.shm);
	liar.shm.fd = memfd_create("liar", MFD_ALLOW_SEALING);
	T_OK(liar.shm.fd >= 0);
	T_EQ(ftruncate(liar.shm.fd, (off_t)right_len), 0);
	liar.shm.addr = mmap(NULL, right_len, PROT_READ | PROT_WRITE, MAP_SHARED, liar.shm.fd, 0);
	liar.shm.len = right_len;
	T_EQ(mp_ring_page_format(liar.shm.addr, N_SLOTS, 16), 0);
	T_EQ(ftruncate(liar.shm.fd, (off_t)len), 0);
	T_EQ(fcntl(liar.shm.fd, F_ADD_SEALS, seals), 0);
	liar.fds[0] = liar.shm.fd;
}

#define ALL_SEALS (F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL | F_SEAL_FUTURE_WRITE)

static void test_memfd_without_shrink_seal_is_refused(void)
{
	play_proxy();
	use_memfd(ALL_SEALS & ~F_SEAL_SHRINK, liar.shm.len);
	greet_and_expect(-EPROTO);
}

static void test_memfd_that_may_get_new_writers_is_refused(void)
{
	play_worker();
	use_memfd(ALL_SEALS & ~F_SEAL_FUTURE_WRITE, liar.shm.len);
	greet_and_expect(-EPROTO);
}

static void test_memfd_that_is_too_short_is_refused(void)
{
	play_worker();
	use_memfd(ALL_SEALS, liar.shm.len - 4096);
	greet_and_expect(-EPROTO);
}

static void test_memfd_that_is_too_long_is_refused(void)
{
	play_proxy();
	use_memfd(ALL_SEALS, liar.shm.len + 4096);
	greet_and_expect(-EPROTO);
}

static void test_eventfd_in_place_of_the_memfd_is_refused(void)
{
	play_proxy();
	liar.fds[0] = liar.fds[4];
	greet_and_expect(-EPROTO);
}

static void test_page_that_says_other_sizes_is_refused(void)
{
	play_proxy();
	((struct mp_ring_page *)liar.shm.addr)->slot_bytes = 32;
	greet_and_expect(-EPROTO);
}

static void test_ring_sizes_out_of_limits_are_refused(void)
{
	play_proxy();
	liar.hello.n_slots = 0;
	greet_and_expect(-EPROTO);
	play_proxy();
	liar.hello.n_slots = 1u << 31;
	greet_and_expect(-EPROTO);
	play_worker();
	liar.welcome.n_slots = 48;
	greet_and_expect(-EPROTO);
	play_worker();
	liar.welcome.slot_bytes = 8;
	greet_and_expect(-EPROTO);
}

/* -- fds ------------------------------------------------------------------- */

static void test_too_few_fds_are_refused(void)
{
	play_proxy();
	liar.n_fds = 2;
	greet_and_expect(-EPROTO);
	play_worker();
	liar.n_fds = 1;
	greet_and_expect(-EPROTO);
}

static void test_too_many_fds_are_refused_and_closed(void)
{
	play_proxy();
	liar.n_fds = 8;
	greet_and_expect(-EPROTO);
	play_worker();
	liar.n_fds = 3;
	greet_and_expect(-EPROTO);
}

static void test_fds_with_the_payload_are_refused_and_closed(void)
{
	play_proxy();
	session_side_start(&victim);
	say(&liar.header, sizeof(liar.header), 3);
	say(&liar.hello, sizeof(liar.hello), 2);
	expect(-EPROTO);
}

static void test_bell_that_is_no_eventfd_is_refused(void)
{
	int p[2], good;

	play_worker();
	T_EQ(pipe(p), 0);
	good = liar.fds[1];
	liar.fds[1] = p[1];
	session_side_start(&victim);
	say_greeting();
	session_side_join(&victim);
	T_EQ(victim.r, -EPROTO);
	liar.fds[1] = good;
	close(p[0]);
	close(p[1]);
	close_liar();
	T_EQ(t_count_fds(), n_fds_before);
}

/* A full blocking eventfd would hang whoever rings it. */
static void test_bell_that_blocks_is_refused(void)
{
	play_worker();
	T_EQ(fcntl(liar.fds[1], F_SETFL, 0), 0);
	greet_and_expect(-EPROTO);
	play_proxy();
	T_EQ(fcntl(liar.fds[2], F_SETFL, 0), 0);
	greet_and_expect(-EPROTO);
}

/* -- messages -------------------------------------------------------------- */

static void test_wrong_command_is_refused(void)
{
	play_proxy();
	liar.header.cmd = MP_CMD_WELCOME;
	greet_and_expect(-EPROTO);
	play_worker();
	liar.header.cmd = MP_CMD_HELLO;
	greet_and_expect(-EPROTO);
	play_worker();
	liar.header.cmd = 0; /* of stock multi-process QEMU */
	greet_and_expect(-EPROTO);
}

static void test_wrong_size_is_refused(void)
{
	play_proxy();
	liar.header.size++;
	greet_and_expect(-EPROTO);
	play_proxy();
	liar.header.size = 3;
	greet_and_expect(-EPROTO);
	play_worker();
	liar.header.size = UINT64_MAX;
	greet_and_expect(-EPROTO);
}

static void test_header_with_a_filled_hole_is_refused(void)
{
	play_proxy();
	liar.header.hole = 1;
	greet_and_expect(-EPROTO);
}

static void test_ready_before_hello_is_refused(void)
{
	play_proxy();
	session_side_start(&victim);
	say_header(MP_CMD_READY, 0);
	expect(-EPROTO);
}

static void test_hello_twice_is_refused(void)
{
	play_proxy();
	session_side_start(&victim);
	say_greeting();
	say_header(MP_CMD_HELLO, sizeof(liar.hello));
	expect(-EPROTO);
}

static void test_ready_with_a_payload_is_refused(void)
{
	play_proxy();
	session_side_start(&victim);
	say_greeting();
	say_header(MP_CMD_READY, 4);
	expect(-EPROTO);
}

/* READY with what is in liar.fds from @first on, to a worker that may stop the machine. */
static void ready_with_fds(unsigned int first, unsigned int n_fds, int r)
{
	struct mp_session_header header = {.cmd = MP_CMD_READY};

	victim.cfg.features = liar.hello.features = MP_FEAT_PAUSE | MP_FEAT_IO_STOP;
	session_side_start(&victim);
	say_greeting();
	(void)mp_fdpass_send(liar.sock, &header, sizeof(header),
			     &(struct mp_fds){.fd = liar.fds + first, .n = n_fds},
			     mp_clock_ns() + 1000000000ull);
	expect(r);
}

static void test_ready_needs_its_eventfd_if_the_worker_may_stop_the_machine(void)
{
	play_proxy();
	ready_with_fds(3, 1, 0);
	play_proxy();
	ready_with_fds(3, 0, -EPROTO);
	play_proxy();
	ready_with_fds(3, 2, -EPROTO);
	play_proxy();
	ready_with_fds(0, 1, -EPROTO); /* the memfd */
}

static void test_ready_with_an_fd_that_nobody_asked_for_is_refused(void)
{
	struct mp_session_header header = {.cmd = MP_CMD_READY};

	play_proxy();
	session_side_start(&victim);
	say_greeting();
	say(&header, sizeof(header), 1);
	expect(-EPROTO);
}

static void test_io_stop_without_pause_is_refused(void)
{
	play_worker();
	victim.cfg.features = MP_FEAT_PAUSE | MP_FEAT_IO_STOP;
	liar.welcome.features = MP_FEAT_IO_STOP;
	greet_and_expect(-EPROTO);
}

static void test_ack_of_failure_is_the_proxys_error(void)
{
	int32_t ack[2] = {-EBUSY, 0};

	play_worker();
	session_side_start(&victim);
	say_greeting();
	say_header(MP_CMD_ACK, 8);
	say(ack, 8, 0);
	expect(-EBUSY);
}

static void test_ack_with_a_positive_status_is_refused(void)
{
	int32_t ack[2] = {1, 0};

	play_worker();
	session_side_start(&victim);
	say_greeting();
	say_header(MP_CMD_ACK, 8);
	say(ack, 8, 0);
	expect(-EPROTO);
}

static void test_ack_with_a_status_that_is_no_errno_is_refused(void)
{
	int32_t ack[2] = {INT32_MIN, 0};

	play_worker();
	session_side_start(&victim);
	say_greeting();
	say_header(MP_CMD_ACK, 8);
	say(ack, 8, 0);
	expect(-EPROTO);
}

static void test_feature_that_nobody_asked_for_is_refused(void)
{
	play_worker();
	liar.welcome.features = MP_FEAT_DMA_REPORT;
	greet_and_expect(-EPROTO);
}

/* -- versions -------------------------------------------------------------- */

static void test_newer_proxy_is_told_so_whatever_its_hello_is_long(void)
{
	struct mp_session_header answer;

	play_proxy();
	liar.hello.version = MP_WIRE_VERSION + 1;
	liar.header.size = 4000;
	session_side_start(&victim);
	say_greeting();
	T_EQ(mp_fdpass_recv(liar.sock, &answer, sizeof(answer), NULL,
			    mp_clock_ns() + 1000000000ull),
	     0);
	T_EQ(answer.cmd, MP_CMD_ACK);
	session_side_join(&victim);
	T_OK(strstr(victim.error, "newer"));
	T_OK(strstr(victim.error, "version 1"));
	T_EQ(victim.r, -EPROTONOSUPPORT);
	close_liar();
	T_EQ(t_count_fds(), n_fds_before);
}

static void test_older_worker_is_not_supported(void)
{
	play_worker();
	liar.welcome.version = MP_WIRE_VERSION - 1;
	session_side_start(&victim);
	say_greeting();
	session_side_join(&victim);
	T_OK(strstr(victim.error, "older"));
	T_EQ(victim.r, -EPROTONOSUPPORT);
	close_liar();
	T_EQ(t_count_fds(), n_fds_before);
}

static void test_refusal_of_our_version_is_understood(void)
{
	int32_t ack[2] = {-EPROTONOSUPPORT, 0};

	play_worker();
	session_side_start(&victim);
	say_header(MP_CMD_ACK, 8);
	say(ack, 8, 0);
	session_side_join(&victim);
	T_OK(strstr(victim.error, "refuses version 1"));
	T_EQ(victim.r, -EPROTONOSUPPORT);
	close_liar();
	T_EQ(t_count_fds(), n_fds_before);
}

static void test_ack_of_success_is_no_welcome(void)
{
	int32_t ack[2] = {0, 0};

	play_worker();
	session_side_start(&victim);
	say_header(MP_CMD_ACK, 8);
	say(ack, 8, 0);
	expect(-EPROTO);
}

/* -- devices --------------------------------------------------------------- */

static void test_bar_of_unsound_size_is_refused(void)
{
	play_worker();
	liar.welcome.device.bar[1].bytes = 1000;
	greet_and_expect(-EPROTO);
	play_worker();
	liar.welcome.device.bar[1].bytes = 8;
	greet_and_expect(-EPROTO);
	play_worker();
	liar.welcome.device.bar[1].bytes = MP_WIRE_BAR_MAX * 2;
	greet_and_expect(-EPROTO);
}

static void test_bar_must_be_exactly_io_or_memory(void)
{
	play_worker();
	liar.welcome.device.bar[0].flags = 0;
	greet_and_expect(-EPROTO);
	play_worker();
	liar.welcome.device.bar[0].flags = MP_BAR_IO | MP_BAR_MEM;
	greet_and_expect(-EPROTO);
	play_worker();
	liar.welcome.device.bar[5].flags = MP_BAR_MEM; /* without bytes */
	greet_and_expect(-EPROTO);
}

static void test_shadow_of_a_bar_that_is_not_there_is_refused(void)
{
	play_worker();
	liar.welcome.device.shadow_bar_mask = 1u << 4;
	greet_and_expect(-EPROTO);
	play_worker();
	liar.welcome.device.shadow_bar_mask = 1u << 6;
	greet_and_expect(-EPROTO);
}

static void test_shadow_window_must_fit_the_page(void)
{
	play_worker();
	liar.welcome.device.shadow_window = 512;
	greet_and_expect(-EPROTO);
	play_worker();
	liar.welcome.device.shadow_window = 0; /* a modulus */
	greet_and_expect(-EPROTO);
	play_worker();
	liar.welcome.device.shadow_window = 100;
	greet_and_expect(-EPROTO);
}

static void test_name_must_be_printable_and_end(void)
{
	play_worker();
	memset(liar.welcome.device.name, 'a', sizeof(liar.welcome.device.name));
	greet_and_expect(-EPROTO);
	play_worker();
	liar.welcome.device.name[2] = 27; /* escape, into somebody's terminal */
	greet_and_expect(-EPROTO);
	play_worker();
	liar.welcome.device.name[0] = 0;
	greet_and_expect(-EPROTO);
}

static void test_interrupt_pin_beyond_inta_is_refused(void)
{
	play_worker();
	liar.welcome.device.interrupt_pin = 2;
	greet_and_expect(-EPROTO);
}

/* -- silence and hang-ups -------------------------------------------------- */

static void test_silent_proxy_times_out(void)
{
	play_proxy();
	victim.cfg.timeout_ns = SOON_NS;
	session_side_start(&victim);
	expect(-ETIMEDOUT);
}

static void test_silent_worker_times_out(void)
{
	play_worker();
	victim.cfg.timeout_ns = SOON_NS;
	session_side_start(&victim);
	expect(-ETIMEDOUT);
}

static void test_half_a_header_times_out(void)
{
	play_proxy();
	victim.cfg.timeout_ns = SOON_NS;
	session_side_start(&victim);
	say(&liar.header, 7, 3);
	expect(-ETIMEDOUT);
}

static void test_greeting_without_confirmation_times_out(void)
{
	play_proxy();
	victim.cfg.timeout_ns = SOON_NS;
	greet_and_expect(-ETIMEDOUT);
	play_worker();
	victim.cfg.timeout_ns = SOON_NS;
	greet_and_expect(-ETIMEDOUT);
}

static void hang_up(void)
{
	shutdown(liar.sock, SHUT_WR);
}

static void test_hang_up_before_the_greeting(void)
{
	play_proxy();
	session_side_start(&victim);
	hang_up();
	expect(-ECONNRESET);
	play_worker();
	session_side_start(&victim);
	hang_up();
	expect(-ECONNRESET);
}

static void test_hang_up_inside_the_greeting(void)
{
	play_proxy();
	session_side_start(&victim);
	say(&liar.header, sizeof(liar.header), 3);
	say(&liar.hello, 5, 0);
	hang_up();
	expect(-ECONNRESET);
}

static void test_hang_up_before_the_confirmation(void)
{
	play_proxy();
	session_side_start(&victim);
	say_greeting();
	hang_up();
	expect(-ECONNRESET);
	play_worker();
	session_side_start(&victim);
	say_greeting();
	hang_up();
	expect(-ECONNRESET);
}

static void test_closed_socket_is_no_signal(void)
{
	play_worker();
	shutdown(liar.sock, SHUT_RDWR);
	session_side_start(&victim);
	expect(-EPIPE); /* and no SIGPIPE */
}

T_MAIN(T_TEST(test_worker_accepts_an_honest_player), T_TEST(test_proxy_accepts_an_honest_player),
       T_TEST(test_memfd_without_shrink_seal_is_refused),
       T_TEST(test_memfd_that_may_get_new_writers_is_refused),
       T_TEST(test_memfd_that_is_too_short_is_refused),
       T_TEST(test_memfd_that_is_too_long_is_refused),
       T_TEST(test_eventfd_in_place_of_the_memfd_is_refused),
       T_TEST(test_page_that_says_other_sizes_is_refused),
       T_TEST(test_ring_sizes_out_of_limits_are_refused), T_TEST(test_too_few_fds_are_refused),
       T_TEST(test_too_many_fds_are_refused_and_closed),
       T_TEST(test_fds_with_the_payload_are_refused_and_closed),
       T_TEST(test_bell_that_is_no_eventfd_is_refused), T_TEST(test_bell_that_blocks_is_refused),
       T_TEST(test_wrong_command_is_refused), T_TEST(test_wrong_size_is_refused),
       T_TEST(test_header_with_a_filled_hole_is_refused),
       T_TEST(test_ready_before_hello_is_refused), T_TEST(test_hello_twice_is_refused),
       T_TEST(test_ready_with_a_payload_is_refused),
       T_TEST(test_ready_needs_its_eventfd_if_the_worker_may_stop_the_machine),
       T_TEST(test_ready_with_an_fd_that_nobody_asked_for_is_refused),
       T_TEST(test_io_stop_without_pause_is_refused),
       T_TEST(test_ack_of_failure_is_the_proxys_error),
       T_TEST(test_ack_with_a_positive_status_is_refused),
       T_TEST(test_ack_with_a_status_that_is_no_errno_is_refused),
       T_TEST(test_feature_that_nobody_asked_for_is_refused),
       T_TEST(test_newer_proxy_is_told_so_whatever_its_hello_is_long),
       T_TEST(test_older_worker_is_not_supported),
       T_TEST(test_refusal_of_our_version_is_understood), T_TEST(test_ack_of_success_is_no_welcome),
       T_TEST(test_bar_of_unsound_size_is_refused), T_TEST(test_bar_must_be_exactly_io_or_memory),
       T_TEST(test_shadow_of_a_bar_that_is_not_there_is_refused),
       T_TEST(test_shadow_window_must_fit_the_page), T_TEST(test_name_must_be_printable_and_end),
       T_TEST(test_interrupt_pin_beyond_inta_is_refused), T_TEST(test_silent_proxy_times_out),
       T_TEST(test_silent_worker_times_out), T_TEST(test_half_a_header_times_out),
       T_TEST(test_greeting_without_confirmation_times_out),
       T_TEST(test_hang_up_before_the_greeting), T_TEST(test_hang_up_inside_the_greeting),
       T_TEST(test_hang_up_before_the_confirmation), T_TEST(test_closed_socket_is_no_signal))
