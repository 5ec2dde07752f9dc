/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * `mpring perf`: one guest, its rounds, one table.
 *
 * The launcher only listens: to signals, to the guest's report, to its
 * console. At the begin and end of each round, as the guest reports them, it
 * reads the counters and CPU clocks; the difference belongs to the round.
 * While a round runs it prints progress from the same counters, so the guest
 * spends nothing on it.
 *
 * The run fails (status 1) if anything went wrong that a reader of the table
 * would want to know: fio failed, a worker died, the guest's driver or disk
 * layer complained, the guest ended early, time ran out.
 */
#include "launcher/perf.h"

#include <errno.h>
#include <inttypes.h>
#include <poll.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/err.h"
#include "base/log.h"
#include "launcher/disks.h"
#include "launcher/guest_report.h"
#include "launcher/machine.h"
#include "launcher/output.h"

#define EXIT_INTERRUPTED 130
#define MAX_COMPLAINTS   10
#define MAX_FIO_LINES    40 /* more than it has I/O engines to list */
#define TAIL_BYTES       1500
#define DEATH_GRACE_S    60 /* how long the guest may struggle with a dead device */
#define MAX_JOB_S        3600
#define MAX_DRAIN_NS     MP_NS_PER_SEC

struct round {
	enum mp_dev_kind kind;
	uint64_t begin_ns, end_ns, qemu_cpu_ns;
	struct mp_transport
		*transport; /* per device; first the state at begin, then the difference */
	struct mp_rows rows;
};

struct perf {
	struct mp_plan *plan;
	struct mp_machine m;
	struct mp_report report;
	struct round *round;
	unsigned int n_rounds, at; /* @at: rounds that began */
	bool failed, done;
	bool stopped; /* QEMU stopped the guest: said when it was seen */
	bool garbled; /* so is its report: said, too */
	char guest[128], status[160]; /* what the progress line says */
	FILE *console, *json; /* @json: NULL until it is written, and for standard output */
	char line[512]; /* of the console, as far as it came */
	size_t line_len;
	char tail[TAIL_BYTES]; /* of the console, for the time when all goes wrong */
	size_t tail_len;
	unsigned int n_complaints;
	uint64_t deadline_ns, tick_ns, last_ios;
	uint64_t start_ns, last_tick_ns;
	bool tty;
};

/* === progress ============================================================== */

static void clear_line(const struct perf *p)
{
	if (p->tty)
		fputs("\r\033[K", stderr);
}

static void fail(struct perf *p, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
static void fail(struct perf *p, const char *fmt, ...)
{
	char text[512];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	clear_line(p);
	mp_error("%s", text);
	p->failed = true;
}

static uint64_t commands(const struct perf *p)
{
	uint64_t n = 0;

	if (!p->plan->real)
		return 0;
	for (unsigned int i = 0; i < p->plan->n_remote; i++)
		n += mp_stat_get(mp_stat_page(&p->plan->dev[i].stat_worker),
				 MP_STAT_WORKER_COMMANDS);
	return n;
}

static void progress(struct perf *p)
{
	uint64_t now = mp_clock_ns(), ios = commands(p);
	double since = (double)(now - p->last_tick_ns) / MP_NS_PER_SEC;
	const struct round *round = p->at > 0 ? &p->round[p->at - 1] : NULL;
	char rate[64] = "";

	if (round && !round->end_ns && round->kind == MP_DEV_REMOTE && since > 0 &&
	    !p->plan->opt->stock_remote)
		snprintf(rate, sizeof(rate), ", %.0f I/O per second",
			 (double)(ios - p->last_ios) / since);
	fprintf(stderr, "%s[%4.0f s] %s%s%s", p->tty ? "\r\033[K" : "",
		(double)(now - p->start_ns) / MP_NS_PER_SEC, p->status, rate, p->tty ? "" : "\n");
	fflush(stderr);
	p->last_ios = ios;
	p->last_tick_ns = now;
}

static void now_doing(struct perf *p, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
static void now_doing(struct perf *p, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(p->status, sizeof(p->status), fmt, ap);
	va_end(ap);
	progress(p);
}

/* === what the guest says =================================================== */

static void complain(struct perf *p, const char *line)
{
	if (p->n_complaints++ < MAX_COMPLAINTS)
		fail(p, "guest: %s", line);
	else if (p->n_complaints == MAX_COMPLAINTS + 1)
		fail(p, "guest: more such lines; --console FILE keeps them all");
}

static void begin_round(struct perf *p, unsigned int nth)
{
	struct round *round = &p->round[nth];

	for (unsigned int i = 0; i < p->plan->n_devs; i++)
		mp_machine_transport(&p->m, i, &round->transport[i]);
	round->qemu_cpu_ns = mp_child_cpu_ns(&p->m.qemu);
	round->begin_ns = mp_clock_ns();
	p->at = nth + 1;
	now_doing(p, "round %u of %u: fio on %u %s", nth + 1, p->n_rounds, p->plan->opt->n_devices,
		  round->kind == MP_DEV_REMOTE ? "remote" : "of QEMU's own");
}

/* A dead process' clock is gone. */
static uint64_t since(uint64_t now, uint64_t then)
{
	return now > then ? now - then : 0;
}

static void end_round(struct perf *p, unsigned int nth, const char *text)
{
	struct round *round = &p->round[nth];
	struct mp_transport now;

	round->end_ns = mp_clock_ns();
	round->qemu_cpu_ns = since(mp_child_cpu_ns(&p->m.qemu), round->qemu_cpu_ns);
	for (unsigned int i = 0; i < p->plan->n_devs; i++) {
		struct mp_transport *d = &round->transport[i];

		mp_machine_transport(&p->m, i, &now);
		for (unsigned int c = 0; c < MP_STAT_COUNT; c++)
			d->counter[c] = now.counter[c] - d->counter[c];
		d->worker_cpu_ns = since(now.worker_cpu_ns, d->worker_cpu_ns);
	}
	if (strtol(text, NULL, 10) != 0)
		fail(p, "fio failed in the guest, exit status %ld (round %u)",
		     strtol(text, NULL, 10), nth + 1);
	now_doing(p, "round %u of %u: done, reading results", nth + 1, p->n_rounds);
}

static void say_what_fio_said(const struct perf *p, const struct mp_report_event *e)
{
	const char *at = e->text;
	char line[256];

	clear_line(p);
	for (unsigned int n = 0; (at = mp_report_next_line(at, line, sizeof(line))); n++) {
		if (n == MAX_FIO_LINES) {
			mp_warn("fio, round %u: and more", e->round + 1);
			break;
		}
		mp_warn("fio, round %u: %s", e->round + 1, line);
	}
}

/* Of a job that it can't run, fio writes into the result's file what would be valid. */
static void take_result(struct perf *p, const struct mp_report_event *e)
{
	if (mp_results_parse(e->text, e->len, &p->round[e->round].rows) == 0)
		return;
	if (!strchr(e->text, '{'))
		say_what_fio_said(p, e);
	fail(p, "round %u: fio left no result", e->round + 1);
}

static void scan_dmesg(struct perf *p, const char *text)
{
	char line[512];

	while (*text) {
		size_t len = strcspn(text, "\n");

		snprintf(line, sizeof(line), "%.*s", (int)len, text);
		/* Once is enough: the console shows warnings already. */
		if (p->n_complaints == 0 && mp_guest_line_is_bad(line))
			complain(p, line);
		text += len + (text[len] == '\n');
	}
}

static void on_event(void *opaque, const struct mp_report_event *e)
{
	struct perf *p = opaque;

	if (e->round >= p->n_rounds)
		return;
	switch (e->kind) {
	case MP_REPORT_BOOT:
		snprintf(p->guest, sizeof(p->guest), "%s", e->text);
		now_doing(p, "guest is up (%s s after power-on), looking for disks",
			  strrchr(e->text, ' ') ? strrchr(e->text, ' ') + 1 : "?");
		if (strrchr(p->guest, ' '))
			*strrchr(p->guest, ' ') = '\0';
		break;
	case MP_REPORT_DISKS:
		snprintf(p->status, sizeof(p->status), "disks found, of those wanted: %.40s s",
			 e->text);
		break;
	case MP_REPORT_BEGIN:
		begin_round(p, e->round);
		break;
	case MP_REPORT_END:
		end_round(p, e->round, e->text);
		break;
	case MP_REPORT_LOG:
		say_what_fio_said(p, e);
		break;
	case MP_REPORT_RESULT:
		take_result(p, e);
		break;
	case MP_REPORT_DMESG:
		if (p->console)
			fprintf(p->console, "=== dmesg\n%s", e->text);
		scan_dmesg(p, e->text);
		break;
	case MP_REPORT_ERROR:
		fail(p, "guest: %s", e->text);
		break;
	case MP_REPORT_DONE:
		p->done = true;
		now_doing(p, "guest powers off");
		break;
	}
}

static void keep_tail(struct perf *p, const char *bytes, size_t n)
{
	if (n > sizeof(p->tail))
		n = sizeof(p->tail);
	if (p->tail_len + n > sizeof(p->tail)) {
		size_t drop = p->tail_len + n - sizeof(p->tail);

		memmove(p->tail, p->tail + drop, p->tail_len - drop);
		p->tail_len -= drop;
	}
	memcpy(p->tail + p->tail_len, bytes, n);
	p->tail_len += n;
}

static void on_console(struct perf *p, const char *bytes, size_t n)
{
	if (p->console)
		fwrite(bytes, 1, n, p->console);
	keep_tail(p, bytes, n);
	for (size_t i = 0; i < n; i++) {
		if (bytes[i] != '\n' && p->line_len < sizeof(p->line) - 1) {
			if (bytes[i] != '\r')
				p->line[p->line_len++] = bytes[i];
			continue;
		}
		p->line[p->line_len] = '\0';
		p->line_len = 0;
		if (mp_guest_line_is_bad(p->line))
			complain(p, p->line);
	}
}

/* === the loop ============================================================== */

/* Bytes from one of the guest's sockets; closes it at its end. Return: were there any? */
static bool take_bytes(struct perf *p, int *fd, bool report)
{
	char buf[65536];
	ssize_t n = recv(*fd, buf, sizeof(buf), MSG_DONTWAIT);

	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return false;
	if (n <= 0) {
		close(*fd);
		*fd = -1;
	} else if (!report) {
		on_console(p, buf, (size_t)n);
	} else if (mp_report_feed(&p->report, buf, (size_t)n) < 0) {
		fail(p, "the guest's report is garbled; giving up");
		p->garbled = true;
	}
	return n > 0;
}

/* A worker died. A round that runs may still end, with errors; no other round would say anything. */
static void give_grace(struct perf *p, uint64_t now)
{
	bool in_round = p->at > 0 && !p->round[p->at - 1].end_ns;
	uint64_t until = now + (in_round ? DEATH_GRACE_S * MP_NS_PER_SEC : 0);

	p->failed = true;
	if (p->deadline_ns > until)
		p->deadline_ns = until;
}

/* Before the first round, when asking disturbs nothing: is this accelerator able to run the guest? */
static bool guest_stopped(struct perf *p)
{
	const char *why = p->at == 0 ? mp_machine_stopped(&p->m) : NULL;

	p->stopped = why != NULL;
	if (why)
		fail(p, "QEMU stopped the guest (%s)%s", why,
		     p->plan->kvm ? "; --accel tcg runs it without KVM" : "");
	return p->stopped;
}

static bool turn(struct perf *p)
{
	struct mp_plan *plan = p->plan;
	struct pollfd pfd[3] = {
		{.fd = p->m.signal_fd, .events = POLLIN},
		{.fd = plan->our_report, .events = POLLIN},
		{.fd = plan->our_console, .events = POLLIN},
	};
	uint64_t now = mp_clock_ns(), wait = p->last_tick_ns + p->tick_ns;
	unsigned int dead = p->m.n_dead_workers;
	bool alive;

	if (wait > p->deadline_ns)
		wait = p->deadline_ns;
	poll(pfd, 3, wait > now ? (int)((wait - now) / 1000000) + 1 : 0);
	if (pfd[2].revents)
		take_bytes(p, &plan->our_console, false);
	if (pfd[1].revents)
		take_bytes(p, &plan->our_report, true);
	alive = mp_machine_check(&p->m);
	now = mp_clock_ns();
	if (p->m.n_dead_workers > dead && alive && !p->done)
		give_grace(p, now);
	if (now >= p->last_tick_ns + p->tick_ns) {
		progress(p);
		alive = alive && !guest_stopped(p);
	}
	return alive && !p->garbled && now < p->deadline_ns;
}

/*
 * What is still in the sockets when QEMU is gone. All of it is there; the end may not come, and
 * more may, if somebody else has them open: a QEMU whose wrapper it was that ended.
 */
static void drain(struct perf *p)
{
	int *fds[] = {&p->plan->our_console, &p->plan->our_report};
	const uint64_t until = mp_clock_ns() + MAX_DRAIN_NS;

	if (p->m.interrupted || p->m.qemu.pidfd >= 0)
		return;
	for (unsigned int i = 0; i < 2; i++)
		while (*fds[i] >= 0 && mp_clock_ns() < until && take_bytes(p, fds[i], i == 1))
			;
}

/* From the guest's start on: what comes before that says by itself how long it takes. */
static uint64_t time_limit_s(const struct mp_plan *plan)
{
	const struct mp_options *o = plan->opt;
	uint64_t round_s = o->job_file ? MAX_JOB_S : o->runtime_s + 60 + plan->n_devs;

	if (o->timeout_s)
		return o->timeout_s;
	return 180 + 3 * plan->n_devs + o->rounds * plan->n_jobs * round_s;
}

static void judge_end(struct perf *p)
{
	char how[64];

	if (p->m.interrupted || p->done || p->stopped)
		return;
	if (p->m.qemu.pidfd >= 0 && p->m.n_dead_workers) {
		fail(p, "gave up on the guest, whose device died: %s", p->status);
	} else if (p->m.qemu.pidfd >= 0 && !p->garbled) {
		fail(p,
		     "gave up waiting for the guest: %s; --timeout gives it more than %" PRIu64
		     " s",
		     p->status, time_limit_s(p->plan));
	} else if (p->m.qemu.pidfd < 0) {
		mp_child_describe_end(&p->m.qemu, how, sizeof(how));
		fail(p, "QEMU ended before the guest was done: %s", how);
	}
	fprintf(stderr, "--- end of the guest's console\n%.*s\n---\n", (int)p->tail_len, p->tail);
}

static int open_output(const char *option, const char *path, FILE **ret)
{
	if (!path)
		return 0;
	*ret = fopen(path, "we");
	if (!*ret) {
		mp_error("%s %s: %s", option, path, strerror(errno));
		return mp_err_origin(-errno);
	}
	return 0;
}

static bool json_to_stdout(const struct mp_options *o)
{
	return o->json_file && strcmp(o->json_file, "-") == 0;
}

/* What can't be written is said now, not when hours of measuring are over; a file that is there stays
 * as it is until then. */
static int open_outputs(struct perf *p, const struct mp_options *o)
{
	int r = open_output("--console", o->console_file, &p->console);

	if (r < 0 || !o->json_file || json_to_stdout(o))
		return r;
	r = mp_output_probe(o->json_file);
	if (r > 0)
		return open_output("--json", o->json_file, &p->json);
	if (r < 0)
		mp_error("--json %s: %s", o->json_file, strerror(-r));
	return r;
}

static int init(struct perf *p, struct mp_plan *plan)
{
	const struct mp_options *o = plan->opt;

	*p = (struct perf){
		.plan = plan, .n_rounds = o->rounds * plan->n_jobs, .tty = isatty(STDERR_FILENO)};
	p->m.signal_fd = -1;
	p->start_ns = p->last_tick_ns = mp_clock_ns();
	p->tick_ns = (p->tty ? 1 : 5) * MP_NS_PER_SEC;
	p->round = calloc(p->n_rounds, sizeof(*p->round));
	mp_assert(p->round);
	for (unsigned int k = 0; k < p->n_rounds; k++) {
		p->round[k].kind = plan->job_kind[k % plan->n_jobs];
		p->round[k].transport = calloc(plan->n_devs, sizeof(struct mp_transport));
		mp_assert(p->round[k].transport);
	}
	mp_report_init(&p->report, on_event, p);
	return mp_err_trace(open_outputs(p, o));
}

static void fini(struct perf *p)
{
	for (unsigned int k = 0; k < p->n_rounds; k++) {
		mp_rows_fini(&p->round[k].rows);
		free(p->round[k].transport);
	}
	free(p->round);
	mp_report_fini(&p->report);
	if (p->console)
		fclose(p->console);
	if (p->json)
		fclose(p->json);
}

/* === the outcome =========================================================== */

struct kind_outcome {
	struct mp_outcome o;
	struct mp_rows round[MP_MAX_ROUNDS];
	struct mp_transport transport[MP_PLAN_MAX_DEVICES];
};

static int collect(struct perf *p, enum mp_dev_kind kind, struct kind_outcome *out)
{
	struct mp_outcome *o = &out->o;

	*out = (struct kind_outcome){.o = {.kind = kind, .round = out->round}};
	if (kind == MP_DEV_REMOTE)
		o->transport = out->transport;
	for (unsigned int k = 0; k < p->n_rounds; k++) {
		struct round *round = &p->round[k];

		if (round->kind != kind)
			continue;
		if (round->rows.n == 0)
			return -ENODATA;
		out->round[o->n_rounds++] = round->rows;
		o->round_ns += (double)(round->end_ns - round->begin_ns);
		o->qemu_cpu_ns += (double)round->qemu_cpu_ns;
		for (unsigned int i = 0; kind == MP_DEV_REMOTE && i < p->plan->opt->n_devices;
		     i++) {
			mp_transport_add(&out->transport[i], &round->transport[i]);
			mp_transport_add(&o->transport_total, &round->transport[i]);
		}
	}
	return mp_results_median(out->round, o->n_rounds, &o->rows);
}

static void write_json(struct perf *p, struct kind_outcome *const *kinds, unsigned int n)
{
	const struct mp_options *o = p->plan->opt;
	json_t *list, *root;
	FILE *out;
	int r;

	if (!p->json && !json_to_stdout(o) && open_output("--json", o->json_file, &p->json) < 0) {
		p->failed = true;
		return;
	}
	out = p->json ? p->json : stdout;
	list = json_array();
	for (unsigned int i = 0; i < n; i++)
		json_array_append_new(list, mp_output_json(&kinds[i]->o));
	root = json_pack("{s:o, s:b, s:o}", "context", mp_output_context(p->plan, p->guest),
			 "failed", p->failed, "results", list);
	mp_assert(root);
	r = json_dumpf(root, out, JSON_INDENT(2) | JSON_SORT_KEYS);
	json_decref(root);
	if (r < 0 || fflush(out) != 0)
		fail(p, "--json %s: %s", o->json_file, strerror(errno));
}

static bool has_copies(const struct mp_options *o)
{
	for (unsigned int i = 0; i < o->n_disks; i++)
		if (mp_disk_is_copied(o, &o->disk[i]))
			return true;
	return false;
}

static void print_head(const struct perf *p, FILE *out)
{
	const struct mp_plan *plan = p->plan;
	const struct mp_options *o = plan->opt;
	char qemu[160], place[200];

	mp_output_first_line(plan->qemu, qemu, sizeof(qemu));
	mp_plan_describe(plan, place, sizeof(place));
	fprintf(out, "%s, %s; guest %s\n", qemu, plan->kvm ? "KVM" : "TCG", p->guest);
	if (plan->n_remote)
		fprintf(out, "remote: %s; transport: %s\n",
			o->stock_remote ? "QEMU as -machine x-remote" : "mpring-worker",
			mp_plan_transport(plan));
	fprintf(out, "placement: %s\n", place);
	if (o->n_disks)
		fprintf(out, "disks: as given by --disk%s\n",
			has_copies(o) ? "; QEMU's own controllers have copies" : "");
	else
		fprintf(out, "disks: %" PRIu64 " MiB each, %s\n", plan->disk_bytes >> 20,
			o->backend == MP_BACKEND_NULL ? "null (complete at once, hold nothing)"
						      : "temporary, in the host's page cache");
	if (o->job_file)
		fprintf(out, "job: %s", o->job_file);
	else
		fprintf(out, "job: %s %s, %u in flight, %u s", o->rw, o->bs, o->iodepth,
			o->runtime_s);
	fprintf(out, "; %u round%s\n\n", o->rounds, o->rounds > 1 ? "s" : "");
}

static const char *remote_title(const struct mp_plan *plan)
{
	return plan->opt->stock_remote ? "Remote (QEMU as -machine x-remote):" : "Remote (mpring):";
}

static void show(struct perf *p)
{
	struct kind_outcome *kinds[MP_PLAN_MAX_JOBS] = {NULL};
	unsigned int n = p->plan->n_jobs, n_ok = 0;
	FILE *out = json_to_stdout(p->plan->opt) ? stderr : stdout;

	for (unsigned int i = 0; i < n; i++) {
		kinds[i] = malloc(sizeof(*kinds[i]));
		mp_assert(kinds[i]);
		n_ok += collect(p, p->plan->job_kind[i], kinds[i]) == 0;
	}
	if (n_ok == n) {
		print_head(p, out);
		for (unsigned int i = 0; i < n; i++) {
			if (n > 1)
				fprintf(out, "%s\n",
					i == 0 ? remote_title(p->plan)
					       : "\nIn QEMU's own process:");
			mp_output_table(&kinds[i]->o, out);
		}
		fputc('\n', out);
		if (n > 1)
			mp_output_ratios(&kinds[0]->o, &kinds[1]->o, out);
		if (p->plan->opt->json_file)
			write_json(p, kinds, n);
	} else {
		fail(p, "no results");
	}
	for (unsigned int i = 0; i < n; i++) {
		mp_rows_fini(&kinds[i]->o.rows);
		free(kinds[i]);
	}
}

/* fio ends with status 0 for a job whose I/O failed but may go on (continue_on_error). */
static void check_errors(struct perf *p)
{
	for (unsigned int k = 0; k < p->n_rounds; k++)
		for (size_t i = 0; i < p->round[k].rows.n; i++)
			if (p->round[k].rows.row[i].n_errors)
				p->failed = true;
}

int mp_perf(struct mp_plan *plan)
{
	struct perf *p = malloc(sizeof(*p));
	int status = 1;

	mp_assert(p);
	if (init(p, plan) == 0) {
		now_doing(p, "starting %u worker%s and QEMU (%s)", plan->n_workers,
			  plan->n_workers != 1 ? "s" : "", plan->kvm ? "KVM" : "TCG");
		if (p->tty)
			fputc('\n', stderr); /* for what others say of the start */
		if (mp_machine_start(&p->m, plan) == 0) {
			now_doing(p, "guest boots");
			p->deadline_ns = mp_clock_ns() + time_limit_s(plan) * MP_NS_PER_SEC;
			while (turn(p))
				;
			drain(p);
			judge_end(p);
			clear_line(p);
			check_errors(p);
			if (!p->m.interrupted)
				show(p);
			status = p->failed ? 1 : 0;
		}
		if (p->m.interrupted) {
			mp_info("interrupted; stopping the guest and its workers");
			status = EXIT_INTERRUPTED;
		}
		if (!mp_machine_stop(&p->m) && status == 0)
			status = 1;
	}
	fini(p);
	free(p);
	return status;
}
