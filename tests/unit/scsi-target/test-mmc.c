/* SPDX-License-Identifier: BSD-3-Clause */
/* What a CD-ROM tells about its disc and itself. */
#include "base/bytes.h"
#include "tests/lib/fake_cd.h"
#include "tests/lib/t.h"

#define BLOCKS              1000u
#define DISC_BYTES          (BLOCKS * 2048)
#define LAST_CD             360000ull /* 80 minutes of blocks */

#define RUN(data, len, ...) HBA_RUN(&h, (data), (len), __VA_ARGS__)
#define READ_TOC(msf, format, track, control)                                                      \
	RUN(data, sizeof(data), 0x43, (msf) ? 2 : 0, (format), 0, 0, 0, (track), 0, sizeof(data),  \
	    (control))
#define DVD_STRUCTURE(media, layer, format, len)                                                   \
	RUN(data, sizeof(data), 0xad, (media), 0, 0, 0, 0, (layer), (format), (len) >> 8,          \
	    (len)&0xff, 0, 0)
#define GET_CONFIGURATION(request, first)                                                          \
	RUN(data, sizeof(data), 0x46, (request), 0, (first), 0, 0, 0, 0, 255, 0)

static struct fake_hba h;

static void setup(uint64_t size_bytes)
{
	cd_init(&h, size_bytes);
}

static unsigned int failed(int status)
{
	T_EQ(status, MP_SCSI_CHECK_CONDITION);
	return hba_sense(&h);
}

static void test_toc_has_a_track_and_the_lead_out(void)
{
	static const uint8_t golden[20] = {0, 18, 1, 1,    0,    0x14, 1, 0, 0,    0,
					   0, 0,  0, 0x14, 0xaa, 0,    0, 0, 0x03, 0xe8};
	uint8_t data[64];

	setup(DISC_BYTES);
	T_EQ(READ_TOC(false, 0, 0, 0), MP_SCSI_GOOD);
	T_EQ(h.slots[0].n_moved, 20);
	T_MEM_EQ(data, golden, 20);
	T_EQ(READ_TOC(false, 0, 1, 0), MP_SCSI_GOOD);
	T_MEM_EQ(data, golden, 20);
	hba_fini(&h);
}

static void test_toc_in_minutes_begins_at_two_seconds(void)
{
	static const uint8_t track[4] = {0, 0, 2, 0}, end[4] = {0, 0, 15, 25};
	uint8_t data[64];

	setup(DISC_BYTES);
	T_EQ(READ_TOC(true, 0, 0, 0), MP_SCSI_GOOD);
	T_MEM_EQ(data + 8, track, 4);
	T_MEM_EQ(data + 16, end, 4);
	hba_fini(&h);
}

static void test_toc_from_the_lead_out_has_nothing_else(void)
{
	uint8_t data[64];

	setup(DISC_BYTES);
	T_EQ(READ_TOC(false, 0, 0xaa, 0), MP_SCSI_GOOD);
	T_EQ(h.slots[0].n_moved, 12);
	T_EQ(data[6], 0xaa);
	T_EQ(READ_TOC(false, 0, 2, 0), MP_SCSI_CHECK_CONDITION);
	T_OK(cd_refused_at(&h, 6, 8));
	hba_fini(&h);
}

static void test_sessions_are_asked_for_in_two_places(void)
{
	static const uint8_t golden[12] = {0, 10, 1, 1, 0, 0x14, 1};
	uint8_t data[64];

	setup(DISC_BYTES);
	T_EQ(READ_TOC(false, 1, 0, 0), MP_SCSI_GOOD);
	T_EQ(h.slots[0].n_moved, 12);
	T_MEM_EQ(data, golden, 12);
	/* In the control byte, as Linux' sr does. */
	T_EQ(READ_TOC(false, 0, 0, 0x40), MP_SCSI_GOOD);
	T_EQ(h.slots[0].n_moved, 12);
	T_MEM_EQ(data, golden, 12);
	hba_fini(&h);
}

static void test_raw_toc_is_that_of_the_lead_in(void)
{
	static const uint8_t golden[48] = {
		0, 46,   1, 1,    1, 0x14, 0, 0xa0, 0, 0,  0,  0, 1,
		0, 0,    1, 0x14, 0, 0xa1, 0, 0,    0, 0,  1,  0, 0, /* last track */
		1, 0x14, 0, 0xa2, 0, 0,    0, 0,    0, 15, 25, /* lead-out */
		1, 0x14, 0, 1,    0, 0,    0, 0,    0, 2,  0};
	uint8_t data[64];

	setup(DISC_BYTES);
	T_EQ(READ_TOC(false, 2, 1, 0), MP_SCSI_GOOD);
	T_EQ(h.slots[0].n_moved, 48);
	T_MEM_EQ(data, golden, 48);
	T_EQ(READ_TOC(false, 2, 2, 0), MP_SCSI_CHECK_CONDITION);
	T_OK(cd_refused_at(&h, 6, 8));
	hba_fini(&h);
}

static void test_tables_of_recordable_discs_are_refused(void)
{
	uint8_t data[64];

	setup(DISC_BYTES);
	T_EQ(READ_TOC(false, 4, 0, 0), MP_SCSI_CHECK_CONDITION);
	T_OK(cd_refused_at(&h, 2, 3));
	T_EQ(READ_TOC(false, 5, 0, 0), MP_SCSI_CHECK_CONDITION);
	T_OK(cd_refused_at(&h, 2, 3));
	hba_fini(&h);
}

static void test_dvd_has_no_minutes_for_its_end(void)
{
	static const uint8_t end[4] = {0, 0xff, 0x3b, 0x4a};
	uint8_t data[64];

	setup(1200000ull * 2048);
	T_EQ(READ_TOC(true, 0, 0, 0), MP_SCSI_GOOD);
	T_MEM_EQ(data + 16, end, 4);
	T_EQ(READ_TOC(false, 0, 0, 0), MP_SCSI_GOOD);
	T_EQ(mp_get_be32(data + 16), 1200000);
	hba_fini(&h);
}

static void test_allocation_length_cuts_the_toc(void)
{
	uint8_t data[64] = {0};

	setup(DISC_BYTES);
	T_EQ(RUN(data, sizeof(data), 0x43, 0, 0, 0, 0, 0, 0, 0, 4, 0), MP_SCSI_GOOD);
	T_EQ(h.slots[0].n_moved, 4);
	T_EQ(mp_get_be16(data), 18); /* all that there is */
	hba_fini(&h);
}

static void test_subchannel_tells_the_track_and_no_codes(void)
{
	static const uint8_t position[16] = {0, 0x15, 0, 12, 1, 0x14, 1, 1, 0, 0, 2, 0, 0, 0, 2, 0};
	uint8_t data[64];

	setup(DISC_BYTES);
	T_EQ(RUN(data, 64, 0x42, 2, 0x40, 1, 0, 0, 0, 0, 64, 0), MP_SCSI_GOOD);
	T_EQ(h.slots[0].n_moved, 16);
	T_MEM_EQ(data, position, 12);
	T_EQ(RUN(data, 64, 0x42, 0, 0x40, 2, 0, 0, 0, 0, 64, 0), MP_SCSI_GOOD);
	T_EQ(h.slots[0].n_moved, 24);
	T_EQ(data[8], 0); /* no catalogue number */
	T_EQ(RUN(data, 64, 0x42, 0, 0x40, 3, 0, 0, 1, 0, 64, 0), MP_SCSI_GOOD);
	T_EQ(data[8], 0); /* no recording code */
	T_EQ(RUN(data, 64, 0x42, 0, 0, 0, 0, 0, 0, 0, 64, 0), MP_SCSI_GOOD);
	T_EQ(h.slots[0].n_moved, 4);
	T_EQ(RUN(data, 64, 0x42, 0, 0x40, 4, 0, 0, 0, 0, 64, 0), MP_SCSI_CHECK_CONDITION);
	T_OK(cd_refused_at(&h, 3, 8));
	T_EQ(RUN(data, 64, 0x42, 0, 0x40, 3, 0, 0, 2, 0, 64, 0), MP_SCSI_CHECK_CONDITION);
	T_OK(cd_refused_at(&h, 6, 8));
	hba_fini(&h);
}

static void test_header_tells_mode_1(void)
{
	uint8_t data[8];

	setup(DISC_BYTES);
	T_EQ(RUN(data, 8, 0x44, 2, 0, 0, 0, 75, 0, 0, 8, 0), MP_SCSI_GOOD);
	T_EQ(data[0], 1);
	T_EQ(mp_get_be32(data + 4), 0x000300); /* 00:03:00 */
	T_EQ(failed(RUN(data, 8, 0x44, 0, 0, 0, 0x03, 0xe8, 0, 0, 8, 0)), 0x052100);
	hba_fini(&h);
}

static void test_disc_is_complete(void)
{
	static const uint8_t golden[8] = {0, 32, 0x0e, 1, 1, 1, 1, 0x20};
	uint8_t data[64];

	setup(DISC_BYTES);
	T_EQ(RUN(data, 64, 0x51, 0, 0, 0, 0, 0, 0, 0, 64, 0), MP_SCSI_GOOD);
	T_EQ(h.slots[0].n_moved, 34);
	T_MEM_EQ(data, golden, 8);
	T_EQ(mp_get_be64(data + 16), -1); /* no next session */
	T_EQ(RUN(data, 64, 0x51, 1, 0, 0, 0, 0, 0, 0, 64, 0), MP_SCSI_CHECK_CONDITION);
	T_OK(cd_refused_at(&h, 1, 2));
	hba_fini(&h);
}

static void test_track_is_found_by_block_number_and_session(void)
{
	uint8_t data[64];

	setup(DISC_BYTES);
	T_EQ(RUN(data, 64, 0x52, 1, 0, 0, 0, 1, 0, 0, 64, 0), MP_SCSI_GOOD);
	T_EQ(h.slots[0].n_moved, 36);
	T_EQ(data[5], 4);
	T_EQ(mp_get_be32(data + 24), BLOCKS);
	T_EQ(mp_get_be32(data + 28), BLOCKS - 1);
	T_EQ(RUN(data, 64, 0x52, 0, 0, 0, 0x03, 0xe7, 0, 0, 64, 0), MP_SCSI_GOOD);
	T_EQ(RUN(data, 64, 0x52, 2, 0, 0, 0, 1, 0, 0, 64, 0), MP_SCSI_GOOD);
	T_EQ(RUN(data, 64, 0x52, 1, 0, 0, 0, 2, 0, 0, 64, 0), MP_SCSI_CHECK_CONDITION);
	T_OK(cd_refused_at(&h, 2, 8));
	T_EQ(RUN(data, 64, 0x52, 1, 0, 0, 0, 0xff, 0, 0, 64, 0), MP_SCSI_CHECK_CONDITION);
	T_OK(cd_refused_at(&h, 2, 8)); /* the invisible track of a disc that isn't full */
	T_EQ(RUN(data, 64, 0x52, 3, 0, 0, 0, 1, 0, 0, 64, 0), MP_SCSI_CHECK_CONDITION);
	T_OK(cd_refused_at(&h, 1, 1));
	hba_fini(&h);
}

static void test_dvd_structure_of_a_cd_is_incompatible(void)
{
	static uint8_t data[2052];

	setup(LAST_CD * 2048);
	T_EQ(failed(DVD_STRUCTURE(0, 0, 0, 2052)), 0x053002);
	T_EQ(DVD_STRUCTURE(0, 0, 0xff, 2052), MP_SCSI_GOOD); /* which there are, says the drive */
	T_EQ(h.slots[0].n_moved, 16);
	hba_fini(&h);
}

static void test_dvd_structure_tells_where_the_data_end(void)
{
	static uint8_t data[2052];

	setup((LAST_CD + 1) * 2048);
	T_EQ(DVD_STRUCTURE(0, 0, 0, 2052), MP_SCSI_GOOD);
	T_EQ(h.slots[0].n_moved, 2052);
	T_EQ(mp_get_be16(data), 2050);
	T_EQ(mp_get_be24(data + 9), 0x30000);
	T_EQ(mp_get_be24(data + 13), 0x30000 + LAST_CD);
	T_EQ(DVD_STRUCTURE(0, 0, 1, 2052), MP_SCSI_GOOD);
	T_EQ(h.slots[0].n_moved, 8);
	T_EQ(DVD_STRUCTURE(0, 0, 4, 2052), MP_SCSI_GOOD);
	T_EQ(h.slots[0].n_moved, 2052);
	T_EQ(DVD_STRUCTURE(0, 0, 3, 2052), MP_SCSI_CHECK_CONDITION);
	T_OK(cd_refused_at(&h, 7, 8)); /* no burst cutting area */
	T_EQ(DVD_STRUCTURE(0, 1, 0, 2052), MP_SCSI_CHECK_CONDITION);
	T_OK(cd_refused_at(&h, 6, 8));
	T_EQ(DVD_STRUCTURE(1, 0, 0, 2052), MP_SCSI_CHECK_CONDITION);
	T_OK(cd_refused_at(&h, 1, 3)); /* a Blu-ray disc */
	hba_fini(&h);
}

static void test_dvd_structure_wants_a_disc(void)
{
	static uint8_t data[2052];

	setup(0);
	T_EQ(failed(DVD_STRUCTURE(0, 0, 0, 2052)), 0x023a01);
	hba_fini(&h);
}

static void test_size_decides_about_the_profile(void)
{
	uint8_t data[255];

	setup(LAST_CD * 2048);
	T_EQ(GET_CONFIGURATION(0, 0), MP_SCSI_GOOD);
	T_EQ(mp_get_be16(data + 6), 0x0008);
	hba_fini(&h);
	setup((LAST_CD + 1) * 2048);
	T_EQ(GET_CONFIGURATION(0, 0), MP_SCSI_GOOD);
	T_EQ(mp_get_be16(data + 6), 0x0010);
	hba_fini(&h);
	setup(0);
	T_EQ(GET_CONFIGURATION(0, 0), MP_SCSI_GOOD);
	T_EQ(mp_get_be16(data + 6), 0);
	hba_fini(&h);
}

static void test_configuration_begins_like_this(void)
{
	static const uint8_t golden[] = {
		0, 0,    0,    80, 0,    0,    0, 8, /* length; current profile */
		0, 0,    0x03, 8,  0,    0x10, 0, 0, 0, 0x08, 1, 0, /* profiles */
		0, 1,    0x0b, 8,  0,    0,    0, 1, 1, 0,    0, 0, /* core */
		0, 2,    0x07, 4,  0,    0,    0, 0, /* morphing */
		0, 3,    0x0b, 4,  0x39, 0,    0, 0, /* removable medium */
		0, 0x10, 0x01, 8,  0,    0,    8, 0, 0, 1,    1, 0, /* random readable */
	};
	uint8_t data[255];

	setup(DISC_BYTES);
	T_EQ(GET_CONFIGURATION(0, 0), MP_SCSI_GOOD);
	T_EQ(h.slots[0].n_moved, 84);
	T_MEM_EQ(data, golden, sizeof(golden));
	hba_fini(&h);
}

static void test_configuration_of_one_feature(void)
{
	static const uint8_t dvd_read[12] = {0, 0, 0, 8, 0, 0, 0, 8, 0, 0x1f, 0x00, 0};
	uint8_t data[255];

	setup(DISC_BYTES);
	T_EQ(GET_CONFIGURATION(2, 0x1f), MP_SCSI_GOOD);
	T_EQ(h.slots[0].n_moved, 12);
	T_MEM_EQ(data, dvd_read, 12); /* there, but not with this disc */
	T_EQ(GET_CONFIGURATION(2, 0x21), MP_SCSI_GOOD);
	T_EQ(h.slots[0].n_moved, 8); /* nothing can be written */
	T_EQ(GET_CONFIGURATION(3, 0), MP_SCSI_CHECK_CONDITION);
	T_OK(cd_refused_at(&h, 1, 1));
	hba_fini(&h);
}

static void test_configuration_of_current_features(void)
{
	uint8_t data[255];

	setup(DISC_BYTES);
	T_EQ(GET_CONFIGURATION(1, 0x10), MP_SCSI_GOOD);
	T_EQ(mp_get_be16(data + 8), 0x10);
	T_EQ(mp_get_be16(data + 20), 0x1e);
	T_EQ(mp_get_be16(data + 28), 0x100); /* not the DVD's in between */
	hba_fini(&h);
}

static void test_configuration_passes_a_unit_attention_by(void)
{
	uint8_t data[255];

	setup(DISC_BYTES);
	mp_scsi_reset(h.bus, MP_SCSI_RESET_BUS, 0, 0);
	T_EQ(GET_CONFIGURATION(0, 0), MP_SCSI_GOOD);
	T_EQ(failed(RUN(NULL, 0, 0x00, 0, 0, 0, 0, 0)), 0x062902);
	hba_fini(&h);
}

static void test_serial_number_is_a_feature(void)
{
	struct mp_scsi_cd_cfg cfg = {.target = 4, .identity.serial = "CD123"};
	static const uint8_t golden[12] = {1, 8, 3, 8, 'C', 'D', '1', '2', '3', ' ', ' ', ' '};
	uint8_t data[255];

	setup(DISC_BYTES);
	T_EQ(mp_scsi_cd_add(h.bus, &cfg), 0);
	h.tasks[0].target = 4;
	T_EQ(RUN(data, 255, 0x46, 2, 1, 8, 0, 0, 0, 0, 255, 0), MP_SCSI_GOOD);
	T_EQ(h.slots[0].n_moved, 20);
	T_MEM_EQ(data + 8, golden, 12);
	hba_fini(&h);
}

static void test_performance_is_the_same_everywhere(void)
{
	uint8_t data[64];

	setup(DISC_BYTES);
	T_EQ(RUN(data, 64, 0xac, 0x10, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0), MP_SCSI_GOOD);
	T_EQ(h.slots[0].n_moved, 24);
	T_EQ(mp_get_be32(data), 20);
	T_EQ(mp_get_be32(data + 16), BLOCKS - 1);
	T_EQ(mp_get_be32(data + 12), mp_get_be32(data + 20));
	T_EQ(RUN(data, 64, 0xac, 0x14, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0), MP_SCSI_GOOD);
	T_EQ(h.slots[0].n_moved, 8); /* no speed of writing */
	T_EQ(RUN(data, 64, 0xac, 0x10, 0, 0, 0, 0, 0, 0, 0, 1, 3, 0), MP_SCSI_CHECK_CONDITION);
	T_OK(cd_refused_at(&h, 10, 8));
	hba_fini(&h);
}

static void test_speed_can_be_set(void)
{
	setup(DISC_BYTES);
	T_EQ(RUN(NULL, 0, 0xbb, 0, 0xff, 0xff, 0xff, 0xff, 0, 0, 0, 0, 0, 0), MP_SCSI_GOOD);
	hba_fini(&h);
}

static void test_mode_pages_are_those_of_a_drive(void)
{
	uint8_t data[255];
	uint64_t pages = 0;

	setup(DISC_BYTES);
	T_EQ(RUN(data, 255, 0x5a, 0, 0x3f, 0, 0, 0, 0, 0, 255, 0), MP_SCSI_GOOD);
	T_EQ(mp_get_be16(data), h.slots[0].n_moved - 2);
	T_EQ(mp_get_be16(data + 6), 0); /* no block descriptor */
	T_EQ(data[3], 0);
	for (unsigned int at = 8; at < h.slots[0].n_moved; at += 2u + data[at + 1])
		pages = pages * 64 + (data[at] & 0x3f);
	T_EQ(pages, ((((0x01ull * 64 + 0x0d) * 64 + 0x0e) * 64 + 0x1a) * 64 + 0x1d) * 64 + 0x2a);
	hba_fini(&h);
}

static void test_capabilities_tell_the_lock(void)
{
	static const uint8_t golden[16] = {0x2a, 30,   0x3b, 0, 0, 0,  0x29, 0,
					   0x21, 0x13, 0,    0, 0, 64, 0x21, 0x13};
	uint8_t data[64];

	setup(DISC_BYTES);
	T_EQ(RUN(data, 64, 0x1a, 0, 0x2a, 0, 64, 0), MP_SCSI_GOOD);
	T_EQ(h.slots[0].n_moved, 4 + 32);
	T_MEM_EQ(data + 4, golden, 16);
	T_EQ(RUN(NULL, 0, 0x1e, 0, 0, 0, 1, 0), MP_SCSI_GOOD);
	T_EQ(RUN(data, 64, 0x1a, 0, 0x2a, 0, 64, 0), MP_SCSI_GOOD);
	T_EQ(data[4 + 6], 0x2b);
	hba_fini(&h);
}

static void test_mode_pages_are_there_without_a_disc(void)
{
	uint8_t data[64];

	setup(0);
	T_EQ(RUN(data, 64, 0x1a, 8, 0x2a, 0, 64, 0), MP_SCSI_GOOD);
	hba_fini(&h);
}

static void test_volume_can_be_set(void)
{
	uint8_t page[4 + 16] = {0, 0, 0, 0, 0x0e, 14, 4, 0, 0, 0, 0, 0, 1, 0x80, 2, 0x80};
	uint8_t data[20];

	setup(DISC_BYTES);
	T_EQ(RUN(page, 20, 0x15, 0x10, 0, 0, 20, 0), MP_SCSI_GOOD);
	T_EQ(RUN(data, 20, 0x1a, 0, 0x0e, 0, 20, 0), MP_SCSI_GOOD);
	T_EQ(data[4 + 9], 0x80);
	hba_fini(&h);
}

static void test_pages_of_disks_are_refused(void)
{
	uint8_t data[64];

	setup(DISC_BYTES);
	T_EQ(RUN(data, 64, 0x1a, 0, 0x04, 0, 64, 0), MP_SCSI_CHECK_CONDITION);
	T_OK(cd_refused_at(&h, 2, 5));
	hba_fini(&h);
}

static void test_format_capacity_is_that_of_the_disc(void)
{
	static const uint8_t golden[12] = {0, 0, 0, 8, 0, 0, 0x03, 0xe8, 2, 0, 8, 0};
	uint8_t data[12];

	setup(DISC_BYTES);
	T_EQ(RUN(data, 12, 0x23, 0, 0, 0, 0, 0, 0, 0, 12, 0), MP_SCSI_GOOD);
	T_MEM_EQ(data, golden, 12);
	hba_fini(&h);
}

static void test_audio_is_not_played(void)
{
	setup(DISC_BYTES);
	T_EQ(failed(RUN(NULL, 0, 0x45, 0, 0, 0, 0, 0, 0, 0, 1, 0)), 0x052000);
	T_EQ(failed(RUN(NULL, 0, 0x4b, 0, 0, 0, 0, 0, 0, 0, 1, 0)), 0x052000);
	hba_fini(&h);
}

T_MAIN(T_TEST(test_toc_has_a_track_and_the_lead_out),
       T_TEST(test_toc_in_minutes_begins_at_two_seconds),
       T_TEST(test_toc_from_the_lead_out_has_nothing_else),
       T_TEST(test_sessions_are_asked_for_in_two_places),
       T_TEST(test_raw_toc_is_that_of_the_lead_in),
       T_TEST(test_tables_of_recordable_discs_are_refused),
       T_TEST(test_dvd_has_no_minutes_for_its_end), T_TEST(test_allocation_length_cuts_the_toc),
       T_TEST(test_subchannel_tells_the_track_and_no_codes), T_TEST(test_header_tells_mode_1),
       T_TEST(test_disc_is_complete), T_TEST(test_track_is_found_by_block_number_and_session),
       T_TEST(test_dvd_structure_of_a_cd_is_incompatible),
       T_TEST(test_dvd_structure_tells_where_the_data_end), T_TEST(test_dvd_structure_wants_a_disc),
       T_TEST(test_size_decides_about_the_profile), T_TEST(test_configuration_begins_like_this),
       T_TEST(test_configuration_of_one_feature), T_TEST(test_configuration_of_current_features),
       T_TEST(test_configuration_passes_a_unit_attention_by),
       T_TEST(test_serial_number_is_a_feature), T_TEST(test_performance_is_the_same_everywhere),
       T_TEST(test_speed_can_be_set), T_TEST(test_format_capacity_is_that_of_the_disc),
       T_TEST(test_audio_is_not_played), T_TEST(test_mode_pages_are_those_of_a_drive),
       T_TEST(test_capabilities_tell_the_lock), T_TEST(test_mode_pages_are_there_without_a_disc),
       T_TEST(test_volume_can_be_set), T_TEST(test_pages_of_disks_are_refused))
