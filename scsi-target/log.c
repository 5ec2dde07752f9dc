/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * LOG SENSE and LOG SELECT (SPC-4 6.8, 6.7, 7.3; SBC-3 6.4): what a unit has
 * counted, by the table log_pages.def.
 *
 * A page is built whole; a parameter pointer then takes its head away. The
 * counters are 64 bits wide and never full. They count since the unit came to
 * the bus or since LOG SELECT reset them, nothing saves them, and thresholds
 * are all ones: nothing compares with them.
 *
 * Work on the medium is counted where block requests end, commands where tasks
 * end, each in one place. Nothing can be corrected here, an error is an error,
 * so those parameters of the error counter pages are always 0.
 */
#include "scsi-target/log.h"

#include <string.h>

#include "base/bytes.h"
#include "scsi-target/bus.h"

#define HEADER_BYTES       4u
#define PARAM_HEADER_BYTES 4u
#define DISABLE_SAVE       0x80u
#define SPF                0x40u
#define SELFTEST_BYTES     16u

/* Control byte of a parameter. */
#define COUNTER 0x00u
#define LIST    0x03u /* binary */

enum { PC_THRESHOLD, PC_CUMULATIVE, PC_DEFAULT_THRESHOLD, PC_DEFAULT_CUMULATIVE };

/* A page while it is written. */
struct writer {
	const struct mp_scsi_lun *lun;
	unsigned int control; /* PC_* */
	uint8_t *out;
	unsigned int len;
	bool has_counters;
};

static uint8_t *add_param(struct writer *w, uint16_t code, uint8_t control, unsigned int len)
{
	uint8_t *out = w->out + w->len;

	mp_put_be16(out, code);
	out[2] = control;
	out[3] = (uint8_t)len;
	w->len += PARAM_HEADER_BYTES + len;
	return out + PARAM_HEADER_BYTES;
}

static void add_counter(struct writer *w, uint16_t code, uint64_t value)
{
	uint8_t *out = add_param(w, code, COUNTER, sizeof(value));

	w->has_counters = true;
	if (w->control == PC_CUMULATIVE)
		mp_put_be64(out, value);
	else
		memset(out, w->control == PC_DEFAULT_CUMULATIVE ? 0 : 0xff, sizeof(value));
}

static void add_errors(struct writer *w, enum mp_log_work work)
{
	/* Corrected without and with delay; repeated; corrected; corrections tried. */
	for (uint16_t code = 0; code <= 4; code++)
		add_counter(w, code, 0);
	add_counter(w, 5, w->lun->log.medium[work].n_bytes);
	add_counter(w, 6, w->lun->log.medium[work].n_errors);
}

static void put_write_errors(struct writer *w)
{
	add_errors(w, MP_LOG_WRITE);
}

static void put_read_errors(struct writer *w)
{
	add_errors(w, MP_LOG_READ);
}

static void put_verify_errors(struct writer *w)
{
	add_errors(w, MP_LOG_VERIFY);
}

static void put_other_errors(struct writer *w)
{
	add_counter(w, 0, w->lun->log.n_other_errors);
}

static void put_start_stop(struct writer *w)
{
	mp_put_be32(add_param(w, 4, LIST, 4), w->lun->log.n_stops);
}

static void put_selftest(const struct mp_log_selftest *t, uint8_t *out)
{
	out[0] = (uint8_t)(t->code << 5 | t->result);
	mp_put_be64(out + 4, t->result ? t->lba : UINT64_MAX);
	out[12] = t->sense.key;
	out[13] = t->sense.asc;
	out[14] = t->sense.ascq;
}

/* Latest first, all 20 of them; who wasn't there yet is zeros. */
static void put_selftests(struct writer *w)
{
	const struct mp_scsi_log *log = &w->lun->log;

	for (uint32_t i = 0; i < MP_LOG_SELFTESTS; i++) {
		uint8_t *out = add_param(w, (uint16_t)(i + 1), LIST, SELFTEST_BYTES);

		if (i < log->n_selftests)
			put_selftest(&log->selftests[(log->n_selftests - 1 - i) % MP_LOG_SELFTESTS],
				     out);
	}
}

/* Times are 0: there is no clock here. Readers want to see all three parameters. */
static void put_statistics(struct writer *w)
{
	const struct mp_scsi_log *log = &w->lun->log;
	uint8_t *out = add_param(w, 1, LIST, 64);

	mp_put_be64(out, log->n_in);
	mp_put_be64(out + 8, log->n_out);
	mp_put_be64(out + 16, log->n_out_bytes / w->lun->logical_bytes);
	mp_put_be64(out + 24, log->n_in_bytes / w->lun->logical_bytes);
	add_param(w, 2, LIST, 8); /* idle time */
	out = add_param(w, 3, LIST, 8); /* in units of 1 * 10^-3 s */
	mp_put_be32(out, 3);
	mp_put_be32(out + 4, 1);
}

static void put_exceptions(struct writer *w)
{
	uint8_t *out = add_param(w, 0, LIST, 4);

	if (mp_exceptions_active(w->lun)) {
		out[0] = mp_sense_false_failure.asc;
		out[1] = mp_sense_false_failure.ascq;
	}
	mp_put_be16(out + 2, 0xffff); /* temperature and its threshold: not known */
}

static void reset_write_errors(struct mp_scsi_log *log)
{
	memset(&log->medium[MP_LOG_WRITE], 0, sizeof(log->medium[0]));
}

static void reset_read_errors(struct mp_scsi_log *log)
{
	memset(&log->medium[MP_LOG_READ], 0, sizeof(log->medium[0]));
}

static void reset_verify_errors(struct mp_scsi_log *log)
{
	memset(&log->medium[MP_LOG_VERIFY], 0, sizeof(log->medium[0]));
}

static void reset_other_errors(struct mp_scsi_log *log)
{
	log->n_other_errors = 0;
}

static void reset_statistics(struct mp_scsi_log *log)
{
	log->n_in = 0;
	log->n_in_bytes = 0;
	log->n_out = 0;
	log->n_out_bytes = 0;
}

static void put_supported(struct writer *w);
static void put_supported_subpages(struct writer *w);

#define LOG_PAGE(page_code, subpage_code, put_params, reset_params, text)                          \
	{.code = (page_code),                                                                      \
	 .subcode = (subpage_code),                                                                \
	 .put = (put_params),                                                                      \
	 .reset = (reset_params)},

static const struct page {
	uint8_t code, subcode;
	void (*put)(struct writer *w);
	void (*reset)(struct mp_scsi_log *log);
} pages[] = {
#include "scsi-target/log_pages.def"
};

#define N_PAGES (sizeof(pages) / sizeof(pages[0]))

static void put_supported(struct writer *w)
{
	for (size_t i = 0; i < N_PAGES; i++)
		if (pages[i].subcode == 0)
			w->out[w->len++] = pages[i].code;
}

static void put_supported_subpages(struct writer *w)
{
	for (size_t i = 0; i < N_PAGES; i++) {
		w->out[w->len++] = pages[i].code;
		w->out[w->len++] = pages[i].subcode;
	}
}

static const struct page *find_page(unsigned int code, unsigned int subcode)
{
	for (size_t i = 0; i < N_PAGES; i++)
		if (pages[i].code == code && pages[i].subcode == subcode)
			return &pages[i];
	return NULL;
}

static void put_header(const struct page *page, unsigned int len, uint8_t *out)
{
	out[0] = page->code;
	if (page->code)
		out[0] |= DISABLE_SAVE;
	if (page->subcode)
		out[0] |= SPF;
	out[1] = page->subcode;
	mp_put_be16(out + 2, (uint16_t)(len - HEADER_BYTES));
}

/* Take parameters below @first away; returns the new length, 0: none is left. */
static unsigned int drop_below(uint16_t first, uint8_t *out, unsigned int len)
{
	unsigned int at = HEADER_BYTES;

	while (at < len && mp_get_be16(out + at) < first)
		at += PARAM_HEADER_BYTES + out[at + 3];
	memmove(out + HEADER_BYTES, out + at, len - at);
	return at < len ? len - (at - HEADER_BYTES) : 0;
}

/* Which only counters have. */
static bool is_threshold(unsigned int control)
{
	return control == PC_THRESHOLD || control == PC_DEFAULT_THRESHOLD;
}

void mp_cmd_log_sense(struct mp_scsi_side *s)
{
	const uint8_t *cdb = s->t->cdb;
	const struct page *page = find_page(cdb[2] & 0x3f, cdb[3]);
	uint16_t first = mp_get_be16(cdb + 5);
	struct writer w = {
		.lun = s->lun, .control = cdb[2] >> 6, .out = mp_task_buf(s), .len = HEADER_BYTES};

	if (!page) {
		mp_task_bad_field(s, find_page(cdb[2] & 0x3f, 0) ? 3 : 2, cdb[3] ? 8 : 5);
		return;
	}
	page->put(&w);
	if (first && page->code)
		w.len = drop_below(first, w.out, w.len);
	if (w.len == 0 || (first && !page->code)) {
		mp_task_bad_field(s, 5, 8);
	} else if (page->code && !w.has_counters && is_threshold(w.control)) {
		mp_task_bad_field(s, 2, 7);
	} else {
		put_header(page, w.len, w.out);
		mp_task_reply(s, w.len, mp_get_be16(cdb + 7));
	}
}

/* One page, or all if none is named. */
static void reset_pages(struct mp_scsi_lun *lun, unsigned int code, unsigned int subcode)
{
	for (size_t i = 0; i < N_PAGES; i++)
		if (pages[i].reset &&
		    (code == 0 || (pages[i].code == code && pages[i].subcode == subcode)))
			pages[i].reset(&lun->log);
}

void mp_cmd_log_select(struct mp_scsi_side *s)
{
	const uint8_t *cdb = s->t->cdb;
	unsigned int code = cdb[2] & 0x3f;
	bool resets = (cdb[1] & 0x02) || cdb[2] >> 6 == PC_DEFAULT_CUMULATIVE;

	if (mp_get_be16(cdb + 7) != 0) {
		mp_task_bad_field(s, 7, 8); /* no counter can be set to a value */
	} else if (!find_page(code, cdb[3])) {
		mp_task_bad_field(s, 2, 5);
	} else {
		if (resets) {
			reset_pages(s->lun, code, cdb[3]);
			mp_lun_attention(s->lun, MP_UA_LOG_CHANGED, s->t->initiator);
		}
		mp_task_good(s);
	}
}

static enum mp_log_work work_of(const struct mp_scsi_side *s)
{
	if (s->req.op != MP_BLK_READ)
		return MP_LOG_WRITE;
	/* VERIFY, WRITE AND VERIFY of all lengths. */
	switch (s->op->opcode & 0x1f) {
	case 0x0e:
	case 0x0f:
		return MP_LOG_VERIFY;
	default:
		return MP_LOG_READ;
	}
}

void mp_log_medium(struct mp_scsi_side *s)
{
	s->lun->log.medium[work_of(s)].n_bytes += s->req.len;
}

void mp_log_error(struct mp_scsi_side *s)
{
	if (s->req.op == MP_BLK_FLUSH)
		s->lun->log.n_other_errors++;
	else
		s->lun->log.medium[work_of(s)].n_errors++;
}

void mp_log_selftest(struct mp_scsi_lun *lun, const struct mp_log_selftest *test)
{
	lun->log.selftests[lun->log.n_selftests++ % MP_LOG_SELFTESTS] = *test;
}
