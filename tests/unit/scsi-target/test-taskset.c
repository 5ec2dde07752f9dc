/* SPDX-License-Identifier: BSD-3-Clause */
/* Task sets and task management: the order of every pair, TST, QAM, QERR, TAS, SWP. */
#include <errno.h>

#include "scsi-target/bus.h"
#include "tests/lib/fake_hba.h"
#include "tests/lib/t.h"

static struct fake_hba h;
static struct mp_scsi_control *control;
static uint8_t data[HBA_TASKS][4096];
static unsigned int aborted[HBA_TASKS], n_aborted;

static const uint8_t tur[6] = {0};
static const uint8_t bad[6] = {0xff};
static const uint8_t read1[10] = {0x28, 0, 0, 0, 0, 0, 0, 0, 1, 0};
static const uint8_t write1[10] = {0x2a, 0, 0, 0, 0, 0, 0, 0, 1, 0};

static void on_aborted(void *opaque, unsigned int task)
{
	(void)opaque;
	aborted[n_aborted++] = task;
}

/* Initiators 6 and 7 are known; no upcall for silent ends, as for most adapters. */
static void setup(void)
{
	hba_init(&h, 1 << 20, 1 << 20);
	control = &h.bus->by_id[0][0]->control;
	h.initiator = 6;
	hba_sense(&h);
	h.initiator = 7;
	n_aborted = 0;
}

static void setup_with_upcall(void)
{
	static struct mp_scsi_ops ops;

	setup();
	ops = hba_ops;
	ops.aborted = on_aborted;
	hba_remake(&h, &ops, (struct mp_scsi_disk_cfg){.logical_bytes = 512});
	control = &h.bus->by_id[0][0]->control;
	h.initiator = 6;
	hba_sense(&h);
	h.initiator = 7;
}

static void start(unsigned int i, enum mp_scsi_attr attr, const uint8_t *cdb)
{
	hba_give(&h, i, data[i], 512);
	hba_start_tagged(&h, i, attr, cdb, cdb[0] == 0x28 || cdb[0] == 0x2a ? 10 : 6);
}

static void start_by(uint8_t initiator, unsigned int i, enum mp_scsi_attr attr, const uint8_t *cdb)
{
	h.initiator = initiator;
	start(i, attr, cdb);
	h.initiator = 7;
}

static unsigned int sense_for(uint8_t initiator)
{
	unsigned int sense;

	h.initiator = initiator;
	sense = hba_sense(&h);
	h.initiator = 7;
	return sense;
}

/* --- the order of each pair: does the second run while the first does? --- */

static bool runs_beside(enum mp_scsi_attr first, enum mp_scsi_attr second)
{
	bool runs;

	setup();
	start(1, first, read1);
	start(2, second, read1);
	runs = h.tasks[2].state == MP_SCSI_MEDIUM;
	fake_blk_finish_all(&h.blk);
	T_EQ(h.slots[1].status, MP_SCSI_GOOD);
	T_EQ(h.slots[2].status, MP_SCSI_GOOD);
	hba_fini(&h);
	return runs;
}

static void test_order_after_a_simple_task(void)
{
	T_OK(runs_beside(MP_SCSI_SIMPLE, MP_SCSI_SIMPLE));
	T_OK(runs_beside(MP_SCSI_SIMPLE, MP_SCSI_HEAD_OF_QUEUE));
	T_OK(!runs_beside(MP_SCSI_SIMPLE, MP_SCSI_ORDERED));
	T_OK(runs_beside(MP_SCSI_SIMPLE, MP_SCSI_UNTAGGED));
}

static void test_order_after_an_ordered_task(void)
{
	T_OK(!runs_beside(MP_SCSI_ORDERED, MP_SCSI_SIMPLE));
	T_OK(runs_beside(MP_SCSI_ORDERED, MP_SCSI_HEAD_OF_QUEUE));
	T_OK(!runs_beside(MP_SCSI_ORDERED, MP_SCSI_ORDERED));
	T_OK(!runs_beside(MP_SCSI_ORDERED, MP_SCSI_UNTAGGED));
}

static void test_order_after_a_head_of_queue_task(void)
{
	T_OK(!runs_beside(MP_SCSI_HEAD_OF_QUEUE, MP_SCSI_SIMPLE));
	T_OK(runs_beside(MP_SCSI_HEAD_OF_QUEUE, MP_SCSI_HEAD_OF_QUEUE));
	T_OK(!runs_beside(MP_SCSI_HEAD_OF_QUEUE, MP_SCSI_ORDERED));
	T_OK(!runs_beside(MP_SCSI_HEAD_OF_QUEUE, MP_SCSI_UNTAGGED));
}

static void test_order_after_an_untagged_task(void)
{
	T_OK(runs_beside(MP_SCSI_UNTAGGED, MP_SCSI_SIMPLE));
	T_OK(runs_beside(MP_SCSI_UNTAGGED, MP_SCSI_HEAD_OF_QUEUE));
	T_OK(!runs_beside(MP_SCSI_UNTAGGED, MP_SCSI_ORDERED));
}

static void test_later_head_of_queue_tasks_go_first(void)
{
	setup();
	start(1, MP_SCSI_SIMPLE, write1);
	mp_scsi_abort_task(h.bus, 1); /* until it is over, nothing starts */
	start(2, MP_SCSI_HEAD_OF_QUEUE, tur);
	start(3, MP_SCSI_HEAD_OF_QUEUE, tur);
	h.n_finished = 0;
	fake_blk_finish(&h.blk, 0, 0);
	T_EQ(h.finished[0], 3);
	T_EQ(h.finished[1], 2);
	hba_fini(&h);
}

static void test_naca_and_link_are_refused(void)
{
	setup();
	T_EQ(HBA_RUN(&h, NULL, 0, 0, 0, 0, 0, 0, 0x04), MP_SCSI_CHECK_CONDITION);
	T_EQ(hba_sense(&h), 0x052400);
	T_EQ(HBA_RUN(&h, NULL, 0, 0, 0, 0, 0, 0, 0x01), MP_SCSI_CHECK_CONDITION);
	T_EQ(hba_sense(&h), 0x052400);
	hba_fini(&h);
}

/* --- TST --- */

static void test_shared_set_orders_the_tasks_of_all_initiators(void)
{
	setup();
	start(1, MP_SCSI_ORDERED, read1);
	start_by(6, 2, MP_SCSI_SIMPLE, read1);
	T_EQ(h.tasks[2].state, MP_SCSI_WAITING);
	fake_blk_finish(&h.blk, 0, 0);
	T_EQ(h.tasks[2].state, MP_SCSI_MEDIUM);
	hba_fini(&h);
}

static void test_own_sets_order_the_tasks_of_one_initiator_only(void)
{
	setup();
	control->tst = 1;
	start(1, MP_SCSI_ORDERED, read1);
	start_by(6, 2, MP_SCSI_SIMPLE, read1);
	start(3, MP_SCSI_SIMPLE, read1);
	T_EQ(h.tasks[2].state, MP_SCSI_MEDIUM);
	T_EQ(h.tasks[3].state, MP_SCSI_WAITING);
	fake_blk_finish_all(&h.blk);
	T_EQ(h.slots[3].status, MP_SCSI_GOOD);
	hba_fini(&h);
}

static void test_tasks_end_in_the_set_into_which_they_came(void)
{
	setup();
	control->tst = 1;
	start(1, MP_SCSI_SIMPLE, read1);
	start(2, MP_SCSI_ORDERED, read1);
	control->tst = 0;
	start(3, MP_SCSI_ORDERED, read1);
	fake_blk_finish_all(&h.blk);
	T_EQ(h.slots[1].status, MP_SCSI_GOOD);
	T_EQ(h.slots[2].status, MP_SCSI_GOOD);
	T_EQ(h.slots[3].status, MP_SCSI_GOOD);
	T_EQ(h.bus->by_id[0][0]->waiting, 0);
	hba_fini(&h);
}

static void test_an_aborted_write_holds_up_every_set(void)
{
	setup();
	control->tst = 1;
	start(1, MP_SCSI_SIMPLE, write1);
	mp_scsi_abort_task(h.bus, 1);
	start_by(6, 2, MP_SCSI_SIMPLE, write1);
	T_EQ(h.tasks[2].state, MP_SCSI_WAITING);
	fake_blk_finish(&h.blk, 0, 0);
	T_EQ(h.tasks[2].state, MP_SCSI_MEDIUM);
	hba_fini(&h);
}

/* --- QUEUE ALGORITHM MODIFIER --- */

static void test_restricted_reordering_runs_writes_alone_and_reads_together(void)
{
	setup();
	control->qam = 0;
	start(1, MP_SCSI_SIMPLE, read1);
	start(2, MP_SCSI_SIMPLE, read1);
	start(3, MP_SCSI_SIMPLE, write1);
	start(4, MP_SCSI_SIMPLE, read1);
	T_EQ(h.blk.n_reqs, 2);
	T_EQ(h.tasks[3].state, MP_SCSI_WAITING);
	fake_blk_finish(&h.blk, 0, 0);
	fake_blk_finish(&h.blk, 0, 0);
	T_EQ(h.tasks[3].state, MP_SCSI_MEDIUM);
	T_EQ(h.tasks[4].state, MP_SCSI_WAITING);
	fake_blk_finish(&h.blk, 0, 0);
	T_EQ(h.tasks[4].state, MP_SCSI_MEDIUM);
	hba_fini(&h);
}

static void test_unrestricted_reordering_runs_writes_side_by_side(void)
{
	setup();
	T_EQ(control->qam, 1);
	start(1, MP_SCSI_SIMPLE, write1);
	start(2, MP_SCSI_SIMPLE, write1);
	T_EQ(h.blk.n_reqs, 2);
	hba_fini(&h);
}

static void test_the_rule_a_task_came_under_holds_until_it_ends(void)
{
	setup();
	control->qam = 0;
	start(1, MP_SCSI_SIMPLE, write1);
	control->qam = 1;
	start(2, MP_SCSI_SIMPLE, write1);
	T_EQ(h.tasks[2].state, MP_SCSI_WAITING);
	fake_blk_finish_all(&h.blk);
	start(3, MP_SCSI_ORDERED, read1);
	T_EQ(h.tasks[3].state, MP_SCSI_MEDIUM);
	hba_fini(&h);
}

/* --- QERR --- */

/* Tasks 1 (ours) and 2 (initiator 6's) are at work; 3, ours, fails. */
static void fail_beside_others(void)
{
	start(1, MP_SCSI_SIMPLE, read1);
	start_by(6, 2, MP_SCSI_SIMPLE, read1);
	start(3, MP_SCSI_SIMPLE, bad);
	T_EQ(h.slots[3].status, MP_SCSI_CHECK_CONDITION);
	fake_blk_finish_all(&h.blk);
}

static void test_qerr_0_lets_the_others_go_on(void)
{
	setup();
	fail_beside_others();
	T_EQ(h.slots[1].status, MP_SCSI_GOOD);
	T_EQ(h.slots[2].status, MP_SCSI_GOOD);
	hba_fini(&h);
}

static void test_qerr_1_ends_all_tasks(void)
{
	setup_with_upcall();
	control->qerr = 1;
	fail_beside_others();
	T_EQ(n_aborted, 2);
	T_EQ(h.tasks[1].state, MP_SCSI_FREE);
	T_EQ(h.tasks[2].state, MP_SCSI_FREE);
	T_EQ(sense_for(6), 0x062f00);
	mp_scsi_free(h.bus, 3);
	T_EQ(sense_for(7), 0x052000);
	hba_fini(&h);
}

static void test_qerr_1_with_own_sets_ends_the_initiators_tasks(void)
{
	setup_with_upcall();
	control->qerr = 1;
	control->tst = 1;
	fail_beside_others();
	T_EQ(n_aborted, 1);
	T_EQ(aborted[0], 1);
	T_EQ(h.slots[2].status, MP_SCSI_GOOD);
	T_EQ(sense_for(6), 0);
	hba_fini(&h);
}

static void test_qerr_3_ends_the_initiators_tasks(void)
{
	setup_with_upcall();
	control->qerr = 3;
	fail_beside_others();
	T_EQ(n_aborted, 1);
	T_EQ(aborted[0], 1);
	T_EQ(h.slots[2].status, MP_SCSI_GOOD);
	hba_fini(&h);
}

static void test_qerr_with_tas_tells_the_others(void)
{
	setup_with_upcall();
	control->qerr = 1;
	control->tas = true;
	fail_beside_others();
	T_EQ(n_aborted, 1);
	T_EQ(aborted[0], 1);
	T_EQ(h.slots[2].status, MP_SCSI_TASK_ABORTED);
	T_EQ(sense_for(6), 0);
	hba_fini(&h);
}

static void test_without_the_upcall_a_silent_end_is_told_by_status(void)
{
	setup();
	control->qerr = 3;
	fail_beside_others();
	T_EQ(h.slots[1].status, MP_SCSI_TASK_ABORTED);
	hba_fini(&h);
}

static void test_a_task_that_moves_data_ends_when_it_has_moved(void)
{
	setup_with_upcall();
	control->qerr = 1;
	h.hold_xfers = true;
	start(1, MP_SCSI_SIMPLE, write1);
	start(2, MP_SCSI_SIMPLE, bad);
	T_EQ(h.tasks[1].state, MP_SCSI_XFER);
	T_EQ(n_aborted, 0);
	hba_move(&h, 1);
	T_EQ(n_aborted, 1);
	T_EQ(h.blk.n_reqs, 0); /* what it brought is not written */
	hba_fini(&h);
}

static void test_a_status_that_is_due_is_delivered(void)
{
	setup_with_upcall();
	control->qerr = 1;
	start(1, MP_SCSI_SIMPLE, tur);
	start(2, MP_SCSI_SIMPLE, bad);
	T_EQ(h.slots[1].status, MP_SCSI_GOOD);
	T_EQ(h.tasks[1].state, MP_SCSI_STATUS);
	T_EQ(n_aborted, 0);
	hba_fini(&h);
}

static void test_a_doomed_task_can_still_be_aborted(void)
{
	setup();
	control->qerr = 1;
	start(1, MP_SCSI_SIMPLE, read1);
	start(2, MP_SCSI_SIMPLE, bad);
	mp_scsi_abort_task(h.bus, 1);
	T_EQ(h.tasks[1].state, MP_SCSI_ABORTING);
	fake_blk_finish(&h.blk, 0, -ECANCELED);
	T_EQ(h.tasks[1].state, MP_SCSI_FREE);
	T_EQ(h.slots[1].status, -1);
	start(3, MP_SCSI_SIMPLE, read1);
	T_EQ(h.tasks[3].state, MP_SCSI_MEDIUM);
	hba_fini(&h);
}

static void test_nothing_overtakes_a_doomed_write(void)
{
	setup();
	control->qerr = 1;
	control->tst = 1;
	start(1, MP_SCSI_SIMPLE, write1);
	start(2, MP_SCSI_SIMPLE, bad);
	start_by(6, 3, MP_SCSI_SIMPLE, write1);
	T_EQ(h.tasks[3].state, MP_SCSI_WAITING);
	fake_blk_finish(&h.blk, 0, 0);
	T_EQ(h.slots[1].status, MP_SCSI_TASK_ABORTED);
	T_EQ(h.tasks[3].state, MP_SCSI_MEDIUM);
	hba_fini(&h);
}

static void test_a_task_is_condemned_once(void)
{
	setup();
	control->qerr = 1;
	start(1, MP_SCSI_SIMPLE, read1);
	start(2, MP_SCSI_SIMPLE, bad);
	mp_scsi_manage(h.bus, MP_SCSI_TM_CLEAR_TASK_SET, 6, 0, 0);
	T_EQ(h.blk.n_cancels, 1);
	mp_scsi_free(h.bus, 2);
	T_EQ(sense_for(7), 0x052000); /* and no unit attention for what was its own doing */
	fake_blk_finish(&h.blk, 0, -ECANCELED);
	start(4, MP_SCSI_SIMPLE, read1);
	T_EQ(h.tasks[4].state, MP_SCSI_MEDIUM);
	hba_fini(&h);
}

static void test_what_a_failure_condemns_does_not_start_before_it_ends(void)
{
	setup();
	control->qerr = 1;
	start(1, MP_SCSI_ORDERED, read1);
	start(2, MP_SCSI_ORDERED, write1);
	fake_blk_finish(&h.blk, 0, -EIO);
	T_EQ(h.slots[1].status, MP_SCSI_CHECK_CONDITION);
	T_EQ(h.slots[2].status, MP_SCSI_TASK_ABORTED);
	T_EQ(h.slots[2].n_moved, 0);
	hba_fini(&h);
}

/* --- SWP --- */

static void test_software_write_protection_has_its_own_sense(void)
{
	setup();
	control->swp = true;
	T_EQ(hba_run(&h, read1, 10, data[0], 512), MP_SCSI_GOOD);
	T_EQ(hba_run(&h, write1, 10, data[0], 512), MP_SCSI_CHECK_CONDITION);
	T_EQ(hba_sense(&h), 0x072702);
	hba_fini(&h);
}

/* --- task management --- */

static void start_two_of_two(void)
{
	start(1, MP_SCSI_SIMPLE, read1);
	start(2, MP_SCSI_ORDERED, read1);
	start_by(6, 3, MP_SCSI_SIMPLE, read1);
	start_by(6, 4, MP_SCSI_ORDERED, read1);
}

static void test_abort_task_set_takes_the_initiators_tasks(void)
{
	setup_with_upcall();
	start_two_of_two();
	mp_scsi_manage(h.bus, MP_SCSI_TM_ABORT_TASK_SET, 7, 0, 0);
	T_EQ(h.tasks[1].state, MP_SCSI_ABORTING);
	T_EQ(h.tasks[2].state, MP_SCSI_FREE);
	fake_blk_finish_all(&h.blk);
	T_EQ(h.slots[3].status, MP_SCSI_GOOD);
	T_EQ(h.slots[4].status, MP_SCSI_GOOD);
	T_EQ(n_aborted, 0);
	T_EQ(sense_for(6), 0);
	hba_fini(&h);
}

static void test_abort_task_set_stays_in_its_unit(void)
{
	setup();
	start(1, MP_SCSI_SIMPLE, read1);
	mp_scsi_manage(h.bus, MP_SCSI_TM_ABORT_TASK_SET, 7, 0, 1);
	mp_scsi_manage(h.bus, MP_SCSI_TM_ABORT_TASK_SET, 7, 1, 0);
	T_EQ(h.tasks[1].state, MP_SCSI_MEDIUM);
	hba_fini(&h);
}

static void test_clear_task_set_ends_everybodys_tasks_and_says_so(void)
{
	setup_with_upcall();
	start_two_of_two();
	mp_scsi_manage(h.bus, MP_SCSI_TM_CLEAR_TASK_SET, 7, 0, 0);
	T_EQ(h.tasks[1].state, MP_SCSI_ABORTING);
	T_EQ(h.tasks[2].state, MP_SCSI_FREE);
	fake_blk_finish_all(&h.blk);
	T_EQ(n_aborted, 2);
	T_EQ(sense_for(6), 0x062f00);
	T_EQ(sense_for(7), 0);
	hba_fini(&h);
}

static void test_clear_task_set_says_nothing_to_who_lost_nothing(void)
{
	setup();
	start(1, MP_SCSI_SIMPLE, read1);
	start_by(6, 2, MP_SCSI_SIMPLE, tur); /* has ended, though its status isn't delivered */
	mp_scsi_manage(h.bus, MP_SCSI_TM_CLEAR_TASK_SET, 7, 0, 0);
	T_EQ(sense_for(6), 0);
	hba_fini(&h);
}

static void test_clear_task_set_with_tas_tells_by_status(void)
{
	setup_with_upcall();
	control->tas = true;
	start_two_of_two();
	mp_scsi_manage(h.bus, MP_SCSI_TM_CLEAR_TASK_SET, 7, 0, 0);
	fake_blk_finish_all(&h.blk);
	T_EQ(h.slots[1].status, -1);
	T_EQ(h.slots[3].status, MP_SCSI_TASK_ABORTED);
	T_EQ(h.slots[4].status, MP_SCSI_TASK_ABORTED);
	T_EQ(n_aborted, 0);
	T_EQ(sense_for(6), 0);
	hba_fini(&h);
}

static void test_clear_task_set_of_ones_own_set_leaves_the_others(void)
{
	setup();
	control->tst = 1;
	start_two_of_two();
	mp_scsi_manage(h.bus, MP_SCSI_TM_CLEAR_TASK_SET, 7, 0, 0);
	fake_blk_finish_all(&h.blk);
	T_EQ(h.slots[1].status, -1);
	T_EQ(h.slots[3].status, MP_SCSI_GOOD);
	T_EQ(h.slots[4].status, MP_SCSI_GOOD);
	hba_fini(&h);
}

static void test_lun_reset_ends_all_and_tells_all(void)
{
	setup_with_upcall();
	start_two_of_two();
	mp_scsi_manage(h.bus, MP_SCSI_TM_LUN_RESET, 7, 0, 0);
	fake_blk_finish_all(&h.blk);
	T_EQ(h.slots[1].status, -1);
	T_EQ(n_aborted, 2);
	T_EQ(sense_for(7), 0x062900);
	T_EQ(sense_for(6), 0x062900);
	T_EQ(sense_for(6), 0);
	hba_fini(&h);
}

static void test_for_everybody_nobody_is_told(void)
{
	setup_with_upcall();
	start_two_of_two();
	mp_scsi_manage(h.bus, MP_SCSI_TM_CLEAR_TASK_SET, MP_SCSI_EVERYBODY, 0, 0);
	fake_blk_finish_all(&h.blk);
	T_EQ(n_aborted, 0);
	T_EQ(h.slots[1].status, -1);
	T_EQ(h.slots[3].status, -1);
	hba_fini(&h);
}

static void test_task_management_where_no_unit_is_takes_what_waits_there(void)
{
	static const uint8_t inquiry[6] = {0x12, 0, 0, 0, 36, 0};

	setup();
	h.hold_xfers = true;
	h.tasks[1].lun = 9;
	start(1, MP_SCSI_SIMPLE, inquiry);
	T_EQ(h.tasks[1].state, MP_SCSI_XFER);
	mp_scsi_manage(h.bus, MP_SCSI_TM_LUN_RESET, 7, 0, 9);
	T_EQ(h.tasks[1].state, MP_SCSI_FREE);
	T_EQ(sense_for(7), 0);
	hba_fini(&h);
}

T_MAIN(T_TEST(test_order_after_a_simple_task), T_TEST(test_order_after_an_ordered_task),
       T_TEST(test_order_after_a_head_of_queue_task), T_TEST(test_order_after_an_untagged_task),
       T_TEST(test_later_head_of_queue_tasks_go_first), T_TEST(test_naca_and_link_are_refused),
       T_TEST(test_shared_set_orders_the_tasks_of_all_initiators),
       T_TEST(test_own_sets_order_the_tasks_of_one_initiator_only),
       T_TEST(test_tasks_end_in_the_set_into_which_they_came),
       T_TEST(test_an_aborted_write_holds_up_every_set),
       T_TEST(test_restricted_reordering_runs_writes_alone_and_reads_together),
       T_TEST(test_unrestricted_reordering_runs_writes_side_by_side),
       T_TEST(test_the_rule_a_task_came_under_holds_until_it_ends),
       T_TEST(test_qerr_0_lets_the_others_go_on), T_TEST(test_qerr_1_ends_all_tasks),
       T_TEST(test_qerr_1_with_own_sets_ends_the_initiators_tasks),
       T_TEST(test_qerr_3_ends_the_initiators_tasks), T_TEST(test_qerr_with_tas_tells_the_others),
       T_TEST(test_without_the_upcall_a_silent_end_is_told_by_status),
       T_TEST(test_a_task_that_moves_data_ends_when_it_has_moved),
       T_TEST(test_a_status_that_is_due_is_delivered),
       T_TEST(test_a_doomed_task_can_still_be_aborted),
       T_TEST(test_nothing_overtakes_a_doomed_write), T_TEST(test_a_task_is_condemned_once),
       T_TEST(test_what_a_failure_condemns_does_not_start_before_it_ends),
       T_TEST(test_software_write_protection_has_its_own_sense),
       T_TEST(test_abort_task_set_takes_the_initiators_tasks),
       T_TEST(test_abort_task_set_stays_in_its_unit),
       T_TEST(test_clear_task_set_ends_everybodys_tasks_and_says_so),
       T_TEST(test_clear_task_set_says_nothing_to_who_lost_nothing),
       T_TEST(test_clear_task_set_with_tas_tells_by_status),
       T_TEST(test_clear_task_set_of_ones_own_set_leaves_the_others),
       T_TEST(test_lun_reset_ends_all_and_tells_all), T_TEST(test_for_everybody_nobody_is_told),
       T_TEST(test_task_management_where_no_unit_is_takes_what_waits_there))
