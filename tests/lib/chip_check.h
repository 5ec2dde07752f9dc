/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * chip_check - what holds of a chip whenever no call into it is under way,
 * computed a second time, from the manual's rules.
 *
 *	state	attach takes it as consistent
 *	shadow	each byte that may be shadowed is what a read returns, and the
 *		read changes nothing
 *	line	SIP, DIP and INTA# follow from status and masks
 *	tasks	a task of the chip is one of the targets', and the reverse
 */
#ifndef MP_TESTS_LIB_CHIP_CHECK_H
#define MP_TESTS_LIB_CHIP_CHECK_H

#include "tests/lib/fake_bus.h"

/* All of it, on a copy of the state; asserts. */
void chip_check(struct fake_bus *b);

/* INTA# and the summary bits as the registers have it; @was is the level before, for SI. */
int chip_level(const struct mp_lsi_state *st, int was);

#endif
