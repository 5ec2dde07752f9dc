/* SPDX-License-Identifier: BSD-3-Clause */
/* LOG SENSE and LOG SELECT: what is counted, and how it is asked for. */
#include "base/bytes.h"
#include "tests/lib/t.h"
#include "tests/unit/scsi-target/disk.h"

/* LOG SENSE with cumulative values, unless @page has other bits on top. */
static int sense(uint8_t page, uint8_t subpage, uint8_t first)
{
	return RUN(4096, 0x4d, 0, page, subpage, 0, 0, first, 0x10, 0, 0);
}

/* Value of 8-byte parameter @code of @page, cumulative. */
static uint64_t counter(uint8_t page, uint8_t code)
{
	T_EQ(sense(0x40 | page, 0, code), MP_SCSI_GOOD);
	T_EQ(mp_get_be16(data + 4), code);
	T_EQ(data[7], 8);
	return mp_get_be64(data + 8);
}

static unsigned int pointer(void)
{
	T_EQ(RUN(18, 0x03, 0, 0, 0, 18, 0), MP_SCSI_GOOD);
	T_EQ(data[2] << 16 | data[12] << 8 | data[13], 0x052400);
	return (unsigned int)mp_get_be16(data + 16);
}

static void read_blocks(uint8_t lba, uint8_t n)
{
	T_EQ(RUN(4096, 0x28, 0, 0, 0, 0, lba, 0, 0, n, 0), MP_SCSI_GOOD);
}

static void fail_command(const uint8_t cdb[10], int error)
{
	hba_give(&h, 1, data, sizeof(data));
	hba_start(&h, 1, cdb, 10);
	T_EQ(h.blk.n_reqs, 1);
	fake_blk_finish(&h.blk, 0, error);
	T_EQ(h.slots[1].status, MP_SCSI_CHECK_CONDITION);
	mp_scsi_free(h.bus, 1);
}

static void test_supported_pages_with_and_without_subpages(void)
{
	static const uint8_t pages[] = {0,    0,    0,    9,    0x00, 0x02, 0x03,
					0x05, 0x06, 0x0e, 0x10, 0x19, 0x2f};
	static const uint8_t subpages[] = {0x40, 0xff, 0,    20, 0,    0, 0,    0xff,
					   0x02, 0,    0x03, 0,  0x05, 0, 6,    0x00,
					   0x0e, 0,    0x10, 0,  0x19, 0, 0x2f, 0};

	setup();
	T_EQ(sense(0x00, 0, 0), MP_SCSI_GOOD);
	T_EQ(h.slots[0].n_moved, sizeof(pages));
	T_MEM_EQ(data, pages, sizeof(pages));
	T_EQ(sense(0x00, 0xff, 0), MP_SCSI_GOOD);
	T_EQ(h.slots[0].n_moved, sizeof(subpages));
	T_MEM_EQ(data, subpages, sizeof(subpages));
	hba_fini(&h);
}

static void test_medium_counters_count_bytes_and_errors(void)
{
	static const uint8_t read[10] = {0x28, [8] = 1}, write[10] = {0x2a, [8] = 1};
	static const uint8_t verify[10] = {0x2f, [8] = 1};

	setup();
	read_blocks(0, 3);
	T_EQ(RUN(512, 0x2a, 0, 0, 0, 0, 0, 0, 0, 1, 0), MP_SCSI_GOOD);
	T_EQ(RUN(0, 0x2f, 0, 0, 0, 0, 0, 0, 0, 2, 0), MP_SCSI_GOOD);
	fail_command(read, -5);
	fail_command(write, -5);
	fail_command(verify, -5);
	T_EQ(counter(0x03, 5), 3 * 512);
	T_EQ(counter(0x03, 6), 1);
	T_EQ(counter(0x02, 5), 512);
	T_EQ(counter(0x02, 6), 1);
	T_EQ(counter(0x05, 5), 2 * 512);
	T_EQ(RUN(512, 0x2e, 0x02, 0, 0, 0, 0, 0, 0, 1, 0), MP_SCSI_GOOD);
	T_EQ(counter(0x02, 5), 2 * 512);
	T_EQ(counter(0x05, 5), 3 * 512);
	T_EQ(counter(0x05, 6), 1);
	hba_fini(&h);
}

static void test_error_that_isnt_the_mediums_counts_apart(void)
{
	static const uint8_t flush[10] = {0x35};

	setup();
	fail_command(flush, -5);
	T_EQ(counter(0x06, 0), 1);
	T_EQ(counter(0x02, 6), 0);
	hba_fini(&h);
}

static void test_statistics_count_commands_and_blocks(void)
{
	setup();
	read_blocks(0, 4);
	read_blocks(4, 1);
	T_EQ(RUN(1024, 0x2a, 0, 0, 0, 0, 0, 0, 0, 2, 0), MP_SCSI_GOOD);
	T_EQ(RUN(8, 0x25, 0, 0, 0, 0, 0, 0, 0, 0, 0), MP_SCSI_GOOD); /* not of the medium */
	T_EQ(sense(0x59, 0, 0), MP_SCSI_GOOD);
	T_EQ(h.slots[0].n_moved, 4 + 68 + 12 + 12);
	T_EQ(data[7], 64);
	T_EQ(mp_get_be64(data + 8), 2);
	T_EQ(mp_get_be64(data + 16), 1);
	T_EQ(mp_get_be64(data + 24), 2);
	T_EQ(mp_get_be64(data + 32), 5);
	hba_fini(&h);
}

static void test_stops_are_counted_once_each(void)
{
	setup();
	T_EQ(RUN(0, 0x1b, 0, 0, 0, 0, 0), MP_SCSI_GOOD);
	T_EQ(RUN(0, 0x1b, 0, 0, 0, 0, 0), MP_SCSI_GOOD);
	T_EQ(RUN(0, 0x1b, 0, 0, 0, 1, 0), MP_SCSI_GOOD);
	T_EQ(sense(0x4e, 0, 4), MP_SCSI_GOOD);
	T_EQ(mp_get_be32(data + 8), 1);
	hba_fini(&h);
}

static void test_parameter_pointer_takes_the_head_away(void)
{
	setup();
	T_EQ(sense(0x42, 0, 5), MP_SCSI_GOOD);
	T_EQ(h.slots[0].n_moved, 4 + 2 * 12);
	T_EQ(mp_get_be16(data + 2), 24);
	T_EQ(mp_get_be16(data + 4), 5);
	T_EQ(sense(0x42, 0, 7), MP_SCSI_CHECK_CONDITION);
	T_EQ(pointer(), 5);
	T_EQ(sense(0x40, 0, 1), MP_SCSI_CHECK_CONDITION);
	T_EQ(pointer(), 5);
	hba_fini(&h);
}

static void test_page_control_selects_thresholds_and_defaults(void)
{
	setup();
	read_blocks(0, 1);
	T_EQ(sense(0x03, 0, 5), MP_SCSI_GOOD);
	T_EQ(mp_get_be64(data + 8), -1);
	T_EQ(sense(0xc3, 0, 5), MP_SCSI_GOOD);
	T_EQ(mp_get_be64(data + 8), 0);
	T_EQ(sense(0x10, 0, 0), MP_SCSI_CHECK_CONDITION); /* lists have no threshold */
	T_EQ(pointer(), 2);
	hba_fini(&h);
}

static void test_unknown_pages_and_subpages_are_refused(void)
{
	setup();
	T_EQ(sense(0x4d, 0, 0), MP_SCSI_CHECK_CONDITION);
	T_EQ(pointer(), 2);
	T_EQ(sense(0x42, 1, 0), MP_SCSI_CHECK_CONDITION);
	T_EQ(pointer(), 3);
	T_EQ(RUN(0, 0x4d, 1, 0x42, 0, 0, 0, 0, 0, 64, 0), MP_SCSI_CHECK_CONDITION); /* SP */
	T_EQ(pointer(), 1);
	hba_fini(&h);
}

static void test_allocation_length_cuts(void)
{
	setup();
	T_EQ(RUN(4096, 0x4d, 0, 0x42, 0, 0, 0, 0, 0, 6, 0), MP_SCSI_GOOD);
	T_EQ(h.slots[0].n_moved, 6);
	T_EQ(mp_get_be16(data + 2), 7 * 12);
	T_EQ(RUN(4096, 0x4d, 0, 0x42, 0, 0, 0, 0, 0, 0, 0), MP_SCSI_GOOD);
	T_EQ(h.slots[0].n_moved, 0);
	hba_fini(&h);
}

static void test_reset_of_one_page_leaves_the_others_and_is_told(void)
{
	setup();
	h.initiator = 6;
	hba_sense(&h); /* power on */
	h.initiator = 7;
	read_blocks(0, 1);
	T_EQ(RUN(0, 0x4c, 2, 0x43, 0, 0, 0, 0, 0, 0, 0), MP_SCSI_GOOD);
	T_EQ(counter(0x03, 5), 0);
	T_EQ(sense(0x59, 0, 0), MP_SCSI_GOOD);
	T_EQ(mp_get_be64(data + 8), 1);
	T_EQ(hba_sense(&h), 0);
	h.initiator = 6;
	T_EQ(hba_sense(&h), 0x062a02);
	hba_fini(&h);
}

static void test_reset_without_a_page_is_for_all(void)
{
	setup();
	read_blocks(0, 1);
	T_EQ(RUN(0, 0x4c, 2, 0x40, 0, 0, 0, 0, 0, 0, 0), MP_SCSI_GOOD);
	T_EQ(counter(0x03, 5), 0);
	T_EQ(sense(0x59, 0, 0), MP_SCSI_GOOD);
	T_EQ(mp_get_be64(data + 8), 0);
	read_blocks(0, 1);
	T_EQ(RUN(0, 0x4c, 0, 0xc0, 0, 0, 0, 0, 0, 0, 0), MP_SCSI_GOOD); /* to the defaults */
	T_EQ(counter(0x03, 5), 0);
	hba_fini(&h);
}

static void test_log_select_of_values_and_unknown_pages_is_refused(void)
{
	setup();
	T_EQ(RUN(12, 0x4c, 0, 0x43, 0, 0, 0, 0, 0, 12, 0), MP_SCSI_CHECK_CONDITION);
	T_EQ(pointer(), 7);
	T_EQ(RUN(0, 0x4c, 2, 0x4d, 0, 0, 0, 0, 0, 0, 0), MP_SCSI_CHECK_CONDITION);
	T_EQ(pointer(), 2);
	T_EQ(RUN(0, 0x4c, 0, 0x43, 0, 0, 0, 0, 0, 0, 0), MP_SCSI_GOOD);
	hba_fini(&h);
}

static void test_exceptions_page_tells_of_an_ordered_failure(void)
{
	setup();
	T_EQ(sense(0x6f, 0, 0), MP_SCSI_GOOD);
	T_EQ(mp_get_be32(data + 8), 0x0000ffff);
	T_EQ(RUN(255, 0x1a, 8, 0x1c, 0, 255, 0), MP_SCSI_GOOD);
	data[6] = 0x04;
	T_EQ(RUN(16, 0x15, 0x10, 0, 0, 16, 0), MP_SCSI_GOOD);
	T_EQ(sense(0x6f, 0, 0), MP_SCSI_GOOD);
	T_EQ(mp_get_be32(data + 8), 0x5dffffff);
	hba_fini(&h);
}

T_MAIN(T_TEST(test_supported_pages_with_and_without_subpages),
       T_TEST(test_medium_counters_count_bytes_and_errors),
       T_TEST(test_error_that_isnt_the_mediums_counts_apart),
       T_TEST(test_statistics_count_commands_and_blocks), T_TEST(test_stops_are_counted_once_each),
       T_TEST(test_parameter_pointer_takes_the_head_away),
       T_TEST(test_page_control_selects_thresholds_and_defaults),
       T_TEST(test_unknown_pages_and_subpages_are_refused), T_TEST(test_allocation_length_cuts),
       T_TEST(test_reset_of_one_page_leaves_the_others_and_is_told),
       T_TEST(test_reset_without_a_page_is_for_all),
       T_TEST(test_log_select_of_values_and_unknown_pages_is_refused),
       T_TEST(test_exceptions_page_tells_of_an_ordered_failure))
