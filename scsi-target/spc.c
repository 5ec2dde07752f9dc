/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Commands that every kind of SCSI device has (SPC-4): who are you, what went
 * wrong, which units are there.
 *
 * INQUIRY has 96 bytes and says so to who asks for fewer, as to Linux, which
 * asks for 36 and then again. Firmware that fetches exactly 96 (OVMF) treats a
 * shorter data phase as a failure.
 */
#include <string.h>

#include "base/bytes.h"
#include "scsi-target/bus.h"

#define INQUIRY_BYTES 96u

/* Standards that we claim to follow; without a year, as none was certified. */
#define N_VERSIONS 4u
static const uint16_t version_descriptors[MP_SCSI_N_TYPES][N_VERSIONS] = {
	[MP_SCSI_DISK] = {0x0080, 0x0460, 0x0b00, 0x04c0}, /* SAM-4, SPC-4, SPI-3, SBC-3 */
	[MP_SCSI_CDROM] = {0x0080, 0x0460, 0x0b00, 0x04e0}, /* SAM-4, SPC-4, SPI-3, MMC-6 */
};

static void put_identity(const struct mp_scsi_lun *lun, uint8_t *out)
{
	out[0] = mp_lun_peripheral(lun);
	out[1] = lun->removable ? 0x80 : 0;
	out[2] = 0x06; /* SPC-4 */
	out[3] = 0x12; /* HISUP, response data format 2 */
	out[7] = 0x32; /* WBUS16, SYNC, CMDQUE; byte 56: single transitions only, no QAS, no IU */
	if (lun->absent) {
		memset(out + 8, ' ', 28);
		return;
	}
	memcpy(out + 8, lun->vendor, 8);
	memcpy(out + 16, lun->product, 16);
	memcpy(out + 32, lun->revision, 4);
	for (unsigned int i = 0; i < N_VERSIONS; i++)
		mp_put_be16(out + 58 + 2 * i, version_descriptors[lun->type][i]);
}

static void standard_inquiry(struct mp_scsi_side *s, uint32_t alloc_len)
{
	uint8_t *out = mp_task_buf(s);

	put_identity(s->lun, out);
	out[4] = INQUIRY_BYTES - 5;
	mp_task_reply(s, INQUIRY_BYTES, alloc_len);
}

void mp_cmd_inquiry(struct mp_scsi_side *s)
{
	const uint8_t *cdb = s->t->cdb;
	uint32_t alloc_len = mp_get_be16(cdb + 3);
	unsigned int len;

	if (!(cdb[1] & 0x01)) {
		if (cdb[2])
			mp_task_bad_field(s, 2, 8);
		else
			standard_inquiry(s, alloc_len);
		return;
	}
	len = mp_vpd_page(s->lun, cdb[2], mp_task_buf(s));
	if (len == 0)
		mp_task_bad_field(s, 2, 8);
	else
		mp_task_reply(s, len, alloc_len);
}

/*
 * What has happened, each once; then what is, as often as it is asked for. (A
 * CD-ROM that stands still turns its disc when it has to: that is no state.)
 */
static struct mp_scsi_sense take_sense(struct mp_scsi_lun *lun, unsigned int initiator)
{
	struct mp_scsi_sense sense;

	if (lun->absent)
		return mp_sense_no_lun;
	if (mp_lun_take_sense(lun, initiator, &sense) ||
	    mp_lun_take_attention(lun, initiator, &sense) || mp_job_sense(lun, &sense) ||
	    mp_exceptions_on_request(lun, &sense))
		return sense;
	return lun->stopped && lun->type == MP_SCSI_DISK ? mp_sense_stopped : mp_sense_none;
}

void mp_cmd_request_sense(struct mp_scsi_side *s)
{
	struct mp_scsi_sense sense = take_sense(s->lun, s->t->initiator);
	uint8_t *out = mp_task_buf(s);
	unsigned int len = s->t->cdb[1] & 0x01 ? mp_sense_put_descriptor(&sense, out)
					       : mp_sense_put_fixed(&sense, out);

	mp_task_reply(s, len, s->t->cdb[4]);
}

static unsigned int put_luns(const struct mp_scsi_side *s, uint8_t *out)
{
	unsigned int target = s->t->target % MP_SCSI_MAX_TARGETS, len = 8;

	for (unsigned int lun = 0; lun < MP_SCSI_MAX_LUNS; lun++) {
		if (!s->bus->by_id[target][lun])
			continue;
		out[len + 1] = (uint8_t)lun; /* peripheral device addressing, bus 0 */
		len += 8;
	}
	mp_put_be32(out, len - 8);
	return len;
}

void mp_cmd_report_luns(struct mp_scsi_side *s)
{
	const uint8_t *cdb = s->t->cdb;
	uint8_t *out = mp_task_buf(s);

	/* SELECT REPORT: 0 and 2 all units; 1 well-known ones, of which there are none. */
	if (cdb[2] > 2) {
		mp_task_bad_field(s, 2, 8);
		return;
	}
	mp_bus_luns_reported(s->bus, s->t->target, s->t->initiator);
	mp_task_reply(s, cdb[2] == 1 ? 8 : put_luns(s, out), mp_get_be32(cdb + 6));
}

/* The unit was found ready on the way here, and that is all there is to do. */
void mp_cmd_nothing(struct mp_scsi_side *s)
{
	mp_task_good(s);
}
