/* SPDX-License-Identifier: BSD-3-Clause */
#include "remote-worker/monitor/qmp.h"

#include <string.h>

/* What matters of the worker's state to who stops it, or continues. */
struct state {
	bool running;
	bool is_qemus; /* it has stopped its machine for an I/O error of ours */
};

static int get_state(struct mp_mon_call *call, struct state *ret)
{
	json_t *snapshot = mp_qmp_snapshot(call), *device;
	size_t i;

	if (!snapshot)
		return -1;
	*ret = (struct state){.running = strcmp(mp_qmp_text(snapshot, "status"), "running") == 0};
	json_array_foreach(mp_qmp_list(snapshot, "devices"), i, device)
		ret->is_qemus |= json_is_true(json_object_get(device, "io-stopped")) &&
				 json_is_true(json_object_get(device, "paused"));
	json_decref(snapshot);
	return 0;
}

json_t *mp_qmp_stop(struct mp_mon_call *call, const json_t *args)
{
	struct state before;
	json_t *value;

	if (get_state(call, &before) < 0)
		return NULL;
	value = mp_qmp_worker(call, "stop", NULL);
	if (value && before.running)
		mp_mon_event(call->mon, "STOP", NULL);
	return mp_qmp_done(value);
}

static void forget_io_errors(struct mp_monitor *m)
{
	pthread_mutex_lock(&m->lock);
	memset(m->io_status, MP_IO_OK, sizeof(m->io_status));
	m->said_stop = false;
	pthread_mutex_unlock(&m->lock);
}

json_t *mp_qmp_cont(struct mp_mon_call *call, const json_t *args)
{
	struct state before;

	if (get_state(call, &before) < 0)
		return NULL;
	if (before.is_qemus)
		return mp_mon_fail(
			call, MP_MON_GENERIC,
			"An I/O error has stopped QEMU's machine: say cont at QEMU's monitor");
	/* Before the worker tries again, which may fail again. */
	forget_io_errors(call->opaque);
	/* And told before the STOP that may come of it. */
	if (!before.running)
		mp_mon_event(call->mon, "RESUME", NULL);
	return mp_qmp_done(mp_qmp_worker(call, "cont", NULL));
}

json_t *mp_qmp_system_reset(struct mp_mon_call *call, const json_t *args)
{
	json_t *value = mp_qmp_worker(call, "reset", NULL);

	if (value)
		mp_mon_event(
			call->mon, "RESET",
			json_pack("{s:b, s:s}", "guest", 0, "reason", "host-qmp-system-reset"));
	return mp_qmp_done(value);
}

/* There is no button here: whoever has the guest's ACPI does it. As QEMU's own remote. */
json_t *mp_qmp_system_powerdown(struct mp_mon_call *call, const json_t *args)
{
	mp_mon_event(call->mon, "POWERDOWN", NULL);
	return json_object();
}

json_t *mp_qmp_quit(struct mp_mon_call *call, const json_t *args)
{
	struct mp_monitor *m = call->opaque;

	mp_qmp_say_end(m, false, "host-qmp-quit");
	mp_rpc_tell(mp_supervisor_rpc(m->sup), "quit", NULL);
	return json_object();
}
