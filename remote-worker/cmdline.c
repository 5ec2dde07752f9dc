/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Two passes. The first reads the options in their order; an -object may stand
 * before the -device that it names, so objects are only collected. The second
 * resolves every name: disk to drive, disk to HBA, object and statistics page
 * to HBA. So every mistake in the line is found before anything is opened.
 *
 * Each option form has a table of its properties (keyval.h); a new property is
 * one line there, and is then parsed, checked, listed after a typing mistake,
 * and documented by --help. QEMU has properties that have no meaning here but
 * stand in every script: they are in the tables as ignored.
 */
#include "remote-worker/cmdline.h"

#include <errno.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "base/err.h"

#define NO_ID   UINT32_MAX
#define MAX_CPU 65535u

struct object {
	const char *id, *devid;
	uint32_t fd;
};

struct stats_arg {
	const char *devid;
	uint32_t fd;
};

/* What the first pass collects for the second. */
struct parser {
	struct mp_cmdline *c;
	struct object object[MP_CMDLINE_MAX_HBAS];
	unsigned int n_objects;
	struct stats_arg stats[MP_CMDLINE_MAX_HBAS];
	unsigned int n_stats;
	char *error;
	size_t error_len;
};

struct hba_props {
	const char *id;
};

struct machine_props {
	const char *type;
};

static const struct mp_prop machine_table[] = {
	{"vfio-user", MP_PROP_BOOL, 0, 0, 0, NULL, NULL},
	{NULL, 0, 0, 0, 0, NULL, NULL},
};

static const struct mp_prop hba_table[] = {
	{"id", MP_PROP_STRING, offsetof(struct hba_props, id), 0, 63, NULL,
	 "name; its bus is ID.0"},
	{"bus", MP_PROP_IGNORED, 0, 0, 0, NULL, "ignored: the proxy has a bus"},
	{"addr", MP_PROP_IGNORED, 0, 0, 0, NULL, "ignored: the proxy has an address"},
	{NULL, 0, 0, 0, 0, NULL, NULL},
};

#define DISK(f) offsetof(struct mp_opt_disk, f)
static const struct mp_prop disk_table[] = {
	{"id", MP_PROP_STRING, DISK(id), 0, 63, NULL, "name"},
	{"drive", MP_PROP_STRING, DISK(drive), 0, 63, NULL, "id of the -drive; needed"},
	{"bus", MP_PROP_STRING, DISK(bus), 0, 65, NULL, "ID.0 of the HBA; default the first one"},
	{"scsi-id", MP_PROP_UINT, DISK(scsi_id), 0, 15, NULL,
	 "target, 0 to 15 but 7; default the next free"},
	{"channel", MP_PROP_UINT, DISK(channel), 0, 0, NULL, "0"},
	{"lun", MP_PROP_UINT, DISK(lun), 0, 63, NULL, "logical unit, 0 to 63; default 0"},
	{"serial", MP_PROP_STRING, DISK(serial), 0, 36, NULL, "serial number; default none"},
	{"vendor", MP_PROP_STRING, DISK(vendor), 0, 8, NULL, "default mpring"},
	{"product", MP_PROP_STRING, DISK(product), 0, 16, NULL, "default mpring HARDDISK"},
	{"ver", MP_PROP_STRING, DISK(version), 0, 4, NULL, "revision; default our version"},
	{"wwn", MP_PROP_HEX64, DISK(wwn), 0, 0, NULL, "NAA identifier; default none"},
	{"logical_block_size", MP_PROP_UINT, DISK(logical_bytes), 512, 4096, NULL,
	 "512 or 4096 bytes; default 512"},
	{"physical_block_size", MP_PROP_UINT, DISK(physical_bytes), 512, 65536, NULL,
	 "bytes; default logical_block_size"},
	{"removable", MP_PROP_BOOL, DISK(removable), 0, 0, NULL, "default off"},
	{"bootindex", MP_PROP_IGNORED, 0, 0, 0, NULL, "ignored: firmware asks QEMU"},
	{"share-rw", MP_PROP_IGNORED, 0, 0, 0, NULL, "ignored: see locking of -drive"},
	{"rotation_rate", MP_PROP_IGNORED, 0, 0, 0, NULL, "ignored"},
	{NULL, 0, 0, 0, 0, NULL, NULL},
};

#define DRIVE(f) offsetof(struct mp_opt_drive, f)
static const struct mp_prop drive_table[] = {
	{"id", MP_PROP_STRING, DRIVE(id), 0, 63, NULL, "name; needed"},
	{"file", MP_PROP_STRING, DRIVE(file), 0, 4095, NULL,
	 "file, block device, /dev/fd/N, or null-co://"},
	{"driver", MP_PROP_CHOICE, DRIVE(driver), 0, 0, "raw|file|host_device|null-co",
	 "default raw; null-co moves no data"},
	{"format", MP_PROP_CHOICE, DRIVE(format), 0, 0, "raw|null-co",
	 "raw; other formats through qemu-nbd or qemu-img convert"},
	{"if", MP_PROP_CHOICE, DRIVE(interface), 0, 0, "none", "none"},
	{"media", MP_PROP_CHOICE, DRIVE(media), 0, 0, "disk", "disk"},
	{"size", MP_PROP_SIZE, DRIVE(size), 0, 0, NULL, "bytes, of null-co; default 1G"},
	{"readonly", MP_PROP_BOOL, DRIVE(read_only), 0, 0, NULL, "default off"},
	{"read-only", MP_PROP_BOOL, DRIVE(read_only), 0, 0, NULL, "the same"},
	{"cache", MP_PROP_CHOICE, DRIVE(cache), 0, 0, "none|writeback|unsafe",
	 "none: O_DIRECT; unsafe: no flush; default writeback"},
	{"discard", MP_PROP_CHOICE, DRIVE(discard), 0, 0, "unmap|on|ignore|off",
	 "does UNMAP reach the file? default ignore"},
	{"detect-zeroes", MP_PROP_IGNORED, 0, 0, 0, NULL, "ignored"},
	{"locking", MP_PROP_BOOL, DRIVE(locking), 0, 0, NULL,
	 "image lock, as QEMU takes it; default on"},
	{"aio", MP_PROP_CHOICE, DRIVE(aio), 0, 0, "io_uring|threads|native",
	 "as --aio, for the whole worker; native is io_uring"},
	{NULL, 0, 0, 0, 0, NULL, NULL},
};

#define OBJECT(f) offsetof(struct object, f)
static const struct mp_prop object_table[] = {
	{"id", MP_PROP_STRING, OBJECT(id), 0, 63, NULL, "name"},
	{"devid", MP_PROP_STRING, OBJECT(devid), 0, 63, NULL, "id of the -device; needed"},
	{"fd", MP_PROP_UINT, OBJECT(fd), 0, INT32_MAX, NULL, "socket to the proxy; needed"},
	{NULL, 0, 0, 0, 0, NULL, NULL},
};

/* A form of an option: its name in messages, the key that chose it, its properties. */
struct form {
	const char *name, *chosen_by;
	const struct mp_prop *props;
};

static const struct form machine_form = {"-machine x-remote", "type", machine_table};
static const struct form hba_form = {"-device lsi53c895a", "driver", hba_table};
static const struct form disk_form = {"-device scsi-hd", "driver", disk_table};
static const struct form drive_form = {"-drive", NULL, drive_table};
static const struct form object_form = {"-object x-remote-object", "qom-type", object_table};

static int fail(struct parser *p, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

static int fail(struct parser *p, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(p->error, p->error_len, fmt, ap);
	va_end(ap);
	return mp_err_origin(-EINVAL);
}

/* The strings that the options point into live as long as the command line. */
static int keep(struct parser *p, struct mp_keyval *kv)
{
	if (p->c->n_texts == MP_CMDLINE_MAX_TEXTS) {
		mp_keyval_fini(kv);
		return fail(p, "more than %u options", MP_CMDLINE_MAX_TEXTS);
	}
	p->c->text[p->c->n_texts++] = kv->text;
	return 0;
}

static int split(struct parser *p, const char *opt, const char *text, const char *implied,
		 struct mp_keyval *ret_kv)
{
	int r = mp_keyval_parse(text, implied, ret_kv);

	if (r == -ENOMEM)
		return mp_err_trace(r);
	if (r < 0)
		return fail(p, "-%s %s: %s", opt, text,
			    r == -E2BIG ? "too many properties" : "a key is empty");
	return keep(p, ret_kv);
}

static int set_all(struct parser *p, const struct form *form, const struct mp_keyval *kv,
		   void *object)
{
	char why[768];

	for (unsigned int i = 0; i < kv->n; i++) {
		if (form->chosen_by && strcmp(kv->item[i].key, form->chosen_by) == 0)
			continue;
		if (mp_prop_set(form->props, object, &kv->item[i], why, sizeof(why)) < 0)
			return fail(p, "%s: %s", form->name, why);
	}
	return 0;
}

static int parse_machine(struct parser *p, const char *arg)
{
	struct mp_keyval kv = MP_KEYVAL_NULL;
	bool vfio_user = false;
	const char *type;
	int r;

	r = split(p, "machine", arg, "type", &kv);
	if (r < 0)
		return mp_err_trace(r);
	type = mp_keyval_get(&kv, "type");
	if (!type || strcmp(type, "x-remote") != 0)
		return fail(p, "-machine %s: unknown machine; valid is x-remote", arg);
	r = set_all(p, &machine_form, &kv, &vfio_user);
	if (r == 0 && vfio_user)
		return fail(p, "-machine x-remote: vfio-user=on isn't supported; use "
			       "-object x-remote-object");
	return mp_err_trace(r);
}

static int parse_hba(struct parser *p, const struct mp_keyval *kv)
{
	struct mp_opt_hba *hba = &p->c->hba[p->c->n_hbas];
	struct hba_props props = {.id = ""};
	int r;

	if (p->c->n_hbas == MP_CMDLINE_MAX_HBAS)
		return fail(p, "more than %u devices in one worker", MP_CMDLINE_MAX_HBAS);
	r = set_all(p, &hba_form, kv, &props);
	if (r < 0)
		return mp_err_trace(r);
	*hba = (struct mp_opt_hba){.id = props.id, .fd = -1, .stats_fd = -1};
	p->c->n_hbas++;
	return 0;
}

static int parse_disk(struct parser *p, const struct mp_keyval *kv)
{
	struct mp_opt_disk *disk = &p->c->disk[p->c->n_disks];
	int r;

	if (p->c->n_disks == MP_CMDLINE_MAX_DISKS)
		return fail(p, "more than %u disks in one worker", MP_CMDLINE_MAX_DISKS);
	*disk = (struct mp_opt_disk){.id = "",
				     .serial = "",
				     .vendor = "",
				     .product = "",
				     .version = "",
				     .scsi_id = NO_ID,
				     .logical_bytes = 512};
	r = set_all(p, &disk_form, kv, disk);
	if (r < 0)
		return mp_err_trace(r);
	if (!disk->drive)
		return fail(p, "-device scsi-hd: drive=ID is missing");
	if (disk->scsi_id == 7)
		return fail(p, "-device scsi-hd: scsi-id=7 is the adapter itself");
	if (disk->logical_bytes != 512 && disk->logical_bytes != 4096)
		return fail(p, "-device scsi-hd: logical_block_size is 512 or 4096");
	if (disk->physical_bytes & (disk->physical_bytes - 1))
		return fail(p, "-device scsi-hd: physical_block_size is a power of two");
	p->c->n_disks++;
	return 0;
}

static int parse_device(struct parser *p, const char *arg)
{
	struct mp_keyval kv = MP_KEYVAL_NULL;
	const char *driver;
	int r;

	r = split(p, "device", arg, "driver", &kv);
	if (r < 0)
		return mp_err_trace(r);
	driver = mp_keyval_get(&kv, "driver");
	if (driver && (strcmp(driver, "lsi53c895a") == 0 || strcmp(driver, "lsi") == 0))
		return mp_err_trace(parse_hba(p, &kv));
	if (driver && strcmp(driver, "scsi-hd") == 0)
		return mp_err_trace(parse_disk(p, &kv));
	return fail(p, "-device %s: unknown device; valid are lsi53c895a, scsi-hd",
		    driver ? driver : arg);
}

static bool means_null(const struct mp_opt_drive *d)
{
	return (d->driver && strcmp(d->driver, "null-co") == 0) ||
	       (d->format && strcmp(d->format, "null-co") == 0) ||
	       (d->file && strncmp(d->file, "null-co://", 10) == 0);
}

static int parse_drive(struct parser *p, const char *arg)
{
	struct mp_opt_drive *drive = &p->c->drive[p->c->n_drives];
	struct mp_keyval kv = MP_KEYVAL_NULL;
	int r;

	if (p->c->n_drives == MP_CMDLINE_MAX_DISKS)
		return fail(p, "more than %u drives in one worker", MP_CMDLINE_MAX_DISKS);
	r = split(p, "drive", arg, NULL, &kv);
	if (r < 0)
		return mp_err_trace(r);
	*drive = (struct mp_opt_drive){.locking = true, .cache = "writeback", .discard = "ignore"};
	r = set_all(p, &drive_form, &kv, drive);
	if (r < 0)
		return mp_err_trace(r);
	if (!drive->id)
		return fail(p, "-drive %s: id=NAME is missing", arg);
	drive->is_null = means_null(drive);
	if (!drive->is_null && !drive->file)
		return fail(p, "-drive id=%s: file=NAME is missing", drive->id);
	if (drive->is_null && drive->size == 0)
		drive->size = 1ull << 30;
	p->c->n_drives++;
	return 0;
}

static int parse_object(struct parser *p, const char *arg)
{
	struct object *o = &p->object[p->n_objects];
	struct mp_keyval kv = MP_KEYVAL_NULL;
	const char *type;
	int r;

	r = split(p, "object", arg, "qom-type", &kv);
	if (r < 0)
		return mp_err_trace(r);
	type = mp_keyval_get(&kv, "qom-type");
	if (!type || strcmp(type, "x-remote-object") != 0)
		return fail(p, "-object %s: unknown object; valid is x-remote-object", arg);
	if (p->n_objects == MP_CMDLINE_MAX_HBAS)
		return fail(p, "more than %u objects in one worker", MP_CMDLINE_MAX_HBAS);
	*o = (struct object){.fd = NO_ID};
	r = set_all(p, &object_form, &kv, o);
	if (r < 0)
		return mp_err_trace(r);
	if (!o->devid || o->fd == NO_ID)
		return fail(p, "-object x-remote-object: devid=ID and fd=N are both needed");
	p->n_objects++;
	return 0;
}

static int parse_poll(struct parser *p, const char *arg)
{
	if (mp_idle_mode_parse(arg, &p->c->poll) < 0)
		return fail(p, "--poll takes one of busy|adaptive|sleep, not '%s'", arg);
	return 0;
}

static int parse_aio(struct parser *p, const char *arg)
{
	if (strcmp(arg, "auto") == 0)
		p->c->aio = MP_BLK_AIO_AUTO;
	else if (strcmp(arg, "io_uring") == 0)
		p->c->aio = MP_BLK_AIO_URING;
	else if (strcmp(arg, "threads") == 0)
		p->c->aio = MP_BLK_AIO_THREADS;
	else
		return fail(p, "--aio takes one of auto|io_uring|threads, not '%s'", arg);
	return 0;
}

static int parse_number(struct parser *p, const char *opt, const char *arg, uint64_t min,
			uint64_t max)
{
	uint64_t v;

	if (mp_parse_uint(arg, min, max, &v) < 0)
		return fail(p, "--%s takes a number from %llu to %llu, not '%s'", opt,
			    (unsigned long long)min, (unsigned long long)max, arg);
	return (int)v;
}

static int parse_spin(struct parser *p, const char *arg)
{
	int r = parse_number(p, "spin-us", arg, 0, 1000000);

	if (r < 0)
		return mp_err_trace(r);
	p->c->spin_us = (uint32_t)r;
	return 0;
}

static int parse_cpu(struct parser *p, const char *arg)
{
	int r = parse_number(p, "cpu", arg, 0, MAX_CPU);

	if (r < 0)
		return mp_err_trace(r);
	p->c->cpu = r;
	return 0;
}

static int parse_request_budget(struct parser *p, const char *arg)
{
	int r = parse_number(p, "requests-budget", arg, 1, 65536);

	if (r < 0)
		return mp_err_trace(r);
	p->c->request_budget = (uint32_t)r;
	return 0;
}

static int parse_insn_budget(struct parser *p, const char *arg)
{
	int r = parse_number(p, "insn-budget", arg, 1, 1000000);

	if (r < 0)
		return mp_err_trace(r);
	p->c->insn_budget = (uint32_t)r;
	return 0;
}

static int parse_pool(struct parser *p, const char *arg)
{
	uint64_t v;

	if (mp_parse_size(arg, &v) < 0 || v < MP_CMDLINE_MIN_POOL || v > MP_CMDLINE_MAX_POOL ||
	    v % 4096)
		return fail(p, "--pool-bytes takes a multiple of 4096 from 256k to 1G, not '%s'",
			    arg);
	p->c->pool_bytes = v;
	return 0;
}

static int parse_stats(struct parser *p, const char *arg)
{
	struct stats_arg *s = &p->stats[p->n_stats];
	struct mp_keyval kv = MP_KEYVAL_NULL;
	uint64_t fd;
	int r;

	r = split(p, "-stats-fd", arg, NULL, &kv);
	if (r < 0)
		return mp_err_trace(r);
	if (kv.n != 1 || mp_parse_uint(kv.item[0].value, 0, INT32_MAX, &fd) < 0)
		return fail(p, "--stats-fd takes DEVICE=FD, not '%s'", arg);
	if (p->n_stats == MP_CMDLINE_MAX_HBAS)
		return fail(p, "more than %u --stats-fd", MP_CMDLINE_MAX_HBAS);
	*s = (struct stats_arg){.devid = kv.item[0].key, .fd = (uint32_t)fd};
	p->n_stats++;
	return 0;
}

static int parse_no_sandbox(struct parser *p, const char *arg)
{
	p->c->no_sandbox = true;
	return 0;
}

static int parse_verbose(struct parser *p, const char *arg)
{
	p->c->verbose = true;
	return 0;
}

static int parse_nothing(struct parser *p, const char *arg)
{
	return 0;
}

static int parse_help(struct parser *p, const char *arg)
{
	return MP_CMDLINE_HELP;
}

static int parse_version(struct parser *p, const char *arg)
{
	return MP_CMDLINE_VERSION;
}

struct option {
	const char *name;
	const char *arg; /* NULL: takes none */
	int (*parse)(struct parser *p, const char *arg);
	const struct mp_prop *props; /* shown in the help */
	const char *help;
};

static const struct option options[] = {
	{"machine", "x-remote", parse_machine, NULL, "accepted, as QEMU needs it"},
	{"device", "lsi53c895a,KEY=VALUE...", parse_device, hba_table,
	 "a SCSI adapter; more than one may be given"},
	{"device", "scsi-hd,KEY=VALUE...", parse_device, disk_table, "a disk on its bus"},
	{"drive", "KEY=VALUE...", parse_drive, drive_table, "what a disk stores its data in"},
	{"object", "x-remote-object,KEY=VALUE...", parse_object, object_table,
	 "connects an adapter with its proxy"},
	{"nographic", NULL, parse_nothing, NULL, "accepted, no effect"},
	{"nodefaults", NULL, parse_nothing, NULL, "accepted, no effect"},
	{"no-user-config", NULL, parse_nothing, NULL, "accepted, no effect"},
	{"display", "none", parse_nothing, NULL, "accepted, no effect"},
	{"name", "TEXT", parse_nothing, NULL, "accepted, no effect"},
	{"poll", "busy|adaptive|sleep", parse_poll, NULL,
	 "how the polling thread idles: never sleep, spin then sleep, sleep at\n"
	 "      once; default adaptive"},
	{"spin-us", "N", parse_spin, NULL,
	 "microseconds of spinning after the last work, in adaptive mode; default 50"},
	{"cpu", "N", parse_cpu, NULL, "pin the polling thread to this CPU; default not pinned"},
	{"aio", "auto|io_uring|threads", parse_aio, NULL,
	 "how disks are read and written; auto takes threads where the kernel\n"
	 "      refuses io_uring, and says so; default auto"},
	{"requests-budget", "N", parse_request_budget, NULL,
	 "most register accesses of one device in one turn; default 64"},
	{"insn-budget", "N", parse_insn_budget, NULL,
	 "most SCRIPTS instructions of one device in one turn; default 256"},
	{"pool-bytes", "SIZE", parse_pool, NULL,
	 "buffer memory of each device, a multiple of 4096 bytes, at least 256k;\n"
	 "      default 2M"},
	{"stats-fd", "DEVICE=FD", parse_stats, NULL,
	 "counters page of a device, see mpring-stat(1); default none"},
	{"no-sandbox", NULL, parse_no_sandbox, NULL,
	 "don't restrict system calls after set-up; default restricted"},
	{"verbose", NULL, parse_verbose, NULL, "say more on standard error"},
	{"help", NULL, parse_help, NULL, "this text"},
	{"version", NULL, parse_version, NULL, "version"},
};

#define N_OPTIONS (sizeof(options) / sizeof(options[0]))

static int unknown_option(struct parser *p, const char *arg)
{
	char list[512];
	size_t n = 0;

	list[0] = '\0';
	for (size_t i = 0; i < N_OPTIONS && n < sizeof(list); i++)
		if (i == 0 || strcmp(options[i].name, options[i - 1].name) != 0)
			n += (size_t)snprintf(list + n, sizeof(list) - n, "%s -%s", i ? "," : "",
					      options[i].name);
	return fail(p, "unknown option '%s'; valid are%s", arg, list);
}

static const struct option *find_option(const char *arg)
{
	const char *name = arg + 1 + (arg[1] == '-');

	for (size_t i = 0; arg[0] == '-' && i < N_OPTIONS; i++)
		if (strcmp(options[i].name, name) == 0)
			return &options[i];
	return NULL;
}

/* The oldest form, "PROGRAM 4 -device ...": the socket of the next adapter without one. */
static int parse_bare_fd(struct parser *p, const char *arg)
{
	uint64_t fd;

	if (mp_parse_uint(arg, 0, INT32_MAX, &fd) < 0)
		return unknown_option(p, arg);
	if (p->n_objects == MP_CMDLINE_MAX_HBAS)
		return fail(p, "more than %u sockets", MP_CMDLINE_MAX_HBAS);
	p->object[p->n_objects++] = (struct object){.fd = (uint32_t)fd};
	return 0;
}

static int parse_options(struct parser *p, int argc, char *const argv[])
{
	const struct option *o;
	const char *arg;
	int r;

	for (int i = 1; i < argc; i++) {
		o = find_option(argv[i]);
		arg = NULL;
		if (o && o->arg) {
			if (i + 1 == argc)
				return fail(p, "%s needs an argument: %s", argv[i], o->arg);
			arg = argv[++i];
		}
		r = o ? o->parse(p, arg) : parse_bare_fd(p, argv[i]);
		if (r != 0)
			return mp_err_trace(r);
	}
	return 0;
}

static int find_hba(struct parser *p, const char *id, size_t id_len)
{
	for (unsigned int i = 0; i < p->c->n_hbas; i++)
		if (strlen(p->c->hba[i].id) == id_len && memcmp(p->c->hba[i].id, id, id_len) == 0)
			return (int)i;
	return -ENOENT;
}

static int no_such_hba(struct parser *p, const char *what, const char *id)
{
	char list[256];
	size_t n = 0;

	list[0] = '\0';
	for (unsigned int i = 0; i < p->c->n_hbas && n < sizeof(list); i++)
		n += (size_t)snprintf(list + n, sizeof(list) - n, "%s %s", i ? "," : "",
				      p->c->hba[i].id);
	return fail(p, "%s: no adapter '%s'; there are%s", what, id, n ? list : " none");
}

static int resolve_object(struct parser *p, const struct object *o)
{
	int i;

	if (o->devid) {
		i = find_hba(p, o->devid, strlen(o->devid));
		if (i < 0)
			return no_such_hba(p, "-object x-remote-object,devid", o->devid);
		if (p->c->hba[i].fd >= 0)
			return fail(p, "adapter '%s' has two sockets", o->devid);
	} else {
		for (i = 0; i < (int)p->c->n_hbas && p->c->hba[i].fd >= 0; i++)
			;
		if (i == (int)p->c->n_hbas)
			return fail(p, "socket %u: there is no adapter left for it", o->fd);
	}
	for (unsigned int k = 0; k < p->c->n_hbas; k++)
		if (p->c->hba[k].fd == (int)o->fd)
			return fail(p, "fd=%u is used twice", o->fd);
	p->c->hba[i].fd = (int)o->fd;
	return 0;
}

static int resolve_hbas(struct parser *p)
{
	int i, r = 0;

	if (p->c->n_hbas == 0)
		return fail(p, "no adapter; add -device lsi53c895a,id=lsi0");
	for (unsigned int k = 0; k < p->c->n_hbas; k++)
		if (find_hba(p, p->c->hba[k].id, strlen(p->c->hba[k].id)) != (int)k)
			return fail(p, "two adapters have the id '%s'", p->c->hba[k].id);
	for (unsigned int k = 0; r == 0 && k < p->n_objects; k++)
		r = resolve_object(p, &p->object[k]);
	for (unsigned int k = 0; r == 0 && k < p->n_stats; k++) {
		i = find_hba(p, p->stats[k].devid, strlen(p->stats[k].devid));
		if (i < 0)
			return no_such_hba(p, "--stats-fd", p->stats[k].devid);
		p->c->hba[i].stats_fd = (int)p->stats[k].fd;
	}
	for (unsigned int k = 0; r == 0 && k < p->c->n_hbas; k++)
		if (p->c->hba[k].fd < 0)
			r = fail(p,
				 "adapter '%s' has no socket; add -object "
				 "x-remote-object,id=o%u,devid=%s,fd=N",
				 p->c->hba[k].id, k, p->c->hba[k].id);
	return r;
}

static int resolve_bus(struct parser *p, struct mp_opt_disk *d)
{
	const char *dot;
	int i;

	if (!d->bus)
		return 0;
	dot = strrchr(d->bus, '.');
	i = dot && strcmp(dot, ".0") == 0 ? find_hba(p, d->bus, (size_t)(dot - d->bus)) : -ENOENT;
	if (i < 0)
		return fail(p, "-device scsi-hd: no bus '%s'; the bus of adapter '%s' is '%s.0'",
			    d->bus, p->c->hba[0].id, p->c->hba[0].id);
	d->hba = (unsigned int)i;
	return 0;
}

static int resolve_drive(struct parser *p, struct mp_opt_disk *d)
{
	unsigned int i;

	for (i = 0; i < p->c->n_drives && strcmp(p->c->drive[i].id, d->drive) != 0; i++)
		;
	if (i == p->c->n_drives)
		return fail(p, "-device scsi-hd: no drive '%s'; add -drive id=%s,file=NAME",
			    d->drive, d->drive);
	if (p->c->drive[i].used)
		return fail(p, "drive '%s' is used by two disks", d->drive);
	p->c->drive[i].used = true;
	d->drive_no = i;
	return 0;
}

static bool place_taken(const struct mp_cmdline *c, const struct mp_opt_disk *d, uint32_t id)
{
	for (unsigned int i = 0; i < c->n_disks; i++)
		if (&c->disk[i] != d && c->disk[i].hba == d->hba && c->disk[i].scsi_id == id &&
		    c->disk[i].lun == d->lun)
			return true;
	return false;
}

static int resolve_place(struct parser *p, struct mp_opt_disk *d)
{
	if (d->scsi_id == NO_ID) {
		for (d->scsi_id = 0; d->scsi_id < 16; d->scsi_id++)
			if (d->scsi_id != 7 && !place_taken(p->c, d, d->scsi_id))
				return 0;
		return fail(p, "-device scsi-hd: no free scsi-id on bus '%s.0'",
			    p->c->hba[d->hba].id);
	}
	if (place_taken(p->c, d, d->scsi_id))
		return fail(p, "two disks have scsi-id=%u,lun=%u on bus '%s.0'", d->scsi_id, d->lun,
			    p->c->hba[d->hba].id);
	return 0;
}

/* One engine serves all drives of a worker, so they can't differ in aio. */
static int resolve_aio(struct parser *p)
{
	enum mp_blk_aio aio;

	for (unsigned int i = 0; i < p->c->n_drives; i++) {
		if (!p->c->drive[i].aio)
			continue;
		aio = strcmp(p->c->drive[i].aio, "threads") == 0 ? MP_BLK_AIO_THREADS
								 : MP_BLK_AIO_URING;
		if (p->c->aio != MP_BLK_AIO_AUTO && p->c->aio != aio)
			return fail(p,
				    "drive '%s': aio=%s differs from what another option says; "
				    "one worker has one kind",
				    p->c->drive[i].id, p->c->drive[i].aio);
		p->c->aio = aio;
	}
	return 0;
}

static int resolve(struct parser *p)
{
	int r = resolve_hbas(p);

	for (unsigned int i = 0; r == 0 && i < p->c->n_drives; i++)
		for (unsigned int k = 0; r == 0 && k < i; k++)
			if (strcmp(p->c->drive[i].id, p->c->drive[k].id) == 0)
				r = fail(p, "two drives have the id '%s'", p->c->drive[i].id);
	for (unsigned int i = 0; r == 0 && i < p->c->n_disks; i++)
		r = resolve_bus(p, &p->c->disk[i]);
	for (unsigned int i = 0; r == 0 && i < p->c->n_disks; i++) {
		r = resolve_drive(p, &p->c->disk[i]);
		if (r == 0)
			r = resolve_place(p, &p->c->disk[i]);
	}
	return r == 0 ? resolve_aio(p) : mp_err_trace(r);
}

int mp_cmdline_parse(struct mp_cmdline *c, int argc, char *const argv[], char *error,
		     size_t error_len)
{
	struct parser p = {.c = c, .error = error, .error_len = error_len};
	int r;

	memset(c, 0, sizeof(*c));
	c->poll = MP_IDLE_ADAPTIVE;
	c->spin_us = MP_CMDLINE_DEFAULT_SPIN_US;
	c->cpu = -1;
	c->request_budget = MP_CMDLINE_DEFAULT_REQUESTS;
	c->insn_budget = MP_CMDLINE_DEFAULT_INSNS;
	c->pool_bytes = MP_CMDLINE_DEFAULT_POOL;
	snprintf(error, error_len, "out of memory");
	r = parse_options(&p, argc, argv);
	return r == 0 ? mp_err_trace(resolve(&p)) : mp_err_trace(r);
}

void mp_cmdline_fini(struct mp_cmdline *c)
{
	for (unsigned int i = 0; i < c->n_texts; i++)
		free(c->text[i]);
	memset(c, 0, sizeof(*c));
}

struct mp_blk_open mp_cmdline_blk_open(const struct mp_opt_drive *d)
{
	return (struct mp_blk_open){
		.driver = d->is_null ? "null" : "raw",
		.filename = d->file,
		.size_bytes = d->size,
		.read_only = d->read_only,
		.cache_direct = strcmp(d->cache, "none") == 0,
		.no_flush = strcmp(d->cache, "unsafe") == 0,
		.discard = strcmp(d->discard, "unmap") == 0 || strcmp(d->discard, "on") == 0,
		.no_lock = !d->locking,
	};
}

void mp_cmdline_help(FILE *to)
{
	fputs("usage: mpring-worker [OPTION]...\n"
	      "       mpring-worker SOCKET-FD [OPTION]...\n\n"
	      "Emulates LSI53C895A SCSI adapters for a QEMU that has their proxy devices.\n"
	      "Options take one dash or two. \",,\" in a value stands for a comma.\n\n",
	      to);
	for (size_t i = 0; i < N_OPTIONS; i++) {
		fprintf(to, "  -%s%s%s\n      %s\n", options[i].name, options[i].arg ? " " : "",
			options[i].arg ? options[i].arg : "", options[i].help);
		if (options[i].props)
			mp_prop_help(options[i].props, to);
	}
	fputs("\nExit status: 0 the proxies closed or a signal asked to end; 1 an error; "
	      "2 a wrong\ncommand line.\n",
	      to);
}
