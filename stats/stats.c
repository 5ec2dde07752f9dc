/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A page is made sealed against a change of size but not of content: it outlives
 * its writer, and the launcher that made it only reads. The header (magic, number
 * of counters) says which counters.def it was made for; a program of another
 * version refuses it rather than print numbers under wrong names.
 */
#include "stats/stats.h"

#include <errno.h>

#include "base/cleanup.h"
#include "base/err.h"

const struct mp_stat_desc mp_stat_desc[MP_STAT_COUNT] = {
#define MP_COUNTER(id, name, unit, meaning) [MP_STAT_##id] = {name, unit, meaning},
#include "stats/counters.def"
#undef MP_COUNTER
};

int mp_stat_create(struct mp_shm *ret_shm)
{
	struct mp_shm shm;
	int r;

	r = mp_shm_create_private("mpring-stats", MP_STAT_BYTES, &shm);
	if (r < 0)
		return mp_err_trace(r);
	mp_stat_page(&shm)->magic = MP_STAT_MAGIC;
	mp_stat_page(&shm)->n_counters = MP_STAT_COUNT;

	*ret_shm = shm;
	return 0;
}

int mp_stat_adopt_take(int fd, struct mp_shm *ret_shm)
{
	MP_CLEANUP(mp_shm_fini) struct mp_shm shm = MP_SHM_NULL;
	int r;

	r = mp_shm_adopt_take(fd, MP_STAT_BYTES, &shm);
	if (r < 0)
		return mp_err_trace(r);
	if (mp_stat_page(&shm)->magic != MP_STAT_MAGIC ||
	    mp_stat_page(&shm)->n_counters != MP_STAT_COUNT)
		return mp_err_origin(-EPROTO);

	*ret_shm = mp_shm_steal(&shm);
	return 0;
}
