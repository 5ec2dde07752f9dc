/* SPDX-License-Identifier: BSD-3-Clause */
/* Reading a CD-ROM, and what happens when the disc goes away meanwhile. */
#include <errno.h>

#include "base/bytes.h"
#include "tests/lib/fake_cd.h"
#include "tests/lib/t.h"

#define BLOCKS              100u
#define DISC_BYTES          (BLOCKS * 2048)

#define RUN(data, len, ...) HBA_RUN(&h, (data), (len), __VA_ARGS__)
#define READ_CD(data, len, type, lba, n, parts, sub)                                               \
	RUN(data, len, 0xbe, (type) << 2, 0, 0, 0, lba, 0, 0, n, parts, sub, 0)

static struct fake_hba h;

static void setup(void)
{
	cd_init(&h, DISC_BYTES);
	for (uint32_t i = 0; i < DISC_BYTES; i++)
		h.blk.data[i] = (uint8_t)(i * 7 + i / 2048);
}

static unsigned int failed(int status)
{
	T_EQ(status, MP_SCSI_CHECK_CONDITION);
	return hba_sense(&h);
}

static void test_each_read_moves_blocks_of_2048_bytes(void)
{
	static uint8_t data[3 * 2048];

	setup();
	T_EQ(RUN(data, sizeof(data), 0x08, 0, 0, 5, 3, 0), MP_SCSI_GOOD);
	T_EQ(h.slots[0].n_moved, sizeof(data));
	T_MEM_EQ(data, h.blk.data + 5 * 2048, sizeof(data));
	T_EQ(RUN(data, sizeof(data), 0x28, 0, 0, 0, 0, 6, 0, 0, 3, 0), MP_SCSI_GOOD);
	T_MEM_EQ(data, h.blk.data + 6 * 2048, sizeof(data));
	T_EQ(RUN(data, sizeof(data), 0xa8, 0, 0, 0, 0, 7, 0, 0, 0, 3, 0, 0), MP_SCSI_GOOD);
	T_MEM_EQ(data, h.blk.data + 7 * 2048, sizeof(data));
	T_EQ(RUN(NULL, 0, 0x28, 0, 0, 0, 0, 6, 0, 0, 0, 0), MP_SCSI_GOOD);
	T_EQ(h.slots[0].n_moved, 0);
	hba_fini(&h);
}

static void test_long_read_goes_in_chunks(void)
{
	static uint8_t data[DISC_BYTES];

	setup();
	T_EQ(RUN(data, sizeof(data), 0x28, 0, 0, 0, 0, 0, 0, 0, BLOCKS, 0), MP_SCSI_GOOD);
	T_MEM_EQ(data, h.blk.data, sizeof(data));
	T_EQ(h.blk.n_op[MP_BLK_READ], 4); /* 200 KiB in pieces of 64 */
	hba_fini(&h);
}

static void test_read_behind_the_last_block_tells_which(void)
{
	uint8_t sense[18], data[2048];

	setup();
	T_EQ(RUN(data, 2048, 0x28, 0, 0, 0, 0, BLOCKS - 1, 0, 0, 1, 0), MP_SCSI_GOOD);
	T_EQ(RUN(data, 2048, 0x28, 0, 0, 0, 0, BLOCKS - 1, 0, 0, 2, 0), MP_SCSI_CHECK_CONDITION);
	T_EQ(RUN(sense, 18, 0x03, 0, 0, 0, 18, 0), MP_SCSI_GOOD);
	T_EQ(sense[0], 0xf0);
	T_EQ(sense[12], 0x21);
	T_EQ(mp_get_be32(sense + 3), BLOCKS);
	T_EQ(failed(READ_CD(data, 2048, 0, BLOCKS, 1, 0x10, 0)), 0x052100);
	T_EQ(failed(RUN(NULL, 0, 0x2b, 0, 0, 0, 0, BLOCKS, 0, 0, 0, 0)), 0x052100);
	T_EQ(failed(RUN(NULL, 0, 0x2f, 0, 0, 0, 0, BLOCKS, 0, 0, 1, 0)), 0x052100);
	hba_fini(&h);
}

static void test_bad_block_is_a_medium_error_that_names_it(void)
{
	static const uint8_t read10[10] = {0x28, 0, 0, 0, 0, 5, 0, 0, 4, 0};
	uint8_t data[8192], sense[18];

	setup();
	hba_give(&h, 0, data, sizeof(data));
	hba_start(&h, 0, read10, 10);
	h.blk.reqs[0]->moved = 4096;
	fake_blk_finish(&h.blk, 0, -EIO);
	T_EQ(h.slots[0].status, MP_SCSI_CHECK_CONDITION);
	mp_scsi_free(h.bus, 0);
	T_EQ(RUN(sense, 18, 0x03, 0, 0, 0, 18, 0), MP_SCSI_GOOD);
	T_EQ(sense[2], 0x03);
	T_EQ(sense[12], 0x11);
	T_EQ(mp_get_be32(sense + 3), 7);
	hba_fini(&h);
}

static void test_verify_reads_and_moves_nothing(void)
{
	setup();
	T_EQ(RUN(NULL, 0, 0x2f, 0, 0, 0, 0, 0, 0, 0, BLOCKS, 0), MP_SCSI_GOOD);
	T_EQ(h.slots[0].n_moved, 0);
	T_EQ(h.blk.n_op[MP_BLK_READ], 4);
	T_EQ(mp_scsi_bus_counters(h.bus)->n_read_bytes, 0);
	T_EQ(RUN(NULL, 0, 0x2f, 2, 0, 0, 0, 0, 0, 0, 1, 0), MP_SCSI_CHECK_CONDITION);
	T_OK(cd_refused_at(&h, 1, 2));
	hba_fini(&h);
}

static void test_read_cd_gives_user_data(void)
{
	static uint8_t data[2 * 2048];

	setup();
	T_EQ(READ_CD(data, sizeof(data), 0, 9, 2, 0x10, 0), MP_SCSI_GOOD);
	T_MEM_EQ(data, h.blk.data + 9 * 2048, sizeof(data));
	T_EQ(READ_CD(data, sizeof(data), 2, 10, 2, 0x10, 0), MP_SCSI_GOOD); /* mode 1 */
	T_MEM_EQ(data, h.blk.data + 10 * 2048, sizeof(data));
	T_EQ(READ_CD(data, sizeof(data), 0, 9, 2, 0x00, 0), MP_SCSI_GOOD);
	T_EQ(h.slots[0].n_moved, 0);
	hba_fini(&h);
}

static void test_read_cd_makes_nothing_up(void)
{
	static uint8_t data[2352];

	setup();
	T_EQ(READ_CD(data, 2352, 0, 0, 1, 0xf8, 0), MP_SCSI_CHECK_CONDITION);
	T_OK(cd_refused_at(&h, 9, 7));
	T_EQ(READ_CD(data, 2352, 0, 0, 1, 0x12, 0), MP_SCSI_CHECK_CONDITION);
	T_OK(cd_refused_at(&h, 9, 2));
	T_EQ(READ_CD(data, 2352, 0, 0, 1, 0x10, 1), MP_SCSI_CHECK_CONDITION);
	T_OK(cd_refused_at(&h, 10, 2));
	T_EQ(failed(READ_CD(data, 2352, 1, 0, 1, 0x10, 0)), 0x056400); /* audio */
	T_EQ(failed(READ_CD(data, 2352, 4, 0, 1, 0x10, 0)), 0x056400); /* mode 2, form 1 */
	hba_fini(&h);
}

static void test_read_cd_msf_begins_two_seconds_early(void)
{
	static uint8_t data[2 * 2048];

	setup();
	/* 00:02:10 to 00:02:12 */
	T_EQ(RUN(data, sizeof(data), 0xb9, 0, 0, 0, 2, 10, 0, 2, 12, 0x10, 0, 0), MP_SCSI_GOOD);
	T_EQ(h.slots[0].n_moved, sizeof(data));
	T_MEM_EQ(data, h.blk.data + 10 * 2048, sizeof(data));
	T_EQ(RUN(data, 0, 0xb9, 0, 0, 0, 2, 10, 0, 2, 10, 0x10, 0, 0), MP_SCSI_GOOD);
	T_EQ(failed(RUN(data, 2048, 0xb9, 0, 0, 0, 1, 74, 0, 2, 1, 0x10, 0, 0)), 0x052100);
	T_EQ(failed(RUN(data, 2048, 0xb9, 0, 0, 0, 3, 25, 0, 3, 26, 0x10, 0, 0)), 0x052100);
	hba_fini(&h);
}

static void test_read_cd_msf_refuses_impossible_addresses(void)
{
	uint8_t data[2048];

	setup();
	T_EQ(RUN(data, 2048, 0xb9, 0, 0, 0, 60, 0, 1, 2, 1, 0x10, 0, 0), MP_SCSI_CHECK_CONDITION);
	T_OK(cd_refused_at(&h, 4, 8));
	T_EQ(RUN(data, 2048, 0xb9, 0, 0, 0, 2, 0, 0, 2, 75, 0x10, 0, 0), MP_SCSI_CHECK_CONDITION);
	T_OK(cd_refused_at(&h, 8, 8));
	T_EQ(RUN(data, 2048, 0xb9, 0, 0, 0, 2, 5, 0, 2, 4, 0x10, 0, 0), MP_SCSI_CHECK_CONDITION);
	T_OK(cd_refused_at(&h, 6, 8));
	hba_fini(&h);
}

/* A read of four chunks, of which the first is loading. */
static void start_long_read(uint8_t *data)
{
	static const uint8_t read10[10] = {0x28, 0, 0, 0, 0, 0, 0, 0, BLOCKS, 0};

	hba_give(&h, 0, data, DISC_BYTES);
	hba_start(&h, 0, read10, 10);
	T_EQ(h.blk.n_reqs, 1);
}

static void test_disc_taken_out_ends_a_read_at_the_next_chunk(void)
{
	static uint8_t data[DISC_BYTES];

	setup();
	start_long_read(data);
	T_EQ(mp_scsi_cd_change(h.bus, CD_TARGET, 0, NULL), 0);
	T_OK(mp_scsi_uses(h.bus, &h.blk));
	fake_blk_finish(&h.blk, 0, 0);
	T_OK(!mp_scsi_uses(h.bus, &h.blk));
	T_EQ(h.slots[0].status, MP_SCSI_CHECK_CONDITION);
	mp_scsi_free(h.bus, 0);
	T_EQ(hba_sense(&h), 0x023a02);
	hba_fini(&h);
}

static void test_read_never_mixes_two_discs(void)
{
	static uint8_t data[DISC_BYTES];
	struct mp_blk other;

	setup();
	fake_blk_init(&other, DISC_BYTES);
	start_long_read(data);
	T_EQ(mp_scsi_cd_change(h.bus, CD_TARGET, 0, &other), 0);
	fake_blk_finish(&h.blk, 0, 0);
	T_EQ(h.slots[0].status, MP_SCSI_CHECK_CONDITION);
	T_EQ(other.n_op[MP_BLK_READ], 0);
	mp_scsi_free(h.bus, 0);
	T_EQ(hba_sense(&h), 0x062800);
	fake_blk_fini(&other);
	hba_fini(&h);
}

/* A drive at target 4 that stops at an error, with a failed read that is kept. */
static void stop_at_a_read(struct mp_blk *disc, uint8_t *data)
{
	static const uint8_t read10[10] = {0x28, 0, 0, 0, 0, 90, 0, 0, 1, 0};
	struct mp_scsi_cd_cfg cfg = {.target = 4, .blk = disc, .rerror = MP_SCSI_ON_ERROR_STOP};

	T_EQ(mp_scsi_cd_add(h.bus, &cfg), 0);
	h.tasks[0].target = 4;
	hba_sense(&h);
	hba_give(&h, 0, data, 2048);
	hba_start(&h, 0, read10, 10);
	fake_blk_finish(disc, 0, -EIO);
	T_OK(mp_scsi_is_paused(h.bus));
}

static void test_stopped_read_goes_on_when_the_disc_is_the_same(void)
{
	uint8_t data[2048];

	setup();
	stop_at_a_read(&h.blk, data);
	T_OK(!mp_scsi_uses(h.bus, &h.blk));
	mp_scsi_continue(h.bus);
	fake_blk_finish(&h.blk, 0, 0);
	T_EQ(h.slots[0].status, MP_SCSI_GOOD);
	T_MEM_EQ(data, h.blk.data + 90 * 2048, 2048);
	mp_scsi_free(h.bus, 0);
	hba_fini(&h);
}

static void test_stopped_read_fails_when_the_disc_is_another(void)
{
	uint8_t data[2048];
	struct mp_blk small;

	setup();
	fake_blk_init(&small, 10 * 2048); /* the block that was read isn't on it */
	stop_at_a_read(&h.blk, data);
	T_EQ(mp_scsi_cd_change(h.bus, 4, 0, &small), 0);
	mp_scsi_continue(h.bus);
	T_EQ(h.slots[0].status, MP_SCSI_CHECK_CONDITION);
	mp_scsi_free(h.bus, 0);
	T_EQ(hba_sense(&h), 0x062800);
	T_EQ(mp_scsi_cd_change(h.bus, 4, 0, NULL), 0);
	fake_blk_fini(&small);
	hba_fini(&h);
}

static void test_stopped_read_fails_when_the_disc_is_gone(void)
{
	uint8_t data[2048];

	setup();
	stop_at_a_read(&h.blk, data);
	T_EQ(mp_scsi_cd_eject_request(h.bus, 4, 0), 0);
	mp_scsi_continue(h.bus);
	T_EQ(h.slots[0].status, MP_SCSI_CHECK_CONDITION);
	mp_scsi_free(h.bus, 0);
	T_EQ(hba_sense(&h), 0x023a02);
	hba_fini(&h);
}

static void test_aborted_read_still_uses_the_disc(void)
{
	static uint8_t data[DISC_BYTES];

	setup();
	start_long_read(data);
	mp_scsi_abort_task(h.bus, 0);
	T_EQ(mp_scsi_cd_change(h.bus, CD_TARGET, 0, NULL), 0);
	T_OK(mp_scsi_uses(h.bus, &h.blk));
	fake_blk_finish(&h.blk, 0, -ECANCELED);
	T_OK(!mp_scsi_uses(h.bus, &h.blk));
	hba_fini(&h);
}

T_MAIN(T_TEST(test_each_read_moves_blocks_of_2048_bytes), T_TEST(test_long_read_goes_in_chunks),
       T_TEST(test_read_behind_the_last_block_tells_which),
       T_TEST(test_bad_block_is_a_medium_error_that_names_it),
       T_TEST(test_verify_reads_and_moves_nothing), T_TEST(test_read_cd_gives_user_data),
       T_TEST(test_read_cd_makes_nothing_up), T_TEST(test_read_cd_msf_begins_two_seconds_early),
       T_TEST(test_read_cd_msf_refuses_impossible_addresses),
       T_TEST(test_disc_taken_out_ends_a_read_at_the_next_chunk),
       T_TEST(test_read_never_mixes_two_discs),
       T_TEST(test_stopped_read_goes_on_when_the_disc_is_the_same),
       T_TEST(test_stopped_read_fails_when_the_disc_is_another),
       T_TEST(test_stopped_read_fails_when_the_disc_is_gone),
       T_TEST(test_aborted_read_still_uses_the_disc))
