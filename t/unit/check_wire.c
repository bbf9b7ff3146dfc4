#include "daemon/wire.h"
#include "model/fault.h"
#include "suite.h"

#include <check.h>
#include <string.h>

static WireLine *parse(const char *text)
{
    g_autoptr(GError) error = NULL;
    WireLine *line = NULL;

    ck_assert_msg(wire_parse(text, strlen(text), &line, &error), "%s: %s", text, error != NULL ? error->message : "?");
    return line;
}

START_TEST(a_line_is_a_word_and_its_keys)
{
    g_autoptr(WireLine) line = parse("sync resync=1 entry=uid=jane,ou=People%20and%20more domain=");
    g_autoptr(WireLine) alone = parse("look");

    ck_assert_str_eq(wire_line_word(line), "sync");
    ck_assert_str_eq(wire_line_get(line, "resync"), "1");
    ck_assert_str_eq(wire_line_get(line, "entry"), "uid=jane,ou=People and more");
    ck_assert_str_eq(wire_line_get(line, "domain"), "");
    ck_assert_ptr_null(wire_line_get(line, "res"));
    ck_assert_str_eq(wire_line_word(alone), "look");
}
END_TEST

START_TEST(a_key_that_is_not_known_is_found)
{
    static const char *const KEYS[] = {"domain", "entry", NULL};
    g_autoptr(WireLine) known = parse("sync entry=x domain=y"), other = parse("sync entry=x force=1");

    ck_assert_ptr_null(wire_line_find_other(known, KEYS));
    ck_assert_str_eq(wire_line_find_other(other, KEYS), "force");
}
END_TEST

static const char *const VALUES[] = {
    "", " ", "  a  b  ", "%", "%41", "100 %", "uid=jane,dc=example,dc=org", "a=b c=d", "\n", "line\nfeed\r\n", "\x1b[2J\x07\x7f",
    "M\xc3\xbcller \xf0\x9f\x98\x80", "\"quoted\" 'and' \\back\\", "\xe2\x80\xa8 separator",
};

START_TEST(any_text_comes_back_as_it_was)
{
    g_autoptr(WireLine) line = wire_line_new("log"), again = NULL;
    g_autofree char *text = NULL;

    wire_line_add(line, "entry", VALUES[_i]);
    wire_line_add(line, "absent", NULL);
    wire_line_add(line, "message", "x");
    text = wire_line_format(line);
    ck_assert_ptr_eq(strchr(text, '\n'), text + strlen(text) - 1);
    text[strlen(text) - 1] = '\0';
    again = parse(text);
    ck_assert_str_eq(wire_line_get(again, "entry"), VALUES[_i]);
    ck_assert_ptr_null(wire_line_get(again, "absent"));
    ck_assert_str_eq(wire_line_get(again, "message"), "x");
}
END_TEST

START_TEST(what_is_no_utf8_is_made_valid)
{
    g_autoptr(WireLine) line = wire_line_new("log"), again = NULL;
    g_autofree char *text = NULL;

    wire_line_add(line, "message", "caf\xe9");
    text = wire_line_format(line);
    text[strlen(text) - 1] = '\0';
    again = parse(text);
    ck_assert_str_eq(wire_line_get(again, "message"), "caf\xef\xbf\xbd");
}
END_TEST

/* Of each kind of character, one more than there is room for; and one that the end of the room cuts. */
static const char *const LONG[] = {"x", " ", "\x01", "\xc3\xbc", "\xff", "\xf0\x9f\x98\x80"};

START_TEST(four_values_that_are_too_long_are_cut_to_a_line_that_fits)
{
    g_autoptr(WireLine) line = wire_line_new("log"), again = NULL;
    g_autoptr(GString) value = g_string_new("y");
    g_autofree char *text = NULL;

    while (value->len <= 2 * WIRE_VALUE_MAX_BYTES)
        g_string_append(value, LONG[_i]);
    wire_line_add(line, "level", value->str);
    wire_line_add(line, "domain", value->str);
    wire_line_add(line, "entry", value->str);
    wire_line_add(line, "message", value->str);
    text = wire_line_format(line);
    ck_assert_uint_le(strlen(text), WIRE_LINE_MAX_BYTES);
    text[strlen(text) - 1] = '\0';
    again = parse(text);
    ck_assert(g_utf8_validate(wire_line_get(again, "message"), -1, NULL));
    ck_assert_uint_gt(strlen(wire_line_get(again, "message")), WIRE_VALUE_MAX_BYTES - 4);
    ck_assert_uint_le(strlen(wire_line_get(again, "message")), WIRE_VALUE_MAX_BYTES);
}
END_TEST

static const struct {
    const char *data;
    gsize len; /* 0: as a string */
} wrong[] = {
    {"", 0}, {" ", 0}, {" sync", 0}, {"sync ", 0}, {"sync  resync=1", 0}, {"SYNC", 0}, {"sy-nc", 0}, {"sync=1", 0}, {"sync x", 0},
    {"sync =1", 0}, {"sync X=1", 0}, {"sync x=1 x=2", 0}, {"sync x=%", 0}, {"sync x=%4", 0}, {"sync x=%zz", 0}, {"sync x=%00", 0},
    {"sync x=\xff", 0}, {"sync x=%ff", 0}, {"sync\t", 0}, {"sync x=a\tb", 0}, {"sync\r", 0}, {"sy\0nc", 5}, {"sync x=a\0b", 10},
    {"x a=1 b=1 c=1 d=1 e=1 f=1 g=1 h=1 i=1 j=1 k=1 l=1 m=1 n=1 o=1 p=1 q=1", 0},
};

START_TEST(what_is_no_line_is_refused)
{
    gsize len = wrong[_i].len != 0 ? wrong[_i].len : strlen(wrong[_i].data);
    g_autoptr(GError) error = NULL;
    WireLine *line = NULL;

    ck_assert(!wire_parse(wrong[_i].data, len, &line, &error));
    ck_assert_ptr_null(line);
    ck_assert_int_eq(fault_of(error), FAULT_PARK);
    ck_assert(g_str_has_prefix(error->message, "not understood: "));
}
END_TEST

START_TEST(a_line_that_is_too_long_is_refused)
{
    g_autofree char *text = g_strnfill(WIRE_LINE_MAX_BYTES, 'x');
    g_autoptr(WireLine) line = NULL;

    ck_assert(!wire_parse(text, WIRE_LINE_MAX_BYTES, &line, NULL));
    ck_assert(wire_parse(text, WIRE_LINE_MAX_BYTES - 1, &line, NULL));
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("wire");
    TCase *tests = tcase_create("wire");

    tcase_add_test(tests, a_line_is_a_word_and_its_keys);
    tcase_add_test(tests, a_key_that_is_not_known_is_found);
    tcase_add_loop_test(tests, any_text_comes_back_as_it_was, 0, G_N_ELEMENTS(VALUES));
    tcase_add_test(tests, what_is_no_utf8_is_made_valid);
    tcase_add_loop_test(tests, four_values_that_are_too_long_are_cut_to_a_line_that_fits, 0, G_N_ELEMENTS(LONG));
    tcase_add_loop_test(tests, what_is_no_line_is_refused, 0, G_N_ELEMENTS(wrong));
    tcase_add_test(tests, a_line_that_is_too_long_is_refused);
    suite_add_tcase(suite, tests);
    return run_suite(suite);
}
