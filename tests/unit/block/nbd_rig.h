/* SPDX-License-Identifier: BSD-3-Clause */
/* nbd_rig - a disk on a fake server, moved together by the test. */
#ifndef MP_TESTS_UNIT_BLOCK_NBD_RIG_H
#define MP_TESTS_UNIT_BLOCK_NBD_RIG_H

#include "block/blk.h"
#include "tests/lib/fake_nbd.h"

#define RIG_BYTES (4u << 20)

struct rig {
	struct mp_blk_engine *engine;
	struct mp_blk *disk;
	struct fake_nbd server;
	unsigned int n_lost, lost_conns; /* lost_conns: a bit each */
	unsigned int n_replay_failed;
	int replay_error;
	bool reconnects; /* at once, when a connection is lost */
	char error[512];
};

struct rig_cfg {
	enum mp_blk_aio aio;
	struct fake_nbd_cfg server;
	struct mp_blk_open how;
	struct mp_blk_nbd nbd;
	unsigned int n_conns; /* 0: 1 */
	bool reconnects;
};

/** rig_open() - Return: what mp_blk_open() said, with rig->error */
int rig_open(struct rig *rig, const struct rig_cfg *cfg);
void rig_close(struct rig *rig);

/** rig_turn() - one step of either side */
void rig_turn(struct rig *rig);
/** rig_submit() - @req as it is, with a done() that sets *(bool *)opaque */
void rig_submit(struct rig *rig, struct mp_blk_req *req, bool *ret_done);
/** rig_run() - submit and turn until it is done; Return: its result */
int rig_run(struct rig *rig, struct mp_blk_req req);
/** rig_turn_until() - fails after some seconds */
void rig_turn_until(struct rig *rig, const bool *done);
/** rig_reconnect() - a new connection in the place of @conn */
void rig_reconnect(struct rig *rig, unsigned int conn);

#endif
