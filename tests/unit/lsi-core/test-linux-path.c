/* SPDX-License-Identifier: BSD-3-Clause */
/* What a tagged-queueing driver sees of the chip, from the doorbell to the interrupt. */
#include "tests/lib/fake_driver.h"
#include "tests/lib/t.h"

static bool data_right(const struct fake_driver *d, unsigned int i, unsigned int task, uint32_t len)
{
	for (uint32_t k = 0; k < len; k++)
		if (d->b->mem[M_DATA + 0x10000 * i + k] != fake_pattern(task, k))
			return false;
	return true;
}

static void test_idle_scheduler_parks_in_wait_reselect(void)
{
	struct fake_driver d = drv_attach();

	T_EQ(fake_rd32(d.b, R(DSP)), S_RESEL + 8);
	T_EQ(fake_rd8(d.b, R(ISTAT1)), ISTAT1_SRUN);
	T_EQ(fake_rd8(d.b, R(ISTAT0)), 0);
	T_EQ(mp_lsi_runnable(&d.b->chip), false);
	T_EQ(mp_lsi_deadline_ns(&d.b->chip), UINT64_MAX);
	fake_bus_destroy(d.b);
}

static void test_doorbell_runs_a_read_to_intfly(void)
{
	struct fake_driver d = drv_attach();

	d.b->prompt = true;
	d.b->dir = MP_LSI_DATA_IN;
	d.b->xfer_len = 2048;
	drv_submit(&d, 0);
	T_EQ(mp_lsi_runnable(&d.b->chip), true);
	fake_run(d.b);
	T_EQ(mp_lsi_irq_level(&d.b->chip), 1);
	T_EQ(drv_reap(&d), 0);
	T_EQ(mp_lsi_irq_level(&d.b->chip), 0);
	T_EQ(fake_get32(d.b, drv_ccb(0) + C_STATUS) >> 16 & 0xff, 0);
	T_OK(data_right(&d, 0, d.b->last_task, 2048));
	T_EQ(d.b->n_done, 1);
	fake_bus_destroy(d.b);
}

static void test_command_carries_nexus_and_cdb(void)
{
	struct fake_driver d = drv_attach();
	const struct mp_lsi_command *cmd;

	drv_submit(&d, 5);
	fake_run(d.b);
	cmd = &d.b->task[d.b->last_task].cmd;
	T_EQ(cmd->attr, MP_LSI_SIMPLE);
	T_EQ(cmd->tag, 11);
	T_EQ(cmd->initiator, 7);
	T_EQ(cmd->cdb_len, 10);
	T_EQ(cmd->cdb[9], 5);
	T_EQ(cmd->can_disconnect, true);
	fake_bus_destroy(d.b);
}

static void test_write_moves_all_segments_out(void)
{
	struct fake_driver d = drv_attach();

	memset(d.b->mem + M_DATA, 0x77, 2048);
	drv_prepare(&d, 0, true, 512);
	drv_enqueue(&d, 0);
	drv_ring(&d);
	fake_run(d.b);
	fake_data(d.b, d.b->last_task, MP_LSI_DATA_OUT, 2048);
	fake_run(d.b);
	T_EQ(d.b->n_moved, 2048);
	T_EQ(d.b->pool[d.b->last_task * FAKE_CHUNK_BYTES + 2047], 0x77);
	fake_status(d.b, d.b->last_task, 0);
	fake_run(d.b);
	T_EQ(drv_reap(&d), 0);
	fake_bus_destroy(d.b);
}

static void test_alone_on_the_bus_a_slow_command_never_disconnects(void)
{
	struct fake_driver d = drv_attach();

	drv_submit(&d, 0);
	fake_run(d.b);
	fake_data(d.b, d.b->last_task, MP_LSI_DATA_IN, 1024);
	fake_run(d.b);
	fake_data(d.b, d.b->last_task, MP_LSI_DATA_IN, 1024);
	fake_run(d.b);
	fake_status(d.b, d.b->last_task, 0);
	fake_run(d.b);
	T_EQ(drv_reap(&d), 0);
	T_EQ(d.b->chip.counters.n_disconnects, 0);
	fake_bus_destroy(d.b);
}

static void test_doorbell_makes_a_thinking_target_disconnect(void)
{
	struct fake_driver d = drv_attach();

	drv_submit(&d, 0);
	fake_run(d.b);
	T_EQ(d.b->chip.counters.n_disconnects, 0);
	drv_submit(&d, 1);
	fake_run(d.b);
	T_EQ(d.b->n_commands, 2);
	T_EQ(d.b->chip.counters.n_disconnects, 1);
	/* Nothing moved yet: no SAVE DATA POINTERS. */
	T_EQ(fake_get32(d.b, drv_ccb(0) + C_SAVEP), 0);
	fake_bus_destroy(d.b);
}

static void test_second_command_behind_one_sigp_gets_the_bus(void)
{
	struct fake_driver d = drv_attach();

	/* Both doorbells ring before SCRIPTS look: SIGP is cleared once, for both. */
	drv_submit(&d, 0);
	drv_submit(&d, 1);
	fake_run(d.b);
	T_EQ(d.b->n_commands, 2);
	fake_bus_destroy(d.b);
}

static void test_command_without_a_doorbell_waits_a_bounded_time(void)
{
	struct fake_driver d = drv_attach();

	drv_submit(&d, 0);
	drv_prepare(&d, 1, false, 512);
	drv_enqueue(&d, 1);
	fake_run(d.b);
	T_EQ(d.b->n_commands, 1);
	T_EQ(mp_lsi_deadline_ns(&d.b->chip), 0);
	mp_lsi_tick(&d.b->chip, 5000000);
	T_EQ(mp_lsi_deadline_ns(&d.b->chip), 5200000);
	mp_lsi_tick(&d.b->chip, 5200000);
	fake_run(d.b);
	T_EQ(d.b->n_commands, 2);
	fake_bus_destroy(d.b);
}

static void test_ready_tasks_reselect_in_order_of_readiness(void)
{
	struct fake_driver d = drv_attach();

	for (unsigned int i = 0; i < 3; i++)
		drv_submit(&d, i);
	fake_run(d.b);
	fake_status(d.b, drv_task_of(&d, 2), 0);
	fake_status(d.b, drv_task_of(&d, 0), 0);
	fake_status(d.b, drv_task_of(&d, 1), 0);
	fake_run(d.b);
	T_EQ(drv_reap(&d), 2);
	T_EQ(drv_reap(&d), 0);
	T_EQ(drv_reap(&d), 1);
	fake_bus_destroy(d.b);
}

static void test_disconnect_after_data_saves_pointers(void)
{
	struct fake_driver d = drv_attach();

	drv_submit(&d, 0);
	fake_run(d.b);
	fake_data(d.b, d.b->last_task, MP_LSI_DATA_IN, 512);
	fake_run(d.b);
	drv_submit(&d, 1);
	fake_run(d.b);
	/* The pointers were saved when the list stood at its second entry. */
	T_OK(fake_get32(d.b, drv_ccb(0) + C_SAVEP) != 0);
	T_EQ(d.b->n_commands, 2);
	fake_bus_destroy(d.b);
}

static void test_segment_cut_by_a_disconnect_is_resumed_by_the_mismatch_jump(void)
{
	struct fake_driver d = drv_attach();
	unsigned int task;

	drv_submit(&d, 0);
	fake_run(d.b);
	task = d.b->last_task;
	fake_data(d.b, task, MP_LSI_DATA_IN, 700);
	fake_run(d.b);
	drv_submit(&d, 1);
	fake_run(d.b);
	T_EQ(fake_get32(d.b, drv_ccb(0) + C_PMSIZE), 0x00000000 | (1024 - 700));
	T_EQ(fake_get32(d.b, drv_ccb(0) + C_PMADDR), M_DATA + 700);
	T_EQ(fake_get32(d.b, drv_ccb(0) + C_PMRET), S_INLIST + 16);
	fake_data(d.b, task, MP_LSI_DATA_IN, 2048 - 700);
	fake_run(d.b);
	fake_status(d.b, task, 0);
	fake_run(d.b);
	T_EQ(drv_reap(&d), 0);
	T_OK(data_right(&d, 0, task, 2048));
	fake_bus_destroy(d.b);
}

static void test_bad_status_stops_in_the_drivers_interrupt(void)
{
	struct fake_driver d = drv_attach();

	drv_submit(&d, 0);
	fake_run(d.b);
	fake_status(d.b, d.b->last_task, 2);
	fake_run(d.b);
	T_EQ(fake_rd32(d.b, R(DSPS)), 10);
	T_EQ(fake_rd8(d.b, R(DSTAT)), DSTAT_DFE | DSTAT_SIR);
	T_EQ(fake_get32(d.b, drv_ccb(0) + C_STATUS) >> 16 & 0xff, 2);
	fake_bus_destroy(d.b);
}

static void test_absent_target_stops_behind_the_first_wait(void)
{
	struct fake_driver d = drv_attach();

	d.b->present = 0;
	drv_submit(&d, 0);
	fake_run(d.b);
	T_EQ(fake_rd8(d.b, R(ISTAT0)), ISTAT0_SIP);
	T_EQ(mp_lsi_read(&d.b->chip, R(SIST0), 2), SIST1_STO << 8);
	/* SELECT and LOAD ran; INT IF NOT WHEN MSG OUT was fetched, not executed. */
	T_EQ(fake_rd32(d.b, R(DSP)), S_SELECT + 24);
	T_EQ(fake_rd32(d.b, R(DSA)), drv_ccb(0));
	T_EQ(fake_rd8(d.b, R(SDID)), 0);
	T_EQ(fake_rd8(d.b, R(DSTAT)), DSTAT_DFE);
	fake_bus_destroy(d.b);
}

static void test_constant_submission_does_not_starve_reselection(void)
{
	struct fake_driver d = drv_attach();

	drv_submit(&d, 0);
	drv_submit(&d, 1);
	fake_run(d.b);
	fake_status(d.b, drv_task_of(&d, 0), 0);
	/* More commands than the engine can take in: it never sees its queue empty. */
	for (unsigned int i = 2; i < 40; i++)
		drv_submit(&d, i);
	for (unsigned int i = 0; i < 20 && !d.b->n_done; i++) {
		drv_ring(&d);
		mp_lsi_run(&d.b->chip, 30);
	}
	T_OK(d.b->n_commands < 20);
	T_EQ(d.b->n_done, 1);
	fake_bus_destroy(d.b);
}

static void test_sixteen_deep_random_completion_finishes_all(void)
{
	struct fake_driver d = drv_attach();
	unsigned int n_reaped = 0;
	uint64_t seed = 42;

	for (unsigned int i = 0; i < 16; i++)
		drv_submit(&d, i);
	for (unsigned int n = 0; n < 1000 && n_reaped < 16; n++) {
		unsigned int i = (unsigned int)(t_rand(&seed) % 16);
		unsigned int t = drv_task_of(&d, i);

		if (d.b->task[t].live && d.b->st->task[t].state == MP_LSI_TASK_RUNNING) {
			if (d.b->task[t].done < 2048)
				fake_data(d.b, t, MP_LSI_DATA_IN, 512);
			else
				fake_status(d.b, t, 0);
		}
		mp_lsi_run(&d.b->chip, 1 + (unsigned int)(t_rand(&seed) % 100));
		while (drv_reap(&d) >= 0)
			n_reaped++;
	}
	T_EQ(n_reaped, 16);
	T_EQ(d.b->n_moved, 16 * 2048);
	fake_bus_destroy(d.b);
}

static void test_another_process_continues_a_state_in_flight(void)
{
	struct fake_driver d = drv_attach();
	const struct mp_lsi_ops *ops = d.b->chip.ops;

	drv_submit(&d, 0);
	drv_submit(&d, 1);
	fake_run(d.b);
	fake_status(d.b, drv_task_of(&d, 0), 0);
	T_EQ(mp_lsi_attach(&d.b->chip, d.b->st, ops, d.b), 1);
	fake_run(d.b);
	T_EQ(drv_reap(&d), 0);
	fake_bus_destroy(d.b);
}

static void test_depth_one_read_takes_no_more_instructions_than_the_driver_needs(void)
{
	struct fake_driver d = drv_attach();
	uint64_t before = d.b->chip.counters.n_insns;

	d.b->prompt = true;
	d.b->dir = MP_LSI_DATA_IN;
	d.b->xfer_len = 2048;
	drv_submit(&d, 0);
	fake_run(d.b);
	/* This scheduler's own count, from wake-up to parked again: no re-execution is counted. */
	T_EQ(d.b->chip.counters.n_insns - before, 68);
	fake_bus_destroy(d.b);
}

T_MAIN(T_TEST(test_idle_scheduler_parks_in_wait_reselect),
       T_TEST(test_doorbell_runs_a_read_to_intfly), T_TEST(test_command_carries_nexus_and_cdb),
       T_TEST(test_write_moves_all_segments_out),
       T_TEST(test_alone_on_the_bus_a_slow_command_never_disconnects),
       T_TEST(test_doorbell_makes_a_thinking_target_disconnect),
       T_TEST(test_second_command_behind_one_sigp_gets_the_bus),
       T_TEST(test_command_without_a_doorbell_waits_a_bounded_time),
       T_TEST(test_ready_tasks_reselect_in_order_of_readiness),
       T_TEST(test_disconnect_after_data_saves_pointers),
       T_TEST(test_segment_cut_by_a_disconnect_is_resumed_by_the_mismatch_jump),
       T_TEST(test_bad_status_stops_in_the_drivers_interrupt),
       T_TEST(test_absent_target_stops_behind_the_first_wait),
       T_TEST(test_constant_submission_does_not_starve_reselection),
       T_TEST(test_sixteen_deep_random_completion_finishes_all),
       T_TEST(test_another_process_continues_a_state_in_flight),
       T_TEST(test_depth_one_read_takes_no_more_instructions_than_the_driver_needs))
