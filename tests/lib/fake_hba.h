/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * fake_hba - a host adapter for tests of scsi-target: hands over commands,
 * moves data at once or when it is told to, and keeps what came back.
 */
#ifndef MP_TESTS_LIB_FAKE_HBA_H
#define MP_TESTS_LIB_FAKE_HBA_H

#include "scsi-target/scsi.h"
#include "tests/lib/fake_blk.h"

#define HBA_TASKS 64u

struct hba_slot {
	uint8_t *data; /* the initiator's memory */
	size_t data_len, n_moved;
	bool xfer_waits; /* an xfer() has come that was held back */
	int status; /* -1: none yet */
};

struct fake_hba {
	struct mp_scsi_bus *bus;
	struct mp_scsi_task tasks[HBA_TASKS];
	struct hba_slot slots[HBA_TASKS];
	uint8_t *pool;
	size_t pool_len;
	struct mp_blk blk;
	bool hold_xfers; /* move only in hba_move() */
	uint8_t initiator; /* who sends the next command; 7 after hba_init() */
	unsigned int finished[1024], n_finished; /* order of completion */
	struct mp_scsi_tray tray; /* the last that an initiator has moved */
	unsigned int n_trays; /* how often */
};

extern const struct mp_scsi_ops hba_ops; /* with a struct fake_hba as opaque */

/** hba_init() - target 0, LUN 0: a disk of @size_bytes, initiator 7's first unit attention taken */
void hba_init(struct fake_hba *h, uint64_t size_bytes, size_t pool_len);
/** hba_remake() - the bus anew, with other upcalls and @disk (its blk: the fake's) */
void hba_remake(struct fake_hba *h, const struct mp_scsi_ops *ops, struct mp_scsi_disk_cfg disk);
void hba_fini(struct fake_hba *h);

/** hba_give() - the initiator's memory for the next command of task @i */
void hba_give(struct fake_hba *h, unsigned int i, void *data, size_t data_len);
/** hba_start() - submit @cdb as task @i, untagged to target 0, LUN 0 unless the slot says otherwise */
void hba_start(struct fake_hba *h, unsigned int i, const void *cdb, size_t cdb_len);
/** hba_start_tagged() - the same with an attribute and a tag equal to @i */
void hba_start_tagged(struct fake_hba *h, unsigned int i, enum mp_scsi_attr attr, const void *cdb,
		      size_t cdb_len);
/** hba_move() - carry out a transfer that was held back */
void hba_move(struct fake_hba *h, unsigned int i);
/** hba_run() - task 0, block requests and all; returns its status and frees it */
int hba_run(struct fake_hba *h, const void *cdb, size_t cdb_len, void *data, size_t data_len);
/** HBA_RUN() - hba_run() of a CDB that is spelled out: HBA_RUN(&h, data, 36, 0x12, 0, 0, 0, 36, 0) */
#define HBA_RUN(h, data, data_len, ...)                                                            \
	hba_run((h), (const uint8_t[]){__VA_ARGS__}, sizeof((const uint8_t[]){__VA_ARGS__}),       \
		(data), (data_len))
/** hba_sense() - REQUEST SENSE; returns key << 16 | asc << 8 | ascq */
unsigned int hba_sense(struct fake_hba *h);

#endif
