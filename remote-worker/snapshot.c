/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What another thread may read at any time (counters pages, histograms, block
 * statistics) is read where the JSON is made. The rest is copied on the core,
 * into memory that was there before. Disks and media only come and go by the
 * control thread's own doing, so what they point to stays while it reads.
 */
#include "remote-worker/snapshot.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/err.h"
#include "monitor/unicode.h"
#include "remote-worker/core.h"
#include "remote-worker/options/unit_json.h"

#define CONFIG_BYTES 64u /* the header; what lies behind it the chip doesn't have */

struct device_copy {
	bool attached, broken, stalled, halted, io_stopped, paused, irq;
	uint8_t config[CONFIG_BYTES];
};

struct unit_copy {
	bool tray_open, locked, read_only, write_cache;
	uint64_t size_bytes, block_bytes;
	struct mp_blk_throttle throttle;
	char group[MP_THROTTLE_NAME_MAX + 1];
};

struct copy {
	bool stopped, prelaunch;
	uint64_t n_turns, n_idle_turns, n_sleeps, cpu_ns, n_enters, n_requests;
	bool is_threads;
	struct device_copy device[MP_CMDLINE_MAX_HBAS];
	struct unit_copy unit[MP_CORE_UNITS];
};

/* -- on the core ------------------------------------------------------------ */

static void copy_device(const struct mp_device *d, struct device_copy *c)
{
	c->attached = d->front != NULL;
	c->broken = d->front && d->front->broken;
	c->stalled = d->front && d->front->stalled;
	c->halted = d->halted;
	c->io_stopped = d->io_stopped != 0;
	c->paused = d->holds & MP_HOLD_PROXY;
	c->irq = mp_lsi_irq_level(&d->lsi) != 0;
	memcpy(c->config, d->config.value, sizeof(c->config));
}

static void copy_unit(const struct mp_core *core, const struct mp_unit *u, struct unit_copy *c)
{
	const struct mp_opt_disk *disk = u->disk;
	const struct mp_scsi_bus *bus = core->device[disk->hba].bus;
	const char *group;

	c->write_cache = disk->is_cd ? !disk->write_through
				     : mp_scsi_disk_write_cache(bus, disk->scsi_id, disk->lun);
	if (disk->is_cd) {
		c->tray_open = mp_scsi_cd_tray_open(bus, disk->scsi_id, disk->lun);
		c->locked = mp_scsi_cd_is_locked(bus, disk->scsi_id, disk->lun);
	}
	if (!u->medium)
		return;
	c->size_bytes = mp_blk_size_bytes(u->medium->blk);
	c->block_bytes = mp_blk_block_bytes(u->medium->blk);
	c->read_only = mp_blk_read_only(u->medium->blk);
	c->throttle = *mp_blk_throttle(u->medium->blk, &group);
	snprintf(c->group, sizeof(c->group), "%s", group ? group : "");
}

static void copy_all(struct mp_core *core, void *opaque)
{
	struct copy *c = opaque;

	c->stopped = core->stopped;
	c->prelaunch = core->prelaunch;
	c->n_turns = core->n_turns;
	c->n_idle_turns = core->n_idle_turns;
	c->n_sleeps = core->n_sleeps;
	c->cpu_ns = core->cpu_ns;
	c->n_enters = mp_blk_engine_n_enters(core->engine);
	c->n_requests = mp_blk_engine_n_requests(core->engine);
	c->is_threads = mp_blk_engine_is_threads(core->engine);
	for (unsigned int i = 0; i < core->cmd->n_hbas; i++)
		copy_device(&core->device[i], &c->device[i]);
	for (unsigned int i = 0; i < MP_CORE_UNITS; i++)
		if (core->unit[i].disk)
			copy_unit(core, &core->unit[i], &c->unit[i]);
}

/* -- on the control thread ---------------------------------------------------- */

static json_t *number(uint64_t v)
{
	return json_integer((json_int_t)v);
}

static json_t *hist(const struct mp_hist *h)
{
	json_t *a = json_array();
	unsigned int n = MP_HIST_BUCKETS;

	while (n > 0 && mp_hist_get(h, n - 1) == 0)
		n--;
	for (unsigned int i = 0; i < n; i++)
		json_array_append_new(a, number(mp_hist_get(h, i)));
	return a;
}

static json_t *counters(const struct mp_device *d)
{
	const struct mp_stat_page *page = mp_stat_page(&d->stats);
	json_t *j = json_object();

	for (unsigned int i = 0; page && i < MP_STAT_COUNT; i++)
		json_object_set_new(j, mp_stat_desc[i].name,
				    number(mp_stat_get(page, (enum mp_stat_id)i)));
	return j;
}

static json_t *device(const struct mp_device *d, const struct device_copy *c)
{
	const struct mp_scsi_stages *s = mp_scsi_bus_stages(d->bus);
	char hex[2 * CONFIG_BYTES + 1];

	for (unsigned int i = 0; i < CONFIG_BYTES; i++)
		snprintf(hex + (size_t)2 * i, 3, "%02x", c->config[i]);
	return json_pack("{s:s, s:b, s:b, s:b, s:b, s:b, s:b, s:b, s:s, s:o, s:{s:o, s:o, s:o}}",
			 "id", d->id, "attached", c->attached, "broken", c->broken, "stalled",
			 c->stalled, "halted", c->halted, "io-stopped", c->io_stopped, "paused",
			 c->paused, "irq", c->irq, "config", hex, "counters", counters(d), "stages",
			 "queue", hist(&s->queue), "block", hist(&s->block), "command",
			 hist(&s->command));
}

static json_t *kind_stats(const struct mp_blk_kind_stats *k)
{
	return json_pack("{s:o, s:o, s:o, s:o, s:o, s:o}", "ops", number(mp_count_get(&k->n_ops)),
			 "bytes", number(mp_count_get(&k->n_bytes)), "failed",
			 number(mp_count_get(&k->n_failed)), "invalid",
			 number(mp_count_get(&k->n_invalid)), "ns",
			 number(mp_count_get(&k->total_ns)), "latency", hist(&k->latency));
}

static json_t *blk_stats(const struct mp_blk *blk)
{
	const struct mp_blk_stats *s = mp_blk_stats(blk);

	return json_pack("{s:o, s:o, s:o, s:o, s:o}", "read",
			 kind_stats(&s->kind[MP_BLK_KIND_READ]), "write",
			 kind_stats(&s->kind[MP_BLK_KIND_WRITE]), "flush",
			 kind_stats(&s->kind[MP_BLK_KIND_FLUSH]), "unmap",
			 kind_stats(&s->kind[MP_BLK_KIND_UNMAP]), "write-end",
			 number(mp_count_get(&s->write_end)));
}

static const char *kind_name(enum mp_drive_kind kind)
{
	static const char *const names[] = {[MP_DRIVE_RAW] = "raw",
					    [MP_DRIVE_NULL] = "null",
					    [MP_DRIVE_NBD] = "nbd",
					    [MP_DRIVE_DAEMON] = "daemon"};

	return names[kind];
}

static json_t *medium(const struct mp_medium *m, const struct unit_copy *c)
{
	const struct mp_opt_drive *d = m->drive;
	const struct mp_blk_open how = mp_cmdline_blk_open(d);
	struct mp_opt_throttle limits = mp_throttle_opt_of(&c->throttle);
	uint64_t idle_ns;
	json_t *j;

	limits.group = c->group[0] ? c->group : NULL;
	j = json_pack("{s:s, s:s, s:o*, s:s, s:o, s:o, s:b, s:s, s:b, s:b, s:b, s:s, s:o, s:o}",
		      "drive", d->id, "node", d->node_name, "file", mp_utf8_json(d->file), "kind",
		      kind_name(d->kind), "size", number(c->size_bytes), "block-size",
		      number(c->block_bytes), "read-only", c->read_only, "cache", d->cache,
		      "direct", how.cache_direct, "no-flush", how.no_flush, "discard", how.discard,
		      "detect-zeroes", d->detect_zeroes, "stats", blk_stats(m->blk), "throttle",
		      mp_throttle_to_json(&limits));
	if (j && mp_blk_idle_ns(m->blk, &idle_ns))
		json_object_set_new(j, "idle-ns", number(idle_ns));
	return j;
}

static json_t *unit(const struct mp_core *core, unsigned int i, const struct unit_copy *c)
{
	const struct mp_unit *u = &core->unit[i];
	const struct mp_opt_disk *d = u->disk;
	json_t *j;

	j = json_pack("{s:i, s:i, s:s, s:s, s:s*, s:i, s:i, s:b, s:b, s:b, s:b, s:b, s:b, s:o}",
		      "unit", (int)i, "hba", (int)d->hba, "device", core->cmd->hba[d->hba].id, "id",
		      d->id, "drive", d->drive, "scsi-id", (int)d->scsi_id, "lun", (int)d->lun,
		      "cd", d->is_cd, "removable", d->is_cd || d->removable, "leaving", u->leaving,
		      "tray-open", c->tray_open, "locked", c->locked, "write-cache", c->write_cache,
		      "medium", u->medium ? medium(u->medium, c) : json_null());
	if (!j)
		return NULL;
	json_object_update_new(
		j, json_pack("{s:s, s:s, s:o, s:o, s:o, s:o, s:o, s:o}", "rerror", d->rerror,
			     "werror", d->werror, "serial", mp_utf8_json(d->serial), "vendor",
			     mp_utf8_json(d->vendor), "product", mp_utf8_json(d->product),
			     "version", mp_utf8_json(d->version), "wwn", number(d->wwn),
			     "logical-block-size", number(d->logical_bytes)));
	return j;
}

static const char *status(const struct mp_core *core, const struct copy *c)
{
	for (unsigned int i = 0; i < core->cmd->n_hbas; i++)
		if (c->device[i].io_stopped)
			return "io-error";
	return c->prelaunch ? "prelaunch" : c->stopped ? "paused" : "running";
}

json_t *mp_snapshot_take(struct mp_worker *w)
{
	MP_CLEANUP_FREE struct copy *c = calloc(1, sizeof(*c));
	const struct mp_core *core = mp_worker_core(w);
	json_t *devices = json_array(), *units = json_array();

	if (!c)
		return NULL;
	mp_worker_run(w, copy_all, c);
	for (unsigned int i = 0; i < core->cmd->n_hbas; i++)
		json_array_append_new(devices, device(&core->device[i], &c->device[i]));
	for (unsigned int i = 0; i < MP_CORE_UNITS; i++)
		if (core->unit[i].disk)
			json_array_append_new(units, unit(core, i, &c->unit[i]));
	return json_pack("{s:s, s:{s:o, s:o, s:o, s:o, s:o}, s:{s:s, s:o, s:o}, s:o, s:o}",
			 "status", status(core, c), "turns", "total", number(c->n_turns), "idle",
			 number(c->n_idle_turns), "sleeps", number(c->n_sleeps), "cpu-ns",
			 number(c->cpu_ns), "busy", hist(mp_worker_turns(w)), "engine", "backend",
			 c->is_threads ? "threads" : "io_uring", "enters", number(c->n_enters),
			 "requests", number(c->n_requests), "devices", devices, "units", units);
}
