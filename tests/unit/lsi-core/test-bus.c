/* SPDX-License-Identifier: BSD-3-Clause */
/* Selection, messages, disconnection, reselection, task management. */
#include "tests/unit/lsi-core/talk.h"

static void test_select_from_table_loads_parameters_and_connects(void)
{
	struct fake_bus *b = fake_bus_create();

	b->present = 1u << 9;
	fake_put32(b, TABLE + 8, 0x33091f00);
	fake_wr32(b, R(DSA), TABLE);
	FAKE_PROG(b, PROG, 0x43000008, 0, STOP(1));
	fake_go(b, PROG);
	T_EQ(fake_rd8(b, R(SCNTL3)), 0x33);
	T_EQ(fake_rd8(b, R(SDID)), 9);
	T_EQ(fake_rd8(b, R(SXFER)), 0x1f);
	T_EQ(fake_rd8(b, R(ISTAT0)) & ISTAT0_CON, ISTAT0_CON);
	T_EQ(fake_rd8(b, R(SCNTL2)), SCNTL2_SDU);
	T_EQ(fake_rd8(b, R(SBCL)), SBCL_REQ | SBCL_BSY | SBCL_ATN | MP_LSI_MSG_OUT_PHASE);
	fake_bus_destroy(b);
}

static void test_writing_scntl1_does_not_lose_the_connection(void)
{
	struct fake_bus *b = send("\xc0", 1);

	fake_wr8(b, R(SCNTL1), 0);
	T_EQ(fake_rd8(b, R(SCNTL1)), SCNTL1_CON);
	T_EQ(phase(b), MP_LSI_COMMAND_PHASE);
	fake_bus_destroy(b);
}

static void test_select_while_connected_jumps_and_keeps_the_connection(void)
{
	struct fake_bus *b = send("\xc0", 1);

	FAKE_PROG(b, PROG, 0x46000000, 8, STOP(1), STOP(2));
	fake_put32(b, TABLE, 0x55000e00);
	fake_wr32(b, R(DSA), TABLE);
	/* STD goes on as a program would; writing DSP would declare the connection forgotten. */
	fake_wr8(b, R(DMODE), DMODE_MAN);
	fake_wr32(b, R(DSP), PROG);
	fake_wr8(b, R(DCNTL), DCNTL_STD);
	fake_run(b);
	T_EQ(fake_rd32(b, R(DSPS)), 2);
	T_EQ(fake_rd8(b, R(SXFER)), 0x0e);
	T_EQ(fake_rd8(b, R(SCNTL1)) & SCNTL1_CON, SCNTL1_CON);
	fake_bus_destroy(b);
}

static void test_masked_selection_timeout_halts_without_the_line(void)
{
	struct fake_bus *b = fake_bus_create();

	FAKE_PROG(b, PROG, 0x41050000, 0, 0xe1340004, TABLE, 0x9e030000, 1);
	fake_go(b, PROG);
	T_EQ(fake_rd8(b, R(ISTAT0)), ISTAT0_SIP);
	T_EQ(mp_lsi_irq_level(&b->chip), 0);
	T_EQ(fake_rd8(b, R(SIST1)), SIST1_STO);
	T_EQ(fake_rd32(b, R(DSP)), PROG + 24);
	T_EQ(fake_rd8(b, R(SDID)), 5);
	fake_bus_destroy(b);
}

static void test_own_id_times_out(void)
{
	struct fake_bus *b = fake_bus_create();

	b->present = 0xffff;
	FAKE_PROG(b, PROG, 0x41070000, 0, OUT(1));
	fake_go(b, PROG);
	T_EQ(fake_rd8(b, R(SIST1)), SIST1_STO);
	fake_bus_destroy(b);
}

static void test_identify_tag_and_command_make_a_tagged_command(void)
{
	struct fake_bus *b = with_rre();
	const struct mp_lsi_command *cmd;

	(void)put_aside(b, "\xc3\x22\x05", 3);
	cmd = &b->task[b->last_task].cmd;
	T_EQ(cmd->lun, 3);
	T_EQ(cmd->attr, MP_LSI_ORDERED);
	T_EQ(cmd->tag, 5);
	fake_bus_destroy(b);
}

static void test_lun_without_identify_comes_from_the_cdb(void)
{
	struct fake_bus *b = fake_bus_create();

	b->mem[CDB + 1] = 0x40;
	FAKE_PROG(b, PROG, 0x40000000, 0, COMMAND, STOP(1));
	fake_go(b, PROG);
	T_EQ(b->task[b->last_task].cmd.lun, 2);
	fake_bus_destroy(b);
}

static void test_two_byte_message_in_leaves_the_last_byte_in_sidl(void)
{
	struct fake_bus *b = with_rre();
	unsigned int task = put_aside(b, "\xc3\x20\x0b", 3);

	fake_status(b, task, 0);
	fake_wr8(b, R(ISTAT0), 0);
	FAKE_PROG(b, PROG, 0x50000000, 0, IN(1), CLR_ACK, 0x0f000002, BYTES + 1, STOP(1));
	fake_go(b, PROG);
	T_MEM_EQ(b->mem + BYTES, "\x83\x20\x0b", 3);
	T_EQ(fake_rd8(b, R(SIDL)), 0x0b);
	T_EQ(fake_rd8(b, R(SFBR)), 0x20);
	T_EQ(fake_rd8(b, R(SSID)), 0x80);
	T_EQ(b->chip.counters.n_reselects, 1);
	fake_bus_destroy(b);
}

static void test_compatible_mode_leaves_the_id_bitmap_in_sfbr(void)
{
	struct fake_bus *b = with_rre();
	unsigned int task = put_aside(b, "\xc0", 1);

	fake_wr8(b, R(DCNTL), 0);
	fake_status(b, task, 0);
	fake_wr8(b, R(ISTAT0), 0);
	FAKE_PROG(b, PROG, 0x50000000, 0, STOP(1));
	fake_go(b, PROG);
	T_EQ(fake_rd8(b, R(SFBR)), 1);
	fake_bus_destroy(b);
}

static void test_reselection_waits_for_rre(void)
{
	struct fake_bus *b = with_rre();
	unsigned int task = put_aside(b, "\xc0", 1);

	fake_wr8(b, R(SCID), 0x07);
	fake_wr8(b, R(ISTAT0), 0);
	fake_status(b, task, 0);
	FAKE_PROG(b, PROG, 0x50000000, 0, STOP(1));
	fake_go(b, PROG);
	T_EQ(b->chip.counters.n_reselects, 0);
	fake_wr8(b, R(SCID), 0x47);
	fake_run(b);
	T_EQ(b->chip.counters.n_reselects, 1);
	fake_bus_destroy(b);
}

static void test_wait_reselect_takes_the_alternate_for_sigp(void)
{
	struct fake_bus *b = fake_bus_create();

	FAKE_PROG(b, PROG, 0x54000000, 8, STOP(1), STOP(2));
	fake_wr8(b, R(ISTAT0), ISTAT0_SIGP);
	fake_go(b, PROG);
	T_EQ(fake_rd32(b, R(DSPS)), 2);
	T_EQ(fake_rd8(b, R(ISTAT0)) & ISTAT0_SIGP, ISTAT0_SIGP);
	fake_bus_destroy(b);
}

static void test_reselection_interrupt_reaches_a_halted_engine(void)
{
	struct fake_bus *b = with_rre();
	unsigned int task = put_aside(b, "\xc0", 1);

	fake_wr8(b, R(SIEN0), SIST0_RSL);
	fake_status(b, task, 0);
	T_EQ(mp_lsi_runnable(&b->chip), true);
	fake_run(b);
	T_EQ(mp_lsi_irq_level(&b->chip), 1);
	T_EQ(fake_rd8(b, R(SIST0)), SIST0_RSL);
	T_EQ(phase(b), MP_LSI_MSG_IN_PHASE);
	fake_bus_destroy(b);
}

static void test_pending_interrupt_keeps_reselection_out(void)
{
	struct fake_bus *b = with_rre();
	unsigned int task = put_aside(b, "\xc0", 1);

	fake_status(b, task, 0);
	T_EQ(mp_lsi_run(&b->chip, 100), 0);
	T_EQ(b->chip.counters.n_reselects, 0);
	fake_bus_destroy(b);
}

static void test_abort_tag_in_a_reselection_frees_the_bus(void)
{
	struct fake_bus *b = with_rre();
	unsigned int task = put_aside(b, "\xc0\x20\x07", 3);

	fake_status(b, task, 0);
	fake_wr8(b, R(ISTAT0), 0);
	put_msg(b, "\x0d", 1);
	FAKE_PROG(b, PROG, 0x50000000, 0, IN(1), CLR_ACK, IN(2), SET_ATN, CLR_ACK, NO_SDU, OUT(1),
		  W_DISC, STOP(1));
	fake_go(b, PROG);
	T_EQ(fake_rd8(b, R(DSTAT)), DSTAT_DFE | DSTAT_SIR);
	T_EQ(b->n_tms, 1);
	T_EQ(b->tm[0].tm, MP_LSI_TM_ABORT_TASK);
	T_EQ(b->tm[0].task, task);
	T_EQ(fake_rd8(b, R(SCNTL1)), 0);
	fake_bus_destroy(b);
}

static void test_bus_free_with_sdu_set_is_unexpected(void)
{
	struct fake_bus *b = fake_bus_create();

	put_msg(b, "\xc0\x06", 2);
	FAKE_PROG(b, PROG, SEL_ATN, OUT(2), STOP(1));
	fake_go(b, PROG);
	T_EQ(fake_rd8(b, R(SIST0)), SIST0_UDC);
	T_EQ(fake_rd8(b, R(DSTAT)), DSTAT_DFE);
	fake_bus_destroy(b);
}

static void test_duplicate_tag_ends_the_older_tasks_of_the_lun(void)
{
	struct fake_bus *b = with_rre();
	unsigned int first = put_aside(b, "\xc0\x20\x07", 3);
	unsigned int other = put_aside(b, "\xc0\x20\x09", 3);
	unsigned int elsewhere = put_aside(b, "\xc1\x20\x07", 3);
	unsigned int again = put_aside(b, "\xc0\x20\x07", 3);

	T_EQ(b->task[first].live, false);
	T_EQ(b->task[other].live, false);
	T_EQ(b->task[elsewhere].live, true);
	T_EQ(b->task[again].live, true);
	fake_bus_destroy(b);
}

static void test_full_task_table_answers_task_set_full(void)
{
	struct fake_bus *b = with_rre();

	for (unsigned int i = 0; i < MP_LSI_MAX_TASKS; i++) {
		char msg[3] = {(char)(0xc0 | (i >> 7)), 0x20, (char)i};

		(void)put_aside(b, msg, sizeof(msg));
	}
	put_msg(b, "\xc5", 1);
	FAKE_PROG(b, PROG, SEL_ATN, OUT(1), COMMAND, 0x0b000001, BYTES + 8, IN(1), NO_SDU, CLR_ACK,
		  W_DISC, STOP(1));
	fake_go(b, PROG);
	T_EQ(b->n_commands, MP_LSI_MAX_TASKS);
	T_EQ(b->mem[BYTES + 8], 0x28);
	T_EQ(fake_rd8(b, R(DSTAT)), DSTAT_DFE | DSTAT_SIR);
	T_EQ(b->n_done, 0);
	fake_bus_destroy(b);
}

static void test_index_of_an_aborted_io_is_not_given_away(void)
{
	struct fake_bus *b = with_rre();

	b->busy_tasks = 0x7;
	T_EQ(put_aside(b, "\xc0\x20\x01", 3), 3);
	fake_bus_destroy(b);
}

static void test_software_reset_cancels_64_commands_silently(void)
{
	struct fake_bus *b = with_rre();
	uint64_t n_dma;

	for (unsigned int i = 0; i < 64; i++) {
		char msg[3] = {(char)0xc0, 0x20, (char)i};

		(void)put_aside(b, msg, sizeof(msg));
	}
	n_dma = b->n_dma;
	fake_wr8(b, R(ISTAT0), ISTAT0_SRST);
	T_EQ(b->tm[0].tm, MP_LSI_TM_CANCEL_ALL);
	T_EQ(mp_lsi_run(&b->chip, 1000), 0);
	T_EQ(b->n_dma, n_dma);
	T_EQ(mp_lsi_irq_level(&b->chip), 0);
	fake_bus_destroy(b);
}

static void test_bus_reset_forgets_tasks_and_connection(void)
{
	struct fake_bus *b = with_rre();
	unsigned int task = put_aside(b, "\xc0\x20\x01", 3);

	fake_status(b, task, 0);
	fake_wr8(b, R(SCNTL1), SCNTL1_RST);
	fake_wr8(b, R(SCNTL1), 0);
	T_EQ(b->tm[0].tm, MP_LSI_TM_BUS_RESET);
	T_EQ(fake_rd8(b, R(SIST0)), SIST0_RST);
	fake_wr8(b, R(ISTAT0), 0);
	FAKE_PROG(b, PROG, 0x50000000, 0);
	fake_go(b, PROG);
	T_EQ(b->chip.counters.n_reselects, 0);
	fake_bus_destroy(b);
}

static void test_set_atn_on_a_free_bus_opens_no_phase(void)
{
	struct fake_bus *b = fake_bus_create();

	FAKE_PROG(b, PROG, SET_ATN, 0x0e010000, MSG, STOP(1));
	fake_go(b, PROG);
	T_EQ(fake_rd8(b, R(ISTAT1)), ISTAT1_SRUN);
	T_EQ(fake_rd32(b, R(DBC)), 0x0e010000);
	fake_bus_destroy(b);
}

static void test_peeking_the_bus_shows_the_offered_byte_or_zero(void)
{
	struct fake_bus *b = send("\xc0\x13", 2);

	T_EQ(fake_rd8(b, R(SBDL)), 0x07);
	FAKE_PROG(b, PROG, IN(1), STOP(1));
	fake_wr8(b, R(DCNTL), 0);
	fake_go(b, PROG);
	/* Nothing offered while ACK is held; it used to be an assertion. */
	T_EQ(fake_rd8(b, R(SBDL)), 0);
	T_EQ(fake_rd8(b, R(SBCL)), SBCL_BSY | SBCL_ACK | MP_LSI_MSG_IN_PHASE);
	fake_bus_destroy(b);
}

static void test_handshake_timer_fires_on_a_silent_target(void)
{
	struct fake_bus *b = fake_bus_create();

	fake_wr8(b, R(STIME0), 0x10);
	put_msg(b, "\x80", 1);
	FAKE_PROG(b, PROG, SEL_ATN, OUT(1), COMMAND, 0x830b0000, PROG);
	fake_go(b, PROG);
	mp_lsi_tick(&b->chip, 1000);
	T_EQ(mp_lsi_deadline_ns(&b->chip), 126000);
	mp_lsi_tick(&b->chip, 126000);
	T_EQ(fake_rd8(b, R(SIST1)), SIST1_HTH);
	fake_bus_destroy(b);
}

static void test_select_behind_command_complete_frees_the_bus_itself(void)
{
	struct fake_bus *b = fake_bus_create();

	b->prompt = true;
	put_msg(b, "\x80", 1);
	FAKE_PROG(b, PROG, SEL_ATN, OUT(1), COMMAND, 0x0b000001, BYTES + 8, IN(1), SEL_ATN, OUT(1),
		  COMMAND, STOP(1));
	fake_go(b, PROG);
	T_EQ(b->n_commands, 2);
	T_EQ(b->n_tms, 0);
	fake_bus_destroy(b);
}

static void test_phase_test_right_behind_a_command_waits_for_the_answer(void)
{
	struct fake_bus *b = fake_bus_create();

	put_msg(b, "\x80", 1);
	FAKE_PROG(b, PROG, SEL_ATN, OUT(1), COMMAND, 0x830a0000, 0x2000, STOP(1));
	FAKE_PROG(b, 0x2000, STOP(2));
	fake_go(b, PROG);
	T_EQ(fake_rd8(b, R(ISTAT1)), ISTAT1_SRUN);
	fake_status(b, b->last_task, 0);
	fake_run(b);
	T_EQ(fake_rd32(b, R(DSPS)), 2);
	fake_bus_destroy(b);
}

static void test_int_behind_a_failed_selection_brings_the_timeout_too(void)
{
	struct fake_bus *b = fake_bus_create();

	b->present = 0;
	FAKE_PROG(b, PROG, SEL_ATN, STOP(1));
	fake_go(b, PROG);
	T_EQ(fake_rd8(b, R(DSTAT)), DSTAT_DFE | DSTAT_SIR);
	T_EQ(fake_rd8(b, R(SIST1)), SIST1_STO);
	fake_bus_destroy(b);
}

/* A ready task is aborted off the bus: its entry in the ready queue stays. */
static unsigned int leave_stale_entry(struct fake_bus *b)
{
	unsigned int task = put_aside(b, "\xc0\x20\x07", 3);

	fake_status(b, task, 0);
	put_msg(b, "\xc0\x20\x07\x0d", 4);
	FAKE_PROG(b, PROG, SEL_ATN, NO_SDU, OUT(4), W_DISC, STOP(1));
	fake_go(b, PROG);
	T_EQ(fake_rd8(b, R(DSTAT)), DSTAT_DFE | DSTAT_SIR);
	T_EQ(b->st->n_ready, 1);
	return task;
}

static void test_aborted_task_never_reselects(void)
{
	struct fake_bus *b = with_rre();

	(void)leave_stale_entry(b);
	fake_wr8(b, R(ISTAT0), 0);
	FAKE_PROG(b, PROG, 0x50000000, 0);
	fake_go(b, PROG);
	T_EQ(b->chip.counters.n_reselects, 0);
	T_EQ(b->st->n_ready, 0);
	fake_bus_destroy(b);
}

static void test_index_used_again_is_in_the_ready_queue_once(void)
{
	struct fake_bus *b = with_rre();
	unsigned int task = leave_stale_entry(b);

	b->st->next_task = task;
	T_EQ(put_aside(b, "\xc0\x20\x08", 3), task);
	fake_status(b, task, 0);
	T_EQ(b->st->n_ready, 1);
	T_EQ(mp_lsi_attach(&b->chip, b->st, b->chip.ops, b), 1);
	fake_bus_destroy(b);
}

/* Used to leave the halted engine parked on WAIT RESELECT, and deaf to the next write to DSP. */
static void test_wait_reselect_ended_by_an_unexpected_disconnect_lets_the_next_program_start(void)
{
	struct fake_bus *b = fake_bus_create();
	char many[35];

	/* More answers than the target keeps end the connection, but the last one is sent: REJECT. */
	memset(many, 0x50, sizeof(many));
	many[0] = (char)0xc0;
	put_msg(b, many, sizeof(many));
	FAKE_PROG(b, PROG, SEL_ATN, OUT(35), IN(1), 0x50000000u, 0x100);
	fake_go(b, PROG);
	T_EQ(b->mem[BYTES], 0x07);
	T_EQ(fake_rd8(b, R(SIST0)), SIST0_UDC);
	T_EQ(fake_rd8(b, R(ISTAT1)) & ISTAT1_SRUN, 0);
	FAKE_PROG(b, PROG, STOP(7));
	fake_go(b, PROG);
	T_EQ(fake_rd8(b, R(DSTAT)), DSTAT_DFE | DSTAT_SIR);
	T_EQ(fake_rd32(b, R(DSPS)), 7);
	fake_bus_destroy(b);
}

T_MAIN(T_TEST(test_select_from_table_loads_parameters_and_connects),
       T_TEST(test_writing_scntl1_does_not_lose_the_connection),
       T_TEST(test_select_while_connected_jumps_and_keeps_the_connection),
       T_TEST(test_masked_selection_timeout_halts_without_the_line), T_TEST(test_own_id_times_out),
       T_TEST(test_identify_tag_and_command_make_a_tagged_command),
       T_TEST(test_lun_without_identify_comes_from_the_cdb),
       T_TEST(test_two_byte_message_in_leaves_the_last_byte_in_sidl),
       T_TEST(test_compatible_mode_leaves_the_id_bitmap_in_sfbr),
       T_TEST(test_reselection_waits_for_rre),
       T_TEST(test_wait_reselect_takes_the_alternate_for_sigp),
       T_TEST(test_reselection_interrupt_reaches_a_halted_engine),
       T_TEST(test_pending_interrupt_keeps_reselection_out),
       T_TEST(test_abort_tag_in_a_reselection_frees_the_bus),
       T_TEST(test_bus_free_with_sdu_set_is_unexpected),
       T_TEST(test_duplicate_tag_ends_the_older_tasks_of_the_lun),
       T_TEST(test_full_task_table_answers_task_set_full),
       T_TEST(test_index_of_an_aborted_io_is_not_given_away),
       T_TEST(test_software_reset_cancels_64_commands_silently),
       T_TEST(test_bus_reset_forgets_tasks_and_connection),
       T_TEST(test_set_atn_on_a_free_bus_opens_no_phase),
       T_TEST(test_peeking_the_bus_shows_the_offered_byte_or_zero),
       T_TEST(test_handshake_timer_fires_on_a_silent_target),
       T_TEST(test_select_behind_command_complete_frees_the_bus_itself),
       T_TEST(test_phase_test_right_behind_a_command_waits_for_the_answer),
       T_TEST(test_int_behind_a_failed_selection_brings_the_timeout_too),
       T_TEST(test_aborted_task_never_reselects),
       T_TEST(test_index_used_again_is_in_the_ready_queue_once),
       T_TEST(test_wait_reselect_ended_by_an_unexpected_disconnect_lets_the_next_program_start))
