/* SPDX-License-Identifier: BSD-3-Clause */
#include "remote-worker/event_box.h"

#include <errno.h>
#include <pthread.h>
#include <sched.h>

#include "tests/lib/t.h"

#define N_EVENTS 20000u

static struct mp_event_box box;

static struct mp_event error_of(unsigned int n)
{
	return (struct mp_event){
		.kind = MP_EVENT_IO_ERROR,
		.error = {.target = 15, .lun = 63, .op = MP_BLK_DISCARD, .error = -(int)(n + 1)}};
}

static void test_an_error_comes_out_as_it_went_in(void)
{
	struct mp_event in = error_of(ENOSPC - 1), out = {0};

	in.error.action = MP_SCSI_ON_ERROR_IGNORE;
	box = (struct mp_event_box){0};
	T_OK(!mp_event_box_take(&box, &out));
	T_OK(mp_event_box_put(&box, &in));
	T_OK(mp_event_box_take(&box, &out));
	T_EQ(out.kind, MP_EVENT_IO_ERROR);
	T_EQ(out.error.target, 15);
	T_EQ(out.error.lun, 63);
	T_EQ(out.error.op, MP_BLK_DISCARD);
	T_EQ(out.error.error, -ENOSPC);
	T_EQ(out.error.action, MP_SCSI_ON_ERROR_IGNORE);
	T_OK(!mp_event_box_take(&box, &out));
}

static void test_a_tray_comes_out_as_it_went_in(void)
{
	struct mp_event in = {.kind = MP_EVENT_TRAY, .tray = {.target = 3, .lun = 5}}, out;

	box = (struct mp_event_box){0};
	for (unsigned int open = 0; open < 2; open++) {
		in.tray.open = open;
		T_OK(mp_event_box_put(&box, &in));
		T_OK(mp_event_box_take(&box, &out));
		T_EQ(out.kind, MP_EVENT_TRAY);
		T_EQ(out.tray.target, 3);
		T_EQ(out.tray.lun, 5);
		T_EQ(out.tray.open, open);
	}
}

static void test_a_full_box_drops_and_counts(void)
{
	struct mp_event e;

	box = (struct mp_event_box){0};
	for (unsigned int i = 0; i < MP_EVENT_BOX_SLOTS + 3; i++) {
		e = error_of(i);
		T_EQ(mp_event_box_put(&box, &e), i < MP_EVENT_BOX_SLOTS);
	}
	T_EQ(mp_count_get(&box.n_dropped), 3);
	for (unsigned int i = 0; i < MP_EVENT_BOX_SLOTS; i++) {
		T_OK(mp_event_box_take(&box, &e));
		T_EQ(e.error.error, error_of(i).error.error);
	}
	T_OK(!mp_event_box_take(&box, &e));
}

static void *put_all(void *arg)
{
	for (unsigned int i = 0; i < N_EVENTS; i++) {
		struct mp_event e = error_of(i);

		while (!mp_event_box_put(&box, &e))
			sched_yield();
	}
	return arg;
}

static void test_another_thread_gets_them_in_order(void)
{
	struct mp_event e;
	pthread_t thread;

	box = (struct mp_event_box){0};
	T_EQ(pthread_create(&thread, NULL, put_all, NULL), 0);
	for (unsigned int i = 0; i < N_EVENTS; i++) {
		while (!mp_event_box_take(&box, &e))
			sched_yield();
		T_EQ(e.error.error, error_of(i).error.error);
	}
	T_EQ(pthread_join(thread, NULL), 0);
}

T_MAIN(T_TEST(test_an_error_comes_out_as_it_went_in), T_TEST(test_a_tray_comes_out_as_it_went_in),
       T_TEST(test_a_full_box_drops_and_counts), T_TEST(test_another_thread_gets_them_in_order))
