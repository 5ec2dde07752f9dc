/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The table of guest memory, sent as a whole: either all of it is sound and
 * replaces the old one, or nothing changes. It is checked after it lies in
 * private memory and before anyone sorts or maps by it; whether a file is as
 * long as a region says is for whoever maps it.
 */
#include "wire/session.h"

#include <errno.h>

#include "base/err.h"
#include "wire/frame.h"

static_assert(sizeof(struct mp_session_region) == 32, "wire format");
static_assert(sizeof(struct mp_session_ram) == 8, "wire format");

static size_t table_size(uint32_t n_regions)
{
	return sizeof(struct mp_session_ram) + n_regions * sizeof(struct mp_session_region);
}

int mp_session_send_ram(int sock, const struct mp_session_region *region, uint32_t n_regions,
			const struct mp_fds *fds, uint64_t timeout_ns)
{
	uint64_t deadline_ns = mp_frame_deadline(timeout_ns);
	struct mp_session_ram ram = {.n_regions = n_regions};
	int r;

	if (n_regions > MP_SESSION_MAX_REGIONS || (fds && fds->n > MP_SESSION_MAX_RAM_FDS))
		return mp_err_origin(-E2BIG);
	r = mp_frame_send_header(sock, MP_CMD_RAM, table_size(n_regions), fds, deadline_ns);
	if (r == 0)
		r = mp_frame_send_payload(sock, &ram, sizeof(ram), deadline_ns);
	if (r == 0 && n_regions > 0)
		r = mp_frame_send_payload(sock, region, n_regions * sizeof(*region), deadline_ns);
	if (r == 0)
		r = mp_frame_recv_ack(sock, deadline_ns);
	return mp_err_trace(r);
}

/*
 * By insertion: a table comes sorted, or nearly, and has a bound. qsort() would
 * ask the kernel for the size of memory, which a sandboxed worker may not.
 */
static void sort_by_gpa(struct mp_session_region *region, uint32_t n)
{
	for (uint32_t i = 1; i < n; i++) {
		struct mp_session_region new = region[i];
		uint32_t at = i;

		for (; at > 0 && region[at - 1].gpa > new.gpa; at--)
			region[at] = region[at - 1];
		region[at] = new;
	}
}

static bool region_ok(const struct mp_session_region *raw, size_t n_fds)
{
	return raw->len != 0 && raw->len - 1 <= UINT64_MAX - raw->gpa &&
	       raw->fd_offset <= INT64_MAX && raw->len <= INT64_MAX - raw->fd_offset &&
	       raw->fd_index < n_fds && (raw->flags & ~MP_RAM_READONLY) == 0;
}

/* Checks each region, sorts, and then neighbours are all that can overlap. */
int mp_session_check_ram(struct mp_session_region *region, uint32_t n, size_t n_fds)
{
	for (uint32_t i = 0; i < n; i++)
		if (!region_ok(&region[i], n_fds))
			return mp_err_origin(-EPROTO);
	sort_by_gpa(region, n);
	for (uint32_t i = 1; i < n; i++)
		if (region[i].gpa - region[i - 1].gpa < region[i - 1].len)
			return mp_err_origin(-EPROTO);
	return 0;
}

static int recv_table(int sock, const struct mp_session_header *header,
		      struct mp_session_region *region, uint32_t *ret_n, uint64_t deadline_ns)
{
	struct mp_session_ram raw_ram;
	int r;

	if (header->cmd != MP_CMD_RAM || header->size < sizeof(raw_ram))
		return mp_err_origin(-EPROTO);
	r = mp_frame_recv_payload(sock, &raw_ram, sizeof(raw_ram), deadline_ns);
	if (r < 0)
		return mp_err_trace(r);
	if (raw_ram.n_regions > MP_SESSION_MAX_REGIONS || raw_ram.reserved != 0 ||
	    header->size != table_size(raw_ram.n_regions))
		return mp_err_origin(-EPROTO);
	if (raw_ram.n_regions > 0)
		r = mp_frame_recv_payload(sock, region, raw_ram.n_regions * sizeof(*region),
					  deadline_ns);
	*ret_n = raw_ram.n_regions;
	return mp_err_trace(r);
}

int mp_session_recv_ram(int sock, struct mp_session_region *region, uint32_t *ret_n_regions,
			struct mp_fds *fds, uint64_t timeout_ns)
{
	uint64_t deadline_ns = mp_frame_deadline(timeout_ns);
	struct mp_session_header raw_header;
	uint32_t n_regions = 0;
	int r;

	r = mp_frame_recv_header(sock, &raw_header, fds, deadline_ns);
	if (r == 0)
		r = recv_table(sock, &raw_header, region, &n_regions, deadline_ns);
	if (r == 0)
		r = mp_session_check_ram(region, n_regions, fds->n);
	if (r < 0) {
		mp_fds_close(fds);
		return r == -ECONNRESET ? 0 : mp_err_trace(r);
	}

	*ret_n_regions = n_regions;
	return 1;
}

int mp_session_send_ack(int sock, int status, uint64_t timeout_ns)
{
	return mp_err_trace(mp_frame_send_ack(sock, status, mp_frame_deadline(timeout_ns)));
}
