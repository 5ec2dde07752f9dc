/* SPDX-License-Identifier: BSD-3-Clause */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/bytes.h"
#include "base/clock.h"
#include "doorbell/idle.h"
#include "lsi-core/lsi.h"
#include "tests/lib/t.h"
#include "tests/unit/remote-worker/rig.h"

#define DATA_OFF   0x100000u
#define DISK_BYTES (8u << 20)

#define NULL_DISK                                                                                  \
	"-drive id=d0,driver=null-co,size=8M -device scsi-hd,drive=d0,bus=lsi0.0,scsi-id=0"

static struct rig rig;
static char disk_path[64];
static int disk_fd = -1;

/* A sparse file without a name: nothing is left behind, whatever happens. */
static const char *file_disk(void)
{
	static char option[256];

	snprintf(disk_path, sizeof(disk_path), "/tmp");
	disk_fd = open(disk_path, O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
	T_OK(disk_fd >= 0 && ftruncate(disk_fd, DISK_BYTES) == 0);
	snprintf(option, sizeof(option),
		 "-drive id=d0,file=/proc/self/fd/%d,format=raw "
		 "-device scsi-hd,drive=d0,bus=lsi0.0,scsi-id=0,serial=S42",
		 disk_fd);
	return option;
}

static void fill(uint8_t *to, size_t len, uint64_t seed)
{
	for (size_t i = 0; i < len; i += 8)
		mp_put_le64(to + i, t_rand(&seed));
}

/* Reads ISTAT0, which comes from the shadow page, until it shows a DMA interrupt. */
static bool wait_dip(unsigned int dev)
{
	uint64_t end_ns = mp_clock_ns() + RIG_WAIT_NS;

	while (mp_clock_ns() < end_ns)
		if (rig_read8(&rig, dev, LSI_ISTAT0) & 1)
			return true;
	return false;
}

/* -- commands ---------------------------------------------------------- */

static void test_inquiry_reaches_guest_memory(void)
{
	struct rig_io io = {
		.cdb = {0x12, 0, 0, 0, 36}, .in = true, .data_off = DATA_OFF, .len = 36};

	rig_start(&rig, 1, NULL_DISK);
	rig_link(&rig, 0);
	T_EQ(rig_command(&rig, &io), 0);
	T_EQ(rig.ram[DATA_OFF], 0); /* direct access device */
	T_MEM_EQ(rig.ram + DATA_OFF + 8, "mpring  ", 8);
	T_EQ(rig_stop(&rig), 0);
}

static void test_selection_of_an_empty_id_times_out(void)
{
	struct rig_io io = {.target = 3};

	rig_start(&rig, 1, NULL_DISK);
	rig_link(&rig, 0);
	T_EQ(rig_command(&rig, &io), -0x400); /* SIST1.STO */
	io.target = 0;
	T_EQ(rig_command(&rig, &io), 2); /* power-on unit attention */
	T_EQ(rig_command(&rig, &io), 0); /* TEST UNIT READY */
	T_EQ(rig_stop(&rig), 0);
}

static void ready(unsigned int dev)
{
	struct rig_io io = {.dev = dev};

	T_EQ(rig_command(&rig, &io), 2);
	T_EQ(rig_command(&rig, &io), 0);
}

static void test_written_data_is_in_the_file_and_reads_back(void)
{
	uint8_t want[8192], got[8192];

	rig_start(&rig, 1, file_disk());
	rig_link(&rig, 0);
	ready(0);
	fill(want, sizeof(want), 1);
	memcpy(rig.ram + DATA_OFF, want, sizeof(want));
	T_EQ(rig_write(&rig, 0, 100, 16, DATA_OFF), 0);
	T_EQ(pread(disk_fd, got, sizeof(got), 100 * 512), sizeof(got));
	T_MEM_EQ(got, want, sizeof(want));
	T_EQ(rig_read(&rig, 0, 100, 16, DATA_OFF + 8192), 0);
	T_MEM_EQ(rig.ram + DATA_OFF + 8192, want, sizeof(want));
	T_EQ(rig_stop(&rig), 0);
	close(disk_fd);
}

static void test_transfer_of_many_chunks(void)
{
	static uint8_t want[1 << 20];

	rig_start(&rig, 1, file_disk());
	rig_link(&rig, 0);
	ready(0);
	fill(want, sizeof(want), 2);
	T_EQ(pwrite(disk_fd, want, sizeof(want), 0), sizeof(want));
	T_EQ(rig_read(&rig, 0, 0, 2048, DATA_OFF), 0);
	T_MEM_EQ(rig.ram + DATA_OFF, want, sizeof(want));
	T_EQ(rig_stop(&rig), 0);
	close(disk_fd);
}

static void test_cd_beside_a_disk_reads_its_file(void)
{
	struct rig_io inquiry = {.target = 2,
				 .cdb = {0x12, 0, 0, 0, 36},
				 .in = true,
				 .data_off = DATA_OFF,
				 .len = 36};
	struct rig_io read = {.target = 2,
			      .cdb = {0x28, 0, 0, 0, 0, 3, 0, 0, 1},
			      .in = true,
			      .data_off = DATA_OFF,
			      .len = 2048};
	uint8_t want[2048];
	char options[512];

	file_disk();
	fill(want, sizeof(want), 3);
	T_EQ(pwrite(disk_fd, want, sizeof(want), 3 * 2048), sizeof(want));
	snprintf(options, sizeof(options),
		 NULL_DISK " -drive id=c,media=cdrom,file=/proc/self/fd/%d,format=raw "
			   "-device scsi-cd,drive=c,scsi-id=2",
		 disk_fd);
	rig_start(&rig, 1, options);
	rig_link(&rig, 0);
	T_EQ(rig_command(&rig, &inquiry), 0);
	T_EQ(rig.ram[DATA_OFF], 5);
	T_EQ(rig_command(&rig, &(struct rig_io){.target = 2}), 2);
	T_EQ(rig_command(&rig, &read), 0);
	T_MEM_EQ(rig.ram + DATA_OFF, want, sizeof(want));
	T_EQ(rig_stop(&rig), 0);
	close(disk_fd);
}

static void test_cd_without_a_drive_is_empty(void)
{
	struct rig_io inquiry = {.target = 1,
				 .cdb = {0x12, 0, 0, 0, 36},
				 .in = true,
				 .data_off = DATA_OFF,
				 .len = 36};
	struct rig_io tur = {.target = 1};

	rig_start(&rig, 1, NULL_DISK " -device scsi-cd");
	rig_link(&rig, 0);
	T_EQ(rig_command(&rig, &inquiry), 0);
	T_EQ(rig.ram[DATA_OFF], 5);
	T_EQ(rig_command(&rig, &tur), 2); /* power on */
	T_EQ(rig_command(&rig, &tur), 2); /* no medium */
	T_EQ(rig_command(&rig, &tur), 2);
	T_EQ(rig_stop(&rig), 0);
}

static void test_threads_do_what_io_uring_does(void)
{
	char options[512];
	uint8_t want[4096];

	snprintf(options, sizeof(options), "--aio threads %s", file_disk());
	rig_start(&rig, 1, options);
	rig_link(&rig, 0);
	ready(0);
	fill(want, sizeof(want), 3);
	memcpy(rig.ram + DATA_OFF, want, sizeof(want));
	T_EQ(rig_write(&rig, 0, 8, 8, DATA_OFF), 0);
	T_EQ(rig_read(&rig, 0, 8, 8, DATA_OFF + 4096), 0);
	T_MEM_EQ(rig.ram + DATA_OFF + 4096, want, sizeof(want));
	T_EQ(rig_stop(&rig), 0);
	close(disk_fd);
}

static void test_every_poll_mode_works(void)
{
	static const char *const modes[] = {"busy", "adaptive", "sleep"};
	char options[512];

	for (unsigned int i = 0; i < 3; i++) {
		snprintf(options, sizeof(options), "--poll %s %s", modes[i], NULL_DISK);
		rig_start(&rig, 1, options);
		rig_link(&rig, 0);
		ready(0);
		T_EQ(rig_read(&rig, 0, 0, 8, DATA_OFF), 0);
		T_EQ(rig_stop(&rig), 0);
	}
}

static void test_devices_of_one_worker_are_separate(void)
{
	rig_start(&rig, 2,
		  NULL_DISK " -drive id=d1,driver=null-co -device "
			    "scsi-hd,drive=d1,bus=lsi1.0,scsi-id=5");
	rig_link(&rig, 0);
	rig_write32(&rig, 0, LSI_SCRATCHA, 0x11111111);
	rig_write32(&rig, 1, LSI_SCRATCHA, 0x22222222);
	T_EQ(rig_read32(&rig, 0, LSI_SCRATCHA), 0x11111111);
	T_EQ(rig_read32(&rig, 1, LSI_SCRATCHA), 0x22222222);
	ready(0);
	T_EQ(rig_command(&rig, &(struct rig_io){.dev = 1, .target = 5}), 2);
	T_EQ(rig_command(&rig, &(struct rig_io){.dev = 1, .target = 0}), -0x400);
	T_EQ(rig_stop(&rig), 0);
}

/* -- registers, interrupts, shadow --------------------------------------- */

/* The first block of a null disk is zeros everywhere: units are told apart by their serials. */
static void check_serial(unsigned int dev, unsigned int target, unsigned int lun, const char *want)
{
	struct rig_io io = {.dev = dev,
			    .target = target,
			    .lun = lun,
			    .cdb = {0x12, 1, 0x80, 0, 4 + 2},
			    .in = true,
			    .data_off = DATA_OFF,
			    .len = 4 + 2};

	T_EQ(rig_command(&rig, &io), 0);
	T_MEM_EQ(rig.ram + DATA_OFF + 4, want, 2);
}

/* VPD page 83's first designator: vendor specific, of the unit. */
static void check_name(unsigned int target, const char *want)
{
	uint8_t len = (uint8_t)strlen(want);
	const uint8_t head[4] = {0x02, 0x00, 0, len};
	struct rig_io io = {.target = target,
			    .cdb = {0x12, 1, 0x83, 0, 8 + len},
			    .in = true,
			    .data_off = DATA_OFF,
			    .len = 8 + len};

	T_EQ(rig_command(&rig, &io), 0);
	T_MEM_EQ(rig.ram + DATA_OFF + 4, head, 4);
	T_MEM_EQ(rig.ram + DATA_OFF + 8, want, len);
}

static void test_units_without_serial_numbers_have_the_names_of_their_drives(void)
{
	rig_start(&rig, 1,
		  "-drive id=one,driver=null-co -device scsi-hd,drive=one "
		  "-drive id=second,driver=null-co -device scsi-hd,drive=second "
		  "-drive id=c,driver=null-co -device scsi-cd,drive=c,device_id=mine");
	rig_link(&rig, 0);
	check_name(0, "one");
	check_name(1, "second");
	check_name(2, "mine");
	T_EQ(rig_stop(&rig), 0);
}

static void test_each_unit_of_each_bus_is_itself(void)
{
	rig_start(
		&rig, 2,
		"-drive id=a,driver=null-co -device scsi-hd,drive=a,bus=lsi0.0,serial=a0 "
		"-drive id=b,driver=null-co -device scsi-hd,drive=b,bus=lsi0.0,scsi-id=0,lun=9,"
		"serial=a9 "
		"-drive id=c,driver=null-co -device scsi-hd,drive=c,bus=lsi0.0,scsi-id=15,serial=af "
		"-drive id=d,driver=null-co -device scsi-hd,drive=d,bus=lsi1.0,serial=b0 "
		"-device scsi-cd,bus=lsi1.0,serial=b1");
	rig_link(&rig, 0);
	check_serial(0, 0, 0, "a0");
	check_serial(0, 0, 9, "a9");
	check_serial(0, 15, 0, "af");
	check_serial(1, 0, 0, "b0");
	check_serial(1, 1, 0, "b1");
	T_EQ(rig_command(&rig, &(struct rig_io){.dev = 1, .target = 15}), -0x400); /* nobody */
	T_EQ(rig_stop(&rig), 0);
}

static void test_shadow_has_reset_values_before_the_first_message(void)
{
	rig_start(&rig, 1, NULL_DISK);
	rig_link(&rig, 0);
	T_EQ(rig_read8(&rig, 0, 0x00), 0xc0); /* SCNTL0 after reset */
	T_EQ(rig_stop(&rig), 0);
}

static void test_posted_write_is_seen_by_the_next_read(void)
{
	rig_start(&rig, 1, NULL_DISK);
	rig_link(&rig, 0);
	for (uint32_t i = 0; i < 2000; i++) {
		rig_write32(&rig, 0, LSI_SCRATCHA, i);
		T_EQ(rig_read32(&rig, 0, LSI_SCRATCHA), i);
	}
	T_EQ(rig_stop(&rig), 0);
}

static void test_posted_writes_alone_get_their_credit_back(void)
{
	rig_start(&rig, 1, NULL_DISK);
	rig_link(&rig, 0);
	for (uint32_t i = 0; i < 5000; i++)
		rig_write32(&rig, 0, LSI_SCRATCHA, i);
	T_OK(!rig.dev[0].link.dead);
	T_EQ(rig_read32(&rig, 0, LSI_SCRATCHA), 4999);
	T_EQ(rig_stop(&rig), 0);
}

static void test_first_page_is_the_chip_at_power_on(void)
{
	struct mp_wire_worker_page page;

	rig_start(&rig, 1, NULL_DISK);
	mp_worker_first_page(rig.worker, 0, &page);
	/* SCNTL0 is C0 after reset; relaxed: the page is ours. */
	T_EQ(atomic_load_explicit(&page.shadow[0], memory_order_relaxed) & 0xff, 0xc0);
	T_EQ(rig_stop(&rig), 0);
}

static void test_scripts_ram_takes_every_size(void)
{
	struct mp_link *l = &rig.dev[0].link;

	rig_start(&rig, 1, NULL_DISK);
	rig_link(&rig, 0);
	mp_link_post(l, MP_LSI_BAR_RAM, 8184, 8, 0x1122334455667788ull);
	T_EQ(mp_link_read(l, MP_LSI_BAR_RAM, 8184, 8), 0x1122334455667788ll);
	T_EQ(mp_link_read(l, MP_LSI_BAR_RAM, 8190, 2), 0x1122);
	T_EQ(mp_link_read(l, MP_LSI_BAR_RAM, 8184, 1), 0x88);
	T_EQ(rig_stop(&rig), 0);
}

/* Waits for the interrupts' eventfd as QEMU would, then looks. */
static bool wait_irq(int level)
{
	struct pollfd pfd = {.fd = mp_link_irq_fd(&rig.dev[0].link), .events = POLLIN};
	uint64_t end_ns = mp_clock_ns() + RIG_WAIT_NS;

	while (rig.dev[0].irq_level != level && mp_clock_ns() < end_ns)
		if (poll(&pfd, 1, 1000) == 1)
			mp_link_irq_ready(&rig.dev[0].link);
	return rig.dev[0].irq_level == level;
}

static const uint32_t int_program[] = {0x98080000, 0x12345678};

static void test_interrupt_rises_and_a_read_of_dstat_clears_it(void)
{
	uint32_t program;

	rig_start(&rig, 1, NULL_DISK);
	rig_link(&rig, 0);
	program = rig_program(&rig, 0, int_program, 2);
	rig_write8(&rig, 0, LSI_DIEN, LSI_DSTAT_SIR);
	rig_write32(&rig, 0, LSI_DSP, program);
	T_OK(wait_irq(1));
	T_EQ(rig_read32(&rig, 0, LSI_DSPS), 0x12345678);
	T_EQ(rig_read8(&rig, 0, LSI_DSTAT) & LSI_DSTAT_SIR, LSI_DSTAT_SIR);
	/* The level is right when the read returns: no spurious interrupt. */
	T_EQ(rig.dev[0].irq_level, 0);
	T_EQ(rig.dev[0].n_rises, 1);
	T_EQ(rig_stop(&rig), 0);
}

static void test_fall_by_a_posted_write_rings_the_main_loop_after_a_grace(void)
{
	uint32_t program;

	rig_start(&rig, 1, NULL_DISK);
	rig_link(&rig, 0);
	program = rig_program(&rig, 0, int_program, 2);
	rig_write8(&rig, 0, LSI_DIEN, LSI_DSTAT_SIR);
	rig_write32(&rig, 0, LSI_DSP, program);
	T_OK(wait_irq(1));
	rig_write8(&rig, 0, LSI_DIEN, 0); /* masked: the level falls, nobody reads */
	T_OK(wait_irq(0));
	T_EQ(rig_stop(&rig), 0);
}

static void test_reset_ends_interrupt_and_scripts(void)
{
	static const uint32_t loop[] = {0x80880000, 0xfffffff8}; /* JUMP to itself, relative */
	uint32_t program;

	rig_start(&rig, 1, NULL_DISK);
	rig_link(&rig, 0);
	program = rig_program(&rig, 0, loop, 2);
	rig_write32(&rig, 0, LSI_SCRATCHA, 77);
	rig_write32(&rig, 0, LSI_DSP, program);
	T_EQ(mp_link_reset(&rig.dev[0].link), 0);
	T_EQ(rig.dev[0].irq_level, 0);
	T_EQ(rig_read32(&rig, 0, LSI_SCRATCHA), 0);
	T_EQ(rig_stop(&rig), 0);
}

/* Used to keep the disk stopped, so that the firmware of the next boot found no medium. */
static void test_reset_is_a_power_on_for_the_disks(void)
{
	struct rig_io test_unit_ready = {.dev = 0}, stop = {.cdb = {0x1b}},
		      reserve = {.cdb = {0x16}};

	rig_start(&rig, 1, NULL_DISK);
	rig_link(&rig, 0);
	ready(0);
	T_EQ(rig_command(&rig, &reserve), 0);
	T_EQ(rig_command(&rig, &stop), 0);
	T_EQ(rig_command(&rig, &test_unit_ready), 2);
	T_EQ(mp_link_reset(&rig.dev[0].link), 0);
	T_EQ(rig_command(&rig, &test_unit_ready), 2); /* unit attention */
	T_EQ(rig_command(&rig, &test_unit_ready), 0);
	T_EQ(rig_stop(&rig), 0);
}

static void test_endless_scripts_leave_registers_and_other_devices_alive(void)
{
	static const uint32_t loop[] = {0x80880000, 0xfffffff8};
	uint32_t program;

	rig_start(&rig, 2,
		  NULL_DISK " -drive id=d1,driver=null-co -device "
			    "scsi-hd,drive=d1,bus=lsi1.0,scsi-id=0");
	rig_link(&rig, 0);
	program = rig_program(&rig, 0x8000, loop, 2);
	rig_write32(&rig, 0, LSI_DSP, program);
	ready(1);
	T_EQ(rig_read(&rig, 1, 0, 8, DATA_OFF), 0);
	rig_write32(&rig, 0, LSI_SCRATCHA, 5);
	T_EQ(rig_read32(&rig, 0, LSI_SCRATCHA), 5);
	rig_write8(&rig, 0, LSI_ISTAT0, LSI_ISTAT0_ABRT);
	T_OK(wait_dip(0));
	rig_write8(&rig, 0, LSI_ISTAT0, 0);
	T_EQ(rig_read8(&rig, 0, LSI_DSTAT) & LSI_DSTAT_ABRT, LSI_DSTAT_ABRT);
	T_EQ(rig_stop(&rig), 0);
}

/* -- guest memory ------------------------------------------------------- */

static void test_dma_reports_cover_what_was_read(void)
{
	rig_start(&rig, 1, NULL_DISK);
	rig_link(&rig, MP_FEAT_DMA_REPORT);
	ready(0);
	rig.dev[0].report_bytes = 0;
	T_EQ(rig_read(&rig, 0, 0, 64, DATA_OFF), 0);
	T_OK(rig.dev[0].n_reports > 0);
	T_OK(rig.dev[0].report_bytes >= 64 * 512);
	T_EQ(rig_stop(&rig), 0);
}

static void test_table_can_be_replaced_under_load(void)
{
	rig_start(&rig, 1, NULL_DISK);
	rig_link(&rig, 0);
	ready(0);
	for (unsigned int i = 0; i < 50; i++) {
		rig_set_ram(&rig, 0);
		memset(rig.ram + DATA_OFF, 0xff, 512);
		T_EQ(rig_read(&rig, 0, i, 1, DATA_OFF), 0);
		T_EQ(rig.ram[DATA_OFF], 0);
	}
	T_EQ(rig_stop(&rig), 0);
}

static void test_dma_outside_the_table_is_a_bus_fault(void)
{
	rig_start(&rig, 1, NULL_DISK);
	rig_link(&rig, 0);
	rig_write32(&rig, 0, LSI_DSP, 0x10);
	T_OK(wait_dip(0));
	T_EQ(rig_read8(&rig, 0, LSI_DSTAT) & 0x20, 0x20); /* BF */
	T_EQ(rig_stop(&rig), 0);
}

/* Waits until the worker has filled its ring to the last slot. */
static bool wait_full(void)
{
	struct mp_ring_cons last = rig.dev[0].link.s.cons;
	uint64_t end_ns = mp_clock_ns() + RIG_WAIT_NS;
	const void *slot;

	mp_ring_cons_rebind(&last);
	last.next += last.mask;
	while (mp_clock_ns() < end_ns)
		if (mp_ring_peek(&last, &slot))
			return true;
	return false;
}

/* Memory moves to page after page, for ever: reports that don't merge. */
static void test_full_reply_ring_stalls_the_device_and_loses_nothing(void)
{
	static uint32_t words[200 * 3 + 2];
	uint32_t program, n = 0;
	uint64_t seen;

	rig_start(&rig, 1, NULL_DISK);
	rig_link(&rig, MP_FEAT_DMA_REPORT);
	for (uint32_t i = 0; i < 200; i++) {
		words[n++] = 0xc0000004;
		words[n++] = RIG_RAM_GPA;
		words[n++] = RIG_RAM_GPA + DATA_OFF + i * 8192;
	}
	words[n++] = 0x80080000;
	words[n++] = RIG_RAM_GPA + 0x1000;
	program = rig_program(&rig, 0x1000, words, n);
	rig_write32(&rig, 0, LSI_DSP, program);
	T_OK(wait_full());
	/* The worker has rung; each drain lets it go on. */
	for (unsigned int i = 0; i < 20; i++) {
		struct pollfd pfd = {.fd = mp_link_irq_fd(&rig.dev[0].link), .events = POLLIN};

		T_EQ(poll(&pfd, 1, RIG_WAIT_MS), 1);
		mp_link_irq_ready(&rig.dev[0].link);
	}
	seen = rig.dev[0].n_reports;
	T_OK(seen > 4096);
	T_EQ(mp_link_reset(&rig.dev[0].link), 0);
	T_EQ(rig_stop(&rig), 0);
}

/* -- peers that leave or lie --------------------------------------------- */

static void test_worker_ends_when_the_proxy_leaves_before_the_handshake(void)
{
	rig_start(&rig, 1, NULL_DISK);
	T_EQ(rig_stop(&rig), 0);
}

static void test_worker_ends_when_the_proxy_leaves_under_load(void)
{
	static const uint32_t loop[] = {0x80880000, 0xfffffff8};

	rig_start(&rig, 1, NULL_DISK);
	rig_link(&rig, MP_FEAT_DMA_REPORT);
	rig_write32(&rig, 0, LSI_DSP, rig_program(&rig, 0, loop, 2));
	T_EQ(rig_stop(&rig), 0);
}

static void test_one_proxy_may_leave_while_the_other_goes_on(void)
{
	rig_start(&rig, 2,
		  NULL_DISK " -drive id=d1,driver=null-co -device "
			    "scsi-hd,drive=d1,bus=lsi1.0,scsi-id=0");
	rig_link(&rig, 0);
	shutdown(mp_link_sock_fd(&rig.dev[0].link), SHUT_RDWR);
	ready(1);
	T_EQ(rig_stop(&rig), 0);
}

/* A slot that no proxy sends: as the ring's producer, behind the link's back. */
static void send_raw(uint32_t head, uint64_t data)
{
	struct mp_session *s = &rig.dev[0].link.s;
	struct mp_wire_slot *raw;
	void *slot;

	mp_ring_prod_rebind(&s->prod);
	T_EQ(mp_ring_reserve(&s->prod, &slot), 1);
	raw = slot;
	raw->head = head;
	raw->data = data;
	mp_ring_commit(&s->prod);
	mp_bell_kick(&s->ring_peer);
}

static void test_unknown_request_costs_the_device(void)
{
	rig_start(&rig, 1, NULL_DISK);
	rig_link(&rig, 0);
	send_raw(0xf0000000, 0);
	T_OK(rig_worker_hung_up(&rig, 0));
	T_EQ(rig_stop(&rig), -EPROTO);
}

static void test_offset_outside_the_bar_costs_the_device(void)
{
	rig_start(&rig, 1, NULL_DISK);
	rig_link(&rig, 0);
	send_raw(MP_REQ_BAR_WRITE << 28 | 2 << 26 | MP_LSI_BAR_RAM << 23 | 8190, 0);
	T_OK(rig_worker_hung_up(&rig, 0));
	T_EQ(rig_stop(&rig), -EPROTO);
}

static void test_garbage_on_the_socket_costs_the_device(void)
{
	static const char garbage[64] = "garbage";

	rig_start(&rig, 1, NULL_DISK);
	rig_link(&rig, 0);
	T_EQ(send(mp_link_sock_fd(&rig.dev[0].link), garbage, sizeof(garbage), 0), 64);
	T_OK(rig_worker_hung_up(&rig, 0));
	T_EQ(rig_stop(&rig), -EPROTO);
}

static void test_table_of_a_short_file_is_refused_and_the_old_one_stays(void)
{
	struct mp_session_region region = {.gpa = RIG_RAM_GPA, .len = 2 * RIG_RAM_BYTES};

	rig_start(&rig, 1, NULL_DISK);
	rig_link(&rig, 0);
	T_EQ(mp_session_send_ram(mp_link_sock_fd(&rig.dev[0].link), &region, 1,
				 &(struct mp_fds){.fd = &rig.ram_fd, .n = 1}, MP_NS_PER_SEC),
	     -ERANGE);
	ready(0);
	T_EQ(rig_stop(&rig), 0);
}

static void test_sleeping_worker_hears_every_request(void)
{
	uint64_t seed = 1;

	rig_start(&rig, 1, NULL_DISK " --poll sleep");
	rig_link(&rig, 0);
	/* Each read finds the core asleep, or just about to be: none may hang. */
	for (uint32_t i = 0; i < 5000; i++) {
		rig_read8(&rig, 0, LSI_DSTAT);
		for (uint32_t spin = (uint32_t)t_rand(&seed) % 2000; spin > 0; spin--)
			mp_pause();
	}
	T_EQ(rig_stop(&rig), 0);
}

static void test_counters_tell_what_happened(void)
{
	const struct mp_stat_page *page;
	char options[512];
	struct mp_shm shm;

	T_EQ(mp_stat_create(&shm), 0);
	page = mp_stat_page(&shm);
	snprintf(options, sizeof(options), NULL_DISK " --poll sleep --stats-fd lsi0=%d",
		 dup(shm.fd));
	rig_start(&rig, 1, options);
	rig_link(&rig, MP_FEAT_DMA_REPORT);
	ready(0);
	T_EQ(rig_read(&rig, 0, 0, 8, DATA_OFF), 0);
	T_EQ(rig_write(&rig, 0, 0, 8, DATA_OFF), 0);
	T_EQ(rig_stop(&rig), 0);
	T_EQ(mp_stat_get(page, MP_STAT_WORKER_COMMANDS), 4);
	T_EQ(mp_stat_get(page, MP_STAT_WORKER_READ_BYTES), 4096);
	T_EQ(mp_stat_get(page, MP_STAT_WORKER_WRITE_BYTES), 4096);
	T_EQ(mp_stat_get(page, MP_STAT_WORKER_BLK_REQUESTS), 2);
	T_OK(mp_stat_get(page, MP_STAT_WORKER_INSNS) >= 4 * 8);
	T_OK(mp_stat_get(page, MP_STAT_WORKER_REQUESTS) > 16);
	T_OK(mp_stat_get(page, MP_STAT_WORKER_REPLIES) > 4);
	T_OK(mp_stat_get(page, MP_STAT_WORKER_DMA_REPORTS) > 0);
	T_OK(mp_stat_get(page, MP_STAT_WORKER_TURNS) > 0);
	T_OK(mp_stat_get(page, MP_STAT_WORKER_SLEEPS) > 0);
	mp_shm_fini(&shm);
}

/* -- steady state -------------------------------------------------------- */

/* Counted while a test asks for it; every allocator call of the process. */
static _Atomic bool counting;
static _Atomic unsigned int n_allocations;

extern void *__libc_malloc(size_t n);
extern void *__libc_calloc(size_t n, size_t m);
extern void *__libc_realloc(void *p, size_t n);

#ifndef MP_SANITIZED
#define CAN_COUNT 1
static void count_one(void)
{
	/* relaxed: a count, read after the fact. */
	if (atomic_load_explicit(&counting, memory_order_relaxed))
		atomic_fetch_add_explicit(&n_allocations, 1, memory_order_relaxed);
}

void *malloc(size_t n)
{
	count_one();
	return __libc_malloc(n);
}

void *calloc(size_t n, size_t m)
{
	count_one();
	return __libc_calloc(n, m);
}

void *realloc(void *p, size_t n)
{
	count_one();
	return __libc_realloc(p, n);
}
#else
#define CAN_COUNT 0
#endif

static void test_commands_and_turns_allocate_nothing(void)
{
	if (!CAN_COUNT)
		t_skip("the allocator belongs to the sanitizer");
	rig_start(&rig, 1, file_disk());
	rig_link(&rig, MP_FEAT_DMA_REPORT);
	ready(0);
	atomic_store_explicit(&n_allocations, 0, memory_order_relaxed);
	atomic_store_explicit(&counting, true, memory_order_relaxed);
	/* Each command takes the worker far more than 20 turns. */
	for (uint32_t i = 0; i < 500; i += 2) {
		T_EQ(rig_read(&rig, 0, i, 8, DATA_OFF), 0);
		T_EQ(rig_write(&rig, 0, i + 1, 8, DATA_OFF), 0);
	}
	for (uint32_t i = 0; i < 10000; i++) {
		rig_write32(&rig, 0, LSI_SCRATCHA, i);
		rig_read8(&rig, 0, LSI_DSTAT);
	}
	atomic_store_explicit(&counting, false, memory_order_relaxed);
	T_EQ(atomic_load_explicit(&n_allocations, memory_order_relaxed), 0);
	T_EQ(rig_stop(&rig), 0);
	close(disk_fd);
}

T_MAIN(T_TEST(test_inquiry_reaches_guest_memory), T_TEST(test_selection_of_an_empty_id_times_out),
       T_TEST(test_written_data_is_in_the_file_and_reads_back),
       T_TEST(test_transfer_of_many_chunks), T_TEST(test_cd_beside_a_disk_reads_its_file),
       T_TEST(test_cd_without_a_drive_is_empty), T_TEST(test_threads_do_what_io_uring_does),
       T_TEST(test_every_poll_mode_works), T_TEST(test_devices_of_one_worker_are_separate),
       T_TEST(test_each_unit_of_each_bus_is_itself),
       T_TEST(test_units_without_serial_numbers_have_the_names_of_their_drives),
       T_TEST(test_shadow_has_reset_values_before_the_first_message),
       T_TEST(test_posted_write_is_seen_by_the_next_read),
       T_TEST(test_posted_writes_alone_get_their_credit_back),
       T_TEST(test_first_page_is_the_chip_at_power_on), T_TEST(test_scripts_ram_takes_every_size),
       T_TEST(test_interrupt_rises_and_a_read_of_dstat_clears_it),
       T_TEST(test_fall_by_a_posted_write_rings_the_main_loop_after_a_grace),
       T_TEST(test_reset_ends_interrupt_and_scripts),
       T_TEST(test_reset_is_a_power_on_for_the_disks),
       T_TEST(test_endless_scripts_leave_registers_and_other_devices_alive),
       T_TEST(test_dma_reports_cover_what_was_read), T_TEST(test_table_can_be_replaced_under_load),
       T_TEST(test_dma_outside_the_table_is_a_bus_fault),
       T_TEST(test_full_reply_ring_stalls_the_device_and_loses_nothing),
       T_TEST(test_worker_ends_when_the_proxy_leaves_before_the_handshake),
       T_TEST(test_worker_ends_when_the_proxy_leaves_under_load),
       T_TEST(test_one_proxy_may_leave_while_the_other_goes_on),
       T_TEST(test_unknown_request_costs_the_device),
       T_TEST(test_offset_outside_the_bar_costs_the_device),
       T_TEST(test_garbage_on_the_socket_costs_the_device),
       T_TEST(test_table_of_a_short_file_is_refused_and_the_old_one_stays),
       T_TEST(test_sleeping_worker_hears_every_request), T_TEST(test_counters_tell_what_happened),
       T_TEST(test_commands_and_turns_allocate_nothing))
