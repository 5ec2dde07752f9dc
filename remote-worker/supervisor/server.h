/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * server - what serves one drive by NBD: a server somewhere, or a storage daemon
 * of our own. It gives connected sockets, at first and whenever one is lost.
 */
#ifndef MP_REMOTE_WORKER_SUPERVISOR_SERVER_H
#define MP_REMOTE_WORKER_SUPERVISOR_SERVER_H

#include "remote-worker/options/cmdline.h"
#include "remote-worker/supervisor/daemon.h"

struct mp_server;

struct mp_server_cfg {
	const struct mp_cmdline *cmd;
	const struct mp_opt_drive *drive; /* MP_DRIVE_NBD or _DAEMON; outlives it */
	/*
	 * A lost connection is there again; takes @sock. On a thread of the server's.
	 * What it returns: 0 done, or negative errno, as if it had been lost again.
	 */
	int (*again)(void *opaque, const char *node, unsigned int conn, int sock);
	mp_qmp_give_up_fn *give_up; /* of a daemon; NULL: never */
	void *opaque;
};

/** mp_server_create() - nothing is started yet. @error: on failure a sentence for the user */
int mp_server_create(const struct mp_server_cfg *cfg, struct mp_server **ret_s, char *error,
		     size_t error_len);
/** mp_server_destroy() - see mp_daemon_destroy(); NULL is fine; returns NULL */
struct mp_server *mp_server_destroy(struct mp_server *s);

/** mp_server_node() - name of the drive's node */
const char *mp_server_node(const struct mp_server *s);
/** mp_server_daemon() - NULL: the server isn't ours */
struct mp_daemon *mp_server_daemon(struct mp_server *s);

/** mp_server_spawn() - by a thread that lives as long as it */
int mp_server_spawn(struct mp_server *s, char *error, size_t error_len);
/**
 * mp_server_open() - wait until it serves, connect; any thread
 * @ret_socks:  room for cmd->nbd_connections; the caller's
 *
 * Returns how many; negative errno with @error.
 */
int mp_server_open(struct mp_server *s, int *ret_socks, char *error, size_t error_len);

/** mp_server_lost() - connect again, in the background, for as long as it takes. Any thread */
void mp_server_lost(struct mp_server *s, unsigned int conn);
/** mp_server_hush() - the worker has ended: no cfg.again() comes after the return */
void mp_server_hush(struct mp_server *s);

#endif
