#include "daemon/supervisor.h"

#include "daemon/crew.h"
#include "daemon/endpoint.h"
#include "daemon/hangup.h"
#include "daemon/log.h"
#include "daemon/pruner.h"
#include "model/fault.h"

#include <glib-unix.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <systemd/sd-daemon.h>
#include <unistd.h>

/* How long work in progress may take to finish, and when a thread that hangs in a library is left behind: an orderly
 * stop takes less than five seconds. */
enum { FINISH_MS = 3000, ABANDON_MS = 1500, LAST_WORDS_MS = 1000 };
enum { PROGRESS_INTERVAL_MS = 200 };

/* Names of notes in the state file. */
static const char REFUSED[] = "configuration refused";
static const char RELOADED[] = "reloaded";

typedef struct {
    const char *config_file;
    const RunOptions *options;
    Config *config; /* the one in force; owned */
    State *state;
    Handovers *handovers; /* NULL: one-shot run */
    Endpoint *endpoint;   /* NULL: none */
    Crew *crew;
    guint stop_signals; /* how many came */
    bool reload;        /* SIGHUP came since the configuration was read */
} Supervisor;

/* --- signals and timers: all run in the main thread, within serve and stop_crew */

static gboolean on_stop(gpointer data)
{
    Supervisor *supervisor = data;

    /* A second signal means: now. */
    crew_ask_to_end(supervisor->crew, ++supervisor->stop_signals > 1);
    return G_SOURCE_CONTINUE;
}

static gboolean on_reload(gpointer data)
{
    ((Supervisor *)data)->reload = true;
    return G_SOURCE_CONTINUE;
}

static gboolean on_watchdog(gpointer data G_GNUC_UNUSED)
{
    sd_notify(0, "WATCHDOG=1");
    return G_SOURCE_CONTINUE;
}

static gboolean on_progress(gpointer data)
{
    Shared *shared = crew_shared(((Supervisor *)data)->crew);

    progress_draw(&shared->progress, !g_atomic_int_get(&shared->sweeping));
    return G_SOURCE_CONTINUE;
}

static gboolean on_limit(gpointer data)
{
    *(bool *)data = true;
    return G_SOURCE_CONTINUE;
}

static void install_sources(Supervisor *supervisor)
{
    guint64 watchdog_us = 0;

    g_unix_signal_add(SIGTERM, on_stop, supervisor);
    g_unix_signal_add(SIGINT, on_stop, supervisor);
    if (!supervisor->options->sync)
        g_unix_signal_add(SIGHUP, on_reload, supervisor);
    else if (!hangup_is_ignored())
        g_unix_signal_add(SIGHUP, on_stop, supervisor);
    if (sd_watchdog_enabled(0, &watchdog_us) > 0)
        g_timeout_add((guint)(watchdog_us / 2000), on_watchdog, NULL);
    if (crew_shared(supervisor->crew)->progress.terminal)
        g_timeout_add(PROGRESS_INTERVAL_MS, on_progress, supervisor);
}

/* --- the end of a crew */

/* Waits until no thread runs, a second signal came (unless that is why they are waited for), or the time is over. */
static bool wait_for_end(Supervisor *supervisor, guint limit_ms, bool broken_off)
{
    bool over = false;
    guint timer = g_timeout_add(limit_ms, on_limit, &over);

    while (!over && !crew_has_ended(supervisor->crew) && (broken_off || supervisor->stop_signals < 2))
        g_main_context_iteration(NULL, TRUE);
    g_source_remove(timer);
    return crew_has_ended(supervisor->crew);
}

static gpointer end_unheard(gpointer data G_GNUC_UNUSED)
{
    g_usleep(LAST_WORDS_MS * 1000);
    _exit(EXIT_ERROR);
}

/* Who hangs in a library is left behind with the process, and his change stays queued. A one-shot run has not done all, then. */
G_NORETURN static void abandon(Supervisor *supervisor, bool anew)
{
    bool failed = supervisor->options->sync || crew_shared(supervisor->crew)->fatal != NULL;

    /* Who reads what we print may be what hangs. */
    g_thread_unref(g_thread_new("last words", end_unheard, NULL));
    if (anew && supervisor->stop_signals == 0) {
        log_entry(G_LOG_LEVEL_CRITICAL, NULL, NULL,
                  "cannot begin anew because a server hangs: kolabd ends, to be started again (systemd does); unfinished changes "
                  "stay queued");
        failed = true;
    } else {
        log_entry(G_LOG_LEVEL_WARNING, NULL, NULL, "stopping although a server hangs; unfinished changes stay queued");
    }
    fflush(NULL);
    _exit(failed ? EXIT_ERROR : EXIT_IN_ORDER);
}

/* Work in progress may finish; what hangs is broken off. */
static void stop_crew(Supervisor *supervisor, bool anew)
{
    crew_ask_to_end(supervisor->crew, false);
    if (wait_for_end(supervisor, FINISH_MS, false))
        return;
    crew_ask_to_end(supervisor->crew, true);
    if (!wait_for_end(supervisor, ABANDON_MS, true))
        abandon(supervisor, anew);
}

/* --- the end of the run */

static void note_start(Shared *shared)
{
    g_autofree char *pid = g_strdup_printf("%d", (int)getpid());
    g_autofree char *now = wait_timestamp(0);
    g_autoptr(GError) fault = NULL;

    if (!state_note(shared->state, "pid", pid, &fault) || !state_note(shared->state, "started", now, &fault)
        || !state_note(shared->state, "version", KOLABD_VERSION, &fault)
        || !state_note(shared->state, "mode", shared->options->sync ? "sync" : "daemon", &fault)
        || !state_note(shared->state, RELOADED, NULL, &fault) || !state_note(shared->state, REFUSED, NULL, &fault))
        log_entry(G_LOG_LEVEL_WARNING, NULL, NULL, "%s", fault->message); /* the threads meet it too, and wait */
}

/* What the state tells of the end of a one-shot run. A dry run's state is a copy, where nothing is carried out. */
static bool summarize_state(Shared *shared, Summary *summary, GError **error)
{
    g_autoptr(GPtrArray) list = domains_list(shared->domains);

    return departure_summarize(shared->state, &summary->departures, error)
        && (summary->dry_run
            || asked_find_unsettled(&shared->options->asked, list, shared->state, &summary->unsettled, error));
}

static void log_sum(const char *text)
{
    if (text != NULL)
        log_entry(G_LOG_LEVEL_MESSAGE, NULL, NULL, "%s", text);
}

/* What a one-shot run came to. */
static int report_sync(Shared *shared, bool interrupted)
{
    const RunOptions *options = shared->options;
    g_autoptr(GError) fault = NULL;
    Summary summary = {.dry_run = options->dry_run, .done = (guint)g_atomic_int_get(&shared->progress.done),
                       .changed = (guint)g_atomic_int_get(&shared->progress.changed),
                       .failed = (guint)g_atomic_int_get(&shared->progress.failed),
                       .incomplete = interrupted || g_atomic_int_get(&shared->incomplete) > 0};
    g_autofree char *text = summary_describe(&summary);
    g_autofree char *unsettled = NULL;
    g_autofree char *departed = NULL;

    if (!options->dry_run || !options->json)
        log_sum(text);
    if (!summarize_state(shared, &summary, &fault)) {
        log_entry(G_LOG_LEVEL_CRITICAL, NULL, NULL, "%s", fault->message);
        return EXIT_ERROR;
    }
    unsettled = summary_describe_unsettled(&summary);
    departed = summary_describe_departures(&summary);
    log_sum(unsettled);
    log_sum(departed);
    return summary_status(&summary);
}

/* What the run came to, said once and as an exit status. */
static int report(Shared *shared, bool interrupted)
{
    bool sync = shared->options->sync;

    if (shared->fatal != NULL) {
        log_entry(G_LOG_LEVEL_CRITICAL, NULL, NULL, "%s", shared->fatal->message);
        return fault_of(shared->fatal) == FAULT_STOP && !sync ? EXIT_CONFIGURATION : EXIT_ERROR;
    }
    return sync ? report_sync(shared, interrupted) : EXIT_IN_ORDER;
}

/* --- reloading */

/* That it cannot be written shows elsewhere. */
static void note(Supervisor *supervisor, const char *name, const char *value)
{
    g_autoptr(GError) fault = NULL;

    if (!state_note(supervisor->state, name, value, &fault))
        log_entry(G_LOG_LEVEL_WARNING, NULL, NULL, "%s", fault->message);
}

static bool read_again(const Supervisor *supervisor, Config **config, GError **error)
{
    g_autoptr(Config) read = NULL;

    if (!config_read(supervisor->config_file, &read, error))
        return false;
    if (strcmp(read->state_file, supervisor->config->state_file) != 0) {
        g_set_error(error, FAULT, FAULT_STOP, "%s: state_file: %s instead of %s needs a restart", supervisor->config_file,
                    read->state_file, supervisor->config->state_file);
        return false;
    }
    *config = g_steal_pointer(&read);
    return true;
}

/* Each mistake is a line of the message. */
static void refuse(Supervisor *supervisor, const GError *fault)
{
    g_auto(GStrv) mistakes = g_strsplit(fault->message, "\n", -1);
    g_autofree char *all = g_strjoinv("; ", mistakes);
    g_autofree char *told = g_strconcat(all, "; the configuration from before stays in force: mend it and reload again", NULL);

    for (guint i = 0; mistakes[i] != NULL; i++)
        log_entry(G_LOG_LEVEL_CRITICAL, NULL, NULL, "%s", mistakes[i]);
    log_entry(G_LOG_LEVEL_CRITICAL, NULL, NULL, "%s is not taken over; the configuration from before stays in force",
              supervisor->config_file);
    note(supervisor, REFUSED, told);
}

/* Ends the threads, and makes others for `config`, which is taken; it may be the one in force. False: a signal to stop, or
 * something fatal, came while they ended: then they stay the last ones. */
static bool replace_crew(Supervisor *supervisor, Config *config)
{
    Shared *before = crew_shared(supervisor->crew);
    bool patient;

    stop_crew(supervisor, true);
    if (supervisor->stop_signals > 0 || before->fatal != NULL) {
        if (config != supervisor->config)
            config_free(config);
        return false;
    }
    patient = before->patient || g_atomic_int_get(&before->connected);
    crew_free(supervisor->crew);
    if (config != supervisor->config)
        config_free(supervisor->config);
    supervisor->config = config;
    supervisor->crew = crew_new(config, supervisor->options, supervisor->state, supervisor->handovers, patient);
    return true;
}

static void take_over(Supervisor *supervisor, Config *config)
{
    g_autofree char *now = wait_timestamp(0);

    if (!replace_crew(supervisor, config))
        return;
    log_init(config->log_level);
    note(supervisor, RELOADED, now);
    note(supervisor, REFUSED, NULL);
    crew_start(supervisor->crew);
    log_entry(G_LOG_LEVEL_MESSAGE, NULL, NULL, "%s is taken over", supervisor->config_file);
}

/* What the threads know of the state is no longer so. */
static void begin_anew(Supervisor *supervisor)
{
    if (!replace_crew(supervisor, supervisor->config))
        return;
    note_start(crew_shared(supervisor->crew));
    endpoint_listen_again(supervisor->endpoint);
    crew_start(supervisor->crew);
}

static void reload(Supervisor *supervisor)
{
    g_autoptr(GError) fault = NULL;
    Config *config;

    supervisor->reload = false;
    sd_notifyf(0, "RELOADING=1\nMONOTONIC_USEC=%" G_GINT64_FORMAT, g_get_monotonic_time());
    if (read_again(supervisor, &config, &fault)) {
        take_over(supervisor, config);
        sd_notify(0, "READY=1");
    } else {
        refuse(supervisor, fault);
        sd_notify(0, "READY=1\nSTATUS=the changed configuration is refused (kolabctl problems); the one from before is in force");
    }
}

/* --- from the start of the threads to their end */

static bool must_begin_anew(const Supervisor *supervisor)
{
    return g_atomic_int_get(&crew_shared(supervisor->crew)->anew) != 0;
}

static void serve(const Supervisor *supervisor)
{
    while (supervisor->stop_signals == 0 && !supervisor->reload && !must_begin_anew(supervisor)
           && !crew_is_over(supervisor->crew)) {
        if (g_atomic_int_compare_and_exchange(&crew_shared(supervisor->crew)->restored, 1, 0))
            endpoint_listen_again(supervisor->endpoint);
        g_main_context_iteration(NULL, TRUE);
    }
}

/* Without it kolabd does all of its own work. */
static Endpoint *open_endpoint(Supervisor *supervisor)
{
    g_autoptr(GError) fault = NULL;
    Endpoint *endpoint = NULL;

    if (supervisor->handovers == NULL)
        return NULL;
    endpoint = endpoint_open(supervisor->config->state_file, supervisor->state, supervisor->handovers, &fault);
    if (endpoint == NULL)
        log_entry(G_LOG_LEVEL_WARNING, NULL, NULL, "%s; --sync cannot be handed over, and kolabctl retry is seen within a minute",
                  fault->message);
    return endpoint;
}

static int run(Supervisor *supervisor)
{
    Shared *shared = crew_shared(supervisor->crew);

    supervisor->endpoint = open_endpoint(supervisor);
    install_sources(supervisor);
    if (!supervisor->options->dry_run)
        note_start(shared);
    crew_start(supervisor->crew);
    sd_notify(0, "READY=1");
    serve(supervisor);
    while (supervisor->stop_signals == 0 && !crew_is_over(supervisor->crew)) {
        if (supervisor->reload)
            reload(supervisor);
        else
            begin_anew(supervisor);
        serve(supervisor);
    }
    sd_notify(0, "STOPPING=1");
    endpoint_close(supervisor->endpoint);
    stop_crew(supervisor, false);
    shared = crew_shared(supervisor->crew);
    if (shared->options->sync && !shared->options->dry_run && supervisor->stop_signals == 0)
        pruner_settle(shared);
    progress_clear(&shared->progress);
    return report(shared, supervisor->stop_signals > 0);
}

int supervisor_run(const char *config_file, Config *config, const RunOptions *options)
{
    g_autoptr(GError) fault = NULL;
    g_autoptr(State) state = state_open(config->state_file, options->dry_run ? STATE_SCRATCH : STATE_OWN, &fault);
    Supervisor supervisor = {.config_file = config_file, .options = options, .config = config, .state = state};
    int status;

    if (state == NULL) {
        log_entry(G_LOG_LEVEL_CRITICAL, NULL, NULL, "%s", fault->message);
        config_free(config);
        return options->sync ? EXIT_ERROR : EXIT_CONFIGURATION;
    }
    supervisor.handovers = options->sync ? NULL : handovers_new(state);
    supervisor.crew = crew_new(config, options, state, supervisor.handovers, false);
    status = run(&supervisor);
    crew_free(supervisor.crew);
    handovers_free(supervisor.handovers);
    config_free(supervisor.config);
    return status;
}
