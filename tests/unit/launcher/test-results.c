/* SPDX-License-Identifier: BSD-3-Clause */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "launcher/output.h"
#include "launcher/results.h"
#include "tests/lib/t.h"

/* fio's shape, cut down: lsi0 reads and writes, lsi1 reads; 10 requests of 1 us, 10 of 3 us, and so on. */
#define DIR(iops, ios, mean, bins)                                                                 \
	"{\"iops\":" #iops ",\"bw_bytes\":4096,\"io_bytes\":4096,\"total_ios\":" #ios              \
	",\"clat_ns\":{\"mean\":" #mean ",\"bins\":{" bins "}}}"
#define NONE "{\"iops\":0,\"bw_bytes\":0,\"total_ios\":0,\"clat_ns\":{\"mean\":0}}"

static const char canned[] =
	"fio: a warning in front\n{\"fio version\":\"fio-3.33\",\"jobs\":["
	"{\"jobname\":\"perf@lsi0\",\"error\":0,\"read\":" DIR(100, 10, 1000, "\"1000\":10") ",\"write\":" DIR(
		50, 10, 3000, "\"3000\":10") ",\"trim\":" NONE "},"
					     "{\"jobname\":\"perf@lsi1\",\"error\":0,\"read\":" DIR(
						     300, 80, 2000,
						     "\"2000\":79,\"9000\":1") ",\"write\":" NONE
									       ",\"trim\":" NONE
									       "}]}";

static void parse(struct mp_rows *rows)
{
	T_EQ(mp_results_parse(canned, strlen(canned), rows), 0);
}

static void test_row_is_the_sum_of_its_directions(void)
{
	struct mp_rows rows;

	parse(&rows);
	T_EQ(rows.n, 3);
	T_STR_EQ(rows.row[0].device, "lsi0");
	T_STR_EQ(rows.row[0].section, "perf");
	T_EQ(rows.row[0].iops, 150);
	T_EQ(rows.row[0].mean_ns, 2000);
	T_EQ(rows.row[0].p50_ns, 1000);
	T_EQ(rows.row[0].p99_ns, 3000);
	mp_rows_fini(&rows);
}

static void test_total_takes_percentiles_from_all_requests(void)
{
	struct mp_rows rows;

	parse(&rows);
	T_STR_EQ(rows.row[2].device, "total");
	T_EQ(rows.row[2].iops, 450);
	T_EQ(rows.row[2].n_ios, 100);
	T_EQ(rows.row[2].mean_ns, 2000);
	T_EQ(rows.row[2].p50_ns, 2000);
	T_EQ(rows.row[2].p99_ns, 3000);
	T_EQ(rows.row[2].p999_ns, 9000);
	mp_rows_fini(&rows);
}

static void test_garbage_is_refused(void)
{
	struct mp_rows rows = {0};

	T_EQ(mp_results_parse("", 0, &rows), -EPROTO);
	T_EQ(mp_results_parse("{}", 2, &rows), -EPROTO);
	T_EQ(mp_results_parse("{\"jobs\":[{\"jobname\":\"x\"}]}", 26, &rows), -EPROTO);
	T_EQ(mp_results_parse(canned, strlen(canned) / 2, &rows), -EPROTO);
}

static void test_median_is_taken_value_by_value(void)
{
	struct mp_rows runs[3], median;

	for (unsigned int i = 0; i < 3; i++)
		parse(&runs[i]);
	runs[1].row[2].iops = 10;
	runs[2].row[2].iops = 460;
	runs[2].row[2].mean_ns = 1;
	T_EQ(mp_results_median(runs, 3, &median), 0);
	T_EQ(median.row[2].iops, 450);
	T_EQ(median.row[2].mean_ns, 2000);
	T_EQ(median.row[2].n_ios, 300);
	mp_rows_fini(&median);
	for (unsigned int i = 0; i < 3; i++)
		mp_rows_fini(&runs[i]);
}

static void test_transport_columns_are_per_command(void)
{
	struct mp_transport t[2] = {0};
	struct mp_outcome o = {
		.kind = MP_DEV_REMOTE, .transport = t, .round_ns = 1e9, .qemu_cpu_ns = 5e8};
	MP_CLEANUP_FREE char *text = NULL;
	size_t len;
	FILE *f = open_memstream(&text, &len);

	parse(&o.rows);
	t[0].counter[MP_STAT_WORKER_COMMANDS] = 100;
	t[0].counter[MP_STAT_PROXY_POSTED_WRITES] = 250;
	t[0].worker_cpu_ns = 700000;
	mp_transport_add(&o.transport_total, &t[0]);
	mp_output_table(&o, f);
	fclose(f);
	mp_rows_fini(&o.rows);
	T_OK(strstr(text, "lsi0             150") != NULL);
	T_OK(strstr(text, "|   2.50   0.00   0.00   0.00   0.00   0.00    7.00") != NULL);
	T_OK(strstr(text, "QEMU 50 % of a core") != NULL);
}

/* A request that fails is counted as one by fio, and has moved nothing. */
static const char failed[] =
	"{\"jobs\":[{\"jobname\":\"perf@lsi0\",\"error\":14,\"total_err\":0,\"read\":"
	"{\"iops\":0,\"bw_bytes\":0,\"io_bytes\":0,\"total_ios\":1,\"clat_ns\":{\"mean\":0}}"
	",\"write\":" NONE ",\"trim\":" NONE "}]}";

/* Used to be a table of zeros, and the time of each of no I/Os. */
static void test_no_io_is_no_table_and_no_ratio(void)
{
	struct mp_transport t[1] = {0};
	struct mp_outcome o = {
		.kind = MP_DEV_REMOTE, .transport = t, .round_ns = 1e9, .qemu_cpu_ns = 5e8};
	MP_CLEANUP_FREE char *text = NULL;
	size_t len;
	FILE *f = open_memstream(&text, &len);

	T_EQ(mp_results_parse(failed, strlen(failed), &o.rows), 0);
	mp_output_table(&o, f);
	mp_output_ratios(&o, &o, f);
	fclose(f);
	T_EQ(o.rows.row[0].n_ios, 0);
	T_EQ(o.rows.row[0].n_errors, 1);
	mp_rows_fini(&o.rows);
	T_STR_EQ(text, "no I/O was done: there is none to report\n");
}

static void test_json_has_rows_and_transport(void)
{
	struct mp_transport t[2] = {0};
	struct mp_rows round;
	struct mp_outcome o = {
		.kind = MP_DEV_REMOTE, .transport = t, .round = &round, .n_rounds = 1};
	json_t *obj, *row;

	parse(&o.rows);
	parse(&round);
	t[0].counter[MP_STAT_WORKER_COMMANDS] = 10;
	t[0].counter[MP_STAT_WORKER_INSNS] = 40;
	obj = mp_output_json(&o);
	row = json_array_get(json_object_get(obj, "median"), 0);
	T_STR_EQ(json_string_value(json_object_get(row, "device")), "lsi0");
	T_EQ(json_real_value(
		     json_object_get(json_object_get(row, "transport"), "instructions_per_io")),
	     4);
	T_EQ(json_integer_value(json_object_get(json_object_get(row, "transport"), "worker_insns")),
	     40);
	T_EQ(json_array_size(json_object_get(obj, "rounds")), 1);
	json_decref(obj);
	mp_rows_fini(&o.rows);
	mp_rows_fini(&round);
}

T_MAIN(T_TEST(test_row_is_the_sum_of_its_directions),
       T_TEST(test_total_takes_percentiles_from_all_requests), T_TEST(test_garbage_is_refused),
       T_TEST(test_median_is_taken_value_by_value), T_TEST(test_transport_columns_are_per_command),
       T_TEST(test_no_io_is_no_table_and_no_ratio), T_TEST(test_json_has_rows_and_transport))
