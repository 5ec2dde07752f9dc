/* SPDX-License-Identifier: BSD-3-Clause */
/* MODE SENSE, MODE SELECT and what the write cache bit does. */

#include "base/bytes.h"
#include "scsi-target/bus.h"
#include "tests/lib/t.h"
#include "tests/unit/scsi-target/disk.h"

static void test_caching_page_with_block_descriptor(void)
{
	static const uint8_t golden[32] = {31, 0, 0x10, 8, 0, 0, 0x20, 0, 0, 0, 2, 0, 0x88, 18, 4};

	setup();
	T_EQ(RUN(255, 0x1a, 0, 0x08, 0, 255, 0), MP_SCSI_GOOD);
	T_EQ(h.slots[0].n_moved, 32);
	T_MEM_EQ(data, golden, 32);
	hba_fini(&h);
}

static void test_mode_sense10_of_the_changeable_bits(void)
{
	static const uint8_t golden[28] = {0, 26, 0, 0x10, 0, 0, 0, 0, 0x88, 18, 4};

	setup();
	T_EQ(RUN(255, 0x5a, 8, 0x48, 0, 0, 0, 0, 0, 255, 0), MP_SCSI_GOOD);
	T_EQ(h.slots[0].n_moved, 28);
	T_MEM_EQ(data, golden, 28);
	hba_fini(&h);
}

static void test_all_pages_come_in_order(void)
{
	static const uint8_t codes[] = {0x01, 0x02, 0x03, 0x04, 0x07, 0x08, 0x0a, 0x18, 0x19, 0x1c};
	unsigned int at = 4;

	setup();
	T_EQ(RUN(255, 0x1a, 8, 0x3f, 0, 255, 0), MP_SCSI_GOOD);
	T_EQ(data[0] + 1u, h.slots[0].n_moved);
	for (size_t i = 0; i < sizeof(codes); i++) {
		T_EQ(data[at] & 0x3f, codes[i]);
		at += data[at + 1] + 2u;
	}
	T_EQ(at, h.slots[0].n_moved);
	hba_fini(&h);
}

static void test_geometry_page_serves_the_boot_firmware(void)
{
	setup();
	T_EQ(RUN(255, 0x1a, 8, 0x03, 0, 255, 0), MP_SCSI_GOOD);
	T_EQ(mp_get_be16(data + 14), 63);
	T_EQ(mp_get_be16(data + 16), 512);
	T_EQ(data[24], 0x40); /* hard sectors */
	T_EQ(RUN(27, 0x5a, 8, 0x04, 0, 0, 0, 0, 0, 27, 0), MP_SCSI_GOOD);
	T_EQ(h.slots[0].n_moved, 27);
	T_EQ(mp_get_be24(data + 10), 8192 / (16 * 63));
	T_EQ(data[13], 16);
	hba_fini(&h);
}

/* REQUEST SENSE: where the refused field is, (byte << 4 | bit) of the CDB, or byte of the list. */
static unsigned int pointer(void)
{
	T_EQ(RUN(18, 0x03, 0, 0, 0, 18, 0), MP_SCSI_GOOD);
	T_EQ(data[2], 5);
	T_OK(data[15] & 0x80);
	if (!(data[15] & 0x40))
		return mp_get_be16(data + 16);
	return (unsigned int)mp_get_be16(data + 16) << 4 | (data[15] & 0x08 ? data[15] & 7 : 8);
}

static void test_unknown_pages_and_subpages_are_refused(void)
{
	setup();
	T_EQ(RUN(255, 0x1a, 0, 0x05, 0, 255, 0), MP_SCSI_CHECK_CONDITION);
	T_EQ(pointer(), 0x25);
	T_EQ(RUN(255, 0x1a, 0, 0x08, 1, 255, 0), MP_SCSI_CHECK_CONDITION);
	T_EQ(pointer(), 0x38);
	T_EQ(RUN(255, 0x1a, 0, 0x3f, 1, 255, 0), MP_SCSI_CHECK_CONDITION);
	T_EQ(pointer(), 0x38);
	hba_fini(&h);
}

static void test_read_only_disk_shows_write_protect(void)
{
	setup();
	h.blk.read_only = true;
	T_EQ(RUN(255, 0x1a, 8, 0x08, 0, 255, 0), MP_SCSI_GOOD);
	T_EQ(data[2], 0x90);
	hba_fini(&h);
}

static void select_caching(uint8_t byte2)
{
	memset(data, 0, sizeof(data));
	data[4] = 0x08;
	data[5] = 18;
	data[6] = byte2;
}

static void test_write_cache_off_flushes_and_then_writes_through(void)
{
	setup();
	select_caching(0);
	T_EQ(RUN(24, 0x15, 0x10, 0, 0, 24, 0), MP_SCSI_GOOD);
	T_EQ(h.blk.n_op[MP_BLK_FLUSH], 1);
	T_EQ(RUN(512, 0x2a, 0, 0, 0, 0, 0, 0, 0, 1, 0), MP_SCSI_GOOD);
	T_EQ(h.blk.n_fua, 1);
	T_EQ(RUN(255, 0x1a, 8, 0x08, 0, 255, 0), MP_SCSI_GOOD);
	T_EQ(data[6], 0);
	T_EQ(RUN(255, 0x1a, 8, 0x88, 0, 255, 0), MP_SCSI_GOOD); /* defaults */
	T_EQ(data[6], 4);
	mp_scsi_reset(h.bus, MP_SCSI_RESET_BUS, 0, 0);
	hba_sense(&h);
	T_EQ(RUN(255, 0x1a, 8, 0x08, 0, 255, 0), MP_SCSI_GOOD);
	T_EQ(data[6], 4);
	hba_fini(&h);
}

static void test_disk_without_a_write_cache_may_be_given_one(void)
{
	setup();
	hba_remake(&h, &hba_ops,
		   (struct mp_scsi_disk_cfg){.logical_bytes = 512, .write_through = true});
	T_EQ(RUN(255, 0x1a, 8, 0x88, 0, 255, 0), MP_SCSI_GOOD); /* defaults */
	T_EQ(data[6], 0);
	T_EQ(RUN(512, 0x2a, 0, 0, 0, 0, 0, 0, 0, 1, 0), MP_SCSI_GOOD);
	T_EQ(h.blk.n_fua, 1);
	select_caching(4);
	T_EQ(RUN(24, 0x15, 0x10, 0, 0, 24, 0), MP_SCSI_GOOD);
	T_EQ(RUN(512, 0x2a, 0, 0, 0, 0, 0, 0, 0, 1, 0), MP_SCSI_GOOD);
	T_EQ(h.blk.n_fua, 1);
	hba_fini(&h);
}

static void test_any_other_change_is_refused_with_its_byte(void)
{
	static const uint8_t golden[18] = {0x70, 0, 5, 0,    0, 0, 0,    10, 0,
					   0,    0, 0, 0x26, 0, 0, 0x80, 0,  7};

	setup();
	select_caching(4);
	data[7] = 1;
	T_EQ(RUN(24, 0x15, 0x10, 0, 0, 24, 0), MP_SCSI_CHECK_CONDITION);
	T_EQ(RUN(18, 0x03, 0, 0, 0, 18, 0), MP_SCSI_GOOD);
	T_MEM_EQ(data, golden, 18);
	hba_fini(&h);
}

static void test_a_bad_page_behind_a_good_one_changes_nothing(void)
{
	setup();
	select_caching(0);
	data[24] = 0x05;
	T_EQ(RUN(36, 0x15, 0x10, 0, 0, 36, 0), MP_SCSI_CHECK_CONDITION);
	T_EQ(hba_sense(&h), 0x052600);
	T_EQ(RUN(255, 0x1a, 8, 0x08, 0, 255, 0), MP_SCSI_GOOD);
	T_EQ(data[6], 4);
	hba_fini(&h);
}

static void test_cut_lists_are_refused(void)
{
	setup();
	for (unsigned int len = 1; len < 24; len++) {
		select_caching(4);
		if (len == 4)
			continue; /* a header alone is a whole list */
		T_EQ(RUN(len, 0x15, 0x10, 0, 0, (uint8_t)len, 0), MP_SCSI_CHECK_CONDITION);
		T_EQ(hba_sense(&h), 0x051a00);
	}
	hba_fini(&h);
}

static void test_block_descriptor_must_keep_the_block_size(void)
{
	setup();
	memset(data, 0, sizeof(data));
	data[3] = 8;
	data[10] = 2;
	T_EQ(RUN(12, 0x15, 0x10, 0, 0, 12, 0), MP_SCSI_GOOD);
	data[10] = 16;
	T_EQ(RUN(12, 0x15, 0x10, 0, 0, 12, 0), MP_SCSI_CHECK_CONDITION);
	T_EQ(pointer(), 9);
	memset(data, 0, sizeof(data));
	data[3] = 8;
	data[6] = 0x11; /* neither the capacity (2000h) nor "all" */
	data[10] = 2;
	T_EQ(RUN(12, 0x15, 0x10, 0, 0, 12, 0), MP_SCSI_CHECK_CONDITION);
	T_EQ(pointer(), 4);
	memset(data, 0, sizeof(data));
	data[3] = 9;
	T_EQ(RUN(13, 0x15, 0x10, 0, 0, 13, 0), MP_SCSI_CHECK_CONDITION);
	T_EQ(hba_sense(&h), 0x052600);
	hba_fini(&h);
}

static void test_all_ones_are_any_capacity(void)
{
	setup();
	memset(data, 0, sizeof(data));
	data[3] = 8;
	memset(data + 5, 0xff, 3);
	data[10] = 2;
	T_EQ(RUN(12, 0x15, 0x10, 0, 0, 12, 0), MP_SCSI_GOOD);
	data[4] = 0xff;
	T_EQ(RUN(12, 0x15, 0x10, 0, 0, 12, 0), MP_SCSI_GOOD);
	data[4] = 0xfe;
	T_EQ(RUN(12, 0x15, 0x10, 0, 0, 12, 0), MP_SCSI_CHECK_CONDITION);
	hba_fini(&h);
}

static void test_list_that_breaks_off_changes_nothing(void)
{
	setup();
	select_caching(0);
	T_EQ(RUN(23, 0x15, 0x10, 0, 0, 24, 0), MP_SCSI_CHECK_CONDITION);
	T_EQ(hba_sense(&h), 0x0b4b00);
	T_OK(h.bus->luns->write_cache);
	hba_fini(&h);
}

static void test_page_of_another_length_is_refused(void)
{
	setup();
	select_caching(4);
	data[5] = 17;
	T_EQ(RUN(24, 0x15, 0x10, 0, 0, 24, 0), MP_SCSI_CHECK_CONDITION);
	T_EQ(pointer(), 5);
	hba_fini(&h);
}

static void test_subpage_zero_is_no_subpage(void)
{
	setup();
	select_caching(4);
	data[4] |= 0x40;
	data[5] = 0;
	T_EQ(RUN(24, 0x15, 0x10, 0, 0, 24, 0), MP_SCSI_CHECK_CONDITION);
	T_EQ(pointer(), 4);
	hba_fini(&h);
}

static void test_long_block_descriptor_round_trip(void)
{
	setup();
	T_EQ(RUN(255, 0x5a, 0x10, 0x08, 0, 0, 0, 0, 0, 255, 0), MP_SCSI_GOOD);
	T_EQ(data[4], 1);
	T_EQ(mp_get_be16(data + 6), 16);
	T_EQ(mp_get_be64(data + 8), 8192);
	T_EQ(mp_get_be32(data + 20), 512);
	T_EQ(data[24], 0x88);
	T_EQ(RUN(44, 0x55, 0x10, 0, 0, 0, 0, 0, 0, 44, 0), MP_SCSI_GOOD);
	data[15]++;
	T_EQ(RUN(44, 0x55, 0x10, 0, 0, 0, 0, 0, 0, 44, 0), MP_SCSI_CHECK_CONDITION);
	T_EQ(pointer(), 8);
	hba_fini(&h);
}

static uint8_t caching(uint8_t page_control)
{
	T_EQ(RUN(255, 0x1a, 8, page_control | 0x08, 0, 255, 0), MP_SCSI_GOOD);
	T_EQ(data[4], 0x88); /* can be saved */
	return data[6];
}

static void test_saved_values_outlive_a_reset_and_others_dont(void)
{
	setup();
	select_caching(0);
	T_EQ(RUN(24, 0x15, 0x11, 0, 0, 24, 0), MP_SCSI_GOOD);
	select_caching(4);
	T_EQ(RUN(24, 0x15, 0x10, 0, 0, 24, 0), MP_SCSI_GOOD);
	T_EQ(caching(0x00), 4);
	T_EQ(caching(0xc0), 0);
	T_EQ(caching(0x80), 4);
	mp_scsi_reset(h.bus, MP_SCSI_RESET_POWER, 0, 0);
	hba_sense(&h);
	T_EQ(caching(0x00), 0);
	hba_fini(&h);
}

static void test_empty_list_saves_what_is(void)
{
	setup();
	select_caching(0);
	T_EQ(RUN(24, 0x15, 0x10, 0, 0, 24, 0), MP_SCSI_GOOD);
	T_EQ(caching(0xc0), 4);
	T_EQ(RUN(0, 0x15, 0x11, 0, 0, 0, 0), MP_SCSI_GOOD);
	T_EQ(caching(0xc0), 0);
	hba_fini(&h);
}

static void test_only_a_change_is_told_to_the_other_initiators(void)
{
	setup();
	h.initiator = 6;
	hba_sense(&h); /* power on */
	h.initiator = 7;
	select_caching(4);
	T_EQ(RUN(24, 0x15, 0x10, 0, 0, 24, 0), MP_SCSI_GOOD);
	h.initiator = 6;
	T_EQ(hba_sense(&h), 0);
	select_caching(0);
	T_EQ(RUN(24, 0x15, 0x10, 0, 0, 24, 0), MP_SCSI_GOOD);
	T_EQ(hba_sense(&h), 0);
	h.initiator = 7;
	T_EQ(hba_sense(&h), 0x062a01);
	hba_fini(&h);
}

static void test_list_without_page_format_has_no_pages(void)
{
	setup();
	select_caching(4);
	T_EQ(RUN(24, 0x15, 0x00, 0, 0, 24, 0), MP_SCSI_CHECK_CONDITION);
	T_EQ(pointer(), 0x14);
	memset(data, 0, sizeof(data));
	data[3] = 8;
	data[10] = 2;
	T_EQ(RUN(12, 0x15, 0x00, 0, 0, 12, 0), MP_SCSI_GOOD);
	T_EQ(RUN(0, 0x15, 0x10, 0, 0, 0, 0), MP_SCSI_GOOD);
	hba_fini(&h);
}

/* A list of one page: what MODE SENSE gives, for the test to change; the page is at data + 4. */
static unsigned int fetch(uint8_t code)
{
	T_EQ(RUN(255, 0x1a, 8, code, 0, 255, 0), MP_SCSI_GOOD);
	return (unsigned int)h.slots[0].n_moved;
}

static int put_back(unsigned int len)
{
	return RUN(len, 0x15, 0x10, 0, 0, (uint8_t)len, 0);
}

static void test_all_subpages_come_in_order(void)
{
	static const uint16_t codes[] = {0x0100, 0x0200, 0x0300, 0x0400, 0x0700, 0x0800,
					 0x0a00, 0x0a01, 0x1800, 0x1900, 0x1904, 0x1c00};
	unsigned int at = 4;

	setup();
	T_EQ(RUN(255, 0x1a, 8, 0x3f, 0xff, 255, 0), MP_SCSI_GOOD);
	for (size_t i = 0; i < sizeof(codes) / sizeof(codes[0]); i++) {
		bool is_sub = data[at] & 0x40;

		T_EQ((data[at] & 0x3f) << 8 | (is_sub ? data[at + 1] : 0), codes[i]);
		at += is_sub ? mp_get_be16(data + at + 2) + 4u : data[at + 1] + 2u;
	}
	T_EQ(at, h.slots[0].n_moved);
	hba_fini(&h);
}

static void test_control_page_sets_what_the_task_set_obeys(void)
{
	unsigned int len;

	setup();
	len = fetch(0x0a);
	T_EQ(len, 16);
	data[6] = 0x20 | 0x04; /* TST, D_SENSE */
	data[7] = 0x06; /* QERR; QAM 0 */
	data[8] = 0x08; /* SWP */
	data[9] = 0x40; /* TAS */
	T_EQ(put_back(len), MP_SCSI_GOOD);
	T_EQ(h.bus->luns->control.tst, 1);
	T_EQ(h.bus->luns->control.qam, 0);
	T_EQ(h.bus->luns->control.qerr, 3);
	T_OK(h.bus->luns->control.swp && h.bus->luns->control.tas);
	T_OK(h.bus->luns->control.d_sense && !h.bus->luns->control.gltsd);
	fetch(0x0a);
	T_EQ(data[2], 0x90); /* write protected */
	mp_scsi_reset(h.bus, MP_SCSI_RESET_BUS, 0, 0);
	T_EQ(h.bus->luns->control.qam, 1);
	T_OK(!h.bus->luns->control.swp);
	hba_fini(&h);
}

static void test_impossible_values_of_the_control_page_are_refused(void)
{
	setup();
	fetch(0x0a);
	data[6] = 0x40;
	T_EQ(put_back(16), MP_SCSI_CHECK_CONDITION);
	T_EQ(pointer(), 6);
	fetch(0x0a);
	data[7] = 0x14; /* QERR 2 */
	T_EQ(put_back(16), MP_SCSI_CHECK_CONDITION);
	T_EQ(pointer(), 7);
	fetch(0x0a);
	data[7] = 0x20; /* QAM 2 */
	T_EQ(put_back(16), MP_SCSI_CHECK_CONDITION);
	T_EQ(pointer(), 7);
	hba_fini(&h);
}

static void set_exception(uint8_t flags, uint8_t method)
{
	unsigned int len = fetch(0x1c);

	data[6] = flags;
	data[7] = method;
	T_EQ(put_back(len), MP_SCSI_GOOD);
}

static void test_ordered_failure_is_told_by_request_sense_as_often_as_asked(void)
{
	setup();
	T_EQ(hba_sense(&h), 0);
	set_exception(0x04, 6);
	T_EQ(RUN(0, 0x00, 0, 0, 0, 0, 0), MP_SCSI_GOOD);
	T_EQ(hba_sense(&h), 0x005dff);
	T_EQ(hba_sense(&h), 0x005dff);
	set_exception(0x00, 6);
	T_EQ(hba_sense(&h), 0);
	hba_fini(&h);
}

static void test_ordered_failure_is_told_as_a_unit_attention(void)
{
	setup();
	set_exception(0x04, 2);
	T_EQ(RUN(0, 0x00, 0, 0, 0, 0, 0), MP_SCSI_CHECK_CONDITION);
	T_EQ(hba_sense(&h), 0x065dff);
	T_EQ(RUN(0, 0x00, 0, 0, 0, 0, 0), MP_SCSI_GOOD);
	hba_fini(&h);
}

static void test_ordered_failure_is_told_in_place_of_good_once(void)
{
	setup();
	/* The MODE SELECT that orders it went well, and so is the first to tell. */
	fetch(0x1c);
	data[6] = 0x04;
	data[7] = 4;
	T_EQ(put_back(16), MP_SCSI_CHECK_CONDITION);
	T_EQ(hba_sense(&h), 0x015dff);
	T_EQ(RUN(0, 0x00, 0, 0, 0, 0, 0), MP_SCSI_GOOD);
	h.initiator = 6;
	hba_sense(&h); /* power on */
	hba_sense(&h); /* mode parameters */
	T_EQ(RUN(512, 0x28, 0, 0, 0, 0, 0, 0, 0, 1, 0), MP_SCSI_CHECK_CONDITION);
	T_EQ(h.slots[0].n_moved, 512);
	T_EQ(hba_sense(&h), 0x015dff);
	T_EQ(RUN(512, 0x28, 0, 0, 0, 0, 0, 0, 0, 1, 0), MP_SCSI_GOOD);
	hba_fini(&h);
}

static void test_ordered_failure_is_not_told_again_by_another_page(void)
{
	setup();
	set_exception(0x04, 2);
	T_EQ(hba_sense(&h), 0x065dff);
	select_caching(0);
	T_EQ(RUN(24, 0x15, 0x10, 0, 0, 24, 0), MP_SCSI_GOOD);
	T_EQ(hba_sense(&h), 0);
	hba_fini(&h);
}

static void test_order_taken_back_is_told_to_nobody(void)
{
	setup();
	fetch(0x1c);
	data[6] = 0x04;
	data[7] = 5;
	T_EQ(put_back(16), MP_SCSI_CHECK_CONDITION);
	T_EQ(hba_sense(&h), 0x005dff);
	set_exception(0x00, 5);
	h.initiator = 6;
	hba_sense(&h); /* power on */
	hba_sense(&h); /* mode parameters */
	T_EQ(RUN(0, 0x00, 0, 0, 0, 0, 0), MP_SCSI_GOOD);
	hba_fini(&h);
}

static void test_recovered_error_needs_per_when_told_conditionally(void)
{
	setup();
	set_exception(0x04, 3);
	T_EQ(RUN(0, 0x00, 0, 0, 0, 0, 0), MP_SCSI_GOOD);
	fetch(0x01);
	data[6] |= 0x04;
	T_EQ(put_back(16), MP_SCSI_CHECK_CONDITION);
	T_EQ(hba_sense(&h), 0x015dff);
	hba_fini(&h);
}

static void test_failure_that_is_disabled_cant_be_ordered(void)
{
	setup();
	fetch(0x1c);
	data[6] = 0x0c;
	T_EQ(put_back(16), MP_SCSI_CHECK_CONDITION);
	T_EQ(pointer(), 6);
	fetch(0x1c);
	data[7] = 1;
	T_EQ(put_back(16), MP_SCSI_CHECK_CONDITION);
	T_EQ(pointer(), 7);
	fetch(0x1c);
	data[7] = 7;
	T_EQ(put_back(16), MP_SCSI_CHECK_CONDITION);
	T_EQ(pointer(), 7);
	hba_fini(&h);
}

/* Also a CD-ROM, target 3; commands go to @target. */
static void setup_both(unsigned int target)
{
	struct mp_scsi_cd_cfg cd = {.target = 3};

	setup();
	cd.blk = &h.blk;
	T_EQ(mp_scsi_cd_add(h.bus, &cd), 0);
	h.tasks[0].target = (uint8_t)target;
	hba_sense(&h);
}

static void check_round_trip(unsigned int target)
{
	unsigned int len;

	setup_both(target);
	h.initiator = 6;
	hba_sense(&h); /* power on */
	h.initiator = 7;
	T_EQ(RUN(512, 0x5a, 0x10, 0x3f, 0xff, 0, 0, 0, 2, 0, 0), MP_SCSI_GOOD);
	len = (unsigned int)h.slots[0].n_moved;
	T_OK(len > 50);
	T_EQ(RUN(len, 0x55, 0x11, 0, 0, 0, 0, 0, 0, (uint8_t)len, 0), MP_SCSI_GOOD);
	T_EQ(RUN(255, 0x1a, 0, 0x3f, 0xff, 255, 0), MP_SCSI_GOOD);
	len = (unsigned int)h.slots[0].n_moved;
	T_EQ(RUN(len, 0x15, 0x10, 0, 0, (uint8_t)len, 0), MP_SCSI_GOOD);
	h.initiator = 6;
	T_EQ(hba_sense(&h), 0);
	hba_fini(&h);
}

static void test_what_mode_sense_gives_mode_select_takes(void)
{
	check_round_trip(0);
	check_round_trip(3);
}

/* MODE SENSE(10) of one page to @out, without a block descriptor. Returns its length. */
static unsigned int fetch_page(const uint8_t *page, uint8_t control, uint8_t out[64])
{
	uint8_t cdb[10] = {0x5a, 8, (uint8_t)(control | (page[0] & 0x3f)), 0, 0, 0, 0, 0, 64, 0};

	if (page[0] & 0x40)
		cdb[3] = page[1];
	T_EQ(hba_run(&h, cdb, sizeof(cdb), out, 64), MP_SCSI_GOOD);
	return (unsigned int)h.slots[0].n_moved;
}

/* Flip one bit: it is taken, or pointed at. Returns whether it was taken. */
static bool check_bit(const uint8_t *page, unsigned int byte, unsigned int bit)
{
	uint8_t list[64], after[64];
	unsigned int len = fetch_page(page, 0x00, list);
	const uint8_t select[10] = {0x55, 0x10, 0, 0, 0, 0, 0, 0, (uint8_t)len, 0};
	int status;

	list[8 + byte] ^= (uint8_t)(1u << bit);
	status = hba_run(&h, select, sizeof(select), list, len);
	if (status != MP_SCSI_GOOD) {
		T_EQ(pointer(), 8 + byte);
		return false;
	}
	fetch_page(page, 0x00, after);
	T_MEM_EQ(after + 9, list + 9, len - 9);
	mp_scsi_reset(h.bus, MP_SCSI_RESET_BUS, 0, 0);
	hba_sense(&h);
	return true;
}

static unsigned int check_page_bits(const uint8_t *page, unsigned int len)
{
	uint8_t changeable[64];
	unsigned int n = 0;

	T_EQ(fetch_page(page, 0x40, changeable), 8 + len);
	/* What names the page comes first. */
	for (unsigned int i = page[0] & 0x40 ? 16 : 8; i < len * 8; i++) {
		bool taken = check_bit(page, i / 8, i % 8);

		if (taken)
			T_OK(changeable[8 + i / 8] >> i % 8 & 1);
		n += taken;
	}
	return n;
}

static unsigned int check_all_bits(unsigned int target)
{
	uint8_t all[512];
	unsigned int len, n = 0;

	setup_both(target);
	T_EQ(HBA_RUN(&h, all, sizeof(all), 0x5a, 8, 0x3f, 0xff, 0, 0, 0, 2, 0, 0), MP_SCSI_GOOD);
	len = (unsigned int)h.slots[0].n_moved;
	for (unsigned int at = 8, step; at < len; at += step) {
		step = all[at] & 0x40 ? mp_get_be16(all + at + 2) + 4u : all[at + 1] + 2u;
		n += check_page_bits(all + at, step);
	}
	hba_fini(&h);
	return n;
}

static void test_each_bit_of_each_page_is_taken_or_pointed_at(void)
{
	T_OK(check_all_bits(0) > 100);
	T_OK(check_all_bits(3) > 20);
}

T_MAIN(T_TEST(test_caching_page_with_block_descriptor),
       T_TEST(test_mode_sense10_of_the_changeable_bits), T_TEST(test_all_pages_come_in_order),
       T_TEST(test_geometry_page_serves_the_boot_firmware),
       T_TEST(test_unknown_pages_and_subpages_are_refused),
       T_TEST(test_read_only_disk_shows_write_protect),
       T_TEST(test_write_cache_off_flushes_and_then_writes_through),
       T_TEST(test_disk_without_a_write_cache_may_be_given_one),
       T_TEST(test_any_other_change_is_refused_with_its_byte),
       T_TEST(test_a_bad_page_behind_a_good_one_changes_nothing),
       T_TEST(test_cut_lists_are_refused), T_TEST(test_block_descriptor_must_keep_the_block_size),
       T_TEST(test_what_mode_sense_gives_mode_select_takes),
       T_TEST(test_each_bit_of_each_page_is_taken_or_pointed_at),
       T_TEST(test_all_ones_are_any_capacity), T_TEST(test_list_that_breaks_off_changes_nothing),
       T_TEST(test_page_of_another_length_is_refused), T_TEST(test_subpage_zero_is_no_subpage),
       T_TEST(test_empty_list_saves_what_is),
       T_TEST(test_ordered_failure_is_not_told_again_by_another_page),
       T_TEST(test_order_taken_back_is_told_to_nobody),
       T_TEST(test_long_block_descriptor_round_trip),
       T_TEST(test_saved_values_outlive_a_reset_and_others_dont),
       T_TEST(test_only_a_change_is_told_to_the_other_initiators),
       T_TEST(test_list_without_page_format_has_no_pages), T_TEST(test_all_subpages_come_in_order),
       T_TEST(test_control_page_sets_what_the_task_set_obeys),
       T_TEST(test_impossible_values_of_the_control_page_are_refused),
       T_TEST(test_ordered_failure_is_told_by_request_sense_as_often_as_asked),
       T_TEST(test_ordered_failure_is_told_as_a_unit_attention),
       T_TEST(test_ordered_failure_is_told_in_place_of_good_once),
       T_TEST(test_recovered_error_needs_per_when_told_conditionally),
       T_TEST(test_failure_that_is_disabled_cant_be_ordered))
