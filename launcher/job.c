/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A fio job is text, and stays text: it is cut at section headers, [global] goes
 * through as it is, and every other section is written once for each device,
 * with a name and a file of its own. What fio knows of its options isn't known
 * here, but for two things. A job that names files is refused, since the devices
 * are ours to name. And barriers ("stonewall", "wait_for_previous") stand in the
 * first copy of a section only: repeated in each, they would run the devices one
 * after the other.
 */
#include "launcher/job.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/cleanup.h"
#include "base/err.h"
#include "base/log.h"

#define MAX_JOB_BYTES (1 << 20)
/* Of the guest's memory, what is not fio's: 1 GiB has room for buffers of 864 MiB, 384 MiB for 192. What
 * Linux has for each page comes on top. */
#define GUEST_BYTES (192ull << 20)

static const char *skip_blanks(const char *s)
{
	return s + strspn(s, " \t");
}

static bool line_is(const char *line, const char *key)
{
	size_t len = strlen(key);

	line = skip_blanks(line);
	return strncmp(line, key, len) == 0 && strchr(" \t=\r\n", line[len]);
}

/* Barriers hold for a section on all devices, so only its first copy has them. */
static bool is_barrier(const char *line)
{
	return line_is(line, "stonewall") || line_is(line, "wait_for_previous");
}

/* The section that starts at @from (at its '['), once for each device; returns its end. */
static const char *expand_section(const struct mp_plan *p, enum mp_dev_kind kind, const char *from,
				  FILE *out)
{
	const char *close = strchr(from, ']'), *end = strstr(from, "\n[");
	bool first = true;

	end = end ? end + 1 : from + strlen(from);
	for (unsigned int i = 0; i < p->n_devs; i++) {
		if (p->dev[i].kind != kind)
			continue;
		fprintf(out, "%.*s@%s]\nfilename=/dev/mpring/%s\n", (int)(close - from), from,
			p->dev[i].id, p->dev[i].id);
		for (const char *l = close + 1; l < end;) {
			const char *next = memchr(l, '\n', (size_t)(end - l));

			next = next ? next + 1 : end;
			if (first || !is_barrier(l))
				fprintf(out, "%.*s", (int)(next - l), l);
			l = next;
		}
		fputc('\n', out);
		first = false;
	}
	return end;
}

static const char *find_fault(const char *text)
{
	unsigned int n_sections = 0;

	for (const char *l = text; l; l = strchr(l, '\n') ? strchr(l, '\n') + 1 : NULL) {
		if (*l == '[' && strncmp(l, "[global]", 8) != 0) {
			n_sections++;
			if (!strchr(l, ']'))
				return "a section name without ']'";
		}
		if (line_is(l, "filename") || line_is(l, "directory"))
			return "it names a file; leave that out, each device is added by the launcher";
	}
	return n_sections ? NULL : "it has no [section] besides [global]";
}

int mp_job_expand(const struct mp_plan *p, enum mp_dev_kind kind, const char *text, char **ret_text,
		  const char **ret_error)
{
	const char *at;
	size_t len;
	FILE *out;

	*ret_error = find_fault(text);
	if (*ret_error)
		return mp_err_origin(-EINVAL);
	out = open_memstream(ret_text, &len);
	mp_assert(out);
	at = *text == '[' ? text : strstr(text, "\n[");
	at += *at == '\n';
	while (*at) {
		if (strncmp(at, "[global]", 8) == 0) {
			const char *end = strstr(at, "\n[");

			fprintf(out, "%.*s\n", (int)(end ? end - at : (long)strlen(at)), at);
			at = end ? end + 1 : at + strlen(at);
		} else {
			at = expand_section(p, kind, at, out);
		}
	}
	fclose(out);
	return 0;
}

static void default_job(const struct mp_options *o, char *buf, size_t len)
{
	snprintf(buf, len,
		 "[global]\nioengine=libaio\ndirect=1\nnorandommap=1\nrw=%s\nbs=%s\niodepth=%u\n"
		 "time_based=1\nruntime=%u\nramp_time=%u\n[perf]\n",
		 o->rw, o->bs, o->iodepth, o->runtime_s, o->runtime_s >= 5 ? 1 : 0);
}

/* The smallest of the disks, as far as that is known here. */
static uint64_t disk_bytes(const struct mp_plan *p)
{
	const struct mp_options *o = p->opt;
	uint64_t least = o->n_disks ? UINT64_MAX : p->disk_bytes;
	struct stat st;

	for (unsigned int i = 0; i < o->n_disks; i++)
		if (strcmp(o->disk[i].format, "raw") == 0 && stat(o->disk[i].file, &st) == 0 &&
		    S_ISREG(st.st_mode) && (uint64_t)st.st_size < least)
			least = (uint64_t)st.st_size;
	return least;
}

/* fio has a buffer for each request in flight. Trims have no data. */
static bool fits_memory(const struct mp_options *o, uint64_t bs)
{
	uint64_t memory = (uint64_t)o->memory_mib << 20, n = (uint64_t)o->iodepth * o->n_devices;

	return strstr(o->rw, "trim") || bs <= (memory - memory / 64 - GUEST_BYTES) / n;
}

int mp_job_check(const struct mp_plan *p)
{
	const struct mp_options *o = p->opt;
	uint64_t bs = 0, least = disk_bytes(p);

	if (o->mode != MP_MODE_PERF || o->job_file || mp_options_size(o->bs, &bs) < 0)
		return 0;
	if (bs > least) {
		mp_error(
			"--bs %s: a disk has only %llu KiB; give a smaller --bs, or larger disks%s",
			o->bs, (unsigned long long)least >> 10,
			o->n_disks ? "" : " by --disk-size");
		return mp_err_origin(-EINVAL);
	}
	if (!fits_memory(o, bs)) {
		mp_error(
			"--bs %s, --iodepth %u, %u device%s: fio's buffers don't fit into the guest's "
			"%u MiB beside its system; lower --bs or --iodepth, or raise --memory",
			o->bs, o->iodepth, o->n_devices, o->n_devices > 1 ? "s" : "",
			o->memory_mib);
		return mp_err_origin(-EINVAL);
	}
	return 0;
}

static int read_job(const char *path, char **ret_text)
{
	MP_CLEANUP_FREE char *text = calloc(1, MAX_JOB_BYTES + 1);
	FILE *f = fopen(path, "re");
	size_t n;

	mp_assert(text);
	if (!f) {
		mp_error("--job %s: %s", path, strerror(errno));
		return mp_err_origin(-errno);
	}
	n = fread(text, 1, MAX_JOB_BYTES + 1, f);
	fclose(f);
	if (n > MAX_JOB_BYTES) {
		mp_error("--job %s: larger than 1 MiB", path);
		return mp_err_origin(-EFBIG);
	}
	*ret_text = text;
	text = NULL;
	return 0;
}

int mp_job_text(const struct mp_plan *p, enum mp_dev_kind kind, char **ret_text)
{
	MP_CLEANUP_FREE char *from_file = NULL;
	char from_options[512];
	const char *error;
	int r;

	if (p->opt->job_file) {
		r = read_job(p->opt->job_file, &from_file);
		if (r < 0)
			return r;
	} else {
		default_job(p->opt, from_options, sizeof(from_options));
	}
	r = mp_job_expand(p, kind, from_file ? from_file : from_options, ret_text, &error);
	if (r < 0)
		mp_error("--job %s: %s", p->opt->job_file, error);
	return r;
}
