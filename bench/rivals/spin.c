/* SPDX-License-Identifier: BSD-3-Clause */
#include "bench/rivals/rival.h"

#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>

/* A client's peer is its child, which stays a zombie when it dies; a server's
 * peer is its parent, whose death kills it (PR_SET_PDEATHSIG). */
void rival_spin_slow(struct rival_spin *s)
{
	sched_yield();
	if ((s->n_polls & 0xfffff) != 0 || waitpid(s->peer, NULL, WNOHANG) != s->peer)
		return;
	fprintf(stderr, "ringlat: the partner process died\n");
	exit(1);
}
