/* SPDX-License-Identifier: BSD-3-Clause */
/* Units that come and go while the bus is used. */
#include <errno.h>

#include "scsi-target/bus.h"
#include "tests/lib/fake_hba.h"
#include "tests/lib/t.h"

static struct fake_hba h;
static struct mp_blk second;
static uint8_t data[HBA_TASKS][1 << 16];

static const uint8_t tur[6] = {0};
static const uint8_t inquiry[6] = {0x12, 0, 0, 0, 36, 0};
static const uint8_t read1[10] = {0x28, 0, 0, 0, 0, 0, 0, 0, 1, 0};
static const uint8_t write1[10] = {0x2a, 0, 0, 0, 0, 0, 0, 0, 1, 0};

static void setup(void)
{
	hba_init(&h, 1 << 20, 1 << 20);
	fake_blk_init(&second, 1 << 20);
}

static void teardown(void)
{
	mp_scsi_cancel_all(h.bus);
	fake_blk_finish_all(&second);
	hba_fini(&h);
	fake_blk_fini(&second);
}

static int add_second(unsigned int target, unsigned int lun)
{
	struct mp_scsi_disk_cfg disk = {
		.target = target, .lun = lun, .blk = &second, .logical_bytes = 512};

	return mp_scsi_disk_add(h.bus, &disk);
}

static void start(unsigned int i, enum mp_scsi_attr attr, const uint8_t *cdb, size_t cdb_len)
{
	hba_give(&h, i, data[i], sizeof(data[i]));
	hba_start_tagged(&h, i, attr, cdb, cdb_len);
}

static int run_at(unsigned int lun, const uint8_t *cdb, size_t cdb_len)
{
	int status;

	h.tasks[0].lun = (uint8_t)lun;
	status = hba_run(&h, cdb, cdb_len, data[0], sizeof(data[0]));
	h.tasks[0].lun = 0;
	return status;
}

static unsigned int sense_at(unsigned int lun)
{
	unsigned int sense;

	h.tasks[0].lun = (uint8_t)lun;
	sense = hba_sense(&h);
	h.tasks[0].lun = 0;
	return sense;
}

/* --- who finds what --- */

static void test_a_target_without_units_answers_no_selection(void)
{
	setup();
	T_OK(mp_scsi_target_present(h.bus, 0));
	T_EQ(mp_scsi_unit_remove(h.bus, 0, 0), 0);
	T_OK(!mp_scsi_target_present(h.bus, 0));
	T_EQ(mp_scsi_unit_remove(h.bus, 0, 0), -ENOENT);
	T_EQ(mp_scsi_unit_remove(h.bus, 99, 99), -ENOENT);
	teardown();
}

static void test_a_unit_that_is_gone_is_not_supported(void)
{
	setup();
	T_EQ(add_second(0, 3), 0);
	T_EQ(mp_scsi_unit_remove(h.bus, 0, 3), 0);
	T_EQ(run_at(3, read1, 10), MP_SCSI_CHECK_CONDITION);
	T_EQ(sense_at(3), 0x052500);
	teardown();
}

static void test_its_siblings_say_that_the_luns_have_changed(void)
{
	setup();
	T_EQ(add_second(0, 3), 0);
	T_EQ(run_at(0, tur, 6), MP_SCSI_CHECK_CONDITION);
	T_EQ(sense_at(0), 0x063f0e);
	T_EQ(run_at(0, tur, 6), MP_SCSI_GOOD);
	T_EQ(mp_scsi_unit_remove(h.bus, 0, 3), 0);
	T_EQ(run_at(0, tur, 6), MP_SCSI_CHECK_CONDITION);
	T_EQ(sense_at(0), 0x063f0e);
	T_EQ(run_at(0, tur, 6), MP_SCSI_GOOD);
	teardown();
}

static void test_units_of_other_targets_hear_nothing(void)
{
	setup();
	T_EQ(add_second(1, 0), 0);
	T_EQ(mp_scsi_unit_remove(h.bus, 1, 0), 0);
	T_EQ(run_at(0, tur, 6), MP_SCSI_GOOD);
	teardown();
}

static void test_another_unit_may_take_the_place_at_once(void)
{
	setup();
	start(1, MP_SCSI_SIMPLE, write1, 10);
	T_EQ(mp_scsi_unit_remove(h.bus, 0, 0), 0);
	T_EQ(add_second(0, 0), 0);
	T_EQ(add_second(0, 0), -EEXIST);
	T_EQ(run_at(0, tur, 6), MP_SCSI_CHECK_CONDITION);
	T_EQ(sense_at(0), 0x062901); /* a unit that has just been switched on */
	T_EQ(run_at(0, tur, 6), MP_SCSI_GOOD);
	fake_blk_finish(&h.blk, 0, 0);
	T_EQ(h.slots[1].status, MP_SCSI_TASK_ABORTED);
	T_EQ(run_at(0, tur, 6), MP_SCSI_GOOD);
	teardown();
}

/* --- commands under way --- */

static void test_a_command_whose_request_is_in_flight_ends_with_it(void)
{
	setup();
	start(1, MP_SCSI_SIMPLE, write1, 10);
	T_EQ(mp_scsi_unit_remove(h.bus, 0, 0), 0);
	T_EQ(h.blk.n_cancels, 1);
	T_EQ(h.slots[1].status, -1);
	T_OK(mp_scsi_uses(h.bus, &h.blk));
	fake_blk_finish(&h.blk, 0, -ECANCELED);
	T_OK(!mp_scsi_uses(h.bus, &h.blk));
	T_EQ(h.slots[1].status, MP_SCSI_TASK_ABORTED);
	mp_scsi_free(h.bus, 1);
	T_EQ(h.tasks[1].state, MP_SCSI_FREE);
	teardown();
}

static void test_commands_that_wait_end_at_once(void)
{
	setup();
	start(1, MP_SCSI_SIMPLE, read1, 10);
	start(2, MP_SCSI_ORDERED, read1, 10);
	start(3, MP_SCSI_SIMPLE, read1, 10);
	T_EQ(mp_scsi_unit_remove(h.bus, 0, 0), 0);
	T_EQ(h.slots[2].status, MP_SCSI_TASK_ABORTED);
	T_EQ(h.slots[3].status, MP_SCSI_TASK_ABORTED);
	T_EQ(h.bus->n_dormant, 0);
	fake_blk_finish_all(&h.blk);
	T_EQ(h.slots[1].status, MP_SCSI_TASK_ABORTED);
	teardown();
}

static void test_a_command_whose_data_moves_ends_after_that(void)
{
	setup();
	h.hold_xfers = true;
	start(1, MP_SCSI_SIMPLE, write1, 10);
	T_EQ(mp_scsi_unit_remove(h.bus, 0, 0), 0);
	T_EQ(h.tasks[1].state, MP_SCSI_XFER);
	hba_move(&h, 1);
	T_EQ(h.slots[1].status, MP_SCSI_TASK_ABORTED);
	T_EQ(h.blk.n_op[MP_BLK_WRITE], 0);
	teardown();
}

static void test_a_status_that_is_on_its_way_stays_what_it_is(void)
{
	setup();
	start(1, MP_SCSI_SIMPLE, tur, 6);
	start(2, MP_SCSI_SIMPLE, (const uint8_t[6]){0xff}, 6);
	T_EQ(mp_scsi_unit_remove(h.bus, 0, 0), 0);
	T_EQ(h.slots[1].status, MP_SCSI_GOOD);
	T_EQ(h.slots[2].status, MP_SCSI_CHECK_CONDITION);
	mp_scsi_free(h.bus, 1);
	mp_scsi_free(h.bus, 2);
	teardown();
}

static void test_a_removal_while_paused_ends_what_was_kept(void)
{
	setup();
	h.hold_xfers = true;
	start(1, MP_SCSI_SIMPLE, write1, 10);
	mp_scsi_pause(h.bus);
	hba_move(&h, 1); /* its request is kept */
	start(2, MP_SCSI_SIMPLE, read1, 10); /* is held */
	T_EQ(mp_scsi_unit_remove(h.bus, 0, 0), 0);
	T_EQ(h.slots[1].status, MP_SCSI_TASK_ABORTED);
	T_EQ(h.slots[2].status, MP_SCSI_TASK_ABORTED);
	mp_scsi_continue(h.bus);
	T_EQ(h.blk.n_reqs, 0);
	teardown();
}

static void test_an_aborted_command_ends_in_silence_all_the_same(void)
{
	setup();
	start(1, MP_SCSI_SIMPLE, write1, 10);
	mp_scsi_abort_task(h.bus, 1);
	T_EQ(mp_scsi_unit_remove(h.bus, 0, 0), 0);
	T_OK(mp_scsi_uses(h.bus, &h.blk));
	fake_blk_finish(&h.blk, 0, 0);
	T_EQ(h.slots[1].status, -1);
	T_EQ(h.tasks[1].state, MP_SCSI_FREE);
	teardown();
}

static void test_a_format_ends_with_its_present_request(void)
{
	static const uint8_t format[6] = {0x04};

	setup();
	start(1, MP_SCSI_SIMPLE, format, 6);
	T_EQ(h.blk.n_reqs, 1);
	T_EQ(mp_scsi_unit_remove(h.bus, 0, 0), 0);
	T_EQ(h.slots[1].status, MP_SCSI_TASK_ABORTED);
	mp_scsi_free(h.bus, 1);
	T_OK(mp_scsi_uses(h.bus, &h.blk));
	T_EQ(add_second(2, 0), 0); /* looks for units to free */
	fake_blk_finish(&h.blk, 0, 0);
	T_OK(!mp_scsi_uses(h.bus, &h.blk));
	T_EQ(h.blk.n_reqs, 0);
	teardown();
}

static void test_a_drive_may_go_with_its_disc(void)
{
	struct mp_scsi_cd_cfg cd = {.target = 4, .blk = &second};

	setup();
	T_EQ(mp_scsi_cd_add(h.bus, &cd), 0);
	T_EQ(mp_scsi_unit_remove(h.bus, 4, 0), 0);
	T_EQ(mp_scsi_cd_change(h.bus, 4, 0, NULL), -ENOENT);
	T_OK(!mp_scsi_uses(h.bus, &second));
	teardown();
}

/* --- what is left behind --- */

static void test_a_unit_that_has_left_is_freed_when_nobody_points_to_it(void)
{
	setup();
	start(1, MP_SCSI_SIMPLE, inquiry, 6);
	T_EQ(mp_scsi_unit_remove(h.bus, 0, 0), 0);
	T_OK(h.bus->leaving != NULL);
	T_EQ(add_second(1, 0), 0);
	T_OK(h.bus->leaving != NULL); /* a status hasn't been delivered yet */
	mp_scsi_free(h.bus, 1);
	T_EQ(mp_scsi_unit_remove(h.bus, 1, 0), 0);
	T_OK(h.bus->leaving == NULL);
	teardown();
}

T_MAIN(T_TEST(test_a_target_without_units_answers_no_selection),
       T_TEST(test_a_unit_that_is_gone_is_not_supported),
       T_TEST(test_its_siblings_say_that_the_luns_have_changed),
       T_TEST(test_units_of_other_targets_hear_nothing),
       T_TEST(test_another_unit_may_take_the_place_at_once),
       T_TEST(test_a_command_whose_request_is_in_flight_ends_with_it),
       T_TEST(test_commands_that_wait_end_at_once),
       T_TEST(test_a_command_whose_data_moves_ends_after_that),
       T_TEST(test_a_status_that_is_on_its_way_stays_what_it_is),
       T_TEST(test_a_removal_while_paused_ends_what_was_kept),
       T_TEST(test_an_aborted_command_ends_in_silence_all_the_same),
       T_TEST(test_a_format_ends_with_its_present_request),
       T_TEST(test_a_drive_may_go_with_its_disc),
       T_TEST(test_a_unit_that_has_left_is_freed_when_nobody_points_to_it))
