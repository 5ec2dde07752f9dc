/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * fake_nbd - an NBD server that a test moves by hand, and that may die.
 *
 * It has a medium and, in front of it, a cache: writes change the cache, a
 * flush copies it to the medium. fake_nbd_kill() ends all connections; of what
 * wasn't flushed each sector survives or not, as the seed has it, and so does
 * what was received and not answered. It runs only inside fake_nbd_step().
 */
#ifndef MP_TESTS_LIB_FAKE_NBD_H
#define MP_TESTS_LIB_FAKE_NBD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define FAKE_NBD_MAX_CONNS   8u
#define FAKE_NBD_MAX_PENDING 64u

struct fake_nbd_cfg {
	uint64_t bytes;
	const char *export_name; /* NULL: any */
	uint32_t least_bytes, most_bytes; /* block sizes; 0: not said */
	bool multi_conn, read_only, no_flush, no_fua, no_trim, no_zero, no_cache, no_structured;
};

struct fake_nbd_request {
	uint16_t flags, type;
	uint64_t cookie, offset;
	uint32_t len;
	uint8_t *data; /* WRITE */
};

struct fake_nbd_conn {
	int fd; /* -1: none */
	unsigned int stage;
	bool structured, has_context;
	uint8_t *in, *out;
	size_t in_len, out_len;
	struct fake_nbd_request pending[FAKE_NBD_MAX_PENDING];
	unsigned int n_pending;
};

struct fake_nbd {
	struct fake_nbd_cfg cfg;
	uint8_t *cache, *medium;
	bool *dirty; /* a sector of the cache; with a seed a flush that fails forgets some, as kernels do */
	uint64_t seed; /* 0: requests are served in order, all that wasn't flushed is forgotten */
	struct fake_nbd_conn conns[FAKE_NBD_MAX_CONNS];
	/* What the test wants to happen. */
	bool hold; /* take requests, answer none */
	uint32_t fail_write, fail_flush, fail_read, fail_zero; /* NBD's errors; 0: none */
	/* What happened. */
	unsigned int n_reads, n_writes, n_zeroes, n_trims, n_flushes, n_caches, n_statuses, n_fua;
	unsigned int n_overlaps; /* changes of one place that were pending together */
	uint32_t largest_bytes; /* of a READ or WRITE */
};

void fake_nbd_init(struct fake_nbd *f, const struct fake_nbd_cfg *cfg);
void fake_nbd_fini(struct fake_nbd *f);

/** fake_nbd_connect() - Return: the client's end of a new connection */
int fake_nbd_connect(struct fake_nbd *f);

/** fake_nbd_step() - take, serve and answer what is there; with a seed not all of it at once; Return: did it? */
bool fake_nbd_step(struct fake_nbd *f);

/** fake_nbd_drop() - end one connection, keep what was written */
void fake_nbd_drop(struct fake_nbd *f, unsigned int conn);

/** fake_nbd_kill() - end all, forget what wasn't flushed */
void fake_nbd_kill(struct fake_nbd *f);

#endif
