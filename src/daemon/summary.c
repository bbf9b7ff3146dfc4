#include "daemon/summary.h"

char *summary_describe(const Summary *summary)
{
    return g_strdup_printf("%u entries looked at, %u %s, %u failed", summary->done, summary->changed,
                           summary->dry_run ? "to change" : "changed", summary->failed);
}

static guint count_unsettled(const DepartureSummary *departures)
{
    return departures->held + departures->failed + departures->blocked;
}

char *summary_describe_departures(const Summary *summary)
{
    const DepartureSummary *departures = &summary->departures;

    if (count_unsettled(departures) == 0)
        return NULL;
    return g_strdup_printf("departed entries: %u held, %u failed; %u entries wait for what one of them had (kolabctl problems)",
                           departures->held, departures->failed, departures->blocked);
}

int summary_status(const Summary *summary)
{
    if (summary->incomplete)
        return EXIT_ERROR;
    if (summary->failed > 0 || count_unsettled(&summary->departures) > 0)
        return EXIT_SOME_FAILED;
    return summary->dry_run && summary->changed > 0 ? EXIT_TO_DO : EXIT_IN_ORDER;
}
