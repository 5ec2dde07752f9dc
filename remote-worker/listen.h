/* SPDX-License-Identifier: BSD-3-Clause */
/* listen - adapters whose proxies connect to a path. */
#ifndef MP_REMOTE_WORKER_LISTEN_H
#define MP_REMOTE_WORKER_LISTEN_H

#include "remote-worker/options/cmdline.h"

/**
 * mp_listen_open() - listen for every adapter that has a path, and see which fds listen
 * @error:  on failure a sentence for the user
 *
 * A socket file that nobody answers on any more is replaced. Return: 0; negative errno.
 */
int mp_listen_open(struct mp_cmdline *cmd, char *error, size_t error_len);

/** mp_listen_accept() - the proxy that has connected. Return: its socket; negative errno */
int mp_listen_accept(int listen_fd);

#endif
