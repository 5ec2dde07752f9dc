/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Wide transfers as drivers go about them, step by step: two negotiations in
 * one connection, the odd end of a transfer, a disconnection in the middle of
 * a segment with a byte in SWIDE, residuals.
 */
#include "tests/lib/fake_bus.h"
#include "tests/lib/t.h"

#define R(name)      MP_LSI_R_##name
#define PROG         0x1000u
#define HANDLER      0x2000u
#define MSG          0x3000u
#define CDB          0x3010u
#define BYTES        0x3080u
#define TABLE        0x3100u
#define DATA         0x4000u
#define JUMP(a)      0x80080000u, (a)
#define STOP(v)      0x98080000u, (v)
#define NO_SDU       0x7c027f00u, 0
#define CLR_ACK      0x60000040u, 0
#define SET_ATN      0x58000008u, 0
#define W_DISC       0x48000000u, 0
#define CLR_SIGP     0x721a0000u, 0
#define SELECT_TABLE 0x43000000u | 8, 0
#define MSG_IN(at)   0x0f000001u, BYTES + (at)
#define COMMAND      0x0a00000au, CDB
#define STATUS_IN    0x0b000001u, BYTES + 32

static void put_msg(struct fake_bus *b, unsigned int at, const char *msg, size_t len)
{
	memcpy(b->mem + MSG + at, msg, len);
}

/* DSA's table: a segment at 0, the selection of target 0 with EWS at 8, others from 16. */
static struct fake_bus *target_with(enum mp_lsi_dir dir, uint32_t len)
{
	struct fake_bus *b = fake_bus_create();

	b->prompt = true;
	b->dir = dir;
	b->xfer_len = len;
	b->mem[CDB] = dir == MP_LSI_DATA_OUT ? 0x2a : 0x28;
	fake_put32(b, TABLE + 8, 0x3b001f00);
	fake_wr32(b, R(DSA), TABLE);
	fake_wr8(b, R(SCID), 0x47);
	fake_wr8(b, R(DCNTL), DCNTL_COM);
	return b;
}

/* The same with 16 bits agreed in an earlier connection. */
static struct fake_bus *wide_target(enum mp_lsi_dir dir, uint32_t len)
{
	struct fake_bus *b = target_with(dir, len);

	put_msg(b, 0, "\xc0\x01\x02\x03\x01\x0d", 6);
	FAKE_PROG(b, PROG, SELECT_TABLE, 0x0e000005, MSG, 0x0f000004, BYTES, SET_ATN, CLR_ACK,
		  NO_SDU, 0x0e000001, MSG + 5, W_DISC, STOP(1));
	fake_go(b, PROG);
	(void)fake_rd8(b, R(DSTAT));
	b->n_tms = 0;
	put_msg(b, 0, "\xc0\x20\x05", 3);
	return b;
}

/* WDTR with the command's tag; the answer byte by byte; then SDTR at once, and the command. */
static void test_width_and_speed_are_agreed_in_one_connection(void)
{
	struct fake_bus *b = target_with(MP_LSI_DATA_IN, 36);

	put_msg(b, 0, "\xc0\x20\x05\x01\x02\x03\x01", 7);
	put_msg(b, 8, "\x01\x03\x01\x0a\x1f", 5);
	FAKE_PROG(b, PROG, SELECT_TABLE, 0x9e030000, 9, 0x0e000007, MSG, 0x820b0000,
		  HANDLER + 0x100, 0x9f030000, 8, MSG_IN(0), CLR_ACK, MSG_IN(1), CLR_ACK,
		  0x0f000002, BYTES + 2, STOP(1), SET_ATN, CLR_ACK, 0x9e030000, 7, 0x0e000005,
		  MSG + 8, 0x9f030000, 6, MSG_IN(8), CLR_ACK, MSG_IN(9), CLR_ACK, 0x0f000003,
		  BYTES + 10, STOP(2), CLR_ACK, COMMAND, 0x01000024, DATA, STATUS_IN, STOP(3));
	fake_go(b, PROG);
	T_EQ(fake_rd32(b, R(DSPS)), 1);
	T_MEM_EQ(b->mem + BYTES, "\x01\x02\x03\x01", 4);
	fake_wr8(b, R(DCNTL), DCNTL_STD | DCNTL_COM);
	fake_run(b);
	T_EQ(fake_rd32(b, R(DSPS)), 2);
	T_MEM_EQ(b->mem + BYTES + 8, "\x01\x03\x01\x0a\x1f", 5);
	fake_wr8(b, R(DCNTL), DCNTL_STD | DCNTL_COM);
	fake_run(b);
	T_EQ(fake_rd32(b, R(DSPS)), 3);
	T_EQ(b->task[0].cmd.tag, 5);
	T_EQ(b->st->agreed[0].wide, 1);
	T_EQ(b->st->agreed[0].offset, 31);
	fake_bus_destroy(b);
}

/* A driver that gives each segment a MOVE of its own and odd counts only to the last. */
static void test_odd_last_segment_of_a_driver_without_chains(void)
{
	struct fake_bus *b = wide_target(MP_LSI_DATA_IN, 13);

	FAKE_PROG(b, PROG, SELECT_TABLE, 0x0e000003, MSG, COMMAND, 0x19000000, 16, 0x19000000, 24,
		  0x9f030000, 9, MSG_IN(0), CLR_ACK, MSG_IN(1), CLR_ACK, STATUS_IN, STOP(1));
	FAKE_PROG(b, TABLE + 16, 8, DATA, 5, DATA + 8);
	fake_go(b, PROG);
	T_EQ(fake_rd32(b, R(DSPS)), 1);
	T_MEM_EQ(b->mem + BYTES, "\x23\x01", 2);
	T_MEM_EQ(b->mem + DATA, b->pool, 13);
	fake_bus_destroy(b);
}

/* It asked for more than came: the mismatch is in front of the residue message. */
static void test_short_odd_transfer_gives_the_filler_away(void)
{
	struct fake_bus *b = wide_target(MP_LSI_DATA_IN, 13);

	FAKE_PROG(b, PROG, SELECT_TABLE, 0x0e000003, MSG, COMMAND, 0x01000040, DATA, STOP(9));
	fake_go(b, PROG);
	T_EQ(fake_rd8(b, R(SIST0)), SIST0_MA);
	/* 14 bytes on the bus; the message that follows takes one of them back. */
	T_EQ(fake_rd32(b, R(DBC)) & 0xffffff, 0x40 - 14);
	T_EQ(fake_rd8(b, R(SSTAT1)) & 7, MP_LSI_MSG_IN_PHASE);
	T_EQ(fake_rd8(b, R(SCNTL2)) & SCNTL2_WSR, 0);
	fake_bus_destroy(b);
}

/*
 * The jump for a mismatch, with a byte in SWIDE: the driver stores that byte by
 * a CHMOV of one to where UA points, makes a table entry of RBC bytes at UA + 1,
 * and goes on with it after the reselection.
 */
static void test_segment_cut_behind_a_residue_is_resumed(void)
{
	struct fake_bus *b = wide_target(MP_LSI_DATA_IN, 24);

	b->chunk_len = 8;
	b->prompt = false;
	fake_wr8(b, R(CCNTL0), CCNTL0_ENPMJ);
	fake_wr32(b, R(PMJAD2), HANDLER);
	FAKE_PROG(b, PROG, SELECT_TABLE, 0x0e000003, MSG, COMMAND, 0x11000000, 16, 0x11000000, 24,
		  STATUS_IN, STOP(2));
	FAKE_PROG(b, TABLE + 16, 7, DATA, 17, DATA + 7, 1, 0, 0, 0);
	/* UA to the residue's entry and, one more, to the rest's; RBC is its count. */
	FAKE_PROG(b, HANDLER, 0xf0cc0004, 36, 0x7e4c0180, 0, 0x11000000, 32, 0xf0c80004, 40,
		  0xf0cc0004, 44, MSG_IN(0), CLR_ACK, MSG_IN(1), NO_SDU, CLR_ACK, W_DISC, CLR_SIGP,
		  0x50000000, 0, MSG_IN(2), CLR_ACK, 0x0f000002, BYTES + 3, CLR_ACK, 0x11000000, 40,
		  STATUS_IN, STOP(1));
	fake_go(b, PROG);
	fake_data(b, 0, MP_LSI_DATA_IN, 8);
	fake_run(b);
	/* The target thinks, somebody rings, it disconnects. */
	fake_wr8(b, R(ISTAT0), ISTAT0_SIGP);
	fake_run(b);
	T_MEM_EQ(b->mem + BYTES, "\x02\x04", 2);
	T_EQ(fake_get32(b, TABLE + 40) & 0xffffff, 16);
	T_EQ(fake_get32(b, TABLE + 44), DATA + 8);
	fake_data(b, 0, MP_LSI_DATA_IN, 16);
	fake_run(b);
	fake_status(b, 0, 0);
	fake_run(b);
	T_EQ(fake_rd32(b, R(DSPS)), 1);
	for (unsigned int i = 0; i < 24; i++)
		b->n_done += b->mem[DATA + i] == fake_pattern(0, i);
	T_EQ(b->n_done, 24);
	fake_bus_destroy(b);
}

/* A target that agreed keeps 16 bits for every later connection and unit. */
static void test_agreement_outlives_the_connection(void)
{
	struct fake_bus *b = wide_target(MP_LSI_DATA_IN, 8);

	put_msg(b, 0, "\xc7", 1);
	FAKE_PROG(b, PROG, SELECT_TABLE, 0x0e000001, MSG, COMMAND, 0x01000003, DATA, STOP(1));
	fake_go(b, PROG);
	T_EQ(fake_rd8(b, R(SCNTL2)) & SCNTL2_WSR, SCNTL2_WSR);
	fake_bus_destroy(b);
}

/* Boot firmware takes the chip over from a wide driver: a software reset, and no bus reset. */
static void test_firmware_behind_a_wide_driver_reads_bytes(void)
{
	struct fake_bus *b = wide_target(MP_LSI_DATA_IN, 5);

	fake_wr8(b, R(ISTAT0), ISTAT0_SRST);
	put_msg(b, 0, "\x80", 1);
	FAKE_PROG(b, PROG, 0x40000000, 0, 0x06000001, MSG, 0x02000010, CDB, 0x01000005, DATA,
		  0x03000001, BYTES, 0x07000001, BYTES + 1, STOP(1));
	fake_go(b, PROG);
	T_EQ(fake_rd32(b, R(DSPS)), 1);
	T_MEM_EQ(b->mem + DATA, b->pool, 5);
	T_MEM_EQ(b->mem + BYTES, "\x00\x00", 2);
	fake_bus_destroy(b);
}

T_MAIN(T_TEST(test_width_and_speed_are_agreed_in_one_connection),
       T_TEST(test_odd_last_segment_of_a_driver_without_chains),
       T_TEST(test_short_odd_transfer_gives_the_filler_away),
       T_TEST(test_segment_cut_behind_a_residue_is_resumed),
       T_TEST(test_agreement_outlives_the_connection),
       T_TEST(test_firmware_behind_a_wide_driver_reads_bytes))
