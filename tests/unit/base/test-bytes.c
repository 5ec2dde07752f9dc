/* SPDX-License-Identifier: BSD-3-Clause */
#include "base/bytes.h"
#include "base/clock.h"
#include "tests/lib/t.h"

static const uint8_t bytes[9] = {0xff, 1, 2, 3, 4, 5, 6, 7, 8};

static void test_little_endian_at_an_odd_address(void)
{
	T_EQ(mp_get_le16(bytes + 1), 0x0201);
	T_EQ(mp_get_le32(bytes + 1), 0x04030201);
	T_EQ(mp_get_le64(bytes + 1), 0x0807060504030201);
}

static void test_big_endian_at_an_odd_address(void)
{
	T_EQ(mp_get_be16(bytes + 1), 0x0102);
	T_EQ(mp_get_be24(bytes + 1), 0x010203);
	T_EQ(mp_get_be32(bytes + 1), 0x01020304);
	T_EQ(mp_get_be64(bytes + 1), 0x0102030405060708);
}

static void test_put_is_the_inverse_of_get(void)
{
	uint8_t b[8];

	mp_put_be24(b, 0x123456);
	T_EQ(mp_get_be24(b), 0x123456);
	mp_put_le32(b, 0x12345678);
	T_EQ(b[0], 0x78);
	mp_put_be64(b, 0x1122334455667788);
	T_EQ(b[0], 0x11);
	T_EQ(mp_get_be64(b), 0x1122334455667788);
}

static void test_tsc_rate_is_plausible(void)
{
	uint64_t hz = mp_clock_tsc_hz();

	T_OK(hz > 10000000ull && hz < 100 * MP_NS_PER_SEC);
}

T_MAIN(T_TEST(test_little_endian_at_an_odd_address), T_TEST(test_big_endian_at_an_odd_address),
       T_TEST(test_put_is_the_inverse_of_get), T_TEST(test_tsc_rate_is_plausible))
