/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The eventfd orders nothing that a reader could rely on by itself: it may be
 * readable for an earlier notice. So what hands memory over (ram) is released by
 * its store and acquired by the exchange; the others are whole in their word.
 */
#include "remote-worker/notice.h"

#include <unistd.h>

#define VALID   (1ull << 63)
#define READING (1ull << 62)

static void ring(int fd)
{
	uint64_t one = 1;
	ssize_t n = write(fd, &one, sizeof(one));

	(void)n; /* EAGAIN: it has been told already */
}

/* Rings for the first of several that nobody has taken yet. */
static void put(_Atomic uint64_t *place, int fd, uint64_t packed)
{
	/* relaxed: the word is all there is. */
	if (!atomic_exchange_explicit(place, packed, memory_order_relaxed))
		ring(fd);
}

void mp_notice_end(struct mp_notice *n, int fd, enum mp_notice_end end)
{
	/* relaxed: the control thread does nothing but close; a late look is a late close. */
	if (atomic_load_explicit(&n->end, memory_order_relaxed) != MP_NOTICE_NO_END)
		return;
	atomic_store_explicit(&n->end, end, memory_order_relaxed);
	ring(fd);
}

void mp_notice_clear(struct mp_notice *n)
{
	/* relaxed: the core has let go of the device, and was waited for. */
	atomic_store_explicit(&n->end, MP_NOTICE_NO_END, memory_order_relaxed);
	atomic_store_explicit(&n->stop, 0, memory_order_relaxed);
	atomic_store_explicit(&n->refusal, 0, memory_order_relaxed);
	atomic_store_explicit(&n->ram, NULL, memory_order_relaxed);
}

enum mp_notice_end mp_notice_ended(const struct mp_notice *n)
{
	/* relaxed: see mp_notice_end(). */
	return atomic_load_explicit(&n->end, memory_order_relaxed);
}

void mp_notice_stop(struct mp_notice *n, int fd, const struct mp_scsi_stop *stop)
{
	put(&n->stop, fd,
	    VALID | (stop->reading ? READING : 0) | (uint64_t)stop->target << 40 |
		    (uint64_t)stop->lun << 32 | (uint32_t)-stop->error);
}

bool mp_notice_take_stop(struct mp_notice *n, struct mp_scsi_stop *ret_stop)
{
	/* relaxed: see put(). */
	uint64_t packed = atomic_exchange_explicit(&n->stop, 0, memory_order_relaxed);

	if (!packed)
		return false;
	*ret_stop = (struct mp_scsi_stop){.target = packed >> 40 & 0xff,
					  .lun = packed >> 32 & 0xff,
					  .reading = packed & READING,
					  .error = -(int)(packed & 0xffff)};
	return true;
}

void mp_notice_refusal(struct mp_notice *n, int fd, const struct mp_notice_refusal *refusal)
{
	put(&n->refusal, fd, VALID | (uint64_t)refusal->why << 32 | refusal->cmd);
}

bool mp_notice_take_refusal(struct mp_notice *n, struct mp_notice_refusal *ret_refusal)
{
	/* relaxed: see put(). */
	uint64_t packed = atomic_exchange_explicit(&n->refusal, 0, memory_order_relaxed);

	if (!packed)
		return false;
	*ret_refusal = (struct mp_notice_refusal){.why = packed >> 32 & 0xff,
						  .cmd = (uint32_t)packed};
	return true;
}

void mp_notice_ram(struct mp_notice *n, int fd, struct mp_mpqemu_msg *msg)
{
	/* N1: release, pairs with N2 in mp_notice_take_ram(): the message before the news of it. */
	atomic_store_explicit(&n->ram, msg, memory_order_release);
	ring(fd);
}

struct mp_mpqemu_msg *mp_notice_take_ram(struct mp_notice *n)
{
	/* N2: acquire, pairs with N1 in mp_notice_ram(): the news before a look at the message. */
	return atomic_exchange_explicit(&n->ram, NULL, memory_order_acquire);
}
