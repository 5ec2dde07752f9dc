/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Each device has one socket and goes through
 *
 *	waiting		nothing has come; for as long as the proxy likes
 *	up		session established, attached to the polling core
 *	gone		closed by the proxy, or given up
 *
 * A session begins when its socket becomes readable, not in the order of the
 * command line: QEMU makes one device ready, guest memory included, before it
 * starts with the next. Once begun, each step of a handshake has a time limit.
 *
 * A table of guest memory is mapped here, handed to the core, and only when the
 * core has it is the old one unmapped and the proxy told: then no DMA into the
 * old table can come. A table that can't be mapped leaves the old one in use,
 * and the proxy gets the errno.
 *
 * When the last device is gone the worker ends. A socket that closes is the
 * normal end of a guest; so the worker needs no other sign of QEMU's death.
 */
#include "remote-worker/serve.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/err.h"
#include "base/log.h"
#include "remote-worker/device.h"

enum peer_state { PEER_WAITING, PEER_UP, PEER_GONE };

struct peer {
	enum peer_state state;
	int sock; /* owned while waiting, the session's when up */
	struct mp_guest_table *table;
};

struct serve {
	const struct mp_serve_cfg *cfg;
	struct peer peer[MP_CMDLINE_MAX_HBAS];
	struct pollfd pfd[MP_CMDLINE_MAX_HBAS + 2];
	bool all_met;
	int result;
	/* Of the table being received. */
	struct mp_session_region region[MP_SESSION_MAX_REGIONS];
	int fd[MP_SESSION_MAX_RAM_FDS];
};

static const char *id_of(const struct serve *s, unsigned int i)
{
	return s->cfg->cmd->hba[i].id;
}

static void leave(struct serve *s, unsigned int i)
{
	struct peer *p = &s->peer[i];

	if (p->state == PEER_UP)
		mp_worker_detach(s->cfg->worker, i);
	else
		mp_fd_close(&p->sock);
	p->table = mp_guest_table_destroy(p->table);
	p->state = PEER_GONE;
}

static void give_up(struct serve *s, unsigned int i, int r, const char *why)
{
	mp_error("%s: %s (%s); the device is gone", id_of(s, i), why, strerror(-r));
	s->result = r;
	leave(s, i);
}

static bool peer_closed(int sock)
{
	char byte;

	return recv(sock, &byte, 1, MSG_PEEK | MSG_DONTWAIT) == 0;
}

static void meet(struct serve *s, unsigned int i)
{
	struct mp_session_cfg cfg = {.features = MP_FEAT_DMA_REPORT | MP_FEAT_PAUSE |
						 MP_FEAT_IO_STOP,
				     .n_slots = MP_SESSION_DEFAULT_REP_SLOTS,
				     .timeout_ns = MP_SESSION_DEFAULT_TIMEOUT_NS,
				     .bell_fd = mp_worker_bell_fd(s->cfg->worker)};
	MP_CLEANUP(mp_session_fini) struct mp_session session = MP_SESSION_NULL;
	struct mp_wire_worker_page page;
	struct mp_session_device device;
	struct peer *p = &s->peer[i];
	const char *why = "";
	int r;

	if (peer_closed(p->sock)) {
		leave(s, i);
		return;
	}
	mp_device_describe(&device);
	mp_worker_first_page(s->cfg->worker, i, &page);
	cfg.user_page = &page;
	r = mp_session_accept_take(mp_fd_steal(&p->sock), &cfg, &device, &session, &why);
	if (r == 0) {
		p->sock = session.sock;
		r = mp_worker_attach(s->cfg->worker, i, &session);
		why = "no memory for the session";
	}
	if (r < 0) {
		p->sock = -1;
		give_up(s, i, r, why);
		return;
	}
	p->state = PEER_UP;
	mp_debug("%s: connected", id_of(s, i));
}

/* Returns 1, or 0 when the proxy closed, or negative errno of a broken session. */
static int replace_table(struct serve *s, unsigned int i)
{
	struct mp_guest_table *table = NULL;
	struct peer *p = &s->peer[i];
	struct mp_fds fds = {.fd = s->fd, .max = MP_SESSION_MAX_RAM_FDS};
	uint32_t n_regions;
	int r, status;

	r = mp_session_recv_ram(p->sock, s->region, &n_regions, &fds,
				MP_SESSION_DEFAULT_TIMEOUT_NS);
	if (r <= 0)
		return mp_err_trace(r);
	status = mp_guest_table_create(s->region, n_regions, fds.fd, &table);
	mp_fds_close(&fds);
	if (status == 0) {
		mp_worker_set_ram(s->cfg->worker, i, table);
		mp_guest_table_destroy(p->table);
		p->table = table;
	} else {
		mp_error("%s: cannot map guest memory: %s", id_of(s, i), strerror(-status));
	}
	r = mp_session_send_ack(p->sock, status, MP_SESSION_DEFAULT_TIMEOUT_NS);
	return r < 0 ? mp_err_trace(r) : 1;
}

static void listen_to(struct serve *s, unsigned int i)
{
	int r = replace_table(s, i);

	if (r == 0 || r == -ECONNRESET || r == -EPIPE)
		leave(s, i);
	else if (r < 0)
		give_up(s, i, r, "the proxy broke the protocol on its socket");
}

/* The drive's id and file, as the user knows them. */
static void say_stop(const struct serve *s, unsigned int i, const struct mp_scsi_stop *stop)
{
	const struct mp_cmdline *cmd = s->cfg->cmd;
	const struct mp_opt_drive *drive = NULL;

	for (unsigned int k = 0; k < cmd->n_disks; k++)
		if (cmd->disk[k].hba == i && cmd->disk[k].scsi_id == stop->target &&
		    cmd->disk[k].lun == stop->lun)
			drive = mp_cmdline_drive(cmd, &cmd->disk[k]);
	mp_error("%s: cannot %s drive %s (%s): %s; the machine is stopped until it continues",
		 id_of(s, i), stop->reading ? "read" : "write", drive ? drive->id : "",
		 drive && drive->file ? drive->file : "no file", strerror(-stop->error));
}

static void handle_notice(struct serve *s)
{
	struct mp_scsi_stop stop;

	mp_bell_drain(mp_worker_notify_fd(s->cfg->worker));
	for (unsigned int i = 0; i < s->cfg->cmd->n_hbas; i++)
		if (mp_worker_take_stop(s->cfg->worker, i, &stop))
			say_stop(s, i, &stop);
	for (unsigned int i = 0; i < s->cfg->cmd->n_hbas; i++)
		if (s->peer[i].state == PEER_UP && mp_worker_is_broken(s->cfg->worker, i))
			give_up(s, i, -EPROTO, "the proxy broke the protocol on its ring");
}

static unsigned int count(const struct serve *s, enum peer_state state)
{
	unsigned int n = 0;

	for (unsigned int i = 0; i < s->cfg->cmd->n_hbas; i++)
		n += s->peer[i].state == state;
	return n;
}

static int check_all_met(struct serve *s)
{
	if (s->all_met || count(s, PEER_WAITING) > 0)
		return 0;
	s->all_met = true;
	return s->cfg->all_met ? s->cfg->all_met() : 0;
}

/* Returns whether a signal asked to end. */
static bool wait_and_handle(struct serve *s)
{
	unsigned int n = s->cfg->cmd->n_hbas;

	for (unsigned int i = 0; i < n; i++)
		s->pfd[i] = (struct pollfd){.fd = s->peer[i].state == PEER_GONE ? -1
										: s->peer[i].sock,
					    .events = POLLIN};
	s->pfd[n] = (struct pollfd){.fd = mp_worker_notify_fd(s->cfg->worker), .events = POLLIN};
	s->pfd[n + 1] = (struct pollfd){.fd = s->cfg->signal_fd, .events = POLLIN};
	if (poll(s->pfd, n + 2, -1) < 0)
		return false; /* EINTR; look again */
	if (s->pfd[n + 1].revents)
		return true;
	for (unsigned int i = 0; i < n; i++) {
		if (!s->pfd[i].revents)
			continue;
		if (s->peer[i].state == PEER_WAITING)
			meet(s, i);
		else
			listen_to(s, i);
	}
	if (s->pfd[n].revents)
		handle_notice(s);
	return false;
}

int mp_serve(const struct mp_serve_cfg *cfg)
{
	MP_CLEANUP_FREE struct serve *s = calloc(1, sizeof(*s));
	bool stop = false;
	int r = 0;

	if (!s)
		return mp_err_origin(-ENOMEM);
	s->cfg = cfg;
	for (unsigned int i = 0; i < cfg->cmd->n_hbas; i++)
		s->peer[i].sock = cfg->cmd->hba[i].fd;
	while (r == 0 && !stop && count(s, PEER_GONE) < cfg->cmd->n_hbas) {
		stop = wait_and_handle(s);
		r = check_all_met(s);
	}
	for (unsigned int i = 0; i < cfg->cmd->n_hbas; i++)
		if (s->peer[i].state != PEER_GONE)
			leave(s, i);
	return r < 0 ? mp_err_trace(r) : s->result;
}
