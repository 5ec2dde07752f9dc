/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Each expectation was taken from QEMU 7.2's own monitor, word for word, but
 * those of two tests that say so.
 */
#include <stdlib.h>

#include "monitor/lexer.h"
#include "tests/lib/t.h"

#define MAX_BYTES   4096u
#define MAX_NESTING 1024u
#define OUT_LEN     8192

static struct mp_lexer lx;
static char out[OUT_LEN];

static void fresh(void)
{
	mp_lexer_fini(&lx);
	mp_lexer_init(&lx, MAX_BYTES, MAX_NESTING);
}

static void note(const char *text)
{
	size_t n = strlen(out);

	snprintf(out + n, sizeof(out) - n, "%s%s", n ? " | " : "", text);
}

static void take(struct mp_message *msg)
{
	char *text = msg->error ? NULL
				: json_dumps(msg->value, JSON_ENCODE_ANY | JSON_ENSURE_ASCII);

	note(msg->error ? msg->error : text);
	if (msg->id) {
		note("id");
		note(msg->id);
	}
	free(text);
	mp_message_fini(msg);
}

/* All messages in it, values or errors, with bars between. The stream goes on with the next. */
static const char *read_bytes(const char *data, size_t len)
{
	struct mp_message msg = MP_MESSAGE_NULL;
	size_t eaten;
	int r = 1;

	out[0] = 0;
	while (r == 1) {
		r = mp_lexer_feed(&lx, data, len, &eaten, &msg);
		data += eaten;
		len -= eaten;
		if (r == 1)
			take(&msg);
	}
	T_EQ(r, 0);
	return out;
}

static const char *read_text(const char *text)
{
	return read_bytes(text, strlen(text));
}

#define ERR(what) "JSON parse error, " what

static void test_values_need_no_separators(void)
{
	fresh();
	T_STR_EQ(read_text("{'a':1}{'b':2}[3]\n\"x\"\"y\""),
		 "{\"a\": 1} | {\"b\": 2} | [3] | \"x\" | \"y\"");
}

static void test_values_may_come_byte_by_byte(void)
{
	fresh();
	T_STR_EQ(read_text("{\"a\": [tr"), "");
	T_STR_EQ(read_text("ue, 1"), "");
	T_STR_EQ(read_text("2.5e"), "");
	T_STR_EQ(read_text("1, \"\\u00"), "");
	T_STR_EQ(read_text("e9\"]"), "");
	T_STR_EQ(read_text("}"), "{\"a\": [true, 125.0, \"\\u00E9\"]}");
}

static void test_numbers_and_words_end_at_the_byte_behind_them(void)
{
	fresh();
	T_STR_EQ(read_text("hello"), "");
	T_STR_EQ(read_text("hello world"), ERR("invalid keyword 'hellohello'"));
	T_STR_EQ(read_text("[1,2]"), ERR("invalid keyword 'world'") " | [1, 2]");
	T_STR_EQ(read_text("1"), "");
	T_STR_EQ(read_text("\"foo\""), "1 | \"foo\"");
	T_STR_EQ(read_text("tru"), "");
	T_STR_EQ(read_text("nullx"), "");
	T_STR_EQ(read_text("]"), ERR("invalid keyword 'trunullx'") " | " ERR("expecting value"));
}

static void test_each_fault_of_grammar_has_qemus_words(void)
{
	fresh();
	T_STR_EQ(read_text("}"), ERR("expecting value"));
	T_STR_EQ(read_text(":"), ERR("expecting value"));
	T_STR_EQ(read_text(","), ERR("expecting value"));
	T_STR_EQ(read_text("[1 2]"), ERR("expected separator in list"));
	T_STR_EQ(read_text("{\"a\":1 \"b\":2}"), ERR("expected separator in dict"));
	T_STR_EQ(read_text("{\"a\" }"), ERR("missing : in object pair"));
	T_STR_EQ(read_text("{\"execute\" \"query-status\"}"), ERR("missing : in object pair"));
	T_STR_EQ(read_text("{\"a\":1,\"b\"}"), ERR("missing : in object pair"));
	T_STR_EQ(read_text("{1:2}"), ERR("key is not a string in object"));
	T_STR_EQ(read_text("{\"a\":1]"), ERR("expected separator in dict"));
	T_STR_EQ(read_text("[}"), ERR("expecting value"));
	T_STR_EQ(read_text("[1,]"), ERR("expecting value"));
	T_STR_EQ(read_text("[,1]"), ERR("expecting value"));
	T_STR_EQ(read_text("{,}"), ERR("expecting value"));
	T_STR_EQ(read_text("{\"a\":}"), ERR("expecting value"));
	T_STR_EQ(read_text("{\"a\":1,}"), ERR("expecting value"));
	T_STR_EQ(read_text("{\"a\":1,,}"), ERR("expecting value"));
	T_STR_EQ(read_text("{\"a\":tru}"), ERR("invalid keyword 'tru'"));
	T_STR_EQ(read_text("{\"a\":1,\"a\":2}"), ERR("duplicate key"));
}

static void test_one_fault_in_a_value_is_one_message(void)
{
	fresh();
	T_STR_EQ(read_text("{\"a\" {\"b\" [1 2 {,}]}} {}"),
		 ERR("missing : in object pair") " | {}");
}

static void test_bytes_that_are_no_token_are_skipped_to_a_mark(void)
{
	fresh();
	T_STR_EQ(read_text("%d"), ERR("stray '%'"));
	T_STR_EQ(read_text("{\"execute\":%s}"), ERR("stray '%'") " | " ERR("expecting value"));
	T_STR_EQ(read_text("@"), ERR("stray '@'"));
	T_STR_EQ(read_text("#"), "");
	T_STR_EQ(read_text("\"abc"), "");
	T_STR_EQ(read_text("\"}"), ERR("expecting value"));
	T_STR_EQ(read_text("True"), ERR("stray 'T'"));
	T_STR_EQ(read_text("}"), ERR("expecting value"));
	T_STR_EQ(read_bytes("{\"a\":\"b\"\0}", 10), ERR("stray ''") " | " ERR("expecting value"));
	T_STR_EQ(read_text("\x01"), ERR("stray '\x01'"));
	T_STR_EQ(read_text("\"a\x01"), ERR("stray '\x01'"));
}

static void test_a_fault_ends_with_its_line(void)
{
	fresh();
	T_STR_EQ(read_text("@ no JSON at all\n{}"), ERR("stray '@'") " | {}");
	T_STR_EQ(read_text("@ \"a\tb\" \n{}"), ERR("stray '@'") " | {}");
}

static void test_faulty_numbers_are_strays(void)
{
	fresh();
	T_STR_EQ(read_text("01"), ERR("stray '01'"));
	T_STR_EQ(read_text("}"), ERR("expecting value"));
	T_STR_EQ(read_text("1.}"), ERR("stray '1.}'"));
	T_STR_EQ(read_text("}"), ERR("expecting value"));
	T_STR_EQ(read_text("-}"), ERR("stray '-}'"));
	T_STR_EQ(read_text("}"), ERR("expecting value"));
	T_STR_EQ(read_text("1e}"), ERR("stray '1e}'"));
	T_STR_EQ(read_text("}"), ERR("expecting value"));
	T_STR_EQ(read_text(".5"), ERR("stray '.'"));
	T_STR_EQ(read_text("}"), ERR("expecting value"));
	T_STR_EQ(read_text("+1"), ERR("stray '+'"));
}

static void test_numbers_in_all_their_forms(void)
{
	fresh();
	T_STR_EQ(read_text("[0,-0,10,-1,1.5,-0.25,1e3,1E+2,25e-1]"),
		 "[0, 0, 10, -1, 1.5, -0.25, 1000.0, 100.0, 2.5]");
	T_STR_EQ(read_text("[-9223372036854775808,9223372036854775807]"),
		 "[-9223372036854775808, 9223372036854775807]");
	T_STR_EQ(read_text("[1e999]"), ERR("number out of range")); /* QEMU prints inf, no JSON */
}

static void test_a_byte_that_no_text_has_starts_over(void)
{
	fresh();
	T_STR_EQ(read_text("{\"execute\":\"query-st\xff{}"),
		 ERR("stray '\"query-st\xef\xbf\xbd'") " | {}");
	T_STR_EQ(read_text("{\"execute\":\xff{}"), ERR("stray '\xef\xbf\xbd'") " | {}");
	T_STR_EQ(read_text("\xff[[[\xff{}"),
		 ERR("stray '\xef\xbf\xbd'") " | " ERR("stray '\xef\xbf\xbd'") " | {}");
	T_STR_EQ(read_text("{\"id\":\"\xff\xfe\"}"),
		 ERR("stray '\"\xef\xbf\xbd'") " | " ERR("stray '\xef\xbf\xbd'") " | " ERR(
			 "expecting value"));
}

static void test_strings_have_either_quote_and_all_escapes(void)
{
	fresh();
	T_STR_EQ(read_text("['a\"b', \"it's\", '\\'', \"\\\" \\\\ \\/ \\b\\f\\n\\r\\t\"]"),
		 "[\"a\\\"b\", \"it's\", \"'\", \"\\\" \\\\ / \\b\\f\\n\\r\\t\"]");
	T_STR_EQ(read_text("\"\\u00e9\\u0000\\ud83d\\ude00\xc3\xa9\""),
		 "\"\\u00E9\\u0000\\uD83D\\uDE00\\u00E9\"");
	T_STR_EQ(read_text("\"\xc0\x80\""), "\"\\u0000\"");
}

static void test_faulty_strings_say_why(void)
{
	fresh();
	T_STR_EQ(read_text("\"\\q\""), ERR("invalid escape sequence in string"));
	T_STR_EQ(read_text("\"\\u12\""), ERR("\\u12\" is not a valid Unicode character"));
	T_STR_EQ(read_text("\"\\ud800\""), ERR("\\ud800 is not a valid Unicode character"));
	T_STR_EQ(read_text("\"\\ud800\\ud800\""), ERR("\\ud800 is not a valid Unicode character"));
	T_STR_EQ(read_text("\"\\udc00\""), ERR("\\udc00 is not a valid Unicode character"));
	T_STR_EQ(read_text("\"\\ufffe\""), ERR("\\ufffe is not a valid Unicode character"));
	T_STR_EQ(read_text("\"\\uxyzw\""), ERR("\\uxyzw is not a valid Unicode character"));
	T_STR_EQ(read_text("\"\xc3(\""), ERR("invalid UTF-8 sequence in string"));
	T_STR_EQ(read_text("\"\xed\xa0\x80\""), ERR("invalid UTF-8 sequence in string"));
	T_STR_EQ(read_text("[\"a\tb\"]"), ERR("stray '\"a\t'") " | " ERR("expecting value"));
	T_STR_EQ(read_text("{\"a\\u0000b\":1}"), /* QEMU takes it, as a name that nothing has */
		 ERR("character 0 in the name of a member"));
}

/* QEMU rounds integers beyond 64 bits, and writes 1.0 as 1: here the text itself is kept. */
static void test_the_id_is_kept_as_it_was_written(void)
{
	fresh();
	T_STR_EQ(read_text("{'id':1.0}"), "{\"id\": 1.0} | id | 1.0");
	T_STR_EQ(
		read_text("{'x':{'id':1},'id':{'a':[1,'b']},'y':2}"),
		"{\"x\": {\"id\": 1}, \"id\": {\"a\": [1, \"b\"]}, \"y\": 2} | id | {\"a\": [1, \"b\"]}");
	T_STR_EQ(read_text("{'id':null}{}"), "{\"id\": null} | id | null | {}");
	T_STR_EQ(read_text("[{'id':1}]"), "[{\"id\": 1}]");
	/* Used to come back as a real number. */
	T_STR_EQ(read_text("{'id':18446744073709551615}"),
		 "{\"id\": 1.8446744073709552e19} | id | 18446744073709551615");
	T_STR_EQ(read_text("{'id':[99999999999999999999,'e0',{'a':-99999999999999999999}],'b':1}"),
		 "{\"id\": [1e20, \"e0\", {\"a\": -1e20}], \"b\": 1} | id | "
		 "[99999999999999999999, \"e0\", {\"a\": -99999999999999999999}]");
}

static void brackets(char *text, char c, size_t n)
{
	memset(text + strlen(text), c, n);
}

static void test_nesting_ends_where_the_limit_is(void)
{
	static char text[3000];

	mp_lexer_fini(&lx);
	mp_lexer_init(&lx, 1u << 20, MAX_NESTING); /* so many tokens need so much */
	brackets(text, '[', MAX_NESTING);
	brackets(text, ']', MAX_NESTING);
	read_text(text);
	T_EQ(strlen(out), 2 * MAX_NESTING);
	memset(text, 0, sizeof(text));
	brackets(text, '[', MAX_NESTING + 1);
	T_STR_EQ(read_text(text), "JSON nesting depth limit exceeded");
	T_STR_EQ(read_text("{}"), "{}");
}

static void test_a_value_of_more_bytes_than_allowed_is_refused(void)
{
	static char text[MAX_BYTES + 100];

	fresh();
	text[0] = '"';
	brackets(text, 'x', MAX_BYTES);
	T_STR_EQ(read_text(text), "JSON token size limit exceeded");
	T_STR_EQ(read_text("xx\"\n{}"), "{}");
}

static void test_a_value_of_more_tokens_than_allowed_is_refused(void)
{
	static char text[2200];

	fresh();
	text[0] = '[';
	for (unsigned int i = 1; i < 1024; i += 2)
		memcpy(text + i, "0,", 2);
	T_STR_EQ(read_text(text), "JSON token count limit exceeded");
}

T_MAIN(T_TEST(test_values_need_no_separators), T_TEST(test_values_may_come_byte_by_byte),
       T_TEST(test_numbers_and_words_end_at_the_byte_behind_them),
       T_TEST(test_each_fault_of_grammar_has_qemus_words),
       T_TEST(test_one_fault_in_a_value_is_one_message),
       T_TEST(test_bytes_that_are_no_token_are_skipped_to_a_mark),
       T_TEST(test_a_fault_ends_with_its_line), T_TEST(test_faulty_numbers_are_strays),
       T_TEST(test_numbers_in_all_their_forms), T_TEST(test_a_byte_that_no_text_has_starts_over),
       T_TEST(test_strings_have_either_quote_and_all_escapes), T_TEST(test_faulty_strings_say_why),
       T_TEST(test_the_id_is_kept_as_it_was_written), T_TEST(test_nesting_ends_where_the_limit_is),
       T_TEST(test_a_value_of_more_bytes_than_allowed_is_refused),
       T_TEST(test_a_value_of_more_tokens_than_allowed_is_refused))
