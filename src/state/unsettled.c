#include "state/unsettled.h"

#include "state/database.h"

bool state_add_unsettled(State *state, const char *domain, Unsettled *unsettled, GError **error)
{
    static const char COUNT[] =
        "SELECT (SELECT count(*) FROM change WHERE domain = ?1 AND waits_for IS NULL AND (state = 'parked' OR attempts > 0)),"
        " (SELECT count(*) FROM departure WHERE domain = ?1 AND status = 'approved')";
    g_autoptr(GMutexLocker) locker G_GNUC_UNUSED = g_mutex_locker_new(&state->lock);
    g_autoptr(Query) query = query_begin(state, COUNT, error);
    bool row;

    if (query == NULL)
        return false;
    query_bind_text(query, 1, domain);
    if (!query_step(state, query, "count what is not in order", &row, error))
        return false;
    unsettled->changes += (guint)query_int(query, 0);
    unsettled->deletions += (guint)query_int(query, 1);
    return true;
}
