/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * mpring-stat - print the counters of a page that a proxy or a worker writes.
 *
 * It maps the page and loads; the writer doesn't notice. The first sample
 * shows totals, with --interval the next ones show what was added since.
 */
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/log.h"
#include "stats/stats.h"

#define EXIT_USAGE 2

struct options {
	const char *path;
	double interval_s; /* 0: one sample */
	unsigned long n_samples; /* 0: no end */
	bool json, all;
};

struct sample {
	uint64_t value[MP_STAT_COUNT];
};

static void usage(FILE *to)
{
	fprintf(to,
		"Usage: mpring-stat [OPTION]... PATH\n"
		"Print the counters of the page at PATH: /proc/PID/fd/N of a memfd \"mpring-stats\".\n"
		"\n"
		"  -a, --all               counters that are 0 too\n"
		"  -j, --json              one JSON object for each sample, a line each\n"
		"  -i, --interval SECONDS  go on, and print what was added in each interval\n"
		"  -n, --count N           end after N samples\n"
		"  -l, --list              list all counters with unit and meaning\n"
		"  -h, --help              this text\n");
}

static int list(void)
{
	for (unsigned int i = 0; i < MP_STAT_COUNT; i++)
		printf("%-24s %-12s %s\n", mp_stat_desc[i].name, mp_stat_desc[i].unit,
		       mp_stat_desc[i].meaning);
	return EXIT_SUCCESS;
}

static void take(const struct mp_stat_page *page, struct sample *s)
{
	for (unsigned int i = 0; i < MP_STAT_COUNT; i++)
		s->value[i] = mp_stat_get(page, i);
}

static void print_json(const struct sample *s)
{
	printf("{");
	for (unsigned int i = 0; i < MP_STAT_COUNT; i++)
		printf("%s\"%s\": %llu", i ? ", " : "", mp_stat_desc[i].name,
		       (unsigned long long)s->value[i]);
	printf("}\n");
}

static void print_table(const struct sample *s, bool all)
{
	for (unsigned int i = 0; i < MP_STAT_COUNT; i++)
		if (all || s->value[i] != 0)
			printf("%-24s %20llu %s\n", mp_stat_desc[i].name,
			       (unsigned long long)s->value[i], mp_stat_desc[i].unit);
}

static void print_samples(const struct mp_stat_page *page, const struct options *o)
{
	struct timespec pause = {.tv_sec = (time_t)o->interval_s};
	struct sample last = {0}, now, diff;

	pause.tv_nsec = (long)((o->interval_s - (double)pause.tv_sec) * 1e9);
	for (unsigned long n = 1;; n++) {
		take(page, &now);
		for (unsigned int i = 0; i < MP_STAT_COUNT; i++)
			diff.value[i] = now.value[i] - last.value[i];
		if (o->json)
			print_json(&diff);
		else
			print_table(&diff, o->all);
		fflush(stdout);
		if (o->interval_s <= 0 || n == o->n_samples)
			return;
		last = now;
		nanosleep(&pause, NULL);
		if (!o->json)
			printf("\n");
	}
}

static int run(const struct options *o)
{
	MP_CLEANUP(mp_shm_fini) struct mp_shm shm = MP_SHM_NULL;
	int fd, r;

	/* Writable, because /proc/PID/fd/N of a memfd has one mode for all. */
	fd = open(o->path, O_RDWR | O_CLOEXEC);
	if (fd < 0) {
		mp_error("%s: %s", o->path, strerror(errno));
		return EXIT_FAILURE;
	}
	r = mp_stat_adopt_take(fd, &shm);
	if (r < 0) {
		mp_error("%s: %s", o->path,
			 r == -EPROTO ? "no counters of this version of mpring are in there"
				      : strerror(-r));
		return EXIT_FAILURE;
	}
	print_samples(mp_stat_page(&shm), o);
	return ferror(stdout) ? EXIT_FAILURE : EXIT_SUCCESS;
}

/* A positive number and nothing behind it. */
static bool parse_number(const char *text, double *ret_number)
{
	char *end;
	double number = strtod(text, &end);

	if (end == text || *end != '\0' || !(number > 0 && number < 1e9))
		return false;
	*ret_number = number;
	return true;
}

/* Exit status, or -1 to go on. */
static int parse(int argc, char **argv, struct options *o)
{
	static const struct option longopts[] = {
		{"all", no_argument, NULL, 'a'},
		{"json", no_argument, NULL, 'j'},
		{"interval", required_argument, NULL, 'i'},
		{"count", required_argument, NULL, 'n'},
		{"list", no_argument, NULL, 'l'},
		{"help", no_argument, NULL, 'h'},
		{NULL, 0, NULL, 0},
	};
	double count = 0;
	bool ok = true;
	int c;

	while (ok && (c = getopt_long(argc, argv, "aji:n:lh", longopts, NULL)) != -1) {
		if (c == 'h')
			return usage(stdout), EXIT_SUCCESS;
		if (c == 'l')
			return list();
		o->all |= c == 'a';
		o->json |= c == 'j';
		if (c == 'i')
			ok = parse_number(optarg, &o->interval_s);
		else if (c == 'n')
			ok = parse_number(optarg, &count);
		else
			ok = c != '?';
	}
	o->n_samples = (unsigned long)count;
	if (ok && optind == argc - 1) {
		o->path = argv[optind];
		return -1;
	}
	usage(stderr);
	return EXIT_USAGE;
}

int main(int argc, char **argv)
{
	struct options o = {0};
	int status;

	mp_log_init("mpring-stat", false);
	status = parse(argc, argv, &o);
	return status >= 0 ? status : run(&o);
}
