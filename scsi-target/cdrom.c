/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The CD-ROM drive: a tray, what lies in it, a lock, and what happened.
 *
 *	            open                        take out
 *	[closed, disc] <-----> [open, disc] <------------> [open, empty]
 *	            close                       put in          |
 *	                                                        | close
 *	                                                 [closed, empty]
 *
 * Only in the first state there is a medium: lun->blk is the disc then and
 * NULL otherwise, so whatever asks for a medium looks in one place. An
 * initiator opens the tray with START STOP UNIT, the operator with the button
 * or by force; only an initiator's lock keeps either from it, never force.
 *
 * Whoever opens the tray while a command reads wins. The command has noted the
 * generation that it began with, and fails at its next block request.
 *
 * A change is told in two ways, as MMC-6 wants it: by unit attention, to each
 * initiator, for a medium that is new; and by events, which somebody has to
 * ask for (GET EVENT STATUS NOTIFICATION). The drive keeps one set of events:
 * who asks first gets them. Resets unlock the tray and leave it where it is,
 * so an installer that ejected its disc doesn't boot from it again.
 */
#include "scsi-target/cdrom.h"

#include <errno.h>
#include <stdlib.h>

#include "base/err.h"
#include "scsi-target/bus.h"

struct mp_scsi_sense mp_cd_no_medium(const struct mp_scsi_lun *lun)
{
	if (lun->type != MP_SCSI_CDROM)
		return mp_sense_no_medium;
	return lun->cd.tray_open ? mp_sense_no_medium_open : mp_sense_no_medium_closed;
}

void mp_cd_reset(struct mp_scsi_lun *lun)
{
	lun->cd.locked_by = 0;
}

static void raise_event(struct mp_scsi_lun *lun, enum mp_cd_event event)
{
	lun->cd.events |= (uint8_t)(1u << event);
}

/* The disc, if any, can't be read any more. */
static void lose_medium(struct mp_scsi_lun *lun)
{
	if (!lun->blk)
		return;
	lun->blk = NULL;
	lun->n_blocks = 0;
	lun->cd.generation++;
	lun->cd.events = 0; /* a new medium, a wish for the old one: past */
	raise_event(lun, MP_CD_MEDIUM_REMOVED);
}

static void find_medium(struct mp_scsi_lun *lun)
{
	if (!lun->cd.disc)
		return;
	lun->blk = lun->cd.disc;
	lun->n_blocks = mp_blk_size_bytes(lun->blk) / MP_CD_BLOCK_BYTES;
	lun->cd.generation++;
	raise_event(lun, MP_CD_MEDIUM_NEW);
	mp_lun_attention(lun, MP_UA_MEDIUM_CHANGED, MP_NOBODY);
}

void mp_cd_open_tray(struct mp_scsi_lun *lun)
{
	lose_medium(lun);
	lun->cd.tray_open = true;
}

void mp_cd_close_tray(struct mp_scsi_lun *lun)
{
	if (lun->cd.tray_open)
		find_medium(lun);
	lun->cd.tray_open = false;
}

static bool disc_ok(const struct mp_blk *blk)
{
	return mp_blk_size_bytes(blk) >= MP_CD_BLOCK_BYTES &&
	       mp_blk_block_bytes(blk) <= MP_CD_BLOCK_BYTES;
}

static struct mp_scsi_lun *find_cd(const struct mp_scsi_bus *bus, unsigned int target,
				   unsigned int lun)
{
	struct mp_scsi_lun *l = NULL;

	if (target < MP_SCSI_MAX_TARGETS && lun < MP_SCSI_MAX_LUNS)
		l = bus->by_id[target][lun];
	return l && l->type == MP_SCSI_CDROM ? l : NULL;
}

static void fill_lun(struct mp_scsi_lun *lun, const struct mp_scsi_cd_cfg *cfg)
{
	lun->type = MP_SCSI_CDROM;
	lun->target = (uint8_t)cfg->target;
	lun->lun = (uint8_t)cfg->lun;
	lun->removable = true;
	lun->logical_bytes = MP_CD_BLOCK_BYTES;
	lun->cd.disc = cfg->blk;
	find_medium(lun);
	mp_lun_identify(lun, &cfg->identity, MP_SCSI_CD_PRODUCT);
	lun->rerror = (uint8_t)cfg->rerror;
}

int mp_scsi_cd_add(struct mp_scsi_bus *bus, const struct mp_scsi_cd_cfg *cfg)
{
	struct mp_scsi_lun *lun;

	if (cfg->target >= MP_SCSI_MAX_TARGETS || cfg->lun >= MP_SCSI_MAX_LUNS ||
	    (cfg->blk && !disc_ok(cfg->blk)) || cfg->rerror >= MP_SCSI_ON_ERROR_ENOSPC)
		return mp_err_origin(-EINVAL);
	if (bus->by_id[cfg->target][cfg->lun])
		return mp_err_origin(-EEXIST);
	lun = calloc(1, sizeof(*lun));
	if (!lun)
		return mp_err_origin(-ENOMEM);
	fill_lun(lun, cfg);
	lun->cd.events = 0; /* it was there when the power came on: nobody changed anything */
	mp_lun_add(bus, lun);
	return 0;
}

int mp_scsi_cd_change(struct mp_scsi_bus *bus, unsigned int target, unsigned int lun,
		      struct mp_blk *blk)
{
	struct mp_scsi_lun *l = find_cd(bus, target, lun);

	if (!l)
		return mp_err_origin(-ENOENT);
	if (blk && !disc_ok(blk))
		return mp_err_origin(-EINVAL);
	mp_cd_open_tray(l);
	l->cd.disc = blk;
	if (blk)
		mp_cd_close_tray(l);
	return 0;
}

int mp_scsi_cd_eject_request(struct mp_scsi_bus *bus, unsigned int target, unsigned int lun)
{
	struct mp_scsi_lun *l = find_cd(bus, target, lun);

	if (!l)
		return mp_err_origin(-ENOENT);
	if (!l->cd.locked_by) {
		mp_cd_open_tray(l);
		return 0;
	}
	raise_event(l, MP_CD_EJECT_REQUESTED);
	mp_lun_attention(l, MP_UA_EJECT_REQUESTED, MP_NOBODY);
	return 1;
}

int mp_scsi_cd_open_tray(struct mp_scsi_bus *bus, unsigned int target, unsigned int lun)
{
	struct mp_scsi_lun *l = find_cd(bus, target, lun);

	if (!l)
		return mp_err_origin(-ENOENT);
	mp_cd_open_tray(l);
	return 0;
}

int mp_scsi_cd_close_tray(struct mp_scsi_bus *bus, unsigned int target, unsigned int lun)
{
	struct mp_scsi_lun *l = find_cd(bus, target, lun);

	if (!l)
		return mp_err_origin(-ENOENT);
	mp_cd_close_tray(l);
	return 0;
}

bool mp_scsi_cd_is_locked(const struct mp_scsi_bus *bus, unsigned int target, unsigned int lun)
{
	const struct mp_scsi_lun *l = find_cd(bus, target, lun);

	return l && l->cd.locked_by;
}

bool mp_scsi_cd_tray_open(const struct mp_scsi_bus *bus, unsigned int target, unsigned int lun)
{
	const struct mp_scsi_lun *l = find_cd(bus, target, lun);

	return l && l->cd.tray_open;
}
