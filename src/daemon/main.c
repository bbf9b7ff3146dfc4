/* kolabd: reads the command line and the configuration, then hands over to the supervisor. */
#include "daemon/client.h"
#include "daemon/config.h"
#include "daemon/log.h"
#include "daemon/supervisor.h"

#include <locale.h>
#include <malloc.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>

/* What a worker gives back to the system after each entry it asks for again at the next. */
enum { KEPT_OCTETS = 1048576 };

typedef struct {
    char *config_file;
    gboolean sync, dry_run, json, resync, check_config, version;
    char *domain;
    char *entry;
} Arguments;

static bool parse_arguments(int *argc, char ***argv, Arguments *arguments, GError **error)
{
    const GOptionEntry entries[] = {
        {"config", 'c', 0, G_OPTION_ARG_FILENAME, &arguments->config_file,
         "Configuration (default " KOLABD_SYSCONFDIR "/kolabd/kolabd.yaml)", "FILE"},
        {"sync", 0, 0, G_OPTION_ARG_NONE, &arguments->sync, "Bring everything in order once, then exit", NULL},
        {"dry-run", 'n', 0, G_OPTION_ARG_NONE, &arguments->dry_run, "With --sync: print the plan, change nothing", NULL},
        {"json", 0, 0, G_OPTION_ARG_NONE, &arguments->json, "With --dry-run: one JSON object a line", NULL},
        {"resync", 0, 0, G_OPTION_ARG_NONE, &arguments->resync,
         "With --sync: look at every entry and verify the IMAP side too", NULL},
        {"domain", 0, 0, G_OPTION_ARG_STRING, &arguments->domain, "With --sync: only this domain", "NAME"},
        {"entry", 0, 0, G_OPTION_ARG_STRING, &arguments->entry, "With --sync: only this entry", "DN|ADDRESS"},
        {"check-config", 0, 0, G_OPTION_ARG_NONE, &arguments->check_config, "Check the configuration and exit", NULL},
        {"version", 0, 0, G_OPTION_ARG_NONE, &arguments->version, "Print the version and exit", NULL},
        {NULL, 0, 0, G_OPTION_ARG_NONE, NULL, NULL, NULL},
    };
    g_autoptr(GOptionContext) context = g_option_context_new("- keep an IMAP store in the state that a directory asks for");

    g_option_context_add_main_entries(context, entries, NULL);
    return g_option_context_parse(context, argc, argv, error);
}

/* What does not go together; NULL: all does. */
static const char *find_misuse(const Arguments *arguments, int argc)
{
    if (argc > 1)
        return "there are no arguments besides options";
    if (!arguments->sync
        && (arguments->dry_run || arguments->resync || arguments->domain != NULL || arguments->entry != NULL))
        return "--dry-run, --resync, --domain and --entry need --sync";
    if (arguments->json && !arguments->dry_run)
        return "--json needs --sync --dry-run";
    return NULL;
}

static int run(const Arguments *arguments)
{
    const char *file = arguments->config_file != NULL ? arguments->config_file : KOLABD_SYSCONFDIR "/kolabd/kolabd.yaml";
    const RunOptions options = {.sync = arguments->sync, .dry_run = arguments->dry_run, .json = arguments->json,
                                .asked = {.resync = arguments->resync, .domain = arguments->domain, .entry = arguments->entry}};
    g_autoptr(GError) error = NULL;
    g_autoptr(Config) config = NULL;
    int status;

    if (!config_read(file, &config, &error)) {
        fprintf(stderr, "%s\n", error->message);
        return arguments->sync || arguments->check_config ? EXIT_ERROR : EXIT_CONFIGURATION;
    }
    if (arguments->check_config) {
        printf("%s: in order, %u domain%s\n", file, config->domains->len, config->domains->len == 1 ? "" : "s");
        return EXIT_IN_ORDER;
    }
    if (arguments->domain != NULL && config->discovery.base_dn == NULL && config_find_domain(config, arguments->domain) == NULL) {
        fprintf(stderr, "kolabd: %s has no domain \"%s\"\n", file, arguments->domain);
        return EXIT_ERROR;
    }
    log_init(config->log_level);
    if (arguments->sync && !arguments->dry_run && client_sync(config->state_file, &options.asked, &status))
        return status;
    if (!arguments->sync)
        signal(SIGHUP, SIG_IGN); /* until it can be served: the file was read just now */
    return supervisor_run(file, g_steal_pointer(&config), &options);
}

int main(int argc, char **argv)
{
    g_autoptr(GError) error = NULL;
    Arguments arguments = {0};
    const char *misuse = NULL;
    int status;

    setlocale(LC_ALL, "C.UTF-8"); /* names are UTF-8 whatever the environment says */
    signal(SIGPIPE, SIG_IGN);     /* a lost connection is an error of that connection */
    mallopt(M_TRIM_THRESHOLD, KEPT_OCTETS);
    log_init(LOG_LEVEL_INFO);
    if (!parse_arguments(&argc, &argv, &arguments, &error))
        misuse = error->message;
    else if (arguments.version)
        printf("kolabd %s\n", KOLABD_VERSION);
    else
        misuse = find_misuse(&arguments, argc);
    if (misuse != NULL) {
        fprintf(stderr, "kolabd: %s; see kolabd --help\n", misuse);
        status = EXIT_ERROR;
    } else {
        status = arguments.version ? EXIT_IN_ORDER : run(&arguments);
    }
    g_free(arguments.config_file);
    g_free(arguments.domain);
    g_free(arguments.entry);
    return status;
}
