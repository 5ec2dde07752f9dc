/* SPDX-License-Identifier: BSD-3-Clause */
#include "bench/program.h"

#include <stdio.h>
#include <string.h>

#include "bench/shim/gbench.h"

static void take_smoke(int argc, char **argv, char *instant)
{
	for (int i = 1; i < argc; i++)
		if (strcmp(argv[i], "--smoke") == 0)
			argv[i] = instant;
}

int program_begin(const char *name, int *argc, char **argv, struct pin *ret_pin)
{
	char instant[] = "--benchmark_min_time=0.001";
	int r;

	take_smoke(*argc, argv, instant);
	if (!gb_init(argc, argv)) {
		fprintf(stderr, "%s: takes --smoke and google-benchmark's flags (--help)\n", name);
		return 2;
	}
	r = pin_choose(ret_pin);
	if (r == 0)
		r = pin_self(ret_pin->cpu[0]);
	if (r < 0) {
		fprintf(stderr, "%s: can't choose a core: %s\n", name, strerror(-r));
		return 1;
	}
	gb_context("cores", ret_pin->text);
	return 0;
}

int program_end(const char *name, const bool *failed)
{
	if (gb_run() == 0) {
		fprintf(stderr, "%s: no benchmark matches the filter\n", name);
		return 1;
	}
	return *failed ? 1 : 0;
}
