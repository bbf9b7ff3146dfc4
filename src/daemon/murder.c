#include "daemon/murder.h"

#include "imap/backend.h"
#include "imap/space.h"
#include "policy/placement.h"

/* How long a count and what a backend said of its room are good enough. */
#define FRESH_US (60 * (gint64)G_USEC_PER_SEC)

typedef struct {
    guint mailboxes;
    gint64 free_kib;
    gint64 asked_us; /* when it was asked for its room; 0: never */
} Load;

struct Murder {
    State *state;
    Outages *outages;
    GMutex lock;
    GMutex ask_lock;    /* one worker asks the backends for their room, the others wait for what they say */
    GHashTable *loads;  /* char* server, lower case -> Load* */
    gint64 counted_us;  /* when the records were counted; 0: never */
    GHashTable *hidden; /* char* mailbox -> gint64* since when */
    gint turn;          /* atomic */
};

Murder *murder_new(State *state, Outages *outages)
{
    Murder *murder = g_new0(Murder, 1);

    murder->state = state;
    murder->outages = outages;
    murder->loads = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, g_free);
    murder->hidden = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, g_free);
    g_mutex_init(&murder->lock);
    g_mutex_init(&murder->ask_lock);
    return murder;
}

void murder_free(Murder *murder)
{
    if (murder == NULL)
        return;
    g_hash_table_unref(murder->loads);
    g_hash_table_unref(murder->hidden);
    g_mutex_clear(&murder->lock);
    g_mutex_clear(&murder->ask_lock);
    g_free(murder);
}

/* Under lock. */
static Load *find_load(Murder *murder, const char *server)
{
    g_autofree char *key = g_ascii_strdown(server, -1);
    Load *load = g_hash_table_lookup(murder->loads, key);

    if (load == NULL) {
        load = g_new0(Load, 1);
        load->free_kib = FREE_UNKNOWN;
        g_hash_table_insert(murder->loads, g_steal_pointer(&key), load);
    }
    return load;
}

static void take_count(const char *server, guint mailboxes, gpointer user_data)
{
    Murder *murder = user_data;

    find_load(murder, server)->mailboxes = mailboxes;
    if (murder->counted_us == 0)
        g_atomic_int_add(&murder->turn, (gint)mailboxes);
}

/* Counting reads all records, so it is done now and then, and what is created in between is added. Under lock. */
static bool count_mailboxes(Murder *murder, GError **error)
{
    gint64 now_us = g_get_monotonic_time();
    GHashTableIter iter;
    gpointer load;

    if (murder->counted_us != 0 && now_us - murder->counted_us < FRESH_US)
        return true;
    g_hash_table_iter_init(&iter, murder->loads);
    while (g_hash_table_iter_next(&iter, NULL, &load))
        ((Load *)load)->mailboxes = 0;
    if (!state_count_hosts(murder->state, take_count, murder, error))
        return false;
    murder->counted_us = now_us;
    return true;
}

static PlacementBackend *make_backend(Murder *murder, const char *server)
{
    PlacementBackend *backend = placement_backend_new(server);
    const Load *load = find_load(murder, server);

    backend->mailboxes = load->mailboxes;
    backend->reachable = !outages_is_out(murder->outages, server);
    return backend;
}

static GPtrArray *make_backends(Murder *murder, const ImapSettings *settings)
{
    GPtrArray *backends = g_ptr_array_new_with_free_func((GDestroyNotify)placement_backend_free);
    bool configured = settings->backends != NULL && settings->backends->len > 0;
    GHashTableIter iter;
    gpointer server, load;

    for (guint i = 0; configured && i < settings->backends->len; i++)
        g_ptr_array_add(backends, make_backend(murder, ((const ImapBackend *)g_ptr_array_index(settings->backends, i))->name));
    g_hash_table_iter_init(&iter, murder->loads);
    while (!configured && g_hash_table_iter_next(&iter, &server, &load))
        if (((Load *)load)->mailboxes > 0)
            g_ptr_array_add(backends, make_backend(murder, server));
    return backends;
}

/* Asks a backend for its room, unless it said so a moment ago. What fails shows in what is done there. */
static void ask_space(Murder *murder, const ImapSettings *frontend, Mailstore *mailstore, PlacementBackend *backend)
{
    g_autoptr(GMutexLocker) locker G_GNUC_UNUSED = g_mutex_locker_new(&murder->ask_lock);
    g_autoptr(GError) problem = NULL;
    gint64 now_us = g_get_monotonic_time(), free_kib = FREE_UNKNOWN;
    bool fresh;

    g_mutex_lock(&murder->lock);
    fresh = find_load(murder, backend->name)->asked_us != 0 && now_us - find_load(murder, backend->name)->asked_us < FRESH_US;
    backend->free_kib = find_load(murder, backend->name)->free_kib;
    g_mutex_unlock(&murder->lock);
    if (fresh || !backend->reachable)
        return;
    if (!mailstore_read_space(mailstore, backend->name, &free_kib, &problem)) {
        outages_begin(murder->outages, backend->name, frontend, now_us, problem->message);
        backend->reachable = false;
        return;
    }
    backend->free_kib = free_kib;
    g_mutex_lock(&murder->lock);
    find_load(murder, backend->name)->free_kib = free_kib;
    find_load(murder, backend->name)->asked_us = now_us;
    g_mutex_unlock(&murder->lock);
}

bool murder_list_backends(Murder *murder, const ImapSettings *frontend, Mailstore *mailstore, GPtrArray **backends, GError **error)
{
    g_autoptr(GPtrArray) list = NULL;

    g_mutex_lock(&murder->lock);
    if (count_mailboxes(murder, error))
        list = make_backends(murder, frontend);
    g_mutex_unlock(&murder->lock);
    if (list == NULL)
        return false;
    for (guint i = 0; mailstore != NULL && i < list->len; i++)
        ask_space(murder, frontend, mailstore, g_ptr_array_index(list, i));
    *backends = g_steal_pointer(&list);
    return true;
}

guint murder_take_turn(Murder *murder)
{
    return (guint)g_atomic_int_add(&murder->turn, 1);
}

void murder_create(Murder *murder, const char *mailbox, const char *server)
{
    g_autoptr(GMutexLocker) locker G_GNUC_UNUSED = g_mutex_locker_new(&murder->lock);
    gint64 *since_us = g_new(gint64, 1);

    *since_us = g_get_monotonic_time();
    g_hash_table_insert(murder->hidden, g_strdup(mailbox), since_us);
    if (server != NULL)
        find_load(murder, server)->mailboxes++;
}

void murder_show(Murder *murder, const char *mailbox)
{
    g_autoptr(GMutexLocker) locker G_GNUC_UNUSED = g_mutex_locker_new(&murder->lock);

    g_hash_table_remove(murder->hidden, mailbox);
}

gint64 murder_hidden_us(Murder *murder, const char *mailbox)
{
    g_autoptr(GMutexLocker) locker G_GNUC_UNUSED = g_mutex_locker_new(&murder->lock);
    const gint64 *since_us = g_hash_table_lookup(murder->hidden, mailbox);

    return since_us != NULL ? g_get_monotonic_time() - *since_us : -1;
}
