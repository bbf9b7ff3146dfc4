#include "daemon/outages.h"

#include "daemon/log.h"
#include "state/queue.h"

struct Outages {
    State *state;
    GMutex lock;
    GCond changed;
    GHashTable *servers; /* char* server -> Outage*; under lock */
    GHashTable *unnoted; /* set of char* server: the state has not heard the newest; under lock */
    GHashTable *reached; /* char* server -> gint64*: when somebody last got through; under lock */
    gint count;          /* atomic: of servers that are out */
};

typedef struct {
    char *message;
    const ImapSettings *settings; /* NULL: it is not the lookout's */
    guint attempts;
    gint64 pause_ends_us;
    bool asked;                   /* the lookout has it in hand */
} Outage;

static void outage_free(Outage *outage)
{
    g_free(outage->message);
    g_free(outage);
}

/* What is shown is not worth an end of the daemon; a state file that cannot be written shows elsewhere. */
static bool note(Outages *outages, const char *server, const char *message)
{
    g_autoptr(GError) fault = NULL;

    if (state_note_outage(outages->state, server, message, &fault))
        return true;
    log_entry(G_LOG_LEVEL_DEBUG, NULL, NULL, "%s", fault->message);
    return false;
}

/* Notes what is the case for a server, and for those that the state could not be told of before. Under lock. */
static void note_newest(Outages *outages, const char *server)
{
    GHashTableIter iter;
    gpointer name;

    g_hash_table_add(outages->unnoted, g_strdup(server));
    g_hash_table_iter_init(&iter, outages->unnoted);
    while (g_hash_table_iter_next(&iter, &name, NULL)) {
        const Outage *outage = g_hash_table_lookup(outages->servers, name);

        if (note(outages, name, outage != NULL ? outage->message : NULL))
            g_hash_table_iter_remove(&iter);
    }
}

Outages *outages_new(State *state)
{
    Outages *outages = g_new0(Outages, 1);

    outages->state = state;
    outages->servers = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, (GDestroyNotify)outage_free);
    outages->unnoted = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
    outages->reached = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, g_free);
    g_mutex_init(&outages->lock);
    g_cond_init(&outages->changed);
    note(outages, NULL, NULL);
    return outages;
}

void outages_free(Outages *outages)
{
    if (outages == NULL)
        return;
    g_hash_table_unref(outages->servers);
    g_hash_table_unref(outages->unnoted);
    g_hash_table_unref(outages->reached);
    g_cond_clear(&outages->changed);
    g_mutex_clear(&outages->lock);
    g_free(outages);
}

static void begin_pause(Outage *outage)
{
    outage->pause_ends_us = g_get_monotonic_time() + MIN(wait_backoff_us(outage->attempts), OUTAGE_PAUSE_LONGEST_US);
}

static Outage *find_or_add(Outages *outages, const char *server, const char *message)
{
    Outage *outage = g_hash_table_lookup(outages->servers, server);

    if (outage != NULL)
        return outage;
    log_entry(G_LOG_LEVEL_WARNING, NULL, NULL, "%s; changes wait, trying again", message);
    outage = g_new0(Outage, 1);
    g_hash_table_insert(outages->servers, g_strdup(server), outage);
    g_atomic_int_inc(&outages->count);
    return outage;
}

void outages_begin(Outages *outages, const char *server, const ImapSettings *settings, gint64 asked_us, const char *message)
{
    g_autoptr(GMutexLocker) locker G_GNUC_UNUSED = g_mutex_locker_new(&outages->lock);
    const gint64 *reached_us = g_hash_table_lookup(outages->reached, server);
    Outage *outage;

    if (reached_us != NULL && *reached_us > asked_us)
        return;
    outage = find_or_add(outages, server, message);
    outage->settings = settings;
    outage->asked = false;
    outage->attempts++;
    begin_pause(outage);
    g_cond_broadcast(&outages->changed);
    if (g_strcmp0(outage->message, message) == 0)
        return;
    g_free(outage->message);
    outage->message = g_strdup(message);
    note_newest(outages, server);
}

bool outages_may_try(Outages *outages, const char *server, gint64 *until_us)
{
    g_autoptr(GMutexLocker) locker = NULL;
    Outage *outage;

    if (g_atomic_int_get(&outages->count) == 0)
        return true;
    locker = g_mutex_locker_new(&outages->lock);
    outage = g_hash_table_lookup(outages->servers, server);
    if (outage == NULL)
        return true;
    *until_us = outage->pause_ends_us;
    if (outage->pause_ends_us > g_get_monotonic_time())
        return false;
    begin_pause(outage);
    return true;
}

bool outages_any(Outages *outages)
{
    return g_atomic_int_get(&outages->count) > 0;
}

bool outages_is_out(Outages *outages, const char *server)
{
    g_autoptr(GMutexLocker) locker = NULL;

    if (g_atomic_int_get(&outages->count) == 0)
        return false;
    locker = g_mutex_locker_new(&outages->lock);
    return g_hash_table_contains(outages->servers, server);
}

static void note_reached(Outages *outages, const char *server)
{
    gint64 *reached_us = g_hash_table_lookup(outages->reached, server);

    if (reached_us == NULL) {
        reached_us = g_new(gint64, 1);
        g_hash_table_insert(outages->reached, g_strdup(server), reached_us);
    }
    *reached_us = g_get_monotonic_time();
}

/* The one whose pause ends first; NULL: none is the lookout's, or all are in its hands. Under lock. */
static Outage *find_first(const Outages *outages, char **server)
{
    GHashTableIter iter;
    gpointer name, value;
    Outage *first = NULL;

    g_hash_table_iter_init(&iter, outages->servers);
    while (g_hash_table_iter_next(&iter, &name, &value)) {
        Outage *outage = value;

        if (outage->settings == NULL || outage->asked || (first != NULL && first->pause_ends_us <= outage->pause_ends_us))
            continue;
        first = outage;
        *server = name;
    }
    return first;
}

bool outages_next(Outages *outages, Stop *stop, char **server, const ImapSettings **settings)
{
    g_autoptr(GMutexLocker) locker G_GNUC_UNUSED = g_mutex_locker_new(&outages->lock);

    while (!stop_asked(stop)) {
        char *name = NULL;
        Outage *first = find_first(outages, &name);

        if (first == NULL) {
            g_cond_wait(&outages->changed, &outages->lock);
        } else if (first->pause_ends_us > g_get_monotonic_time()) {
            g_cond_wait_until(&outages->changed, &outages->lock, first->pause_ends_us);
        } else {
            first->asked = true;
            *server = g_strdup(name);
            *settings = first->settings;
            return true;
        }
    }
    return false;
}

void outages_wake(Outages *outages)
{
    g_autoptr(GMutexLocker) locker G_GNUC_UNUSED = g_mutex_locker_new(&outages->lock);

    g_cond_broadcast(&outages->changed);
}

/* Only a delay, should it fail: what was put off is due one day. */
void outages_resume(Outages *outages)
{
    g_autoptr(GError) fault = NULL;

    if (!queue_resume(outages->state, &fault))
        log_entry(G_LOG_LEVEL_DEBUG, NULL, NULL, "%s", fault->message);
}

void outages_end(Outages *outages, const char *server)
{
    g_autoptr(GMutexLocker) locker G_GNUC_UNUSED = g_mutex_locker_new(&outages->lock);

    note_reached(outages, server);
    if (!g_hash_table_remove(outages->servers, server))
        return;
    g_atomic_int_add(&outages->count, -1);
    log_entry(G_LOG_LEVEL_INFO, NULL, NULL, "%s can be reached again", server);
    note_newest(outages, server);
    outages_resume(outages);
}
