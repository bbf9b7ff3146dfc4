#include "state/outcome.h"

bool state_count_hosts(State *state, HostCounted counted, gpointer user_data, GError **error)
{
    g_autoptr(GMutexLocker) locker G_GNUC_UNUSED = g_mutex_locker_new(&state->lock);
    g_autoptr(Query) query = query_begin(state,
                                         "SELECT mail_host, count(*) FROM entry"
                                         " WHERE mail_host IS NOT NULL AND mailbox IS NOT NULL GROUP BY mail_host",
                                         error);
    bool row;

    if (query == NULL)
        return false;
    for (;;) {
        g_autofree char *host = NULL;

        if (!query_step(state, query, "count the mailboxes of each server", &row, error))
            return false;
        if (!row)
            return true;
        host = query_text(query, 0);
        counted(host, (guint)query_int(query, 1), user_data);
    }
}

bool host_find_locked(State *state, const char *domain, const char *unique_id, char **host, GError **error)
{
    g_autoptr(Query) query = query_begin_for(state, "SELECT mail_host FROM entry WHERE domain = ? AND unique_id = ?", domain,
                                             unique_id, error);
    bool row;

    if (query == NULL || !query_step(state, query, "find the server of a mailbox", &row, error))
        return false;
    *host = row ? query_text(query, 0) : NULL;
    return true;
}

bool state_find_host(State *state, const char *domain, const char *unique_id, char **host, GError **error)
{
    g_autoptr(GMutexLocker) locker G_GNUC_UNUSED = g_mutex_locker_new(&state->lock);

    return host_find_locked(state, domain, unique_id, host, error);
}
