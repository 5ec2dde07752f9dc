/* SPDX-License-Identifier: BSD-3-Clause */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/shm.h"
#include "tests/lib/fault.h"
#include "tests/lib/t.h"

static struct mp_shm shm = MP_SHM_NULL, peer = MP_SHM_NULL;

static void fresh(void)
{
	mp_shm_fini(&shm);
	mp_shm_fini(&peer);
	T_EQ(mp_shm_create("test", 8192, &shm), 0);
}

static void test_length_is_rounded_up_to_pages(void)
{
	fresh();
	mp_shm_fini(&shm);
	T_EQ(mp_shm_create("test", 4097, &shm), 0);
	T_EQ(shm.len, 8192);
}

static void test_zero_length_is_refused(void)
{
	struct mp_shm none;

	T_EQ(mp_shm_create("test", 0, &none), -EINVAL);
}

static void test_writer_can_neither_shrink_nor_grow_it(void)
{
	fresh();
	T_EQ(ftruncate(shm.fd, 4096), -1);
	T_EQ(ftruncate(shm.fd, 16384), -1);
}

static void test_nobody_maps_it_writable_again(void)
{
	fresh();
	T_OK(mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, shm.fd, 0) == MAP_FAILED);
	T_EQ(write(shm.fd, "x", 1), -1);
	T_EQ(fallocate(shm.fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 0, 4096), -1);
}

static void test_attached_memory_shows_the_writers_bytes(void)
{
	fresh();
	T_EQ(mp_shm_attach_take(dup(shm.fd), 8192, &peer), 0);
	strcpy(shm.addr, "hello");
	T_STR_EQ((const char *)peer.addr, "hello");
}

static void test_attached_memory_cannot_be_made_writable(void)
{
	fresh();
	T_EQ(mp_shm_attach_take(dup(shm.fd), 8192, &peer), 0);
	T_EQ(mprotect(peer.addr, 8192, PROT_READ | PROT_WRITE), -1);
}

static void test_attach_of_another_length_is_refused_and_closes(void)
{
	unsigned int n_fds;

	fresh();
	n_fds = t_count_fds();
	T_EQ(mp_shm_attach_take(dup(shm.fd), 4096, &peer), -EPROTO);
	T_EQ(mp_shm_attach_take(dup(shm.fd), 12288, &peer), -EPROTO);
	T_EQ(t_count_fds(), n_fds);
}

static void test_private_memory_is_adopted_but_not_attached(void)
{
	fresh();
	mp_shm_fini(&shm);
	T_EQ(mp_shm_create_private("test", 8192, &shm), 0);
	T_EQ(mp_shm_attach_take(dup(shm.fd), 8192, &peer), -EPROTO);
	T_EQ(mp_shm_adopt_take(dup(shm.fd), 8192, &peer), 0);
	strcpy(peer.addr, "both write");
	T_STR_EQ((const char *)shm.addr, "both write");
}

static void test_file_without_seals_is_refused(void)
{
	T_EQ(mp_shm_attach_take(open("/dev/zero", O_RDWR), 4096, &peer), -EPROTO);
	T_EQ(mp_shm_adopt_take(open("/dev/zero", O_RDWR), 4096, &peer), -EPROTO);
}

static void test_fini_twice_is_fine(void)
{
	fresh();
	mp_shm_fini(&shm);
	mp_shm_fini(&shm);
	T_EQ(shm.fd, -1);
}

T_MAIN(T_TEST(test_length_is_rounded_up_to_pages), T_TEST(test_zero_length_is_refused),
       T_TEST(test_writer_can_neither_shrink_nor_grow_it),
       T_TEST(test_nobody_maps_it_writable_again),
       T_TEST(test_attached_memory_shows_the_writers_bytes),
       T_TEST(test_attached_memory_cannot_be_made_writable),
       T_TEST(test_attach_of_another_length_is_refused_and_closes),
       T_TEST(test_private_memory_is_adopted_but_not_attached),
       T_TEST(test_file_without_seals_is_refused), T_TEST(test_fini_twice_is_fine))
