/* kolabctl - shows operators what kolabd's state file knows, and takes their word: what to try again, what to delete. */
#include "daemon/client.h"
#include "daemon/config.h"
#include "daemon/since.h"
#include "state/lock.h"
#include "state/queue.h"
#include "state/report.h"
#include "state/state.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define DEFAULT_CONFIG_FILE KOLABD_SYSCONFDIR "/kolabd/kolabd.yaml"

/* Exit statuses beside EXIT_SUCCESS and EXIT_FAILURE; documented in kolabctl(8). */
enum { EXIT_PROBLEMS = 3 };

typedef struct {
    char *config_file;
    char *state_file; /* from the configuration, unless it was typed */
    gboolean json;
    gboolean all;
    char *entry;
    char *since;
    gboolean version;
    char **words; /* the command and its argument, as typed */
} Options;

static void options_clear(Options *options)
{
    g_free(options->config_file);
    g_free(options->state_file);
    g_free(options->entry);
    g_free(options->since);
    g_strfreev(options->words);
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(Options, options_clear)

static const char SUMMARY[] =
    "Commands:\n"
    "  status            whether kolabd runs, how much is in order, queued, parked; the domains\n"
    "  problems          entries that failed and domains that could not be read; exit status 3 when there are any\n"
    "  show WHAT         everything about an entry: WHAT is its unique id, DN, an address, or its mailbox\n"
    "  retry WHAT        try again at once what failed: WHAT is an entry as above; --all for all that failed\n"
    "  journal           what was done, oldest first; --entry WHAT: of an entry as above, also one that is gone;\n"
    "                    --since TIME: from then on\n"
    "  departures        entries that left: why, and what becomes of their mailboxes\n"
    "  approve WHAT      let held deletions go on: WHAT is a domain, or an entry as above; --all for all domains";

/* File names and words are taken as bytes: an operator's locale is not the directory's. */
static bool parse_options(int argc, char **argv, Options *options, GError **error)
{
    const GOptionEntry entries[] = {
        {"config", 0, 0, G_OPTION_ARG_FILENAME, &options->config_file,
         "configuration, which names the state file (" DEFAULT_CONFIG_FILE ")", "FILE"},
        {"state", 0, 0, G_OPTION_ARG_FILENAME, &options->state_file, "state file, without a configuration", "FILE"},
        {"json", 0, 0, G_OPTION_ARG_NONE, &options->json, "one line of JSON instead of text; of journal: a line each row",
         NULL},
        {"all", 0, 0, G_OPTION_ARG_NONE, &options->all, "with retry: all that failed; with approve: in all domains", NULL},
        {"entry", 0, 0, G_OPTION_ARG_FILENAME, &options->entry, "with journal: only this entry", "WHAT"},
        {"since", 0, 0, G_OPTION_ARG_FILENAME, &options->since,
         "with journal: not before this time (2026-11-21T08:05:27Z), day (2026-11-21) or age (90m, 2h, 3d)", "TIME"},
        {"version", 0, 0, G_OPTION_ARG_NONE, &options->version, "print the version and exit", NULL},
        {G_OPTION_REMAINING, 0, 0, G_OPTION_ARG_FILENAME_ARRAY, &options->words, NULL, "COMMAND [WHAT]"},
        {0},
    };
    g_autoptr(GOptionContext) context = g_option_context_new(NULL);

    g_option_context_set_summary(context, SUMMARY);
    g_option_context_add_main_entries(context, entries, NULL);
    return g_option_context_parse(context, &argc, &argv, error);
}

static int fail(const char *message)
{
    fprintf(stderr, "kolabctl: %s\n", message);
    return EXIT_FAILURE;
}

static int run_status(State *state, const Options *options, GString *out, GError **error)
{
    return report_status(state, options->json, out, error) ? EXIT_SUCCESS : EXIT_FAILURE;
}

static int run_problems(State *state, const Options *options, GString *out, GError **error)
{
    guint count;

    if (!report_problems(state, options->json, out, &count, error))
        return EXIT_FAILURE;
    if (count == 0 && !options->json)
        g_string_append(out, "no problems\n");
    return count == 0 ? EXIT_SUCCESS : EXIT_PROBLEMS;
}

static int run_show(State *state, const Options *options, GString *out, GError **error)
{
    guint count;

    if (!report_show(state, options->words[1], options->json, out, &count, error))
        return EXIT_FAILURE;
    return count > 0 ? EXIT_SUCCESS : fail("the state knows no entry with that unique id, DN, address or mailbox");
}

/* Who asks. By sudo it is somebody else than the user that we run as; only root is believed that. */
static char *find_operator(void)
{
    const char *name = g_getenv("SUDO_USER");

    return geteuid() == 0 && name != NULL ? g_strdup_printf("%s (sudo)", name) : g_strdup(g_get_user_name());
}

/* The daemon need not look into the file by itself. */
static const char *tell_daemon(const Options *options)
{
    return client_look(options->state_file) ? "kolabd goes on with that now" : "kolabd goes on with that when it runs";
}

static int run_retry(State *state, const Options *options, GString *out, GError **error)
{
    g_autofree char *operator = find_operator();
    const char *daemon;
    guint count;

    if (!queue_retry(state, options->all ? NULL : options->words[1], operator, &count, error))
        return EXIT_FAILURE;
    if (count == 0)
        return fail("nothing of that has failed and waits (kolabctl problems lists what does)");
    daemon = tell_daemon(options);
    if (options->json)
        g_string_append_printf(out, "{\"retried\":%u}\n", count);
    else
        g_string_append_printf(out, "%u made due; %s\n", count, daemon);
    return EXIT_SUCCESS;
}

static bool print(const char *lines, G_GNUC_UNUSED gpointer user_data)
{
    return fputs(lines, stdout) >= 0;
}

/* There may be more of it than memory holds: it goes out as it is read. */
static int run_journal(State *state, const Options *options, G_GNUC_UNUSED GString *out, GError **error)
{
    g_autofree char *since = NULL;
    JournalFilter filter = {.entry = options->entry};
    guint found = 0;

    if (options->since != NULL && !since_parse(options->since, g_get_real_time(), &since, error)) {
        g_prefix_error(error, "--since: ");
        return EXIT_FAILURE;
    }
    filter.since = since;
    if (!report_journal(state, &filter, options->json, print, NULL, &found, error))
        return EXIT_FAILURE;
    if (options->entry != NULL && found == 0)
        return fail("neither the state nor its journal knows an entry with that unique id, DN, address or mailbox");
    return EXIT_SUCCESS;
}

static int run_departures(State *state, const Options *options, GString *out, GError **error)
{
    guint count;

    if (!report_departures(state, options->json, out, &count, error))
        return EXIT_FAILURE;
    if (count == 0 && !options->json)
        g_string_append(out, "no departures\n");
    return EXIT_SUCCESS;
}

static int run_approve(State *state, const Options *options, GString *out, GError **error)
{
    g_autofree char *operator = find_operator();
    const char *daemon;
    guint count;

    if (!departure_approve(state, options->all ? NULL : options->words[1], operator, &count, error))
        return EXIT_FAILURE;
    if (count == 0)
        return fail("no deletion of that waits for an approval (kolabctl departures lists them)");
    daemon = tell_daemon(options);
    if (options->json)
        g_string_append_printf(out, "{\"approved\":%u}\n", count);
    else
        g_string_append_printf(out, "%u approved; %s\n", count, daemon);
    return EXIT_SUCCESS;
}

typedef struct {
    const char *name;
    guint words; /* with the command itself */
    bool all;    /* with --all: one word less */
    bool filter; /* takes --entry and --since */
    StateMode mode;
    int (*run)(State *state, const Options *options, GString *out, GError **error);
} Command;

static const Command COMMANDS[] = {
    {"status", 1, false, false, STATE_READ, run_status},
    {"problems", 1, false, false, STATE_READ, run_problems},
    {"show", 2, false, false, STATE_READ, run_show},
    {"retry", 2, true, false, STATE_OPERATOR, run_retry},
    {"journal", 1, false, true, STATE_READ, run_journal},
    {"departures", 1, false, false, STATE_READ, run_departures},
    {"approve", 2, true, false, STATE_OPERATOR, run_approve},
};

/* NULL: no such command, another number of words, or options that are not its own. */
static const Command *find_command(const Options *options)
{
    guint words = options->words == NULL ? 0 : g_strv_length(options->words);
    bool filters = options->entry != NULL || options->since != NULL;

    for (guint i = 0; i < G_N_ELEMENTS(COMMANDS); i++) {
        const Command *command = &COMMANDS[i];

        if ((options->all ? command->all && words + 1 == command->words : words == command->words)
            && strcmp(options->words[0], command->name) == 0 && (command->filter || !filters))
            return command;
    }
    return NULL;
}

/* The configuration is read without its secrets, which operators need not be able to read. */
static bool find_state_file(Options *options, GError **error)
{
    const char *file = options->config_file != NULL ? options->config_file : DEFAULT_CONFIG_FILE;
    g_autofree char *data = NULL;
    g_autoptr(Config) config = NULL;
    gsize len;

    if (options->state_file != NULL)
        return true;
    if (!g_file_get_contents(file, &data, &len, error) || !config_parse(file, data, len, false, &config, error)) {
        g_prefix_error(error, "cannot tell the state file (--state FILE does): ");
        return false;
    }
    options->state_file = g_steal_pointer(&config->state_file);
    return true;
}

/* A state file that cannot be read is no secret of the daemon that works with it. */
static void tell_outage(const char *path)
{
    g_autofree char *note = lock_read_note(path);

    if (note != NULL)
        fprintf(stderr, "kolabctl: kolabd, which runs, tells since %s\n", note);
}

static int run_command(const Command *command, Options *options)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(State) state = find_state_file(options, &error) ? state_open(options->state_file, command->mode, &error) : NULL;
    g_autoptr(GString) out = g_string_new(NULL);
    int status = state == NULL ? EXIT_FAILURE : command->run(state, options, out, &error);

    if (error != NULL) {
        status = fail(g_strchomp(error->message)); /* a list of mistakes ends with a line feed */
        if (options->state_file != NULL && state == NULL)
            tell_outage(options->state_file);
        return status;
    }
    if (fputs(out->str, stdout) < 0 || fflush(stdout) != 0 || ferror(stdout))
        return fail("cannot write to standard output");
    return status;
}

int main(int argc, char **argv)
{
    g_auto(Options) options = {0};
    g_autoptr(GError) error = NULL;
    const Command *command;

    if (!parse_options(argc, argv, &options, &error))
        return fail(error->message);
    if (options.version) {
        puts("kolabctl " KOLABD_VERSION);
        return EXIT_SUCCESS;
    }
    command = find_command(&options);
    return command != NULL ? run_command(command, &options)
                           : fail("say one of: status, problems, show WHAT, retry WHAT, retry --all, "
                                  "journal [--entry WHAT] [--since TIME], departures, approve WHAT, approve --all "
                                  "(kolabctl --help tells more)");
}
