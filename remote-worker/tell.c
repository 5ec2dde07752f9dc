/* SPDX-License-Identifier: BSD-3-Clause */
#include "remote-worker/tell.h"

#include <errno.h>
#include <string.h>

#include "base/log.h"
#include "remote-worker/supervisor/rpc.h"

void mp_tell_tray(const struct mp_core *core, int sock, unsigned int unit, bool open)
{
	const struct mp_opt_disk *disk = core->unit[unit].disk;

	mp_rpc_event(sock, "tray-moved",
		     json_pack("{s:i, s:s, s:s, s:b}", "unit", (int)unit, "id", disk->id, "drive",
			       disk->drive ? disk->drive : "", "open", open));
}

static const char *action_name(enum mp_scsi_on_error action)
{
	return action == MP_SCSI_ON_ERROR_STOP     ? "stop"
	       : action == MP_SCSI_ON_ERROR_IGNORE ? "ignore"
						   : "report";
}

static void tell_error(struct mp_core *core, int sock, unsigned int hba,
		       const struct mp_scsi_io_error *e)
{
	const struct mp_unit *u = mp_core_unit_at(core, hba, e->target, e->lun);
	const struct mp_opt_drive *drive;

	if (!u)
		return;
	drive = u->medium ? u->medium->drive : NULL;
	mp_rpc_event(
		sock, "io-error",
		json_pack("{s:i, s:s, s:s, s:s, s:s, s:s, s:b, s:s}", "unit", (int)(u - core->unit),
			  "id", u->disk->id, "drive", drive ? drive->id : "", "node",
			  drive ? mp_opt_drive_node(drive) : "", "operation",
			  e->op == MP_BLK_READ ? "read" : "write", "action", action_name(e->action),
			  "nospace", e->error == -ENOSPC, "reason", strerror(-e->error)));
}

static void tell_lost(int sock, struct mp_medium *m)
{
	/* relaxed: the eventfd orders it; a bit that comes later rings again. */
	uint32_t lost = atomic_exchange_explicit(&m->lost, 0, memory_order_relaxed);

	for (unsigned int i = 0; lost; i++, lost >>= 1)
		if (lost & 1)
			mp_rpc_event(sock, "nbd-lost",
				     json_pack("{s:s, s:i}", "node", m->drive->node_name,
					       "connection", (int)i));
}

/* Flushes fail for as long as it is so, and the guest learns of it; here the user does. */
static void say_write_lost(struct mp_medium *m)
{
	/* relaxed: the eventfd orders it. */
	int error = atomic_exchange_explicit(&m->write_lost, 0, memory_order_relaxed);

	if (error)
		mp_error("drive %s: its server has lost writes that it had acknowledged, and "
			 "doesn't take them again: %s",
			 mp_opt_drive_name(m->drive), strerror(-error));
}

static void tell_event(struct mp_core *core, int sock, unsigned int hba, const struct mp_event *e)
{
	const struct mp_unit *u;

	switch (e->kind) {
	case MP_EVENT_IO_ERROR:
		tell_error(core, sock, hba, &e->error);
		if (e->error.action == MP_SCSI_ON_ERROR_STOP)
			mp_rpc_event(sock, "stopped", NULL);
		break;
	case MP_EVENT_TRAY:
		u = mp_core_unit_at(core, hba, e->tray.target, e->tray.lun);
		if (u)
			mp_tell_tray(core, sock, (unsigned int)(u - core->unit), e->tray.open);
		break;
	}
}

void mp_tell_news(struct mp_worker *w, int sock)
{
	struct mp_core *core = mp_worker_core(w);
	struct mp_event e;

	for (unsigned int i = 0; i < core->cmd->n_hbas; i++)
		while (mp_worker_take_event(w, i, &e))
			tell_event(core, sock, i, &e);
	for (unsigned int i = 0; i < MP_CORE_MEDIA; i++)
		if (core->medium[i].drive) {
			tell_lost(sock, &core->medium[i]);
			say_write_lost(&core->medium[i]);
		}
}
