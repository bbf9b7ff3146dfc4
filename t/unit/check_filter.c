#include "daemon/config_check.h"
#include "directory/filter.h"
#include "suite.h"

#include <check.h>
#include <ldap.h>
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

/* Every form of RFC 4515, and what is near one. */
static const char *const filters[] = {
    "(&(a=b)(|(c=*)(!(d>=1)))(e~=f)(g<=h))", "(&)", "(|)", "(cn=)", "(cn=*)", "(cn=*a*b*)", "(cn=**)", "(cn=a**b)", "(cn>=*)", "(cn~=a*)",
    "(1cn=x)", "(cn;=x)", "(cn;a=x)", "(cn;a;=x)", "(cn;a;b-1=x)", "(2.5.4.3=x)", "(2.5.=x)", "(2..5=x)", "(a.b=x)", "(-a=x)", "(a_b=x)",
    "(cn:=x)", "(cn:dn:=x)", "(cn:a:=x)", "(cn:2.5.13.5:=x)", "(cn:dn:a:=x)", "(cn;o:dn:a:=x)", "(cn:a:=b*)", "(cn:a;b:=x)", "(cn:a=x)",
    "(:=x)", "(:a:=x)", "(:dn:=x)", "(:dn:a:=x)", "(cn:1a:=x)", "(cn<>=x)", "(cn:a:>=x)", "(cn=\\2a)", "(cn=\\2)", "(cn=\\zz)", "()",
};

/* It makes the filter before it connects. What it does not take would otherwise be tried again as if the server were out. */
START_TEST(the_check_of_the_configuration_takes_the_filters_that_libldap_takes)
{
    LDAP *ldap = NULL;
    int result, id;

    ck_assert_int_eq(ldap_initialize(&ldap, "ldapi://%2Fnonexistent"), LDAP_SUCCESS);
    result = ldap_search_ext(ldap, "", LDAP_SCOPE_BASE, filters[_i], NULL, 0, NULL, NULL, NULL, LDAP_NO_LIMIT, &id);
    ck_assert_msg((result != LDAP_FILTER_ERROR) == config_check_filter(filters[_i], NULL), "%s: %s", filters[_i],
                  ldap_err2string(result));
    ldap_unbind_ext_s(ldap, NULL, NULL);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("filter");
    TCase *tests = tcase_create("filter");

    tcase_add_loop_test(tests, a_value_cannot_leave_its_place, 0, G_N_ELEMENTS(values));
    tcase_add_loop_test(tests, any_attribute_is_asked_for_any_value, 0, G_N_ELEMENTS(any));
    tcase_add_loop_test(tests, the_check_of_the_configuration_takes_the_filters_that_libldap_takes, 0, G_N_ELEMENTS(filters));
    tcase_add_test(tests, what_has_none_of_some_attributes_is_asked_for_in_one_filter);
    suite_add_tcase(suite, tests);
    return run_suite(suite);
}
