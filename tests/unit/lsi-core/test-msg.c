/* SPDX-License-Identifier: BSD-3-Clause */
/* Messages: negotiation, pointers and errors, task management, what is refused. */
#include "tests/unit/lsi-core/talk.h"

static void test_messages_may_be_split_over_moves(void)
{
	struct fake_bus *b = fake_bus_create();

	put_msg(b, "\xc0\x20\x05", 3);
	FAKE_PROG(b, PROG, SEL_ATN, 0x0e000001, MSG, SET_ATN, 0x0e000001, MSG + 1, 0x0e000001,
		  MSG + 2, COMMAND, STOP(1));
	fake_go(b, PROG);
	T_EQ(b->n_commands, 1);
	T_EQ(b->task[b->last_task].cmd.tag, 5);
	fake_bus_destroy(b);
}

static void expect_answer(const char *msg, size_t len, const char *answer, size_t answer_len)
{
	struct fake_bus *b = send(msg, len);

	T_EQ(phase(b), MP_LSI_MSG_IN_PHASE);
	FAKE_PROG(b, PROG, IN((uint32_t)answer_len), CLR_ACK, STOP(2));
	fake_wr8(b, R(DMODE), DMODE_MAN);
	fake_wr32(b, R(DSP), PROG);
	fake_wr8(b, R(DCNTL), DCNTL_STD);
	fake_run(b);
	T_MEM_EQ(b->mem + BYTES, answer, answer_len);
	T_EQ(phase(b), MP_LSI_COMMAND_PHASE);
	fake_bus_destroy(b);
}

static void test_wide_request_is_agreed(void)
{
	expect_answer("\xc0\x20\x05\x01\x02\x03\x01", 7, "\x01\x02\x03\x01", 4);
}

static void test_width_of_32_bits_becomes_16(void)
{
	expect_answer("\xc0\x01\x02\x03\x02", 5, "\x01\x02\x03\x01", 4);
}

static void test_narrow_request_is_agreed(void)
{
	expect_answer("\xc0\x01\x02\x03\x00", 5, "\x01\x02\x03\x00", 4);
}

static void test_synchronous_request_is_echoed(void)
{
	expect_answer("\xc0\x01\x03\x01\x0a\x1f", 6, "\x01\x03\x01\x0a\x1f", 5);
}

static void test_synchronous_offset_is_bounded(void)
{
	expect_answer("\xc0\x01\x03\x01\x0a\xff", 6, "\x01\x03\x01\x0a\x1f", 5);
}

static void test_synchronous_period_is_fast_40_at_best(void)
{
	expect_answer("\xc0\x01\x03\x01\x08\x10", 6, "\x01\x03\x01\x0a\x10", 5);
}

static void test_parallel_protocol_request_is_agreed_without_options(void)
{
	expect_answer("\xc0\x01\x06\x04\x09\x00\x3e\x01\x07", 9, "\x01\x06\x04\x0a\x00\x1f\x01\x00",
		      8);
}

static void test_negotiation_of_the_wrong_length_is_rejected(void)
{
	expect_answer("\xc0\x01\x02\x01\x0a", 5, "\x07", 1);
	expect_answer("\xc0\x01\x03\x03\x01\x00", 6, "\x07", 1);
	expect_answer("\xc0\x01\x05\x04\x0a\x00\x1f\x01", 8, "\x07", 1);
}

static void test_answers_of_two_negotiations_come_in_order(void)
{
	expect_answer("\xc0\x01\x02\x03\x01\x01\x03\x01\x0a\x1f", 10,
		      "\x01\x02\x03\x01\x01\x03\x01\x0a\x1f", 9);
}

/* The agreement with target 0 after @msg, and after what @more does. */
static struct mp_lsi_agreement agreed(const char *msg, size_t len, void (*more)(struct fake_bus *))
{
	struct fake_bus *b = send(msg, len);
	struct mp_lsi_agreement a;

	if (more)
		more(b);
	a = b->st->agreed[0];
	fake_bus_destroy(b);
	return a;
}

static void test_wide_agreement_takes_the_synchronous_one_back(void)
{
	struct mp_lsi_agreement a = agreed("\xc0\x01\x03\x01\x0a\x1f\x01\x02\x03\x01", 10, NULL);

	T_EQ(a.wide, 1);
	T_EQ(a.offset, 0);
}

static void test_synchronous_agreement_keeps_the_width(void)
{
	struct mp_lsi_agreement a = agreed("\xc0\x01\x02\x03\x01\x01\x03\x01\x0c\x0f", 10, NULL);

	T_EQ(a.wide, 1);
	T_EQ(a.offset, 15);
	T_EQ(a.period, 12);
}

/* SET ATN behind the answer's last byte, then @msg. */
static void say_behind(struct fake_bus *b, unsigned int answer_len, uint8_t msg)
{
	b->mem[MSG + 16] = msg;
	FAKE_PROG(b, PROG, IN(answer_len), SET_ATN, CLR_ACK, 0x0e000001u, MSG + 16, STOP(2));
	fake_wr8(b, R(DMODE), DMODE_MAN);
	fake_wr32(b, R(DSP), PROG);
	fake_wr8(b, R(DCNTL), DCNTL_STD);
	fake_run(b);
}

static void reject_width(struct fake_bus *b)
{
	say_behind(b, 4, 0x07);
}

static void reject_offset(struct fake_bus *b)
{
	say_behind(b, 9, 0x07);
}

static void test_rejected_answer_is_no_agreement(void)
{
	T_EQ(agreed("\xc0\x01\x02\x03\x01", 5, reject_width).wide, 0);
	/* Of two answers the last is meant. */
	T_EQ(agreed("\xc0\x01\x02\x03\x01\x01\x03\x01\x0a\x1f", 10, reject_offset).offset, 0);
	T_EQ(agreed("\xc0\x01\x02\x03\x01\x01\x03\x01\x0a\x1f", 10, reject_offset).wide, 1);
}

static void reset_the_bus(struct fake_bus *b)
{
	fake_wr8(b, R(SCNTL1), SCNTL1_RST);
	fake_wr8(b, R(SCNTL1), 0);
}

static void reset_the_chip(struct fake_bus *b)
{
	fake_wr8(b, R(ISTAT0), ISTAT0_SRST);
}

static void reset_the_target(struct fake_bus *b)
{
	say_behind(b, 4, 0x0c);
}

static void abort_the_tasks(struct fake_bus *b)
{
	say_behind(b, 4, 0x06);
}

static void test_every_reset_ends_the_agreement(void)
{
	T_EQ(agreed("\xc0\x01\x02\x03\x01", 5, reset_the_bus).wide, 0);
	T_EQ(agreed("\xc0\x01\x02\x03\x01", 5, reset_the_chip).wide, 0);
	T_EQ(agreed("\xc0\x01\x02\x03\x01", 5, reset_the_target).wide, 0);
	T_EQ(agreed("\xc0\x01\x02\x03\x01", 5, abort_the_tasks).wide, 1);
}

static void test_each_target_has_its_own_agreement(void)
{
	struct fake_bus *b = send("\xc0\x01\x02\x03\x01", 5);

	T_EQ(b->st->agreed[0].wide, 1);
	T_EQ(b->st->agreed[1].wide, 0);
	fake_bus_destroy(b);
}

static void test_unknown_message_is_rejected(void)
{
	expect_answer("\xc0\x13", 2, "\x07", 1);
}

/* What only targets say, and what no target of today does. */
static void test_messages_for_the_other_direction_are_rejected(void)
{
	expect_answer("\xc0\x00", 2, "\x07", 1); /* COMMAND COMPLETE */
	expect_answer("\xc0\x02", 2, "\x07", 1); /* SAVE DATA POINTER */
	expect_answer("\xc0\x03", 2, "\x07", 1); /* RESTORE POINTERS */
	expect_answer("\xc0\x23\x01", 3, "\x07", 1); /* IGNORE WIDE RESIDUE */
	expect_answer("\xc0\x01\x05\x00\x00\x00\x00\x08", 8, "\x07", 1); /* MODIFY DATA POINTER */
}

static void test_messages_of_other_times_are_rejected(void)
{
	expect_answer("\xc0\x0a", 2, "\x07", 1); /* LINKED COMMAND COMPLETE */
	expect_answer("\xc0\x0f", 2, "\x07", 1); /* INITIATE RECOVERY */
	expect_answer("\xc0\x10", 2, "\x07", 1); /* RELEASE RECOVERY */
	expect_answer("\xc0\x11", 2, "\x07", 1); /* TERMINATE I/O PROCESS */
	expect_answer("\xc0\x16", 2, "\x07", 1); /* CLEAR ACA */
	expect_answer("\xc0\x24\x09", 3, "\x07", 1); /* ACA */
	expect_answer("\xc0\x55", 2, "\x07", 1); /* QAS REQUEST */
}

static void test_parity_error_with_nothing_said_is_rejected(void)
{
	expect_answer("\xc0\x09", 2, "\x07", 1);
}

static void test_no_operation_may_open_and_changes_nothing(void)
{
	struct fake_bus *b = send("\x08\xc0\x08", 3);

	T_EQ(phase(b), MP_LSI_COMMAND_PHASE);
	T_EQ(b->st->nexus.identified, 1);
	fake_bus_destroy(b);
}

static void test_overlong_extended_message_is_swallowed_and_rejected(void)
{
	static const char msg[] = "\xc0\x01\x20.................................";

	expect_answer(msg, 3 + 32, "\x07", 1);
}

static void test_extended_length_of_zero_is_256(void)
{
	static char msg[3 + 256] = {(char)0xc0, 0x01, 0x00};

	expect_answer(msg, sizeof(msg), "\x07", 1);
}

static void test_tag_without_identify_cannot_open(void)
{
	struct fake_bus *b = send("\x20\x07\xc0", 3);

	T_EQ(fake_rd8(b, R(SCNTL1)) & SCNTL1_CON, 0);
	T_EQ(b->n_tms, 0);
	fake_bus_destroy(b);
}

static void test_first_message_that_names_no_unit_frees_the_bus(void)
{
	struct fake_bus *b = fake_bus_create();

	put_msg(b, "\x01\x02\x03\x01\xc0", 5);
	FAKE_PROG(b, PROG, SEL_ATN, OUT(5), STOP(1));
	fake_go(b, PROG);
	T_EQ(fake_rd8(b, R(SIST0)), SIST0_UDC);
	T_EQ(b->st->agreed[0].wide, 0);
	fake_bus_destroy(b);
}

static void test_identify_for_another_unit_frees_the_bus(void)
{
	struct fake_bus *b = fake_bus_create();

	put_msg(b, "\xc0\xc1\x06", 3);
	FAKE_PROG(b, PROG, SEL_ATN, OUT(3), STOP(1));
	fake_go(b, PROG);
	T_EQ(fake_rd8(b, R(SIST0)), SIST0_UDC);
	/* What followed was not heard. */
	T_EQ(b->n_tms, 0);
	fake_bus_destroy(b);
}

/* Each of them used to be obeyed: 16 MiB of resets took the polling core for minutes. */
static void test_nothing_is_heard_behind_task_management(void)
{
	struct fake_bus *b = fake_bus_create();

	put_msg(b, "\xc0\x06\x0c\x06\x17", 5);
	FAKE_PROG(b, PROG, SEL_ATN, OUT(5), STOP(1));
	fake_go(b, PROG);
	T_EQ(fake_rd8(b, R(SIST0)), SIST0_UDC);
	T_EQ(b->n_tms, 1);
	T_EQ(b->tm[0].tm, MP_LSI_TM_ABORT_TASK_SET);
	fake_bus_destroy(b);
}

static void test_second_identify_changes_the_disconnect_privilege(void)
{
	struct fake_bus *b = send("\xc5\x85", 2);

	T_EQ(phase(b), MP_LSI_COMMAND_PHASE);
	T_EQ(b->st->nexus.can_disconnect, 0);
	T_EQ(b->st->nexus.lun, 5);
	fake_bus_destroy(b);
}

static void test_identify_reaches_all_64_units(void)
{
	struct fake_bus *b = with_rre();

	(void)put_aside(b, "\xff\x20\x05", 3);
	T_EQ(b->task[b->last_task].cmd.lun, 63);
	fake_bus_destroy(b);
}

static void test_each_tag_message_gives_its_attribute(void)
{
	struct fake_bus *b = with_rre();

	(void)put_aside(b, "\xc0\x20\x05", 3);
	T_EQ(b->task[b->last_task].cmd.attr, MP_LSI_SIMPLE);
	(void)put_aside(b, "\xc0\x21\x06", 3);
	T_EQ(b->task[b->last_task].cmd.attr, MP_LSI_HEAD_OF_QUEUE);
	(void)put_aside(b, "\xc0\x22\xff", 3);
	T_EQ(b->task[b->last_task].cmd.attr, MP_LSI_ORDERED);
	T_EQ(b->task[b->last_task].cmd.tag, 0xff);
	fake_bus_destroy(b);
}

static void test_flood_of_bad_messages_drops_the_connection(void)
{
	static char msg[200];
	struct fake_bus *b;

	memset(msg, 0x13, sizeof(msg));
	msg[0] = (char)0xc0;
	b = send(msg, sizeof(msg));
	/* Whatever answers still fit are sent, then the bus is free. */
	T_OK(b->st->nexus.n_in <= MP_LSI_MSG_BYTES);
	T_EQ(b->st->nexus.after, MP_LSI_ABORTED);
	fake_bus_destroy(b);
}

static void test_message_parity_error_repeats_the_last_message(void)
{
	struct fake_bus *b = fake_bus_create();

	put_msg(b, "\xc0\x01\x02\x03\x01\x09", 6);
	FAKE_PROG(b, PROG, SEL_ATN, OUT(5), IN(4), SET_ATN, CLR_ACK, 0x0e000001, MSG + 5,
		  0x0f000004, BYTES + 8, STOP(1));
	fake_go(b, PROG);
	T_EQ(fake_rd8(b, R(DSTAT)), DSTAT_DFE | DSTAT_SIR);
	T_MEM_EQ(b->mem + BYTES + 8, "\x01\x02\x03\x01", 4);
	fake_bus_destroy(b);
}

/* A command of target 0, LUN 0 with the bus kept; the engine has stopped behind COMMAND. */
static struct fake_bus *command(const char *identify)
{
	struct fake_bus *b = with_rre();

	put_msg(b, identify, 1);
	FAKE_PROG(b, PROG, SEL_ATN, OUT(1), COMMAND, STOP(1));
	fake_go(b, PROG);
	(void)fake_rd8(b, R(DSTAT));
	return b;
}

/* Goes on with the program at PROG, the connection kept. */
static void go_on(struct fake_bus *b)
{
	fake_wr8(b, R(DMODE), DMODE_MAN);
	fake_wr32(b, R(DSP), PROG);
	fake_wr8(b, R(DCNTL), DCNTL_STD | DCNTL_COM);
	fake_run(b);
}

static void test_parity_error_too_late_repeats_nothing(void)
{
	struct fake_bus *b = with_rre();
	unsigned int task = put_aside(b, "\xc0\x20\x07", 3);

	fake_data(b, task, MP_LSI_DATA_IN, 8);
	fake_wr8(b, R(ISTAT0), 0);
	put_msg(b, "\x09", 1);
	/* Data has moved since the tag message of the reselection. */
	FAKE_PROG(b, PROG, 0x50000000, 0, IN(1), CLR_ACK, IN(2), CLR_ACK, 0x09000004, TABLE,
		  SET_ATN, 0x09000004, TABLE + 4, OUT(1), IN(1), STOP(1));
	fake_go(b, PROG);
	T_EQ(fake_rd8(b, R(DSTAT)), DSTAT_DFE | DSTAT_SIR);
	T_EQ(b->mem[BYTES], 0x07);
	fake_bus_destroy(b);
}

static void test_initiator_asks_for_a_disconnection_in_the_data(void)
{
	struct fake_bus *b = command("\xc0");

	fake_data(b, 0, MP_LSI_DATA_IN, 8);
	put_msg(b, "\x04", 1);
	/* ATN behind four bytes of eight: SAVE DATA POINTER, DISCONNECT, and later the rest. */
	FAKE_PROG(b, PROG, SET_ATN, 0x09000004, TABLE, OUT(1), IN(1), CLR_ACK, 0x0f000001,
		  BYTES + 1, NO_SDU, CLR_ACK, W_DISC, 0x50000000, 0, 0x0f000001, BYTES + 2, CLR_ACK,
		  0x09000004, TABLE + 4, STOP(2));
	go_on(b);
	T_EQ(fake_rd32(b, R(DSPS)), 2);
	T_MEM_EQ(b->mem + BYTES, "\x02\x04\x80", 3);
	T_EQ(b->mem[TABLE + 7], fake_pattern(0, 7));
	T_EQ(b->chip.counters.n_reselects, 1);
	fake_bus_destroy(b);
}

static void test_privilege_taken_back_keeps_the_target_on_the_bus(void)
{
	struct fake_bus *b = command("\xc0");

	put_msg(b, "\x80", 1);
	FAKE_PROG(b, PROG, SET_ATN, OUT(1), 0x830b0000, PROG, STOP(2));
	go_on(b);
	fake_wr8(b, R(ISTAT0), ISTAT0_SIGP);
	fake_run(b);
	T_EQ(b->chip.counters.n_disconnects, 0);
	T_EQ(b->st->nexus.phase, MP_LSI_NO_PHASE);
	T_EQ(b->n_keepers, 1);
	T_EQ(b->keeper, b->last_task);
	fake_bus_destroy(b);
}

/* The task has hurried already: it may not hold what it got for that without the bus. */
static void test_privilege_given_late_is_for_the_next_command(void)
{
	struct fake_bus *b = command("\x80");

	put_msg(b, "\xc0", 1);
	FAKE_PROG(b, PROG, SET_ATN, OUT(1), 0x830b0000, PROG, STOP(2));
	go_on(b);
	fake_wr8(b, R(ISTAT0), ISTAT0_SIGP);
	fake_run(b);
	T_EQ(b->chip.counters.n_disconnects, 0);
	T_EQ(b->n_keepers, 0);
	fake_bus_destroy(b);
}

static void test_disconnection_without_the_privilege_is_rejected(void)
{
	struct fake_bus *b = command("\x80");

	put_msg(b, "\x04", 1);
	FAKE_PROG(b, PROG, SET_ATN, OUT(1), IN(1), CLR_ACK, STOP(2));
	go_on(b);
	T_EQ(b->mem[BYTES], 0x07);
	T_EQ(fake_rd8(b, R(SCNTL1)) & SCNTL1_CON, SCNTL1_CON);
	fake_bus_destroy(b);
}

static void test_initiator_error_ends_the_command_with_sense(void)
{
	struct fake_bus *b = command("\xc3");

	put_msg(b, "\x05", 1);
	FAKE_PROG(b, PROG, SET_ATN, OUT(1), 0x0b000001, BYTES + 1, IN(1), NO_SDU, CLR_ACK, W_DISC,
		  STOP(2));
	go_on(b);
	T_EQ(fake_rd32(b, R(DSPS)), 2);
	T_EQ(b->mem[BYTES + 1], 0x02);
	T_EQ(b->tm[0].tm, MP_LSI_TM_ABORT_TASK);
	T_EQ(b->sense_lun, 3);
	T_EQ(b->sense, 0x0b48);
	T_EQ(b->n_done, 0);
	fake_bus_destroy(b);
}

static void test_initiator_error_behind_the_status_repeats_it(void)
{
	struct fake_bus *b = command("\x80");

	fake_status(b, 0, 0x08);
	put_msg(b, "\x05", 1);
	FAKE_PROG(b, PROG, SET_ATN, 0x0b000001, BYTES, OUT(1), 0x0f000001, BYTES + 1, CLR_ACK,
		  0x0b000001, BYTES + 2, 0x0f000001, BYTES + 3, NO_SDU, CLR_ACK, W_DISC, STOP(2));
	go_on(b);
	T_EQ(fake_rd32(b, R(DSPS)), 2);
	T_MEM_EQ(b->mem + BYTES, "\x08\x03\x08\x00", 4);
	T_EQ(b->n_done, 1);
	fake_bus_destroy(b);
}

static void test_initiator_error_without_a_command_is_rejected(void)
{
	expect_answer("\xc0\x05", 2, "\x07", 1);
}

static void test_rejected_disconnect_keeps_the_bus(void)
{
	struct fake_bus *b = with_rre();

	put_msg(b, "\xc0\x07", 2);
	fake_wr8(b, R(ISTAT0), ISTAT0_SIGP);
	FAKE_PROG(b, PROG, SEL_ATN, OUT(1), COMMAND, IN(1), SET_ATN, CLR_ACK, 0x0e000001, MSG + 1,
		  0x830b0000, PROG);
	fake_go(b, PROG);
	T_EQ(fake_rd8(b, R(SCNTL1)) & SCNTL1_CON, SCNTL1_CON);
	T_EQ(b->st->nexus.phase, MP_LSI_NO_PHASE);
	fake_bus_destroy(b);
}

static void test_abort_tag_twice_aborts_once(void)
{
	struct fake_bus *b = with_rre();

	(void)put_aside(b, "\xc0\x20\x07", 3);
	put_msg(b, "\xc0\x20\x07\x0d\x0d", 5);
	FAKE_PROG(b, PROG, SEL_ATN, NO_SDU, OUT(5), W_DISC, STOP(1));
	fake_go(b, PROG);
	T_EQ(fake_rd8(b, R(DSTAT)), DSTAT_DFE | DSTAT_SIR);
	T_EQ(b->n_tms, 1);
	fake_bus_destroy(b);
}

static void expect_tm(const char *msg, size_t len, enum mp_lsi_tm tm, unsigned int lun)
{
	struct fake_bus *b = send(msg, len);

	T_EQ(b->n_tms, 1);
	T_EQ(b->tm[0].tm, tm);
	T_EQ(b->tm[0].lun, lun);
	T_EQ(fake_rd8(b, R(SCNTL1)) & SCNTL1_CON, 0);
	T_EQ(fake_rd8(b, R(SIST0)), 0);
	fake_bus_destroy(b);
}

static void test_task_management_messages_reach_the_target(void)
{
	expect_tm("\xc2\x06", 2, MP_LSI_TM_ABORT_TASK_SET, 2);
	expect_tm("\xc2\x0e", 2, MP_LSI_TM_CLEAR_TASK_SET, 2);
	expect_tm("\xc2\x17", 2, MP_LSI_TM_LUN_RESET, 2);
	expect_tm("\x0c", 1, MP_LSI_TM_TARGET_RESET, 0);
}

static void test_bare_abort_affects_no_task(void)
{
	struct fake_bus *b = send("\x06", 1);

	T_EQ(b->n_tms, 0);
	T_EQ(fake_rd8(b, R(SCNTL1)) & SCNTL1_CON, 0);
	fake_bus_destroy(b);
}

static void test_reset_device_then_identify_then_abort_in_one_move(void)
{
	struct fake_bus *b = with_rre();

	(void)put_aside(b, "\xc0\x20\x07", 3);
	/* It used to abort through a pointer to the task that the reset had freed. */
	put_msg(b, "\x0c\x80\x0d", 3);
	FAKE_PROG(b, PROG, SEL_ATN, NO_SDU, OUT(3), W_DISC, STOP(1));
	fake_go(b, PROG);
	T_EQ(fake_rd8(b, R(DSTAT)), DSTAT_DFE | DSTAT_SIR);
	T_EQ(b->n_tms, 1);
	T_EQ(b->task[0].live, false);
	fake_bus_destroy(b);
}

static void test_atn_between_messages_gets_message_out(void)
{
	struct fake_bus *b = with_rre();
	unsigned int task = put_aside(b, "\xc0\x20\x07", 3);

	fake_status(b, task, 0);
	fake_wr8(b, R(ISTAT0), 0);
	put_msg(b, "\x06", 1);
	/* The tag message still waits when ATN goes up behind IDENTIFY. */
	FAKE_PROG(b, PROG, 0x50000000, 0, IN(1), SET_ATN, CLR_ACK, NO_SDU, OUT(1), W_DISC, STOP(1));
	fake_go(b, PROG);
	T_EQ(fake_rd8(b, R(DSTAT)), DSTAT_DFE | DSTAT_SIR);
	T_EQ(b->tm[0].tm, MP_LSI_TM_ABORT_TASK_SET);
	fake_bus_destroy(b);
}

static void test_target_reset_ends_the_tasks_of_every_unit(void)
{
	struct fake_bus *b = with_rre();
	unsigned int other;

	(void)put_aside(b, "\xc0\x20\x07", 3);
	other = put_aside(b, "\xc9\x20\x07", 3);
	put_msg(b, "\xc0\x0c", 2);
	FAKE_PROG(b, PROG, SEL_ATN, NO_SDU, OUT(2), W_DISC, STOP(1));
	fake_go(b, PROG);
	T_EQ(b->tm[0].tm, MP_LSI_TM_TARGET_RESET);
	T_EQ(b->task[other].live, false);
	fake_bus_destroy(b);
}

T_MAIN(T_TEST(test_messages_may_be_split_over_moves), T_TEST(test_wide_request_is_agreed),
       T_TEST(test_width_of_32_bits_becomes_16), T_TEST(test_narrow_request_is_agreed),
       T_TEST(test_synchronous_request_is_echoed), T_TEST(test_synchronous_offset_is_bounded),
       T_TEST(test_synchronous_period_is_fast_40_at_best),
       T_TEST(test_parallel_protocol_request_is_agreed_without_options),
       T_TEST(test_negotiation_of_the_wrong_length_is_rejected),
       T_TEST(test_answers_of_two_negotiations_come_in_order),
       T_TEST(test_wide_agreement_takes_the_synchronous_one_back),
       T_TEST(test_synchronous_agreement_keeps_the_width),
       T_TEST(test_rejected_answer_is_no_agreement), T_TEST(test_every_reset_ends_the_agreement),
       T_TEST(test_each_target_has_its_own_agreement), T_TEST(test_unknown_message_is_rejected),
       T_TEST(test_messages_for_the_other_direction_are_rejected),
       T_TEST(test_messages_of_other_times_are_rejected),
       T_TEST(test_parity_error_with_nothing_said_is_rejected),
       T_TEST(test_no_operation_may_open_and_changes_nothing),
       T_TEST(test_overlong_extended_message_is_swallowed_and_rejected),
       T_TEST(test_extended_length_of_zero_is_256), T_TEST(test_tag_without_identify_cannot_open),
       T_TEST(test_first_message_that_names_no_unit_frees_the_bus),
       T_TEST(test_identify_for_another_unit_frees_the_bus),
       T_TEST(test_nothing_is_heard_behind_task_management),
       T_TEST(test_second_identify_changes_the_disconnect_privilege),
       T_TEST(test_identify_reaches_all_64_units),
       T_TEST(test_each_tag_message_gives_its_attribute),
       T_TEST(test_flood_of_bad_messages_drops_the_connection),
       T_TEST(test_message_parity_error_repeats_the_last_message),
       T_TEST(test_parity_error_too_late_repeats_nothing),
       T_TEST(test_initiator_asks_for_a_disconnection_in_the_data),
       T_TEST(test_privilege_taken_back_keeps_the_target_on_the_bus),
       T_TEST(test_privilege_given_late_is_for_the_next_command),
       T_TEST(test_disconnection_without_the_privilege_is_rejected),
       T_TEST(test_initiator_error_ends_the_command_with_sense),
       T_TEST(test_initiator_error_behind_the_status_repeats_it),
       T_TEST(test_initiator_error_without_a_command_is_rejected),
       T_TEST(test_rejected_disconnect_keeps_the_bus), T_TEST(test_abort_tag_twice_aborts_once),
       T_TEST(test_task_management_messages_reach_the_target),
       T_TEST(test_bare_abort_affects_no_task),
       T_TEST(test_reset_device_then_identify_then_abort_in_one_move),
       T_TEST(test_atn_between_messages_gets_message_out),
       T_TEST(test_target_reset_ends_the_tasks_of_every_unit))
