/* SPDX-License-Identifier: BSD-3-Clause */
/* medium - what block benchmarks read and write: a disk whose blocks know their number. */
#ifndef MP_BENCH_MEDIUM_H
#define MP_BENCH_MEDIUM_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "block/blk.h"

#define MEDIUM_BLOCK_BYTES 4096u
#define MEDIUM_BLOCKS      4096u

/* NBD: nbdkit, in a process and on cores of its own choice, over the same file. */
enum medium_kind { MEDIUM_NULL, MEDIUM_URING, MEDIUM_THREADS, MEDIUM_NBD };

struct medium {
	enum medium_kind kind;
	struct mp_blk_engine *engine;
	struct mp_blk *blk;
	pid_t server; /* NBD; 0: none */
};

/**
 * medium_init() - an engine and an open disk
 * @pool:  registered with the engine; requests' buffers lie in it
 *
 * A file is one of its own in TMPDIR (or /tmp), deleted at once: in the page
 * cache, as it was just written. Return: 0; negative errno, and the reason in @ret_error.
 */
int medium_init(struct medium *m, enum medium_kind kind, void *pool, size_t pool_len,
		char ret_error[512]);
void medium_fini(struct medium *m);

/** medium_name() - "null", "uring", "threads", "nbd" */
const char *medium_name(enum medium_kind kind);

/** medium_block_ok() - is @data what block @number of this medium has? */
bool medium_block_ok(const struct medium *m, uint64_t number, const void *data);

/** medium_next() - block numbers in an order that jumps about and comes by all */
static inline uint64_t medium_next(uint64_t number)
{
	return (number + 2654435761u) % MEDIUM_BLOCKS;
}

#endif
