/* SPDX-License-Identifier: BSD-3-Clause */
/* Bus resets from either side, commands cancelled in every state, and the handshake timer. */
#include "tests/lib/fake_bus.h"
#include "tests/lib/t.h"

#define R(name)   MP_LSI_R_##name
#define PROG      0x1000u
#define NEXT      0x2000u
#define MSG       0x3000u
#define CDB       0x3010u
#define BYTES     0x3080u
#define DATA      0x4000u
#define STOP(v)   0x98080000u, (v)
#define NO_SDU    0x7c027f00u, 0
#define CLR_ACK   0x60000040u, 0
#define W_DISC    0x48000000u, 0
#define W_RESEL   0x50000000u, PROG
#define SEL_ATN   0x41000000u, 0
#define CONNECT   SEL_ATN, 0x0e000003u, MSG, 0x0a000006u, CDB
#define STATUS_IN 0x0b000001u, BYTES
#define MSG_IN    0x0f000001u, BYTES + 1
#define END       STATUS_IN, MSG_IN, NO_SDU, CLR_ACK, W_DISC, STOP(1)

static struct fake_bus *with_rre(void)
{
	struct fake_bus *b = fake_bus_create();

	fake_wr8(b, R(SCID), 0x47);
	fake_wr8(b, R(DCNTL), DCNTL_COM);
	memcpy(b->mem + MSG, "\xc0\x20\x07", 3);
	return b;
}

static void reset_by_the_chip(struct fake_bus *b)
{
	fake_wr8(b, R(SCNTL1), SCNTL1_RST);
	fake_wr8(b, R(SCNTL1), 0);
}

static void reset_by_another(struct fake_bus *b)
{
	mp_lsi_bus_reset_seen(&b->chip);
}

static void test_reset_by_another_side_looks_like_the_chips_own(void)
{
	struct fake_bus *b = with_rre();

	fake_wr8(b, R(SIEN0), SIST0_RST);
	FAKE_PROG(b, PROG, CONNECT, W_RESEL);
	fake_go(b, PROG);
	reset_by_another(b);
	T_EQ(b->tm[0].tm, MP_LSI_TM_BUS_RESET);
	T_EQ(mp_lsi_irq_level(&b->chip), 1);
	T_EQ(fake_rd8(b, R(SIST0)), SIST0_RST);
	/* The pulse is over: a program that waits for its end finds it so. */
	T_EQ(fake_rd8(b, R(SSTAT0)) & SSTAT0_RST, 0);
	T_EQ(fake_rd8(b, R(SCNTL1)), 0);
	T_EQ(fake_rd8(b, R(ISTAT1)), 0);
	T_EQ(b->task[b->last_task].live, false);
	fake_bus_destroy(b);
}

static void test_reset_by_another_side_wakes_no_waiting_program(void)
{
	struct fake_bus *b = with_rre();

	FAKE_PROG(b, PROG, W_RESEL, STOP(1));
	fake_go(b, PROG);
	reset_by_another(b);
	T_EQ(mp_lsi_runnable(&b->chip), false);
	T_EQ(fake_rd8(b, R(SIST0)), SIST0_RST);
	fake_bus_destroy(b);
}

static void test_second_reset_waits_behind_an_unread_first(void)
{
	struct fake_bus *b = with_rre();

	reset_by_another(b);
	reset_by_another(b);
	T_EQ(fake_rd8(b, R(SIST0)), SIST0_RST);
	T_EQ(fake_rd8(b, R(SIST0)), SIST0_RST);
	T_EQ(fake_rd8(b, R(SIST0)), 0);
	fake_bus_destroy(b);
}

/* What a command can be doing when it is cancelled. */
enum moment { THINKING, ASIDE, ASIDE_READY, IN_DATA, AT_STATUS, AT_MESSAGE, N_MOMENTS };

static void bring_to(struct fake_bus *b, enum moment when)
{
	unsigned int i;

	fake_wr8(b, R(ISTAT0), when == ASIDE || when == ASIDE_READY ? ISTAT0_SIGP : 0);
	if (when == ASIDE || when == ASIDE_READY)
		FAKE_PROG(b, PROG, CONNECT, MSG_IN, NO_SDU, CLR_ACK, W_DISC, STOP(1));
	else
		FAKE_PROG(b, PROG, CONNECT, STOP(1), 0x09000100, DATA, STOP(1), STATUS_IN, STOP(1));
	fake_go(b, PROG);
	i = b->last_task;
	if (when == ASIDE_READY || when == IN_DATA)
		fake_data(b, i, MP_LSI_DATA_IN, 512);
	if (when == AT_STATUS || when == AT_MESSAGE)
		fake_status(b, i, 0);
	(void)fake_rd8(b, R(DSTAT));
	fake_wr8(b, R(DMODE), DMODE_MAN);
	fake_wr32(b, R(DSP), when == AT_MESSAGE ? PROG + 48 : PROG + 32);
	if (when == IN_DATA || when == AT_MESSAGE)
		fake_wr8(b, R(DCNTL), DCNTL_STD | DCNTL_COM);
	fake_run(b);
	fake_wr8(b, R(DMODE), 0);
}

/* The chip is consistent, runs nothing by itself, and does a whole new command. */
static bool is_as_new(struct fake_bus *b)
{
	unsigned int n_done = b->n_done, n_moved = b->n_moved;
	bool ok = !mp_lsi_run(&b->chip, 100);

	(void)mp_lsi_read(&b->chip, R(SIST0), 2);
	(void)fake_rd8(b, R(DSTAT));
	fake_wr8(b, R(ISTAT0), 0);
	b->prompt = true;
	FAKE_PROG(b, NEXT, CONNECT, END);
	fake_go(b, NEXT);
	b->prompt = false;
	return ok && fake_rd8(b, R(DSTAT)) == (DSTAT_DFE | DSTAT_SIR) && b->n_done == n_done + 1 &&
	       b->n_moved == n_moved && mp_lsi_attach(&b->chip, b->st, b->chip.ops, b) == 1;
}

/* Bit n: the chip came out of @cancel at moment n unfit for a new command. */
static unsigned int unfit_after(void (*cancel)(struct fake_bus *))
{
	unsigned int unfit = 0;

	for (unsigned int when = 0; when < N_MOMENTS; when++) {
		struct fake_bus *b = with_rre();

		bring_to(b, (enum moment)when);
		cancel(b);
		unfit |= (unsigned int)(!is_as_new(b)) << when;
		fake_bus_destroy(b);
	}
	return unfit;
}

static void test_bus_resets_at_any_moment_leave_a_chip_as_new(void)
{
	T_EQ(unfit_after(reset_by_the_chip), 0);
	T_EQ(unfit_after(reset_by_another), 0);
}

/* ABORT TAG from a new connection, whatever became of the old one. */
static void abort_by_tag(struct fake_bus *b)
{
	memcpy(b->mem + MSG, "\xc0\x20\x07\x0d", 4);
	FAKE_PROG(b, PROG, SEL_ATN, NO_SDU, 0x0e000004, MSG, W_DISC, STOP(1));
	fake_go(b, PROG);
}

static void reset_the_target(struct fake_bus *b)
{
	memcpy(b->mem + MSG, "\x0c", 1);
	FAKE_PROG(b, PROG, SEL_ATN, NO_SDU, 0x0e000001, MSG, W_DISC, STOP(1));
	fake_go(b, PROG);
	memcpy(b->mem + MSG, "\xc0", 1);
}

static void reset_the_chip(struct fake_bus *b)
{
	fake_wr8(b, R(ISTAT0), ISTAT0_SRST);
	fake_wr8(b, R(DCNTL), DCNTL_COM);
}

/* Cancelled requests used to be reached through a pointer that outlived them. */
static void test_cancelling_at_any_moment_leaves_a_chip_as_new(void)
{
	T_EQ(unfit_after(abort_by_tag), 0);
	T_EQ(unfit_after(reset_the_target), 0);
	T_EQ(unfit_after(reset_the_chip), 0);
}

static void test_handshake_timer_starts_again_with_each_handshake(void)
{
	struct fake_bus *b = with_rre();

	fake_wr8(b, R(STIME0), 0x10);
	FAKE_PROG(b, PROG, CONNECT, 0x09000100, DATA, STOP(1));
	fake_go(b, PROG);
	mp_lsi_tick(&b->chip, 1000);
	fake_data(b, b->last_task, MP_LSI_DATA_IN, 8);
	fake_run(b);
	mp_lsi_tick(&b->chip, 100000);
	T_EQ(mp_lsi_deadline_ns(&b->chip), 225000);
	mp_lsi_tick(&b->chip, 130000);
	T_EQ(fake_rd8(b, R(SIST1)), 0);
	mp_lsi_tick(&b->chip, 225000);
	T_EQ(fake_rd8(b, R(SIST1)), SIST1_HTH);
	fake_bus_destroy(b);
}

static void test_handshake_timer_rests_on_a_free_bus(void)
{
	struct fake_bus *b = with_rre();

	b->prompt = true;
	fake_wr8(b, R(STIME0), 0x10);
	FAKE_PROG(b, PROG, CONNECT, END);
	fake_go(b, PROG);
	mp_lsi_tick(&b->chip, 1000);
	mp_lsi_tick(&b->chip, 1000000);
	T_EQ(fake_rd8(b, R(SIST1)), 0);
	T_EQ(mp_lsi_deadline_ns(&b->chip), UINT64_MAX);
	fake_bus_destroy(b);
}

T_MAIN(T_TEST(test_reset_by_another_side_looks_like_the_chips_own),
       T_TEST(test_reset_by_another_side_wakes_no_waiting_program),
       T_TEST(test_second_reset_waits_behind_an_unread_first),
       T_TEST(test_bus_resets_at_any_moment_leave_a_chip_as_new),
       T_TEST(test_cancelling_at_any_moment_leaves_a_chip_as_new),
       T_TEST(test_handshake_timer_starts_again_with_each_handshake),
       T_TEST(test_handshake_timer_rests_on_a_free_bus))
