/* SPDX-License-Identifier: BSD-3-Clause */
/* The CD-ROM drive: tray, lock, changes of the medium, and who is told of them. */
#include <errno.h>

#include "base/bytes.h"
#include "tests/lib/fake_cd.h"
#include "tests/lib/t.h"

#define DISC_BYTES          (100u * 2048)

#define RUN(data, len, ...) HBA_RUN(&h, (data), (len), __VA_ARGS__)
#define TEST_UNIT_READY()   RUN(NULL, 0, 0x00, 0, 0, 0, 0, 0)
#define EJECT()             RUN(NULL, 0, 0x1b, 0, 0, 0, 2, 0)
#define LOAD()              RUN(NULL, 0, 0x1b, 0, 0, 0, 3, 0)
#define LOCK()              RUN(NULL, 0, 0x1e, 0, 0, 0, 1, 0)
#define UNLOCK()            RUN(NULL, 0, 0x1e, 0, 0, 0, 0, 0)

/* Media events and states */
#define NOTHING   0x0000u
#define WISH      0x0100u
#define NEW       0x0200u
#define REMOVED   0x0300u
#define PRESENT   0x02u
#define DOOR_OPEN 0x01u

static struct fake_hba h;
static struct mp_blk other; /* a second disc */

static void setup(uint64_t size_bytes)
{
	cd_init(&h, size_bytes);
	fake_blk_init(&other, 50 * 2048);
}

static void teardown(void)
{
	hba_fini(&h);
	fake_blk_fini(&other);
}

static unsigned int failed(int status)
{
	T_EQ(status, MP_SCSI_CHECK_CONDITION);
	return hba_sense(&h);
}

static uint32_t capacity(void)
{
	uint8_t data[8];

	T_EQ(RUN(data, 8, 0x25, 0, 0, 0, 0, 0, 0, 0, 0, 0), MP_SCSI_GOOD);
	T_EQ(mp_get_be32(data + 4), 2048);
	return mp_get_be32(data);
}

static bool claims(const uint8_t *inquiry, unsigned int version)
{
	bool found = false;

	for (unsigned int at = 58; at < 74; at += 2)
		found = found || mp_get_be16(inquiry + at) == version;
	return found;
}

static void test_inquiry_tells_a_removable_cdrom(void)
{
	uint8_t data[96];

	setup(DISC_BYTES);
	T_EQ(RUN(data, 96, 0x12, 0, 0, 0, 96, 0), MP_SCSI_GOOD);
	T_EQ(data[0], 0x05);
	T_EQ(data[1], 0x80);
	T_MEM_EQ(data + 8, "mpring  mpring CD-ROM   0.1 ", 28);
	T_OK(claims(data, 0x04e0)); /* MMC-6 */
	T_OK(!claims(data, 0x04c0)); /* SBC-3 */
	teardown();
}

static void test_pages_about_disks_are_not_offered(void)
{
	uint8_t data[16] = {0};

	setup(DISC_BYTES);
	T_EQ(RUN(data, 16, 0x12, 1, 0x00, 0, 16, 0), MP_SCSI_GOOD);
	T_EQ(data[0], 0x05);
	T_EQ(data[4], 0x00);
	T_EQ(data[data[3] + 3] < 0xb0, 1);
	T_EQ(RUN(data, 16, 0x12, 1, 0xb0, 0, 16, 0), MP_SCSI_CHECK_CONDITION);
	T_OK(cd_refused_at(&h, 2, 8));
	teardown();
}

static void test_drive_has_no_cache_to_lose(void)
{
	uint8_t data[64];

	setup(DISC_BYTES);
	T_EQ(RUN(data, 64, 0x12, 1, 0x86, 0, 64, 0), MP_SCSI_GOOD);
	T_EQ(data[6], 0);
	teardown();
}

static void test_odd_bytes_behind_the_last_block_are_not_shown(void)
{
	setup(DISC_BYTES + 1536);
	T_EQ(capacity(), 99);
	teardown();
}

static void test_disc_without_a_whole_block_is_refused(void)
{
	struct mp_scsi_cd_cfg cfg = {.target = 5, .blk = &other};

	setup(DISC_BYTES);
	other.size_bytes = 1536;
	T_EQ(mp_scsi_cd_add(h.bus, &cfg), -EINVAL);
	T_EQ(mp_scsi_cd_change(h.bus, CD_TARGET, 0, &other), -EINVAL);
	T_EQ(TEST_UNIT_READY(), MP_SCSI_GOOD);
	other.size_bytes = 50 * 2048;
	other.block_bytes = 4096; /* direct I/O on a disk of large sectors */
	T_EQ(mp_scsi_cd_add(h.bus, &cfg), -EINVAL);
	other.block_bytes = 512;
	T_EQ(mp_scsi_cd_add(h.bus, &cfg), 0);
	T_EQ(mp_scsi_cd_add(h.bus, &cfg), -EEXIST);
	teardown();
}

static void test_functions_of_the_drive_want_a_drive(void)
{
	setup(DISC_BYTES);
	T_EQ(mp_scsi_cd_change(h.bus, 0, 0, &other), -ENOENT); /* a disk */
	T_EQ(mp_scsi_cd_change(h.bus, 1, 0, &other), -ENOENT);
	T_EQ(mp_scsi_cd_eject_request(h.bus, 99, 0), -ENOENT);
	T_EQ(mp_scsi_cd_close_tray(h.bus, CD_TARGET, 64), -ENOENT);
	T_OK(!mp_scsi_cd_is_locked(h.bus, 0, 0));
	T_OK(!mp_scsi_cd_tray_open(h.bus, 0, 0));
	teardown();
}

static void test_empty_drive_says_whether_the_tray_is_open(void)
{
	setup(0);
	T_EQ(failed(TEST_UNIT_READY()), 0x023a01);
	T_EQ(EJECT(), MP_SCSI_GOOD);
	T_EQ(failed(TEST_UNIT_READY()), 0x023a02);
	T_OK(mp_scsi_cd_tray_open(h.bus, CD_TARGET, 0));
	T_EQ(LOAD(), MP_SCSI_GOOD);
	T_EQ(failed(TEST_UNIT_READY()), 0x023a01);
	T_EQ(cd_event(&h), NOTHING);
	teardown();
}

static void test_empty_drive_still_tells_what_it_is(void)
{
	uint8_t data[64];

	setup(0);
	T_EQ(RUN(data, 36, 0x12, 0, 0, 0, 36, 0), MP_SCSI_GOOD);
	T_EQ(RUN(data, 64, 0x46, 0, 0, 0, 0, 0, 0, 0, 64, 0), MP_SCSI_GOOD);
	T_EQ(RUN(data, 8, 0xbd, 0, 0, 0, 0, 0, 0, 0, 0, 8, 0, 0), MP_SCSI_GOOD);
	T_EQ(RUN(data, 12, 0x23, 0, 0, 0, 0, 0, 0, 0, 12, 0), MP_SCSI_GOOD);
	T_EQ(data[8], 0x03); /* no medium */
	T_EQ(failed(RUN(data, 8, 0x25, 0, 0, 0, 0, 0, 0, 0, 0, 0)), 0x023a01);
	T_EQ(failed(RUN(data, 64, 0x28, 0, 0, 0, 0, 0, 0, 0, 1, 0)), 0x023a01);
	T_EQ(failed(RUN(data, 64, 0x43, 0, 0, 0, 0, 0, 0, 0, 64, 0)), 0x023a01);
	teardown();
}

static void test_ejected_disc_comes_back_with_the_tray(void)
{
	setup(DISC_BYTES);
	T_EQ(EJECT(), MP_SCSI_GOOD);
	T_EQ(cd_event(&h), REMOVED | DOOR_OPEN);
	T_EQ(failed(TEST_UNIT_READY()), 0x023a02);
	T_EQ(LOAD(), MP_SCSI_GOOD);
	T_EQ(cd_event(&h), NEW | PRESENT);
	T_EQ(cd_event(&h), NOTHING | PRESENT);
	T_EQ(failed(TEST_UNIT_READY()), 0x062800);
	T_EQ(TEST_UNIT_READY(), MP_SCSI_GOOD);
	T_EQ(capacity(), 99);
	teardown();
}

static void test_tray_that_an_initiator_moves_is_told_of(void)
{
	setup(DISC_BYTES);
	T_EQ(LOCK(), MP_SCSI_GOOD);
	T_EQ(failed(EJECT()), 0x055302);
	T_EQ(UNLOCK(), MP_SCSI_GOOD);
	T_EQ(LOAD(), MP_SCSI_GOOD); /* it is closed */
	T_EQ(h.n_trays, 0);
	T_EQ(EJECT(), MP_SCSI_GOOD);
	T_EQ(h.n_trays, 1);
	T_OK(h.tray.open && h.tray.target == CD_TARGET && h.tray.lun == 0);
	T_EQ(EJECT(), MP_SCSI_GOOD);
	T_EQ(h.n_trays, 1);
	T_EQ(RUN(NULL, 0, 0xa6, 0, 0, 0, 3, 0, 0, 0, 0, 0, 0, 0), MP_SCSI_GOOD);
	T_EQ(h.n_trays, 2);
	T_OK(!h.tray.open);
	teardown();
}

static void test_tray_that_the_operator_moves_is_not_told_of(void)
{
	setup(DISC_BYTES);
	T_EQ(mp_scsi_cd_open_tray(h.bus, CD_TARGET, 0), 0);
	T_EQ(mp_scsi_cd_change(h.bus, CD_TARGET, 0, &other), 0);
	T_EQ(h.n_trays, 0);
	teardown();
}

static void test_loading_a_closed_tray_changes_nothing(void)
{
	setup(DISC_BYTES);
	T_EQ(LOAD(), MP_SCSI_GOOD);
	T_EQ(cd_event(&h), NOTHING | PRESENT);
	T_EQ(TEST_UNIT_READY(), MP_SCSI_GOOD);
	teardown();
}

static void test_load_unload_moves_the_tray(void)
{
	setup(DISC_BYTES);
	T_EQ(RUN(NULL, 0, 0xa6, 0, 0, 0, 2, 0, 0, 0, 0, 0, 0, 0), MP_SCSI_GOOD);
	T_OK(mp_scsi_cd_tray_open(h.bus, CD_TARGET, 0));
	T_EQ(RUN(NULL, 0, 0xa6, 0, 0, 0, 3, 0, 0, 0, 0, 0, 0, 0), MP_SCSI_GOOD);
	T_OK(!mp_scsi_cd_tray_open(h.bus, CD_TARGET, 0));
	T_EQ(failed(TEST_UNIT_READY()), 0x062800);
	T_EQ(RUN(NULL, 0, 0xa6, 0, 0, 0, 3, 0, 0, 0, 1, 0, 0, 0), MP_SCSI_CHECK_CONDITION);
	T_OK(cd_refused_at(&h, 8, 8)); /* there is one slot */
	teardown();
}

static void test_change_is_told_by_attention_and_by_two_events(void)
{
	setup(DISC_BYTES);
	T_EQ(mp_scsi_cd_change(h.bus, CD_TARGET, 0, &other), 0);
	T_EQ(cd_event(&h), REMOVED | PRESENT);
	T_EQ(cd_event(&h), NEW | PRESENT);
	T_EQ(cd_event(&h), NOTHING | PRESENT);
	T_EQ(failed(TEST_UNIT_READY()), 0x062800);
	T_EQ(capacity(), 49);
	teardown();
}

static void test_each_initiator_is_told_of_a_change(void)
{
	setup(DISC_BYTES);
	h.initiator = 6;
	hba_sense(&h); /* power on */
	T_EQ(TEST_UNIT_READY(), MP_SCSI_GOOD);
	T_EQ(mp_scsi_cd_change(h.bus, CD_TARGET, 0, &other), 0);
	T_EQ(failed(TEST_UNIT_READY()), 0x062800);
	h.initiator = 7;
	T_EQ(failed(TEST_UNIT_READY()), 0x062800);
	T_EQ(TEST_UNIT_READY(), MP_SCSI_GOOD);
	teardown();
}

static void test_taking_the_disc_out_leaves_the_tray_open(void)
{
	setup(DISC_BYTES);
	T_EQ(mp_scsi_cd_change(h.bus, CD_TARGET, 0, NULL), 0);
	T_EQ(cd_event(&h), REMOVED | DOOR_OPEN);
	T_EQ(failed(TEST_UNIT_READY()), 0x023a02);
	T_EQ(LOAD(), MP_SCSI_GOOD);
	T_EQ(failed(TEST_UNIT_READY()), 0x023a01);
	T_EQ(mp_scsi_cd_change(h.bus, CD_TARGET, 0, &other), 0);
	T_EQ(failed(TEST_UNIT_READY()), 0x062800);
	T_EQ(capacity(), 49);
	teardown();
}

static void test_locked_tray_stays_shut_for_every_initiator(void)
{
	setup(DISC_BYTES);
	T_EQ(LOCK(), MP_SCSI_GOOD);
	T_OK(mp_scsi_cd_is_locked(h.bus, CD_TARGET, 0));
	T_EQ(failed(EJECT()), 0x055302);
	h.initiator = 6;
	hba_sense(&h);
	T_EQ(failed(EJECT()), 0x055302);
	T_EQ(UNLOCK(), MP_SCSI_GOOD); /* but the lock is the other's */
	T_EQ(failed(EJECT()), 0x055302);
	h.initiator = 7;
	T_EQ(UNLOCK(), MP_SCSI_GOOD);
	T_EQ(EJECT(), MP_SCSI_GOOD);
	teardown();
}

static void test_open_tray_can_be_opened_though_it_is_locked(void)
{
	setup(DISC_BYTES);
	T_EQ(EJECT(), MP_SCSI_GOOD);
	T_EQ(LOCK(), MP_SCSI_GOOD);
	T_EQ(EJECT(), MP_SCSI_GOOD);
	teardown();
}

static void test_events_of_a_disc_that_is_gone_are_forgotten(void)
{
	setup(DISC_BYTES);
	T_EQ(LOCK(), MP_SCSI_GOOD);
	T_EQ(mp_scsi_cd_eject_request(h.bus, CD_TARGET, 0), 1);
	T_EQ(mp_scsi_cd_change(h.bus, CD_TARGET, 0, &other), 0);
	T_EQ(mp_scsi_cd_change(h.bus, CD_TARGET, 0, NULL), 0);
	T_EQ(cd_event(&h), REMOVED | DOOR_OPEN);
	T_EQ(cd_event(&h), NOTHING | DOOR_OPEN);
	teardown();
}

static void test_locked_empty_drive_is_not_ready_to_eject(void)
{
	setup(0);
	T_EQ(LOCK(), MP_SCSI_GOOD);
	T_EQ(failed(EJECT()), 0x025302);
	teardown();
}

static void test_button_opens_an_unlocked_tray(void)
{
	setup(DISC_BYTES);
	T_EQ(mp_scsi_cd_eject_request(h.bus, CD_TARGET, 0), 0);
	T_EQ(cd_event(&h), REMOVED | DOOR_OPEN);
	T_EQ(failed(TEST_UNIT_READY()), 0x023a02);
	T_EQ(mp_scsi_cd_close_tray(h.bus, CD_TARGET, 0), 0);
	T_EQ(failed(TEST_UNIT_READY()), 0x062800);
	teardown();
}

static void test_button_of_a_locked_tray_is_passed_on(void)
{
	setup(DISC_BYTES);
	T_EQ(LOCK(), MP_SCSI_GOOD);
	T_EQ(mp_scsi_cd_eject_request(h.bus, CD_TARGET, 0), 1);
	T_OK(!mp_scsi_cd_tray_open(h.bus, CD_TARGET, 0));
	T_EQ(cd_event(&h), WISH | PRESENT);
	T_EQ(cd_event(&h), NOTHING | PRESENT);
	T_EQ(failed(TEST_UNIT_READY()), 0x065a01);
	/* What Linux does then. */
	T_EQ(UNLOCK(), MP_SCSI_GOOD);
	T_EQ(EJECT(), MP_SCSI_GOOD);
	T_EQ(cd_event(&h), REMOVED | DOOR_OPEN);
	teardown();
}

static void test_reset_unlocks_and_leaves_the_tray(void)
{
	setup(DISC_BYTES);
	T_EQ(EJECT(), MP_SCSI_GOOD);
	T_EQ(LOCK(), MP_SCSI_GOOD);
	mp_scsi_reset(h.bus, MP_SCSI_RESET_BUS, 0, 0);
	T_OK(!mp_scsi_cd_is_locked(h.bus, CD_TARGET, 0));
	T_OK(mp_scsi_cd_tray_open(h.bus, CD_TARGET, 0));
	T_EQ(failed(TEST_UNIT_READY()), 0x062902);
	T_EQ(failed(TEST_UNIT_READY()), 0x023a02);
	teardown();
}

static void test_start_wants_a_medium_and_stop_does_not(void)
{
	setup(DISC_BYTES);
	T_EQ(RUN(NULL, 0, 0x1b, 0, 0, 0, 0, 0), MP_SCSI_GOOD);
	T_EQ(TEST_UNIT_READY(), MP_SCSI_GOOD); /* it would start by itself */
	T_EQ(RUN(NULL, 0, 0x1b, 0, 0, 0, 1, 0), MP_SCSI_GOOD);
	T_EQ(EJECT(), MP_SCSI_GOOD);
	T_EQ(RUN(NULL, 0, 0x1b, 0, 0, 0, 0, 0), MP_SCSI_GOOD);
	T_EQ(failed(RUN(NULL, 0, 0x1b, 0, 0, 0, 1, 0)), 0x023a02);
	teardown();
}

static void test_power_conditions_are_taken_and_sleep_is_not(void)
{
	setup(DISC_BYTES);
	T_EQ(RUN(NULL, 0, 0x1b, 0, 0, 0, 0x30, 0), MP_SCSI_GOOD);
	T_EQ(TEST_UNIT_READY(), MP_SCSI_GOOD);
	T_EQ(RUN(NULL, 0, 0x1b, 0, 0, 0, 0x50, 0), MP_SCSI_CHECK_CONDITION);
	T_OK(cd_refused_at(&h, 4, 7));
	teardown();
}

static void test_events_are_told_only_when_polled_for(void)
{
	uint8_t data[8];

	setup(DISC_BYTES);
	T_EQ(RUN(data, 8, 0x4a, 0, 0, 0, 0x10, 0, 0, 0, 8, 0), MP_SCSI_CHECK_CONDITION);
	T_OK(cd_refused_at(&h, 1, 0));
	teardown();
}

static void test_event_header_alone_keeps_the_event(void)
{
	uint8_t data[8];

	setup(DISC_BYTES);
	T_EQ(EJECT(), MP_SCSI_GOOD);
	T_EQ(RUN(data, 4, 0x4a, 1, 0, 0, 0x10, 0, 0, 0, 4, 0), MP_SCSI_GOOD);
	T_EQ(cd_event(&h), REMOVED | DOOR_OPEN);
	teardown();
}

static void test_classes_without_events_say_so(void)
{
	static const uint8_t none[4] = {0, 2, 0x80, 0x54};
	static const uint8_t power[8] = {0, 6, 2, 0x54, 0, 1};
	static const uint8_t busy[8] = {0, 6, 6, 0x54};
	uint8_t data[8];

	setup(DISC_BYTES);
	T_EQ(RUN(data, 8, 0x4a, 1, 0, 0, 0x02, 0, 0, 0, 8, 0), MP_SCSI_GOOD);
	T_EQ(h.slots[0].n_moved, 4);
	T_MEM_EQ(data, none, 4);
	T_EQ(RUN(data, 8, 0x4a, 1, 0, 0, 0x7e, 0, 0, 0, 8, 0), MP_SCSI_GOOD);
	T_MEM_EQ(data, power, 8);
	T_EQ(RUN(data, 8, 0x4a, 1, 0, 0, 0x40, 0, 0, 0, 8, 0), MP_SCSI_GOOD);
	T_MEM_EQ(data, busy, 8);
	/* An event goes before a class that has none. */
	T_EQ(EJECT(), MP_SCSI_GOOD);
	T_EQ(RUN(data, 8, 0x4a, 1, 0, 0, 0x7e, 0, 0, 0, 8, 0), MP_SCSI_GOOD);
	T_EQ(data[2], 4);
	teardown();
}

static void test_events_pass_a_unit_attention_by(void)
{
	setup(DISC_BYTES);
	T_EQ(mp_scsi_cd_change(h.bus, CD_TARGET, 0, NULL), 0);
	T_EQ(mp_scsi_cd_change(h.bus, CD_TARGET, 0, &other), 0);
	T_EQ(cd_event(&h) & 0xff, PRESENT);
	T_EQ(failed(TEST_UNIT_READY()), 0x062800);
	teardown();
}

static void test_mechanism_status_tells_the_door(void)
{
	uint8_t data[8];

	setup(DISC_BYTES);
	T_EQ(RUN(data, 8, 0xbd, 0, 0, 0, 0, 0, 0, 0, 0, 8, 0, 0), MP_SCSI_GOOD);
	T_EQ(data[1], 0);
	T_EQ(EJECT(), MP_SCSI_GOOD);
	T_EQ(RUN(data, 8, 0xbd, 0, 0, 0, 0, 0, 0, 0, 0, 8, 0, 0), MP_SCSI_GOOD);
	T_EQ(data[1], 0x10);
	teardown();
}

static void test_nothing_is_written(void)
{
	uint8_t data[2048];

	setup(DISC_BYTES);
	T_EQ(failed(RUN(data, 2048, 0x2a, 0, 0, 0, 0, 0, 0, 0, 1, 0)), 0x052000);
	T_EQ(failed(RUN(data, 2048, 0xaa, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0)), 0x052000);
	T_EQ(failed(RUN(NULL, 0, 0x04, 0, 0, 0, 0, 0)), 0x052000);
	T_EQ(failed(RUN(NULL, 0, 0xa1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0)), 0x052000);
	T_EQ(h.blk.n_op[MP_BLK_WRITE], 0);
	teardown();
}

T_MAIN(T_TEST(test_tray_that_an_initiator_moves_is_told_of),
       T_TEST(test_tray_that_the_operator_moves_is_not_told_of),
       T_TEST(test_inquiry_tells_a_removable_cdrom), T_TEST(test_pages_about_disks_are_not_offered),
       T_TEST(test_drive_has_no_cache_to_lose),
       T_TEST(test_odd_bytes_behind_the_last_block_are_not_shown),
       T_TEST(test_disc_without_a_whole_block_is_refused),
       T_TEST(test_functions_of_the_drive_want_a_drive),
       T_TEST(test_empty_drive_says_whether_the_tray_is_open),
       T_TEST(test_empty_drive_still_tells_what_it_is),
       T_TEST(test_ejected_disc_comes_back_with_the_tray),
       T_TEST(test_loading_a_closed_tray_changes_nothing), T_TEST(test_load_unload_moves_the_tray),
       T_TEST(test_change_is_told_by_attention_and_by_two_events),
       T_TEST(test_each_initiator_is_told_of_a_change),
       T_TEST(test_taking_the_disc_out_leaves_the_tray_open),
       T_TEST(test_locked_tray_stays_shut_for_every_initiator),
       T_TEST(test_open_tray_can_be_opened_though_it_is_locked),
       T_TEST(test_events_of_a_disc_that_is_gone_are_forgotten),
       T_TEST(test_locked_empty_drive_is_not_ready_to_eject),
       T_TEST(test_button_opens_an_unlocked_tray),
       T_TEST(test_button_of_a_locked_tray_is_passed_on),
       T_TEST(test_reset_unlocks_and_leaves_the_tray),
       T_TEST(test_start_wants_a_medium_and_stop_does_not),
       T_TEST(test_power_conditions_are_taken_and_sleep_is_not),
       T_TEST(test_events_are_told_only_when_polled_for),
       T_TEST(test_event_header_alone_keeps_the_event), T_TEST(test_classes_without_events_say_so),
       T_TEST(test_events_pass_a_unit_attention_by), T_TEST(test_mechanism_status_tells_the_door),
       T_TEST(test_nothing_is_written))
