/* SPDX-License-Identifier: BSD-3-Clause */
#include "remote-worker/monitor/monitor.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/err.h"
#include "base/log.h"
#include "remote-worker/monitor/qmp.h"
#include "remote-worker/supervisor/signals.h"

/* The QEMU whose monitor this is like. */
#define QEMU_MAJOR 7
#define QEMU_MINOR 2

/* -- the worker --------------------------------------------------------------- */

json_t *mp_qmp_worker_fds(struct mp_mon_call *call, const char *name, json_t *args,
			  const struct mp_fds *fds)
{
	struct mp_monitor *m = call->opaque;
	struct mp_rpc_request req = {.name = name, .args = args, .fds = fds};
	struct mp_rpc_error error;
	json_t *value = NULL;
	int r;

	r = mp_rpc_call(mp_supervisor_rpc(m->sup), &req, &value, &error);
	json_decref(args);
	if (r < 0)
		return mp_mon_fail(call, mp_mon_class_of(error.klass), "%s", error.desc);
	return value;
}

json_t *mp_qmp_worker(struct mp_mon_call *call, const char *name, json_t *args)
{
	return mp_qmp_worker_fds(call, name, args, NULL);
}

json_t *mp_qmp_snapshot(struct mp_mon_call *call)
{
	return mp_qmp_worker(call, "snapshot", NULL);
}

json_t *mp_qmp_done(json_t *value)
{
	if (!value)
		return NULL;
	json_decref(value);
	return json_object();
}

const char *mp_qmp_text(const json_t *object, const char *name)
{
	const char *text = json_string_value(json_object_get(object, name));

	return text ? text : "";
}

json_int_t mp_qmp_int(const json_t *object, const char *name)
{
	return json_integer_value(json_object_get(object, name));
}

bool mp_qmp_bool(const json_t *object, const char *name)
{
	return json_is_true(json_object_get(object, name));
}

json_t *mp_qmp_list(const json_t *object, const char *name)
{
	return json_object_get(object, name);
}

/* -- events --------------------------------------------------------------------- */

void mp_qmp_say_end(struct mp_monitor *m, bool guest, const char *reason)
{
	bool said;

	pthread_mutex_lock(&m->lock);
	said = m->said_end;
	m->said_end = true;
	pthread_mutex_unlock(&m->lock);
	if (!said)
		mp_mon_event(m->mon, "SHUTDOWN",
			     json_pack("{s:b, s:s}", "guest", guest, "reason", reason));
}

static void note_io_error(struct mp_monitor *m, const json_t *data)
{
	json_int_t unit = mp_qmp_int(data, "unit");
	bool stop = strcmp(mp_qmp_text(data, "action"), "stop") == 0;

	if (!stop || unit < 0 || unit >= (json_int_t)MP_MONITOR_MAX_UNITS)
		return;
	pthread_mutex_lock(&m->lock);
	m->io_status[unit] = mp_qmp_bool(data, "nospace") ? MP_IO_NOSPACE : MP_IO_FAILED;
	pthread_mutex_unlock(&m->lock);
}

static void io_error(struct mp_monitor *m, const json_t *data)
{
	const char *node = mp_qmp_text(data, "node");
	json_t *event;

	note_io_error(m, data);
	event = json_pack("{s:s, s:s, s:s, s:b, s:s}", "device", mp_qmp_text(data, "drive"),
			  "operation", mp_qmp_text(data, "operation"), "action",
			  mp_qmp_text(data, "action"), "nospace", mp_qmp_bool(data, "nospace"),
			  "reason", mp_qmp_text(data, "reason"));
	if (*node)
		json_object_set_new(event, "node-name", json_string(node));
	mp_mon_event(m->mon, "BLOCK_IO_ERROR", event);
}

/* For the first of the requests that failed. */
static void stopped(struct mp_monitor *m, const json_t *data)
{
	bool said;

	pthread_mutex_lock(&m->lock);
	said = m->said_stop;
	m->said_stop = true;
	pthread_mutex_unlock(&m->lock);
	if (!said)
		mp_mon_event(m->mon, "STOP", NULL);
}

static void disk_gone(struct mp_monitor *m, const json_t *data)
{
	char room[64], path[128];
	const char *id = mp_qmp_text(data, "id"), *qdev = mp_qmp_qdev(data, room);
	json_t *event;

	mp_hotplug_gone(&m->hotplug, mp_qmp_int(data, "unit"));
	snprintf(path, sizeof(path), "%s%s", *id ? "/machine/peripheral/" : "", qdev);
	event = json_pack("{s:s}", "path", path);
	if (*id)
		json_object_set_new(event, "device", json_string(id));
	mp_mon_event(m->mon, "DEVICE_DELETED", event);
}

void mp_qmp_quiet(struct mp_monitor *m, const json_t *unit, bool quiet)
{
	pthread_mutex_lock(&m->lock);
	m->is_quiet = quiet;
	m->quiet_unit = mp_qmp_int(unit, "unit");
	pthread_mutex_unlock(&m->lock);
}

void mp_qmp_say_tray(struct mp_monitor *m, const json_t *unit, bool open)
{
	char room[64];

	mp_mon_event(m->mon, "DEVICE_TRAY_MOVED",
		     json_pack("{s:s, s:b, s:s}", "device", mp_qmp_drive_name(m, unit), "tray-open",
			       open, "id", mp_qmp_qdev(unit, room)));
}

/* Comes before the answer of the call that has moved it. */
static void tray_moved(struct mp_monitor *m, const json_t *data)
{
	bool quiet;

	pthread_mutex_lock(&m->lock);
	quiet = m->is_quiet && m->quiet_unit == mp_qmp_int(data, "unit");
	pthread_mutex_unlock(&m->lock);
	if (!quiet)
		mp_qmp_say_tray(m, data, mp_qmp_bool(data, "open"));
}

/* The worker has ended in order, and nobody has asked for it: its proxies have gone. */
static void end(struct mp_monitor *m, const json_t *data)
{
	mp_qmp_say_end(m, true, "guest-shutdown");
}

void mp_monitor_event(struct mp_monitor *m, const char *name, const json_t *data)
{
	static const struct {
		const char *name;
		void (*handle)(struct mp_monitor *m, const json_t *data);
	} events[] = {
		{"io-error", io_error},     {"stopped", stopped}, {"disk-gone", disk_gone},
		{"tray-moved", tray_moved}, {"end", end},
	};

	for (size_t i = 0; m && i < sizeof(events) / sizeof(events[0]); i++)
		if (strcmp(events[i].name, name) == 0)
			events[i].handle(m, data);
}

void mp_monitor_signalled(struct mp_monitor *m, int sig)
{
	if (m)
		mp_qmp_say_end(m, false, "host-signal");
}

/* -- set-up ----------------------------------------------------------------------- */

static int fail(char *error, size_t error_len, const char *what, int r)
{
	const char *way = r == -EADDRINUSE     ? "; a file that is no socket is there"
			  : r == -ENAMETOOLONG ? "; a socket's path has at most 107 characters"
					       : "";

	snprintf(error, error_len, "monitor %s: %s%s", what, strerror(-r), way);
	return mp_err_origin(r);
}

static bool is_listening(int fd)
{
	socklen_t len = sizeof(int);
	int on = 0;

	return getsockopt(fd, SOL_SOCKET, SO_ACCEPTCONN, &on, &len) == 0 && on;
}

static int add_fd(struct mp_monitor *m, const struct mp_opt_monitor *o,
		  const struct mp_mon_port *port)
{
	if (is_listening(o->fd))
		return mp_mon_add_listener_take(m->mon, o->fd, port);
	return mp_mon_add_client_take(m->mon, o->fd, o->fd, port);
}

static int add_stdio(struct mp_monitor *m, const struct mp_mon_port *port)
{
	int in = dup(STDIN_FILENO), out = dup(STDOUT_FILENO);

	if (in < 0 || out < 0)
		return mp_err_origin(-errno);
	return mp_mon_add_client_take(m->mon, in, out, port);
}

/*
 * Somebody is connected, or will be as soon as the server takes him. Signals are held
 * back: -EINTR one has come.
 */
static int wait_for_first(const int *fd, int n, const char *name)
{
	const sigset_t set = mp_signals_to_end();
	MP_CLEANUP_FD int signal_fd = signalfd(-1, &set, SFD_CLOEXEC);
	struct pollfd pfd[MP_MON_MAX_ADDRESSES + 1];

	if (signal_fd < 0)
		return mp_err_origin(-errno);
	for (int i = 0; i < n; i++)
		pfd[i] = (struct pollfd){.fd = fd[i], .events = POLLIN};
	pfd[n] = (struct pollfd){.fd = signal_fd, .events = POLLIN};
	mp_info("waiting for a client at %s", name);
	while (poll(pfd, (nfds_t)n + 1, -1) < 0)
		mp_assert(errno == EINTR);
	return pfd[n].revents ? mp_err_origin(-EINTR) : 0;
}

static int add_path(struct mp_monitor *m, const struct mp_opt_monitor *o,
		    const struct mp_mon_port *port)
{
	int fd, r = mp_mon_listen_unix(o->path, &fd);

	if (r < 0)
		return mp_err_trace(r);
	if (o->wait)
		r = wait_for_first(&fd, 1, o->path);
	if (r < 0)
		close(fd);
	else
		r = mp_mon_add_listener_take(m->mon, fd, port);
	if (r < 0)
		unlink(o->path);
	return r < 0 ? mp_err_trace(r) : 0;
}

static int add_tcp(struct mp_monitor *m, const struct mp_opt_monitor *o, struct mp_mon_port *port,
		   char *error, size_t error_len)
{
	const struct mp_mon_tcp at = {
		.host = o->host, .port = o->port, .no_ipv4 = o->no_ipv4, .no_ipv6 = o->no_ipv6};
	char why[256], address[128], name[160];
	int fd[MP_MON_MAX_ADDRESSES], n = mp_mon_listen_tcp(&at, fd, why, sizeof(why)), number = 0;

	if (n < 0) {
		snprintf(error, error_len, "monitor tcp:%s:%s: %s", o->host, o->port, why);
		return mp_err_trace(n);
	}
	mp_mon_tcp_name(fd[0], address, sizeof(address));
	snprintf(name, sizeof(name), "tcp:%s,server=on", address);
	port->filename = name;
	if (o->wait)
		number = wait_for_first(fd, n, address);
	else if (strcmp(o->port, "0") == 0)
		mp_info("monitor %s listens at %s", o->id, address);
	if (number < 0)
		close(fd[0]);
	else
		number = mp_mon_add_listener_take(m->mon, fd[0], port);
	for (int i = 1; i < n; i++) {
		if (number >= 0)
			mp_mon_add_address_take(m->mon, number, fd[i]);
		else
			close(fd[i]);
	}
	return number < 0 ? fail(error, error_len, address, number) : 0;
}

static int add_port(struct mp_monitor *m, const struct mp_opt_monitor *o, char *error,
		    size_t error_len)
{
	struct mp_mon_port port = {.is_qmp = o->is_qmp, .pretty = o->pretty, .label = o->id};
	char name[256];
	int r;

	if (o->host)
		return mp_err_trace(add_tcp(m, o, &port, error, error_len));
	if (o->path)
		snprintf(name, sizeof(name), "unix:%s,server=on", o->path);
	else if (o->is_stdio)
		snprintf(name, sizeof(name), "stdio");
	else
		snprintf(name, sizeof(name), "fd=%d", o->fd);
	port.filename = name;
	r = o->path       ? add_path(m, o, &port)
	    : o->is_stdio ? add_stdio(m, &port)
			  : add_fd(m, o, &port);
	return r < 0 ? fail(error, error_len, o->path ? o->path : name, r) : 0;
}

static int set_up(struct mp_monitor *m, const struct mp_monitor_cfg *how)
{
	struct mp_mon_cfg cfg = {
		.opaque = m,
		.version = {.major = QEMU_MAJOR,
			    .minor = QEMU_MINOR,
			    .package = "mpring " MPRING_VERSION},
		.commands = mp_qmp_commands,
		.hmp = mp_hmp_commands,
		.schema = mp_qmp_schema,
		.max_request_bytes = (size_t)how->cmd->monitor_request_mib << 20,
		.max_unread_bytes = (size_t)how->cmd->monitor_unread_kib << 10,
		.max_nesting = how->cmd->monitor_nesting,
		.max_clients = how->cmd->monitor_clients,
	};
	int r;

	m->cmd = how->cmd;
	m->inserting = json_object();
	pthread_mutex_init(&m->lock, NULL);
	r = mp_hotplug_init(&m->hotplug, how->argc, how->argv);
	return r < 0 ? mp_err_trace(r) : mp_err_trace(mp_mon_create(&cfg, &m->mon));
}

int mp_monitor_create(const struct mp_monitor_cfg *cfg, struct mp_monitor **ret_m, char *error,
		      size_t error_len)
{
	struct mp_monitor *m = calloc(1, sizeof(*m));
	int r;

	if (!m)
		return fail(error, error_len, "server", -ENOMEM);
	r = set_up(m, cfg);
	if (r < 0)
		fail(error, error_len, "server", r);
	for (unsigned int i = 0; r == 0 && i < cfg->cmd->n_monitors; i++) {
		r = add_port(m, &cfg->cmd->monitor[i], error, error_len);
		m->n_ports += r == 0;
	}
	if (r < 0) {
		mp_monitor_destroy(m);
		return mp_err_trace(r);
	}
	*ret_m = m;
	return 0;
}

/*
 * Those that we made: another's, which was in our way, is another's. The worker, forked
 * off the process that listened, has no use for the files.
 */
static void remove_sockets(struct mp_monitor *m)
{
	for (; m->n_ports > 0; m->n_ports--)
		if (m->cmd->monitor[m->n_ports - 1].path)
			unlink(m->cmd->monitor[m->n_ports - 1].path);
}

struct mp_monitor *mp_monitor_destroy(struct mp_monitor *m)
{
	if (!m)
		return NULL;
	m->mon = mp_mon_destroy(m->mon, mp_clock_ns());
	remove_sockets(m);
	mp_hotplug_fini(&m->hotplug);
	json_decref(m->inserting);
	pthread_mutex_destroy(&m->lock);
	free(m);
	return NULL;
}

int mp_monitor_started(struct mp_monitor *m, struct mp_supervisor *s)
{
	int r;

	if (!m)
		return 0;
	m->sup = s;
	m->hotplug.sup = s;
	r = mp_mon_start(m->mon);
	if (r < 0)
		mp_error("cannot start the monitor: %s", strerror(-r));
	return mp_err_trace(r);
}

void mp_monitor_ended(struct mp_monitor *m)
{
	if (!m)
		return;
	/* Without a word: it has died. */
	mp_qmp_say_end(m, false, "host-error");
	m->mon = mp_mon_destroy(m->mon, mp_clock_ns() + m->cmd->monitor_farewell_ns);
	remove_sockets(m);
}
