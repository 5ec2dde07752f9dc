/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * supervisor - the process that a worker has above it when there is a monitor, or
 * a drive that a worker in its sandbox can't open by itself. It keeps the pid
 * that was started and ends as its worker ends. It may open files and sockets
 * and start programs; the worker may only ask it, and it believes the worker
 * nothing.
 */
#ifndef MP_REMOTE_WORKER_SUPERVISOR_SUPERVISOR_H
#define MP_REMOTE_WORKER_SUPERVISOR_SUPERVISOR_H

#include <jansson.h>
#include <signal.h>
#include <stdbool.h>

#include "remote-worker/options/cmdline.h"
#include "remote-worker/supervisor/daemon.h"
#include "remote-worker/supervisor/rpc.h"
#include "remote-worker/supervisor/server.h"

struct mp_supervisor;

/*
 * What its worker gets when it dies. Not SIGTERM: it ends thread by thread, so this may
 * come before its socket closes, and a worker that is asked to end while its supervisor
 * lives waits for servers that come back.
 */
#define MP_SUPERVISOR_DEATH_SIGNAL SIGUSR1

/* Who wants to know, such as a monitor; all on the supervisor's main thread. Each may be NULL. */
struct mp_supervisor_ops {
	/* The worker is set up and works. Threads may begin. Negative errno ends everything. */
	int (*started)(void *opaque, struct mp_supervisor *s);
	/* The worker tells: see office.h. @data may be NULL; nothing in it is to be believed. */
	void (*event)(void *opaque, const char *name, json_t *data);
	/* SIGINT, SIGTERM or SIGHUP has come: the worker is told to end. */
	void (*signalled)(void *opaque, int sig);
	/* The worker has ended, calls to it fail. Threads must have ended on return. */
	void (*ended)(void *opaque);
};

/** mp_supervisor_needed() - is there anything on the command line that asks for one? */
bool mp_supervisor_needed(const struct mp_cmdline *cmd);

/**
 * mp_supervisor_create() - start what the worker needs before it can open its drives
 * @cmd:    outlives the supervisor; sockets are put into its drives
 * @error:  on failure a sentence for the user
 */
int mp_supervisor_create(struct mp_cmdline *cmd, struct mp_supervisor **ret_s, char *error,
			 size_t error_len);
/** mp_supervisor_destroy() - also ends its helpers, and waits for them; NULL is fine; returns NULL */
struct mp_supervisor *mp_supervisor_destroy(struct mp_supervisor *s);

/**
 * mp_supervisor_fork() - before there is any other thread
 * @ret_sock:  in the worker: to its supervisor
 *
 * The worker has everything that was open, and must close what isn't its own.
 * Return: 1 in the worker; 0 in the supervisor, which has closed the worker's
 * sockets; negative errno.
 */
int mp_supervisor_fork(struct mp_supervisor *s, int *ret_sock);

/** mp_supervisor_run() - until the worker has ended; returns its wait status */
int mp_supervisor_run(struct mp_supervisor *s, const struct mp_supervisor_ops *ops, void *opaque);

/* A drive that was opened for the worker while it works. */
struct mp_opened {
	struct mp_server *server; /* NULL: a raw drive, or one that moves no data */
	struct mp_fds fds; /* for the call that hands it over; then mp_opened_close_fds() */
	int fd[MP_CMDLINE_MAX_CONNECTIONS];
	json_t *args; /* "opened" of that call; NULL: none. A reference of the caller's */
};

/**
 * mp_supervisor_open() - a drive that a monitor's client wants; any thread but the main one
 * @drive:  outlives it
 * @error:  on failure a sentence for the user
 *
 * Return: 0; negative errno. mp_supervisor_close() when the worker doesn't use it any more.
 */
int mp_supervisor_open(struct mp_supervisor *s, const struct mp_opt_drive *drive,
		       struct mp_opened *ret_o, char *error, size_t error_len);
/** mp_opened_close_fds() - the worker has its own now, or shall have none */
void mp_opened_close_fds(struct mp_opened *o);
/**
 * mp_supervisor_close() - ends what served it; fds and args too
 *
 * The drive that it was opened with must still be there: also after the worker's end.
 */
void mp_supervisor_close(struct mp_supervisor *s, struct mp_opened *o);

/**
 * mp_supervisor_daemon() - what serves the node @name; NULL: no storage daemon of ours
 *
 * For mp_daemon_command(): sizes, what the images are. Valid as long as the drive is open.
 */
struct mp_daemon *mp_supervisor_daemon(struct mp_supervisor *s, const char *node);

/**
 * mp_supervisor_resize() - the medium of a unit gets another size; any thread but the main one
 * @unit:   as a snapshot has it
 * @drive:  what the user knows as its medium; the worker's word isn't enough to cut a file
 *
 * Return: 0; negative errno with @ret_error.
 */
int mp_supervisor_resize(struct mp_supervisor *s, unsigned int unit,
			 const struct mp_opt_drive *drive, uint64_t bytes,
			 struct mp_rpc_error *ret_error);

/** mp_supervisor_rpc() - to the worker; valid from ops->started() to the return of ops->ended() */
struct mp_rpc *mp_supervisor_rpc(struct mp_supervisor *s);

/**
 * mp_supervisor_do() - call @what on the main thread, and wait until it has returned
 *
 * For what other threads can't: whoever starts a helper must live as long as it.
 * From ops->started() to the return of ops->ended(); not from the main thread. Return:
 * false: the worker has ended, and nothing was done.
 */
bool mp_supervisor_do(struct mp_supervisor *s, void (*what)(void *opaque), void *opaque);

#endif
