/* SPDX-License-Identifier: BSD-3-Clause */
#include "remote-worker/monitor/hotplug.h"

#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include "remote-worker/monitor/qmp.h"
#include "remote-worker/options/unit_json.h"

#define ERROR_LEN 2048

int mp_hotplug_init(struct mp_hotplug *h, int argc, char *const argv[])
{
	*h = (struct mp_hotplug){.sup = NULL};
	pthread_mutex_init(&h->lock, NULL);
	return mp_err_trace(mp_line_init(&h->line, argc, argv));
}

static void close_live(struct mp_hotplug *h, struct mp_live *live)
{
	if (live->drive)
		mp_supervisor_close(h->sup, &live->opened);
	mp_line_forget(live->cmd);
	free(live);
}

void mp_hotplug_fini(struct mp_hotplug *h)
{
	struct mp_live *live;

	while ((live = h->live)) {
		h->live = live->next;
		close_live(h, live);
	}
	mp_line_fini(&h->line);
	pthread_mutex_destroy(&h->lock);
}

struct mp_live *mp_hotplug_open(struct mp_mon_call *call, const char *const more[])
{
	struct mp_hotplug *h = &((struct mp_monitor *)call->opaque)->hotplug;
	struct mp_live *live = calloc(1, sizeof(*live));
	char error[ERROR_LEN];

	if (!live)
		return NULL;
	if (mp_line_try(&h->line, more, &live->cmd, error, sizeof(error)) < 0) {
		free(live);
		return mp_mon_fail(call, MP_MON_GENERIC, "%s", error);
	}
	mp_assert(live->cmd->n_disks > 0);
	live->drive = mp_cmdline_drive(live->cmd, &live->cmd->disk[live->cmd->n_disks - 1]);
	if (live->drive &&
	    mp_supervisor_open(h->sup, live->drive, &live->opened, error, sizeof(error)) < 0) {
		mp_line_forget(live->cmd);
		free(live);
		return mp_mon_fail(call, MP_MON_GENERIC, "%s", error);
	}
	return live;
}

void mp_hotplug_abandon(struct mp_hotplug *h, struct mp_live *live)
{
	if (live)
		close_live(h, live);
}

void mp_hotplug_gone(struct mp_hotplug *h, json_int_t unit)
{
	pthread_mutex_lock(&h->lock);
	for (struct mp_live *live = h->live; live; live = live->next)
		if (live->unit == unit)
			live->over = true;
	pthread_mutex_unlock(&h->lock);
}

void mp_hotplug_keep(struct mp_hotplug *h, struct mp_live *live, json_int_t unit)
{
	mp_hotplug_gone(h, unit);
	mp_opened_close_fds(&live->opened);
	live->unit = unit;
	pthread_mutex_lock(&h->lock);
	live->next = h->live;
	h->live = live;
	pthread_mutex_unlock(&h->lock);
}

static struct mp_live *take_over(struct mp_hotplug *h)
{
	struct mp_live **at = &h->live, *found;

	pthread_mutex_lock(&h->lock);
	while (*at && !(*at)->over)
		at = &(*at)->next;
	found = *at;
	if (found)
		*at = found->next;
	pthread_mutex_unlock(&h->lock);
	return found;
}

void mp_hotplug_sweep(struct mp_hotplug *h)
{
	struct mp_live *live;

	while ((live = take_over(h)))
		close_live(h, live);
}

json_t *mp_hotplug_call(struct mp_mon_call *call, const char *name, json_t *args,
			struct mp_live *live)
{
	if (live->drive) {
		json_object_set_new(args, "drive", mp_drive_to_json(live->drive));
		if (live->opened.args)
			json_object_set(args, "opened", live->opened.args);
	}
	return mp_qmp_worker_fds(call, name, args, live->drive ? &live->opened.fds : NULL);
}

bool mp_hotplug_has_drive(struct mp_hotplug *h, const char *id)
{
	bool found = false;

	pthread_mutex_lock(&h->lock);
	for (struct mp_live *live = h->live; live && !found; live = live->next)
		found = live->drive && strcmp(live->drive->id, id) == 0;
	pthread_mutex_unlock(&h->lock);
	return found;
}

const struct mp_opt_drive *mp_hotplug_drive(struct mp_hotplug *h, const char *node)
{
	const struct mp_opt_drive *drive = NULL;

	/* Only commands in order take something off the list, and this is one. */
	pthread_mutex_lock(&h->lock);
	for (struct mp_live *live = h->live; live && !drive; live = live->next)
		if (live->drive && strcmp(live->drive->node_name, node) == 0)
			drive = live->drive;
	pthread_mutex_unlock(&h->lock);
	return drive;
}
