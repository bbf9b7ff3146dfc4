#include "daemon/crew.h"

#include "daemon/fair.h"
#include "daemon/lookout.h"
#include "daemon/pruner.h"
#include "daemon/reaper.h"
#include "daemon/sweeper.h"
#include "daemon/watcher.h"
#include "daemon/worker.h"
#include "state/queue.h"

struct Crew {
    Shared shared;
    Stop *stop;
    Sweeper *sweeper;
    Watcher *watcher;   /* NULL: one-shot run */
    GPtrArray *threads; /* of GThread* */
    gint running;       /* atomic */
};

/* A thread's work, and how its end is noticed. */
typedef struct {
    Crew *crew;
    GThreadFunc function;
    gpointer data;
} Task;

Crew *crew_new(const Config *config, const RunOptions *options, State *state, Handovers *handovers, bool patient)
{
    Crew *crew = g_new0(Crew, 1);

    crew->stop = stop_new();
    shared_init(&crew->shared, config, options, state, crew->stop);
    fair_begin(&crew->shared);
    crew->shared.handovers = handovers;
    crew->shared.patient = patient;
    crew->threads = g_ptr_array_new();
    crew->sweeper = sweeper_new(&crew->shared);
    crew->watcher = options->sync ? NULL : watcher_new(&crew->shared, crew->sweeper);
    return crew;
}

void crew_free(Crew *crew)
{
    if (crew == NULL)
        return;
    for (guint i = 0; i < crew->threads->len; i++)
        g_thread_join(g_ptr_array_index(crew->threads, i));
    watcher_free(crew->watcher);
    sweeper_free(crew->sweeper);
    g_ptr_array_unref(crew->threads);
    fair_end(&crew->shared);
    shared_clear(&crew->shared);
    stop_free(crew->stop);
    g_free(crew);
}

Shared *crew_shared(Crew *crew)
{
    return &crew->shared;
}

static gpointer run_task(gpointer data)
{
    g_autofree Task *task = data;

    task->function(task->data);
    if (g_atomic_int_dec_and_test(&task->crew->running))
        g_main_context_wakeup(NULL);
    return NULL;
}

static void start_thread(Crew *crew, const char *name, GThreadFunc function, gpointer data)
{
    Task *task = g_new(Task, 1);

    *task = (Task){.crew = crew, .function = function, .data = data};
    g_atomic_int_inc(&crew->running);
    g_ptr_array_add(crew->threads, g_thread_new(name, run_task, task));
}

void crew_start(Crew *crew)
{
    Shared *shared = &crew->shared;
    bool sync = shared->options->sync;

    g_atomic_int_set(&shared->sweeping, sync ? 1 : 0);
    if (!sync)
        start_thread(crew, "watch", watcher_run, crew->watcher);
    start_thread(crew, "sweep", sync ? sweeper_run_once : sweeper_run, crew->sweeper);
    if (!sync)
        start_thread(crew, "reaper", reaper_run, shared);
    if (!sync)
        start_thread(crew, "prune", pruner_run, shared);
    if (!sync)
        start_thread(crew, "handover", sweeper_run_handovers, shared);
    if (!sync)
        start_thread(crew, "lookout", lookout_run, shared);
    for (guint i = 0; i < shared->config->workers; i++)
        start_thread(crew, "worker", worker_run, shared);
}

void crew_ask_to_end(Crew *crew, bool now)
{
    if (now)
        stop_now(crew->stop);
    stop_gently(crew->stop);
    queue_wake(crew->shared.state);
    sweeper_wake(crew->sweeper);
    domains_wake(crew->shared.domains);
    outages_wake(crew->shared.outages);
    if (crew->shared.handovers != NULL)
        handovers_wake(crew->shared.handovers);
}

bool crew_is_over(Crew *crew)
{
    return stop_asked(crew->stop) || crew_has_ended(crew);
}

bool crew_has_ended(Crew *crew)
{
    return g_atomic_int_get(&crew->running) == 0;
}
