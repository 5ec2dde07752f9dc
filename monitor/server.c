/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Threads, and how a request passes through them.
 *
 * The I/O thread polls and never waits for anything else: it takes clients, turns
 * their bytes into requests (client.c), and writes what stands in their outputs.
 * A request goes into its client's queue, one for commands in order and one for
 * those out of band. Each has a dispatcher, which takes from the client that was
 * served longest ago, runs the command without the lock, and puts the answer into
 * the client's output.
 *
 *	bytes -> input -> request -> queue[lane] -> handler -> output -> bytes
 *	I/O thread                    lock          dispatcher  lock     I/O thread
 *
 * Nothing that a client sends or doesn't read can grow without end: with a full
 * queue, or too much output, it isn't read, so it waits in its own socket. Only
 * events come unasked; they have a bound of their own, see mp_mon_client_put().
 *
 * Whether a client has negotiated changes with its answer, under one lock, so no
 * event comes between. A client goes when nothing of it runs (sweep()); only the
 * I/O thread changes the list.
 *
 * The end: running commands are waited for, those in queues dropped, outputs
 * written until the caller's deadline. A TCP socket that is closed with input
 * unread resets the connection, and what the peer's kernel hasn't got is lost. So
 * there, written is what was acknowledged; nothing tells of that, it is asked for.
 */
#include "monitor/mon.h"

#include <errno.h>
#include <linux/sockios.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/err.h"
#include "base/tcp.h"
#include "base/thread.h"
#include "monitor/internal.h"

#define MUTE_NS (MP_NS_PER_SEC / 10) /* after accept() has failed, for want of fds e.g. */
#define ACK_MS  10 /* between looks at what was acknowledged */

void mp_mon_wake(struct mp_mon *mon)
{
	uint64_t one = 1;

	/* Fails only when the count is at its end, and then it is readable anyway. */
	mp_assert(write(mon->wake_fd, &one, sizeof(one)) == sizeof(one) || errno == EAGAIN);
}

/* --- running requests --- */

static bool is_runnable(const struct mp_mon_client *c, enum mp_mon_lane lane)
{
	return c->queue[lane].first &&
	       (c->out_dead || mp_mon_buf_len(&c->output) <= c->mon->cfg.max_unread_bytes);
}

/* Under the lock: whoever was served longest ago and has a request. */
static struct mp_mon_client *next_client(const struct mp_mon *mon, enum mp_mon_lane lane)
{
	struct mp_mon_client *next = NULL;

	for (struct mp_mon_client *c = mon->clients; c; c = c->next)
		if (is_runnable(c, lane) && (!next || c->served < next->served))
			next = c;
	return next;
}

static struct mp_mon_request *dequeue(struct mp_mon_queue *q)
{
	struct mp_mon_request *req = q->first;

	q->first = req->next;
	if (!q->first)
		q->last = NULL;
	q->n--;
	return req;
}

void mp_mon_run(struct mp_mon_client *c, struct mp_mon_request *req)
{
	MP_CLEANUP(mp_mon_buf_fini) struct mp_mon_buf out = MP_MON_BUF_NULL;

	if (c->from->port.is_qmp)
		mp_qmp_run(c, req, &out);
	else
		mp_hmp_run(c, req, &out);
	pthread_mutex_lock(&c->mon->lock);
	mp_mon_client_put(c, &out);
	if (!req->oob && c->about_to_negotiate) {
		c->negotiated = true;
		c->oob = c->about_to_oob;
		c->about_to_negotiate = false;
	}
	pthread_mutex_unlock(&c->mon->lock);
	mp_mon_request_destroy(req);
}

void mp_mon_accept_request(struct mp_mon_client *c, struct mp_mon_request *req)
{
	struct mp_mon_queue *q =
		&c->queue[req->oob && !req->error[0] ? MP_MON_OUT_OF_BAND : MP_MON_IN_ORDER];

	pthread_mutex_lock(&c->mon->lock);
	if (q->last)
		q->last->next = req;
	else
		q->first = req;
	q->last = req;
	q->n++;
	pthread_cond_broadcast(&c->mon->work);
	pthread_mutex_unlock(&c->mon->lock);
}

static void dispatch(struct mp_mon *mon, enum mp_mon_lane lane)
{
	struct mp_mon_request *req;
	struct mp_mon_client *c;

	pthread_mutex_lock(&mon->lock);
	while (!mon->no_more_commands) {
		c = next_client(mon, lane);
		if (!c) {
			pthread_cond_wait(&mon->work, &mon->lock);
			continue;
		}
		req = dequeue(&c->queue[lane]);
		c->queue[lane].running = true;
		c->served = ++mon->n_served;
		pthread_mutex_unlock(&mon->lock);
		mp_mon_run(c, req);
		pthread_mutex_lock(&mon->lock);
		c->queue[lane].running = false;
		mp_mon_wake(mon);
	}
	pthread_mutex_unlock(&mon->lock);
}

static void *dispatch_in_order(void *mon)
{
	dispatch(mon, MP_MON_IN_ORDER);
	return NULL;
}

static void *dispatch_out_of_band(void *mon)
{
	dispatch(mon, MP_MON_OUT_OF_BAND);
	return NULL;
}

/* --- the I/O thread --- */

/* What one turn of the I/O thread waits for: the wake-up, listeners, two fds a client. */
struct turn {
	struct pollfd *pfd;
	size_t n, room;
	int timeout_ms;
};

static void watch(struct turn *t, int fd, short events)
{
	struct pollfd *more;

	if (t->n == t->room) {
		more = realloc(t->pfd, (t->room * 2 + 64) * sizeof(*more));
		mp_assert(more); /* a few kilobytes, at most */
		t->pfd = more;
		t->room = t->room * 2 + 64;
	}
	t->pfd[t->n++] = (struct pollfd){.fd = fd, .events = events};
}

static int ms_until(uint64_t when_ns, uint64_t now_ns)
{
	return when_ns > now_ns ? (int)((when_ns - now_ns) / 1000000) + 1 : 0;
}

static void limit(struct turn *t, int ms)
{
	if (t->timeout_ms < 0 || ms < t->timeout_ms)
		t->timeout_ms = ms;
}

static void watch_listener(struct turn *t, const struct mp_mon *mon,
			   const struct mp_mon_listener *l)
{
	uint64_t now_ns = mp_clock_ns();
	bool full = l->n_clients >= mon->cfg.max_clients, mute = l->mute_until_ns > now_ns;

	for (unsigned int i = 0; i < l->n_fds; i++)
		watch(t, full || mute || mon->no_more_input ? -1 : l->fd[i], POLLIN);
	if (mute)
		limit(t, ms_until(l->mute_until_ns, now_ns));
}

static void watch_client(struct turn *t, const struct mp_mon *mon, const struct mp_mon_client *c)
{
	bool in = mp_mon_client_wants_input(c) && !mon->no_more_input;
	bool out = !c->out_dead && mp_mon_buf_len(&c->output) > 0;

	/* A closed peer is reported again and again, so only until it is known. */
	watch(t, in || (!c->eof && !c->hung_up) ? c->in : -1, in ? POLLIN : 0);
	watch(t, out ? c->out : -1, POLLOUT);
}

static void watch_all(struct turn *t, struct mp_mon *mon)
{
	t->n = 0;
	t->timeout_ms = -1;
	watch(t, mon->wake_fd, POLLIN);
	pthread_mutex_lock(&mon->lock);
	for (unsigned int i = 0; i < mon->n_listeners; i++)
		watch_listener(t, mon, &mon->listener[i]);
	for (struct mp_mon_client *c = mon->clients; c; c = c->next)
		watch_client(t, mon, c);
	if (mon->no_more_input) {
		limit(t, ms_until(mon->end_ns, mp_clock_ns()));
		limit(t, ACK_MS);
	}
	pthread_mutex_unlock(&mon->lock);
}

static void note_met(struct mp_mon_listener *l)
{
	uint64_t one = 1;

	mp_assert(write(l->met_fd, &one, sizeof(one)) == sizeof(one) || errno == EAGAIN);
}

/* Takes the fds, also when there is no memory. */
static int add_client(struct mp_mon *mon, struct mp_mon_listener *l, int in, int out)
{
	struct mp_mon_client *c = mp_mon_client_create(mon, l, in, out);

	if (!c) {
		if (out != in)
			close(out);
		close(in);
		return mp_err_origin(-ENOMEM);
	}
	pthread_mutex_lock(&mon->lock);
	c->next = mon->clients;
	mon->clients = c;
	l->n_clients++;
	pthread_mutex_unlock(&mon->lock);
	note_met(l);
	return 0;
}

static void meet(struct mp_mon *mon, struct mp_mon_listener *l, int listening)
{
	int fd;

	/* It may have become full in this turn, at another address. */
	if (l->n_clients >= mon->cfg.max_clients)
		return;
	fd = accept4(listening, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
	if (fd >= 0) {
		mp_tcp_tune(fd);
		add_client(mon, l, fd, fd);
	} else if (errno != EAGAIN && errno != EINTR && errno != ECONNABORTED) {
		l->mute_until_ns = mp_clock_ns() + MUTE_NS;
	}
}

static void handle_client(struct mp_mon_client *c, const struct pollfd *in,
			  const struct pollfd *out)
{
	if (in->fd >= 0 && in->revents & (POLLHUP | POLLERR | POLLNVAL)) {
		c->hung_up = true;
		/* A pipe's other end may be gone while its output is still read. */
		if (c->in == c->out) {
			pthread_mutex_lock(&c->mon->lock);
			mp_mon_buf_fini(&c->output);
			c->out_dead = true;
			pthread_mutex_unlock(&c->mon->lock);
		}
	}
	if (out->revents || c->out_is_socket) {
		pthread_mutex_lock(&c->mon->lock);
		mp_mon_client_flush(c);
		pthread_mutex_unlock(&c->mon->lock);
	}
	/* Behind the output: what left it may have made room for more requests. */
	if (in->events & POLLIN && in->revents)
		mp_mon_client_read(c);
	else
		mp_mon_client_parse(c);
}

static void sweep(struct mp_mon *mon)
{
	struct mp_mon_client **at = &mon->clients, *c;

	pthread_mutex_lock(&mon->lock);
	while ((c = *at)) {
		if (!mp_mon_client_is_done(c)) {
			at = &c->next;
			continue;
		}
		*at = c->next;
		c->from->n_clients--;
		mp_mon_client_destroy(c);
	}
	/* Output may have become short enough for the next command. */
	pthread_cond_broadcast(&mon->work);
	pthread_mutex_unlock(&mon->lock);
}

static void drain_wake(struct mp_mon *mon)
{
	uint64_t count;

	mp_assert(read(mon->wake_fd, &count, sizeof(count)) >= 0 || errno == EAGAIN);
}

/* Only this thread changes the list of clients, so it may walk it without the lock. */
static void handle_all(struct mp_mon *mon, struct turn *t)
{
	const struct pollfd *pfd = t->pfd;
	struct mp_mon_client *c = mon->clients;

	if (pfd->revents)
		drain_wake(mon);
	pfd++;
	for (unsigned int i = 0; i < mon->n_listeners; i++)
		for (unsigned int k = 0; k < mon->listener[i].n_fds; k++, pfd++)
			if (pfd->revents)
				meet(mon, &mon->listener[i], mon->listener[i].fd[k]);
	/* New ones come in front of those that were watched. */
	for (; c; c = c->next, pfd += 2)
		handle_client(c, pfd, pfd + 1);
	sweep(mon);
}

/* Whether the peer's kernel has all that was sent and its end, or is gone. */
static bool is_acknowledged(int fd)
{
	struct tcp_info info;
	socklen_t len = sizeof(info);
	int n_bytes = 0;

	/* Fails when it isn't TCP. */
	if (getsockopt(fd, IPPROTO_TCP, TCP_INFO, &info, &len) < 0 || info.tcpi_state == TCP_CLOSE)
		return true;
	/* The end is sent once, however often it is said, and counts as a byte. */
	shutdown(fd, SHUT_WR);
	return ioctl(fd, SIOCOUTQ, &n_bytes) < 0 || n_bytes == 0;
}

static bool is_written(const struct mp_mon_client *c)
{
	return c->out_dead || (mp_mon_buf_len(&c->output) == 0 && is_acknowledged(c->out));
}

/* Looks at each, as that also tells it of the end. */
static bool are_all_written(const struct mp_mon *mon)
{
	bool all = true;

	for (const struct mp_mon_client *c = mon->clients; c; c = c->next)
		all = is_written(c) && all;
	return all;
}

static bool is_over(struct mp_mon *mon)
{
	bool over;

	pthread_mutex_lock(&mon->lock);
	over = mon->no_more_input && (are_all_written(mon) || mp_clock_ns() >= mon->end_ns);
	pthread_mutex_unlock(&mon->lock);
	return over;
}

static void *serve(void *opaque)
{
	struct turn t = {.pfd = NULL};
	struct mp_mon *mon = opaque;

	while (!is_over(mon)) {
		watch_all(&t, mon);
		if (poll(t.pfd, t.n, t.timeout_ms) >= 0)
			handle_all(mon, &t);
	}
	free(t.pfd);
	return NULL;
}

/* --- events --- */

static json_t *make_event(const char *name, json_t *data)
{
	struct timespec now;

	clock_gettime(CLOCK_REALTIME, &now);
	return json_pack("{s{sIsI}ssso*}", "timestamp", "seconds", (json_int_t)now.tv_sec,
			 "microseconds", (json_int_t)(now.tv_nsec / 1000), "event", name, "data",
			 data);
}

void mp_mon_event(struct mp_mon *mon, const char *name, json_t *data)
{
	MP_CLEANUP(mp_mon_buf_fini) struct mp_mon_buf plain = MP_MON_BUF_NULL;
	MP_CLEANUP(mp_mon_buf_fini) struct mp_mon_buf pretty = MP_MON_BUF_NULL;
	json_t *event = make_event(name, data);

	mp_qmp_put(&plain, event, false);
	mp_qmp_put(&pretty, event, true);
	json_decref(event);
	pthread_mutex_lock(&mon->lock);
	for (struct mp_mon_client *c = mon->clients; c; c = c->next)
		if (c->from->port.is_qmp && c->negotiated)
			mp_mon_client_put(c, c->from->port.pretty ? &pretty : &plain);
	pthread_mutex_unlock(&mon->lock);
	mp_mon_wake(mon);
}

/* --- set-up --- */

static void set_defaults(struct mp_mon_cfg *cfg)
{
	if (!cfg->max_request_bytes)
		cfg->max_request_bytes = MP_MON_DEFAULT_REQUEST_BYTES;
	if (!cfg->max_unread_bytes)
		cfg->max_unread_bytes = MP_MON_DEFAULT_UNREAD_BYTES;
	if (!cfg->max_nesting)
		cfg->max_nesting = MP_MON_DEFAULT_NESTING;
	if (!cfg->max_clients)
		cfg->max_clients = MP_MON_DEFAULT_CLIENTS;
}

int mp_mon_create(const struct mp_mon_cfg *cfg, struct mp_mon **ret_mon)
{
	struct mp_mon *mon = calloc(1, sizeof(*mon));
	int r;

	if (!mon)
		return mp_err_origin(-ENOMEM);
	mon->cfg = *cfg;
	set_defaults(&mon->cfg);
	pthread_mutex_init(&mon->lock, NULL);
	pthread_cond_init(&mon->work, NULL);
	mon->wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	r = mon->wake_fd < 0 ? mp_err_origin(-errno) : mp_schema_init(&mon->schema, cfg->schema);
	if (r == 0 && mon->cfg.max_nesting > MP_MON_MAX_NESTING)
		r = mp_err_origin(-EINVAL);
	if (r < 0) {
		mp_mon_destroy(mon, 0);
		return mp_err_trace(r);
	}
	*ret_mon = mon;
	return 0;
}

/* A place in the table; takes @fd, also after a failure; returns its number. */
static int add_port(struct mp_mon *mon, int fd, const struct mp_mon_port *port)
{
	struct mp_mon_listener *l = &mon->listener[mon->n_listeners];

	mp_assert(!mon->started);
	if (mon->n_listeners == MP_MON_MAX_PORTS) {
		mp_fd_close(&fd);
		return mp_err_origin(-ENOSPC);
	}
	/* Closed with the server from here on. */
	mon->n_listeners++;
	*l = (struct mp_mon_listener){.port = *port, .fd = {fd}, .n_fds = fd >= 0};
	l->port.label = strdup(port->label);
	l->port.filename = strdup(port->filename);
	l->met_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (l->met_fd < 0)
		return mp_err_origin(-errno);
	return l->port.label && l->port.filename ? (int)mon->n_listeners - 1
						 : mp_err_origin(-ENOMEM);
}

int mp_mon_add_listener_take(struct mp_mon *mon, int fd, const struct mp_mon_port *port)
{
	return mp_err_trace(add_port(mon, fd, port));
}

int mp_mon_add_address_take(struct mp_mon *mon, int port, int fd)
{
	struct mp_mon_listener *l = &mon->listener[port];

	mp_assert(!mon->started);
	if (l->n_fds == MP_MON_MAX_ADDRESSES) {
		mp_fd_close(&fd);
		return mp_err_origin(-ENOSPC);
	}
	l->fd[l->n_fds++] = fd;
	return 0;
}

int mp_mon_add_client_take(struct mp_mon *mon, int in, int out, const struct mp_mon_port *port)
{
	int number = add_port(mon, -1, port), r;

	if (number < 0) {
		if (out != in)
			close(out);
		close(in);
		return mp_err_trace(number);
	}
	r = add_client(mon, &mon->listener[number], in, out);
	return r < 0 ? mp_err_trace(r) : number;
}

static void join_dispatchers(struct mp_mon *mon, unsigned int n)
{
	pthread_mutex_lock(&mon->lock);
	mon->no_more_commands = true;
	pthread_cond_broadcast(&mon->work);
	pthread_mutex_unlock(&mon->lock);
	for (unsigned int i = 0; i < n; i++)
		pthread_join(mon->dispatcher[i], NULL);
}

int mp_mon_start(struct mp_mon *mon)
{
	static void *(*const run[MP_MON_N_LANES])(void *) = {
		[MP_MON_IN_ORDER] = dispatch_in_order,
		[MP_MON_OUT_OF_BAND] = dispatch_out_of_band,
	};
	unsigned int n = 0;
	int r;

	for (r = 0; r == 0 && n < MP_MON_N_LANES; n += r == 0)
		r = mp_thread_create(&mon->dispatcher[n], 0, run[n], mon);
	if (r == 0)
		r = mp_thread_create(&mon->io, 0, serve, mon);
	if (r < 0)
		join_dispatchers(mon, n);
	mon->started = r == 0;
	return mp_err_trace(r);
}

int mp_mon_met_fd(struct mp_mon *mon, int port)
{
	return mon->listener[port].met_fd;
}

static void stop_threads(struct mp_mon *mon, uint64_t deadline_ns)
{
	join_dispatchers(mon, MP_MON_N_LANES);
	pthread_mutex_lock(&mon->lock);
	mon->no_more_input = true;
	mon->end_ns = deadline_ns;
	pthread_mutex_unlock(&mon->lock);
	mp_mon_wake(mon);
	pthread_join(mon->io, NULL);
}

struct mp_mon *mp_mon_destroy(struct mp_mon *mon, uint64_t deadline_ns)
{
	struct mp_mon_client *c;

	if (!mon)
		return NULL;
	if (mon->started)
		stop_threads(mon, deadline_ns);
	while ((c = mon->clients)) {
		mon->clients = c->next;
		mp_mon_client_destroy(c);
	}
	for (unsigned int i = 0; i < mon->n_listeners; i++) {
		struct mp_mon_listener *l = &mon->listener[i];

		for (unsigned int k = 0; k < l->n_fds; k++)
			mp_fd_close(&l->fd[k]);
		mp_fd_close(&l->met_fd);
		free((char *)(uintptr_t)l->port.label);
		free((char *)(uintptr_t)l->port.filename);
	}
	mp_schema_fini(&mon->schema);
	mp_fd_close(&mon->wake_fd);
	pthread_cond_destroy(&mon->work);
	pthread_mutex_destroy(&mon->lock);
	free(mon);
	return NULL;
}
