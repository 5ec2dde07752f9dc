/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * daemon - one qemu-storage-daemon, that serves one drive as an NBD export on a
 * socket of ours. Whoever has nothing else to do with it sees a disk that goes on
 * when the daemon dies: the socket listens for as long as we live.
 */
#ifndef MP_REMOTE_WORKER_SUPERVISOR_DAEMON_H
#define MP_REMOTE_WORKER_SUPERVISOR_DAEMON_H

#include <jansson.h>
#include <poll.h>
#include <stdbool.h>
#include <stdint.h>

#include "monitor/qmp_client.h"
#include "remote-worker/options/cmdline.h"

#define MP_DAEMON_N_FDS 2u

struct mp_daemon;

struct mp_daemon_cfg {
	const struct mp_cmdline *cmd;
	const struct mp_opt_drive *drive; /* MP_DRIVE_DAEMON; outlives the daemon */
	mp_qmp_give_up_fn *give_up; /* aren't its answers waited for any more? NULL: they are */
	void *opaque;
};

/**
 * mp_daemon_create() - make its socket; mp_daemon_spawn() comes next
 * @error:  on failure a sentence for the user
 */
int mp_daemon_create(const struct mp_daemon_cfg *cfg, struct mp_daemon **ret_d, char *error,
		     size_t error_len);
/**
 * mp_daemon_destroy() - ask it to end, wait for it; NULL is fine; returns NULL
 *
 * It may have a lot to write. What takes longer than --storage-daemon-start
 * goes on without us; only one that hasn't served yet is killed.
 */
struct mp_daemon *mp_daemon_destroy(struct mp_daemon *d);

/** mp_daemon_ask_to_end() - mp_daemon_destroy() comes soon; nobody else uses it any more */
void mp_daemon_ask_to_end(struct mp_daemon *d);

/** mp_daemon_spawn() - start the program; by a thread that lives as long as it. 0; negative errno */
int mp_daemon_spawn(struct mp_daemon *d, char *error, size_t error_len);
/** mp_daemon_wait() - until it has opened its images and serves; any thread */
int mp_daemon_wait(struct mp_daemon *d, char *error, size_t error_len);

/** mp_daemon_poll_fds() - what to wait for; fds of -1 are nothing. The thread that spawned it */
void mp_daemon_poll_fds(struct mp_daemon *d, struct pollfd *ret_pfd);
/** mp_daemon_deadline_ns() - call mp_daemon_poll() then at the latest; UINT64_MAX none */
uint64_t mp_daemon_deadline_ns(struct mp_daemon *d);
/** mp_daemon_poll() - pass on what it prints, start it again when it has died */
void mp_daemon_poll(struct mp_daemon *d, const struct pollfd *pfd);

/** mp_daemon_dial() - a connection to its socket; any thread. Returns an fd; negative errno */
int mp_daemon_dial(const struct mp_daemon *d);

/**
 * mp_daemon_command() - a QMP command; any thread
 * @args:       stolen; NULL: none
 * @ret_value:  a new reference; may be NULL
 *
 * Return: 0; negative errno with a sentence in @error.
 */
int mp_daemon_command(struct mp_daemon *d, const char *name, json_t *args, json_t **ret_value,
		      char error[512]);

/**
 * mp_daemon_resize() - give the image another size; any thread
 *
 * An image that is exported keeps its size, so its export goes for a moment, and
 * with it every connection. A daemon that can't export it again is killed, and so
 * started again, with its export. Takes as long as the image does. Return: 0;
 * negative errno with a sentence in @error.
 */
int mp_daemon_resize(struct mp_daemon *d, uint64_t bytes, char error[512]);

/** mp_daemon_pid() - 0: it isn't there at the moment; any thread */
int mp_daemon_pid(struct mp_daemon *d);

#endif
