/* SPDX-License-Identifier: BSD-3-Clause */
#include "bench/program.h"

#include <stdio.h>
#include <string.h>

#include "bench/shim/gbench.h"

/* Our one flag; the rest is google-benchmark's, which takes one run of any length for enough. */
static bool take_smoke(int argc, char **argv, char *one_run)
{
	bool found = false;

	for (int i = 1; i < argc; i++) {
		if (strcmp(argv[i], "--smoke") != 0)
			continue;
		argv[i] = one_run;
		found = true;
	}
	return found;
}

int program_begin(const char *name, int *argc, char **argv, struct program *ret_program)
{
	char one_run[] = "--benchmark_min_time=0";
	struct program p = {.name = name, .smoke = take_smoke(*argc, argv, one_run)};
	int r;

	if (!gb_init(argc, argv)) {
		fprintf(stderr, "%s: takes --smoke and google-benchmark's flags (--help)\n", name);
		return 2;
	}
	r = pin_choose(&p.pin);
	if (r == 0)
		r = pin_self(p.pin.cpu[0]);
	if (r < 0) {
		fprintf(stderr, "%s: can't choose cores: %s\n", name, strerror(-r));
		return 1;
	}
	gb_context("cores", p.pin.text);
	*ret_program = p;
	return 0;
}

int program_end(const struct program *p)
{
	if (gb_run() == 0) {
		fprintf(stderr, "%s: no benchmark matches the filter\n", p->name);
		return 1;
	}
	return p->failed ? 1 : 0;
}
