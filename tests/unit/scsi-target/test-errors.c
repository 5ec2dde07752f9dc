/* SPDX-License-Identifier: BSD-3-Clause */
/* Failing media: sense by errno, the error policies, pause and continue. */
#include <errno.h>

#include "base/bytes.h"
#include "base/err.h"
#include "tests/lib/fake_hba.h"
#include "tests/lib/t.h"

static struct fake_hba h;
static struct mp_scsi_bus *bus;
static uint8_t data[HBA_TASKS][1 << 16];
static unsigned int n_paused, n_told;
static struct mp_scsi_io_error last;
static bool was_paused;

static const uint8_t tur[6] = {0};
static const uint8_t inquiry[6] = {0x12, 0, 0, 0, 36, 0};
static const uint8_t read4[10] = {0x28, 0, 0, 0, 0, 16, 0, 0, 4, 0};
static const uint8_t write4[10] = {0x2a, 0, 0, 0, 0, 16, 0, 0, 4, 0};
static const uint8_t sync_cache[10] = {0x35};

static void on_xfer(void *opaque, unsigned int task)
{
	hba_ops.xfer(opaque, task);
}

static void on_complete(void *opaque, unsigned int task)
{
	hba_ops.complete(opaque, task);
}

static void on_paused(void *opaque)
{
	mp_assert(mp_scsi_is_paused(((struct fake_hba *)opaque)->bus));
	n_paused++;
}

static void on_io_error(void *opaque, const struct mp_scsi_io_error *e)
{
	(void)opaque;
	was_paused = mp_scsi_is_paused(bus);
	last = *e;
	n_told++;
}

static const struct mp_scsi_ops counting_ops = {
	.xfer = on_xfer,
	.complete = on_complete,
	.paused = on_paused,
	.io_error = on_io_error,
};

/* The fake's bus made anew: with policies, and with the upcall. */
static void setup(enum mp_scsi_on_error rerror, enum mp_scsi_on_error werror)
{
	struct mp_scsi_disk_cfg disk = {.logical_bytes = 512, .rerror = rerror, .werror = werror};

	hba_init(&h, 1 << 20, 1 << 20);
	hba_remake(&h, &counting_ops, disk);
	bus = h.bus;
	n_paused = n_told = 0;
}

static void start(unsigned int i, const uint8_t *cdb, size_t cdb_len)
{
	hba_give(&h, i, data[i], 4 * 512);
	hba_start_tagged(&h, i, MP_SCSI_SIMPLE, cdb, cdb_len);
}

static unsigned int sense_after(const uint8_t *cdb, size_t cdb_len, int result)
{
	start(1, cdb, cdb_len);
	fake_blk_finish(&h.blk, 0, result);
	mp_assert(h.slots[1].status == MP_SCSI_CHECK_CONDITION);
	mp_scsi_free(bus, 1);
	return hba_sense(&h);
}

/* --- report --- */

static void test_a_read_that_fails_names_the_block(void)
{
	uint8_t sense[18];

	setup(MP_SCSI_ON_ERROR_REPORT, MP_SCSI_ON_ERROR_REPORT);
	start(1, read4, 10);
	h.blk.reqs[0]->moved = 1024; /* two blocks were good */
	fake_blk_finish(&h.blk, 0, -EIO);
	mp_scsi_free(bus, 1);
	T_EQ(HBA_RUN(&h, sense, 18, 0x03, 0, 0, 0, 18, 0), MP_SCSI_GOOD);
	T_EQ(sense[0], 0xf0);
	T_EQ(sense[2], 0x03);
	T_EQ(sense[12] << 8 | sense[13], 0x1100);
	T_EQ(mp_get_be32(sense + 3), 18);
	hba_fini(&h);
}

static void test_each_errno_has_its_sense(void)
{
	setup(MP_SCSI_ON_ERROR_REPORT, MP_SCSI_ON_ERROR_REPORT);
	T_EQ(sense_after(read4, 10, -EIO), 0x031100);
	T_EQ(sense_after(write4, 10, -EIO), 0x030c00);
	T_EQ(sense_after(sync_cache, 10, -EIO), 0x030c00);
	T_EQ(sense_after(write4, 10, -ENOSPC), 0x072707);
	T_EQ(sense_after(write4, 10, -EDQUOT), 0x072707);
	T_EQ(sense_after(write4, 10, -EROFS), 0x072700);
	T_EQ(sense_after(read4, 10, -ENODEV), 0x023a00);
	T_EQ(sense_after(read4, 10, -EINVAL), 0x044400);
	T_EQ(mp_scsi_bus_counters(bus)->n_io_errors, 8);
	T_OK(!mp_scsi_is_paused(bus));
	hba_fini(&h);
}

/* --- ignore --- */

static void test_an_ignored_write_counts_as_success(void)
{
	setup(MP_SCSI_ON_ERROR_REPORT, MP_SCSI_ON_ERROR_IGNORE);
	start(1, write4, 10);
	fake_blk_finish(&h.blk, 0, -EIO);
	T_EQ(h.slots[1].status, MP_SCSI_GOOD);
	T_EQ(mp_scsi_bus_counters(bus)->n_io_errors, 1);
	mp_scsi_free(bus, 1);
	T_EQ(sense_after(read4, 10, -EIO), 0x031100);
	hba_fini(&h);
}

static void test_an_ignored_read_hands_out_zeros_and_nobody_elses_data(void)
{
	static const uint8_t zeros[2048];

	setup(MP_SCSI_ON_ERROR_IGNORE, MP_SCSI_ON_ERROR_REPORT);
	memset(h.pool, 0x5a, h.pool_len);
	memset(data[1], 0x77, 2048);
	start(1, read4, 10);
	fake_blk_finish(&h.blk, 0, -EIO);
	T_EQ(h.slots[1].status, MP_SCSI_GOOD);
	T_EQ(h.slots[1].n_moved, 2048);
	T_MEM_EQ(data[1], zeros, 2048);
	hba_fini(&h);
}

/* --- stop --- */

static void test_a_stopped_write_is_kept_and_issued_again(void)
{
	setup(MP_SCSI_ON_ERROR_REPORT, MP_SCSI_ON_ERROR_STOP);
	memset(data[1], 0x33, 2048);
	start(1, write4, 10);
	fake_blk_finish(&h.blk, 0, -EIO);
	T_EQ(n_paused, 1);
	T_EQ(h.slots[1].status, -1);
	T_EQ(h.tasks[1].state, MP_SCSI_WAITING);
	T_EQ(h.blk.n_reqs, 0);
	T_EQ(mp_scsi_bus_n_busy(bus), 0);
	mp_scsi_continue(bus);
	T_OK(!mp_scsi_is_paused(bus));
	T_EQ(h.blk.n_reqs, 1);
	fake_blk_finish(&h.blk, 0, 0);
	T_EQ(h.slots[1].status, MP_SCSI_GOOD);
	T_MEM_EQ(h.blk.data + 16 * 512, data[1], 2048);
	hba_fini(&h);
}

static void test_a_stopped_read_is_kept_and_issued_again(void)
{
	setup(MP_SCSI_ON_ERROR_STOP, MP_SCSI_ON_ERROR_REPORT);
	memset(h.blk.data + 16 * 512, 0x44, 2048);
	start(1, read4, 10);
	fake_blk_finish(&h.blk, 0, -ENXIO);
	T_EQ(n_paused, 1);
	mp_scsi_continue(bus);
	fake_blk_finish(&h.blk, 0, 0);
	T_EQ(h.slots[1].status, MP_SCSI_GOOD);
	T_MEM_EQ(data[1], h.blk.data + 16 * 512, 2048);
	hba_fini(&h);
}

static void test_the_same_error_again_pauses_again(void)
{
	setup(MP_SCSI_ON_ERROR_STOP, MP_SCSI_ON_ERROR_STOP);
	start(1, sync_cache, 10);
	fake_blk_finish(&h.blk, 0, -EIO);
	mp_scsi_continue(bus);
	fake_blk_finish(&h.blk, 0, -EIO);
	T_EQ(n_paused, 2);
	T_EQ(h.slots[1].status, -1);
	hba_fini(&h);
}

static void test_many_errors_pause_once_and_all_are_kept(void)
{
	setup(MP_SCSI_ON_ERROR_STOP, MP_SCSI_ON_ERROR_STOP);
	start(1, write4, 10);
	start(2, read4, 10);
	fake_blk_finish(&h.blk, 1, -EIO);
	fake_blk_finish(&h.blk, 0, -EIO);
	T_EQ(n_paused, 1);
	mp_scsi_continue(bus);
	T_EQ(h.blk.n_reqs, 2);
	fake_blk_finish_all(&h.blk);
	T_EQ(h.slots[1].status, MP_SCSI_GOOD);
	T_EQ(h.slots[2].status, MP_SCSI_GOOD);
	hba_fini(&h);
}

/* --- enospc --- */

static void test_enospc_stops_where_space_is_missing_and_reports_the_rest(void)
{
	setup(MP_SCSI_ON_ERROR_REPORT, MP_SCSI_ON_ERROR_ENOSPC);
	T_EQ(sense_after(write4, 10, -EIO), 0x030c00);
	T_EQ(n_paused, 0);
	start(1, write4, 10);
	fake_blk_finish(&h.blk, 0, -ENOSPC);
	T_EQ(n_paused, 1);
	T_EQ(mp_scsi_last_stop(bus).error, -ENOSPC);
	T_OK(!mp_scsi_last_stop(bus).reading);
	T_EQ(h.slots[1].status, -1);
	hba_fini(&h);
}

static void test_enospc_is_no_policy_for_reads(void)
{
	struct mp_scsi_disk_cfg disk = {.lun = 5, .logical_bytes = 512};

	setup(MP_SCSI_ON_ERROR_REPORT, MP_SCSI_ON_ERROR_REPORT);
	disk.blk = &h.blk;
	disk.rerror = MP_SCSI_ON_ERROR_ENOSPC;
	T_EQ(mp_scsi_disk_add(bus, &disk), -EINVAL);
	hba_fini(&h);
}

static void test_a_bus_that_nobody_would_continue_reports(void)
{
	setup(MP_SCSI_ON_ERROR_STOP, MP_SCSI_ON_ERROR_ENOSPC);
	mp_scsi_may_stop(bus, false);
	T_EQ(sense_after(write4, 10, -ENOSPC), 0x072707);
	T_EQ(n_paused, 0);
	T_OK(!mp_scsi_is_paused(bus));
	hba_fini(&h);
}

/* --- what the user is told --- */

static void check_told(enum mp_blk_op op, int error, enum mp_scsi_on_error action)
{
	T_EQ(n_told, 1);
	T_EQ(last.target, 0);
	T_EQ(last.lun, 0);
	T_EQ(last.op, op);
	T_EQ(last.error, error);
	T_EQ(last.action, action);
	n_told = 0;
}

static void test_each_error_is_told_with_what_became_of_it(void)
{
	setup(MP_SCSI_ON_ERROR_IGNORE, MP_SCSI_ON_ERROR_ENOSPC);
	start(1, read4, 10);
	fake_blk_finish(&h.blk, 0, -EIO);
	check_told(MP_BLK_READ, -EIO, MP_SCSI_ON_ERROR_IGNORE);
	start(2, sync_cache, 10);
	fake_blk_finish(&h.blk, 0, -EIO);
	check_told(MP_BLK_FLUSH, -EIO, MP_SCSI_ON_ERROR_REPORT);
	mp_scsi_free(bus, 2);
	start(2, write4, 10);
	fake_blk_finish(&h.blk, 0, -ENOSPC);
	check_told(MP_BLK_WRITE, -ENOSPC, MP_SCSI_ON_ERROR_STOP);
	T_OK(!was_paused); /* told first */
	hba_fini(&h);
}

static void test_errors_of_aborted_tasks_are_nobodys_business(void)
{
	setup(MP_SCSI_ON_ERROR_REPORT, MP_SCSI_ON_ERROR_REPORT);
	start(1, write4, 10);
	mp_scsi_abort_task(bus, 1);
	fake_blk_finish(&h.blk, 0, -EIO);
	T_EQ(n_told, 0);
	hba_fini(&h);
}

static void test_an_error_of_a_format_is_told(void)
{
	static const uint8_t format[6] = {0x04};

	setup(MP_SCSI_ON_ERROR_REPORT, MP_SCSI_ON_ERROR_STOP);
	start(1, format, 6);
	fake_blk_finish(&h.blk, 0, -EIO);
	check_told(MP_BLK_WRITE_ZEROES, -EIO, MP_SCSI_ON_ERROR_REPORT);
	hba_fini(&h);
}

/* --- pause --- */

static void test_a_paused_bus_takes_commands_and_starts_none(void)
{
	setup(MP_SCSI_ON_ERROR_REPORT, MP_SCSI_ON_ERROR_REPORT);
	mp_scsi_pause(bus);
	start(1, read4, 10);
	start(2, tur, 6);
	start(3, inquiry, 6);
	T_EQ(h.blk.n_reqs, 0);
	T_EQ(h.slots[2].status, -1);
	T_EQ(h.slots[3].status, -1);
	mp_scsi_continue(bus);
	T_EQ(h.blk.n_reqs, 1);
	T_EQ(h.slots[2].status, MP_SCSI_GOOD);
	T_EQ(h.slots[3].status, MP_SCSI_GOOD);
	T_EQ(n_paused, 0); /* nobody has to be told of what he did himself */
	hba_fini(&h);
}

/* Or who pauses would wait for as long as a throttle likes. */
static void test_a_pause_hurries_what_a_throttle_holds(void)
{
	setup(MP_SCSI_ON_ERROR_REPORT, MP_SCSI_ON_ERROR_REPORT);
	start(1, read4, 10);
	mp_scsi_pause(bus);
	T_EQ(h.blk.n_rushes, 1);
	hba_fini(&h);
}

static void test_the_end_of_a_format_hurries_its_request(void)
{
	static const uint8_t format[6] = {0x04};

	setup(MP_SCSI_ON_ERROR_REPORT, MP_SCSI_ON_ERROR_REPORT);
	start(1, format, 6);
	mp_scsi_stop_jobs(bus);
	T_EQ(h.blk.n_rushes, 1);
	hba_fini(&h);
}

static void test_what_is_in_flight_may_end_while_paused(void)
{
	setup(MP_SCSI_ON_ERROR_REPORT, MP_SCSI_ON_ERROR_REPORT);
	start(1, read4, 10);
	mp_scsi_pause(bus);
	fake_blk_finish(&h.blk, 0, 0);
	T_EQ(h.slots[1].status, MP_SCSI_GOOD);
	hba_fini(&h);
}

static void test_a_task_under_way_stops_at_its_next_request(void)
{
	setup(MP_SCSI_ON_ERROR_REPORT, MP_SCSI_ON_ERROR_REPORT);
	h.hold_xfers = true;
	start(1, write4, 10);
	mp_scsi_pause(bus);
	hba_move(&h, 1);
	T_EQ(h.tasks[1].state, MP_SCSI_WAITING);
	T_EQ(h.blk.n_reqs, 0);
	mp_scsi_continue(bus);
	T_EQ(h.blk.n_reqs, 1);
	hba_fini(&h);
}

static void test_dormant_tasks_stay_so_while_paused(void)
{
	setup(MP_SCSI_ON_ERROR_REPORT, MP_SCSI_ON_ERROR_REPORT);
	start(1, read4, 10);
	hba_give(&h, 2, NULL, 0);
	hba_start_tagged(&h, 2, MP_SCSI_ORDERED, tur, 6);
	mp_scsi_pause(bus);
	fake_blk_finish(&h.blk, 0, 0);
	T_EQ(h.tasks[2].state, MP_SCSI_WAITING);
	mp_scsi_continue(bus);
	T_EQ(h.slots[2].status, MP_SCSI_GOOD);
	hba_fini(&h);
}

static void test_commands_start_in_the_order_in_which_they_came(void)
{
	setup(MP_SCSI_ON_ERROR_REPORT, MP_SCSI_ON_ERROR_REPORT);
	mp_scsi_pause(bus);
	start(3, tur, 6);
	start(1, tur, 6);
	start(2, tur, 6);
	h.n_finished = 0;
	mp_scsi_continue(bus);
	T_EQ(h.finished[0], 3);
	T_EQ(h.finished[1], 1);
	T_EQ(h.finished[2], 2);
	hba_fini(&h);
}

static void test_abort_drops_what_is_kept_and_what_is_held(void)
{
	setup(MP_SCSI_ON_ERROR_REPORT, MP_SCSI_ON_ERROR_STOP);
	start(1, write4, 10);
	fake_blk_finish(&h.blk, 0, -EIO);
	start(2, read4, 10);
	mp_scsi_abort_task(bus, 1);
	mp_scsi_abort_task(bus, 2);
	T_EQ(h.tasks[1].state, MP_SCSI_FREE);
	T_EQ(h.tasks[2].state, MP_SCSI_FREE);
	mp_scsi_continue(bus);
	T_EQ(h.blk.n_reqs, 0);
	T_EQ(h.n_finished, 2); /* two REQUEST SENSE of the set-up */
	hba_fini(&h);
}

static void test_a_reset_drops_what_is_kept_and_leaves_the_pause(void)
{
	setup(MP_SCSI_ON_ERROR_REPORT, MP_SCSI_ON_ERROR_STOP);
	start(1, write4, 10);
	fake_blk_finish(&h.blk, 0, -EIO);
	start(2, read4, 10);
	mp_scsi_reset(bus, MP_SCSI_RESET_BUS, 0, 0);
	T_EQ(h.tasks[1].state, MP_SCSI_FREE);
	T_EQ(h.tasks[2].state, MP_SCSI_FREE);
	T_OK(mp_scsi_is_paused(bus));
	start(3, tur, 6);
	T_EQ(h.slots[3].status, -1);
	mp_scsi_continue(bus);
	T_EQ(h.slots[3].status, MP_SCSI_CHECK_CONDITION);
	mp_scsi_free(bus, 3);
	T_EQ(hba_sense(&h), 0x062902);
	hba_fini(&h);
}

T_MAIN(T_TEST(test_a_read_that_fails_names_the_block), T_TEST(test_each_errno_has_its_sense),
       T_TEST(test_an_ignored_write_counts_as_success),
       T_TEST(test_an_ignored_read_hands_out_zeros_and_nobody_elses_data),
       T_TEST(test_a_stopped_write_is_kept_and_issued_again),
       T_TEST(test_a_stopped_read_is_kept_and_issued_again),
       T_TEST(test_the_same_error_again_pauses_again),
       T_TEST(test_many_errors_pause_once_and_all_are_kept),
       T_TEST(test_enospc_stops_where_space_is_missing_and_reports_the_rest),
       T_TEST(test_enospc_is_no_policy_for_reads),
       T_TEST(test_a_bus_that_nobody_would_continue_reports),
       T_TEST(test_each_error_is_told_with_what_became_of_it),
       T_TEST(test_errors_of_aborted_tasks_are_nobodys_business),
       T_TEST(test_an_error_of_a_format_is_told),
       T_TEST(test_a_paused_bus_takes_commands_and_starts_none),
       T_TEST(test_a_pause_hurries_what_a_throttle_holds),
       T_TEST(test_the_end_of_a_format_hurries_its_request),
       T_TEST(test_what_is_in_flight_may_end_while_paused),
       T_TEST(test_a_task_under_way_stops_at_its_next_request),
       T_TEST(test_dormant_tasks_stay_so_while_paused),
       T_TEST(test_commands_start_in_the_order_in_which_they_came),
       T_TEST(test_abort_drops_what_is_kept_and_what_is_held),
       T_TEST(test_a_reset_drops_what_is_kept_and_leaves_the_pause))
