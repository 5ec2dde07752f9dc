/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * MODE SENSE and MODE SELECT (SPC-4 6.11, SBC-3 6.5).
 *
 * A page is a function that writes its current values. One bit of one page can
 * be changed: the write cache (WCE). With it off each write is made durable
 * before it ends, and what is cached when it is switched off is flushed.
 *
 * MODE SELECT takes what MODE SENSE gave, with that bit changed or not. Any
 * other difference is refused, with a pointer to the byte, before anything
 * takes effect.
 */
#include <string.h>

#include "base/bytes.h"
#include "scsi-target/bus.h"

#define BLOCK_DESC_BYTES 8u
#define MAX_PAGE_BYTES   24u
#define ALL_PAGES        0x3fu
#define WCE              0x04u

enum { PC_CURRENT, PC_CHANGEABLE, PC_DEFAULT, PC_SAVED };

/* A geometry that multiplies to about the capacity, for those who must have one. */
#define HEADS             16u
#define SECTORS_PER_TRACK 63u
#define RPM               15000u

static void put_recovery(const struct mp_scsi_lun *lun, uint8_t *out)
{
	(void)lun;
	out[2] = 0x80; /* AWRE: bad blocks are replaced, by whoever keeps the medium */
}

static void put_zeros(const struct mp_scsi_lun *lun, uint8_t *out)
{
	(void)lun;
	(void)out;
}

static void put_format(const struct mp_scsi_lun *lun, uint8_t *out)
{
	mp_put_be16(out + 10, SECTORS_PER_TRACK);
	mp_put_be16(out + 12, (uint16_t)lun->logical_bytes);
	out[20] = 0x40; /* hard sectors */
}

static void put_geometry(const struct mp_scsi_lun *lun, uint8_t *out)
{
	uint64_t cylinders = lun->n_blocks / (HEADS * SECTORS_PER_TRACK);

	if (cylinders > 0xffffff)
		cylinders = 0xffffff;
	mp_put_be24(out + 2, (uint32_t)cylinders);
	out[5] = HEADS;
	mp_put_be24(out + 6, (uint32_t)cylinders); /* write precompensation: none */
	mp_put_be24(out + 9, (uint32_t)cylinders); /* reduced write current: none */
	mp_put_be16(out + 20, RPM);
}

static void put_caching(const struct mp_scsi_lun *lun, uint8_t *out)
{
	out[2] = lun->write_cache ? WCE : 0;
}

static void put_control(const struct mp_scsi_lun *lun, uint8_t *out)
{
	(void)lun;
	out[3] = 0x10; /* SIMPLE tasks may be reordered without restriction */
}

/* In ascending order, as page 3Fh lists them. Length: all bytes of the page. */
static const struct page {
	uint8_t code, len;
	void (*put)(const struct mp_scsi_lun *lun, uint8_t *out);
} pages[] = {
	{0x01, 12, put_recovery}, {0x02, 16, put_zeros},   {0x03, 24, put_format},
	{0x04, 24, put_geometry}, {0x08, 20, put_caching}, {0x0a, 12, put_control},
	{0x1c, 12, put_zeros},
};

#define N_PAGES (sizeof(pages) / sizeof(pages[0]))

static uint8_t changeable(const struct page *page, unsigned int byte)
{
	return page->code == 0x08 && byte == 2 ? WCE : 0;
}

static unsigned int put_page(const struct mp_scsi_lun *lun, const struct page *page,
			     unsigned int control, uint8_t *out)
{
	memset(out, 0, page->len);
	if (control != PC_CHANGEABLE)
		page->put(lun, out);
	for (unsigned int i = 0; i < page->len; i++) {
		if (control == PC_CHANGEABLE)
			out[i] = changeable(page, i);
		else if (control == PC_DEFAULT)
			out[i] |= changeable(page, i); /* the write cache is on */
	}
	out[0] = page->code;
	out[1] = (uint8_t)(page->len - 2);
	return page->len;
}

static unsigned int put_pages(const struct mp_scsi_lun *lun, unsigned int code,
			      unsigned int control, uint8_t *out)
{
	unsigned int len = 0;

	for (size_t i = 0; i < N_PAGES; i++)
		if (code == ALL_PAGES || pages[i].code == code)
			len += put_page(lun, &pages[i], control, out + len);
	return len;
}

static unsigned int put_block_desc(const struct mp_scsi_lun *lun, bool is_long, uint8_t *out)
{
	uint64_t most = is_long ? UINT32_MAX : 0xffffff;
	uint64_t n = lun->n_blocks < most ? lun->n_blocks : most;

	/* For disks, MODE SENSE(10) has no density code: all four bytes count. */
	mp_put_be32(out, (uint32_t)n);
	mp_put_be24(out + 5, lun->logical_bytes);
	return BLOCK_DESC_BYTES;
}

static void put_header(const struct mp_scsi_lun *lun, bool is_long, unsigned int len,
		       unsigned int desc_len, uint8_t *out)
{
	/* Write protect; DPO and FUA are understood. */
	uint8_t specific = (uint8_t)(0x10 | (mp_blk_read_only(lun->blk) ? 0x80 : 0));

	if (is_long) {
		mp_put_be16(out, (uint16_t)(len - 2));
		out[3] = specific;
		mp_put_be16(out + 6, (uint16_t)desc_len);
	} else {
		out[0] = (uint8_t)(len - 1);
		out[2] = specific;
		out[3] = (uint8_t)desc_len;
	}
}

void mp_cmd_mode_sense(struct mp_scsi_side *s)
{
	const uint8_t *cdb = s->t->cdb;
	bool is_long = cdb[0] == 0x5a;
	unsigned int code = cdb[2] & 0x3f, control = cdb[2] >> 6;
	unsigned int head = is_long ? 8 : 4, desc_len = 0, n;
	uint8_t *out = mp_task_buf(s);

	if (control == PC_SAVED) {
		mp_task_fail(s, mp_sense_saving_unsupported);
		return;
	}
	if (cdb[3] != 0 && !(code == ALL_PAGES && cdb[3] == 0xff)) {
		mp_task_bad_field(s, 3, 8);
		return;
	}
	if (!(cdb[1] & 0x08))
		desc_len = put_block_desc(s->lun, is_long, out + head);
	n = put_pages(s->lun, code, control, out + head + desc_len);
	if (n == 0) {
		mp_task_bad_field(s, 2, 5);
		return;
	}
	put_header(s->lun, is_long, head + desc_len + n, desc_len, out);
	mp_task_reply(s, head + desc_len + n, is_long ? mp_get_be16(cdb + 7) : cdb[4]);
}

/* A parameter list while it is checked; each check returns true, or sets the sense. */
struct list {
	const struct mp_scsi_lun *lun;
	const uint8_t *bytes;
	unsigned int len;
	struct mp_scsi_sense sense;
	bool write_cache; /* as the list wants it */
};

static bool bad_at(struct list *l, unsigned int byte)
{
	l->sense = mp_sense_param_field(byte);
	return false;
}

static bool check_block_desc(struct list *l, unsigned int at, unsigned int len)
{
	uint32_t n_blocks;

	if (len == 0)
		return true;
	if (len != BLOCK_DESC_BYTES)
		return bad_at(l, at - 1);
	if (at + len > l->len) {
		l->sense = mp_sense_list_length;
		return false;
	}
	n_blocks = mp_get_be24(l->bytes + at + 1);
	if (n_blocks != 0 && n_blocks != 0xffffff && n_blocks != (l->lun->n_blocks & 0xffffff))
		return bad_at(l, at + 1);
	if (mp_get_be24(l->bytes + at + 5) != l->lun->logical_bytes)
		return bad_at(l, at + 5);
	return true;
}

static const struct page *find_page(uint8_t code)
{
	for (size_t i = 0; i < N_PAGES; i++)
		if (pages[i].code == code)
			return &pages[i];
	return NULL;
}

/* Return: length of the page at @at; 0: refused */
static unsigned int check_page(struct list *l, unsigned int at)
{
	const uint8_t *in = l->bytes + at;
	const struct page *page = find_page(in[0] & 0x7f); /* PS is reserved here */
	uint8_t now[MAX_PAGE_BYTES];

	if (!page)
		return bad_at(l, at);
	if (at + 2 > l->len || at + page->len > l->len) {
		l->sense = mp_sense_list_length;
		return 0;
	}
	put_page(l->lun, page, PC_CURRENT, now);
	for (unsigned int i = 1; i < page->len; i++)
		if ((in[i] ^ now[i]) & (uint8_t)~changeable(page, i))
			return bad_at(l, at + i);
	if (page->code == 0x08)
		l->write_cache = in[2] & WCE;
	return page->len;
}

static bool check_list(struct list *l, bool is_long)
{
	unsigned int head = is_long ? 8 : 4, desc_len, at, n;

	if (l->len < head) {
		l->sense = mp_sense_list_length;
		return false;
	}
	desc_len = is_long ? mp_get_be16(l->bytes + 6) : l->bytes[3];
	if (!check_block_desc(l, head, desc_len))
		return false;
	for (at = head + desc_len; at < l->len; at += n) {
		n = check_page(l, at);
		if (n == 0)
			return false;
	}
	return true;
}

static void list_here(struct mp_scsi_side *s)
{
	struct list l = {.lun = s->lun,
			 .bytes = mp_task_buf(s),
			 .len = s->n_moved,
			 .write_cache = s->lun->write_cache};
	bool was_on = s->lun->write_cache;

	if (!check_list(&l, s->t->cdb[0] == 0x55)) {
		mp_task_fail(s, l.sense);
		return;
	}
	s->lun->write_cache = l.write_cache;
	if (was_on && !l.write_cache)
		mp_task_flush(s, mp_task_good);
	else
		mp_task_good(s);
}

void mp_cmd_mode_select(struct mp_scsi_side *s)
{
	const uint8_t *cdb = s->t->cdb;
	bool is_long = cdb[0] == 0x55;
	unsigned int len = is_long ? mp_get_be16(cdb + 7) : cdb[4];

	if (cdb[1] & 0x01) {
		mp_task_bad_field(s, 1, 0); /* nothing can be saved */
	} else if (!(cdb[1] & 0x10)) {
		mp_task_bad_field(s, 1, 4); /* vendor format */
	} else if (len == 0) {
		mp_task_good(s);
	} else if (len > MP_BUFFER_PAGE_BYTES) {
		mp_task_bad_field(s, is_long ? 7 : 4, 8);
	} else {
		s->t->xfer_len = len;
		mp_task_xfer(s, MP_SCSI_DATA_OUT, len, list_here);
	}
}
