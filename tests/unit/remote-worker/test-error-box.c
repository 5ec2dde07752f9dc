/* SPDX-License-Identifier: BSD-3-Clause */
#include "remote-worker/error_box.h"

#include <errno.h>
#include <pthread.h>
#include <sched.h>

#include "tests/lib/t.h"

#define N_ERRORS 20000u

static struct mp_error_box box;

static struct mp_scsi_io_error error_of(unsigned int n)
{
	return (struct mp_scsi_io_error){
		.target = 15, .lun = 63, .op = MP_BLK_DISCARD, .error = -(int)(n + 1)};
}

static void test_an_error_comes_out_as_it_went_in(void)
{
	struct mp_scsi_io_error in = error_of(ENOSPC - 1), out = {0};

	in.action = MP_SCSI_ON_ERROR_IGNORE;
	box = (struct mp_error_box){0};
	T_OK(!mp_error_box_take(&box, &out));
	T_OK(mp_error_box_put(&box, &in));
	T_OK(mp_error_box_take(&box, &out));
	T_EQ(out.target, 15);
	T_EQ(out.lun, 63);
	T_EQ(out.op, MP_BLK_DISCARD);
	T_EQ(out.error, -ENOSPC);
	T_EQ(out.action, MP_SCSI_ON_ERROR_IGNORE);
	T_OK(!mp_error_box_take(&box, &out));
}

static void test_a_full_box_drops_and_counts(void)
{
	struct mp_scsi_io_error e;

	box = (struct mp_error_box){0};
	for (unsigned int i = 0; i < MP_ERROR_BOX_SLOTS + 3; i++) {
		e = error_of(i);
		T_EQ(mp_error_box_put(&box, &e), i < MP_ERROR_BOX_SLOTS);
	}
	T_EQ(mp_count_get(&box.n_dropped), 3);
	for (unsigned int i = 0; i < MP_ERROR_BOX_SLOTS; i++) {
		T_OK(mp_error_box_take(&box, &e));
		T_EQ(e.error, error_of(i).error);
	}
	T_OK(!mp_error_box_take(&box, &e));
}

static void *put_all(void *arg)
{
	for (unsigned int i = 0; i < N_ERRORS; i++) {
		struct mp_scsi_io_error e = error_of(i);

		while (!mp_error_box_put(&box, &e))
			sched_yield();
	}
	return arg;
}

static void test_another_thread_gets_them_in_order(void)
{
	struct mp_scsi_io_error e;
	pthread_t thread;

	box = (struct mp_error_box){0};
	T_EQ(pthread_create(&thread, NULL, put_all, NULL), 0);
	for (unsigned int i = 0; i < N_ERRORS; i++) {
		while (!mp_error_box_take(&box, &e))
			sched_yield();
		T_EQ(e.error, error_of(i).error);
	}
	T_EQ(pthread_join(thread, NULL), 0);
}

T_MAIN(T_TEST(test_an_error_comes_out_as_it_went_in), T_TEST(test_a_full_box_drops_and_counts),
       T_TEST(test_another_thread_gets_them_in_order))
