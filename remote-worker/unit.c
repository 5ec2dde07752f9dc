/* SPDX-License-Identifier: BSD-3-Clause */
#include "remote-worker/unit.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/err.h"
#include "block/probe.h"

static int fail(const struct mp_unit_place *place, int r, const char *what, const char *why)
{
	snprintf(place->error, place->error_len, "%s: %s", what, why);
	return mp_err_origin(r);
}

static void copy_text(char *to, size_t len, const char *from)
{
	snprintf(to, len, "%s", from);
}

/* As QEMU does it: a unit without a serial number is told from others by its drive. */
static const char *name_of(const struct mp_opt_disk *disk)
{
	if (disk->device_id[0] || disk->serial[0] || !disk->drive)
		return disk->device_id;
	return disk->drive;
}

static struct mp_scsi_identity identity_of(const struct mp_opt_disk *disk)
{
	struct mp_scsi_identity id = {.wwn = disk->wwn};

	copy_text(id.vendor, sizeof(id.vendor), disk->vendor);
	copy_text(id.product, sizeof(id.product), disk->product);
	copy_text(id.revision, sizeof(id.revision), disk->version);
	copy_text(id.serial, sizeof(id.serial), disk->serial);
	copy_text(id.device_id, sizeof(id.device_id), name_of(disk));
	return id;
}

static enum mp_scsi_on_error on_error(const char *word)
{
	switch (word[0]) {
	case 's':
		return MP_SCSI_ON_ERROR_STOP;
	case 'i':
		return MP_SCSI_ON_ERROR_IGNORE;
	case 'e':
		return MP_SCSI_ON_ERROR_ENOSPC;
	default:
		return MP_SCSI_ON_ERROR_REPORT;
	}
}

static int check_format(const struct mp_unit_place *place, const struct mp_opt_drive *drive)
{
	const char *format;

	if (!drive->probed)
		return 0;
	format = mp_probe_file(drive->file);
	if (!format)
		return 0;
	snprintf(place->error, place->error_len,
		 "%s is a %s image, and a worker opens raw ones: convert it (qemu-img convert -O "
		 "raw), or add format=raw if the guest shall see the image file itself",
		 drive->file, format);
	return mp_err_origin(-EMEDIUMTYPE);
}

static int open_medium(const struct mp_unit_place *place, const struct mp_opt_disk *disk,
		       struct mp_blk **ret_blk)
{
	const struct mp_opt_drive *drive = mp_cmdline_drive(place->cmd, disk);
	struct mp_blk_open how;
	int r;

	*ret_blk = NULL;
	if (!drive)
		return 0;
	r = check_format(place, drive);
	if (r < 0)
		return mp_err_trace(r);
	how = mp_cmdline_blk_open(drive);
	how.read_only |= disk->is_cd;
	r = mp_blk_open(place->engine, &how, ret_blk, place->error, place->error_len);
	return mp_err_trace(r);
}

static int add_disk(const struct mp_unit_place *place, const struct mp_opt_disk *disk,
		    struct mp_blk *blk)
{
	struct mp_scsi_disk_cfg cfg = {.target = disk->scsi_id,
				       .lun = disk->lun,
				       .blk = blk,
				       .logical_bytes = disk->logical_bytes,
				       .physical_bytes = disk->physical_bytes,
				       .identity = identity_of(disk),
				       .removable = disk->removable,
				       .rerror = on_error(disk->rerror),
				       .werror = on_error(disk->werror)};
	int r = mp_scsi_disk_add(place->bus, &cfg);

	return r < 0 ? fail(place, r, disk->drive,
			    "the file doesn't fit the disk's block sizes: it needs whole "
			    "blocks, and at least one")
		     : 0;
}

static int add_cd(const struct mp_unit_place *place, const struct mp_opt_disk *disk,
		  struct mp_blk *blk)
{
	struct mp_scsi_cd_cfg cfg = {.target = disk->scsi_id,
				     .lun = disk->lun,
				     .blk = blk,
				     .identity = identity_of(disk),
				     .rerror = on_error(disk->rerror)};
	int r = mp_scsi_cd_add(place->bus, &cfg);

	return r < 0 ? fail(place, r, blk ? disk->drive : disk->form,
			    r == -EINVAL ? "the file is no disc: it needs at least one block of "
					   "2048 bytes"
					 : strerror(-r))
		     : 0;
}

int mp_unit_create(const struct mp_unit_place *place, const struct mp_opt_disk *disk,
		   struct mp_blk **ret_blk)
{
	int r = open_medium(place, disk, ret_blk);

	if (r < 0)
		return mp_err_trace(r);
	return disk->is_cd ? add_cd(place, disk, *ret_blk) : add_disk(place, disk, *ret_blk);
}
