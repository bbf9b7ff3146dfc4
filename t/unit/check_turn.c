/* A mailbox goes back to the name that the directory says: a state file, an IMAP server in a thread of the test, and a directory
 * that the linker puts in front of the real one (ld --wrap). */
#include "daemon/turn.h"
#include "daemon/log.h"
#include "imap_listener.h"
#include "model/fault.h"
#include "state/journal.h"
#include "state_file.h"
#include "suite.h"

#include <check.h>
#include <signal.h>

#define DOMAIN "example.org"
#define OLD "user/old@example.org"
#define NEW "user/new@example.org"

static const RunOptions options = {.sync = true};
static Shared shared;
static DomainSettings *domain;
static GThread *server;
static GMutex store_lock;
static GHashTable *mailboxes; /* set of char*: what the IMAP server has; under store_lock, as the next */
static bool refuses_rename;
static const char *says; /* what the directory has as the entry's address */

bool __wrap_directory_read_entry(Directory *asked, const DomainSettings *asked_domain, const char *unique_id, Entry **entry, GError **error);

static Entry *make_entry(const char *mail)
{
    Entry *entry = entry_new("ab-12", "uid=jane,dc=example,dc=org", KIND_USER);

    entry_add_value(entry, "mail", mail, strlen(mail));
    return entry;
}

bool __wrap_directory_read_entry(Directory *asked, const DomainSettings *asked_domain, const char *unique_id, Entry **entry, GError **error)
{
    (void)asked, (void)asked_domain, (void)unique_id, (void)error;
    *entry = make_entry(says);
    return true;
}

static void answer_rename(int fd, const char *line)
{
    g_auto(GStrv) words = g_strsplit(line, "\"", -1);

    if (refuses_rename || !g_hash_table_contains(mailboxes, words[1]) || g_hash_table_contains(mailboxes, words[3])) {
        answer(fd, line, "NO Permission denied");
        return;
    }
    g_hash_table_remove(mailboxes, words[1]);
    g_hash_table_add(mailboxes, g_strdup(words[3]));
    answer(fd, line, "OK Completed");
}

static void answer_metadata(int fd, const char *line)
{
    g_auto(GStrv) words = g_strsplit(line, "\"", -1);

    answer(fd, line, g_hash_table_contains(mailboxes, words[1]) ? "OK Completed" : "NO Mailbox does not exist");
}

static void answer_about_mailboxes(int fd, const char *line)
{
    g_autoptr(GMutexLocker) locker G_GNUC_UNUSED = g_mutex_locker_new(&store_lock);

    if (strstr(line, " RENAME ") != NULL)
        answer_rename(fd, line);
    else if (strstr(line, " GETMETADATA ") != NULL)
        answer_metadata(fd, line);
    else
        answer(fd, line, strstr(line, " GETQUOTA ") != NULL ? "NO Quota root does not exist" : "OK Completed");
}

static gpointer serve(gpointer data)
{
    int fd = accept(listener, NULL, NULL);

    if (fd < 0)
        return data;
    greet(fd);
    for (;;) {
        g_autofree char *line = hear(fd);

        if (line == NULL)
            break;
        if (strstr(line, "NAMESPACE") != NULL)
            say(fd, "* NAMESPACE ((\"\" \"/\")) ((\"user/\" \"/\")) ((\"\" \"/\"))\r\n");
        answer_about_mailboxes(fd, line);
    }
    close(fd);
    return data;
}

static void set_up(void)
{
    make_directory();
    open_listener(1);
    shared = (Shared){.options = &options, .state = open_state(STATE_OWN)};
    shared.claimed = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
    domain = domain_settings_new(DOMAIN);
    mailboxes = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
    server = g_thread_new("server", serve, NULL);
}

static void tear_down(void)
{
    shut_listener();
    g_thread_join(server);
    g_hash_table_unref(mailboxes);
    domain_settings_unref(domain);
    g_hash_table_unref(shared.claimed);
    state_close(shared.state);
    close_listener();
    remove_directory();
}

/* Puts an entry on record. NULL: without that name. */
static void record(const char *unique_id, const char *mailbox, const char *renaming_to)
{
    g_autoptr(Record) made = record_new(DOMAIN, unique_id);

    made->kind = g_strdup("user");
    made->dn = g_strdup("uid=x,dc=example,dc=org");
    ck_assert(state_note_begin(shared.state, made, NULL, QUOTA_ANY, NULL));
    ck_assert(state_set_mailbox(shared.state, DOMAIN, unique_id, mailbox, NULL));
    ck_assert(state_note_begin(shared.state, made, renaming_to, QUOTA_ANY, NULL));
}

static const struct {
    const char *title;
    const char *recorded, *renaming_to; /* what the state has of the entry */
    const char *present[3];             /* the mailboxes that there are */
    const char *says;                   /* the directory, once it was asked to take "new" */
    bool held;                          /* another entry has the old mailbox on record */
    bool refuses;                       /* the server takes no RENAME */
    const char *problem;                /* NULL: none */
    const char *ends[2];                /* what the state has then */
    const char *left;                   /* one of the mailboxes that there are then */
    bool again;                         /* a second try may change something */
} rows[] = {
    {.title = "renamed by this try", .recorded = OLD, .renaming_to = NEW, .present = {NEW}, .says = "old@example.org",
     .ends = {OLD, NULL}, .left = OLD},
    {.title = "renamed by one before", .recorded = NEW, .present = {NEW}, .says = "Old@example.org", .ends = {OLD, NULL}, .left = OLD},
    {.title = "on the way back before", .recorded = NEW, .renaming_to = OLD, .present = {NEW}, .says = "old@example.org",
     .ends = {OLD, NULL}, .left = OLD},
    {.title = "not renamed", .recorded = OLD, .renaming_to = NEW, .present = {OLD}, .says = "old@example.org", .ends = {OLD, NULL},
     .left = OLD, .again = true},
    {.title = "the write took effect", .recorded = OLD, .renaming_to = NEW, .present = {NEW}, .says = "new@example.org",
     .ends = {OLD, NEW}, .left = NEW, .again = true},
    {.title = "somebody wrote what names no mailbox", .recorded = OLD, .renaming_to = NEW, .present = {NEW}, .says = "a b",
     .ends = {OLD, NEW}, .left = NEW, .again = true},
    {.title = "another entry has it", .recorded = NEW, .present = {NEW}, .says = "old@example.org", .held = true,
     .problem = OLD " belongs to unique id cd-34", .ends = {NEW, NULL}, .left = NEW},
    {.title = "somebody made it", .recorded = NEW, .present = {NEW, OLD}, .says = "old@example.org",
     .problem = "there is a mailbox " OLD " again", .ends = {NEW, NULL}, .left = NEW},
    {.title = "the server refuses", .recorded = OLD, .renaming_to = NEW, .present = {NEW}, .says = "old@example.org", .refuses = true,
     .problem = "Permission denied", .ends = {NEW, OLD}, .left = NEW},
};

static Account *make_account(void)
{
    Account *account = account_new();

    account->mailbox = g_strdup(NEW);
    account->login = g_strdup("new@example.org");
    return account;
}

static void fill_store(gsize i)
{
    g_autoptr(GMutexLocker) locker G_GNUC_UNUSED = g_mutex_locker_new(&store_lock);

    for (gsize j = 0; rows[i].present[j] != NULL; j++)
        g_hash_table_add(mailboxes, g_strdup(rows[i].present[j]));
    refuses_rename = rows[i].refuses;
}

static void check_left(gsize i)
{
    g_autoptr(GMutexLocker) locker G_GNUC_UNUSED = g_mutex_locker_new(&store_lock);
    g_autofree char *mailbox = look("SELECT mailbox FROM entry WHERE unique_id = 'ab-12'");
    g_autofree char *renaming_to = look("SELECT renaming_to FROM entry WHERE unique_id = 'ab-12'");

    ck_assert_msg(g_strcmp0(mailbox, rows[i].ends[0]) == 0 && g_strcmp0(renaming_to, rows[i].ends[1]) == 0, "%s: %s, %s", rows[i].title,
                  mailbox, renaming_to);
    ck_assert_msg(g_hash_table_contains(mailboxes, rows[i].left), "%s", rows[i].title);
    ck_assert_uint_eq(g_hash_table_size(mailboxes), rows[i].present[1] != NULL ? 2 : 1);
}

START_TEST(a_mailbox_gets_the_name_back_that_the_directory_says)
{
    g_autoptr(Mailstore) mailstore = mailstore_new(&settings, NULL, NULL, stop);
    g_autoptr(GPtrArray) journal = g_ptr_array_new_with_free_func((GDestroyNotify)journal_row_free);
    g_autoptr(GError) error = NULL;
    Change change = {.domain = (char *)DOMAIN, .unique_id = (char *)"ab-12"};
    g_auto(Job) job = {.shared = &shared, .mailstore = mailstore, .change = &change, .journal = journal};

    record("ab-12", rows[_i].recorded, rows[_i].renaming_to);
    if (rows[_i].held)
        record("cd-34", OLD, NULL);
    fill_store((gsize)_i);
    says = rows[_i].says;
    job.domain = domain_settings_ref(domain);
    job.entry = make_entry("old@example.org");
    job.account = make_account();
    job.claimed = g_strdup(NEW);
    shared_claim(&shared, NEW);
    ck_assert(state_find_record(shared.state, DOMAIN, "ab-12", &job.record, NULL));
    ck_assert_msg(turn_go_back(&job, &error) == (rows[_i].problem == NULL), "%s", rows[_i].title);
    if (rows[_i].problem != NULL)
        ck_assert_msg(fault_of(error) == FAULT_PARK && strstr(error->message, rows[_i].problem) != NULL, "%s: %s", rows[_i].title,
                      error->message);
    ck_assert_msg(change.verify != rows[_i].again, "%s", rows[_i].title);
    check_left((gsize)_i);
    job_clear(&job);
    ck_assert_uint_eq(g_hash_table_size(shared.claimed), 0);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("turn");
    TCase *tests = tcase_create("turn");

    signal(SIGPIPE, SIG_IGN);
    log_init(LOG_LEVEL_ERROR);
    tcase_add_checked_fixture(tests, set_up, tear_down);
    tcase_add_loop_test(tests, a_mailbox_gets_the_name_back_that_the_directory_says, 0, G_N_ELEMENTS(rows));
    suite_add_tcase(suite, tests);
    return run_suite(suite);
}
