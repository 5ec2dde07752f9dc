/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * reg_table - the registers by the manual, written down apart from regs.def:
 * the value after reset, and which bits a write stores. All other bits are
 * read-only, reserved, clear themselves or act when written.
 */
#ifndef MP_TESTS_LIB_REG_TABLE_H
#define MP_TESTS_LIB_REG_TABLE_H

#include <stdint.h>

struct reg_row {
	uint8_t off, width, reset, stored;
	const char *name;
};

/* The row of a byte; NULL for ISTAT0, of which each bit is its own story. */
const struct reg_row *reg_row_of(unsigned int off);

#endif
