/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Writes that depend on what is there, or that are seen whole or not at all:
 * COMPARE AND WRITE, ORWRITE(16), WRITE ATOMIC(16) (SBC-3 5.2, 5.6, SBC-4 5.48).
 *
 * Each first takes the initiator's data, then holds its blocks (range.c) while
 * it works on the medium, so that no request of another task comes between:
 *
 *	COMPARE AND WRITE  [ all data ] hold [ read, compare, write ]
 *	WRITE ATOMIC       [ all data ] hold [ write ]
 *	ORWRITE            [ data ] hold [ read, or, write ] drop, for each chunk
 *
 * COMPARE AND WRITE and WRITE ATOMIC fit the buffer as a whole: their limits
 * (VPD page B0) are made for that. COMPARE AND WRITE has three pieces there: what
 * to compare with, what to write, what is on the medium. An ATOMIC BOUNDARY is
 * among the bits that the decoder refuses.
 *
 * Atomic means towards other commands, aborts and resets: the write is one
 * request, which an abort doesn't cut. What is left of it when the host's power
 * fails is up to the file system and disk below us, which promise no more.
 */
#include "scsi-target/bus.h"

static uint32_t range_bytes(const struct mp_scsi_side *s)
{
	return (uint32_t)s->t->n_blocks * s->lun->logical_bytes;
}

static void compare_read(struct mp_scsi_side *s)
{
	const uint8_t *expected = mp_task_buf(s);
	uint32_t n = range_bytes(s);
	size_t same = mp_verify_first_difference(expected, expected + s->io_off, n);

	if (same < n) {
		mp_verify_differs(s, same);
		return;
	}
	s->bus->counters.n_write_bytes += n;
	s->io_off = n;
	mp_task_io(s, MP_BLK_WRITE, mp_disk_fua(s), (uint32_t)s->t->n_blocks, mp_task_good);
}

static void compare_held(struct mp_scsi_side *s)
{
	s->io_off = 2 * range_bytes(s);
	mp_task_io(s, MP_BLK_READ, 0, (uint32_t)s->t->n_blocks, compare_read);
}

static void compare_here(struct mp_scsi_side *s)
{
	if (s->n_moved < s->t->buf_len)
		mp_task_fail(s, mp_sense_data_phase);
	else
		mp_range_hold(s, s->t->n_blocks, compare_held);
}

static void compare_ask(struct mp_scsi_side *s)
{
	mp_task_xfer(s, MP_SCSI_DATA_OUT, 2 * range_bytes(s), compare_here);
}

void mp_cmd_compare_write(struct mp_scsi_side *s)
{
	mp_disk_take_fua(s);
	if (!mp_disk_range(s))
		return;
	if (s->t->n_blocks > MP_DISK_MAX_COMPARE_BYTES / s->lun->logical_bytes) {
		mp_task_bad_field(s, 13, 8);
	} else if (s->t->n_blocks == 0) {
		mp_task_good(s);
	} else {
		s->t->xfer_len = 2 * range_bytes(s);
		mp_task_buffer(s, 3 * range_bytes(s), compare_ask);
	}
}

static void atomic_written(struct mp_scsi_side *s)
{
	s->bus->counters.n_write_bytes += s->req.len;
	mp_task_good(s);
}

static void atomic_held(struct mp_scsi_side *s)
{
	mp_task_io(s, MP_BLK_WRITE, mp_disk_fua(s), (uint32_t)s->t->n_blocks, atomic_written);
}

static void atomic_here(struct mp_scsi_side *s)
{
	if (s->n_moved < s->t->buf_len)
		mp_task_fail(s, mp_sense_data_phase);
	else
		mp_range_hold(s, s->t->n_blocks, atomic_held);
}

static void atomic_ask(struct mp_scsi_side *s)
{
	mp_task_xfer(s, MP_SCSI_DATA_OUT, range_bytes(s), atomic_here);
}

void mp_cmd_write_atomic(struct mp_scsi_side *s)
{
	mp_disk_take_fua(s);
	if (!mp_disk_range(s))
		return;
	if (s->t->n_blocks > MP_DISK_MAX_ATOMIC_BYTES / s->lun->logical_bytes) {
		mp_task_bad_field(s, 12, 8);
	} else if (s->t->n_blocks == 0) {
		mp_task_good(s);
	} else {
		s->t->xfer_len = range_bytes(s);
		mp_task_buffer(s, s->t->xfer_len, atomic_ask);
	}
}

static void or_ask(struct mp_scsi_side *s);

static void or_written(struct mp_scsi_side *s)
{
	s->bus->counters.n_write_bytes += s->req.len;
	mp_range_drop(s);
	mp_disk_go_on(s, or_ask);
}

static void or_read(struct mp_scsi_side *s)
{
	uint8_t *sent = mp_task_buf(s);
	const uint8_t *medium = sent + s->io_off;

	for (size_t i = 0; i < s->req.len; i++)
		sent[i] |= medium[i];
	s->io_off = 0;
	mp_task_io(s, MP_BLK_WRITE, mp_disk_fua(s), mp_verify_chunk(s), or_written);
}

static void or_held(struct mp_scsi_side *s)
{
	s->io_off = mp_verify_chunk(s) * s->lun->logical_bytes;
	mp_task_io(s, MP_BLK_READ, 0, mp_verify_chunk(s), or_read);
}

static void or_here(struct mp_scsi_side *s)
{
	if (s->n_moved < s->t->buf_len)
		mp_task_fail(s, mp_sense_data_phase);
	else
		mp_range_hold(s, mp_verify_chunk(s), or_held);
}

static void or_ask(struct mp_scsi_side *s)
{
	mp_task_xfer(s, MP_SCSI_DATA_OUT, mp_verify_chunk(s) * s->lun->logical_bytes, or_here);
}

void mp_cmd_orwrite(struct mp_scsi_side *s)
{
	mp_disk_take_fua(s);
	if (!mp_disk_range(s))
		return;
	s->t->xfer_len = s->t->n_blocks * s->lun->logical_bytes;
	if (s->t->n_blocks == 0)
		mp_task_good(s);
	else
		mp_verify_half(s, or_ask);
}
