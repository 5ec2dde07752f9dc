/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Connecting may take long, and a server may be away for long, so each server has
 * a thread of its own for it, from the first connection that it loses. It tries
 * those that are lost in turn, for ever, with pauses that grow; how long requests
 * wait meanwhile is the worker's business. A connection that is lost again as
 * soon as it is there, because the server doesn't like us, counts as a failure.
 */
#include "remote-worker/supervisor/server.h"

#include <errno.h>
#include <limits.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/err.h"
#include "base/log.h"
#include "base/thread.h"
#include "remote-worker/supervisor/dial.h"

#define FIRST_PAUSE_NS   (MP_NS_PER_SEC / 20)
#define LONGEST_PAUSE_NS (2 * MP_NS_PER_SEC)
#define STABLE_NS        (5 * MP_NS_PER_SEC)
#define ATTEMPT_NS       (10 * MP_NS_PER_SEC)
#define STACK_BYTES      (256u << 10)
#define MAX_CONNS        32u

struct mp_server {
	struct mp_server_cfg cfg;
	struct mp_daemon *daemon;
	pthread_mutex_t lock; /* of what follows */
	pthread_cond_t wanted;
	pthread_t thread;
	bool has_thread, over;
	uint32_t lost; /* bit n: connection n */
	uint64_t since_ns[MAX_CONNS]; /* when it was there last */
	uint64_t pause_ns;
	bool said_gone;
};

const char *mp_server_node(const struct mp_server *s)
{
	return s->cfg.drive->node_name;
}

struct mp_daemon *mp_server_daemon(struct mp_server *s)
{
	return s->daemon;
}

int mp_server_create(const struct mp_server_cfg *cfg, struct mp_server **ret_s, char *error,
		     size_t error_len)
{
	const struct mp_daemon_cfg daemon = {.cmd = cfg->cmd,
					     .drive = cfg->drive,
					     .give_up = cfg->give_up,
					     .opaque = cfg->opaque};
	struct mp_server *s = calloc(1, sizeof(*s));
	pthread_condattr_t attr;
	int r = 0;

	snprintf(error, error_len, "out of memory");
	if (!s)
		return mp_err_origin(-ENOMEM);
	s->cfg = *cfg;
	pthread_mutex_init(&s->lock, NULL);
	pthread_condattr_init(&attr);
	pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
	pthread_cond_init(&s->wanted, &attr);
	pthread_condattr_destroy(&attr);
	if (cfg->drive->kind == MP_DRIVE_DAEMON)
		r = mp_daemon_create(&daemon, &s->daemon, error, error_len);
	if (r < 0) {
		mp_server_destroy(s);
		return mp_err_trace(r);
	}
	*ret_s = s;
	return 0;
}

struct mp_server *mp_server_destroy(struct mp_server *s)
{
	if (!s)
		return NULL;
	mp_server_hush(s);
	s->daemon = mp_daemon_destroy(s->daemon);
	pthread_cond_destroy(&s->wanted);
	pthread_mutex_destroy(&s->lock);
	free(s);
	return NULL;
}

int mp_server_spawn(struct mp_server *s, char *error, size_t error_len)
{
	return s->daemon ? mp_err_trace(mp_daemon_spawn(s->daemon, error, error_len)) : 0;
}

/* Asked while it connects. */
static bool is_unwanted(void *opaque)
{
	struct mp_server *s = opaque;
	bool over;

	pthread_mutex_lock(&s->lock);
	over = s->over;
	pthread_mutex_unlock(&s->lock);
	return over || (s->cfg.give_up && s->cfg.give_up(s->cfg.opaque));
}

static int dial(struct mp_server *s, uint64_t deadline_ns, char *error, size_t error_len)
{
	const struct mp_dial_cfg cfg = {
		.deadline_ns = deadline_ns, .give_up = is_unwanted, .opaque = s};
	int fd;

	if (!s->daemon)
		return mp_dial(&s->cfg.drive->nbd, &cfg, error, error_len);
	fd = mp_daemon_dial(s->daemon);
	if (fd < 0)
		snprintf(error, error_len, "cannot reach the storage daemon: %s", strerror(-fd));
	return mp_err_trace(fd);
}

static int dial_first(struct mp_server *s, char *error, size_t error_len)
{
	uint64_t limit_ns = s->cfg.cmd->storage_daemon_start_ns;
	char why[512];
	int fd = dial(s, limit_ns ? mp_clock_ns() + limit_ns : UINT64_MAX, why, sizeof(why));

	if (fd < 0)
		snprintf(error, error_len, "drive %s: %s", mp_opt_drive_name(s->cfg.drive), why);
	return mp_err_trace(fd);
}

int mp_server_open(struct mp_server *s, int *ret_socks, char *error, size_t error_len)
{
	unsigned int n = 0;
	int r = s->daemon ? mp_daemon_wait(s->daemon, error, error_len) : 0;

	if (r < 0)
		return mp_err_trace(r);
	for (; n < s->cfg.cmd->nbd_connections; n++) {
		r = dial_first(s, error, error_len);
		if (r < 0)
			break;
		ret_socks[n] = r;
	}
	/* One is enough to work with, if the server won't have more. */
	if (n > 0)
		return (int)n;
	return mp_err_trace(r);
}

/* -- again ---------------------------------------------------------------------- */

static void wait_ns(struct mp_server *s, uint64_t ns)
{
	uint64_t until_ns = mp_clock_ns() + ns;
	struct timespec ts = {.tv_sec = (time_t)(until_ns / MP_NS_PER_SEC),
			      .tv_nsec = (long)(until_ns % MP_NS_PER_SEC)};

	while (!s->over && pthread_cond_timedwait(&s->wanted, &s->lock, &ts) == 0)
		;
}

/* Once an outage. A daemon's end is said by who starts it again. */
static void say(struct mp_server *s, bool is_there, const char *why)
{
	if (s->daemon || s->said_gone == !is_there)
		return;
	s->said_gone = !is_there;
	if (is_there)
		mp_warn("drive %s: its NBD server is there again", mp_opt_drive_name(s->cfg.drive));
	else
		mp_warn("drive %s: its NBD server is gone: %s; requests wait for "
			"--reconnect-delay, %u s, and fail then",
			mp_opt_drive_name(s->cfg.drive), why,
			(unsigned int)(s->cfg.cmd->reconnect_ns / MP_NS_PER_SEC));
}

/* With the lock held, but not while it connects. */
static void try_one(struct mp_server *s, unsigned int conn)
{
	char error[512] = "the worker doesn't want it";
	bool is_there;
	int r;

	s->lost &= ~(1u << conn);
	pthread_mutex_unlock(&s->lock);
	r = dial(s, mp_clock_ns() + ATTEMPT_NS, error, sizeof(error));
	is_there = r >= 0;
	if (is_there)
		r = s->cfg.again(s->cfg.opaque, mp_server_node(s), conn, r);
	pthread_mutex_lock(&s->lock);
	s->since_ns[conn] = mp_clock_ns();
	if (s->over)
		return;
	say(s, is_there, error);
	if (r >= 0)
		return;
	mp_debug("drive %s: connection %u: %s", mp_opt_drive_name(s->cfg.drive), conn, error);
	s->lost |= 1u << conn;
}

static void grow_pause(struct mp_server *s)
{
	s->pause_ns = s->pause_ns ? 2 * s->pause_ns : FIRST_PAUSE_NS;
	if (s->pause_ns > LONGEST_PAUSE_NS)
		s->pause_ns = LONGEST_PAUSE_NS;
}

static void *connect_thread(void *arg)
{
	struct mp_server *s = arg;
	uint32_t todo;

	pthread_mutex_lock(&s->lock);
	while (!s->over) {
		todo = s->lost;
		if (todo == 0) {
			pthread_cond_wait(&s->wanted, &s->lock);
			continue;
		}
		if (s->pause_ns)
			wait_ns(s, s->pause_ns);
		for (unsigned int i = 0; i < MAX_CONNS && !s->over; i++)
			if (todo & 1u << i)
				try_one(s, i);
		/* Until it has shown that it lasts, the next time comes later. */
		grow_pause(s);
	}
	pthread_mutex_unlock(&s->lock);
	return NULL;
}

void mp_server_lost(struct mp_server *s, unsigned int conn)
{
	if (conn >= s->cfg.cmd->nbd_connections || conn >= MAX_CONNS)
		return;
	pthread_mutex_lock(&s->lock);
	if (!s->over && !s->has_thread) {
		s->has_thread = mp_thread_create(&s->thread, STACK_BYTES, connect_thread, s) == 0;
		if (!s->has_thread)
			mp_error("drive %s: no thread that could connect again",
				 mp_opt_drive_name(s->cfg.drive));
	}
	/* What is known already says nothing new: a worker that repeats it would have us hurry. */
	if (!(s->lost & 1u << conn) && mp_clock_ns() - s->since_ns[conn] > STABLE_NS)
		s->pause_ns = 0;
	s->lost |= 1u << conn;
	pthread_cond_signal(&s->wanted);
	pthread_mutex_unlock(&s->lock);
}

void mp_server_hush(struct mp_server *s)
{
	bool had_thread;

	pthread_mutex_lock(&s->lock);
	had_thread = s->has_thread;
	s->has_thread = false;
	s->over = true;
	pthread_cond_signal(&s->wanted);
	pthread_mutex_unlock(&s->lock);
	if (had_thread)
		pthread_join(s->thread, NULL);
}
