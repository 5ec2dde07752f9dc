/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What the drive is and does (MMC-6): features, events, tray and lock.
 *
 * A medium of more than 80 minutes is a DVD, a smaller one a CD; that decides
 * about the current profile and the features that go with it. We claim the
 * features whose commands are there, and no other: no audio, nothing written.
 *
 * Events are asked for by class. Where none is waiting the answer still tells
 * the state of the lowest class that was asked for.
 */
#include <string.h>

#include "base/bytes.h"
#include "scsi-target/bus.h"

#define PROFILE_CD_ROM  0x0008u
#define PROFILE_DVD_ROM 0x0010u

#define PERSISTENT      0x02u
#define CURRENT         0x01u

static unsigned int current_profile(const struct mp_scsi_lun *lun)
{
	if (!lun->blk)
		return 0;
	return mp_cd_is_dvd_size(lun->n_blocks) ? PROFILE_DVD_ROM : PROFILE_CD_ROM;
}

static unsigned int put_profiles(const struct mp_scsi_lun *lun, uint8_t *out)
{
	unsigned int now = current_profile(lun);

	mp_put_be16(out, PROFILE_DVD_ROM);
	out[2] = now == PROFILE_DVD_ROM;
	mp_put_be16(out + 4, PROFILE_CD_ROM);
	out[6] = now == PROFILE_CD_ROM;
	return 8;
}

static unsigned int put_core(const struct mp_scsi_lun *lun, uint8_t *out)
{
	mp_put_be32(out, 1); /* parallel SCSI */
	out[4] = 0x01; /* device busy events */
	return 8;
}

/* Neither asynchronous events nor requests of operational change. */
static unsigned int put_zeros(const struct mp_scsi_lun *lun, uint8_t *out)
{
	return 4;
}

static unsigned int put_nothing(const struct mp_scsi_lun *lun, uint8_t *out)
{
	return 0;
}

static unsigned int put_removable(const struct mp_scsi_lun *lun, uint8_t *out)
{
	out[0] = 0x39; /* tray; loads, ejects, locks; unlocked when the power comes on */
	return 4;
}

static unsigned int put_readable(const struct mp_scsi_lun *lun, uint8_t *out)
{
	mp_put_be32(out, MP_CD_BLOCK_BYTES);
	mp_put_be16(out + 4, current_profile(lun) == PROFILE_DVD_ROM ? 16 : 1); /* blocking */
	out[6] = 0x01; /* mode page 01h is there */
	return 8;
}

/* Padded with spaces to a multiple of four. */
static unsigned int put_serial(const struct mp_scsi_lun *lun, uint8_t *out)
{
	unsigned int len = (unsigned int)strlen(lun->serial), padded = (len + 3) / 4 * 4;

	memset(out, ' ', padded);
	memcpy(out, lun->serial, len);
	return padded;
}

enum when { ALWAYS, WITH_MEDIUM, WITH_CD, WITH_DVD, WITH_SERIAL };

/* In ascending order. A put() writes what follows the header, into zeros. */
static const struct feature {
	uint16_t code;
	uint8_t version, when;
	unsigned int (*put)(const struct mp_scsi_lun *lun, uint8_t *out);
} features[] = {
	{0x0000, 0, ALWAYS, put_profiles},    {0x0001, 2, ALWAYS, put_core},
	{0x0002, 1, ALWAYS, put_zeros}, /* morphing */
	{0x0003, 2, ALWAYS, put_removable},   {0x0010, 0, WITH_MEDIUM, put_readable},
	{0x001e, 2, WITH_CD, put_zeros}, /* CD read: no C2, no CD-TEXT */
	{0x001f, 0, WITH_DVD, put_nothing}, /* DVD read */
	{0x0100, 0, ALWAYS, put_nothing}, /* power management */
	{0x0105, 1, ALWAYS, put_zeros}, /* timeout: page 1Dh, no group 3 */
	{0x0108, 0, WITH_SERIAL, put_serial},
};

#define N_FEATURES (sizeof(features) / sizeof(features[0]))

static bool is_current(const struct mp_scsi_lun *lun, const struct feature *f)
{
	switch (f->when) {
	case WITH_MEDIUM:
		return lun->blk;
	case WITH_CD:
		return current_profile(lun) == PROFILE_CD_ROM;
	case WITH_DVD:
		return current_profile(lun) == PROFILE_DVD_ROM;
	default:
		return true;
	}
}

static bool is_persistent(const struct feature *f)
{
	return f->when == ALWAYS || f->when == WITH_SERIAL;
}

static unsigned int put_feature(const struct mp_scsi_lun *lun, const struct feature *f,
				uint8_t *out)
{
	unsigned int len = f->put(lun, out + 4);

	mp_put_be16(out, f->code);
	out[2] = (uint8_t)(f->version << 2 | (is_persistent(f) ? PERSISTENT : 0) |
			   (is_current(lun, f) ? CURRENT : 0));
	out[3] = (uint8_t)len;
	return 4 + len;
}

enum { RT_ALL, RT_CURRENT, RT_ONE };

static bool is_asked_for(const struct mp_scsi_lun *lun, const struct feature *f,
			 unsigned int request, unsigned int start)
{
	if (f->when == WITH_SERIAL && !lun->serial[0])
		return false;
	if (request == RT_ONE)
		return f->code == start;
	return f->code >= start && (request == RT_ALL || is_current(lun, f));
}

void mp_cmd_get_configuration(struct mp_scsi_side *s)
{
	const uint8_t *cdb = s->t->cdb;
	unsigned int request = cdb[1] & 0x03, start = mp_get_be16(cdb + 2), len = 8;
	uint8_t *out = mp_task_buf(s);

	if (request > RT_ONE) {
		mp_task_bad_field(s, 1, 1);
		return;
	}
	for (size_t i = 0; i < N_FEATURES; i++)
		if (is_asked_for(s->lun, &features[i], request, start))
			len += put_feature(s->lun, &features[i], out + len);
	mp_put_be32(out, len - 4);
	mp_put_be16(out + 6, (uint16_t)current_profile(s->lun));
	mp_task_reply(s, len, mp_get_be16(cdb + 7));
}

enum event_class { POWER = 2, MEDIA = 4, BUSY = 6, NO_CLASS = 0x80 };

#define EVENT_CLASSES (1u << POWER | 1u << MEDIA | 1u << BUSY)
#define EVENT_BYTES   8u

static unsigned int event_class(const struct mp_scsi_lun *lun, unsigned int asked)
{
	asked &= EVENT_CLASSES;
	if (asked & 1u << MEDIA && lun->cd.events)
		return MEDIA;
	return asked ? (unsigned int)__builtin_ctz(asked) : NO_CLASS;
}

static void put_media_event(const struct mp_scsi_lun *lun, uint8_t *out)
{
	static const uint8_t code[MP_CD_N_EVENTS] = {
		[MP_CD_MEDIUM_REMOVED] = 3,
		[MP_CD_MEDIUM_NEW] = 2,
		[MP_CD_EJECT_REQUESTED] = 1,
	};

	if (lun->cd.events)
		out[0] = code[__builtin_ctz(lun->cd.events)];
	out[1] = (uint8_t)((lun->blk ? 0x02 : 0) | (lun->cd.tray_open ? 0x01 : 0));
}

void mp_cmd_get_event_status(struct mp_scsi_side *s)
{
	const uint8_t *cdb = s->t->cdb;
	unsigned int class = event_class(s->lun, cdb[4]), len = EVENT_BYTES;
	uint32_t alloc_len = mp_get_be16(cdb + 7);
	uint8_t *out = mp_task_buf(s);

	if (!(cdb[1] & 0x01)) {
		mp_task_bad_field(s, 1, 0); /* asynchronous */
		return;
	}
	if (class == NO_CLASS)
		len = 4;
	else if (class == POWER)
		out[5] = 0x01; /* active */
	else if (class == MEDIA)
		put_media_event(s->lun, out + 4);
	mp_put_be16(out, (uint16_t)(len - 2));
	out[2] = (uint8_t) class;
	out[3] = EVENT_CLASSES;
	/* Told once; but not who asked for the header alone. */
	if (class == MEDIA && alloc_len > 4)
		s->lun->cd.events &= (uint8_t)(s->lun->cd.events - 1);
	mp_task_reply(s, len, alloc_len);
}

static void tell_tray(const struct mp_scsi_side *s, bool was_open)
{
	const struct mp_scsi_ops *ops = s->bus->ops;
	const struct mp_scsi_lun *lun = s->lun;
	struct mp_scsi_tray tray = {
		.target = lun->target, .lun = lun->lun, .open = lun->cd.tray_open};

	if (ops->tray_moved && tray.open != was_open)
		ops->tray_moved(s->bus->opaque, &tray);
}

static void eject(struct mp_scsi_side *s)
{
	struct mp_scsi_lun *lun = s->lun;
	bool was_open = lun->cd.tray_open;

	if (!was_open && lun->cd.locked_by) {
		mp_task_fail(s, lun->blk ? mp_sense_removal_prevented : mp_sense_no_medium_locked);
		return;
	}
	mp_cd_open_tray(lun);
	tell_tray(s, was_open);
	mp_task_good(s);
}

static void load(struct mp_scsi_side *s)
{
	bool was_open = s->lun->cd.tray_open;

	mp_cd_close_tray(s->lun);
	tell_tray(s, was_open);
	mp_task_good(s);
}

/* The disc turns when it must: stopped or idle is nothing that could be seen. */
void mp_cmd_cd_start_stop(struct mp_scsi_side *s)
{
	unsigned int power = s->t->cdb[4] >> 4, what = s->t->cdb[4] & 0x03;

	if (power > 3)
		mp_task_bad_field(s, 4, 7); /* active, idle, standby; no sleep */
	else if (power)
		mp_task_good(s);
	else if (what == 2)
		eject(s);
	else if (what == 3)
		load(s);
	else if (what == 1 && !s->lun->blk)
		mp_task_fail(s, mp_cd_no_medium(s->lun));
	else
		mp_task_good(s);
}

/* Of a drive with one slot, which is the tray. */
void mp_cmd_load_unload(struct mp_scsi_side *s)
{
	unsigned int what = s->t->cdb[4] & 0x03;

	if (s->t->cdb[8])
		mp_task_bad_field(s, 8, 8);
	else if (what == 2)
		eject(s);
	else if (what == 3)
		load(s);
	else
		mp_task_bad_field(s, 4, 1);
}

/* Each initiator has its lock. The persistent sort is the same: see mp_scsi_cd_eject_request(). */
void mp_cmd_cd_prevent_allow(struct mp_scsi_side *s)
{
	uint16_t bit = (uint16_t)(1u << s->t->initiator);

	if (s->t->cdb[4] & 0x01)
		s->lun->cd.locked_by |= bit;
	else
		s->lun->cd.locked_by &= (uint16_t)~bit;
	mp_task_good(s);
}

void mp_cmd_mechanism_status(struct mp_scsi_side *s)
{
	uint8_t *out = mp_task_buf(s);

	out[1] = s->lun->cd.tray_open ? 0x10 : 0; /* idle; door */
	mp_task_reply(s, 8, mp_get_be16(s->t->cdb + 8));
}

void mp_cmd_read_format_capacities(struct mp_scsi_side *s)
{
	const struct mp_scsi_lun *lun = s->lun;
	uint64_t n = lun->n_blocks;
	uint8_t *out = mp_task_buf(s);

	out[3] = 8;
	mp_put_be32(out + 4, n > UINT32_MAX ? UINT32_MAX : (uint32_t)n);
	out[8] = lun->blk ? 0x02 : 0x03; /* formatted; no medium */
	mp_put_be24(out + 9, MP_CD_BLOCK_BYTES);
	mp_task_reply(s, 12, mp_get_be16(s->t->cdb + 7));
}

/* The same speed everywhere, and none for writing. */
void mp_cmd_get_performance(struct mp_scsi_side *s)
{
	const uint8_t *cdb = s->t->cdb;
	bool reading = !(cdb[1] & 0x04), nominal = !(cdb[1] & 0x03), any = mp_get_be16(cdb + 8);
	uint32_t last = s->lun->n_blocks > UINT32_MAX ? UINT32_MAX : (uint32_t)s->lun->n_blocks - 1;
	uint32_t len = 8;
	uint8_t *out = mp_task_buf(s);

	if (cdb[10] != 0x00) {
		mp_task_bad_field(s, 10, 8);
		return;
	}
	if (reading && nominal && any) {
		mp_put_be32(out + 12, MP_CD_SPEED_KBYTES);
		mp_put_be32(out + 16, last);
		mp_put_be32(out + 20, MP_CD_SPEED_KBYTES);
		len = 24;
	}
	mp_put_be32(out, len - 4);
	mp_task_reply(s, len, len);
}
