/* SPDX-License-Identifier: BSD-3-Clause */
/* RESERVE and RELEASE, PERSISTENT RESERVE IN and OUT, and who may do what beside them. */

#include "base/bytes.h"
#include "base/err.h"
#include "scsi-target/bus.h"
#include "tests/lib/fake_hba.h"
#include "tests/lib/t.h"

#define KEY_A 0x1111222233334444ull
#define KEY_B 0xaaaabbbbccccddddull
#define KEY_C 0x5555666677778888ull

enum { REGISTER, RESERVE, RELEASE, CLEAR, PREEMPT, PREEMPT_AND_ABORT, REGISTER_AND_IGNORE };
enum { WR_EX = 1, EX_AC = 3, WR_EX_RO = 5, EX_AC_RO = 6, WR_EX_AR = 7, EX_AC_AR = 8 };
/* Initiators, by name. */
enum { A = 7, B = 6, C = 2 };

static struct fake_hba h;
static struct mp_scsi_lun *lun;
static uint8_t in[1024], data[HBA_TASKS][4096];

static const uint8_t read1[10] = {0x28, 0, 0, 0, 0, 0, 0, 0, 1, 0};
static const uint8_t write1[10] = {0x2a, 0, 0, 0, 0, 0, 0, 0, 1, 0};

static unsigned int sense_for(uint8_t initiator)
{
	h.initiator = initiator;
	return hba_sense(&h);
}

static void setup(void)
{
	hba_init(&h, 1 << 20, 1 << 20);
	lun = h.bus->by_id[0][0];
	sense_for(A);
	sense_for(B);
	sense_for(C);
}

static int run(uint8_t initiator, const uint8_t *cdb, size_t cdb_len, size_t data_len)
{
	h.initiator = initiator;
	return hba_run(&h, cdb, cdb_len, in, data_len);
}

#define RUN(initiator, len, ...)                                                                   \
	run((initiator), (const uint8_t[]){__VA_ARGS__}, sizeof((const uint8_t[]){__VA_ARGS__}),   \
	    (len))

static int reserve6(uint8_t initiator)
{
	return RUN(initiator, 0, 0x16, 0, 0, 0, 0, 0);
}

static int release6(uint8_t initiator)
{
	return RUN(initiator, 0, 0x17, 0, 0, 0, 0, 0);
}

static int pr_in(unsigned int action)
{
	memset(in, 0xee, sizeof(in));
	return RUN(C, sizeof(in), 0x5e, (uint8_t)action, 0, 0, 0, 0, 0, 4, 0, 0);
}

static int pr_out(uint8_t initiator, unsigned int action, unsigned int type, uint64_t key,
		  uint64_t action_key)
{
	memset(in, 0, 24);
	mp_put_be64(in, key);
	mp_put_be64(in + 8, action_key);
	return RUN(initiator, 24, 0x5f, (uint8_t)action, (uint8_t)type, 0, 0, 0, 0, 0, 24, 0);
}

static void reg(uint8_t initiator, uint64_t key)
{
	mp_assert(pr_out(initiator, REGISTER_AND_IGNORE, 0, 0, key) == MP_SCSI_GOOD);
}

/* A and B registered, A holds it. */
static void setup_held(unsigned int type)
{
	setup();
	reg(A, KEY_A);
	reg(B, KEY_B);
	mp_assert(pr_out(A, RESERVE, type, KEY_A, 0) == MP_SCSI_GOOD);
}

static int reads(uint8_t initiator)
{
	return run(initiator, read1, 10, 512);
}

static int writes(uint8_t initiator)
{
	return run(initiator, write1, 10, 512);
}

/* --- RESERVE and RELEASE --- */

static void test_reserve_keeps_the_others_out_until_release(void)
{
	setup();
	T_EQ(reserve6(A), MP_SCSI_GOOD);
	T_EQ(reads(A), MP_SCSI_GOOD);
	T_EQ(reads(B), MP_SCSI_RESERVATION_CONFLICT);
	T_EQ(reserve6(B), MP_SCSI_RESERVATION_CONFLICT);
	T_EQ(RUN(B, 0, 0, 0, 0, 0, 0, 0), MP_SCSI_RESERVATION_CONFLICT);
	T_EQ(release6(B), MP_SCSI_GOOD); /* not its own: no error, no effect */
	T_EQ(reads(B), MP_SCSI_RESERVATION_CONFLICT);
	T_EQ(release6(A), MP_SCSI_GOOD);
	T_EQ(reads(B), MP_SCSI_GOOD);
	hba_fini(&h);
}

static void test_reserve10_and_release10_are_the_same_reservation(void)
{
	setup();
	T_EQ(RUN(A, 0, 0x56, 0, 0, 0, 0, 0, 0, 0, 0, 0), MP_SCSI_GOOD);
	T_EQ(reads(B), MP_SCSI_RESERVATION_CONFLICT);
	T_EQ(release6(A), MP_SCSI_GOOD);
	T_EQ(reserve6(A), MP_SCSI_GOOD);
	T_EQ(RUN(A, 0, 0x57, 0, 0, 0, 0, 0, 0, 0, 0, 0), MP_SCSI_GOOD);
	T_EQ(reads(B), MP_SCSI_GOOD);
	hba_fini(&h);
}

static void test_reserve_lets_identification_through(void)
{
	setup();
	T_EQ(reserve6(A), MP_SCSI_GOOD);
	T_EQ(RUN(B, 36, 0x12, 0, 0, 0, 36, 0), MP_SCSI_GOOD);
	T_EQ(RUN(B, 18, 0x03, 0, 0, 0, 18, 0), MP_SCSI_GOOD);
	T_EQ(RUN(B, 16, 0xa0, 0, 0, 0, 0, 0, 0, 0, 0, 16, 0, 0), MP_SCSI_GOOD);
	T_EQ(RUN(B, 0, 0x1e, 0, 0, 0, 0, 0), MP_SCSI_GOOD); /* allow removal */
	T_EQ(RUN(B, 0, 0x1e, 0, 0, 0, 1, 0), MP_SCSI_RESERVATION_CONFLICT);
	hba_fini(&h);
}

static void test_every_reset_releases(void)
{
	setup();
	T_EQ(reserve6(A), MP_SCSI_GOOD);
	mp_scsi_reset(h.bus, MP_SCSI_RESET_LUN, 0, 0);
	sense_for(B);
	T_EQ(reads(B), MP_SCSI_GOOD);
	T_EQ(reserve6(B), MP_SCSI_GOOD);
	mp_scsi_reset(h.bus, MP_SCSI_RESET_BUS, 0, 0);
	sense_for(A);
	T_EQ(reads(A), MP_SCSI_GOOD);
	hba_fini(&h);
}

static void test_third_party_and_extents_are_refused(void)
{
	setup();
	T_EQ(RUN(A, 0, 0x16, 0x10, 0, 0, 0, 0), MP_SCSI_CHECK_CONDITION);
	T_EQ(sense_for(A), 0x052400);
	T_EQ(RUN(A, 0, 0x16, 0x01, 0, 0, 0, 0), MP_SCSI_CHECK_CONDITION);
	T_EQ(RUN(A, 0, 0x57, 0x12, 0, 0, 0, 0, 0, 0, 0, 0), MP_SCSI_CHECK_CONDITION);
	T_EQ(reads(B), MP_SCSI_GOOD);
	hba_fini(&h);
}

/* --- one kind at a time --- */

static void test_persistent_reserve_is_refused_while_reserve_holds(void)
{
	setup();
	T_EQ(reserve6(A), MP_SCSI_GOOD);
	T_EQ(pr_in(0), MP_SCSI_RESERVATION_CONFLICT);
	T_EQ(pr_out(A, REGISTER, 0, 0, KEY_A), MP_SCSI_RESERVATION_CONFLICT);
	T_EQ(release6(A), MP_SCSI_GOOD);
	T_EQ(pr_out(A, REGISTER, 0, 0, KEY_A), MP_SCSI_GOOD);
	hba_fini(&h);
}

static void test_reserve_is_refused_while_keys_are_registered(void)
{
	setup();
	reg(A, KEY_A);
	T_EQ(reserve6(A), MP_SCSI_RESERVATION_CONFLICT);
	T_EQ(release6(B), MP_SCSI_RESERVATION_CONFLICT);
	T_EQ(reads(B), MP_SCSI_GOOD);
	hba_fini(&h);
}

static void test_reserve_succeeds_without_effect_for_whom_a_persistent_one_lets_through(void)
{
	setup_held(WR_EX_RO);
	T_EQ(reserve6(A), MP_SCSI_GOOD);
	T_EQ(release6(B), MP_SCSI_GOOD);
	T_EQ(reserve6(C), MP_SCSI_RESERVATION_CONFLICT);
	T_EQ(lun->reserved_by, MP_NOBODY);
	hba_fini(&h);
}

static void test_reserve_that_overtakes_a_parameter_list_wins(void)
{
	static const uint8_t cdb[10] = {0x5f, REGISTER_AND_IGNORE, 0, 0, 0, 0, 0, 0, 24, 0};

	setup();
	h.hold_xfers = true;
	memset(data[1], 1, 24);
	data[1][20] = 0;
	hba_give(&h, 1, data[1], 24);
	h.initiator = A;
	hba_start_tagged(&h, 1, MP_SCSI_SIMPLE, cdb, 10);
	T_EQ(reserve6(B), MP_SCSI_GOOD);
	hba_move(&h, 1);
	T_EQ(h.slots[1].status, MP_SCSI_RESERVATION_CONFLICT);
	T_EQ(lun->pr.registered, 0);
	hba_fini(&h);
}

/* --- REGISTER --- */

static void test_register_needs_the_key_that_is_there(void)
{
	setup();
	T_EQ(pr_out(A, REGISTER, 0, KEY_B, KEY_A), MP_SCSI_RESERVATION_CONFLICT);
	T_EQ(pr_out(A, REGISTER, 0, 0, KEY_A), MP_SCSI_GOOD);
	T_EQ(pr_out(A, REGISTER, 0, 0, KEY_C), MP_SCSI_RESERVATION_CONFLICT);
	T_EQ(pr_out(A, REGISTER, 0, KEY_A, KEY_C), MP_SCSI_GOOD);
	T_EQ(lun->pr.key[A], KEY_C);
	hba_fini(&h);
}

static void test_register_and_ignore_needs_no_key(void)
{
	setup();
	T_EQ(pr_out(A, REGISTER_AND_IGNORE, 0, KEY_B, KEY_A), MP_SCSI_GOOD);
	T_EQ(pr_out(A, REGISTER_AND_IGNORE, 0, 0, KEY_C), MP_SCSI_GOOD);
	T_EQ(lun->pr.key[A], KEY_C);
	hba_fini(&h);
}

static void test_key_zero_unregisters(void)
{
	setup();
	reg(A, KEY_A);
	T_EQ(pr_out(A, REGISTER, 0, KEY_A, 0), MP_SCSI_GOOD);
	T_EQ(pr_in(0), MP_SCSI_GOOD);
	T_EQ(mp_get_be32(in + 4), 0);
	T_EQ(mp_get_be32(in), 2);
	/* Again: nothing to do, nothing counted. */
	T_EQ(pr_out(A, REGISTER, 0, 0, 0), MP_SCSI_GOOD);
	T_EQ(lun->pr.generation, 2);
	hba_fini(&h);
}

static void test_the_holder_that_unregisters_releases(void)
{
	setup_held(WR_EX_RO);
	T_EQ(pr_out(A, REGISTER, 0, KEY_A, 0), MP_SCSI_GOOD);
	T_EQ(lun->pr.type, 0);
	T_EQ(sense_for(B), 0x062a04);
	T_EQ(sense_for(C), 0); /* never registered */
	T_EQ(writes(C), MP_SCSI_GOOD);
	hba_fini(&h);
}

static void test_all_registrants_hold_until_the_last_unregisters(void)
{
	setup_held(EX_AC_AR);
	T_EQ(pr_out(A, REGISTER, 0, KEY_A, 0), MP_SCSI_GOOD);
	T_EQ(writes(A), MP_SCSI_RESERVATION_CONFLICT);
	T_EQ(writes(B), MP_SCSI_GOOD);
	T_EQ(pr_out(B, REGISTER, 0, KEY_B, 0), MP_SCSI_GOOD);
	T_EQ(writes(A), MP_SCSI_GOOD);
	hba_fini(&h);
}

static void test_options_of_register_that_we_lack_are_refused_by_bit(void)
{
	static uint8_t list[24], sense[18];
	static const uint8_t cdb[10] = {0x5f, REGISTER, 0, 0, 0, 0, 0, 0, 24, 0};

	setup();
	h.initiator = A;
	list[20] = 0x01; /* APTPL */
	T_EQ(hba_run(&h, cdb, 10, list, 24), MP_SCSI_CHECK_CONDITION);
	T_EQ(HBA_RUN(&h, sense, 18, 0x03, 0, 0, 0, 18, 0), MP_SCSI_GOOD);
	T_EQ(sense[12] << 8 | sense[13], 0x2600);
	T_EQ(sense[15], 0x88);
	T_EQ(mp_get_be16(sense + 16), 20);
	list[20] = 0x08; /* SPEC_I_PT */
	T_EQ(hba_run(&h, cdb, 10, list, 24), MP_SCSI_CHECK_CONDITION);
	list[20] = 0x04; /* ALL_TG_PT */
	T_EQ(hba_run(&h, cdb, 10, list, 24), MP_SCSI_CHECK_CONDITION);
	hba_fini(&h);
}

/* --- RESERVE, RELEASE --- */

static void test_only_who_has_registered_may_reserve(void)
{
	setup();
	T_EQ(pr_out(A, RESERVE, WR_EX, 0, 0), MP_SCSI_RESERVATION_CONFLICT);
	reg(A, KEY_A);
	T_EQ(pr_out(A, RESERVE, WR_EX, KEY_B, 0), MP_SCSI_RESERVATION_CONFLICT);
	T_EQ(pr_out(A, RESERVE, WR_EX, KEY_A, 0), MP_SCSI_GOOD);
	hba_fini(&h);
}

static void test_reserving_again_changes_nothing(void)
{
	setup_held(WR_EX);
	T_EQ(pr_out(A, RESERVE, WR_EX, KEY_A, 0), MP_SCSI_GOOD);
	T_EQ(pr_out(A, RESERVE, EX_AC, KEY_A, 0), MP_SCSI_RESERVATION_CONFLICT);
	T_EQ(pr_out(B, RESERVE, WR_EX, KEY_B, 0), MP_SCSI_RESERVATION_CONFLICT);
	T_EQ(lun->pr.generation, 2); /* two REGISTERs */
	hba_fini(&h);
}

static void test_release_needs_holder_and_type(void)
{
	setup_held(WR_EX);
	T_EQ(pr_out(B, RELEASE, WR_EX, KEY_B, 0), MP_SCSI_GOOD);
	T_EQ(lun->pr.type, WR_EX);
	T_EQ(pr_out(A, RELEASE, EX_AC, KEY_A, 0), MP_SCSI_CHECK_CONDITION);
	T_EQ(sense_for(A), 0x052604);
	T_EQ(pr_out(A, RELEASE, WR_EX, KEY_A, 0), MP_SCSI_GOOD);
	T_EQ(lun->pr.type, 0);
	T_EQ(sense_for(B), 0); /* B relied on nothing */
	hba_fini(&h);
}

static void test_release_of_a_registrants_type_tells_the_registrants(void)
{
	setup_held(EX_AC_RO);
	T_EQ(pr_out(A, RELEASE, EX_AC_RO, KEY_A, 0), MP_SCSI_GOOD);
	T_EQ(sense_for(B), 0x062a04);
	T_EQ(sense_for(A), 0);
	T_EQ(sense_for(C), 0);
	hba_fini(&h);
}

static void test_wrong_scope_type_and_length_are_refused(void)
{
	setup();
	reg(A, KEY_A);
	T_EQ(pr_out(A, RESERVE, 0x10 | WR_EX, KEY_A, 0), MP_SCSI_CHECK_CONDITION);
	T_EQ(sense_for(A), 0x052400);
	T_EQ(pr_out(A, RESERVE, 2, KEY_A, 0), MP_SCSI_CHECK_CONDITION);
	T_EQ(sense_for(A), 0x052400);
	T_EQ(RUN(A, 24, 0x5f, RESERVE, WR_EX, 0, 0, 0, 0, 0, 23, 0), MP_SCSI_CHECK_CONDITION);
	T_EQ(sense_for(A), 0x051a00);
	T_EQ(pr_out(A, 7, WR_EX, KEY_A, 0), MP_SCSI_CHECK_CONDITION); /* REGISTER AND MOVE */
	T_EQ(sense_for(A), 0x052400);
	T_EQ(RUN(A, 24, 0x5e, 4, 0, 0, 0, 0, 0, 0, 24, 0), MP_SCSI_CHECK_CONDITION);
	hba_fini(&h);
}

/* --- CLEAR, PREEMPT --- */

static void test_clear_removes_all_and_tells_the_others(void)
{
	setup_held(WR_EX_AR);
	T_EQ(pr_out(B, CLEAR, 0, KEY_B, 0), MP_SCSI_GOOD);
	T_EQ(lun->pr.registered, 0);
	T_EQ(lun->pr.type, 0);
	T_EQ(lun->pr.generation, 3);
	T_EQ(sense_for(A), 0x062a03);
	T_EQ(sense_for(B), 0);
	T_EQ(writes(C), MP_SCSI_GOOD);
	hba_fini(&h);
}

static void test_preempt_of_the_holder_takes_the_reservation(void)
{
	setup_held(WR_EX);
	reg(C, KEY_C);
	T_EQ(pr_out(B, PREEMPT, EX_AC_RO, KEY_B, KEY_A), MP_SCSI_GOOD);
	T_EQ(lun->pr.type, EX_AC_RO);
	T_EQ(lun->pr.holder, B);
	T_OK(!(lun->pr.registered >> A & 1));
	T_EQ(sense_for(A), 0x062a05);
	T_EQ(sense_for(C), 0x062a04); /* the type has changed */
	T_EQ(writes(A), MP_SCSI_RESERVATION_CONFLICT);
	hba_fini(&h);
}

static void test_preempt_of_a_registrant_takes_its_registration_alone(void)
{
	setup_held(WR_EX);
	reg(C, KEY_C);
	T_EQ(pr_out(A, PREEMPT, EX_AC, KEY_A, KEY_B), MP_SCSI_GOOD);
	T_EQ(lun->pr.type, WR_EX);
	T_EQ(lun->pr.registered, 1u << A | 1u << C);
	T_EQ(sense_for(B), 0x062a05);
	T_EQ(sense_for(C), 0);
	hba_fini(&h);
}

static void test_the_holder_may_preempt_itself_to_change_the_type(void)
{
	setup_held(WR_EX);
	T_EQ(pr_out(A, PREEMPT, EX_AC, KEY_A, KEY_A), MP_SCSI_GOOD);
	T_EQ(lun->pr.type, EX_AC);
	T_EQ(lun->pr.holder, A);
	T_EQ(lun->pr.registered, 1u << A | 1u << B);
	T_EQ(sense_for(A), 0);
	hba_fini(&h);
}

static void test_preempt_with_key_zero_is_for_all_registrants_only(void)
{
	setup_held(WR_EX_AR);
	T_EQ(pr_out(B, PREEMPT, WR_EX, KEY_B, 0), MP_SCSI_GOOD);
	T_EQ(lun->pr.registered, 1u << B);
	T_EQ(lun->pr.holder, B);
	T_EQ(sense_for(A), 0x062a05);
	T_EQ(pr_out(B, PREEMPT, WR_EX, KEY_B, 0), MP_SCSI_CHECK_CONDITION);
	T_EQ(sense_for(B), 0x052600);
	hba_fini(&h);
}

static void test_preempt_of_a_key_that_nobody_has_conflicts(void)
{
	setup_held(WR_EX);
	T_EQ(pr_out(A, PREEMPT, WR_EX, KEY_A, KEY_C), MP_SCSI_RESERVATION_CONFLICT);
	T_EQ(lun->pr.generation, 2);
	hba_fini(&h);
}

static void test_preempt_and_abort_ends_the_tasks_of_the_preempted(void)
{
	setup_held(WR_EX_RO);
	hba_give(&h, 1, data[1], 512);
	h.initiator = A;
	hba_start_tagged(&h, 1, MP_SCSI_SIMPLE, write1, 10);
	hba_give(&h, 2, data[2], 512);
	h.initiator = C;
	hba_start_tagged(&h, 2, MP_SCSI_SIMPLE, read1, 10);
	T_EQ(h.blk.n_reqs, 2);
	T_EQ(pr_out(B, PREEMPT_AND_ABORT, WR_EX_RO, KEY_B, KEY_A), MP_SCSI_GOOD);
	T_EQ(h.blk.n_cancels, 1);
	/* A write that is still on its way can't overtake what comes after. */
	hba_give(&h, 3, data[3], 512);
	h.initiator = B;
	hba_start_tagged(&h, 3, MP_SCSI_SIMPLE, write1, 10);
	T_EQ(h.tasks[3].state, MP_SCSI_WAITING);
	fake_blk_finish_all(&h.blk);
	T_EQ(h.slots[1].status, MP_SCSI_TASK_ABORTED);
	T_EQ(h.slots[2].status, MP_SCSI_GOOD);
	T_EQ(h.slots[3].status, MP_SCSI_GOOD);
	T_EQ(sense_for(A), 0x062f00);
	T_EQ(sense_for(A), 0x062a05);
	hba_fini(&h);
}

static void test_preempt_alone_ends_no_task(void)
{
	setup_held(WR_EX_RO);
	hba_give(&h, 1, data[1], 512);
	h.initiator = A;
	hba_start_tagged(&h, 1, MP_SCSI_SIMPLE, write1, 10);
	T_EQ(pr_out(B, PREEMPT, WR_EX_RO, KEY_B, KEY_A), MP_SCSI_GOOD);
	fake_blk_finish_all(&h.blk);
	T_EQ(h.slots[1].status, MP_SCSI_GOOD);
	hba_fini(&h);
}

/* --- resets --- */

static void test_persistent_reservations_survive_resets_but_not_power_off(void)
{
	setup_held(EX_AC);
	mp_scsi_reset(h.bus, MP_SCSI_RESET_LUN, 0, 0);
	mp_scsi_reset(h.bus, MP_SCSI_RESET_BUS, 0, 0);
	sense_for(C);
	T_EQ(reads(C), MP_SCSI_RESERVATION_CONFLICT);
	mp_scsi_reset(h.bus, MP_SCSI_RESET_POWER, 0, 0);
	sense_for(C);
	T_EQ(reads(C), MP_SCSI_GOOD);
	T_EQ(pr_in(0), MP_SCSI_GOOD);
	T_EQ(mp_get_be64(in), 0);
	hba_fini(&h);
}

/* --- PERSISTENT RESERVE IN --- */

static void test_read_keys_lists_them(void)
{
	setup_held(WR_EX);
	T_EQ(pr_in(0), MP_SCSI_GOOD);
	T_EQ(mp_get_be32(in), 2);
	T_EQ(mp_get_be32(in + 4), 16);
	T_EQ(mp_get_be64(in + 8), KEY_B); /* id 6 before id 7 */
	T_EQ(mp_get_be64(in + 16), KEY_A);
	T_EQ(h.slots[0].n_moved, 24);
	hba_fini(&h);
}

static void test_read_keys_says_how_much_there_is_when_cut(void)
{
	setup_held(WR_EX);
	T_EQ(RUN(C, 64, 0x5e, 0, 0, 0, 0, 0, 0, 0, 12, 0), MP_SCSI_GOOD);
	T_EQ(h.slots[0].n_moved, 12);
	T_EQ(mp_get_be32(in + 4), 16);
	hba_fini(&h);
}

static void test_read_reservation_tells_key_and_type(void)
{
	setup_held(EX_AC_RO);
	T_EQ(pr_in(1), MP_SCSI_GOOD);
	T_EQ(mp_get_be32(in + 4), 16);
	T_EQ(mp_get_be64(in + 8), KEY_A);
	T_EQ(in[21], EX_AC_RO);
	T_EQ(pr_out(A, RELEASE, EX_AC_RO, KEY_A, 0), MP_SCSI_GOOD);
	T_EQ(pr_in(1), MP_SCSI_GOOD);
	T_EQ(mp_get_be32(in + 4), 0);
	hba_fini(&h);
}

static void test_read_reservation_of_all_registrants_has_no_key(void)
{
	setup_held(WR_EX_AR);
	T_EQ(pr_in(1), MP_SCSI_GOOD);
	T_EQ(mp_get_be64(in + 8), 0);
	T_EQ(in[21], WR_EX_AR);
	hba_fini(&h);
}

static void test_report_capabilities(void)
{
	static const uint8_t expected[8] = {0, 8, 0x10, 0x90, 0xea, 0x01, 0, 0};

	setup();
	T_EQ(pr_in(2), MP_SCSI_GOOD);
	T_MEM_EQ(in, expected, 8);
	hba_fini(&h);
}

static void test_read_full_status_names_each_initiator(void)
{
	setup_held(EX_AC);
	T_EQ(pr_in(3), MP_SCSI_GOOD);
	T_EQ(mp_get_be32(in + 4), 2 * 48);
	T_EQ(mp_get_be64(in + 8), KEY_B);
	T_EQ(in[8 + 12], 0);
	T_EQ(mp_get_be16(in + 8 + 18), 1); /* the target's port */
	T_EQ(mp_get_be32(in + 8 + 20), 24);
	T_EQ(in[8 + 24], 0x01); /* parallel SCSI */
	T_EQ(mp_get_be16(in + 8 + 26), B);
	T_EQ(in[56 + 12], 0x01); /* A holds it */
	T_EQ(in[56 + 13], EX_AC);
	T_EQ(mp_get_be16(in + 56 + 26), A);
	hba_fini(&h);
}

/* --- who may do what: SPC-4 table 65, SBC-3 table 13 --- */

enum { MAY_READ = 1, MAY_WRITE = 2 };

static unsigned int rights(uint8_t initiator)
{
	return (reads(initiator) == MP_SCSI_GOOD ? MAY_READ : 0u) |
	       (writes(initiator) == MP_SCSI_GOOD ? MAY_WRITE : 0u);
}

/* Of the holder, of who has registered, of who hasn't: two bits each. */
static unsigned int rights_under(unsigned int type)
{
	unsigned int r;

	setup_held(type);
	r = rights(A) << 4 | rights(B) << 2 | rights(C);
	hba_fini(&h);
	return r;
}

static void test_each_type_lets_through_whom_it_should(void)
{
	T_EQ(rights_under(WR_EX), 3 << 4 | MAY_READ << 2 | MAY_READ);
	T_EQ(rights_under(EX_AC), 3 << 4);
	T_EQ(rights_under(WR_EX_RO), 3 << 4 | 3 << 2 | MAY_READ);
	T_EQ(rights_under(EX_AC_RO), 3 << 4 | 3 << 2);
	T_EQ(rights_under(WR_EX_AR), 3 << 4 | 3 << 2 | MAY_READ);
	T_EQ(rights_under(EX_AC_AR), 3 << 4 | 3 << 2);
}

static void test_what_only_looks_is_let_through_by_every_type(void)
{
	setup_held(EX_AC);
	T_EQ(RUN(C, 0, 0x00, 0, 0, 0, 0, 0), MP_SCSI_GOOD);
	T_EQ(RUN(C, 36, 0x12, 0, 0, 0, 36, 0), MP_SCSI_GOOD);
	T_EQ(RUN(C, 8, 0x25, 0, 0, 0, 0, 0, 0, 0, 0, 0), MP_SCSI_GOOD);
	T_EQ(RUN(C, 32, 0x9e, 0x10, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 32, 0, 0), MP_SCSI_GOOD);
	T_EQ(RUN(C, 16, 0xa0, 0, 0, 0, 0, 0, 0, 0, 0, 16, 0, 0), MP_SCSI_GOOD);
	T_EQ(RUN(C, 64, 0x4d, 0, 0x40, 0, 0, 0, 0, 0, 64, 0), MP_SCSI_GOOD); /* log */
	T_EQ(RUN(C, 0, 0x1b, 0, 0, 0, 1, 0), MP_SCSI_GOOD); /* start */
	T_EQ(RUN(C, 0, 0x1e, 0, 0, 0, 0, 0), MP_SCSI_GOOD); /* allow removal */
	T_EQ(pr_in(0), MP_SCSI_GOOD);
	hba_fini(&h);
}

static void test_what_reads_parameters_is_let_through_by_write_exclusive(void)
{
	setup_held(WR_EX);
	T_EQ(RUN(C, 64, 0x1a, 0, 0x08, 0, 64, 0), MP_SCSI_GOOD);
	T_EQ(RUN(C, 64, 0xa3, 0x0c, 0, 0, 0, 0, 0, 0, 0, 64, 0, 0), MP_SCSI_GOOD);
	hba_fini(&h);
	setup_held(EX_AC);
	T_EQ(RUN(C, 64, 0x1a, 0, 0x08, 0, 64, 0), MP_SCSI_RESERVATION_CONFLICT);
	T_EQ(RUN(C, 64, 0xa3, 0x0c, 0, 0, 0, 0, 0, 0, 0, 64, 0, 0), MP_SCSI_RESERVATION_CONFLICT);
	hba_fini(&h);
}

static void test_what_changes_anything_is_for_whom_the_reservation_lets_through(void)
{
	setup_held(WR_EX_RO);
	T_EQ(RUN(C, 0, 0x35, 0, 0, 0, 0, 0, 0, 0, 0, 0), MP_SCSI_RESERVATION_CONFLICT);
	T_EQ(RUN(C, 0, 0x15, 0x10, 0, 0, 0, 0), MP_SCSI_RESERVATION_CONFLICT);
	T_EQ(RUN(C, 0, 0x1b, 0, 0, 0, 0, 0), MP_SCSI_RESERVATION_CONFLICT); /* stop */
	T_EQ(RUN(C, 0, 0x1e, 0, 0, 0, 1, 0), MP_SCSI_RESERVATION_CONFLICT); /* prevent */
	T_EQ(RUN(C, 0, 0x1d, 0x04, 0, 0, 0, 0), MP_SCSI_RESERVATION_CONFLICT);
	T_EQ(RUN(B, 0, 0x35, 0, 0, 0, 0, 0, 0, 0, 0, 0), MP_SCSI_GOOD);
	T_EQ(RUN(B, 0, 0x15, 0x10, 0, 0, 0, 0), MP_SCSI_GOOD);
	hba_fini(&h);
}

T_MAIN(T_TEST(test_reserve_keeps_the_others_out_until_release),
       T_TEST(test_reserve10_and_release10_are_the_same_reservation),
       T_TEST(test_reserve_lets_identification_through), T_TEST(test_every_reset_releases),
       T_TEST(test_third_party_and_extents_are_refused),
       T_TEST(test_persistent_reserve_is_refused_while_reserve_holds),
       T_TEST(test_reserve_is_refused_while_keys_are_registered),
       T_TEST(test_reserve_succeeds_without_effect_for_whom_a_persistent_one_lets_through),
       T_TEST(test_reserve_that_overtakes_a_parameter_list_wins),
       T_TEST(test_register_needs_the_key_that_is_there),
       T_TEST(test_register_and_ignore_needs_no_key), T_TEST(test_key_zero_unregisters),
       T_TEST(test_the_holder_that_unregisters_releases),
       T_TEST(test_all_registrants_hold_until_the_last_unregisters),
       T_TEST(test_options_of_register_that_we_lack_are_refused_by_bit),
       T_TEST(test_only_who_has_registered_may_reserve),
       T_TEST(test_reserving_again_changes_nothing), T_TEST(test_release_needs_holder_and_type),
       T_TEST(test_release_of_a_registrants_type_tells_the_registrants),
       T_TEST(test_wrong_scope_type_and_length_are_refused),
       T_TEST(test_clear_removes_all_and_tells_the_others),
       T_TEST(test_preempt_of_the_holder_takes_the_reservation),
       T_TEST(test_preempt_of_a_registrant_takes_its_registration_alone),
       T_TEST(test_the_holder_may_preempt_itself_to_change_the_type),
       T_TEST(test_preempt_with_key_zero_is_for_all_registrants_only),
       T_TEST(test_preempt_of_a_key_that_nobody_has_conflicts),
       T_TEST(test_preempt_and_abort_ends_the_tasks_of_the_preempted),
       T_TEST(test_preempt_alone_ends_no_task),
       T_TEST(test_persistent_reservations_survive_resets_but_not_power_off),
       T_TEST(test_read_keys_lists_them), T_TEST(test_read_keys_says_how_much_there_is_when_cut),
       T_TEST(test_read_reservation_tells_key_and_type),
       T_TEST(test_read_reservation_of_all_registrants_has_no_key),
       T_TEST(test_report_capabilities), T_TEST(test_read_full_status_names_each_initiator),
       T_TEST(test_each_type_lets_through_whom_it_should),
       T_TEST(test_what_only_looks_is_let_through_by_every_type),
       T_TEST(test_what_reads_parameters_is_let_through_by_write_exclusive),
       T_TEST(test_what_changes_anything_is_for_whom_the_reservation_lets_through))
