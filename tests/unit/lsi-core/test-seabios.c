/* SPDX-License-Identifier: BSD-3-Clause */
/* The boot firmware's program, as it leaves it on its stack, and its polling. */
#include "tests/lib/fake_bus.h"
#include "tests/lib/t.h"

#define PROG    0x8000u
#define MSG_OUT 0x9000u
#define CDB     0x9010u
#define MSG_IN  0x9030u
#define STATUS  0x9038u
#define DATA    0xa000u

enum outcome { OK, FAILED, HUNG };

static void put_program(struct fake_bus *b, unsigned int target, bool write, uint32_t len)
{
	uint32_t data = len ? (write ? 0x00000000u : 0x01000000u) | len : 0;

	FAKE_PROG(b, PROG, 0x40000000u | target << 16, 0, /* SELECT, no ATN */
		  0x06000001, MSG_OUT, /* CHMOV 1, MSG OUT */
		  0x02000010, CDB, /* CHMOV 16, COMMAND */
		  0x87820000, 24, /* JUMP REL, IF NOT MSG IN */
		  0x07000002, MSG_IN, 0x50000000, 0, 0x07000002, MSG_IN, /* skipped */
		  data, len ? DATA : 0, /* CHMOV data, or two zero words */
		  0x03000001, STATUS, 0x07000001, MSG_IN, /* STATUS, MSG IN */
		  0x98080000, 0);
	b->mem[MSG_OUT] = 0x80;
	b->mem[STATUS] = 0xff;
	b->mem[MSG_IN] = 0xff;
}

/* DSP byte by byte, then the three status registers until one speaks. */
static enum outcome execute(struct fake_bus *b)
{
	for (unsigned int i = 0; i < 4; i++)
		fake_wr8(b, MP_LSI_R_DSP + i, (uint8_t)(PROG >> 8 * i));
	for (unsigned int i = 0; i < 100; i++) {
		uint8_t dstat = fake_rd8(b, MP_LSI_R_DSTAT);
		uint8_t sist0 = fake_rd8(b, MP_LSI_R_SIST0);
		uint8_t sist1 = fake_rd8(b, MP_LSI_R_SIST1);

		if (sist0 || sist1)
			return FAILED;
		if (dstat & DSTAT_SIR)
			return b->mem[MSG_IN] || b->mem[STATUS] ? FAILED : OK;
		mp_lsi_run(&b->chip, 100);
	}
	return HUNG;
}

static void put_cdb(struct fake_bus *b, uint8_t opcode)
{
	memset(b->mem + CDB, 0, 16);
	b->mem[CDB] = opcode;
	b->mem[CDB + 5] = 0x5a;
}

static struct fake_bus *boot(void)
{
	struct fake_bus *b = fake_bus_create();

	fake_wr8(b, MP_LSI_R_ISTAT0, ISTAT0_SRST);
	b->prompt = true;
	return b;
}

static void test_read_arrives_with_status_good(void)
{
	struct fake_bus *b = boot();

	b->dir = MP_LSI_DATA_IN;
	b->xfer_len = 1024;
	put_program(b, 0, false, 1024);
	put_cdb(b, 0x28);
	T_EQ(execute(b), OK);
	T_EQ(b->mem[DATA], fake_pattern(b->last_task, 0));
	T_EQ(b->mem[DATA + 1023], fake_pattern(b->last_task, 1023));
	T_EQ(b->n_done, 1);
	fake_bus_destroy(b);
}

static void test_write_reaches_the_target(void)
{
	struct fake_bus *b = boot();

	b->dir = MP_LSI_DATA_OUT;
	b->xfer_len = 512;
	memset(b->mem + DATA, 0xc3, 512);
	put_program(b, 0, true, 512);
	put_cdb(b, 0x2a);
	T_EQ(execute(b), OK);
	T_EQ(b->pool[b->last_task * FAKE_CHUNK_BYTES], 0xc3);
	T_EQ(b->pool[b->last_task * FAKE_CHUNK_BYTES + 511], 0xc3);
	fake_bus_destroy(b);
}

static void test_no_data_command_skips_the_zero_words(void)
{
	struct fake_bus *b = boot();

	put_program(b, 0, false, 0);
	put_cdb(b, 0x00);
	T_EQ(execute(b), OK);
	fake_bus_destroy(b);
}

static void expect_cdb_length(uint8_t opcode, unsigned int len)
{
	struct fake_bus *b = boot();

	put_program(b, 0, false, 0);
	put_cdb(b, opcode);
	T_EQ(execute(b), OK);
	T_EQ(b->task[b->last_task].cmd.cdb_len, len);
	T_EQ(b->task[b->last_task].cmd.cdb[5], 0x5a);
	fake_bus_destroy(b);
}

static void test_sixteen_bytes_carry_a_6_byte_cdb(void)
{
	expect_cdb_length(0x00, 6);
}

static void test_sixteen_bytes_carry_a_10_byte_cdb(void)
{
	expect_cdb_length(0x25, 10);
}

static void test_sixteen_bytes_carry_a_12_byte_cdb(void)
{
	expect_cdb_length(0xa0, 12);
}

static void test_sixteen_bytes_carry_a_16_byte_cdb(void)
{
	expect_cdb_length(0x88, 16);
}

static void test_command_says_who_asked_and_that_it_cannot_disconnect(void)
{
	struct fake_bus *b = boot();

	b->present = 1u << 3;
	put_program(b, 3, false, 0);
	put_cdb(b, 0x00);
	T_EQ(execute(b), OK);
	T_EQ(b->task[b->last_task].cmd.target, 3);
	T_EQ(b->task[b->last_task].cmd.lun, 0);
	T_EQ(b->task[b->last_task].cmd.attr, MP_LSI_UNTAGGED);
	T_EQ(b->task[b->last_task].cmd.can_disconnect, false);
	fake_bus_destroy(b);
}

static void test_second_program_selects_with_ack_still_held(void)
{
	struct fake_bus *b = boot();

	put_program(b, 0, false, 0);
	put_cdb(b, 0x00);
	T_EQ(execute(b), OK);
	T_EQ(execute(b), OK);
	T_EQ(b->n_commands, 2);
	T_EQ(b->n_done, 2);
	fake_bus_destroy(b);
}

static void test_absent_target_fails_and_the_next_command_works(void)
{
	struct fake_bus *b = boot();

	put_program(b, 5, false, 0);
	put_cdb(b, 0x00);
	T_EQ(execute(b), FAILED);
	T_EQ(b->n_commands, 0);
	put_program(b, 0, false, 0);
	T_EQ(execute(b), OK);
	fake_bus_destroy(b);
}

static void test_short_data_fails_and_the_next_command_works(void)
{
	struct fake_bus *b = boot();

	b->dir = MP_LSI_DATA_IN;
	b->xfer_len = 36;
	put_program(b, 0, false, 96);
	put_cdb(b, 0x12);
	T_EQ(execute(b), FAILED);
	/* The old connection hangs in STATUS; it used to send SELECT to address 0. */
	put_program(b, 0, false, 36);
	T_EQ(execute(b), OK);
	T_EQ(b->n_tms, 2); /* reset's CANCEL_ALL, then the stale task */
	T_EQ(b->tm[1].tm, MP_LSI_TM_ABORT_TASK);
	fake_bus_destroy(b);
}

static void test_slow_target_keeps_the_unwaiting_jump_waiting(void)
{
	struct fake_bus *b = boot();

	b->prompt = false;
	put_program(b, 0, false, 512);
	put_cdb(b, 0x28);
	T_EQ(execute(b), HUNG);
	fake_data(b, b->last_task, MP_LSI_DATA_IN, 512);
	fake_run(b);
	fake_status(b, b->last_task, 0);
	fake_run(b);
	T_OK(fake_rd8(b, MP_LSI_R_DSTAT) & DSTAT_SIR);
	T_EQ(b->mem[STATUS], 0);
	T_EQ(b->mem[MSG_IN], 0);
	T_EQ(b->chip.counters.n_disconnects, 0);
	fake_bus_destroy(b);
}

/* The other firmware: 32 bytes COMMAND, 2-byte moves for every message. */
static void test_uefi_program_gets_one_message_byte_with_a_two_byte_move(void)
{
	struct fake_bus *b = boot();

	b->dir = MP_LSI_DATA_IN;
	b->xfer_len = 96;
	put_cdb(b, 0x12);
	b->mem[MSG_OUT] = 0x80;
	FAKE_PROG(b, PROG, 0x40000000, 0, 0x06000001, MSG_OUT, 0x02000020, CDB, 0x87820000, 24,
		  0x07000002, MSG_IN, 0x50000000, 0, 0x07000002, MSG_IN, 0x01000060, DATA,
		  0x03000001, STATUS, 0x07000002, MSG_IN, 0x98080000, 0);
	T_EQ(execute(b), OK);
	T_EQ(fake_rd32(b, MP_LSI_R_CSBC), 96);
	fake_bus_destroy(b);
}

T_MAIN(T_TEST(test_read_arrives_with_status_good), T_TEST(test_write_reaches_the_target),
       T_TEST(test_no_data_command_skips_the_zero_words),
       T_TEST(test_sixteen_bytes_carry_a_6_byte_cdb),
       T_TEST(test_sixteen_bytes_carry_a_10_byte_cdb),
       T_TEST(test_sixteen_bytes_carry_a_12_byte_cdb),
       T_TEST(test_sixteen_bytes_carry_a_16_byte_cdb),
       T_TEST(test_command_says_who_asked_and_that_it_cannot_disconnect),
       T_TEST(test_second_program_selects_with_ack_still_held),
       T_TEST(test_absent_target_fails_and_the_next_command_works),
       T_TEST(test_short_data_fails_and_the_next_command_works),
       T_TEST(test_slow_target_keeps_the_unwaiting_jump_waiting),
       T_TEST(test_uefi_program_gets_one_message_byte_with_a_two_byte_move))
