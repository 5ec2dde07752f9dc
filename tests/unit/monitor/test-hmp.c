/* SPDX-License-Identifier: BSD-3-Clause */
#include <sys/socket.h>

#include "tests/lib/t.h"
#include "tests/unit/monitor/rig.h"

#define PROMPT "(qemu) "

static struct rig r;
static struct rig_client c;

static void open_hmp(void)
{
	rig_init(&r);
	rig_connect(&r, &c, false);
	rig_start(&r);
	rig_until_prompt(&c);
}

static const char *ask(const char *line)
{
	rig_send(&c, line);
	return rig_until_prompt(&c);
}

static void test_the_banner_and_the_prompt_are_qemus(void)
{
	rig_init(&r);
	rig_connect(&r, &c, false);
	rig_start(&r);
	T_STR_EQ(rig_until_prompt(&c),
		 "QEMU 7.2.22 monitor - type 'help' for more information\r\n" PROMPT);
	rig_done(&r, &c);
}

static void test_a_line_ends_in_cr_or_lf_or_both(void)
{
	open_hmp();
	T_STR_EQ(ask("stop\n"), "{}\r\n" PROMPT);
	T_STR_EQ(ask("stop\r"), "{}\r\n" PROMPT);
	T_STR_EQ(ask("\nstop\r\nfail\r\n"), "{}\r\n" PROMPT);
	T_STR_EQ(rig_until_prompt(&c), "Error: no such thing\r\n" PROMPT);
	T_STR_EQ(ask("\n"), PROMPT);
	rig_done(&r, &c);
}

static void test_unknown_commands_are_named(void)
{
	open_hmp();
	T_STR_EQ(ask("bogus\n"), "unknown command: 'bogus'\r\n" PROMPT);
	T_STR_EQ(ask("info bogus\n"), "unknown command: 'info bogus'\r\n" PROMPT);
	T_STR_EQ(ask("stop|s\n"), "unknown command: 'stop|s'\r\n" PROMPT);
	T_STR_EQ(ask("sto\n"), "unknown command: 'sto'\r\n" PROMPT);
	T_STR_EQ(ask("  \n"), PROMPT);
	rig_done(&r, &c);
}

static void test_options_are_the_rest_of_the_line(void)
{
	open_hmp();
	T_STR_EQ(ask("options  a=\"b c\",d -e \n"), "{\"o\": \"a=\\\"b c\\\",d -e\"}\r\n" PROMPT);
	T_STR_EQ(ask("options\n"), "{\"o\": \"\"}\r\n" PROMPT);
	rig_done(&r, &c);
}

static void test_arguments_are_words_and_quoted_words(void)
{
	open_hmp();
	T_STR_EQ(ask("change cd0 /a/b\n"), "{\"device\": \"cd0\", \"file\": \"/a/b\"}\r\n" PROMPT);
	T_STR_EQ(
		ask("change  cd0\t\"a \\\"b\\\" c\" raw\n"),
		"{\"device\": \"cd0\", \"file\": \"a \\\"b\\\" c\", \"format\": \"raw\"}\r\n" PROMPT);
	T_STR_EQ(ask("eject -f cd0\n"), "{\"device\": \"cd0\", \"force\": true}\r\n" PROMPT);
	T_STR_EQ(ask("eject cd0\n"), "{\"device\": \"cd0\"}\r\n" PROMPT);
	T_STR_EQ(ask("s\n"), "{}\r\n" PROMPT);
	T_STR_EQ(ask("info block\n"), "{}\r\n" PROMPT);
	T_STR_EQ(ask("info block -n x\n"), "{\"device\": \"x\", \"nodes\": true}\r\n" PROMPT);
	T_STR_EQ(ask("info block -v\n"), "{\"verbose\": true}\r\n" PROMPT);
	T_STR_EQ(ask("limit 0x10\n"), "{\"n\": 16}\r\n" PROMPT);
	rig_done(&r, &c);
}

static void test_sizes_are_mebibytes_unless_they_say_more(void)
{
	open_hmp();
	T_STR_EQ(ask("block_resize d 2\n"), "{\"device\": \"d\", \"size\": 2097152}\r\n" PROMPT);
	T_STR_EQ(ask("block_resize d 1.5k\n"), "{\"device\": \"d\", \"size\": 1536}\r\n" PROMPT);
	T_STR_EQ(ask("block_resize d 1G\n"),
		 "{\"device\": \"d\", \"size\": 1073741824}\r\n" PROMPT);
	T_STR_EQ(ask("block_resize d 512b\n"), "{\"device\": \"d\", \"size\": 512}\r\n" PROMPT);
	rig_done(&r, &c);
}

#define TRY(command) "Try \"help " command "\" for more information\r\n" PROMPT

static void test_faulty_arguments_have_qemus_words(void)
{
	open_hmp();
	T_STR_EQ(ask("eject\n"), "eject: block device name expected\r\n" TRY("eject"));
	T_STR_EQ(ask("change cd0\n"), "change: filename expected\r\n" TRY("change"));
	T_STR_EQ(ask("change cd0 \"abc\n"), "change: filename expected\r\n" TRY("change"));
	T_STR_EQ(ask("eject a b\n"),
		 "eject: extraneous characters at the end of line\r\n" TRY("eject"));
	T_STR_EQ(ask("stop 1\n"),
		 "stop|s: extraneous characters at the end of line\r\n" TRY("stop"));
	T_STR_EQ(ask("eject -x cd0\n"), "eject: unsupported option -x\r\n" TRY("eject"));
	T_STR_EQ(ask("block_resize d x\n"), "invalid size\r\n" TRY("block_resize"));
	T_STR_EQ(ask("block_resize d 1kk\n"),
		 "block_resize: extraneous characters at the end of line\r\n" TRY("block_resize"));
	/* Used to be a million mebibytes. */
	T_STR_EQ(ask("block_resize d 1e6\n"),
		 "block_resize: extraneous characters at the end of line\r\n" TRY("block_resize"));
	T_STR_EQ(ask("block_resize d 1.5e6\n"), "invalid size\r\n" TRY("block_resize"));
	T_STR_EQ(ask("block_resize d 16E\n"), "invalid size\r\n" TRY("block_resize"));
	T_STR_EQ(ask("block_resize d -1\n"), "invalid size\r\n" TRY("block_resize"));
	T_STR_EQ(ask("block_resize d\n"), "invalid size\r\n" TRY("block_resize"));
	T_STR_EQ(ask("info block -x\n"), "block: unsupported option -x\r\n" TRY("info block"));
	T_STR_EQ(ask("limit 1x\n"), "limit: integer expected: 1x\r\n" TRY("limit"));
	rig_done(&r, &c);
}

static void test_help_comes_from_the_tables(void)
{
	open_hmp();
	T_STR_EQ(ask("help eject\n"), "eject [-f] device -- eject a medium\r\n" PROMPT);
	T_STR_EQ(ask("? eject\n"), "eject [-f] device -- eject a medium\r\n" PROMPT);
	T_STR_EQ(ask("help bogus\n"), "unknown command: 'bogus'\r\n" PROMPT);
	T_STR_EQ(ask("info\n"), "info name  -- show the name\r\n"
				"info block [-n] [-v] [device] -- show block devices\r\n" PROMPT);
	T_STR_EQ(ask("help info block\n"),
		 "info block [-n] [-v] [device] -- show block devices\r\n" PROMPT);
	T_OK(strstr(ask("help\n"), "stop|s  -- stop\r\n"));
	rig_done(&r, &c);
}

static void test_a_line_that_is_too_long_is_refused_whole(void)
{
	static char line[3 * 4096];

	open_hmp();
	memset(line, 'x', sizeof(line) - 2);
	line[sizeof(line) - 2] = '\n';
	T_STR_EQ(ask(line), "line too long: at most 4096 characters\r\n" PROMPT);
	T_STR_EQ(ask("stop\n"), "{}\r\n" PROMPT);
	rig_done(&r, &c);
}

static void test_bytes_that_are_no_text_are_shown_or_refused(void)
{
	open_hmp();
	T_STR_EQ(ask("\xff\n"), "unknown command: '\xff'\r\n" PROMPT);
	T_STR_EQ(ask("eject \xff\n"), "eject: not text: device\r\n" TRY("eject"));
	rig_done(&r, &c);
}

static void test_lines_are_answered_though_the_client_said_it_is_done(void)
{
	open_hmp();
	rig_send(&c, "stop\nstop\n");
	shutdown(c.fd, SHUT_WR);
	T_STR_EQ(rig_until_prompt(&c), "{}\r\n" PROMPT);
	T_STR_EQ(rig_until_prompt(&c), "{}\r\n" PROMPT);
	T_STR_EQ(rig_until_prompt(&c), "(eof)");
	rig_done(&r, &c);
}

T_MAIN(T_TEST(test_options_are_the_rest_of_the_line),
       T_TEST(test_the_banner_and_the_prompt_are_qemus),
       T_TEST(test_a_line_ends_in_cr_or_lf_or_both), T_TEST(test_unknown_commands_are_named),
       T_TEST(test_arguments_are_words_and_quoted_words),
       T_TEST(test_sizes_are_mebibytes_unless_they_say_more),
       T_TEST(test_faulty_arguments_have_qemus_words), T_TEST(test_help_comes_from_the_tables),
       T_TEST(test_a_line_that_is_too_long_is_refused_whole),
       T_TEST(test_bytes_that_are_no_text_are_shown_or_refused),
       T_TEST(test_lines_are_answered_though_the_client_said_it_is_done))
