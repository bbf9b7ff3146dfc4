#include "imap/creator.h"

#include "model/fault.h"

#include <poll.h>
#include <sys/eventfd.h>
#include <unistd.h>

/* More than a second, since what counts are the seconds of another machine's clock. */
#define SEED_APART_US (1100 * (gint64)1000)

/* What a worker wants done; on its stack, under the lane's lock. */
typedef struct {
    GPtrArray *commands;
    bool chooses;
    bool done;
    GError *fault; /* NULL: all are answered */
} Job;

/* A session, and the processes behind it that make mailboxes. Who leads it sends what the others want done, too, and reads the
 * answers, until its own are there; then another one goes on. */
typedef struct {
    GMutex lock;
    GCond changed;
    bool led;              /* somebody has the session: that one alone touches it, without the lock */
    GQueue waiting;        /* of Job*: not yet sent */
    GQueue sent;           /* of Job* */
    int wake_fd;           /* tells who leads that something waits, or that another lane's turn ended */
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
    close(lane->wake_fd);
    g_cond_clear(&lane->changed);
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

static Lane *lane_new(bool anywhere)
{
    Lane *lane = g_new0(Lane, 1);

    lane->wake_fd = wait_event_new();
    lane->anywhere = anywhere;
    lane->seeded_us = -SEED_APART_US;
    g_mutex_init(&lane->lock);
    g_cond_init(&lane->changed);
    return lane;
}

static Lane *find_lane(Creator *creator, const char *server)
{
    g_autoptr(GMutexLocker) locker G_GNUC_UNUSED = g_mutex_locker_new(&creator->lock);
    g_autofree char *key = g_ascii_strdown(server != NULL ? server : "", -1);
    Lane *lane = g_hash_table_lookup(creator->lanes, key);

    if (lane != NULL)
        return lane;
    lane = lane_new(server == NULL);
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
    eventfd_t count;
    gint64 turn_us;

    while (!take_turn(creator, lane, &turn_us)) {
        if (wait_for(creator->stop, lane->wake_fd, POLLIN, turn_us, false) == WAIT_STOPPED) {
            g_set_error(error, FAULT, FAULT_RETRY, "%s: stopped before a mailbox was made", creator->settings->uri);
            return false;
        }
        eventfd_read(lane->wake_fd, &count);
    }
    return true;
}

/* Who waits for its turn learns when that is. */
static void end_turn(Creator *creator, Lane *lane)
{
    g_autoptr(GMutexLocker) locker G_GNUC_UNUSED = g_mutex_locker_new(&creator->lock);
    GHashTableIter iter;
    gpointer other;

    lane->seeding = false;
    lane->seeded_us = g_get_monotonic_time();
    note_last(lane->seeded_us);
    g_hash_table_iter_init(&iter, creator->lanes);
    while (g_hash_table_iter_next(&iter, NULL, &other))
        eventfd_write(((const Lane *)other)->wake_fd, 1);
}

/* Under the lane's lock; until it is the caller's. */
static void take_lead(Lane *lane)
{
    while (lane->led)
        g_cond_wait(&lane->changed, &lane->lock);
    lane->led = true;
}

static void give_lead(Lane *lane)
{
    lane->led = false;
    g_cond_broadcast(&lane->changed);
}

bool creator_begin(Creator *creator, const char *server, GError **error)
{
    Lane *lane = find_lane(creator, server);

    g_mutex_lock(&lane->lock);
    take_lead(lane);
    g_mutex_unlock(&lane->lock);
    if (wait_for_turn(creator, lane, error))
        return true;
    g_mutex_lock(&lane->lock);
    give_lead(lane);
    g_mutex_unlock(&lane->lock);
    return false;
}

void creator_end(Creator *creator, const char *server)
{
    Lane *lane = find_lane(creator, server);

    end_turn(creator, lane);
    g_mutex_lock(&lane->lock);
    give_lead(lane);
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

static bool took_effect(const GPtrArray *commands)
{
    for (guint i = 0; i < commands->len; i++)
        if (((const ImapCommand *)g_ptr_array_index(commands, i))->status == IMAP_OK)
            return true;
    return false;
}

/* The first command that has no answer; NULL: all have one. They come in order. */
static const ImapCommand *find_unanswered(const Job *job)
{
    for (guint i = 0; i < job->commands->len; i++)
        if (((const ImapCommand *)g_ptr_array_index(job->commands, i))->status == IMAP_NONE)
            return g_ptr_array_index(job->commands, i);
    return NULL;
}

/* `first`: the fault tells of one of its commands. */
static void fail_job(const Creator *creator, Job *job, bool first, const GError *fault)
{
    const ImapCommand *command = find_unanswered(job);
    g_autofree char *shown = command != NULL ? imap_command_show(command) : NULL;

    job->done = true;
    if (first)
        job->fault = g_error_copy(fault);
    else if (shown != NULL)
        job->fault = g_error_new(FAULT, fault->code, "%s: the connection was lost before the answer to %s", creator->settings->uri, shown);
}

/* Whatever is sent, and with `all` what waits, too. */
static void fail_jobs(const Creator *creator, Lane *lane, bool all, const GError *fault)
{
    bool first = true;
    Job *job;

    for (; (job = g_queue_pop_head(&lane->sent)) != NULL; first = false)
        fail_job(creator, job, first, fault);
    while (all && (job = g_queue_pop_head(&lane->waiting)) != NULL)
        fail_job(creator, job, true, fault);
    g_cond_broadcast(&lane->changed);
}

static void send_waiting(Lane *lane)
{
    Job *job;

    while ((job = g_queue_pop_head(&lane->waiting)) != NULL) {
        for (guint i = 0; i < job->commands->len; i++)
            imap_session_add(lane->session, g_ptr_array_index(job->commands, i));
        g_queue_push_tail(&lane->sent, job);
    }
}

static void finish_answered(Lane *lane)
{
    Job *job;

    while ((job = g_queue_peek_head(&lane->sent)) != NULL && find_unanswered(job) == NULL) {
        lane->seeded = lane->seeded || (job->chooses && took_effect(job->commands));
        job->done = true;
        g_queue_pop_head(&lane->sent);
        g_cond_broadcast(&lane->changed);
    }
}

static bool wants_seed(const Lane *lane)
{
    for (const GList *link = lane->waiting.head; !lane->seeded && link != NULL; link = link->next)
        if (((const Job *)link->data)->chooses)
            return true;
    return false;
}

/* Everything below is called and returns under the lane's lock, by who leads, and lets it go while something is waited for. */

static bool prepare(Creator *creator, Lane *lane, bool *seeding, GError **error)
{
    bool prepared = true;

    *seeding = false;
    if (!g_queue_is_empty(&lane->sent))
        return true;
    g_mutex_unlock(&lane->lock);
    prepared = open_session(creator, lane, error);
    g_mutex_lock(&lane->lock);
    if (!prepared || !wants_seed(lane))
        return prepared;
    g_mutex_unlock(&lane->lock);
    *seeding = prepared = wait_for_turn(creator, lane, error);
    g_mutex_lock(&lane->lock);
    return prepared;
}

static bool advance(Lane *lane, GError **error)
{
    eventfd_t count;
    bool advanced;

    eventfd_read(lane->wake_fd, &count);
    g_mutex_unlock(&lane->lock);
    advanced = imap_session_advance(lane->session, lane->wake_fd, error);
    g_mutex_lock(&lane->lock);
    finish_answered(lane);
    if (!advanced)
        g_clear_pointer(&lane->session, imap_session_close);
    return advanced;
}

/* What chooses the first place goes alone: no other session may do so before that is known to be over. */
static bool go_on(Creator *creator, Lane *lane, bool seeding, GError **error)
{
    bool advanced;

    if (seeding || !wants_seed(lane))
        send_waiting(lane);
    do
        advanced = advance(lane, error);
    while (seeding && advanced && !g_queue_is_empty(&lane->sent));
    if (seeding)
        end_turn(creator, lane);
    return advanced;
}

static void lead(Creator *creator, Lane *lane, const Job *own)
{
    while (!own->done) {
        g_autoptr(GError) fault = NULL;
        bool seeding;

        if (!prepare(creator, lane, &seeding, &fault))
            fail_jobs(creator, lane, true, fault);
        else if (!go_on(creator, lane, seeding, &fault))
            fail_jobs(creator, lane, false, fault);
    }
}

bool creator_run(Creator *creator, const char *server, bool chooses, GPtrArray *commands, GError **error)
{
    Lane *lane = find_lane(creator, server);
    Job job = {.commands = commands, .chooses = chooses};

    for (guint i = 0; i < commands->len; i++)
        imap_command_reset(g_ptr_array_index(commands, i));
    g_mutex_lock(&lane->lock);
    g_queue_push_tail(&lane->waiting, &job);
    if (lane->led)
        eventfd_write(lane->wake_fd, 1);
    while (lane->led && !job.done)
        g_cond_wait(&lane->changed, &lane->lock);
    if (!job.done) {
        lane->led = true;
        lead(creator, lane, &job);
        give_lead(lane);
    }
    g_mutex_unlock(&lane->lock);
    if (job.fault != NULL)
        g_propagate_error(error, job.fault);
    return job.fault == NULL;
}
