/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What the decoder refuses, and what REPORT SUPPORTED OPERATION CODES and
 * REPORT SUPPORTED TASK MANAGEMENT FUNCTIONS say. The list of commands that the
 * tests walk is the one that an initiator gets.
 */
#include "base/bytes.h"
#include "tests/lib/fake_hba.h"
#include "tests/lib/t.h"

static struct fake_hba h;
static uint8_t data[4096];

static void setup(void)
{
	hba_init(&h, 4 << 20, 1 << 20);
	h.blk.can_discard = true;
	memset(data, 0xee, sizeof(data));
}

#define RUN(len, ...) HBA_RUN(&h, data, (len), __VA_ARGS__)

struct command {
	uint8_t opcode, action;
	bool has_action;
	uint8_t len;
	uint8_t usage[16];
};

/* Fills @list with all commands and their usage bits; returns how many there are. */
static unsigned int fetch_commands(struct command list[256])
{
	unsigned int n;

	T_EQ(RUN(4096, 0xa3, 0x0c, 0, 0, 0, 0, 0, 0, 0x10, 0, 0, 0), MP_SCSI_GOOD);
	n = mp_get_be32(data) / 8;
	for (unsigned int i = 0; i < n; i++)
		list[i] = (struct command){.opcode = data[4 + 8 * i],
					   .action = data[4 + 8 * i + 3],
					   .has_action = data[4 + 8 * i + 5] & 0x01,
					   .len = data[4 + 8 * i + 7]};
	for (unsigned int i = 0; i < n; i++) {
		T_EQ(RUN(64, 0xa3, 0x0c, list[i].has_action ? 2 : 1, list[i].opcode, 0,
			 list[i].action, 0, 0, 0, 64, 0, 0),
		     MP_SCSI_GOOD);
		T_EQ(data[1], 3);
		T_EQ(data[3], list[i].len);
		memcpy(list[i].usage, data + 4, list[i].len);
	}
	return n;
}

/* Run @c with nothing but one bit set. */
static int run_with_bit(const struct command *c, unsigned int byte, unsigned int bit)
{
	uint8_t cdb[16] = {c->opcode, c->has_action ? c->action : 0};

	cdb[byte] |= (uint8_t)(1u << bit);
	return hba_run(&h, cdb, c->len, data, sizeof(data));
}

static bool is_overlooked(const struct command *c, unsigned int byte, unsigned int bit)
{
	return byte + 1 == c->len && bit >= 6;
}

static void check_refused(const struct command *c, unsigned int byte, unsigned int bit)
{
	int status = run_with_bit(c, byte, bit);

	T_EQ(RUN(18, 0x03, 0, 0, 0, 18, 0), MP_SCSI_GOOD);
	if (data[15] != (0xc8 | bit))
		t_diag("%02x/%02x byte %u bit %u", c->opcode, c->action, byte, bit);
	T_EQ(status, MP_SCSI_CHECK_CONDITION);
	T_EQ(data[2] << 16 | data[12] << 8 | data[13], 0x052400);
	T_EQ(data[15], 0xc8 | bit);
	T_EQ(mp_get_be16(data + 16), byte);
}

static unsigned int check_command(const struct command *c)
{
	unsigned int n = 0;

	/* The service action is what tells commands apart, so none of its bits is stray. */
	for (unsigned int i = c->has_action ? 13 : 8; i < c->len * 8u; i++) {
		if ((c->usage[i / 8] >> i % 8 & 1) || is_overlooked(c, i / 8, i % 8))
			continue;
		check_refused(c, i / 8, i % 8);
		n++;
	}
	return n;
}

static void test_each_bit_that_means_nothing_is_refused_and_pointed_at(void)
{
	struct command list[256];
	unsigned int n, n_bits = 0;

	setup();
	n = fetch_commands(list);
	T_OK(n > 30);
	for (unsigned int i = 0; i < n; i++)
		n_bits += check_command(&list[i]);
	T_OK(n_bits > 500);
	T_EQ(h.blk.n_reqs, 0);
	hba_fini(&h);
}

static void test_first_of_several_stray_bits_is_pointed_at(void)
{
	setup();
	T_EQ(RUN(0, 0x00, 0, 0x30, 0xff, 0, 0), MP_SCSI_CHECK_CONDITION);
	T_EQ(RUN(18, 0x03, 0, 0, 0, 18, 0), MP_SCSI_GOOD);
	T_EQ(data[15], 0xc8 | 5);
	T_EQ(mp_get_be16(data + 16), 2);
	hba_fini(&h);
}

static void test_lun_of_old_initiators_passes_when_it_is_ours(void)
{
	struct mp_scsi_disk_cfg disk = {.lun = 5, .logical_bytes = 512};

	setup();
	disk.blk = &h.blk;
	T_EQ(mp_scsi_disk_add(h.bus, &disk), 0);
	h.tasks[0].lun = 5;
	hba_sense(&h);
	T_EQ(RUN(0, 0x00, 0xa0, 0, 0, 0, 0), MP_SCSI_GOOD);
	T_EQ(RUN(512, 0x28, 0xa0, 0, 0, 0, 0, 0, 0, 1, 0), MP_SCSI_GOOD);
	T_EQ(RUN(36, 0x12, 0xa0, 0, 0, 36, 0), MP_SCSI_GOOD);
	T_EQ(RUN(512, 0x28, 0x80, 0, 0, 0, 0, 0, 0, 1, 0), MP_SCSI_CHECK_CONDITION);
	T_EQ(RUN(18, 0x03, 0xa0, 0, 0, 18, 0), MP_SCSI_GOOD);
	T_EQ(data[15], 0xcf);
	T_EQ(mp_get_be16(data + 16), 1);
	hba_fini(&h);
}

static void test_vendor_bits_of_the_control_byte_pass(void)
{
	setup();
	T_EQ(RUN(0, 0x00, 0, 0, 0, 0, 0xc0), MP_SCSI_GOOD);
	T_EQ(RUN(512, 0x28, 0, 0, 0, 0, 0, 0, 0, 1, 0x80), MP_SCSI_GOOD);
	hba_fini(&h);
}

static void test_bytes_behind_the_cdb_pass(void)
{
	setup();
	T_EQ(RUN(0, 0x00, 0, 0, 0, 0, 0, 0xff, 0xff, 0xff, 0xff), MP_SCSI_GOOD);
	hba_fini(&h);
}

/* Write blocks 3 and 4 by one form of the command, and find them on the medium. */
static void check_writes(const uint8_t *cdb, size_t len, uint8_t fill)
{
	memset(data, fill, 1024);
	T_EQ(hba_run(&h, cdb, len, data, 1024), MP_SCSI_GOOD);
	T_EQ(h.blk.data[3 * 512 - 1], 0);
	T_EQ(h.blk.data[3 * 512], fill);
	T_EQ(h.blk.data[5 * 512 - 1], fill);
	T_EQ(h.blk.data[5 * 512], 0);
}

static void test_address_and_length_are_found_in_each_form(void)
{
	setup();
	check_writes((const uint8_t[]){0x0a, 0, 0, 3, 2, 0}, 6, 1);
	check_writes((const uint8_t[]){0x2a, 0, 0, 0, 0, 3, 0, 0, 2, 0}, 10, 2);
	check_writes((const uint8_t[]){0xaa, 0, 0, 0, 0, 3, 0, 0, 0, 2, 0, 0}, 12, 3);
	check_writes((const uint8_t[]){0x8a, 0, 0, 0, 0, 0, 0, 0, 0, 3, 0, 0, 0, 2, 0, 0}, 16, 4);
	check_writes((const uint8_t[]){0x8e, 0, 0, 0, 0, 0, 0, 0, 0, 3, 0, 0, 0, 2, 0, 0}, 16, 5);
	memset(data, 0xee, sizeof(data));
	T_EQ(RUN(1024, 0xa8, 0, 0, 0, 0, 3, 0, 0, 0, 2, 0, 0), MP_SCSI_GOOD);
	T_EQ(h.slots[0].n_moved, 1024);
	T_EQ(data[0], 5);
	T_EQ(data[1023], 5);
	hba_fini(&h);
}

static void test_commands_with_nothing_to_do_check_their_fields(void)
{
	setup();
	T_EQ(RUN(0, 0x1e, 0, 0, 0, 1, 0), MP_SCSI_GOOD);
	T_EQ(RUN(0, 0x1e, 0, 0, 0, 0, 0), MP_SCSI_GOOD);
	T_EQ(RUN(0, 0x2b, 0, 0, 0, 0x1f, 0xff, 0, 0, 0, 0), MP_SCSI_GOOD);
	T_EQ(RUN(0, 0x2b, 0, 0, 0, 0x20, 0, 0, 0, 0, 0), MP_SCSI_CHECK_CONDITION);
	T_EQ(hba_sense(&h), 0x052100);
	hba_fini(&h);
}

static void check_no_command(uint8_t opcode, uint8_t action, unsigned int expected)
{
	uint8_t cdb[16] = {opcode, action};

	T_EQ(hba_run(&h, cdb, sizeof(cdb), data, sizeof(data)), MP_SCSI_CHECK_CONDITION);
	T_EQ(hba_sense(&h), expected);
}

/* Those that docs/scsi.md calls refused. */
static void test_commands_about_what_isnt_here_are_unknown(void)
{
	static const uint8_t opcodes[] = {0x07, 0x18, 0x39, 0x3a, 0x3e, 0x3f, 0x40, 0x7f,
					  0x83, 0x84, 0x85, 0xa1, 0x8c, 0x8d, 0xa2, 0xb5};

	setup();
	for (size_t i = 0; i < sizeof(opcodes); i++)
		check_no_command(opcodes[i], 0, 0x052000);
	check_no_command(0x9f, 0x11, 0x052000);
	check_no_command(0xa4, 0x0a, 0x052000);
	check_no_command(0x9e, 0x11, 0x052400);
	check_no_command(0xa3, 0x05, 0x052400);
	check_no_command(0xa3, 0x0a, 0x052400);
	check_no_command(0xa3, 0x0f, 0x052400);
	hba_fini(&h);
}

/* REPORT SUPPORTED OPERATION CODES of one; the answer is in data. */
static int report(uint8_t options, uint8_t opcode, uint8_t action)
{
	memset(data, 0xee, 64);
	return RUN(64, 0xa3, 0x0c, options, opcode, 0, action, 0, 0, 0, 64, 0, 0);
}

static void test_reporting_options_tell_service_actions_apart(void)
{
	setup();
	T_EQ(report(1, 0x28, 0), MP_SCSI_GOOD);
	T_EQ(data[1], 3);
	T_EQ(report(2, 0x28, 0), MP_SCSI_CHECK_CONDITION); /* it has none */
	T_EQ(report(1, 0x9e, 0x10), MP_SCSI_CHECK_CONDITION); /* it has some */
	T_EQ(report(2, 0x9e, 0x1f), MP_SCSI_GOOD);
	T_EQ(data[1], 1); /* but not this */
	T_EQ(report(3, 0x28, 0), MP_SCSI_GOOD);
	T_EQ(data[1], 3);
	T_EQ(report(3, 0x28, 1), MP_SCSI_GOOD);
	T_EQ(data[1], 1);
	T_EQ(report(3, 0x9e, 0x10), MP_SCSI_GOOD);
	T_EQ(data[1], 3);
	T_EQ(report(4, 0x28, 0), MP_SCSI_CHECK_CONDITION);
	T_EQ(hba_sense(&h), 0x052400);
	hba_fini(&h);
}

static void test_time_outs_come_when_asked_for_and_say_nothing(void)
{
	static const uint8_t none[12] = {0, 10};

	setup();
	T_EQ(report(0x81, 0x28, 0), MP_SCSI_GOOD);
	T_EQ(h.slots[0].n_moved, 4 + 10 + 12);
	T_EQ(data[1], 0x83);
	T_MEM_EQ(data + 14, none, sizeof(none));
	hba_fini(&h);
}

static void test_supported_task_management_functions(void)
{
	static const uint8_t golden[16] = {0xda, 0, 0, 12};

	setup();
	T_EQ(RUN(64, 0xa3, 0x0d, 0, 0, 0, 0, 0, 0, 0, 64, 0, 0), MP_SCSI_GOOD);
	T_EQ(h.slots[0].n_moved, 4);
	T_EQ(data[0], 0xda);
	T_EQ(data[3], 0);
	T_EQ(RUN(64, 0xa3, 0x0d, 0x80, 0, 0, 0, 0, 0, 0, 64, 0, 0), MP_SCSI_GOOD);
	T_EQ(h.slots[0].n_moved, 16);
	T_MEM_EQ(data, golden, 16);
	T_EQ(RUN(64, 0xa3, 0x0d, 0, 0, 0, 0, 0, 0, 0, 3, 0, 0), MP_SCSI_CHECK_CONDITION);
	T_EQ(hba_sense(&h), 0x052400);
	hba_fini(&h);
}

T_MAIN(T_TEST(test_each_bit_that_means_nothing_is_refused_and_pointed_at),
       T_TEST(test_first_of_several_stray_bits_is_pointed_at),
       T_TEST(test_lun_of_old_initiators_passes_when_it_is_ours),
       T_TEST(test_vendor_bits_of_the_control_byte_pass), T_TEST(test_bytes_behind_the_cdb_pass),
       T_TEST(test_reporting_options_tell_service_actions_apart),
       T_TEST(test_time_outs_come_when_asked_for_and_say_nothing),
       T_TEST(test_address_and_length_are_found_in_each_form),
       T_TEST(test_commands_with_nothing_to_do_check_their_fields),
       T_TEST(test_commands_about_what_isnt_here_are_unknown),
       T_TEST(test_supported_task_management_functions))
