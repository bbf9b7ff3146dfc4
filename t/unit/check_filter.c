#include "directory/filter.h"
#include "suite.h"

#include <check.h>
#include <string.h>

/* RFC 4515, 3: what must be escaped; what libldap escapes besides means the same. */
static const struct {
    const char *value;
    const char *filter;
} values[] = {
    {"jane", "(uid=jane)"},
    {"jane.example+x@example.org", "(uid=jane.example+x@example.org)"},
    {"", "(uid=)"},
    {"*", "(uid=\\2A)"},
    {"a*b", "(uid=a\\2Ab)"},
    {"(", "(uid=\\28)"},
    {")", "(uid=\\29)"},
    {"\\", "(uid=\\5C)"},
    {"\\2a", "(uid=\\5C2a)"},
    {"x)(|(uid=*))", "(uid=x\\29\\28|\\28uid=\\2A\\29\\29)"},
    {"a b", "(uid=a b)"},
    {"a&b|c!d=e", "(uid=a&b|c!d=e)"},
    {"\r\n\t", "(uid=\\0D\\0A\\09)"},
    {"\x7f", "(uid=\\7F)"},
    {"M\xc3\xbcller", "(uid=M\\C3\\BCller)"},
    {"\xd0\x96\xf0\x9f\x98\x80", "(uid=\\D0\\96\\F0\\9F\\98\\80)"},
    {"\xff", "(uid=\\FF)"},
};

START_TEST(a_value_cannot_leave_its_place)
{
    g_autofree char *filter = filter_equal("uid", values[_i].value);

    ck_assert_str_eq(filter, values[_i].filter);
}
END_TEST

static GPtrArray *list(const char *first, const char *second)
{
    GPtrArray *items = g_ptr_array_new();

    if (first != NULL)
        g_ptr_array_add(items, (gpointer)first);
    if (second != NULL)
        g_ptr_array_add(items, (gpointer)second);
    return items;
}

static const struct {
    const char *attributes[2];
    const char *values[2];
    const char *filter;
} any[] = {
    {{"mail", NULL}, {"a", NULL}, "(|(mail=a))"},
    {{"mail", "alias"}, {"a", NULL}, "(|(mail=a)(alias=a))"},
    {{"mail", NULL}, {"a", "b"}, "(|(mail=a)(mail=b))"},
    {{"mail", "alias"}, {"a*", "(b)"}, "(|(mail=a\\2A)(alias=a\\2A)(mail=\\28b\\29)(alias=\\28b\\29))"},
    {{"mail", NULL}, {NULL, NULL}, "(|)"}, /* RFC 4526: nothing matches */
};

START_TEST(any_attribute_is_asked_for_any_value)
{
    g_autoptr(GPtrArray) attributes = list(any[_i].attributes[0], any[_i].attributes[1]);
    g_autoptr(GPtrArray) wanted = list(any[_i].values[0], any[_i].values[1]);
    g_autofree char *filter = filter_any(attributes, wanted);

    ck_assert_str_eq(filter, any[_i].filter);
}
END_TEST

START_TEST(what_has_none_of_some_attributes_is_asked_for_in_one_filter)
{
    g_autoptr(GPtrArray) attributes = g_ptr_array_new();
    g_autofree char *one = NULL, *two = NULL;

    g_ptr_array_add(attributes, (gpointer)"mail");
    one = filter_without(attributes);
    ck_assert_str_eq(one, "(&(!(mail=*)))");
    g_ptr_array_add(attributes, (gpointer)"mailHost");
    two = filter_without(attributes);
    ck_assert_str_eq(two, "(&(!(mail=*))(!(mailHost=*)))");
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("filter");
    TCase *filters = tcase_create("filter");

    tcase_add_loop_test(filters, a_value_cannot_leave_its_place, 0, G_N_ELEMENTS(values));
    tcase_add_loop_test(filters, any_attribute_is_asked_for_any_value, 0, G_N_ELEMENTS(any));
    tcase_add_test(filters, what_has_none_of_some_attributes_is_asked_for_in_one_filter);
    suite_add_tcase(suite, filters);
    return run_suite(suite);
}
