#include "daemon/summary.h"

char *summary_describe(const Summary *summary)
{
    return g_strdup_printf("%u entries looked at, %u %s, %u failed", summary->done, summary->changed,
                           summary->dry_run ? "to change" : "changed", summary->failed);
}

/* What failed just now is among what is set aside or waits. */
static guint count_earlier(const Summary *summary)
{
    return summary->unsettled.changes - MIN(summary->unsettled.changes, summary->failed);
}

char *summary_describe_unsettled(const Summary *summary)
{
    if (count_earlier(summary) == 0 && summary->unsettled.deletions == 0)
        return NULL;
    return g_strdup_printf("besides: %u entries failed earlier, %u approved deletions were not carried out (kolabctl problems)",
                           count_earlier(summary), summary->unsettled.deletions);
}

static guint count_undecided(const DepartureSummary *departures)
{
    return departures->held + departures->failed + departures->blocked;
}

char *summary_describe_departures(const Summary *summary)
{
    const DepartureSummary *departures = &summary->departures;

    if (count_undecided(departures) == 0)
        return NULL;
    return g_strdup_printf("departed entries: %u held, %u failed; %u entries wait for what one of them had (kolabctl problems)",
                           departures->held, departures->failed, departures->blocked);
}

int summary_status(const Summary *summary)
{
    if (summary->incomplete)
        return EXIT_ERROR;
    if (summary->failed > 0 || summary->unsettled.changes > 0 || summary->unsettled.deletions > 0
        || count_undecided(&summary->departures) > 0)
        return EXIT_SOME_FAILED;
    return summary->dry_run && summary->changed > 0 ? EXIT_TO_DO : EXIT_IN_ORDER;
}
