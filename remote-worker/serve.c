/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Each device has one socket and goes through
 *
 *	listening	nobody has connected; only if its socket is a path's
 *	waiting		nothing has come, or not enough to know who it is (meet.h)
 *	up		session established, attached to the polling core
 *	stock		the same for a stock proxy: here it is the core that reads the socket
 *	gone		closed by the proxy, or given up
 *
 * A session begins when its socket becomes readable, not in the order of the
 * command line: QEMU makes one device ready, guest memory included, before it
 * starts with the next. Once begun, each step of a handshake has a time limit.
 *
 * A table of guest memory is mapped here, handed to the core, and only when the
 * core has it is the old one unmapped and the proxy told: then no DMA into the
 * old table can come. A table that can't be mapped leaves the old one in use,
 * and the proxy gets the errno. A stock proxy's table comes here through the core.
 *
 * A device that listens does so until somebody has come, or, with
 * auto-shutdown=off, again after he has left; proxies that come too early wait.
 *
 * When the last device is gone the worker ends. A socket that closes is the
 * normal end of a guest; so the worker needs no other sign of QEMU's death.
 */
#include "remote-worker/serve.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/err.h"
#include "base/log.h"
#include "remote-worker/core.h"
#include "remote-worker/listen.h"
#include "remote-worker/meet.h"
#include "remote-worker/stock.h"
#include "remote-worker/supervisor/supervisor.h"

#define MUTE_NS (MP_NS_PER_SEC / 10) /* after accept() has failed, for want of fds e.g. */

enum peer_state { PEER_LISTENING, PEER_WAITING, PEER_UP, PEER_STOCK, PEER_GONE };

struct peer {
	enum peer_state state;
	int listener; /* -1: none, or not any more */
	uint64_t mute_until_ns; /* of the listener */
	int sock; /* owned while waiting, the session's or the front's later */
	struct mp_meet meet;
	struct mp_guest_table *table;
	struct mp_stock_log refusals, unmapped;
};

struct serve {
	const struct mp_serve_cfg *cfg;
	struct peer peer[MP_CMDLINE_MAX_HBAS];
	struct pollfd pfd[MP_CMDLINE_MAX_HBAS + 3];
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

	if (p->state == PEER_UP || p->state == PEER_STOCK)
		mp_worker_detach(s->cfg->worker, i);
	else
		mp_fd_close(&p->sock);
	mp_meet_fini(&p->meet);
	p->table = mp_guest_table_destroy(p->table);
	mp_notice_clear(mp_worker_notice(s->cfg->worker, i));
	p->state = p->listener >= 0 ? PEER_LISTENING : PEER_GONE;
	p->sock = -1;
}

static void give_up(struct serve *s, unsigned int i, int r, const char *why)
{
	bool again = s->peer[i].listener >= 0;

	mp_error("%s: %s (%s); the device %s", id_of(s, i), why, strerror(-r),
		 again ? "waits for another proxy" : "is gone");
	if (!again)
		s->result = r;
	leave(s, i);
}

static void accept_rings(struct serve *s, unsigned int i, struct mp_mpqemu_msg *hello)
{
	struct mp_session_cfg cfg = {.features = MP_FEAT_DMA_REPORT | MP_FEAT_PAUSE |
						 MP_FEAT_IO_STOP,
				     .n_slots = MP_SESSION_DEFAULT_REP_SLOTS,
				     .timeout_ns = s->cfg->cmd->proxy_timeout_ns,
				     .bell_fd = mp_worker_bell_fd(s->cfg->worker),
				     .hello = hello};
	MP_CLEANUP(mp_session_fini) struct mp_session session = MP_SESSION_NULL;
	struct mp_wire_worker_page page;
	struct mp_session_device device;
	struct peer *p = &s->peer[i];
	const char *why = "";
	int r;

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
	mp_debug("%s: connected by rings", id_of(s, i));
}

static void accept_stock(struct serve *s, unsigned int i, struct mp_mpqemu_msg *first)
{
	struct peer *p = &s->peer[i];
	int r;

	r = mp_worker_attach_stock(s->cfg->worker, i, p->sock, first);
	if (r < 0) {
		give_up(s, i, r, "no memory for the proxy");
		return;
	}
	p->state = PEER_STOCK;
	mp_debug("%s: connected by the socket protocol of stock QEMU", id_of(s, i));
}

static void meet(struct serve *s, unsigned int i)
{
	struct peer *p = &s->peer[i];
	struct mp_mpqemu_msg first = {.n_fds = 0};
	const char *why = "";
	int r;

	r = mp_meet_go_on(&p->meet, p->sock, &first, &why);
	/* Who only looked whether somebody listens was no proxy. */
	if (s->cfg->cmd->auto_shutdown && r != MP_MEET_WAIT &&
	    (r != -ECONNRESET || p->meet.offered))
		mp_fd_close(&p->listener);
	if (r == -ECONNRESET)
		leave(s, i);
	else if (r < 0)
		give_up(s, i, r, why);
	else if (r == MP_MEET_RINGS)
		accept_rings(s, i, &first);
	else if (r == MP_MEET_STOCK)
		accept_stock(s, i, &first);
	mp_mpqemu_close_fds(&first);
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
				s->cfg->cmd->proxy_timeout_ns);
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
	r = mp_session_send_ack(p->sock, status, s->cfg->cmd->proxy_timeout_ns);
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
	const struct mp_unit *u = mp_core_unit_at(mp_worker_core(s->cfg->worker), i, stop->target,
						  stop->lun);
	const struct mp_opt_drive *drive = u && u->medium ? u->medium->drive : NULL;

	mp_error("%s: cannot %s drive %s (%s): %s; %s", id_of(s, i),
		 stop->reading ? "read" : "write", drive ? mp_opt_drive_name(drive) : "",
		 drive && drive->file ? drive->file : "no file", strerror(-stop->error),
		 s->peer[i].state == PEER_STOCK
			 ? "its disks stand still until a monitor says cont"
			 : "QEMU's machine is stopped until its monitor says cont");
}

static void map_stock_ram(struct serve *s, unsigned int i, struct mp_mpqemu_msg *msg)
{
	struct mp_guest_table *table = NULL;
	struct peer *p = &s->peer[i];
	uint64_t n_unsaid;
	int r;

	r = mp_stock_map(msg, &table);
	if (r < 0 && mp_stock_may_say(&p->unmapped, &n_unsaid))
		mp_error("%s: cannot map guest memory: %s; the device reaches none of it",
			 id_of(s, i), strerror(-r));
	mp_worker_set_ram(s->cfg->worker, i, table);
	mp_guest_table_destroy(p->table);
	p->table = table;
}

static void handle_stock_notice(struct serve *s, unsigned int i, struct mp_notice *notice)
{
	struct mp_notice_refusal refusal;
	struct mp_mpqemu_msg *ram = mp_notice_take_ram(notice);

	if (ram)
		map_stock_ram(s, i, ram);
	if (mp_notice_take_refusal(notice, &refusal))
		mp_stock_say(&s->peer[i].refusals, id_of(s, i), &refusal);
}

static void handle_end(struct serve *s, unsigned int i, enum mp_notice_end end)
{
	if (end == MP_NOTICE_CLOSED)
		leave(s, i);
	else if (s->peer[i].state == PEER_UP)
		give_up(s, i, -EPROTO, "the proxy broke the protocol on its ring");
	else
		give_up(s, i, -EPROTO, "the proxy broke the protocol on its socket");
}

static void handle_notice(struct serve *s)
{
	struct mp_notice *notice;
	struct mp_scsi_stop stop;

	mp_bell_drain(mp_worker_notify_fd(s->cfg->worker));
	for (unsigned int i = 0; i < s->cfg->cmd->n_hbas; i++) {
		notice = mp_worker_notice(s->cfg->worker, i);
		if (mp_notice_take_stop(notice, &stop))
			say_stop(s, i, &stop);
		if (s->peer[i].state == PEER_STOCK)
			handle_stock_notice(s, i, notice);
		if ((s->peer[i].state == PEER_UP || s->peer[i].state == PEER_STOCK) &&
		    mp_notice_ended(notice) != MP_NOTICE_NO_END)
			handle_end(s, i, mp_notice_ended(notice));
	}
	mp_office_tell(s->cfg->office);
}

static unsigned int count(const struct serve *s, enum peer_state state)
{
	unsigned int n = 0;

	for (unsigned int i = 0; i < s->cfg->cmd->n_hbas; i++)
		n += s->peer[i].state == state;
	return n;
}

/* Who may still meet a proxy needs what the narrower sandbox hasn't. */
static int check_all_met(struct serve *s)
{
	if (s->all_met || count(s, PEER_WAITING) > 0)
		return 0;
	for (unsigned int i = 0; i < s->cfg->cmd->n_hbas; i++)
		if (s->peer[i].listener >= 0)
			return 0;
	s->all_met = true;
	return s->cfg->all_met ? s->cfg->all_met() : 0;
}

/* A stock proxy's socket is the core's. */
static struct pollfd listen_fd(struct peer *p)
{
	bool ours = p->state == PEER_WAITING || p->state == PEER_UP;
	int fd = ours ? p->sock : -1;

	if (p->mute_until_ns && p->mute_until_ns <= mp_clock_ns())
		p->mute_until_ns = 0;
	if (p->state == PEER_LISTENING && !p->mute_until_ns)
		fd = p->listener;

	return (struct pollfd){.fd = fd, .events = POLLIN};
}

/* A half message is late, or a listener is heard again; UINT64_MAX neither. */
static uint64_t deadline_ns(const struct peer *p)
{
	if (p->state == PEER_WAITING)
		return mp_meet_deadline_ns(&p->meet);
	return p->state == PEER_LISTENING && p->mute_until_ns ? p->mute_until_ns : UINT64_MAX;
}

/* Until the first peer's is over, or the office looks again; -1 neither. */
static int poll_ms(const struct serve *s)
{
	uint64_t until_ns = mp_office_deadline_ns(s->cfg->office), now_ns;

	for (unsigned int i = 0; i < s->cfg->cmd->n_hbas; i++)
		if (deadline_ns(&s->peer[i]) < until_ns)
			until_ns = deadline_ns(&s->peer[i]);
	if (until_ns == UINT64_MAX)
		return -1;
	now_ns = mp_clock_ns();
	return until_ns > now_ns ? (int)((until_ns - now_ns) / 1000000 + 1) : 0;
}

/* One proxy, or, if the worker stays when it has left, one after the other; see meet(). */
static void admit(struct serve *s, unsigned int i)
{
	struct peer *p = &s->peer[i];
	int fd = mp_listen_accept(p->listener);

	if (fd < 0 && fd != -EINTR && fd != -ECONNABORTED)
		p->mute_until_ns = mp_clock_ns() + MUTE_NS;
	if (fd < 0)
		return;
	p->sock = fd;
	p->state = PEER_WAITING;
	p->meet = (struct mp_meet){.timeout_ns = s->cfg->cmd->proxy_timeout_ns};
}

static void handle_peer(struct serve *s, unsigned int i)
{
	const struct peer *p = &s->peer[i];

	if (p->state == PEER_LISTENING && s->pfd[i].revents)
		admit(s, i);
	else if (p->state == PEER_WAITING &&
		 (s->pfd[i].revents || mp_meet_deadline_ns(&p->meet) != UINT64_MAX))
		meet(s, i);
	else if (p->state == PEER_UP && s->pfd[i].revents)
		listen_to(s, i);
}

static void take_signal(const struct serve *s)
{
	struct signalfd_siginfo info;

	if (read(s->cfg->signal_fd, &info, sizeof(info)) == sizeof(info) &&
	    info.ssi_signo == MP_SUPERVISOR_DEATH_SIGNAL)
		mp_office_orphan(s->cfg->office);
}

/* Returns whether a signal or the supervisor asked to end, or there is no supervisor any more. */
static bool wait_and_handle(struct serve *s)
{
	unsigned int n = s->cfg->cmd->n_hbas;

	for (unsigned int i = 0; i < n; i++)
		s->pfd[i] = listen_fd(&s->peer[i]);
	s->pfd[n] = (struct pollfd){.fd = mp_worker_notify_fd(s->cfg->worker), .events = POLLIN};
	s->pfd[n + 1] = (struct pollfd){.fd = s->cfg->signal_fd, .events = POLLIN};
	s->pfd[n + 2] = (struct pollfd){.fd = mp_office_fd(s->cfg->office), .events = POLLIN};
	if (poll(s->pfd, n + 3, poll_ms(s)) < 0)
		return false; /* EINTR; look again */
	if (s->pfd[n + 1].revents) {
		take_signal(s);
		return true;
	}
	for (unsigned int i = 0; i < n; i++)
		handle_peer(s, i);
	if (s->pfd[n].revents)
		handle_notice(s);
	return mp_office_poll(s->cfg->office, s->pfd[n + 2].revents != 0) != 0;
}

static void begin(struct serve *s)
{
	const struct mp_opt_hba *hba = s->cfg->cmd->hba;

	for (unsigned int i = 0; i < s->cfg->cmd->n_hbas; i++)
		s->peer[i] = (struct peer){
			.state = hba[i].listens ? PEER_LISTENING : PEER_WAITING,
			.listener = hba[i].listens ? hba[i].fd : -1,
			.sock = hba[i].listens ? -1 : hba[i].fd,
			.meet.timeout_ns = s->cfg->cmd->proxy_timeout_ns,
		};
}

static bool is_over(const struct serve *s)
{
	return s->cfg->cmd->auto_shutdown && count(s, PEER_GONE) == s->cfg->cmd->n_hbas;
}

int mp_serve(const struct mp_serve_cfg *cfg)
{
	MP_CLEANUP_FREE struct serve *s = calloc(1, sizeof(*s));
	bool stop = false;
	int r = 0;

	if (!s)
		return mp_err_origin(-ENOMEM);
	s->cfg = cfg;
	begin(s);
	while (r == 0 && !stop && !is_over(s)) {
		stop = wait_and_handle(s);
		r = check_all_met(s);
	}
	for (unsigned int i = 0; i < cfg->cmd->n_hbas; i++) {
		mp_fd_close(&s->peer[i].listener);
		if (s->peer[i].state != PEER_GONE)
			leave(s, i);
	}
	return r < 0 ? mp_err_trace(r) : s->result;
}
