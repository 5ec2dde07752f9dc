/* SPDX-License-Identifier: BSD-3-Clause */
/* FORMAT UNIT and SANITIZE: the work, what is told of it meanwhile, and its failures. */
#include <errno.h>

#include "base/bytes.h"
#include "tests/lib/fake_hba.h"
#include "tests/lib/t.h"

#define DISK_BYTES  (1u << 20)
#define PIECE_BYTES (16u << 10) /* of a pattern */

static struct fake_hba h;
static uint8_t data[1024];

static const uint8_t format_plain[6] = {0x04};
static const uint8_t format_short[6] = {0x04, 0x10};
static const uint8_t format_long[6] = {0x04, 0x30};
static const uint8_t erase[10] = {0x48, 0x02};
static const uint8_t erase_ause[10] = {0x48, 0x22};
static const uint8_t exit_failure[10] = {0x48, 0x1f};
static const uint8_t test_unit_ready[6] = {0x00};

static void setup(void)
{
	hba_init(&h, DISK_BYTES, 1 << 20);
	memset(h.blk.data, 0x55, DISK_BYTES);
	memset(data, 0, sizeof(data));
}

static void start(unsigned int i, const uint8_t *cdb, size_t cdb_len, size_t data_len)
{
	hba_give(&h, i, data, data_len);
	hba_start_tagged(&h, i, MP_SCSI_SIMPLE, cdb, cdb_len);
}

/* Task 1 with the request that it waits for ending so. */
static void run_to(const uint8_t *cdb, size_t cdb_len, int result)
{
	start(1, cdb, cdb_len, 0);
	fake_blk_finish(&h.blk, 0, result);
	fake_blk_finish_all(&h.blk);
	mp_scsi_free(h.bus, 1);
}

static void sense_bytes(uint8_t sense[18])
{
	static const uint8_t request_sense[6] = {0x03, 0, 0, 0, 18, 0};

	T_EQ(hba_run(&h, request_sense, 6, sense, 18), MP_SCSI_GOOD);
}

static unsigned int ready(void)
{
	hba_give(&h, 2, NULL, 0);
	hba_start_tagged(&h, 2, MP_SCSI_SIMPLE, test_unit_ready, 6);
	mp_scsi_free(h.bus, 2);
	return h.slots[2].status == MP_SCSI_GOOD ? 0 : 1;
}

/* Sense without letting the disk go on. */
static void peek_sense(uint8_t sense[18])
{
	static const uint8_t request_sense[6] = {0x03, 0, 0, 0, 18, 0};

	hba_give(&h, 3, sense, 18);
	hba_start_tagged(&h, 3, MP_SCSI_SIMPLE, request_sense, 6);
	T_EQ(h.slots[3].status, MP_SCSI_GOOD);
	mp_scsi_free(h.bus, 3);
}

static unsigned int code(const uint8_t sense[18])
{
	return (unsigned int)(sense[2] << 16 | sense[12] << 8 | sense[13]);
}

static void check_all(uint8_t value)
{
	T_EQ(h.blk.data[0], value);
	T_OK(memcmp(h.blk.data, h.blk.data + 1, DISK_BYTES - 1) == 0);
}

static void test_format_makes_the_whole_medium_zeros(void)
{
	setup();
	T_EQ(hba_run(&h, format_plain, 6, NULL, 0), MP_SCSI_GOOD);
	check_all(0);
	T_EQ(h.blk.n_op[MP_BLK_WRITE_ZEROES], 1);
	T_EQ(h.blk.n_unmap, 1);
	T_EQ(h.blk.n_op[MP_BLK_FLUSH], 1);
	T_EQ(ready(), 0);
	hba_fini(&h);
}

static void test_format_takes_either_header(void)
{
	setup();
	data[1] = 0xa0; /* FOV, DCRT */
	T_EQ(hba_run(&h, format_short, 6, data, 4), MP_SCSI_GOOD);
	T_EQ(h.slots[0].n_moved, 4);
	T_EQ(hba_run(&h, format_long, 6, data, 8), MP_SCSI_GOOD);
	T_EQ(h.slots[0].n_moved, 8);
	T_EQ(hba_run(&h, format_long, 6, data, 4), MP_SCSI_CHECK_CONDITION);
	T_EQ(hba_sense(&h), 0x0b4b00);
	hba_fini(&h);
}

static void check_refused_header(const uint8_t cdb[6], unsigned int at, uint8_t value,
				 unsigned int bit)
{
	uint8_t sense[18];

	memset(data, 0, 8);
	data[at] = value;
	T_EQ(hba_run(&h, cdb, 6, data, 8), MP_SCSI_CHECK_CONDITION);
	sense_bytes(sense);
	T_EQ(code(sense), 0x052600);
	T_EQ(sense[15], bit < 8 ? 0x88 | bit : 0x80);
}

static void test_format_refuses_what_it_would_not_do(void)
{
	uint8_t sense[18];

	setup();
	check_refused_header(format_short, 0, 0x01, 2); /* protection information */
	check_refused_header(format_short, 1, 0x40, 7); /* DPRY without FOV */
	check_refused_header(format_short, 1, 0x88, 3); /* initialization pattern */
	check_refused_header(format_short, 3, 0x08, 8); /* a list of defects */
	check_refused_header(format_long, 3, 0x01, 7);
	check_refused_header(format_long, 7, 0x08, 8);
	T_EQ(HBA_RUN(&h, data, 4, 0x04, 0x08, 0, 0, 0, 0), MP_SCSI_CHECK_CONDITION);
	sense_bytes(sense);
	T_EQ(code(sense), 0x052400);
	T_EQ(sense[15], 0xcb);
	T_EQ(HBA_RUN(&h, data, 4, 0x04, 0x17, 0, 0, 0, 0), MP_SCSI_CHECK_CONDITION);
	T_EQ(hba_sense(&h), 0x052400);
	check_all(0x55);
	hba_fini(&h);
}

static void test_format_with_immed_goes_on_behind_its_status(void)
{
	uint8_t sense[18];

	setup();
	data[1] = 0x82;
	start(1, format_short, 6, 4);
	T_EQ(h.slots[1].status, MP_SCSI_GOOD);
	mp_scsi_free(h.bus, 1);
	T_EQ(mp_scsi_bus_n_busy(h.bus), 1);
	T_EQ(ready(), 1);
	peek_sense(sense);
	T_EQ(code(sense), 0x020404);
	T_EQ(sense[15], 0x80);
	T_EQ(mp_get_be16(sense + 16), 0);
	fake_blk_finish(&h.blk, 0, 0);
	peek_sense(sense); /* without a command that failed, too */
	T_EQ(code(sense), 0x020404);
	T_EQ(mp_get_be16(sense + 16), 0xffff);
	fake_blk_finish(&h.blk, 0, 0);
	T_EQ(ready(), 0);
	peek_sense(sense);
	T_EQ(code(sense), 0);
	check_all(0);
	hba_fini(&h);
}

static void test_unit_that_formats_still_tells_what_it_is(void)
{
	static const uint8_t inquiry[6] = {0x12, 0, 0, 0, 36, 0};
	static const uint8_t mode_sense[6] = {0x1a, 0, 0x08, 0, 64, 0};

	setup();
	start(1, format_plain, 6, 0);
	start(2, inquiry, 6, 36);
	T_EQ(h.slots[2].status, MP_SCSI_GOOD);
	start(4, mode_sense, 6, 64);
	T_EQ(h.slots[4].status, MP_SCSI_CHECK_CONDITION);
	fake_blk_finish_all(&h.blk);
	T_EQ(h.slots[1].status, MP_SCSI_GOOD);
	hba_fini(&h);
}

static void test_format_begins_when_the_medium_is_at_rest(void)
{
	static const uint8_t write9[10] = {0x2a, 0, 0, 0, 0, 9, 0, 0, 1, 0};

	setup();
	start(1, write9, 10, 512);
	start(2, format_plain, 6, 0);
	T_EQ(h.blk.n_reqs, 1);
	fake_blk_finish(&h.blk, 0, 0);
	T_EQ(h.blk.n_reqs, 1);
	T_EQ(h.blk.reqs[0]->op, MP_BLK_WRITE_ZEROES);
	fake_blk_finish_all(&h.blk);
	T_EQ(h.slots[2].status, MP_SCSI_GOOD);
	check_all(0);
	hba_fini(&h);
}

static unsigned int sense_of_last_failure(void)
{
	uint8_t sense[18];

	peek_sense(sense);
	return code(sense);
}

/* They used to wait until it had ended: for hours, and one of them with the bus. */
static void test_commands_that_a_format_overtakes_hear_of_it(void)
{
	static const uint8_t read9[10] = {0x28, 0, 0, 0, 0, 9, 0, 0, 1, 0};
	static const uint8_t write9[10] = {0x2a, 0, 0, 0, 0, 9, 0, 0, 1, 0};

	setup();
	start(1, write9, 10, 512);
	start(2, format_plain, 6, 0);
	h.tasks[4].fast = true;
	start(4, read9, 10, 512);
	start(5, format_plain, 6, 0);
	T_EQ(h.slots[4].status, -1);
	fake_blk_finish(&h.blk, 0, 0);
	T_EQ(h.blk.reqs[0]->op, MP_BLK_WRITE_ZEROES);
	T_EQ(h.slots[4].status, MP_SCSI_CHECK_CONDITION);
	mp_scsi_free(h.bus, 4);
	T_EQ(sense_of_last_failure(), 0x020404);
	T_EQ(h.slots[5].status, MP_SCSI_CHECK_CONDITION); /* its turn to tell came with that */
	mp_scsi_free(h.bus, 5);
	T_EQ(sense_of_last_failure(), 0x020404);
	fake_blk_finish_all(&h.blk);
	T_EQ(h.slots[2].status, MP_SCSI_GOOD);
	check_all(0);
	hba_fini(&h);
}

static void test_write_in_chunks_ends_where_a_format_came_between(void)
{
	static const uint8_t write_two_chunks[10] = {0x2a, [8] = 129};
	static uint8_t big[129 * 512];

	setup();
	h.hold_xfers = true;
	hba_give(&h, 1, big, sizeof(big));
	hba_start_tagged(&h, 1, MP_SCSI_SIMPLE, write_two_chunks, 10);
	hba_move(&h, 1);
	fake_blk_finish(&h.blk, 0, 0);
	start(2, format_plain, 6, 0);
	T_EQ(h.blk.n_reqs, 1);
	hba_move(&h, 1);
	h.hold_xfers = false;
	T_EQ(h.slots[1].status, MP_SCSI_CHECK_CONDITION);
	mp_scsi_free(h.bus, 1);
	T_EQ(sense_of_last_failure(), 0x020404);
	fake_blk_finish_all(&h.blk);
	T_EQ(h.slots[2].status, MP_SCSI_GOOD);
	check_all(0);
	hba_fini(&h);
}

static void test_failed_format_leaves_a_medium_of_no_use(void)
{
	setup();
	run_to(format_plain, 6, -EIO);
	T_EQ(h.slots[1].status, MP_SCSI_CHECK_CONDITION);
	T_EQ(hba_sense(&h), 0x033101);
	T_EQ(ready(), 1);
	T_EQ(hba_sense(&h), 0x033100);
	T_EQ(hba_sense(&h), 0); /* it is a command's fate, not a state to poll */
	T_EQ(hba_run(&h, format_plain, 6, NULL, 0), MP_SCSI_GOOD);
	T_EQ(ready(), 0);
	hba_fini(&h);
}

static void test_aborted_format_goes_on(void)
{
	setup();
	start(1, format_plain, 6, 0);
	mp_scsi_abort_task(h.bus, 1);
	T_EQ(h.tasks[1].state, MP_SCSI_FREE);
	T_EQ(ready(), 1);
	fake_blk_finish_all(&h.blk);
	T_EQ(ready(), 0);
	check_all(0);
	hba_fini(&h);
}

static void test_format_waits_while_the_bus_is_paused(void)
{
	setup();
	start(1, erase, 10, 0);
	mp_scsi_pause(h.bus);
	fake_blk_finish(&h.blk, 0, 0);
	T_EQ(mp_scsi_bus_n_busy(h.bus), 0);
	mp_scsi_continue(h.bus);
	T_EQ(mp_scsi_bus_n_busy(h.bus), 1);
	fake_blk_finish_all(&h.blk);
	T_EQ(h.slots[1].status, MP_SCSI_GOOD);
	hba_fini(&h);
}

static const uint8_t overwrite_immed[10] = {0x48, 0x81, [8] = 5};

static void test_power_on_ends_a_job_and_a_bus_reset_does_not(void)
{
	setup();
	data[0] = 1;
	data[3] = 1; /* a pattern of one zero */
	start(1, overwrite_immed, 10, 5);
	mp_scsi_free(h.bus, 1);
	mp_scsi_reset(h.bus, MP_SCSI_RESET_BUS, 0, 0);
	fake_blk_finish(&h.blk, 0, 0);
	T_EQ(h.blk.n_reqs, 1);
	mp_scsi_reset(h.bus, MP_SCSI_RESET_POWER, 0, 0);
	fake_blk_finish(&h.blk, 0, 0);
	T_EQ(h.blk.n_reqs, 0);
	T_EQ(mp_scsi_bus_n_busy(h.bus), 0);
	T_EQ(hba_sense(&h), 0x062901);
	T_EQ(ready(), 0);
	T_EQ(h.blk.data[2 * PIECE_BYTES - 1], 0);
	T_EQ(h.blk.data[2 * PIECE_BYTES], 0x55);
	hba_fini(&h);
}

static void test_paused_job_can_be_stopped(void)
{
	setup();
	data[0] = 1;
	data[3] = 1;
	start(1, overwrite_immed, 10, 5);
	mp_scsi_free(h.bus, 1);
	mp_scsi_pause(h.bus);
	fake_blk_finish(&h.blk, 0, 0);
	mp_scsi_stop_jobs(h.bus);
	mp_scsi_continue(h.bus);
	T_EQ(h.blk.n_reqs, 0);
	T_EQ(ready(), 0);
	hba_fini(&h);
}

static const uint8_t overwrite[10] = {0x48, 0x01, [8] = 6};

static void pattern_list(uint8_t flags)
{
	data[0] = flags;
	mp_put_be16(data + 2, 2);
	data[4] = 0xa1;
	data[5] = 0xb2;
}

static void test_sanitize_overwrites_as_often_as_asked_and_inverts(void)
{
	setup();
	pattern_list(0x83);
	T_EQ(hba_run(&h, overwrite, 10, data, 6), MP_SCSI_GOOD);
	T_EQ(h.blk.n_op[MP_BLK_WRITE], 3 * (DISK_BYTES / PIECE_BYTES));
	T_EQ(h.blk.data[0], 0xa1); /* inverted twice */
	T_EQ(h.blk.data[1], 0xb2);
	T_OK(memcmp(h.blk.data, h.blk.data + 2, DISK_BYTES - 2) == 0);
	pattern_list(0x82);
	T_EQ(hba_run(&h, overwrite, 10, data, 6), MP_SCSI_GOOD);
	T_EQ(h.blk.data[0], 0x5e);
	T_EQ(h.blk.data[DISK_BYTES - 1], 0x4d);
	hba_fini(&h);
}

static void test_sanitize_tells_its_progress_over_all_passes(void)
{
	static const uint8_t immediate[10] = {0x48, 0x81, [8] = 6};
	uint8_t sense[18];

	setup();
	pattern_list(0x02);
	start(1, immediate, 10, 6);
	T_EQ(h.slots[1].status, MP_SCSI_GOOD);
	mp_scsi_free(h.bus, 1);
	for (unsigned int i = 0; i < DISK_BYTES / PIECE_BYTES / 2; i++)
		fake_blk_finish(&h.blk, 0, 0);
	T_EQ(ready(), 1);
	peek_sense(sense);
	T_EQ(code(sense), 0x02041b);
	T_EQ(mp_get_be16(sense + 16), 0x4000);
	fake_blk_finish_all(&h.blk);
	T_EQ(ready(), 0);
	hba_fini(&h);
}

static void check_refused_list(unsigned int at, uint8_t value)
{
	pattern_list(0x01);
	data[at] = value;
	T_EQ(hba_run(&h, overwrite, 10, data, 6), MP_SCSI_CHECK_CONDITION);
	T_EQ(hba_sense(&h), 0x052600);
}

static void test_sanitize_refuses_lists_that_make_no_sense(void)
{
	setup();
	check_refused_list(0, 0x00); /* no pass */
	check_refused_list(0, 0x21); /* TEST */
	check_refused_list(3, 0x00); /* no pattern */
	check_refused_list(3, 0x03); /* more pattern than there is */
	T_EQ(HBA_RUN(&h, data, 4, 0x48, 1, 0, 0, 0, 0, 0, 0, 4, 0), MP_SCSI_CHECK_CONDITION);
	T_EQ(hba_sense(&h), 0x052400);
	T_EQ(HBA_RUN(&h, data, 517, 0x48, 1, 0, 0, 0, 0, 0, 2, 5, 0), MP_SCSI_CHECK_CONDITION);
	T_EQ(hba_sense(&h), 0x052400);
	T_EQ(HBA_RUN(&h, data, 4, 0x48, 2, 0, 0, 0, 0, 0, 0, 4, 0), MP_SCSI_CHECK_CONDITION);
	T_EQ(hba_sense(&h), 0x052400);
	T_EQ(HBA_RUN(&h, data, 0, 0x48, 3, 0, 0, 0, 0, 0, 0, 0, 0), MP_SCSI_CHECK_CONDITION);
	T_EQ(hba_sense(&h), 0x052400);
	check_all(0x55);
	hba_fini(&h);
}

static void test_failed_sanitize_is_left_only_as_it_was_begun(void)
{
	setup();
	run_to(erase, 10, -EIO);
	T_EQ(hba_sense(&h), 0x033103);
	T_EQ(hba_run(&h, exit_failure, 10, NULL, 0), MP_SCSI_CHECK_CONDITION);
	T_EQ(hba_sense(&h), 0x052400);
	T_EQ(hba_run(&h, format_plain, 6, NULL, 0), MP_SCSI_CHECK_CONDITION);
	T_EQ(hba_sense(&h), 0x033103);
	run_to(erase_ause, 10, -EIO);
	T_EQ(hba_sense(&h), 0x033103);
	T_EQ(ready(), 1);
	T_EQ(hba_run(&h, exit_failure, 10, NULL, 0), MP_SCSI_GOOD);
	T_EQ(ready(), 0);
	run_to(erase, 10, -EIO);
	T_EQ(hba_run(&h, erase, 10, NULL, 0), MP_SCSI_GOOD);
	T_EQ(ready(), 0);
	hba_fini(&h);
}

static void test_read_only_disk_is_neither_formatted_nor_sanitized(void)
{
	setup();
	h.blk.read_only = true;
	T_EQ(hba_run(&h, format_plain, 6, NULL, 0), MP_SCSI_CHECK_CONDITION);
	T_EQ(hba_sense(&h), 0x072700);
	T_EQ(hba_run(&h, erase, 10, NULL, 0), MP_SCSI_CHECK_CONDITION);
	T_EQ(hba_sense(&h), 0x072700);
	hba_fini(&h);
}

T_MAIN(T_TEST(test_format_makes_the_whole_medium_zeros), T_TEST(test_format_takes_either_header),
       T_TEST(test_format_refuses_what_it_would_not_do),
       T_TEST(test_format_with_immed_goes_on_behind_its_status),
       T_TEST(test_unit_that_formats_still_tells_what_it_is),
       T_TEST(test_format_begins_when_the_medium_is_at_rest),
       T_TEST(test_commands_that_a_format_overtakes_hear_of_it),
       T_TEST(test_write_in_chunks_ends_where_a_format_came_between),
       T_TEST(test_failed_format_leaves_a_medium_of_no_use), T_TEST(test_aborted_format_goes_on),
       T_TEST(test_format_waits_while_the_bus_is_paused),
       T_TEST(test_power_on_ends_a_job_and_a_bus_reset_does_not),
       T_TEST(test_paused_job_can_be_stopped),
       T_TEST(test_sanitize_overwrites_as_often_as_asked_and_inverts),
       T_TEST(test_sanitize_tells_its_progress_over_all_passes),
       T_TEST(test_sanitize_refuses_lists_that_make_no_sense),
       T_TEST(test_failed_sanitize_is_left_only_as_it_was_begun),
       T_TEST(test_read_only_disk_is_neither_formatted_nor_sanitized))
