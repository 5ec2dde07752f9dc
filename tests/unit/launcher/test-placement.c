/* SPDX-License-Identifier: BSD-3-Clause */
#include <errno.h>
#include <sched.h>

#include "launcher/placement.h"
#include "tests/lib/t.h"

static struct mp_placement cores(unsigned int n)
{
	struct mp_placement p = {.n_cores = n};

	for (unsigned int i = 0; i < n; i++)
		p.core[i] = i;
	return p;
}

static void test_two_cores_one_worker_has_its_own_and_spins(void)
{
	struct mp_placement p = cores(2);

	mp_placement_assign(&p, 1, 1, -1);
	T_EQ(p.n_vcpus, 1);
	T_EQ(p.worker_cpu[0], 1);
	T_EQ(p.spin_us, 1000);
	T_OK(p.daemons_beside);
}

static void test_workers_that_share_a_core_spin_too(void)
{
	struct mp_placement p = cores(2);

	mp_placement_assign(&p, 64, 64, -1);
	T_EQ(p.max_sharing, 64);
	T_EQ(p.worker_cpu[63], 1);
	T_EQ(p.spin_us, 1000);
}

static void test_one_core_pins_nothing(void)
{
	struct mp_placement p = cores(1);

	mp_placement_assign(&p, 2, 2, -1);
	T_EQ(p.worker_cpu[0], -1);
	T_OK(!p.daemons_beside);
	T_EQ(p.n_vcpus, 1);
	T_EQ(p.spin_us, 0);
}

static void test_many_cores_give_the_guest_cpus_and_keep_one_free(void)
{
	struct mp_placement p = cores(16);

	mp_placement_assign(&p, 4, 4, -1);
	T_EQ(p.n_vcpus, 4);
	T_EQ(p.worker_cpu[0], 4);
	T_EQ(p.worker_cpu[3], 7);
	T_EQ(p.max_sharing, 1);
	T_OK(!p.daemons_beside);
}

static void test_spin_of_the_user_wins(void)
{
	struct mp_placement p = cores(2);

	mp_placement_assign(&p, 2, 2, 7);
	T_EQ(p.spin_us, 7);
}

static void test_first_cpu_of_ours_is_a_list(void)
{
	struct mp_placement p;
	char text[64];
	cpu_set_t ours;
	int cpu = 0, other;

	sched_getaffinity(0, sizeof(ours), &ours);
	while (!CPU_ISSET(cpu, &ours))
		cpu++;
	other = cpu + 1;
	while (other < CPU_SETSIZE && !CPU_ISSET(other, &ours))
		other++;
	if (other == CPU_SETSIZE)
		snprintf(text, sizeof(text), "%d-%d", cpu, cpu);
	else
		snprintf(text, sizeof(text), "%d,%d-%d", other, cpu, cpu);
	T_EQ(mp_placement_cores(&p, text), 0);
	T_EQ(p.n_cores, other == CPU_SETSIZE ? 1 : 2);
	T_EQ(p.core[p.n_cores - 1], cpu);
	snprintf(text, sizeof(text), "%d,%d", cpu, cpu);
	T_EQ(mp_placement_cores(&p, text), -EINVAL);
}

static void test_wrong_lists_are_refused(void)
{
	struct mp_placement p;

	T_EQ(mp_placement_cores(&p, ""), -EINVAL);
	T_EQ(mp_placement_cores(&p, "0;1"), -EINVAL);
	T_EQ(mp_placement_cores(&p, "1-0"), -EINVAL);
	T_EQ(mp_placement_cores(&p, "0-"), -EINVAL);
	T_EQ(mp_placement_cores(&p, "99999"), -EINVAL);
}

static void test_auto_finds_a_core(void)
{
	struct mp_placement p;

	T_EQ(mp_placement_cores(&p, "auto"), 0);
	T_OK(p.n_cores >= 1);
}

static void test_description_fits(void)
{
	struct mp_placement p = cores(2);
	char text[200];

	mp_placement_assign(&p, 4, 4, -1);
	mp_placement_describe(&p, text, sizeof(text));
	T_STR_EQ(text, "guest CPU on core 0; 4 workers on 1 core, up to 4 on one");
}

T_MAIN(T_TEST(test_two_cores_one_worker_has_its_own_and_spins),
       T_TEST(test_workers_that_share_a_core_spin_too), T_TEST(test_one_core_pins_nothing),
       T_TEST(test_many_cores_give_the_guest_cpus_and_keep_one_free),
       T_TEST(test_spin_of_the_user_wins), T_TEST(test_first_cpu_of_ours_is_a_list),
       T_TEST(test_wrong_lists_are_refused), T_TEST(test_auto_finds_a_core),
       T_TEST(test_description_fits))
