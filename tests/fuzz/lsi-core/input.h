/* SPDX-License-Identifier: BSD-3-Clause */
/* input - the bytes of a fuzz input, taken from the front; zeros behind its end. */
#ifndef MP_TESTS_FUZZ_LSI_CORE_INPUT_H
#define MP_TESTS_FUZZ_LSI_CORE_INPUT_H

#include <stddef.h>
#include <stdint.h>

struct input {
	const uint8_t *p;
	size_t left;
};

static inline uint8_t take8(struct input *in)
{
	if (!in->left)
		return 0;
	in->left--;
	return *in->p++;
}

static inline uint32_t take32(struct input *in)
{
	uint32_t v = 0;

	for (unsigned int i = 0; i < 4; i++)
		v |= (uint32_t)take8(in) << 8 * i;
	return v;
}

#endif
