/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * QEMU's own forms. Each has a table of its properties (keyval.h); a new
 * property is one line there, and is then parsed, checked, listed after a typing
 * mistake, and documented by --help. QEMU has properties that have no meaning
 * here but stand in every script: they are in the tables as ignored. One whose
 * value would change what the guest sees is taken only with the value that we
 * give it anyway.
 */
#include "remote-worker/options/parser.h"

#include <stdlib.h>
#include <string.h>

#include "base/err.h"

struct hba_props {
	const char *id;
};

struct machine_props {
	bool vfio_user, auto_shutdown;
};

#define IDLE(name)                                                                                 \
	{                                                                                          \
		name, MP_PROP_IGNORED, 0, 0, 0, NULL, "ignored"                                    \
	}
static const struct mp_prop machine_table[] = {
	IDLE("accel"),
	IDLE("dump-guest-core"),
	IDLE("graphics"),
	IDLE("mem-merge"),
	IDLE("memory-backend"),
	IDLE("usb"),
	{"auto-shutdown", MP_PROP_BOOL, offsetof(struct machine_props, auto_shutdown), 0, 0, NULL,
	 "end with the last proxy; default on"},
	{"vfio-user", MP_PROP_BOOL, offsetof(struct machine_props, vfio_user), 0, 0, NULL, "off"},
	{NULL, 0, 0, 0, 0, NULL, NULL},
};

const struct mp_prop mp_props_hba[] = {
	{"id", MP_PROP_STRING, offsetof(struct hba_props, id), 0, 63, NULL,
	 "name; its bus is ID.0"},
	{"bus", MP_PROP_IGNORED, 0, 0, 0, NULL, "ignored: the proxy has a bus"},
	{"addr", MP_PROP_IGNORED, 0, 0, 0, NULL, "ignored: the proxy has an address"},
	{NULL, 0, 0, 0, 0, NULL, NULL},
};

#define DISK(f) offsetof(struct mp_opt_disk, f)

/* What disks and CD-ROM drives have in common. */
/* clang-format off */
#define UNIT_PROPS(product_help, drive_help)                                                       \
	{"id", MP_PROP_STRING, DISK(id), 0, 63, NULL, "name"},                                     \
	{"drive", MP_PROP_STRING, DISK(drive), 0, 63, NULL, drive_help},                           \
	{"bus", MP_PROP_STRING, DISK(bus), 0, 65, NULL,                                            \
	 "ID.0 of the HBA; default the first one"},                                                \
	{"scsi-id", MP_PROP_UINT, DISK(scsi_id), 0, 15, NULL,                                      \
	 "target, 0 to 15 but 7; default the next free"},                                          \
	{"channel", MP_PROP_UINT, DISK(channel), 0, 0, NULL, "0"},                                 \
	{"lun", MP_PROP_UINT, DISK(lun), 0, 63, NULL, "logical unit, 0 to 63; default 0"},         \
	{"serial", MP_PROP_STRING, DISK(serial), 0, 36, NULL, "serial number; default none"},      \
	{"device_id", MP_PROP_STRING, DISK(device_id), 0, 63, NULL,                                \
	 "name in VPD page 83; default drive, if there is no serial"},                             \
	{"vendor", MP_PROP_STRING, DISK(vendor), 0, 8, NULL, "default mpring"},                    \
	{"product", MP_PROP_STRING, DISK(product), 0, 16, NULL, "default " product_help},          \
	{"ver", MP_PROP_STRING, DISK(version), 0, 4, NULL, "revision; default our version"},       \
	{"wwn", MP_PROP_HEX64, DISK(wwn), 0, 0, NULL, "NAA identifier; default none"},             \
	{"rerror", MP_PROP_CHOICE, DISK(rerror), 0, 0, "report|ignore|stop|auto",                  \
	 "after a read error; auto, the default: as -drive says"},                                 \
	{"werror", MP_PROP_CHOICE, DISK(werror), 0, 0, "report|ignore|enospc|stop|auto",           \
	 "after a write error; auto, the default: as -drive says"},                                \
	{"write-cache", MP_PROP_CHOICE, DISK(write_cache), 0, 0, "auto|on|off",                    \
	 "a guest may switch it; auto, the default: as -drive says"},                              \
	IGNORED("account-failed"), IGNORED("account-invalid"), IGNORED("backend_defaults"),        \
	{"bootindex", MP_PROP_IGNORED, 0, 0, 0, NULL, "ignored: firmware asks QEMU"},              \
	IGNORED("discard_granularity"), IGNORED("max_io_size"), IGNORED("min_io_size"),            \
	IGNORED("opt_io_size"), IGNORED("port_index"), IGNORED("port_wwn"),                        \
	IGNORED("scsi_version"),                                                                   \
	{"share-rw", MP_PROP_IGNORED, 0, 0, 0, NULL, "ignored: see locking of -drive"}
#define IGNORED(name) {name, MP_PROP_IGNORED, 0, 0, 0, NULL, "ignored"}

const struct mp_prop mp_props_disk[] = {
	UNIT_PROPS("mpring HARDDISK", "id of the -drive; needed"),
	{"logical_block_size", MP_PROP_UINT, DISK(logical_bytes), 512, 4096, NULL,
	 "512 or 4096 bytes; default 512"},
	{"physical_block_size", MP_PROP_UINT, DISK(physical_bytes), 512, 65536, NULL,
	 "bytes; default logical_block_size"},
	{"removable", MP_PROP_BOOL, DISK(removable), 0, 0, NULL, "default off"},
	IGNORED("cyls"), IGNORED("heads"), IGNORED("secs"), IGNORED("dpofua"),
	IGNORED("max_unmap_size"), IGNORED("rotation_rate"),
	{NULL, 0, 0, 0, 0, NULL, NULL},
};

const struct mp_prop mp_props_cd[] = {
	UNIT_PROPS("mpring CD-ROM", "id of the -drive; without one there is no medium"),
	{"logical_block_size", MP_PROP_UINT, DISK(logical_bytes), 2048, 2048, NULL, "2048"},
	{"physical_block_size", MP_PROP_UINT, DISK(physical_bytes), 2048, 2048, NULL, "2048"},
	{NULL, 0, 0, 0, 0, NULL, NULL},
};
/* clang-format on */

/* A form of an option: its name in messages, the key that chose it, its properties. */
struct form {
	const char *name, *chosen_by;
	const struct mp_prop *props;
};

static const struct form machine_form = {"-machine x-remote", "type", machine_table};
static const struct form hba_form = {"-device lsi53c895a", "driver", mp_props_hba};
static const struct form disk_form = {"-device scsi-hd", "driver", mp_props_disk};
static const struct form cd_form = {"-device scsi-cd", "driver", mp_props_cd};

static int set_all(struct mp_parser *p, const struct form *form, const struct mp_keyval *kv,
		   void *object)
{
	char why[768];

	for (unsigned int i = 0; i < kv->n; i++) {
		if (form->chosen_by && strcmp(kv->item[i].key, form->chosen_by) == 0)
			continue;
		if (mp_prop_set(form->props, object, &kv->item[i], why, sizeof(why)) < 0)
			return mp_parser_fail(p, "%s: %s", form->name, why);
	}
	return 0;
}

int mp_parse_machine(struct mp_parser *p, const struct mp_option *o, const char *arg)
{
	struct mp_keyval kv = MP_KEYVAL_NULL;
	struct machine_props props = {.auto_shutdown = true};
	const char *type;
	int r;

	r = mp_parser_split(p, "machine", arg, "type", &kv);
	if (r < 0)
		return mp_err_trace(r);
	type = mp_keyval_get(&kv, "type");
	if (!type || strcmp(type, "x-remote") != 0)
		return mp_parser_fail(p, "-machine %s: unknown machine; valid is x-remote", arg);
	r = set_all(p, &machine_form, &kv, &props);
	if (r == 0 && props.vfio_user)
		return mp_parser_fail(p, "-machine x-remote: vfio-user=on isn't supported; use "
					 "-object x-remote-object");
	p->c->auto_shutdown = props.auto_shutdown;
	return mp_err_trace(r);
}

/* What -global has said about @driver comes first, so that -device has the last word. */
static int set_globals(struct mp_parser *p, const struct form *form, const char *driver,
		       void *object)
{
	char why[1536];

	for (unsigned int i = 0; i < p->n_globals; i++)
		if (strcmp(p->global[i].driver, driver) == 0 &&
		    mp_prop_set(form->props, object, &p->global[i].item, why, sizeof(why)) < 0)
			return mp_parser_fail(p, "-global %s: %s", driver, why);
	return 0;
}

struct global_props {
	const char *driver, *property, *value;
};

#define GLOBAL(f) offsetof(struct global_props, f)
static const struct mp_prop global_table[] = {
	{"driver", MP_PROP_STRING, GLOBAL(driver), 0, 63, NULL, "device"},
	{"property", MP_PROP_STRING, GLOBAL(property), 0, 63, NULL, "property"},
	{"value", MP_PROP_STRING, GLOBAL(value), 0, 0, NULL, "value"},
	{NULL, 0, 0, 0, 0, NULL, NULL},
};
static const struct form global_form = {"-global", NULL, global_table};

/* "DRIVER.PROPERTY=VALUE", which may have commas, or "driver=...,property=...,value=..." */
static int split_global(struct mp_parser *p, const char *arg, struct global_props *ret_g)
{
	struct mp_keyval kv = MP_KEYVAL_NULL;
	char *text, *dot, *eq;
	int r;

	if (strncmp(arg, "driver=", 7) == 0) {
		r = mp_parser_split(p, "global", arg, NULL, &kv);
		return r == 0 ? mp_err_trace(set_all(p, &global_form, &kv, ret_g))
			      : mp_err_trace(r);
	}
	text = strdup(arg);
	r = mp_texts_take(p->texts, text);
	if (r < 0)
		return mp_err_trace(r);
	dot = strchr(text, '.');
	eq = dot ? strchr(dot, '=') : NULL;
	if (!eq)
		return 0;
	*dot = *eq = '\0';
	*ret_g = (struct global_props){.driver = text, .property = dot + 1, .value = eq + 1};
	return 0;
}

int mp_parse_global(struct mp_parser *p, const struct mp_option *o, const char *arg)
{
	struct global_props g = {.driver = NULL};
	int r = split_global(p, arg, &g);

	if (r < 0)
		return mp_err_trace(r);
	if (!g.driver || !g.property || !g.value)
		return mp_parser_fail(p, "-global takes DEVICE.PROPERTY=VALUE, not '%s'", arg);
	if (strcmp(g.driver, "lsi53c895a") != 0 && strcmp(g.driver, "scsi-hd") != 0 &&
	    strcmp(g.driver, "scsi-cd") != 0)
		return mp_err_trace(mp_parser_warn(p, "-global %s has no meaning here", arg));
	if (p->n_globals == MP_PARSER_MAX_GLOBALS)
		return mp_parser_fail(p, "more than %u -global", MP_PARSER_MAX_GLOBALS);
	p->global[p->n_globals++] = (struct mp_parser_global){
		.driver = g.driver, .item = {.key = g.property, .value = g.value}};
	return 0;
}

static int parse_hba(struct mp_parser *p, const struct mp_keyval *kv)
{
	struct mp_opt_hba *hba = &p->c->hba[p->c->n_hbas];
	struct hba_props props = {.id = ""};
	int r;

	if (p->c->n_hbas == MP_CMDLINE_MAX_HBAS)
		return mp_parser_fail(p, "more than %u devices in one worker", MP_CMDLINE_MAX_HBAS);
	r = set_globals(p, &hba_form, "lsi53c895a", &props);
	if (r == 0)
		r = set_all(p, &hba_form, kv, &props);
	if (r < 0)
		return mp_err_trace(r);
	*hba = (struct mp_opt_hba){.id = props.id, .fd = -1, .stats_fd = -1};
	p->c->n_hbas++;
	return 0;
}

static int check_blocks(struct mp_parser *p, const struct mp_opt_disk *disk)
{
	if (disk->is_cd)
		return 0;
	if (disk->logical_bytes != 512 && disk->logical_bytes != 4096)
		return mp_parser_fail(p, "-device scsi-hd: logical_block_size is 512 or 4096");
	if (disk->physical_bytes & (disk->physical_bytes - 1))
		return mp_parser_fail(p, "-device scsi-hd: physical_block_size is a power of two");
	if (disk->physical_bytes && disk->physical_bytes < disk->logical_bytes)
		return mp_parser_fail(p, "-device scsi-hd: physical_block_size is at least "
					 "logical_block_size");
	return 0;
}

static int parse_unit(struct mp_parser *p, const struct mp_keyval *kv, bool is_cd)
{
	const struct form *form = is_cd ? &cd_form : &disk_form;
	struct mp_opt_disk *disk = &p->c->disk[p->c->n_disks];
	int r;

	if (p->c->n_disks == MP_CMDLINE_MAX_DISKS)
		return mp_parser_fail(p, "more than %u disks in one worker", MP_CMDLINE_MAX_DISKS);
	*disk = (struct mp_opt_disk){.form = form->name,
				     .id = "",
				     .serial = "",
				     .device_id = "",
				     .vendor = "",
				     .product = "",
				     .version = "",
				     .rerror = "auto",
				     .werror = "auto",
				     .is_cd = is_cd,
				     .scsi_id = MP_PARSER_NO_ID,
				     .logical_bytes = is_cd ? 2048 : 512};
	r = set_globals(p, form, is_cd ? "scsi-cd" : "scsi-hd", disk);
	if (r == 0)
		r = set_all(p, form, kv, disk);
	if (r < 0)
		return mp_err_trace(r);
	if (!disk->drive && !is_cd)
		return mp_parser_fail(p, "-device scsi-hd: drive=ID is missing");
	if (disk->scsi_id == 7)
		return mp_parser_fail(p, "%s: scsi-id=7 is the adapter itself", form->name);
	r = check_blocks(p, disk);
	if (r == 0)
		p->c->n_disks++;
	return mp_err_trace(r);
}

int mp_parse_device(struct mp_parser *p, const struct mp_option *o, const char *arg)
{
	struct mp_keyval kv = MP_KEYVAL_NULL;
	const char *driver;
	int r;

	r = mp_parser_split(p, "device", arg, "driver", &kv);
	if (r < 0)
		return mp_err_trace(r);
	driver = mp_keyval_get(&kv, "driver");
	if (driver && (strcmp(driver, "lsi53c895a") == 0 || strcmp(driver, "lsi") == 0))
		return mp_err_trace(parse_hba(p, &kv));
	if (driver && (strcmp(driver, "scsi-hd") == 0 || strcmp(driver, "scsi-cd") == 0))
		return mp_err_trace(parse_unit(p, &kv, driver[5] == 'c'));
	if (driver && (strcmp(driver, "scsi-block") == 0 || strcmp(driver, "scsi-generic") == 0))
		return mp_parser_fail(p,
				      "-device %s isn't supported: no commands are passed through "
				      "to a device of the host; use -device scsi-hd on it",
				      driver);
	return mp_parser_fail(p,
			      "-device %s: unknown device; valid are lsi53c895a, scsi-hd, scsi-cd",
			      driver ? driver : arg);
}
