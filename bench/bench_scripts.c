/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * bench_scripts - what a SCRIPTS instruction costs, in the mix of a driver.
 *
 *	scripts/KIND	commands of one kind, from the doorbell to the interrupt
 *
 * The time shown is that of one instruction: all that happens for a command,
 * the driver's part and the targets' included, shared among the instructions
 * that it takes. "insns" says how many these are, "ns_command" is the whole.
 * The data of the "4k" kinds are copied, so compare instructions by the kinds
 * without.
 */
#include <stdio.h>

#include "base/clock.h"
#include "bench/program.h"
#include "bench/scripts_load.h"
#include "bench/shim/gbench.h"

#define WARM_UP 64u

struct bench {
	struct scripts_kind kind;
	struct program *program;
};

static const struct scripts_kind kinds[] = {
	{"command", MP_LSI_NO_DATA, 0, 1},
	{"read-16", MP_LSI_DATA_IN, 16, 1},
	{"read-4k", MP_LSI_DATA_IN, 4096, 1},
	{"write-4k", MP_LSI_DATA_OUT, 4096, 1},
	{"reselected-read-16", MP_LSI_DATA_IN, 16, 16},
	{"reselected-read-4k", MP_LSI_DATA_IN, 4096, 16},
};

#define N_KINDS (sizeof(kinds) / sizeof(kinds[0]))

static bool warm_up(struct scripts_load *l, uint64_t *ret_insns)
{
	bool ok = true;

	for (unsigned int i = 0; i < WARM_UP; i++)
		ok &= scripts_load_round(l);
	*ret_insns = scripts_load_n_insns(l);
	ok &= scripts_load_round(l);
	*ret_insns = scripts_load_n_insns(l) - *ret_insns;
	return ok;
}

static void run(struct gb_state *s, void *opaque)
{
	const struct bench *b = opaque;
	struct scripts_load l;
	uint64_t insns, before, start_ns = 0, n_rounds = 0;
	bool ok;

	scripts_load_init(&l, &b->kind);
	ok = warm_up(&l, &insns);
	before = scripts_load_n_insns(&l);
	while (gb_keep_running(s, (uint32_t)insns)) {
		if (n_rounds == 0)
			start_ns = mp_clock_ns();
		ok &= scripts_load_round(&l);
		n_rounds++;
	}
	start_ns = mp_clock_ns() - start_ns;
	/* Every round takes the same way, or the time of one instruction means nothing. */
	ok &= scripts_load_n_insns(&l) - before == n_rounds * insns;
	if (!ok) {
		b->program->failed = true;
		gb_fail(s, "a command went wrong");
	}
	gb_counter(s, "insns", (double)insns / b->kind.depth);
	gb_counter(s, "ns_command", (double)start_ns / (double)n_rounds / b->kind.depth);
	scripts_load_fini(&l);
}

int main(int argc, char **argv)
{
	struct bench benches[N_KINDS];
	char name[64];
	struct program program;
	int r;

	r = program_begin("bench_scripts", &argc, argv, &program);
	if (r != 0)
		return r;
	for (size_t i = 0; i < N_KINDS; i++) {
		benches[i] = (struct bench){kinds[i], &program};
		snprintf(name, sizeof(name), "scripts/%s", kinds[i].name);
		gb_register(name, run, &benches[i]);
	}
	return program_end(&program);
}
