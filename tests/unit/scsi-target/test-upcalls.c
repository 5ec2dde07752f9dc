/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Upcalls that call back, and cancels at every moment: what has broken models
 * of this adapter elsewhere. Each test names what went wrong there.
 */
#include <errno.h>

#include "base/err.h"
#include "scsi-target/bus.h"
#include "tests/lib/fake_hba.h"
#include "tests/lib/t.h"

enum act {
	NOTHING,
	ABORT_IT,
	ABORT_ALL,
	RESET_BUS,
	SUBMIT_NEXT,
	SUBMIT_BAD, /* one that fails, and with QERR = 1 ends the others */
	PAUSE,
	CONTINUE,
};

static struct fake_hba h;
static uint8_t data[HBA_TASKS][1 << 16];
static enum act on_xfer_do, on_complete_do, on_aborted_do, on_paused_do;
static unsigned int next, n_aborted;

static const uint8_t tur[6] = {0};
static const uint8_t bad[6] = {0xff};
static const uint8_t inquiry[6] = {0x12, 0, 0, 0, 36, 0};
static const uint8_t read1[10] = {0x28, 0, 0, 0, 0, 0, 0, 0, 1, 0};
static const uint8_t write1[10] = {0x2a, 0, 0, 0, 0, 0, 0, 0, 1, 0};

static void start(unsigned int i, enum mp_scsi_attr attr, const uint8_t *cdb)
{
	hba_give(&h, i, data[i], 512);
	hba_start_tagged(&h, i, attr, cdb, cdb[0] == 0x28 || cdb[0] == 0x2a ? 10 : 6);
}

/* Once: what it does may come back here. */
static void act(enum act *what, unsigned int task)
{
	enum act now = *what;

	*what = NOTHING;
	switch (now) {
	case ABORT_IT:
		mp_scsi_abort_task(h.bus, task);
		break;
	case ABORT_ALL:
		for (unsigned int i = 0; i < HBA_TASKS; i++)
			mp_scsi_abort_task(h.bus, i);
		break;
	case RESET_BUS:
		mp_scsi_reset(h.bus, MP_SCSI_RESET_BUS, 0, 0);
		break;
	case SUBMIT_NEXT:
		start(next++, MP_SCSI_SIMPLE, tur);
		break;
	case SUBMIT_BAD:
		start(next++, MP_SCSI_SIMPLE, bad);
		break;
	case PAUSE:
		mp_scsi_pause(h.bus);
		break;
	case CONTINUE:
		mp_scsi_continue(h.bus);
		break;
	default:
		break;
	}
}

static void on_xfer(void *opaque, unsigned int task)
{
	if (on_xfer_do == NOTHING)
		hba_ops.xfer(opaque, task);
	else
		act(&on_xfer_do, task);
}

static void on_complete(void *opaque, unsigned int task)
{
	hba_ops.complete(opaque, task);
	act(&on_complete_do, task);
}

static void on_aborted(void *opaque, unsigned int task)
{
	(void)opaque;
	mp_assert(h.tasks[task].state == MP_SCSI_FREE);
	n_aborted++;
	act(&on_aborted_do, task);
}

static void on_paused(void *opaque)
{
	(void)opaque;
	act(&on_paused_do, 0);
}

static const struct mp_scsi_ops ops = {
	.xfer = on_xfer,
	.complete = on_complete,
	.aborted = on_aborted,
	.paused = on_paused,
};

static void setup(void)
{
	on_xfer_do = on_complete_do = on_aborted_do = on_paused_do = NOTHING;
	hba_init(&h, 1 << 20, MP_SCSI_CHUNK_BYTES);
	hba_remake(&h, &ops,
		   (struct mp_scsi_disk_cfg){.logical_bytes = 512,
					     .rerror = MP_SCSI_ON_ERROR_STOP,
					     .werror = MP_SCSI_ON_ERROR_STOP});
	n_aborted = 0;
	next = 40;
}

static struct mp_scsi_control *control(void)
{
	return &h.bus->by_id[0][0]->control;
}

/* All has ended, and what it had is given back. */
static void check_quiet(void)
{
	fake_blk_finish_all(&h.blk);
	T_EQ(mp_scsi_bus_n_busy(h.bus), 0);
	T_EQ(mp_buffers_n_used(&h.bus->buffers, h.pool_len), 0);
	T_EQ(h.bus->by_id[0][0]->n_aborting, 0);
	T_EQ(h.bus->by_id[0][0]->sets[0].n_active, 0);
	T_EQ(h.bus->n_dormant, 0);
	T_OK(!h.bus->pumping);
}

/* --- cancelled requests --- */

static void test_a_task_may_be_aborted_again_and_again_in_each_state(void)
{
	setup();
	h.hold_xfers = true;
	start(1, MP_SCSI_SIMPLE, read1); /* MEDIUM */
	start(2, MP_SCSI_SIMPLE, inquiry); /* XFER */
	start(3, MP_SCSI_ORDERED, read1); /* WAITING */
	start(4, MP_SCSI_HEAD_OF_QUEUE, tur); /* STATUS */
	for (unsigned int round = 0; round < 3; round++)
		for (unsigned int i = 0; i < 6; i++)
			mp_scsi_abort_task(h.bus, i);
	T_EQ(h.tasks[1].state, MP_SCSI_ABORTING);
	T_EQ(h.tasks[2].state, MP_SCSI_FREE);
	T_EQ(h.tasks[3].state, MP_SCSI_FREE);
	T_EQ(h.tasks[4].state, MP_SCSI_FREE);
	T_EQ(h.blk.n_cancels, 1);
	check_quiet();
	hba_fini(&h);
}

static void test_a_cancelled_read_that_ends_late_touches_no_other_tasks_buffer(void)
{
	static uint8_t before[MP_SCSI_CHUNK_BYTES];
	unsigned int task1_off;

	setup();
	start(1, MP_SCSI_SIMPLE, read1);
	task1_off = h.tasks[1].buf_off;
	mp_scsi_reset(h.bus, MP_SCSI_RESET_BUS, 0, 0);
	h.hold_xfers = true;
	start(2, MP_SCSI_SIMPLE, inquiry);
	T_EQ(h.tasks[2].state, MP_SCSI_XFER);
	T_OK(h.tasks[2].buf_off != task1_off);
	memcpy(before, h.pool + h.tasks[2].buf_off, 4096);
	memset(h.blk.data, 0x99, 512);
	fake_blk_finish(&h.blk, 0, 0);
	T_MEM_EQ(before, h.pool + h.tasks[2].buf_off, 4096);
	T_EQ(h.slots[1].status, -1);
	hba_move(&h, 2);
	check_quiet();
	hba_fini(&h);
}

static void test_a_cancelled_write_that_fails_late_reports_to_nobody(void)
{
	setup();
	start(1, MP_SCSI_SIMPLE, write1);
	mp_scsi_abort_task(h.bus, 1);
	fake_blk_finish(&h.blk, 0, -ENOSPC);
	/* Neither sense data nor a pause: there is no command any more. */
	T_OK(!mp_scsi_is_paused(h.bus));
	T_EQ(hba_sense(&h), 0);
	check_quiet();
	hba_fini(&h);
}

static void test_a_reset_with_queued_requests_leaves_none(void)
{
	setup();
	for (unsigned int i = 1; i < 30; i++)
		start(i, i % 3 ? MP_SCSI_SIMPLE : MP_SCSI_ORDERED, read1);
	mp_scsi_reset(h.bus, MP_SCSI_RESET_TARGET, 0, 0);
	mp_scsi_reset(h.bus, MP_SCSI_RESET_TARGET, 0, 0);
	check_quiet();
	for (unsigned int i = 1; i < 30; i++)
		T_EQ(h.slots[i].status, -1);
	hba_fini(&h);
}

/* --- freed in the callback --- */

static void test_a_task_may_be_aborted_when_its_data_is_announced(void)
{
	setup();
	on_xfer_do = ABORT_IT;
	start(1, MP_SCSI_SIMPLE, inquiry);
	T_EQ(h.tasks[1].state, MP_SCSI_FREE);
	on_xfer_do = ABORT_IT;
	start(1, MP_SCSI_SIMPLE, read1);
	fake_blk_finish(&h.blk, 0, 0);
	T_EQ(h.tasks[1].state, MP_SCSI_FREE);
	check_quiet();
	hba_fini(&h);
}

static void test_a_task_may_be_aborted_when_its_status_is_announced(void)
{
	setup();
	on_complete_do = ABORT_IT;
	start(1, MP_SCSI_SIMPLE, bad);
	T_EQ(h.tasks[1].state, MP_SCSI_FREE);
	check_quiet();
	hba_fini(&h);
}

static void test_the_bus_may_be_reset_when_data_is_announced(void)
{
	setup();
	start(1, MP_SCSI_SIMPLE, read1);
	start(2, MP_SCSI_SIMPLE, read1);
	on_xfer_do = RESET_BUS;
	fake_blk_finish(&h.blk, 0, 0);
	T_EQ(h.tasks[1].state, MP_SCSI_FREE);
	T_EQ(h.tasks[2].state, MP_SCSI_ABORTING);
	check_quiet();
	hba_fini(&h);
}

static void test_the_bus_may_be_reset_when_a_status_is_announced(void)
{
	setup();
	start(1, MP_SCSI_SIMPLE, write1);
	start(2, MP_SCSI_ORDERED, write1);
	start(3, MP_SCSI_ORDERED, write1);
	on_complete_do = RESET_BUS;
	fake_blk_finish(&h.blk, 0, 0);
	T_EQ(h.blk.n_reqs, 0); /* what waited behind it didn't start */
	check_quiet();
	hba_fini(&h);
}

static void test_the_bus_may_be_reset_while_it_ends_many_tasks(void)
{
	setup();
	control()->qerr = 1;
	control()->tas = true;
	h.initiator = 6;
	hba_sense(&h);
	for (unsigned int i = 1; i < 9; i++)
		start(i, MP_SCSI_ORDERED, read1);
	h.initiator = 7;
	on_complete_do = NOTHING;
	start(20, MP_SCSI_HEAD_OF_QUEUE, tur);
	on_complete_do = RESET_BUS;
	start(21, MP_SCSI_HEAD_OF_QUEUE, bad);
	check_quiet();
	hba_fini(&h);
}

static void test_a_task_may_be_reused_when_it_is_ended(void)
{
	setup();
	control()->qerr = 3;
	start(1, MP_SCSI_SIMPLE, read1);
	start(2, MP_SCSI_ORDERED, read1); /* waits: ends first */
	next = 2;
	on_aborted_do = SUBMIT_NEXT;
	start(3, MP_SCSI_HEAD_OF_QUEUE, bad);
	T_EQ(n_aborted, 1);
	T_EQ(h.tasks[2].state, MP_SCSI_WAITING); /* the new one, not ended with the old */
	fake_blk_finish(&h.blk, 0, -ECANCELED);
	T_EQ(n_aborted, 2);
	T_EQ(h.slots[2].status, MP_SCSI_GOOD);
	check_quiet();
	hba_fini(&h);
}

/* --- re-entered from a completion --- */

static void test_a_status_may_bring_the_next_command(void)
{
	setup();
	on_complete_do = SUBMIT_NEXT;
	start(1, MP_SCSI_SIMPLE, tur);
	T_EQ(h.slots[40].status, MP_SCSI_GOOD);
	check_quiet();
	hba_fini(&h);
}

static void test_a_failure_in_a_failures_status_ends_what_is_left_once(void)
{
	setup();
	control()->qerr = 1;
	start(1, MP_SCSI_SIMPLE, read1);
	start(2, MP_SCSI_ORDERED, read1);
	on_complete_do = SUBMIT_BAD;
	start(3, MP_SCSI_HEAD_OF_QUEUE, bad);
	fake_blk_finish_all(&h.blk);
	T_EQ(n_aborted, 2);
	T_EQ(h.slots[3].status, MP_SCSI_CHECK_CONDITION);
	T_EQ(h.slots[40].status, -1); /* one at a time */
	mp_scsi_free(h.bus, 3);
	T_EQ(hba_sense(&h), 0x052000);
	T_EQ(h.slots[40].status, MP_SCSI_CHECK_CONDITION);
	check_quiet();
	hba_fini(&h);
}

static void test_what_waits_for_a_buffer_may_be_aborted_by_who_gets_one(void)
{
	setup(); /* 64 KiB: half of it is for tasks that don't hold the bus */
	h.hold_xfers = true;
	for (unsigned int i = 1; i < 20; i++)
		start(i, MP_SCSI_SIMPLE, inquiry);
	T_EQ(h.tasks[19].state, MP_SCSI_WAITING);
	on_complete_do = ABORT_ALL;
	hba_move(&h, 1);
	check_quiet();
	T_EQ(h.slots[19].status, -1);
	hba_fini(&h);
}

static void test_the_bus_may_be_continued_when_it_says_that_it_pauses(void)
{
	setup();
	start(1, MP_SCSI_SIMPLE, write1);
	on_paused_do = CONTINUE;
	fake_blk_finish(&h.blk, 0, -EIO);
	T_EQ(h.tasks[1].state, MP_SCSI_MEDIUM);
	check_quiet();
	T_EQ(h.slots[1].status, MP_SCSI_GOOD);
	hba_fini(&h);
}

static void test_the_bus_may_be_reset_when_it_says_that_it_pauses(void)
{
	setup();
	start(1, MP_SCSI_SIMPLE, write1);
	on_paused_do = RESET_BUS;
	fake_blk_finish(&h.blk, 0, -EIO);
	T_EQ(h.tasks[1].state, MP_SCSI_FREE);
	mp_scsi_continue(h.bus);
	check_quiet();
	hba_fini(&h);
}

static void test_the_bus_may_be_paused_again_while_it_continues(void)
{
	setup();
	mp_scsi_pause(h.bus);
	start(1, MP_SCSI_SIMPLE, tur);
	start(2, MP_SCSI_SIMPLE, tur);
	on_complete_do = PAUSE;
	mp_scsi_continue(h.bus);
	T_EQ(h.slots[1].status, MP_SCSI_GOOD);
	T_EQ(h.slots[2].status, -1);
	mp_scsi_continue(h.bus);
	T_EQ(h.slots[2].status, MP_SCSI_GOOD);
	check_quiet();
	hba_fini(&h);
}

static void test_commands_that_come_while_it_continues_queue_behind(void)
{
	setup();
	mp_scsi_pause(h.bus);
	start(1, MP_SCSI_SIMPLE, tur);
	start(2, MP_SCSI_SIMPLE, tur);
	h.n_finished = 0;
	on_complete_do = SUBMIT_NEXT;
	mp_scsi_continue(h.bus);
	T_EQ(h.finished[0], 1);
	T_EQ(h.finished[1], 2);
	T_EQ(h.finished[2], 40);
	check_quiet();
	hba_fini(&h);
}

T_MAIN(T_TEST(test_a_task_may_be_aborted_again_and_again_in_each_state),
       T_TEST(test_a_cancelled_read_that_ends_late_touches_no_other_tasks_buffer),
       T_TEST(test_a_cancelled_write_that_fails_late_reports_to_nobody),
       T_TEST(test_a_reset_with_queued_requests_leaves_none),
       T_TEST(test_a_task_may_be_aborted_when_its_data_is_announced),
       T_TEST(test_a_task_may_be_aborted_when_its_status_is_announced),
       T_TEST(test_the_bus_may_be_reset_when_data_is_announced),
       T_TEST(test_the_bus_may_be_reset_when_a_status_is_announced),
       T_TEST(test_the_bus_may_be_reset_while_it_ends_many_tasks),
       T_TEST(test_a_task_may_be_reused_when_it_is_ended),
       T_TEST(test_a_status_may_bring_the_next_command),
       T_TEST(test_a_failure_in_a_failures_status_ends_what_is_left_once),
       T_TEST(test_what_waits_for_a_buffer_may_be_aborted_by_who_gets_one),
       T_TEST(test_the_bus_may_be_continued_when_it_says_that_it_pauses),
       T_TEST(test_the_bus_may_be_reset_when_it_says_that_it_pauses),
       T_TEST(test_the_bus_may_be_paused_again_while_it_continues),
       T_TEST(test_commands_that_come_while_it_continues_queue_behind))
