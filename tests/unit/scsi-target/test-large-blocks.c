/* SPDX-License-Identifier: BSD-3-Clause */
/* Blocks of 4096 bytes: every command about the medium counts in them. */

#include "base/bytes.h"
#include "tests/lib/fake_hba.h"
#include "tests/lib/t.h"

#define DISK_BYTES  (4u << 20)
#define DISK_BLOCKS (DISK_BYTES / 4096)

static struct fake_hba h;
static uint8_t data[40 * 4096];

static void setup(void)
{
	struct mp_scsi_disk_cfg disk = {.lun = 1, .logical_bytes = 4096};

	hba_init(&h, DISK_BYTES, 1 << 20);
	h.blk.can_discard = true;
	h.blk.block_bytes = 4096; /* asserts that nothing smaller is asked for */
	memset(h.blk.data, 0x55, DISK_BYTES);
	memset(data, 0x55, sizeof(data));
	disk.blk = &h.blk;
	T_EQ(mp_scsi_disk_add(h.bus, &disk), 0);
	h.tasks[0].lun = 1;
	while (hba_sense(&h))
		;
}

#define RUN(len, ...) HBA_RUN(&h, data, (len), __VA_ARGS__)

static void test_capacity_is_in_large_blocks(void)
{
	setup();
	T_EQ(RUN(8, 0x25, 0, 0, 0, 0, 0, 0, 0, 0, 0), MP_SCSI_GOOD);
	T_EQ(mp_get_be32(data), DISK_BLOCKS - 1);
	T_EQ(mp_get_be32(data + 4), 4096);
	hba_fini(&h);
}

static void test_reads_and_writes_move_large_blocks(void)
{
	setup();
	memset(data, 0x11, sizeof(data));
	T_EQ(RUN(40 * 4096, 0x2a, 0, 0, 0, 0, 3, 0, 0, 40, 0), MP_SCSI_GOOD);
	T_EQ(h.slots[0].n_moved, 40 * 4096);
	T_MEM_EQ(h.blk.data + 3 * 4096, data, 40 * 4096);
	T_EQ(h.blk.data[43 * 4096], 0x55);
	memset(data, 0, sizeof(data));
	T_EQ(RUN(4096, 0x08, 0, 0, 3, 1, 0), MP_SCSI_GOOD);
	T_EQ(data[4095], 0x11);
	T_EQ(RUN(4096, 0x28, 0, 0, 0, 4, 0, 0, 0, 1, 0), MP_SCSI_CHECK_CONDITION);
	T_EQ(hba_sense(&h), 0x052100);
	hba_fini(&h);
}

static void test_verify_compares_large_blocks(void)
{
	setup();
	T_EQ(RUN(39 * 4096, 0x2f, 2, 0, 0, 0, 3, 0, 0, 39, 0), MP_SCSI_GOOD);
	T_EQ(RUN(4096, 0x2f, 6, 0, 0, 0, 3, 0, 0, 39, 0), MP_SCSI_GOOD);
	T_EQ(h.slots[0].n_moved, 4096);
	h.blk.data[41 * 4096 + 4095] = 0;
	T_EQ(RUN(39 * 4096, 0x2f, 2, 0, 0, 0, 3, 0, 0, 39, 0), MP_SCSI_CHECK_CONDITION);
	T_EQ(hba_sense(&h), 0x0e1d00);
	T_EQ(RUN(4096, 0x2f, 6, 0, 0, 0, 3, 0, 0, 39, 0), MP_SCSI_CHECK_CONDITION);
	T_EQ(hba_sense(&h), 0x0e1d00);
	T_EQ(RUN(39 * 4096, 0x2e, 2, 0, 0, 0, 3, 0, 0, 39, 0), MP_SCSI_GOOD);
	T_EQ(h.blk.data[41 * 4096 + 4095], 0x55);
	hba_fini(&h);
}

static void test_limits_are_the_same_in_bytes(void)
{
	setup();
	memset(data + 8192, 0x22, 8192);
	T_EQ(RUN(16384, 0x89, 0, 0, 0, 0, 0, 0, 0, 0, 3, 0, 0, 0, 2, 0, 0), MP_SCSI_GOOD);
	T_EQ(h.blk.data[5 * 4096 - 1], 0x22);
	T_EQ(RUN(16384, 0x89, 0, 0, 0, 0, 0, 0, 0, 0, 3, 0, 0, 0, 3, 0, 0),
	     MP_SCSI_CHECK_CONDITION);
	T_EQ(hba_sense(&h), 0x052400);
	T_EQ(RUN(8 * 4096, 0x9c, 0, 0, 0, 0, 0, 0, 0, 0, 3, 0, 0, 0, 8, 0, 0), MP_SCSI_GOOD);
	T_EQ(RUN(9 * 4096, 0x9c, 0, 0, 0, 0, 0, 0, 0, 0, 3, 0, 0, 0, 9, 0, 0),
	     MP_SCSI_CHECK_CONDITION);
	T_EQ(hba_sense(&h), 0x052400);
	hba_fini(&h);
}

static void test_orwrite_adds_bits_to_large_blocks(void)
{
	setup();
	memset(data, 0x0a, sizeof(data));
	T_EQ(RUN(39 * 4096, 0x8b, 0, 0, 0, 0, 0, 0, 0, 0, 3, 0, 0, 0, 39, 0, 0), MP_SCSI_GOOD);
	T_EQ(h.blk.data[3 * 4096], 0x5f);
	T_EQ(h.blk.data[42 * 4096 - 1], 0x5f);
	T_EQ(h.blk.data[42 * 4096], 0x55);
	hba_fini(&h);
}

static void test_same_block_and_unmap_count_large_blocks(void)
{
	setup();
	memset(data, 0x33, 4096);
	T_EQ(RUN(4096, 0x41, 0, 0, 0, 0, 3, 0, 0, 40, 0), MP_SCSI_GOOD);
	T_EQ(h.blk.data[43 * 4096 - 1], 0x33);
	T_EQ(h.blk.data[43 * 4096], 0x55);
	memset(data, 0, 64);
	mp_put_be16(data, 22);
	mp_put_be16(data + 2, 16);
	mp_put_be64(data + 8, 3);
	mp_put_be32(data + 16, 2);
	T_EQ(RUN(24, 0x42, 0, 0, 0, 0, 0, 0, 0, 24, 0), MP_SCSI_GOOD);
	T_EQ(h.blk.data[3 * 4096], 0);
	T_EQ(h.blk.data[5 * 4096 - 1], 0);
	T_EQ(h.blk.data[5 * 4096], 0x33);
	hba_fini(&h);
}

static void test_hole_smaller_than_a_block_is_none(void)
{
	setup();
	h.blk.extent_bytes = 2048;
	T_EQ(RUN(64, 0x9e, 0x12, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 64, 0, 0), MP_SCSI_GOOD);
	T_EQ(mp_get_be32(data + 16), 1);
	T_EQ(data[20], 0);
	hba_fini(&h);
}

/* A pattern as long as a block doesn't fit a page with its header. */
static void test_sanitize_takes_a_pattern_of_a_whole_block(void)
{
	setup();
	for (unsigned int i = 0; i < 4096; i++)
		data[4 + i] = (uint8_t)(i * 13);
	mp_put_be32(data, 0x01001000);
	T_EQ(RUN(4100, 0x48, 1, 0, 0, 0, 0, 0, 0x10, 0x04, 0), MP_SCSI_GOOD);
	T_MEM_EQ(h.blk.data, data + 4, 4096);
	T_MEM_EQ(h.blk.data + DISK_BYTES - 4096, data + 4, 4096);
	hba_fini(&h);
}

T_MAIN(T_TEST(test_capacity_is_in_large_blocks), T_TEST(test_reads_and_writes_move_large_blocks),
       T_TEST(test_verify_compares_large_blocks), T_TEST(test_limits_are_the_same_in_bytes),
       T_TEST(test_orwrite_adds_bits_to_large_blocks),
       T_TEST(test_same_block_and_unmap_count_large_blocks),
       T_TEST(test_hole_smaller_than_a_block_is_none),
       T_TEST(test_sanitize_takes_a_pattern_of_a_whole_block))
