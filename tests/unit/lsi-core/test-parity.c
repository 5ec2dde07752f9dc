/* SPDX-License-Identifier: BSD-3-Clause */
/* Parity that software can spoil (SCNTL1.AESP), and the longitudinal one (SLPAR). */
#include "tests/lib/fake_bus.h"
#include "tests/lib/t.h"

#define R(name)   MP_LSI_R_##name
#define PROG      0x1000u
#define MSG       0x3000u
#define CDB       0x3010u
#define BYTES     0x3080u
#define DATA      0x4000u
#define STOP(v)   0x98080000u, (v)
#define SPOIL     0x7a010400u, 0 /* SCNTL1 OR AESP */
#define REPAIR    0x7c01fb00u, 0
#define NO_SDU    0x7c027f00u, 0
#define CLR_ACK   0x60000040u, 0
#define SET_ATN   0x58000008u, 0
#define W_DISC    0x48000000u, 0
#define SEL_ATN   0x41000000u, 0
#define OUT(n)    (0x0e000000u | (n)), MSG
#define COMMAND   0x0a00000au, CDB
#define STATUS_IN 0x0b000001u, BYTES
#define END       STATUS_IN, 0x0f000001u, BYTES + 1, NO_SDU, CLR_ACK, W_DISC, STOP(1)

static struct fake_bus *writer(uint32_t len)
{
	struct fake_bus *b = fake_bus_create();

	b->prompt = true;
	b->dir = MP_LSI_DATA_OUT;
	b->xfer_len = len;
	memcpy(b->mem + MSG, "\xc2\x20\x05", 3);
	b->mem[CDB] = 0x2a;
	return b;
}

static void test_spoiled_messages_are_asked_for_again(void)
{
	struct fake_bus *b = writer(0);

	/* The target stays in MSG OUT with ATN down; then all of them come again. */
	FAKE_PROG(b, PROG, SEL_ATN, SPOIL, OUT(3), REPAIR, 0x9e030000, 7, SET_ATN, OUT(3), COMMAND,
		  END);
	fake_go(b, PROG);
	T_EQ(fake_rd32(b, R(DSPS)), 1);
	T_EQ(b->n_commands, 1);
	T_EQ(b->task[0].cmd.lun, 2);
	T_EQ(b->task[0].cmd.tag, 5);
	fake_bus_destroy(b);
}

static void test_half_a_spoiled_message_is_forgotten(void)
{
	struct fake_bus *b = writer(0);

	/* Two bytes of a negotiation were good, the third takes them with it. */
	memcpy(b->mem + MSG + 8, "\xc2\x01\x02\x03", 4);
	FAKE_PROG(b, PROG, SEL_ATN, 0x0e000003, MSG + 8, SET_ATN, SPOIL, 0x0e000001, MSG + 11,
		  REPAIR, OUT(3), COMMAND, END);
	fake_go(b, PROG);
	T_EQ(fake_rd32(b, R(DSPS)), 1);
	T_EQ(b->task[0].cmd.tag, 5);
	fake_bus_destroy(b);
}

static void test_target_that_never_understands_leaves(void)
{
	struct fake_bus *b = writer(0);

	FAKE_PROG(b, PROG, SEL_ATN, SPOIL, OUT(3), 0x80080000, PROG + 16);
	fake_go(b, PROG);
	T_EQ(fake_rd8(b, R(SIST0)), SIST0_UDC);
	T_EQ(fake_rd8(b, R(SCNTL1)) & SCNTL1_CON, 0);
	T_EQ(b->n_commands, 0);
	fake_bus_destroy(b);
}

static void test_spoiled_command_ends_with_aborted_command(void)
{
	struct fake_bus *b = writer(512);

	FAKE_PROG(b, PROG, SEL_ATN, OUT(3), SPOIL, COMMAND, REPAIR, END);
	fake_go(b, PROG);
	T_EQ(fake_rd32(b, R(DSPS)), 1);
	T_EQ(b->mem[BYTES], 0x02);
	T_EQ(b->n_commands, 0);
	T_EQ(b->sense, 0x0b47);
	T_EQ(b->sense_lun, 2);
	fake_bus_destroy(b);
}

static void test_spoiled_data_never_reaches_the_command(void)
{
	struct fake_bus *b = writer(512);

	FAKE_PROG(b, PROG, SEL_ATN, OUT(3), COMMAND, 0x08000100, DATA, SPOIL, 0x08000080, DATA,
		  REPAIR, END);
	fake_go(b, PROG);
	T_EQ(fake_rd32(b, R(DSPS)), 1);
	T_EQ(b->mem[BYTES], 0x02);
	T_EQ(b->n_moved, 0);
	T_EQ(b->tm[0].tm, MP_LSI_TM_ABORT_TASK);
	T_EQ(b->task[0].live, false);
	T_EQ(b->sense, 0x0b47);
	fake_bus_destroy(b);
}

static void test_move_cut_off_by_bad_parity_meets_the_status(void)
{
	struct fake_bus *b = writer(512 * 1024);

	b->chunk_len = 1024;
	FAKE_PROG(b, PROG, SEL_ATN, OUT(3), COMMAND, SPOIL, 0x08080000, DATA, STOP(1));
	fake_go(b, PROG);
	T_EQ(fake_rd8(b, R(SIST0)), SIST0_MA);
	T_EQ(fake_rd8(b, R(SSTAT1)) & 7, MP_LSI_STATUS_PHASE);
	T_EQ(fake_rd32(b, R(DBC)) & 0xffffff, 512 * 1024 - 1024);
	fake_bus_destroy(b);
}

static void test_data_in_is_not_spoiled_by_the_receiver(void)
{
	struct fake_bus *b = writer(512);

	b->dir = MP_LSI_DATA_IN;
	fake_wr8(b, R(SCNTL0), 0xca);
	FAKE_PROG(b, PROG, SEL_ATN, OUT(3), COMMAND, SPOIL, 0x09000200, DATA, END);
	fake_go(b, PROG);
	T_EQ(fake_rd32(b, R(DSPS)), 1);
	T_EQ(b->mem[BYTES], 0);
	T_EQ(b->mem[DATA + 511], fake_pattern(0, 511));
	/* What targets send is good: SIST0.PAR never comes. */
	T_EQ(fake_rd8(b, R(SIST0)), 0);
	fake_bus_destroy(b);
}

static uint8_t xor_of(struct fake_bus *b, uint32_t from, uint32_t len, uint32_t step)
{
	uint8_t x = 0;

	for (uint32_t i = from; i < len; i += step)
		x ^= b->pool[i];
	return x;
}

/* SELECT, IDENTIFY, COMMAND, 100 bytes in two moves. */
static struct fake_bus *reader(void)
{
	struct fake_bus *b = writer(100);

	b->dir = MP_LSI_DATA_IN;
	b->chunk_len = 64;
	b->frag_len = 7;
	FAKE_PROG(b, PROG, SEL_ATN, OUT(3), COMMAND, 0x09000040, DATA, 0x09000023, DATA + 0x40,
		  STOP(1));
	return b;
}

static void test_longitudinal_parity_sums_the_data_since_a_write(void)
{
	struct fake_bus *b = reader();
	uint8_t first, second;

	fake_wr8(b, R(SLPAR), 0x55);
	T_EQ(fake_rd8(b, R(SLPAR)), 0);
	fake_go(b, PROG);
	/* The pool holds the second chunk; both are known by their pattern. */
	second = xor_of(b, 0, 35, 1);
	first = 0;
	for (uint32_t i = 0; i < 64; i++)
		first ^= fake_pattern(0, i);
	T_EQ(fake_rd8(b, R(SLPAR)), first ^ second);
	fake_bus_destroy(b);
}

static void test_longitudinal_parity_is_off_until_written(void)
{
	struct fake_bus *b = reader();

	fake_go(b, PROG);
	T_EQ(fake_rd8(b, R(SLPAR)), 0);
	fake_bus_destroy(b);
}

static void test_longitudinal_parity_of_words_has_two_lanes(void)
{
	struct fake_bus *b = reader();

	b->xfer_len = 50;
	b->st->agreed[0].wide = 1;
	fake_wr8(b, R(SCNTL3), SCNTL3_EWS);
	fake_wr8(b, R(SCNTL2), SCNTL2_SLPMD);
	fake_wr8(b, R(SLPAR), 0);
	fake_go(b, PROG);
	T_EQ(fake_rd8(b, R(SLPAR)), xor_of(b, 0, 50, 2));
	fake_wr8(b, R(SCNTL2), SCNTL2_SLPMD | SCNTL2_SLPHBEN);
	T_EQ(fake_rd8(b, R(SLPAR)), xor_of(b, 1, 50, 2));
	fake_wr8(b, R(SCNTL2), 0);
	T_EQ(fake_rd8(b, R(SLPAR)), xor_of(b, 0, 50, 1));
	fake_bus_destroy(b);
}

T_MAIN(T_TEST(test_spoiled_messages_are_asked_for_again),
       T_TEST(test_half_a_spoiled_message_is_forgotten),
       T_TEST(test_target_that_never_understands_leaves),
       T_TEST(test_spoiled_command_ends_with_aborted_command),
       T_TEST(test_spoiled_data_never_reaches_the_command),
       T_TEST(test_move_cut_off_by_bad_parity_meets_the_status),
       T_TEST(test_data_in_is_not_spoiled_by_the_receiver),
       T_TEST(test_longitudinal_parity_sums_the_data_since_a_write),
       T_TEST(test_longitudinal_parity_is_off_until_written),
       T_TEST(test_longitudinal_parity_of_words_has_two_lanes))
