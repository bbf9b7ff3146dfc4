/* What is watched with a server in a thread of the test that has persistent search. */
#include "directory/watch.h"
#include "ldap_listener.h"
#include "suite.h"

static const char *const ROOT_DSE[] = {"supportedControl", LDAP_CONTROL_PERSIST_REQUEST, NULL};

static GString *watched; /* the bases of all persistent searches, each with a semicolon */
static guint abandoned;  /* so many searches */
static guint changes;    /* so many are told of the first persistent search */

/* They are told before what follows the beginning of the watch is answered, so that they are there already when it is. */
static void tell_changes(int fd, ber_int_t search_id)
{
    const LdapRequest search = {.id = search_id};

    for (guint i = 0; i < changes; i++) {
        g_autofree char *unique_id = g_strdup_printf("id-%u", i);

        say_entry(fd, &search, "uid=jane,dc=a", (const char *const[]){"nsUniqueId", unique_id, NULL});
    }
    changes = 0;
}

/* A search of a whole tree is a persistent one. */
static void serve_watch(int fd, const LdapRequest *request)
{
    static ber_int_t first;
    LdapSearch search;

    if (request->operation == LDAP_REQ_ABANDON)
        abandoned++;
    if (request->operation != LDAP_REQ_SEARCH)
        return;
    search = read_search(request);
    if (search.scope == LDAP_SCOPE_BASE) {
        if (watched->len > 0)
            tell_changes(fd, first);
        say_entry(fd, request, "", ROOT_DSE);
        say_result(fd, request, LDAP_RES_SEARCH_RESULT, LDAP_SUCCESS);
    } else {
        first = watched->len == 0 ? request->id : first;
        g_string_append_printf(watched, "%s;", search.base_dn);
    }
    ber_memfree(search.base_dn);
}

static Watch *open_watch(void)
{
    g_autoptr(GError) error = NULL;
    Watch *watch = watch_open(&settings, "nsUniqueId", stop, &error);

    ck_assert_msg(watch != NULL, "%s", error != NULL ? error->message : "");
    return watch;
}

/* A base for each letter. */
static void add_bases(Watch *watch, const char *letters)
{
    for (; *letters != '\0'; letters++) {
        const char name[] = {*letters, '\0'};
        g_autofree char *base_dn = g_strdup_printf("dc=%s", name);

        ck_assert(watch_add(watch, name, base_dn, true, NULL));
    }
}

static gint compare_texts(gconstpointer a, gconstpointer b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

/* The notices that are there, in the order of their names: "a:sweep b:sweep ". */
static char *take_notices(Watch *watch)
{
    g_autoptr(GPtrArray) shown = g_ptr_array_new_with_free_func(g_free);
    GString *text = g_string_new(NULL);

    for (;;) {
        g_auto(Notice) notice = {0};

        ck_assert(watch_next(watch, g_get_monotonic_time(), &notice, NULL));
        if (notice.kind == NOTICE_NONE)
            break;
        g_ptr_array_add(shown, g_strdup_printf("%s:%s ", notice.name, notice.kind == NOTICE_SWEEP ? "sweep" : "other"));
    }
    g_ptr_array_sort(shown, compare_texts);
    for (guint i = 0; i < shown->len; i++)
        g_string_append(text, g_ptr_array_index(shown, i));
    return g_string_free(text, FALSE);
}

static void set_up(void)
{
    watched = g_string_new(NULL);
    abandoned = changes = 0;
    start_server(serve_watch);
}

/* The test has ended the server: then it has read everything. */
static void tear_down(void)
{
    g_string_free(watched, TRUE);
}

START_TEST(a_few_bases_are_watched_one_by_one)
{
    Watch *watch = open_watch();
    g_autofree char *notices = NULL;

    add_bases(watch, "abc");
    notices = take_notices(watch);
    watch_close(watch);
    end_server();
    ck_assert_str_eq(notices, "");
    ck_assert_str_eq(watched->str, "dc=a;dc=b;dc=c;");
    ck_assert_uint_eq(abandoned, 0);
}
END_TEST

/* What the server had still to say of their changes nobody hears. */
START_TEST(what_was_watched_for_itself_is_swept_when_one_search_for_all_takes_over)
{
    Watch *watch = open_watch();
    g_autofree char *before = NULL, *notices = NULL, *after = NULL;

    add_bases(watch, "ab");
    before = take_notices(watch);
    add_bases(watch, "cd");
    notices = take_notices(watch);
    add_bases(watch, "e");
    after = take_notices(watch);
    watch_close(watch);
    end_server();
    ck_assert_str_eq(before, "");
    ck_assert_str_eq(notices, "a:sweep b:sweep "); /* the others will be, being new */
    ck_assert_str_eq(after, "");
    ck_assert_str_eq(watched->str, "dc=a;dc=b;dc=c;;");
    ck_assert_uint_eq(abandoned, 3);
}
END_TEST

static void assert_next(Watch *watch, const char *unique_id, gint64 deadline_us)
{
    g_auto(Notice) notice = {0};

    ck_assert(watch_next(watch, deadline_us, &notice, NULL));
    ck_assert_int_eq(notice.kind, unique_id != NULL ? NOTICE_ENTRY : NOTICE_NONE);
    ck_assert_pstr_eq(notice.unique_id, unique_id);
}

START_TEST(notices_that_are_there_come_one_after_the_other_whatever_the_deadline)
{
    Watch *watch = open_watch();

    changes = 3;
    add_bases(watch, "a");
    assert_next(watch, "id-0", 0);
    assert_next(watch, "id-1", G_MAXINT64);
    assert_next(watch, "id-2", 0);
    assert_next(watch, NULL, 0);
    watch_close(watch);
    end_server();
}
END_TEST

START_TEST(a_stop_is_seen_while_notices_are_there)
{
    Watch *watch = open_watch();

    changes = 3;
    add_bases(watch, "a");
    assert_next(watch, "id-0", G_MAXINT64);
    stop_gently(stop);
    assert_next(watch, NULL, G_MAXINT64);
    watch_close(watch);
    end_server();
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("watch");
    TCase *tests = tcase_create("watch");

    tcase_add_checked_fixture(tests, set_up, tear_down);
    tcase_add_test(tests, a_few_bases_are_watched_one_by_one);
    tcase_add_test(tests, what_was_watched_for_itself_is_swept_when_one_search_for_all_takes_over);
    tcase_add_test(tests, notices_that_are_there_come_one_after_the_other_whatever_the_deadline);
    tcase_add_test(tests, a_stop_is_seen_while_notices_are_there);
    suite_add_tcase(suite, tests);
    return run_suite(suite);
}
