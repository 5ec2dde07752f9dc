/* SPDX-License-Identifier: BSD-3-Clause */
#include <stdlib.h>

#include "monitor/buf.h"
#include "monitor/unicode.h"
#include "tests/lib/t.h"

static void test_what_is_eaten_at_one_end_makes_room_at_the_other(void)
{
	struct mp_mon_buf b = MP_MON_BUF_NULL;
	char byte = 0;

	T_EQ(mp_mon_buf_add_text(&b, "abc"), 0);
	for (unsigned int i = 0; i < 100000; i++) {
		byte = (char)('a' + i % 26);
		mp_mon_buf_add_char(&b, byte);
		mp_mon_buf_eat(&b, 1);
	}
	T_EQ(mp_mon_buf_len(&b), 3);
	T_EQ(mp_mon_buf_data(&b)[2], byte);
	T_OK(b.room < 1000);
	mp_mon_buf_fini(&b);
}

static void test_one_large_message_keeps_no_memory(void)
{
	struct mp_mon_buf b = MP_MON_BUF_NULL;
	char *large = calloc(1, 1u << 20);

	T_EQ(mp_mon_buf_add(&b, large, 1u << 20), 0);
	mp_mon_buf_eat(&b, 1u << 20);
	T_EQ(b.room, 0);
	free(large);
	mp_mon_buf_fini(&b);
}

static void test_lines_end_as_on_a_terminal(void)
{
	struct mp_mon_buf b = MP_MON_BUF_NULL;

	mp_mon_buf_add_crlf(&b, "a\n\nb", 4);
	T_STR_EQ(mp_mon_buf_text(&b), "a\r\n\r\nb");
	mp_mon_buf_fini(&b);
}

static size_t decode(const char *text, uint32_t *code)
{
	*code = 0;
	return mp_utf8_get(text, strlen(text), code);
}

static void test_utf8_has_one_form_for_each_character(void)
{
	uint32_t code;

	T_EQ(decode("A", &code), 1);
	T_EQ(decode("\xc3\xa9", &code), 2);
	T_EQ(code, 0xe9);
	T_EQ(decode("\xe2\x82\xac", &code), 3);
	T_EQ(code, 0x20ac);
	T_EQ(decode("\xf0\x9f\x98\x80", &code), 4);
	T_EQ(code, 0x1f600);
	T_EQ(decode("\xc1\x81", &code), 0); /* longer than it must be */
	T_EQ(decode("\xe0\x80\x80", &code), 0);
	T_EQ(decode("\xed\xa0\x80", &code), 0); /* half a pair */
	T_EQ(decode("\xef\xbf\xbe", &code), 0); /* no character */
	T_EQ(decode("\xf4\x90\x80\x80", &code), 0); /* behind the last */
	T_EQ(decode("\xf8\x88\x80\x80\x80", &code), 0);
	T_EQ(decode("\xc3", &code), 0); /* cut off */
	T_EQ(decode("\x80", &code), 0);
}

static void clean_gives(const char *text, const char *expected)
{
	char *clean = mp_utf8_clean(text);

	T_STR_EQ(clean, expected);
	free(clean);
}

static void test_cleaning_marks_what_is_no_utf8(void)
{
	clean_gives("a\xff", "a\xef\xbf\xbd");
	clean_gives("\xc3\xa9", "\xc3\xa9");
	clean_gives("\xc3(", "\xef\xbf\xbd(");
	clean_gives("", "");
}

static void copy_gives(size_t room, const char *text, const char *expected)
{
	char to[16];

	mp_utf8_copy(to, room, text);
	T_STR_EQ(to, expected);
}

static void test_copy_ends_with_a_whole_character(void)
{
	copy_gives(4, "ab\xc3\xa9", "ab");
	copy_gives(5, "ab\xc3\xa9", "ab\xc3\xa9");
	copy_gives(5, "a\xff\xff", "a\xef\xbf\xbd");
	copy_gives(1, "a", "");
}

static void test_hex_needs_four_digits(void)
{
	T_EQ(mp_hex4("00e9"), 0xe9);
	T_EQ(mp_hex4("FFfe"), 0xfffe);
	T_EQ(mp_hex4("00g0"), -1);
	T_EQ(mp_hex4("12\""), -1);
	T_EQ(mp_hex4("\x10\x11\x12\x13"), -1);
	T_EQ(mp_hex4("+0 1"), -1);
}

T_MAIN(T_TEST(test_what_is_eaten_at_one_end_makes_room_at_the_other),
       T_TEST(test_one_large_message_keeps_no_memory), T_TEST(test_lines_end_as_on_a_terminal),
       T_TEST(test_utf8_has_one_form_for_each_character),
       T_TEST(test_cleaning_marks_what_is_no_utf8), T_TEST(test_copy_ends_with_a_whole_character),
       T_TEST(test_hex_needs_four_digits))
