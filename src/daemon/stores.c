#include "daemon/stores.h"

#include "daemon/fair.h"
#include "model/fault.h"
#include "policy/placement.h"

struct Stores {
    Shared *shared;
    GPtrArray *mailstores; /* of Mailstore*, in the order of the configuration's imap_servers */
};

Stores *stores_new(Shared *shared)
{
    Stores *stores = g_new0(Stores, 1);
    const GPtrArray *servers = shared->config->imap_servers;

    stores->shared = shared;
    stores->mailstores = g_ptr_array_new_with_free_func((GDestroyNotify)mailstore_free);
    for (guint i = 0; i < servers->len; i++)
        g_ptr_array_add(stores->mailstores,
                        mailstore_new(g_ptr_array_index(servers, i), g_ptr_array_index(shared->creators, i),
                                      g_ptr_array_index(shared->gates, i), shared->stop));
    return stores;
}

void stores_free(Stores *stores)
{
    if (stores == NULL)
        return;
    g_ptr_array_unref(stores->mailstores);
    g_free(stores);
}

/* Of one that lasts the lookout knows best. */
static gint64 begin_outage(const Stores *stores, const char *server, const ImapSettings *settings, gint64 asked_us,
                           const GError *fault)
{
    Outages *outages = stores->shared->outages;
    bool lasts = !stores->shared->options->sync && outages_is_out(outages, server);

    if (!lasts && fault_of(fault) != FAULT_STATE) /* the state is told by who looks next */
        outages_begin(outages, server, settings, asked_us, fault->message);
    return g_get_monotonic_time() + (outages_is_out(outages, server) ? OUTAGE_PAUSE_LONGEST_US : 0);
}

/* One that died of a step is asked what it is now: nothing else may ever be done there. */
static bool notice_backend(Stores *stores, Mailstore *mailstore, const char *backend, GError **error)
{
    const ImapSettings *settings = mailstore_settings(mailstore);
    Blocked *blocked = shared_blocked(stores->shared, settings, backend);
    gint64 asked_us = g_get_monotonic_time();
    g_autoptr(GError) fault = NULL;

    if (!blocked_must_ask(blocked))
        return true;
    if (mailstore_reach(mailstore, backend, &fault))
        return blocked_notice_version(blocked, mailstore_server(mailstore, backend), error);
    if (!stop_asked_now(stores->shared->stop))
        begin_outage(stores, backend, settings, asked_us, fault);
    return true;
}

static bool notice_backends(Stores *stores, Mailstore *mailstore, GError **error)
{
    Shared *shared = stores->shared;
    g_autoptr(GPtrArray) backends = NULL;
    bool any;

    if (!mailstore_is_murder(mailstore))
        return true;
    if (!state_has_block(shared->state, &any, error))
        return false;
    if (!any)
        return true;
    if (!murder_list_backends(shared->murder, mailstore_settings(mailstore), NULL, &backends, error))
        return false;
    for (guint i = 0; i < backends->len; i++) {
        const PlacementBackend *backend = g_ptr_array_index(backends, i);

        if (backend->reachable && !notice_backend(stores, mailstore, backend->name, error))
            return false;
    }
    return true;
}

/* A connection that others got before the outage began says nothing. */
static bool connect_store(Stores *stores, guint at, GError **error)
{
    Shared *shared = stores->shared;
    const ImapSettings *settings = g_ptr_array_index(shared->config->imap_servers, at);
    Mailstore *mailstore = g_ptr_array_index(stores->mailstores, at);
    bool anew;

    if (!mailstore_connect(mailstore, &anew, error)
        || !blocked_notice_version(shared_blocked(shared, settings, NULL), mailstore_server(mailstore, NULL), error))
        return false;
    if (mailstore_is_murder(mailstore))
        fair_note_murder(shared, at);
    if (!anew)
        return true;
    outages_end(shared->outages, settings->uri);
    return notice_backends(stores, mailstore, error);
}

/* What hangs would keep one worker after the other: the lookout says when it is back. A one-shot run has none. */
static bool may_use(const Stores *stores, const char *server, gint64 *until_us)
{
    Outages *outages = stores->shared->outages;

    if (stores->shared->options->sync)
        return outages_may_try(outages, server, until_us);
    if (!outages_is_out(outages, server))
        return true;
    *until_us = g_get_monotonic_time() + OUTAGE_PAUSE_LONGEST_US;
    return false;
}

/* Of several servers, one that is out stops only what needs it. */
static bool try_store(Stores *stores, guint at, gint64 *until_us)
{
    const ImapSettings *settings = g_ptr_array_index(stores->shared->config->imap_servers, at);
    gint64 asked_us = g_get_monotonic_time();
    g_autoptr(GError) fault = NULL;

    if (!may_use(stores, settings->uri, until_us))
        return false;
    if (connect_store(stores, at, &fault))
        return true;
    *until_us = begin_outage(stores, settings->uri, settings, asked_us, fault);
    return false;
}

static bool has_one(const Stores *stores)
{
    return stores->mailstores->len == 1;
}

bool stores_connect(Stores *stores, GError **error)
{
    gint64 until_us;

    if (has_one(stores))
        return connect_store(stores, 0, error);
    for (guint i = 0; i < stores->mailstores->len; i++)
        if (!try_store(stores, i, &until_us))
            continue;
    return true;
}

/* Whether the backend that has the mailbox can be tried. */
static bool may_try_host(Stores *stores, const Change *change, bool *may, gint64 *until_us, GError **error)
{
    g_autofree char *host = NULL;

    *may = true;
    if (!outages_any(stores->shared->outages))
        return true;
    if (!state_find_host(stores->shared->state, change->domain, change->unique_id, &host, error))
        return false;
    *may = host == NULL || may_use(stores, host, until_us);
    return true;
}

bool stores_find(Stores *stores, const Change *change, Mailstore **mailstore, gint64 *until_us, GError **error)
{
    guint at = config_imap_at(stores->shared->config, change->domain);
    bool may;

    *mailstore = NULL;
    if (has_one(stores) ? !connect_store(stores, at, error) : !try_store(stores, at, until_us))
        return !has_one(stores);
    if (!may_try_host(stores, change, &may, until_us, error))
        return false;
    *mailstore = may ? g_ptr_array_index(stores->mailstores, at) : NULL;
    if (may)
        mailstore_begin(*mailstore);
    return true;
}

bool stores_judge(Stores *stores, Mailstore *mailstore, const GError *fault, gint64 *until_us)
{
    Outages *outages = stores->shared->outages;
    const char *culprit = mailstore_culprit(mailstore), *reached = mailstore_reached(mailstore);

    if (reached != NULL && g_strcmp0(culprit, reached) != 0)
        outages_end(outages, reached);
    if (fault == NULL || fault_of(fault) != FAULT_RETRY || culprit == NULL || stop_asked_now(stores->shared->stop))
        return false;
    *until_us = begin_outage(stores, culprit, mailstore_settings(mailstore), g_get_monotonic_time(), fault);
    return true;
}

void stores_rest(Stores *stores)
{
    for (guint i = 0; i < stores->mailstores->len; i++)
        mailstore_rest(g_ptr_array_index(stores->mailstores, i));
}
