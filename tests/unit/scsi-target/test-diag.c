/* SPDX-License-Identifier: BSD-3-Clause */
/* SEND DIAGNOSTIC with its self-tests, RECEIVE DIAGNOSTIC RESULTS, READ and WRITE BUFFER. */
#include "base/bytes.h"
#include "tests/lib/t.h"
#include "tests/unit/scsi-target/disk.h"

/* CDB byte, or byte of the parameter list, that was refused. */
static unsigned int pointer(void)
{
	T_EQ(RUN(18, 0x03, 0, 0, 0, 18, 0), MP_SCSI_GOOD);
	T_EQ(data[2], 5);
	T_OK(data[12] == 0x24 || data[12] == 0x26);
	return (unsigned int)mp_get_be16(data + 16);
}

/* The latest entry of log page 10h is put at data + 8. */
static void fetch_result(void)
{
	T_EQ(RUN(4096, 0x4d, 0, 0x50, 0, 0, 0, 0, 0x10, 0, 0), MP_SCSI_GOOD);
	T_EQ(h.slots[0].n_moved, 4 + 20 * 20);
	T_EQ(mp_get_be16(data + 4), 1);
}

static int fail_read(uint8_t byte1, unsigned int n_good)
{
	const uint8_t cdb[6] = {0x1d, byte1};

	hba_give(&h, 1, data, 0);
	hba_start(&h, 1, cdb, sizeof(cdb));
	for (unsigned int i = 0; i < n_good; i++)
		fake_blk_finish(&h.blk, 0, 0);
	fake_blk_finish(&h.blk, 0, -5);
	mp_scsi_free(h.bus, 1);
	return h.slots[1].status;
}

static void test_default_test_reads_and_passes(void)
{
	setup();
	T_EQ(RUN(0, 0x1d, 0x04, 0, 0, 0, 0), MP_SCSI_GOOD);
	T_EQ(h.blk.n_op[MP_BLK_READ], 3);
	T_EQ(RUN(0, 0x1b, 0, 0, 0, 0, 0), MP_SCSI_GOOD); /* stopped */
	T_EQ(RUN(0, 0x1d, 0x04, 0, 0, 0, 0), MP_SCSI_GOOD);
	T_EQ(h.blk.n_op[MP_BLK_READ], 3);
	fetch_result();
	T_EQ(mp_get_be64(data + 12), 0); /* it isn't logged */
	hba_fini(&h);
}

/* Used to end the worker: there was nothing to read from. */
static void test_drive_without_a_disc_passes(void)
{
	struct mp_scsi_cd_cfg cd = {.target = 3};

	setup();
	T_EQ(mp_scsi_cd_add(h.bus, &cd), 0);
	h.tasks[0].target = 3;
	hba_sense(&h);
	T_EQ(RUN(0, 0x1d, 0x04, 0, 0, 0, 0), MP_SCSI_GOOD);
	T_EQ(RUN(0, 0x1d, 0xa0, 0, 0, 0, 0), MP_SCSI_CHECK_CONDITION);
	T_EQ(pointer(), 1);
	hba_fini(&h);
}

static void test_short_and_extended_tests_are_logged_latest_first(void)
{
	setup();
	T_EQ(RUN(0, 0x1d, 0xa0, 0, 0, 0, 0), MP_SCSI_GOOD);
	T_EQ(RUN(0, 0x1d, 0xc0, 0, 0, 0, 0), MP_SCSI_GOOD);
	T_EQ(h.blk.n_op[MP_BLK_READ], 3 + 64);
	T_EQ(RUN(0, 0x1d, 0x20, 0, 0, 0, 0), MP_SCSI_GOOD);
	fetch_result();
	T_EQ(data[8], 0x20);
	T_EQ(mp_get_be64(data + 12), -1);
	T_EQ(data[28], 0xc0);
	T_EQ(data[48], 0xa0);
	T_EQ(data[68], 0x00);
	T_EQ(mp_get_be64(data + 72), 0);
	hba_fini(&h);
}

static void test_failed_foreground_test_is_a_hardware_error(void)
{
	setup();
	T_EQ(fail_read(0xa0, 2), MP_SCSI_CHECK_CONDITION);
	T_EQ(hba_sense(&h), 0x043e03);
	fetch_result();
	T_EQ(data[8], 0xa7);
	T_EQ(mp_get_be64(data + 12), (4 << 20) / 512 - 1);
	T_EQ(data[20], 0x03);
	T_EQ(data[21], 0x11);
	hba_fini(&h);
}

static void test_failed_background_test_is_only_logged(void)
{
	setup();
	T_EQ(fail_read(0x20, 0), MP_SCSI_GOOD);
	fetch_result();
	T_EQ(data[8], 0x27);
	T_EQ(mp_get_be64(data + 12), 0);
	hba_fini(&h);
}

static void test_log_keeps_the_latest_twenty(void)
{
	setup();
	T_EQ(RUN(0, 0x1d, 0xa0, 0, 0, 0, 0), MP_SCSI_GOOD);
	for (int i = 0; i < 19; i++)
		T_EQ(RUN(0, 0x1d, 0x20, 0, 0, 0, 0), MP_SCSI_GOOD);
	fetch_result();
	T_EQ(data[8 + 19 * 20], 0xa0);
	T_EQ(RUN(0, 0x1d, 0x20, 0, 0, 0, 0), MP_SCSI_GOOD);
	fetch_result();
	T_EQ(data[8], 0x20);
	T_EQ(data[8 + 19 * 20], 0x20);
	hba_fini(&h);
}

static void test_stopped_unit_has_nothing_to_test(void)
{
	setup();
	T_EQ(RUN(0, 0x1b, 0, 0, 0, 0, 0), MP_SCSI_GOOD);
	T_EQ(RUN(0, 0x1d, 0xa0, 0, 0, 0, 0), MP_SCSI_CHECK_CONDITION);
	T_EQ(hba_sense(&h), 0x020402);
	hba_fini(&h);
}

static void test_what_no_self_test_is_is_refused(void)
{
	setup();
	T_EQ(RUN(0, 0x1d, 0x80, 0, 0, 0, 0), MP_SCSI_CHECK_CONDITION); /* abort: none runs */
	T_EQ(pointer(), 1);
	T_EQ(RUN(0, 0x1d, 0x60, 0, 0, 0, 0), MP_SCSI_CHECK_CONDITION);
	T_EQ(pointer(), 1);
	T_EQ(RUN(0, 0x1d, 0x24, 0, 0, 0, 0), MP_SCSI_CHECK_CONDITION);
	T_EQ(pointer(), 1);
	T_EQ(RUN(4, 0x1d, 0x04, 0, 0, 4, 0), MP_SCSI_CHECK_CONDITION);
	T_EQ(pointer(), 3);
	T_EQ(RUN(4, 0x1d, 0x00, 0, 0, 4, 0), MP_SCSI_CHECK_CONDITION); /* no page format */
	T_EQ(pointer(), 1);
	hba_fini(&h);
}

static void test_supported_diagnostic_pages(void)
{
	static const uint8_t golden[6] = {0, 0, 0, 2, 0x00, 0x40};

	setup();
	memset(data, 0, 4);
	T_EQ(RUN(4, 0x1d, 0x10, 0, 0, 4, 0), MP_SCSI_GOOD);
	T_EQ(RUN(64, 0x1c, 0, 0, 0, 64, 0), MP_SCSI_GOOD);
	T_EQ(h.slots[0].n_moved, 6);
	T_MEM_EQ(data, golden, 6);
	T_EQ(RUN(64, 0x1c, 1, 0x00, 0, 64, 0), MP_SCSI_GOOD);
	T_MEM_EQ(data, golden, 6);
	T_EQ(RUN(64, 0x1c, 1, 0x40, 0, 64, 0), MP_SCSI_CHECK_CONDITION); /* nothing translated */
	T_EQ(pointer(), 2);
	hba_fini(&h);
}

static int translate(uint8_t from, uint8_t to, uint64_t address)
{
	memset(data, 0, sizeof(data));
	data[0] = 0x40;
	data[3] = 10;
	data[4] = from;
	data[5] = to;
	mp_put_be64(data + 6, address);
	return RUN(14, 0x1d, 0x10, 0, 0, 14, 0);
}

static uint64_t translated(void)
{
	T_EQ(RUN(64, 0x1c, 0, 0, 0, 64, 0), MP_SCSI_GOOD);
	T_EQ(h.slots[0].n_moved, 14);
	T_EQ(data[0], 0x40);
	return mp_get_be64(data + 6);
}

static void test_addresses_are_translated_there_and_back(void)
{
	setup();
	/* Block 2000 is sector 47 of head 15 of cylinder 1. */
	T_EQ(translate(0, 5, 2000ull << 32), MP_SCSI_GOOD);
	T_EQ(translated(), 0x0000010f0000002full);
	T_EQ(translate(5, 3, 0x0000010f0000002full), MP_SCSI_GOOD);
	T_EQ(translated(), 2000);
	T_EQ(translate(3, 4, 2000), MP_SCSI_GOOD);
	T_EQ(translated(), 0x0000010full << 32 | 47 * 512);
	T_EQ(translate(4, 0, 0x0000010full << 32 | 47 * 512), MP_SCSI_GOOD);
	T_EQ(translated() >> 32, 2000);
	hba_fini(&h);
}

static void test_addresses_that_arent_are_refused(void)
{
	setup();
	T_EQ(translate(3, 5, 8192), MP_SCSI_CHECK_CONDITION);
	T_EQ(pointer(), 6);
	T_EQ(translate(5, 3, 63), MP_SCSI_CHECK_CONDITION);
	T_EQ(pointer(), 6);
	T_EQ(translate(5, 3, 16ull << 32), MP_SCSI_CHECK_CONDITION);
	T_EQ(pointer(), 6);
	T_EQ(translate(1, 3, 0), MP_SCSI_CHECK_CONDITION);
	T_EQ(pointer(), 4);
	T_EQ(translate(3, 6, 0), MP_SCSI_CHECK_CONDITION);
	T_EQ(pointer(), 5);
	translate(3, 5, 0);
	data[3] = 10;
	T_EQ(RUN(13, 0x1d, 0x10, 0, 0, 14, 0), MP_SCSI_CHECK_CONDITION);
	T_EQ(hba_sense(&h), 0x0b4b00);
	data[3] = 9;
	T_EQ(RUN(14, 0x1d, 0x10, 0, 0, 14, 0), MP_SCSI_CHECK_CONDITION);
	T_EQ(hba_sense(&h), 0x051a00);
	data[0] = 0x41;
	T_EQ(RUN(14, 0x1d, 0x10, 0, 0, 14, 0), MP_SCSI_CHECK_CONDITION);
	T_EQ(pointer(), 0);
	hba_fini(&h);
}

static void fill(uint8_t first, size_t len)
{
	for (size_t i = 0; i < len; i++)
		data[i] = (uint8_t)(first + i);
}

static void test_buffer_keeps_what_is_written_at_any_offset(void)
{
	setup();
	fill(1, 16);
	T_EQ(RUN(16, 0x3b, 2, 0, 0, 0, 5, 0, 0, 16, 0), MP_SCSI_GOOD);
	T_EQ(RUN(8, 0x3c, 2, 0, 0, 0, 7, 0, 0, 8, 0), MP_SCSI_GOOD);
	T_EQ(data[0], 3);
	T_EQ(data[7], 10);
	/* To the end and no further. */
	T_EQ(RUN(4096, 0x3c, 2, 0, 0, 0x07, 0xf0, 0, 0x10, 0, 0), MP_SCSI_GOOD);
	T_EQ(h.slots[0].n_moved, 16);
	T_EQ(RUN(16, 0x3b, 2, 0, 0, 0x07, 0xf1, 0, 0, 16, 0), MP_SCSI_CHECK_CONDITION);
	T_EQ(pointer(), 6);
	T_EQ(RUN(16, 0x3c, 2, 0, 0, 0x08, 0x01, 0, 0, 16, 0), MP_SCSI_CHECK_CONDITION);
	T_EQ(pointer(), 3);
	T_EQ(RUN(16, 0x3c, 2, 1, 0, 0, 0, 0, 0, 16, 0), MP_SCSI_CHECK_CONDITION);
	T_EQ(pointer(), 2);
	hba_fini(&h);
}

static void test_combined_mode_has_a_header_of_four_bytes(void)
{
	setup();
	fill(0, 12);
	T_EQ(RUN(12, 0x3b, 0, 0, 0, 0, 0, 0, 0, 12, 0), MP_SCSI_GOOD);
	T_EQ(RUN(12, 0x3c, 0, 0, 0, 0, 0, 0, 0, 12, 0), MP_SCSI_GOOD);
	T_EQ(mp_get_be32(data), 2048);
	T_EQ(data[4], 4);
	T_EQ(RUN(4, 0x3c, 3, 0, 0, 0, 0, 0, 0, 4, 0), MP_SCSI_GOOD);
	T_EQ(mp_get_be32(data), 2048);
	T_EQ(RUN(4, 0x3c, 3, 1, 0, 0, 0, 0, 0, 4, 0), MP_SCSI_GOOD);
	T_EQ(mp_get_be32(data), 0); /* no such buffer */
	T_EQ(RUN(3, 0x3b, 0, 0, 0, 0, 0, 0, 0, 3, 0), MP_SCSI_CHECK_CONDITION);
	T_EQ(hba_sense(&h), 0x051a00);
	hba_fini(&h);
}

static void test_echo_comes_back_to_who_wrote_it(void)
{
	setup();
	T_EQ(RUN(4, 0x3c, 0x0b, 0, 0, 0, 0, 0, 0, 4, 0), MP_SCSI_GOOD);
	T_EQ(mp_get_be32(data), 0x01000200);
	T_EQ(RUN(16, 0x3c, 0x0a, 0, 0, 0, 0, 0, 0, 16, 0), MP_SCSI_CHECK_CONDITION);
	T_EQ(hba_sense(&h), 0x052c00); /* nothing was written */
	fill(9, 16);
	T_EQ(RUN(16, 0x3b, 0x0a, 0, 0, 0, 0, 0, 0, 16, 0), MP_SCSI_GOOD);
	memset(data, 0, 16);
	T_EQ(RUN(64, 0x3c, 0x0a, 0, 0, 0, 0, 0, 0, 64, 0), MP_SCSI_GOOD);
	T_EQ(h.slots[0].n_moved, 16);
	T_EQ(data[15], 24);
	h.initiator = 6;
	hba_sense(&h); /* power on */
	T_EQ(RUN(16, 0x3b, 0x0a, 0, 0, 0, 0, 0, 0, 16, 0), MP_SCSI_GOOD);
	h.initiator = 7;
	T_EQ(RUN(64, 0x3c, 0x0a, 0, 0, 0, 0, 0, 0, 64, 0), MP_SCSI_CHECK_CONDITION);
	T_EQ(hba_sense(&h), 0x0b3f0f);
	hba_fini(&h);
}

static void test_microcode_is_refused(void)
{
	setup();
	T_EQ(RUN(16, 0x3b, 5, 0, 0, 0, 0, 0, 0, 16, 0), MP_SCSI_CHECK_CONDITION);
	T_EQ(pointer(), 1);
	T_EQ(RUN(513, 0x3b, 0x0a, 0, 0, 0, 0, 0, 2, 1, 0), MP_SCSI_CHECK_CONDITION);
	T_EQ(pointer(), 6); /* longer than the echo buffer */
	T_EQ(RUN(0, 0x3b, 2, 0, 0, 0, 0, 0, 0, 0, 0), MP_SCSI_GOOD);
	hba_fini(&h);
}

T_MAIN(T_TEST(test_default_test_reads_and_passes), T_TEST(test_drive_without_a_disc_passes),
       T_TEST(test_short_and_extended_tests_are_logged_latest_first),
       T_TEST(test_failed_foreground_test_is_a_hardware_error),
       T_TEST(test_failed_background_test_is_only_logged), T_TEST(test_log_keeps_the_latest_twenty),
       T_TEST(test_stopped_unit_has_nothing_to_test),

       T_TEST(test_what_no_self_test_is_is_refused), T_TEST(test_supported_diagnostic_pages),
       T_TEST(test_addresses_are_translated_there_and_back),
       T_TEST(test_addresses_that_arent_are_refused),
       T_TEST(test_buffer_keeps_what_is_written_at_any_offset),
       T_TEST(test_combined_mode_has_a_header_of_four_bytes),
       T_TEST(test_echo_comes_back_to_who_wrote_it), T_TEST(test_microcode_is_refused))
