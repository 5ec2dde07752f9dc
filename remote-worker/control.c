/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The wake-up needs no armed flag: a command is rare, so the caller rings the
 * core's eventfd every time, after the command is in the ring. The core takes
 * that count only where it wakes, and looks here in its next turn, so it can't
 * sleep over a command.
 *
 * rte_ring_init() builds the ring in memory of our own: no EAL is started.
 * Its C11 variant is asked for, because only that one is atomic in the eyes of
 * the compiler and of TSan.
 */
#define RTE_USE_C11_MEM_MODEL 1

#include "remote-worker/control.h"

#include <errno.h>
#include <stdint.h>
#include <stdlib.h>
#include <unistd.h>

#include <rte_ring.h>

#include "base/err.h"

/* Each thread that calls waits for its own command, so this many threads fit. */
#define SLOTS 64u

struct mp_control {
	struct rte_ring *ring;
	int bell_fd;
};

int mp_control_create(int bell_fd, struct mp_control **ret_c)
{
	ssize_t bytes = rte_ring_get_memsize(SLOTS);
	struct mp_control *c = calloc(1, sizeof(*c));

	mp_assert(bytes > 0);
	if (!c)
		return mp_err_origin(-ENOMEM);
	c->bell_fd = bell_fd;
	c->ring = aligned_alloc(RTE_CACHE_LINE_SIZE, (size_t)bytes);
	if (!c->ring || rte_ring_init(c->ring, "mpring-control", SLOTS, RING_F_SC_DEQ) < 0) {
		mp_control_destroy(c);
		return mp_err_origin(-ENOMEM);
	}
	*ret_c = c;
	return 0;
}

struct mp_control *mp_control_destroy(struct mp_control *c)
{
	if (c)
		free(c->ring);
	free(c);
	return NULL;
}

void mp_control_call(struct mp_control *c, enum mp_control_op op, unsigned int device, void *arg)
{
	struct mp_control_cmd cmd = {.op = op, .device = device, .arg = arg};
	uint64_t one = 1;
	int r;

	sem_init(&cmd.done, 0, 0);
	r = rte_ring_mp_enqueue(c->ring, &cmd);
	mp_assert(r == 0);
	r = write(c->bell_fd, &one, sizeof(one)) == sizeof(one) || errno == EAGAIN;
	mp_assert(r);
	while (sem_wait(&cmd.done) < 0)
		mp_assert(errno == EINTR);
	sem_destroy(&cmd.done);
}

struct mp_control_cmd *mp_control_poll(struct mp_control *c)
{
	void *cmd;

	return rte_ring_sc_dequeue(c->ring, &cmd) == 0 ? cmd : NULL;
}

void mp_control_done(struct mp_control_cmd *cmd)
{
	sem_post(&cmd->done);
}
