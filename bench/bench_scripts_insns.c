/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * bench_scripts_insns - SCRIPTS in a driver's mix, alone, for an instruction
 * count: see bench_ring_insns and insn-gate.sh. Each counted function does
 * N commands on a warm chip, with so little data that copying doesn't count.
 */
#include "base/err.h"
#include "bench/counted.h"
#include "bench/scripts_load.h"

#define N 1024u

void insn_scripts_command(struct scripts_load *l);
void insn_scripts_read(struct scripts_load *l);
void insn_scripts_reselected_read(struct scripts_load *l);

static void rounds(struct scripts_load *l)
{
	for (unsigned int i = 0; i < N / l->kind->depth; i++)
		mp_assert(scripts_load_round(l));
}

COUNTED void insn_scripts_command(struct scripts_load *l)
{
	rounds(l);
}

COUNTED void insn_scripts_read(struct scripts_load *l)
{
	rounds(l);
}

COUNTED void insn_scripts_reselected_read(struct scripts_load *l)
{
	rounds(l);
}

static void run(void (*counted)(struct scripts_load *), struct scripts_kind kind)
{
	struct scripts_load l;

	scripts_load_init(&l, &kind);
	mp_assert(scripts_load_round(&l));
	counted(&l);
	scripts_load_fini(&l);
}

int main(int argc, char **argv)
{
	if (counted_asked(argc, argv, "scripts_command scripts_read scripts_reselected_read"))
		return 0;
	run(insn_scripts_command, (struct scripts_kind){"", MP_LSI_NO_DATA, 0, 1});
	run(insn_scripts_read, (struct scripts_kind){"", MP_LSI_DATA_IN, 16, 1});
	run(insn_scripts_reselected_read, (struct scripts_kind){"", MP_LSI_DATA_IN, 16, 16});
	return 0;
}
