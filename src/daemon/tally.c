#include "daemon/tally.h"

/* A one-shot run tries an entry this often before it leaves it to the next run. */
enum { ATTEMPTS = 3 };

struct Tally {
    State *state;
    TallyTell tell;
    gpointer user_data;
    GHashTable *open; /* char* key -> Expected* */
    guint waiting;    /* of these, how many wait for another entry */
    bool settled;
    TallyCounts counts;
};

/* A change that has not come to its end. */
typedef struct {
    char *domain;
    char *unique_id;
    bool found;   /* in the queue: its end may not have been noted here */
    bool changed; /* a step was carried out */
    bool waits;   /* the last try failed because of another entry */
    bool out;     /* it waits for a server */
    guint attempts; /* failed ones, all in all */
    guint tries;    /* failed ones that were noted here: not each counts as an attempt */
    Fault fault;   /* of the last try, if that has a message */
    char *entry;   /* DN, or the unique id */
    char *message; /* NULL: the last try did not fail */
} Expected;

static void expected_free(Expected *expected)
{
    g_free(expected->domain);
    g_free(expected->unique_id);
    g_free(expected->entry);
    g_free(expected->message);
    g_free(expected);
}

Tally *tally_new(State *state, TallyTell tell, gpointer user_data)
{
    Tally *tally = g_new0(Tally, 1);

    tally->state = state;
    tally->tell = tell;
    tally->user_data = user_data;
    tally->open = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, (GDestroyNotify)expected_free);
    return tally;
}

void tally_free(Tally *tally)
{
    if (tally == NULL)
        return;
    g_hash_table_unref(tally->open);
    g_free(tally);
}

/* A line feed is in no domain's name. */
static char *make_key(const char *domain, const char *unique_id)
{
    return g_strconcat(domain, "\n", unique_id, NULL);
}

void tally_expect(Tally *tally, const char *domain, const char *unique_id, bool found)
{
    g_autofree char *key = make_key(domain, unique_id);
    Expected *expected;

    if (g_hash_table_contains(tally->open, key))
        return;
    expected = g_new0(Expected, 1);
    expected->domain = g_strdup(domain);
    expected->unique_id = g_strdup(unique_id);
    expected->found = found;
    g_hash_table_insert(tally->open, g_steal_pointer(&key), expected);
}

static void tell(const Tally *tally, const Expected *expected)
{
    if (expected->message != NULL)
        tally->tell(tally->user_data, expected->domain, expected->entry, expected->message);
}

/* What failed is tried again in a moment: that is no end yet. And a failure that was not noted here is about to be, with its
 * message, but for one that came before anybody expected it. */
static bool is_over(const Expected *expected, QueuePlace place)
{
    switch (place) {
    case QUEUE_ABSENT:
        return true;
    case QUEUE_PENDING:
        return expected->out || (expected->message != NULL && !expected->waits && expected->tries >= ATTEMPTS);
    case QUEUE_FAILED:
        return expected->message != NULL ? expected->fault == FAULT_PARK || expected->attempts >= ATTEMPTS : expected->found;
    }
    g_assert_not_reached();
}

/* Counts what has come to its end. */
static bool end_if_over(Tally *tally, const Expected *expected, bool *over, GError **error)
{
    QueuePlace place;
    bool failed;

    if (!queue_look(tally->state, expected->domain, expected->unique_id, &place, error))
        return false;
    failed = place != QUEUE_ABSENT;
    *over = is_over(expected, place);
    if (!*over)
        return true;
    tally->counts.done++;
    tally->counts.failed += failed;
    tally->counts.changed += expected->changed && !failed;
    tally->waiting -= expected->waits;
    if (failed)
        tell(tally, expected);
    return true;
}

bool tally_settle(Tally *tally, GError **error)
{
    GHashTableIter iter;
    gpointer value;
    bool over;

    tally->settled = true;
    g_hash_table_iter_init(&iter, tally->open);
    while (g_hash_table_iter_next(&iter, NULL, &value)) {
        if (!end_if_over(tally, value, &over, error))
            return false;
        if (over)
            g_hash_table_iter_remove(&iter);
    }
    return true;
}

static Expected *find(const Tally *tally, const Change *change, char **key)
{
    *key = make_key(change->domain, change->unique_id);
    return g_hash_table_lookup(tally->open, *key);
}

void tally_note_step(Tally *tally, const Change *change)
{
    g_autofree char *key = NULL;
    Expected *expected = find(tally, change, &key);

    if (expected != NULL)
        expected->changed = true;
}

static void note_try(Tally *tally, Expected *expected, const Change *change, const GError *fault, const char *message)
{
    bool waits = fault != NULL && change->waits_for != NULL;

    tally->waiting += (guint)waits - (guint)expected->waits;
    expected->waits = waits;
    expected->tries += fault != NULL;
    expected->attempts = change->attempts + 1;
    g_free(expected->entry);
    expected->entry = g_strdup(change->dn != NULL ? change->dn : change->unique_id);
    g_free(expected->message);
    expected->message = g_strdup(message);
    if (fault != NULL)
        expected->fault = fault_of(fault);
}

bool tally_note_end(Tally *tally, const Change *change, const GError *fault, const char *message, bool out, GError **error)
{
    g_autofree char *key = NULL;
    Expected *expected = find(tally, change, &key);
    bool over;

    if (expected == NULL)
        return true;
    note_try(tally, expected, change, fault, message);
    expected->out = out;
    /* Before, it may have been a try of what was queued earlier. */
    if (!tally->settled)
        return true;
    if (!end_if_over(tally, expected, &over, error))
        return false;
    if (over)
        g_hash_table_remove(tally->open, key);
    return true;
}

bool tally_has_open(const Tally *tally)
{
    return g_hash_table_size(tally->open) > tally->waiting;
}

bool tally_is_through(const Tally *tally)
{
    return tally->settled && !tally_has_open(tally);
}

void tally_close(Tally *tally)
{
    GHashTableIter iter;
    gpointer value;

    g_hash_table_iter_init(&iter, tally->open);
    while (g_hash_table_iter_next(&iter, NULL, &value))
        tell(tally, value);
    tally->counts.done += g_hash_table_size(tally->open);
    g_hash_table_remove_all(tally->open);
    tally->waiting = 0;
}

TallyCounts tally_counts(const Tally *tally)
{
    return tally->counts;
}
