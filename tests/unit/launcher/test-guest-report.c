/* SPDX-License-Identifier: BSD-3-Clause */
#include <errno.h>
#include <string.h>

#include "launcher/guest_report.h"
#include "tests/lib/t.h"

struct seen {
	char log[1024];
};

static void note(void *opaque, const struct mp_report_event *e)
{
	struct seen *s = opaque;
	size_t at = strlen(s->log);

	snprintf(s->log + at, sizeof(s->log) - at, "%d/%u/%zu:%s;", (int)e->kind, e->round, e->len,
		 e->text);
}

static const char stream[] = "boot 6.1 fio-3.33 2.60\n"
			     "begin 1 5.2\n"
			     "what is this\n"
			     "result 1 7\n{\n  1}\n"
			     "log 1 0\n"
			     "dmesg all 3\nabc"
			     "done 0\n";

/* kinds as numbers: boot 0, begin 2, log 4, result 5, dmesg 6, done 8 */
static const char expected[] =
	"0/0/17:6.1 fio-3.33 2.60;2/1/3:5.2;5/1/7:{\n  1}\n;4/1/0:;6/0/3:abc;8/0/1:0;";

static void test_stream_in_one_piece(void)
{
	struct seen s = {""};
	struct mp_report r;

	mp_report_init(&r, note, &s);
	T_EQ(mp_report_feed(&r, stream, strlen(stream)), 0);
	T_EQ(r.n_unknown, 1);
	mp_report_fini(&r);
	T_STR_EQ(s.log, expected);
}

static void test_stream_byte_by_byte_is_the_same(void)
{
	struct seen s = {""};
	struct mp_report r;

	mp_report_init(&r, note, &s);
	for (size_t i = 0; i < strlen(stream); i++)
		T_EQ(mp_report_feed(&r, &stream[i], 1), 0);
	mp_report_fini(&r);
	T_STR_EQ(s.log, expected);
}

static void test_blob_above_the_limit_is_refused(void)
{
	struct seen s = {""};
	struct mp_report r;

	mp_report_init(&r, note, &s);
	T_EQ(mp_report_feed(&r, "result 0 99999999999\n", 21), -EPROTO);
	mp_report_fini(&r);
}

static void test_line_without_end_is_refused(void)
{
	char junk[5000];
	struct seen s = {""};
	struct mp_report r;

	memset(junk, 'x', sizeof(junk));
	mp_report_init(&r, note, &s);
	T_EQ(mp_report_feed(&r, junk, sizeof(junk)), -EPROTO);
	mp_report_fini(&r);
}

static void test_lines_of_a_text_come_one_by_one(void)
{
	const char *at = "\n\r\none\r\na longer one\n\nlast";
	char line[9];

	at = mp_report_next_line(at, line, sizeof(line));
	T_STR_EQ(line, "one");
	at = mp_report_next_line(at, line, sizeof(line));
	T_STR_EQ(line, "a longer"); /* what doesn't fit is left out */
	at = mp_report_next_line(at, line, sizeof(line));
	T_STR_EQ(line, "last");
	T_OK(mp_report_next_line(at, line, sizeof(line)) == NULL);
}

static void test_driver_and_disk_errors_are_bad_lines(void)
{
	T_OK(mp_guest_line_is_bad("[    9.1] I/O error, dev sda, sector 8 op 0x0"));
	T_OK(mp_guest_line_is_bad("[    9.1] sym0:0:0: ABORT operation started"));
	T_OK(mp_guest_line_is_bad("[    9.1] sym0: SCSI parity error detected: SCR1=1"));
	T_OK(mp_guest_line_is_bad(
		"[    9.1] irq 11: nobody cared (try booting with the \"irqpoll\" option)"));
	T_OK(mp_guest_line_is_bad(
		"[    3.3] CACHE TEST FAILED: reg dstat-sstat2 readback ffffffff."));
	T_OK(mp_guest_line_is_bad("[    9.1] Call Trace:"));
}

static void test_normal_boot_lines_are_not_bad(void)
{
	T_OK(!mp_guest_line_is_bad(
		"[    2.7] sym0: No NVRAM, ID 7, Fast-40, LVD, parity checking"));
	T_OK(!mp_guest_line_is_bad("[    2.7] sym0: SCSI BUS has been reset."));
	T_OK(!mp_guest_line_is_bad("[    3.0] sd 0:0:0:0: Power-on or device reset occurred"));
	T_OK(!mp_guest_line_is_bad("[    0.7] acpi PNP0A03:00: fail to add MMCONFIG information"));
	T_OK(!mp_guest_line_is_bad("[    0.5] ACPI: Enabled 2 GPEs in block 00 to 0F"));
}

T_MAIN(T_TEST(test_stream_in_one_piece), T_TEST(test_stream_byte_by_byte_is_the_same),
       T_TEST(test_blob_above_the_limit_is_refused), T_TEST(test_line_without_end_is_refused),
       T_TEST(test_lines_of_a_text_come_one_by_one),
       T_TEST(test_driver_and_disk_errors_are_bad_lines),
       T_TEST(test_normal_boot_lines_are_not_bad))
