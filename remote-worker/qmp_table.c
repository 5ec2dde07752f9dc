/* SPDX-License-Identifier: BSD-3-Clause */
#include "remote-worker/qmp.h"

const struct mp_mon_command mp_qmp_commands[] = {
	{"query-status", 0, mp_qmp_query_status},
	{"query-name", 0, mp_qmp_query_name},
	{"query-uuid", 0, mp_qmp_query_uuid},
	{"query-kvm", 0, mp_qmp_query_kvm},
	{"query-iothreads", 0, mp_qmp_query_iothreads},
	{"query-pci", 0, mp_qmp_query_pci},
	{"query-block", 0, mp_qmp_query_block},
	{"query-blockstats", 0, mp_qmp_query_blockstats},
	{"query-named-block-nodes", 0, mp_qmp_query_nodes},
	{"stop", 0, mp_qmp_stop},
	{"cont", 0, mp_qmp_cont},
	{"system_reset", 0, mp_qmp_system_reset},
	{"system_powerdown", 0, mp_qmp_system_powerdown},
	{"quit", 0, mp_qmp_quit},
	{"eject", 0, mp_qmp_eject},
	{"blockdev-open-tray", 0, mp_qmp_open_tray},
	{"blockdev-close-tray", 0, mp_qmp_close_tray},
	{"blockdev-remove-medium", 0, mp_qmp_remove_medium},
	{"block_resize", 0, mp_qmp_block_resize},
	{"block_set_io_throttle", 0, mp_qmp_set_io_throttle},
	{"qom-list", 0, mp_qmp_qom_list},
	{"qom-get", 0, mp_qmp_qom_get},
	{"x-mpring-query-stats", MP_MON_OOB, mp_qmp_query_stats},
	{NULL, 0, NULL},
};
