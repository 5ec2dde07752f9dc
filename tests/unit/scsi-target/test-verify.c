/* SPDX-License-Identifier: BSD-3-Clause */
/* VERIFY and WRITE AND VERIFY: what is read, what is compared, what is refused. */
#include <errno.h>

#include "base/bytes.h"
#include "tests/lib/fake_hba.h"
#include "tests/lib/t.h"

#define DISK_BYTES (4u << 20)

static struct fake_hba h;
static uint8_t data[300 * 512];

/* Each block of the disk begins with its number. */
static void setup(void)
{
	hba_init(&h, DISK_BYTES, 1 << 20);
	for (uint32_t i = 0; i < DISK_BYTES / 512; i++) {
		memset(h.blk.data + i * 512, 0x5a, 512);
		mp_put_be32(h.blk.data + i * 512, i);
	}
}

#define RUN(len, ...) HBA_RUN(&h, data, (len), __VA_ARGS__)

/* MISCOMPARE with this offset of the first differing byte. */
static void check_miscompare(uint32_t offset)
{
	static const uint8_t request_sense[6] = {0x03, 0, 0, 0, 18, 0};
	uint8_t sense[18];

	T_EQ(hba_run(&h, request_sense, 6, sense, 18), MP_SCSI_GOOD);
	T_EQ(sense[0], 0xf0);
	T_EQ(sense[2], 0x0e);
	T_EQ(sense[12] << 8 | sense[13], 0x1d00);
	T_EQ(mp_get_be32(sense + 3), offset);
}

static void check_bad_field(unsigned int byte, unsigned int bit)
{
	static const uint8_t request_sense[6] = {0x03, 0, 0, 0, 18, 0};
	uint8_t sense[18];

	T_EQ(hba_run(&h, request_sense, 6, sense, 18), MP_SCSI_GOOD);
	T_EQ(sense[2] << 16 | sense[12] << 8 | sense[13], 0x052400);
	T_EQ(sense[15], 0xc8 | bit);
	T_EQ(mp_get_be16(sense + 16), byte);
}

static void test_verify_reads_without_moving_data(void)
{
	setup();
	T_EQ(RUN(0, 0x2f, 0, 0, 0, 0, 0, 0, 1, 0, 0), MP_SCSI_GOOD);
	T_EQ(h.blk.n_op[MP_BLK_READ], 2);
	T_EQ(h.slots[0].n_moved, 0);
	hba_fini(&h);
}

static void test_verify_compares_each_block_over_chunks(void)
{
	setup();
	memcpy(data, h.blk.data + 7 * 512, sizeof(data));
	T_EQ(RUN(sizeof(data), 0x8f, 2, 0, 0, 0, 0, 0, 0, 0, 7, 0, 0, 1, 44, 0, 0), MP_SCSI_GOOD);
	T_EQ(h.slots[0].n_moved, sizeof(data));
	/* 150 KiB in halves of 64 */
	T_EQ(h.blk.n_op[MP_BLK_READ], 5);
	hba_fini(&h);
}

static void test_verify_names_the_first_byte_that_differs(void)
{
	setup();
	memcpy(data, h.blk.data + 7 * 512, sizeof(data));
	data[200 * 512 + 9] ^= 1;
	data[201 * 512] ^= 1;
	T_EQ(RUN(sizeof(data), 0xaf, 2, 0, 0, 0, 7, 0, 0, 1, 44, 0, 0), MP_SCSI_CHECK_CONDITION);
	check_miscompare(200 * 512 + 9);
	hba_fini(&h);
}

static void test_verify_compares_all_blocks_with_a_single_one(void)
{
	setup();
	for (uint32_t i = 20; i < 220; i++)
		memset(h.blk.data + i * 512, 0x77, 512);
	memset(data, 0x77, 512);
	T_EQ(RUN(512, 0x2f, 6, 0, 0, 0, 20, 0, 0, 200, 0), MP_SCSI_GOOD);
	T_EQ(h.slots[0].n_moved, 512);
	h.blk.data[219 * 512 + 511] ^= 4;
	T_EQ(RUN(512, 0x2f, 6, 0, 0, 0, 20, 0, 0, 200, 0), MP_SCSI_CHECK_CONDITION);
	check_miscompare(199 * 512 + 511);
	hba_fini(&h);
}

static void test_verify_that_gets_too_little_data_fails(void)
{
	setup();
	memcpy(data, h.blk.data, 1024);
	T_EQ(RUN(512, 0x2f, 2, 0, 0, 0, 0, 0, 0, 2, 0), MP_SCSI_CHECK_CONDITION);
	T_EQ(hba_sense(&h), 0x0b4b00);
	T_EQ(RUN(100, 0x2f, 6, 0, 0, 0, 0, 0, 0, 2, 0), MP_SCSI_CHECK_CONDITION);
	T_EQ(hba_sense(&h), 0x0b4b00);
	hba_fini(&h);
}

static void test_verify_of_no_blocks_takes_no_data(void)
{
	setup();
	T_EQ(RUN(512, 0x2f, 2, 0, 0, 0, 0, 0, 0, 0, 0), MP_SCSI_GOOD);
	T_EQ(RUN(512, 0x2f, 6, 0, 0, 0, 0, 0, 0, 0, 0), MP_SCSI_GOOD);
	T_EQ(RUN(512, 0x2e, 2, 0, 0, 0, 0, 0, 0, 0, 0), MP_SCSI_GOOD);
	T_EQ(h.slots[0].n_moved, 0);
	hba_fini(&h);
}

static void test_verify_fails_as_a_read_would(void)
{
	static const uint8_t verify[10] = {0x2f, 0, 0, 0, 0, 5, 0, 0, 2, 0};

	setup();
	hba_give(&h, 0, NULL, 0);
	hba_start(&h, 0, verify, 10);
	fake_blk_finish(&h.blk, 0, -EIO);
	T_EQ(h.slots[0].status, MP_SCSI_CHECK_CONDITION);
	mp_scsi_free(h.bus, 0);
	T_EQ(hba_sense(&h), 0x031100);
	hba_fini(&h);
}

static void test_reserved_byte_checks_are_refused(void)
{
	setup();
	T_EQ(RUN(512, 0x2f, 4, 0, 0, 0, 0, 0, 0, 1, 0), MP_SCSI_CHECK_CONDITION);
	check_bad_field(1, 2);
	T_EQ(RUN(512, 0x2e, 4, 0, 0, 0, 0, 0, 0, 1, 0), MP_SCSI_CHECK_CONDITION);
	check_bad_field(1, 2);
	T_EQ(RUN(512, 0x2e, 6, 0, 0, 0, 0, 0, 0, 1, 0), MP_SCSI_CHECK_CONDITION);
	check_bad_field(1, 2);
	hba_fini(&h);
}

static void test_write_and_verify_is_durable_and_reads_back(void)
{
	setup();
	memset(data, 0x11, sizeof(data));
	T_EQ(RUN(sizeof(data), 0xae, 0, 0, 0, 0, 3, 0, 0, 1, 44, 0, 0), MP_SCSI_GOOD);
	T_MEM_EQ(h.blk.data + 3 * 512, data, sizeof(data));
	T_EQ(h.blk.n_fua, 3);
	T_EQ(h.blk.n_op[MP_BLK_READ], 3);
	T_EQ(RUN(sizeof(data), 0xae, 2, 0, 0, 0, 3, 0, 0, 1, 44, 0, 0), MP_SCSI_GOOD);
	T_EQ(h.blk.n_fua, 8);
	hba_fini(&h);
}

static void start_write_and_verify(uint8_t byte_check)
{
	uint8_t cdb[10] = {0x2e, byte_check, 0, 0, 0, 3, 0, 0, 2, 0};

	hba_give(&h, 0, data, 1024);
	hba_start(&h, 0, cdb, 10);
	fake_blk_finish(&h.blk, 0, 0);
	h.blk.data[4 * 512 + 6] ^= 8; /* the medium didn't keep it */
	fake_blk_finish(&h.blk, 0, 0);
	mp_scsi_free(h.bus, 0);
}

static void test_write_and_verify_compares_only_when_asked_to(void)
{
	setup();
	start_write_and_verify(0x00);
	T_EQ(h.slots[0].status, MP_SCSI_GOOD);
	start_write_and_verify(0x02);
	T_EQ(h.slots[0].status, MP_SCSI_CHECK_CONDITION);
	check_miscompare(512 + 6);
	hba_fini(&h);
}

T_MAIN(T_TEST(test_verify_reads_without_moving_data),
       T_TEST(test_verify_compares_each_block_over_chunks),
       T_TEST(test_verify_names_the_first_byte_that_differs),
       T_TEST(test_verify_compares_all_blocks_with_a_single_one),
       T_TEST(test_verify_that_gets_too_little_data_fails),
       T_TEST(test_verify_of_no_blocks_takes_no_data), T_TEST(test_verify_fails_as_a_read_would),
       T_TEST(test_reserved_byte_checks_are_refused),
       T_TEST(test_write_and_verify_is_durable_and_reads_back),
       T_TEST(test_write_and_verify_compares_only_when_asked_to))
