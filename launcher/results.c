/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * fio reports each direction (read, write, trim) of each job apart. A row is
 * the sum of the directions: counts and rates are added, the mean is weighted
 * by the number of requests, percentiles are read off the merged histogram.
 */
#include "launcher/results.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/err.h"

static void hist_add_bins(struct mp_hist *h, json_t *bins)
{
	size_t more = json_object_size(bins);
	const char *key;
	json_t *value;

	if (more == 0)
		return;
	h->bin = reallocarray(h->bin, h->n + more, sizeof(*h->bin));
	mp_assert(h->bin);
	json_object_foreach(bins, key, value)
	{
		h->bin[h->n].ns = strtoull(key, NULL, 10);
		h->bin[h->n++].count = (uint64_t)json_integer_value(value);
	}
}

static void hist_add(struct mp_hist *h, const struct mp_hist *from)
{
	if (from->n == 0)
		return;
	h->bin = reallocarray(h->bin, h->n + from->n, sizeof(*h->bin));
	mp_assert(h->bin);
	memcpy(h->bin + h->n, from->bin, from->n * sizeof(*h->bin));
	h->n += from->n;
}

static int by_ns(const void *a, const void *b)
{
	uint64_t x = ((const struct mp_hist_bin *)a)->ns, y = ((const struct mp_hist_bin *)b)->ns;

	return x < y ? -1 : x > y;
}

/* @h is sorted. */
static double hist_percentile(const struct mp_hist *h, double fraction)
{
	uint64_t total = 0, seen = 0;

	for (size_t i = 0; i < h->n; i++)
		total += h->bin[i].count;
	for (size_t i = 0; i < h->n; i++) {
		seen += h->bin[i].count;
		if ((double)seen >= fraction * (double)total)
			return (double)h->bin[i].ns;
	}
	return 0;
}

static void row_percentiles(struct mp_row *row)
{
	if (row->hist.n == 0)
		return;
	qsort(row->hist.bin, row->hist.n, sizeof(*row->hist.bin), by_ns);
	row->p50_ns = hist_percentile(&row->hist, 0.50);
	row->p99_ns = hist_percentile(&row->hist, 0.99);
	row->p999_ns = hist_percentile(&row->hist, 0.999);
}

static void row_add_mean(struct mp_row *row, double mean_ns, uint64_t n_ios)
{
	uint64_t all = row->n_ios + n_ios;

	if (all > 0)
		row->mean_ns = (row->mean_ns * (double)row->n_ios + mean_ns * (double)n_ios) /
			       (double)all;
	row->n_ios = all;
}

static void row_add_direction(struct mp_row *row, json_t *dir)
{
	json_t *clat = json_object_get(dir, "clat_ns");

	/* total_ios has those that failed, too. */
	if (json_integer_value(json_object_get(dir, "io_bytes")) == 0)
		return;
	row->iops += json_number_value(json_object_get(dir, "iops"));
	row->bytes_per_s += json_number_value(json_object_get(dir, "bw_bytes"));
	row_add_mean(row, json_number_value(json_object_get(clat, "mean")),
		     (uint64_t)json_integer_value(json_object_get(dir, "total_ios")));
	hist_add_bins(&row->hist, json_object_get(clat, "bins"));
}

static int row_parse(json_t *job, struct mp_row *row)
{
	const char *name = json_string_value(json_object_get(job, "jobname"));
	const char *at = name ? strrchr(name, '@') : NULL;

	if (!at)
		return mp_err_origin(-EPROTO);
	*row = (struct mp_row){0};
	snprintf(row->section, sizeof(row->section), "%.*s", (int)(at - name), name);
	snprintf(row->device, sizeof(row->device), "%s", at + 1);
	row->n_errors = json_integer_value(json_object_get(job, "error")) != 0;
	row->n_errors += (uint64_t)json_integer_value(json_object_get(job, "total_err"));
	row_add_direction(row, json_object_get(job, "read"));
	row_add_direction(row, json_object_get(job, "write"));
	row_add_direction(row, json_object_get(job, "trim"));
	row_percentiles(row);
	return 0;
}

static struct mp_row *rows_append(struct mp_rows *rows)
{
	rows->row = reallocarray(rows->row, rows->n + 1, sizeof(*rows->row));
	mp_assert(rows->row);
	rows->row[rows->n] = (struct mp_row){0};
	return &rows->row[rows->n++];
}

/* The section's rows stand from @from to the end. */
static void append_total(struct mp_rows *rows, size_t from)
{
	struct mp_row *total = rows_append(rows);

	memcpy(total->section, rows->row[from].section, sizeof(total->section));
	strcpy(total->device, "total");
	for (size_t i = from; i < rows->n - 1; i++) {
		const struct mp_row *row = &rows->row[i];

		total->iops += row->iops;
		total->bytes_per_s += row->bytes_per_s;
		total->n_errors += row->n_errors;
		row_add_mean(total, row->mean_ns, row->n_ios);
		hist_add(&total->hist, &row->hist);
	}
	row_percentiles(total);
}

static int parse_jobs(json_t *jobs, struct mp_rows *rows)
{
	size_t first = 0;
	int r;

	for (size_t i = 0; i < json_array_size(jobs); i++) {
		struct mp_row row;

		r = row_parse(json_array_get(jobs, i), &row);
		if (r < 0)
			return r;
		if (rows->n > first && strcmp(rows->row[first].section, row.section) != 0) {
			append_total(rows, first);
			first = rows->n;
		}
		*rows_append(rows) = row;
	}
	if (rows->n == first)
		return mp_err_origin(-EPROTO);
	append_total(rows, first);
	return 0;
}

int mp_results_parse(const char *text, size_t len, struct mp_rows *ret_rows)
{
	/* fio writes its warnings in front of the JSON, where it is asked for a file, too. */
	const char *brace = memchr(text, '{', len);
	json_t *root = brace ? json_loadb(brace, len - (size_t)(brace - text),
					  JSON_DISABLE_EOF_CHECK, NULL)
			     : NULL;
	struct mp_rows rows = {0};
	int r;

	if (!root)
		return mp_err_origin(-EPROTO);
	r = parse_jobs(json_object_get(root, "jobs"), &rows);
	json_decref(root);
	if (r < 0) {
		mp_rows_fini(&rows);
		return mp_err_trace(r);
	}
	*ret_rows = rows;
	return 0;
}

void mp_rows_fini(struct mp_rows *rows)
{
	for (size_t i = 0; i < rows->n; i++)
		free(rows->row[i].hist.bin);
	free(rows->row);
	*rows = (struct mp_rows){0};
}

static int by_value(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return x < y ? -1 : x > y;
}

/* Of the value at byte @offset of row @i of each run. */
static double median_at(const struct mp_rows *runs, size_t n, size_t i, size_t offset)
{
	double v[MP_MAX_ROUNDS], m;

	for (size_t k = 0; k < n; k++)
		memcpy(&v[k], (const char *)&runs[k].row[i] + offset, sizeof(v[k]));
	qsort(v, n, sizeof(v[0]), by_value);
	m = v[n / 2];
	return n % 2 ? m : (m + v[n / 2 - 1]) / 2;
}

int mp_results_median(const struct mp_rows *runs, size_t n, struct mp_rows *ret_rows)
{
	static const size_t offsets[] = {
		offsetof(struct mp_row, iops),    offsetof(struct mp_row, bytes_per_s),
		offsetof(struct mp_row, mean_ns), offsetof(struct mp_row, p50_ns),
		offsetof(struct mp_row, p99_ns),  offsetof(struct mp_row, p999_ns),
	};
	struct mp_rows rows = {0};

	for (size_t k = 1; k < n; k++)
		if (runs[k].n != runs[0].n)
			return mp_err_origin(-EPROTO);
	for (size_t i = 0; i < runs[0].n; i++) {
		struct mp_row *row = rows_append(&rows);

		*row = runs[0].row[i];
		row->hist = (struct mp_hist){0};
		row->n_ios = row->n_errors = 0;
		for (size_t k = 0; k < n; k++) {
			row->n_ios += runs[k].row[i].n_ios;
			row->n_errors += runs[k].row[i].n_errors;
		}
		for (size_t o = 0; o < sizeof(offsets) / sizeof(offsets[0]); o++) {
			double m = median_at(runs, n, i, offsets[o]);

			memcpy((char *)row + offsets[o], &m, sizeof(m));
		}
	}
	*ret_rows = rows;
	return 0;
}

void mp_transport_add(struct mp_transport *to, const struct mp_transport *d)
{
	for (size_t i = 0; i < MP_STAT_COUNT; i++)
		to->counter[i] += d->counter[i];
	to->worker_cpu_ns += d->worker_cpu_ns;
}
