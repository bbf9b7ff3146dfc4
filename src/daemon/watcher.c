#include "daemon/watcher.h"

#include "daemon/domain_reader.h"
#include "daemon/log.h"
#include "directory/watch.h"
#include "model/fault.h"
#include "state/queue.h"

#include <string.h>

/* A watch that lasted less long is one more failed attempt: each costs the directory a complete read. */
#define LASTED_US (60 * (gint64)G_USEC_PER_SEC)
/* Domain entries come in bursts, when somebody sets up many. */
#define SETTLE_US ((gint64)G_USEC_PER_SEC / 10)
/* The server answers a later operation while it still thinks about a refusal: what was refused before is not believed at once. */
#define REFUSAL_US ((gint64)G_USEC_PER_SEC)
/* A base that is made after its domain entry should not wait for long. */
#define RETRY_LONGEST_US (60 * (gint64)G_USEC_PER_SEC)

typedef enum {
    TARGET_IDLE,  /* to be watched from due_us on */
    TARGET_ADDED, /* asked for, not refused so far */
    TARGET_WATCHED,
} TargetPhase;

/* A base that is to be watched: of a domain, or that of the domain entries. */
typedef struct {
    DomainSettings *settings; /* NULL: the domain entries */
    TargetPhase phase;
    gint64 due_us;  /* TARGET_IDLE: not before; TARGET_ADDED: a refusal would be here by then */
    guint attempts; /* refused ones in a row */
    bool noted;     /* the state knows of `problem` */
    char *problem;  /* NULL: none */
} Target;

struct Watcher {
    Shared *shared;
    Sweeper *sweeper;
    Directory *directory; /* reads the domain entries */
    Watch *watch;         /* NULL: lost */
    bool watched;         /* there was one already */
    guint attempts;       /* lost ones, and failed ones, in a row */
    gint64 asked_us;      /* when the last one was asked for, or lost */
    GHashTable *targets;  /* char* -> Target*: by the domain's name, or the base DN of the domain entries */
    gint64 refresh_us;    /* when to read the domain entries again */
    guint refresh_attempts;
    char *refresh_problem;
    gint64 wake_us; /* when there is something else to do than to wait for notices */
};

static void target_free(Target *target)
{
    domain_settings_unref(target->settings);
    g_free(target->problem);
    g_free(target);
}

static void add_target(Watcher *watcher, const char *name, DomainSettings *settings)
{
    Target *target = g_new0(Target, 1);

    target->settings = settings;
    g_hash_table_insert(watcher->targets, g_strdup(name), target);
}

Watcher *watcher_new(Shared *shared, Sweeper *sweeper)
{
    Watcher *watcher = g_new0(Watcher, 1);

    watcher->shared = shared;
    watcher->sweeper = sweeper;
    watcher->directory = directory_new(shared->config->directory, shared->stop);
    watcher->targets = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, (GDestroyNotify)target_free);
    if (shared->config->discovery.base_dn != NULL)
        add_target(watcher, shared->config->discovery.base_dn, NULL);
    return watcher;
}

void watcher_free(Watcher *watcher)
{
    if (watcher == NULL)
        return;
    watch_close(watcher->watch);
    directory_free(watcher->directory);
    g_hash_table_unref(watcher->targets);
    g_free(watcher->refresh_problem);
    g_free(watcher);
}

static void wake_at(Watcher *watcher, gint64 at_us)
{
    watcher->wake_us = MIN(watcher->wake_us, at_us);
}

static void refresh_at(Watcher *watcher, gint64 at_us)
{
    watcher->refresh_us = MIN(watcher->refresh_us, at_us);
    wake_at(watcher, watcher->refresh_us);
}

static gint64 retry_at(guint attempts)
{
    return g_get_monotonic_time() + MIN(wait_backoff_us(attempts), RETRY_LONGEST_US);
}

/* Remembers a problem, or that there is none any more, and says so once. */
static bool note_problem(Watcher *watcher, const char *name, Target *target, const char *problem, GError **error)
{
    bool same = g_strcmp0(target->problem, problem) == 0;

    if (same && target->noted)
        return true;
    if (problem != NULL)
        log_entry(G_LOG_LEVEL_WARNING, name, NULL, "%s%s cannot be watched, trying again: %s",
                  target->settings != NULL ? "domain " : "", name, problem);
    else if (!same)
        log_entry(G_LOG_LEVEL_INFO, name, NULL, "%s%s is watched again", target->settings != NULL ? "domain " : "", name);
    if (!same) {
        g_free(target->problem);
        target->problem = g_strdup(problem);
    }
    target->noted = state_note_watch(watcher->shared->state, name, problem, error);
    return target->noted;
}

/* --- which domains */

/* A new base is another watch; other settings are a reason to compare everything. */
static void update_target(Watcher *watcher, const Domain *domain)
{
    Target *target = g_hash_table_lookup(watcher->targets, domain->name);

    if (target == NULL) {
        add_target(watcher, domain->name, domain_settings_ref(domain->settings));
        return;
    }
    if (strcmp(target->settings->base_dn, domain->settings->base_dn) != 0) {
        watch_remove(watcher->watch, domain->name);
        target->phase = TARGET_IDLE;
        target->due_us = 0;
        target->attempts = 0;
    } else if (strcmp(target->settings->digest, domain->settings->digest) != 0) {
        sweeper_request(watcher->sweeper, domain->name);
    }
    domain_settings_unref(target->settings);
    target->settings = domain_settings_ref(domain->settings);
}

static void update_targets(Watcher *watcher)
{
    g_autoptr(GPtrArray) list = domains_list(watcher->shared->domains);
    GHashTableIter iter;
    gpointer name, value;

    g_hash_table_iter_init(&iter, watcher->targets);
    while (g_hash_table_iter_next(&iter, &name, &value)) {
        const Domain *domain = domains_find(list, name);

        if (((Target *)value)->settings == NULL || (domain != NULL && domain->status == DOMAIN_SERVED))
            continue;
        watch_remove(watcher->watch, name);
        g_hash_table_iter_remove(&iter);
    }
    for (guint i = 0; i < list->len; i++) {
        const Domain *domain = g_ptr_array_index(list, i);

        if (domain->status == DOMAIN_SERVED)
            update_target(watcher, domain);
    }
}

static gint64 next_refresh(const Watcher *watcher)
{
    const Config *config = watcher->shared->config;

    return config->discovery.base_dn == NULL || config->sweep_interval_us == 0
             ? G_MAXINT64 : g_get_monotonic_time() + config->sweep_interval_us;
}

/* Reads the domains. What was known stays when that fails: an error is never "no domains". False: the state's fault. */
static bool refresh(Watcher *watcher, GError **error)
{
    g_autoptr(GError) fault = NULL;

    if (domain_reader_refresh(watcher->shared, watcher->directory, &fault)) {
        if (watcher->refresh_problem != NULL)
            log_entry(G_LOG_LEVEL_INFO, NULL, NULL, "the domains can be read again");
        g_clear_pointer(&watcher->refresh_problem, g_free);
        watcher->refresh_attempts = 0;
        watcher->refresh_us = next_refresh(watcher);
        update_targets(watcher);
        return true;
    }
    if (fault_of(fault) == FAULT_STATE) {
        g_propagate_error(error, g_steal_pointer(&fault));
        return false;
    }
    watcher->refresh_us = retry_at(++watcher->refresh_attempts);
    if (stop_asked(watcher->shared->stop) || g_strcmp0(watcher->refresh_problem, fault->message) == 0)
        return true;
    log_entry(G_LOG_LEVEL_WARNING, NULL, NULL, "%s; those known before stay, trying again", fault->message);
    g_free(watcher->refresh_problem);
    watcher->refresh_problem = g_strdup(fault->message);
    return true;
}

/* --- what is watched */

static bool add_due_targets(Watcher *watcher, GError **error)
{
    gint64 now_us = g_get_monotonic_time();
    GHashTableIter iter;
    gpointer name, value;
    bool added = false;

    g_hash_table_iter_init(&iter, watcher->targets);
    while (g_hash_table_iter_next(&iter, &name, &value)) {
        Target *target = value;
        const DomainSettings *settings = target->settings;

        if (target->phase != TARGET_WATCHED && target->due_us > now_us)
            wake_at(watcher, target->due_us);
        if (target->phase != TARGET_IDLE || target->due_us > now_us)
            continue;
        if (!watch_add(watcher->watch, name, settings != NULL ? settings->base_dn : name, settings != NULL, error))
            return false;
        target->phase = TARGET_ADDED;
        target->due_us = target->attempts > 0 ? now_us + REFUSAL_US : now_us;
        added = true;
    }
    if (added)
        watcher->wake_us = 0;
    return true;
}

/* What the server did not refuse it listens to: now what was there before is read. */
static bool confirm_targets(Watcher *watcher, GError **error)
{
    GHashTableIter iter;
    gpointer name, value;

    g_hash_table_iter_init(&iter, watcher->targets);
    while (g_hash_table_iter_next(&iter, &name, &value)) {
        Target *target = value;

        if (target->phase != TARGET_ADDED || target->due_us > g_get_monotonic_time())
            continue;
        target->phase = TARGET_WATCHED;
        target->attempts = 0;
        if (!note_problem(watcher, name, target, NULL, error))
            return false;
        log_entry(G_LOG_LEVEL_DEBUG, name, NULL, "%s: notices come from now on", (const char *)name);
        outages_end(watcher->shared->outages, watcher->shared->config->directory->uri);
        if (target->settings != NULL)
            sweeper_request(watcher->sweeper, name);
        else
            refresh_at(watcher, g_get_monotonic_time());
    }
    return true;
}

static bool take_end(Watcher *watcher, const Notice *notice, Target *target, GError **error)
{
    target->phase = TARGET_IDLE;
    target->due_us = retry_at(++target->attempts);
    wake_at(watcher, target->due_us);
    /* It may be readable all the same, and if not, that is to be seen too. */
    if (target->settings != NULL && target->attempts == 1)
        sweeper_request(watcher->sweeper, notice->name);
    return note_problem(watcher, notice->name, target, notice->fault->message, error);
}

static bool take_notice(Watcher *watcher, const Notice *notice, GError **error)
{
    Target *target = g_hash_table_lookup(watcher->targets, notice->name);

    if (notice->kind == NOTICE_ENDED)
        return take_end(watcher, notice, target, error);
    if (target->settings == NULL) {
        refresh_at(watcher, g_get_monotonic_time() + SETTLE_US);
        return true;
    }
    if (notice->kind == NOTICE_SWEEP)
        sweeper_request(watcher->sweeper, notice->name);
    return notice->unique_id == NULL
        || queue_add(watcher->shared->state, notice->name, notice->unique_id, "notice", false, error);
}

/* Notices until there is something else to do. False: the watch is lost, or a notice that could not be queued: when it is opened
 * again everything is compared. */
static bool deliver(Watcher *watcher, GError **error)
{
    for (;;) {
        g_auto(Notice) notice = {0};

        if (!watch_next(watcher->watch, watcher->wake_us, &notice, error))
            return false;
        if (notice.kind == NOTICE_NONE)
            return true;
        if (!take_notice(watcher, &notice, error))
            return false;
    }
}

/* Watches what there is to watch until the daemon stops (true), the connection is lost, or the state cannot be used. */
static bool serve(Watcher *watcher, GError **error)
{
    while (!stop_asked(watcher->shared->stop)) {
        watcher->wake_us = watcher->refresh_us;
        if (!add_due_targets(watcher, error) || !deliver(watcher, error) || !confirm_targets(watcher, error))
            return false;
        if (g_get_monotonic_time() >= watcher->refresh_us && !refresh(watcher, error))
            return false;
    }
    return true;
}

static void lose_watch(Watcher *watcher)
{
    GHashTableIter iter;
    gpointer value;

    g_clear_pointer(&watcher->watch, watch_close);
    g_hash_table_iter_init(&iter, watcher->targets);
    while (g_hash_table_iter_next(&iter, NULL, &value)) {
        ((Target *)value)->phase = TARGET_IDLE;
        ((Target *)value)->due_us = 0;
    }
}

/* From the opening of a watch to its end; true when the daemon stops. *lost: it was open. */
static bool watch_once(Watcher *watcher, bool *lost, GError **error)
{
    const DirectorySettings *directory = watcher->shared->config->directory;
    gint64 opened_us;
    bool stops;

    watcher->asked_us = g_get_monotonic_time();
    watcher->watch = watch_open(directory, watcher->shared->config->defaults->unique_id_attribute, watcher->shared->stop, error);
    if (watcher->watch == NULL)
        return false;
    watcher->watched = *lost = true;
    opened_us = g_get_monotonic_time();
    log_entry(G_LOG_LEVEL_INFO, NULL, NULL, "watching %s", directory->uri);
    stops = serve(watcher, error);
    watcher->asked_us = g_get_monotonic_time();
    lose_watch(watcher);
    if (watcher->asked_us - opened_us >= LASTED_US)
        watcher->attempts = 0;
    return stops;
}

/* A watch that lasted is opened again at once: whether the server is out, and why, only that shows. */
static void take_loss(Watcher *watcher, bool lost, GError *fault)
{
    Shared *shared = watcher->shared;
    guint attempt = watcher->attempts++;

    if (attempt > 0 || !lost || fault_of(fault) == FAULT_STATE || stop_asked(shared->stop)) {
        shared_outage(shared, shared->config->directory->uri, watcher->asked_us, MAX(attempt, 1), fault);
        return;
    }
    log_entry(G_LOG_LEVEL_INFO, NULL, NULL, "the watch is lost: %s", fault->message);
    g_error_free(fault);
}

gpointer watcher_run(gpointer data)
{
    Watcher *watcher = data;
    Shared *shared = watcher->shared;

    while (!stop_asked(shared->stop)) {
        g_autoptr(GError) fault = NULL;
        bool lost = false;

        if (watch_once(watcher, &lost, &fault))
            break;
        /* A server that cannot be watched at all will not learn it, even if workers are connected by now. */
        if (!watcher->watched && !shared->patient && fault_of(fault) == FAULT_STOP && !stop_asked(shared->stop))
            shared_fail(shared, g_steal_pointer(&fault));
        else
            take_loss(watcher, lost, g_steal_pointer(&fault));
    }
    return NULL;
}
