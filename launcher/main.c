/* SPDX-License-Identifier: BSD-3-Clause */
/* mpring: the launcher's subcommands. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/log.h"
#include "launcher/commit.h"
#include "launcher/machine.h"
#include "launcher/perf.h"

#define EXIT_USAGE 2

static const char usage[] =
	"usage: mpring perf [OPTION...]                      boot a guest, run fio on remote disks\n"
	"       mpring run --disk FILE... -- QEMU-ARGUMENTS  run your own guest\n"
	"       mpring --version\n"
	"       mpring --help, -h\n"
	"perf and run take --help too, which lists their options; mpring-perf(1), mpring-run(1).\n";

static int run_mode(enum mp_mode mode, int argc, char **argv)
{
	struct mp_options options;
	struct mp_plan plan;
	int status = 1, r;

	if (mp_options_parse(&options, mode, argc, argv) < 0)
		return EXIT_USAGE;
	mp_log_init("mpring", options.verbose);
	r = mp_plan_make(&plan, &options);
	if (r == -EINVAL)
		status = EXIT_USAGE;
	if (r == 0) {
		if (options.dry_run) {
			status = mp_plan_show(&plan) < 0;
		} else {
			status = mode == MP_MODE_PERF ? mp_perf(&plan) : mp_run(&plan);
		}
	}
	mp_plan_fini(&plan);
	mp_options_fini(&options);
	return status;
}

int main(int argc, char **argv)
{
	char perf_name[] = "mpring perf", run_name[] = "mpring run";
	const char *command = argc > 1 ? argv[1] : "";

	mp_log_init("mpring", false);
	if (strcmp(command, "perf") == 0) {
		argv[1] = perf_name;
		return run_mode(MP_MODE_PERF, argc - 1, argv + 1);
	}
	if (strcmp(command, "run") == 0) {
		argv[1] = run_name;
		return run_mode(MP_MODE_RUN, argc - 1, argv + 1);
	}
	if (strcmp(command, "--version") == 0) {
		printf("mpring %s (%s)\n", MPRING_VERSION, MPRING_COMMIT);
		return 0;
	}
	if (strcmp(command, "--help") == 0 || strcmp(command, "-h") == 0) {
		fputs(usage, stdout);
		return 0;
	}
	fprintf(stderr, "mpring: %s%s%s\n%s", *command ? "no command '" : "which command?", command,
		*command ? "'" : "", usage);
	return EXIT_USAGE;
}
