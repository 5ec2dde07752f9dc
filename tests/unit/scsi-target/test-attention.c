/* SPDX-License-Identifier: BSD-3-Clause */
/* Unit attentions: who hears what, in which order, and which commands pass. */
#include "scsi-target/bus.h"
#include "tests/lib/fake_hba.h"
#include "tests/lib/t.h"

static struct fake_hba h;
static struct mp_scsi_lun *lun;

static const uint8_t tur[6] = {0};

/* Initiators 6 and 7 have taken their first unit attention, and no other has. */
static void setup(void)
{
	hba_init(&h, 1 << 20, 1 << 20);
	lun = h.bus->by_id[0][0];
	h.initiator = 6;
	hba_sense(&h);
	h.initiator = 7;
}

static unsigned int next_of(uint8_t initiator)
{
	unsigned int sense;

	h.initiator = initiator;
	sense = hba_sense(&h);
	h.initiator = 7;
	return sense;
}

static int report_luns(unsigned int select)
{
	static uint8_t out[64];
	const uint8_t cdb[12] = {0xa0, 0, (uint8_t)select, 0, 0, 0, 0, 0, 0, 64};

	return hba_run(&h, cdb, 12, out, 64);
}

static void test_each_condition_has_its_sense(void)
{
	setup();
	mp_lun_attention(lun, MP_UA_MEDIUM_CHANGED, MP_NOBODY);
	T_EQ(next_of(7), 0x062800);
	mp_lun_attention(lun, MP_UA_COMMANDS_CLEARED, MP_NOBODY);
	T_EQ(next_of(7), 0x062f00);
	mp_lun_attention(lun, MP_UA_MODE_CHANGED, MP_NOBODY);
	T_EQ(next_of(7), 0x062a01);
	mp_lun_attention(lun, MP_UA_LOG_CHANGED, MP_NOBODY);
	T_EQ(next_of(7), 0x062a02);
	mp_lun_attention(lun, MP_UA_RESERVATIONS_PREEMPTED, MP_NOBODY);
	T_EQ(next_of(7), 0x062a03);
	mp_lun_attention(lun, MP_UA_RESERVATIONS_RELEASED, MP_NOBODY);
	T_EQ(next_of(7), 0x062a04);
	mp_lun_attention(lun, MP_UA_REGISTRATIONS_PREEMPTED, MP_NOBODY);
	T_EQ(next_of(7), 0x062a05);
	mp_lun_attention(lun, MP_UA_CAPACITY_CHANGED, MP_NOBODY);
	T_EQ(next_of(7), 0x062a09);
	mp_lun_attention(lun, MP_UA_INQUIRY_CHANGED, MP_NOBODY);
	T_EQ(next_of(7), 0x063f03);
	mp_lun_attention(lun, MP_UA_LUNS_CHANGED, MP_NOBODY);
	T_EQ(next_of(7), 0x063f0e);
	mp_lun_attention(lun, MP_UA_EJECT_REQUESTED, MP_NOBODY);
	T_EQ(next_of(7), 0x065a01);
	T_EQ(next_of(7), 0);
	hba_fini(&h);
}

static void test_the_one_who_did_it_is_not_told(void)
{
	setup();
	mp_lun_attention(lun, MP_UA_MODE_CHANGED, 7);
	T_EQ(next_of(7), 0);
	T_EQ(next_of(6), 0x062a01);
	hba_fini(&h);
}

static void test_each_command_takes_one_the_gravest_first(void)
{
	setup();
	mp_lun_attention(lun, MP_UA_LUNS_CHANGED, MP_NOBODY);
	mp_lun_attention(lun, MP_UA_CAPACITY_CHANGED, MP_NOBODY);
	mp_lun_attention(lun, MP_UA_LUN_RESET, MP_NOBODY);
	T_EQ(hba_run(&h, tur, 6, NULL, 0), MP_SCSI_CHECK_CONDITION);
	T_EQ(hba_run(&h, tur, 6, NULL, 0), MP_SCSI_CHECK_CONDITION);
	T_EQ(hba_sense(&h), 0x062a09);
	T_EQ(hba_run(&h, tur, 6, NULL, 0), MP_SCSI_CHECK_CONDITION);
	T_EQ(hba_sense(&h), 0x063f0e);
	T_EQ(hba_run(&h, tur, 6, NULL, 0), MP_SCSI_GOOD);
	hba_fini(&h);
}

static void test_a_condition_raised_twice_is_told_once(void)
{
	setup();
	mp_lun_attention(lun, MP_UA_MODE_CHANGED, MP_NOBODY);
	mp_lun_attention(lun, MP_UA_MODE_CHANGED, MP_NOBODY);
	T_EQ(next_of(7), 0x062a01);
	T_EQ(next_of(7), 0);
	hba_fini(&h);
}

static void test_a_reset_makes_changed_parameters_stale_but_not_the_medium(void)
{
	setup();
	mp_lun_attention(lun, MP_UA_MODE_CHANGED, MP_NOBODY);
	mp_lun_attention(lun, MP_UA_COMMANDS_CLEARED, MP_NOBODY);
	mp_lun_attention(lun, MP_UA_MEDIUM_CHANGED, MP_NOBODY);
	mp_scsi_reset(h.bus, MP_SCSI_RESET_BUS, 0, 0);
	T_EQ(next_of(7), 0x062902);
	T_EQ(next_of(7), 0x062800);
	T_EQ(next_of(7), 0);
	hba_fini(&h);
}

static void test_power_on_replaces_everything(void)
{
	setup();
	mp_lun_attention(lun, MP_UA_MEDIUM_CHANGED, MP_NOBODY);
	mp_lun_attention(lun, MP_UA_CAPACITY_CHANGED, MP_NOBODY);
	mp_scsi_reset(h.bus, MP_SCSI_RESET_POWER, 0, 0);
	T_EQ(next_of(7), 0x062901);
	T_EQ(next_of(7), 0);
	hba_fini(&h);
}

static void test_who_has_not_heard_of_power_on_needs_no_lesser_news(void)
{
	setup();
	mp_lun_attention(lun, MP_UA_MODE_CHANGED, MP_NOBODY);
	mp_lun_attention(lun, MP_UA_MEDIUM_CHANGED, MP_NOBODY);
	T_EQ(next_of(3), 0x062901);
	T_EQ(next_of(3), 0x062800);
	T_EQ(next_of(3), 0);
	hba_fini(&h);
}

static void test_sense_of_a_failed_command_comes_before_a_unit_attention(void)
{
	setup();
	T_EQ(HBA_RUN(&h, NULL, 0, 0xff, 0, 0, 0, 0, 0), MP_SCSI_CHECK_CONDITION);
	mp_lun_attention(lun, MP_UA_MODE_CHANGED, MP_NOBODY);
	T_EQ(next_of(7), 0x052000);
	T_EQ(next_of(7), 0x062a01);
	hba_fini(&h);
}

static void test_an_unknown_command_reports_the_unit_attention_first(void)
{
	setup();
	mp_lun_attention(lun, MP_UA_MODE_CHANGED, MP_NOBODY);
	T_EQ(HBA_RUN(&h, NULL, 0, 0xff, 0, 0, 0, 0, 0), MP_SCSI_CHECK_CONDITION);
	T_EQ(hba_sense(&h), 0x062a01);
	hba_fini(&h);
}

static void test_a_new_unit_is_news_to_its_target(void)
{
	struct mp_scsi_disk_cfg disk = {.lun = 3, .logical_bytes = 512};
	struct mp_scsi_disk_cfg elsewhere = {.target = 1, .logical_bytes = 512};

	setup();
	disk.blk = elsewhere.blk = &h.blk;
	T_EQ(mp_scsi_disk_add(h.bus, &elsewhere), 0);
	T_EQ(next_of(7), 0);
	T_EQ(mp_scsi_disk_add(h.bus, &disk), 0);
	T_EQ(next_of(7), 0x063f0e);
	T_EQ(next_of(6), 0x063f0e);
	hba_fini(&h);
}

static void test_report_luns_answers_that_the_luns_have_changed(void)
{
	struct mp_scsi_disk_cfg disk = {.lun = 3, .logical_bytes = 512};

	setup();
	disk.blk = &h.blk;
	T_EQ(mp_scsi_disk_add(h.bus, &disk), 0);
	T_EQ(report_luns(0x7f), MP_SCSI_CHECK_CONDITION); /* refused: tells nothing */
	T_OK(lun->ua[7] != 0);
	T_EQ(report_luns(0), MP_SCSI_GOOD);
	T_EQ(next_of(7), 0);
	T_EQ(next_of(6), 0x063f0e);
	hba_fini(&h);
}

static void test_report_luns_answers_for_its_target_alone(void)
{
	struct mp_scsi_disk_cfg there = {.target = 1, .logical_bytes = 512};
	struct mp_scsi_lun *other;

	setup();
	there.blk = &h.blk;
	T_EQ(mp_scsi_disk_add(h.bus, &there), 0);
	other = h.bus->by_id[1][0];
	other->ua[7] = 0;
	mp_lun_attention(other, MP_UA_LUNS_CHANGED, MP_NOBODY);
	T_EQ(report_luns(0), MP_SCSI_GOOD);
	T_OK(other->ua[7] != 0);
	hba_fini(&h);
}

static void test_report_luns_leaves_other_conditions(void)
{
	setup();
	mp_lun_attention(lun, MP_UA_CAPACITY_CHANGED, MP_NOBODY);
	T_EQ(report_luns(0), MP_SCSI_GOOD);
	T_EQ(next_of(7), 0x062a09);
	hba_fini(&h);
}

static void test_an_abort_leaves_unit_attentions_alone(void)
{
	setup();
	mp_lun_attention(lun, MP_UA_CAPACITY_CHANGED, MP_NOBODY);
	mp_scsi_cancel_all(h.bus);
	T_EQ(next_of(7), 0x062a09);
	hba_fini(&h);
}

static void test_failure_on_the_bus_is_told_to_its_initiator(void)
{
	hba_init(&h, 1 << 20, 1 << 20);
	mp_scsi_bus_failed(h.bus, 0, 0, 7, 0x0b47);
	h.initiator = 6;
	(void)hba_sense(&h);
	T_EQ(hba_sense(&h), 0);
	h.initiator = 7;
	T_EQ(hba_sense(&h), 0x0b4700);
	T_EQ(hba_sense(&h), 0);
	hba_fini(&h);
}

T_MAIN(T_TEST(test_each_condition_has_its_sense), T_TEST(test_the_one_who_did_it_is_not_told),
       T_TEST(test_each_command_takes_one_the_gravest_first),
       T_TEST(test_a_condition_raised_twice_is_told_once),
       T_TEST(test_a_reset_makes_changed_parameters_stale_but_not_the_medium),
       T_TEST(test_power_on_replaces_everything),
       T_TEST(test_who_has_not_heard_of_power_on_needs_no_lesser_news),
       T_TEST(test_sense_of_a_failed_command_comes_before_a_unit_attention),
       T_TEST(test_an_unknown_command_reports_the_unit_attention_first),
       T_TEST(test_a_new_unit_is_news_to_its_target),
       T_TEST(test_report_luns_answers_that_the_luns_have_changed),
       T_TEST(test_report_luns_answers_for_its_target_alone),
       T_TEST(test_report_luns_leaves_other_conditions),
       T_TEST(test_an_abort_leaves_unit_attentions_alone),
       T_TEST(test_failure_on_the_bus_is_told_to_its_initiator))
