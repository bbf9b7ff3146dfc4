/* What is asked of a directory server, and made of its answers, with a server in a thread of the test. */
#include "ldap_listener.h"
#include "model/fault.h"
#include "suite.h"

#define DN "mail=jane@example.org,dc=example,dc=org"

/* --- writing */

static int write_result;

static void refuse_writes(int fd, const LdapRequest *request)
{
    say_result(fd, request, LDAP_RES_MODIFY, write_result);
}

static bool write_address(GError **error)
{
    g_autoptr(Directory) directory = directory_new(&settings, stop);
    g_autoptr(GPtrArray) steps = g_ptr_array_new_with_free_func((GDestroyNotify)step_free);
    Step *step = step_new(STEP_WRITE_ATTRIBUTE, NULL);

    step->name = g_strdup("mail");
    g_ptr_array_add(step->remove, g_strdup("jane@example.org"));
    g_ptr_array_add(step->add, g_strdup("jane.doe@example.org"));
    g_ptr_array_add(steps, step);
    return directory_write(directory, DN, steps, error);
}

static const struct {
    int result;
    Fault fault;
    const char *advice; /* part of the message */
} refusals[] = {
    {LDAP_CONSTRAINT_VIOLATION, FAULT_PARK, "Constraint violation"},
    {LDAP_INSUFFICIENT_ACCESS, FAULT_PARK, "Insufficient access"},
    {LDAP_NOT_ALLOWED_ON_RDN, FAULT_PARK, "rename the entry"},
    {LDAP_NAMING_VIOLATION, FAULT_PARK, "rename the entry"},
    {LDAP_NO_OBJECT_CLASS_MODS, FAULT_PARK, "Cannot modify object class"},
    {LDAP_NO_SUCH_ATTRIBUTE, FAULT_RETRY, "No such attribute"}, /* somebody else was first */
    {LDAP_TYPE_OR_VALUE_EXISTS, FAULT_RETRY, "Type or value exists"},
    {LDAP_BUSY, FAULT_RETRY, "busy"},
};

START_TEST(what_only_a_person_can_mend_is_not_written_again_and_again)
{
    g_autoptr(GError) error = NULL;

    write_result = refusals[_i].result;
    start_server(refuse_writes);
    ck_assert(!write_address(&error));
    ck_assert_int_eq(fault_of(error), refusals[_i].fault);
    ck_assert_msg(strstr(error->message, refusals[_i].advice) != NULL && strstr(error->message, DN) != NULL, "%s", error->message);
    end_server();
}
END_TEST

/* --- searching */

static LdapSearch searched;

static void note_search(int fd, const LdapRequest *request)
{
    searched = read_search(request);
    g_clear_pointer(&searched.base_dn, ber_memfree);
    say_result(fd, request, LDAP_RES_SEARCH_RESULT, LDAP_NO_SUCH_OBJECT);
}

/* The environment is another place of what ldap.conf holds (ldap.conf(5)). */
START_TEST(the_limits_of_ldap_conf_are_those_of_others)
{
    g_autoptr(DomainSettings) domain = domain_settings_new("example.org");
    Directory *directory;

    g_setenv("LDAPTIMELIMIT", "15", TRUE);
    g_setenv("LDAPSIZELIMIT", "16", TRUE);
    g_setenv("LDAPDEREF", "always", TRUE);
    start_server(note_search);
    directory = directory_new(&settings, stop);
    ck_assert(!directory_check_base(directory, domain, NULL));
    directory_free(directory);
    end_server();
    ck_assert_int_eq(searched.time_limit, 0);
    ck_assert_int_eq(searched.size_limit, 0);
    ck_assert_int_eq(searched.deref, LDAP_DEREF_NEVER);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("directory");
    TCase *tests = tcase_create("directory");

    tcase_add_loop_test(tests, what_only_a_person_can_mend_is_not_written_again_and_again, 0, G_N_ELEMENTS(refusals));
    tcase_add_test(tests, the_limits_of_ldap_conf_are_those_of_others);
    suite_add_tcase(suite, tests);
    return run_suite(suite);
}
