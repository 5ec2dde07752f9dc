/* SPDX-License-Identifier: BSD-3-Clause */
#include "remote-worker/monitor/qmp.h"

#include <stdio.h>
#include <string.h>

#include "base/bytes.h"
#include "monitor/unicode.h"

/* Offsets in a configuration header. */
#define CFG_COMMAND      0x04u
#define CFG_BAR0         0x10u
#define CFG_SUBSYSTEM    0x2cu
#define CFG_IRQ          0x3cu
#define CFG_CLASS        0x0au

#define COMMAND_IO       0x1u
#define COMMAND_MEM      0x2u

#define N_BARS           3u
#define PCI_CLASS_SCSI   0x0100
#define SCSI_DESCRIPTION "SCSI controller"

json_t *mp_qmp_query_status(struct mp_mon_call *call, const json_t *args)
{
	json_t *snapshot = mp_qmp_snapshot(call), *value;
	const char *status = mp_qmp_text(snapshot, "status");

	if (!snapshot)
		return NULL;
	value = json_pack("{s:s, s:b, s:b}", "status", status, "singlestep", 0, "running",
			  strcmp(status, "running") == 0);
	json_decref(snapshot);
	return value;
}

json_t *mp_qmp_query_name(struct mp_mon_call *call, const json_t *args)
{
	const struct mp_monitor *m = call->opaque;

	return json_pack("{s:o*}", "name", mp_utf8_json(m->cmd->name));
}

json_t *mp_qmp_query_uuid(struct mp_mon_call *call, const json_t *args)
{
	const struct mp_monitor *m = call->opaque;

	return json_pack("{s:s}", "UUID",
			 m->cmd->uuid ? m->cmd->uuid : "00000000-0000-0000-0000-000000000000");
}

json_t *mp_qmp_query_kvm(struct mp_mon_call *call, const json_t *args)
{
	return json_pack("{s:b, s:b}", "enabled", 0, "present", 0);
}

json_t *mp_qmp_query_none(struct mp_mon_call *call, const json_t *args)
{
	return json_array();
}

/* -- PCI ---------------------------------------------------------------------- */

void mp_qmp_config(const json_t *device, unsigned char ret_bytes[MP_QMP_CONFIG_BYTES])
{
	const char *hex = mp_qmp_text(device, "config");
	unsigned int byte;

	memset(ret_bytes, 0, MP_QMP_CONFIG_BYTES);
	for (unsigned int i = 0; i < MP_QMP_CONFIG_BYTES; i++, hex += 2) {
		if (sscanf(hex, "%2x", &byte) != 1 || !hex[1])
			return;
		ret_bytes[i] = (unsigned char)byte;
	}
}

struct mp_qmp_region mp_qmp_region(const unsigned char config[MP_QMP_CONFIG_BYTES],
				   unsigned int bar)
{
	static const json_int_t sizes[N_BARS] = {256, 1024, 8192};
	struct mp_qmp_region r = {.is_io = bar == 0, .size = sizes[bar], .address = -1};
	uint32_t value = mp_get_le32(config + CFG_BAR0 + (size_t)4 * bar);
	uint16_t command = mp_get_le16(config + CFG_COMMAND);

	value &= ~(uint32_t)(r.size - 1);
	if (value != 0 && command & (r.is_io ? COMMAND_IO : COMMAND_MEM))
		r.address = value;
	return r;
}

static json_t *regions(const unsigned char *config)
{
	json_t *list = json_array(), *region;

	for (unsigned int i = 0; i < N_BARS; i++) {
		struct mp_qmp_region r = mp_qmp_region(config, i);

		region = json_pack("{s:i, s:I, s:I, s:s}", "bar", i, "size", r.size, "address",
				   r.address, "type", r.is_io ? "io" : "memory");
		if (!r.is_io)
			json_object_update_new(
				region, json_pack("{s:b, s:b}", "prefetch", 0, "mem_type_64", 0));
		json_array_append_new(list, region);
	}
	return list;
}

static json_t *pci_device(const json_t *device, size_t slot)
{
	unsigned char config[MP_QMP_CONFIG_BYTES];

	mp_qmp_config(device, config);
	return json_pack(
		"{s:i, s:i, s:i, s:s, s:i, s:i, s:{s:i, s:s}, s:{s:i, s:i, s:i, s:i}, s:o}", "bus",
		0, "slot", (int)slot, "function", 0, "qdev_id", mp_qmp_text(device, "id"), "irq",
		config[CFG_IRQ], "irq_pin", config[CFG_IRQ + 1], "class_info", "class",
		mp_get_le16(config + CFG_CLASS), "desc", SCSI_DESCRIPTION, "id", "vendor",
		mp_get_le16(config), "device", mp_get_le16(config + 2), "subsystem-vendor",
		mp_get_le16(config + CFG_SUBSYSTEM), "subsystem",
		mp_get_le16(config + CFG_SUBSYSTEM + 2), "regions", regions(config));
}

json_t *mp_qmp_query_pci(struct mp_mon_call *call, const json_t *args)
{
	json_t *snapshot = mp_qmp_snapshot(call), *device, *devices;
	size_t i;

	if (!snapshot)
		return NULL;
	devices = json_array();
	json_array_foreach(mp_qmp_list(snapshot, "devices"), i, device)
		json_array_append_new(devices, pci_device(device, i));
	json_decref(snapshot);
	return json_pack("[{s:i, s:o}]", "bus", 0, "devices", devices);
}
