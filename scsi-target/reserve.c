/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Reservations: RESERVE and RELEASE (SPC-2), and persistent ones (SPC-4 5.13).
 *
 * RESERVE gives a unit to one initiator until it releases it, or a reset does.
 * A persistent reservation is made by who has registered a key; it has a type,
 * and survives resets but not the worker's end (no APTPL):
 *
 *	Write Exclusive    others may read
 *	Exclusive Access   others may do nothing
 *	... Registrants Only   "others" are those who have not registered
 *	... All Registrants    and each who has registered holds it
 *
 * Of the two kinds a unit knows only one at a time. While keys are registered
 * RESERVE and RELEASE are refused, or succeed without effect for whom the
 * persistent reservation lets through (CRH); while RESERVE holds, there is no
 * PERSISTENT RESERVE.
 *
 * What others may do stands in the table of commands: MP_OP_SHARED beside any
 * reservation, MP_OP_LOOKS beside any persistent one, MP_OP_READS beside Write
 * Exclusive. Two commands are in between, see takes_something().
 *
 * lun->guarded says that there is a reservation at all: a command looks at that
 * alone where there is none. An initiator's nexus is its id, as each target
 * has one port.
 */
#include "base/bytes.h"
#include "scsi-target/bus.h"

#define LIST_BYTES        24u
#define FULL_STATUS_BYTES 24u
#define TRANSPORT_ID      24u
#define PARALLEL_SCSI     0x01u
#define ONLY_PORT         1u

enum { READ_KEYS, READ_RESERVATION, REPORT_CAPABILITIES, READ_FULL_STATUS };
enum { REGISTER, RESERVE, RELEASE, CLEAR, PREEMPT, PREEMPT_AND_ABORT, REGISTER_AND_IGNORE };

/* Types (SPC-4 6.15.3.4), as a set. */
#define WRITE_EXCLUSIVE  (1u << 1 | 1u << 5 | 1u << 7)
#define EXCLUSIVE_ACCESS (1u << 3 | 1u << 6 | 1u << 8)
#define REGISTRANTS      (1u << 5 | 1u << 6 | 1u << 7 | 1u << 8)
#define ALL_REGISTRANTS  (1u << 7 | 1u << 8)
#define ALL_TYPES        (WRITE_EXCLUSIVE | EXCLUSIVE_ACCESS)

static bool is_type(const struct mp_scsi_pr *pr, unsigned int types)
{
	return pr->type && (types >> pr->type & 1);
}

static bool is_registered(const struct mp_scsi_pr *pr, unsigned int initiator)
{
	return pr->registered >> initiator & 1;
}

static bool holds(const struct mp_scsi_pr *pr, unsigned int initiator)
{
	if (is_type(pr, ALL_REGISTRANTS))
		return is_registered(pr, initiator);
	return pr->type && pr->holder == initiator;
}

/* The reservation doesn't stand in the way of @initiator. */
static bool lets_through(const struct mp_scsi_pr *pr, unsigned int initiator)
{
	return holds(pr, initiator) || (is_type(pr, REGISTRANTS) && is_registered(pr, initiator));
}

static void update_guard(struct mp_scsi_lun *lun)
{
	lun->guarded = lun->reserved_by != MP_NOBODY || lun->pr.type;
}

void mp_reserve_reset(struct mp_scsi_lun *lun)
{
	lun->reserved_by = MP_NOBODY;
	update_guard(lun);
}

void mp_reserve_power_on(struct mp_scsi_lun *lun)
{
	lun->pr = (struct mp_scsi_pr){0};
	mp_reserve_reset(lun);
}

/* PREVENT, and START STOP UNIT but to start: the same command gives back what it takes. */
static bool takes_something(const uint8_t *cdb)
{
	switch (cdb[0]) {
	case 0x1b:
		return (cdb[4] & 0xf3) != 0x01;
	case 0x1e:
		return cdb[4] & 0x03;
	default:
		return false;
	}
}

bool mp_reserve_forbids(const struct mp_scsi_side *s)
{
	const struct mp_scsi_lun *lun = s->lun;
	unsigned int flags = s->op->flags, me = s->t->initiator;

	if (takes_something(s->t->cdb))
		flags &= ~(unsigned int)(MP_OP_SHARED | MP_OP_LOOKS);
	if (flags & MP_OP_SHARED)
		return false;
	if (lun->reserved_by != MP_NOBODY)
		return lun->reserved_by != me;
	if ((flags & MP_OP_LOOKS) || lets_through(&lun->pr, me))
		return false;
	return is_type(&lun->pr, EXCLUSIVE_ACCESS) || !(flags & MP_OP_READS);
}

static void conflict(struct mp_scsi_side *s)
{
	mp_task_end(s, MP_SCSI_RESERVATION_CONFLICT);
}

/* --- RESERVE, RELEASE --- */

/* Return: true: the task has ended, as the persistent kind has it */
static bool persistent_kind_answers(struct mp_scsi_side *s)
{
	const struct mp_scsi_pr *pr = &s->lun->pr;

	if (!pr->registered)
		return false;
	if (lets_through(pr, s->t->initiator))
		mp_task_good(s);
	else
		conflict(s);
	return true;
}

void mp_cmd_reserve(struct mp_scsi_side *s)
{
	if (persistent_kind_answers(s))
		return;
	s->lun->reserved_by = s->t->initiator;
	update_guard(s->lun);
	mp_task_good(s);
}

/* Of another's reservation it is no error either. */
void mp_cmd_release(struct mp_scsi_side *s)
{
	if (persistent_kind_answers(s))
		return;
	if (s->lun->reserved_by == s->t->initiator)
		mp_reserve_reset(s->lun);
	mp_task_good(s);
}

/* --- PERSISTENT RESERVE IN --- */

static unsigned int put_keys(const struct mp_scsi_pr *pr, uint8_t *out)
{
	unsigned int len = 8;

	for (unsigned int i = 0; i < MP_INITIATORS; i++) {
		if (!is_registered(pr, i))
			continue;
		mp_put_be64(out + len, pr->key[i]);
		len += 8;
	}
	return len;
}

static unsigned int put_reservation(const struct mp_scsi_pr *pr, uint8_t *out)
{
	if (!pr->type)
		return 8;
	/* All registrants hold it: then no single key does. */
	if (!is_type(pr, ALL_REGISTRANTS))
		mp_put_be64(out + 8, pr->key[pr->holder]);
	out[21] = pr->type; /* scope 0: the unit */
	return 24;
}

static void put_registrant(const struct mp_scsi_pr *pr, unsigned int initiator, uint8_t *out)
{
	uint8_t *id = out + FULL_STATUS_BYTES;

	mp_put_be64(out, pr->key[initiator]);
	if (holds(pr, initiator)) {
		out[12] = 0x01; /* R_HOLDER */
		out[13] = pr->type;
	}
	mp_put_be16(out + 18, ONLY_PORT);
	mp_put_be32(out + 20, TRANSPORT_ID);
	id[0] = PARALLEL_SCSI;
	mp_put_be16(id + 2, (uint16_t)initiator);
	mp_put_be16(id + 6, ONLY_PORT);
}

static unsigned int put_full_status(const struct mp_scsi_pr *pr, uint8_t *out)
{
	unsigned int len = 8;

	for (unsigned int i = 0; i < MP_INITIATORS; i++) {
		if (!is_registered(pr, i))
			continue;
		put_registrant(pr, i, out + len);
		len += FULL_STATUS_BYTES + TRANSPORT_ID;
	}
	return len;
}

static unsigned int put_capabilities(uint8_t *out)
{
	mp_put_be16(out, 8);
	out[2] = 0x10; /* CRH; no SIP_C, ATP_C, PTPL_C */
	out[3] = 0x90; /* the type mask is valid; TEST UNIT READY is let through */
	out[4] = ALL_TYPES & 0xff;
	out[5] = ALL_TYPES >> 8;
	return 8;
}

void mp_cmd_pr_in(struct mp_scsi_side *s)
{
	const struct mp_scsi_pr *pr = &s->lun->pr;
	unsigned int action = s->t->cdb[1] & 0x1f, len;
	uint8_t *out = mp_task_buf(s);

	if (s->lun->reserved_by != MP_NOBODY) {
		conflict(s);
		return;
	}
	if (action == REPORT_CAPABILITIES) {
		mp_task_reply(s, put_capabilities(out), mp_get_be16(s->t->cdb + 7));
		return;
	}
	mp_put_be32(out, pr->generation);
	if (action == READ_KEYS)
		len = put_keys(pr, out);
	else if (action == READ_RESERVATION)
		len = put_reservation(pr, out);
	else
		len = put_full_status(pr, out);
	mp_put_be32(out + 4, len - 8);
	mp_task_reply(s, len, mp_get_be16(s->t->cdb + 7));
}

/* --- PERSISTENT RESERVE OUT --- */

/* The parameter list and what else a service action needs. */
struct request {
	struct mp_scsi_side *s;
	struct mp_scsi_lun *lun;
	struct mp_scsi_pr *pr;
	unsigned int me, action, type;
	uint64_t key, action_key;
};

static void tell(struct mp_scsi_lun *lun, enum mp_scsi_ua ua, uint16_t whom, unsigned int except)
{
	for (unsigned int i = 0; i < MP_INITIATORS; i++)
		if (i != except && (whom >> i & 1))
			mp_lun_attention_of(lun, ua, i);
}

static void set_type(struct request *q, unsigned int type)
{
	q->pr->type = (uint8_t)type;
	q->pr->holder = (uint8_t)q->me;
	update_guard(q->lun);
}

/* The reservation ends; registrants who relied on it are told. */
static void release(struct request *q)
{
	if (is_type(q->pr, REGISTRANTS))
		tell(q->lun, MP_UA_RESERVATIONS_RELEASED, q->pr->registered, q->me);
	set_type(q, 0);
}

static void remove_registration(struct mp_scsi_pr *pr, unsigned int initiator)
{
	pr->registered &= (uint16_t) ~(1u << initiator);
	pr->key[initiator] = 0;
}

static void unregister(struct request *q)
{
	bool held = holds(q->pr, q->me);

	remove_registration(q->pr, q->me);
	if (held && !(is_type(q->pr, ALL_REGISTRANTS) && q->pr->registered))
		release(q);
}

static void register_key(struct request *q)
{
	struct mp_scsi_pr *pr = q->pr;

	/* Who hasn't registered has key 0. */
	if (q->action == REGISTER && q->key != pr->key[q->me]) {
		conflict(q->s);
		return;
	}
	if (q->action_key || is_registered(pr, q->me))
		pr->generation++;
	if (q->action_key) {
		pr->registered |= (uint16_t)(1u << q->me);
		pr->key[q->me] = q->action_key;
	} else if (is_registered(pr, q->me)) {
		unregister(q);
	}
	mp_task_good(q->s);
}

static void reserve_for_me(struct request *q)
{
	if (q->pr->type && !(holds(q->pr, q->me) && q->pr->type == q->type)) {
		conflict(q->s);
		return;
	}
	if (!q->pr->type)
		set_type(q, q->type);
	mp_task_good(q->s);
}

static void release_mine(struct request *q)
{
	if (!holds(q->pr, q->me)) {
		mp_task_good(q->s);
	} else if (q->pr->type != q->type) {
		mp_task_fail(q->s, mp_sense_invalid_release);
	} else {
		release(q);
		mp_task_good(q->s);
	}
}

static void clear_all(struct request *q)
{
	struct mp_scsi_pr *pr = q->pr;

	tell(q->lun, MP_UA_RESERVATIONS_PREEMPTED, pr->registered, q->me);
	for (unsigned int i = 0; i < MP_INITIATORS; i++)
		remove_registration(pr, i);
	set_type(q, 0);
	pr->generation++;
	mp_task_good(q->s);
}

static uint16_t registered_with(const struct mp_scsi_pr *pr, uint64_t key)
{
	uint16_t found = 0;

	for (unsigned int i = 0; i < MP_INITIATORS; i++)
		if (is_registered(pr, i) && pr->key[i] == key)
			found |= (uint16_t)(1u << i);
	return found;
}

/* Is it the reservation that is preempted, or only registrations? */
static bool wants_reservation(const struct request *q, uint16_t victims)
{
	if (is_type(q->pr, ALL_REGISTRANTS))
		return q->action_key == 0;
	return q->pr->type && (victims >> q->pr->holder & 1);
}

static void take_over(struct request *q)
{
	if (q->pr->type != q->type)
		tell(q->lun, MP_UA_RESERVATIONS_RELEASED, q->pr->registered, q->me);
	set_type(q, q->type);
}

static void preempt_victims(struct request *q, uint16_t victims)
{
	struct mp_scsi_pr *pr = q->pr;
	bool takes = wants_reservation(q, victims);
	/* Who takes the reservation stays registered, also if the key is its own. */
	uint16_t stays = (uint16_t)(takes ? 1u << q->me : 0);
	uint16_t leave = victims & (uint16_t)~stays;

	for (unsigned int i = 0; i < MP_INITIATORS; i++)
		if (leave >> i & 1)
			remove_registration(pr, i);
	tell(q->lun, MP_UA_REGISTRATIONS_PREEMPTED, leave, q->me);
	if (takes)
		take_over(q);
	else if (is_type(pr, ALL_REGISTRANTS) && !pr->registered)
		release(q);
	pr->generation++;
	mp_manage_end(q->s, NULL, q->action == PREEMPT_AND_ABORT ? victims : 0);
}

static void preempt(struct request *q)
{
	uint16_t victims = registered_with(q->pr, q->action_key);

	if (q->action_key == 0) {
		/* Means "all others", and that only where all hold it. */
		if (!is_type(q->pr, ALL_REGISTRANTS)) {
			mp_task_fail(q->s, mp_sense_param_field(8));
			return;
		}
		victims = q->pr->registered & (uint16_t) ~(1u << q->me);
	} else if (!victims) {
		conflict(q->s);
		return;
	}
	preempt_victims(q, victims);
}

static void carry_out(struct request *q)
{
	bool is_register = q->action == REGISTER || q->action == REGISTER_AND_IGNORE;

	if (is_register) {
		register_key(q);
		return;
	}
	if (!is_registered(q->pr, q->me) || q->key != q->pr->key[q->me])
		conflict(q->s);
	else if (q->action == RESERVE)
		reserve_for_me(q);
	else if (q->action == RELEASE)
		release_mine(q);
	else if (q->action == CLEAR)
		clear_all(q);
	else
		preempt(q);
}

/* Byte 20: SPEC_I_PT 3, ALL_TG_PT 2, APTPL 0; the last two mean something to REGISTER only. */
static int bad_list_bit(const struct request *q, const uint8_t *list)
{
	bool is_register = q->action == REGISTER || q->action == REGISTER_AND_IGNORE;

	if (list[20] & 0x08)
		return 3;
	if (is_register && (list[20] & 0x05))
		return list[20] & 0x04 ? 2 : 0;
	return -1;
}

static void list_here(struct mp_scsi_side *s)
{
	const uint8_t *list = mp_task_buf(s);
	struct request q = {.s = s,
			    .lun = s->lun,
			    .pr = &s->lun->pr,
			    .me = s->t->initiator,
			    .action = s->t->cdb[1] & 0x1f,
			    .type = s->t->cdb[2] & 0x0f,
			    .key = mp_get_be64(list),
			    .action_key = mp_get_be64(list + 8)};
	int bad = bad_list_bit(&q, list);

	if (s->n_moved < LIST_BYTES)
		mp_task_fail(s, mp_sense_data_phase);
	else if (bad >= 0)
		mp_task_fail(s, mp_sense_param_bit(20, (unsigned int)bad));
	else if (s->lun->reserved_by != MP_NOBODY)
		conflict(s);
	else
		carry_out(&q);
}

static bool needs_type(unsigned int action)
{
	return action == RESERVE || action == RELEASE || action == PREEMPT ||
	       action == PREEMPT_AND_ABORT;
}

void mp_cmd_pr_out(struct mp_scsi_side *s)
{
	const uint8_t *cdb = s->t->cdb;
	bool typed = needs_type(cdb[1] & 0x1f);

	if (s->lun->reserved_by != MP_NOBODY) {
		conflict(s);
	} else if (typed && cdb[2] >> 4) {
		mp_task_bad_field(s, 2, 7); /* scope: the unit, nothing smaller */
	} else if (typed && !(ALL_TYPES >> (cdb[2] & 0x0f) & 1)) {
		mp_task_bad_field(s, 2, 3);
	} else if (mp_get_be32(cdb + 5) != LIST_BYTES) {
		mp_task_fail(s, mp_sense_list_length);
	} else {
		s->t->xfer_len = LIST_BYTES;
		mp_task_xfer(s, MP_SCSI_DATA_OUT, LIST_BYTES, list_here);
	}
}
