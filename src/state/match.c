#include "state/match.h"

void match_free(Match *match)
{
    g_free(match->domain);
    g_free(match->unique_id);
    g_free(match);
}

char *match_fold(const char *what)
{
    g_autofree char *valid = g_utf8_make_valid(what, -1);
    g_autofree char *composed = g_utf8_normalize(valid, -1, G_NORMALIZE_NFC);

    return g_utf8_strdown(composed, -1);
}

static bool read_matches(State *state, Query *query, GPtrArray *matches, GError **error)
{
    bool row;

    for (;;) {
        Match *match;

        if (!query_step(state, query, "find an entry", &row, error))
            return false;
        if (!row)
            return true;
        match = g_new0(Match, 1);
        match->domain = query_text(query, 0);
        match->unique_id = query_text(query, 1);
        g_ptr_array_add(matches, match);
    }
}

#define FIND                                                                                                          \
    "SELECT domain, unique_id FROM departure WHERE unique_id = ?2 OR dn = ?1 COLLATE NOCASE"                          \
    "  OR mailbox IN (?1, ?2, 'user/' || ?2) UNION"                                                                   \
    " SELECT domain, unique_id FROM entry WHERE unique_id = ?2 OR dn = ?1 COLLATE NOCASE"                             \
    "  OR mailbox IN (?1, ?2, 'user/' || ?2)"                                                                         \
    " UNION SELECT domain, unique_id FROM address WHERE address = ?2"                                                 \
    " UNION SELECT domain, unique_id FROM change WHERE unique_id = ?2 OR dn = ?1 COLLATE NOCASE"

static bool find(State *state, const char *sql, const char *what, GPtrArray **matches, GError **error)
{
    g_autofree char *folded = match_fold(what);
    g_autoptr(GPtrArray) found = g_ptr_array_new_with_free_func((GDestroyNotify)match_free);
    g_autoptr(Query) query = query_begin(state, sql, error);

    if (query == NULL)
        return false;
    query_bind_text(query, 1, what);
    query_bind_text(query, 2, folded);
    if (!read_matches(state, query, found, error))
        return false;
    *matches = g_steal_pointer(&found);
    return true;
}

bool match_entries(State *state, const char *what, GPtrArray **matches, GError **error)
{
    return find(state, FIND, what, matches, error);
}

bool match_history(State *state, const char *what, GPtrArray **matches, GError **error)
{
    return find(state,
                FIND " UNION SELECT domain, unique_id FROM journal_name WHERE name IN (?1, ?2, 'user/' || ?2)"
                     " UNION SELECT domain, unique_id FROM journal WHERE unique_id = ?2",
                what, matches, error);
}
