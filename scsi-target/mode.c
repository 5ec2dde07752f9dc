/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * MODE SENSE and MODE SELECT (SPC-4 6.11 to 6.14, 7.5; SBC-3 6.5), driven by the table
 * of pages (mode_pages.def).
 *
 * A page is a function that writes its default values, and a mask of the bits
 * that an initiator may change. Only of those bits a unit keeps values, the
 * current and the saved ones, as bytes in the order of the table; all others
 * always come from the function, so a geometry follows the capacity.
 *
 * MODE SELECT takes what MODE SENSE gave, with changeable bits changed or not.
 * The list is first checked to its end, on a copy: any other difference is
 * refused with a pointer to the byte before anything takes effect. What has
 * changed is then handed to the parts of the unit that act on it (effects[]).
 *
 * Saved values live as long as the worker does, like the firmware's memory of
 * a disk that nobody takes out. Any reset makes them the current ones again.
 */
#include <string.h>

#include "base/bytes.h"
#include "base/err.h"
#include "scsi-target/bus.h"

#define BLOCK_DESC_BYTES      8u
#define LONG_BLOCK_DESC_BYTES 16u
#define MAX_PAGE_BYTES        40u
#define ALL_PAGES             0x3fu
#define ALL_SUBPAGES          0xffu
#define PS                    0x80u /* in MODE SENSE: can be saved */
#define SPF                   0x40u /* the page is a subpage */
#define WCE                   0x04u

enum { PC_CURRENT, PC_CHANGEABLE, PC_DEFAULT, PC_SAVED };

#define RPM 15000u

static void put_zeros(const struct mp_scsi_lun *lun, uint8_t *out)
{
}

/* AWRE, ARRE: bad blocks are replaced, by whoever keeps the medium. */
static void put_recovery(const struct mp_scsi_lun *lun, uint8_t *out)
{
	out[2] = 0xc0;
}

static void put_format(const struct mp_scsi_lun *lun, uint8_t *out)
{
	mp_put_be16(out + 10, MP_DISK_SECTORS);
	mp_put_be16(out + 12, (uint16_t)lun->logical_bytes);
	out[20] = (uint8_t)(0x40 | (lun->removable ? 0x20 : 0)); /* hard sectors; RMB */
}

static void put_geometry(const struct mp_scsi_lun *lun, uint8_t *out)
{
	uint64_t cylinders = lun->n_blocks / (MP_DISK_HEADS * MP_DISK_SECTORS);

	if (cylinders > 0xffffff)
		cylinders = 0xffffff;
	mp_put_be24(out + 2, (uint32_t)cylinders);
	out[5] = MP_DISK_HEADS;
	mp_put_be24(out + 6, (uint32_t)cylinders); /* write precompensation: none */
	mp_put_be24(out + 9, (uint32_t)cylinders); /* reduced write current: none */
	mp_put_be16(out + 20, RPM);
}

static void put_caching(const struct mp_scsi_lun *lun, uint8_t *out)
{
	out[2] = lun->write_through ? 0 : WCE;
}

static void put_control(const struct mp_scsi_lun *lun, uint8_t *out)
{
	const struct mp_scsi_control *c = &mp_control_default;

	out[2] = (uint8_t)(c->tst << 5 | (c->d_sense ? 0x04 : 0) | (c->gltsd ? 0x02 : 0));
	out[3] = (uint8_t)(c->qam << 4 | c->qerr << 1);
	out[4] = c->swp ? 0x08 : 0;
	out[5] = c->tas ? 0x40 : 0;
	mp_put_be16(out + 8, c->busy_timeout);
	mp_put_be16(out + 10, 1); /* seconds that the extended self-test takes */
}

/* Parallel SCSI. */
static void put_protocol(const struct mp_scsi_lun *lun, uint8_t *out)
{
	out[2] = 0x01;
}

/* Ultra2: what the chip that we sit behind can be asked for. */
static void put_transfer(const struct mp_scsi_lun *lun, uint8_t *out)
{
	out[5] = 0x01; /* parallel SCSI */
	out[6] = 0x0a; /* period factor: 25 ns */
	out[8] = 31; /* REQ/ACK offset */
	out[9] = 1; /* wide */
}

static void put_exceptions(const struct mp_scsi_lun *lun, uint8_t *out)
{
	out[3] = 0x06; /* MRIE: reported on request only */
}

#define DISK  (1u << MP_SCSI_DISK)
#define CDROM (1u << MP_SCSI_CDROM)
#define ANY   (DISK | CDROM)

#define MODE_PAGE(page_code, subpage_code, bytes, unit_types, put_defaults, text, ...)             \
	{.code = (page_code),                                                                      \
	 .subcode = (subpage_code),                                                                \
	 .len = (bytes),                                                                           \
	 .types = (unit_types),                                                                    \
	 .put = (put_defaults),                                                                    \
	 .changeable = {__VA_ARGS__}},

static const struct page {
	uint8_t code, subcode, len; /* all bytes of the page */
	uint8_t types; /* bits of enum mp_scsi_type */
	void (*put)(const struct mp_scsi_lun *lun, uint8_t *out);
	uint8_t changeable[MAX_PAGE_BYTES];
} pages[] = {
#include "scsi-target/mode_pages.def"
};

#define N_PAGES (sizeof(pages) / sizeof(pages[0]))

static void take_caching(struct mp_scsi_lun *lun, const uint8_t *page)
{
	lun->write_cache = page[2] & WCE;
}

static unsigned int control_bad(const uint8_t *page)
{
	if (page[2] >> 5 > 1) /* TST */
		return 2;
	if (page[3] >> 4 > 1 || (page[3] & 0x06) == 0x04) /* QAM, QERR */
		return 3;
	return 0;
}

static void take_control(struct mp_scsi_lun *lun, const uint8_t *page)
{
	lun->control = (struct mp_scsi_control){.tst = page[2] >> 5,
						.qam = page[3] >> 4,
						.qerr = page[3] >> 1 & 3,
						.tas = page[5] & 0x40,
						.swp = page[4] & 0x08,
						.d_sense = page[2] & 0x04,
						.gltsd = page[2] & 0x02,
						.busy_timeout = mp_get_be16(page + 8)};
}

static void take_exceptions(struct mp_scsi_lun *lun, const uint8_t *page);

/* Which pages have values that aren't free, and who acts on them. */
static const struct effect {
	uint8_t code, subcode;
	unsigned int (*bad)(const uint8_t *page); /* byte that has an impossible value; 0 none */
	void (*take)(struct mp_scsi_lun *lun, const uint8_t *page);
} effects[] = {
	{0x08, 0x00, NULL, take_caching},
	{0x0a, 0x00, control_bad, take_control},
	{0x1c, 0x00, mp_exceptions_bad, take_exceptions},
};

#define N_EFFECTS (sizeof(effects) / sizeof(effects[0]))

static bool has_page(const struct mp_scsi_lun *lun, const struct page *page)
{
	return page->types & 1u << lun->type;
}

static const struct page *find_page(const struct mp_scsi_lun *lun, unsigned int code,
				    unsigned int subcode)
{
	for (size_t i = 0; i < N_PAGES; i++)
		if (pages[i].code == code && pages[i].subcode == subcode &&
		    has_page(lun, &pages[i]))
			return &pages[i];
	return NULL;
}

static const struct effect *find_effect(const struct page *page)
{
	for (size_t i = 0; i < N_EFFECTS; i++)
		if (effects[i].code == page->code && effects[i].subcode == page->subcode)
			return &effects[i];
	return NULL;
}

/* Where the page's bytes are in struct mp_scsi_mode. */
static size_t values_at(const struct page *page)
{
	size_t at = 0;

	for (const struct page *p = pages; p < page; p++)
		at += p->len;
	mp_assert(at + page->len <= MP_MODE_BYTES);
	return at;
}

static bool can_be_saved(const struct page *page)
{
	static const uint8_t nothing[MAX_PAGE_BYTES];

	return memcmp(page->changeable, nothing, sizeof(nothing)) != 0;
}

static unsigned int put_page_header(const struct page *page, uint8_t *out)
{
	out[0] = (uint8_t)(page->code | (can_be_saved(page) ? PS : 0));
	if (page->subcode) {
		out[0] |= SPF;
		out[1] = page->subcode;
		mp_put_be16(out + 2, (uint16_t)(page->len - 4));
		return 4;
	}
	out[1] = (uint8_t)(page->len - 2);
	return 2;
}

/* @fixed with the changeable bits of @values */
static void merge(const struct page *page, const uint8_t *fixed, const uint8_t *values,
		  uint8_t *out)
{
	for (unsigned int i = 0; i < page->len; i++)
		out[i] = (uint8_t)((fixed[i] & ~page->changeable[i]) |
				   (values[i] & page->changeable[i]));
}

/* The page with the changeable bits of @values; NULL: the defaults. Returns its length. */
static unsigned int put_page(const struct mp_scsi_lun *lun, const struct page *page,
			     const uint8_t *values, uint8_t *out)
{
	memset(out, 0, page->len);
	page->put(lun, out);
	if (values)
		merge(page, out, values + values_at(page), out);
	put_page_header(page, out);
	return page->len;
}

static unsigned int put_controlled(const struct mp_scsi_lun *lun, const struct page *page,
				   unsigned int control, uint8_t *out)
{
	switch (control) {
	case PC_CURRENT:
		return put_page(lun, page, lun->mode.current, out);
	case PC_SAVED:
		return put_page(lun, page, lun->mode.saved, out);
	case PC_DEFAULT:
		return put_page(lun, page, NULL, out);
	default:
		memcpy(out, page->changeable, page->len);
		put_page_header(page, out);
		return page->len;
	}
}

static void take_exceptions(struct mp_scsi_lun *lun, const uint8_t *page)
{
	const struct page *of = find_page(lun, 0x01, 0);
	uint8_t recovery[MAX_PAGE_BYTES] = {0};

	if (of)
		put_page(lun, of, lun->mode.current, recovery);
	mp_exceptions_take(lun, page, recovery[2]);
}

static void take_all(struct mp_scsi_lun *lun)
{
	uint8_t page[MAX_PAGE_BYTES];

	for (size_t i = 0; i < N_EFFECTS; i++) {
		const struct page *of = find_page(lun, effects[i].code, effects[i].subcode);

		if (!of)
			continue;
		put_page(lun, of, lun->mode.current, page);
		effects[i].take(lun, page);
	}
}

void mp_mode_init(struct mp_scsi_lun *lun)
{
	for (size_t i = 0; i < N_PAGES; i++)
		if (has_page(lun, &pages[i]))
			put_page(lun, &pages[i], NULL, lun->mode.saved + values_at(&pages[i]));
	mp_mode_reset(lun);
}

void mp_mode_reset(struct mp_scsi_lun *lun)
{
	memcpy(lun->mode.current, lun->mode.saved, MP_MODE_BYTES);
	take_all(lun);
}

static bool selects(const struct page *page, unsigned int code, unsigned int subcode)
{
	return (code == ALL_PAGES || page->code == code) &&
	       (subcode == ALL_SUBPAGES || page->subcode == subcode);
}

static unsigned int put_pages(const struct mp_scsi_lun *lun, const uint8_t *cdb, uint8_t *out)
{
	unsigned int len = 0;

	for (size_t i = 0; i < N_PAGES; i++)
		if (has_page(lun, &pages[i]) && selects(&pages[i], cdb[2] & 0x3f, cdb[3]))
			len += put_controlled(lun, &pages[i], cdb[2] >> 6, out + len);
	return len;
}

/* A disk has one. MMC knows of none, and initiators take it at its word. */
static unsigned int put_block_desc(const struct mp_scsi_lun *lun, const uint8_t *cdb, uint8_t *out)
{
	bool is_long = cdb[0] == 0x5a, is_longer = is_long && (cdb[1] & 0x10); /* LLBAA */
	uint64_t most = is_long ? UINT32_MAX : 0xffffff;

	if ((cdb[1] & 0x08) || lun->type != MP_SCSI_DISK)
		return 0;
	if (is_longer) {
		mp_put_be64(out, lun->n_blocks);
		mp_put_be32(out + 12, lun->logical_bytes);
		return LONG_BLOCK_DESC_BYTES;
	}
	/* MODE SENSE(6) leaves the first byte alone: it was a density code once. */
	mp_put_be32(out, (uint32_t)(lun->n_blocks < most ? lun->n_blocks : most));
	mp_put_be24(out + 5, lun->logical_bytes);
	return BLOCK_DESC_BYTES;
}

static uint8_t device_specific(const struct mp_scsi_lun *lun)
{
	if (lun->type != MP_SCSI_DISK)
		return 0;
	/* Write protect; DPO and FUA are understood. */
	return (uint8_t)(0x10 | (mp_blk_read_only(lun->blk) || lun->control.swp ? 0x80 : 0));
}

static void put_header(const struct mp_scsi_lun *lun, bool is_long, unsigned int len,
		       unsigned int desc_len, uint8_t *out)
{
	if (is_long) {
		mp_put_be16(out, (uint16_t)(len - 2));
		out[3] = device_specific(lun);
		out[4] = desc_len == LONG_BLOCK_DESC_BYTES ? 0x01 : 0; /* LONGLBA */
		mp_put_be16(out + 6, (uint16_t)desc_len);
	} else {
		mp_assert(len <= 256); /* all pages fit the short form */
		out[0] = (uint8_t)(len - 1);
		out[2] = device_specific(lun);
		out[3] = (uint8_t)desc_len;
	}
}

void mp_cmd_mode_sense(struct mp_scsi_side *s)
{
	const uint8_t *cdb = s->t->cdb;
	bool is_long = cdb[0] == 0x5a;
	unsigned int code = cdb[2] & 0x3f, subcode = cdb[3], head = is_long ? 8 : 4, desc_len, n;
	uint8_t *out = mp_task_buf(s);

	desc_len = put_block_desc(s->lun, cdb, out + head);
	n = put_pages(s->lun, cdb, out + head + desc_len);
	if (code == ALL_PAGES && subcode != 0 && subcode != ALL_SUBPAGES) {
		mp_task_bad_field(s, 3, 8);
	} else if (n == 0) {
		mp_task_bad_field(s, find_page(s->lun, code, 0) ? 3 : 2, subcode ? 8 : 5);
	} else {
		n += head + desc_len;
		put_header(s->lun, is_long, n, desc_len, out);
		mp_task_reply(s, n, is_long ? mp_get_be16(cdb + 7) : cdb[4]);
	}
}

/* A parameter list while it is checked; each check returns true, or sets the sense. */
struct list {
	const struct mp_scsi_lun *lun;
	const uint8_t *bytes;
	unsigned int len;
	struct mp_scsi_sense sense;
	uint8_t values[MP_MODE_BYTES]; /* as the list wants them */
};

static bool bad_at(struct list *l, unsigned int byte)
{
	l->sense = mp_sense_param_field(byte);
	return false;
}

static bool too_short(struct list *l)
{
	l->sense = mp_sense_list_length;
	return false;
}

/*
 * The capacity can't be set: "no change" (0), "as much as there is" (all ones)
 * and what MODE SENSE says are taken.
 */
static bool is_our_capacity(const struct mp_scsi_lun *lun, uint64_t n_blocks, uint64_t most)
{
	return n_blocks == 0 || n_blocks == most ||
	       n_blocks == (lun->n_blocks < most ? lun->n_blocks : most);
}

static bool check_block_desc(struct list *l, unsigned int at, unsigned int len, bool is_longer)
{
	const uint8_t *in = l->bytes + at;
	uint64_t n_blocks;
	uint32_t block_bytes;

	if (len == 0)
		return true;
	if (l->lun->type != MP_SCSI_DISK ||
	    len != (is_longer ? LONG_BLOCK_DESC_BYTES : BLOCK_DESC_BYTES))
		return bad_at(l, at - 1);
	if (at + len > l->len)
		return too_short(l);
	n_blocks = is_longer ? mp_get_be64(in) : mp_get_be32(in);
	block_bytes = is_longer ? mp_get_be32(in + 12) : mp_get_be24(in + 5);
	if (!is_our_capacity(l->lun, n_blocks, is_longer ? UINT64_MAX : UINT32_MAX) &&
	    (is_longer || !is_our_capacity(l->lun, n_blocks, 0xffffff)))
		return bad_at(l, at);
	return block_bytes == l->lun->logical_bytes || bad_at(l, at + (is_longer ? 12 : 5));
}

/* Bits that may not differ from what MODE SENSE says; 0: the page is fine. */
static unsigned int wrong_byte(const struct list *l, const struct page *page, const uint8_t *in)
{
	const struct effect *effect = find_effect(page);
	uint8_t now[MAX_PAGE_BYTES];

	put_page(l->lun, page, l->values, now);
	for (unsigned int i = 1; i < page->len; i++)
		if ((in[i] ^ now[i]) & (uint8_t)~page->changeable[i])
			return i;
	return effect && effect->bad ? effect->bad(in) : 0;
}

/* Return: length of the page at @at; 0: refused */
static unsigned int check_page(struct list *l, unsigned int at)
{
	const uint8_t *in = l->bytes + at;
	const struct page *page;
	unsigned int wrong;

	if (at + 2 > l->len)
		return too_short(l);
	page = find_page(l->lun, in[0] & 0x3f, in[0] & SPF ? in[1] : 0); /* PS is reserved here */
	if (!page || (!(in[0] & SPF) != !page->subcode))
		return bad_at(l, at);
	if (at + page->len > l->len)
		return too_short(l);
	wrong = wrong_byte(l, page, in);
	if (wrong)
		return bad_at(l, at + wrong);
	merge(page, l->values + values_at(page), in, l->values + values_at(page));
	return page->len;
}

/* @pages_may_follow: in page format; without it, header and descriptor are all. */
static bool check_list(struct list *l, bool is_long, bool pages_may_follow)
{
	unsigned int head = is_long ? 8 : 4, desc_len, at, n;

	if (l->len < head)
		return too_short(l);
	desc_len = is_long ? mp_get_be16(l->bytes + 6) : l->bytes[3];
	if (!check_block_desc(l, head, desc_len, is_long && (l->bytes[4] & 0x01)))
		return false;
	at = head + desc_len;
	if (at < l->len && !pages_may_follow) {
		l->sense = mp_sense_cdb_field(1, 4);
		return false;
	}
	for (; at < l->len; at += n) {
		n = check_page(l, at);
		if (n == 0)
			return false;
	}
	return true;
}

static bool set_values(struct mp_scsi_side *s, const uint8_t *values)
{
	struct mp_scsi_mode *mode = &s->lun->mode;
	bool was_on = s->lun->write_cache;

	if (memcmp(mode->current, values, MP_MODE_BYTES) != 0) {
		memcpy(mode->current, values, MP_MODE_BYTES);
		take_all(s->lun);
		mp_lun_attention(s->lun, MP_UA_MODE_CHANGED, s->t->initiator);
	}
	if (s->t->cdb[1] & 0x01) /* SP */
		memcpy(mode->saved, mode->current, MP_MODE_BYTES);
	return was_on && !s->lun->write_cache;
}

static void list_here(struct mp_scsi_side *s)
{
	struct list l = {.lun = s->lun, .bytes = mp_task_buf(s), .len = s->n_moved};

	memcpy(l.values, s->lun->mode.current, MP_MODE_BYTES);
	if (s->n_moved < s->t->buf_len)
		mp_task_fail(s, mp_sense_data_phase);
	else if (!check_list(&l, s->t->cdb[0] == 0x55, s->t->cdb[1] & 0x10))
		mp_task_fail(s, l.sense);
	else if (set_values(s, l.values))
		mp_task_flush(s, mp_task_good); /* the write cache was switched off */
	else
		mp_task_good(s);
}

void mp_cmd_mode_select(struct mp_scsi_side *s)
{
	const uint8_t *cdb = s->t->cdb;
	bool is_long = cdb[0] == 0x55;
	unsigned int len = is_long ? mp_get_be16(cdb + 7) : cdb[4];

	if (len > MP_BUFFER_PAGE_BYTES) {
		mp_task_bad_field(s, is_long ? 7 : 4, 8);
	} else if (len == 0) {
		if (cdb[1] & 0x01)
			memcpy(s->lun->mode.saved, s->lun->mode.current, MP_MODE_BYTES);
		mp_task_good(s);
	} else {
		s->t->xfer_len = len;
		mp_task_xfer(s, MP_SCSI_DATA_OUT, len, list_here);
	}
}
