/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * bytes - little-endian (chip, PCI) and big-endian (SCSI) numbers in byte
 * arrays, at any alignment. No casts, so no alignment or aliasing traps; the
 * compiler turns each into one load or store. And: are these bytes zeros?
 */
#ifndef MP_BASE_BYTES_H
#define MP_BASE_BYTES_H

#include <endian.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#define MP_BYTES_ONE(order, bits)                                                                  \
	static inline uint##bits##_t mp_get_##order##bits(const void *p)                           \
	{                                                                                          \
		uint##bits##_t raw;                                                                \
                                                                                                   \
		memcpy(&raw, p, sizeof(raw));                                                      \
		return order##bits##toh(raw);                                                      \
	}                                                                                          \
	static inline void mp_put_##order##bits(void *p, uint##bits##_t v)                         \
	{                                                                                          \
		v = hto##order##bits(v);                                                           \
		memcpy(p, &v, sizeof(v));                                                          \
	}

MP_BYTES_ONE(le, 16)
MP_BYTES_ONE(le, 32)
MP_BYTES_ONE(le, 64)
MP_BYTES_ONE(be, 16)
MP_BYTES_ONE(be, 32)
MP_BYTES_ONE(be, 64)

#undef MP_BYTES_ONE

static inline uint32_t mp_get_be24(const void *p)
{
	const uint8_t *b = p;

	return (uint32_t)b[0] << 16 | (uint32_t)b[1] << 8 | b[2];
}

static inline void mp_put_be24(void *p, uint32_t v)
{
	uint8_t *b = p;

	b[0] = (uint8_t)(v >> 16);
	b[1] = (uint8_t)(v >> 8);
	b[2] = (uint8_t)v;
}

/* Of at least one byte. Nearly always one look at the first decides. */
static inline bool mp_is_zero(const void *p, size_t len)
{
	const uint8_t *b = p;

	return b[0] == 0 && memcmp(b, b + 1, len - 1) == 0;
}

#endif
