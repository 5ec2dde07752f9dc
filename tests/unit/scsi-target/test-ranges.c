/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Where a command's range may lie: one table of all commands that have one, and
 * for each the last block, the first behind it, an address that would wrap
 * around, and no blocks at all.
 */

#include "base/bytes.h"
#include "tests/lib/fake_hba.h"
#include "tests/lib/t.h"

#define DISK_BYTES  (1u << 20)
#define DISK_BLOCKS (DISK_BYTES / 512)

struct command {
	const char *name;
	uint8_t opcode, byte1;
	uint8_t cdb_len;
	uint8_t len_at, len_bytes; /* where the CDB has its length */
	uint8_t data_blocks; /* for one block of range */
	bool needs_length; /* none is refused, or means something else */
};

static const struct command commands[] = {
	{"READ(10)", 0x28, 0, 10, 7, 2, 1, false},
	{"WRITE(10)", 0x2a, 0, 10, 7, 2, 1, false},
	{"WRITE AND VERIFY(10)", 0x2e, 2, 10, 7, 2, 1, false},
	{"VERIFY(10)", 0x2f, 2, 10, 7, 2, 1, false},
	{"PRE-FETCH(10)", 0x34, 0, 10, 7, 2, 0, true},
	{"SYNCHRONIZE CACHE(10)", 0x35, 0, 10, 7, 2, 0, true},
	{"WRITE SAME(10)", 0x41, 0, 10, 7, 2, 1, true},
	{"READ(16)", 0x88, 0, 16, 10, 4, 1, false},
	{"COMPARE AND WRITE", 0x89, 0, 16, 13, 1, 2, false},
	{"WRITE(16)", 0x8a, 0, 16, 10, 4, 1, false},
	{"ORWRITE(16)", 0x8b, 0, 16, 10, 4, 1, false},
	{"WRITE AND VERIFY(16)", 0x8e, 2, 16, 10, 4, 1, false},
	{"VERIFY(16)", 0x8f, 2, 16, 10, 4, 1, false},
	{"PRE-FETCH(16)", 0x90, 0, 16, 10, 4, 0, true},
	{"SYNCHRONIZE CACHE(16)", 0x91, 0, 16, 10, 4, 0, true},
	{"WRITE SAME(16)", 0x93, 0, 16, 10, 4, 1, true},
	{"WRITE ATOMIC(16)", 0x9c, 0, 16, 12, 2, 1, false},
	{"READ(12)", 0xa8, 0, 12, 6, 4, 1, false},
	{"WRITE(12)", 0xaa, 0, 12, 6, 4, 1, false},
	{"WRITE AND VERIFY(12)", 0xae, 2, 12, 6, 4, 1, false},
	{"VERIFY(12)", 0xaf, 2, 12, 6, 4, 1, false},
};

#define N_COMMANDS (sizeof(commands) / sizeof(commands[0]))

static struct fake_hba h;
static uint8_t data[4096];

/* As hba_run(), with what the table leaves out. */
static int run(const struct command *c, uint64_t lba, uint8_t n)
{
	uint8_t cdb[16] = {c->opcode, c->byte1};

	if (c->cdb_len == 16)
		mp_put_be64(cdb + 2, lba);
	else
		mp_put_be32(cdb + 2, (uint32_t)lba);
	cdb[c->len_at + c->len_bytes - 1] = n;
	return hba_run(&h, cdb, c->cdb_len, data, (size_t)n * c->data_blocks * 512);
}

static void check_good(const struct command *c, uint64_t lba, uint8_t n)
{
	int status = run(c, lba, n);

	if (status != MP_SCSI_GOOD && status != MP_SCSI_CONDITION_MET)
		t_fail(__FILE__, __LINE__, "%s: status 0x%x", c->name, (unsigned int)status);
}

/* LOGICAL BLOCK ADDRESS OUT OF RANGE, which names the first such block; nothing was done. */
static void check_beyond(const struct command *c, uint64_t lba, uint8_t n, uint64_t first)
{
	static const uint8_t request_sense[6] = {0x03, 1, 0, 0, 28, 0};
	uint8_t sense[28];

	if (run(c, lba, n) != MP_SCSI_CHECK_CONDITION)
		t_fail(__FILE__, __LINE__, "%s goes beyond the medium", c->name);
	T_EQ(hba_run(&h, request_sense, 6, sense, 28), MP_SCSI_GOOD);
	T_EQ(mp_get_be32(sense) & 0x0fffffff, 0x02052100);
	T_EQ(mp_get_be64(sense + 12), first);
}

static void check_each(void (*check)(const struct command *c))
{
	hba_init(&h, DISK_BYTES, 1 << 20);
	for (size_t i = 0; i < N_COMMANDS; i++)
		check(&commands[i]);
	hba_fini(&h);
}

static void at_the_end(const struct command *c)
{
	check_good(c, DISK_BLOCKS - 1, 1);
	check_beyond(c, DISK_BLOCKS - 1, 2, DISK_BLOCKS);
	check_beyond(c, DISK_BLOCKS, 1, DISK_BLOCKS);
}

static void test_each_command_ends_with_the_last_block(void)
{
	check_each(at_the_end);
}

static void wraps(const struct command *c)
{
	uint64_t last = c->cdb_len == 16 ? UINT64_MAX : UINT32_MAX;

	check_beyond(c, last, 2, last);
	check_beyond(c, last, 1, last);
}

static void test_no_command_wraps_around(void)
{
	check_each(wraps);
}

static void without_length(const struct command *c)
{
	unsigned int n_writes = h.blk.n_op[MP_BLK_WRITE], n_reads = h.blk.n_op[MP_BLK_READ];

	if (c->needs_length)
		return;
	check_good(c, 0, 0);
	check_good(c, DISK_BLOCKS - 1, 0);
	check_beyond(c, DISK_BLOCKS + 1, 0, DISK_BLOCKS + 1);
	T_EQ(h.blk.n_op[MP_BLK_WRITE], n_writes);
	T_EQ(h.blk.n_op[MP_BLK_READ], n_reads);
}

static void test_no_blocks_are_no_error_within_the_medium(void)
{
	check_each(without_length);
}

T_MAIN(T_TEST(test_each_command_ends_with_the_last_block), T_TEST(test_no_command_wraps_around),
       T_TEST(test_no_blocks_are_no_error_within_the_medium))
