/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * READ BUFFER and WRITE BUFFER (SPC-4 6.18, 6.49): memory of the unit that
 * initiators test their cables with.
 *
 * Buffer 0 keeps what is written to it, whoever writes. The echo buffer gives
 * back what the same initiator has written to it last, and says so when another
 * one came in between. There is no microcode that could be downloaded.
 */
#include <string.h>

#include "base/bytes.h"
#include "scsi-target/bus.h"

#define HEADER_BYTES 4u

enum {
	MODE_COMBINED = 0x00,
	MODE_DATA = 0x02,
	MODE_DESCRIPTOR = 0x03,
	MODE_ECHO = 0x0a,
	MODE_ECHO_DESCRIPTOR = 0x0b,
};

#define EBOS 0x01u /* a buffer that another initiator has overwritten is reported */

static uint8_t mode_of(const struct mp_scsi_side *s)
{
	return s->t->cdb[1] & 0x1f;
}

/* Only buffer 0, and only from the start where an offset means nothing. */
static bool address_ok(struct mp_scsi_side *s, uint32_t most)
{
	if (s->t->cdb[2])
		mp_task_bad_field(s, 2, 8);
	else if (mp_get_be24(s->t->cdb + 3) > most)
		mp_task_bad_field(s, 3, 8);
	else
		return true;
	return false;
}

static void read_data(struct mp_scsi_side *s, uint32_t head)
{
	uint32_t offset = mp_get_be24(s->t->cdb + 3), n = MP_IOBUF_BYTES - offset;
	uint8_t *out = mp_task_buf(s);

	if (head)
		mp_put_be24(out + 1, MP_IOBUF_BYTES);
	memcpy(out + head, s->lun->iobuf.data + offset, n);
	mp_task_reply(s, head + n, mp_get_be24(s->t->cdb + 6));
}

static void read_descriptor(struct mp_scsi_side *s)
{
	uint8_t *out = mp_task_buf(s);

	/* Offset boundary 0: any byte. A buffer that isn't there has no bytes. */
	if (s->t->cdb[2] == 0)
		mp_put_be24(out + 1, MP_IOBUF_BYTES);
	mp_task_reply(s, 4, mp_get_be24(s->t->cdb + 6));
}

static void read_echo(struct mp_scsi_side *s)
{
	const struct mp_scsi_iobuf *b = &s->lun->iobuf;
	uint16_t me = (uint16_t)(1u << s->t->initiator);

	if (!(b->echo_writers & me)) {
		mp_task_fail(s, mp_sense_sequence);
	} else if (b->echo_owner != s->t->initiator) {
		mp_task_fail(s, mp_sense_echo_overwritten);
	} else {
		memcpy(mp_task_buf(s), b->echo, b->echo_len);
		mp_task_reply(s, b->echo_len, mp_get_be24(s->t->cdb + 6));
	}
}

static void read_echo_descriptor(struct mp_scsi_side *s)
{
	uint8_t *out = mp_task_buf(s);

	out[0] = EBOS;
	mp_put_be16(out + 2, MP_IOBUF_ECHO_BYTES);
	mp_task_reply(s, 4, mp_get_be24(s->t->cdb + 6));
}

void mp_cmd_read_buffer(struct mp_scsi_side *s)
{
	switch (mode_of(s)) {
	case MODE_COMBINED:
		if (address_ok(s, 0))
			read_data(s, HEADER_BYTES);
		break;
	case MODE_DATA:
		if (address_ok(s, MP_IOBUF_BYTES))
			read_data(s, 0);
		break;
	case MODE_DESCRIPTOR:
		read_descriptor(s);
		break;
	case MODE_ECHO:
		read_echo(s);
		break;
	case MODE_ECHO_DESCRIPTOR:
		read_echo_descriptor(s);
		break;
	default:
		mp_task_bad_field(s, 1, 4);
	}
}

static void data_here(struct mp_scsi_side *s)
{
	uint32_t head = mode_of(s) == MODE_COMBINED ? HEADER_BYTES : 0;

	if (s->n_moved < s->t->buf_len) {
		mp_task_fail(s, mp_sense_data_phase);
		return;
	}
	memcpy(s->lun->iobuf.data + mp_get_be24(s->t->cdb + 3), mp_task_buf(s) + head,
	       s->n_moved - head);
	mp_task_good(s);
}

static void echo_here(struct mp_scsi_side *s)
{
	struct mp_scsi_iobuf *b = &s->lun->iobuf;

	if (s->n_moved < s->t->buf_len) {
		mp_task_fail(s, mp_sense_data_phase);
		return;
	}
	memcpy(b->echo, mp_task_buf(s), s->n_moved);
	b->echo_len = (uint16_t)s->n_moved;
	b->echo_owner = s->t->initiator;
	b->echo_writers |= (uint16_t)(1u << s->t->initiator);
	mp_task_good(s);
}

/* @head bytes of the list aren't for the buffer. */
static void take(struct mp_scsi_side *s, uint32_t head, uint32_t most,
		 void (*next)(struct mp_scsi_side *))
{
	uint32_t len = mp_get_be24(s->t->cdb + 6), offset = mp_get_be24(s->t->cdb + 3);

	if (len == 0) {
		mp_task_good(s);
	} else if (len < head) {
		mp_task_fail(s, mp_sense_list_length);
	} else if (len - head > most - offset) {
		mp_task_bad_field(s, 6, 8);
	} else {
		s->t->xfer_len = len;
		mp_task_xfer(s, MP_SCSI_DATA_OUT, len, next);
	}
}

void mp_cmd_write_buffer(struct mp_scsi_side *s)
{
	switch (mode_of(s)) {
	case MODE_COMBINED:
		if (address_ok(s, 0))
			take(s, HEADER_BYTES, MP_IOBUF_BYTES, data_here);
		break;
	case MODE_DATA:
		if (address_ok(s, MP_IOBUF_BYTES))
			take(s, 0, MP_IOBUF_BYTES, data_here);
		break;
	case MODE_ECHO:
		if (address_ok(s, 0))
			take(s, 0, MP_IOBUF_ECHO_BYTES, echo_here);
		break;
	default:
		mp_task_bad_field(s, 1, 4);
	}
}
