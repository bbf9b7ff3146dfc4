#include "daemon/supervisor.h"

#include "daemon/log.h"
#include "daemon/reaper.h"
#include "daemon/sweeper.h"
#include "daemon/watcher.h"
#include "daemon/worker.h"
#include "model/fault.h"
#include "state/queue.h"

#include <glib-unix.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <systemd/sd-daemon.h>
#include <unistd.h>

/* How long work in progress may take to finish, and when a thread that hangs in a library is left behind: an orderly
 * stop takes less than five seconds. */
#define FINISH_US (3 * (gint64)G_USEC_PER_SEC)
#define ABANDON_US (G_USEC_PER_SEC * (gint64)3 / 2)
enum { PROGRESS_INTERVAL_MS = 200 };

typedef struct {
    Shared shared;
    Sweeper *sweeper;
    Watcher *watcher;   /* NULL: one-shot run */
    GPtrArray *threads; /* of GThread* */
    GMutex lock;
    GCond ended;
    guint running; /* threads; under lock */
} Supervisor;

/* A thread's work, and how its end is noticed. */
typedef struct {
    Supervisor *supervisor;
    GThreadFunc function;
    gpointer data;
} Task;

static gpointer run_task(gpointer data)
{
    g_autofree Task *task = data;
    Supervisor *supervisor = task->supervisor;

    task->function(task->data);
    g_mutex_lock(&supervisor->lock);
    if (--supervisor->running == 0)
        g_main_loop_quit(supervisor->shared.loop);
    g_cond_signal(&supervisor->ended);
    g_mutex_unlock(&supervisor->lock);
    return NULL;
}

static void start_thread(Supervisor *supervisor, const char *name, GThreadFunc function, gpointer data)
{
    Task *task = g_new(Task, 1);

    *task = (Task){.supervisor = supervisor, .function = function, .data = data};
    g_mutex_lock(&supervisor->lock);
    supervisor->running++;
    g_mutex_unlock(&supervisor->lock);
    g_ptr_array_add(supervisor->threads, g_thread_new(name, run_task, task));
}

static void start_threads(Supervisor *supervisor)
{
    Shared *shared = &supervisor->shared;
    bool sync = shared->options->sync;

    g_atomic_int_set(&shared->sweeping, sync ? 1 : 0);
    if (!sync)
        start_thread(supervisor, "watch", watcher_run, supervisor->watcher);
    start_thread(supervisor, "sweep", sync ? sweeper_run_once : sweeper_run, supervisor->sweeper);
    if (!sync)
        start_thread(supervisor, "reaper", reaper_run, shared);
    for (guint i = 0; i < shared->config->workers; i++)
        start_thread(supervisor, "worker", worker_run, shared);
}

static gboolean on_signal(gpointer data)
{
    Shared *shared = data;

    /* A second signal means: now. */
    if (stop_asked(shared->stop))
        stop_now(shared->stop);
    stop_gently(shared->stop);
    g_main_loop_quit(shared->loop);
    return G_SOURCE_CONTINUE;
}

static gboolean on_watchdog(gpointer data G_GNUC_UNUSED)
{
    sd_notify(0, "WATCHDOG=1");
    return G_SOURCE_CONTINUE;
}

static gboolean on_progress(gpointer data)
{
    Shared *shared = data;

    progress_draw(&shared->progress, !g_atomic_int_get(&shared->sweeping));
    return G_SOURCE_CONTINUE;
}

static void install_sources(Shared *shared)
{
    guint64 watchdog_us = 0;

    g_unix_signal_add(SIGTERM, on_signal, shared);
    g_unix_signal_add(SIGINT, on_signal, shared);
    if (sd_watchdog_enabled(0, &watchdog_us) > 0)
        g_timeout_add((guint)(watchdog_us / 2000), on_watchdog, NULL);
    if (shared->progress.terminal)
        g_timeout_add(PROGRESS_INTERVAL_MS, on_progress, shared);
}

/* Waits for the threads to end; true when all have. */
static bool wait_for_threads(Supervisor *supervisor, gint64 deadline_us)
{
    bool ended;

    queue_wake(supervisor->shared.state);
    sweeper_wake(supervisor->sweeper);
    g_mutex_lock(&supervisor->lock);
    while (supervisor->running > 0 && g_cond_wait_until(&supervisor->ended, &supervisor->lock, deadline_us))
        continue;
    ended = supervisor->running == 0;
    g_mutex_unlock(&supervisor->lock);
    return ended;
}

/* Work in progress may finish; what hangs is broken off; who hangs in a library is left behind, his change stays queued. */
static void stop_threads(Supervisor *supervisor)
{
    stop_gently(supervisor->shared.stop);
    if (!wait_for_threads(supervisor, g_get_monotonic_time() + FINISH_US)) {
        stop_now(supervisor->shared.stop);
        if (!wait_for_threads(supervisor, g_get_monotonic_time() + ABANDON_US)) {
            log_entry(G_LOG_LEVEL_WARNING, NULL, NULL, "stopping although a server hangs; unfinished changes stay queued");
            fflush(NULL);
            _exit(supervisor->shared.fatal != NULL ? EXIT_ERROR : EXIT_IN_ORDER);
        }
    }
    for (guint i = 0; i < supervisor->threads->len; i++)
        g_thread_join(g_ptr_array_index(supervisor->threads, i));
}

static void note_start(Shared *shared)
{
    g_autofree char *pid = g_strdup_printf("%d", (int)getpid());
    g_autofree char *now = wait_timestamp(0);
    g_autoptr(GError) fault = NULL;

    if (!state_note(shared->state, "pid", pid, &fault) || !state_note(shared->state, "started", now, &fault)
        || !state_note(shared->state, "version", KOLABD_VERSION, &fault)
        || !state_note(shared->state, "mode", shared->options->sync ? "sync" : "daemon", &fault))
        shared_fail(shared, g_steal_pointer(&fault));
}

/* Departures that an operator must look at, and changes that wait for them. */
static guint count_unsettled(Shared *shared)
{
    g_autoptr(GError) fault = NULL;
    DepartureSummary summary;

    if (!departure_summarize(shared->state, &summary, &fault)) {
        log_entry(G_LOG_LEVEL_CRITICAL, NULL, NULL, "%s", fault->message);
        return 1;
    }
    if (summary.held + summary.failed + summary.blocked > 0)
        log_entry(G_LOG_LEVEL_MESSAGE, NULL, NULL,
                  "departed entries: %u held, %u failed; %u entries wait for what one of them had (kolabctl problems)",
                  summary.held, summary.failed, summary.blocked);
    return summary.held + summary.failed + summary.blocked;
}

/* What the run came to, said once and as an exit status. */
static int report(Shared *shared, bool interrupted)
{
    const RunOptions *options = shared->options;
    gint done = g_atomic_int_get(&shared->progress.done), failed = g_atomic_int_get(&shared->progress.failed);
    gint changed = g_atomic_int_get(&shared->progress.changed);
    bool configuration;
    guint unsettled;

    if (shared->fatal != NULL) {
        configuration = fault_of(shared->fatal) == FAULT_STOP && !options->sync;
        log_entry(G_LOG_LEVEL_CRITICAL, NULL, NULL, "%s", shared->fatal->message);
        return configuration ? EXIT_CONFIGURATION : EXIT_ERROR;
    }
    if (!options->sync)
        return EXIT_IN_ORDER;
    if (!options->dry_run || !options->json)
        log_entry(G_LOG_LEVEL_MESSAGE, NULL, NULL, "%d entries looked at, %d %s, %d failed", done, changed,
                  options->dry_run ? "to change" : "changed", failed);
    unsettled = count_unsettled(shared);
    if (interrupted || g_atomic_int_get(&shared->incomplete) > 0)
        return EXIT_ERROR;
    if (failed > 0 || unsettled > 0)
        return EXIT_SOME_FAILED;
    return options->dry_run && changed > 0 ? EXIT_TO_DO : EXIT_IN_ORDER;
}

/* From the start of the threads to their end. */
static int run(Supervisor *supervisor)
{
    Shared *shared = &supervisor->shared;
    bool interrupted;

    install_sources(shared);
    if (!shared->options->dry_run)
        note_start(shared);
    start_threads(supervisor);
    sd_notify(0, "READY=1");
    if (!stop_asked(shared->stop))
        g_main_loop_run(shared->loop);
    interrupted = stop_asked(shared->stop);
    sd_notify(0, "STOPPING=1");
    stop_threads(supervisor);
    progress_clear(&shared->progress);
    return report(shared, interrupted);
}

int supervisor_run(const Config *config, const RunOptions *options)
{
    g_autoptr(GError) fault = NULL;
    g_autoptr(Stop) stop = stop_new();
    g_autoptr(State) state = state_open(config->state_file, options->dry_run ? STATE_SCRATCH : STATE_OWN, &fault);
    Supervisor supervisor = {0};
    int status;

    if (state == NULL) {
        log_entry(G_LOG_LEVEL_CRITICAL, NULL, NULL, "%s", fault->message);
        return options->sync ? EXIT_ERROR : EXIT_CONFIGURATION;
    }
    shared_init(&supervisor.shared, config, options, state, stop);
    supervisor.threads = g_ptr_array_new();
    g_mutex_init(&supervisor.lock);
    g_cond_init(&supervisor.ended);
    supervisor.sweeper = sweeper_new(&supervisor.shared);
    supervisor.watcher = options->sync ? NULL : watcher_new(&supervisor.shared, supervisor.sweeper);
    status = run(&supervisor);
    watcher_free(supervisor.watcher);
    sweeper_free(supervisor.sweeper);
    g_ptr_array_unref(supervisor.threads);
    g_mutex_clear(&supervisor.lock);
    g_cond_clear(&supervisor.ended);
    shared_clear(&supervisor.shared);
    return status;
}
