/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Regions are kept sorted by guest address, because the worker finds an address
 * by bisection and checks for overlap between neighbours. QEMU names sections in
 * rising order, so each one is put behind the last, or joined to it.
 *
 * A section that doesn't fit changes nothing: its file is entered only after its
 * region has found room. So a table is right at every moment, only perhaps not
 * complete, and the caller says so.
 */
#include "proxy/dma.h"

#include <errno.h>
#include <string.h>

#include "base/err.h"

void mp_dma_clear(struct mp_dma_table *t)
{
	t->n_regions = 0;
	t->n_fds = 0;
}

/* Index of @fd, adding it if there is room; t->n_fds tells the caller which. */
static int file_index(const struct mp_dma_table *t, int fd)
{
	for (uint32_t i = 0; i < t->n_fds; i++)
		if (t->fds[i] == fd)
			return (int)i;
	return t->n_fds < MP_SESSION_MAX_RAM_FDS ? (int)t->n_fds : -E2BIG;
}

/* Does @b go on where @a ends, in guest memory and in the same file? */
static bool adjoins(const struct mp_session_region *a, const struct mp_session_region *b)
{
	return a->fd_index == b->fd_index && a->flags == b->flags && a->gpa + a->len == b->gpa &&
	       a->fd_offset + a->len == b->fd_offset;
}

/* Sections come in rising order, so this looks at the last region only, mostly. */
static uint32_t place_of(const struct mp_dma_table *t, uint64_t gpa)
{
	uint32_t at = t->n_regions;

	while (at > 0 && t->region[at - 1].gpa > gpa)
		at--;
	return at;
}

int mp_dma_add(struct mp_dma_table *t, const struct mp_session_region *region, int fd)
{
	struct mp_session_region new = *region;
	uint32_t at = place_of(t, region->gpa);
	int index = file_index(t, fd);

	if (index < 0)
		return mp_err_origin(index);
	new.fd_index = (uint32_t)index;
	if (at > 0 && adjoins(&t->region[at - 1], &new)) {
		t->region[at - 1].len += new.len;
		return index;
	}
	if (t->n_regions == MP_SESSION_MAX_REGIONS)
		return mp_err_origin(-E2BIG);
	memmove(&t->region[at + 1], &t->region[at], (t->n_regions - at) * sizeof(new));
	t->region[at] = new;
	t->n_regions++;
	if ((uint32_t)index == t->n_fds)
		t->fds[t->n_fds++] = fd;
	return index;
}

bool mp_dma_equal(const struct mp_dma_table *a, const struct mp_dma_table *b)
{
	return a->n_regions == b->n_regions && a->n_fds == b->n_fds &&
	       memcmp(a->region, b->region, a->n_regions * sizeof(a->region[0])) == 0 &&
	       memcmp(a->fds, b->fds, a->n_fds * sizeof(a->fds[0])) == 0;
}
