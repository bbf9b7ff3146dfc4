#include "daemon/blocked.h"

#include "apply/apply.h"
#include "daemon/log.h"

#include <string.h>

/* A server that is just restarted breaks off too, but not twice in a row at the same command. */
enum { DEATHS_THAT_PROVE = 2 };

typedef enum {
    VERDICT_UNKNOWN,
    VERDICT_WORKS,
    VERDICT_DIES,
} Verdict;

struct Blocked {
    State *state;
    const char *uri;
    GMutex lock;
    char *server; /* NULL: not connected so far */
    Verdict verdict;
};

Blocked *blocked_new(State *state, const char *uri)
{
    Blocked *blocked = g_new0(Blocked, 1);

    blocked->state = state;
    blocked->uri = uri;
    g_mutex_init(&blocked->lock);
    return blocked;
}

void blocked_free(Blocked *blocked)
{
    if (blocked == NULL)
        return;
    g_mutex_clear(&blocked->lock);
    g_free(blocked->server);
    g_free(blocked);
}

static bool examine_server(Blocked *blocked, const char *server, Verdict *verdict, GError **error)
{
    g_autofree char *version = NULL;

    if (!state_find_block(blocked->state, blocked->uri, &version, error))
        return false;
    *verdict = version != NULL && strcmp(version, server) == 0 ? VERDICT_DIES : VERDICT_UNKNOWN;
    if (version == NULL || *verdict == VERDICT_DIES)
        return true;
    log_entry(G_LOG_LEVEL_MESSAGE, NULL, NULL, "%s: is %s now, was %s: folder types of shared mailboxes are tried again",
              blocked->uri, server, version);
    return state_lift_block(blocked->state, blocked->uri, error);
}

bool blocked_notice_server(Blocked *blocked, const char *server, GError **error)
{
    g_autoptr(GMutexLocker) locker G_GNUC_UNUSED = g_mutex_locker_new(&blocked->lock);
    Verdict verdict;

    if (g_strcmp0(blocked->server, server) == 0)
        return true;
    if (!examine_server(blocked, server, &verdict, error))
        return false;
    g_free(blocked->server);
    blocked->server = g_strdup(server);
    blocked->verdict = verdict;
    return true;
}

static Verdict get_verdict(Blocked *blocked)
{
    g_autoptr(GMutexLocker) locker G_GNUC_UNUSED = g_mutex_locker_new(&blocked->lock);

    return blocked->verdict;
}

bool blocked_is(Blocked *blocked)
{
    return get_verdict(blocked) == VERDICT_DIES;
}

bool blocked_must_ask(Blocked *blocked)
{
    g_autoptr(GMutexLocker) locker G_GNUC_UNUSED = g_mutex_locker_new(&blocked->lock);
    g_autofree char *version = NULL;

    return blocked->server == NULL && state_find_block(blocked->state, blocked->uri, &version, NULL) && version != NULL;
}

static bool note_death(Blocked *blocked, GError **error)
{
    static const char PROBLEM[] =
        "the server dies of SETMETADATA on a shared mailbox (github.com/cyrusimap/cyrus-imapd/issues/4611); shared folders and "
        "resources stay without their folder type until another version runs there";

    if (!state_note_block(blocked->state, blocked->uri, blocked->server, PROBLEM, error))
        return false;
    blocked->verdict = VERDICT_DIES;
    log_entry(G_LOG_LEVEL_WARNING, NULL, NULL, "%s: %s: %s", blocked->uri, blocked->server, PROBLEM);
    return true;
}

/* The others wait for the outcome: one imapd is enough to find out. */
static bool try_step(Blocked *blocked, const Plan *risky, Mailstore *mailstore, GPtrArray *journal, bool *dies, GError **error)
{
    g_autoptr(GMutexLocker) locker G_GNUC_UNUSED = g_mutex_locker_new(&blocked->lock);

    for (guint deaths = 0; deaths < DEATHS_THAT_PROVE && blocked->verdict != VERDICT_DIES; deaths++) {
        g_autoptr(GError) fault = NULL;

        if (apply_plan(risky, NULL, NULL, mailstore, journal, &fault)) {
            blocked->verdict = VERDICT_WORKS;
            return true;
        }
        if (!mailstore_died(mailstore)) {
            g_propagate_error(error, g_steal_pointer(&fault));
            return false;
        }
    }
    *dies = true;
    return blocked->verdict == VERDICT_DIES || note_death(blocked, error);
}

bool blocked_apply(Blocked *blocked, const Plan *risky, Mailstore *mailstore, GPtrArray *journal, bool *dies, GError **error)
{
    if (get_verdict(blocked) == VERDICT_WORKS)
        return apply_plan(risky, NULL, NULL, mailstore, journal, error);
    return try_step(blocked, risky, mailstore, journal, dies, error);
}
