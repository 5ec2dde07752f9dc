/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * READ, WRITE and the other commands about the medium (SBC-3).
 *
 * Reading and writing go in chunks of at most mp_scsi_buffers.chunk_bytes; a
 * command that fits one is one block request. task->lba and task->n_blocks say
 * what is left:
 *
 *	READ    [ medium -> buffer -> initiator ]  until n_blocks is 0
 *	WRITE   [ initiator -> buffer -> medium ]
 *
 * What was written in this way before an error or an abort stays written, as
 * on any disk. A write whose data didn't come in full is not written at all
 * from the chunk in which it broke off.
 *
 * FUA on a read means "from the medium, not from a cache that may be stale".
 * There is only one cache, the host's, and it is never stale, so it changes
 * nothing. DPO is a hint.
 */
#include <errno.h>

#include "base/bytes.h"
#include "base/err.h"
#include "scsi-target/bus.h"

#define FUA_BIT     0x08u
#define OP_FLAG_FUA 0x01u

/* Group of the opcode: where LBA and length are. */
void mp_disk_parse(struct mp_scsi_task *t)
{
	const uint8_t *cdb = t->cdb;

	switch (cdb[0] >> 5) {
	case 0:
		t->lba = mp_get_be24(cdb + 1) & 0x1fffff;
		t->n_blocks = cdb[4] ? cdb[4] : 256;
		break;
	case 4:
		t->lba = mp_get_be64(cdb + 2);
		t->n_blocks = mp_get_be32(cdb + 10);
		break;
	case 5:
		t->lba = mp_get_be32(cdb + 2);
		t->n_blocks = mp_get_be32(cdb + 6);
		break;
	default:
		t->lba = mp_get_be32(cdb + 2);
		t->n_blocks = mp_get_be16(cdb + 7);
	}
}

bool mp_disk_range_ok(const struct mp_scsi_lun *lun, uint64_t lba, uint64_t n_blocks)
{
	return n_blocks <= lun->n_blocks && lba <= lun->n_blocks - n_blocks;
}

void mp_disk_out_of_range(struct mp_scsi_side *s)
{
	struct mp_scsi_sense sense = mp_sense_lba_range;

	mp_blk_count_invalid(s->lun->blk, s->op->flags & MP_OP_WRITES ? MP_BLK_WRITE : MP_BLK_READ);
	sense.has_info = true;
	sense.info = s->t->lba < s->lun->n_blocks ? s->lun->n_blocks : s->t->lba;
	mp_task_fail(s, sense);
}

bool mp_disk_range(struct mp_scsi_side *s)
{
	mp_disk_parse(s->t);
	if (mp_likely(mp_disk_range_ok(s->lun, s->t->lba, s->t->n_blocks)))
		return true;
	mp_disk_out_of_range(s);
	return false;
}

uint32_t mp_disk_chunk(const struct mp_scsi_side *s)
{
	uint32_t most = s->t->buf_pages * MP_BUFFER_PAGE_BYTES / s->lun->logical_bytes;

	return s->t->n_blocks < most ? (uint32_t)s->t->n_blocks : most;
}

void mp_disk_advance(struct mp_scsi_side *s)
{
	uint32_t n = (uint32_t)(s->req.len / s->lun->logical_bytes);

	s->t->lba += n;
	s->t->n_blocks -= n;
}

void mp_disk_go_on(struct mp_scsi_side *s, void (*next)(struct mp_scsi_side *))
{
	mp_disk_advance(s);
	if (s->t->n_blocks == 0)
		mp_task_good(s);
	else if (s->cut_short)
		mp_task_fail(s, mp_sense_data_phase);
	else
		next(s);
}

void mp_disk_write_through(struct mp_scsi_side *s)
{
	s->t->op_flags |= OP_FLAG_FUA;
}

void mp_disk_take_fua(struct mp_scsi_side *s)
{
	if (s->t->cdb[0] >> 5 != 0 && (s->t->cdb[1] & FUA_BIT))
		mp_disk_write_through(s);
}

uint32_t mp_disk_fua(const struct mp_scsi_side *s)
{
	return (s->t->op_flags & OP_FLAG_FUA) || !s->lun->write_cache ? MP_BLK_FUA : 0;
}

static void begin_range(struct mp_scsi_side *s, void (*next)(struct mp_scsi_side *))
{
	if (s->t->n_blocks == 0) {
		mp_task_good(s);
		return;
	}
	s->t->xfer_len = s->t->n_blocks * s->lun->logical_bytes;
	mp_task_buffer(s, s->t->xfer_len, next);
}

static void read_loaded(struct mp_scsi_side *s);
static void read_moved(struct mp_scsi_side *s);

static void read_chunk(struct mp_scsi_side *s)
{
	mp_task_io(s, MP_BLK_READ, 0, mp_disk_chunk(s), read_loaded);
}

static void read_loaded(struct mp_scsi_side *s)
{
	s->bus->counters.n_read_bytes += s->req.len;
	mp_task_xfer(s, MP_SCSI_DATA_IN, (uint32_t)s->req.len, read_moved);
}

static void read_moved(struct mp_scsi_side *s)
{
	mp_disk_advance(s);
	if (s->t->n_blocks == 0 || s->cut_short)
		mp_task_good(s);
	else
		read_chunk(s);
}

void mp_cmd_read(struct mp_scsi_side *s)
{
	if (mp_disk_range(s))
		begin_range(s, read_chunk);
}

static void write_collected(struct mp_scsi_side *s);
static void write_done(struct mp_scsi_side *s);

static void write_chunk(struct mp_scsi_side *s)
{
	mp_task_xfer(s, MP_SCSI_DATA_OUT, mp_disk_chunk(s) * s->lun->logical_bytes,
		     write_collected);
}

static void write_collected(struct mp_scsi_side *s)
{
	if (s->n_moved < s->t->buf_len)
		mp_task_fail(s, mp_sense_data_phase);
	else
		mp_task_io(s, MP_BLK_WRITE, mp_disk_fua(s), mp_disk_chunk(s), write_done);
}

static void write_done(struct mp_scsi_side *s)
{
	s->bus->counters.n_write_bytes += s->req.len;
	mp_disk_go_on(s, write_chunk);
}

void mp_cmd_write(struct mp_scsi_side *s)
{
	mp_disk_take_fua(s);
	if (mp_disk_range(s))
		begin_range(s, write_chunk);
}

/* The whole cache, whatever range was named: SBC-3 allows more than was asked. */
void mp_cmd_sync_cache(struct mp_scsi_side *s)
{
	if (mp_disk_range(s))
		mp_task_flush(s, mp_task_good);
}

static void prefetched(struct mp_scsi_side *s)
{
	mp_task_end(s, MP_SCSI_CONDITION_MET);
}

/*
 * CONDITION MET: all of it is on its way to the cache; GOOD: it has no room for
 * all. No length means "to the end of the medium". As the kernel reads ahead in
 * the background, IMMED makes no difference.
 */
void mp_cmd_prefetch(struct mp_scsi_side *s)
{
	uint64_t most = MP_DISK_MAX_PREFETCH_BYTES / s->lun->logical_bytes;
	void (*next)(struct mp_scsi_side *) = prefetched;

	if (!mp_disk_range(s))
		return;
	if (s->t->n_blocks == 0)
		s->t->n_blocks = s->lun->n_blocks - s->t->lba;
	if (s->t->n_blocks > most || !mp_blk_has_cache(s->lun->blk))
		next = mp_task_good;
	if (s->t->n_blocks > most)
		s->t->n_blocks = most;
	mp_task_range_io(s, MP_BLK_PREFETCH, 0, next);
}

/*
 * There are no defects, so the lists are empty in any format. The request's
 * byte of flags (REQ_PLIST, REQ_GLIST, format) comes back as the answer's.
 */
void mp_cmd_read_defects(struct mp_scsi_side *s)
{
	const uint8_t *cdb = s->t->cdb;
	bool is_long = cdb[0] == 0xb7;
	uint8_t flags = cdb[is_long ? 1 : 2];

	if ((flags & 0x07) == 0x07) {
		mp_task_bad_field(s, is_long ? 1 : 2, 2);
		return;
	}
	mp_task_buf(s)[1] = flags & 0x1f;
	mp_task_reply(s, is_long ? 8 : 4, is_long ? mp_get_be32(cdb + 6) : mp_get_be16(cdb + 7));
}

void mp_cmd_seek(struct mp_scsi_side *s)
{
	mp_disk_parse(s->t);
	if (s->t->lba < s->lun->n_blocks)
		mp_task_good(s);
	else
		mp_task_fail(s, mp_sense_lba_range);
}

static void stopped(struct mp_scsi_side *s)
{
	s->lun->log.n_stops += !s->lun->stopped;
	s->lun->stopped = true;
	mp_task_good(s);
}

void mp_cmd_start_stop(struct mp_scsi_side *s)
{
	const uint8_t *cdb = s->t->cdb;

	if (cdb[4] & 0x01) {
		s->lun->stopped = false;
		mp_task_good(s);
	} else if (cdb[4] & 0x04) {
		stopped(s); /* NO_FLUSH */
	} else {
		mp_task_flush(s, stopped);
	}
}

void mp_cmd_prevent_allow(struct mp_scsi_side *s)
{
	s->lun->prevented = s->t->cdb[4] & 0x01;
	mp_task_good(s);
}

void mp_cmd_read_capacity10(struct mp_scsi_side *s)
{
	uint64_t last = s->lun->n_blocks - 1;
	uint8_t *out = mp_task_buf(s);

	/* PMI and an address to start from are gone since SBC-3. */
	if (mp_get_be32(s->t->cdb + 2) != 0 && !(s->t->cdb[8] & 1)) {
		mp_task_bad_field(s, 2, 8);
		return;
	}
	mp_put_be32(out, last > UINT32_MAX ? UINT32_MAX : (uint32_t)last);
	mp_put_be32(out + 4, s->lun->logical_bytes);
	mp_task_reply(s, 8, 8);
}

void mp_cmd_read_capacity16(struct mp_scsi_side *s)
{
	uint8_t *out = mp_task_buf(s);

	mp_put_be64(out, s->lun->n_blocks - 1);
	mp_put_be32(out + 8, s->lun->logical_bytes);
	out[13] = s->lun->physical_exponent;
	if (mp_blk_can_discard(s->lun->blk))
		out[14] = 0xc0; /* LBPME, LBPRZ */
	mp_task_reply(s, 32, mp_get_be32(s->t->cdb + 10));
}

static struct mp_scsi_lun *find_disk(const struct mp_scsi_bus *bus, unsigned int target,
				     unsigned int lun)
{
	struct mp_scsi_lun *l = NULL;

	if (target < MP_SCSI_MAX_TARGETS && lun < MP_SCSI_MAX_LUNS)
		l = bus->by_id[target][lun];
	return l && l->type == MP_SCSI_DISK ? l : NULL;
}

bool mp_scsi_disk_write_cache(const struct mp_scsi_bus *bus, unsigned int target, unsigned int lun)
{
	const struct mp_scsi_lun *l = find_disk(bus, target, lun);

	return l && l->write_cache;
}

int mp_scsi_disk_resized(struct mp_scsi_bus *bus, unsigned int target, unsigned int lun)
{
	struct mp_scsi_lun *l = find_disk(bus, target, lun);
	uint64_t n_blocks;
	int r;

	if (!l)
		return mp_err_origin(-ENOENT);
	r = mp_blk_refresh_size(l->blk);
	if (r < 0)
		return mp_err_trace(r);
	if (mp_blk_size_bytes(l->blk) < l->logical_bytes)
		return mp_err_origin(-ENOMEDIUM);
	/* Against what the initiators know: somebody else may have looked before. */
	n_blocks = mp_blk_size_bytes(l->blk) / l->logical_bytes;
	if (n_blocks == l->n_blocks)
		return 0;
	l->n_blocks = n_blocks;
	mp_lun_attention(l, MP_UA_CAPACITY_CHANGED, MP_NOBODY);
	return 1;
}
