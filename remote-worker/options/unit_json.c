/* SPDX-License-Identifier: BSD-3-Clause */
#include "remote-worker/options/unit_json.h"

#include <errno.h>
#include <stdbool.h>
#include <stddef.h>
#include <string.h>

#include "base/err.h"
#include "monitor/unicode.h"

enum kind { TEXT, U64, U32, ENUM, BOOL };

struct field {
	const char *name;
	size_t off;
	enum kind kind;
};

#define N(fields) (sizeof(fields) / sizeof((fields)[0]))

#define FIELD(f, kind)                                                                             \
	{                                                                                          \
#f, offsetof(STRUCT, f), kind                                                      \
	}

#define STRUCT struct mp_opt_disk
static const struct field disk_fields[] = {
	FIELD(form, TEXT),
	FIELD(id, TEXT),
	FIELD(drive, TEXT),
	FIELD(serial, TEXT),
	FIELD(device_id, TEXT),
	FIELD(vendor, TEXT),
	FIELD(product, TEXT),
	FIELD(version, TEXT),
	FIELD(rerror, TEXT),
	FIELD(werror, TEXT),
	FIELD(wwn, U64),
	FIELD(scsi_id, U32),
	FIELD(lun, U32),
	FIELD(logical_bytes, U32),
	FIELD(physical_bytes, U32),
	FIELD(hba, U32),
	FIELD(removable, BOOL),
	FIELD(is_cd, BOOL),
	FIELD(write_through, BOOL),
};
#undef STRUCT

#define STRUCT struct mp_opt_drive
static const struct field drive_fields[] = {
	FIELD(kind, ENUM),          FIELD(id, TEXT),           FIELD(file, TEXT),
	FIELD(format, TEXT),        FIELD(cache, TEXT),        FIELD(discard, TEXT),
	FIELD(detect_zeroes, TEXT), FIELD(file_locking, TEXT), FIELD(rerror, TEXT),
	FIELD(werror, TEXT),        FIELD(node_name, TEXT),    FIELD(nbd.export_name, TEXT),
	FIELD(size, U64),           FIELD(read_only, BOOL),    FIELD(locking, BOOL),
	FIELD(direct, BOOL),        FIELD(no_flush, BOOL),     FIELD(write_through, BOOL),
	FIELD(probed, BOOL),        FIELD(filter, TEXT),
};
#undef STRUCT

#define STRUCT   struct mp_opt_throttle
#define LIMIT(l) FIELD(l.avg, U64), FIELD(l.max, U64), FIELD(l.max_length, U64)
static const struct field throttle_fields[] = {
	LIMIT(bps_total), LIMIT(bps_read),   LIMIT(bps_write),      LIMIT(iops_total),
	LIMIT(iops_read), LIMIT(iops_write), FIELD(iops_size, U64), FIELD(group, TEXT),
};
#undef STRUCT

static json_t *get(const struct field *f, const void *from)
{
	const void *at = (const char *)from + f->off;

	switch (f->kind) {
	case TEXT:
		return mp_utf8_json(*(const char *const *)at);
	case U64:
		return *(const uint64_t *)at ? json_integer((json_int_t) * (const uint64_t *)at)
					     : NULL;
	case U32:
	case ENUM:
		return *(const uint32_t *)at ? json_integer(*(const uint32_t *)at) : NULL;
	default:
		return *(const bool *)at ? json_true() : NULL;
	}
}

static int put(const struct field *f, json_t *value, void *to)
{
	void *at = (char *)to + f->off;
	bool fits = f->kind == TEXT   ? json_is_string(value)
		    : f->kind == BOOL ? json_is_boolean(value)
				      : json_is_integer(value);

	if (!fits)
		return mp_err_origin(-EPROTO);
	if (f->kind == TEXT)
		*(const char **)at = json_string_value(value);
	else if (f->kind == BOOL)
		*(bool *)at = json_is_true(value);
	else if (f->kind == U64)
		*(uint64_t *)at = (uint64_t)json_integer_value(value);
	else
		*(uint32_t *)at = (uint32_t)json_integer_value(value);
	return 0;
}

static json_t *to_json(const struct field *fields, size_t n, const void *from)
{
	json_t *json = json_object(), *value;

	for (size_t i = 0; json && i < n; i++) {
		value = get(&fields[i], from);
		if (value)
			json_object_set_new(json, fields[i].name, value);
	}
	return json;
}

static int from_json(const struct field *fields, size_t n, json_t *json, void *to)
{
	json_t *value;
	int r = json_is_object(json) ? 0 : mp_err_origin(-EPROTO);

	for (size_t i = 0; r == 0 && i < n; i++) {
		value = json_object_get(json, fields[i].name);
		if (value)
			r = put(&fields[i], value, to);
	}
	return r;
}

json_t *mp_disk_to_json(const struct mp_opt_disk *disk)
{
	return to_json(disk_fields, N(disk_fields), disk);
}

json_t *mp_throttle_to_json(const struct mp_opt_throttle *t)
{
	return to_json(throttle_fields, N(throttle_fields), t);
}

json_t *mp_drive_to_json(const struct mp_opt_drive *drive)
{
	json_t *json = to_json(drive_fields, N(drive_fields), drive);

	if (json)
		json_object_set_new(json, "throttle", mp_throttle_to_json(&drive->throttle));
	return json;
}

int mp_throttle_from_json(json_t *json, struct mp_opt_throttle *ret_throttle)
{
	memset(ret_throttle, 0, sizeof(*ret_throttle));
	return from_json(throttle_fields, N(throttle_fields), json, ret_throttle);
}

/* What every user of these takes for granted. */
static const char *or_default(const char *text, const char *other)
{
	return text ? text : other;
}

int mp_disk_from_json(json_t *json, struct mp_opt_disk *ret_disk)
{
	struct mp_opt_disk *d = ret_disk;
	int r;

	memset(d, 0, sizeof(*d));
	r = from_json(disk_fields, N(disk_fields), json, d);
	d->form = or_default(d->form, "-device");
	d->id = or_default(d->id, "");
	d->serial = or_default(d->serial, "");
	d->device_id = or_default(d->device_id, "");
	d->vendor = or_default(d->vendor, "");
	d->product = or_default(d->product, "");
	d->version = or_default(d->version, "");
	d->rerror = or_default(d->rerror, "report");
	d->werror = or_default(d->werror, "enospc");
	d->logical_bytes = d->logical_bytes ? d->logical_bytes : 512;
	return r;
}

int mp_drive_from_json(json_t *json, struct mp_opt_drive *ret_drive)
{
	struct mp_opt_drive *d = ret_drive;
	json_t *throttle = json_object_get(json, "throttle");
	int r;

	memset(d, 0, sizeof(*d));
	r = from_json(drive_fields, N(drive_fields), json, d);
	if (r == 0 && throttle)
		r = mp_throttle_from_json(throttle, &d->throttle);
	d->id = or_default(d->id, "");
	d->cache = or_default(d->cache, "writeback");
	d->discard = or_default(d->discard, "ignore");
	d->detect_zeroes = or_default(d->detect_zeroes, "off");
	d->file_locking = or_default(d->file_locking, "auto");
	d->rerror = or_default(d->rerror, "report");
	d->werror = or_default(d->werror, "enospc");
	d->node_name = or_default(d->node_name, "");
	return r;
}

static struct mp_blk_limit limit_of(const struct mp_opt_limit *l)
{
	return (struct mp_blk_limit){.avg = l->avg, .max = l->max, .max_length = l->max_length};
}

static struct mp_opt_limit opt_of(const struct mp_blk_limit *l)
{
	return (struct mp_opt_limit){.avg = l->avg, .max = l->max, .max_length = l->max_length};
}

struct mp_blk_throttle mp_throttle_of(const struct mp_opt_throttle *t)
{
	return (struct mp_blk_throttle){
		.bps = {[MP_THROTTLE_TOTAL] = limit_of(&t->bps_total),
			[MP_THROTTLE_READ] = limit_of(&t->bps_read),
			[MP_THROTTLE_WRITE] = limit_of(&t->bps_write)},
		.iops = {[MP_THROTTLE_TOTAL] = limit_of(&t->iops_total),
			 [MP_THROTTLE_READ] = limit_of(&t->iops_read),
			 [MP_THROTTLE_WRITE] = limit_of(&t->iops_write)},
		.iops_size = t->iops_size,
	};
}

struct mp_opt_throttle mp_throttle_opt_of(const struct mp_blk_throttle *t)
{
	return (struct mp_opt_throttle){
		.bps_total = opt_of(&t->bps[MP_THROTTLE_TOTAL]),
		.bps_read = opt_of(&t->bps[MP_THROTTLE_READ]),
		.bps_write = opt_of(&t->bps[MP_THROTTLE_WRITE]),
		.iops_total = opt_of(&t->iops[MP_THROTTLE_TOTAL]),
		.iops_read = opt_of(&t->iops[MP_THROTTLE_READ]),
		.iops_write = opt_of(&t->iops[MP_THROTTLE_WRITE]),
		.iops_size = t->iops_size,
	};
}
