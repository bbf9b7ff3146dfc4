#include "state/departure.h"

#include "state/match.h"
#include "state/outcome.h"

typedef struct {
    char *domain;
    char *unique_id;
    char *mailbox;
    char *status;
} Candidate;

static void candidate_free(Candidate *candidate)
{
    g_free(candidate->domain);
    g_free(candidate->unique_id);
    g_free(candidate->mailbox);
    g_free(candidate->status);
    g_free(candidate);
}

/* What is kept for another reason than being gone is no candidate: its entry is somewhere. */
#define CANDIDATES "SELECT domain, unique_id, mailbox, status FROM departure WHERE reason = 'gone'"

static bool read_candidates(State *state, Query *query, GPtrArray *candidates, GError **error)
{
    bool row;

    for (;;) {
        Candidate *candidate;

        if (!query_step(state, query, "look for departures", &row, error))
            return false;
        if (!row)
            return true;
        candidate = g_new0(Candidate, 1);
        candidate->domain = query_text(query, 0);
        candidate->unique_id = query_text(query, 1);
        candidate->mailbox = query_text(query, 2);
        candidate->status = query_text(query, 3);
        g_ptr_array_add(candidates, candidate);
    }
}

/* `domain` NULL: all of them. */
static bool find_held(State *state, const char *domain, GPtrArray *candidates, GError **error)
{
    g_autofree char *folded = domain == NULL ? NULL : match_fold(domain);
    g_autoptr(Query) query = query_begin(state, CANDIDATES " AND status = 'held' AND (?1 IS NULL OR domain = ?1)", error);

    if (query == NULL)
        return false;
    query_bind_text(query, 1, folded);
    return read_candidates(state, query, candidates, error);
}

static bool find_departed(State *state, const Match *match, GPtrArray *candidates, GError **error)
{
    static const char FIND[] =
        CANDIDATES " AND status IN ('waiting', 'held', 'kept', 'failed') AND domain = ?1 AND unique_id = ?2";
    g_autoptr(Query) query = query_begin_for(state, FIND, match->domain, match->unique_id, error);

    return query != NULL && read_candidates(state, query, candidates, error);
}

/* A domain, or else an entry. */
static bool find_candidates(State *state, const char *what, GPtrArray *candidates, GError **error)
{
    g_autoptr(GPtrArray) matches = NULL;

    if (!find_held(state, what, candidates, error))
        return false;
    if (what == NULL || candidates->len > 0)
        return true;
    if (!match_entries(state, what, &matches, error))
        return false;
    for (guint i = 0; i < matches->len; i++)
        if (!find_departed(state, g_ptr_array_index(matches, i), candidates, error))
            return false;
    return true;
}

static bool mark(State *state, const Candidate *candidate, const char *now, GError **error)
{
    static const char MARK[] = "UPDATE departure SET status = 'approved', decided_at = ?3, approved_at = ?3,"
                               " message = NULL WHERE domain = ?1 AND unique_id = ?2";
    g_autoptr(Query) query = query_begin_for(state, MARK, candidate->domain, candidate->unique_id, error);

    if (query == NULL)
        return false;
    query_bind_text(query, 3, now);
    return query_run(state, query, "approve a deletion", error);
}

static bool note(State *state, const Candidate *candidate, const char *operator, const char *now, GError **error)
{
    const Change change = {.domain = candidate->domain, .unique_id = candidate->unique_id};
    g_autoptr(GPtrArray) rows = g_ptr_array_new_with_free_func((GDestroyNotify)journal_row_free);
    JournalRow *row = journal_row_new("approve deletion");

    row->target = g_strdup(candidate->mailbox);
    row->mailbox = g_strdup(candidate->mailbox);
    row->before = g_strdup(candidate->status);
    row->after = g_strdup("approved");
    row->outcome = g_strdup("ok");
    row->operator = g_strdup(operator);
    g_ptr_array_add(rows, row);
    return journal_write(state, &change, rows, now, error);
}

static bool approve_one(State *state, const Candidate *candidate, const char *operator, const char *now, GError **error)
{
    return mark(state, candidate, now, error) && note(state, candidate, operator, now, error)
        && change_write(state, candidate->domain, candidate->unique_id, "operator", false, now, error);
}

bool departure_approve(State *state, const char *what, const char *operator, guint *count, GError **error)
{
    g_autoptr(GMutexLocker) locker G_GNUC_UNUSED = g_mutex_locker_new(&state->lock);
    g_autoptr(GPtrArray) candidates = g_ptr_array_new_with_free_func((GDestroyNotify)candidate_free);
    g_autofree char *now = wait_timestamp(0);
    g_auto(Transaction) transaction = {0};

    if (!transaction_begin(&transaction, state, error) || !find_candidates(state, what, candidates, error))
        return false;
    for (guint i = 0; i < candidates->len; i++)
        if (!approve_one(state, g_ptr_array_index(candidates, i), operator, now, error))
            return false;
    *count = candidates->len;
    return transaction_commit(&transaction, error);
}
