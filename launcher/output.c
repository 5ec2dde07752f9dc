/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The table has two halves: what fio in the guest saw, and beside it what
 * only the transport knows, divided by the number of SCSI commands the
 * worker completed in the same round (fio's ramp included on both sides).
 */
#include "launcher/output.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/utsname.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/err.h"
#include "launcher/commit.h"

static const struct {
	enum mp_stat_id id;
	const char *head, *key;
} columns[] = {
	{MP_STAT_PROXY_POSTED_WRITES, "posted", "posted_writes_per_io"},
	{MP_STAT_PROXY_WAITED_READS, "waited", "waited_reads_per_io"},
	{MP_STAT_PROXY_SHADOW_READS, "shadow", "shadow_reads_per_io"},
	{MP_STAT_PROXY_DOORBELLS, "bells", "doorbells_per_io"},
	{MP_STAT_PROXY_IRQ_RAISED, "irqs", "interrupts_per_io"},
	{MP_STAT_WORKER_INSNS, "insns", "instructions_per_io"},
};
#define N_COLUMNS (sizeof(columns) / sizeof(columns[0]))

/* A stock remote counts nothing: then by fio's count, which leaves the ramp out. */
static double per_io(const struct mp_row *row, const struct mp_transport *t, uint64_t value)
{
	uint64_t n = t->counter[MP_STAT_WORKER_COMMANDS];

	n = n ? n : row->n_ios;
	return n ? (double)value / (double)n : 0;
}

static double cpu_us_per_io(const struct mp_row *row, const struct mp_transport *t)
{
	return per_io(row, t, t->worker_cpu_ns) / 1000;
}

static bool nobody_counts(const struct mp_transport *t, enum mp_stat_id id)
{
	return id == MP_STAT_WORKER_INSNS && t->counter[MP_STAT_WORKER_COMMANDS] == 0;
}

/* Of a row: the device's, or the sum; NULL for QEMU's own controllers. */
static const struct mp_transport *transport_of(const struct mp_outcome *o, const struct mp_row *row)
{
	unsigned int i;

	if (!o->transport)
		return NULL;
	if (sscanf(row->device, "lsi%u", &i) == 1)
		return &o->transport[i];
	return &o->transport_total;
}

static bool several_sections(const struct mp_outcome *o)
{
	return strcmp(o->rows.row[0].section, o->rows.row[o->rows.n - 1].section) != 0;
}

static void print_row(const struct mp_outcome *o, const struct mp_row *row, FILE *out)
{
	const struct mp_transport *t = transport_of(o, row);
	char name[96];

	snprintf(name, sizeof(name), "%s%s%s", several_sections(o) ? row->section : "",
		 several_sections(o) ? "@" : "", row->device);
	fprintf(out, "%-10s %9.0f %8.1f %8.1f %8.1f %8.1f %8.1f", name, row->iops,
		row->bytes_per_s / 1e6, row->mean_ns / 1e3, row->p50_ns / 1e3, row->p99_ns / 1e3,
		row->p999_ns / 1e3);
	if (t) {
		fputs(" |", out);
		for (size_t c = 0; c < N_COLUMNS; c++)
			if (nobody_counts(t, columns[c].id))
				fprintf(out, " %6s", "-");
			else
				fprintf(out, " %6.2f", per_io(row, t, t->counter[columns[c].id]));
		fprintf(out, " %7.2f", cpu_us_per_io(row, t));
	}
	if (row->n_errors)
		fprintf(out, "  %llu errors", (unsigned long long)row->n_errors);
	fputc('\n', out);
}

static uint64_t count_ios(const struct mp_outcome *o)
{
	uint64_t n_ios = 0;

	for (size_t i = 0; i < o->rows.n; i++)
		if (strcmp(o->rows.row[i].device, "total") == 0)
			n_ios += o->rows.row[i].n_ios;
	return n_ios;
}

void mp_output_table(const struct mp_outcome *o, FILE *out)
{
	uint64_t n_ios = count_ios(o);

	if (n_ios == 0) {
		fputs("no I/O was done: there is none to report\n", out);
		return;
	}
	fprintf(out, "%-10s %9s %8s %35s", "", "", "", "completion latency, us");
	if (o->transport)
		fprintf(out, " | %s", "per I/O, on the transport");
	fprintf(out, "\n%-10s %9s %8s %8s %8s %8s %8s", "device", "IOPS", "MB/s", "mean", "p50",
		"p99", "p99.9");
	if (o->transport) {
		fputs(" |", out);
		for (size_t c = 0; c < N_COLUMNS; c++)
			fprintf(out, " %6s", columns[c].head);
		fprintf(out, " %7s", "CPU us");
	}
	fputc('\n', out);
	for (size_t i = 0; i < o->rows.n; i++)
		print_row(o, &o->rows.row[i], out);
	if (o->round_ns > 0)
		fprintf(out,
			"CPU time: QEMU %.0f %% of a core, workers %.0f %%; QEMU %.1f us per I/O\n",
			100 * o->qemu_cpu_ns / o->round_ns,
			100 * (double)o->transport_total.worker_cpu_ns / o->round_ns,
			o->qemu_cpu_ns / 1000 / (double)n_ios);
}

static const struct mp_row *last_row(const struct mp_outcome *o)
{
	return &o->rows.row[o->rows.n - 1];
}

static double ratio(double a, double b)
{
	return b > 0 ? a / b : 0;
}

void mp_output_ratios(const struct mp_outcome *remote, const struct mp_outcome *stock, FILE *out)
{
	const struct mp_row *a = last_row(remote), *b = last_row(stock);

	if (count_ios(remote) == 0 || count_ios(stock) == 0)
		return;
	fprintf(out,
		"remote against QEMU's own lsi53c895a, same guest, in turns, median of %u rounds each:\n"
		"  IOPS x%.2f   mean latency x%.2f   p50 x%.2f   p99 x%.2f   p99.9 x%.2f\n",
		remote->n_rounds, ratio(a->iops, b->iops), ratio(a->mean_ns, b->mean_ns),
		ratio(a->p50_ns, b->p50_ns), ratio(a->p99_ns, b->p99_ns),
		ratio(a->p999_ns, b->p999_ns));
}

static json_t *json_transport(const struct mp_row *row, const struct mp_transport *t)
{
	json_t *obj = json_object();

	for (size_t c = 0; c < N_COLUMNS; c++)
		json_object_set_new(obj, columns[c].key,
				    nobody_counts(t, columns[c].id)
					    ? json_null()
					    : json_real(per_io(row, t, t->counter[columns[c].id])));
	json_object_set_new(obj, "worker_cpu_us_per_io", json_real(cpu_us_per_io(row, t)));
	json_object_set_new(obj, "worker_cpu_ns", json_integer((json_int_t)t->worker_cpu_ns));
#define MP_COUNTER(id, name, unit, meaning)                                                        \
	json_object_set_new(obj, name, json_integer((json_int_t)t->counter[MP_STAT_##id]));
#include "stats/counters.def"
#undef MP_COUNTER
	return obj;
}

static json_t *json_row(const struct mp_row *row, const struct mp_transport *t)
{
	json_t *obj = json_pack("{s:s, s:s, s:f, s:f, s:f, s:f, s:f, s:f, s:I, s:I}", "section",
				row->section, "device", row->device, "iops", row->iops,
				"bytes_per_s", row->bytes_per_s, "clat_mean_ns", row->mean_ns,
				"clat_p50_ns", row->p50_ns, "clat_p99_ns", row->p99_ns,
				"clat_p999_ns", row->p999_ns, "n_ios", (json_int_t)row->n_ios,
				"errors", (json_int_t)row->n_errors);

	mp_assert(obj);
	if (t)
		json_object_set_new(obj, "transport", json_transport(row, t));
	return obj;
}

json_t *mp_output_json(const struct mp_outcome *o)
{
	json_t *rows = json_array(), *rounds = json_array();

	for (size_t i = 0; i < o->rows.n; i++)
		json_array_append_new(rows,
				      json_row(&o->rows.row[i], transport_of(o, &o->rows.row[i])));
	for (unsigned int k = 0; k < o->n_rounds; k++) {
		json_t *round = json_array();

		for (size_t i = 0; i < o->round[k].n; i++)
			json_array_append_new(round, json_row(&o->round[k].row[i], NULL));
		json_array_append_new(rounds, round);
	}
	return json_pack("{s:s, s:f, s:f, s:o, s:o}", "controller",
			 o->kind == MP_DEV_REMOTE ? "remote" : "qemu-in-process", "all_rounds_ns",
			 o->round_ns, "qemu_cpu_ns", o->qemu_cpu_ns, "median", rows, "rounds",
			 rounds);
}

static void cpu_model(char *buf, size_t len)
{
	FILE *f = fopen("/proc/cpuinfo", "re");
	char line[512];

	snprintf(buf, len, "unknown");
	while (f && fgets(line, sizeof(line), f)) {
		if (strncmp(line, "model name", 10) != 0 || !strchr(line, ':'))
			continue;
		line[strcspn(line, "\n")] = '\0';
		snprintf(buf, len, "%s", strchr(line, ':') + 2);
		break;
	}
	if (f)
		fclose(f);
}

int mp_output_probe(const char *path)
{
	MP_CLEANUP_FD int fd = -1;
	struct stat st;

	if (stat(path, &st) == 0 && !S_ISREG(st.st_mode))
		return 1;
	fd = open(path, O_WRONLY | O_CLOEXEC);
	if (fd < 0 && errno == ENOENT) {
		fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
		if (fd >= 0)
			unlink(path);
	}
	return fd < 0 ? mp_err_origin(-errno) : 0;
}

void mp_output_first_line(const char *program, char *buf, size_t len)
{
	char command[4200];
	FILE *f;

	snprintf(buf, len, "unknown");
	if (strchr(program, '\'') ||
	    snprintf(command, sizeof(command), "'%s' --version", program) < 0)
		return;
	f = popen(command, "re");
	if (f && fgets(buf, (int)len, f))
		buf[strcspn(buf, "\n")] = '\0';
	if (f)
		pclose(f);
}

static json_t *json_options(const struct mp_plan *p)
{
	const struct mp_options *o = p->opt;

	return json_pack(
		"{s:s, s:s, s:i, s:i, s:i, s:s, s:s, s:i, s:s, s:s, s:i, s:s?, s:I}", "remote",
		o->stock_remote ? "qemu" : "mpring", "transport", mp_plan_transport(p), "devices",
		(int)o->n_devices, "devices_per_worker", (int)o->devices_per_worker, "rounds",
		(int)o->rounds, "rw", o->rw, "bs", o->bs, "iodepth", (int)o->iodepth, "backend",
		o->backend == MP_BACKEND_NULL ? "null" : "file", "poll", o->poll, "runtime_s",
		(int)o->runtime_s, "job", o->job_file, "disk_bytes", (json_int_t)p->disk_bytes);
}

static json_t *json_placement(const struct mp_placement *place)
{
	json_t *cores = json_array(), *workers = json_array();

	for (unsigned int i = 0; i < place->n_cores; i++)
		json_array_append_new(cores, json_integer(place->core[i]));
	for (unsigned int i = 0; i < place->n_workers; i++)
		json_array_append_new(workers, json_integer(place->worker_cpu[i]));
	return json_pack("{s:o, s:i, s:o, s:i}", "cores", cores, "guest_cpus", (int)place->n_vcpus,
			 "worker_cpu", workers, "spin_us", (int)place->spin_us);
}

json_t *mp_output_context(const struct mp_plan *p, const char *guest)
{
	char cpu[256], qemu[256];
	struct utsname host;

	uname(&host);
	cpu_model(cpu, sizeof(cpu));
	mp_output_first_line(p->qemu, qemu, sizeof(qemu));
	return json_pack("{s:s, s:s, s:s, s:s, s:s, s:s, s:s, s:o, s:o}", "version", MPRING_VERSION,
			 "commit", MPRING_COMMIT, "qemu", qemu, "accel", p->kvm ? "kvm" : "tcg",
			 "cpu", cpu, "host_kernel", host.release, "guest", guest, "options",
			 json_options(p), "placement", json_placement(&p->place));
}
