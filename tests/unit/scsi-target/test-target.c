/* SPDX-License-Identifier: BSD-3-Clause */
/* The task set: order, tags, abort in each state, resets, a full pool. */
#include <errno.h>

#include "tests/lib/fake_hba.h"
#include "tests/lib/t.h"

static struct fake_hba h;
static uint8_t data[HBA_TASKS][1 << 16];

static const uint8_t tur[6] = {0};
static const uint8_t inquiry[6] = {0x12, 0, 0, 0, 36, 0};
static const uint8_t read1[10] = {0x28, 0, 0, 0, 0, 0, 0, 0, 1, 0};
static const uint8_t read128[10] = {0x28, 0, 0, 0, 0, 0, 0, 0, 128, 0};
static const uint8_t read129[10] = {0x28, 0, 0, 0, 0, 0, 0, 0, 129, 0};
static const uint8_t write1[10] = {0x2a, 0, 0, 0, 0, 0, 0, 0, 1, 0};

static void setup(size_t pool_len)
{
	hba_init(&h, 4 << 20, pool_len);
}

static void start(unsigned int i, enum mp_scsi_attr attr, const uint8_t *cdb, size_t cdb_len)
{
	hba_give(&h, i, data[i], sizeof(data[i]));
	hba_start_tagged(&h, i, attr, cdb, cdb_len);
}

static unsigned int sense_of(unsigned int i)
{
	mp_scsi_free(h.bus, i);
	return hba_sense(&h);
}

/* --- unit attention --- */

static void test_each_reset_has_its_unit_attention(void)
{
	setup(1 << 20);
	mp_scsi_reset(h.bus, MP_SCSI_RESET_LUN, 0, 0);
	T_EQ(hba_run(&h, tur, 6, NULL, 0), MP_SCSI_CHECK_CONDITION);
	T_EQ(hba_sense(&h), 0x062900);
	mp_scsi_reset(h.bus, MP_SCSI_RESET_TARGET, 0, 0);
	T_EQ(hba_run(&h, tur, 6, NULL, 0), MP_SCSI_CHECK_CONDITION);
	T_EQ(hba_sense(&h), 0x062903);
	mp_scsi_reset(h.bus, MP_SCSI_RESET_BUS, 0, 0);
	T_EQ(hba_run(&h, tur, 6, NULL, 0), MP_SCSI_CHECK_CONDITION);
	T_EQ(hba_sense(&h), 0x062902);
	mp_scsi_reset(h.bus, MP_SCSI_RESET_POWER, 0, 0);
	T_EQ(hba_run(&h, tur, 6, NULL, 0), MP_SCSI_CHECK_CONDITION);
	T_EQ(hba_sense(&h), 0x062901);
	T_EQ(hba_run(&h, tur, 6, NULL, 0), MP_SCSI_GOOD);
	hba_fini(&h);
}

static void test_reset_of_another_unit_leaves_this_one_alone(void)
{
	setup(1 << 20);
	mp_scsi_reset(h.bus, MP_SCSI_RESET_LUN, 0, 1);
	mp_scsi_reset(h.bus, MP_SCSI_RESET_TARGET, 1, 0);
	T_EQ(hba_run(&h, tur, 6, NULL, 0), MP_SCSI_GOOD);
	hba_fini(&h);
}

static void test_inquiry_leaves_a_unit_attention_pending(void)
{
	setup(1 << 20);
	mp_scsi_reset(h.bus, MP_SCSI_RESET_BUS, 0, 0);
	T_EQ(hba_run(&h, inquiry, 6, data[0], 36), MP_SCSI_GOOD);
	T_EQ(hba_run(&h, tur, 6, NULL, 0), MP_SCSI_CHECK_CONDITION);
	hba_fini(&h);
}

static void test_request_sense_reports_and_clears_a_unit_attention(void)
{
	setup(1 << 20);
	mp_scsi_reset(h.bus, MP_SCSI_RESET_BUS, 0, 0);
	T_EQ(hba_sense(&h), 0x062902);
	T_EQ(hba_run(&h, tur, 6, NULL, 0), MP_SCSI_GOOD);
	hba_fini(&h);
}

static void test_the_wider_reset_wins(void)
{
	setup(1 << 20);
	mp_scsi_reset(h.bus, MP_SCSI_RESET_POWER, 0, 0);
	mp_scsi_reset(h.bus, MP_SCSI_RESET_LUN, 0, 0);
	T_EQ(hba_sense(&h), 0x062901);
	hba_fini(&h);
}

/* --- order --- */

static void test_simple_tasks_run_side_by_side_and_end_in_any_order(void)
{
	setup(1 << 20);
	start(1, MP_SCSI_SIMPLE, read1, 10);
	start(2, MP_SCSI_SIMPLE, read1, 10);
	T_EQ(h.blk.n_reqs, 2);
	fake_blk_finish(&h.blk, 1, 0);
	T_EQ(h.slots[2].status, MP_SCSI_GOOD);
	T_EQ(h.slots[1].status, -1);
	hba_fini(&h);
}

static void test_ordered_task_waits_for_older_and_holds_younger(void)
{
	setup(1 << 20);
	start(1, MP_SCSI_SIMPLE, read1, 10);
	start(2, MP_SCSI_ORDERED, read1, 10);
	start(3, MP_SCSI_SIMPLE, read1, 10);
	T_EQ(h.blk.n_reqs, 1);
	fake_blk_finish(&h.blk, 0, 0);
	T_EQ(h.slots[1].status, MP_SCSI_GOOD);
	T_EQ(h.blk.n_reqs, 1);
	T_EQ(h.tasks[3].state, MP_SCSI_WAITING);
	fake_blk_finish(&h.blk, 0, 0);
	T_EQ(h.slots[2].status, MP_SCSI_GOOD);
	T_EQ(h.blk.n_reqs, 1);
	hba_fini(&h);
}

static void test_head_of_queue_task_overtakes_what_waits(void)
{
	setup(1 << 20);
	start(1, MP_SCSI_SIMPLE, read1, 10);
	start(2, MP_SCSI_ORDERED, read1, 10);
	start(3, MP_SCSI_HEAD_OF_QUEUE, read1, 10);
	T_EQ(h.tasks[3].state, MP_SCSI_MEDIUM);
	fake_blk_finish(&h.blk, 0, 0);
	/* The ordered one waits for the head of queue too. */
	T_EQ(h.tasks[2].state, MP_SCSI_WAITING);
	fake_blk_finish(&h.blk, 0, 0);
	T_EQ(h.tasks[2].state, MP_SCSI_MEDIUM);
	hba_fini(&h);
}

static void test_task_that_waited_leaves_the_sense_of_the_one_before(void)
{
	setup(1 << 20);
	start(1, MP_SCSI_SIMPLE, read1, 10);
	start(2, MP_SCSI_ORDERED, read1, 10);
	fake_blk_finish(&h.blk, 0, -EIO);
	T_EQ(h.tasks[2].state, MP_SCSI_MEDIUM);
	T_EQ(sense_of(1), 0x031100);
	hba_fini(&h);
}

static void test_request_sense_passes_tasks_that_wait(void)
{
	setup(1 << 20);
	start(1, MP_SCSI_SIMPLE, read1, 10);
	start(2, MP_SCSI_ORDERED, read1, 10);
	T_EQ(hba_sense(&h), 0);
	hba_fini(&h);
}

static void test_task_that_holds_the_bus_passes_tasks_that_need_it(void)
{
	setup(1 << 20);
	h.hold_xfers = true;
	start(1, MP_SCSI_ORDERED, read1, 10);
	fake_blk_finish(&h.blk, 0, 0); /* now it waits for the bus */
	start(2, MP_SCSI_SIMPLE, read1, 10);
	h.tasks[3].fast = 1;
	start(3, MP_SCSI_UNTAGGED, read1, 10);
	T_EQ(h.tasks[2].state, MP_SCSI_WAITING);
	T_EQ(h.tasks[3].state, MP_SCSI_MEDIUM);
	hba_fini(&h);
}

/* --- tags --- */

static void test_tag_in_use_is_an_overlapped_command(void)
{
	setup(1 << 20);
	start(1, MP_SCSI_SIMPLE, read1, 10);
	h.slots[3] = (struct hba_slot){.data = data[3], .data_len = 512, .status = -1};
	h.tasks[3] = h.tasks[1]; /* same nexus, same tag */
	h.tasks[3].state = MP_SCSI_FREE;
	mp_scsi_submit(h.bus, 3);
	T_EQ(h.slots[3].status, MP_SCSI_CHECK_CONDITION);
	T_EQ(sense_of(3), 0x0b4d01);
	hba_fini(&h);
}

static void test_second_untagged_task_is_an_overlapped_command(void)
{
	setup(1 << 20);
	start(1, MP_SCSI_UNTAGGED, read1, 10);
	start(2, MP_SCSI_UNTAGGED, read1, 10);
	T_EQ(h.slots[2].status, MP_SCSI_CHECK_CONDITION);
	T_EQ(sense_of(2), 0x0b4e00);
	hba_fini(&h);
}

static void test_overlap_ends_all_that_the_initiator_has_there(void)
{
	setup(1 << 20);
	start(1, MP_SCSI_UNTAGGED, read1, 10);
	start(3, MP_SCSI_SIMPLE, read1, 10);
	start(4, MP_SCSI_ORDERED, read1, 10);
	h.initiator = 6;
	start(5, MP_SCSI_ORDERED, inquiry, 6);
	start(6, MP_SCSI_ORDERED, read1, 10);
	h.initiator = 7;
	start(2, MP_SCSI_UNTAGGED, read1, 10);
	/* What waits ends at once, what the medium works on when it has. */
	T_EQ(h.slots[4].status, MP_SCSI_TASK_ABORTED);
	T_EQ(h.slots[3].status, -1);
	T_EQ(h.blk.n_cancels, 2);
	fake_blk_finish(&h.blk, 0, -ECANCELED);
	fake_blk_finish(&h.blk, 0, 0);
	T_EQ(h.slots[1].status, MP_SCSI_TASK_ABORTED);
	T_EQ(h.slots[3].status, MP_SCSI_TASK_ABORTED);
	T_EQ(h.slots[1].n_moved + h.slots[3].n_moved, 0);
	/* Another initiator's go on. */
	T_EQ(h.slots[5].status, MP_SCSI_GOOD);
	T_EQ(h.slots[6].status, MP_SCSI_CHECK_CONDITION); /* power on */
	hba_fini(&h);
}

static void test_tag_is_free_after_free_and_after_abort(void)
{
	setup(1 << 20);
	for (int i = 0; i < 3; i++) {
		start(1, MP_SCSI_SIMPLE, read1, 10);
		fake_blk_finish(&h.blk, 0, 0);
		T_EQ(h.slots[1].status, MP_SCSI_GOOD);
		mp_scsi_free(h.bus, 1);
	}
	start(1, MP_SCSI_UNTAGGED, read1, 10);
	mp_scsi_abort_task(h.bus, 1);
	start(2, MP_SCSI_UNTAGGED, read1, 10);
	T_EQ(h.slots[2].status, -1);
	hba_fini(&h);
}

/* --- abort, in each state --- */

static void test_abort_of_a_free_task_does_nothing(void)
{
	setup(1 << 20);
	mp_scsi_abort_task(h.bus, 5);
	T_EQ(h.tasks[5].state, MP_SCSI_FREE);
	hba_fini(&h);
}

static void test_abort_while_it_waits_for_its_turn(void)
{
	setup(1 << 20);
	start(1, MP_SCSI_SIMPLE, read1, 10);
	start(2, MP_SCSI_ORDERED, read1, 10);
	start(3, MP_SCSI_SIMPLE, read1, 10);
	mp_scsi_abort_task(h.bus, 2);
	T_EQ(h.tasks[2].state, MP_SCSI_FREE);
	/* What it held back runs. */
	T_EQ(h.tasks[3].state, MP_SCSI_MEDIUM);
	fake_blk_finish_all(&h.blk);
	T_EQ(h.slots[2].status, -1);
	hba_fini(&h);
}

static void test_abort_while_the_medium_works(void)
{
	setup(1 << 20);
	start(1, MP_SCSI_SIMPLE, read1, 10);
	mp_scsi_abort_task(h.bus, 1);
	T_EQ(h.tasks[1].state, MP_SCSI_ABORTING);
	T_EQ(h.blk.n_cancels, 1);
	T_EQ(mp_scsi_bus_n_busy(h.bus), 1);
	mp_scsi_abort_task(h.bus, 1); /* twice is fine */
	fake_blk_finish(&h.blk, 0, -ECANCELED);
	T_EQ(h.tasks[1].state, MP_SCSI_FREE);
	T_EQ(h.slots[1].status, -1);
	T_EQ(h.slots[1].n_moved, 0);
	T_EQ(mp_scsi_bus_n_busy(h.bus), 0);
	T_EQ(mp_scsi_bus_counters(h.bus)->n_io_errors, 0);
	hba_fini(&h);
}

static void test_abort_while_data_moves(void)
{
	setup(1 << 20);
	h.hold_xfers = true;
	start(1, MP_SCSI_SIMPLE, read1, 10);
	fake_blk_finish(&h.blk, 0, 0);
	T_EQ(h.tasks[1].state, MP_SCSI_XFER);
	mp_scsi_abort_task(h.bus, 1);
	T_EQ(h.tasks[1].state, MP_SCSI_FREE);
	T_EQ(h.slots[1].status, -1);
	hba_fini(&h);
}

static void test_abort_before_the_status_is_delivered(void)
{
	setup(1 << 20);
	start(1, MP_SCSI_SIMPLE, tur, 6);
	T_EQ(h.tasks[1].state, MP_SCSI_STATUS);
	mp_scsi_abort_task(h.bus, 1);
	T_EQ(h.tasks[1].state, MP_SCSI_FREE);
	hba_fini(&h);
}

static void test_nothing_overtakes_an_aborted_write(void)
{
	setup(1 << 20);
	start(1, MP_SCSI_SIMPLE, write1, 10);
	mp_scsi_abort_task(h.bus, 1);
	start(2, MP_SCSI_SIMPLE, write1, 10);
	T_EQ(h.tasks[2].state, MP_SCSI_WAITING);
	T_EQ(h.blk.n_reqs, 1);
	fake_blk_finish(&h.blk, 0, 0);
	T_EQ(h.tasks[2].state, MP_SCSI_MEDIUM);
	hba_fini(&h);
}

static void test_bus_reset_ends_everything_at_once(void)
{
	setup(1 << 20);
	h.hold_xfers = true;
	start(1, MP_SCSI_SIMPLE, read1, 10);
	fake_blk_finish(&h.blk, 0, 0); /* XFER */
	start(2, MP_SCSI_SIMPLE, read1, 10); /* MEDIUM */
	start(3, MP_SCSI_ORDERED, read1, 10); /* WAITING */
	start(4, MP_SCSI_SIMPLE, inquiry, 6); /* XFER */
	mp_scsi_reset(h.bus, MP_SCSI_RESET_BUS, 0, 0);
	T_EQ(h.tasks[1].state, MP_SCSI_FREE);
	T_EQ(h.tasks[2].state, MP_SCSI_ABORTING);
	T_EQ(h.tasks[3].state, MP_SCSI_FREE);
	T_EQ(h.tasks[4].state, MP_SCSI_FREE);
	/* Aborting the second did not start the third. */
	T_EQ(h.blk.n_reqs, 1);
	fake_blk_finish_all(&h.blk);
	T_EQ(h.n_finished, 1); /* the set-up's REQUEST SENSE */
	hba_fini(&h);
}

static void test_cancel_all_raises_no_unit_attention(void)
{
	setup(1 << 20);
	start(1, MP_SCSI_SIMPLE, read1, 10);
	mp_scsi_cancel_all(h.bus);
	fake_blk_finish_all(&h.blk);
	T_EQ(hba_run(&h, tur, 6, NULL, 0), MP_SCSI_GOOD);
	hba_fini(&h);
}

/* --- the pool: 128 KiB are one chunk for all and one for who holds the bus --- */

static void test_tasks_without_room_wait_in_order(void)
{
	setup(128 << 10);
	h.hold_xfers = true;
	start(1, MP_SCSI_SIMPLE, read128, 10);
	start(2, MP_SCSI_SIMPLE, read128, 10);
	start(3, MP_SCSI_SIMPLE, read1, 10);
	T_EQ(h.tasks[2].state, MP_SCSI_WAITING);
	T_EQ(h.tasks[3].state, MP_SCSI_WAITING);
	fake_blk_finish(&h.blk, 0, 0);
	hba_move(&h, 1);
	T_EQ(h.slots[1].status, MP_SCSI_GOOD);
	T_EQ(h.tasks[2].state, MP_SCSI_MEDIUM);
	/* Its page would fit nowhere either way; but it came later. */
	T_EQ(h.tasks[3].state, MP_SCSI_WAITING);
	fake_blk_finish(&h.blk, 0, 0);
	hba_move(&h, 2);
	T_EQ(h.tasks[3].state, MP_SCSI_MEDIUM);
	hba_fini(&h);
}

static void test_small_task_does_not_overtake_a_large_one_that_waits(void)
{
	setup(128 << 10);
	h.hold_xfers = true;
	start(1, MP_SCSI_SIMPLE, read1, 10);
	start(2, MP_SCSI_SIMPLE, read128, 10); /* 15 pages are free, it needs 16 */
	start(3, MP_SCSI_SIMPLE, read1, 10);
	T_EQ(h.tasks[2].state, MP_SCSI_WAITING);
	T_EQ(h.tasks[3].state, MP_SCSI_WAITING);
	hba_fini(&h);
}

static void test_full_pool_still_serves_the_task_that_holds_the_bus(void)
{
	setup(128 << 10);
	h.hold_xfers = true;
	start(1, MP_SCSI_SIMPLE, read128, 10);
	fake_blk_finish(&h.blk, 0, 0); /* waits for the bus, with all pages */
	start(2, MP_SCSI_SIMPLE, read128, 10);
	h.tasks[3].fast = 1;
	start(3, MP_SCSI_UNTAGGED, read128, 10);
	T_EQ(h.tasks[2].state, MP_SCSI_WAITING);
	T_EQ(h.tasks[3].state, MP_SCSI_MEDIUM);
	hba_fini(&h);
}

/* It used to wait for the buffer of a task that waited for the bus. */
static void test_task_that_keeps_the_bus_from_now_on_gets_its_buffer(void)
{
	setup(128 << 10);
	h.hold_xfers = true;
	start(1, MP_SCSI_SIMPLE, read128, 10);
	fake_blk_finish(&h.blk, 0, 0);
	start(2, MP_SCSI_SIMPLE, read128, 10);
	start(3, MP_SCSI_SIMPLE, read128, 10);
	mp_scsi_keeps_bus(h.bus, 3);
	T_EQ(h.tasks[2].state, MP_SCSI_WAITING);
	T_EQ(h.tasks[3].state, MP_SCSI_MEDIUM);
	hba_fini(&h);
}

static void test_task_that_keeps_the_bus_from_now_on_gets_its_turn(void)
{
	setup(1 << 20);
	h.hold_xfers = true;
	start(1, MP_SCSI_ORDERED, read1, 10);
	fake_blk_finish(&h.blk, 0, 0);
	start(2, MP_SCSI_SIMPLE, read1, 10);
	start(4, MP_SCSI_SIMPLE, read1, 10);
	mp_scsi_keeps_bus(h.bus, 4);
	T_EQ(h.tasks[2].state, MP_SCSI_WAITING);
	T_EQ(h.tasks[4].state, MP_SCSI_MEDIUM);
	hba_fini(&h);
}

static void test_abort_while_it_waits_for_a_buffer(void)
{
	setup(128 << 10);
	h.hold_xfers = true;
	start(1, MP_SCSI_SIMPLE, read1, 10);
	start(2, MP_SCSI_SIMPLE, read128, 10);
	start(3, MP_SCSI_SIMPLE, read1, 10);
	mp_scsi_abort_task(h.bus, 2);
	T_EQ(h.tasks[2].state, MP_SCSI_FREE);
	T_EQ(h.tasks[3].state, MP_SCSI_MEDIUM);
	hba_fini(&h);
}

static void test_smallest_pool_serves_commands_of_any_size(void)
{
	static uint8_t big[129 * 512];

	setup(MP_SCSI_CHUNK_BYTES);
	memset(h.blk.data, 0x77, sizeof(big));
	T_EQ(hba_run(&h, read129, 10, big, sizeof(big)), MP_SCSI_GOOD);
	T_EQ(h.slots[0].n_moved, sizeof(big));
	T_MEM_EQ(big, h.blk.data, sizeof(big));
	hba_fini(&h);
}

static void test_more_tasks_than_room_all_end(void)
{
	setup(MP_SCSI_CHUNK_BYTES);
	for (unsigned int i = 1; i < HBA_TASKS; i++)
		start(i, MP_SCSI_SIMPLE, read128, 10);
	fake_blk_finish_all(&h.blk);
	for (unsigned int i = 1; i < HBA_TASKS; i++)
		T_EQ(h.slots[i].status, MP_SCSI_GOOD);
	/* Same size, same age order: the oldest ended first. */
	T_EQ(h.finished[1], 1);
	T_EQ(h.finished[HBA_TASKS - 1], HBA_TASKS - 1);
	hba_fini(&h);
}

T_MAIN(T_TEST(test_each_reset_has_its_unit_attention),
       T_TEST(test_reset_of_another_unit_leaves_this_one_alone),
       T_TEST(test_inquiry_leaves_a_unit_attention_pending),
       T_TEST(test_request_sense_reports_and_clears_a_unit_attention),
       T_TEST(test_the_wider_reset_wins),
       T_TEST(test_simple_tasks_run_side_by_side_and_end_in_any_order),
       T_TEST(test_ordered_task_waits_for_older_and_holds_younger),
       T_TEST(test_head_of_queue_task_overtakes_what_waits),
       T_TEST(test_task_that_waited_leaves_the_sense_of_the_one_before),
       T_TEST(test_request_sense_passes_tasks_that_wait),
       T_TEST(test_task_that_holds_the_bus_passes_tasks_that_need_it),
       T_TEST(test_tag_in_use_is_an_overlapped_command),
       T_TEST(test_second_untagged_task_is_an_overlapped_command),
       T_TEST(test_overlap_ends_all_that_the_initiator_has_there),
       T_TEST(test_tag_is_free_after_free_and_after_abort),
       T_TEST(test_abort_of_a_free_task_does_nothing),
       T_TEST(test_abort_while_it_waits_for_its_turn), T_TEST(test_abort_while_the_medium_works),
       T_TEST(test_abort_while_data_moves), T_TEST(test_abort_before_the_status_is_delivered),
       T_TEST(test_nothing_overtakes_an_aborted_write),
       T_TEST(test_bus_reset_ends_everything_at_once),
       T_TEST(test_cancel_all_raises_no_unit_attention),
       T_TEST(test_tasks_without_room_wait_in_order),
       T_TEST(test_small_task_does_not_overtake_a_large_one_that_waits),
       T_TEST(test_full_pool_still_serves_the_task_that_holds_the_bus),
       T_TEST(test_task_that_keeps_the_bus_from_now_on_gets_its_buffer),
       T_TEST(test_task_that_keeps_the_bus_from_now_on_gets_its_turn),
       T_TEST(test_abort_while_it_waits_for_a_buffer),
       T_TEST(test_smallest_pool_serves_commands_of_any_size),
       T_TEST(test_more_tasks_than_room_all_end))
