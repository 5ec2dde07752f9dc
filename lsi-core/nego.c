/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * nego - what a target and the initiator agree about data phases.
 *
 *	SDTR	period and offset of synchronous transfers
 *	WDTR	width; takes a synchronous agreement back
 *	PPR	both at once, and protocol options
 *
 * The target answers what was asked, cut to what the chip can drive: Fast-40,
 * offset 31, 16 bits; no protocol option, because all of them (DT clocking,
 * information units, quick arbitration) need a later chip. An answer never
 * asks for more than the question, so no initiator has a reason to refuse it;
 * if one does, that part is asynchronous and narrow again.
 *
 * Only the width changes anything here: words and their odd bytes (wide.c).
 * Data goes in words when both ends mean it, the target by its agreement, the
 * chip by SCNTL3.EWS. If they disagree, each word would lose a byte on a real
 * cable; here such data goes bytewise, complete and in order. That is kind to
 * firmware that takes over a chip from a wide driver without a bus reset.
 *
 * An agreement ends with a bus reset, a reset of its target, and a reset of
 * the chip.
 */
#include "lsi-core/state.h"

#define EXT_SDTR    0x01u
#define EXT_WDTR    0x03u
#define EXT_PPR     0x04u
#define FAST_40     0x0au /* period factor: 25 ns */
#define MAX_OFFSET  31u
#define MSG_LEN_MAX 8u

static uint8_t min8(uint8_t a, uint8_t b)
{
	return a < b ? a : b;
}

static uint8_t max8(uint8_t a, uint8_t b)
{
	return a > b ? a : b;
}

static void agree_sync(struct mp_lsi_agreement *a, uint8_t period, uint8_t offset)
{
	a->period = max8(period, FAST_40);
	a->offset = min8(offset, MAX_OFFSET);
}

static void agree_width(struct mp_lsi_agreement *a, uint8_t exponent)
{
	a->wide = min8(exponent, 1);
	a->offset = 0;
}

bool mp_lsi_nego_ask(struct mp_lsi_state *st, const uint8_t *msg)
{
	struct mp_lsi_nexus *n = &st->nexus;
	struct mp_lsi_agreement *a = &st->agreed[n->target];
	uint8_t answer[MSG_LEN_MAX] = {msg[0], msg[1], msg[2]};

	if (msg[1] == 3 && msg[2] == EXT_SDTR) {
		agree_sync(a, msg[3], msg[4]);
		answer[3] = a->period;
		answer[4] = a->offset;
	} else if (msg[1] == 2 && msg[2] == EXT_WDTR) {
		agree_width(a, msg[3]);
		answer[3] = a->wide;
	} else if (msg[1] == 6 && msg[2] == EXT_PPR) {
		agree_width(a, msg[6]);
		agree_sync(a, msg[3], msg[5]);
		answer[3] = a->period;
		answer[5] = a->offset;
		answer[6] = a->wide;
	} else {
		return false;
	}
	mp_lsi_msg_queue(n, answer, 2u + msg[1]);
	return true;
}

void mp_lsi_nego_refused(struct mp_lsi_state *st, unsigned int code)
{
	struct mp_lsi_agreement *a = &st->agreed[st->nexus.target];

	if (code == EXT_SDTR)
		a->offset = 0;
	else
		*a = (struct mp_lsi_agreement){0};
}
