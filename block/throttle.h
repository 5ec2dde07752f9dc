/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * throttle - how much disks may do in a second: bytes and requests, in all, of
 * reads and of writes, with bursts; QEMU's options of these names mean the same.
 * Limits are a group's, and disks that name the same group share them.
 *
 * struct mp_blk_throttle is what a user says. The others are inside of block: they
 * know no clock, no engine and no disk, only the time that they are told and the
 * requests that they keep waiting.
 */
#ifndef MP_BLOCK_THROTTLE_H
#define MP_BLOCK_THROTTLE_H

#include <stdbool.h>
#include <stdint.h>

#define MP_THROTTLE_MOST 1000000000000000ull /* of avg and max */

enum { MP_THROTTLE_TOTAL, MP_THROTTLE_READ, MP_THROTTLE_WRITE, MP_THROTTLE_N_SCOPES };

/* bps=, bps_max=, bps_max_length=, or the same of iops=. */
struct mp_blk_limit {
	uint64_t avg; /* a second; 0: no limit */
	uint64_t max; /* in a burst; 0: the tenth part of a second's avg at once */
	uint64_t max_length; /* seconds that a burst may last; 0: 1 */
};

struct mp_blk_throttle {
	struct mp_blk_limit bps[MP_THROTTLE_N_SCOPES], iops[MP_THROTTLE_N_SCOPES];
	uint64_t iops_size; /* a request of n times as many bytes counts as n; 0: as one */
};

struct mp_blk_req;

struct mp_throttle_queue {
	struct mp_blk_req *head, *tail;
	unsigned int n;
};

struct mp_throttle_bucket {
	struct mp_blk_limit limit;
	double level, burst; /* what is in it */
};

enum { MP_THROTTLE_BPS, MP_THROTTLE_IOPS, MP_THROTTLE_N_UNITS };

#define MP_THROTTLE_NAME_MAX 63u

/* What its members may do together. */
struct mp_throttle_group {
	char name[MP_THROTTLE_NAME_MAX + 1];
	struct mp_blk_throttle cfg;
	struct mp_throttle_bucket bucket[MP_THROTTLE_N_UNITS][MP_THROTTLE_N_SCOPES];
	uint64_t leaked_ns; /* until when what has leaked is out */
	unsigned int n_reads, n_writes; /* that wait, of all members */
};

/* A member, a disk's; zeroed: of no group, and without limits. */
struct mp_throttle {
	struct mp_throttle_group *group;
	struct mp_throttle_group room; /* a group lives in that of one of its members */
	struct mp_throttle_queue reads, writes; /* that wait, oldest first */
	struct mp_throttle *next; /* of all members of all groups */
};

/**
 * mp_throttle_check() - is it a configuration that has a meaning?
 * @ret_why:  a sentence for the user where it isn't
 *
 * Return: 0; -EINVAL.
 */
int mp_throttle_check(const struct mp_blk_throttle *cfg, const char **ret_why);

/** mp_throttle_limits() - are there any in @cfg? */
bool mp_throttle_limits(const struct mp_blk_throttle *cfg);

/**
 * mp_throttle_join() - become a member of the group @name, which is made if it has no other
 * @members:  of all groups: an engine's
 *
 * Leaves the one it was in. What waits goes on waiting.
 */
void mp_throttle_join(struct mp_throttle **members, struct mp_throttle *t, const char *name);

/** mp_throttle_leave() - no limits any more: what waits may go; fine without a group, too */
void mp_throttle_leave(struct mp_throttle **members, struct mp_throttle *t);

/** mp_throttle_set() - @cfg, checked, is what counts for the group of @t from @now_ns on; its buckets are empty */
void mp_throttle_set(struct mp_throttle *t, const struct mp_blk_throttle *cfg, uint64_t now_ns);

/** mp_throttle_admit() - a request has come; Return: true: it may go, and is counted; false: it waits */
bool mp_throttle_admit(struct mp_throttle *t, struct mp_blk_req *req, uint64_t now_ns);

/** mp_throttle_next() - one that has waited and may go now, counted; NULL: none may */
struct mp_blk_req *mp_throttle_next(struct mp_throttle *t, uint64_t now_ns);

/** mp_throttle_rush() - the oldest that waits, whatever the limits say, counted; NULL: none waits */
struct mp_blk_req *mp_throttle_rush(struct mp_throttle *t);

/** mp_throttle_remove() - @req doesn't want to go any more; Return: did it wait? */
bool mp_throttle_remove(struct mp_throttle *t, struct mp_blk_req *req);

/** mp_throttle_wait_ns() - from @now_ns until mp_throttle_next() has one; UINT64_MAX: none waits */
uint64_t mp_throttle_wait_ns(struct mp_throttle *t, uint64_t now_ns);

#endif
