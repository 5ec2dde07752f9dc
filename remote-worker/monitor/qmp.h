/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * qmp - inside of monitor.h: what the files with commands share.
 *
 *   qmp_query.c    about the machine: status, name, version, PCI
 *   qmp_block.c    about disks: query-block, query-blockstats
 *   qmp_run.c      stop, cont, reset, quit
 *   qmp_medium.c   trays
 *   qmp_insert.c   what is put into them
 *   qmp_hotplug.c  nodes and disks come and go
 *   qmp_node.c     what a node's members must be
 *   qmp_disk.c     size and limits of a disk
 *   qmp_qom.c      the tree of objects
 *   qmp_stats.c    our own statistics
 *   hmp_info.c     info, for people
 *   hmp_image.c    of it, what an image is
 *   hmp_disk.c     device_add, drive_add, drive_del, for people
 *   hmp_cmd.c      the other commands for people, by way of those above
 *
 * What the worker says is shown, or compared; nothing else comes of it, as it may
 * be a guest's word: any member may be missing or of another type.
 */
#ifndef MP_REMOTE_WORKER_MONITOR_QMP_H
#define MP_REMOTE_WORKER_MONITOR_QMP_H

#include <jansson.h>
#include <pthread.h>
#include <stdbool.h>

#include "monitor/mon.h"
#include "remote-worker/options/cmdline.h"
#include "remote-worker/monitor/hotplug.h"
#include "remote-worker/supervisor/supervisor.h"

#define MP_MONITOR_MAX_UNITS 1024u

enum mp_io_status { MP_IO_OK, MP_IO_FAILED, MP_IO_NOSPACE };

struct mp_monitor {
	const struct mp_cmdline *cmd;
	struct mp_mon *mon;
	struct mp_supervisor *sup;
	unsigned int n_ports; /* of cmd->monitor: their sockets are there */

	/* Commands in order. */
	struct mp_hotplug hotplug;
	json_t *inserting; /* unit's number as text: node that waits for its tray to close */

	pthread_mutex_t lock; /* of what follows */
	uint8_t io_status[MP_MONITOR_MAX_UNITS];
	bool said_end; /* SHUTDOWN was sent */
	bool said_stop; /* STOP was, for an error that nobody has continued after */
	bool is_quiet; /* a command moves a tray, and tells of it itself: */
	json_int_t quiet_unit;
};

extern const struct mp_mon_command mp_qmp_commands[];
extern const struct mp_mon_hmp_command mp_hmp_commands[], mp_hmp_info[];
extern const char mp_qmp_schema[];

/* -- the worker (monitor.c) --------------------------------------------------- */

/** mp_qmp_worker() - have it do something; @args: stolen, may be NULL. NULL after a failure */
json_t *mp_qmp_worker(struct mp_mon_call *call, const char *name, json_t *args);
json_t *mp_qmp_worker_fds(struct mp_mon_call *call, const char *name, json_t *args,
			  const struct mp_fds *fds);
/** mp_qmp_snapshot() - its state, as in snapshot.h; a new reference; NULL after a failure */
json_t *mp_qmp_snapshot(struct mp_mon_call *call);
/** mp_qmp_done() - {} for a value that nobody wants, which is released; NULL stays NULL */
json_t *mp_qmp_done(json_t *value);
/** mp_qmp_say_end() - the event SHUTDOWN, unless it was sent */
void mp_qmp_say_end(struct mp_monitor *m, bool guest, const char *reason);

/* -- members of objects, whatever they are -------------------------------------- */

const char *mp_qmp_text(const json_t *object, const char *name); /* "" */
json_int_t mp_qmp_int(const json_t *object, const char *name); /* 0 */
bool mp_qmp_bool(const json_t *object, const char *name); /* false */
/** mp_qmp_list() - in objects of a snapshot: "units", "devices"; for json_array_foreach */
json_t *mp_qmp_list(const json_t *object, const char *name);

/* -- disks (qmp_block.c) ----------------------------------------------------------- */

/** mp_qmp_find_unit() - by "device", the drive's name, or "id", the disk's; NULL after a failure */
json_t *mp_qmp_find_unit(struct mp_mon_call *call, const json_t *snapshot, const json_t *args);
/** mp_qmp_find_node() - the unit with this drive or node in it; NULL */
json_t *mp_qmp_find_node(struct mp_monitor *m, const json_t *snapshot, const char *device,
			 const char *node);
/** mp_qmp_is_in_use() - has a unit this node on top, or does it wait for a tray to close? */
bool mp_qmp_is_in_use(struct mp_monitor *m, const json_t *snapshot, const char *node);
/** mp_qmp_drive_name() - the -drive of a unit; "" when there is a -blockdev instead */
const char *mp_qmp_drive_name(struct mp_monitor *m, const json_t *unit);
/** mp_qmp_drive() - what the node @node is, by our own account; NULL: no node of ours */
const struct mp_opt_drive *mp_qmp_drive(struct mp_monitor *m, const char *node);
/** mp_qmp_node_name() - the name by which users know @node: a filter's, if there is one on it */
const char *mp_qmp_node_name(struct mp_monitor *m, const char *node);
/** mp_qmp_qdev() - a unit's id or, without one, its path */
const char *mp_qmp_qdev(const json_t *unit, char room[64]);

/** mp_hmp_print_images() - what QMP says of an image and of those behind it (hmp_image.c) */
void mp_hmp_print_images(struct mp_mon_buf *out, const json_t *image);

/** mp_qmp_identity() - a unit's "vendor", "product", "version" or "serial", as guests see it (qmp_qom.c) */
const char *mp_qmp_identity(const json_t *unit, const char *name);

/** mp_qmp_check_node() - are members of the right types? (qmp_node.c) false after a failure */
bool mp_qmp_check_node(struct mp_mon_call *call, const json_t *node);

/* -- limits (qmp_disk.c) --------------------------------------------------------------- */

/** mp_qmp_group() - the name of the group that the limits of a unit are; "": it has no limits */
const char *mp_qmp_group(const json_t *unit);

/* -- trays ----------------------------------------------------------------------------- */

/** mp_qmp_find_cd() - a CD-ROM drive, in @ret_snapshot, which is the caller's; NULL after a failure */
json_t *mp_qmp_find_cd(struct mp_mon_call *call, const json_t *args, json_t **ret_snapshot);
/** mp_qmp_ask_guest() - it is locked: tell the guest what is wanted; fails, returns NULL */
json_t *mp_qmp_ask_guest(struct mp_mon_call *call, const json_t *unit, const char *what,
			 const json_t *args);
/** mp_qmp_is_inserting() - a node lies in the open tray; mp_qmp_forget_insertion() takes it out */
bool mp_qmp_is_inserting(const struct mp_monitor *m, const json_t *unit);
void mp_qmp_forget_insertion(struct mp_monitor *m, const json_t *unit);
/** mp_qmp_forget_first() - another medium, or none, is in the unit than its -device says */
void mp_qmp_forget_first(struct mp_monitor *m, const json_t *unit);
/** mp_qmp_insert_waiting() - and the tray closes over it; a new reference; NULL after a failure */
json_t *mp_qmp_insert_waiting(struct mp_mon_call *call, const json_t *unit);

/** A drive in the line needs a disk to be looked at with: one in a place where none is likely */
#define MP_QMP_NOWHERE "scsi-cd,scsi-id=15,lun=63,drive="

/** mp_qmp_quiet() - run a call that moves the tray of @unit without its events */
void mp_qmp_quiet(struct mp_monitor *m, const json_t *unit, bool quiet);
/** mp_qmp_say_tray() - the event DEVICE_TRAY_MOVED */
void mp_qmp_say_tray(struct mp_monitor *m, const json_t *unit, bool open);

/* -- PCI (qmp_query.c) --------------------------------------------------------------- */

#define MP_QMP_CONFIG_BYTES 64u

/** mp_qmp_config() - the configuration header of a device; zeros where the worker gave none */
void mp_qmp_config(const json_t *device, unsigned char ret_bytes[MP_QMP_CONFIG_BYTES]);

struct mp_qmp_region {
	bool is_io;
	json_int_t address, size; /* address -1: nowhere */
};
struct mp_qmp_region mp_qmp_region(const unsigned char config[MP_QMP_CONFIG_BYTES],
				   unsigned int bar);

/* -- handlers, by file ------------------------------------------------------------------ */

mp_mon_command_fn mp_qmp_query_status, mp_qmp_query_name, mp_qmp_query_uuid, mp_qmp_query_kvm,
	mp_qmp_query_pci;
mp_mon_command_fn mp_qmp_query_none; /* a list of what there is nothing of */
mp_mon_command_fn mp_qmp_query_block, mp_qmp_query_blockstats, mp_qmp_query_nodes;
mp_mon_command_fn mp_qmp_stop, mp_qmp_cont, mp_qmp_system_reset, mp_qmp_system_powerdown,
	mp_qmp_quit;
mp_mon_command_fn mp_qmp_eject, mp_qmp_open_tray, mp_qmp_close_tray, mp_qmp_remove_medium;
mp_mon_command_fn mp_qmp_insert_medium, mp_qmp_change_medium;
mp_mon_command_fn mp_qmp_blockdev_add, mp_qmp_blockdev_del, mp_qmp_device_add, mp_qmp_device_del;
mp_mon_command_fn mp_qmp_block_resize, mp_qmp_set_io_throttle;
mp_mon_command_fn mp_qmp_qom_list, mp_qmp_qom_get;
mp_mon_command_fn mp_qmp_query_stats;
mp_mon_hmp_fn mp_hmp_device_add, mp_hmp_drive_add, mp_hmp_drive_del;

#endif
