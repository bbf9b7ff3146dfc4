#include "imap/gates.h"

/* The session in which mailboxes are made, that of who removes the rights of departed entries, and that which looks whether the
 * server is back. */
enum { OTHER_SESSIONS = 3 };

struct Gates {
    const ImapSettings *settings;
    guint places;
    GMutex lock;
    GHashTable *gates; /* char* server, lower case, "" for the server itself -> Gate* */
};

guint gates_admin_sessions(guint workers)
{
    return workers + OTHER_SESSIONS;
}

static guint count_places(const ImapSettings *settings, guint workers)
{
    guint apart = gates_admin_sessions(workers);

    if (settings->max_sessions == 0)
        return workers;
    return settings->max_sessions > apart ? MIN(settings->max_sessions - apart, workers) : 1;
}

Gates *gates_new(const ImapSettings *settings, guint workers)
{
    Gates *gates = g_new0(Gates, 1);

    gates->settings = settings;
    gates->places = count_places(settings, workers);
    gates->gates = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, (GDestroyNotify)gate_free);
    g_mutex_init(&gates->lock);
    return gates;
}

void gates_free(Gates *gates)
{
    if (gates == NULL)
        return;
    g_hash_table_unref(gates->gates);
    g_mutex_clear(&gates->lock);
    g_free(gates);
}

static Gate *find_gate(Gates *gates, const char *server)
{
    g_autoptr(GMutexLocker) locker G_GNUC_UNUSED = g_mutex_locker_new(&gates->lock);
    g_autofree char *key = g_ascii_strdown(server != NULL ? server : "", -1);
    Gate *gate = g_hash_table_lookup(gates->gates, key);

    if (gate != NULL)
        return gate;
    gate = gate_new(server != NULL ? server : gates->settings->uri, gates->places);
    g_hash_table_insert(gates->gates, g_steal_pointer(&key), gate);
    return gate;
}

Gate *gates_find(Gates *gates, const char *server)
{
    return gates != NULL ? find_gate(gates, server) : NULL;
}
