/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * VERIFY and WRITE AND VERIFY (SBC-3 5.33, 5.44).
 *
 * Both read the medium, in chunks, and fail as a READ would. BYTCHK says with
 * what the blocks are compared besides:
 *
 *	00   with nothing
 *	01   with the data that the initiator sends for each of them
 *	11   each with the same single block; VERIFY only
 *
 * A comparison needs two pieces of the buffer: what the initiator sent lies in
 * the first, the medium's in the second. They are halves of it; for the single
 * block the first is a page.
 *
 *	VERIFY            [ (initiator -> first), medium -> second, compare ]
 *	WRITE AND VERIFY  [ initiator -> first -> medium -> second, (compare) ]
 *
 * until n_blocks is 0. What differs is reported as MISCOMPARE with the offset of
 * the first differing byte, counted in the data as if all of it had been sent.
 */
#include <string.h>

#include "scsi-target/bus.h"

enum { CHECK_NOTHING, CHECK_EACH, CHECK_RESERVED, CHECK_SAME };

static unsigned int check_kind(const struct mp_scsi_side *s)
{
	return s->t->cdb[1] >> 1 & 0x03;
}

size_t mp_verify_first_difference(const uint8_t *a, const uint8_t *b, size_t n)
{
	size_t i = 0;

	if (memcmp(a, b, n) == 0)
		return n;
	while (a[i] == b[i])
		i++;
	return i;
}

void mp_verify_differs(struct mp_scsi_side *s, size_t at)
{
	struct mp_scsi_sense sense = mp_sense_miscompare;
	uint64_t lba = s->t->lba;

	mp_disk_parse(s->t);
	sense.has_info = true;
	sense.info = (lba - s->t->lba) * s->lun->logical_bytes + at;
	mp_task_fail(s, sense);
}

void mp_verify_half(struct mp_scsi_side *s, void (*next)(struct mp_scsi_side *))
{
	mp_task_buffer(s, 2 * s->t->n_blocks * s->lun->logical_bytes, next);
}

static uint32_t at_most(const struct mp_scsi_side *s, uint32_t bytes)
{
	uint32_t most = bytes / s->lun->logical_bytes;

	return s->t->n_blocks < most ? (uint32_t)s->t->n_blocks : most;
}

uint32_t mp_verify_chunk(const struct mp_scsi_side *s)
{
	return at_most(s, s->t->buf_pages * MP_BUFFER_PAGE_BYTES / 2);
}

/* The first piece, in bytes; the second begins behind it. */
static uint32_t first_bytes(const struct mp_scsi_side *s)
{
	switch (check_kind(s)) {
	case CHECK_EACH:
		return mp_verify_chunk(s) * s->lun->logical_bytes;
	case CHECK_SAME:
		return MP_BUFFER_PAGE_BYTES;
	default:
		return 0;
	}
}

static uint32_t chunk(const struct mp_scsi_side *s)
{
	if (check_kind(s) == CHECK_EACH)
		return mp_verify_chunk(s);
	return at_most(s, s->t->buf_pages * MP_BUFFER_PAGE_BYTES - first_bytes(s));
}

/* What was read against what was sent; returns the number of bytes when they are alike. */
static size_t compare(const struct mp_scsi_side *s)
{
	const uint8_t *sent = mp_task_buf(s), *medium = sent + s->io_off;
	size_t n = s->req.len, block = s->lun->logical_bytes, same;

	if (check_kind(s) == CHECK_EACH)
		return mp_verify_first_difference(sent, medium, n);
	for (size_t at = 0; check_kind(s) == CHECK_SAME && at < n; at += block) {
		same = mp_verify_first_difference(sent, medium + at, block);
		if (same < block)
			return at + same;
	}
	return n;
}

static void check_chunk(struct mp_scsi_side *s, void (*next)(struct mp_scsi_side *))
{
	size_t same = compare(s);

	if (same < s->req.len)
		mp_verify_differs(s, same);
	else
		mp_disk_go_on(s, next);
}

static void verify_next(struct mp_scsi_side *s);

static void medium_read(struct mp_scsi_side *s)
{
	check_chunk(s, verify_next);
}

static void read_medium(struct mp_scsi_side *s)
{
	s->io_off = first_bytes(s);
	mp_task_io(s, MP_BLK_READ, 0, chunk(s), medium_read);
}

static void data_here(struct mp_scsi_side *s)
{
	if (s->n_moved < s->t->buf_len)
		mp_task_fail(s, mp_sense_data_phase);
	else
		read_medium(s);
}

static void ask_each(struct mp_scsi_side *s)
{
	mp_task_xfer(s, MP_SCSI_DATA_OUT, first_bytes(s), data_here);
}

static void ask_same(struct mp_scsi_side *s)
{
	mp_task_xfer(s, MP_SCSI_DATA_OUT, s->lun->logical_bytes, data_here);
}

static void verify_next(struct mp_scsi_side *s)
{
	if (check_kind(s) == CHECK_EACH)
		ask_each(s);
	else
		read_medium(s);
}

void mp_cmd_verify(struct mp_scsi_side *s)
{
	uint64_t bytes;

	if (check_kind(s) == CHECK_RESERVED) {
		mp_task_bad_field(s, 1, 2);
		return;
	}
	if (!mp_disk_range(s))
		return;
	bytes = s->t->n_blocks * s->lun->logical_bytes;
	if (bytes == 0) {
		mp_task_good(s);
	} else if (check_kind(s) == CHECK_EACH) {
		s->t->xfer_len = bytes;
		mp_verify_half(s, ask_each);
	} else if (check_kind(s) == CHECK_SAME) {
		s->t->xfer_len = s->lun->logical_bytes;
		mp_task_buffer(s, MP_BUFFER_PAGE_BYTES + bytes, ask_same);
	} else {
		mp_task_buffer(s, bytes, read_medium);
	}
}

static void write_next(struct mp_scsi_side *s);

static void write_read_back(struct mp_scsi_side *s)
{
	check_chunk(s, write_next);
}

static void written(struct mp_scsi_side *s)
{
	s->bus->counters.n_write_bytes += s->req.len;
	s->io_off = first_bytes(s);
	mp_task_io(s, MP_BLK_READ, 0, chunk(s), write_read_back);
}

static void write_data_here(struct mp_scsi_side *s)
{
	s->io_off = 0;
	if (s->n_moved < s->t->buf_len)
		mp_task_fail(s, mp_sense_data_phase);
	else
		mp_task_io(s, MP_BLK_WRITE, mp_disk_fua(s), chunk(s), written);
}

static void write_next(struct mp_scsi_side *s)
{
	mp_task_xfer(s, MP_SCSI_DATA_OUT, chunk(s) * s->lun->logical_bytes, write_data_here);
}

/* Written through, so that what is read back is what lasts. */
void mp_cmd_write_verify(struct mp_scsi_side *s)
{
	mp_disk_write_through(s);
	if (!mp_disk_range(s))
		return;
	s->t->xfer_len = s->t->n_blocks * s->lun->logical_bytes;
	if (s->t->n_blocks == 0)
		mp_task_good(s);
	else if (check_kind(s) == CHECK_EACH)
		mp_verify_half(s, write_next);
	else
		mp_task_buffer(s, s->t->xfer_len, write_next);
}
