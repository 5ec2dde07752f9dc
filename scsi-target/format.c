/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * FORMAT UNIT and SANITIZE (SBC-3 5.3, 5.30): what they ask for; job.c does it.
 *
 * A format makes the whole medium zeros, thin where it can. There are no
 * defects to list, to certify or to spare, so the bits about them change
 * nothing, and a list that names some is refused, as are an initialization
 * pattern and protection information.
 *
 * SANITIZE overwrites with a pattern, up to 31 times, or erases blocks, which
 * is zeros again. There is no key to forget, so no cryptographic erase. What it
 * promises of old data holds for the file or device below, not for copies that
 * the host's file system may have made.
 */

#include "base/bytes.h"
#include "scsi-target/bus.h"

#define LONGLIST       0x20u
#define FMTDATA        0x10u
#define CMPLST         0x08u
#define FOV            0x80u
#define FOV_BITS       0x78u /* DPRY, DCRT, STPF, IP: mean something only with FOV */
#define IP             0x08u
#define HEADER_IMMED   0x02u

#define SANITIZE_IMMED 0x80u
#define SANITIZE_AUSE  0x20u

static void fail_param(struct mp_scsi_side *s, unsigned int byte, unsigned int bit)
{
	mp_task_fail(s, mp_sense_param_bit(byte, bit));
}

/* From here on nobody else is at the medium. */
static void hold_all(struct mp_scsi_side *s, void (*next)(struct mp_scsi_side *))
{
	s->t->lba = 0;
	mp_range_hold(s, s->lun->n_blocks, next);
}

static bool is_long(const struct mp_scsi_side *s)
{
	return s->t->cdb[1] & LONGLIST;
}

static void format(struct mp_scsi_side *s)
{
	bool has_data = s->t->cdb[1] & FMTDATA;
	struct mp_scsi_job job = {.kind = MP_JOB_FORMAT};

	job.immediate = has_data && (mp_task_buf(s)[1] & HEADER_IMMED);
	mp_job_begin(s, &job);
}

static void format_header_here(struct mp_scsi_side *s)
{
	const uint8_t *header = mp_task_buf(s);
	uint32_t n_defects = is_long(s) ? mp_get_be32(header + 4) : mp_get_be16(header + 2);

	if (s->n_moved < s->t->buf_len)
		mp_task_fail(s, mp_sense_data_phase);
	else if (header[0] & 0x07)
		fail_param(s, 0, 2); /* PROTECTION FIELD USAGE */
	else if (!(header[1] & FOV) && (header[1] & FOV_BITS))
		fail_param(s, 1, 7);
	else if (header[1] & IP)
		fail_param(s, 1, 3);
	else if (is_long(s) && header[3])
		fail_param(s, 3, 7); /* P_I_INFORMATION, PROTECTION INTERVAL EXPONENT */
	else if (n_defects)
		mp_task_fail(s, mp_sense_param_field(is_long(s) ? 4 : 2));
	else
		hold_all(s, format);
}

void mp_cmd_format_unit(struct mp_scsi_side *s)
{
	uint8_t flags = s->t->cdb[1];

	if (!(flags & FMTDATA)) {
		if (flags & CMPLST)
			mp_task_bad_field(s, 1, 3);
		else
			hold_all(s, format);
		return;
	}
	if ((flags & 0x07) == 0x07 || (flags & 0x07) == 0x01 || (flags & 0x07) == 0x02) {
		mp_task_bad_field(s, 1, 2); /* DEFECT LIST FORMAT: reserved */
		return;
	}
	s->t->xfer_len = is_long(s) ? 8 : 4;
	mp_task_xfer(s, MP_SCSI_DATA_OUT, is_long(s) ? 8 : 4, format_header_here);
}

static struct mp_scsi_job sanitize_job(const struct mp_scsi_side *s)
{
	uint8_t flags = s->t->cdb[1];

	return (struct mp_scsi_job){
		.kind = MP_JOB_SANITIZE,
		.immediate = flags & SANITIZE_IMMED,
		.may_exit = flags & SANITIZE_AUSE,
	};
}

static void erase(struct mp_scsi_side *s)
{
	struct mp_scsi_job job = sanitize_job(s);

	mp_job_begin(s, &job);
}

void mp_cmd_sanitize_erase(struct mp_scsi_side *s)
{
	if (mp_get_be16(s->t->cdb + 7) != 0)
		mp_task_bad_field(s, 7, 8);
	else
		hold_all(s, erase);
}

/* The pattern begins anew in each block. */
static void lay_out(uint8_t *out, size_t len, const uint8_t *pattern, size_t pattern_len,
		    size_t block)
{
	for (size_t i = 0; i < len; i++)
		out[i] = pattern[i % block % pattern_len];
}

static void overwrite(struct mp_scsi_side *s)
{
	const uint8_t *list = mp_task_buf(s);
	struct mp_scsi_job job = sanitize_job(s);
	int page = mp_buffers_take(&s->bus->buffers, MP_JOB_BUFFER_PAGES, false);

	if (page < 0) {
		mp_task_end(s, MP_SCSI_BUSY);
		return;
	}
	job.buf_off = (uint32_t)page * MP_BUFFER_PAGE_BYTES;
	job.buf_pages = MP_JOB_BUFFER_PAGES;
	job.n_passes = list[0] & 0x1f;
	job.inverts = list[0] & 0x80;
	lay_out(s->bus->pool + job.buf_off, MP_JOB_BUFFER_PAGES * MP_BUFFER_PAGE_BYTES, list + 4,
		mp_get_be16(list + 2), s->lun->logical_bytes);
	mp_job_begin(s, &job);
}

static void overwrite_list_here(struct mp_scsi_side *s)
{
	const uint8_t *list = mp_task_buf(s);

	if (s->n_moved < s->t->buf_len)
		mp_task_fail(s, mp_sense_data_phase);
	else if (list[0] & 0x60)
		fail_param(s, 0, 6); /* TEST */
	else if ((list[0] & 0x1f) == 0)
		fail_param(s, 0, 4); /* OVERWRITE COUNT */
	else if (mp_get_be16(list + 2) + 4u != s->t->buf_len)
		mp_task_fail(s, mp_sense_param_field(2));
	else
		hold_all(s, overwrite);
}

static void overwrite_ask(struct mp_scsi_side *s)
{
	mp_task_xfer(s, MP_SCSI_DATA_OUT, (uint32_t)s->t->xfer_len, overwrite_list_here);
}

void mp_cmd_sanitize_overwrite(struct mp_scsi_side *s)
{
	uint32_t len = mp_get_be16(s->t->cdb + 7);

	if (len < 5 || len > 4 + s->lun->logical_bytes) {
		mp_task_bad_field(s, 7, 8);
		return;
	}
	s->t->xfer_len = len;
	mp_task_buffer(s, len, overwrite_ask);
}

/* Only a sanitize that allowed for it (AUSE) may be left unfinished. */
void mp_cmd_sanitize_exit(struct mp_scsi_side *s)
{
	const struct mp_scsi_job *job = &s->lun->job;

	if (mp_get_be16(s->t->cdb + 7) != 0) {
		mp_task_bad_field(s, 7, 8);
	} else if (job->failed && job->kind == MP_JOB_SANITIZE && !job->may_exit) {
		mp_task_bad_field(s, 1, 4);
	} else {
		if (job->failed && job->kind == MP_JOB_SANITIZE)
			mp_job_exit_failure(s->lun);
		mp_task_good(s);
	}
}
