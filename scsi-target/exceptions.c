/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Informational exceptions (SBC-3 6.5): "I am about to fail".
 *
 * Nothing here wears out, so the only one is the false one that TEST of mode
 * page 1C orders, with which users try whether their monitoring would notice.
 * MRIE of the page says how it is told:
 *
 *	0  not at all
 *	2  as a unit attention, to each initiator once
 *	3  instead of GOOD, once: RECOVERED ERROR, if page 01 reports such (PER)
 *	4  instead of GOOD, once: RECOVERED ERROR
 *	5  instead of GOOD, once: NO SENSE
 *	6  to REQUEST SENSE, as often as it asks
 *
 * The interval and the count of the page are kept and have no effect: there
 * is no clock here, and once is enough to see that it works.
 */
#include "scsi-target/bus.h"

#define NO_SENSE        0x0u
#define RECOVERED_ERROR 0x1u

#define DEXCPT          0x08u
#define TEST            0x04u
#define PER             0x04u
#define MRIE            0x0fu

enum {
	BY_NOTHING = 0,
	BY_EVENT = 1, /* gone since SPC-3 */
	BY_ATTENTION = 2,
	BY_RECOVERED_IF_PER = 3,
	BY_RECOVERED = 4,
	BY_NO_SENSE = 5,
	BY_REQUEST = 6,
};

unsigned int mp_exceptions_bad(const uint8_t *page)
{
	if ((page[2] & TEST) && (page[2] & DEXCPT))
		return 2;
	if ((page[3] & MRIE) == BY_EVENT || (page[3] & MRIE) > BY_REQUEST)
		return 3;
	return 0;
}

void mp_exceptions_take(struct mp_scsi_lun *lun, const uint8_t *page, uint8_t recovery_bits)
{
	unsigned int method = page[2] & TEST ? page[3] & MRIE : BY_NOTHING;

	if (method == BY_RECOVERED_IF_PER)
		method = recovery_bits & PER ? BY_RECOVERED : BY_NOTHING;
	if (method == lun->exception_method)
		return;
	lun->exception_method = (uint8_t)method;
	lun->exception_pending = 0;
	if (method == BY_ATTENTION)
		mp_lun_attention(lun, MP_UA_FALSE_FAILURE, MP_NOBODY);
	else if (method == BY_RECOVERED || method == BY_NO_SENSE)
		lun->exception_pending = UINT16_MAX;
}

bool mp_exceptions_active(const struct mp_scsi_lun *lun)
{
	return lun->exception_method != BY_NOTHING;
}

bool mp_exceptions_on_request(const struct mp_scsi_lun *lun, struct mp_scsi_sense *ret_sense)
{
	if (lun->exception_method != BY_REQUEST)
		return false;
	*ret_sense = mp_sense_false_failure;
	ret_sense->key = NO_SENSE;
	return true;
}

void mp_exceptions_end(struct mp_scsi_side *s)
{
	struct mp_scsi_lun *lun = s->lun;
	struct mp_scsi_sense sense = mp_sense_false_failure;
	uint16_t me = (uint16_t)(1u << s->t->initiator);

	if (!(lun->exception_pending & me) || (s->op->flags & MP_OP_ALWAYS)) {
		mp_task_end(s, MP_SCSI_GOOD);
		return;
	}
	lun->exception_pending &= (uint16_t)~me;
	sense.key = lun->exception_method == BY_RECOVERED ? RECOVERED_ERROR : NO_SENSE;
	mp_task_fail(s, sense);
}
