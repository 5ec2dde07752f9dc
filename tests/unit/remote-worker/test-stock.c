/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A device behind the socket of a stock proxy: what stock QEMU sends, and what a
 * guest sees through it.
 */
#include <errno.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/bytes.h"
#include "lsi-core/lsi.h"
#include "tests/lib/fault.h"
#include "tests/lib/t.h"
#include "tests/unit/remote-worker/rig.h"
#include "tests/unit/remote-worker/rig_stock.h"

#define DATA_OFF 0x100000u
#define NULL_DISK                                                                                  \
	"-drive id=d0,driver=null-co,size=8M -device scsi-hd,drive=d0,bus=lsi0.0,scsi-id=0"
#define UNIT_ATTENTION 2 /* CHECK CONDITION */
#define BUS_FAULT      0x20

static struct rig rig;
static const char *exe;

static void start(const char *options)
{
	rig_start(&rig, 1, options);
	rig_stock_link(&rig);
}

static void ready(unsigned int dev)
{
	struct rig_io tur = {.dev = dev};

	T_EQ(rig_command(&rig, &tur), UNIT_ATTENTION);
	T_EQ(rig_command(&rig, &tur), 0);
}

/* -- realize -------------------------------------------------------------- */

/* What the seven registers give when stock QEMU sizes them. */
static uint32_t size_bar(unsigned int i)
{
	uint32_t off = 0x10 + 4 * i, was = (uint32_t)rig_stock_cfg_read(&rig, 0, off, 4), ones;

	rig_stock_cfg_write(&rig, 0, off, 4, 0xffffffff);
	ones = (uint32_t)rig_stock_cfg_read(&rig, 0, off, 4);
	rig_stock_cfg_write(&rig, 0, off, 4, was);
	T_EQ(rig_stock_cfg_read(&rig, 0, off, 4), was);
	return ones;
}

static void test_realize_of_stock_qemu_finds_the_chip(void)
{
	rig_start(&rig, 1, NULL_DISK);
	rig_stock_offer(&rig, 0, rig.ram_fd, RIG_RAM_GPA, RIG_RAM_BYTES);
	T_EQ(rig_stock_cfg_read(&rig, 0, 0x00, 2), 0x1000);
	T_EQ(rig_stock_cfg_read(&rig, 0, 0x02, 2), 0x0012);
	T_EQ(rig_stock_cfg_read(&rig, 0, 0x0a, 2), 0x0100);
	T_EQ(rig_stock_cfg_read(&rig, 0, 0x2e, 2), 0x1000);
	T_EQ(size_bar(0), 0xffffff01);
	T_EQ(size_bar(1), 0xfffffc00);
	T_EQ(size_bar(2), 0xffffe000);
	T_EQ(size_bar(3), 0);
	T_EQ(size_bar(4), 0);
	T_EQ(size_bar(5), 0);
	T_EQ(size_bar(6), 0);
	T_EQ(rig_stop(&rig), 0);
}

static void test_interrupt_pin_is_a(void)
{
	start(NULL_DISK);
	T_EQ(rig_stock_cfg_read(&rig, 0, 0x3d, 1), 1);
	T_EQ(rig_stop(&rig), 0);
}

static void test_last_bytes_of_config_space_can_be_read(void)
{
	start(NULL_DISK);
	T_EQ(rig_stock_cfg_read(&rig, 0, 0xfd, 1), 0);
	T_EQ(rig_stock_cfg_read(&rig, 0, 0xff, 1), 0);
	T_EQ(rig_stock_cfg_read(&rig, 0, 0xfe, 2), 0);
	T_EQ(rig_stop(&rig), 0);
}

/* -- registers ------------------------------------------------------------ */

static uint64_t port_read(uint64_t port, unsigned int size)
{
	const struct mp_mpqemu_msg msg = {.cmd = MP_MPQEMU_BAR_READ,
					  .size = sizeof(msg.bar),
					  .bar = {.addr = port, .size = size}};

	return rig_stock_call(&rig, 0, &msg);
}

static void test_ports_and_memory_are_the_same_registers(void)
{
	start(NULL_DISK);
	rig_write32(&rig, 0, LSI_SCRATCHA, 0x12345678);
	T_EQ(port_read(RIG_STOCK_PORT + LSI_SCRATCHA, 4), 0x12345678);
	T_EQ(port_read(RIG_STOCK_PORT + LSI_SCRATCHA + 1, 2), 0x3456);
	T_EQ(rig_stop(&rig), 0);
}

static void test_eight_bytes_at_once_reach_scripts_ram(void)
{
	start(NULL_DISK);
	rig_stock_write(&rig, 0, RIG_STOCK_RAM + 0x1ff8, 8, 0x1122334455667788);
	T_EQ(rig_stock_read(&rig, 0, RIG_STOCK_RAM + 0x1ff8, 8), 0x1122334455667788);
	T_EQ(rig_stock_read(&rig, 0, RIG_STOCK_RAM + 0x1ff9, 2), 0x6677);
	T_EQ(rig_stop(&rig), 0);
}

static void test_any_memory_byte_but_0_means_memory(void)
{
	struct mp_mpqemu_msg msg = {.cmd = MP_MPQEMU_BAR_READ,
				    .size = sizeof(msg.bar),
				    .bar = {.addr = RIG_STOCK_MMIO + LSI_SCRATCHA,
					    .size = 4,
					    .memory = 0x80,
					    .pad = {1, 2, 3}}};

	start(NULL_DISK);
	rig_write32(&rig, 0, LSI_SCRATCHA, 77);
	T_EQ(rig_stock_call(&rig, 0, &msg), 77);
	T_EQ(rig_stop(&rig), 0);
}

static void test_read_that_hits_nothing_is_all_ones_and_the_worker_lives(void)
{
	start(NULL_DISK);
	T_EQ(rig_stock_read(&rig, 0, 0x1000, 4), UINT64_MAX);
	T_EQ(port_read(0x80, 1), UINT64_MAX);
	T_EQ(rig_stock_read(&rig, 0, RIG_STOCK_MMIO + 0x3fe, 4), UINT64_MAX);
	rig_stock_write(&rig, 0, 0x1000, 4, 1);
	rig_stock_settle(&rig, 0);
	T_EQ(rig_stop(&rig), 0);
}

static void test_bar_answers_only_while_the_command_register_says_so(void)
{
	start(NULL_DISK);
	rig_stock_cfg_write(&rig, 0, 0x04, 2, 5);
	T_EQ(rig_stock_read(&rig, 0, RIG_STOCK_MMIO, 1), UINT64_MAX);
	T_OK(port_read(RIG_STOCK_PORT, 1) != UINT64_MAX);
	T_EQ(rig_stop(&rig), 0);
}

/* -- disks ---------------------------------------------------------------- */

static void test_inquiry_reaches_guest_memory(void)
{
	struct rig_io io = {
		.cdb = {0x12, 0, 0, 0, 36}, .in = true, .data_off = DATA_OFF, .len = 36};

	start(NULL_DISK);
	T_EQ(rig_command(&rig, &io), 0);
	T_MEM_EQ(rig.ram + DATA_OFF + 8, "mpring  ", 8);
	T_EQ(rig_stop(&rig), 0);
}

/* The core sleeps after each turn, so every byte must wake it. */
static void test_sleeping_worker_hears_its_socket(void)
{
	start("-poll sleep " NULL_DISK);
	ready(0);
	memset(rig.ram + DATA_OFF, 0xff, 4096);
	T_EQ(rig_read(&rig, 0, 5, 8, DATA_OFF), 0);
	T_EQ(rig.ram[DATA_OFF + 4095], 0);
	T_EQ(rig_stop(&rig), 0);
}

static void test_worker_with_threads_hears_its_socket(void)
{
	start("-poll sleep -aio threads " NULL_DISK);
	ready(0);
	T_EQ(rig_read(&rig, 0, 5, 8, DATA_OFF), 0);
	T_EQ(rig_stop(&rig), 0);
}

static void test_sandboxed_process_serves_a_stock_proxy(void)
{
	int fd;

	rig_spawn(&rig, exe, 1, "-poll sleep " NULL_DISK);
	rig_stock_link(&rig);
	ready(0);
	T_EQ(rig_read(&rig, 0, 5, 8, DATA_OFF), 0);
	/* Once more, when the narrower sandbox stands. */
	fd = memfd_create("more", MFD_CLOEXEC);
	T_EQ(ftruncate(fd, 8192), 0);
	rig_stock_offer(&rig, 0, fd, 0, 8192);
	rig_stock_offer(&rig, 0, rig.ram_fd, RIG_RAM_GPA, RIG_RAM_BYTES);
	T_EQ(rig_read(&rig, 0, 5, 8, DATA_OFF), 0);
	T_EQ(rig_stock_reset(&rig, 0), 0);
	T_EQ(rig_stop(&rig), 0);
	close(fd);
}

static void test_two_proxies_of_one_worker_may_differ(void)
{
	struct rig_io tur = {.dev = 0};
	struct mp_link_cfg cfg = {.ops = &(const struct mp_link_ops){.irq = NULL},
				  .connect_timeout_ns = RIG_WAIT_NS,
				  .reply_timeout_ns = RIG_WAIT_NS};
	const char *why;

	rig_start(&rig, 2, NULL_DISK);
	T_EQ(mp_link_attach_take(&rig.dev[1].link, rig.dev[1].sock, &cfg, &why), 0);
	rig.dev[1].sock = -1;
	rig.n_devices = 1;
	rig_stock_link(&rig);
	T_EQ(rig_command(&rig, &tur), UNIT_ATTENTION);
	T_EQ(mp_link_read(&rig.dev[1].link, MP_LSI_BAR_MMIO, LSI_SCRATCHA, 4), 0);
	mp_link_detach(&rig.dev[1].link);
	T_EQ(rig_stop(&rig), 0);
}

/* -- the interrupt -------------------------------------------------------- */

static bool readable(int fd, int ms)
{
	struct pollfd pfd = {.fd = fd, .events = POLLIN};

	return poll(&pfd, 1, ms) == 1;
}

static uint64_t take(int fd)
{
	uint64_t n = 0;

	return read(fd, &n, sizeof(n)) == sizeof(n) ? n : 0;
}

static void put(int fd)
{
	uint64_t one = 1;

	T_EQ(write(fd, &one, sizeof(one)), sizeof(one));
}

static void run_int(void)
{
	static const uint32_t words[] = {0x98080000, 0x12345678};

	rig_write8(&rig, 0, LSI_DIEN, LSI_DSTAT_SIR);
	rig_write32(&rig, 0, LSI_DSP, rig_program(&rig, 0x8000, words, 2));
}

static void assert_irq(void)
{
	run_int();
	T_OK(readable(rig.dev[0].intr_fd, RIG_WAIT_MS));
	T_EQ(take(rig.dev[0].intr_fd), 1);
}

/* The worker has looked at its eventfds after whatever was done before. */
static void look_twice(void)
{
	rig_stock_settle(&rig, 0);
	rig_stock_settle(&rig, 0);
}

static void test_rise_is_told_once(void)
{
	start(NULL_DISK);
	assert_irq();
	look_twice();
	T_EQ(take(rig.dev[0].intr_fd), 0);
	T_EQ(rig_stop(&rig), 0);
}

static void test_fall_is_not_told(void)
{
	start(NULL_DISK);
	assert_irq();
	T_EQ(rig_read8(&rig, 0, LSI_DSTAT) & LSI_DSTAT_SIR, LSI_DSTAT_SIR);
	look_twice();
	T_EQ(take(rig.dev[0].intr_fd), 0);
	T_EQ(rig_stop(&rig), 0);
}

static void test_end_of_interrupt_tells_a_level_that_is_still_1_again(void)
{
	start("-poll sleep " NULL_DISK);
	assert_irq();
	/* Often, because a worker that doesn't wake for it must be asleep to be found out. */
	for (unsigned int i = 0; i < 300; i++) {
		put(rig.dev[0].resample_fd);
		T_OK(readable(rig.dev[0].intr_fd, RIG_WAIT_MS));
		T_EQ(take(rig.dev[0].intr_fd), 1);
	}
	T_EQ(take(rig.dev[0].resample_fd), 0);
	T_EQ(rig_stop(&rig), 0);
}

static void test_end_of_interrupt_after_the_fall_tells_nothing(void)
{
	uint64_t end_ns = mp_clock_ns() + RIG_WAIT_NS;

	start("-poll sleep " NULL_DISK);
	assert_irq();
	rig_read8(&rig, 0, LSI_DSTAT);
	put(rig.dev[0].resample_fd);
	while (readable(rig.dev[0].resample_fd, 0) && mp_clock_ns() < end_ns)
		rig_stock_settle(&rig, 0);
	T_OK(!readable(rig.dev[0].resample_fd, 0));
	T_EQ(take(rig.dev[0].intr_fd), 0);
	T_EQ(rig_stop(&rig), 0);
}

static void test_status_bit_is_the_level(void)
{
	start(NULL_DISK);
	T_EQ(rig_stock_cfg_read(&rig, 0, 0x06, 2), 0);
	assert_irq();
	T_EQ(rig_stock_cfg_read(&rig, 0, 0x06, 2), 8);
	rig_read8(&rig, 0, LSI_DSTAT);
	T_EQ(rig_stock_cfg_read(&rig, 0, 0x06, 2), 0);
	T_EQ(rig_stop(&rig), 0);
}

static void wait_sir(void)
{
	uint64_t end_ns = mp_clock_ns() + RIG_WAIT_NS;

	while (!(rig_read8(&rig, 0, LSI_ISTAT0) & 1) && mp_clock_ns() < end_ns)
		;
	T_EQ(rig_read8(&rig, 0, LSI_ISTAT0) & 1, 1);
}

static void test_disable_bit_keeps_the_line_down_but_not_the_status_bit(void)
{
	start(NULL_DISK);
	rig_stock_cfg_write(&rig, 0, 0x04, 2, 0x407);
	run_int();
	wait_sir();
	T_EQ(rig_stock_cfg_read(&rig, 0, 0x06, 2), 8);
	T_EQ(take(rig.dev[0].intr_fd), 0);
	rig_stock_cfg_write(&rig, 0, 0x04, 2, 7);
	T_EQ(take(rig.dev[0].intr_fd), 1);
	T_EQ(rig_stop(&rig), 0);
}

static void test_new_eventfds_hear_of_a_level_that_is_1_already(void)
{
	int fds[2] = {eventfd(0, EFD_NONBLOCK), eventfd(0, EFD_NONBLOCK)};
	const struct mp_mpqemu_msg msg = {
		.cmd = MP_MPQEMU_SET_IRQFD, .fd = {fds[0], fds[1]}, .n_fds = 2};

	start(NULL_DISK);
	assert_irq();
	rig_stock_send(&rig, 0, &msg);
	rig_stock_settle(&rig, 0);
	T_EQ(take(fds[0]), 1);
	T_EQ(take(rig.dev[0].intr_fd), 0);
	T_EQ(rig_stop(&rig), 0);
	close(fds[0]);
	close(fds[1]);
}

static void test_memfds_for_eventfds_leave_the_old_ones_in_use(void)
{
	struct mp_mpqemu_msg msg = {.cmd = MP_MPQEMU_SET_IRQFD, .n_fds = 2};

	start(NULL_DISK);
	msg.fd[0] = msg.fd[1] = rig.ram_fd;
	rig_stock_send(&rig, 0, &msg);
	assert_irq();
	T_EQ(rig_stop(&rig), 0);
}

static void test_blocking_eventfds_do_not_hang_the_worker(void)
{
	int fds[2] = {eventfd(0, 0), eventfd(0, 0)};
	const struct mp_mpqemu_msg msg = {
		.cmd = MP_MPQEMU_SET_IRQFD, .fd = {fds[0], fds[1]}, .n_fds = 2};
	uint64_t full = UINT64_MAX - 1;

	start(NULL_DISK);
	T_EQ(write(fds[0], &full, sizeof(full)), sizeof(full));
	rig_stock_send(&rig, 0, &msg);
	run_int();
	wait_sir();
	rig_stock_settle(&rig, 0);
	T_EQ(rig_stop(&rig), 0);
	close(fds[0]);
	close(fds[1]);
}

/* -- reset ---------------------------------------------------------------- */

static void test_reset_clears_the_header_and_lowers_the_line(void)
{
	start(NULL_DISK);
	rig_stock_cfg_write(&rig, 0, 0x3c, 1, 11);
	assert_irq();
	T_EQ(rig_stock_reset(&rig, 0), 0);
	T_EQ(rig_stock_cfg_read(&rig, 0, 0x04, 4), 0);
	T_EQ(rig_stock_cfg_read(&rig, 0, 0x10, 4), 1);
	T_EQ(rig_stock_cfg_read(&rig, 0, 0x14, 4), 0);
	T_EQ(rig_stock_cfg_read(&rig, 0, 0x3c, 2), 0x0100);
	T_EQ(rig_read8(&rig, 0, LSI_ISTAT0), 0xff); /* not decoded */
	put(rig.dev[0].resample_fd);
	look_twice();
	T_EQ(take(rig.dev[0].intr_fd), 0);
	T_EQ(rig_stop(&rig), 0);
}

static void test_device_works_again_after_a_reset(void)
{
	start(NULL_DISK);
	ready(0);
	T_EQ(rig_stock_reset(&rig, 0), 0);
	rig_stock_cfg_write(&rig, 0, 0x14, 4, RIG_STOCK_MMIO);
	rig_stock_cfg_write(&rig, 0, 0x04, 2, 6);
	ready(0);
	T_EQ(rig_read(&rig, 0, 0, 8, DATA_OFF), 0);
	T_EQ(rig_stop(&rig), 0);
}

/* -- guest memory --------------------------------------------------------- */

/* A fetch from there: is it a bus fault? */
static bool faults(uint32_t addr)
{
	rig_write32(&rig, 0, LSI_DSP, addr);
	wait_sir();
	return rig_read8(&rig, 0, LSI_DSTAT) & BUS_FAULT;
}

static bool ram_is_there(void)
{
	static const uint32_t words[] = {0x98080000, 0x12345678};

	return !faults(rig_program(&rig, 0x8000, words, 2));
}

static void test_without_bus_master_every_address_faults(void)
{
	start(NULL_DISK);
	T_OK(ram_is_there());
	rig_stock_cfg_write(&rig, 0, 0x04, 2, 3);
	T_OK(!ram_is_there());
	rig_stock_cfg_write(&rig, 0, 0x04, 2, 7);
	T_OK(ram_is_there());
	T_EQ(rig_stop(&rig), 0);
}

static void test_table_replaces_the_one_before(void)
{
	int fd = memfd_create("other", MFD_CLOEXEC);
	uint8_t int_insn[8] = {0, 0, 0x08, 0x98};

	start(NULL_DISK);
	T_EQ(ftruncate(fd, 8192), 0);
	T_EQ(pwrite(fd, int_insn, sizeof(int_insn), 0), sizeof(int_insn));
	rig_stock_offer(&rig, 0, fd, 0x80000000, 8192);
	T_OK(!faults(0x80000000));
	T_OK(faults(RIG_RAM_GPA));
	T_EQ(rig_stop(&rig), 0);
	close(fd);
}

static void test_same_table_again_and_again_leaks_no_fd(void)
{
	unsigned int n;

	start(NULL_DISK);
	rig_stock_settle(&rig, 0);
	n = t_count_fds();
	for (unsigned int i = 0; i < 2000; i++)
		rig_stock_offer(&rig, 0, rig.ram_fd, RIG_RAM_GPA, RIG_RAM_BYTES);
	rig_stock_settle(&rig, 0);
	T_EQ(t_count_fds(), n);
	T_OK(ram_is_there());
	T_EQ(rig_stop(&rig), 0);
}

static void test_changing_tables_leak_no_fd(void)
{
	unsigned int n;

	start(NULL_DISK);
	rig_stock_settle(&rig, 0);
	n = t_count_fds();
	for (unsigned int i = 0; i < 200; i++)
		rig_stock_offer(&rig, 0, rig.ram_fd, RIG_RAM_GPA, RIG_RAM_BYTES - 4096 * (i % 2));
	rig_stock_settle(&rig, 0);
	T_EQ(t_count_fds(), n);
	T_OK(ram_is_there());
	T_EQ(rig_stop(&rig), 0);
}

static void test_another_file_of_the_same_shape_is_another_table(void)
{
	int fd = memfd_create("twin", MFD_CLOEXEC);
	uint8_t mark = 0x5a, got = 0;
	struct rig_io io = {
		.cdb = {0x12, 0, 0, 0, 36}, .in = true, .data_off = DATA_OFF, .len = 36};

	start(NULL_DISK);
	T_EQ(rig_command(&rig, &io), 0);
	T_EQ(ftruncate(fd, RIG_RAM_BYTES), 0);
	/* The program and its CDB are in both, the data goes to the new one only. */
	T_EQ(pwrite(fd, rig.ram, 0x1000, 0), 0x1000);
	rig.ram[DATA_OFF + 8] = mark;
	rig_stock_offer(&rig, 0, fd, RIG_RAM_GPA, RIG_RAM_BYTES);
	rig_write32(&rig, 0, LSI_DSP, RIG_RAM_GPA);
	wait_sir();
	T_EQ(pread(fd, &got, 1, DATA_OFF + 8), 1);
	T_EQ(got, 'm');
	T_EQ(rig.ram[DATA_OFF + 8], mark);
	T_EQ(rig_stop(&rig), 0);
	close(fd);
}

static void test_file_that_is_too_short_leaves_no_memory(void)
{
	start(NULL_DISK);
	rig_stock_offer(&rig, 0, rig.ram_fd, RIG_RAM_GPA, RIG_RAM_BYTES + 1);
	T_OK(!ram_is_there());
	rig_stock_offer(&rig, 0, rig.ram_fd, RIG_RAM_GPA, RIG_RAM_BYTES);
	T_OK(ram_is_there());
	T_EQ(rig_stop(&rig), 0);
}

/* Used to be taken for the one in use, if it had failed before. */
static void test_table_that_could_not_be_mapped_is_tried_again(void)
{
	int fd = memfd_create("grows", MFD_CLOEXEC);
	uint8_t int_insn[8] = {0, 0, 0x08, 0x98};

	start(NULL_DISK);
	rig_stock_offer(&rig, 0, fd, RIG_RAM_GPA, 4096);
	T_OK(!ram_is_there());
	T_EQ(ftruncate(fd, 4096), 0);
	T_EQ(pwrite(fd, int_insn, sizeof(int_insn), 0), sizeof(int_insn));
	rig_stock_offer(&rig, 0, fd, RIG_RAM_GPA, 4096);
	T_OK(!faults(RIG_RAM_GPA));
	T_EQ(rig_stop(&rig), 0);
	close(fd);
}

static void test_eight_pieces_of_one_file_are_one_memory(void)
{
	struct mp_mpqemu_msg msg = {
		.cmd = MP_MPQEMU_SYNC_SYSMEM, .size = sizeof(msg.sysmem), .n_fds = 8};
	uint32_t piece = RIG_RAM_BYTES / 8;

	start(NULL_DISK);
	for (unsigned int i = 0; i < 8; i++) {
		msg.fd[i] = rig.ram_fd;
		msg.sysmem.gpa[i] = RIG_RAM_GPA + (7 - i) * piece;
		msg.sysmem.len[i] = piece;
		msg.sysmem.offset[i] = (7 - i) * piece;
	}
	rig_stock_send(&rig, 0, &msg);
	ready(0);
	T_EQ(rig_read(&rig, 0, 0, 8, DATA_OFF), 0);
	T_EQ(rig_stop(&rig), 0);
}

static const struct t_test tests[] = {
	T_TEST(test_realize_of_stock_qemu_finds_the_chip),
	T_TEST(test_interrupt_pin_is_a),
	T_TEST(test_last_bytes_of_config_space_can_be_read),
	T_TEST(test_ports_and_memory_are_the_same_registers),
	T_TEST(test_eight_bytes_at_once_reach_scripts_ram),
	T_TEST(test_any_memory_byte_but_0_means_memory),
	T_TEST(test_read_that_hits_nothing_is_all_ones_and_the_worker_lives),
	T_TEST(test_bar_answers_only_while_the_command_register_says_so),
	T_TEST(test_inquiry_reaches_guest_memory),
	T_TEST(test_sleeping_worker_hears_its_socket),
	T_TEST(test_worker_with_threads_hears_its_socket),
	T_TEST(test_sandboxed_process_serves_a_stock_proxy),
	T_TEST(test_two_proxies_of_one_worker_may_differ),
	T_TEST(test_rise_is_told_once),
	T_TEST(test_fall_is_not_told),
	T_TEST(test_end_of_interrupt_tells_a_level_that_is_still_1_again),
	T_TEST(test_end_of_interrupt_after_the_fall_tells_nothing),
	T_TEST(test_status_bit_is_the_level),
	T_TEST(test_disable_bit_keeps_the_line_down_but_not_the_status_bit),
	T_TEST(test_new_eventfds_hear_of_a_level_that_is_1_already),
	T_TEST(test_memfds_for_eventfds_leave_the_old_ones_in_use),
	T_TEST(test_blocking_eventfds_do_not_hang_the_worker),
	T_TEST(test_reset_clears_the_header_and_lowers_the_line),
	T_TEST(test_device_works_again_after_a_reset),
	T_TEST(test_without_bus_master_every_address_faults),
	T_TEST(test_table_replaces_the_one_before),
	T_TEST(test_same_table_again_and_again_leaks_no_fd),
	T_TEST(test_changing_tables_leak_no_fd),
	T_TEST(test_another_file_of_the_same_shape_is_another_table),
	T_TEST(test_file_that_is_too_short_leaves_no_memory),
	T_TEST(test_table_that_could_not_be_mapped_is_tried_again),
	T_TEST(test_eight_pieces_of_one_file_are_one_memory),
};

int main(int argc, char **argv)
{
	exe = argv[1];
	return t_run(tests, sizeof(tests) / sizeof(tests[0]), argc, argv);
}
