#include "daemon/reaper.h"

#include "daemon/log.h"
#include "imap/cleanup.h"
#include "model/fault.h"
#include "policy/limit.h"
#include "state/cleanup.h"
#include "state/queue.h"

#include <string.h>

/* How soon is looked again while workers are busy with what a decision needs. */
#define LOOK_US (2 * (gint64)G_USEC_PER_SEC)
#define IDLE_US (60 * (gint64)G_USEC_PER_SEC)
/* A clean-up walks all mailboxes: it waits for a quiet moment and for departures that are due soon, but not for ever. */
#define CLEANUP_GATHER_US (30 * (gint64)G_USEC_PER_SEC)
#define CLEANUP_LATEST_US (300 * (gint64)G_USEC_PER_SEC)
#define CLEANUP_PAUSE_LONGEST_US (60 * (gint64)G_USEC_PER_SEC)
/* A turn looks at whole tables, and departures come in thousands: it rests for this many times as long as it took. */
enum { REST = 10 };

/* Clean-ups that failed in a row, and when the next one is due. */
typedef struct {
    guint attempts;
    gint64 not_before_us;
} Cleanups;

static void log_hold(const DomainSettings *domain, const DepartureCounts *counts)
{
    log_entry(G_LOG_LEVEL_WARNING, domain->name, NULL,
              "domain %s: %u entries have left the directory (and %u were deleted within the last hour), of %u; the limit is %u "
              "(deletion.limit, deletion.limit_percent). Nothing of them is deleted before an operator approves: "
              "\"kolabctl departures\" lists them, \"kolabctl approve %s\" lets them go", domain->name,
              counts->waiting + counts->held, counts->recent, counts->entries,
              limit_of_deletions(domain, counts->entries), domain->name);
}

/* With deletion.mode: keep what waits since before that becomes what it would be now. Counts again then. */
static bool keep(Shared *shared, const DomainSettings *domain, DepartureCounts *counts, GError **error)
{
    g_autoptr(GPtrArray) kept = NULL;

    if (domain->deletion_mode != DELETION_KEEP || counts->waiting == 0)
        return true;
    if (!departure_keep(shared->state, domain->name, &kept, error))
        return false;
    for (guint i = 0; i < kept->len; i++) {
        const Record *record = g_ptr_array_index(kept, i);

        log_entry(G_LOG_LEVEL_MESSAGE, domain->name, record->dn, "left the directory; mailbox %s is kept", record->mailbox);
    }
    return departure_count(shared->state, domain->name, counts, error);
}

static bool decide(Shared *shared, const DomainSettings *domain, GError **error)
{
    State *state = shared->state;
    DepartureCounts counts;
    guint released;

    if (!departure_count(state, domain->name, &counts, error))
        return false;
    if (counts.stranded > 0 && !departure_requeue(state, domain->name, error))
        return false;
    if (!keep(shared, domain, &counts, error))
        return false;
    if (counts.waiting == 0)
        return true;
    switch (limit_judge(domain, counts.entries, counts.waiting, counts.held, counts.recent, counts.unsettled)) {
    case LIMIT_RELEASE:
        return departure_release(state, domain->name, shared->options->sync, counts.waiting, &released, error);
    case LIMIT_WAIT:
        return true;
    case LIMIT_HOLD:
        if (counts.held == 0)
            log_hold(domain, &counts);
        return departure_hold(state, domain->name, error);
    }
    g_assert_not_reached();
}

static bool decide_all(Shared *shared, GError **error)
{
    const Asked *asked = &shared->options->asked;
    g_autoptr(GPtrArray) domains = domains_list(shared->domains);

    for (guint i = 0; i < domains->len; i++) {
        const Domain *domain = g_ptr_array_index(domains, i);

        if (domain->status == DOMAIN_SERVED && asked_has_domain(asked, domain)
            && !decide(shared, domain->settings, error))
            return false;
    }
    return true;
}

static JournalRow *make_row(const Removal *removal)
{
    JournalRow *row = journal_row_new("remove rights");

    row->target = g_strdup(removal->listed);
    row->mailbox = g_strdup(removal->mailbox);
    row->before = g_strdup(removal->rights);
    row->outcome = g_strdup(removal->refusal != NULL ? removal->refusal : "ok");
    return row;
}

/* Journal rows by leftover: an array of arrays. */
static GPtrArray *make_journals(GPtrArray *leftovers, GPtrArray *removals)
{
    GPtrArray *journals = g_ptr_array_new_with_free_func((GDestroyNotify)g_ptr_array_unref);

    for (guint i = 0; i < leftovers->len; i++) {
        const Leftover *leftover = g_ptr_array_index(leftovers, i);
        GPtrArray *rows = g_ptr_array_new_with_free_func((GDestroyNotify)journal_row_free);

        for (guint r = 0; r < removals->len; r++) {
            const Removal *removal = g_ptr_array_index(removals, r);

            if (strcmp(removal->identifier, leftover->identifier) == 0)
                g_ptr_array_add(rows, make_row(removal));
        }
        g_ptr_array_add(journals, rows);
    }
    return journals;
}

/* On a connection of its own, which is not kept: passes are rare. */
static bool pass(Shared *shared, const ImapSettings *server, GPtrArray *leftovers, GPtrArray *removals, GError **error)
{
    g_autoptr(Mailstore) mailstore = mailstore_new(server, NULL, NULL, shared->stop);
    g_autoptr(GHashTable) identifiers = g_hash_table_new(g_str_hash, g_str_equal);
    CleanupResult result;

    if (shared->options->dry_run)
        return true;
    for (guint i = 0; i < leftovers->len; i++)
        g_hash_table_add(identifiers, ((Leftover *)g_ptr_array_index(leftovers, i))->identifier);
    if (!mailstore_clean_up(mailstore, identifiers, removals, &result, error))
        return false;
    g_atomic_int_add(&shared->progress.failed, (gint)result.refused);
    log_entry(result.refused > 0 ? G_LOG_LEVEL_WARNING : G_LOG_LEVEL_INFO, NULL, NULL,
              "access rights of departed entries: %u names looked for in the lists of %u mailboxes, %u removed, %u refused by "
              "the server", leftovers->len, result.mailboxes, result.removed, result.refused);
    return true;
}

/* One that fails keeps the others from nothing. */
static bool pass_all(Shared *shared, GPtrArray *leftovers, GPtrArray *removals, GError **error)
{
    const GPtrArray *servers = shared->config->imap_servers;
    bool complete = true;

    for (guint i = 0; i < servers->len; i++)
        complete = pass(shared, g_ptr_array_index(servers, i), leftovers, removals, complete ? error : NULL) && complete;
    return complete;
}

/* Says what failed of the pass and the state; the pass may be tried again. */
static bool clean_up(Shared *shared, GPtrArray *leftovers, GError **problem, GError **error)
{
    g_autoptr(GPtrArray) removals = g_ptr_array_new_with_free_func((GDestroyNotify)removal_free);
    bool complete = pass_all(shared, leftovers, removals, problem);
    g_autoptr(GPtrArray) journals = make_journals(leftovers, removals);

    return cleanup_finish(shared->state, leftovers, journals, complete, error);
}

/* No worker has anything to do, and no departure that is due soon would make another pass necessary. */
static bool is_quiet(Shared *shared, const DepartureSummary *summary, bool *quiet, GError **error)
{
    QueueCounts counts;

    if (!queue_count(shared->state, &counts, error))
        return false;
    *quiet = counts.due == 0 && counts.leased == 0 && summary->approved == 0
          && (summary->blocked > 0 || summary->next_due_us > g_get_monotonic_time() + CLEANUP_GATHER_US);
    return true;
}

/* While a backend of a murder is down a pass goes through all lists in vain: it rests as a turn does. */
static gint64 clean_up_again_after(guint attempts, gint64 took_us)
{
    return MAX(MIN(wait_backoff_us(attempts), CLEANUP_PAUSE_LONGEST_US), REST * took_us);
}

/* *next_us: when to look again. */
static bool clean_up_in_time(Shared *shared, const DepartureSummary *summary, Cleanups *cleanups, gint64 *next_us, GError **error)
{
    g_autoptr(GPtrArray) leftovers = NULL;
    g_autoptr(GError) problem = NULL;
    gint64 age_us, began_us;
    bool quiet;

    if (!cleanup_list(shared->state, &leftovers, &age_us, error))
        return false;
    if (leftovers->len == 0)
        return true;
    if (!is_quiet(shared, summary, &quiet, error))
        return false;
    if (!quiet && age_us < CLEANUP_LATEST_US) {
        *next_us = MIN(*next_us, g_get_monotonic_time() + LOOK_US);
        return true;
    }
    if (g_get_monotonic_time() < cleanups->not_before_us) {
        *next_us = MIN(*next_us, cleanups->not_before_us);
        return true;
    }
    began_us = g_get_monotonic_time();
    if (!clean_up(shared, leftovers, &problem, error))
        return false;
    cleanups->attempts = problem != NULL ? cleanups->attempts + 1 : 0;
    if (problem != NULL && !stop_asked(shared->stop)) {
        if (cleanups->attempts == 1)
            log_entry(G_LOG_LEVEL_WARNING, NULL, NULL, "access rights of departed entries: %s; trying again", problem->message);
        cleanups->not_before_us = g_get_monotonic_time() + clean_up_again_after(cleanups->attempts, g_get_monotonic_time() - began_us);
        *next_us = MIN(*next_us, cleanups->not_before_us);
    }
    return true;
}

/* One turn; *next_us says when the next one is due at the latest. */
static bool turn(Shared *shared, Cleanups *cleanups, gint64 *next_us, GError **error)
{
    DepartureSummary summary;

    handovers_begin_end(shared->handovers);
    if (!decide_all(shared, error) || !departure_summarize(shared->state, &summary, error))
        return false;
    handovers_end(shared->handovers, &summary);
    *next_us = MIN(summary.next_due_us, g_get_monotonic_time() + IDLE_US);
    /* Due, but not decided: the set is not complete. */
    if (*next_us <= g_get_monotonic_time())
        *next_us = g_get_monotonic_time() + LOOK_US;
    return clean_up_in_time(shared, &summary, cleanups, next_us, error);
}

static void rest(Shared *shared, gint64 since_us)
{
    gint64 now_us = g_get_monotonic_time();

    wait_for(shared->stop, -1, 0, now_us + MIN(REST * (now_us - since_us), LOOK_US), true);
}

gpointer reaper_run(gpointer data)
{
    Shared *shared = data;
    Cleanups cleanups = {0};
    guint attempts = 0;
    gint64 next_us;

    while (!stop_asked(shared->stop)) {
        guint seen = departure_seen(shared->state);
        gint64 began_us = g_get_monotonic_time();
        g_autoptr(GError) fault = NULL;

        if (!turn(shared, &cleanups, &next_us, &fault)) {
            if (!shared_survive(shared, &attempts, g_steal_pointer(&fault)))
                break;
            continue;
        }
        attempts = 0;
        rest(shared, began_us);
        departure_wait(shared->state, shared->stop, seen, next_us);
    }
    return NULL;
}

static bool settle_cleanup(Shared *shared, GError **error)
{
    g_autoptr(GPtrArray) leftovers = NULL;
    g_autoptr(GError) problem = NULL;
    gint64 age_us;

    if (!cleanup_list(shared->state, &leftovers, &age_us, error))
        return false;
    if (leftovers->len == 0)
        return true;
    if (!clean_up(shared, leftovers, &problem, error))
        return false;
    if (problem != NULL) {
        log_entry(G_LOG_LEVEL_WARNING, NULL, NULL, "access rights of departed entries: %s; left to the next run",
                  problem->message);
        g_atomic_int_inc(&shared->progress.failed);
    }
    return true;
}

/* One stage of the end of a one-shot run. */
static bool settle(Shared *shared, Settled settled, GError **error)
{
    if (shared->options->asked.entry != NULL)
        return true;
    return settled == SETTLED_DELETIONS ? decide_all(shared, error) : settle_cleanup(shared, error);
}

bool reaper_settle(Shared *shared)
{
    g_autoptr(GMutexLocker) locker G_GNUC_UNUSED = g_mutex_locker_new(&shared->settle_lock);
    GError *fault = NULL;
    guint attempts = 0;

    /* Another worker may have made work while we waited for the lock. */
    if (stop_asked(shared->stop) || !shared_is_drained(shared))
        return true;
    if (shared->settled == SETTLED_ALL)
        return false;
    shared->settled++;
    while (!settle(shared, shared->settled, &fault))
        if (!shared_survive(shared, &attempts, g_steal_pointer(&fault)))
            return false;
    return true;
}
