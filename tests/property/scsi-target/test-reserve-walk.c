/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A random walk of reservations by four initiators with three keys, against a
 * model that keeps a list of who has registered, and reads like the standard.
 *
 * After each step all is compared: the status, the keys and the reservation as
 * PERSISTENT RESERVE IN tells them, what each initiator may read and write, and
 * which unit attentions each has got.
 */

#include "base/bytes.h"
#include "tests/lib/fake_hba.h"
#include "tests/lib/t.h"

#define N_INITIATORS 4u
#define N_STEPS      6000u

enum {
	REGISTER,
	RESERVE,
	RELEASE,
	CLEAR,
	PREEMPT,
	PREEMPT_AND_ABORT,
	REGISTER_AND_IGNORE,
	RESERVE6,
	RELEASE6,
	LUN_RESET,
	N_ACTIONS
};
enum {
	GOT_PREEMPTED = 1 << 3,
	GOT_RELEASED = 1 << 4,
	GOT_UNREGISTERED = 1 << 5,
	GOT_RESET = 1 << 0
};

static const uint8_t types[] = {1, 3, 5, 6, 7, 8};

struct model {
	bool registered[N_INITIATORS];
	uint64_t key[N_INITIATORS];
	unsigned int type, holder, legacy; /* legacy: who has RESERVE, N_INITIATORS nobody */
	uint32_t generation;
	unsigned int told[N_INITIATORS];
};

static struct {
	struct fake_hba hba;
	struct model m;
	uint64_t seed;
	unsigned int n_good, n_conflicts, n_preempts;
} x;

static uint32_t below(uint32_t n)
{
	return (uint32_t)(t_rand(&x.seed) % n);
}

static int run(unsigned int who, const uint8_t *cdb, size_t cdb_len, void *data, size_t len)
{
	x.hba.initiator = (uint8_t)(4 + who);
	return hba_run(&x.hba, cdb, cdb_len, data, len);
}

/* --- the model --- */

static bool for_registrants(unsigned int type)
{
	return type >= 5;
}

static bool for_all(unsigned int type)
{
	return type >= 7;
}

static bool exclusive(unsigned int type)
{
	return type == 3 || type == 6 || type == 8;
}

static bool model_holds(const struct model *m, unsigned int who)
{
	if (m->type == 0)
		return false;
	return for_all(m->type) ? m->registered[who] : m->holder == who;
}

static bool model_may(const struct model *m, unsigned int who, bool write)
{
	if (m->legacy < N_INITIATORS)
		return m->legacy == who;
	if (m->type == 0 || model_holds(m, who))
		return true;
	if (for_registrants(m->type) && m->registered[who])
		return true;
	return !write && !exclusive(m->type);
}

static void model_tell(struct model *m, unsigned int me, unsigned int what)
{
	for (unsigned int i = 0; i < N_INITIATORS; i++)
		if (i != me && m->registered[i])
			m->told[i] |= what;
}

static unsigned int n_registered(const struct model *m)
{
	unsigned int n = 0;

	for (unsigned int i = 0; i < N_INITIATORS; i++)
		n += m->registered[i];
	return n;
}

static int model_register(struct model *m, unsigned int me, uint64_t new_key)
{
	bool was = m->registered[me], held = model_holds(m, me);

	if (!was && new_key == 0)
		return MP_SCSI_GOOD;
	m->generation++;
	m->registered[me] = new_key != 0;
	m->key[me] = new_key;
	if (new_key != 0 || !held)
		return MP_SCSI_GOOD;
	if (for_all(m->type) && n_registered(m) > 0)
		return MP_SCSI_GOOD;
	if (for_registrants(m->type))
		model_tell(m, me, GOT_RELEASED);
	m->type = 0;
	return MP_SCSI_GOOD;
}

static int model_release(struct model *m, unsigned int me, unsigned int type)
{
	if (!model_holds(m, me))
		return MP_SCSI_GOOD;
	if (m->type != type)
		return MP_SCSI_CHECK_CONDITION;
	if (for_registrants(type))
		model_tell(m, me, GOT_RELEASED);
	m->type = 0;
	return MP_SCSI_GOOD;
}

static int model_clear(struct model *m, unsigned int me)
{
	model_tell(m, me, GOT_PREEMPTED);
	for (unsigned int i = 0; i < N_INITIATORS; i++)
		m->registered[i] = false;
	m->type = 0;
	m->generation++;
	return MP_SCSI_GOOD;
}

static int model_preempt(struct model *m, unsigned int me, unsigned int type, uint64_t victim)
{
	bool takes = false, found = false, out[N_INITIATORS] = {false};
	unsigned int old = m->type;

	if (victim == 0 && !for_all(m->type))
		return MP_SCSI_CHECK_CONDITION;
	for (unsigned int i = 0; i < N_INITIATORS; i++) {
		if (!m->registered[i] || (victim != 0 && m->key[i] != victim))
			continue;
		found = true;
		out[i] = true;
		takes = takes || (m->type != 0 && !for_all(m->type) && m->holder == i);
	}
	if (!found)
		return MP_SCSI_RESERVATION_CONFLICT;
	takes = takes || victim == 0;
	if (takes)
		out[me] = false;
	for (unsigned int i = 0; i < N_INITIATORS; i++) {
		if (!out[i])
			continue;
		m->registered[i] = false;
		if (i != me)
			m->told[i] |= GOT_UNREGISTERED;
	}
	if (takes) {
		if (old != type)
			model_tell(m, me, GOT_RELEASED);
		m->type = type;
		m->holder = me;
	} else if (for_all(m->type) && n_registered(m) == 0) {
		m->type = 0;
	}
	m->generation++;
	return MP_SCSI_GOOD;
}

static int model_legacy(struct model *m, unsigned int me, bool reserve)
{
	if (n_registered(m) > 0) {
		bool through = model_holds(m, me) ||
			       (m->type != 0 && for_registrants(m->type) && m->registered[me]);

		return through ? MP_SCSI_GOOD : MP_SCSI_RESERVATION_CONFLICT;
	}
	if (reserve && m->legacy < N_INITIATORS && m->legacy != me)
		return MP_SCSI_RESERVATION_CONFLICT;
	if (reserve)
		m->legacy = me;
	else if (m->legacy == me)
		m->legacy = N_INITIATORS;
	return MP_SCSI_GOOD;
}

struct step {
	unsigned int me, action, type;
	uint64_t key, action_key;
};

static int model_step(struct model *m, const struct step *st)
{
	uint64_t mine = m->registered[st->me] ? m->key[st->me] : 0;

	if (st->action == RESERVE6 || st->action == RELEASE6)
		return model_legacy(m, st->me, st->action == RESERVE6);
	if (m->legacy < N_INITIATORS)
		return MP_SCSI_RESERVATION_CONFLICT;
	if (st->action == REGISTER_AND_IGNORE)
		return model_register(m, st->me, st->action_key);
	if (st->key != mine || (st->action != REGISTER && !m->registered[st->me]))
		return MP_SCSI_RESERVATION_CONFLICT;
	switch (st->action) {
	case REGISTER:
		return model_register(m, st->me, st->action_key);
	case RESERVE:
		if (m->type != 0)
			return model_holds(m, st->me) && m->type == st->type
				       ? MP_SCSI_GOOD
				       : MP_SCSI_RESERVATION_CONFLICT;
		m->type = st->type;
		m->holder = st->me;
		return MP_SCSI_GOOD;
	case RELEASE:
		return model_release(m, st->me, st->type);
	case CLEAR:
		return model_clear(m, st->me);
	default:
		return model_preempt(m, st->me, st->type, st->action_key);
	}
}

/* --- the bus --- */

static int bus_step(const struct step *st)
{
	uint8_t list[24] = {0}, cdb[10] = {0x5f, (uint8_t)st->action, (uint8_t)st->type};
	uint8_t legacy[6] = {st->action == RESERVE6 ? 0x16 : 0x17};

	if (st->action >= RESERVE6)
		return run(st->me, legacy, 6, NULL, 0);
	mp_put_be64(list, st->key);
	mp_put_be64(list + 8, st->action_key);
	cdb[8] = 24;
	return run(st->me, cdb, 10, list, 24);
}

static void reset_unit(void)
{
	mp_scsi_reset(x.hba.bus, MP_SCSI_RESET_LUN, 0, 0);
	x.m.legacy = N_INITIATORS;
	for (unsigned int i = 0; i < N_INITIATORS; i++)
		x.m.told[i] |= GOT_RESET;
}

/* --- comparison --- */

static unsigned int take_told(unsigned int who)
{
	unsigned int told = 0, sense;

	x.hba.initiator = (uint8_t)(4 + who);
	while ((sense = hba_sense(&x.hba)) != 0) {
		if (sense >> 16 != 6)
			continue; /* of a step that was refused */
		T_OK(sense >> 8 == 0x062a || sense == 0x062900);
		T_OK(!(told & 1u << (sense & 0xff)));
		told |= 1u << (sense & 0xff);
	}
	return told;
}

static void compare_told(void)
{
	for (unsigned int i = 0; i < N_INITIATORS; i++) {
		T_EQ(take_told(i), x.m.told[i]);
		x.m.told[i] = 0;
	}
}

static void compare_rights(void)
{
	static const uint8_t read[10] = {0x28, 0, 0, 0, 0, 0, 0, 0, 1, 0};
	static const uint8_t write[10] = {0x2a, 0, 0, 0, 0, 0, 0, 0, 1, 0};
	static uint8_t data[512];

	for (unsigned int i = 0; i < N_INITIATORS; i++) {
		T_EQ(run(i, read, 10, data, 512) == MP_SCSI_GOOD, model_may(&x.m, i, false));
		T_EQ(run(i, write, 10, data, 512) == MP_SCSI_GOOD, model_may(&x.m, i, true));
	}
}

static void compare_keys(void)
{
	static const uint8_t cdb[10] = {0x5e, 0, 0, 0, 0, 0, 0, 0, 200, 0};
	uint8_t in[200];
	unsigned int at = 8;

	T_EQ(run(0, cdb, 10, in, sizeof(in)), MP_SCSI_GOOD);
	T_EQ(mp_get_be32(in), x.m.generation);
	T_EQ(mp_get_be32(in + 4), 8 * n_registered(&x.m));
	for (unsigned int i = 0; i < N_INITIATORS; i++)
		if (x.m.registered[i]) {
			T_EQ(mp_get_be64(in + at), x.m.key[i]);
			at += 8;
		}
}

static void compare_reservation(void)
{
	static const uint8_t cdb[10] = {0x5e, 1, 0, 0, 0, 0, 0, 0, 200, 0};
	uint8_t in[200];

	T_EQ(run(1, cdb, 10, in, sizeof(in)), MP_SCSI_GOOD);
	T_EQ(mp_get_be32(in + 4), x.m.type ? 16 : 0);
	if (x.m.type) {
		T_EQ(in[21], x.m.type);
		T_EQ(mp_get_be64(in + 8), for_all(x.m.type) ? 0 : x.m.key[x.m.holder]);
	}
}

static void compare(void)
{
	compare_told();
	compare_rights();
	if (x.m.legacy < N_INITIATORS)
		return;
	compare_keys();
	compare_reservation();
}

/* Mostly with the right key, or nearly nothing would ever succeed. */
static struct step random_step(void)
{
	struct step st = {.me = below(N_INITIATORS), .type = types[below(6)]};
	unsigned int dice = below(100);

	st.action = dice < 25 ? REGISTER + 6 * below(2) : below(N_ACTIONS);
	st.key = x.m.registered[st.me] ? x.m.key[st.me] : 0;
	if (below(8) == 0)
		st.key = below(4);
	st.action_key = below(10) ? 1 + below(3) : 0;
	return st;
}

static void step(void)
{
	struct step st = random_step();
	int status;

	if (st.action == LUN_RESET) {
		if (below(10) == 0)
			reset_unit();
		return;
	}
	status = model_step(&x.m, &st);
	T_EQ(bus_step(&st), status);
	x.n_good += status == MP_SCSI_GOOD;
	x.n_conflicts += status == MP_SCSI_RESERVATION_CONFLICT;
	x.n_preempts += status == MP_SCSI_GOOD && st.action == PREEMPT;
}

static void test_random_reservations_agree_with_the_model(void)
{
	hba_init(&x.hba, 1 << 20, 1 << 20);
	memset(&x.m, 0, sizeof(x.m));
	x.m.legacy = N_INITIATORS;
	for (unsigned int i = 0; i < N_INITIATORS; i++) {
		x.hba.initiator = (uint8_t)(4 + i);
		hba_sense(&x.hba);
	}
	for (unsigned int i = 0; i < N_STEPS; i++) {
		step();
		compare();
	}
	T_OK(x.n_good > 500 && x.n_conflicts > 100 && x.n_preempts > 20);
	hba_fini(&x.hba);
}

int main(int argc, char **argv)
{
	static const struct t_test tests[] = {
		T_TEST(test_random_reservations_agree_with_the_model),
	};

	x.seed = t_seed(argc, argv);
	return t_run(tests, 1, argc, argv);
}
