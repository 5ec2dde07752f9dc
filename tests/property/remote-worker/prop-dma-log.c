/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Random writes against a map with one flag per byte: at any moment, what was
 * taken out of the log plus what is in it covers every byte written since the
 * start, and no report reaches a page where nothing was written, unless the log
 * had to fold. Small regions and a full log make folding common.
 */
#include "remote-worker/dma_log.h"

#include <stdlib.h>

#include "tests/lib/t.h"

#define N_REGIONS    40u
#define REGION_BYTES 65536u
#define STRIDE       (REGION_BYTES * 2) /* holes between them */

static struct mp_guest_table *memory;
static uint8_t bytes[REGION_BYTES];
static uint8_t written[N_REGIONS][REGION_BYTES], told[N_REGIONS][REGION_BYTES];
static struct mp_dma_log dma_log;
static struct mp_guest_view view;
static uint64_t seed;

static void mark(uint8_t map[N_REGIONS][REGION_BYTES], uint64_t gpa, uint64_t len)
{
	T_OK(gpa / STRIDE < N_REGIONS && gpa % STRIDE + len <= REGION_BYTES);
	memset(&map[gpa / STRIDE][gpa % STRIDE], 1, len);
}

static void take_some(unsigned int n)
{
	uint64_t gpa;
	uint32_t len, max = (uint32_t)(t_rand(&seed) % REGION_BYTES + 1);

	while (n-- > 0 && mp_dma_log_take(&dma_log, max, &gpa, &len)) {
		T_OK(len > 0 && len <= max);
		mark(told, gpa, len);
	}
}

static void check_nothing_lost(void)
{
	take_some(UINT32_MAX);
	for (unsigned int r = 0; r < N_REGIONS; r++)
		for (unsigned int i = 0; i < REGION_BYTES; i++)
			if (written[r][i] && !told[r][i])
				t_fail(__FILE__, __LINE__, "byte %x of region %u was never told", i,
				       r);
}

static void start(void)
{
	free(memory);
	memory = calloc(1, sizeof(*memory) + N_REGIONS * sizeof(memory->region[0]));
	T_OK(memory != NULL);
	memory->n = N_REGIONS;
	for (unsigned int i = 0; i < N_REGIONS; i++)
		memory->region[i] = (struct mp_guest_region){
			.gpa = (uint64_t)i * STRIDE, .len = REGION_BYTES, .hva = bytes};
	mp_guest_view_init(&view, memory);
	memset(written, 0, sizeof(written));
	memset(told, 0, sizeof(told));
	dma_log = (struct mp_dma_log){.on = true};
}

static void write_once(uint64_t gpa, uint32_t len)
{
	mark(written, gpa, len);
	mp_dma_log_add(&dma_log, &view, gpa, len);
	T_OK(dma_log.n <= MP_DMA_LOG_ENTRIES);
}

static void test_no_write_is_ever_lost(void)
{
	uint64_t off;
	uint32_t len;

	start();
	for (unsigned int i = 0; i < 20000; i++) {
		len = (uint32_t)(t_rand(&seed) % (t_rand(&seed) % 8 ? 64 : 4096) + 1);
		off = t_rand(&seed) % (REGION_BYTES - len + 1);
		write_once(t_rand(&seed) % N_REGIONS * STRIDE + off, len);
		if (t_rand(&seed) % 4000 == 0)
			check_nothing_lost();
		else if (t_rand(&seed) % 50 == 0)
			take_some(3);
	}
	check_nothing_lost();
}

static void test_full_log_folds_to_one_range_a_region(void)
{
	start();
	for (unsigned int i = 0; i < MP_DMA_LOG_ENTRIES; i++)
		write_once((uint64_t)(i % N_REGIONS) * STRIDE + i / N_REGIONS * 512, 4);
	T_EQ(dma_log.n, MP_DMA_LOG_ENTRIES);
	mp_dma_log_fold(&dma_log, &view);
	T_EQ(dma_log.n, N_REGIONS);
	check_nothing_lost();
}

static void test_writes_to_one_page_are_one_report(void)
{
	start();
	write_once(8192, 4);
	write_once(8192 + 4000, 8);
	write_once(8192 + 100, 4);
	T_EQ(dma_log.n, 1);
	T_EQ(dma_log.range[0].gpa, 8192);
	T_EQ(dma_log.range[0].len, 4008);
}

static void test_distant_writes_stay_apart(void)
{
	start();
	write_once(0, 4);
	write_once(8192, 4);
	T_EQ(dma_log.n, 2);
}

static void test_growing_buffer_stays_one_range(void)
{
	start();
	for (unsigned int i = 0; i < 16; i++)
		write_once(i * 4096, 4096);
	T_EQ(dma_log.n, 1);
	T_EQ(dma_log.range[0].len, 65536);
}

static void test_memory_that_went_away_is_forgotten(void)
{
	start();
	write_once(0, 4);
	write_once(STRIDE, 4);
	memory->n = 1;
	mp_guest_view_init(&view, memory);
	mp_dma_log_fold(&dma_log, &view);
	T_EQ(dma_log.n, 1);
	T_EQ(dma_log.range[0].gpa, 0);
}

static void test_log_that_is_off_keeps_nothing(void)
{
	start();
	dma_log.on = false;
	mp_dma_log_add(&dma_log, &view, 0, 4);
	T_EQ(dma_log.n, 0);
}

int main(int argc, char **argv)
{
	static const struct t_test tests[] = {
		T_TEST(test_no_write_is_ever_lost),
		T_TEST(test_full_log_folds_to_one_range_a_region),
		T_TEST(test_writes_to_one_page_are_one_report),
		T_TEST(test_distant_writes_stay_apart),
		T_TEST(test_growing_buffer_stays_one_range),
		T_TEST(test_memory_that_went_away_is_forgotten),
		T_TEST(test_log_that_is_off_keeps_nothing),
	};

	seed = t_seed(argc, argv);
	return t_run(tests, sizeof(tests) / sizeof(tests[0]), argc, argv);
}
