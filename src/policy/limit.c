#include "policy/limit.h"

guint limit_of_deletions(const DomainSettings *settings, guint entries)
{
    return MAX(settings->deletion_limit, (guint)((guint64)entries * settings->deletion_limit_percent / 100));
}

LimitVerdict limit_judge(const DomainSettings *settings, guint entries, guint waiting, guint held, guint recent,
                         guint unsettled)
{
    if ((guint64)waiting + held + recent > limit_of_deletions(settings, entries))
        return LIMIT_HOLD;
    return unsettled > 0 ? LIMIT_WAIT : LIMIT_RELEASE;
}
