#include "model/fault.h"
#include "policy/template.h"
#include "suite.h"

#include <check.h>
#include <string.h>

/* Every name is "Zoë-Änn"; "none" has no value; "percent" is a format string. */
static char *look_up(const char *name, gpointer user_data)
{
    (void)user_data;
    if (strcmp(name, "none") == 0)
        return NULL;
    if (strcmp(name, "percent") == 0)
        return g_strdup("%s%n%(sn)s%%");
    return g_strdup(strcmp(name, "empty") == 0 ? "" : "Zo\u00eb-\u00c4nn");
}

static const struct {
    const char *template;
    const char *text;
} expansions[] = {
    {"@", "@"},
    {"plain@example.org", "plain@example.org"},
    {"%(sn)s@x", "Zo\u00eb-\u00c4nn@x"},
    {"%(SN)s@x", "Zo\u00eb-\u00c4nn@x"},
    {"a%%b@x", "a%b@x"},
    {"%%(sn)s@x", "%(sn)s@x"},
    {"%%%(sn[0])s%%@x", "%Z%@x"},
    {"%(percent)s@x", "%s%n%(sn)s%%@x"},
    {"%(empty)s@x", "@x"},
    {"%(empty[0:1])s@x", "@x"},
    {"%(employee-number2)s@x", "Zo\u00eb-\u00c4nn@x"},
    /* slices, as Python has them */
    {"%(sn[0:1])s@x", "Z@x"},
    {"%(sn[0:3])s@x", "Zo\u00eb@x"},
    {"%(sn[2:3])s@x", "\u00eb@x"},
    {"%(sn[:1])s@x", "Z@x"},
    {"%(sn[1:])s@x", "o\u00eb-\u00c4nn@x"},
    {"%(sn[:])s@x", "Zo\u00eb-\u00c4nn@x"},
    {"%(sn[-3:])s@x", "\u00c4nn@x"},
    {"%(sn[-3:-1])s@x", "\u00c4n@x"},
    {"%(sn[:-3])s@x", "Zo\u00eb-@x"},
    {"%(sn[3:1])s@x", "@x"},
    {"%(sn[0:99])s@x", "Zo\u00eb-\u00c4nn@x"},
    {"%(sn[99:])s@x", "@x"},
    {"%(sn[-99:2])s@x", "Zo@x"},
    {"%(sn[:-99])s@x", "@x"},
    {"%(sn[2:2])s@x", "@x"},
    {"%(sn[-0:1])s@x", "Z@x"},
    {"%(sn[99999:])s@x", "@x"},
    {"%(sn[0])s@x", "Z@x"},
    {"%(sn[2])s@x", "\u00eb@x"},
    {"%(sn[-1])s@x", "n@x"},
    {"%(sn[-2])s@x", "n@x"},
    {"%(sn[-7])s@x", "Z@x"},
    {"%(sn[7])s@x", "@x"},
    {"%(sn[-8])s@x", "@x"},
};

START_TEST(a_template_is_filled_in_as_python_would)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(Template) template = template_parse(expansions[_i].template, &error);
    const char *missing = NULL;
    g_autofree char *text = NULL;

    g_assert_no_error(error);
    text = template_expand(template, look_up, NULL, &missing);
    ck_assert_str_eq(text, expansions[_i].text);
    ck_assert_ptr_null(missing);
    ck_assert_str_eq(template_text(template), expansions[_i].template);
}
END_TEST

static const struct {
    const char *template;
    int column; /* 0: none */
    const char *problem;
} mistakes[] = {
    {"", 1, "an address needs an \"@\""},
    {"%(sn)s", 7, "an address needs an \"@\""},
    {"a@b@c", 4, "one \"@\""},
    {"%(sn)s@%(domain)s@x", 18, "one \"@\""},
    {"a\n@x", 2, "control characters"},
    {"a@x%", 5, "after \"%\""},
    {"a@x%s", 5, "after \"%\""},
    {"a@x%d", 5, "after \"%\""},
    {"a@x%n", 5, "after \"%\""},
    {"\u00c4\u00d6@%s", 5, "after \"%\""},
    {"%()s@x", 3, "begin with a letter"},
    {"%( sn)s@x", 3, "begin with a letter"},
    {"%(1)s@x", 3, "begin with a letter"},
    {"%(sn@x", 5, "\")\" is missing"},
    {"%(sn", 5, "\")\" is missing"},
    {"%(sn )s@x", 5, "\")\" is missing"},
    {"%(sn.lower())s@x", 5, "\")\" is missing"},
    {"%(sn)@x", 6, "\"s\" must follow"},
    {"%(sn)d@x", 6, "\"s\" must follow"},
    {"%(sn[])s@x", 6, "[from:to] or [index]"},
    {"%(sn[x])s@x", 6, "[from:to] or [index]"},
    {"%(sn[0:1:2])s@x", 9, "ends with \"]\""},
    {"%(sn[0:1)s@x", 9, "ends with \"]\""},
    {"%(sn[0 :1])s@x", 7, "ends with \"]\""},
    {"%(sn[-:1])s@x", 7, "must follow the minus"},
    {"%(sn[0:--1])s@x", 9, "must follow the minus"},
    {"%(sn[0:100000])s@x", 8, "up to 99999"},
    {"%(sn[99999999999999999999])s@x", 6, "up to 99999"},
    {"\xff@x", 0, "UTF-8"},
};

START_TEST(a_mistake_is_reported_with_its_column)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(Template) template = template_parse(mistakes[_i].template, &error);
    g_autofree char *column = g_strdup_printf("column %d:", mistakes[_i].column);

    ck_assert_ptr_null(template);
    ck_assert(g_error_matches(error, FAULT, FAULT_STOP));
    if (mistakes[_i].column != 0)
        ck_assert_msg(strstr(error->message, column) != NULL, "%s", error->message);
    ck_assert_msg(strstr(error->message, mistakes[_i].problem) != NULL, "%s", error->message);
}
END_TEST

START_TEST(a_name_without_a_value_is_told)
{
    g_autoptr(Template) template = template_parse("%(sn)s.%(None)s@x", NULL);
    const char *missing = NULL;

    ck_assert_ptr_null(template_expand(template, look_up, NULL, &missing));
    ck_assert_str_eq(missing, "none");
}
END_TEST

START_TEST(names_are_listed_once_in_lower_case)
{
    g_autoptr(Template) template = template_parse("%(givenName[0:1])s.%(Surname)s.%(SURNAME)s@%(domain)s", NULL);
    const char *const *names = template_names(template);

    ck_assert_uint_eq(g_strv_length((char **)names), 3);
    ck_assert_str_eq(names[0], "givenname");
    ck_assert_str_eq(names[1], "surname");
    ck_assert_str_eq(names[2], "domain");
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("template");
    TCase *tcase = tcase_create("template");

    suite_add_tcase(suite, tcase);
    tcase_add_loop_test(tcase, a_template_is_filled_in_as_python_would, 0, G_N_ELEMENTS(expansions));
    tcase_add_loop_test(tcase, a_mistake_is_reported_with_its_column, 0, G_N_ELEMENTS(mistakes));
    tcase_add_test(tcase, a_name_without_a_value_is_told);
    tcase_add_test(tcase, names_are_listed_once_in_lower_case);
    return run_suite(suite);
}
