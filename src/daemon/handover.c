#include "daemon/handover.h"

#include "daemon/log.h"
#include "daemon/summary.h"
#include "daemon/tally.h"
#include "daemon/wire.h"

#include <sys/eventfd.h>
#include <unistd.h>

/* Each costs a sweep: somebody's loop must not fill the memory. */
enum { HANDOVERS_MAX = 64 };
/* A process that does not listen is told the first ones only. */
enum { NEWS_MAX_BYTES = 1024 * 1024 };
struct Handovers {
    State *state;
    GMutex lock;
    GCond added;
    GPtrArray *list; /* of Handover*; under lock */
    gint count;      /* atomic: of them */
    int news_fd;
};

struct Handover {
    Handovers *all;
    gint references; /* atomic */
    int pid;
    Asked asked;       /* immutable; the rest is under all->lock */
    Tally *tally;
    GHashTable *domains; /* set of char*: those that were swept */
    bool incomplete;
    bool swept;
    bool ending; /* it was through when the reaper's turn began */
    bool over;
    bool left;     /* nobody listens */
    GString *news; /* lines, whole ones */
    guint untold;  /* failures for which there was no room */
};

Handovers *handovers_new(State *state)
{
    Handovers *handovers = g_new0(Handovers, 1);

    handovers->state = state;
    handovers->list = g_ptr_array_new_with_free_func((GDestroyNotify)handover_unref);
    handovers->news_fd = wait_event_new();
    g_mutex_init(&handovers->lock);
    g_cond_init(&handovers->added);
    return handovers;
}

void handovers_free(Handovers *handovers)
{
    if (handovers == NULL)
        return;
    g_ptr_array_unref(handovers->list);
    close(handovers->news_fd);
    g_mutex_clear(&handovers->lock);
    g_cond_clear(&handovers->added);
    g_free(handovers);
}

static Handover *handover_ref(Handover *handover)
{
    g_atomic_int_inc(&handover->references);
    return handover;
}

void handover_unref(Handover *handover)
{
    if (!g_atomic_int_dec_and_test(&handover->references))
        return;
    tally_free(handover->tally);
    g_hash_table_unref(handover->domains);
    g_string_free(handover->news, TRUE);
    g_free(handover->asked.domain);
    g_free(handover->asked.entry);
    g_free(handover);
}

/* --- what is told: under lock */

static void send_line(Handover *handover, const WireLine *line)
{
    g_autofree char *text = wire_line_format(line);

    if (handover->left)
        return;
    g_string_append(handover->news, text);
    eventfd_write(handover->all->news_fd, 1);
}

static void tell(Handover *handover, const char *level, const char *domain, const char *entry, const char *message)
{
    g_autoptr(WireLine) line = wire_line_new("log");

    wire_line_add(line, "level", level);
    wire_line_add(line, "domain", domain);
    wire_line_add(line, "entry", entry);
    wire_line_add(line, "message", message);
    send_line(handover, line);
}

static void tell_failure(gpointer data, const char *domain, const char *entry, const char *message)
{
    Handover *handover = data;

    if (handover->news->len < NEWS_MAX_BYTES)
        tell(handover, "warning", domain, entry, message);
    else
        handover->untold++;
}

static void end(Handover *handover, int status)
{
    Handovers *all = handover->all;
    g_autofree char *text = g_strdup_printf("%d", status);
    g_autoptr(WireLine) line = wire_line_new("done");

    wire_line_add(line, "status", text);
    send_line(handover, line);
    handover->over = true;
    g_atomic_int_add(&all->count, -1);
    g_ptr_array_remove(all->list, handover);
}

/* The last reference may go with it. */
static void fail(Handover *handover, const char *message)
{
    log_entry(G_LOG_LEVEL_INFO, NULL, NULL, "handed over by process %d: %s", handover->pid, message);
    tell(handover, "error", NULL, NULL, message);
    end(handover, EXIT_ERROR);
}

/* --- the process that asks */

Handover *handovers_add(Handovers *handovers, const Asked *asked, int pid, GError **error)
{
    g_autoptr(GMutexLocker) locker G_GNUC_UNUSED = g_mutex_locker_new(&handovers->lock);
    Handover *handover;

    if (handovers->list->len >= HANDOVERS_MAX) {
        g_set_error(error, FAULT, FAULT_RETRY, "%u other --sync are under way already; try again later", handovers->list->len);
        return NULL;
    }
    handover = g_new0(Handover, 1);
    handover->all = handovers;
    handover->references = 2;
    handover->pid = pid;
    handover->asked = (Asked){.domain = g_strdup(asked->domain), .entry = g_strdup(asked->entry), .resync = asked->resync};
    handover->tally = tally_new(handovers->state, tell_failure, handover);
    handover->domains = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
    handover->news = g_string_new(NULL);
    g_ptr_array_add(handovers->list, handover);
    g_atomic_int_inc(&handovers->count);
    g_cond_signal(&handovers->added);
    return handover;
}

int handovers_news_fd(Handovers *handovers)
{
    return handovers->news_fd;
}

void handovers_clear_news(Handovers *handovers)
{
    eventfd_t count;

    eventfd_read(handovers->news_fd, &count);
}

bool handover_take_news(Handover *handover, GString *text)
{
    g_autoptr(GMutexLocker) locker G_GNUC_UNUSED = g_mutex_locker_new(&handover->all->lock);

    g_string_append_len(text, handover->news->str, (gssize)handover->news->len);
    g_string_truncate(handover->news, 0);
    return handover->over;
}

void handover_leave(Handover *handover)
{
    g_mutex_lock(&handover->all->lock);
    handover->left = true;
    g_mutex_unlock(&handover->all->lock);
    handover_unref(handover);
}

/* --- the thread that makes the sweeps */

static Handover *find_next(const Handovers *handovers)
{
    for (guint i = 0; i < handovers->list->len; i++) {
        Handover *handover = g_ptr_array_index(handovers->list, i);

        if (!handover->swept)
            return handover_ref(handover);
    }
    return NULL;
}

Handover *handovers_next(Handovers *handovers, Stop *stop)
{
    g_autoptr(GMutexLocker) locker G_GNUC_UNUSED = g_mutex_locker_new(&handovers->lock);
    Handover *next = NULL;

    while (!stop_asked(stop) && (next = find_next(handovers)) == NULL)
        g_cond_wait(&handovers->added, &handovers->lock);
    return next;
}

void handovers_wake(Handovers *handovers)
{
    g_mutex_lock(&handovers->lock);
    g_cond_broadcast(&handovers->added);
    g_mutex_unlock(&handovers->lock);
}

const Asked *handover_asked(const Handover *handover)
{
    return &handover->asked;
}

bool handover_is_over(Handover *handover)
{
    g_autoptr(GMutexLocker) locker G_GNUC_UNUSED = g_mutex_locker_new(&handover->all->lock);

    return handover->over;
}

void handover_expect(Handover *handover, const char *domain, const char *unique_id, bool found)
{
    g_autoptr(GMutexLocker) locker G_GNUC_UNUSED = g_mutex_locker_new(&handover->all->lock);

    tally_expect(handover->tally, domain, unique_id, found);
}

void handover_note_domain(Handover *handover, const char *domain)
{
    g_autoptr(GMutexLocker) locker G_GNUC_UNUSED = g_mutex_locker_new(&handover->all->lock);

    g_hash_table_add(handover->domains, g_strdup(domain));
}

void handover_miss(Handover *handover, const char *domain, const char *message)
{
    g_autoptr(GMutexLocker) locker G_GNUC_UNUSED = g_mutex_locker_new(&handover->all->lock);

    if (handover->over)
        return;
    handover->incomplete = true;
    tell(handover, "error", domain, NULL, message);
}

/* The reaper is asked for the end of what is through. */
static void check_through(Handover *handover)
{
    if (tally_is_through(handover->tally))
        departure_wake(handover->all->state);
}

bool handover_set_swept(Handover *handover, GError **error)
{
    g_autoptr(GMutexLocker) locker G_GNUC_UNUSED = g_mutex_locker_new(&handover->all->lock);

    handover->swept = true;
    if (handover->over)
        return true;
    if (!tally_settle(handover->tally, error))
        return false;
    check_through(handover);
    return true;
}

void handover_fail(Handover *handover, const char *message)
{
    g_autoptr(GMutexLocker) locker G_GNUC_UNUSED = g_mutex_locker_new(&handover->all->lock);

    if (!handover->over)
        fail(handover, message);
}

/* --- the other threads */

static bool is_idle(Handovers *handovers)
{
    return handovers == NULL || g_atomic_int_get(&handovers->count) == 0;
}

void handovers_note_step(Handovers *handovers, const Change *change)
{
    g_autoptr(GMutexLocker) locker = NULL;

    if (is_idle(handovers))
        return;
    locker = g_mutex_locker_new(&handovers->lock);
    for (guint i = 0; i < handovers->list->len; i++)
        tally_note_step(((Handover *)g_ptr_array_index(handovers->list, i))->tally, change);
}

bool handovers_note_end(Handovers *handovers, const Change *change, const GError *fault, const char *message, bool out,
                        GError **error)
{
    g_autoptr(GMutexLocker) locker = NULL;

    if (is_idle(handovers))
        return true;
    locker = g_mutex_locker_new(&handovers->lock);
    for (guint i = 0; i < handovers->list->len; i++) {
        Handover *handover = g_ptr_array_index(handovers->list, i);

        if (!tally_note_end(handover->tally, change, fault, message, out, error))
            return false;
        check_through(handover);
    }
    return true;
}

bool handovers_look_again(Handovers *handovers, GError **error)
{
    g_autoptr(GMutexLocker) locker = NULL;

    if (is_idle(handovers))
        return true;
    locker = g_mutex_locker_new(&handovers->lock);
    for (guint i = 0; i < handovers->list->len; i++) {
        Handover *handover = g_ptr_array_index(handovers->list, i);

        if (handover->swept && !tally_settle(handover->tally, error))
            return false;
        check_through(handover);
    }
    return true;
}

void handovers_give_up(Handovers *handovers, bool sweeps, const char *message)
{
    g_autoptr(GMutexLocker) locker = NULL;
    g_autofree char *told = NULL;

    if (is_idle(handovers))
        return;
    locker = g_mutex_locker_new(&handovers->lock);
    told = g_strconcat(message, "; what is queued waits in the running kolabd", NULL);
    for (guint i = handovers->list->len; i-- > 0;) {
        Handover *handover = g_ptr_array_index(handovers->list, i);

        if ((sweeps && !handover->swept) || tally_has_open(handover->tally))
            fail(handover, told);
    }
}

void handovers_begin_end(Handovers *handovers)
{
    g_autoptr(GMutexLocker) locker = NULL;

    if (is_idle(handovers))
        return;
    locker = g_mutex_locker_new(&handovers->lock);
    for (guint i = 0; i < handovers->list->len; i++) {
        Handover *handover = g_ptr_array_index(handovers->list, i);

        handover->ending = tally_is_through(handover->tally);
    }
}

/* The daemon carries out in its own time what is approved. */
static bool find_unsettled(const Handover *handover, Unsettled *unsettled, GError **error)
{
    Unsettled found = {0};
    GHashTableIter iter;
    gpointer domain;

    g_hash_table_iter_init(&iter, handover->domains);
    while (g_hash_table_iter_next(&iter, &domain, NULL))
        if (!state_add_unsettled(handover->all->state, domain, &found, error))
            return false;
    *unsettled = (Unsettled){.changes = found.changes};
    return true;
}

/* That some wait for another entry is in the summary of the departures. */
static Summary summarize(Handover *handover, const Unsettled *unsettled, const DepartureSummary *departures)
{
    TallyCounts counts;

    tally_close(handover->tally);
    counts = tally_counts(handover->tally);
    return (Summary){.done = counts.done, .changed = counts.changed, .failed = counts.failed, .incomplete = handover->incomplete,
                     .unsettled = *unsettled, .departures = *departures};
}

static void tell_sum(Handover *handover, const char *text)
{
    if (text != NULL)
        tell(handover, "message", NULL, NULL, text);
}

static void tell_summary(Handover *handover, const Summary *summary)
{
    g_autofree char *text = summary_describe(summary);
    g_autofree char *unsettled = summary_describe_unsettled(summary);
    g_autofree char *departed = summary_describe_departures(summary);
    g_autofree char *more = g_strdup_printf("%u more failed (kolabctl problems)", handover->untold);

    if (handover->untold > 0)
        tell(handover, "warning", NULL, NULL, more);
    tell_sum(handover, text);
    tell_sum(handover, unsettled);
    tell_sum(handover, departed);
    log_entry(G_LOG_LEVEL_INFO, NULL, NULL, "handed over by process %d: %s", handover->pid, text);
}

static void end_through(Handover *handover, const DepartureSummary *departures)
{
    g_autoptr(GError) fault = NULL;
    Unsettled unsettled;
    Summary summary;

    if (!find_unsettled(handover, &unsettled, &fault)) {
        fail(handover, fault->message);
        return;
    }
    summary = summarize(handover, &unsettled, departures);
    tell_summary(handover, &summary);
    end(handover, summary_status(&summary));
}

void handovers_end(Handovers *handovers, const DepartureSummary *departures)
{
    g_autoptr(GMutexLocker) locker = NULL;

    if (is_idle(handovers))
        return;
    locker = g_mutex_locker_new(&handovers->lock);
    for (guint i = handovers->list->len; i-- > 0;) {
        Handover *handover = g_ptr_array_index(handovers->list, i);

        if (handover->ending)
            end_through(handover, departures);
    }
}
