/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * cmdline - the worker's command line: QEMU's own forms for devices, drives and
 * remote objects, so that a script changes only the program's name, and our own
 * options for how the worker runs.
 */
#ifndef MP_REMOTE_WORKER_CMDLINE_H
#define MP_REMOTE_WORKER_CMDLINE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include "block/blk.h"
#include "doorbell/idle.h"
#include "remote-worker/keyval.h"

#define MP_CMDLINE_MAX_HBAS         64u
#define MP_CMDLINE_MAX_DISKS        256u
#define MP_CMDLINE_MAX_TEXTS        1024u

#define MP_CMDLINE_DEFAULT_SPIN_US  50u
#define MP_CMDLINE_DEFAULT_REQUESTS 64u
#define MP_CMDLINE_DEFAULT_INSNS    256u
#define MP_CMDLINE_DEFAULT_POOL     (2ull << 20)
#define MP_CMDLINE_MIN_POOL         (256ull << 10)
#define MP_CMDLINE_MAX_POOL         (1ull << 30)

/* -device lsi53c895a, with what -object and --stats-fd say about it. */
struct mp_opt_hba {
	const char *id;
	int fd; /* socket to the proxy */
	int stats_fd; /* -1: none */
};

/* -drive */
struct mp_opt_drive {
	const char *id, *file, *driver, *format, *media, *interface;
	const char *cache, *writeback, *discard, *detect_zeroes, *aio, *rerror, *werror;
	const char *protocol, *file_locking;
	uint64_t size;
	bool read_only, locking, direct, no_flush;
	bool is_null, used;
};

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
	unsigned int hba; /* index into hba[] */
	unsigned int drive_no; /* index into drive[]; MP_CMDLINE_NO_DRIVE: a scsi-cd without one */
};

struct mp_cmdline {
	struct mp_opt_hba hba[MP_CMDLINE_MAX_HBAS];
	unsigned int n_hbas;
	struct mp_opt_drive drive[MP_CMDLINE_MAX_DISKS];
	unsigned int n_drives;
	struct mp_opt_disk disk[MP_CMDLINE_MAX_DISKS];
	unsigned int n_disks;

	enum mp_idle_mode poll;
	enum mp_blk_aio aio;
	uint32_t spin_us;
	int cpu; /* -1: not pinned */
	uint32_t request_budget, insn_budget;
	uint64_t pool_bytes;
	bool no_sandbox, verbose;

	char *text[MP_CMDLINE_MAX_TEXTS]; /* what the strings above point into */
	unsigned int n_texts;
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

/** mp_cmdline_drive() - the drive of a disk, if it has something to open; NULL: no medium */
const struct mp_opt_drive *mp_cmdline_drive(const struct mp_cmdline *c,
					    const struct mp_opt_disk *d);

/** mp_cmdline_blk_open() - what a drive means for the block layer */
struct mp_blk_open mp_cmdline_blk_open(const struct mp_opt_drive *d);

#endif
