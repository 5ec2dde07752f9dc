/* SPDX-License-Identifier: BSD-3-Clause */
/* INQUIRY and its pages, REQUEST SENSE, REPORT LUNS, opcodes: golden bytes. */

#include "base/bytes.h"
#include "tests/lib/t.h"
#include "tests/unit/scsi-target/disk.h"

/* A second bus with units of the test's choice behind the same adapter. */
static void rebuild(const struct mp_scsi_disk_cfg *disks, unsigned int n)
{
	struct mp_scsi_bus_cfg cfg = {.ops = &hba_ops,
				      .opaque = &h,
				      .tasks = h.tasks,
				      .n_tasks = HBA_TASKS,
				      .pool = h.pool,
				      .pool_len = h.pool_len};

	h.bus = mp_scsi_bus_destroy(h.bus);
	T_EQ(mp_scsi_bus_create(&cfg, &h.bus), 0);
	for (unsigned int i = 0; i < n; i++)
		T_EQ(mp_scsi_disk_add(h.bus, &disks[i]), 0);
	if (n)
		hba_sense(&h);
}

static void address(unsigned int target, unsigned int lun)
{
	for (unsigned int i = 0; i < HBA_TASKS; i++) {
		h.tasks[i].target = (uint8_t)target;
		h.tasks[i].lun = (uint8_t)lun;
	}
}

static void test_inquiry_of_36_bytes(void)
{
	static const uint8_t golden[36] = "\x00\x00\x06\x12\x5b\x00\x00\x32"
					  "mpring  "
					  "mpring HARDDISK "
					  "0.1 ";

	setup();
	T_EQ(RUN(36, 0x12, 0, 0, 0, 36, 0), MP_SCSI_GOOD);
	T_EQ(h.slots[0].n_moved, 36);
	T_MEM_EQ(data, golden, 36);
	hba_fini(&h);
}

static void test_inquiry_has_96_bytes_and_says_so(void)
{
	setup();
	T_EQ(RUN(96, 0x12, 0, 0, 0, 96, 0), MP_SCSI_GOOD);
	T_EQ(h.slots[0].n_moved, 96);
	T_EQ(data[4], 91);
	T_EQ(data[95], 0);
	T_EQ(RUN(4096, 0x12, 0, 0, 0x10, 0, 0), MP_SCSI_GOOD);
	T_EQ(h.slots[0].n_moved, 96);
	T_EQ(data[4], 91);
	T_EQ(RUN(5, 0x12, 0, 0, 0, 5, 0), MP_SCSI_GOOD);
	T_EQ(h.slots[0].n_moved, 5);
	T_EQ(data[4], 91); /* what there is, not what was asked for */
	hba_fini(&h);
}

static void test_inquiry_of_zero_bytes_moves_nothing(void)
{
	setup();
	T_EQ(RUN(0, 0x12, 0, 0, 0, 0, 0), MP_SCSI_GOOD);
	T_EQ(h.slots[0].n_moved, 0);
	hba_fini(&h);
}

static void test_inquiry_with_page_but_without_evpd_is_refused(void)
{
	static const uint8_t golden[18] = {0x70, 0, 5, 0,    0, 0, 0,    10, 0,
					   0,    0, 0, 0x24, 0, 0, 0xc0, 0,  2};

	setup();
	T_EQ(RUN(36, 0x12, 0, 0x80, 0, 36, 0), MP_SCSI_CHECK_CONDITION);
	T_EQ(RUN(18, 0x03, 0, 0, 0, 18, 0), MP_SCSI_GOOD);
	T_MEM_EQ(data, golden, 18);
	hba_fini(&h);
}

static void test_vpd_pages_of_a_disk_with_serial_and_wwn(void)
{
	static const uint8_t supported[] = {0,    0,    0,    8,    0,    0x80,
					    0x83, 0x86, 0x87, 0xb0, 0xb1, 0xb2};
	static const uint8_t serial[] = {0, 0x80, 0, 3, 'S', 'N', '1'};
	static const uint8_t id[] = "\x00\x83\x00\x33"
				    "\x02\x01\x00\x1b"
				    "VENDOR  PRODUCT         SN1"
				    "\x01\x03\x00\x08\x50\x01\x23\x45\x67\x89\xab\xcd"
				    "\x11\x94\x00\x04\x00\x00\x00\x01";
	struct mp_scsi_disk_cfg disk = {.logical_bytes = 512,
					.identity.vendor = "VENDOR",
					.identity.product = "PRODUCT",
					.identity.serial = "SN1",
					.identity.wwn = 0x500123456789abcdull};

	setup();
	disk.blk = &h.blk;
	rebuild(&disk, 1);
	T_EQ(RUN(255, 0x12, 1, 0x00, 0, 255, 0), MP_SCSI_GOOD);
	T_EQ(h.slots[0].n_moved, sizeof(supported));
	T_MEM_EQ(data, supported, sizeof(supported));
	T_EQ(RUN(255, 0x12, 1, 0x80, 0, 255, 0), MP_SCSI_GOOD);
	T_EQ(h.slots[0].n_moved, sizeof(serial));
	T_MEM_EQ(data, serial, sizeof(serial));
	T_EQ(RUN(255, 0x12, 1, 0x83, 0, 255, 0), MP_SCSI_GOOD);
	T_EQ(h.slots[0].n_moved, sizeof(id) - 1);
	T_MEM_EQ(data, id, sizeof(id) - 1);
	hba_fini(&h);
}

static void test_extended_inquiry_and_mode_page_policy(void)
{
	static const uint8_t extended[14] = {0, 0x86, 0, 60, 0, 7, 1, 0, 0, 0, 0, 1};
	static const uint8_t policy[8] = {0, 0x87, 0, 4, 0x3f, 0xff};

	setup();
	T_EQ(RUN(255, 0x12, 1, 0x86, 0, 255, 0), MP_SCSI_GOOD);
	T_EQ(h.slots[0].n_moved, 64);
	T_MEM_EQ(data, extended, sizeof(extended));
	T_EQ(RUN(255, 0x12, 1, 0x87, 0, 255, 0), MP_SCSI_GOOD);
	T_EQ(h.slots[0].n_moved, sizeof(policy));
	T_MEM_EQ(data, policy, sizeof(policy));
	hba_fini(&h);
}

static void test_inquiry_names_the_standards(void)
{
	static const uint8_t golden[10] = {0, 0, 0x00, 0x80, 0x04, 0x60, 0x0b, 0x00, 0x04, 0xc0};

	setup();
	T_EQ(RUN(96, 0x12, 0, 0, 0, 96, 0), MP_SCSI_GOOD);
	T_MEM_EQ(data + 56, golden, sizeof(golden));
	hba_fini(&h);
}

static void test_vpd_without_serial_has_no_page_80(void)
{
	setup();
	T_EQ(RUN(255, 0x12, 1, 0x80, 0, 255, 0), MP_SCSI_CHECK_CONDITION);
	T_EQ(hba_sense(&h), 0x052400);
	hba_fini(&h);
}

static void test_vpd_limits_tell_how_to_discard(void)
{
	setup();
	h.blk.can_discard = true;
	T_EQ(RUN(255, 0x12, 1, 0xb0, 0, 255, 0), MP_SCSI_GOOD);
	T_EQ(h.slots[0].n_moved, 64);
	T_EQ(data[4], 1);
	T_EQ(data[5], 16); /* COMPARE AND WRITE: 8 KiB */
	T_EQ(mp_get_be32(data + 12), 128); /* 64 KiB */
	T_EQ(mp_get_be32(data + 16), 131072); /* PRE-FETCH: 64 MiB */
	T_EQ(mp_get_be32(data + 20), 1u << 23); /* 4 GiB */
	T_EQ(mp_get_be32(data + 24), 255);
	T_EQ(mp_get_be32(data + 28), 8);
	T_EQ(mp_get_be32(data + 32), 1u << 31);
	T_EQ(mp_get_be32(data + 44), 64); /* WRITE ATOMIC: 32 KiB */
	T_EQ(mp_get_be64(data + 36), 1u << 21); /* 1 GiB */
	T_EQ(RUN(255, 0x12, 1, 0xb2, 0, 255, 0), MP_SCSI_GOOD);
	T_EQ(data[5], 0xe4);
	T_EQ(RUN(255, 0x12, 1, 0xb1, 0, 255, 0), MP_SCSI_GOOD);
	T_EQ(mp_get_be16(data + 4), 1);
	T_EQ(data[8], 1);
	hba_fini(&h);
}

static void test_absent_unit_says_so_and_does_nothing_else(void)
{
	setup();
	address(0, 3);
	T_EQ(RUN(36, 0x12, 0, 0, 0, 36, 0), MP_SCSI_GOOD);
	T_EQ(data[0], 0x7f);
	T_EQ(RUN(0, 0x00, 0, 0, 0, 0, 0), MP_SCSI_CHECK_CONDITION);
	T_EQ(hba_sense(&h), 0x052500);
	T_EQ(RUN(0, 0xff, 0, 0, 0, 0, 0), MP_SCSI_CHECK_CONDITION);
	T_EQ(hba_sense(&h), 0x052500);
	/* UNMAP depends on the medium, and here is none. */
	T_EQ(RUN(0, 0x42, 0, 0, 0, 0, 0, 0, 0, 0, 0), MP_SCSI_CHECK_CONDITION);
	T_EQ(hba_sense(&h), 0x052500);
	address(200, 200);
	T_EQ(RUN(512, 0x28, 0, 0, 0, 0, 0, 0, 0, 1, 0), MP_SCSI_CHECK_CONDITION);
	T_EQ(hba_sense(&h), 0x052500);
	hba_fini(&h);
}

static void test_report_luns_lists_the_targets_units_only(void)
{
	struct mp_scsi_disk_cfg disks[3] = {{.target = 2, .lun = 0, .logical_bytes = 512},
					    {.target = 2, .lun = 5, .logical_bytes = 512},
					    {.target = 3, .lun = 1, .logical_bytes = 512}};
	static const uint8_t golden[24] = {0, 0, 0, 16, 0, 0, 0, 0, 0, 0, 0, 0,
					   0, 0, 0, 0,  0, 5, 0, 0, 0, 0, 0, 0};

	setup();
	for (int i = 0; i < 3; i++)
		disks[i].blk = &h.blk;
	rebuild(disks, 3);
	address(2, 0);
	T_EQ(RUN(4096, 0xa0, 0, 0, 0, 0, 0, 0, 0, 16, 0, 0, 0), MP_SCSI_GOOD);
	T_EQ(h.slots[0].n_moved, 24);
	T_MEM_EQ(data, golden, 24);
	/* The boot firmware asks for 16 first. */
	T_EQ(RUN(16, 0xa0, 0, 0, 0, 0, 0, 0, 0, 0, 16, 0, 0), MP_SCSI_GOOD);
	T_EQ(h.slots[0].n_moved, 16);
	hba_fini(&h);
}

static void test_report_luns_knows_no_other_kind_of_unit(void)
{
	setup();
	T_EQ(RUN(64, 0xa0, 0, 2, 0, 0, 0, 0, 0, 0, 64, 0, 0), MP_SCSI_GOOD);
	T_EQ(h.slots[0].n_moved, 16);
	T_EQ(RUN(64, 0xa0, 0, 1, 0, 0, 0, 0, 0, 0, 64, 0, 0), MP_SCSI_GOOD);
	T_EQ(h.slots[0].n_moved, 8); /* no well-known units */
	T_EQ(mp_get_be32(data), 0);
	T_EQ(RUN(64, 0xa0, 0, 3, 0, 0, 0, 0, 0, 0, 64, 0, 0), MP_SCSI_CHECK_CONDITION);
	T_EQ(RUN(18, 0x03, 0, 0, 0, 18, 0), MP_SCSI_GOOD);
	T_EQ(mp_get_be16(data + 16), 2);
	hba_fini(&h);
}

static void test_absent_unit_has_no_name_and_one_page(void)
{
	static const uint8_t golden[5] = {0x7f, 0, 0, 1, 0};

	setup();
	address(0, 3);
	T_EQ(RUN(36, 0x12, 0, 0, 0, 36, 0), MP_SCSI_GOOD);
	T_EQ(data[8], ' ');
	T_EQ(data[35], ' ');
	T_EQ(RUN(255, 0x12, 1, 0, 0, 255, 0), MP_SCSI_GOOD);
	T_EQ(h.slots[0].n_moved, 5);
	T_MEM_EQ(data, golden, 5);
	T_EQ(RUN(255, 0x12, 1, 0xb0, 0, 255, 0), MP_SCSI_CHECK_CONDITION);
	T_EQ(hba_sense(&h), 0x052500);
	hba_fini(&h);
}

static void test_disk_without_a_name_or_discard_shows_neither(void)
{
	setup();
	T_EQ(RUN(255, 0x12, 1, 0x83, 0, 255, 0), MP_SCSI_GOOD);
	T_EQ(mp_get_be16(data + 2), 4 + 24 + 4 + 4);
	T_EQ(RUN(255, 0x12, 1, 0xb0, 0, 255, 0), MP_SCSI_GOOD);
	T_EQ(mp_get_be32(data + 20), 0);
	T_EQ(mp_get_be32(data + 32), 0);
	T_EQ(RUN(255, 0x12, 1, 0xb2, 0, 255, 0), MP_SCSI_GOOD);
	T_EQ(data[5] & 0xe0, 0);
	hba_fini(&h);
}

static void test_disk_without_a_serial_number_is_told_apart_by_its_device_id(void)
{
	static const char golden[] = "\x00\x83\x00\x0e"
				     "\x02\x00\x00\x02"
				     "d1"
				     "\x11\x94\x00\x04\x00\x00\x00\x01";
	struct mp_scsi_disk_cfg disk = {.logical_bytes = 512, .identity.device_id = "d1"};

	setup();
	disk.blk = &h.blk;
	rebuild(&disk, 1);
	T_EQ(RUN(255, 0x12, 1, 0x83, 0, 255, 0), MP_SCSI_GOOD);
	T_EQ(h.slots[0].n_moved, sizeof(golden) - 1);
	T_MEM_EQ(data, golden, sizeof(golden) - 1);
	hba_fini(&h);
}

static void test_bad_disks_are_refused(void)
{
	struct mp_scsi_disk_cfg disk = {.logical_bytes = 512};

	setup();
	disk.blk = &h.blk;
	T_EQ(mp_scsi_disk_add(h.bus, &disk), -17); /* EEXIST */
	disk.target = 16;
	T_EQ(mp_scsi_disk_add(h.bus, &disk), -22); /* EINVAL */
	disk.target = 1;
	disk.logical_bytes = 1024;
	T_EQ(mp_scsi_disk_add(h.bus, &disk), -22);
	disk.logical_bytes = 512;
	h.blk.block_bytes = 4096;
	T_EQ(mp_scsi_disk_add(h.bus, &disk), -22);
	T_OK(!mp_scsi_target_present(h.bus, 1));
	T_OK(mp_scsi_target_present(h.bus, 0));
	hba_fini(&h);
}

static void test_sense_is_delivered_once(void)
{
	setup();
	T_EQ(RUN(0, 0xff, 0, 0, 0, 0, 0), MP_SCSI_CHECK_CONDITION);
	T_EQ(hba_sense(&h), 0x052000);
	T_EQ(hba_sense(&h), 0);
	hba_fini(&h);
}

static void test_stopped_disk_says_so_as_often_as_asked(void)
{
	setup();
	T_EQ(RUN(0, 0x1b, 0, 0, 0, 0, 0), MP_SCSI_GOOD);
	T_EQ(hba_sense(&h), 0x020402);
	T_EQ(hba_sense(&h), 0x020402);
	T_EQ(RUN(0, 0x1b, 0, 0, 0, 1, 0), MP_SCSI_GOOD);
	T_EQ(hba_sense(&h), 0);
	hba_fini(&h);
}

static void test_next_command_clears_sense(void)
{
	setup();
	T_EQ(RUN(0, 0xff, 0, 0, 0, 0, 0), MP_SCSI_CHECK_CONDITION);
	T_EQ(RUN(0, 0x00, 0, 0, 0, 0, 0), MP_SCSI_GOOD);
	T_EQ(hba_sense(&h), 0);
	hba_fini(&h);
}

static void test_descriptor_sense_carries_a_long_lba(void)
{
	static const uint8_t golden[20] = {0x72, 5, 0x21, 0,    0,    0,    0,    12,   0,    10,
					   0x80, 0, 0x12, 0x34, 0x56, 0x78, 0x9a, 0xbc, 0xde, 0xf0};

	setup();
	T_EQ(RUN(0, 0x88, 0, 0x12, 0x34, 0x56, 0x78, 0x9a, 0xbc, 0xde, 0xf0, 0, 0, 0, 1, 0, 0),
	     MP_SCSI_CHECK_CONDITION);
	T_EQ(RUN(252, 0x03, 1, 0, 0, 252, 0), MP_SCSI_GOOD);
	T_EQ(h.slots[0].n_moved, 20);
	T_MEM_EQ(data, golden, 20);
	hba_fini(&h);
}

static void test_short_cdb_naca_and_link_are_refused(void)
{
	setup();
	T_EQ(RUN(512, 0x28, 0, 0, 0, 0, 0), MP_SCSI_CHECK_CONDITION);
	T_EQ(hba_sense(&h), 0x052400);
	T_EQ(RUN(0, 0x00, 0, 0, 0, 0, 0x04), MP_SCSI_CHECK_CONDITION);
	T_EQ(hba_sense(&h), 0x052400);
	T_EQ(RUN(0, 0x00, 0, 0, 0, 0, 0x01), MP_SCSI_CHECK_CONDITION);
	T_EQ(hba_sense(&h), 0x052400);
	T_EQ(RUN(0, 0x9e, 0x1f, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0), MP_SCSI_CHECK_CONDITION);
	T_EQ(hba_sense(&h), 0x052400);
	hba_fini(&h);
}

static void test_report_opcodes_knows_write_same_and_not_unmap(void)
{
	static const uint8_t write_same[20] = {0,   3,   0,   16,  0x93, 9,   255, 255, 255, 255,
					       255, 255, 255, 255, 255,  255, 255, 255, 0,   0};

	setup();
	T_EQ(RUN(512, 0xa3, 0x0c, 1, 0x93, 0, 0, 0, 0, 2, 0, 0, 0), MP_SCSI_GOOD);
	T_EQ(h.slots[0].n_moved, 20);
	T_MEM_EQ(data, write_same, 20);
	T_EQ(RUN(512, 0xa3, 0x0c, 1, 0x42, 0, 0, 0, 0, 2, 0, 0, 0), MP_SCSI_GOOD);
	T_EQ(data[1], 1);
	h.blk.can_discard = true;
	T_EQ(RUN(512, 0xa3, 0x0c, 1, 0x42, 0, 0, 0, 0, 2, 0, 0, 0), MP_SCSI_GOOD);
	T_EQ(data[1], 3);
	T_EQ(RUN(512, 0xa3, 0x0c, 3, 0x9e, 0, 0x10, 0, 0, 2, 0, 0, 0), MP_SCSI_GOOD);
	T_EQ(data[1], 3);
	T_EQ(RUN(512, 0xa3, 0x0c, 1, 0x9e, 0, 0, 0, 0, 2, 0, 0, 0), MP_SCSI_CHECK_CONDITION);
	hba_fini(&h);
}

static void test_report_all_opcodes_fits_its_length(void)
{
	setup();
	T_EQ(RUN(4096, 0xa3, 0x0c, 0x80, 0, 0, 0, 0, 0, 0x10, 0, 0, 0), MP_SCSI_GOOD);
	T_EQ(h.slots[0].n_moved, mp_get_be32(data) + 4);
	T_EQ(mp_get_be32(data) % 20, 0);
	T_EQ(data[4], 0x00); /* TEST UNIT READY, first */
	T_EQ(data[9], 0x02); /* with time-outs */
	hba_fini(&h);
}

static void test_other_initiator_meets_a_reservation(void)
{
	setup();
	T_EQ(RUN(0, 0x16, 0, 0, 0, 0, 0), MP_SCSI_GOOD);
	T_EQ(RUN(0, 0x17, 0, 0, 0, 0, 0), MP_SCSI_GOOD);
	T_EQ(RUN(0, 0x16, 0, 0, 0, 0, 0), MP_SCSI_GOOD);
	T_EQ(RUN(0, 0x00, 0, 0, 0, 0, 0), MP_SCSI_GOOD);
	h.initiator = 6;
	hba_sense(&h); /* power on */
	T_EQ(RUN(0, 0x00, 0, 0, 0, 0, 0), MP_SCSI_RESERVATION_CONFLICT);
	mp_scsi_reset(h.bus, MP_SCSI_RESET_LUN, 0, 0);
	hba_sense(&h);
	T_EQ(RUN(0, 0x00, 0, 0, 0, 0, 0), MP_SCSI_GOOD);
	hba_fini(&h);
}

static void test_each_initiator_has_its_own_attention_and_sense(void)
{
	setup();
	mp_scsi_reset(h.bus, MP_SCSI_RESET_LUN, 0, 0);
	T_EQ(RUN(0, 0x00, 0, 0, 0, 0, 0), MP_SCSI_CHECK_CONDITION);
	h.initiator = 6;
	T_EQ(RUN(0, 0x00, 0, 0, 0, 0, 0), MP_SCSI_CHECK_CONDITION);
	T_EQ(hba_sense(&h), 0x62901); /* the power on before the reset outranks it */
	T_EQ(RUN(0, 0x00, 0, 0, 0, 0, 0), MP_SCSI_GOOD);
	h.initiator = 7;
	T_EQ(hba_sense(&h), 0x62900);
	T_EQ(RUN(0, 0x00, 0, 0, 0, 0, 0), MP_SCSI_GOOD);
	hba_fini(&h);
}

T_MAIN(T_TEST(test_inquiry_of_36_bytes), T_TEST(test_inquiry_has_96_bytes_and_says_so),
       T_TEST(test_inquiry_of_zero_bytes_moves_nothing),
       T_TEST(test_inquiry_with_page_but_without_evpd_is_refused),
       T_TEST(test_vpd_pages_of_a_disk_with_serial_and_wwn),
       T_TEST(test_extended_inquiry_and_mode_page_policy), T_TEST(test_inquiry_names_the_standards),
       T_TEST(test_vpd_without_serial_has_no_page_80), T_TEST(test_vpd_limits_tell_how_to_discard),
       T_TEST(test_absent_unit_says_so_and_does_nothing_else),
       T_TEST(test_report_luns_lists_the_targets_units_only), T_TEST(test_bad_disks_are_refused),
       T_TEST(test_report_luns_knows_no_other_kind_of_unit),
       T_TEST(test_absent_unit_has_no_name_and_one_page),
       T_TEST(test_disk_without_a_serial_number_is_told_apart_by_its_device_id),
       T_TEST(test_disk_without_a_name_or_discard_shows_neither),
       T_TEST(test_sense_is_delivered_once), T_TEST(test_next_command_clears_sense),
       T_TEST(test_stopped_disk_says_so_as_often_as_asked),
       T_TEST(test_descriptor_sense_carries_a_long_lba),
       T_TEST(test_short_cdb_naca_and_link_are_refused),
       T_TEST(test_report_opcodes_knows_write_same_and_not_unmap),
       T_TEST(test_report_all_opcodes_fits_its_length),
       T_TEST(test_other_initiator_meets_a_reservation),
       T_TEST(test_each_initiator_has_its_own_attention_and_sense))
