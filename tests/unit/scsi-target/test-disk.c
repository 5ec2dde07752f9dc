/* SPDX-License-Identifier: BSD-3-Clause */
/* Commands about the medium: data, ranges, errors, the cache. */
#include <errno.h>

#include "base/bytes.h"
#include "tests/lib/fake_hba.h"
#include "tests/lib/t.h"

#define DISK_BYTES  (4u << 20)
#define DISK_BLOCKS (DISK_BYTES / 512)

static struct fake_hba h;

static void setup(void)
{
	hba_init(&h, DISK_BYTES, 1 << 20);
}

#define RUN(data, len, ...) HBA_RUN(&h, (data), (len), __VA_ARGS__)

static int rw16(uint8_t opcode, uint64_t lba, uint32_t n_blocks, void *data, size_t len)
{
	uint8_t cdb[16] = {opcode};

	mp_put_be64(cdb + 2, lba);
	mp_put_be32(cdb + 10, n_blocks);
	return hba_run(&h, cdb, sizeof(cdb), data, len);
}

static void fill(uint8_t *p, size_t len, unsigned int salt)
{
	for (size_t i = 0; i < len; i++)
		p[i] = (uint8_t)(i * 7 + i / 512 + salt);
}

static void test_read6_of_length_zero_reads_256_blocks(void)
{
	static uint8_t data[256 * 512];

	setup();
	fill(h.blk.data, DISK_BYTES, 1);
	T_EQ(RUN(data, sizeof(data), 0x08, 0, 0, 2, 0, 0), MP_SCSI_GOOD);
	T_EQ(h.slots[0].n_moved, sizeof(data));
	T_MEM_EQ(data, h.blk.data + 2 * 512, sizeof(data));
	hba_fini(&h);
}

static void test_read10_moves_exactly_its_blocks(void)
{
	uint8_t data[1024] = {0};

	setup();
	fill(h.blk.data, DISK_BYTES, 2);
	T_EQ(RUN(data, 1024, 0x28, 0, 0, 0, 0, 5, 0, 0, 2, 0), MP_SCSI_GOOD);
	T_MEM_EQ(data, h.blk.data + 5 * 512, 1024);
	T_EQ(h.blk.n_op[MP_BLK_READ], 1);
	T_EQ(mp_scsi_bus_counters(h.bus)->n_read_bytes, 1024);
	hba_fini(&h);
}

static void test_read10_of_length_zero_moves_nothing(void)
{
	setup();
	T_EQ(RUN(NULL, 0, 0x28, 0, 0, 0, 0, 5, 0, 0, 0, 0), MP_SCSI_GOOD);
	T_EQ(h.blk.n_op[MP_BLK_READ], 0);
	hba_fini(&h);
}

static void test_write12_larger_than_a_chunk_lands_whole(void)
{
	static uint8_t data[300 * 512];

	setup();
	fill(data, sizeof(data), 3);
	T_EQ(RUN(data, sizeof(data), 0xaa, 0, 0, 0, 0, 9, 0, 0, 0x01, 0x2c, 0, 0), MP_SCSI_GOOD);
	T_MEM_EQ(h.blk.data + 9 * 512, data, sizeof(data));
	/* 150 KiB in pieces of 64 */
	T_EQ(h.blk.n_op[MP_BLK_WRITE], 3);
	T_EQ(h.blk.n_fua, 0);
	hba_fini(&h);
}

static void test_read16_at_the_last_block_works_and_behind_it_fails(void)
{
	uint8_t data[512];

	setup();
	T_EQ(rw16(0x88, DISK_BLOCKS - 1, 1, data, 512), MP_SCSI_GOOD);
	T_EQ(rw16(0x88, DISK_BLOCKS, 1, data, 512), MP_SCSI_CHECK_CONDITION);
	T_EQ(hba_sense(&h), 0x052100);
	T_EQ(rw16(0x88, UINT64_MAX, 2, data, 512), MP_SCSI_CHECK_CONDITION);
	T_EQ(hba_sense(&h), 0x052100);
	T_EQ(rw16(0x88, 1, UINT32_MAX, data, 512), MP_SCSI_CHECK_CONDITION);
	T_EQ(hba_sense(&h), 0x052100);
	T_EQ(rw16(0x88, DISK_BLOCKS, 0, data, 0), MP_SCSI_GOOD);
	hba_fini(&h);
}

static void test_fua_makes_each_chunk_durable(void)
{
	static uint8_t data[200 * 512];

	setup();
	T_EQ(RUN(data, sizeof(data), 0x2a, 0x08, 0, 0, 0, 0, 0, 0, 200, 0), MP_SCSI_GOOD);
	T_EQ(h.blk.n_fua, 2);
	hba_fini(&h);
}

static void test_protection_bits_are_refused_unless_they_are_the_lun(void)
{
	uint8_t data[512];

	setup();
	T_EQ(RUN(data, 512, 0x28, 0x20, 0, 0, 0, 0, 0, 0, 1, 0), MP_SCSI_CHECK_CONDITION);
	T_EQ(hba_sense(&h), 0x052400);
	hba_fini(&h);
}

static void fail_read(int result, unsigned int sense)
{
	static const uint8_t cdb[10] = {0x28, 0, 0, 0, 0, 5, 0, 0, 2, 0};
	uint8_t data[1024];

	hba_give(&h, 0, data, sizeof(data));
	hba_start(&h, 0, cdb, 10);
	fake_blk_finish(&h.blk, 0, result);
	T_EQ(h.slots[0].status, MP_SCSI_CHECK_CONDITION);
	mp_scsi_free(h.bus, 0);
	T_EQ(hba_sense(&h), sense);
}

static void fail_write(int result, unsigned int sense)
{
	static const uint8_t cdb[10] = {0x2a, 0, 0, 0, 0, 5, 0, 0, 2, 0};
	uint8_t data[1024];

	hba_give(&h, 0, data, sizeof(data));
	hba_start(&h, 0, cdb, 10);
	fake_blk_finish(&h.blk, 0, result);
	T_EQ(h.slots[0].status, MP_SCSI_CHECK_CONDITION);
	mp_scsi_free(h.bus, 0);
	T_EQ(hba_sense(&h), sense);
}

static void test_each_errno_has_its_sense(void)
{
	setup();
	fail_read(-EIO, 0x031100);
	fail_write(-EIO, 0x030c00);
	fail_write(-ENOSPC, 0x072707);
	fail_write(-EROFS, 0x072700);
	fail_read(-ENXIO, 0x023a00);
	fail_read(-ECANCELED, 0x0b0000);
	fail_read(-EINVAL, 0x044400);
	T_EQ(mp_scsi_bus_counters(h.bus)->n_io_errors, 7);
	hba_fini(&h);
}

static void test_medium_error_names_the_block(void)
{
	static const uint8_t read10[10] = {0x28, 0, 0, 0, 0, 5, 0, 0, 8, 0};
	static const uint8_t request_sense[6] = {0x03, 0, 0, 0, 18, 0};
	static const uint8_t golden[18] = {0xf0, 0, 3, 0, 0, 0, 7, 10, 0, 0, 0, 0, 0x11};
	uint8_t data[4096], sense[18];

	setup();
	hba_give(&h, 0, data, sizeof(data));
	hba_start(&h, 0, read10, 10);
	h.blk.reqs[0]->moved = 1024; /* blocks 5 and 6 were read */
	fake_blk_finish(&h.blk, 0, -EIO);
	mp_scsi_free(h.bus, 0);
	T_EQ(hba_run(&h, request_sense, 6, sense, 18), MP_SCSI_GOOD);
	T_MEM_EQ(sense, golden, 18);
	hba_fini(&h);
}

static void test_write_that_gets_too_little_data_writes_nothing(void)
{
	uint8_t data[512];

	setup();
	T_EQ(RUN(data, 512, 0x2a, 0, 0, 0, 0, 0, 0, 0, 2, 0), MP_SCSI_CHECK_CONDITION);
	T_EQ(hba_sense(&h), 0x0b4b00);
	T_EQ(h.blk.n_op[MP_BLK_WRITE], 0);
	hba_fini(&h);
}

static void test_read_of_which_too_little_is_taken_is_good(void)
{
	uint8_t data[100];

	setup();
	T_EQ(RUN(data, 100, 0x28, 0, 0, 0, 0, 0, 0, 1, 0, 0), MP_SCSI_GOOD);
	T_EQ(h.slots[0].n_moved, 100);
	/* The rest is not read: one chunk of two. */
	T_EQ(h.blk.n_op[MP_BLK_READ], 1);
	hba_fini(&h);
}

static void test_read_only_disk_is_write_protected(void)
{
	uint8_t data[512];

	setup();
	h.blk.read_only = true;
	T_EQ(RUN(data, 512, 0x2a, 0, 0, 0, 0, 0, 0, 0, 1, 0), MP_SCSI_CHECK_CONDITION);
	T_EQ(hba_sense(&h), 0x072700);
	T_EQ(RUN(data, 512, 0x28, 0, 0, 0, 0, 0, 0, 0, 1, 0), MP_SCSI_GOOD);
	hba_fini(&h);
}

static void test_synchronize_cache_flushes(void)
{
	setup();
	T_EQ(RUN(NULL, 0, 0x35, 0, 0, 0, 0, 0, 0, 0, 0, 0), MP_SCSI_GOOD);
	T_EQ(RUN(NULL, 0, 0x91, 2, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0), MP_SCSI_GOOD);
	T_EQ(h.blk.n_op[MP_BLK_FLUSH], 2);
	hba_fini(&h);
}

static void test_synchronize_cache_checks_its_range(void)
{
	setup();
	T_EQ(RUN(NULL, 0, 0x35, 0, 0, 0, 0x1f, 0xff, 0, 0, 2, 0), MP_SCSI_CHECK_CONDITION);
	T_EQ(hba_sense(&h), 0x052100);
	T_EQ(RUN(NULL, 0, 0x35, 0, 0, 0, 0x1f, 0xff, 0, 0, 1, 0), MP_SCSI_GOOD);
	T_EQ(h.blk.n_op[MP_BLK_FLUSH], 1);
	hba_fini(&h);
}

static void test_prefetch_meets_its_condition_where_there_is_a_cache(void)
{
	setup();
	T_EQ(RUN(NULL, 0, 0x34, 0, 0, 0, 0, 9, 0, 0, 8, 0), MP_SCSI_CONDITION_MET);
	T_EQ(RUN(NULL, 0, 0x90, 2, 0, 0, 0, 0, 0, 0, 0, 9, 0, 0, 0, 0, 0, 0),
	     MP_SCSI_CONDITION_MET);
	T_EQ(h.blk.n_op[MP_BLK_PREFETCH], 2);
	T_EQ(RUN(NULL, 0, 0x34, 0, 0, 0, 0x1f, 0xff, 0, 0, 2, 0), MP_SCSI_CHECK_CONDITION);
	T_EQ(hba_sense(&h), 0x052100);
	h.blk.no_cache = true;
	T_EQ(RUN(NULL, 0, 0x34, 0, 0, 0, 0, 9, 0, 0, 8, 0), MP_SCSI_GOOD);
	hba_fini(&h);
}

static void test_defect_lists_are_empty(void)
{
	uint8_t data[16];

	setup();
	memset(data, 0xff, sizeof(data));
	T_EQ(RUN(data, 16, 0x37, 0, 0x1d, 0, 0, 0, 0, 0, 16, 0), MP_SCSI_GOOD);
	T_EQ(h.slots[0].n_moved, 4);
	T_EQ(mp_get_be32(data), 0x001d0000);
	T_EQ(RUN(data, 16, 0xb7, 0x0b, 0, 0, 0, 0, 0, 0, 0, 16, 0, 0), MP_SCSI_GOOD);
	T_EQ(h.slots[0].n_moved, 8);
	T_EQ(mp_get_be64(data), 0x000b000000000000);
	T_EQ(RUN(data, 16, 0x37, 0, 0x1f, 0, 0, 0, 0, 0, 16, 0), MP_SCSI_CHECK_CONDITION);
	T_EQ(hba_sense(&h), 0x052400);
	hba_fini(&h);
}

static void test_unit_that_stops_without_flush_leaves_the_cache_alone(void)
{
	setup();
	T_EQ(RUN(NULL, 0, 0x1b, 0, 0, 0, 4, 0), MP_SCSI_GOOD);
	T_EQ(h.blk.n_op[MP_BLK_FLUSH], 0);
	T_EQ(RUN(NULL, 0, 0x00, 0, 0, 0, 0, 0), MP_SCSI_CHECK_CONDITION);
	T_EQ(hba_sense(&h), 0x020402);
	hba_fini(&h);
}

static void test_unit_without_tray_or_power_conditions_refuses_them(void)
{
	setup();
	T_EQ(RUN(NULL, 0, 0x1b, 0, 0, 0, 0x02, 0), MP_SCSI_CHECK_CONDITION);
	T_EQ(hba_sense(&h), 0x052400);
	T_EQ(RUN(NULL, 0, 0x1b, 0, 0, 0, 0x20, 0), MP_SCSI_CHECK_CONDITION);
	T_EQ(hba_sense(&h), 0x052400);
	hba_fini(&h);
}

/* 3 TiB: READ CAPACITY(10) can't say it, and the addresses don't fit 32 bits. */
static void test_disk_beyond_two_tebibytes_is_addressed_in_full(void)
{
	static const uint64_t blocks = 3ull << 31;
	static const uint8_t all_ones[8] = {0xff, 0xff, 0xff, 0xff, 0, 0, 2, 0};
	uint8_t data[512], cdb[16] = {0x88};

	setup();
	h.blk.new_size_bytes = blocks * 512;
	T_EQ(mp_scsi_disk_resized(h.bus, 0, 0), 1);
	T_EQ(hba_sense(&h), 0x062a09);
	T_EQ(RUN(data, 8, 0x25, 0, 0, 0, 0, 0, 0, 0, 0, 0), MP_SCSI_GOOD);
	T_MEM_EQ(data, all_ones, 8);
	T_EQ(RUN(data, 32, 0x9e, 0x10, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 32, 0, 0), MP_SCSI_GOOD);
	T_EQ(mp_get_be64(data), blocks - 1);
	mp_put_be64(cdb + 2, blocks - 1);
	cdb[13] = 1;
	hba_give(&h, 0, data, 512);
	hba_start(&h, 0, cdb, 16);
	T_EQ(h.blk.reqs[0]->offset, (blocks - 1) * 512);
	fake_blk_finish(&h.blk, 0, -EIO);
	mp_scsi_free(h.bus, 0);
	/* 32 bits of INFORMATION can't name it. */
	T_EQ(hba_sense(&h), 0x031100);
	h.blk.new_size_bytes = DISK_BYTES;
	T_EQ(mp_scsi_disk_resized(h.bus, 0, 0), 1);
	hba_fini(&h);
}

static void test_resize_is_told_to_each_initiator(void)
{
	setup();
	hba_sense(&h);
	h.initiator = 3;
	hba_sense(&h);
	T_EQ(mp_scsi_disk_resized(h.bus, 0, 0), 0);
	h.blk.new_size_bytes = DISK_BYTES / 2;
	T_EQ(mp_scsi_disk_resized(h.bus, 0, 0), 1);
	T_EQ(hba_sense(&h), 0x062a09);
	h.initiator = 7;
	T_EQ(hba_sense(&h), 0x062a09);
	T_EQ(rw16(0x88, DISK_BLOCKS / 2, 1, NULL, 0), MP_SCSI_CHECK_CONDITION);
	T_EQ(hba_sense(&h), 0x052100);
	h.blk.size_bytes = DISK_BYTES; /* mp_blk_resize() has looked already */
	h.blk.new_size_bytes = 0;
	T_EQ(mp_scsi_disk_resized(h.bus, 0, 0), 1);
	T_EQ(hba_sense(&h), 0x062a09);
	T_EQ(mp_scsi_disk_resized(h.bus, 0, 0), 0);
	T_EQ(mp_scsi_disk_resized(h.bus, 0, 1), -ENOENT);
	T_EQ(mp_scsi_disk_resized(h.bus, 16, 0), -ENOENT);
	hba_fini(&h);
}

static void test_stopped_unit_flushes_and_is_not_ready_until_started(void)
{
	uint8_t data[512];

	setup();
	T_EQ(RUN(NULL, 0, 0x1b, 0, 0, 0, 0, 0), MP_SCSI_GOOD);
	T_EQ(h.blk.n_op[MP_BLK_FLUSH], 1);
	T_EQ(RUN(NULL, 0, 0x00, 0, 0, 0, 0, 0), MP_SCSI_CHECK_CONDITION);
	T_EQ(hba_sense(&h), 0x020402);
	T_EQ(RUN(data, 512, 0x28, 0, 0, 0, 0, 0, 0, 0, 1, 0), MP_SCSI_CHECK_CONDITION);
	T_EQ(RUN(NULL, 0, 0x1b, 0, 0, 0, 1, 0), MP_SCSI_GOOD);
	T_EQ(RUN(data, 512, 0x28, 0, 0, 0, 0, 0, 0, 0, 1, 0), MP_SCSI_GOOD);
	hba_fini(&h);
}

static void test_read_capacity10_tells_last_block_and_size(void)
{
	static const uint8_t golden[8] = {0, 0, 0x1f, 0xff, 0, 0, 2, 0};
	uint8_t data[8];

	setup();
	T_EQ(RUN(data, 8, 0x25, 0, 0, 0, 0, 0, 0, 0, 0, 0), MP_SCSI_GOOD);
	T_MEM_EQ(data, golden, 8);
	hba_fini(&h);
}

static void test_read_capacity16_tells_provisioning(void)
{
	static const uint8_t golden[32] = {0, 0, 0, 0, 0, 0, 0x1f, 0xff, 0, 0, 2, 0, 0, 0, 0xc0};
	uint8_t data[32];

	setup();
	h.blk.can_discard = true;
	T_EQ(RUN(data, 32, 0x9e, 0x10, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 32, 0, 0), MP_SCSI_GOOD);
	T_EQ(h.slots[0].n_moved, 32);
	T_MEM_EQ(data, golden, 32);
	hba_fini(&h);
}

T_MAIN(T_TEST(test_read6_of_length_zero_reads_256_blocks),
       T_TEST(test_read10_moves_exactly_its_blocks),
       T_TEST(test_read10_of_length_zero_moves_nothing),
       T_TEST(test_write12_larger_than_a_chunk_lands_whole),
       T_TEST(test_read16_at_the_last_block_works_and_behind_it_fails),
       T_TEST(test_fua_makes_each_chunk_durable),
       T_TEST(test_protection_bits_are_refused_unless_they_are_the_lun),
       T_TEST(test_each_errno_has_its_sense), T_TEST(test_medium_error_names_the_block),
       T_TEST(test_write_that_gets_too_little_data_writes_nothing),
       T_TEST(test_read_of_which_too_little_is_taken_is_good),
       T_TEST(test_read_only_disk_is_write_protected), T_TEST(test_synchronize_cache_flushes),
       T_TEST(test_synchronize_cache_checks_its_range),
       T_TEST(test_prefetch_meets_its_condition_where_there_is_a_cache),
       T_TEST(test_defect_lists_are_empty),
       T_TEST(test_unit_that_stops_without_flush_leaves_the_cache_alone),
       T_TEST(test_unit_without_tray_or_power_conditions_refuses_them),
       T_TEST(test_disk_beyond_two_tebibytes_is_addressed_in_full),
       T_TEST(test_resize_is_told_to_each_initiator),
       T_TEST(test_stopped_unit_flushes_and_is_not_ready_until_started),
       T_TEST(test_read_capacity10_tells_last_block_and_size),
       T_TEST(test_read_capacity16_tells_provisioning))
