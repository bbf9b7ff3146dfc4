#include "directory/dn.h"
#include "suite.h"

#include <check.h>

static const struct {
    const char *dn;
    const char *one_form;
} forms[] = {
    {"dc=example,dc=org", "dc=example,dc=org"},
    {"OU=People, DC=Example ,dc=org", "ou=people,dc=example,dc=org"},
    {"cn=a\\,b,dc=org", "cn=a\\2Cb,dc=org"},
    {"cn=a\\2cb,dc=org", "cn=a\\2Cb,dc=org"},
    {"cn=a\\\\,dc=org", "cn=a\\5C,dc=org"},
    {"cn=K\303\204SE,dc=org", "cn=k\\C3\\A4se,dc=org"},
    {"cn=K\\C3\\84SE,dc=org", "cn=k\\C3\\A4se,dc=org"},
    {"cn=\\41nn,dc=org", "cn=ann,dc=org"},
    {"cn=\\20a\\20,dc=org", "cn=\\20a\\20,dc=org"},
    {"", ""},
    {"nonsense", NULL},
    {"cn=\377", NULL},
    {NULL, NULL},
};

START_TEST(a_dn_has_one_form)
{
    g_autofree char *form = dn_normalize(forms[_i].dn);

    ck_assert_pstr_eq(form, forms[_i].one_form);
}
END_TEST

static const struct {
    const char *dn;
    const char *base;
    bool below;
} places[] = {
    {"dc=a,dc=org", "dc=a,dc=org", true},
    {"uid=x,dc=a,dc=org", "dc=a,dc=org", true},
    {"uid=x,ou=y,dc=a,dc=org", "dc=a,dc=org", true},
    {"dc=org", "dc=a,dc=org", false},
    {"dc=aa,dc=org", "a,dc=org", false},
    {"xdc=a,dc=org", "dc=a,dc=org", false},
    {"uid=x,dc=b,dc=org", "dc=a,dc=org", false},
    {"uid=x\\2Cdc=a,dc=org", "dc=a,dc=org", false},
    {"dc=a,dc=org", "", true},
    {NULL, "dc=org", false},
    {"dc=org", NULL, false},
};

START_TEST(a_dn_is_below_its_ancestors_and_itself)
{
    ck_assert(dn_is_below(places[_i].dn, places[_i].base) == places[_i].below);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("dn");
    TCase *tcase = tcase_create("dn");

    tcase_add_loop_test(tcase, a_dn_has_one_form, 0, (int)G_N_ELEMENTS(forms));
    tcase_add_loop_test(tcase, a_dn_is_below_its_ancestors_and_itself, 0, (int)G_N_ELEMENTS(places));
    suite_add_tcase(suite, tcase);
    return run_suite(suite);
}
