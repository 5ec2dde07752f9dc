/* SPDX-License-Identifier: BSD-3-Clause */
/* printout - what a program of ours prints: kept at first, and warned of later. */
#ifndef MP_REMOTE_WORKER_SUPERVISOR_PRINTOUT_H
#define MP_REMOTE_WORKER_SUPERVISOR_PRINTOUT_H

#include <stdbool.h>
#include <stddef.h>

#define MP_PRINTOUT_LINE 2048u

struct mp_printout {
	int fd; /* the end of a pipe; -1: it is closed */
	const char *program; /* its lines begin with its name, but for hints; outlives this */
	char line[MP_PRINTOUT_LINE]; /* begun */
	size_t n_line;
	char first[MP_PRINTOUT_LINE]; /* the first line that was kept, and its hints */
};

#define MP_PRINTOUT_NULL ((struct mp_printout){.fd = -1})

/** mp_printout_open_take() - @fd: the reading end, non-blocking; fini() closes it */
void mp_printout_open_take(struct mp_printout *p, int fd, const char *program);
/** mp_printout_fini() - leaves MP_PRINTOUT_NULL */
void mp_printout_fini(struct mp_printout *p);

/**
 * mp_printout_read() - what a pipe holds at most, and what is there; never blocks
 * @drive:  warn of each line, as one about this drive; NULL: keep the first
 */
void mp_printout_read(struct mp_printout *p, const char *drive);
/** mp_printout_read_rest() - the program is about to end: until it has, or for a second */
void mp_printout_read_rest(struct mp_printout *p, const char *drive);
/** mp_printout_end() - it has ended: what is there, and what was begun. Others may hold the pipe */
void mp_printout_end(struct mp_printout *p, const char *drive);

/** mp_printout_first() - without its name and the option that it repeats; "" nothing */
const char *mp_printout_first(const struct mp_printout *p);

#endif
