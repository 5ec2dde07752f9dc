/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * UNMAP and WRITE SAME: ranges without data, or with one block of it. And GET
 * LBA STATUS, which tells what has become of them.
 *
 * UNMAP checks its whole list before it touches the first range; then the
 * ranges go one after the other. The data that comes for both commands lies in
 * our buffer, which nobody else writes while the command works.
 *
 * WRITE SAME of zeros is handed to the file system, which needs no data; any
 * other pattern is laid out in the buffer as often as fits and written in
 * chunks.
 *
 * GET LBA STATUS asks the disk for one extent after the other, until the answer
 * is full or the medium ends. A block is deallocated only if all of it lies in a
 * hole. What was unmapped reads as zeros (LBPRZ): a hole in a file does, and
 * the kernel lets a hole be punched into a device only if that does.
 */
#include <string.h>

#include "base/bytes.h"
#include "scsi-target/bus.h"

#define UNMAP_HEADER_BYTES 8u
#define UNMAP_DESC_BYTES   16u

/* Byte 1 of WRITE SAME. */
#define SAME_UNMAP 0x08u
#define SAME_NDOB  0x01u /* no data comes: zeros */

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

	if (len == 0) {
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
	uint32_t unmap = s->t->cdb[1] & SAME_UNMAP ? MP_BLK_UNMAP : 0;

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

static void same_block_here(struct mp_scsi_side *s)
{
	uint32_t block = s->lun->logical_bytes;
	uint8_t *buf = mp_task_buf(s);
	size_t n = mp_disk_chunk(s);

	if (s->n_moved < s->t->buf_len) {
		mp_task_fail(s, mp_sense_data_phase);
	} else if (mp_is_zero(buf, block)) {
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

void mp_cmd_write_same(struct mp_scsi_side *s)
{
	if ((s->t->cdb[1] & SAME_UNMAP) && !mp_blk_can_discard(s->lun->blk)) {
		mp_task_bad_field(s, 1, 3);
		return;
	}
	if (!mp_disk_range(s))
		return;
	/* No "to the end of the medium": VPD page B0 says so (WSNZ), and how long it may be. */
	if (s->t->n_blocks == 0 || s->t->n_blocks > MP_DISK_MAX_SAME_BYTES / s->lun->logical_bytes)
		mp_task_bad_field(s, s->t->cdb[0] == 0x41 ? 7 : 10, 8);
	else if (s->t->cdb[1] & SAME_NDOB)
		same_zeroes(s);
	else
		mp_task_buffer(s, s->t->n_blocks * s->lun->logical_bytes, same_ask);
}

#define STATUS_HEADER_BYTES 8u
#define STATUS_DESC_BYTES   16u
#define STATUS_DEALLOCATED  0x01u
/* The extent that the disk fills in lies at the end of the page, behind the descriptors. */
#define EXTENT_OFFSET (MP_BUFFER_PAGE_BYTES - 64u)
#define MAX_STATUSES  ((EXTENT_OFFSET - STATUS_HEADER_BYTES) / STATUS_DESC_BYTES)

/* In blocks; at least one, and then it is not all hole. */
static uint32_t extent_blocks(const struct mp_scsi_side *s, bool *ret_is_hole)
{
	struct mp_blk_extent extent;
	uint32_t block = s->lun->logical_bytes;
	uint64_t n;

	memcpy(&extent, mp_task_buf(s) + EXTENT_OFFSET, sizeof(extent));
	*ret_is_hole = extent.is_hole && extent.len >= block;
	n = *ret_is_hole ? extent.len / block : (extent.len + block - 1) / block;
	return n == 0 ? 1 : (uint32_t)n;
}

static void put_status(struct mp_scsi_side *s, uint32_t n, bool is_hole)
{
	uint8_t *desc = mp_task_buf(s) + STATUS_HEADER_BYTES +
			(size_t)s->cursor * STATUS_DESC_BYTES;

	mp_put_be64(desc, s->t->lba);
	mp_put_be32(desc + 8, n);
	desc[12] = is_hole ? STATUS_DEALLOCATED : 0;
	s->cursor++;
}

static void status_next(struct mp_scsi_side *s);

static void status_here(struct mp_scsi_side *s)
{
	uint32_t alloc_len = mp_get_be32(s->t->cdb + 10), n, len;
	bool is_hole;

	n = extent_blocks(s, &is_hole);
	put_status(s, n, is_hole);
	s->t->lba += n;
	s->t->n_blocks -= n;
	len = STATUS_HEADER_BYTES + s->cursor * STATUS_DESC_BYTES;
	if (s->t->n_blocks > 0 && s->cursor < MAX_STATUSES && len < alloc_len) {
		status_next(s);
		return;
	}
	mp_put_be32(mp_task_buf(s), len - 4);
	mp_task_reply(s, len, alloc_len);
}

static void status_next(struct mp_scsi_side *s)
{
	uint64_t n = s->t->n_blocks;

	s->io_off = EXTENT_OFFSET;
	mp_task_io(s, MP_BLK_STATUS, 0, n < UINT32_MAX ? (uint32_t)n : UINT32_MAX, status_here);
}

void mp_cmd_get_lba_status(struct mp_scsi_side *s)
{
	s->t->lba = mp_get_be64(s->t->cdb + 2);
	if (s->t->lba >= s->lun->n_blocks) {
		mp_disk_out_of_range(s);
		return;
	}
	s->t->n_blocks = s->lun->n_blocks - s->t->lba;
	if (mp_get_be32(s->t->cdb + 10) == 0)
		mp_task_good(s);
	else
		status_next(s);
}
