/* SPDX-License-Identifier: BSD-3-Clause */
/* The copies of what a server may forget. */
#include <errno.h>
#include <stdlib.h>

#include "block/nbd_log.h"
#include "tests/lib/t.h"

#define LEN   (256u << 10)
#define PIECE (60u << 10)

static struct mp_nbd_log log_;
static uint8_t piece[PIECE];

static void setup(void)
{
	T_EQ(mp_nbd_log_init(&log_, LEN), 0);
}

static bool add(uint64_t offset, uint8_t value)
{
	struct mp_nbd_entry what = {
		.offset = offset, .len = PIECE, .data = piece, .change = MP_NBD_DATA};

	if (!mp_nbd_log_reserve(&log_, MP_NBD_DATA, PIECE))
		return false;
	memset(piece, value, PIECE);
	mp_nbd_log_append(&log_, &what);
	return true;
}

static void test_nothing_is_kept_where_nothing_is_wanted(void)
{
	T_EQ(mp_nbd_log_init(&log_, 0), 0);
	T_OK(!mp_nbd_log_is_on(&log_));
	mp_nbd_log_fini(&log_);
}

static void test_what_is_reserved_is_room_that_is_gone(void)
{
	setup();
	for (unsigned int i = 0; i < 4; i++)
		T_OK(mp_nbd_log_reserve(&log_, MP_NBD_DATA, LEN / 4));
	T_OK(!mp_nbd_log_reserve(&log_, MP_NBD_DATA, 1));
	T_OK(mp_nbd_log_reserve(&log_, MP_NBD_TRIM, LEN)); /* has no data */
	mp_nbd_log_unreserve(&log_, MP_NBD_DATA, LEN / 4);
	T_OK(mp_nbd_log_reserve(&log_, MP_NBD_DATA, LEN / 4));
	mp_nbd_log_fini(&log_);
}

static void test_entries_run_out_too(void)
{
	unsigned int n = 0;

	setup();
	while (mp_nbd_log_reserve(&log_, MP_NBD_TRIM, 4096))
		n++;
	T_EQ(n, LEN / 2048 / 2);
	T_OK(mp_nbd_log_is_half_full(&log_));
	mp_nbd_log_fini(&log_);
}

/* 60 KiB do not divide 256 KiB: the copies wrap around, and become two entries where they do. */
static void test_copies_wrap_around_whole(void)
{
	uint64_t offset = 0;

	setup();
	for (unsigned int round = 0; round < 100; round++) {
		uint64_t seen = 0;

		T_OK(add(offset, (uint8_t)round));
		for (uint32_t i = log_.head; i != log_.tail; i++) {
			const struct mp_nbd_entry *entry = mp_nbd_log_at(&log_, i);

			T_EQ(entry->offset, offset + seen);
			T_EQ(entry->data[0], round);
			T_MEM_EQ(entry->data, piece, entry->len);
			seen += entry->len;
		}
		T_EQ(seen, PIECE);
		mp_nbd_log_release(&log_, log_.tail);
		T_OK(mp_nbd_log_is_empty(&log_));
		offset += PIECE;
	}
	mp_nbd_log_fini(&log_);
}

static void test_a_mark_releases_what_was_before_it(void)
{
	uint32_t mark;

	setup();
	T_OK(add(0, 1));
	mark = log_.tail;
	T_OK(add(PIECE, 2));
	mp_nbd_log_release(&log_, mark);
	T_EQ(mp_nbd_log_at(&log_, log_.head)->offset, PIECE);
	mp_nbd_log_release(&log_, mark); /* an older flush that ends later */
	T_EQ(log_.tail - log_.head, 1);
	mp_nbd_log_fini(&log_);
}

static void test_errors_are_where_their_entries_are(void)
{
	setup();
	T_OK(add(0, 1));
	T_OK(add(PIECE, 2));
	mp_nbd_log_set_error(&log_, log_.head, -EIO);
	T_EQ(mp_nbd_log_error_in(&log_, PIECE - 1, 1), -EIO);
	T_EQ(mp_nbd_log_error_in(&log_, PIECE, PIECE), 0);
	mp_nbd_log_superseded(&log_, log_.tail, 1, PIECE); /* a byte of it isn't in there */
	T_EQ(log_.n_failed, 1);
	mp_nbd_log_superseded(&log_, log_.tail, 0, PIECE);
	T_EQ(log_.n_failed, 0);
	mp_nbd_log_set_error(&log_, log_.head, -EIO);
	mp_nbd_log_release(&log_, log_.tail);
	T_EQ(log_.n_failed, 0);
	mp_nbd_log_fini(&log_);
}

T_MAIN(T_TEST(test_nothing_is_kept_where_nothing_is_wanted),
       T_TEST(test_what_is_reserved_is_room_that_is_gone), T_TEST(test_entries_run_out_too),
       T_TEST(test_copies_wrap_around_whole), T_TEST(test_a_mark_releases_what_was_before_it),
       T_TEST(test_errors_are_where_their_entries_are))
