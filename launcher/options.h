/* SPDX-License-Identifier: BSD-3-Clause */
/* options - what the user asked for: `mpring perf ...` and `mpring run ... -- ...`. */
#ifndef MP_LAUNCHER_OPTIONS_H
#define MP_LAUNCHER_OPTIONS_H

#include <stdbool.h>
#include <stdint.h>

#define MP_MAX_DEVICES     64
#define MP_MAX_ROUNDS      99
#define MP_MAX_WORKER_ARGS 64
#define MP_MAX_CDROMS      14 /* beside a disk and the adapter itself on one bus */

enum mp_mode { MP_MODE_PERF, MP_MODE_RUN };
enum mp_backend { MP_BACKEND_FILE, MP_BACKEND_NULL };

struct mp_opt_disk {
	char *file;
	char format[16]; /* "": who opens it finds out */
	bool readonly;
	char drive[128],
		device[256]; /* ",NAME=VALUE"... for -drive and -device, as they were given */
};

struct mp_options {
	enum mp_mode mode;
	unsigned int n_devices;
	unsigned int runtime_s, iodepth, rounds;
	const char *rw, *bs;
	const char *load_option; /* one of those that --job replaces, if given */
	uint64_t disk_size_bytes; /* 0: chosen from the memory there is */
	struct mp_opt_disk disk[MP_MAX_DEVICES];
	unsigned int n_disks; /* 0: temporary disks */
	const char *cdrom[MP_MAX_CDROMS]; /* run: on the bus of the first device */
	unsigned int n_cdroms;
	enum mp_backend backend;
	const char *transport; /* ring, socket; NULL: what the remote speaks */
	bool stock_remote; /* QEMU as -machine x-remote in place of mpring-worker */
	const char *mpring_option; /* one that only mpring-worker has, if given */
	const char *worker_arg[MP_MAX_WORKER_ARGS];
	unsigned int n_worker_args;
	const char *monitor, *qmp; /* run: where the worker's monitors listen */
	const char *poll; /* busy, adaptive, sleep */
	int spin_us; /* -1: chosen by placement */
	unsigned int devices_per_worker;
	const char *cores; /* "auto" or a list */
	const char *accel; /* auto, tcg, kvm */
	bool compare, baseline; /* baseline: only QEMU's own controllers */
	bool dry_run, verbose;
	const char *job_file, *json_file, *console_file;
	const char *append; /* more kernel parameters of the guest */
	unsigned int memory_mib;
	unsigned int start_timeout_s; /* until QEMU answers; 0: for ever */
	unsigned int end_timeout_s; /* of QEMU, then of the workers, with disks of the user's */
	unsigned int timeout_s; /* of the guest, from its start on; 0: chosen */
	const char *qemu, *worker, *plugin, *guest_dir; /* NULL: beside this program */
	char **qemu_argv; /* run: what stands after "--" */
	int qemu_argc;
};

/**
 * mp_options_parse() - read the command line of a subcommand
 * @argv:  argv[0] is "mpring perf" or "mpring run", for messages
 *
 * Strings point into @argv, except disk[].file, which mp_options_fini() frees.
 *
 * Return: 0 or negative errno. --help and complaints end the program, by argp,
 * with status 0 and 2.
 */
int mp_options_parse(struct mp_options *o, enum mp_mode mode, int argc, char **argv);
void mp_options_fini(struct mp_options *o);

/** mp_options_qemu_has() - is "-OPTION" among the arguments for QEMU? */
bool mp_options_qemu_has(const struct mp_options *o, const char *option);
/** mp_options_qemu_value() - of the @nth "-OPTION" among them, from 0; NULL: there are fewer */
const char *mp_options_qemu_value(const struct mp_options *o, const char *option, int nth);
/** mp_options_qemu_has_backend() - do they name the guest's memory? What that is, is the user's business. */
bool mp_options_qemu_has_backend(const struct mp_options *o);
/** mp_options_qemu_refusal() - why they can't go to QEMU as they are, and what to do; NULL: they can */
const char *mp_options_qemu_refusal(const struct mp_options *o);

/** mp_options_is_place() - is --monitor or --qmp a place as QEMU spells it, and no path? */
bool mp_options_is_place(const char *monitor);

/** mp_options_size() - "4k", "256M", "1G" in bytes; -EINVAL */
int mp_options_size(const char *text, uint64_t *ret_bytes);

#endif
