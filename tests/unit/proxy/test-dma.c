/* SPDX-License-Identifier: BSD-3-Clause */
#include <errno.h>
#include <stdlib.h>

#include "proxy/dma.h"
#include "tests/lib/t.h"

/* 1 KiB of regions each: too big for the stack of a test, so from here. */
static struct mp_dma_table *new_table(void)
{
	struct mp_dma_table *t = calloc(1, sizeof(*t));

	T_OK(t != NULL);
	return t;
}

static int add(struct mp_dma_table *t, uint64_t gpa, uint64_t len, uint64_t fd_offset, int fd)
{
	struct mp_session_region g = {.gpa = gpa, .len = len, .fd_offset = fd_offset};

	return mp_dma_add(t, &g, fd);
}

static void test_neighbours_in_memory_and_file_become_one(void)
{
	struct mp_dma_table *t = new_table();

	T_EQ(add(t, 0, 0x1000, 0, 7), 0);
	T_EQ(add(t, 0x1000, 0x2000, 0x1000, 7), 0);
	T_EQ(t->n_regions, 1);
	T_EQ(t->region[0].len, 0x3000);
	free(t);
}

static void test_neighbours_with_a_gap_in_the_file_stay_apart(void)
{
	struct mp_dma_table *t = new_table();

	add(t, 0, 0x1000, 0, 7);
	add(t, 0x1000, 0x1000, 0x5000, 7);
	T_EQ(t->n_regions, 2);
	free(t);
}

static void test_readonly_does_not_join_writable(void)
{
	struct mp_session_region rom = {
		.gpa = 0x1000, .len = 0x1000, .fd_offset = 0x1000, .flags = MP_RAM_READONLY};
	struct mp_dma_table *t = new_table();

	add(t, 0, 0x1000, 0, 7);
	T_EQ(mp_dma_add(t, &rom, 7), 0);
	T_EQ(t->n_regions, 2);
	T_EQ(t->region[1].flags, MP_RAM_READONLY);
	free(t);
}

static void test_each_file_is_listed_once(void)
{
	struct mp_dma_table *t = new_table();

	T_EQ(add(t, 0, 0x1000, 0, 7), 0);
	T_EQ(add(t, 0x2000, 0x1000, 0, 9), 1);
	T_EQ(add(t, 0x4000, 0x1000, 0x4000, 7), 0);
	T_EQ(t->n_fds, 2);
	T_EQ(t->region[1].fd_index, 1);
	T_EQ(t->region[2].fd_index, 0);
	free(t);
}

static void test_regions_end_up_in_order(void)
{
	struct mp_dma_table *t = new_table();

	add(t, 0x8000, 0x1000, 0x8000, 7);
	add(t, 0x2000, 0x1000, 0x2000, 7);
	add(t, 0x4000, 0x1000, 0x4000, 7);
	T_EQ(t->region[0].gpa, 0x2000);
	T_EQ(t->region[1].gpa, 0x4000);
	T_EQ(t->region[2].gpa, 0x8000);
	free(t);
}

static void test_full_table_refuses_and_stays_as_it_was(void)
{
	struct mp_dma_table *t = new_table();

	for (uint64_t i = 0; i < MP_SESSION_MAX_REGIONS; i++)
		T_EQ(add(t, i * 0x2000, 0x1000, 0, 7), 0);
	T_EQ(add(t, 0x2000ull * MP_SESSION_MAX_REGIONS, 0x1000, 0, 7), -E2BIG);
	T_EQ(add(t, 0x2000ull * MP_SESSION_MAX_REGIONS, 0x1000, 0, 8), -E2BIG);
	T_EQ(t->n_regions, MP_SESSION_MAX_REGIONS);
	T_EQ(t->n_fds, 1);
	free(t);
}

static void test_too_many_files_are_refused(void)
{
	struct mp_dma_table *t = new_table();

	for (int i = 0; i < (int)MP_SESSION_MAX_RAM_FDS; i++)
		T_EQ(add(t, (uint64_t)i * 0x2000, 0x1000, 0, 100 + i), i);
	T_EQ(add(t, 0x2000ull * MP_SESSION_MAX_RAM_FDS, 0x1000, 0, 99), -E2BIG);
	T_EQ(t->n_regions, MP_SESSION_MAX_RAM_FDS);
	free(t);
}

static void test_equal_sees_every_difference(void)
{
	struct mp_dma_table *a = new_table(), *b = new_table();

	T_OK(mp_dma_equal(a, b));
	add(a, 0, 0x1000, 0, 7);
	T_OK(!mp_dma_equal(a, b));
	add(b, 0, 0x1000, 0, 8);
	T_OK(!mp_dma_equal(a, b));
	mp_dma_clear(b);
	add(b, 0, 0x1000, 0, 7);
	T_OK(mp_dma_equal(a, b));
	b->region[0].fd_offset = 1;
	T_OK(!mp_dma_equal(a, b));
	free(a);
	free(b);
}

T_MAIN(T_TEST(test_neighbours_in_memory_and_file_become_one),
       T_TEST(test_neighbours_with_a_gap_in_the_file_stay_apart),
       T_TEST(test_readonly_does_not_join_writable), T_TEST(test_each_file_is_listed_once),
       T_TEST(test_regions_end_up_in_order), T_TEST(test_full_table_refuses_and_stays_as_it_was),
       T_TEST(test_too_many_files_are_refused), T_TEST(test_equal_sees_every_difference))
