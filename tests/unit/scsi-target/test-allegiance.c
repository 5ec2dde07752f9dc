/* SPDX-License-Identifier: BSD-3-Clause */
/* Sense data of one failure at a time: whose it is, who drops it, who waits. */
#include <errno.h>

#include "scsi-target/bus.h"
#include "tests/lib/fake_hba.h"
#include "tests/lib/t.h"

static struct fake_hba h;
static uint8_t data[8][512];

static const uint8_t tur[6] = {0};
static const uint8_t bad[6] = {0xff};
static const uint8_t read1[10] = {0x28, 0, 0, 0, 0, 0, 0, 0, 1, 0};

/* Initiators 6 and 7 have taken their first unit attention. */
static void setup(void)
{
	hba_init(&h, 1 << 20, 1 << 20);
	h.initiator = 6;
	hba_sense(&h);
	h.initiator = 7;
}

static void start_as(unsigned int i, enum mp_scsi_attr attr, const uint8_t *cdb)
{
	hba_give(&h, i, data[i], 512);
	hba_start_tagged(&h, i, attr, cdb, cdb[0] == 0x28 ? 10 : 6);
}

static void start(unsigned int i, const uint8_t *cdb)
{
	start_as(i, MP_SCSI_SIMPLE, cdb);
}

static void test_a_command_that_crosses_the_status_leaves_the_sense(void)
{
	setup();
	start(1, read1);
	fake_blk_finish(&h.blk, 0, -EIO);
	/* Sent before the initiator could know. */
	start(2, tur);
	T_EQ(h.slots[2].status, MP_SCSI_GOOD);
	mp_scsi_free(h.bus, 1);
	T_EQ(hba_sense(&h), 0x031100);
	hba_fini(&h);
}

static void test_the_first_command_after_the_status_drops_the_sense(void)
{
	setup();
	start(1, bad);
	mp_scsi_free(h.bus, 1);
	start(2, tur);
	T_EQ(hba_sense(&h), 0);
	hba_fini(&h);
}

static void test_request_sense_that_crosses_the_status_takes_nothing(void)
{
	setup();
	start(1, bad);
	T_EQ(hba_sense(&h), 0);
	mp_scsi_free(h.bus, 1);
	T_EQ(hba_sense(&h), 0x052000);
	hba_fini(&h);
}

static void test_a_second_failure_waits_until_the_first_is_dealt_with(void)
{
	setup();
	start(1, read1);
	start(2, bad);
	fake_blk_finish(&h.blk, 0, -EIO);
	T_EQ(h.slots[2].status, MP_SCSI_CHECK_CONDITION);
	T_EQ(h.slots[1].status, -1);
	mp_scsi_free(h.bus, 2);
	T_EQ(h.slots[1].status, -1);
	T_EQ(hba_sense(&h), 0x052000);
	T_EQ(h.slots[1].status, MP_SCSI_CHECK_CONDITION);
	mp_scsi_free(h.bus, 1);
	T_EQ(hba_sense(&h), 0x031100);
	hba_fini(&h);
}

static void test_a_failure_that_waits_holds_nobody_up(void)
{
	setup();
	start_as(1, MP_SCSI_ORDERED, read1);
	start_as(2, MP_SCSI_HEAD_OF_QUEUE, bad);
	start(3, read1);
	fake_blk_finish(&h.blk, 0, -EIO);
	T_EQ(h.slots[1].status, -1);
	fake_blk_finish(&h.blk, 0, 0);
	T_EQ(h.slots[3].status, MP_SCSI_GOOD);
	T_EQ(mp_buffers_n_used(&h.bus->buffers, h.pool_len), 0);
	hba_fini(&h);
}

static void test_another_initiators_failure_does_not_wait(void)
{
	setup();
	start(1, bad);
	start(2, bad);
	h.initiator = 6;
	start(3, bad);
	T_EQ(h.slots[2].status, -1);
	T_EQ(h.slots[3].status, MP_SCSI_CHECK_CONDITION);
	hba_fini(&h);
}

static void test_a_command_instead_of_request_sense_lets_the_next_through(void)
{
	setup();
	start(1, bad);
	start(2, bad);
	mp_scsi_free(h.bus, 1);
	start(3, read1); /* and doesn't end yet */
	T_EQ(h.slots[2].status, MP_SCSI_CHECK_CONDITION);
	hba_fini(&h);
}

static void test_an_abort_of_the_first_lets_the_next_through(void)
{
	setup();
	start(1, bad);
	start(2, bad);
	start(3, bad);
	mp_scsi_abort_task(h.bus, 2); /* that waits */
	mp_scsi_abort_task(h.bus, 1); /* whose status is due */
	T_EQ(h.slots[2].status, -1);
	T_EQ(h.slots[3].status, MP_SCSI_CHECK_CONDITION);
	T_EQ(h.bus->n_failed, 0);
	hba_fini(&h);
}

static void test_a_reset_forgets_failures_and_sense(void)
{
	setup();
	start(1, bad);
	start(2, bad);
	mp_scsi_reset(h.bus, MP_SCSI_RESET_BUS, 0, 0);
	T_EQ(h.tasks[2].state, MP_SCSI_FREE);
	T_EQ(h.bus->n_failed, 0);
	T_EQ(hba_sense(&h), 0x062902);
	start(3, bad);
	T_EQ(h.slots[3].status, MP_SCSI_CHECK_CONDITION);
	hba_fini(&h);
}

static void test_request_sense_that_fails_does_not_wait_for_itself(void)
{
	static const uint8_t naca[6] = {0x03, 0, 0, 0, 18, 0x04};

	setup();
	start(1, bad);
	mp_scsi_free(h.bus, 1);
	start(2, naca);
	T_EQ(h.slots[2].status, MP_SCSI_CHECK_CONDITION);
	mp_scsi_free(h.bus, 2);
	T_EQ(hba_sense(&h), 0x052400);
	hba_fini(&h);
}

static void test_request_sense_that_fails_waits_for_a_status_that_is_due(void)
{
	static const uint8_t naca[6] = {0x03, 0, 0, 0, 18, 0x04};

	setup();
	start(1, bad);
	start(2, naca);
	T_EQ(h.slots[2].status, -1);
	mp_scsi_free(h.bus, 1);
	T_EQ(h.slots[2].status, MP_SCSI_CHECK_CONDITION);
	hba_fini(&h);
}

static void test_a_status_that_is_due_keeps_its_sense_over_anothers_reset(void)
{
	setup();
	start(1, bad);
	mp_scsi_manage(h.bus, MP_SCSI_TM_LUN_RESET, 6, 0, 0);
	mp_scsi_free(h.bus, 1);
	T_EQ(hba_sense(&h), 0x052000);
	T_EQ(hba_sense(&h), 0x062900);
	hba_fini(&h);
}

static void test_a_failure_that_holds_the_bus_does_not_wait(void)
{
	setup();
	start(1, bad);
	h.tasks[2].fast = 1;
	start(2, bad);
	T_EQ(h.slots[2].status, MP_SCSI_CHECK_CONDITION);
	hba_fini(&h);
}

static void test_failures_where_no_unit_is_do_not_wait(void)
{
	setup();
	h.tasks[1].lun = h.tasks[2].lun = 9;
	start(1, tur);
	start(2, tur);
	T_EQ(h.slots[1].status, MP_SCSI_CHECK_CONDITION);
	T_EQ(h.slots[2].status, MP_SCSI_CHECK_CONDITION);
	hba_fini(&h);
}

T_MAIN(T_TEST(test_a_command_that_crosses_the_status_leaves_the_sense),
       T_TEST(test_the_first_command_after_the_status_drops_the_sense),
       T_TEST(test_request_sense_that_crosses_the_status_takes_nothing),
       T_TEST(test_a_second_failure_waits_until_the_first_is_dealt_with),
       T_TEST(test_a_failure_that_waits_holds_nobody_up),
       T_TEST(test_another_initiators_failure_does_not_wait),
       T_TEST(test_a_command_instead_of_request_sense_lets_the_next_through),
       T_TEST(test_an_abort_of_the_first_lets_the_next_through),
       T_TEST(test_a_reset_forgets_failures_and_sense),
       T_TEST(test_request_sense_that_fails_does_not_wait_for_itself),
       T_TEST(test_request_sense_that_fails_waits_for_a_status_that_is_due),
       T_TEST(test_a_status_that_is_due_keeps_its_sense_over_anothers_reset),
       T_TEST(test_a_failure_that_holds_the_bus_does_not_wait),
       T_TEST(test_failures_where_no_unit_is_do_not_wait))
