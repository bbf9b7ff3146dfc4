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

/* --- whose an address is */

typedef struct {
    const char *unique_id;
    const char *mail; /* as the server compares it */
    const char *shown; /* NULL: may be searched and not read */
    const char *alias; /* NULL: none; else likewise hidden */
} Holder;

static const Holder *holders; /* up to one without a unique id */
static guint searches;

/* Whether the filter that follows in a search, "(|(mail=a)(alias=a)...)", finds somebody. */
static bool matches(const GPtrArray *values, const Holder *holder)
{
    for (guint i = 0; i < values->len; i++) {
        const char *value = g_ptr_array_index(values, i);

        if (strcmp(value, holder->mail) == 0 || g_strcmp0(value, holder->alias) == 0)
            return true;
    }
    return false;
}

static GPtrArray *read_filter_values(const LdapRequest *request)
{
    GPtrArray *values = g_ptr_array_new_with_free_func(g_free);
    ber_int_t types_only;
    ber_len_t len;
    char *last;

    ck_assert_uint_ne(ber_scanf(request->body, "b", &types_only), LBER_ERROR);
    for (ber_tag_t tag = ber_first_element(request->body, &len, &last); tag != LBER_DEFAULT;
         tag = ber_next_element(request->body, &len, last)) {
        struct berval attribute, value;

        ck_assert_uint_ne(ber_scanf(request->body, "{mm}", &attribute, &value), LBER_ERROR);
        g_ptr_array_add(values, g_strndup(value.bv_val, value.bv_len));
    }
    return values;
}

static void find_holders(int fd, const LdapRequest *request)
{
    LdapSearch search = read_search(request);
    g_autoptr(GPtrArray) values = read_filter_values(request);

    ber_memfree(search.base_dn);
    searches++;
    for (const Holder *holder = holders; holder->unique_id != NULL; holder++) {
        const char *const attributes[] = {"nsUniqueId", holder->unique_id, holder->shown != NULL ? "mail" : NULL, holder->shown, NULL};

        if (matches(values, holder))
            say_entry(fd, request, "uid=x,dc=example,dc=org", attributes);
    }
    say_result(fd, request, LDAP_RES_SEARCH_RESULT, LDAP_SUCCESS);
}

/* What is taken of the addresses "a1", "a2" and so on. */
static char *ask_for_addresses(guint count)
{
    g_autoptr(Directory) directory = directory_new(&settings, stop);
    g_autoptr(DomainSettings) domain = domain_settings_new("example.org");
    g_autoptr(GPtrArray) addresses = g_ptr_array_new_with_free_func(g_free);
    g_autoptr(GHashTable) taken = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
    GString *text = g_string_new(NULL);

    for (guint i = 1; i <= count; i++)
        g_ptr_array_add(addresses, g_strdup_printf("a%u", i));
    ck_assert(directory_find_addresses(directory, domain, "me", addresses, taken, NULL));
    for (guint i = 0; i < count; i++)
        if (g_hash_table_contains(taken, g_ptr_array_index(addresses, i)))
            g_string_append_printf(text, "%s ", (char *)g_ptr_array_index(addresses, i));
    return g_string_free(text, FALSE);
}

static const struct {
    Holder holders[3];
    guint asked;
    const char *taken;
    guint searches;
} questions[] = {
    {{{.unique_id = NULL}}, 8, "", 1},
    {{{"me", "a1", "a1", NULL}}, 8, "", 1},
    {{{"x", "a9", "a9", NULL}}, 8, "", 1},
    {{{"x", "a1", "A1", NULL}}, 1, "a1 ", 1},
    {{{"x", "a1", "a1", NULL}}, 8, "a1 ", 2},
    {{{"x", "a1", "a1", NULL}, {"y", "a2", "a2", NULL}}, 8, "a1 a2 ", 2},
    {{{"x", "a1", "a1 ", NULL}}, 1, "a1 ", 1}, /* a blank that a server ignores */
    {{{"x", "a3", "a3 ", NULL}}, 8, "a3 ", 7},
    {{{"x", "a3", NULL, NULL}}, 4, "a3 ", 5},
    {{{"x", "a1", "a1", "a2"}}, 4, "a1 a2 ", 6},
    {{{"x", "a3", NULL, NULL}, {"me", "a1", "a1", "a2"}}, 4, "a3 ", 5},
    {{{"x", "a31", "a31", NULL}}, 61, "a31 ", 4},
};

START_TEST(an_address_is_free_when_the_server_finds_nobody_else_by_it)
{
    g_autofree char *taken = NULL;

    holders = questions[_i].holders;
    searches = 0;
    start_server(find_holders);
    taken = ask_for_addresses(questions[_i].asked);
    end_server();
    ck_assert_str_eq(taken, questions[_i].taken);
    ck_assert_uint_eq(searches, questions[_i].searches);
}
END_TEST

/* --- an entry that a person names */

static char *looked_at; /* the base and scope of the first search */

static void note_place(int fd, const LdapRequest *request)
{
    LdapSearch search = read_search(request);

    if (looked_at == NULL)
        looked_at = g_strdup_printf("%s%s", search.scope == LDAP_SCOPE_BASE ? "" : "below ", search.base_dn);
    ber_memfree(search.base_dn);
    say_result(fd, request, LDAP_RES_SEARCH_RESULT, LDAP_SUCCESS);
}

static const struct {
    const char *name;
    const char *looked_at;
} names[] = {
    {"jane@example.org", "below dc=example,dc=org"},
    {"jane=home@example.org", "below dc=example,dc=org"},
    {"uid=jane,dc=example,dc=org", "uid=jane,dc=example,dc=org"},
    {"mail=jane@example.org,dc=example,dc=org", "mail=jane@example.org,dc=example,dc=org"},
    {"o=example", "o=example"},
};

START_TEST(an_address_with_an_equals_sign_is_no_dn)
{
    g_autoptr(DomainSettings) domain = domain_settings_new("example.org");
    Directory *directory;
    char *unique_id = NULL;

    start_server(note_place);
    directory = directory_new(&settings, stop);
    ck_assert(directory_resolve(directory, domain, names[_i].name, &unique_id, NULL));
    directory_free(directory);
    end_server();
    ck_assert_ptr_null(unique_id);
    ck_assert_str_eq(looked_at, names[_i].looked_at);
    g_clear_pointer(&looked_at, g_free);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("directory");
    TCase *tests = tcase_create("directory");

    tcase_add_loop_test(tests, what_only_a_person_can_mend_is_not_written_again_and_again, 0, G_N_ELEMENTS(refusals));
    tcase_add_test(tests, the_limits_of_ldap_conf_are_those_of_others);
    tcase_add_loop_test(tests, an_address_is_free_when_the_server_finds_nobody_else_by_it, 0, G_N_ELEMENTS(questions));
    tcase_add_loop_test(tests, an_address_with_an_equals_sign_is_no_dn, 0, G_N_ELEMENTS(names));
    suite_add_tcase(suite, tests);
    return run_suite(suite);
}
