/* Whatever a server says in whole sessions, cut anywhere: what the mailstore makes of it is a result or an error that names the
 * server, with nothing else read than what was sent.
 *
 * The wire is replaced here (imap/connection.h, imap/login.h), so that nothing waits and a run can be repeated. The first octet chooses what is
 * done (its last two digits: one thing after the other; from 100 on at a backend), the second how many octets arrive at a time
 * (128 and more: also answers to what was not asked yet); then come the server's words of each connection, up to a NUL. A server
 * that is asked when it has said all of them has closed the connection. */
#include "imap/cleanup.h"
#include "imap/login.h"
#include "imap/mailstore.h"
#include "imap/space.h"
#include "model/fault.h"
#include "plan/step.h"

#include "fake_wire.h"

#include <stdint.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define URI "imaps://x"
#define BACKEND "imap1.example.org"

/* Octets of one side; lines are counted that begin with a tag of ours. */
typedef struct {
    bool inside; /* a line, after its first octet */
    bool tagged;
    guint64 begun;
    guint64 ended;
} Lines;

struct ImapConnection {
    const char *at;
    const char *end;
    Lines said;  /* by the server */
    Lines asked; /* of it */
    bool blocked;
};

/* What the server will say: of this input, to the next connections. */
static const char *words, *words_end;
static gsize octets_at_a_time;
static bool speaks_unasked;

static void pass(Lines *lines, char c)
{
    if (!lines->inside) {
        lines->tagged = c == 'k';
        lines->begun += lines->tagged;
    }
    lines->inside = c != '\n';
    lines->ended += lines->tagged && c == '\n';
}

ImapConnection *imap_login(const ImapSettings *settings, const char *authorize_as, Stop *stop, char **server, GString *input, GError **error)
{
    ImapConnection *connection;
    const char *end;

    (void)authorize_as, (void)stop, (void)server, (void)input;
    if (words == words_end) {
        g_set_error(error, FAULT, FAULT_RETRY, "%s: cannot connect", settings->uri);
        return NULL;
    }
    end = memchr(words, '\0', (gsize)(words_end - words));
    connection = g_new0(ImapConnection, 1);
    connection->at = words;
    connection->end = end != NULL ? end : words_end;
    words = end != NULL ? end + 1 : words_end;
    return connection;
}

void imap_connection_close(ImapConnection *connection)
{
    g_free(connection);
}

/* A socket takes a part at times, and none at others. */
Transfer imap_connection_send(ImapConnection *connection, const char *data, gsize len, gsize *moved)
{
    connection->blocked = !connection->blocked;
    if (connection->blocked)
        return TRANSFER_BLOCKED;
    *moved = (len + 1) / 2;
    for (gsize i = 0; i < *moved; i++)
        pass(&connection->asked, data[i]);
    return TRANSFER_MOVED;
}

/* Whether the next octet begins the answer to what was not asked so far. */
static bool is_early(const ImapConnection *connection)
{
    return !speaks_unasked && !connection->said.inside && *connection->at == 'k' && connection->said.begun == connection->asked.ended;
}

Transfer imap_connection_receive(ImapConnection *connection, char *buffer, gsize size, gsize *moved)
{
    if (connection->at == connection->end)
        return connection->said.begun < connection->asked.ended ? TRANSFER_CLOSED : TRANSFER_BLOCKED;
    *moved = 0;
    while (*moved < MIN(size, octets_at_a_time) && connection->at < connection->end && !is_early(connection)) {
        pass(&connection->said, *connection->at);
        buffer[(*moved)++] = *connection->at++;
    }
    return *moved > 0 ? TRANSFER_MOVED : TRANSFER_BLOCKED;
}

static void check_error(bool done, const GError *error)
{
    g_assert(done == (error == NULL));
    if (done)
        return;
    g_assert(error->domain == FAULT);
    g_assert(g_str_has_prefix(error->message, "imaps://") || g_str_has_prefix(error->message, "imap://")
             || g_str_has_prefix(error->message, "backend ") || g_str_has_prefix(error->message, BACKEND ": "));
    check_text(error->message);
}

static Account *make_account(bool shared)
{
    Account *account = account_new();
    Folder *calendar = folder_new("Calendar");

    account->mailbox = g_strdup(shared ? "shared/Team/Plans@example.org" : "user/jane@example.org");
    account->login = shared ? NULL : g_strdup("jane@example.org");
    calendar->quota_kib = 5;
    g_ptr_array_add(calendar->metadata, metadata_new("/private/vendor/kolab/folder-type", "event"));
    g_ptr_array_unref(account->folders);
    account->folders = g_ptr_array_new_with_free_func((GDestroyNotify)folder_free);
    g_ptr_array_add(account->folders, calendar);
    return account;
}

static void observe(Mailstore *mailstore, bool shared)
{
    g_autoptr(Account) account = make_account(shared);
    g_autoptr(Observed) observed = NULL;
    g_autoptr(GError) error = NULL;
    bool done = shared ? mailstore_observe_shared(mailstore, account, "shared/Crew@example.org", false, &observed, &error)
                       : mailstore_observe(mailstore, account, "user/hand@example.org", true, &observed, &error);

    check_error(done, error);
    g_assert(done == (observed != NULL));
}

/* Each step has one outcome at the most, and there is an error when one was refused. */
static void apply(Mailstore *mailstore, StepKind kind, const char *server)
{
    g_autoptr(GPtrArray) steps = g_ptr_array_new_with_free_func((GDestroyNotify)step_free);
    g_autoptr(GPtrArray) outcomes = g_ptr_array_new_with_free_func((GDestroyNotify)step_outcome_free);
    g_autoptr(GError) error = NULL;
    guint refused = 0;
    bool done;

    for (guint i = 0; i < 3; i++) {
        Step *step = step_new(kind, "user/jane@example.org");

        step->folder = kind == STEP_CREATE_FOLDER || kind == STEP_SUBSCRIBE ? g_strdup_printf("F%u", i) : NULL;
        step->use = kind == STEP_CREATE_FOLDER ? g_strdup("\\Sent") : NULL;
        step->partition = kind == STEP_CREATE_FOLDER ? g_strdup("p") : NULL;
        step->server = kind == STEP_MOVE_MAILBOX || kind == STEP_CREATE_MAILBOX ? g_strdup(server) : NULL;
        step->before = kind == STEP_RENAME_MAILBOX ? g_strdup("user/jane@example.org") : NULL;
        step->after = kind == STEP_RENAME_MAILBOX ? g_strdup("user/janet@example.org") : g_strdup(server);
        step->name = kind == STEP_SET_ACL ? g_strdup("anyone") : NULL;
        step->quota_kib = 7;
        g_ptr_array_add(steps, step);
    }
    done = mailstore_apply(mailstore, steps, server, "jane@example.org", outcomes, &error);
    check_error(done, error);
    g_assert(outcomes->len <= steps->len && (!done || outcomes->len == steps->len));
    for (guint i = 0; i < outcomes->len; i++) {
        const StepOutcome *outcome = g_ptr_array_index(outcomes, i);

        refused += outcome->refusal != NULL;
        if (outcome->refusal != NULL)
            check_text(outcome->refusal);
        for (guint j = 0; j < i; j++)
            g_assert(((const StepOutcome *)g_ptr_array_index(outcomes, j))->step != outcome->step);
    }
    g_assert(!done || refused == 0);
}

static void delete(Mailstore *mailstore)
{
    g_autoptr(GError) error = NULL;
    bool done = mailstore_delete(mailstore, "user/jane@example.org", &error);

    check_error(done, error);
}

static void read_space(Mailstore *mailstore, const char *server)
{
    g_autoptr(GError) error = NULL;
    gint64 free_kib = -2;
    bool done = mailstore_read_space(mailstore, server, &free_kib, &error);

    check_error(done, error);
    g_assert(!done || free_kib >= -1);
}

/* Nothing goes that was not asked for, and nothing of a login that has a mailbox. */
static void clean_up(Mailstore *mailstore)
{
    g_autoptr(GHashTable) identifiers = g_hash_table_new(g_str_hash, g_str_equal);
    g_autoptr(GPtrArray) removals = g_ptr_array_new_with_free_func((GDestroyNotify)removal_free);
    g_autoptr(GError) error = NULL;
    CleanupResult result;
    bool done;

    g_hash_table_add(identifiers, (gpointer) "jane@example.org");
    g_hash_table_add(identifiers, (gpointer) "group:staff");
    done = mailstore_clean_up(mailstore, identifiers, removals, &result, &error);
    check_error(done, error);
    for (guint i = 0; i < removals->len; i++) {
        const Removal *removal = g_ptr_array_index(removals, i);

        g_assert(g_hash_table_contains(identifiers, removal->identifier));
        g_assert(g_utf8_validate(removal->mailbox, -1, NULL));
        if (removal->refusal != NULL)
            check_text(removal->refusal);
    }
}

static void act(Mailstore *mailstore, guint choice, const char *server)
{
    static const StepKind KINDS[] = {STEP_SET_QUOTA, STEP_CREATE_FOLDER, STEP_SUBSCRIBE, STEP_CREATE_MAILBOX, STEP_MOVE_MAILBOX,
                                     STEP_RENAME_MAILBOX};

    switch (choice) {
    case 0:
    case 1:
        observe(mailstore, choice == 1);
        break;
    case 2:
        if (server != NULL)
            read_space(mailstore, server);
        else
            delete(mailstore);
        break;
    case 3:
        clean_up(mailstore);
        break;
    default:
        apply(mailstore, KINDS[choice - 4], server);
        break;
    }
}

/* A fuzzer has much to warn of. */
static GLogWriterOutput say_nothing(GLogLevelFlags level, const GLogField *fields, gsize n_fields, gpointer user_data)
{
    (void)level, (void)fields, (void)n_fields, (void)user_data;
    return G_LOG_WRITER_HANDLED;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static bool quiet;
    const ImapSettings settings = {.uri = (char *)URI, .admin_login = (char *)"admin", .timeout_us = G_USEC_PER_SEC, .window = 2};
    g_autoptr(Stop) stop = stop_new();
    g_autoptr(Mailstore) mailstore = NULL;

    if (!quiet)
        g_log_set_writer_func(say_nothing, NULL, NULL);
    quiet = true;
    if (size < 2)
        return 0;
    octets_at_a_time = data[1] % 128U > 0 ? data[1] % 128U : G_MAXSIZE;
    speaks_unasked = data[1] >= 128;
    words = (const char *)data + 2;
    words_end = words + (size - 2);
    mailstore = mailstore_new(&settings, NULL, NULL, stop);
    act(mailstore, data[0] % 10U, data[0] < 100 ? NULL : BACKEND);
    act(mailstore, data[0] / 10U % 10U, data[0] < 100 ? NULL : BACKEND);
    if (mailstore_server(mailstore, NULL) != NULL)
        check_text(mailstore_server(mailstore, NULL));
    return 0;
}
