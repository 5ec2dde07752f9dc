/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A unit is pulled out while initiators use it.
 *
 * For them it is gone at once: by_id and luns don't have it any more, so a new
 * command finds no unit there, and a target without units answers no selection.
 * What they have there already must end, or a driver would wait until its
 * time-out, and reset the whole bus then: every command ends with TASK ABORTED.
 * Whatever the control mode page says, for the page has gone too, and there is
 * no unit left that could keep sense data. Linux tries such a command again,
 * and learns from the selection time-out or from LOGICAL UNIT NOT SUPPORTED
 * that there is nothing to try.
 *
 * The object lives on (bus->leaving) until the last task that points to it is
 * free and its job's request has ended. Nobody waits for that moment: units that
 * have left are looked for when the next one comes or goes. The medium is let
 * go earlier, see mp_scsi_uses().
 */
#include <errno.h>
#include <stdlib.h>

#include "base/err.h"
#include "scsi-target/bus.h"

static bool is_needed(const struct mp_scsi_bus *bus, const struct mp_scsi_lun *lun)
{
	if (mp_job_in_flight(lun))
		return true;
	/* The side of a free task may point to a unit that is long gone, or to another one in its place. */
	for (unsigned int i = 0; i < bus->n_tasks; i++)
		if (bus->tasks[i].state != MP_SCSI_FREE && bus->sides[i].lun == lun)
			return true;
	return false;
}

void mp_bus_bury(struct mp_scsi_bus *bus)
{
	struct mp_scsi_lun **at = &bus->leaving, *lun;

	while ((lun = *at)) {
		if (is_needed(bus, lun)) {
			at = &lun->next;
			continue;
		}
		*at = lun->next;
		free(lun);
	}
}

static void unlink_unit(struct mp_scsi_bus *bus, struct mp_scsi_lun *lun)
{
	struct mp_scsi_lun **at = &bus->luns;

	while (*at != lun)
		at = &(*at)->next;
	*at = lun->next;
	bus->by_id[lun->target][lun->lun] = NULL;
	lun->next = bus->leaving;
	bus->leaving = lun;
}

int mp_scsi_unit_remove(struct mp_scsi_bus *bus, unsigned int target, unsigned int lun)
{
	struct mp_scsi_lun *l = mp_bus_lun(bus, target, lun);

	if (l->absent)
		return mp_err_origin(-ENOENT);
	unlink_unit(bus, l);
	mp_lun_siblings_changed(bus, l);
	mp_manage_evict(bus, l);
	/* Now: the end of a job would end the command that waits for it in good order. */
	mp_job_stop(l);
	mp_bus_bury(bus);
	return 0;
}

bool mp_scsi_uses(const struct mp_scsi_bus *bus, const struct mp_blk *blk)
{
	for (unsigned int i = 0; i < bus->n_tasks; i++) {
		uint8_t state = bus->tasks[i].state;

		if ((state == MP_SCSI_MEDIUM || state == MP_SCSI_ABORTING) &&
		    bus->sides[i].req.blk == blk)
			return true;
	}
	for (const struct mp_scsi_lun *lun = bus->luns; lun; lun = lun->next)
		if (lun->blk == blk && mp_job_in_flight(lun))
			return true;
	for (const struct mp_scsi_lun *lun = bus->leaving; lun; lun = lun->next)
		if (lun->blk == blk && mp_job_in_flight(lun))
			return true;
	return false;
}
