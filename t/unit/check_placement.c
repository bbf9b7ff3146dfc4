#include "policy/placement.h"
#include "suite.h"

#include <check.h>
#include <string.h>

/* "name mailboxes free reach, ...": free is a number of KiB or "?", reach "up" or "down". */
static GPtrArray *make_backends(const char *text)
{
    GPtrArray *backends = g_ptr_array_new_with_free_func((GDestroyNotify)placement_backend_free);
    g_auto(GStrv) items = g_strsplit(text, ", ", -1);

    for (char **item = items; *item != NULL && **item != '\0'; item++) {
        g_auto(GStrv) words = g_strsplit(*item, " ", 4);
        PlacementBackend *backend = placement_backend_new(words[0]);

        ck_assert_uint_eq(g_strv_length(words), 4);
        backend->mailboxes = (guint)g_ascii_strtoull(words[1], NULL, 10);
        backend->free_kib = strcmp(words[2], "?") == 0 ? FREE_UNKNOWN : g_ascii_strtoll(words[2], NULL, 10);
        backend->reachable = strcmp(words[3], "up") == 0;
        g_ptr_array_add(backends, backend);
    }
    return backends;
}

#define TWO "b1 5 ? up, b2 3 ? up"

typedef struct {
    const char *title;
    PlacementPolicy policy;
    const char *host; /* what the entry asks for */
    const char *backends;
    guint turn;
    const char *server; /* NULL: Cyrus chooses */
    bool move, read_only;
} Row;

static const Row rows[] = {
    {.title = "server: Cyrus chooses", .policy = PLACEMENT_SERVER, .backends = TWO},
    {.title = "server: also when the entry asks for one", .policy = PLACEMENT_SERVER, .host = "b2", .backends = TWO},
    {.title = "server, but the mailbox would follow", .policy = PLACEMENT_SERVER, .host = "b2", .backends = TWO, .move = true,
     .server = "b2"},
    {.title = "server, but nobody may correct the entry", .policy = PLACEMENT_SERVER, .host = "b2", .backends = TWO,
     .read_only = true, .server = "b2"},
    {.title = "server, follows nothing known", .policy = PLACEMENT_SERVER, .host = "b3", .backends = TWO, .move = true},

    {.title = "mailhost", .policy = PLACEMENT_MAILHOST, .host = "b1", .backends = TWO, .server = "b1"},
    {.title = "mailhost: without case", .policy = PLACEMENT_MAILHOST, .host = "B2", .backends = TWO, .server = "b2"},
    {.title = "mailhost: with a port", .policy = PLACEMENT_MAILHOST, .host = "127.0.0.1:25143",
     .backends = "127.0.0.1:24143 1 ? up, 127.0.0.1:25143 1 ? up", .server = "127.0.0.1:25143"},
    {.title = "mailhost: another port is another server", .policy = PLACEMENT_MAILHOST, .host = "127.0.0.1",
     .backends = "127.0.0.1:24143 1 ? up"},
    {.title = "mailhost: absent", .policy = PLACEMENT_MAILHOST, .backends = TWO},
    {.title = "mailhost: empty", .policy = PLACEMENT_MAILHOST, .host = "", .backends = TWO},
    {.title = "mailhost: unknown", .policy = PLACEMENT_MAILHOST, .host = "b3", .backends = TWO},
    {.title = "mailhost: localhost", .policy = PLACEMENT_MAILHOST, .host = "LocalHost", .backends = "localhost 1 ? up, b2 1 ? up"},
    {.title = "mailhost: out of reach", .policy = PLACEMENT_MAILHOST, .host = "b2", .backends = "b1 5 ? up, b2 3 ? down"},
    {.title = "mailhost: no backends", .policy = PLACEMENT_MAILHOST, .host = "b2", .backends = ""},

    {.title = "least-used: fewest mailboxes", .policy = PLACEMENT_LEAST_USED, .backends = TWO, .server = "b2"},
    {.title = "least-used: whatever the entry says", .policy = PLACEMENT_LEAST_USED, .host = "b1", .backends = TWO,
     .server = "b2"},
    {.title = "least-used, but the mailbox would follow", .policy = PLACEMENT_LEAST_USED, .host = "b1", .backends = TWO,
     .move = true, .server = "b1"},
    {.title = "least-used, asks for one that is out of reach", .policy = PLACEMENT_LEAST_USED, .host = "b1",
     .backends = "b1 1 ? down, b2 3 ? up, b3 4 ? up", .move = true, .server = "b2"},
    {.title = "least-used: one does not say what is free", .policy = PLACEMENT_LEAST_USED,
     .backends = "b1 5 1000 up, b2 3 ? up, b3 4 9000 up", .server = "b2"},
    {.title = "least-used: one that is down need not say it", .policy = PLACEMENT_LEAST_USED,
     .backends = "b1 5 1000 up, b2 3 ? down, b3 4 9000 up", .server = "b3"},
    {.title = "least-used: most free space", .policy = PLACEMENT_LEAST_USED, .backends = "b1 1 1000 up, b2 900 9000 up",
     .server = "b2"},
    {.title = "least-used: nearly the same space", .policy = PLACEMENT_LEAST_USED, .backends = "b1 1 8100 up, b2 900 9000 up",
     .server = "b1"},
    {.title = "least-used: a bit less", .policy = PLACEMENT_LEAST_USED, .backends = "b1 1 8099 up, b2 900 9000 up", .server = "b2"},
    {.title = "least-used: all full", .policy = PLACEMENT_LEAST_USED, .backends = "b1 2 0 up, b2 1 0 up", .server = "b2"},
    {.title = "least-used: ties by name", .policy = PLACEMENT_LEAST_USED, .backends = "b3 1 ? up, B2 1 ? up, b4 1 ? up",
     .server = "B2"},
    {.title = "least-used: the emptiest is down", .policy = PLACEMENT_LEAST_USED, .backends = "b1 5 ? up, b2 3 ? down",
     .server = "b1"},
    {.title = "least-used: all are down", .policy = PLACEMENT_LEAST_USED, .backends = "b1 5 ? down, b2 3 ? down"},
    {.title = "least-used: none is known", .policy = PLACEMENT_LEAST_USED, .backends = ""},
    {.title = "least-used: very large disks", .policy = PLACEMENT_LEAST_USED,
     .backends = "b1 1 9223372036854775807 up, b2 0 9223372036854775806 up", .server = "b2"},
    {.title = "least-used: a name that is no word", .policy = PLACEMENT_LEAST_USED, .backends = "b!x 0 ? up, b2 3 ? up",
     .server = "b2"},

    {.title = "round-robin: first", .policy = PLACEMENT_ROUND_ROBIN, .backends = "b2 0 ? up, b1 9 ? up, b3 0 ? up", .server = "b1"},
    {.title = "round-robin: second", .policy = PLACEMENT_ROUND_ROBIN, .backends = "b2 0 ? up, b1 9 ? up, b3 0 ? up", .turn = 1,
     .server = "b2"},
    {.title = "round-robin: around", .policy = PLACEMENT_ROUND_ROBIN, .backends = "b2 0 ? up, b1 9 ? up, b3 0 ? up",
     .turn = G_MAXUINT, .server = "b1"},
    {.title = "round-robin: passes over what is down", .policy = PLACEMENT_ROUND_ROBIN,
     .backends = "b1 0 ? up, b2 0 ? down, b3 0 ? up", .turn = 1, .server = "b3"},
    {.title = "round-robin: all are down", .policy = PLACEMENT_ROUND_ROBIN, .backends = "b1 5 ? down", .turn = 3},
    {.title = "round-robin: a name that is no word", .policy = PLACEMENT_ROUND_ROBIN, .backends = "b)( 0 ? up", .turn = 1},
    {.title = "round-robin, but the mailbox would follow", .policy = PLACEMENT_ROUND_ROBIN, .host = "b2", .backends = TWO,
     .move = true, .server = "b2"},
};

START_TEST(a_new_mailbox_goes_where_the_table_says)
{
    const Row *row = &rows[_i];
    g_autoptr(DomainSettings) settings = domain_settings_new("example.org");
    g_autoptr(GPtrArray) backends = make_backends(row->backends);
    const char *server;

    settings->placement_policy = row->policy;
    settings->placement_move = row->move;
    settings->read_only = row->read_only;
    server = placement_choose(settings, row->host, backends, row->turn);
    ck_assert_msg(g_strcmp0(server, row->server) == 0, "%s: %s", row->title, server);
}
END_TEST

START_TEST(in_turn_each_backend_gets_as_many)
{
    g_autoptr(DomainSettings) settings = domain_settings_new("example.org");
    g_autoptr(GPtrArray) backends = make_backends("b1 0 ? up, b2 0 ? down, b3 0 ? up, b4 0 ? up");
    guint got[5] = {0};

    settings->placement_policy = PLACEMENT_ROUND_ROBIN;
    for (guint turn = 0; turn < 30; turn++)
        got[placement_choose(settings, NULL, backends, turn)[1] - '0']++;
    ck_assert_uint_eq(got[2], 0);
    ck_assert(got[1] == 10 && got[3] == 10 && got[4] == 10);
}
END_TEST

START_TEST(a_crowd_of_new_mailboxes_spreads_over_backends_alike)
{
    g_autoptr(DomainSettings) settings = domain_settings_new("example.org");
    g_autoptr(GPtrArray) backends = make_backends("b1 0 9000 up, b2 0 9100 up, b3 0 100 up");

    settings->placement_policy = PLACEMENT_LEAST_USED;
    for (guint i = 0; i < 100; i++) {
        const char *server = placement_choose(settings, NULL, backends, 0);

        /* What is free is asked now and then only. */
        ((PlacementBackend *)placement_find(backends, server))->mailboxes++;
    }
    ck_assert_uint_eq(placement_find(backends, "b1")->mailboxes, 50);
    ck_assert_uint_eq(placement_find(backends, "b2")->mailboxes, 50);
}
END_TEST

START_TEST(without_a_list_of_backends_cyrus_chooses)
{
    g_autoptr(DomainSettings) settings = domain_settings_new("example.org");

    for (guint policy = PLACEMENT_SERVER; policy <= PLACEMENT_ROUND_ROBIN; policy++) {
        settings->placement_policy = policy;
        ck_assert_ptr_null(placement_choose(settings, "b1", NULL, 0));
    }
}
END_TEST

static const struct {
    const char *values; /* separated by a blank */
    const char *host;
} hosts[] = {
    {"", NULL},
    {"B1", "B1"},
    {"localhost", "localhost"},
    {"b1 b2", NULL},
};

START_TEST(one_value_asks_for_a_server_and_several_for_none)
{
    g_autoptr(DomainSettings) settings = domain_settings_new("example.org");
    g_autoptr(Entry) entry = entry_new("ab-12", "uid=jane,dc=example,dc=org", KIND_USER);
    g_auto(GStrv) values = g_strsplit(hosts[_i].values, " ", -1);
    g_autofree char *host = NULL;

    for (char **value = values; *value != NULL; value++)
        entry_add_value(entry, "mailhost", *value, strlen(*value));
    ck_assert(placement_read_host(settings, entry, &host, NULL));
    ck_assert_pstr_eq(host, hosts[_i].host);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("placement");
    TCase *tests = tcase_create("placement");

    tcase_add_loop_test(tests, a_new_mailbox_goes_where_the_table_says, 0, G_N_ELEMENTS(rows));
    tcase_add_test(tests, in_turn_each_backend_gets_as_many);
    tcase_add_test(tests, a_crowd_of_new_mailboxes_spreads_over_backends_alike);
    tcase_add_test(tests, without_a_list_of_backends_cyrus_chooses);
    tcase_add_loop_test(tests, one_value_asks_for_a_server_and_several_for_none, 0, G_N_ELEMENTS(hosts));
    suite_add_tcase(suite, tests);
    return run_suite(suite);
}
