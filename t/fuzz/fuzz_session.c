/* Whatever a server says in whole sessions, cut anywhere: what the mailstore makes of it is a result or an error that names the
 * server, with nothing else read than what was sent.
 *
 * The wire is replaced here (imap/connection.h), so that nothing waits and a run can be repeated. The first octet chooses what is
 * done, the second how many octets arrive at a time; then come the server's words of each connection, up to a NUL. A server that
 * has nothing more to say has closed the connection. */
#include "imap/cleanup.h"
#include "imap/connection.h"
#include "imap/mailstore.h"
#include "model/fault.h"
#include "plan/step.h"

#include <stdint.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define URI "imaps://x"

struct ImapConnection {
    const char *at;
    const char *end;
    bool blocked;
};

/* What the server will say: of this input, to the next connections. */
static const char *words, *words_end;
static gsize octets_at_a_time;

ImapConnection *imap_connection_open(const ImapSettings *settings, const char *authorize_as, Stop *stop, GError **error)
{
    ImapConnection *connection;
    const char *end;

    (void)authorize_as, (void)stop;
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
    (void)data;
    connection->blocked = !connection->blocked;
    if (connection->blocked)
        return TRANSFER_BLOCKED;
    *moved = (len + 1) / 2;
    return TRANSFER_MOVED;
}

Transfer imap_connection_receive(ImapConnection *connection, char *buffer, gsize size, gsize *moved)
{
    gsize left = (gsize)(connection->end - connection->at);

    if (left == 0)
        return TRANSFER_CLOSED;
    *moved = MIN(MIN(left, size), octets_at_a_time);
    memcpy(buffer, connection->at, *moved);
    connection->at += *moved;
    return TRANSFER_MOVED;
}

WaitResult imap_connection_wait(ImapConnection *connection, bool to_send, gint64 deadline_us)
{
    (void)connection, (void)to_send, (void)deadline_us;
    return WAIT_READY;
}

const char *imap_connection_loss(const ImapConnection *connection)
{
    (void)connection;
    return "";
}

static void check_text(const char *text)
{
    g_assert(g_utf8_validate(text, -1, NULL));
    for (const char *c = text; *c != '\0'; c++)
        g_assert(!g_ascii_iscntrl(*c));
}

static void check_error(bool done, const GError *error)
{
    g_assert(done == (error == NULL));
    if (done)
        return;
    g_assert(error->domain == FAULT && g_str_has_prefix(error->message, URI ": "));
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
static void apply(Mailstore *mailstore, StepKind kind)
{
    g_autoptr(GPtrArray) steps = g_ptr_array_new_with_free_func((GDestroyNotify)step_free);
    g_autoptr(GPtrArray) outcomes = g_ptr_array_new_with_free_func((GDestroyNotify)step_outcome_free);
    g_autoptr(GError) error = NULL;
    guint refused = 0;
    bool done;

    for (guint i = 0; i < 3; i++) {
        Step *step = step_new(kind, "user/jane@example.org");

        step->folder = kind == STEP_CREATE_FOLDER ? g_strdup_printf("F%u", i) : NULL;
        step->use = kind == STEP_CREATE_FOLDER ? g_strdup("\\Sent") : NULL;
        step->partition = kind == STEP_CREATE_FOLDER ? g_strdup("p") : NULL;
        step->quota_kib = 7;
        g_ptr_array_add(steps, step);
    }
    done = mailstore_apply(mailstore, steps, NULL, "jane@example.org", outcomes, &error);
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

static void act(Mailstore *mailstore, guint choice)
{
    static void (*const ACTIONS[])(Mailstore *) = {delete, clean_up};

    switch (choice % 7) {
    case 0:
    case 1:
        observe(mailstore, choice % 7 == 1);
        break;
    case 2:
        apply(mailstore, STEP_SET_QUOTA);
        break;
    case 3:
        apply(mailstore, STEP_CREATE_FOLDER);
        break;
    case 4:
        apply(mailstore, STEP_SUBSCRIBE);
        break;
    default:
        ACTIONS[choice % 7 - 5](mailstore);
        break;
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const ImapSettings settings = {.uri = (char *)URI, .admin_login = (char *)"admin", .timeout_us = G_USEC_PER_SEC, .window = 2};
    g_autoptr(Stop) stop = stop_new();
    g_autoptr(Mailstore) mailstore = NULL;

    if (size < 2)
        return 0;
    octets_at_a_time = data[1] > 0 ? data[1] : G_MAXSIZE;
    words = (const char *)data + 2;
    words_end = words + (size - 2);
    mailstore = mailstore_new(&settings, stop);
    act(mailstore, data[0]);
    act(mailstore, data[0] / 7U);
    if (mailstore_server(mailstore) != NULL)
        check_text(mailstore_server(mailstore));
    return 0;
}
