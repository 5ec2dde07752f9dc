/* SPDX-License-Identifier: BSD-3-Clause */
#include "remote-worker/guest_mem.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#include "tests/lib/t.h"

#define KB 1024u

/* Low RAM, a ROM behind it without a gap, a hole, high RAM from the middle of the file. */
static const struct mp_session_region layout[] = {
	{.gpa = 0, .len = 64 * KB, .fd_offset = 0},
	{.gpa = 64 * KB, .len = 4 * KB, .fd_offset = 64 * KB, .flags = MP_RAM_READONLY},
	{.gpa = 1ull << 32, .len = 16 * KB, .fd_offset = 80 * KB + 512},
};

static struct mp_guest_table *table;
static struct mp_guest_view view;
static uint8_t *file;

static int make_file(size_t len)
{
	int fd = memfd_create("guest", MFD_CLOEXEC);

	T_OK(fd >= 0 && ftruncate(fd, (off_t)len) == 0);
	return fd;
}

static void set_up(void)
{
	int fd = make_file(128 * KB);

	file = mmap(NULL, 128 * KB, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	T_OK(file != MAP_FAILED);
	T_EQ(mp_guest_table_create(layout, 3, &fd, &table), 0);
	close(fd);
	mp_guest_view_init(&view, table);
}

static void tear_down(void)
{
	table = mp_guest_table_destroy(table);
	munmap(file, 128 * KB);
}

static void test_span_reaches_the_right_byte_of_the_file(void)
{
	uint32_t len = 4;
	uint8_t *p;

	set_up();
	p = mp_guest_view_span(&view, (1ull << 32) + 100, &len, true);
	T_OK(p != NULL);
	T_EQ(len, 4);
	*p = 0x5a;
	T_EQ(file[80 * KB + 512 + 100], 0x5a);
	tear_down();
}

static void test_span_is_cut_at_the_end_of_its_region(void)
{
	uint32_t len = 100;

	set_up();
	T_OK(mp_guest_view_span(&view, 64 * KB - 10, &len, false) != NULL);
	T_EQ(len, 10);
	len = UINT32_MAX;
	T_OK(mp_guest_view_span(&view, (1ull << 32) + 16 * KB - 1, &len, false) != NULL);
	T_EQ(len, 1);
	tear_down();
}

static void test_holes_and_ends_are_nowhere(void)
{
	uint32_t len = 1;

	set_up();
	T_OK(!mp_guest_view_span(&view, 68 * KB, &len, false));
	T_OK(!mp_guest_view_span(&view, (1ull << 32) - 1, &len, false));
	T_OK(!mp_guest_view_span(&view, (1ull << 32) + 16 * KB, &len, false));
	T_OK(!mp_guest_view_span(&view, UINT64_MAX, &len, false));
	tear_down();
}

static void test_read_only_memory_refuses_writes_on_both_paths(void)
{
	uint32_t len = 4;

	set_up();
	T_OK(!mp_guest_view_span(&view, 64 * KB, &len, true)); /* found by search */
	T_OK(mp_guest_view_span(&view, 64 * KB, &len, false) != NULL);
	T_OK(!mp_guest_view_span(&view, 64 * KB + 8, &len, true)); /* found as last hit */
	tear_down();
}

static void test_straddling_regions_takes_two_spans(void)
{
	uint32_t len = 32;

	set_up();
	T_OK(mp_guest_view_span(&view, 64 * KB - 16, &len, false) != NULL);
	T_EQ(len, 16);
	len = 16;
	T_OK(mp_guest_view_span(&view, 64 * KB, &len, false) != NULL);
	T_EQ(len, 16);
	tear_down();
}

static void test_view_without_table_has_no_memory(void)
{
	uint32_t len = 1;

	mp_guest_view_init(&view, NULL);
	T_OK(!mp_guest_view_span(&view, 0, &len, false));
	T_OK(!mp_guest_view_span(&view, 4096, &len, false));
}

static void test_new_table_is_used_at_once(void)
{
	uint32_t len = 1;

	set_up();
	T_OK(mp_guest_view_span(&view, 0, &len, false) != NULL);
	mp_guest_view_init(&view, NULL);
	T_OK(!mp_guest_view_span(&view, 0, &len, false));
	tear_down();
}

static void test_file_that_is_too_short_is_refused(void)
{
	struct mp_session_region r = {.gpa = 0, .len = 8 * KB, .fd_offset = 4 * KB};
	struct mp_guest_table *none = NULL;
	int fd = make_file(12 * KB - 1);

	T_EQ(mp_guest_table_create(&r, 1, &fd, &none), -ERANGE);
	T_OK(none == NULL);
	close(fd);
}

static void test_fd_that_is_no_file_is_refused(void)
{
	struct mp_session_region r = {.gpa = 0, .len = 4 * KB};
	struct mp_guest_table *none = NULL;
	int fds[2];

	T_EQ(pipe(fds), 0);
	T_EQ(mp_guest_table_create(&r, 1, fds, &none), -ERANGE);
	close(fds[0]);
	close(fds[1]);
}

static void test_read_only_file_serves_read_only_regions(void)
{
	struct mp_session_region r = {.gpa = 0, .len = 4 * KB, .flags = MP_RAM_READONLY};
	struct mp_guest_table *rom = NULL;
	int fd = make_file(4 * KB), ro;
	char path[64];

	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	ro = open(path, O_RDONLY | O_CLOEXEC);
	T_EQ(mp_guest_table_create(&r, 1, &ro, &rom), 0);
	rom = mp_guest_table_destroy(rom);
	r.flags = 0;
	T_EQ(mp_guest_table_create(&r, 1, &ro, &rom), -EACCES);
	close(ro);
	close(fd);
}

T_MAIN(T_TEST(test_span_reaches_the_right_byte_of_the_file),
       T_TEST(test_span_is_cut_at_the_end_of_its_region), T_TEST(test_holes_and_ends_are_nowhere),
       T_TEST(test_read_only_memory_refuses_writes_on_both_paths),
       T_TEST(test_straddling_regions_takes_two_spans),
       T_TEST(test_view_without_table_has_no_memory), T_TEST(test_new_table_is_used_at_once),
       T_TEST(test_file_that_is_too_short_is_refused), T_TEST(test_fd_that_is_no_file_is_refused),
       T_TEST(test_read_only_file_serves_read_only_regions))
