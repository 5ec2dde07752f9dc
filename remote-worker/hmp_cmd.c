/* SPDX-License-Identifier: BSD-3-Clause */
#include "remote-worker/qmp.h"

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

static void block_resize(struct mp_mon_call *call, const json_t *args, struct mp_mon_buf *out)
{
	by_qmp(call, args, mp_qmp_block_resize);
}

static void set_throttle(struct mp_mon_call *call, const json_t *args, struct mp_mon_buf *out)
{
	by_qmp(call, args, mp_qmp_set_io_throttle);
}

const struct mp_mon_hmp_command mp_hmp_commands[] = {
	{"block_resize", "device:B,size:o", "device size", "resize a block image", block_resize,
	 NULL},
	{"block_set_io_throttle", "device:B,bps:i,bps_rd:i,bps_wr:i,iops:i,iops_rd:i,iops_wr:i",
	 "device bps bps_rd bps_wr iops iops_rd iops_wr",
	 "change I/O throttle limits for a block drive", set_throttle, NULL},
	{"cont|c", "", "", "resume emulation", cont, NULL},
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
