#include "imap/creator.h"

#include "model/fault.h"

/* More than a second, since what counts are the seconds of another machine's clock. */
#define SEED_APART_US (1100 * (gint64)1000)
#define LOOK_US (20 * (gint64)1000)

/* A session, and the processes behind it that make mailboxes. */
typedef struct {
    GMutex lock;           /* whoever holds it has the session */
    bool anywhere;         /* the server is not given: all of them may be asked */
    ImapSession *session;  /* NULL: none open */
    bool seeded;           /* a place has been chosen in this session */
    bool seeding;          /* under the creator's lock */
    gint64 seeded_us;      /* monotonic, when that may have happened last; under the creator's lock */
} Lane;

struct Creator {
    const ImapSettings *settings;
    Stop *stop;
    GMutex lock;
    GHashTable *lanes; /* char* server, lower case, "" for anywhere -> Lane* */
    gint64 not_before_us;
};

/* Over all of them: a reload makes new ones. */
G_LOCK_DEFINE_STATIC(last);
static gint64 last_us = -SEED_APART_US;

static void lane_free(Lane *lane)
{
    g_clear_pointer(&lane->session, imap_session_close);
    g_mutex_clear(&lane->lock);
    g_free(lane);
}

static gint64 read_last(void)
{
    gint64 us;

    G_LOCK(last);
    us = last_us;
    G_UNLOCK(last);
    return us;
}

static void note_last(gint64 us)
{
    G_LOCK(last);
    last_us = us;
    G_UNLOCK(last);
}

Creator *creator_new(const ImapSettings *settings, Stop *stop, gint64 last_unix_us)
{
    Creator *creator = g_new0(Creator, 1);
    gint64 ago_us = MAX(g_get_real_time() - last_unix_us, 0);

    creator->settings = settings;
    creator->stop = stop;
    creator->lanes = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, (GDestroyNotify)lane_free);
    creator->not_before_us = MAX(g_get_monotonic_time() - ago_us, read_last()) + SEED_APART_US;
    g_mutex_init(&creator->lock);
    return creator;
}

void creator_free(Creator *creator)
{
    if (creator == NULL)
        return;
    g_hash_table_unref(creator->lanes);
    g_mutex_clear(&creator->lock);
    g_free(creator);
}

static Lane *find_lane(Creator *creator, const char *server)
{
    g_autoptr(GMutexLocker) locker G_GNUC_UNUSED = g_mutex_locker_new(&creator->lock);
    g_autofree char *key = g_ascii_strdown(server != NULL ? server : "", -1);
    Lane *lane = g_hash_table_lookup(creator->lanes, key);

    if (lane != NULL)
        return lane;
    lane = g_new0(Lane, 1);
    g_mutex_init(&lane->lock);
    lane->anywhere = server == NULL;
    lane->seeded_us = -SEED_APART_US;
    g_hash_table_insert(creator->lanes, g_steal_pointer(&key), lane);
    return lane;
}

/* When a lane may begin; G_MAXINT64: another one just does. Under the creator's lock. */
static gint64 find_turn(Creator *creator, const Lane *lane)
{
    gint64 turn_us = creator->not_before_us;
    GHashTableIter iter;
    gpointer other;

    g_hash_table_iter_init(&iter, creator->lanes);
    while (g_hash_table_iter_next(&iter, NULL, &other)) {
        const Lane *one = other;

        if (one != lane && !one->anywhere && !lane->anywhere)
            continue;
        if (one->seeding)
            return G_MAXINT64;
        turn_us = MAX(turn_us, one->seeded_us + SEED_APART_US);
    }
    return turn_us;
}

static bool take_turn(Creator *creator, Lane *lane, gint64 *turn_us)
{
    g_autoptr(GMutexLocker) locker G_GNUC_UNUSED = g_mutex_locker_new(&creator->lock);

    *turn_us = find_turn(creator, lane);
    lane->seeding = *turn_us <= g_get_monotonic_time();
    return lane->seeding;
}

static bool wait_for_turn(Creator *creator, Lane *lane, GError **error)
{
    gint64 turn_us;

    while (!take_turn(creator, lane, &turn_us)) {
        gint64 until_us = MIN(turn_us, g_get_monotonic_time() + LOOK_US);

        if (wait_for(creator->stop, -1, 0, until_us, false) != WAIT_STOPPED)
            continue;
        g_set_error(error, FAULT, FAULT_RETRY, "%s: stopped before a mailbox was made", creator->settings->uri);
        return false;
    }
    return true;
}

static void end_turn(Creator *creator, Lane *lane)
{
    g_autoptr(GMutexLocker) locker G_GNUC_UNUSED = g_mutex_locker_new(&creator->lock);

    lane->seeding = false;
    lane->seeded_us = g_get_monotonic_time();
    note_last(lane->seeded_us);
}

bool creator_begin(Creator *creator, const char *server, GError **error)
{
    Lane *lane = find_lane(creator, server);

    g_mutex_lock(&lane->lock);
    if (wait_for_turn(creator, lane, error))
        return true;
    g_mutex_unlock(&lane->lock);
    return false;
}

void creator_end(Creator *creator, const char *server)
{
    Lane *lane = find_lane(creator, server);

    end_turn(creator, lane);
    g_mutex_unlock(&lane->lock);
}

static bool open_session(Creator *creator, Lane *lane, GError **error)
{
    if (lane->session != NULL && imap_session_alive(lane->session))
        return true;
    g_clear_pointer(&lane->session, imap_session_close);
    lane->seeded = false;
    lane->session = imap_session_open(creator->settings, NULL, creator->stop, error);
    return lane->session != NULL;
}

static bool run_in(Lane *lane, GPtrArray *commands, GError **error)
{
    if (imap_session_run(lane->session, commands, error))
        return true;
    g_clear_pointer(&lane->session, imap_session_close);
    return false;
}

static bool took_effect(const GPtrArray *commands)
{
    for (guint i = 0; i < commands->len; i++)
        if (((const ImapCommand *)g_ptr_array_index(commands, i))->status == IMAP_OK)
            return true;
    return false;
}

bool creator_run(Creator *creator, const char *server, bool chooses, GPtrArray *commands, GError **error)
{
    Lane *lane = find_lane(creator, server);
    g_autoptr(GMutexLocker) locker G_GNUC_UNUSED = g_mutex_locker_new(&lane->lock);
    bool ran;

    if (!open_session(creator, lane, error))
        return false;
    if (lane->seeded || !chooses)
        return run_in(lane, commands, error);
    if (!wait_for_turn(creator, lane, error))
        return false;
    ran = run_in(lane, commands, error);
    end_turn(creator, lane);
    lane->seeded = ran && took_effect(commands);
    return ran;
}
