/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * UNMAP and WRITE SAME: ranges without data, or with one block of it.
 *
 * UNMAP checks its whole list before it touches the first range; then the
 * ranges go one after the other. The data that comes for both commands lies in
 * our buffer, which nobody else writes while the command works.
 *
 * WRITE SAME of zeros is handed to the file system, which needs no data; any
 * other pattern is laid out in the buffer as often as fits and written in
 * chunks.
 */
#include <string.h>

#include "base/bytes.h"
#include "scsi-target/bus.h"

#define UNMAP_HEADER_BYTES 8u
#define UNMAP_DESC_BYTES   16u

static unsigned int n_descriptors(const struct mp_scsi_side *s)
{
	return mp_get_be16(mp_task_buf(s) + 2) / UNMAP_DESC_BYTES;
}

static const uint8_t *descriptor(const struct mp_scsi_side *s, unsigned int i)
{
	return mp_task_buf(s) + UNMAP_HEADER_BYTES + (size_t)i * UNMAP_DESC_BYTES;
}

static void unmap_next(struct mp_scsi_side *s)
{
	unsigned int n = n_descriptors(s);

	while (s->cursor < n) {
		const uint8_t *desc = descriptor(s, s->cursor++);

		s->t->lba = mp_get_be64(desc);
		s->t->n_blocks = mp_get_be32(desc + 8);
		if (s->t->n_blocks == 0)
			continue;
		mp_task_range_io(s, MP_BLK_DISCARD, 0, unmap_next);
		return;
	}
	mp_task_good(s);
}

/* Return: true: the list may be carried out. */
static bool unmap_list_ok(const struct mp_scsi_side *s, struct mp_scsi_sense *ret_sense)
{
	unsigned int n = n_descriptors(s);
	uint64_t lba, n_blocks, sum = 0;

	if (mp_get_be16(mp_task_buf(s) + 2) + UNMAP_HEADER_BYTES > s->n_moved) {
		*ret_sense = mp_sense_list_length;
		return false;
	}
	*ret_sense = mp_sense_lba_range;
	for (unsigned int i = 0; i < n; i++) {
		lba = mp_get_be64(descriptor(s, i));
		n_blocks = mp_get_be32(descriptor(s, i) + 8);
		if (!mp_disk_range_ok(s->lun, lba, n_blocks))
			return false;
		sum += n_blocks;
	}
	*ret_sense = mp_sense_param_field(2);
	return n <= MP_DISK_MAX_UNMAP_DESC &&
	       sum <= MP_DISK_MAX_UNMAP_BYTES / s->lun->logical_bytes;
}

static void unmap_list_here(struct mp_scsi_side *s)
{
	struct mp_scsi_sense sense;

	if (s->n_moved < s->t->buf_len)
		mp_task_fail(s, mp_sense_data_phase);
	else if (!unmap_list_ok(s, &sense))
		mp_task_fail(s, sense);
	else
		unmap_next(s);
}

void mp_cmd_unmap(struct mp_scsi_side *s)
{
	uint32_t len = mp_get_be16(s->t->cdb + 7);

	if (s->t->cdb[1] & 0x01) {
		mp_task_bad_field(s, 1, 0); /* ANCHOR */
	} else if (len == 0) {
		mp_task_good(s);
	} else if (len < UNMAP_HEADER_BYTES) {
		mp_task_fail(s, mp_sense_list_length);
	} else if (len > MP_BUFFER_PAGE_BYTES) {
		mp_task_bad_field(s, 7, 8);
	} else {
		s->t->xfer_len = len;
		mp_task_xfer(s, MP_SCSI_DATA_OUT, len, unmap_list_here);
	}
}

static void same_zeroes(struct mp_scsi_side *s)
{
	uint32_t unmap = s->t->cdb[1] & 0x08 ? MP_BLK_UNMAP : 0;

	mp_task_range_io(s, MP_BLK_WRITE_ZEROES, unmap | mp_disk_fua(s), mp_task_good);
}

static void same_written(struct mp_scsi_side *s);

static void same_chunk(struct mp_scsi_side *s)
{
	mp_task_io(s, MP_BLK_WRITE, mp_disk_fua(s), mp_disk_chunk(s), same_written);
}

static void same_written(struct mp_scsi_side *s)
{
	mp_disk_advance(s);
	if (s->t->n_blocks == 0)
		mp_task_good(s);
	else
		same_chunk(s);
}

static bool is_zero(const uint8_t *p, size_t len)
{
	return p[0] == 0 && memcmp(p, p + 1, len - 1) == 0;
}

static void same_block_here(struct mp_scsi_side *s)
{
	uint32_t block = s->lun->logical_bytes;
	uint8_t *buf = mp_task_buf(s);
	size_t n = mp_disk_chunk(s);

	if (s->n_moved < s->t->buf_len) {
		mp_task_fail(s, mp_sense_data_phase);
	} else if (is_zero(buf, block)) {
		same_zeroes(s);
	} else {
		for (size_t i = 1; i < n; i++)
			memcpy(buf + i * block, buf, block);
		same_chunk(s);
	}
}

static void same_ask(struct mp_scsi_side *s)
{
	s->t->xfer_len = s->lun->logical_bytes;
	mp_task_xfer(s, MP_SCSI_DATA_OUT, s->lun->logical_bytes, same_block_here);
}

/* Byte 1: WRPROTECT 7:5, ANCHOR 4, UNMAP 3, PBDATA 2, LBDATA 1, NDOB 0 (16 only). */
static int same_bad_bit(const struct mp_scsi_side *s)
{
	const uint8_t *cdb = s->t->cdb;

	if (cdb[1] >> 5 && cdb[1] >> 5 != s->t->lun)
		return 7;
	if (cdb[1] & 0x10)
		return 4;
	if ((cdb[1] & 0x08) && !mp_blk_can_discard(s->lun->blk))
		return 3;
	if (cdb[1] & 0x06)
		return cdb[1] & 0x04 ? 2 : 1;
	return cdb[0] == 0x41 && (cdb[1] & 0x01) ? 0 : -1;
}

void mp_cmd_write_same(struct mp_scsi_side *s)
{
	int bad = same_bad_bit(s);

	if (bad >= 0) {
		mp_task_bad_field(s, 1, (unsigned int)bad);
		return;
	}
	if (!mp_disk_range(s))
		return;
	/* No "to the end of the medium": VPD page B0 says so (WSNZ), and how long it may be. */
	if (s->t->n_blocks == 0 || s->t->n_blocks > MP_DISK_MAX_SAME_BYTES / s->lun->logical_bytes)
		mp_task_bad_field(s, s->t->cdb[0] == 0x41 ? 7 : 10, 8);
	else if (s->t->cdb[1] & 0x01)
		same_zeroes(s);
	else
		mp_task_buffer(s, s->t->n_blocks * s->lun->logical_bytes, same_ask);
}
