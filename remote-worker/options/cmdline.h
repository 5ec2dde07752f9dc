/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * cmdline - the worker's command line: QEMU's own forms for devices, drives and
 * remote objects, so that a script changes only the program's name, and our own
 * options for how the worker runs.
 */
#ifndef MP_REMOTE_WORKER_OPTIONS_CMDLINE_H
#define MP_REMOTE_WORKER_OPTIONS_CMDLINE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include "block/blk.h"
#include "doorbell/idle.h"
#include "remote-worker/options/keyval.h"
#include "remote-worker/options/texts.h"

#define MP_CMDLINE_MAX_HBAS         64u
#define MP_CMDLINE_MAX_DISKS        256u
#define MP_CMDLINE_MAX_MONITORS     16u
#define MP_CMDLINE_MAX_CONNECTIONS  16u
#define MP_CMDLINE_DAEMON_EXPORT    "disk" /* what a storage daemon calls what it serves */

#define MP_CMDLINE_DEFAULT_SPIN_US  50u
#define MP_CMDLINE_DEFAULT_REQUESTS 64u
#define MP_CMDLINE_DEFAULT_INSNS    256u
#define MP_CMDLINE_DEFAULT_POOL     (2ull << 20)
#define MP_CMDLINE_MIN_POOL         (256ull << 10)
#define MP_CMDLINE_MAX_POOL         (1ull << 30)
/* Of monitors. */
#define MP_CMDLINE_DEFAULT_CLIENTS     16u
#define MP_CMDLINE_DEFAULT_REQUEST_MIB 64u
#define MP_CMDLINE_DEFAULT_NESTING     1024u
#define MP_CMDLINE_DEFAULT_UNREAD_KIB  1024u
#define MP_CMDLINE_DEFAULT_FAREWELL_S  2u
/* Of proxies. */
#define MP_CMDLINE_DEFAULT_PROXY_S 5u
/* Of supervision. */
#define MP_CMDLINE_DEFAULT_RPC_S           10u
#define MP_CMDLINE_DEFAULT_DAEMON_START_S  30u
#define MP_CMDLINE_DEFAULT_DAEMON_ANSWER_S 10u
#define MP_CMDLINE_DEFAULT_RECONNECT_S     30u
#define MP_CMDLINE_DEFAULT_REQUEST_S       0u
#define MP_CMDLINE_DEFAULT_CONNECTIONS     4u
#define MP_CMDLINE_DEFAULT_UNSTABLE        (32ull << 20)
#define MP_CMDLINE_DEFAULT_DAEMON          "qemu-storage-daemon"

/* -device lsi53c895a, with what -object and --stats-fd say about it. */
struct mp_opt_hba {
	const char *id;
	int fd; /* socket to the proxy, or one that listens for it */
	const char *socket_path; /* listen there; NULL */
	bool listens; /* fd does; found out by mp_listen_open() */
	int stats_fd; /* -1: none */
};

/* -monitor, -qmp, -qmp-pretty, -mon. One of path, fd and is_stdio is there. */
struct mp_opt_monitor {
	const char *id; /* of its -chardev, or compat_monitor0 and so on, as QEMU names them */
	bool is_qmp, pretty;
	bool wait; /* for a first client, before anything else */
	const char *path; /* unix socket to listen on; NULL */
	const char *host, *port; /* TCP: where to listen; NULL */
	bool no_ipv4, no_ipv6;
	int fd; /* socket that listens, or is connected; -1 */
	bool is_stdio;
};

/* Who has the data of a drive. */
enum mp_drive_kind {
	MP_DRIVE_RAW, /* the worker itself: file, block device, /dev/fd/N; or nothing is inserted */
	MP_DRIVE_NULL, /* nobody */
	MP_DRIVE_NBD, /* an NBD server, without TLS */
	MP_DRIVE_DAEMON, /* a storage daemon */
};

/* MP_DRIVE_NBD: where its server listens. */
struct mp_opt_nbd {
	const char *host,
		*port; /* TCP: a name or address, a number or service; or NULL, and then */
	const char *path; /* a unix socket */
	const char *export_name; /* "": the server's default */
};

/* Limits as of QEMU's -drive throttling.*: 0 is none. */
struct mp_opt_limit {
	uint64_t avg, max; /* a second */
	uint64_t max_length; /* seconds that max may last; 0 is 1 */
};

struct mp_opt_throttle {
	struct mp_opt_limit bps_total, bps_read, bps_write;
	struct mp_opt_limit iops_total, iops_read, iops_write;
	uint64_t iops_size; /* bytes that count as one operation; 0: any */
	const char *group; /* whose limits these are; never NULL where there are some */
};

/*
 * -drive, or a -blockdev that a disk uses; then id is "".
 *
 * A storage daemon takes the members of @objects by --object and those of
 * @blockdev by --blockdev, in their order, and exports @node_name.
 */
struct mp_opt_drive {
	enum mp_drive_kind kind;
	const char *id, *file, *driver, *format, *media, *interface;
	const char *cache, *writeback, *discard, *detect_zeroes, *aio, *rerror, *werror;
	const char *file_locking, *snapshot, *copy_on_read;
	const char *node_name; /* its own or made up: never NULL, no two are alike */
	const char *filter; /* node-name of the filter on top of it, as its user knows it; NULL */
	const char *
		below; /* driver of the node below a raw one; NULL: there is none, or a -drive's file */
	const char *below_name; /* its node-name, or NULL */
	uint64_t size;
	bool read_only, locking, direct, no_flush;
	bool write_through; /* writes are on the medium when they are done */
	bool used;
	bool probed; /* raw because its first bytes look like no other format: see block/ */
	struct mp_opt_throttle throttle;
	struct mp_opt_nbd nbd; /* MP_DRIVE_NBD */
	/* Connected to who has the data; by the supervisor, before its worker is there. */
	int sock[MP_CMDLINE_MAX_CONNECTIONS];
	unsigned int n_socks;
	const char *blockdev; /* DAEMON, or probed: JSON array of nodes, @node_name is the last */
	const char *objects; /* MP_DRIVE_DAEMON: JSON array of secrets and TLS credentials */
};

/* As the user knows it: messages and a throttle group have that name. */
static inline const char *mp_opt_drive_name(const struct mp_opt_drive *d)
{
	return d->id[0] ? d->id : d->node_name;
}

/* The node that disks are given. */
static inline const char *mp_opt_drive_node(const struct mp_opt_drive *d)
{
	return d->filter ? d->filter : d->node_name;
}

#define MP_CMDLINE_NO_DRIVE UINT32_MAX

/* -device scsi-hd, -device scsi-cd */
struct mp_opt_disk {
	const char *form; /* for messages: "-device scsi-hd" */
	const char *id, *drive, *bus, *serial, *device_id, *vendor, *product, *version;
	const char *rerror, *werror; /* "auto": the drive's */
	const char *write_cache;
	uint64_t wwn;
	uint32_t scsi_id, channel, lun, logical_bytes, physical_bytes;
	bool removable, is_cd;
	bool write_through; /* no write cache, until the guest switches it on */
	unsigned int hba; /* index into hba[] */
	unsigned int drive_no; /* index into drive[]; MP_CMDLINE_NO_DRIVE: a scsi-cd without one */
};

struct mp_cmdline {
	unsigned int n_hbas, n_drives, n_disks, n_monitors;

	enum mp_idle_mode poll;
	enum mp_blk_aio aio;
	uint32_t spin_us;
	int cpu, storage_daemon_cpu; /* -1: not pinned */
	uint32_t request_budget, insn_budget;
	uint64_t pool_bytes;
	bool no_sandbox, verbose;

	const char *name, *uuid, *pidfile, *log_file; /* NULL: not given */
	bool daemonize;
	bool start_stopped; /* until a monitor says cont */
	bool auto_shutdown; /* end when the last proxy has left */

	/* Of monitors. */
	uint32_t monitor_clients, monitor_request_mib, monitor_nesting, monitor_unread_kib;
	uint64_t monitor_farewell_ns; /* to read the last answers */
	uint64_t proxy_timeout_ns; /* until a proxy's message is whole, or its socket takes one */
	/* Supervision; 0 is no limit. */
	uint64_t rpc_timeout_ns; /* a worker's answer to its supervisor */
	uint64_t storage_daemon_start_ns; /* until a new storage daemon listens */
	uint64_t storage_daemon_answer_ns; /* of its monitor, but to a resize */
	uint64_t reconnect_ns; /* requests wait so long for a server that is gone */
	uint64_t request_timeout_ns; /* a server's answer to one request */
	uint32_t nbd_connections; /* to one server, if it likes several */
	uint64_t unstable_bytes; /* written, not flushed: kept of each drive, to write it again */
	const char *storage_daemon; /* program */

	struct json_t *nodes; /* object: -blockdev by node-name */
	struct json_t *made; /* list: what -drive has made */
	struct json_t *objects; /* list: -object secret and such, for storage daemons */

	struct mp_texts warnings; /* sentences for the user, about what was accepted */
	struct mp_texts texts; /* what the strings above point into */

	/* As many as counted; what is behind them is never touched, which keeps processes small. */
	struct mp_opt_hba hba[MP_CMDLINE_MAX_HBAS];
	struct mp_opt_monitor monitor[MP_CMDLINE_MAX_MONITORS];
	struct mp_opt_drive drive[MP_CMDLINE_MAX_DISKS];
	struct mp_opt_disk disk[MP_CMDLINE_MAX_DISKS];
};

#define MP_CMDLINE_HELP    1
#define MP_CMDLINE_VERSION 2

/**
 * mp_cmdline_parse() - read the whole command line and check that it fits together
 * @c:      mp_cmdline_fini() releases, also after a failure
 * @error:  on -EINVAL a sentence for the user
 *
 * Return: 0; MP_CMDLINE_HELP or MP_CMDLINE_VERSION was asked for; -EINVAL; -ENOMEM.
 */
int mp_cmdline_parse(struct mp_cmdline *c, int argc, char *const argv[], char *error,
		     size_t error_len);
/** mp_cmdline_fini() - also after a failed parse */
void mp_cmdline_fini(struct mp_cmdline *c);
/** mp_cmdline_help() - options and properties, from the tables that parse them */
void mp_cmdline_help(FILE *to);

/**
 * mp_cmdline_probe() - what are the drives whose format nobody has said?
 *
 * Looks at their first bytes: one that is no raw image becomes a storage
 * daemon's. Return: 0; -ENOMEM.
 */
int mp_cmdline_probe(struct mp_cmdline *c);

/** mp_cmdline_daemons_beside() - have storage daemons the polling thread's CPU? */
static inline bool mp_cmdline_daemons_beside(const struct mp_cmdline *c)
{
	return c->cpu >= 0 && c->storage_daemon_cpu == c->cpu;
}

/** mp_cmdline_drive() - the drive of a disk, if it has something to open; NULL: no medium */
const struct mp_opt_drive *mp_cmdline_drive(const struct mp_cmdline *c,
					    const struct mp_opt_disk *d);

/** mp_cmdline_blk_open() - what a drive means for the block layer */
struct mp_blk_open mp_cmdline_blk_open(const struct mp_opt_drive *d);

#endif
