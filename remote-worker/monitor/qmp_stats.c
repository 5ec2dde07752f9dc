/* SPDX-License-Identifier: BSD-3-Clause */
#include "remote-worker/monitor/qmp.h"

/*
 * The snapshot itself, without what other commands tell. It asks the worker, so
 * it may wait; out of band it does so beside the commands in order.
 */
json_t *mp_qmp_query_stats(struct mp_mon_call *call, const json_t *args)
{
	json_t *snapshot = mp_qmp_snapshot(call), *device, *unit, *disks, *entry;
	char room[64];
	size_t i;

	if (!snapshot)
		return NULL;
	json_array_foreach(mp_qmp_list(snapshot, "devices"), i, device)
		json_object_del(device, "config");
	disks = json_array();
	json_array_foreach(mp_qmp_list(snapshot, "units"), i, unit)
	{
		entry = json_pack("{s:s, s:s, s:i, s:i, s:O*}", "qdev", mp_qmp_qdev(unit, room),
				  "adapter", mp_qmp_text(unit, "device"), "scsi-id",
				  (int)mp_qmp_int(unit, "scsi-id"), "lun",
				  (int)mp_qmp_int(unit, "lun"), "stats",
				  json_object_get(json_object_get(unit, "medium"), "stats"));
		json_array_append_new(disks, entry);
	}
	json_object_del(snapshot, "units");
	json_object_set_new(snapshot, "disks", disks);
	return snapshot;
}
