/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * unit - a -device scsi-hd or scsi-cd of the command line becomes a unit on its
 * bus, with its medium open.
 */
#ifndef MP_REMOTE_WORKER_UNIT_H
#define MP_REMOTE_WORKER_UNIT_H

#include <stddef.h>

#include "remote-worker/cmdline.h"
#include "scsi-target/scsi.h"

struct mp_unit_place {
	const struct mp_cmdline *cmd;
	struct mp_blk_engine *engine;
	struct mp_scsi_bus *bus;
	char *error; /* on failure a sentence for the user */
	size_t error_len;
};

/**
 * mp_unit_create() - open the medium of a disk, add the unit
 * @disk:     of place->cmd
 * @ret_blk:  the medium, or NULL of an empty drive; the caller closes it, also after a failure
 *
 * Return: 0; negative errno.
 */
int mp_unit_create(const struct mp_unit_place *place, const struct mp_opt_disk *disk,
		   struct mp_blk **ret_blk);

#endif
