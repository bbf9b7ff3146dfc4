#include "state/told.h"

#include "state/lock.h"

#include <string.h>

static bool add_outage(State *state, const char *since, const char *message, GError **error)
{
    g_autoptr(Query) query = query_begin(state, "INSERT INTO temp.outage (server, since, message) VALUES ('state file ' || ?, ?, ?)",
                                         error);

    if (query == NULL)
        return false;
    query_bind_text(query, 1, state->path);
    query_bind_text(query, 2, since);
    query_bind_text(query, 3, message);
    return query_run(state, query, "show an outage", error);
}

/* The same view as in the file, but of the temporary table: names mean what is temporary first. */
static bool copy_view(State *state, const char *name, GError **error)
{
    g_autoptr(Query) query = query_begin(state, "SELECT sql FROM main.sqlite_schema WHERE name = ?", error);
    g_autofree char *sql = NULL;
    g_autofree char *temporary = NULL;
    bool row;

    if (query == NULL)
        return false;
    query_bind_text(query, 1, name);
    if (!query_step(state, query, "show an outage", &row, error))
        return false;
    sql = row ? query_text(query, 0) : NULL;
    if (sql == NULL || !g_str_has_prefix(sql, "CREATE VIEW "))
        return true;
    temporary = g_strconcat("CREATE TEMP VIEW ", sql + strlen("CREATE VIEW "), NULL);
    return database_run(state, temporary, "show an outage", error);
}

bool told_show(State *state, GError **error)
{
    static const char COPY[] = "PRAGMA temp_store = MEMORY; CREATE TEMP TABLE outage AS SELECT * FROM main.outage";
    g_autofree char *note = lock_read_note(state->path);
    char *message = note == NULL ? NULL : strchr(note, ' ');

    if (message == NULL)
        return true;
    *message++ = '\0';
    return database_run(state, COPY, "show an outage", error) && add_outage(state, note, message, error)
        && copy_view(state, "problems", error) && copy_view(state, "status", error);
}
