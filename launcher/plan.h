/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * plan - everything that will be started, decided before anything is: which
 * device stands where on the guest's PCI bus, which worker serves it, from
 * which disk, by which file descriptors. Making a plan opens nothing; a plan
 * can be printed (--dry-run), and mp_plan_open() makes it real.
 */
#ifndef MP_LAUNCHER_PLAN_H
#define MP_LAUNCHER_PLAN_H

#include <stdint.h>

#include "base/shm.h"
#include "launcher/args.h"
#include "launcher/options.h"
#include "launcher/placement.h"

#define MP_PLAN_MAX_DEVICES (2 * MP_MAX_DEVICES)
#define MP_PLAN_MAX_JOBS    2

enum mp_dev_kind {
	MP_DEV_REMOTE, /* mpring-pci in QEMU, the chip in a worker */
	MP_DEV_STOCK, /* QEMU's own lsi53c895a, for comparison */
};

struct mp_plan_dev {
	enum mp_dev_kind kind;
	char id[16]; /* "lsi0", "own0" */
	unsigned int bridge, slot; /* bridge 0: the root bus; slot 0: QEMU chooses */
	unsigned int worker; /* remote devices */
	const struct mp_opt_disk *disk; /* NULL: temporary or null disk; with run, none */
	int disk_fd; /* temporary disk, or copy of @disk; -1 without */
	int sock_qemu, sock_worker; /* the two ends of the device's socket */
	struct mp_shm stat_proxy, stat_worker;
};

struct mp_plan {
	const struct mp_options *opt;
	struct mp_placement place;
	struct mp_plan_dev dev[MP_PLAN_MAX_DEVICES];
	unsigned int n_devs, n_remote, n_workers, n_bridges; /* remote devices come first */
	uint64_t disk_bytes;
	bool kvm, uring, real; /* real: mp_plan_open() has succeeded */
	bool said_tmpdir;
	char qemu[4096], worker[4096], plugin[4096], guest_dir[4096], mem_size[24];
	int fd_cfg, fd_job[MP_PLAN_MAX_JOBS]; /* memfds for fw_cfg */
	enum mp_dev_kind job_kind[MP_PLAN_MAX_JOBS];
	unsigned int n_jobs;
	int fd_qmp, fd_report, fd_console; /* QEMU's ends of socketpairs */
	int our_qmp, our_report, our_console; /* our ends */
};

/**
 * mp_plan_make() - decide everything
 * @o:  outlives the plan
 *
 * Return: 0; negative errno after a message: -EINVAL a wrong list of cores, or a load that doesn't
 * fit; programs or guest image not there.
 */
int mp_plan_make(struct mp_plan *p, const struct mp_options *o);

/** mp_plan_describe() - placement and polling, one sentence into @buf */
void mp_plan_describe(const struct mp_plan *p, char *buf, unsigned int len);

/** mp_plan_transport() - "ring" or "socket": as the user said, else the faster one that both sides know */
const char *mp_plan_transport(const struct mp_plan *p);

/** mp_plan_layout() - addresses and workers of the devices; part of mp_plan_make() */
void mp_plan_layout(struct mp_plan *p);

/** mp_plan_open() - sockets, statistics pages, temporary disks, texts for the guest */
int mp_plan_open(struct mp_plan *p);

/** mp_plan_close_children_fds() - after the children have theirs: so that one's death is seen by the other */
void mp_plan_close_children_fds(struct mp_plan *p);

void mp_plan_fini(struct mp_plan *p);

/** mp_plan_guest_text() - the plan as the guest reads it; caller frees */
char *mp_plan_guest_text(const struct mp_plan *p);

/** mp_plan_worker_args() - command line of worker number @w */
void mp_plan_worker_args(const struct mp_plan *p, unsigned int w, struct mp_args *ret_args);
/** mp_plan_qemu_args() - command line of QEMU */
void mp_plan_qemu_args(const struct mp_plan *p, struct mp_args *ret_args);

/** mp_plan_worker_fds() - descriptors that worker @w inherits; returns how many, at most @max */
unsigned int mp_plan_worker_fds(const struct mp_plan *p, unsigned int w, int *fds,
				unsigned int max);
unsigned int mp_plan_qemu_fds(const struct mp_plan *p, int *fds, unsigned int max);

/**
 * mp_plan_show() - print both command lines and what the descriptors are (--dry-run)
 *
 * Return: 0; negative errno after a message: a job that can't be run.
 */
int mp_plan_show(const struct mp_plan *p);

#endif
