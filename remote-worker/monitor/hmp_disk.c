/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Disks and drives that people add and take away, as options of a command line. A
 * drive without a disk is an option of the line (line.h) and no more; it is opened
 * when a disk takes it.
 */
#include "remote-worker/monitor/qmp.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/err.h"
#include "remote-worker/options/id.h"
#include "remote-worker/options/keyval.h"
#include "remote-worker/options/node.h"

#define ERROR_LEN 2048

static void fail(struct mp_mon_call *call, const char *what, const char *about)
{
	mp_mon_fail(call, MP_MON_GENERIC, "%s%s", what, about);
}

/* The options as an object of text; what QMP's command takes. NULL after a failure. */
static json_t *options(struct mp_mon_call *call, const char *text, const char *implied_key,
		       bool nested)
{
	MP_CLEANUP(mp_keyval_fini) struct mp_keyval kv = MP_KEYVAL_NULL;
	json_t *args = json_object();
	int r = args ? mp_keyval_parse(text, implied_key, &kv) : -ENOMEM;

	for (unsigned int i = 0; r == 0 && i < kv.n; i++)
		r = nested ? mp_node_set(args, kv.item[i].key, kv.item[i].value)
			   : mp_node_put_text(args, kv.item[i].key, kv.item[i].value);
	if (r == 0 && nested)
		r = mp_node_fold_lists(args);
	if (r == 0)
		return args;
	json_decref(args);
	fail(call, "Invalid options: ", text);
	return NULL;
}

void mp_hmp_device_add(struct mp_mon_call *call, const json_t *args, struct mp_mon_buf *out)
{
	json_t *device = options(call, mp_qmp_text(args, "device"), "driver", false);

	if (device && !*mp_qmp_text(device, "driver"))
		fail(call, "Parameter 'driver' is missing", "");
	else if (device)
		json_decref(mp_qmp_device_add(call, device));
	json_decref(device);
}

static bool is_used(const json_t *snapshot, const char *drive)
{
	json_t *unit;
	size_t i;

	json_array_foreach(mp_qmp_list(snapshot, "units"), i,
			   unit) if (strcmp(mp_qmp_text(unit, "drive"), drive) == 0) return true;
	return false;
}

/* A file that isn't there is told at once, as of a node. */
static bool check_file(struct mp_mon_call *call, const struct mp_opt_drive *d)
{
	int fd;

	if (!d || d->kind != MP_DRIVE_RAW || !d->file)
		return true;
	fd = open(d->file, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	if (fd >= 0) {
		close(fd);
		return true;
	}
	mp_mon_fail(call, MP_MON_GENERIC, "Could not open '%s': %s", d->file, strerror(errno));
	return false;
}

/* As it would be with a disk that takes it. */
static bool check_drive(struct mp_mon_call *call, const char *option, const char *id)
{
	struct mp_hotplug *h = &((struct mp_monitor *)call->opaque)->hotplug;
	char device[128], error[ERROR_LEN];
	const char *const more[] = {"-drive", option, "-device", device, NULL};
	struct mp_cmdline *c;
	bool ok;

	snprintf(device, sizeof(device), MP_QMP_NOWHERE "%s", id);
	if (mp_line_try(&h->line, more, &c, error, sizeof(error)) < 0) {
		fail(call, error, "");
		return false;
	}
	ok = check_file(call, mp_cmdline_drive(c, &c->disk[c->n_disks - 1]));
	mp_line_forget(c);
	return ok;
}

static void add_drive(struct mp_mon_call *call, const char *option, struct mp_mon_buf *out)
{
	struct mp_hotplug *h = &((struct mp_monitor *)call->opaque)->hotplug;
	MP_CLEANUP(mp_keyval_fini) struct mp_keyval kv = MP_KEYVAL_NULL;
	const char *id = NULL;

	if (mp_keyval_parse(option, NULL, &kv) == 0)
		id = mp_keyval_get(&kv, "id");
	if (!id)
		fail(call, "id=NAME is missing: a disk's drive= names it", "");
	else if (!mp_id_is_wellformed(id))
		fail(call, "Parameter 'id' expects an identifier\n",
		     "Identifiers consist of letters, digits, '-', '.', '_', starting with a "
		     "letter.");
	else if (mp_line_has(&h->line, "-drive", "id", id))
		mp_mon_fail(call, MP_MON_GENERIC, "Duplicate ID '%s' for drive", id);
	else if (check_drive(call, option, id) && mp_line_add(&h->line, "-drive", option) == 0)
		mp_mon_printf(out, "OK\n");
}

/* Its errors have no "Error: " in front: scripts look for OK. */
static void say_plainly(struct mp_mon_call *call, struct mp_mon_buf *out)
{
	if (!call->error.is_set)
		return;
	mp_mon_printf(out, "%s\n", call->error.desc);
	call->error.is_set = false;
}

void mp_hmp_drive_add(struct mp_mon_call *call, const json_t *args, struct mp_mon_buf *out)
{
	const char *option = mp_qmp_text(args, "opts");
	json_t *node = NULL;

	if (!mp_qmp_bool(args, "node")) {
		add_drive(call, option, out);
	} else {
		node = options(call, option, NULL, true);
		if (node)
			json_decref(mp_qmp_blockdev_add(call, node));
		json_decref(node);
	}
	say_plainly(call, out);
}

void mp_hmp_drive_del(struct mp_mon_call *call, const json_t *args, struct mp_mon_buf *out)
{
	struct mp_hotplug *h = &((struct mp_monitor *)call->opaque)->hotplug;
	const char *id = mp_qmp_text(args, "id");
	json_t *snapshot = mp_qmp_snapshot(call);

	if (snapshot && is_used(snapshot, id))
		mp_mon_fail(call, MP_MON_GENERIC,
			    "Device '%s' is in use; it goes with its disk, by device_del", id);
	else if (snapshot && mp_line_remove(&h->line, "-drive", "id", id) == 0)
		mp_mon_fail(call, MP_MON_DEVICE_NOT_FOUND, "Device '%s' not found", id);
	json_decref(snapshot);
	say_plainly(call, out);
}
