/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Reading a CD-ROM (MMC-6): READ, READ CD, VERIFY, SEEK.
 *
 *	READ    [ medium -> buffer -> initiator ]  until n_blocks is 0
 *	VERIFY  [ medium -> buffer ]
 *
 * The disc holds one track of mode 1 blocks, and of a block we have the 2048
 * bytes of user data. So READ CD gives these or nothing; sync pattern, headers,
 * error correction and sub-channels, which a pressed disc would have around
 * them, are refused instead of being made up. A block of another type (audio,
 * mode 2) is not what the track holds: "illegal mode for this track".
 *
 * The tray may be opened between two chunks, or while the bus is paused after
 * an error. So s->cursor keeps the generation of the disc with which the
 * command began, and each block request looks at it (mp_task_issue()).
 */
#include "base/bytes.h"
#include "base/err.h"
#include "scsi-target/bus.h"

#define OP_FLAG_VERIFY 0x01u

#define USER_DATA      0x10u
#define C2_ERRORS      0x06u

enum { ANY_TYPE = 0, MODE_1 = 2 }; /* expected sector type */

static void chunk(struct mp_scsi_side *s);

static void moved(struct mp_scsi_side *s)
{
	mp_disk_advance(s);
	if (s->t->n_blocks == 0 || s->cut_short)
		mp_task_good(s);
	else
		chunk(s);
}

static void loaded(struct mp_scsi_side *s)
{
	if (s->t->op_flags & OP_FLAG_VERIFY) {
		moved(s);
	} else {
		s->bus->counters.n_read_bytes += s->req.len;
		mp_task_xfer(s, MP_SCSI_DATA_IN, (uint32_t)s->req.len, moved);
	}
}

static void chunk(struct mp_scsi_side *s)
{
	mp_task_io(s, MP_BLK_READ, 0, mp_disk_chunk(s), loaded);
}

bool mp_cd_same_disc(struct mp_scsi_side *s)
{
	if (mp_likely(s->cursor == s->lun->cd.generation))
		return true;
	mp_task_fail(s, s->lun->blk ? mp_sense_medium_changed : mp_cd_no_medium(s->lun));
	return false;
}

/* Of task->lba and n_blocks, which are within the medium. */
static void begin(struct mp_scsi_side *s)
{
	s->cursor = s->lun->cd.generation;
	s->t->xfer_len = s->t->n_blocks * MP_CD_BLOCK_BYTES;
	if (s->t->n_blocks == 0)
		mp_task_good(s);
	else
		mp_task_buffer(s, s->t->xfer_len, chunk);
}

void mp_cmd_cd_read(struct mp_scsi_side *s)
{
	if (mp_disk_range(s))
		begin(s);
}

void mp_cmd_cd_verify(struct mp_scsi_side *s)
{
	s->t->op_flags |= OP_FLAG_VERIFY;
	if (s->t->cdb[1] & 0x06)
		mp_task_bad_field(s, 1, 2); /* BYTCHK: no comparison with data of the initiator */
	else if (mp_disk_range(s))
		begin(s);
}

static bool in_range(struct mp_scsi_side *s)
{
	if (mp_disk_range_ok(s->lun, s->t->lba, s->t->n_blocks))
		return true;
	mp_disk_out_of_range(s);
	return false;
}

void mp_cmd_cd_seek(struct mp_scsi_side *s)
{
	s->t->lba = mp_get_be32(s->t->cdb + 2);
	if (s->t->lba < s->lun->n_blocks)
		mp_task_good(s);
	else
		mp_disk_out_of_range(s);
}

/* What READ CD may ask for: user data of mode 1. Return: false: the task has failed. */
static bool form_ok(struct mp_scsi_side *s)
{
	const uint8_t *cdb = s->t->cdb;
	unsigned int type = cdb[1] >> 2 & 7, parts = cdb[9] & 0xf8;

	if (type != ANY_TYPE && type != MODE_1)
		mp_task_fail(s, mp_sense_wrong_track_mode);
	else if (parts & ~USER_DATA)
		mp_task_bad_field(s, 9, 7);
	else if (cdb[9] & C2_ERRORS)
		mp_task_bad_field(s, 9, 2);
	else if (cdb[10] & 0x07)
		mp_task_bad_field(s, 10, 2);
	else
		return true;
	return false;
}

/* With no part of the blocks asked for, the drive only goes there. */
static void read_form(struct mp_scsi_side *s)
{
	if (!in_range(s))
		return;
	if (s->t->cdb[9] & USER_DATA)
		begin(s);
	else
		mp_task_good(s);
}

void mp_cmd_read_cd(struct mp_scsi_side *s)
{
	if (!form_ok(s))
		return;
	s->t->lba = mp_get_be32(s->t->cdb + 2);
	s->t->n_blocks = mp_get_be24(s->t->cdb + 6);
	read_form(s);
}

static uint32_t frames(const uint8_t *msf)
{
	return (msf[0] * 60u + msf[1]) * MP_CD_FRAMES + msf[2];
}

/* Byte of the CDB with a second or frame that no minute or second has; 0: none */
static unsigned int bad_msf(const uint8_t *cdb)
{
	for (unsigned int at = 3; at < 9; at += 3) {
		if (cdb[at + 1] >= 60)
			return at + 1;
		if (cdb[at + 2] >= MP_CD_FRAMES)
			return at + 2;
	}
	return 0;
}

/* From the first address up to the second, which isn't read any more. */
void mp_cmd_read_cd_msf(struct mp_scsi_side *s)
{
	const uint8_t *cdb = s->t->cdb;
	uint32_t first = frames(cdb + 3), end = frames(cdb + 6);

	if (bad_msf(cdb)) {
		mp_task_bad_field(s, bad_msf(cdb), 8);
	} else if (end < first) {
		mp_task_bad_field(s, 6, 8);
	} else if (first < MP_CD_PREGAP) {
		mp_task_fail(s, mp_sense_lba_range); /* in the lead-in: no LBA to tell */
	} else if (form_ok(s)) {
		s->t->lba = first - MP_CD_PREGAP;
		s->t->n_blocks = end - first;
		read_form(s);
	}
}
