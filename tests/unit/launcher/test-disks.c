/* SPDX-License-Identifier: BSD-3-Clause */
#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <linux/magic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/vfs.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "launcher/disks.h"
#include "tests/lib/t.h"

#define MIB (1 << 20)

/* A file of ours at @path, which has room for a template; its descriptor. */
static int make_file(char *path)
{
	int fd;

	strcpy(path, "/var/tmp/mpring-test.XXXXXX");
	fd = mkostemp(path, O_CLOEXEC);
	T_OK(fd >= 0);
	return fd;
}

static void put(int fd, off_t at, const void *bytes, size_t n)
{
	T_EQ(pwrite(fd, bytes, n, at), (ssize_t)n);
}

static void check_word(int fd, off_t at, const char *word)
{
	char found[16] = "";

	T_EQ(pread(fd, found, strlen(word), at), (ssize_t)strlen(word));
	T_STR_EQ(found, word);
}

static void test_copy_has_all_data_and_the_holes(void)
{
	char path[64];
	MP_CLEANUP_FD int fd = make_file(path);
	MP_CLEANUP_FD int copy = -1;
	struct stat st;

	put(fd, 0, "begin", 5);
	put(fd, 9 * MIB + 4093, "middle", 6); /* in two blocks, behind a hole */
	T_EQ(ftruncate(fd, 40 * MIB + 17), 0);
	T_EQ(mp_disk_copy(path, &copy), 0);
	unlink(path);
	check_word(copy, 0, "begin");
	check_word(copy, 9 * MIB + 4093, "middle");
	T_EQ(fstat(copy, &st), 0);
	T_EQ(st.st_size, 40 * MIB + 17);
	T_EQ(st.st_nlink, 0);
	T_OK(st.st_blocks * 512 < 4 * MIB);
}

static void test_copy_that_ends_in_data_has_its_last_byte(void)
{
	char path[64];
	MP_CLEANUP_FD int fd = make_file(path);
	MP_CLEANUP_FD int copy = -1;
	struct stat st;

	put(fd, 3 * MIB, "end", 3);
	T_EQ(mp_disk_copy(path, &copy), 0);
	unlink(path);
	check_word(copy, 3 * MIB, "end");
	T_EQ(fstat(copy, &st), 0);
	T_EQ(st.st_size, 3 * MIB + 3);
}

/* Is that page of the file in the page cache? */
static bool is_cached(int fd, off_t at)
{
	unsigned char resident = 0;
	void *page = mmap(NULL, 4096, PROT_READ, MAP_SHARED, fd, at);

	T_OK(page != MAP_FAILED);
	T_EQ(mincore(page, 4096, &resident), 0);
	munmap(page, 4096);
	return resident & 1;
}

static void test_file_and_copy_are_read_in_anew(void)
{
	char path[64], one;
	MP_CLEANUP_FD int fd = make_file(path);
	MP_CLEANUP_FD int copy = -1;
	struct statfs st;

	T_EQ(fstatfs(fd, &st), 0);
	put(fd, 0, "begin", 5);
	put(fd, 64 * MIB, "end", 3);
	T_EQ(pread(fd, &one, 1, 32 * MIB), 1);
	T_OK(is_cached(fd, 32 * MIB)); /* a page of a hole, that a user has read */
	T_EQ(mp_disk_copy(path, &copy), 0);
	unlink(path);
	if (st.f_type == TMPFS_MAGIC)
		t_skip("the page cache of a tmpfs is all that it has");
	T_OK(!is_cached(fd, 32 * MIB));
	T_OK(is_cached(fd, 0) && is_cached(fd, 64 * MIB));
	T_OK(is_cached(copy, 0) && is_cached(copy, 64 * MIB));
}

/* The head of a qcow2 file whose backing file has this name. */
static int copy_of_qcow2(const char *backing)
{
	static const unsigned char head[16] = {'Q', 'F', 'I', 0xfb, 0, 0, 0, 3, [15] = 112};
	char path[64];
	MP_CLEANUP_FD int fd = make_file(path);
	MP_CLEANUP_FD int copy = -1;
	int r;

	put(fd, 0, head, sizeof(head));
	put(fd, 112, backing, strlen(backing));
	r = mp_disk_copy(path, &copy);
	unlink(path);
	return r;
}

static void test_copy_would_not_find_a_relative_backing_file(void)
{
	T_EQ(copy_of_qcow2("base.qcow2"), -EINVAL);
	T_EQ(copy_of_qcow2("/d/base.qcow2"), 0);
}

static void test_only_files_are_copied(void)
{
	int fd = -1;

	T_EQ(mp_disk_copy("/dev/null", &fd), -EINVAL);
	T_EQ(mp_disk_copy("/no/such/file", &fd), -ENOENT);
	T_EQ(fd, -1);
}

/* What a copy that fails says of it. */
static void failed_copy(const char *file, char *said, size_t len)
{
	int stderr_fd = fcntl(STDERR_FILENO, F_DUPFD_CLOEXEC, 3), fd = -1, fds[2], r;
	ssize_t n;

	T_EQ(pipe2(fds, O_CLOEXEC | O_NONBLOCK), 0);
	T_EQ(dup2(fds[1], STDERR_FILENO), STDERR_FILENO);
	r = mp_disk_copy(file, &fd);
	T_EQ(dup2(stderr_fd, STDERR_FILENO), STDERR_FILENO);
	n = read(fds[0], said, len - 1);
	said[n > 0 ? n : 0] = '\0';
	close(stderr_fd);
	close(fds[0]);
	close(fds[1]);
	T_EQ(fd, -1);
	T_OK(r < 0);
}

static void test_an_error_of_the_file_is_not_one_of_the_copy(void)
{
	char said[1024];

	failed_copy("/proc/self/status", said, sizeof(said)); /* has no fdatasync() */
	T_OK(strstr(said, "--disk /proc/self/status: Invalid argument") != NULL);
	T_OK(strstr(said, "names another folder") == NULL); /* used to */
}

static void test_a_file_that_ends_early_is_named(void)
{
	static const char file[] = "/sys/kernel/mm/transparent_hugepage/enabled";
	char said[1024];

	if (access(file, R_OK) < 0)
		t_skip("there is no file here that has less than its size says");
	failed_copy(file, said, sizeof(said));
	T_OK(strstr(said, "--disk /sys/") != NULL);
	T_OK(strstr(said, "names another folder") == NULL);
}

static void test_a_copy_that_has_no_room_names_tmpdir(void)
{
	char path[64], said[1024];
	MP_CLEANUP_FD int fd = make_file(path);

	put(fd, 0, "begin", 5);
	setenv("TMPDIR", "/proc/none", 1);
	failed_copy(path, said, sizeof(said));
	unsetenv("TMPDIR");
	unlink(path);
	T_OK(strstr(said, "TMPDIR names another folder") != NULL);
	T_OK(strstr(said, "--disk") == NULL);
}

static void test_a_colon_before_any_slash_is_a_protocol(void)
{
	T_OK(mp_disk_is_uri("nbd://host/x"));
	T_OK(mp_disk_is_uri("null-co://"));
	T_OK(!mp_disk_is_uri("/d/a:b"));
	T_OK(!mp_disk_is_uri("./a:b"));
	T_OK(!mp_disk_is_uri("disk.img"));
}

static int check_one(const char *file, bool readonly)
{
	struct mp_options o = {.n_disks = 1};
	int r;

	o.disk[0] = (struct mp_opt_disk){.file = strdup(file), .readonly = readonly};
	r = mp_disks_check(&o);
	free(o.disk[0].file);
	return r;
}

static void test_disks_that_are_not_there_are_found_before_anything_starts(void)
{
	T_EQ(check_one("/no/such/file", false), -ENOENT);
	T_EQ(check_one("nbd://no.such.host/x", false), 0); /* the worker's to find out */
	T_EQ(check_one("/dev/null", true), 0);
}

/* What root may beyond what a file's mode says. Another user may not even reach the folder. */
static bool drop_capabilities(void)
{
	struct __user_cap_header_struct header = {.version = _LINUX_CAPABILITY_VERSION_3};
	struct __user_cap_data_struct none[2] = {{.effective = 0}};

	return syscall(SYS_capset, &header, none) == 0;
}

/* What is said of a file with these rights. */
static void said_of(mode_t mode, bool cdrom, char *said, size_t len)
{
	struct mp_options o = {.n_disks = !cdrom, .n_cdroms = cdrom};
	char path[64];
	MP_CLEANUP_FD int fd = make_file(path);
	int fds[2], status;
	ssize_t n;

	T_EQ(fchmod(fd, mode), 0);
	T_EQ(pipe(fds), 0);
	fflush(NULL);
	if (fork() == 0) {
		dup2(fds[1], STDERR_FILENO);
		o.disk[0].file = path;
		o.cdrom[0] = path;
		_exit(drop_capabilities() && mp_disks_check(&o) == -EACCES);
	}
	close(fds[1]);
	n = read(fds[0], said, len - 1);
	said[n > 0 ? n : 0] = '\0';
	close(fds[0]);
	wait(&status);
	unlink(path);
	T_EQ(WEXITSTATUS(status), 1);
}

static void test_hint_of_a_refused_disk_is_one_that_helps(void)
{
	char said[500];

	said_of(0444, false, said, sizeof(said));
	T_OK(strstr(said, "check its owner and mode, or add ,readonly=on\n") != NULL);
	/* Used to be told the same, as if it could be read. */
	said_of(0, false, said, sizeof(said));
	T_OK(strstr(said, "check its owner and mode\n") != NULL);
}

static void test_hint_of_a_refused_cdrom_says_how_to_get_on(void)
{
	char said[500];

	said_of(0, true, said, sizeof(said));
	T_OK(strstr(said, "Permission denied; check its owner and mode\n") != NULL);
}

T_MAIN(T_TEST(test_copy_has_all_data_and_the_holes),
       T_TEST(test_copy_that_ends_in_data_has_its_last_byte),
       T_TEST(test_file_and_copy_are_read_in_anew),
       T_TEST(test_copy_would_not_find_a_relative_backing_file), T_TEST(test_only_files_are_copied),
       T_TEST(test_an_error_of_the_file_is_not_one_of_the_copy),
       T_TEST(test_a_file_that_ends_early_is_named),
       T_TEST(test_a_copy_that_has_no_room_names_tmpdir),
       T_TEST(test_a_colon_before_any_slash_is_a_protocol),
       T_TEST(test_disks_that_are_not_there_are_found_before_anything_starts),
       T_TEST(test_hint_of_a_refused_disk_is_one_that_helps),
       T_TEST(test_hint_of_a_refused_cdrom_says_how_to_get_on))
