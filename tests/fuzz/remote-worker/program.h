/* SPDX-License-Identifier: BSD-3-Clause */
/* program - SCRIPTS at RAM_GPA that read a block from target 0, as a driver's would. */
#ifndef MP_TESTS_FUZZ_REMOTE_WORKER_PROGRAM_H
#define MP_TESTS_FUZZ_REMOTE_WORKER_PROGRAM_H

#include <stddef.h>
#include <stdint.h>

#include "base/bytes.h"

#define RAM_GPA       0x10000u
#define PROGRAM_BYTES 0x300u

/* SELECT 0, IDENTIFY, READ (10) of one block, its data, status, message, end. */
static inline void put_program(uint8_t *ram)
{
	static const uint32_t words[] = {
		0x40000000, 0,
		0x06000001, RAM_GPA + 0x210,
		0x02000010, RAM_GPA + 0x200,
		0x87820000, 0x18,
		0x07000002, RAM_GPA + 0x214,
		0x50000000, 0,
		0x07000002, RAM_GPA + 0x214,
		0x01000200, RAM_GPA + 0x1000,
		0x03000001, RAM_GPA + 0x218,
		0x07000001, RAM_GPA + 0x214,
		0x98080000, 0,
	};

	for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++)
		mp_put_le32(ram + 4 * i, words[i]);
	ram[0x200] = 0x28;
	ram[0x208] = 1;
	ram[0x210] = 0x80;
}

#endif
