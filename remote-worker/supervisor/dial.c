/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The resolver blocks for as long as it likes, so it has a thread of its own; who
 * doesn't wait for it any more leaves the lookup to that. Addresses are tried side by
 * side: the first one may be of a network that drops all that we send.
 */
#include "remote-worker/supervisor/dial.h"

#include <errno.h>
#include <netdb.h>
#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/err.h"
#include "base/tcp.h"
#include "base/thread.h"

#define NBD_PORT      "10809"
#define HEAD_START_NS (MP_NS_PER_SEC / 4)
#define SLICE_NS      (MP_NS_PER_SEC / 5)
#define MAX_ADDRS     16u /* on their way at a time */

static uint64_t slice_end_ns(const struct mp_dial_cfg *cfg, uint64_t now_ns)
{
	uint64_t end_ns = now_ns + SLICE_NS;

	return end_ns < cfg->deadline_ns ? end_ns : cfg->deadline_ns;
}

static int check_patience(const struct mp_dial_cfg *cfg, uint64_t now_ns)
{
	if (now_ns >= cfg->deadline_ns)
		return mp_err_origin(-ETIMEDOUT);
	return cfg->give_up && cfg->give_up(cfg->opaque) ? mp_err_origin(-EINTR) : 0;
}

/* -- names --------------------------------------------------------------------- */

struct lookup {
	char *host, *port;
	pthread_mutex_t lock; /* of what follows */
	pthread_cond_t is_done;
	bool done, abandoned; /* who comes second frees it */
	struct addrinfo *list;
	int result; /* EAI_* */
};

static void lookup_free(struct lookup *l)
{
	if (l->list)
		freeaddrinfo(l->list);
	free(l->host);
	free(l->port);
	pthread_cond_destroy(&l->is_done);
	pthread_mutex_destroy(&l->lock);
	free(l);
}

static struct lookup *lookup_new(const char *host, const char *port)
{
	struct lookup *l = calloc(1, sizeof(*l));
	pthread_condattr_t attr;

	if (!l)
		return NULL;
	pthread_mutex_init(&l->lock, NULL);
	pthread_condattr_init(&attr);
	pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
	pthread_cond_init(&l->is_done, &attr);
	pthread_condattr_destroy(&attr);
	l->host = strdup(host);
	l->port = strdup(port);
	if (!l->host || !l->port) {
		lookup_free(l);
		return NULL;
	}
	return l;
}

static void *lookup_thread(void *arg)
{
	const struct addrinfo hints = {.ai_socktype = SOCK_STREAM};
	struct lookup *l = arg;
	struct addrinfo *list = NULL;
	int result = getaddrinfo(l->host, l->port, &hints, &list);
	bool abandoned;

	pthread_mutex_lock(&l->lock);
	l->list = result == 0 ? list : NULL;
	l->result = result;
	l->done = true;
	abandoned = l->abandoned;
	pthread_cond_signal(&l->is_done);
	pthread_mutex_unlock(&l->lock);
	if (abandoned)
		lookup_free(l);
	return NULL;
}

/* With the lock held. */
static int await_lookup(struct lookup *l, const struct mp_dial_cfg *cfg)
{
	uint64_t now_ns, until_ns;
	struct timespec ts;
	int r = 0;

	while (!l->done && r == 0) {
		now_ns = mp_clock_ns();
		until_ns = slice_end_ns(cfg, now_ns);
		ts = (struct timespec){.tv_sec = (time_t)(until_ns / MP_NS_PER_SEC),
				       .tv_nsec = (long)(until_ns % MP_NS_PER_SEC)};
		pthread_cond_timedwait(&l->is_done, &l->lock, &ts);
		if (!l->done)
			r = check_patience(cfg, mp_clock_ns());
	}
	return mp_err_trace(r);
}

/* 0, with an EAI_* in @ret_result; negative errno. */
static int look_up(const char *host, const char *port, const struct mp_dial_cfg *cfg,
		   struct addrinfo **ret_list, int *ret_result)
{
	struct lookup *l = lookup_new(host, port);
	pthread_t thread;
	bool done;
	int r = l ? mp_thread_create(&thread, 0, lookup_thread, l) : mp_err_origin(-ENOMEM);

	if (r < 0) {
		if (l)
			lookup_free(l);
		return mp_err_trace(r);
	}
	pthread_mutex_lock(&l->lock);
	r = await_lookup(l, cfg);
	done = l->done;
	l->abandoned = !done;
	pthread_mutex_unlock(&l->lock);
	if (!done) {
		pthread_detach(thread);
		return mp_err_trace(r);
	}
	/* Nobody else is there when the supervisor forks its worker off. */
	pthread_join(thread, NULL);
	*ret_list = l->list;
	*ret_result = l->result;
	l->list = NULL;
	lookup_free(l);
	return 0;
}

/* Numbers need no server. */
static int resolve(const char *host, const char *port, const struct mp_dial_cfg *cfg,
		   struct addrinfo **ret_list, int *ret_result)
{
	const struct addrinfo hints = {.ai_socktype = SOCK_STREAM, .ai_flags = AI_NUMERICHOST};

	*ret_result = getaddrinfo(host, port, &hints, ret_list);
	return *ret_result == EAI_NONAME ? look_up(host, port, cfg, ret_list, ret_result) : 0;
}

/* -- addresses -------------------------------------------------------------------- */

/* Connections on their way. */
struct race {
	struct pollfd pfd[MAX_ADDRS];
	unsigned int n;
	int why; /* the last failure */
};

static void race_fini(struct race *r)
{
	for (unsigned int i = 0; i < r->n; i++)
		close(r->pfd[i].fd);
}

/* Returns a socket that is connected; -EINPROGRESS; another negative errno. */
static int begin(struct race *race, const struct sockaddr *addr, socklen_t len)
{
	MP_CLEANUP_FD int fd = socket(addr->sa_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK,
				      0);

	if (fd < 0)
		return mp_err_origin(-errno);
	if (connect(fd, addr, len) == 0)
		return mp_fd_steal(&fd);
	if (errno != EINPROGRESS)
		return mp_err_origin(-errno);
	race->pfd[race->n++] = (struct pollfd){.fd = mp_fd_steal(&fd), .events = POLLOUT};
	return -EINPROGRESS;
}

/* Returns a socket that is connected; -EAGAIN there is none yet. */
static int take_winner(struct race *race)
{
	socklen_t len = sizeof(int);
	int failure, fd;

	for (unsigned int i = race->n; i-- > 0;) {
		if (!race->pfd[i].revents)
			continue;
		fd = race->pfd[i].fd;
		race->pfd[i] = race->pfd[--race->n];
		failure = 0;
		if (getsockopt(fd, SOL_SOCKET, SO_ERROR, &failure, &len) < 0)
			failure = errno;
		if (failure == 0)
			return fd;
		race->why = mp_err_origin(-failure);
		close(fd);
	}
	return -EAGAIN;
}

static int wait_for_one(struct race *race, const struct mp_dial_cfg *cfg, uint64_t next_ns)
{
	uint64_t now_ns = mp_clock_ns(), until_ns = slice_end_ns(cfg, now_ns);
	int r = check_patience(cfg, now_ns);

	if (r < 0)
		return mp_err_trace(r);
	until_ns = next_ns < until_ns ? next_ns : until_ns;
	r = poll(race->pfd, race->n,
		 until_ns > now_ns ? (int)((until_ns - now_ns) / 1000000) + 1 : 0);
	if (r < 0)
		return errno == EINTR ? -EAGAIN : mp_err_origin(-errno);
	return take_winner(race);
}

static int connect_to_any(const struct addrinfo *next, const struct mp_dial_cfg *cfg)
{
	MP_CLEANUP(race_fini) struct race race = {.why = -EHOSTUNREACH};
	uint64_t next_ns = 0;
	int r;

	for (;;) {
		if (next && race.n < MAX_ADDRS && (race.n == 0 || mp_clock_ns() >= next_ns)) {
			r = begin(&race, next->ai_addr, next->ai_addrlen);
			next = next->ai_next;
			next_ns = mp_clock_ns() + HEAD_START_NS;
			if (r < 0 && r != -EINPROGRESS)
				race.why = r;
		} else if (race.n == 0) {
			return mp_err_trace(race.why);
		} else {
			r = wait_for_one(&race, cfg,
					 next && race.n < MAX_ADDRS ? next_ns : UINT64_MAX);
			if (r < 0 && r != -EAGAIN)
				return mp_err_trace(r);
		}
		if (r >= 0)
			return r;
	}
}

static int dial_tcp(const struct mp_opt_nbd *to, const struct mp_dial_cfg *cfg, char *error,
		    size_t error_len)
{
	const char *port = to->port && to->port[0] ? to->port : NBD_PORT;
	struct addrinfo *list = NULL;
	int result = 0, r = resolve(to->host, port, cfg, &list, &result);

	if (r < 0 || result != 0) {
		snprintf(error, error_len, "cannot find NBD server %s: %s", to->host,
			 r < 0 ? strerror(-r) : gai_strerror(result));
		return r < 0 ? mp_err_trace(r) : mp_err_origin(-EHOSTUNREACH);
	}
	r = connect_to_any(list, cfg);
	freeaddrinfo(list);
	if (r < 0)
		snprintf(error, error_len, "cannot reach NBD server %s, port %s: %s", to->host,
			 port, strerror(-r));
	else
		mp_tcp_tune(r);
	return mp_err_trace(r);
}

/* One whose queue is full says EAGAIN: it isn't on its way. */
static int dial_unix(const struct mp_opt_nbd *to, char *error, size_t error_len)
{
	struct sockaddr_un addr = {.sun_family = AF_UNIX};
	struct race none = {.n = 0};
	int r;

	if (strlen(to->path) >= sizeof(addr.sun_path)) {
		snprintf(error, error_len, "%s is too long for a socket's path", to->path);
		return mp_err_origin(-ENAMETOOLONG);
	}
	memcpy(addr.sun_path, to->path, strlen(to->path));
	r = begin(&none, (const struct sockaddr *)&addr, sizeof(addr));
	if (r < 0)
		snprintf(error, error_len, "cannot reach NBD server at %s: %s", to->path,
			 strerror(-r));
	return mp_err_trace(r);
}

int mp_dial(const struct mp_opt_nbd *to, const struct mp_dial_cfg *cfg, char *error,
	    size_t error_len)
{
	return to->path ? mp_err_trace(dial_unix(to, error, error_len))
			: mp_err_trace(dial_tcp(to, cfg, error, error_len));
}
