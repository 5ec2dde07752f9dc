/* SPDX-License-Identifier: BSD-3-Clause */
/* UNMAP, WRITE SAME, GET LBA STATUS. */

#include "base/bytes.h"
#include "tests/lib/fake_hba.h"
#include "tests/lib/t.h"

#define DISK_BYTES  (4u << 20)
#define DISK_BLOCKS (DISK_BYTES / 512)

static struct fake_hba h;
static uint8_t data[4096];

static void setup(void)
{
	hba_init(&h, DISK_BYTES, 1 << 20);
	h.blk.can_discard = true;
	memset(h.blk.data, 0x55, DISK_BYTES);
	memset(data, 0, sizeof(data));
}

#define RUN(len, ...) HBA_RUN(&h, data, (len), __VA_ARGS__)

static unsigned int unmap_list(unsigned int n)
{
	mp_put_be16(data, (uint16_t)(6 + 16 * n));
	mp_put_be16(data + 2, (uint16_t)(16 * n));
	return 8 + 16 * n;
}

static void unmap_range(unsigned int i, uint64_t lba, uint32_t n)
{
	mp_put_be64(data + 8 + 16 * i, lba);
	mp_put_be32(data + 16 + 16 * i, n);
}

static void test_unmap_discards_each_range(void)
{
	unsigned int len;

	setup();
	len = unmap_list(3);
	unmap_range(0, 1, 2);
	unmap_range(1, 9, 0);
	unmap_range(2, DISK_BLOCKS - 1, 1);
	T_EQ(RUN(len, 0x42, 0, 0, 0, 0, 0, 0, 0, (uint8_t)len, 0), MP_SCSI_GOOD);
	T_EQ(h.blk.n_op[MP_BLK_DISCARD], 2);
	T_EQ(h.blk.data[511], 0x55);
	T_EQ(h.blk.data[512], 0);
	T_EQ(h.blk.data[1535], 0);
	T_EQ(h.blk.data[1536], 0x55);
	T_EQ(h.blk.data[DISK_BYTES - 1], 0);
	hba_fini(&h);
}

static void test_unmap_with_one_bad_range_discards_nothing(void)
{
	unsigned int len;

	setup();
	len = unmap_list(2);
	unmap_range(0, 1, 2);
	unmap_range(1, DISK_BLOCKS, 1);
	T_EQ(RUN(len, 0x42, 0, 0, 0, 0, 0, 0, 0, (uint8_t)len, 0), MP_SCSI_CHECK_CONDITION);
	T_EQ(hba_sense(&h), 0x052100);
	T_EQ(h.blk.n_op[MP_BLK_DISCARD], 0);
	hba_fini(&h);
}

static void test_unmap_list_that_claims_more_than_it_has_is_refused(void)
{
	setup();
	unmap_list(255);
	T_EQ(RUN(24, 0x42, 0, 0, 0, 0, 0, 0, 0, 24, 0), MP_SCSI_CHECK_CONDITION);
	T_EQ(hba_sense(&h), 0x051a00);
	T_EQ(RUN(4, 0x42, 0, 0, 0, 0, 0, 0, 0, 4, 0), MP_SCSI_CHECK_CONDITION);
	T_EQ(hba_sense(&h), 0x051a00);
	T_EQ(RUN(0, 0x42, 0, 0, 0, 0, 0, 0, 0, 0, 0), MP_SCSI_GOOD);
	hba_fini(&h);
}

static void test_unmap_is_unknown_where_nothing_can_be_discarded(void)
{
	setup();
	h.blk.can_discard = false;
	T_EQ(RUN(24, 0x42, 0, 0, 0, 0, 0, 0, 0, 24, 0), MP_SCSI_CHECK_CONDITION);
	T_EQ(hba_sense(&h), 0x052000);
	hba_fini(&h);
}

static void test_write_same_of_zeros_needs_no_data_on_the_way_down(void)
{
	setup();
	T_EQ(RUN(512, 0x41, 0x08, 0, 0, 0, 4, 0, 0, 2, 0), MP_SCSI_GOOD);
	T_EQ(h.blk.n_op[MP_BLK_WRITE_ZEROES], 1);
	T_EQ(h.blk.n_unmap, 1);
	T_EQ(h.blk.data[4 * 512 - 1], 0x55);
	T_EQ(h.blk.data[4 * 512], 0);
	T_EQ(h.blk.data[6 * 512 - 1], 0);
	T_EQ(h.blk.data[6 * 512], 0x55);
	hba_fini(&h);
}

static void test_write_same16_without_data_out_buffer_writes_zeros(void)
{
	setup();
	T_EQ(RUN(0, 0x93, 0x01, 0, 0, 0, 0, 0, 0, 0, 4, 0, 0, 0, 2, 0, 0), MP_SCSI_GOOD);
	T_EQ(h.slots[0].n_moved, 0);
	T_EQ(h.blk.n_op[MP_BLK_WRITE_ZEROES], 1);
	T_EQ(h.blk.n_unmap, 0);
	hba_fini(&h);
}

static void test_write_same_repeats_a_pattern_over_chunks(void)
{
	setup();
	for (unsigned int i = 0; i < 512; i++)
		data[i] = (uint8_t)(i ^ 0x3c);
	/* 300 blocks: 150 KiB, three chunks */
	T_EQ(RUN(512, 0x93, 0, 0, 0, 0, 0, 0, 0, 0, 8, 0, 0, 1, 44, 0, 0), MP_SCSI_GOOD);
	T_EQ(h.blk.n_op[MP_BLK_WRITE], 3);
	for (unsigned int i = 8; i < 308; i++)
		T_MEM_EQ(h.blk.data + i * 512, data, 512);
	T_EQ(h.blk.data[308 * 512], 0x55);
	hba_fini(&h);
}

static void test_write_same_refuses_what_its_limits_exclude(void)
{
	setup();
	T_EQ(RUN(512, 0x41, 0, 0, 0, 0, 0, 0, 0, 0, 0), MP_SCSI_CHECK_CONDITION);
	T_EQ(hba_sense(&h), 0x052400);
	T_EQ(RUN(512, 0x41, 0x10, 0, 0, 0, 0, 0, 0, 1, 0), MP_SCSI_CHECK_CONDITION);
	T_EQ(hba_sense(&h), 0x052400);
	T_EQ(RUN(512, 0x41, 0x01, 0, 0, 0, 0, 0, 0, 1, 0), MP_SCSI_CHECK_CONDITION);
	T_EQ(hba_sense(&h), 0x052400);
	h.blk.can_discard = false;
	T_EQ(RUN(512, 0x41, 0x08, 0, 0, 0, 0, 0, 0, 1, 0), MP_SCSI_CHECK_CONDITION);
	T_EQ(hba_sense(&h), 0x052400);
	hba_fini(&h);
}

/* A quarter of the disk is data, the next a hole, and so on. */
static void test_lba_status_lists_extents_to_the_end(void)
{
	static const uint8_t cdb[16] = {0x9e, 0x12, [9] = 2, [12] = 16};

	setup();
	h.blk.extent_bytes = DISK_BYTES / 4;
	T_EQ(hba_run(&h, cdb, 16, data, sizeof(data)), MP_SCSI_GOOD);
	T_EQ(h.slots[0].n_moved, 8 + 4 * 16);
	T_EQ(mp_get_be32(data), 4 + 4 * 16);
	T_EQ(mp_get_be64(data + 8), 2);
	T_EQ(mp_get_be32(data + 16), DISK_BLOCKS / 4 - 2);
	T_EQ(data[20], 0);
	T_EQ(mp_get_be64(data + 24), DISK_BLOCKS / 4);
	T_EQ(mp_get_be32(data + 32), DISK_BLOCKS / 4);
	T_EQ(data[36], 1);
	T_EQ(mp_get_be64(data + 56), DISK_BLOCKS / 4 * 3);
	T_EQ(data[68], 1);
	hba_fini(&h);
}

static void test_lba_status_stops_where_the_buffers_end(void)
{
	static const uint8_t some[16] = {0x9e, 0x12, [13] = 40},
			     all[16] = {0x9e, 0x12, [12] = 0xff};

	setup();
	h.blk.extent_bytes = 2048;
	T_EQ(hba_run(&h, some, 16, data, sizeof(data)), MP_SCSI_GOOD);
	T_EQ(h.slots[0].n_moved, 40);
	T_EQ(h.blk.n_op[MP_BLK_STATUS], 2);
	T_EQ(hba_run(&h, all, 16, data, sizeof(data)), MP_SCSI_GOOD);
	T_EQ(h.slots[0].n_moved, 8 + 251 * 16);
	T_EQ(mp_get_be64(data + 8 + 250 * 16), 250 * 4);
	hba_fini(&h);
}

static void test_lba_status_calls_a_block_deallocated_only_if_all_of_it_is(void)
{
	static const uint8_t cdb[16] = {0x9e, 0x12, [12] = 16};

	setup();
	h.blk.extent_bytes = 768; /* data 0-767, hole 768-1535, data ... */
	T_EQ(hba_run(&h, cdb, 16, data, sizeof(data)), MP_SCSI_GOOD);
	T_EQ(mp_get_be32(data + 16), 2); /* the second block has some data */
	T_EQ(data[20], 0);
	T_EQ(mp_get_be64(data + 24), 2);
	T_EQ(mp_get_be32(data + 32), 1);
	T_EQ(data[36], 1);
	hba_fini(&h);
}

static void test_lba_status_checks_its_address(void)
{
	setup();
	T_EQ(RUN(64, 0x9e, 0x12, 0, 0, 0, 0, 0, 0, 0x20, 0, 0, 0, 0, 64, 0, 0),
	     MP_SCSI_CHECK_CONDITION);
	T_EQ(hba_sense(&h), 0x052100);
	T_EQ(RUN(64, 0x9e, 0x12, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0), MP_SCSI_GOOD);
	T_EQ(h.slots[0].n_moved, 0);
	h.blk.can_discard = false;
	T_EQ(RUN(64, 0x9e, 0x12, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 64, 0, 0),
	     MP_SCSI_CHECK_CONDITION);
	T_EQ(hba_sense(&h), 0x052400);
	hba_fini(&h);
}

T_MAIN(T_TEST(test_lba_status_lists_extents_to_the_end),
       T_TEST(test_lba_status_stops_where_the_buffers_end),
       T_TEST(test_lba_status_calls_a_block_deallocated_only_if_all_of_it_is),
       T_TEST(test_lba_status_checks_its_address), T_TEST(test_unmap_discards_each_range),
       T_TEST(test_unmap_with_one_bad_range_discards_nothing),
       T_TEST(test_unmap_list_that_claims_more_than_it_has_is_refused),
       T_TEST(test_unmap_is_unknown_where_nothing_can_be_discarded),
       T_TEST(test_write_same_of_zeros_needs_no_data_on_the_way_down),
       T_TEST(test_write_same16_without_data_out_buffer_writes_zeros),
       T_TEST(test_write_same_repeats_a_pattern_over_chunks),
       T_TEST(test_write_same_refuses_what_its_limits_exclude))
