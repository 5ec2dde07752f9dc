/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * link_priv - what the files of the link share. Internal to proxy/:
 *
 *	link.c		the calls of link.h, and how they go by rings
 *	link_socket.c	how they go by a stock worker's socket
 *	link_probe.c	who is at the other end, and what a stock worker's device is
 */
#ifndef MP_PROXY_LINK_PRIV_H
#define MP_PROXY_LINK_PRIV_H

#include "proxy/link.h"

/** mp_link_all_ones() - what a read of @size bytes gives when nobody answers */
uint64_t mp_link_all_ones(unsigned int size);
/** mp_link_tell_irq() - to the owner, if it has changed */
void mp_link_tell_irq(struct mp_link *l, int level);
/** mp_link_set_dead() - until a reset is answered; @why is static */
void mp_link_set_dead(struct mp_link *l, const char *why);
/** mp_link_set_closed() - for good; the worker learns it from its socket */
void mp_link_set_closed(struct mp_link *l, const char *why);

extern const char mp_link_why_timeout[];
extern const char mp_link_why_gone[];
extern const char mp_link_why_reply[];
extern const char mp_link_why_ram[];
extern const char mp_link_why_answers[];

/* link_socket.c: the calls of link.h, for a link whose "socket" isn't NULL. */

/** mp_link_socket_open() - fill in l->socket and l->s for the socket l->s.sock; negative errno */
int mp_link_socket_open(struct mp_link *l);
/** mp_link_socket_close() - and free; takes a half-made one and NULL */
void mp_link_socket_close(struct mp_link *l);
void mp_link_socket_post(struct mp_link *l, const struct mp_wire_req *req);
uint64_t mp_link_socket_read(struct mp_link *l, const struct mp_wire_req *req);
void mp_link_socket_write(struct mp_link *l, const struct mp_wire_req *req);
void mp_link_socket_cfg_write(struct mp_link *l, uint32_t off, unsigned int size, uint32_t value);
int mp_link_socket_reset(struct mp_link *l);
int mp_link_socket_pause(struct mp_link *l);
int mp_link_socket_set_ram(struct mp_link *l, const struct mp_session_region *region,
			   uint32_t n_regions, const int *fds);
void mp_link_socket_irq_ready(struct mp_link *l);
void mp_link_socket_irq_missed(struct mp_link *l);
void mp_link_socket_irq_again(struct mp_link *l);
void mp_link_socket_hup(struct mp_link *l);
int mp_link_socket_hup_fd(const struct mp_link *l);
int mp_link_socket_resample_fd(const struct mp_link *l);

/* For link_probe.c: single steps. False: the device is (now) dead. */
bool mp_link_socket_cfg_get(struct mp_link *l, uint32_t off, int size, uint32_t *ret_value);
bool mp_link_socket_cfg_put(struct mp_link *l, uint32_t off, int size, uint32_t value);
bool mp_link_socket_send_irqfds(struct mp_link *l);
/** mp_link_socket_bound() - from here to its end all waits together have reply_timeout_ns */
void mp_link_socket_bound(struct mp_link *l, bool begin);
void mp_link_socket_nap(struct mp_link *l, uint64_t ns);

/* link_probe.c */

/**
 * mp_link_offer() - ask who is there
 *
 * Return: 1 a worker with rings, which waits for HELLO; 0 a stock one; negative errno.
 */
int mp_link_offer(int sock, uint64_t deadline_ns, const char **ret_error);
/** mp_link_probe() - l->s.device, from a stock worker that is there; -EIO, -EPROTO */
int mp_link_probe(struct mp_link *l, const char **ret_error);

#endif
