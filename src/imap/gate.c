#include "imap/gate.h"

#include "imap/command.h"
#include "imap/throttle.h"
#include "model/fault.h"

#include <errno.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <unistd.h>

/* Fewer commands show the way to the server rather than its work. */
enum { TELLING_COMMANDS = 4 };
/* A bound of the wait, which ends when there is a place. */
#define LOOK_US (60 * (gint64)G_USEC_PER_SEC)

typedef struct {
    int fd;      /* readable once let in */
    bool let_in; /* under the gate's lock */
} Waiter;

struct Gate {
    char *server;
    GMutex lock;
    guint inside;
    GQueue waiting; /* of Waiter*, on the stack of who waits */
    Throttle throttle;
};

Gate *gate_new(const char *server, guint places)
{
    Gate *gate = g_new0(Gate, 1);

    gate->server = g_strdup(server);
    gate->throttle = throttle_start(places);
    g_mutex_init(&gate->lock);
    g_queue_init(&gate->waiting);
    return gate;
}

void gate_free(Gate *gate)
{
    if (gate == NULL)
        return;
    g_assert(gate->inside == 0);
    g_mutex_clear(&gate->lock);
    g_free(gate->server);
    g_free(gate);
}

/* Under lock. */
static void let_in(Gate *gate)
{
    while (gate->inside < gate->throttle.limit && !g_queue_is_empty(&gate->waiting)) {
        Waiter *waiter = g_queue_pop_head(&gate->waiting);

        gate->inside++;
        waiter->let_in = true;
        eventfd_write(waiter->fd, 1);
    }
}

static void line_up(Gate *gate, Waiter *waiter)
{
    g_autoptr(GMutexLocker) locker G_GNUC_UNUSED = g_mutex_locker_new(&gate->lock);

    g_queue_push_tail(&gate->waiting, waiter);
    let_in(gate);
}

/* Who was let in meanwhile is inside. */
static bool give_up(Gate *gate, Waiter *waiter)
{
    g_autoptr(GMutexLocker) locker G_GNUC_UNUSED = g_mutex_locker_new(&gate->lock);

    return !waiter->let_in && g_queue_remove(&gate->waiting, waiter);
}

static bool enter_at_once(Gate *gate)
{
    g_autoptr(GMutexLocker) locker G_GNUC_UNUSED = g_mutex_locker_new(&gate->lock);

    if (gate->inside >= gate->throttle.limit || !g_queue_is_empty(&gate->waiting))
        return false;
    gate->inside++;
    return true;
}

bool gate_enter(Gate *gate, Stop *stop, GError **error)
{
    Waiter waiter = {0};
    WaitResult result;
    bool gave_up;

    if (enter_at_once(gate))
        return true;
    waiter.fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (waiter.fd < 0) {
        g_set_error(error, FAULT, FAULT_RETRY, "%s: wait for a session: %s", gate->server, g_strerror(errno));
        return false;
    }
    line_up(gate, &waiter);
    do
        result = wait_for(stop, waiter.fd, POLLIN, g_get_monotonic_time() + LOOK_US, false);
    while (result == WAIT_DEADLINE);
    gave_up = result == WAIT_STOPPED && give_up(gate, &waiter);
    close(waiter.fd);
    if (gave_up)
        g_set_error(error, FAULT, FAULT_RETRY, "%s: stopped while waiting until fewer sessions are open", gate->server);
    return !gave_up;
}

void gate_leave(Gate *gate)
{
    g_autoptr(GMutexLocker) locker G_GNUC_UNUSED = g_mutex_locker_new(&gate->lock);

    gate->inside--;
    let_in(gate);
}

static bool is_verb(const ImapCommand *command, const char *verb)
{
    return g_str_has_prefix(command->line->str, verb);
}

static guint count_verb(const GPtrArray *commands, const char *verb)
{
    guint count = 0;

    for (guint i = 0; i < commands->len; i++)
        count += is_verb(g_ptr_array_index(commands, i), verb);
    return count;
}

/* How many units of which work the commands are; 0: they tell nothing. What makes no folder and does not only look is too small,
 * or too various. */
static guint count_units(const GPtrArray *commands, Work *work)
{
    guint creates = count_verb(commands, "CREATE"), lists = count_verb(commands, "LIST ");
    guint looks = count_verb(commands, "GETMETADATA") + count_verb(commands, "LSUB");

    *work = creates > 0 ? WORK_MAKE : lists > 0 ? WORK_LIST : WORK_LOOK;
    if (lists > 0 && lists == commands->len)
        return lists;
    if (commands->len < TELLING_COMMANDS || (creates == 0 && looks < commands->len))
        return 0;
    return creates > 0 ? creates : looks;
}

static void tell(const Gate *gate, guint before, guint limit)
{
    if (before == gate->throttle.ceiling)
        g_info("%s takes several times as long as it can: fewer sessions work there at once (%u of %u), until it is faster",
               gate->server, limit, gate->throttle.ceiling);
    else if (limit == gate->throttle.ceiling)
        g_info("%s is fast again: up to %u sessions work there at once", gate->server, limit);
}

GateTurn gate_begin(Gate *gate)
{
    g_autoptr(GMutexLocker) locker G_GNUC_UNUSED = g_mutex_locker_new(&gate->lock);

    return (GateTurn){.began_us = g_get_monotonic_time(), .inside = gate->inside};
}

void gate_end(Gate *gate, const GateTurn *turn, const GPtrArray *commands)
{
    WorkDone done = {.began_us = turn->began_us, .ended_us = g_get_monotonic_time()};
    guint units = count_units(commands, &done.kind), before, limit;

    if (units == 0)
        return;
    done.time_us = (double)(done.ended_us - done.began_us) / units;
    g_mutex_lock(&gate->lock);
    done.at_once = (turn->inside + gate->inside) / 2.0;
    before = gate->throttle.limit;
    throttle_observe(&gate->throttle, &done);
    limit = gate->throttle.limit;
    let_in(gate);
    g_mutex_unlock(&gate->lock);
    if (limit != before)
        tell(gate, before, limit);
}
