/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A machine that stands still, by its user's will or by an I/O error. The disk
 * fails where the limit of file sizes is (RLIMIT_FSIZE, EFBIG), which needs no
 * privilege to set, and none to lift.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/resource.h>
#include <unistd.h>

#include "base/bytes.h"
#include "base/clock.h"
#include "tests/lib/t.h"
#include "tests/unit/remote-worker/rig.h"

#define DATA_OFF    0x100000u
#define DISK_BYTES  (1u << 20)
#define LIMIT_BYTES 65536u
#define FAR_LBA     1024u /* beyond the limit */
#define MANY_READS  200u /* each waits for a turn of the worker */
#define BOTH        (MP_FEAT_PAUSE | MP_FEAT_IO_STOP)

static struct rig rig;
static int disk_fd = -1;

static void start(const char *policy, uint32_t features)
{
	struct rig_io ready = {.dev = 0};
	char options[256];

	disk_fd = open("/tmp", O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
	T_OK(disk_fd >= 0 && ftruncate(disk_fd, DISK_BYTES) == 0);
	snprintf(options, sizeof(options),
		 "-drive id=d0,file=/proc/self/fd/%d,format=raw,%s -device scsi-hd,drive=d0 "
		 "-device scsi-hd,drive=d1,scsi-id=1 -drive id=d1,driver=null-co,size=1M",
		 disk_fd, policy);
	rig_start(&rig, 1, options);
	rig_link(&rig, features);
	T_EQ(rig_command(&rig, &ready), 2); /* power-on unit attention */
	ready.target = 1;
	T_EQ(rig_command(&rig, &ready), 2);
}

static void stop(void)
{
	T_EQ(rig_stop(&rig), 0);
	close(disk_fd);
}

static void limit_files(rlim_t bytes)
{
	struct rlimit limit;

	signal(SIGXFSZ, SIG_IGN);
	T_EQ(getrlimit(RLIMIT_FSIZE, &limit), 0);
	limit.rlim_cur = bytes < limit.rlim_max ? bytes : limit.rlim_max;
	T_EQ(setrlimit(RLIMIT_FSIZE, &limit), 0);
}

static struct rig_io far_write(void)
{
	struct rig_io io = {.cdb = {0x2a}, .data_off = DATA_OFF, .len = 512};

	mp_put_be32(io.cdb + 2, FAR_LBA);
	mp_put_be16(io.cdb + 7, 1);
	memset(rig.ram + DATA_OFF, 0x5a, 512);
	return io;
}

/* Returns a write that the limit of file sizes makes fail, to be begun. */
static struct rig_io start_limited(const char *policy, uint32_t features)
{
	struct rig_io io;

	start(policy, features);
	io = far_write();
	limit_files(LIMIT_BYTES);
	return io;
}

/* The error has arrived at the proxy; how often it was told so far. */
static unsigned int wait_for_stop(void)
{
	struct pollfd pfd = {.fd = mp_link_stop_fd(&rig.dev[0].link), .events = POLLIN};

	T_EQ(poll(&pfd, 1, RIG_WAIT_MS), 1);
	mp_link_stop_ready(&rig.dev[0].link);
	return rig.dev[0].n_io_stops;
}

static void check_told(enum mp_scsi_on_error action)
{
	struct mp_event e = {.kind = MP_EVENT_TRAY};

	T_OK(mp_worker_take_event(rig.worker, 0, &e));
	T_EQ(e.kind, MP_EVENT_IO_ERROR);
	T_EQ(e.error.target, 0);
	T_EQ(e.error.lun, 0);
	T_EQ(e.error.op, MP_BLK_WRITE);
	T_EQ(e.error.error, -EFBIG);
	T_EQ(e.error.action, action);
	T_OK(!mp_worker_take_event(rig.worker, 0, &e));
}

static uint8_t byte_of_disk(void)
{
	uint8_t byte = 0;

	T_EQ(pread(disk_fd, &byte, 1, FAR_LBA * 512), 1);
	return byte;
}

static void test_paused_device_runs_no_scripts(void)
{
	const uint32_t words[] = {0x98080000, 0xcafe}; /* INT 0xcafe */
	uint64_t end_ns = mp_clock_ns() + RIG_WAIT_NS;

	start("werror=report", BOTH);
	T_EQ(mp_link_pause(&rig.dev[0].link), 0);
	rig_write32(&rig, 0, LSI_DSP, rig_program(&rig, 0x8000, words, 2));
	for (unsigned int i = 0; i < MANY_READS; i++)
		T_EQ(rig_read8(&rig, 0, LSI_DSTAT) & LSI_DSTAT_SIR, 0);
	mp_link_continue(&rig.dev[0].link);
	while (rig_read32(&rig, 0, LSI_DSPS) != 0xcafe && mp_clock_ns() < end_ns)
		;
	T_EQ(rig_read32(&rig, 0, LSI_DSPS), 0xcafe);
	stop();
}

static void test_paused_device_answers_and_resets(void)
{
	start("werror=report", BOTH);
	T_EQ(mp_link_pause(&rig.dev[0].link), 0);
	rig_write32(&rig, 0, LSI_SCRATCHA, 0x12345678);
	T_EQ(rig_read32(&rig, 0, LSI_SCRATCHA), 0x12345678);
	T_EQ(mp_link_reset(&rig.dev[0].link), 0);
	T_EQ(rig_read32(&rig, 0, LSI_SCRATCHA), 0);
	mp_link_continue(&rig.dev[0].link);
	stop();
}

static void test_write_error_stops_and_is_tried_again(void)
{
	struct rig_io io = start_limited("werror=stop", BOTH);

	rig_begin(&rig, &io);
	T_EQ(wait_for_stop(), 1);
	T_OK(!rig.dev[0].stop_reading && !rig.dev[0].stop_no_space); /* EFBIG */
	check_told(MP_SCSI_ON_ERROR_STOP);
	T_EQ(mp_link_pause(&rig.dev[0].link), 0); /* as QEMU does: the failed one isn't in flight */
	mp_link_continue(&rig.dev[0].link);
	T_EQ(wait_for_stop(), 2); /* nobody has lifted the limit */
	limit_files(RLIM_INFINITY);
	T_EQ(byte_of_disk(), 0);
	mp_link_continue(&rig.dev[0].link);
	T_EQ(rig_finish(&rig, 0), 0);
	T_EQ(byte_of_disk(), 0x5a);
	mp_link_stop_ready(&rig.dev[0].link);
	T_EQ(rig.dev[0].n_io_stops, 2);
	stop();
}

static void test_default_is_to_report_what_is_not_a_full_disk(void)
{
	struct rig_io io = start_limited("cache=writeback", BOTH);

	T_EQ(rig_command(&rig, &io), 2);
	check_told(MP_SCSI_ON_ERROR_REPORT);
	limit_files(RLIM_INFINITY);
	stop();
}

static void test_proxy_that_stops_no_machine_gets_the_error(void)
{
	struct rig_io io = start_limited("werror=stop", MP_FEAT_PAUSE);

	T_EQ(rig_command(&rig, &io), 2);
	limit_files(RLIM_INFINITY);
	T_EQ(rig.dev[0].n_io_stops, 0);
	stop();
}

static void test_worker_ends_while_an_error_has_stopped_it(void)
{
	struct rig_io io = start_limited("werror=stop", BOTH);

	rig_begin(&rig, &io);
	T_EQ(wait_for_stop(), 1);
	stop();
	limit_files(RLIM_INFINITY);
}

T_MAIN(T_TEST(test_paused_device_runs_no_scripts), T_TEST(test_paused_device_answers_and_resets),
       T_TEST(test_write_error_stops_and_is_tried_again),
       T_TEST(test_default_is_to_report_what_is_not_a_full_disk),
       T_TEST(test_proxy_that_stops_no_machine_gets_the_error),
       T_TEST(test_worker_ends_while_an_error_has_stopped_it))
