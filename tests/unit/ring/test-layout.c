/* SPDX-License-Identifier: BSD-3-Clause */
#include <errno.h>

#include "tests/lib/ring_pair.h"
#include "tests/lib/t.h"

static _Alignas(4096) uint8_t page[MP_RING_PAGE_BYTES];

static struct mp_ring_page *formatted(void)
{
	memset(page, 0, sizeof(page));
	T_EQ(mp_ring_page_format(page, 64, 16), 0);
	return (struct mp_ring_page *)(void *)page;
}

static void test_len_is_whole_pages(void)
{
	/* 8 * 8 bytes of slots still take a page: header, user page, slots. */
	T_EQ(mp_ring_memfd_len(8, 8), 3 * 4096);
	T_EQ(mp_ring_memfd_len(256, 16), 3 * 4096);
	T_EQ(mp_ring_memfd_len(512, 16), 4 * 4096);
	T_EQ(mp_ring_memfd_len(65536, 256), 8192 + 16777216);
}

static void test_format_passes_its_own_check(void)
{
	T_EQ(mp_ring_page_check(formatted(), 64, 16), 0);
}

static void test_format_refuses_sizes_out_of_limits(void)
{
	T_EQ(mp_ring_page_format(page, 4, 16), -EINVAL);
	T_EQ(mp_ring_page_format(page, 131072, 16), -EINVAL);
	T_EQ(mp_ring_page_format(page, 64, 4), -EINVAL);
	T_EQ(mp_ring_page_format(page, 64, 512), -EINVAL);
}

static void test_format_refuses_what_is_no_power_of_two(void)
{
	T_EQ(mp_ring_page_format(page, 48, 16), -EINVAL);
	T_EQ(mp_ring_page_format(page, 64, 24), -EINVAL);
}

static void test_check_refuses_other_magic(void)
{
	formatted()->magic ^= 1;
	T_EQ(mp_ring_page_check(page, 64, 16), -EPROTO);
}

static void test_check_refuses_other_version(void)
{
	formatted()->version++;
	T_EQ(mp_ring_page_check(page, 64, 16), -EPROTO);
}

static void test_check_refuses_sizes_that_were_not_agreed(void)
{
	formatted();
	T_EQ(mp_ring_page_check(page, 128, 16), -EPROTO);
	T_EQ(mp_ring_page_check(page, 64, 32), -EPROTO);
}

static void test_check_refuses_other_user_page(void)
{
	formatted()->user_bytes = 0;
	T_EQ(mp_ring_page_check(page, 64, 16), -EPROTO);
}

static void test_check_refuses_bad_sizes_even_if_the_page_agrees(void)
{
	formatted()->n_slots = 0;
	T_EQ(mp_ring_page_check(page, 0, 16), -EPROTO);
}

T_MAIN(T_TEST(test_len_is_whole_pages), T_TEST(test_format_passes_its_own_check),
       T_TEST(test_format_refuses_sizes_out_of_limits),
       T_TEST(test_format_refuses_what_is_no_power_of_two), T_TEST(test_check_refuses_other_magic),
       T_TEST(test_check_refuses_other_version),
       T_TEST(test_check_refuses_sizes_that_were_not_agreed),
       T_TEST(test_check_refuses_other_user_page),
       T_TEST(test_check_refuses_bad_sizes_even_if_the_page_agrees))
