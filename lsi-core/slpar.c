/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * slpar - longitudinal parity: the exclusive or of all data bytes on the bus.
 *
 * Two lanes are kept, of the first and the second byte of each word; a narrow
 * bus has the first only. SCNTL2.SLPMD shows them apart, as SLPHBEN says, or
 * joined in one byte. A filler is 0 and changes nothing.
 *
 * Any write to SLPAR clears the sum, and nobody can use it without that, since
 * it comes up undefined. So the first write also switches the sum on; a driver
 * that never heard of it pays for one test a block move.
 */
#include "lsi-core/state.h"

void mp_lsi_slpar_show(struct mp_lsi_state *st)
{
	unsigned int scntl2 = st->reg[MP_LSI_R_SCNTL2];
	uint8_t v = st->sum[0] ^ st->sum[1];

	if (scntl2 & SCNTL2_SLPMD)
		v = st->sum[scntl2 & SCNTL2_SLPHBEN ? 1 : 0];
	st->reg[MP_LSI_R_SLPAR] = v;
}

void mp_lsi_slpar_clear(struct mp_lsi_state *st)
{
	st->sums = 1;
	st->sum[0] = 0;
	st->sum[1] = 0;
	mp_lsi_slpar_show(st);
}

void mp_lsi_slpar_add(struct mp_lsi *c, uint32_t n)
{
	struct mp_lsi_state *st = c->st;
	unsigned int i = st->nexus.task, lane = 0;
	uint32_t from = st->task[i].moved, done = 0;

	while (done < n) {
		uint32_t len = n - done;
		const uint8_t *p = c->ops->task_buf(c->opaque, i, from + done, &len);

		for (uint32_t k = 0; k < len; k++) {
			st->sum[lane] ^= p[k];
			lane ^= st->move.wide;
		}
		done += len;
	}
	mp_lsi_slpar_show(st);
}
