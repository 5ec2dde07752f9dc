/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A logical unit: how it comes to the bus, what a reset makes of it, and what
 * it has to say to each initiator.
 *
 * Unit attentions and sense data are kept for each initiator. A condition is
 * a bit, so one that is raised twice is reported once; the lowest bit goes
 * first. A reset is reported as the most far-reaching one that has happened.
 *
 * Sense data waits for REQUEST SENSE, or for the initiator's next command,
 * which drops it: SCSI-2's contingent allegiance, for a bus without autosense.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include "scsi-target/bus.h"

#define RESETS ((1u << MP_UA_MEDIUM_CHANGED) - 1)

/* SIMPLE tasks in any order, errors end one task, aborts are silent: as on most disks. */
const struct mp_scsi_control mp_control_default = {.qam = 1};

void mp_lun_reset(struct mp_scsi_lun *lun)
{
	lun->control = mp_control_default;
	lun->write_cache = true;
	lun->stopped = false;
	lun->prevented = false;
	lun->reserved_by = MP_NOBODY;
	lun->has_sense = 0;
}

void mp_lun_attention(struct mp_scsi_lun *lun, enum mp_scsi_ua ua, unsigned int except)
{
	for (unsigned int i = 0; i < MP_INITIATORS; i++)
		if (i != except)
			lun->ua[i] |= 1u << ua;
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
	if (RESETS >> first & 1)
		lun->ua[initiator] &= ~RESETS;
	else
		lun->ua[initiator] &= ~(1u << first);
	return true;
}

void mp_lun_keep_sense(struct mp_scsi_lun *lun, unsigned int initiator,
		       const struct mp_scsi_sense *sense)
{
	lun->sense[initiator] = *sense;
	lun->has_sense |= (uint16_t)(1u << initiator);
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

void mp_lun_add(struct mp_scsi_bus *bus, struct mp_scsi_lun *lun)
{
	lun->ops = bus->ops_of[lun->type];
	mp_lun_reset(lun);
	mp_lun_attention(lun, MP_UA_POWER_ON, MP_NOBODY);
	lun->next = bus->luns;
	bus->luns = lun;
	bus->by_id[lun->target][lun->lun] = lun;
}

static void pad(char *out, size_t len, const char *text, const char *otherwise)
{
	const char *from = text[0] ? text : otherwise;
	size_t n = strnlen(from, len);

	memset(out, ' ', len);
	memcpy(out, from, n);
}

static int check_disk(const struct mp_scsi_bus *bus, const struct mp_scsi_disk_cfg *cfg)
{
	uint32_t physical = cfg->physical_bytes ? cfg->physical_bytes : cfg->logical_bytes;

	if (cfg->target >= MP_SCSI_MAX_TARGETS || cfg->lun >= MP_SCSI_MAX_LUNS || !cfg->blk)
		return mp_err_origin(-EINVAL);
	if (cfg->rerror >= MP_SCSI_ON_ERROR_ENOSPC || cfg->werror > MP_SCSI_ON_ERROR_ENOSPC)
		return mp_err_origin(-EINVAL);
	if (cfg->logical_bytes != 512 && cfg->logical_bytes != 4096)
		return mp_err_origin(-EINVAL);
	if (cfg->logical_bytes < mp_blk_block_bytes(cfg->blk) || physical < cfg->logical_bytes ||
	    (physical & (physical - 1)) || physical / cfg->logical_bytes > 1u << 15 ||
	    mp_blk_size_bytes(cfg->blk) < cfg->logical_bytes)
		return mp_err_origin(-EINVAL);
	return bus->by_id[cfg->target][cfg->lun] ? mp_err_origin(-EEXIST) : 0;
}

static void fill_lun(struct mp_scsi_lun *lun, const struct mp_scsi_disk_cfg *cfg)
{
	uint32_t physical = cfg->physical_bytes ? cfg->physical_bytes : cfg->logical_bytes;

	lun->target = (uint8_t)cfg->target;
	lun->lun = (uint8_t)cfg->lun;
	lun->blk = cfg->blk;
	lun->logical_bytes = cfg->logical_bytes;
	lun->physical_exponent = (uint8_t)__builtin_ctz(physical / cfg->logical_bytes);
	lun->n_blocks = mp_blk_size_bytes(cfg->blk) / cfg->logical_bytes;
	pad(lun->vendor, sizeof(lun->vendor), cfg->vendor, "mpring");
	pad(lun->product, sizeof(lun->product), cfg->product, "mpring HARDDISK");
	pad(lun->revision, sizeof(lun->revision), cfg->revision, "0.1");
	memcpy(lun->serial, cfg->serial, sizeof(lun->serial) - 1);
	lun->wwn = cfg->wwn;
	lun->removable = cfg->removable;
	lun->rerror = (uint8_t)cfg->rerror;
	lun->werror = (uint8_t)cfg->werror;
}

int mp_scsi_disk_add(struct mp_scsi_bus *bus, const struct mp_scsi_disk_cfg *cfg)
{
	struct mp_scsi_lun *lun;
	int r = check_disk(bus, cfg);

	if (r < 0)
		return mp_err_trace(r);
	lun = calloc(1, sizeof(*lun));
	if (!lun)
		return mp_err_origin(-ENOMEM);
	fill_lun(lun, cfg);
	mp_lun_add(bus, lun);
	return 0;
}
