/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * One table of options (argp) serves both subcommands; each entry says by its
 * group which of them takes it. Every complaint names the option, what was
 * given and what would be valid, and ends with exit status 2: nothing has been
 * started by then.
 */
#include "launcher/options.h"

#include <argp.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/err.h"

enum {
	OPT_DEVICES = 256,
	OPT_RUNTIME,
	OPT_IODEPTH,
	OPT_RW,
	OPT_BS,
	OPT_DISK_SIZE,
	OPT_DISK,
	OPT_CDROM,
	OPT_BACKEND,
	OPT_POLL,
	OPT_SPIN,
	OPT_PER_WORKER,
	OPT_CORES,
	OPT_COMPARE,
	OPT_BASELINE,
	OPT_ROUNDS,
	OPT_JOB,
	OPT_JSON,
	OPT_DRY_RUN,
	OPT_ACCEL,
	OPT_APPEND,
	OPT_MEMORY,
	OPT_TIMEOUT,
	OPT_CONSOLE,
	OPT_QEMU,
	OPT_WORKER,
	OPT_PLUGIN,
	OPT_GUEST,
	OPT_TRANSPORT,
	OPT_REMOTE,
	OPT_WORKER_ARG,
	OPT_MONITOR,
	OPT_QMP,
	OPT_START_TIMEOUT,
	OPT_END_TIMEOUT,
};

#define DISK_HELP                                                                                  \
	"disk of the next device: a file, or nbd://HOST/EXPORT and what else QEMU reads; "         \
	"properties: format=raw|qcow2|... (the worker finds out), readonly=on|off, and of "        \
	"mpring-worker discard, detect-zeroes, serial, wwn and others, see mpring-run(1). Modes "  \
	"that write overwrite it. perf without it: sparse temporary files in $TMPDIR (/var/tmp), " \
	"unlinked, in the page cache"

static const struct argp_option common_options[] = {
	{"disk", OPT_DISK, "FILE[,PROPERTY...]", 0, DISK_HELP, 0},
	{"transport", OPT_TRANSPORT, "ring|socket", 0,
	 "rings in shared memory, or the socket protocol of multi-process QEMU (ring; with "
	 "--remote qemu socket)",
	 2},
	{"remote", OPT_REMOTE, "mpring|qemu", 0,
	 "what emulates the devices: mpring-worker, or a stock QEMU as -machine x-remote (mpring)",
	 2},
	{"worker-arg", OPT_WORKER_ARG, "ARG", 0,
	 "one more argument for each worker, as it is; may be given more than once", 4},
	{"poll", OPT_POLL, "busy|adaptive|sleep", 0, "how workers wait for work (adaptive)", 2},
	{"spin-us", OPT_SPIN, "N", 0, "adaptive: spin this long before sleeping (by placement)", 2},
	{"devices-per-worker", OPT_PER_WORKER, "K", 0, "devices that share one worker process (1)",
	 2},
	{"cores", OPT_CORES, "auto|LIST", 0,
	 "cores as 0,2-5: the first for the guest's CPU, the others for workers (auto)", 2},
	{"start-timeout", OPT_START_TIMEOUT, "S", 0,
	 "how long QEMU, and workers that it waits for, may take to start; 0: for ever (60)", 3},
	{"end-timeout", OPT_END_TIMEOUT, "S", 0,
	 "how long QEMU may write what it holds when it is told to end, and then the workers (60)",
	 3},
	{"dry-run", OPT_DRY_RUN, NULL, 0, "print what would be started, and start nothing", 3},
	{"qemu", OPT_QEMU, "FILE", 0, "QEMU to run (qemu-system-x86_64)", 4},
	{"worker", OPT_WORKER, "FILE", 0,
	 "worker to run (built or installed with this program; --remote qemu: that of --qemu)", 4},
	{"plugin", OPT_PLUGIN, "FILE", 0,
	 "mpring-pci.so to load (built or installed with this program)", 4},
	{"verbose", 'v', NULL, 0, "say what is being done", 5},
	{NULL, 'h', NULL, OPTION_HIDDEN, NULL, -1},
	{0},
};

static const struct argp_option perf_options[] = {
	{"devices", OPT_DEVICES, "N", 0, "remote devices, 1 to 64 (1, or as many as --disk)", 0},
	{"runtime", OPT_RUNTIME, "S", 0, "seconds of each round (10)", 1},
	{"iodepth", OPT_IODEPTH, "D", 0, "requests in flight on each device (16)", 1},
	{"rw", OPT_RW, "MODE", 0,
	 "fio's mode: read, write, randread, randwrite, rw, randrw, trim, randtrim (randread)", 1},
	{"bs", OPT_BS, "SIZE", 0, "block size (4k)", 1},
	{"disk-size", OPT_DISK_SIZE, "SIZE", 0,
	 "size of temporary and null disks (256M, less when memory is short)", 1},
	{"backend", OPT_BACKEND, "file|null", 0, "null: disks that complete at once (file)", 1},
	{"compare", OPT_COMPARE, NULL, 0,
	 "also run on QEMU's own lsi53c895a in the same guest, in turns, and print ratios", 1},
	{"baseline", OPT_BASELINE, NULL, 0, "run only on QEMU's own lsi53c895a; starts no worker",
	 1},
	{"rounds", OPT_ROUNDS, "N", 0, "rounds; the median is printed (1, with --compare 3)", 1},
	{"job", OPT_JOB, "FILE", 0,
	 "a fio job file instead of --rw and the like; runs on each device", 1},
	{"json", OPT_JSON, "FILE", 0, "write everything that was measured; - is stdout", 3},
	{"console", OPT_CONSOLE, "FILE", 0, "write the guest's console to FILE", 3},
	{"append", OPT_APPEND, "TEXT", 0,
	 "kernel parameters of the guest, beside those it needs (mitigations=off)", 2},
	{"accel", OPT_ACCEL, "auto|tcg|kvm", 0,
	 "auto: kvm where the CPU has VMX or SVM and /dev/kvm opens, else tcg", 2},
	{"memory", OPT_MEMORY, "MIB", 0, "guest memory (1024)", 2},
	{"timeout", OPT_TIMEOUT, "S", 0,
	 "give up on a guest that isn't done so long after its start (chosen from runtime and rounds)",
	 3},
	{"guest", OPT_GUEST, "DIR", 0,
	 "folder of vmlinux and initrd.img (.cache/guest of the source tree)", 4},
	{0},
};

static const struct argp_option run_options[] = {
	{"cdrom", OPT_CDROM, "FILE", 0,
	 "CD-ROM with the image FILE, on the first device's bus; may be given more than once", 1},
	{"monitor", OPT_MONITOR, "PATH", 0,
	 "the worker's monitor for people listens on this unix socket (with more workers: PATH.0, "
	 "PATH.1, ...), or at a place as -monitor of mpring-worker has it: unix:..., tcp:...",
	 1},
	{"qmp", OPT_QMP, "PATH", 0, "the worker's monitor for programs, likewise", 1},
	{0},
};

int mp_options_size(const char *text, uint64_t *ret_bytes)
{
	static const char units[] = "kMGT";
	char *end;
	const char *unit;
	unsigned long long v;
	unsigned int shift = 0;

	errno = 0;
	v = strtoull(text, &end, 10);
	if (errno || end == text || *text == '-')
		return -EINVAL;
	if (*end) {
		unit = strchr(units, *end == 'K'   ? 'k'
				     : *end == 'm' ? 'M'
				     : *end == 'g' ? 'G'
						   : *end);
		if (!unit || end[1])
			return -EINVAL;
		shift = 10 * (unsigned int)(unit - units + 1);
	}
	if (v == 0 || v > UINT64_MAX >> (shift + 1))
		return -EINVAL;
	*ret_bytes = (uint64_t)v << shift;
	return 0;
}

static int to_uint(struct argp_state *st, const char *name, const char *text,
		   const unsigned int range[2])
{
	char *end;
	unsigned long v;

	errno = 0;
	v = strtoul(text, &end, 10);
	if (errno || end == text || *end || *text == '-' || v < range[0] || v > range[1])
		argp_error(st, "--%s takes a number from %u to %u, not '%s'", name, range[0],
			   range[1], text);
	return (int)v;
}

#define UINT(st, name, text, lo, hi)                                                               \
	((unsigned int)to_uint((st), (name), (text), (const unsigned int[2]){(lo), (hi)}))

/* The word itself if the space-separated list has it. */
static const char *one_of(struct argp_state *st, const char *name, const char *text,
			  const char *list)
{
	size_t len = strlen(text);

	for (const char *p = list; len > 0 && (p = strstr(p, text)); p += len)
		if ((p == list || p[-1] == ' ') && (p[len] == ' ' || p[len] == '\0'))
			return text;
	argp_error(st, "--%s: '%s' is not one of: %s", name, text, list);
	return NULL;
}

/* What QEMU and the worker know by the same name goes on to them as it is. */
static const char *const drive_props[] = {"detect-zeroes", "discard", "rerror", "werror", NULL};
static const char *const device_props[] = {"device_id",
					   "logical_block_size",
					   "physical_block_size",
					   "product",
					   "removable",
					   "serial",
					   "vendor",
					   "ver",
					   "wwn",
					   NULL};

static bool pass_on(const char *const *names, const char *prop, char *to, size_t size)
{
	size_t used = strlen(to), len = strcspn(prop, "=");

	for (; *names; names++)
		if (prop[len] && strlen(*names) == len && strncmp(*names, prop, len) == 0)
			return snprintf(to + used, size - used, ",%s", prop) < (int)(size - used);
	return false;
}

/* Which there are is the worker's to say: it asks qemu-storage-daemon. */
static void disk_format(struct argp_state *st, struct mp_opt_disk *d, const char *format)
{
	size_t len = strspn(format, "abcdefghijklmnopqrstuvwxyz0123456789-");

	if (len == 0 || format[len] || len >= sizeof(d->format))
		argp_error(st, "--disk: format '%s' is none, say format=raw or format=qcow2",
			   format);
	snprintf(d->format, sizeof(d->format), "%s", format);
}

static void disk_property(struct argp_state *st, struct mp_opt_disk *d, const char *prop)
{
	if (strncmp(prop, "format=", 7) == 0)
		disk_format(st, d, prop + 7);
	else if (strcmp(prop, "readonly=on") == 0 || strcmp(prop, "readonly") == 0)
		d->readonly = true;
	else if (strcmp(prop, "readonly=off") == 0)
		d->readonly = false;
	else if (!pass_on(drive_props, prop, d->drive, sizeof(d->drive)) &&
		 !pass_on(device_props, prop, d->device, sizeof(d->device)))
		argp_error(st,
			   "--disk: unknown property '%s'; valid: format=, readonly=on, "
			   "readonly=off, and with a value detect-zeroes, discard, rerror, werror, "
			   "device_id, logical_block_size, physical_block_size, product, "
			   "removable, serial, vendor, ver, wwn",
			   prop);
}

/* FILE[,property...]; a comma in FILE is written twice, as QEMU has it. */
static void add_disk(struct argp_state *st, struct mp_options *o, const char *text)
{
	struct mp_opt_disk *d = &o->disk[o->n_disks];
	char *copy, *to, *from, *save = NULL;

	if (o->n_disks == MP_MAX_DEVICES)
		argp_error(st, "more than %d disks", MP_MAX_DEVICES);
	copy = strdup(text);
	mp_assert(copy);
	for (to = from = copy; *from && (*from != ',' || from[1] == ','); from++) {
		*to++ = *from;
		from += *from == ',';
	}
	*d = (struct mp_opt_disk){.file = copy};
	if (*from == ',')
		for (char *p = strtok_r(from + 1, ",", &save); p; p = strtok_r(NULL, ",", &save))
			disk_property(st, d, p);
	*to = '\0';
	if (!*copy)
		argp_error(st, "--disk: no file named in '%s'", text);
	o->n_disks++;
}

static void add_worker_arg(struct argp_state *st, struct mp_options *o, const char *arg)
{
	if (o->n_worker_args == MP_MAX_WORKER_ARGS)
		argp_error(st, "more than %d --worker-arg", MP_MAX_WORKER_ARGS);
	o->worker_arg[o->n_worker_args++] = arg;
}

static error_t parse_remote(int key, char *arg, struct argp_state *st)
{
	struct mp_options *o = st->input;

	switch (key) {
	case OPT_TRANSPORT:
		o->transport = one_of(st, "transport", arg, "ring socket");
		break;
	case OPT_REMOTE:
		o->stock_remote = strcmp(one_of(st, "remote", arg, "mpring qemu"), "qemu") == 0;
		break;
	case OPT_POLL:
		o->poll = one_of(st, "poll", arg, "busy adaptive sleep");
		o->mpring_option = "--poll";
		break;
	case OPT_SPIN:
		o->spin_us = (int)UINT(st, "spin-us", arg, 0, 1000000);
		o->mpring_option = "--spin-us";
		break;
	case OPT_PER_WORKER:
		o->devices_per_worker = UINT(st, "devices-per-worker", arg, 1, MP_MAX_DEVICES);
		if (o->devices_per_worker > 1)
			o->mpring_option = "--devices-per-worker";
		break;
	case OPT_WORKER_ARG:
		add_worker_arg(st, o, arg);
		break;
	default:
		return ARGP_ERR_UNKNOWN;
	}
	return 0;
}

static void check_remote(struct argp_state *st, const struct mp_options *o)
{
	if (!o->stock_remote)
		return;
	if (o->transport && strcmp(o->transport, "ring") == 0)
		argp_error(st, "--remote qemu knows no rings; leave --transport ring out");
	if (o->mpring_option)
		argp_error(st,
			   "%s is mpring-worker's: --remote qemu polls nothing, and has one "
			   "device in each process",
			   o->mpring_option);
}

static error_t parse_common(int key, char *arg, struct argp_state *st)
{
	struct mp_options *o = st->input;

	switch (key) {
	case 'h':
		argp_state_help(st, st->out_stream, ARGP_HELP_STD_HELP);
		break;
	case OPT_DISK:
		add_disk(st, o, arg);
		break;
	case OPT_CORES:
		o->cores = arg;
		break;
	case OPT_DRY_RUN:
		o->dry_run = true;
		break;
	case OPT_START_TIMEOUT:
		o->start_timeout_s = UINT(st, "start-timeout", arg, 0, 86400);
		break;
	case OPT_END_TIMEOUT:
		o->end_timeout_s = UINT(st, "end-timeout", arg, 1, 86400);
		break;
	case OPT_QEMU:
		o->qemu = arg;
		break;
	case OPT_WORKER:
		o->worker = arg;
		break;
	case OPT_PLUGIN:
		o->plugin = arg;
		break;
	case 'v':
		o->verbose = true;
		break;
	default:
		return parse_remote(key, arg, st);
	}
	return 0;
}

static error_t parse_load(int key, char *arg, struct argp_state *st)
{
	struct mp_options *o = st->input;
	uint64_t bs = 0;

	switch (key) {
	case OPT_RUNTIME:
		o->runtime_s = UINT(st, "runtime", arg, 1, 86400);
		o->load_option = "--runtime";
		break;
	case OPT_IODEPTH:
		o->iodepth = UINT(st, "iodepth", arg, 1, 1024);
		o->load_option = "--iodepth";
		break;
	case OPT_RW:
		o->rw = one_of(st, "rw", arg,
			       "read write randread randwrite rw readwrite randrw trim randtrim");
		o->load_option = "--rw";
		break;
	case OPT_BS:
		if (mp_options_size(arg, &bs) < 0 || bs % 512)
			argp_error(st, "--bs takes a multiple of 512 like 4k, not '%s'", arg);
		o->bs = arg;
		o->load_option = "--bs";
		break;
	case OPT_DISK_SIZE:
		if (mp_options_size(arg, &o->disk_size_bytes) < 0 || o->disk_size_bytes < 1 << 20)
			argp_error(st, "--disk-size takes a size from 1M, like 256M, not '%s'",
				   arg);
		break;
	case OPT_BACKEND:
		o->backend = strcmp(one_of(st, "backend", arg, "file null"), "null") == 0
				     ? MP_BACKEND_NULL
				     : MP_BACKEND_FILE;
		break;
	default:
		return ARGP_ERR_UNKNOWN;
	}
	return 0;
}

static error_t parse_perf_only(int key, char *arg, struct argp_state *st)
{
	struct mp_options *o = st->input;

	switch (key) {
	case OPT_DEVICES:
		o->n_devices = UINT(st, "devices", arg, 1, MP_MAX_DEVICES);
		break;
	case OPT_COMPARE:
		o->compare = true;
		break;
	case OPT_BASELINE:
		o->baseline = true;
		break;
	case OPT_ROUNDS:
		o->rounds = UINT(st, "rounds", arg, 1, MP_MAX_ROUNDS);
		break;
	case OPT_JOB:
		o->job_file = arg;
		break;
	case OPT_JSON:
		o->json_file = arg;
		break;
	case OPT_CONSOLE:
		o->console_file = arg;
		break;
	case OPT_APPEND:
		o->append = arg;
		break;
	case OPT_ACCEL:
		o->accel = one_of(st, "accel", arg, "auto tcg kvm");
		break;
	case OPT_MEMORY:
		o->memory_mib = UINT(st, "memory", arg, 384, 1u << 20);
		break;
	case OPT_TIMEOUT:
		o->timeout_s = UINT(st, "timeout", arg, 1, 864000);
		break;
	case OPT_GUEST:
		o->guest_dir = arg;
		break;
	default:
		return parse_load(key, arg, st);
	}
	return 0;
}

static void check_load(struct argp_state *st, const struct mp_options *o)
{
	bool reads_only = strcmp(o->rw, "read") == 0 || strcmp(o->rw, "randread") == 0;

	if (o->job_file && o->load_option)
		argp_error(st, "--job and %s exclude each other: the job file has all of that",
			   o->load_option);
	for (unsigned int i = 0; i < o->n_disks; i++)
		if (o->disk[i].readonly && !o->job_file && !reads_only)
			argp_error(st, "--rw %s writes, but %s is readonly", o->rw,
				   o->disk[i].file);
}

static void check_perf(struct argp_state *st, struct mp_options *o)
{
	check_load(st, o);
	if (!o->n_devices)
		o->n_devices = o->n_disks ? o->n_disks : 1;
	if (o->n_disks && o->n_disks != o->n_devices)
		argp_error(st, "--devices %u and %u --disk: give one disk for each device",
			   o->n_devices, o->n_disks);
	if (o->n_disks && o->backend == MP_BACKEND_NULL)
		argp_error(st, "--disk and --backend null exclude each other");
	if (o->compare && o->baseline)
		argp_error(st, "--compare and --baseline exclude each other");
	if (o->baseline && (o->transport || o->stock_remote || o->n_worker_args))
		argp_error(st, "--baseline starts no worker; leave %s out",
			   o->transport      ? "--transport"
			   : o->stock_remote ? "--remote"
					     : "--worker-arg");
	check_remote(st, o);
	if (!o->rounds)
		o->rounds = o->compare ? 3 : 1;
}

static error_t parse_perf(int key, char *arg, struct argp_state *st)
{
	switch (key) {
	case ARGP_KEY_INIT:
		st->child_inputs[0] = st->input;
		return 0;
	case ARGP_KEY_ARG:
		argp_error(st, "'%s': perf takes options only", arg);
		return 0;
	case ARGP_KEY_END:
		check_perf(st, st->input);
		return 0;
	default:
		return parse_perf_only(key, arg, st);
	}
}

/* An option that a word belongs to: it has no "=", and takes an argument. */
static bool takes_next_word(const char *option)
{
	return strncmp(option, "--", 2) == 0 && !strchr(option, '=') &&
	       strcmp(option, "--dry-run") != 0 && strcmp(option, "--verbose") != 0;
}

/*
 * "-m 1G" without the "--" in front: getopt would complain of a letter. What
 * starts with one dash and is none of ours is an option of QEMU.
 */
static void check_dashes(struct argp_state *st)
{
	const char *word;

	for (int i = 1; i < st->argc && strcmp(st->argv[i], "--") != 0; i++) {
		word = st->argv[i];
		if (takes_next_word(word)) {
			i++;
		} else if (word[0] == '-' && word[1] != '-' &&
			   strspn(word + 1, "hv?") != strlen(word + 1)) {
			st->name = st->argv[0]; /* not set yet, but argp_error() wants it */
			argp_error(st,
				   "'%s': QEMU's own options stand after --, as in: "
				   "%s --disk FILE -- %s ...",
				   word, st->name, word);
		}
	}
}

bool mp_options_is_place(const char *monitor)
{
	return strncmp(monitor, "unix:", 5) == 0 || strncmp(monitor, "tcp:", 4) == 0;
}

static void check_monitor(struct argp_state *st, const struct mp_options *o, const char *option,
			  const char *where)
{
	unsigned int n_workers = (o->n_devices + o->devices_per_worker - 1) / o->devices_per_worker;

	if (where && mp_options_is_place(where) && n_workers > 1)
		argp_error(st,
			   "--%s %s: one place for %u workers; a path gets .0, .1, ... of its own",
			   option, where, n_workers);
}

static void check_run(struct argp_state *st, struct mp_options *o)
{
	const char *refusal = mp_options_qemu_refusal(o);

	if (refusal)
		argp_error(st, "%s", refusal);
	if (!o->n_disks && !o->n_cdroms)
		argp_error(st, "give at least one --disk FILE or --cdrom FILE");
	o->n_devices = o->n_disks ? o->n_disks : 1;
	check_monitor(st, o, "monitor", o->monitor);
	check_monitor(st, o, "qmp", o->qmp);
	check_remote(st, o);
}

static error_t parse_run(int key, char *arg, struct argp_state *st)
{
	struct mp_options *o = st->input;

	switch (key) {
	case ARGP_KEY_INIT:
		st->child_inputs[0] = st->input;
		check_dashes(st);
		return 0;
	case OPT_CDROM:
		if (o->n_cdroms == MP_MAX_CDROMS)
			argp_error(st, "more than %d CD-ROMs", MP_MAX_CDROMS);
		o->cdrom[o->n_cdroms++] = arg;
		return 0;
	case OPT_MONITOR:
		o->monitor = arg;
		return 0;
	case OPT_QMP:
		o->qmp = arg;
		return 0;
	case ARGP_KEY_ARG:
		if (!st->quoted) /* no "--" yet */
			argp_error(st, "'%s': QEMU's arguments stand after --", arg);
		o->qemu_argv = &st->argv[st->next - 1];
		o->qemu_argc = st->argc - st->next + 1;
		st->next = st->argc;
		return 0;
	case ARGP_KEY_END:
		check_run(st, o);
		return 0;
	default:
		return ARGP_ERR_UNKNOWN;
	}
}

static const struct argp common_argp = {common_options, parse_common, NULL, NULL, NULL, NULL, NULL};
static const struct argp_child children[] = {{&common_argp, 0, NULL, 0}, {0}};
static const struct argp perf_argp = {
	perf_options,
	parse_perf,
	NULL,
	"Boot a guest with N remote devices, run fio on all of them, print a table."
	"\vExit status: 0 done; 1 something failed, or the guest saw errors; 2 bad usage; "
	"130 interrupted.",
	children,
	NULL,
	NULL};
static const struct argp run_argp = {
	run_options,
	parse_run,
	"-- QEMU-ARGUMENTS",
	"Run your own guest with a remote SCSI controller for each --disk."
	"\vThe guest's memory is made shareable with the workers; -m in QEMU-ARGUMENTS says how much.",
	children,
	NULL,
	NULL};

static const struct mp_options defaults = {
	.runtime_s = 10,
	.iodepth = 16,
	.rw = "randread",
	.bs = "4k",
	.poll = "adaptive",
	.spin_us = -1,
	.devices_per_worker = 1,
	.cores = "auto",
	.accel = "auto",
	.append = "mitigations=off",
	.memory_mib = 1024,
	.start_timeout_s = 60,
	.end_timeout_s = 60,
	.qemu = "qemu-system-x86_64",
};

int mp_options_parse(struct mp_options *o, enum mp_mode mode, int argc, char **argv)
{
	*o = defaults;
	o->mode = mode;
	/* argp ends the program: 0 after --help, argp_err_exit_status after a complaint. */
	argp_err_exit_status = 2;
	return -argp_parse(mode == MP_MODE_PERF ? &perf_argp : &run_argp, argc, argv, ARGP_IN_ORDER,
			   NULL, o);
}

void mp_options_fini(struct mp_options *o)
{
	for (unsigned int i = 0; i < o->n_disks; i++)
		free(o->disk[i].file);
	*o = (struct mp_options){0};
}
