/* SPDX-License-Identifier: BSD-3-Clause */
#include "remote-worker/monitor/qmp.h"

#include <string.h>

/* What QMP does, for people: {} is silence. */
static void by_qmp(struct mp_mon_call *call, const json_t *args, mp_mon_command_fn *fn)
{
	json_decref(fn(call, args));
}

static void stop(struct mp_mon_call *call, const json_t *args, struct mp_mon_buf *out)
{
	by_qmp(call, args, mp_qmp_stop);
}

static void cont(struct mp_mon_call *call, const json_t *args, struct mp_mon_buf *out)
{
	by_qmp(call, args, mp_qmp_cont);
}

static void quit(struct mp_mon_call *call, const json_t *args, struct mp_mon_buf *out)
{
	by_qmp(call, args, mp_qmp_quit);
}

static void system_reset(struct mp_mon_call *call, const json_t *args, struct mp_mon_buf *out)
{
	by_qmp(call, args, mp_qmp_system_reset);
}

static void system_powerdown(struct mp_mon_call *call, const json_t *args, struct mp_mon_buf *out)
{
	by_qmp(call, args, mp_qmp_system_powerdown);
}

static void eject(struct mp_mon_call *call, const json_t *args, struct mp_mon_buf *out)
{
	by_qmp(call, args, mp_qmp_eject);
}

/* HMP's words for the arguments of blockdev-change-medium. */
static void change(struct mp_mon_call *call, const json_t *args, struct mp_mon_buf *out)
{
	const char *mode = mp_qmp_text(args, "read-only-mode");

	if (*mode && strcmp(mode, "retain") != 0 && strcmp(mode, "read-only") != 0 &&
	    strcmp(mode, "read-write") != 0)
		mp_mon_fail(call, MP_MON_GENERIC, "invalid parameter value: %s", mode);
	else
		by_qmp(call, args, mp_qmp_change_medium);
}

static void device_del(struct mp_mon_call *call, const json_t *args, struct mp_mon_buf *out)
{
	by_qmp(call, args, mp_qmp_device_del);
}

static void block_resize(struct mp_mon_call *call, const json_t *args, struct mp_mon_buf *out)
{
	by_qmp(call, args, mp_qmp_block_resize);
}

static bool is_drive(const struct mp_monitor *m, const char *name)
{
	for (unsigned int i = 0; i < m->cmd->n_drives; i++)
		if (strcmp(m->cmd->drive[i].id, name) == 0)
			return true;
	return mp_line_has(&m->hotplug.line, "-drive", "id", name);
}

/* Its device is a drive or else, as disks may have none that is named, a disk. */
static void set_throttle(struct mp_mon_call *call, const json_t *args, struct mp_mon_buf *out)
{
	json_t *limits = json_copy((json_t *)(uintptr_t)args);
	json_t *name = json_object_get(args, "device");

	if (limits && !is_drive(call->opaque, json_string_value(name))) {
		json_object_set(limits, "id", name);
		json_object_del(limits, "device");
	}
	if (limits)
		by_qmp(call, limits, mp_qmp_set_io_throttle);
	json_decref(limits);
}

const struct mp_mon_hmp_command mp_hmp_commands[] = {
	{"block_resize", "device:B,size:o", "device size", "resize a block image", block_resize,
	 NULL},
	{"block_set_io_throttle", "device:B,bps:i,bps_rd:i,bps_wr:i,iops:i,iops_rd:i,iops_wr:i",
	 "device bps bps_rd bps_wr iops iops_rd iops_wr",
	 "change I/O throttle limits for a block drive", set_throttle, NULL},
	{"change", "device:B,force:-f?,filename:F,format:s?,read-only-mode:s?",
	 "device [-f] filename [format [read-only-mode]]",
	 "change a removable medium, optional format, use -f to force the operation", change, NULL},
	{"cont|c", "", "", "resume emulation", cont, NULL},
	{"device_add", "device:O", "driver[,prop=value][,...]",
	 "add device, like -device on the command line", mp_hmp_device_add, NULL},
	{"device_del", "id:s", "device", "remove device", device_del, NULL},
	{"drive_add", "node:-n?,pci_addr:s,opts:s",
	 "[-n] [[<domain>:]<bus>:]<slot>\n[file=file][,if=type][,bus=n]\n[,unit=m][,media=d]"
	 "[,index=i]\n[,snapshot=on|off][,cache=on|off]\n[,readonly=on|off][,copy-on-read=on|off]",
	 "add drive to PCI storage controller", mp_hmp_drive_add, NULL},
	{"drive_del", "id:B", "device", "remove host block device", mp_hmp_drive_del, NULL},
	{"eject", "force:-f?,device:B", "[-f] device",
	 "eject a removable medium (use -f to force it)", eject, NULL},
	{"info", "", "[subcommand]", "show various information about the system state", NULL,
	 mp_hmp_info},
	{"quit|q", "", "", "quit the emulator", quit, NULL},
	{"stop|s", "", "", "stop emulation", stop, NULL},
	{"system_powerdown", "", "", "send system power down event", system_powerdown, NULL},
	{"system_reset", "", "", "reset the system", system_reset, NULL},
	{.name = NULL},
};
