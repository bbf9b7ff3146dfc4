#include "daemon/sweep.h"

#include "daemon/log.h"
#include "model/fault.h"
#include "state/queue.h"

/* One complete read on its way. */
typedef struct {
    Shared *shared;
    const DomainSettings *domain;
    bool resync;
    Handover *handover; /* NULL: nobody waits for what is queued */
    GHashTable *seen; /* unique ids */
    guint queued;
} Sweep;

static bool queue_entry(Sweep *sweep, const char *unique_id, const char *reason, GError **error)
{
    sweep->queued++;
    g_atomic_int_inc(&sweep->shared->progress.found);
    if (sweep->handover != NULL)
        handover_expect(sweep->handover, sweep->domain->name, unique_id, false);
    return queue_add(sweep->shared->state, sweep->domain->name, unique_id, reason, sweep->resync, error);
}

/* Queues an entry that is not as it was when it was last brought in order. */
static bool compare_entry(const Entry *entry, gpointer user_data, GError **error)
{
    Sweep *sweep = user_data;
    g_autofree char *present = entry_fingerprint(entry, sweep->domain->digest);
    g_autofree char *recorded = NULL;

    if (stop_asked(sweep->shared->stop)) {
        g_set_error(error, FAULT, FAULT_RETRY, "the daemon stops");
        return false;
    }
    g_hash_table_add(sweep->seen, g_strdup(entry_unique_id(entry)));
    if (!state_find_fingerprint(sweep->shared->state, sweep->domain->name, entry_unique_id(entry), &recorded, error))
        return false;
    if (g_strcmp0(present, recorded) == 0 && !sweep->resync)
        return true;
    return queue_entry(sweep, entry_unique_id(entry), "sweep", error);
}

static bool queue_unseen(Sweep *sweep, GHashTable *unique_ids, const char *reason, GError **error)
{
    GHashTableIter iter;
    gpointer unique_id;

    g_hash_table_iter_init(&iter, unique_ids);
    while (g_hash_table_iter_next(&iter, &unique_id, NULL))
        if (!g_hash_table_contains(sweep->seen, unique_id) && !queue_entry(sweep, unique_id, reason, error))
            return false;
    return true;
}

/* Queues what the state knows and the read did not show; a worker looks at each before it counts as departed. The reaper
 * takes no decision while any "missing" one has not been looked at: how many they are decides. Those that were somewhere
 * else may be gone by now. */
static bool queue_missing(Sweep *sweep, GError **error)
{
    g_autoptr(GHashTable) known = NULL;
    g_autoptr(GHashTable) elsewhere = NULL;

    if (!state_list_entries(sweep->shared->state, sweep->domain->name, &known, error)
        || !state_list_elsewhere(sweep->shared->state, sweep->domain->name, &elsewhere, error))
        return false;
    if (g_hash_table_size(sweep->seen) == 0 && g_hash_table_size(known) > 0) {
        g_set_error(error, FAULT, FAULT_RETRY,
                    "domain %s: the directory shows no entry of any kind we serve below \"%s\", but %u are known; nothing "
                    "is concluded from that; check the filters and the access control of the bind DN", sweep->domain->name,
                    sweep->domain->base_dn, g_hash_table_size(known));
        return false;
    }
    return queue_unseen(sweep, known, "missing", error) && queue_unseen(sweep, elsewhere, "sweep", error);
}

static bool read_and_compare(Directory *directory, Sweep *sweep, GError **error)
{
    State *state = sweep->shared->state;
    bool complete;

    if (!queue_group_begin(state, error))
        return false;
    complete = directory_sweep(directory, sweep->domain, compare_entry, sweep, error)
            && queue_missing(sweep, error);
    /* What was queued stays queued: it differs, whether or not the read was complete. */
    return queue_group_end(state, complete ? error : NULL) && complete;
}

bool sweep_domain(Shared *shared, Directory *directory, const DomainSettings *domain, bool resync, Handover *handover,
                  GError **error)
{
    g_autoptr(GHashTable) seen = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
    Sweep sweep = {.shared = shared, .domain = domain, .resync = resync, .handover = handover, .seen = seen};
    g_autoptr(GError) problem = NULL;
    bool complete = read_and_compare(directory, &sweep, &problem);

    /* The state's fault says nothing about the domain. */
    if (!complete && (stop_asked(shared->stop) || fault_of(problem) == FAULT_STATE)) {
        g_propagate_error(error, g_steal_pointer(&problem));
        return false;
    }
    if (!state_note_sweep(shared->state, domain->name, domain->base_dn, g_hash_table_size(seen),
                          complete ? NULL : problem->message, error))
        return false;
    if (!complete) {
        g_propagate_error(error, g_steal_pointer(&problem));
        return false;
    }
    if (g_hash_table_size(seen) == 0)
        log_entry(G_LOG_LEVEL_WARNING, domain->name, NULL,
                  "domain %s: no entry of any kind we serve below \"%s\" that the bind DN may read", domain->name,
                  domain->base_dn);
    log_entry(G_LOG_LEVEL_INFO, domain->name, NULL, "domain %s: %u entries read, %u to look at", domain->name,
              g_hash_table_size(seen), sweep.queued);
    return true;
}
