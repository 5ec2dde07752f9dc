/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What a unit has to say to each initiator: unit attentions and sense data.
 *
 * A condition is a bit, so one that is raised twice is reported once; the
 * lowest bit goes first (SAM-5 5.14: power on, resets, then all else). The
 * four resets are one condition: the most far-reaching is reported, and with
 * it the others are. Some news is no news any more:
 *
 *	power on  replaces all that waits; who hasn't heard of it yet has
 *	          nothing to forget, so little is added to it
 *	a reset   replaces what it undoes: mode and log parameters are back
 *	          at their defaults, and commands are gone anyway
 *
 * Each is told once, by CHECK CONDITION of the next command or by REQUEST
 * SENSE. INQUIRY and REPORT LUNS leave it alone, but that REPORT LUNS is the
 * answer to "the LUNs have changed".
 *
 * Sense data waits for REQUEST SENSE, or for the initiator's next command,
 * which drops it: SCSI-2's contingent allegiance, for a bus without autosense.
 * It begins when CHECK CONDITION is delivered; what was sent before that didn't
 * know of it and drops nothing. There is room for one failure an initiator: a
 * second one waits (lun->failed) until the first has been dealt with, or its
 * sense would replace the other. Two can't wait: REQUEST SENSE, which is what
 * they would wait for, and a task that holds the bus, over which the first
 * status has to come.
 */
#include "base/err.h"
#include "scsi-target/bus.h"

#define OPCODE_REQUEST_SENSE 0x03u
#define BIT(ua)              (1u << (ua))
#define RESETS               (BIT(MP_UA_MEDIUM_CHANGED) - 1)
#define UNDONE_BY_RESET                                                                            \
	(BIT(MP_UA_COMMANDS_CLEARED) | BIT(MP_UA_MODE_CHANGED) | BIT(MP_UA_LOG_CHANGED))
#define NEWS_TO_ALL (RESETS | BIT(MP_UA_MEDIUM_CHANGED) | BIT(MP_UA_EJECT_REQUESTED))

static uint32_t add(uint32_t pending, uint32_t bit)
{
	if (bit == BIT(MP_UA_POWER_ON))
		return bit;
	if (pending & BIT(MP_UA_POWER_ON) && !(bit & NEWS_TO_ALL))
		return pending;
	if (bit & RESETS)
		pending &= ~UNDONE_BY_RESET;
	return pending | bit;
}

void mp_lun_attention_of(struct mp_scsi_lun *lun, enum mp_scsi_ua ua, unsigned int initiator)
{
	lun->ua[initiator] = add(lun->ua[initiator], BIT(ua));
}

void mp_lun_attention(struct mp_scsi_lun *lun, enum mp_scsi_ua ua, unsigned int except)
{
	for (unsigned int i = 0; i < MP_INITIATORS; i++)
		if (i != except)
			mp_lun_attention_of(lun, ua, i);
}

void mp_bus_luns_reported(struct mp_scsi_bus *bus, unsigned int target, unsigned int initiator)
{
	for (struct mp_scsi_lun *lun = bus->luns; lun; lun = lun->next)
		if (lun->target == target)
			lun->ua[initiator] &= ~BIT(MP_UA_LUNS_CHANGED);
}

static struct mp_scsi_sense ua_sense(unsigned int ua)
{
	static const struct mp_scsi_sense *const senses[MP_N_UAS] = {
		[MP_UA_POWER_ON] = &mp_sense_power_on,
		[MP_UA_BUS_RESET] = &mp_sense_bus_reset,
		[MP_UA_TARGET_RESET] = &mp_sense_target_reset,
		[MP_UA_LUN_RESET] = &mp_sense_reset,
		[MP_UA_MEDIUM_CHANGED] = &mp_sense_medium_changed,
		[MP_UA_COMMANDS_CLEARED] = &mp_sense_commands_cleared,
		[MP_UA_MODE_CHANGED] = &mp_sense_mode_changed,
		[MP_UA_LOG_CHANGED] = &mp_sense_log_changed,
		[MP_UA_RESERVATIONS_PREEMPTED] = &mp_sense_reservations_preempted,
		[MP_UA_RESERVATIONS_RELEASED] = &mp_sense_reservations_released,
		[MP_UA_REGISTRATIONS_PREEMPTED] = &mp_sense_registrations_preempted,
		[MP_UA_CAPACITY_CHANGED] = &mp_sense_capacity_changed,
		[MP_UA_INQUIRY_CHANGED] = &mp_sense_inquiry_changed,
		[MP_UA_LUNS_CHANGED] = &mp_sense_luns_changed,
		[MP_UA_EJECT_REQUESTED] = &mp_sense_eject_requested,
		[MP_UA_FALSE_FAILURE] = &mp_sense_false_failure,
	};

	return *senses[ua];
}

bool mp_lun_take_attention(struct mp_scsi_lun *lun, unsigned int initiator,
			   struct mp_scsi_sense *ret_sense)
{
	uint32_t pending = lun->ua[initiator];
	unsigned int first;

	if (mp_likely(!pending))
		return false;
	first = (unsigned int)__builtin_ctz(pending);
	*ret_sense = ua_sense(first);
	lun->ua[initiator] &= ~(BIT(first) & RESETS ? RESETS : BIT(first));
	return true;
}

void mp_lun_keep_sense(struct mp_scsi_lun *lun, unsigned int initiator,
		       const struct mp_scsi_sense *sense)
{
	lun->sense[initiator] = *sense;
	lun->has_sense |= (uint16_t)(1u << initiator);
}

bool mp_lun_owe_sense(const struct mp_scsi_side *s, const struct mp_scsi_sense *sense)
{
	struct mp_scsi_lun *lun = s->lun;
	unsigned int me = s->t->initiator;
	uint16_t bit = (uint16_t)(1u << me);
	uint16_t taken = lun->owed;

	if (s->t->cdb[0] != OPCODE_REQUEST_SENSE)
		taken |= lun->has_sense;
	if ((taken & bit) && !s->t->fast && !lun->absent)
		return false;
	lun->sense[me] = *sense;
	lun->owed |= bit;
	lun->has_sense &= (uint16_t)~bit;
	return true;
}

void mp_lun_told_failure(struct mp_scsi_lun *lun, unsigned int initiator, bool delivered)
{
	uint16_t bit = (uint16_t)(1u << initiator);

	if (delivered)
		lun->has_sense |= lun->owed & bit;
	lun->owed &= (uint16_t)~bit;
}

void mp_lun_drop_sense(struct mp_scsi_lun *lun, unsigned int initiator)
{
	lun->has_sense &= (uint16_t) ~(1u << initiator);
}

bool mp_lun_take_sense(struct mp_scsi_lun *lun, unsigned int initiator,
		       struct mp_scsi_sense *ret_sense)
{
	if (!(lun->has_sense >> initiator & 1))
		return false;
	*ret_sense = lun->sense[initiator];
	mp_lun_drop_sense(lun, initiator);
	return true;
}

void mp_scsi_bus_failed(struct mp_scsi_bus *bus, unsigned int target, unsigned int lun,
			unsigned int initiator, uint16_t key_and_asc)
{
	struct mp_scsi_sense sense = {.key = (uint8_t)(key_and_asc >> 8),
				      .asc = (uint8_t)key_and_asc};
	struct mp_scsi_lun *unit;

	mp_assert(target < MP_SCSI_MAX_TARGETS && lun < MP_SCSI_MAX_LUNS &&
		  initiator < MP_INITIATORS);
	unit = bus->by_id[target][lun];
	mp_lun_keep_sense(unit ? unit : &bus->absent, initiator, &sense);
}
