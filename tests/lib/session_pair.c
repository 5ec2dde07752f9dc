/* SPDX-License-Identifier: BSD-3-Clause */
#include "tests/lib/session_pair.h"

#include <sys/socket.h>

#include "base/err.h"

const struct mp_session_device session_pair_device = {
	.vendor_id = 0x1000,
	.device_id = 0x0012,
	.class_revision = 0x01000000,
	.interrupt_pin = 1,
	.bar = {{256, MP_BAR_IO}, {1024, MP_BAR_MEM}, {8192, MP_BAR_MEM}},
	.shadow_bar_mask = 3,
	.shadow_window = 256,
	.shadowable = {UINT64_MAX, UINT64_MAX, UINT64_MAX, UINT64_MAX},
	.name = "lsi53c895a",
};

void session_side_init(struct session_side *side, bool is_worker, int sock)
{
	*side = (struct session_side){
		.sock = sock,
		.is_worker = is_worker,
		.cfg = {.n_slots = 64, .timeout_ns = 2000000000ull, .bell_fd = -1},
		.device = session_pair_device,
		.s = MP_SESSION_NULL,
	};
}

void session_side_run(struct session_side *side)
{
	side->r = side->is_worker
			  ? mp_session_accept_take(side->sock, &side->cfg, &side->device, &side->s,
						   &side->error)
			  : mp_session_connect_take(side->sock, &side->cfg, &side->s, &side->error);
}

static void *run(void *opaque)
{
	session_side_run(opaque);
	return NULL;
}

void session_side_start(struct session_side *side)
{
	mp_assert(pthread_create(&side->thread, NULL, run, side) == 0);
}

void session_side_join(struct session_side *side)
{
	mp_assert(pthread_join(side->thread, NULL) == 0);
}

void session_pair_init(struct session_side *proxy, struct session_side *worker)
{
	int sv[2];

	mp_assert(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, sv) == 0);
	session_side_init(proxy, false, sv[0]);
	session_side_init(worker, true, sv[1]);
	session_side_start(worker);
	session_side_run(proxy);
	session_side_join(worker);
}

void session_pair_fini(struct session_side *proxy, struct session_side *worker)
{
	mp_session_fini(&proxy->s);
	mp_session_fini(&worker->s);
}
