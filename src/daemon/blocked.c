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
    char *server;
    GMutex lock;
    char *version; /* NULL: not connected so far */
    bool asked;    /* blocked_must_ask has found somebody */
    Verdict verdict;
};

Blocked *blocked_new(State *state, const char *server)
{
    Blocked *blocked = g_new0(Blocked, 1);

    blocked->state = state;
    blocked->server = g_strdup(server);
    g_mutex_init(&blocked->lock);
    return blocked;
}

void blocked_free(Blocked *blocked)
{
    if (blocked == NULL)
        return;
    g_mutex_clear(&blocked->lock);
    g_free(blocked->server);
    g_free(blocked->version);
    g_free(blocked);
}

static bool examine_version(Blocked *blocked, const char *version, Verdict *verdict, GError **error)
{
    g_autofree char *died = NULL;

    if (!state_find_block(blocked->state, blocked->server, &died, error))
        return false;
    *verdict = died != NULL && strcmp(died, version) == 0 ? VERDICT_DIES : VERDICT_UNKNOWN;
    if (died == NULL || *verdict == VERDICT_DIES)
        return true;
    log_entry(G_LOG_LEVEL_MESSAGE, NULL, NULL, "%s: is %s now, was %s: folder types of shared mailboxes are tried again",
              blocked->server, version, died);
    return state_lift_block(blocked->state, blocked->server, error);
}

bool blocked_notice_version(Blocked *blocked, const char *version, GError **error)
{
    g_autoptr(GMutexLocker) locker G_GNUC_UNUSED = g_mutex_locker_new(&blocked->lock);
    Verdict verdict;

    if (g_strcmp0(blocked->version, version) == 0)
        return true;
    if (!examine_version(blocked, version, &verdict, error))
        return false;
    g_free(blocked->version);
    blocked->version = g_strdup(version);
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
    g_autofree char *died = NULL;

    if (blocked->version != NULL || blocked->asked || !state_find_block(blocked->state, blocked->server, &died, NULL))
        return false;
    blocked->asked = died != NULL;
    return blocked->asked;
}

static bool note_death(Blocked *blocked, GError **error)
{
    static const char PROBLEM[] =
        "the server dies of SETMETADATA on a shared mailbox (github.com/cyrusimap/cyrus-imapd/issues/4611); shared folders and "
        "resources stay without their folder type until another version runs there";

    if (!state_note_block(blocked->state, blocked->server, blocked->version, PROBLEM, error))
        return false;
    blocked->verdict = VERDICT_DIES;
    log_entry(G_LOG_LEVEL_WARNING, NULL, NULL, "%s: %s: %s", blocked->server, blocked->version, PROBLEM);
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
