/* SPDX-License-Identifier: BSD-3-Clause */
/* An image and what is behind it, in QEMU's lines. */
#include "remote-worker/monitor/qmp.h"

#include <stdio.h>
#include <string.h>
#include <time.h>

#define SIZE_LEN 32u

static const char *size_text(json_int_t bytes, char room[SIZE_LEN])
{
	static const char *const units[] = {"B", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB"};
	double v = (double)bytes;
	unsigned int u = 0;

	for (; v >= 1000 && u < 6; u++)
		v /= 1024;
	snprintf(room, SIZE_LEN, "%0.3g %s", v, units[u]);
	return room;
}

/* -- snapshots --------------------------------------------------------------------- */

static const char snapshot_line[] = "%-9s %-16s %8s %19s %12s %10s\n";

static void print_snapshot(struct mp_mon_buf *out, const json_t *s)
{
	json_int_t clock_s = mp_qmp_int(s, "vm-clock-sec");
	char date[32] = "", clock[48], size[SIZE_LEN], icount[24] = "";
	time_t at = (time_t)mp_qmp_int(s, "date-sec");
	struct tm tm;

	if (localtime_r(&at, &tm))
		strftime(date, sizeof(date), "%Y-%m-%d %H:%M:%S", &tm);
	snprintf(clock, sizeof(clock), "%02d:%02d:%02d.%03d", (int)(clock_s / 3600),
		 (int)(clock_s / 60 % 60), (int)(clock_s % 60),
		 (int)(mp_qmp_int(s, "vm-clock-nsec") / 1000000));
	if (json_object_get(s, "icount"))
		snprintf(icount, sizeof(icount), "%" JSON_INTEGER_FORMAT, mp_qmp_int(s, "icount"));
	mp_mon_printf(out, snapshot_line, mp_qmp_text(s, "id"), mp_qmp_text(s, "name"),
		      size_text(mp_qmp_int(s, "vm-state-size"), size), date, clock, icount);
}

static void print_snapshots(struct mp_mon_buf *out, const json_t *list)
{
	json_t *s;
	size_t i;

	if (json_array_size(list) == 0)
		return;
	mp_mon_printf(out, "Snapshot list:\n");
	mp_mon_printf(out, snapshot_line, "ID", "TAG", "VM SIZE", "DATE", "VM CLOCK", "ICOUNT");
	json_array_foreach(list, i, s) print_snapshot(out, s);
}

/* -- what a format has of its own ------------------------------------------------------ */

static void print_scalar(struct mp_mon_buf *out, const json_t *v)
{
	if (json_is_string(v))
		mp_mon_printf(out, " %s\n", json_string_value(v));
	else if (json_is_integer(v))
		mp_mon_printf(out, " %" JSON_INTEGER_FORMAT "\n", json_integer_value(v));
	else if (json_is_boolean(v))
		mp_mon_printf(out, " %s\n", json_is_true(v) ? "true" : "false");
	else
		mp_mon_printf(out, "\n");
}

static void print_members(struct mp_mon_buf *out, json_t *object, int indent);

static void print_value(struct mp_mon_buf *out, json_t *v, int indent)
{
	json_t *element;
	size_t i;

	if (!json_is_object(v) && !json_is_array(v)) {
		print_scalar(out, v);
		return;
	}
	mp_mon_printf(out, "\n");
	print_members(out, v, indent + 1);
	json_array_foreach(v, i, element)
	{
		mp_mon_printf(out, "%*s[%zu]:", 4 * (indent + 1), "", i);
		print_value(out, element, indent + 1);
	}
}

/* "lazy-refcounts" is two words here. */
static void print_members(struct mp_mon_buf *out, json_t *object, int indent)
{
	const char *name;
	json_t *v;

	json_object_foreach(object, name, v)
	{
		mp_mon_printf(out, "%*s", 4 * indent, "");
		for (const char *c = name; *c; c++)
			mp_mon_buf_add_char(out, *c == '-' ? ' ' : *c);
		mp_mon_buf_add_char(out, ':');
		print_value(out, v, indent);
	}
}

/* -- the whole --------------------------------------------------------------------------- */

static void print_backing(struct mp_mon_buf *out, const json_t *image)
{
	const char *name = mp_qmp_text(image, "backing-filename");
	const char *full = mp_qmp_text(image, "full-backing-filename");

	if (!*name)
		return;
	mp_mon_printf(out, "backing file: %s", name);
	if (!*full)
		mp_mon_printf(out, " (cannot determine actual path)");
	else if (strcmp(name, full) != 0)
		mp_mon_printf(out, " (actual path: %s)", full);
	mp_mon_printf(out, "\n");
	if (*mp_qmp_text(image, "backing-filename-format"))
		mp_mon_printf(out, "backing file format: %s\n",
			      mp_qmp_text(image, "backing-filename-format"));
}

static void print_one(struct mp_mon_buf *out, const json_t *image)
{
	json_int_t bytes = mp_qmp_int(image, "virtual-size");
	bool is_known = json_object_get(image, "actual-size") != NULL;
	json_t *data = json_object_get(json_object_get(image, "format-specific"), "data");
	char size[SIZE_LEN], actual[SIZE_LEN];

	mp_mon_printf(out,
		      "image: %s\nfile format: %s\nvirtual size: %s (%" JSON_INTEGER_FORMAT
		      " bytes)\ndisk size: %s\n",
		      mp_qmp_text(image, "filename"), mp_qmp_text(image, "format"),
		      size_text(bytes, size), bytes,
		      is_known ? size_text(mp_qmp_int(image, "actual-size"), actual)
			       : "unavailable");
	if (mp_qmp_bool(image, "encrypted"))
		mp_mon_printf(out, "encrypted: yes\n");
	if (json_object_get(image, "cluster-size"))
		mp_mon_printf(out, "cluster_size: %" JSON_INTEGER_FORMAT "\n",
			      mp_qmp_int(image, "cluster-size"));
	if (mp_qmp_bool(image, "dirty-flag"))
		mp_mon_printf(out, "cleanly shut down: no\n");
	print_backing(out, image);
	print_snapshots(out, json_object_get(image, "snapshots"));
	if (!data)
		return;
	mp_mon_printf(out, "Format specific information:\n");
	print_members(out, data, 1);
}

void mp_hmp_print_images(struct mp_mon_buf *out, const json_t *image)
{
	mp_mon_printf(out, "\nImages:\n");
	for (; image; image = json_object_get(image, "backing-image"))
		print_one(out, image);
}
