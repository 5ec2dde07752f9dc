/* SPDX-License-Identifier: BSD-3-Clause */
/* What a server says of its holes. */
#include "block/nbd.h"

#define STATE_HOLE 1u
#define STATE_ZERO 2u

static bool is_hole(uint32_t state)
{
	return (state & STATE_HOLE) && (state & STATE_ZERO);
}

/* The server's extents, as far as they are alike; never more than was asked for, never a part of a block. */
int mp_nbd_on_extents(void *opaque, const char *context, uint64_t offset, uint32_t *raw_entries,
		      size_t n_entries, int *error)
{
	const struct mp_nbd_cmd *cmd = opaque;
	struct mp_blk_extent *extent = cmd->req->buf;
	uint64_t len = 0;

	(void)context;
	(void)error;
	if (offset != cmd->offset || n_entries < 2)
		return 0;
	for (size_t i = 0;
	     i + 1 < n_entries && is_hole(raw_entries[i + 1]) == is_hole(raw_entries[1]); i += 2)
		len += raw_entries[i];
	len = mp_nbd_least(len, cmd->len);
	len -= len % cmd->req->blk->block_bytes;
	if (len > 0)
		*extent = (struct mp_blk_extent){len, is_hole(raw_entries[1])};
	return 0;
}
