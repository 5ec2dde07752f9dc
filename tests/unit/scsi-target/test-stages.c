/* SPDX-License-Identifier: BSD-3-Clause */
/* Which stages of a command are timed, and how often; how long they take is the machine's business. */
#include <errno.h>

#include "tests/lib/fake_hba.h"
#include "tests/lib/t.h"

static struct fake_hba h;
static uint8_t data[1 << 17];
static uint64_t before[3];

static uint64_t n_in(const struct mp_hist *hist)
{
	uint64_t n = 0;

	for (unsigned int i = 0; i < MP_HIST_BUCKETS; i++)
		n += mp_hist_get(hist, i);
	return n;
}

static void setup(void)
{
	const struct mp_scsi_stages *st;

	hba_init(&h, 1 << 20, 1 << 20);
	st = mp_scsi_bus_stages(h.bus);
	before[0] = n_in(&st->queue);
	before[1] = n_in(&st->block);
	before[2] = n_in(&st->command);
}

static void check(uint64_t n_queue, uint64_t n_block, uint64_t n_command)
{
	const struct mp_scsi_stages *st = mp_scsi_bus_stages(h.bus);

	T_EQ(n_in(&st->queue) - before[0], n_queue);
	T_EQ(n_in(&st->block) - before[1], n_block);
	T_EQ(n_in(&st->command) - before[2], n_command);
}

static void test_a_command_without_block_requests_is_a_command_only(void)
{
	setup();
	T_EQ(HBA_RUN(&h, NULL, 0, 0x00, 0, 0, 0, 0, 0), MP_SCSI_GOOD);
	check(0, 0, 1);
	hba_fini(&h);
}

static void test_a_command_of_two_requests_queues_once(void)
{
	setup();
	T_EQ(HBA_RUN(&h, data, sizeof(data), 0x28, 0, 0, 0, 0, 0, 0, 0, 200, 0), MP_SCSI_GOOD);
	check(1, 2, 1);
	hba_fini(&h);
}

static void test_a_request_that_fails_takes_its_time_too(void)
{
	static const uint8_t read1[10] = {0x28, [8] = 1};

	setup();
	hba_give(&h, 1, data, 512);
	hba_start(&h, 1, read1, 10);
	check(1, 0, 0);
	fake_blk_finish(&h.blk, 0, -EIO);
	check(1, 1, 1);
	hba_fini(&h);
}

static void test_out_of_range_is_counted_where_the_disk_counts(void)
{
	setup();
	T_EQ(HBA_RUN(&h, data, 512, 0x28, 0, 0xff, 0, 0, 0, 0, 0, 1, 0), MP_SCSI_CHECK_CONDITION);
	T_EQ(HBA_RUN(&h, data, 512, 0x2a, 0, 0xff, 0, 0, 0, 0, 0, 1, 0), MP_SCSI_CHECK_CONDITION);
	T_EQ(h.blk.n_invalid[MP_BLK_READ], 1);
	T_EQ(h.blk.n_invalid[MP_BLK_WRITE], 1);
	check(0, 0, 2);
	hba_fini(&h);
}

T_MAIN(T_TEST(test_a_command_without_block_requests_is_a_command_only),
       T_TEST(test_a_command_of_two_requests_queues_once),
       T_TEST(test_a_request_that_fails_takes_its_time_too),
       T_TEST(test_out_of_range_is_counted_where_the_disk_counts))
