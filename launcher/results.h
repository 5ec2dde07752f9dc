/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * results - fio's JSON as rows, one a section and device, and their sums.
 *
 * Percentiles of a sum come from the merged histograms (fio's "bins"), not
 * from averages of percentiles.
 */
#ifndef MP_LAUNCHER_RESULTS_H
#define MP_LAUNCHER_RESULTS_H

#include <jansson.h>
#include <stdint.h>

#include "launcher/plan.h"
#include "stats/stats.h"

struct mp_hist {
	struct mp_hist_bin {
		uint64_t ns, count;
	} * bin;
	size_t n;
};

/** One round of one section on one device, or a sum or median of those. */
struct mp_row {
	char section[64], device[16]; /* device "total" for a sum */
	double iops, bytes_per_s;
	double mean_ns, p50_ns, p99_ns, p999_ns; /* completion latency */
	uint64_t n_ios, n_errors;
	struct mp_hist hist;
};

struct mp_rows {
	struct mp_row *row;
	size_t n;
};

/** mp_results_parse() - rows of one run of fio, a "total" after the devices of each section; -EPROTO */
int mp_results_parse(const char *text, size_t len, struct mp_rows *ret_rows);
void mp_rows_fini(struct mp_rows *rows);

/** mp_results_median() - row by row, value by value, of @n runs of the same job; no histograms */
int mp_results_median(const struct mp_rows *runs, size_t n, struct mp_rows *ret_rows);

/** What only the transport knows, in one round; sums over devices are sums. */
struct mp_transport {
	uint64_t counter[MP_STAT_COUNT]; /* differences */
	uint64_t worker_cpu_ns;
};

/** mp_transport_add() - @to += @d */
void mp_transport_add(struct mp_transport *to, const struct mp_transport *d);

#endif
