/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * SEND DIAGNOSTIC and RECEIVE DIAGNOSTIC RESULTS (SPC-4 6.42, 6.27; SBC-3 6.3).
 *
 * A self-test reads single blocks, spread evenly from the first to the last:
 * a few for the short and the default test, more for the extended one. That
 * takes milliseconds, so a "background" test has ended too before its command
 * does; but only its result in log page 10 tells how, while a foreground test
 * that fails ends its command with HARDWARE ERROR. To abort a background test
 * there is never one.
 *
 * The one page that asks for something, 40h, translates addresses between
 * blocks and the geometry of the mode pages. What it asked for stays until
 * RECEIVE DIAGNOSTIC RESULTS fetches the answer.
 */

#include "base/bytes.h"
#include "scsi-target/bus.h"

#define PAGE_SUPPORTED 0x00u
#define PAGE_TRANSLATE 0x40u

#define PF             0x10u
#define SELFTEST       0x04u

#define READS_SHORT    3u
#define READS_EXTENDED 64u

#define RESULT_PASSED  0u
#define RESULT_FAILED  7u

enum {
	TEST_DEFAULT = 0,
	TEST_BACKGROUND_SHORT = 1,
	TEST_BACKGROUND_EXTENDED = 2,
	TEST_ABORT = 4,
	TEST_SHORT = 5,
	TEST_EXTENDED = 6,
};

static unsigned int test_code(const struct mp_scsi_side *s)
{
	return s->t->cdb[1] & SELFTEST ? TEST_DEFAULT : s->t->cdb[1] >> 5;
}

static bool is_background(unsigned int code)
{
	return code == TEST_BACKGROUND_SHORT || code == TEST_BACKGROUND_EXTENDED;
}

static uint32_t n_reads(unsigned int code)
{
	bool is_extended = code == TEST_EXTENDED || code == TEST_BACKGROUND_EXTENDED;

	return is_extended ? READS_EXTENDED : READS_SHORT;
}

static void record(struct mp_scsi_side *s, uint8_t result, struct mp_scsi_sense sense)
{
	struct mp_log_selftest test = {
		.code = (uint8_t)test_code(s), .result = result, .lba = s->t->lba, .sense = sense};

	if (test.code != TEST_DEFAULT)
		mp_log_selftest(s->lun, &test);
}

static void test_failed(struct mp_scsi_side *s, struct mp_scsi_sense why)
{
	record(s, RESULT_FAILED, why);
	if (is_background(test_code(s)))
		mp_task_good(s);
	else
		mp_task_fail(s, mp_sense_selftest_failed);
}

static void test_next(struct mp_scsi_side *s)
{
	uint32_t n = n_reads(test_code(s));

	if (s->cursor == n) {
		record(s, RESULT_PASSED, mp_sense_none);
		mp_task_good(s);
		return;
	}
	s->t->lba = (s->lun->n_blocks - 1) * s->cursor / (n - 1); /* 2^55 blocks at most */
	s->cursor++;
	s->failed = test_failed;
	mp_task_io(s, MP_BLK_READ, 0, 1, test_next);
}

static bool is_test(const struct mp_scsi_lun *lun, unsigned int code)
{
	if (lun->type != MP_SCSI_DISK)
		return code == TEST_DEFAULT;
	return code != TEST_ABORT && code != 3 && code != 7;
}

/* A disc can go at any time, and a disk that stands still isn't read: both just pass. */
static void run_test(struct mp_scsi_side *s)
{
	unsigned int code = test_code(s);

	if (!is_test(s->lun, code))
		mp_task_bad_field(s, 1, 7);
	else if (code == TEST_DEFAULT && (s->lun->type != MP_SCSI_DISK || s->lun->stopped))
		mp_task_good(s);
	else if (s->lun->stopped)
		mp_task_fail(s, mp_sense_stopped);
	else
		test_next(s);
}

/* Address formats of page 40h (SBC-3 6.3.4). */
enum { SHORT_BLOCK = 0, LONG_BLOCK = 3, FROM_INDEX = 4, PHYSICAL_SECTOR = 5 };

static bool parse_address(const struct mp_scsi_lun *lun, unsigned int format, const uint8_t *in,
			  uint64_t *ret_lba)
{
	uint64_t track = (uint64_t)mp_get_be24(in) * MP_DISK_HEADS + in[3];
	uint32_t rest = mp_get_be32(in + 4);

	switch (format) {
	case SHORT_BLOCK:
		*ret_lba = mp_get_be32(in);
		return true;
	case LONG_BLOCK:
		*ret_lba = mp_get_be64(in);
		return true;
	case FROM_INDEX:
		rest /= lun->logical_bytes;
		break;
	case PHYSICAL_SECTOR:
		break;
	default:
		return false;
	}
	*ret_lba = track * MP_DISK_SECTORS + rest;
	return in[3] < MP_DISK_HEADS && rest < MP_DISK_SECTORS;
}

static void put_address(const struct mp_scsi_lun *lun, unsigned int format, uint64_t lba,
			uint8_t *out)
{
	uint64_t track = lba / MP_DISK_SECTORS;
	uint32_t sector = (uint32_t)(lba % MP_DISK_SECTORS);

	if (format == SHORT_BLOCK) {
		mp_put_be32(out, lba > UINT32_MAX ? UINT32_MAX : (uint32_t)lba);
	} else if (format == LONG_BLOCK) {
		mp_put_be64(out, lba);
	} else {
		mp_put_be24(out, (uint32_t)(track / MP_DISK_HEADS) & 0xffffff);
		out[3] = (uint8_t)(track % MP_DISK_HEADS);
		mp_put_be32(out + 4, format == FROM_INDEX ? sector * lun->logical_bytes : sector);
	}
}

static bool is_format(unsigned int format)
{
	return format == SHORT_BLOCK || (format >= LONG_BLOCK && format <= PHYSICAL_SECTOR);
}

static void take_translation(struct mp_scsi_side *s, const uint8_t *in, unsigned int len)
{
	struct mp_scsi_diag *d = &s->lun->diag;
	unsigned int from = in[4] & 7, to = in[5] & 7;
	uint64_t lba = 0;

	if (len != 14 || mp_get_be16(in + 2) != 10) {
		mp_task_fail(s, mp_sense_list_length);
	} else if (!is_format(from)) {
		mp_task_fail(s, mp_sense_param_field(4));
	} else if (!is_format(to)) {
		mp_task_fail(s, mp_sense_param_field(5));
	} else if (!parse_address(s->lun, from, in + 6, &lba) || lba >= s->lun->n_blocks) {
		mp_task_fail(s, mp_sense_param_field(6));
	} else {
		*d = (struct mp_scsi_diag){.page = PAGE_TRANSLATE,
					   .from = (uint8_t)from,
					   .to = (uint8_t)to,
					   .lba = lba};
		mp_task_good(s);
	}
}

static void list_here(struct mp_scsi_side *s)
{
	const uint8_t *in = mp_task_buf(s);

	if (s->n_moved < s->t->buf_len) {
		mp_task_fail(s, mp_sense_data_phase);
	} else if (s->n_moved < 4) {
		mp_task_fail(s, mp_sense_list_length);
	} else if (in[0] == PAGE_SUPPORTED) {
		s->lun->diag.page = PAGE_SUPPORTED;
		mp_task_good(s);
	} else if (in[0] == PAGE_TRANSLATE && s->lun->type == MP_SCSI_DISK) {
		take_translation(s, in, s->n_moved);
	} else {
		mp_task_fail(s, mp_sense_param_field(0));
	}
}

void mp_cmd_send_diagnostic(struct mp_scsi_side *s)
{
	const uint8_t *cdb = s->t->cdb;
	uint32_t len = mp_get_be16(cdb + 3);

	if ((cdb[1] & SELFTEST) && cdb[1] >> 5 && cdb[1] >> 5 != s->t->lun) {
		mp_task_bad_field(s, 1, 7);
	} else if (test_code(s) || (cdb[1] & SELFTEST)) {
		if (len)
			mp_task_bad_field(s, 3, 8);
		else
			run_test(s);
	} else if (len == 0) {
		mp_task_good(s);
	} else if (!(cdb[1] & PF)) {
		mp_task_bad_field(s, 1, 4);
	} else if (len > MP_BUFFER_PAGE_BYTES) {
		mp_task_bad_field(s, 3, 8);
	} else {
		s->t->xfer_len = len;
		mp_task_xfer(s, MP_SCSI_DATA_OUT, len, list_here);
	}
}

static unsigned int put_supported(const struct mp_scsi_lun *lun, uint8_t *out)
{
	unsigned int n = 1;

	if (lun->type == MP_SCSI_DISK)
		out[4 + n++] = PAGE_TRANSLATE;
	mp_put_be16(out + 2, (uint16_t)n);
	return 4 + n;
}

static unsigned int put_translation(const struct mp_scsi_lun *lun, uint8_t *out)
{
	out[0] = PAGE_TRANSLATE;
	mp_put_be16(out + 2, 10);
	out[4] = lun->diag.from;
	out[5] = lun->diag.to;
	put_address(lun, lun->diag.to, lun->diag.lba, out + 6);
	return 14;
}

void mp_cmd_receive_diagnostic(struct mp_scsi_side *s)
{
	const uint8_t *cdb = s->t->cdb;
	uint32_t alloc_len = mp_get_be16(cdb + 3);
	uint8_t page = cdb[1] & 0x01 ? cdb[2] : s->lun->diag.page; /* PCV */

	if (page == PAGE_SUPPORTED)
		mp_task_reply(s, put_supported(s->lun, mp_task_buf(s)), alloc_len);
	else if (page == PAGE_TRANSLATE && s->lun->diag.page == PAGE_TRANSLATE)
		mp_task_reply(s, put_translation(s->lun, mp_task_buf(s)), alloc_len);
	else
		mp_task_bad_field(s, 2, 8);
}
