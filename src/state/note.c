#include "state/database.h"
#include "wait/wait.h"

bool state_note_sweep(State *state, const char *domain, const char *base_dn, guint entries, const char *problem,
                      GError **error)
{
    static const char COMPLETE[] =
        "INSERT INTO domain (name, base_dn, last_sweep, last_sweep_complete, entries) VALUES (?1, ?2, ?3, ?3, ?4)"
        " ON CONFLICT DO UPDATE SET base_dn = excluded.base_dn, last_sweep = excluded.last_sweep,"
        " last_sweep_complete = excluded.last_sweep_complete, entries = excluded.entries,"
        " problem = NULL, problem_since = NULL";
    static const char INCOMPLETE[] =
        "INSERT INTO domain (name, base_dn, last_sweep, problem, problem_since) VALUES (?1, ?2, ?3, ?5, ?3)"
        " ON CONFLICT DO UPDATE SET base_dn = excluded.base_dn, last_sweep = excluded.last_sweep,"
        " problem = excluded.problem, problem_since = coalesce(problem_since, excluded.problem_since)";
    g_autoptr(GMutexLocker) locker G_GNUC_UNUSED = g_mutex_locker_new(&state->lock);
    g_autofree char *now = wait_timestamp(0);
    g_autoptr(Query) query = query_begin(state, problem == NULL ? COMPLETE : INCOMPLETE, error);

    if (query == NULL)
        return false;
    query_bind_text(query, 1, domain);
    query_bind_text(query, 2, base_dn);
    query_bind_text(query, 3, now);
    if (problem == NULL)
        query_bind_int(query, 4, entries);
    else
        query_bind_text(query, 5, problem);
    return query_run(state, query, "note a sweep", error);
}

bool state_note_watch(State *state, const char *domain, const char *problem, GError **error)
{
    static const char NOTE[] =
        "INSERT INTO domain (name, watch_problem, watch_problem_since) VALUES (?1, ?2, iif(?2 IS NULL, NULL, ?3))"
        " ON CONFLICT DO UPDATE SET watch_problem = excluded.watch_problem, watch_problem_since ="
        "  iif(excluded.watch_problem IS NULL, NULL, coalesce(watch_problem_since, excluded.watch_problem_since))";
    g_autoptr(GMutexLocker) locker G_GNUC_UNUSED = g_mutex_locker_new(&state->lock);
    g_autofree char *now = wait_timestamp(0);
    g_autoptr(Query) query = query_begin(state, NOTE, error);

    if (query == NULL)
        return false;
    query_bind_text(query, 1, domain);
    query_bind_text(query, 2, problem);
    query_bind_text(query, 3, now);
    return query_run(state, query, "note a watch", error);
}

bool state_note_outage(State *state, const char *server, const char *message, GError **error)
{
    static const char BEGIN[] = "INSERT INTO outage (server, since, message) VALUES (?1, ?3, ?2)"
                                " ON CONFLICT DO UPDATE SET message = excluded.message";
    g_autoptr(GMutexLocker) locker G_GNUC_UNUSED = g_mutex_locker_new(&state->lock);
    g_autofree char *now = wait_timestamp(0);
    g_autoptr(Query) query =
        query_begin(state, message != NULL ? BEGIN : "DELETE FROM outage WHERE server = ?1 OR ?1 IS NULL", error);

    if (query == NULL)
        return false;
    query_bind_text(query, 1, server);
    if (message != NULL) {
        query_bind_text(query, 2, message);
        query_bind_text(query, 3, now);
    }
    return query_run(state, query, "note an outage", error);
}

bool state_note(State *state, const char *name, const char *value, GError **error)
{
    g_autoptr(GMutexLocker) locker G_GNUC_UNUSED = g_mutex_locker_new(&state->lock);
    g_autofree char *now = wait_timestamp(0);
    g_autoptr(Query) query = query_begin(state,
                                         value == NULL ? "DELETE FROM note WHERE name = ?"
                                                       : "REPLACE INTO note (name, value, time) VALUES (?, ?, ?)",
                                         error);

    if (query == NULL)
        return false;
    query_bind_text(query, 1, name);
    if (value != NULL) {
        query_bind_text(query, 2, value);
        query_bind_text(query, 3, now);
    }
    return query_run(state, query, "write a note", error);
}
