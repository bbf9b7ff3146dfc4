#include "state/outcome.h"

#include <string.h>

/* The two halves around the name of something below a mailbox: "shared/Team/" and "@example.org". */
typedef struct {
    char *top;
    char *domain;
} Halves;

static void halves_clear(Halves *halves)
{
    g_free(halves->top);
    g_free(halves->domain);
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(Halves, halves_clear)

static Halves split(const char *mailbox)
{
    const char *at = strrchr(mailbox, '@');
    gsize len = at != NULL ? (gsize)(at - mailbox) : strlen(mailbox);

    return (Halves){.top = g_strdup_printf("%.*s/", (int)len, mailbox), .domain = g_strdup(mailbox + len)};
}

#define IS_BELOW(column)                                                                                              \
    " " column " LIKE 'shared/%' AND substr(" column ", 1, length(?1)) = ?1 AND substr(" column ", -length(?2)) = ?2"
#define MOVED(column) "?3 || substr(" column ", length(?1) + 1, length(" column ") - length(?1) - length(?2)) || ?4"

static bool queue_below(State *state, const Halves *old, const char *now, GError **error)
{
    static const char QUEUE[] =
        "SELECT domain, unique_id FROM entry WHERE" IS_BELOW("mailbox") " AND status = 'ok'";
    g_autoptr(Query) query = query_begin(state, QUEUE, error);

    if (query == NULL)
        return false;
    query_bind_text(query, 1, old->top);
    query_bind_text(query, 2, old->domain);
    return change_write_each(state, query, "parent", true, now, NULL, error);
}

static bool run_rename(State *state, const char *sql, const Halves *old, const Halves *new, GError **error)
{
    g_autoptr(Query) query = query_begin(state, sql, error);

    if (query == NULL)
        return false;
    query_bind_text(query, 1, old->top);
    query_bind_text(query, 2, old->domain);
    query_bind_text(query, 3, new->top);
    query_bind_text(query, 4, new->domain);
    return query_run(state, query, "rename what is below a mailbox", error);
}

/* A name that is taken already stays as it is recorded: the entry's own turn shows what is wrong. */
static bool rename_below(State *state, const Halves *old, const Halves *new, GError **error)
{
    return run_rename(state, "UPDATE OR IGNORE entry SET mailbox = " MOVED("mailbox") " WHERE" IS_BELOW("mailbox"), old, new, error)
        && run_rename(state,
                      "UPDATE entry SET renaming_to = nullif(" MOVED("renaming_to") ", mailbox) WHERE" IS_BELOW("renaming_to"),
                      old, new, error)
        && database_run(state, "UPDATE entry SET renaming_to = NULL WHERE renaming_to = mailbox", "settle a renaming", error);
}

static bool move_below(State *state, const char *from, const char *to, GError **error)
{
    g_autoptr(GMutexLocker) locker G_GNUC_UNUSED = g_mutex_locker_new(&state->lock);
    g_autofree char *now = wait_timestamp(0);
    g_auto(Halves) old = split(from);
    g_auto(Halves) new = split(to);
    g_auto(Transaction) transaction = {0};

    return transaction_begin(&transaction, state, error) && queue_below(state, &old, now, error)
        && rename_below(state, &old, &new, error) && transaction_commit(&transaction, error);
}

bool state_move_below(State *state, const char *from, const char *to, GError **error)
{
    if (!move_below(state, from, to, error))
        return false;
    queue_wake(state);
    return true;
}
