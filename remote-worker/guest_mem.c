/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The proxy describes guest memory as pieces of files; each piece becomes one
 * mapping of ours. A file must be long enough when it is mapped: a load behind
 * its end would be SIGBUS. QEMU could still shrink it later and so kill this
 * process, but QEMU is trusted with its own guest's memory; the guest, whose
 * addresses arrive here, is not, and can reach no byte outside the table.
 *
 * mmap() wants its file offset in units of the file's own pages, which are
 * 2 MiB or more on hugetlbfs, so the mapping may begin before the region.
 */
#include "remote-worker/guest_mem.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/err.h"

static const struct mp_guest_region nowhere = {.len = 0};

/* Pages of the file behind @fd; 0 when it can't be used. */
static uint64_t file_page_bytes(int fd, uint64_t end)
{
	uint64_t page = (uint64_t)sysconf(_SC_PAGESIZE), block;
	struct stat st;

	if (fstat(fd, &st) < 0 || st.st_size < 0 || (uint64_t)st.st_size < end)
		return 0;
	block = (uint64_t)st.st_blksize;
	return block > page && (block & (block - 1)) == 0 ? block : page;
}

static int map_region(const struct mp_session_region *in, int fd, struct mp_guest_region *out)
{
	bool read_only = in->flags & MP_RAM_READONLY;
	uint64_t page = file_page_bytes(fd, in->fd_offset + in->len);
	uint64_t lead, map_len;
	void *map;

	if (page == 0)
		return mp_err_origin(-ERANGE);
	lead = in->fd_offset & (page - 1);
	map_len = (lead + in->len + page - 1) & ~(page - 1);
	if (map_len < in->len)
		return mp_err_origin(-EOVERFLOW);
	map = mmap(NULL, map_len, read_only ? PROT_READ : PROT_READ | PROT_WRITE, MAP_SHARED, fd,
		   (off_t)(in->fd_offset - lead));
	if (map == MAP_FAILED)
		return mp_err_origin(-errno);
	*out = (struct mp_guest_region){.gpa = in->gpa,
					.len = in->len,
					.hva = (uint8_t *)map + lead,
					.read_only = read_only,
					.map = map,
					.map_len = map_len};
	return 0;
}

int mp_guest_table_create(const struct mp_session_region *region, uint32_t n_regions,
			  const int *fds, struct mp_guest_table **ret_table)
{
	struct mp_guest_table *t;
	int r;

	t = calloc(1, sizeof(*t) + n_regions * sizeof(t->region[0]));
	if (!t)
		return mp_err_origin(-ENOMEM);
	for (uint32_t i = 0; i < n_regions; i++) {
		r = map_region(&region[i], fds[region[i].fd_index], &t->region[i]);
		if (r < 0) {
			mp_guest_table_destroy(t);
			return mp_err_trace(r);
		}
		t->n++;
	}
	*ret_table = t;
	return 0;
}

struct mp_guest_table *mp_guest_table_destroy(struct mp_guest_table *t)
{
	for (uint32_t i = 0; t && i < t->n; i++)
		munmap(t->region[i].map, t->region[i].map_len);
	free(t);
	return NULL;
}

void mp_guest_view_init(struct mp_guest_view *v, const struct mp_guest_table *table)
{
	v->table = table;
	v->last = &nowhere;
}

const struct mp_guest_region *mp_guest_view_find(struct mp_guest_view *v, uint64_t gpa)
{
	const struct mp_guest_region *r;
	uint32_t low = 0, high = v->table ? v->table->n : 0, mid;

	/* The last region that begins at or before gpa is at low - 1. */
	while (low < high) {
		mid = low + (high - low) / 2;
		if (v->table->region[mid].gpa <= gpa)
			low = mid + 1;
		else
			high = mid;
	}
	if (low == 0)
		return NULL;
	r = &v->table->region[low - 1];
	if (gpa - r->gpa >= r->len)
		return NULL;
	v->last = r;
	return r;
}
