/* SPDX-License-Identifier: BSD-3-Clause */
#include <stdlib.h>

#include "remote-worker/options/line.h"
#include "tests/lib/t.h"

static const char *const base[] = {"mpring-worker", "4", "-device", "lsi53c895a,id=lsi0"};
static const char *const nothing[] = {NULL};
static struct mp_cmdline *c;
static char error[2048];

static void fresh(struct mp_line *l)
{
	T_EQ(mp_line_init(l, 4, (char *const *)(uintptr_t)base), 0);
}

static void test_what_is_tried_is_not_kept(void)
{
	static const char *const more[] = {"-device", "scsi-cd,id=c0", NULL};
	struct mp_line l;

	fresh(&l);
	T_EQ(mp_line_try(&l, more, &c, error, sizeof(error)), 0);
	T_EQ(c->n_disks, 1);
	mp_line_forget(c);
	T_EQ(mp_line_try(&l, nothing, &c, error, sizeof(error)), 0);
	T_EQ(c->n_disks, 0);
	mp_line_forget(c);
	mp_line_fini(&l);
}

static void test_what_does_not_fit_says_why(void)
{
	static const char *const more[] = {"-device", "scsi-hd,drive=d0", NULL};
	static const char *const help[] = {"-help", NULL};
	struct mp_line l;

	fresh(&l);
	T_OK(mp_line_try(&l, more, &c, error, sizeof(error)) < 0);
	T_OK(strstr(error, "no drive 'd0'"));
	T_OK(mp_line_try(&l, help, &c, error, sizeof(error)) < 0);
	mp_line_fini(&l);
}

static void test_an_added_option_is_found_by_key_and_value(void)
{
	struct mp_line l;

	fresh(&l);
	T_EQ(mp_line_add(&l, "-device", "scsi-cd,id=c0"), 0);
	T_EQ(mp_line_add(&l, "--device", "scsi-cd,id=c1"), 0);
	T_EQ(mp_line_add(&l, "-blockdev", "{\"driver\":\"null-co\",\"node-name\":\"c0\"}"), 0);
	T_EQ(mp_line_remove(&l, "-device", "id", "c"), 0);
	T_EQ(mp_line_remove(&l, "-device", "id", "c1"), 1);
	T_EQ(mp_line_remove(&l, "-device", "id", "c0"), 1);
	T_EQ(mp_line_remove(&l, "-device", "id", "c0"), 0);
	T_EQ(l.n, 6);
	T_EQ(mp_line_remove(&l, "-blockdev", "node-name", "c0"), 1);
	T_EQ(l.n, 4);
	mp_line_fini(&l);
}

static void test_devices_in_json_are_found_as_those_of_text(void)
{
	static const char *const more[] = {"-device", "scsi-cd,id=c0", NULL};
	struct mp_line l;

	fresh(&l);
	T_EQ(mp_line_add(&l, "-device", "{\"driver\":\"scsi-cd\",\"id\":\"c1\"}"), 0);
	T_EQ(mp_line_add(&l, "-device", "{\"driver\":\"scsi-cd\",\"id\":2}"), 0);
	T_EQ(mp_line_try(&l, more, &c, error, sizeof(error)), 0);
	T_EQ(c->n_disks, 3);
	T_STR_EQ(c->disk[1].id, "2");
	mp_line_forget(c);
	T_OK(mp_line_has(&l, "-device", "id", "c1"));
	T_EQ(mp_line_remove(&l, "-device", "id", "c1"), 1);
	T_EQ(mp_line_remove(&l, "-device", "id", "2"), 1);
	T_EQ(l.n, 4);
	mp_line_fini(&l);
}

static void test_a_key_is_read_and_dropped_and_the_rest_stays(void)
{
	struct mp_line l;
	char *serial;

	fresh(&l);
	T_EQ(mp_line_add(&l, "-device", "scsi-cd,id=c0,drive=n0,serial=a,,b"), 0);
	T_EQ(mp_line_add(&l, "-device", "{\"driver\":\"scsi-cd\",\"drive\":\"n0\",\"lun\":1}"), 0);
	serial = mp_line_get(&l, "-device", "id", "c0", "serial");
	T_STR_EQ(serial, "a,b");
	free(serial);
	T_OK(!mp_line_get(&l, "-device", "id", "c0", "vendor"));
	T_OK(!mp_line_get(&l, "-device", "id", "c1", "serial"));
	T_EQ(mp_line_drop(&l, "-device", "drive", "n1"), 0);
	T_STR_EQ(l.word[5], "scsi-cd,id=c0,drive=n0,serial=a,,b");
	T_EQ(mp_line_drop(&l, "-device", "drive", "n0"), 0);
	T_STR_EQ(l.word[5], "driver=scsi-cd,id=c0,serial=a,,b");
	T_STR_EQ(l.word[7], "{\"driver\":\"scsi-cd\",\"lun\":1}");
	T_EQ(mp_line_try(&l, nothing, &c, error, sizeof(error)), 0);
	T_EQ(c->n_disks, 2);
	T_STR_EQ(c->disk[0].serial, "a,b");
	mp_line_forget(c);
	mp_line_fini(&l);
}

static void test_drives_and_nodes_are_what_a_disk_may_take(void)
{
	struct mp_line l;

	fresh(&l);
	T_EQ(mp_line_add(&l, "-drive", "if=none,media=cdrom"), 0);
	T_EQ(mp_line_add(&l, "-drive", "id=d1,media=cdrom"), 0);
	T_EQ(mp_line_add(&l, "-blockdev", "{\"driver\":\"null-co\",\"node-name\":\"n0\"}"), 0);
	T_OK(mp_line_has_drive(&l, "none0"));
	T_OK(mp_line_has_drive(&l, "d1"));
	T_OK(mp_line_has_drive(&l, "n0"));
	T_OK(!mp_line_has_drive(&l, "d2"));
	mp_line_fini(&l);
}

T_MAIN(T_TEST(test_what_is_tried_is_not_kept), T_TEST(test_what_does_not_fit_says_why),
       T_TEST(test_an_added_option_is_found_by_key_and_value),
       T_TEST(test_devices_in_json_are_found_as_those_of_text),
       T_TEST(test_a_key_is_read_and_dropped_and_the_rest_stays),
       T_TEST(test_drives_and_nodes_are_what_a_disk_may_take))
