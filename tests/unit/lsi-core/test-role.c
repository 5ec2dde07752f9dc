/* SPDX-License-Identifier: BSD-3-Clause */
/* The target's role (SCNTL0.TRG) and selection by the CPU (SCNTL0.START). */
#include "tests/lib/fake_bus.h"
#include "tests/lib/t.h"

#define R(name)    MP_LSI_R_##name
#define PROG       0x1000u
#define ELSEWHERE  0x2000u
#define MSG        0x3000u
#define CDB        0x3010u
#define BYTES      0x3080u
#define DATA       0x4000u
#define STOP(v)    0x98080000u, (v)
#define SET_TARGET 0x58000200u, 0
#define NO_SDU     0x7c027f00u, 0
#define CLR_ACK    0x60000040u, 0
#define W_DISC     0x48000000u, 0
#define SEL_ATN    0x41000000u, 0
#define COMMAND    0x0a000006u, CDB
#define RESELECT   0x40000000u, ELSEWHERE
#define W_SELECT   0x50000000u, ELSEWHERE
#define START      (0xc0u | SCNTL0_START)

static struct fake_bus *with_rre(void)
{
	struct fake_bus *b = fake_bus_create();

	fake_wr8(b, R(SCID), 0x47);
	fake_wr8(b, R(DCNTL), DCNTL_COM);
	FAKE_PROG(b, ELSEWHERE, STOP(2));
	b->mem[MSG] = 0xc0;
	return b;
}

/* A command of target 0, disconnected and ready with its status; bus free, engine halted. */
static void put_aside(struct fake_bus *b)
{
	fake_wr8(b, R(ISTAT0), ISTAT0_SIGP);
	FAKE_PROG(b, PROG, SEL_ATN, 0x0e000001, MSG, COMMAND, 0x0f000001, BYTES, NO_SDU, CLR_ACK,
		  W_DISC, STOP(9));
	fake_go(b, PROG);
	(void)fake_rd8(b, R(DSTAT));
	fake_status(b, b->last_task, 0);
	fake_wr8(b, R(ISTAT0), 0);
}

static void test_reselecting_anybody_times_out(void)
{
	struct fake_bus *b = with_rre();

	b->present = 0xffff;
	FAKE_PROG(b, PROG, SET_TARGET, RESELECT, W_SELECT, STOP(1));
	fake_go(b, PROG);
	T_EQ(fake_rd8(b, R(SIST1)), SIST1_STO);
	T_EQ(fake_rd8(b, R(SCNTL1)), 0);
	fake_bus_destroy(b);
}

static void test_wait_select_ends_by_sigp(void)
{
	struct fake_bus *b = with_rre();

	FAKE_PROG(b, PROG, SET_TARGET, W_SELECT, STOP(1));
	fake_go(b, PROG);
	T_EQ(fake_rd8(b, R(ISTAT1)), ISTAT1_SRUN);
	fake_wr8(b, R(ISTAT0), ISTAT0_SIGP);
	fake_run(b);
	T_EQ(fake_rd32(b, R(DSPS)), 2);
	fake_bus_destroy(b);
}

static void test_wait_select_takes_the_alternate_when_reselected(void)
{
	struct fake_bus *b = with_rre();

	put_aside(b);
	FAKE_PROG(b, PROG, SET_TARGET, W_SELECT, STOP(1));
	fake_go(b, PROG);
	T_EQ(fake_rd32(b, R(DSPS)), 2);
	T_EQ(fake_rd8(b, R(SCNTL1)), SCNTL1_CON);
	/* The program makes it an initiator again, as the manual asks. */
	T_EQ(fake_rd8(b, R(SCNTL0)) & SCNTL0_TRG, SCNTL0_TRG);
	fake_bus_destroy(b);
}

static void test_disconnect_in_the_targets_role_goes_on_at_once(void)
{
	struct fake_bus *b = with_rre();

	FAKE_PROG(b, PROG, SET_TARGET, W_DISC, STOP(1));
	fake_go(b, PROG);
	T_EQ(fake_rd32(b, R(DSPS)), 1);
	fake_bus_destroy(b);
}

static void test_disconnect_in_the_targets_role_lets_the_signals_go(void)
{
	struct fake_bus *b = with_rre();

	/* An unknown message is refused; ACK is held behind the answer. */
	memcpy(b->mem + MSG, "\xc0\x13", 2);
	FAKE_PROG(b, PROG, SEL_ATN, 0x0e000002, MSG, 0x0f000001, BYTES, SET_TARGET, W_DISC,
		  STOP(1));
	fake_go(b, PROG);
	T_EQ(fake_rd32(b, R(DSPS)), 1);
	T_EQ(fake_rd8(b, R(SOCL)), 0);
	fake_bus_destroy(b);
}

static void test_block_move_in_the_targets_role_is_illegal(void)
{
	struct fake_bus *b = with_rre();

	FAKE_PROG(b, PROG, SET_TARGET, 0x01000010, DATA, STOP(1));
	fake_go(b, PROG);
	T_EQ(fake_rd8(b, R(DSTAT)), DSTAT_DFE | DSTAT_IID);
	fake_bus_destroy(b);
}

static void test_clear_target_makes_an_initiator_again(void)
{
	struct fake_bus *b = with_rre();

	FAKE_PROG(b, PROG, SET_TARGET, 0x60000200, 0, SEL_ATN, 0x0e000001, MSG, STOP(1));
	fake_go(b, PROG);
	T_EQ(fake_rd32(b, R(DSPS)), 1);
	T_EQ(fake_rd8(b, R(SCNTL1)), SCNTL1_CON);
	fake_bus_destroy(b);
}

static void test_start_selects_without_scripts(void)
{
	struct fake_bus *b = with_rre();

	fake_wr8(b, R(SIEN0), SIST0_CMP);
	fake_wr8(b, R(SDID), 0);
	fake_wr8(b, R(SCNTL0), START | SCNTL0_WATN);
	/* The sequence is over when the write is: the bit has cleared itself. */
	T_EQ(fake_rd8(b, R(SCNTL0)), 0xc0 | SCNTL0_WATN);
	T_EQ(fake_rd8(b, R(SCNTL1)), SCNTL1_CON);
	T_EQ(fake_rd8(b, R(SSTAT0)), SSTAT0_WOA);
	T_EQ(fake_rd8(b, R(SBCL)), SBCL_REQ | SBCL_BSY | SBCL_ATN | MP_LSI_MSG_OUT_PHASE);
	T_EQ(mp_lsi_irq_level(&b->chip), 1);
	T_EQ(fake_rd8(b, R(SIST0)), SIST0_CMP);
	fake_bus_destroy(b);
}

static void test_scripts_go_on_where_the_cpu_selected(void)
{
	struct fake_bus *b = with_rre();

	fake_wr8(b, R(SCNTL0), START | SCNTL0_WATN);
	FAKE_PROG(b, PROG, 0x0e000001, MSG, COMMAND, STOP(1));
	fake_go(b, PROG);
	T_EQ(fake_rd32(b, R(DSPS)), 1);
	T_EQ(b->n_commands, 1);
	fake_bus_destroy(b);
}

static void test_start_at_an_absent_target_times_out(void)
{
	struct fake_bus *b = with_rre();

	fake_wr8(b, R(SDID), 4);
	fake_wr8(b, R(SCNTL0), START);
	T_EQ(fake_rd8(b, R(SIST1)), SIST1_STO);
	T_EQ(fake_rd8(b, R(SIST0)), 0);
	T_EQ(fake_rd8(b, R(SCNTL1)), 0);
	fake_bus_destroy(b);
}

static void test_start_while_connected_does_nothing(void)
{
	struct fake_bus *b = with_rre();

	fake_wr8(b, R(SCNTL0), START | SCNTL0_WATN);
	(void)fake_rd8(b, R(SIST0));
	b->present = 3;
	fake_wr8(b, R(SDID), 1);
	fake_wr8(b, R(SCNTL0), START);
	T_EQ(fake_rd8(b, R(SIST0)), 0);
	T_EQ(b->st->nexus.target, 0);
	fake_bus_destroy(b);
}

static void test_start_waits_for_no_reset_and_no_simple_arbitration(void)
{
	struct fake_bus *b = with_rre();

	fake_wr8(b, R(SCNTL1), SCNTL1_RST);
	(void)fake_rd8(b, R(SIST0));
	fake_wr8(b, R(SCNTL0), START);
	T_EQ(fake_rd8(b, R(SCNTL1)), SCNTL1_RST);
	fake_wr8(b, R(SCNTL1), 0);
	fake_wr8(b, R(SCNTL0), SCNTL0_START);
	T_EQ(fake_rd8(b, R(SCNTL1)), 0);
	T_EQ(fake_rd8(b, R(SCNTL0)), 0);
	fake_bus_destroy(b);
}

/* Bytes by hand: SOCL, SODL and SCNTL1.SST move nothing. */
static void test_signals_set_by_hand_do_not_reach_the_bus(void)
{
	struct fake_bus *b = with_rre();
	uint8_t sbcl;

	fake_wr8(b, R(SCNTL0), START | SCNTL0_WATN);
	sbcl = fake_rd8(b, R(SBCL));
	fake_wr8(b, R(SODL), 0x80);
	fake_wr8(b, R(SCNTL1), 0x41);
	fake_wr8(b, R(SOCL), SBCL_ACK | MP_LSI_MSG_OUT_PHASE);
	T_EQ(fake_rd8(b, R(SBCL)), sbcl);
	T_EQ(b->st->nexus.identified, 0);
	fake_bus_destroy(b);
}

T_MAIN(T_TEST(test_reselecting_anybody_times_out), T_TEST(test_wait_select_ends_by_sigp),
       T_TEST(test_wait_select_takes_the_alternate_when_reselected),
       T_TEST(test_disconnect_in_the_targets_role_goes_on_at_once),
       T_TEST(test_disconnect_in_the_targets_role_lets_the_signals_go),
       T_TEST(test_block_move_in_the_targets_role_is_illegal),
       T_TEST(test_clear_target_makes_an_initiator_again),
       T_TEST(test_start_selects_without_scripts),
       T_TEST(test_scripts_go_on_where_the_cpu_selected),
       T_TEST(test_start_at_an_absent_target_times_out),
       T_TEST(test_start_while_connected_does_nothing),
       T_TEST(test_start_waits_for_no_reset_and_no_simple_arbitration),
       T_TEST(test_signals_set_by_hand_do_not_reach_the_bus))
