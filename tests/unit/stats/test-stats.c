/* SPDX-License-Identifier: BSD-3-Clause */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "stats/stats.h"
#include "tests/lib/fault.h"
#include "tests/lib/t.h"

static struct mp_shm shm = MP_SHM_NULL;
static char output[16384];

static void fresh(void)
{
	mp_shm_fini(&shm);
	T_EQ(mp_stat_create(&shm), 0);
}

/* What mpring-stat prints about our page, and its exit status. */
static int stat_program(const char *options)
{
	char command[512];
	FILE *pipe;
	size_t n;

	snprintf(command, sizeof(command), "%s %s /proc/%d/fd/%d 2>&1", getenv("MPRING_STAT"),
		 options, (int)getpid(), shm.fd);
	pipe = popen(command, "r");
	T_OK(pipe);
	n = fread(output, 1, sizeof(output) - 1, pipe);
	output[n] = 0;
	return WEXITSTATUS(pclose(pipe));
}

static void test_fresh_counters_are_zero(void)
{
	fresh();
	T_EQ(mp_stat_get(mp_stat_page(&shm), MP_STAT_WORKER_TURNS), 0);
	T_EQ(mp_stat_get(mp_stat_page(&shm), MP_STAT_COUNT - 1), 0);
}

static void test_add_adds_and_set_sets(void)
{
	fresh();
	mp_stat_add(mp_stat_page(&shm), MP_STAT_WORKER_TURNS, 40);
	mp_stat_add(mp_stat_page(&shm), MP_STAT_WORKER_TURNS, 2);
	T_EQ(mp_stat_get(mp_stat_page(&shm), MP_STAT_WORKER_TURNS), 42);
	mp_stat_set(mp_stat_page(&shm), MP_STAT_WORKER_TURNS, 7);
	T_EQ(mp_stat_get(mp_stat_page(&shm), MP_STAT_WORKER_TURNS), 7);
}

static void test_no_page_counts_nothing(void)
{
	fresh();
	mp_stat_add(NULL, MP_STAT_WORKER_TURNS, 1);
	mp_stat_set(NULL, MP_STAT_WORKER_TURNS, 1);
	T_EQ(mp_stat_get(mp_stat_page(&shm), MP_STAT_WORKER_TURNS), 0);
}

static void test_adopted_page_shows_the_writers_values(void)
{
	struct mp_shm reader;

	fresh();
	T_EQ(mp_stat_adopt_take(dup(shm.fd), &reader), 0);
	mp_stat_add(mp_stat_page(&shm), MP_STAT_PROXY_FULL, 3);
	T_EQ(mp_stat_get(mp_stat_page(&reader), MP_STAT_PROXY_FULL), 3);
	mp_shm_fini(&reader);
}

static void test_page_of_another_version_is_refused_and_closed(void)
{
	struct mp_shm reader;
	unsigned int n_fds;

	fresh();
	n_fds = t_count_fds();
	mp_stat_page(&shm)->n_counters++;
	T_EQ(mp_stat_adopt_take(dup(shm.fd), &reader), -EPROTO);
	mp_stat_page(&shm)->n_counters--;
	mp_stat_page(&shm)->magic++;
	T_EQ(mp_stat_adopt_take(dup(shm.fd), &reader), -EPROTO);
	T_EQ(t_count_fds(), n_fds);
}

static void test_file_that_is_no_page_is_refused(void)
{
	struct mp_shm reader;

	T_EQ(mp_stat_adopt_take(open("/dev/null", O_RDWR), &reader), -EPROTO);
}

static void test_every_counter_has_a_text(void)
{
	for (unsigned int i = 0; i < MP_STAT_COUNT; i++)
		T_OK(mp_stat_desc[i].name[0] && mp_stat_desc[i].unit[0] &&
		     mp_stat_desc[i].meaning[0]);
}

static void test_program_prints_what_is_not_zero(void)
{
	fresh();
	mp_stat_add(mp_stat_page(&shm), MP_STAT_WORKER_COMMANDS, 123);
	T_EQ(stat_program(""), 0);
	T_OK(strstr(output, "worker_commands"));
	T_OK(strstr(output, " 123 commands"));
	T_OK(!strstr(output, "worker_sleeps"));
}

static void test_program_prints_json(void)
{
	fresh();
	mp_stat_add(mp_stat_page(&shm), MP_STAT_WORKER_COMMANDS, 123);
	T_EQ(stat_program("--json"), 0);
	T_EQ(output[0], '{');
	T_OK(strstr(output, "\"worker_commands\": 123,"));
	T_OK(strstr(output, "\"worker_sleeps\": 0,"));
}

static void test_program_prints_differences_after_the_first_sample(void)
{
	fresh();
	mp_stat_add(mp_stat_page(&shm), MP_STAT_WORKER_COMMANDS, 123);
	T_EQ(stat_program("--json --interval 0.01 --count 2"), 0);
	T_OK(strstr(strchr(output, '\n'), "\"worker_commands\": 0,"));
}

static void test_program_refuses_what_is_no_page(void)
{
	fresh();
	mp_stat_page(&shm)->magic++;
	T_EQ(stat_program(""), 1);
	T_OK(strstr(output, "no counters of this version"));
}

static void test_program_refuses_bad_options(void)
{
	fresh();
	T_EQ(stat_program("--interval soon"), 2);
	T_EQ(stat_program("--frobnicate"), 2);
	T_EQ(stat_program("one-path-too-many"), 2);
}

T_MAIN(T_TEST(test_fresh_counters_are_zero), T_TEST(test_add_adds_and_set_sets),
       T_TEST(test_no_page_counts_nothing), T_TEST(test_adopted_page_shows_the_writers_values),
       T_TEST(test_page_of_another_version_is_refused_and_closed),
       T_TEST(test_file_that_is_no_page_is_refused), T_TEST(test_every_counter_has_a_text),
       T_TEST(test_program_prints_what_is_not_zero), T_TEST(test_program_prints_json),
       T_TEST(test_program_prints_differences_after_the_first_sample),
       T_TEST(test_program_refuses_what_is_no_page), T_TEST(test_program_refuses_bad_options))
