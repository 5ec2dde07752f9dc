/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A logical unit: how it comes to the bus, and what a reset makes of it.
 *
 * A reset undoes what commands have changed and nothing else: who the unit is
 * and where its blocks are was said when it was added.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include "scsi-target/bus.h"

/* SIMPLE tasks in any order, errors end one task, aborts are silent: as on most disks. */
const struct mp_scsi_control mp_control_default = {.qam = 1};

void mp_lun_reset(struct mp_scsi_lun *lun)
{
	lun->control = mp_control_default;
	mp_mode_reset(lun); /* the write cache among others */
	lun->stopped = false;
	lun->prevented = false;
	mp_cd_reset(lun);
	mp_reserve_reset(lun);
	lun->has_sense = 0;
}

/* Only who knows the target already will hear of it. */
void mp_lun_siblings_changed(struct mp_scsi_bus *bus, const struct mp_scsi_lun *lun)
{
	for (struct mp_scsi_lun *other = bus->luns; other; other = other->next)
		if (other->target == lun->target)
			mp_lun_attention(other, MP_UA_LUNS_CHANGED, MP_NOBODY);
}

void mp_lun_add(struct mp_scsi_bus *bus, struct mp_scsi_lun *lun)
{
	mp_bus_bury(bus);
	lun->ops = bus->ops_of[lun->type];
	mp_mode_init(lun);
	mp_lun_reset(lun);
	mp_lun_attention(lun, MP_UA_POWER_ON, MP_NOBODY);
	mp_lun_siblings_changed(bus, lun);
	lun->next = bus->luns;
	bus->luns = lun;
	bus->by_id[lun->target][lun->lun] = lun;
}

/* As SCSI has it: filled up with spaces, no NUL. */
static void pad(char *out, size_t len, const char *text, const char *otherwise)
{
	const char *from = text[0] ? text : otherwise;
	size_t n = strnlen(from, len);

	memset(out, ' ', len);
	memcpy(out, from, n);
}

void mp_lun_identify(struct mp_scsi_lun *lun, const struct mp_scsi_identity *id,
		     const char *product)
{
	pad(lun->vendor, sizeof(lun->vendor), id->vendor, MP_SCSI_VENDOR);
	pad(lun->product, sizeof(lun->product), id->product, product);
	pad(lun->revision, sizeof(lun->revision), id->revision, MP_SCSI_REVISION);
	memcpy(lun->serial, id->serial, sizeof(lun->serial) - 1);
	memcpy(lun->device_id, id->device_id, sizeof(lun->device_id) - 1);
	lun->wwn = id->wwn;
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
	mp_lun_identify(lun, &cfg->identity, MP_SCSI_DISK_PRODUCT);
	lun->removable = cfg->removable;
	lun->write_through = cfg->write_through;
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
