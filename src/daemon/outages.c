#include "daemon/outages.h"

#include "daemon/log.h"

struct Outages {
    State *state;
    GMutex lock;
    GHashTable *messages; /* char* server -> char* message; under lock */
    gint count;           /* atomic: of servers that are out */
};

/* What is shown is not worth an end of the daemon; a state file that cannot be written shows elsewhere. */
static void note(Outages *outages, const char *server, const char *message)
{
    g_autoptr(GError) fault = NULL;

    if (!state_note_outage(outages->state, server, message, &fault))
        log_entry(G_LOG_LEVEL_DEBUG, NULL, NULL, "%s", fault->message);
}

Outages *outages_new(State *state)
{
    Outages *outages = g_new0(Outages, 1);

    outages->state = state;
    outages->messages = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, g_free);
    g_mutex_init(&outages->lock);
    note(outages, NULL, NULL);
    return outages;
}

void outages_free(Outages *outages)
{
    if (outages == NULL)
        return;
    g_hash_table_unref(outages->messages);
    g_mutex_clear(&outages->lock);
    g_free(outages);
}

void outages_begin(Outages *outages, const char *server, const char *message)
{
    g_autoptr(GMutexLocker) locker G_GNUC_UNUSED = g_mutex_locker_new(&outages->lock);
    const char *before = g_hash_table_lookup(outages->messages, server);

    if (g_strcmp0(before, message) == 0)
        return;
    if (before == NULL) {
        log_entry(G_LOG_LEVEL_WARNING, NULL, NULL, "%s; changes wait, trying again", message);
        g_atomic_int_inc(&outages->count);
    }
    g_hash_table_insert(outages->messages, g_strdup(server), g_strdup(message));
    note(outages, server, message);
}

bool outages_is_out(Outages *outages, const char *server)
{
    g_autoptr(GMutexLocker) locker = NULL;

    if (g_atomic_int_get(&outages->count) == 0)
        return false;
    locker = g_mutex_locker_new(&outages->lock);
    return g_hash_table_contains(outages->messages, server);
}

void outages_end(Outages *outages, const char *server)
{
    g_autoptr(GMutexLocker) locker = NULL;

    if (g_atomic_int_get(&outages->count) == 0)
        return;
    locker = g_mutex_locker_new(&outages->lock);
    if (!g_hash_table_remove(outages->messages, server))
        return;
    g_atomic_int_add(&outages->count, -1);
    log_entry(G_LOG_LEVEL_INFO, NULL, NULL, "%s can be reached again", server);
    note(outages, server, NULL);
}
