#include "plan/plan.h"

#include "model/fault.h"
#include "model/mailbox_name.h"
#include "plan/plan_folders.h"
#include "plan/plan_server.h"
#include "plan/plan_shared.h"

#include <string.h>

void plan_free(Plan *plan)
{
    if (plan == NULL)
        return;
    g_free(plan->dn);
    g_free(plan->unique_id);
    g_ptr_array_unref(plan->steps);
    g_free(plan->server);
    g_free(plan->note);
    g_free(plan);
}

static Plan *plan_new(const char *dn, const char *unique_id)
{
    Plan *plan = g_new0(Plan, 1);

    plan->dn = g_strdup(dn);
    plan->unique_id = g_strdup(unique_id);
    plan->steps = g_ptr_array_new_with_free_func((GDestroyNotify)step_free);
    return plan;
}

Step *plan_add_step(Plan *plan, StepKind kind, const char *mailbox)
{
    Step *step = step_new(kind, mailbox);

    g_ptr_array_add(plan->steps, step);
    return step;
}

void plan_add_rename(Plan *plan, const char *from, const char *to)
{
    Step *step = plan_add_step(plan, STEP_RENAME_MAILBOX, to);

    step->before = g_strdup(from);
    step->after = g_strdup(to);
    plan->takes_name = true;
}

Plan *plan_rename(const char *dn, const char *unique_id, const char *from, const char *to)
{
    Plan *plan = plan_new(dn, unique_id);

    plan_add_rename(plan, from, to);
    return plan;
}

static bool plan_mailbox(Plan *plan, const Account *desired, const Observed *observed, const PlanHistory *history,
                         GError **error)
{
    bool renamed = history->mailbox != NULL && strcmp(history->mailbox, desired->mailbox) != 0;

    if (renamed && observed->previous_exists && observed->mailbox_exists) {
        g_set_error(error, FAULT, FAULT_PARK,
                    "cannot rename mailbox %s to %s: both exist; merge or remove one of them, then retry the entry",
                    history->mailbox, desired->mailbox);
        return false;
    }
    if (observed->mailbox_exists)
        return true;
    if (renamed && observed->previous_exists)
        plan_add_rename(plan, history->mailbox, desired->mailbox);
    else
        plan_creation(plan, desired, observed, history);
    return true;
}

/* No opinion lifts a limit that we set and leaves one that somebody else did. */
static gint64 wanted_quota(const Account *desired, const Observed *observed, const PlanHistory *history)
{
    if (desired->quota_kib != QUOTA_ANY)
        return desired->quota_kib;
    if (history->quota_kib >= 0 && history->quota_kib == observed->quota_kib)
        return QUOTA_UNLIMITED;
    return observed->quota_kib;
}

void plan_add_quota(Plan *plan, const char *mailbox, gint64 present_kib, gint64 wanted_kib)
{
    Step *step;

    if (wanted_kib == present_kib)
        return;
    step = plan_add_step(plan, STEP_SET_QUOTA, mailbox);
    step->quota_kib = wanted_kib;
    step->before = step_show_quota(present_kib);
    step->after = step_show_quota(wanted_kib);
}

void plan_carry_quota(Plan *plan, const char *from, const char *to, gint64 quota_kib)
{
    plan_add_quota(plan, to, QUOTA_UNLIMITED, quota_kib);
    plan_add_quota(plan, from, quota_kib, QUOTA_UNLIMITED);
}

static void plan_quota(Plan *plan, const Account *desired, const Observed *observed, const PlanHistory *history)
{
    bool existed = observed->mailbox_exists || observed->previous_exists;
    gint64 present_kib = existed ? observed->quota_kib : QUOTA_UNLIMITED;
    gint64 wanted_kib = existed ? wanted_quota(desired, observed, history) : MAX(desired->quota_kib, QUOTA_UNLIMITED);

    plan_add_quota(plan, desired->mailbox, present_kib, wanted_kib);
}

/* The directory compares these attributes without case (caseIgnoreMatch, caseIgnoreIA5Match): so do we. */
static bool contains(GPtrArray *values, const char *value)
{
    g_autofree char *folded = g_utf8_casefold(value, -1);

    for (guint i = 0; i < values->len; i++) {
        g_autofree char *other = g_utf8_casefold(g_ptr_array_index(values, i), -1);

        if (strcmp(folded, other) == 0)
            return true;
    }
    return false;
}

static void add_missing(GPtrArray *result, GPtrArray *from, GPtrArray *in)
{
    for (guint i = 0; i < from->len; i++)
        if (!contains(in, g_ptr_array_index(from, i)))
            g_ptr_array_add(result, g_strdup(g_ptr_array_index(from, i)));
}

static char *join_values(GPtrArray *values)
{
    g_autoptr(GString) text = g_string_new(NULL);

    if (values->len == 0)
        return NULL;
    for (guint i = 0; i < values->len; i++)
        g_string_append_printf(text, "%s%s", i > 0 ? ", " : "", (const char *)g_ptr_array_index(values, i));
    return g_strdup(text->str);
}

static bool plan_attribute(Plan *plan, const Entry *entry, const Account *desired, const AttributeValues *attribute,
                           GError **error)
{
    g_autoptr(GPtrArray) present = NULL;
    Step *step;

    if (!entry_get_values(entry, attribute->name, &present, error))
        return false;
    step = step_new(STEP_WRITE_ATTRIBUTE, desired->mailbox);
    add_missing(step->add, attribute->values, present);
    add_missing(step->remove, present, attribute->values);
    if (step->add->len == 0 && step->remove->len == 0) {
        step_free(step);
        return true;
    }
    step->name = g_strdup(attribute->name);
    step->single = attribute->single;
    step->before = join_values(present);
    step->after = join_values(attribute->values);
    g_ptr_array_add(plan->steps, step);
    return true;
}

/* On a murder only the servers know where the mailbox is. */
static bool plan_mail_host(Plan *plan, const Entry *entry, const Account *desired, GError **error)
{
    AttributeValues *attribute;
    bool planned;

    if (plan->server == NULL)
        return true;
    attribute = attribute_values_new(desired->host_attribute);
    attribute->single = true;
    g_ptr_array_add(attribute->values, g_strdup(plan->server));
    planned = plan_attribute(plan, entry, desired, attribute, error);
    attribute_values_free(attribute);
    return planned;
}

static bool plan_attributes(Plan *plan, const Entry *entry, const Account *desired, const Observed *observed, GError **error)
{
    for (guint i = 0; i < desired->attributes->len; i++) {
        const AttributeValues *attribute = g_ptr_array_index(desired->attributes, i);
        bool is_host = observed->murder && g_strcmp0(attribute->name, desired->host_attribute) == 0;

        if (is_host ? !plan_mail_host(plan, entry, desired, error) : !plan_attribute(plan, entry, desired, attribute, error))
            return false;
    }
    return true;
}

static bool has_step(const Plan *plan, StepKind kind)
{
    for (guint i = 0; i < plan->steps->len; i++)
        if (((const Step *)g_ptr_array_index(plan->steps, i))->kind == kind)
            return true;
    return false;
}

/* The mailbox under its name: what must come before everything else. */
static bool plan_name(Plan *plan, const Account *desired, const Observed *observed, const PlanHistory *history, GError **error)
{
    if (desired->mailbox == NULL)
        return true;
    if (!plan_space(desired, history, error))
        return false;
    plan_parents(plan, observed, history);
    return plan_mailbox(plan, desired, observed, history, error);
}

bool plan_make(const Entry *entry, const Account *desired, const Observed *observed, const PlanHistory *history,
               Plan **plan, GError **error)
{
    g_autoptr(Plan) made = plan_new(entry_dn(entry), entry_unique_id(entry));
    bool new_mailbox = !observed->mailbox_exists && !observed->previous_exists;

    if (!plan_name(made, desired, observed, history, error))
        return false;
    plan_find_server(made, desired, observed, history);
    if (desired->mailbox != NULL)
        plan_quota(made, desired, observed, history);
    plan_shared_quota(made, desired, observed, history);
    if (!plan_attributes(made, entry, desired, observed, error))
        return false;
    plan_note_refused(made, desired, observed, history);
    if (desired->mailbox != NULL && (new_mailbox || observed->folders_known))
        plan_folders(made, desired, observed, history);
    plan_move(made, desired, observed, history);
    if (desired->mailbox != NULL && desired->login == NULL)
        plan_shared(made, desired, observed, history);
    *plan = g_steal_pointer(&made);
    return true;
}

bool plan_create(const Entry *entry, const Account *desired, const Observed *observed, const PlanHistory *history,
                 Plan **plan, GError **error)
{
    g_autoptr(Plan) made = plan_new(entry_dn(entry), entry_unique_id(entry));

    if (!plan_name(made, desired, observed, history, error))
        return false;
    plan_find_server(made, desired, observed, history);
    if (observed->assumed)
        plan_quota(made, desired, observed, history);
    *plan = has_step(made, STEP_CREATE_MAILBOX) ? g_steal_pointer(&made) : NULL;
    return true;
}

Plan *plan_make_deletion(const char *dn, const char *unique_id, const char *mailbox)
{
    Plan *plan = plan_new(dn, unique_id);

    plan_add_step(plan, STEP_DELETE_MAILBOX, mailbox)->before = g_strdup(mailbox);
    return plan;
}

const char *plan_present_server(const Plan *plan)
{
    for (guint i = 0; i < plan->steps->len; i++) {
        const Step *step = g_ptr_array_index(plan->steps, i);

        if (step->kind == STEP_MOVE_MAILBOX)
            return step->before;
    }
    return plan->server;
}

Plan *plan_split_risky(Plan *plan)
{
    Step *last = plan->steps->len > 0 ? g_ptr_array_index(plan->steps, plan->steps->len - 1) : NULL;
    Plan *risky;

    if (last == NULL || step_actor(last) != ACTOR_ADMIN_ALONE)
        return NULL;
    risky = plan_new(plan->dn, plan->unique_id);
    risky->server = g_strdup(plan->server);
    g_ptr_array_add(risky->steps, g_ptr_array_steal_index(plan->steps, plan->steps->len - 1));
    return risky;
}

/* What remains of `present` without `remove`, and `add`. */
static void expect_values(Entry *entry, const Step *step)
{
    g_autoptr(GPtrArray) present = NULL;
    g_autoptr(GPtrArray) expected = g_ptr_array_new();

    /* A step was planned, so the values were readable. */
    if (!entry_get_values(entry, step->name, &present, NULL))
        g_assert_not_reached();
    for (guint i = 0; i < present->len; i++)
        if (!contains(step->remove, g_ptr_array_index(present, i)))
            g_ptr_array_add(expected, g_ptr_array_index(present, i));
    g_ptr_array_extend(expected, step->add, NULL, NULL);
    g_ptr_array_add(expected, NULL);
    entry_set_values(entry, step->name, (const char *const *)expected->pdata);
}

Entry *plan_expected_entry(const Plan *plan, const Entry *entry)
{
    Entry *expected = entry_copy(entry);

    for (guint i = 0; i < plan->steps->len; i++) {
        const Step *step = g_ptr_array_index(plan->steps, i);

        if (step->kind == STEP_WRITE_ATTRIBUTE)
            expect_values(expected, step);
    }
    return expected;
}
