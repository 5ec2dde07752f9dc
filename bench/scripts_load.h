/* SPDX-License-Identifier: BSD-3-Clause */
/* scripts_load - commands through fake_driver's SCRIPTS, to targets that cost next to nothing. */
#ifndef MP_BENCH_SCRIPTS_LOAD_H
#define MP_BENCH_SCRIPTS_LOAD_H

#include "tests/lib/fake_driver.h"

#define SCRIPTS_MAX_DEPTH 16u

struct scripts_kind {
	const char *name;
	enum mp_lsi_dir dir;
	uint32_t xfer_len; /* bytes, in one segment; 0: no data */
	unsigned int depth; /* above 1: targets disconnect, and reselect when all are under way */
};

struct scripts_load {
	const struct scripts_kind *kind;
	struct fake_driver d;
	struct mp_lsi_ops ops; /* of fake_bus, but for the targets */
};

/** scripts_load_init() - the chip waits for commands of @kind */
void scripts_load_init(struct scripts_load *l, const struct scripts_kind *kind);
void scripts_load_fini(struct scripts_load *l);

/** scripts_load_round() - kind->depth commands, from the doorbell to the interrupt; false: wrong */
bool scripts_load_round(struct scripts_load *l);

/** scripts_load_n_insns() - SCRIPTS instructions so far */
uint64_t scripts_load_n_insns(const struct scripts_load *l);

#endif
