/* SPDX-License-Identifier: BSD-3-Clause */
/* What QEMU's monitor shows, in its lines: scripts read them. */
#include "remote-worker/monitor/qmp.h"

#include <inttypes.h>
#include <string.h>

#include "base/bytes.h"

static void info_status(struct mp_mon_call *call, const json_t *args, struct mp_mon_buf *out)
{
	json_t *v = mp_qmp_query_status(call, args);
	const char *status = mp_qmp_text(v, "status");

	if (!v)
		return;
	mp_mon_printf(out, "VM status: %s", mp_qmp_bool(v, "running") ? "running" : "paused");
	if (strcmp(status, "running") != 0 && strcmp(status, "paused") != 0)
		mp_mon_printf(out, " (%s)", status);
	mp_mon_printf(out, "\n");
	json_decref(v);
}

static void info_version(struct mp_mon_call *call, const json_t *args, struct mp_mon_buf *out)
{
	const struct mp_mon_version *v = mp_mon_version(call->mon);

	mp_mon_printf(out, "%u.%u.%u %s\n", v->major, v->minor, v->micro, v->package);
}

static void info_name(struct mp_mon_call *call, const json_t *args, struct mp_mon_buf *out)
{
	const struct mp_monitor *m = call->opaque;

	if (m->cmd->name)
		mp_mon_printf(out, "%s\n", m->cmd->name);
}

static void info_uuid(struct mp_mon_call *call, const json_t *args, struct mp_mon_buf *out)
{
	json_t *v = mp_qmp_query_uuid(call, args);

	mp_mon_printf(out, "%s\n", mp_qmp_text(v, "UUID"));
	json_decref(v);
}

static void info_kvm(struct mp_mon_call *call, const json_t *args, struct mp_mon_buf *out)
{
	mp_mon_printf(out, "kvm support: not compiled\n");
}

static void info_chardev(struct mp_mon_call *call, const json_t *args, struct mp_mon_buf *out)
{
	json_t *list = mp_mon_chardevs(call->mon), *c;
	size_t i;

	json_array_foreach(list, i, c) mp_mon_printf(
		out, "%s: filename=%s\n", mp_qmp_text(c, "label"), mp_qmp_text(c, "filename"));
	json_decref(list);
}

/* -- block ------------------------------------------------------------------------ */

static void print_throttle(struct mp_mon_buf *out, const json_t *in)
{
	static const char *const names[] = {
		"bps",         "bps_rd",      "bps_wr",    "bps_max", "bps_rd_max",
		"bps_wr_max",  "iops",        "iops_rd",   "iops_wr", "iops_max",
		"iops_rd_max", "iops_wr_max", "iops_size",
	};
	bool any = false;

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		any |= mp_qmp_int(in, names[i]) != 0;
	if (!any)
		return;
	mp_mon_printf(out, "    I/O throttling:  ");
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		mp_mon_printf(out, " %s=%" JSON_INTEGER_FORMAT, names[i], mp_qmp_int(in, names[i]));
	mp_mon_printf(out, " group=%s\n", mp_qmp_text(in, "group"));
}

static void print_medium(struct mp_mon_buf *out, const json_t *in)
{
	mp_mon_printf(out, ": %s (%s%s%s)\n", mp_qmp_text(in, "file"), mp_qmp_text(in, "drv"),
		      mp_qmp_bool(in, "ro") ? ", read-only" : "",
		      mp_qmp_bool(in, "encrypted") ? ", encrypted" : "");
}

static void print_details(struct mp_mon_buf *out, const json_t *in, bool verbose)
{
	const json_t *cache = json_object_get(in, "cache");

	mp_mon_printf(out, "    Cache mode:       %s%s%s\n",
		      mp_qmp_bool(cache, "writeback") ? "writeback" : "writethrough",
		      mp_qmp_bool(cache, "direct") ? ", direct" : "",
		      mp_qmp_bool(cache, "no-flush") ? ", ignore flushes" : "");
	if (json_object_get(in, "backing_file"))
		mp_mon_printf(
			out, "    Backing file:     %s (chain depth: %" JSON_INTEGER_FORMAT ")\n",
			mp_qmp_text(in, "backing_file"), mp_qmp_int(in, "backing_file_depth"));
	if (strcmp(mp_qmp_text(in, "detect_zeroes"), "off") != 0)
		mp_mon_printf(out, "    Detect zeroes:    %s\n", mp_qmp_text(in, "detect_zeroes"));
	print_throttle(out, in);
	if (verbose)
		mp_hmp_print_images(out, json_object_get(in, "image"));
}

static void print_block(struct mp_mon_buf *out, const json_t *b, bool verbose)
{
	const json_t *in = json_object_get(b, "inserted");
	const char *device = mp_qmp_text(b, "device"), *node = mp_qmp_text(in, "node-name");

	if (*device && *node)
		mp_mon_printf(out, "%s (%s)", device, node);
	else
		mp_mon_printf(out, "%s", *device ? device : *node ? node : mp_qmp_text(b, "qdev"));
	if (in)
		print_medium(out, in);
	else
		mp_mon_printf(out, ": [not inserted]\n");
	mp_mon_printf(out, "    Attached to:      %s\n", mp_qmp_text(b, "qdev"));
	if (mp_qmp_bool(b, "removable"))
		mp_mon_printf(out, "    Removable device: %slocked, tray %s\n",
			      mp_qmp_bool(b, "locked") ? "" : "not ",
			      mp_qmp_bool(b, "tray_open") ? "open" : "closed");
	if (json_object_get(b, "io-status") && strcmp(mp_qmp_text(b, "io-status"), "ok") != 0)
		mp_mon_printf(out, "    I/O status:       %s\n", mp_qmp_text(b, "io-status"));
	if (in)
		print_details(out, in, verbose);
}

static void info_nodes(struct mp_mon_call *call, const json_t *args, struct mp_mon_buf *out)
{
	json_t *list = mp_qmp_query_nodes(call, args), *in;
	size_t i;

	json_array_foreach(list, i, in)
	{
		mp_mon_printf(out, "%s%s", i ? "\n" : "", mp_qmp_text(in, "node-name"));
		print_medium(out, in);
		print_details(out, in, mp_qmp_bool(args, "verbose"));
	}
	json_decref(list);
}

static bool is_wanted(const json_t *b, const char *device)
{
	return !*device || strcmp(mp_qmp_text(b, "device"), device) == 0 ||
	       strcmp(mp_qmp_text(b, "qdev"), device) == 0;
}

static void info_block(struct mp_mon_call *call, const json_t *args, struct mp_mon_buf *out)
{
	json_t *list, *b;
	bool first = true;
	size_t i;

	if (mp_qmp_bool(args, "nodes")) {
		info_nodes(call, args, out);
		return;
	}
	list = mp_qmp_query_block(call, args);
	json_array_foreach(list, i, b)
	{
		if (!is_wanted(b, mp_qmp_text(args, "device")))
			continue;
		mp_mon_printf(out, "%s", first ? "" : "\n");
		print_block(out, b, mp_qmp_bool(args, "verbose"));
		first = false;
	}
	json_decref(list);
}

static void info_block_jobs(struct mp_mon_call *call, const json_t *args, struct mp_mon_buf *out)
{
	mp_mon_printf(out, "No active jobs\n");
}

static void info_blockstats(struct mp_mon_call *call, const json_t *args, struct mp_mon_buf *out)
{
	static const char *const names[] = {
		"rd_bytes",         "wr_bytes",         "rd_operations",    "wr_operations",
		"flush_operations", "wr_total_time_ns", "rd_total_time_ns", "flush_total_time_ns",
		"rd_merged",        "wr_merged",        "idle_time_ns",
	};
	json_t *list = mp_qmp_query_blockstats(call, args), *b;
	size_t i;

	json_array_foreach(list, i, b)
	{
		mp_mon_printf(out, "%s:", mp_qmp_text(b, "device"));
		for (size_t k = 0; k < sizeof(names) / sizeof(names[0]); k++)
			mp_mon_printf(out, " %s=%" JSON_INTEGER_FORMAT, names[k],
				      mp_qmp_int(json_object_get(b, "stats"), names[k]));
		mp_mon_printf(out, "\n");
	}
	json_decref(list);
}

/* -- pci, qtree --------------------------------------------------------------------- */

static void print_pci(struct mp_mon_buf *out, const json_t *device, size_t slot)
{
	unsigned char config[MP_QMP_CONFIG_BYTES];

	mp_qmp_config(device, config);
	mp_mon_printf(
		out,
		"  Bus  0, device %3zu, function 0:\n    SCSI controller: PCI device %04x:%04x\n"
		"      PCI subsystem %04x:%04x\n      IRQ %u, pin A\n",
		slot, mp_get_le16(config), mp_get_le16(config + 2), mp_get_le16(config + 0x2c),
		mp_get_le16(config + 0x2e), config[0x3c]);
	for (unsigned int bar = 0; bar < 3; bar++) {
		struct mp_qmp_region r = mp_qmp_region(config, bar);
		uint64_t at = (uint64_t)r.address, last = at + (uint64_t)r.size - 1;

		if (r.is_io)
			mp_mon_printf(out,
				      "      BAR%u: I/O at 0x%04" PRIx64 " [0x%04" PRIx64 "].\n",
				      bar, at, last);
		else
			mp_mon_printf(out,
				      "      BAR%u: 32 bit memory at 0x%08" PRIx64 " [0x%08" PRIx64
				      "].\n",
				      bar, at, last);
	}
	mp_mon_printf(out, "      id \"%s\"\n", mp_qmp_text(device, "id"));
}

static void info_pci(struct mp_mon_call *call, const json_t *args, struct mp_mon_buf *out)
{
	json_t *snapshot = mp_qmp_snapshot(call), *device;
	size_t i;

	json_array_foreach(mp_qmp_list(snapshot, "devices"), i, device) print_pci(out, device, i);
	json_decref(snapshot);
}

static void qtree_disk(struct mp_mon_buf *out, const json_t *unit)
{
	static const char *const texts[] = {"serial", "vendor", "product"};

	mp_mon_printf(out, "          dev: %s, id \"%s\"\n",
		      mp_qmp_bool(unit, "cd") ? "scsi-cd" : "scsi-hd", mp_qmp_text(unit, "id"));
	mp_mon_printf(out, "            drive = \"%s\"\n", mp_qmp_text(unit, "drive"));
	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++)
		mp_mon_printf(out, "            %s = \"%s\"\n", texts[i],
			      mp_qmp_identity(unit, texts[i]));
	mp_mon_printf(out, "            removable = %s\n",
		      mp_qmp_bool(unit, "removable") ? "true" : "false");
	mp_mon_printf(out,
		      "            wwn = %" JSON_INTEGER_FORMAT " (0x%" PRIx64 ")\n"
		      "            channel = 0 (0x0)\n",
		      mp_qmp_int(unit, "wwn"), (uint64_t)mp_qmp_int(unit, "wwn"));
	mp_mon_printf(out, "            scsi-id = %d (0x%x)\n            lun = %d (0x%x)\n",
		      (int)mp_qmp_int(unit, "scsi-id"), (unsigned int)mp_qmp_int(unit, "scsi-id"),
		      (int)mp_qmp_int(unit, "lun"), (unsigned int)mp_qmp_int(unit, "lun"));
}

static void qtree_adapter(struct mp_mon_buf *out, const json_t *device, size_t slot,
			  const json_t *units)
{
	const char *id = mp_qmp_text(device, "id");
	unsigned char config[MP_QMP_CONFIG_BYTES];
	json_t *unit;
	size_t i;

	mp_qmp_config(device, config);
	mp_mon_printf(out,
		      "      dev: lsi53c895a, id \"%s\"\n        addr = %02zx.0\n"
		      "        class SCSI controller, addr 00:%02zx.0, pci id %04x:%04x (sub "
		      "%04x:%04x)\n",
		      id, slot, slot, mp_get_le16(config), mp_get_le16(config + 2),
		      mp_get_le16(config + 0x2c), mp_get_le16(config + 0x2e));
	for (unsigned int bar = 0; bar < 3; bar++) {
		struct mp_qmp_region r = mp_qmp_region(config, bar);

		mp_mon_printf(out, "        bar %u: %s at 0x%" PRIx64 " [0x%" PRIx64 "]\n", bar,
			      r.is_io ? "i/o" : "mem", (uint64_t)r.address,
			      (uint64_t)r.address + (uint64_t)r.size - 1);
	}
	mp_mon_printf(out, "        bus: %s.0\n          type SCSI\n", id);
	json_array_foreach(units, i, unit) if (!mp_qmp_bool(unit, "leaving") &&
					       strcmp(mp_qmp_text(unit, "device"), id) == 0)
		qtree_disk(out, unit);
}

static void info_qtree(struct mp_mon_call *call, const json_t *args, struct mp_mon_buf *out)
{
	json_t *snapshot = mp_qmp_snapshot(call), *device;
	size_t i;

	if (!snapshot)
		return;
	mp_mon_printf(out, "bus: main-system-bus\n  type System\n  dev: remote-pcihost, id \"\"\n"
			   "    bus: remote-pci\n      type PCIE\n");
	json_array_foreach(mp_qmp_list(snapshot, "devices"), i, device)
		qtree_adapter(out, device, i, mp_qmp_list(snapshot, "units"));
	json_decref(snapshot);
}

const struct mp_mon_hmp_command mp_hmp_info[] = {
	{"block", "nodes:-n?,verbose:-v?,device:B?", "[-n] [-v] [device]",
	 "show info of one block device or all block devices (-n: show named nodes; -v: show "
	 "details)",
	 info_block, NULL},
	{"block-jobs", "", "", "show progress of ongoing block device operations", info_block_jobs,
	 NULL},
	{"blockstats", "", "", "show block device statistics", info_blockstats, NULL},
	{"chardev", "", "", "show the character devices", info_chardev, NULL},
	{"kvm", "", "", "show KVM information", info_kvm, NULL},
	{"name", "", "", "show the current VM name", info_name, NULL},
	{"pci", "", "", "show PCI info", info_pci, NULL},
	{"qtree", "", "", "show device tree", info_qtree, NULL},
	{"status", "", "", "show the current VM status (running|paused)", info_status, NULL},
	{"uuid", "", "", "show the current VM UUID", info_uuid, NULL},
	{"version", "", "", "show the version of QEMU", info_version, NULL},
	{.name = NULL},
};
