/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A random walk of reads, writes, WRITE SAME, aborts, resets and I/O errors,
 * with every kind of tag, against a model that is an array: for each block
 * the values that it may have.
 *
 * A block has one value, until a write to it is aborted or fails: then it may
 * have the old or the new one, and the first read settles which for good. That
 * is what "nothing overtakes an aborted write" means. Overlapping live commands
 * are avoided, since then SCSI promises nothing.
 *
 * After each step somebody must be able to go on: a bus that waits for itself
 * is a failure too.
 */
#include <errno.h>

#include "base/bytes.h"
#include "scsi-target/bus.h"
#include "tests/lib/fake_hba.h"
#include "tests/lib/t.h"

#define N_BLOCKS   512u
#define MAX_BLOCKS 200u /* of a command: four chunks of the smallest pool */
#define N_VALUES   4u
#define N_STEPS    20000u
#define SAME_BIT   (1ull << 63)

struct command {
	bool live, is_write;
	uint32_t lba, n_blocks;
	uint64_t stamp;
	uint8_t data[MAX_BLOCKS * 512];
};

static struct {
	struct fake_hba hba;
	struct command commands[HBA_TASKS];
	uint64_t values[N_BLOCKS][N_VALUES];
	unsigned int n_values[N_BLOCKS];
	uint64_t seed, next_stamp;
	unsigned int n_live, n_reads_checked, n_aborts, n_errors;
} x;

static uint32_t below(uint32_t n)
{
	return (uint32_t)(t_rand(&x.seed) % n);
}

static uint64_t value_at(const struct command *c, uint32_t i)
{
	return c->stamp & SAME_BIT ? c->stamp : c->stamp << 16 | i;
}

static bool overlaps_live(uint32_t lba, uint32_t n, bool is_write)
{
	for (unsigned int i = 1; i < HBA_TASKS; i++) {
		const struct command *c = &x.commands[i];

		if (c->live && (is_write || c->is_write) && lba < c->lba + c->n_blocks &&
		    c->lba < lba + n)
			return true;
	}
	return false;
}

static bool has_room_for_doubt(uint32_t lba, uint32_t n)
{
	for (uint32_t i = lba; i < lba + n; i++)
		if (x.n_values[i] == N_VALUES)
			return false;
	return true;
}

static void settle(uint32_t block, uint64_t value)
{
	x.values[block][0] = value;
	x.n_values[block] = 1;
}

static void check_read(const struct command *c)
{
	for (uint32_t i = 0; i < c->n_blocks; i++) {
		uint64_t value = mp_get_be64(c->data + (size_t)i * 512);
		bool allowed = false;

		for (unsigned int v = 0; v < x.n_values[c->lba + i]; v++)
			allowed = allowed || x.values[c->lba + i][v] == value;
		T_OK(allowed);
		T_MEM_EQ(c->data + (size_t)i * 512, c->data + (size_t)i * 512 + 8, 504);
		settle(c->lba + i, value);
	}
	x.n_reads_checked++;
}

static void write_ended(const struct command *c, bool certain)
{
	for (uint32_t i = 0; i < c->n_blocks; i++) {
		uint32_t block = c->lba + i;

		if (certain)
			settle(block, value_at(c, i));
		else
			x.values[block][x.n_values[block]++] = value_at(c, i);
	}
}

/* As REQUEST SENSE does, but without a buffer, of which there may be none: another failure may be told. */
static void hear_of_it(void)
{
	mp_lun_drop_sense(x.hba.bus->by_id[0][0], x.hba.initiator);
	mp_bus_pump(x.hba.bus);
}

static void ended(struct command *c, unsigned int i)
{
	bool is_good = x.hba.slots[i].status == MP_SCSI_GOOD;

	if (c->is_write)
		write_ended(c, is_good);
	else if (is_good)
		check_read(c);
	c->live = false;
	x.n_live--;
	mp_scsi_free(x.hba.bus, i);
	if (is_good)
		return;
	x.n_errors++;
	hear_of_it();
}

static void harvest(void)
{
	bool again = true;

	while (again) {
		again = false;
		for (unsigned int i = 1; i < HBA_TASKS; i++)
			if (x.commands[i].live && x.hba.tasks[i].state == MP_SCSI_STATUS) {
				ended(&x.commands[i], i);
				again = true;
			}
	}
}

static size_t fill_data(struct command *c, bool is_same)
{
	uint32_t n = is_same ? 1 : c->n_blocks;

	for (uint32_t i = 0; i < n; i++)
		for (uint32_t word = 0; word < 64; word++)
			mp_put_be64(c->data + (size_t)i * 512 + word * 8, value_at(c, i));
	return (size_t)n * 512;
}

static void start_at(unsigned int i, uint32_t lba, uint32_t n, unsigned int kind)
{
	struct command *c = &x.commands[i];
	bool is_write = kind >= 2, is_same = kind == 4;
	uint8_t cdb[16] = {is_same ? 0x93 : is_write ? 0x8a : 0x88};
	size_t len = (size_t)n * 512;

	if (x.hba.tasks[i].state != MP_SCSI_FREE || overlaps_live(lba, n, is_write) ||
	    (is_write && !has_room_for_doubt(lba, n)))
		return;
	if (kind == 3)
		cdb[1] = 0x08; /* FUA */
	mp_put_be64(cdb + 2, lba);
	mp_put_be32(cdb + 10, n);
	c->live = true;
	c->is_write = is_write;
	c->lba = lba;
	c->n_blocks = n;
	c->stamp = x.next_stamp++ | (is_same ? SAME_BIT : 0);
	if (is_write)
		len = fill_data(c, is_same);
	x.n_live++;
	hba_give(&x.hba, i, c->data, len);
	hba_start_tagged(&x.hba, i, MP_SCSI_SIMPLE + below(3), cdb, 16);
}

static void start_one(void)
{
	uint32_t n = 1 + (below(3) ? below(8) : below(MAX_BLOCKS));

	start_at(1 + below(HBA_TASKS - 1), below(N_BLOCKS - n + 1), n, below(5));
}

static void finish_one(void)
{
	bool fails = below(50) == 0;

	if (x.hba.blk.n_reqs)
		fake_blk_finish(&x.hba.blk, below(x.hba.blk.n_reqs), fails ? -EIO : 0);
}

static void move_one(void)
{
	unsigned int first = below(HBA_TASKS);

	for (unsigned int n = 0; n < HBA_TASKS; n++) {
		unsigned int i = (first + n) % HBA_TASKS;

		if (x.hba.tasks[i].state == MP_SCSI_XFER && x.hba.slots[i].xfer_waits) {
			hba_move(&x.hba, i);
			return;
		}
	}
}

static void forget(unsigned int i)
{
	struct command *c = &x.commands[i];

	if (!c->live)
		return;
	if (c->is_write)
		write_ended(c, false);
	c->live = false;
	x.n_live--;
	x.n_aborts++;
}

/* Aborted, and written again at the same place at once, as a driver does that retries. */
static void abort_one(void)
{
	unsigned int i = 1 + below(HBA_TASKS - 1), again = 1 + below(HBA_TASKS - 1);
	struct command *c = &x.commands[i];
	bool was_write = c->live && c->is_write;

	mp_scsi_abort_task(x.hba.bus, i);
	forget(i);
	if (!was_write)
		return;
	start_at(again, c->lba, c->n_blocks, 2);
	if (x.hba.tasks[again].state == MP_SCSI_XFER)
		hba_move(&x.hba, again);
}

static void reset(void)
{
	mp_scsi_reset(x.hba.bus, MP_SCSI_RESET_LUN + below(4), 0, 0);
	for (unsigned int i = 1; i < HBA_TASKS; i++)
		forget(i);
	T_OK(hba_sense(&x.hba) >> 8 == 0x0629);
}

static bool somebody_can_go_on(void)
{
	if (x.n_live == 0 || x.hba.blk.n_reqs > 0)
		return true;
	for (unsigned int i = 1; i < HBA_TASKS; i++)
		if (x.hba.tasks[i].state == MP_SCSI_XFER)
			return true;
	return false;
}

static void step(void)
{
	unsigned int dice = below(1000);

	if (dice < 350)
		start_one();
	else if (dice < 680)
		finish_one();
	else if (dice < 985)
		move_one();
	else if (dice < 998)
		abort_one();
	else
		reset();
	harvest();
	T_OK(somebody_can_go_on());
}

static void drain(void)
{
	while (x.n_live > 0) {
		finish_one();
		move_one();
		harvest();
		T_OK(somebody_can_go_on());
	}
	fake_blk_finish_all(&x.hba.blk);
}

/* All that was written is where the model says, also by a plain look at the disk. */
static void compare_disk(void)
{
	for (uint32_t i = 0; i < N_BLOCKS; i++) {
		uint64_t value = mp_get_be64(x.hba.blk.data + (size_t)i * 512);
		bool allowed = false;

		for (unsigned int v = 0; v < x.n_values[i]; v++)
			allowed = allowed || x.values[i][v] == value;
		T_OK(allowed);
	}
}

static void walk(size_t pool_len)
{
	hba_init(&x.hba, N_BLOCKS * 512, pool_len);
	x.hba.hold_xfers = true;
	x.next_stamp = 1;
	x.n_live = x.n_reads_checked = x.n_aborts = x.n_errors = 0;
	memset(x.commands, 0, sizeof(x.commands));
	for (uint32_t i = 0; i < N_BLOCKS; i++)
		settle(i, 0);
	for (unsigned int i = 0; i < N_STEPS; i++)
		step();
	drain();
	compare_disk();
	T_OK(x.n_reads_checked > 100 && x.n_aborts > 10 && x.n_errors > 10);
	hba_fini(&x.hba);
}

static void test_random_walk_with_a_large_pool_agrees_with_the_model(void)
{
	walk(1 << 20);
}

static void test_random_walk_with_the_smallest_pool_agrees_with_the_model(void)
{
	walk(MP_SCSI_CHUNK_BYTES);
}

int main(int argc, char **argv)
{
	static const struct t_test tests[] = {
		T_TEST(test_random_walk_with_a_large_pool_agrees_with_the_model),
		T_TEST(test_random_walk_with_the_smallest_pool_agrees_with_the_model),
	};

	x.seed = t_seed(argc, argv);
	return t_run(tests, 2, argc, argv);
}
