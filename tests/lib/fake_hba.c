/* SPDX-License-Identifier: BSD-3-Clause */
#include "tests/lib/fake_hba.h"

#include <stdlib.h>
#include <string.h>

#include "base/err.h"

void hba_move(struct fake_hba *h, unsigned int i)
{
	struct mp_scsi_task *t = &h->tasks[i];
	struct hba_slot *slot = &h->slots[i];
	size_t left = slot->data_len - slot->n_moved;
	uint32_t n = t->buf_len < left ? t->buf_len : (uint32_t)left;

	mp_assert(t->state == MP_SCSI_XFER);
	mp_assert((size_t)t->buf_off + t->buf_len <= h->pool_len);
	slot->xfer_waits = false;
	if (n && t->dir == MP_SCSI_DATA_IN)
		memcpy(slot->data + slot->n_moved, h->pool + t->buf_off, n);
	else if (n)
		memcpy(h->pool + t->buf_off, slot->data + slot->n_moved, n);
	slot->n_moved += n;
	mp_scsi_moved(h->bus, i, n, slot->n_moved < slot->data_len);
}

static void on_xfer(void *opaque, unsigned int task)
{
	struct fake_hba *h = opaque;

	if (h->hold_xfers)
		h->slots[task].xfer_waits = true;
	else
		hba_move(h, task);
}

static void on_complete(void *opaque, unsigned int task)
{
	struct fake_hba *h = opaque;

	mp_assert(h->slots[task].status < 0);
	h->slots[task].status = h->tasks[task].status;
	h->finished[h->n_finished++ % 1024] = task;
}

static void on_tray_moved(void *opaque, const struct mp_scsi_tray *tray)
{
	struct fake_hba *h = opaque;

	h->tray = *tray;
	h->n_trays++;
}

const struct mp_scsi_ops hba_ops = {
	.xfer = on_xfer, .complete = on_complete, .tray_moved = on_tray_moved};

static void make_bus(struct fake_hba *h, const struct mp_scsi_ops *ops,
		     struct mp_scsi_disk_cfg disk)
{
	struct mp_scsi_bus_cfg cfg = {.ops = ops,
				      .opaque = h,
				      .tasks = h->tasks,
				      .n_tasks = HBA_TASKS,
				      .pool = h->pool,
				      .pool_len = h->pool_len,
				      .tsc_hz = 1000000000};

	mp_assert(mp_scsi_bus_create(&cfg, &h->bus) == 0);
	disk.blk = &h->blk;
	mp_assert(mp_scsi_disk_add(h->bus, &disk) == 0);
	h->initiator = 7;
	hba_sense(h);
}

void hba_init(struct fake_hba *h, uint64_t size_bytes, size_t pool_len)
{
	memset(h, 0, sizeof(*h));
	fake_blk_init(&h->blk, size_bytes);
	h->pool_len = pool_len;
	h->pool = aligned_alloc(4096, pool_len);
	make_bus(h, &hba_ops, (struct mp_scsi_disk_cfg){.logical_bytes = 512});
}

void hba_remake(struct fake_hba *h, const struct mp_scsi_ops *ops, struct mp_scsi_disk_cfg disk)
{
	mp_scsi_bus_destroy(h->bus);
	make_bus(h, ops, disk);
}

void hba_fini(struct fake_hba *h)
{
	mp_scsi_cancel_all(h->bus);
	fake_blk_finish_all(&h->blk);
	h->bus = mp_scsi_bus_destroy(h->bus);
	fake_blk_fini(&h->blk);
	free(h->pool);
}

void hba_give(struct fake_hba *h, unsigned int i, void *data, size_t data_len)
{
	h->slots[i] = (struct hba_slot){.data = data, .data_len = data_len, .status = -1};
}

void hba_start_tagged(struct fake_hba *h, unsigned int i, enum mp_scsi_attr attr, const void *cdb,
		      size_t cdb_len)
{
	struct mp_scsi_task *t = &h->tasks[i];

	t->attr = (uint8_t)attr;
	t->tag = (uint16_t)i;
	t->initiator = h->initiator;
	t->cdb_len = (uint8_t)cdb_len;
	memset(t->cdb, 0, sizeof(t->cdb));
	memcpy(t->cdb, cdb, cdb_len);
	mp_scsi_submit(h->bus, i);
}

void hba_start(struct fake_hba *h, unsigned int i, const void *cdb, size_t cdb_len)
{
	hba_start_tagged(h, i, MP_SCSI_UNTAGGED, cdb, cdb_len);
}

int hba_run(struct fake_hba *h, const void *cdb, size_t cdb_len, void *data, size_t data_len)
{
	bool hold = h->hold_xfers;

	h->hold_xfers = false;
	hba_give(h, 0, data, data_len);
	hba_start(h, 0, cdb, cdb_len);
	while (h->slots[0].status < 0 && h->blk.n_reqs > 0)
		fake_blk_finish(&h->blk, h->blk.n_reqs - 1, 0);
	h->hold_xfers = hold;
	mp_assert(h->slots[0].status >= 0);
	mp_scsi_free(h->bus, 0);
	return h->slots[0].status;
}

unsigned int hba_sense(struct fake_hba *h)
{
	static const uint8_t cdb[6] = {0x03, 0, 0, 0, 18, 0};
	uint8_t sense[18];

	mp_assert(hba_run(h, cdb, sizeof(cdb), sense, sizeof(sense)) == MP_SCSI_GOOD);
	return (sense[2] & 0xfu) << 16 | (unsigned int)sense[12] << 8 | sense[13];
}
