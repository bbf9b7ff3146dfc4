#include "plan/step.h"

Step *step_new(StepKind kind, const char *mailbox)
{
    Step *step = g_new0(Step, 1);

    step->kind = kind;
    step->mailbox = g_strdup(mailbox);
    step->add = g_ptr_array_new_with_free_func(g_free);
    step->remove = g_ptr_array_new_with_free_func(g_free);
    step->metadata = g_ptr_array_new_with_free_func((GDestroyNotify)metadata_free);
    return step;
}

void step_free(Step *step)
{
    if (step == NULL)
        return;
    g_free(step->mailbox);
    g_free(step->folder);
    g_free(step->server);
    g_free(step->partition);
    g_free(step->use);
    g_free(step->name);
    g_free(step->before);
    g_free(step->after);
    g_ptr_array_unref(step->add);
    g_ptr_array_unref(step->remove);
    g_ptr_array_unref(step->metadata);
    g_free(step);
}

const char *step_kind_name(StepKind kind)
{
    switch (kind) {
    case STEP_RENAME_MAILBOX:
        return "rename mailbox";
    case STEP_CREATE_PARENT:
        return "create parent";
    case STEP_CREATE_MAILBOX:
        return "create mailbox";
    case STEP_SET_QUOTA:
        return "set quota";
    case STEP_WRITE_ATTRIBUTE:
        return "write attribute";
    case STEP_CREATE_FOLDER:
        return "create folder";
    case STEP_SET_USE:
        return "set special use";
    case STEP_SET_METADATA:
        return "set metadata";
    case STEP_SUBSCRIBE:
        return "subscribe";
    case STEP_MOVE_MAILBOX:
        return "move mailbox";
    case STEP_DELETE_MAILBOX:
        return "delete mailbox";
    case STEP_SET_ACL:
        return "set acl";
    case STEP_SET_SHARED_METADATA:
        return "set metadata";
    }
    g_assert_not_reached();
}

char *step_target(const Step *step)
{
    if (step->name != NULL && step->folder != NULL)
        return g_strdup_printf("%s: %s", step->folder, step->name);
    return g_strdup(step->name != NULL ? step->name : step->folder != NULL ? step->folder : step->mailbox);
}

char *step_show_quota(gint64 quota_kib)
{
    return quota_kib < 0 ? NULL : g_strdup_printf("%" G_GINT64_FORMAT " KiB", quota_kib);
}

StepOutcome *step_outcome_new(const Step *step, const char *refusal)
{
    StepOutcome *outcome = g_new0(StepOutcome, 1);

    outcome->step = step;
    outcome->refusal = g_strdup(refusal);
    return outcome;
}

void step_outcome_free(StepOutcome *outcome)
{
    g_free(outcome->refusal);
    g_free(outcome);
}

Actor step_actor(const Step *step)
{
    switch (step->kind) {
    case STEP_RENAME_MAILBOX:
    case STEP_CREATE_PARENT:
    case STEP_CREATE_MAILBOX:
    case STEP_SET_QUOTA:
    case STEP_MOVE_MAILBOX:
    case STEP_DELETE_MAILBOX:
    case STEP_SET_ACL:
        return ACTOR_ADMIN;
    case STEP_SET_SHARED_METADATA:
        return ACTOR_ADMIN_ALONE;
    case STEP_WRITE_ATTRIBUTE:
        return ACTOR_DIRECTORY;
    case STEP_CREATE_FOLDER:
        return step->by_admin ? ACTOR_ADMIN : ACTOR_USER;
    case STEP_SET_USE:
    case STEP_SET_METADATA:
    case STEP_SUBSCRIBE:
        return ACTOR_USER;
    }
    g_assert_not_reached();
}
