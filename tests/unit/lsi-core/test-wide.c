/* SPDX-License-Identifier: BSD-3-Clause */
/* Wide data phases: words, odd ends, chained moves, residues, mismatches with them. */
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
#define STOP(v)      0x98080000u, (v)
#define CLR_ACK      0x60000040u, 0
#define NO_SDU       0x7c027f00u, 0
#define W_DISC       0x48000000u, 0
#define CHMOV_IN(n)  0x01000000u | (n)
#define MOVE_IN(n)   0x09000000u | (n)
#define CHMOV_OUT(n) (0x00000000u | (n))
#define MOVE_OUT(n)  0x08000000u | (n)
#define STATUS_IN    0x0b000001u, BYTES
#define MSG_IN(n)    0x0f000000u | (n), BYTES + 8
#define CLR_WSR      0x7a020100u, 0

/* SELECT ATN 0, IDENTIFY and WDTR for 16 bits, its answer; then the command. */
#define AGREE   0x41000000u, 0, 0x0e000005u, MSG, 0x0f000004u, BYTES, CLR_ACK
#define CONNECT AGREE, 0x0a00000au, CDB

static struct fake_bus *target_with(enum mp_lsi_dir dir, uint32_t len)
{
	struct fake_bus *b = fake_bus_create();

	b->prompt = true;
	b->dir = dir;
	b->xfer_len = len;
	memcpy(b->mem + MSG, "\x80\x01\x02\x03\x01", 5);
	b->mem[CDB] = dir == MP_LSI_DATA_OUT ? 0x2a : 0x28;
	memset(b->mem + DATA, 0xee, 0x2000);
	fake_wr8(b, R(SCNTL3), SCNTL3_EWS | 0x33);
	return b;
}

static struct fake_bus *writer(uint32_t len)
{
	struct fake_bus *b = target_with(MP_LSI_DATA_OUT, len);

	for (unsigned int i = 0; i < 0x2000; i++)
		b->mem[DATA + i] = (uint8_t)(i + 1);
	return b;
}

static uint8_t flags(struct fake_bus *b)
{
	return fake_rd8(b, R(SCNTL2)) & (SCNTL2_WSS | SCNTL2_WSR);
}

static uint8_t phase(struct fake_bus *b)
{
	return fake_rd8(b, R(SSTAT1)) & 7;
}

static void expect_pattern(struct fake_bus *b, uint32_t at, uint32_t from, uint32_t len)
{
	unsigned int n_wrong = 0;

	for (uint32_t i = 0; i < len; i++)
		n_wrong += b->mem[at + i] != fake_pattern(0, from + i);
	T_EQ(n_wrong, 0);
}

static void test_chained_moves_in_join_the_byte_kept_in_swide(void)
{
	struct fake_bus *b = target_with(MP_LSI_DATA_IN, 16);

	FAKE_PROG(b, PROG, CONNECT, CHMOV_IN(5), DATA, STOP(1), CHMOV_IN(11), DATA + 5, STOP(2));
	fake_go(b, PROG);
	T_EQ(flags(b), SCNTL2_WSR);
	T_EQ(fake_rd8(b, R(SWIDE)), fake_pattern(0, 5));
	T_EQ(b->mem[DATA + 5], 0xee);
	T_EQ(fake_rd32(b, R(SBC)), 6);
	fake_wr8(b, R(DCNTL), DCNTL_STD);
	fake_run(b);
	expect_pattern(b, DATA, 0, 16);
	T_EQ(flags(b), 0);
	T_EQ(fake_rd32(b, R(SBC)), 10);
	T_EQ(fake_rd32(b, R(CSBC)), 16);
	T_EQ(fake_rd8(b, R(SFBR)), fake_pattern(0, 5));
	T_EQ(phase(b), MP_LSI_STATUS_PHASE);
	fake_bus_destroy(b);
}

static void test_move_in_drops_the_byte_kept_in_swide(void)
{
	struct fake_bus *b = target_with(MP_LSI_DATA_IN, 16);

	FAKE_PROG(b, PROG, CONNECT, MOVE_IN(5), DATA, MOVE_IN(10), DATA + 5, STOP(1));
	fake_go(b, PROG);
	expect_pattern(b, DATA, 0, 5);
	expect_pattern(b, DATA + 5, 6, 10);
	T_EQ(flags(b), 0);
	fake_bus_destroy(b);
}

static void test_even_moves_leave_the_last_word_in_sidl(void)
{
	struct fake_bus *b = target_with(MP_LSI_DATA_IN, 16);

	FAKE_PROG(b, PROG, CONNECT, CHMOV_IN(16), DATA, STOP(1));
	fake_go(b, PROG);
	T_EQ(mp_lsi_read(&b->chip, R(SIDL), 2), fake_pattern(0, 14) | fake_pattern(0, 15) << 8);
	T_EQ(flags(b), 0);
	fake_bus_destroy(b);
}

static void test_odd_segments_in_fragments_arrive_in_order(void)
{
	struct fake_bus *b = target_with(MP_LSI_DATA_IN, 1000);

	FAKE_PROG(b, PROG, CONNECT, 0x11000000, 0, 0x11000000, 8, 0x11000000, 16, 0x11000000, 24,
		  STOP(1));
	FAKE_PROG(b, TABLE, 333, DATA, 1, DATA + 333, 65, DATA + 334, 601, DATA + 399);
	fake_wr32(b, R(DSA), TABLE);
	b->frag_len = 7;
	b->chunk_len = 64;
	fake_go(b, PROG);
	T_EQ(fake_rd8(b, R(DSTAT)), DSTAT_DFE | DSTAT_SIR);
	expect_pattern(b, DATA, 0, 1000);
	T_EQ(flags(b), 0);
	fake_bus_destroy(b);
}

static void test_odd_data_in_is_followed_by_ignore_wide_residue(void)
{
	struct fake_bus *b = target_with(MP_LSI_DATA_IN, 5);

	/* As the drivers round an odd segment up: the sixth byte is the filler. */
	FAKE_PROG(b, PROG, CONNECT, CHMOV_IN(6), DATA, 0x870b0000, PROG + 0x60, STOP(9));
	FAKE_PROG(b, PROG + 0x60, MSG_IN(1), CLR_ACK, 0x0f000001, BYTES + 9, CLR_ACK, STATUS_IN,
		  STOP(1));
	fake_go(b, PROG);
	T_EQ(fake_rd32(b, R(DSPS)), 1);
	expect_pattern(b, DATA, 0, 5);
	T_EQ(b->mem[DATA + 5], 0);
	T_EQ(fake_rd32(b, R(CSBC)), 6);
	T_MEM_EQ(b->mem + BYTES + 8, "\x23\x01", 2);
	T_EQ(b->n_moved, 5);
	T_EQ(flags(b), 0);
	fake_bus_destroy(b);
}

/* The exact end of an odd transfer, as one driver handles it: SWIDE is full, and that is expected. */
static void test_odd_move_of_odd_data_keeps_the_filler_in_swide(void)
{
	struct fake_bus *b = target_with(MP_LSI_DATA_IN, 5);

	FAKE_PROG(b, PROG, CONNECT, CHMOV_IN(5), DATA, 0x72020000, 0, 0x9804fe01, 7, CLR_WSR,
		  0x9f030000, 9, MSG_IN(1), 0x98040023, 8, CLR_ACK, 0x0f000001, BYTES + 9, CLR_ACK,
		  STATUS_IN, STOP(1));
	fake_go(b, PROG);
	T_EQ(fake_rd32(b, R(DSPS)), 1);
	expect_pattern(b, DATA, 0, 5);
	T_EQ(b->mem[DATA + 5], 0xee);
	T_EQ(flags(b), 0);
	fake_bus_destroy(b);
}

static void test_narrow_odd_data_has_no_residue_message(void)
{
	struct fake_bus *b = target_with(MP_LSI_DATA_IN, 5);

	b->mem[MSG + 4] = 0;
	FAKE_PROG(b, PROG, CONNECT, CHMOV_IN(5), DATA, STATUS_IN, STOP(1));
	fake_go(b, PROG);
	T_EQ(fake_rd32(b, R(DSPS)), 1);
	expect_pattern(b, DATA, 0, 5);
	fake_bus_destroy(b);
}

static void test_widths_that_disagree_lose_nothing(void)
{
	struct fake_bus *b = target_with(MP_LSI_DATA_IN, 9);

	/* The target agreed to 16 bits; the chip isn't set to them. */
	fake_wr8(b, R(SCNTL3), 0x33);
	FAKE_PROG(b, PROG, CONNECT, MOVE_IN(5), DATA, MOVE_IN(4), DATA + 5, STATUS_IN, STOP(1));
	fake_go(b, PROG);
	T_EQ(fake_rd32(b, R(DSPS)), 1);
	expect_pattern(b, DATA, 0, 9);
	T_EQ(flags(b), 0);
	fake_bus_destroy(b);
}

static void test_chained_move_out_keeps_its_odd_byte_for_the_next(void)
{
	struct fake_bus *b = writer(8);

	/* CHMOV is followed by MOVE: either kind completes the word. */
	FAKE_PROG(b, PROG, CONNECT, CHMOV_OUT(3), DATA, STOP(1), MOVE_OUT(5), DATA + 0x100,
		  STOP(2));
	fake_go(b, PROG);
	T_EQ(flags(b), SCNTL2_WSS);
	T_EQ(fake_rd8(b, R(SODL)), 3);
	T_EQ(b->st->task[0].moved, 2);
	T_EQ(fake_rd32(b, R(SBC)), 4);
	T_EQ(fake_rd32(b, R(DNAD)), DATA + 3);
	fake_wr8(b, R(DCNTL), DCNTL_STD);
	fake_run(b);
	T_EQ(fake_rd32(b, R(DSPS)), 2);
	T_MEM_EQ(b->pool, "\x01\x02\x03\x01\x02\x03\x04\x05", 8);
	T_EQ(flags(b), 0);
	T_EQ(fake_rd32(b, R(SBC)), 5);
	T_EQ(fake_rd32(b, R(CSBC)), 8);
	T_EQ(b->n_moved, 8);
	fake_bus_destroy(b);
}

static void test_move_out_sends_its_odd_byte_with_a_filler(void)
{
	struct fake_bus *b = writer(8);

	FAKE_PROG(b, PROG, CONNECT, MOVE_OUT(3), DATA, STOP(1), MOVE_OUT(4), DATA + 3, STOP(2));
	fake_go(b, PROG);
	T_EQ(flags(b), 0);
	T_EQ(b->st->task[0].moved, 4);
	fake_wr8(b, R(DCNTL), DCNTL_STD);
	fake_run(b);
	T_MEM_EQ(b->pool, "\x01\x02\x03\x00\x04\x05\x06\x07", 8);
	fake_bus_destroy(b);
}

static void test_odd_data_out_takes_a_filler_and_no_byte_more(void)
{
	struct fake_bus *b = writer(5);

	b->pool[5] = 0x77;
	FAKE_PROG(b, PROG, CONNECT, CHMOV_OUT(6), DATA, STATUS_IN, STOP(1));
	fake_go(b, PROG);
	T_EQ(fake_rd32(b, R(DSPS)), 1);
	T_MEM_EQ(b->pool, "\x01\x02\x03\x04\x05\x77", 6);
	T_EQ(b->n_moved, 5);
	fake_bus_destroy(b);
}

static void test_chain_of_single_bytes_out_fills_the_target(void)
{
	struct fake_bus *b = writer(4);

	FAKE_PROG(b, PROG, CONNECT, CHMOV_OUT(1), DATA, CHMOV_OUT(1), DATA + 1, CHMOV_OUT(1),
		  DATA + 2, CHMOV_OUT(1), DATA + 3, STATUS_IN, STOP(1));
	fake_go(b, PROG);
	T_EQ(fake_rd32(b, R(DSPS)), 1);
	T_MEM_EQ(b->pool, "\x01\x02\x03\x04", 4);
	fake_bus_destroy(b);
}

static void test_chain_longer_than_the_data_ends_in_a_mismatch(void)
{
	struct fake_bus *b = writer(4);

	/* One byte more than the target takes. */
	FAKE_PROG(b, PROG, CONNECT, CHMOV_OUT(3), DATA, STOP(1), CHMOV_OUT(2), DATA + 3, STOP(2));
	fake_go(b, PROG);
	fake_wr8(b, R(DCNTL), DCNTL_STD);
	fake_run(b);
	T_EQ(fake_rd8(b, R(SIST0)), SIST0_MA);
	T_EQ(fake_rd32(b, R(DBC)), 0x00000001);
	T_EQ(flags(b), 0);
	fake_bus_destroy(b);
}

static void test_narrow_transfer_drops_a_byte_left_in_sodl(void)
{
	struct fake_bus *b = writer(2);

	FAKE_PROG(b, PROG, CONNECT, CHMOV_OUT(1), DATA, STOP(1));
	FAKE_PROG(b, HANDLER, 0x41000000u, 0, 0x0e000001u, MSG, STOP(2));
	fake_go(b, PROG);
	fake_wr8(b, R(SCNTL1), SCNTL1_RST);
	fake_wr8(b, R(SCNTL1), 0);
	T_EQ(flags(b), SCNTL2_WSS);
	fake_go(b, HANDLER);
	T_EQ(flags(b), 0);
	fake_bus_destroy(b);
}

/* Set up the mismatch of a CHMOV of @len behind an odd one, with a byte in SWIDE. */
static struct fake_bus *mismatch_with_residue(uint32_t len)
{
	struct fake_bus *b = target_with(MP_LSI_DATA_IN, 6);

	FAKE_PROG(b, PROG, CONNECT, CHMOV_IN(5), DATA, CHMOV_IN(len), DATA + 5, STOP(1));
	FAKE_PROG(b, HANDLER, CHMOV_IN(1), DATA + 5, STATUS_IN, STOP(3));
	FAKE_PROG(b, HANDLER + 0x100, STOP(4));
	fake_wr32(b, R(PMJAD1), HANDLER + 0x100);
	fake_wr32(b, R(PMJAD2), HANDLER);
	return b;
}

static void test_mismatch_with_a_residue_jumps_to_the_second_address(void)
{
	struct fake_bus *b = mismatch_with_residue(7);

	fake_wr8(b, R(CCNTL0), CCNTL0_ENPMJ);
	FAKE_PROG(b, HANDLER, STOP(3));
	fake_go(b, PROG);
	T_EQ(fake_rd32(b, R(DSPS)), 3);
	/* The byte in SWIDE counts as received; it belongs to where UA points. */
	T_EQ(fake_rd32(b, R(RBC)) & 0xffffff, 6);
	T_EQ(fake_rd32(b, R(UA)), DATA + 5);
	T_EQ(flags(b), SCNTL2_WSR);
	fake_bus_destroy(b);
}

static void test_chained_move_of_one_stores_the_residue_in_any_phase(void)
{
	struct fake_bus *b = mismatch_with_residue(7);

	fake_wr8(b, R(CCNTL0), CCNTL0_ENPMJ);
	fake_go(b, PROG);
	T_EQ(fake_rd32(b, R(DSPS)), 3);
	expect_pattern(b, DATA, 0, 6);
	T_EQ(flags(b), 0);
	fake_bus_destroy(b);
}

static void test_mismatch_with_a_residue_interrupts_without_the_jump(void)
{
	struct fake_bus *b = mismatch_with_residue(7);

	fake_go(b, PROG);
	T_EQ(fake_rd8(b, R(SIST0)), SIST0_MA);
	/* A driver that computes the rest itself takes the residue from SWIDE by its own count. */
	T_EQ(fake_rd32(b, R(DBC)) & 0xffffff, 7);
	T_EQ(flags(b), SCNTL2_WSR);
	fake_bus_destroy(b);
}

static void test_direction_chooses_the_jump_when_so_asked(void)
{
	struct fake_bus *b = mismatch_with_residue(7);

	/* PMJCTL set: a residue doesn't matter. Both addresses would be the second for IN. */
	fake_wr8(b, R(CCNTL0), CCNTL0_ENPMJ | CCNTL0_PMJCTL);
	fake_wr32(b, R(PMJAD2), HANDLER + 0x100);
	fake_wr32(b, R(PMJAD1), HANDLER);
	fake_go(b, PROG);
	T_EQ(fake_rd32(b, R(DSPS)), 4);
	fake_bus_destroy(b);
}

/* A driver counts what comes too much byte by byte, and looks at WSR between. */
static void test_overrun_is_counted_to_the_byte(void)
{
	struct fake_bus *b = target_with(MP_LSI_DATA_IN, 10);

	FAKE_PROG(b, PROG, CONNECT, CHMOV_IN(4), DATA, 0x80080000, HANDLER);
	FAKE_PROG(b, HANDLER, 0x72020000, 0, 0x8084fe01, 16, CLR_WSR, 0x80880000, 24, 0x818b0000, 8,
		  STOP(5), CHMOV_IN(1), BYTES, 0x7e340100, 0, 0x80080000, HANDLER);
	fake_go(b, PROG);
	T_EQ(fake_rd32(b, R(DSPS)), 5);
	T_EQ(fake_rd8(b, R(SCRATCHA)), 6);
	T_EQ(phase(b), MP_LSI_STATUS_PHASE);
	fake_bus_destroy(b);
}

#define STREAM 12u

/* A chain of three moves of @first, @second and the rest of STREAM bytes; how many bytes are wrong. */
static unsigned int wrong_in_chain(enum mp_lsi_dir dir, uint32_t first, uint32_t second)
{
	struct fake_bus *b = dir == MP_LSI_DATA_IN ? target_with(dir, STREAM) : writer(STREAM);
	uint32_t op = dir == MP_LSI_DATA_IN ? CHMOV_IN(0) : CHMOV_OUT(0);
	uint32_t third = STREAM - first - second;
	unsigned int n_wrong = 0;

	FAKE_PROG(b, PROG, CONNECT, op | first, DATA, op | second, DATA + first, op | third,
		  DATA + first + second, STATUS_IN, STOP(1));
	fake_go(b, PROG);
	for (uint32_t i = 0; i < STREAM; i++)
		n_wrong += b->mem[DATA + i] != b->pool[i];
	n_wrong += fake_rd32(b, R(DSPS)) != 1 || flags(b);
	fake_bus_destroy(b);
	return n_wrong;
}

static unsigned int wrong_in_all_chains(enum mp_lsi_dir dir)
{
	unsigned int n_wrong = 0;

	for (uint32_t first = 1; first < STREAM - 1; first++)
		for (uint32_t second = 1; second < STREAM - first; second++)
			n_wrong += wrong_in_chain(dir, first, second);
	return n_wrong;
}

static void test_every_chain_of_three_moves_carries_the_same_bytes(void)
{
	T_EQ(wrong_in_all_chains(MP_LSI_DATA_IN), 0);
	T_EQ(wrong_in_all_chains(MP_LSI_DATA_OUT), 0);
}

static void test_writing_one_clears_the_flags(void)
{
	struct fake_bus *b = target_with(MP_LSI_DATA_IN, 6);

	FAKE_PROG(b, PROG, CONNECT, CHMOV_IN(5), DATA, STOP(1));
	fake_go(b, PROG);
	T_EQ(flags(b), SCNTL2_WSR);
	fake_wr8(b, R(SCNTL2), 0);
	T_EQ(flags(b), SCNTL2_WSR);
	fake_wr8(b, R(SCNTL2), SCNTL2_WSR | SCNTL2_WSS);
	T_EQ(flags(b), 0);
	fake_bus_destroy(b);
}

T_MAIN(T_TEST(test_chained_moves_in_join_the_byte_kept_in_swide),
       T_TEST(test_move_in_drops_the_byte_kept_in_swide),
       T_TEST(test_even_moves_leave_the_last_word_in_sidl),
       T_TEST(test_odd_segments_in_fragments_arrive_in_order),
       T_TEST(test_odd_data_in_is_followed_by_ignore_wide_residue),
       T_TEST(test_odd_move_of_odd_data_keeps_the_filler_in_swide),
       T_TEST(test_narrow_odd_data_has_no_residue_message),
       T_TEST(test_widths_that_disagree_lose_nothing),
       T_TEST(test_chained_move_out_keeps_its_odd_byte_for_the_next),
       T_TEST(test_move_out_sends_its_odd_byte_with_a_filler),
       T_TEST(test_odd_data_out_takes_a_filler_and_no_byte_more),
       T_TEST(test_chain_of_single_bytes_out_fills_the_target),
       T_TEST(test_chain_longer_than_the_data_ends_in_a_mismatch),
       T_TEST(test_narrow_transfer_drops_a_byte_left_in_sodl),
       T_TEST(test_mismatch_with_a_residue_jumps_to_the_second_address),
       T_TEST(test_chained_move_of_one_stores_the_residue_in_any_phase),
       T_TEST(test_mismatch_with_a_residue_interrupts_without_the_jump),
       T_TEST(test_direction_chooses_the_jump_when_so_asked),
       T_TEST(test_overrun_is_counted_to_the_byte),
       T_TEST(test_every_chain_of_three_moves_carries_the_same_bytes),
       T_TEST(test_writing_one_clears_the_flags))
