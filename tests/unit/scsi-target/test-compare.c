/* SPDX-License-Identifier: BSD-3-Clause */
/* COMPARE AND WRITE, ORWRITE, WRITE ATOMIC, and the ranges of blocks that they hold. */
#include <errno.h>

#include "base/bytes.h"
#include "tests/lib/fake_hba.h"
#include "tests/lib/t.h"

#define DISK_BYTES (4u << 20)

static struct fake_hba h;
static uint8_t data[300 * 512], other[64 * 512];

static void setup(void)
{
	hba_init(&h, DISK_BYTES, 1 << 20);
	memset(h.blk.data, 0x55, DISK_BYTES);
	memset(data, 0x55, 512);
	memset(data + 512, 0xaa, sizeof(data) - 512);
}

#define RUN(len, ...) HBA_RUN(&h, data, (len), __VA_ARGS__)

static void sense_bytes(uint8_t sense[18])
{
	static const uint8_t request_sense[6] = {0x03, 0, 0, 0, 18, 0};

	T_EQ(hba_run(&h, request_sense, 6, sense, 18), MP_SCSI_GOOD);
}

/* @bit 8: the byte as a whole */
static void check_bad_bit(unsigned int byte, unsigned int bit)
{
	uint8_t sense[18];

	sense_bytes(sense);
	T_EQ(sense[2] << 16 | sense[12] << 8 | sense[13], 0x052400);
	T_EQ(sense[15], bit < 8 ? 0xc8 | bit : 0xc0);
	T_EQ(mp_get_be16(sense + 16), byte);
}

static void check_bad_field(unsigned int byte)
{
	check_bad_bit(byte, 8);
}

/* 512 bytes of 0x55 to compare with, 512 of 0xaa to write, at block 9. */
static const uint8_t compare9[16] = {0x89, 0, 0, 0, 0, 0, 0, 0, 0, 9, 0, 0, 0, 1, 0, 0};

static void start(unsigned int i, const uint8_t *cdb, size_t cdb_len, void *buf, size_t len)
{
	hba_give(&h, i, buf, len);
	hba_start_tagged(&h, i, MP_SCSI_SIMPLE, cdb, cdb_len);
}

static void start_compare(unsigned int i)
{
	start(i, compare9, 16, data, 1024);
}

static void start_rw10(unsigned int i, uint8_t opcode, uint8_t lba, uint8_t n)
{
	uint8_t cdb[10] = {opcode, 0, 0, 0, 0, lba, 0, 0, n, 0};

	start(i, cdb, 10, other, (size_t)n * 512);
}

static void test_compare_and_write_writes_where_all_is_alike(void)
{
	setup();
	T_EQ(hba_run(&h, compare9, 16, data, 1024), MP_SCSI_GOOD);
	T_EQ(h.slots[0].n_moved, 1024);
	T_MEM_EQ(h.blk.data + 9 * 512, data + 512, 512);
	T_EQ(h.blk.data[9 * 512 - 1], 0x55);
	T_EQ(h.blk.data[10 * 512], 0x55);
	hba_fini(&h);
}

static void test_compare_and_write_of_something_else_writes_nothing(void)
{
	uint8_t sense[18];

	setup();
	h.blk.data[9 * 512 + 77] = 0;
	T_EQ(hba_run(&h, compare9, 16, data, 1024), MP_SCSI_CHECK_CONDITION);
	sense_bytes(sense);
	T_EQ(sense[2] << 16 | sense[12] << 8 | sense[13], 0x0e1d00);
	T_EQ(sense[0], 0xf0);
	T_EQ(mp_get_be32(sense + 3), 77);
	T_EQ(h.blk.n_op[MP_BLK_WRITE], 0);
	hba_fini(&h);
}

static void test_compare_and_write_obeys_its_limits(void)
{
	setup();
	memset(data, 0x55, 16 * 512);
	T_EQ(RUN(sizeof(data), 0x89, 8, 0, 0, 0, 0, 0, 0, 0, 9, 0, 0, 0, 16, 0, 0), MP_SCSI_GOOD);
	T_EQ(h.blk.n_fua, 1);
	T_EQ(h.blk.data[25 * 512 - 1], 0xaa);
	T_EQ(RUN(sizeof(data), 0x89, 0, 0, 0, 0, 0, 0, 0, 0, 9, 0, 0, 0, 17, 0, 0),
	     MP_SCSI_CHECK_CONDITION);
	check_bad_field(13);
	T_EQ(RUN(0, 0x89, 0, 0, 0, 0, 0, 0, 0, 0, 9, 0, 0, 0, 0, 0, 0), MP_SCSI_GOOD);
	T_EQ(RUN(1024, 0x89, 0, 0, 0, 0, 0, 0, 0, 0x20, 0, 0, 0, 0, 1, 0, 0),
	     MP_SCSI_CHECK_CONDITION);
	T_EQ(hba_sense(&h), 0x052100);
	T_EQ(hba_run(&h, compare9, 16, data, 600), MP_SCSI_CHECK_CONDITION);
	T_EQ(hba_sense(&h), 0x0b4b00);
	hba_fini(&h);
}

static void test_compare_and_write_keeps_others_from_its_blocks(void)
{
	setup();
	start_compare(1);
	start_rw10(2, 0x2a, 8, 2); /* overlaps */
	start_rw10(3, 0x28, 9, 1); /* reads in it */
	start_rw10(4, 0x28, 10, 1); /* beside it */
	T_EQ(h.blk.n_reqs, 2);
	fake_blk_finish(&h.blk, 1, 0);
	T_EQ(h.slots[4].status, MP_SCSI_GOOD);
	fake_blk_finish(&h.blk, 0, 0); /* the comparison; now it writes */
	T_EQ(h.blk.n_reqs, 1);
	T_EQ(h.blk.reqs[0]->op, MP_BLK_WRITE);
	T_EQ(h.blk.reqs[0]->offset, 9 * 512);
	fake_blk_finish(&h.blk, 0, 0);
	T_EQ(h.slots[1].status, MP_SCSI_GOOD);
	T_EQ(h.blk.n_reqs, 2);
	fake_blk_finish_all(&h.blk);
	T_EQ(h.slots[2].status, MP_SCSI_GOOD);
	T_EQ(h.slots[3].status, MP_SCSI_GOOD);
	hba_fini(&h);
}

static void test_compare_and_write_waits_for_what_is_under_way(void)
{
	setup();
	memset(other, 0x55, sizeof(other));
	h.blk.data[9 * 512] = 0;
	start_rw10(1, 0x2a, 9, 1);
	start_compare(2);
	start_rw10(3, 0x2a, 9, 1); /* must not overtake it */
	T_EQ(h.blk.n_reqs, 1);
	fake_blk_finish(&h.blk, 0, 0);
	T_EQ(h.blk.n_reqs, 1);
	T_EQ(h.blk.reqs[0]->op, MP_BLK_READ);
	fake_blk_finish(&h.blk, 0, 0);
	fake_blk_finish(&h.blk, 0, 0);
	T_EQ(h.slots[2].status, MP_SCSI_GOOD);
	fake_blk_finish_all(&h.blk);
	T_EQ(h.blk.data[9 * 512], 0x55);
	hba_fini(&h);
}

/* Used to go behind the comparison that came after it. */
static void test_who_waits_for_a_range_goes_on_in_order(void)
{
	setup();
	start_compare(1);
	start_rw10(2, 0x28, 9, 1);
	start_compare(3);
	fake_blk_finish(&h.blk, 0, 0);
	fake_blk_finish(&h.blk, 0, 0);
	T_EQ(h.slots[1].status, MP_SCSI_GOOD);
	T_EQ(h.tasks[2].state, MP_SCSI_MEDIUM);
	T_EQ(h.tasks[3].state, MP_SCSI_WAITING);
	fake_blk_finish(&h.blk, 0, 0);
	T_EQ(h.slots[2].status, MP_SCSI_GOOD);
	T_EQ(h.tasks[3].state, MP_SCSI_MEDIUM);
	fake_blk_finish_all(&h.blk);
	hba_fini(&h);
}

static void test_aborted_holder_keeps_its_blocks_until_its_write_has_ended(void)
{
	setup();
	start_rw10(3, 0x2a, 8, 4);
	start_compare(1);
	start_rw10(2, 0x28, 9, 1);
	fake_blk_finish(&h.blk, 0, 0);
	memset(h.blk.data, 0x55, DISK_BYTES);
	fake_blk_finish(&h.blk, 0, 0);
	mp_scsi_abort_task(h.bus, 1);
	T_EQ(h.tasks[1].state, MP_SCSI_ABORTING);
	T_EQ(h.blk.n_reqs, 1);
	fake_blk_finish(&h.blk, 0, 0);
	T_EQ(h.tasks[1].state, MP_SCSI_FREE);
	T_EQ(h.blk.n_reqs, 1);
	fake_blk_finish(&h.blk, 0, 0);
	T_EQ(h.slots[2].status, MP_SCSI_GOOD);
	T_EQ(other[0], 0xaa);
	hba_fini(&h);
}

static void test_abort_of_who_waits_for_a_range_lets_the_others_go_on(void)
{
	setup();
	start_rw10(1, 0x28, 9, 1);
	start_compare(2);
	start_rw10(3, 0x28, 9, 1);
	start_rw10(4, 0x28, 9, 1);
	T_EQ(h.blk.n_reqs, 1);
	mp_scsi_abort_task(h.bus, 3);
	T_EQ(h.tasks[3].state, MP_SCSI_FREE);
	mp_scsi_abort_task(h.bus, 2);
	T_EQ(h.tasks[2].state, MP_SCSI_FREE);
	T_EQ(h.blk.n_reqs, 2);
	fake_blk_finish_all(&h.blk);
	T_EQ(h.slots[4].status, MP_SCSI_GOOD);
	hba_fini(&h);
}

static void test_failed_read_ends_the_hold(void)
{
	setup();
	start_compare(1);
	start_rw10(2, 0x28, 9, 1);
	fake_blk_finish(&h.blk, 0, -EIO);
	T_EQ(h.slots[1].status, MP_SCSI_CHECK_CONDITION);
	T_EQ(h.blk.n_reqs, 1);
	fake_blk_finish_all(&h.blk);
	T_EQ(h.slots[2].status, MP_SCSI_GOOD);
	hba_fini(&h);
}

static void test_orwrite_adds_bits_over_chunks(void)
{
	setup();
	memset(data, 0x82, sizeof(data));
	T_EQ(RUN(sizeof(data), 0x8b, 8, 0, 0, 0, 0, 0, 0, 0, 7, 0, 0, 1, 44, 0, 0), MP_SCSI_GOOD);
	memset(data, 0xd7, sizeof(data));
	T_MEM_EQ(h.blk.data + 7 * 512, data, sizeof(data));
	T_EQ(h.blk.data[7 * 512 - 1], 0x55);
	T_EQ(h.blk.data[307 * 512], 0x55);
	/* 150 KiB in halves of 64 */
	T_EQ(h.blk.n_fua, 5);
	T_EQ(RUN(512, 0x8b, 0, 0, 0, 0, 0, 0, 0, 0, 7, 0, 0, 0, 0, 0, 0), MP_SCSI_GOOD);
	T_EQ(RUN(512, 0x8b, 0, 0, 0, 0, 0, 0, 0, 0, 7, 0, 0, 0, 2, 0, 0), MP_SCSI_CHECK_CONDITION);
	T_EQ(hba_sense(&h), 0x0b4b00);
	hba_fini(&h);
}

static void test_write_atomic_is_one_request_at_its_limit(void)
{
	setup();
	T_EQ(RUN(64 * 512, 0x9c, 0, 0, 0, 0, 0, 0, 0, 0, 7, 0, 0, 0, 64, 0, 0), MP_SCSI_GOOD);
	T_EQ(h.blk.n_op[MP_BLK_WRITE], 1);
	T_MEM_EQ(h.blk.data + 7 * 512, data, 64 * 512);
	T_EQ(RUN(65 * 512, 0x9c, 0, 0, 0, 0, 0, 0, 0, 0, 7, 0, 0, 0, 65, 0, 0),
	     MP_SCSI_CHECK_CONDITION);
	check_bad_field(12);
	T_EQ(RUN(512, 0x9c, 0, 0, 0, 0, 0, 0, 0, 0, 7, 0, 8, 0, 1, 0, 0), MP_SCSI_CHECK_CONDITION);
	check_bad_bit(11, 3); /* ATOMIC BOUNDARY */
	T_EQ(h.blk.n_op[MP_BLK_WRITE], 1);
	hba_fini(&h);
}

T_MAIN(T_TEST(test_compare_and_write_writes_where_all_is_alike),
       T_TEST(test_compare_and_write_of_something_else_writes_nothing),
       T_TEST(test_compare_and_write_obeys_its_limits),
       T_TEST(test_compare_and_write_keeps_others_from_its_blocks),
       T_TEST(test_compare_and_write_waits_for_what_is_under_way),
       T_TEST(test_who_waits_for_a_range_goes_on_in_order),
       T_TEST(test_aborted_holder_keeps_its_blocks_until_its_write_has_ended),
       T_TEST(test_abort_of_who_waits_for_a_range_lets_the_others_go_on),
       T_TEST(test_failed_read_ends_the_hold), T_TEST(test_orwrite_adds_bits_over_chunks),
       T_TEST(test_write_atomic_is_one_request_at_its_limit))
