/* SPDX-License-Identifier: BSD-3-Clause */
#include "tests/unit/proxy/rig.h"

#include <inttypes.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/socket.h>

#include "base/cleanup.h"
#include "base/err.h"
#include "proxy/link_priv.h"

static void note(struct rig *r, const char *text)
{
	size_t len = strlen(r->log);

	snprintf(r->log + len, sizeof(r->log) - len, "%s ", text);
}

static void dma_written(void *opaque, uint64_t gpa, uint32_t len)
{
	struct rig *r = opaque;
	char text[64];

	mp_assert(!r->inside);
	snprintf(text, sizeof(text), "D%" PRIx64 "+%x", gpa, len);
	note(r, text);
}

static void irq(void *opaque, int level)
{
	struct rig *r = opaque;

	mp_assert(!r->inside);
	note(r, level ? "I1" : "I0");
}

static void state(void *opaque, bool dead, const char *why)
{
	struct rig *r = opaque;

	mp_assert(!r->inside);
	r->why = why;
	note(r, dead ? "dead" : "alive");
}

static void blocking_begin(void *opaque)
{
	struct rig *r = opaque;

	mp_assert(!r->inside);
	r->inside = true;
	r->n_blocks++;
	if (r->on_block)
		r->on_block(r);
	else if (r->serves && r->stock)
		fake_stock_turn(&r->f);
	else if (r->serves)
		fake_peer_turn(&r->p);
}

static void blocking_end(void *opaque)
{
	struct rig *r = opaque;

	mp_assert(r->inside);
	r->inside = false;
}

static void io_stopped(void *opaque, bool reading, bool no_space)
{
	note(opaque, "stop");
	mp_assert(!reading && no_space); /* as fake_peer says */
}

static const struct mp_link_ops rig_ops = {
	.dma_written = dma_written,
	.irq = irq,
	.blocking_begin = blocking_begin,
	.blocking_end = blocking_end,
	.state = state,
	.io_stopped = io_stopped,
};

struct accept_arg {
	struct fake_peer *p;
	int sock;
	const struct rig_opts *opts;
	int r;
};

static void *accept_thread(void *opaque)
{
	struct accept_arg *a = opaque;

	a->r = fake_peer_accept_take(a->p, a->sock, a->opts->rep_slots,
				     MP_FEAT_DMA_REPORT | MP_FEAT_PAUSE | MP_FEAT_IO_STOP);
	return NULL;
}

static struct mp_link_cfg link_cfg(struct rig *r, const struct rig_opts *opts)
{
	return (struct mp_link_cfg){.ops = &rig_ops,
				    .opaque = r,
				    .transport = opts->stock ? MP_LINK_AUTO : MP_LINK_RING,
				    .features = opts->features,
				    .connect_timeout_ns = 5000000000ull,
				    .reply_timeout_ns = opts->reply_timeout_ns,
				    .spin_ns = opts->spin_ns,
				    .stats = mp_stat_page(&r->stats)};
}

static int meet(struct rig *r, const struct rig_opts *opts)
{
	struct mp_link_cfg cfg = link_cfg(r, opts);
	struct accept_arg a = {.p = &r->p, .opts = opts};
	const char *error;
	int socks[2], ret;
	pthread_t thread;

	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, socks) < 0)
		return -1;
	a.sock = socks[1];
	if (pthread_create(&thread, NULL, accept_thread, &a) != 0)
		return -1;
	ret = mp_link_attach_take(&r->l, socks[0], &cfg, &error);
	pthread_join(thread, NULL);
	return ret < 0 ? ret : a.r;
}

struct stock_arg {
	struct fake_stock *f;
	int stop_fd;
};

static void *stock_thread(void *opaque)
{
	struct stock_arg *a = opaque;

	fake_stock_run(a->f, a->stop_fd);
	return NULL;
}

static int meet_stock(struct rig *r, const struct rig_opts *opts)
{
	struct mp_link_cfg cfg = link_cfg(r, opts);
	struct stock_arg a = {.f = &r->f, .stop_fd = eventfd(0, EFD_CLOEXEC)};
	const char *error;
	int socks[2], ret;
	pthread_t thread;

	if (a.stop_fd < 0 || socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, socks) < 0)
		return -1;
	fake_stock_init(&r->f, socks[1]);
	r->f.n_restart = opts->n_restart;
	if (pthread_create(&thread, NULL, stock_thread, &a) != 0)
		return -1;
	ret = mp_link_attach_take(&r->l, socks[0], &cfg, &error);
	eventfd_write(a.stop_fd, 1);
	pthread_join(thread, NULL);
	mp_fd_close(&a.stop_fd);
	if (ret < 0)
		return ret;
	mp_link_cfg_write(&r->l, 0x10, 4, RIG_IO | 1);
	mp_link_cfg_write(&r->l, 0x14, 4, RIG_MEM);
	mp_link_cfg_write(&r->l, 0x18, 4, RIG_MEM2);
	mp_link_cfg_write(&r->l, 0x04, 2, 7);
	r->n_blocks = 0;
	return r->l.dead ? -1 : 0;
}

static int meet_bare(struct rig *r, const struct rig_opts *opts)
{
	int socks[2];

	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, socks) < 0)
		return -1;
	fake_stock_init(&r->f, socks[1]);
	r->l = (struct mp_link){.s = MP_SESSION_NULL, .cfg = link_cfg(r, opts)};
	r->l.s.sock = socks[0];
	r->l.s.device = fake_device();
	r->l.s.device.bar[2].bytes = 8192;
	return mp_link_socket_open(&r->l);
}

struct rig *rig_open(const struct rig_opts *opts)
{
	struct rig *r = calloc(1, sizeof(*r));
	int ret;

	mp_assert(r && mp_stat_create(&r->stats) == 0);
	r->serves = true;
	r->stock = opts->stock || opts->bare;
	r->l.s = MP_SESSION_NULL;
	fake_stock_init(&r->f, -1);
	r->p = (struct fake_peer){.s = MP_SESSION_NULL};
	ret = opts->bare ? meet_bare(r, opts) : opts->stock ? meet_stock(r, opts) : meet(r, opts);
	if (ret == 0)
		return r;
	rig_close(r);
	return NULL;
}

void rig_close(struct rig *r)
{
	mp_link_detach(&r->l);
	fake_peer_fini(&r->p);
	fake_stock_fini(&r->f);
	mp_shm_fini(&r->stats);
	free(r);
}

uint64_t rig_stat(const struct rig *r, enum mp_stat_id id)
{
	return mp_stat_get(mp_stat_page(&r->stats), id);
}
