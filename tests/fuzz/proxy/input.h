/* SPDX-License-Identifier: BSD-3-Clause */
/* input - the bytes of a run, taken one after the other; behind the last come zeros. */
#ifndef MP_TESTS_FUZZ_PROXY_INPUT_H
#define MP_TESTS_FUZZ_PROXY_INPUT_H

#include <stddef.h>
#include <stdint.h>

/* A rig doesn't carry one, and a harness has one input at a time. */
static struct {
	const uint8_t *at;
	size_t left;
} in;

static inline uint8_t next8(void)
{
	if (in.left == 0)
		return 0;
	in.left--;
	return *in.at++;
}

static inline uint32_t next32(void)
{
	uint32_t v = 0;

	for (unsigned int i = 0; i < 4; i++)
		v = v << 8 | next8();
	return v;
}

#endif
