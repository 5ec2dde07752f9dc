/* SPDX-License-Identifier: BSD-3-Clause */
/* The NBD driver of a build without libnbd. */
#include "block/engine.h"

#include <errno.h>
#include <stdio.h>
#include <unistd.h>

#include "base/err.h"

int mp_nbd_open(struct mp_blk *b, const struct mp_blk_open *how, char *ret_error, size_t error_len)
{
	(void)b;
	for (unsigned int i = 0; how->nbd && i < how->nbd->n_socks; i++)
		close(how->nbd->socks[i]);
	snprintf(ret_error, error_len,
		 "this build has no NBD: libnbd was missing; build it with libnbd-dev installed");
	return mp_err_origin(-ENOTSUP);
}

int mp_nbd_go_on(struct mp_blk *b, char *ret_error, size_t error_len)
{
	(void)b;
	(void)ret_error;
	(void)error_len;
	return mp_err_origin(-ENOTSUP);
}

int mp_blk_nbd_load(char *ret_error, size_t error_len)
{
	snprintf(ret_error, error_len, "no NBD disks: this build has none, libnbd-dev was missing");
	return mp_err_origin(-ENOTSUP);
}

int mp_blk_nbd_reconnect_take(struct mp_blk *b, unsigned int conn, int sock)
{
	(void)b;
	(void)conn;
	close(sock);
	return mp_err_origin(-EINVAL);
}

unsigned int mp_blk_nbd_n_conns(const struct mp_blk *b)
{
	(void)b;
	return 0;
}

void mp_blk_nbd_set_reconnect(struct mp_blk *b, uint64_t reconnect_ns)
{
	(void)b;
	(void)reconnect_ns;
}

unsigned int mp_blk_nbd_n_ready(const struct mp_blk *b)
{
	(void)b;
	return 0;
}
