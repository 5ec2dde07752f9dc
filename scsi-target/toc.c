/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What is on the disc (MMC-6): one session with one track of data, from block
 * 0 to the last whole block of 2048 bytes. All tables say the same in
 * different words.
 *
 * Addresses are logical blocks, or minutes, seconds and frames, which begin
 * two seconds earlier. A DVD is longer than these can count: the last address
 * there is FFh 3Bh 4Ah, as the standard has it.
 */
#include <string.h>

#include "base/bytes.h"
#include "scsi-target/bus.h"

#define CONTROL_DATA  0x14u /* Q sub-channel with the position; a data track */
#define LEAD_OUT      0xaau
#define MSF_BIT       0x02u
#define MAX_MSF_BLOCK (256u * 60 * MP_CD_FRAMES - 1)

enum { TOC, SESSIONS, RAW_TOC };

static void put_msf(uint64_t lba, uint8_t *out)
{
	uint64_t block = lba + MP_CD_PREGAP;

	if (block > MAX_MSF_BLOCK)
		block = MAX_MSF_BLOCK;
	out[0] = (uint8_t)(block / MP_CD_FRAMES / 60);
	out[1] = (uint8_t)(block / MP_CD_FRAMES % 60);
	out[2] = (uint8_t)(block % MP_CD_FRAMES);
}

static void put_address(uint64_t lba, bool msf, uint8_t *out)
{
	if (msf)
		put_msf(lba, out + 1);
	else
		mp_put_be32(out, lba > UINT32_MAX ? UINT32_MAX : (uint32_t)lba);
}

static unsigned int put_track(unsigned int track, uint64_t lba, bool msf, uint8_t *out)
{
	out[1] = CONTROL_DATA;
	out[2] = (uint8_t)track;
	put_address(lba, msf, out + 4);
	return 8;
}

/* Tracks from @first on; the lead-out always. Return: 0: there is no such track */
static unsigned int put_toc(const struct mp_scsi_lun *lun, unsigned int first, bool msf,
			    uint8_t *out)
{
	unsigned int len = 4;

	if (first > 1 && first != LEAD_OUT)
		return 0;
	if (first != LEAD_OUT)
		len += put_track(1, 0, msf, out + len);
	return len + put_track(LEAD_OUT, lun->n_blocks, msf, out + len);
}

static unsigned int put_sessions(bool msf, uint8_t *out)
{
	return 4 + put_track(1, 0, msf, out + 4);
}

static unsigned int put_point(unsigned int point, const uint8_t msf[3], uint8_t *out)
{
	out[0] = 1; /* session */
	out[1] = CONTROL_DATA;
	out[3] = (uint8_t)point;
	memcpy(out + 8, msf, 3);
	return 11;
}

/* As the lead-in has it. Always in minutes, whatever was asked for. */
static unsigned int put_raw(const struct mp_scsi_lun *lun, unsigned int session, uint8_t *out)
{
	static const uint8_t first_track[3] = {1}, last_track[3] = {1};
	uint8_t msf[3];
	unsigned int len = 4;

	if (session > 1)
		return 0;
	len += put_point(0xa0, first_track, out + len);
	len += put_point(0xa1, last_track, out + len);
	put_msf(lun->n_blocks, msf);
	len += put_point(0xa2, msf, out + len);
	put_msf(0, msf);
	return len + put_point(1, msf, out + len);
}

void mp_cmd_read_toc(struct mp_scsi_side *s)
{
	const uint8_t *cdb = s->t->cdb;
	unsigned int format = cdb[2] & 0x0f, len;
	bool msf = cdb[1] & MSF_BIT;
	uint8_t *out = mp_task_buf(s);

	/* Where it was before MMC, and where Linux' sr still puts it. */
	if (format == TOC)
		format = cdb[9] >> 6;
	if (format > RAW_TOC) {
		mp_task_bad_field(s, 2, 3); /* PMA, ATIP, CD-TEXT: not of a ROM */
		return;
	}
	if (format == TOC)
		len = put_toc(s->lun, cdb[6], msf, out);
	else if (format == SESSIONS)
		len = put_sessions(msf, out);
	else
		len = put_raw(s->lun, cdb[6], out);
	if (len == 0) {
		mp_task_bad_field(s, 6, 8);
		return;
	}
	mp_put_be16(out, (uint16_t)(len - 2));
	out[2] = 1;
	out[3] = 1;
	mp_task_reply(s, len, mp_get_be16(cdb + 7));
}

enum { POSITION = 1, CATALOGUE_NUMBER, RECORDING_CODE };

/* The head is where the track begins: nobody is playing it. */
void mp_cmd_read_subchannel(struct mp_scsi_side *s)
{
	const uint8_t *cdb = s->t->cdb;
	uint8_t *out = mp_task_buf(s);
	bool msf = cdb[1] & MSF_BIT;
	unsigned int len = 4;

	if (cdb[2] & 0x40) {
		if (cdb[3] < POSITION || cdb[3] > RECORDING_CODE) {
			mp_task_bad_field(s, 3, 8);
			return;
		}
		if (cdb[3] == RECORDING_CODE && cdb[6] != 1) {
			mp_task_bad_field(s, 6, 8);
			return;
		}
		len = cdb[3] == POSITION ? 16 : 24;
		out[4] = cdb[3];
		if (cdb[3] != CATALOGUE_NUMBER)
			out[5] = CONTROL_DATA;
		if (cdb[3] != CATALOGUE_NUMBER)
			out[6] = 1; /* track */
		if (cdb[3] == POSITION) {
			out[7] = 1; /* index */
			put_address(0, msf, out + 8);
		}
	}
	out[1] = 0x15; /* no audio status to tell */
	mp_put_be16(out + 2, (uint16_t)(len - 4));
	mp_task_reply(s, len, mp_get_be16(cdb + 7));
}

void mp_cmd_read_header(struct mp_scsi_side *s)
{
	const uint8_t *cdb = s->t->cdb;
	uint32_t lba = mp_get_be32(cdb + 2);
	uint8_t *out = mp_task_buf(s);

	if (lba >= s->lun->n_blocks) {
		mp_task_fail(s, mp_sense_lba_range);
		return;
	}
	out[0] = 1; /* mode 1 */
	put_address(lba, cdb[1] & MSF_BIT, out + 4);
	mp_task_reply(s, 8, mp_get_be16(cdb + 7));
}

void mp_cmd_read_disc_info(struct mp_scsi_side *s)
{
	uint8_t *out = mp_task_buf(s);

	if (s->t->cdb[1] & 0x07) {
		mp_task_bad_field(s, 1, 2); /* of media that can be written */
		return;
	}
	mp_put_be16(out, 32);
	out[2] = 0x0e; /* complete, and so is its last session */
	out[3] = 1; /* first track */
	out[4] = 1; /* sessions */
	out[5] = 1; /* first and last track in the last session */
	out[6] = 1;
	out[7] = 0x20; /* for unrestricted use */
	memset(out + 16, 0xff, 8); /* nothing more can be written: neither lead-in nor lead-out */
	mp_task_reply(s, 34, mp_get_be16(s->t->cdb + 7));
}

enum { BY_LBA, BY_TRACK, BY_SESSION };

static bool names_the_track(const struct mp_scsi_lun *lun, unsigned int kind, uint32_t number)
{
	return kind == BY_LBA ? number < lun->n_blocks : number == 1;
}

void mp_cmd_read_track_info(struct mp_scsi_side *s)
{
	const uint8_t *cdb = s->t->cdb;
	unsigned int kind = cdb[1] & 0x03;
	uint64_t n = s->lun->n_blocks;
	uint8_t *out = mp_task_buf(s);

	if (kind > BY_SESSION) {
		mp_task_bad_field(s, 1, 1);
		return;
	}
	if (!names_the_track(s->lun, kind, mp_get_be32(cdb + 2))) {
		mp_task_bad_field(s, 2, 8);
		return;
	}
	mp_put_be16(out, 34);
	out[2] = 1; /* track */
	out[3] = 1; /* session */
	out[5] = 0x04; /* data, recorded without interruption */
	out[6] = 0x01; /* mode 1 */
	out[7] = 0x02; /* the last recorded address is valid */
	mp_put_be32(out + 24, n > UINT32_MAX ? UINT32_MAX : (uint32_t)n);
	mp_put_be32(out + 28, n > UINT32_MAX ? UINT32_MAX : (uint32_t)(n - 1));
	mp_task_reply(s, 36, mp_get_be16(cdb + 7));
}

/* READ DVD STRUCTURE: format, bytes in all. What isn't told is zero. */
static const struct dvd_format {
	uint8_t code;
	uint16_t len;
} dvd_formats[] = {
	{0x00, 2052}, /* physical format */
	{0x01, 8}, /* copyright: not protected, no regions */
	{0x04, 2052}, /* manufacturing */
};

#define N_DVD_FORMATS   (sizeof(dvd_formats) / sizeof(dvd_formats[0]))
#define DVD_FORMAT_LIST 0xffu
#define DVD_FIRST_BLOCK 0x30000u /* physical number of LBA 0 */

static unsigned int put_dvd_list(uint8_t *out)
{
	unsigned int len = 4;

	for (size_t i = 0; i < N_DVD_FORMATS; i++, len += 4) {
		out[len] = dvd_formats[i].code;
		out[len + 1] = 0x40; /* can be read */
		mp_put_be16(out + len + 2, dvd_formats[i].len);
	}
	return len;
}

static void put_dvd_physical(const struct mp_scsi_lun *lun, uint8_t *out)
{
	uint64_t last = DVD_FIRST_BLOCK + lun->n_blocks - 1;

	out[4] = 0x01; /* DVD-ROM, version 1 */
	out[5] = 0x0f; /* 120 mm, no rate named */
	out[6] = 0x01; /* one layer, embossed data */
	mp_put_be24(out + 9, DVD_FIRST_BLOCK);
	mp_put_be24(out + 13, last > 0xffffff ? 0xffffff : (uint32_t)last);
}

static unsigned int put_dvd_structure(const struct mp_scsi_lun *lun, unsigned int format,
				      uint8_t *out)
{
	for (size_t i = 0; i < N_DVD_FORMATS; i++) {
		if (dvd_formats[i].code != format)
			continue;
		if (format == 0x00)
			put_dvd_physical(lun, out);
		return dvd_formats[i].len;
	}
	return 0;
}

void mp_cmd_read_dvd_structure(struct mp_scsi_side *s)
{
	const uint8_t *cdb = s->t->cdb;
	const struct mp_scsi_lun *lun = s->lun;
	uint8_t *out = mp_task_buf(s);
	bool list = cdb[7] == DVD_FORMAT_LIST;
	unsigned int len;

	if (cdb[1] & 0x0f) {
		mp_task_bad_field(s, 1, 3); /* another sort of medium */
	} else if (!list && !lun->blk) {
		mp_task_fail(s, mp_cd_no_medium(lun));
	} else if (!list && !mp_cd_is_dvd_size(lun->n_blocks)) {
		mp_task_fail(s, mp_sense_incompatible_medium);
	} else if (!list && cdb[6] != 0) {
		mp_task_bad_field(s, 6, 8); /* one layer */
	} else {
		len = list ? put_dvd_list(out) : put_dvd_structure(lun, cdb[7], out);
		mp_put_be16(out, (uint16_t)(len - 2));
		if (len == 0)
			mp_task_bad_field(s, 7, 8);
		else
			mp_task_reply(s, len, mp_get_be16(cdb + 8));
	}
}
