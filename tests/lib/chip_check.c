/* SPDX-License-Identifier: BSD-3-Clause */
#include "tests/lib/chip_check.h"

#include <string.h>

/* What a reader doesn't look at: RAM is memory to all of this. */
#define CHECKED_BYTES offsetof(struct mp_lsi_state, ram)

static void check_summary(const struct mp_lsi_state *st)
{
	const uint8_t *reg = st->reg;
	bool masked_only = !(reg[0x42] & ~0x70) && !(reg[0x43] & ~0x03);
	bool any_unmasked = reg[0x42] & reg[0x40] || reg[0x43] & reg[0x41];
	unsigned int istat = reg[0x14];

	mp_assert(!(istat & 1) == !(reg[0x0c] & 0x7d));
	mp_assert(!(istat & 2) == (masked_only && !any_unmasked));
	mp_assert(!(istat & 8) == !(reg[0x01] & 0x10));
	mp_assert(!(istat & 8) == (st->nexus.conn == MP_LSI_BUS_FREE));
	mp_assert(!(reg[0x15] & 2) == (st->run == MP_LSI_HALTED));
}

int chip_level(const struct mp_lsi_state *st, int was)
{
	const uint8_t *reg = st->reg;
	bool cause = reg[0x14] & 4 || reg[0x0c] & reg[0x39] & 0x7d || reg[0x42] & reg[0x40] ||
		     reg[0x43] & reg[0x41];

	return cause && !(reg[0x3b] & 2) && (was || !(reg[0x15] & 1));
}

static void check_line(const struct mp_lsi_state *st)
{
	/* With SI a new cause may wait outside: then only an asserted line needs one. */
	if (st->level || !(st->reg[0x15] & 1))
		mp_assert(st->level == chip_level(st, st->level));
}

static void check_reads(struct mp_lsi *copy, const struct mp_lsi_state *st)
{
	for (unsigned int off = 0; off < MP_LSI_REG_BYTES; off++)
		if (mp_lsi_shadowable[off / 64] >> (off % 64) & 1)
			mp_assert(mp_lsi_read(copy, off, 1) == st->reg[off]);
	mp_assert(memcmp(copy->st, st, CHECKED_BYTES) == 0);
}

static void check_tasks(const struct fake_bus *b)
{
	for (unsigned int i = 0; i < MP_LSI_MAX_TASKS; i++)
		mp_assert(b->task[i].live == (b->st->task[i].state != MP_LSI_TASK_FREE));
}

void chip_check(struct fake_bus *b)
{
	struct mp_lsi copy;
	struct mp_lsi_state st;

	memcpy(&st, b->st, CHECKED_BYTES);
	mp_assert(mp_lsi_attach(&copy, &st, b->chip.ops, b) == 1);
	check_reads(&copy, b->st);
	check_summary(b->st);
	check_line(b->st);
	check_tasks(b);
}
