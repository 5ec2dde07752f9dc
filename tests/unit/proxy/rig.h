/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * rig - a link and its fake worker in one thread.
 *
 * Only the handshake needs a second thread. After it the worker takes its turn
 * when the test says so: by hand, or from blocking_begin(), which is where a
 * link that spins for no time ends up as soon as it has to wait. What the link
 * calls back is kept in order as text: "D1000+40 I1 ".
 */
#ifndef MP_TESTS_UNIT_PROXY_RIG_H
#define MP_TESTS_UNIT_PROXY_RIG_H

#include "proxy/link.h"
#include "tests/lib/fake_peer.h"
#include "tests/lib/fake_stock.h"

struct rig {
	struct mp_link l;
	bool stock; /* the worker is f, else p */
	struct fake_peer p;
	struct fake_stock f;
	struct mp_shm stats;
	bool serves; /* the worker takes a turn whenever the link blocks */
	void (*on_block)(struct rig *r); /* instead of a turn, if set */
	unsigned int n_blocks;
	bool inside; /* between blocking_begin and blocking_end */
	char log[512];
	const char *why;
};

struct rig_opts {
	uint32_t features, rep_slots;
	uint64_t reply_timeout_ns, spin_ns;
	bool stock; /* a worker that knows only the stock protocol */
	bool bare; /* and no message has passed: the device is as if it had been probed */
	unsigned int n_restart; /* of fake_stock, from its start */
};

#define RIG_DEFAULTS                                                                               \
	((struct rig_opts){.features = MP_FEAT_DMA_REPORT,                                         \
			   .rep_slots = 16,                                                        \
			   .reply_timeout_ns = 2000000000ull})

/** rig_open() - NULL when the handshake fails; r->serves is set
 *
 * A stock worker's BARs are where these say, all of it enabled, no message under way.
 */
#define RIG_IO   0xc000u
#define RIG_MEM  0xfe000000u
#define RIG_MEM2 0xfe002000u
struct rig *rig_open(const struct rig_opts *opts);
void rig_close(struct rig *r);
uint64_t rig_stat(const struct rig *r, enum mp_stat_id id);

#endif
