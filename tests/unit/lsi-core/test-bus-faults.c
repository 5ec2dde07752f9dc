/* SPDX-License-Identifier: BSD-3-Clause */
/* What other models of this chip got wrong on the bus, one test each. */
#include "tests/lib/fake_bus.h"
#include "tests/lib/t.h"

#define R(name)   MP_LSI_R_##name
#define PROG      0x1000u
#define ELSEWHERE 0x2000u
#define MSG       0x3000u
#define CDB       0x3010u
#define BYTES     0x3080u
#define DATA      0x4000u
#define STOP(v)   0x98080000u, (v)
#define NO_SDU    0x7c027f00u, 0
#define CLR_ACK   0x60000040u, 0
#define SET_ATN   0x58000008u, 0
#define W_DISC    0x48000000u, 0
#define SEL_ATN   0x41000000u, 0
#define OUT(n)    (0x0e000000u | (n)), MSG
#define IN(n)     (0x0f000000u | (n)), BYTES
#define COMMAND   0x0a000006u, CDB

static struct fake_bus *with_rre(const char *msg, size_t len)
{
	struct fake_bus *b = fake_bus_create();

	fake_wr8(b, R(SCID), 0x47);
	fake_wr8(b, R(DCNTL), DCNTL_COM);
	memcpy(b->mem + MSG, msg, len);
	return b;
}

/* A command, disconnected and ready with its status; bus free, engine halted. */
static void put_aside(struct fake_bus *b, unsigned int msg_len)
{
	fake_wr8(b, R(ISTAT0), ISTAT0_SIGP);
	FAKE_PROG(b, PROG, SEL_ATN, OUT(msg_len), COMMAND, IN(1), NO_SDU, CLR_ACK, W_DISC, STOP(9));
	fake_go(b, PROG);
	(void)fake_rd8(b, R(DSTAT));
	fake_status(b, b->last_task, 0);
	fake_wr8(b, R(ISTAT0), 0);
}

/* Used to force the bus free under a target that wanted something. */
static void test_wait_disconnect_waits_for_the_target(void)
{
	struct fake_bus *b = with_rre("\x80", 1);

	FAKE_PROG(b, PROG, SEL_ATN, OUT(1), COMMAND, W_DISC, STOP(1));
	fake_go(b, PROG);
	T_EQ(fake_rd8(b, R(ISTAT1)), ISTAT1_SRUN);
	T_EQ(fake_rd8(b, R(SCNTL1)), SCNTL1_CON);
	fake_bus_destroy(b);
}

/* Used to let the next task in here, before the program had stored the last one's end. */
static void test_wait_disconnect_lets_nobody_reselect(void)
{
	struct fake_bus *b = with_rre("\xc0", 1);

	put_aside(b, 1);
	FAKE_PROG(b, PROG, W_DISC, STOP(1));
	fake_go(b, PROG);
	T_EQ(fake_rd32(b, R(DSPS)), 1);
	T_EQ(b->chip.counters.n_reselects, 0);
	fake_bus_destroy(b);
}

/* Used to change the phase at once: the byte that the target still held out was lost. */
static void test_set_atn_keeps_the_message_byte_on_the_bus(void)
{
	struct fake_bus *b = with_rre("\xc0\x20\x07\x08", 4);

	put_aside(b, 3);
	FAKE_PROG(b, PROG, 0x50000000, 0, IN(1), CLR_ACK, SET_ATN, 0x0f000002, BYTES + 1, CLR_ACK,
		  0x0e000001, MSG + 3, 0x830b0000, ELSEWHERE, STOP(1));
	FAKE_PROG(b, ELSEWHERE, STOP(2));
	fake_go(b, PROG);
	T_EQ(fake_rd32(b, R(DSPS)), 2);
	T_MEM_EQ(b->mem + BYTES, "\x80\x20\x07", 3);
	fake_bus_destroy(b);
}

/* Used to be cut to what fits in the move, or refused. */
static void test_message_in_is_offered_bytewise_or_whole(void)
{
	struct fake_bus *b = with_rre("\xc0\x01\x03\x01\x0a\x1f", 6);

	FAKE_PROG(b, PROG, SEL_ATN, OUT(6), IN(1), CLR_ACK, 0x0f000001, BYTES + 1, CLR_ACK,
		  0x0f000003, BYTES + 2, CLR_ACK, 0x820b0000, ELSEWHERE, STOP(1));
	FAKE_PROG(b, ELSEWHERE, STOP(2));
	fake_go(b, PROG);
	T_EQ(fake_rd32(b, R(DSPS)), 2);
	T_MEM_EQ(b->mem + BYTES, "\x01\x03\x01\x0a\x1f", 5);
	fake_bus_destroy(b);
}

/* Used to read tag and extended bytes beyond the end of the move. */
static void test_message_cut_by_the_move_reads_nothing_behind_it(void)
{
	struct fake_bus *b = with_rre("\xc0\x20\x07\x01\x03", 5);

	FAKE_PROG(b, PROG, SEL_ATN, OUT(5), STOP(1));
	fake_go(b, PROG);
	T_EQ(b->st->nexus.n_out, 2);
	T_EQ(fake_rd8(b, R(SSTAT1)) & 7, MP_LSI_MSG_OUT_PHASE);
	fake_bus_destroy(b);
}

static void test_ssid_is_valid_until_the_next_selection(void)
{
	struct fake_bus *b = with_rre("\xc0", 1);

	put_aside(b, 1);
	FAKE_PROG(b, PROG, 0x50000000, 0, STOP(1));
	fake_go(b, PROG);
	T_EQ(fake_rd8(b, R(SSID)), 0x80);
	fake_wr8(b, R(SCNTL1), SCNTL1_RST);
	fake_wr8(b, R(SCNTL1), 0);
	FAKE_PROG(b, PROG, SEL_ATN, STOP(1));
	fake_go(b, PROG);
	T_EQ(fake_rd8(b, R(SSID)), 0);
	fake_bus_destroy(b);
}

static void test_ids_above_seven_are_targets(void)
{
	struct fake_bus *b = with_rre("\xc0", 1);

	b->present = 1u << 15;
	fake_wr8(b, R(ISTAT0), ISTAT0_SIGP);
	FAKE_PROG(b, PROG, 0x410f0000, 0, OUT(1), COMMAND, IN(1), NO_SDU, CLR_ACK, W_DISC, STOP(9));
	fake_go(b, PROG);
	T_EQ(b->task[b->last_task].cmd.target, 15);
	fake_status(b, b->last_task, 0);
	fake_wr8(b, R(ISTAT0), 0);
	FAKE_PROG(b, PROG, 0x50000000, 0, STOP(1));
	fake_go(b, PROG);
	T_EQ(fake_rd8(b, R(SSID)), 0x8f);
	fake_bus_destroy(b);
}

/* Used to end in an assertion: the queue was taken to be empty. */
static void test_snapshot_with_commands_in_flight_is_taken_up(void)
{
	struct fake_bus *b = with_rre("\xc0\x20\x07", 3);

	put_aside(b, 3);
	T_EQ(mp_lsi_attach(&b->chip, b->st, b->chip.ops, b), 1);
	FAKE_PROG(b, PROG, 0x50000000, 0, IN(1), CLR_ACK, 0x0f000002, BYTES + 1, STOP(1));
	fake_go(b, PROG);
	T_MEM_EQ(b->mem + BYTES, "\x80\x20\x07", 3);
	fake_bus_destroy(b);
}

/* A loop that waits for a phase which never comes; 500 us of sleep or an interrupt used to end it. */
static void test_loop_on_the_wrong_phase_costs_its_budget_only(void)
{
	struct fake_bus *b = with_rre("\x80", 1);

	FAKE_PROG(b, PROG, SEL_ATN, OUT(1), 0x86830000, 0xfffff8, STOP(1));
	fake_wr32(b, R(DSP), PROG);
	T_EQ(mp_lsi_run(&b->chip, 5000), 5000);
	T_EQ(fake_rd8(b, R(ISTAT0)), ISTAT0_CON);
	T_EQ(mp_lsi_run(&b->chip, 5000), 5000);
	fake_wr8(b, R(ISTAT0), ISTAT0_ABRT);
	T_EQ(mp_lsi_run(&b->chip, 5000), 0);
	T_EQ(fake_rd8(b, R(SCNTL1)), SCNTL1_CON);
	fake_bus_destroy(b);
}

/* Selecting the absent again and again: no time passes, no stack grows, and it can be stopped. */
static void test_endless_selection_of_an_absent_target_stops_each_time(void)
{
	struct fake_bus *b = with_rre("\x80", 1);

	b->present = 0;
	for (unsigned int i = 0; i < 1000; i++) {
		FAKE_PROG(b, PROG, SEL_ATN, OUT(1));
		fake_go(b, PROG);
		b->n_done += fake_rd8(b, R(SIST1)) == SIST1_STO;
	}
	T_EQ(b->n_done, 1000);
	fake_bus_destroy(b);
}

/* An initiator that refuses to hear and repeats ATN: each round is its own doing, and bounded. */
static void test_parity_error_for_ever_costs_its_budget_only(void)
{
	struct fake_bus *b = with_rre("\xc0\x13\x09", 3);

	FAKE_PROG(b, PROG, SEL_ATN, OUT(2), IN(1), SET_ATN, CLR_ACK, 0x0e000001, MSG + 2,
		  0x80080000, PROG + 16);
	fake_wr32(b, R(DSP), PROG);
	T_EQ(mp_lsi_run(&b->chip, 5000), 5000);
	T_OK(b->st->nexus.n_in <= MP_LSI_MSG_BYTES);
	T_EQ(mp_lsi_attach(&b->chip, b->st, b->chip.ops, b), 1);
	fake_bus_destroy(b);
}

/*
 * Three programs, each started by an unaligned dword that ends in DSP's last
 * byte and spills into DSPS: they used to leave the chip with a request that
 * had been freed by the first message and was aborted by the last.
 */
static void test_messages_that_cancel_the_request_under_way(void)
{
	struct fake_bus *b = with_rre("\x0c\x80\x0d", 3);
	static const uint32_t at[] = {0x10000, 0x20000, 0x30000};

	fake_put32(b, 0x40000, MSG);
	FAKE_PROG(b, at[0], SET_ATN, 0x0e010000, 0x50000, 0x0f010000, 0x50000);
	FAKE_PROG(b, at[1], SEL_ATN, 0x0e000003, MSG, 0x0a000000, CDB);
	FAKE_PROG(b, at[2], SEL_ATN, 0x2a100000, 0x40000, 0x2e000003, 0x40000, STOP(1));
	for (unsigned int i = 0; i < 3; i++) {
		mp_lsi_write(&b->chip, R(DSP), 1, 0);
		mp_lsi_write(&b->chip, R(DSP) + 1, 4, at[i] >> 8);
		fake_run(b);
	}
	/* MSG OUT was first on the bus, so the COMMAND of a MiB met another phase. */
	T_EQ(fake_rd8(b, R(SIST0)), SIST0_UDC);
	T_EQ(fake_rd8(b, R(SIST0)), SIST0_MA);
	T_EQ(b->n_commands, 0);
	T_EQ(b->n_tms, 1);
	T_EQ(mp_lsi_attach(&b->chip, b->st, b->chip.ops, b), 1);
	fake_bus_destroy(b);
}

/* Nothing but FF where the program should be: decoded as it may be, no request is assumed. */
static void test_program_of_garbage_on_a_free_bus_asserts_nothing(void)
{
	struct fake_bus *b = with_rre("\x80", 1);

	memset(b->mem + PROG, 0xff, 0x100);
	fake_go(b, PROG);
	T_EQ(fake_rd8(b, R(DSTAT)), DSTAT_DFE | DSTAT_IID);
	FAKE_PROG(b, PROG, 0x08ffffff, 0xffffffff);
	fake_go(b, PROG);
	T_EQ(fake_rd8(b, R(ISTAT1)), ISTAT1_SRUN);
	fake_bus_destroy(b);
}

T_MAIN(T_TEST(test_wait_disconnect_waits_for_the_target),
       T_TEST(test_wait_disconnect_lets_nobody_reselect),
       T_TEST(test_set_atn_keeps_the_message_byte_on_the_bus),
       T_TEST(test_message_in_is_offered_bytewise_or_whole),
       T_TEST(test_message_cut_by_the_move_reads_nothing_behind_it),
       T_TEST(test_ssid_is_valid_until_the_next_selection),
       T_TEST(test_ids_above_seven_are_targets),
       T_TEST(test_snapshot_with_commands_in_flight_is_taken_up),
       T_TEST(test_loop_on_the_wrong_phase_costs_its_budget_only),
       T_TEST(test_endless_selection_of_an_absent_target_stops_each_time),
       T_TEST(test_parity_error_for_ever_costs_its_budget_only),
       T_TEST(test_messages_that_cancel_the_request_under_way),
       T_TEST(test_program_of_garbage_on_a_free_bus_asserts_nothing))
