/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The second pass: every name that the line has used must be one that it has
 * given, once. An object finds its adapter, a disk its drive, its bus and a free
 * place there. Whatever is left open gets its default here, after all that was
 * said: so the order of options makes no difference.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/err.h"
#include "monitor/unicode.h"
#include "remote-worker/options/blockdev.h"
#include "remote-worker/options/node.h"
#include "remote-worker/options/parser.h"
#include "remote-worker/options/unit_json.h"

static int find_hba(struct mp_parser *p, const char *id, size_t id_len)
{
	for (unsigned int i = 0; i < p->c->n_hbas; i++)
		if (strlen(p->c->hba[i].id) == id_len && memcmp(p->c->hba[i].id, id, id_len) == 0)
			return (int)i;
	return -ENOENT;
}

static int no_such_hba(struct mp_parser *p, const char *what, const char *id)
{
	char list[256];
	size_t n = 0;

	list[0] = '\0';
	for (unsigned int i = 0; i < p->c->n_hbas && n < sizeof(list); i++)
		n += (size_t)snprintf(list + n, sizeof(list) - n, "%s %s", i ? "," : "",
				      p->c->hba[i].id);
	return mp_parser_fail(p, "%s: no adapter '%s'; there are%s", what, id, n ? list : " none");
}

static bool has_socket(const struct mp_opt_hba *hba)
{
	return hba->fd >= 0 || hba->socket_path;
}

/* The adapter that an object names, or the next one without a socket. */
static int find_hba_for(struct mp_parser *p, const struct mp_parser_object *o)
{
	int i = 0;

	if (o->devid) {
		i = find_hba(p, o->devid, strlen(o->devid));
		if (i < 0)
			return no_such_hba(p, "-object x-remote-object,devid", o->devid);
		if (has_socket(&p->c->hba[i]))
			return mp_parser_fail(p, "adapter '%s' has two sockets", o->devid);
		return i;
	}
	while (i < (int)p->c->n_hbas && has_socket(&p->c->hba[i]))
		i++;
	if (i < (int)p->c->n_hbas)
		return i;
	if (o->path)
		return mp_parser_fail(p, "-listen %s: there is no adapter left for it", o->path);
	return mp_parser_fail(p,
			      "socket %u: there is no adapter left for it; each has one (early "
			      "versions of multi-process QEMU had a control and an MMIO socket)",
			      o->fd);
}

static int resolve_object(struct mp_parser *p, const struct mp_parser_object *o)
{
	struct mp_opt_hba *hba;
	int i = find_hba_for(p, o);

	if (i < 0)
		return mp_err_trace(i);
	for (unsigned int k = 0; k < p->c->n_hbas; k++) {
		hba = &p->c->hba[k];
		if (!o->path && hba->fd == (int)o->fd)
			return mp_parser_fail(p, "fd=%u is used twice", o->fd);
		if (o->path && hba->socket_path && strcmp(hba->socket_path, o->path) == 0)
			return mp_parser_fail(p, "two adapters listen on %s", o->path);
	}
	p->c->hba[i].socket_path = o->path;
	p->c->hba[i].fd = o->path ? -1 : (int)o->fd;
	return 0;
}

/*
 * What a service manager has opened for us, by systemd's rules: file 3 and those
 * behind it, if its note is for our process. They go to adapters without a socket.
 */
static void take_activation(struct mp_parser *p)
{
	const char *pid = getenv("LISTEN_PID"), *fds = getenv("LISTEN_FDS");
	uint64_t n = 0, v;

	if (!pid || !fds || mp_parse_uint(pid, 1, INT32_MAX, &v) < 0 || v != (uint64_t)getpid() ||
	    mp_parse_uint(fds, 1, MP_CMDLINE_MAX_HBAS, &n) < 0)
		return;
	v = 3;
	for (unsigned int i = 0; i < p->c->n_hbas && n > 0; i++) {
		if (has_socket(&p->c->hba[i]))
			continue;
		p->c->hba[i].fd = (int)v++;
		n--;
	}
}

static int resolve_hbas(struct mp_parser *p)
{
	int i, r = 0;

	if (p->c->n_hbas == 0)
		return mp_parser_fail(p, "no adapter; add -device lsi53c895a,id=lsi0");
	for (unsigned int k = 0; k < p->c->n_hbas; k++)
		if (find_hba(p, p->c->hba[k].id, strlen(p->c->hba[k].id)) != (int)k)
			return mp_parser_fail(p, "two adapters have the id '%s'", p->c->hba[k].id);
	for (unsigned int k = 0; r == 0 && k < p->n_objects; k++)
		r = resolve_object(p, &p->object[k]);
	for (unsigned int k = 0; r == 0 && k < p->n_stats; k++) {
		i = find_hba(p, p->stats[k].devid, strlen(p->stats[k].devid));
		if (i < 0)
			return no_such_hba(p, "--stats-fd", p->stats[k].devid);
		p->c->hba[i].stats_fd = (int)p->stats[k].fd;
	}
	take_activation(p);
	for (unsigned int k = 0; r == 0 && k < p->c->n_hbas; k++)
		if (!has_socket(&p->c->hba[k]))
			r = mp_parser_fail(p,
					   "adapter '%s' has no socket; add -object "
					   "x-remote-object,id=o%u,devid=%s,fd=N, or socket=PATH",
					   p->c->hba[k].id, k, p->c->hba[k].id);
	return r;
}

/* As QEMU names the bus of an adapter without a name: scsi.0, scsi.1 ... */
static int find_unnamed(struct mp_parser *p, const char *bus)
{
	uint64_t nth;

	if (strncmp(bus, "scsi.", 5) != 0 ||
	    mp_parse_uint(bus + 5, 0, MP_CMDLINE_MAX_HBAS, &nth) < 0)
		return -ENOENT;
	for (unsigned int i = 0; i < p->c->n_hbas; i++)
		if (p->c->hba[i].id[0] == '\0' && nth-- == 0)
			return (int)i;
	return -ENOENT;
}

static int resolve_bus(struct mp_parser *p, struct mp_opt_disk *d)
{
	const char *dot;
	int i;

	if (!d->bus)
		return 0;
	dot = strrchr(d->bus, '.');
	i = dot && strcmp(dot, ".0") == 0 ? find_hba(p, d->bus, (size_t)(dot - d->bus)) : -ENOENT;
	if (i < 0)
		i = find_unnamed(p, d->bus);
	if (i < 0)
		return mp_parser_fail(p, "%s: no bus '%s'; the bus of adapter '%s' is '%s.0'",
				      d->form, d->bus, p->c->hba[0].id, p->c->hba[0].id);
	d->hba = (unsigned int)i;
	return 0;
}

/* The drive that a disk wants: one of -drive, or a new one of a -blockdev. */
static int find_drive(struct mp_parser *p, const struct mp_opt_disk *d)
{
	json_t *node = json_object_get(p->c->nodes, d->drive);
	unsigned int i;

	for (i = 0; i < p->c->n_drives; i++)
		if (strcmp(p->c->drive[i].id, d->drive) == 0 || (node && p->top[i].node == node))
			return (int)i;
	if (!node)
		return mp_parser_fail(p, "%s: no drive '%s'; add -drive id=%s,file=NAME", d->form,
				      d->drive, d->drive);
	if (i == MP_CMDLINE_MAX_DISKS)
		return mp_parser_fail(p, "more than %u drives in one worker", MP_CMDLINE_MAX_DISKS);
	mp_drive_init(&p->c->drive[i]);
	p->top[i] = (struct mp_parser_top){.node = node};
	p->c->n_drives++;
	return (int)i;
}

static int resolve_drive(struct mp_parser *p, struct mp_opt_disk *d)
{
	struct mp_opt_drive *drive;
	int i;

	d->drive_no = MP_CMDLINE_NO_DRIVE;
	if (!d->drive)
		return 0;
	i = find_drive(p, d);
	if (i < 0)
		return mp_err_trace(i);
	drive = &p->c->drive[i];
	if (drive->used)
		return mp_parser_fail(p, "drive '%s' is used by two disks", d->drive);
	if (!p->top[i].node && !d->is_cd)
		return mp_parser_fail(p,
				      "-drive id=%s: file=NAME is missing; only a scsi-cd may go "
				      "without a medium",
				      drive->id);
	drive->used = true;
	drive->read_only |= d->is_cd;
	d->drive_no = (unsigned int)i;
	return 0;
}

/* What -device leaves to the drive. An empty scsi-cd has no drive to ask. */
void mp_disk_inherit(struct mp_opt_disk *d, const struct mp_opt_drive *drive)
{
	bool is_auto = !d->write_cache || strcmp(d->write_cache, "auto") == 0;

	if (strcmp(d->rerror, "auto") == 0)
		d->rerror = drive ? drive->rerror : "report";
	if (strcmp(d->werror, "auto") == 0)
		d->werror = drive ? drive->werror : "enospc";
	d->write_through = is_auto ? drive && drive->write_through
				   : strcmp(d->write_cache, "off") == 0;
}

static void resolve_policy(struct mp_parser *p, struct mp_opt_disk *d)
{
	mp_disk_inherit(d, d->drive_no == MP_CMDLINE_NO_DRIVE ? NULL : &p->c->drive[d->drive_no]);
}

static bool place_taken(const struct mp_cmdline *c, const struct mp_opt_disk *d, uint32_t id)
{
	for (unsigned int i = 0; i < c->n_disks; i++)
		if (&c->disk[i] != d && c->disk[i].hba == d->hba && c->disk[i].scsi_id == id &&
		    c->disk[i].lun == d->lun)
			return true;
	return false;
}

static int resolve_place(struct mp_parser *p, struct mp_opt_disk *d)
{
	if (d->scsi_id == MP_PARSER_NO_ID) {
		for (d->scsi_id = 0; d->scsi_id < 16; d->scsi_id++)
			if (d->scsi_id != 7 && !place_taken(p->c, d, d->scsi_id))
				return 0;
		return mp_parser_fail(p, "%s: no free scsi-id on bus '%s.0'", d->form,
				      p->c->hba[d->hba].id);
	}
	if (place_taken(p->c, d, d->scsi_id))
		return mp_parser_fail(p, "two disks have scsi-id=%u,lun=%u on bus '%s.0'",
				      d->scsi_id, d->lun, p->c->hba[d->hba].id);
	return 0;
}

/* One engine serves all drives of a worker, so they can't differ in aio. */
static int resolve_aio(struct mp_parser *p)
{
	enum mp_blk_aio aio;

	for (unsigned int i = 0; i < p->c->n_drives; i++) {
		if (!p->c->drive[i].aio || p->c->drive[i].kind != MP_DRIVE_RAW)
			continue;
		aio = strcmp(p->c->drive[i].aio, "threads") == 0 ? MP_BLK_AIO_THREADS
								 : MP_BLK_AIO_URING;
		if (p->c->aio != MP_BLK_AIO_AUTO && p->c->aio != aio)
			return mp_parser_fail(
				p,
				"drive '%s': aio=%s differs from what another option says; "
				"one worker has one kind",
				mp_opt_drive_name(&p->c->drive[i]), p->c->drive[i].aio);
		p->c->aio = aio;
	}
	return 0;
}

/* -- drives ------------------------------------------------------------------ */

/* Has another drive this name, or will it have it? Or a node of -blockdev? */
static bool name_taken(struct mp_parser *p, const struct mp_opt_drive *d, const char *name)
{
	for (unsigned int i = 0; i < p->c->n_drives; i++)
		if (&p->c->drive[i] != d &&
		    (strcmp(p->c->drive[i].id, name) == 0 ||
		     (p->c->drive[i].node_name && strcmp(p->c->drive[i].node_name, name) == 0)))
			return true;
	return json_object_get(p->c->nodes, name) != NULL;
}

/* Its id, if that can be a name; else one that is free. */
static int make_name(struct mp_parser *p, struct mp_opt_drive *d)
{
	char *name = NULL;

	if (mp_node_name_is_valid(d->id) && !name_taken(p, d, d->id)) {
		d->node_name = d->id;
		return 0;
	}
	for (unsigned int i = 0; !d->node_name; i++) {
		if (asprintf(&name, "drive%u", i) < 0 || mp_texts_take(p->texts, name) < 0)
			return mp_err_origin(-ENOMEM);
		if (!name_taken(p, d, name))
			d->node_name = name;
	}
	return 0;
}

/* A -drive's node is ours to complete; a -blockdev's stays as it was given. */
static int complete(struct mp_parser *p, struct mp_opt_drive *d, json_t *node)
{
	const char *name = mp_node_text(node, "node-name");
	int r = 0;

	if (!d->node_name)
		d->node_name = name;
	if (d->node_name && name_taken(p, d, d->node_name))
		return mp_parser_fail(p, "two block nodes have the name '%s'", d->node_name);
	if (!d->node_name)
		r = make_name(p, d);
	if (r == 0 && node)
		r = mp_node_put_text(node, "node-name", d->node_name);
	if (r == 0 && node && d->read_only)
		r = mp_node_put(node, "read-only", json_true());
	return mp_err_trace(r);
}

/* Whose group has no name has a group of his own, by QEMU's name for it. */
static int check_limits(struct mp_parser *p, struct mp_opt_drive *d)
{
	const struct mp_blk_throttle t = mp_throttle_of(&d->throttle);
	const char *why;

	if (!d->throttle.group)
		d->throttle.group = mp_opt_drive_name(d);
	if (mp_throttle_check(&t, &why) < 0)
		return mp_parser_fail(p, "drive '%s': %s", mp_opt_drive_name(d), why);
	return 0;
}

int mp_drive_finish(struct mp_parser *p, struct mp_opt_drive *d, const struct mp_parser_top *top)
{
	bool is_node = top->node && d->id[0] == '\0';
	int r = is_node ? 0 : complete(p, d, top->node);

	if (r == 0 && top->node)
		r = mp_drive_of_node(p, top->node, top->objects, d);
	if (r == 0 && d->nbd.export_name && !mp_utf8_is_valid(d->nbd.export_name))
		return mp_parser_fail(
			p, "drive '%s': the export's name '%s' isn't UTF-8, as NBD's are",
			mp_opt_drive_name(d), d->nbd.export_name);
	return r == 0 ? mp_err_trace(check_limits(p, d)) : mp_err_trace(r);
}

/* What nobody uses must make sense, too: a monitor may want it later. */
static int check_nodes(struct mp_parser *p)
{
	struct mp_opt_drive scratch;
	const char *name;
	json_t *node;
	int r;

	json_object_foreach(p->c->nodes, name, node)
	{
		mp_drive_init(&scratch);
		r = mp_drive_of_node(p, node, NULL, &scratch);
		if (r < 0)
			return mp_err_trace(r);
	}
	return 0;
}

static int resolve_ids(struct mp_parser *p)
{
	const struct mp_opt_drive *drive = p->c->drive;

	for (unsigned int i = 0; i < p->c->n_drives; i++) {
		if (json_object_get(p->c->nodes, drive[i].id))
			return mp_parser_fail(p, "a drive and a block node are both called '%s'",
					      drive[i].id);
		for (unsigned int k = 0; k < i; k++)
			if (strcmp(drive[i].id, drive[k].id) == 0)
				return mp_parser_fail(p, "two drives have the id '%s'",
						      drive[i].id);
	}
	return 0;
}

int mp_parser_resolve(struct mp_parser *p)
{
	int r = resolve_hbas(p);

	if (r == 0)
		r = resolve_ids(p);
	if (r == 0)
		r = check_nodes(p);
	for (unsigned int i = 0; r == 0 && i < p->c->n_disks; i++)
		r = resolve_bus(p, &p->c->disk[i]);
	for (unsigned int i = 0; r == 0 && i < p->c->n_disks; i++) {
		r = resolve_drive(p, &p->c->disk[i]);
		if (r == 0)
			r = resolve_place(p, &p->c->disk[i]);
	}
	for (unsigned int i = 0; r == 0 && i < p->c->n_drives; i++)
		r = mp_drive_finish(p, &p->c->drive[i], &p->top[i]);
	for (unsigned int i = 0; r == 0 && i < p->c->n_disks; i++)
		resolve_policy(p, &p->c->disk[i]);
	if (r == 0)
		r = resolve_aio(p);
	if (r == 0 && p->c->poll == MP_IDLE_BUSY && mp_cmdline_daemons_beside(p->c))
		r = mp_parser_warn(p,
				   "--poll busy: the polling thread never leaves CPU %d to the "
				   "storage daemons; --storage-daemon-cpu names another, "
				   "--poll adaptive gives way",
				   p->c->cpu);
	return r == 0 ? mp_parser_resolve_monitors(p) : mp_err_trace(r);
}
