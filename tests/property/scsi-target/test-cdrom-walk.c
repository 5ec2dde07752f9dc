/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Two initiators and an operator at one CD-ROM drive, at random, against a
 * model that has a few flags: what lies in the tray, whether that is open, who
 * has locked it, who hasn't heard of what. Each answer must be the model's.
 *
 * A third initiator reads whole discs meanwhile, in two chunks. Its reads end
 * well if nobody touched the disc, and never with blocks of two discs.
 */
#include <errno.h>

#include "base/bytes.h"
#include "tests/lib/fake_cd.h"
#include "tests/lib/t.h"

#define N_STEPS   20000u
#define N_WHO     3u
#define READER    2u /* who reads whole discs */
#define READ_SLOT 1u
#define MAX_DISC  48u /* blocks: more than a chunk */

enum { EMPTY, FIRST, SECOND, N_DISCS };

static const uint32_t disc_blocks[N_DISCS] = {0, MAX_DISC, 40};

/* What an initiator hasn't been told, the most urgent first. */
struct news {
	bool reset, changed, wish;
};

static struct {
	struct fake_hba hba;
	struct mp_blk second;
	uint64_t seed;
	/* The model. */
	unsigned int disc;
	bool open, locked[N_WHO];
	bool removed_event, new_event, wish_event;
	struct news news[N_WHO];
	unsigned int n_changes; /* of what can be read */
	/* The reader. */
	bool reading;
	unsigned int read_disc, changes_before;
	uint8_t data[MAX_DISC * 2048];
	/* That the walk came by everything. */
	unsigned int n_whole, n_broken, n_good, n_refused, n_told;
} x;

static uint32_t below(uint32_t n)
{
	return (uint32_t)(t_rand(&x.seed) % n);
}

static struct mp_blk *blk_of(unsigned int disc)
{
	return disc == FIRST ? &x.hba.blk : disc == SECOND ? &x.second : NULL;
}

static void stamp(unsigned int disc)
{
	for (uint32_t i = 0; i < disc_blocks[disc]; i++)
		mp_put_be32(blk_of(disc)->data + i * 2048, disc << 16 | i);
}

/* -- the model ---------------------------------------------------------- */

static bool readable(void)
{
	return !x.open && x.disc != EMPTY;
}

static bool is_locked(void)
{
	return x.locked[0] || x.locked[1] || x.locked[2];
}

static void tell_all(size_t what)
{
	for (unsigned int i = 0; i < N_WHO; i++)
		((bool *)&x.news[i])[what] = true;
}

#define TELL_ALL(what) tell_all(offsetof(struct news, what) / sizeof(bool))

static void model_open(void)
{
	if (readable()) {
		x.removed_event = true;
		x.new_event = x.wish_event = false;
		x.n_changes++;
	}
	x.open = true;
}

static void model_close(void)
{
	bool was_open = x.open;

	x.open = false;
	if (!was_open || x.disc == EMPTY)
		return;
	x.new_event = true;
	x.n_changes++;
	TELL_ALL(changed);
}

static unsigned int model_not_ready(void)
{
	return x.open ? 0x023a02 : 0x023a01;
}

/* The next thing that @who must hear; 0: nothing. */
static unsigned int model_news(unsigned int who)
{
	struct news *n = &x.news[who];
	bool *told = n->reset ? &n->reset : n->changed ? &n->changed : n->wish ? &n->wish : NULL;
	unsigned int sense = n->reset ? 0x062902 : n->changed ? 0x062800 : 0x065a01;

	if (!told)
		return 0;
	*told = false;
	x.n_told++;
	return sense;
}

/* -- the drive ---------------------------------------------------------- */

/* Return: 0 for GOOD, else the sense */
static unsigned int answer(int status)
{
	if (status == MP_SCSI_GOOD) {
		x.n_good++;
		return 0;
	}
	x.n_refused++;
	return hba_sense(&x.hba);
}

#define ASK(data, len, ...) answer(HBA_RUN(&x.hba, (data), (len), __VA_ARGS__))

static void be(unsigned int who)
{
	x.hba.initiator = (uint8_t)(7 - who);
}

static void ready(unsigned int who)
{
	unsigned int expected = model_news(who);

	if (!expected && !readable())
		expected = model_not_ready();
	be(who);
	T_EQ(ASK(NULL, 0, 0x00, 0, 0, 0, 0, 0), expected);
}

static void eject(unsigned int who)
{
	unsigned int expected = model_news(who);

	if (!expected && !x.open && is_locked())
		expected = readable() ? 0x055302 : 0x025302;
	else if (!expected)
		model_open();
	be(who);
	T_EQ(ASK(NULL, 0, 0x1b, 0, 0, 0, 2, 0), expected);
}

static void load(unsigned int who)
{
	unsigned int expected = model_news(who);

	if (!expected)
		model_close();
	be(who);
	T_EQ(ASK(NULL, 0, 0x1b, 0, 0, 0, 3, 0), expected);
}

static void lock(unsigned int who, bool on)
{
	unsigned int expected = model_news(who);

	if (!expected)
		x.locked[who] = on;
	be(who);
	T_EQ(ASK(NULL, 0, 0x1e, 0, 0, 0, on, 0), expected);
}

static void event(unsigned int who)
{
	unsigned int expected = (x.open ? 1 : 0) | (readable() ? 2 : 0);

	expected |= x.removed_event ? 0x300 : x.new_event ? 0x200 : x.wish_event ? 0x100 : 0;
	if (x.removed_event)
		x.removed_event = false;
	else if (x.new_event)
		x.new_event = false;
	else
		x.wish_event = false;
	be(who);
	T_EQ(cd_event(&x.hba), expected);
}

static void finish_newest(unsigned int disc)
{
	struct mp_blk *b = blk_of(disc);

	fake_blk_finish(b, b->n_reqs - 1, 0);
}

static void read_block(unsigned int who)
{
	uint32_t lba = below(MAX_DISC + 4);
	uint8_t cdb[10] = {0x28, 0, 0, 0, 0, (uint8_t)lba, 0, 0, 1}, data[2048];
	unsigned int expected = model_news(who);

	if (!expected && !readable())
		expected = model_not_ready();
	else if (!expected && lba >= disc_blocks[x.disc])
		expected = 0x052100;
	be(who);
	hba_give(&x.hba, 0, data, sizeof(data));
	hba_start(&x.hba, 0, cdb, sizeof(cdb));
	if (!expected)
		finish_newest(x.disc);
	mp_scsi_free(x.hba.bus, 0);
	T_EQ(answer(x.hba.slots[0].status), expected);
	if (!expected)
		T_EQ(mp_get_be32(data), x.disc << 16 | lba);
}

static void start_whole_read(void)
{
	uint8_t cdb[10] = {0x28, 0, 0, 0, 0, 0, 0, 0, (uint8_t)disc_blocks[x.disc]};

	if (x.reading || !readable())
		return;
	while (x.news[READER].reset || x.news[READER].changed || x.news[READER].wish)
		ready(READER);
	x.reading = true;
	x.read_disc = x.disc;
	x.changes_before = x.n_changes;
	be(READER);
	hba_give(&x.hba, READ_SLOT, x.data, sizeof(x.data));
	hba_start(&x.hba, READ_SLOT, cdb, sizeof(cdb));
}

static void go_on_reading(void)
{
	struct mp_blk *b = blk_of(x.read_disc);
	bool good;

	if (!x.reading)
		return;
	T_EQ(b->n_reqs, 1);
	fake_blk_finish(b, 0, 0);
	if (x.hba.slots[READ_SLOT].status < 0)
		return;
	good = x.hba.slots[READ_SLOT].status == MP_SCSI_GOOD;
	T_OK(good || x.n_changes != x.changes_before);
	for (uint32_t i = 0; good && i < disc_blocks[x.read_disc]; i++)
		T_EQ(mp_get_be32(x.data + i * 2048), x.read_disc << 16 | i);
	x.n_whole += good;
	x.n_broken += !good;
	x.reading = false;
	mp_scsi_free(x.hba.bus, READ_SLOT);
}

static void press_button(void)
{
	bool was_locked = is_locked();

	T_EQ(mp_scsi_cd_eject_request(x.hba.bus, CD_TARGET, 0), was_locked);
	if (was_locked) {
		x.wish_event = true;
		TELL_ALL(wish);
	} else {
		model_open();
	}
}

static void change(unsigned int disc)
{
	/* A disc that is still read from can't be anywhere else. */
	if (x.reading && disc == x.read_disc)
		return;
	model_open();
	x.disc = disc;
	if (disc != EMPTY)
		model_close();
	T_EQ(mp_scsi_cd_change(x.hba.bus, CD_TARGET, 0, blk_of(disc)), 0);
}

static void reset(void)
{
	if (x.reading)
		return;
	mp_scsi_reset(x.hba.bus, MP_SCSI_RESET_BUS, 0, 0);
	memset(x.locked, 0, sizeof(x.locked));
	TELL_ALL(reset);
}

static void operate(void)
{
	switch (below(6)) {
	case 0:
		press_button();
		break;
	case 1:
		T_EQ(mp_scsi_cd_close_tray(x.hba.bus, CD_TARGET, 0), 0);
		model_close();
		break;
	case 2:
		reset();
		break;
	default:
		change(below(N_DISCS));
	}
}

static void command(unsigned int who)
{
	switch (below(8)) {
	case 0:
		eject(who);
		break;
	case 1:
	case 2:
		load(who);
		break;
	case 3:
		lock(who, below(3) == 0);
		break;
	case 4:
		event(who);
		break;
	case 5:
		ready(who);
		break;
	default:
		read_block(who);
	}
}

static void step(void)
{
	unsigned int dice = below(100);

	if (dice < 8)
		operate();
	else if (dice < 25)
		start_whole_read();
	else if (dice < 50)
		go_on_reading();
	else
		command(below(2));
	T_EQ(mp_scsi_cd_tray_open(x.hba.bus, CD_TARGET, 0), x.open);
	T_EQ(mp_scsi_cd_is_locked(x.hba.bus, CD_TARGET, 0), is_locked());
}

static void test_random_walk_at_the_drive_agrees_with_the_model(void)
{
	cd_init(&x.hba, disc_blocks[FIRST] * 2048);
	fake_blk_init(&x.second, disc_blocks[SECOND] * 2048);
	stamp(FIRST);
	stamp(SECOND);
	x.disc = FIRST;
	for (unsigned int who = 0; who < N_WHO; who++) {
		be(who);
		hba_sense(&x.hba); /* power on */
	}
	for (unsigned int i = 0; i < N_STEPS; i++)
		step();
	while (x.reading)
		go_on_reading();
	T_OK(x.n_whole > 100 && x.n_broken > 20);
	T_OK(x.n_good > 1000 && x.n_refused > 1000 && x.n_told > 100);
	hba_fini(&x.hba);
	fake_blk_fini(&x.second);
}

int main(int argc, char **argv)
{
	static const struct t_test tests[] = {
		T_TEST(test_random_walk_at_the_drive_agrees_with_the_model),
	};

	x.seed = t_seed(argc, argv);
	return t_run(tests, 1, argc, argv);
}
